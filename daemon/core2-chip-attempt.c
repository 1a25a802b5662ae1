/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attempts to get a connection: looking for a chip that BlueZ does not know, and Connect with its many ways
 * to fail. */
#include "core2-chip-private.h"

/* Until a chip that does not answer a Connect is called asleep. */
#define ASLEEP_AFTER_MS 5000
/* An attempt that fails sooner was aborted, not left unanswered. */
#define QUICK_FAILURE_US (5 * G_USEC_PER_SEC)
#define QUICK_RETRIES 4
#define IN_PROGRESS_WAIT_MS 10000
#define CONNECTION_LIMIT_PAUSE_MS 60000
#define CONNECTION_LIMIT_JITTER_MS 15000
#define SEARCH_MS 10000
/* Searches without a pause while somebody waits for the chip: a minute of discovery. */
#define SEARCHES_ON_REQUEST 6
#define SEARCH_PAUSE_MIN_MS 20000
#define SEARCH_PAUSE_MAX_MS 600000

/* --- a device that BlueZ does not know --------------------------------------------------------------- */

/* From half to one and a half times @pause_ms, such that all chips look at the same moments: their searches share a
 * discovery, which would go on and on if each had its own turn. */
static guint
until_common_search_ms (guint pause_ms)
{
  gint64 now_ms = g_get_monotonic_time () / 1000;

  return (guint) (((now_ms + pause_ms / 2) / pause_ms + 1) * pause_ms - now_ms);
}

static void
search_done (const sd_bus_error *error, gpointer user_data)
{
  Core2Chip *self = user_data;

  if (self->device != NULL && self->device->adapter->powered)
    return;
  if (error != NULL)
    chip_back_off (self);
  else if (chip_has_ready_requests (self))
    chip_pause (self, ++self->searches < SEARCHES_ON_REQUEST ? 0 : SEARCH_PAUSE_MIN_MS);
  else
    {
      guint pause_ms = SEARCH_PAUSE_MIN_MS << MIN (self->vain_searches, 5u);

      self->searches = 0;
      self->vain_searches++;
      chip_pause (self, until_common_search_ms (MIN (SEARCH_PAUSE_MAX_MS, pause_ms)));
    }
}

/* BlueZ cannot connect to what it has not seen. Short searches with growing pauses: a discovery that
 * is held would keep other devices of this host away. */
void
chip_search (Core2Chip *self)
{
  chip_set_state (self, CHIP_WAITING, "not seen by Bluetooth yet: shake the chip");
  if (self->scan != NULL || g_get_monotonic_time () < self->retry_at)
    return;
  core2_bluez_scan_start (self->services->bluez, &self->scan, NULL, SEARCH_MS, search_done, self);
}

/* --- connecting ---------------------------------------------------------------------------------------- */

static void
on_asleep (gpointer user_data)
{
  Core2Chip *self = user_data;

  if (self->state == CHIP_CONNECTING)
    {
      chip_set_last_error (self, core2_error_get_name (CORE2_ERROR_ASLEEP), "no answer to Connect");
      chip_set_state (self, CHIP_WAITING, "asleep: shake the chip");
    }
}

/* A device that was only seen goes when the discovery stops; a Connect makes it stay. So it is looked for again,
 * and connected while discovering. */
static void
device_vanished (Core2Chip *self)
{
  self->device_gone = TRUE;
  core2_bluez_refresh_device (self->services->bluez, self->device);
  if (self->vanishes)
    chip_back_off (self);
  else
    chip_pause (self, 0);
  self->vanishes = TRUE;
  chip_set_state (self, CHIP_WAITING, "Bluetooth forgot the chip: looking for it again");
}

void
chip_retry (Core2Chip *self)
{
  if (self->quick_failures >= QUICK_RETRIES)
    {
      chip_back_off (self);
      return;
    }
  self->quick_failures++;
  chip_pause (self, 0);
}

static void
connect_failed (Core2Chip *self, const sd_bus_error *error)
{
  Core2Error code = core2_bluez_translate_error (error);
  gboolean quick = g_get_monotonic_time () - self->attempt_started < QUICK_FAILURE_US;

  core2_log_failure (CORE2_LOG_DEBUG, self->record->address, "link", error->name,
                     "connect: %s: %s", error->name, error->message);
  chip_set_last_error (self, core2_error_get_name (code), error->message);
  if (code == CORE2_ERROR_ASLEEP && !quick)
    {
      core2_bluez_device_set_failed (self->device, TRUE);
      /* The ordinary case of a chip that sleeps: ask again. While nobody asks nobody listens. */
      self->quick_failures = 0;
      self->sleeps = TRUE;
      chip_pause (self, 0);
      chip_set_state (self, CHIP_WAITING, "asleep: shake the chip");
    }
  else if (code == CORE2_ERROR_ASLEEP && self->quick_failures < QUICK_RETRIES)
    chip_retry (self);
  else if (core2_bluez_is_unknown_error (error))
    device_vanished (self);
  else if (code == CORE2_ERROR_IN_PROGRESS)
    {
      /* Somebody else connects: their success is ours. Else their attempt is cancelled. */
      self->cancel_first = TRUE;
      chip_pause (self, IN_PROGRESS_WAIT_MS);
      chip_set_state (self, CHIP_CONNECTING, "another program is connecting to the chip");
    }
  else if (code == CORE2_ERROR_CONNECTION_LIMIT)
    {
      core2_bluez_device_set_failed (self->device, TRUE);
      chip_pause (self, CONNECTION_LIMIT_PAUSE_MS
                            + (guint) g_random_int_range (0, CONNECTION_LIMIT_JITTER_MS));
      chip_set_state (self, CHIP_WAITING, "the Bluetooth adapter holds no more connections");
    }
  else
    {
      g_autofree char *text = g_strdup_printf ("could not connect: %s", error->message);
      core2_bluez_device_set_failed (self->device, TRUE);
      chip_back_off (self);
      /* BlueZ may be at it still. */
      if (code == CORE2_ERROR_TIMEOUT)
        chip_call_disconnect (self);
      chip_set_state (self, CHIP_WAITING, code == CORE2_ERROR_ASLEEP ? "asleep: shake the chip" : text);
    }
}

static void
show_attempt (Core2Chip *self)
{
  if (self->sleeps)
    chip_set_state (self, CHIP_WAITING, "asleep: shake the chip");
  else
    {
      chip_set_state (self, CHIP_CONNECTING, "connecting");
      chip_start_timer (self, &self->asleep_timer, ASLEEP_AFTER_MS, on_asleep);
    }
}

void
chip_connect_goes_on (Core2Chip *self)
{
  chip_end_link (self);
  show_attempt (self);
}

static void
connect_done (const sd_bus_error *error, gpointer user_data)
{
  Core2Chip *self = user_data;

  if (error != NULL && self->state == CHIP_RESOLVING && !self->device->connected)
    chip_connect_goes_on (self);
  core2_timer_stop (&self->asleep_timer);
  core2_bluez_scan_stop (&self->scan);
  if (error != NULL && self->device->connected)
    /* Somebody else's link, or one whose end has not been told: BlueZ knows. */
    core2_bluez_refresh_device (self->services->bluez, self->device);
  else if (error != NULL)
    connect_failed (self, error);
  chip_advance_later (self);
}

static Core2BluezConnectHow
how_to_connect (Core2Chip *self)
{
  if (self->scan != NULL)
    return CORE2_BLUEZ_CONNECT_WHILE_DISCOVERING;
  return self->sleeps ? CORE2_BLUEZ_CONNECT_ASLEEP : CORE2_BLUEZ_CONNECT_AWAKE;
}

void
chip_try_connect (Core2Chip *self)
{
  if (self->device->connect != NULL || self->device_call != NULL || self->device_gone)
    return;
  if (g_get_monotonic_time () < self->retry_at)
    {
      if (self->state != CHIP_WAITING && self->state != CHIP_CONNECTING)
        chip_set_state (self, CHIP_WAITING, "out of reach or asleep: shake the chip");
      return;
    }
  if (self->cancel_first)
    {
      self->cancel_first = FALSE;
      chip_call_disconnect (self);
      chip_back_off (self);
      return;
    }

  self->attempt_started = g_get_monotonic_time ();
  show_attempt (self);
  core2_bluez_connect_start (self->services->bluez, self->device, how_to_connect (self),
                             self->services->config.connect_timeout * 1000, connect_done, self);
}
