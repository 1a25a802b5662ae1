/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-protocol.h"

#include "test-bytes.h"

#define START "10 01 01 2c010000 e4 07 01 18 0d 37 00 04"

static void
test_request (void)
{
  g_autoptr (GTimeZone) zone = g_time_zone_new_offset (3600);
  g_autoptr (GDateTime) since = g_date_time_new (zone, 2020, 1, 24, 13, 55, 45);
  g_autoptr (GDateTime) too_early = g_date_time_new (zone, 1200, 1, 24, 13, 55, 45);
  g_auto (TestBytes) expected = test_bytes_from_hex ("01 01 e4 07 01 18 0d 37 00 04");
  guint8 data[CORE2_HISTORY_REQUEST_SIZE];

  g_assert_true (core2_protocol_encode_history_request (since, data));
  g_assert_cmpmem (data, sizeof data, expected.data, expected.size);
  g_assert_false (core2_protocol_encode_history_request (too_early, data));
  g_assert_cmpmem (core2_history_go, CORE2_HISTORY_GO_SIZE, "\x02", 1);
}

static void
test_start (void)
{
  g_auto (TestBytes) bytes = test_bytes_from_hex (START);
  Core2HistoryControl control = { .end = TRUE };
  char text[CORE2_TIME_TEXT_SIZE];

  g_assert_cmpint (core2_protocol_decode_history_control (bytes.data, bytes.size, &control), ==,
                   CORE2_DECODE_OK);
  g_assert_false (control.end);
  g_assert_cmpuint (control.count, ==, 300);
  core2_chip_time_format (&control.start, text);
  g_assert_cmpstr (text, ==, "2020-01-24T13:55:00+01:00");
}

static void
test_start_truncated (void)
{
  g_auto (TestBytes) full = test_bytes_from_hex (START);

  for (gsize size = 0; size < full.size; size++)
    {
      g_auto (TestBytes) bytes = test_bytes_copy (full.data, size);
      Core2HistoryControl control = { .count = 7 };

      g_assert_cmpint (core2_protocol_decode_history_control (bytes.data, size, &control), ==,
                       size == 0 ? CORE2_DECODE_EMPTY : CORE2_DECODE_SHORT);
      g_assert_cmpuint (control.count, ==, 7);
    }
}

typedef struct
{
  const char *hex;
  Core2Decode decode;
} ControlCase;

static const ControlCase control_cases[] = {
  { "10 01 01 00000000", CORE2_DECODE_OK }, /* nothing to fetch, and no start */
  { "10 01 01 00000000 ffff ff ff ff ff ff ff", CORE2_DECODE_OK },
  { "10 02 01", CORE2_DECODE_OK },
  { "10 02 01 99", CORE2_DECODE_OK },
  { "10 02 04", CORE2_DECODE_REFUSED },
  { "10 01 04", CORE2_DECODE_REFUSED },
  { "10 01 02", CORE2_DECODE_REFUSED },
  { "10 03 01", CORE2_DECODE_OTHER },
  { "10 03", CORE2_DECODE_OTHER },
  { "11 01 01", CORE2_DECODE_OTHER },
  { "10 01 01 2c010000 e4 07 0d 18 0d 37 00 04", CORE2_DECODE_RANGE },
};

static void
test_control (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (control_cases); i++)
    {
      g_auto (TestBytes) bytes = test_bytes_from_hex (control_cases[i].hex);
      Core2HistoryControl control = { .count = 7 };
      Core2Decode decode
          = core2_protocol_decode_history_control (bytes.data, bytes.size, &control);

      g_assert_cmpint (decode, ==, control_cases[i].decode);
      g_assert_cmpuint (control.count, ==, decode == CORE2_DECODE_OK ? 0 : 7);
      if (decode == CORE2_DECODE_OK)
        g_assert_cmpint (control.end, ==, bytes.data[1] == 2);
    }
}

static void
test_packet (void)
{
  g_auto (TestBytes) full = test_bytes_from_hex ("fe 01020304 11121314 21222324 31323334 41");

  for (gsize size = 0; size <= full.size; size++)
    {
      g_auto (TestBytes) bytes = test_bytes_copy (full.data, size);
      Core2HistoryPacket packet = { .n_samples = 99 };
      Core2Decode decode = core2_protocol_decode_history_packet (bytes.data, size, &packet);

      if (size == 0)
        g_assert_cmpint (decode, ==, CORE2_DECODE_EMPTY);
      else if (size > 17)
        g_assert_cmpint (decode, ==, CORE2_DECODE_LONG);
      else if (size % 4 != 1)
        g_assert_cmpint (decode, ==, CORE2_DECODE_SHORT);
      else
        g_assert_cmpint (decode, ==, CORE2_DECODE_OK);
      if (decode != CORE2_DECODE_OK)
        {
          g_assert_cmpuint (packet.n_samples, ==, 99);
          continue;
        }
      g_assert_cmpuint (packet.counter, ==, 0xfe);
      g_assert_cmpuint (packet.n_samples, ==, size / 4);
      for (guint i = 0; i < packet.n_samples; i++)
        {
          g_assert_cmphex (packet.samples[i].kind, ==, 0x10 * i + 1);
          g_assert_cmphex (packet.samples[i].intensity, ==, 0x10 * i + 2);
          g_assert_cmphex (packet.samples[i].steps, ==, 0x10 * i + 3);
          g_assert_cmphex (packet.samples[i].heart_rate, ==, 0x10 * i + 4);
        }
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/history/request", test_request);
  g_test_add_func ("/history/start", test_start);
  g_test_add_func ("/history/start-truncated", test_start_truncated);
  g_test_add_func ("/history/control", test_control);
  g_test_add_func ("/history/packet", test_packet);
  return g_test_run ();
}
