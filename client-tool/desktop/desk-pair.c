/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "desk-pair.h"

#include "desk-client.h"
#include "desk-text.h"

/* How often the time that is left is drawn, in milliseconds. */
#define TICK_MS 200

struct _DeskPair
{
  AdwWindow parent_instance;

  Core2DbusChip *chip;
  GCancellable *cancellable;
  gboolean running;
  guint tick;
  gint64 shake_began; /* microseconds since 1970 */

  AdwStatusPage *status;
  GtkProgressBar *progress;
  GtkWidget *spinner;
  GtkButton *start;
};

G_DEFINE_FINAL_TYPE (DeskPair, desk_pair, ADW_TYPE_WINDOW)

static void
say (DeskPair *self, const char *icon, const char *title, const char *description)
{
  g_autofree char *escaped = g_markup_escape_text (description, -1);

  adw_status_page_set_icon_name (self->status, icon);
  adw_status_page_set_title (self->status, title);
  adw_status_page_set_description (self->status, escaped);
}

static gboolean
on_tick (gpointer user_data)
{
  DeskPair *self = user_data;
  gint64 deadline = (gint64) core2_dbus_chip_get_pairing_deadline (self->chip);
  gint64 left = MAX (0, deadline - g_get_real_time ());
  gint64 whole = MAX (1, deadline - self->shake_began);
  g_autofree char *text
      = g_strdup_printf ("%" G_GINT64_FORMAT " s left", (left + G_USEC_PER_SEC - 1) / G_USEC_PER_SEC);

  gtk_progress_bar_set_fraction (self->progress, CLAMP ((double) left / (double) whole, 0.0, 1.0));
  gtk_progress_bar_set_text (self->progress, text);
  return G_SOURCE_CONTINUE;
}

static void
set_shaking (DeskPair *self, gboolean shaking)
{
  g_clear_handle_id (&self->tick, g_source_remove);
  gtk_widget_set_visible (GTK_WIDGET (self->progress), shaking);
  gtk_widget_set_visible (self->spinner, self->running && !shaking);
  gtk_widget_set_visible (GTK_WIDGET (self->start), !self->running);
  if (shaking)
    {
      self->shake_began = g_get_real_time ();
      self->tick = g_timeout_add (TICK_MS, on_tick, self);
      on_tick (self);
    }
}

static void
show_progress (DeskPair *self)
{
  const char *state = core2_dbus_chip_get_pairing_state (self->chip);

  if (!self->running)
    return;
  if (g_strcmp0 (state, "shake-now") == 0)
    {
      say (self, "object-rotate-right-symbolic", "Shake the Chip Now",
           "Its red light blinks. Shake it until the light goes out.");
      set_shaking (self, TRUE);
      return;
    }
  set_shaking (self, FALSE);
  if (g_strcmp0 (state, "verifying") == 0)
    say (self, NULL, "Nearly There", "The chip has the key; it is being tried.");
  else
    say (self, NULL, "Getting Ready", "The steps are saved first.");
}

static void
pair_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (DeskPair) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_proxy_call_finish (G_DBUS_PROXY (source), result, &error);
  g_autofree char *text = NULL;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return; /* the window has gone */
  self->running = FALSE;
  set_shaking (self, FALSE);
  if (reply != NULL)
    {
      say (self, "emblem-ok-symbolic", "Paired",
           "The chip counts from zero again. Your steps of today and in all stay.");
      gtk_widget_set_visible (GTK_WIDGET (self->start), FALSE);
      return;
    }
  text = desk_text_error (error);
  say (self, "dialog-warning-symbolic", "Not Paired", text);
  gtk_button_set_label (self->start, "_Try Again");
}

static void
on_start_clicked (GtkButton *button, gpointer user_data)
{
  DeskPair *self = user_data;

  self->running = TRUE;
  show_progress (self);
  desk_client_call (self->chip, "Pair", g_variant_new ("(a{sv})", NULL), self->cancellable,
                    pair_done, g_object_ref (self));
}

static void
ignore_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GVariant *reply = g_dbus_proxy_call_finish (G_DBUS_PROXY (source), result, NULL);

  g_clear_pointer (&reply, g_variant_unref);
}

static gboolean
desk_pair_close_request (GtkWindow *window)
{
  DeskPair *self = DESK_PAIR (window);

  if (self->running)
    desk_client_call (self->chip, "CancelPairing", NULL, NULL, ignore_result, NULL);
  return GTK_WINDOW_CLASS (desk_pair_parent_class)->close_request (window);
}

static void
desk_pair_dispose (GObject *object)
{
  DeskPair *self = DESK_PAIR (object);

  g_clear_handle_id (&self->tick, g_source_remove);
  g_cancellable_cancel (self->cancellable);
  G_OBJECT_CLASS (desk_pair_parent_class)->dispose (object);
}

static void
desk_pair_finalize (GObject *object)
{
  DeskPair *self = DESK_PAIR (object);

  g_clear_object (&self->cancellable);
  g_clear_object (&self->chip);
  G_OBJECT_CLASS (desk_pair_parent_class)->finalize (object);
}

static void
desk_pair_class_init (DeskPairClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = desk_pair_dispose;
  G_OBJECT_CLASS (klass)->finalize = desk_pair_finalize;
  GTK_WINDOW_CLASS (klass)->close_request = desk_pair_close_request;
  gtk_widget_class_set_template_from_resource (widget_class,
                                               "/org/example/Core2/Desk/desk-pair.ui");
  gtk_widget_class_bind_template_child (widget_class, DeskPair, status);
  gtk_widget_class_bind_template_child (widget_class, DeskPair, progress);
  gtk_widget_class_bind_template_child (widget_class, DeskPair, spinner);
  gtk_widget_class_bind_template_child (widget_class, DeskPair, start);
  gtk_widget_class_bind_template_callback (widget_class, on_start_clicked);
}

static void
desk_pair_init (DeskPair *self)
{
  self->cancellable = g_cancellable_new ();
  gtk_widget_init_template (GTK_WIDGET (self));
}

GtkWidget *
desk_pair_new (GtkWindow *parent, Core2DbusChip *chip)
{
  DeskPair *self = g_object_new (DESK_TYPE_PAIR, "transient-for", parent, NULL);
  g_autofree char *title = desk_text_title (chip);
  g_autofree char *heading = g_strdup_printf ("Pair %s", title);

  self->chip = g_object_ref (chip);
  g_signal_connect_object (chip, "notify::pairing-state", G_CALLBACK (show_progress), self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (chip, "notify::pairing-deadline", G_CALLBACK (show_progress), self,
                           G_CONNECT_SWAPPED);
  say (self, "channel-secure-symbolic", heading,
       "It gets a new key, which this computer keeps, and its own counter starts from zero. Your "
       "steps of today and in all stay. Have it at hand: it must be shaken.");
  return GTK_WIDGET (self);
}
