/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* Colours of the theme, so that drawings follow light, dark and high contrast. */
typedef enum
{
  DESK_COLOR_TEXT,
  DESK_COLOR_TRACK, /* what is not filled yet */
  DESK_COLOR_ACCENT,
  DESK_COLOR_SUCCESS,
} DeskColor;

/* Makes @color, as @widget has it now, the source of @cr. */
void desk_draw_set_color (cairo_t *cr, GtkWidget *widget, DeskColor color);

G_END_DECLS
