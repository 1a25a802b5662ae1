/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "chip.h"

/* What chip.c and chip-attributes.c share. */

typedef struct
{
  Chip *chip;
  ChipCharacteristic id;
} ChipAttribute;

/* Something that the chip does in a moment. */
typedef struct _ChipDelay ChipDelay;

struct _Chip
{
  GDBusConnection *connection;
  ChipClock *clock;
  char *adapter;
  char *name;
  guint32 seed;
  int cadence;
  gboolean gait_waits_for_wake;
  int auto_shake_ms;

  ChipModel *model;
  gint64 time_offset; /* of the model's time to the clock's: what was skipped by chip_advance() */
  gint8 quarters;
  ChipAuth *auth;
  ChipQuirks *quirks;

  GattServer *server;  /* advertises; has what makes the chip a chip */
  GattServer *generic; /* GAP and GATT, which a real bluetoothd refuses; NULL: not offered */
  GattCharacteristic *characteristics[CHIP_CHARACTERISTIC_LAST]; /* NULL: missing */
  ChipAttribute attributes[CHIP_CHARACTERISTIC_LAST];
  gboolean brief_advertisement;
  gboolean connected;
  gboolean unlinking; /* the links were ended, and one is still up */
  gboolean holds_step_notifications;

  GPtrArray *delays; /* of ChipDelay */
  guint shake_timer;
  guint auto_shake_timer;

  GRand *garbage; /* of the quirk; NULL: not yet used */

  gint64 fetch_clock; /* of the history; -1: no fetch was begun */
  gint64 last_orientation_request;

  ChipStatus status;
  ChipChangedHandler changed;
  gpointer changed_data;
};

/* chip.c */
void chip_changed (Chip *self, ChipChange change);
void chip_update_advertisement (Chip *self);

/* chip-attributes.c */
gboolean chip_attributes_offer (Chip *self, GError **error);
void chip_attributes_withdraw (Chip *self);
void chip_attributes_notify_steps (Chip *self);
void chip_attributes_notify_battery (Chip *self);
void chip_attributes_link_lost (Chip *self);
void chip_attributes_end_links (Chip *self);

/* chip-requests.c */
void chip_requests_written (Chip *self, ChipCharacteristic id, GBytes *value);
GBytes *chip_requests_make_garbage (Chip *self);

/* chip-delay.c */
typedef void (*ChipDelayRun) (Chip *chip, GattRead *read, GBytes *value);
void chip_delay (Chip *self, int milliseconds, ChipDelayRun run, GattRead *read, GBytes *value);
void chip_delay_cancel_all (Chip *self);
