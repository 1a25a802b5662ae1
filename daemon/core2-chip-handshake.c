/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One handshake at a time with a chip: core2-auth's actions carried out over link, store and timers, and the
 * question which key the chip has. Keys go from the store to the chip and nowhere else.
 *
 * A pairing that was interrupted leaves a pending key, and nobody knows whether the chip has taken it. It is tried
 * before the old one, on every connection and after every pairing that failed. It becomes the key when the chip
 * confirms it, and is dropped when the chip is right without it and can't take it any more. */
#include "core2-chip-private.h"

#include <string.h>

#define KEY_REJECTED_TEXT "connected, but the chip rejects the key: pair again"

/* --- timers ----------------------------------------------------------------------------------------------- */

static gboolean
on_auth_timer (gpointer user_data)
{
  Core2Chip *self = user_data;

  self->auth_timer = 0;
  chip_handshake_act (self, core2_auth_expire (&self->auth, g_get_monotonic_time ()));
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

static void
forget_stale_answer (Core2Chip *self)
{
  self->stale_answer = 0;
  g_clear_handle_id (&self->stale_timer, g_source_remove);
}

static gboolean
on_stale_timer (gpointer user_data)
{
  Core2Chip *self = user_data;

  self->stale_timer = 0;
  self->stale_answer = 0;
  chip_handshake_next (self);
  return G_SOURCE_REMOVE;
}

/* --- which key the chip has ------------------------------------------------------------------------------- */

static void
set_paired (Core2Chip *self, gboolean paired)
{
  if (self->paired == paired)
    return;
  self->paired = paired;
  chip_notify (self, PROP_PAIRED);
}

void
chip_handshake_confirmed (Core2Chip *self)
{
  set_paired (self, TRUE);
  if (strcmp (self->last_error, core2_error_get_name (CORE2_ERROR_KEY_REJECTED)) == 0)
    chip_set_last_error (self, "", NULL);
  if (strcmp (self->status_text, KEY_REJECTED_TEXT) == 0)
    chip_set_status (self, "connected");
}

static void
report_rejected (Core2Chip *self)
{
  set_paired (self, FALSE);
  chip_set_last_error (self, core2_error_get_name (CORE2_ERROR_KEY_REJECTED),
                       "the chip has another key");
  chip_set_status (self, KEY_REJECTED_TEXT);
  core2_log_event (CORE2_LOG_NOTICE,
                   CORE2_LOG_FIELDS (.chip = self->record->address, .topic = "pairing",
                                     .error = self->last_error,
                                     .message_id = CORE2_LOG_ID_KEY_REJECTED),
                   "the chip rejects the stored key; it counts all the same");
}

static void
warn_of_store (Core2Chip *self, const GError *error)
{
  core2_log_event (CORE2_LOG_WARNING,
                   CORE2_LOG_FIELDS (.chip = self->record->address, .topic = "pairing",
                                     .error = core2_error_get_name_of (error),
                                     .message_id = CORE2_LOG_ID_STORAGE_FAILED),
                   "%s", error->message);
}

/* What an interrupted pairing has left was not taken by the chip. */
static void
discard_pending_key (Core2Chip *self)
{
  g_autoptr (GError) error = NULL;

  if (!self->key_may_come
      && !core2_store_discard_pending_key (self->services->store, self->record->address, &error))
    warn_of_store (self, error);
}

/* Of a key that the chip took when nobody waited for that any more. */
static void
steps_after_late_key (const GError *error, const guint8 *data, gsize size, gpointer user_data)
{
  Core2Chip *self = user_data;

  if (error == NULL && self->session_started)
    chip_steps_value (self, data, size);
}

/* The chip took the key of an interrupted pairing, and started its counter again then. */
static void
commit_pending_key (Core2Chip *self)
{
  g_autoptr (GError) error = NULL;

  if (!core2_store_commit_pending_key (self->services->store, self->record->address, &error))
    warn_of_store (self, error);
  self->key_may_come = FALSE;
  core2_log_event (CORE2_LOG_NOTICE,
                   CORE2_LOG_FIELDS (.chip = self->record->address, .topic = "pairing",
                                     .message_id = CORE2_LOG_ID_PAIRED),
                   "paired: the chip has the key of the pairing that was interrupted");
  core2_link_read (self->link, CORE2_UUID_STEPS, steps_after_late_key, self);
}

/* --- authentication --------------------------------------------------------------------------------------- */

static void
authenticate (Core2Chip *self)
{
  guint8 key[CORE2_KEY_SIZE];
  const char *address = self->record->address;

  self->trying_pending_key
      = !self->pending_key_refused
        && core2_store_get_pending_key (self->services->store, address, key, NULL);
  if (self->trying_pending_key || core2_store_get_key (self->services->store, address, key, NULL))
    chip_handshake_act (self,
                        core2_auth_start_authenticate (&self->auth, key, g_get_monotonic_time ()));
  else if (self->pending_key_refused)
    {
      discard_pending_key (self);
      set_paired (self, FALSE);
    }
  core2_auth_wipe (key, sizeof key);
}

static void
authentication_succeeded (Core2Chip *self)
{
  if (self->trying_pending_key)
    commit_pending_key (self);
  else if (self->pending_key_refused)
    discard_pending_key (self);
  chip_handshake_confirmed (self);
}

static void
authentication_failed (Core2Chip *self, Core2AuthError error)
{
  if (error != CORE2_AUTH_ERROR_KEY_REJECTED)
    core2_log_info (self->record->address, "pairing", "authentication: %s",
                    core2_auth_error_to_string (error));
  else if (self->trying_pending_key)
    {
      self->pending_key_refused = TRUE;
      authenticate (self);
    }
  else
    report_rejected (self);
}

void
chip_handshake_next (Core2Chip *self)
{
  if (!self->session_started || self->stale_answer != 0 || core2_auth_is_active (&self->auth))
    return;
  if (self->pair_request != NULL)
    {
      if (self->pair_prepared)
        chip_pairing_begin (self);
    }
  else if (self->authentication_wanted)
    {
      self->authentication_wanted = FALSE;
      self->pending_key_refused = FALSE;
      authenticate (self);
    }
}

void
chip_handshake_authenticate (Core2Chip *self)
{
  if (core2_auth_is_active (&self->auth) && self->auth.pairing)
    return;                      /* when that fails it is done anyway */
  chip_handshake_abort (self);
  self->authentication_wanted = TRUE;
  chip_handshake_next (self);
}

static void
authentication_subscribed (const GError *error, const guint8 *data, gsize size,
                           gpointer user_data)
{
  Core2Chip *self = user_data;

  if (error == NULL && self->session_started)
    chip_handshake_authenticate (self);
}

void
chip_handshake_ready (Core2Chip *self)
{
  const char *address = self->record->address;

  if (core2_link_has (self->link, CORE2_UUID_AUTHENTICATION)
      && (core2_store_has_key (self->services->store, address)
          || core2_store_has_pending_key (self->services->store, address)))
    core2_link_subscribe (self->link, CORE2_UUID_AUTHENTICATION, authentication_subscribed, self);
}

void
chip_handshake_key_changed (Core2Chip *self)
{
  set_paired (self, core2_store_has_key (self->services->store, self->record->address));
  /* What the chip says now is about the key before. */
  if (!self->auth.pairing)
    chip_handshake_abort (self);
  if (self->state == CHIP_READY)
    chip_handshake_ready (self);
}

/* --- actions ---------------------------------------------------------------------------------------------- */

static void
frame_written (const GError *error, const guint8 *data, gsize size, gpointer user_data)
{
  Core2Chip *self = user_data;

  if (!core2_auth_is_active (&self->auth))
    return;                      /* the link ended */
  if (error == NULL)
    chip_handshake_act (self, core2_auth_frame_written (&self->auth, g_get_monotonic_time ()));
  else if (self->auth.pairing)
    chip_pairing_abort (self, error);
  else
    {
      core2_log_failure (CORE2_LOG_INFO, self->record->address, "pairing",
                         core2_error_get_name_of (error), "authentication: %s", error->message);
      chip_handshake_abort (self);
    }
}

/* The end of a handshake. What follows may start the next one. */
static void
finish (Core2Chip *self)
{
  gboolean pairing = self->auth.pairing;
  Core2AuthError error = self->auth.error;

  g_clear_handle_id (&self->auth_timer, g_source_remove);
  core2_auth_clear (&self->auth);
  if (pairing && error == CORE2_AUTH_ERROR_NONE)
    chip_pairing_succeeded (self);
  else if (pairing)
    chip_pairing_failed (self, error);
  else if (error == CORE2_AUTH_ERROR_NONE)
    authentication_succeeded (self);
  else
    authentication_failed (self, error);
  chip_handshake_next (self);
}

void
chip_handshake_act (Core2Chip *self, Core2AuthAction action)
{
  switch (action)
    {
    case CORE2_AUTH_ACTION_WRITE:
      if (self->auth.state == CORE2_AUTH_SENDING_KEY && !chip_pairing_store_key (self))
        return;
      core2_link_write (self->link, CORE2_UUID_AUTHENTICATION, self->auth.frame,
                        self->auth.frame_size, FALSE, frame_written, self);
      break;
    case CORE2_AUTH_ACTION_STORE_PENDING:
      /* Stored already. The chip has taken the key, and with it reset its counter. */
      core2_steps_expect_reset (&self->steps);
      chip_handshake_act (self, core2_auth_continue (&self->auth, g_get_monotonic_time ()));
      return;
    case CORE2_AUTH_ACTION_SUCCEEDED:
    case CORE2_AUTH_ACTION_FAILED:
      finish (self);
      return;
    case CORE2_AUTH_ACTION_NONE:
    default:
      break;
    }
  chip_pairing_publish (self);
  set_timer (self);
}

void
chip_handshake_abort (Core2Chip *self)
{
  if (self->link != NULL)
    {
      guint8 awaited = core2_auth_get_awaited (&self->auth);

      core2_link_forget (self->link, frame_written, self);
      if (awaited != 0)
        {
          forget_stale_answer (self);
          self->stale_answer = awaited;
          self->stale_timer
              = g_timeout_add (CORE2_AUTH_PREAMBLE_US / 1000, on_stale_timer, self);
        }
    }
  g_clear_handle_id (&self->auth_timer, g_source_remove);
  core2_auth_clear (&self->auth);
}

/* The chip was shaken after its pairing had been given up. */
static gboolean
is_late_acceptance (Core2Chip *self, const Core2AuthFrame *answer)
{
  const char *address = self->record->address;

  /* With the key that was stored already there is none pending. */
  return !self->auth.pairing && answer->command == CORE2_AUTH_COMMAND_KEY
         && (answer->status == CORE2_AUTH_STATUS_OK || answer->status == CORE2_AUTH_STATUS_ACCEPTED)
         && (core2_store_has_pending_key (self->services->store, address)
             || (self->key_may_come && core2_store_has_key (self->services->store, address)));
}

void
chip_handshake_value (Core2Chip *self, const guint8 *data, gsize size)
{
  Core2AuthFrame answer;
  gboolean is_answer = core2_protocol_decode_auth (data, size, &answer) == CORE2_DECODE_OK;

  if (is_answer && self->stale_answer == answer.command)
    {
      forget_stale_answer (self);
      chip_handshake_next (self);
    }
  else if (is_answer && is_late_acceptance (self, &answer))
    {
      self->key_may_come = FALSE;
      core2_steps_expect_reset (&self->steps);
      core2_link_read (self->link, CORE2_UUID_STEPS, steps_after_late_key, self);
      chip_handshake_authenticate (self);
    }
  else if (core2_auth_is_active (&self->auth))
    chip_handshake_act (self,
                        core2_auth_feed (&self->auth, data, size, g_get_monotonic_time ()));
}

/* --- life --------------------------------------------------------------------------------------------------- */

void
chip_handshake_lost (Core2Chip *self)
{
  chip_handshake_abort (self);
  forget_stale_answer (self);
  self->authentication_wanted = FALSE;
  chip_pairing_lost (self);
}

void
chip_handshake_link_down (Core2Chip *self)
{
  self->key_may_come = FALSE;
}

void
chip_handshake_init (Core2Chip *self)
{
  core2_auth_init (&self->auth);
  /* The daemon may have been killed while the chip waited for its shake. */
  self->key_may_come = TRUE;
  self->paired = core2_store_has_key (self->services->store, self->record->address);
}

void
chip_handshake_clear (Core2Chip *self)
{
  chip_handshake_lost (self);
  core2_auth_clear (&self->auth);
}
