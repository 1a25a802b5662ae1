/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.example.Core2.History: what a chip counted, by days and by minutes. */
#include "core2-chip-methods.h"

#include <string.h>

/* Readings under way, of all clients and of one. */
#define MAX_READERS 16
#define MAX_READERS_PER_CLIENT 4
/* Rows looked at in one go. */
#define SLICE_ROWS 500
#define MAX_BUCKETS 100000
#define RESOLUTION_MIN 60
#define RESOLUTION_MAX (31 * 24 * 60 * 60)
#define DAY_MIN 10101
#define DAY_MAX 99991231

/* --- recording -------------------------------------------------------------------------------------------- */

void
chip_history_open (Core2Chip *self)
{
  if (self->history == NULL && self->remembered)
    self->history = core2_history_open_chip (self->services->history, self->record->address,
                                             &self->steps);
}

void
chip_history_close (Core2Chip *self)
{
  g_clear_pointer (&self->history, core2_history_close_chip);
}

static void
check_goal (Core2Chip *self)
{
  guint32 goal = self->record->daily_goal;
  char day[CORE2_DAY_TEXT_SIZE];

  if (goal == 0 || self->steps_today < goal || self->goal_day == self->steps.day)
    return;
  self->goal_day = self->steps.day;
  if (core2_history_reach_goal (self->history, self->steps.day, goal))
    return;
  core2_day_format (self->steps.day, day);
  core2_log_info (self->record->address, "history", "the goal of %u steps is reached", goal);
  chip_flush (self);
  sd_bus_emit_signal (core2_bus_get (self->services->bus), self->path, HISTORY_INTERFACE,
                      "GoalReached", "su", day, self->steps_today);
}

void
chip_history_add (Core2Chip *self, const Core2StepsResult *result)
{
  if (self->history == NULL)
    return;
  core2_history_add (self->history, result, &self->steps, self->record->daily_goal);
  chip_fetch_note (self, result);
  if (result->delta > 0)
    check_goal (self);
}

/* --- who may read ------------------------------------------------------------------------------------------ */

static void
reading_ends (Core2Request *request)
{
  Core2Chip *self = request->owner;

  g_ptr_array_remove_fast (self->services->readers, request);
}

gboolean
chip_history_may_read (Core2Request *request)
{
  Core2Chip *self = request->owner;
  GPtrArray *readers = self->services->readers;
  const char *sender = sd_bus_message_get_sender (request->message);
  guint n = 0;

  if (self->history == NULL)
    {
      core2_request_fail (request, CORE2_ERROR_NOT_FOUND,
                          "%s has no history: it was only seen, not added", self->record->address);
      return FALSE;
    }
  for (guint i = 0; i < readers->len; i++)
    {
      const Core2Request *other = g_ptr_array_index (readers, i);
      n += g_strcmp0 (sd_bus_message_get_sender (other->message), sender) == 0;
    }
  if (readers->len >= MAX_READERS || n >= MAX_READERS_PER_CLIENT)
    {
      core2_request_fail (request, CORE2_ERROR_RATE_LIMITED,
                          "%u readings of the history are under way: wait for one to end",
                          readers->len);
      return FALSE;
    }
  g_ptr_array_add (readers, request);
  request->on_end = reading_ends;
  return TRUE;
}

static int
authorize (sd_bus_message *message, Core2Chip *self, const char *action, gpointer job,
           GDestroyNotify free_job, Core2RequestRun run)
{
  Core2Request *request = core2_request_new (self->requests, self->services->bus, message, self);

  request->extra = job;
  request->free_extra = free_job;
  core2_request_authorize (request, self->services->access, action, self->record->address,
                           self->record->alias, run);
  return 1;
}

/* --- GetDays ------------------------------------------------------------------------------------------------ */

typedef struct
{
  Core2Day first;
  Core2Day last;
} DaysJob;

static int
append_day (sd_bus_message *reply, const Core2HistoryDay *day)
{
  char text[CORE2_DAY_TEXT_SIZE];

  core2_day_format (day->day, text);
  return sd_bus_message_append (reply, "(sua{sv})", text, day->steps, 4, "estimated", "b",
                                day->estimated > 0, "resets", "u", day->resets, "suspect", "u",
                                day->suspect, "goal", "u", day->goal);
}

static void
get_days (Core2Request *request)
{
  Core2Chip *self = request->owner;
  const DaysJob *job = request->extra;
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) days = NULL;
  sd_bus_message *reply = NULL;
  int r;

  if (!chip_history_may_read (request))
    return;
  days = core2_history_get_days (self->history, job->first, job->last, &error);
  if (days == NULL)
    {
      core2_request_fail_gerror (request, error);
      return;
    }
  r = sd_bus_message_new_method_return (request->message, &reply);
  if (r >= 0)
    r = sd_bus_message_open_container (reply, 'a', "(sua{sv})");
  for (guint i = 0; i < days->len && r >= 0; i++)
    r = append_day (reply, &g_array_index (days, Core2HistoryDay, i));
  if (r >= 0)
    r = sd_bus_message_close_container (reply);
  core2_request_reply_message (request, reply, r);
}

static int
parse_day (const char *text, Core2Day open_end, Core2Day *day, sd_bus_error *error)
{
  *day = open_end;
  if (*text == '\0' || core2_day_parse (text, day))
    return 0;
  return core2_error_set (error, CORE2_ERROR_INVALID_ARGUMENTS,
                          "%.64s is no date such as 2026-11-21", text);
}

static int
method_get_days (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  DaysJob days;
  const char *first;
  const char *last;
  int r = sd_bus_message_read (message, "ss", &first, &last);

  if (r < 0 || (r = parse_day (first, DAY_MIN, &days.first, error)) < 0
      || (r = parse_day (last, DAY_MAX, &days.last, error)) < 0)
    return r;
  if (days.first > days.last)
    return core2_error_set (error, CORE2_ERROR_INVALID_ARGUMENTS, "%s comes after %s", first, last);
  return authorize (message, user_data, "history", g_memdup2 (&days, sizeof days), g_free,
                    get_days);
}

/* --- GetSamples --------------------------------------------------------------------------------------------- */

typedef struct
{
  gint64 index;
  guint64 steps;
} Bucket;

typedef struct
{
  Core2HistoryReader *reader;
  gint64 since;
  gint64 until;
  gint64 resolution;
  GArray *buckets;
  guint source;
} SamplesJob;

static void
free_samples_job (gpointer data)
{
  SamplesJob *job = data;

  g_clear_handle_id (&job->source, g_source_remove);
  core2_history_reader_free (job->reader);
  g_array_unref (job->buckets);
  g_free (job);
}

static void
add_to_bucket (GArray *buckets, gint64 index, guint64 steps)
{
  Bucket bucket = { index, steps };
  guint at = buckets->len;

  /* Samples come by their beginning: the place is at the end, or near. */
  while (at > 0 && g_array_index (buckets, Bucket, at - 1).index > index)
    at--;
  if (at > 0 && g_array_index (buckets, Bucket, at - 1).index == index)
    g_array_index (buckets, Bucket, at - 1).steps += steps;
  else if (steps > 0)
    g_array_insert_val (buckets, at, bucket);
}

/* Spreads an estimated sample evenly over the buckets that it lies in. */
static void
spread_sample (SamplesJob *job, const Core2HistoryRow *sample)
{
  gint64 seconds = MAX (sample->seconds, 1);
  gint64 end = MIN (sample->time + seconds, job->until);
  gint64 at = MAX (sample->time, job->since);
  guint64 done = (guint64) sample->steps * (guint64) (at - sample->time) / (guint64) seconds;

  while (at < end)
    {
      gint64 index = (at - job->since) / job->resolution;
      gint64 next = MIN (job->since + (index + 1) * job->resolution, end);
      guint64 until
          = (guint64) sample->steps * (guint64) (next - sample->time) / (guint64) seconds;

      add_to_bucket (job->buckets, index, until - done);
      done = until;
      at = next;
    }
}

static void
add_sample (SamplesJob *job, const Core2HistoryRow *sample)
{
  if (sample->kind == CORE2_HISTORY_SUSPECT)
    return;
  if (sample->kind == CORE2_HISTORY_ESTIMATED)
    spread_sample (job, sample);
  else if (sample->time >= job->since)
    add_to_bucket (job->buckets, (sample->time - job->since) / job->resolution, sample->steps);
}

static void
reply_samples (Core2Request *request)
{
  const SamplesJob *job = request->extra;
  sd_bus_message *reply = NULL;
  int r = sd_bus_message_new_method_return (request->message, &reply);

  if (r >= 0)
    r = sd_bus_message_open_container (reply, 'a', "(tu)");
  for (guint i = 0; i < job->buckets->len && r >= 0; i++)
    {
      const Bucket *bucket = &g_array_index (job->buckets, Bucket, i);
      gint64 time = job->since + bucket->index * job->resolution;

      r = sd_bus_message_append (reply, "(tu)", (guint64) time * G_USEC_PER_SEC,
                                 (guint32) MIN (bucket->steps, G_MAXUINT32));
    }
  if (r >= 0)
    r = sd_bus_message_close_container (reply);
  core2_request_reply_message (request, reply, r);
}

static gboolean
on_samples_slice (gpointer user_data)
{
  Core2Request *request = user_data;
  SamplesJob *job = request->extra;
  g_autoptr (GError) error = NULL;
  Core2HistoryRow sample;

  for (guint i = 0; i < SLICE_ROWS && job->buckets->len <= MAX_BUCKETS; i++)
    {
      if (core2_history_reader_next (job->reader, &sample, &error))
        {
          add_sample (job, &sample);
          continue;
        }
      job->source = 0;
      if (error != NULL)
        core2_request_fail_gerror (request, error);
      else
        reply_samples (request);
      return G_SOURCE_REMOVE;
    }
  if (job->buckets->len <= MAX_BUCKETS)
    return G_SOURCE_CONTINUE;
  job->source = 0;
  core2_request_fail (request, CORE2_ERROR_INVALID_ARGUMENTS,
                      "more than %d samples: ask for a shorter time or a coarser resolution",
                      MAX_BUCKETS);
  return G_SOURCE_REMOVE;
}

static void
get_samples (Core2Request *request)
{
  Core2Chip *self = request->owner;
  SamplesJob *job = request->extra;
  g_autoptr (GError) error = NULL;

  if (!chip_history_may_read (request))
    return;
  job->reader = core2_history_read (self->history, job->since, job->until,
                                    CORE2_HISTORY_OVERLAPPING, &error);
  if (job->reader == NULL)
    {
      core2_request_fail_gerror (request, error);
      return;
    }
  core2_request_watch_caller (request, core2_request_drop);
  job->source = g_idle_add_full (G_PRIORITY_LOW, on_samples_slice, request, NULL);
}

static int
method_get_samples (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  const guint64 latest = G_MAXINT64;
  guint64 since;
  guint64 until;
  guint32 resolution;
  SamplesJob *job;
  int r = sd_bus_message_read (message, "ttu", &since, &until, &resolution);

  if (r < 0)
    return r;
  if (since > until)
    return core2_error_set (error, CORE2_ERROR_INVALID_ARGUMENTS, "the end comes before the beginning");
  if (resolution == 0)
    resolution = RESOLUTION_MIN;
  if (resolution < RESOLUTION_MIN || resolution > RESOLUTION_MAX)
    return core2_error_set (error, CORE2_ERROR_INVALID_ARGUMENTS,
                            "a resolution is %d to %d seconds", RESOLUTION_MIN, RESOLUTION_MAX);
  job = g_new0 (SamplesJob, 1);
  job->since = (gint64) MIN (since, latest) / G_USEC_PER_SEC;
  job->until = (gint64) MIN (until, latest) / G_USEC_PER_SEC;
  job->resolution = resolution;
  job->buckets = g_array_new (FALSE, FALSE, sizeof (Bucket));
  return authorize (message, user_data, "history", job, free_samples_job, get_samples);
}

/* --- Clear -------------------------------------------------------------------------------------------------- */

typedef struct
{
  guint64 before;
  gint64 before_s;
  Core2Day day;
  guint64 rows;
  guint source;
} ClearJob;

static void
free_clear_job (gpointer data)
{
  ClearJob *job = data;

  g_clear_handle_id (&job->source, g_source_remove);
  g_free (job);
}

static gboolean
on_clear_slice (gpointer user_data)
{
  Core2Request *request = user_data;
  Core2Chip *self = request->owner;
  ClearJob *job = request->extra;
  gboolean done = FALSE;
  g_autoptr (GError) error = NULL;

  if (core2_history_clear_slice (self->history, job->before_s, job->day, &job->rows, &done, &error)
      && !done)
    return G_SOURCE_CONTINUE;
  job->source = 0;
  if (error != NULL)
    core2_request_fail_gerror (request, error);
  else
    {
      core2_log_notice (self->record->address, "history",
                        "cleared: %" G_GUINT64_FORMAT " samples and days", job->rows);
      core2_request_reply (request, "t", job->rows);
    }
  return G_SOURCE_REMOVE;
}

static void
clear (Core2Request *request)
{
  Core2Chip *self = request->owner;
  ClearJob *job = request->extra;
  gint64 now = g_get_real_time ();
  gint64 before = job->before > (guint64) now ? now : (gint64) job->before;

  if (!chip_history_may_read (request))
    return;
  job->before_s = before / G_USEC_PER_SEC;
  /* A day goes when all of it is before. */
  job->day = core2_calendar_get_day (&self->services->calendar, before);
  job->source = g_idle_add_full (G_PRIORITY_LOW, on_clear_slice, request, NULL);
}

static int
method_clear (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  guint64 before;
  ClearJob *job;
  int r = sd_bus_message_read (message, "t", &before);

  if (r < 0)
    return r;
  job = g_new0 (ClearJob, 1);
  job->before = before;
  return authorize (message, user_data, "manage", job, free_clear_job, clear);
}

#define ANYBODY SD_BUS_VTABLE_UNPRIVILEGED

const sd_bus_vtable chip_history_vtable[] = {
  SD_BUS_VTABLE_START (0),
  SD_BUS_METHOD_WITH_ARGS ("GetDays", SD_BUS_ARGS ("s", first, "s", last),
                           SD_BUS_RESULT ("a(sua{sv})", days), method_get_days, ANYBODY),
  SD_BUS_METHOD_WITH_ARGS ("GetSamples", SD_BUS_ARGS ("t", begin, "t", end, "u", resolution),
                           SD_BUS_RESULT ("a(tu)", samples), method_get_samples, ANYBODY),
  SD_BUS_METHOD_WITH_ARGS ("Export", SD_BUS_ARGS ("h", output, "s", format, "a{sv}", options),
                           SD_BUS_RESULT ("t", rows), chip_method_export, ANYBODY),
  SD_BUS_METHOD_WITH_ARGS ("Clear", SD_BUS_ARGS ("t", before), SD_BUS_RESULT ("t", rows),
                           method_clear, ANYBODY),
  SD_BUS_SIGNAL_WITH_ARGS ("GoalReached", SD_BUS_ARGS ("s", day, "u", steps), 0),
  SD_BUS_VTABLE_END,
};
