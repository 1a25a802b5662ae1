/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>

#include "notify-memory.h"
#include "notify-rules.h"

/* Judges a current battery and, as the program does when it has shown it, remembers the result. */
static guint
judge (NotifyTold *told, guint percentage)
{
  guint after, level = notify_rules_judge_battery (told, percentage, "current", &after);

  told->battery = after;
  return level;
}

static void
test_battery_falls (void)
{
  NotifyTold told = { 0 };

  for (guint percentage = 100; percentage <= 100; percentage--)
    {
      guint expected = percentage == 20 ? 20 : percentage == 10 ? 10 : 0;

      g_assert_cmpuint (judge (&told, percentage), ==, expected);
      if (percentage == 0)
        break;
    }
}

static void
test_battery_jumps (void)
{
  NotifyTold told = { 0 };

  /* One message, not two, for a battery that is found nearly empty. */
  g_assert_cmpuint (judge (&told, 7), ==, 10);
  g_assert_cmpuint (judge (&told, 7), ==, 0);
}

static void
test_battery_trembles (void)
{
  NotifyTold told = { 0 };

  g_assert_cmpuint (judge (&told, 20), ==, 20);
  for (guint i = 0; i < 3; i++)
    {
      g_assert_cmpuint (judge (&told, 24), ==, 0);
      g_assert_cmpuint (judge (&told, 19), ==, 0);
    }
  g_assert_cmpuint (judge (&told, 10), ==, 10);
  g_assert_cmpuint (judge (&told, 14), ==, 0);
  g_assert_cmpuint (judge (&told, 9), ==, 0);
}

static void
test_battery_rearmed (void)
{
  NotifyTold told = { 0 };

  g_assert_cmpuint (judge (&told, 20), ==, 20);
  g_assert_cmpuint (judge (&told, 25), ==, 0);
  g_assert_cmpuint (judge (&told, 20), ==, 20);
  g_assert_cmpuint (judge (&told, 10), ==, 10);
  /* 15 arms the lower level only. */
  g_assert_cmpuint (judge (&told, 15), ==, 0);
  g_assert_cmpuint (judge (&told, 10), ==, 10);
  g_assert_cmpuint (judge (&told, 100), ==, 0);
  g_assert_cmpuint (judge (&told, 5), ==, 10);
}

static void
test_battery_unknown (void)
{
  static const char *const statuses[] = { "unknown", "stale", "unsupported", "", NULL };
  NotifyTold told = { 0 };
  guint after;

  for (guint i = 0; i < G_N_ELEMENTS (statuses); i++)
    {
      g_assert_cmpuint (notify_rules_judge_battery (&told, 5, statuses[i], &after), ==, 0);
      g_assert_cmpuint (after, ==, 0);
    }
  g_assert_cmpuint (notify_rules_judge_battery (&told, 255, "current", &after), ==, 0);
  /* What is unknown arms nothing either. */
  told.battery = 20;
  g_assert_cmpuint (notify_rules_judge_battery (&told, 62, "stale", &after), ==, 0);
  g_assert_cmpuint (told.battery, ==, 20);
}

static void
test_key (void)
{
  const char *rejected = "org.example.Core2.Error.KeyRejected";
  NotifyTold told = { 0 };

  g_assert_false (notify_rules_judge_key (&told, "", FALSE));
  g_assert_false (notify_rules_judge_key (&told, "org.example.Core2.Error.Timeout", FALSE));
  g_assert_true (notify_rules_judge_key (&told, rejected, FALSE));
  told.key_rejected = TRUE;
  g_assert_false (notify_rules_judge_key (&told, rejected, FALSE));
  /* A new attempt that has not come as far as the key says nothing about it. */
  g_assert_false (notify_rules_judge_key (&told, "", FALSE));
  g_assert_false (notify_rules_judge_key (&told, rejected, FALSE));
  g_assert_false (notify_rules_judge_key (&told, "", TRUE));
  g_assert_true (notify_rules_judge_key (&told, rejected, FALSE));
}

static void
test_goal (void)
{
  NotifyTold none = { 0 };
  NotifyTold today = { .goal_day = "2026-03-02" };

  g_assert_true (notify_rules_judge_goal (&none, NULL, "2026-03-02"));
  g_assert_false (notify_rules_judge_goal (&today, NULL, "2026-03-02"));
  g_assert_true (notify_rules_judge_goal (&today, NULL, "2026-03-03"));
  g_assert_false (notify_rules_judge_goal (&none, &today, "2026-03-02"));
  g_assert_true (notify_rules_judge_goal (&none, &today, "2026-03-03"));
}

static void
test_pair (void)
{
  g_assert_true (notify_rules_is_pair ("left", "right"));
  g_assert_true (notify_rules_is_pair ("right", "left"));
  g_assert_false (notify_rules_is_pair ("left", "left"));
  g_assert_false (notify_rules_is_pair ("unknown", "right"));
  g_assert_false (notify_rules_is_pair ("unknown", "unknown"));
  g_assert_false (notify_rules_is_pair (NULL, "left"));
}

typedef struct
{
  char *folder;
  char *path;
} Files;

static void
files_set_up (Files *self, gconstpointer data)
{
  self->folder = g_dir_make_tmp ("core2-notify-XXXXXX", NULL);
  g_assert_nonnull (self->folder);
  self->path = g_build_filename (self->folder, "state", "told", NULL);
}

static void
files_tear_down (Files *self, gconstpointer data)
{
  g_autofree char *state = g_path_get_dirname (self->path);

  g_remove (self->path);
  g_rmdir (state);
  g_rmdir (self->folder);
  g_free (self->path);
  g_free (self->folder);
}

static void
test_memory_remembers (Files *self, gconstpointer data)
{
  const NotifyTold left = { .battery = 20, .key_rejected = TRUE, .goal_day = "2026-03-02" };
  const NotifyTold right = { .battery = 10 };
  NotifyMemory *memory = notify_memory_new (self->path);
  NotifyTold told;
  GStatBuf status;

  notify_memory_set (memory, "F1:4F:BB:6A:B5:79", &left);
  notify_memory_set (memory, "F1:4F:BB:6A:B5:7A", &right);
  notify_memory_free (memory);
  g_assert_cmpint (g_stat (self->path, &status), ==, 0);
  g_assert_cmpint (status.st_mode & 0777, ==, 0600);

  memory = notify_memory_new (self->path);
  told = notify_memory_get (memory, "F1:4F:BB:6A:B5:79");
  g_assert_cmpuint (told.battery, ==, 20);
  g_assert_true (told.key_rejected);
  g_assert_cmpstr (told.goal_day, ==, "2026-03-02");
  told = notify_memory_get (memory, "F1:4F:BB:6A:B5:7A");
  g_assert_cmpuint (told.battery, ==, 10);
  g_assert_false (told.key_rejected);
  g_assert_cmpstr (told.goal_day, ==, "");
  told = notify_memory_get (memory, "00:00:00:00:00:00");
  g_assert_cmpuint (told.battery, ==, 0);
  notify_memory_free (memory);
}

static void
test_memory_damaged (Files *self, gconstpointer data)
{
  g_autofree char *state = g_path_get_dirname (self->path);
  NotifyMemory *memory;
  NotifyTold told;

  g_assert_cmpint (g_mkdir (state, 0700), ==, 0);
  g_assert_true (g_file_set_contents (self->path, "[F1:4F:BB:6A:B5:79]\nBattery=17\nGoalDay="
                                                  "2026-03-02-and-more\n[broken", -1, NULL));
  memory = notify_memory_new (self->path);
  told = notify_memory_get (memory, "F1:4F:BB:6A:B5:79");
  g_assert_cmpuint (told.battery, ==, 0);
  told.battery = 10;
  notify_memory_set (memory, "F1:4F:BB:6A:B5:79", &told);
  notify_memory_free (memory);

  memory = notify_memory_new (self->path);
  g_assert_cmpuint (notify_memory_get (memory, "F1:4F:BB:6A:B5:79").battery, ==, 10);
  notify_memory_free (memory);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/notify/battery/falls", test_battery_falls);
  g_test_add_func ("/notify/battery/jumps", test_battery_jumps);
  g_test_add_func ("/notify/battery/trembles", test_battery_trembles);
  g_test_add_func ("/notify/battery/rearmed", test_battery_rearmed);
  g_test_add_func ("/notify/battery/unknown", test_battery_unknown);
  g_test_add_func ("/notify/key", test_key);
  g_test_add_func ("/notify/goal", test_goal);
  g_test_add_func ("/notify/pair", test_pair);
  g_test_add ("/notify/memory/remembers", Files, NULL, files_set_up, test_memory_remembers,
              files_tear_down);
  g_test_add ("/notify/memory/damaged", Files, NULL, files_set_up, test_memory_damaged,
              files_tear_down);
  return g_test_run ();
}
