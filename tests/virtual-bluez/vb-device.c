/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "vb-device.h"
#include "vb-discovery.h"
#include "vb-gatt-client.h"
#include "vb-link.h"
#include "vb-storage.h"

static gboolean
has_property (gpointer owner, const char *name)
{
  VbDevice *self = owner;
  BluezDevice1 *device = self->skeleton;

  if (g_str_equal (name, "Name"))
    return bluez_device1_get_name (device) != NULL;
  if (g_str_equal (name, "Class"))
    return bluez_device1_get_class (device) != 0;
  if (g_str_equal (name, "Appearance"))
    return bluez_device1_get_appearance (device) != 0;
  if (g_str_equal (name, "Icon"))
    return bluez_device1_get_icon (device) != NULL;
  if (g_str_equal (name, "RSSI"))
    return bluez_device1_get_rssi (device) != 0;
  if (g_str_equal (name, "TxPower"))
    return bluez_device1_get_tx_power (device) != VB_NO_TX_POWER;
  if (g_str_equal (name, "Modalias"))
    return bluez_device1_get_modalias (device) != NULL;
  if (g_str_equal (name, "ManufacturerData"))
    return bluez_device1_get_manufacturer_data (device) != NULL;
  if (g_str_equal (name, "ServiceData"))
    return bluez_device1_get_service_data (device) != NULL;
  return TRUE;
}

/* Alias is what a client set, else the name, else the address with dashes. */
static void
update_alias (VbDevice *self)
{
  const char *name = bluez_device1_get_name (self->skeleton);

  if (self->alias == NULL && name == NULL)
    {
      g_autofree char *dashed = g_strdelimit (g_strdup (self->address), ":", '-');
      bluez_device1_set_alias (self->skeleton, dashed);
    }
  else
    bluez_device1_set_alias (self->skeleton, self->alias != NULL ? self->alias : name);
}

static void
set_property (gpointer owner, const char *name, GVariant *value, GDBusMethodInvocation *invocation)
{
  VbDevice *self = owner;

  if (g_str_equal (name, "Trusted"))
    {
      bluez_device1_set_trusted (self->skeleton, g_variant_get_boolean (value));
      if (g_variant_get_boolean (value))
        {
          vb_device_set_temporary (self, FALSE);
          vb_link_update_auto_connect (self);
        }
    }
  else if (g_str_equal (name, "Blocked"))
    {
      bluez_device1_set_blocked (self->skeleton, g_variant_get_boolean (value));
      if (g_variant_get_boolean (value) && self->link != NULL)
        vb_link_drop (self->link);
    }
  else if (g_str_equal (name, "Alias"))
    {
      const char *alias = g_variant_get_string (value, NULL);

      g_free (self->alias);
      self->alias = *alias != '\0' ? g_strdup (alias) : NULL;
      update_alias (self);
    }
  vb_storage_save (self);
  vb_bus_return (self->adapter->world->bus, invocation, NULL);
}

static gboolean
method_connect_profile (BluezDevice1 *object, GDBusMethodInvocation *invocation, const char *uuid)
{
  VbDevice *self = vb_interface_get_owner (object);

  vb_bus_return_error (self->adapter->world->bus, invocation, "NotAvailable",
                       "br-connection-profile-unavailable");
  return TRUE;
}

static gboolean
method_disconnect_profile (BluezDevice1 *object,
                           GDBusMethodInvocation *invocation,
                           const char *uuid)
{
  VbDevice *self = vb_interface_get_owner (object);

  vb_bus_return_error (self->adapter->world->bus, invocation, "InvalidArguments",
                       "Invalid arguments in method call");
  return TRUE;
}

/* The peers here know no Security Manager. */
static gboolean
method_pair (BluezDevice1 *object, GDBusMethodInvocation *invocation)
{
  VbDevice *self = vb_interface_get_owner (object);

  vb_bus_return_error (self->adapter->world->bus, invocation, "AuthenticationFailed",
                       "Authentication Failed");
  return TRUE;
}

static gboolean
method_cancel_pairing (BluezDevice1 *object, GDBusMethodInvocation *invocation)
{
  VbDevice *self = vb_interface_get_owner (object);

  vb_bus_return_error (self->adapter->world->bus, invocation, "DoesNotExist", "Does Not Exist");
  return TRUE;
}

/* Once, before the first device. */
void
vb_device_class_setup (void)
{
  BluezDevice1Iface *iface = vb_interface_class_setup (
      BLUEZ_TYPE_DEVICE1_SKELETON, BLUEZ_TYPE_DEVICE1, has_property, set_property);

  iface->handle_connect = vb_link_method_connect;
  iface->handle_disconnect = vb_link_method_disconnect;
  iface->handle_connect_profile = method_connect_profile;
  iface->handle_disconnect_profile = method_disconnect_profile;
  iface->handle_pair = method_pair;
  iface->handle_cancel_pairing = method_cancel_pairing;
}

/* A new, temporary device that is not published yet. The adapter owns it. */
VbDevice *
vb_device_new (VbAdapter *adapter, const char *address, const char *address_type)
{
  static const char *const no_uuids[] = { NULL };
  VbDevice *self = g_new0 (VbDevice, 1);
  g_autofree char *underscored = g_strdelimit (g_strdup (address), ":", '_');
  g_autofree char *path = g_strdup_printf ("%s/dev_%s", vb_adapter_get_path (adapter), underscored);

  self->adapter = adapter;
  self->address = g_strdup (address);
  self->disconnect_calls = g_ptr_array_new ();
  self->skeleton = bluez_device1_skeleton_new ();
  self->object = vb_object_new (adapter->world->bus, path);
  vb_object_add (self->object, self->skeleton, self);
  vb_gatt_client_init (self);
  bluez_device1_set_address (self->skeleton, address);
  bluez_device1_set_address_type (self->skeleton, address_type);
  bluez_device1_set_adapter (self->skeleton, vb_adapter_get_path (adapter));
  bluez_device1_set_uuids (self->skeleton, no_uuids);
  bluez_device1_set_tx_power (self->skeleton, VB_NO_TX_POWER);
  update_alias (self);
  g_hash_table_insert (adapter->devices, self->address, self);
  vb_device_set_temporary (self, TRUE);
  return self;
}

/* For the adapter's table; others call vb_device_remove(). */
void
vb_device_free (VbDevice *self)
{
  vb_link_dispose_device (self);
  vb_discovery_device_gone (self->adapter, self);
  vb_gatt_client_dispose (self);
  g_clear_handle_id (&self->temporary_timer, g_source_remove);
  g_clear_handle_id (&self->stale_timer, g_source_remove);
  vb_object_free (self->object);
  g_ptr_array_unref (self->disconnect_calls);
  g_free (self->alias);
  g_free (self->address);
  g_free (self);
}

/* Forgets the device: its link drops, its objects go. */
void
vb_device_remove (VbDevice *self)
{
  vb_storage_forget (self);
  g_hash_table_remove (self->adapter->devices, self->address);
}

const char *
vb_device_get_path (VbDevice *self)
{
  return vb_object_get_path (self->object);
}

static gboolean
on_temporary_timeout (gpointer user_data)
{
  VbDevice *self = user_data;

  self->temporary_timer = 0;
  vb_device_remove (self);
  return G_SOURCE_REMOVE;
}

/* A sign of life: the time of a temporary device begins again. */
void
vb_device_seen (VbDevice *self)
{
  g_clear_handle_id (&self->temporary_timer, g_source_remove);
  if (self->temporary && self->link == NULL)
    self->temporary_timer = g_timeout_add (self->adapter->world->options.temporary_timeout_ms,
                                           on_temporary_timeout, self);
}

void
vb_device_set_temporary (VbDevice *self, gboolean temporary)
{
  self->temporary = temporary;
  if (temporary)
    self->auto_connect = FALSE;
  vb_device_seen (self);
  vb_storage_save (self);
}

void
vb_device_add_uuids (VbDevice *self, const char *const *uuids)
{
  const char *const *known = bluez_device1_get_uuids (self->skeleton);
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func (g_free);
  gboolean changed = FALSE;

  for (guint i = 0; known != NULL && known[i] != NULL; i++)
    g_ptr_array_add (all, g_strdup (known[i]));
  for (guint i = 0; uuids != NULL && uuids[i] != NULL; i++)
    if (!g_ptr_array_find_with_equal_func (all, uuids[i], g_str_equal, NULL))
      {
        g_ptr_array_add (all, g_strdup (uuids[i]));
        changed = TRUE;
      }
  if (!changed)
    return;
  g_ptr_array_add (all, NULL);
  bluez_device1_set_uuids (self->skeleton, (const char *const *)all->pdata);
}

/* A service of the device has gone. */
void
vb_device_remove_uuid (VbDevice *self, const char *uuid)
{
  const char *const *known = bluez_device1_get_uuids (self->skeleton);
  g_autoptr (GPtrArray) others = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; known != NULL && known[i] != NULL; i++)
    if (!g_str_equal (known[i], uuid))
      g_ptr_array_add (others, g_strdup (known[i]));
  g_ptr_array_add (others, NULL);
  bluez_device1_set_uuids (self->skeleton, (const char *const *)others->pdata);
}

static void
apply_rssi (VbDevice *self, gint16 rssi, gint threshold)
{
  gint16 known = bluez_device1_get_rssi (self->skeleton);

  if (known == 0 || (known != rssi && ABS (known - rssi) >= threshold))
    bluez_device1_set_rssi (self->skeleton, rssi);
}

/* Takes over what an advertisement says. With `duplicates` data is signalled even when it is the
 * same. */
void
vb_device_apply_report (VbDevice *self,
                        const VbReport *report,
                        gboolean duplicates,
                        gint rssi_threshold)
{
  BluezDevice1 *device = self->skeleton;
  gboolean published = vb_bus_has_object (self->adapter->world->bus, vb_device_get_path (self));

  vb_device_seen (self);
  self->connectable = report->connectable;
  apply_rssi (self, report->rssi, rssi_threshold);
  if (report->tx_power != VB_NO_TX_POWER)
    bluez_device1_set_tx_power (device, report->tx_power);
  if (report->appearance != 0)
    bluez_device1_set_appearance (device, report->appearance);
  if (report->name != NULL)
    {
      bluez_device1_set_name (device, report->name);
      update_alias (self);
    }
  vb_device_add_uuids (self, (const char *const *)report->uuids);
  if (report->manufacturer_data != NULL)
    {
      bluez_device1_set_manufacturer_data (device, report->manufacturer_data);
      if (duplicates && published)
        vb_interface_changed (device, "ManufacturerData");
    }
  if (report->service_data != NULL)
    {
      bluez_device1_set_service_data (device, report->service_data);
      if (duplicates && published)
        vb_interface_changed (device, "ServiceData");
    }
}

/* What an earlier run knew of it; either may be NULL. */
void
vb_device_set_names (VbDevice *self, const char *name, const char *alias)
{
  bluez_device1_set_name (self->skeleton, name);
  g_free (self->alias);
  self->alias = g_strdup (alias);
  update_alias (self);
}

static gboolean
on_stale_connection_ends (gpointer user_data)
{
  VbDevice *self = user_data;

  self->stale_timer = 0;
  if (self->link == NULL)
    bluez_device1_set_connected (self->skeleton, FALSE);
  return G_SOURCE_REMOVE;
}

/* Shows Connected for a time, of a link that an earlier bluetoothd left and that nobody can use. */
void
vb_device_show_stale_connection (VbDevice *self, guint duration_ms)
{
  bluez_device1_set_connected (self->skeleton, TRUE);
  self->stale_timer = g_timeout_add (duration_ms, on_stale_connection_ends, self);
}

/* The discovery that saw the device ended. Devices that cannot be connected go with it. */
void
vb_device_forget_rssi (VbDevice *self)
{
  bluez_device1_set_rssi (self->skeleton, 0);
  bluez_device1_set_tx_power (self->skeleton, VB_NO_TX_POWER);
  if (self->temporary && self->link == NULL
      && (!self->connectable || self->adapter->world->options.forget_on_stop))
    vb_device_remove (self);
}

/* Whether an application registered a profile for one of the device's services. */
gboolean
vb_device_has_profile_uuid (VbDevice *self)
{
  const char *const *uuids = bluez_device1_get_uuids (self->skeleton);

  for (guint i = 0; uuids != NULL && uuids[i] != NULL; i++)
    if (g_hash_table_contains (self->adapter->profile_uuids, uuids[i]))
      return TRUE;
  return FALSE;
}
