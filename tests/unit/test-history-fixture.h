/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A history in a folder of its own, a chip in it that walks, and what the log said. */
#pragma once

#include <sqlite3.h>
#include <string.h>

#include "core2-history.h"
#include "test-folder.h"

#define LEFT "F1:4F:BB:6A:B5:79"
#define RIGHT "F1:4F:BB:6A:B5:7A"
#define SECOND G_TIME_SPAN_SECOND
#define MINUTE G_TIME_SPAN_MINUTE
#define HOUR G_TIME_SPAN_HOUR
/* 2026-11-20 12:00:00 UTC, a Friday. */
#define NOON_S G_GINT64_CONSTANT (1795176000)
#define NOON (NOON_S * G_TIME_SPAN_SECOND)
#define FRIDAY 20261120
#define SATURDAY 20261121
#define FOREVER 36500

typedef struct
{
  char *directory;
  char *path; /* of history.db */
  Core2Calendar calendar;
  Core2History *history;
  Core2HistoryChip *chip;
  Core2StepsState state;
  Core2StepsSample now;
  guint error_changes;
} Fixture;

static GString *logged; /* GLib's writer function belongs to the process */

static inline GLogWriterOutput
collect_log (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  if ((level & G_LOG_LEVEL_MASK) != G_LOG_LEVEL_MESSAGE)
    return g_log_writer_default (level, fields, n_fields, NULL);
  for (gsize i = 0; i < n_fields; i++)
    if (strcmp (fields[i].key, "MESSAGE") == 0)
      g_string_append_printf (logged, "%s\n", (const char *) fields[i].value);
  return G_LOG_WRITER_HANDLED;
}

static inline void
on_error_changed (gpointer user_data)
{
  ((Fixture *) user_data)->error_changes++;
}

static inline void
open_history (Fixture *fixture)
{
  fixture->history = core2_history_new (fixture->directory, &fixture->calendar, FOREVER,
                                        on_error_changed, fixture);
  fixture->chip = core2_history_open_chip (fixture->history, LEFT, &fixture->state);
}

static inline void
close_history (Fixture *fixture)
{
  g_clear_pointer (&fixture->chip, core2_history_close_chip);
  g_clear_pointer (&fixture->history, core2_history_free);
}

static inline void
reopen_history (Fixture *fixture)
{
  close_history (fixture);
  open_history (fixture);
}

static inline void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();

  g_string_truncate (logged, 0);
  fixture->directory = g_dir_make_tmp ("core2-history-XXXXXX", NULL);
  fixture->path = g_build_filename (fixture->directory, "history.db", NULL);
  core2_calendar_init (&fixture->calendar, utc, 0);
  core2_steps_init (&fixture->state);
  fixture->now = (Core2StepsSample){ 1000, NOON, 1000 * SECOND, 0x1234 };
  open_history (fixture);
}

static inline void
tear_down (Fixture *fixture, gconstpointer data)
{
  close_history (fixture);
  core2_calendar_clear (&fixture->calendar);
  remove_tree (fixture->directory);
  g_free (fixture->directory);
  g_free (fixture->path);
}

/* A sample @after_us later with @steps more on the counter; @first after an absence. */
static inline void
walk_as (Fixture *fixture, gint64 after_us, guint32 steps, gboolean first)
{
  Core2StepsResult result;

  fixture->now.counter += steps;
  fixture->now.wall_us += after_us;
  fixture->now.boot_us += after_us;
  core2_steps_apply (&fixture->state, &fixture->calendar, &fixture->now, first, &result);
  core2_history_add (fixture->chip, &result, &fixture->state, 0);
}

static inline void
walk (Fixture *fixture, gint64 after_us, guint32 steps)
{
  walk_as (fixture, after_us, steps, FALSE);
}

static inline void
come_back (Fixture *fixture, gint64 after_us, guint32 steps)
{
  walk_as (fixture, after_us, steps, TRUE);
}

/* The sum of all days, which are in order. */
static inline guint64
sum_days (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) days = core2_history_get_days (fixture->chip, 0, G_MAXINT32, &error);
  guint64 sum = 0;

  g_assert_no_error (error);
  for (guint i = 0; i < days->len; i++)
    {
      sum += g_array_index (days, Core2HistoryDay, i).steps;
      if (i > 0)
        g_assert_cmpint (g_array_index (days, Core2HistoryDay, i - 1).day, <,
                         g_array_index (days, Core2HistoryDay, i).day);
    }
  return sum;
}

/* The samples as one line each: "time+seconds kind steps", the time in seconds from NOON_S. */
static inline char *
read_samples (Fixture *fixture, gint64 since, gint64 until, Core2HistorySelection selection)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Core2HistoryReader) reader
      = core2_history_read (fixture->chip, since, until, selection, &error);
  GString *text = g_string_new (NULL);
  Core2HistoryRow row;

  g_assert_no_error (error);
  while (core2_history_reader_next (reader, &row, &error))
    g_string_append_printf (text, "%" G_GINT64_FORMAT "+%u %s %u\n", row.time - NOON_S,
                            row.seconds, core2_history_kind_to_string (row.kind), row.steps);
  g_assert_no_error (error);
  return g_string_free (text, FALSE);
}

static inline void
assert_samples (Fixture *fixture, const char *expected)
{
  g_autofree char *found
      = read_samples (fixture, 0, G_MAXINT32, CORE2_HISTORY_WHOLE);

  g_assert_cmpstr (found, ==, expected);
}

/* The counted steps of all samples. */
static inline guint64
sum_samples (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Core2HistoryReader) reader = core2_history_read (
      fixture->chip, 0, G_MAXINT64 / 2, CORE2_HISTORY_OVERLAPPING, &error);
  Core2HistoryRow row;
  guint64 sum = 0;

  g_assert_no_error (error);
  while (core2_history_reader_next (reader, &row, &error))
    if (row.kind != CORE2_HISTORY_SUSPECT)
      sum += row.steps;
  g_assert_no_error (error);
  return sum;
}

/* Changes the file with SQL as another program would. */
static inline void
run_sql (const char *path, const char *sql)
{
  sqlite3 *db = NULL;
  char *message = NULL;

  g_assert_cmpint (sqlite3_open (path, &db), ==, SQLITE_OK);
  if (sqlite3_exec (db, sql, NULL, NULL, &message) != SQLITE_OK)
    g_error ("%s: %s", sql, message);
  sqlite3_close (db);
}
