/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "desk-draw.h"

#define TRACK_ALPHA 0.15f

void
desk_draw_set_color (cairo_t *cr, GtkWidget *widget, DeskColor color)
{
  GtkStyleContext *style = gtk_widget_get_style_context (widget);
  GdkRGBA rgba;

  gtk_style_context_get_color (style, &rgba);
  if (color == DESK_COLOR_TRACK)
    rgba.alpha *= TRACK_ALPHA;
  else if (color == DESK_COLOR_ACCENT)
    gtk_style_context_lookup_color (style, "accent_color", &rgba);
  else if (color == DESK_COLOR_SUCCESS)
    gtk_style_context_lookup_color (style, "success_color", &rgba);
  gdk_cairo_set_source_rgba (cr, &rgba);
}
