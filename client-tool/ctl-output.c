/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-output.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ctl-error.h"
#include "ctl-format.h"

#define LABEL_WIDTH 16

gboolean
ctl_is_terminal (FILE *stream)
{
  const char *term = g_getenv ("TERM");

  return isatty (fileno (stream)) && term != NULL && !g_str_equal (term, "dumb");
}

guint
ctl_terminal_width (void)
{
  struct winsize size;
  guint64 columns;

  if (ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    return size.ws_col;
  if (g_ascii_string_to_unsigned (g_getenv ("COLUMNS") != NULL ? g_getenv ("COLUMNS") : "", 10, 20,
                                  1000, &columns, NULL))
    return (guint) columns;
  return 80;
}

gboolean
ctl_is_utf8 (void)
{
  return g_get_charset (NULL);
}

const char *
ctl_style (FILE *stream, CtlStyle style)
{
  const char *no_color = g_getenv ("NO_COLOR");

  if (!ctl_is_terminal (stream) || (no_color != NULL && no_color[0] != '\0'))
    return "";
  switch (style)
    {
    case CTL_STYLE_NONE:
      return "\033[0m";
    case CTL_STYLE_BOLD:
      return "\033[1m";
    case CTL_STYLE_DIM:
      return "\033[2m";
    case CTL_STYLE_GOOD:
      return "\033[32m";
    case CTL_STYLE_WARN:
      return "\033[33m";
    case CTL_STYLE_BAD:
      return "\033[31m";
    }
  return "";
}

CtlStyle
ctl_chip_get_style (Core2DbusChip *chip)
{
  const char *state = core2_dbus_chip_get_state (chip);
  const char *last_error = core2_dbus_chip_get_last_error (chip);

  if (g_strcmp0 (state, "ready") == 0)
    return CTL_STYLE_GOOD;
  if (g_strcmp0 (state, "disconnected") == 0)
    return last_error != NULL && last_error[0] != '\0' ? CTL_STYLE_BAD : CTL_STYLE_DIM;
  return CTL_STYLE_WARN;
}

void
ctl_print_row (const char *label, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  /* By columns, not bytes: an alias may be a label, in any script. */
  printf ("  %s%s%*s%s%s\n", ctl_style (stdout, CTL_STYLE_DIM), label,
          (int) MAX (LABEL_WIDTH - (int) ctl_format_columns (label), 1), "",
          ctl_style (stdout, CTL_STYLE_NONE), text);
}

void
ctl_progress_show (const char *text)
{
  if (!ctl_is_terminal (stderr))
    return;
  fflush (stdout);
  fprintf (stderr, "\r\033[K%s", text);
  fflush (stderr);
}

void
ctl_progress_end (void)
{
  if (ctl_is_terminal (stderr))
    fputs ("\r\033[K", stderr);
}

void
ctl_print_error (const GError *error, gboolean json)
{
  g_autofree char *message = ctl_error_dup_message (error);
  const char *advice = ctl_error_get_advice (error);

  fflush (stdout);
  fprintf (stderr, "%score2ctl:%s %s\n", ctl_style (stderr, CTL_STYLE_BAD),
           ctl_style (stderr, CTL_STYLE_NONE), message);
  if (advice != NULL)
    fprintf (stderr, "%s\n", advice);
  if (json)
    {
      g_autoptr (JsonBuilder) builder = json_builder_new ();
      g_autofree char *name = ctl_error_dup_name (error);

      json_builder_begin_object (builder);
      json_builder_set_member_name (builder, "error");
      json_builder_begin_object (builder);
      ctl_json_add_string (builder, "name", name);
      ctl_json_add_string (builder, "message", message);
      ctl_json_add_string (builder, "advice", advice);
      ctl_json_add_uint (builder, "exit_code", TRUE, ctl_error_get_exit (error));
      json_builder_end_object (builder);
      json_builder_end_object (builder);
      ctl_json_print (builder, FALSE);
    }
}

guint64
ctl_now (void)
{
  return (guint64) g_get_real_time ();
}

void
ctl_json_add_string (JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name (builder, name);
  if (value == NULL || value[0] == '\0')
    json_builder_add_null_value (builder);
  else
    json_builder_add_string_value (builder, value);
}

void
ctl_json_add_uint (JsonBuilder *builder, const char *name, gboolean known, guint64 value)
{
  json_builder_set_member_name (builder, name);
  if (known)
    json_builder_add_int_value (builder, (gint64) MIN (value, G_MAXINT64));
  else
    json_builder_add_null_value (builder);
}

void
ctl_json_add_bool (JsonBuilder *builder, const char *name, gboolean value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_boolean_value (builder, value);
}

void
ctl_json_add_time (JsonBuilder *builder, const char *name, guint64 time)
{
  g_autofree char *text = time == 0 ? NULL : ctl_format_iso8601 (time);

  ctl_json_add_string (builder, name, text);
}

void
ctl_json_add_identity (JsonBuilder *builder, Core2DbusChip *chip)
{
  const char *side = core2_dbus_chip_get_side (chip);

  ctl_json_add_string (builder, "address", core2_dbus_chip_get_address (chip));
  ctl_json_add_string (builder, "alias", core2_dbus_chip_get_alias (chip));
  ctl_json_add_string (builder, "side", g_strcmp0 (side, "unknown") == 0 ? NULL : side);
}

/* RunSteps, WalkSteps, Distance and Energy hold a value only where the chip sends them. */
static gboolean
is_available (Core2DbusChip *chip, const char *field)
{
  GDBusObject *object = g_dbus_interface_get_object (G_DBUS_INTERFACE (chip));
  const char *const *available = NULL;
  g_autoptr (GDBusInterface) info = NULL;

  if (object != NULL)
    info = g_dbus_object_get_interface (object, CTL_BUS_NAME ".Info");
  if (info != NULL)
    available = core2_dbus_info_get_available (CORE2_DBUS_INFO (info));
  return available != NULL && g_strv_contains (available, field);
}

void
ctl_json_add_steps (JsonBuilder *builder, Core2DbusChip *chip)
{
  guint64 updated = core2_dbus_chip_get_steps_updated (chip);
  guint64 total = core2_dbus_chip_get_steps_total (chip);
  guint goal = core2_dbus_chip_get_daily_goal (chip);
  gboolean counted = updated != 0 || total != 0;

  ctl_json_add_uint (builder, "steps", updated != 0, core2_dbus_chip_get_steps (chip));
  ctl_json_add_time (builder, "steps_updated", updated);
  ctl_json_add_uint (builder, "steps_today", counted, core2_dbus_chip_get_steps_today (chip));
  ctl_json_add_uint (builder, "steps_total", counted, total);
  ctl_json_add_uint (builder, "cadence", updated != 0, core2_dbus_chip_get_cadence (chip));
  ctl_json_add_uint (builder, "daily_goal", goal != 0, goal);
  ctl_json_add_uint (builder, "run_steps", is_available (chip, "RunSteps"),
                     core2_dbus_chip_get_run_steps (chip));
  ctl_json_add_uint (builder, "walk_steps", is_available (chip, "WalkSteps"),
                     core2_dbus_chip_get_walk_steps (chip));
  ctl_json_add_uint (builder, "distance_m", is_available (chip, "Distance"),
                     core2_dbus_chip_get_distance (chip));
  ctl_json_add_uint (builder, "energy_kcal", is_available (chip, "Energy"),
                     core2_dbus_chip_get_energy (chip));
}

void
ctl_json_add_battery (JsonBuilder *builder, Core2DbusChip *chip)
{
  guint battery = core2_dbus_chip_get_battery (chip);

  ctl_json_add_uint (builder, "battery", battery <= 100, battery);
  ctl_json_add_string (builder, "battery_status", core2_dbus_chip_get_battery_status (chip));
  ctl_json_add_time (builder, "battery_updated", core2_dbus_chip_get_battery_updated (chip));
}

void
ctl_json_add_orientation (JsonBuilder *builder, Core2DbusChip *chip)
{
  guint64 updated = core2_dbus_chip_get_orientation_updated (chip);
  GVariant *pair = core2_dbus_chip_get_orientation (chip);
  guint interval = core2_dbus_chip_get_orientation_interval (chip);

  json_builder_set_member_name (builder, "orientation");
  if (updated == 0 || pair == NULL)
    json_builder_add_null_value (builder);
  else
    {
      guint16 x, y;

      g_variant_get (pair, "(qq)", &x, &y);
      json_builder_begin_object (builder);
      ctl_json_add_uint (builder, "x", TRUE, x);
      ctl_json_add_uint (builder, "y", TRUE, y);
      json_builder_end_object (builder);
    }
  ctl_json_add_time (builder, "orientation_updated", updated);
  ctl_json_add_uint (builder, "orientation_interval_ms", interval != 0, interval);
}

void
ctl_json_add_connection (JsonBuilder *builder, Core2DbusChip *chip)
{
  int rssi = core2_dbus_chip_get_rssi (chip);

  ctl_json_add_string (builder, "name", core2_dbus_chip_get_name (chip));
  ctl_json_add_string (builder, "adapter", core2_dbus_chip_get_adapter (chip));
  ctl_json_add_bool (builder, "remembered", core2_dbus_chip_get_remembered (chip));
  ctl_json_add_bool (builder, "auto_connect", core2_dbus_chip_get_auto_connect (chip));
  ctl_json_add_bool (builder, "connected", core2_dbus_chip_get_connected (chip));
  ctl_json_add_bool (builder, "paired", core2_dbus_chip_get_paired (chip));
  ctl_json_add_string (builder, "state", core2_dbus_chip_get_state (chip));
  ctl_json_add_string (builder, "status_text", core2_dbus_chip_get_status_text (chip));
  ctl_json_add_string (builder, "last_error", core2_dbus_chip_get_last_error (chip));
  ctl_json_add_time (builder, "last_connected", core2_dbus_chip_get_last_connected (chip));
  ctl_json_add_time (builder, "last_seen", core2_dbus_chip_get_last_seen (chip));
  json_builder_set_member_name (builder, "rssi");
  if (rssi == 127)
    json_builder_add_null_value (builder);
  else
    json_builder_add_int_value (builder, rssi);
  ctl_json_add_string (builder, "pairing_state", core2_dbus_chip_get_pairing_state (chip));
  ctl_json_add_time (builder, "pairing_deadline", core2_dbus_chip_get_pairing_deadline (chip));
}

gboolean
ctl_json_print (JsonBuilder *builder, gboolean compact)
{
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  g_autofree char *text = json_to_string (root, !compact);

  puts (text);
  return fflush (stdout) == 0;
}
