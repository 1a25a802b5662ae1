/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-chip-private.h"

#include <string.h>

/* How old the file of a record may be. Of measured values only when they can't be noted. */
#define SAVE_DELAY_S 30

/* --- saving ------------------------------------------------------------------------------------------------- */

/* @key: to be stored with it, or NULL. */
static gboolean
save (Core2Chip *self, GBytes *key, GError **error)
{
  gboolean saved;

  /* Its failure is not this one's. */
  core2_history_flush (self->services->history, NULL);
  self->record->steps = self->steps;
  if (key == NULL)
    saved = core2_store_save (self->services->store, self->record, error);
  else
    saved = core2_store_save_with_key (self->services->store, self->record,
                                       g_bytes_get_data (key, NULL), error);
  if (saved)
    {
      core2_timer_stop (&self->save_timer);
      self->noted = FALSE;
    }
  return saved;
}

gboolean
chip_save_now (Core2Chip *self, GError **error)
{
  return !self->remembered || save (self, NULL, error);
}

/* @doing tells its warnings from others, of which few are written in a minute. */
static void
warn (Core2Chip *self, const char *doing, const GError *error)
{
  core2_log_write_limited (self->services->log_limit, doing, CORE2_LOG_WARNING,
                           CORE2_LOG_FIELDS (.chip = self->record->address, .topic = "store",
                                             .error = core2_error_get_name_of (error),
                                             .message_id = CORE2_LOG_ID_STORAGE_FAILED),
                           "%s", error->message);
}

void
chip_save (Core2Chip *self)
{
  g_autoptr (GError) error = NULL;

  if (chip_save_now (self, &error))
    return;
  warn (self, "save", error);
  chip_save_record_later (self);
}

static void
on_save_timer (gpointer user_data)
{
  Core2Chip *self = user_data;

  chip_save (self);
}

static void
save_in (Core2Chip *self, guint delay_ms)
{
  if (self->save_timer == NULL)
    chip_start_timer (self, &self->save_timer, delay_ms, on_save_timer);
}

void
chip_save_values_later (Core2Chip *self)
{
  g_autoptr (GError) error = NULL;

  if (!self->remembered)
    return;
  self->record->steps = self->steps;
  if (core2_store_note (self->services->store, self->record, &error))
    {
      self->noted = TRUE;
      self->services->values_noted (self->services->user_data);
      return;
    }
  warn (self, "note", error);
  save_in (self, SAVE_DELAY_S * 1000);
}

void
chip_save_record_later (Core2Chip *self)
{
  if (!self->remembered)
    return;
  chip_save_values_later (self);
  save_in (self, SAVE_DELAY_S * 1000);
}

void
core2_chip_save_due (Core2Chip *self)
{
  if (self->save_timer != NULL)
    chip_save (self);
}

void
core2_chip_not_synced (Core2Chip *self)
{
  if (!self->noted)
    return;
  core2_timer_stop (&self->save_timer);
  save_in (self, 0);
}

/* --- what the manager asks and wants ------------------------------------------------------------------------ */

const char *
core2_chip_get_path (const Core2Chip *self)
{
  return self->path;
}

const char *
core2_chip_get_address (const Core2Chip *self)
{
  return self->record->address;
}

const char *
core2_chip_get_alias (const Core2Chip *self)
{
  return self->record->alias;
}

Core2Side
core2_chip_get_side (const Core2Chip *self)
{
  return self->record->side;
}

gboolean
core2_chip_is_remembered (const Core2Chip *self)
{
  return self->remembered;
}

gboolean
core2_chip_is_ready (const Core2Chip *self)
{
  return self->state == CHIP_READY;
}

gboolean
core2_chip_is_asleep (const Core2Chip *self)
{
  return self->state == CHIP_WAITING;
}

gboolean
core2_chip_is_busy (const Core2Chip *self)
{
  return self->state != CHIP_DISCONNECTED || self->requests->len > 0;
}

gint64
core2_chip_get_last_seen (const Core2Chip *self)
{
  return (gint64) self->record->last_seen;
}

int
core2_chip_check_alias (const char *alias, sd_bus_error *error)
{
  char address[CORE2_ADDRESS_TEXT_SIZE];
  Core2Side side;

  if (strlen (alias) > CORE2_ALIAS_MAX)
    return core2_error_set (error, CORE2_ERROR_INVALID_ARGUMENTS,
                            "an alias has at most %d bytes", CORE2_ALIAS_MAX);
  for (const char *p = alias; *p != '\0'; p = g_utf8_next_char (p))
    if (g_unichar_iscntrl (g_utf8_get_char (p)))
      return core2_error_set (error, CORE2_ERROR_INVALID_ARGUMENTS,
                              "an alias has no control characters");
  if (core2_address_normalise (alias, address) || core2_side_from_name (alias, &side))
    return core2_error_set (error, CORE2_ERROR_INVALID_ARGUMENTS,
                            "an alias must not look like an address or a side");
  return 0;
}

gboolean
core2_chip_remember (Core2Chip *self, const char *alias, const Core2Side *side, GBytes *key,
                     const gboolean *auto_connect, GError **error)
{
  Core2ChipRecord *record = self->record;
  const Core2ChipRecord old = *record;
  g_autofree char *old_alias = g_strdup (record->alias);
  gboolean was_remembered = self->remembered;

  /* The chip may be about to take another one, which would not be known then. */
  if (key != NULL && self->pair_request != NULL)
    {
      g_set_error (error, CORE2_ERROR, CORE2_ERROR_IN_PROGRESS, "%s is being paired",
                   record->address);
      return FALSE;
    }
  if (alias != NULL)
    {
      g_free (record->alias);
      record->alias = g_strdup (alias);
    }
  if (side != NULL)
    record->side = *side;
  if (auto_connect != NULL)
    record->auto_connect = *auto_connect;
  if (!was_remembered)
    record->added = (guint64) g_get_real_time ();
  self->remembered = TRUE;

  if (!save (self, key, error))
    {
      g_free (record->alias);
      record->alias = g_steal_pointer (&old_alias);
      record->side = old.side;
      record->auto_connect = old.auto_connect;
      record->added = old.added;
      self->remembered = was_remembered;
      return FALSE;
    }

  chip_notify (self, PROP_ALIAS);
  chip_notify (self, PROP_SIDE);
  if (!was_remembered)
    {
      chip_notify (self, PROP_REMEMBERED);
      chip_steps_remember (self);
    }
  if (key != NULL)
    chip_handshake_key_changed (self);
  if (self->auto_connect != record->auto_connect)
    {
      self->auto_connect = record->auto_connect;
      chip_notify (self, PROP_AUTO_CONNECT);
    }
  /* A chip that somebody disconnected stays away, unless the caller says otherwise. */
  if (!was_remembered || auto_connect != NULL)
    {
      if (record->auto_connect)
        chip_connection_arm (self);
      else
        chip_connection_release (self);
    }
  chip_flush (self);
  return TRUE;
}

void
core2_chip_day_changed (Core2Chip *self)
{
  chip_steps_roll_day (self);
}

void
core2_chip_intervals_changed (Core2Chip *self)
{
  chip_orientation_update_interval (self);
  chip_battery_interval_changed (self);
}

void
core2_chip_close (Core2Chip *self)
{
  chip_connection_clear (self);
  core2_requests_fail (self->requests, CORE2_ERROR_CANCELLED, "core2d is stopping");
}

/* --- life --------------------------------------------------------------------------------------------------- */

Core2Chip *
core2_chip_new (Core2ChipServices *services, Core2ChipRecord *record, gboolean remembered)
{
  Core2Chip *self = g_new0 (Core2Chip, 1);
  guint64 address;
  char element[CORE2_ADDRESS_TEXT_SIZE];

  self->services = services;
  self->record = record;
  core2_address_parse (record->address, &address);
  core2_address_format_path_element (address, element);
  self->path = g_strconcat (CORE2_CHIP_PATH_PREFIX, element, NULL);
  self->requests = core2_requests_new ();
  self->remembered = remembered;
  self->auto_connect = remembered && record->auto_connect;
  self->armed = self->auto_connect;
  self->power_changes = core2_bluez_get_power_changes (services->bluez);
  self->adapter = "";
  self->last_error = "";
  chip_errors_init (self);
  self->status_text = g_strdup (remembered ? "starting" : "seen in a scan, not added");
  self->rssi = CORE2_BLUEZ_RSSI_UNKNOWN;
  chip_steps_load (self);
  chip_battery_load (self);
  chip_orientation_init (self);
  chip_fetch_init (self);
  chip_handshake_init (self);

  chip_publish (self);
  chip_advance_later (self);
  return self;
}

void
core2_chip_free (Core2Chip *self)
{
  if (self == NULL)
    return;

  chip_connection_clear (self);
  core2_requests_free (self->requests, CORE2_ERROR_CANCELLED, "the chip was removed");
  chip_handshake_clear (self);
  chip_orientation_clear (self);
  chip_battery_clear (self);
  chip_steps_clear (self);
  core2_timer_stop (&self->save_timer);
  chip_history_close (self);
  chip_fetch_clear (self);
  chip_unpublish (self);
  chip_info_clear (self);
  core2_chip_record_free (self->record);
  g_free (self->adapter_text);
  g_free (self->status_text);
  chip_errors_clear (self);
  g_free (self->path);
  g_free (self);
}
