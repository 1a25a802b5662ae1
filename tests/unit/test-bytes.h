/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Payloads for decoders, in memory of exactly their size, so that a sanitizer sees each byte read
 * too many. */
#pragma once

#include <glib.h>

typedef struct
{
  guint8 *data; /* NULL when size is 0 */
  gsize size;
} TestBytes;

static inline TestBytes
test_bytes_copy (const guint8 *data, gsize size)
{
  return (TestBytes){ g_memdup2 (data, size), size };
}

/* From hexadecimal digits, with spaces wherever they help. */
static inline TestBytes
test_bytes_from_hex (const char *hex)
{
  GByteArray *array = g_byte_array_new ();
  gsize size;

  for (const char *p = hex; *p != '\0'; p++)
    {
      guint8 byte;

      if (*p == ' ')
        continue;
      g_assert_true (g_ascii_isxdigit (p[0]) && g_ascii_isxdigit (p[1]));
      byte = (guint8) (g_ascii_xdigit_value (p[0]) * 16 + g_ascii_xdigit_value (p[1]));
      g_byte_array_append (array, &byte, 1);
      p++;
    }
  size = array->len;
  return (TestBytes){ g_byte_array_free (array, size == 0), size };
}

static inline TestBytes
test_bytes_random (gsize size)
{
  guint8 *data = size > 0 ? g_malloc (size) : NULL;

  for (gsize i = 0; i < size; i++)
    data[i] = (guint8) g_test_rand_int_range (0, 256);
  return (TestBytes){ data, size };
}

static inline void
test_bytes_clear (TestBytes *self)
{
  g_free (self->data);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TestBytes, test_bytes_clear)
