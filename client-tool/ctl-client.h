/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "core2-dbus.h"

#define CTL_BUS_NAME "org.example.Core2"
#define CTL_ROOT_PATH "/org/example/Core2"
#define CTL_MANAGER_PATH "/org/example/Core2/Manager"

/* Deadline of calls that core2d answers without the radio, in milliseconds. */
#define CTL_QUICK_MS (15 * 1000)
/* And of those that may have to connect to the chip first. */
#define CTL_RADIO_MS (120 * 1000)

/*
 * The connection of one core2ctl to core2d. Every wait runs the main loop, has a deadline, and
 * ends early on Ctrl-C or SIGTERM with G_IO_ERROR_CANCELLED. Leaving the bus ends what core2d
 * does for this caller, so nothing has to be undone then.
 */
typedef struct _CtlClient CtlClient;

/*
 * Connects to the system bus and to core2d; with @start that is started when it does not run.
 * With @all it loads every chip, which takes half a millisecond for each; chips can be listed and the
 * objects be got only then. Fails with CTL_EXIT_UNAVAILABLE when there is no bus, no core2d, or no answer.
 */
CtlClient *ctl_client_new (gboolean start, gboolean all, GError **error);
void ctl_client_free (CtlClient *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CtlClient, ctl_client_free)

/*
 * Drops what was loaded from core2d, and loads it again from one that has been restarted. In
 * between there are no objects and no manager.
 */
void ctl_client_unload (CtlClient *self);
gboolean ctl_client_reload (CtlClient *self, GError **error);

/*
 * Whether the bus name @name has an owner, with @start after starting one where the bus can.
 */
gboolean ctl_client_start_service (CtlClient *self, const char *name, gboolean start,
                                   GError **error);

/* What of the client the verbs use; all owned by the client. */
GDBusConnection *ctl_client_get_connection (CtlClient *self);
GDBusObjectManager *ctl_client_get_objects (CtlClient *self);
Core2DbusManager *ctl_client_get_manager (CtlClient *self);
GCancellable *ctl_client_get_cancellable (CtlClient *self);

/* Whether Ctrl-C or SIGTERM came. */
gboolean ctl_client_is_interrupted (CtlClient *self);

/*
 * Has @callback called on Ctrl-C and SIGTERM instead of cancelling what is under way; NULL
 * restores that.
 */
void ctl_client_set_interrupt (CtlClient *self, void (*callback) (gpointer), gpointer user_data);

/*
 * The chips, owned by the caller as a GPtrArray of Core2DbusChip: by side (left first), then by
 * title. With @remembered only those that were added.
 */
GPtrArray *ctl_client_list_chips (CtlClient *self, gboolean remembered);

/*
 * The chips that were added, as above. Fails with CTL_EXIT_NO_CHIP when there is none.
 */
GPtrArray *ctl_client_list_added (CtlClient *self, GError **error);

/* The chip that @name means (address, alias or side) alone, with NULL all that were added. */
GPtrArray *ctl_client_list_named (CtlClient *self, const char *name, GError **error);

/* The proxy of @chip's org.example.Core2.History. */
GDBusProxy *ctl_client_get_history (CtlClient *self, Core2DbusChip *chip, GError **error);

/*
 * The chip that @name (address, alias or side) means; with NULL the only one that is remembered.
 * Fails with CTL_EXIT_NO_CHIP, or with CTL_EXIT_USAGE when there are several and none is named.
 */
Core2DbusChip *ctl_client_find_chip (CtlClient *self, const char *name, GError **error);

/* The chip at object path @path with freshly read properties. */
Core2DbusChip *ctl_client_get_chip (CtlClient *self, const char *path, GError **error);

/* Reads the properties of @proxy, a GDBusProxy, again: some are not signalled. */
gboolean ctl_client_refresh (CtlClient *self, gpointer proxy, GError **error);

/*
 * Calls @method of @proxy, allowing polkit to ask for a password, and waits at most @timeout_ms.
 * Takes @parameters if it is floating; NULL for none.
 */
GVariant *ctl_client_call (CtlClient *self, gpointer proxy, const char *method,
                           GVariant *parameters, int timeout_ms, GError **error);

/*
 * Starts the same call; @done gets its result for g_dbus_proxy_call_finish(). For verbs that do
 * something else meanwhile.
 */
void ctl_client_call_async (CtlClient *self, gpointer proxy, const char *method,
                            GVariant *parameters, int timeout_ms, GAsyncReadyCallback done,
                            gpointer user_data);

/* What people call @chip: its alias, "left chip", or its name. Owned by the caller. */
char *ctl_chip_dup_title (Core2DbusChip *chip);
/* The same with the address behind it. Owned by the caller. */
char *ctl_chip_dup_full_title (Core2DbusChip *chip);
