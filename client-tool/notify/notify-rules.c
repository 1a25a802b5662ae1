/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notify-rules.h"

#define KEY_REJECTED "org.example.Core2.Error.KeyRejected"

static void
rearm_battery (NotifyTold *told, guint percentage)
{
  if (percentage >= NOTIFY_BATTERY_LOW + NOTIFY_BATTERY_REARM)
    told->battery = 0;
  else if (percentage >= NOTIFY_BATTERY_EMPTY + NOTIFY_BATTERY_REARM
           && told->battery == NOTIFY_BATTERY_EMPTY)
    told->battery = NOTIFY_BATTERY_LOW;
}

guint
notify_rules_judge_battery (NotifyTold *told, guint percentage, const char *status, guint *after)
{
  guint level = 0;

  if (g_strcmp0 (status, "current") == 0 && percentage <= 100)
    {
      rearm_battery (told, percentage);
      if (percentage <= NOTIFY_BATTERY_EMPTY && told->battery != NOTIFY_BATTERY_EMPTY)
        level = NOTIFY_BATTERY_EMPTY;
      else if (percentage <= NOTIFY_BATTERY_LOW && told->battery == 0)
        level = NOTIFY_BATTERY_LOW;
    }
  *after = level != 0 ? level : told->battery;
  return level;
}

gboolean
notify_rules_judge_key (NotifyTold *told, const char *last_error, gboolean authenticated)
{
  if (g_strcmp0 (last_error, KEY_REJECTED) == 0)
    return !told->key_rejected;
  if (authenticated)
    told->key_rejected = FALSE;
  return FALSE;
}

gboolean
notify_rules_judge_goal (const NotifyTold *told, const NotifyTold *other, const char *day)
{
  return g_strcmp0 (told->goal_day, day) != 0
         && (other == NULL || g_strcmp0 (other->goal_day, day) != 0);
}

gboolean
notify_rules_is_pair (const char *a, const char *b)
{
  return (g_strcmp0 (a, "left") == 0 && g_strcmp0 (b, "right") == 0)
         || (g_strcmp0 (a, "right") == 0 && g_strcmp0 (b, "left") == 0);
}
