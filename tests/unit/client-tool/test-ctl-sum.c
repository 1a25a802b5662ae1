/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-sum.h"

static void
test_nothing (void)
{
  CtlSum sum = { 0 };

  g_assert_cmpuint (ctl_sum_get (&sum), ==, 0);
  g_assert_false (ctl_sum_is_pair (&sum));
}

static void
test_pair (void)
{
  CtlSum sum = { 0 };

  ctl_sum_add (&sum, "left", 4000);
  g_assert_cmpuint (ctl_sum_get (&sum), ==, 4000);
  g_assert_false (ctl_sum_is_pair (&sum));
  /* The right one's battery was empty in the afternoon. */
  ctl_sum_add (&sum, "right", 2500);
  g_assert_cmpuint (ctl_sum_get (&sum), ==, 4000);
  g_assert_true (ctl_sum_is_pair (&sum));
}

static void
test_unknown_side (void)
{
  CtlSum sum = { 0 };

  ctl_sum_add (&sum, "unknown", 100);
  ctl_sum_add (&sum, "", 20);
  ctl_sum_add (&sum, NULL, 3);
  g_assert_cmpuint (ctl_sum_get (&sum), ==, 123);
  g_assert_false (ctl_sum_is_pair (&sum));
  ctl_sum_add (&sum, "right", 1000);
  g_assert_cmpuint (ctl_sum_get (&sum), ==, 1123);
}

/* Running shoes in the morning and others later: either side of each is enough. */
static void
test_two_pairs (void)
{
  CtlSum sum = { 0 };

  ctl_sum_add (&sum, "left", 6000);
  ctl_sum_add (&sum, "right", 6010);
  ctl_sum_add (&sum, "left", 3000);
  ctl_sum_add (&sum, "right", 2980);
  g_assert_cmpuint (ctl_sum_get (&sum), ==, 9000);
}

/* Steps of chips are 32 bits wide; their sum is not. */
static void
test_large (void)
{
  CtlSum sum = { 0 };

  ctl_sum_add (&sum, "left", G_MAXUINT32);
  ctl_sum_add (&sum, "left", G_MAXUINT32);
  ctl_sum_add (&sum, "unknown", G_MAXUINT32);
  g_assert_cmpuint (ctl_sum_get (&sum), ==, G_GUINT64_CONSTANT (3) * G_MAXUINT32);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ctl-sum/nothing", test_nothing);
  g_test_add_func ("/ctl-sum/pair", test_pair);
  g_test_add_func ("/ctl-sum/unknown-side", test_unknown_side);
  g_test_add_func ("/ctl-sum/two-pairs", test_two_pairs);
  g_test_add_func ("/ctl-sum/large", test_large);
  return g_test_run ();
}
