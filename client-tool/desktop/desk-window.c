/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "desk-window.h"

#include "desk-add.h"
#include "desk-filter.h"
#include "desk-page.h"
#include "desk-pair.h"
#include "desk-row.h"
#include "desk-text.h"

struct _DeskWindow
{
  AdwApplicationWindow parent_instance;

  DeskClient *client;
  GListModel *chips; /* those that were added */

  AdwToastOverlay *toasts;
  AdwToast *failure; /* the last one, not owned */
  GtkStack *stack;
  AdwStatusPage *nothing;
  GtkButton *help_button;
  AdwLeaflet *leaflet;
  GtkWidget *sidebar;
  GtkWidget *content;
  GtkListBox *list;
  AdwWindowTitle *page_title;
  AdwBin *page_bin;
};

G_DEFINE_FINAL_TYPE (DeskWindow, desk_window, ADW_TYPE_APPLICATION_WINDOW)

/* What to say when there is no chip to show, and the button that helps. */
typedef struct
{
  const char *icon;
  const char *title;
  const char *description;
  const char *button; /* NULL: none */
  const char *action;
} Nothing;

static const Nothing nothing_starting
    = { "emblem-synchronizing-symbolic", "Starting", "Waiting for core2d.", NULL, NULL };
static const Nothing nothing_bus
    = { "network-offline-symbolic", "No System Bus",
        "core2d cannot be reached without the system's message bus.", "_Try Again", "win.retry" };
static const Nothing nothing_daemon
    = { "system-run-symbolic", "core2d Is Not Running",
        "It looks after the chips. It may not be installed, or may be switched off.", "_Try Again",
        "win.retry" };
static const Nothing nothing_chip
    = { "bluetooth-symbolic", "No Chip Yet", "Shake a chip to wake it, then have it looked for.",
        "_Add a Chip", "win.add" };

static const Nothing *
judge (DeskWindow *self)
{
  switch (desk_client_get_service (self->client))
    {
    case DESK_SERVICE_STARTING:
      return &nothing_starting;
    case DESK_SERVICE_NO_BUS:
      return &nothing_bus;
    case DESK_SERVICE_ABSENT:
      return &nothing_daemon;
    case DESK_SERVICE_READY:
    default:
      return g_list_model_get_n_items (self->chips) == 0 ? &nothing_chip : NULL;
    }
}

/* Why nothing can be connected whatever the chips do, or NULL. */
static const char *
describe_adapter (DeskWindow *self)
{
  Core2DbusManager *manager = desk_client_get_manager (self->client);
  const char *state = manager != NULL ? core2_dbus_manager_get_adapter_state (manager) : NULL;

  if (g_strcmp0 (state, "off") == 0)
    return "Bluetooth is switched off";
  if (g_strcmp0 (state, "blocked") == 0)
    return "Bluetooth is blocked (flight mode)";
  if (g_strcmp0 (state, "absent") == 0)
    return "There is no Bluetooth adapter";
  if (g_strcmp0 (state, "no-bluez") == 0)
    return "The Bluetooth service does not run";
  return NULL;
}

static DeskPage *
get_page (DeskWindow *self)
{
  return DESK_PAGE (adw_bin_get_child (self->page_bin));
}

static void
show_title (DeskWindow *self)
{
  DeskPage *page = get_page (self);
  const char *adapter = describe_adapter (self);
  g_autofree char *title = page != NULL ? desk_text_title (desk_page_get_chip (page)) : NULL;

  adw_window_title_set_title (self->page_title, title != NULL ? title : "");
  adw_window_title_set_subtitle (self->page_title, adapter != NULL ? adapter : "");
}

static void
show (DeskWindow *self)
{
  const Nothing *nothing = judge (self);
  gboolean ready = desk_client_get_service (self->client) == DESK_SERVICE_READY;
  const char *adapter = describe_adapter (self);

  gtk_widget_action_set_enabled (GTK_WIDGET (self), "win.add", ready);
  gtk_widget_action_set_enabled (GTK_WIDGET (self), "win.pair", nothing == NULL);
  show_title (self);
  gtk_stack_set_visible_child_name (self->stack, nothing != NULL ? "nothing" : "chips");
  if (nothing == NULL)
    return;
  adw_status_page_set_icon_name (self->nothing, nothing->icon);
  adw_status_page_set_title (self->nothing, nothing->title);
  adw_status_page_set_description (self->nothing,
                                   ready && adapter != NULL ? adapter : nothing->description);
  gtk_widget_set_visible (GTK_WIDGET (self->help_button), nothing->button != NULL);
  if (nothing->button != NULL)
    {
      gtk_button_set_label (self->help_button, nothing->button);
      gtk_actionable_set_action_name (GTK_ACTIONABLE (self->help_button), nothing->action);
    }
}

/* What failed stays until it was read and closed, or something else fails. */
static void
on_failed (DeskPage *page, const char *text, gpointer user_data)
{
  DeskWindow *self = user_data;
  g_autofree char *escaped = g_markup_escape_text (text, -1);
  AdwToast *toast = adw_toast_new (escaped);

  adw_toast_set_timeout (toast, 0);
  if (self->failure != NULL)
    adw_toast_dismiss (self->failure);
  g_set_weak_pointer (&self->failure, toast);
  adw_toast_overlay_add_toast (self->toasts, toast);
}

static void
open_chip (DeskWindow *self, Core2DbusChip *chip)
{
  DeskPage *page = get_page (self);

  if (page != NULL && desk_page_get_chip (page) == chip)
    return;
  if (page != NULL)
    g_signal_handlers_disconnect_by_data (desk_page_get_chip (page), self);
  page = DESK_PAGE (desk_page_new (self->client, chip));
  g_signal_connect (page, "failed", G_CALLBACK (on_failed), self);
  g_signal_connect_object (chip, "notify::alias", G_CALLBACK (show_title), self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (chip, "notify::side", G_CALLBACK (show_title), self, G_CONNECT_SWAPPED);
  adw_bin_set_child (self->page_bin, GTK_WIDGET (page));
  show_title (self);
}

static void
on_row_selected (GtkListBox *list, GtkListBoxRow *row, gpointer user_data)
{
  DeskWindow *self = user_data;

  if (row == NULL)
    adw_bin_set_child (self->page_bin, NULL);
  else
    open_chip (self, desk_row_get_chip (DESK_ROW (row)));
}

static void
on_row_activated (GtkListBox *list, GtkListBoxRow *row, gpointer user_data)
{
  DeskWindow *self = user_data;

  adw_leaflet_set_visible_child (self->leaflet, self->content);
}

/* One is always selected where there is one: beside the list there is room for its page. */
static void
select_any (DeskWindow *self)
{
  GtkListBoxRow *first = gtk_list_box_get_row_at_index (self->list, 0);

  if (gtk_list_box_get_selected_row (self->list) == NULL && first != NULL)
    gtk_list_box_select_row (self->list, first);
}

static void
on_changed (DeskWindow *self)
{
  /* Not before all of them are there: the first one that is told is any. */
  if (desk_client_get_service (self->client) == DESK_SERVICE_READY)
    select_any (self);
  show (self);
}

static GtkWidget *
create_row (gpointer item, gpointer user_data)
{
  return desk_row_new (item);
}

static void
activate_add (GtkWidget *widget, const char *action, GVariant *parameter)
{
  DeskWindow *self = DESK_WINDOW (widget);

  gtk_window_present (GTK_WINDOW (desk_add_new (GTK_WINDOW (self), self->client)));
}

static void
activate_pair (GtkWidget *widget, const char *action, GVariant *parameter)
{
  DeskWindow *self = DESK_WINDOW (widget);
  DeskPage *page = get_page (self);

  if (page != NULL)
    gtk_window_present (
        GTK_WINDOW (desk_pair_new (GTK_WINDOW (self), desk_page_get_chip (page))));
}

static void
activate_back (GtkWidget *widget, const char *action, GVariant *parameter)
{
  DeskWindow *self = DESK_WINDOW (widget);

  adw_leaflet_set_visible_child (self->leaflet, self->sidebar);
}

static void
activate_retry (GtkWidget *widget, const char *action, GVariant *parameter)
{
  desk_client_retry (DESK_WINDOW (widget)->client);
}

static void
desk_window_dispose (GObject *object)
{
  DeskWindow *self = DESK_WINDOW (object);

  /* The rows go after what they are shown in. */
  if (self->list != NULL)
    g_signal_handlers_disconnect_by_func (self->list, on_row_selected, self);
  self->list = NULL;
  g_clear_weak_pointer (&self->failure);
  g_clear_object (&self->chips);
  g_clear_object (&self->client);
  G_OBJECT_CLASS (desk_window_parent_class)->dispose (object);
}

static void
desk_window_class_init (DeskWindowClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = desk_window_dispose;
  gtk_widget_class_set_template_from_resource (widget_class,
                                               "/org/example/Core2/Desk/desk-window.ui");
  gtk_widget_class_bind_template_child (widget_class, DeskWindow, toasts);
  gtk_widget_class_bind_template_child (widget_class, DeskWindow, stack);
  gtk_widget_class_bind_template_child (widget_class, DeskWindow, nothing);
  gtk_widget_class_bind_template_child (widget_class, DeskWindow, help_button);
  gtk_widget_class_bind_template_child (widget_class, DeskWindow, leaflet);
  gtk_widget_class_bind_template_child (widget_class, DeskWindow, sidebar);
  gtk_widget_class_bind_template_child (widget_class, DeskWindow, content);
  gtk_widget_class_bind_template_child (widget_class, DeskWindow, list);
  gtk_widget_class_bind_template_child (widget_class, DeskWindow, page_title);
  gtk_widget_class_bind_template_child (widget_class, DeskWindow, page_bin);
  gtk_widget_class_bind_template_callback (widget_class, on_row_selected);
  gtk_widget_class_bind_template_callback (widget_class, on_row_activated);
  gtk_widget_class_install_action (widget_class, "win.add", NULL, activate_add);
  gtk_widget_class_install_action (widget_class, "win.pair", NULL, activate_pair);
  gtk_widget_class_install_action (widget_class, "win.back", NULL, activate_back);
  gtk_widget_class_install_action (widget_class, "win.retry", NULL, activate_retry);
}

static void
desk_window_init (DeskWindow *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
}

GtkWindow *
desk_window_new (AdwApplication *application, DeskClient *client)
{
  DeskWindow *self = g_object_new (DESK_TYPE_WINDOW, "application", application, NULL);

  self->client = g_object_ref (client);
  self->chips = desk_filter_new (client, TRUE);
  gtk_list_box_bind_model (self->list, self->chips, create_row, NULL, NULL);
  g_signal_connect_object (self->chips, "items-changed", G_CALLBACK (on_changed), self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (client, "changed", G_CALLBACK (on_changed), self, G_CONNECT_SWAPPED);
  on_changed (self);
  return GTK_WINDOW (self);
}
