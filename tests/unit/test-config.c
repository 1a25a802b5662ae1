/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-config.h"
#include "core2-error.h"
#include "test-folder.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

/* Three folders, as /etc, /run and /usr/lib, the first of the most weight. */
typedef struct
{
  char *root;
  char *directories[4];
  GPtrArray *warnings;
} Fixture;

static GLogWriterOutput
collect_warning (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  GPtrArray *warnings = *(GPtrArray **) user_data;

  if (warnings == NULL || (level & G_LOG_LEVEL_MASK) != G_LOG_LEVEL_MESSAGE)
    return g_log_writer_default (level, fields, n_fields, NULL);
  for (gsize i = 0; i < n_fields; i++)
    if (strcmp (fields[i].key, "MESSAGE") == 0)
      g_ptr_array_add (warnings, g_strdup (fields[i].value));
  return G_LOG_WRITER_HANDLED;
}

static GPtrArray *collected; /* GLib's writer function belongs to the process */

static void
set_up (Fixture *self, gconstpointer data)
{
  const char *const names[] = { "etc", "run", "lib" };

  self->root = g_dir_make_tmp ("core2-config-XXXXXX", NULL);
  for (guint i = 0; i < 3; i++)
    {
      g_autofree char *drop_ins = g_build_filename (self->root, names[i], "core2d.conf.d", NULL);

      self->directories[i] = g_build_filename (self->root, names[i], NULL);
      g_assert_cmpint (g_mkdir_with_parents (drop_ins, 0700), ==, 0);
    }
  self->warnings = collected = g_ptr_array_new_with_free_func (g_free);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  remove_tree (self->root);
  for (guint i = 0; i < 3; i++)
    g_free (self->directories[i]);
  g_free (self->root);
  collected = NULL;
  g_ptr_array_unref (self->warnings);
}

static char *
put (Fixture *self, const char *name, const char *text)
{
  char *path = g_build_filename (self->root, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  return path;
}

static void
put_only (Fixture *self, const char *name, const char *text)
{
  g_free (put (self, name, text));
}

static gboolean
load (Fixture *self, Core2Config *config, GError **error)
{
  return core2_config_load_directories (config, (const char *const *) self->directories, error);
}

/* Every member set to something that no test file sets. */
static void
fill (Core2Config *config)
{
  memset (config, 0x5a, sizeof *config);
}

/* Loading must fail, name @place and @reason, and leave the configuration alone. */
static void
assert_refused (Fixture *self, const char *name, const char *text, const char *place,
                const char *reason)
{
  g_autoptr (GError) error = NULL;
  Core2Config config, before;

  fill (&before);
  config = before;
  put_only (self, name, text);
  g_assert_false (load (self, &config, &error));
  g_assert_error (error, CORE2_ERROR, CORE2_ERROR_INVALID_ARGUMENTS);
  g_assert_nonnull (strstr (error->message, place));
  g_assert_nonnull (strstr (error->message, reason));
  g_assert_cmpmem (&config, sizeof config, &before, sizeof before);
  put_only (self, name, "");
}

static void
test_defaults (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  Core2Config config, defaults;

  core2_config_init (&defaults);
  g_assert_cmpuint (defaults.day_start, ==, 0);
  g_assert_cmpuint (defaults.connect_timeout, ==, 60);
  g_assert_cmpuint (defaults.scan_timeout, ==, 5);
  g_assert_cmpuint (defaults.steps_max_signals, ==, 4);

  fill (&config);
  g_assert_true (load (self, &config, &error));
  g_assert_no_error (error);
  g_assert_cmpmem (&config, sizeof config, &defaults, sizeof defaults);
  g_assert_cmpuint (self->warnings->len, ==, 0);
}

static void
test_values (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  Core2Config config;

  put_only (self, "etc/core2d.conf",
            "# a comment\n[Days]\nDayStart = 04:30 \n[Scan]\nTimeoutSec=7\n");
  g_assert_true (load (self, &config, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (config.day_start, ==, 4 * 60 + 30);
  g_assert_cmpuint (config.scan_timeout, ==, 7);
  g_assert_cmpuint (config.connect_timeout, ==, 60);
  g_assert_cmpuint (self->warnings->len, ==, 0);
}

/* The main file of the first folder that has one; then drop-ins of all folders by name. */
static void
test_order (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  Core2Config config;

  put_only (self, "lib/core2d.conf", "[Scan]\nTimeoutSec=1\nForgetSec=11\n");
  put_only (self, "run/core2d.conf", "[Scan]\nTimeoutSec=2\n");
  g_assert_true (load (self, &config, &error));
  g_assert_cmpuint (config.scan_timeout, ==, 2);
  g_assert_cmpuint (config.scan_forget, ==, 180);

  put_only (self, "lib/core2d.conf.d/20-a.conf", "[Scan]\nTimeoutSec=3\nForgetSec=33\n");
  put_only (self, "etc/core2d.conf.d/10-b.conf", "[Scan]\nTimeoutSec=4\n");
  g_assert_true (load (self, &config, &error));
  g_assert_cmpuint (config.scan_timeout, ==, 3);
  g_assert_cmpuint (config.scan_forget, ==, 33);

  /* Hides the one of the same name as a whole. */
  put_only (self, "etc/core2d.conf.d/20-a.conf", "[Scan]\nTimeoutSec=5\n");
  g_assert_true (load (self, &config, &error));
  g_assert_cmpuint (config.scan_timeout, ==, 5);
  g_assert_cmpuint (config.scan_forget, ==, 180);

  put_only (self, "etc/core2d.conf.d/30-backup.conf~", "nonsense");
  put_only (self, "etc/core2d.conf.d/.hidden.conf", "nonsense");
  g_assert_true (load (self, &config, &error));
  g_assert_no_error (error);
}

static void
test_unknown (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  Core2Config config;

  put_only (self, "etc/core2d.conf",
            "[Scan]\nTimeoutSec=9\nTimoutSec=8\n\n[Scans]\nTimeoutSec=70000\n");
  g_assert_true (load (self, &config, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (config.scan_timeout, ==, 9);
  g_assert_cmpuint (self->warnings->len, ==, 2);
  g_assert_nonnull (strstr (self->warnings->pdata[0], "core2d.conf:3: "));
  g_assert_nonnull (strstr (self->warnings->pdata[0], "TimoutSec"));
  g_assert_nonnull (strstr (self->warnings->pdata[1], "core2d.conf:5: "));
  g_assert_nonnull (strstr (self->warnings->pdata[1], "[Scans]"));
}

static void
test_bad_values (Fixture *self, gconstpointer data)
{
  static const char *const bad[] = {
    "[Scan]\nTimeoutSec=0\n",      "[Scan]\nTimeoutSec=61\n",    "[Scan]\nTimeoutSec=-1\n",
    "[Scan]\nTimeoutSec=\n",       "[Scan]\nTimeoutSec=5s\n",    "[Scan]\nTimeoutSec=5.5\n",
    "[Scan]\nTimeoutSec=0x10\n",   "[Scan]\nTimeoutSec=5 6\n",   "[Scan]\nTimeoutSec=yes\n",
    "[Scan]\nTimeoutSec=99999999999999999999\n",                 "[Scan]\nTimeoutSec=\\q\n",
    "[Scan]\nTimeoutSec=\\q\\\n",
    "[Days]\nDayStart=24:00\n",    "[Days]\nDayStart=04:60\n",   "[Days]\nDayStart=4:00\n",
    "[Days]\nDayStart=04:00:00\n", "[Days]\nDayStart=midnight\n", "[Days]\nDayStart=-1:00\n",
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    assert_refused (self, "etc/core2d.conf", bad[i], "core2d.conf:2: ", "must be from");
  /* One bad line of a drop-in refuses the whole, also the good main file. */
  put_only (self, "etc/core2d.conf", "[Scan]\nTimeoutSec=9\n");
  assert_refused (self, "lib/core2d.conf.d/a.conf", "[Days]\n\nDayStart=x\n", "a.conf:3: ",
                  "DayStart=x");
}

static void
test_bad_files (Fixture *self, gconstpointer data)
{
  assert_refused (self, "etc/core2d.conf", "TimeoutSec=5\n", "core2d.conf: ", "");
  assert_refused (self, "etc/core2d.conf", "[Scan\n", "core2d.conf: ", "");
  assert_refused (self, "etc/core2d.conf", "[Scan]\nnonsense\n", "core2d.conf: ", "nonsense");
  assert_refused (self, "etc/core2d.conf", "[Scan]\nTimeoutSec=\xff\n", "core2d.conf",
                  "TimeoutSec");

  g_autoptr (GError) error = NULL;
  g_autofree char *directory = g_build_filename (self->root, "etc/core2d.conf.d/x.conf", NULL);
  Core2Config config;

  g_assert_cmpint (g_mkdir (directory, 0700), ==, 0);
  g_assert_false (load (self, &config, &error));
  g_assert_error (error, CORE2_ERROR, CORE2_ERROR_INVALID_ARGUMENTS);
}

static void
test_named_file (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = put (self, "my.conf", "[Scan]\nTimeoutSec=9\nForgetSec=99\n");
  g_autofree char *folder = g_strconcat (path, ".d", NULL);
  g_autofree char *missing = g_build_filename (self->root, "missing.conf", NULL);
  Core2Config config, before;

  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  put_only (self, "my.conf.d/a.conf", "[Scan]\nTimeoutSec=10\n");
  g_assert_true (core2_config_load (&config, path, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (config.scan_timeout, ==, 10);
  g_assert_cmpuint (config.scan_forget, ==, 99);

  before = config;
  g_assert_false (core2_config_load (&config, missing, &error));
  g_assert_error (error, CORE2_ERROR, CORE2_ERROR_INVALID_ARGUMENTS);
  g_assert_nonnull (strstr (error->message, missing));
  g_assert_cmpmem (&config, sizeof config, &before, sizeof before);
}

/* What --print-config prints is a configuration file with the same meaning. */
static void
test_print (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = put (self, "in.conf",
                                "[Days]\nDayStart=04:05\n[Battery]\nIntervalMin=5\n");
  g_autofree char *out = g_build_filename (self->root, "out.conf", NULL);
  g_autofree char *text = NULL;
  Core2Config config, again;
  FILE *stream = fopen (out, "w");

  g_assert_true (core2_config_load (&config, path, &error));
  core2_config_print (&config, stream);
  g_assert_cmpint (fclose (stream), ==, 0);

  fill (&again);
  g_assert_true (core2_config_load (&again, out, &error));
  g_assert_no_error (error);
  g_assert_cmpmem (&config, sizeof config, &again, sizeof again);
  g_assert_cmpuint (self->warnings->len, ==, 0);

  g_assert_true (g_file_get_contents (out, &text, NULL, NULL));
  g_assert_nonnull (strstr (text, "[Days]\n# "));
  g_assert_nonnull (strstr (text, "\nDayStart=04:05\n"));
}

#define ADD(path, function) \
  g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (collect_warning, &collected, NULL);
  ADD ("/config/defaults", test_defaults);
  ADD ("/config/values", test_values);
  ADD ("/config/order", test_order);
  ADD ("/config/unknown", test_unknown);
  ADD ("/config/bad-values", test_bad_values);
  ADD ("/config/bad-files", test_bad_files);
  ADD ("/config/named-file", test_named_file);
  ADD ("/config/print", test_print);
  return g_test_run ();
}
