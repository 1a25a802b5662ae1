/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading samples little by little. A reader has a connection of its own, and in it a read transaction:
 * whatever is written or cleared meanwhile, it sees the moment of its beginning. */
#include "core2-history-private.h"

#include <string.h>

#include "core2-error.h"

struct Core2HistoryReader
{
  char *path;
  sqlite3 *db;
  sqlite3_stmt *statement;
  gboolean at_end; /* of the file */
  GArray *pending; /* Core2HistoryRow, comes after it */
  guint next;
};

static void
set_error (Core2HistoryReader *self, GError **error)
{
  g_set_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE, "cannot read %s: %s", self->path,
               self->db != NULL ? sqlite3_errmsg (self->db) : "out of memory");
}

void
core2_history_reader_free (Core2HistoryReader *self)
{
  if (self == NULL)
    return;
  sqlite3_finalize (self->statement);
  sqlite3_close (self->db);
  g_array_unref (self->pending);
  g_free (self->path);
  g_free (self);
}

static gboolean
is_selected (const Core2HistoryRow *sample, gint64 since, gint64 until,
             Core2HistorySelection selection)
{
  gint64 end = sample->time + sample->seconds;
  gint64 last = selection == CORE2_HISTORY_WHOLE ? end : sample->time + 1;

  return end > since && last <= until;
}

static gboolean
open_file (Core2HistoryReader *self, const char *address, gint64 since, gint64 until,
           Core2HistorySelection selection)
{
  static const char sql[]
      = "SELECT time, seconds, kind, steps FROM samples "
        "WHERE chip = (SELECT id FROM chips WHERE address = ?1) AND time > ?2 AND time < ?3 "
        "AND time + seconds > ?4 AND (?5 OR time + seconds <= ?3) ORDER BY time, kind";

  if (sqlite3_open_v2 (self->path, &self->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL)
          != SQLITE_OK
      || sqlite3_prepare_v2 (self->db, sql, -1, &self->statement, NULL) != SQLITE_OK)
    return FALSE;
  sqlite3_db_config (self->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
  sqlite3_bind_text (self->statement, 1, address, -1, SQLITE_TRANSIENT);
  sqlite3_bind_int64 (self->statement, 2, MAX (since, HISTORY_LONGEST_S) - HISTORY_LONGEST_S - 1);
  sqlite3_bind_int64 (self->statement, 3, until);
  sqlite3_bind_int64 (self->statement, 4, since);
  sqlite3_bind_int (self->statement, 5, selection == CORE2_HISTORY_OVERLAPPING);
  return TRUE;
}

Core2HistoryReader *
core2_history_read (Core2HistoryChip *chip, gint64 since, gint64 until,
                    Core2HistorySelection selection, GError **error)
{
  Core2History *history = chip->history;
  Core2HistoryReader *self;

  core2_history_flush (history, NULL);
  if (history_get_database (history, error) == NULL)
    return NULL;
  self = g_new0 (Core2HistoryReader, 1);
  self->path = g_strdup (history->path);
  self->pending = g_array_new (FALSE, FALSE, sizeof (Core2HistoryRow));
  for (guint i = 0; i < history->queue->len; i++)
    {
      const PendingSample *pending = &g_array_index (history->queue, PendingSample, i);
      if (pending->chip == chip && is_selected (&pending->sample, since, until, selection))
        g_array_append_val (self->pending, pending->sample);
    }
  /* The first statement that reads fixes the moment. */
  if (!open_file (self, chip->address, since, until, selection)
      || sqlite3_exec (self->db, "BEGIN; SELECT 1 FROM chips LIMIT 1", NULL, NULL, NULL)
             != SQLITE_OK)
    {
      set_error (self, error);
      core2_history_reader_free (self);
      return NULL;
    }
  return self;
}

gboolean
core2_history_reader_next (Core2HistoryReader *self, Core2HistoryRow *sample, GError **error)
{
  if (!self->at_end)
    {
      int code = sqlite3_step (self->statement);

      if (code == SQLITE_ROW)
        {
          sample->time = sqlite3_column_int64 (self->statement, 0);
          sample->seconds = (guint32) sqlite3_column_int64 (self->statement, 1);
          sample->kind = (Core2HistoryKind) CLAMP (sqlite3_column_int (self->statement, 2), 0,
                                                   CORE2_HISTORY_KINDS - 1);
          sample->steps = (guint32) sqlite3_column_int64 (self->statement, 3);
          return TRUE;
        }
      if (code != SQLITE_DONE)
        {
          set_error (self, error);
          return FALSE;
        }
      self->at_end = TRUE;
    }
  if (self->next >= self->pending->len)
    return FALSE;
  *sample = g_array_index (self->pending, Core2HistoryRow, self->next++);
  return TRUE;
}
