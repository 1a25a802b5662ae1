/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Pure formatting: numbers and times in, text out. No clock, no terminal, no bus. All strings
 * returned are owned by the caller.
 */

#define CTL_SERIES_LENGTH 180
#define CTL_SERIES_BUCKET_S 5

/*
 * Steps of the last 15 minutes, in buckets of CTL_SERIES_BUCKET_S seconds. All zero is an empty
 * one.
 */
typedef struct
{
  gint64 newest; /* number of the newest bucket: seconds since 1970 / CTL_SERIES_BUCKET_S */
  guint32 steps[CTL_SERIES_LENGTH]; /* index = number of the bucket modulo CTL_SERIES_LENGTH */
} CtlSeries;

/* @time (microseconds since 1970 UTC) as ISO 8601 in UTC, "2026-11-21T04:30:17.123456Z". */
char *ctl_format_iso8601 (guint64 time);

/*
 * How long before @now @time was, for people: "just now", "12 s ago", "3 min ago", "2 h ago", or
 * from one day on the local date and time. "never" for 0. A time in the future counts as now.
 */
char *ctl_format_age (guint64 time, guint64 now);

/* A span of whole seconds for people: "45 s", "3 min 5 s", "2 h 10 min", "3 days". */
char *ctl_format_span (guint64 seconds);

/* A bar of @width characters, filled by @value of @full (clamped; @full 0 is an empty bar). */
char *ctl_format_bar (guint64 value, guint64 full, guint width, gboolean utf8);

/*
 * Adds @steps made at @time (microseconds since 1970 UTC). Steps older than the series holds are
 * dropped.
 */
void ctl_series_add (CtlSeries *self, gint64 time, guint32 steps);

/*
 * The last @width buckets (at most CTL_SERIES_LENGTH) up to @now as one character each, scaled to
 * the largest of them. Buckets without a step are blank.
 */
char *ctl_series_draw (const CtlSeries *self, gint64 now, guint width, gboolean utf8);

#define CTL_DIAL_ROWS 4
#define CTL_DIAL_COLUMNS 8

/*
 * A round dial of CTL_DIAL_ROWS lines with CTL_DIAL_COLUMNS characters each, joined by '\n', with
 * a mark at (@x, @y), each from 0 to @full. What the chip's numbers mean is not known, so it only
 * shows how they change; callers print the raw numbers beside it. Without a value (@known FALSE)
 * the dial is empty.
 */
char *ctl_format_dial (gboolean known, guint x, guint y, guint full, gboolean utf8);

/*
 * The smallest full scale for a dial that holds @value: 360 for what could be degrees, then
 * powers of two up to 65536.
 */
guint ctl_format_dial_scale (guint value);

/*
 * @line cut to @width columns. Escape sequences (ESC [ ... letter) take no column and are kept,
 * also those after the cut, so that a colour never runs over the end.
 */
char *ctl_format_clip (const char *line, guint width);

/* The columns that @line takes on a terminal; escape sequences take none. */
guint ctl_format_columns (const char *line);

/* @line cut or filled up with blanks to exactly @width columns. */
char *ctl_format_fit (const char *line, guint width);

/*
 * Parses a key of 16 bytes: 32 hexadecimal digits with white space or colons anywhere, or exactly
 * 16 raw bytes. Returns FALSE with G_IO_ERROR_INVALID_DATA when it is neither; @key is only
 * written on success.
 */
gboolean ctl_parse_key (const char *text, gsize length, guint8 key[16], GError **error);
