/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From "services resolved" to ready, and what is done first on a fresh link. */
#include "core2-chip-private.h"

#include <string.h>

#define SHORT_CALL_MS 10000

static void
call_ended (sd_bus_message *reply, const sd_bus_error *error, gpointer user_data)
{
  Core2Chip *self = user_data;

  if (error != NULL)
    core2_log_failure (CORE2_LOG_DEBUG, self->record->address, "link", error->name, "%s",
                       error->message);
  chip_advance_later (self);
}

void
chip_set_trusted (Core2Chip *self, gboolean trusted, Core2CallDone done)
{
  core2_call_cancel (&self->device_call);
  core2_bluez_call (self->services->bluez, &self->device_call, self->device->path,
                    "org.freedesktop.DBus.Properties", "Set", SHORT_CALL_MS, done, self, "ssv",
                    "org.bluez.Device1", "Trusted", "b", (int) trusted);
}

void
chip_remove_device (Core2Chip *self)
{
  core2_log_info (self->record->address, "link",
                  "letting Bluetooth forget the chip: its list of services is out of date");
  core2_call_cancel (&self->device_call);
  core2_bluez_call (self->services->bluez, &self->device_call, self->device->adapter->path,
                    "org.bluez.Adapter1", "RemoveDevice", SHORT_CALL_MS, call_ended, self, "o",
                    self->device->path);
}

static void
steps_subscribed (const GError *error, const guint8 *data, gsize size, gpointer user_data)
{
  Core2Chip *self = user_data;

  self->polled = error != NULL && core2_error_get_code (error) == CORE2_ERROR_NOT_SUPPORTED;
  /* The end of the link is reported by whoever ended it. */
  if (error != NULL && !self->polled && self->session_started)
    chip_connection_broken (self, core2_error_get_code (error), error->message);
}

/* The chip answered, and has no value or does not give it. Other errors are the link's: BlueZ may say that a
 * device is connected which is not. */
static gboolean
is_about_value (const GError *error)
{
  Core2Error code = core2_error_get_code (error);

  return code == CORE2_ERROR_NOT_SUPPORTED || code == CORE2_ERROR_NO_DATA;
}

/* Ready with the counter known: what is walked from now on is counted. */
static void
first_steps_read (const GError *error, const guint8 *data, gsize size, gpointer user_data)
{
  Core2Chip *self = user_data;

  if (!self->session_started)
    return;
  if (error != NULL && !is_about_value (error))
    {
      chip_connection_broken (self, core2_error_get_code (error), error->message);
      return;
    }
  /* BlueZ has shown the value as a change already when it is a new one. */
  if (error == NULL && self->first_sample)
    chip_steps_value (self, data, size);

  if (self->remembered && !self->device->trusted)
    chip_set_trusted (self, TRUE, call_ended);
  /* Before the requests that waited: the answer to one of them may be a notification. */
  chip_orientation_ready (self);
  chip_set_ready (self);
  if (self->polled)
    chip_set_status (self, "connected; another program holds the step notifications, so the "
                           "counter is read now and then");
  chip_steps_poll (self, self->polled);
  chip_battery_ready (self);
  chip_handshake_ready (self);
  chip_info_ready (self);
  chip_fetch_ready (self);
}

/* Never touches bluetoothd's files: what it cannot forget, people have to know of. */
void
chip_services_stale (Core2Chip *self)
{
  gboolean first = !self->removed_stale_device;

  chip_connection_broken (self, CORE2_ERROR_NOT_SUPPORTED,
                          first ? "Bluetooth's list of the chip's services was out of date"
                                : "Bluetooth's list of the chip's services stays out of date: "
                                  "restart Bluetooth");
  self->removed_stale_device = TRUE;
  if (first && self->device != NULL)
    chip_remove_device (self);
}

static void
link_broken (Core2LinkFault fault, gpointer user_data)
{
  Core2Chip *self = user_data;

  if (!self->session_started)
    return;
  switch (fault)
    {
    case CORE2_LINK_STUCK:
      chip_connection_broken (self, CORE2_ERROR_TIMEOUT, "the chip stopped answering");
      break;
    case CORE2_LINK_STALE:
      chip_services_stale (self);
      break;
    default:
      g_assert_not_reached ();
    }
}

void
chip_session_start (Core2Chip *self)
{
  self->link = core2_link_new (self->services->bluez, self->device,
                               self->services->config.request_timeout * 1000, link_broken, self);
  self->session_started = TRUE;
  self->session_services = self->device->services_changes;
  self->first_sample = TRUE;
  /* Subscribe, then read: a step between the two is in one of them at least. */
  core2_link_subscribe (self->link, CORE2_UUID_STEPS, steps_subscribed, self);
  core2_link_read (self->link, CORE2_UUID_STEPS, first_steps_read, self);
}

void
chip_session_end (Core2Chip *self)
{
  Core2Link *link = g_steal_pointer (&self->link);

  self->session_started = FALSE;
  chip_steps_poll (self, FALSE);
  chip_battery_lost (self);
  chip_orientation_lost (self);
  chip_handshake_lost (self);
  chip_fetch_lost (self);
  core2_link_free (link);
  /* There is nothing left to keep for a moment. */
  core2_timer_stop (&self->linger_timer);
  chip_save_values_later (self);
}

/* --- values ----------------------------------------------------------------------------------------------- */

typedef struct
{
  const char *uuid;
  void (*take) (Core2Chip *self, const guint8 *data, gsize size);
} ValueHandler;

/* What comes without being asked for. The battery is only read: its value is in the reply. */
static const ValueHandler value_handlers[] = {
  { CORE2_UUID_STEPS, chip_steps_value },
  { CORE2_UUID_ORIENTATION, chip_orientation_value },
  { CORE2_UUID_AUTHENTICATION, chip_handshake_value },
  { CORE2_UUID_HISTORY_CONTROL, chip_fetch_control_value },
  { CORE2_UUID_HISTORY_DATA, chip_fetch_data_value },
};

void
core2_chip_value_changed (Core2Chip *self, const Core2BluezCharacteristic *characteristic,
                          const guint8 *data, gsize size)
{
  if (!self->session_started || characteristic->device != self->device
      || characteristic->uuid == NULL)
    return;
  for (gsize i = 0; i < G_N_ELEMENTS (value_handlers); i++)
    if (strcmp (value_handlers[i].uuid, characteristic->uuid) == 0)
      {
        value_handlers[i].take (self, data, size);
        return;
      }
}
