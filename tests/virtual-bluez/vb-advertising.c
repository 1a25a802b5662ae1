/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "vb-advertising.h"
#include "vb-owners.h"

#define INTERFACE "org.bluez.LEAdvertisement1"
#define MAX_INSTANCES 5

typedef struct
{
  VbAdapter *adapter;
  char *owner;
  char *path;
  GDBusMethodInvocation *call; /* RegisterAdvertisement, until the properties are known */
  GCancellable *cancellable;
  gboolean active;
  VbReport report;
  guint timeout;
} Advertisement;

/* --- what the peer sends: all advertisements of the adapter together --- */

static GStrv
merge_uuids (GStrv first, GStrv second)
{
  g_autoptr (GStrvBuilder) all = g_strv_builder_new ();

  if (first != NULL)
    g_strv_builder_addv (all, (const char **)first);
  if (second != NULL)
    g_strv_builder_addv (all, (const char **)second);
  return g_strv_builder_end (all);
}

static void
merge_report (VbReport *into, const VbReport *from)
{
  GStrv uuids = merge_uuids (into->uuids, from->uuids);

  g_strfreev (into->uuids);
  into->uuids = uuids;
  if (into->name == NULL)
    into->name = g_strdup (from->name);
  if (into->manufacturer_data == NULL && from->manufacturer_data != NULL)
    into->manufacturer_data = g_variant_ref (from->manufacturer_data);
  if (into->service_data == NULL && from->service_data != NULL)
    into->service_data = g_variant_ref (from->service_data);
  if (into->appearance == 0)
    into->appearance = from->appearance;
  if (into->tx_power == VB_NO_TX_POWER)
    into->tx_power = from->tx_power;
  into->connectable = into->connectable || from->connectable;
}

static void
update_peer (VbAdapter *adapter)
{
  VbPeer *peer = adapter->peer;
  gint16 rssi = peer->report.rssi;
  guint active = 0;

  vb_report_clear (&peer->report);
  peer->report.rssi = rssi;
  for (guint i = 0; i < adapter->advertisements->len; i++)
    {
      Advertisement *advertisement = adapter->advertisements->pdata[i];

      if (!advertisement->active)
        continue;
      merge_report (&peer->report, &advertisement->report);
      active++;
    }
  peer->advertising = active > 0;
  bluez_leadvertising_manager1_set_active_instances (adapter->advertising_manager, active);
  bluez_leadvertising_manager1_set_supported_instances (adapter->advertising_manager,
                                                        MAX_INSTANCES - active);
  if (peer->advertising)
    vb_peer_announce (peer);
}

/* --- one advertisement --- */

static GVariant *
expand_service_data (GVariant *data)
{
  GVariantBuilder builder;
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_variant_iter_init (&iter, data);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      g_autofree char *uuid = vb_uuid_expand (key);

      if (uuid != NULL)
        g_variant_builder_add (&builder, "{sv}", uuid, value);
      g_variant_unref (value);
    }
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

static gboolean
take_uuids (VbReport *report, GVariant *value)
{
  g_autofree const char **names = g_variant_get_strv (value, NULL);
  g_autoptr (GStrvBuilder) uuids = g_strv_builder_new ();

  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *uuid = vb_uuid_expand (names[i]);
      if (uuid == NULL)
        return FALSE;
      g_strv_builder_add (uuids, uuid);
    }
  g_strfreev (report->uuids);
  report->uuids = g_strv_builder_end (uuids);
  return TRUE;
}

static gboolean
take_includes (Advertisement *self, GVariant *value)
{
  g_autofree const char **names = g_variant_get_strv (value, NULL);

  for (guint i = 0; names[i] != NULL; i++)
    {
      if (g_str_equal (names[i], "local-name") && self->report.name == NULL)
        self->report.name = g_strdup (bluez_adapter1_get_alias (self->adapter->skeleton));
      else if (g_str_equal (names[i], "tx-power") && self->report.tx_power == VB_NO_TX_POWER)
        self->report.tx_power = 0;
    }
  return TRUE;
}

/* Takes over one property; FALSE when its value is not valid. Unknown ones are ignored. */
static gboolean
take_property (Advertisement *self, const char *name, GVariant *value)
{
  VbReport *report = &self->report;

  if (g_str_equal (name, "Type"))
    {
      const char *type = g_variant_is_of_type (value, G_VARIANT_TYPE_STRING)
                             ? g_variant_get_string (value, NULL)
                             : "";
      report->connectable = g_str_equal (type, "peripheral");
      return report->connectable || g_str_equal (type, "broadcast");
    }
  if (g_str_equal (name, "ServiceUUIDs"))
    return g_variant_is_of_type (value, G_VARIANT_TYPE_STRING_ARRAY) && take_uuids (report, value);
  if (g_str_equal (name, "ManufacturerData"))
    {
      if (!g_variant_is_of_type (value, G_VARIANT_TYPE ("a{qv}")))
        return FALSE;
      g_clear_pointer (&report->manufacturer_data, g_variant_unref);
      if (g_variant_n_children (value) > 0)
        report->manufacturer_data = g_variant_ref (value);
      return TRUE;
    }
  if (g_str_equal (name, "ServiceData"))
    {
      if (!g_variant_is_of_type (value, G_VARIANT_TYPE_VARDICT))
        return FALSE;
      g_clear_pointer (&report->service_data, g_variant_unref);
      if (g_variant_n_children (value) > 0)
        report->service_data = expand_service_data (value);
      return TRUE;
    }
  if (g_str_equal (name, "LocalName"))
    {
      if (!g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
        return FALSE;
      g_free (report->name);
      report->name = g_variant_dup_string (value, NULL);
      if (*report->name == '\0')
        g_clear_pointer (&report->name, g_free);
      return TRUE;
    }
  if (g_str_equal (name, "Includes"))
    return g_variant_is_of_type (value, G_VARIANT_TYPE_STRING_ARRAY) && take_includes (self, value);
  if (g_str_equal (name, "Appearance") && g_variant_is_of_type (value, G_VARIANT_TYPE_UINT16))
    report->appearance = g_variant_get_uint16 (value);
  if (g_str_equal (name, "TxPower") && g_variant_is_of_type (value, G_VARIANT_TYPE_INT16))
    report->tx_power = g_variant_get_int16 (value);
  return TRUE;
}

static gboolean
take_properties (Advertisement *self, GVariant *properties)
{
  GVariantIter iter;
  const char *name;
  GVariant *value;
  gboolean valid = TRUE;

  g_variant_iter_init (&iter, properties);
  while (g_variant_iter_next (&iter, "{&sv}", &name, &value))
    {
      valid = valid && take_property (self, name, value);
      g_variant_unref (value);
    }
  return valid;
}

static void
call_release (Advertisement *self)
{
  g_dbus_connection_call (vb_bus_get_connection (self->adapter->world->bus), self->owner,
                          self->path, INTERFACE, "Release", NULL, NULL,
                          G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, NULL, NULL);
}

static void
advertisement_free (gpointer data)
{
  Advertisement *self = data;

  vb_owners_unlisten (self->adapter->world->owners, self->owner, self->path);
  g_clear_handle_id (&self->timeout, g_source_remove);
  g_cancellable_cancel (self->cancellable);
  g_object_unref (self->cancellable);
  vb_report_clear (&self->report);
  g_free (self->owner);
  g_free (self->path);
  g_free (self);
}

static void
unregister (Advertisement *self)
{
  VbAdapter *adapter = self->adapter;

  if (self->call != NULL)
    vb_bus_return_error (adapter->world->bus, g_steal_pointer (&self->call), "Failed",
                         "Failed to parse advertisement.");
  g_ptr_array_remove (adapter->advertisements, self);
  update_peer (adapter);
}

static gboolean
on_timeout (gpointer user_data)
{
  Advertisement *self = user_data;

  self->timeout = 0;
  call_release (self);
  unregister (self);
  return G_SOURCE_REMOVE;
}

static void
on_properties_changed (GVariant *changed, gpointer user_data)
{
  Advertisement *self = user_data;

  take_properties (self, changed);
  update_peer (self->adapter);
}

static void
properties_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Advertisement *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GVariant) properties = NULL;
  guint16 seconds = 0;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (reply != NULL)
    properties = g_variant_get_child_value (reply, 0);
  if (properties == NULL || !take_properties (self, properties))
    {
      unregister (self);
      return;
    }

  VbAdapter *adapter = self->adapter;
  self->active = TRUE;
  vb_owners_listen (adapter->world->owners, self->owner, self->path, on_properties_changed, self);
  g_variant_lookup (properties, "Timeout", "q", &seconds);
  if (seconds > 0)
    self->timeout = g_timeout_add_seconds (seconds, on_timeout, self);
  vb_bus_return (adapter->world->bus, g_steal_pointer (&self->call), NULL);
  update_peer (adapter);
}

static Advertisement *
find_advertisement (VbAdapter *adapter, const char *owner, const char *path)
{
  for (guint i = 0; i < adapter->advertisements->len; i++)
    {
      Advertisement *advertisement = adapter->advertisements->pdata[i];
      if (g_str_equal (advertisement->owner, owner) && g_str_equal (advertisement->path, path))
        return advertisement;
    }
  return NULL;
}

gboolean
vb_advertising_method_register (BluezLEAdvertisingManager1 *object,
                                GDBusMethodInvocation *invocation,
                                const char *path,
                                GVariant *options)
{
  VbAdapter *adapter = vb_interface_get_owner (object);
  const char *sender = g_dbus_method_invocation_get_sender (invocation);

  if (find_advertisement (adapter, sender, path) != NULL)
    {
      vb_bus_return_error (adapter->world->bus, invocation, "AlreadyExists", "Already Exists");
      return TRUE;
    }
  if (adapter->advertisements->len >= MAX_INSTANCES)
    {
      vb_bus_return_error (adapter->world->bus, invocation, "NotPermitted",
                           "Maximum advertisements reached");
      return TRUE;
    }

  Advertisement *self = g_new0 (Advertisement, 1);
  self->adapter = adapter;
  self->owner = g_strdup (sender);
  self->path = g_strdup (path);
  self->call = invocation;
  self->cancellable = g_cancellable_new ();
  vb_report_init (&self->report);
  g_ptr_array_add (adapter->advertisements, self);
  vb_owners_note (adapter->world->owners, sender);
  g_dbus_connection_call (
      vb_bus_get_connection (adapter->world->bus), sender, path, "org.freedesktop.DBus.Properties",
      "GetAll", g_variant_new ("(s)", INTERFACE), G_VARIANT_TYPE ("(a{sv})"),
      G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, self->cancellable, properties_done, self);
  return TRUE;
}

gboolean
vb_advertising_method_unregister (BluezLEAdvertisingManager1 *object,
                                  GDBusMethodInvocation *invocation,
                                  const char *path)
{
  VbAdapter *adapter = vb_interface_get_owner (object);
  Advertisement *advertisement
      = find_advertisement (adapter, g_dbus_method_invocation_get_sender (invocation), path);

  if (advertisement == NULL)
    {
      vb_bus_return_error (adapter->world->bus, invocation, "DoesNotExist", "Does Not Exist");
      return TRUE;
    }
  unregister (advertisement);
  vb_bus_return (adapter->world->bus, invocation, NULL);
  return TRUE;
}

void
vb_advertising_init (VbAdapter *adapter)
{
  static const char *const includes[] = { "tx-power", "appearance", "local-name", NULL };

  adapter->advertisements = g_ptr_array_new_with_free_func (advertisement_free);
  bluez_leadvertising_manager1_set_supported_includes (adapter->advertising_manager, includes);
  update_peer (adapter);
}

void
vb_advertising_dispose (VbAdapter *adapter)
{
  while (adapter->advertisements->len > 0)
    {
      call_release (adapter->advertisements->pdata[0]);
      unregister (adapter->advertisements->pdata[0]);
    }
  g_ptr_array_unref (adapter->advertisements);
}

void
vb_advertising_client_gone (VbAdapter *adapter, const char *client)
{
  for (guint i = adapter->advertisements->len; i-- > 0;)
    {
      Advertisement *advertisement = adapter->advertisements->pdata[i];
      if (g_str_equal (advertisement->owner, client))
        unregister (advertisement);
    }
}
