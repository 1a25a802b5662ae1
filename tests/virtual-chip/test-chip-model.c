/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "chip-model.h"

#define SECOND ((gint64) G_USEC_PER_SEC)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
/* 2026-01-05 10:00:00. */
#define MORNING (1767607200 * SECOND)

typedef struct
{
  ChipModel *model;
  GArray *step_times; /* of gint64 */
  guint n_events[CHIP_MODEL_BATTERY + 1];
  guint32 steps_at_reset;
} Log;

static void
on_event (ChipModelEvent event, gpointer user_data)
{
  Log *log = user_data;
  gint64 now = chip_model_get_time (log->model);

  log->n_events[event]++;
  if (event == CHIP_MODEL_STEPPED)
    g_array_append_val (log->step_times, now);
  if (event == CHIP_MODEL_RESET)
    log->steps_at_reset = chip_model_get_counters (log->model)->steps;
}

static Log *
log_new (guint32 seed, gint64 clock_start)
{
  Log *log = g_new0 (Log, 1);

  log->model = chip_model_new (seed, 0, clock_start);
  log->step_times = g_array_new (FALSE, FALSE, sizeof (gint64));
  chip_model_set_handler (log->model, on_event, log);
  return log;
}

static void
log_free (Log *log)
{
  chip_model_free (log->model);
  g_array_unref (log->step_times);
  g_free (log);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Log, log_free)

static void
test_walks_at_the_cadence (void)
{
  const guint cadences[] = { 1, 60, 110, 180, 300 };

  for (gsize i = 0; i < G_N_ELEMENTS (cadences); i++)
    {
      g_autoptr (Log) log = log_new (1, MORNING);
      guint steps;

      chip_model_walk (log->model, cadences[i]);
      chip_model_run (log->model, 10 * MINUTE);
      steps = log->n_events[CHIP_MODEL_STEPPED];
      g_assert_cmpuint (steps, >=, 10 * cadences[i] * 97 / 100 - 2);
      g_assert_cmpuint (steps, <=, 10 * cadences[i] * 103 / 100);
      g_assert_cmpuint (chip_model_get_steps_walked (log->model), ==, steps);
      g_assert_cmpuint (chip_model_get_counters (log->model)->steps, ==, steps);
      g_assert_cmpuint (chip_model_get_cadence (log->model), ==, cadences[i]);
    }
}

static void
test_steps_are_those_of_a_person (void)
{
  g_autoptr (Log) log = log_new (2, MORNING);
  guint n_equal = 0;

  chip_model_walk (log->model, 110);
  chip_model_run (log->model, 5 * MINUTE);
  for (guint i = 1; i < log->step_times->len; i++)
    {
      gint64 interval = g_array_index (log->step_times, gint64, i) -
                        g_array_index (log->step_times, gint64, i - 1);

      g_assert_cmpint (interval, >, 60 * SECOND / 110 * 94 / 100);
      g_assert_cmpint (interval, <, 60 * SECOND / 110 * 150 / 100);
      n_equal += interval == 60 * SECOND / 110;
    }
  g_assert_cmpuint (n_equal, <, 3);
}

static void
test_strolls_with_pauses (void)
{
  g_autoptr (Log) log = log_new (3, MORNING);
  guint n_pauses = 0;
  guint steps;

  chip_model_stroll (log->model);
  chip_model_run (log->model, 30 * MINUTE);
  for (guint i = 1; i < log->step_times->len; i++)
    {
      gint64 interval = g_array_index (log->step_times, gint64, i) -
                        g_array_index (log->step_times, gint64, i - 1);

      n_pauses += interval > 3 * SECOND;
      g_assert_cmpint (interval, <, 20 * SECOND);
    }
  steps = log->n_events[CHIP_MODEL_STEPPED];
  g_assert_cmpuint (n_pauses, >, 10);
  g_assert_cmpuint (steps, >, 30 * 70);
  g_assert_cmpuint (steps, <, 30 * 115);
  g_assert_cmpuint (log->n_events[CHIP_MODEL_SLEPT], ==, 0);
}

static void
test_same_seed_same_walk (void)
{
  g_autoptr (Log) one = log_new (7, MORNING);
  g_autoptr (Log) same = log_new (7, MORNING);
  g_autoptr (Log) other = log_new (8, MORNING);
  Log *logs[] = { one, same, other };

  for (gsize i = 0; i < G_N_ELEMENTS (logs); i++)
    chip_model_stroll (logs[i]->model);
  chip_model_run (one->model, 10 * MINUTE);
  /* However often it is asked. */
  for (gint64 t = 0; t <= 10 * MINUTE; t += 37 * 1000)
    chip_model_run (same->model, t);
  chip_model_run (same->model, 10 * MINUTE);
  chip_model_run (other->model, 10 * MINUTE);

  g_assert_cmpmem (one->step_times->data, one->step_times->len * sizeof (gint64),
                   same->step_times->data, same->step_times->len * sizeof (gint64));
  g_assert_cmpint (g_array_index (one->step_times, gint64, 5), !=,
                   g_array_index (other->step_times, gint64, 5));
}

static void
test_next_event_is_when_it_happens (void)
{
  g_autoptr (Log) log = log_new (4, MORNING);

  chip_model_walk (log->model, 100);
  for (guint i = 1; i <= 500; i++)
    {
      gint64 next = chip_model_get_next (log->model);
      guint before = log->n_events[CHIP_MODEL_STEPPED];

      g_assert_cmpint (next, >, chip_model_get_time (log->model));
      chip_model_run (log->model, next - 1);
      g_assert_cmpuint (log->n_events[CHIP_MODEL_STEPPED], ==, before);
      chip_model_run (log->model, next);
      g_assert_cmpint (chip_model_get_time (log->model), ==, next);
    }
  g_assert_cmpuint (log->n_events[CHIP_MODEL_STEPPED], >, 400);
}

static void
test_single_steps (void)
{
  g_autoptr (Log) log = log_new (5, MORNING);

  chip_model_step (log->model, 12);
  g_assert_cmpuint (log->n_events[CHIP_MODEL_STEPPED], ==, 12);
  chip_model_step (log->model, 0);
  g_assert_cmpuint (chip_model_get_steps_walked (log->model), ==, 12);
  chip_model_set_counter (log->model, G_MAXUINT32);
  chip_model_step (log->model, 3);
  g_assert_cmpuint (chip_model_get_counters (log->model)->steps, ==, 2);
  g_assert_cmpuint (chip_model_get_steps_walked (log->model), ==, 15);
}

static void
test_running_and_walking_add_up (void)
{
  g_autoptr (Log) log = log_new (6, MORNING);
  const ChipCounters *counters = chip_model_get_counters (log->model);

  chip_model_walk (log->model, 100);
  chip_model_run (log->model, MINUTE);
  g_assert_cmpuint (counters->running_steps, ==, 0);
  g_assert_cmpuint (counters->distance_mm / counters->steps, ==, 700);
  chip_model_walk (log->model, 170);
  chip_model_run (log->model, 2 * MINUTE);
  g_assert_cmpuint (counters->running_steps, >, 100);
  g_assert_cmpuint (counters->running_steps + counters->walking_steps, ==, counters->steps);
  g_assert_cmpuint (counters->energy_cal, >, 40 * counters->steps);
}

static void
test_midnight_resets (void)
{
  g_autoptr (Log) log = log_new (9, MORNING + 14 * HOUR - 30 * SECOND); /* 23:59:30 */
  guint before;

  chip_model_walk (log->model, 120);
  chip_model_run (log->model, 30 * SECOND - 1);
  before = chip_model_get_counters (log->model)->steps;
  g_assert_cmpuint (before, >, 50);
  g_assert_cmpuint (log->n_events[CHIP_MODEL_RESET], ==, 0);
  chip_model_run (log->model, 30 * SECOND);
  g_assert_cmpuint (log->n_events[CHIP_MODEL_RESET], ==, 1);
  g_assert_cmpuint (log->steps_at_reset, ==, 0);
  g_assert_cmpstr (chip_model_get_reset_reason (log->model), ==, "day");
  chip_model_run (log->model, MINUTE);
  g_assert_cmpuint (chip_model_get_steps_walked (log->model), ==,
                    before + chip_model_get_counters (log->model)->steps);
  chip_model_run (log->model, 3 * DAY);
  g_assert_cmpuint (log->n_events[CHIP_MODEL_RESET], ==, 3);

  chip_model_set_midnight_reset (log->model, FALSE);
  chip_model_run (log->model, 4 * DAY);
  g_assert_cmpuint (log->n_events[CHIP_MODEL_RESET], ==, 3);
}

static void
test_clock_can_be_set (void)
{
  g_autoptr (Log) log = log_new (10, MORNING);

  chip_model_step (log->model, 5);
  chip_model_set_clock (log->model, MORNING + 14 * HOUR - SECOND);
  g_assert_cmpuint (chip_model_get_counters (log->model)->steps, ==, 5);
  chip_model_run (log->model, SECOND);
  g_assert_cmpuint (log->n_events[CHIP_MODEL_RESET], ==, 1);
  g_assert_cmpint (chip_model_get_clock (log->model), ==, MORNING + 14 * HOUR);
}

static void
test_sleeps_when_idle (void)
{
  g_autoptr (Log) log = log_new (11, MORNING);

  chip_model_run (log->model, 60 * SECOND - 1);
  g_assert_false (chip_model_is_asleep (log->model));
  chip_model_run (log->model, 60 * SECOND);
  g_assert_true (chip_model_is_asleep (log->model));
  g_assert_cmpuint (log->n_events[CHIP_MODEL_SLEPT], ==, 1);

  chip_model_shake (log->model);
  g_assert_false (chip_model_is_asleep (log->model));
  g_assert_cmpuint (log->n_events[CHIP_MODEL_WOKE], ==, 1);
  g_assert_cmpuint (chip_model_get_steps_walked (log->model), ==, 0);
  chip_model_run (log->model, 121 * SECOND);
  g_assert_true (chip_model_is_asleep (log->model));
  chip_model_step (log->model, 1);
  g_assert_false (chip_model_is_asleep (log->model));
}

static void
test_connected_or_walking_does_not_sleep (void)
{
  g_autoptr (Log) log = log_new (12, MORNING);

  chip_model_set_connected (log->model, TRUE);
  chip_model_run (log->model, HOUR);
  g_assert_false (chip_model_is_asleep (log->model));
  chip_model_set_connected (log->model, FALSE);
  chip_model_run (log->model, HOUR + 59 * SECOND);
  g_assert_false (chip_model_is_asleep (log->model));
  chip_model_walk (log->model, 100);
  chip_model_run (log->model, 2 * HOUR);
  g_assert_false (chip_model_is_asleep (log->model));
  chip_model_walk (log->model, 0);
  chip_model_run (log->model, 2 * HOUR + 61 * SECOND);
  g_assert_true (chip_model_is_asleep (log->model));

  chip_model_set_idle_timeout (log->model, 0);
  chip_model_shake (log->model);
  chip_model_run (log->model, DAY);
  g_assert_false (chip_model_is_asleep (log->model));
}

static void
test_sleeps_when_told (void)
{
  g_autoptr (Log) log = log_new (13, MORNING);

  chip_model_walk (log->model, 100);
  chip_model_set_connected (log->model, TRUE);
  chip_model_sleep (log->model);
  g_assert_true (chip_model_is_asleep (log->model));
  chip_model_run (log->model, HOUR);
  g_assert_cmpuint (chip_model_get_steps_walked (log->model), ==, 0);
  chip_model_stroll (log->model);
  g_assert_false (chip_model_is_asleep (log->model));
  g_assert_cmpuint (log->n_events[CHIP_MODEL_WOKE], ==, 1);
}

static void
test_battery_drains (void)
{
  g_autoptr (Log) log = log_new (14, MORNING);
  guint n_events;

  chip_model_set_battery (log->model, 100);
  g_assert_cmpuint (chip_model_get_battery (log->model), ==, 100);
  chip_model_set_connected (log->model, TRUE);
  chip_model_run (log->model, 2 * DAY);
  g_assert_cmpuint (chip_model_get_battery (log->model), <, 100);
  g_assert_cmpuint (chip_model_get_battery (log->model), >, 80);

  chip_model_set_battery (log->model, 2);
  n_events = log->n_events[CHIP_MODEL_BATTERY];
  chip_model_run (log->model, 7 * DAY);
  g_assert_cmpuint (chip_model_get_battery (log->model), ==, 1);
  g_assert_cmpuint (log->n_events[CHIP_MODEL_BATTERY], ==, n_events + 1);

  chip_model_set_battery (log->model, 0);
  chip_model_run (log->model, 8 * DAY);
  g_assert_cmpuint (chip_model_get_battery (log->model), ==, 0);
}

static void
test_orientation (void)
{
  g_autoptr (Log) log = log_new (15, MORNING);
  guint16 x[2], y[2];

  chip_model_walk (log->model, 100);
  chip_model_get_orientation (log->model, &x[0], &y[0]);
  chip_model_get_orientation (log->model, &x[1], &y[1]);
  g_assert_true (x[0] != x[1] || y[0] != y[1]);
  chip_model_tilt (log->model, 65535, 0);
  for (int i = 0; i < 20; i++)
    {
      chip_model_shake (log->model);
      chip_model_get_orientation (log->model, &x[0], &y[0]);
      g_assert_cmpuint (x[0], ==, 65535);
      g_assert_cmpuint (y[0], ==, 0);
    }
}

static void
test_remembers_minutes (void)
{
  g_autoptr (Log) log = log_new (16, MORNING + 30 * SECOND);
  const ChipMinute *minutes;
  gsize n;
  gint64 first;
  guint sum = 0;

  chip_model_get_minutes_since (log->model, 0, &n, &first);
  g_assert_cmpuint (n, ==, 0);
  chip_model_walk (log->model, 110);
  chip_model_run (log->model, 10 * MINUTE + 30 * SECOND);
  g_assert_cmpuint (chip_model_count_minutes (log->model), ==, 11);

  minutes = chip_model_get_minutes_since (log->model, 0, &n, &first);
  g_assert_cmpuint (n, ==, 11);
  g_assert_cmpint (first, ==, MORNING);
  for (gsize i = 0; i < n; i++)
    sum += minutes[i].steps;
  g_assert_cmpuint (sum, ==, chip_model_get_steps_walked (log->model));
  g_assert_cmpuint (minutes[5].steps, >, 100);
  g_assert_cmpuint (minutes[5].kind, ==, 1);
  g_assert_cmpuint (minutes[5].heart_rate, ==, 255);

  chip_model_get_minutes_since (log->model, MORNING + 8 * MINUTE, &n, &first);
  g_assert_cmpuint (n, ==, 3);
  g_assert_cmpint (first, ==, MORNING + 8 * MINUTE);
  chip_model_get_minutes_since (log->model, MORNING + 8 * MINUTE + 1, &n, &first);
  g_assert_cmpuint (n, ==, 2);
  g_assert_null (chip_model_get_minutes_since (log->model, MORNING + DAY, &n, &first));
  g_assert_cmpuint (n, ==, 0);

  chip_model_run (log->model, 9 * DAY);
  g_assert_cmpuint (chip_model_count_minutes (log->model), ==, 7 * 24 * 60);
  chip_model_get_minutes_since (log->model, 0, &n, &first);
  g_assert_cmpint (first + (gint64) n * MINUTE, <=, chip_model_get_clock (log->model));
  g_assert_cmpint (first + (gint64) (n + 1) * MINUTE, >, chip_model_get_clock (log->model));
  chip_model_delete_minutes (log->model);
  g_assert_cmpuint (chip_model_count_minutes (log->model), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/chip-model/walks-at-the-cadence", test_walks_at_the_cadence);
  g_test_add_func ("/chip-model/steps-are-those-of-a-person", test_steps_are_those_of_a_person);
  g_test_add_func ("/chip-model/strolls-with-pauses", test_strolls_with_pauses);
  g_test_add_func ("/chip-model/same-seed-same-walk", test_same_seed_same_walk);
  g_test_add_func ("/chip-model/next-event-is-when-it-happens", test_next_event_is_when_it_happens);
  g_test_add_func ("/chip-model/single-steps", test_single_steps);
  g_test_add_func ("/chip-model/running-and-walking-add-up", test_running_and_walking_add_up);
  g_test_add_func ("/chip-model/midnight-resets", test_midnight_resets);
  g_test_add_func ("/chip-model/clock-can-be-set", test_clock_can_be_set);
  g_test_add_func ("/chip-model/sleeps-when-idle", test_sleeps_when_idle);
  g_test_add_func ("/chip-model/connected-or-walking-does-not-sleep",
                   test_connected_or_walking_does_not_sleep);
  g_test_add_func ("/chip-model/sleeps-when-told", test_sleeps_when_told);
  g_test_add_func ("/chip-model/battery-drains", test_battery_drains);
  g_test_add_func ("/chip-model/orientation", test_orientation);
  g_test_add_func ("/chip-model/remembers-minutes", test_remembers_minutes);
  return g_test_run ();
}
