/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-timers.h"

/* From here on a timer waits for a full second. */
#define LONG_MS 10000
/* A thousand that are due together must not keep other sources from their turn. */
#define BUDGET 16

typedef struct
{
  GSource source;
  Core2Timers *timers;
} TimersSource;

struct Core2Timers
{
  GSource *source;
  GSequence *queue; /* Core2Timer, the first that is due first */
  gint64 next_us;   /* when that is due; G_MAXINT64: there is none */
};

struct Core2Timer
{
  Core2Timers *timers;
  GSequenceIter *place;
  Core2Timer **owner;
  gint64 due_us; /* monotonic */
  Core2TimerFunc func;
  gpointer user_data;
};

static int
compare (gconstpointer a, gconstpointer b, gpointer user_data)
{
  gint64 x = ((const Core2Timer *) a)->due_us;
  gint64 y = ((const Core2Timer *) b)->due_us;

  return (x > y) - (x < y);
}

static Core2Timer *
get_first (Core2Timers *self)
{
  return g_sequence_get (g_sequence_get_begin_iter (self->queue));
}

static void
update_next (Core2Timers *self)
{
  self->next_us = g_sequence_is_empty (self->queue) ? G_MAXINT64 : get_first (self)->due_us;
}

/* Instead of g_source_set_ready_time(), which wakes the loop up once more each time. */
static gboolean
prepare (GSource *source, int *timeout_ms)
{
  const Core2Timers *self = ((TimersSource *) source)->timers;
  gint64 wait_us;

  *timeout_ms = -1;
  if (self->next_us == G_MAXINT64)
    return FALSE;
  wait_us = self->next_us - g_source_get_time (source);
  *timeout_ms = (int) CLAMP ((wait_us + 999) / 1000, 0, G_MAXINT);
  return wait_us <= 0;
}

static gboolean
check (GSource *source)
{
  const Core2Timers *self = ((TimersSource *) source)->timers;

  return self->next_us != G_MAXINT64 && self->next_us <= g_source_get_time (source);
}

static gboolean
dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  Core2Timers *self = ((TimersSource *) source)->timers;
  gint64 now_us = g_source_get_time (source);

  for (guint n = 0; n < BUDGET && self->next_us <= now_us; n++)
    {
      Core2Timer *first = get_first (self);
      Core2TimerFunc func = first->func;
      gpointer data = first->user_data;

      core2_timer_stop (first->owner);
      func (data);
    }
  return G_SOURCE_CONTINUE;
}

Core2Timers *
core2_timers_new (void)
{
  static GSourceFuncs funcs = { .prepare = prepare, .check = check, .dispatch = dispatch };
  Core2Timers *self = g_new0 (Core2Timers, 1);

  self->queue = g_sequence_new (NULL);
  self->next_us = G_MAXINT64;
  self->source = g_source_new (&funcs, sizeof (TimersSource));
  ((TimersSource *) self->source)->timers = self;
  g_source_set_static_name (self->source, "timers");
  g_source_attach (self->source, g_main_context_get_thread_default ());
  return self;
}

void
core2_timers_free (Core2Timers *self)
{
  if (self == NULL)
    return;
  g_warn_if_fail (g_sequence_is_empty (self->queue));
  g_source_destroy (self->source);
  g_source_unref (self->source);
  g_sequence_free (self->queue);
  g_free (self);
}

void
core2_timer_start (Core2Timers *self, Core2Timer **timer, guint delay_ms, Core2TimerFunc func,
                   gpointer user_data)
{
  Core2Timer *new_timer = g_new0 (Core2Timer, 1);

  core2_timer_stop (timer);
  new_timer->timers = self;
  new_timer->owner = timer;
  new_timer->func = func;
  new_timer->user_data = user_data;
  new_timer->due_us = g_get_monotonic_time () + (gint64) delay_ms * 1000;
  if (delay_ms >= LONG_MS)
    new_timer->due_us += G_USEC_PER_SEC - 1 - (new_timer->due_us - 1) % G_USEC_PER_SEC;
  new_timer->place = g_sequence_insert_sorted (self->queue, new_timer, compare, NULL);
  self->next_us = MIN (self->next_us, new_timer->due_us);
  *timer = new_timer;
}

void
core2_timer_stop (Core2Timer **timer)
{
  Core2Timers *self;

  if (*timer == NULL)
    return;
  self = (*timer)->timers;
  g_sequence_remove ((*timer)->place);
  g_clear_pointer (timer, g_free);
  update_next (self);
}
