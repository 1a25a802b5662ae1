/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Better knowledge of when estimated steps were made: rows are replaced, sums stay. */
#include "core2-history-private.h"

#include "core2-error.h"

typedef struct
{
  Core2HistoryChip *chip;
  HistoryDatabase *database;
  gint64 id;
  GArray *estimates; /* Core2HistoryRow */
  guint64 budget;    /* their steps */
  Core2StepsState state;
} Refining;

static int
find_id (Refining *self)
{
  sqlite3_stmt *statement = history_database_get (self->database, STATEMENT_FIND_CHIP);

  sqlite3_bind_text (statement, 1, self->chip->address, -1, SQLITE_STATIC);
  if (sqlite3_step (statement) == SQLITE_ROW)
    self->id = sqlite3_column_int64 (statement, 2);
  return sqlite3_reset (statement);
}

static int
find_estimates (Refining *self, gint64 from, gint64 until)
{
  sqlite3_stmt *statement = history_database_get (self->database, STATEMENT_FIND_ESTIMATES);

  sqlite3_bind_int64 (statement, 1, self->id);
  sqlite3_bind_int64 (statement, 2, from);
  sqlite3_bind_int64 (statement, 3, until);
  sqlite3_bind_int64 (statement, 4, CORE2_HISTORY_ESTIMATED);
  while (sqlite3_step (statement) == SQLITE_ROW)
    {
      Core2HistoryRow row = {
        .time = sqlite3_column_int64 (statement, 0),
        .seconds = (guint32) sqlite3_column_int64 (statement, 1),
        .kind = CORE2_HISTORY_ESTIMATED,
        .steps = (guint32) sqlite3_column_int64 (statement, 2),
      };
      g_array_append_val (self->estimates, row);
      self->budget += row.steps;
    }
  return sqlite3_reset (statement);
}

/* Changes the sum of the day in which @row begins, in the file and in the state that is published. */
static int
change_day (Refining *self, const Core2HistoryRow *row, gint64 steps)
{
  Core2Day day = core2_calendar_get_day (self->chip->history->calendar,
                                         row->time * G_USEC_PER_SEC);
  sqlite3_stmt *statement = history_database_get (self->database, STATEMENT_CHANGE_DAY);

  core2_steps_change_day (&self->state, day, steps);
  sqlite3_bind_int64 (statement, 1, self->id);
  sqlite3_bind_int64 (statement, 2, day);
  sqlite3_bind_int64 (statement, 3, steps);
  sqlite3_bind_int64 (statement, 4, row->kind == CORE2_HISTORY_ESTIMATED ? steps : 0);
  sqlite3_step (statement);
  return sqlite3_reset (statement);
}

static int
remove_estimates (Refining *self)
{
  sqlite3_stmt *statement = history_database_get (self->database, STATEMENT_REMOVE_SAMPLE);
  int code = SQLITE_OK;

  for (guint i = 0; i < self->estimates->len && code == SQLITE_OK; i++)
    {
      const Core2HistoryRow *row = &g_array_index (self->estimates, Core2HistoryRow, i);

      sqlite3_bind_int64 (statement, 1, self->id);
      sqlite3_bind_int64 (statement, 2, row->time);
      sqlite3_bind_int64 (statement, 3, row->kind);
      sqlite3_step (statement);
      code = sqlite3_reset (statement);
      if (code == SQLITE_OK)
        code = change_day (self, row, -(gint64) row->steps);
    }
  return code;
}

static int
add_row (Refining *self, const Core2HistoryRow *row)
{
  int code = row->steps > 0 ? history_put_sample (self->database, self->id, row) : SQLITE_OK;

  return code == SQLITE_OK && row->steps > 0 ? change_day (self, row, row->steps) : code;
}

/* Minutes take from the budget until it is used up: the counter says how many steps there were, the
 * minutes only when. */
static int
add_minutes (Refining *self, const GArray *minutes, gint64 from, gint64 until, guint64 *used)
{
  int code = SQLITE_OK;

  for (guint i = 0; i < minutes->len && code == SQLITE_OK; i++)
    {
      Core2HistoryRow row = g_array_index (minutes, Core2HistoryRow, i);

      if (row.time < from || row.time + row.seconds > until)
        continue;
      row.steps = (guint32) MIN (row.steps, self->budget - *used);
      *used += row.steps;
      code = add_row (self, &row);
    }
  return code;
}

/* What no minute has stays estimated, in the proportion of before. */
static int
add_rest (Refining *self, guint64 rest)
{
  guint64 before = 0;
  guint64 done = 0;
  int code = SQLITE_OK;

  for (guint i = 0; i < self->estimates->len && code == SQLITE_OK; i++)
    {
      Core2HistoryRow row = g_array_index (self->estimates, Core2HistoryRow, i);
      guint64 until;

      before += row.steps;
      until = rest * before / self->budget;
      row.steps = (guint32) (until - done);
      done = until;
      code = add_row (self, &row);
    }
  return code;
}

static int
refine (Refining *self, const GArray *minutes, gint64 from, gint64 until, guint64 *used)
{
  int code = find_id (self);

  if (code == SQLITE_OK)
    code = find_estimates (self, from, until);
  if (code != SQLITE_OK || self->budget == 0)
    return code;
  code = remove_estimates (self);
  if (code == SQLITE_OK)
    code = add_minutes (self, minutes, from, until, used);
  if (code == SQLITE_OK)
    code = add_rest (self, self->budget - *used);
  if (code == SQLITE_OK)
    code = history_put_chip (self->database, self->chip->address, &self->state, &self->id);
  return code;
}

gboolean
core2_history_refine (Core2HistoryChip *chip, gint64 from, gint64 until, const GArray *minutes,
                      Core2StepsState *state, guint64 *refined, GError **error)
{
  Refining self = { .chip = chip, .state = *state };
  int code;

  *refined = 0;
  if (!core2_history_flush (chip->history, error))
    return FALSE;
  self.database = history_get_database (chip->history, error);
  if (self.database == NULL)
    return FALSE;
  self.estimates = g_array_new (FALSE, FALSE, sizeof (Core2HistoryRow));
  code = history_database_run (self.database, STATEMENT_BEGIN);
  if (code == SQLITE_OK)
    code = refine (&self, minutes, from, until, refined);
  if (code == SQLITE_OK)
    code = history_database_run (self.database, STATEMENT_COMMIT);
  g_array_unref (self.estimates);
  if (code == SQLITE_OK)
    {
      *state = chip->state = self.state;
      return TRUE;
    }
  if (!sqlite3_get_autocommit (self.database->db))
    history_database_run (self.database, STATEMENT_ROLLBACK);
  *refined = 0;
  history_failed (chip->history, code, "write", error);
  return FALSE;
}
