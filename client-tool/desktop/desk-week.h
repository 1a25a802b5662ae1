/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define DESK_WEEK_DAYS 7

/* The steps of the last seven days as bars; the last bar is today's. */
#define DESK_TYPE_WEEK (desk_week_get_type ())
G_DECLARE_FINAL_TYPE (DeskWeek, desk_week, DESK, WEEK, GtkWidget)

GtkWidget *desk_week_new (void);

/* One bar. */
typedef struct
{
  char *label; /* short name of the day of the week */
  char *date;  /* the day in full, for a screen reader */
  guint steps;
  gboolean known; /* FALSE: nothing was counted on that day */
} DeskDay;

/* Shows @days, which are copied; @goal is drawn as a line, 0: none. */
void desk_week_set_days (DeskWeek *self, const DeskDay days[DESK_WEEK_DAYS], guint goal);

/* Today has @steps by now. */
void desk_week_set_today (DeskWeek *self, guint steps);

G_END_DECLS
