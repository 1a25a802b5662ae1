/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connection of a chip as one function that looks at everything there is (what is wanted, Bluetooth,
 * BlueZ's device) and takes the next step. Events only ask for it to be called, so their order, doubling or
 * absence does not matter. */
#include "core2-chip-private.h"

#include <string.h>

/* Until a chip that does not answer a Connect is called asleep. */
#define ASLEEP_AFTER_MS 5000
/* An attempt that fails sooner was aborted, not left unanswered. */
#define QUICK_FAILURE_US (5 * G_USEC_PER_SEC)
#define QUICK_RETRIES 4
#define STRAGGLER_MS 2000
#define DISCONNECT_TIMEOUT_MS 10000
#define POWER_ON_PAUSE_MS 1000
#define IN_PROGRESS_WAIT_MS 15000
#define CONNECTION_LIMIT_PAUSE_MS 60000
#define SEARCH_MS 10000
#define SEARCH_PAUSE_MIN_MS 20000
#define SEARCH_PAUSE_MAX_MS 600000

static void advance (Core2Chip *self);

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
chip_set_last_error (Core2Chip *self, const char *name)
{
  if (strcmp (self->last_error, name) == 0)
    return;
  self->last_error = name;
  chip_notify (self, PROP_LAST_ERROR);
}

/* The only place where the state changes. */
static void
set_state (Core2Chip *self, ChipState state, const char *text)
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
      chip_save_later (self);
      core2_log_event (CORE2_LOG_INFO,
                       CORE2_LOG_FIELDS (.chip = self->record->address, .topic = "link",
                                         .state = chip_state_name (state),
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
  return !self->disconnect_wanted && (self->armed || chip_has_ready_requests (self));
}

static gboolean
on_advance (gpointer user_data)
{
  Core2Chip *self = user_data;

  self->advance_source = 0;
  advance (self);
  return G_SOURCE_REMOVE;
}

void
chip_advance_later (Core2Chip *self)
{
  if (self->advance_source == 0)
    self->advance_source
        = g_idle_add_full (G_PRIORITY_DEFAULT, on_advance, self, NULL);
}

static gboolean
on_retry (gpointer user_data)
{
  Core2Chip *self = user_data;

  self->retry_timer = 0;
  advance (self);
  return G_SOURCE_REMOVE;
}

static void
pause_ms (Core2Chip *self, guint delay_ms)
{
  self->retry_at = g_get_monotonic_time () + (gint64) delay_ms * 1000;
  g_clear_handle_id (&self->retry_timer, g_source_remove);
  self->retry_timer = g_timeout_add (delay_ms, on_retry, self);
}

static void
no_pause (Core2Chip *self)
{
  self->retry_at = 0;
  g_clear_handle_id (&self->retry_timer, g_source_remove);
}

/* 1, 2, 4, … seconds up to the configured limit, and up to a quarter more, so that many chips do not come all
 * at once. */
static void
back_off (Core2Chip *self)
{
  guint limit_ms = self->services->config.backoff_max * 1000;
  guint delay_ms = MIN (limit_ms, 1000u << MIN (self->failures, 16u));

  self->failures++;
  pause_ms (self, delay_ms + (guint) g_random_int_range (0, (gint32) delay_ms / 4 + 1));
}

/* --- ends ------------------------------------------------------------------------------------------- */

static void
clear_deadline (Core2Chip *self)
{
  g_clear_handle_id (&self->deadline, g_source_remove);
}

static void
stop_attempt (Core2Chip *self)
{
  g_clear_handle_id (&self->asleep_timer, g_source_remove);
  g_clear_handle_id (&self->straggler_timer, g_source_remove);
  core2_bluez_scan_stop (&self->scan);
  if (self->device != NULL && self->device->connect != NULL)
    core2_bluez_connect_cancel (self->services->bluez, self->device);
}

/* Bluetooth says the link is up: our own Connect, if one is pending, gets its reply. */
static void
stop_looking (Core2Chip *self)
{
  g_clear_handle_id (&self->asleep_timer, g_source_remove);
  core2_bluez_scan_stop (&self->scan);
}

static void
end_link (Core2Chip *self)
{
  clear_deadline (self);
  g_clear_handle_id (&self->straggler_timer, g_source_remove);
  if (self->session_started)
    chip_session_end (self);
}

static gboolean
on_drop_deadline (gpointer user_data)
{
  Core2Chip *self = user_data;

  /* BlueZ says that the link is still there: then it is used. */
  self->deadline = 0;
  self->dropping = FALSE;
  advance (self);
  return G_SOURCE_REMOVE;
}

static void
disconnect_done (sd_bus_message *reply, const sd_bus_error *error, gpointer user_data)
{
  Core2Chip *self = user_data;

  if (error != NULL)
    core2_log_debug (self->record->address, "link", "disconnect: %s", error->message);
  /* BlueZ replies when the link is closed. */
  if (self->device != NULL && error == NULL)
    self->device->connected = FALSE;
  chip_advance_later (self);
}

static void
call_disconnect (Core2Chip *self)
{
  core2_call_cancel (&self->device_call);
  core2_bluez_call (self->services->bluez, &self->device_call, self->device->path,
                    "org.bluez.Device1", "Disconnect", DISCONNECT_TIMEOUT_MS, disconnect_done,
                    self, NULL);
}

void
chip_connection_broken (Core2Chip *self, Core2Error code, const char *text)
{
  core2_log_info (self->record->address, "link", "dropping the connection: %s", text);
  end_link (self);
  stop_attempt (self);
  chip_set_last_error (self, core2_error_get_name (code));
  back_off (self);
  set_state (self, CHIP_WAITING, text);
  if (self->device != NULL && self->device->connected)
    {
      self->dropping = TRUE;
      self->deadline = g_timeout_add (DISCONNECT_TIMEOUT_MS, on_drop_deadline, self);
      call_disconnect (self);
    }
}

/* --- going away because somebody wants it ------------------------------------------------------------ */

static gboolean
on_disconnect_deadline (gpointer user_data)
{
  Core2Chip *self = user_data;

  self->deadline = 0;
  core2_call_cancel (&self->device_call);
  set_state (self, CHIP_DISCONNECTED, "disconnected, though Bluetooth did not confirm it");
  chip_finish_disconnect_requests (self);
  return G_SOURCE_REMOVE;
}

static void
untrust_done (sd_bus_message *reply, const sd_bus_error *error, gpointer user_data)
{
  Core2Chip *self = user_data;

  if (self->device != NULL)
    call_disconnect (self);
}

/* bluetoothd may connect a trusted device by itself: that flag goes first. */
static void
begin_disconnect (Core2Chip *self)
{
  self->deadline = g_timeout_add (DISCONNECT_TIMEOUT_MS, on_disconnect_deadline, self);
  set_state (self, CHIP_DISCONNECTING, "disconnecting");
  if (self->device->trusted)
    chip_set_trusted (self, FALSE, untrust_done);
  else
    call_disconnect (self);
}

static void
go_away (Core2Chip *self)
{
  const char *text = !self->remembered ? "seen in a scan, not added"
                     : self->auto_connect ? "disconnected as wished, until the next connect"
                                          : "keeps no connection by itself";

  stop_attempt (self);
  no_pause (self);
  if (self->state == CHIP_DISCONNECTING && self->device != NULL && self->device->connected)
    return;
  end_link (self);
  if (self->state != CHIP_DISCONNECTED && self->state != CHIP_DISCONNECTING
      && self->device != NULL && self->device->connected)
    {
      begin_disconnect (self);
      return;
    }
  clear_deadline (self);
  set_state (self, CHIP_DISCONNECTED, text);
  chip_finish_disconnect_requests (self);
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

/* --- a device that BlueZ does not know --------------------------------------------------------------- */

static void
search_done (const sd_bus_error *error, gpointer user_data)
{
  Core2Chip *self = user_data;

  if (chip_has_ready_requests (self) && error == NULL)
    pause_ms (self, 0);          /* somebody waits for it now */
  else
    pause_ms (self, MIN (SEARCH_PAUSE_MAX_MS,
                         SEARCH_PAUSE_MIN_MS << MIN (self->failures++, 5u)));
}

/* BlueZ cannot connect to what it has not seen. Short searches with growing pauses: a discovery that
 * is held would keep other devices of this host away. */
static void
search (Core2Chip *self)
{
  set_state (self, CHIP_WAITING, "not seen by Bluetooth yet: shake the chip");
  if (self->scan != NULL || g_get_monotonic_time () < self->retry_at)
    return;
  core2_bluez_scan_start (self->services->bluez, &self->scan, NULL, SEARCH_MS, search_done, self);
}

/* --- connecting ---------------------------------------------------------------------------------------- */

static gboolean
on_asleep (gpointer user_data)
{
  Core2Chip *self = user_data;

  self->asleep_timer = 0;
  if (self->state == CHIP_CONNECTING)
    {
      chip_set_last_error (self, core2_error_get_name (CORE2_ERROR_ASLEEP));
      set_state (self, CHIP_WAITING, "asleep: shake the chip");
    }
  return G_SOURCE_REMOVE;
}

static void
connect_failed (Core2Chip *self, const sd_bus_error *error)
{
  Core2Error code = core2_bluez_translate_error (error);
  gboolean quick = g_get_monotonic_time () - self->attempt_started < QUICK_FAILURE_US;

  core2_log_debug (self->record->address, "link", "connect: %s: %s", error->name, error->message);
  chip_set_last_error (self, core2_error_get_name (code));
  if (code == CORE2_ERROR_ASLEEP && !quick)
    {
      /* The ordinary case of a chip that sleeps: ask again. */
      self->quick_failures = 0;
      self->sleeps = TRUE;
      pause_ms (self, 1000);
      set_state (self, CHIP_WAITING, "asleep: shake the chip");
    }
  else if (code == CORE2_ERROR_ASLEEP && self->quick_failures++ < QUICK_RETRIES)
    pause_ms (self, 0);
  else if (code == CORE2_ERROR_IN_PROGRESS)
    {
      /* Somebody else connects: their success is ours. Else their attempt is cancelled. */
      self->cancel_first = TRUE;
      pause_ms (self, IN_PROGRESS_WAIT_MS);
      set_state (self, CHIP_CONNECTING, "another program is connecting to the chip");
    }
  else if (code == CORE2_ERROR_CONNECTION_LIMIT)
    {
      pause_ms (self, CONNECTION_LIMIT_PAUSE_MS);
      set_state (self, CHIP_WAITING, "the Bluetooth adapter holds no more connections");
    }
  else
    {
      g_autofree char *text = g_strdup_printf ("could not connect: %s", error->message);
      self->quick_failures = 0;
      back_off (self);
      set_state (self, CHIP_WAITING, code == CORE2_ERROR_ASLEEP ? "asleep: shake the chip" : text);
    }
}

static void
connect_done (const sd_bus_error *error, gpointer user_data)
{
  Core2Chip *self = user_data;

  g_clear_handle_id (&self->asleep_timer, g_source_remove);
  if (error != NULL)
    connect_failed (self, error);
  chip_advance_later (self);
}

static void
try_connect (Core2Chip *self)
{
  if (self->device->connect != NULL || self->device_call != NULL)
    return;
  if (g_get_monotonic_time () < self->retry_at)
    {
      if (self->state != CHIP_WAITING && self->state != CHIP_CONNECTING)
        set_state (self, CHIP_WAITING, "out of reach or asleep: shake the chip");
      return;
    }
  if (self->cancel_first)
    {
      self->cancel_first = FALSE;
      call_disconnect (self);
      return;
    }

  self->attempt_started = g_get_monotonic_time ();
  if (self->sleeps)
    set_state (self, CHIP_WAITING, "asleep: shake the chip");
  else
    {
      set_state (self, CHIP_CONNECTING, "connecting");
      self->asleep_timer = g_timeout_add (ASLEEP_AFTER_MS, on_asleep, self);
    }
  core2_bluez_connect_start (self->services->bluez, self->device, connect_done, self);
}

/* --- linked --------------------------------------------------------------------------------------------- */

static gboolean
on_ready_deadline (gpointer user_data)
{
  Core2Chip *self = user_data;

  self->deadline = 0;
  chip_connection_broken (self, CORE2_ERROR_TIMEOUT,
                          "connected, but the chip did not tell its services in time");
  return G_SOURCE_REMOVE;
}

/* Bluetooth's copy of the chip's services may be old: connect again, then let it forget the chip, once. */
static gboolean
on_stragglers_missing (gpointer user_data)
{
  Core2Chip *self = user_data;

  self->straggler_timer = 0;
  self->missing_services++;
  if (self->missing_services == 2 && !self->removed_stale_device)
    {
      self->removed_stale_device = TRUE;
      chip_remove_device (self);
      chip_connection_broken (self, CORE2_ERROR_NOT_SUPPORTED,
                              "Bluetooth's list of the chip's services was out of date");
      return G_SOURCE_REMOVE;
    }
  chip_connection_broken (self, CORE2_ERROR_NOT_SUPPORTED,
                          "this device has no step counter: is it a Smart Chip 2?");
  return G_SOURCE_REMOVE;
}

static void
linked (Core2Chip *self)
{
  stop_looking (self);
  /* A chip may change its services on a link that stays up; subscriptions are lost then. */
  if (self->session_started
      && (!self->device->services_resolved
          || self->session_services != self->device->services_changes))
    end_link (self);
  if (self->session_started)
    return;

  if (self->state != CHIP_RESOLVING)
    {
      set_state (self, CHIP_RESOLVING, "connected, reading what the chip offers");
      clear_deadline (self);
      self->deadline = g_timeout_add_seconds (self->services->config.ready_timeout,
                                              on_ready_deadline, self);
    }
  if (!self->device->services_resolved)
    return;
  if (core2_bluez_device_find_characteristic (self->device, CORE2_UUID_STEPS) == NULL)
    {
      if (self->straggler_timer == 0)
        self->straggler_timer = g_timeout_add (STRAGGLER_MS, on_stragglers_missing, self);
      return;
    }
  g_clear_handle_id (&self->straggler_timer, g_source_remove);
  chip_session_start (self);
}

void
chip_set_ready (Core2Chip *self)
{
  clear_deadline (self);
  no_pause (self);
  self->failures = 0;
  self->quick_failures = 0;
  self->missing_services = 0;
  self->removed_stale_device = FALSE;
  self->sleeps = FALSE;
  chip_set_last_error (self, "");
  set_state (self, CHIP_READY, "connected");
  chip_run_ready_requests (self);
}

/* --- the whole ------------------------------------------------------------------------------------------ */

static void
set_device (Core2Chip *self, Core2BluezDevice *device)
{
  const char *adapter = device != NULL ? device->adapter->address : "";

  if (device != self->device)
    {
      end_link (self);
      core2_call_cancel (&self->device_call);
      if (self->device != NULL)
        {
          if (self->device->connect != NULL)
            core2_bluez_connect_cancel (self->services->bluez, self->device);
          self->device->chip = NULL;
        }
      self->device = device;
      self->dropping = FALSE;
      if (device != NULL)
        {
          device->chip = self;
          core2_bluez_scan_stop (&self->scan);
          no_pause (self);
        }
    }
  if (strcmp (self->adapter, adapter) != 0)
    {
      g_free (self->adapter_text);
      self->adapter_text = g_strdup (adapter);
      self->adapter = self->adapter_text;
      chip_notify (self, PROP_ADAPTER);
    }
}

static void
advance (Core2Chip *self)
{
  Core2Error code;
  const char *no_bluetooth;
  Core2BluezDevice *best
      = core2_bluez_find_device (self->services->bluez, self->record->address);

  if (best != self->device && (self->device == NULL || !self->device->connected))
    set_device (self, best);

  if (!is_wanted (self))
    {
      go_away (self);
      return;
    }
  if (self->state == CHIP_DISCONNECTING)
    {
      if (self->device != NULL && self->device->connected)
        return;                  /* on_disconnect_deadline() ends this at the latest */
      clear_deadline (self);
    }
  if (self->dropping)
    {
      if (self->device != NULL && self->device->connected)
        return;
      self->dropping = FALSE;
      clear_deadline (self);
    }

  no_bluetooth = why_no_bluetooth (self, &code);
  if (no_bluetooth != NULL)
    {
      end_link (self);
      stop_attempt (self);
      no_pause (self);
      self->failures = 0;
      self->adapter_was_off = TRUE;
      chip_set_last_error (self, core2_error_get_name (code));
      set_state (self, CHIP_WAITING, no_bluetooth);
      return;
    }
  if (self->adapter_was_off)
    {
      /* For a moment after power-on BlueZ answers NotReady. */
      self->adapter_was_off = FALSE;
      pause_ms (self, POWER_ON_PAUSE_MS);
    }

  if (self->device == NULL || !self->device->adapter->powered)
    {
      end_link (self);
      search (self);
      return;
    }
  if (self->device->connected)
    {
      linked (self);
      return;
    }
  if (self->session_started || self->state == CHIP_RESOLVING || self->state == CHIP_READY)
    {
      end_link (self);
      chip_set_last_error (self, core2_error_get_name (CORE2_ERROR_NOT_CONNECTED));
    }
  try_connect (self);
}

void
chip_connection_arm (Core2Chip *self)
{
  self->armed = TRUE;
  self->disconnect_wanted = FALSE;
  self->failures = 0;
  no_pause (self);
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
  else if (self->state == CHIP_RESOLVING)
    core2_request_fail (request, CORE2_ERROR_TIMEOUT, "%s: %s", self->record->address,
                        self->status_text);
  else
    core2_request_fail (request, CORE2_ERROR_ASLEEP, "%s gave no sign of life: shake the chip",
                        self->record->address);
}

void
core2_chip_release_link (Core2Chip *self)
{
  if (self->device == NULL)
    return;
  if (self->device->connect != NULL)
    core2_bluez_connect_cancel (self->services->bluez, self->device);
  if (!self->session_started && self->state != CHIP_RESOLVING)
    return;

  sd_bus_message *message = core2_bluez_message_new (self->services->bluez, self->device->path,
                                                     "org.bluez.Device1", "Disconnect");
  if (message != NULL && sd_bus_message_set_expect_reply (message, FALSE) >= 0)
    sd_bus_send (core2_bus_get (self->services->bus), message, NULL);
  sd_bus_message_unref (message);
}

void
chip_connection_clear (Core2Chip *self)
{
  end_link (self);
  stop_attempt (self);
  no_pause (self);
  core2_call_cancel (&self->device_call);
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
      chip_save_later (self);
    }
  chip_advance_later (self);
}

void
core2_chip_device_removed (Core2Chip *self, Core2BluezDevice *device)
{
  if (self->device == device)
    {
      set_device (self, NULL);
      g_clear_handle_id (&self->asleep_timer, g_source_remove);
    }
  chip_advance_later (self);
}

void
core2_chip_device_seen (Core2Chip *self, Core2BluezDevice *device)
{
  self->rssi = device->rssi;
  self->record->last_seen = (guint64) g_get_real_time ();
  self->sleeps = FALSE;
}

void
core2_chip_adapters_changed (Core2Chip *self)
{
  chip_advance_later (self);
}

void
core2_chip_resumed (Core2Chip *self)
{
  no_pause (self);
  self->failures = 0;
  chip_advance_later (self);
}
