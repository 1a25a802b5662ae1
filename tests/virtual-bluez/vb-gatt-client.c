/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "vb-gatt-client.h"

VbDevice *
vb_remote_characteristic_get_device (VbRemoteCharacteristic *self)
{
  return self->service->device;
}

VbBus *
vb_remote_characteristic_get_bus (VbRemoteCharacteristic *self)
{
  return self->service->device->adapter->world->bus;
}

/* --- the classes --- */

static gboolean
service_has_property (gpointer owner, const char *name)
{
  return !g_str_equal (name, "Handle");
}

static gboolean
characteristic_has_property (gpointer owner, const char *name)
{
  VbRemoteCharacteristic *self = owner;
  const char *const *flags = (const char *const *)self->flags;

  if (g_str_equal (name, "Handle") || g_str_equal (name, "Descriptors"))
    return FALSE;
  if (g_str_equal (name, "Notifying"))
    return g_strv_contains (flags, "notify") || g_strv_contains (flags, "indicate");
  if (g_str_equal (name, "NotifyAcquired"))
    return g_strv_contains (flags, "notify");
  if (g_str_equal (name, "WriteAcquired"))
    return g_strv_contains (flags, "write-without-response");
  if (g_str_equal (name, "MTU"))
    return self->service->device->link != NULL;
  return TRUE;
}

static gboolean
descriptor_has_property (gpointer owner, const char *name)
{
  return !g_str_equal (name, "Handle") && !g_str_equal (name, "Flags");
}

static gboolean
method_read (BluezGattCharacteristic1 *object, GDBusMethodInvocation *invocation, GVariant *options)
{
  return vb_operation_read (vb_interface_get_owner (object), invocation, options);
}

static gboolean
method_write (BluezGattCharacteristic1 *object,
              GDBusMethodInvocation *invocation,
              GVariant *value,
              GVariant *options)
{
  return vb_operation_write (vb_interface_get_owner (object), invocation, value, options);
}

static gboolean
method_read_descriptor (BluezGattDescriptor1 *object,
                        GDBusMethodInvocation *invocation,
                        GVariant *options)
{
  return vb_operation_read_descriptor (vb_interface_get_owner (object), invocation, options);
}

static gboolean
method_write_descriptor (BluezGattDescriptor1 *object,
                         GDBusMethodInvocation *invocation,
                         GVariant *value,
                         GVariant *options)
{
  return vb_operation_write_descriptor (vb_interface_get_owner (object), invocation, value,
                                        options);
}

/* Once, before the first device is connected. */
void
vb_gatt_client_class_setup (void)
{
  vb_interface_class_setup (BLUEZ_TYPE_GATT_SERVICE1_SKELETON, BLUEZ_TYPE_GATT_SERVICE1,
                            service_has_property, NULL);
  BluezGattCharacteristic1Iface *characteristic = vb_interface_class_setup (
      BLUEZ_TYPE_GATT_CHARACTERISTIC1_SKELETON, BLUEZ_TYPE_GATT_CHARACTERISTIC1,
      characteristic_has_property, NULL);
  BluezGattDescriptor1Iface *descriptor
      = vb_interface_class_setup (BLUEZ_TYPE_GATT_DESCRIPTOR1_SKELETON, BLUEZ_TYPE_GATT_DESCRIPTOR1,
                                  descriptor_has_property, NULL);

  characteristic->handle_read_value = method_read;
  characteristic->handle_write_value = method_write;
  characteristic->handle_start_notify = vb_notify_method_start;
  characteristic->handle_stop_notify = vb_notify_method_stop;
  characteristic->handle_acquire_notify = vb_notify_method_acquire;
  characteristic->handle_acquire_write = vb_notify_method_acquire_write;
  descriptor->handle_read_value = method_read_descriptor;
  descriptor->handle_write_value = method_write_descriptor;
}

/* --- objects --- */

static void
remote_descriptor_free (gpointer data)
{
  VbRemoteDescriptor *self = data;

  vb_operation_cancel (self->reading);
  vb_operation_cancel (self->writing);
  vb_object_free (self->object);
  g_free (self);
}

static void
remote_characteristic_free (gpointer data)
{
  VbRemoteCharacteristic *self = data;

  g_ptr_array_unref (self->descriptors);
  vb_operation_cancel (self->reading);
  vb_operation_cancel (self->writing);
  vb_notify_disarm (self);
  vb_notify_close_sockets (self);
  vb_object_free (self->object);
  g_ptr_array_unref (self->subscribers);
  g_strfreev (self->flags);
  g_free (self);
}

static void
remote_service_free (gpointer data)
{
  VbRemoteService *self = data;

  g_ptr_array_unref (self->characteristics);
  vb_object_free (self->object);
  g_free (self->uuid);
  g_free (self);
}

static GVariant *
empty_value (void)
{
  return g_variant_new_array (G_VARIANT_TYPE_BYTE, NULL, 0);
}

static void
add_descriptor (VbRemoteCharacteristic *parent, VbLocalDescriptor *local)
{
  VbRemoteDescriptor *self = g_new0 (VbRemoteDescriptor, 1);
  const char *parent_path = vb_object_get_path (parent->object);
  g_autofree char *path = g_strdup_printf ("%s/desc%04x", parent_path, local->handle);

  self->characteristic = parent;
  self->handle = local->handle;
  self->local = local;
  self->skeleton = bluez_gatt_descriptor1_skeleton_new ();
  bluez_gatt_descriptor1_set_uuid (self->skeleton, local->uuid);
  bluez_gatt_descriptor1_set_characteristic (self->skeleton, parent_path);
  bluez_gatt_descriptor1_set_value (self->skeleton, empty_value ());
  self->object = vb_object_new (vb_remote_characteristic_get_bus (parent), path);
  vb_object_add (self->object, self->skeleton, self);
  vb_object_publish (self->object);
  g_ptr_array_add (parent->descriptors, self);
}

/* The flags that a remote bluetoothd sees: those that GATT itself knows. */
static GStrv
visible_flags (VbLocalCharacteristic *local)
{
  static const char *const known[]
      = { "broadcast", "read",     "write-without-response",     "write",
          "notify",    "indicate", "authenticated-signed-writes" };
  g_autoptr (GStrvBuilder) flags = g_strv_builder_new ();

  for (guint i = 0; i < G_N_ELEMENTS (known); i++)
    if (vb_flags_allow ((const char *const *)local->flags, known[i]))
      g_strv_builder_add (flags, known[i]);
  return g_strv_builder_end (flags);
}

static void
add_characteristic (VbRemoteService *parent, VbLocalCharacteristic *local)
{
  VbRemoteCharacteristic *self = g_new0 (VbRemoteCharacteristic, 1);
  const char *parent_path = vb_object_get_path (parent->object);
  g_autofree char *path = g_strdup_printf ("%s/char%04x", parent_path, local->handle);

  self->service = parent;
  self->handle = local->handle;
  self->local = local;
  self->flags = visible_flags (local);
  self->descriptors = g_ptr_array_new_with_free_func (remote_descriptor_free);
  self->subscribers = g_ptr_array_new_with_free_func (g_free);
  self->notify_fd = -1;
  self->write_fd = -1;
  self->skeleton = bluez_gatt_characteristic1_skeleton_new ();
  bluez_gatt_characteristic1_set_uuid (self->skeleton, local->uuid);
  bluez_gatt_characteristic1_set_service (self->skeleton, parent_path);
  bluez_gatt_characteristic1_set_value (self->skeleton, empty_value ());
  bluez_gatt_characteristic1_set_flags (self->skeleton, (const char *const *)self->flags);
  bluez_gatt_characteristic1_set_mtu (self->skeleton, VB_MTU);
  self->object = vb_object_new (parent->device->adapter->world->bus, path);
  vb_object_add (self->object, self->skeleton, self);
  vb_object_publish (self->object);
  g_ptr_array_add (parent->characteristics, self);
  for (guint i = 0; i < local->descriptors->len; i++)
    add_descriptor (self, local->descriptors->pdata[i]);
}

static void
add_service (VbDevice *device, VbLocalService *local)
{
  VbRemoteService *self = g_new0 (VbRemoteService, 1);
  BluezGattService1 *skeleton = bluez_gatt_service1_skeleton_new ();
  static const char *const no_includes[] = { NULL };
  g_autofree char *path
      = g_strdup_printf ("%s/service%04x", vb_device_get_path (device), local->handle);

  self->device = device;
  self->handle = local->handle;
  self->local = local;
  self->uuid = g_strdup (local->uuid);
  self->characteristics = g_ptr_array_new_with_free_func (remote_characteristic_free);
  bluez_gatt_service1_set_uuid (skeleton, local->uuid);
  bluez_gatt_service1_set_device (skeleton, vb_device_get_path (device));
  bluez_gatt_service1_set_primary (skeleton, local->primary);
  bluez_gatt_service1_set_includes (skeleton, no_includes);
  self->object = vb_object_new (device->adapter->world->bus, path);
  vb_object_add (self->object, skeleton, self);
  vb_object_publish (self->object);
  g_ptr_array_add (device->remote_services, self);
  for (guint i = 0; i < local->characteristics->len; i++)
    add_characteristic (self, local->characteristics->pdata[i]);
}

/* --- matching with the peer's database --- */

static gboolean
characteristic_matches (VbRemoteCharacteristic *self, VbLocalCharacteristic *local)
{
  g_auto (GStrv) flags = visible_flags (local);

  if (self->handle != local->handle || self->descriptors->len != local->descriptors->len
      || !g_str_equal (bluez_gatt_characteristic1_get_uuid (self->skeleton), local->uuid)
      || !g_strv_equal ((const char *const *)self->flags, (const char *const *)flags))
    return FALSE;
  for (guint i = 0; i < self->descriptors->len; i++)
    {
      VbRemoteDescriptor *descriptor = self->descriptors->pdata[i];
      VbLocalDescriptor *other = local->descriptors->pdata[i];

      if (!g_str_equal (bluez_gatt_descriptor1_get_uuid (descriptor->skeleton), other->uuid))
        return FALSE;
    }
  return TRUE;
}

static gboolean
service_matches (VbRemoteService *self, VbLocalService *local)
{
  if (self->handle != local->handle || !g_str_equal (self->uuid, local->uuid)
      || self->characteristics->len != local->characteristics->len)
    return FALSE;
  for (guint i = 0; i < self->characteristics->len; i++)
    if (!characteristic_matches (self->characteristics->pdata[i], local->characteristics->pdata[i]))
      return FALSE;
  return TRUE;
}

static void
attach (VbRemoteService *self, VbLocalService *local)
{
  self->local = local;
  for (guint i = 0; i < self->characteristics->len; i++)
    {
      VbRemoteCharacteristic *characteristic = self->characteristics->pdata[i];

      characteristic->local = local->characteristics->pdata[i];
      for (guint j = 0; j < characteristic->descriptors->len; j++)
        ((VbRemoteDescriptor *)characteristic->descriptors->pdata[j])->local
            = characteristic->local->descriptors->pdata[j];
    }
}

static void
detach (VbRemoteService *self)
{
  self->local = NULL;
  for (guint i = 0; i < self->characteristics->len; i++)
    {
      VbRemoteCharacteristic *characteristic = self->characteristics->pdata[i];

      vb_notify_disarm (characteristic);
      vb_notify_close_sockets (characteristic);
      characteristic->local = NULL;
      for (guint j = 0; j < characteristic->descriptors->len; j++)
        ((VbRemoteDescriptor *)characteristic->descriptors->pdata[j])->local = NULL;
    }
}

static VbRemoteService *
find_service (VbDevice *device, VbLocalService *local)
{
  for (guint i = 0; i < device->remote_services->len; i++)
    {
      VbRemoteService *service = device->remote_services->pdata[i];
      if (service_matches (service, local))
        return service;
    }
  return NULL;
}

/* Brings the objects of a connected device in line with what its peer offers now. Objects of
 * services that did not change stay. */
void
vb_gatt_client_sync (VbDevice *device)
{
  VbAdapter *peer = device->link->peripheral->adapter;
  g_autoptr (GHashTable) kept = g_hash_table_new (NULL, NULL);
  g_autoptr (GPtrArray) added = g_ptr_array_new ();

  for (guint i = 0; i < peer->services->len; i++)
    {
      VbLocalService *local = peer->services->pdata[i];

      if (!vb_database_is_visible (peer, local))
        continue;
      VbRemoteService *remote = find_service (device, local);
      if (remote == NULL)
        {
          g_ptr_array_add (added, local);
          continue;
        }
      attach (remote, local);
      g_hash_table_add (kept, remote);
    }
  for (guint i = device->remote_services->len; i-- > 0;)
    if (!g_hash_table_contains (kept, device->remote_services->pdata[i]))
      g_ptr_array_remove_index (device->remote_services, i);
  for (guint i = 0; i < added->len; i++)
    add_service (device, added->pdata[i]);
}

/* The services of a device are known again: sessions of earlier connections go on. */
void
vb_gatt_client_connected (VbDevice *device)
{
  for (guint i = 0; i < device->remote_services->len; i++)
    {
      VbRemoteService *service = device->remote_services->pdata[i];
      for (guint j = 0; j < service->characteristics->len; j++)
        vb_notify_arm (service->characteristics->pdata[j]);
    }
}

/* The link drops: what is under way ends, sockets close, sessions wait. */
void
vb_gatt_client_disconnected (VbDevice *device)
{
  vb_operation_cancel_all (device->link);
  for (guint i = 0; i < device->remote_services->len; i++)
    detach (device->remote_services->pdata[i]);
}

void
vb_gatt_client_client_gone (VbDevice *device, const char *client)
{
  for (guint i = 0; i < device->remote_services->len; i++)
    {
      VbRemoteService *service = device->remote_services->pdata[i];
      for (guint j = 0; j < service->characteristics->len; j++)
        vb_notify_client_gone (service->characteristics->pdata[j], client);
    }
}

VbRemoteCharacteristic *
vb_gatt_client_find (VbDevice *device, const char *path)
{
  for (guint i = 0; i < device->remote_services->len; i++)
    {
      VbRemoteService *service = device->remote_services->pdata[i];
      for (guint j = 0; j < service->characteristics->len; j++)
        {
          VbRemoteCharacteristic *characteristic = service->characteristics->pdata[j];
          if (g_str_equal (vb_object_get_path (characteristic->object), path))
            return characteristic;
        }
    }
  return NULL;
}

void
vb_gatt_client_init (VbDevice *device)
{
  device->remote_services = g_ptr_array_new_with_free_func (remote_service_free);
}

void
vb_gatt_client_dispose (VbDevice *device)
{
  g_ptr_array_unref (device->remote_services);
}
