/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "chip-clock.h"

typedef struct
{
  ChipClockNext next;
  ChipClockRun run;
  gpointer chip;
} Entry;

struct _ChipClock
{
  double speed;
  gint64 start; /* monotonic */
  GArray *entries;
  GSource *source;
};

/* Model time in microseconds since the clock was made. */
gint64
chip_clock_get_now (ChipClock *self)
{
  return (gint64) ((double) (g_get_monotonic_time () - self->start) * self->speed);
}

static void
set_timer (ChipClock *self)
{
  gint64 next = G_MAXINT64;

  for (guint i = 0; i < self->entries->len; i++)
    {
      Entry *entry = &g_array_index (self->entries, Entry, i);

      next = MIN (next, entry->next (entry->chip));
    }
  /* One microsecond more, so that rounding does not wake us just before. */
  g_source_set_ready_time (self->source,
                           next == G_MAXINT64
                               ? -1
                               : self->start + (gint64) ((double) next / self->speed) + 1);
}

static gboolean
on_timer (gpointer user_data)
{
  ChipClock *self = user_data;
  gint64 now = chip_clock_get_now (self);

  for (guint i = 0; i < self->entries->len; i++)
    {
      Entry *entry = &g_array_index (self->entries, Entry, i);

      if (entry->next (entry->chip) <= now)
        entry->run (now, entry->chip);
    }
  set_timer (self);
  return G_SOURCE_CONTINUE;
}

static gboolean
dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  return callback (user_data);
}

static GSourceFuncs source_functions = { NULL, NULL, dispatch, NULL, NULL, NULL };

/* @speed: how many times faster than real time, above 0
 * Returns: (transfer full) */
ChipClock *
chip_clock_new (double speed)
{
  ChipClock *self = g_new0 (ChipClock, 1);

  self->speed = speed;
  self->start = g_get_monotonic_time ();
  self->entries = g_array_new (FALSE, FALSE, sizeof (Entry));
  self->source = g_source_new (&source_functions, sizeof (GSource));
  /* Behind D-Bus messages: a chip that walks very fast must stay controllable. */
  g_source_set_priority (self->source, G_PRIORITY_DEFAULT + 10);
  g_source_set_callback (self->source, on_timer, self, NULL);
  g_source_attach (self->source, NULL);
  return self;
}

void
chip_clock_free (ChipClock *self)
{
  g_source_destroy (self->source);
  g_source_unref (self->source);
  g_array_unref (self->entries);
  g_free (self);
}

/* Runs a chip from now on. It must be removed before it goes. */
void
chip_clock_add (ChipClock *self, ChipClockNext next, ChipClockRun run, gpointer chip)
{
  Entry entry = { next, run, chip };

  g_array_append_val (self->entries, entry);
  chip_clock_changed (self);
}

void
chip_clock_remove (ChipClock *self, gpointer chip)
{
  for (guint i = 0; i < self->entries->len; i++)
    if (g_array_index (self->entries, Entry, i).chip == chip)
      {
        g_array_remove_index_fast (self->entries, i);
        return;
      }
}

/* Tells that a chip's next event may have moved. */
void
chip_clock_changed (ChipClock *self)
{
  g_source_set_ready_time (self->source, 0);
}

/* How long @model_ms take, at least 1 ms unless they are 0. */
guint
chip_clock_to_real_ms (ChipClock *self, guint model_ms)
{
  return model_ms == 0 ? 0 : MAX (1, (guint) (model_ms / self->speed));
}
