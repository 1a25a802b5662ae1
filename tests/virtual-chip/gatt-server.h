/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gatt-value.h"

/* A GATT server (a Bluetooth Low Energy peripheral) through BlueZ, with the semantics of
 * MicroPython's Bluetooth, GATTSService and GATTSCharacteristic classes:
 *
 *   GattServer *server = gatt_server_new (bus, "hci0", "/org/example/lamp", NULL);
 *   GattService *service = gatt_server_add_service (server, "1815", TRUE, NULL);
 *   GattCharacteristic *lamp = gatt_service_add_characteristic (
 *       service, "2a56", GATT_PROPERTY_READ | GATT_PROPERTY_WRITE | GATT_PROPERTY_NOTIFY, NULL,
 * NULL);
 *
 *   gatt_characteristic_set_integer (lamp, 1);
 *   gatt_characteristic_set_callback (lamp, GATT_CHAR_WRITE_EVENT, on_lamp_written, NULL);
 *   gatt_server_set_name (server, "Lamp");
 *   gatt_server_advertise (server, TRUE);
 *   g_main_loop_run (loop);
 *
 * A server plays on one adapter. It needs no adapter and no bluetoothd to exist: it registers with
 * bluetoothd from the main loop as soon as there is one with that adapter, and again whenever
 * bluetoothd or the adapter was away. A process may hold many servers on one connection, each on
 * its own object path.
 *
 * The thread-default main context of the caller must run; nothing here blocks. No server, and
 * nothing of it, may be freed from inside one of its own callbacks.
 *
 * BlueZ keeps the services 1800 (GAP) and 1801 (GATT) to itself: bluetoothd refuses a server that
 * has one of them as a whole. */

typedef struct _GattServer GattServer;
typedef struct _GattService GattService;
typedef struct _GattCharacteristic GattCharacteristic;

/* What happened; what events() functions return is a set of these. */
typedef enum
{
  /* Of a server. */
  GATT_CLIENT_CONNECTED = 1 << 0,
  GATT_CLIENT_DISCONNECTED = 1 << 1,
  GATT_SERVER_REGISTERED = 1 << 2,   /* bluetoothd serves the attributes now */
  GATT_SERVER_ADVERTISING = 1 << 3,  /* advertising began or ended */
  GATT_SERVER_LOST = 1 << 4,         /* bluetoothd or the adapter has gone */
  GATT_SERVER_FAILED = 1 << 5,       /* bluetoothd refused: see gatt_server_get_error() */
  GATT_SERVER_ADAPTER_READY = 1 << 6, /* the adapter is there and its address is known */
  /* Of a characteristic. */
  GATT_CHAR_READ_EVENT = 1 << 8,
  GATT_CHAR_WRITE_EVENT = 1 << 9,
  GATT_CHAR_SUBSCRIBE_EVENT = 1 << 10,   /* the first client wants notifications */
  GATT_CHAR_UNSUBSCRIBE_EVENT = 1 << 11, /* no client wants them any more */
} GattEvent;

/* [SIG] Characteristic properties, with the bits of the attribute protocol. */
typedef enum
{
  GATT_PROPERTY_BROADCAST = 0x01,
  GATT_PROPERTY_READ = 0x02,
  GATT_PROPERTY_WRITE_WITHOUT_RESPONSE = 0x04,
  GATT_PROPERTY_WRITE = 0x08,
  GATT_PROPERTY_NOTIFY = 0x10,
  GATT_PROPERTY_INDICATE = 0x20,
} GattProperty;

/* Errors of bluetoothd (org.bluez.Error.*) and errors to answer clients with. */
#define GATT_ERROR (gatt_error_quark ())
typedef enum
{
  GATT_ERROR_FAILED,
  GATT_ERROR_IN_PROGRESS,
  GATT_ERROR_INVALID_ARGUMENTS,
  GATT_ERROR_ALREADY_EXISTS,
  GATT_ERROR_DOES_NOT_EXIST,
  GATT_ERROR_NOT_SUPPORTED,
  GATT_ERROR_NOT_PERMITTED,
  GATT_ERROR_NOT_AUTHORIZED,
  GATT_ERROR_NOT_READY,
  GATT_ERROR_INVALID_OFFSET,
  GATT_ERROR_INVALID_VALUE_LENGTH, /* of an attribute */
  GATT_ERROR_INVALID_LENGTH,       /* of an advertisement */
} GattError;
GQuark gatt_error_quark (void);

/* Called for the events of a server that were asked for. */
typedef void (*GattServerHandler) (gpointer argument);

/* Called for the events of a characteristic that were asked for. What it returns from a read (full
 * ownership; gatt_value_from_integer(), gatt_value_from_string(), g_bytes_new()) answers that read;
 * NULL lets the stored value answer. What it returns from another event is dropped. */
typedef GBytes *(*GattCharacteristicHandler) (gpointer argument);

/* A read that was put off: see gatt_characteristic_defer_read(). */
typedef struct _GattRead GattRead;

/* --- Server ----------------------------------------------------------------------------------- */

GattServer *gatt_server_new (GDBusConnection *connection, const char *adapter, const char *path,
                             GError **error);
void gatt_server_free (GattServer *self);

GattService *gatt_server_add_service (GattServer *self, const char *uuid, gboolean primary,
                                      GError **error);

void gatt_server_set_name (GattServer *self, const char *name);
gboolean gatt_server_set_service_uuid (GattServer *self, const char *uuid, GError **error);
void gatt_server_set_manufacturer_data (GattServer *self, guint16 company, GBytes *data);
gboolean gatt_server_set_service_data (GattServer *self, const char *uuid, GBytes *data,
                                       GError **error);
void gatt_server_advertise (GattServer *self, gboolean on);

void gatt_server_set_callback (GattServer *self, guint trigger, GattServerHandler handler,
                               gpointer argument);
guint gatt_server_events (GattServer *self);

const char *gatt_server_get_adapter (GattServer *self);
const char *gatt_server_get_address (GattServer *self);
gboolean gatt_server_is_registered (GattServer *self);
gboolean gatt_server_is_advertising (GattServer *self);
guint gatt_server_count_clients (GattServer *self);
const GError *gatt_server_get_error (GattServer *self);
void gatt_server_disconnect_clients (GattServer *self);

/* --- Service ---------------------------------------------------------------------------------- */

GattCharacteristic *gatt_service_add_characteristic (GattService *self, const char *uuid,
                                                     guint properties, GBytes *value,
                                                     GError **error);

/* --- Characteristic --------------------------------------------------------------------------- */

GBytes *gatt_characteristic_get_value (GattCharacteristic *self);
void gatt_characteristic_set_value (GattCharacteristic *self, GBytes *value);
void gatt_characteristic_set_integer (GattCharacteristic *self, guint32 value);
void gatt_characteristic_set_string (GattCharacteristic *self, const char *value);
void gatt_characteristic_notify (GattCharacteristic *self, GBytes *value);

void gatt_characteristic_set_callback (GattCharacteristic *self, guint trigger,
                                       GattCharacteristicHandler handler, gpointer argument);
guint gatt_characteristic_events (GattCharacteristic *self);

const char *gatt_characteristic_get_uuid (GattCharacteristic *self);
gboolean gatt_characteristic_is_subscribed (GattCharacteristic *self);
void gatt_characteristic_refuse (GattCharacteristic *self, GattError code, const char *message);
GattRead *gatt_characteristic_defer_read (GattCharacteristic *self);
void gatt_read_answer (GattRead *self, GBytes *value);
void gatt_read_fail (GattRead *self, GattError code, const char *message);
