/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

/*
 * The orientation as the chip gives it: a point in a square, and the two raw numbers. What they
 * mean is not known, so there are no degrees.
 */
#define DESK_TYPE_DIAL (desk_dial_get_type ())
G_DECLARE_FINAL_TYPE (DeskDial, desk_dial, DESK, DIAL, GtkWidget)

GtkWidget *desk_dial_new (void);

/* Shows the raw pair; with @known FALSE none. */
void desk_dial_set_orientation (DeskDial *self, gboolean known, guint16 x, guint16 y);

G_END_DECLS
