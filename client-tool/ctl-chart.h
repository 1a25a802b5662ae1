/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl-days.h"

/*
 * Days as people look at them. Each has bars of @days_a_bar days, 1 or 7. Strings are owned by the
 * caller.
 */

/* A line for each bar and a summary, @width columns wide as far as there is room. */
char *ctl_chart_draw_text (CtlDays *days, guint days_a_bar, guint width, gboolean utf8);

/* A picture in SVG, with @title above it, or NULL for a general one. */
char *ctl_chart_draw_svg (CtlDays *days, guint days_a_bar, const char *title);

/* One JSON object with bars, chips and summary, on standard output. */
void ctl_chart_print_json (CtlDays *days, guint days_a_bar);

/*
 * What stands below the bars: sum, average, best day, how often the goal was reached; joined by
 * @separator.
 */
char *ctl_chart_summarize (CtlDays *days, const char *separator);

/* @number with blanks between thousands: "12 034". */
char *ctl_chart_format_number (guint64 number);

/* @date in @format of g_date_strftime(). */
char *ctl_chart_format_date (const GDate *date, const char *format);
