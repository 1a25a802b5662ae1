/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ends of BlueZ's objects: said by signals, found out by errors, all at once with bluetoothd. */
#include "core2-bluez-private.h"

#include <string.h>

void
core2_bluez_adapter_free (Core2BluezAdapter *adapter)
{
  g_free (adapter->path);
  g_free (adapter);
}

void
core2_bluez_characteristic_free (Core2BluezCharacteristic *characteristic)
{
  g_free (characteristic->path);
  g_clear_pointer (&characteristic->uuid, g_ref_string_release);
  g_free (characteristic);
}

void
core2_bluez_device_free (Core2BluezDevice *device)
{
  core2_call_cancel (&device->refresh_call);
  g_ptr_array_unref (device->characteristics);
  g_free (device->path);
  g_free (device->name);
  g_free (device->modalias);
  g_free (device);
}

/* The values of @table now, for loops that change it. Free it. */
GPtrArray *
core2_bluez_copy_values (GHashTable *table)
{
  GPtrArray *values = g_ptr_array_sized_new (g_hash_table_size (table));
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, table);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    g_ptr_array_add (values, value);
  return values;
}

static void
remove_characteristic (Core2Bluez *self, Core2BluezCharacteristic *characteristic)
{
  Core2BluezDevice *device = characteristic->device;

  device->services_changes++;
  g_ptr_array_remove_fast (device->characteristics, characteristic);
  g_hash_table_remove (self->characteristics, characteristic->path);
}

static void
remove_device (Core2Bluez *self, Core2BluezDevice *device)
{
  core2_bluez_connects_device_removed (self, device);
  self->events->device_removed (device, self->user_data);
  while (device->characteristics->len > 0)
    remove_characteristic (self, g_ptr_array_index (device->characteristics, 0));
  g_hash_table_remove (self->devices, device->path);
}

void
core2_bluez_drop_device (Core2Bluez *self, Core2BluezDevice *device)
{
  remove_device (self, device);
  /* Nothing would tell that it is there after all. */
  core2_bluez_list_objects (self);
}

static void
remove_adapter (Core2Bluez *self, Core2BluezAdapter *adapter)
{
  g_autoptr (GPtrArray) devices = core2_bluez_copy_values (self->devices);

  for (guint i = 0; i < devices->len; i++)
    {
      Core2BluezDevice *device = g_ptr_array_index (devices, i);
      if (device->adapter == adapter)
        remove_device (self, device);
    }
  /* Out of the table first: a scan that ends lets others begin on what is in it. */
  g_hash_table_steal (self->adapters, adapter->path);
  core2_bluez_scans_adapter_removed (self, adapter);
  core2_bluez_adapter_free (adapter);
}

void
core2_bluez_remove_interface (Core2Bluez *self, const char *path, const char *interface)
{
  Core2BluezCharacteristic *characteristic;
  Core2BluezDevice *device;
  Core2BluezAdapter *adapter;

  if (strcmp (interface, CHARACTERISTIC_INTERFACE) == 0
      && (characteristic = g_hash_table_lookup (self->characteristics, path)) != NULL)
    {
      device = characteristic->device;
      remove_characteristic (self, characteristic);
      self->events->device_changed (device, self->user_data);
    }
  else if (strcmp (interface, DEVICE_INTERFACE) == 0
           && (device = g_hash_table_lookup (self->devices, path)) != NULL)
    remove_device (self, device);
  else if (strcmp (interface, ADAPTER_INTERFACE) == 0
           && (adapter = g_hash_table_lookup (self->adapters, path)) != NULL)
    {
      remove_adapter (self, adapter);
      self->events->adapters_changed (self->user_data);
    }
}

void
core2_bluez_remove_everything (Core2Bluez *self)
{
  g_autoptr (GPtrArray) adapters = core2_bluez_copy_values (self->adapters);

  for (guint i = 0; i < adapters->len; i++)
    remove_adapter (self, g_ptr_array_index (adapters, i));
}
