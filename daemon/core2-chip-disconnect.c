/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ends of a chip's connection: because somebody wants it, because it serves no more, because core2d
 * stops. */
#include "core2-chip-private.h"

#define DISCONNECT_TIMEOUT_MS 10000
#define BRIEF_LINK_US (5 * G_USEC_PER_SEC)

/* --- ends ------------------------------------------------------------------------------------------- */

void
chip_clear_deadline (Core2Chip *self)
{
  core2_timer_stop (&self->deadline);
}

void
chip_stop_connect (Core2Chip *self)
{
  core2_timer_stop (&self->asleep_timer);
  self->cancel_first = FALSE;
  if (self->device != NULL)
    core2_bluez_connect_cancel (self->services->bluez, self->device);
}

void
chip_stop_attempt (Core2Chip *self)
{
  chip_stop_connect (self);
  core2_timer_stop (&self->straggler_timer);
  core2_bluez_scan_stop (&self->scan);
  self->searches = 0;
}

void
chip_end_link (Core2Chip *self)
{
  chip_clear_deadline (self);
  core2_timer_stop (&self->straggler_timer);
  if (self->session_started)
    chip_session_end (self);
  if (self->state != CHIP_READY)
    return;
  if (g_get_monotonic_time () - self->ready_since < BRIEF_LINK_US)
    self->brief_links++;
  else
    self->brief_links = 0;
  /* Callers may come before the next step is taken: nothing without a link is ready. */
  chip_set_state (self, CHIP_WAITING, "the connection ended");
}

static void
on_drop_deadline (gpointer user_data)
{
  Core2Chip *self = user_data;

  /* BlueZ says that the link is still there: then it is used. Or it knows nothing of the chip any more. */
  self->dropping = FALSE;
  if (self->device->unknown)
    core2_bluez_drop_device (self->services->bluez, self->device);
  chip_advance (self);
}

static void
disconnect_done (sd_bus_message *reply, const sd_bus_error *error, gpointer user_data)
{
  Core2Chip *self = user_data;

  if (error != NULL)
    core2_log_failure (CORE2_LOG_DEBUG, self->record->address, "link", error->name,
                       "disconnect: %s", error->message);
  /* BlueZ replies when the link is closed. It says NotConnected when there was none, whatever it signalled. */
  if (self->device != NULL
      && (error == NULL || sd_bus_error_has_name (error, "org.bluez.Error.NotConnected")))
    self->device->connected = FALSE;
  chip_advance_later (self);
}

void
chip_call_disconnect (Core2Chip *self)
{
  core2_call_cancel (&self->device_call);
  core2_bluez_call (self->services->bluez, &self->device_call, self->device->path,
                    "org.bluez.Device1", "Disconnect", DISCONNECT_TIMEOUT_MS, disconnect_done,
                    self, NULL);
}

void
chip_connection_broken (Core2Chip *self, Core2Error code, const char *text)
{
  chip_set_last_error (self, core2_error_get_name (code), text);
  core2_log_failure (CORE2_LOG_INFO, self->record->address, "link", self->last_error,
                     "dropping the connection: %s", text);
  chip_end_link (self);
  chip_stop_attempt (self);
  chip_back_off (self);
  chip_set_state (self, CHIP_WAITING, text);
  if (self->device != NULL && self->device->connected)
    {
      self->dropping = TRUE;
      chip_start_timer (self, &self->deadline, DISCONNECT_TIMEOUT_MS, on_drop_deadline);
      chip_call_disconnect (self);
    }
}

/* --- going away because somebody wants it ------------------------------------------------------------ */

static void
on_disconnect_deadline (gpointer user_data)
{
  Core2Chip *self = user_data;

  core2_call_cancel (&self->device_call);
  chip_set_state (self, CHIP_DISCONNECTED, "disconnected, though Bluetooth did not confirm it");
  chip_finish_disconnect_requests (self);
  /* Wanted again meanwhile: then the link is used that is still there. */
  if (!self->disconnect_wanted)
    chip_advance_later (self);
}

static void
untrust_done (sd_bus_message *reply, const sd_bus_error *error, gpointer user_data)
{
  Core2Chip *self = user_data;

  if (self->device != NULL)
    chip_call_disconnect (self);
}

/* It does, or is just being told to. */
static gboolean
may_be_trusted (Core2Chip *self)
{
  return self->device->trusted || self->device_call != NULL;
}

/* bluetoothd may connect a trusted device by itself: that flag goes first. */
static void
begin_disconnect (Core2Chip *self)
{
  chip_start_timer (self, &self->deadline, DISCONNECT_TIMEOUT_MS, on_disconnect_deadline);
  chip_set_state (self, CHIP_DISCONNECTING, "disconnecting");
  if (may_be_trusted (self))
    chip_set_trusted (self, FALSE, untrust_done);
  else
    chip_call_disconnect (self);
}

/* It may be wanted again by now. */
static void
away_untrust_done (sd_bus_message *reply, const sd_bus_error *error, gpointer user_data)
{
  chip_advance_later (user_data);
}

void
chip_go_away (Core2Chip *self)
{
  const char *text = !self->remembered ? "seen in a scan, not added"
                     : self->auto_connect ? "disconnected as wished, until the next connect"
                                          : "keeps no connection by itself";

  chip_stop_attempt (self);
  chip_begin_anew (self);
  self->dropping = FALSE;
  if (self->state == CHIP_DISCONNECTING && self->device != NULL && self->device->connected)
    return;
  chip_end_link (self);
  if (self->state != CHIP_DISCONNECTED && self->state != CHIP_DISCONNECTING
      && self->device != NULL && self->device->connected)
    {
      begin_disconnect (self);
      return;
    }
  chip_clear_deadline (self);
  /* Nor may bluetoothd connect it when it comes back. */
  if (self->state != CHIP_DISCONNECTED && self->state != CHIP_DISCONNECTING && self->remembered
      && self->device != NULL && may_be_trusted (self))
    chip_set_trusted (self, FALSE, away_untrust_done);
  chip_set_state (self, CHIP_DISCONNECTED, text);
  chip_finish_disconnect_requests (self);
}

static void
untrust_unanswered (Core2Chip *self)
{
  sd_bus_message *message = core2_bluez_message_new (self->services->bluez, self->device->path,
                                                     "org.freedesktop.DBus.Properties", "Set");

  if (message != NULL
      && sd_bus_message_append (message, "ssv", "org.bluez.Device1", "Trusted", "b", 0) < 0)
    message = sd_bus_message_unref (message);
  core2_bus_send_unanswered (self->services->bus, message);
}

void
core2_chip_forget (Core2Chip *self)
{
  if (self->remembered && self->device != NULL && may_be_trusted (self))
    untrust_unanswered (self);
  self->remembered = FALSE;
  core2_timer_stop (&self->save_timer);
  core2_chip_release_link (self);
}

void
core2_chip_release_link (Core2Chip *self)
{
  if (self->device == NULL)
    return;
  core2_bluez_connect_cancel (self->services->bluez, self->device);
  /* Also of a link that is being closed: the call that does it may not have been made yet. */
  if (!self->session_started && !self->dropping && self->state != CHIP_RESOLVING
      && self->state != CHIP_DISCONNECTING)
    return;

  core2_bus_send_unanswered (self->services->bus,
                             core2_bluez_message_new (self->services->bluez, self->device->path,
                                                      "org.bluez.Device1", "Disconnect"));
}
