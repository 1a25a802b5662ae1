/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Battery of one chip. A fault of its firmware makes it answer with no byte at all at times: then there is
 * no number, or an older one that says so, and never 0. */
#include "core2-chip-private.h"

static void
set_battery (Core2Chip *self, BatteryStatus status, guint8 percentage, guint64 updated)
{
  gboolean changed = self->battery_status != status || self->battery != percentage;
  gboolean signal = changed || self->battery_updated != updated;

  if (status == BATTERY_CURRENT
      && (self->record->battery != percentage || self->record->battery_updated != updated))
    {
      self->record->battery = percentage;
      self->record->battery_updated = updated;
      chip_save_values_later (self);
    }
  if (self->battery_status != status)
    chip_notify (self, PROP_BATTERY_STATUS);
  if (self->battery != percentage)
    chip_notify (self, PROP_BATTERY);
  if (self->battery_updated != updated)
    chip_notify (self, PROP_BATTERY_UPDATED);
  self->battery_status = status;
  self->battery = percentage;
  self->battery_updated = updated;
  if (signal)
    chip_emit_battery (self);
}

/* No usable number: the old one, if there is any, is stale. */
static void
set_no_data (Core2Chip *self)
{
  set_battery (self, self->battery == 255 ? BATTERY_UNKNOWN : BATTERY_STALE, self->battery,
               self->battery_updated);
}

static void
take_value (Core2Chip *self, const guint8 *data, gsize size)
{
  guint8 percentage;
  Core2Decode decode = core2_protocol_decode_battery (data, size, &percentage);

  if (decode == CORE2_DECODE_OK)
    set_battery (self, BATTERY_CURRENT, percentage, (guint64) g_get_real_time ());
  else
    {
      core2_log_debug (self->record->address, "battery", "no battery level: %s",
                       core2_decode_to_string (decode));
      set_no_data (self);
    }
}

/* What a read that failed says of the battery. Returns TRUE when the error is about the value, not the link. */
static gboolean
take_error (Core2Chip *self, const GError *error)
{
  if (core2_error_get_code (error) != CORE2_ERROR_NOT_SUPPORTED)
    return FALSE;
  if (self->link != NULL && !core2_link_has (self->link, CORE2_UUID_BATTERY))
    set_battery (self, BATTERY_UNSUPPORTED, 255, 0);
  else
    set_no_data (self);
  return TRUE;
}

static void
read_by_itself (const GError *error, const guint8 *data, gsize size, gpointer user_data)
{
  Core2Chip *self = user_data;

  if (error == NULL)
    take_value (self, data, size);
  else
    take_error (self, error);
}

static void
on_battery_timer (gpointer user_data)
{
  chip_battery_ready (user_data);
}

static void
start_timer (Core2Chip *self)
{
  chip_start_timer (self, &self->battery_timer,
                    self->services->config.battery_interval * 60 * 1000, on_battery_timer);
}

void
chip_battery_ready (Core2Chip *self)
{
  core2_link_read (self->link, CORE2_UUID_BATTERY, read_by_itself, self);
  start_timer (self);
}

void
chip_battery_interval_changed (Core2Chip *self)
{
  if (self->battery_timer != NULL)
    start_timer (self);
}

void
chip_battery_lost (Core2Chip *self)
{
  core2_timer_stop (&self->battery_timer);
}

static void
battery_read (const GError *error, const guint8 *data, gsize size, gpointer user_data)
{
  Core2Request *request = user_data;
  Core2Chip *self = request->owner;
  guint8 percentage;

  if (error != NULL)
    {
      gboolean about_value = take_error (self, error);
      chip_flush (self);
      if (about_value && self->battery_status != BATTERY_UNSUPPORTED)
        core2_request_fail (request, CORE2_ERROR_NO_DATA, "%s refused to tell its battery level",
                            self->record->address);
      else
        core2_request_fail_gerror (request, error);
      return;
    }
  take_value (self, data, size);
  chip_flush (self);
  if (core2_protocol_decode_battery (data, size, &percentage) == CORE2_DECODE_OK)
    core2_request_reply (request, "yt", percentage, self->battery_updated);
  else
    core2_request_fail (request, CORE2_ERROR_NO_DATA,
                        "%s answered without a usable battery level (%zu bytes)",
                        self->record->address, size);
}

void
chip_battery_read (Core2Request *request)
{
  Core2Chip *self = request->owner;

  core2_link_read (self->link, CORE2_UUID_BATTERY, battery_read, request);
}

void
chip_battery_load (Core2Chip *self)
{
  self->battery = self->record->battery;
  self->battery_updated = self->record->battery_updated;
  self->battery_status = self->battery == 255 ? BATTERY_UNKNOWN : BATTERY_STALE;
}

void
chip_battery_clear (Core2Chip *self)
{
  chip_battery_lost (self);
}
