/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "vb-world.h"
#include "vb-adapter.h"
#include "vb-advertising.h"
#include "vb-agents.h"
#include "vb-application.h"
#include "vb-device.h"
#include "vb-discovery.h"
#include "vb-faults.h"
#include "vb-gatt-client.h"
#include "vb-owners.h"
#include "vb-storage.h"
#include <stdio.h>
#include <string.h>

#define FIRST_PERIPHERAL_ADDRESS G_GUINT64_CONSTANT (0xf14fbb6ab579)

/* The times of bluetoothd 5.66 where a client could depend on them, shorter ones elsewhere. */
void
vb_options_init (VbOptions *self)
{
  *self = (VbOptions){
    .centrals = 1,
    .peripherals = 2,
    .temporary_timeout_ms = 30000,
    .connect_timeout_ms = 41000,
    .connect_delay_ms = 10,
    .resolve_delay_ms = 20,
    .disconnect_delay_ms = 50,
    .power_delay_ms = 20,
    .report_interval_ms = 1000,
  };
}

static char *
format_address (guint64 address)
{
  return g_strdup_printf ("%02X:%02X:%02X:%02X:%02X:%02X", (guint)(address >> 40 & 0xff),
                          (guint)(address >> 32 & 0xff), (guint)(address >> 24 & 0xff),
                          (guint)(address >> 16 & 0xff), (guint)(address >> 8 & 0xff),
                          (guint)(address & 0xff));
}

/* 00:AA:01:00:00:00, 00:AA:01:01:00:01, ...: the addresses that the kernel's virtual controllers
 * have. */
static char *
central_address (int index)
{
  return format_address (G_GUINT64_CONSTANT (0x00aa01000000) | (guint64)index << 16
                         | (guint64)index);
}

/* Takes the adapter into the world. `address` NULL means: the usual one of that index. */
VbAdapter *
vb_world_add_adapter (VbWorld *self, int index, gboolean central, const char *address)
{
  g_autofree char *usual
      = central
            ? central_address (index)
            : format_address (FIRST_PERIPHERAL_ADDRESS + (guint64)(index - self->options.centrals));
  VbAdapter *adapter = vb_adapter_new (self, index, central, address != NULL ? address : usual);

  g_ptr_array_add (self->adapters, adapter);
  g_hash_table_insert (self->by_address, adapter->address, adapter);
  vb_storage_load (adapter);
  return adapter;
}

/* The adapter is unplugged. */
void
vb_world_remove_adapter (VbWorld *self, VbAdapter *adapter)
{
  g_hash_table_remove (self->by_address, adapter->address);
  g_ptr_array_remove (self->adapters, adapter);
  vb_adapter_free (adapter);
}

VbAdapter *
vb_world_find_adapter (VbWorld *self, const char *address)
{
  return g_hash_table_lookup (self->by_address, address);
}

/* The device whose object, or an object below it, has that path. */
VbDevice *
vb_world_find_device (VbWorld *self, const char *path)
{
  int index;
  char underscored[18], rest;

  if (sscanf (path, "/org/bluez/hci%d/dev_%17[0-9A-F_]%c", &index, underscored, &rest) < 2
      || strlen (underscored) != 17)
    return NULL;
  g_strdelimit (underscored, "_", ':');
  for (guint i = 0; i < self->adapters->len; i++)
    {
      VbAdapter *adapter = self->adapters->pdata[i];
      if (adapter->index == index)
        return vb_adapter_find_device (adapter, underscored);
    }
  return NULL;
}

/* A client that had sessions, applications or advertisements left the bus. */
void
vb_world_client_gone (VbWorld *self, const char *client)
{
  vb_agents_client_gone (self->agents, client);
  for (guint i = 0; i < self->adapters->len; i++)
    vb_advertising_client_gone (self->adapters->pdata[i], client);
  for (guint i = 0; i < self->adapters->len; i++)
    {
      VbAdapter *adapter = self->adapters->pdata[i];
      GHashTableIter iter;
      VbDevice *device;

      vb_application_client_gone (adapter, client);
      vb_discovery_client_gone (adapter, client);
      g_hash_table_iter_init (&iter, adapter->devices);
      while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&device))
        vb_gatt_client_client_gone (device, client);
    }
}

VbWorld *
vb_world_new (GDBusConnection *connection, const VbOptions *options)
{
  VbWorld *self = g_new0 (VbWorld, 1);

  self->options = *options;
  self->adapters = g_ptr_array_new ();
  self->by_address = g_hash_table_new (g_str_hash, g_str_equal);
  self->plain_peers = g_ptr_array_new_with_free_func ((GDestroyNotify)vb_peer_free);
  self->bus = vb_bus_new (connection);
  self->owners = vb_owners_new (self);
  self->faults = vb_faults_new (self);
  vb_adapter_class_setup ();
  vb_device_class_setup ();
  vb_gatt_client_class_setup ();
  self->agents = vb_agents_new (self);
  for (int i = 0; i < options->centrals + options->peripherals; i++)
    vb_world_add_adapter (self, i, i < options->centrals, NULL);
  return self;
}

/* As bluetoothd on SIGTERM: every object goes with a signal. */
void
vb_world_free (VbWorld *self)
{
  while (self->adapters->len > 0)
    vb_world_remove_adapter (self, self->adapters->pdata[self->adapters->len - 1]);
  vb_faults_free (self->faults);
  vb_agents_free (self->agents);
  vb_owners_free (self->owners);
  g_ptr_array_unref (self->plain_peers);
  vb_bus_flush (self->bus);
  vb_bus_free (self->bus);
  g_hash_table_unref (self->by_address);
  g_ptr_array_unref (self->adapters);
  g_free (self);
}
