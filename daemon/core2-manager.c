/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-manager-private.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/timerfd.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include "core2-protocol.h"
#include "core2-steps.h"

#define FORGET_CHECK_S 10
/* How much of what was measured a power cut may take; of the steps, the chips have them too. */
#define SYNC_DELAY_S 30

/* --- chips -------------------------------------------------------------------------------------------------- */

Core2Chip *
core2_manager_find (Core2Manager *self, const char *address)
{
  return g_hash_table_lookup (self->chips, address);
}

static gboolean
on_forget (gpointer user_data)
{
  Core2Manager *self = user_data;
  gint64 limit = g_get_real_time ()
                 - (gint64) self->services.config.scan_forget * G_USEC_PER_SEC;
  GHashTableIter iter;
  Core2Chip *chip;
  gboolean more = FALSE;

  g_hash_table_iter_init (&iter, self->chips);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &chip))
    {
      if (core2_chip_is_remembered (chip))
        continue;
      if (core2_chip_is_busy (chip) || core2_chip_get_last_seen (chip) > limit)
        more = TRUE;
      else
        g_hash_table_iter_remove (&iter);
    }
  if (!more)
    self->forget_timer = 0;
  return more ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

Core2Chip *
core2_manager_add (Core2Manager *self, Core2ChipRecord *record, gboolean remembered)
{
  Core2Chip *chip = core2_chip_new (&self->services, record, remembered);

  g_hash_table_insert (self->chips, (gpointer) core2_chip_get_address (chip), chip);
  if (!remembered && self->forget_timer == 0)
    self->forget_timer = g_timeout_add_seconds (FORGET_CHECK_S, on_forget, self);
  return chip;
}

void
core2_manager_drop (Core2Manager *self, Core2Chip *chip)
{
  core2_manager_scan_forget (self, core2_chip_get_path (chip));
  g_hash_table_remove (self->chips, core2_chip_get_address (chip));
}

static void
foreach_chip (Core2Manager *self, void (*visit) (Core2Chip *chip))
{
  GHashTableIter iter;
  Core2Chip *chip;

  g_hash_table_iter_init (&iter, self->chips);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &chip))
    visit (chip);
}

/* --- durability --------------------------------------------------------------------------------------------- */

/* Makes durable what was measured of all chips. */
static void
sync_values (gpointer user_data)
{
  Core2Manager *self = user_data;
  g_autoptr (GError) error = NULL;

  core2_timer_stop (&self->sync_timer);
  if (core2_store_sync (self->services.store, &error))
    return;
  core2_log_write_limited (self->services.log_limit, "sync", CORE2_LOG_WARNING,
                           CORE2_LOG_FIELDS (.topic = "store",
                                             .error = core2_error_get_name_of (error),
                                             .message_id = CORE2_LOG_ID_STORAGE_FAILED),
                           "%s", error->message);
  foreach_chip (self, core2_chip_not_synced);
}

static void
on_values_noted (gpointer user_data)
{
  Core2Manager *self = user_data;

  if (self->sync_timer == NULL)
    core2_timer_start (self->services.timers, &self->sync_timer, SYNC_DELAY_S * 1000, sync_values,
                       self);
}

/* The same at once, and whatever else is to be saved soon. */
static void
save_everything (Core2Manager *self)
{
  core2_history_flush (self->services.history, NULL);
  sync_values (self);
  foreach_chip (self, core2_chip_save_due);
}

/* --- STATUS= ------------------------------------------------------------------------------------------------ */

static gboolean
on_status (gpointer user_data)
{
  Core2Manager *self = user_data;
  GHashTableIter iter;
  Core2Chip *chip;
  guint n = 0, n_ready = 0, n_waiting = 0;
  g_autofree char *text = NULL;

  self->status_source = 0;
  g_hash_table_iter_init (&iter, self->chips);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &chip))
    {
      n += core2_chip_is_remembered (chip) != 0;
      n_ready += core2_chip_is_ready (chip) != 0;
      n_waiting += core2_chip_is_asleep (chip) != 0;
    }
  text = g_strdup_printf ("%u chip%s: %u ready, %u asleep or away; Bluetooth: %s", n,
                          n == 1 ? "" : "s", n_ready, n_waiting, self->adapter_state);
  self->status (text, self->user_data);
  return G_SOURCE_REMOVE;
}

static void
update_status (gpointer user_data)
{
  Core2Manager *self = user_data;

  if (self->status_source == 0)
    self->status_source = g_idle_add (on_status, self);
}

/* --- what BlueZ says ---------------------------------------------------------------------------------------- */

void
core2_manager_notify (Core2Manager *self, const char *property)
{
  if (self->services.announced)
    sd_bus_emit_properties_changed (core2_bus_get (self->services.bus), MANAGER_PATH,
                                    MANAGER_INTERFACE, property, NULL);
}

static void
on_adapters_changed (gpointer user_data)
{
  Core2Manager *self = user_data;
  const char *state = core2_bluez_get_adapter_state (self->services.bluez);
  gboolean scanning = core2_bluez_is_scanning (self->services.bluez);

  if (strcmp (state, self->adapter_state) != 0)
    {
      self->adapter_state = state;
      core2_manager_notify (self, "AdapterState");
      core2_log_info (NULL, "manager", "Bluetooth: %s", state);
      update_status (self);
    }
  if (scanning != self->scanning)
    {
      self->scanning = scanning;
      core2_manager_notify (self, "Scanning");
    }
  foreach_chip (self, core2_chip_adapters_changed);
  core2_manager_run_waiting_scans (self);
}

static void
on_device_changed (Core2BluezDevice *device, gpointer user_data)
{
  Core2Chip *chip = core2_manager_find (user_data, device->address);

  if (chip != NULL)
    core2_chip_device_changed (chip, device);
}

static void
on_device_removed (Core2BluezDevice *device, gpointer user_data)
{
  if (device->chip != NULL)
    core2_chip_device_removed (device->chip, device);
}

static Core2Chip *
add_seen_chip (Core2Manager *self, Core2BluezDevice *device)
{
  Core2Chip *chip;

  if (core2_protocol_match_advertisement (device->name, device->has_service, device->has_company)
          != CORE2_MATCH_YES
      || !core2_manager_has_scans (self) || g_hash_table_size (self->chips) > MAX_SEEN_CHIPS * 16)
    return NULL;
  chip = core2_manager_add (self, core2_chip_record_new (device->address), FALSE);
  core2_chip_device_changed (chip, device);
  return chip;
}

static void
on_device_seen (Core2BluezDevice *device, gpointer user_data)
{
  Core2Manager *self = user_data;
  Core2Chip *chip = core2_manager_find (self, device->address);

  if (chip == NULL)
    chip = add_seen_chip (self, device);
  if (chip != NULL)
    core2_chip_device_seen (chip, device);
  core2_manager_scan_seen (self, device, chip);
}

static void
on_value_changed (Core2BluezCharacteristic *characteristic, const guint8 *data, gsize size,
                  gpointer user_data)
{
  if (characteristic->device->chip != NULL)
    core2_chip_value_changed (characteristic->device->chip, characteristic, data, size);
}

static const Core2BluezEvents bluez_events = {
  .adapters_changed = on_adapters_changed,
  .device_changed = on_device_changed,
  .device_removed = on_device_removed,
  .device_seen = on_device_seen,
  .value_changed = on_value_changed,
};

/* --- days and sleep ----------------------------------------------------------------------------------------- */

static void
arm_day_timer (Core2Manager *self)
{
  gint64 boundary = core2_steps_next_boundary (&self->services.calendar, g_get_real_time ());
  const struct itimerspec at = { .it_value = { .tv_sec = boundary / G_USEC_PER_SEC + 1 } };

  timerfd_settime (self->day_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &at, NULL);
}

/* Which day it is, and when it ends, is found out anew. */
static void
renew_day (Core2Manager *self)
{
  g_autoptr (GTimeZone) zone = g_time_zone_new_local ();

  core2_calendar_clear (&self->services.calendar);
  core2_calendar_init (&self->services.calendar, zone, self->services.config.day_start);
  foreach_chip (self, core2_chip_day_changed);
  arm_day_timer (self);
}

/* The day ended, or somebody set the clock. */
static gboolean
on_day_timer (int fd, GIOCondition condition, gpointer user_data)
{
  guint64 expirations;

  if (read (fd, &expirations, sizeof expirations) >= 0 || errno != EAGAIN)
    renew_day (user_data);
  return G_SOURCE_CONTINUE;
}

static void
on_zone (gpointer user_data)
{
  renew_day (user_data);
}

static void
on_sleep (gboolean sleeping, gpointer user_data)
{
  Core2Manager *self = user_data;

  if (sleeping)
    {
      save_everything (self);
      return;
    }
  foreach_chip (self, core2_chip_resumed);
  foreach_chip (self, core2_chip_day_changed);
}

/* --- life --------------------------------------------------------------------------------------------------- */

static gboolean
publish (Core2Manager *self, GError **error)
{
  sd_bus *bus = core2_bus_get (self->services.bus);
  int r = sd_bus_add_object_manager (bus, &self->object_manager_slot, ROOT_PATH);

  if (r >= 0)
    r = sd_bus_add_object_vtable (bus, &self->manager_slot, MANAGER_PATH, MANAGER_INTERFACE,
                                  core2_manager_vtable, self);
  if (r >= 0 && (self->sleep = core2_sleep_new (self->services.bus, on_sleep, self)) == NULL)
    r = -ENOTCONN;
  if (r >= 0)
    return core2_chips_publish (&self->services, error);
  g_set_error (error, CORE2_ERROR, CORE2_ERROR_FAILED, "cannot publish the manager: %s",
               g_strerror (-r));
  return FALSE;
}

static gboolean
load_chips (Core2Manager *self, GError **error)
{
  g_autoptr (GPtrArray) records = core2_store_load_all (self->services.store, error);

  if (records == NULL)
    return FALSE;
  g_ptr_array_set_free_func (records, NULL);
  for (guint i = 0; i < records->len; i++)
    core2_manager_add (self, g_ptr_array_index (records, i), TRUE);
  return TRUE;
}

static void
on_storage_error_changed (gpointer user_data)
{
  Core2Manager *self = user_data;

  self->storage_error = core2_history_get_error (self->services.history);
  core2_manager_notify (self, "StorageError");
}

static void
init_services (Core2Manager *self, Core2Bus *bus, Core2Store *store, const Core2Config *config)
{
  Core2ChipServices *services = &self->services;
  g_autoptr (GTimeZone) zone = g_time_zone_new_local ();
  sd_id128_t boot = SD_ID128_NULL;

  services->bus = bus;
  services->store = store;
  services->config = *config;
  services->access = core2_access_new (bus);
  services->log_limit = core2_log_limit_new ();
  services->timers = core2_timers_new ();
  services->chip_changed = update_status;
  services->values_noted = on_values_noted;
  services->user_data = self;
  core2_calendar_init (&services->calendar, zone, config->day_start);
  services->readers = g_ptr_array_new ();
  services->published = g_hash_table_new (g_str_hash, g_str_equal);
  services->history
      = core2_history_new (core2_store_get_directory (store), &services->calendar,
                           config->history_retention, on_storage_error_changed, self);
  self->storage_error = core2_history_get_error (services->history);
  if (sd_id128_get_boot (&boot) >= 0)
    services->boot_id = boot.qwords[0];
}

Core2Manager *
core2_manager_new (Core2Bus *bus, Core2Store *store, const Core2Config *config,
                   Core2ManagerStatus status, gpointer user_data, GError **error)
{
  Core2Manager *self = g_new0 (Core2Manager, 1);

  self->status = status;
  self->user_data = user_data;
  self->version = CORE2_VERSION;
  self->adapter_state = "no-bluez";
  self->min_orientation_interval = config->orientation_min_interval;
  self->others = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->chips = g_hash_table_new_full (g_str_hash, g_str_equal, NULL,
                                       (GDestroyNotify) core2_chip_free);
  self->requests = core2_requests_new ();
  self->day_fd = timerfd_create (CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
  init_services (self, bus, store, config);
  self->services.bluez = core2_bluez_new (bus, &bluez_events, self);
  if (!publish (self, error) || !load_chips (self, error))
    {
      core2_manager_free (self);
      return NULL;
    }
  self->day_source = g_unix_fd_add (self->day_fd, G_IO_IN, on_day_timer, self);
  arm_day_timer (self);
  self->zone = core2_zone_new (CORE2_ZONE_DIRECTORY, on_zone, self);
  update_status (self);
  return self;
}

void
core2_manager_set_config (Core2Manager *self, const Core2Config *config)
{
  const Core2Config old = self->services.config;

  self->services.config = *config;
  core2_history_set_retention (self->services.history, config->history_retention);
  if (old.orientation_min_interval != config->orientation_min_interval)
    {
      self->min_orientation_interval = config->orientation_min_interval;
      core2_manager_notify (self, "MinOrientationInterval");
    }
  if (old.orientation_min_interval != config->orientation_min_interval
      || old.battery_interval != config->battery_interval)
    foreach_chip (self, core2_chip_intervals_changed);
  renew_day (self);
}

void
core2_manager_announce (Core2Manager *self)
{
  self->services.announced = TRUE;
}

void
core2_manager_release_links (Core2Manager *self)
{
  foreach_chip (self, core2_chip_release_link);
}

void
core2_manager_free (Core2Manager *self)
{
  if (self == NULL)
    return;

  core2_requests_free (self->requests, CORE2_ERROR_CANCELLED, "core2d is stopping");
  g_clear_handle_id (&self->forget_timer, g_source_remove);
  g_clear_handle_id (&self->status_source, g_source_remove);
  /* Without it nothing is signalled: chips are not removed when core2d stops. */
  sd_bus_slot_unref (self->object_manager_slot);
  foreach_chip (self, core2_chip_close);
  save_everything (self);
  g_hash_table_unref (self->chips);
  core2_timer_stop (&self->sync_timer);
  g_clear_handle_id (&self->status_source, g_source_remove);
  core2_chips_unpublish (&self->services);
  core2_bluez_free (self->services.bluez);
  core2_sleep_free (self->sleep);
  sd_bus_slot_unref (self->manager_slot);
  core2_zone_free (self->zone);
  g_clear_handle_id (&self->day_source, g_source_remove);
  close (self->day_fd);
  core2_access_free (self->services.access);
  core2_history_free (self->services.history);
  g_ptr_array_unref (self->services.readers);
  g_hash_table_unref (self->services.published);
  core2_calendar_clear (&self->services.calendar);
  core2_timers_free (self->services.timers);
  core2_log_limit_free (self->services.log_limit);
  g_hash_table_unref (self->others);
  g_free (self);
}
