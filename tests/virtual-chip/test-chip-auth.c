/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "chip-auth.h"
#include "gatt-value.h"

#include <psa/crypto.h>
#include <string.h>

#define KEY "30313233343536373839404142434445"
#define OTHER_KEY "d88ca0fef504cc82735f15feb6bf9b1f"

typedef struct
{
  ChipQuirks *quirks;
  ChipAuth *auth;
  GPtrArray *answers; /* of GBytes */
  guint n_drops, n_paired;
  gboolean waiting;
} Fixture;

static void
on_answer (GBytes *frame, gpointer user_data)
{
  g_ptr_array_add (((Fixture *) user_data)->answers, g_bytes_ref (frame));
}

static void
on_drop (gpointer user_data)
{
  ((Fixture *) user_data)->n_drops++;
}

static void
on_waiting (gboolean waiting, gpointer user_data)
{
  ((Fixture *) user_data)->waiting = waiting;
}

static void
on_paired (gpointer user_data)
{
  ((Fixture *) user_data)->n_paired++;
}

static const ChipAuthEvents events = { on_answer, on_drop, on_waiting, on_paired };

static void
set_up (Fixture *fixture, gconstpointer quirk)
{
  g_autoptr (GError) error = NULL;

  fixture->quirks = chip_quirks_new ();
  if (quirk != NULL)
    chip_quirks_parse (fixture->quirks, quirk, &error);
  g_assert_no_error (error);
  fixture->answers = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  fixture->auth = chip_auth_new (fixture->quirks, &events, fixture);
}

static void
tear_down (Fixture *fixture, gconstpointer quirk)
{
  chip_auth_free (fixture->auth);
  g_ptr_array_unref (fixture->answers);
  chip_quirks_free (fixture->quirks);
}

static void
write_frame (Fixture *fixture, const char *hex)
{
  g_autoptr (GBytes) frame = gatt_value_from_hex (hex, NULL);

  chip_auth_write (fixture->auth, frame);
}

/* Exactly one answer has come since the last call. */
static void
assert_answer (Fixture *fixture, const char *expected)
{
  g_autofree char *hex = NULL;

  g_assert_cmpuint (fixture->answers->len, ==, 1);
  hex = gatt_value_to_hex (fixture->answers->pdata[0]);
  g_assert_cmpstr (hex, ==, expected);
  g_ptr_array_set_size (fixture->answers, 0);
}

static void
set_key (Fixture *fixture, const char *hex)
{
  g_autoptr (GBytes) key = gatt_value_from_hex (hex, NULL);

  g_assert_true (chip_auth_set_key (fixture->auth, key));
}

static void
encrypt (const char *key_hex, const guint8 *plain, guint8 *cipher)
{
  g_autoptr (GBytes) key = gatt_value_from_hex (key_hex, NULL);
  psa_key_attributes_t attributes = PSA_KEY_ATTRIBUTES_INIT;
  psa_key_id_t id;
  gsize length;

  psa_set_key_type (&attributes, PSA_KEY_TYPE_AES);
  psa_set_key_usage_flags (&attributes, PSA_KEY_USAGE_ENCRYPT);
  psa_set_key_algorithm (&attributes, PSA_ALG_ECB_NO_PADDING);
  g_assert_cmpint (psa_import_key (&attributes, g_bytes_get_data (key, NULL), 16, &id), ==,
                   PSA_SUCCESS);
  g_assert_cmpint (psa_cipher_encrypt (id, PSA_ALG_ECB_NO_PADDING, plain, 16, cipher, 16, &length),
                   ==, PSA_SUCCESS);
  psa_destroy_key (id);
}

/* What a client with @key_hex answers to the challenge in @answer. */
static char *
respond (GBytes *answer, const char *key_hex)
{
  guint8 frame[18] = { 0x03, 0x00 };
  gsize size;
  const guint8 *bytes = g_bytes_get_data (answer, &size);
  g_autoptr (GBytes) response = NULL;

  g_assert_cmpuint (size, ==, 19);
  encrypt (key_hex, bytes + 3, frame + 2);
  response = g_bytes_new (frame, sizeof frame);
  return gatt_value_to_hex (response);
}

/* The cipher of these tests against a handshake that was captured. */
static void
test_known_answer (void)
{
  g_autoptr (GBytes) random = gatt_value_from_hex ("689c1dd58a666f0f8c90a1a96e1ab3a3", NULL);
  guint8 cipher[16];
  g_autoptr (GBytes) result = NULL;
  g_autofree char *hex = NULL;

  g_assert_cmpint (psa_crypto_init (), ==, PSA_SUCCESS);
  encrypt (OTHER_KEY, g_bytes_get_data (random, NULL), cipher);
  result = g_bytes_new (cipher, sizeof cipher);
  hex = gatt_value_to_hex (result);
  g_assert_cmpstr (hex, ==, "ce1c0135db39e61f1a27012fb907df3b");
}

static void
challenge_and_respond (Fixture *fixture, const char *key)
{
  g_autofree char *response = NULL;

  write_frame (fixture, "02 00");
  g_assert_cmpuint (fixture->answers->len, ==, 1);
  response = respond (fixture->answers->pdata[0], key);
  g_ptr_array_set_size (fixture->answers, 0);
  write_frame (fixture, response);
}

static void
test_pairs (Fixture *fixture, gconstpointer quirk)
{
  g_autoptr (GBytes) key = NULL;
  g_autofree char *key_hex = NULL;

  write_frame (fixture, "01 00");
  assert_answer (fixture, "100104");
  write_frame (fixture, "01 00" KEY);
  g_assert_true (fixture->waiting);
  g_assert_cmpuint (fixture->answers->len, ==, 0);
  chip_auth_shake (fixture->auth);
  assert_answer (fixture, "100101");
  g_assert_false (fixture->waiting);
  g_assert_cmpuint (fixture->n_paired, ==, 1);
  key = chip_auth_get_key (fixture->auth);
  key_hex = gatt_value_to_hex (key);
  g_assert_cmpstr (key_hex, ==, KEY);

  g_assert_false (chip_auth_is_authenticated (fixture->auth));
  challenge_and_respond (fixture, KEY);
  assert_answer (fixture, "100301");
  g_assert_true (chip_auth_is_authenticated (fixture->auth));
  chip_auth_link_lost (fixture->auth);
  g_assert_false (chip_auth_is_authenticated (fixture->auth));
}

static void
test_not_shaken (Fixture *fixture, gconstpointer quirk)
{
  g_autoptr (GBytes) key = NULL;

  write_frame (fixture, "01 00" KEY);
  chip_auth_time_out (fixture->auth);
  assert_answer (fixture, "100104");
  g_assert_false (fixture->waiting);
  chip_auth_shake (fixture->auth); /* too late */
  g_assert_cmpuint (fixture->answers->len, ==, 0);
  g_assert_cmpuint (fixture->n_paired, ==, 0);
  key = chip_auth_get_key (fixture->auth);
  g_assert_cmpuint (g_bytes_get_size (key), ==, 0);
}

static void
test_link_lost_ends_waiting (Fixture *fixture, gconstpointer quirk)
{
  write_frame (fixture, "01 00" KEY);
  chip_auth_link_lost (fixture->auth);
  g_assert_false (fixture->waiting);
  chip_auth_shake (fixture->auth);
  g_assert_cmpuint (fixture->n_paired, ==, 0);
}

static void
test_wrong_key (Fixture *fixture, gconstpointer quirk)
{
  set_key (fixture, KEY);
  challenge_and_respond (fixture, OTHER_KEY);
  assert_answer (fixture, "100304");
  g_assert_false (chip_auth_is_authenticated (fixture->auth));
}

static void
test_response_counts_once (Fixture *fixture, gconstpointer quirk)
{
  g_autofree char *response = NULL;

  set_key (fixture, KEY);
  write_frame (fixture, "02 08");
  response = respond (fixture->answers->pdata[0], KEY);
  g_ptr_array_set_size (fixture->answers, 0);
  write_frame (fixture, response);
  assert_answer (fixture, "100301");
  write_frame (fixture, response);
  assert_answer (fixture, "100304");
}

static void
test_challenges_differ (Fixture *fixture, gconstpointer quirk)
{
  set_key (fixture, KEY);
  write_frame (fixture, "02 00");
  write_frame (fixture, "02 00");
  g_assert_cmpuint (fixture->answers->len, ==, 2);
  g_assert_false (g_bytes_equal (fixture->answers->pdata[0], fixture->answers->pdata[1]));
}

static void
test_without_key (Fixture *fixture, gconstpointer quirk)
{
  write_frame (fixture, "02 00");
  assert_answer (fixture, "100204");
  set_key (fixture, KEY);
  chip_auth_forget_key (fixture->auth);
  write_frame (fixture, "02 00");
  assert_answer (fixture, "100204");
}

static void
test_ignores_other_messages (Fixture *fixture, gconstpointer quirk)
{
  const char *const others[] = { "", "01", "02", "0100aa", "0200aa", "0400", "ff00",
                                 "0300", "0100" KEY "00", "0300" KEY "00" };

  for (gsize i = 0; i < G_N_ELEMENTS (others); i++)
    write_frame (fixture, others[i]);
  g_assert_cmpuint (fixture->answers->len, ==, 0);
  g_assert_false (fixture->waiting);
}

/* The answer to one message under one quirk; @data: QUIRK, message, answer. */
static const char *const quirk_cases[][3] = {
  { "auth-preamble=accept", "01 00", "100101" },
  { "auth-preamble=silent", "01 00", "" },
  { "auth-key=accept", "01 00" KEY, "100101" },
  { "auth-key=accept-06", "01 00" KEY, "100106" },
  { "auth-key=not-shaken", "01 00" KEY, "100104" },
  { "auth-key=silent", "01 00" KEY, "" },
  { "auth-key=wrong-echo", "01 00" KEY, "100501" },
  { "auth-random=refuse", "02 00", "100204" },
  { "auth-random=silent", "02 00", "" },
  { "auth-verify=reject", "03 00" KEY, "100304" },
  { "auth-verify=reject-08", "03 00" KEY, "100308" },
  { "auth-verify=wrong-echo", "03 00" KEY, "100701" },
  { "auth-verify=silent", "03 00" KEY, "" },
  { "auth-high-bit=true", "01 00", "108104" },
};

static void
test_quirks (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (quirk_cases); i++)
    {
      Fixture fixture = { 0 };

      set_up (&fixture, quirk_cases[i][0]);
      set_key (&fixture, KEY);
      write_frame (&fixture, quirk_cases[i][1]);
      if (*quirk_cases[i][2] != '\0')
        assert_answer (&fixture, quirk_cases[i][2]);
      g_assert_cmpuint (fixture.answers->len, ==, 0);
      g_assert_cmpuint (fixture.n_drops, ==, 0);
      tear_down (&fixture, NULL);
    }
}

static void
test_short_challenge (Fixture *fixture, gconstpointer quirk)
{
  set_key (fixture, KEY);
  write_frame (fixture, "02 00");
  g_assert_cmpuint (g_bytes_get_size (fixture->answers->pdata[0]), ==, 18);
}

static void
test_drops (void)
{
  const char *const steps[][2] = { { "preamble", "01 00" },
                                   { "key", "01 00" KEY },
                                   { "random", "02 00" },
                                   { "verify", "03 00" KEY } };

  for (gsize i = 0; i < G_N_ELEMENTS (steps); i++)
    for (int before = 0; before < 2; before++)
      {
        g_autofree char *quirk
            = g_strdup_printf ("auth-drop-%s=%s", before ? "before" : "after", steps[i][0]);
        Fixture fixture = { 0 };

        set_up (&fixture, quirk);
        set_key (&fixture, KEY);
        write_frame (&fixture, steps[i][1]);
        chip_auth_shake (fixture.auth);
        g_assert_cmpuint (fixture.n_drops, ==, 1);
        g_assert_cmpuint (fixture.answers->len, ==, before ? 0 : 1);
        tear_down (&fixture, NULL);
      }
}

static void
test_quirk_errors (void)
{
  const char *const malformed[]
      = { "nonsense",          "nonsense=1",      "step-flags=x",
          "step-flags=-1",     "auth-key=maybe",  "missing=steps,nothing",
          "battery-payload=0", "auth-high-bit=1", "step-flags=4294967296" };
  g_autoptr (ChipQuirks) quirks = chip_quirks_new ();
  g_autoptr (GBytes) payload = NULL;
  g_autoptr (GError) type_error = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (malformed); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (chip_quirks_parse (quirks, malformed[i], &error));
      g_assert_nonnull (error);
    }
  for (int i = 0; i < CHIP_QUIRK_LAST; i++)
    g_assert_false (chip_quirks_is_set (quirks, (ChipQuirk) i));

  g_assert_true (chip_quirks_parse (quirks, "battery-payload=", NULL));
  payload = chip_quirks_get_bytes (quirks, CHIP_QUIRK_BATTERY_PAYLOAD);
  g_assert_cmpuint (g_bytes_get_size (payload), ==, 0);
  g_assert_true (chip_quirks_parse (quirks, "missing=steps,battery", NULL));
  g_assert_true (chip_quirks_text_has (quirks, CHIP_QUIRK_MISSING, "battery"));
  g_assert_false (chip_quirks_text_has (quirks, CHIP_QUIRK_MISSING, "time"));
  g_assert_false (chip_quirks_set (quirks, "step-flags", g_variant_new_string ("3"), NULL,
                                   &type_error));
  g_assert_error (type_error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  chip_quirks_clear (quirks);
  g_assert_cmpuint (chip_quirks_get_number (quirks, CHIP_QUIRK_STEP_FLAGS), ==, 3);
  g_assert_false (chip_quirks_text_has (quirks, CHIP_QUIRK_MISSING, "battery"));
}

int
main (int argc, char **argv)
{
  const struct
  {
    const char *name;
    const char *quirk;
    void (*test) (Fixture *, gconstpointer);
  } tests[] = {
    { "/chip-auth/pairs", NULL, test_pairs },
    { "/chip-auth/not-shaken", NULL, test_not_shaken },
    { "/chip-auth/link-lost-ends-waiting", NULL, test_link_lost_ends_waiting },
    { "/chip-auth/wrong-key", NULL, test_wrong_key },
    { "/chip-auth/response-counts-once", NULL, test_response_counts_once },
    { "/chip-auth/challenges-differ", NULL, test_challenges_differ },
    { "/chip-auth/without-key", NULL, test_without_key },
    { "/chip-auth/ignores-other-messages", NULL, test_ignores_other_messages },
    { "/chip-auth/short-challenge", "auth-random=short", test_short_challenge },
  };

  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].name, Fixture, tests[i].quirk, set_up, tests[i].test, tear_down);
  g_test_add_func ("/chip-auth/known-answer", test_known_answer);
  g_test_add_func ("/chip-auth/quirks", test_quirks);
  g_test_add_func ("/chip-auth/drops", test_drops);
  g_test_add_func ("/chip-quirks/errors", test_quirk_errors);
  return g_test_run ();
}
