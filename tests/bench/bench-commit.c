/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What one batched commit of the history costs: 20 samples, of one chip or of twenty. The main loop waits for it.
 * Prints for each: the number of chips, then microseconds: mean, 99th percentile, worst. */
#include <glib/gstdio.h>
#include <stdlib.h>

#include "core2-history.h"

#define BATCHES_MAX 100000
#define CHIPS 20
#define NOON (G_GINT64_CONSTANT (1795176000) * G_TIME_SPAN_SECOND)

typedef struct
{
  Core2HistoryChip *history;
  Core2StepsState state;
  Core2StepsSample now;
} Walker;

static void
walk (Walker *walker, Core2Calendar *calendar)
{
  Core2StepsResult result;

  walker->now.counter += 20;
  walker->now.wall_us += 10 * G_TIME_SPAN_SECOND;
  walker->now.boot_us += 10 * G_TIME_SPAN_SECOND;
  core2_steps_apply (&walker->state, calendar, &walker->now, FALSE, &result);
  core2_history_add (walker->history, &result, &walker->state, 10000);
}

static int
compare (const void *a, const void *b)
{
  gint64 x = *(const gint64 *) a;
  gint64 y = *(const gint64 *) b;

  return (x > y) - (x < y);
}

static void
run (const char *directory, guint n_chips, guint n_batches)
{
  g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();
  Core2Calendar calendar;
  Core2History *history;
  Walker walkers[CHIPS] = { 0 };
  gint64 *times = g_new (gint64, n_batches);
  gint64 sum = 0;

  core2_calendar_init (&calendar, utc, 0);
  history = core2_history_new (directory, &calendar, 36500, NULL, NULL);
  for (guint i = 0; i < n_chips; i++)
    {
      g_autofree char *address = g_strdup_printf ("F1:4F:BB:6A:%02X:%02X", n_chips, i);

      walkers[i].now = (Core2StepsSample){ 0, NOON, G_TIME_SPAN_HOUR, 1 };
      walkers[i].history = core2_history_open_chip (history, address, &walkers[i].state);
    }
  for (guint batch = 0; batch < n_batches; batch++)
    {
      gint64 begin;

      for (guint i = 0; i < CORE2_HISTORY_BATCH - 1; i++)
        walk (&walkers[i % n_chips], &calendar);
      begin = g_get_monotonic_time ();
      walk (&walkers[n_chips - 1], &calendar);
      core2_history_flush (history, NULL);
      times[batch] = g_get_monotonic_time () - begin;
      sum += times[batch];
      /* A checkpoint now and then is part of it. */
      begin = g_get_monotonic_time ();
      while (g_main_context_iteration (NULL, FALSE))
        ;
      times[batch] = MAX (times[batch], g_get_monotonic_time () - begin);
    }
  qsort (times, n_batches, sizeof *times, compare);
  printf ("%u %" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT "\n", n_chips,
          sum / n_batches, times[n_batches * 99 / 100], times[n_batches - 1]);
  for (guint i = 0; i < n_chips; i++)
    core2_history_close_chip (walkers[i].history);
  core2_history_free (history);
  core2_calendar_clear (&calendar);
  g_free (times);
}

int
main (int argc, char **argv)
{
  guint64 n_batches;

  if (argc != 3 || !g_ascii_string_to_unsigned (argv[2], 10, 1, BATCHES_MAX, &n_batches, NULL))
    {
      g_printerr ("usage: bench-commit DIRECTORY BATCHES\n");
      return EXIT_FAILURE;
    }
  run (argv[1], 1, (guint) n_batches);
  run (argv[1], CHIPS, (guint) n_batches);
  return EXIT_SUCCESS;
}
