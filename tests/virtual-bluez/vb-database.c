/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "vb-database.h"
#include "vb-device.h"
#include "vb-gatt-client.h"
#include <string.h>

#define GAP_UUID "00001800-0000-1000-8000-00805f9b34fb"
#define GATT_UUID "00001801-0000-1000-8000-00805f9b34fb"
#define DEVICE_INFORMATION_UUID "0000180a-0000-1000-8000-00805f9b34fb"
#define CCC_UUID "00002902-0000-1000-8000-00805f9b34fb"

static void
local_descriptor_free (gpointer data)
{
  VbLocalDescriptor *self = data;

  g_clear_pointer (&self->value, g_bytes_unref);
  g_strfreev (self->flags);
  g_free (self->uuid);
  g_free (self->path);
  g_free (self);
}

static void
local_characteristic_free (gpointer data)
{
  VbLocalCharacteristic *self = data;

  g_ptr_array_unref (self->descriptors);
  g_clear_pointer (&self->value, g_bytes_unref);
  g_strfreev (self->flags);
  g_free (self->uuid);
  g_free (self->owner);
  g_free (self->path);
  g_free (self);
}

void
vb_local_service_free (VbLocalService *self)
{
  g_ptr_array_unref (self->characteristics);
  g_free (self->uuid);
  g_free (self);
}

/* `application` is NULL for bluetoothd's own services. */
VbLocalService *
vb_local_service_new (const char *uuid, gboolean primary, gpointer application)
{
  VbLocalService *self = g_new0 (VbLocalService, 1);

  self->uuid = g_strdup (uuid);
  self->primary = primary;
  self->application = application;
  self->characteristics = g_ptr_array_new_with_free_func (local_characteristic_free);
  return self;
}

/* Adds a characteristic, with its CCC descriptor where it notifies. Takes the reference of `value`.
 */
VbLocalCharacteristic *
vb_local_service_add (VbLocalService *self,
                      const char *uuid,
                      const char *const *flags,
                      const char *owner,
                      const char *path,
                      GBytes *value)
{
  VbLocalCharacteristic *characteristic = g_new0 (VbLocalCharacteristic, 1);

  characteristic->service = self;
  characteristic->uuid = g_strdup (uuid);
  characteristic->flags = g_strdupv ((GStrv)flags);
  characteristic->owner = g_strdup (owner);
  characteristic->path = g_strdup (path);
  characteristic->value = value;
  characteristic->descriptors = g_ptr_array_new_with_free_func (local_descriptor_free);
  g_ptr_array_add (self->characteristics, characteristic);
  if (vb_flags_allow (flags, "notify") || vb_flags_allow (flags, "indicate"))
    vb_local_characteristic_add (characteristic, CCC_UUID, NULL, NULL, g_bytes_new ("\0", 2));
  return characteristic;
}

/* Takes the reference of `value`. */
VbLocalDescriptor *
vb_local_characteristic_add (VbLocalCharacteristic *self,
                             const char *uuid,
                             const char *const *flags,
                             const char *path,
                             GBytes *value)
{
  VbLocalDescriptor *descriptor = g_new0 (VbLocalDescriptor, 1);

  descriptor->characteristic = self;
  descriptor->uuid = g_strdup (uuid);
  descriptor->flags = g_strdupv ((GStrv)flags);
  descriptor->path = g_strdup (path);
  descriptor->value = value;
  g_ptr_array_add (self->descriptors, descriptor);
  return descriptor;
}

/* Whether the flags hold that word or one of its secured forms ("read": "encrypt-read", …). */
gboolean
vb_flags_allow (const char *const *flags, const char *what)
{
  for (guint i = 0; flags != NULL && flags[i] != NULL; i++)
    {
      const char *dash = strrchr (flags[i], '-');

      if (g_str_equal (flags[i], what))
        return TRUE;
      if (dash != NULL && g_str_equal (dash + 1, what) && !g_str_equal (flags[i], "reliable-write"))
        return TRUE;
    }
  return FALSE;
}

static guint16
count_handles (VbLocalService *service)
{
  guint16 count = 1;

  for (guint i = 0; i < service->characteristics->len; i++)
    {
      VbLocalCharacteristic *characteristic = service->characteristics->pdata[i];
      count += 2 + characteristic->descriptors->len;
    }
  return count;
}

static void
assign_handles (VbLocalService *service, guint16 handle)
{
  service->handle = handle++;
  for (guint i = 0; i < service->characteristics->len; i++)
    {
      VbLocalCharacteristic *characteristic = service->characteristics->pdata[i];

      characteristic->handle = handle;
      handle += 2;
      for (guint j = 0; j < characteristic->descriptors->len; j++)
        ((VbLocalDescriptor *)characteristic->descriptors->pdata[j])->handle = handle++;
    }
}

static gboolean
has_service (VbAdapter *adapter, const char *uuid)
{
  for (guint i = 0; i < adapter->services->len; i++)
    if (g_str_equal (((VbLocalService *)adapter->services->pdata[i])->uuid, uuid))
      return TRUE;
  return FALSE;
}

/* Those who are connected learn of the change, as by a Service Changed indication.
 * @added, @removed: (nullable): the service */
static void
database_changed (VbAdapter *adapter, VbLocalService *added, GPtrArray *removed)
{
  GHashTableIter iter;
  VbDevice *device;

  if (adapter->devices == NULL)
    return;
  g_hash_table_iter_init (&iter, adapter->devices);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&device))
    {
      if (device->link == NULL || device->link->peripheral != device || !device->link->resolved)
        continue;
      VbDevice *central = device->link->central;
      if (added != NULL)
        vb_device_add_uuids (central, (const char *const[]){ added->uuid, NULL });
      vb_gatt_client_sync (central);
      for (guint i = 0; removed != NULL && i < removed->len; i++)
        {
          const char *uuid = ((VbLocalService *)removed->pdata[i])->uuid;

          if (!has_service (adapter, uuid))
            vb_device_remove_uuid (central, uuid);
        }
    }
}

/* Behind all that ever were there, like bluetoothd: handles of services that went are not used again. */
static void
place (VbAdapter *adapter, VbLocalService *service)
{
  assign_handles (service, adapter->next_handle);
  adapter->next_handle += count_handles (service);
  for (guint i = 0; i < service->characteristics->len; i++)
    ((VbLocalCharacteristic *)service->characteristics->pdata[i])->adapter = adapter;
  g_ptr_array_add (adapter->services, service);
}

/* Takes the service over and gives it handles. */
void
vb_database_insert (VbAdapter *adapter, VbLocalService *service)
{
  place (adapter, service);
  database_changed (adapter, service, NULL);
}

/* Removes and frees the services of an application. */
void
vb_database_remove (VbAdapter *adapter, gpointer application)
{
  g_autoptr (GPtrArray) removed
      = g_ptr_array_new_with_free_func ((GDestroyNotify)vb_local_service_free);

  for (guint i = adapter->services->len; i-- > 0;)
    if (((VbLocalService *)adapter->services->pdata[i])->application == application)
      g_ptr_array_add (removed, g_ptr_array_steal_index (adapter->services, i));
  if (removed->len > 0)
    database_changed (adapter, NULL, removed);
}

static gboolean
application_has (VbAdapter *adapter, const char *uuid)
{
  for (guint i = 0; i < adapter->services->len; i++)
    {
      VbLocalService *service = adapter->services->pdata[i];
      if (service->application != NULL && g_str_equal (service->uuid, uuid))
        return TRUE;
    }
  return FALSE;
}

/* Whether a bluetoothd on the other side exports this service: the GAP service only when asked to,
 * and an application's own GAP and GATT services stand for those of the adapter. */
gboolean
vb_database_is_visible (VbAdapter *adapter, VbLocalService *service)
{
  gboolean gap = g_str_equal (service->uuid, GAP_UUID);

  if (gap && !adapter->world->options.show_gap)
    return FALSE;
  if (service->application == NULL && (gap || g_str_equal (service->uuid, GATT_UUID)))
    return !application_has (adapter, service->uuid);
  return TRUE;
}

static void
add_own (VbLocalService *service,
         const char *short_uuid,
         const char *const *flags,
         gconstpointer value,
         gsize size)
{
  g_autofree char *uuid = vb_uuid_expand (short_uuid);

  vb_local_service_add (service, uuid, flags, NULL, NULL, g_bytes_new (value, size));
}

/* Fills in what bluetoothd itself offers on every adapter. */
void
vb_database_init (VbAdapter *adapter)
{
  static const char *const readable[] = { "read", NULL };
  static const char *const writable[] = { "read", "write", NULL };
  static const char *const indicated[] = { "indicate", NULL };
  static const guint8 appearance[] = { 0x00, 0x00 };
  static const guint8 resolution[] = { 0x01 };
  static const guint8 connection[] = { 0x18, 0x00, 0x28, 0x00, 0x00, 0x00, 0x2a, 0x00 };
  static const guint8 pnp[] = { 0x02, 0x6b, 0x1d, 0x46, 0x02, 0x42, 0x05 };
  static const guint8 zeros[16] = { 0 };
  const char *name = bluez_adapter1_get_name (adapter->skeleton);
  VbLocalService *gap = vb_local_service_new (GAP_UUID, TRUE, NULL);
  VbLocalService *gatt = vb_local_service_new (GATT_UUID, TRUE, NULL);
  VbLocalService *information = vb_local_service_new (DEVICE_INFORMATION_UUID, TRUE, NULL);

  adapter->services = g_ptr_array_new_with_free_func ((GDestroyNotify)vb_local_service_free);
  adapter->next_handle = 1;
  add_own (gap, "2a00", readable, name, strlen (name));
  add_own (gap, "2a01", readable, appearance, sizeof appearance);
  add_own (gap, "2a04", readable, connection, sizeof connection);
  add_own (gap, "2aa6", readable, resolution, sizeof resolution);
  add_own (gatt, "2a05", indicated, zeros, 4);
  add_own (gatt, "2b29", writable, zeros, 1);
  add_own (gatt, "2b2a", readable, zeros, 16);
  add_own (information, "2a50", readable, pnp, sizeof pnp);
  vb_database_insert (adapter, gap);
  vb_database_insert (adapter, gatt);
  vb_database_insert (adapter, information);
}

static void
call_application (VbLocalCharacteristic *self, const char *method)
{
  if (self->owner != NULL)
    g_dbus_connection_call (vb_bus_get_connection (self->adapter->world->bus), self->owner,
                            self->path, "org.bluez.GattCharacteristic1", method, NULL, NULL,
                            G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, NULL, NULL);
}

/* A peer sets the CCC descriptor: the application hears of the first. */
void
vb_local_characteristic_subscribe (VbLocalCharacteristic *self)
{
  if (self->subscriptions++ == 0)
    call_application (self, "StartNotify");
}

void
vb_local_characteristic_unsubscribe (VbLocalCharacteristic *self)
{
  if (--self->subscriptions == 0)
    call_application (self, "StopNotify");
}

/* A peer confirmed an indication. */
void
vb_local_characteristic_confirm (VbLocalCharacteristic *self)
{
  call_application (self, "Confirm");
}
