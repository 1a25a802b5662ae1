/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* In what ways a virtual chip differs from a plain one. A quirk has a name, a type and a plain
 * value; README.md lists them for people, chip-quirks.c for the program. Pure. */

typedef enum
{
  CHIP_QUIRK_STEP_FLAGS,
  CHIP_QUIRK_STEP_LENGTH,
  CHIP_QUIRK_BATTERY_PAYLOAD,
  CHIP_QUIRK_NAME_PAYLOAD,
  CHIP_QUIRK_TIME_PAYLOAD,
  CHIP_QUIRK_TIME_LENGTH,
  CHIP_QUIRK_TIME_WRITE,
  CHIP_QUIRK_ORIENTATION,
  CHIP_QUIRK_ORIENTATION_DELAY,
  CHIP_QUIRK_AUTH_PREAMBLE,
  CHIP_QUIRK_AUTH_KEY,
  CHIP_QUIRK_AUTH_RANDOM,
  CHIP_QUIRK_AUTH_VERIFY,
  CHIP_QUIRK_AUTH_HIGH_BIT,
  CHIP_QUIRK_AUTH_DELAY,
  CHIP_QUIRK_AUTH_DROP_BEFORE,
  CHIP_QUIRK_AUTH_DROP_AFTER,
  CHIP_QUIRK_AUTH_SERVICE,
  CHIP_QUIRK_SHAKE_WINDOW,
  CHIP_QUIRK_PAIRING_RESET,
  CHIP_QUIRK_MIDNIGHT_RESET,
  CHIP_QUIRK_IDLE_TIMEOUT,
  CHIP_QUIRK_VANISH_ON_READ,
  CHIP_QUIRK_FAIL_READ,
  CHIP_QUIRK_READ_DELAY,
  CHIP_QUIRK_MISSING,
  CHIP_QUIRK_EXTRA,
  CHIP_QUIRK_GAP_SERVICE,
  CHIP_QUIRK_HISTORY,
  CHIP_QUIRK_ADVERTISED_STEPS,
  CHIP_QUIRK_GARBAGE,
  CHIP_QUIRK_LAST
} ChipQuirk;

typedef struct _ChipQuirks ChipQuirks;

ChipQuirks *chip_quirks_new (void);
ChipQuirks *chip_quirks_copy (const ChipQuirks *self);
void chip_quirks_free (ChipQuirks *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ChipQuirks, chip_quirks_free)

gboolean chip_quirks_set (ChipQuirks *self, const char *name, GVariant *value, ChipQuirk *quirk,
                          GError **error);
gboolean chip_quirks_parse (ChipQuirks *self, const char *assignment, GError **error);
void chip_quirks_clear (ChipQuirks *self);

gboolean chip_quirks_is_set (const ChipQuirks *self, ChipQuirk quirk);
guint32 chip_quirks_get_number (const ChipQuirks *self, ChipQuirk quirk);
gboolean chip_quirks_get_boolean (const ChipQuirks *self, ChipQuirk quirk);
const char *chip_quirks_get_text (const ChipQuirks *self, ChipQuirk quirk);
GBytes *chip_quirks_get_bytes (const ChipQuirks *self, ChipQuirk quirk);
gboolean chip_quirks_text_is (const ChipQuirks *self, ChipQuirk quirk, const char *text);
gboolean chip_quirks_text_has (const ChipQuirks *self, ChipQuirk quirk, const char *word);
gboolean chip_quirk_is_structural (ChipQuirk quirk);
char *chip_quirks_describe (void);
