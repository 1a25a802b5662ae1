/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "chip-model.h"

#include <math.h>

#define SECOND ((gint64) G_USEC_PER_SEC)
#define MINUTE (60 * SECOND)
#define DAY (24 * 60 * MINUTE)

/* [ASSUME] When the chip sleeps is not known, only that it does so often. */
#define DEFAULT_IDLE_TIMEOUT_S 60

/* People stroll at 100 to 115 steps a minute, for a while, and stop for a moment. */
#define STROLL_MIN_CADENCE 100
#define STROLL_MAX_CADENCE 115
#define STROLL_MIN_BOUT_S 20
#define STROLL_MAX_BOUT_S 90
#define STROLL_MIN_PAUSE_S 4
#define STROLL_MAX_PAUSE_S 15
/* Above this people run. */
#define RUNNING_CADENCE 140
/* No step comes exactly one interval after the other. */
#define STEP_JITTER 0.05

/* [ASSUME] Battery use, in millionths of a percent: about three months of standing, half a million
 * steps. */
#define DRAIN_PER_MINUTE 770
#define DRAIN_PER_CONNECTED_MINUTE 3000
#define DRAIN_PER_STEP 200
#define MICRO 1000000

#define MAX_MINUTES (7 * 24 * 60)

typedef enum
{
  GAIT_STANDING, /* until told otherwise */
  GAIT_WALKING,  /* without pauses until told otherwise */
  GAIT_STROLLING,
} Gait;

struct _ChipModel
{
  GRand *rand;
  ChipModelHandler handler;
  gpointer user_data;

  gint64 now;
  gint64 clock_offset;
  gint64 next_step;   /* G_MAXINT64: stands */
  gint64 next_bout;   /* strolling: when the bout or the pause ends */
  gint64 next_minute;
  gint64 last_active;

  Gait gait;
  gboolean pausing;
  guint cadence; /* steps a minute */
  guint bout_steps;

  gboolean connected;
  gboolean asleep;
  gint64 idle_timeout; /* 0: never sleeps by itself */
  gboolean midnight_reset;

  ChipCounters counters;
  guint64 steps_walked;
  const char *reset_reason;

  gboolean tilt_is_fixed;
  guint16 tilt_x, tilt_y;

  gint64 battery; /* in millionths of a percent */

  GArray *minutes; /* of ChipMinute, oldest first, up to the last full minute */
  guint minute_steps;
};

static void
emit (ChipModel *self, ChipModelEvent event)
{
  if (self->handler != NULL)
    self->handler (event, self->user_data);
}

/* --- Waking, sleeping, battery ---------------------------------------------------------------- */

static void
be_active (ChipModel *self)
{
  self->last_active = self->now;
  if (!self->asleep)
    return;
  self->asleep = FALSE;
  emit (self, CHIP_MODEL_WOKE);
}

static void
fall_asleep (ChipModel *self)
{
  if (self->asleep)
    return;
  self->asleep = TRUE;
  emit (self, CHIP_MODEL_SLEPT);
}

static void
drain (ChipModel *self, gint64 amount)
{
  guint8 before = chip_model_get_battery (self);

  /* Never all: a dead chip can play nothing. */
  if (self->battery > MICRO)
    self->battery = MAX (MICRO, self->battery - amount);
  if (chip_model_get_battery (self) != before)
    emit (self, CHIP_MODEL_BATTERY);
}

static gint64
get_sleep_time (ChipModel *self)
{
  if (self->asleep || self->connected || self->idle_timeout == 0 ||
      self->next_step != G_MAXINT64)
    return G_MAXINT64;
  return self->last_active + self->idle_timeout;
}

/* --- Walking ---------------------------------------------------------------------------------- */

static gint64
get_step_interval (ChipModel *self)
{
  double interval = 60.0 * SECOND / self->cadence;

  /* Nobody is at full pace at once. */
  if (self->bout_steps < 3)
    interval *= 1.4 - 0.13 * self->bout_steps;
  return (gint64) (interval * g_rand_double_range (self->rand, 1 - STEP_JITTER, 1 + STEP_JITTER));
}

static void
start_bout (ChipModel *self, guint cadence)
{
  self->cadence = cadence;
  self->bout_steps = 0;
  self->pausing = FALSE;
  self->next_step = self->now + get_step_interval (self);
}

static void
stand_still (ChipModel *self)
{
  self->cadence = 0;
  self->next_step = G_MAXINT64;
}

static void
drift_tilt (ChipModel *self)
{
  if (self->tilt_is_fixed)
    return;
  self->tilt_x = (guint16) (self->tilt_x + g_rand_int_range (self->rand, -400, 401));
  self->tilt_y = (guint16) (self->tilt_y + g_rand_int_range (self->rand, -400, 401));
}

static void
change_bout (ChipModel *self)
{
  gint32 seconds;

  drift_tilt (self);
  if (self->pausing)
    {
      start_bout (self, (guint) g_rand_int_range (self->rand, STROLL_MIN_CADENCE,
                                                  STROLL_MAX_CADENCE + 1));
      seconds = g_rand_int_range (self->rand, STROLL_MIN_BOUT_S, STROLL_MAX_BOUT_S);
    }
  else
    {
      stand_still (self);
      self->pausing = TRUE;
      seconds = g_rand_int_range (self->rand, STROLL_MIN_PAUSE_S, STROLL_MAX_PAUSE_S);
    }
  self->next_bout = self->now + seconds * SECOND;
}

static void
count_step (ChipModel *self, guint cadence)
{
  gboolean running = cadence >= RUNNING_CADENCE;

  be_active (self);
  self->steps_walked++;
  self->minute_steps++;
  self->counters.steps++;
  if (running)
    self->counters.running_steps++;
  else
    self->counters.walking_steps++;
  /* Steps get longer with the pace: 0.73 m at 110 a minute, 0.88 m at 160. */
  self->counters.distance_mm += 400 + 3 * cadence;
  self->counters.energy_cal += running ? 70 : 40;
  drain (self, DRAIN_PER_STEP);
  emit (self, CHIP_MODEL_STEPPED);
}

static void
make_step (ChipModel *self)
{
  self->bout_steps++;
  self->next_step = self->now + get_step_interval (self);
  count_step (self, self->cadence);
}

/* --- Minutes and days ------------------------------------------------------------------------- */

static void
end_minute (ChipModel *self)
{
  guint steps = MIN (self->minute_steps, G_MAXUINT8);
  ChipMinute minute = { .steps = (guint8) steps, .heart_rate = G_MAXUINT8 };

  minute.kind = steps == 0 ? 0 : steps < RUNNING_CADENCE ? 1 : 2;
  minute.intensity = (guint8) MIN (steps * 3 / 2, G_MAXUINT8);
  if (self->minutes->len >= MAX_MINUTES)
    g_array_remove_index (self->minutes, 0);
  g_array_append_val (self->minutes, minute);
  self->minute_steps = 0;
  self->next_minute += MINUTE;
  drain (self, self->connected ? DRAIN_PER_CONNECTED_MINUTE : DRAIN_PER_MINUTE);
  /* Midnight is the end of a minute. */
  if (self->midnight_reset && chip_model_get_clock (self) % DAY == 0)
    chip_model_reset_counter (self, "day");
}

static void
align_minutes (ChipModel *self)
{
  self->next_minute = self->now + MINUTE - chip_model_get_clock (self) % MINUTE;
}

/* --- Time ------------------------------------------------------------------------------------- */

/* When something happens next by itself, in model time. */
gint64
chip_model_get_next (ChipModel *self)
{
  gint64 next = MIN (self->next_minute, self->next_step);

  if (self->gait == GAIT_STROLLING)
    next = MIN (next, self->next_bout);
  return MIN (next, get_sleep_time (self));
}

/* Lets everything happen, in order, up to and including the model time @until. Going back does
 * nothing. */
void
chip_model_run (ChipModel *self, gint64 until)
{
  for (gint64 next = chip_model_get_next (self); next <= until; next = chip_model_get_next (self))
    {
      self->now = MAX (self->now, next);
      if (next == self->next_minute)
        end_minute (self);
      else if (next == self->next_step)
        make_step (self);
      else if (self->gait == GAIT_STROLLING && next == self->next_bout)
        change_bout (self);
      else
        fall_asleep (self);
    }
  self->now = MAX (self->now, until);
}

/* The model time up to which everything has happened. */
gint64
chip_model_get_time (ChipModel *self)
{
  return self->now;
}

/* The chip's own clock: local time, in microseconds since 1970-01-01 00:00 local. */
gint64
chip_model_get_clock (ChipModel *self)
{
  return self->now + self->clock_offset;
}

/* Sets the chip's own clock (not before 1970). No day ends by this: the counters stay. The minutes
 * remembered go, because they no longer lie where the clock says. */
void
chip_model_set_clock (ChipModel *self, gint64 clock)
{
  self->clock_offset = clock - self->now;
  g_array_set_size (self->minutes, 0);
  self->minute_steps = 0;
  align_minutes (self);
}

/* --- Lifetime --------------------------------------------------------------------------------- */

/* A chip that is awake in the shoe of a person who stands.
 * @start: model time
 * @clock_start: what the chip's clock shows then
 * Returns: (transfer full) */
ChipModel *
chip_model_new (guint32 seed, gint64 start, gint64 clock_start)
{
  ChipModel *self = g_new0 (ChipModel, 1);

  self->rand = g_rand_new_with_seed (seed);
  self->now = start;
  self->clock_offset = clock_start - start;
  self->last_active = start;
  self->next_step = G_MAXINT64;
  self->idle_timeout = DEFAULT_IDLE_TIMEOUT_S * SECOND;
  self->midnight_reset = TRUE;
  self->reset_reason = "";
  self->battery = 80 * MICRO;
  self->tilt_x = (guint16) g_rand_int_range (self->rand, 15000, 20000);
  self->tilt_y = (guint16) g_rand_int_range (self->rand, 30000, 35000);
  self->minutes = g_array_new (FALSE, FALSE, sizeof (ChipMinute));
  align_minutes (self);
  return self;
}

void
chip_model_free (ChipModel *self)
{
  g_rand_free (self->rand);
  g_array_unref (self->minutes);
  g_free (self);
}

/* @handler: called for each event when it happens, from within the function that makes it happen */
void
chip_model_set_handler (ChipModel *self, ChipModelHandler handler, gpointer user_data)
{
  self->handler = handler;
  self->user_data = user_data;
}

/* --- What the person does --------------------------------------------------------------------- */

/* Walks as people do: 100 to 115 steps a minute, with pauses. */
void
chip_model_stroll (ChipModel *self)
{
  self->gait = GAIT_STROLLING;
  self->pausing = TRUE;
  change_bout (self);
  be_active (self);
}

/* Walks without pauses, or stands.
 * @cadence: steps a minute, at most 300; 0: stands */
void
chip_model_walk (ChipModel *self, guint cadence)
{
  if (cadence == 0)
    {
      self->gait = GAIT_STANDING;
      stand_still (self);
      self->last_active = self->now;
      return;
    }
  self->gait = GAIT_WALKING;
  start_bout (self, MIN (cadence, 300));
  be_active (self);
}

/* Steps a minute at this moment, 0 in a pause. */
guint
chip_model_get_cadence (ChipModel *self)
{
  return self->cadence;
}

/* Makes exactly @n steps at this moment, which wake the chip. Each is an event of its own. */
void
chip_model_step (ChipModel *self, guint32 n)
{
  for (guint32 i = 0; i < n; i++)
    count_step (self, self->cadence > 0 ? self->cadence : STROLL_MIN_CADENCE);
}

/* Wakes the chip. A shake is no step. */
void
chip_model_shake (ChipModel *self)
{
  drift_tilt (self);
  be_active (self);
}

/* Stands, and sleeps at once. */
void
chip_model_sleep (ChipModel *self)
{
  self->gait = GAIT_STANDING;
  stand_still (self);
  fall_asleep (self);
}

/* A connected chip does not sleep by itself. */
void
chip_model_set_connected (ChipModel *self, gboolean connected)
{
  self->connected = connected;
  self->last_active = self->now;
}

/* @seconds: model time without a step, a shake or a link after which the chip sleeps; 0: never */
void
chip_model_set_idle_timeout (ChipModel *self, guint seconds)
{
  self->idle_timeout = seconds * SECOND;
}

/* Whether the counters start again when the chip's clock passes midnight. */
void
chip_model_set_midnight_reset (ChipModel *self, gboolean enabled)
{
  self->midnight_reset = enabled;
}

gboolean
chip_model_is_asleep (ChipModel *self)
{
  return self->asleep;
}

/* --- Counters --------------------------------------------------------------------------------- */

const ChipCounters *
chip_model_get_counters (ChipModel *self)
{
  return &self->counters;
}

/* Every step made since the start, whatever happened to the counters. */
guint64
chip_model_get_steps_walked (ChipModel *self)
{
  return self->steps_walked;
}

/* Sets the chip's counter without an event; the person has made no step by it. */
void
chip_model_set_counter (ChipModel *self, guint32 steps)
{
  self->counters = (ChipCounters){ .steps = steps, .walking_steps = steps };
}

/* Starts the counters again from zero.
 * @reason: static string: pairing, day, battery or what a test says */
void
chip_model_reset_counter (ChipModel *self, const char *reason)
{
  self->counters = (ChipCounters){ 0 };
  self->reset_reason = reason;
  emit (self, CHIP_MODEL_RESET);
}

/* Why the counters started again last, empty when they never did. */
const char *
chip_model_get_reset_reason (ChipModel *self)
{
  return self->reset_reason;
}

/* --- Orientation and battery ------------------------------------------------------------------ */

/* Holds the chip still at a raw pair; from now on every sample is exactly that. */
void
chip_model_tilt (ChipModel *self, guint16 x, guint16 y)
{
  self->tilt_is_fixed = TRUE;
  self->tilt_x = x;
  self->tilt_y = y;
}

/* One raw sample. The shoe swings while its wearer walks. */
void
chip_model_get_orientation (ChipModel *self, guint16 *x, guint16 *y)
{
  gint32 swing = self->tilt_is_fixed ? 0 : self->cadence > 0 ? 900 : 6;

  *x = (guint16) (self->tilt_x + g_rand_int_range (self->rand, -swing, swing + 1));
  *y = (guint16) (self->tilt_y + g_rand_int_range (self->rand, -swing, swing + 1));
}

/* Percent, rounded up: it shows 100 until the first percent is used. */
guint8
chip_model_get_battery (ChipModel *self)
{
  return (guint8) ((self->battery + MICRO - 1) / MICRO);
}

/* @percentage: at most 100 */
void
chip_model_set_battery (ChipModel *self, guint8 percentage)
{
  self->battery = (gint64) MIN (percentage, 100) * MICRO;
  emit (self, CHIP_MODEL_BATTERY);
}

/* --- History ---------------------------------------------------------------------------------- */

/* How many full minutes are remembered, at most those of 7 days. */
gsize
chip_model_count_minutes (ChipModel *self)
{
  return self->minutes->len;
}

/* The remembered minutes that begin at or after @clock.
 * @n: (out): how many
 * @first_clock: (out): when the first of them begins, on the chip's clock
 * Returns: (transfer none) (nullable): NULL when there are none; until the model changes */
const ChipMinute *
chip_model_get_minutes_since (ChipModel *self, gint64 clock, gsize *n, gint64 *first_clock)
{
  gint64 end = self->next_minute + self->clock_offset - MINUTE;
  gint64 begin = end - self->minutes->len * MINUTE;
  gint64 skipped = clock <= begin ? 0 : (clock - begin + MINUTE - 1) / MINUTE;

  *n = skipped < self->minutes->len ? (gsize) (self->minutes->len - skipped) : 0;
  *first_clock = begin + skipped * MINUTE;
  return *n > 0 ? &g_array_index (self->minutes, ChipMinute, skipped) : NULL;
}

void
chip_model_delete_minutes (ChipModel *self)
{
  g_array_set_size (self->minutes, 0);
}
