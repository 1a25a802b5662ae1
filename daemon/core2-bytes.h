/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Little-endian numbers in byte arrays, as ATT sends them. The caller has checked the size. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

static inline guint16
core2_bytes_get_u16 (const guint8 *data)
{
  return (guint16) (data[0] | data[1] << 8);
}

static inline guint32
core2_bytes_get_u32 (const guint8 *data)
{
  return data[0] | (guint32) data[1] << 8 | (guint32) data[2] << 16 | (guint32) data[3] << 24;
}

static inline void
core2_bytes_put_u16 (guint8 *data, guint16 value)
{
  data[0] = value & 0xff;
  data[1] = value >> 8;
}

G_END_DECLS
