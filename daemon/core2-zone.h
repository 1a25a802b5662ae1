/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The file, usually a symbolic link, that says which time zone the machine is in: localtime(5). */
#define CORE2_ZONE_DIRECTORY "/etc"
#define CORE2_ZONE_FILE "localtime"

/* Watches which time zone the machine is in: nobody signals that on a machine without systemd-timedated, and a day
 * begins at another moment from then on. */
typedef struct Core2Zone Core2Zone;

/* The file was made, replaced or written; once for each time. It need not be another zone. */
typedef void (*Core2ZoneFunc) (gpointer user_data);

/* Watches CORE2_ZONE_FILE in @directory (CORE2_ZONE_DIRECTORY) with inotify(7). Never fails: where it cannot be
 * watched there is one log line, and no call of @func. */
Core2Zone *core2_zone_new (const char *directory, Core2ZoneFunc func, gpointer user_data);
void core2_zone_free (Core2Zone *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Core2Zone, core2_zone_free)

G_END_DECLS
