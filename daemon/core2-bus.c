/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-bus.h"

#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <string.h>

/* How long an end may take for what is still to be written. */
#define FLUSH_MS 2000
/* How long the bus may refuse calls, and how far apart refusals are that have nothing to do with each other. */
#define REFUSED_MAX_US (5 * 60 * G_USEC_PER_SEC)
#define REFUSALS_APART_US (15 * 60 * G_USEC_PER_SEC)

typedef struct
{
  GSource source;
  Core2Bus *bus;
  gpointer fd_tag;
  int fd;
  GIOCondition events;
} BusSource;

struct Core2Bus
{
  sd_bus *bus;
  GSource *source;
  Core2BusLostFunc lost;
  gpointer user_data;
  gboolean is_lost;
  Core2BusFunc at_next_message;
  gpointer at_next_message_data;
  Core2Callers *callers;
  guint in_flight;
  GQueue waiting;                /* Core2Call, not yet sent */
  GQueue abandoned;              /* Core2Call, cancelled and not yet answered: the bus counts them */
  gint64 first_refusal;          /* monotonic, of those that belong together */
  gint64 last_refusal;           /* 0 = none */
  GHashTable *watches;           /* unique name -> GPtrArray of Core2ClientWatch */
  sd_bus_slot *vanished_match;
};

struct Core2Call
{
  Core2Bus *bus;
  Core2Call **owner;
  sd_bus_message *message;
  sd_bus_slot *slot;             /* NULL while it waits */
  guint timeout_ms;
  guint failed_idle;
  gboolean counted;
  Core2CallDone done;
  gpointer user_data;
};

struct Core2ClientWatch
{
  Core2Bus *bus;
  Core2ClientWatch **owner;
  char *name;
  Core2Call *probe;
  Core2ClientGone gone;
  gpointer user_data;
};

static void call_free (Core2Call *call);
static void send_waiting (Core2Bus *self);

/* --- sd-bus as a GSource -------------------------------------------------------------------- */

static void
bus_lost (Core2Bus *self)
{
  if (self->is_lost)
    return;
  self->is_lost = TRUE;
  self->lost (self->user_data);
}

/* What clients ask for is not even read while the bus does not take the answers to what they asked before:
 * that bounds the queue, whoever floods us. At the start, what waits for the handshake with the bus is no
 * such sign. */
static gboolean
is_choked (Core2Bus *self)
{
  return sd_bus_is_ready (self->bus) > 0 && core2_bus_get_queued (self) > CORE2_BUS_MAX_QUEUED;
}

static gboolean
bus_source_prepare (GSource *source, int *timeout_ms)
{
  BusSource *self = (BusSource *) source;
  sd_bus *bus = self->bus->bus;
  uint64_t until = UINT64_MAX;
  int wanted;

  *timeout_ms = -1;
  wanted = sd_bus_get_events (bus);
  if (wanted < 0)
    return TRUE;                 /* dispatch finds out that the connection is gone */

  gboolean choked = is_choked (self->bus);
  if (choked)
    wanted &= ~POLLIN;
  /* Changing the wanted events wakes the poll: doing so without need would spin. */
  GIOCondition events = (GIOCondition) wanted;
  if (events != self->events)
    {
      self->events = events;
      g_source_modify_unix_fd (source, self->fd_tag, events);
    }

  if (choked || sd_bus_get_timeout (bus, &until) < 0 || until == UINT64_MAX)
    return FALSE;

  uint64_t now = (uint64_t) g_get_monotonic_time ();
  if (until <= now)
    {
      *timeout_ms = 0;
      return TRUE;
    }
  *timeout_ms = (int) MIN ((until - now + 999) / 1000, (uint64_t) G_MAXINT);
  return FALSE;
}

static gboolean
bus_source_check (GSource *source)
{
  BusSource *self = (BusSource *) source;
  uint64_t until;

  if (g_source_query_unix_fd (source, self->fd_tag) != 0)
    return TRUE;
  return !is_choked (self->bus) && sd_bus_get_timeout (self->bus->bus, &until) >= 0
         && until <= (uint64_t) g_get_monotonic_time ();
}

static void
tell_of_message (Core2Bus *self)
{
  Core2BusFunc func = self->at_next_message;

  self->at_next_message = NULL;
  if (func != NULL)
    func (self->at_next_message_data);
}

void
core2_bus_call_at_next_message (Core2Bus *self, Core2BusFunc func, gpointer user_data)
{
  self->at_next_message = func;
  self->at_next_message_data = user_data;
}

static gboolean
bus_source_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  Core2Bus *self = ((BusSource *) source)->bus;
  /* A flood of messages must not keep timers and other sources from their turn. */
  guint budget = 256;
  int r;

  tell_of_message (self);
  /* sd-bus writes before it reads. */
  do
    r = sd_bus_process (self->bus, NULL);
  while (r > 0 && --budget > 0 && !is_choked (self));

  if (r < 0 || sd_bus_is_open (self->bus) <= 0)
    {
      bus_lost (self);
      return G_SOURCE_REMOVE;
    }
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs bus_source_funcs = {
  .prepare = bus_source_prepare,
  .check = bus_source_check,
  .dispatch = bus_source_dispatch,
};

static GSource *
bus_source_new (Core2Bus *bus)
{
  GSource *source = g_source_new (&bus_source_funcs, sizeof (BusSource));
  BusSource *self = (BusSource *) source;

  self->bus = bus;
  self->fd = sd_bus_get_fd (bus->bus);
  self->events = G_IO_IN;
  self->fd_tag = g_source_add_unix_fd (source, self->fd, self->events);
  g_source_set_static_name (source, "sd-bus");
  /* Saves GLib the block and unblock of the source, and with it two polls a message. */
  g_source_set_can_recurse (source, TRUE);
  return source;
}

Core2Bus *
core2_bus_open (Core2BusLostFunc lost, gpointer user_data, GError **error)
{
  sd_bus *bus = NULL;
  int r;

  r = sd_bus_open_system_with_description (&bus, "core2d");
  if (r < 0)
    {
      g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (-r),
                   "cannot reach the system bus: %s", g_strerror (-r));
      return NULL;
    }
  sd_bus_set_exit_on_disconnect (bus, 0);

  Core2Bus *self = g_new0 (Core2Bus, 1);
  self->bus = bus;
  self->lost = lost;
  self->user_data = user_data;
  g_queue_init (&self->waiting);
  g_queue_init (&self->abandoned);
  self->watches = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                         (GDestroyNotify) g_ptr_array_unref);
  self->callers = core2_callers_new (bus);
  self->source = bus_source_new (self);
  g_source_attach (self->source, g_main_context_get_thread_default ());
  return self;
}

/* sd_bus_flush() would wait for ever for a bus that does not read. */
static void
flush (Core2Bus *self)
{
  gint64 until = g_get_monotonic_time () + FLUSH_MS * G_TIME_SPAN_MILLISECOND;
  gint64 now;

  while (core2_bus_get_queued (self) > 0 && (now = g_get_monotonic_time ()) < until)
    {
      struct pollfd fd = { .fd = sd_bus_get_fd (self->bus), .events = POLLOUT };

      if (poll (&fd, 1, (int) ((until - now) / G_TIME_SPAN_MILLISECOND) + 1) <= 0
          || sd_bus_process (self->bus, NULL) < 0)
        return;
    }
}

void
core2_bus_close (Core2Bus *self)
{
  if (self == NULL)
    return;

  g_warn_if_fail (g_queue_is_empty (&self->waiting) && self->in_flight == 0);
  g_warn_if_fail (g_hash_table_size (self->watches) == 0);
  while (!g_queue_is_empty (&self->abandoned))
    call_free (g_queue_pop_head (&self->abandoned));
  sd_bus_slot_unref (self->vanished_match);
  g_source_destroy (self->source);
  g_source_unref (self->source);
  g_hash_table_unref (self->watches);
  core2_callers_free (self->callers);
  flush (self);
  sd_bus_close_unref (self->bus);
  g_free (self);
}

sd_bus *
core2_bus_get (Core2Bus *self)
{
  return self->bus;
}

Core2Callers *
core2_bus_get_callers (Core2Bus *self)
{
  return self->callers;
}

guint64
core2_bus_get_queued (Core2Bus *self)
{
  uint64_t n = 0;
  return sd_bus_get_n_queued_write (self->bus, &n) < 0 ? 0 : n;
}

/* --- calls ------------------------------------------------------------------------------------ */

static void
call_free (Core2Call *call)
{
  Core2Bus *bus = call->bus;

  if (call->slot != NULL)
    {
      sd_bus_slot_unref (call->slot);
      if (call->counted)
        bus->in_flight--;
    }
  else
    g_queue_remove (&bus->waiting, call);
  g_clear_handle_id (&call->failed_idle, g_source_remove);
  sd_bus_message_unref (call->message);
  g_free (call);
}

static void
call_finish (Core2Call *call, sd_bus_message *reply, const sd_bus_error *error)
{
  Core2CallDone done = call->done;
  gpointer user_data = call->user_data;
  Core2Bus *bus = call->bus;

  *call->owner = NULL;
  call_free (call);
  done (reply, error, user_data);
  send_waiting (bus);
}

/* Of what bluetoothd never answers the bus keeps account until bluetoothd goes, and at its limit it passes
 * no call on. */
static void
note_refusal (Core2Bus *self, sd_bus_message *reply, const sd_bus_error *error)
{
  gint64 now = g_get_monotonic_time ();

  if (!sd_bus_error_has_name (error, SD_BUS_ERROR_LIMITS_EXCEEDED)
      || g_strcmp0 (sd_bus_message_get_sender (reply), "org.freedesktop.DBus") != 0)
    return;
  if (self->last_refusal == 0 || now - self->last_refusal > REFUSALS_APART_US)
    self->first_refusal = now;
  self->last_refusal = now;
}

gboolean
core2_bus_is_worn_out (Core2Bus *self)
{
  return self->last_refusal - self->first_refusal > REFUSED_MAX_US;
}

static int
on_reply (sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
  const sd_bus_error *error = sd_bus_message_get_error (reply);
  Core2Call *call = user_data;
  Core2Bus *bus = call->bus;

  note_refusal (bus, reply, error);
  if (g_queue_remove (&bus->abandoned, call))
    {
      call_free (call);
      send_waiting (bus);
    }
  else
    call_finish (call, error != NULL ? NULL : reply, error);
  return 0;
}

static gboolean
on_send_failed (gpointer user_data)
{
  Core2Call *call = user_data;
  static const sd_bus_error failed
      = SD_BUS_ERROR_MAKE_CONST (SD_BUS_ERROR_NO_SERVER, "the message could not be sent");

  call->failed_idle = 0;
  call_finish (call, NULL, &failed);
  return G_SOURCE_REMOVE;
}

static void
call_send (Core2Call *call)
{
  Core2Bus *bus = call->bus;
  int r = sd_bus_call_async (bus->bus, &call->slot, call->message, on_reply, call,
                             (uint64_t) call->timeout_ms * 1000);
  if (r < 0)
    {
      /* Its owner hears of it from the loop, never from within its own call. */
      g_queue_push_tail (&bus->waiting, call);
      call->failed_idle = g_idle_add (on_send_failed, call);
      return;
    }
  if (call->counted)
    bus->in_flight++;
}

static void
send_waiting (Core2Bus *self)
{
  guint n = g_queue_get_length (&self->waiting);

  while (n-- > 0 && self->in_flight < CORE2_BUS_MAX_CALLS
         && self->in_flight + g_queue_get_length (&self->abandoned) < CORE2_BUS_MAX_UNANSWERED)
    {
      Core2Call *call = g_queue_pop_head (&self->waiting);
      if (call->failed_idle != 0)
        g_queue_push_tail (&self->waiting, call);
      else
        call_send (call);
    }
}

static Core2Call *
call_new (Core2Bus *self, Core2Call **owner, sd_bus_message *message, guint timeout_ms,
          Core2CallDone done, gpointer user_data)
{
  Core2Call *call = g_new0 (Core2Call, 1);

  g_return_val_if_fail (*owner == NULL, NULL);
  call->bus = self;
  call->owner = owner;
  call->message = sd_bus_message_ref (message);
  call->timeout_ms = timeout_ms;
  call->counted = TRUE;
  call->done = done;
  call->user_data = user_data;
  *owner = call;
  return call;
}

void
core2_call_start (Core2Bus *self, Core2Call **call, sd_bus_message *message, guint timeout_ms,
                  Core2CallDone done, gpointer user_data)
{
  Core2Call *new_call = call_new (self, call, message, timeout_ms, done, user_data);

  g_queue_push_tail (&self->waiting, new_call);
  send_waiting (self);
}

void
core2_call_start_uncounted (Core2Bus *self, Core2Call **call, sd_bus_message *message,
                            guint timeout_ms, Core2CallDone done, gpointer user_data)
{
  Core2Call *new_call = call_new (self, call, message, timeout_ms, done, user_data);

  new_call->counted = FALSE;
  call_send (new_call);
}

void
core2_bus_send_unanswered (Core2Bus *self, sd_bus_message *message)
{
  if (message != NULL && sd_bus_message_set_expect_reply (message, FALSE) >= 0)
    sd_bus_send (self->bus, message, NULL);
  sd_bus_message_unref (message);
}

void
core2_call_cancel (Core2Call **call)
{
  if (*call == NULL)
    return;

  Core2Bus *bus = (*call)->bus;

  if ((*call)->slot != NULL && (*call)->counted)
    {
      (*call)->counted = FALSE;
      bus->in_flight--;
      g_queue_push_tail (&bus->abandoned, *call);
    }
  else
    call_free (*call);
  *call = NULL;
  send_waiting (bus);
}

/* --- clients that leave the bus ---------------------------------------------------------------- */

static void
client_watch_free (Core2ClientWatch *watch)
{
  core2_call_cancel (&watch->probe);
  g_free (watch->name);
  g_free (watch);
}

void
core2_client_watch_stop (Core2ClientWatch **watch)
{
  if (*watch == NULL)
    return;

  Core2Bus *bus = (*watch)->bus;
  GPtrArray *of_name = g_hash_table_lookup (bus->watches, (*watch)->name);

  g_ptr_array_remove_fast (of_name, *watch);
  if (of_name->len == 0)
    g_hash_table_remove (bus->watches, (*watch)->name);
  if (g_hash_table_size (bus->watches) == 0)
    bus->vanished_match = sd_bus_slot_unref (bus->vanished_match);
  client_watch_free (*watch);
  *watch = NULL;
}

static void
client_gone (Core2ClientWatch *watch)
{
  Core2ClientGone gone = watch->gone;
  gpointer user_data = watch->user_data;
  Core2ClientWatch **owner = watch->owner;

  core2_client_watch_stop (owner);
  gone (user_data);
}

static int
on_name_vanished (sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
  Core2Bus *self = user_data;
  const char *name, *old_owner, *new_owner;
  GPtrArray *of_name;

  if (sd_bus_message_read (message, "sss", &name, &old_owner, &new_owner) < 0)
    return 0;
  /* Each end may free others: look the name up again every time. */
  while ((of_name = g_hash_table_lookup (self->watches, name)) != NULL)
    client_gone (g_ptr_array_index (of_name, 0));
  return 0;
}

static void
probe_done (sd_bus_message *reply, const sd_bus_error *error, gpointer user_data)
{
  if (sd_bus_error_has_name (error, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
    client_gone (user_data);
}

void
core2_client_watch_start (Core2Bus *self, Core2ClientWatch **watch, const char *name,
                          Core2ClientGone gone, gpointer user_data)
{
  sd_bus_message *probe = NULL;
  GPtrArray *of_name;

  g_return_if_fail (*watch == NULL);
  if (self->vanished_match == NULL)
    sd_bus_add_match_async (self->bus, &self->vanished_match,
                            "type='signal',sender='org.freedesktop.DBus',"
                            "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg2=''",
                            on_name_vanished, NULL, self);

  Core2ClientWatch *new_watch = g_new0 (Core2ClientWatch, 1);
  new_watch->bus = self;
  new_watch->owner = watch;
  new_watch->name = g_strdup (name);
  new_watch->gone = gone;
  new_watch->user_data = user_data;
  *watch = new_watch;

  of_name = g_hash_table_lookup (self->watches, name);
  if (of_name == NULL)
    {
      of_name = g_ptr_array_new ();
      g_hash_table_insert (self->watches, g_strdup (name), of_name);
    }
  g_ptr_array_add (of_name, new_watch);

  /* It may have left before the match rule was there. */
  if (sd_bus_message_new_method_call (self->bus, &probe, "org.freedesktop.DBus",
                                      "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                      "GetNameOwner") >= 0
      && sd_bus_message_append (probe, "s", name) >= 0)
    core2_call_start (self, &new_watch->probe, probe, 10000, probe_done, new_watch);
  sd_bus_message_unref (probe);
}
