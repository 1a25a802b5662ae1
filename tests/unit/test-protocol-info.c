/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Static information and advertisements. */
#include "core2-protocol.h"

#include <string.h>

#include "test-bytes.h"

#define REPLACEMENT "\xef\xbf\xbd"

typedef struct
{
  const char *hex;
  const char *text;
} TextCase;

static const TextCase text_cases[] = {
  { "", "" },
  { "484d3044", "HM0D" },
  { "484d3044000000000000", "HM0D" },
  { "484d304400414243", "HM0D" },
  { "00414243", "" },
  { "56302e312e312e312020", "V0.1.1.1" },
  { "c3a4c3b6", "\xc3\xa4\xc3\xb6" },
  { "41ff42", "A" REPLACEMENT "B" },
  { "41c3", "A" REPLACEMENT },
  { "eda080", REPLACEMENT REPLACEMENT REPLACEMENT },
  { "411b5b33316d42", "A" REPLACEMENT "[31mB" },
  { "417f42c28543", "A" REPLACEMENT "B" REPLACEMENT "C" },
};

static void
test_text (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (text_cases); i++)
    {
      g_auto (TestBytes) bytes = test_bytes_from_hex (text_cases[i].hex);
      g_autofree char *text = core2_protocol_decode_text (bytes.data, bytes.size);

      g_assert_cmpstr (text, ==, text_cases[i].text);
    }
}

/* Text of characters with @width bytes each, far too long. */
static void
check_bound (const char *character, gsize expected)
{
  g_autoptr (GString) long_text = g_string_new (NULL);
  g_autofree char *text = NULL;

  while (long_text->len < 600)
    g_string_append (long_text, character);
  text = core2_protocol_decode_text ((const guint8 *) long_text->str, long_text->len);
  g_assert_cmpuint (strlen (text), ==, expected);
  g_assert_true (g_utf8_validate (text, -1, NULL));
  g_assert_true (g_str_has_prefix (long_text->str, text));
}

static void
test_text_bounded (void)
{
  g_autofree char *text = NULL;
  guint8 invalid[200];

  check_bound ("a", 128);
  check_bound ("\xc3\xa4", 128);
  check_bound ("\xe2\x82\xac", 126);
  check_bound ("\xf0\x9f\x91\x9f", 128);
  /* Each bad byte becomes three: still bounded, and cut between characters. */
  memset (invalid, 0xff, sizeof invalid);
  text = core2_protocol_decode_text (invalid, sizeof invalid);
  g_assert_cmpuint (strlen (text), ==, 126);
  g_assert_true (g_utf8_validate (text, -1, NULL));
}

static void
test_appearance (void)
{
  guint16 appearance = 7;

  g_assert_cmpint (core2_protocol_decode_appearance (NULL, 0, &appearance), ==,
                   CORE2_DECODE_EMPTY);
  g_assert_cmpint (core2_protocol_decode_appearance ((guint8[]){ 1 }, 1, &appearance), ==,
                   CORE2_DECODE_SHORT);
  g_assert_cmpint (core2_protocol_decode_appearance ((guint8[]){ 1, 2, 3 }, 3, &appearance), ==,
                   CORE2_DECODE_LONG);
  g_assert_cmpuint (appearance, ==, 7);
  g_assert_cmpint (core2_protocol_decode_appearance ((guint8[]){ 0xc1, 0x03 }, 2, &appearance),
                   ==, CORE2_DECODE_OK);
  g_assert_cmphex (appearance, ==, 0x03c1);
}

static void
test_privacy_flag (void)
{
  guint8 flag = 7;

  g_assert_cmpint (core2_protocol_decode_privacy_flag (NULL, 0, &flag), ==, CORE2_DECODE_EMPTY);
  g_assert_cmpint (core2_protocol_decode_privacy_flag ((guint8[]){ 2 }, 1, &flag), ==,
                   CORE2_DECODE_RANGE);
  g_assert_cmpint (core2_protocol_decode_privacy_flag ((guint8[]){ 1, 0 }, 2, &flag), ==,
                   CORE2_DECODE_LONG);
  g_assert_cmpuint (flag, ==, 7);
  g_assert_cmpint (core2_protocol_decode_privacy_flag ((guint8[]){ 1 }, 1, &flag), ==,
                   CORE2_DECODE_OK);
  g_assert_cmpuint (flag, ==, 1);
}

/* The verdict on a value of @wanted bytes, for every size around it. */
static Core2Decode
expect_exact (gsize size, gsize wanted)
{
  if (size == 0)
    return CORE2_DECODE_EMPTY;
  if (size == wanted)
    return CORE2_DECODE_OK;
  return size < wanted ? CORE2_DECODE_SHORT : CORE2_DECODE_LONG;
}

static void
test_connection_parameters (void)
{
  g_auto (TestBytes) full = test_bytes_from_hex ("1800 2800 0000 FFFF 00");

  for (gsize size = 0; size <= full.size; size++)
    {
      g_auto (TestBytes) bytes = test_bytes_copy (full.data, size);
      Core2ConnectionParameters parameters = { .latency = 7 };

      g_assert_cmpint (core2_protocol_decode_connection_parameters (bytes.data, size, &parameters),
                       ==, expect_exact (size, 8));
      g_assert_cmpuint (parameters.latency, ==, size == 8 ? 0 : 7);
      if (size != 8)
        continue;
      g_assert_cmpuint (parameters.min_interval, ==, 24);
      g_assert_cmpuint (parameters.max_interval, ==, 40);
      g_assert_cmphex (parameters.timeout_multiplier, ==, CORE2_CONNECTION_NO_VALUE);
    }
}

static void
test_service_changed (void)
{
  g_auto (TestBytes) full = test_bytes_from_hex ("0100 FFFF 00");

  for (gsize size = 0; size <= full.size; size++)
    {
      g_auto (TestBytes) bytes = test_bytes_copy (full.data, size);
      guint16 first = 7;
      guint16 last = 7;

      g_assert_cmpint (core2_protocol_decode_service_changed (bytes.data, size, &first, &last), ==,
                       expect_exact (size, 4));
      g_assert_cmphex (first, ==, size == 4 ? 1 : 7);
      g_assert_cmphex (last, ==, size == 4 ? 0xffff : 7);
    }
}

static void
test_system_id (void)
{
  g_auto (TestBytes) full = test_bytes_from_hex ("0102030405 A1A2A3 00");

  for (gsize size = 0; size <= full.size; size++)
    {
      g_auto (TestBytes) bytes = test_bytes_copy (full.data, size);
      Core2SystemId id = { 7, 7 };

      g_assert_cmpint (core2_protocol_decode_system_id (bytes.data, size, &id), ==,
                       expect_exact (size, 8));
      g_assert_cmphex (id.manufacturer, ==, size == 8 ? G_GUINT64_CONSTANT (0x0504030201) : 7);
      g_assert_cmphex (id.oui, ==, size == 8 ? 0xa3a2a1 : 7);
    }
}

static void
test_pnp_id (void)
{
  g_auto (TestBytes) full = test_bytes_from_hex ("01 5701 0800 0301 00");

  for (gsize size = 0; size <= full.size; size++)
    {
      g_auto (TestBytes) bytes = test_bytes_copy (full.data, size);
      Core2PnpId id = { 7, 7, 7, 7 };

      g_assert_cmpint (core2_protocol_decode_pnp_id (bytes.data, size, &id), ==,
                       expect_exact (size, 7));
      g_assert_cmpuint (id.source, ==, size == 7 ? 1 : 7);
      g_assert_cmphex (id.vendor, ==, size == 7 ? 0x0157 : 7);
      g_assert_cmphex (id.product, ==, size == 7 ? 8 : 7);
      g_assert_cmphex (id.version, ==, size == 7 ? 0x0103 : 7);
    }
}

static void
test_match (void)
{
  static const char *const chips[] = { "HM0D", "hm0d", "Hm0D" };
  static const char *const others[] = { "", "HM0D ", "HM0", "HM0DX", "Mi Band 2", "H\0M0D", NULL };

  for (guint i = 0; i < 4; i++)
    {
      gboolean service = i & 1;
      gboolean company = i & 2;

      for (guint k = 0; k < G_N_ELEMENTS (chips); k++)
        g_assert_cmpint (core2_protocol_match_advertisement (chips[k], service, company), ==,
                         CORE2_MATCH_YES);
      for (guint k = 0; k < G_N_ELEMENTS (others); k++)
        g_assert_cmpint (core2_protocol_match_advertisement (others[k], service, company), ==,
                         service && company ? CORE2_MATCH_MAYBE : CORE2_MATCH_NO);
    }
}

static void
test_manufacturer_data (void)
{
  g_auto (TestBytes) full = test_bytes_from_hex ("02 ffffffffffffffffffffffffffffffff"
                                                 "02 f14fbb6ab579");
  guint64 address = 0;

  g_assert_true (
      core2_protocol_address_from_manufacturer_data (full.data, full.size, &address));
  g_assert_cmphex (address, ==, G_GUINT64_CONSTANT (0xf14fbb6ab579));
  address = 7;
  for (gsize size = 0; size < full.size; size++)
    {
      g_auto (TestBytes) bytes = test_bytes_copy (full.data, size);
      gboolean found = core2_protocol_address_from_manufacturer_data (bytes.data, size, &address);

      if (size < 6)
        g_assert_false (found);
    }
  address = 7;
  g_assert_false (core2_protocol_address_from_manufacturer_data (full.data + 1, 16, &address));
  g_assert_false (
      core2_protocol_address_from_manufacturer_data ((guint8[6]){ 0 }, 6, &address));
  g_assert_cmphex (address, ==, 7);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/info/text", test_text);
  g_test_add_func ("/info/text-bounded", test_text_bounded);
  g_test_add_func ("/info/appearance", test_appearance);
  g_test_add_func ("/info/privacy-flag", test_privacy_flag);
  g_test_add_func ("/info/connection-parameters", test_connection_parameters);
  g_test_add_func ("/info/service-changed", test_service_changed);
  g_test_add_func ("/info/system-id", test_system_id);
  g_test_add_func ("/info/pnp-id", test_pnp_id);
  g_test_add_func ("/info/match", test_match);
  g_test_add_func ("/info/manufacturer-data", test_manufacturer_data);
  return g_test_run ();
}
