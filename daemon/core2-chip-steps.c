/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Steps of one chip: from a payload to properties and signals. */
#include "core2-chip-private.h"

#include <time.h>

/* How often the counter is read when another program holds the notifications. */
#define POLL_SECONDS 30

gint64
chip_boot_time (void)
{
  struct timespec now;

  clock_gettime (CLOCK_BOOTTIME, &now);
  return (gint64) now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

/* --- cadence -------------------------------------------------------------------------------------------- */

static void schedule_cadence (Core2Chip *self, gint64 boot_us);

/* Properties of a sample are signalled with its StepsChanged, so that a flood of samples is merged as a
 * whole. */
static void
mark (Core2Chip *self, ChipProperty property)
{
  self->steps_dirty |= G_GUINT64_CONSTANT (1) << property;
}

static void
notify_marked (Core2Chip *self)
{
  self->dirty |= self->steps_dirty;
  self->steps_dirty = 0;
}

static void
update_cadence (Core2Chip *self, gint64 boot_us)
{
  guint32 cadence = core2_cadence_get (&self->cadence_buckets, boot_us);

  if (cadence != self->cadence)
    {
      self->cadence = cadence;
      mark (self, PROP_CADENCE);
    }
  schedule_cadence (self, boot_us);
}

static void
on_cadence (gpointer user_data)
{
  Core2Chip *self = user_data;

  update_cadence (self, chip_boot_time ());
  if (!self->has_pending)
    {
      notify_marked (self);
      chip_flush (self);
    }
}

/* It falls by itself when nobody walks, and then needs no timer. */
static void
schedule_cadence (Core2Chip *self, gint64 boot_us)
{
  gint64 next = core2_cadence_next_change (&self->cadence_buckets, boot_us);

  if (self->cadence_timer != NULL || next == G_MAXINT64)
    return;
  chip_start_timer (self, &self->cadence_timer,
                    (guint) (CLAMP ((next - boot_us) / 1000, 0, 60000) + 1), on_cadence);
}

/* --- signals ---------------------------------------------------------------------------------------------- */

static void
emit_steps (Core2Chip *self)
{
  guint32 delta = self->pending_delta;

  self->has_pending = FALSE;
  self->pending_delta = 0;
  self->last_signal = g_get_monotonic_time ();
  mark (self, PROP_STEPS_UPDATED);
  notify_marked (self);
  chip_emit_steps (self, delta);
}

static void
on_steps_timer (gpointer user_data)
{
  Core2Chip *self = user_data;

  if (self->has_pending)
    emit_steps (self);
}

/* The first change goes out at once; what follows faster than anybody can look at is merged. */
static void
signal_steps (Core2Chip *self, guint32 delta)
{
  gint64 window = G_USEC_PER_SEC / (gint64) self->services->config.steps_max_signals;
  gint64 since = g_get_monotonic_time () - self->last_signal;

  self->pending_delta += delta;
  self->has_pending = TRUE;
  if (self->steps_timer != NULL)
    return;
  if (self->last_signal == 0 || since >= window)
    emit_steps (self);
  else
    chip_start_timer (self, &self->steps_timer, (guint) ((window - since + 999) / 1000),
                      on_steps_timer);
}

/* --- samples ---------------------------------------------------------------------------------------------- */

static void
set_number (Core2Chip *self, guint32 *field, guint32 value, ChipProperty property)
{
  if (*field == value)
    return;
  *field = value;
  mark (self, property);
}

static void
take_extras (Core2Chip *self, const Core2StepsFrame *frame)
{
  if ((frame->fields & ~self->step_fields) != 0)
    {
      self->step_fields |= frame->fields;
      chip_notify_info (self);
    }
  if (frame->fields & CORE2_STEPS_HAS_RUN)
    set_number (self, &self->run_steps, frame->run, PROP_RUN_STEPS);
  if (frame->fields & CORE2_STEPS_HAS_WALK)
    set_number (self, &self->walk_steps, frame->walk, PROP_WALK_STEPS);
  if (frame->fields & CORE2_STEPS_HAS_DISTANCE)
    set_number (self, &self->distance, frame->distance, PROP_DISTANCE);
  if (frame->fields & CORE2_STEPS_HAS_ENERGY)
    set_number (self, &self->energy, frame->energy, PROP_ENERGY);
}

static void
log_oddities (Core2Chip *self, const Core2StepsResult *result)
{
  if (result->suspect > 0)
    core2_log_notice (self->record->address, "steps",
                      "the counter jumped by %u steps, which nobody walks: not counted",
                      result->suspect);
  if (result->reset != CORE2_STEPS_RESET_NONE)
    core2_log_event (CORE2_LOG_INFO,
                     CORE2_LOG_FIELDS (.chip = self->record->address, .topic = "steps",
                                       .message_id = CORE2_LOG_ID_COUNTER_RESET),
                     "the chip's counter was reset from %u to %u (%s)", result->reset_before,
                     result->reset_after, core2_steps_reset_to_string (result->reset));
}

static void
apply_result (Core2Chip *self, const Core2StepsResult *result)
{
  if (result->delta > 0)
    mark (self, PROP_STEPS_TOTAL);
  log_oddities (self, result);
  if (result->reset == CORE2_STEPS_RESET_NONE && result->kind != CORE2_STEPS_BASELINE)
    chip_save_values_later (self);
  else
    /* What was counted before a reset can't be found in the chip any more, nor what the first counter was. */
    chip_save (self);
  if (result->reset != CORE2_STEPS_RESET_NONE)
    {
      notify_marked (self);
      chip_emit_reset (self, result->reset_before, result->reset_after,
                       core2_steps_reset_to_string (result->reset));
    }
}

void
chip_steps_value (Core2Chip *self, const guint8 *data, gsize size)
{
  Core2StepsFrame frame;
  Core2StepsResult result;
  gint64 now_us = g_get_real_time ();
  Core2StepsSample sample = {
    .wall_us = now_us,
    .boot_us = chip_boot_time (),
    .boot_id = self->services->boot_id,
  };
  Core2Decode decode = core2_protocol_decode_steps (data, size, &frame);

  if (decode != CORE2_DECODE_OK)
    {
      core2_log_write_limited (self->services->log_limit, self->path, CORE2_LOG_INFO,
                               CORE2_LOG_FIELDS (.chip = self->record->address, .topic = "steps"),
                               "ignored a step payload of %zu bytes: %s", size,
                               core2_decode_to_string (decode));
      return;
    }

  sample.counter = frame.steps;
  core2_steps_apply (&self->steps, &self->services->calendar, &sample, self->first_sample,
                     &result);
  self->first_sample = FALSE;
  self->record->last_seen = (guint64) now_us;
  self->steps_updated = (guint64) now_us;
  set_number (self, &self->counter, frame.steps, PROP_STEPS);
  take_extras (self, &frame);
  set_number (self, &self->steps_today, result.today, PROP_STEPS_TODAY);
  chip_history_add (self, &result);
  apply_result (self, &result);
  if (result.delta > 0 && !result.estimated)
    core2_cadence_add (&self->cadence_buckets, sample.boot_us, result.delta);
  update_cadence (self, sample.boot_us);
  signal_steps (self, result.delta);
}

/* --- reading ---------------------------------------------------------------------------------------------- */

static void
steps_read (const GError *error, const guint8 *data, gsize size, gpointer user_data)
{
  Core2Request *request = user_data;
  Core2Chip *self = request->owner;
  Core2StepsFrame frame;

  if (error != NULL)
    core2_request_fail_gerror (request, error);
  else if (core2_protocol_decode_steps (data, size, &frame) != CORE2_DECODE_OK)
    core2_request_fail (request, CORE2_ERROR_NO_DATA, "%s sent no usable step count",
                        self->record->address);
  else
    {
      /* An equal value is no change for BlueZ, so it is not seen otherwise. */
      if (frame.steps != self->counter || self->steps_updated == 0)
        chip_steps_value (self, data, size);
      notify_marked (self);
      chip_flush (self);
      core2_request_reply (request, "ut", frame.steps, (guint64) g_get_real_time ());
    }
}

void
chip_steps_read (Core2Request *request)
{
  Core2Chip *self = request->owner;

  core2_link_read (self->link, CORE2_UUID_STEPS, steps_read, request);
}

static void
polled (const GError *error, const guint8 *data, gsize size, gpointer user_data)
{
  Core2Chip *self = user_data;

  if (error == NULL && self->session_started)
    chip_steps_value (self, data, size);
}

static void
on_poll (gpointer user_data)
{
  Core2Chip *self = user_data;

  core2_link_read (self->link, CORE2_UUID_STEPS, polled, self);
  chip_steps_poll (self, TRUE);
}

void
chip_steps_poll (Core2Chip *self, gboolean enable)
{
  core2_timer_stop (&self->poll_timer);
  if (enable)
    chip_start_timer (self, &self->poll_timer, POLL_SECONDS * 1000, on_poll);
}

/* --- days and life ------------------------------------------------------------------------------------------ */

void
chip_steps_roll_day (Core2Chip *self)
{
  if (!core2_steps_roll_day (&self->steps, &self->services->calendar, g_get_real_time ()))
    return;
  set_number (self, &self->steps_today, core2_steps_get_today (&self->steps), PROP_STEPS_TODAY);
  notify_marked (self);
  chip_flush (self);
  if (self->history != NULL)
    core2_history_set_state (self->history, &self->steps);
  chip_save_values_later (self);
}

void
chip_steps_load (Core2Chip *self)
{
  self->steps = self->record->steps;
  chip_history_open (self);
  core2_steps_roll_day (&self->steps, &self->services->calendar, g_get_real_time ());
  self->steps_today = core2_steps_get_today (&self->steps);
  if (self->steps.has_trusted)
    {
      self->counter = self->steps.trusted.counter;
      self->steps_updated = (guint64) self->steps.trusted.wall_us;
    }
}

void
chip_steps_days_changed (Core2Chip *self)
{
  set_number (self, &self->steps_today, core2_steps_get_today (&self->steps), PROP_STEPS_TODAY);
  notify_marked (self);
  chip_flush (self);
  chip_save (self);
}

void
chip_steps_remember (Core2Chip *self)
{
  chip_history_open (self);
  core2_steps_roll_day (&self->steps, &self->services->calendar, g_get_real_time ());
  self->steps_today = core2_steps_get_today (&self->steps);
  chip_notify (self, PROP_STEPS_TODAY);
  chip_notify (self, PROP_STEPS_TOTAL);
}

void
chip_steps_clear (Core2Chip *self)
{
  core2_timer_stop (&self->steps_timer);
  core2_timer_stop (&self->cadence_timer);
  core2_timer_stop (&self->poll_timer);
}
