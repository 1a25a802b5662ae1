/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-steps.h"

#include <string.h>

/* How far the chip's midnight may be from ours. */
#define MIDNIGHT_SLACK_US (10 * 60 * G_TIME_SPAN_SECOND)
/* A notification that comes late comes this soon, and is at most this much behind. */
#define REORDER_US (5 * G_TIME_SPAN_SECOND)
#define REORDER_STEPS 10
/* How long a candidate must wait before it is believed. */
#define CONFIRM_US (5 * G_TIME_SPAN_SECOND)
/* Within a connection nobody walks slower than a step in this time without standing still. */
#define SLOW_STEP_US G_TIME_SPAN_SECOND
/* A longer interval makes an estimate of its steps' time. */
#define ESTIMATE_US (60 * G_TIME_SPAN_SECOND)
/* What is believed when nothing tells how much time has passed. */
#define UNKNOWN_TIME_US (24 * 60 * 60 * G_TIME_SPAN_SECOND)

/* The year 9999. */
#define LATEST_US (G_GINT64_CONSTANT (253370764800) * G_TIME_SPAN_SECOND)

typedef enum
{
  PAIRING_NONE,
  PAIRING_EXPECTED, /* a reset was announced, and no sample has come since */
  PAIRING_SEEN,     /* samples came since, in the same connection, and none of them fell */
} Pairing;

/* The sample at hand and what it is judged by, so that the rules need no five arguments each. */
typedef struct
{
  Core2StepsState *state;
  Core2Calendar *calendar;
  const Core2StepsSample *sample;
  gboolean first;
  Core2StepsResult *result;
} Judgement;

typedef struct
{
  gint64 us;
  gboolean known;
} Elapsed;

static Elapsed
get_elapsed (const Core2StepsSample *from, const Core2StepsSample *to)
{
  if (from->boot_id != 0 && from->boot_id == to->boot_id)
    return (Elapsed){ MAX (to->boot_us - from->boot_us, 0), TRUE };
  if (to->wall_us >= from->wall_us)
    return (Elapsed){ to->wall_us - from->wall_us, TRUE };
  return (Elapsed){ UNKNOWN_TIME_US, FALSE };
}

static gboolean
is_plausible (guint32 steps, gint64 elapsed_us)
{
  gint64 seconds = elapsed_us / G_TIME_SPAN_SECOND;

  return steps <= seconds * CORE2_STEPS_PER_SECOND_MAX + CORE2_STEPS_ALLOWANCE;
}

/* Whether the counter can have gone on from @baseline to the sample. */
static gboolean
fits (const Core2StepsSample *baseline, const Core2StepsSample *sample)
{
  return sample->counter >= baseline->counter
         && is_plausible (sample->counter - baseline->counter,
                          get_elapsed (baseline, sample).us);
}

/* Whether a midnight of the chip can lie between two samples. */
static gboolean
spans_midnight (Core2Calendar *calendar, const Core2StepsSample *from, const Core2StepsSample *to,
                gint64 slack_us)
{
  gint64 midnight_us = core2_calendar_get_last_midnight (calendar, to->wall_us + slack_us);

  return midnight_us > to->wall_us - get_elapsed (from, to).us - slack_us;
}

static void
add_to_day (Core2StepsState *self, Core2Day day, guint32 steps)
{
  Core2StepsDay entry = { .day = day };
  guint i;

  for (i = 0; i < CORE2_STEPS_DAYS_KEPT - 1; i++)
    if (self->days[i].day == day)
      break;
  if (self->days[i].day == day)
    entry = self->days[i];
  memmove (self->days + 1, self->days, i * sizeof self->days[0]);
  entry.steps = steps > G_MAXUINT32 - entry.steps ? G_MAXUINT32 : entry.steps + steps;
  self->days[0] = entry;
}

/* Splits @delta, evenly over the interval, at the beginnings of days. */
static void
split_by_days (Core2Calendar *calendar, Core2StepsResult *result)
{
  gint64 ends_us[CORE2_STEPS_SPLITS_MAX];
  Core2Day days[CORE2_STEPS_SPLITS_MAX];
  gint64 from_us = result->from_us;
  gint64 end_us = result->until_us;
  gint64 start_us;
  gint64 next_us;
  guint64 all_ms;
  guint32 done = 0;
  guint n = 0;

  do
    {
      gint64 inside_us = n == 0 ? end_us : end_us - 1;

      core2_calendar_get_bounds (calendar, inside_us, &start_us, &next_us);
      days[n] = core2_calendar_get_day (calendar, inside_us);
      ends_us[n] = end_us;
      end_us = start_us;
      n++;
    }
  while (start_us > from_us && n < CORE2_STEPS_SPLITS_MAX);

  from_us = MAX (from_us, start_us);
  all_ms = (guint64) (result->until_us - from_us) / 1000;
  while (n-- > 0)
    {
      guint64 until_ms = (guint64) (ends_us[n] - from_us) / 1000;
      guint32 until = result->delta;

      if (n > 0)
        until = (guint32) (result->delta * until_ms / MAX (all_ms, 1));
      if (until > done)
        result->splits[result->n_splits++] = (Core2StepsDay){ days[n], until - done };
      done = until;
    }
}

/* Counts @delta steps, made in the last @interval_us. */
static void
count (Judgement *j, guint32 delta, gint64 interval_us)
{
  Core2StepsResult *result = j->result;

  result->kind = CORE2_STEPS_COUNTED;
  result->delta = delta;
  result->until_us = j->sample->wall_us;
  result->from_us = MAX (result->until_us - interval_us, 0);
  result->estimated = delta > 0 && interval_us > ESTIMATE_US;
  if (delta == 0)
    return;

  split_by_days (j->calendar, result);
  for (guint i = 0; i < result->n_splits; i++)
    add_to_day (j->state, result->splits[i].day, result->splits[i].steps);
  j->state->total += delta;
}

/* How far back the steps since @baseline may lie. */
static gint64
get_interval_us (const Judgement *j, const Core2StepsSample *baseline, guint32 delta)
{
  Elapsed elapsed = get_elapsed (baseline, j->sample);

  if (!elapsed.known)
    return 0;
  return j->first ? elapsed.us : MIN (elapsed.us, delta * SLOW_STEP_US);
}

static void
trust (Judgement *j)
{
  j->state->trusted = *j->sample;
  j->state->has_trusted = TRUE;
  j->state->has_candidate = FALSE;
}

static void
set_candidate (Judgement *j, gboolean is_reset)
{
  j->state->candidate = *j->sample;
  j->state->candidate_is_reset = is_reset;
  j->state->has_candidate = TRUE;
  j->result->kind = CORE2_STEPS_PENDING;
}

static void
note_reset (Judgement *j, Core2StepsReset reason, guint32 after)
{
  j->result->reset = reason;
  j->result->reset_before = j->state->trusted.counter;
  j->result->reset_after = after;
  j->state->pairing = PAIRING_NONE;
}

/* Within a connection only midnight makes a chip reset at midnight; a fall seen after an absence
 * can also be a change of the battery, so that it takes two. */
static void
learn_reset_at_midnight (Judgement *j)
{
  guint8 *midnight = &j->state->midnight;

  if (j->state->trusted.counter <= REORDER_STEPS)
    return;
  if (!j->first || *midnight == CORE2_STEPS_MIDNIGHT_FELL)
    *midnight = CORE2_STEPS_MIDNIGHT_RESETS;
  else if (*midnight != CORE2_STEPS_MIDNIGHT_RESETS)
    *midnight = CORE2_STEPS_MIDNIGHT_FELL;
}

/* The counter rose over a midnight: within a connection that proves that this chip goes on. */
static void
learn_rise_over_midnight (Judgement *j)
{
  guint8 *midnight = &j->state->midnight;

  if (j->state->trusted.counter <= CORE2_STEPS_ALLOWANCE
      || !spans_midnight (j->calendar, &j->state->trusted, j->sample, -MIDNIGHT_SLACK_US))
    return;
  if (!j->first)
    *midnight = CORE2_STEPS_MIDNIGHT_GOES_ON;
  else if (*midnight == CORE2_STEPS_MIDNIGHT_FELL)
    *midnight = CORE2_STEPS_MIDNIGHT_UNKNOWN;
}

/* The counter began again at zero since the last sample. */
static void
accept_reset (Judgement *j, Core2StepsReset reason)
{
  guint32 delta = j->sample->counter;
  gint64 interval_us = get_interval_us (j, &j->state->trusted, delta);

  if (reason == CORE2_STEPS_RESET_DAY)
    {
      gint64 wall_us = j->sample->wall_us;
      gint64 since_midnight_us
          = wall_us - core2_calendar_get_last_midnight (j->calendar, wall_us);

      if (since_midnight_us >= 0)
        interval_us = MIN (interval_us, since_midnight_us);
      learn_reset_at_midnight (j);
    }
  note_reset (j, reason, delta);
  count (j, delta, interval_us);
  trust (j);
}

/* The counter went on from the last sample believed. */
static void
accept_rise (Judgement *j)
{
  guint32 delta = j->sample->counter - j->state->trusted.counter;

  learn_rise_over_midnight (j);
  if (j->state->pairing != PAIRING_NONE)
    j->state->pairing = j->first ? PAIRING_NONE : PAIRING_SEEN;
  count (j, delta, get_interval_us (j, &j->state->trusted, delta));
  trust (j);
}

static Core2StepsReset
find_reset_reason (const Judgement *j, const Core2StepsSample *to)
{
  gboolean midnight
      = spans_midnight (j->calendar, &j->state->trusted, to, MIDNIGHT_SLACK_US);

  if (j->state->pairing == PAIRING_EXPECTED
      || (j->state->pairing == PAIRING_SEEN && !midnight))
    return CORE2_STEPS_RESET_PAIRING;
  return midnight ? CORE2_STEPS_RESET_DAY : CORE2_STEPS_RESET_CHIP;
}

/* A second sample agrees with the odd one: it was right. */
static void
accept_candidate (Judgement *j)
{
  Core2StepsState *state = j->state;
  Core2StepsSample candidate = state->candidate;
  guint32 since = j->sample->counter - candidate.counter;

  if (candidate.counter > state->trusted.counter)
    j->result->suspect = candidate.counter - state->trusted.counter;
  else
    {
      note_reset (j, find_reset_reason (j, &candidate), candidate.counter);
      if (state->candidate_is_reset)
        since = j->sample->counter;
      else
        j->result->suspect = candidate.counter;
    }
  count (j, since, get_interval_us (j, &candidate, since));
  trust (j);
}

static void
judge_fall (Judgement *j)
{
  const Core2StepsSample *trusted = &j->state->trusted;
  gint64 elapsed_us = get_elapsed (trusted, j->sample).us;
  guint32 wrapped = j->sample->counter - trusted->counter;
  gboolean near_wrap = trusted->counter > G_MAXUINT32 / 2;
  guint32 fall = trusted->counter - j->sample->counter;
  gboolean plausible = is_plausible (j->sample->counter, elapsed_us);
  Core2StepsReset reason = find_reset_reason (j, j->sample);

  if (near_wrap && is_plausible (wrapped, elapsed_us))
    {
      note_reset (j, CORE2_STEPS_RESET_WRAP, j->sample->counter);
      count (j, wrapped, get_interval_us (j, trusted, wrapped));
      trust (j);
    }
  else if (plausible && reason == CORE2_STEPS_RESET_PAIRING
           && (j->state->pairing == PAIRING_EXPECTED || fall > REORDER_STEPS))
    accept_reset (j, reason);
  else if (!j->first && fall <= REORDER_STEPS && elapsed_us <= REORDER_US)
    set_candidate (j, plausible);
  else if (plausible && (j->first || reason == CORE2_STEPS_RESET_DAY))
    accept_reset (j, reason);
  else
    set_candidate (j, plausible);
}

/* A counter that is higher than before, and was reset between all the same. */
static Core2StepsReset
find_hidden_reset (const Judgement *j)
{
  const Core2StepsState *state = j->state;
  gint64 elapsed_us = get_elapsed (&state->trusted, j->sample).us;

  if (!j->first || j->sample->counter <= state->trusted.counter)
    return CORE2_STEPS_RESET_NONE;
  if (state->pairing == PAIRING_EXPECTED && is_plausible (j->sample->counter, elapsed_us))
    return CORE2_STEPS_RESET_PAIRING;
  if (state->midnight == CORE2_STEPS_MIDNIGHT_RESETS
      && spans_midnight (j->calendar, &state->trusted, j->sample, -MIDNIGHT_SLACK_US)
      && is_plausible (j->sample->counter,
                       j->sample->wall_us
                           - core2_calendar_get_last_midnight (j->calendar, j->sample->wall_us)))
    return CORE2_STEPS_RESET_DAY;
  return CORE2_STEPS_RESET_NONE;
}

static void
judge (Judgement *j)
{
  Core2StepsState *state = j->state;
  gboolean fits_trusted = fits (&state->trusted, j->sample);
  gboolean fits_candidate = state->has_candidate && fits (&state->candidate, j->sample);
  Core2StepsReset hidden;

  if (fits_candidate
      && (!fits_trusted || state->candidate.counter > state->trusted.counter))
    {
      /* A chip tells of its reset before it answers the key that caused it. */
      gboolean announced = state->pairing == PAIRING_EXPECTED && state->candidate_is_reset;

      if (j->first || announced
          || get_elapsed (&state->candidate, j->sample).us >= CONFIRM_US)
        accept_candidate (j);
      else
        j->result->kind = CORE2_STEPS_PENDING;
      return;
    }
  hidden = find_hidden_reset (j);
  if (hidden != CORE2_STEPS_RESET_NONE)
    accept_reset (j, hidden);
  else if (fits_trusted)
    accept_rise (j);
  else if (j->sample->counter < state->trusted.counter)
    judge_fall (j);
  else
    set_candidate (j, FALSE);
}

/* Makes times that no clock shows harmless, so that differences cannot overflow: a state may
 * come from a damaged file. */
static Core2StepsSample
clamp_times (const Core2StepsSample *sample)
{
  Core2StepsSample clamped = *sample;

  clamped.wall_us = CLAMP (sample->wall_us, 0, LATEST_US);
  clamped.boot_us = CLAMP (sample->boot_us, 0, LATEST_US);
  return clamped;
}

void
core2_steps_init (Core2StepsState *self)
{
  memset (self, 0, sizeof *self);
}

void
core2_steps_apply (Core2StepsState *self, Core2Calendar *calendar,
                   const Core2StepsSample *sample, gboolean first, Core2StepsResult *result)
{
  Core2StepsSample clamped = clamp_times (sample);
  Judgement j = { self, calendar, &clamped, first, result };

  *result = (Core2StepsResult){ .kind = CORE2_STEPS_BASELINE };
  result->from_us = result->until_us = clamped.wall_us;
  self->trusted = clamp_times (&self->trusted);
  self->candidate = clamp_times (&self->candidate);
  if (self->has_trusted)
    judge (&j);
  else
    trust (&j);
  result->day_changed = core2_steps_roll_day (self, calendar, clamped.wall_us);
  result->total = self->total;
  result->today = core2_steps_get_today (self);
}

void
core2_steps_expect_reset (Core2StepsState *self)
{
  self->pairing = PAIRING_EXPECTED;
}

gboolean
core2_steps_roll_day (Core2StepsState *self, Core2Calendar *calendar, gint64 wall_us)
{
  Core2Day day = core2_calendar_get_day (calendar, wall_us);
  gboolean changed = day != self->day;

  self->day = day;
  return changed;
}

gint64
core2_steps_next_boundary (Core2Calendar *calendar, gint64 wall_us)
{
  gint64 start_us;
  gint64 end_us;

  core2_calendar_get_bounds (calendar, wall_us, &start_us, &end_us);
  return end_us;
}

void
core2_steps_change_day (Core2StepsState *self, Core2Day day, gint64 change)
{
  for (guint i = 0; i < CORE2_STEPS_DAYS_KEPT; i++)
    if (self->days[i].day == day && day != 0)
      self->days[i].steps = (guint32) CLAMP (self->days[i].steps + change, 0, G_MAXUINT32);
}

guint32
core2_steps_get_today (const Core2StepsState *self)
{
  for (guint i = 0; i < CORE2_STEPS_DAYS_KEPT; i++)
    if (self->days[i].day == self->day && self->day != 0)
      return self->days[i].steps;
  return 0;
}

const char *
core2_steps_reset_to_string (Core2StepsReset reset)
{
  switch (reset)
    {
    case CORE2_STEPS_RESET_PAIRING:
      return "pairing";
    case CORE2_STEPS_RESET_DAY:
      return "day";
    case CORE2_STEPS_RESET_CHIP:
      return "chip";
    case CORE2_STEPS_RESET_WRAP:
      return "wrap";
    case CORE2_STEPS_RESET_NONE:
    default:
      return "";
    }
}
