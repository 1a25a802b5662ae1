/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib-unix.h>
#include <stdlib.h>

#include "ctl-client.h"
#include "notify-watch.h"

static char *option_config;
static gboolean option_version;

static const GOptionEntry entries[] = {
  { "config", 'c', 0, G_OPTION_ARG_FILENAME, &option_config,
    "Read this instead of core2-notify.conf in the folders for configuration", "FILE" },
  { "version", 0, 0, G_OPTION_ARG_NONE, &option_version, "Print the version", NULL },
  { 0 },
};

typedef struct
{
  GMainLoop *loop;
  NotifyWatch *watch;
  int status;
} Program;

static gboolean
on_terminate (gpointer user_data)
{
  Program *self = user_data;

  g_main_loop_quit (self->loop);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_reload (gpointer user_data)
{
  Program *self = user_data;
  g_autoptr (GError) error = NULL;
  NotifyConfig config;

  if (notify_config_read (&config, option_config, &error))
    notify_watch_set_config (self->watch, &config);
  else
    g_message ("the configuration stays as it was: %s", error->message);
  return G_SOURCE_CONTINUE;
}

static void
on_bus_closed (GDBusConnection *connection, gboolean peer_vanished, GError *error,
               gpointer user_data)
{
  Program *self = user_data;

  g_message ("a bus has gone");
  self->status = EXIT_FAILURE;
  g_main_loop_quit (self->loop);
}

/* A connection whose end ends this program, with a status that has systemd start it again. */
static GDBusConnection *
connect_bus (Program *self, GBusType type, GError **error)
{
  GDBusConnection *connection = g_bus_get_sync (type, NULL, error);

  if (connection == NULL)
    return NULL;
  g_dbus_connection_set_exit_on_close (connection, FALSE);
  g_signal_connect (connection, "closed", G_CALLBACK (on_bus_closed), self);
  return connection;
}

/* core2d ended while it was asked: before it could answer, or before the question reached it. */
static gboolean
is_gone (const GError *error)
{
  return g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY)
         || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN)
         || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER);
}

/*
 * core2d's objects, none when it does not run. One that ends while it is asked is asked again: by
 * then it has gone, or another one has come.
 */
static GDBusObjectManager *
list_objects (GDBusConnection *system, GError **error)
{
  GDBusObjectManager *objects;
  GError *failure = NULL;

  do
    {
      g_clear_error (&failure);
      objects = core2_dbus_object_manager_client_new_sync (
          system, G_DBUS_OBJECT_MANAGER_CLIENT_FLAGS_DO_NOT_AUTO_START, CTL_BUS_NAME,
          CTL_ROOT_PATH, NULL, &failure);
    }
  while (objects == NULL && is_gone (failure) && !g_dbus_connection_is_closed (system));
  if (failure != NULL)
    g_propagate_error (error, failure);
  return objects;
}

static gboolean
run (Program *self, GError **error)
{
  g_autofree char *told
      = g_build_filename (g_get_user_state_dir (), "core2-notify", "told", NULL);
  g_autoptr (NotifyMemory) memory = NULL;
  g_autoptr (GDBusConnection) system = NULL;
  g_autoptr (GDBusConnection) session = NULL;
  g_autoptr (GDBusObjectManager) objects = NULL;
  NotifyConfig config;

  if (!notify_config_read (&config, option_config, error))
    return FALSE;
  system = connect_bus (self, G_BUS_TYPE_SYSTEM, error);
  if (system == NULL)
    return FALSE;
  session = connect_bus (self, G_BUS_TYPE_SESSION, error);
  if (session == NULL)
    return FALSE;
  objects = list_objects (system, error);
  if (objects == NULL)
    return FALSE;

  memory = notify_memory_new (told);
  self->watch
      = notify_watch_new (G_DBUS_OBJECT_MANAGER_CLIENT (objects), session, memory, &config);
  g_main_loop_run (self->loop);
  g_clear_pointer (&self->watch, notify_watch_free);
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  Program program = { .status = EXIT_SUCCESS };

  g_set_prgname ("core2-notify");
  g_option_context_set_summary (context, "Tells the desktop's user of low batteries, reached goals "
                                         "and rejected keys of core2d's chips.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc > 1)
    {
      g_printerr ("core2-notify: %s\n", error != NULL ? error->message : "no arguments are known");
      return 2;
    }
  if (option_version)
    {
      g_print ("core2-notify " CORE2_VERSION "\n");
      return EXIT_SUCCESS;
    }

  program.loop = g_main_loop_new (NULL, FALSE);
  g_unix_signal_add (SIGTERM, on_terminate, &program);
  g_unix_signal_add (SIGINT, on_terminate, &program);
  g_unix_signal_add (SIGHUP, on_reload, &program);
  if (!run (&program, &error))
    {
      g_printerr ("core2-notify: %s\n", error->message);
      program.status = EXIT_FAILURE;
    }
  g_main_loop_unref (program.loop);
  g_free (option_config);
  return program.status;
}
