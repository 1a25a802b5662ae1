/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "core2-bus.h"
#include "core2-config.h"
#include "core2-store.h"

G_BEGIN_DECLS

/* The root of everything: BlueZ, access, the chips and org.example.Core2.Manager. */
typedef struct Core2Manager Core2Manager;

/* Called when STATUS= of the service has changed; @text is borrowed. */
typedef void (*Core2ManagerStatus) (const char *text, gpointer user_data);

/* Publishes the manager and all remembered chips. @bus and @store must outlive it; @config is copied. Returns NULL
 * with @error when the state cannot be read or the bus refuses. */
Core2Manager *core2_manager_new (Core2Bus *bus, Core2Store *store, const Core2Config *config,
                                 Core2ManagerStatus status, gpointer user_data, GError **error);

/* The bus name is ours: from now on changes are signalled. Until then nobody can know whom to listen to, and
 * whoever learns the name then reads what is true then. */
void core2_manager_announce (Core2Manager *self);

/* Takes a new configuration into use. */
void core2_manager_set_config (Core2Manager *self, const Core2Config *config);

/* Asks bluetoothd to close the links that are ours; sends and does not wait. For the end of the daemon. */
void core2_manager_release_links (Core2Manager *self);

/* Saves everything, ends everybody's calls, unpublishes. */
void core2_manager_free (Core2Manager *self);

G_END_DECLS
