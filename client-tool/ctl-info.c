/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "ctl-agent.h"
#include "ctl-error.h"
#include "ctl-format.h"
#include "ctl-text.h"

/* info and time: what the chip says about itself. */

static gboolean option_set;

const GOptionEntry ctl_time_entries[] = {
  { "set", 0, 0, G_OPTION_ARG_NONE, &option_set, "Set the chip's clock from this computer's",
    NULL },
  { 0 },
};

typedef enum
{
  FIELD_TEXT,
  FIELD_NUMBER,
  FIELD_INTERVAL, /* units of 1.25 ms */
  FIELD_TIMEOUT,  /* units of 10 ms */
  FIELD_HEX,      /* a 16-bit number that is written in hexadecimal */
  FIELD_BYTES,
} FieldKind;

/* The fields in the order they are shown; `json` is also what --json calls them. */
static const struct
{
  const char *property;
  const char *json;
  const char *label;
  FieldKind kind;
} fields[] = {
  { "Name", "name", "name", FIELD_TEXT },
  { "SerialNumber", "serial_number", "serial number", FIELD_TEXT },
  { "HardwareRevision", "hardware_revision", "hardware", FIELD_TEXT },
  { "SoftwareRevision", "software_revision", "software", FIELD_TEXT },
  { "FirmwareRevision", "firmware_revision", "firmware", FIELD_TEXT },
  { "SystemId", "system_id", "system id", FIELD_BYTES },
  { "VendorSource", "vendor_source", "vendor source", FIELD_NUMBER },
  { "VendorId", "vendor_id", "vendor id", FIELD_HEX },
  { "ProductId", "product_id", "product id", FIELD_HEX },
  { "ProductVersion", "product_version", "version", FIELD_HEX },
  { "Appearance", "appearance", "appearance", FIELD_NUMBER },
  { "PrivacyFlag", "privacy_flag", "privacy flag", FIELD_NUMBER },
  { "MinConnectionInterval", "min_connection_interval", "interval from", FIELD_INTERVAL },
  { "MaxConnectionInterval", "max_connection_interval", "interval to", FIELD_INTERVAL },
  { "SlaveLatency", "slave_latency", "latency", FIELD_NUMBER },
  { "TimeoutMultiplier", "timeout_multiplier", "link time-out", FIELD_TIMEOUT },
  { "ServiceChangedStart", "service_changed_start", "handles from", FIELD_HEX },
  { "ServiceChangedEnd", "service_changed_end", "handles to", FIELD_HEX },
};

/* Any unsigned number of the interface as one type; FALSE when @value is none. */
static gboolean
get_number (GVariant *value, guint *number)
{
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_BYTE))
    *number = g_variant_get_byte (value);
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT16))
    *number = g_variant_get_uint16 (value);
  else
    return FALSE;
  return TRUE;
}

static char *
dup_bytes (GVariant *value)
{
  GString *text = g_string_new (NULL);
  gsize length = 0;
  const guint8 *bytes = NULL;

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_BYTESTRING))
    bytes = g_variant_get_fixed_array (value, &length, 1);
  for (gsize i = 0; i < length; i++)
    g_string_append_printf (text, "%02x", bytes[i]);
  return g_string_free (text, FALSE);
}

static void
print_field (gsize field, GVariant *value)
{
  const char *label = fields[field].label;
  guint number = 0;

  if (fields[field].kind == FIELD_TEXT && g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    ctl_print_row (label, "%s", g_variant_get_string (value, NULL));
  else if (fields[field].kind == FIELD_BYTES)
    {
      g_autofree char *bytes = dup_bytes (value);
      ctl_print_row (label, "%s", bytes);
    }
  else if (!get_number (value, &number))
    return;
  else if (fields[field].kind == FIELD_INTERVAL)
    ctl_print_row (label, "%g ms", number * 1.25);
  else if (fields[field].kind == FIELD_TIMEOUT)
    ctl_print_row (label, "%u ms", number * 10);
  else if (fields[field].kind == FIELD_HEX)
    ctl_print_row (label, "0x%04x", number);
  else
    ctl_print_row (label, "%u", number);
}

static void
add_field (JsonBuilder *builder, gsize field, GVariant *value)
{
  const char *name = fields[field].json;
  guint number = 0;

  if (fields[field].kind == FIELD_TEXT)
    ctl_json_add_string (builder, name,
                         value != NULL && g_variant_is_of_type (value, G_VARIANT_TYPE_STRING)
                             ? g_variant_get_string (value, NULL)
                             : NULL);
  else if (fields[field].kind == FIELD_BYTES)
    {
      g_autofree char *bytes = value == NULL ? NULL : dup_bytes (value);
      ctl_json_add_string (builder, name, bytes);
    }
  else
    {
      gboolean known = value != NULL && get_number (value, &number);
      ctl_json_add_uint (builder, name, known, number);
    }
}

/*
 * What is known of @chip as a vardict of property names: read now with @fresh, else what core2d
 * holds.
 */
static GVariant *
get_info (CtlContext *context, Core2DbusChip *chip, gboolean fresh, GError **error)
{
  g_autoptr (GVariant) reply = NULL;

  if (fresh)
    {
      CtlAgent *agent = ctl_agent_start (context->client);

      if (agent == NULL)
        ctl_progress_show ("asking the chip ...");
      reply = ctl_client_call (context->client, chip, "ReadInfo", NULL, CTL_RADIO_MS, error);
      ctl_progress_end ();
      ctl_agent_stop (agent);
    }
  else
    reply = ctl_client_call (context->client, chip, "org.freedesktop.DBus.Properties.GetAll",
                             g_variant_new ("(s)", CTL_BUS_NAME ".Info"), CTL_QUICK_MS, error);
  return reply == NULL ? NULL : g_variant_get_child_value (reply, 0);
}

/* Properties that `Available` does not name hold no value. */
static GVariant *
lookup_field (GVariant *info, gsize field)
{
  g_autofree const char **available = NULL;

  if (g_variant_lookup (info, "Available", "^a&s", &available)
      && !g_strv_contains (available, fields[field].property))
    return NULL;
  return g_variant_lookup_value (info, fields[field].property, NULL);
}

static void
print_info (CtlContext *context, Core2DbusChip *chip, GVariant *info)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  guint64 updated = 0;

  g_variant_lookup (info, "Updated", "t", &updated);
  json_builder_begin_object (builder);
  ctl_json_add_identity (builder, chip);
  if (!context->json)
    ctl_text_print_heading (chip);
  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    {
      g_autoptr (GVariant) value = lookup_field (info, i);

      if (context->json)
        add_field (builder, i, value);
      else if (value != NULL)
        print_field (i, value);
    }
  ctl_json_add_time (builder, "updated", updated);
  json_builder_end_object (builder);

  if (context->json)
    ctl_json_print (builder, FALSE);
  else
    {
      g_autofree char *age = ctl_format_age (updated, ctl_now ());
      ctl_print_row ("read", "%s", age);
    }
}

gboolean
ctl_verb_info (CtlContext *context, GError **error)
{
  g_autoptr (Core2DbusChip) chip
      = ctl_client_find_chip (context->client, context->chip, error);
  g_autoptr (GVariant) info = NULL;
  guint64 updated = 0;

  if (chip == NULL)
    return FALSE;
  info = get_info (context, chip, ctl_values_fresh (), error);
  if (info == NULL)
    return FALSE;
  if (!g_variant_lookup (info, "Updated", "t", &updated) || updated == 0)
    {
      g_set_error_literal (error, CTL_ERROR, CTL_EXIT_NO_DATA,
                           "the chip has not been read yet.\n"
                           "Shake it so that core2d can connect, or ask it now with --fresh.");
      return FALSE;
    }
  print_info (context, chip, info);
  return TRUE;
}

static char *
dup_difference (gint64 seconds)
{
  gint64 difference = seconds - (gint64) (ctl_now () / G_USEC_PER_SEC);
  g_autofree char *span = ctl_format_span ((guint64) ABS (difference));

  if (seconds == -1)
    return g_strdup ("not a valid time");
  if (ABS (difference) <= 2)
    return g_strdup ("right");
  return g_strdup_printf ("%s %s", span, difference < 0 ? "slow" : "fast");
}

gboolean
ctl_verb_time (CtlContext *context, GError **error)
{
  g_autoptr (Core2DbusChip) chip
      = ctl_client_find_chip (context->client, context->chip, error);
  g_autoptr (GVariant) done = NULL;
  g_autoptr (GVariant) reply = NULL;
  const char *text;
  gint64 seconds;

  if (chip == NULL)
    return FALSE;
  ctl_progress_show ("asking the chip ...");
  if (option_set)
    done = ctl_client_call (context->client, chip, "SetTime", g_variant_new ("(a{sv})", NULL),
                            CTL_RADIO_MS, error);
  if (!option_set || done != NULL)
    reply = ctl_client_call (context->client, chip, "ReadTime", NULL, CTL_RADIO_MS, error);
  ctl_progress_end ();
  if (reply == NULL)
    return FALSE;

  g_variant_get (reply, "(&sx)", &text, &seconds);
  if (context->json)
    {
      g_autoptr (JsonBuilder) builder = json_builder_new ();
      gint64 now = (gint64) (ctl_now () / G_USEC_PER_SEC);

      json_builder_begin_object (builder);
      ctl_json_add_identity (builder, chip);
      ctl_json_add_string (builder, "time", text);
      json_builder_set_member_name (builder, "ahead_s");
      if (seconds == -1)
        json_builder_add_null_value (builder);
      else
        json_builder_add_int_value (builder, seconds - now);
      ctl_json_add_bool (builder, "set", option_set);
      json_builder_end_object (builder);
      ctl_json_print (builder, FALSE);
    }
  else
    {
      g_autofree char *difference = dup_difference (seconds);

      ctl_text_print_heading (chip);
      ctl_print_row ("time", "%s", text);
      ctl_print_row ("clock", "%s%s", option_set ? "set, " : "", difference);
    }
  return TRUE;
}
