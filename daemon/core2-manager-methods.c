/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.example.Core2.Manager on the bus. */
#include "core2-manager-private.h"

#include <stddef.h>
#include <string.h>

#include "core2-address.h"

static Core2Request *
new_request (Core2Manager *self, sd_bus_message *message)
{
  return core2_request_new (self->requests, self->services.bus, message, self);
}

static void
authorize (Core2Request *request, const char *action, const char *address, const char *alias,
           Core2RequestRun run)
{
  Core2Manager *self = request->owner;

  core2_request_authorize (request, self->services.access, action, address, alias, run);
}

/* --- Scan --------------------------------------------------------------------------------------------------- */

static int
method_scan (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  Core2Manager *self = user_data;
  guint32 timeout = 0;
  guint32 max = 0;
  g_autofree char *adapter = NULL;
  char address[CORE2_ADDRESS_TEXT_SIZE];
  Core2Option options[] = {
    { "timeout", 'u', &timeout, 1, 60 },
    { "max", 'u', &max, 0, G_MAXUINT32 },
    { "adapter", 's', &adapter, 17, 17 },
  };
  int r = core2_options_read (message, options, G_N_ELEMENTS (options), error);

  if (r < 0)
    return r;
  if (adapter != NULL && !core2_address_normalise (adapter, address))
    return core2_error_set (error, CORE2_ERROR_INVALID_ARGUMENTS, "%s is no Bluetooth address",
                            adapter);
  Core2Request *request = new_request (self, message);
  request->number = max;
  request->timeout_s = timeout != 0 ? timeout : self->services.config.scan_timeout;
  request->text = adapter != NULL ? g_strdup (address) : NULL;
  authorize (request, "scan", NULL, NULL, core2_manager_scan);
  return 1;
}

/* --- AddChip ------------------------------------------------------------------------------------------------ */

/* Kept in Core2Request.extra. */
typedef struct
{
  char address[CORE2_ADDRESS_TEXT_SIZE];
  gboolean has_side;
  Core2Side side;
  gboolean has_connect;
  gboolean connect;
} AddJob;

static void
add_chip (Core2Request *request)
{
  Core2Manager *self = request->owner;
  const AddJob *job = request->extra;
  Core2Chip *chip = core2_manager_find (self, job->address);
  gboolean is_new = chip == NULL;
  g_autoptr (GError) error = NULL;

  if (is_new)
    chip = core2_manager_add (self, core2_chip_record_new (job->address), FALSE);
  if (!core2_chip_remember (chip, request->text, job->has_side ? &job->side : NULL,
                            request->secret, job->has_connect ? &job->connect : NULL, &error))
    {
      if (is_new)
        core2_manager_drop (self, chip);
      core2_request_fail_gerror (request, error);
      return;
    }
  core2_log_notice (job->address, "manager", "added");
  core2_request_reply (request, "o", core2_chip_get_path (chip));
}

static int
method_add_chip (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  g_autofree char *alias = NULL;
  g_autofree char *side_name = NULL;
  g_autoptr (GBytes) key = NULL;
  g_autofree AddJob *job = g_new0 (AddJob, 1);
  const char *address;
  Core2Option options[] = {
    { "alias", 's', &alias, 0, CORE2_ALIAS_MAX },
    { "side", 's', &side_name, 0, 16 },
    { "key", 'y', &key, CORE2_KEY_SIZE, CORE2_KEY_SIZE },
    { "connect", 'b', &job->connect },
  };
  int r;

  /* What is refused may hold a key, too. */
  sd_bus_message_sensitive (message);
  r = sd_bus_message_read (message, "s", &address);
  if (r < 0)
    return r;
  if (!core2_address_normalise (address, job->address))
    return core2_error_set (error, CORE2_ERROR_INVALID_ARGUMENTS,
                            "%.64s is no Bluetooth address (six hexadecimal pairs with colons)",
                            address);
  r = core2_options_read (message, options, G_N_ELEMENTS (options), error);
  if (r < 0)
    return r;
  if (alias != NULL && (r = core2_chip_check_alias (alias, error)) < 0)
    return r;
  if (side_name != NULL && !core2_side_from_name (side_name, &job->side))
    return core2_error_set (error, CORE2_ERROR_INVALID_ARGUMENTS,
                            "a side is unknown, left or right, not %s", side_name);
  job->has_side = side_name != NULL;
  job->has_connect = options[3].given;

  Core2Request *request = new_request (user_data, message);
  request->text = g_steal_pointer (&alias);
  request->secret = g_steal_pointer (&key);
  request->extra = g_steal_pointer (&job);
  request->free_extra = g_free;
  authorize (request, request->secret != NULL ? "key" : "manage",
             ((AddJob *) request->extra)->address, request->text, add_chip);
  return 1;
}

/* --- RemoveChip --------------------------------------------------------------------------------------------- */

static Core2Chip *
find_by_path (Core2Manager *self, const char *path)
{
  char address[CORE2_ADDRESS_TEXT_SIZE];
  guint64 number;

  if (!g_str_has_prefix (path, CORE2_CHIP_PATH_PREFIX)
      || !core2_address_parse_path_element (path + strlen (CORE2_CHIP_PATH_PREFIX), &number))
    return NULL;
  core2_address_format (number, address);
  return core2_manager_find (self, address);
}

/* What a visit of BlueZ's devices looks for. */
typedef struct
{
  Core2Manager *manager;
  const char *address;
} ForgetJob;

static void
forget_device (Core2BluezDevice *device, gpointer user_data)
{
  const ForgetJob *job = user_data;
  Core2Manager *self = job->manager;
  sd_bus_message *message;

  if (strcmp (device->address, job->address) != 0)
    return;
  message = core2_bluez_message_new (self->services.bluez, device->adapter->path,
                                     "org.bluez.Adapter1", "RemoveDevice");
  if (message != NULL && sd_bus_message_append (message, "o", device->path) < 0)
    message = sd_bus_message_unref (message);
  core2_bus_send_unanswered (self->services.bus, message);
}

/* On every adapter that has seen it. */
static void
forget_in_bluez (Core2Manager *self, const char *address)
{
  ForgetJob job = { self, address };

  core2_bluez_foreach_device (self->services.bluez, forget_device, &job);
}

/* A history that is to go goes first: who hears that this failed can try again. One that stays need not be
 * writable, and is told last that its chip was removed: told of one that is still there, it would add all the
 * steps of that to its own at the next start. */
static gboolean
remove_stored (Core2Manager *self, const Core2Chip *chip, gboolean delete_history, GError **error)
{
  Core2History *history = self->services.history;
  const char *address = core2_chip_get_address (chip);
  gboolean has_history = core2_chip_is_remembered (chip);
  g_autoptr (GError) problem = NULL;

  if (has_history && delete_history
      && !core2_history_remove_chip (history, address, TRUE, error))
    return FALSE;
  if (!core2_store_remove (self->services.store, address, error))
    return FALSE;
  if (has_history && !delete_history
      && !core2_history_remove_chip (history, address, FALSE, &problem))
    core2_log_failure (CORE2_LOG_WARNING, address, "history", core2_error_get_name_of (problem),
                       "%s", problem->message);
  return TRUE;
}

static void
remove_chip (Core2Request *request)
{
  Core2Manager *self = request->owner;
  Core2Chip *chip = find_by_path (self, request->text);
  g_autofree char *address = NULL;
  g_autoptr (GError) error = NULL;

  if (chip == NULL)
    {
      core2_request_fail (request, CORE2_ERROR_NOT_FOUND, "there is no chip %s", request->text);
      return;
    }
  address = g_strdup (core2_chip_get_address (chip));
  if (!remove_stored (self, chip, request->number != 0, &error))
    {
      core2_request_fail_gerror (request, error);
      return;
    }
  core2_chip_forget (chip);
  core2_manager_drop (self, chip);
  if (request->flag)
    forget_in_bluez (self, address);
  core2_log_notice (address, "manager", "removed");
  core2_request_reply (request, NULL);
}

static int
method_remove_chip (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  const char *path;
  gboolean forget_bluez = TRUE;
  gboolean delete_history = FALSE;
  Core2Option options[] = {
    { "forget-bluez", 'b', &forget_bluez },
    { "delete-history", 'b', &delete_history },
  };
  int r = sd_bus_message_read (message, "o", &path);

  if (r < 0 || (r = core2_options_read (message, options, G_N_ELEMENTS (options), error)) < 0)
    return r;
  Core2Chip *chip = find_by_path (user_data, path);
  if (chip == NULL)
    return core2_error_set (error, CORE2_ERROR_NOT_FOUND, "there is no chip %s", path);
  Core2Request *request = new_request (user_data, message);
  request->text = g_strdup (path);
  request->flag = forget_bluez;
  request->number = delete_history;
  authorize (request, "manage", core2_chip_get_address (chip), core2_chip_get_alias (chip),
             remove_chip);
  return 1;
}

/* --- FindChip ----------------------------------------------------------------------------------------------- */

static int
method_find_chip (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  Core2Manager *self = user_data;
  const char *name;
  char address[CORE2_ADDRESS_TEXT_SIZE];
  Core2Side side;
  Core2Chip *chip, *found = NULL;
  GHashTableIter iter;
  guint n = 0;
  int r = sd_bus_message_read (message, "s", &name);

  if (r < 0)
    return r;
  if (core2_address_normalise (name, address))
    {
      found = core2_manager_find (self, address);
      n = found != NULL;
    }
  else
    {
      gboolean is_side = core2_side_from_name (name, &side) && side != CORE2_SIDE_UNKNOWN;
      g_hash_table_iter_init (&iter, self->chips);
      while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &chip))
        if (is_side ? core2_chip_get_side (chip) == side
                    : *name != '\0' && strcmp (core2_chip_get_alias (chip), name) == 0)
          {
            found = chip;
            n++;
          }
    }
  if (n == 0)
    return core2_error_set (error, CORE2_ERROR_NOT_FOUND, "there is no chip %.64s", name);
  if (n > 1)
    return core2_error_set (error, CORE2_ERROR_AMBIGUOUS, "%u chips answer to %.64s", n, name);
  return sd_bus_reply_method_return (message, "o", core2_chip_get_path (found));
}

#define FIELD(name) offsetof (Core2Manager, name)

const sd_bus_vtable core2_manager_vtable[] = {
  SD_BUS_VTABLE_START (0),
  SD_BUS_METHOD_WITH_ARGS ("Scan", SD_BUS_ARGS ("a{sv}", options), SD_BUS_RESULT ("ao", chips),
                           method_scan, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD_WITH_ARGS ("AddChip", SD_BUS_ARGS ("s", address, "a{sv}", options),
                           SD_BUS_RESULT ("o", chip), method_add_chip, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD_WITH_ARGS ("RemoveChip", SD_BUS_ARGS ("o", chip, "a{sv}", options),
                           SD_BUS_NO_RESULT, method_remove_chip, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD_WITH_ARGS ("FindChip", SD_BUS_ARGS ("s", name), SD_BUS_RESULT ("o", chip),
                           method_find_chip, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_PROPERTY ("Version", "s", NULL, FIELD (version), SD_BUS_VTABLE_PROPERTY_CONST),
  SD_BUS_PROPERTY ("AdapterState", "s", NULL, FIELD (adapter_state),
                   SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
  SD_BUS_PROPERTY ("Scanning", "b", NULL, FIELD (scanning), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
  SD_BUS_PROPERTY ("StorageError", "s", NULL, FIELD (storage_error),
                   SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
  SD_BUS_PROPERTY ("OtherDevicesSeen", "u", NULL, FIELD (other_devices_seen), 0),
  SD_BUS_PROPERTY ("MinOrientationInterval", "u", NULL, FIELD (min_orientation_interval),
                   SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
  SD_BUS_VTABLE_END,
};
