/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "desk-page.h"

#include "desk-dial.h"
#include "desk-history.h"
#include "desk-pair.h"
#include "desk-ring.h"
#include "desk-text.h"
#include "desk-week.h"

/* Time between samples of the orientation, in milliseconds. */
#define ORIENTATION_INTERVAL 2000

struct _DeskPage
{
  AdwBin parent_instance;

  DeskClient *client;
  Core2DbusChip *chip;
  GCancellable *cancellable;
  gboolean updating; /* the widgets are being set from the chip, not by the user */
  guint steps_today; /* that are shown */

  DeskRing *ring;
  GtkLabel *cadence;
  AdwPreferencesGroup *week_group;
  DeskWeek *week;
  AdwActionRow *status_row;
  GtkButton *connect_button;
  AdwActionRow *battery_row;
  GtkImage *battery_icon;
  AdwActionRow *total_row;
  AdwActionRow *orientation_row;
  DeskDial *dial;
  AdwEntryRow *alias_row;
  AdwComboRow *side_row;
  AdwEntryRow *goal_row;
  GtkSwitch *auto_connect;
  AdwActionRow *pair_row;
  GtkButton *pair_button;
};

G_DEFINE_FINAL_TYPE (DeskPage, desk_page, ADW_TYPE_BIN)

enum
{
  FAILED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

static const char *const sides[] = { "unknown", "left", "right" };

/* ---- From the chip to the widgets ---- */

static void
show_steps (DeskPage *self)
{
  g_autofree char *total = desk_text_number (core2_dbus_chip_get_steps_total (self->chip));
  guint today = core2_dbus_chip_get_steps_today (self->chip);
  guint before = self->steps_today;
  guint cadence = core2_dbus_chip_get_cadence (self->chip);
  g_autofree char *pace
      = cadence > 0 ? g_strdup_printf ("%u steps a minute", cadence) : g_strdup ("Standing still");

  desk_ring_set_steps (self->ring, today, core2_dbus_chip_get_daily_goal (self->chip));
  self->steps_today = today;
  /* Another day has begun, or its first steps were made: the bars move on. */
  if (today < before || (today > 0 && before == 0))
    desk_history_load_week (self->chip, self->week, self->cancellable);
  else
    desk_week_set_today (self->week, today);
  gtk_label_set_text (self->cadence, pace);
  adw_action_row_set_subtitle (self->total_row, total);
}

static void
show_connection (DeskPage *self)
{
  g_autofree char *status = desk_text_status (self->chip);
  g_autofree char *battery = desk_text_battery (self->chip);
  const char *state = core2_dbus_chip_get_state (self->chip);

  adw_action_row_set_subtitle (self->status_row, status);
  gtk_button_set_label (self->connect_button,
                        g_strcmp0 (state, "disconnected") == 0 ? "_Connect" : "Dis_connect");
  adw_action_row_set_subtitle (self->battery_row, battery);
  gtk_image_set_from_icon_name (self->battery_icon, desk_text_battery_icon (self->chip));
  adw_action_row_set_subtitle (self->pair_row,
                               core2_dbus_chip_get_paired (self->chip) ? "Paired" : "Not paired");
}

static void
show_orientation (DeskPage *self)
{
  GVariant *value = core2_dbus_chip_get_orientation (self->chip);
  gboolean known = value != NULL && core2_dbus_chip_get_orientation_updated (self->chip) != 0;
  guint16 x = 0, y = 0;
  g_autofree char *text = NULL;

  if (known)
    g_variant_get (value, "(qq)", &x, &y);
  text = known ? g_strdup_printf ("%u, %u (unit unknown)", x, y) : g_strdup ("Unknown");
  desk_dial_set_orientation (self->dial, known, x, y);
  adw_action_row_set_subtitle (self->orientation_row, text);
}

static void
show_settings (DeskPage *self)
{
  const char *alias = core2_dbus_chip_get_alias (self->chip);
  g_autofree char *goal = g_strdup_printf ("%u", core2_dbus_chip_get_daily_goal (self->chip));

  gtk_editable_set_text (GTK_EDITABLE (self->alias_row), alias != NULL ? alias : "");
  gtk_editable_set_text (GTK_EDITABLE (self->goal_row), goal);
  for (guint i = 0; i < G_N_ELEMENTS (sides); i++)
    if (g_strcmp0 (core2_dbus_chip_get_side (self->chip), sides[i]) == 0)
      adw_combo_row_set_selected (self->side_row, i);
  gtk_switch_set_active (self->auto_connect, core2_dbus_chip_get_auto_connect (self->chip));
}

static void
update (DeskPage *self, void (*show) (DeskPage *))
{
  self->updating = TRUE;
  show (self);
  self->updating = FALSE;
}

/* Only the properties that the user sets: a step must not take away what is being typed. */
static gboolean
is_setting (const char *name)
{
  static const char *const names[] = { "alias", "side", "daily-goal", "auto-connect", NULL };

  return g_strv_contains (names, name);
}

static void
on_chip_notify (DeskPage *self, GParamSpec *property)
{
  if (is_setting (property->name))
    update (self, show_settings);
  if (g_str_has_prefix (property->name, "orientation"))
    show_orientation (self);
  else
    {
      show_steps (self);
      show_connection (self);
    }
  if (g_str_equal (property->name, "daily-goal"))
    desk_history_load_week (self->chip, self->week, self->cancellable);
}

/* ---- From the user to the chip ---- */

static void
call_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_proxy_call_finish (G_DBUS_PROXY (source), result, &error);
  g_autofree char *text = NULL;

  if (reply != NULL || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  text = desk_text_error (error);
  g_signal_emit (user_data, signals[FAILED], 0, text);
  update (user_data, show_settings);
}

static void
call (DeskPage *self, const char *method, GVariant *parameters)
{
  desk_client_call (self->chip, method, parameters, self->cancellable, call_done, self);
}

static void
on_connect_clicked (GtkButton *button, gpointer user_data)
{
  DeskPage *self = user_data;

  if (g_strcmp0 (core2_dbus_chip_get_state (self->chip), "disconnected") == 0)
    call (self, "Connect", g_variant_new ("(a{sv})", NULL));
  else
    call (self, "Disconnect", NULL);
}

static void
on_alias_applied (AdwEntryRow *row, gpointer user_data)
{
  call (user_data, "SetAlias", g_variant_new ("(s)", gtk_editable_get_text (GTK_EDITABLE (row))));
}

static void
on_side_selected (AdwComboRow *row, GParamSpec *property, gpointer user_data)
{
  DeskPage *self = user_data;
  guint selected = adw_combo_row_get_selected (row);

  if (!self->updating && selected < G_N_ELEMENTS (sides))
    call (self, "SetSide", g_variant_new ("(s)", sides[selected]));
}

static void
on_goal_applied (AdwEntryRow *row, gpointer user_data)
{
  DeskPage *self = user_data;
  g_autoptr (GError) error = NULL;
  guint64 goal;

  if (g_ascii_string_to_unsigned (gtk_editable_get_text (GTK_EDITABLE (row)), 10, 0, G_MAXUINT32,
                                  &goal, &error))
    call (self, "SetDailyGoal", g_variant_new ("(u)", (guint32) goal));
  else
    {
      g_signal_emit (self, signals[FAILED], 0, "The goal must be a number of steps, or 0 for none");
      update (self, show_settings);
    }
}

static gboolean
on_auto_connect_set (GtkSwitch *button, gboolean state, gpointer user_data)
{
  DeskPage *self = user_data;

  if (!self->updating)
    call (self, "SetAutoConnect", g_variant_new ("(b)", state));
  return FALSE;
}

static void
on_pair_clicked (GtkButton *button, gpointer user_data)
{
  DeskPage *self = user_data;
  GtkWindow *window = GTK_WINDOW (gtk_widget_get_root (GTK_WIDGET (self)));

  gtk_window_present (GTK_WINDOW (desk_pair_new (window, self->chip)));
}

static void
on_remove_response (AdwMessageDialog *dialog, const char *response, gpointer user_data)
{
  DeskPage *self = user_data;
  const char *path = g_dbus_proxy_get_object_path (G_DBUS_PROXY (self->chip));
  Core2DbusManager *manager = desk_client_get_manager (self->client);

  if (g_str_equal (response, "remove") && manager != NULL)
    desk_client_call (manager, "RemoveChip", g_variant_new ("(oa{sv})", path, NULL),
                      self->cancellable, call_done, self);
}

static void
on_remove_clicked (GtkButton *button, gpointer user_data)
{
  DeskPage *self = user_data;
  GtkWindow *window = GTK_WINDOW (gtk_widget_get_root (GTK_WIDGET (self)));
  g_autofree char *title = desk_text_title (self->chip);
  GtkWidget *dialog = adw_message_dialog_new (window, NULL, NULL);

  adw_message_dialog_format_heading (ADW_MESSAGE_DIALOG (dialog), "Remove %s?", title);
  adw_message_dialog_set_body (ADW_MESSAGE_DIALOG (dialog),
                               "Its key, its name and its goal are forgotten. Its history is kept.");
  adw_message_dialog_add_responses (ADW_MESSAGE_DIALOG (dialog), "cancel", "_Cancel", "remove",
                                    "_Remove", NULL);
  adw_message_dialog_set_response_appearance (ADW_MESSAGE_DIALOG (dialog), "remove",
                                              ADW_RESPONSE_DESTRUCTIVE);
  g_signal_connect_object (dialog, "response", G_CALLBACK (on_remove_response), self, 0);
  gtk_window_present (GTK_WINDOW (dialog));
}

/* ---- On and off the screen ---- */

static void
ignore_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GVariant *reply = g_dbus_proxy_call_finish (G_DBUS_PROXY (source), result, NULL);

  g_clear_pointer (&reply, g_variant_unref);
}

static void
desk_page_map (GtkWidget *widget)
{
  DeskPage *self = DESK_PAGE (widget);

  GTK_WIDGET_CLASS (desk_page_parent_class)->map (widget);
  /* Without a claim the last orientation stays, which needs no word. */
  desk_client_call (self->chip, "ClaimOrientation", g_variant_new ("(u)", ORIENTATION_INTERVAL),
                    NULL, ignore_result, NULL);
  desk_history_load_week (self->chip, self->week, self->cancellable);
}

static void
desk_page_unmap (GtkWidget *widget)
{
  DeskPage *self = DESK_PAGE (widget);

  /* core2d handles the calls of one caller in their order, so this one meets the claim. */
  desk_client_call (self->chip, "ReleaseOrientation", NULL, NULL, ignore_result, NULL);
  GTK_WIDGET_CLASS (desk_page_parent_class)->unmap (widget);
}

static void
desk_page_dispose (GObject *object)
{
  DeskPage *self = DESK_PAGE (object);

  g_cancellable_cancel (self->cancellable);
  G_OBJECT_CLASS (desk_page_parent_class)->dispose (object);
}

static void
desk_page_finalize (GObject *object)
{
  DeskPage *self = DESK_PAGE (object);

  g_clear_object (&self->cancellable);
  g_clear_object (&self->chip);
  g_clear_object (&self->client);
  G_OBJECT_CLASS (desk_page_parent_class)->finalize (object);
}

static void
bind_children (GtkWidgetClass *class)
{
  gtk_widget_class_bind_template_child (class, DeskPage, ring);
  gtk_widget_class_bind_template_child (class, DeskPage, cadence);
  gtk_widget_class_bind_template_child (class, DeskPage, week_group);
  gtk_widget_class_bind_template_child (class, DeskPage, week);
  gtk_widget_class_bind_template_child (class, DeskPage, status_row);
  gtk_widget_class_bind_template_child (class, DeskPage, connect_button);
  gtk_widget_class_bind_template_child (class, DeskPage, battery_row);
  gtk_widget_class_bind_template_child (class, DeskPage, battery_icon);
  gtk_widget_class_bind_template_child (class, DeskPage, total_row);
  gtk_widget_class_bind_template_child (class, DeskPage, orientation_row);
  gtk_widget_class_bind_template_child (class, DeskPage, dial);
  gtk_widget_class_bind_template_child (class, DeskPage, alias_row);
  gtk_widget_class_bind_template_child (class, DeskPage, side_row);
  gtk_widget_class_bind_template_child (class, DeskPage, goal_row);
  gtk_widget_class_bind_template_child (class, DeskPage, auto_connect);
  gtk_widget_class_bind_template_child (class, DeskPage, pair_row);
  gtk_widget_class_bind_template_child (class, DeskPage, pair_button);
  gtk_widget_class_bind_template_callback (class, on_connect_clicked);
  gtk_widget_class_bind_template_callback (class, on_alias_applied);
  gtk_widget_class_bind_template_callback (class, on_side_selected);
  gtk_widget_class_bind_template_callback (class, on_goal_applied);
  gtk_widget_class_bind_template_callback (class, on_auto_connect_set);
  gtk_widget_class_bind_template_callback (class, on_pair_clicked);
  gtk_widget_class_bind_template_callback (class, on_remove_clicked);
}

static void
desk_page_class_init (DeskPageClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  object_class->dispose = desk_page_dispose;
  object_class->finalize = desk_page_finalize;
  widget_class->map = desk_page_map;
  widget_class->unmap = desk_page_unmap;
  signals[FAILED] = g_signal_new ("failed", DESK_TYPE_PAGE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                  G_TYPE_NONE, 1, G_TYPE_STRING);

  g_type_ensure (DESK_TYPE_RING);
  g_type_ensure (DESK_TYPE_WEEK);
  g_type_ensure (DESK_TYPE_DIAL);
  gtk_widget_class_set_template_from_resource (widget_class,
                                               "/org/example/Core2/Desk/desk-page.ui");
  bind_children (widget_class);
}

static void
desk_page_init (DeskPage *self)
{
  self->cancellable = g_cancellable_new ();
  gtk_widget_init_template (GTK_WIDGET (self));
}

Core2DbusChip *
desk_page_get_chip (DeskPage *self)
{
  return self->chip;
}

GtkWidget *
desk_page_new (DeskClient *client, Core2DbusChip *chip)
{
  DeskPage *self = g_object_new (DESK_TYPE_PAGE, NULL);

  self->client = g_object_ref (client);
  self->chip = g_object_ref (chip);
  self->steps_today = core2_dbus_chip_get_steps_today (chip);
  g_signal_connect_object (chip, "notify", G_CALLBACK (on_chip_notify), self, G_CONNECT_SWAPPED);
  show_steps (self);
  show_connection (self);
  show_orientation (self);
  update (self, show_settings);
  return GTK_WIDGET (self);
}
