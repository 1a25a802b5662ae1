/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-auth.h"

#include <string.h>

#include "test-bytes.h"

#define SECOND G_TIME_SPAN_SECOND
/* Key, challenge and cipher of a real device's capture. */
#define KEY "d88ca0fef504cc82735f15feb6bf9b1f"
#define CHALLENGE "689c1dd58a666f0f8c90a1a96e1ab3a3"
#define CHALLENGE_FRAME "10 02 01" CHALLENGE
#define CIPHER "ce1c0135db39e61f1a27012fb907df3b"

static void
check_encrypt (const char *key_hex, const char *input_hex, const char *output_hex)
{
  g_auto (TestBytes) key = test_bytes_from_hex (key_hex);
  g_auto (TestBytes) input = test_bytes_from_hex (input_hex);
  g_auto (TestBytes) expected = test_bytes_from_hex (output_hex);
  guint8 output[CORE2_KEY_SIZE] = { 0 };

  g_assert_true (core2_auth_encrypt (key.data, input.data, output));
  g_assert_cmpmem (output, sizeof output, expected.data, expected.size);
}

static void
test_known_answers (void)
{
  check_encrypt (KEY, CHALLENGE, CIPHER);
  check_encrypt ("30313233343536373839404142434445", CHALLENGE,
                 "c956e66c1275359458666a8dcbf74845");
  check_encrypt ("30313233343536373839404142434445", "000102030405060708090a0b0c0d0e0f",
                 "f5003494346bffac69990bf7f317e5db");
  /* FIPS-197, appendix C.1. */
  check_encrypt ("000102030405060708090a0b0c0d0e0f", "00112233445566778899aabbccddeeff",
                 "69c4e0d86a7b0430d8cdb78070b4c55a");
}

static void
test_generate_key (void)
{
  guint8 keys[8][CORE2_KEY_SIZE];

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      g_assert_true (core2_auth_generate_key (keys[i]));
      for (guint k = 0; k < i; k++)
        g_assert_true (memcmp (keys[i], keys[k], CORE2_KEY_SIZE) != 0);
    }
}

static void
assert_clean (const void *data, gsize size)
{
  for (gsize i = 0; i < size; i++)
    g_assert_cmphex (((const guint8 *) data)[i], ==, 0);
}

static Core2AuthAction
feed (Core2Auth *auth, const char *hex, gint64 now_us)
{
  g_auto (TestBytes) bytes = test_bytes_from_hex (hex);

  return core2_auth_feed (auth, bytes.data, bytes.size, now_us);
}

static void
assert_frame (const Core2Auth *auth, const char *hex)
{
  g_auto (TestBytes) expected = test_bytes_from_hex (hex);

  g_assert_cmpmem (auth->frame, auth->frame_size, expected.data, expected.size);
}

static void
assert_failed (const Core2Auth *auth, Core2AuthError error)
{
  g_assert_cmpint (auth->state, ==, CORE2_AUTH_FAILED);
  g_assert_cmpint (auth->error, ==, error);
  g_assert_false (core2_auth_is_active (auth));
  g_assert_cmpint (core2_auth_get_deadline (auth), ==, CORE2_AUTH_NEVER);
  g_assert_cmpuint (auth->frame_size, ==, 0);
  assert_clean (auth->frame, sizeof auth->frame);
}

/* Machines at a certain point of the handshake. */

static void
start_authenticate (Core2Auth *auth)
{
  g_auto (TestBytes) key = test_bytes_from_hex (KEY);

  core2_auth_init (auth);
  g_assert_cmpint (core2_auth_start_authenticate (auth, key.data, 0), ==, CORE2_AUTH_ACTION_WRITE);
  assert_frame (auth, "02 00");
  g_assert_cmpint (core2_auth_frame_written (auth, 0), ==, CORE2_AUTH_ACTION_NONE);
}

static void
answer_challenge (Core2Auth *auth)
{
  g_assert_cmpint (feed (auth, "10 02 01" CHALLENGE, 0), ==, CORE2_AUTH_ACTION_WRITE);
  assert_frame (auth, "03 00" CIPHER);
  g_assert_cmpint (core2_auth_frame_written (auth, 0), ==, CORE2_AUTH_ACTION_NONE);
}

static void
start_pair (Core2Auth *auth, gboolean preamble)
{
  g_auto (TestBytes) key = test_bytes_from_hex (KEY);

  core2_auth_init (auth);
  g_assert_cmpint (core2_auth_start_pair (auth, key.data, preamble, 0, 0), ==,
                   CORE2_AUTH_ACTION_WRITE);
  g_assert_true (auth->pairing);
}

static void
wait_for_shake (Core2Auth *auth)
{
  start_pair (auth, FALSE);
  g_assert_cmpint (auth->state, ==, CORE2_AUTH_SENDING_KEY);
  assert_frame (auth, "01 00" KEY);
  g_assert_cmpint (core2_auth_frame_written (auth, 0), ==, CORE2_AUTH_ACTION_NONE);
  g_assert_cmpint (auth->state, ==, CORE2_AUTH_SHAKE_NOW);
  /* The key is not left where a dump would show it twice. */
  assert_clean (auth->frame, sizeof auth->frame);
}

static void
shake (Core2Auth *auth)
{
  wait_for_shake (auth);
  g_assert_cmpint (feed (auth, "10 01 01", 5 * SECOND), ==, CORE2_AUTH_ACTION_STORE_PENDING);
  g_assert_cmpint (auth->state, ==, CORE2_AUTH_VERIFYING);
}

static void
test_authenticate (void)
{
  Core2Auth auth;

  start_authenticate (&auth);
  g_assert_cmpint (auth.state, ==, CORE2_AUTH_VERIFYING);
  g_assert_false (auth.pairing);
  answer_challenge (&auth);
  g_assert_cmpint (feed (&auth, "10 03 01", 0), ==, CORE2_AUTH_ACTION_SUCCEEDED);
  g_assert_cmpint (auth.state, ==, CORE2_AUTH_SUCCEEDED);
  g_assert_cmpint (auth.error, ==, CORE2_AUTH_ERROR_NONE);
  g_assert_false (core2_auth_is_active (&auth));
  g_assert_cmpint (core2_auth_get_deadline (&auth), ==, CORE2_AUTH_NEVER);
  core2_auth_clear (&auth);
}

static void
test_pair_with_preamble (gconstpointer answer)
{
  Core2Auth auth;

  start_pair (&auth, TRUE);
  g_assert_cmpint (auth.state, ==, CORE2_AUTH_PREPARING);
  assert_frame (&auth, "01 00");
  g_assert_cmpint (core2_auth_get_deadline (&auth), ==, 2 * SECOND);
  g_assert_cmpint (core2_auth_frame_written (&auth, 0), ==, CORE2_AUTH_ACTION_NONE);
  if (answer != NULL)
    g_assert_cmpint (feed (&auth, answer, SECOND), ==, CORE2_AUTH_ACTION_WRITE);
  else
    {
      g_assert_cmpint (core2_auth_expire (&auth, 2 * SECOND - 1), ==, CORE2_AUTH_ACTION_NONE);
      g_assert_cmpint (core2_auth_expire (&auth, 2 * SECOND), ==, CORE2_AUTH_ACTION_WRITE);
    }
  g_assert_cmpint (auth.state, ==, CORE2_AUTH_SENDING_KEY);
  assert_frame (&auth, "01 00" KEY);
  core2_auth_clear (&auth);
}

static void
test_pair (gconstpointer acceptance)
{
  g_auto (TestBytes) key = test_bytes_from_hex (KEY);
  Core2Auth auth;

  wait_for_shake (&auth);
  g_assert_cmpint (core2_auth_get_deadline (&auth), ==, 30 * SECOND);
  g_assert_cmpint (feed (&auth, acceptance, 20 * SECOND), ==, CORE2_AUTH_ACTION_STORE_PENDING);
  g_assert_cmpmem (core2_auth_get_key (&auth), CORE2_KEY_SIZE, key.data, key.size);
  /* Storing may take as long as it takes, and nothing is sent before it is done. */
  g_assert_cmpint (core2_auth_get_deadline (&auth), ==, CORE2_AUTH_NEVER);
  g_assert_cmpint (core2_auth_expire (&auth, 3600 * SECOND), ==, CORE2_AUTH_ACTION_NONE);
  g_assert_cmpint (feed (&auth, acceptance, 20 * SECOND), ==, CORE2_AUTH_ACTION_NONE);
  g_assert_cmpint (core2_auth_continue (&auth, 21 * SECOND), ==, CORE2_AUTH_ACTION_WRITE);
  assert_frame (&auth, "02 00");
  g_assert_cmpint (core2_auth_get_deadline (&auth), ==, 31 * SECOND);
  g_assert_cmpint (core2_auth_continue (&auth, 21 * SECOND), ==, CORE2_AUTH_ACTION_NONE);
  answer_challenge (&auth);
  g_assert_cmpint (feed (&auth, "10 03 01", 0), ==, CORE2_AUTH_ACTION_SUCCEEDED);
  g_assert_true (auth.pairing);
  core2_auth_clear (&auth);
}

static void
test_pair_new_key (void)
{
  Core2Auth auth;
  guint8 first[CORE2_KEY_SIZE];

  core2_auth_init (&auth);
  g_assert_cmpint (core2_auth_start_pair (&auth, NULL, FALSE, 7 * SECOND, 0), ==,
                   CORE2_AUTH_ACTION_WRITE);
  memcpy (first, core2_auth_get_key (&auth), sizeof first);
  g_assert_cmpmem (auth.frame + 2, auth.frame_size - 2, first, sizeof first);
  core2_auth_frame_written (&auth, SECOND);
  g_assert_cmpint (core2_auth_get_deadline (&auth), ==, 8 * SECOND);
  core2_auth_start_pair (&auth, NULL, FALSE, 0, 0);
  g_assert_true (memcmp (first, core2_auth_get_key (&auth), sizeof first) != 0);
  core2_auth_clear (&auth);
}

/* The chip may answer before the write is reported as done. */
static void
test_answer_before_written (void)
{
  Core2Auth auth;

  start_pair (&auth, FALSE);
  g_assert_cmpint (feed (&auth, "10 01 01", 0), ==, CORE2_AUTH_ACTION_STORE_PENDING);
  g_assert_cmpint (core2_auth_frame_written (&auth, 0), ==, CORE2_AUTH_ACTION_NONE);
  g_assert_cmpint (auth.state, ==, CORE2_AUTH_VERIFYING);
  g_assert_cmpint (core2_auth_continue (&auth, 0), ==, CORE2_AUTH_ACTION_WRITE);
  core2_auth_clear (&auth);
}

/* Newer devices set the top bit of the echoed command. */
static void
test_high_bit (void)
{
  Core2Auth auth;

  wait_for_shake (&auth);
  g_assert_cmpint (feed (&auth, "10 81 01", 0), ==, CORE2_AUTH_ACTION_STORE_PENDING);
  g_assert_cmpint (core2_auth_continue (&auth, 0), ==, CORE2_AUTH_ACTION_WRITE);
  g_assert_cmpint (feed (&auth, "10 82 01" CHALLENGE, 0), ==, CORE2_AUTH_ACTION_WRITE);
  assert_frame (&auth, "03 00" CIPHER);
  g_assert_cmpint (feed (&auth, "10 83 01", 0), ==, CORE2_AUTH_ACTION_SUCCEEDED);
  core2_auth_clear (&auth);
}

static void
test_repeated_answers (void)
{
  Core2Auth auth;

  shake (&auth);
  g_assert_cmpint (core2_auth_continue (&auth, 0), ==, CORE2_AUTH_ACTION_WRITE);
  g_assert_cmpint (feed (&auth, "10 01 01", 0), ==, CORE2_AUTH_ACTION_NONE);
  answer_challenge (&auth);
  g_assert_cmpint (feed (&auth, "10 02 01" CHALLENGE, 0), ==, CORE2_AUTH_ACTION_NONE);
  g_assert_cmpint (feed (&auth, "10 01 04", 0), ==, CORE2_AUTH_ACTION_NONE);
  g_assert_cmpint (feed (&auth, "10 03 01", 0), ==, CORE2_AUTH_ACTION_SUCCEEDED);
  g_assert_cmpint (feed (&auth, "10 03 04", 0), ==, CORE2_AUTH_ACTION_NONE);
  g_assert_cmpint (auth.state, ==, CORE2_AUTH_SUCCEEDED);
  core2_auth_clear (&auth);
}

/* The preamble's answer after its two seconds is not the refusal of the key just sent. */
static void
test_late_preamble_answer (void)
{
  Core2Auth auth;

  start_pair (&auth, TRUE);
  g_assert_cmpint (core2_auth_expire (&auth, 2 * SECOND), ==, CORE2_AUTH_ACTION_WRITE);
  core2_auth_frame_written (&auth, 2 * SECOND);
  g_assert_cmpint (feed (&auth, "10 01 04", 2 * SECOND + 1), ==, CORE2_AUTH_ACTION_NONE);
  g_assert_cmpint (auth.state, ==, CORE2_AUTH_SHAKE_NOW);
  g_assert_cmpint (feed (&auth, "10 01 04", 2 * SECOND + 2), ==, CORE2_AUTH_ACTION_FAILED);
  assert_failed (&auth, CORE2_AUTH_ERROR_NOT_SHAKEN);
  core2_auth_clear (&auth);
}

typedef struct
{
  const char *name;
  void (*reach) (Core2Auth *auth);
  const char *answer;
  Core2AuthError error;
} FailureCase;

static void
reach_preamble (Core2Auth *auth)
{
  start_pair (auth, TRUE);
}

static void
reach_verdict (Core2Auth *auth)
{
  start_authenticate (auth);
  answer_challenge (auth);
}

static const FailureCase failure_cases[] = {
  { "preamble-other-status", reach_preamble, "10 01 05", CORE2_AUTH_ERROR_PROTOCOL },
  { "preamble-wrong-echo", reach_preamble, "10 02 01", CORE2_AUTH_ERROR_PROTOCOL },
  { "key-not-shaken", wait_for_shake, "10 01 04", CORE2_AUTH_ERROR_NOT_SHAKEN },
  { "key-rejected", wait_for_shake, "10 01 08", CORE2_AUTH_ERROR_KEY_REJECTED },
  { "key-other-status", wait_for_shake, "10 01 07", CORE2_AUTH_ERROR_PROTOCOL },
  { "key-wrong-echo", wait_for_shake, "10 05 01", CORE2_AUTH_ERROR_PROTOCOL },
  { "key-echo-zero", wait_for_shake, "10 00 01", CORE2_AUTH_ERROR_PROTOCOL },
  { "key-answered-as-verified", wait_for_shake, "10 03 01", CORE2_AUTH_ERROR_PROTOCOL },
  { "key-short", wait_for_shake, "10 01", CORE2_AUTH_ERROR_PROTOCOL },
  { "storing-wrong-echo", shake, "10 02 01", CORE2_AUTH_ERROR_PROTOCOL },
  { "challenge-refused", start_authenticate, "10 02 04", CORE2_AUTH_ERROR_KEY_REJECTED },
  { "challenge-wrong-key", start_authenticate, "10 02 08", CORE2_AUTH_ERROR_KEY_REJECTED },
  { "challenge-other-status", start_authenticate, "10 02 02" CHALLENGE,
    CORE2_AUTH_ERROR_PROTOCOL },
  { "challenge-18-bytes", start_authenticate, "10 02 01 689c1dd58a666f0f8c90a1a96e1ab3",
    CORE2_AUTH_ERROR_PROTOCOL },
  { "challenge-20-bytes", start_authenticate, "10 02 01" CHALLENGE "00",
    CORE2_AUTH_ERROR_PROTOCOL },
  { "challenge-empty", start_authenticate, "10 02 01", CORE2_AUTH_ERROR_PROTOCOL },
  { "challenge-wrong-echo", start_authenticate, "10 05 01" CHALLENGE, CORE2_AUTH_ERROR_PROTOCOL },
  { "challenge-key-echo", start_authenticate, "10 01 01", CORE2_AUTH_ERROR_PROTOCOL },
  { "verdict-refused", reach_verdict, "10 03 04", CORE2_AUTH_ERROR_KEY_REJECTED },
  { "verdict-wrong-key", reach_verdict, "10 03 08", CORE2_AUTH_ERROR_KEY_REJECTED },
  { "verdict-other-status", reach_verdict, "10 03 06", CORE2_AUTH_ERROR_PROTOCOL },
  { "verdict-wrong-echo", reach_verdict, "10 04 01", CORE2_AUTH_ERROR_PROTOCOL },
};

static void
test_failure (gconstpointer data)
{
  const FailureCase *c = data;
  Core2Auth auth;

  c->reach (&auth);
  g_assert_cmpint (feed (&auth, c->answer, 25 * SECOND), ==, CORE2_AUTH_ACTION_FAILED);
  assert_failed (&auth, c->error);
  /* What comes after the end changes nothing. */
  g_assert_cmpint (feed (&auth, "10 03 01", 0), ==, CORE2_AUTH_ACTION_NONE);
  g_assert_cmpint (core2_auth_expire (&auth, G_MAXINT64 - 1), ==, CORE2_AUTH_ACTION_NONE);
  g_assert_cmpint (core2_auth_continue (&auth, 0), ==, CORE2_AUTH_ACTION_NONE);
  assert_failed (&auth, c->error);
  core2_auth_clear (&auth);
}

static void
check_timeout (void (*reach) (Core2Auth *auth), gint64 deadline_us, Core2AuthError error)
{
  Core2Auth auth;

  reach (&auth);
  g_assert_cmpint (core2_auth_get_deadline (&auth), ==, deadline_us);
  g_assert_cmpint (core2_auth_expire (&auth, deadline_us - 1), ==, CORE2_AUTH_ACTION_NONE);
  g_assert_true (core2_auth_is_active (&auth));
  g_assert_cmpint (core2_auth_expire (&auth, deadline_us), ==, CORE2_AUTH_ACTION_FAILED);
  assert_failed (&auth, error);
  core2_auth_clear (&auth);
}

static void
reach_unwritten_key (Core2Auth *auth)
{
  start_pair (auth, FALSE);
}

static void
test_timeouts (void)
{
  check_timeout (reach_unwritten_key, 10 * SECOND, CORE2_AUTH_ERROR_TIMEOUT);
  check_timeout (wait_for_shake, 30 * SECOND, CORE2_AUTH_ERROR_NOT_SHAKEN);
  check_timeout (start_authenticate, 10 * SECOND, CORE2_AUTH_ERROR_TIMEOUT);
  check_timeout (reach_verdict, 10 * SECOND, CORE2_AUTH_ERROR_TIMEOUT);
}

static void
test_cancel (void)
{
  static void (*const reach[]) (Core2Auth *)
      = { reach_preamble, reach_unwritten_key, wait_for_shake, shake, start_authenticate,
          reach_verdict };
  Core2Auth auth;

  core2_auth_init (&auth);
  g_assert_cmpint (core2_auth_cancel (&auth), ==, CORE2_AUTH_ACTION_NONE);
  g_assert_cmpint (auth.state, ==, CORE2_AUTH_IDLE);
  for (guint i = 0; i < G_N_ELEMENTS (reach); i++)
    {
      reach[i](&auth);
      g_assert_cmpint (core2_auth_cancel (&auth), ==, CORE2_AUTH_ACTION_FAILED);
      assert_failed (&auth, CORE2_AUTH_ERROR_CANCELLED);
      g_assert_cmpint (core2_auth_cancel (&auth), ==, CORE2_AUTH_ACTION_NONE);
      core2_auth_clear (&auth);
    }
}

/* Answers that come within a moment, if at all; the one to the key comes with the shake. */
static void
test_awaited (void)
{
  Core2Auth auth;

  core2_auth_init (&auth);
  g_assert_cmpuint (core2_auth_get_awaited (&auth), ==, 0);
  start_pair (&auth, TRUE);
  g_assert_cmpuint (core2_auth_get_awaited (&auth), ==, CORE2_AUTH_COMMAND_KEY);
  wait_for_shake (&auth);
  g_assert_cmpuint (core2_auth_get_awaited (&auth), ==, 0);
  shake (&auth);
  g_assert_cmpuint (core2_auth_get_awaited (&auth), ==, 0);
  start_authenticate (&auth);
  g_assert_cmpuint (core2_auth_get_awaited (&auth), ==, CORE2_AUTH_COMMAND_CHALLENGE);
  answer_challenge (&auth);
  g_assert_cmpuint (core2_auth_get_awaited (&auth), ==, CORE2_AUTH_COMMAND_ANSWER);
  core2_auth_cancel (&auth);
  g_assert_cmpuint (core2_auth_get_awaited (&auth), ==, 0);
  core2_auth_clear (&auth);
}

static void
test_ignored_frames (void)
{
  static const char *const ignored[] = { "", "00", "11 02 01", "02 00", CHALLENGE };
  Core2Auth auth;

  core2_auth_init (&auth);
  g_assert_cmpint (feed (&auth, "10 01 01", 0), ==, CORE2_AUTH_ACTION_NONE);
  g_assert_cmpint (auth.state, ==, CORE2_AUTH_IDLE);
  start_authenticate (&auth);
  for (guint i = 0; i < G_N_ELEMENTS (ignored); i++)
    g_assert_cmpint (feed (&auth, ignored[i], 0), ==, CORE2_AUTH_ACTION_NONE);
  answer_challenge (&auth);
  core2_auth_clear (&auth);
}

static void
test_clear (void)
{
  Core2Auth auth;
  guint8 secret[4] = { 1, 2, 3, 4 };

  shake (&auth);
  core2_auth_clear (&auth);
  assert_clean (auth.key, sizeof auth.key);
  assert_clean (auth.frame, sizeof auth.frame);
  g_assert_cmpint (auth.state, ==, CORE2_AUTH_IDLE);
  g_assert_cmpint (core2_auth_get_deadline (&auth), ==, CORE2_AUTH_NEVER);
  core2_auth_wipe (secret, sizeof secret);
  assert_clean (secret, sizeof secret);
}

static void
test_texts (void)
{
  static const char *const states[] = { "idle",      "preparing", "sending-key", "shake-now",
                                        "verifying", "succeeded", "failed" };
  g_autoptr (GHashTable) errors = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < G_N_ELEMENTS (states); i++)
    g_assert_cmpstr (core2_auth_state_to_string ((Core2AuthState) i), ==, states[i]);
  for (guint i = 0; i <= CORE2_AUTH_ERROR_CRYPTO; i++)
    g_assert_true (g_hash_table_add (errors,
                                     (char *) core2_auth_error_to_string ((Core2AuthError) i)));
}

/* Whatever comes in whatever order: never success without the right answer to a challenge, never a
 * deadline in the past without an end. */
static void
test_random (void)
{
  static const char *const frames[]
      = { "10 01 01", "10 01 04", "10 01 06", CHALLENGE_FRAME, "10 02 04", "10 03 01",
          "10 03 04", "10 03 08", "10 83 01", "10", "", "10 02 01", "55 03 01" };

  for (guint round = 0; round < 3000; round++)
    {
      gint64 now = 0;
      gboolean answered = FALSE;
      Core2AuthAction action = CORE2_AUTH_ACTION_NONE;
      Core2Auth auth;

      if (round % 2)
        start_authenticate (&auth);
      else
        start_pair (&auth, g_test_rand_bit ());
      for (guint i = 0; i < 12 && core2_auth_is_active (&auth); i++)
        {
          now += g_test_rand_int_range (0, 5) * SECOND;
          switch (g_test_rand_int_range (0, 4))
            {
            case 0:
              action = core2_auth_expire (&auth, now);
              break;
            case 1:
              action = core2_auth_continue (&auth, now);
              break;
            case 2:
              action = core2_auth_frame_written (&auth, now);
              break;
            default:
              action = feed (&auth, frames[g_test_rand_int_range (0, G_N_ELEMENTS (frames))], now);
              break;
            }
          if (action == CORE2_AUTH_ACTION_WRITE && auth.frame[0] == CORE2_AUTH_COMMAND_ANSWER)
            {
              assert_frame (&auth, "03 00" CIPHER);
              answered = TRUE;
            }
          if (action == CORE2_AUTH_ACTION_SUCCEEDED)
            g_assert_true (answered);
          g_assert_cmpint (action == CORE2_AUTH_ACTION_WRITE, ==,
                           action == CORE2_AUTH_ACTION_WRITE && auth.frame_size > 0);
          g_assert_cmpint (action == CORE2_AUTH_ACTION_SUCCEEDED
                               || action == CORE2_AUTH_ACTION_FAILED,
                           ==, !core2_auth_is_active (&auth));
        }
      core2_auth_clear (&auth);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/auth/known-answers", test_known_answers);
  g_test_add_func ("/auth/generate-key", test_generate_key);
  g_test_add_func ("/auth/authenticate", test_authenticate);
  g_test_add_data_func ("/auth/preamble/refused", "10 01 04", test_pair_with_preamble);
  g_test_add_data_func ("/auth/preamble/accepted", "10 01 01", test_pair_with_preamble);
  g_test_add_data_func ("/auth/preamble/silent", NULL, test_pair_with_preamble);
  g_test_add_data_func ("/auth/pair/01", "10 01 01", test_pair);
  g_test_add_data_func ("/auth/pair/06", "10 01 06", test_pair);
  g_test_add_func ("/auth/pair-new-key", test_pair_new_key);
  g_test_add_func ("/auth/answer-before-written", test_answer_before_written);
  g_test_add_func ("/auth/high-bit", test_high_bit);
  g_test_add_func ("/auth/repeated-answers", test_repeated_answers);
  g_test_add_func ("/auth/late-preamble-answer", test_late_preamble_answer);
  for (guint i = 0; i < G_N_ELEMENTS (failure_cases); i++)
    {
      g_autofree char *path = g_strconcat ("/auth/failure/", failure_cases[i].name, NULL);

      g_test_add_data_func (path, &failure_cases[i], test_failure);
    }
  g_test_add_func ("/auth/timeouts", test_timeouts);
  g_test_add_func ("/auth/cancel", test_cancel);
  g_test_add_func ("/auth/awaited", test_awaited);
  g_test_add_func ("/auth/ignored-frames", test_ignored_frames);
  g_test_add_func ("/auth/clear", test_clear);
  g_test_add_func ("/auth/texts", test_texts);
  g_test_add_func ("/auth/random", test_random);
  return g_test_run ();
}
