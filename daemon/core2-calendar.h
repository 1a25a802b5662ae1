/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Local days: which day an instant belongs to, and when a day begins and ends.
 *
 * Pure: the time and the zone are arguments. A day is never 86,400 seconds here: it lasts from its
 * beginning to the beginning of the next, and where clocks change these are 23 or 25 hours apart.
 * A day may begin later than midnight ("04:00", for who walks home late): what comes before
 * still belongs to the day before.
 *
 * Instants are microseconds since 1970-01-01 UTC. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A local day as a number that reads as its date: 20261121. 0 = none. */
typedef gint32 Core2Day;

/* Size of "2026-11-21" with its final NUL. */
#define CORE2_DAY_TEXT_SIZE 11

/* To be embedded in its owner and shared by all chips. Remembers the bounds of the day asked
 * last, so that the path of a step allocates nothing. All fields are private. */
typedef struct
{
  GTimeZone *zone;
  guint day_start_minutes;
  Core2Day day;
  gint64 start_us;
  gint64 end_us;
  gint64 midnight_us;            /* what get_last_midnight() found last; both 0 at first */
  gint64 next_midnight_us;
} Core2Calendar;

/* Initialises. Takes a reference on @zone. @day_start_minutes: when a day begins, in minutes after
 * midnight on the clock on the wall, 0 to 1439. */
void core2_calendar_init (Core2Calendar *self, GTimeZone *zone, guint day_start_minutes);

/* Drops the reference. Call it and core2_calendar_init() again when the system's zone changes. */
void core2_calendar_clear (Core2Calendar *self);

/* The day that @wall_us belongs to. */
Core2Day core2_calendar_get_day (Core2Calendar *self, gint64 wall_us);

/* When the day of @wall_us began, and when the next one begins: start <= wall_us < end. */
void core2_calendar_get_bounds (Core2Calendar *self, gint64 wall_us, gint64 *start_us,
                                gint64 *end_us);

/* When @day, which must be a date that exists, begins, and when the next one does. The two are the same for
 * a day that the zone skips. */
void core2_calendar_get_day_bounds (Core2Calendar *self, Core2Day day, gint64 *start_us,
                                    gint64 *end_us);

/* The last midnight (00:00, whatever the start of the day is) at or before @wall_us. Chips reset
 * their counters at midnight. */
gint64 core2_calendar_get_last_midnight (Core2Calendar *self, gint64 wall_us);

/* Writes "2026-11-21". */
void core2_day_format (Core2Day day, char text[CORE2_DAY_TEXT_SIZE]);

/* Parses "2026-11-21". Returns FALSE, and leaves @day alone, for anything else, and for dates
 * that do not exist. */
gboolean core2_day_parse (const char *text, Core2Day *day);

G_END_DECLS
