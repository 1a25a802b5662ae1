/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core2-bluez.h"
#include "core2-log.h"

G_BEGIN_DECLS

#define BLUEZ_NAME "org.bluez"
#define ADAPTER_INTERFACE "org.bluez.Adapter1"
#define DEVICE_INTERFACE "org.bluez.Device1"
#define CHARACTERISTIC_INTERFACE "org.bluez.GattCharacteristic1"
#define PROPERTIES_INTERFACE "org.freedesktop.DBus.Properties"
#define OBJECT_MANAGER_INTERFACE "org.freedesktop.DBus.ObjectManager"

struct Core2Bluez
{
  Core2Bus *bus;
  const Core2BluezEvents *events;
  gpointer user_data;

  char *owner;                   /* unique name of the present bluetoothd, NULL = none */
  gboolean listed;               /* GetManagedObjects of this owner has been applied */
  sd_bus_slot *signals_match;
  sd_bus_slot *owner_match;
  Core2Call *owner_call;
  Core2Call *list_call;
  Core2LogLimit *log_limit;
  gboolean advertised;           /* what is being read can only come from an advertisement */
  guint list_retry;

  GHashTable *adapters;          /* path -> Core2BluezAdapter */
  guint power_changes;           /* of those that can be a central */
  GHashTable *devices;           /* path -> Core2BluezDevice */
  GHashTable *characteristics;   /* path -> Core2BluezCharacteristic */

  /* core2-bluez-scan.c */
  GPtrArray *scans;              /* Core2BluezScan */
  GHashTable *sessions;          /* adapter path -> DiscoverySession */

  /* core2-bluez-connect.c */
  GQueue connects;               /* Core2BluezConnect, queued and pending */
  GPtrArray *attempts;           /* of Connect, which bluetoothd has not answered */
  guint turn_timer;
};

/* core2-bluez.c */
/* Asks for all objects, and adds what is new to the table. */
void core2_bluez_list_objects (Core2Bluez *self);

/* core2-bluez-objects.c: the table. Each reads the rest of a message and returns a negative errno when
 * the message is not as it should be; nothing is then half applied but what came before. */
int core2_bluez_apply_interfaces (Core2Bluez *self, const char *path, sd_bus_message *message,
                                  gboolean announce);
int core2_bluez_apply_properties (Core2Bluez *self, const char *path, sd_bus_message *message);

/* core2-bluez-remove.c */
void core2_bluez_remove_interface (Core2Bluez *self, const char *path, const char *interface);
void core2_bluez_remove_everything (Core2Bluez *self);
GPtrArray *core2_bluez_copy_values (GHashTable *table);
void core2_bluez_adapter_free (Core2BluezAdapter *adapter);
void core2_bluez_device_free (Core2BluezDevice *device);
void core2_bluez_characteristic_free (Core2BluezCharacteristic *characteristic);

/* core2-bluez-scan.c */
void core2_bluez_scans_init (Core2Bluez *self);
void core2_bluez_scans_clear (Core2Bluez *self);
void core2_bluez_scans_adapter_removed (Core2Bluez *self, Core2BluezAdapter *adapter);
void core2_bluez_scans_adapter_changed (Core2Bluez *self, Core2BluezAdapter *adapter);
void core2_bluez_scans_lost (Core2Bluez *self);
/* Whether we discover on @adapter, or are about to stop doing so. */
gboolean core2_bluez_scans_busy (Core2Bluez *self, Core2BluezAdapter *adapter);
/* Whether no discovery of ours is in the way of a Connect on @adapter. One that is, pauses soon:
 * core2_bluez_connects_advance() is called then. */
gboolean core2_bluez_scans_give_way (Core2Bluez *self, Core2BluezAdapter *adapter);

/* core2-bluez-connect.c */
void core2_bluez_connects_clear (Core2Bluez *self);
void core2_bluez_connects_device_removed (Core2Bluez *self, Core2BluezDevice *device);
/* Starts what can start now. */
void core2_bluez_connects_advance (Core2Bluez *self);

G_END_DECLS
