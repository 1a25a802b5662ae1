/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-calendar.h"

#define MINUTES_A_DAY (24 * 60)
/* 9999-01-01: later clocks are taken for this, as GLib's dates end soon after; earlier ones than
 * 1970 are taken for 1970. */
#define LATEST_US (G_GINT64_CONSTANT (253370764800) * G_USEC_PER_SEC)

void
core2_calendar_init (Core2Calendar *self, GTimeZone *zone, guint day_start_minutes)
{
  *self = (Core2Calendar){
    .zone = g_time_zone_ref (zone),
    .day_start_minutes = day_start_minutes % MINUTES_A_DAY,
  };
}

void
core2_calendar_clear (Core2Calendar *self)
{
  g_clear_pointer (&self->zone, g_time_zone_unref);
  *self = (Core2Calendar){ 0 };
}

/* When the clock on the wall shows @minutes after midnight of the date. Where it shows it twice,
 * the first time; where it skips it, the moment of the skip. */
static gint64
get_instant_us (GTimeZone *zone, guint32 julian, guint minutes)
{
  static const gint64 julian_1970 = 719163;
  gint64 local = ((gint64) julian - julian_1970) * MINUTES_A_DAY * 60 + (gint64) minutes * 60;
  int interval = g_time_zone_adjust_time (zone, G_TIME_TYPE_DAYLIGHT, &local);

  return (local - g_time_zone_get_offset (zone, interval)) * G_USEC_PER_SEC;
}

static guint32
get_local_julian (GTimeZone *zone, gint64 wall_us)
{
  g_autoptr (GDateTime) utc = g_date_time_new_from_unix_utc (wall_us / G_USEC_PER_SEC);
  g_autoptr (GDateTime) local = g_date_time_to_timezone (utc, zone);
  GDate date;

  g_date_clear (&date, 1);
  g_date_set_dmy (&date, (GDateDay) g_date_time_get_day_of_month (local),
                  (GDateMonth) g_date_time_get_month (local),
                  (GDateYear) g_date_time_get_year (local));
  return g_date_get_julian (&date);
}

/* The date whose day, beginning at @minutes, holds @wall_us. The date on the wall is at most a
 * day off. */
static guint32
find_day (GTimeZone *zone, gint64 wall_us, guint minutes, gint64 *start_us, gint64 *end_us)
{
  guint32 julian = get_local_julian (zone, wall_us);

  while (get_instant_us (zone, julian, minutes) > wall_us)
    julian--;
  while (get_instant_us (zone, julian + 1, minutes) <= wall_us)
    julian++;
  *start_us = get_instant_us (zone, julian, minutes);
  *end_us = get_instant_us (zone, julian + 1, minutes);
  return julian;
}

static void
remember_day (Core2Calendar *self, gint64 wall_us)
{
  GDate date;

  if (self->day != 0 && wall_us >= self->start_us && wall_us < self->end_us)
    return;
  g_date_clear (&date, 1);
  g_date_set_julian (&date, find_day (self->zone, wall_us, self->day_start_minutes,
                                      &self->start_us, &self->end_us));
  self->day = g_date_get_year (&date) * 10000 + (Core2Day) g_date_get_month (&date) * 100
              + g_date_get_day (&date);
}

Core2Day
core2_calendar_get_day (Core2Calendar *self, gint64 wall_us)
{
  remember_day (self, CLAMP (wall_us, 0, LATEST_US));
  return self->day;
}

void
core2_calendar_get_bounds (Core2Calendar *self, gint64 wall_us, gint64 *start_us, gint64 *end_us)
{
  remember_day (self, CLAMP (wall_us, 0, LATEST_US));
  *start_us = self->start_us;
  *end_us = self->end_us;
}

void
core2_calendar_get_day_bounds (Core2Calendar *self, Core2Day day, gint64 *start_us, gint64 *end_us)
{
  GDate date;

  g_date_clear (&date, 1);
  g_date_set_dmy (&date, (GDateDay) (day % 100), (GDateMonth) (day / 100 % 100),
                  (GDateYear) (day / 10000));
  *start_us = get_instant_us (self->zone, g_date_get_julian (&date), self->day_start_minutes);
  *end_us = get_instant_us (self->zone, g_date_get_julian (&date) + 1, self->day_start_minutes);
}

gint64
core2_calendar_get_last_midnight (Core2Calendar *self, gint64 wall_us)
{
  wall_us = CLAMP (wall_us, 0, LATEST_US);
  if (wall_us < self->midnight_us || wall_us >= self->next_midnight_us)
    find_day (self->zone, wall_us, 0, &self->midnight_us, &self->next_midnight_us);
  return self->midnight_us;
}

void
core2_day_format (Core2Day day, char text[CORE2_DAY_TEXT_SIZE])
{
  g_snprintf (text, CORE2_DAY_TEXT_SIZE, "%04d-%02d-%02d", day / 10000 % 10000, day / 100 % 100,
              day % 100);
}

gboolean
core2_day_parse (const char *text, Core2Day *day)
{
  static const char pattern[] = "dddd-dd-dd";
  Core2Day value = 0;

  if (text == NULL)
    return FALSE;
  /* The final NUL of the pattern is compared too. */
  for (guint i = 0; i < sizeof pattern; i++)
    {
      if (pattern[i] == 'd' ? !g_ascii_isdigit (text[i]) : text[i] != pattern[i])
        return FALSE;
      if (pattern[i] == 'd')
        value = value * 10 + g_ascii_digit_value (text[i]);
    }
  if (value / 10000 == 0 || value / 100 % 100 < 1 || value / 100 % 100 > 12
      || !g_date_valid_dmy ((GDateDay) (value % 100), (GDateMonth) (value / 100 % 100),
                            (GDateYear) (value / 10000)))
    return FALSE;
  *day = value;
  return TRUE;
}
