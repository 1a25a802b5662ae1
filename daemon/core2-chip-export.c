/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Export: samples as text to a descriptor of the caller, as fast as that takes them. */
#include "core2-chip-methods.h"

#include <glib-unix.h>
#include <time.h>

#include "core2-output.h"

/* How much is written in one go, and how long a reader may take none of it. */
#define CHUNK 16384
#define STALL_TIMEOUT_MS 60000
/* Meanwhile what is written to the history only adds to its log, which must not grow without end. */
#define LONGEST_US (60 * 60 * G_TIME_SPAN_SECOND)

typedef struct
{
  Core2HistoryReader *reader;
  Core2Output *output;
  gboolean is_json;
  guint64 since;
  guint64 until;

  GString *chunk;
  gsize chunk_done;  /* bytes of it that were written */
  gboolean at_end;   /* nothing more to be read */
  guint64 rows;
  gint64 began;      /* monotonic */
  guint source;
} ExportJob;

static void
free_job (gpointer data)
{
  ExportJob *job = data;

  g_clear_handle_id (&job->source, g_source_remove);
  core2_history_reader_free (job->reader);
  core2_output_free (job->output);
  g_string_free (job->chunk, TRUE);
  g_free (job);
}

static void
append_row (ExportJob *job, const char *address, const Core2HistoryRow *sample)
{
  const char *kind = core2_history_kind_to_string (sample->kind);
  time_t seconds = (time_t) sample->time;
  struct tm parts = { 0 };
  char begin[32];

  gmtime_r (&seconds, &parts);
  strftime (begin, sizeof begin, "%Y-%m-%dT%H:%M:%SZ", &parts);
  /* Addresses, numbers and these words need no escapes. */
  g_string_append_printf (job->chunk,
                          job->is_json ? "{\"chip\":\"%s\",\"time\":\"%s\",\"seconds\":%u,"
                                         "\"steps\":%u,\"kind\":\"%s\"}\n"
                                       : "%s,%s,%u,%u,%s\n",
                          address, begin, sample->seconds, sample->steps, kind);
  job->rows++;
}

/* The next rows as text. */
static gboolean
fill_chunk (Core2Chip *self, ExportJob *job, GError **error)
{
  Core2HistoryRow sample;
  g_autoptr (GError) problem = NULL;

  g_string_truncate (job->chunk, 0);
  job->chunk_done = 0;
  while (job->chunk->len < CHUNK && !job->at_end)
    if (core2_history_reader_next (job->reader, &sample, &problem))
      append_row (job, self->record->address, &sample);
    else
      job->at_end = TRUE;
  if (problem == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

static void
stalled (Core2Request *request)
{
  core2_request_fail (request, CORE2_ERROR_TIMEOUT, "nobody read the export for %d s",
                      STALL_TIMEOUT_MS / 1000);
}

static void
finish (Core2Request *request)
{
  ExportJob *job = request->extra;
  guint64 rows = job->rows;

  /* The reader sees the end no later than the caller sees the answer. */
  request->extra = NULL;
  free_job (job);
  core2_request_reply (request, "t", rows);
}

/* Writes a chunk, or what there is room for. FALSE when the request has ended. */
static gboolean
go_on (Core2Request *request)
{
  ExportJob *job = request->extra;
  guint64 before = core2_output_get_taken (job->output);
  gsize written;
  g_autoptr (GError) error = NULL;

  if ((job->chunk_done == job->chunk->len && !fill_chunk (request->owner, job, &error))
      || !core2_output_write (job->output, job->chunk->str + job->chunk_done,
                              job->chunk->len - job->chunk_done, &written, &error))
    {
      core2_request_fail_gerror (request, error);
      return FALSE;
    }
  job->chunk_done += written;
  if (job->chunk_done == job->chunk->len && job->at_end && !core2_output_is_busy (job->output))
    {
      finish (request);
      return FALSE;
    }
  if (g_get_monotonic_time () - job->began > LONGEST_US)
    {
      core2_request_fail (request, CORE2_ERROR_TIMEOUT, "the export took longer than an hour");
      return FALSE;
    }
  if (core2_output_get_taken (job->output) > before)
    core2_request_set_timeout (request, STALL_TIMEOUT_MS, stalled);
  return TRUE;
}

static gboolean
on_writable (int fd, GIOCondition condition, gpointer user_data)
{
  return go_on (user_data);
}

static gboolean
on_idle (gpointer user_data)
{
  return go_on (user_data);
}

static void
start (Core2Request *request)
{
  Core2Chip *self = request->owner;
  ExportJob *job = request->extra;
  gint64 now = g_get_real_time ();
  gint64 until = job->until > (guint64) now ? now : (gint64) job->until;
  gint64 since = job->since > (guint64) now ? now : (gint64) job->since;
  int fd = core2_output_get_poll_fd (job->output);
  g_autoptr (GError) error = NULL;

  if (!chip_history_may_read (request))
    return;
  job->reader = core2_history_read (self->history, since / G_USEC_PER_SEC, until / G_USEC_PER_SEC,
                                    CORE2_HISTORY_WHOLE, &error);
  if (job->reader == NULL)
    {
      core2_request_fail_gerror (request, error);
      return;
    }
  job->began = g_get_monotonic_time ();
  if (!job->is_json)
    g_string_append (job->chunk, "chip,time,seconds,steps,kind\n");
  core2_request_watch_caller (request, core2_request_drop);
  core2_request_set_timeout (request, STALL_TIMEOUT_MS, stalled);
  /* After the answers of everybody else. */
  if (fd >= 0)
    job->source = g_unix_fd_add_full (G_PRIORITY_LOW, fd, G_IO_OUT, on_writable, request, NULL);
  else
    job->source = g_idle_add_full (G_PRIORITY_LOW, on_idle, request, NULL);
}

int
chip_method_export (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  Core2Chip *self = user_data;
  guint64 since = 0;
  guint64 until = G_MAXUINT64;
  Core2Option options[] = { { "since", 't', &since }, { "until", 't', &until } };
  g_autoptr (GError) problem = NULL;
  const char *format;
  int fd;
  int r = sd_bus_message_read (message, "hs", &fd, &format);

  if (r < 0 || (r = core2_options_read (message, options, G_N_ELEMENTS (options), error)) < 0)
    return r;
  if (!g_str_equal (format, "csv") && !g_str_equal (format, "jsonl"))
    return core2_error_set (error, CORE2_ERROR_INVALID_ARGUMENTS,
                            "a format is csv or jsonl, not %.64s", format);
  Core2Output *output = core2_output_new (fd, &problem);
  if (output == NULL)
    return core2_error_from_gerror (error, problem);

  ExportJob *job = g_new0 (ExportJob, 1);
  Core2Request *request = core2_request_new (self->requests, self->services->bus, message, self);
  job->output = output;
  job->is_json = g_str_equal (format, "jsonl");
  job->since = since;
  job->until = until;
  job->chunk = g_string_sized_new (CHUNK + 256);
  request->extra = job;
  request->free_extra = free_job;
  core2_request_authorize (request, self->services->access, "history", self->record->address,
                           self->record->alias, start);
  return 1;
}
