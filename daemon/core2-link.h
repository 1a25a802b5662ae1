/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "core2-bluez.h"

G_BEGIN_DECLS

/* One GATT session: from "services resolved" to the end of the connection. Requests go out one at a
 * time, because BlueZ answers InProgress when two meet and 5.66 can crash when a chip vanishes while several
 * subscriptions are pending. Characteristics are named by UUID and looked up at each request, because handles
 * and paths move. Nothing of a link outlives it. */
typedef struct Core2Link Core2Link;

/* End of a request. @error (domain CORE2_ERROR) is NULL on success; @data is what a read brought
 * (@size may be 0, a legal value), else NULL. All are borrowed. */
typedef void (*Core2LinkDone) (const GError *error, const guint8 *data, gsize size,
                               gpointer user_data);

typedef enum
{
  /* A request was not answered in time: nothing that follows on this link will be, because ATT carries one
   * request at a time. */
  CORE2_LINK_STUCK,
  /* BlueZ does not know a characteristic that it listed: its copy of the services is old. */
  CORE2_LINK_STALE,
} Core2LinkFault;

/* The link serves no more; it may be freed in here. */
typedef void (*Core2LinkBroken) (Core2LinkFault fault, gpointer user_data);

/* @device must outlive the link. @timeout_ms bounds each request. */
Core2Link *core2_link_new (Core2Bluez *bluez, Core2BluezDevice *device, guint timeout_ms,
                           Core2LinkBroken broken, gpointer user_data);

/* Ends the link; every request that waits is ended with CORE2_ERROR_NOT_CONNECTED. */
void core2_link_free (Core2Link *self);

/* Whether anything is asked that has no answer yet. */
gboolean core2_link_is_busy (Core2Link *self);

/* Whether the chip has the characteristic @uuid now. */
gboolean core2_link_has (Core2Link *self, const char *uuid);

/* Reads a characteristic. Reads of the same one that wait in the queue become one request on the air.
 * Errors: CORE2_ERROR_NOT_SUPPORTED when there is no such characteristic or it cannot be read,
 * NOT_CONNECTED, TIMEOUT, IN_PROGRESS (another program kept it busy), FAILED. @done is never called from
 * within this function; this holds for the others as well. */
void core2_link_read (Core2Link *self, const char *uuid, Core2LinkDone done, gpointer user_data);

/* Writes @size bytes (copied); @with_response: a write request, else a write command, which no chip
 * answers. Errors as for reads. */
void core2_link_write (Core2Link *self, const char *uuid, const guint8 *data, gsize size,
                       gboolean with_response, Core2LinkDone done, gpointer user_data);

/* Turns notifications on. Values come through Core2BluezEvents.value_changed. */
void core2_link_subscribe (Core2Link *self, const char *uuid, Core2LinkDone done,
                           gpointer user_data);

/* Takes back what was asked with this @done and @user_data: it is not called any more. What has not gone out yet and
 * nobody else waits for never does. */
void core2_link_forget (Core2Link *self, Core2LinkDone done, gpointer user_data);

G_END_DECLS
