/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Follows the owner of org.bluez and its objects: match rule first, then the list, so that nothing is
 * missed in between; a restarted bluetoothd goes the same way as the first one. */
#include "core2-bluez-private.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "core2-log.h"

#define LIST_TIMEOUT_MS 20000
#define LIST_RETRY_S 2

static void
bluetoothd_lost (Core2Bluez *self)
{
  core2_call_cancel (&self->list_call);
  g_clear_handle_id (&self->list_retry, g_source_remove);
  g_clear_pointer (&self->owner, g_free);
  self->listed = FALSE;
  core2_bluez_scans_lost (self);
  core2_bluez_remove_everything (self);
  self->events->adapters_changed (self->user_data);
}

static void
bluetoothd_found (Core2Bluez *self, const char *owner)
{
  self->owner = g_strdup (owner);
  core2_bluez_list_objects (self);
}

static void
owner_changed (Core2Bluez *self, const char *owner)
{
  if (g_strcmp0 (self->owner, owner) == 0)
    return;
  if (self->owner != NULL)
    {
      core2_log_info (NULL, "bluez", "bluetoothd left the bus");
      bluetoothd_lost (self);
    }
  if (owner != NULL)
    bluetoothd_found (self, owner);
}

/* --- listing -------------------------------------------------------------------------------------- */

/* Objects come in no order: adapters are wanted before devices, devices before characteristics. */
static int
apply_objects (Core2Bluez *self, sd_bus_message *reply, const char *only)
{
  int r = sd_bus_message_rewind (reply, TRUE);

  if (r < 0 || (r = sd_bus_message_enter_container (reply, SD_BUS_TYPE_ARRAY, "{oa{sa{sv}}}")) < 0)
    return r;
  while ((r = sd_bus_message_enter_container (reply, SD_BUS_TYPE_DICT_ENTRY, "oa{sa{sv}}")) > 0)
    {
      const char *path;

      if ((r = sd_bus_message_read_basic (reply, SD_BUS_TYPE_OBJECT_PATH, &path)) < 0)
        return r;
      /* Depth tells the kind: /org/bluez/hci0 /dev_… /service… /char… */
      const char *tail = g_str_has_prefix (path, "/org/bluez/") ? path + strlen ("/org/bluez/") : "";
      guint depth = 0;
      for (const char *p = tail; *p != '\0'; p++)
        depth += *p == '/';
      gboolean wanted = *tail != '\0'
                        && ((depth == 0 && strcmp (only, ADAPTER_INTERFACE) == 0)
                            || (depth == 1 && strcmp (only, DEVICE_INTERFACE) == 0)
                            || (depth == 3 && strcmp (only, CHARACTERISTIC_INTERFACE) == 0));
      r = wanted ? core2_bluez_apply_interfaces (self, path, reply, FALSE)
                 : sd_bus_message_skip (reply, "a{sa{sv}}");
      if (r < 0 || (r = sd_bus_message_exit_container (reply)) < 0)
        return r;
    }
  return r;
}

static void
announce_device (Core2BluezDevice *device, gpointer user_data)
{
  Core2Bluez *self = user_data;

  if (device->address[0] != '\0')
    self->events->device_changed (device, self->user_data);
}

static gboolean
on_list_retry (gpointer user_data)
{
  Core2Bluez *self = user_data;

  self->list_retry = 0;
  core2_bluez_list_objects (self);
  return G_SOURCE_REMOVE;
}

static void
list_done (sd_bus_message *reply, const sd_bus_error *error, gpointer user_data)
{
  Core2Bluez *self = user_data;
  int r = 0;

  if (reply != NULL)
    {
      r = apply_objects (self, reply, ADAPTER_INTERFACE);
      r = r < 0 ? r : apply_objects (self, reply, DEVICE_INTERFACE);
      r = r < 0 ? r : apply_objects (self, reply, CHARACTERISTIC_INTERFACE);
    }
  if (error != NULL || r < 0)
    {
      core2_log_failure (CORE2_LOG_WARNING, NULL, "bluez", error != NULL ? error->name : NULL,
                         "cannot list BlueZ's objects: %s",
                         error != NULL ? error->message : g_strerror (-r));
      /* What was listed before is still followed by signals. */
      if (!self->listed)
        core2_bluez_remove_everything (self);
      g_clear_handle_id (&self->list_retry, g_source_remove);
      self->list_retry = g_timeout_add_seconds (LIST_RETRY_S, on_list_retry, self);
      self->events->adapters_changed (self->user_data);
      return;
    }
  self->listed = TRUE;
  self->events->adapters_changed (self->user_data);
  core2_bluez_foreach_device (self, announce_device, self);
}

void
core2_bluez_list_objects (Core2Bluez *self)
{
  if (self->list_call != NULL)
    return;
  core2_bluez_call (self, &self->list_call, "/", OBJECT_MANAGER_INTERFACE, "GetManagedObjects",
                    LIST_TIMEOUT_MS, list_done, self, NULL);
}

/* --- signals -------------------------------------------------------------------------------------- */

static int
apply_signal (Core2Bluez *self, sd_bus_message *message)
{
  const char *path, *interface;
  int r;

  if (sd_bus_message_is_signal (message, PROPERTIES_INTERFACE, "PropertiesChanged"))
    return core2_bluez_apply_properties (self, sd_bus_message_get_path (message), message);

  if (sd_bus_message_is_signal (message, OBJECT_MANAGER_INTERFACE, "InterfacesAdded"))
    {
      if ((r = sd_bus_message_read_basic (message, SD_BUS_TYPE_OBJECT_PATH, &path)) < 0)
        return r;
      return core2_bluez_apply_interfaces (self, path, message, TRUE);
    }
  if (sd_bus_message_is_signal (message, OBJECT_MANAGER_INTERFACE, "InterfacesRemoved"))
    {
      if ((r = sd_bus_message_read_basic (message, SD_BUS_TYPE_OBJECT_PATH, &path)) < 0
          || (r = sd_bus_message_enter_container (message, SD_BUS_TYPE_ARRAY, "s")) < 0)
        return r;
      while ((r = sd_bus_message_read_basic (message, SD_BUS_TYPE_STRING, &interface)) > 0)
        core2_bluez_remove_interface (self, path, interface);
      return r;
    }
  return 0;
}

static int
on_bluez_signal (sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
  Core2Bluez *self = user_data;

  /* Before the list has come, a signal tells nothing that the list does not; from another owner than
   * the present one it is of the past. */
  if (!self->listed || g_strcmp0 (sd_bus_message_get_sender (message), self->owner) != 0)
    return 0;
  int r = apply_signal (self, message);
  if (r < 0)
    core2_log_write_limited (self->log_limit, "malformed", CORE2_LOG_WARNING,
                             CORE2_LOG_FIELDS (.topic = "bluez"),
                             "ignored a malformed %s of %s: %s",
                             sd_bus_message_get_member (message),
                             sd_bus_message_get_path (message), g_strerror (-r));
  return 0;
}

static int
on_owner_changed (sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
  const char *name, *old_owner, *new_owner;

  if (sd_bus_message_read (message, "sss", &name, &old_owner, &new_owner) >= 0)
    owner_changed (user_data, *new_owner != '\0' ? new_owner : NULL);
  return 0;
}

static void
owner_done (sd_bus_message *reply, const sd_bus_error *error, gpointer user_data)
{
  Core2Bluez *self = user_data;
  const char *owner;

  if (reply != NULL && sd_bus_message_read (reply, "s", &owner) >= 0)
    owner_changed (self, owner);
  else
    self->events->adapters_changed (self->user_data);
}

static void
ask_owner (Core2Bluez *self)
{
  sd_bus_message *message = NULL;

  if (sd_bus_message_new_method_call (core2_bus_get (self->bus), &message, "org.freedesktop.DBus",
                                      "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                      "GetNameOwner") >= 0
      && sd_bus_message_append (message, "s", BLUEZ_NAME) >= 0)
    core2_call_start (self->bus, &self->owner_call, message, LIST_TIMEOUT_MS, owner_done, self);
  sd_bus_message_unref (message);
}

/* --- public --------------------------------------------------------------------------------------- */

Core2Bluez *
core2_bluez_new (Core2Bus *bus, const Core2BluezEvents *events, gpointer user_data)
{
  Core2Bluez *self = g_new0 (Core2Bluez, 1);

  self->bus = bus;
  self->events = events;
  self->user_data = user_data;
  self->adapters = g_hash_table_new_full (g_str_hash, g_str_equal, NULL,
                                          (GDestroyNotify) core2_bluez_adapter_free);
  self->devices = g_hash_table_new_full (g_str_hash, g_str_equal, NULL,
                                         (GDestroyNotify) core2_bluez_device_free);
  self->characteristics
      = g_hash_table_new_full (g_str_hash, g_str_equal, NULL,
                               (GDestroyNotify) core2_bluez_characteristic_free);
  g_queue_init (&self->connects);
  self->attempts = g_ptr_array_new ();
  self->log_limit = core2_log_limit_new ();
  core2_bluez_scans_init (self);

  /* One rule for everything BlueZ says: a rule a device would cost the bus dearly. */
  sd_bus_add_match_async (core2_bus_get (bus), &self->signals_match,
                          "type='signal',sender='" BLUEZ_NAME "'", on_bluez_signal, NULL, self);
  sd_bus_add_match_async (core2_bus_get (bus), &self->owner_match,
                          "type='signal',sender='org.freedesktop.DBus',"
                          "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
                          "arg0='" BLUEZ_NAME "'",
                          on_owner_changed, NULL, self);
  ask_owner (self);
  return self;
}

void
core2_bluez_free (Core2Bluez *self)
{
  if (self == NULL)
    return;

  core2_call_cancel (&self->owner_call);
  core2_call_cancel (&self->list_call);
  g_clear_handle_id (&self->list_retry, g_source_remove);
  sd_bus_slot_unref (self->signals_match);
  sd_bus_slot_unref (self->owner_match);
  core2_bluez_connects_clear (self);
  core2_bluez_scans_clear (self);
  g_ptr_array_unref (self->attempts);
  g_hash_table_unref (self->characteristics);
  g_hash_table_unref (self->devices);
  g_hash_table_unref (self->adapters);
  core2_log_limit_free (self->log_limit);
  g_free (self->owner);
  g_free (self);
}

gboolean
core2_bluez_is_ready (Core2Bluez *self)
{
  return self->listed;
}

gboolean
core2_bluez_is_settling (Core2Bluez *self)
{
  return self->owner_call != NULL || self->list_call != NULL;
}

const char *
core2_bluez_get_adapter_state (Core2Bluez *self)
{
  GHashTableIter iter;
  Core2BluezAdapter *adapter;
  const char *state = "absent";

  if (!self->listed)
    return "no-bluez";
  g_hash_table_iter_init (&iter, self->adapters);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &adapter))
    {
      if (!adapter->central)
        continue;
      if (adapter->powered)
        return "on";
      if (adapter->blocked)
        state = "blocked";
      else if (strcmp (state, "absent") == 0)
        state = "off";
    }
  return state;
}

guint
core2_bluez_get_power_changes (Core2Bluez *self)
{
  return self->power_changes;
}

Core2BluezAdapter *
core2_bluez_find_adapter (Core2Bluez *self, const char *address)
{
  GHashTableIter iter;
  Core2BluezAdapter *adapter;

  g_hash_table_iter_init (&iter, self->adapters);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &adapter))
    if (adapter->powered && adapter->central
        && (address == NULL || g_ascii_strcasecmp (adapter->address, address) == 0))
      return adapter;
  return NULL;
}

static int
rate_device (const Core2BluezDevice *device)
{
  if (!device->adapter->central)
    return 0;
  /* What is said to be connected on an adapter that is off has not been told yet. */
  if (!device->adapter->powered)
    return 1;
  return device->connected ? 3 : 2;
}

/* Adapters take turns: one of them may be full, deaf or far away. */
static gboolean
is_better_device (const Core2BluezDevice *device, const Core2BluezDevice *best)
{
  if (best == NULL)
    return rate_device (device) > 0;
  if (rate_device (device) != rate_device (best))
    return rate_device (device) > rate_device (best);
  return device->failed < best->failed;
}

void
core2_bluez_device_set_failed (Core2BluezDevice *device, gboolean failed)
{
  device->failed = failed ? g_get_monotonic_time () : 0;
}

Core2BluezDevice *
core2_bluez_find_device (Core2Bluez *self, const char *address)
{
  GHashTableIter iter;
  Core2BluezAdapter *adapter;
  Core2BluezDevice *best = NULL;
  g_autofree char *element = g_strdelimit (g_strdup (address), ":", '_');

  g_hash_table_iter_init (&iter, self->adapters);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &adapter))
    {
      g_autofree char *path = g_strconcat (adapter->path, "/dev_", element, NULL);
      Core2BluezDevice *device = g_hash_table_lookup (self->devices, path);
      if (device != NULL && is_better_device (device, best))
        best = device;
    }
  return best;
}

void
core2_bluez_foreach_device (Core2Bluez *self, void (*visit) (Core2BluezDevice *, gpointer),
                            gpointer user_data)
{
  g_autoptr (GPtrArray) devices = core2_bluez_copy_values (self->devices);

  for (guint i = 0; i < devices->len; i++)
    visit (g_ptr_array_index (devices, i), user_data);
}

/* How many characteristics the service of @characteristic has. */
static guint
count_siblings (const Core2BluezCharacteristic *characteristic)
{
  gsize service = (gsize) (strrchr (characteristic->path, '/') - characteristic->path) + 1;
  const GPtrArray *all = characteristic->device->characteristics;
  guint n = 0;

  for (guint i = 0; i < all->len; i++)
    {
      const Core2BluezCharacteristic *other = g_ptr_array_index (all, i);
      n += strncmp (other->path, characteristic->path, service) == 0;
    }
  return n;
}

Core2BluezCharacteristic *
core2_bluez_device_find_characteristic (Core2BluezDevice *device, const char *uuid)
{
  Core2BluezCharacteristic *found = NULL;

  for (guint i = 0; i < device->characteristics->len; i++)
    {
      Core2BluezCharacteristic *characteristic = g_ptr_array_index (device->characteristics, i);
      if (g_strcmp0 (characteristic->uuid, uuid) != 0)
        continue;
      if (found == NULL || count_siblings (characteristic) > count_siblings (found))
        found = characteristic;
    }
  return found;
}

sd_bus_message *
core2_bluez_message_new (Core2Bluez *self, const char *path, const char *interface,
                         const char *method)
{
  sd_bus_message *message = NULL;
  /* The unique name: a call meant for a bluetoothd that has left must not reach its successor. The well-known
   * one, which no bluetoothd owns then, only to get the error from the bus. */
  const char *destination = self->owner != NULL ? self->owner : BLUEZ_NAME;

  if (sd_bus_message_new_method_call (core2_bus_get (self->bus), &message, destination, path,
                                      interface, method) < 0)
    return NULL;
  sd_bus_message_set_auto_start (message, FALSE);
  return message;
}

void
core2_bluez_call (Core2Bluez *self, Core2Call **call, const char *path, const char *interface,
                  const char *method, guint timeout_ms, Core2CallDone done, gpointer user_data,
                  const char *types, ...)
{
  sd_bus_message *message = core2_bluez_message_new (self, path, interface, method);
  va_list arguments;

  g_return_if_fail (message != NULL);
  if (types != NULL)
    {
      va_start (arguments, types);
      int r = sd_bus_message_appendv (message, types, arguments);
      va_end (arguments);
      g_return_if_fail (r >= 0);
    }
  core2_call_start (self->bus, call, message, timeout_ms, done, user_data);
  sd_bus_message_unref (message);
}

Core2Bus *
core2_bluez_get_bus (Core2Bluez *self)
{
  return self->bus;
}
