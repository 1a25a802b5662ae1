/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-text.h"

#include <stdio.h>

#include "ctl-format.h"

char *
ctl_text_state (Core2DbusChip *chip)
{
  const char *text = core2_dbus_chip_get_status_text (chip);
  const char *state = core2_dbus_chip_get_state (chip);

  if (text != NULL && text[0] != '\0')
    return g_strdup (text);
  return g_strdup (state != NULL && state[0] != '\0' ? state : "unknown");
}

char *
ctl_text_steps (Core2DbusChip *chip)
{
  GString *text = g_string_new (NULL);
  guint today = core2_dbus_chip_get_steps_today (chip);
  guint goal = core2_dbus_chip_get_daily_goal (chip);
  guint cadence = core2_dbus_chip_get_cadence (chip);

  if (core2_dbus_chip_get_steps_updated (chip) == 0
      && core2_dbus_chip_get_steps_total (chip) == 0)
    g_string_append (text, "none counted yet");
  else
    g_string_append_printf (text, "%u today", today);
  if (goal != 0)
    g_string_append_printf (text, ", %" G_GUINT64_FORMAT " %% of %u", (guint64) today * 100 / goal,
                            goal);
  if (cadence != 0)
    g_string_append_printf (text, ", %u a minute now", cadence);
  return g_string_free (text, FALSE);
}

char *
ctl_text_battery (Core2DbusChip *chip, guint64 now)
{
  guint battery = core2_dbus_chip_get_battery (chip);
  const char *status = core2_dbus_chip_get_battery_status (chip);
  g_autofree char *age = ctl_format_age (core2_dbus_chip_get_battery_updated (chip), now);

  if (g_strcmp0 (status, "unsupported") == 0)
    return g_strdup ("this chip does not tell it");
  if (battery > 100)
    return g_strdup ("unknown");
  if (g_strcmp0 (status, "current") == 0)
    return g_strdup_printf ("%u %%", battery);
  return g_strdup_printf ("%u %%, %s", battery, age);
}

char *
ctl_text_orientation (Core2DbusChip *chip, guint64 now)
{
  GVariant *pair = core2_dbus_chip_get_orientation (chip);
  guint64 updated = core2_dbus_chip_get_orientation_updated (chip);
  g_autofree char *age = ctl_format_age (updated, now);
  guint16 x, y;

  if (pair == NULL || updated == 0)
    return g_strdup ("unknown");
  g_variant_get (pair, "(qq)", &x, &y);
  return g_strdup_printf ("x %u  y %u (raw), %s", x, y, age);
}

void
ctl_text_print_heading (Core2DbusChip *chip)
{
  g_autofree char *title = ctl_chip_dup_title (chip);
  const char *side = core2_dbus_chip_get_side (chip);
  gboolean sided = g_strcmp0 (side, "left") == 0 || g_strcmp0 (side, "right") == 0;

  printf ("%s%s%s %s%s%s  %s%s%s%s%s\n", ctl_style (stdout, ctl_chip_get_style (chip)),
          ctl_is_utf8 () ? "●" : "*", ctl_style (stdout, CTL_STYLE_NONE),
          ctl_style (stdout, CTL_STYLE_BOLD), title, ctl_style (stdout, CTL_STYLE_NONE),
          ctl_style (stdout, CTL_STYLE_DIM), sided ? side : "", sided ? "  " : "",
          core2_dbus_chip_get_address (chip), ctl_style (stdout, CTL_STYLE_NONE));
}

void
ctl_json_add_chip (JsonBuilder *builder, Core2DbusChip *chip)
{
  ctl_json_add_identity (builder, chip);
  ctl_json_add_connection (builder, chip);
  ctl_json_add_battery (builder, chip);
  ctl_json_add_steps (builder, chip);
  ctl_json_add_orientation (builder, chip);
}
