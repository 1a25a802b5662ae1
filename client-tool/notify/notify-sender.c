/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notify-sender.h"

#define NAME "org.freedesktop.Notifications"
#define PATH "/org/freedesktop/Notifications"
#define CALL_MS (30 * 1000)

/* Levels of the hint "urgency", in the Desktop Notifications Specification. */
#define URGENCY_NORMAL 1
#define URGENCY_CRITICAL 2

struct NotifySender
{
  GDBusConnection *session;
  NotifyReadyFunc ready;
  NotifySentFunc sent;
  gpointer user_data;
  GCancellable *cancellable;
  guint watch;
  GHashTable *ids; /* topic -> number of its notification on the screen */
  gboolean markup; /* the desktop reads the body as markup */
};

typedef struct
{
  NotifySender *sender;
  char *topic;
  gpointer data;
  GDestroyNotify free_data;
} Sending;

static void
sending_free (Sending *self)
{
  if (self->free_data != NULL)
    self->free_data (self->data);
  g_free (self->topic);
  g_free (self);
}

static void
capabilities_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autofree const char **capabilities = NULL;
  NotifySender *self = user_data;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  self->markup = FALSE;
  if (reply != NULL)
    {
      g_variant_get (reply, "(^a&s)", &capabilities);
      self->markup = g_strv_contains (capabilities, "body-markup");
    }
  self->ready (self->user_data);
}

static void
on_appeared (GDBusConnection *session, const char *name, const char *owner, gpointer user_data)
{
  NotifySender *self = user_data;

  g_hash_table_remove_all (self->ids);
  g_dbus_connection_call (session, owner, PATH, NAME, "GetCapabilities", NULL,
                          G_VARIANT_TYPE ("(as)"), G_DBUS_CALL_FLAGS_NONE, CALL_MS,
                          self->cancellable, capabilities_done, self);
}

NotifySender *
notify_sender_new (GDBusConnection *session, NotifyReadyFunc ready, NotifySentFunc sent,
                   gpointer user_data)
{
  NotifySender *self = g_new0 (NotifySender, 1);

  self->session = g_object_ref (session);
  self->ready = ready;
  self->sent = sent;
  self->user_data = user_data;
  self->cancellable = g_cancellable_new ();
  self->ids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->watch = g_bus_watch_name_on_connection (session, NAME, G_BUS_NAME_WATCHER_FLAGS_AUTO_START,
                                                on_appeared, NULL, self, NULL);
  return self;
}

void
notify_sender_free (NotifySender *self)
{
  g_bus_unwatch_name (self->watch);
  g_cancellable_cancel (self->cancellable);
  g_object_unref (self->cancellable);
  g_hash_table_unref (self->ids);
  g_object_unref (self->session);
  g_free (self);
}

static void
notify_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  Sending *sending = user_data;
  NotifySender *self = sending->sender;

  if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      if (reply != NULL)
        {
          guint32 id;

          g_variant_get (reply, "(u)", &id);
          g_hash_table_insert (self->ids, g_steal_pointer (&sending->topic), GUINT_TO_POINTER (id));
        }
      else
        g_message ("the desktop does not show notifications: %s", error->message);
      self->sent (reply != NULL, self->user_data, sending->data);
    }
  sending_free (sending);
}

void
notify_sender_send (NotifySender *self, const NotifyMessage *message, gpointer data,
                    GDestroyNotify free_data)
{
  g_autofree char *escaped = self->markup ? g_markup_escape_text (message->body, -1) : NULL;
  guint32 replaces = GPOINTER_TO_UINT (g_hash_table_lookup (self->ids, message->topic));
  guchar urgency = message->critical ? URGENCY_CRITICAL : URGENCY_NORMAL;
  Sending *sending = g_new0 (Sending, 1);
  GVariantBuilder hints;

  sending->sender = self;
  sending->topic = g_strdup (message->topic);
  sending->data = data;
  sending->free_data = free_data;

  g_variant_builder_init (&hints, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&hints, "{sv}", "urgency", g_variant_new_byte (urgency));
  g_dbus_connection_call (
      self->session, NAME, PATH, NAME, "Notify",
      g_variant_new ("(susss@asa{sv}i)", "core2d", replaces, message->icon, message->summary,
                     escaped != NULL ? escaped : message->body, g_variant_new_strv (NULL, 0),
                     &hints, -1),
      G_VARIANT_TYPE ("(u)"), G_DBUS_CALL_FLAGS_NONE, CALL_MS, self->cancellable, notify_done,
      sending);
}
