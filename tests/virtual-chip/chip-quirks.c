/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "chip-quirks.h"

#include "chip-characteristics.h"
#include "gatt-value.h"

#include <string.h>

typedef struct
{
  const char *name;
  const char *type;    /* D-Bus signature: u, b, s, ay */
  const char *plain;   /* the value of a plain chip, as text; NULL: none */
  const char *choices; /* of s: the words it may have; NULL: characteristics, with commas */
  const char *meaning;
} QuirkInfo;

#define STEPS_OF_THE_HANDSHAKE "none preamble key random verify"

static const QuirkInfo infos[CHIP_QUIRK_LAST] = {
  [CHIP_QUIRK_STEP_FLAGS] = { "step-flags", "u", "3", NULL,
                              "flags of the step frame, 0 to 15; its length follows" },
  [CHIP_QUIRK_STEP_LENGTH] = { "step-length", "u", NULL, NULL,
                               "cut or pad the step frame to so many bytes" },
  [CHIP_QUIRK_BATTERY_PAYLOAD] = { "battery-payload", "ay", NULL, NULL,
                                   "raw battery value, may be empty" },
  [CHIP_QUIRK_NAME_PAYLOAD] = { "name-payload", "ay", NULL, NULL, "raw device name (2A00)" },
  [CHIP_QUIRK_TIME_PAYLOAD] = { "time-payload", "ay", NULL, NULL, "raw current time (2A2B)" },
  [CHIP_QUIRK_TIME_LENGTH] = { "time-length", "u", NULL, NULL,
                               "cut the current time to so many bytes: 7, 9, 10" },
  [CHIP_QUIRK_TIME_WRITE] = { "time-write", "s", "accept", "accept refuse",
                              "whether the clock can be set" },
  [CHIP_QUIRK_ORIENTATION] = { "orientation", "s", "answer",
                               "answer silent short refuse duplicate",
                               "what follows a request for the orientation" },
  [CHIP_QUIRK_ORIENTATION_DELAY] = { "orientation-delay", "u", "1200", NULL,
                                     "milliseconds of model time until it follows" },
  [CHIP_QUIRK_AUTH_PREAMBLE] = { "auth-preamble", "s", "not-shaken", "not-shaken accept silent",
                                 "answer to a key message without key" },
  [CHIP_QUIRK_AUTH_KEY] = { "auth-key", "s", "shake",
                            "shake accept not-shaken accept-06 silent wrong-echo",
                            "answer to a new key; shake: wait for it" },
  [CHIP_QUIRK_AUTH_RANDOM] = { "auth-random", "s", "answer",
                               "answer refuse short silent wrong-echo",
                               "answer to the request for a challenge; short: 18 bytes" },
  [CHIP_QUIRK_AUTH_VERIFY] = { "auth-verify", "s", "check",
                               "check reject reject-08 silent wrong-echo",
                               "answer to the response; a wrong one is rejected in any case" },
  [CHIP_QUIRK_AUTH_HIGH_BIT] = { "auth-high-bit", "b", "false", NULL,
                                 "set the high bit of the command in answers" },
  [CHIP_QUIRK_AUTH_DELAY] = { "auth-delay", "u", "0", NULL,
                              "milliseconds until each answer of the handshake" },
  [CHIP_QUIRK_AUTH_DROP_BEFORE] = { "auth-drop-before", "s", "none", STEPS_OF_THE_HANDSHAKE,
                                    "drop the link instead of this answer" },
  [CHIP_QUIRK_AUTH_DROP_AFTER] = { "auth-drop-after", "s", "none", STEPS_OF_THE_HANDSHAKE,
                                   "drop the link after this answer" },
  [CHIP_QUIRK_AUTH_SERVICE] = { "auth-service", "s", "fee0", "fee0 fee1",
                                "service of the authentication characteristic" },
  [CHIP_QUIRK_SHAKE_WINDOW] = { "shake-window", "u", "30000", NULL,
                                "milliseconds that the red LED blinks" },
  [CHIP_QUIRK_PAIRING_RESET] = { "pairing-reset", "b", "true", NULL,
                                 "a new key resets the counter" },
  [CHIP_QUIRK_MIDNIGHT_RESET] = { "midnight-reset", "b", "true", NULL,
                                  "a new day resets the counter" },
  [CHIP_QUIRK_IDLE_TIMEOUT] = { "idle-timeout", "u", "60", NULL,
                                "seconds of model time until an idle chip sleeps, 0: never" },
  [CHIP_QUIRK_VANISH_ON_READ] = { "vanish-on-read", "s", "", NULL,
                                  "vanish in the middle of a read of these characteristics" },
  [CHIP_QUIRK_FAIL_READ] = { "fail-read", "s", "", NULL,
                             "refuse reads of these characteristics" },
  [CHIP_QUIRK_READ_DELAY] = { "read-delay", "u", "0", NULL,
                              "milliseconds until a read is answered" },
  [CHIP_QUIRK_MISSING] = { "missing", "s", "", NULL, "do not have these characteristics" },
  [CHIP_QUIRK_EXTRA] = { "extra", "s", "", NULL,
                         "have these too: firmware-revision, battery-service" },
  [CHIP_QUIRK_GAP_SERVICE] = { "gap-service", "b", "true", NULL,
                               "offer the services 1800 and 1801" },
  [CHIP_QUIRK_HISTORY] = { "history", "s", "answer", "answer refuse fail gap silent",
                           "how a fetch of the activity history goes" },
  [CHIP_QUIRK_ADVERTISED_STEPS] = { "advertised-steps", "b", "false", NULL,
                                    "advertise the counter as service data, as it is when "
                                    "advertising begins" },
  [CHIP_QUIRK_GARBAGE] = { "garbage", "u", "0", NULL,
                           "random bytes from this seed for each read and after each write" },
};

struct _ChipQuirks
{
  GVariant *values[CHIP_QUIRK_LAST]; /* NULL: plain */
};

/* Whether the quirk changes which attributes there are, so that they must be registered again. */
gboolean
chip_quirk_is_structural (ChipQuirk quirk)
{
  return quirk == CHIP_QUIRK_AUTH_SERVICE || quirk == CHIP_QUIRK_MISSING ||
         quirk == CHIP_QUIRK_EXTRA || quirk == CHIP_QUIRK_GAP_SERVICE;
}

/* A plain chip. Returns: (transfer full) */
ChipQuirks *
chip_quirks_new (void)
{
  return g_new0 (ChipQuirks, 1);
}

/* Returns: (transfer full) */
ChipQuirks *
chip_quirks_copy (const ChipQuirks *self)
{
  ChipQuirks *copy = chip_quirks_new ();

  for (int i = 0; i < CHIP_QUIRK_LAST; i++)
    if (self->values[i] != NULL)
      copy->values[i] = g_variant_ref (self->values[i]);
  return copy;
}

void
chip_quirks_free (ChipQuirks *self)
{
  chip_quirks_clear (self);
  g_free (self);
}

/* Back to a plain chip. */
void
chip_quirks_clear (ChipQuirks *self)
{
  for (int i = 0; i < CHIP_QUIRK_LAST; i++)
    g_clear_pointer (&self->values[i], g_variant_unref);
}

static gboolean
find_quirk (const char *name, ChipQuirk *quirk, GError **error)
{
  for (int i = 0; i < CHIP_QUIRK_LAST; i++)
    if (g_str_equal (infos[i].name, name))
      {
        *quirk = (ChipQuirk) i;
        return TRUE;
      }
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "there is no quirk '%s'", name);
  return FALSE;
}

static gboolean
check_text (const QuirkInfo *info, const char *text, GError **error)
{
  g_auto (GStrv) words = NULL;

  if (info->choices != NULL)
    {
      words = g_strsplit (info->choices, " ", -1);
      if (g_strv_contains ((const char *const *) words, text))
        return TRUE;
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s is one of: %s", info->name,
                   info->choices);
      return FALSE;
    }
  words = g_strsplit (text, ",", -1);
  for (guint i = 0; words[i] != NULL; i++)
    if (*words[i] != '\0' && chip_characteristic_from_name (words[i]) == CHIP_CHARACTERISTIC_LAST)
      {
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                     "%s: the chip has no characteristic '%s'", info->name, words[i]);
        return FALSE;
      }
  return TRUE;
}

/* Sets a quirk by name.
 * @value: of the quirk's type; a floating one is consumed
 * @quirk: (out) (optional): which one it was
 * Errors: G_IO_ERROR_INVALID_ARGUMENT for an unknown name, a wrong type or a word that the quirk
 * does not know; nothing has changed then. */
gboolean
chip_quirks_set (ChipQuirks *self, const char *name, GVariant *value, ChipQuirk *quirk,
                 GError **error)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (value);
  ChipQuirk found;

  if (!find_quirk (name, &found, error))
    return FALSE;
  if (!g_variant_is_of_type (value, G_VARIANT_TYPE (infos[found].type)))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s is of type %s", name,
                   infos[found].type);
      return FALSE;
    }
  if (g_str_equal (infos[found].type, "s") &&
      !check_text (&infos[found], g_variant_get_string (value, NULL), error))
    return FALSE;
  g_clear_pointer (&self->values[found], g_variant_unref);
  self->values[found] = g_steal_pointer (&owned);
  if (quirk != NULL)
    *quirk = found;
  return TRUE;
}

static GVariant *
parse_value (const QuirkInfo *info, const char *text, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;
  guint64 number;

  if (g_str_equal (info->type, "s"))
    return g_variant_new_string (text);
  if (g_str_equal (info->type, "ay"))
    {
      bytes = gatt_value_from_hex (text, error);
      return bytes != NULL ? gatt_value_to_variant (bytes) : NULL;
    }
  if (g_str_equal (info->type, "b"))
    {
      if (g_str_equal (text, "true") || g_str_equal (text, "false"))
        return g_variant_new_boolean (g_str_equal (text, "true"));
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s is true or false",
                   info->name);
      return NULL;
    }
  if (!g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT32, &number, error))
    return NULL;
  return g_variant_new_uint32 ((guint32) number);
}

/* Sets a quirk from the text NAME=VALUE. A list of bytes is given in hexadecimal digits.
 * Errors: as chip_quirks_set(), and G_NUMBER_PARSER_ERROR. */
gboolean
chip_quirks_parse (ChipQuirks *self, const char *assignment, GError **error)
{
  const char *equals = strchr (assignment, '=');
  g_autofree char *name = NULL;
  GVariant *value;
  ChipQuirk quirk;

  if (equals == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "'%s' is not NAME=VALUE",
                   assignment);
      return FALSE;
    }
  name = g_strndup (assignment, (gsize) (equals - assignment));
  if (!find_quirk (name, &quirk, error) ||
      (value = parse_value (&infos[quirk], equals + 1, error)) == NULL)
    return FALSE;
  return chip_quirks_set (self, name, value, NULL, error);
}

/* Whether the quirk was set, to whatever. */
gboolean
chip_quirks_is_set (const ChipQuirks *self, ChipQuirk quirk)
{
  return self->values[quirk] != NULL;
}

/* The value of a quirk of type u; 0 for one without a plain value. */
guint32
chip_quirks_get_number (const ChipQuirks *self, ChipQuirk quirk)
{
  const char *plain = infos[quirk].plain;

  if (self->values[quirk] != NULL)
    return g_variant_get_uint32 (self->values[quirk]);
  return plain != NULL ? (guint32) g_ascii_strtoull (plain, NULL, 10) : 0;
}

/* The value of a quirk of type b. */
gboolean
chip_quirks_get_boolean (const ChipQuirks *self, ChipQuirk quirk)
{
  if (self->values[quirk] != NULL)
    return g_variant_get_boolean (self->values[quirk]);
  return g_str_equal (infos[quirk].plain, "true");
}

/* The value of a quirk of type s. Returns: (transfer none) */
const char *
chip_quirks_get_text (const ChipQuirks *self, ChipQuirk quirk)
{
  if (self->values[quirk] != NULL)
    return g_variant_get_string (self->values[quirk], NULL);
  return infos[quirk].plain;
}

/* The value of a quirk of type ay, NULL when it is not set. Returns: (transfer full) (nullable) */
GBytes *
chip_quirks_get_bytes (const ChipQuirks *self, ChipQuirk quirk)
{
  return self->values[quirk] != NULL ? gatt_value_from_variant (self->values[quirk]) : NULL;
}

/* Whether the quirk of type s has this value. */
gboolean
chip_quirks_text_is (const ChipQuirks *self, ChipQuirk quirk, const char *text)
{
  return g_str_equal (chip_quirks_get_text (self, quirk), text);
}

/* Whether @word is in the quirk of type s, a list with commas. */
gboolean
chip_quirks_text_has (const ChipQuirks *self, ChipQuirk quirk, const char *word)
{
  g_auto (GStrv) words = g_strsplit (chip_quirks_get_text (self, quirk), ",", -1);

  return g_strv_contains ((const char *const *) words, word);
}

/* The list of quirks for the help text. Returns: (transfer full) */
char *
chip_quirks_describe (void)
{
  GString *text = g_string_new ("Quirks:\n");

  for (int i = 0; i < CHIP_QUIRK_LAST; i++)
    {
      const QuirkInfo *info = &infos[i];

      g_string_append_printf (text, "  %-18s %-2s  %s", info->name, info->type, info->meaning);
      if (info->choices != NULL)
        g_string_append_printf (text, " (%s)", info->choices);
      if (info->plain != NULL && *info->plain != '\0')
        g_string_append_printf (text, " [%s]", info->plain);
      g_string_append_c (text, '\n');
    }
  return g_string_free (text, FALSE);
}
