/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "vb-storage.h"
#include <glib/gstdio.h>

#define GROUP "General"
#define STALE_CONNECTION 4300 /* ms until the kernel drops a link that a killed bluetoothd left */

static char *
info_path (VbAdapter *adapter, const char *address)
{
  return g_build_filename (adapter->world->options.storage, adapter->address, address, "info",
                           NULL);
}

static void
load_device (VbAdapter *adapter, const char *address)
{
  g_autofree char *path = info_path (adapter, address);
  g_autoptr (GKeyFile) file = g_key_file_new ();

  if (!g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, NULL))
    return;

  g_autofree char *address_type = g_key_file_get_string (file, GROUP, "AddressType", NULL);
  g_autofree char *name = g_key_file_get_string (file, GROUP, "Name", NULL);
  g_autofree char *alias = g_key_file_get_string (file, GROUP, "Alias", NULL);
  g_auto (GStrv) uuids = g_key_file_get_string_list (file, GROUP, "Services", NULL, NULL);
  VbDevice *device
      = vb_device_new (adapter, address, address_type != NULL ? address_type : "random");

  vb_device_set_temporary (device, FALSE);
  vb_device_set_names (device, name, alias);
  vb_device_add_uuids (device, (const char *const *)uuids);
  bluez_device1_set_trusted (device->skeleton,
                             g_key_file_get_boolean (file, GROUP, "Trusted", NULL));
  device->resolved_before = g_key_file_get_boolean (file, GROUP, "Resolved", NULL);
  if (g_key_file_get_boolean (file, GROUP, "Connected", NULL))
    vb_device_show_stale_connection (device, STALE_CONNECTION);
  vb_object_publish (device->object);
}

/* Publishes the devices that an earlier run remembered for this adapter. */
void
vb_storage_load (VbAdapter *adapter)
{
  const char *directory = adapter->world->options.storage;
  const char *address;

  if (directory == NULL)
    return;
  g_autofree char *path = g_build_filename (directory, adapter->address, NULL);
  g_autoptr (GDir) listing = g_dir_open (path, 0, NULL);
  while (listing != NULL && (address = g_dir_read_name (listing)) != NULL)
    load_device (adapter, address);
}

/* Call after every change that is worth remembering. A temporary device is not. */
void
vb_storage_save (VbDevice *device)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) error = NULL;
  const char *const *uuids = bluez_device1_get_uuids (device->skeleton);
  const char *name = bluez_device1_get_name (device->skeleton);

  if (device->adapter->world->options.storage == NULL || device->temporary)
    return;
  g_autofree char *path = info_path (device->adapter, device->address);
  g_autofree char *directory = g_path_get_dirname (path);
  g_key_file_set_string (file, GROUP, "AddressType",
                         bluez_device1_get_address_type (device->skeleton));
  if (name != NULL)
    g_key_file_set_string (file, GROUP, "Name", name);
  if (device->alias != NULL)
    g_key_file_set_string (file, GROUP, "Alias", device->alias);
  g_key_file_set_string_list (file, GROUP, "Services", uuids, g_strv_length ((GStrv)uuids));
  g_key_file_set_boolean (file, GROUP, "Trusted", bluez_device1_get_trusted (device->skeleton));
  g_key_file_set_boolean (file, GROUP, "Resolved", device->resolved_before);
  g_key_file_set_boolean (file, GROUP, "Connected", device->link != NULL);
  g_mkdir_with_parents (directory, 0700);
  if (!g_key_file_save_to_file (file, path, &error))
    g_printerr ("virtual-bluez: %s\n", error->message);
}

/* The device was removed. */
void
vb_storage_forget (VbDevice *device)
{
  if (device->adapter->world->options.storage == NULL)
    return;

  g_autofree char *path = info_path (device->adapter, device->address);
  g_autofree char *directory = g_path_get_dirname (path);
  g_remove (path);
  g_rmdir (directory);
}
