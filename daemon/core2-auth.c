/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-auth.h"

#include <string.h>

#include <psa/crypto.h>

/* A refusal this soon after the key, when the preamble had no answer, is the preamble's late
 * one: nobody can have failed to shake the chip yet. */
#define LATE_ANSWER_US (1 * G_TIME_SPAN_SECOND)

void
core2_auth_wipe (void *data, gsize size)
{
  explicit_bzero (data, size);
}

void
core2_auth_init (Core2Auth *self)
{
  *self = (Core2Auth){ .state = CORE2_AUTH_IDLE, .deadline_us = CORE2_AUTH_NEVER };
}

void
core2_auth_clear (Core2Auth *self)
{
  core2_auth_wipe (self, sizeof *self);
  core2_auth_init (self);
}

gboolean
core2_auth_is_active (const Core2Auth *self)
{
  return self->state != CORE2_AUTH_IDLE && self->state != CORE2_AUTH_SUCCEEDED
         && self->state != CORE2_AUTH_FAILED;
}

gint64
core2_auth_get_deadline (const Core2Auth *self)
{
  return self->deadline_us;
}

guint8
core2_auth_get_awaited (const Core2Auth *self)
{
  return self->state == CORE2_AUTH_PREPARING || self->state == CORE2_AUTH_VERIFYING ? self->expected
                                                                                   : 0;
}

const guint8 *
core2_auth_get_key (const Core2Auth *self)
{
  return self->key;
}

static void
wipe_frame (Core2Auth *self)
{
  core2_auth_wipe (self->frame, sizeof self->frame);
  self->frame_size = 0;
}

static Core2AuthAction
end (Core2Auth *self, Core2AuthState state, Core2AuthError error)
{
  wipe_frame (self);
  self->state = state;
  self->error = error;
  self->expected = 0;
  self->must_store = FALSE;
  self->deadline_us = CORE2_AUTH_NEVER;
  return state == CORE2_AUTH_SUCCEEDED ? CORE2_AUTH_ACTION_SUCCEEDED : CORE2_AUTH_ACTION_FAILED;
}

static Core2AuthAction
fail (Core2Auth *self, Core2AuthError error)
{
  return end (self, CORE2_AUTH_FAILED, error);
}

static Core2AuthAction
send_frame (Core2Auth *self, Core2AuthState state, Core2AuthCommand command,
            const guint8 *payload, gint64 deadline_us)
{
  self->frame_size = core2_protocol_encode_auth (command, CORE2_AUTH_FLAG, payload, self->frame);
  self->expected = command;
  self->state = state;
  self->deadline_us = deadline_us;
  return CORE2_AUTH_ACTION_WRITE;
}

static Core2AuthAction
send_key (Core2Auth *self, gint64 now_us)
{
  self->key_sent_us = now_us;
  return send_frame (self, CORE2_AUTH_SENDING_KEY, CORE2_AUTH_COMMAND_KEY, self->key,
                     now_us + CORE2_AUTH_REPLY_US);
}

static Core2AuthAction
ask_challenge (Core2Auth *self, gint64 now_us)
{
  return send_frame (self, CORE2_AUTH_VERIFYING, CORE2_AUTH_COMMAND_CHALLENGE, NULL,
                     now_us + CORE2_AUTH_REPLY_US);
}

Core2AuthAction
core2_auth_start_pair (Core2Auth *self, const guint8 *key, gboolean preamble, gint64 shake_us,
                       gint64 now_us)
{
  core2_auth_clear (self);
  self->pairing = TRUE;
  self->shake_us = shake_us > 0 ? shake_us : CORE2_AUTH_SHAKE_US;
  if (key != NULL)
    memcpy (self->key, key, CORE2_KEY_SIZE);
  else if (!core2_auth_generate_key (self->key))
    return fail (self, CORE2_AUTH_ERROR_CRYPTO);

  if (!preamble)
    return send_key (self, now_us);
  return send_frame (self, CORE2_AUTH_PREPARING, CORE2_AUTH_COMMAND_KEY, NULL,
                     now_us + CORE2_AUTH_PREAMBLE_US);
}

Core2AuthAction
core2_auth_start_authenticate (Core2Auth *self, const guint8 key[CORE2_KEY_SIZE], gint64 now_us)
{
  core2_auth_clear (self);
  memcpy (self->key, key, CORE2_KEY_SIZE);
  return ask_challenge (self, now_us);
}

Core2AuthAction
core2_auth_frame_written (Core2Auth *self, gint64 now_us)
{
  wipe_frame (self);
  if (self->state == CORE2_AUTH_SENDING_KEY)
    {
      self->state = CORE2_AUTH_SHAKE_NOW;
      self->key_sent_us = now_us;
      self->deadline_us = now_us + self->shake_us;
    }
  return CORE2_AUTH_ACTION_NONE;
}

static Core2AuthAction
feed_preamble_answer (Core2Auth *self, const Core2AuthFrame *answer, gint64 now_us)
{
  /* 10 01 04 and 10 01 01 both mean "go on". */
  if (answer->status != CORE2_AUTH_STATUS_OK && answer->status != CORE2_AUTH_STATUS_REFUSED
      && answer->status != CORE2_AUTH_STATUS_ACCEPTED)
    return fail (self, CORE2_AUTH_ERROR_PROTOCOL);
  return send_key (self, now_us);
}

static Core2AuthAction
feed_key_answer (Core2Auth *self, const Core2AuthFrame *answer, gint64 now_us)
{
  switch (answer->status)
    {
    case CORE2_AUTH_STATUS_OK:
    case CORE2_AUTH_STATUS_ACCEPTED:
      self->state = CORE2_AUTH_VERIFYING;
      self->expected = 0;
      self->must_store = TRUE;
      self->deadline_us = CORE2_AUTH_NEVER;
      return CORE2_AUTH_ACTION_STORE_PENDING;
    case CORE2_AUTH_STATUS_REFUSED:
      if (self->preamble_unanswered && now_us - self->key_sent_us < LATE_ANSWER_US)
        {
          self->preamble_unanswered = FALSE;
          return CORE2_AUTH_ACTION_NONE;
        }
      return fail (self, CORE2_AUTH_ERROR_NOT_SHAKEN);
    case CORE2_AUTH_STATUS_WRONG_KEY:
      return fail (self, CORE2_AUTH_ERROR_KEY_REJECTED);
    default:
      return fail (self, CORE2_AUTH_ERROR_PROTOCOL);
    }
}

static Core2AuthAction
feed_challenge (Core2Auth *self, const Core2AuthFrame *answer, gint64 now_us)
{
  guint8 encrypted[CORE2_KEY_SIZE];
  Core2AuthAction action;

  if (answer->status == CORE2_AUTH_STATUS_REFUSED || answer->status == CORE2_AUTH_STATUS_WRONG_KEY)
    return fail (self, CORE2_AUTH_ERROR_KEY_REJECTED);
  if (answer->status != CORE2_AUTH_STATUS_OK || answer->payload_size != CORE2_KEY_SIZE)
    return fail (self, CORE2_AUTH_ERROR_PROTOCOL);
  if (!core2_auth_encrypt (self->key, answer->payload, encrypted))
    return fail (self, CORE2_AUTH_ERROR_CRYPTO);
  action = send_frame (self, CORE2_AUTH_VERIFYING, CORE2_AUTH_COMMAND_ANSWER, encrypted,
                       now_us + CORE2_AUTH_REPLY_US);
  core2_auth_wipe (encrypted, sizeof encrypted);
  return action;
}

static Core2AuthAction
feed_verdict (Core2Auth *self, const Core2AuthFrame *answer)
{
  switch (answer->status)
    {
    case CORE2_AUTH_STATUS_OK:
      return end (self, CORE2_AUTH_SUCCEEDED, CORE2_AUTH_ERROR_NONE);
    case CORE2_AUTH_STATUS_REFUSED:
    case CORE2_AUTH_STATUS_WRONG_KEY:
      return fail (self, CORE2_AUTH_ERROR_KEY_REJECTED);
    default:
      return fail (self, CORE2_AUTH_ERROR_PROTOCOL);
    }
}

/* An answer to a step of this handshake that is behind us: a notification that came twice. */
static gboolean
is_repeated (const Core2Auth *self, const Core2AuthFrame *answer)
{
  guint8 first = self->pairing ? CORE2_AUTH_COMMAND_KEY : CORE2_AUTH_COMMAND_CHALLENGE;

  if (self->must_store)
    return answer->command == CORE2_AUTH_COMMAND_KEY;
  return answer->command >= first && answer->command < self->expected;
}

Core2AuthAction
core2_auth_feed (Core2Auth *self, const guint8 *data, gsize size, gint64 now_us)
{
  Core2AuthFrame answer;
  Core2Decode decode = core2_protocol_decode_auth (data, size, &answer);

  if (!core2_auth_is_active (self) || decode == CORE2_DECODE_EMPTY || decode == CORE2_DECODE_OTHER)
    return CORE2_AUTH_ACTION_NONE;
  if (decode != CORE2_DECODE_OK)
    return fail (self, CORE2_AUTH_ERROR_PROTOCOL);
  if (is_repeated (self, &answer))
    return CORE2_AUTH_ACTION_NONE;
  if (answer.command != self->expected)
    return fail (self, CORE2_AUTH_ERROR_PROTOCOL);

  switch (answer.command)
    {
    case CORE2_AUTH_COMMAND_KEY:
      if (self->state == CORE2_AUTH_PREPARING)
        return feed_preamble_answer (self, &answer, now_us);
      return feed_key_answer (self, &answer, now_us);
    case CORE2_AUTH_COMMAND_CHALLENGE:
      return feed_challenge (self, &answer, now_us);
    case CORE2_AUTH_COMMAND_ANSWER:
      return feed_verdict (self, &answer);
    default:
      return fail (self, CORE2_AUTH_ERROR_PROTOCOL);
    }
}

Core2AuthAction
core2_auth_continue (Core2Auth *self, gint64 now_us)
{
  if (!self->must_store)
    return CORE2_AUTH_ACTION_NONE;
  self->must_store = FALSE;
  return ask_challenge (self, now_us);
}

Core2AuthAction
core2_auth_cancel (Core2Auth *self)
{
  if (!core2_auth_is_active (self))
    return CORE2_AUTH_ACTION_NONE;
  return fail (self, CORE2_AUTH_ERROR_CANCELLED);
}

Core2AuthAction
core2_auth_expire (Core2Auth *self, gint64 now_us)
{
  if (!core2_auth_is_active (self) || now_us < self->deadline_us)
    return CORE2_AUTH_ACTION_NONE;

  switch (self->state)
    {
    case CORE2_AUTH_PREPARING:
      self->preamble_unanswered = TRUE;
      return send_key (self, now_us);
    case CORE2_AUTH_SHAKE_NOW:
      return fail (self, CORE2_AUTH_ERROR_NOT_SHAKEN);
    case CORE2_AUTH_IDLE:
    case CORE2_AUTH_SENDING_KEY:
    case CORE2_AUTH_VERIFYING:
    case CORE2_AUTH_SUCCEEDED:
    case CORE2_AUTH_FAILED:
    default:
      return fail (self, CORE2_AUTH_ERROR_TIMEOUT);
    }
}

const char *
core2_auth_state_to_string (Core2AuthState state)
{
  switch (state)
    {
    case CORE2_AUTH_PREPARING:
      return "preparing";
    case CORE2_AUTH_SENDING_KEY:
      return "sending-key";
    case CORE2_AUTH_SHAKE_NOW:
      return "shake-now";
    case CORE2_AUTH_VERIFYING:
      return "verifying";
    case CORE2_AUTH_SUCCEEDED:
      return "succeeded";
    case CORE2_AUTH_FAILED:
      return "failed";
    case CORE2_AUTH_IDLE:
    default:
      return "idle";
    }
}

const char *
core2_auth_error_to_string (Core2AuthError error)
{
  switch (error)
    {
    case CORE2_AUTH_ERROR_NONE:
      return "no error";
    case CORE2_AUTH_ERROR_NOT_SHAKEN:
      return "the chip was not shaken in time";
    case CORE2_AUTH_ERROR_KEY_REJECTED:
      return "the chip rejects the key";
    case CORE2_AUTH_ERROR_TIMEOUT:
      return "the chip did not answer in time";
    case CORE2_AUTH_ERROR_PROTOCOL:
      return "the chip sent an answer that makes no sense";
    case CORE2_AUTH_ERROR_CANCELLED:
      return "cancelled";
    case CORE2_AUTH_ERROR_CRYPTO:
      return "the crypto library failed";
    default:
      return "unknown error";
    }
}

gboolean
core2_auth_generate_key (guint8 key[CORE2_KEY_SIZE])
{
  if (psa_crypto_init () == PSA_SUCCESS && psa_generate_random (key, CORE2_KEY_SIZE) == PSA_SUCCESS)
    return TRUE;
  core2_auth_wipe (key, CORE2_KEY_SIZE);
  return FALSE;
}

gboolean
core2_auth_encrypt (const guint8 key[CORE2_KEY_SIZE], const guint8 input[CORE2_KEY_SIZE],
                    guint8 output[CORE2_KEY_SIZE])
{
  psa_key_attributes_t attributes = PSA_KEY_ATTRIBUTES_INIT;
  psa_key_id_t id;
  psa_status_t status;
  size_t length = 0;

  psa_set_key_type (&attributes, PSA_KEY_TYPE_AES);
  psa_set_key_usage_flags (&attributes, PSA_KEY_USAGE_ENCRYPT);
  psa_set_key_algorithm (&attributes, PSA_ALG_ECB_NO_PADDING);
  status = psa_crypto_init ();
  if (status == PSA_SUCCESS)
    status = psa_import_key (&attributes, key, CORE2_KEY_SIZE, &id);
  if (status == PSA_SUCCESS)
    {
      status = psa_cipher_encrypt (id, PSA_ALG_ECB_NO_PADDING, input, CORE2_KEY_SIZE, output,
                                   CORE2_KEY_SIZE, &length);
      /* Wipes the library's copy of the key. */
      psa_destroy_key (id);
    }
  if (status == PSA_SUCCESS && length == CORE2_KEY_SIZE)
    return TRUE;
  core2_auth_wipe (output, CORE2_KEY_SIZE);
  return FALSE;
}
