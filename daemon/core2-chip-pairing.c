/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The methods Pair and CancelPairing: the steps are saved, then a handshake sets a key. */
#include "core2-chip-private.h"

#include <string.h>

/* --- published state -------------------------------------------------------------------------------------- */

static void
set_state (Core2Chip *self, Core2AuthState state)
{
  if (self->pairing_state == state)
    return;
  self->pairing_state = state;
  chip_notify (self, PROP_PAIRING_STATE);
}

static void
set_deadline (Core2Chip *self, guint64 deadline)
{
  if ((deadline == 0) == (self->pairing_deadline == 0))
    return;
  self->pairing_deadline = deadline;
  chip_notify (self, PROP_PAIRING_DEADLINE);
}

void
chip_pairing_publish (Core2Chip *self)
{
  if (!self->auth.pairing)
    return;
  set_state (self, self->auth.state);
  set_deadline (self, self->auth.state != CORE2_AUTH_SHAKE_NOW
                          ? 0
                          : (guint64) (g_get_real_time () + core2_auth_get_deadline (&self->auth)
                                       - g_get_monotonic_time ()));
  /* Each state is told, however soon the chip answers. */
  chip_flush (self);
}

/* --- ends ------------------------------------------------------------------------------------------------- */

static Core2Error
error_code (Core2AuthError error)
{
  switch (error)
    {
    case CORE2_AUTH_ERROR_NOT_SHAKEN:
      return CORE2_ERROR_NOT_SHAKEN;
    case CORE2_AUTH_ERROR_KEY_REJECTED:
      return CORE2_ERROR_KEY_REJECTED;
    case CORE2_AUTH_ERROR_TIMEOUT:
      return CORE2_ERROR_TIMEOUT;
    case CORE2_AUTH_ERROR_CANCELLED:
      return CORE2_ERROR_CANCELLED;
    case CORE2_AUTH_ERROR_NONE:
    case CORE2_AUTH_ERROR_PROTOCOL:
    case CORE2_AUTH_ERROR_CRYPTO:
    default:
      return CORE2_ERROR_FAILED;
    }
}

/* Answers the caller; @error is NULL on success. */
static void
answer (Core2Chip *self, const GError *error)
{
  Core2Request *request = g_steal_pointer (&self->pair_request);

  set_state (self, error == NULL ? CORE2_AUTH_SUCCEEDED : CORE2_AUTH_FAILED);
  set_deadline (self, 0);
  chip_flush (self);
  request->on_end = NULL;
  if (error != NULL)
    core2_request_fail_gerror (request, error);
  else
    core2_request_reply (request, NULL);
  chip_linger (self);
}

static void
steps_after_pairing (const GError *error, const guint8 *data, gsize size, gpointer user_data)
{
  Core2Chip *self = user_data;

  if (error == NULL && self->session_started)
    chip_steps_value (self, data, size);
}

void
chip_pairing_succeeded (Core2Chip *self)
{
  const char *address = self->record->address;
  gboolean new_key = self->pair_request->flag;
  g_autoptr (GError) error = NULL;
  gboolean stored = new_key
                        ? core2_store_commit_pending_key (self->services->store, address, &error)
                        : core2_store_discard_pending_key (self->services->store, address, &error);

  self->key_may_come = FALSE;
  self->authentication_wanted = FALSE;
  core2_log_event (CORE2_LOG_NOTICE,
                   CORE2_LOG_FIELDS (.chip = address, .topic = "pairing",
                                     .message_id = CORE2_LOG_ID_PAIRED),
                   "paired");
  if (stored)
    chip_handshake_confirmed (self);
  core2_link_read (self->link, CORE2_UUID_STEPS, steps_after_pairing, self);
  answer (self, error);
}

/* Whichever key the chip has now is found out at once. */
void
chip_pairing_failed (Core2Chip *self, Core2AuthError error)
{
  g_autoptr (GError) reason = g_error_new (CORE2_ERROR, error_code (error), "%s: %s",
                                           self->record->address,
                                           core2_auth_error_to_string (error));

  self->authentication_wanted = TRUE;
  answer (self, reason);
}

static void steps_before_pairing (const GError *error, const guint8 *data, gsize size,
                                  gpointer user_data);
static void pairing_subscribed (const GError *error, const guint8 *data, gsize size,
                                gpointer user_data);

/* Nothing of this pairing may meet the next one. */
static void
drop (Core2Chip *self)
{
  if (self->link != NULL)
    {
      core2_link_forget (self->link, steps_before_pairing, self);
      core2_link_forget (self->link, pairing_subscribed, self);
    }
  if (self->auth.pairing)
    {
      chip_handshake_abort (self);
      self->authentication_wanted = TRUE;
    }
}

void
chip_pairing_abort (Core2Chip *self, const GError *error)
{
  drop (self);
  answer (self, error);
  chip_handshake_next (self);
}

gboolean
chip_pairing_cancel (Core2Chip *self)
{
  g_autoptr (GError) error = NULL;

  if (self->pair_request == NULL)
    return FALSE;
  error = g_error_new (CORE2_ERROR, CORE2_ERROR_CANCELLED, "pairing of %s was cancelled",
                       self->record->address);
  chip_pairing_abort (self, error);
  return TRUE;
}

void
chip_pairing_lost (Core2Chip *self)
{
  g_autoptr (GError) error = NULL;

  if (self->pair_request == NULL)
    return;
  error = g_error_new (CORE2_ERROR, CORE2_ERROR_NOT_CONNECTED, "the connection to %s ended",
                       self->record->address);
  answer (self, error);
}

/* --- the key ---------------------------------------------------------------------------------------------- */

gboolean
chip_pairing_store_key (Core2Chip *self)
{
  g_autoptr (GError) error = NULL;

  self->key_may_come = TRUE;
  if (!self->pair_request->flag
      || core2_store_set_pending_key (self->services->store, self->record->address,
                                      core2_auth_get_key (&self->auth), &error))
    return TRUE;
  chip_pairing_abort (self, error);
  return FALSE;
}

/* The caller's key, unless another one is pending: should the chip have taken that, nobody would know it any more. */
static gboolean
choose_given_key (Core2Chip *self, guint8 key[CORE2_KEY_SIZE], GError **error)
{
  const char *address = self->record->address;
  gconstpointer given = g_bytes_get_data (self->pair_request->secret, NULL);
  g_autoptr (GError) problem = NULL;

  if (core2_store_get_pending_key (self->services->store, address, key, &problem))
    {
      if (memcmp (key, given, CORE2_KEY_SIZE) == 0)
        return TRUE;
      g_set_error (error, CORE2_ERROR, CORE2_ERROR_IN_PROGRESS,
                   "%s has not told yet whether it took the key of an earlier pairing: pair it without a key",
                   address);
      return FALSE;
    }
  if (!g_error_matches (problem, CORE2_ERROR, CORE2_ERROR_NOT_PAIRED))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  memcpy (key, given, CORE2_KEY_SIZE);
  return TRUE;
}

/* Reads the key that is to be set. *@found is FALSE for a new random one. A pending key is set again: should the
 * chip have taken it already, or take it late, it is still the right one. FALSE with @error when none can be
 * chosen. */
static gboolean
choose_key (Core2Chip *self, guint8 key[CORE2_KEY_SIZE], gboolean *found, GError **error)
{
  Core2Store *store = self->services->store;
  const char *address = self->record->address;
  g_autoptr (GError) problem = NULL;

  if (self->pair_request->secret != NULL)
    return *found = choose_given_key (self, key, error);
  *found = self->pair_request->flag ? core2_store_get_pending_key (store, address, key, &problem)
                                    : core2_store_get_key (store, address, key, &problem);
  if (*found
      || (self->pair_request->flag
          && g_error_matches (problem, CORE2_ERROR, CORE2_ERROR_NOT_PAIRED)))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

/* --- the course ------------------------------------------------------------------------------------------- */

void
chip_pairing_begin (Core2Chip *self)
{
  gint64 shake_us = (gint64) self->pair_request->timeout_s * G_USEC_PER_SEC;
  guint8 key[CORE2_KEY_SIZE];
  gboolean found;
  g_autoptr (GError) error = NULL;

  self->pair_prepared = FALSE;
  if (!choose_key (self, key, &found, &error))
    {
      chip_pairing_abort (self, error);
      return;
    }
  chip_handshake_act (self, core2_auth_start_pair (&self->auth, found ? key : NULL,
                                                   self->services->config.pairing_preamble,
                                                   shake_us, g_get_monotonic_time ()));
  core2_auth_wipe (key, sizeof key);
}

static void
pairing_subscribed (const GError *error, const guint8 *data, gsize size, gpointer user_data)
{
  Core2Chip *self = user_data;

  if (self->pair_request == NULL)
    return;                      /* the link ended */
  if (error != NULL)
    {
      chip_pairing_abort (self, error);
      return;
    }
  self->pair_prepared = TRUE;
  chip_handshake_next (self);
}

static void
steps_before_pairing (const GError *error, const guint8 *data, gsize size, gpointer user_data)
{
  Core2Chip *self = user_data;
  g_autoptr (GError) save_error = NULL;

  if (self->pair_request == NULL)
    return;                      /* the link ended */
  if (error == NULL)
    chip_steps_value (self, data, size);
  if (error != NULL || !chip_save_now (self, &save_error))
    chip_pairing_abort (self, error != NULL ? error : save_error);
  else
    core2_link_subscribe (self->link, CORE2_UUID_AUTHENTICATION, pairing_subscribed, self);
}

static void
caller_gone (Core2Request *request)
{
  chip_pairing_cancel (request->owner);
}

static void
forget_request (Core2Request *request)
{
  Core2Chip *self = request->owner;

  self->pair_request = NULL;
  drop (self);
}

void
chip_pairing_start (Core2Request *request)
{
  Core2Chip *self = request->owner;
  const char *address = self->record->address;
  g_autoptr (GError) error = NULL;

  if (self->pair_request != NULL)
    core2_request_fail (request, CORE2_ERROR_IN_PROGRESS, "%s is being paired already", address);
  else if (self->state != CHIP_READY)
    core2_request_fail (request, CORE2_ERROR_NOT_CONNECTED, "%s is not connected: %s", address,
                        self->status_text);
  else if (!core2_link_has (self->link, CORE2_UUID_AUTHENTICATION))
    core2_request_fail (request, CORE2_ERROR_NOT_SUPPORTED, "%s cannot be paired", address);
  else if (!request->flag && !core2_store_has_key (self->services->store, address))
    core2_request_fail (request, CORE2_ERROR_NOT_PAIRED, "%s has no stored key", address);
  else if (!self->remembered && !core2_chip_remember (self, NULL, NULL, NULL, NULL, &error))
    core2_request_fail_gerror (request, error);
  else
    {
      /* An authentication under way gives way. */
      if (core2_auth_is_active (&self->auth))
        self->authentication_wanted = TRUE;
      chip_handshake_abort (self);
      self->pair_request = request;
      self->pair_prepared = FALSE;
      request->on_end = forget_request;
      core2_request_watch_caller (request, caller_gone);
      /* Pairing resets the chip's counter: what it has counted is saved first. */
      core2_link_read (self->link, CORE2_UUID_STEPS, steps_before_pairing, self);
    }
}
