/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gatt-bluez.h"
#include "gatt-server.h"

/* What the parts of the GATT server share. Not for users. */

#define GATT_SERVICE_INTERFACE "org.bluez.GattService1"
#define GATT_CHARACTERISTIC_INTERFACE "org.bluez.GattCharacteristic1"
#define GATT_ADVERTISEMENT_INTERFACE "org.bluez.LEAdvertisement1"

typedef struct _GattAdvertisement GattAdvertisement;

struct _GattServer
{
  GDBusConnection *connection;
  GattBluez *bluez;
  GattBluezListener *listener;
  GCancellable *cancellable; /* of the calls about the present adapter */
  char *adapter;             /* hci0 */
  char *adapter_path;
  char *path;
  char *address; /* NULL: the adapter is not there */
  gboolean adapter_is_ready;
  gboolean adapter_can_advertise;
  guint object_manager; /* registration of the root object */
  GPtrArray *services;  /* of GattService */
  GHashTable *clients;  /* set of device paths */
  gboolean registered;
  gboolean registering;
  gboolean refused;            /* for good, as long as the attributes stay as they are */
  gboolean attributes_changed; /* since they were registered */
  GattAdvertisement *advertisement;
  GSource *update;
  GSource *retry;
  guint retry_s;
  guint events;
  guint trigger;
  GattServerHandler handler;
  gpointer argument;
  GError *error;
};

struct _GattService
{
  GattServer *server;
  char *uuid;
  char *path;
  gboolean primary;
  guint registration;
  GPtrArray *characteristics; /* of GattCharacteristic */
};

/* gatt-server.c */
void gatt_server_attributes_changed (GattServer *self);
void gatt_server_schedule_update (GattServer *self);
void gatt_server_retry_later (GattServer *self);
void gatt_server_emit (GattServer *self, guint event);
void gatt_server_take_error (GattServer *self, const GError *error);

/* gatt-service.c */
void gatt_service_free (GattService *self);
void gatt_service_mute (GattService *self);
void gatt_service_forget_clients (GattService *self);
void gatt_service_describe (GattService *self, GVariantBuilder *objects);

/* gatt-characteristic.c */
GattCharacteristic *gatt_characteristic_new (GattService *service, guint index, const char *uuid,
                                             guint properties, GBytes *value, GError **error);
void gatt_characteristic_free (GattCharacteristic *self);
void gatt_characteristic_forget_clients (GattCharacteristic *self);
void gatt_characteristic_describe (GattCharacteristic *self, GVariantBuilder *objects);

/* gatt-advertisement.c */
GattAdvertisement *gatt_advertisement_new (GattServer *server);
void gatt_advertisement_free (GattAdvertisement *self);
void gatt_advertisement_update (GattAdvertisement *self);
void gatt_advertisement_lost (GattAdvertisement *self);
gboolean gatt_advertisement_is_on (GattAdvertisement *self);
