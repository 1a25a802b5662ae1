/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "chip-control.h"

#include "chip-frames.h"
#include "virtual-chip-dbus.h"

#define MAX_CADENCE 300
#define MAX_STEPS 1000000
#define MAX_ADVANCE_S (7 * 24 * 3600)

struct _ChipControl
{
  Chip *chip;
  GDBusObjectManagerServer *objects;
  VirtualChipObjectSkeleton *object;
  VirtualChipControl *skeleton;
  GQueue unlinking; /* of GDBusMethodInvocation: calls that ended the link, which is still up */
};

/* --- Properties ------------------------------------------------------------------------------- */

static void
update_counters (ChipControl *self)
{
  ChipModel *model = chip_get_model (self->chip);

  virtual_chip_control_set_steps_walked (self->skeleton, chip_model_get_steps_walked (model));
  virtual_chip_control_set_counter (self->skeleton, chip_model_get_counters (model)->steps);
}

static void
update_air (ChipControl *self)
{
  GattServer *server = chip_get_server (self->chip);
  const char *address = gatt_server_get_address (server);

  virtual_chip_control_set_address (self->skeleton, address != NULL ? address : "");
  virtual_chip_control_set_registered (self->skeleton, gatt_server_is_registered (server));
  virtual_chip_control_set_advertising (self->skeleton, gatt_server_is_advertising (server));
  virtual_chip_control_set_connected (self->skeleton, gatt_server_count_clients (server) > 0);
  virtual_chip_control_set_subscribed (self->skeleton, chip_is_subscribed (self->chip));
}

static void
update_status (ChipControl *self)
{
  const ChipStatus *status = chip_get_status (self->chip);

  virtual_chip_control_set_vanished (self->skeleton, status->vanished);
  virtual_chip_control_set_resets (self->skeleton, status->resets);
  virtual_chip_control_set_reads (self->skeleton, status->reads);
  virtual_chip_control_set_orientation_requests (self->skeleton, status->orientation_requests);
  virtual_chip_control_set_last_orientation_request_interval (self->skeleton,
                                                              status->orientation_interval_ms);
  virtual_chip_control_set_firmware_writes (self->skeleton, status->firmware_writes);
  virtual_chip_control_set_history_deletes (self->skeleton, status->history_deletes);
  virtual_chip_control_set_written_time (self->skeleton, status->written_time);
}

static void
update_state (ChipControl *self)
{
  ChipModel *model = chip_get_model (self->chip);
  ChipAuth *auth = chip_get_auth (self->chip);
  g_autoptr (GBytes) key = chip_auth_get_key (auth);

  update_counters (self);
  update_air (self);
  update_status (self);
  virtual_chip_control_set_asleep (self->skeleton, chip_model_is_asleep (model));
  virtual_chip_control_set_last_reset_reason (self->skeleton, chip_model_get_reset_reason (model));
  virtual_chip_control_set_battery (self->skeleton, chip_model_get_battery (model));
  virtual_chip_control_set_key (self->skeleton, gatt_value_to_variant (key));
  virtual_chip_control_set_pairing_waits_for_shake (self->skeleton, chip_auth_is_waiting (auth));
  virtual_chip_control_set_authenticated (self->skeleton, chip_auth_is_authenticated (auth));
}

/* --- Methods ---------------------------------------------------------------------------------- */

static gboolean
refuse (GDBusMethodInvocation *invocation, const char *message)
{
  g_dbus_method_invocation_return_error_literal (invocation, G_DBUS_ERROR,
                                                 G_DBUS_ERROR_INVALID_ARGS, message);
  return TRUE;
}

/* What follows for a client from the call, a change of a property above all, comes before the
 * reply. */
static gboolean
finish (ChipControl *self, GDBusMethodInvocation *invocation)
{
  update_state (self);
  g_dbus_interface_skeleton_flush (G_DBUS_INTERFACE_SKELETON (self->skeleton));
  g_dbus_method_invocation_return_value (invocation, NULL);
  return TRUE;
}

static void
finish_unlinking (ChipControl *self)
{
  while (!g_queue_is_empty (&self->unlinking))
    finish (self, g_queue_pop_head (&self->unlinking));
}

/* As finish(), once the link that the call may have ended is down: what the caller does next comes
 * after that at the other end, too. */
static gboolean
finish_unlinked (ChipControl *self, GDBusMethodInvocation *invocation)
{
  if (!chip_is_unlinking (self->chip))
    return finish (self, invocation);
  g_queue_push_tail (&self->unlinking, invocation);
  return TRUE;
}

static void
on_chip_changed (ChipChange change, gpointer user_data)
{
  ChipControl *self = user_data;

  if (change == CHIP_CHANGED_STEPS)
    {
      update_counters (self);
      return;
    }
  /* At once: of what changes and changes back before the main loop goes on GDBus signals nothing. Who has asked
   * in between would wait for ever. */
  update_state (self);
  g_dbus_interface_skeleton_flush (G_DBUS_INTERFACE_SKELETON (self->skeleton));
  if (!chip_is_unlinking (self->chip))
    finish_unlinking (self);
}

static gboolean
method_walk (ChipControl *self, GDBusMethodInvocation *invocation, guint cadence)
{
  if (cadence > MAX_CADENCE)
    return refuse (invocation, "nobody makes more than 300 steps a minute");
  chip_walk (self->chip, cadence);
  return finish (self, invocation);
}

static gboolean
method_stroll (ChipControl *self, GDBusMethodInvocation *invocation)
{
  chip_stroll (self->chip);
  return finish (self, invocation);
}

static gboolean
method_stop (ChipControl *self, GDBusMethodInvocation *invocation)
{
  chip_walk (self->chip, 0);
  return finish (self, invocation);
}

static gboolean
method_step (ChipControl *self, GDBusMethodInvocation *invocation, guint n)
{
  if (n > MAX_STEPS)
    return refuse (invocation, "at most 1000000 steps at once");
  chip_step (self->chip, n, FALSE);
  return finish (self, invocation);
}

static gboolean
method_step_each (ChipControl *self, GDBusMethodInvocation *invocation, guint n)
{
  if (n > MAX_STEPS)
    return refuse (invocation, "at most 1000000 steps at once");
  chip_step (self->chip, n, TRUE);
  return finish (self, invocation);
}

static gboolean
method_shake (ChipControl *self, GDBusMethodInvocation *invocation)
{
  chip_shake (self->chip);
  return finish (self, invocation);
}

static gboolean
method_sleep (ChipControl *self, GDBusMethodInvocation *invocation)
{
  chip_sleep (self->chip);
  return finish_unlinked (self, invocation);
}

static gboolean
method_vanish (ChipControl *self, GDBusMethodInvocation *invocation)
{
  chip_vanish (self->chip);
  return finish_unlinked (self, invocation);
}

static gboolean
method_appear (ChipControl *self, GDBusMethodInvocation *invocation)
{
  chip_appear (self->chip);
  return finish (self, invocation);
}

static gboolean
method_drop_link (ChipControl *self, GDBusMethodInvocation *invocation)
{
  chip_drop_link (self->chip);
  return finish_unlinked (self, invocation);
}

static gboolean
method_tilt (ChipControl *self, GDBusMethodInvocation *invocation, guint x, guint y)
{
  chip_model_tilt (chip_get_model (self->chip), (guint16) x, (guint16) y);
  return finish (self, invocation);
}

static gboolean
method_set_battery (ChipControl *self, GDBusMethodInvocation *invocation, guchar percentage)
{
  if (percentage > 100)
    return refuse (invocation, "a battery has at most 100 percent; see quirk battery-payload");
  chip_model_set_battery (chip_get_model (self->chip), percentage);
  return finish (self, invocation);
}

static gboolean
method_set_counter (ChipControl *self, GDBusMethodInvocation *invocation, guint steps)
{
  chip_model_set_counter (chip_get_model (self->chip), steps);
  return finish (self, invocation);
}

static gboolean
method_reset_counter (ChipControl *self, GDBusMethodInvocation *invocation, const char *reason)
{
  chip_model_reset_counter (chip_get_model (self->chip), g_intern_string (reason));
  return finish (self, invocation);
}

static gboolean
method_set_time (ChipControl *self, GDBusMethodInvocation *invocation, const char *time)
{
  gint64 clock;

  if (!chip_clock_text_parse (time, &clock))
    return refuse (invocation, "a time is YYYY-MM-DD HH:MM:SS, not before 1970");
  chip_set_clock (self->chip, clock);
  return finish (self, invocation);
}

static gboolean
method_advance (ChipControl *self, GDBusMethodInvocation *invocation, guint seconds)
{
  if (seconds > MAX_ADVANCE_S)
    return refuse (invocation, "at most a week at once");
  chip_advance (self->chip, seconds);
  return finish (self, invocation);
}

static gboolean
method_set_key (ChipControl *self, GDBusMethodInvocation *invocation, GVariant *key)
{
  g_autoptr (GBytes) bytes = gatt_value_from_variant (key);

  if (g_bytes_get_size (bytes) == 0)
    chip_auth_forget_key (chip_get_auth (self->chip));
  else if (!chip_auth_set_key (chip_get_auth (self->chip), bytes))
    return refuse (invocation, "a key has 16 bytes");
  return finish (self, invocation);
}

static gboolean
method_set_quirk (ChipControl *self, GDBusMethodInvocation *invocation, const char *name,
                  GVariant *value)
{
  g_autoptr (GVariant) inner = g_variant_get_variant (value);
  g_autoptr (GError) error = NULL;

  if (!chip_set_quirk (self->chip, name, inner, &error))
    return refuse (invocation, error->message);
  return finish_unlinked (self, invocation);
}

static gboolean
method_clear_quirks (ChipControl *self, GDBusMethodInvocation *invocation)
{
  chip_clear_quirks (self->chip);
  return finish_unlinked (self, invocation);
}

static gboolean
method_notify (ChipControl *self, GDBusMethodInvocation *invocation, const char *name,
               GVariant *value)
{
  ChipCharacteristic characteristic = chip_characteristic_from_name (name);
  g_autoptr (GBytes) bytes = gatt_value_from_variant (value);

  if (characteristic == CHIP_CHARACTERISTIC_LAST)
    return refuse (invocation, "the chip has no such characteristic");
  if (g_bytes_get_size (bytes) > GATT_VALUE_MAX_SIZE)
    return refuse (invocation, "a notification has at most 512 bytes");
  chip_notify (self->chip, characteristic, bytes);
  return finish (self, invocation);
}

/* --- Lifetime --------------------------------------------------------------------------------- */

static void
connect_methods (ChipControl *self)
{
  const struct
  {
    const char *signal;
    GCallback callback;
  } methods[] = {
    { "handle-walk", G_CALLBACK (method_walk) },
    { "handle-stroll", G_CALLBACK (method_stroll) },
    { "handle-stop", G_CALLBACK (method_stop) },
    { "handle-step", G_CALLBACK (method_step) },
    { "handle-step-each", G_CALLBACK (method_step_each) },
    { "handle-shake", G_CALLBACK (method_shake) },
    { "handle-sleep", G_CALLBACK (method_sleep) },
    { "handle-vanish", G_CALLBACK (method_vanish) },
    { "handle-appear", G_CALLBACK (method_appear) },
    { "handle-drop-link", G_CALLBACK (method_drop_link) },
    { "handle-tilt", G_CALLBACK (method_tilt) },
    { "handle-set-battery", G_CALLBACK (method_set_battery) },
    { "handle-set-counter", G_CALLBACK (method_set_counter) },
    { "handle-reset-counter", G_CALLBACK (method_reset_counter) },
    { "handle-set-time", G_CALLBACK (method_set_time) },
    { "handle-advance", G_CALLBACK (method_advance) },
    { "handle-set-key", G_CALLBACK (method_set_key) },
    { "handle-set-quirk", G_CALLBACK (method_set_quirk) },
    { "handle-clear-quirks", G_CALLBACK (method_clear_quirks) },
    { "handle-notify", G_CALLBACK (method_notify) },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (methods); i++)
    g_signal_connect_swapped (self->skeleton, methods[i].signal, methods[i].callback, self);
}

/* Puts @chip, which must live longer, among @objects. Returns: (transfer full) */
ChipControl *
chip_control_new (Chip *chip, GDBusObjectManagerServer *objects)
{
  ChipControl *self = g_new0 (ChipControl, 1);
  g_autofree char *path
      = g_strdup_printf (CHIP_CONTROL_PATH "/%s", chip_get_adapter (chip));

  self->chip = chip;
  self->objects = g_object_ref (objects);
  self->skeleton = virtual_chip_control_skeleton_new ();
  virtual_chip_control_set_adapter (self->skeleton, chip_get_adapter (chip));
  virtual_chip_control_set_seed (self->skeleton, chip_get_seed (chip));
  connect_methods (self);
  update_state (self);
  chip_set_changed_handler (chip, on_chip_changed, self);
  self->object = virtual_chip_object_skeleton_new (path);
  virtual_chip_object_skeleton_set_control (self->object, self->skeleton);
  g_dbus_object_manager_server_export (objects, G_DBUS_OBJECT_SKELETON (self->object));
  return self;
}

void
chip_control_free (ChipControl *self)
{
  chip_set_changed_handler (self->chip, NULL, NULL);
  finish_unlinking (self);
  g_dbus_object_manager_server_unexport (
      self->objects, g_dbus_object_get_object_path (G_DBUS_OBJECT (self->object)));
  g_signal_handlers_disconnect_by_data (self->skeleton, self);
  g_object_unref (self->object);
  g_object_unref (self->skeleton);
  g_object_unref (self->objects);
  g_free (self);
}
