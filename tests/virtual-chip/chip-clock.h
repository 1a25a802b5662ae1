/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Model time for many chips: it runs a fixed number of times faster than real time, and one timer
 * serves all. */

typedef struct _ChipClock ChipClock;

/* When something happens next to this chip, in microseconds of model time. */
typedef gint64 (*ChipClockNext) (gpointer chip);
/* It is @now. */
typedef void (*ChipClockRun) (gint64 now, gpointer chip);

ChipClock *chip_clock_new (double speed);
void chip_clock_free (ChipClock *self);
void chip_clock_add (ChipClock *self, ChipClockNext next, ChipClockRun run, gpointer chip);
void chip_clock_remove (ChipClock *self, gpointer chip);
void chip_clock_changed (ChipClock *self);
gint64 chip_clock_get_now (ChipClock *self);
guint chip_clock_to_real_ms (ChipClock *self, guint model_ms);
