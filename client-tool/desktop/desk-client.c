/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "desk-client.h"

struct _DeskClient
{
  GObject parent_instance;

  GCancellable *cancellable; /* of what is under way for the bus and the owner of the name */
  GDBusConnection *connection;
  guint watch;
  GDBusObjectManager *objects;
  Core2DbusManager *manager;
  GListStore *chips;
  DeskService service;
  gboolean present; /* the name has an owner */
};

G_DEFINE_FINAL_TYPE (DeskClient, desk_client, G_TYPE_OBJECT)

enum
{
  CHANGED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

static void
set_service (DeskClient *self, DeskService service)
{
  self->service = service;
  g_signal_emit (self, signals[CHANGED], 0);
}

static void
on_manager_changed (DeskClient *self)
{
  g_signal_emit (self, signals[CHANGED], 0);
}

static void
add_object (DeskClient *self, GDBusObject *object)
{
  g_autoptr (Core2DbusChip) chip = core2_dbus_object_get_chip (CORE2_DBUS_OBJECT (object));
  g_autoptr (Core2DbusManager) manager
      = core2_dbus_object_get_manager (CORE2_DBUS_OBJECT (object));

  if (chip != NULL)
    g_list_store_append (self->chips, chip);
  if (manager != NULL)
    {
      g_set_object (&self->manager, manager);
      g_signal_connect_object (manager, "notify::adapter-state", G_CALLBACK (on_manager_changed),
                               self, G_CONNECT_SWAPPED);
      on_manager_changed (self);
    }
}

static void
on_object_added (GDBusObjectManager *objects, GDBusObject *object, gpointer user_data)
{
  add_object (user_data, object);
}

static void
on_object_removed (GDBusObjectManager *objects, GDBusObject *object, gpointer user_data)
{
  DeskClient *self = user_data;
  g_autoptr (Core2DbusChip) chip = core2_dbus_object_get_chip (CORE2_DBUS_OBJECT (object));
  guint position;

  if (chip != NULL && g_list_store_find (self->chips, chip, &position))
    g_list_store_remove (self->chips, position);
}

static void
drop_objects (DeskClient *self)
{
  if (self->objects != NULL)
    g_signal_handlers_disconnect_by_data (self->objects, self);
  g_clear_object (&self->objects);
  g_clear_object (&self->manager);
  g_list_store_remove_all (self->chips);
}

static void objects_done (GObject *source, GAsyncResult *result, gpointer user_data);

static void
ask_for_objects (DeskClient *self)
{
  core2_dbus_object_manager_client_new (
      self->connection, G_DBUS_OBJECT_MANAGER_CLIENT_FLAGS_DO_NOT_AUTO_START, DESK_BUS_NAME,
      DESK_ROOT_PATH, self->cancellable, objects_done, self);
}

static void
objects_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  GDBusObjectManager *objects = core2_dbus_object_manager_client_new_finish (result, &error);
  DeskClient *self = user_data;
  GList *list;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    {
      /* It is there, and slow: its end cancels this. */
      ask_for_objects (self);
      return;
    }
  if (objects == NULL)
    {
      /* It went while it was asked; should it come again, the watch tells. */
      set_service (self, DESK_SERVICE_ABSENT);
      return;
    }
  self->objects = objects;
  g_signal_connect (objects, "object-added", G_CALLBACK (on_object_added), self);
  g_signal_connect (objects, "object-removed", G_CALLBACK (on_object_removed), self);
  list = g_dbus_object_manager_get_objects (objects);
  for (GList *l = list; l != NULL; l = l->next)
    add_object (self, l->data);
  g_list_free_full (list, g_object_unref);
  set_service (self, DESK_SERVICE_READY);
}

/* From here on results of what was started before are for nobody. */
static void
renew_cancellable (DeskClient *self)
{
  g_cancellable_cancel (self->cancellable);
  g_object_unref (self->cancellable);
  self->cancellable = g_cancellable_new ();
}

/*
 * Each owner of the name gets a new object manager: one that lives on over a restart of core2d
 * would ask the new one for its objects and wait for the answer.
 */
static void
on_name_appeared (GDBusConnection *connection, const char *name, const char *owner,
                  gpointer user_data)
{
  DeskClient *self = user_data;

  self->present = TRUE;
  renew_cancellable (self);
  drop_objects (self);
  set_service (self, DESK_SERVICE_STARTING);
  ask_for_objects (self);
}

static void
on_name_vanished (GDBusConnection *connection, const char *name, gpointer user_data)
{
  DeskClient *self = user_data;

  /* The watch begins with this where there is no owner yet: start_done() tells of that. */
  if (!self->present)
    return;
  self->present = FALSE;
  renew_cancellable (self);
  drop_objects (self);
  set_service (self, connection != NULL ? DESK_SERVICE_ABSENT : DESK_SERVICE_NO_BUS);
}

static void
start_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  DeskClient *self = user_data;

  /* When it was started, the watch tells. */
  if (reply == NULL && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    set_service (self, DESK_SERVICE_ABSENT);
}

static void
start_service (DeskClient *self)
{
  set_service (self, DESK_SERVICE_STARTING);
  g_dbus_connection_call (self->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                          "org.freedesktop.DBus", "StartServiceByName",
                          g_variant_new ("(su)", DESK_BUS_NAME, 0), G_VARIANT_TYPE ("(u)"),
                          G_DBUS_CALL_FLAGS_NONE, -1, self->cancellable, start_done, self);
}

static void
drop_bus (DeskClient *self)
{
  g_cancellable_cancel (self->cancellable);
  g_clear_handle_id (&self->watch, g_bus_unwatch_name);
  drop_objects (self);
  self->present = FALSE;
  if (self->connection != NULL)
    g_signal_handlers_disconnect_by_data (self->connection, self);
  g_clear_object (&self->connection);
}

static void
on_bus_closed (GDBusConnection *connection, gboolean peer_vanished, GError *error,
               gpointer user_data)
{
  DeskClient *self = user_data;

  drop_bus (self);
  set_service (self, DESK_SERVICE_NO_BUS);
}

static void
bus_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *connection = g_bus_get_finish (result, &error);
  DeskClient *self = user_data;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (connection == NULL)
    {
      set_service (self, DESK_SERVICE_NO_BUS);
      return;
    }
  self->connection = connection;
  g_dbus_connection_set_exit_on_close (connection, FALSE);
  g_signal_connect (connection, "closed", G_CALLBACK (on_bus_closed), self);
  start_service (self);
  self->watch = g_bus_watch_name_on_connection (connection, DESK_BUS_NAME,
                                                G_BUS_NAME_WATCHER_FLAGS_NONE, on_name_appeared,
                                                on_name_vanished, self, NULL);
}

void
desk_client_retry (DeskClient *self)
{
  if (self->service != DESK_SERVICE_NO_BUS && self->service != DESK_SERVICE_ABSENT)
    return;
  renew_cancellable (self);
  if (self->connection != NULL)
    {
      start_service (self);
      return;
    }
  set_service (self, DESK_SERVICE_STARTING);
  g_bus_get (G_BUS_TYPE_SYSTEM, self->cancellable, bus_done, self);
}

DeskService
desk_client_get_service (DeskClient *self)
{
  return self->service;
}

Core2DbusManager *
desk_client_get_manager (DeskClient *self)
{
  return self->manager;
}

GListModel *
desk_client_get_chips (DeskClient *self)
{
  return G_LIST_MODEL (self->chips);
}

void
desk_client_call (gpointer proxy, const char *method, GVariant *parameters,
                  GCancellable *cancellable, GAsyncReadyCallback done, gpointer user_data)
{
  g_dbus_proxy_call (G_DBUS_PROXY (proxy), method, parameters,
                     G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, G_MAXINT, cancellable,
                     done, user_data);
}

static void
desk_client_dispose (GObject *object)
{
  drop_bus (DESK_CLIENT (object));
  G_OBJECT_CLASS (desk_client_parent_class)->dispose (object);
}

static void
desk_client_finalize (GObject *object)
{
  DeskClient *self = DESK_CLIENT (object);

  g_object_unref (self->cancellable);
  g_object_unref (self->chips);
  G_OBJECT_CLASS (desk_client_parent_class)->finalize (object);
}

static void
desk_client_class_init (DeskClientClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = desk_client_dispose;
  object_class->finalize = desk_client_finalize;
  signals[CHANGED] = g_signal_new ("changed", DESK_TYPE_CLIENT, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                   NULL, G_TYPE_NONE, 0);
}

static void
desk_client_init (DeskClient *self)
{
  self->chips = g_list_store_new (CORE2_DBUS_TYPE_CHIP);
  self->cancellable = g_cancellable_new ();
  self->service = DESK_SERVICE_NO_BUS;
}

DeskClient *
desk_client_new (void)
{
  DeskClient *self = g_object_new (DESK_TYPE_CLIENT, NULL);

  desk_client_retry (self);
  return self;
}
