/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Methods of org.example.Core2: arguments, authorisation, waiting for the chip. What they do is in the
 * file of their subject. */
#include "core2-chip-methods.h"

#include <string.h>

/* What a request may wait for. */
enum
{
  WAITS_FOR_READY = 1,
  WAITS_FOR_CHIP,                /* it is being carried out over the link */
  WAITS_FOR_DISCONNECT,
};

/* Below the 25 s after which D-Bus clients give up by themselves: they get our reason instead. */
#define READ_TIMEOUT_MS 20000
#define GOAL_MAX 1000000

/* --- waiting ------------------------------------------------------------------------------------------------ */

static void
run_ready (Core2Request *request, Core2RequestRun run)
{
  request->waits_for = WAITS_FOR_CHIP;
  run (request);
}

/* Nobody is left to connect for. */
static void
waiting_caller_gone (Core2Request *request)
{
  Core2Chip *self = request->owner;

  core2_request_drop (request);
  chip_advance_later (self);
}

static void
fail_disconnected (Core2Request *request)
{
  Core2Chip *self = request->owner;

  core2_request_fail (request, CORE2_ERROR_NOT_CONNECTED, "%s was disconnected: connect first",
                      self->record->address);
}

static void
wait_for_ready (Core2Request *request)
{
  Core2Chip *self = request->owner;

  if (self->state == CHIP_READY)
    {
      /* While polkit was asked. */
      run_ready (request, request->next);
      return;
    }
  if (self->disconnect_wanted)
    {
      fail_disconnected (request);
      return;
    }
  request->waits_for = WAITS_FOR_READY;
  core2_request_set_timeout (request, request->number, chip_fail_unreachable);
  core2_request_watch_caller (request, waiting_caller_gone);
  chip_advance_later (self);
}

/* @allowed: polkit has let the caller connect. */
static void
request_when_ready (Core2Request *request, guint timeout_ms, gboolean allowed, Core2RequestRun run)
{
  Core2Chip *self = request->owner;

  if (self->state == CHIP_READY)
    {
      chip_linger (self);
      run_ready (request, run);
      return;
    }
  if (self->disconnect_wanted)
    {
      fail_disconnected (request);
      return;
    }
  request->next = run;
  request->number = timeout_ms;
  if (self->armed || allowed)
    wait_for_ready (request);
  else
    core2_request_authorize (request, self->services->access, "connect", self->record->address,
                             self->record->alias, wait_for_ready);
}

void
chip_request_when_ready (Core2Request *request, guint timeout_ms, Core2RequestRun run)
{
  request_when_ready (request, timeout_ms, FALSE, run);
}

/* The first request that waits for @what. */
static Core2Request *
find_waiting (Core2Chip *self, guint what)
{
  for (guint i = 0; i < self->requests->len; i++)
    {
      Core2Request *request = g_ptr_array_index (self->requests, i);
      if (request->waits_for == what)
        return request;
    }
  return NULL;
}

gboolean
chip_has_ready_requests (Core2Chip *self)
{
  return find_waiting (self, WAITS_FOR_READY) != NULL;
}

gboolean
chip_has_running_requests (Core2Chip *self)
{
  return find_waiting (self, WAITS_FOR_CHIP) != NULL;
}

void
chip_run_ready_requests (Core2Chip *self)
{
  Core2Request *request;

  chip_flush (self);
  while ((request = find_waiting (self, WAITS_FOR_READY)) != NULL)
    {
      core2_request_clear_timeout (request);
      core2_request_unwatch_caller (request);
      run_ready (request, request->next);
    }
}

void
chip_finish_disconnect_requests (Core2Chip *self)
{
  Core2Request *request;

  chip_flush (self);
  while ((request = find_waiting (self, WAITS_FOR_DISCONNECT)) != NULL)
    core2_request_reply (request, NULL);
}

void
chip_cancel_disconnect_requests (Core2Chip *self)
{
  Core2Request *request;

  while ((request = find_waiting (self, WAITS_FOR_DISCONNECT)) != NULL)
    core2_request_fail (request, CORE2_ERROR_CANCELLED, "%s was connected by another caller",
                        self->record->address);
}

/* --- helpers ------------------------------------------------------------------------------------------------ */

static Core2Request *
new_request (Core2Chip *self, sd_bus_message *message)
{
  return core2_request_new (self->requests, self->services->bus, message, self);
}

static void
authorize (Core2Request *request, const char *action, Core2RequestRun run)
{
  Core2Chip *self = request->owner;

  core2_request_authorize (request, self->services->access, action, self->record->address,
                           self->record->alias, run);
}

static int
read_when_ready (sd_bus_message *message, Core2Chip *self, Core2RequestRun run)
{
  chip_request_when_ready (new_request (self, message), READ_TIMEOUT_MS, run);
  return 1;
}

/* --- connection --------------------------------------------------------------------------------------------- */

static void
reply_nothing (Core2Request *request)
{
  core2_request_reply (request, NULL);
}

static void
do_connect (Core2Request *request)
{
  Core2Chip *self = request->owner;

  chip_connection_arm (self);
  chip_request_when_ready (request, request->timeout_s * 1000, reply_nothing);
}

int
chip_method_connect (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  guint32 timeout = 60;
  Core2Option options[] = { { "timeout", 'u', &timeout, 1, 600 } };
  int r = core2_options_read (message, options, G_N_ELEMENTS (options), error);

  if (r < 0)
    return r;
  Core2Request *request = new_request (user_data, message);
  request->timeout_s = timeout;
  authorize (request, "connect", do_connect);
  return 1;
}

static void
do_disconnect (Core2Request *request)
{
  Core2Chip *self = request->owner;
  Core2Request *waiting;

  while ((waiting = find_waiting (self, WAITS_FOR_READY)) != NULL)
    core2_request_fail (waiting, CORE2_ERROR_CANCELLED, "%s was disconnected by another caller",
                        self->record->address);
  request->waits_for = WAITS_FOR_DISCONNECT;
  chip_connection_disarm (self);
}

int
chip_method_disconnect (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  authorize (new_request (user_data, message), "connect", do_disconnect);
  return 1;
}

/* --- pairing and keys --------------------------------------------------------------------------------------- */

int
chip_method_pair (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  guint32 timeout = 30;
  gboolean new_key = TRUE;
  g_autoptr (GBytes) key = NULL;
  Core2Option options[] = {
    { "timeout", 'u', &timeout, 1, 120 },
    { "new-key", 'b', &new_key },
    { "key", 'y', &key, CORE2_KEY_SIZE, CORE2_KEY_SIZE },
  };
  int r;

  /* What is refused may hold a key, too. */
  sd_bus_message_sensitive (message);
  r = core2_options_read (message, options, G_N_ELEMENTS (options), error);
  if (r < 0)
    return r;
  if (key != NULL && !new_key)
    return core2_error_set (error, CORE2_ERROR_INVALID_ARGUMENTS,
                            "the stored key (new-key=false) and a key cannot both be given");
  Core2Request *request = new_request (user_data, message);
  request->timeout_s = timeout;
  request->flag = new_key;
  request->secret = g_steal_pointer (&key);
  authorize (request, request->secret != NULL ? "key" : "pair", chip_pairing_start);
  return 1;
}

static void
do_cancel_pairing (Core2Request *request)
{
  Core2Chip *self = request->owner;

  if (chip_pairing_cancel (self))
    core2_request_reply (request, NULL);
  else
    core2_request_fail (request, CORE2_ERROR_FAILED, "%s is not being paired",
                        self->record->address);
}

int
chip_method_cancel_pairing (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  authorize (new_request (user_data, message), "pair", do_cancel_pairing);
  return 1;
}

static void
do_get_key (Core2Request *request)
{
  Core2Chip *self = request->owner;
  guint8 key[CORE2_KEY_SIZE];
  sd_bus_message *reply = NULL;
  g_autoptr (GError) error = NULL;
  int r;

  if (!core2_store_get_key (self->services->store, self->record->address, key, &error))
    {
      core2_request_fail_gerror (request, error);
      return;
    }
  if ((r = sd_bus_message_new_method_return (request->message, &reply)) >= 0
      && (r = sd_bus_message_sensitive (reply)) >= 0)
    r = sd_bus_message_append_array (reply, SD_BUS_TYPE_BYTE, key, sizeof key);
  core2_request_reply_message (request, reply, r);
  core2_auth_wipe (key, sizeof key);
}

int
chip_method_get_key (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  authorize (new_request (user_data, message), "key", do_get_key);
  return 1;
}

static void
do_set_key (Core2Request *request)
{
  Core2Chip *self = request->owner;
  g_autoptr (GError) error = NULL;

  if (!core2_chip_remember (self, NULL, NULL, request->secret, NULL, &error))
    core2_request_fail_gerror (request, error);
  else
    core2_request_reply (request, NULL);
}

int
chip_method_set_key (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  const void *data;
  size_t size;
  int r;

  sd_bus_message_sensitive (message);
  r = sd_bus_message_read_array (message, SD_BUS_TYPE_BYTE, &data, &size);
  if (r < 0)
    return r;
  if (size != CORE2_KEY_SIZE)
    return core2_error_set (error, CORE2_ERROR_INVALID_ARGUMENTS,
                            "a key has %d bytes, this has %zu", CORE2_KEY_SIZE, size);
  Core2Request *request = new_request (user_data, message);
  request->secret = core2_secret_new (data, size);
  authorize (request, "key", do_set_key);
  return 1;
}

/* --- reading ------------------------------------------------------------------------------------------------ */

int
chip_method_read_battery (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  return read_when_ready (message, user_data, chip_battery_read);
}

int
chip_method_read_steps (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  return read_when_ready (message, user_data, chip_steps_read);
}

int
chip_method_read_time (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  return read_when_ready (message, user_data, chip_time_read);
}

int
chip_method_read_info (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  return read_when_ready (message, user_data, chip_info_read);
}

int
chip_method_read_orientation (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  return read_when_ready (message, user_data, chip_orientation_read);
}

int
chip_method_fire_orientation_read (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  return read_when_ready (message, user_data, chip_orientation_fire);
}

static void
set_time_allowed (Core2Request *request)
{
  request_when_ready (request, READ_TIMEOUT_MS, TRUE, chip_time_set);
}

int
chip_method_set_time (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  int r = core2_options_read (message, NULL, 0, error);

  if (r < 0)
    return r;
  authorize (new_request (user_data, message), "connect", set_time_allowed);
  return 1;
}

/* --- claims ------------------------------------------------------------------------------------------------- */

int
chip_method_claim_orientation (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  guint32 interval;
  int r = sd_bus_message_read (message, "u", &interval);

  return r < 0 ? r : chip_orientation_claim (user_data, message, interval, error);
}

int
chip_method_release_orientation (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  return chip_orientation_release (user_data, message, error);
}

/* --- settings ----------------------------------------------------------------------------------------------- */

static void
follow_auto_connect (Core2Chip *self)
{
  if (self->auto_connect == (self->remembered && self->record->auto_connect))
    return;
  self->auto_connect = !self->auto_connect;
  chip_notify (self, PROP_AUTO_CONNECT);
  if (self->auto_connect)
    chip_connection_arm (self);
  else
    chip_connection_release (self);
}

/* Applies what a request brings to the record and saves it: what can't be stored is not changed. */
static void
change_record (Core2Request *request, void (*apply) (Core2Chip *self, Core2Request *request))
{
  Core2Chip *self = request->owner;
  Core2ChipRecord old = *self->record;
  g_autofree char *old_alias = g_strdup (self->record->alias);
  g_autoptr (GError) error = NULL;

  apply (self, request);
  if (self->remembered && !chip_save_now (self, &error))
    {
      g_free (self->record->alias);
      self->record->alias = g_steal_pointer (&old_alias);
      self->record->side = old.side;
      self->record->auto_connect = old.auto_connect;
      self->record->daily_goal = old.daily_goal;
      core2_request_fail_gerror (request, error);
      return;
    }
  chip_notify (self, PROP_ALIAS);
  chip_notify (self, PROP_SIDE);
  chip_notify (self, PROP_DAILY_GOAL);
  follow_auto_connect (self);
  chip_flush (self);
  core2_request_reply (request, NULL);
}

static void
apply_alias (Core2Chip *self, Core2Request *request)
{
  g_free (self->record->alias);
  self->record->alias = g_strdup (request->text);
}

static void
do_set_alias (Core2Request *request)
{
  change_record (request, apply_alias);
}

int
chip_method_set_alias (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  const char *alias;
  int r = sd_bus_message_read (message, "s", &alias);

  if (r < 0)
    return r;
  if ((r = core2_chip_check_alias (alias, error)) < 0)
    return r;
  Core2Request *request = new_request (user_data, message);
  request->text = g_strdup (alias);
  authorize (request, "manage", do_set_alias);
  return 1;
}

static void
apply_side (Core2Chip *self, Core2Request *request)
{
  self->record->side = (Core2Side) request->number;
}

static void
do_set_side (Core2Request *request)
{
  change_record (request, apply_side);
}

int
chip_method_set_side (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  const char *name;
  Core2Side side;
  int r = sd_bus_message_read (message, "s", &name);

  if (r < 0)
    return r;
  if (!core2_side_from_name (name, &side))
    return core2_error_set (error, CORE2_ERROR_INVALID_ARGUMENTS,
                            "a side is unknown, left or right, not %.64s", name);
  Core2Request *request = new_request (user_data, message);
  request->number = side;
  authorize (request, "manage", do_set_side);
  return 1;
}

static void
apply_auto_connect (Core2Chip *self, Core2Request *request)
{
  self->record->auto_connect = request->flag;
}

static void
do_set_auto_connect (Core2Request *request)
{
  change_record (request, apply_auto_connect);
}

int
chip_method_set_auto_connect (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  int enabled;
  int r = sd_bus_message_read (message, "b", &enabled);

  if (r < 0)
    return r;
  Core2Request *request = new_request (user_data, message);
  request->flag = enabled != 0;
  authorize (request, "connect", do_set_auto_connect);
  return 1;
}

static void
apply_goal (Core2Chip *self, Core2Request *request)
{
  self->record->daily_goal = request->number;
}

static void
do_set_goal (Core2Request *request)
{
  change_record (request, apply_goal);
}

int
chip_method_set_daily_goal (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  guint32 steps;
  int r = sd_bus_message_read (message, "u", &steps);

  if (r < 0)
    return r;
  if (steps > GOAL_MAX)
    return core2_error_set (error, CORE2_ERROR_INVALID_ARGUMENTS,
                            "a daily goal is at most %d steps", GOAL_MAX);
  Core2Request *request = new_request (user_data, message);
  request->number = steps;
  authorize (request, "manage", do_set_goal);
  return 1;
}
