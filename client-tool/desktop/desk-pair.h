/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

#include "core2-dbus.h"

G_BEGIN_DECLS

/* Pairs a chip: says what happens to its counter, when to shake, how long is left, and how it
 * ended. Closing it cancels a pairing under way. */
#define DESK_TYPE_PAIR (desk_pair_get_type ())
G_DECLARE_FINAL_TYPE (DeskPair, desk_pair, DESK, PAIR, AdwWindow)

GtkWidget *desk_pair_new (GtkWindow *parent, Core2DbusChip *chip);

G_END_DECLS
