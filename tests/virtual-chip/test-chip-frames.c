/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "chip-frames.h"
#include "gatt-value.h"

static void
assert_hex (GBytes *frame, const char *expected)
{
  g_autoptr (GBytes) bytes = gatt_value_from_hex (expected, NULL);
  g_autofree char *spelled = gatt_value_to_hex (bytes);
  g_autofree char *hex = gatt_value_to_hex (frame);

  g_assert_cmpstr (hex, ==, spelled);
}

static void
test_steps (void)
{
  const ChipCounters counters = { .steps = 76,
                                  .running_steps = 6,
                                  .walking_steps = 70,
                                  .distance_mm = 31999,
                                  .energy_cal = 1999 };
  const struct
  {
    guint8 flags;
    const char *hex;
  } cases[] = {
    { 0x00, "00 4c000000" },
    { 0x01, "01 4c000000 06000000" },
    { 0x03, "03 4c000000 06000000 46000000" },
    { 0x0c, "0c 4c000000 1f000000 01000000" }, /* seen on a Mi Band 2 */
    { 0x0f, "0f 4c000000 06000000 46000000 1f000000 01000000" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GBytes) frame = chip_frame_steps (&counters, cases[i].flags);

      assert_hex (frame, cases[i].hex);
    }
}

static void
test_resize (void)
{
  g_autoptr (GBytes) frame = gatt_value_from_hex ("010203", NULL);
  g_autoptr (GBytes) nothing = chip_frame_resize (frame, 0);
  g_autoptr (GBytes) cut = chip_frame_resize (frame, 2);
  g_autoptr (GBytes) padded = chip_frame_resize (frame, 5);

  assert_hex (nothing, "");
  assert_hex (cut, "0102");
  assert_hex (padded, "0102030000");
}

static void
test_orientation (void)
{
  g_autoptr (GBytes) frame = chip_frame_orientation (0x1234, 0xfedc);

  assert_hex (frame, "100701 3412 dcfe");
}

static void
test_time (void)
{
  /* Seen on a band: 2018-04-15 16:20:43, a Sunday, UTC+3. */
  const gint64 clock = 1523809243 * G_TIME_SPAN_SECOND;
  g_autoptr (GBytes) frame = chip_frame_time (clock, 12);
  g_autoptr (GBytes) half = chip_frame_time (clock + G_TIME_SPAN_SECOND / 2, -14);
  gint64 back = 0;
  gint8 quarters = 0;

  assert_hex (frame, "e207 04 0f 10 14 2b 07 00 00 0c");
  assert_hex (half, "e207 04 0f 10 14 2b 07 80 00 f2");
  g_assert_true (chip_frame_parse_time (half, &back, &quarters));
  g_assert_cmpint (back, ==, clock);
  g_assert_cmpint (quarters, ==, -14);
}

static void
test_malformed_times (void)
{
  const char *const malformed[] = {
    "",
    "e207040f10142b0700",
    "e207040f10142b07000000ff",
    "e207 00 0f 10 14 2b 07 00 00 0c",
    "e207 0d 0f 10 14 2b 07 00 00 0c",
    "e207 02 1e 10 14 2b 07 00 00 0c",
    "e207 04 0f 18 14 2b 07 00 00 0c",
    "e207 04 0f 10 3c 2b 07 00 00 0c",
    "0000 04 0f 10 14 2b 07 00 00 0c",
    "b107 0c 1f 17 3b 3b 07 00 00 0c", /* 1969 */
  };
  gint64 clock = 42;
  gint8 quarters = 1;

  for (gsize i = 0; i < G_N_ELEMENTS (malformed); i++)
    {
      g_autoptr (GBytes) frame = gatt_value_from_hex (malformed[i], NULL);

      g_assert_false (chip_frame_parse_time (frame, &clock, &quarters));
      g_assert_cmpint (clock, ==, 42);
      g_assert_cmpint (quarters, ==, 1);
    }
}

static void
test_clock_texts (void)
{
  gint64 clock = 42;

  g_assert_true (chip_clock_text_parse ("2018-04-15 16:20:43", &clock));
  g_assert_cmpint (clock, ==, 1523809243 * G_TIME_SPAN_SECOND);
  g_assert_false (chip_clock_text_parse ("yesterday", &clock));
  g_assert_false (chip_clock_text_parse ("1969-12-31 23:59:59", &clock));
  g_assert_false (chip_clock_text_parse ("2018-02-30 00:00:00", &clock));
}

static void
test_history (void)
{
  const ChipMinute minutes[] = { { 1, 160, 107, 255 }, { 0, 0, 0, 255 } };
  g_autoptr (GBytes) request
      = gatt_value_from_hex ("01 01 e207 04 0f 10 14 00 0c", NULL);
  g_autoptr (GBytes) short_request = gatt_value_from_hex ("01 01 e207 04 0f 10 14 00", NULL);
  g_autoptr (GBytes) header
      = chip_frame_history_header (258, 1523809200 * G_TIME_SPAN_SECOND, 12);
  g_autoptr (GBytes) packet = chip_frame_history_packet (255, minutes, 2);
  gint64 since = 0;

  g_assert_true (chip_frame_parse_history_start (request, &since));
  g_assert_cmpint (since, ==, 1523809200 * G_TIME_SPAN_SECOND);
  g_assert_false (chip_frame_parse_history_start (short_request, &since));
  assert_hex (header, "10 01 01 02010000 e207 04 0f 10 14 00 0c");
  assert_hex (packet, "ff 01a06bff 000000ff");
}

static void
test_addresses (void)
{
  g_autoptr (GBytes) full = chip_frame_manufacturer_data ("F1:4F:BB:6A:B5:79", FALSE);
  g_autoptr (GBytes) brief = chip_frame_manufacturer_data ("F1:4F:BB:6A:B5:79", TRUE);
  g_autoptr (GBytes) system_id = chip_frame_system_id ("F1:4F:BB:6A:B5:79");

  assert_hex (full, "02 ffffffffffffffffffffffffffffffff 02 f14fbb6ab579");
  assert_hex (brief, "f14fbb6ab579");
  assert_hex (system_id, "79b56afeffbb4ff1");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/chip-frames/steps", test_steps);
  g_test_add_func ("/chip-frames/resize", test_resize);
  g_test_add_func ("/chip-frames/orientation", test_orientation);
  g_test_add_func ("/chip-frames/time", test_time);
  g_test_add_func ("/chip-frames/malformed-times", test_malformed_times);
  g_test_add_func ("/chip-frames/clock-texts", test_clock_texts);
  g_test_add_func ("/chip-frames/history", test_history);
  g_test_add_func ("/chip-frames/addresses", test_addresses);
  return g_test_run ();
}
