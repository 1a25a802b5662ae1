/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Timers of many owners behind one source of the main loop. GLib looks at each source whenever it wakes
 * up: with timers of GLib's for each of a thousand chips that takes longer than what it woke up for. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct Core2Timers Core2Timers;
typedef struct Core2Timer Core2Timer;
typedef void (*Core2TimerFunc) (gpointer user_data);

/* Attaches to the thread's default main context. */
Core2Timers *core2_timers_new (void);

/* All timers must have been stopped. NULL is allowed. */
void core2_timers_free (Core2Timers *self);

/* Calls @func once, after @delay_ms milliseconds. *@timer, which must stay where it is, is NULL or a timer,
 * which is stopped; it is NULL again when @func is called. A delay of ten seconds and more may take up to a
 * second longer: such timers wake the process together, at full seconds. */
void core2_timer_start (Core2Timers *self, Core2Timer **timer, guint delay_ms, Core2TimerFunc func,
                        gpointer user_data);

/* Stops and frees it; *@timer is NULL then. NULL is allowed. */
void core2_timer_stop (Core2Timer **timer);

G_END_DECLS
