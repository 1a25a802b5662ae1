/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gatt-private.h"

#include "bluez-dbus.h"

struct _GattAdvertisement
{
  GattServer *server;
  char *path;
  guint registration;
  char *name;
  char *service_uuid;
  GVariant *manufacturer_data; /* a{qv} */
  GVariant *service_data;      /* a{sv} */
  gboolean wanted;
  gboolean on;
  gboolean turning_on;
  gboolean changed; /* since it was registered */
};

/* Returns: (transfer floating) (nullable): NULL for what is not advertised: BlueZ takes the mere
 * presence of a property for its use. */
static GVariant *
describe_property (GattAdvertisement *self, const char *property)
{
  if (g_str_equal (property, "Type"))
    return g_variant_new_string ("peripheral");
  if (g_str_equal (property, "LocalName") && self->name != NULL)
    return g_variant_new_string (self->name);
  if (g_str_equal (property, "ServiceUUIDs") && self->service_uuid != NULL)
    return g_variant_new_strv ((const char *const *) &self->service_uuid, 1);
  if (g_str_equal (property, "ManufacturerData") && self->manufacturer_data != NULL)
    return g_variant_ref (self->manufacturer_data);
  if (g_str_equal (property, "ServiceData") && self->service_data != NULL)
    return g_variant_ref (self->service_data);
  return NULL;
}

static GVariant *
on_get_property (GDBusConnection *connection, const char *sender, const char *path,
                 const char *interface, const char *property, GError **error, gpointer user_data)
{
  GVariant *value = describe_property (user_data, property);

  if (value == NULL)
    g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_PROPERTY, "%s is not advertised",
                 property);
  return value;
}

static void
set_on (GattAdvertisement *self, gboolean on)
{
  if (self->on == on)
    return;
  self->on = on;
  gatt_server_emit (self->server, GATT_SERVER_ADVERTISING);
}

/* Release is the only method: bluetoothd has dropped the advertisement by itself. */
static void
on_method_call (GDBusConnection *connection, const char *sender, const char *path,
                const char *interface, const char *method, GVariant *parameters,
                GDBusMethodInvocation *invocation, gpointer user_data)
{
  GattAdvertisement *self = user_data;

  g_dbus_method_invocation_return_value (invocation, NULL);
  set_on (self, FALSE);
  gatt_server_retry_later (self->server);
}

static const GDBusInterfaceVTable vtable = { on_method_call, on_get_property, NULL, { 0 } };

static void
register_done (GVariant *reply, const GError *error, gpointer user_data)
{
  GattAdvertisement *self = user_data;

  self->turning_on = FALSE;
  if (error != NULL && !g_error_matches (error, GATT_ERROR, GATT_ERROR_ALREADY_EXISTS))
    {
      gatt_server_take_error (self->server, error);
      gatt_server_retry_later (self->server);
      return;
    }
  set_on (self, TRUE);
  gatt_server_schedule_update (self->server);
}

static void
turn_on (GattAdvertisement *self)
{
  self->turning_on = TRUE;
  self->changed = FALSE;
  gatt_bluez_call (self->server->bluez, self->server->adapter_path,
                   "org.bluez.LEAdvertisingManager1", "RegisterAdvertisement",
                   g_variant_new ("(oa{sv})", self->path, NULL), self->server->cancellable,
                   register_done, self);
}

static void
turn_off (GattAdvertisement *self)
{
  gatt_bluez_call (self->server->bluez, self->server->adapter_path,
                   "org.bluez.LEAdvertisingManager1", "UnregisterAdvertisement",
                   g_variant_new ("(o)", self->path), NULL, NULL, NULL);
  set_on (self, FALSE);
}

/* Brings bluetoothd to what is wanted. Only while the adapter is there. */
void
gatt_advertisement_update (GattAdvertisement *self)
{
  gboolean want = self->wanted && self->server->adapter_can_advertise;

  if (self->turning_on)
    return;
  /* An adapter that was off has forgotten its advertisements, and bluetoothd does not say so. */
  if (self->on && (!want || self->changed))
    turn_off (self);
  if (want && !self->on)
    turn_on (self);
}

/* The adapter has gone, and the advertisement with it. */
void
gatt_advertisement_lost (GattAdvertisement *self)
{
  self->turning_on = FALSE;
  set_on (self, FALSE);
}

gboolean
gatt_advertisement_is_on (GattAdvertisement *self)
{
  return self->on;
}

/* Only from gatt_server_new(). */
GattAdvertisement *
gatt_advertisement_new (GattServer *server)
{
  GattAdvertisement *self = g_new0 (GattAdvertisement, 1);

  self->server = server;
  self->path = g_strconcat (server->path, "/advertisement", NULL);
  return self;
}

void
gatt_advertisement_free (GattAdvertisement *self)
{
  if (self->on || self->turning_on)
    turn_off (self);
  if (self->registration != 0)
    g_dbus_connection_unregister_object (self->server->connection, self->registration);
  g_clear_pointer (&self->manufacturer_data, g_variant_unref);
  g_clear_pointer (&self->service_data, g_variant_unref);
  g_free (self->name);
  g_free (self->service_uuid);
  g_free (self->path);
  g_free (self);
}

static void
set_changed (GattAdvertisement *self)
{
  self->changed = TRUE;
  gatt_server_schedule_update (self->server);
}

/* --- API -------------------------------------------------------------------------------------- */

/* Sets the name in the advertisement. A change while advertising is advertised at once.
 * @name: (nullable): UTF-8; NULL: none */
void
gatt_server_set_name (GattServer *self, const char *name)
{
  g_free (self->advertisement->name);
  self->advertisement->name = g_strdup (name);
  set_changed (self->advertisement);
}

/* Sets the service UUID in the advertisement; the server need not have such a service.
 * @uuid: (nullable): as in gatt-value.h; NULL: none
 * Errors: G_IO_ERROR_INVALID_ARGUMENT. */
gboolean
gatt_server_set_service_uuid (GattServer *self, const char *uuid, GError **error)
{
  char *full_uuid = NULL;

  if (uuid != NULL && (full_uuid = gatt_uuid_normalize (uuid, error)) == NULL)
    return FALSE;
  g_free (self->advertisement->service_uuid);
  self->advertisement->service_uuid = full_uuid;
  set_changed (self->advertisement);
  return TRUE;
}

/* Sets the manufacturer data in the advertisement.
 * @company: [SIG] company identifier
 * @data: (nullable): what follows it; NULL: no manufacturer data. All of an advertisement must fit
 * 31 bytes on older controllers; bluetoothd refuses what does not (GATT_SERVER_FAILED). */
void
gatt_server_set_manufacturer_data (GattServer *self, guint16 company, GBytes *data)
{
  GVariantBuilder builder;

  g_clear_pointer (&self->advertisement->manufacturer_data, g_variant_unref);
  if (data != NULL)
    {
      g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{qv}"));
      g_variant_builder_add (&builder, "{qv}", company, gatt_value_to_variant (data));
      self->advertisement->manufacturer_data
          = g_variant_ref_sink (g_variant_builder_end (&builder));
    }
  set_changed (self->advertisement);
}

/* Sets the service data in the advertisement.
 * @uuid: as in gatt-value.h
 * @data: (nullable): NULL: no service data
 * Errors: G_IO_ERROR_INVALID_ARGUMENT. */
gboolean
gatt_server_set_service_data (GattServer *self, const char *uuid, GBytes *data, GError **error)
{
  g_autofree char *full_uuid = gatt_uuid_normalize (uuid, error);
  GVariantBuilder builder;

  if (full_uuid == NULL)
    return FALSE;
  g_clear_pointer (&self->advertisement->service_data, g_variant_unref);
  if (data != NULL)
    {
      g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
      g_variant_builder_add (&builder, "{sv}", full_uuid, gatt_value_to_variant (data));
      self->advertisement->service_data = g_variant_ref_sink (g_variant_builder_end (&builder));
    }
  set_changed (self->advertisement);
  return TRUE;
}

/* Advertises from now on, or no longer. What is wanted holds over restarts of bluetoothd. */
void
gatt_server_advertise (GattServer *self, gboolean on)
{
  GattAdvertisement *advertisement = self->advertisement;

  if (on && advertisement->registration == 0)
    advertisement->registration = g_dbus_connection_register_object (
        self->connection, advertisement->path, bluez_leadvertisement1_interface_info (), &vtable,
        advertisement, NULL, NULL);
  advertisement->wanted = on;
  if (on)
    gatt_server_schedule_update (self);
  else
    gatt_advertisement_update (advertisement); /* before whatever the caller does next */
}
