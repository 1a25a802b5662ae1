/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is recorded can be read again, with the same sums, after whatever happens. */
#include "test-history-fixture.h"

static void
test_samples_and_days (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GArray) days = NULL;
  const Core2HistoryDay *day;

  walk (fixture, 0, 0);
  walk (fixture, 10 * SECOND, 10);
  walk (fixture, 10 * SECOND, 15);
  walk (fixture, 60 * SECOND, 20);
  g_assert_true (core2_history_flush (fixture->history, NULL));
  /* The same minute again, and one that the file does not know yet. */
  walk (fixture, 5 * SECOND, 5);
  come_back (fixture, 14 * HOUR, 1400);
  assert_samples (fixture, "0+60 measured 25\n"
                           "60+60 measured 25\n"
                           "85+43115 estimated 1197\n"
                           "43200+7286 estimated 203\n");

  days = core2_history_get_days (fixture->chip, FRIDAY, SATURDAY, NULL);
  g_assert_cmpuint (days->len, ==, 2);
  day = &g_array_index (days, Core2HistoryDay, 0);
  g_assert_cmpint (day->day, ==, FRIDAY);
  g_assert_cmpuint (day->steps, ==, 25 + 25 + 1197);
  g_assert_cmpuint (day->estimated, ==, 1197);
  g_assert_cmpuint (sum_days (fixture), ==, fixture->state.total);
  g_assert_cmpuint (sum_samples (fixture), ==, fixture->state.total);
}

static void
test_resets_and_suspects (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GArray) days = NULL;
  const Core2HistoryDay *day;

  walk (fixture, 0, 0);
  walk (fixture, 10 * SECOND, 10);
  /* Nobody walks so: a later sample shows that it was no stray. */
  walk (fixture, 10 * SECOND, 50000);
  walk (fixture, 10 * SECOND, 10);
  /* A reset. */
  fixture->now.counter = 0;
  come_back (fixture, 10 * SECOND, 7);

  days = core2_history_get_days (fixture->chip, FRIDAY, FRIDAY, NULL);
  g_assert_cmpuint (days->len, ==, 1);
  day = &g_array_index (days, Core2HistoryDay, 0);
  g_assert_cmpuint (day->steps, ==, 27);
  g_assert_cmpuint (day->suspect, ==, 50000);
  g_assert_cmpuint (day->resets, ==, 1);
  assert_samples (fixture, "0+60 measured 27\n0+60 suspect 50000\n");
  g_assert_cmpuint (sum_samples (fixture), ==, fixture->state.total);
}

static void
test_selections (Fixture *fixture, gconstpointer data)
{
  g_autofree char *whole = NULL;
  g_autofree char *overlapping = NULL;

  walk (fixture, 0, 0);
  for (guint i = 0; i < 5; i++)
    walk (fixture, 60 * SECOND, 10);
  whole = read_samples (fixture, NOON_S + 120, NOON_S + 240, CORE2_HISTORY_WHOLE);
  g_assert_cmpstr (whole, ==, "120+60 measured 10\n180+60 measured 10\n");
  overlapping = read_samples (fixture, NOON_S + 130, NOON_S + 190, CORE2_HISTORY_OVERLAPPING);
  g_assert_cmpstr (overlapping, ==, "120+60 measured 10\n180+60 measured 10\n");
}

static void
test_restart (Fixture *fixture, gconstpointer data)
{
  Core2StepsState before;

  walk (fixture, 0, 0);
  walk (fixture, 60 * SECOND, 60);
  before = fixture->state;
  /* The chip's record is older than the history, as after a power cut. */
  close_history (fixture);
  core2_steps_init (&fixture->state);
  open_history (fixture);
  g_assert_cmpuint (fixture->state.total, ==, 60);
  g_assert_true (fixture->state.has_trusted);
  g_assert_cmpuint (fixture->state.trusted.counter, ==, before.trusted.counter);
  g_assert_cmpint (fixture->state.trusted.wall_us, ==, before.trusted.wall_us);
  walk (fixture, 60 * SECOND, 5);
  g_assert_cmpuint (sum_days (fixture), ==, 65);
}

/* --- the end at any moment ------------------------------------------------------------------------ */

static void
copy_file (const char *from, const char *to, const char *name)
{
  g_autofree char *source = g_build_filename (from, name, NULL);
  g_autofree char *target = g_build_filename (to, name, NULL);
  g_autofree char *content = NULL;
  gsize size;

  if (g_file_get_contents (source, &content, &size, NULL))
    g_assert_true (g_file_set_contents (target, content, (gssize) size, NULL));
}

/* What a killed process leaves are its files as they are. The record of the chip, which is written at each
 * sample, is as new as @fixture->state. */
static void
crash (Fixture *fixture)
{
  char *image = g_dir_make_tmp ("core2-history-XXXXXX", NULL);

  copy_file (fixture->directory, image, "history.db");
  copy_file (fixture->directory, image, "history.db-wal");
  close_history (fixture);
  remove_tree (fixture->directory);
  g_free (fixture->directory);
  g_free (fixture->path);
  fixture->directory = image;
  fixture->path = g_build_filename (image, "history.db", NULL);
  open_history (fixture);
}

static void
test_crash (Fixture *fixture, gconstpointer data)
{
  walk (fixture, 0, 0);
  walk (fixture, 10 * SECOND, 10);
  g_assert_true (core2_history_flush (fixture->history, NULL));
  walk (fixture, 20 * SECOND, 20);
  crash (fixture);
  g_assert_cmpuint (fixture->state.total, ==, 30);
  g_assert_cmpuint (sum_days (fixture), ==, 30);
  assert_samples (fixture, "0+60 measured 10\n10+21 estimated 20\n");
  crash (fixture);
  crash (fixture);
  g_assert_cmpuint (sum_days (fixture), ==, 30);
  g_assert_cmpuint (sum_samples (fixture), ==, 30);
}

/* The record that a crash leaves has eight days. */
static void
test_crash_after_many_days (Fixture *fixture, gconstpointer data)
{
  walk (fixture, 0, 0);
  for (guint i = 0; i < 7; i++)
    come_back (fixture, 24 * HOUR, 100);
  g_assert_true (core2_history_flush (fixture->history, NULL));
  come_back (fixture, 20 * 24 * HOUR, 2000);
  crash (fixture);
  g_assert_cmpuint (fixture->state.total, ==, 2700);
  g_assert_cmpuint (sum_days (fixture), ==, 2700);
  g_assert_cmpuint (sum_samples (fixture), ==, 2700);
}

/* Somebody sets the clock back, and days that left the record come to it once more. */
static void
test_crash_in_days_that_come_again (Fixture *fixture, gconstpointer data)
{
  walk (fixture, 0, 0);
  for (guint i = 0; i < 8; i++)
    {
      fixture->now.wall_us += 24 * HOUR;
      walk (fixture, 60 * SECOND, 40);
    }
  g_assert_true (core2_history_flush (fixture->history, NULL));
  fixture->now.wall_us -= 8 * 24 * HOUR;
  for (guint i = 0; i < 3; i++)
    {
      walk (fixture, 60 * SECOND, 10);
      fixture->now.wall_us += 24 * HOUR;
    }
  crash (fixture);
  g_assert_cmpuint (fixture->state.total, ==, 350);
  g_assert_cmpuint (sum_days (fixture), ==, 350);
  g_assert_cmpuint (sum_samples (fixture), ==, 350);
}

/* Walks, absences of hours and days, flushes, restarts and kills in any order: days and samples have
 * the steps of the total, always. The seed is printed at the start; replay it with --seed. */
static void
test_random_lives (Fixture *fixture, gconstpointer data)
{
  static const char *const zones[] = { "UTC", "Europe/Madrid", "America/Havana", "Pacific/Apia" };
  guint64 walked = 0;

  walk (fixture, 0, 0);
  for (guint i = 0; i < 1500; i++)
    {
      guint32 steps = (guint32) g_test_rand_int_range (0, 50);
      gint64 away = g_test_rand_int_range (1, 60 * 60 * 60) * SECOND;

      switch (g_test_rand_int_range (0, 40))
        {
        case 0:
          crash (fixture);
          break;
        case 1:
          reopen_history (fixture);
          break;
        case 2:
          {
            g_autoptr (GTimeZone) zone
                = g_time_zone_new_identifier (zones[g_test_rand_int_range (0, 4)]);

            core2_calendar_clear (&fixture->calendar);
            core2_calendar_init (&fixture->calendar, zone,
                                 (guint) g_test_rand_int_range (0, 24 * 60));
          }
          break;
        case 3:
          g_assert_true (core2_history_flush (fixture->history, NULL));
          break;
        case 4:
          come_back (fixture, away, steps * 20);
          walked += steps * 20;
          break;
        case 5:
          /* Somebody sets the clock back. */
          fixture->now.wall_us -= g_test_rand_int_range (0, 60 * 60 * 48) * SECOND;
          break;
        default:
          walk (fixture, 60 * SECOND, steps);
          walked += steps;
          break;
        }
      if (i % 100 == 99)
        {
          g_assert_cmpuint (fixture->state.total, <=, walked);
          g_assert_cmpuint (sum_days (fixture), ==, fixture->state.total);
          g_assert_cmpuint (sum_samples (fixture), ==, fixture->state.total);
        }
    }
  g_assert_cmpuint (walked, >, 10000);
  g_assert_cmpstr (logged->str, ==, "");
}

/* --- reading while writing ------------------------------------------------------------------------ */

static void
test_reader_sees_one_moment (Fixture *fixture, gconstpointer data)
{
  g_autoptr (Core2HistoryReader) reader = NULL;
  Core2HistoryRow row;
  guint64 sum = 0;
  guint64 rows = 0;
  gboolean done = FALSE;

  walk (fixture, 0, 0);
  for (guint i = 0; i < 100; i++)
    walk (fixture, 60 * SECOND, 10);
  reader = core2_history_read (fixture->chip, 0, G_MAXINT32, CORE2_HISTORY_WHOLE, NULL);
  for (guint i = 0; i < 50; i++)
    {
      g_assert_true (core2_history_reader_next (reader, &row, NULL));
      sum += row.steps;
    }
  for (guint i = 0; i < 50; i++)
    walk (fixture, 60 * SECOND, 1);
  g_assert_true (core2_history_flush (fixture->history, NULL));
  while (!done)
    g_assert_true (core2_history_clear_slice (fixture->chip, G_MAXINT32, 0, &rows, &done, NULL));
  g_assert_cmpuint (rows, ==, 150);
  while (core2_history_reader_next (reader, &row, NULL))
    sum += row.steps;
  g_assert_cmpuint (sum, ==, 1000);
  assert_samples (fixture, "");
  g_assert_cmpuint (sum_days (fixture), ==, 1050);
}

/* --- chips that come and go ----------------------------------------------------------------------- */

static void
test_removed_chip_comes_again (Fixture *fixture, gconstpointer data)
{
  walk (fixture, 0, 0);
  walk (fixture, 60 * SECOND, 60);
  g_assert_true (core2_history_remove_chip (fixture->history, LEFT, FALSE, NULL));
  close_history (fixture);

  /* It counted a little before it was added again. */
  core2_steps_init (&fixture->state);
  fixture->now.counter = 5;
  {
    Core2StepsResult result;

    core2_steps_apply (&fixture->state, &fixture->calendar, &fixture->now, TRUE, &result);
    fixture->now.counter += 7;
    fixture->now.wall_us += 60 * SECOND;
    fixture->now.boot_us += 60 * SECOND;
    core2_steps_apply (&fixture->state, &fixture->calendar, &fixture->now, FALSE, &result);
  }
  open_history (fixture);
  g_assert_cmpuint (fixture->state.total, ==, 67);
  g_assert_cmpuint (core2_steps_get_today (&fixture->state), ==, 67);
  reopen_history (fixture);
  crash (fixture);
  g_assert_cmpuint (fixture->state.total, ==, 67);
  walk (fixture, 60 * SECOND, 3);
  g_assert_cmpuint (sum_days (fixture), ==, 70);
  g_assert_cmpuint (sum_samples (fixture), ==, 70);
}

static gint64
count_rows (const char *path)
{
  sqlite3 *db = NULL;
  sqlite3_stmt *statement = NULL;
  gint64 rows;

  g_assert_cmpint (sqlite3_open (path, &db), ==, SQLITE_OK);
  sqlite3_prepare_v2 (db, "SELECT (SELECT count(*) FROM samples) + (SELECT count(*) FROM days) "
                          "+ (SELECT count(*) FROM chips)", -1, &statement, NULL);
  g_assert_cmpint (sqlite3_step (statement), ==, SQLITE_ROW);
  rows = sqlite3_column_int64 (statement, 0);
  sqlite3_finalize (statement);
  sqlite3_close (db);
  return rows;
}

static void
test_deleted_chip_leaves_nothing (Fixture *fixture, gconstpointer data)
{
  walk (fixture, 0, 0);
  for (guint i = 0; i < 5000; i++)
    walk (fixture, 60 * SECOND, 1);
  g_assert_true (core2_history_remove_chip (fixture->history, LEFT, TRUE, NULL));
  g_clear_pointer (&fixture->chip, core2_history_close_chip);
  /* From the loop, a slice at a time; also when the daemon ended before. */
  core2_steps_init (&fixture->state);
  reopen_history (fixture);
  g_clear_pointer (&fixture->chip, core2_history_close_chip);
  while (count_rows (fixture->path) > 1)
    g_main_context_iteration (NULL, TRUE);
}

static void
test_old_samples_go (Fixture *fixture, gconstpointer data)
{
  gint64 now = g_get_real_time ();

  fixture->now.wall_us = now - 500 * 24 * HOUR;
  walk (fixture, 0, 0);
  for (guint i = 0; i < 3000; i++)
    walk (fixture, 60 * SECOND, 1);
  come_back (fixture, now - fixture->now.wall_us - HOUR, 10000);
  walk (fixture, 60 * SECOND, 10);
  g_assert_true (core2_history_flush (fixture->history, NULL));
  core2_history_set_retention (fixture->history, 400);
  /* An estimate is spread over the last days of an absence. */
  while (sum_samples (fixture) > 10010)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (sum_samples (fixture), ==, 10010);
  g_assert_cmpuint (sum_days (fixture), ==, 13010);
}

static void
test_goal_is_reached_once_a_day (Fixture *fixture, gconstpointer data)
{
  walk (fixture, 0, 0);
  g_assert_false (core2_history_reach_goal (fixture->chip, FRIDAY, 10));
  g_assert_true (core2_history_reach_goal (fixture->chip, FRIDAY, 20));
  g_assert_false (core2_history_reach_goal (fixture->chip, SATURDAY, 10));
  crash (fixture);
  g_assert_true (core2_history_reach_goal (fixture->chip, FRIDAY, 10));
  g_assert_true (core2_history_reach_goal (fixture->chip, SATURDAY, 10));
}

static void
refine (Fixture *fixture, const Core2HistoryRow *rows, guint n, guint64 expected)
{
  g_autoptr (GArray) minutes = g_array_new (FALSE, FALSE, sizeof (Core2HistoryRow));
  g_autoptr (GError) error = NULL;
  guint64 refined;

  g_array_append_vals (minutes, rows, n);
  core2_history_refine (fixture->chip, NOON_S, NOON_S + 24 * 60 * 60, minutes, &fixture->state,
                        &refined, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (refined, ==, expected);
  g_assert_cmpuint (sum_days (fixture), ==, fixture->state.total);
  g_assert_cmpuint (sum_samples (fixture), ==, fixture->state.total);
}

/* The estimate put most of it before midnight; in truth most was walked after it. */
static void
test_refining (Fixture *fixture, gconstpointer data)
{
  const Core2HistoryRow minutes[] = {
    { NOON_S + 600, 60, CORE2_HISTORY_FETCHED, 100 },
    { NOON_S + 46800, 60, CORE2_HISTORY_FETCHED, 120 },
    { NOON_S + 46860, 60, CORE2_HISTORY_FETCHED, 0 },
    { NOON_S + 90 * 60 * 60, 60, CORE2_HISTORY_FETCHED, 99 },
  };
  const Core2HistoryRow more = { NOON_S + 47000, 60, CORE2_HISTORY_FETCHED, 255 };
  Core2StepsState before;

  walk (fixture, 0, 0);
  come_back (fixture, 14 * HOUR, 280);
  g_assert_cmpuint (core2_steps_get_today (&fixture->state), ==, 40);
  before = fixture->state;
  refine (fixture, minutes, 4, 220);
  assert_samples (fixture, "0+43200 estimated 51\n"
                           "600+60 fetched 100\n"
                           "43200+7201 estimated 9\n"
                           "46800+60 fetched 120\n");
  g_assert_cmpuint (core2_steps_get_today (&fixture->state), ==, 129);
  /* More than there is left to give. */
  refine (fixture, &more, 1, 60);
  g_assert_cmpuint (fixture->state.total, ==, before.total);
  crash (fixture);
  g_assert_cmpuint (core2_steps_get_today (&fixture->state), ==, 180);
  g_assert_cmpuint (sum_days (fixture), ==, 280);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *path;
    void (*test) (Fixture *fixture, gconstpointer data);
  } tests[] = {
    { "/history/samples-and-days", test_samples_and_days },
    { "/history/resets-and-suspects", test_resets_and_suspects },
    { "/history/selections", test_selections },
    { "/history/restart", test_restart },
    { "/history/crash", test_crash },
    { "/history/crash-after-many-days", test_crash_after_many_days },
    { "/history/crash-in-days-that-come-again", test_crash_in_days_that_come_again },
    { "/history/random-lives", test_random_lives },
    { "/history/reader-sees-one-moment", test_reader_sees_one_moment },
    { "/history/removed-chip-comes-again", test_removed_chip_comes_again },
    { "/history/deleted-chip-leaves-nothing", test_deleted_chip_leaves_nothing },
    { "/history/old-samples-go", test_old_samples_go },
    { "/history/refining", test_refining },
    { "/history/goal-is-reached-once-a-day", test_goal_is_reached_once_a_day },
  };

  g_test_init (&argc, &argv, NULL);
  logged = g_string_new (NULL);
  g_log_set_writer_func (collect_log, NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].test, tear_down);
  return g_test_run ();
}
