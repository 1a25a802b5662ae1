/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may do what: asks polkit, over the same bus connection and without ever waiting for it. */
#pragma once

#include "core2-bus.h"

#include <glib.h>
#include <systemd/sd-bus.h>

G_BEGIN_DECLS

typedef struct Core2Access Core2Access;

/* A question under way; it belongs to whoever asked. */
typedef struct Core2AccessCheck Core2AccessCheck;

/* The answer. @error, borrowed, is NULL exactly when @allowed, else what the caller gets:
 * AccessDenied, InteractiveAuthorizationRequired (it may ask again with the flag) or RateLimited.
 * The pointer given to core2_access_check() is NULL again by then. */
typedef void (*Core2AccessDone) (gboolean allowed, const sd_bus_error *error, gpointer user_data);

Core2Access *core2_access_new (Core2Bus *bus);

/* Drops what is still asked, without an answer. */
void core2_access_free (Core2Access *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Core2Access, core2_access_free)

/*
 * Asks whether the sender of @message may do @action, the part after "org.example.core2." of one
 * of the polkit actions. @address and @alias tell a person who is asked for a password which chip
 * it is about; both may be NULL. *@check must be NULL and stay valid until the answer or
 * core2_access_check_cancel(). @done is called from the main loop, never from within this
 * function.
 *
 * A person is asked only when @message allows interaction, and then has two minutes; else polkit
 * has five seconds. No answer in time is a denial. The same question of the same client, asked
 * while the first is open, shares its answer, so that nobody sees two dialogs. When the client
 * leaves the bus the question is taken back, and the answer is a denial. Where no polkit runs,
 * root and the daemon's own user may do everything and all others nothing. A client may have
 * CORE2_ACCESS_MAX_PER_CLIENT open.
 */
void core2_access_check (Core2Access *self, Core2AccessCheck **check, sd_bus_message *message,
                         const char *action, const char *address, const char *alias,
                         Core2AccessDone done, gpointer user_data);

/* Takes a question back: its callback is not called any more. Does nothing when *@check is NULL. */
void core2_access_check_cancel (Core2AccessCheck **check);

/* Questions one client may have open, and all together: the bus allows us 128 pending replies. */
#define CORE2_ACCESS_MAX_PER_CLIENT 16
#define CORE2_ACCESS_MAX 48

G_END_DECLS
