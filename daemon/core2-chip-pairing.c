/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pairing, and authentication with the stored key: core2-auth's actions carried out over link, store and
 * timers. Keys go from the store to the chip and nowhere else. */
#include "core2-chip-private.h"

#include <string.h>

static void act (Core2Chip *self, Core2AuthAction action);
static void authenticate (Core2Chip *self);

/* --- published state -------------------------------------------------------------------------------------- */

static void
publish (Core2Chip *self)
{
  guint64 deadline = 0;

  if (self->auth.state == CORE2_AUTH_SHAKE_NOW)
    deadline = (guint64) (g_get_real_time () + core2_auth_get_deadline (&self->auth)
                          - g_get_monotonic_time ());
  if (self->pairing_state != self->auth.state && self->auth.pairing)
    {
      self->pairing_state = self->auth.state;
      chip_notify (self, PROP_PAIRING_STATE);
    }
  if ((deadline == 0) != (self->pairing_deadline == 0))
    {
      self->pairing_deadline = deadline;
      chip_notify (self, PROP_PAIRING_DEADLINE);
    }
}

static void
set_paired (Core2Chip *self, gboolean paired)
{
  if (self->paired == paired)
    return;
  self->paired = paired;
  chip_notify (self, PROP_PAIRED);
}

/* --- timer ------------------------------------------------------------------------------------------------ */

static gboolean
on_auth_timer (gpointer user_data)
{
  Core2Chip *self = user_data;

  self->auth_timer = 0;
  act (self, core2_auth_expire (&self->auth, g_get_monotonic_time ()));
  return G_SOURCE_REMOVE;
}

static void
set_timer (Core2Chip *self)
{
  gint64 deadline = core2_auth_get_deadline (&self->auth);

  g_clear_handle_id (&self->auth_timer, g_source_remove);
  if (deadline != CORE2_AUTH_NEVER)
    self->auth_timer = g_timeout_add (
        (guint) (CLAMP ((deadline - g_get_monotonic_time ()) / 1000, 0, 600000) + 1),
        on_auth_timer, self);
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

/* The handshake is over; @error is NULL on success. */
static void
finish_pairing (Core2Chip *self, const GError *error)
{
  Core2Request *request = g_steal_pointer (&self->pair_request);

  g_clear_handle_id (&self->auth_timer, g_source_remove);
  publish (self);
  chip_flush (self);
  if (request == NULL)
    return;
  request->on_end = NULL;
  if (error != NULL)
    core2_request_fail_gerror (request, error);
  else
    core2_request_reply (request, NULL);
}

/* Ends the handshake for a reason of ours: link, storage. */
static void
abort_pairing (Core2Chip *self, const GError *error)
{
  core2_auth_cancel (&self->auth);
  finish_pairing (self, error);
  core2_auth_clear (&self->auth);
}

static void
steps_after_pairing (const GError *error, const guint8 *data, gsize size, gpointer user_data)
{
  Core2Chip *self = user_data;

  if (error == NULL && self->session_started)
    chip_steps_value (self, data, size);
}

static void
pairing_succeeded (Core2Chip *self)
{
  g_autoptr (GError) error = NULL;
  gboolean stored
      = core2_store_commit_pending_key (self->services->store, self->record->address, &error);

  core2_log_event (CORE2_LOG_NOTICE,
                   CORE2_LOG_FIELDS (.chip = self->record->address, .topic = "pairing",
                                     .message_id = CORE2_LOG_ID_PAIRED),
                   "paired");
  if (stored)
    {
      set_paired (self, TRUE);
      chip_set_last_error (self, "");
      chip_set_status (self, "connected");
    }
  core2_link_read (self->link, CORE2_UUID_STEPS, steps_after_pairing, self);
  finish_pairing (self, error);
}

static void
key_rejected (Core2Chip *self)
{
  if (self->trying_pending_key)
    {
      /* The pairing that was interrupted did not reach the chip: the key before it is still right. */
      core2_store_discard_pending_key (self->services->store, self->record->address, NULL);
      authenticate (self);
      return;
    }
  set_paired (self, FALSE);
  chip_set_last_error (self, core2_error_get_name (CORE2_ERROR_KEY_REJECTED));
  chip_set_status (self, "connected, but the chip rejects the key: pair again");
  core2_log_event (CORE2_LOG_NOTICE,
                   CORE2_LOG_FIELDS (.chip = self->record->address, .topic = "pairing",
                                     .message_id = CORE2_LOG_ID_KEY_REJECTED),
                   "the chip rejects the stored key; it counts all the same");
}

static void
succeeded (Core2Chip *self)
{
  gboolean pairing = self->auth.pairing;

  self->authenticated = TRUE;
  if (pairing)
    pairing_succeeded (self);
  else
    {
      if (self->trying_pending_key)
        core2_store_commit_pending_key (self->services->store, self->record->address, NULL);
      set_paired (self, TRUE);
    }
  core2_auth_clear (&self->auth);
}

static void
failed (Core2Chip *self)
{
  Core2AuthError error = self->auth.error;
  gboolean pairing = self->auth.pairing;

  if (pairing)
    {
      g_autoptr (GError) reason = g_error_new (CORE2_ERROR, error_code (error), "%s: %s",
                                               self->record->address,
                                               core2_auth_error_to_string (error));
      finish_pairing (self, reason);
    }
  core2_auth_clear (&self->auth);
  if (!pairing && error == CORE2_AUTH_ERROR_KEY_REJECTED)
    key_rejected (self);
  else if (!pairing)
    core2_log_info (self->record->address, "pairing", "authentication: %s",
                    core2_auth_error_to_string (error));
}

/* --- actions ---------------------------------------------------------------------------------------------- */

static void
frame_written (const GError *error, const guint8 *data, gsize size, gpointer user_data)
{
  Core2Chip *self = user_data;

  if (!core2_auth_is_active (&self->auth))
    return;
  if (error != NULL)
    {
      abort_pairing (self, error);
      return;
    }
  act (self, core2_auth_frame_written (&self->auth, g_get_monotonic_time ()));
}

/* On disk before the chip gets it, so that no crash in between can lose the only key that opens the chip. */
static gboolean
store_key_before_sending (Core2Chip *self)
{
  g_autoptr (GError) error = NULL;

  if (self->auth.state != CORE2_AUTH_SENDING_KEY
      || core2_store_set_pending_key (self->services->store, self->record->address,
                                      core2_auth_get_key (&self->auth), &error))
    return TRUE;
  abort_pairing (self, error);
  return FALSE;
}

static void
act (Core2Chip *self, Core2AuthAction action)
{
  switch (action)
    {
    case CORE2_AUTH_ACTION_WRITE:
      if (!store_key_before_sending (self))
        return;
      core2_link_write (self->link, CORE2_UUID_AUTHENTICATION, self->auth.frame,
                        self->auth.frame_size, FALSE, frame_written, self);
      break;
    case CORE2_AUTH_ACTION_STORE_PENDING:
      /* Stored already. The chip has taken the key, and with it reset its counter. */
      core2_steps_expect_reset (&self->steps);
      act (self, core2_auth_continue (&self->auth, g_get_monotonic_time ()));
      return;
    case CORE2_AUTH_ACTION_SUCCEEDED:
      succeeded (self);
      return;
    case CORE2_AUTH_ACTION_FAILED:
      failed (self);
      return;
    case CORE2_AUTH_ACTION_NONE:
    default:
      break;
    }
  publish (self);
  set_timer (self);
}

void
chip_pairing_value (Core2Chip *self, const guint8 *data, gsize size)
{
  if (core2_auth_is_active (&self->auth))
    act (self, core2_auth_feed (&self->auth, data, size, g_get_monotonic_time ()));
}

/* --- authentication by itself ------------------------------------------------------------------------------- */

static void
authentication_subscribed (const GError *error, const guint8 *data, gsize size,
                           gpointer user_data)
{
  Core2Chip *self = user_data;

  if (error == NULL && self->session_started && !core2_auth_is_active (&self->auth)
      && self->pair_request == NULL)
    authenticate (self);
}

static void
authenticate (Core2Chip *self)
{
  guint8 key[CORE2_KEY_SIZE];
  const char *address = self->record->address;

  self->trying_pending_key
      = core2_store_get_pending_key (self->services->store, address, key, NULL);
  if (!self->trying_pending_key
      && !core2_store_get_key (self->services->store, address, key, NULL))
    return;
  act (self, core2_auth_start_authenticate (&self->auth, key, g_get_monotonic_time ()));
  core2_auth_wipe (key, sizeof key);
}

void
chip_pairing_ready (Core2Chip *self)
{
  const char *address = self->record->address;

  self->authenticated = FALSE;
  if (!core2_link_has (self->link, CORE2_UUID_AUTHENTICATION)
      || (!core2_store_has_key (self->services->store, address)
          && !core2_store_has_pending_key (self->services->store, address)))
    return;
  core2_link_subscribe (self->link, CORE2_UUID_AUTHENTICATION, authentication_subscribed, self);
}

void
chip_pairing_key_changed (Core2Chip *self)
{
  set_paired (self, core2_store_has_key (self->services->store, self->record->address));
  if (self->state == CHIP_READY && !core2_auth_is_active (&self->auth))
    chip_pairing_ready (self);
}

/* --- pairing ------------------------------------------------------------------------------------------------ */

static void
begin (Core2Chip *self)
{
  Core2Request *request = self->pair_request;
  gint64 shake_us = (gint64) request->timeout_s * G_USEC_PER_SEC;
  guint8 key[CORE2_KEY_SIZE];
  gboolean new_key = request->flag;
  g_autoptr (GError) error = NULL;

  if (!new_key
      && !core2_store_get_key (self->services->store, self->record->address, key, &error))
    {
      abort_pairing (self, error);
      return;
    }
  act (self, core2_auth_start_pair (&self->auth, new_key ? NULL : key,
                                    self->services->config.pairing_preamble, shake_us,
                                    g_get_monotonic_time ()));
  core2_auth_wipe (key, sizeof key);
}

static void
pairing_subscribed (const GError *error, const guint8 *data, gsize size, gpointer user_data)
{
  Core2Chip *self = user_data;

  if (self->pair_request == NULL)
    return;                      /* cancelled, or the link ended */
  if (error != NULL)
    abort_pairing (self, error);
  else
    begin (self);
}

static void
steps_before_pairing (const GError *error, const guint8 *data, gsize size, gpointer user_data)
{
  Core2Chip *self = user_data;
  g_autoptr (GError) save_error = NULL;

  if (self->pair_request == NULL)
    return;
  if (error == NULL)
    chip_steps_value (self, data, size);
  if (error != NULL || !chip_save_now (self, &save_error))
    {
      abort_pairing (self, error != NULL ? error : save_error);
      return;
    }
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
  core2_auth_cancel (&self->auth);
  core2_auth_clear (&self->auth);
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
      /* Ends an authentication under way. */
      core2_auth_clear (&self->auth);
      g_clear_handle_id (&self->auth_timer, g_source_remove);
      self->trying_pending_key = FALSE;
      self->pair_request = request;
      request->on_end = forget_request;
      core2_request_watch_caller (request, caller_gone);
      /* Pairing resets the chip's counter: what it has counted is saved first. */
      core2_link_read (self->link, CORE2_UUID_STEPS, steps_before_pairing, self);
    }
}

gboolean
chip_pairing_cancel (Core2Chip *self)
{
  g_autoptr (GError) error = NULL;

  if (self->pair_request == NULL)
    return FALSE;
  error = g_error_new (CORE2_ERROR, CORE2_ERROR_CANCELLED, "pairing of %s was cancelled",
                       self->record->address);
  abort_pairing (self, error);
  return TRUE;
}

/* --- life --------------------------------------------------------------------------------------------------- */

void
chip_pairing_lost (Core2Chip *self)
{
  g_autoptr (GError) error
      = g_error_new (CORE2_ERROR, CORE2_ERROR_NOT_CONNECTED, "the connection to %s ended",
                     self->record->address);

  self->authenticated = FALSE;
  if (self->pair_request != NULL || core2_auth_is_active (&self->auth))
    abort_pairing (self, error);
}

void
chip_pairing_init (Core2Chip *self)
{
  core2_auth_init (&self->auth);
  self->paired = core2_store_has_key (self->services->store, self->record->address);
}

void
chip_pairing_clear (Core2Chip *self)
{
  chip_pairing_lost (self);
  g_clear_handle_id (&self->auth_timer, g_source_remove);
  core2_auth_clear (&self->auth);
}
