/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

#include "core2-dbus.h"

G_BEGIN_DECLS

/* A chip in the list: what it is called, its steps of today, how it is. */
#define DESK_TYPE_ROW (desk_row_get_type ())
G_DECLARE_FINAL_TYPE (DeskRow, desk_row, DESK, ROW, GtkListBoxRow)

GtkWidget *desk_row_new (Core2DbusChip *chip);

/* Owned by the row. */
Core2DbusChip *desk_row_get_chip (DeskRow *self);

G_END_DECLS
