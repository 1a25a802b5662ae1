/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "desk-text.h"

static char *
capitalize (const char *text)
{
  g_autofree char *first = NULL;
  gunichar letter;

  if (text == NULL || text[0] == '\0' || !g_utf8_validate (text, -1, NULL))
    return g_strdup ("");
  letter = g_unichar_toupper (g_utf8_get_char (text));
  first = g_ucs4_to_utf8 (&letter, 1, NULL, NULL, NULL);
  return g_strconcat (first, g_utf8_next_char (text), NULL);
}

char *
desk_text_title (Core2DbusChip *chip)
{
  const char *alias = core2_dbus_chip_get_alias (chip);
  const char *side = core2_dbus_chip_get_side (chip);
  const char *name = core2_dbus_chip_get_name (chip);

  if (alias != NULL && alias[0] != '\0')
    return g_strdup (alias);
  if (g_strcmp0 (side, "left") == 0)
    return g_strdup ("Left chip");
  if (g_strcmp0 (side, "right") == 0)
    return g_strdup ("Right chip");
  if (name != NULL && name[0] != '\0')
    return g_strdup (name);
  return g_strdup (core2_dbus_chip_get_address (chip));
}

char *
desk_text_status (Core2DbusChip *chip)
{
  return capitalize (core2_dbus_chip_get_status_text (chip));
}

static gboolean
has_battery (Core2DbusChip *chip)
{
  const char *status = core2_dbus_chip_get_battery_status (chip);

  return g_strcmp0 (status, "current") == 0 || g_strcmp0 (status, "stale") == 0;
}

char *
desk_text_battery (Core2DbusChip *chip)
{
  guint percentage = core2_dbus_chip_get_battery (chip);

  if (!has_battery (chip))
    return g_strdup ("Unknown");
  if (g_strcmp0 (core2_dbus_chip_get_battery_status (chip), "stale") == 0)
    return g_strdup_printf ("%u %% (old value)", percentage);
  return g_strdup_printf ("%u %%", percentage);
}

const char *
desk_text_battery_icon (Core2DbusChip *chip)
{
  static const char *const icons[] = {
    "battery-level-0-symbolic",   "battery-level-10-symbolic", "battery-level-20-symbolic",
    "battery-level-30-symbolic",  "battery-level-40-symbolic", "battery-level-50-symbolic",
    "battery-level-60-symbolic",  "battery-level-70-symbolic", "battery-level-80-symbolic",
    "battery-level-90-symbolic",  "battery-level-100-symbolic",
  };
  guint percentage = core2_dbus_chip_get_battery (chip);

  if (!has_battery (chip))
    return "battery-missing-symbolic";
  return icons[MIN (percentage, 100) / 10];
}

char *
desk_text_number (guint64 number)
{
  return g_strdup_printf ("%'" G_GUINT64_FORMAT, number);
}

char *
desk_text_error (const GError *error)
{
  g_autoptr (GError) copy = g_error_copy (error);

  g_dbus_error_strip_remote_error (copy);
  return capitalize (copy->message);
}
