/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bare relay on GDBus: one signal subscription, g_dbus_connection_emit_signal(). */
#include "relay-common.h"

#include <gio/gio.h>
#include <stdlib.h>

typedef struct
{
  RelayOptions options;
  GDBusConnection *connection;
  guint32 *last; /* of each chip */
  char (*paths)[RELAY_PATH_SIZE];
} Relay;

static void
on_properties_changed (GDBusConnection *connection, const char *sender, const char *object_path,
                       const char *interface, const char *member, GVariant *arguments,
                       gpointer user_data)
{
  Relay *self = user_data;
  guint chip = relay_chip_of_path (object_path);
  g_autoptr (GVariant) changed = g_variant_get_child_value (arguments, 1);
  g_autoptr (GVariant) value
      = g_variant_lookup_value (changed, "Value", G_VARIANT_TYPE_BYTESTRING);
  RelaySample sample;
  gsize size;
  const guint8 *data;

  if (value == NULL || chip >= self->options.chips)
    return;
  data = g_variant_get_fixed_array (value, &size, 1);
  if (!relay_decode (self->options.input, data, size, &self->last[chip], &sample))
    return;
  if (!g_dbus_connection_emit_signal (
          connection, NULL, self->paths[chip], RELAY_CHIP_INTERFACE, relay_signal_name (self->options.input),
          self->options.input == RELAY_STEPS
              ? g_variant_new ("(uut)", sample.value, sample.other, sample.time)
              : g_variant_new ("(qqt)", sample.value, sample.other, sample.time),
          NULL))
    exit (EXIT_FAILURE);
}

static gboolean
call (GDBusConnection *connection, const char *name, const char *path, const char *interface,
      const char *method, GVariant *arguments)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_sync (connection, name, path, interface, method, arguments, NULL,
                                     G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);

  if (reply == NULL)
    g_printerr ("relay-gdbus: %s\n", error->message);
  return reply != NULL;
}

int
main (int argc, char **argv)
{
  Relay self = { .options = relay_parse_options (argc, argv, "A bare relay on GDBus.") };
  g_autoptr (GDBusConnection) connection = g_bus_get_sync (G_BUS_TYPE_SYSTEM, NULL, NULL);
  char path[RELAY_PATH_SIZE];

  if (connection == NULL || self.options.acquire || self.options.both)
    {
      g_printerr ("relay-gdbus: no bus, or an option that it has not\n");
      return EXIT_FAILURE;
    }
  self.last = g_new0 (guint32, self.options.chips);
  self.paths = g_malloc (self.options.chips * sizeof *self.paths);
  g_dbus_connection_signal_subscribe (connection, "org.bluez", "org.freedesktop.DBus.Properties",
                                      "PropertiesChanged", NULL, RELAY_CHARACTERISTIC_INTERFACE,
                                      G_DBUS_SIGNAL_FLAGS_NONE, on_properties_changed, &self, NULL);
  if (!call (connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
             "RequestName", g_variant_new ("(su)", RELAY_NAME, 0)))
    return EXIT_FAILURE;
  for (guint chip = 0; chip < self.options.chips; chip++)
    {
      relay_chip_path (chip, self.paths[chip]);
      relay_characteristic_path (chip, self.options.input, path);
      if (!call (connection, "org.bluez", path, RELAY_CHARACTERISTIC_INTERFACE, "StartNotify",
                 NULL))
        return EXIT_FAILURE;
    }
  relay_run ();
  g_free (self.last);
  g_free (self.paths);
  return EXIT_SUCCESS;
}
