/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

G_BEGIN_DECLS

/* How many requests each client has waiting, and the limit to it: every method call that arrives passes
 * here first, and is answered org.example.Core2.Error.RateLimited when its caller, or all callers
 * together, have too many waiting. What is answered at once, such as properties, never waits. */
typedef struct Core2Callers Core2Callers;

/* Requests that one client (a connection to the bus) may have waiting, and all clients together. */
#define CORE2_CALLERS_MAX_PER_CLIENT 64
#define CORE2_CALLERS_MAX 4096

/* Stands before every object of @bus, which must outlive it. Returns NULL when the filter cannot be added,
 * which only a lack of memory causes. */
Core2Callers *core2_callers_new (sd_bus *bus);
void core2_callers_free (Core2Callers *self);

/* A request of the client with the unique name @name begins to wait, or has ended; they come in pairs. */
void core2_callers_begin (Core2Callers *self, const char *name);
void core2_callers_end (Core2Callers *self, const char *name);

G_END_DECLS
