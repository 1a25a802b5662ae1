/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Manager.Scan: every caller has a list and an end of its own; the discovery is shared. */
#include "core2-manager-private.h"

#include <string.h>

#include "core2-protocol.h"

/* How old an advertisement may be for a scan that joins a discovery: as the longest scan. */
#define FRESH_US (60 * G_USEC_PER_SEC)

/* What a request may wait for. */
enum
{
  WAITS_FOR_NOTHING,
  WAITS_FOR_BLUEZ,
};

/* Kept in Core2Request.extra. */
typedef struct
{
  Core2BluezScan *scan;
  GPtrArray *paths;              /* object paths of the chips seen, each once */
} ScanJob;

static void
scan_job_free (gpointer data)
{
  ScanJob *job = data;

  core2_bluez_scan_stop (&job->scan);
  g_ptr_array_unref (job->paths);
  g_free (job);
}

static void
reply_paths (Core2Request *request)
{
  ScanJob *job = request->extra;
  sd_bus_message *reply = NULL;
  int r = sd_bus_message_new_method_return (request->message, &reply);

  if (r >= 0)
    r = sd_bus_message_open_container (reply, SD_BUS_TYPE_ARRAY, "o");
  for (guint i = 0; r >= 0 && i < job->paths->len; i++)
    r = sd_bus_message_append (reply, "o", g_ptr_array_index (job->paths, i));
  if (r >= 0)
    r = sd_bus_message_close_container (reply);
  core2_request_reply_message (request, reply, r);
}

static void
scan_done (const sd_bus_error *error, gpointer user_data)
{
  Core2Request *request = user_data;

  if (error == NULL)
    reply_paths (request);
  else
    core2_request_fail (request, core2_bluez_translate_error (error), "the scan ended: %s",
                        error->message);
}

static gboolean
is_scan (const Core2Request *request)
{
  return request->free_extra == scan_job_free;
}

gboolean
core2_manager_has_scans (Core2Manager *self)
{
  for (guint i = 0; i < self->requests->len; i++)
    if (is_scan (g_ptr_array_index (self->requests, i)))
      return TRUE;
  return FALSE;
}

static void
add_to_job (Core2Request *request, const char *path)
{
  ScanJob *job = request->extra;

  if (g_ptr_array_find_with_equal_func (job->paths, path, g_str_equal, NULL))
    return;
  g_ptr_array_add (job->paths, g_strdup (path));
  if (request->number != 0 && job->paths->len >= request->number)
    reply_paths (request);
}

void
core2_manager_scan_seen (Core2Manager *self, Core2BluezDevice *device, Core2Chip *chip)
{
  if (chip == NULL)
    {
      if (g_hash_table_size (self->others) < MAX_OTHER_DEVICES)
        g_hash_table_add (self->others, g_strdup (device->address));
      self->other_devices_seen = g_hash_table_size (self->others);
      return;
    }
  /* A request may end within: from the end, each once. */
  for (guint i = self->requests->len; i-- > 0;)
    {
      Core2Request *request = g_ptr_array_index (self->requests, i);
      if (is_scan (request)
          && (request->text == NULL || strcmp (request->text, device->adapter->address) == 0))
        add_to_job (request, core2_chip_get_path (chip));
    }
}

void
core2_manager_scan_forget (Core2Manager *self, const char *path)
{
  guint index;

  for (guint i = 0; i < self->requests->len; i++)
    {
      const Core2Request *request = g_ptr_array_index (self->requests, i);
      const ScanJob *job = request->extra;

      if (is_scan (request)
          && g_ptr_array_find_with_equal_func (job->paths, path, g_str_equal, &index))
        g_ptr_array_remove_index (job->paths, index);
    }
}

/* A discovery that is on already tells nothing twice: what it has told is news to who joins. */
static void
add_if_fresh (Core2BluezDevice *device, gpointer user_data)
{
  Core2Manager *self = user_data;
  Core2Chip *chip = core2_manager_find (self, device->address);
  gint64 fresh_us = MIN (FRESH_US, core2_bluez_get_scanning_time (self->services.bluez));

  if (chip != NULL && !device->connected && g_get_real_time () - device->seen < fresh_us)
    core2_manager_scan_seen (self, device, chip);
}

static void
drop (Core2Request *request)
{
  core2_request_drop (request);
}

void
core2_manager_run_waiting_scans (Core2Manager *self)
{
  for (guint i = self->requests->len; i-- > 0;)
    {
      Core2Request *request = g_ptr_array_index (self->requests, i);
      if (request->waits_for != WAITS_FOR_BLUEZ)
        continue;
      request->waits_for = WAITS_FOR_NOTHING;
      core2_manager_scan (request);
    }
}

void
core2_manager_scan (Core2Request *request)
{
  Core2Manager *self = request->owner;
  Core2Bluez *bluez = self->services.bluez;
  Core2BluezAdapter *adapter = core2_bluez_find_adapter (bluez, request->text);

  if (!core2_bluez_is_ready (bluez) && core2_bluez_is_settling (bluez))
    {
      request->waits_for = WAITS_FOR_BLUEZ;
      return;
    }
  if (!core2_bluez_is_ready (bluez))
    {
      core2_request_fail (request, CORE2_ERROR_BLUEZ_UNAVAILABLE,
                          "the Bluetooth service does not run");
      return;
    }
  if (adapter == NULL)
    {
      core2_request_fail (request, CORE2_ERROR_ADAPTER_UNAVAILABLE,
                          request->text != NULL ? "there is no adapter %s that is on"
                                                : "no Bluetooth adapter is on",
                          request->text);
      return;
    }

  if (!core2_manager_has_scans (self))
    {
      g_hash_table_remove_all (self->others);
      self->other_devices_seen = 0;
    }
  ScanJob *job = g_new0 (ScanJob, 1);
  job->paths = g_ptr_array_new_with_free_func (g_free);
  request->extra = job;
  request->free_extra = scan_job_free;
  core2_request_watch_caller (request, drop);
  core2_bluez_scan_start (bluez, &job->scan, request->text != NULL ? adapter : NULL,
                          request->timeout_s * 1000, scan_done, request);
  core2_bluez_foreach_device (bluez, add_if_fresh, self);
}
