/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "vb-control.h"
#include "vb-adapter.h"
#include "vb-device.h"
#include "vb-faults.h"
#include "vb-link.h"

void
vb_control_invalid (GDBusMethodInvocation *invocation, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *message = g_strdup_vprintf (format, args);
  va_end (args);
  g_dbus_method_invocation_return_error_literal (invocation, G_DBUS_ERROR,
                                                 G_DBUS_ERROR_INVALID_ARGS, message);
}

/* The adapter with that path; when there is none, answers with an error and returns NULL. */
VbAdapter *
vb_control_find_adapter (VbControl *self, GDBusMethodInvocation *invocation, const char *path)
{
  for (guint i = 0; i < self->world->adapters->len; i++)
    {
      VbAdapter *adapter = self->world->adapters->pdata[i];
      if (g_str_equal (vb_adapter_get_path (adapter), path))
        return adapter;
    }
  g_dbus_method_invocation_return_error (invocation, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_OBJECT,
                                         "no adapter %s", path);
  return NULL;
}

/* --- faults and calls --- */

static gboolean
on_inject_fault (VirtualBluezControl *object,
                 GDBusMethodInvocation *invocation,
                 const char *method,
                 const char *path,
                 GVariant *options,
                 VbControl *self)
{
  g_autoptr (GError) error = NULL;

  if (vb_faults_inject (self->world->faults, method, path, options, &error))
    virtual_bluez_control_complete_inject_fault (object, invocation);
  else
    g_dbus_method_invocation_return_gerror (invocation, error);
  return TRUE;
}

static gboolean
on_clear_faults (VirtualBluezControl *object, GDBusMethodInvocation *invocation, VbControl *self)
{
  vb_faults_clear (self->world->faults);
  virtual_bluez_control_complete_clear_faults (object, invocation);
  return TRUE;
}

static gboolean
on_call_count (VirtualBluezControl *object,
               GDBusMethodInvocation *invocation,
               const char *method,
               VbControl *self)
{
  virtual_bluez_control_complete_call_count (object, invocation,
                                             vb_faults_count_calls (self->world->faults, method));
  return TRUE;
}

static gboolean
on_call_log (VirtualBluezControl *object, GDBusMethodInvocation *invocation, VbControl *self)
{
  virtual_bluez_control_complete_call_log (object, invocation,
                                           vb_faults_get_log (self->world->faults));
  return TRUE;
}

static gboolean
on_clear_calls (VirtualBluezControl *object, GDBusMethodInvocation *invocation, VbControl *self)
{
  vb_faults_clear_log (self->world->faults);
  virtual_bluez_control_complete_clear_calls (object, invocation);
  return TRUE;
}

/* --- options --- */

static gboolean
set_option (VbOptions *options, const char *key, GVariant *value)
{
  const struct
  {
    const char *key;
    const char *type;
    gpointer target;
    int least;
  } keys[] = {
    { "temporary-timeout", "i", &options->temporary_timeout_ms, 0 },
    { "connect-timeout", "i", &options->connect_timeout_ms, 0 },
    { "connect-delay", "i", &options->connect_delay_ms, 0 },
    { "resolve-delay", "i", &options->resolve_delay_ms, -1 },
    { "objects-delay", "i", &options->objects_delay_ms, -1 },
    { "disconnect-delay", "i", &options->disconnect_delay_ms, 0 },
    { "power-delay", "i", &options->power_delay_ms, 0 },
    { "report-interval", "i", &options->report_interval_ms, 1 },
    { "signal-connected", "b", &options->signal_connected, 0 },
    { "gap", "b", &options->show_gap, 0 },
    { "objects-first", "b", &options->objects_first, 0 },
    { "forget-on-stop", "b", &options->forget_on_stop, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    if (g_str_equal (key, keys[i].key))
      {
        if (!g_variant_is_of_type (value, G_VARIANT_TYPE (keys[i].type))
            || (*keys[i].type == 'i' && g_variant_get_int32 (value) < keys[i].least))
          return FALSE;
        g_variant_get (value, keys[i].type, keys[i].target);
        return TRUE;
      }
  return FALSE;
}

static gboolean
on_set_options (VirtualBluezControl *object,
                GDBusMethodInvocation *invocation,
                GVariant *given,
                VbControl *self)
{
  VbOptions options = self->world->options;
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_iter_init (&iter, given);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      gboolean valid = set_option (&options, key, value);

      g_variant_unref (value);
      if (!valid)
        {
          vb_control_invalid (invocation, "invalid option %s", key);
          return TRUE;
        }
    }
  self->world->options = options;
  virtual_bluez_control_complete_set_options (object, invocation);
  return TRUE;
}

/* --- adapters --- */

static gboolean
on_add_adapter (VirtualBluezControl *object,
                GDBusMethodInvocation *invocation,
                guint index,
                GVariant *options,
                VbControl *self)
{
  gboolean central = TRUE;
  g_autofree char *address = NULL;
  g_autofree char *path = g_strdup_printf ("/org/bluez/hci%u", index);

  g_variant_lookup (options, "central", "b", &central);
  g_variant_lookup (options, "address", "s", &address);
  if (index > 65535 || vb_bus_has_object (self->world->bus, path)
      || (address != NULL && vb_world_find_adapter (self->world, address) != NULL))
    {
      vb_control_invalid (invocation, "hci%u or its address is in use", index);
      return TRUE;
    }
  VbAdapter *adapter = vb_world_add_adapter (self->world, index, central, address);
  virtual_bluez_control_complete_add_adapter (object, invocation, vb_adapter_get_path (adapter));
  return TRUE;
}

static gboolean
on_remove_adapter (VirtualBluezControl *object,
                   GDBusMethodInvocation *invocation,
                   const char *path,
                   VbControl *self)
{
  VbAdapter *adapter = vb_control_find_adapter (self, invocation, path);

  if (adapter == NULL)
    return TRUE;
  vb_world_remove_adapter (self->world, adapter);
  virtual_bluez_control_complete_remove_adapter (object, invocation);
  return TRUE;
}

static gboolean
on_set_blocked (VirtualBluezControl *object,
                GDBusMethodInvocation *invocation,
                const char *path,
                gboolean blocked,
                VbControl *self)
{
  VbAdapter *adapter = vb_control_find_adapter (self, invocation, path);

  if (adapter == NULL)
    return TRUE;
  vb_adapter_set_blocked (adapter, blocked);
  virtual_bluez_control_complete_set_blocked (object, invocation);
  return TRUE;
}

static gboolean
on_set_connection_limit (VirtualBluezControl *object,
                         GDBusMethodInvocation *invocation,
                         const char *path,
                         guint limit,
                         VbControl *self)
{
  VbAdapter *adapter = vb_control_find_adapter (self, invocation, path);

  if (adapter == NULL)
    return TRUE;
  adapter->connection_limit = limit;
  virtual_bluez_control_complete_set_connection_limit (object, invocation);
  return TRUE;
}

/* --- links --- */

static void
drop_links (VbAdapter *adapter)
{
  g_autoptr (GList) devices = g_hash_table_get_values (adapter->devices);

  for (GList *l = devices; l != NULL; l = l->next)
    if (((VbDevice *)l->data)->link != NULL)
      vb_link_drop (((VbDevice *)l->data)->link);
}

static gboolean
on_set_in_range (VirtualBluezControl *object,
                 GDBusMethodInvocation *invocation,
                 const char *path,
                 gboolean in_range,
                 VbControl *self)
{
  VbAdapter *adapter = vb_control_find_adapter (self, invocation, path);

  if (adapter == NULL)
    return TRUE;
  adapter->peer->out_of_range = !in_range;
  if (in_range)
    vb_peer_announce (adapter->peer);
  else
    drop_links (adapter);
  virtual_bluez_control_complete_set_in_range (object, invocation);
  return TRUE;
}

static gboolean
on_set_rssi (VirtualBluezControl *object,
             GDBusMethodInvocation *invocation,
             const char *path,
             gint16 rssi,
             VbControl *self)
{
  VbAdapter *adapter = vb_control_find_adapter (self, invocation, path);

  if (adapter == NULL)
    return TRUE;
  adapter->peer->report.rssi = rssi;
  virtual_bluez_control_complete_set_rssi (object, invocation);
  return TRUE;
}

static gboolean
on_drop_link (VirtualBluezControl *object,
              GDBusMethodInvocation *invocation,
              const char *path,
              VbControl *self)
{
  VbDevice *device = vb_world_find_device (self->world, path);

  if (device != NULL)
    {
      if (device->link != NULL)
        vb_link_drop (device->link);
    }
  else
    {
      VbAdapter *adapter = vb_control_find_adapter (self, invocation, path);

      if (adapter == NULL)
        return TRUE;
      drop_links (adapter);
    }
  virtual_bluez_control_complete_drop_link (object, invocation);
  return TRUE;
}

static gboolean
on_links (VirtualBluezControl *object, GDBusMethodInvocation *invocation, VbControl *self)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(oo)"));
  for (guint i = 0; i < self->world->adapters->len; i++)
    {
      VbAdapter *adapter = self->world->adapters->pdata[i];
      GHashTableIter iter;
      VbDevice *device;

      g_hash_table_iter_init (&iter, adapter->devices);
      while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&device))
        if (vb_link_is_central (device))
          g_variant_builder_add (&builder, "(oo)", vb_device_get_path (device),
                                 vb_device_get_path (device->link->peripheral));
    }
  virtual_bluez_control_complete_links (object, invocation, g_variant_builder_end (&builder));
  return TRUE;
}

/* --- life --- */

VbControl *
vb_control_new (VbWorld *world)
{
  VbControl *self = g_new0 (VbControl, 1);
  g_autoptr (GError) error = NULL;
  const struct
  {
    const char *signal;
    GCallback handler;
  } handlers[] = {
    { "handle-inject-fault", G_CALLBACK (on_inject_fault) },
    { "handle-clear-faults", G_CALLBACK (on_clear_faults) },
    { "handle-call-count", G_CALLBACK (on_call_count) },
    { "handle-call-log", G_CALLBACK (on_call_log) },
    { "handle-clear-calls", G_CALLBACK (on_clear_calls) },
    { "handle-set-options", G_CALLBACK (on_set_options) },
    { "handle-add-adapter", G_CALLBACK (on_add_adapter) },
    { "handle-remove-adapter", G_CALLBACK (on_remove_adapter) },
    { "handle-set-blocked", G_CALLBACK (on_set_blocked) },
    { "handle-set-connection-limit", G_CALLBACK (on_set_connection_limit) },
    { "handle-set-in-range", G_CALLBACK (on_set_in_range) },
    { "handle-set-rssi", G_CALLBACK (on_set_rssi) },
    { "handle-drop-link", G_CALLBACK (on_drop_link) },
    { "handle-links", G_CALLBACK (on_links) },
  };

  self->world = world;
  self->skeleton = virtual_bluez_control_skeleton_new ();
  for (guint i = 0; i < G_N_ELEMENTS (handlers); i++)
    g_signal_connect (self->skeleton, handlers[i].signal, handlers[i].handler, self);
  vb_control_connect_devices (self);
  vb_control_connect_signals (self);
  if (!g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (self->skeleton),
                                         vb_bus_get_connection (world->bus), VB_CONTROL_PATH,
                                         &error))
    g_error ("cannot export the control interface: %s", error->message);
  return self;
}

void
vb_control_free (VbControl *self)
{
  vb_control_dispose_signals (self);
  g_dbus_interface_skeleton_unexport (G_DBUS_INTERFACE_SKELETON (self->skeleton));
  g_object_unref (self->skeleton);
  g_free (self);
}
