/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the chip's raw counter to steps that one can trust.
 *
 * The counter goes back to zero at day changes, at pairing and when its battery is changed;
 * chips are away for hours; clocks jump. This keeps total and days right all the same. Pure:
 * samples in, results out.
 *
 * The rules:
 *  - The first sample ever is the baseline: when its steps were made is not known, so they are
 *    not counted.
 *  - A counter that rose is counted, when a person could have walked that: at most 5 steps a
 *    second since the last sample, plus 50.
 *  - A counter that fell was reset, and its new value is the steps made since. Believed at once:
 *    after a pairing; at midnight of the chip's day (10 minutes either way, as its clock may be
 *    wrong); after the connection was away; and a counter that ran over 2^32.
 *  - Everything else is odd: a jump that nobody walks, a fall within a connection without a
 *    reason, a fall by at most 10 steps within 5 seconds (a notification that came late or
 *    twice). One odd sample decides nothing: it becomes the candidate. A next sample belongs to
 *    whichever baseline, the trusted or the candidate, is nearer below it. Back at the trusted
 *    one, the candidate was a stray and is forgotten; nothing is lost. At the candidate, 5
 *    seconds or more after it, the candidate was right: for a fall, the counter was reset; for a
 *    jump, what was jumped is suspect: reported for the record, and not counted.
 *  - A counter reset out of sight that has passed its old value by the next sample cannot be
 *    told from one that only rose: then only the difference is counted, unless a pairing has
 *    announced the reset, or a midnight is between and this chip is known to reset at midnight:
 *    it was seen to do so within a connection, or fell over two midnights in a row. One that is
 *    at its old value again was not reset, whatever was announced.
 *  - Steps belong to the time between two samples. Within a connection chips notify while one
 *    walks, so the time is at most one second a step back from the sample. Steps made while away
 *    are spread evenly over the time since the last sample, which is before the link was lost
 *    (from midnight, when it was reset then), split at the beginnings of days, and marked
 *    estimated.
 *  - How long the time between two samples is, the clock since boot says, which does not jump
 *    and also counts suspend. Only across a reboot the wall clock must do; when that ran
 *    backwards, the time is unknown, and up to a day's steps are believed.
 *
 * Always: the sum of all splits = the sum of all deltas = what @total grew by. */
#pragma once

#include <glib.h>

#include "core2-cadence.h"
#include "core2-calendar.h"

G_BEGIN_DECLS

#define CORE2_STEPS_PER_SECOND_MAX 5
#define CORE2_STEPS_ALLOWANCE 50
/* An interval longer than this is split evenly over its last CORE2_STEPS_SPLITS_MAX days. */
#define CORE2_STEPS_SPLITS_MAX 32
/* So many days are remembered, the ones counted in last: a clock that jumped and comes back
 * finds them. */
#define CORE2_STEPS_DAYS_KEPT 8

typedef enum
{
  CORE2_STEPS_BASELINE, /* the first sample */
  CORE2_STEPS_COUNTED,  /* delta steps were made, 0 when the counter is the same */
  CORE2_STEPS_PENDING,  /* odd: later samples decide; nothing was counted */
} Core2StepsKind;

typedef enum
{
  CORE2_STEPS_RESET_NONE,
  CORE2_STEPS_RESET_PAIRING,
  CORE2_STEPS_RESET_DAY,
  CORE2_STEPS_RESET_CHIP, /* battery change, or a reason that is not known */
  CORE2_STEPS_RESET_WRAP,
} Core2StepsReset;

/* What is known of the chip's habit at midnight. */
typedef enum
{
  CORE2_STEPS_MIDNIGHT_UNKNOWN,
  CORE2_STEPS_MIDNIGHT_FELL, /* it fell over the last midnight, out of sight: may be chance */
  CORE2_STEPS_MIDNIGHT_RESETS,
  CORE2_STEPS_MIDNIGHT_GOES_ON,
} Core2StepsMidnight;

/* One raw counter with the times when it was taken. */
typedef struct
{
  guint32 counter;
  gint64 wall_us; /* g_get_real_time() */
  gint64 boot_us; /* CLOCK_BOOTTIME in microseconds */
  /* Says which boot @boot_us belongs to, such as the first 64 bits of
   * /proc/sys/kernel/random/boot_id. 0 = not known: then it is never compared. */
  guint64 boot_id;
} Core2StepsSample;

typedef struct
{
  Core2Day day;
  guint32 steps;
} Core2StepsDay;

/* All that must be kept of a chip, also over restarts of the daemon. Plain numbers: a store
 * writes them and fills them in again; core2_steps_init() gives those of a new chip. */
typedef struct
{
  gboolean has_trusted;
  Core2StepsSample trusted; /* the last sample believed */
  gboolean has_candidate;
  Core2StepsSample candidate;  /* the first odd sample */
  gboolean candidate_is_reset; /* its whole counter may be steps since a reset */
  guint8 pairing;              /* private: what is expected of an announced reset */
  guint8 midnight;             /* Core2StepsMidnight */
  guint64 total;               /* counted since the chip was added */
  Core2Day day;                /* today, as of the last sample or core2_steps_roll_day() */
  Core2StepsDay days[CORE2_STEPS_DAYS_KEPT]; /* the one counted in last first; day 0 = free */
} Core2StepsState;

typedef struct
{
  Core2StepsKind kind;
  guint32 delta;   /* steps counted by this sample, the sum of the splits */
  guint32 suspect; /* steps that the counter claims and nobody believes: for the record */

  Core2StepsReset reset; /* the counter was reset, for the signal CounterReset */
  guint32 reset_before;  /* last counter before it */
  guint32 reset_after;   /* first counter seen after it */

  gboolean estimated; /* the interval is longer than a minute: when in it is not known */
  gint64 from_us;     /* the interval of delta, wall clock: from_us <= until_us */
  gint64 until_us;

  guint n_splits; /* 0 when delta is 0 */
  Core2StepsDay splits[CORE2_STEPS_SPLITS_MAX]; /* oldest day first, to be added to those days */

  guint64 total; /* as in the state */
  guint32 today;
  gboolean day_changed; /* state.day is another one than before this sample */
} Core2StepsResult;

/* A new chip: nothing known, nothing counted. */
void core2_steps_init (Core2StepsState *self);

/* Takes a sample. @first: the first one since the connection was made, so that steps may have
 * been made and the counter may have been reset out of sight; also the first one after the
 * daemon started. @result is written completely. */
void core2_steps_apply (Core2StepsState *self, Core2Calendar *calendar,
                        const Core2StepsSample *sample, gboolean first, Core2StepsResult *result);

/* Announces the reset that pairing makes. Call it when the chip has accepted a key (`10 01 01`),
 * not earlier: samples taken before the reset must have been applied before. */
void core2_steps_expect_reset (Core2StepsState *self);

/* Brings state.day to the day of @wall_us: to be called by a timer at
 * core2_steps_next_boundary(), when the clock was set and when the zone changed. Returns TRUE
 * when the day is another one now, and today's steps with it. */
gboolean core2_steps_roll_day (Core2StepsState *self, Core2Calendar *calendar, gint64 wall_us);

/* When StepsToday must drop: the wall clock time at which the day after that of @wall_us begins. */
gint64 core2_steps_next_boundary (Core2Calendar *calendar, gint64 wall_us);

/* Moves the sum of @day by @change: steps turned out to have been made in another day. Call it for both. A
 * day that is not remembered any more is left out. */
void core2_steps_change_day (Core2StepsState *self, Core2Day day, gint64 change);

/* Steps of state.day. */
guint32 core2_steps_get_today (const Core2StepsState *self);

/* The reason as the signal CounterReset spells it: "pairing", "day", "chip", "wrap"; "" for
 * none. */
const char *core2_steps_reset_to_string (Core2StepsReset reset);

G_END_DECLS
