/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-config.h"
#include "core2-error.h"
#include "core2-log.h"

#include <string.h>

#define TOPIC "config"
#define FILE_NAME "core2d.conf"

typedef gboolean (*ParseFunc) (const char *text, guint *value);
typedef char *(*FormatFunc) (guint value);

typedef struct
{
  const char *group;
  const char *key;
  gsize offset; /* of a guint in Core2Config */
  guint preset;
  guint min;
  guint max;
  ParseFunc parse;
  FormatFunc format;
  const char *help; /* one line, two with \n in it */
} Option;

static gboolean
parse_number (const char *text, guint *value)
{
  guint64 number;

  if (!g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT, &number, NULL))
    return FALSE;
  *value = (guint) number;
  return TRUE;
}

static char *
format_number (guint value)
{
  return g_strdup_printf ("%u", value);
}

/* "HH:MM" to minutes. */
static gboolean
parse_clock (const char *text, guint *value)
{
  if (strlen (text) != 5 || text[2] != ':' || !g_ascii_isdigit (text[0])
      || !g_ascii_isdigit (text[1]) || !g_ascii_isdigit (text[3]) || !g_ascii_isdigit (text[4]))
    return FALSE;

  guint hours = (guint) (text[0] - '0') * 10 + (guint) (text[1] - '0');
  guint minutes = (guint) (text[3] - '0') * 10 + (guint) (text[4] - '0');

  if (hours > 23 || minutes > 59)
    return FALSE;
  *value = hours * 60 + minutes;
  return TRUE;
}

static char *
format_clock (guint value)
{
  return g_strdup_printf ("%02u:%02u", value / 60, value % 60);
}

#define NUMBER(group, key, member, preset, min, max, help) \
  { group, key, G_STRUCT_OFFSET (Core2Config, member), preset, min, max, parse_number, \
    format_number, help }
#define CLOCK(group, key, member, preset, help) \
  { group, key, G_STRUCT_OFFSET (Core2Config, member), preset, 0, 24 * 60 - 1, parse_clock, \
    format_clock, help }

/* Options of one group stand together. */
static const Option options[] = {
  CLOCK ("Days", "DayStart", day_start, 0,
         "Local time at which a new day of steps begins, HH:MM. Who walks past midnight may like 04:00."),

  NUMBER ("Link", "ConnectTimeoutSec", connect_timeout, 60, 5, 600,
          "How long BlueZ may take to answer a request to connect, in seconds. It gives up a chip that sleeps "
          "after 41 s; with less than that here nobody listens for a sleeping chip at times."),
  NUMBER ("Link", "RequestTimeoutSec", request_timeout, 10, 1, 60,
          "How long a chip may take to answer a read, a write or a subscription, in seconds."),
  NUMBER ("Link", "ReadyTimeoutSec", ready_timeout, 30, 5, 120,
          "How long a connected chip may take until it is of use, in seconds."),
  NUMBER ("Link", "BackoffMaxSec", backoff_max, 60, 1, 3600,
          "Longest pause between two attempts to connect, in seconds."),

  NUMBER ("Scan", "TimeoutSec", scan_timeout, 5, 1, 60,
          "How long a scan lasts when its caller does not say, in seconds."),
  NUMBER ("Scan", "ForgetSec", scan_forget, 180, 10, 86400,
          "After how many seconds a chip that was only seen in a scan is dropped."),

  NUMBER ("Orientation", "MinIntervalMs", orientation_min_interval, 2000, 100, 60000,
          "Shortest time between two orientation requests to one chip, in milliseconds.\n"
          "Less costs the chip's battery."),

  NUMBER ("Steps", "MaxSignalsPerSecond", steps_max_signals, 4, 1, 100,
          "Most StepsChanged signals a second for one chip. More are merged, no step is lost."),

  NUMBER ("Battery", "IntervalMin", battery_interval, 60, 1, 10080,
          "How often the battery of a connected chip is read, in minutes."),

  NUMBER ("History", "RetentionDays", history_retention, 400, 1, 36500,
          "For how many days the steps of each minute are kept. The sums of days are kept for ever."),
  NUMBER ("History", "FetchFromChip", history_fetch, 0, 0, 1,
          "Whether the chip is asked after an absence when its steps were made (1), or that is estimated (0).\n"
          "The bands of the same maker answer; of this chip it is not known. Nothing is deleted on it."),

  NUMBER ("Pairing", "Preamble", pairing_preamble, 1, 0, 1,
          "Whether a pairing begins with the bytes 01 00 (1), or goes straight to the key (0): the\n"
          "two programs that are known to pair the chip differ in it."),
};

static guint *
get_value (Core2Config *self, const Option *option)
{
  return (guint *) (gpointer) ((guint8 *) self + option->offset);
}

void
core2_config_init (Core2Config *self)
{
  memset (self, 0, sizeof *self);
  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    *get_value (self, &options[i]) = options[i].preset;
}

/* --- where a message points to -------------------------------------------------------------- */

/* The line of @key in [@group], or of the group's header with @key NULL; 0 when not found. GKeyFile does
 * not tell; for messages only. */
static guint
find_line (const char *text, const char *group, const char *key)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autofree char *header = g_strdup_printf ("[%s]", group);
  gboolean inside = FALSE;
  guint found = 0;

  for (guint i = 0; lines[i] != NULL; i++)
    {
      const char *line = g_strstrip (lines[i]);

      if (line[0] == '[')
        {
          inside = g_str_equal (line, header);
          if (inside && key == NULL)
            return i + 1;
        }
      else if (inside && key != NULL && g_str_has_prefix (line, key))
        {
          const char *rest = line + strlen (key);

          while (g_ascii_isspace (*rest))
            rest++;
          if (*rest == '=')
            found = i + 1; /* of several the last one counts */
        }
    }
  return found;
}

static char *
format_place (const char *path, const char *text, const char *group, const char *key)
{
  guint line = find_line (text, group, key);

  return line == 0 ? g_strdup (path) : g_strdup_printf ("%s:%u", path, line);
}

/* --- reading -------------------------------------------------------------------------------- */

static const Option *
find_option (const char *group, const char *key)
{
  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    if (g_str_equal (options[i].group, group) && (key == NULL || g_str_equal (options[i].key, key)))
      return &options[i];
  return NULL;
}

static gboolean
apply_option (Core2Config *self, const Option *option, GKeyFile *file, const char *path,
              const char *text, GError **error)
{
  /* As it stands: no value needs an escape, and g_key_file_get_string() warns of two broken ones in a row. */
  g_autofree char *value = g_key_file_get_value (file, option->group, option->key, NULL);
  guint parsed;

  g_strstrip (value);
  if (option->parse (value, &parsed) && parsed >= option->min && parsed <= option->max)
    {
      *get_value (self, option) = parsed;
      return TRUE;
    }

  g_autofree char *place = format_place (path, text, option->group, option->key);
  g_autofree char *min = option->format (option->min);
  g_autofree char *max = option->format (option->max);
  g_autofree char *shown = g_utf8_make_valid (value, -1);

  g_set_error (error, CORE2_ERROR, CORE2_ERROR_INVALID_ARGUMENTS,
               "%s: [%s] %s=%s is not valid: it must be from %s to %s", place, option->group,
               option->key, shown, min, max);
  return FALSE;
}

static gboolean
apply_group (Core2Config *self, const char *group, GKeyFile *file, const char *path,
             const char *text, GError **error)
{
  g_auto (GStrv) keys = g_key_file_get_keys (file, group, NULL, NULL);

  if (find_option (group, NULL) == NULL)
    {
      g_autofree char *place = format_place (path, text, group, NULL);

      core2_log_warning (NULL, TOPIC, "%s: no group is called [%s], ignored", place, group);
      return TRUE;
    }
  for (guint i = 0; keys != NULL && keys[i] != NULL; i++)
    {
      const Option *option = find_option (group, keys[i]);

      if (option == NULL)
        {
          g_autofree char *place = format_place (path, text, group, keys[i]);

          core2_log_warning (NULL, TOPIC, "%s: no option of [%s] is called %s, ignored", place,
                             group, keys[i]);
        }
      else if (!apply_option (self, option, file, path, text, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
core2_config_apply_text (Core2Config *self, const char *path, const char *text, gsize size,
                         GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) problem = NULL;

  if (!g_key_file_load_from_data (file, text, size, G_KEY_FILE_NONE, &problem))
    {
      g_autofree char *reason = g_utf8_make_valid (problem->message, -1);

      g_set_error (error, CORE2_ERROR, CORE2_ERROR_INVALID_ARGUMENTS, "%s: %s", path, reason);
      return FALSE;
    }

  g_auto (GStrv) groups = g_key_file_get_groups (file, NULL);

  for (guint i = 0; groups[i] != NULL; i++)
    if (!apply_group (self, groups[i], file, path, text, error))
      return FALSE;
  return TRUE;
}

static gboolean
apply_file (Core2Config *self, const char *path, GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_autofree char *text = NULL;
  gsize size;

  if (g_file_get_contents (path, &text, &size, &problem))
    return core2_config_apply_text (self, path, text, size, error);
  g_set_error (error, CORE2_ERROR, CORE2_ERROR_INVALID_ARGUMENTS, "%s: %s", path, problem->message);
  return FALSE;
}

/* Adds DIRECTORY/NAME.conf to @files (name -> path) where the name is not there yet. */
static void
collect_drop_ins (GTree *files, const char *directory)
{
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  const char *name;

  if (dir == NULL) /* a folder that is not there is the ordinary case */
    return;
  while ((name = g_dir_read_name (dir)) != NULL)
    if (name[0] != '.' && g_str_has_suffix (name, ".conf") && g_tree_lookup (files, name) == NULL)
      g_tree_insert (files, g_strdup (name), g_build_filename (directory, name, NULL));
}

typedef struct
{
  Core2Config *config;
  GError **error;
  gboolean ok;
} Applying;

static gboolean
on_drop_in (gpointer name, gpointer path, gpointer user_data)
{
  Applying *applying = user_data;

  applying->ok = apply_file (applying->config, path, applying->error);
  return !applying->ok;
}

static int
compare_names (gconstpointer a, gconstpointer b, gpointer user_data)
{
  return strcmp (a, b);
}

static GTree *
drop_ins_new (void)
{
  return g_tree_new_full (compare_names, NULL, g_free, g_free);
}

static gboolean
apply_drop_ins (Core2Config *self, GTree *files, GError **error)
{
  Applying applying = { self, error, TRUE };

  g_tree_foreach (files, on_drop_in, &applying);
  return applying.ok;
}

gboolean
core2_config_load_directories (Core2Config *self, const char *const *directories, GError **error)
{
  g_autoptr (GTree) drop_ins = drop_ins_new ();
  g_autofree char *main_file = NULL;
  Core2Config config;

  for (guint i = 0; directories[i] != NULL; i++)
    {
      g_autofree char *file = g_build_filename (directories[i], FILE_NAME, NULL);
      g_autofree char *folder = g_strconcat (file, ".d", NULL);

      if (main_file == NULL && g_file_test (file, G_FILE_TEST_EXISTS))
        main_file = g_steal_pointer (&file);
      collect_drop_ins (drop_ins, folder);
    }

  core2_config_init (&config);
  if (main_file != NULL && !apply_file (&config, main_file, error))
    return FALSE;
  if (!apply_drop_ins (&config, drop_ins, error))
    return FALSE;
  *self = config;
  return TRUE;
}

gboolean
core2_config_load (Core2Config *self, const char *path, GError **error)
{
  static const char *const directories[]
      = { "/etc/core2d", "/run/core2d", "/usr/lib/core2d", NULL };
  Core2Config config;

  if (path == NULL)
    return core2_config_load_directories (self, directories, error);

  g_autoptr (GTree) drop_ins = drop_ins_new ();
  g_autofree char *folder = g_strconcat (path, ".d", NULL);

  collect_drop_ins (drop_ins, folder);
  core2_config_init (&config);
  if (!apply_file (&config, path, error) || !apply_drop_ins (&config, drop_ins, error))
    return FALSE;
  *self = config;
  return TRUE;
}

/* --- printing ------------------------------------------------------------------------------- */

static void
print_help (const Option *option, FILE *stream)
{
  g_auto (GStrv) lines = g_strsplit (option->help, "\n", -1);
  g_autofree char *preset = option->format (option->preset);
  g_autofree char *min = option->format (option->min);
  g_autofree char *max = option->format (option->max);

  for (guint i = 0; lines[i] != NULL; i++)
    fprintf (stream, "# %s\n", lines[i]);
  fprintf (stream, "# From %s to %s, default %s.\n", min, max, preset);
}

void
core2_config_print (const Core2Config *self, FILE *stream)
{
  const char *group = "";
  Core2Config values = *self;

  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    {
      const Option *option = &options[i];
      g_autofree char *value = option->format (*get_value (&values, option));

      if (!g_str_equal (group, option->group))
        fprintf (stream, "%s[%s]\n", i == 0 ? "" : "\n", option->group);
      else
        fputc ('\n', stream);
      group = option->group;
      print_help (option, stream);
      fprintf (stream, "%s=%s\n", option->key, value);
    }
}
