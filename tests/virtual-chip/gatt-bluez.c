/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gatt-bluez.h"

#include <string.h>

#define BLUEZ_NAME "org.bluez"
#define PROPERTIES_INTERFACE "org.freedesktop.DBus.Properties"
#define OBJECT_MANAGER_INTERFACE "org.freedesktop.DBus.ObjectManager"
#define ADAPTER_INTERFACE "org.bluez.Adapter1"
#define DEVICE_INTERFACE "org.bluez.Device1"
#define GATT_MANAGER_INTERFACE "org.bluez.GattManager1"
#define ADVERTISING_MANAGER_INTERFACE "org.bluez.LEAdvertisingManager1"

/* The bus allows 128; the rest is for other users of the same connection. */
#define MAX_CALLS_IN_FLIGHT 32
/* bluetoothd calls back (GetManagedObjects) before it replies, and may have much to do. */
#define CALL_TIMEOUT_MS 120000

struct _GattBluezListener
{
  char *adapter_path;
  const GattBluezEvents *events;
  gpointer user_data;
};

struct _GattBluez
{
  int references;
  GDBusConnection *connection;
  guint name_watch;
  guint subscriptions[4];
  char *owner;             /* unique name of bluetoothd; NULL: it does not run */
  GCancellable *listing;   /* of the GetManagedObjects under way for this owner */
  GHashTable *adapters;    /* path -> GattBluezAdapter */
  GHashTable *connected;   /* set of paths of connected devices */
  GHashTable *listeners;   /* adapter path -> GPtrArray of GattBluezListener */
  GQueue calls;            /* of Call, waiting for their turn */
  guint n_calls_in_flight;
};

typedef struct
{
  GattBluez *bluez;
  char *path;
  const char *interface;
  const char *method;
  GVariant *parameters;
  GCancellable *cancellable;
  GattBluezReply done;
  gpointer user_data;
} Call;

static void
adapter_free (gpointer data)
{
  GattBluezAdapter *adapter = data;

  g_free (adapter->address);
  g_free (adapter);
}

static void
call_free (Call *call)
{
  g_free (call->path);
  g_clear_pointer (&call->parameters, g_variant_unref);
  g_clear_object (&call->cancellable);
  g_free (call);
}

/* --- Calls ------------------------------------------------------------------------------------ */

static void start_calls (GattBluez *self);

static gboolean
call_is_cancelled (Call *call)
{
  return call->cancellable != NULL && g_cancellable_is_cancelled (call->cancellable);
}

static void
call_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Call *call = user_data;
  GattBluez *self = call->bluez;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  self->n_calls_in_flight--;
  if (call->done != NULL && !call_is_cancelled (call))
    call->done (reply, error, call->user_data);
  call_free (call);
  start_calls (self);
  gatt_bluez_unref (self);
}

static void
start_calls (GattBluez *self)
{
  while (self->n_calls_in_flight < MAX_CALLS_IN_FLIGHT && !g_queue_is_empty (&self->calls))
    {
      Call *call = g_queue_pop_head (&self->calls);

      if (call_is_cancelled (call))
        {
          call_free (call);
          continue;
        }
      self->n_calls_in_flight++;
      self->references++; /* until call_done */
      g_dbus_connection_call (self->connection, BLUEZ_NAME, call->path, call->interface,
                              call->method, call->parameters, NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START,
                              CALL_TIMEOUT_MS, call->cancellable, call_done, call);
    }
}

/* Calls a method of bluetoothd, in the order of these calls, when its turn comes.
 * @interface, @method: static strings
 * @parameters: (nullable): consumed when floating
 * @cancellable: (nullable): when it is cancelled @done is never called
 * @done: (nullable) */
void
gatt_bluez_call (GattBluez *self, const char *path, const char *interface, const char *method,
                 GVariant *parameters, GCancellable *cancellable, GattBluezReply done,
                 gpointer user_data)
{
  Call *call = g_new0 (Call, 1);

  call->bluez = self;
  call->path = g_strdup (path);
  call->interface = interface;
  call->method = method;
  call->parameters = parameters != NULL ? g_variant_ref_sink (parameters) : NULL;
  g_set_object (&call->cancellable, cancellable);
  call->done = done;
  call->user_data = user_data;
  g_queue_push_tail (&self->calls, call);
  start_calls (self);
}

/* --- Listeners -------------------------------------------------------------------------------- */

static void
tell_adapter (GattBluez *self, const char *adapter_path)
{
  GPtrArray *listeners = g_hash_table_lookup (self->listeners, adapter_path);
  const GattBluezAdapter *adapter = g_hash_table_lookup (self->adapters, adapter_path);

  for (guint i = 0; listeners != NULL && i < listeners->len; i++)
    {
      GattBluezListener *listener = listeners->pdata[i];

      listener->events->adapter_changed (adapter, listener->user_data);
    }
}

static void
set_connected (GattBluez *self, const char *device_path, gboolean connected)
{
  g_autofree char *adapter_path = g_path_get_dirname (device_path);
  GPtrArray *listeners = g_hash_table_lookup (self->listeners, adapter_path);
  g_autofree char *path = NULL;

  if (listeners == NULL || g_hash_table_contains (self->connected, device_path) == connected)
    return;
  path = g_strdup (device_path); /* ours may go with the entry */
  if (connected)
    g_hash_table_add (self->connected, g_strdup (path));
  else
    g_hash_table_remove (self->connected, path);
  for (guint i = 0; i < listeners->len; i++)
    {
      GattBluezListener *listener = listeners->pdata[i];

      listener->events->client_changed (path, connected, listener->user_data);
    }
}

/* Tells that @device_path was seen to use an attribute and so must be connected, whether or not
 * bluetoothd has signalled it. */
void
gatt_bluez_note_connected (GattBluez *self, const char *device_path)
{
  set_connected (self, device_path, TRUE);
}

/* Follows one adapter. What is known of it already is told at once.
 * @adapter_path: its object path
 * @events: must live as long as the listener */
GattBluezListener *
gatt_bluez_listen (GattBluez *self, const char *adapter_path, const GattBluezEvents *events,
                   gpointer user_data)
{
  GPtrArray *listeners = g_hash_table_lookup (self->listeners, adapter_path);
  const GattBluezAdapter *adapter = g_hash_table_lookup (self->adapters, adapter_path);
  GattBluezListener *listener = g_new0 (GattBluezListener, 1);
  GHashTableIter iter;
  gpointer device_path;

  if (listeners == NULL)
    {
      listeners = g_ptr_array_new ();
      g_hash_table_insert (self->listeners, g_strdup (adapter_path), listeners);
    }
  listener->adapter_path = g_strdup (adapter_path);
  listener->events = events;
  listener->user_data = user_data;
  g_ptr_array_add (listeners, listener);
  if (adapter != NULL)
    events->adapter_changed (adapter, user_data);
  g_hash_table_iter_init (&iter, self->connected);
  while (g_hash_table_iter_next (&iter, &device_path, NULL))
    if (g_str_has_prefix (device_path, adapter_path) &&
        ((const char *) device_path)[strlen (adapter_path)] == '/')
      events->client_changed (device_path, TRUE, user_data);
  return listener;
}

void
gatt_bluez_unlisten (GattBluez *self, GattBluezListener *listener)
{
  GPtrArray *listeners = g_hash_table_lookup (self->listeners, listener->adapter_path);

  g_ptr_array_remove (listeners, listener);
  if (listeners->len == 0)
    g_hash_table_remove (self->listeners, listener->adapter_path);
  g_free (listener->adapter_path);
  g_free (listener);
}

/* --- bluetoothd's objects --------------------------------------------------------------------- */

static void
apply_adapter_properties (GattBluezAdapter *adapter, GVariant *properties)
{
  const char *text;

  g_variant_lookup (properties, "Powered", "b", &adapter->powered);
  if (g_variant_lookup (properties, "Address", "&s", &text))
    {
      g_free (adapter->address);
      adapter->address = g_strdup (text);
    }
  if (g_variant_lookup (properties, "AddressType", "&s", &text))
    adapter->address_is_public = g_str_equal (text, "public");
}

static void
apply_device_properties (GattBluez *self, const char *path, GVariant *properties)
{
  gboolean connected;

  if (g_variant_lookup (properties, "Connected", "b", &connected))
    set_connected (self, path, connected);
}

static void
apply_interfaces (GattBluez *self, const char *path, GVariant *interfaces)
{
  g_autoptr (GVariant) adapter_properties
      = g_variant_lookup_value (interfaces, ADAPTER_INTERFACE, G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) device_properties
      = g_variant_lookup_value (interfaces, DEVICE_INTERFACE, G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) gatt_manager
      = g_variant_lookup_value (interfaces, GATT_MANAGER_INTERFACE, NULL);
  g_autoptr (GVariant) advertising_manager
      = g_variant_lookup_value (interfaces, ADVERTISING_MANAGER_INTERFACE, NULL);

  if (device_properties != NULL)
    apply_device_properties (self, path, device_properties);
  if (adapter_properties != NULL || gatt_manager != NULL || advertising_manager != NULL)
    {
      GattBluezAdapter *adapter = g_hash_table_lookup (self->adapters, path);

      if (adapter == NULL)
        {
          adapter = g_new0 (GattBluezAdapter, 1);
          adapter->address_is_public = TRUE;
          g_hash_table_insert (self->adapters, g_strdup (path), adapter);
        }
      if (adapter_properties != NULL)
        apply_adapter_properties (adapter, adapter_properties);
      adapter->can_serve |= gatt_manager != NULL;
      adapter->can_advertise |= advertising_manager != NULL;
      tell_adapter (self, path);
    }
}

static void
remove_adapter (GattBluez *self, const char *path)
{
  g_autofree char *prefix = g_strconcat (path, "/", NULL);
  g_autoptr (GPtrArray) devices = g_ptr_array_new_with_free_func (g_free);
  GHashTableIter iter;
  gpointer device;

  g_hash_table_iter_init (&iter, self->connected);
  while (g_hash_table_iter_next (&iter, &device, NULL))
    if (g_str_has_prefix (device, prefix))
      g_ptr_array_add (devices, g_strdup (device));
  for (guint i = 0; i < devices->len; i++)
    set_connected (self, devices->pdata[i], FALSE);
  if (g_hash_table_remove (self->adapters, path))
    tell_adapter (self, path);
}

static void
on_interfaces_added (GDBusConnection *connection, const char *sender, const char *path,
                     const char *interface, const char *signal, GVariant *parameters,
                     gpointer user_data)
{
  const char *object;
  g_autoptr (GVariant) interfaces = NULL;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(oa{sa{sv}})")))
    return;
  g_variant_get (parameters, "(&o@a{sa{sv}})", &object, &interfaces);
  apply_interfaces (user_data, object, interfaces);
}

static void
on_interfaces_removed (GDBusConnection *connection, const char *sender, const char *path,
                       const char *interface, const char *signal, GVariant *parameters,
                       gpointer user_data)
{
  const char *object;
  g_autofree const char **interfaces = NULL;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(oas)")))
    return;
  g_variant_get (parameters, "(&o^a&s)", &object, &interfaces);
  if (g_strv_contains (interfaces, DEVICE_INTERFACE))
    set_connected (user_data, object, FALSE);
  /* An adapter that can no longer serve is as good as none. */
  if (g_strv_contains (interfaces, ADAPTER_INTERFACE) ||
      g_strv_contains (interfaces, GATT_MANAGER_INTERFACE))
    remove_adapter (user_data, object);
}

static void
on_properties_changed (GDBusConnection *connection, const char *sender, const char *path,
                       const char *interface, const char *signal, GVariant *parameters,
                       gpointer user_data)
{
  GattBluez *self = user_data;
  const char *changed_interface;
  g_autoptr (GVariant) properties = NULL;
  GattBluezAdapter *adapter;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(sa{sv}as)")))
    return;
  g_variant_get (parameters, "(&s@a{sv}as)", &changed_interface, &properties, NULL);
  if (g_str_equal (changed_interface, DEVICE_INTERFACE))
    apply_device_properties (self, path, properties);
  else if ((adapter = g_hash_table_lookup (self->adapters, path)) != NULL)
    {
      apply_adapter_properties (adapter, properties);
      tell_adapter (self, path);
    }
}

static void
list_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GattBluez *self;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GVariant) objects = NULL;
  GVariantIter iter;
  const char *path;
  GVariant *interfaces;

  if (reply == NULL)
    {
      if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        g_info ("cannot list the objects of bluetoothd: %s", error->message);
      return;
    }
  self = user_data;
  g_variant_get (reply, "(@a{oa{sa{sv}}})", &objects);
  g_variant_iter_init (&iter, objects);
  while (g_variant_iter_next (&iter, "{&o@a{sa{sv}}}", &path, &interfaces))
    {
      apply_interfaces (self, path, interfaces);
      g_variant_unref (interfaces);
    }
}

static void
forget_everything (GattBluez *self)
{
  g_autofree const char **paths = NULL;

  g_cancellable_cancel (self->listing);
  g_clear_object (&self->listing);
  paths = (const char **) g_hash_table_get_keys_as_array (self->adapters, NULL);
  for (guint i = 0; paths[i] != NULL; i++)
    {
      g_autofree char *path = g_strdup (paths[i]);

      remove_adapter (self, path);
    }
}

static void
on_bluez_appeared (GDBusConnection *connection, const char *name, const char *owner,
                   gpointer user_data)
{
  GattBluez *self = user_data;

  /* A new owner without a gap: nothing of the old one is left. */
  forget_everything (self);
  g_free (self->owner);
  self->owner = g_strdup (owner);
  self->listing = g_cancellable_new ();
  g_dbus_connection_call (connection, owner, "/", OBJECT_MANAGER_INTERFACE, "GetManagedObjects",
                          NULL, G_VARIANT_TYPE ("(a{oa{sa{sv}}})"),
                          G_DBUS_CALL_FLAGS_NO_AUTO_START, CALL_TIMEOUT_MS, self->listing,
                          list_done, self);
}

static void
on_bluez_vanished (GDBusConnection *connection, const char *name, gpointer user_data)
{
  GattBluez *self = user_data;

  g_clear_pointer (&self->owner, g_free);
  forget_everything (self);
}

/* --- Lifetime --------------------------------------------------------------------------------- */

/* The one GattBluez of @connection, made when it is not there. Returns: (transfer full) */
GattBluez *
gatt_bluez_ref_for_connection (GDBusConnection *connection)
{
  GattBluez *self = g_object_get_data (G_OBJECT (connection), "gatt-bluez");
  const struct
  {
    const char *interface, *signal, *path, *arg0;
    GDBusSignalCallback callback;
  } signals[] = {
    { OBJECT_MANAGER_INTERFACE, "InterfacesAdded", "/", NULL, on_interfaces_added },
    { OBJECT_MANAGER_INTERFACE, "InterfacesRemoved", "/", NULL, on_interfaces_removed },
    { PROPERTIES_INTERFACE, "PropertiesChanged", NULL, ADAPTER_INTERFACE, on_properties_changed },
    { PROPERTIES_INTERFACE, "PropertiesChanged", NULL, DEVICE_INTERFACE, on_properties_changed },
  };

  if (self != NULL)
    {
      self->references++;
      return self;
    }
  self = g_new0 (GattBluez, 1);
  self->references = 1;
  self->connection = g_object_ref (connection);
  self->adapters = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, adapter_free);
  self->connected = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->listeners = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                           (GDestroyNotify) g_ptr_array_unref);
  g_queue_init (&self->calls);
  g_object_set_data (G_OBJECT (connection), "gatt-bluez", self);
  for (gsize i = 0; i < G_N_ELEMENTS (signals); i++)
    self->subscriptions[i] = g_dbus_connection_signal_subscribe (
        connection, BLUEZ_NAME, signals[i].interface, signals[i].signal, signals[i].path,
        signals[i].arg0, G_DBUS_SIGNAL_FLAGS_NONE, signals[i].callback, self, NULL);
  /* After the subscriptions, so that nothing falls between the list and the signals. */
  self->name_watch = g_bus_watch_name_on_connection (connection, BLUEZ_NAME,
                                                     G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                     on_bluez_appeared, on_bluez_vanished, self,
                                                     NULL);
  return self;
}

void
gatt_bluez_unref (GattBluez *self)
{
  if (--self->references > 0)
    return;
  g_bus_unwatch_name (self->name_watch);
  for (gsize i = 0; i < G_N_ELEMENTS (self->subscriptions); i++)
    g_dbus_connection_signal_unsubscribe (self->connection, self->subscriptions[i]);
  g_cancellable_cancel (self->listing);
  g_clear_object (&self->listing);
  g_object_set_data (G_OBJECT (self->connection), "gatt-bluez", NULL);
  g_queue_clear_full (&self->calls, (GDestroyNotify) call_free);
  g_hash_table_unref (self->listeners);
  g_hash_table_unref (self->adapters);
  g_hash_table_unref (self->connected);
  g_free (self->owner);
  g_object_unref (self->connection);
  g_free (self);
}
