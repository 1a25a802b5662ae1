/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-cadence.h"

#define SECOND G_TIME_SPAN_SECOND

static void
test_empty (void)
{
  Core2Cadence cadence = { 0 };

  g_assert_cmpuint (core2_cadence_get (&cadence, 0), ==, 0);
  g_assert_cmpuint (core2_cadence_get (&cadence, 1000 * SECOND), ==, 0);
  g_assert_cmpint (core2_cadence_next_change (&cadence, 1000 * SECOND), ==, G_MAXINT64);
}

static void
test_walk_and_stop (void)
{
  Core2Cadence cadence = { 0 };

  for (gint64 second = 100; second < 130; second++)
    core2_cadence_add (&cadence, second * SECOND, 2);
  g_assert_cmpuint (core2_cadence_get (&cadence, 129 * SECOND), ==, 120);
  g_assert_cmpint (core2_cadence_next_change (&cadence, 129 * SECOND), ==, 130 * SECOND);
  g_assert_cmpuint (core2_cadence_get (&cadence, 136 * SECOND), ==, 2 * 8 * 4);
  g_assert_cmpuint (core2_cadence_get (&cadence, 143 * SECOND), ==, 8);
  g_assert_cmpint (core2_cadence_next_change (&cadence, 143 * SECOND), ==, 144 * SECOND);
  g_assert_cmpuint (core2_cadence_get (&cadence, 144 * SECOND), ==, 0);
}

/* A timer set to each next change sees the cadence fall there, and nowhere before. */
static void
test_next_change (void)
{
  Core2Cadence cadence = { 0 };
  gint64 now = 50 * SECOND;
  guint changes = 0;

  core2_cadence_add (&cadence, 40 * SECOND, 3);
  core2_cadence_add (&cadence, 47 * SECOND, 1);
  core2_cadence_add (&cadence, 50 * SECOND, 5);
  while (core2_cadence_next_change (&cadence, now) != G_MAXINT64)
    {
      gint64 change = core2_cadence_next_change (&cadence, now);
      guint32 before = core2_cadence_get (&cadence, now);

      g_assert_cmpint (change, >, now);
      g_assert_cmpuint (core2_cadence_get (&cadence, change - 1), ==, before);
      g_assert_cmpuint (core2_cadence_get (&cadence, change), <, before);
      now = change;
      changes++;
    }
  g_assert_cmpuint (changes, ==, 3);
}

static void
test_hostile_times (void)
{
  Core2Cadence cadence = { 0 };

  core2_cadence_add (&cadence, -5 * SECOND, 1);
  core2_cadence_add (&cadence, 100 * SECOND, 2);
  /* A time that goes back counts as the last one. */
  core2_cadence_add (&cadence, 50 * SECOND, 3);
  g_assert_cmpuint (core2_cadence_get (&cadence, 0), ==, 5 * 4);
  core2_cadence_add (&cadence, 100 * SECOND, G_MAXUINT32);
  g_assert_cmpuint (core2_cadence_get (&cadence, 100 * SECOND), ==, G_MAXUINT32);
  core2_cadence_add (&cadence, G_MAXINT64, 1);
  g_assert_cmpuint (core2_cadence_get (&cadence, G_MAXINT64), ==, 4);
}

/* Against all steps kept in a list. */
static void
test_against_model (void)
{
  for (guint round = 0; round < 200; round++)
    {
      Core2Cadence cadence = { 0 };
      gint64 seconds[60];
      guint32 steps[60];
      gint64 now = g_test_rand_int_range (0, 100);

      for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
        {
          guint32 sum = 0;

          now += g_test_rand_int_range (0, i % 10 == 9 ? 40 : 3);
          seconds[i] = now;
          steps[i] = (guint32) g_test_rand_int_range (0, 5);
          core2_cadence_add (&cadence, now * SECOND + g_test_rand_int_range (0, 1000000),
                             steps[i]);
          for (guint k = 0; k <= i; k++)
            if (seconds[k] > now - CORE2_CADENCE_SECONDS)
              sum += steps[k];
          g_assert_cmpuint (core2_cadence_get (&cadence, now * SECOND), ==, sum * 4);
        }
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cadence/empty", test_empty);
  g_test_add_func ("/cadence/walk-and-stop", test_walk_and_stop);
  g_test_add_func ("/cadence/next-change", test_next_change);
  g_test_add_func ("/cadence/hostile-times", test_hostile_times);
  g_test_add_func ("/cadence/against-model", test_against_model);
  return g_test_run ();
}
