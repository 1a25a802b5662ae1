/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "chip-private.h"

#include "chip-frames.h"

/* [SIG] of the maker, in PnP ids and advertisements. */
#define COMPANY_HUAMI 0x0157

/* --- What reads answer ------------------------------------------------------------------------ */

static GBytes *
get_name (Chip *self)
{
  g_autoptr (GBytes) plain = NULL;
  GBytes *raw = chip_quirks_get_bytes (self->quirks, CHIP_QUIRK_NAME_PAYLOAD);

  if (raw != NULL)
    return raw;
  /* [CHIP] (a) Padded with NUL. */
  plain = gatt_value_from_string (self->name);
  return chip_frame_resize (plain, g_bytes_get_size (plain) + 4);
}

static GBytes *
get_time (Chip *self)
{
  GBytes *raw = chip_quirks_get_bytes (self->quirks, CHIP_QUIRK_TIME_PAYLOAD);
  g_autoptr (GBytes) frame = NULL;

  if (raw != NULL)
    return raw;
  frame = chip_frame_time (chip_model_get_clock (self->model), self->quarters);
  if (!chip_quirks_is_set (self->quirks, CHIP_QUIRK_TIME_LENGTH))
    return g_steal_pointer (&frame);
  return chip_frame_resize (frame, MIN (GATT_VALUE_MAX_SIZE,
                                        chip_quirks_get_number (self->quirks,
                                                                CHIP_QUIRK_TIME_LENGTH)));
}

static GBytes *
get_steps (Chip *self)
{
  g_autoptr (GBytes) frame
      = chip_frame_steps (chip_model_get_counters (self->model),
                          (guint8) chip_quirks_get_number (self->quirks, CHIP_QUIRK_STEP_FLAGS));

  if (!chip_quirks_is_set (self->quirks, CHIP_QUIRK_STEP_LENGTH))
    return g_steal_pointer (&frame);
  return chip_frame_resize (frame, MIN (GATT_VALUE_MAX_SIZE,
                                        chip_quirks_get_number (self->quirks,
                                                                CHIP_QUIRK_STEP_LENGTH)));
}

static GBytes *
get_battery (Chip *self)
{
  GBytes *raw = chip_quirks_get_bytes (self->quirks, CHIP_QUIRK_BATTERY_PAYLOAD);

  return raw != NULL ? raw : gatt_value_from_integer (chip_model_get_battery (self->model));
}

static const char *
get_address (Chip *self)
{
  const char *address = gatt_server_get_address (self->server);

  return address != NULL ? address : "00:00:00:00:00:00";
}

static GBytes *
get_serial_number (Chip *self)
{
  g_auto (GStrv) pairs = g_strsplit (get_address (self), ":", -1);
  g_autofree char *digits = g_strjoinv ("", pairs);
  g_autofree char *serial = g_ascii_strdown (digits, -1);

  return gatt_value_from_string (serial);
}

/* NULL for what is stored with the characteristic. Returns: (transfer full) (nullable) */
static GBytes *
get_value (Chip *self, ChipCharacteristic id)
{
  if (id == CHIP_NAME)
    return get_name (self);
  if (id == CHIP_SERIAL_NUMBER)
    return get_serial_number (self);
  if (id == CHIP_SYSTEM_ID)
    return chip_frame_system_id (get_address (self));
  if (id == CHIP_TIME)
    return get_time (self);
  if (id == CHIP_STEPS)
    return get_steps (self);
  if (id == CHIP_BATTERY || id == CHIP_BATTERY_SERVICE)
    return get_battery (self);
  return NULL;
}

/* What is stored with a characteristic and never changes. Values as plausible as we can make them:
 * nobody has published a dump of a chip. Returns: (transfer full) */
static GBytes *
get_stored_value (ChipCharacteristic id)
{
  /* 30 ms, 50 ms, no latency, 5 s. */
  static const guint8 connection_parameters[] = { 24, 0, 40, 0, 0, 0, 0xf4, 0x01 };
  static const guint8 all_handles[] = { 0x01, 0x00, 0xff, 0xff };
  static const guint8 pnp_id[]
      = { 0x01, COMPANY_HUAMI & 0xff, COMPANY_HUAMI >> 8, 0x18, 0x00, 0x00, 0x01 };

  if (id == CHIP_APPEARANCE)
    return g_bytes_new_static ("\0", 2);
  if (id == CHIP_PRIVACY)
    return g_bytes_new_static ("", 1);
  if (id == CHIP_CONNECTION_PARAMETERS)
    return g_bytes_new_static (connection_parameters, sizeof connection_parameters);
  if (id == CHIP_SERVICE_CHANGED)
    return g_bytes_new_static (all_handles, sizeof all_handles);
  if (id == CHIP_PNP_ID)
    return g_bytes_new_static (pnp_id, sizeof pnp_id);
  if (id == CHIP_HARDWARE_REVISION)
    return gatt_value_from_string ("V0.14.0.2");
  if (id == CHIP_SOFTWARE_REVISION)
    return gatt_value_from_string ("V1.1.4.24");
  if (id == CHIP_FIRMWARE_REVISION)
    return gatt_value_from_string ("V1.1.4");
  return g_bytes_new_static ("", 0);
}

/* --- Requests --------------------------------------------------------------------------------- */

static void
answer_late (Chip *self, GattRead *read, GBytes *value)
{
  gatt_read_answer (read, value);
}

static GBytes *
on_read (Chip *self, ChipCharacteristic id, GattCharacteristic *characteristic)
{
  const char *name = chip_characteristic_get_info (id)->name;
  guint delay_ms = chip_quirks_get_number (self->quirks, CHIP_QUIRK_READ_DELAY);
  GBytes *value = chip_requests_make_garbage (self);

  if (value == NULL)
    value = get_value (self, id);
  self->status.reads++;
  chip_changed (self, CHIP_CHANGED_STATE);
  if (chip_quirks_text_has (self->quirks, CHIP_QUIRK_FAIL_READ, name))
    gatt_characteristic_refuse (characteristic, GATT_ERROR_FAILED, "refused by a quirk");
  else if (chip_quirks_text_has (self->quirks, CHIP_QUIRK_VANISH_ON_READ, name))
    {
      chip_delay (self, -1, answer_late, gatt_characteristic_defer_read (characteristic),
                  g_steal_pointer (&value));
      chip_vanish (self);
    }
  else if (delay_ms > 0)
    chip_delay (self, (int) MIN (delay_ms, G_MAXINT), answer_late,
                gatt_characteristic_defer_read (characteristic), g_steal_pointer (&value));
  return value;
}

static GBytes *
on_attribute (gpointer argument)
{
  ChipAttribute *attribute = argument;
  Chip *self = attribute->chip;
  GattCharacteristic *characteristic = self->characteristics[attribute->id];
  guint events = gatt_characteristic_events (characteristic);

  if ((events & (GATT_CHAR_SUBSCRIBE_EVENT | GATT_CHAR_UNSUBSCRIBE_EVENT)) != 0)
    chip_changed (self, CHIP_CHANGED_STATE);
  if ((events & GATT_CHAR_WRITE_EVENT) != 0)
    chip_requests_written (self, attribute->id, gatt_characteristic_get_value (characteristic));
  if ((events & GATT_CHAR_READ_EVENT) != 0)
    return on_read (self, attribute->id, characteristic);
  return NULL;
}

/* --- Notifications ---------------------------------------------------------------------------- */

static gboolean
is_subscribed (Chip *self, ChipCharacteristic id)
{
  return self->characteristics[id] != NULL &&
         gatt_characteristic_is_subscribed (self->characteristics[id]);
}

/* Whether a client has subscribed to steps. */
gboolean
chip_is_subscribed (Chip *self)
{
  return is_subscribed (self, CHIP_STEPS);
}

/* Sends @value raw, if a client has subscribed and the chip is in reach. */
void
chip_notify (Chip *self, ChipCharacteristic characteristic, GBytes *value)
{
  if (is_subscribed (self, characteristic) && !self->status.vanished)
    gatt_characteristic_notify (self->characteristics[characteristic], value);
}

void
chip_attributes_notify_steps (Chip *self)
{
  g_autoptr (GBytes) value = NULL;

  if (!is_subscribed (self, CHIP_STEPS))
    return;
  value = get_steps (self);
  chip_notify (self, CHIP_STEPS, value);
}

void
chip_attributes_notify_battery (Chip *self)
{
  g_autoptr (GBytes) value = get_battery (self);

  chip_notify (self, CHIP_BATTERY, value);
  chip_notify (self, CHIP_BATTERY_SERVICE, value);
}

/* --- Server ----------------------------------------------------------------------------------- */

static gboolean
may_be_too_long (const GError *error)
{
  return g_error_matches (error, GATT_ERROR, GATT_ERROR_INVALID_LENGTH) ||
         g_error_matches (error, GATT_ERROR, GATT_ERROR_INVALID_ARGUMENTS) ||
         g_error_matches (error, GATT_ERROR, GATT_ERROR_FAILED);
}

static void
on_failure (Chip *self)
{
  const GError *error = gatt_server_get_error (self->server);

  g_message ("%s: bluetoothd: %s", self->adapter, error->message);
  if (!gatt_server_is_registered (self->server) || self->brief_advertisement ||
      !may_be_too_long (error))
    return;
  self->brief_advertisement = TRUE;
  g_message ("%s: advertising with short manufacturer data", self->adapter);
  chip_update_advertisement (self);
}

/* Ends the links of all clients. bluetoothd takes a moment for it. */
void
chip_attributes_end_links (Chip *self)
{
  self->unlinking = gatt_server_count_clients (self->server) > 0;
  gatt_server_disconnect_clients (self->server);
}

static void
on_server_event (gpointer argument)
{
  Chip *self = argument;
  guint events = gatt_server_events (self->server);
  gboolean connected = gatt_server_count_clients (self->server) > 0;

  if ((events & GATT_SERVER_FAILED) != 0)
    on_failure (self);
  if ((events & GATT_SERVER_ADAPTER_READY) != 0)
    chip_update_advertisement (self);
  if ((events & (GATT_CLIENT_DISCONNECTED | GATT_SERVER_LOST)) != 0 && !connected)
    chip_attributes_link_lost (self);
  self->unlinking = self->unlinking && connected;
  if (connected != self->connected)
    {
      self->connected = connected;
      chip_model_set_connected (self->model, connected);
      chip_clock_changed (self->clock);
    }
  /* Whoever was quicker than our going away. */
  if (connected && (self->status.vanished || chip_model_is_asleep (self->model)))
    chip_attributes_end_links (self);
  chip_changed (self, CHIP_CHANGED_STATE);
}

static void
on_generic_event (gpointer argument)
{
  Chip *self = argument;

  if ((gatt_server_events (self->generic) & GATT_SERVER_FAILED) != 0)
    g_info ("%s: bluetoothd has its own GAP and GATT services: %s", self->adapter,
            gatt_server_get_error (self->generic)->message);
}

/* What was under way on the link is over. */
void
chip_attributes_link_lost (Chip *self)
{
  chip_delay_cancel_all (self);
  chip_auth_link_lost (self->auth);
  self->fetch_clock = -1;
}

static gboolean
is_offered (Chip *self, ChipCharacteristic id)
{
  const ChipCharacteristicInfo *info = chip_characteristic_get_info (id);

  if (info->generic && self->generic == NULL)
    return FALSE;
  if (info->extra && !chip_quirks_text_has (self->quirks, CHIP_QUIRK_EXTRA, info->name))
    return FALSE;
  return !chip_quirks_text_has (self->quirks, CHIP_QUIRK_MISSING, info->name);
}

static const char *
get_service (Chip *self, ChipCharacteristic id)
{
  return id == CHIP_AUTH ? chip_quirks_get_text (self->quirks, CHIP_QUIRK_AUTH_SERVICE)
                         : chip_characteristic_get_info (id)->service;
}

static gboolean
add_characteristics (Chip *self, GError **error)
{
  g_autoptr (GHashTable) services = g_hash_table_new (g_str_hash, g_str_equal);

  for (int i = 0; i < CHIP_CHARACTERISTIC_LAST; i++)
    {
      const ChipCharacteristicInfo *info = chip_characteristic_get_info ((ChipCharacteristic) i);
      const char *service_uuid = get_service (self, (ChipCharacteristic) i);
      GattService *service = g_hash_table_lookup (services, service_uuid);
      g_autoptr (GBytes) value = get_stored_value ((ChipCharacteristic) i);

      self->characteristics[i] = NULL;
      if (!is_offered (self, (ChipCharacteristic) i))
        continue;
      if (service == NULL)
        {
          service = gatt_server_add_service (info->generic ? self->generic : self->server,
                                             service_uuid, TRUE, error);
          if (service == NULL)
            return FALSE;
          g_hash_table_insert (services, (gpointer) service_uuid, service);
        }
      self->characteristics[i]
          = gatt_service_add_characteristic (service, info->uuid, info->properties, value, error);
      if (self->characteristics[i] == NULL)
        return FALSE;
      gatt_characteristic_set_callback (
          self->characteristics[i],
          GATT_CHAR_READ_EVENT | GATT_CHAR_WRITE_EVENT | GATT_CHAR_SUBSCRIBE_EVENT |
              GATT_CHAR_UNSUBSCRIBE_EVENT,
          on_attribute, &self->attributes[i]);
    }
  return TRUE;
}

static GattServer *
new_server (Chip *self, const char *part, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/org/example/gatt/%s/%s", self->adapter, part);

  return gatt_server_new (self->connection, self->adapter, path, error);
}

/* Puts the chip on the air, with the characteristics that its quirks leave it. */
gboolean
chip_attributes_offer (Chip *self, GError **error)
{
  self->server = new_server (self, "chip", error);
  if (self->server == NULL)
    return FALSE;
  gatt_server_set_callback (self->server,
                            GATT_CLIENT_CONNECTED | GATT_CLIENT_DISCONNECTED |
                                GATT_SERVER_REGISTERED | GATT_SERVER_ADVERTISING |
                                GATT_SERVER_LOST | GATT_SERVER_FAILED | GATT_SERVER_ADAPTER_READY,
                            on_server_event, self);
  if (chip_quirks_get_boolean (self->quirks, CHIP_QUIRK_GAP_SERVICE))
    {
      self->generic = new_server (self, "generic", error);
      if (self->generic == NULL)
        return FALSE;
      gatt_server_set_callback (self->generic, GATT_SERVER_FAILED, on_generic_event, self);
    }
  if (!add_characteristics (self, error))
    return FALSE;
  chip_update_advertisement (self);
  return TRUE;
}

/* Takes the chip off the air. */
void
chip_attributes_withdraw (Chip *self)
{
  chip_attributes_link_lost (self);
  if (self->server != NULL)
    chip_attributes_end_links (self);
  g_clear_pointer (&self->generic, gatt_server_free);
  g_clear_pointer (&self->server, gatt_server_free);
  for (int i = 0; i < CHIP_CHARACTERISTIC_LAST; i++)
    self->characteristics[i] = NULL;
  self->connected = FALSE;
  chip_model_set_connected (self->model, FALSE);
}

static void
set_advertised_steps (Chip *self)
{
  guint32 steps = GUINT32_TO_LE (chip_model_get_counters (self->model)->steps);
  g_autoptr (GBytes) data = NULL;

  if (chip_quirks_get_boolean (self->quirks, CHIP_QUIRK_ADVERTISED_STEPS))
    data = g_bytes_new (&steps, sizeof steps);
  gatt_server_set_service_data (self->server, "fee0", data, NULL);
}

/* Advertises what the chip is, while it can be found. */
void
chip_update_advertisement (Chip *self)
{
  gboolean visible = !self->status.vanished && !chip_model_is_asleep (self->model);
  const char *address = gatt_server_get_address (self->server);
  g_autoptr (GBytes) data = NULL;

  if (address == NULL)
    return;
  data = chip_frame_manufacturer_data (address, self->brief_advertisement);
  if (visible && !gatt_server_is_advertising (self->server))
    {
      gatt_server_set_name (self->server, self->name);
      gatt_server_set_service_uuid (self->server, "fee0", NULL);
      gatt_server_set_manufacturer_data (self->server, COMPANY_HUAMI, data);
      set_advertised_steps (self);
    }
  gatt_server_advertise (self->server, visible);
}
