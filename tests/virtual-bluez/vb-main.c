/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virtual-bluez: an org.bluez for a private bus, with adapters that hear each other. What a GATT
 * application registers on one adapter appears as a remote device on the others, as with real
 * radios.
 */

#include "vb-control.h"
#include "vb-world.h"
#include <glib-unix.h>
#include <stdlib.h>

#define BUS_NAME "org.bluez"

typedef struct
{
  GMainLoop *loop;
  int status;
} Program;

/* A bus name that the program wants. */
typedef struct
{
  Program *program;
  guint id;
  gboolean owned;
} Claim;

static gboolean
on_signal (gpointer user_data)
{
  Program *program = user_data;

  g_main_loop_quit (program->loop);
  return G_SOURCE_CONTINUE;
}

static void
on_name_acquired (GDBusConnection *connection, const char *name, gpointer user_data)
{
  ((Claim *)user_data)->owned = TRUE;
}

/* Either the name was never free, or a virtual-bluez with --name-replace took it over. */
static void
on_name_lost (GDBusConnection *connection, const char *name, gpointer user_data)
{
  Claim *claim = user_data;

  if (!claim->owned && g_str_equal (name, BUS_NAME))
    {
      g_printerr ("virtual-bluez: the name %s is taken\n", name);
      claim->program->status = EXIT_FAILURE;
    }
  claim->owned = FALSE;
  if (g_str_equal (name, BUS_NAME)) /* it is claimed after the other, and so it is lost after it */
    g_main_loop_quit (claim->program->loop);
}

static void
claim_name (Claim *claim, GDBusConnection *connection, const char *name, gboolean replace)
{
  GBusNameOwnerFlags flags
      = G_BUS_NAME_OWNER_FLAGS_ALLOW_REPLACEMENT | G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE;

  if (replace)
    flags |= G_BUS_NAME_OWNER_FLAGS_REPLACE;
  claim->id = g_bus_own_name_on_connection (connection, name, flags, on_name_acquired, on_name_lost,
                                            claim, NULL);
}

/* GLib warns about the release of a name that another has by now. */
static void
release_name (Claim *claim)
{
  if (claim->owned)
    g_bus_unown_name (claim->id);
}

static void
on_bus_closed (GDBusConnection *connection, gboolean vanished, GError *error, gpointer user_data)
{
  Program *program = user_data;

  g_printerr ("virtual-bluez: the bus is gone\n");
  program->status = EXIT_FAILURE;
  g_main_loop_quit (program->loop);
}

static gboolean
parse_options (VbOptions *options, int argc, char **argv)
{
  const GOptionEntry entries[] = {
    { "centrals", 0, 0, G_OPTION_ARG_INT, &options->centrals, "Adapters that scan and connect (1)",
      "N" },
    { "peripherals", 0, 0, G_OPTION_ARG_INT, &options->peripherals,
      "Adapters that only advertise (2)", "N" },
    { "gap", 0, 0, G_OPTION_ARG_NONE, &options->show_gap,
      "Export the GAP service of remote devices, as BlueZ 5.80 does", NULL },
    { "name-replace", 0, 0, G_OPTION_ARG_NONE, &options->replace_name,
      "Take the name org.bluez over from another virtual-bluez", NULL },
    { "storage", 0, 0, G_OPTION_ARG_FILENAME, &options->storage,
      "Remember devices over a restart in this directory", "DIRECTORY" },
    { "temporary-timeout", 0, 0, G_OPTION_ARG_INT, &options->temporary_timeout_ms,
      "Life of a device that was only seen (30000)", "MS" },
    { "connect-timeout", 0, 0, G_OPTION_ARG_INT, &options->connect_timeout_ms,
      "Wait of Connect for an advertisement (41000)", "MS" },
    { "connect-delay", 0, 0, G_OPTION_ARG_INT, &options->connect_delay_ms,
      "From an advertisement to the connection (10)", "MS" },
    { "resolve-delay", 0, 0, G_OPTION_ARG_INT, &options->resolve_delay_ms,
      "From the connection to ServicesResolved (20), -1 = never", "MS" },
    { "objects-delay", 0, 0, G_OPTION_ARG_INT, &options->objects_delay_ms,
      "From ServicesResolved to the GATT objects (0), -1 = never", "MS" },
    { "objects-first", 0, 0, G_OPTION_ARG_NONE, &options->objects_first,
      "Announce the GATT objects before ServicesResolved", NULL },
    { "disconnect-delay", 0, 0, G_OPTION_ARG_INT, &options->disconnect_delay_ms,
      "Duration of Disconnect (50)", "MS" },
    { "report-interval", 0, 0, G_OPTION_ARG_INT, &options->report_interval_ms,
      "Between two reports of one device in a discovery (1000)", "MS" },
    { "signal-connected", 0, 0, G_OPTION_ARG_NONE, &options->signal_connected,
      "Signal Connected=true after Device1.Connect too", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("- a virtual BlueZ");
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    {
      g_printerr ("virtual-bluez: %s\n", error->message);
      return FALSE;
    }
  if (options->centrals < 0 || options->peripherals < 0 || argc > 1)
    {
      g_printerr ("virtual-bluez: invalid arguments\n");
      return FALSE;
    }
  return TRUE;
}

int
main (int argc, char **argv)
{
  Program program = { .status = EXIT_SUCCESS };
  VbOptions options;
  g_autoptr (GError) error = NULL;

  vb_options_init (&options);
  if (!parse_options (&options, argc, argv))
    return EXIT_FAILURE;

  g_autoptr (GDBusConnection) connection = g_bus_get_sync (G_BUS_TYPE_SYSTEM, NULL, &error);
  if (connection == NULL)
    {
      g_printerr ("virtual-bluez: %s\n", error->message);
      return EXIT_FAILURE;
    }
  g_dbus_connection_set_exit_on_close (connection, FALSE);
  g_signal_connect (connection, "closed", G_CALLBACK (on_bus_closed), &program);
  program.loop = g_main_loop_new (NULL, FALSE);
  guint interrupt = g_unix_signal_add (SIGINT, on_signal, &program);
  guint terminate = g_unix_signal_add (SIGTERM, on_signal, &program);

  VbWorld *world = vb_world_new (connection, &options);
  VbControl *control = vb_control_new (world);
  Claim bluez = { &program }, hands = { &program };
  claim_name (&hands, connection, VB_CONTROL_NAME, options.replace_name);
  claim_name (&bluez, connection, BUS_NAME, options.replace_name);

  g_main_loop_run (program.loop);

  vb_control_free (control);
  vb_world_free (world);
  release_name (&bluez);
  release_name (&hands);
  while (g_main_context_iteration (NULL, FALSE))
    ; /* the ends of calls that were cancelled */
  if (!g_dbus_connection_is_closed (connection))
    g_dbus_connection_flush_sync (connection, NULL, NULL);
  g_source_remove (interrupt);
  g_source_remove (terminate);
  g_main_loop_unref (program.loop);
  g_free (options.storage);
  return program.status;
}
