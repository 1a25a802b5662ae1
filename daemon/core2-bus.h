/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

#include "core2-callers.h"

G_BEGIN_DECLS

/* The one connection to the system bus: sd-bus driven by the thread-default GMainContext, calls with a
 * deadline and an owner, and a watch on clients that leave the bus. */
typedef struct Core2Bus Core2Bus;

/* A method call on its way (or queued), or a watch on a client; each belongs to whoever started it. */
typedef struct Core2Call Core2Call;
typedef struct Core2ClientWatch Core2ClientWatch;

/* The connection is gone for good. Called once, from the main loop; no call is answered any more. */
typedef void (*Core2BusLostFunc) (gpointer user_data);

typedef void (*Core2BusFunc) (gpointer user_data);

/* End of a call: exactly one of @reply and @error is not NULL; both are borrowed. The pointer given to
 * core2_call_start() is NULL again by then. */
typedef void (*Core2CallDone) (sd_bus_message *reply, const sd_bus_error *error,
                               gpointer user_data);

/* The client has left the bus. The pointer given to core2_client_watch_start() is NULL by then. */
typedef void (*Core2ClientGone) (gpointer user_data);

/* Connects to the system bus (DBUS_SYSTEM_BUS_ADDRESS is honoured). Returns NULL and sets @error
 * (G_FILE_ERROR) when there is none. @lost may be called at any later time. */
Core2Bus *core2_bus_open (Core2BusLostFunc lost, gpointer user_data, GError **error);

/* Writes what is queued, for at most 2 seconds, closes, frees. All calls and watches must have been
 * cancelled. */
void core2_bus_close (Core2Bus *self);

/* The connection itself, borrowed: for vtables, matches and signals. */
sd_bus *core2_bus_get (Core2Bus *self);

/* Sends @message (a reference is taken) and calls @done at the reply, at an error or after
 * @timeout_ms milliseconds, whichever comes first; a time-out is org.freedesktop.DBus.Error.NoReply
 * or Timeout. At most CORE2_BUS_MAX_CALLS are on their way at once, the others wait their turn in order;
 * the deadline counts from the moment of sending. *@call must be NULL and must stay valid until the
 * call ends or is cancelled. @done is never called from within this function. */
void core2_call_start (Core2Bus *self, Core2Call **call, sd_bus_message *message,
                       guint timeout_ms, Core2CallDone done, gpointer user_data);

/* Sends @message, which is taken and may be NULL; nobody waits for an answer. */
void core2_bus_send_unanswered (Core2Bus *self, sd_bus_message *message);

/* Drops a call: @done is not called any more. Does nothing when *@call is NULL. */
void core2_call_cancel (Core2Call **call);

/* Like core2_call_start() for the Connect calls that bluetoothd leaves pending while a device sleeps:
 * not counted against CORE2_BUS_MAX_CALLS, because its caller bounds their number. */
void core2_call_start_uncounted (Core2Bus *self, Core2Call **call, sd_bus_message *message,
                                 guint timeout_ms, Core2CallDone done, gpointer user_data);

/* Watches the client with the unique name @name. One match rule serves all watches. @gone is called from
 * the main loop, also when the client had left before the watch began. *@watch must be NULL. */
void core2_client_watch_start (Core2Bus *self, Core2ClientWatch **watch, const char *name,
                               Core2ClientGone gone, gpointer user_data);

/* Ends a watch. Does nothing when *@watch is NULL. */
void core2_client_watch_stop (Core2ClientWatch **watch);

/* Messages that wait in this process to be written to the bus: grows when the bus daemon does not read,
 * which it stops doing while it is full of one client's unread signals. Nothing is read from the bus while
 * more than CORE2_BUS_MAX_QUEUED wait. */
guint64 core2_bus_get_queued (Core2Bus *self);
#define CORE2_BUS_MAX_QUEUED 64

/* Calls @func once, when the next message comes; replaces the one before. NULL: none. */
void core2_bus_call_at_next_message (Core2Bus *self, Core2BusFunc func, gpointer user_data);

/* Whether the bus has refused calls for minutes, because too many were never answered: another connection begins
 * anew. */
gboolean core2_bus_is_worn_out (Core2Bus *self);

/* The clients' requests under way, borrowed. */
Core2Callers *core2_bus_get_callers (Core2Bus *self);

/* Most counted calls in flight at once: dbus-daemon allows 128 pending replies a connection. */
#define CORE2_BUS_MAX_CALLS 20

/* With those that were cancelled, which the bus counts until they are answered. Together with the pending
 * Connects, and some that are not counted, it stays below its limit. */
#define CORE2_BUS_MAX_UNANSWERED 24

G_END_DECLS
