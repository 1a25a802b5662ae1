/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The same bytes for every decoder; each is compared with a slow and simple reading of the same
 * page. */
#include "core2-protocol.h"

#include <string.h>

#include "fuzz-target.h"

/* A number out of bytes, by plain arithmetic. */
static guint64
number_at (const guint8 *data, gsize offset, gsize n_bytes)
{
  guint64 value = 0;

  for (gsize i = n_bytes; i > 0; i--)
    value = value * 256 + data[offset + i - 1];
  return value;
}

static void
check_steps (const guint8 *data, gsize size)
{
  Core2StepsFrame frame;
  Core2Decode decode = core2_protocol_decode_steps (data, size, &frame);
  const guint8 fields[] = { CORE2_STEPS_HAS_RUN, CORE2_STEPS_HAS_WALK, CORE2_STEPS_HAS_DISTANCE,
                            CORE2_STEPS_HAS_ENERGY };
  gsize offset = 5;
  gboolean fits = TRUE;

  g_assert_true ((decode == CORE2_DECODE_OK) == (size >= 5));
  g_assert_true ((decode == CORE2_DECODE_EMPTY) == (size == 0));
  if (decode != CORE2_DECODE_OK)
    return;
  g_assert_cmpuint (frame.steps, ==, number_at (data, 1, 4));
  for (guint i = 0; i < 4; i++)
    {
      const guint32 values[] = { frame.run, frame.walk, frame.distance, frame.energy };
      gboolean announced = (data[0] & fields[i]) != 0;

      if (announced && offset + 4 > size)
        fits = FALSE;
      g_assert_cmpint ((frame.fields & fields[i]) != 0, ==, announced && fits);
      g_assert_cmpuint (values[i], ==, announced && fits ? number_at (data, offset, 4) : 0);
      if (announced)
        offset += 4;
    }
  g_assert_cmpint (frame.clipped, ==, !fits);
}

static void
check_numbers (const guint8 *data, gsize size)
{
  Core2ConnectionParameters parameters;
  Core2SystemId system_id;
  Core2PnpId pnp_id;
  guint32 steps;
  guint16 first;
  guint16 last;
  guint8 byte;

  g_assert_cmpint (core2_protocol_decode_battery (data, size, &byte) == CORE2_DECODE_OK, ==,
                   size == 1 && data[0] <= 100);
  g_assert_cmpint (core2_protocol_decode_privacy_flag (data, size, &byte) == CORE2_DECODE_OK, ==,
                   size == 1 && data[0] <= 1);
  if (core2_protocol_decode_appearance (data, size, &first) == CORE2_DECODE_OK)
    g_assert_cmpuint (first, ==, number_at (data, 0, 2));
  if (core2_protocol_decode_service_changed (data, size, &first, &last) == CORE2_DECODE_OK)
    g_assert_cmpuint (first + last * G_GUINT64_CONSTANT (65536), ==, number_at (data, 0, 4));
  if (core2_protocol_decode_connection_parameters (data, size, &parameters) == CORE2_DECODE_OK)
    g_assert_cmpuint (parameters.timeout_multiplier, ==, number_at (data, 6, 2));
  if (core2_protocol_decode_system_id (data, size, &system_id) == CORE2_DECODE_OK)
    g_assert_cmpuint (system_id.manufacturer | (guint64) system_id.oui << 40, ==,
                      number_at (data, 0, 8));
  if (core2_protocol_decode_pnp_id (data, size, &pnp_id) == CORE2_DECODE_OK)
    g_assert_cmpuint (pnp_id.version, ==, number_at (data, 5, 2));
  if (core2_protocol_decode_service_data (data, size, &steps) == CORE2_DECODE_OK)
    g_assert_cmpuint (steps, ==, number_at (data, 0, 4));
}

static void
check_orientation (const guint8 *data, gsize size)
{
  Core2OrientationFrame frame;
  gboolean refused = size >= 3 && data[0] == 0x10 && data[1] % 16 == 7 && data[2] != 1;
  Core2Decode decode = core2_protocol_decode_orientation (data, size, &frame);

  g_assert_cmpint (decode == CORE2_DECODE_REFUSED, ==, refused);
  g_assert_cmpint (decode == CORE2_DECODE_OK, ==, !refused && size >= 7);
  if (decode != CORE2_DECODE_OK)
    return;
  g_assert_cmpuint (frame.x, ==, number_at (data, 3, 2));
  g_assert_cmpuint (frame.y, ==, number_at (data, 5, 2));
}

/* What was decoded and is encoded again must be the same bytes, up to those that tell nothing. */
static void
check_time (const guint8 *data, gsize size)
{
  Core2ChipTime time;
  char text[CORE2_TIME_TEXT_SIZE];
  g_autoptr (GTimeZone) zone = NULL;
  g_autoptr (GDateTime) parsed = NULL;
  guint8 encoded[CORE2_TIME_SIZE];

  if (core2_protocol_decode_time (data, size, &time) != CORE2_DECODE_OK)
    return;
  core2_chip_time_format (&time, text);
  zone = g_time_zone_new_utc ();
  parsed = g_date_time_new_from_iso8601 (text, zone);
  g_assert_nonnull (parsed);
  g_assert_cmpint (core2_chip_time_to_unix (&time, zone), ==,
                   MAX (g_date_time_to_unix (parsed), -1));
  g_assert_true (core2_protocol_encode_time (parsed, encoded));
  g_assert_cmpmem (encoded, 7, data, 7);
  g_assert_cmpint ((gint8) encoded[10], ==, time.zone_known ? (gint8) data[10] : 0);
}

static void
check_text (const guint8 *data, gsize size)
{
  g_autofree char *text = core2_protocol_decode_text (data, size);
  gsize length = 0;

  while (length < size && data[length] != 0)
    length++;
  g_assert_true (g_utf8_validate (text, -1, NULL));
  g_assert_cmpuint (strlen (text), <=, CORE2_TEXT_MAX);
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    g_assert_false (g_unichar_iscntrl (g_utf8_get_char (p)));
  /* Plain text passes unchanged. */
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isgraph (data[i]))
      return;
  g_assert_cmpmem (text, strlen (text), data, MIN (length, CORE2_TEXT_MAX));
}

static void
check_address (const guint8 *data, gsize size)
{
  g_autofree char *text = size > 0 ? g_strndup ((const char *) data, size) : g_strdup ("");
  char normal[CORE2_ADDRESS_TEXT_SIZE];
  guint64 address;

  if (core2_address_normalise (text, normal))
    g_assert_cmpint (g_ascii_strcasecmp (text, normal), ==, 0);
  if (!core2_protocol_address_from_manufacturer_data (data, size, &address))
    return;
  core2_address_format_path_element (address, normal);
  for (guint i = 0; i < 6; i++)
    g_assert_cmpuint (g_ascii_strtoull (normal + 3 * i, NULL, 16), ==, data[size - 6 + i]);
}

static void
check_frames (const guint8 *data, gsize size)
{
  Core2AuthFrame auth;
  Core2HistoryControl control;
  Core2HistoryPacket packet;

  g_assert_cmpint (core2_protocol_decode_auth (data, size, &auth) == CORE2_DECODE_OK, ==,
                   size >= 3 && data[0] == 0x10);
  if (core2_protocol_decode_history_control (data, size, &control) == CORE2_DECODE_OK)
    {
      g_assert_cmpuint (number_at (data, 0, 3), ==, control.end ? 0x010210 : 0x010110);
      if (!control.end)
        g_assert_cmpuint (control.count, ==, number_at (data, 3, 4));
      if (control.count > 0)
        g_assert_cmpuint (control.start.year, ==, number_at (data, 7, 2));
    }
  g_assert_cmpint (core2_protocol_decode_history_packet (data, size, &packet) == CORE2_DECODE_OK,
                   ==, size == 1 || size == 5 || size == 9 || size == 13 || size == 17);
  if (size == 17)
    g_assert_cmpuint (packet.samples[3].steps, ==, data[15]);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  check_steps (data, size);
  check_numbers (data, size);
  check_orientation (data, size);
  check_time (data, size);
  check_text (data, size);
  check_address (data, size);
  check_frames (data, size);
  return 0;
}
