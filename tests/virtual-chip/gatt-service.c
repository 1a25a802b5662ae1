/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gatt-private.h"

#include "bluez-dbus.h"

static void
on_method_call (GDBusConnection *connection, const char *sender, const char *path,
                const char *interface, const char *method, GVariant *parameters,
                GDBusMethodInvocation *invocation, gpointer user_data)
{
  g_dbus_method_invocation_return_error (invocation, GATT_ERROR, GATT_ERROR_NOT_SUPPORTED,
                                         "a service has no method %s", method);
}

static GVariant *
on_get_property (GDBusConnection *connection, const char *sender, const char *path,
                 const char *interface, const char *property, GError **error, gpointer user_data)
{
  GattService *self = user_data;

  if (g_str_equal (property, "UUID"))
    return g_variant_new_string (self->uuid);
  if (g_str_equal (property, "Primary"))
    return g_variant_new_boolean (self->primary);
  g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_PROPERTY,
               "a server's service has no property %s", property);
  return NULL;
}

static const GDBusInterfaceVTable vtable = { on_method_call, on_get_property, NULL, { 0 } };

/* Adds a service to @self.
 * @uuid: as in gatt-value.h
 * @primary: FALSE: secondary, only there to be included by others
 * Errors: G_IO_ERROR_INVALID_ARGUMENT.
 * Returns: (transfer none) (nullable): belongs to the server */
GattService *
gatt_server_add_service (GattServer *self, const char *uuid, gboolean primary, GError **error)
{
  g_autofree char *full_uuid = gatt_uuid_normalize (uuid, error);
  GattService *service;

  if (full_uuid == NULL)
    return NULL;
  service = g_new0 (GattService, 1);
  service->server = self;
  service->uuid = g_steal_pointer (&full_uuid);
  service->path = g_strdup_printf ("%s/service%u", self->path, self->services->len);
  service->primary = primary;
  service->characteristics
      = g_ptr_array_new_with_free_func ((GDestroyNotify) gatt_characteristic_free);
  service->registration = g_dbus_connection_register_object (
      self->connection, service->path, bluez_gatt_service1_interface_info (), &vtable, service,
      NULL, error);
  if (service->registration == 0)
    {
      gatt_service_free (service);
      return NULL;
    }
  g_ptr_array_add (self->services, service);
  gatt_server_attributes_changed (self);
  return service;
}

/* Adds a characteristic to @self. A UUID may come more than once.
 * @uuid: as in gatt-value.h
 * @properties: a set of GattProperty
 * @value: (nullable): the initial value, at most GATT_VALUE_MAX_SIZE bytes; NULL: empty
 * Errors: G_IO_ERROR_INVALID_ARGUMENT, GATT_ERROR_INVALID_VALUE_LENGTH.
 * Returns: (transfer none) (nullable): belongs to the server */
GattCharacteristic *
gatt_service_add_characteristic (GattService *self, const char *uuid, guint properties,
                                 GBytes *value, GError **error)
{
  GattCharacteristic *characteristic = gatt_characteristic_new (
      self, self->characteristics->len, uuid, properties, value, error);

  if (characteristic == NULL)
    return NULL;
  g_ptr_array_add (self->characteristics, characteristic);
  gatt_server_attributes_changed (self->server);
  return characteristic;
}

void
gatt_service_free (GattService *self)
{
  g_ptr_array_unref (self->characteristics);
  if (self->registration != 0)
    g_dbus_connection_unregister_object (self->server->connection, self->registration);
  g_free (self->uuid);
  g_free (self->path);
  g_free (self);
}

/* Calls no handler any more: the server is about to go. */
void
gatt_service_mute (GattService *self)
{
  for (guint i = 0; i < self->characteristics->len; i++)
    gatt_characteristic_set_callback (self->characteristics->pdata[i], 0, NULL, NULL);
}

void
gatt_service_forget_clients (GattService *self)
{
  for (guint i = 0; i < self->characteristics->len; i++)
    gatt_characteristic_forget_clients (self->characteristics->pdata[i]);
}

/* Adds path and properties of the service and its characteristics as bluetoothd's
 * GetManagedObjects wants them. */
void
gatt_service_describe (GattService *self, GVariantBuilder *objects)
{
  GVariantBuilder interfaces;
  GVariantBuilder properties;

  g_variant_builder_init (&interfaces, G_VARIANT_TYPE ("a{sa{sv}}"));
  g_variant_builder_init (&properties, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&properties, "{sv}", "UUID", g_variant_new_string (self->uuid));
  g_variant_builder_add (&properties, "{sv}", "Primary", g_variant_new_boolean (self->primary));
  g_variant_builder_add (&interfaces, "{sa{sv}}", GATT_SERVICE_INTERFACE, &properties);
  g_variant_builder_add (objects, "{oa{sa{sv}}}", self->path, &interfaces);
  for (guint i = 0; i < self->characteristics->len; i++)
    gatt_characteristic_describe (self->characteristics->pdata[i], objects);
}
