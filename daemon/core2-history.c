/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is not written yet, and writing it. */
#include "core2-history-private.h"

#include <stdlib.h>
#include <string.h>

#include "core2-error.h"
#include "core2-record.h"

/* How far back in the queue a sample of the same minute is looked for. */
#define MERGE_DEPTH 64
/* Pages in the write-ahead log that make a checkpoint worth its fsync. */
#define CHECKPOINT_PAGES 500
#define FLUSH_PAUSE_US G_USEC_PER_SEC
#define MINUTE_S 60

const char *
core2_history_kind_to_string (Core2HistoryKind kind)
{
  static const char *const names[CORE2_HISTORY_KINDS] = {
    [CORE2_HISTORY_MEASURED] = "measured",
    [CORE2_HISTORY_ESTIMATED] = "estimated",
    [CORE2_HISTORY_SUSPECT] = "suspect",
    [CORE2_HISTORY_FETCHED] = "fetched",
  };
  return names[kind];
}

/* --- errors --------------------------------------------------------------------------------------- */

static void
set_error_text (Core2History *self, char *text)
{
  if (strcmp (self->error, text) == 0)
    {
      g_free (text);
      return;
    }
  if (*text == '\0')
    core2_log_notice (NULL, HISTORY_TOPIC, "%s is written again", self->path);
  g_free (self->error);
  self->error = text;
  if (self->error_changed != NULL)
    self->error_changed (self->user_data);
}

static void
report (Core2History *self, const char *what, const char *reason)
{
  char *text = g_strdup_printf ("cannot %s %s: %s", what, self->path, reason);

  core2_log_write_limited (self->log_limit, "history", CORE2_LOG_WARNING,
                           CORE2_LOG_FIELDS (.topic = HISTORY_TOPIC,
                                             .error = core2_error_get_name (CORE2_ERROR_STORAGE),
                                             .message_id = CORE2_LOG_ID_STORAGE_FAILED),
                           "%s; %u samples wait in memory", text, self->queue->len);
  set_error_text (self, text);
}

const char *
core2_history_get_error (const Core2History *self)
{
  return self->error;
}

/* --- opening -------------------------------------------------------------------------------------- */

/* A new file has nothing: what is known of all chips goes into it. */
static void
restore_all (Core2History *self)
{
  for (guint i = 0; i < self->chips->len; i++)
    {
      Core2HistoryChip *chip = g_ptr_array_index (self->chips, i);

      /* What waits to be added is in the state's days, too, but no older days are. */
      for (guint d = 0; d < CORE2_STEPS_DAYS_KEPT; d++)
        if (chip->state.days[d].day != 0)
          history_chip_get_day (chip, chip->state.days[d].day)->steps = chip->state.days[d].steps;
      chip->dirty = TRUE;
    }
}

static void
open_file (Core2History *self)
{
  g_autofree char *reason = NULL;
  HistoryOpenResult result = history_database_open (&self->database, self->path, &reason);

  if (result == HISTORY_OPEN_DAMAGED)
    {
      history_database_set_aside (self->path, reason);
      g_clear_pointer (&reason, g_free);
      result = history_database_open (&self->database, self->path, &reason);
      if (result == HISTORY_OPEN_OK)
        restore_all (self);
    }
  self->read_only = result == HISTORY_OPEN_NEWER;
  if (result != HISTORY_OPEN_OK)
    report (self, "use", reason);
}

HistoryDatabase *
history_get_database (Core2History *self, GError **error)
{
  if (self->database.db == NULL && !self->read_only)
    open_file (self);
  if (self->database.db != NULL)
    return &self->database;
  g_set_error_literal (error, CORE2_ERROR, CORE2_ERROR_STORAGE, self->error);
  return NULL;
}

void
history_failed (Core2History *self, int code, const char *what, GError **error)
{
  g_autofree char *reason = g_strdup (sqlite3_errstr (code));

  g_set_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE, "cannot %s %s: %s", what, self->path,
               reason);
  if (!history_is_damage (code))
    {
      report (self, what, reason);
      return;
    }
  history_database_close (&self->database);
  history_database_set_aside (self->path, reason);
  open_file (self);
  restore_all (self);
}

/* --- the queue ------------------------------------------------------------------------------------ */

static gboolean
on_flush (gpointer user_data)
{
  Core2History *self = user_data;

  self->flush_timer = 0;
  core2_history_flush (self, NULL);
  return G_SOURCE_REMOVE;
}

static void
schedule_flush (Core2History *self)
{
  gint64 since = g_get_monotonic_time () - self->flushed;

  if (self->n_added >= CORE2_HISTORY_BATCH && *self->error == '\0' && since >= FLUSH_PAUSE_US)
    core2_history_flush (self, NULL);
  else if (self->flush_timer == 0 && !self->read_only)
    self->flush_timer = g_timeout_add_seconds (CORE2_HISTORY_FLUSH_S, on_flush, self);
}

/* The oldest ones make room. Their steps stay in the days. */
static void
bound_queue (Core2History *self)
{
  if (self->queue->len < CORE2_HISTORY_QUEUE_MAX)
    return;
  for (guint i = 0; i < CORE2_HISTORY_QUEUE_MAX / 10; i++)
    self->dropped += g_array_index (self->queue, PendingSample, i).sample.steps;
  g_array_remove_range (self->queue, 0, CORE2_HISTORY_QUEUE_MAX / 10);
  core2_log_write_limited (self->log_limit, "history-dropped", CORE2_LOG_WARNING,
                           CORE2_LOG_FIELDS (.topic = HISTORY_TOPIC,
                                             .error = core2_error_get_name (CORE2_ERROR_STORAGE),
                                             .message_id = CORE2_LOG_ID_STORAGE_FAILED),
                           "no room in memory: the times of %" G_GUINT64_FORMAT
                           " steps are lost, their days are kept",
                           self->dropped);
}

static void
queue_sample (Core2HistoryChip *self, Core2HistoryRow sample)
{
  GArray *queue = self->history->queue;
  PendingSample pending = { self, sample };

  if (sample.steps == 0)
    return;
  for (guint i = queue->len; i > 0 && i + MERGE_DEPTH > queue->len; i--)
    {
      PendingSample *other = &g_array_index (queue, PendingSample, i - 1);

      if (other->chip == self && other->sample.time == sample.time
          && other->sample.kind == sample.kind)
        {
          other->sample.steps += sample.steps;
          other->sample.seconds = MAX (other->sample.seconds, sample.seconds);
          return;
        }
    }
  bound_queue (self->history);
  g_array_append_val (queue, pending);
}

Core2HistoryDay *
history_chip_get_day (Core2HistoryChip *self, Core2Day day)
{
  Core2HistoryDay entry = { .day = day };

  for (guint i = 0; i < self->days->len; i++)
    if (g_array_index (self->days, Core2HistoryDay, i).day == day)
      return &g_array_index (self->days, Core2HistoryDay, i);
  g_array_append_val (self->days, entry);
  return &g_array_index (self->days, Core2HistoryDay, self->days->len - 1);
}

static gint64
to_seconds (gint64 us)
{
  return us / G_USEC_PER_SEC;
}

/* The minute in which something happened that is known to the minute. */
static Core2HistoryRow
make_minute (gint64 wall_us, Core2HistoryKind kind, guint32 steps)
{
  gint64 seconds = to_seconds (wall_us);

  return (Core2HistoryRow){ seconds - seconds % MINUTE_S, MINUTE_S, kind, steps };
}

void
history_chip_queue_estimate (Core2HistoryChip *self, gint64 from_us, gint64 until_us, guint32 steps)
{
  gint64 from = to_seconds (from_us);
  gint64 until = to_seconds (until_us) + 1;

  queue_sample (self, (Core2HistoryRow){ from, (guint32) CLAMP (until - from, 1, HISTORY_LONGEST_S),
                                         CORE2_HISTORY_ESTIMATED, steps });
}

/* The part of a result that belongs to one day. Its end is that of the day, or of the result. */
static void
queue_split (Core2HistoryChip *self, const Core2StepsResult *result, const Core2StepsDay *split,
             gint64 *end_us)
{
  gint64 last_us = MAX (*end_us - 1, 0);
  gint64 start_us;
  gint64 next_us;
  gint64 from_us;

  core2_calendar_get_bounds (self->history->calendar, last_us, &start_us, &next_us);
  /* Days without a share of the steps are not among the splits. */
  while (core2_calendar_get_day (self->history->calendar, last_us) != split->day
         && start_us > result->from_us)
    {
      last_us = start_us - 1;
      core2_calendar_get_bounds (self->history->calendar, last_us, &start_us, &next_us);
    }
  from_us = MAX (start_us, result->from_us);
  if (result->estimated)
    history_chip_queue_estimate (self, from_us, last_us, split->steps);
  else
    queue_sample (self, make_minute (last_us, CORE2_HISTORY_MEASURED, split->steps));
  *end_us = start_us;
}

void
core2_history_add (Core2HistoryChip *self, const Core2StepsResult *result,
                   const Core2StepsState *state, guint32 goal)
{
  gint64 end_us = result->until_us + 1;
  Core2HistoryDay *day;

  for (guint i = result->n_splits; i > 0; i--)
    {
      const Core2StepsDay *split = &result->splits[i - 1];

      queue_split (self, result, split, &end_us);
      day = history_chip_get_day (self, split->day);
      day->steps += split->steps;
      day->estimated += result->estimated ? split->steps : 0;
      day->goal = goal;
    }
  if (result->suspect > 0 || result->reset != CORE2_STEPS_RESET_NONE)
    {
      queue_sample (self,
                    make_minute (result->until_us, CORE2_HISTORY_SUSPECT, result->suspect));
      day = history_chip_get_day (self, core2_calendar_get_day (self->history->calendar,
                                                                result->until_us));
      day->suspect += result->suspect;
      day->resets += result->reset != CORE2_STEPS_RESET_NONE;
      day->goal = goal;
    }
  self->history->n_added++;
  core2_history_set_state (self, state);
}

void
core2_history_set_state (Core2HistoryChip *self, const Core2StepsState *state)
{
  self->state = *state;
  self->dirty = TRUE;
  schedule_flush (self->history);
}

/* --- writing -------------------------------------------------------------------------------------- */

int
history_put_chip (HistoryDatabase *database, const char *address, const Core2StepsState *state,
                  gint64 *id)
{
  sqlite3_stmt *put = history_database_get (database, STATEMENT_PUT_CHIP);
  sqlite3_stmt *find = history_database_get (database, STATEMENT_FIND_ID);
  g_autofree char *text = core2_steps_state_to_text (state);
  int code;

  sqlite3_bind_text (put, 1, address, -1, SQLITE_STATIC);
  sqlite3_bind_int64 (put, 2, (gint64) MIN (state->total, G_MAXINT64));
  sqlite3_bind_text (put, 3, text, -1, SQLITE_STATIC);
  sqlite3_step (put);
  code = sqlite3_reset (put);
  if (code != SQLITE_OK)
    return code;
  sqlite3_bind_text (find, 1, address, -1, SQLITE_STATIC);
  if (sqlite3_step (find) == SQLITE_ROW)
    *id = sqlite3_column_int64 (find, 0);
  return sqlite3_reset (find);
}

static int
put_day (HistoryDatabase *database, gint64 id, const Core2HistoryDay *day)
{
  sqlite3_stmt *statement = history_database_get (database, STATEMENT_ADD_DAY);
  const gint64 values[] = { id,          day->day,     day->steps, day->estimated,
                            day->resets, day->suspect, day->goal,  day->reached };

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    sqlite3_bind_int64 (statement, (int) i + 1, values[i]);
  sqlite3_step (statement);
  return sqlite3_reset (statement);
}

int
history_put_sample (HistoryDatabase *database, gint64 id, const Core2HistoryRow *sample)
{
  sqlite3_stmt *statement = history_database_get (database, STATEMENT_ADD_SAMPLE);
  const gint64 values[] = { id, sample->time, sample->kind, sample->seconds, sample->steps };

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    sqlite3_bind_int64 (statement, (int) i + 1, values[i]);
  sqlite3_step (statement);
  return sqlite3_reset (statement);
}

static int
put_everything (Core2History *self)
{
  HistoryDatabase *database = &self->database;
  int code = SQLITE_OK;

  for (guint i = 0; i < self->chips->len && code == SQLITE_OK; i++)
    {
      Core2HistoryChip *chip = g_ptr_array_index (self->chips, i);
      gint64 id = 0;

      if (!chip->dirty)
        continue;
      code = history_put_chip (database, chip->address, &chip->state, &id);
      for (guint d = 0; d < chip->days->len && code == SQLITE_OK; d++)
        code = put_day (database, id, &g_array_index (chip->days, Core2HistoryDay, d));
      for (guint s = 0; s < self->queue->len && code == SQLITE_OK; s++)
        {
          const PendingSample *pending = &g_array_index (self->queue, PendingSample, s);
          if (pending->chip == chip)
            code = history_put_sample (database, id, &pending->sample);
        }
    }
  return code;
}

static void
forget_written (Core2History *self)
{
  for (guint i = 0; i < self->chips->len; i++)
    {
      Core2HistoryChip *chip = g_ptr_array_index (self->chips, i);

      chip->dirty = FALSE;
      g_array_set_size (chip->days, 0);
    }
  g_array_set_size (self->queue, 0);
  self->dropped = 0;
}

static gboolean
on_checkpoint (gpointer user_data)
{
  Core2History *self = user_data;

  self->checkpoint_source = 0;
  if (self->database.db != NULL)
    sqlite3_wal_checkpoint_v2 (self->database.db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
  return G_SOURCE_REMOVE;
}

/* SQLite tells how long the log is after each commit. */
static int
on_commit (void *user_data, sqlite3 *db, const char *name, int pages)
{
  Core2History *self = user_data;

  if (pages >= CHECKPOINT_PAGES && self->checkpoint_source == 0)
    self->checkpoint_source = g_idle_add (on_checkpoint, self);
  return SQLITE_OK;
}

static int
write_everything (Core2History *self)
{
  int code = history_database_run (&self->database, STATEMENT_BEGIN);

  if (code != SQLITE_OK)
    return code;
  code = put_everything (self);
  if (code == SQLITE_OK)
    code = history_database_run (&self->database, STATEMENT_COMMIT);
  if (code != SQLITE_OK && !sqlite3_get_autocommit (self->database.db))
    history_database_run (&self->database, STATEMENT_ROLLBACK);
  return code;
}

static gboolean
has_pending (const Core2History *self)
{
  for (guint i = 0; i < self->chips->len; i++)
    if (((const Core2HistoryChip *) g_ptr_array_index (self->chips, i))->dirty)
      return TRUE;
  return FALSE;
}

gboolean
core2_history_flush (Core2History *self, GError **error)
{
  gboolean retried = FALSE;
  int code;

  g_clear_handle_id (&self->flush_timer, g_source_remove);
  if (!has_pending (self) && *self->error == '\0')
    return TRUE;
  self->n_added = 0;
  self->flushed = g_get_monotonic_time ();
  for (;;)
    {
      if (history_get_database (self, error) == NULL)
        break;
      sqlite3_wal_hook (self->database.db, on_commit, self);
      code = write_everything (self);
      if (code == SQLITE_OK)
        {
          forget_written (self);
          set_error_text (self, g_strdup (""));
          return TRUE;
        }
      history_failed (self, code, "write", retried || !history_is_damage (code) ? error : NULL);
      if (retried || !history_is_damage (code))
        break;
      retried = TRUE;
    }
  if (!self->read_only)
    self->flush_timer = g_timeout_add_seconds (CORE2_HISTORY_FLUSH_S, on_flush, self);
  return FALSE;
}

/* --- life ----------------------------------------------------------------------------------------- */

Core2History *
core2_history_new (const char *directory, Core2Calendar *calendar, guint retention_days,
                   Core2HistoryErrorChanged error_changed, gpointer user_data)
{
  Core2History *self = g_new0 (Core2History, 1);

  self->path = g_build_filename (directory, HISTORY_FILE, NULL);
  self->calendar = calendar;
  self->retention_days = retention_days;
  self->error = g_strdup ("");
  self->log_limit = core2_log_limit_new ();
  self->chips = g_ptr_array_new ();
  self->queue = g_array_new (FALSE, FALSE, sizeof (PendingSample));
  open_file (self);
  self->error_changed = error_changed;
  self->user_data = user_data;
  history_purge_later (self);
  return self;
}

void
core2_history_free (Core2History *self)
{
  if (self == NULL)
    return;
  self->error_changed = NULL;
  g_clear_handle_id (&self->flush_timer, g_source_remove);
  g_clear_handle_id (&self->checkpoint_source, g_source_remove);
  g_clear_handle_id (&self->purge_source, g_source_remove);
  history_database_close (&self->database);
  core2_log_limit_free (self->log_limit);
  g_ptr_array_unref (self->chips);
  g_array_unref (self->queue);
  g_free (self->error);
  g_free (self->path);
  g_free (self);
}

void
core2_history_set_retention (Core2History *self, guint days)
{
  self->retention_days = days;
  history_purge_later (self);
}
