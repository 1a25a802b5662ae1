/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connection of a chip as one function that looks at everything there is (what is wanted, Bluetooth,
 * BlueZ's device) and takes the next step. Events only ask for it to be called, so their order, doubling or
 * absence does not matter. */
#include "core2-chip-private.h"

#include <string.h>

#define STRAGGLER_MS 2000
#define POWER_ON_PAUSE_MS 1000
/* Links that were of use for a moment only, in a row, which are no failures yet. */
#define BRIEF_LINKS 4
/* They cost something, but the chip is near: pauses of eight seconds, and a quarter more, are the longest. */
#define BRIEF_FAILURES 3

/* --- state ----------------------------------------------------------------------------------------- */

void
chip_set_status (Core2Chip *self, const char *text)
{
  if (g_strcmp0 (self->status_text, text) == 0)
    return;
  g_free (self->status_text);
  self->status_text = g_strdup (text);
  chip_notify (self, PROP_STATUS_TEXT);
}

void
chip_set_last_error (Core2Chip *self, const char *name, const char *detail)
{
  if (name[0] != '\0')
    chip_errors_add (self, name, detail);
  if (strcmp (self->last_error, name) == 0)
    return;
  self->last_error = name;
  chip_notify (self, PROP_LAST_ERROR);
}

/* The only place where the state changes. */
void
chip_set_state (Core2Chip *self, ChipState state, const char *text)
{
  chip_set_status (self, text);
  if (self->state == state)
    return;

  gboolean was_ready = self->state == CHIP_READY;
  self->state = state;
  self->connected = state == CHIP_READY;
  chip_notify (self, PROP_STATE);
  if (was_ready || state == CHIP_READY)
    {
      self->record->last_connected = (guint64) g_get_real_time ();
      chip_notify (self, PROP_CONNECTED);
      chip_notify (self, PROP_LAST_CONNECTED);
      chip_save_values_later (self);
      core2_history_flush (self->services->history, NULL);
      core2_log_event (CORE2_LOG_INFO,
                       CORE2_LOG_FIELDS (.chip = self->record->address, .topic = "link",
                                         .state = chip_state_name (state),
                                         .error = self->last_error,
                                         .message_id = was_ready ? CORE2_LOG_ID_CHIP_LOST
                                                                 : CORE2_LOG_ID_CHIP_READY),
                       "%s", text);
    }
  else
    core2_log_debug (self->record->address, "link", "%s: %s", chip_state_name (state), text);
  self->services->chip_changed (self->services->user_data);
}

static gboolean
is_wanted (Core2Chip *self)
{
  return !self->disconnect_wanted
         && (self->armed || self->linger_timer != NULL || self->pair_request != NULL
             || chip_has_ready_requests (self));
}

static void
on_linger (gpointer user_data)
{
  Core2Chip *self = user_data;

  /* A slow chip may still have something to answer. */
  if (self->link != NULL
      && (core2_link_is_busy (self->link) || chip_has_running_requests (self)))
    chip_linger (self);
  chip_advance_later (self);
}

void
chip_linger (Core2Chip *self)
{
  core2_timer_stop (&self->linger_timer);
  if (!self->armed)
    chip_start_timer (self, &self->linger_timer,
                      (self->services->config.request_timeout + 5) * 1000, on_linger);
}

static gboolean
on_advance (gpointer user_data)
{
  Core2Chip *self = user_data;

  self->advance_source = 0;
  chip_advance (self);
  return G_SOURCE_REMOVE;
}

void
chip_advance_later (Core2Chip *self)
{
  if (self->advance_source == 0)
    self->advance_source
        = g_idle_add_full (G_PRIORITY_DEFAULT, on_advance, self, NULL);
}

static void
on_retry (gpointer user_data)
{
  Core2Chip *self = user_data;

  chip_advance (self);
}

void
chip_pause (Core2Chip *self, guint delay_ms)
{
  self->retry_at = g_get_monotonic_time () + (gint64) delay_ms * 1000;
  chip_start_timer (self, &self->retry_timer, delay_ms, on_retry);
}

void
chip_no_pause (Core2Chip *self)
{
  self->retry_at = 0;
  core2_timer_stop (&self->retry_timer);
}

void
chip_begin_anew (Core2Chip *self)
{
  chip_no_pause (self);
  self->failures = 0;
  self->quick_failures = 0;
  self->brief_links = 0;
  self->searches = 0;
  self->vain_searches = 0;
}

/* 1, 2, 4, … seconds up to the configured limit, and up to a quarter more, so that many chips do not come all
 * at once. */
void
chip_back_off (Core2Chip *self)
{
  guint limit_ms = self->services->config.backoff_max * 1000;
  guint delay_ms = MIN (limit_ms, 1000u << MIN (self->failures, 16u));

  self->failures++;
  chip_pause (self, delay_ms + (guint) g_random_int_range (0, (gint32) delay_ms / 4 + 1));
}

/* --- no Bluetooth ------------------------------------------------------------------------------------ */

static const char *
why_no_bluetooth (Core2Chip *self, Core2Error *code)
{
  const char *state = core2_bluez_get_adapter_state (self->services->bluez);

  *code = CORE2_ERROR_ADAPTER_UNAVAILABLE;
  if (strcmp (state, "on") == 0)
    return NULL;
  if (strcmp (state, "off") == 0)
    return "Bluetooth is off";
  if (strcmp (state, "blocked") == 0)
    return "Bluetooth is blocked (rfkill)";
  if (strcmp (state, "absent") == 0)
    return "there is no Bluetooth adapter";
  *code = CORE2_ERROR_BLUEZ_UNAVAILABLE;
  return "the Bluetooth service does not run";
}

/* --- linked --------------------------------------------------------------------------------------------- */

/* Bluetooth says the link is up: our own Connect, if one is pending, gets its reply. */
static void
stop_looking (Core2Chip *self)
{
  core2_timer_stop (&self->asleep_timer);
  core2_bluez_scan_stop (&self->scan);
  self->cancel_first = FALSE;
  self->sleeps = FALSE;
}

static void
on_ready_deadline (gpointer user_data)
{
  Core2Chip *self = user_data;

  chip_connection_broken (self, CORE2_ERROR_TIMEOUT,
                          "connected, but the chip did not tell its services in time");
}

/* Bluetooth's copy of the chip's services may be old: connect again, then let it forget the chip, once. */
static void
on_stragglers_missing (gpointer user_data)
{
  Core2Chip *self = user_data;

  self->missing_services++;
  if (self->missing_services == 2 && !self->removed_stale_device)
    {
      chip_services_stale (self);
      return;
    }
  chip_connection_broken (self, CORE2_ERROR_NOT_SUPPORTED,
                          "this device has no step counter: is it a Smart Chip 2?");
}

static void
linked (Core2Chip *self)
{
  stop_looking (self);
  /* A chip may change its services on a link that stays up; subscriptions are lost then. */
  if (self->session_started
      && (!self->device->services_resolved
          || self->session_services != self->device->services_changes))
    chip_end_link (self);
  if (self->session_started)
    return;

  if (self->state != CHIP_RESOLVING)
    {
      chip_set_state (self, CHIP_RESOLVING, "connected, reading what the chip offers");
      /* Signals get lost, are false or come late around the begin of a link: ask. */
      core2_bluez_refresh_device (self->services->bluez, self->device);
      chip_clear_deadline (self);
    }
  /* Also for a session that was just ended: the services may not come again. */
  if (self->deadline == NULL)
    chip_start_timer (self, &self->deadline, self->services->config.ready_timeout * 1000,
                      on_ready_deadline);
  if (!self->device->services_resolved)
    return;
  if (core2_bluez_device_find_characteristic (self->device, CORE2_UUID_STEPS) == NULL)
    {
      if (self->straggler_timer == NULL)
        chip_start_timer (self, &self->straggler_timer, STRAGGLER_MS, on_stragglers_missing);
      return;
    }
  core2_timer_stop (&self->straggler_timer);
  chip_session_start (self);
}

void
chip_set_ready (Core2Chip *self)
{
  chip_clear_deadline (self);
  chip_no_pause (self);
  self->ready_since = g_get_monotonic_time ();
  self->failures = MIN (MAX (self->brief_links, BRIEF_LINKS + 1) - BRIEF_LINKS - 1, BRIEF_FAILURES);
  self->quick_failures = 0;
  self->missing_services = 0;
  self->removed_stale_device = FALSE;
  self->vanishes = FALSE;
  core2_bluez_device_set_failed (self->device, FALSE);
  chip_set_last_error (self, "", NULL);
  chip_set_state (self, CHIP_READY, "connected");
  chip_linger (self);
  chip_run_ready_requests (self);
}

/* --- the whole ------------------------------------------------------------------------------------------ */

static void
set_device (Core2Chip *self, Core2BluezDevice *device)
{
  const char *adapter = device != NULL ? device->adapter->address : "";

  if (device != self->device)
    {
      gboolean moves = device != NULL && self->device != NULL;

      chip_end_link (self);
      core2_call_cancel (&self->device_call);
      chip_stop_connect (self);
      if (self->device != NULL)
        self->device->chip = NULL;
      self->device = device;
      self->device_gone = FALSE;
      self->dropping = FALSE;
      if (device != NULL)
        {
          device->chip = self;
          if (!self->vanishes)
            core2_bluez_scan_stop (&self->scan);
          /* After attempts on all adapters their pauses are those of one. */
          if (device->failed == 0)
            chip_no_pause (self);
        }
      self->vain_searches = 0;
      /* What failed on another adapter says nothing of this one. */
      if (moves && device->failed == 0)
        chip_begin_anew (self);
    }
  if (strcmp (self->adapter, adapter) != 0)
    {
      g_free (self->adapter_text);
      self->adapter_text = g_strdup (adapter);
      self->adapter = self->adapter_text;
      chip_notify (self, PROP_ADAPTER);
    }
}

/* The device is unknown, or on an adapter that is off: it is looked for with the others. */
static void
look_elsewhere (Core2Chip *self)
{
  chip_end_link (self);
  /* The answer to a Connect on an adapter that is off now is not one to the search. */
  chip_stop_connect (self);
  chip_search (self);
}

/* An adapter went on or off: nothing that was tried before says anything of what is there now. */
static void
follow_power (Core2Chip *self)
{
  self->power_changes = core2_bluez_get_power_changes (self->services->bluez);
  if (self->device != NULL && self->device->connected && self->device->adapter->powered)
    return;
  core2_bluez_scan_stop (&self->scan);
  chip_begin_anew (self);
  /* For a moment after power-on BlueZ answers NotReady. */
  chip_pause (self, POWER_ON_PAUSE_MS);
}

void
chip_advance (Core2Chip *self)
{
  Core2Error code;
  const char *no_bluetooth;

  if (self->device_gone && self->device != NULL && self->device->refresh_call == NULL)
    {
      /* Asked again, BlueZ says so, too; or it was an error in passing. */
      self->device_gone = FALSE;
      if (self->device->unknown)
        core2_bluez_drop_device (self->services->bluez, self->device);
    }

  Core2BluezDevice *best
      = core2_bluez_find_device (self->services->bluez, self->record->address);

  /* A link that stands is kept; none does on an adapter that is off, whatever BlueZ says. */
  if (best != self->device
      && (self->device == NULL || !self->device->connected || !self->device->adapter->powered))
    set_device (self, best);

  if (!is_wanted (self))
    {
      self->power_changes = core2_bluez_get_power_changes (self->services->bluez);
      chip_go_away (self);
      return;
    }
  if (self->state == CHIP_DISCONNECTING)
    {
      if (self->device != NULL && self->device->connected)
        return;                  /* on_disconnect_deadline() ends this at the latest */
      chip_clear_deadline (self);
    }
  if (self->dropping)
    {
      if (self->device != NULL && self->device->connected)
        return;
      self->dropping = FALSE;
      chip_clear_deadline (self);
    }

  no_bluetooth = why_no_bluetooth (self, &code);
  if (no_bluetooth != NULL)
    {
      /* Until it has been asked whether there is Bluetooth, that there is none is no error. */
      if (!core2_bluez_is_settling (self->services->bluez)
          && (strcmp (self->last_error, core2_error_get_name (code)) != 0
              || strcmp (self->status_text, no_bluetooth) != 0))
        chip_set_last_error (self, core2_error_get_name (code), no_bluetooth);
      chip_end_link (self);
      chip_stop_attempt (self);
      chip_set_state (self, CHIP_WAITING, no_bluetooth);
      return;
    }
  if (self->power_changes != core2_bluez_get_power_changes (self->services->bluez))
    follow_power (self);
  if (self->device == NULL || !self->device->adapter->powered)
    {
      look_elsewhere (self);
      return;
    }
  if (self->device->connected)
    {
      linked (self);
      return;
    }
  chip_handshake_link_down (self);
  if (self->state == CHIP_RESOLVING && self->device->connect != NULL)
    {
      /* A link that was aborted at once, or a false word of one: the reply to our Connect counts, and once. */
      chip_connect_goes_on (self);
      return;
    }
  if (self->session_started || self->state == CHIP_RESOLVING || self->state == CHIP_READY)
    {
      gboolean was_ready = self->state == CHIP_READY;

      chip_set_last_error (self, core2_error_get_name (CORE2_ERROR_NOT_CONNECTED),
                           "the connection ended");
      chip_end_link (self);
      /* A Connect that is still pending was for the link that ended. */
      chip_stop_connect (self);
      if (!is_wanted (self))
        {
          chip_go_away (self);
          return;
        }
      if (!was_ready)
        chip_retry (self);
      else if (self->brief_links > BRIEF_LINKS)
        chip_back_off (self);
    }
  chip_try_connect (self);
}

void
chip_connection_arm (Core2Chip *self)
{
  self->armed = TRUE;
  self->disconnect_wanted = FALSE;
  chip_cancel_disconnect_requests (self);
  chip_begin_anew (self);
  chip_advance_later (self);
}

void
chip_connection_release (Core2Chip *self)
{
  self->armed = FALSE;
  if (chip_has_running_requests (self))
    chip_linger (self);
  chip_advance_later (self);
}

void
chip_connection_disarm (Core2Chip *self)
{
  self->armed = FALSE;
  self->disconnect_wanted = TRUE;
  chip_advance_later (self);
}

void
chip_fail_unreachable (Core2Request *request)
{
  Core2Chip *self = request->owner;
  Core2Error code;
  const char *no_bluetooth = why_no_bluetooth (self, &code);

  if (no_bluetooth != NULL)
    core2_request_fail (request, code, "%s: %s", self->record->address, no_bluetooth);
  else if (strcmp (self->last_error, core2_error_get_name (CORE2_ERROR_CONNECTION_LIMIT)) == 0)
    core2_request_fail (request, CORE2_ERROR_CONNECTION_LIMIT, "%s: %s", self->record->address,
                        self->status_text);
  else if (strcmp (self->last_error, core2_error_get_name (CORE2_ERROR_NOT_SUPPORTED)) == 0)
    core2_request_fail (request, CORE2_ERROR_NOT_SUPPORTED, "%s has no step counter that can be used",
                        self->record->address);
  else if (self->state == CHIP_RESOLVING)
    core2_request_fail (request, CORE2_ERROR_TIMEOUT, "%s: %s", self->record->address,
                        self->status_text);
  else
    core2_request_fail (request, CORE2_ERROR_ASLEEP, "%s gave no sign of life: shake the chip",
                        self->record->address);
  /* Perhaps nobody is left to connect for. */
  chip_advance_later (self);
}

void
chip_connection_clear (Core2Chip *self)
{
  chip_end_link (self);
  chip_stop_attempt (self);
  chip_no_pause (self);
  core2_call_cancel (&self->device_call);
  core2_timer_stop (&self->linger_timer);
  g_clear_handle_id (&self->advance_source, g_source_remove);
  if (self->device != NULL)
    self->device->chip = NULL;
  self->device = NULL;
}

/* --- what BlueZ says ------------------------------------------------------------------------------------ */

void
core2_chip_device_changed (Core2Chip *self, Core2BluezDevice *device)
{
  if (device->name != NULL && strcmp (self->record->name, device->name) != 0
      && (self->info.available & (1u << 0)) == 0)
    {
      char *name = core2_protocol_decode_text ((const guint8 *) device->name,
                                               strlen (device->name));
      g_free (self->record->name);
      self->record->name = name;
      chip_notify (self, PROP_NAME);
      chip_save_record_later (self);
    }
  chip_advance_later (self);
}

void
core2_chip_device_removed (Core2Chip *self, Core2BluezDevice *device)
{
  if (self->device == device)
    {
      set_device (self, NULL);
      core2_timer_stop (&self->asleep_timer);
    }
  chip_advance_later (self);
}

void
core2_chip_device_seen (Core2Chip *self, Core2BluezDevice *device)
{
  self->rssi = device->rssi;
  self->record->last_seen = (guint64) g_get_real_time ();
  self->sleeps = FALSE;
  core2_bluez_connect_hurry (self->services->bluez, device);
}

void
core2_chip_adapters_changed (Core2Chip *self)
{
  chip_advance_later (self);
}

void
core2_chip_resumed (Core2Chip *self)
{
  chip_begin_anew (self);
  /* Ready is what has answered since. */
  if (self->session_started)
    {
      chip_end_link (self);
      chip_set_state (self, CHIP_WAITING, "the computer was asleep");
    }
  if (self->device != NULL)
    core2_bluez_refresh_device (self->services->bluez, self->device);
  chip_advance_later (self);
}
