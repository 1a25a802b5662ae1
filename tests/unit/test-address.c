/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-address.h"

#define ADDRESS G_GUINT64_CONSTANT (0xf14fbb6ab579)

static const char *const malformed[] = {
  "",
  "f1",
  "f1:4f:bb:6a:b5",
  "f1:4f:bb:6a:b5:",
  "f1:4f:bb:6a:b5:7",
  "f1:4f:bb:6a:b5:7g",
  "f1:4f:bb:6a:b5:79:",
  "f1:4f:bb:6a:b5:79 ",
  " f1:4f:bb:6a:b5:79",
  "f1-4f-bb-6a-b5-79",
  "f1_4f_bb_6a_b5_79",
  "f14fbb6ab579",
  "f1:4f:bb:6a::b579",
  "+1:4f:bb:6a:b5:79",
  "0x:4f:bb:6a:b5:79",
  "f1:4f:bb:6a:b5:7\xef\xbc\x99",
};

static void
test_parse (void)
{
  guint64 address = 0;

  g_assert_true (core2_address_parse ("f1:4f:bb:6a:b5:79", &address));
  g_assert_cmphex (address, ==, ADDRESS);
  address = 0;
  g_assert_true (core2_address_parse ("F1:4f:BB:6a:B5:79", &address));
  g_assert_cmphex (address, ==, ADDRESS);
  g_assert_true (core2_address_parse ("00:00:00:00:00:00", &address));
  g_assert_cmphex (address, ==, 0);
  g_assert_true (core2_address_parse ("ff:ff:ff:ff:ff:ff", &address));
  g_assert_cmphex (address, ==, G_GUINT64_CONSTANT (0xffffffffffff));
}

static void
test_parse_malformed (void)
{
  guint64 address = 42;

  g_assert_false (core2_address_parse (NULL, &address));
  for (guint i = 0; i < G_N_ELEMENTS (malformed); i++)
    {
      /* A copy of exactly its size: reading beyond the end would be seen. */
      g_autofree char *text = g_strdup (malformed[i]);

      g_assert_false (core2_address_parse (text, &address));
    }
  g_assert_cmpuint (address, ==, 42);
}

static void
test_path_element (void)
{
  char element[CORE2_ADDRESS_TEXT_SIZE];
  guint64 address = 0;

  core2_address_format_path_element (ADDRESS, element);
  g_assert_cmpstr (element, ==, "F1_4F_BB_6A_B5_79");
  g_assert_true (core2_address_parse_path_element ("f1_4f_Bb_6a_b5_79", &address));
  g_assert_cmphex (address, ==, ADDRESS);
  g_assert_false (core2_address_parse_path_element ("f1:4f:bb:6a:b5:79", &address));
  g_assert_false (core2_address_parse_path_element (NULL, &address));
}

static void
test_normalise (void)
{
  char text[CORE2_ADDRESS_TEXT_SIZE] = "f1:4F:bb:6A:b5:79";

  g_assert_true (core2_address_normalise (text, text));
  g_assert_cmpstr (text, ==, "F1:4F:BB:6A:B5:79");
  g_assert_false (core2_address_normalise ("F1:4F:BB:6A:B5", text));
  g_assert_cmpstr (text, ==, "F1:4F:BB:6A:B5:79");
}

static void
test_round_trip (void)
{
  for (guint i = 0; i < 1000; i++)
    {
      guint64 address = (guint64) g_test_rand_int_range (0, 1 << 24) << 24
                        | (guint64) g_test_rand_int_range (0, 1 << 24);
      char text[CORE2_ADDRESS_TEXT_SIZE];
      guint64 parsed = 0;

      core2_address_format (address, text);
      g_assert_true (core2_address_parse (text, &parsed));
      g_assert_cmphex (parsed, ==, address);
      core2_address_format_path_element (address, text);
      g_assert_true (core2_address_parse_path_element (text, &parsed));
      g_assert_cmphex (parsed, ==, address);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/address/parse", test_parse);
  g_test_add_func ("/address/parse-malformed", test_parse_malformed);
  g_test_add_func ("/address/path-element", test_path_element);
  g_test_add_func ("/address/normalise", test_normalise);
  g_test_add_func ("/address/round-trip", test_round_trip);
  return g_test_run ();
}
