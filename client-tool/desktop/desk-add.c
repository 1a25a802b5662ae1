/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "desk-add.h"

#include "desk-filter.h"
#include "desk-text.h"

/* How long is looked for chips, in seconds. */
#define SCAN_SECONDS 15

struct _DeskAdd
{
  AdwWindow parent_instance;

  DeskClient *client;
  GCancellable *cancellable;
  GListModel *found;
  gboolean looking;
  char *problem; /* why the last thing failed, for people; NULL: it did not */

  GtkWidget *again;
  GtkSpinner *spinner;
  GtkStack *stack;
  AdwStatusPage *empty;
  GtkListBox *list;
};

G_DEFINE_FINAL_TYPE (DeskAdd, desk_add, ADW_TYPE_WINDOW)

static void
show (DeskAdd *self)
{
  gboolean any = g_list_model_get_n_items (self->found) > 0 && self->problem == NULL;
  g_autofree char *escaped
      = self->problem != NULL ? g_markup_escape_text (self->problem, -1) : NULL;

  gtk_stack_set_visible_child_name (self->stack, any ? "found" : "empty");
  gtk_spinner_set_spinning (self->spinner, self->looking);
  gtk_widget_set_sensitive (self->again, !self->looking);
  adw_status_page_set_title (self->empty, self->problem != NULL ? "That Did Not Work"
                                          : self->looking       ? "Looking for Chips"
                                                                : "No Chip Found");
  adw_status_page_set_description (
      self->empty, escaped != NULL ? escaped
                                   : "A chip sleeps most of the time. Shake it to wake it.");
}

static void
set_problem (DeskAdd *self, const GError *error)
{
  g_free (self->problem);
  self->problem = error != NULL ? desk_text_error (error) : NULL;
}

static void
scan_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_proxy_call_finish (G_DBUS_PROXY (source), result, &error);
  DeskAdd *self = user_data;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  self->looking = FALSE;
  set_problem (self, reply == NULL ? error : NULL);
  show (self);
}

static void
look (DeskAdd *self)
{
  Core2DbusManager *manager = desk_client_get_manager (self->client);
  GVariantBuilder options;

  if (manager == NULL || self->looking)
    return;
  self->looking = TRUE;
  set_problem (self, NULL);
  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&options, "{sv}", "timeout", g_variant_new_uint32 (SCAN_SECONDS));
  desk_client_call (manager, "Scan", g_variant_new ("(a{sv})", &options), self->cancellable,
                    scan_done, self);
  show (self);
}

static void
on_again_clicked (GtkButton *button, gpointer user_data)
{
  look (user_data);
}

static void
add_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_proxy_call_finish (G_DBUS_PROXY (source), result, &error);
  DeskAdd *self = user_data;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (reply != NULL)
    {
      gtk_window_close (GTK_WINDOW (self));
      return;
    }
  set_problem (self, error);
  show (self);
}

static void
on_row_activated (GtkListBox *list, GtkListBoxRow *row, gpointer user_data)
{
  DeskAdd *self = user_data;
  Core2DbusManager *manager = desk_client_get_manager (self->client);
  g_autoptr (Core2DbusChip) chip
      = g_list_model_get_item (self->found, (guint) gtk_list_box_row_get_index (row));

  if (manager != NULL && chip != NULL)
    desk_client_call (manager, "AddChip",
                      g_variant_new ("(sa{sv})", core2_dbus_chip_get_address (chip), NULL),
                      self->cancellable, add_done, self);
}

/* A chip may be heard before its name is. */
static gboolean
name_to_title (GBinding *binding, const GValue *name, GValue *title, gpointer user_data)
{
  const char *text = g_value_get_string (name);

  g_value_set_string (title, text != NULL && text[0] != '\0' ? text : "Chip");
  return TRUE;
}

static GtkWidget *
create_row (gpointer item, gpointer user_data)
{
  GtkWidget *row = adw_action_row_new ();

  adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (row), FALSE);
  g_object_bind_property_full (item, "name", row, "title", G_BINDING_SYNC_CREATE, name_to_title,
                               NULL, NULL, NULL);
  adw_action_row_set_subtitle (ADW_ACTION_ROW (row), core2_dbus_chip_get_address (item));
  adw_action_row_add_suffix (ADW_ACTION_ROW (row),
                             gtk_image_new_from_icon_name ("list-add-symbolic"));
  gtk_list_box_row_set_activatable (GTK_LIST_BOX_ROW (row), TRUE);
  return row;
}

static void
desk_add_dispose (GObject *object)
{
  DeskAdd *self = DESK_ADD (object);

  /* Leaving the call does not end the scan, which ends by itself in seconds. */
  g_cancellable_cancel (self->cancellable);
  G_OBJECT_CLASS (desk_add_parent_class)->dispose (object);
}

static void
desk_add_finalize (GObject *object)
{
  DeskAdd *self = DESK_ADD (object);

  g_clear_object (&self->cancellable);
  g_clear_object (&self->found);
  g_clear_object (&self->client);
  g_free (self->problem);
  G_OBJECT_CLASS (desk_add_parent_class)->finalize (object);
}

static void
desk_add_class_init (DeskAddClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = desk_add_dispose;
  G_OBJECT_CLASS (klass)->finalize = desk_add_finalize;
  gtk_widget_class_set_template_from_resource (widget_class,
                                               "/org/example/Core2/Desk/desk-add.ui");
  gtk_widget_class_bind_template_child (widget_class, DeskAdd, again);
  gtk_widget_class_bind_template_child (widget_class, DeskAdd, spinner);
  gtk_widget_class_bind_template_child (widget_class, DeskAdd, stack);
  gtk_widget_class_bind_template_child (widget_class, DeskAdd, empty);
  gtk_widget_class_bind_template_child (widget_class, DeskAdd, list);
  gtk_widget_class_bind_template_callback (widget_class, on_again_clicked);
  gtk_widget_class_bind_template_callback (widget_class, on_row_activated);
}

static void
desk_add_init (DeskAdd *self)
{
  self->cancellable = g_cancellable_new ();
  gtk_widget_init_template (GTK_WIDGET (self));
}

GtkWidget *
desk_add_new (GtkWindow *parent, DeskClient *client)
{
  DeskAdd *self = g_object_new (DESK_TYPE_ADD, "transient-for", parent, NULL);

  self->client = g_object_ref (client);
  self->found = desk_filter_new (client, FALSE);
  gtk_list_box_bind_model (self->list, self->found, create_row, NULL, NULL);
  g_signal_connect_object (self->found, "items-changed", G_CALLBACK (show), self,
                           G_CONNECT_SWAPPED);
  look (self);
  show (self);
  return GTK_WIDGET (self);
}
