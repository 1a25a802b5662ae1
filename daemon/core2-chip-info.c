/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Static information of one chip: every field of org.example.Core2.Info, each with its own way to be missing. */
#include "core2-chip-private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bits of ChipInfo.available, in the order of available_names. */
typedef enum
{
  INFO_NAME,
  INFO_APPEARANCE,
  INFO_PRIVACY_FLAG,
  INFO_MIN_CONNECTION_INTERVAL,
  INFO_MAX_CONNECTION_INTERVAL,
  INFO_SLAVE_LATENCY,
  INFO_TIMEOUT_MULTIPLIER,
  INFO_SERVICE_CHANGED_START,
  INFO_SERVICE_CHANGED_END,
  INFO_SYSTEM_ID,
  INFO_SERIAL_NUMBER,
  INFO_HARDWARE_REVISION,
  INFO_SOFTWARE_REVISION,
  INFO_FIRMWARE_REVISION,
  INFO_VENDOR_SOURCE,
  INFO_VENDOR_ID,
  INFO_PRODUCT_ID,
  INFO_PRODUCT_VERSION,
  N_INFO,
} InfoField;

static const char *const available_names[N_INFO] = {
  "Name",
  "Appearance",
  "PrivacyFlag",
  "MinConnectionInterval",
  "MaxConnectionInterval",
  "SlaveLatency",
  "TimeoutMultiplier",
  "ServiceChangedStart",
  "ServiceChangedEnd",
  "SystemId",
  "SerialNumber",
  "HardwareRevision",
  "SoftwareRevision",
  "FirmwareRevision",
  "VendorSource",
  "VendorId",
  "ProductId",
  "ProductVersion",
};

/* A read of all fields under way, for one caller or for nobody. */
typedef struct
{
  Core2Chip *chip;
  Core2Request *request;         /* NULL = by itself, or its caller has left */
  guint next;                    /* index into sources */
  ChipInfo info;
  GError *link_error;            /* what is left was not read because of the link; NULL = so far it was */
} InfoRead;

static void read_next (InfoRead *read);

static void
mark (ChipInfo *info, InfoField field)
{
  info->available |= 1u << field;
}

/* --- decoders into ChipInfo ----------------------------------------------------------------------------- */

static void
take_text (ChipInfo *info, InfoField field, char **value, const guint8 *data, gsize size)
{
  g_free (*value);
  *value = core2_protocol_decode_text (data, size);
  if (**value != '\0')
    mark (info, field);
}

static void
take_name (ChipInfo *info, const guint8 *data, gsize size)
{
  take_text (info, INFO_NAME, &info->name, data, size);
}

static void
take_appearance (ChipInfo *info, const guint8 *data, gsize size)
{
  if (core2_protocol_decode_appearance (data, size, &info->appearance) == CORE2_DECODE_OK)
    mark (info, INFO_APPEARANCE);
}

static void
take_privacy_flag (ChipInfo *info, const guint8 *data, gsize size)
{
  if (core2_protocol_decode_privacy_flag (data, size, &info->privacy_flag) == CORE2_DECODE_OK)
    mark (info, INFO_PRIVACY_FLAG);
}

static void
take_parameter (ChipInfo *info, InfoField field, guint16 *value)
{
  if (*value == CORE2_CONNECTION_NO_VALUE)
    *value = 0;
  else
    mark (info, field);
}

static void
take_connection (ChipInfo *info, const guint8 *data, gsize size)
{
  Core2ConnectionParameters *p = &info->connection;

  if (core2_protocol_decode_connection_parameters (data, size, p) != CORE2_DECODE_OK)
    return;
  take_parameter (info, INFO_MIN_CONNECTION_INTERVAL, &p->min_interval);
  take_parameter (info, INFO_MAX_CONNECTION_INTERVAL, &p->max_interval);
  take_parameter (info, INFO_SLAVE_LATENCY, &p->latency);
  take_parameter (info, INFO_TIMEOUT_MULTIPLIER, &p->timeout_multiplier);
}

static void
take_service_changed (ChipInfo *info, const guint8 *data, gsize size)
{
  if (core2_protocol_decode_service_changed (data, size, &info->service_changed_start,
                                             &info->service_changed_end)
      != CORE2_DECODE_OK)
    return;
  mark (info, INFO_SERVICE_CHANGED_START);
  mark (info, INFO_SERVICE_CHANGED_END);
}

static void
take_system_id (ChipInfo *info, const guint8 *data, gsize size)
{
  Core2SystemId id;

  if (core2_protocol_decode_system_id (data, size, &id) != CORE2_DECODE_OK)
    return;
  memcpy (info->system_id, data, CORE2_SYSTEM_ID_SIZE);
  info->system_id_known = TRUE;
  mark (info, INFO_SYSTEM_ID);
}

static void
take_serial_number (ChipInfo *info, const guint8 *data, gsize size)
{
  take_text (info, INFO_SERIAL_NUMBER, &info->serial_number, data, size);
}

static void
take_hardware_revision (ChipInfo *info, const guint8 *data, gsize size)
{
  take_text (info, INFO_HARDWARE_REVISION, &info->hardware_revision, data, size);
}

static void
take_software_revision (ChipInfo *info, const guint8 *data, gsize size)
{
  take_text (info, INFO_SOFTWARE_REVISION, &info->software_revision, data, size);
}

static void
take_firmware_revision (ChipInfo *info, const guint8 *data, gsize size)
{
  take_text (info, INFO_FIRMWARE_REVISION, &info->firmware_revision, data, size);
}

static void
take_pnp (ChipInfo *info, const guint8 *data, gsize size)
{
  if (core2_protocol_decode_pnp_id (data, size, &info->pnp) != CORE2_DECODE_OK)
    return;
  mark (info, INFO_VENDOR_SOURCE);
  mark (info, INFO_VENDOR_ID);
  mark (info, INFO_PRODUCT_ID);
  mark (info, INFO_PRODUCT_VERSION);
}

static const struct
{
  const char *uuid;
  void (*take) (ChipInfo *info, const guint8 *data, gsize size);
} sources[] = {
  { CORE2_UUID_NAME, take_name },
  { CORE2_UUID_APPEARANCE, take_appearance },
  { CORE2_UUID_PRIVACY_FLAG, take_privacy_flag },
  { CORE2_UUID_CONNECTION_PARAMETERS, take_connection },
  { CORE2_UUID_SERVICE_CHANGED, take_service_changed },
  { CORE2_UUID_SYSTEM_ID, take_system_id },
  { CORE2_UUID_SERIAL_NUMBER, take_serial_number },
  { CORE2_UUID_HARDWARE_REVISION, take_hardware_revision },
  { CORE2_UUID_SOFTWARE_REVISION, take_software_revision },
  { CORE2_UUID_FIRMWARE_REVISION, take_firmware_revision },
  { CORE2_UUID_PNP_ID, take_pnp },
};

/* Up to 5.79 BlueZ hides the GAP service; part of it shows in Device1. */
static void
fill_from_bluez (ChipInfo *info, const Core2BluezDevice *device)
{
  if ((info->available & (1u << INFO_NAME)) == 0 && device->name != NULL)
    take_text (info, INFO_NAME, &info->name, (const guint8 *) device->name,
               strlen (device->name));
  if ((info->available & (1u << INFO_APPEARANCE)) == 0 && device->has_appearance)
    {
      info->appearance = device->appearance;
      mark (info, INFO_APPEARANCE);
    }
  if ((info->available & (1u << INFO_VENDOR_ID)) == 0 && device->modalias != NULL)
    {
      unsigned vendor, product, version;
      char source[16];
      if (sscanf (device->modalias, "%15[a-z]:v%4Xp%4Xd%4X", source, &vendor, &product, &version)
          == 4)
        {
          info->pnp = (Core2PnpId){ strcmp (source, "usb") == 0 ? 2 : 1, (guint16) vendor,
                                    (guint16) product, (guint16) version };
          mark (info, INFO_VENDOR_SOURCE);
          mark (info, INFO_VENDOR_ID);
          mark (info, INFO_PRODUCT_ID);
          mark (info, INFO_PRODUCT_VERSION);
        }
    }
}

/* --- reading ---------------------------------------------------------------------------------------------- */

static void
info_clear (ChipInfo *info)
{
  g_free (info->name);
  g_free (info->serial_number);
  g_free (info->hardware_revision);
  g_free (info->software_revision);
  g_free (info->firmware_revision);
  memset (info, 0, sizeof *info);
}

static int
append_field (Core2Chip *self, sd_bus_message *reply, const char *name, const char *type, ...)
{
  va_list value;
  int r = sd_bus_message_open_container (reply, SD_BUS_TYPE_DICT_ENTRY, "sv");

  if (r < 0 || (r = sd_bus_message_append (reply, "s", name)) < 0
      || (r = sd_bus_message_open_container (reply, SD_BUS_TYPE_VARIANT, type)) < 0)
    return r;
  va_start (value, type);
  r = sd_bus_message_appendv (reply, type, value);
  va_end (value);
  if (r < 0 || (r = sd_bus_message_close_container (reply)) < 0)
    return r;
  return sd_bus_message_close_container (reply);
}

static int
append_system_id (Core2Chip *self, sd_bus_message *reply)
{
  int r = sd_bus_message_open_container (reply, SD_BUS_TYPE_DICT_ENTRY, "sv");

  if (r < 0 || (r = sd_bus_message_append (reply, "s", "SystemId")) < 0
      || (r = sd_bus_message_open_container (reply, SD_BUS_TYPE_VARIANT, "ay")) < 0
      || (r = sd_bus_message_append_array (reply, SD_BUS_TYPE_BYTE, self->info.system_id,
                                           CORE2_SYSTEM_ID_SIZE))
             < 0
      || (r = sd_bus_message_close_container (reply)) < 0)
    return r;
  return sd_bus_message_close_container (reply);
}

static int
append_one (Core2Chip *self, sd_bus_message *reply, InfoField field)
{
  const ChipInfo *info = &self->info;
  const char *name = available_names[field];

  switch (field)
    {
    case INFO_NAME:
      return append_field (self, reply, name, "s", info->name);
    case INFO_APPEARANCE:
      return append_field (self, reply, name, "q", info->appearance);
    case INFO_PRIVACY_FLAG:
      return append_field (self, reply, name, "y", info->privacy_flag);
    case INFO_MIN_CONNECTION_INTERVAL:
      return append_field (self, reply, name, "q", info->connection.min_interval);
    case INFO_MAX_CONNECTION_INTERVAL:
      return append_field (self, reply, name, "q", info->connection.max_interval);
    case INFO_SLAVE_LATENCY:
      return append_field (self, reply, name, "q", info->connection.latency);
    case INFO_TIMEOUT_MULTIPLIER:
      return append_field (self, reply, name, "q", info->connection.timeout_multiplier);
    case INFO_SERVICE_CHANGED_START:
      return append_field (self, reply, name, "q", info->service_changed_start);
    case INFO_SERVICE_CHANGED_END:
      return append_field (self, reply, name, "q", info->service_changed_end);
    case INFO_SYSTEM_ID:
      return append_system_id (self, reply);
    case INFO_SERIAL_NUMBER:
      return append_field (self, reply, name, "s", info->serial_number);
    case INFO_HARDWARE_REVISION:
      return append_field (self, reply, name, "s", info->hardware_revision);
    case INFO_SOFTWARE_REVISION:
      return append_field (self, reply, name, "s", info->software_revision);
    case INFO_FIRMWARE_REVISION:
      return append_field (self, reply, name, "s", info->firmware_revision);
    case INFO_VENDOR_SOURCE:
      return append_field (self, reply, name, "y", info->pnp.source);
    case INFO_VENDOR_ID:
      return append_field (self, reply, name, "q", info->pnp.vendor);
    case INFO_PRODUCT_ID:
      return append_field (self, reply, name, "q", info->pnp.product);
    case INFO_PRODUCT_VERSION:
      return append_field (self, reply, name, "q", info->pnp.version);
    case N_INFO:
    default:
      return 0;
    }
}

static int
append_info (Core2Chip *self, sd_bus_message *reply)
{
  int r = sd_bus_message_open_container (reply, SD_BUS_TYPE_ARRAY, "{sv}");

  for (guint field = 0; r >= 0 && field < N_INFO; field++)
    if (self->info.available & (1u << field))
      r = append_one (self, reply, (InfoField) field);
  if (r < 0 || (r = append_field (self, reply, "Updated", "t", self->info.updated)) < 0)
    return r;
  return sd_bus_message_close_container (reply);
}

static void
answer (Core2Chip *self, Core2Request *request)
{
  sd_bus_message *reply = NULL;
  int r = sd_bus_message_new_method_return (request->message, &reply);

  if (r >= 0)
    r = append_info (self, reply);
  core2_request_reply_message (request, reply, r);
}

static void
finish (InfoRead *read)
{
  Core2Chip *self = read->chip;
  Core2Request *request = read->request;

  if (request != NULL)
    request->on_end = NULL;
  if (read->link_error != NULL)
    {
      info_clear (&read->info);
      if (request != NULL)
        core2_request_fail_gerror (request, read->link_error);
      g_error_free (read->link_error);
      g_free (read);
      return;
    }

  fill_from_bluez (&read->info, self->device);
  info_clear (&self->info);
  self->info = read->info;
  self->info.updated = (guint64) g_get_real_time ();
  if (self->info.available & (1u << INFO_NAME)
      && strcmp (self->info.name, self->record->name) != 0)
    {
      g_free (self->record->name);
      self->record->name = g_strdup (self->info.name);
      chip_notify (self, PROP_NAME);
      chip_save_record_later (self);
    }
  chip_notify_info (self);
  chip_flush (self);
  if (request != NULL)
    answer (self, request);
  g_free (read);
}

/* Other errors are about the field. */
static gboolean
is_about_link (const GError *error)
{
  Core2Error code = core2_error_get_code (error);

  return code == CORE2_ERROR_NOT_CONNECTED || code == CORE2_ERROR_TIMEOUT
         || code == CORE2_ERROR_BLUEZ_UNAVAILABLE;
}

static void
source_read (const GError *error, const guint8 *data, gsize size, gpointer user_data)
{
  InfoRead *read = user_data;

  if (error == NULL)
    sources[read->next].take (&read->info, data, size);
  else if (is_about_link (error))
    read->link_error = g_error_copy (error);
  read->next++;
  read_next (read);
}

static void
read_next (InfoRead *read)
{
  Core2Chip *self = read->chip;

  while (read->link_error == NULL && read->next < G_N_ELEMENTS (sources)
         && !core2_link_has (self->link, sources[read->next].uuid))
    read->next++;
  if (read->link_error != NULL || read->next == G_N_ELEMENTS (sources))
    finish (read);
  else
    core2_link_read (self->link, sources[read->next].uuid, source_read, read);
}

static void
forget_request (Core2Request *request)
{
  InfoRead *read = request->extra;

  read->request = NULL;
}

static void
start (Core2Chip *self, Core2Request *request)
{
  InfoRead *read = g_new0 (InfoRead, 1);

  read->chip = self;
  read->request = request;
  if (request != NULL)
    {
      request->extra = read;
      request->on_end = forget_request;
    }
  read_next (read);
}

void
chip_info_read (Core2Request *request)
{
  start (request->owner, request);
}

void
chip_info_ready (Core2Chip *self)
{
  if (self->info.updated == 0)
    start (self, NULL);
}

void
chip_info_clear (Core2Chip *self)
{
  info_clear (&self->info);
}

int
chip_info_append_available (Core2Chip *self, sd_bus_message *reply)
{
  static const struct
  {
    Core2StepsFields field;
    const char *name;
  } step_names[] = {
    { CORE2_STEPS_HAS_RUN, "RunSteps" },
    { CORE2_STEPS_HAS_WALK, "WalkSteps" },
    { CORE2_STEPS_HAS_DISTANCE, "Distance" },
    { CORE2_STEPS_HAS_ENERGY, "Energy" },
  };
  int r = sd_bus_message_open_container (reply, SD_BUS_TYPE_ARRAY, "s");

  for (guint field = 0; r >= 0 && field < N_INFO; field++)
    if (self->info.available & (1u << field))
      r = sd_bus_message_append (reply, "s", available_names[field]);
  for (guint i = 0; r >= 0 && i < G_N_ELEMENTS (step_names); i++)
    if (self->step_fields & step_names[i].field)
      r = sd_bus_message_append (reply, "s", step_names[i].name);
  return r < 0 ? r : sd_bus_message_close_container (reply);
}
