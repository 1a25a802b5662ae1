/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "vb-control.h"
#include "vb-gatt-client.h"
#include <string.h>

#define TICK 10 /* ms between two portions of a flood */

/* Notifications that are made at a rate. */
typedef struct
{
  VbControl *control;
  char *path;
  guint8 *value;
  gsize size;
  gssize increment; /* offset of the number that grows, -1 = none */
  guint left;
  guint rate; /* a second */
  gint64 begin;
  guint sent;
  guint timer;
} Flood;

static void
flood_free (gpointer data)
{
  Flood *flood = data;

  g_clear_handle_id (&flood->timer, g_source_remove);
  g_free (flood->path);
  g_free (flood->value);
  g_free (flood);
}

/* One notification. FALSE when the characteristic is gone. */
static gboolean
emit (Flood *self)
{
  VbDevice *device = vb_world_find_device (self->control->world, self->path);
  VbRemoteCharacteristic *characteristic
      = device != NULL ? vb_gatt_client_find (device, self->path) : NULL;

  if (characteristic == NULL)
    return FALSE;
  g_autoptr (GVariant) value = g_variant_ref_sink (
      g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, self->value, self->size, 1));
  vb_notify_deliver (characteristic, value);
  if (self->increment >= 0)
    {
      guint32 number;

      memcpy (&number, self->value + self->increment, sizeof number);
      number = GUINT32_TO_LE (GUINT32_FROM_LE (number) + 1);
      memcpy (self->value + self->increment, &number, sizeof number);
    }
  self->sent++;
  self->left--;
  return TRUE;
}

static gboolean
on_tick (gpointer user_data)
{
  Flood *self = user_data;
  gint64 elapsed = g_get_monotonic_time () - self->begin;
  guint due = (guint)(elapsed * self->rate / G_USEC_PER_SEC);

  while (self->left > 0 && self->sent < due)
    if (!emit (self))
      self->left = 0;
  if (self->left > 0)
    return G_SOURCE_CONTINUE;
  self->timer = 0;
  g_ptr_array_remove (self->control->floods, self);
  return G_SOURCE_REMOVE;
}

static gboolean
on_emit_value (VirtualBluezControl *object,
               GDBusMethodInvocation *invocation,
               const char *path,
               GVariant *value,
               GVariant *options,
               VbControl *self)
{
  VbDevice *device = vb_world_find_device (self->world, path);
  guint times = 1, rate = 0, increment = G_MAXUINT;
  gsize size;
  const guint8 *bytes = g_variant_get_fixed_array (value, &size, 1);

  g_variant_lookup (options, "times", "u", &times);
  g_variant_lookup (options, "rate", "u", &rate);
  g_variant_lookup (options, "increment", "u", &increment);
  if (device == NULL || vb_gatt_client_find (device, path) == NULL
      || (increment != G_MAXUINT && (gsize)increment + 4 > size))
    {
      vb_control_invalid (invocation, "no such characteristic, or increment beyond the value");
      return TRUE;
    }

  Flood *flood = g_new0 (Flood, 1);
  flood->control = self;
  flood->path = g_strdup (path);
  flood->value = g_memdup2 (bytes, size);
  flood->size = size;
  flood->increment = increment == G_MAXUINT ? -1 : (gssize)increment;
  flood->left = times;
  flood->rate = rate;
  flood->begin = g_get_monotonic_time ();
  if (rate > 0)
    {
      flood->timer = g_timeout_add (TICK, on_tick, flood);
      g_ptr_array_add (self->floods, flood);
    }
  else
    {
      while (flood->left > 0 && emit (flood))
        ;
      flood_free (flood);
    }
  virtual_bluez_control_complete_emit_value (object, invocation);
  return TRUE;
}

static void
emit_signal (VbControl *self,
             const char *path,
             const char *interface,
             const char *signal,
             GVariant *parameters)
{
  vb_bus_flush (self->world->bus);
  g_dbus_connection_emit_signal (vb_bus_get_connection (self->world->bus), NULL, path, interface,
                                 signal, parameters, NULL);
}

static gboolean
on_emit_properties (VirtualBluezControl *object,
                    GDBusMethodInvocation *invocation,
                    const char *path,
                    const char *interface,
                    GVariant *changed,
                    const char *const *invalidated,
                    VbControl *self)
{
  emit_signal (self, path, "org.freedesktop.DBus.Properties", "PropertiesChanged",
               g_variant_new ("(s@a{sv}^as)", interface, changed, invalidated));
  virtual_bluez_control_complete_emit_properties (object, invocation);
  return TRUE;
}

static gboolean
on_emit_interfaces_added (VirtualBluezControl *object,
                          GDBusMethodInvocation *invocation,
                          const char *path,
                          GVariant *interfaces,
                          VbControl *self)
{
  emit_signal (self, "/", "org.freedesktop.DBus.ObjectManager", "InterfacesAdded",
               g_variant_new ("(o@a{sa{sv}})", path, interfaces));
  virtual_bluez_control_complete_emit_interfaces_added (object, invocation);
  return TRUE;
}

static gboolean
on_emit_interfaces_removed (VirtualBluezControl *object,
                            GDBusMethodInvocation *invocation,
                            const char *path,
                            const char *const *interfaces,
                            VbControl *self)
{
  emit_signal (self, "/", "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved",
               g_variant_new ("(o^as)", path, interfaces));
  virtual_bluez_control_complete_emit_interfaces_removed (object, invocation);
  return TRUE;
}

void
vb_control_connect_signals (VbControl *self)
{
  self->floods = g_ptr_array_new_with_free_func (flood_free);
  g_signal_connect (self->skeleton, "handle-emit-value", G_CALLBACK (on_emit_value), self);
  g_signal_connect (self->skeleton, "handle-emit-properties", G_CALLBACK (on_emit_properties),
                    self);
  g_signal_connect (self->skeleton, "handle-emit-interfaces-added",
                    G_CALLBACK (on_emit_interfaces_added), self);
  g_signal_connect (self->skeleton, "handle-emit-interfaces-removed",
                    G_CALLBACK (on_emit_interfaces_removed), self);
}

void
vb_control_dispose_signals (VbControl *self)
{
  g_ptr_array_unref (self->floods);
}
