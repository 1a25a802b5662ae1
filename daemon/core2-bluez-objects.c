/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of BlueZ's objects: from messages of org.freedesktop.DBus.ObjectManager and Properties. */
#include "core2-bluez-private.h"

#include <errno.h>
#include <string.h>

#include "core2-protocol.h"
#include "core2-rfkill.h"

#define REFRESH_TIMEOUT_MS 10000

/* A property that changed, whose value is next in the message. Returns > 0 when it was read, 0 when it is
 * not of interest (the caller skips it), negative when it has another type. */
typedef int (*PropertyReader) (Core2Bluez *self, gpointer object, const char *name,
                               sd_bus_message *message);

/* --- reading variants ------------------------------------------------------------------------ */

static int
read_variant (sd_bus_message *message, char type, void *value)
{
  const char signature[2] = { type, '\0' };
  int r = sd_bus_message_enter_container (message, SD_BUS_TYPE_VARIANT, signature);

  if (r < 0)
    return r;
  r = sd_bus_message_read_basic (message, type, value);
  if (r < 0)
    return r;
  r = sd_bus_message_exit_container (message);
  return r < 0 ? r : 1;
}

static int
read_boolean (sd_bus_message *message, gboolean *value)
{
  int flag;
  int r = read_variant (message, SD_BUS_TYPE_BOOLEAN, &flag);

  if (r > 0)
    *value = flag != 0;
  return r;
}

static int
read_address (sd_bus_message *message, char address[18])
{
  const char *text;
  int r = read_variant (message, SD_BUS_TYPE_STRING, &text);

  if (r > 0 && !core2_address_normalise (text, address))
    return -EINVAL;
  return r;
}

static int
read_text (sd_bus_message *message, char type, char **value)
{
  const char *text;
  int r = read_variant (message, type, &text);

  if (r > 0)
    {
      g_free (*value);
      *value = g_strdup (text);
    }
  return r;
}

/* Whether an array of strings holds @wanted. */
static int
read_contains (sd_bus_message *message, const char *wanted, gboolean *contains)
{
  const char *text;
  int r = sd_bus_message_enter_container (message, SD_BUS_TYPE_VARIANT, "as");

  if (r < 0)
    return r;
  r = sd_bus_message_enter_container (message, SD_BUS_TYPE_ARRAY, "s");
  if (r < 0)
    return r;
  *contains = FALSE;
  while ((r = sd_bus_message_read_basic (message, SD_BUS_TYPE_STRING, &text)) > 0)
    if (g_ascii_strcasecmp (text, wanted) == 0)
      *contains = TRUE;
  if (r < 0 || (r = sd_bus_message_exit_container (message)) < 0
      || (r = sd_bus_message_exit_container (message)) < 0)
    return r;
  return 1;
}

/* Whether a{qv} has our company's key. */
static int
read_manufacturer_data (sd_bus_message *message, gboolean *has_company)
{
  int r = sd_bus_message_enter_container (message, SD_BUS_TYPE_VARIANT, "a{qv}");

  if (r < 0)
    return r;
  r = sd_bus_message_enter_container (message, SD_BUS_TYPE_ARRAY, "{qv}");
  if (r < 0)
    return r;
  *has_company = FALSE;
  while ((r = sd_bus_message_enter_container (message, SD_BUS_TYPE_DICT_ENTRY, "qv")) > 0)
    {
      uint16_t company;
      if ((r = sd_bus_message_read_basic (message, SD_BUS_TYPE_UINT16, &company)) < 0
          || (r = sd_bus_message_skip (message, "v")) < 0
          || (r = sd_bus_message_exit_container (message)) < 0)
        return r;
      if (company == CORE2_COMPANY_ID)
        *has_company = TRUE;
    }
  if (r < 0 || (r = sd_bus_message_exit_container (message)) < 0
      || (r = sd_bus_message_exit_container (message)) < 0)
    return r;
  return 1;
}

static int
read_properties (Core2Bluez *self, sd_bus_message *message, gpointer object, PropertyReader reader)
{
  int r = sd_bus_message_enter_container (message, SD_BUS_TYPE_ARRAY, "{sv}");

  if (r < 0)
    return r;
  while ((r = sd_bus_message_enter_container (message, SD_BUS_TYPE_DICT_ENTRY, "sv")) > 0)
    {
      const char *name;

      r = sd_bus_message_read_basic (message, SD_BUS_TYPE_STRING, &name);
      if (r < 0)
        return r;
      r = reader (self, object, name, message);
      if (r == 0)
        r = sd_bus_message_skip (message, "v");
      if (r < 0 || (r = sd_bus_message_exit_container (message)) < 0)
        return r;
    }
  return r < 0 ? r : sd_bus_message_exit_container (message);
}

/* --- adapters ----------------------------------------------------------------------------------- */

static int
read_adapter_property (Core2Bluez *self, gpointer object, const char *name,
                       sd_bus_message *message)
{
  Core2BluezAdapter *adapter = object;

  if (strcmp (name, "Address") == 0)
    return read_address (message, adapter->address);
  if (strcmp (name, "Powered") == 0)
    return read_boolean (message, &adapter->powered);
  if (strcmp (name, "Discovering") == 0)
    return read_boolean (message, &adapter->discovering);
  if (strcmp (name, "Roles") == 0)
    return read_contains (message, "central", &adapter->central);
  if (strcmp (name, "PowerState") == 0)
    {
      const char *state;
      int r = read_variant (message, SD_BUS_TYPE_STRING, &state);
      if (r > 0)
        adapter->says_blocked = strcmp (state, "off-blocked") == 0;
      return r;
    }
  return 0;
}

static int
read_adapter (Core2Bluez *self, sd_bus_message *message, Core2BluezAdapter *adapter)
{
  gboolean was_on = adapter->powered && adapter->central;
  int r = read_properties (self, message, adapter, read_adapter_property);

  self->power_changes += was_on != (adapter->powered && adapter->central);
  adapter->blocked = !adapter->powered
                     && (adapter->says_blocked
                         || core2_rfkill_is_blocked (CORE2_RFKILL_DIRECTORY,
                                                     strrchr (adapter->path, '/') + 1));
  return r;
}

static Core2BluezAdapter *
ensure_adapter (Core2Bluez *self, const char *path)
{
  Core2BluezAdapter *adapter = g_hash_table_lookup (self->adapters, path);

  if (adapter == NULL)
    {
      adapter = g_new0 (Core2BluezAdapter, 1);
      adapter->bluez = self;
      adapter->path = g_strdup (path);
      adapter->central = TRUE;   /* an old bluetoothd that tells no roles */
      g_hash_table_insert (self->adapters, adapter->path, adapter);
    }
  return adapter;
}

/* --- devices -------------------------------------------------------------------------------------- */

/* While it is connected BlueZ learns these from its services. */
static gboolean
may_come_from_air (Core2Bluez *self, const Core2BluezDevice *device)
{
  return !device->connected && core2_bluez_scans_busy (self, device->adapter);
}

static int
read_device_property (Core2Bluez *self, gpointer object, const char *name,
                      sd_bus_message *message)
{
  Core2BluezDevice *device = object;

  if (strcmp (name, "RSSI") == 0)
    {
      self->advertised = TRUE;
      return read_variant (message, SD_BUS_TYPE_INT16, &device->rssi);
    }
  if (strcmp (name, "Connected") == 0)
    return read_boolean (message, &device->connected);
  if (strcmp (name, "ServicesResolved") == 0)
    return read_boolean (message, &device->services_resolved);
  if (strcmp (name, "Trusted") == 0)
    return read_boolean (message, &device->trusted);
  if (strcmp (name, "Address") == 0)
    return read_address (message, device->address);
  if (strcmp (name, "Name") == 0)
    {
      self->advertised = self->advertised || may_come_from_air (self, device);
      return read_text (message, SD_BUS_TYPE_STRING, &device->name);
    }
  if (strcmp (name, "Modalias") == 0)
    return read_text (message, SD_BUS_TYPE_STRING, &device->modalias);
  if (strcmp (name, "UUIDs") == 0)
    {
      self->advertised = self->advertised || may_come_from_air (self, device);
      return read_contains (message, CORE2_UUID_BAND_SERVICE, &device->has_service);
    }
  if (strcmp (name, "ManufacturerData") == 0)
    {
      self->advertised = TRUE;
      return read_manufacturer_data (message, &device->has_company);
    }
  if (strcmp (name, "Appearance") == 0)
    {
      int r = read_variant (message, SD_BUS_TYPE_UINT16, &device->appearance);
      device->has_appearance = device->has_appearance || r > 0;
      return r;
    }
  return 0;
}

/* The object whose path is @path without its last segments. */
static gpointer
lookup_parent (GHashTable *table, const char *path, guint segments)
{
  g_autofree char *parent = g_strdup (path);

  while (segments-- > 0)
    {
      char *slash = strrchr (parent, '/');
      if (slash == NULL)
        return NULL;
      *slash = '\0';
    }
  return g_hash_table_lookup (table, parent);
}

static Core2BluezDevice *
ensure_device (Core2Bluez *self, const char *path)
{
  Core2BluezDevice *device = g_hash_table_lookup (self->devices, path);

  if (device == NULL)
    {
      Core2BluezAdapter *adapter = lookup_parent (self->adapters, path, 1);
      if (adapter == NULL)
        return NULL;
      device = g_new0 (Core2BluezDevice, 1);
      device->path = g_strdup (path);
      device->adapter = adapter;
      device->rssi = CORE2_BLUEZ_RSSI_UNKNOWN;
      device->characteristics = g_ptr_array_new ();
      g_hash_table_insert (self->devices, device->path, device);
    }
  return device;
}

/* --- characteristics ------------------------------------------------------------------------------ */

static int
read_characteristic_property (Core2Bluez *self, gpointer object, const char *name,
                              sd_bus_message *message)
{
  Core2BluezCharacteristic *characteristic = object;
  const char *uuid;
  int r;

  if (strcmp (name, "Notifying") == 0)
    return read_boolean (message, &characteristic->notifying);
  if (strcmp (name, "UUID") != 0)
    return 0;
  r = read_variant (message, SD_BUS_TYPE_STRING, &uuid);
  if (r > 0)
    {
      g_autofree char *lower = g_ascii_strdown (uuid, -1);
      g_clear_pointer (&characteristic->uuid, g_ref_string_release);
      characteristic->uuid = g_ref_string_new_intern (lower);
    }
  return r;
}

static Core2BluezCharacteristic *
ensure_characteristic (Core2Bluez *self, const char *path)
{
  Core2BluezCharacteristic *characteristic = g_hash_table_lookup (self->characteristics, path);

  if (characteristic == NULL)
    {
      Core2BluezDevice *device = lookup_parent (self->devices, path, 2);
      if (device == NULL)
        return NULL;
      characteristic = g_new0 (Core2BluezCharacteristic, 1);
      characteristic->path = g_strdup (path);
      characteristic->device = device;
      g_hash_table_insert (self->characteristics, characteristic->path, characteristic);
      g_ptr_array_add (device->characteristics, characteristic);
    }
  return characteristic;
}

static int
read_value (sd_bus_message *message, const void **data, size_t *size)
{
  int r = sd_bus_message_enter_container (message, SD_BUS_TYPE_VARIANT, "ay");

  if (r < 0 || (r = sd_bus_message_read_array (message, SD_BUS_TYPE_BYTE, data, size)) < 0)
    return r;
  if (*data == NULL)
    *data = "";                  /* no bytes are a value, too */
  return sd_bus_message_exit_container (message);
}

/* The payload of a notification or read: a{sv} with Value among what changed. */
static int
read_value_change (Core2Bluez *self, Core2BluezCharacteristic *characteristic,
                   sd_bus_message *message)
{
  const char *name;
  const void *data = NULL;
  size_t size = 0;
  int r = sd_bus_message_enter_container (message, SD_BUS_TYPE_ARRAY, "{sv}");

  if (r < 0)
    return r;
  while ((r = sd_bus_message_enter_container (message, SD_BUS_TYPE_DICT_ENTRY, "sv")) > 0)
    {
      if ((r = sd_bus_message_read_basic (message, SD_BUS_TYPE_STRING, &name)) < 0)
        return r;
      if (strcmp (name, "Value") == 0)
        r = read_value (message, &data, &size);
      else if (strcmp (name, "Notifying") == 0)
        r = read_boolean (message, &characteristic->notifying);
      else
        r = sd_bus_message_skip (message, "v");
      if (r < 0 || (r = sd_bus_message_exit_container (message)) < 0)
        return r;
    }
  /* Nothing of the object is used after this: the owner may drop the device. */
  if (r >= 0 && data != NULL)
    self->events->value_changed (characteristic, data, size, self->user_data);
  return r;
}

/* --- the whole ----------------------------------------------------------------------------------- */

/* What a signal said of @device has been read. What a list or a reply says is no sign of life: BlueZ
 * keeps old values. */
static void
announce_device (Core2Bluez *self, Core2BluezDevice *device)
{
  gboolean seen = self->advertised;
  g_autofree char *path = g_strdup (device->path);

  if (seen)
    device->seen = g_get_real_time ();
  self->events->device_changed (device, self->user_data);
  if (seen && g_hash_table_lookup (self->devices, path) == device)
    self->events->device_seen (device, self->user_data);
}

static int
apply_one_interface (Core2Bluez *self, const char *path, const char *interface,
                     sd_bus_message *message, gboolean announce)
{
  int r;

  if (strcmp (interface, ADAPTER_INTERFACE) == 0)
    {
      Core2BluezAdapter *adapter = ensure_adapter (self, path);
      r = read_adapter (self, message, adapter);
      if (announce)
        {
          core2_bluez_scans_adapter_changed (self, adapter);
          self->events->adapters_changed (self->user_data);
        }
      return r < 0 ? r : 1;
    }
  if (strcmp (interface, DEVICE_INTERFACE) == 0)
    {
      Core2BluezDevice *device = ensure_device (self, path);
      if (device == NULL)
        return 0;
      self->advertised = FALSE;
      r = read_properties (self, message, device, read_device_property);
      if (announce && device->address[0] != '\0')
        announce_device (self, device);
      return r < 0 ? r : 1;
    }
  if (strcmp (interface, CHARACTERISTIC_INTERFACE) == 0)
    {
      Core2BluezCharacteristic *characteristic = ensure_characteristic (self, path);
      if (characteristic == NULL)
        return 0;
      r = read_properties (self, message, characteristic, read_characteristic_property);
      if (announce)
        self->events->device_changed (characteristic->device, self->user_data);
      return r < 0 ? r : 1;
    }
  return 0;
}

/* @message stands before a{sa{sv}}: the interfaces of the object at @path. */
int
core2_bluez_apply_interfaces (Core2Bluez *self, const char *path, sd_bus_message *message,
                              gboolean announce)
{
  int r = sd_bus_message_enter_container (message, SD_BUS_TYPE_ARRAY, "{sa{sv}}");

  if (r < 0)
    return r;
  while ((r = sd_bus_message_enter_container (message, SD_BUS_TYPE_DICT_ENTRY, "sa{sv}")) > 0)
    {
      const char *interface;

      if ((r = sd_bus_message_read_basic (message, SD_BUS_TYPE_STRING, &interface)) < 0)
        return r;
      r = apply_one_interface (self, path, interface, message, announce);
      if (r == 0)
        r = sd_bus_message_skip (message, "a{sv}");
      if (r < 0 || (r = sd_bus_message_exit_container (message)) < 0)
        return r;
    }
  return r < 0 ? r : sd_bus_message_exit_container (message);
}

/* @message is a PropertiesChanged signal of the object at @path. */
int
core2_bluez_apply_properties (Core2Bluez *self, const char *path, sd_bus_message *message)
{
  Core2BluezCharacteristic *characteristic;
  Core2BluezDevice *device;
  Core2BluezAdapter *adapter;
  const char *interface;
  int r = sd_bus_message_read_basic (message, SD_BUS_TYPE_STRING, &interface);

  if (r < 0)
    return r;
  if (strcmp (interface, CHARACTERISTIC_INTERFACE) == 0
      && (characteristic = g_hash_table_lookup (self->characteristics, path)) != NULL)
    return read_value_change (self, characteristic, message);

  if (strcmp (interface, DEVICE_INTERFACE) == 0
      && (device = g_hash_table_lookup (self->devices, path)) != NULL)
    {
      self->advertised = FALSE;
      r = read_properties (self, message, device, read_device_property);
      announce_device (self, device);
      /* bluetoothd does not always say that a link is up: services are a sign of it. */
      if (g_hash_table_lookup (self->devices, path) == device && device->services_resolved
          && !device->connected)
        core2_bluez_refresh_device (self, device);
      return r;
    }
  if (strcmp (interface, ADAPTER_INTERFACE) == 0
      && (adapter = g_hash_table_lookup (self->adapters, path)) != NULL)
    {
      r = read_adapter (self, message, adapter);
      core2_bluez_scans_adapter_changed (self, adapter);
      self->events->adapters_changed (self->user_data);
      return r;
    }
  return 0;
}

static void
refresh_done (sd_bus_message *reply, const sd_bus_error *error, gpointer user_data)
{
  Core2BluezDevice *device = user_data;
  Core2Bluez *self = device->adapter->bluez;

  device->unknown = error != NULL && core2_bluez_is_unknown_error (error);
  if (reply != NULL)
    read_properties (self, reply, device, read_device_property);
  self->events->device_changed (device, self->user_data);
}

void
core2_bluez_refresh_device (Core2Bluez *self, Core2BluezDevice *device)
{
  core2_call_cancel (&device->refresh_call);
  core2_bluez_call (self, &device->refresh_call, device->path, PROPERTIES_INTERFACE, "GetAll",
                    REFRESH_TIMEOUT_MS, refresh_done, device, "s", DEVICE_INTERFACE);
}
