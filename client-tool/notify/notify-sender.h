/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* Shows notifications through org.freedesktop.Notifications of the session bus. */
typedef struct NotifySender NotifySender;

/* Called when notifications can be shown (again): what failed may be sent once more. */
typedef void (*NotifyReadyFunc) (gpointer user_data);

/* Called with whether the desktop took it; @data was given with the message. Not called after
 * notify_sender_free(). */
typedef void (*NotifySentFunc) (gboolean sent, gpointer user_data, gpointer data);

/* One notification. Texts are plain; they are escaped for a desktop that reads markup. */
typedef struct
{
  const char *topic; /* a newer one of the same topic takes this one's place on the screen */
  const char *icon;  /* name of the icon theme */
  const char *summary;
  const char *body;
  gboolean critical; /* stays until the user has seen it */
} NotifyMessage;

NotifySender *notify_sender_new (GDBusConnection *session, NotifyReadyFunc ready,
                                 NotifySentFunc sent, gpointer user_data);
void notify_sender_free (NotifySender *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NotifySender, notify_sender_free)

/* Shows @message, which is copied. @data is handed to the callback, and freed with @free_data
 * after it. */
void notify_sender_send (NotifySender *self, const NotifyMessage *message, gpointer data,
                         GDestroyNotify free_data);
