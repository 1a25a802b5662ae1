/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "core2-dbus.h"

/*
 * The goal of the chip at @path was reached on @day, which is the one that is running, with @steps
 * by now. The strings are the caller's.
 */
typedef void (*NotifyGoalFunc) (const char *path, const char *day, guint steps,
                                gpointer user_data);

/*
 * Asks whether the goal of @chip was reached today before anybody listened, and calls @func if so;
 * never before this returns, and not after @cancellable was cancelled. Where the history may not
 * be read nothing is called: nobody is asked for a password.
 */
void notify_goal_ask (Core2DbusChip *chip, GCancellable *cancellable, NotifyGoalFunc func,
                      gpointer user_data);
