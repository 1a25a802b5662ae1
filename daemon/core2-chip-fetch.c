/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filling gaps: after an absence the chip is asked for its own memory of the minutes, so that steps whose time
 * was estimated get their true time. Only when the configuration says so: that this chip talks so is
 * known of its relatives alone. What the chip remembers is never deleted. */
#include "core2-chip-private.h"

#include <string.h>

/* How long the chip may be silent while it should send. */
#define SILENCE_MS 10000
/* Attempts in a row that bring no new minute. */
#define MAX_FAILURES 3
/* Relatives of the chip remember about a week; more is taken for nonsense. */
#define MAX_MINUTES (8 * 24 * 60)
#define MINUTE_S 60

enum
{
  PHASE_IDLE,
  PHASE_ASKED,     /* waits for the number of minutes */
  PHASE_RECEIVING,
  PHASE_DRAINING,  /* a packet was lost: what still comes is of no use */
};

struct ChipFetch
{
  gint64 from; /* the gap, in seconds; until 0: there is none */
  gint64 until;
  guint phase;
  guint failures;
  guint timer;
  GArray *minutes;     /* Core2HistoryRow, without holes from @from on */
  gint64 next_minute;  /* when the next one begins; 0 = not known yet */
  guint32 expected;    /* minutes of this attempt still to come */
  guint8 next_packet;
  gboolean progress;   /* this attempt has brought minutes */
};

static void begin (Core2Chip *self);

void
chip_fetch_init (Core2Chip *self)
{
  self->fetch = g_new0 (ChipFetch, 1);
  self->fetch->minutes = g_array_new (FALSE, FALSE, sizeof (Core2HistoryRow));
}

static void
forget_gap (Core2Chip *self)
{
  ChipFetch *fetch = self->fetch;

  g_clear_handle_id (&fetch->timer, g_source_remove);
  g_array_set_size (fetch->minutes, 0);
  fetch->phase = PHASE_IDLE;
  fetch->from = fetch->until = fetch->next_minute = 0;
  fetch->failures = 0;
}

void
chip_fetch_clear (Core2Chip *self)
{
  if (self->fetch == NULL)
    return;
  forget_gap (self);
  g_array_unref (self->fetch->minutes);
  g_clear_pointer (&self->fetch, g_free);
}

void
chip_fetch_note (Core2Chip *self, const Core2StepsResult *result)
{
  ChipFetch *fetch = self->fetch;

  if (!self->services->config.history_fetch || self->history == NULL || !result->estimated)
    return;
  if (fetch->until == 0)
    fetch->from = result->from_us / G_USEC_PER_SEC;
  fetch->until = result->until_us / G_USEC_PER_SEC;
}

/* --- the end of an attempt -------------------------------------------------------------------------------- */

static void
give_up (Core2Chip *self, const char *reason)
{
  core2_log_info (self->record->address, "history", "the chip's memory of the minutes: %s", reason);
  forget_gap (self);
}

static void
apply (Core2Chip *self)
{
  ChipFetch *fetch = self->fetch;
  guint64 refined;
  g_autoptr (GError) error = NULL;

  if (self->history == NULL)
    give_up (self, "no history");
  else if (!core2_history_refine (self->history, fetch->from, fetch->until + 1, fetch->minutes,
                                  &self->steps, &refined, &error))
    give_up (self, error->message);
  else
    {
      core2_log_info (self->record->address, "history",
                      "%" G_GUINT64_FORMAT " steps got their minutes from the chip's memory",
                      refined);
      forget_gap (self);
      chip_steps_days_changed (self);
    }
}

static void
end_attempt (Core2Chip *self, const char *reason)
{
  ChipFetch *fetch = self->fetch;

  g_clear_handle_id (&fetch->timer, g_source_remove);
  fetch->phase = PHASE_IDLE;
  fetch->failures = fetch->progress ? 0 : fetch->failures + 1;
  if (fetch->failures < MAX_FAILURES)
    {
      core2_log_debug (self->record->address, "history", "%s: asking again", reason);
      begin (self);
    }
  else if (fetch->minutes->len > 0)
    apply (self);
  else
    give_up (self, reason);
}

static gboolean
on_silence (gpointer user_data)
{
  Core2Chip *self = user_data;

  self->fetch->timer = 0;
  end_attempt (self, self->fetch->phase == PHASE_DRAINING ? "a packet was lost" : "no answer");
  return G_SOURCE_REMOVE;
}

static void
expect_answer (Core2Chip *self)
{
  g_clear_handle_id (&self->fetch->timer, g_source_remove);
  self->fetch->timer = g_timeout_add (SILENCE_MS, on_silence, self);
}

/* --- asking ----------------------------------------------------------------------------------------------- */

/* A failure to subscribe or to write. */
static void
request_ended (const GError *error, const guint8 *data, gsize size, gpointer user_data)
{
  Core2Chip *self = user_data;

  if (error != NULL && self->session_started && self->fetch->phase != PHASE_IDLE)
    give_up (self, error->message);
}

static void
write_control (Core2Chip *self, const guint8 *data, gsize size)
{
  core2_link_write (self->link, CORE2_UUID_HISTORY_CONTROL, data, size, FALSE, request_ended, self);
  expect_answer (self);
}

static void
begin (Core2Chip *self)
{
  ChipFetch *fetch = self->fetch;
  guint8 data[CORE2_HISTORY_REQUEST_SIZE];
  gint64 since = fetch->next_minute != 0 ? fetch->next_minute : fetch->from;
  g_autoptr (GDateTime) local = g_date_time_new_from_unix_local (since - since % MINUTE_S);

  if (local == NULL || !core2_protocol_encode_history_request (local, data))
    {
      give_up (self, "the time cannot be told");
      return;
    }
  fetch->phase = PHASE_ASKED;
  fetch->progress = FALSE;
  write_control (self, data, sizeof data);
}

void
chip_fetch_ready (Core2Chip *self)
{
  if (self->fetch->until == 0)
    return;
  if (!core2_link_has (self->link, CORE2_UUID_HISTORY_CONTROL)
      || !core2_link_has (self->link, CORE2_UUID_HISTORY_DATA))
    {
      give_up (self, "the chip has none");
      return;
    }
  core2_link_subscribe (self->link, CORE2_UUID_HISTORY_DATA, request_ended, self);
  core2_link_subscribe (self->link, CORE2_UUID_HISTORY_CONTROL, request_ended, self);
  begin (self);
}

/* The gap and the minutes so far wait for the next connection. */
void
chip_fetch_lost (Core2Chip *self)
{
  if (self->fetch == NULL)
    return;
  g_clear_handle_id (&self->fetch->timer, g_source_remove);
  self->fetch->phase = PHASE_IDLE;
  self->fetch->failures = 0;
}

/* --- answers ---------------------------------------------------------------------------------------------- */

static void
take_start (Core2Chip *self, const Core2HistoryControl *control)
{
  ChipFetch *fetch = self->fetch;
  g_autoptr (GTimeZone) zone = g_time_zone_new_local ();
  gint64 start = core2_chip_time_to_unix (&control->start, zone);

  if (fetch->phase != PHASE_ASKED)
    return;
  if (control->count == 0)
    {
      apply (self);
      return;
    }
  if (control->count > MAX_MINUTES || start < 0)
    {
      give_up (self, "an answer that makes no sense");
      return;
    }
  fetch->phase = PHASE_RECEIVING;
  fetch->expected = control->count;
  fetch->next_packet = 0;
  fetch->next_minute = start;
  write_control (self, core2_history_go, sizeof core2_history_go);
}

void
chip_fetch_control_value (Core2Chip *self, const guint8 *data, gsize size)
{
  ChipFetch *fetch = self->fetch;
  Core2HistoryControl control;
  Core2Decode decode = core2_protocol_decode_history_control (data, size, &control);

  if (fetch->phase == PHASE_IDLE || decode == CORE2_DECODE_OTHER)
    return;
  if (decode == CORE2_DECODE_REFUSED && fetch->phase == PHASE_ASKED)
    give_up (self, "the chip does not give it");
  else if (decode != CORE2_DECODE_OK)
    end_attempt (self, "the chip broke off");
  else if (!control.end)
    take_start (self, &control);
  else if (fetch->phase == PHASE_RECEIVING && fetch->expected == 0)
    apply (self);
  else if (fetch->phase != PHASE_ASKED)
    end_attempt (self, "packets were lost");
}

void
chip_fetch_data_value (Core2Chip *self, const guint8 *data, gsize size)
{
  ChipFetch *fetch = self->fetch;
  Core2HistoryPacket packet;

  if (fetch->phase == PHASE_DRAINING)
    expect_answer (self);
  if (fetch->phase != PHASE_RECEIVING)
    return;
  expect_answer (self);
  if (core2_protocol_decode_history_packet (data, size, &packet) != CORE2_DECODE_OK
      || packet.counter != fetch->next_packet || packet.n_samples > fetch->expected)
    {
      fetch->phase = PHASE_DRAINING;
      return;
    }
  fetch->next_packet++;
  fetch->expected -= packet.n_samples;
  for (guint i = 0; i < packet.n_samples && fetch->minutes->len < MAX_MINUTES; i++)
    {
      Core2HistoryRow row = { fetch->next_minute, MINUTE_S, CORE2_HISTORY_FETCHED,
                              packet.samples[i].steps };

      g_array_append_val (fetch->minutes, row);
      fetch->next_minute += MINUTE_S;
      fetch->progress = TRUE;
    }
}
