/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "core2-dbus.h"
#include "notify-config.h"
#include "notify-memory.h"

/* Watches the chips of core2d, and tells the user what the rules and the configuration say. */
typedef struct NotifyWatch NotifyWatch;

/*
 * @objects are core2d's on the system bus, @session is where the desktop is, @memory is the
 * caller's and must outlive the watch.
 */
NotifyWatch *notify_watch_new (GDBusObjectManagerClient *objects, GDBusConnection *session,
                               NotifyMemory *memory, const NotifyConfig *config);
void notify_watch_free (NotifyWatch *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NotifyWatch, notify_watch_free)

/* From now on another configuration counts. What it newly switches on is told where it is so. */
void notify_watch_set_config (NotifyWatch *self, const NotifyConfig *config);
