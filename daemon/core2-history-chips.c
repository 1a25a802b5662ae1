/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chips in the history: what they bring along when they come, days, goals, and their end. */
#include "core2-history-private.h"

#include <string.h>

#include "core2-error.h"
#include "core2-record.h"

/* --- coming --------------------------------------------------------------------------------------- */

static gboolean
find_chip (Core2HistoryChip *self, gboolean *removed, Core2StepsState *state)
{
  HistoryDatabase *database = history_get_database (self->history, NULL);
  sqlite3_stmt *statement;
  gboolean found = FALSE;
  int code;

  if (database == NULL)
    return FALSE;
  statement = history_database_get (database, STATEMENT_FIND_CHIP);
  sqlite3_bind_text (statement, 1, self->address, -1, SQLITE_STATIC);
  if (sqlite3_step (statement) == SQLITE_ROW)
    {
      const char *text = (const char *) sqlite3_column_text (statement, 1);
      g_autofree char *reason = NULL;

      *removed = sqlite3_column_int (statement, 0) != 0;
      found = core2_steps_state_from_text (text, state, &reason);
      if (!found)
        core2_log_warning (self->address, HISTORY_TOPIC,
                           "the state of counting in %s cannot be used (%s): that of the chip's "
                           "own file counts",
                           self->history->path, reason);
    }
  code = sqlite3_reset (statement);
  if (code != SQLITE_OK)
    history_failed (self->history, code, "read", NULL);
  return found && code == SQLITE_OK;
}

/* Steps of @day in a state. */
static guint32
get_steps (const Core2StepsState *state, Core2Day day)
{
  for (guint i = 0; i < CORE2_STEPS_DAYS_KEPT; i++)
    if (state->days[i].day == day)
      return state->days[i].steps;
  return 0;
}

/* Steps of one day that the file lacks: made after what it has, and before the last sample. */
static void
add_missing_sample (Core2HistoryChip *self, const Core2StepsState *filed,
                    const Core2StepsState *state, Core2Day day, guint32 steps)
{
  gint64 from_us = filed->has_trusted ? filed->trusted.wall_us : 0;
  gint64 start_us;
  gint64 end_us;

  core2_calendar_get_day_bounds (self->history->calendar, day, &start_us, &end_us);
  from_us = CLAMP (from_us, start_us, end_us);
  history_chip_queue_estimate (self, from_us, CLAMP (state->trusted.wall_us, from_us, end_us),
                               steps);
}

static void
add_missing_day (Core2HistoryChip *self, const Core2StepsState *filed, const Core2StepsState *state,
                 Core2Day day, guint32 steps)
{
  Core2HistoryDay *entry = history_chip_get_day (self, day);

  entry->steps += steps;
  entry->estimated += steps;
  add_missing_sample (self, filed, state, day, steps);
}

/* The chip's record counted more than the file has: core2d was killed before it wrote, or could not. A record
 * has a few days only: steps of others, which an absence or another clock brings about, go to the oldest one. Unless
 * the file is new (@is_filed is FALSE): then they are of long ago. */
static void
add_missing (Core2HistoryChip *self, const Core2StepsState *filed, const Core2StepsState *state,
             gboolean is_filed)
{
  guint64 missing = state->total - filed->total;
  Core2Day oldest = 0;

  for (guint i = 0; i < CORE2_STEPS_DAYS_KEPT; i++)
    {
      const Core2StepsDay *day = &state->days[i];
      guint32 known = day->day != 0 ? get_steps (filed, day->day) : 0;
      /* A day with less than the file has was not in the record for a while, and began anew. */
      guint32 steps = day->steps >= known ? day->steps - known : day->steps;

      steps = (guint32) MIN (steps, missing);
      missing -= steps;
      if (day->day != 0 && (oldest == 0 || day->day < oldest))
        oldest = day->day;
      if (steps > 0)
        add_missing_day (self, filed, state, day->day, steps);
    }
  if (is_filed && missing > 0 && oldest != 0)
    add_missing_day (self, filed, state, oldest, (guint32) MIN (missing, G_MAXUINT32));
}

/* The chip was removed and comes again: its days go on. */
static void
merge_removed (Core2StepsState *state, const Core2StepsState *filed)
{
  Core2StepsState merged = *state;

  merged.total += MIN (filed->total, G_MAXUINT64 - merged.total);
  for (guint i = 0; i < CORE2_STEPS_DAYS_KEPT; i++)
    {
      guint32 more = merged.days[i].day != 0 ? get_steps (filed, merged.days[i].day) : 0;
      merged.days[i].steps += MIN (more, G_MAXUINT32 - merged.days[i].steps);
    }
  for (guint i = 0, free = 0; i < CORE2_STEPS_DAYS_KEPT; i++)
    {
      if (filed->days[i].day == 0 || get_steps (state, filed->days[i].day) > 0)
        continue;
      while (free < CORE2_STEPS_DAYS_KEPT && merged.days[free].day != 0
             && merged.days[free].day != filed->days[i].day)
        free++;
      if (free < CORE2_STEPS_DAYS_KEPT)
        merged.days[free] = filed->days[i];
    }
  *state = merged;
}

Core2HistoryChip *
core2_history_open_chip (Core2History *history, const char *address, Core2StepsState *state)
{
  Core2HistoryChip *self = g_new0 (Core2HistoryChip, 1);
  Core2StepsState filed;
  gboolean removed = FALSE;
  gboolean found;

  self->history = history;
  self->address = g_strdup (address);
  self->days = g_array_new (FALSE, FALSE, sizeof (Core2HistoryDay));
  g_ptr_array_add (history->chips, self);
  core2_steps_init (&filed);
  found = find_chip (self, &removed, &filed);
  if (!found)
    core2_steps_init (&filed);
  if (removed)
    {
      /* What the chip counted since it was seen, and before it was added, is not in the file. */
      Core2StepsState none;

      core2_steps_init (&none);
      add_missing (self, &none, state, FALSE);
      merge_removed (state, &filed);
      self->dirty = TRUE;
    }
  else if (filed.total > state->total)
    *state = filed;
  else if (state->total > filed.total)
    {
      add_missing (self, &filed, state, found);
      self->dirty = TRUE;
    }
  self->state = *state;
  if (removed && !core2_history_flush (history, NULL))
    core2_log_warning (address, HISTORY_TOPIC, "its old days are taken over later");
  else if (self->dirty)
    core2_history_set_state (self, state);
  return self;
}

void
core2_history_close_chip (Core2HistoryChip *self)
{
  Core2History *history;

  if (self == NULL)
    return;
  history = self->history;
  core2_history_flush (history, NULL);
  for (guint i = history->queue->len; i > 0; i--)
    if (g_array_index (history->queue, PendingSample, i - 1).chip == self)
      g_array_remove_index (history->queue, i - 1);
  g_ptr_array_remove (history->chips, self);
  g_array_unref (self->days);
  g_free (self->address);
  g_free (self);
}

/* --- days ----------------------------------------------------------------------------------------- */

static void
add_day (GArray *days, const Core2HistoryDay *more)
{
  guint at = 0;

  while (at < days->len && g_array_index (days, Core2HistoryDay, at).day < more->day)
    at++;
  if (at < days->len && g_array_index (days, Core2HistoryDay, at).day == more->day)
    {
      Core2HistoryDay *day = &g_array_index (days, Core2HistoryDay, at);

      day->steps += more->steps;
      day->estimated += more->estimated;
      day->resets += more->resets;
      day->suspect += more->suspect;
      day->goal = more->goal;
      day->reached = day->reached || more->reached;
    }
  else
    g_array_insert_val (days, at, *more);
}

GArray *
core2_history_get_days (Core2HistoryChip *self, Core2Day first, Core2Day last, GError **error)
{
  HistoryDatabase *database = history_get_database (self->history, error);
  GArray *days;
  sqlite3_stmt *statement;
  int code;

  if (database == NULL)
    return NULL;
  days = g_array_new (FALSE, FALSE, sizeof (Core2HistoryDay));
  statement = history_database_get (database, STATEMENT_GET_DAYS);
  sqlite3_bind_text (statement, 1, self->address, -1, SQLITE_STATIC);
  sqlite3_bind_int64 (statement, 2, first);
  sqlite3_bind_int64 (statement, 3, last);
  while (sqlite3_step (statement) == SQLITE_ROW)
    {
      Core2HistoryDay day = {
        .day = sqlite3_column_int (statement, 0),
        .steps = (guint32) sqlite3_column_int64 (statement, 1),
        .estimated = (guint32) sqlite3_column_int64 (statement, 2),
        .resets = (guint32) sqlite3_column_int64 (statement, 3),
        .suspect = (guint32) sqlite3_column_int64 (statement, 4),
        .goal = (guint32) sqlite3_column_int64 (statement, 5),
        .reached = sqlite3_column_int (statement, 6) != 0,
      };
      g_array_append_val (days, day);
    }
  code = sqlite3_reset (statement);
  if (code != SQLITE_OK)
    {
      history_failed (self->history, code, "read", error);
      g_array_unref (days);
      return NULL;
    }
  for (guint i = 0; i < self->days->len; i++)
    {
      const Core2HistoryDay *more = &g_array_index (self->days, Core2HistoryDay, i);
      if (more->day >= first && more->day <= last)
        add_day (days, more);
    }
  return days;
}

gboolean
core2_history_reach_goal (Core2HistoryChip *self, Core2Day day, guint32 goal)
{
  g_autoptr (GArray) days = core2_history_get_days (self, day, day, NULL);
  Core2HistoryDay *entry;

  if (days != NULL && days->len > 0 && g_array_index (days, Core2HistoryDay, 0).reached)
    return TRUE;
  entry = history_chip_get_day (self, day);
  entry->goal = goal;
  entry->reached = TRUE;
  self->dirty = TRUE;
  core2_history_flush (self->history, NULL);
  return FALSE;
}

/* --- going ---------------------------------------------------------------------------------------- */

gboolean
core2_history_remove_chip (Core2History *self, const char *address, gboolean delete,
                           GError **error)
{
  HistoryDatabase *database = history_get_database (self, error);
  sqlite3_stmt *statement;
  int code;

  if (database == NULL)
    return FALSE;
  if (!delete && !core2_history_flush (self, error))
    return FALSE;
  statement = history_database_get (database, delete ? STATEMENT_DELETE_CHIP
                                                     : STATEMENT_REMOVE_CHIP);
  sqlite3_bind_text (statement, 1, address, -1, SQLITE_STATIC);
  sqlite3_step (statement);
  code = sqlite3_reset (statement);
  if (code != SQLITE_OK)
    {
      history_failed (self, code, "write", error);
      return FALSE;
    }
  for (guint i = 0; i < self->chips->len; i++)
    {
      Core2HistoryChip *chip = g_ptr_array_index (self->chips, i);

      /* Nothing more is written of it. */
      if (strcmp (chip->address, address) == 0)
        {
          g_array_set_size (chip->days, 0);
          chip->dirty = FALSE;
        }
    }
  if (delete)
    history_purge_later (self);
  return TRUE;
}
