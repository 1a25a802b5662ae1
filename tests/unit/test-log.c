/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MINUTE (60 * G_USEC_PER_SEC)

/* The writer function belongs to the process, so what it writes is looked at in child processes. */
static void
assert_stderr (const char *path, const char *expected)
{
  g_test_trap_subprocess (path, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr (expected);
}

static void
child_text (void)
{
  core2_log_install ("core2d");
  core2_log_info (NULL, "bus", "started %d", 1);
  core2_log_warning ("F1:4F:BB:6A:B5:79", "link", "lost");
  core2_log_error ("F1:4F:BB:6A:B5:79", "link", "broken");
  core2_log_debug (NULL, "bus", "unseen");
}

static void
test_text (void)
{
  assert_stderr ("/log/subprocess/text", "core2d: bus: started 1\n"
                                    "core2d: F1:4F:BB:6A:B5:79: link: warning: lost\n"
                                    "core2d: F1:4F:BB:6A:B5:79: link: error: broken\n");
}

static void
child_level (void)
{
  Core2Log *log = core2_log_install ("core2d");

  core2_log_set_level (log, CORE2_LOG_WARNING);
  g_assert_cmpint (core2_log_get_level (log), ==, CORE2_LOG_WARNING);
  core2_log_notice (NULL, "a", "unseen");
  core2_log_info (NULL, "a", "unseen");
  core2_log_warning (NULL, "a", "1");
  core2_log_set_level (log, CORE2_LOG_DEBUG);
  core2_log_debug (NULL, "a", "2");
  g_log_structured ("Other", G_LOG_LEVEL_DEBUG, "MESSAGE", "%s", "3");
  core2_log_set_level (log, CORE2_LOG_INFO);
  core2_log_debug (NULL, "a", "unseen");
}

static void
test_level (void)
{
  assert_stderr ("/log/subprocess/level", "core2d: a: warning: 1\n"
                                     "core2d: a: debug: 2\n"
                                     "core2d: debug: 3\n");
}

/* A chip's name cannot forge a line, and invalid UTF-8 is replaced. */
static void
child_hostile (void)
{
  core2_log_install ("core2d");
  core2_log_info (NULL, "a", "name '%s'", "x\ncore2d: forged\r\x1b[31m");
  core2_log_info (NULL, "a", "name '%s'", "\xff");
  core2_log_info (NULL, "a", "%s", "");
}

static void
test_hostile (void)
{
  assert_stderr ("/log/subprocess/hostile", "core2d: a: name 'x core2d: forged  [31m'\n"
                                       "core2d: a: name '\357\277\275'\n"
                                       "core2d: a:  \n");
}

/* What the world does must not end a process that runs under G_DEBUG=fatal-warnings ... */
static void
child_never_fatal (void)
{
  core2_log_install ("core2d");
  core2_log_error (NULL, "a", "1");
  core2_log_warning (NULL, "a", "2");
}

static void
test_never_fatal (void)
{
  assert_stderr ("/log/subprocess/never-fatal", "*1\n*2\n");
}

/* ... and a fault of the program must. */
static void
child_fatal (void)
{
  g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING);
  core2_log_install ("core2d");
  g_log_structured ("Other", G_LOG_LEVEL_WARNING, "MESSAGE", "%s", "a fault");
}

static void
test_fatal (void)
{
  g_test_trap_subprocess ("/log/subprocess/fatal", 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_failed ();
  g_test_trap_assert_stderr ("*a fault*");
}

static gboolean
has_field (const GLogField *fields, gsize n_fields, const char *key, const char *value)
{
  for (gsize i = 0; i < n_fields; i++)
    if (strcmp (fields[i].key, key) == 0)
      return strcmp (fields[i].value, value) == 0;
  return FALSE;
}

static gboolean
has_key (const GLogField *fields, gsize n_fields, const char *key)
{
  for (gsize i = 0; i < n_fields; i++)
    if (strcmp (fields[i].key, key) == 0)
      return TRUE;
  return FALSE;
}

static GLogWriterOutput
check_fields (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  guint *n_seen = user_data;

  switch ((*n_seen)++)
    {
    case 0:
      g_assert_cmpint (level & G_LOG_LEVEL_MASK, ==, G_LOG_LEVEL_MESSAGE);
      g_assert_true (has_field (fields, n_fields, "PRIORITY", "4"));
      g_assert_true (has_field (fields, n_fields, "MESSAGE", "gone for 5 s"));
      g_assert_true (has_field (fields, n_fields, "CORE2_CHIP", "F1:4F:BB:6A:B5:79"));
      g_assert_true (has_field (fields, n_fields, "CORE2_TOPIC", "link"));
      g_assert_true (has_field (fields, n_fields, "CORE2_STATE", "waiting"));
      g_assert_true (has_field (fields, n_fields, "CORE2_ERROR", "org.example.Core2.Error.Asleep"));
      g_assert_true (has_field (fields, n_fields, "MESSAGE_ID", CORE2_LOG_ID_CHIP_LOST));
      g_assert_true (has_field (fields, n_fields, "GLIB_DOMAIN", "core2d"));
      g_assert_true (has_key (fields, n_fields, "CODE_LINE"));
      break;
    default:
      g_assert_cmpint (level & G_LOG_LEVEL_MASK, ==, G_LOG_LEVEL_INFO);
      g_assert_true (has_field (fields, n_fields, "PRIORITY", "6"));
      g_assert_false (has_key (fields, n_fields, "CORE2_CHIP"));
      g_assert_false (has_key (fields, n_fields, "MESSAGE_ID"));
    }
  return G_LOG_WRITER_HANDLED;
}

static void
child_fields (void)
{
  guint n_seen = 0;

  g_log_set_writer_func (check_fields, &n_seen, NULL);
  core2_log_event (CORE2_LOG_WARNING,
                   CORE2_LOG_FIELDS (.chip = "F1:4F:BB:6A:B5:79", .topic = "link",
                                     .state = "waiting", .error = "org.example.Core2.Error.Asleep",
                                     .message_id = CORE2_LOG_ID_CHIP_LOST),
                   "gone for %d s", 5);
  core2_log_info (NULL, "bus", "plain");
  g_assert_cmpuint (n_seen, ==, 2);
}

static void
test_fields (void)
{
  g_test_trap_subprocess ("/log/subprocess/fields", 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
}

static void
test_limit (void)
{
  g_autoptr (Core2LogLimit) limit = core2_log_limit_new ();
  guint suppressed = 99;

  g_assert_true (core2_log_limit_pass (limit, "a", 0, &suppressed));
  g_assert_cmpuint (suppressed, ==, 0);
  g_assert_false (core2_log_limit_pass (limit, "a", 1, &suppressed));
  g_assert_false (core2_log_limit_pass (limit, "a", MINUTE - 1, &suppressed));
  g_assert_true (core2_log_limit_pass (limit, "b", 1, &suppressed));
  g_assert_true (core2_log_limit_pass (limit, "a", MINUTE, &suppressed));
  g_assert_cmpuint (suppressed, ==, 2);
  g_assert_false (core2_log_limit_pass (limit, "a", 2 * MINUTE - 1, &suppressed));
  g_assert_true (core2_log_limit_pass (limit, "a", 2 * MINUTE, &suppressed));
  g_assert_cmpuint (suppressed, ==, 1);
}

/* Keys that the world invents do not fill the memory; the oldest goes first. */
static void
test_limit_many (void)
{
  g_autoptr (Core2LogLimit) limit = core2_log_limit_new ();
  guint suppressed;

  for (guint i = 0; i < 300; i++)
    {
      g_autofree char *key = g_strdup_printf ("%u", i);

      g_assert_true (core2_log_limit_pass (limit, key, i, &suppressed));
    }
  g_assert_false (core2_log_limit_pass (limit, "299", 300, &suppressed));
  g_assert_false (core2_log_limit_pass (limit, "44", 300, &suppressed));
  g_assert_true (core2_log_limit_pass (limit, "43", 300, &suppressed));
}

static void
child_limited (void)
{
  g_autoptr (Core2LogLimit) limit = core2_log_limit_new ();

  core2_log_install ("core2d");
  for (int i = 0; i < 5; i++)
    core2_log_write_limited (limit, "key", CORE2_LOG_INFO, CORE2_LOG_FIELDS (.topic = "a"),
                             "line %d", i);
}

static void
test_limited (void)
{
  assert_stderr ("/log/subprocess/limited", "core2d: a: line 0\n");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/log/text", test_text);
  g_test_add_func ("/log/level", test_level);
  g_test_add_func ("/log/hostile", test_hostile);
  g_test_add_func ("/log/never-fatal", test_never_fatal);
  g_test_add_func ("/log/fatal", test_fatal);
  g_test_add_func ("/log/fields", test_fields);
  g_test_add_func ("/log/limit", test_limit);
  g_test_add_func ("/log/limit-many", test_limit_many);
  g_test_add_func ("/log/limited", test_limited);
  /* Paths with this word run only when asked for. */
  g_test_add_func ("/log/subprocess/text", child_text);
  g_test_add_func ("/log/subprocess/level", child_level);
  g_test_add_func ("/log/subprocess/hostile", child_hostile);
  g_test_add_func ("/log/subprocess/never-fatal", child_never_fatal);
  g_test_add_func ("/log/subprocess/fatal", child_fatal);
  g_test_add_func ("/log/subprocess/fields", child_fields);
  g_test_add_func ("/log/subprocess/limited", child_limited);
  return g_test_run ();
}
