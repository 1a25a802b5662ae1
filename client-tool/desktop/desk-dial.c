/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "desk-dial.h"

#include "desk-draw.h"

#define SIZE 72
#define DOT_RADIUS 5.0

struct _DeskDial
{
  GtkWidget parent_instance;

  gboolean known;
  guint16 x;
  guint16 y;
  guint largest; /* of the values so far */
};

G_DEFINE_FINAL_TYPE (DeskDial, desk_dial, GTK_TYPE_WIDGET)

static void
draw_cross (cairo_t *cr, double size)
{
  cairo_set_line_width (cr, 1);
  cairo_rectangle (cr, 0.5, 0.5, size - 1, size - 1);
  cairo_move_to (cr, size / 2, 0);
  cairo_line_to (cr, size / 2, size);
  cairo_move_to (cr, 0, size / 2);
  cairo_line_to (cr, size, size / 2);
  cairo_stroke (cr);
}

/* What the full width stands for. The unit is not known: perhaps degrees, else a power of two that
 * holds all values so far. */
static guint
get_full (const DeskDial *self)
{
  guint full = 512;

  if (self->largest <= 360)
    return 360;
  while (full < self->largest)
    full *= 2;
  return full;
}

static void
desk_dial_snapshot (GtkWidget *widget, GtkSnapshot *snapshot)
{
  DeskDial *self = DESK_DIAL (widget);
  double size = MIN (gtk_widget_get_width (widget), gtk_widget_get_height (widget));
  double scale = (size - 2 * DOT_RADIUS) / get_full (self);
  cairo_t *cr = gtk_snapshot_append_cairo (snapshot, &GRAPHENE_RECT_INIT (0, 0, size, size));

  desk_draw_set_color (cr, widget, DESK_COLOR_TRACK);
  draw_cross (cr, size);
  if (self->known)
    {
      desk_draw_set_color (cr, widget, DESK_COLOR_ACCENT);
      cairo_arc (cr, DOT_RADIUS + scale * self->x, size - DOT_RADIUS - scale * self->y, DOT_RADIUS,
                 0, 2 * G_PI);
      cairo_fill (cr);
    }
  cairo_destroy (cr);
}

static void
desk_dial_measure (GtkWidget *widget, GtkOrientation orientation, int for_size, int *minimum,
                   int *natural, int *minimum_baseline, int *natural_baseline)
{
  *minimum = *natural = SIZE;
}

void
desk_dial_set_orientation (DeskDial *self, gboolean known, guint16 x, guint16 y)
{
  g_autofree char *text = known ? g_strdup_printf ("%u, %u", x, y) : g_strdup ("unknown");

  self->known = known;
  self->x = x;
  self->y = y;
  if (known)
    self->largest = MAX (self->largest, MAX (x, y));
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_DESCRIPTION, text,
                                  -1);
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

static void
desk_dial_class_init (DeskDialClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  widget_class->snapshot = desk_dial_snapshot;
  widget_class->measure = desk_dial_measure;
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_IMG);
}

static void
desk_dial_init (DeskDial *self)
{
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  "Orientation", -1);
}

GtkWidget *
desk_dial_new (void)
{
  return g_object_new (DESK_TYPE_DIAL, NULL);
}
