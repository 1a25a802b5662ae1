/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files that are damaged, foreign, newer or older, and disks without room: counting goes on. */
#include "test-history-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core2-error.h"

/* Two days and 300 samples. */
static void
fill (Fixture *fixture)
{
  walk (fixture, 0, 0);
  for (guint i = 0; i < 300; i++)
    walk (fixture, 60 * SECOND, 20);
  come_back (fixture, 24 * HOUR, 1000);
}

/* Whatever the file was: it goes on with the chip's record, and can be written. */
static void
assert_works (Fixture *fixture)
{
  guint64 total = fixture->state.total;
  guint64 before = sum_days (fixture);
  g_autoptr (GError) error = NULL;

  walk (fixture, 60 * SECOND, 5);
  core2_history_flush (fixture->history, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (core2_history_get_error (fixture->history), ==, "");
  g_assert_cmpuint (fixture->state.total, ==, total + 5);
  g_assert_cmpuint (sum_days (fixture), ==, before + 5);
  reopen_history (fixture);
  g_assert_cmpuint (fixture->state.total, ==, total + 5);
}

static gboolean
has_bad (Fixture *fixture)
{
  g_autofree char *bad = g_strconcat (fixture->path, ".bad", NULL);

  return g_file_test (bad, G_FILE_TEST_EXISTS) || g_file_test (bad, G_FILE_TEST_IS_SYMLINK);
}

/* Closes, lets @change do something to the file, and opens again with the chip's record of before. */
static void
with_changed_file (Fixture *fixture, void (*change) (Fixture *fixture))
{
  close_history (fixture);
  change (fixture);
  open_history (fixture);
}

/* --- bytes ------------------------------------------------------------------------------------------ */

static void
write_file (Fixture *fixture, const char *content, gsize size)
{
  g_assert_true (g_file_set_contents (fixture->path, content, (gssize) size, NULL));
}

static void
test_truncated (Fixture *fixture, gconstpointer data)
{
  g_autofree char *content = NULL;
  gsize size;
  Core2StepsState state;
  Core2StepsSample now;

  fill (fixture);
  close_history (fixture);
  state = fixture->state;
  now = fixture->now;
  g_assert_true (g_file_get_contents (fixture->path, &content, &size, NULL));
  for (gsize length = 0; length < size; length += 1783)
    {
      fixture->state = state;
      fixture->now = now;
      write_file (fixture, content, length);
      open_history (fixture);
      g_assert_cmpint (has_bad (fixture), ==, length > 0);
      g_assert_cmpuint (fixture->state.total, ==, state.total);
      g_assert_cmpuint (sum_days (fixture), ==, state.total);
      assert_works (fixture);
      close_history (fixture);
    }
  g_assert_nonnull (strstr (logged->str, "was renamed to"));
}

static void
test_flipped (Fixture *fixture, gconstpointer data)
{
  g_autofree char *content = NULL;
  gsize size;
  Core2StepsState state;
  Core2StepsSample now;
  guint n_bad = 0;

  fill (fixture);
  close_history (fixture);
  state = fixture->state;
  now = fixture->now;
  g_assert_true (g_file_get_contents (fixture->path, &content, &size, NULL));
  for (gsize at = 0; at < size; at += at < 110 ? 7 : 1499)
    {
      g_autofree char *bad = g_strconcat (fixture->path, ".bad", NULL);

      /* The version: the file is that of a newer core2d then. */
      if (at >= 60 && at < 64)
        continue;
      g_remove (bad);
      fixture->state = state;
      fixture->now = now;
      content[at] ^= 0x55;
      write_file (fixture, content, size);
      content[at] ^= 0x55;
      open_history (fixture);
      /* A byte in a number may change it unnoticed, but never what the chip's own record says. */
      g_assert_cmpuint (fixture->state.total, >=, state.total);
      assert_works (fixture);
      n_bad += has_bad (fixture);
      close_history (fixture);
    }
  g_assert_cmpuint (n_bad, >, 5);
}

static void
damage_schema (Fixture *fixture)
{
  run_sql (fixture->path, "DROP TABLE samples");
}

static void
be_another_program (Fixture *fixture)
{
  g_remove (fixture->path);
  run_sql (fixture->path, "CREATE TABLE t (a); PRAGMA user_version = 1");
}

static void
be_garbage (Fixture *fixture)
{
  g_autofree char *garbage = g_strnfill (70000, 'x');

  write_file (fixture, garbage, 70000);
}

static void
be_folder (Fixture *fixture)
{
  g_remove (fixture->path);
  g_assert_cmpint (g_mkdir (fixture->path, 0700), ==, 0);
}

static void
be_link (Fixture *fixture)
{
  g_autofree char *target = g_build_filename (fixture->directory, "elsewhere", NULL);

  g_assert_cmpint (g_rename (fixture->path, target), ==, 0);
  g_assert_cmpint (symlink (target, fixture->path), ==, 0);
}

static void
be_pipe (Fixture *fixture)
{
  g_remove (fixture->path);
  g_assert_cmpint (mkfifo (fixture->path, 0600), ==, 0);
}

static void
be_huge (Fixture *fixture)
{
  int fd;

  write_file (fixture, "x", 1);
  fd = open (fixture->path, O_WRONLY);
  g_assert_cmpint (ftruncate (fd, 1024 * 1024 * 1024), ==, 0);
  close (fd);
}

static void
test_unusable (Fixture *fixture, gconstpointer data)
{
  void (*const changes[]) (Fixture * fixture)
      = { damage_schema, be_another_program, be_garbage, be_folder, be_link, be_pipe, be_huge };
  guint64 total;

  fill (fixture);
  total = fixture->state.total;
  for (guint i = 0; i < G_N_ELEMENTS (changes); i++, total += 5)
    {
      g_autofree char *bad = g_strconcat (fixture->path, ".bad", NULL);

      with_changed_file (fixture, changes[i]);
      g_assert_true (has_bad (fixture));
      g_assert_cmpuint (fixture->state.total, ==, total);
      /* The days that the chip's record holds are there again. */
      g_assert_cmpuint (sum_days (fixture), ==, total);
      assert_works (fixture);
      remove_tree (bad);
    }
}

static void
open_for_all (Fixture *fixture)
{
  g_assert_cmpint (g_chmod (fixture->path, 0666), ==, 0);
}

static void
test_mode_is_corrected (Fixture *fixture, gconstpointer data)
{
  struct stat info;

  fill (fixture);
  with_changed_file (fixture, open_for_all);
  g_assert_cmpint (stat (fixture->path, &info), ==, 0);
  g_assert_cmpint (info.st_mode & 07777, ==, 0600);
  assert_works (fixture);
}

/* Damage that shows only while core2d runs. */
static void
test_damaged_while_open (Fixture *fixture, gconstpointer data)
{
  fill (fixture);
  reopen_history (fixture);
  damage_schema (fixture);
  walk (fixture, 60 * SECOND, 5);
  g_assert_true (core2_history_flush (fixture->history, NULL));
  g_assert_true (has_bad (fixture));
  g_assert_cmpuint (sum_days (fixture), ==, fixture->state.total);
  assert_works (fixture);
}

/* Somebody removed it while core2d runs: a reader has no file, and says so. */
static void
test_removed_while_open (Fixture *fixture, gconstpointer data)
{
  g_autoptr (Core2HistoryReader) reader = NULL;
  g_autoptr (GError) error = NULL;

  fill (fixture);
  g_assert_true (core2_history_flush (fixture->history, NULL));
  g_remove (fixture->path);
  reader = core2_history_read (fixture->chip, 0, G_MAXINT32, CORE2_HISTORY_WHOLE, &error);
  g_assert_null (reader);
  g_assert_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE);
  g_assert_nonnull (strstr (error->message, fixture->path));
}

/* --- versions --------------------------------------------------------------------------------------- */

static void
become_newer (Fixture *fixture)
{
  run_sql (fixture->path, "PRAGMA user_version = 99");
}

static void
test_newer_file_is_left_alone (Fixture *fixture, gconstpointer data)
{
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;
  gsize before_size;
  gsize after_size;
  g_autoptr (GError) error = NULL;

  fill (fixture);
  close_history (fixture);
  become_newer (fixture);
  g_assert_true (g_file_get_contents (fixture->path, &before, &before_size, NULL));
  open_history (fixture);
  walk (fixture, 60 * SECOND, 5);
  g_assert_false (core2_history_flush (fixture->history, &error));
  g_assert_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE);
  g_assert_nonnull (strstr (core2_history_get_error (fixture->history), "of a newer core2d"));
  g_assert_null (core2_history_get_days (fixture->chip, FRIDAY, FRIDAY, NULL));
  close_history (fixture);
  g_assert_false (has_bad (fixture));
  g_assert_true (g_file_get_contents (fixture->path, &after, &after_size, NULL));
  g_assert_cmpmem (before, before_size, after, after_size);
  open_history (fixture);
}

/* The tables of version 1, as they were first released, with a chip in them. */
static void
become_version_1 (Fixture *fixture)
{
  g_remove (fixture->path);
  run_sql (fixture->path,
           "CREATE TABLE chips (id INTEGER PRIMARY KEY, address TEXT UNIQUE, "
           "removed INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL, state TEXT NOT NULL) STRICT;"
           "CREATE TABLE days (chip INTEGER NOT NULL, day INTEGER NOT NULL, steps INTEGER NOT NULL, "
           "estimated INTEGER NOT NULL, resets INTEGER NOT NULL, suspect INTEGER NOT NULL, "
           "goal INTEGER NOT NULL, reached INTEGER NOT NULL, PRIMARY KEY (chip, day)) "
           "STRICT, WITHOUT ROWID;"
           "CREATE TABLE samples (chip INTEGER NOT NULL, time INTEGER NOT NULL, "
           "kind INTEGER NOT NULL, seconds INTEGER NOT NULL, steps INTEGER NOT NULL, "
           "PRIMARY KEY (chip, time, kind)) STRICT, WITHOUT ROWID;"
           "INSERT INTO chips VALUES (7, '" LEFT "', 0, 50, "
           "'[Steps]\nTotal=50\nDay=2026-11-20\nMidnight=0\nPairing=0\n\n"
           "[Steps.Trusted]\nCounter=1050\nWallTime=1795176060000000\nBootTime=1060000000\n"
           "Boot=4660\n\n[Steps.Days]\n2026-11-20=50\n"
           "[Check]\nSha256=66ec27f42f4271bc7f4d47d3eceb061b6a8c19ec6d08e2ceeab6fc34e123df7b\n');"
           "INSERT INTO days VALUES (7, 20261120, 50, 0, 0, 0, 40, 1);"
           "INSERT INTO samples VALUES (7, 1795176000, 0, 60, 50);"
           "PRAGMA application_id = 1131377253; PRAGMA user_version = 1");
}

static void
test_version_1 (Fixture *fixture, gconstpointer data)
{
  close_history (fixture);
  become_version_1 (fixture);
  open_history (fixture);
  g_assert_false (has_bad (fixture));
  g_assert_cmpuint (fixture->state.total, ==, 50);
  g_assert_cmpuint (fixture->state.trusted.counter, ==, 1050);
  assert_samples (fixture, "0+60 measured 50\n");
  g_assert_true (core2_history_reach_goal (fixture->chip, FRIDAY, 40));
  fixture->now.counter = 1050;
  fixture->now.wall_us += 60 * SECOND;
  fixture->now.boot_us += 60 * SECOND;
  assert_works (fixture);
  g_assert_cmpuint (sum_days (fixture), ==, 55);
}

/* --- no room ---------------------------------------------------------------------------------------- */

static void
set_file_size_limit (rlim_t bytes)
{
  struct rlimit limit;

  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  limit.rlim_cur = bytes;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
}

/* No file may grow any more, as on a full disk: what is recorded waits, and is written later. */
static void
test_no_room (Fixture *fixture, gconstpointer data)
{
  struct stat info;
  guint64 total;

  fill (fixture);
  reopen_history (fixture);
  g_assert_cmpint (stat (fixture->path, &info), ==, 0);
  fixture->error_changes = 0;
  set_file_size_limit (4096);
  for (guint i = 0; i < 500; i++)
    walk (fixture, 60 * SECOND, 20);
  g_assert_false (core2_history_flush (fixture->history, NULL));
  g_assert_nonnull (strstr (core2_history_get_error (fixture->history), fixture->path));
  g_assert_cmpuint (fixture->error_changes, ==, 1);
  g_assert_nonnull (strstr (logged->str, "samples wait in memory"));
  total = fixture->state.total;
  /* Nothing is missing meanwhile. */
  g_assert_cmpuint (sum_days (fixture), ==, total);
  g_assert_cmpuint (sum_samples (fixture), ==, total);

  set_file_size_limit (RLIM_INFINITY);
  g_assert_true (core2_history_flush (fixture->history, NULL));
  g_assert_cmpstr (core2_history_get_error (fixture->history), ==, "");
  g_assert_cmpuint (fixture->error_changes, ==, 2);
  g_assert_cmpuint (sum_samples (fixture), ==, total);
  reopen_history (fixture);
  g_assert_cmpuint (sum_days (fixture), ==, total);
  g_assert_false (has_bad (fixture));
}

/* For so long that memory would not hold it: days and totals are whole, the oldest times are lost. */
static void
test_no_room_for_weeks (Fixture *fixture, gconstpointer data)
{
  g_autofree char *message = NULL;
  guint64 total;
  guint64 lost;

  walk (fixture, 0, 0);
  set_file_size_limit (4096);
  g_assert_false (core2_history_flush (fixture->history, NULL));
  for (guint i = 0; i < CORE2_HISTORY_QUEUE_MAX + 10; i++)
    walk (fixture, 60 * SECOND, 2);
  set_file_size_limit (RLIM_INFINITY);
  g_assert_true (core2_history_flush (fixture->history, NULL));
  total = fixture->state.total;
  g_assert_cmpuint (total, ==, 2 * (CORE2_HISTORY_QUEUE_MAX + 10));
  g_assert_cmpuint (sum_days (fixture), ==, total);
  /* A minute at midnight may share its steps with the next. */
  lost = total - sum_samples (fixture);
  g_assert_cmpuint (lost, >=, 2 * (CORE2_HISTORY_QUEUE_MAX / 10));
  g_assert_cmpuint (lost, <=, 2 * (CORE2_HISTORY_QUEUE_MAX / 10) + 4);
  message = g_strdup_printf ("the times of %" G_GUINT64_FORMAT " steps are lost", lost);
  g_assert_nonnull (strstr (logged->str, message));
}

/* Another program writes for a while. */
static void
test_locked (Fixture *fixture, gconstpointer data)
{
  sqlite3 *db = NULL;

  walk (fixture, 0, 0);
  g_assert_true (core2_history_flush (fixture->history, NULL));
  g_assert_cmpint (sqlite3_open (fixture->path, &db), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_exec (db, "BEGIN IMMEDIATE", NULL, NULL, NULL), ==, SQLITE_OK);
  walk (fixture, 60 * SECOND, 5);
  g_assert_false (core2_history_flush (fixture->history, NULL));
  g_assert_cmpuint (sum_samples (fixture), ==, 5);
  g_assert_cmpint (sqlite3_exec (db, "COMMIT", NULL, NULL, NULL), ==, SQLITE_OK);
  sqlite3_close (db);
  assert_works (fixture);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *path;
    void (*test) (Fixture *fixture, gconstpointer data);
  } tests[] = {
    { "/history-damage/truncated", test_truncated },
    { "/history-damage/flipped", test_flipped },
    { "/history-damage/unusable", test_unusable },
    { "/history-damage/mode-is-corrected", test_mode_is_corrected },
    { "/history-damage/damaged-while-open", test_damaged_while_open },
    { "/history-damage/removed-while-open", test_removed_while_open },
    { "/history-damage/newer-file-is-left-alone", test_newer_file_is_left_alone },
    { "/history-damage/version-1", test_version_1 },
    { "/history-damage/no-room", test_no_room },
    { "/history-damage/no-room-for-weeks", test_no_room_for_weeks },
    { "/history-damage/locked", test_locked },
  };

  g_test_init (&argc, &argv, NULL);
  logged = g_string_new (NULL);
  g_log_set_writer_func (collect_log, NULL, NULL);
  signal (SIGXFSZ, SIG_IGN);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].test, tear_down);
  return g_test_run ();
}
