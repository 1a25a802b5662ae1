/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Step arithmetic: days, midnights and clocks. */
#include "test-steps-fixture.h"

static void
test_day_reset_while_walking (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 12 * HOUR - 10 * SECOND, 8000);
  notify (fixture, 9 * SECOND, 8018);
  notify (fixture, 2 * SECOND, 2);
  assert_reset (fixture, CORE2_STEPS_RESET_DAY, 8018, 2);
  assert_counted (fixture, 2);
  g_assert_true (fixture->result.day_changed);
  g_assert_cmpuint (fixture->result.today, <=, 2);
  g_assert_cmpuint (fixture->result.total, ==, 20);
}

/* The chip's clock is some minutes off. */
static void
test_day_reset_early (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 12 * HOUR - 8 * MINUTE, 8000);
  notify (fixture, SECOND, 0);
  assert_reset (fixture, CORE2_STEPS_RESET_DAY, 8000, 0);
  assert_counted (fixture, 0);
}

/* Asleep, but connected: the next step is the first sign of the reset. */
static void
test_day_reset_while_resting (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 8000);
  notify (fixture, 19 * HOUR, 1);
  assert_reset (fixture, CORE2_STEPS_RESET_DAY, 8000, 1);
  assert_counted (fixture, 1);
  assert_split (fixture, 0, SATURDAY, 1);
}

static void
test_day_reset_while_away (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 8000);
  come_back (fixture, 20 * HOUR, 300);
  assert_reset (fixture, CORE2_STEPS_RESET_DAY, 8000, 300);
  assert_counted (fixture, 300);
  g_assert_true (fixture->result.estimated);
  /* All of them made since midnight. */
  g_assert_cmpint (fixture->result.from_us, ==, NOON + 12 * HOUR);
  g_assert_cmpuint (fixture->result.n_splits, ==, 1);
  assert_split (fixture, 0, SATURDAY, 300);
}

/* At midnight, too, a notification that comes late is no reset; a fall by more, or later, is one. */
static void
test_reorder_at_midnight (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 12 * HOUR - 2 * SECOND, 30);
  notify (fixture, 5 * SECOND, 20);
  assert_pending (fixture);
  notify (fixture, 0, 31);
  assert_counted (fixture, 1);
  notify (fixture, 5 * SECOND, 20);
  assert_reset (fixture, CORE2_STEPS_RESET_DAY, 31, 20);
  notify (fixture, 6 * SECOND, 19);
  assert_reset (fixture, CORE2_STEPS_RESET_DAY, 20, 19);
}

/* A day that begins at 4 in the morning; the chip still resets at midnight. */
static void
test_day_start (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();

  core2_calendar_clear (&fixture->calendar);
  core2_calendar_init (&fixture->calendar, utc, 240);
  come_back (fixture, 0, 8000);
  come_back (fixture, 20 * HOUR, 400);
  assert_reset (fixture, CORE2_STEPS_RESET_DAY, 8000, 400);
  assert_split (fixture, 0, FRIDAY, 200);
  assert_split (fixture, 1, SATURDAY, 200);
  g_assert_cmpuint (fixture->result.today, ==, 200);
}

/* Who looks once a day, always in the evening: the chip has been seen to reset at midnight, so the
 * higher counter of the next day is all new. */
static void
test_hidden_day_reset (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 8000);
  come_back (fixture, 24 * HOUR, 6000);
  assert_reset (fixture, CORE2_STEPS_RESET_DAY, 8000, 6000);
  come_back (fixture, 24 * HOUR, 5000);
  assert_reset (fixture, CORE2_STEPS_RESET_DAY, 6000, 5000);
  come_back (fixture, 24 * HOUR, 7000);
  assert_reset (fixture, CORE2_STEPS_RESET_DAY, 5000, 7000);
  assert_counted (fixture, 7000);
  g_assert_cmpuint (fixture->result.total, ==, 18000);
  /* Within the day it goes on as ever. */
  come_back (fixture, HOUR, 7100);
  assert_no_reset (fixture);
  assert_counted (fixture, 100);
}

/* A chip that has never reset at midnight is not expected to. */
static void
test_no_day_reset (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 6000);
  come_back (fixture, 24 * HOUR, 7000);
  assert_no_reset (fixture);
  assert_counted (fixture, 1000);
  assert_split (fixture, 0, FRIDAY, 500);
  assert_split (fixture, 1, SATURDAY, 500);
  g_assert_true (fixture->result.estimated);
}

/* A battery changed over night is no habit. */
static void
test_one_fall_is_no_habit (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 8000);
  come_back (fixture, 24 * HOUR, 6000);
  come_back (fixture, 24 * HOUR, 7000);
  assert_no_reset (fixture);
  assert_counted (fixture, 1000);
  g_assert_cmpint (fixture->state.midnight, ==, CORE2_STEPS_MIDNIGHT_UNKNOWN);
}

/* What was learnt is forgotten when the chip goes on over a midnight before our eyes. */
static void
test_habit_is_unlearnt (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 8000);
  notify (fixture, 24 * HOUR, 2);
  notify (fixture, 2 * HOUR, 6000);
  g_assert_cmpint (fixture->state.midnight, ==, CORE2_STEPS_MIDNIGHT_RESETS);
  notify (fixture, 24 * HOUR, 6001);
  assert_counted (fixture, 1);
  g_assert_cmpint (fixture->state.midnight, ==, CORE2_STEPS_MIDNIGHT_GOES_ON);
  come_back (fixture, 24 * HOUR, 7001);
  assert_no_reset (fixture);
  assert_counted (fixture, 1000);
}

static void
test_split_by_time (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 6 * HOUR, 1000);
  come_back (fixture, 24 * HOUR, 3400);
  assert_counted (fixture, 2400);
  assert_split (fixture, 0, FRIDAY, 600);
  assert_split (fixture, 1, SATURDAY, 1800);
  g_assert_cmpuint (fixture->result.today, ==, 1800);
}

/* Connected and standing still over midnight: the step is today's, not spread over the night. */
static void
test_no_split_while_connected (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 6 * HOUR, 1000);
  notify (fixture, 14 * HOUR, 1004);
  assert_counted (fixture, 4);
  assert_split (fixture, 0, SATURDAY, 4);
  g_assert_false (fixture->result.estimated);
  g_assert_cmpint (fixture->result.from_us, ==, fixture->now.wall_us - 4 * SECOND);
}

static void
test_long_absence (Fixture *fixture, gconstpointer data)
{
  Core2Day before = 0;

  come_back (fixture, 0, 1000);
  come_back (fixture, 100 * 24 * HOUR, 101000);
  assert_counted (fixture, 100000);
  g_assert_cmpuint (fixture->result.n_splits, ==, CORE2_STEPS_SPLITS_MAX);
  for (guint i = 0; i < fixture->result.n_splits; i++)
    {
      g_assert_cmpint (fixture->result.splits[i].day, >, before);
      before = fixture->result.splits[i].day;
    }
  g_assert_cmpint (before, ==, 20270228);
}

/* The wall clock jumps within a boot: intervals and days go on. */
static void
test_clock_jumps (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 1000);
  notify (fixture, MINUTE, 1100);
  g_assert_cmpuint (fixture->result.today, ==, 100);
  fixture->now.wall_us += 24 * HOUR;
  notify (fixture, 10 * SECOND, 1110);
  assert_counted (fixture, 10);
  g_assert_true (fixture->result.day_changed);
  g_assert_cmpuint (fixture->result.today, ==, 10);
  fixture->now.wall_us -= 24 * HOUR;
  notify (fixture, 10 * SECOND, 1120);
  assert_counted (fixture, 10);
  g_assert_true (fixture->result.day_changed);
  g_assert_cmpuint (fixture->result.today, ==, 110);
  fixture->now.wall_us -= 30 * 24 * HOUR;
  notify (fixture, 10 * SECOND, 1130);
  assert_counted (fixture, 10);
  g_assert_cmpuint (fixture->result.today, ==, 10);
  g_assert_cmpuint (fixture->result.total, ==, 130);
}

/* A jump of the wall clock makes no wild counter plausible. */
static void
test_clock_jump_and_counter_jump (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 1000);
  fixture->now.wall_us += 24 * HOUR;
  come_back (fixture, SECOND, 9000);
  assert_pending (fixture);
}

/* Another boot: its clock since boot says nothing about the one before. */
static void
test_reboot (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 1000);
  fixture->now.boot_us = 0;
  fixture->now.boot_id++;
  fixture->now.wall_us += HOUR;
  come_back (fixture, SECOND, 4000);
  assert_counted (fixture, 3000);
  g_assert_cmpint (fixture->result.from_us, ==, NOON);
  fixture->now.boot_id++;
  come_back (fixture, SECOND, 9000);
  assert_pending (fixture);
}

/* And when its wall clock runs behind, nobody knows how long it was. */
static void
test_reboot_with_wrong_clock (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 1000);
  fixture->now.boot_us = 0;
  fixture->now.boot_id = 0;
  fixture->now.wall_us -= HOUR;
  come_back (fixture, 0, 4000);
  assert_counted (fixture, 3000);
  g_assert_cmpint (fixture->result.from_us, ==, fixture->result.until_us);
  fixture->now.wall_us -= HOUR;
  come_back (fixture, 0, 4000 + 24 * 60 * 60 * 5 + 51);
  assert_pending (fixture);
}

static void
test_roll_day (Fixture *fixture, gconstpointer data)
{
  gint64 boundary_us;

  come_back (fixture, 0, 1000);
  notify (fixture, MINUTE, 1100);
  boundary_us = core2_steps_next_boundary (&fixture->calendar, fixture->now.wall_us);
  g_assert_cmpint (boundary_us, ==, NOON + 12 * HOUR);
  g_assert_false (core2_steps_roll_day (&fixture->state, &fixture->calendar, boundary_us - 1));
  g_assert_cmpuint (core2_steps_get_today (&fixture->state), ==, 100);
  g_assert_true (core2_steps_roll_day (&fixture->state, &fixture->calendar, boundary_us));
  g_assert_cmpuint (core2_steps_get_today (&fixture->state), ==, 0);
  g_assert_cmpint (fixture->state.day, ==, SATURDAY);
  /* The clock is set back: yesterday's steps are there again. */
  g_assert_true (core2_steps_roll_day (&fixture->state, &fixture->calendar, NOON));
  g_assert_cmpuint (core2_steps_get_today (&fixture->state), ==, 100);
}

static void
test_zone_change (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GTimeZone) tokyo = g_time_zone_new_identifier ("Asia/Tokyo");

  come_back (fixture, 6 * HOUR, 1000);
  notify (fixture, MINUTE, 1100);
  g_assert_cmpint (fixture->result.splits[0].day, ==, FRIDAY);
  core2_calendar_clear (&fixture->calendar);
  core2_calendar_init (&fixture->calendar, tokyo, 0);
  g_assert_true (
      core2_steps_roll_day (&fixture->state, &fixture->calendar, fixture->now.wall_us));
  notify (fixture, SECOND, 1102);
  assert_split (fixture, 0, SATURDAY, 2);
  g_assert_cmpuint (fixture->result.today, ==, 2);
  g_assert_cmpuint (fixture->result.total, ==, 102);
}

/* A state out of a damaged file and a clock gone mad: any answer will do, but no crash. */
static void
test_hostile_state (Fixture *fixture, gconstpointer data)
{
  static const gint64 times[] = { G_MININT64, -1, 0, NOON, G_MAXINT64 };

  for (guint i = 0; i < 2000; i++)
    {
      Core2StepsSample *samples[]
          = { &fixture->state.trusted, &fixture->state.candidate, &fixture->now };
      guint64 before = fixture->state.total;

      for (guint k = 0; k < G_N_ELEMENTS (samples); k++)
        {
          samples[k]->wall_us = times[g_test_rand_int_range (0, G_N_ELEMENTS (times))];
          samples[k]->boot_us = times[g_test_rand_int_range (0, G_N_ELEMENTS (times))];
          samples[k]->boot_id = (guint64) g_test_rand_int_range (0, 2);
          samples[k]->counter = (guint32) g_test_rand_int ();
        }
      fixture->state.has_trusted = g_test_rand_bit ();
      fixture->state.has_candidate = g_test_rand_bit ();
      fixture->state.candidate_is_reset = g_test_rand_bit ();
      fixture->state.pairing = (guint8) g_test_rand_int_range (0, 256);
      fixture->state.midnight = (guint8) g_test_rand_int_range (0, 256);
      core2_steps_apply (&fixture->state, &fixture->calendar, &fixture->now, g_test_rand_bit (),
                         &fixture->result);
      if (fixture->result.kind == CORE2_STEPS_COUNTED)
        assert_counted (fixture, fixture->result.delta);
      g_assert_cmpuint (fixture->state.total - before, ==, fixture->result.delta);
    }
}

static const struct
{
  const char *path;
  void (*test) (Fixture *, gconstpointer);
} tests[] = {
  { "/steps-days/day-reset/while-walking", test_day_reset_while_walking },
  { "/steps-days/day-reset/early", test_day_reset_early },
  { "/steps-days/day-reset/while-resting", test_day_reset_while_resting },
  { "/steps-days/day-reset/while-away", test_day_reset_while_away },
  { "/steps-days/day-reset/reorder", test_reorder_at_midnight },
  { "/steps-days/day-reset/day-start", test_day_start },
  { "/steps-days/day-reset/hidden", test_hidden_day_reset },
  { "/steps-days/day-reset/none", test_no_day_reset },
  { "/steps-days/day-reset/one-fall-is-no-habit", test_one_fall_is_no_habit },
  { "/steps-days/day-reset/habit-is-unlearnt", test_habit_is_unlearnt },
  { "/steps-days/split/by-time", test_split_by_time },
  { "/steps-days/split/not-while-connected", test_no_split_while_connected },
  { "/steps-days/split/long-absence", test_long_absence },
  { "/steps-days/clock/jumps", test_clock_jumps },
  { "/steps-days/clock/jump-and-counter-jump", test_clock_jump_and_counter_jump },
  { "/steps-days/clock/reboot", test_reboot },
  { "/steps-days/clock/reboot-with-wrong-clock", test_reboot_with_wrong_clock },
  { "/steps-days/roll-day", test_roll_day },
  { "/steps-days/zone-change", test_zone_change },
  { "/steps-days/hostile-state", test_hostile_state },
};

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].test, tear_down);
  return g_test_run ();
}
