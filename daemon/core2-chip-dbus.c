/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A chip on the bus: its properties, straight from the struct, and its signals. */
#include "core2-chip-methods.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

const char *
chip_state_name (ChipState state)
{
  static const char *const names[] = {
    [CHIP_DISCONNECTED] = "disconnected", [CHIP_WAITING] = "waiting",
    [CHIP_CONNECTING] = "connecting",     [CHIP_RESOLVING] = "resolving",
    [CHIP_READY] = "ready",               [CHIP_DISCONNECTING] = "disconnecting",
  };
  return names[state];
}

const char *
chip_battery_status_name (BatteryStatus status)
{
  static const char *const names[] = {
    [BATTERY_UNKNOWN] = "unknown",
    [BATTERY_CURRENT] = "current",
    [BATTERY_STALE] = "stale",
    [BATTERY_UNSUPPORTED] = "unsupported",
  };
  return names[status];
}

/* --- property getters that are more than a look into the struct ------------------------------------------- */

#define GETTER(name, type, expression) \
  static int name (sd_bus *bus, const char *path, const char *interface, const char *property, \
                   sd_bus_message *reply, void *user_data, sd_bus_error *error) \
  { \
    Core2Chip *self = user_data; \
    return sd_bus_message_append (reply, type, expression); \
  }

GETTER (get_address, "s", self->record->address)
GETTER (get_name, "s", self->record->name)
GETTER (get_alias, "s", self->record->alias)
GETTER (get_side, "s", core2_side_get_name (self->record->side))
GETTER (get_state, "s", chip_state_name (self->state))
GETTER (get_pairing_state, "s", core2_auth_state_to_string (self->pairing_state))
GETTER (get_battery_status, "s", chip_battery_status_name (self->battery_status))
GETTER (get_last_connected, "t", self->record->last_connected)
GETTER (get_last_seen, "t", self->record->last_seen)
GETTER (get_daily_goal, "u", self->record->daily_goal)

static int
get_orientation (sd_bus *bus, const char *path, const char *interface, const char *property,
                 sd_bus_message *reply, void *user_data, sd_bus_error *error)
{
  Core2Chip *self = user_data;

  return sd_bus_message_append (reply, "(qq)", self->orientation_x, self->orientation_y);
}

static int
get_available (sd_bus *bus, const char *path, const char *interface, const char *property,
               sd_bus_message *reply, void *user_data, sd_bus_error *error)
{
  return chip_info_append_available (user_data, reply);
}

static int
get_system_id (sd_bus *bus, const char *path, const char *interface, const char *property,
               sd_bus_message *reply, void *user_data, sd_bus_error *error)
{
  Core2Chip *self = user_data;

  return sd_bus_message_append_array (reply, SD_BUS_TYPE_BYTE, self->info.system_id,
                                      self->info.system_id_known ? CORE2_SYSTEM_ID_SIZE : 0);
}

#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define CONSTANT SD_BUS_VTABLE_PROPERTY_CONST
#define SILENT 0
#define FIELD(name) offsetof (Core2Chip, name)
/* Who may call what is polkit's decision, not that of sd-bus. */
#define ANYBODY SD_BUS_VTABLE_UNPRIVILEGED

/* The properties whose changes are signalled: in the struct, or with a getter. */
#define CHIP_PROPERTIES(P) \
  P (PROP_NAME, "Name", "s", get_name, 0) \
  P (PROP_ALIAS, "Alias", "s", get_alias, 0) \
  P (PROP_SIDE, "Side", "s", get_side, 0) \
  P (PROP_ADAPTER, "Adapter", "s", NULL, FIELD (adapter)) \
  P (PROP_REMEMBERED, "Remembered", "b", NULL, FIELD (remembered)) \
  P (PROP_AUTO_CONNECT, "AutoConnect", "b", NULL, FIELD (auto_connect)) \
  P (PROP_CONNECTED, "Connected", "b", NULL, FIELD (connected)) \
  P (PROP_PAIRED, "Paired", "b", NULL, FIELD (paired)) \
  P (PROP_STATE, "State", "s", get_state, 0) \
  P (PROP_STATUS_TEXT, "StatusText", "s", NULL, FIELD (status_text)) \
  P (PROP_LAST_ERROR, "LastError", "s", NULL, FIELD (last_error)) \
  P (PROP_LAST_CONNECTED, "LastConnected", "t", get_last_connected, 0) \
  P (PROP_PAIRING_STATE, "PairingState", "s", get_pairing_state, 0) \
  P (PROP_PAIRING_DEADLINE, "PairingDeadline", "t", NULL, FIELD (pairing_deadline)) \
  P (PROP_BATTERY, "Battery", "y", NULL, FIELD (battery)) \
  P (PROP_BATTERY_STATUS, "BatteryStatus", "s", get_battery_status, 0) \
  P (PROP_BATTERY_UPDATED, "BatteryUpdated", "t", NULL, FIELD (battery_updated)) \
  P (PROP_STEPS, "Steps", "u", NULL, FIELD (counter)) \
  P (PROP_STEPS_UPDATED, "StepsUpdated", "t", NULL, FIELD (steps_updated)) \
  P (PROP_STEPS_TODAY, "StepsToday", "u", NULL, FIELD (steps_today)) \
  P (PROP_STEPS_TOTAL, "StepsTotal", "t", NULL, FIELD (steps.total)) \
  P (PROP_CADENCE, "Cadence", "u", NULL, FIELD (cadence)) \
  P (PROP_RUN_STEPS, "RunSteps", "u", NULL, FIELD (run_steps)) \
  P (PROP_WALK_STEPS, "WalkSteps", "u", NULL, FIELD (walk_steps)) \
  P (PROP_DISTANCE, "Distance", "u", NULL, FIELD (distance)) \
  P (PROP_ENERGY, "Energy", "u", NULL, FIELD (energy)) \
  P (PROP_ORIENTATION, "Orientation", "(qq)", get_orientation, 0) \
  P (PROP_ORIENTATION_UPDATED, "OrientationUpdated", "t", NULL, FIELD (orientation_updated)) \
  P (PROP_ORIENTATION_INTERVAL, "OrientationInterval", "u", NULL, FIELD (orientation_interval)) \
  P (PROP_DAILY_GOAL, "DailyGoal", "u", get_daily_goal, 0)

#define AS_VTABLE(id, name, type, getter, offset) \
  SD_BUS_PROPERTY (name, type, getter, offset, CHANGES),
#define AS_PROPERTY(id, name, type, getter, offset) [id] = { name, type, getter, offset },

typedef struct
{
  const char *name;
  const char *type;
  sd_bus_property_get_t get;
  gsize offset;
} Property;

static const Property properties[N_PROPS] = { CHIP_PROPERTIES (AS_PROPERTY) };

static const sd_bus_vtable chip_vtable[] = {
  SD_BUS_VTABLE_START (0),
  SD_BUS_METHOD_WITH_ARGS ("Connect", SD_BUS_ARGS ("a{sv}", options), SD_BUS_NO_RESULT,
                           chip_method_connect, ANYBODY),
  SD_BUS_METHOD_WITH_ARGS ("Disconnect", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT,
                           chip_method_disconnect, ANYBODY),
  SD_BUS_METHOD_WITH_ARGS ("Pair", SD_BUS_ARGS ("a{sv}", options), SD_BUS_NO_RESULT,
                           chip_method_pair, ANYBODY),
  SD_BUS_METHOD_WITH_ARGS ("CancelPairing", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT,
                           chip_method_cancel_pairing, ANYBODY),
  SD_BUS_METHOD_WITH_ARGS ("ReadBattery", SD_BUS_NO_ARGS, SD_BUS_RESULT ("y", percentage, "t", time),
                           chip_method_read_battery, ANYBODY),
  SD_BUS_METHOD_WITH_ARGS ("ReadSteps", SD_BUS_NO_ARGS, SD_BUS_RESULT ("u", steps, "t", time),
                           chip_method_read_steps, ANYBODY),
  SD_BUS_METHOD_WITH_ARGS ("ReadTime", SD_BUS_NO_ARGS, SD_BUS_RESULT ("s", text, "x", seconds),
                           chip_method_read_time, ANYBODY),
  SD_BUS_METHOD_WITH_ARGS ("SetTime", SD_BUS_ARGS ("a{sv}", options), SD_BUS_NO_RESULT,
                           chip_method_set_time, ANYBODY),
  SD_BUS_METHOD_WITH_ARGS ("ReadOrientation", SD_BUS_NO_ARGS, SD_BUS_RESULT ("q", x, "q", y, "t", time),
                           chip_method_read_orientation, ANYBODY),
  SD_BUS_METHOD_WITH_ARGS ("FireOrientationRead", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT,
                           chip_method_fire_orientation_read, ANYBODY),
  SD_BUS_METHOD_WITH_ARGS ("ClaimOrientation", SD_BUS_ARGS ("u", interval), SD_BUS_RESULT ("u", granted),
                           chip_method_claim_orientation, ANYBODY),
  SD_BUS_METHOD_WITH_ARGS ("ReleaseOrientation", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT,
                           chip_method_release_orientation, ANYBODY),
  SD_BUS_METHOD_WITH_ARGS ("ReadInfo", SD_BUS_NO_ARGS, SD_BUS_RESULT ("a{sv}", info),
                           chip_method_read_info, ANYBODY),
  SD_BUS_METHOD_WITH_ARGS ("GetErrors", SD_BUS_NO_ARGS, SD_BUS_RESULT ("a(tuss)", errors),
                           chip_method_get_errors, ANYBODY),
  SD_BUS_METHOD_WITH_ARGS ("GetKey", SD_BUS_NO_ARGS, SD_BUS_RESULT ("ay", key),
                           chip_method_get_key, ANYBODY),
  SD_BUS_METHOD_WITH_ARGS ("SetKey", SD_BUS_ARGS ("ay", key), SD_BUS_NO_RESULT,
                           chip_method_set_key, ANYBODY),
  SD_BUS_METHOD_WITH_ARGS ("SetAlias", SD_BUS_ARGS ("s", alias), SD_BUS_NO_RESULT,
                           chip_method_set_alias, ANYBODY),
  SD_BUS_METHOD_WITH_ARGS ("SetSide", SD_BUS_ARGS ("s", side), SD_BUS_NO_RESULT,
                           chip_method_set_side, ANYBODY),
  SD_BUS_METHOD_WITH_ARGS ("SetAutoConnect", SD_BUS_ARGS ("b", enabled), SD_BUS_NO_RESULT,
                           chip_method_set_auto_connect, ANYBODY),
  SD_BUS_METHOD_WITH_ARGS ("SetDailyGoal", SD_BUS_ARGS ("u", steps), SD_BUS_NO_RESULT,
                           chip_method_set_daily_goal, ANYBODY),

  SD_BUS_PROPERTY ("Address", "s", get_address, 0, CONSTANT),
  CHIP_PROPERTIES (AS_VTABLE)
  SD_BUS_PROPERTY ("LastSeen", "t", get_last_seen, 0, SILENT),
  SD_BUS_PROPERTY ("Rssi", "n", NULL, FIELD (rssi), SILENT),

  SD_BUS_SIGNAL_WITH_ARGS ("BatteryChanged",
                           SD_BUS_ARGS ("y", percentage, "s", status, "t", time), 0),
  SD_BUS_SIGNAL_WITH_ARGS ("StepsChanged", SD_BUS_ARGS ("u", steps, "u", delta, "t", time), 0),
  SD_BUS_SIGNAL_WITH_ARGS ("OrientationChanged", SD_BUS_ARGS ("q", x, "q", y, "t", time), 0),
  SD_BUS_SIGNAL_WITH_ARGS ("CounterReset", SD_BUS_ARGS ("u", before, "u", after, "s", reason), 0),
  SD_BUS_VTABLE_END,
};

#define INFO(name) offsetof (Core2Chip, info.name)

static const sd_bus_vtable info_vtable[] = {
  SD_BUS_VTABLE_START (0),
  SD_BUS_PROPERTY ("Available", "as", get_available, 0, CHANGES),
  SD_BUS_PROPERTY ("Updated", "t", NULL, INFO (updated), CHANGES),
  SD_BUS_PROPERTY ("Name", "s", NULL, INFO (name), CHANGES),
  SD_BUS_PROPERTY ("Appearance", "q", NULL, INFO (appearance), CHANGES),
  SD_BUS_PROPERTY ("PrivacyFlag", "y", NULL, INFO (privacy_flag), CHANGES),
  SD_BUS_PROPERTY ("MinConnectionInterval", "q", NULL, INFO (connection.min_interval), CHANGES),
  SD_BUS_PROPERTY ("MaxConnectionInterval", "q", NULL, INFO (connection.max_interval), CHANGES),
  SD_BUS_PROPERTY ("SlaveLatency", "q", NULL, INFO (connection.latency), CHANGES),
  SD_BUS_PROPERTY ("TimeoutMultiplier", "q", NULL, INFO (connection.timeout_multiplier), CHANGES),
  SD_BUS_PROPERTY ("ServiceChangedStart", "q", NULL, INFO (service_changed_start), CHANGES),
  SD_BUS_PROPERTY ("ServiceChangedEnd", "q", NULL, INFO (service_changed_end), CHANGES),
  SD_BUS_PROPERTY ("SystemId", "ay", get_system_id, 0, CHANGES),
  SD_BUS_PROPERTY ("SerialNumber", "s", NULL, INFO (serial_number), CHANGES),
  SD_BUS_PROPERTY ("HardwareRevision", "s", NULL, INFO (hardware_revision), CHANGES),
  SD_BUS_PROPERTY ("SoftwareRevision", "s", NULL, INFO (software_revision), CHANGES),
  SD_BUS_PROPERTY ("FirmwareRevision", "s", NULL, INFO (firmware_revision), CHANGES),
  SD_BUS_PROPERTY ("VendorSource", "y", NULL, INFO (pnp.source), CHANGES),
  SD_BUS_PROPERTY ("VendorId", "q", NULL, INFO (pnp.vendor), CHANGES),
  SD_BUS_PROPERTY ("ProductId", "q", NULL, INFO (pnp.product), CHANGES),
  SD_BUS_PROPERTY ("ProductVersion", "q", NULL, INFO (pnp.version), CHANGES),
  SD_BUS_VTABLE_END,
};

/* --- signals ------------------------------------------------------------------------------------------------ */

static sd_bus *
bus_of (Core2Chip *self)
{
  return core2_bus_get (self->services->bus);
}

/* Whether anybody can know this object and wait for its signals. */
static gboolean
is_heard (Core2Chip *self)
{
  return self->published && self->services->announced;
}

static int
append_property (Core2Chip *self, sd_bus_message *message, const Property *property)
{
  const void *field = (const guint8 *) self + property->offset;
  int r;

  if (property->type[0] == SD_BUS_TYPE_STRING && property->get == NULL)
    field = *(char *const *) field != NULL ? *(char *const *) field : "";
  if ((r = sd_bus_message_open_container (message, SD_BUS_TYPE_DICT_ENTRY, "sv")) < 0
      || (r = sd_bus_message_append_basic (message, SD_BUS_TYPE_STRING, property->name)) < 0
      || (r = sd_bus_message_open_container (message, SD_BUS_TYPE_VARIANT, property->type)) < 0)
    return r;
  r = property->get != NULL ? property->get (bus_of (self), self->path, CHIP_INTERFACE,
                                             property->name, message, self, NULL)
                            : sd_bus_message_append_basic (message, property->type[0], field);
  if (r < 0 || (r = sd_bus_message_close_container (message)) < 0)
    return r;
  return sd_bus_message_close_container (message);
}

static int
append_changes (Core2Chip *self, sd_bus_message *message)
{
  int r = sd_bus_message_append_basic (message, SD_BUS_TYPE_STRING, CHIP_INTERFACE);

  if (r < 0 || (r = sd_bus_message_open_container (message, SD_BUS_TYPE_ARRAY, "{sv}")) < 0)
    return r;
  for (guint i = 0; i < N_PROPS; i++)
    if (self->dirty & (G_GUINT64_CONSTANT (1) << i)
        && (r = append_property (self, message, &properties[i])) < 0)
      return r;
  if ((r = sd_bus_message_close_container (message)) < 0)
    return r;
  return sd_bus_message_append (message, "as", 0);
}

/* sd_bus_emit_properties_changed() does the same from names alone, for which it looks up the object and each
 * property: a sixth of what a step costs. */
void
chip_flush (Core2Chip *self)
{
  sd_bus_message *message = NULL;

  g_clear_handle_id (&self->flush_source, g_source_remove);
  if (!is_heard (self))
    self->dirty = 0;
  if (self->dirty == 0)
    return;
  if (sd_bus_message_new_signal (bus_of (self), &message, self->path,
                                 "org.freedesktop.DBus.Properties", "PropertiesChanged")
          >= 0
      && append_changes (self, message) >= 0)
    sd_bus_send (bus_of (self), message, NULL);
  sd_bus_message_unref (message);
  self->dirty = 0;
}

static gboolean
on_flush (gpointer user_data)
{
  Core2Chip *self = user_data;

  self->flush_source = 0;
  chip_flush (self);
  return G_SOURCE_REMOVE;
}

void
chip_notify (Core2Chip *self, ChipProperty property)
{
  self->dirty |= G_GUINT64_CONSTANT (1) << property;
  if (self->flush_source == 0)
    self->flush_source = g_idle_add_full (G_PRIORITY_DEFAULT, on_flush, self, NULL);
}

void
chip_notify_info (Core2Chip *self)
{
  if (!is_heard (self))
    return;
  chip_flush (self);
  sd_bus_emit_properties_changed (bus_of (self), self->path, INFO_INTERFACE, "Available",
                                  "Updated", "Name", "Appearance", "PrivacyFlag",
                                  "MinConnectionInterval", "MaxConnectionInterval",
                                  "SlaveLatency", "TimeoutMultiplier", "ServiceChangedStart",
                                  "ServiceChangedEnd", "SystemId", "SerialNumber",
                                  "HardwareRevision", "SoftwareRevision", "FirmwareRevision",
                                  "VendorSource", "VendorId", "ProductId", "ProductVersion", NULL);
}

/* Properties first, then the signal that belongs to them. */

void
chip_emit_steps (Core2Chip *self, guint32 delta)
{
  chip_flush (self);
  sd_bus_emit_signal (bus_of (self), self->path, CHIP_INTERFACE, "StepsChanged", "uut",
                      self->counter, delta, self->steps_updated);
}

void
chip_emit_battery (Core2Chip *self)
{
  chip_flush (self);
  sd_bus_emit_signal (bus_of (self), self->path, CHIP_INTERFACE, "BatteryChanged", "yst",
                      self->battery, chip_battery_status_name (self->battery_status),
                      self->battery_updated);
}

void
chip_emit_orientation (Core2Chip *self)
{
  chip_flush (self);
  sd_bus_emit_signal (bus_of (self), self->path, CHIP_INTERFACE, "OrientationChanged", "qqt",
                      self->orientation_x, self->orientation_y, self->orientation_updated);
}

void
chip_emit_reset (Core2Chip *self, guint32 before, guint32 after, const char *reason)
{
  chip_flush (self);
  sd_bus_emit_signal (bus_of (self), self->path, CHIP_INTERFACE, "CounterReset", "uus", before,
                      after, reason);
}

/* --- life ----------------------------------------------------------------------------------------------------- */

void
chip_publish (Core2Chip *self)
{
  g_hash_table_insert (self->services->published, self->path, self);
  self->published = TRUE;
  if (is_heard (self))
    sd_bus_emit_object_added (bus_of (self), self->path);
}

void
chip_unpublish (Core2Chip *self)
{
  g_clear_handle_id (&self->flush_source, g_source_remove);
  if (is_heard (self))
    sd_bus_emit_object_removed (bus_of (self), self->path);
  if (self->published)
    g_hash_table_remove (self->services->published, self->path);
  self->published = FALSE;
}

/* --- all chips ------------------------------------------------------------------------------------------------ */

static int
find_chip (sd_bus *bus, const char *path, const char *interface, void *user_data, void **ret_found,
           sd_bus_error *error)
{
  Core2ChipServices *services = user_data;

  *ret_found = g_hash_table_lookup (services->published, path);
  return *ret_found != NULL;
}

static int
list_chips (sd_bus *bus, const char *prefix, void *user_data, char ***ret_nodes, sd_bus_error *error)
{
  Core2ChipServices *services = user_data;
  GHashTableIter iter;
  const char *path;
  char **nodes = calloc (g_hash_table_size (services->published) + 1, sizeof *nodes);
  gsize n = 0;

  if (nodes == NULL)
    return -ENOMEM;
  g_hash_table_iter_init (&iter, services->published);
  /* sd-bus frees what it gets. */
  while (g_hash_table_iter_next (&iter, (gpointer *) &path, NULL))
    if ((nodes[n++] = strdup (path)) == NULL)
      {
        while (n-- > 0)
          free (nodes[n]);
        free (nodes);
        return -ENOMEM;
      }
  *ret_nodes = nodes;
  return 0;
}

gboolean
core2_chips_publish (Core2ChipServices *services, GError **error)
{
  static const struct
  {
    const char *interface;
    const sd_bus_vtable *vtable;
  } interfaces[CORE2_CHIP_INTERFACES] = {
    { CHIP_INTERFACE, chip_vtable },
    { INFO_INTERFACE, info_vtable },
    { HISTORY_INTERFACE, chip_history_vtable },
  };
  sd_bus *bus = core2_bus_get (services->bus);
  int r = sd_bus_add_node_enumerator (bus, &services->enumerator_slot, CORE2_CHIP_PATH, list_chips,
                                      services);

  for (guint i = 0; i < CORE2_CHIP_INTERFACES && r >= 0; i++)
    r = sd_bus_add_fallback_vtable (bus, &services->interface_slots[i], CORE2_CHIP_PATH,
                                    interfaces[i].interface, interfaces[i].vtable, find_chip,
                                    services);
  if (r >= 0)
    return TRUE;
  g_set_error (error, CORE2_ERROR, CORE2_ERROR_FAILED, "cannot publish chips: %s", g_strerror (-r));
  return FALSE;
}

void
core2_chips_unpublish (Core2ChipServices *services)
{
  for (guint i = 0; i < CORE2_CHIP_INTERFACES; i++)
    services->interface_slots[i] = sd_bus_slot_unref (services->interface_slots[i]);
  services->enumerator_slot = sd_bus_slot_unref (services->enumerator_slot);
}
