/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Step arithmetic against slow and simple models. Each input is a life of a chip in one of two
 * ways: honest, where a plain sum knows the truth; or with any numbers at all, where promises
 * must hold. Days are compared with steps put on the calendar one by one. */
#include "core2-steps.h"

#include "fuzz-target.h"

#define SECOND G_TIME_SPAN_SECOND
/* The year 9000: soon after, the calendar ends. */
#define LAST_YEARS_US (G_GINT64_CONSTANT (221845392000) * SECOND)
#define STEPS_ONE_BY_ONE 3000

typedef struct
{
  Core2Calendar calendar;
  GTimeZone *zone;
  guint day_start_minutes;
  Core2StepsState state;
  Core2StepsResult result;
  Core2StepsSample now;
} Life;

static const char *const zones[] = { "UTC", "Europe/Madrid", "America/Havana",
                                     "Australia/Lord_Howe" };

/* The day on the wall, by the date that GLib shows. Only for days that begin at midnight; where
 * midnight is shown twice the date goes back and forth, and the model with it. */
static Core2Day
get_wall_day (const Life *life, gint64 wall_us)
{
  g_autoptr (GDateTime) utc = g_date_time_new_from_unix_utc (wall_us / SECOND);
  g_autoptr (GDateTime) local = g_date_time_to_timezone (utc, life->zone);

  return g_date_time_get_year (local) * 10000 + g_date_time_get_month (local) * 100
         + g_date_time_get_day_of_month (local);
}

/* Puts each step on the calendar by itself, evenly over the interval. Each day's sum may differ
 * from the split by the two steps at its ends. */
static void
check_split_one_by_one (const Life *life)
{
  const Core2StepsResult *result = &life->result;
  gint64 length_us = result->until_us - result->from_us;

  if (life->day_start_minutes != 0 || result->delta == 0 || result->delta > STEPS_ONE_BY_ONE
      || length_us > 30 * G_TIME_SPAN_DAY || life->zone == NULL)
    return;
  for (guint i = 0; i < result->n_splits; i++)
    {
      gint64 sum = 0;

      for (guint32 step = 0; step < result->delta; step++)
        {
          gdouble share = (step + 0.5) / result->delta;

          sum += get_wall_day (life, result->from_us + (gint64) (share * length_us))
                 == result->splits[i].day;
        }
      g_assert_cmpint (ABS (sum - (gint64) result->splits[i].steps), <=, 2);
    }
}

static void
check_promises (const Life *life, const Core2StepsState *before)
{
  const Core2StepsResult *result = &life->result;
  guint64 sum = 0;

  for (guint i = 0; i < result->n_splits; i++)
    {
      g_assert_cmpuint (result->splits[i].steps, >, 0);
      if (i > 0)
        g_assert_cmpint (result->splits[i - 1].day, <, result->splits[i].day);
      sum += result->splits[i].steps;
    }
  g_assert_cmpuint (sum, ==, result->delta);
  g_assert_cmpuint (life->state.total, ==, before->total + result->delta);
  g_assert_cmpuint (result->total, ==, life->state.total);
  g_assert_cmpint (result->from_us, <=, result->until_us);
  g_assert_cmpint (result->estimated && result->delta == 0, ==, FALSE);
  if (result->kind != CORE2_STEPS_COUNTED)
    g_assert_cmpuint (result->delta + result->suspect + result->reset, ==, 0);
  if (result->kind == CORE2_STEPS_PENDING)
    g_assert_cmpuint (life->state.trusted.counter, ==, before->trusted.counter);
  else
    g_assert_cmpuint (life->state.trusted.counter, ==, life->now.counter);
  /* No more than the counter shows, unless it ran over. */
  if (result->reset != CORE2_STEPS_RESET_WRAP)
    g_assert_cmpuint ((guint64) result->delta + result->suspect, <=,
                      (guint64) life->now.counter);
}

static void
apply (Life *life, gboolean first)
{
  Core2StepsState before = life->state;
  Core2StepsSample sample = life->now;

  core2_steps_apply (&life->state, &life->calendar, &sample, first, &life->result);
  check_promises (life, &before);
}

static void
set_calendar (Life *life, guint8 choice, guint day_start_minutes)
{
  core2_calendar_clear (&life->calendar);
  g_clear_pointer (&life->zone, g_time_zone_unref);
  life->zone = g_time_zone_new_identifier (zones[choice % G_N_ELEMENTS (zones)]);
  g_assert_nonnull (life->zone);
  life->day_start_minutes = day_start_minutes;
  core2_calendar_init (&life->calendar, life->zone, day_start_minutes);
}

/* No two midnights on one date and none missing in this zone, and everything happens as it
 * should. */
static void
live_honestly (Life *life, FuzzReader *reader)
{
  guint64 walked = 0;

  apply (life, TRUE);
  while (reader->size > 0)
    {
      guint8 what = fuzz_reader_get_byte (reader);
      gint64 seconds = (gint64) fuzz_reader_get_number (reader, what & 1 ? 1 : 2);
      guint32 steps = (guint32) fuzz_reader_get_number (reader, 2) % (guint32) (3 * seconds + 1);
      gboolean first = what & 2;

      /* A new battery, and less walked since than before: only this can be known. */
      if (first && what & 4 && life->now.counter > 0)
        {
          steps = MIN (steps, life->now.counter - 1);
          life->now.counter = 0;
          /* So that two over midnights are no habit: this chip has none. */
          life->state.midnight = CORE2_STEPS_MIDNIGHT_UNKNOWN;
        }
      life->now.wall_us += seconds * SECOND;
      life->now.boot_us += seconds * SECOND;
      life->now.counter += steps;
      walked += steps;
      apply (life, first);
      g_assert_cmpuint (life->state.total, ==, walked);
      g_assert_cmpint (life->result.kind, ==, CORE2_STEPS_COUNTED);
      check_split_one_by_one (life);
      /* The same again adds nothing. */
      apply (life, FALSE);
      g_assert_cmpuint (life->result.delta, ==, 0);
      g_assert_cmpint (get_wall_day (life, life->now.wall_us), ==, life->state.day);
    }
}

static void
live_anyhow (Life *life, FuzzReader *reader)
{
  while (reader->size > 0)
    {
      guint8 what = fuzz_reader_get_byte (reader);
      gint64 boundary_us;

      switch (what % 8)
        {
        case 0:
          life->now.counter = (guint32) fuzz_reader_get_number (reader, 4);
          break;
        case 1:
          life->now.wall_us = (gint64) fuzz_reader_get_number (reader, 8);
          break;
        case 2:
          life->now.boot_us = (gint64) fuzz_reader_get_number (reader, 8);
          break;
        case 3:
          life->now.boot_id = fuzz_reader_get_byte (reader);
          break;
        case 4:
          core2_steps_expect_reset (&life->state);
          break;
        case 5:
          set_calendar (life, fuzz_reader_get_byte (reader),
                        (guint) fuzz_reader_get_number (reader, 2) % 1440);
          break;
        case 6:
          life->now.counter += (guint32) fuzz_reader_get_byte (reader) - 16;
          break;
        default:
          {
            gint64 passed_us = (gint64) fuzz_reader_get_number (reader, 2) * SECOND / 4;

            if (life->now.wall_us < G_MAXINT64 - passed_us)
              life->now.wall_us += passed_us;
            if (life->now.boot_us < G_MAXINT64 - passed_us)
              life->now.boot_us += passed_us;
          }
          break;
        }
      apply (life, what & 0x80);
      boundary_us = core2_steps_next_boundary (&life->calendar, life->now.wall_us);
      if (life->now.wall_us > LAST_YEARS_US)
        continue;
      g_assert_cmpint (core2_calendar_get_day (&life->calendar, boundary_us - 1), ==,
                       life->state.day);
      g_assert_cmpint (core2_calendar_get_day (&life->calendar, boundary_us), !=,
                       life->state.day);
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  FuzzReader reader = { data, size };
  guint8 how = fuzz_reader_get_byte (&reader);
  Life life = { .zone = NULL };

  core2_steps_init (&life.state);
  life.now.boot_id = 1;
  if (how & 1)
    {
      set_calendar (&life, how >> 1 & 1, 0);
      life.now.wall_us = (1262304000 + (gint64) fuzz_reader_get_number (&reader, 4) / 8) * SECOND;
      live_honestly (&life, &reader);
    }
  else
    {
      set_calendar (&life, how >> 1, 0);
      live_anyhow (&life, &reader);
    }
  core2_calendar_clear (&life.calendar);
  g_clear_pointer (&life.zone, g_time_zone_unref);
  return 0;
}
