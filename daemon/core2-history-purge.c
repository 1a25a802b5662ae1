/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Removing samples: on request, by age, and those of deleted chips; always a slice at a time. */
#include "core2-history-private.h"

#include "core2-error.h"

#define DAY_S (24 * 60 * 60)
/* Between two slices, so that clients do not notice. */
#define SLICE_PAUSE_MS 20

static int
find_slice_end (HistoryDatabase *database, gint64 id, gint64 from, gint64 until, gint64 *end,
                gboolean *last)
{
  sqlite3_stmt *statement = history_database_get (database, STATEMENT_FIND_SLICE);

  sqlite3_bind_int64 (statement, 1, id);
  sqlite3_bind_int64 (statement, 2, from);
  sqlite3_bind_int64 (statement, 3, until);
  sqlite3_bind_int64 (statement, 4, HISTORY_SLICE);
  *last = sqlite3_step (statement) != SQLITE_ROW;
  *end = *last ? until : sqlite3_column_int64 (statement, 0);
  return sqlite3_reset (statement);
}

/* Removes a slice of the samples of chip @id that end at or before @before. */
static int
clear_samples (HistoryDatabase *database, gint64 id, gint64 before, guint64 *rows, gboolean *last)
{
  sqlite3_stmt *statement = history_database_get (database, STATEMENT_CLEAR_SAMPLES);
  gint64 end;
  int code = find_slice_end (database, id, G_MININT64, before, &end, last);

  if (code != SQLITE_OK)
    return code;
  sqlite3_bind_int64 (statement, 1, id);
  sqlite3_bind_int64 (statement, 2, G_MININT64);
  sqlite3_bind_int64 (statement, 3, end);
  sqlite3_bind_int64 (statement, 4, before);
  sqlite3_step (statement);
  code = sqlite3_reset (statement);
  if (code == SQLITE_OK)
    *rows += (guint64) sqlite3_changes64 (database->db);
  /* Samples that begin before the end and end after it stay: never a slice of them alone. */
  if (code == SQLITE_OK && sqlite3_changes64 (database->db) == 0)
    *last = TRUE;
  return code;
}

static int
clear_days (HistoryDatabase *database, gint64 id, Core2Day day, guint64 *rows)
{
  sqlite3_stmt *statement = history_database_get (database, STATEMENT_CLEAR_DAYS);
  int code;

  sqlite3_bind_int64 (statement, 1, id);
  sqlite3_bind_int64 (statement, 2, day);
  sqlite3_step (statement);
  code = sqlite3_reset (statement);
  if (code == SQLITE_OK)
    *rows += (guint64) sqlite3_changes64 (database->db);
  return code;
}

/* --- on request ----------------------------------------------------------------------------------- */

gboolean
core2_history_clear_slice (Core2HistoryChip *self, gint64 before, Core2Day day, guint64 *rows,
                           gboolean *done, GError **error)
{
  HistoryDatabase *database;
  sqlite3_stmt *statement;
  gint64 id = 0;
  int code;

  if (!core2_history_flush (self->history, error))
    return FALSE;
  database = history_get_database (self->history, error);
  if (database == NULL)
    return FALSE;
  statement = history_database_get (database, STATEMENT_FIND_CHIP);
  sqlite3_bind_text (statement, 1, self->address, -1, SQLITE_STATIC);
  if (sqlite3_step (statement) == SQLITE_ROW)
    id = sqlite3_column_int64 (statement, 2);
  code = sqlite3_reset (statement);
  if (code == SQLITE_OK)
    code = clear_samples (database, id, before, rows, done);
  if (code == SQLITE_OK && *done)
    code = clear_days (database, id, day, rows);
  if (code == SQLITE_OK)
    return TRUE;
  history_failed (self->history, code, "clear", error);
  return FALSE;
}

/* --- by itself ------------------------------------------------------------------------------------ */

/* The first row's number, 0 without one. */
static gint64
get_id (HistoryDatabase *database, HistoryStatement which, gint64 after)
{
  sqlite3_stmt *statement = history_database_get (database, which);
  gint64 id = 0;

  if (which == STATEMENT_LIST_CHIPS)
    sqlite3_bind_int64 (statement, 1, after);
  if (sqlite3_step (statement) == SQLITE_ROW)
    id = sqlite3_column_int64 (statement, 0);
  sqlite3_reset (statement);
  return id;
}

/* A slice of what deleted chips left. */
static int
purge_deleted (HistoryDatabase *database, gint64 id)
{
  sqlite3_stmt *statement = history_database_get (database, STATEMENT_DROP_CHIP);
  guint64 rows = 0;
  gboolean last = FALSE;
  int code = clear_samples (database, id, G_MAXINT64, &rows, &last);

  if (code == SQLITE_OK && last)
    code = clear_days (database, id, G_MAXINT32, &rows);
  if (code != SQLITE_OK || !last)
    return code;
  sqlite3_bind_int64 (statement, 1, id);
  sqlite3_step (statement);
  return sqlite3_reset (statement);
}

/* A slice of the samples of chip @id that are too old. */
static int
purge_old (Core2History *self, gint64 id)
{
  gint64 before = g_get_real_time () / G_USEC_PER_SEC - (gint64) self->retention_days * DAY_S;
  guint64 rows = 0;
  gboolean last = FALSE;
  int code = clear_samples (&self->database, id, before, &rows, &last);

  if (rows > 0)
    core2_log_debug (NULL, HISTORY_TOPIC, "removed %" G_GUINT64_FORMAT " samples of chip %"
                     G_GINT64_FORMAT " that are older than %u days", rows, id,
                     self->retention_days);
  if (last)
    self->purge_chip = id;
  return code;
}

static gboolean
on_next_day (gpointer user_data)
{
  Core2History *self = user_data;

  self->purge_source = 0;
  history_purge_later (self);
  return G_SOURCE_REMOVE;
}

static gboolean
on_purge (gpointer user_data)
{
  Core2History *self = user_data;
  gint64 deleted = 0;
  gint64 id = 0;
  int code = SQLITE_OK;

  if (self->database.db != NULL)
    {
      deleted = get_id (&self->database, STATEMENT_FIND_DELETED, 0);
      id = get_id (&self->database, STATEMENT_LIST_CHIPS, self->purge_chip);
    }
  if (deleted != 0)
    code = purge_deleted (&self->database, deleted);
  else if (id != 0)
    code = purge_old (self, id);
  if (code != SQLITE_OK)
    history_failed (self, code, "clear", NULL);
  if (code == SQLITE_OK && (deleted != 0 || id != 0))
    return G_SOURCE_CONTINUE;
  self->purge_source = g_timeout_add_seconds (DAY_S, on_next_day, self);
  return G_SOURCE_REMOVE;
}

void
history_purge_later (Core2History *self)
{
  g_clear_handle_id (&self->purge_source, g_source_remove);
  self->purge_chip = 0;
  self->purge_source = g_timeout_add (SLICE_PAUSE_MS, on_purge, self);
}
