/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-log.h"
#include "core2-error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DOMAIN "core2d"
#define LIMIT_INTERVAL (60 * G_USEC_PER_SEC)
#define LIMIT_KEYS 256
#define MAX_FIELDS 14

struct Core2Log
{
  const char *identifier;
  Core2LogPriority level;
  GLogLevelFlags fatal; /* what G_DEBUG=fatal-warnings asks for */
  gboolean to_journal;
};

struct Core2LogLimit
{
  GHashTable *keys; /* text -> LimitEntry */
};

typedef struct
{
  gint64 passed; /* when the last line passed */
  guint suppressed;
} LimitEntry;

/* --- writing lines -------------------------------------------------------------------------- */

static GLogLevelFlags
get_glib_level (Core2LogPriority priority)
{
  switch (priority)
    {
    case CORE2_LOG_ERROR:
    case CORE2_LOG_WARNING:
    case CORE2_LOG_NOTICE:
      return G_LOG_LEVEL_MESSAGE;
    case CORE2_LOG_INFO:
      return G_LOG_LEVEL_INFO;
    case CORE2_LOG_DEBUG:
    default:
      return G_LOG_LEVEL_DEBUG;
    }
}

static void
add_field (GLogField *fields, gsize *n, const char *key, const char *value)
{
  if (value == NULL || *value == '\0')
    return;
  fields[(*n)++] = (GLogField){ key, value, -1 };
}

/* One line, valid UTF-8: names of devices and arguments of clients come here as they are. */
G_GNUC_PRINTF (1, 0)
static char *
make_line (const char *format, va_list arguments)
{
  g_autofree char *raw = g_strdup_vprintf (format, arguments);
  char *line = g_utf8_make_valid (raw, -1);

  for (char *c = line; *c != '\0'; c++)
    if (g_ascii_iscntrl (*c))
      *c = ' ';
  return line;
}

static void
write_line (Core2LogPriority priority, const Core2LogFields *about, const char *line)
{
  GLogField fields[MAX_FIELDS];
  gsize n = 0;
  char priority_text[4];
  char code_line[16];

  g_snprintf (priority_text, sizeof priority_text, "%d", (int) priority);
  g_snprintf (code_line, sizeof code_line, "%d", about->code_line);

  add_field (fields, &n, "MESSAGE", *line == '\0' ? " " : line);
  add_field (fields, &n, "PRIORITY", priority_text);
  add_field (fields, &n, "GLIB_DOMAIN", DOMAIN);
  add_field (fields, &n, "CORE2_CHIP", about->chip);
  add_field (fields, &n, "CORE2_TOPIC", about->topic);
  add_field (fields, &n, "CORE2_STATE", about->state);
  add_field (fields, &n, "CORE2_ERROR", about->error);
  add_field (fields, &n, "MESSAGE_ID", about->message_id);
  add_field (fields, &n, "CODE_FILE", about->code_file);
  add_field (fields, &n, "CODE_FUNC", about->code_func);
  if (about->code_line > 0)
    add_field (fields, &n, "CODE_LINE", code_line);

  g_log_structured_array (get_glib_level (priority), fields, n);
}

void
core2_log_write (Core2LogPriority priority, const Core2LogFields *fields, const char *format, ...)
{
  va_list arguments;

  if (priority == CORE2_LOG_DEBUG && !g_log_get_debug_enabled ())
    return;

  va_start (arguments, format);
  g_autofree char *line = make_line (format, arguments);
  va_end (arguments);
  write_line (priority, fields, line);
}

/* --- limiting ------------------------------------------------------------------------------- */

Core2LogLimit *
core2_log_limit_new (void)
{
  Core2LogLimit *self = g_new0 (Core2LogLimit, 1);

  self->keys = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return self;
}

void
core2_log_limit_free (Core2LogLimit *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->keys);
  g_free (self);
}

static void
limit_drop_oldest (Core2LogLimit *self)
{
  GHashTableIter iter;
  gpointer key, value;
  const char *oldest = NULL;
  gint64 oldest_passed = G_MAXINT64;

  g_hash_table_iter_init (&iter, self->keys);
  while (g_hash_table_iter_next (&iter, &key, &value))
    {
      const LimitEntry *entry = value;

      if (entry->passed < oldest_passed)
        {
          oldest = key;
          oldest_passed = entry->passed;
        }
    }
  if (oldest != NULL)
    g_hash_table_remove (self->keys, oldest);
}

gboolean
core2_log_limit_pass (Core2LogLimit *self, const char *key, gint64 now, guint *suppressed)
{
  LimitEntry *entry = g_hash_table_lookup (self->keys, key);

  *suppressed = 0;
  if (entry == NULL)
    {
      if (g_hash_table_size (self->keys) >= LIMIT_KEYS)
        limit_drop_oldest (self);
      entry = g_new0 (LimitEntry, 1);
      entry->passed = now;
      g_hash_table_insert (self->keys, g_strdup (key), entry);
      return TRUE;
    }

  if (now - entry->passed < LIMIT_INTERVAL)
    {
      if (entry->suppressed < G_MAXUINT)
        entry->suppressed++;
      return FALSE;
    }

  *suppressed = entry->suppressed;
  entry->suppressed = 0;
  entry->passed = now;
  return TRUE;
}

void
core2_log_write_limited (Core2LogLimit *limit, const char *key, Core2LogPriority priority,
                         const Core2LogFields *fields, const char *format, ...)
{
  va_list arguments;
  guint suppressed;

  if (priority == CORE2_LOG_DEBUG && !g_log_get_debug_enabled ())
    return;
  if (!core2_log_limit_pass (limit, key, g_get_monotonic_time (), &suppressed))
    return;

  va_start (arguments, format);
  g_autofree char *line = make_line (format, arguments);
  va_end (arguments);

  if (suppressed == 0)
    {
      write_line (priority, fields, line);
      return;
    }
  g_autofree char *counted = g_strdup_printf ("%s (%u more like this were not logged)", line,
                                              suppressed);
  write_line (priority, fields, counted);
}

/* --- the writer function -------------------------------------------------------------------- */

static const char *
find_field (const GLogField *fields, gsize n_fields, const char *key)
{
  for (gsize i = 0; i < n_fields; i++)
    if (fields[i].length < 0 && strcmp (fields[i].key, key) == 0)
      return fields[i].value;
  return NULL;
}

/* The priority a message carries, else (GLib's own old functions) the one its level stands for. */
static int
get_priority (GLogLevelFlags level, const GLogField *fields, gsize n_fields)
{
  const char *text = find_field (fields, n_fields, "PRIORITY");

  if (text != NULL && g_ascii_isdigit (text[0]))
    return text[0] - '0';
  if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
    return CORE2_LOG_ERROR;
  if (level & G_LOG_LEVEL_WARNING)
    return CORE2_LOG_WARNING;
  if (level & G_LOG_LEVEL_MESSAGE)
    return CORE2_LOG_NOTICE;
  if (level & G_LOG_LEVEL_INFO)
    return CORE2_LOG_INFO;
  return CORE2_LOG_DEBUG;
}

static const char *
get_priority_word (int priority)
{
  if (priority <= CORE2_LOG_ERROR)
    return "error: ";
  if (priority == CORE2_LOG_WARNING)
    return "warning: ";
  if (priority == CORE2_LOG_DEBUG)
    return "debug: ";
  return "";
}

/* "core2d: F1:4F:BB:6A:B5:79: link: warning: text" */
static void
write_text (const Core2Log *self, int priority, const GLogField *fields, gsize n_fields)
{
  const char *message = find_field (fields, n_fields, "MESSAGE");
  const char *chip = find_field (fields, n_fields, "CORE2_CHIP");
  const char *topic = find_field (fields, n_fields, "CORE2_TOPIC");
  g_autofree char *line
      = g_strdup_printf ("%s: %s%s%s%s%s%s\n", self->identifier, chip == NULL ? "" : chip,
                         chip == NULL ? "" : ": ", topic == NULL ? "" : topic,
                         topic == NULL ? "" : ": ", get_priority_word (priority),
                         message == NULL ? "" : message);

  /* One write a line, so that lines of several processes on one terminal do not mix. */
  fputs (line, stderr);
  fflush (stderr);
}

/* The fields and SYSLOG_IDENTIFIER, which tells our lines from those of a library's domain. */
static GLogWriterOutput
write_journal (const Core2Log *self, GLogLevelFlags level, const GLogField *fields, gsize n_fields)
{
  g_autofree GLogField *all = g_new (GLogField, n_fields + 1);

  memcpy (all, fields, n_fields * sizeof *fields);
  all[n_fields] = (GLogField){ "SYSLOG_IDENTIFIER", self->identifier, -1 };
  return g_log_writer_journald (level, all, n_fields + 1, NULL);
}

static GLogWriterOutput
on_message (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  const Core2Log *self = user_data;
  int priority = get_priority (level, fields, n_fields);

  if (priority <= (int) self->level)
    if (!self->to_journal
        || write_journal (self, level, fields, n_fields) == G_LOG_WRITER_UNHANDLED)
      write_text (self, priority, fields, n_fields);

  /* GLib leaves this to the writer function. Old-style messages are ended by g_log() itself. */
  if ((level & self->fatal) && find_field (fields, n_fields, "GLIB_OLD_LOG_API") == NULL)
    abort ();
  return G_LOG_WRITER_HANDLED;
}

Core2Log *
core2_log_install (const char *identifier)
{
  Core2Log *self = g_new0 (Core2Log, 1);

  self->identifier = identifier;
  self->to_journal = g_log_writer_is_journald (STDERR_FILENO);
  /* There is no getter. */
  self->fatal = g_log_set_always_fatal (G_LOG_FATAL_MASK);
  g_log_set_always_fatal (self->fatal);
  core2_log_set_level (self, CORE2_LOG_INFO);
  g_log_set_writer_func (on_message, self, NULL);
  return self;
}

void
core2_log_set_level (Core2Log *self, Core2LogPriority level)
{
  self->level = level;
  g_log_set_debug_enabled (level >= CORE2_LOG_DEBUG);
}

Core2LogPriority
core2_log_get_level (const Core2Log *self)
{
  return self->level;
}

/* --- org.freedesktop.LogControl1 ------------------------------------------------------------ */

static const char *const level_names[]
    = { "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug" };

static int
get_log_level (sd_bus *bus, const char *path, const char *interface, const char *property,
               sd_bus_message *reply, void *user_data, sd_bus_error *error)
{
  const Core2Log *self = user_data;

  return sd_bus_message_append (reply, "s", level_names[self->level]);
}

static int
set_log_level (sd_bus *bus, const char *path, const char *interface, const char *property,
               sd_bus_message *value, void *user_data, sd_bus_error *error)
{
  Core2Log *self = user_data;
  const char *name;
  int r = sd_bus_message_read (value, "s", &name);

  if (r < 0)
    return r;
  for (guint i = 0; i < G_N_ELEMENTS (level_names); i++)
    if (strcmp (name, level_names[i]) == 0)
      {
        core2_log_set_level (self, (Core2LogPriority) MAX (i, CORE2_LOG_ERROR));
        core2_log_notice (NULL, "log", "log level is now %s", level_names[self->level]);
        return 0;
      }
  return sd_bus_error_setf (error, SD_BUS_ERROR_INVALID_ARGS, "no log level is called '%.64s'", name);
}

static int
get_log_target (sd_bus *bus, const char *path, const char *interface, const char *property,
                sd_bus_message *reply, void *user_data, sd_bus_error *error)
{
  const Core2Log *self = user_data;

  return sd_bus_message_append (reply, "s", self->to_journal ? "journal" : "console");
}

/* systemd's other targets are no place for a service's lines. */
static int
set_log_target (sd_bus *bus, const char *path, const char *interface, const char *property,
                sd_bus_message *value, void *user_data, sd_bus_error *error)
{
  Core2Log *self = user_data;
  const char *name;
  int r = sd_bus_message_read (value, "s", &name);

  if (r < 0)
    return r;
  if (strcmp (name, "journal") == 0)
    self->to_journal = TRUE;
  else if (strcmp (name, "console") == 0)
    self->to_journal = FALSE;
  else if (strcmp (name, "auto") == 0)
    self->to_journal = g_log_writer_is_journald (STDERR_FILENO);
  else
    return sd_bus_error_setf (error, SD_BUS_ERROR_INVALID_ARGS,
                              "the log target is journal, console or auto, not '%.64s'", name);
  return 0;
}

static int
get_identifier (sd_bus *bus, const char *path, const char *interface, const char *property,
                sd_bus_message *reply, void *user_data, sd_bus_error *error)
{
  const Core2Log *self = user_data;

  return sd_bus_message_append (reply, "s", self->identifier);
}

static const sd_bus_vtable log_control_vtable[] = {
  SD_BUS_VTABLE_START (0),
  SD_BUS_WRITABLE_PROPERTY ("LogLevel", "s", get_log_level, set_log_level, 0, 0),
  SD_BUS_WRITABLE_PROPERTY ("LogTarget", "s", get_log_target, set_log_target, 0, 0),
  SD_BUS_PROPERTY ("SyslogIdentifier", "s", get_identifier, 0, 0),
  SD_BUS_VTABLE_END,
};

sd_bus_slot *
core2_log_serve (Core2Log *self, sd_bus *bus, GError **error)
{
  sd_bus_slot *slot = NULL;
  int r = sd_bus_add_object_vtable (bus, &slot, "/org/freedesktop/LogControl1",
                                    "org.freedesktop.LogControl1", log_control_vtable, self);

  if (r < 0)
    {
      g_set_error (error, CORE2_ERROR, CORE2_ERROR_FAILED, "cannot serve the log level: %s",
                   g_strerror (-r));
      return NULL;
    }
  return slot;
}
