/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "core2-access.h"
#include "core2-bluez.h"
#include "core2-calendar.h"
#include "core2-config.h"
#include "core2-history.h"
#include "core2-log.h"
#include "core2-store.h"
#include "core2-timers.h"

G_BEGIN_DECLS

/* One chip: its D-Bus object, its connection and everything known of it. Its struct is the state: the
 * vtables point into it, so that there is one copy of each value. */
typedef struct Core2Chip Core2Chip;

#define CORE2_CHIP_PATH "/org/example/Core2/chip"
#define CORE2_CHIP_PATH_PREFIX CORE2_CHIP_PATH "/"
#define CORE2_CHIP_INTERFACES 3

/* What all chips share; owned by the manager, outlives them. */
typedef struct
{
  Core2Bus *bus;
  Core2Bluez *bluez;
  Core2Store *store;
  Core2Access *access;
  Core2Config config;
  Core2Calendar calendar;
  Core2LogLimit *log_limit;
  Core2Timers *timers;
  guint64 boot_id;
  Core2History *history;
  GPtrArray *readers; /* Core2Request that read the history now */
  GHashTable *published; /* object path -> Core2Chip, neither owned */
  sd_bus_slot *enumerator_slot;
  sd_bus_slot *interface_slots[CORE2_CHIP_INTERFACES];
  gboolean announced; /* the bus name is ours: before, nobody listens to our signals */
  /* A chip's state changed: for the service's STATUS= line. */
  void (*chip_changed) (gpointer user_data);
  /* What was measured of a chip was noted: it is to be made durable soon, with core2_store_sync(). */
  void (*values_noted) (gpointer user_data);
  gpointer user_data;
} Core2ChipServices;

/* Lets the bus find @services->published. One table of members serves all chips: one for each would cost
 * sd-bus 7 KB and some 90 allocations a chip. Returns FALSE with @error when the bus refuses. */
gboolean core2_chips_publish (Core2ChipServices *services, GError **error);
void core2_chips_unpublish (Core2ChipServices *services);

/* Publishes a chip. @record is taken. @remembered: it is in the store and keeps a connection when its
 * record says so; else it was only seen in a scan. */
Core2Chip *core2_chip_new (Core2ChipServices *services, Core2ChipRecord *record,
                           gboolean remembered);

/* Closes its link, ends its calls with Cancelled and unpublishes it. Saves nothing. */
void core2_chip_free (Core2Chip *self);

const char *core2_chip_get_path (const Core2Chip *self);
const char *core2_chip_get_address (const Core2Chip *self);
const char *core2_chip_get_alias (const Core2Chip *self);
Core2Side core2_chip_get_side (const Core2Chip *self);
gboolean core2_chip_is_remembered (const Core2Chip *self);
gboolean core2_chip_is_ready (const Core2Chip *self);
gboolean core2_chip_is_asleep (const Core2Chip *self);
/* It has a connection or a method call under way: not to be forgotten. */
gboolean core2_chip_is_busy (const Core2Chip *self);

/* When it was last heard, g_get_real_time(), 0 = never. */
gint64 core2_chip_get_last_seen (const Core2Chip *self);

/* --- from the manager: what BlueZ says ---- */

/* BlueZ's device of this address is new, or changed. */
void core2_chip_device_changed (Core2Chip *self, Core2BluezDevice *device);
/* It is about to go. */
void core2_chip_device_removed (Core2Chip *self, Core2BluezDevice *device);
/* It advertised while somebody scans. */
void core2_chip_device_seen (Core2Chip *self, Core2BluezDevice *device);
/* A characteristic of it has a new value. */
void core2_chip_value_changed (Core2Chip *self, const Core2BluezCharacteristic *characteristic,
                               const guint8 *data, gsize size);
/* An adapter or bluetoothd came or went. */
void core2_chip_adapters_changed (Core2Chip *self);
/* The local day may be another one now; the clock or the zone changed. */
void core2_chip_day_changed (Core2Chip *self);
/* The machine wakes from sleep: what is known of the link is old. */
void core2_chip_resumed (Core2Chip *self);

/* --- from the manager: what a client wants ---- */

#define CORE2_ALIAS_MAX 64

/* Whether @alias can be a chip's alias: at most CORE2_ALIAS_MAX bytes, no control characters, and none
 * that looks like an address or a side. Returns 0, or a negative number with @error set. */
int core2_chip_check_alias (const char *alias, sd_bus_error *error);

/* Turns a chip that was only seen into a remembered one and applies what is not NULL. Stores it.
 * @key: 16 bytes. On an error nothing has changed. */
gboolean core2_chip_remember (Core2Chip *self, const char *alias, const Core2Side *side,
                              GBytes *key, const gboolean *auto_connect, GError **error);

/* Intervals in the services' configuration are other ones. */
void core2_chip_intervals_changed (Core2Chip *self);

/* Ends what is remembered, so that core2_chip_free() saves nothing, and closes the link for good: BlueZ does not
 * connect the chip by itself any more. */
void core2_chip_forget (Core2Chip *self);

/* Writes its record now, when it is to be written soon. Failures are logged, and it is tried again. */
void core2_chip_save_due (Core2Chip *self);
/* core2_store_sync() failed: its record is written soon, when it does not have all that was noted. */
void core2_chip_not_synced (Core2Chip *self);

/* Ends its session: nothing is measured any more, and all that was is noted. */
void core2_chip_close (Core2Chip *self);

/* Says to bluetoothd that our link can go: for the end of the daemon. Sends, and does not wait. */
void core2_chip_release_link (Core2Chip *self);

G_END_DECLS
