/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "desk-history.h"

#include <stdio.h>

#include "desk-client.h"

typedef struct
{
  Core2DbusChip *chip;
  DeskWeek *week;
  GDateTime *today;
} Loading;

static void
loading_free (Loading *self)
{
  g_object_unref (self->chip);
  g_object_unref (self->week);
  g_date_time_unref (self->today);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Loading, loading_free)

/* The date @days before today, as core2d writes it. The caller's. */
static char *
format_day (GDateTime *today, int days, const char *format)
{
  g_autoptr (GDateTime) day = g_date_time_add_days (today, -days);

  return g_date_time_format (day, format);
}

/* Finds the steps of @date in @rows, of type a(sua{sv}); FALSE: nothing was counted then. */
static gboolean
find_steps (GVariant *rows, const char *date, guint *steps)
{
  GVariantIter iter;
  const char *row_date;
  guint row_steps;

  g_variant_iter_init (&iter, rows);
  while (g_variant_iter_next (&iter, "(&su@a{sv})", &row_date, &row_steps, NULL))
    if (g_str_equal (row_date, date))
      {
        *steps = row_steps;
        return TRUE;
      }
  return FALSE;
}

/* When core2d's days begin later than the calendar's, the day that is running may be that of
 * yesterday: the last of which something is known, where it has steps. */
static void
find_today (Loading *self, GVariant *rows)
{
  gsize n_rows = g_variant_n_children (rows);
  const char *date;
  int year, month, day;
  GDateTime *last;

  if (n_rows == 0 || core2_dbus_chip_get_steps_today (self->chip) == 0)
    return;
  g_variant_get_child (rows, n_rows - 1, "(&su@a{sv})", &date, NULL, NULL);
  if (sscanf (date, "%4d-%2d-%2d", &year, &month, &day) != 3)
    return;
  last = g_date_time_new_local (year, month, day, 12, 0, 0);
  if (last == NULL)
    return;
  g_date_time_unref (self->today);
  self->today = last;
}

/* @rows may be NULL: then only today is known. */
static void
show (Loading *self, GVariant *rows)
{
  guint goal = core2_dbus_chip_get_daily_goal (self->chip);
  DeskDay days[DESK_WEEK_DAYS] = { 0 };

  if (rows != NULL)
    find_today (self, rows);
  for (int i = 0; i < DESK_WEEK_DAYS; i++)
    {
      int ago = DESK_WEEK_DAYS - 1 - i;
      g_autofree char *date = format_day (self->today, ago, "%Y-%m-%d");

      days[i].label = format_day (self->today, ago, "%a");
      days[i].date = format_day (self->today, ago, "%A");
      if (rows != NULL)
        days[i].known = find_steps (rows, date, &days[i].steps);
    }
  desk_week_set_days (self->week, days, goal);
  desk_week_set_today (self->week, core2_dbus_chip_get_steps_today (self->chip));
  for (int i = 0; i < DESK_WEEK_DAYS; i++)
    {
      g_free (days[i].label);
      g_free (days[i].date);
    }
}

static void
days_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GVariant) rows = NULL;
  g_autoptr (Loading) loading = user_data;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (reply != NULL)
    rows = g_variant_get_child_value (reply, 0);
  show (loading, rows);
}

void
desk_history_load_week (Core2DbusChip *chip, DeskWeek *week, GCancellable *cancellable)
{
  GDBusProxy *proxy = G_DBUS_PROXY (chip);
  Loading *loading = g_new0 (Loading, 1);
  g_autofree char *first = NULL;
  g_autofree char *last = NULL;

  loading->chip = g_object_ref (chip);
  loading->week = g_object_ref (week);
  loading->today = g_date_time_new_now_local ();
  first = format_day (loading->today, DESK_WEEK_DAYS, "%Y-%m-%d");
  last = format_day (loading->today, 0, "%Y-%m-%d");
  g_dbus_connection_call (g_dbus_proxy_get_connection (proxy), DESK_BUS_NAME,
                          g_dbus_proxy_get_object_path (proxy), DESK_BUS_NAME ".History",
                          "GetDays", g_variant_new ("(ss)", first, last),
                          G_VARIANT_TYPE ("(a(sua{sv}))"), G_DBUS_CALL_FLAGS_NONE, -1, cancellable,
                          days_done, loading);
}
