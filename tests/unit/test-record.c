/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-store-fixture.h"

static void
test_sides (void)
{
  Core2Side side = CORE2_SIDE_LEFT;

  g_assert_cmpstr (core2_side_get_name (CORE2_SIDE_UNKNOWN), ==, "unknown");
  g_assert_true (core2_side_from_name ("right", &side));
  g_assert_cmpint (side, ==, CORE2_SIDE_RIGHT);
  g_assert_false (core2_side_from_name ("Left", &side));
  g_assert_false (core2_side_from_name (NULL, &side));
  g_assert_cmpint (side, ==, CORE2_SIDE_RIGHT);
}

static void
assert_damaged (const char *text, gsize size)
{
  Core2ChipRecord *record = NULL;
  g_autofree char *reason = NULL;

  g_assert_cmpint (core2_chip_record_from_text (text, size, &record, &reason), ==,
                   CORE2_RECORD_DAMAGED);
  g_assert_null (record);
  g_assert_true (g_utf8_validate (reason, -1, NULL));
}

/* A text cut off, or with any bit changed, is never taken for another number of steps. */
static void
test_damaged_text (void)
{
  g_autoptr (Core2ChipRecord) record = make_record (LEFT);
  g_autofree char *text = core2_chip_record_to_text (record);
  gsize size = strlen (text);

  for (gsize length = 0; length < size; length++)
    assert_damaged (text, length);
  for (gsize i = 0; i < size; i++)
    for (guint mask = 1; mask <= 0x80; mask <<= 1)
      {
        text[i] ^= (char) mask;
        assert_damaged (text, size);
        text[i] ^= (char) mask;
      }
}

/* What only a program with faults or an attacker writes. */
static void
test_wrong_values (void)
{
  static const char *const edits[][2] = {
    { "Format=1", "Format=x" },
    { "Format=1\n", "" },
    { "Address=F1", "Address=f1" },
    { "Address=F1:4F:BB:6A:B5:79", "Address=../../../etc/x" },
    { "Side=right", "Side=Right" },
    { "AutoConnect=false", "AutoConnect=maybe" },
    { "DailyGoal=4000000000", "DailyGoal=4294967296" },
    { "Battery=0", "Battery=101" },
    { "Battery=0", "Battery=-1" },
    { "Total=123456789012345", "Total=1e9" },
    { "Total=123456789012345", "Total=-1" },
    { "Total=123456789012345", "Total=99999999999999999999" },
    { "Day=2026-11-21", "Day=2026-11-31" },
    { "2026-11-20=1000", "2026-13-20=1000" },
    { "2026-11-20=1000", "2026-11-20=" },
    { "2026-11-20=1000", "2026-11-20=1\n2026-11-01=5" },
    { "Midnight=3", "Midnight=9" },
    { "Pairing=1", "Pairing=256" },
    { "IsReset=true\n", "" },
    { "Boot=9", "Boot=" },
    { "Name=HM0D", "Name=\xff" },
    { "Name=HM0D", "Name" },
    { "[Chip]", "[Chip" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (edits); i++)
    {
      g_autofree char *text = edit (edits[i][0], edits[i][1]);

      assert_damaged (text, strlen (text));
    }
  g_autofree char *empty = add_checksum ("");

  assert_damaged (empty, strlen (empty));
}

/* A later version of the same format may add keys. */
static void
test_unknown_keys (void)
{
  g_autoptr (Core2ChipRecord) expected = make_record (LEFT);
  g_autoptr (Core2ChipRecord) record = NULL;
  g_autofree char *text = edit ("Name=HM0D", "Colour=red\nName=HM0D");
  g_autofree char *reason = NULL;

  g_assert_cmpint (core2_chip_record_from_text (text, strlen (text), &record, &reason), ==,
                   CORE2_RECORD_OK);
  assert_same (record, expected);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/record/sides", test_sides);
  g_test_add_func ("/record/damaged-text", test_damaged_text);
  g_test_add_func ("/record/wrong-values", test_wrong_values);
  g_test_add_func ("/record/unknown-keys", test_unknown_keys);
  return g_test_run ();
}
