/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A configuration file of any bytes: what is accepted comes back the same from being printed and read again,
 * what is refused says where and why. */
#include "core2-config.h"
#include "core2-error.h"

#include "fuzz-target.h"

#include <stdlib.h>
#include <string.h>

#define PATH "/etc/core2d/core2d.conf"

/* Warnings of unknown options come by the thousand. Each must be valid text all the same. */
static GLogWriterOutput
on_message (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  for (gsize i = 0; i < n_fields; i++)
    if (strcmp (fields[i].key, "MESSAGE") == 0)
      g_assert_true (g_utf8_validate (fields[i].value, fields[i].length, NULL));
  if ((level & (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING | G_LOG_FLAG_FATAL)) != 0)
    abort ();
  return G_LOG_WRITER_HANDLED;
}

static char *
print (const Core2Config *config)
{
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream (&text, &size);

  g_assert_nonnull (stream);
  core2_config_print (config, stream);
  g_assert_cmpint (fclose (stream), ==, 0);
  return text;
}

static void
check_again (const Core2Config *config)
{
  Core2Config again;
  g_autoptr (GError) error = NULL;
  char *first = print (config);
  char *second;

  core2_config_init (&again);
  g_assert_true (core2_config_apply_text (&again, PATH, first, strlen (first), &error));
  g_assert_no_error (error);
  second = print (&again);
  g_assert_cmpstr (first, ==, second);
  g_assert_cmpmem (config, sizeof *config, &again, sizeof again);
  free (first);
  free (second);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static gboolean silent = FALSE;
  g_autofree char *text = g_malloc0 (size + 1);
  g_autoptr (GError) error = NULL;
  Core2Config config;

  if (!silent)
    g_log_set_writer_func (on_message, NULL, NULL);
  silent = TRUE;
  if (size > 0)
    memcpy (text, data, size);
  core2_config_init (&config);
  if (core2_config_apply_text (&config, PATH, text, size, &error))
    {
      g_assert_no_error (error);
      check_again (&config);
      return 0;
    }
  g_assert_error (error, CORE2_ERROR, CORE2_ERROR_INVALID_ARGUMENTS);
  g_assert_true (g_str_has_prefix (error->message, PATH ":"));
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
  return 0;
}
