/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-address.h"

#define ADDRESS_BYTES 6

static gboolean
parse_separated (const char *text, char separator, guint64 *address)
{
  guint64 value = 0;

  if (text == NULL)
    return FALSE;
  /* Three characters a byte: two digits and a separator, the last one the final NUL. A NUL that
   * comes too early is no digit and no separator, so nothing beyond it is read. */
  for (guint i = 0; i < ADDRESS_BYTES; i++)
    {
      const char *byte = text + 3 * i;

      if (!g_ascii_isxdigit (byte[0]) || !g_ascii_isxdigit (byte[1]))
        return FALSE;
      if (byte[2] != (i == ADDRESS_BYTES - 1 ? '\0' : separator))
        return FALSE;
      value = value << 8 | (guint) g_ascii_xdigit_value (byte[0]) << 4
              | (guint) g_ascii_xdigit_value (byte[1]);
    }
  *address = value;
  return TRUE;
}

static void
format_separated (guint64 address, char separator, char text[CORE2_ADDRESS_TEXT_SIZE])
{
  static const char digits[] = "0123456789ABCDEF";

  for (guint i = 0; i < ADDRESS_BYTES; i++)
    {
      guint8 byte = address >> (8 * (ADDRESS_BYTES - 1 - i)) & 0xff;

      text[3 * i] = digits[byte >> 4];
      text[3 * i + 1] = digits[byte & 0x0f];
      text[3 * i + 2] = separator;
    }
  text[CORE2_ADDRESS_TEXT_SIZE - 1] = '\0';
}

gboolean
core2_address_parse (const char *text, guint64 *address)
{
  return parse_separated (text, ':', address);
}

gboolean
core2_address_parse_path_element (const char *element, guint64 *address)
{
  return parse_separated (element, '_', address);
}

void
core2_address_format (guint64 address, char text[CORE2_ADDRESS_TEXT_SIZE])
{
  format_separated (address, ':', text);
}

void
core2_address_format_path_element (guint64 address, char element[CORE2_ADDRESS_TEXT_SIZE])
{
  format_separated (address, '_', element);
}

gboolean
core2_address_normalise (const char *text, char normal[CORE2_ADDRESS_TEXT_SIZE])
{
  guint64 address;

  if (!core2_address_parse (text, &address))
    return FALSE;
  core2_address_format (address, normal);
  return TRUE;
}
