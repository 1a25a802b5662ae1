/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl-output.h"

/* One day of a chip, as its history has it. */
typedef struct
{
  gboolean known; /* something was recorded */
  guint32 steps;
  gboolean estimated; /* some steps may belong to the day before or after */
  guint32 resets;
  guint32 suspect;
  guint32 goal;
} CtlDay;

/* Days one after the other, of one or several chips. */
typedef struct
{
  GDate first;
  guint n;
  GPtrArray *chips; /* of Core2DbusChip, owned */
  CtlDay *days;     /* n of the first chip, n of the second, and so on */
} CtlDays;

/* @n days from @first on, of which nothing is known yet. @chips is taken over. */
CtlDays *ctl_days_new (const GDate *first, guint n, GPtrArray *chips);
void ctl_days_free (CtlDays *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CtlDays, ctl_days_free)

/* The day at @index, from 0 on, of the chip at @chip. */
CtlDay *ctl_days_get (CtlDays *self, guint chip, guint index);

/*
 * Asks core2d for the days of all chips. Days outside the range are left out. FALSE with @error.
 */
gboolean ctl_days_load (CtlDays *self, CtlClient *client, GError **error);

/* A bar of a chart: the steps of a person in one day or more. */
typedef struct
{
  GDate first;
  guint n;      /* days */
  guint n_known; /* of which something was recorded */
  guint64 steps; /* of all chips, a pair counted once */
  gboolean estimated;
  guint64 goal; /* the highest of its daily goals for each of its days, 0 = none */
} CtlBar;

/* @days days from @index on, as far as there are so many, as one bar. */
CtlBar ctl_days_sum (CtlDays *self, guint index, guint days);

/*
 * The days as bars of @days_a_bar days each (1 or 7), owned by the caller: a GArray of CtlBar.
 */
GArray *ctl_days_get_bars (CtlDays *self, guint days_a_bar);

/* What a report says below its bars. */
typedef struct
{
  guint64 steps;
  guint n_known;     /* days with something recorded */
  guint64 average;   /* steps a day over these */
  guint n_reached;   /* days on which the goal was reached */
  guint n_goal;      /* days that had a goal */
  gboolean estimated;
  CtlBar best; /* the best day; its n is 0 when there is none */
} CtlSummary;

CtlSummary ctl_days_get_summary (CtlDays *self);
