/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "vb-discovery.h"
#include "vb-device.h"
#include "vb-owners.h"
#include <string.h>

#define NO_LIMIT G_MAXINT16
#define RSSI_THRESHOLD 8 /* dBm; smaller changes are not signalled in an unfiltered discovery */

typedef struct
{
  GStrv uuids;
  char *transport;
  char *pattern;
  gint16 rssi;
  gint32 pathloss;
  gboolean duplicates;
  gboolean discoverable;
} Filter;

/* A client that discovers or has set a filter. */
typedef struct
{
  char *client;
  Filter *filter; /* NULL = everything */
  gboolean active;
} Session;

static void
filter_free (Filter *filter)
{
  if (filter == NULL)
    return;
  g_strfreev (filter->uuids);
  g_free (filter->transport);
  g_free (filter->pattern);
  g_free (filter);
}

static void
session_free (gpointer data)
{
  Session *session = data;

  filter_free (session->filter);
  g_free (session->client);
  g_free (session);
}

static Session *
find_session (VbAdapter *self, const char *client)
{
  for (guint i = 0; i < self->discovery_clients->len; i++)
    {
      Session *session = self->discovery_clients->pdata[i];
      if (g_str_equal (session->client, client))
        return session;
    }
  return NULL;
}

static Session *
ensure_session (VbAdapter *self, const char *client)
{
  Session *session = find_session (self, client);

  if (session == NULL)
    {
      session = g_new0 (Session, 1);
      session->client = g_strdup (client);
      g_ptr_array_add (self->discovery_clients, session);
      vb_owners_note (self->world->owners, client);
    }
  return session;
}

static gboolean
is_discovering (VbAdapter *self)
{
  for (guint i = 0; i < self->discovery_clients->len; i++)
    if (((Session *)self->discovery_clients->pdata[i])->active)
      return TRUE;
  return FALSE;
}

/* --- filters --- */

static gboolean
parse_uuids (Filter *filter, GVariant *value)
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
  filter->uuids = g_strv_builder_end (uuids);
  return TRUE;
}

static gboolean
parse_filter_entry (Filter *filter, const char *key, GVariant *value)
{
  if (g_str_equal (key, "UUIDs") && g_variant_is_of_type (value, G_VARIANT_TYPE_STRING_ARRAY))
    return parse_uuids (filter, value);
  if (g_str_equal (key, "RSSI") && g_variant_is_of_type (value, G_VARIANT_TYPE_INT16))
    {
      filter->rssi = g_variant_get_int16 (value);
      return filter->rssi >= -127 && filter->rssi <= 20;
    }
  if (g_str_equal (key, "Pathloss") && g_variant_is_of_type (value, G_VARIANT_TYPE_UINT16))
    {
      filter->pathloss = g_variant_get_uint16 (value);
      return filter->pathloss <= 137;
    }
  if (g_str_equal (key, "Transport") && g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    {
      static const char *const transports[] = { "auto", "bredr", "le", NULL };
      g_free (filter->transport);
      filter->transport = g_variant_dup_string (value, NULL);
      return g_strv_contains (transports, filter->transport);
    }
  if (g_str_equal (key, "Pattern") && g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    {
      g_free (filter->pattern);
      filter->pattern = g_variant_dup_string (value, NULL);
      return TRUE;
    }
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN))
    {
      if (g_str_equal (key, "DuplicateData"))
        filter->duplicates = g_variant_get_boolean (value);
      else if (g_str_equal (key, "Discoverable"))
        filter->discoverable = g_variant_get_boolean (value);
      else
        return FALSE;
      return TRUE;
    }
  return FALSE;
}

/* FALSE when the dictionary is not valid; *filter is NULL for an empty one. */
static gboolean
parse_filter (GVariant *properties, Filter **filter)
{
  GVariantIter iter;
  const char *key;
  GVariant *value;
  gboolean valid = TRUE;

  *filter = NULL;
  if (g_variant_n_children (properties) == 0)
    return TRUE;
  *filter = g_new0 (Filter, 1);
  (*filter)->rssi = NO_LIMIT;
  (*filter)->pathloss = NO_LIMIT;
  g_variant_iter_init (&iter, properties);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      valid = valid && parse_filter_entry (*filter, key, value);
      g_variant_unref (value);
    }
  if (valid && ((*filter)->rssi == NO_LIMIT || (*filter)->pathloss == NO_LIMIT))
    return TRUE;
  g_clear_pointer (filter, filter_free);
  return FALSE;
}

static gboolean
filter_matches (Filter *filter, VbPeer *peer)
{
  const VbReport *report = &peer->report;
  gboolean wanted = filter->uuids == NULL || filter->uuids[0] == NULL;

  if (g_strcmp0 (filter->transport, "bredr") == 0)
    return FALSE;
  for (guint i = 0; !wanted && filter->uuids[i] != NULL; i++)
    wanted = report->uuids != NULL
             && g_strv_contains ((const char *const *)report->uuids, filter->uuids[i]);
  if (filter->rssi != NO_LIMIT && report->rssi < filter->rssi)
    return FALSE;
  if (filter->pathloss != NO_LIMIT
      && (report->tx_power == VB_NO_TX_POWER || report->tx_power - report->rssi > filter->pathloss))
    return FALSE;
  if (filter->pattern != NULL && !g_str_has_prefix (peer->address, filter->pattern)
      && (report->name == NULL || !g_str_has_prefix (report->name, filter->pattern)))
    return FALSE;
  return wanted;
}

/* --- reports --- */

/* An advertisement of a peer reaches the adapter. It shows only while somebody discovers. */
void
vb_discovery_report (VbAdapter *self, VbPeer *peer)
{
  gboolean matched = FALSE, filtered = FALSE, duplicates = FALSE;

  for (guint i = 0; i < self->discovery_clients->len; i++)
    {
      Session *session = self->discovery_clients->pdata[i];

      if (!session->active)
        continue;
      matched = matched || session->filter == NULL || filter_matches (session->filter, peer);
      filtered = filtered || session->filter != NULL;
      duplicates = duplicates || (session->filter != NULL && session->filter->duplicates);
    }
  if (!matched)
    return;

  VbDevice *device = vb_adapter_find_device (self, peer->address);
  if (device == NULL)
    device = vb_device_new (self, peer->address, peer->address_type);
  g_hash_table_add (self->discovery_found, device);
  vb_device_apply_report (device, &peer->report, duplicates, filtered ? 0 : RSSI_THRESHOLD);
  if (!vb_bus_has_object (self->world->bus, vb_device_get_path (device)))
    vb_object_publish (device->object);
}

static void
report_all (VbAdapter *self)
{
  for (guint i = 0; i < self->world->adapters->len; i++)
    {
      VbPeer *peer = ((VbAdapter *)self->world->adapters->pdata[i])->peer;
      if (vb_peer_is_heard_by (peer, self))
        vb_discovery_report (self, peer);
    }
  for (guint i = 0; i < self->world->plain_peers->len; i++)
    {
      VbPeer *peer = self->world->plain_peers->pdata[i];
      if (vb_peer_is_heard_by (peer, self))
        vb_discovery_report (self, peer);
    }
}

static gboolean
on_report (gpointer user_data)
{
  report_all (user_data);
  return G_SOURCE_CONTINUE;
}

/* The first reports of a discovery come soon, the others at their interval. */
static gboolean
on_first_report (gpointer user_data)
{
  VbAdapter *self = user_data;

  self->report_timer = g_timeout_add (self->world->options.report_interval_ms, on_report, self);
  report_all (self);
  return G_SOURCE_REMOVE;
}

static void
update (VbAdapter *self)
{
  gboolean discovering = is_discovering (self);

  if (discovering && self->report_timer == 0)
    self->report_timer
        = g_timeout_add (self->world->options.connect_delay_ms, on_first_report, self);
  if (!discovering && self->report_timer != 0)
    {
      GHashTableIter iter;
      VbDevice *device;

      g_clear_handle_id (&self->report_timer, g_source_remove);
      g_hash_table_iter_init (&iter, self->discovery_found);
      while (g_hash_table_iter_next (&iter, (gpointer *)&device, NULL))
        {
          g_hash_table_iter_remove (&iter);
          vb_device_forget_rssi (device);
        }
    }
  bluez_adapter1_set_discovering (self->skeleton, discovering);
}

/* --- methods --- */

static gboolean
check_powered (VbAdapter *self, GDBusMethodInvocation *invocation)
{
  if (!self->powered)
    vb_bus_return_error (self->world->bus, invocation, "NotReady", "Resource Not Ready");
  return self->powered;
}

gboolean
vb_discovery_method_start (BluezAdapter1 *object, GDBusMethodInvocation *invocation)
{
  VbAdapter *self = vb_interface_get_owner (object);

  if (!check_powered (self, invocation))
    return TRUE;
  Session *session = ensure_session (self, g_dbus_method_invocation_get_sender (invocation));
  if (session->active)
    {
      vb_bus_return_error (self->world->bus, invocation, "InProgress",
                           "Operation already in progress");
      return TRUE;
    }
  session->active = TRUE;
  update (self);
  vb_bus_return (self->world->bus, invocation, NULL);
  return TRUE;
}

gboolean
vb_discovery_method_stop (BluezAdapter1 *object, GDBusMethodInvocation *invocation)
{
  VbAdapter *self = vb_interface_get_owner (object);

  if (!check_powered (self, invocation))
    return TRUE;
  Session *session = find_session (self, g_dbus_method_invocation_get_sender (invocation));
  if (session == NULL || !session->active)
    {
      vb_bus_return_error (self->world->bus, invocation, "Failed", "No discovery started");
      return TRUE;
    }
  session->active = FALSE;
  if (session->filter == NULL)
    g_ptr_array_remove (self->discovery_clients, session);
  update (self);
  vb_bus_return (self->world->bus, invocation, NULL);
  return TRUE;
}

gboolean
vb_discovery_method_set_filter (BluezAdapter1 *object,
                                GDBusMethodInvocation *invocation,
                                GVariant *properties)
{
  VbAdapter *self = vb_interface_get_owner (object);
  Filter *filter;

  if (!check_powered (self, invocation))
    return TRUE;
  if (!parse_filter (properties, &filter))
    {
      vb_bus_return_error (self->world->bus, invocation, "InvalidArguments",
                           "Invalid arguments in method call");
      return TRUE;
    }
  Session *session = ensure_session (self, g_dbus_method_invocation_get_sender (invocation));
  filter_free (session->filter);
  session->filter = filter;
  if (filter == NULL && !session->active)
    g_ptr_array_remove (self->discovery_clients, session);
  vb_bus_return (self->world->bus, invocation, NULL);
  return TRUE;
}

gboolean
vb_discovery_method_get_filters (BluezAdapter1 *object, GDBusMethodInvocation *invocation)
{
  static const char *const names[] = { "UUIDs",         "RSSI",         "Pathloss", "Transport",
                                       "DuplicateData", "Discoverable", "Pattern",  NULL };

  bluez_adapter1_complete_get_discovery_filters (object, invocation, names);
  return TRUE;
}

/* --- life --- */

void
vb_discovery_init (VbAdapter *self)
{
  self->discovery_clients = g_ptr_array_new_with_free_func (session_free);
  self->discovery_found = g_hash_table_new (NULL, NULL);
}

/* The adapter goes off: all sessions end, the filters with them. */
void
vb_discovery_stop_all (VbAdapter *self)
{
  g_ptr_array_set_size (self->discovery_clients, 0);
  update (self);
}

void
vb_discovery_dispose (VbAdapter *self)
{
  g_clear_handle_id (&self->report_timer, g_source_remove);
  g_ptr_array_unref (self->discovery_clients);
  g_hash_table_unref (self->discovery_found);
}

void
vb_discovery_client_gone (VbAdapter *self, const char *client)
{
  Session *session = find_session (self, client);

  if (session == NULL)
    return;
  g_ptr_array_remove (self->discovery_clients, session);
  update (self);
}

void
vb_discovery_device_gone (VbAdapter *self, VbDevice *device)
{
  g_hash_table_remove (self->discovery_found, device);
}
