/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core2d: options, the loop, the bus name, signals of the system, and word to systemd. */
#include <glib-unix.h>
#include <glib.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

#include "core2-bus-health.h"
#include "core2-bus-name.h"
#include "core2-bus.h"
#include "core2-config.h"
#include "core2-error.h"
#include "core2-log.h"
#include "core2-manager.h"
#include "core2-store.h"

#define BUS_NAME "org.example.Core2"
#define DEFAULT_STATE_DIRECTORY "/var/lib/core2d"
/* When no watchdog of systemd asks for another one. */
#define HEALTH_INTERVAL_MS 10000

typedef struct
{
  char *config_path;
  char *state_directory;
  gboolean print_config;
  gboolean version;
} Options;

typedef struct
{
  GMainLoop *loop;
  Core2Log *log;
  Core2Config config;
  const char *config_path;
  Core2Bus *bus;
  Core2Store *store;
  Core2Manager *manager;
  sd_bus_slot *log_slot;
  Core2BusName *name;
  Core2BusHealth *health;
  /* By systemd's watchdog. */
  gboolean watched;
  gboolean bus_lost;
  int status;
} Daemon;

static void
stop (Daemon *self, int status)
{
  self->status = status;
  g_main_loop_quit (self->loop);
}

/* --- systemd ------------------------------------------------------------------------------------------------ */

static void
on_status (const char *text, gpointer user_data)
{
  sd_notifyf (FALSE, "STATUS=%s", text);
}

/* The watchdog is fed by an answer of the bus: a daemon whose messages no longer get through is as good as
 * hung. */
static void
on_bus_answered (gpointer user_data)
{
  const Daemon *self = user_data;

  if (self->watched)
    sd_notify (FALSE, "WATCHDOG=1");
}

/* The way out is a new connection, which has a queue of its own in the bus. systemd makes it with a new start:
 * it takes the loss of the bus name for an end anyway. */
static void
on_bus_stuck (gpointer user_data)
{
  Daemon *self = user_data;

  core2_log_event (CORE2_LOG_ERROR,
                   CORE2_LOG_FIELDS (.topic = "bus", .message_id = CORE2_LOG_ID_BUS_STUCK),
                   "the bus takes no messages any more: some client of it does not read");
  self->bus_lost = TRUE;
  stop (self, EXIT_FAILURE);
}

/* The same way out. */
static void
on_bus_worn_out (gpointer user_data)
{
  core2_log_event (CORE2_LOG_ERROR,
                   CORE2_LOG_FIELDS (.topic = "bus", .message_id = CORE2_LOG_ID_BUS_STUCK),
                   "the bus passes no calls on any more: too many were never answered");
  stop (user_data, EXIT_FAILURE);
}

static const Core2BusHealthEvents health_events = {
  .answered = on_bus_answered,
  .stuck = on_bus_stuck,
  .worn_out = on_bus_worn_out,
};

static void
start_health_check (Daemon *self)
{
  uint64_t interval_us = 0;

  self->watched = sd_watchdog_enabled (FALSE, &interval_us) > 0;

  /* The check takes three intervals to find out, one less than the watchdog. */
  guint interval_ms
      = self->watched ? (guint) CLAMP (interval_us / 4000, 1, G_MAXINT) : HEALTH_INTERVAL_MS;

  self->health
      = core2_bus_health_new (self->bus, interval_ms, self->watched, &health_events, self);
}

static void
on_name_taken (const char *problem, gpointer user_data)
{
  Daemon *self = user_data;

  if (problem == NULL)
    {
      core2_manager_announce (self->manager);
      core2_log_info (NULL, "main", "core2d %s is ready", CORE2_VERSION);
      sd_notify (FALSE, "READY=1");
      return;
    }
  core2_log_error (NULL, "main", "cannot own the name %s: %s", BUS_NAME, problem);
  stop (self, EXIT_FAILURE);
}

/* --- ends and signals --------------------------------------------------------------------------------------- */

static void
on_bus_lost (gpointer user_data)
{
  Daemon *self = user_data;

  core2_log_error (NULL, "main", "the connection to the bus is lost");
  self->bus_lost = TRUE;
  stop (self, EXIT_FAILURE);
}

static gboolean
on_terminate (gpointer user_data)
{
  stop (user_data, EXIT_SUCCESS);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_reload (gpointer user_data)
{
  Daemon *self = user_data;
  Core2Config config = self->config;
  g_autoptr (GError) error = NULL;

  core2_config_init (&config);
  if (!core2_config_load (&config, self->config_path, &error))
    {
      core2_log_failure (CORE2_LOG_WARNING, NULL, "config", core2_error_get_name_of (error),
                         "the old configuration stays: %s", error->message);
      return G_SOURCE_CONTINUE;
    }
  self->config = config;
  core2_manager_set_config (self->manager, &config);
  core2_log_info (NULL, "config", "configuration read again");
  return G_SOURCE_CONTINUE;
}

/* --- start -------------------------------------------------------------------------------------------------- */

static gboolean
parse_options (int argc, char **argv, Options *options, GError **error)
{
  const GOptionEntry entries[] = {
    { "config", 0, 0, G_OPTION_ARG_FILENAME, &options->config_path,
      "Read FILE instead of /etc/core2d/core2d.conf", "FILE" },
    { "state-directory", 0, 0, G_OPTION_ARG_FILENAME, &options->state_directory,
      "Keep chips and keys in DIR instead of $STATE_DIRECTORY or " DEFAULT_STATE_DIRECTORY,
      "DIR" },
    { "print-config", 0, 0, G_OPTION_ARG_NONE, &options->print_config,
      "Print the configuration with all options, and exit", NULL },
    { "version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Print the version, and exit", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("");

  g_option_context_set_summary (context, "Serves Amazfit Smart Chip 2 step counters on D-Bus.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, error))
    return FALSE;
  if (argc > 1)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "unexpected argument: %s", argv[1]);
      return FALSE;
    }
  return TRUE;
}

static const char *
state_directory (const Options *options)
{
  const char *from_systemd = g_getenv ("STATE_DIRECTORY");

  if (options->state_directory != NULL)
    return options->state_directory;
  return from_systemd != NULL ? from_systemd : DEFAULT_STATE_DIRECTORY;
}

static gboolean
start (Daemon *self, const Options *options, GError **error)
{
  self->store = core2_store_open (state_directory (options), error);
  if (self->store == NULL)
    return FALSE;
  self->bus = core2_bus_open (on_bus_lost, self, error);
  if (self->bus == NULL)
    return FALSE;
  self->log_slot = core2_log_serve (self->log, core2_bus_get (self->bus), error);
  if (self->log_slot == NULL)
    return FALSE;
  self->manager
      = core2_manager_new (self->bus, self->store, &self->config, on_status, self, error);
  if (self->manager == NULL)
    return FALSE;

  /* Last: whoever sees the name sees the chips. */
  self->name = core2_bus_name_take (self->bus, BUS_NAME, on_name_taken, self);
  start_health_check (self);
  return TRUE;
}

static void
finish (Daemon *self)
{
  core2_bus_health_free (self->health);
  if (self->manager != NULL && !self->bus_lost)
    core2_manager_release_links (self->manager);
  core2_manager_free (self->manager);
  core2_bus_name_free (self->name);
  sd_bus_slot_unref (self->log_slot);
  core2_bus_close (self->bus);
  core2_store_free (self->store);
}

static void
run (Daemon *self)
{
  guint sources[] = {
    g_unix_signal_add (SIGTERM, on_terminate, self),
    g_unix_signal_add (SIGINT, on_terminate, self),
    g_unix_signal_add (SIGHUP, on_reload, self),
  };

  g_main_loop_run (self->loop);
  sd_notify (FALSE, "STOPPING=1");
  for (gsize i = 0; i < G_N_ELEMENTS (sources); i++)
    g_source_remove (sources[i]);
}

int
main (int argc, char **argv)
{
  Daemon self = { .status = EXIT_SUCCESS };
  Options options = { 0 };
  g_autoptr (GError) error = NULL;
  gboolean ok;

  setlocale (LC_ALL, "");
  /* What a client's descriptor or a full disk does to a write is an error of that write. */
  signal (SIGPIPE, SIG_IGN);
  signal (SIGXFSZ, SIG_IGN);
  self.log = core2_log_install ("core2d");
  core2_config_init (&self.config);
  ok = parse_options (argc, argv, &options, &error);
  if (ok && options.version)
    g_print ("core2d %s\n", CORE2_VERSION);
  else if (ok)
    {
      self.config_path = options.config_path;
      ok = core2_config_load (&self.config, self.config_path, &error);
      if (ok && options.print_config)
        core2_config_print (&self.config, stdout);
      else if (ok)
        {
          self.loop = g_main_loop_new (NULL, FALSE);
          ok = start (&self, &options, &error);
          if (ok)
            run (&self);
          finish (&self);
          g_main_loop_unref (self.loop);
        }
    }
  if (!ok)
    {
      core2_log_failure (CORE2_LOG_ERROR, NULL, "main", core2_error_get_name_of (error), "%s",
                         error->message);
      self.status = EXIT_FAILURE;
    }
  g_free (options.config_path);
  g_free (options.state_directory);
  return self.status;
}
