/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "ctl-watch.h"

#define NOW (G_GUINT64_CONSTANT (1795235417) * G_USEC_PER_SEC)

static void
free_chip (gpointer data)
{
  CtlWatchChip *self = data;

  g_object_unref (self->chip);
  g_free (self);
}

/* @n chips that walk, called "shoe 0" and so on. */
static GPtrArray *
make_chips (guint n)
{
  GPtrArray *chips = g_ptr_array_new_with_free_func (free_chip);

  for (guint i = 0; i < n; i++)
    {
      CtlWatchChip *self = g_new0 (CtlWatchChip, 1);
      g_autofree char *alias = g_strdup_printf ("shoe %u", i);

      self->chip = core2_dbus_chip_skeleton_new ();
      core2_dbus_chip_set_address (self->chip, "F1:4F:BB:6A:B5:79");
      core2_dbus_chip_set_alias (self->chip, alias);
      core2_dbus_chip_set_state (self->chip, "ready");
      core2_dbus_chip_set_status_text (self->chip, "connected");
      core2_dbus_chip_set_steps_updated (self->chip, NOW);
      core2_dbus_chip_set_steps_today (self->chip, 4213);
      core2_dbus_chip_set_daily_goal (self->chip, 10000);
      core2_dbus_chip_set_cadence (self->chip, 96);
      core2_dbus_chip_set_battery (self->chip, 62);
      core2_dbus_chip_set_battery_status (self->chip, "current");
      core2_dbus_chip_set_orientation (self->chip, g_variant_new ("(qq)", 512, 1023));
      core2_dbus_chip_set_orientation_updated (self->chip, NOW);
      self->largest = 1023;
      ctl_series_add (&self->series, (gint64) NOW, 8);
      g_ptr_array_add (chips, self);
    }
  return chips;
}

static void
check_fits (const char *text, guint width, guint height)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  g_assert_cmpuint (g_strv_length (lines), <=, height);
  for (guint i = 0; lines[i] != NULL; i++)
    g_assert_cmpuint (ctl_format_columns (lines[i]), <=, width);
}

static void
test_block (void)
{
  g_autoptr (GPtrArray) chips = make_chips (1);
  g_autofree char *text = ctl_watch_render (chips, "a notice", NOW, 100, 24, TRUE);

  check_fits (text, 100, 24);
  g_assert_nonnull (strstr (text, "a notice"));
  g_assert_nonnull (strstr (text, "shoe 0"));
  g_assert_nonnull (strstr (text, "connected"));
  g_assert_nonnull (strstr (text, "4213 of 10000 steps today"));
  g_assert_nonnull (strstr (text, "42 %"));
  g_assert_nonnull (strstr (text, "96 a minute"));
  g_assert_nonnull (strstr (text, "█  last 5 min"));
  g_assert_nonnull (strstr (text, "battery 62 %"));
  g_assert_nonnull (strstr (text, "x 512  y 1023 (raw), just now"));
}

static void
test_ascii (void)
{
  g_autoptr (GPtrArray) chips = make_chips (1);
  g_autofree char *text = ctl_watch_render (chips, NULL, NOW, 80, 24, FALSE);

  g_assert_true (g_str_is_ascii (text));
  g_assert_nonnull (strstr (text, "4213 of 10000 steps today"));
}

static void
test_every_size (void)
{
  for (guint n = 0; n < 5; n++)
    {
      g_autoptr (GPtrArray) chips = make_chips (n);

      for (guint width = 1; width < 250; width += 7)
        for (guint height = 1; height < 40; height += 3)
          {
            g_autofree char *text = ctl_watch_render (chips, "notice", NOW, width, height, TRUE);
            check_fits (text, width, height);
          }
    }
}

/* Where columns are few nothing important is cut off. */
static void
test_narrow (void)
{
  g_autoptr (GPtrArray) chips = make_chips (1);
  g_autofree char *text = ctl_watch_render (chips, NULL, NOW, 40, 24, TRUE);

  check_fits (text, 40, 24);
  g_assert_nonnull (strstr (text, "4213 of 10000 today"));
  g_assert_nonnull (strstr (text, " 42 %"));
  g_assert_nonnull (strstr (text, " 96/min"));
  g_assert_nonnull (strstr (text, "62 %  x 512  y 1023"));
}

static guint
count (const char *text, const char *word)
{
  g_auto (GStrv) parts = g_strsplit (text, word, -1);

  return g_strv_length (parts) - 1;
}

static void
test_wide (void)
{
  g_autoptr (GPtrArray) chips = make_chips (10);
  g_autofree char *columns = ctl_watch_render (chips, NULL, NOW, 200, 35, TRUE);
  g_autofree char *table = ctl_watch_render (chips, NULL, NOW, 120, 30, TRUE);
  g_auto (GStrv) lines = g_strsplit (columns, "\n", -1);

  /* Two blocks beside each other, five rows of them. */
  check_fits (columns, 200, 35);
  g_assert_cmpuint (count (columns, "(raw), just now"), ==, 10);
  g_assert_nonnull (strstr (lines[2], "shoe 0"));
  g_assert_nonnull (strstr (lines[2], "shoe 1"));
  g_assert_null (strstr (lines[2], "shoe 2"));

  g_assert_cmpuint (count (table, "(raw)"), ==, 0);
  g_assert_cmpuint (count (table, "\n● shoe "), ==, 10);
  g_assert_nonnull (strstr (table, "today   goal  cadence"));
}

static void
test_table (void)
{
  g_autoptr (GPtrArray) chips = make_chips (4);
  g_autofree char *lines = ctl_watch_render (chips, NULL, NOW, 80, 5, TRUE);
  g_autofree char *fewer = ctl_watch_render (chips, NULL, NOW, 80, 4, TRUE);

  g_assert_nonnull (strstr (lines, "● shoe 3   4213   42 %   96/min   62 %  connected"));
  g_assert_null (strstr (fewer, "shoe 2"));
  g_assert_nonnull (strstr (fewer, "and 2 more"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ctl-view/block", test_block);
  g_test_add_func ("/ctl-view/ascii", test_ascii);
  g_test_add_func ("/ctl-view/every-size", test_every_size);
  g_test_add_func ("/ctl-view/narrow", test_narrow);
  g_test_add_func ("/ctl-view/wide", test_wide);
  g_test_add_func ("/ctl-view/table", test_table);
  return g_test_run ();
}
