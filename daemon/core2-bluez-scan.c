/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Discovery: counted scans over one session an adapter. A held discovery keeps other devices of the host
 * from connecting, so a session lives exactly as long as somebody scans, and never without an end. */
#include "core2-bluez-private.h"

#include <string.h>

#include "core2-log.h"

#define DISCOVERY_TIMEOUT_MS 10000
/* A discovery that is long enough to find something gives way to a Connect for so long. */
#define GIVE_WAY_AFTER_US (3 * G_USEC_PER_SEC)
#define GIVE_WAY_MS 2000
/* How often a discovery is told to stop that does not. */
#define STOPS 5

typedef enum
{
  SESSION_STARTING,
  SESSION_RUNNING,
  SESSION_STOPPING,
  SESSION_PAUSED,                /* gives way to a Connect, or did not stop */
} SessionState;

/* Our discovery on one adapter: SetDiscoveryFilter, StartDiscovery, …, StopDiscovery. */
typedef struct
{
  Core2Bluez *bluez;
  Core2BluezAdapter *adapter;
  SessionState state;
  gboolean again;                /* wanted again while it was stopping */
  gboolean gives_way;            /* stops only for a moment */
  guint vain_stops;              /* in a row */
  gint64 started;                /* monotonic, when it began to run */
  guint pause_timer;
  Core2Call *call;
} DiscoverySession;

struct Core2BluezScan
{
  Core2Bluez *bluez;
  Core2BluezScan **owner;
  char *adapter_path;            /* NULL = all */
  guint timer;
  Core2BluezScanDone done;
  gpointer user_data;
};

static void session_start (DiscoverySession *session);
static void session_stop (DiscoverySession *session);
static void sessions_reconcile (Core2Bluez *self);

static void
session_free (gpointer data)
{
  DiscoverySession *session = data;

  core2_call_cancel (&session->call);
  g_clear_handle_id (&session->pause_timer, g_source_remove);
  g_free (session);
}

static void
scan_free (Core2BluezScan *scan)
{
  g_clear_handle_id (&scan->timer, g_source_remove);
  g_free (scan->adapter_path);
  g_free (scan);
}

static gboolean
scan_is_for (const Core2BluezScan *scan, const Core2BluezAdapter *adapter)
{
  return scan->adapter_path == NULL || strcmp (scan->adapter_path, adapter->path) == 0;
}

static gboolean
scan_covers (const Core2BluezScan *scan, const Core2BluezAdapter *adapter)
{
  return adapter->powered && adapter->central && scan_is_for (scan, adapter);
}

static gboolean
is_wanted (Core2Bluez *self, const Core2BluezAdapter *adapter)
{
  for (guint i = 0; i < self->scans->len; i++)
    if (scan_covers (g_ptr_array_index (self->scans, i), adapter))
      return TRUE;
  return FALSE;
}

static void
scan_finish (Core2BluezScan *scan, const sd_bus_error *error)
{
  Core2Bluez *bluez = scan->bluez;
  Core2BluezScanDone done = scan->done;
  gpointer user_data = scan->user_data;

  g_ptr_array_remove (bluez->scans, scan);
  *scan->owner = NULL;
  scan_free (scan);
  sessions_reconcile (bluez);
  done (error, user_data);
}

/* Ends the scans that @adapter, which may be off by now, served, and no other does. */
static void
fail_scans (Core2Bluez *self, const Core2BluezAdapter *adapter, const sd_bus_error *error)
{
  for (guint i = self->scans->len; i-- > 0;)
    {
      Core2BluezScan *scan = i < self->scans->len ? g_ptr_array_index (self->scans, i) : NULL;
      gboolean served = FALSE;
      GHashTableIter iter;
      DiscoverySession *session;

      if (scan == NULL || !scan_is_for (scan, adapter))
        continue;
      g_hash_table_iter_init (&iter, self->sessions);
      while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &session))
        served = served || (session->adapter != adapter && scan_covers (scan, session->adapter));
      if (!served)
        scan_finish (scan, error);
    }
}

static void
session_end (DiscoverySession *session)
{
  Core2Bluez *bluez = session->bluez;

  g_hash_table_remove (bluez->sessions, session->adapter->path);
  bluez->events->adapters_changed (bluez->user_data);
  core2_bluez_connects_advance (bluez);
}

static gboolean
on_pause_end (gpointer user_data)
{
  DiscoverySession *session = user_data;

  session->pause_timer = 0;
  if (is_wanted (session->bluez, session->adapter))
    session_start (session);
  else if (session->vain_stops > 0)
    session_stop (session);
  else
    session_end (session);
  return G_SOURCE_REMOVE;
}

static void
session_pause (DiscoverySession *session)
{
  session->state = SESSION_PAUSED;
  session->gives_way = FALSE;
  session->pause_timer = g_timeout_add (GIVE_WAY_MS, on_pause_end, session);
  core2_bluez_connects_advance (session->bluez);
}

static void
stop_done (sd_bus_message *reply, const sd_bus_error *error, gpointer user_data)
{
  DiscoverySession *session = user_data;

  /* An error may also say that there is none. */
  session->vain_stops = error != NULL && session->adapter->discovering ? session->vain_stops + 1 : 0;
  if (session->again && !session->gives_way)
    session_start (session);
  else if (session->gives_way || (session->vain_stops > 0 && session->vain_stops < STOPS))
    session_pause (session);
  else
    session_end (session);
}

static void
session_stop (DiscoverySession *session)
{
  session->state = SESSION_STOPPING;
  session->again = FALSE;
  core2_call_cancel (&session->call);
  core2_bluez_call (session->bluez, &session->call, session->adapter->path, ADAPTER_INTERFACE,
                    "StopDiscovery", DISCOVERY_TIMEOUT_MS, stop_done, session, NULL);
}

static void
start_done (sd_bus_message *reply, const sd_bus_error *error, gpointer user_data)
{
  DiscoverySession *session = user_data;
  Core2Bluez *bluez = session->bluez;

  /* InProgress: the session of an earlier call of ours is still there, which is what we want. */
  if (error == NULL || sd_bus_error_has_name (error, "org.bluez.Error.InProgress"))
    {
      session->state = SESSION_RUNNING;
      session->started = g_get_monotonic_time ();
      bluez->events->adapters_changed (bluez->user_data);
      if (!is_wanted (bluez, session->adapter))
        session_stop (session);
      return;
    }

  core2_log_failure (CORE2_LOG_INFO, NULL, "scan", error->name, "%s cannot discover: %s",
                     session->adapter->address, error->message);
  Core2BluezAdapter *adapter = session->adapter;
  g_hash_table_remove (bluez->sessions, adapter->path);
  fail_scans (bluez, adapter, error);
  bluez->events->adapters_changed (bluez->user_data);
  core2_bluez_connects_advance (bluez);
}

static void
filter_done (sd_bus_message *reply, const sd_bus_error *error, gpointer user_data)
{
  DiscoverySession *session = user_data;

  /* A refused filter only costs speed; without the call no LE device may be found at all. */
  if (error != NULL)
    core2_log_failure (CORE2_LOG_INFO, NULL, "scan", error->name,
                       "BlueZ refused the discovery filter: %s", error->message);
  core2_bluez_call (session->bluez, &session->call, session->adapter->path, ADAPTER_INTERFACE,
                    "StartDiscovery", DISCOVERY_TIMEOUT_MS, start_done, session, NULL);
}

static void
session_start (DiscoverySession *session)
{
  session->state = SESSION_STARTING;
  session->again = FALSE;
  core2_bluez_call (session->bluez, &session->call, session->adapter->path, ADAPTER_INTERFACE,
                    "SetDiscoveryFilter", DISCOVERY_TIMEOUT_MS, filter_done, session, "a{sv}", 2,
                    "Transport", "s", "le", "DuplicateData", "b", 0);
}

/* Makes the sessions be what the scans want. */
static void
sessions_reconcile (Core2Bluez *self)
{
  GHashTableIter iter;
  Core2BluezAdapter *adapter;

  g_hash_table_iter_init (&iter, self->adapters);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &adapter))
    {
      DiscoverySession *session = g_hash_table_lookup (self->sessions, adapter->path);
      gboolean wanted = is_wanted (self, adapter);

      if (wanted && session == NULL)
        {
          session = g_new0 (DiscoverySession, 1);
          session->bluez = self;
          session->adapter = adapter;
          g_hash_table_insert (self->sessions, adapter->path, session);
          session_start (session);
        }
      else if (wanted && session->state == SESSION_STOPPING)
        session->again = TRUE;
      else if (!wanted && session != NULL && session->state == SESSION_RUNNING)
        session_stop (session);
      else if (!wanted && session != NULL && session->state == SESSION_STOPPING)
        session->again = session->gives_way = FALSE;
      /* A paused one looks at the end of its pause. */
    }
}

static gboolean
on_scan_timeout (gpointer user_data)
{
  Core2BluezScan *scan = user_data;

  scan->timer = 0;
  scan_finish (scan, NULL);
  return G_SOURCE_REMOVE;
}

/* --- public --------------------------------------------------------------------------------------- */

void
core2_bluez_scan_start (Core2Bluez *self, Core2BluezScan **scan, Core2BluezAdapter *adapter,
                        guint timeout_ms, Core2BluezScanDone done, gpointer user_data)
{
  Core2BluezScan *new_scan = g_new0 (Core2BluezScan, 1);

  g_return_if_fail (*scan == NULL);
  new_scan->bluez = self;
  new_scan->owner = scan;
  new_scan->adapter_path = adapter != NULL ? g_strdup (adapter->path) : NULL;
  new_scan->timer = g_timeout_add (timeout_ms, on_scan_timeout, new_scan);
  new_scan->done = done;
  new_scan->user_data = user_data;
  g_ptr_array_add (self->scans, new_scan);
  *scan = new_scan;
  sessions_reconcile (self);
}

void
core2_bluez_scan_stop (Core2BluezScan **scan)
{
  if (*scan == NULL)
    return;

  Core2Bluez *bluez = (*scan)->bluez;
  g_ptr_array_remove (bluez->scans, *scan);
  scan_free (*scan);
  *scan = NULL;
  sessions_reconcile (bluez);
}

gboolean
core2_bluez_is_scanning (Core2Bluez *self)
{
  return g_hash_table_size (self->sessions) > 0;
}

gint64
core2_bluez_get_scanning_time (Core2Bluez *self)
{
  gint64 longest = 0;
  GHashTableIter iter;
  DiscoverySession *session;

  g_hash_table_iter_init (&iter, self->sessions);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &session))
    if (session->state == SESSION_RUNNING)
      longest = MAX (longest, g_get_monotonic_time () - session->started);
  return longest;
}

/* --- for the other parts of core2-bluez ---------------------------------------------------------- */

void
core2_bluez_scans_init (Core2Bluez *self)
{
  self->scans = g_ptr_array_new ();
  self->sessions = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, session_free);
}

void
core2_bluez_scans_clear (Core2Bluez *self)
{
  for (guint i = 0; i < self->scans->len; i++)
    {
      Core2BluezScan *scan = g_ptr_array_index (self->scans, i);
      *scan->owner = NULL;
      scan_free (scan);
    }
  g_ptr_array_unref (self->scans);
  g_hash_table_unref (self->sessions);
}

void
core2_bluez_scans_adapter_removed (Core2Bluez *self, Core2BluezAdapter *adapter)
{
  static const sd_bus_error gone
      = SD_BUS_ERROR_MAKE_CONST ("org.bluez.Error.NotReady", "the adapter is off or gone");

  if (g_hash_table_remove (self->sessions, adapter->path))
    fail_scans (self, adapter, &gone);
}

void
core2_bluez_scans_adapter_changed (Core2Bluez *self, Core2BluezAdapter *adapter)
{
  /* Powered off ends a discovery; powered on begins what is wanted. */
  if (!adapter->powered)
    core2_bluez_scans_adapter_removed (self, adapter);
  sessions_reconcile (self);
  core2_bluez_connects_advance (self);
}

void
core2_bluez_scans_lost (Core2Bluez *self)
{
  static const sd_bus_error gone
      = SD_BUS_ERROR_MAKE_CONST (SD_BUS_ERROR_SERVICE_UNKNOWN, "bluetoothd is gone");

  g_hash_table_remove_all (self->sessions);
  while (self->scans->len > 0)
    scan_finish (g_ptr_array_index (self->scans, 0), &gone);
}

gboolean
core2_bluez_scans_give_way (Core2Bluez *self, Core2BluezAdapter *adapter)
{
  DiscoverySession *session = g_hash_table_lookup (self->sessions, adapter->path);

  if (session == NULL || session->state == SESSION_PAUSED)
    return TRUE;
  if (session->state == SESSION_RUNNING
      && g_get_monotonic_time () - session->started >= GIVE_WAY_AFTER_US)
    {
      session_stop (session);
      session->gives_way = TRUE;
    }
  return FALSE;
}

gboolean
core2_bluez_scans_busy (Core2Bluez *self, Core2BluezAdapter *adapter)
{
  return g_hash_table_contains (self->sessions, adapter->path);
}
