/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "chip-frames.h"

#include <gio/gio.h>
#include <string.h>

static void
append_u8 (GByteArray *frame, guint8 value)
{
  g_byte_array_append (frame, &value, 1);
}

static void
append_u16 (GByteArray *frame, guint16 value)
{
  append_u8 (frame, (guint8) value);
  append_u8 (frame, (guint8) (value >> 8));
}

static void
append_u32 (GByteArray *frame, guint32 value)
{
  append_u16 (frame, (guint16) value);
  append_u16 (frame, (guint16) (value >> 16));
}

/* A clock as people write it: YYYY-MM-DD HH:MM:SS, from 1970 on. */
gboolean
chip_clock_text_parse (const char *text, gint64 *clock)
{
  g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();
  g_autoptr (GDateTime) date = g_date_time_new_from_iso8601 (text, utc);

  if (date == NULL || g_date_time_to_unix (date) < 0)
    return FALSE;
  *clock = g_date_time_to_unix (date) * G_USEC_PER_SEC;
  return TRUE;
}

/* @frame cut, or padded with zeros, to @size bytes. */
GBytes *
chip_frame_resize (GBytes *frame, gsize size)
{
  gsize n_kept = MIN (size, g_bytes_get_size (frame));
  guint8 *resized = g_malloc0 (size);

  if (n_kept > 0)
    memcpy (resized, g_bytes_get_data (frame, NULL), n_kept);
  return g_bytes_new_take (resized, size);
}

/* The step frame: flags, steps, and a u32 for each of the CHIP_STEPS_ flags. [FAMILY] (f), (g) */
GBytes *
chip_frame_steps (const ChipCounters *counters, guint8 flags)
{
  GByteArray *frame = g_byte_array_new ();

  append_u8 (frame, flags);
  append_u32 (frame, counters->steps);
  if ((flags & CHIP_STEPS_RUNNING) != 0)
    append_u32 (frame, counters->running_steps);
  if ((flags & CHIP_STEPS_WALKING) != 0)
    append_u32 (frame, counters->walking_steps);
  if ((flags & CHIP_STEPS_DISTANCE) != 0)
    append_u32 (frame, counters->distance_mm / 1000);
  if ((flags & CHIP_STEPS_ENERGY) != 0)
    append_u32 (frame, counters->energy_cal / 1000);
  return g_byte_array_free_to_bytes (frame);
}

/* The answer to an orientation request: values at [3] and [5] [CHIP] (a), header [ASSUME]. */
GBytes *
chip_frame_orientation (guint16 x, guint16 y)
{
  GByteArray *frame = g_byte_array_new ();

  append_u8 (frame, 0x10);
  append_u8 (frame, 0x07);
  append_u8 (frame, 0x01);
  append_u16 (frame, x);
  append_u16 (frame, y);
  return g_byte_array_free_to_bytes (frame);
}

static GDateTime *
clock_to_date (gint64 clock)
{
  return g_date_time_new_from_unix_utc (clock / G_USEC_PER_SEC);
}

static void
append_date (GByteArray *frame, GDateTime *date)
{
  append_u16 (frame, (guint16) g_date_time_get_year (date));
  append_u8 (frame, (guint8) g_date_time_get_month (date));
  append_u8 (frame, (guint8) g_date_time_get_day_of_month (date));
  append_u8 (frame, (guint8) g_date_time_get_hour (date));
  append_u8 (frame, (guint8) g_date_time_get_minute (date));
}

/* Current time, CHIP_TIME_SIZE bytes. [SIG] (h), the time zone at the end [FAMILY] (c)
 * @clock: as in chip-model.h
 * @quarters: quarter hours east of UTC, summer time included */
GBytes *
chip_frame_time (gint64 clock, gint8 quarters)
{
  g_autoptr (GDateTime) date = clock_to_date (clock);
  GByteArray *frame = g_byte_array_new ();

  append_date (frame, date);
  append_u8 (frame, (guint8) g_date_time_get_second (date));
  append_u8 (frame, (guint8) g_date_time_get_day_of_week (date));
  append_u8 (frame, (guint8) (clock % G_USEC_PER_SEC * 256 / G_USEC_PER_SEC));
  append_u8 (frame, 0); /* adjust reason: none */
  append_u8 (frame, (guint8) quarters);
  return g_byte_array_free_to_bytes (frame);
}

/* Year to minute, and to the second when there is one. */
static gboolean
parse_date (const guint8 *bytes, guint second, gint64 *clock)
{
  g_autoptr (GDateTime) date = g_date_time_new_utc (bytes[0] | bytes[1] << 8, bytes[2], bytes[3],
                                                    bytes[4], bytes[5], second);

  if (date == NULL || g_date_time_to_unix (date) < 0)
    return FALSE;
  *clock = g_date_time_to_unix (date) * G_USEC_PER_SEC;
  return TRUE;
}

/* A current time that a client writes. FALSE for anything but CHIP_TIME_SIZE bytes that are a date
 * from 1970 on. */
gboolean
chip_frame_parse_time (GBytes *frame, gint64 *clock, gint8 *quarters)
{
  gsize size;
  const guint8 *bytes = g_bytes_get_data (frame, &size);

  if (size != CHIP_TIME_SIZE || !parse_date (bytes, bytes[6], clock))
    return FALSE;
  *quarters = (gint8) bytes[10];
  return TRUE;
}

/* 01 01, year to minute, 00, time zone: since when the history is wanted. [FAMILY] (c) */
gboolean
chip_frame_parse_history_start (GBytes *frame, gint64 *clock)
{
  gsize size;
  const guint8 *bytes = g_bytes_get_data (frame, &size);

  return size == 10 && bytes[0] == 0x01 && bytes[1] == 0x01 && parse_date (bytes + 2, 0, clock);
}

/* The answer to it: how many minutes there are, and when the first of them begins. [FAMILY] (c) */
GBytes *
chip_frame_history_header (guint32 n_minutes, gint64 first_clock, gint8 quarters)
{
  g_autoptr (GDateTime) date = clock_to_date (first_clock);
  GByteArray *frame = g_byte_array_new ();

  append_u8 (frame, 0x10);
  append_u8 (frame, 0x01);
  append_u8 (frame, 0x01);
  append_u32 (frame, n_minutes);
  append_date (frame, date);
  append_u8 (frame, (guint8) g_date_time_get_second (date));
  append_u8 (frame, (guint8) quarters);
  return g_byte_array_free_to_bytes (frame);
}

/* One packet of the history. [FAMILY] (c)
 * @number: of the packet, wrapping
 * @n: at most CHIP_MINUTES_A_PACKET */
GBytes *
chip_frame_history_packet (guint8 number, const ChipMinute *minutes, gsize n)
{
  GByteArray *frame = g_byte_array_new ();

  append_u8 (frame, number);
  for (gsize i = 0; i < n; i++)
    {
      append_u8 (frame, minutes[i].kind);
      append_u8 (frame, minutes[i].intensity);
      append_u8 (frame, minutes[i].steps);
      append_u8 (frame, minutes[i].heart_rate);
    }
  return g_byte_array_free_to_bytes (frame);
}

/* The six bytes of an address in reading order. */
static void
parse_address (const char *address, guint8 bytes[6])
{
  for (int i = 0; i < 6; i++)
    bytes[i] = (guint8) g_ascii_strtoull (address + 3 * i, NULL, 16);
}

/* What follows the company identifier 0x0157 in the advertisement: 02, 16 x ff, 02 [FAMILY] (g),
 * and the address in reading order (b).
 * @address: six hexadecimal pairs with colons
 * @brief: only the address, for controllers that take no more than 31 bytes of advertisement */
GBytes *
chip_frame_manufacturer_data (const char *address, gboolean brief)
{
  GByteArray *frame = g_byte_array_new ();
  guint8 bytes[6];

  parse_address (address, bytes);
  if (!brief)
    {
      append_u8 (frame, 0x02);
      for (int i = 0; i < 16; i++)
        append_u8 (frame, 0xff);
      append_u8 (frame, 0x02);
    }
  g_byte_array_append (frame, bytes, sizeof bytes);
  return g_byte_array_free_to_bytes (frame);
}

/* The system identifier made of an address, as the standard has it: least significant byte first,
 * FF FE in the middle. [SIG] (h) */
GBytes *
chip_frame_system_id (const char *address)
{
  guint8 a[6];
  guint8 id[8] = { [3] = 0xfe, [4] = 0xff };

  parse_address (address, a);
  for (int i = 0; i < 3; i++)
    {
      id[i] = a[5 - i];
      id[5 + i] = a[2 - i];
    }
  return g_bytes_new (id, sizeof id);
}
