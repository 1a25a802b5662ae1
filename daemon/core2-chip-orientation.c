/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Orientation of one chip: one request in flight at most, a minimum interval between two, one answer for
 * everybody who asks meanwhile; claims make the daemon ask by itself. */
#include "core2-chip-private.h"

#include <string.h>

#define MAX_CLAIMS_PER_CLIENT 64
#define MAX_CLIENTS 1024
#define MAX_INTERVAL_MS 3600000
/* The chip takes seconds to answer. */
#define ANSWER_TIMEOUT_MS 8000

/* The claims of one client on this chip. */
typedef struct
{
  Core2Chip *chip;
  char *client;
  GArray *intervals;             /* guint32 ms as wanted, the newest last */
  Core2ClientWatch *watch;
} Claims;

static void fire_when_allowed (Core2Chip *self);

/* --- requests to the chip ------------------------------------------------------------------------------- */

static void
fail_waiters (Core2Chip *self, const GError *error)
{
  g_autoptr (GPtrArray) waiters = self->orientation_waiters;

  self->orientation_waiters = g_ptr_array_new ();
  for (guint i = 0; i < waiters->len; i++)
    core2_request_fail_gerror (g_ptr_array_index (waiters, i), error);
}

static void
schedule_next (Core2Chip *self)
{
  if (self->orientation_wanted || self->orientation_interval > 0)
    fire_when_allowed (self);
}

static void
request_over (Core2Chip *self)
{
  self->orientation_in_flight = FALSE;
  core2_timer_stop (&self->orientation_deadline);
  schedule_next (self);
}

static void
on_no_answer (gpointer user_data)
{
  Core2Chip *self = user_data;
  g_autoptr (GError) error
      = g_error_new (CORE2_ERROR, CORE2_ERROR_NO_DATA, "%s sent no orientation",
                     self->record->address);

  fail_waiters (self, error);
  request_over (self);
}

static void
request_written (const GError *error, const guint8 *data, gsize size, gpointer user_data)
{
  Core2Chip *self = user_data;

  if (!self->session_started || !self->orientation_in_flight)
    return;
  if (error == NULL)
    {
      /* It may have waited for other requests: the chip was asked only now. */
      self->orientation_fired = g_get_monotonic_time ();
      chip_start_timer (self, &self->orientation_deadline, ANSWER_TIMEOUT_MS, on_no_answer);
      return;
    }
  fail_waiters (self, error);
  request_over (self);
}

static void
fire (Core2Chip *self)
{
  self->orientation_wanted = FALSE;
  self->orientation_in_flight = TRUE;
  self->orientation_fired = g_get_monotonic_time ();
  core2_link_write (self->link, CORE2_UUID_ORIENTATION, core2_orientation_request,
                    CORE2_ORIENTATION_REQUEST_SIZE, FALSE, request_written, self);
}

static void
on_fire (gpointer user_data)
{
  Core2Chip *self = user_data;

  fire (self);
}

/* Fires once, as soon as the interval allows: the shortest one when somebody asked, else the claimed one. */
static void
fire_when_allowed (Core2Chip *self)
{
  guint32 interval = self->services->config.orientation_min_interval;
  gint64 now = g_get_monotonic_time ();

  /* Before it is ready nobody listens for the answer. */
  if (self->link == NULL || self->state != CHIP_READY || self->orientation_in_flight
      || !core2_link_has (self->link, CORE2_UUID_ORIENTATION))
    return;
  if (!self->orientation_wanted)
    interval = MAX (interval, self->orientation_interval);

  gint64 due = self->orientation_fired == 0 ? now
                                            : self->orientation_fired + (gint64) interval * 1000;
  core2_timer_stop (&self->orientation_timer);
  if (due <= now)
    fire (self);
  else
    chip_start_timer (self, &self->orientation_timer, (guint) ((due - now + 999) / 1000), on_fire);
}

static void
want_one (Core2Chip *self)
{
  if (self->orientation_in_flight)
    return;
  self->orientation_wanted = TRUE;
  fire_when_allowed (self);
}

void
chip_orientation_value (Core2Chip *self, const guint8 *data, gsize size)
{
  Core2OrientationFrame frame;
  Core2Decode decode = core2_protocol_decode_orientation (data, size, &frame);
  g_autoptr (GPtrArray) waiters = NULL;

  if (decode != CORE2_DECODE_OK)
    {
      g_autoptr (GError) error
          = g_error_new (CORE2_ERROR, CORE2_ERROR_NO_DATA, "%s answered without an orientation: %s",
                         self->record->address, core2_decode_to_string (decode));
      if (self->orientation_in_flight)
        {
          fail_waiters (self, error);
          request_over (self);
        }
      return;
    }

  if (frame.x != self->orientation_x || frame.y != self->orientation_y
      || self->orientation_updated == 0)
    chip_notify (self, PROP_ORIENTATION);
  self->orientation_x = frame.x;
  self->orientation_y = frame.y;
  self->orientation_updated = (guint64) g_get_real_time ();
  self->record->last_seen = self->orientation_updated;
  chip_notify (self, PROP_ORIENTATION_UPDATED);
  chip_emit_orientation (self);

  waiters = self->orientation_waiters;
  self->orientation_waiters = g_ptr_array_new ();
  for (guint i = 0; i < waiters->len; i++)
    core2_request_reply (g_ptr_array_index (waiters, i), "qqt", frame.x, frame.y,
                         self->orientation_updated);
  if (self->orientation_in_flight)
    request_over (self);
}

/* --- methods -------------------------------------------------------------------------------------------- */

static gboolean
has_orientation (Core2Request *request)
{
  Core2Chip *self = request->owner;

  if (core2_link_has (self->link, CORE2_UUID_ORIENTATION))
    return TRUE;
  core2_request_fail (request, CORE2_ERROR_NOT_SUPPORTED, "%s has no orientation",
                      self->record->address);
  return FALSE;
}

static void
forget_waiter (Core2Request *request)
{
  Core2Chip *self = request->owner;

  g_ptr_array_remove (self->orientation_waiters, request);
}

void
chip_orientation_read (Core2Request *request)
{
  Core2Chip *self = request->owner;

  if (!has_orientation (request))
    return;
  request->on_end = forget_waiter;
  g_ptr_array_add (self->orientation_waiters, request);
  want_one (self);
}

void
chip_orientation_fire (Core2Request *request)
{
  if (!has_orientation (request))
    return;
  want_one (request->owner);
  core2_request_reply (request, NULL);
}

/* --- claims --------------------------------------------------------------------------------------------- */

static void
claims_free (gpointer data)
{
  Claims *claims = data;

  core2_client_watch_stop (&claims->watch);
  g_array_unref (claims->intervals);
  g_free (claims->client);
  g_free (claims);
}

void
chip_orientation_update_interval (Core2Chip *self)
{
  GHashTableIter iter;
  Claims *claims;
  guint32 smallest = 0;

  g_hash_table_iter_init (&iter, self->claims);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &claims))
    for (guint i = 0; i < claims->intervals->len; i++)
      {
        guint32 interval = g_array_index (claims->intervals, guint32, i);
        smallest = smallest == 0 ? interval : MIN (smallest, interval);
      }
  if (smallest > 0)
    smallest = MAX (smallest, self->services->config.orientation_min_interval);
  if (smallest == self->orientation_interval)
    return;
  self->orientation_interval = smallest;
  chip_notify (self, PROP_ORIENTATION_INTERVAL);
  if (smallest > 0)
    fire_when_allowed (self);
  else if (!self->orientation_wanted)
    core2_timer_stop (&self->orientation_timer);
}

static void
on_claimer_gone (gpointer user_data)
{
  Claims *claims = user_data;
  Core2Chip *self = claims->chip;

  g_hash_table_remove (self->claims, claims->client);
  chip_orientation_update_interval (self);
}

int
chip_orientation_claim (Core2Chip *self, sd_bus_message *message, guint32 interval,
                        sd_bus_error *error)
{
  const char *client = sd_bus_message_get_sender (message);
  Claims *claims = g_hash_table_lookup (self->claims, client);

  if (interval == 0 || interval > MAX_INTERVAL_MS)
    return core2_error_set (error, CORE2_ERROR_INVALID_ARGUMENTS,
                            "the interval must be 1 to %u milliseconds", MAX_INTERVAL_MS);
  if (claims != NULL && claims->intervals->len >= MAX_CLAIMS_PER_CLIENT)
    return core2_error_set (error, CORE2_ERROR_RATE_LIMITED,
                            "this client holds %u claims on %s already", MAX_CLAIMS_PER_CLIENT,
                            self->record->address);
  if (claims == NULL && g_hash_table_size (self->claims) >= MAX_CLIENTS)
    return core2_error_set (error, CORE2_ERROR_RATE_LIMITED, "%u clients hold claims on %s already",
                            MAX_CLIENTS, self->record->address);

  if (claims == NULL)
    {
      claims = g_new0 (Claims, 1);
      claims->chip = self;
      claims->client = g_strdup (client);
      claims->intervals = g_array_new (FALSE, FALSE, sizeof (guint32));
      g_hash_table_insert (self->claims, claims->client, claims);
      core2_client_watch_start (self->services->bus, &claims->watch, client, on_claimer_gone,
                                claims);
    }
  g_array_append_val (claims->intervals, interval);
  chip_orientation_update_interval (self);
  chip_flush (self);
  return sd_bus_reply_method_return (message, "u", self->orientation_interval);
}

int
chip_orientation_release (Core2Chip *self, sd_bus_message *message, sd_bus_error *error)
{
  Claims *claims = g_hash_table_lookup (self->claims, sd_bus_message_get_sender (message));

  if (claims == NULL)
    return core2_error_set (error, CORE2_ERROR_FAILED, "this client holds no claim on %s",
                            self->record->address);
  g_array_set_size (claims->intervals, claims->intervals->len - 1);
  if (claims->intervals->len == 0)
    g_hash_table_remove (self->claims, claims->client);
  chip_orientation_update_interval (self);
  chip_flush (self);
  return sd_bus_reply_method_return (message, NULL);
}

/* --- life ------------------------------------------------------------------------------------------------ */

static void
subscribed (const GError *error, const guint8 *data, gsize size, gpointer user_data)
{
  Core2Chip *self = user_data;

  if (error != NULL)
    {
      if (self->session_started)
        core2_log_debug (self->record->address, "orientation", "%s", error->message);
      return;
    }
  schedule_next (self);
}

void
chip_orientation_ready (Core2Chip *self)
{
  /* Subscribed before anything is asked: an answer is one notification and comes but once. */
  if (core2_link_has (self->link, CORE2_UUID_ORIENTATION))
    core2_link_subscribe (self->link, CORE2_UUID_ORIENTATION, subscribed, self);
}

void
chip_orientation_lost (Core2Chip *self)
{
  g_autoptr (GError) error
      = g_error_new (CORE2_ERROR, CORE2_ERROR_NOT_CONNECTED, "the connection to %s ended",
                     self->record->address);

  core2_timer_stop (&self->orientation_timer);
  core2_timer_stop (&self->orientation_deadline);
  self->orientation_in_flight = FALSE;
  self->orientation_wanted = FALSE;
  fail_waiters (self, error);
}

void
chip_orientation_init (Core2Chip *self)
{
  self->claims = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, claims_free);
  self->orientation_waiters = g_ptr_array_new ();
}

void
chip_orientation_clear (Core2Chip *self)
{
  chip_orientation_lost (self);
  g_hash_table_unref (self->claims);
  g_ptr_array_unref (self->orientation_waiters);
}
