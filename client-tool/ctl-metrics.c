/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <sys/stat.h>

#include "ctl-error.h"
#include "ctl-file.h"
#include "ctl-metrics.h"
#include "ctl-sum.h"
#include "ctl-text.h"

/*
 * OpenMetrics text (https://prometheus.io/docs/specs/om/open_metrics_spec/), as far as it is also
 * the older text format of Prometheus, which is what node_exporter reads. The two differ in how
 * the type of a counter is told (OpenMetrics: of the name without _total), so the one counter
 * comes without a type, which both take as unknown.
 */

static char *option_output;

const GOptionEntry ctl_metrics_entries[] = {
  { "output", 'o', 0, G_OPTION_ARG_FILENAME, &option_output, "Replace FILE instead of printing",
    "FILE" },
  { 0 },
};

/* The value of one metric of @chip; FALSE when it is not known. */
typedef gboolean (*GetValue) (Core2DbusChip *chip, double *value);

static gboolean
set_time (guint64 time, double *value)
{
  *value = (double) time / G_USEC_PER_SEC;
  return time != 0;
}

static gboolean
get_connected (Core2DbusChip *chip, double *value)
{
  *value = core2_dbus_chip_get_connected (chip);
  return TRUE;
}

static gboolean
get_paired (Core2DbusChip *chip, double *value)
{
  *value = core2_dbus_chip_get_paired (chip);
  return TRUE;
}

static gboolean
get_steps (Core2DbusChip *chip, double *value)
{
  *value = (double) core2_dbus_chip_get_steps_total (chip);
  return core2_dbus_chip_get_steps_updated (chip) != 0 || *value > 0;
}

static gboolean
get_steps_today (Core2DbusChip *chip, double *value)
{
  *value = core2_dbus_chip_get_steps_today (chip);
  return core2_dbus_chip_get_steps_updated (chip) != 0
         || core2_dbus_chip_get_steps_total (chip) != 0;
}

static gboolean
get_steps_time (Core2DbusChip *chip, double *value)
{
  return set_time (core2_dbus_chip_get_steps_updated (chip), value);
}

static gboolean
get_cadence (Core2DbusChip *chip, double *value)
{
  *value = core2_dbus_chip_get_cadence (chip);
  return core2_dbus_chip_get_steps_updated (chip) != 0;
}

static gboolean
get_goal (Core2DbusChip *chip, double *value)
{
  *value = core2_dbus_chip_get_daily_goal (chip);
  return *value > 0;
}

static gboolean
get_battery (Core2DbusChip *chip, double *value)
{
  *value = core2_dbus_chip_get_battery (chip) / 100.0;
  return core2_dbus_chip_get_battery (chip) <= 100;
}

static gboolean
get_battery_time (Core2DbusChip *chip, double *value)
{
  return set_time (core2_dbus_chip_get_battery_updated (chip), value);
}

static gboolean
get_seen_time (Core2DbusChip *chip, double *value)
{
  return set_time (MAX (core2_dbus_chip_get_last_seen (chip),
                        core2_dbus_chip_get_last_connected (chip)),
                   value);
}

/* Of every chip, labelled with its address, which never changes. */
static const struct
{
  const char *name;
  const char *type; /* NULL: none is told */
  const char *help;
  GetValue get;
} metrics[] = {
  { "core2_chip_connected", "gauge", "Whether the chip is connected.", get_connected },
  { "core2_chip_paired", "gauge", "Whether the chip has a key that it accepts.", get_paired },
  { "core2_chip_steps_total", NULL, "Steps since the chip was added.", get_steps },
  { "core2_chip_steps_today", "gauge", "Steps since the day began.", get_steps_today },
  { "core2_chip_steps_timestamp_seconds", "gauge", "When the steps were read.", get_steps_time },
  { "core2_chip_steps_per_minute", "gauge", "Cadence over the last 15 seconds.", get_cadence },
  { "core2_chip_steps_goal", "gauge", "Steps a day that are wanted.", get_goal },
  { "core2_chip_battery_ratio", "gauge", "Battery, 1 is full.", get_battery },
  { "core2_chip_battery_timestamp_seconds", "gauge", "When the battery was read.",
    get_battery_time },
  { "core2_chip_seen_timestamp_seconds", "gauge", "When the chip was last heard.",
    get_seen_time },
};

static void
append_head (GString *text, const char *name, const char *type, const char *help)
{
  g_string_append_printf (text, "# HELP %s %s\n", name, help);
  if (type != NULL)
    g_string_append_printf (text, "# TYPE %s %s\n", name, type);
}

static void
append_number (GString *text, double value)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append_printf (text, " %s\n", g_ascii_formatd (buffer, sizeof buffer, "%.16g", value));
}

/* @value of a label: backslash, quotation mark and line feed are escaped. */
static void
append_label (GString *text, const char *name, const char *value)
{
  g_string_append_printf (text, "%s=\"", name);
  for (const char *c = value != NULL ? value : ""; *c != '\0'; c++)
    if (*c == '\n')
      g_string_append (text, "\\n");
    else
      {
        if (*c == '\\' || *c == '"')
          g_string_append_c (text, '\\');
        g_string_append_c (text, *c);
      }
  g_string_append_c (text, '"');
}

static void
append_chips (GString *text, GPtrArray *chips)
{
  append_head (text, "core2_chip_info", "gauge", "Alias and side of a chip; always 1.");
  for (guint i = 0; i < chips->len; i++)
    {
      Core2DbusChip *chip = g_ptr_array_index (chips, i);

      g_string_append (text, "core2_chip_info{");
      append_label (text, "address", core2_dbus_chip_get_address (chip));
      g_string_append_c (text, ',');
      append_label (text, "alias", core2_dbus_chip_get_alias (chip));
      g_string_append_c (text, ',');
      append_label (text, "side", core2_dbus_chip_get_side (chip));
      g_string_append (text, "} 1\n");
    }

  for (gsize i = 0; i < G_N_ELEMENTS (metrics); i++)
    {
      append_head (text, metrics[i].name, metrics[i].type, metrics[i].help);
      for (guint j = 0; j < chips->len; j++)
        {
          Core2DbusChip *chip = g_ptr_array_index (chips, j);
          double value = 0;

          if (!metrics[i].get (chip, &value))
            continue;
          g_string_append_printf (text, "%s{", metrics[i].name);
          append_label (text, "address", core2_dbus_chip_get_address (chip));
          g_string_append_c (text, '}');
          append_number (text, value);
        }
    }
}

char *
ctl_metrics_format (GPtrArray *chips, const char *version, const char *adapter_state)
{
  GString *text = g_string_new (NULL);
  CtlSum sum = { 0 };
  gboolean counted = FALSE;

  append_head (text, "core2_info", "gauge", "Version of core2d; always 1.");
  g_string_append (text, "core2_info{");
  append_label (text, "version", version);
  g_string_append (text, "} 1\n");
  append_head (text, "core2_adapter_on", "gauge", "Whether a Bluetooth adapter is on.");
  g_string_append (text, "core2_adapter_on");
  append_number (text, g_strcmp0 (adapter_state, "on") == 0);

  for (guint i = 0; i < chips->len; i++)
    {
      Core2DbusChip *chip = g_ptr_array_index (chips, i);
      double steps;

      counted |= get_steps_today (chip, &steps);
      ctl_sum_add (&sum, core2_dbus_chip_get_side (chip), (guint64) steps);
    }
  append_head (text, "core2_steps_today", "gauge",
               "Steps since the day began over all chips, a pair of shoes counted once.");
  if (counted)
    {
      g_string_append (text, "core2_steps_today");
      append_number (text, (double) ctl_sum_get (&sum));
    }
  append_chips (text, chips);
  g_string_append (text, "# EOF\n");
  return g_string_free (text, FALSE);
}

gboolean
ctl_verb_metrics (CtlContext *context, GError **error)
{
  g_autoptr (GPtrArray) chips = ctl_client_list_chips (context->client, TRUE);
  Core2DbusManager *manager = ctl_client_get_manager (context->client);
  g_autofree char *text = ctl_metrics_format (chips, core2_dbus_manager_get_version (manager),
                                              core2_dbus_manager_get_adapter_state (manager));
  g_autoptr (CtlFile) file = NULL;

  if (context->json)
    {
      g_set_error_literal (error, CTL_ERROR, CTL_EXIT_USAGE,
                           "metrics have a format of their own; \"core2ctl status --json\" has "
                           "the same as JSON");
      return FALSE;
    }
  file = ctl_file_new (option_output, error);
  if (file == NULL)
    return FALSE;
  fputs (text, ctl_file_get_stream (file));
  /* Others, such as the collector's user, are to read it, whatever the umask is. */
  fchmod (fileno (ctl_file_get_stream (file)), 0644);
  return ctl_file_commit (file, error);
}
