/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "vb-owners.h"

struct _VbOwners
{
  VbWorld *world;
  guint name_watch;
  GHashTable *clients; /* unique name -> Client */
};

typedef struct
{
  VbOwners *owners;
  guint subscription;
  GHashTable *listeners; /* object path -> Listener */
} Client;

typedef struct
{
  VbPropertiesFunc func;
  gpointer user_data;
} Listener;

static void
client_free (gpointer data)
{
  Client *client = data;

  if (client->subscription != 0)
    g_dbus_connection_signal_unsubscribe (vb_bus_get_connection (client->owners->world->bus),
                                          client->subscription);
  g_hash_table_unref (client->listeners);
  g_free (client);
}

static void
on_name_owner_changed (GDBusConnection *connection,
                       const char *sender,
                       const char *path,
                       const char *interface,
                       const char *signal,
                       GVariant *parameters,
                       gpointer user_data)
{
  VbOwners *self = user_data;
  const char *name, *new_owner;

  g_variant_get (parameters, "(&s&s&s)", &name, NULL, &new_owner);
  if (*new_owner != '\0' || !g_hash_table_contains (self->clients, name))
    return;
  vb_world_client_gone (self->world, name);
  g_hash_table_remove (self->clients, name);
}

static void
on_properties_changed (GDBusConnection *connection,
                       const char *sender,
                       const char *path,
                       const char *interface,
                       const char *signal,
                       GVariant *parameters,
                       gpointer user_data)
{
  Client *client = user_data;
  Listener *listener = g_hash_table_lookup (client->listeners, path);

  if (listener == NULL || !g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(sa{sv}as)")))
    return;
  g_autoptr (GVariant) changed = g_variant_get_child_value (parameters, 1);
  listener->func (changed, listener->user_data);
}

static Client *
ensure_client (VbOwners *self, const char *name)
{
  Client *client = g_hash_table_lookup (self->clients, name);

  if (client == NULL)
    {
      client = g_new0 (Client, 1);
      client->owners = self;
      client->listeners = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
      g_hash_table_insert (self->clients, g_strdup (name), client);
    }
  return client;
}

/* From now on vb_world_client_gone() is called when this client leaves the bus. */
void
vb_owners_note (VbOwners *self, const char *client)
{
  ensure_client (self, client);
}

/* Calls `func` for PropertiesChanged of one object of a client. */
void
vb_owners_listen (VbOwners *self,
                  const char *client_name,
                  const char *path,
                  VbPropertiesFunc func,
                  gpointer user_data)
{
  Client *client = ensure_client (self, client_name);
  Listener *listener = g_new0 (Listener, 1);

  if (client->subscription == 0)
    client->subscription = g_dbus_connection_signal_subscribe (
        vb_bus_get_connection (self->world->bus), client_name, "org.freedesktop.DBus.Properties",
        "PropertiesChanged", NULL, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_properties_changed, client,
        NULL);
  listener->func = func;
  listener->user_data = user_data;
  g_hash_table_insert (client->listeners, g_strdup (path), listener);
}

void
vb_owners_unlisten (VbOwners *self, const char *client_name, const char *path)
{
  Client *client = g_hash_table_lookup (self->clients, client_name);

  if (client != NULL)
    g_hash_table_remove (client->listeners, path);
}

VbOwners *
vb_owners_new (VbWorld *world)
{
  VbOwners *self = g_new0 (VbOwners, 1);

  self->world = world;
  self->clients = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, client_free);
  self->name_watch = g_dbus_connection_signal_subscribe (
      vb_bus_get_connection (world->bus), "org.freedesktop.DBus", "org.freedesktop.DBus",
      "NameOwnerChanged", "/org/freedesktop/DBus", NULL, G_DBUS_SIGNAL_FLAGS_NONE,
      on_name_owner_changed, self, NULL);
  return self;
}

void
vb_owners_free (VbOwners *self)
{
  g_dbus_connection_signal_unsubscribe (vb_bus_get_connection (self->world->bus), self->name_watch);
  g_hash_table_unref (self->clients);
  g_free (self);
}
