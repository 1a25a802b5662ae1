/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Step arithmetic: what is counted, odd samples, resets. */
#include "test-steps-fixture.h"

static void
test_baseline (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 5000);
  g_assert_cmpint (fixture->result.kind, ==, CORE2_STEPS_BASELINE);
  g_assert_cmpuint (fixture->result.total, ==, 0);
  g_assert_cmpuint (fixture->result.n_splits, ==, 0);
  g_assert_true (fixture->result.day_changed);
  notify (fixture, SECOND, 5002);
  assert_counted (fixture, 2);
  g_assert_cmpuint (fixture->result.total, ==, 2);
  g_assert_cmpuint (fixture->result.today, ==, 2);
  g_assert_false (fixture->result.day_changed);
  g_assert_false (fixture->result.estimated);
}

static void
test_equal (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 5000);
  notify (fixture, SECOND, 5000);
  assert_counted (fixture, 0);
  g_assert_cmpuint (fixture->result.n_splits, ==, 0);
  come_back (fixture, HOUR, 5000);
  assert_counted (fixture, 0);
  g_assert_false (fixture->result.estimated);
}

/* What a person can walk is counted, one more is not. */
static void
test_limit (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 0);
  come_back (fixture, 100 * SECOND, 550);
  assert_counted (fixture, 550);
  come_back (fixture, 100 * SECOND, 1101);
  assert_pending (fixture);
}

static void
test_jump (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 1000);
  notify (fixture, SECOND, 9000);
  assert_pending (fixture);
  g_assert_cmpuint (fixture->result.total, ==, 0);
  notify (fixture, SECOND, 9002);
  assert_pending (fixture);
  notify (fixture, 5 * SECOND, 9010);
  assert_counted (fixture, 10);
  g_assert_cmpuint (fixture->result.suspect, ==, 8000);
  assert_no_reset (fixture);
  notify (fixture, SECOND, 9012);
  assert_counted (fixture, 2);
  g_assert_cmpuint (fixture->result.suspect, ==, 0);
  g_assert_cmpuint (fixture->result.total, ==, 12);
}

/* A jump does not become plausible by waiting. */
static void
test_jump_and_rest (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 1000);
  notify (fixture, SECOND, 2000);
  assert_pending (fixture);
  notify (fixture, HOUR, 2001);
  assert_counted (fixture, 1);
  g_assert_cmpuint (fixture->result.suspect, ==, 1000);
}

/* Wild values, one or many, cost nothing. */
static void
test_strays (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 1000);
  notify (fixture, SECOND, G_MAXUINT32);
  assert_pending (fixture);
  notify (fixture, SECOND, 1002);
  assert_counted (fixture, 2);
  assert_no_reset (fixture);
  for (guint32 i = 0; i < 20; i++)
    {
      notify (fixture, SECOND, 4000000000U - 100000000U * i);
      assert_pending (fixture);
    }
  notify (fixture, SECOND, 0);
  assert_pending (fixture);
  notify (fixture, SECOND, 1003);
  assert_counted (fixture, 1);
  g_assert_cmpuint (fixture->result.suspect, ==, 0);
  g_assert_cmpuint (fixture->result.total, ==, 3);
}

static void
test_duplicate_and_reorder (Fixture *fixture, gconstpointer data)
{
  static const guint32 counters[] = { 5, 5, 7, 6, 8, 8, 11, 9, 10, 12, 3, 13 };

  come_back (fixture, 0, 4);
  for (guint i = 0; i < G_N_ELEMENTS (counters); i++)
    {
      notify (fixture, SECOND / 2, counters[i]);
      assert_no_reset (fixture);
    }
  g_assert_cmpuint (fixture->result.total, ==, 9);
}

static void
test_battery_change (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 5000);
  come_back (fixture, HOUR, 120);
  assert_reset (fixture, CORE2_STEPS_RESET_CHIP, 5000, 120);
  assert_counted (fixture, 120);
  g_assert_true (fixture->result.estimated);
  g_assert_cmpint (fixture->result.from_us, ==, NOON);
}

/* The chip comes back with an older counter that it had saved: nobody walked that in a minute. */
static void
test_restored_counter (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 5000);
  come_back (fixture, MINUTE, 4800);
  assert_pending (fixture);
  notify (fixture, 6 * SECOND, 4806);
  assert_reset (fixture, CORE2_STEPS_RESET_CHIP, 5000, 4800);
  assert_counted (fixture, 6);
  g_assert_cmpuint (fixture->result.suspect, ==, 4800);
  g_assert_cmpuint (fixture->result.total, ==, 6);
}

/* A reset within a connection that nothing explains is believed when a second sample agrees. */
static void
test_unexplained_reset (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 5000);
  notify (fixture, SECOND, 0);
  assert_pending (fixture);
  notify (fixture, 2 * SECOND, 3);
  assert_pending (fixture);
  notify (fixture, 3 * SECOND, 8);
  assert_reset (fixture, CORE2_STEPS_RESET_CHIP, 5000, 0);
  assert_counted (fixture, 8);
  g_assert_cmpuint (fixture->result.suspect, ==, 0);
}

/* Odd before the connection was lost: what follows still decides. */
static void
test_candidate_over_reconnect (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 5000);
  notify (fixture, SECOND, 2);
  assert_pending (fixture);
  come_back (fixture, SECOND, 4);
  assert_reset (fixture, CORE2_STEPS_RESET_CHIP, 5000, 2);
  assert_counted (fixture, 4);
}

static void
test_pairing (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 5000);
  core2_steps_expect_reset (&fixture->state);
  notify (fixture, SECOND, 0);
  assert_reset (fixture, CORE2_STEPS_RESET_PAIRING, 5000, 0);
  notify (fixture, SECOND, 2);
  assert_no_reset (fixture);
  g_assert_cmpuint (fixture->result.total, ==, 2);
}

/* The notification of the reset overtakes the answer to the key. */
static void
test_pairing_seen_before_announced (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 5000);
  notify (fixture, SECOND, 0);
  assert_pending (fixture);
  core2_steps_expect_reset (&fixture->state);
  notify (fixture, 0, 0);
  assert_reset (fixture, CORE2_STEPS_RESET_PAIRING, 5000, 0);
  notify (fixture, SECOND, 2);
  assert_no_reset (fixture);
  g_assert_cmpuint (fixture->result.total, ==, 2);
}

/* Few steps before it: no fall is too small to be a reset that was announced. */
static void
test_pairing_of_small_counter (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 3);
  core2_steps_expect_reset (&fixture->state);
  notify (fixture, SECOND, 1);
  assert_reset (fixture, CORE2_STEPS_RESET_PAIRING, 3, 1);
  assert_counted (fixture, 1);
}

/* The link was lost right after: the counter has passed its old value when it is seen again. */
static void
test_pairing_out_of_sight (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 100);
  core2_steps_expect_reset (&fixture->state);
  come_back (fixture, HOUR, 3000);
  assert_reset (fixture, CORE2_STEPS_RESET_PAIRING, 100, 3000);
  assert_counted (fixture, 3000);
}

/* The chip did not reset after all. */
static void
test_pairing_without_reset (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 5000);
  core2_steps_expect_reset (&fixture->state);
  come_back (fixture, MINUTE, 5010);
  assert_no_reset (fixture);
  assert_counted (fixture, 10);
  come_back (fixture, HOUR, 4);
  assert_reset (fixture, CORE2_STEPS_RESET_CHIP, 5010, 4);
}

/* Announced, never seen, and then it is midnight: that is the reason. */
static void
test_pairing_then_midnight (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 0);
  core2_steps_expect_reset (&fixture->state);
  notify (fixture, SECOND, 2);
  assert_no_reset (fixture);
  notify (fixture, HOUR, 900);
  notify (fixture, 11 * HOUR, 2);
  assert_reset (fixture, CORE2_STEPS_RESET_DAY, 900, 2);
}

/* A sample from before the reset comes after the announcement. */
static void
test_pairing_after_late_sample (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 5000);
  core2_steps_expect_reset (&fixture->state);
  notify (fixture, SECOND, 5001);
  assert_counted (fixture, 1);
  notify (fixture, SECOND, 0);
  assert_reset (fixture, CORE2_STEPS_RESET_PAIRING, 5001, 0);
}

/* Nor is any fall a counter that ran over, however long ago the last sample seems. */
static void
test_no_wrap (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, 5000);
  fixture->now.boot_id++;
  come_back (fixture, 40 * 365 * 24 * HOUR, 300);
  assert_reset (fixture, CORE2_STEPS_RESET_DAY, 5000, 300);
  assert_counted (fixture, 300);
}

static void
test_wrap (Fixture *fixture, gconstpointer data)
{
  come_back (fixture, 0, G_MAXUINT32 - 4);
  notify (fixture, 10 * SECOND, 15);
  assert_reset (fixture, CORE2_STEPS_RESET_WRAP, G_MAXUINT32 - 4, 15);
  assert_counted (fixture, 20);
}

static const struct
{
  const char *path;
  void (*test) (Fixture *, gconstpointer);
} tests[] = {
  { "/steps/baseline", test_baseline },
  { "/steps/equal", test_equal },
  { "/steps/limit", test_limit },
  { "/steps/jump", test_jump },
  { "/steps/jump-and-rest", test_jump_and_rest },
  { "/steps/strays", test_strays },
  { "/steps/duplicate-and-reorder", test_duplicate_and_reorder },
  { "/steps/reset/battery-change", test_battery_change },
  { "/steps/reset/restored-counter", test_restored_counter },
  { "/steps/reset/unexplained", test_unexplained_reset },
  { "/steps/reset/candidate-over-reconnect", test_candidate_over_reconnect },
  { "/steps/pairing/seen", test_pairing },
  { "/steps/pairing/seen-before-announced", test_pairing_seen_before_announced },
  { "/steps/pairing/of-small-counter", test_pairing_of_small_counter },
  { "/steps/pairing/out-of-sight", test_pairing_out_of_sight },
  { "/steps/pairing/without-reset", test_pairing_without_reset },
  { "/steps/pairing/then-midnight", test_pairing_then_midnight },
  { "/steps/pairing/after-late-sample", test_pairing_after_late_sample },
  { "/steps/wrap", test_wrap },
  { "/steps/no-wrap", test_no_wrap },
};

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].test, tear_down);
  return g_test_run ();
}
