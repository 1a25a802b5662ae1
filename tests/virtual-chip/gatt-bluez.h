/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* What all GATT servers on one D-Bus connection share about org.bluez: which adapters can serve,
 * who is connected to them, and a queue of calls. Internal to gatt-server.c.
 *
 * It exists once a connection, because the bus limits what one connection may do: 512 match rules
 * and 128 calls without a reply. A thousand servers need four rules and at most 32 calls here. */

typedef struct _GattBluez GattBluez;
typedef struct _GattBluezListener GattBluezListener;

typedef struct
{
  gboolean powered;
  gboolean can_serve;     /* has GattManager1 */
  gboolean can_advertise; /* has LEAdvertisingManager1 */
  char *address;          /* upper case, with colons */
  gboolean address_is_public;
} GattBluezAdapter;

typedef struct
{
  /* The adapter came or changed; NULL: it is not there (any more). A registration made before a
   * NULL is lost. */
  void (*adapter_changed) (const GattBluezAdapter *adapter, gpointer user_data);
  void (*client_changed) (const char *device_path, gboolean connected, gpointer user_data);
} GattBluezEvents;

/* @reply is NULL exactly when @error is not; both belong to the caller of this. */
typedef void (*GattBluezReply) (GVariant *reply, const GError *error, gpointer user_data);

GattBluez *gatt_bluez_ref_for_connection (GDBusConnection *connection);
void gatt_bluez_unref (GattBluez *self);

GattBluezListener *gatt_bluez_listen (GattBluez *self, const char *adapter_path,
                                      const GattBluezEvents *events, gpointer user_data);
void gatt_bluez_unlisten (GattBluez *self, GattBluezListener *listener);
void gatt_bluez_note_connected (GattBluez *self, const char *device_path);
void gatt_bluez_call (GattBluez *self, const char *path, const char *interface, const char *method,
                      GVariant *parameters, GCancellable *cancellable, GattBluezReply done,
                      gpointer user_data);
