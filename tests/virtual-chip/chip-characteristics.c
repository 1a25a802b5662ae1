/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "chip-characteristics.h"

#include "gatt-server.h"

/* [CHIP] (a) The vendor's base UUID around a 16-bit number. */
#define VENDOR(number) "0000" number "-0000-3512-2118-0009af100700"

#define READ GATT_PROPERTY_READ
#define NOTIFY GATT_PROPERTY_NOTIFY
#define WRITE GATT_PROPERTY_WRITE
#define COMMAND GATT_PROPERTY_WRITE_WITHOUT_RESPONSE

/* [CHIP] (a) unless said. */
static const ChipCharacteristicInfo infos[CHIP_CHARACTERISTIC_LAST] = {
  [CHIP_NAME] = { "name", "1800", "2a00", READ, TRUE, FALSE },
  [CHIP_APPEARANCE] = { "appearance", "1800", "2a01", READ, TRUE, FALSE },
  [CHIP_PRIVACY] = { "privacy-flag", "1800", "2a02", READ, TRUE, FALSE },
  [CHIP_CONNECTION_PARAMETERS] = { "connection-parameters", "1800", "2a04", READ, TRUE, FALSE },
  [CHIP_SERVICE_CHANGED]
  = { "service-changed", "1801", "2a05", READ | GATT_PROPERTY_INDICATE, TRUE, FALSE },
  [CHIP_SYSTEM_ID] = { "system-id", "180a", "2a23", READ, FALSE, FALSE },
  [CHIP_SERIAL_NUMBER] = { "serial-number", "180a", "2a25", READ, FALSE, FALSE },
  [CHIP_FIRMWARE_REVISION] = { "firmware-revision", "180a", "2a26", READ, FALSE, TRUE },
  [CHIP_HARDWARE_REVISION] = { "hardware-revision", "180a", "2a27", READ, FALSE, FALSE },
  [CHIP_SOFTWARE_REVISION] = { "software-revision", "180a", "2a28", READ, FALSE, FALSE },
  [CHIP_PNP_ID] = { "pnp-id", "180a", "2a50", READ, FALSE, FALSE },
  /* The write is [FAMILY] (c). */
  [CHIP_TIME] = { "time", "fee0", "2a2b", READ | WRITE, FALSE, FALSE },
  [CHIP_STEPS] = { "steps", "fee0", VENDOR ("0007"), READ | NOTIFY, FALSE, FALSE },
  [CHIP_ORIENTATION] = { "orientation", "fee0", VENDOR ("0003"), COMMAND | NOTIFY, FALSE, FALSE },
  /* The notification is [ASSUME]. */
  [CHIP_BATTERY] = { "battery", "fee0", "2a19", READ | NOTIFY, FALSE, FALSE },
  [CHIP_HISTORY_CONTROL]
  = { "history-control", "fee0", VENDOR ("0004"), COMMAND | NOTIFY, FALSE, FALSE },
  [CHIP_HISTORY_DATA] = { "history-data", "fee0", VENDOR ("0005"), NOTIFY, FALSE, FALSE },
  [CHIP_AUTH] = { "auth", "fee0", VENDOR ("0009"), COMMAND | NOTIFY, FALSE, FALSE },
  [CHIP_UPDATE_CONTROL] = { "update-control", VENDOR ("1530"), VENDOR ("1531"),
                            COMMAND | WRITE | NOTIFY, FALSE, FALSE },
  [CHIP_UPDATE_DATA] = { "update-data", VENDOR ("1530"), VENDOR ("1532"), COMMAND, FALSE, FALSE },
  /* [SIG] The standard place of the battery, which some of the family have. */
  [CHIP_BATTERY_SERVICE] = { "battery-service", "180f", "2a19", READ | NOTIFY, FALSE, TRUE },
};

const ChipCharacteristicInfo *
chip_characteristic_get_info (ChipCharacteristic characteristic)
{
  return &infos[characteristic];
}

/* CHIP_CHARACTERISTIC_LAST when there is none of that name. */
ChipCharacteristic
chip_characteristic_from_name (const char *name)
{
  for (int i = 0; i < CHIP_CHARACTERISTIC_LAST; i++)
    if (g_str_equal (infos[i].name, name))
      return (ChipCharacteristic) i;
  return CHIP_CHARACTERISTIC_LAST;
}
