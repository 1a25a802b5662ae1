/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gatt-value.h"

#include <string.h>

/* [SIG] A short UUID stands for this one with its number in front. */
#define BASE_UUID_TAIL "-0000-1000-8000-00805f9b34fb"

/* An integer as a value: little-endian, in the fewest of 1, 2 or 4 bytes.
 * Returns: (transfer full) */
GBytes *
gatt_value_from_integer (guint32 value)
{
  guint32 little_endian = GUINT32_TO_LE (value);
  gsize size = value <= G_MAXUINT8 ? 1 : value <= G_MAXUINT16 ? 2 : 4;

  return g_bytes_new (&little_endian, size);
}

/* A text as a value: its bytes without the ending NUL. Returns: (transfer full) */
GBytes *
gatt_value_from_string (const char *text)
{
  return g_bytes_new (text, strlen (text));
}

/* Reads a value of 1 to 4 bytes as a little-endian unsigned integer. FALSE for any other size;
 * @integer is then untouched. */
gboolean
gatt_value_to_integer (GBytes *value, guint32 *integer)
{
  gsize size;
  const guint8 *bytes = g_bytes_get_data (value, &size);
  guint32 sum = 0;

  if (size < 1 || size > sizeof sum)
    return FALSE;
  for (gsize i = 0; i < size; i++)
    sum |= (guint32) bytes[i] << (8 * i);
  *integer = sum;
  return TRUE;
}

/* A value as text for people: cut at the first NUL, what is not UTF-8 replaced.
 * Returns: (transfer full) */
char *
gatt_value_to_string (GBytes *value)
{
  gsize size;
  const char *bytes = g_bytes_get_data (value, &size);

  return g_utf8_make_valid (size > 0 ? bytes : "", size > 0 ? (gssize) strnlen (bytes, size) : 0);
}

/* A value as lower-case hexadecimal digits without separators. Returns: (transfer full) */
char *
gatt_value_to_hex (GBytes *value)
{
  gsize size;
  const guint8 *bytes = g_bytes_get_data (value, &size);
  GString *hex = g_string_sized_new (2 * size + 1);

  for (gsize i = 0; i < size; i++)
    g_string_append_printf (hex, "%02x", bytes[i]);
  return g_string_free (hex, FALSE);
}

/* The value that @hex spells: pairs of hexadecimal digits, spaces and colons between pairs allowed;
 * the empty text is the empty value. Errors: G_IO_ERROR_INVALID_ARGUMENT.
 * Returns: (transfer full) (nullable) */
GBytes *
gatt_value_from_hex (const char *hex, GError **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  for (const char *p = hex; *p != '\0';)
    {
      guint8 byte;

      if (*p == ' ' || *p == ':')
        {
          p++;
          continue;
        }
      if (!g_ascii_isxdigit (p[0]) || !g_ascii_isxdigit (p[1]))
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                       "'%s' is not a row of hexadecimal pairs", hex);
          return NULL;
        }
      byte = (guint8) (g_ascii_xdigit_value (p[0]) << 4 | g_ascii_xdigit_value (p[1]));
      g_byte_array_append (bytes, &byte, 1);
      p += 2;
    }
  return g_bytes_new (bytes->data, bytes->len);
}

/* The bytes of a D-Bus `ay`. Returns: (transfer full) */
GBytes *
gatt_value_from_variant (GVariant *array)
{
  gsize size;
  const guint8 *bytes = g_variant_get_fixed_array (array, &size, 1);

  return g_bytes_new (bytes, size);
}

/* A value as a D-Bus `ay`. Returns: (transfer floating) */
GVariant *
gatt_value_to_variant (GBytes *value)
{
  gsize size;
  const guint8 *bytes = g_bytes_get_data (value, &size);

  return g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bytes, size, 1);
}

/* What a write of @part at @offset makes of @value: the bytes before @offset, then @part; what was
 * behind goes. NULL when @offset is beyond the end of @value or the result would be longer than
 * GATT_VALUE_MAX_SIZE. Returns: (transfer full) (nullable) */
GBytes *
gatt_value_splice (GBytes *value, gsize offset, GBytes *part)
{
  gsize part_size;
  const guint8 *part_bytes = g_bytes_get_data (part, &part_size);
  g_autoptr (GByteArray) joined = g_byte_array_new ();

  if (offset > g_bytes_get_size (value) || part_size > GATT_VALUE_MAX_SIZE ||
      offset > GATT_VALUE_MAX_SIZE - part_size)
    return NULL;
  if (offset > 0)
    g_byte_array_append (joined, g_bytes_get_data (value, NULL), (guint) offset);
  if (part_size > 0)
    g_byte_array_append (joined, part_bytes, (guint) part_size);
  return g_bytes_new (joined->data, joined->len);
}

/* The full UUID of a 16-bit or 32-bit number. Returns: (transfer full) */
char *
gatt_uuid_from_integer (guint32 number)
{
  return g_strdup_printf ("%08x" BASE_UUID_TAIL, number);
}

/* The UUID of 16 bytes in the order in which they are on the air, least significant byte first: so
 * does MicroPython take its `bytes` UUIDs. Returns: (transfer full) */
char *
gatt_uuid_from_bytes (const guint8 bytes[16])
{
  GString *uuid = g_string_sized_new (37);

  for (int i = 15; i >= 0; i--)
    {
      g_string_append_printf (uuid, "%02x", bytes[i]);
      if (i == 12 || i == 10 || i == 8 || i == 6)
        g_string_append_c (uuid, '-');
    }
  return g_string_free (uuid, FALSE);
}

static gboolean
all_hexadecimal (const char *text)
{
  while (g_ascii_isxdigit (*text))
    text++;
  return *text == '\0';
}

/* The full, lower-case form of a UUID in any of the spellings that this header lists. Errors:
 * G_IO_ERROR_INVALID_ARGUMENT. Returns: (transfer full) (nullable) */
char *
gatt_uuid_normalize (const char *uuid, GError **error)
{
  const char *digits = g_ascii_strncasecmp (uuid, "0x", 2) == 0 ? uuid + 2 : uuid;
  gsize length = strlen (digits);

  if ((length == 4 || length == 8) && all_hexadecimal (digits))
    return gatt_uuid_from_integer ((guint32) g_ascii_strtoull (digits, NULL, 16));
  if (digits == uuid && g_uuid_string_is_valid (uuid))
    return g_ascii_strdown (uuid, -1);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "'%s' is not a UUID", uuid);
  return NULL;
}
