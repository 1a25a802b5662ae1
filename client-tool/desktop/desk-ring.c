/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "desk-ring.h"

#include <math.h>

#include "desk-draw.h"
#include "desk-text.h"

#define SIZE 200
#define LINE_WIDTH 14.0

struct _DeskRing
{
  GtkWidget parent_instance;

  GtkWidget *box;
  GtkLabel *number;
  GtkLabel *caption;
  guint steps;
  guint goal;
};

G_DEFINE_FINAL_TYPE (DeskRing, desk_ring, GTK_TYPE_WIDGET)

static void
draw_arc (cairo_t *cr, double size, double share)
{
  double radius = (size - LINE_WIDTH) / 2;

  cairo_arc (cr, size / 2, size / 2, radius, -G_PI_2, -G_PI_2 + share * 2 * G_PI);
  cairo_stroke (cr);
}

static void
desk_ring_snapshot (GtkWidget *widget, GtkSnapshot *snapshot)
{
  DeskRing *self = DESK_RING (widget);
  int width = gtk_widget_get_width (widget), height = gtk_widget_get_height (widget);
  double size = MIN (width, height);
  cairo_t *cr;

  cr = gtk_snapshot_append_cairo (snapshot, &GRAPHENE_RECT_INIT (0, 0, width, height));
  cairo_translate (cr, (width - size) / 2, (height - size) / 2);
  cairo_set_line_width (cr, LINE_WIDTH);
  cairo_set_line_cap (cr, CAIRO_LINE_CAP_ROUND);
  desk_draw_set_color (cr, widget, DESK_COLOR_TRACK);
  draw_arc (cr, size, 1);
  if (self->goal > 0 && self->steps > 0)
    {
      desk_draw_set_color (cr, widget,
                           self->steps >= self->goal ? DESK_COLOR_SUCCESS : DESK_COLOR_ACCENT);
      draw_arc (cr, size, MIN (1.0, (double) self->steps / self->goal));
    }
  cairo_destroy (cr);
  GTK_WIDGET_CLASS (desk_ring_parent_class)->snapshot (widget, snapshot);
}

void
desk_ring_set_steps (DeskRing *self, guint steps, guint goal)
{
  g_autofree char *number = desk_text_number (steps);
  g_autofree char *goal_number = desk_text_number (goal);
  g_autofree char *caption = NULL;
  g_autofree char *value = NULL;

  self->steps = steps;
  self->goal = goal;
  caption = goal == 0 ? g_strdup ("steps today") : g_strdup_printf ("of %s steps", goal_number);
  value = g_strdup_printf ("%s %s", number, caption);
  gtk_label_set_text (self->number, number);
  gtk_label_set_text (self->caption, caption);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_VALUE_MIN, 0.0,
                                  GTK_ACCESSIBLE_PROPERTY_VALUE_MAX, (double) MAX (goal, steps),
                                  GTK_ACCESSIBLE_PROPERTY_VALUE_NOW, (double) steps,
                                  GTK_ACCESSIBLE_PROPERTY_VALUE_TEXT, value,
                                  /* What GTK before 4.10 tells of a meter. */
                                  GTK_ACCESSIBLE_PROPERTY_DESCRIPTION, value, -1);
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

static void
desk_ring_dispose (GObject *object)
{
  g_clear_pointer (&DESK_RING (object)->box, gtk_widget_unparent);
  G_OBJECT_CLASS (desk_ring_parent_class)->dispose (object);
}

static void
desk_ring_class_init (DeskRingClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = desk_ring_dispose;
  widget_class->snapshot = desk_ring_snapshot;
  gtk_widget_class_set_layout_manager_type (widget_class, GTK_TYPE_BIN_LAYOUT);
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_METER);
  gtk_widget_class_set_css_name (widget_class, "ring");
}

static GtkLabel *
add_label (DeskRing *self, const char *style)
{
  GtkWidget *label = gtk_label_new (NULL);

  gtk_widget_add_css_class (label, style);
  gtk_widget_add_css_class (label, "numeric");
  gtk_box_append (GTK_BOX (self->box), label);
  return GTK_LABEL (label);
}

static void
desk_ring_init (DeskRing *self)
{
  self->box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 0);
  gtk_widget_set_halign (self->box, GTK_ALIGN_CENTER);
  gtk_widget_set_valign (self->box, GTK_ALIGN_CENTER);
  gtk_widget_set_parent (self->box, GTK_WIDGET (self));
  self->number = add_label (self, "title-1");
  self->caption = add_label (self, "dim-label");
  gtk_widget_set_size_request (GTK_WIDGET (self), SIZE, SIZE);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  "Steps today", -1);
  desk_ring_set_steps (self, 0, 0);
}

GtkWidget *
desk_ring_new (void)
{
  return g_object_new (DESK_TYPE_RING, NULL);
}
