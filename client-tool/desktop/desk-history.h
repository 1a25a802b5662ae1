/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core2-dbus.h"
#include "desk-week.h"

G_BEGIN_DECLS

/*
 * Asks core2d for the last seven days of @chip, and shows them in @week when they come. Where
 * they cannot be had, for instance because the user may not read the history, today is shown.
 */
void desk_history_load_week (Core2DbusChip *chip, DeskWeek *week, GCancellable *cancellable);

G_END_DECLS
