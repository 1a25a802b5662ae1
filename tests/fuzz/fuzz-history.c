/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file of the history, damaged or made by somebody else. An input is one of
 *
 *   0  any bytes as the file
 *   1  a good file, some of whose bytes are others
 *   2  a good file whose last changes are in its write-ahead log, of which bytes are others
 *   3  rows with any values in good tables
 *
 * and then what core2d does with it. Whatever the file holds: it is read to an end or refused, counting goes
 * on from at least what the chip's own record knows, and what was written is there afterwards. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#include "core2-history.h"
#include "core2-record.h"

#include "fuzz-target.h"

#define CHIP "F1:4F:BB:6A:B5:79"
#define OTHER "F1:4F:BB:6A:B5:7A"
/* 2026-11-20 12:00:00 UTC. */
#define NOON_S G_GINT64_CONSTANT (1795176000)
#define NOON (NOON_S * G_USEC_PER_SEC)
#define MINUTE G_TIME_SPAN_MINUTE
/* What the chip's record knows. */
#define TOTAL 100
/* More rows than an input can describe, and fewer than a table of a damaged file that never ends. */
#define ROWS_MAX 1000000

typedef struct
{
  char *content;
  gsize size;
} Bytes;

/* Made once; never changed. */
typedef struct
{
  Bytes file;
  Bytes file_of_log;
  Bytes log;
} Samples;

typedef struct
{
  char *directory;
  char *path;
  char *log_path;
  char *bad_path; /* what a damaged file is renamed to */
  Core2Calendar calendar;
  Core2History *history;
  Core2HistoryChip *chip;
  Core2StepsState state;
  Core2StepsSample now;
} World;

/* --- the world ---------------------------------------------------------------------------------- */

/* What core2d would say; a critical message still ends the program. */
static GLogWriterOutput
write_no_log (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  if ((level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) != 0)
    return g_log_writer_default (level, fields, n_fields, NULL);
  return G_LOG_WRITER_HANDLED;
}

static void
world_init (World *self)
{
  const char *parent = g_file_test ("/dev/shm", G_FILE_TEST_IS_DIR) ? "/dev/shm" : g_get_tmp_dir ();
  g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();

  self->directory = g_build_filename (parent, "core2-fuzz-XXXXXX", NULL);
  g_assert_nonnull (g_mkdtemp (self->directory));
  self->path = g_build_filename (self->directory, "history.db", NULL);
  self->log_path = g_strconcat (self->path, "-wal", NULL);
  self->bad_path = g_strconcat (self->path, ".bad", NULL);
  core2_calendar_init (&self->calendar, utc, 0);
  core2_steps_init (&self->state);
  self->state.total = TOTAL;
  self->state.has_trusted = TRUE;
  self->state.day = 20261120;
  self->state.days[0] = (Core2StepsDay){ 20261120, TOTAL };
  self->now = (Core2StepsSample){ 1000, NOON, NOON, 1 };
  self->state.trusted = self->now;
}

static void
world_open (World *self)
{
  self->history = core2_history_new (self->directory, &self->calendar, 36500, NULL, NULL);
  self->chip = core2_history_open_chip (self->history, CHIP, &self->state);
}

static void
world_close (World *self)
{
  g_clear_pointer (&self->chip, core2_history_close_chip);
  g_clear_pointer (&self->history, core2_history_free);
}

static void
world_clear (World *self)
{
  g_autoptr (GDir) dir = g_dir_open (self->directory, 0, NULL);
  const char *name;

  world_close (self);
  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (self->directory, name, NULL);

      g_assert_cmpint (g_unlink (path), ==, 0);
    }
  g_assert_cmpint (g_rmdir (self->directory), ==, 0);
  core2_calendar_clear (&self->calendar);
  g_free (self->directory);
  g_free (self->path);
  g_free (self->log_path);
  g_free (self->bad_path);
}

static void
walk (World *self, gint64 after_us, guint32 steps)
{
  Core2StepsResult result;

  self->now.counter += steps;
  self->now.wall_us += after_us;
  self->now.boot_us += after_us;
  core2_steps_apply (&self->state, &self->calendar, &self->now, FALSE, &result);
  core2_history_add (self->chip, &result, &self->state, 0);
}

static void
write_bytes (const char *path, const void *content, gsize size)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (write (fd, content, size), ==, (gssize) size);
  close (fd);
}

static Bytes
read_bytes (const char *path)
{
  Bytes bytes;
  g_autoptr (GError) error = NULL;

  g_file_get_contents (path, &bytes.content, &bytes.size, &error);
  g_assert_no_error (error);
  return bytes;
}

/* --- good files --------------------------------------------------------------------------------- */

static void
fill (World *self)
{
  for (guint i = 0; i < 60; i++)
    walk (self, MINUTE, 20 + i % 7);
  g_assert_true (core2_history_flush (self->history, NULL));
}

static const Samples *
get_samples (void)
{
  static Samples samples;
  World world = { .chip = NULL };

  if (samples.file.content != NULL)
    return &samples;
  world_init (&world);
  world_open (&world);
  fill (&world);
  world_close (&world);
  samples.file = read_bytes (world.path);
  world_open (&world);
  fill (&world);
  samples.file_of_log = read_bytes (world.path);
  samples.log = read_bytes (world.log_path);
  world_clear (&world);
  g_assert_cmpuint (samples.log.size, >, 4096);
  return &samples;
}

/* --- bad files ---------------------------------------------------------------------------------- */

static void
write_changed (FuzzReader *reader, const Bytes *good, const char *path)
{
  g_autofree char *content = g_memdup2 (good->content, good->size);
  gsize size = good->size;
  gsize cut = fuzz_reader_get_number (reader, 2);

  while (reader->size > 0)
    {
      gsize at = fuzz_reader_get_number (reader, 2) % size;

      content[at] = (char) fuzz_reader_get_byte (reader);
    }
  /* Mostly all of it. */
  write_bytes (path, content, cut == 0 || cut > size ? size : cut);
}

static void
run_sql (sqlite3 *db, const char *sql, const gint64 *values, guint n, const char *text)
{
  sqlite3_stmt *statement = NULL;

  g_assert_cmpint (sqlite3_prepare_v2 (db, sql, -1, &statement, NULL), ==, SQLITE_OK);
  for (guint i = 0; i < n; i++)
    sqlite3_bind_int64 (statement, (int) i + 1, values[i]);
  if (text != NULL)
    sqlite3_bind_text (statement, (int) n + 1, text, -1, SQLITE_STATIC);
  /* Some have no place in the tables, such as a key that is there already. */
  sqlite3_step (statement);
  sqlite3_finalize (statement);
}

/* A small number as often as any. */
static gint64
get_value (FuzzReader *reader)
{
  guint8 size = fuzz_reader_get_byte (reader);
  gint64 value = (gint64) fuzz_reader_get_number (reader, size % 9);

  return size & 0x80 ? NOON_S + (gint8) value : value;
}

/* The state of a chip's counting with any numbers, and a checksum that is right. */
static char *
make_state (FuzzReader *reader)
{
  Core2StepsState state;

  core2_steps_init (&state);
  state.total = (guint64) get_value (reader);
  state.has_trusted = fuzz_reader_get_byte (reader) & 1;
  state.trusted.counter = (guint32) get_value (reader);
  state.trusted.wall_us = get_value (reader);
  state.trusted.boot_us = get_value (reader);
  state.has_candidate = fuzz_reader_get_byte (reader) & 1;
  state.candidate.counter = (guint32) get_value (reader);
  state.candidate.wall_us = get_value (reader);
  state.pairing = fuzz_reader_get_byte (reader);
  state.midnight = fuzz_reader_get_byte (reader) % 5;
  for (guint i = 0; i < 3; i++)
    {
      const Core2Day days[] = { 0, 20261119, 20261120, 20261121, 10101, 99991231, 20260230 };

      state.days[i].day = days[fuzz_reader_get_byte (reader) % G_N_ELEMENTS (days)];
      state.days[i].steps = (guint32) get_value (reader);
    }
  return core2_steps_state_to_text (&state);
}

/* Text that is not a state, or one whose checksum alone is right. */
static char *
make_text (FuzzReader *reader)
{
  gsize size = MIN (reader->size, fuzz_reader_get_byte (reader));
  g_autofree char *body = g_strndup ((const char *) reader->data, MIN (size, reader->size));
  g_autofree char *checksum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, body, -1);

  size = MIN (size, reader->size);
  reader->data += size;
  reader->size -= size;
  return size % 2 == 0 ? g_strdup (body)
                       : g_strconcat (body, "[Check]\nSha256=", checksum, "\n", NULL);
}

static void
put_chip (sqlite3 *db, FuzzReader *reader, guint8 what)
{
  static const char *const addresses[] = { "'" CHIP "'", "'" OTHER "'", "NULL", "''" };
  g_autofree char *state = what & 8 ? make_text (reader) : make_state (reader);
  g_autofree char *sql
      = g_strdup_printf ("INSERT OR REPLACE INTO chips VALUES (?1, %s, ?2, ?3, ?4)",
                         addresses[what / 16 % G_N_ELEMENTS (addresses)]);
  const gint64 values[] = { fuzz_reader_get_byte (reader) % 4, what & 4, get_value (reader) };

  run_sql (db, sql, values, G_N_ELEMENTS (values), state);
}

static void
put_rows (FuzzReader *reader, const char *path)
{
  sqlite3 *db = NULL;

  g_assert_cmpint (sqlite3_open (path, &db), ==, SQLITE_OK);
  sqlite3_exec (db, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN", NULL, NULL, NULL);
  while (reader->size > 0)
    {
      guint8 what = fuzz_reader_get_byte (reader);
      gint64 values[8];

      if (what % 4 == 0)
        {
          put_chip (db, reader, what);
          continue;
        }
      values[0] = fuzz_reader_get_byte (reader) % 4;
      for (guint i = 1; i < G_N_ELEMENTS (values); i++)
        values[i] = what % 4 == 1 || i < 5 ? get_value (reader) : 0;
      if (what % 4 == 1)
        run_sql (db, "INSERT OR REPLACE INTO days VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", values,
                 8, NULL);
      else
        run_sql (db, "INSERT OR REPLACE INTO samples VALUES (?1, ?2, ?3, ?4, ?5)", values, 5, NULL);
    }
  g_assert_cmpint (sqlite3_exec (db, "COMMIT", NULL, NULL, NULL), ==, SQLITE_OK);
  sqlite3_close (db);
}

static void
make_bad_file (World *self, FuzzReader *reader)
{
  const Samples *samples = get_samples ();

  switch (fuzz_reader_get_byte (reader) % 4)
    {
    case 0:
      write_bytes (self->path, reader->data, reader->size);
      break;
    case 1:
      write_changed (reader, &samples->file, self->path);
      break;
    case 2:
      write_bytes (self->path, samples->file_of_log.content, samples->file_of_log.size);
      write_changed (reader, &samples->log, self->log_path);
      break;
    default:
      write_bytes (self->path, samples->file.content, samples->file.size);
      put_rows (reader, self->path);
      break;
    }
}

/* --- what core2d does ---------------------------------------------------------------------------- */

/* Reading ends, with an error or without, and what it gives is in order. */
static void
read_everything (World *self)
{
  g_autoptr (GArray) days = core2_history_get_days (self->chip, 0, G_MAXINT32, NULL);
  g_autoptr (Core2HistoryReader) reader = core2_history_read (
      self->chip, 0, G_MAXINT64 / 2, CORE2_HISTORY_OVERLAPPING, NULL);
  Core2HistoryRow row;
  guint n_rows = 0;

  for (guint i = 0; days != NULL && i + 1 < days->len; i++)
    g_assert_cmpint (g_array_index (days, Core2HistoryDay, i).day, <=,
                     g_array_index (days, Core2HistoryDay, i + 1).day);
  while (reader != NULL && core2_history_reader_next (reader, &row, NULL))
    {
      g_assert_nonnull (core2_history_kind_to_string (row.kind));
      g_assert_cmpuint (n_rows++, <, ROWS_MAX);
    }
}

static void
change_everything (World *self)
{
  g_autoptr (GArray) minutes = g_array_new (FALSE, FALSE, sizeof (Core2HistoryRow));
  Core2HistoryRow minute = { NOON_S, 60, CORE2_HISTORY_FETCHED, 30 };
  guint64 rows = 0;
  guint64 refined = 0;
  gboolean done = FALSE;

  core2_history_reach_goal (self->chip, 20261120, 50);
  g_array_append_val (minutes, minute);
  core2_history_refine (self->chip, NOON_S - 86400, NOON_S + 86400, minutes, &self->state, &refined,
                        NULL);
  for (guint i = 0; !done && core2_history_clear_slice (self->chip, NOON_S, 20261101, &rows, &done,
                                                        NULL); i++)
    g_assert_cmpuint (i, <, ROWS_MAX);
  core2_history_remove_chip (self->history, OTHER, TRUE, NULL);
}

/* The sources that were made run: what is deleted is removed. */
static void
run_loop (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

/* A total that is as high as numbers go cannot rise. */
static void
go_on (World *self)
{
  guint64 before = self->state.total;
  gboolean flushed;

  g_assert_cmpuint (before, >=, TOTAL);
  walk (self, MINUTE, 5);
  walk (self, MINUTE, 5);
  run_loop ();
  flushed = core2_history_flush (self->history, NULL);
  g_assert_true (flushed == (*core2_history_get_error (self->history) == '\0'));
  before = self->state.total;
  world_close (self);
  if (!flushed || before > G_MAXUINT64 - TOTAL)
    return;
  /* The record of the chip was lost: the file knows, unless damage that had not shown yet is found now. */
  g_unlink (self->bad_path);
  core2_steps_init (&self->state);
  world_open (self);
  if (!g_file_test (self->bad_path, G_FILE_TEST_EXISTS))
    g_assert_cmpuint (self->state.total, ==, before);
  g_assert_true (core2_history_flush (self->history, NULL));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static gboolean quiet;
  FuzzReader reader = { data, size };
  World world = { .chip = NULL };

  if (!quiet)
    g_log_set_writer_func (write_no_log, NULL, NULL);
  quiet = TRUE;
  world_init (&world);
  make_bad_file (&world, &reader);
  world_open (&world);
  read_everything (&world);
  change_everything (&world);
  go_on (&world);
  world_clear (&world);
  return 0;
}
