/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file of a chip: any bytes, as they are and with a checksum that makes them pass for our own.
 * What is accepted must be sane, and come back the same from being written and read again. */
#include "core2-record.h"

#include "fuzz-target.h"

#include <string.h>

static void
check_sane (const Core2ChipRecord *record)
{
  char normal[CORE2_ADDRESS_TEXT_SIZE];

  g_assert_true (core2_address_normalise (record->address, normal));
  g_assert_cmpstr (record->address, ==, normal);
  g_assert_true (g_utf8_validate (record->name, -1, NULL));
  g_assert_true (g_utf8_validate (record->alias, -1, NULL));
  g_assert_true (record->battery <= 100 || record->battery == 255);
  g_assert_nonnull (core2_side_get_name (record->side));
}

static void
check_text (const char *text, gsize size)
{
  g_autoptr (Core2ChipRecord) record = NULL;
  g_autoptr (Core2ChipRecord) again = NULL;
  g_autofree char *reason = NULL;

  if (core2_chip_record_from_text (text, size, &record, &reason) != CORE2_RECORD_OK)
    {
      g_assert_null (record);
      g_assert_true (g_utf8_validate (reason, -1, NULL));
      return;
    }
  g_assert_null (reason);
  check_sane (record);

  g_autofree char *first = core2_chip_record_to_text (record);

  g_assert_cmpint (core2_chip_record_from_text (first, strlen (first), &again, &reason), ==,
                   CORE2_RECORD_OK);

  g_autofree char *second = core2_chip_record_to_text (again);

  g_assert_cmpstr (first, ==, second);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GString) text = g_string_new_len ((const char *) data, (gssize) size);
  g_autofree char *checksum = g_compute_checksum_for_data (G_CHECKSUM_SHA256, data, size);

  check_text (text->str, text->len);
  g_string_append_printf (text, "[Check]\nSha256=%s\n", checksum);
  check_text (text->str, text->len);
  return 0;
}
