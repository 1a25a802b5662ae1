/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-timers.h"

#define MANY 1000

typedef struct
{
  Core2Timers *timers;
  Core2Timer *timer[MANY];
  GArray *fired; /* numbers, in order */
} Fixture;

typedef struct
{
  Fixture *fixture;
  guint number;
} Shot;

static Shot shots[MANY];

static void
set_up (Fixture *self, gconstpointer data)
{
  self->timers = core2_timers_new ();
  self->fired = g_array_new (FALSE, FALSE, sizeof (guint));
  for (guint i = 0; i < MANY; i++)
    shots[i] = (Shot){ self, i };
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  core2_timers_free (self->timers);
  g_array_unref (self->fired);
}

static void
on_timer (gpointer user_data)
{
  const Shot *shot = user_data;

  g_assert_null (shot->fixture->timer[shot->number]);
  g_array_append_val (shot->fixture->fired, shot->number);
}

static void
start (Fixture *self, guint number, guint delay_ms)
{
  core2_timer_start (self->timers, &self->timer[number], delay_ms, on_timer, &shots[number]);
  g_assert_nonnull (self->timer[number]);
}

static void
wait_fired (Fixture *self, guint count)
{
  while (self->fired->len < count)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (self->fired->len, ==, count);
}

/* By when they are due, which is known to the time that a start took: on a busy machine that can be long. */
static void
test_order (Fixture *self, gconstpointer data)
{
  static const guint delays_ms[] = { 40, 0, 20, 60, 10 };
  gint64 earliest_us[G_N_ELEMENTS (delays_ms)], latest_us[G_N_ELEMENTS (delays_ms)];

  for (guint i = 0; i < G_N_ELEMENTS (delays_ms); i++)
    {
      earliest_us[i] = g_get_monotonic_time () + delays_ms[i] * G_TIME_SPAN_MILLISECOND;
      start (self, i, delays_ms[i]);
      latest_us[i] = g_get_monotonic_time () + delays_ms[i] * G_TIME_SPAN_MILLISECOND;
    }
  wait_fired (self, G_N_ELEMENTS (delays_ms));
  g_assert_cmpint (g_get_monotonic_time (), >=, earliest_us[3]);
  for (guint i = 0; i < G_N_ELEMENTS (delays_ms); i++)
    for (guint j = i + 1; j < G_N_ELEMENTS (delays_ms); j++)
      g_assert_cmpint (earliest_us[g_array_index (self->fired, guint, i)], <=,
                       latest_us[g_array_index (self->fired, guint, j)]);
}

static void
test_stopped (Fixture *self, gconstpointer data)
{
  for (guint i = 0; i < 4; i++)
    start (self, i, 10);
  core2_timer_stop (&self->timer[0]);
  core2_timer_stop (&self->timer[2]);
  core2_timer_stop (&self->timer[2]);
  g_assert_null (self->timer[2]);
  start (self, 5, 30);
  wait_fired (self, 3);
  g_assert_cmpuint (g_array_index (self->fired, guint, 0), ==, 1);
  g_assert_cmpuint (g_array_index (self->fired, guint, 1), ==, 3);
}

/* Started again it fires once, at the later time. */
static void
test_restarted (Fixture *self, gconstpointer data)
{
  start (self, 0, 5);
  start (self, 1, 20);
  start (self, 0, 40);
  wait_fired (self, 2);
  g_assert_cmpuint (g_array_index (self->fired, guint, 0), ==, 1);
  g_assert_false (g_main_context_iteration (NULL, FALSE));
}

static gboolean
on_idle (gpointer user_data)
{
  guint *turns = user_data;

  ++*turns;
  return G_SOURCE_CONTINUE;
}

/* Many that are due together leave other sources their turn. */
static void
test_many (Fixture *self, gconstpointer data)
{
  guint turns = 0;
  guint idle = g_idle_add_full (G_PRIORITY_DEFAULT, on_idle, &turns, NULL);

  for (guint i = 0; i < MANY; i++)
    start (self, i, 0);
  wait_fired (self, MANY);
  g_assert_cmpuint (turns, >, 10);
  g_source_remove (idle);
}

static void
on_restart (gpointer user_data)
{
  const Shot *shot = user_data;

  on_timer (user_data);
  if (shot->fixture->fired->len < 5)
    core2_timer_start (shot->fixture->timers, &shot->fixture->timer[shot->number], 0, on_restart,
                       user_data);
}

static void
test_from_within (Fixture *self, gconstpointer data)
{
  core2_timer_start (self->timers, &self->timer[7], 0, on_restart, &shots[7]);
  wait_fired (self, 5);
}

/* As long as can be: nothing overflows. */
static void
test_long (Fixture *self, gconstpointer data)
{
  start (self, 0, 3600 * 1000);
  start (self, 1, G_MAXUINT);
  g_assert_false (g_main_context_iteration (NULL, FALSE));
  g_assert_cmpuint (self->fired->len, ==, 0);
  core2_timer_stop (&self->timer[0]);
  core2_timer_stop (&self->timer[1]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)
  ADD ("/timers/order", test_order);
  ADD ("/timers/stopped", test_stopped);
  ADD ("/timers/restarted", test_restarted);
  ADD ("/timers/many", test_many);
  ADD ("/timers/from-within", test_from_within);
  ADD ("/timers/long", test_long);
  return g_test_run ();
}
