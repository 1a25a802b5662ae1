/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gatt-value.h"

#include <string.h>

static void
assert_hex (GBytes *value, const char *expected)
{
  g_autofree char *hex = gatt_value_to_hex (value);

  g_assert_cmpstr (hex, ==, expected);
}

static void
test_integers (void)
{
  const struct
  {
    guint32 integer;
    const char *hex;
  } cases[] = {
    { 0, "00" },           { 5, "05" },           { 0xff, "ff" },
    { 0x100, "0001" },     { 0x1234, "3412" },    { 0xffff, "ffff" },
    { 0x10000, "00000100" }, { 0x12345678, "78563412" }, { G_MAXUINT32, "ffffffff" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GBytes) value = gatt_value_from_integer (cases[i].integer);
      guint32 back = 0;

      assert_hex (value, cases[i].hex);
      g_assert_true (gatt_value_to_integer (value, &back));
      g_assert_cmpuint (back, ==, cases[i].integer);
    }
}

static void
test_integers_of_other_sizes (void)
{
  g_autoptr (GBytes) empty = g_bytes_new (NULL, 0);
  g_autoptr (GBytes) three = gatt_value_from_hex ("01 02 03", NULL);
  g_autoptr (GBytes) five = gatt_value_from_hex ("0102030405", NULL);
  guint32 integer = 42;

  g_assert_false (gatt_value_to_integer (empty, &integer));
  g_assert_false (gatt_value_to_integer (five, &integer));
  g_assert_cmpuint (integer, ==, 42);
  g_assert_true (gatt_value_to_integer (three, &integer));
  g_assert_cmpuint (integer, ==, 0x030201);
}

static void
test_strings (void)
{
  g_autoptr (GBytes) plain = gatt_value_from_string ("ABC DEF");
  g_autoptr (GBytes) empty = gatt_value_from_string ("");
  g_autoptr (GBytes) padded = gatt_value_from_hex ("48 4d 30 44 00 00", NULL);
  g_autoptr (GBytes) bad = gatt_value_from_hex ("41 ff 42", NULL);
  g_autofree char *plain_text = gatt_value_to_string (plain);
  g_autofree char *empty_text = gatt_value_to_string (empty);
  g_autofree char *padded_text = gatt_value_to_string (padded);
  g_autofree char *bad_text = gatt_value_to_string (bad);

  assert_hex (plain, "41424320444546");
  g_assert_cmpstr (plain_text, ==, "ABC DEF");
  g_assert_cmpuint (g_bytes_get_size (empty), ==, 0);
  g_assert_cmpstr (empty_text, ==, "");
  g_assert_cmpstr (padded_text, ==, "HM0D");
  g_assert_cmpstr (bad_text, ==, "A\357\277\275B");
}

static void
test_hex (void)
{
  const char *const malformed[] = { "0", "012", "0g", "x", "0 1", "0x01" };
  g_autoptr (GBytes) empty = gatt_value_from_hex ("", NULL);
  g_autoptr (GBytes) mixed = gatt_value_from_hex ("aB:cd 01", NULL);

  g_assert_cmpuint (g_bytes_get_size (empty), ==, 0);
  assert_hex (mixed, "abcd01");
  for (gsize i = 0; i < G_N_ELEMENTS (malformed); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (gatt_value_from_hex (malformed[i], &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
    }
}

static void
test_variants (void)
{
  g_autoptr (GBytes) value = gatt_value_from_hex ("00 01 ff", NULL);
  g_autoptr (GVariant) variant = g_variant_ref_sink (gatt_value_to_variant (value));
  g_autoptr (GBytes) back = gatt_value_from_variant (variant);
  g_autoptr (GBytes) empty = g_bytes_new (NULL, 0);
  g_autoptr (GVariant) empty_variant = g_variant_ref_sink (gatt_value_to_variant (empty));

  g_assert_cmpstr (g_variant_get_type_string (variant), ==, "ay");
  g_assert_true (g_bytes_equal (value, back));
  g_assert_cmpuint (g_variant_n_children (empty_variant), ==, 0);
}

static void
test_splices (void)
{
  g_autoptr (GBytes) value = gatt_value_from_hex ("01020304", NULL);
  g_autoptr (GBytes) part = gatt_value_from_hex ("aabb", NULL);
  g_autoptr (GBytes) at_start = gatt_value_splice (value, 0, part);
  g_autoptr (GBytes) inside = gatt_value_splice (value, 1, part);
  g_autoptr (GBytes) at_end = gatt_value_splice (value, 4, part);
  g_autofree guint8 *zeros = g_malloc0 (GATT_VALUE_MAX_SIZE + 1);
  g_autoptr (GBytes) longest = g_bytes_new (zeros, GATT_VALUE_MAX_SIZE);
  g_autoptr (GBytes) too_long = g_bytes_new (zeros, GATT_VALUE_MAX_SIZE + 1);
  g_autoptr (GBytes) whole = gatt_value_splice (value, 0, longest);

  assert_hex (at_start, "aabb");
  assert_hex (inside, "01aabb");
  assert_hex (at_end, "01020304aabb");
  g_assert_true (g_bytes_equal (whole, longest));
  g_assert_null (gatt_value_splice (value, 5, part));
  g_assert_null (gatt_value_splice (value, 1, longest));
  g_assert_null (gatt_value_splice (value, 0, too_long));
}

static void
test_uuids (void)
{
  const struct
  {
    const char *uuid, *full;
  } cases[] = {
    { "fee0", "0000fee0-0000-1000-8000-00805f9b34fb" },
    { "FEE0", "0000fee0-0000-1000-8000-00805f9b34fb" },
    { "0x2a19", "00002a19-0000-1000-8000-00805f9b34fb" },
    { "12345678", "12345678-0000-1000-8000-00805f9b34fb" },
    { "00000007-0000-3512-2118-0009AF100700", "00000007-0000-3512-2118-0009af100700" },
  };
  const char *const malformed[]
      = { "", "0x", "fee", "fee00", "feeg", "0x00000007-0000-3512-2118-0009af100700",
          "00000007-0000-3512-2118-0009af10070", "00000007000035122118-0009af100700" };
  g_autofree char *of_integer = gatt_uuid_from_integer (1234);
  g_autofree char *of_bytes = gatt_uuid_from_bytes ((const guint8 *) "1234567890123456");

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *full = gatt_uuid_normalize (cases[i].uuid, NULL);

      g_assert_cmpstr (full, ==, cases[i].full);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (malformed); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (gatt_uuid_normalize (malformed[i], &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
    }
  g_assert_cmpstr (of_integer, ==, "000004d2-0000-1000-8000-00805f9b34fb");
  g_assert_cmpstr (of_bytes, ==, "36353433-3231-3039-3837-363534333231");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/gatt-value/integers", test_integers);
  g_test_add_func ("/gatt-value/integers-of-other-sizes", test_integers_of_other_sizes);
  g_test_add_func ("/gatt-value/strings", test_strings);
  g_test_add_func ("/gatt-value/hex", test_hex);
  g_test_add_func ("/gatt-value/variants", test_variants);
  g_test_add_func ("/gatt-value/splices", test_splices);
  g_test_add_func ("/gatt-value/uuids", test_uuids);
  return g_test_run ();
}
