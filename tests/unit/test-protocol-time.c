/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-protocol.h"

#include "test-bytes.h"

/* Seen on a real device: 2018-04-15 16:20:43 at UTC+3. */
#define REAL "e2 07 04 0f 10 14 2b 07 00 00 0c"
#define REAL_UNIX 1523798443

static Core2ChipTime
decode (const char *hex)
{
  g_auto (TestBytes) bytes = test_bytes_from_hex (hex);
  Core2ChipTime time = { 0 };

  g_assert_cmpint (core2_protocol_decode_time (bytes.data, bytes.size, &time), ==,
                   CORE2_DECODE_OK);
  return time;
}

static void
check_text (const Core2ChipTime *time, const char *expected)
{
  char text[CORE2_TIME_TEXT_SIZE];

  core2_chip_time_format (time, text);
  g_assert_cmpstr (text, ==, expected);
}

static void
test_real (void)
{
  g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();
  Core2ChipTime time = decode (REAL);

  g_assert_cmpuint (time.year, ==, 2018);
  g_assert_cmpuint (time.month, ==, 4);
  g_assert_cmpuint (time.day, ==, 15);
  g_assert_cmpuint (time.hour, ==, 16);
  g_assert_cmpuint (time.minute, ==, 20);
  g_assert_cmpuint (time.second, ==, 43);
  g_assert_cmpuint (time.weekday, ==, 7);
  g_assert_true (time.zone_known);
  g_assert_cmpint (time.zone_quarters, ==, 12);
  check_text (&time, "2018-04-15T16:20:43+03:00");
  g_assert_cmpint (core2_chip_time_to_unix (&time, utc), ==, REAL_UNIX);
}

static void
test_truncated (void)
{
  g_auto (TestBytes) full = test_bytes_from_hex (REAL "ff ff");

  for (gsize size = 0; size <= full.size; size++)
    {
      g_auto (TestBytes) bytes = test_bytes_copy (full.data, size);
      Core2ChipTime time = { .year = 1 };
      Core2Decode result = core2_protocol_decode_time (bytes.data, size, &time);

      if (size < 7)
        {
          g_assert_cmpint (result, ==, size == 0 ? CORE2_DECODE_EMPTY : CORE2_DECODE_SHORT);
          g_assert_cmpuint (time.year, ==, 1);
          continue;
        }
      g_assert_cmpint (result, ==, CORE2_DECODE_OK);
      g_assert_cmpuint (time.weekday, ==, size >= 8 ? 7 : 0);
      g_assert_cmpint (time.zone_known, ==, size >= 11);
      check_text (&time, size >= 11 ? "2018-04-15T16:20:43+03:00" : "2018-04-15T16:20:43");
    }
}

static void
test_zone_of_host (void)
{
  g_autoptr (GTimeZone) madrid = g_time_zone_new_identifier ("Europe/Madrid");
  Core2ChipTime time = decode ("e2 07 04 0f 10 14 2b 07 00 00");

  g_assert_nonnull (madrid);
  /* Two hours east in April. */
  g_assert_cmpint (core2_chip_time_to_unix (&time, madrid), ==, REAL_UNIX + 3600);
}

static void
test_zones (void)
{
  g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();
  Core2ChipTime time = decode (REAL);

  for (int raw = -128; raw <= 127; raw++)
    {
      gboolean possible = raw >= -48 && raw <= 56;

      core2_chip_time_set_zone (&time, (guint8) raw);
      g_assert_cmpint (time.zone_known, ==, possible);
      g_assert_cmpint (time.zone_quarters, ==, possible ? raw : 0);
      g_assert_cmpint (core2_chip_time_to_unix (&time, utc), ==,
                       REAL_UNIX + 3 * 3600 - (possible ? raw * 900 : 0));
    }
  core2_chip_time_set_zone (&time, (guint8) -14);
  check_text (&time, "2018-04-15T16:20:43-03:30");
  core2_chip_time_set_zone (&time, (guint8) -1);
  check_text (&time, "2018-04-15T16:20:43-00:15");
  core2_chip_time_set_zone (&time, 23);
  check_text (&time, "2018-04-15T16:20:43+05:45");
}

static const char *const impossible[] = {
  "00 00 04 0f 10 14 2b", /* no year */
  "2d 06 04 0f 10 14 2b", /* 1581 */
  "10 27 04 0f 10 14 2b", /* 10000 */
  "ff ff 04 0f 10 14 2b", "e2 07 00 0f 10 14 2b", "e2 07 0d 0f 10 14 2b",
  "e2 07 ff 0f 10 14 2b", "e2 07 04 00 10 14 2b", "e2 07 04 1f 10 14 2b", /* 31 April */
  "e2 07 02 1d 10 14 2b",                                                 /* 29 February 2018 */
  "e2 07 04 ff 10 14 2b", "e2 07 04 0f 18 14 2b", "e2 07 04 0f 10 3c 2b", "e2 07 04 0f 10 14 3c",
};

static void
test_impossible (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (impossible); i++)
    {
      g_auto (TestBytes) bytes = test_bytes_from_hex (impossible[i]);
      Core2ChipTime time = { .year = 1 };

      g_assert_cmpint (core2_protocol_decode_time (bytes.data, bytes.size, &time), ==,
                       CORE2_DECODE_RANGE);
      g_assert_cmpuint (time.year, ==, 1);
    }
  /* A leap day that exists. */
  decode ("e0 07 02 1d 10 14 2b");
}

static void
test_before_1970 (void)
{
  g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();
  Core2ChipTime time = decode ("b2 07 01 01 00 00 00 04 00 00 04");

  g_assert_cmpint (core2_chip_time_to_unix (&time, utc), ==, -1);
  time = decode ("b2 07 01 01 01 00 00 04 00 00 04");
  g_assert_cmpint (core2_chip_time_to_unix (&time, utc), ==, 0);
}

static void
test_encode (void)
{
  g_autoptr (GTimeZone) zone = g_time_zone_new_offset (3 * 3600);
  g_autoptr (GDateTime) local = g_date_time_new (zone, 2018, 4, 15, 16, 20, 43.5);
  g_auto (TestBytes) expected = test_bytes_from_hex ("e2 07 04 0f 10 14 2b 07 80 00 0c");
  guint8 data[CORE2_TIME_SIZE];

  g_assert_true (core2_protocol_encode_time (local, data));
  g_assert_cmpmem (data, sizeof data, expected.data, expected.size);
}

static void
test_encode_zones (void)
{
  static const struct
  {
    gint32 seconds;
    int quarters;
  } cases[] = {
    { 0, 0 },           { 900, 1 },          { 899, 0 },          { -1, -1 },
    { -900, -1 },       { -901, -2 },        { -12600, -14 },     { 20700, 23 },
    { 14 * 3600, 56 },  { -12 * 3600, -48 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GTimeZone) zone = g_time_zone_new_offset (cases[i].seconds);
      g_autoptr (GDateTime) local = g_date_time_new (zone, 2024, 2, 29, 23, 59, 59);
      guint8 data[CORE2_TIME_SIZE];

      g_assert_true (core2_protocol_encode_time (local, data));
      g_assert_cmpint ((gint8) data[10], ==, cases[i].quarters);
    }
}

static void
test_encode_impossible (void)
{
  g_autoptr (GTimeZone) far = g_time_zone_new_offset (15 * 3600);
  g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();
  g_autoptr (GDateTime) no_zone = g_date_time_new (far, 2018, 4, 15, 16, 20, 43);
  g_autoptr (GDateTime) too_early = g_date_time_new (utc, 1500, 4, 15, 16, 20, 43);
  guint8 data[CORE2_TIME_SIZE];

  g_assert_false (core2_protocol_encode_time (no_zone, data));
  g_assert_false (core2_protocol_encode_time (too_early, data));
}

static void
test_round_trip (void)
{
  for (guint i = 0; i < 1000; i++)
    {
      g_autoptr (GTimeZone) zone
          = g_time_zone_new_offset (900 * g_test_rand_int_range (-48, 57));
      g_autoptr (GDateTime) utc
          = g_date_time_new_from_unix_utc (86400 + (gint64) g_test_rand_int_range (0, G_MAXINT32));
      g_autoptr (GDateTime) local = g_date_time_to_timezone (utc, zone);
      Core2ChipTime time = { 0 };
      guint8 data[CORE2_TIME_SIZE];

      g_assert_true (core2_protocol_encode_time (local, data));
      g_assert_cmpint (core2_protocol_decode_time (data, sizeof data, &time), ==, CORE2_DECODE_OK);
      g_assert_cmpint (core2_chip_time_to_unix (&time, zone), ==, g_date_time_to_unix (utc));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/time/real", test_real);
  g_test_add_func ("/time/truncated", test_truncated);
  g_test_add_func ("/time/zone-of-host", test_zone_of_host);
  g_test_add_func ("/time/zones", test_zones);
  g_test_add_func ("/time/impossible", test_impossible);
  g_test_add_func ("/time/before-1970", test_before_1970);
  g_test_add_func ("/time/encode", test_encode);
  g_test_add_func ("/time/encode-zones", test_encode_zones);
  g_test_add_func ("/time/encode-impossible", test_encode_impossible);
  g_test_add_func ("/time/round-trip", test_round_trip);
  return g_test_run ();
}
