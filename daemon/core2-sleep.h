/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "core2-bus.h"

G_BEGIN_DECLS

/* The machine's suspend and resume, as logind tells them. A delay inhibitor is held while the machine is
 * awake, so that it does not sleep before everything is saved; without logind there is none. */
typedef struct Core2Sleep Core2Sleep;

/* @sleeping TRUE: the machine is about to sleep, and does so after this has returned. FALSE: it woke up. */
typedef void (*Core2SleepFunc) (gboolean sleeping, gpointer user_data);

/* Begins to follow logind. Returns NULL when the bus does not take the match. */
Core2Sleep *core2_sleep_new (Core2Bus *bus, Core2SleepFunc func, gpointer user_data);
void core2_sleep_free (Core2Sleep *self);

G_END_DECLS
