/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An adapter: org.bluez.Adapter1, GattManager1 and LEAdvertisingManager1 on /org/bluez/hciN. */

#include "vb-peer.h"
#include "vb-world.h"

struct _VbAdapter
{
  VbWorld *world;
  int index;
  gboolean central; /* can scan and connect; every adapter can advertise */
  char *address;
  VbObject *object;
  BluezAdapter1 *skeleton;
  BluezGattManager1 *gatt_manager;
  BluezLEAdvertisingManager1 *advertising_manager;

  gboolean powered;
  gboolean blocked;           /* by rfkill */
  gboolean powered_unblocked; /* return to this when no longer blocked */
  guint power_timer;
  GDBusMethodInvocation *power_call; /* the Set of Powered that is under way */
  gboolean power_wanted;

  GHashTable *devices; /* address -> VbDevice, owned */
  guint connections;
  guint connection_limit; /* 0 = none */

  GPtrArray *discovery_clients; /* of vb-discovery.c */
  GHashTable *discovery_found;  /* set of VbDevice */
  guint report_timer;

  VbPeer *peer;              /* how others see this adapter */
  GPtrArray *advertisements; /* of vb-advertising.c */
  GPtrArray *applications;   /* of vb-application.c */
  GPtrArray *services;       /* VbLocalService: the GATT database that others see, by handle */
  guint16 next_handle;       /* of the next service there */
  GHashTable *profile_uuids; /* UUIDs of registered GattProfile1: connect those devices by itself */
};

void vb_adapter_class_setup (void);
VbAdapter *vb_adapter_new (VbWorld *world, int index, gboolean central, const char *address);
void vb_adapter_free (VbAdapter *self);
const char *vb_adapter_get_path (VbAdapter *self);
VbDevice *vb_adapter_find_device (VbAdapter *self, const char *address);
void vb_adapter_set_powered (VbAdapter *self, gboolean powered);
void vb_adapter_set_blocked (VbAdapter *self, gboolean blocked);
