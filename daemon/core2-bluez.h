/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "core2-bus.h"
#include "core2-error.h"

G_BEGIN_DECLS

/* org.bluez as a table of adapters and devices, kept up to date by one match rule. bluetoothd may come
 * and go at any time: everything is then removed, and listed again when it returns. */
typedef struct Core2Bluez Core2Bluez;
typedef struct Core2BluezAdapter Core2BluezAdapter;
typedef struct Core2BluezDevice Core2BluezDevice;
typedef struct Core2BluezCharacteristic Core2BluezCharacteristic;
typedef struct Core2BluezScan Core2BluezScan;
typedef struct Core2BluezConnect Core2BluezConnect;

#define CORE2_BLUEZ_RSSI_UNKNOWN 127

/* What is known of a Device1 object. Fields are read by others, written by core2-bluez alone. */
struct Core2BluezDevice
{
  char *path;
  char address[18];              /* upper case */
  Core2BluezAdapter *adapter;
  char *name;                    /* NULL = unknown */
  char *modalias;                /* NULL = unknown */
  gint16 rssi;                   /* dBm, CORE2_BLUEZ_RSSI_UNKNOWN */
  guint16 appearance;
  gboolean has_appearance;
  gboolean connected;
  gboolean services_resolved;
  gboolean trusted;
  gboolean has_service;          /* FEE0 advertised or in UUIDs */
  gboolean has_company;          /* manufacturer data of company 0x0157 */
  gint64 seen;                   /* g_get_real_time() of the last advertisement, 0 = never */
  GPtrArray *characteristics;    /* of Core2BluezCharacteristic */
  guint services_changes;        /* how often any of them went: subscriptions went with them */
  Core2BluezConnect *connect;    /* a Connect under way or queued */
  Core2Call *refresh_call;
  gboolean unknown;              /* BlueZ does not know it any more, it said when asked last */
  gint64 failed;                 /* monotonic, see core2_bluez_device_set_failed(); 0 = it has not */
  gpointer chip;                 /* whoever the manager says: NULL = nobody */
};

struct Core2BluezCharacteristic
{
  char *path;
  char *uuid;                    /* interned, lower case, 36 characters */
  gboolean notifying;            /* somebody's subscription is in force */
  Core2BluezDevice *device;
};

struct Core2BluezAdapter
{
  Core2Bluez *bluez;
  char *path;
  char address[18];              /* upper case */
  gboolean powered;
  gboolean blocked;              /* by rfkill, when it is off */
  gboolean says_blocked;         /* PowerState, since BlueZ 5.70 */
  gboolean central;              /* can be the central of a connection */
  gboolean discovering;
};

/* Upward calls. None of them comes from within a call into core2-bluez. */
typedef struct
{
  /* bluetoothd appeared or left, or an adapter came, went or changed. */
  void (*adapters_changed) (gpointer user_data);
  /* A device is new, or any of its properties or characteristics changed. */
  void (*device_changed) (Core2BluezDevice *device, gpointer user_data);
  /* The device is about to be freed; drop it. */
  void (*device_removed) (Core2BluezDevice *device, gpointer user_data);
  /* The device advertised while somebody scans. */
  void (*device_seen) (Core2BluezDevice *device, gpointer user_data);
  /* A characteristic has a new value: notified or read, by whomever. */
  void (*value_changed) (Core2BluezCharacteristic *characteristic, const guint8 *data, gsize size,
                         gpointer user_data);
} Core2BluezEvents;

/* Begins to follow org.bluez. @events must outlive the result. */
Core2Bluez *core2_bluez_new (Core2Bus *bus, const Core2BluezEvents *events, gpointer user_data);
void core2_bluez_free (Core2Bluez *self);

/* Whether bluetoothd runs and its objects are listed. */
gboolean core2_bluez_is_ready (Core2Bluez *self);

/* Whether it is being found out: soon after the start, and after bluetoothd's. The end of it is an
 * adapters_changed. */
gboolean core2_bluez_is_settling (Core2Bluez *self);

/* no-bluez, absent, off, blocked, on: the best of all adapters that can be a central. */
const char *core2_bluez_get_adapter_state (Core2Bluez *self);

/* How often an adapter that can be a central went on or off. */
guint core2_bluez_get_power_changes (Core2Bluez *self);

/* An adapter that is on and can be a central, by @address or (NULL) any; NULL when there is none. */
Core2BluezAdapter *core2_bluez_find_adapter (Core2Bluez *self, const char *address);

/* The Device1 to use for @address (upper case) over all adapters: a connected one first, then one on
 * an adapter that is on, of several that whose Connect failed longest ago; NULL when BlueZ knows none. */
Core2BluezDevice *core2_bluez_find_device (Core2Bluez *self, const char *address);
/* Whether the last attempt to connect to @device failed: it is then the turn of other adapters that know it. */
void core2_bluez_device_set_failed (Core2BluezDevice *device, gboolean failed);

/* Asks BlueZ for the properties of @device, for when signals cannot be trusted; then device_changed, also when it
 * does not answer. */
void core2_bluez_refresh_device (Core2Bluez *self, Core2BluezDevice *device);

/* BlueZ does not know @device any more, though it did not say so: as if it had; then BlueZ's objects are
 * listed again, in case that is not so. */
void core2_bluez_drop_device (Core2Bluez *self, Core2BluezDevice *device);

/* Calls @visit for every device. */
void core2_bluez_foreach_device (Core2Bluez *self, void (*visit) (Core2BluezDevice *, gpointer),
                                 gpointer user_data);

/* The characteristic with @uuid (36 characters, lower case), looked up over all services; NULL = none.
 * Of several, the one in the fuller service: a peripheral played by BlueZ has, besides the application's,
 * a Device Information service of bluetoothd's own with nothing but its own PnP ID in it. */
Core2BluezCharacteristic *core2_bluez_device_find_characteristic (Core2BluezDevice *device,
                                                                  const char *uuid);

/* --- calls to objects of BlueZ ---- */

/* Starts METHOD of INTERFACE on PATH at the present owner of org.bluez, with the arguments that follow
 * @types as sd_bus_message_append() takes them. @call as for core2_call_start(). When bluetoothd is gone, the call
 * ends with org.freedesktop.DBus.Error.ServiceUnknown. */
void core2_bluez_call (Core2Bluez *self, Core2Call **call, const char *path, const char *interface,
                       const char *method, guint timeout_ms, Core2CallDone done, gpointer user_data,
                       const char *types, ...);

/* A method call message to the present owner of org.bluez, or NULL when there is none. Free it. */
sd_bus_message *core2_bluez_message_new (Core2Bluez *self, const char *path, const char *interface,
                                         const char *method);

Core2Bus *core2_bluez_get_bus (Core2Bluez *self);

/* What an error of a call to BlueZ means to us (core2-bluez-error.c). Pure. BlueZ puts the detail into
 * the message of org.bluez.Error.Failed; names and texts of 5.66 and later are known. */
Core2Error core2_bluez_translate_error (const sd_bus_error *error);

/* Whether it says that the object is not there, or no more. Pure. */
gboolean core2_bluez_is_unknown_error (const sd_bus_error *error);

/* --- scans (core2-bluez-scan.c) ---- */

/* End of a scan: @error is NULL after the time-out. */
typedef void (*Core2BluezScanDone) (const sd_bus_error *error, gpointer user_data);

/* Discovers on @adapter (NULL: on all that are on) for @timeout_ms. All scans share one session an adapter;
 * devices are reported by device_seen. *@scan is NULL again when @done is called. */
void core2_bluez_scan_start (Core2Bluez *self, Core2BluezScan **scan, Core2BluezAdapter *adapter,
                             guint timeout_ms, Core2BluezScanDone done, gpointer user_data);

/* Ends a scan without calling back. The session stops with the last of them. */
void core2_bluez_scan_stop (Core2BluezScan **scan);

gboolean core2_bluez_is_scanning (Core2Bluez *self);
/* For how many microseconds the longest discovery of ours has run, 0 = none does. */
gint64 core2_bluez_get_scanning_time (Core2Bluez *self);

/* --- connecting (core2-bluez-connect.c) ---- */

/* End of a connect: @error is NULL when BlueZ says that the link is up. */
typedef void (*Core2BluezConnectDone) (const sd_bus_error *error, gpointer user_data);

typedef enum
{
  CORE2_BLUEZ_CONNECT_ASLEEP,    /* nothing says that the device is awake: behind those that may be */
  CORE2_BLUEZ_CONNECT_AWAKE,
  CORE2_BLUEZ_CONNECT_WHILE_DISCOVERING, /* BlueZ forgets the device when the discovery stops */
} Core2BluezConnectHow;

/* Queues Device1.Connect for @device. While it sleeps its call stays pending in bluetoothd (the kernel
 * listens, nothing is polled), up to CORE2_BLUEZ_MAX_PENDING of them at once; the longest pending gives up
 * its place after 3 s to one that has waited as long, and at once to one that is awake. A discovery of ours
 * pauses for it, but for CORE2_BLUEZ_CONNECT_WHILE_DISCOVERING. @timeout_ms should be more than bluetoothd's
 * own 41 s, so that its answer ends the call. device->connect is NULL again when @done is called. */
void core2_bluez_connect_start (Core2Bluez *self, Core2BluezDevice *device,
                                Core2BluezConnectHow how, guint timeout_ms,
                                Core2BluezConnectDone done, gpointer user_data);

/* The device gave a sign of life: a queued connect of it goes first. */
void core2_bluez_connect_hurry (Core2Bluez *self, Core2BluezDevice *device);

/* Drops a queued or pending connect without calling back; bluetoothd is told to cancel it. */
void core2_bluez_connect_cancel (Core2Bluez *self, Core2BluezDevice *device);

/* Each is a pending reply on the bus, of which dbus-daemon grants a connection 128, CORE2_BUS_MAX_UNANSWERED of
 * them for everything else; and a socket of bluetoothd's. The kernel has no limit of its own. */
#define CORE2_BLUEZ_MAX_PENDING 100

G_END_DECLS
