/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "desk-row.h"

#include "desk-text.h"

#define MARGIN 8

struct _DeskRow
{
  GtkListBoxRow parent_instance;

  Core2DbusChip *chip;
  GtkLabel *title;
  GtkLabel *status;
  GtkLabel *steps;
};

G_DEFINE_FINAL_TYPE (DeskRow, desk_row, GTK_TYPE_LIST_BOX_ROW)

static void
show (DeskRow *self)
{
  g_autofree char *title = desk_text_title (self->chip);
  g_autofree char *status = desk_text_status (self->chip);
  g_autofree char *steps = desk_text_number (core2_dbus_chip_get_steps_today (self->chip));
  g_autofree char *spoken = g_strdup_printf ("%s, %s steps today, %s", title, steps, status);

  gtk_label_set_text (self->title, title);
  gtk_label_set_text (self->status, status);
  gtk_label_set_text (self->steps, steps);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL, spoken, -1);
}

static GtkLabel *
create_label (const char *style)
{
  GtkWidget *label = gtk_label_new (NULL);

  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_END);
  gtk_widget_set_hexpand (label, TRUE);
  if (style != NULL)
    gtk_widget_add_css_class (label, style);
  return GTK_LABEL (label);
}

static void
desk_row_finalize (GObject *object)
{
  g_clear_object (&DESK_ROW (object)->chip);
  G_OBJECT_CLASS (desk_row_parent_class)->finalize (object);
}

static void
desk_row_class_init (DeskRowClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = desk_row_finalize;
}

static void
desk_row_init (DeskRow *self)
{
  GtkWidget *columns = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, MARGIN);
  GtkWidget *lines = gtk_box_new (GTK_ORIENTATION_VERTICAL, 0);

  self->title = create_label (NULL);
  self->status = create_label ("caption");
  gtk_widget_add_css_class (GTK_WIDGET (self->status), "dim-label");
  self->steps = create_label ("numeric");
  gtk_widget_set_hexpand (GTK_WIDGET (self->steps), FALSE);
  gtk_box_append (GTK_BOX (lines), GTK_WIDGET (self->title));
  gtk_box_append (GTK_BOX (lines), GTK_WIDGET (self->status));
  gtk_box_append (GTK_BOX (columns), lines);
  gtk_box_append (GTK_BOX (columns), GTK_WIDGET (self->steps));
  gtk_widget_set_margin_top (columns, MARGIN);
  gtk_widget_set_margin_bottom (columns, MARGIN);
  gtk_list_box_row_set_child (GTK_LIST_BOX_ROW (self), columns);
}

Core2DbusChip *
desk_row_get_chip (DeskRow *self)
{
  return self->chip;
}

GtkWidget *
desk_row_new (Core2DbusChip *chip)
{
  DeskRow *self = g_object_new (DESK_TYPE_ROW, NULL);

  self->chip = g_object_ref (chip);
  g_signal_connect_object (chip, "notify", G_CALLBACK (show), self, G_CONNECT_SWAPPED);
  show (self);
  return GTK_WIDGET (self);
}
