/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "core2-dbus.h"

G_BEGIN_DECLS

#define DESK_BUS_NAME "org.example.Core2"
#define DESK_ROOT_PATH "/org/example/Core2"

/* What there is to talk to. */
typedef enum
{
  DESK_SERVICE_STARTING, /* core2d has been asked for and has not answered yet */
  DESK_SERVICE_NO_BUS,   /* there is no system bus */
  DESK_SERVICE_ABSENT,   /* core2d does not run and cannot be started */
  DESK_SERVICE_READY,
} DeskService;

/*
 * core2d as the application sees it: whether it is there, and its chips. Nothing here waits; the
 * signal "changed" tells of a new service, manager or adapter state.
 */
#define DESK_TYPE_CLIENT (desk_client_get_type ())
G_DECLARE_FINAL_TYPE (DeskClient, desk_client, DESK, CLIENT, GObject)

/* Connects to the system bus, and has core2d started where the bus can. */
DeskClient *desk_client_new (void);

/* Tries again to start core2d, or to connect to the bus. */
void desk_client_retry (DeskClient *self);

DeskService desk_client_get_service (DeskClient *self);

/* core2d's manager, or NULL when the service is not ready. Owned by the client. */
Core2DbusManager *desk_client_get_manager (DeskClient *self);

/* All chips, a list of Core2DbusChip, also those that were only seen in a scan. Owned by the
 * client, and the same one as long as it lives. */
GListModel *desk_client_get_chips (DeskClient *self);

/*
 * Calls @method of @proxy with the right to have polkit ask for a password, and without a deadline
 * of its own: core2d answers every call in time. Takes @parameters if it is floating. @done gets
 * the result for g_dbus_proxy_call_finish().
 */
void desk_client_call (gpointer proxy, const char *method, GVariant *parameters,
                       GCancellable *cancellable, GAsyncReadyCallback done, gpointer user_data);

G_END_DECLS
