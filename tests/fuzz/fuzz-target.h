/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The function that every fuzz target defines, and a reader for inputs that stand for many
 * numbers. */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

/* Called by libFuzzer and by fuzz-main.c. Aborts when something does not hold. Returns 0. */
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

typedef struct
{
  const guint8 *data;
  gsize size;
} FuzzReader;

/* The next byte, 0 when there is none left. */
static inline guint8
fuzz_reader_get_byte (FuzzReader *self)
{
  if (self->size == 0)
    return 0;
  self->size--;
  return *self->data++;
}

/* The next @n_bytes as a little-endian number. */
static inline guint64
fuzz_reader_get_number (FuzzReader *self, guint n_bytes)
{
  guint64 value = 0;

  for (guint i = 0; i < n_bytes; i++)
    value |= (guint64) fuzz_reader_get_byte (self) << (8 * i);
  return value;
}
