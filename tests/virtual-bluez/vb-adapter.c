/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "vb-adapter.h"
#include "vb-advertising.h"
#include "vb-application.h"
#include "vb-database.h"
#include "vb-device.h"
#include "vb-discovery.h"
#include "vb-link.h"

static gboolean
method_remove_device (BluezAdapter1 *object, GDBusMethodInvocation *invocation, const char *path)
{
  VbAdapter *self = vb_interface_get_owner (object);
  VbDevice *device = vb_world_find_device (self->world, path);

  if (device == NULL || device->adapter != self)
    vb_bus_return_error (self->world->bus, invocation, "DoesNotExist", "Does Not Exist");
  else if (!self->powered)
    vb_bus_return_error (self->world->bus, invocation, "NotReady", "Resource Not Ready");
  else if (device->link != NULL)
    {
      device->remove_when_down = TRUE;
      vb_link_request_disconnect (device, invocation);
    }
  else
    {
      vb_device_remove (device);
      vb_bus_return (self->world->bus, invocation, NULL);
    }
  return TRUE;
}

static void
report_settings (VbAdapter *self)
{
  g_clear_handle_id (&self->power_timer, g_source_remove);
  if (self->power_call != NULL)
    vb_bus_return (self->world->bus, g_steal_pointer (&self->power_call), NULL);
}

static void
remove_temporary_devices (VbAdapter *self)
{
  g_autoptr (GList) devices = g_hash_table_get_values (self->devices);

  for (GList *l = devices; l != NULL; l = l->next)
    {
      VbDevice *device = l->data;
      if (device->temporary && device->link == NULL)
        vb_device_remove (device);
    }
}

/* All links go down; whoever waits for a connection is told so. */
static void
close_links (VbAdapter *self)
{
  g_autoptr (GList) devices = g_hash_table_get_values (self->devices);

  for (GList *l = devices; l != NULL; l = l->next)
    {
      VbDevice *device = l->data;

      vb_link_abort_connect (device, "le-connection-abort-by-local");
      if (device->link != NULL)
        vb_link_drop (device->link);
    }
}

/* What bluetoothd does when the kernel reports the new power state. */
void
vb_adapter_set_powered (VbAdapter *self, gboolean powered)
{
  if (self->powered == powered)
    {
      report_settings (self);
      return;
    }
  if (!powered)
    {
      remove_temporary_devices (self);
      vb_discovery_stop_all (self);
      close_links (self);
    }
  self->powered = powered;
  bluez_adapter1_set_powered (self->skeleton, powered);
  bluez_adapter1_set_class (self->skeleton, powered ? 0x7c0104 : 0);
  report_settings (self);
  if (!powered)
    return;
  vb_peer_announce (self->peer);
  for (guint i = 0; i < self->world->adapters->len; i++)
    {
      VbAdapter *other = self->world->adapters->pdata[i];
      if (vb_peer_is_heard_by (other->peer, self))
        vb_link_peer_heard (self, other->peer);
    }
}

/* Sets or lifts an rfkill block. A blocked adapter is off; afterwards it is as it was before. */
void
vb_adapter_set_blocked (VbAdapter *self, gboolean blocked)
{
  if (self->blocked == blocked)
    return;
  self->blocked = blocked;
  if (blocked)
    self->powered_unblocked = self->powered;
  vb_adapter_set_powered (self, blocked ? FALSE : self->powered_unblocked);
}

static gboolean
on_power_changed (gpointer user_data)
{
  VbAdapter *self = user_data;

  self->power_timer = 0;
  vb_adapter_set_powered (self, self->power_wanted);
  return G_SOURCE_REMOVE;
}

static void
set_power_property (VbAdapter *self, gboolean powered, GDBusMethodInvocation *invocation)
{
  if (self->power_call != NULL)
    vb_bus_return_error (self->world->bus, invocation, "Busy", "%s", "");
  else if (powered == self->powered)
    vb_bus_return (self->world->bus, invocation, NULL);
  else if (powered && self->blocked)
    vb_bus_return_error (self->world->bus, invocation, "Blocked", "Blocked through rfkill");
  else
    {
      self->power_call = invocation;
      self->power_wanted = powered;
      self->power_timer
          = g_timeout_add (self->world->options.power_delay_ms, on_power_changed, self);
    }
}

static void
set_property (gpointer owner, const char *name, GVariant *value, GDBusMethodInvocation *invocation)
{
  VbAdapter *self = owner;

  if (g_str_equal (name, "Powered"))
    {
      set_power_property (self, g_variant_get_boolean (value), invocation);
      return;
    }
  if (g_str_equal (name, "Alias"))
    {
      const char *alias = g_variant_get_string (value, NULL);
      bluez_adapter1_set_alias (self->skeleton,
                                *alias != '\0' ? alias : bluez_adapter1_get_name (self->skeleton));
    }
  else if (g_str_equal (name, "Discoverable"))
    bluez_adapter1_set_discoverable (self->skeleton, g_variant_get_boolean (value));
  else if (g_str_equal (name, "DiscoverableTimeout"))
    bluez_adapter1_set_discoverable_timeout (self->skeleton, g_variant_get_uint32 (value));
  else if (g_str_equal (name, "Pairable"))
    bluez_adapter1_set_pairable (self->skeleton, g_variant_get_boolean (value));
  else if (g_str_equal (name, "PairableTimeout"))
    bluez_adapter1_set_pairable_timeout (self->skeleton, g_variant_get_uint32 (value));
  vb_bus_return (self->world->bus, invocation, NULL);
}

static gboolean
has_advertising_property (gpointer owner, const char *name)
{
  return !g_str_equal (name, "SupportedSecondaryChannels");
}

/* Once, before the first adapter. */
void
vb_adapter_class_setup (void)
{
  BluezAdapter1Iface *adapter = vb_interface_class_setup (BLUEZ_TYPE_ADAPTER1_SKELETON,
                                                          BLUEZ_TYPE_ADAPTER1, NULL, set_property);
  BluezGattManager1Iface *gatt = vb_interface_class_setup (BLUEZ_TYPE_GATT_MANAGER1_SKELETON,
                                                           BLUEZ_TYPE_GATT_MANAGER1, NULL, NULL);
  BluezLEAdvertisingManager1Iface *advertising = vb_interface_class_setup (
      BLUEZ_TYPE_LEADVERTISING_MANAGER1_SKELETON, BLUEZ_TYPE_LEADVERTISING_MANAGER1,
      has_advertising_property, NULL);

  adapter->handle_start_discovery = vb_discovery_method_start;
  adapter->handle_stop_discovery = vb_discovery_method_stop;
  adapter->handle_set_discovery_filter = vb_discovery_method_set_filter;
  adapter->handle_get_discovery_filters = vb_discovery_method_get_filters;
  adapter->handle_remove_device = method_remove_device;
  gatt->handle_register_application = vb_application_method_register;
  gatt->handle_unregister_application = vb_application_method_unregister;
  advertising->handle_register_advertisement = vb_advertising_method_register;
  advertising->handle_unregister_advertisement = vb_advertising_method_unregister;
}

static void
init_properties (VbAdapter *self)
{
  static const char *const central_roles[] = { "central", "peripheral", NULL };
  static const char *const peripheral_roles[] = { "peripheral", NULL };
  static const char *const uuids[]
      = { "00001801-0000-1000-8000-00805f9b34fb", "00001800-0000-1000-8000-00805f9b34fb",
          "00001200-0000-1000-8000-00805f9b34fb", "0000180a-0000-1000-8000-00805f9b34fb", NULL };
  g_autofree char *name = g_strdup_printf ("virtual-%d", self->index);

  bluez_adapter1_set_address (self->skeleton, self->address);
  bluez_adapter1_set_address_type (self->skeleton, self->central ? "public" : "random");
  bluez_adapter1_set_name (self->skeleton, name);
  bluez_adapter1_set_alias (self->skeleton, name);
  bluez_adapter1_set_class (self->skeleton, 0x7c0104);
  bluez_adapter1_set_powered (self->skeleton, TRUE);
  bluez_adapter1_set_discoverable_timeout (self->skeleton, 180);
  bluez_adapter1_set_pairable (self->skeleton, TRUE);
  bluez_adapter1_set_uuids (self->skeleton, uuids);
  bluez_adapter1_set_modalias (self->skeleton, "usb:v1D6Bp0246d0542");
  bluez_adapter1_set_roles (self->skeleton, self->central ? central_roles : peripheral_roles);
}

VbAdapter *
vb_adapter_new (VbWorld *world, int index, gboolean central, const char *address)
{
  VbAdapter *self = g_new0 (VbAdapter, 1);
  g_autofree char *path = g_strdup_printf ("/org/bluez/hci%d", index);

  self->world = world;
  self->index = index;
  self->central = central;
  self->address = g_strdup (address);
  self->powered = TRUE;
  self->devices
      = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify)vb_device_free);
  self->peer = vb_peer_new (world, self, address, central ? "public" : "random");
  self->skeleton = bluez_adapter1_skeleton_new ();
  self->gatt_manager = bluez_gatt_manager1_skeleton_new ();
  self->advertising_manager = bluez_leadvertising_manager1_skeleton_new ();
  self->object = vb_object_new (world->bus, path);
  vb_object_add (self->object, self->skeleton, self);
  vb_object_add (self->object, self->gatt_manager, self);
  vb_object_add (self->object, self->advertising_manager, self);
  init_properties (self);
  vb_discovery_init (self);
  vb_database_init (self);
  vb_application_init (self);
  vb_advertising_init (self);
  vb_object_publish (self->object);
  return self;
}

/* As when the controller is unplugged: links drop, the devices go, then the adapter. */
void
vb_adapter_free (VbAdapter *self)
{
  self->peer->advertising = FALSE;
  close_links (self);
  vb_discovery_stop_all (self);
  g_hash_table_unref (self->devices);
  self->devices = NULL;
  vb_advertising_dispose (self);
  vb_application_dispose (self);
  vb_discovery_dispose (self);
  g_ptr_array_unref (self->services);
  if (self->power_call != NULL)
    vb_bus_return_error (self->world->bus, self->power_call, "Failed", "Adapter removed");
  g_clear_handle_id (&self->power_timer, g_source_remove);
  vb_object_free (self->object);
  vb_peer_free (self->peer);
  g_free (self->address);
  g_free (self);
}

const char *
vb_adapter_get_path (VbAdapter *self)
{
  return vb_object_get_path (self->object);
}

VbDevice *
vb_adapter_find_device (VbAdapter *self, const char *address)
{
  return g_hash_table_lookup (self->devices, address);
}
