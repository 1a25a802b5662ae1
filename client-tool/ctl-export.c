/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl-error.h"
#include "ctl-file.h"
#include "ctl-format.h"
#include "ctl-output.h"

/*
 * export: the samples of the chips one after the other. core2d writes to a pipe, and what comes
 * out is collected first: a slow reader, such as a pager, would be too slow for core2d, and an
 * error in the middle leaves nothing half done.
 */

static char *option_format;
static gboolean option_since_last;
static char *option_output;

const GOptionEntry ctl_export_entries[] = {
  { "format", 0, 0, G_OPTION_ARG_STRING, &option_format, "csv or jsonl (csv)", "FORMAT" },
  { "since-last", 0, 0, G_OPTION_ARG_NONE, &option_since_last,
    "Only what has been added since the last export with this option", NULL },
  { "output", 'o', 0, G_OPTION_ARG_FILENAME, &option_output, "Replace FILE instead of printing",
    "FILE" },
  { 0 },
};

/* Up to where the samples of each chip were exported: a key file, [ADDRESS] until=MICROSECONDS */
#define KEY_UNTIL "until"

typedef struct
{
  CtlContext *context;
  CtlFile *file;
  const char *format;
  const char *title; /* of the chip under way */
  guint64 now;
  guint64 rows;   /* of all chips */
  char *head;     /* the first line of csv, until a row makes it wanted */
  gboolean begun; /* something was written */

  /* The chip under way. */
  GString *pending; /* the beginning of a line */
  gboolean at_head; /* the next line is the first one of csv */
  gboolean ended;   /* core2d has closed the pipe */
  GAsyncResult *result;
} Export;

static char *
state_path (void)
{
  return g_build_filename (g_get_user_state_dir (), "core2ctl", "export.conf", NULL);
}

/* A state that cannot be read is not taken for none: everything would be written again. */
static GKeyFile *
load_state (GError **error)
{
  g_autofree char *path = state_path ();
  g_autoptr (GKeyFile) state = g_key_file_new ();
  g_autoptr (GError) problem = NULL;

  if (g_key_file_load_from_file (state, path, G_KEY_FILE_NONE, &problem)
      || g_error_matches (problem, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    return g_steal_pointer (&state);
  g_set_error (error, CTL_ERROR, CTL_EXIT_FAILED,
               "cannot read where the last export ended: %s: %s\n"
               "Remove the file, and the next export has everything.",
               path, problem->message);
  return NULL;
}

static gboolean
save_state (GKeyFile *state, GError **error)
{
  g_autofree char *path = state_path ();
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *text = NULL;
  gsize length;

  if (g_mkdir_with_parents (folder, 0700) != 0)
    {
      g_set_error (error, CTL_ERROR, CTL_EXIT_FAILED, "cannot make %s: %s", folder,
                   g_strerror (errno));
      return FALSE;
    }
  text = g_key_file_to_data (state, &length, NULL);
  return g_file_set_contents_full (path, text, (gssize) length,
                                   G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                   0600, error);
}

/* Writes one line with its end, and the head before the first one. */
static void
write_line (Export *self, const char *line, gsize length)
{
  FILE *stream = ctl_file_get_stream (self->file);

  if (self->at_head)
    {
      self->at_head = FALSE;
      if (self->head == NULL)
        self->head = g_strndup (line, length);
      return;
    }
  if (!self->begun && self->head != NULL)
    fputs (self->head, stream);
  self->begun = TRUE;
  fwrite (line, 1, length, stream);
}

static void
take (Export *self, const char *data, gsize size)
{
  const char *line;
  const char *end;

  g_string_append_len (self->pending, data, (gssize) size);
  line = self->pending->str;
  while ((end = memchr (line, '\n', self->pending->len - (gsize) (line - self->pending->str)))
         != NULL)
    {
      write_line (self, line, (gsize) (end + 1 - line));
      line = end + 1;
    }
  g_string_erase (self->pending, 0, line - self->pending->str);
}

static gboolean
on_progress (gpointer user_data)
{
  Export *self = user_data;
  FILE *stream = ctl_file_get_stream (self->file);
  g_autofree char *size = g_format_size ((guint64) MAX (ftell (stream), 0));
  g_autofree char *text = g_strdup_printf ("exporting %s: %s ...", self->title, size);

  /* Before the first line polkit may be asking for a password on the same terminal. */
  if (self->begun)
    ctl_progress_show (text);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_data (int fd, GIOCondition condition, gpointer user_data)
{
  Export *self = user_data;
  char data[65536];
  gssize n = read (fd, data, sizeof data);
  gboolean begins = !self->begun;

  if (n > 0)
    take (self, data, (gsize) n);
  if (begins)
    on_progress (self);
  if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
    return G_SOURCE_CONTINUE;
  self->ended = TRUE;
  return G_SOURCE_REMOVE;
}

static void
export_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Export *self = user_data;
  self->result = g_object_ref (result);
}

static void
start_call (Export *self, GDBusProxy *history, guint64 since, guint64 until, int fd)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new_from_array (&fd, 1); /* takes fd */
  g_auto (GVariantBuilder) options = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  g_variant_builder_add (&options, "{sv}", "since", g_variant_new_uint64 (since));
  g_variant_builder_add (&options, "{sv}", "until", g_variant_new_uint64 (until));
  /* No deadline: it ends when core2d does, or by its own time-out. */
  g_dbus_proxy_call_with_unix_fd_list (
      history, "Export", g_variant_new ("(hsa{sv})", 0, self->format, &options),
      G_DBUS_CALL_FLAGS_NO_AUTO_START | G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, G_MAXINT,
      fds, ctl_client_get_cancellable (self->context->client), export_done, self);
}

/* Exports one chip; @since is 0 for everything. */
static gboolean
export_chip (Export *self, Core2DbusChip *chip, guint64 since, guint64 until, GError **error)
{
  g_autoptr (GDBusProxy) history = ctl_client_get_history (self->context->client, chip, error);
  g_autoptr (GVariant) reply = NULL;
  guint64 rows;
  guint source, timer;
  int fds[2];

  if (history == NULL || !g_unix_open_pipe (fds, FD_CLOEXEC, error))
    return FALSE;
  g_unix_set_fd_nonblocking (fds[0], TRUE, NULL);
  self->pending = g_string_new (NULL);
  self->at_head = g_str_equal (self->format, "csv");
  self->ended = FALSE;
  source = g_unix_fd_add (fds[0], G_IO_IN | G_IO_HUP | G_IO_ERR, on_data, self);
  timer = g_timeout_add (250, on_progress, self);
  start_call (self, history, since, until, fds[1]);
  while (self->result == NULL)
    g_main_context_iteration (NULL, TRUE);

  reply = g_dbus_proxy_call_with_unix_fd_list_finish (history, NULL, self->result, error);
  /* The last of it may still be in the pipe. */
  while (reply != NULL && !self->ended)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (timer);
  if (!self->ended)
    g_source_remove (source);
  ctl_progress_end ();
  close (fds[0]);
  g_string_free (self->pending, TRUE);
  g_clear_object (&self->result);
  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(t)", &rows);
  self->rows += rows;
  return TRUE;
}

/*
 * Up to where no sample of @chip is to come any more. What it counts while it is away is told when it
 * comes back, and belongs to the time since it was heard last; at the end of a day, a sample of that ends,
 * too, which may be long before the chip is back.
 */
static guint64
get_settled (Core2DbusChip *chip, guint64 now)
{
  guint64 heard = core2_dbus_chip_get_steps_updated (chip) / G_USEC_PER_SEC;

  if (heard == 0)
    return now;
  /* Estimates end with the second in which it was heard; minutes and days that do may still grow. */
  if ((heard + 1) % 60 != 0)
    heard++;
  return MIN (heard * G_USEC_PER_SEC, now);
}

/* A clock that was far ahead and is right again: what is counted would be no news until that time. */
static gboolean
check_since (const Export *self, guint64 since, GError **error)
{
  g_autofree char *path = state_path ();
  g_autofree char *end = ctl_format_iso8601 (since);

  if (since <= self->now + G_TIME_SPAN_DAY)
    return TRUE;
  g_set_error (error, CTL_ERROR, CTL_EXIT_FAILED,
               "the last export of %s ended in the future: %s\n"
               "Was the clock wrong then? Remove %s, and the next export has everything.",
               self->title, end != NULL ? end : "never", path);
  return FALSE;
}

static gboolean
export_all (Export *self, GPtrArray *chips, GKeyFile *state, GError **error)
{
  for (guint i = 0; i < chips->len; i++)
    {
      Core2DbusChip *chip = g_ptr_array_index (chips, i);
      const char *address = core2_dbus_chip_get_address (chip);
      g_autofree char *title = ctl_chip_dup_title (chip);
      guint64 since = 0;
      guint64 until = self->now;

      if (state != NULL)
        {
          since = g_key_file_get_uint64 (state, address, KEY_UNTIL, NULL);
          until = get_settled (chip, self->now);
        }
      self->title = title;
      if (!check_since (self, since, error))
        return FALSE;
      /* It was not heard since, or the clock was set back: there is nothing yet. */
      if (since >= until)
        continue;
      if (!export_chip (self, chip, since, until, error))
        return FALSE;
      if (state != NULL)
        g_key_file_set_uint64 (state, address, KEY_UNTIL, until);
    }
  return TRUE;
}

static gboolean
check_format (CtlContext *context, GError **error)
{
  const char *message = NULL;

  if (option_format == NULL)
    option_format = g_strdup (context->json && option_output == NULL ? "jsonl" : "csv");
  if (!g_str_equal (option_format, "csv") && !g_str_equal (option_format, "jsonl"))
    message = "--format is csv or jsonl";
  else if (context->json && option_output == NULL && g_str_equal (option_format, "csv"))
    message = "csv is no JSON: leave out --json, or --format";
  if (message != NULL)
    g_set_error_literal (error, CTL_ERROR, CTL_EXIT_USAGE, message);
  return message == NULL;
}

static void
print_done (const Export *self, gboolean json)
{
  if (option_output == NULL || g_str_equal (option_output, "-"))
    return;
  if (json)
    {
      g_autoptr (JsonBuilder) builder = json_builder_new ();

      json_builder_begin_object (builder);
      ctl_json_add_string (builder, "file", option_output);
      ctl_json_add_string (builder, "format", self->format);
      ctl_json_add_uint (builder, "rows", TRUE, self->rows);
      ctl_json_add_time (builder, "until", option_since_last ? 0 : self->now);
      json_builder_end_object (builder);
      ctl_json_print (builder, FALSE);
    }
  else
    printf ("%" G_GUINT64_FORMAT " rows are in %s.\n", self->rows, option_output);
}

/*
 * First the rows come to their place, then their end is remembered: a row may come twice, none is
 * lost.
 */
static gboolean
finish (Export *self, GKeyFile *state, GError **error)
{
  if (self->rows == 0)
    {
      g_set_error_literal (error, CTL_ERROR, CTL_EXIT_NO_DATA,
                           option_since_last
                               ? "nothing new has been counted.\n"
                                 "The minute in which a chip was heard last comes when it is heard again."
                               : "there is nothing to export yet.\n"
                                 "A minute comes when it has ended. Where no chip is connected: "
                                 "shake one, and walk.");
      return FALSE;
    }
  return ctl_file_commit (self->file, error) && (state == NULL || save_state (state, error));
}

gboolean
ctl_verb_export (CtlContext *context, GError **error)
{
  Export self = { .context = context, .now = ctl_now () };
  g_autoptr (GPtrArray) chips = NULL;
  g_autoptr (GKeyFile) state = NULL;
  gboolean done;

  if (!check_format (context, error))
    return FALSE;
  self.format = option_format;
  chips = ctl_client_list_named (context->client, context->chip, error);
  if (chips == NULL)
    return FALSE;
  if (option_since_last && (state = load_state (error)) == NULL)
    return FALSE;
  self.file = ctl_file_new (option_output, error);
  if (self.file == NULL)
    return FALSE;

  done = export_all (&self, chips, state, error) && finish (&self, state, error);
  if (done)
    print_done (&self, context->json);
  ctl_file_free (self.file);
  g_free (self.head);
  return done;
}
