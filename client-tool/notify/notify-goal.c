/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notify-goal.h"

#include "ctl-client.h"

/* core2d answers from a database. */
#define CALL_MS (30 * 1000)

typedef struct
{
  Core2DbusChip *chip;
  NotifyGoalFunc func;
  gpointer user_data;
} Question;

static void
question_free (Question *self)
{
  g_object_unref (self->chip);
  g_free (self);
}

static gboolean
is_reached (Core2DbusChip *chip, guint steps)
{
  guint goal = core2_dbus_chip_get_daily_goal (chip);

  return goal > 0 && steps >= goal;
}

/* @days: as GetDays replies. The last one is today: something of it was counted. */
static void
judge_days (const Question *self, GVariant *days)
{
  gsize n_days = g_variant_n_children (days);
  const char *day;
  guint steps;

  if (n_days == 0)
    return;
  g_variant_get_child (days, n_days - 1, "(&su@a{sv})", &day, &steps, NULL);
  if (is_reached (self->chip, steps))
    self->func (g_dbus_proxy_get_object_path (G_DBUS_PROXY (self->chip)), day, steps,
                self->user_data);
}

static void
days_read (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Question *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  if (reply != NULL)
    {
      g_autoptr (GVariant) days = g_variant_get_child_value (reply, 0);
      judge_days (self, days);
    }
  else if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_debug ("the day's steps were not told: %s", error->message);
  question_free (self);
}

void
notify_goal_ask (Core2DbusChip *chip, GCancellable *cancellable, NotifyGoalFunc func,
                 gpointer user_data)
{
  GDBusProxy *proxy = G_DBUS_PROXY (chip);
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  /* Which day is running depends on core2d's DayStart. */
  g_autoptr (GDateTime) yesterday = g_date_time_add_days (now, -1);
  g_autofree char *first = g_date_time_format (yesterday, "%F");
  Question *question;

  if (!core2_dbus_chip_get_remembered (chip)
      || !is_reached (chip, core2_dbus_chip_get_steps_today (chip)))
    return;
  question = g_new0 (Question, 1);
  question->chip = g_object_ref (chip);
  question->func = func;
  question->user_data = user_data;
  g_dbus_connection_call (g_dbus_proxy_get_connection (proxy), CTL_BUS_NAME,
                          g_dbus_proxy_get_object_path (proxy), CTL_BUS_NAME ".History", "GetDays",
                          g_variant_new ("(ss)", first, ""), G_VARIANT_TYPE ("(a(sua{sv}))"),
                          G_DBUS_CALL_FLAGS_NO_AUTO_START, CALL_MS, cancellable, days_read,
                          question);
}
