/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "chip-private.h"

/* --- Model ------------------------------------------------------------------------------------ */

void
chip_changed (Chip *self, ChipChange change)
{
  if (self->changed != NULL)
    self->changed (change, self->changed_data);
}

static void
start_gait (Chip *self)
{
  if (self->cadence == CHIP_STROLL)
    chip_model_stroll (self->model);
  else
    chip_model_walk (self->model, (guint) self->cadence);
}

static void
on_woke (Chip *self)
{
  if (self->gait_waits_for_wake)
    {
      self->gait_waits_for_wake = FALSE;
      start_gait (self);
    }
  chip_update_advertisement (self);
}

static void
on_slept (Chip *self)
{
  chip_update_advertisement (self);
  chip_attributes_end_links (self);
}

static void
on_model_event (ChipModelEvent event, gpointer user_data)
{
  Chip *self = user_data;

  switch (event)
    {
    case CHIP_MODEL_STEPPED:
      if (!self->holds_step_notifications)
        chip_attributes_notify_steps (self);
      chip_changed (self, CHIP_CHANGED_STEPS);
      return;
    case CHIP_MODEL_RESET:
      self->status.resets++;
      chip_attributes_notify_steps (self);
      break;
    case CHIP_MODEL_SLEPT:
      on_slept (self);
      break;
    case CHIP_MODEL_WOKE:
      on_woke (self);
      break;
    case CHIP_MODEL_BATTERY:
      chip_attributes_notify_battery (self);
      break;
    }
  chip_changed (self, CHIP_CHANGED_STATE);
}

static gint64
get_next (gpointer chip)
{
  Chip *self = chip;

  return chip_model_get_next (self->model) - self->time_offset;
}

static void
run (gint64 now, gpointer chip)
{
  Chip *self = chip;

  chip_model_run (self->model, now + self->time_offset);
}

/* Everything up to this moment has happened. Before anything that a person does. */
static void
catch_up (Chip *self)
{
  run (chip_clock_get_now (self->clock), self);
}

static void
done (Chip *self)
{
  chip_clock_changed (self->clock);
  chip_changed (self, CHIP_CHANGED_STATE);
}

/* --- Pairing ---------------------------------------------------------------------------------- */

static void
send_auth_answer (Chip *self, GattRead *read, GBytes *frame)
{
  chip_notify (self, CHIP_AUTH, frame);
}

static void
on_auth_answer (GBytes *frame, gpointer user_data)
{
  Chip *self = user_data;
  guint delay = chip_quirks_get_number (self->quirks, CHIP_QUIRK_AUTH_DELAY);

  if (delay == 0)
    send_auth_answer (self, NULL, frame);
  else
    chip_delay (self, (int) delay, send_auth_answer, NULL, g_bytes_ref (frame));
}

static void
on_auth_drop (gpointer user_data)
{
  chip_drop_link (user_data);
}

static void
clear_timer (guint *timer)
{
  if (*timer != 0)
    g_source_remove (*timer);
  *timer = 0;
}

static gboolean
on_shake_window_over (gpointer user_data)
{
  Chip *self = user_data;

  self->shake_timer = 0;
  chip_auth_time_out (self->auth);
  return G_SOURCE_REMOVE;
}

static gboolean
on_auto_shake (gpointer user_data)
{
  Chip *self = user_data;

  self->auto_shake_timer = 0;
  chip_shake (self);
  return G_SOURCE_REMOVE;
}

static void
on_auth_waiting (gboolean waiting, gpointer user_data)
{
  Chip *self = user_data;

  clear_timer (&self->shake_timer);
  clear_timer (&self->auto_shake_timer);
  if (waiting)
    {
      self->shake_timer
          = g_timeout_add (chip_quirks_get_number (self->quirks, CHIP_QUIRK_SHAKE_WINDOW),
                           on_shake_window_over, self);
      if (self->auto_shake_ms >= 0)
        self->auto_shake_timer = g_timeout_add ((guint) self->auto_shake_ms, on_auto_shake, self);
    }
  chip_changed (self, CHIP_CHANGED_STATE);
}

static void
on_auth_paired (gpointer user_data)
{
  Chip *self = user_data;

  if (chip_quirks_get_boolean (self->quirks, CHIP_QUIRK_PAIRING_RESET))
    chip_model_reset_counter (self->model, "pairing");
}

static const ChipAuthEvents auth_events
    = { on_auth_answer, on_auth_drop, on_auth_waiting, on_auth_paired };

/* --- Lifetime --------------------------------------------------------------------------------- */

static void
apply_quirks (Chip *self)
{
  chip_model_set_idle_timeout (self->model,
                               chip_quirks_get_number (self->quirks, CHIP_QUIRK_IDLE_TIMEOUT));
  chip_model_set_midnight_reset (
      self->model, chip_quirks_get_boolean (self->quirks, CHIP_QUIRK_MIDNIGHT_RESET));
}

/* A chip on an adapter, running. What @options points to is copied, but for the clock, which must
 * live longer.
 * Errors: those of gatt_server_new().
 * Returns: (transfer full) (nullable) */
Chip *
chip_new (const ChipOptions *options, GError **error)
{
  Chip *self = g_new0 (Chip, 1);

  self->connection = g_object_ref (options->connection);
  self->clock = options->clock;
  self->adapter = g_strdup (options->adapter);
  self->name = g_strdup (options->name);
  self->seed = options->seed;
  self->cadence = options->cadence;
  self->auto_shake_ms = options->auto_shake_ms;
  self->quarters = options->quarters;
  self->quirks = chip_quirks_copy (options->quirks);
  self->auth = chip_auth_new (self->quirks, &auth_events, self);
  self->status.written_time = g_strdup ("");
  self->fetch_clock = -1;
  self->delays = g_ptr_array_new ();
  chip_delay_cancel_all (self);
  for (int i = 0; i < CHIP_CHARACTERISTIC_LAST; i++)
    self->attributes[i] = (ChipAttribute){ self, (ChipCharacteristic) i };
  self->model
      = chip_model_new (options->seed, chip_clock_get_now (options->clock), options->clock_start);
  chip_model_set_battery (self->model, options->battery);
  apply_quirks (self);
  self->gait_waits_for_wake = options->asleep;
  if (options->asleep)
    chip_model_sleep (self->model);
  else
    start_gait (self);
  if (!chip_attributes_offer (self, error))
    {
      chip_free (self);
      return NULL;
    }
  chip_model_set_handler (self->model, on_model_event, self);
  chip_clock_add (self->clock, get_next, run, self);
  return self;
}

void
chip_free (Chip *self)
{
  self->changed = NULL;
  chip_clock_remove (self->clock, self);
  chip_attributes_withdraw (self);
  clear_timer (&self->shake_timer);
  clear_timer (&self->auto_shake_timer);
  g_ptr_array_unref (self->delays);
  chip_auth_free (self->auth);
  chip_model_free (self->model);
  chip_quirks_free (self->quirks);
  g_clear_pointer (&self->garbage, g_rand_free);
  g_free (self->status.written_time);
  g_free (self->adapter);
  g_free (self->name);
  g_object_unref (self->connection);
  g_free (self);
}

/* @handler: called after each change; it must not change the chip */
void
chip_set_changed_handler (Chip *self, ChipChangedHandler handler, gpointer user_data)
{
  self->changed = handler;
  self->changed_data = user_data;
}

const char *
chip_get_adapter (Chip *self)
{
  return self->adapter;
}

guint32
chip_get_seed (Chip *self)
{
  return self->seed;
}

ChipModel *
chip_get_model (Chip *self)
{
  return self->model;
}

ChipAuth *
chip_get_auth (Chip *self)
{
  return self->auth;
}

GattServer *
chip_get_server (Chip *self)
{
  return self->server;
}

const ChipStatus *
chip_get_status (Chip *self)
{
  return &self->status;
}

/* --- What a person does ----------------------------------------------------------------------- */

/* Walks with pauses from now on. */
void
chip_stroll (Chip *self)
{
  catch_up (self);
  self->gait_waits_for_wake = FALSE;
  chip_model_stroll (self->model);
  done (self);
}

/* Walks from now on. @cadence: steps a minute, 0: stands */
void
chip_walk (Chip *self, guint cadence)
{
  catch_up (self);
  self->gait_waits_for_wake = FALSE;
  chip_model_walk (self->model, cadence);
  done (self);
}

/* Makes @n steps now. @notify_each: one notification for each, else one for all */
void
chip_step (Chip *self, guint32 n, gboolean notify_each)
{
  catch_up (self);
  self->holds_step_notifications = !notify_each;
  chip_model_step (self->model, n);
  self->holds_step_notifications = FALSE;
  if (!notify_each && n > 0)
    chip_attributes_notify_steps (self);
  done (self);
}

void
chip_shake (Chip *self)
{
  catch_up (self);
  chip_model_shake (self->model);
  chip_auth_shake (self->auth);
  done (self);
}

void
chip_sleep (Chip *self)
{
  catch_up (self);
  chip_model_sleep (self->model);
  done (self);
}

/* Out of reach: first no advertisement, so that nobody comes back at once. */
void
chip_vanish (Chip *self)
{
  self->status.vanished = TRUE;
  chip_update_advertisement (self);
  chip_attributes_end_links (self);
  chip_changed (self, CHIP_CHANGED_STATE);
}

void
chip_appear (Chip *self)
{
  self->status.vanished = FALSE;
  chip_update_advertisement (self);
  chip_changed (self, CHIP_CHANGED_STATE);
}

void
chip_drop_link (Chip *self)
{
  chip_attributes_end_links (self);
}

/* Whether links were ended that are still up: bluetoothd takes a moment for it. */
gboolean
chip_is_unlinking (Chip *self)
{
  return self->unlinking;
}

/* Lets @seconds of model time go by at once. */
void
chip_advance (Chip *self, guint seconds)
{
  self->time_offset += (gint64) seconds * G_USEC_PER_SEC;
  catch_up (self);
  done (self);
}

/* Sets the chip's own clock, as in chip-model.h. */
void
chip_set_clock (Chip *self, gint64 clock)
{
  catch_up (self);
  chip_model_set_clock (self->model, clock);
  done (self);
}

static gboolean
offer_again (Chip *self, GError **error)
{
  chip_attributes_withdraw (self);
  return chip_attributes_offer (self, error);
}

/* Errors: as chip_quirks_set(). */
gboolean
chip_set_quirk (Chip *self, const char *name, GVariant *value, GError **error)
{
  ChipQuirk quirk;

  catch_up (self);
  if (!chip_quirks_set (self->quirks, name, value, &quirk, error))
    return FALSE;
  apply_quirks (self);
  if (chip_quirk_is_structural (quirk) && !offer_again (self, error))
    return FALSE;
  done (self);
  return TRUE;
}

/* Back to a plain chip. */
void
chip_clear_quirks (Chip *self)
{
  g_autoptr (GError) error = NULL;
  gboolean structural = FALSE;

  catch_up (self);
  for (int i = 0; i < CHIP_QUIRK_LAST; i++)
    structural |= chip_quirk_is_structural ((ChipQuirk) i) &&
                  chip_quirks_is_set (self->quirks, (ChipQuirk) i);
  chip_quirks_clear (self->quirks);
  apply_quirks (self);
  if (structural && !offer_again (self, &error))
    g_error ("%s: %s", self->adapter, error->message);
  done (self);
}
