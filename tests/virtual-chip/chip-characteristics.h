/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The attributes of the chip: what protocol documents say there is, and under which names the
 * control interface and the quirks speak of them. */

typedef enum
{
  CHIP_NAME,
  CHIP_APPEARANCE,
  CHIP_PRIVACY,
  CHIP_CONNECTION_PARAMETERS,
  CHIP_SERVICE_CHANGED,
  CHIP_SYSTEM_ID,
  CHIP_SERIAL_NUMBER,
  CHIP_FIRMWARE_REVISION,
  CHIP_HARDWARE_REVISION,
  CHIP_SOFTWARE_REVISION,
  CHIP_PNP_ID,
  CHIP_TIME,
  CHIP_STEPS,
  CHIP_ORIENTATION,
  CHIP_BATTERY,
  CHIP_HISTORY_CONTROL,
  CHIP_HISTORY_DATA,
  CHIP_AUTH,
  CHIP_UPDATE_CONTROL,
  CHIP_UPDATE_DATA,
  CHIP_BATTERY_SERVICE,
  CHIP_CHARACTERISTIC_LAST
} ChipCharacteristic;

typedef struct
{
  const char *name;
  const char *service; /* UUIDs as in gatt-value.h */
  const char *uuid;
  guint properties; /* a set of GattProperty */
  gboolean generic; /* of the services that BlueZ wants for itself */
  gboolean extra;   /* not on a plain chip */
} ChipCharacteristicInfo;

const ChipCharacteristicInfo *chip_characteristic_get_info (ChipCharacteristic characteristic);
ChipCharacteristic chip_characteristic_from_name (const char *name);
