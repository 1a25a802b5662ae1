/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-cadence.h"

/* The bucket of a second, which is never negative: the clock since boot starts at 0. */
static guint
get_index (gint64 second)
{
  return (guint) (second % CORE2_CADENCE_SECONDS);
}

static gint64
get_second (const Core2Cadence *self, gint64 boot_us)
{
  return MAX (MAX (boot_us, 0) / G_USEC_PER_SEC, self->last_second);
}

/* The first second that still counts at @second. */
static gint64
get_oldest (gint64 second)
{
  return MAX (second - CORE2_CADENCE_SECONDS + 1, 0);
}

void
core2_cadence_add (Core2Cadence *self, gint64 boot_us, guint32 steps)
{
  gint64 second = get_second (self, boot_us);
  guint32 *bucket = &self->steps[get_index (second)];

  for (gint64 s = MAX (self->last_second + 1, get_oldest (second)); s <= second; s++)
    self->steps[get_index (s)] = 0;
  self->last_second = second;
  *bucket = steps > G_MAXUINT32 - *bucket ? G_MAXUINT32 : *bucket + steps;
}

guint32
core2_cadence_get (const Core2Cadence *self, gint64 boot_us)
{
  guint64 sum = 0;

  for (gint64 s = get_oldest (get_second (self, boot_us)); s <= self->last_second; s++)
    sum += self->steps[get_index (s)];
  return (guint32) MIN (sum * 60 / CORE2_CADENCE_SECONDS, G_MAXUINT32);
}

gint64
core2_cadence_next_change (const Core2Cadence *self, gint64 boot_us)
{
  for (gint64 s = get_oldest (get_second (self, boot_us)); s <= self->last_second; s++)
    if (self->steps[get_index (s)] > 0)
      return (s + CORE2_CADENCE_SECONDS) * G_USEC_PER_SEC;
  return G_MAXINT64;
}
