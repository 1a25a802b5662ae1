/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* Values and UUIDs of a GATT server. Pure: no bus, no state.
 *
 * A value is a GBytes of 0 to 512 bytes (the limit of the attribute protocol). */

#define GATT_VALUE_MAX_SIZE 512

/* Where a function takes the UUID of a service or characteristic it takes any of these spellings,
 * in upper or lower case: "fee0" or "0xfee0" (16 bits, on the Bluetooth base UUID), "0000fee0"
 * (32 bits), "0000fee0-0000-1000-8000-00805f9b34fb" (128 bits). */

GBytes *gatt_value_from_integer (guint32 value);
GBytes *gatt_value_from_string (const char *text);
gboolean gatt_value_to_integer (GBytes *value, guint32 *integer);
char *gatt_value_to_string (GBytes *value);
char *gatt_value_to_hex (GBytes *value);
GBytes *gatt_value_from_hex (const char *hex, GError **error);
GBytes *gatt_value_from_variant (GVariant *array);
GVariant *gatt_value_to_variant (GBytes *value);
GBytes *gatt_value_splice (GBytes *value, gsize offset, GBytes *part);

char *gatt_uuid_from_integer (guint32 number);
char *gatt_uuid_from_bytes (const guint8 bytes[16]);
char *gatt_uuid_normalize (const char *uuid, GError **error);
