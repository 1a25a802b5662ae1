/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cadence: steps a minute, over the last 15 seconds. Pure, and not worth remembering over
 * restarts. Times are microseconds since boot (CLOCK_BOOTTIME). */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define CORE2_CADENCE_SECONDS 15

/* One bucket a second. All fields are private; all zero is a valid beginning. */
typedef struct
{
  gint64 last_second;
  guint32 steps[CORE2_CADENCE_SECONDS];
} Core2Cadence;

/* Adds steps that were made just now. Leave out those whose time is estimated. */
void core2_cadence_add (Core2Cadence *self, gint64 boot_us, guint32 steps);

/* Steps a minute now. */
guint32 core2_cadence_get (const Core2Cadence *self, gint64 boot_us);

/* When, without further steps, the cadence falls next; G_MAXINT64 when it is 0. */
gint64 core2_cadence_next_change (const Core2Cadence *self, gint64 boot_us);

G_END_DECLS
