/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-calendar.h"

static Core2Calendar
make_calendar (const char *zone_name, guint day_start_minutes)
{
  g_autoptr (GTimeZone) zone = g_time_zone_new_identifier (zone_name);
  Core2Calendar calendar;

  g_assert_nonnull (zone);
  core2_calendar_init (&calendar, zone, day_start_minutes);
  return calendar;
}

static gint64
from_iso (const char *text)
{
  g_autoptr (GDateTime) date_time = g_date_time_new_from_iso8601 (text, NULL);

  g_assert_nonnull (date_time);
  return g_date_time_to_unix (date_time) * G_TIME_SPAN_SECOND;
}

typedef struct
{
  const char *zone;
  guint day_start_minutes;
  const char *instant;
  Core2Day day;
  const char *start;
  gint64 minutes;
} DayCase;

/* When a day begins, and how many minutes it lasts. */
static const DayCase day_cases[] = {
  { "UTC", 0, "2026-11-21T00:00:00Z", 20261121, "2026-11-21T00:00:00Z", 24 * 60 },
  { "UTC", 0, "2026-11-20T23:59:59Z", 20261120, "2026-11-20T00:00:00Z", 24 * 60 },
  { "UTC", 240, "2026-11-21T03:59:59Z", 20261120, "2026-11-20T04:00:00Z", 24 * 60 },
  { "UTC", 240, "2026-11-21T04:00:00Z", 20261121, "2026-11-21T04:00:00Z", 24 * 60 },
  { "UTC", 1439, "2026-11-21T23:58:59Z", 20261120, "2026-11-20T23:59:00Z", 24 * 60 },
  /* Clocks change at 01:00 UTC: 23 and 25 hours. */
  { "Europe/Madrid", 0, "2026-03-29T12:00:00Z", 20260329, "2026-03-28T23:00:00Z", 23 * 60 },
  { "Europe/Madrid", 0, "2026-10-25T12:00:00Z", 20261025, "2026-10-24T22:00:00Z", 25 * 60 },
  /* The day begins at 02:30, which that day skips: then when the clock jumps. */
  { "Europe/Madrid", 150, "2026-03-29T12:00:00Z", 20260329, "2026-03-29T01:00:00Z", 23 * 60 + 30 },
  /* It begins at 02:30, which that day shows twice: at the first one. */
  { "Europe/Madrid", 150, "2026-10-25T12:00:00Z", 20261025, "2026-10-25T00:30:00Z", 25 * 60 },
  { "Europe/Madrid", 150, "2026-10-25T01:15:00Z", 20261025, "2026-10-25T00:30:00Z", 25 * 60 },
  /* Summer time that begins at midnight: there is no 00:00. */
  { "America/Sao_Paulo", 0, "2018-11-04T12:00:00Z", 20181104, "2018-11-04T03:00:00Z", 23 * 60 },
  { "America/Sao_Paulo", 0, "2018-02-17T12:00:00Z", 20180217, "2018-02-17T02:00:00Z", 25 * 60 },
  /* Midnight is shown twice: the day begins with the first. */
  { "America/Havana", 0, "2025-11-02T12:00:00Z", 20251102, "2025-11-02T04:00:00Z", 25 * 60 },
  { "America/Havana", 0, "2025-11-02T04:30:00Z", 20251102, "2025-11-02T04:00:00Z", 25 * 60 },
  /* Half an hour of summer time. */
  { "Australia/Lord_Howe", 0, "2026-04-05T12:00:00Z", 20260405, "2026-04-04T13:00:00Z",
    24 * 60 + 30 },
  /* A date that was left out. */
  { "Pacific/Apia", 0, "2011-12-30T09:59:59Z", 20111229, "2011-12-29T10:00:00Z", 24 * 60 },
  { "Pacific/Apia", 0, "2011-12-30T10:00:00Z", 20111231, "2011-12-30T10:00:00Z", 24 * 60 },
  { "Asia/Kathmandu", 0, "2026-11-20T18:15:00Z", 20261121, "2026-11-20T18:15:00Z", 24 * 60 },
};

static void
test_days (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (day_cases); i++)
    {
      const DayCase *c = &day_cases[i];
      Core2Calendar calendar = make_calendar (c->zone, c->day_start_minutes);
      gint64 start_us;
      gint64 end_us;

      g_test_message ("%s %s", c->zone, c->instant);
      g_assert_cmpint (core2_calendar_get_day (&calendar, from_iso (c->instant)), ==, c->day);
      core2_calendar_get_bounds (&calendar, from_iso (c->instant), &start_us, &end_us);
      g_assert_cmpint (start_us, ==, from_iso (c->start));
      g_assert_cmpint (end_us - start_us, ==, c->minutes * G_TIME_SPAN_MINUTE);
      core2_calendar_clear (&calendar);
    }
}

/* Over years, days follow each other without gap or overlap, and an instant's day holds it. */
static void
check_chain (const char *zone, guint day_start_minutes)
{
  Core2Calendar calendar = make_calendar (zone, day_start_minutes);
  gint64 now = from_iso ("2010-01-01T12:00:00Z");
  gint64 end = from_iso ("2030-01-01T12:00:00Z");
  Core2Day before = 0;

  while (now < end)
    {
      gint64 start_us;
      gint64 end_us;
      Core2Day day;

      core2_calendar_get_bounds (&calendar, now, &start_us, &end_us);
      day = core2_calendar_get_day (&calendar, now);
      g_assert_cmpint (start_us, <=, now);
      g_assert_cmpint (now, <, end_us);
      g_assert_cmpint (day, >, before);
      g_assert_cmpint (core2_calendar_get_day (&calendar, end_us - 1), ==, day);
      g_assert_cmpint (core2_calendar_get_day (&calendar, end_us), >, day);
      g_assert_cmpint (core2_calendar_get_day (&calendar, start_us), ==, day);
      before = day;
      now = end_us;
    }
  core2_calendar_clear (&calendar);
}

static void
test_chain (void)
{
  static const char *const zones[] = { "UTC",           "Europe/Madrid",       "America/Sao_Paulo",
                                       "America/Havana", "Australia/Lord_Howe", "Pacific/Apia",
                                       "Africa/Casablanca" };

  for (guint i = 0; i < G_N_ELEMENTS (zones); i++)
    {
      check_chain (zones[i], 0);
      check_chain (zones[i], 60 + (guint) g_test_rand_int_range (0, 120));
      check_chain (zones[i], (guint) g_test_rand_int_range (0, 1440));
    }
}

static void
test_midnight (void)
{
  Core2Calendar calendar = make_calendar ("Europe/Madrid", 240);

  g_assert_cmpint (
      core2_calendar_get_last_midnight (&calendar, from_iso ("2026-11-21T02:00:00+01:00")), ==,
      from_iso ("2026-11-21T00:00:00+01:00"));
  g_assert_cmpint (
      core2_calendar_get_last_midnight (&calendar, from_iso ("2026-11-21T00:00:00+01:00")), ==,
      from_iso ("2026-11-21T00:00:00+01:00"));
  g_assert_cmpint (
      core2_calendar_get_last_midnight (&calendar, from_iso ("2026-11-20T23:59:59+01:00")), ==,
      from_iso ("2026-11-20T00:00:00+01:00"));
  core2_calendar_clear (&calendar);
}

/* What is remembered of one day does not leak into others, whatever the order of the questions. */
static void
test_midnights_to_and_fro (void)
{
  static const char *const zones[] = { "Europe/Madrid", "America/Sao_Paulo", "Pacific/Apia" };

  for (guint zone = 0; zone < G_N_ELEMENTS (zones); zone++)
    {
      Core2Calendar calendar = make_calendar (zones[zone], 240);
      gint64 begin_us = from_iso ("2011-12-20T00:00:00Z");

      for (guint i = 0; i < 500; i++)
        {
          Core2Calendar fresh = make_calendar (zones[zone], 240);
          gint64 wall_us = begin_us + g_test_rand_int_range (0, 400 * 24 * 60) * G_TIME_SPAN_MINUTE;

          if (i % 3 == 2) /* the edge of what is remembered */
            wall_us = core2_calendar_get_last_midnight (&calendar, wall_us)
                      - g_test_rand_int_range (0, 2);
          g_assert_cmpint (core2_calendar_get_last_midnight (&calendar, wall_us), ==,
                           core2_calendar_get_last_midnight (&fresh, wall_us));
          core2_calendar_clear (&fresh);
        }
      core2_calendar_clear (&calendar);
    }
}

static void
test_extremes (void)
{
  static const gint64 instants[]
      = { G_MININT64, -1, 0, 1, G_MAXINT64, G_GINT64_CONSTANT (253370764800000000) };
  Core2Calendar calendar = make_calendar ("America/Sao_Paulo", 1439);

  for (guint i = 0; i < G_N_ELEMENTS (instants); i++)
    {
      Core2Day day = core2_calendar_get_day (&calendar, instants[i]);

      g_assert_cmpint (day, >=, 19691230);
      g_assert_cmpint (day, <=, 99990101);
      core2_calendar_get_last_midnight (&calendar, instants[i]);
    }
  core2_calendar_clear (&calendar);
}

static void
test_text (void)
{
  static const char *const malformed[]
      = { "",           "2026",       "2026-11-2",  "2026-11-211", "2026/11/21", "20261121",
          "2026-13-01", "2026-02-29", "2026-00-10", "2026-01-00",  "0000-01-01", "x026-11-21" };
  char text[CORE2_DAY_TEXT_SIZE];
  Core2Day day = 7;

  for (guint i = 0; i < G_N_ELEMENTS (malformed); i++)
    {
      g_autofree char *copy = g_strdup (malformed[i]);

      g_assert_false (core2_day_parse (copy, &day));
    }
  g_assert_false (core2_day_parse (NULL, &day));
  g_assert_cmpint (day, ==, 7);
  g_assert_true (core2_day_parse ("2024-02-29", &day));
  g_assert_cmpint (day, ==, 20240229);
  core2_day_format (day, text);
  g_assert_cmpstr (text, ==, "2024-02-29");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/calendar/days", test_days);
  g_test_add_func ("/calendar/chain", test_chain);
  g_test_add_func ("/calendar/midnight", test_midnight);
  g_test_add_func ("/calendar/midnights-to-and-fro", test_midnights_to_and_fro);
  g_test_add_func ("/calendar/extremes", test_extremes);
  g_test_add_func ("/calendar/text", test_text);
  return g_test_run ();
}
