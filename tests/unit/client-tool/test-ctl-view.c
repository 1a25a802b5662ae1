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
    g_assert_cmpint (g_utf8_strlen (lines[i], -1), <=, width);
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

static void
test_small (void)
{
  g_autoptr (GPtrArray) chips = make_chips (4);
  g_autofree char *lines = ctl_watch_render (chips, NULL, NOW, 80, 5, TRUE);
  g_autofree char *fewer = ctl_watch_render (chips, NULL, NOW, 80, 4, TRUE);

  g_assert_nonnull (strstr (lines, "shoe 3: 4213 today"));
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
  g_test_add_func ("/ctl-view/small", test_small);
  return g_test_run ();
}
