/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core2-bus.h"

G_BEGIN_DECLS

/* Taking a bus name. A name that another connection has is asked for once more when that one does not answer:
 * dbus-daemon does not notice the end of a program from which it stopped reading (see core2-bus-health.h) before it
 * writes to it, so that what was started anew must wake it. */
typedef struct Core2BusName Core2BusName;

/* @problem is NULL when the name is ours, else why it is not, for people. Called once. */
typedef void (*Core2BusNameDone) (const char *problem, gpointer user_data);

/* @name must be static. @done is never called from within this function. */
Core2BusName *core2_bus_name_take (Core2Bus *bus, const char *name, Core2BusNameDone done,
                                   gpointer user_data);

/* The name itself goes with the connection. */
void core2_bus_name_free (Core2BusName *self);

G_END_DECLS
