/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gatt-private.h"

#define FIRST_RETRY_S 1
#define LAST_RETRY_S 60

static const GDBusErrorEntry error_names[] = {
  { GATT_ERROR_FAILED, "org.bluez.Error.Failed" },
  { GATT_ERROR_IN_PROGRESS, "org.bluez.Error.InProgress" },
  { GATT_ERROR_INVALID_ARGUMENTS, "org.bluez.Error.InvalidArguments" },
  { GATT_ERROR_ALREADY_EXISTS, "org.bluez.Error.AlreadyExists" },
  { GATT_ERROR_DOES_NOT_EXIST, "org.bluez.Error.DoesNotExist" },
  { GATT_ERROR_NOT_SUPPORTED, "org.bluez.Error.NotSupported" },
  { GATT_ERROR_NOT_PERMITTED, "org.bluez.Error.NotPermitted" },
  { GATT_ERROR_NOT_AUTHORIZED, "org.bluez.Error.NotAuthorized" },
  { GATT_ERROR_NOT_READY, "org.bluez.Error.NotReady" },
  { GATT_ERROR_INVALID_OFFSET, "org.bluez.Error.InvalidOffset" },
  { GATT_ERROR_INVALID_VALUE_LENGTH, "org.bluez.Error.InvalidValueLength" },
  { GATT_ERROR_INVALID_LENGTH, "org.bluez.Error.InvalidLength" },
};

GQuark
gatt_error_quark (void)
{
  static gsize quark;

  g_dbus_error_register_error_domain ("gatt-error-quark", &quark, error_names,
                                      G_N_ELEMENTS (error_names));
  return (GQuark) quark;
}

/* The interface is GLib's too, but its description there is private. */
static const GDBusArgInfo managed_objects_arg
    = { -1, (char *) "objects", (char *) "a{oa{sa{sv}}}", NULL };
static const GDBusArgInfo *const managed_objects_args[] = { &managed_objects_arg, NULL };
static const GDBusMethodInfo managed_objects_method
    = { -1, (char *) "GetManagedObjects", NULL, (GDBusArgInfo **) managed_objects_args, NULL };
static const GDBusMethodInfo *const object_manager_methods[] = { &managed_objects_method, NULL };
static const GDBusInterfaceInfo object_manager_info
    = { -1,   (char *) "org.freedesktop.DBus.ObjectManager",
        (GDBusMethodInfo **) object_manager_methods,
        NULL, NULL,
        NULL };

static void
on_object_manager_call (GDBusConnection *connection, const char *sender, const char *path,
                        const char *interface, const char *method, GVariant *parameters,
                        GDBusMethodInvocation *invocation, gpointer user_data)
{
  GattServer *self = user_data;
  GVariantBuilder objects;

  g_variant_builder_init (&objects, G_VARIANT_TYPE ("a{oa{sa{sv}}}"));
  for (guint i = 0; i < self->services->len; i++)
    gatt_service_describe (self->services->pdata[i], &objects);
  g_dbus_method_invocation_return_value (invocation,
                                         g_variant_new ("(a{oa{sa{sv}}})", &objects));
}

static const GDBusInterfaceVTable object_manager_vtable
    = { on_object_manager_call, NULL, NULL, { 0 } };

/* --- Events ----------------------------------------------------------------------------------- */

void
gatt_server_emit (GattServer *self, guint event)
{
  self->events |= event;
  if (self->handler != NULL && (self->trigger & event) != 0)
    self->handler (self->argument != NULL ? self->argument : self);
}

void
gatt_server_take_error (GattServer *self, const GError *error)
{
  g_clear_error (&self->error);
  self->error = g_error_copy (error);
  gatt_server_emit (self, GATT_SERVER_FAILED);
}

/* --- Registration ----------------------------------------------------------------------------- */

static gboolean
on_retry (gpointer user_data)
{
  GattServer *self = user_data;

  g_clear_pointer (&self->retry, g_source_unref);
  gatt_server_schedule_update (self);
  return G_SOURCE_REMOVE;
}

/* Tries again what bluetoothd refused, ever more seldom: the reason may pass (an adapter that still
 * starts, another program's registration) or stay. */
void
gatt_server_retry_later (GattServer *self)
{
  if (self->retry != NULL)
    return;
  self->retry = g_timeout_source_new_seconds (self->retry_s);
  g_source_set_callback (self->retry, on_retry, self, NULL);
  g_source_attach (self->retry, g_main_context_get_thread_default ());
  self->retry_s = MIN (2 * self->retry_s, LAST_RETRY_S);
}

/* bluetoothd has looked at our attributes and does not like them: only other attributes or another
 * bluetoothd could help. */
static gboolean
is_final (const GError *error)
{
  return g_error_matches (error, GATT_ERROR, GATT_ERROR_FAILED) ||
         g_error_matches (error, GATT_ERROR, GATT_ERROR_INVALID_ARGUMENTS);
}

static void
register_done (GVariant *reply, const GError *error, gpointer user_data)
{
  GattServer *self = user_data;

  self->registering = FALSE;
  if (error != NULL && !g_error_matches (error, GATT_ERROR, GATT_ERROR_ALREADY_EXISTS))
    {
      gatt_server_take_error (self, error);
      self->refused = is_final (error);
      if (!self->refused)
        gatt_server_retry_later (self);
      return;
    }
  self->registered = TRUE;
  self->retry_s = FIRST_RETRY_S;
  gatt_server_emit (self, GATT_SERVER_REGISTERED);
  gatt_server_schedule_update (self);
}

static void
unregister_application (GattServer *self)
{
  self->registered = FALSE;
  gatt_bluez_call (self->bluez, self->adapter_path, "org.bluez.GattManager1",
                   "UnregisterApplication", g_variant_new ("(o)", self->path), NULL, NULL, NULL);
}

static void
register_application (GattServer *self)
{
  self->registering = TRUE;
  self->refused = FALSE;
  self->attributes_changed = FALSE;
  gatt_bluez_call (self->bluez, self->adapter_path, "org.bluez.GattManager1",
                   "RegisterApplication", g_variant_new ("(oa{sv})", self->path, NULL),
                   self->cancellable, register_done, self);
}

/* Brings bluetoothd to what is wanted: attributes first, so that whoever sees the advertisement
 * finds them. */
static gboolean
on_update (gpointer user_data)
{
  GattServer *self = user_data;

  g_clear_pointer (&self->update, g_source_unref);
  if (!self->adapter_is_ready || self->registering)
    return G_SOURCE_REMOVE;
  if (self->registered && self->attributes_changed)
    unregister_application (self);
  if (!self->registered && self->services->len > 0)
    {
      if (!self->refused || self->attributes_changed)
        register_application (self);
    }
  else
    gatt_advertisement_update (self->advertisement);
  return G_SOURCE_REMOVE;
}

/* From the loop, so that all that a program adds in one go is registered once. */
void
gatt_server_schedule_update (GattServer *self)
{
  if (self->update != NULL)
    return;
  self->update = g_idle_source_new ();
  g_source_set_priority (self->update, G_PRIORITY_DEFAULT);
  g_source_set_callback (self->update, on_update, self, NULL);
  g_source_attach (self->update, g_main_context_get_thread_default ());
}

void
gatt_server_attributes_changed (GattServer *self)
{
  self->attributes_changed = TRUE;
  gatt_server_schedule_update (self);
}

/* --- Adapter and clients ---------------------------------------------------------------------- */

static void
clear_source (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
lose_adapter (GattServer *self)
{
  gboolean was_ready = self->adapter_is_ready;

  self->adapter_is_ready = FALSE;
  self->registered = FALSE;
  self->registering = FALSE;
  self->refused = FALSE;
  self->retry_s = FIRST_RETRY_S;
  clear_source (&self->retry);
  g_cancellable_cancel (self->cancellable);
  g_object_unref (self->cancellable);
  self->cancellable = g_cancellable_new ();
  gatt_advertisement_lost (self->advertisement);
  for (guint i = 0; i < self->services->len; i++)
    gatt_service_forget_clients (self->services->pdata[i]);
  if (was_ready)
    gatt_server_emit (self, GATT_SERVER_LOST);
}

static void
on_adapter_changed (const GattBluezAdapter *adapter, gpointer user_data)
{
  GattServer *self = user_data;
  gboolean was_ready = self->adapter_is_ready;

  if (adapter == NULL)
    {
      lose_adapter (self);
      return;
    }
  if (!adapter->can_serve || adapter->address == NULL)
    return;
  if (g_strcmp0 (self->address, adapter->address) != 0)
    {
      g_free (self->address);
      self->address = g_strdup (adapter->address);
    }
  self->adapter_is_ready = TRUE;
  self->adapter_can_advertise = adapter->can_advertise && adapter->powered;
  if (!was_ready)
    gatt_server_emit (self, GATT_SERVER_ADAPTER_READY);
  gatt_server_schedule_update (self);
}

static void
on_client_changed (const char *device_path, gboolean connected, gpointer user_data)
{
  GattServer *self = user_data;

  if (connected)
    g_hash_table_add (self->clients, g_strdup (device_path));
  else
    g_hash_table_remove (self->clients, device_path);
  gatt_server_emit (self, connected ? GATT_CLIENT_CONNECTED : GATT_CLIENT_DISCONNECTED);
}

static const GattBluezEvents bluez_events = { on_adapter_changed, on_client_changed };

/* --- API -------------------------------------------------------------------------------------- */

/* A server without services, not advertising.
 * @connection: the bus that bluetoothd is on; with several servers the same for all of them
 * @adapter: its name, as hci0
 * @path: object path below which the server's objects will be; nobody else's
 * Errors: G_IO_ERROR_INVALID_ARGUMENT for a malformed @adapter or @path, G_IO_ERROR_EXISTS for a
 * path in use.
 * Returns: (transfer full) (nullable): end it with gatt_server_free() */
GattServer *
gatt_server_new (GDBusConnection *connection, const char *adapter, const char *path, GError **error)
{
  g_autofree char *adapter_path = g_strconcat ("/org/bluez/", adapter, NULL);
  GattServer *self;
  guint object_manager;

  if (!g_variant_is_object_path (adapter_path) || !g_variant_is_object_path (path) ||
      g_str_equal (path, "/"))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   "'%s' on '%s': malformed path or adapter", path, adapter);
      return NULL;
    }
  /* GDBus knows bluetoothd's errors from here on, the first one, too. */
  gatt_error_quark ();
  self = g_new0 (GattServer, 1);
  object_manager = g_dbus_connection_register_object (
      connection, path, (GDBusInterfaceInfo *) &object_manager_info, &object_manager_vtable, self,
      NULL, error);
  if (object_manager == 0)
    {
      g_free (self);
      return NULL;
    }
  self->object_manager = object_manager;
  self->connection = g_object_ref (connection);
  self->cancellable = g_cancellable_new ();
  self->adapter = g_strdup (adapter);
  self->adapter_path = g_steal_pointer (&adapter_path);
  self->path = g_strdup (path);
  self->retry_s = FIRST_RETRY_S;
  self->services = g_ptr_array_new_with_free_func ((GDestroyNotify) gatt_service_free);
  self->clients = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->advertisement = gatt_advertisement_new (self);
  self->bluez = gatt_bluez_ref_for_connection (connection);
  self->listener = gatt_bluez_listen (self->bluez, self->adapter_path, &bluez_events, self);
  return self;
}

/* Stops advertising, unregisters and frees the server with its services and characteristics. The
 * clients stay connected to the adapter. */
void
gatt_server_free (GattServer *self)
{
  self->handler = NULL;
  for (guint i = 0; i < self->services->len; i++)
    gatt_service_mute (self->services->pdata[i]);
  gatt_bluez_unlisten (self->bluez, self->listener);
  g_cancellable_cancel (self->cancellable);
  gatt_advertisement_free (self->advertisement);
  if (self->registered || self->registering)
    unregister_application (self);
  clear_source (&self->update);
  clear_source (&self->retry);
  g_dbus_connection_unregister_object (self->connection, self->object_manager);
  g_ptr_array_unref (self->services);
  gatt_bluez_unref (self->bluez);
  g_hash_table_unref (self->clients);
  g_object_unref (self->cancellable);
  g_object_unref (self->connection);
  g_clear_error (&self->error);
  g_free (self->adapter);
  g_free (self->adapter_path);
  g_free (self->path);
  g_free (self->address);
  g_free (self);
}

/* Has @handler called from now on for the events of the set @trigger. There is one handler; NULL or
 * an empty set means none.
 * @argument: (nullable): passed to @handler; NULL: the server itself */
void
gatt_server_set_callback (GattServer *self, guint trigger, GattServerHandler handler,
                          gpointer argument)
{
  self->trigger = trigger;
  self->handler = handler;
  self->argument = argument;
}

/* The set of GattEvent of this server since the last call. */
guint
gatt_server_events (GattServer *self)
{
  guint events = self->events;

  self->events = 0;
  return events;
}

/* The adapter's name, as hci0. */
const char *
gatt_server_get_adapter (GattServer *self)
{
  return self->adapter;
}

/* The adapter's Bluetooth address in upper case with colons, NULL as long as it was never there. */
const char *
gatt_server_get_address (GattServer *self)
{
  return self->address;
}

/* Whether bluetoothd serves the attributes now. */
gboolean
gatt_server_is_registered (GattServer *self)
{
  return self->registered;
}

/* Whether bluetoothd has our advertisement now. */
gboolean
gatt_server_is_advertising (GattServer *self)
{
  return gatt_advertisement_is_on (self->advertisement);
}

/* How many devices are connected to the adapter now, whichever of its servers they came for. */
guint
gatt_server_count_clients (GattServer *self)
{
  return g_hash_table_size (self->clients);
}

/* The last refusal of bluetoothd, NULL when there was none. Returns: (transfer none) (nullable) */
const GError *
gatt_server_get_error (GattServer *self)
{
  return self->error;
}

/* Closes the link of every device that is connected to the adapter. GATT_CLIENT_DISCONNECTED
 * follows for each. */
void
gatt_server_disconnect_clients (GattServer *self)
{
  GHashTableIter iter;
  gpointer device_path;

  g_hash_table_iter_init (&iter, self->clients);
  while (g_hash_table_iter_next (&iter, &device_path, NULL))
    gatt_bluez_call (self->bluez, device_path, "org.bluez.Device1", "Disconnect", NULL, NULL, NULL,
                     NULL);
}
