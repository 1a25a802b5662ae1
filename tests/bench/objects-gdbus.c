/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core2d's objects with all of their properties, by GDBus and the code that is generated from the contract: what a
 * daemon on it would need at least. Nothing ever happens to its chips. */
#include <stdlib.h>
#include <systemd/sd-daemon.h>

#include "core2-dbus.h"

#define ROOT_PATH "/org/example/Core2"
#define FIRST_CHIP G_GUINT64_CONSTANT (0xf14fbb6ab579)

typedef struct
{
  GMainLoop *loop;
  int status;
} Program;

static void
publish (GDBusObjectManagerServer *manager, guint64 number)
{
  g_autofree char *address = g_strdup_printf (
      "%02X:%02X:%02X:%02X:%02X:%02X", (guint) (number >> 40) & 0xff, (guint) (number >> 32) & 0xff,
      (guint) (number >> 24) & 0xff, (guint) (number >> 16) & 0xff, (guint) (number >> 8) & 0xff,
      (guint) number & 0xff);
  g_autofree char *path = g_strconcat (ROOT_PATH "/chip/", address, NULL);
  g_autoptr (Core2DbusObjectSkeleton) object = NULL;
  g_autoptr (Core2DbusChip) chip = core2_dbus_chip_skeleton_new ();
  g_autoptr (Core2DbusInfo) info = core2_dbus_info_skeleton_new ();
  g_autoptr (Core2DbusHistory) history = core2_dbus_history_skeleton_new ();

  object = core2_dbus_object_skeleton_new (g_strdelimit (path, ":", '_'));
  g_object_set (chip, "address", address, "name", "", "alias", "", "side", "unknown", "adapter", "",
                "remembered", TRUE, "auto-connect", TRUE, "state", "waiting", "status-text",
                "asleep: shake the chip", "last-error", "", "rssi", 127, "pairing-state", "idle",
                "battery", 255, "battery-status", "unknown", "orientation",
                g_variant_new ("(qq)", 0, 0), NULL);
  g_object_set (info, "available", (const char *[]){ NULL }, "name", "", "privacy-flag", 255,
                "system-id", "",
                "serial-number", "", "hardware-revision", "", "software-revision", "",
                "firmware-revision", "", "vendor-source", 255, NULL);
  core2_dbus_object_skeleton_set_chip (object, chip);
  core2_dbus_object_skeleton_set_info (object, info);
  core2_dbus_object_skeleton_set_history (object, history);
  g_dbus_object_manager_server_export (manager, G_DBUS_OBJECT_SKELETON (object));
}

static void
on_name_acquired (GDBusConnection *connection, const char *name, gpointer user_data)
{
  sd_notify (0, "READY=1");
}

/* Ends with its bus. */
static void
on_name_lost (GDBusConnection *connection, const char *name, gpointer user_data)
{
  Program *self = user_data;

  self->status = connection == NULL || g_dbus_connection_is_closed (connection) ? EXIT_SUCCESS
                                                                                : EXIT_FAILURE;
  g_main_loop_quit (self->loop);
}

int
main (int argc, char **argv)
{
  Program self = { .status = EXIT_SUCCESS };
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) connection = NULL;
  g_autoptr (GDBusObjectManagerServer) manager = NULL;
  guint64 count;
  guint id;

  if (argc != 3 || !g_ascii_string_to_unsigned (argv[2], 10, 0, 100000, &count, NULL))
    {
      g_printerr ("usage: objects-gdbus BUS-NAME CHIPS\n");
      return EXIT_FAILURE;
    }
  connection = g_bus_get_sync (G_BUS_TYPE_SYSTEM, NULL, &error);
  if (connection == NULL)
    {
      g_printerr ("objects-gdbus: %s\n", error->message);
      return EXIT_FAILURE;
    }
  g_dbus_connection_set_exit_on_close (connection, FALSE);
  self.loop = g_main_loop_new (NULL, FALSE);
  manager = g_dbus_object_manager_server_new (ROOT_PATH);
  for (guint64 i = 0; i < count; i++)
    publish (manager, FIRST_CHIP + i);
  g_dbus_object_manager_server_set_connection (manager, connection);
  id = g_bus_own_name_on_connection (connection, argv[1], G_BUS_NAME_OWNER_FLAGS_NONE,
                                     on_name_acquired, on_name_lost, &self, NULL);
  g_main_loop_run (self.loop);
  g_bus_unown_name (id);
  g_main_loop_unref (self.loop);
  return self.status;
}
