/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "chip-auth.h"
#include "chip-characteristics.h"
#include "chip-clock.h"
#include "chip-model.h"
#include "chip-quirks.h"
#include "gatt-server.h"

/* A virtual chip: the model, on the air through gatt-server.h. */

typedef struct _Chip Chip;

#define CHIP_STROLL (-1)
#define CHIP_NO_AUTO_SHAKE (-1)

typedef struct
{
  GDBusConnection *connection; /* to the bus of bluetoothd */
  ChipClock *clock;
  const char *adapter; /* hci1 */
  const char *name;    /* as advertised */
  guint32 seed;
  gint64 clock_start;  /* what the chip's clock shows at first, as in chip-model.h */
  gint8 quarters;      /* its time zone, in quarter hours east of UTC */
  int cadence;         /* steps a minute, 0: stands, CHIP_STROLL */
  guint8 battery;      /* percent */
  gboolean asleep;
  int auto_shake_ms;   /* shakes itself so long after a key has come, or CHIP_NO_AUTO_SHAKE */
  const ChipQuirks *quirks;
} ChipOptions;

/* What happened to a chip on the air. */
typedef struct
{
  gboolean vanished;
  guint resets;
  guint reads;
  guint orientation_requests;
  guint orientation_interval_ms; /* between the last two requests, real time */
  guint firmware_writes;
  guint history_deletes;
  char *written_time; /* hexadecimal digits, empty: none */
} ChipStatus;

typedef enum
{
  CHIP_CHANGED_STEPS, /* only the counters */
  CHIP_CHANGED_STATE, /* anything */
} ChipChange;

typedef void (*ChipChangedHandler) (ChipChange change, gpointer user_data);

Chip *chip_new (const ChipOptions *options, GError **error);
void chip_free (Chip *self);
void chip_set_changed_handler (Chip *self, ChipChangedHandler handler, gpointer user_data);

const char *chip_get_adapter (Chip *self);
guint32 chip_get_seed (Chip *self);
ChipModel *chip_get_model (Chip *self);
ChipAuth *chip_get_auth (Chip *self);
GattServer *chip_get_server (Chip *self);
const ChipStatus *chip_get_status (Chip *self);
gboolean chip_is_subscribed (Chip *self);

void chip_stroll (Chip *self);
void chip_walk (Chip *self, guint cadence);
void chip_step (Chip *self, guint32 n, gboolean notify_each);
void chip_shake (Chip *self);
void chip_sleep (Chip *self);
void chip_vanish (Chip *self);
void chip_appear (Chip *self);
void chip_drop_link (Chip *self);
gboolean chip_is_unlinking (Chip *self);
void chip_advance (Chip *self, guint seconds);
void chip_set_clock (Chip *self, gint64 clock);
void chip_notify (Chip *self, ChipCharacteristic characteristic, GBytes *value);
gboolean chip_set_quirk (Chip *self, const char *name, GVariant *value, GError **error);
void chip_clear_quirks (Chip *self);
