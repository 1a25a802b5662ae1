/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* virtual-chip: plays one chip on each of the given adapters. See README.md. */

#include "chip-control.h"
#include "chip-frames.h"

#include <glib-unix.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_CADENCE 300

typedef struct
{
  char **adapters;
  double speed;
  int cadence;
  int battery;
  gint64 seed; /* -1: none given */
  gboolean asleep;
  char *name;
  char **quirks;
  char *time;
  int step_flags; /* -1: none given */
  int auto_shake_ms;
  gboolean help_quirks;
} Options;

typedef struct
{
  GMainLoop *loop;
  GDBusConnection *connection;
  GDBusObjectManagerServer *objects;
  ChipClock *clock;
  GPtrArray *chips;    /* of Chip */
  GPtrArray *controls; /* of ChipControl */
  guint name_id;
  int status;
} Program;

/* --- Options ---------------------------------------------------------------------------------- */

static void
options_clear (Options *options)
{
  g_strfreev (options->adapters);
  g_strfreev (options->quirks);
  g_free (options->name);
  g_free (options->time);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static gboolean
check_options (const Options *options, GError **error)
{
  const char *complaint = NULL;

  if (!(options->speed > 0 && options->speed <= 100000))
    complaint = "--speed is above 0 and at most 100000";
  else if (options->cadence < CHIP_STROLL || options->cadence > MAX_CADENCE)
    complaint = "--walk is 0 to 300";
  else if (options->battery < 0 || options->battery > 100)
    complaint = "--battery is 0 to 100";
  else if (options->seed > G_MAXUINT32)
    complaint = "--seed is below 4294967296";
  else if (options->step_flags > 15)
    complaint = "--steps-flags is 0 to 15";
  if (complaint != NULL)
    g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, complaint);
  return complaint == NULL;
}

static gboolean
parse_options (Options *options, int *argc, char ***argv, GError **error)
{
  const GOptionEntry entries[] = {
    { "adapter", 'a', 0, G_OPTION_ARG_STRING_ARRAY, &options->adapters,
      "Play a chip on this adapter, as hci1; repeat for more chips (hci0)", "NAME" },
    { "speed", 0, 0, G_OPTION_ARG_DOUBLE, &options->speed,
      "Model time runs so many times faster than real time (1)", "N" },
    { "walk", 0, 0, G_OPTION_ARG_INT, &options->cadence,
      "Walk without pauses, so many steps a minute; 0: stand (stroll with pauses)", "CADENCE" },
    { "battery", 0, 0, G_OPTION_ARG_INT, &options->battery, "Charge at the start (80)",
      "PERCENT" },
    { "seed", 0, 0, G_OPTION_ARG_INT64, &options->seed,
      "Walk as another time with this number; the k-th chip has N + k (a random number, printed)",
      "N" },
    { "asleep", 0, 0, G_OPTION_ARG_NONE, &options->asleep,
      "Sleep until shaken, then walk as said", NULL },
    { "name", 0, 0, G_OPTION_ARG_STRING, &options->name, "Name to advertise (HM0D)", "NAME" },
    { "time", 0, 0, G_OPTION_ARG_STRING, &options->time,
      "What the chips' clocks show at the start, local time (now)", "'YYYY-MM-DD HH:MM:SS'" },
    { "quirk", 'q', 0, G_OPTION_ARG_STRING_ARRAY, &options->quirks,
      "Differ from a plain chip; repeatable", "NAME=VALUE" },
    { "steps-flags", 0, 0, G_OPTION_ARG_INT, &options->step_flags,
      "Short for --quirk step-flags=FLAGS", "FLAGS" },
    { "auto-shake", 0, 0, G_OPTION_ARG_INT, &options->auto_shake_ms,
      "While pairing shake by itself after so many milliseconds", "MS" },
    { "help-quirks", 0, 0, G_OPTION_ARG_NONE, &options->help_quirks, "List the quirks", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("- virtual Amazfit Smart Chips 2");

  g_option_context_set_summary (context,
                                "Plays step counters as Bluetooth Low Energy peripherals, through "
                                "BlueZ on the system bus.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;
  if (*argc > 1)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "unexpected argument '%s'",
                   (*argv)[1]);
      return FALSE;
    }
  return check_options (options, error);
}

static ChipQuirks *
parse_quirks (const Options *options, GError **error)
{
  ChipQuirks *quirks = chip_quirks_new ();
  gboolean good = TRUE;

  if (options->step_flags >= 0)
    chip_quirks_set (quirks, "step-flags", g_variant_new_uint32 ((guint32) options->step_flags),
                     NULL, NULL);
  for (guint i = 0; good && options->quirks != NULL && options->quirks[i] != NULL; i++)
    good = chip_quirks_parse (quirks, options->quirks[i], error);
  if (good)
    return quirks;
  chip_quirks_free (quirks);
  return NULL;
}

/* --- Program ---------------------------------------------------------------------------------- */

static gboolean
set_time (const Options *options, ChipOptions *chip_options, GError **error)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  gint64 offset = g_date_time_get_utc_offset (now);

  chip_options->quarters = (gint8) (offset / (15 * G_TIME_SPAN_MINUTE));
  chip_options->clock_start = g_get_real_time () + offset;
  if (options->time == NULL || chip_clock_text_parse (options->time, &chip_options->clock_start))
    return TRUE;
  g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                       "--time is YYYY-MM-DD HH:MM:SS, not before 1970");
  return FALSE;
}

static gboolean
add_chips (Program *program, const Options *options, GError **error)
{
  static const char *const default_adapters[] = { "hci0", NULL };
  const char *const *adapters
      = options->adapters != NULL ? (const char *const *) options->adapters : default_adapters;
  g_autoptr (ChipQuirks) quirks = parse_quirks (options, error);
  guint32 seed = options->seed >= 0 ? (guint32) options->seed : g_random_int ();
  ChipOptions chip_options = {
    .connection = program->connection,
    .clock = program->clock,
    .name = options->name != NULL ? options->name : "HM0D",
    .cadence = options->cadence,
    .battery = (guint8) options->battery,
    .asleep = options->asleep,
    .auto_shake_ms = options->auto_shake_ms,
    .quirks = quirks,
  };

  if (quirks == NULL || !set_time (options, &chip_options, error))
    return FALSE;
  printf ("seed %u\n", seed);
  for (guint i = 0; adapters[i] != NULL; i++)
    {
      Chip *chip;

      chip_options.adapter = adapters[i];
      chip_options.seed = seed + i;
      chip = chip_new (&chip_options, error);
      if (chip == NULL)
        return FALSE;
      g_ptr_array_add (program->chips, chip);
      g_ptr_array_add (program->controls, chip_control_new (chip, program->objects));
    }
  return TRUE;
}

static void
on_name_lost (GDBusConnection *connection, const char *name, gpointer user_data)
{
  if (connection != NULL)
    g_message ("cannot own %s (another program has it, or the bus forbids it): these chips run "
               "without control",
               name);
}

static void
on_connection_closed (GDBusConnection *connection, gboolean by_peer, GError *error,
                      gpointer user_data)
{
  Program *program = user_data;

  if (error != NULL)
    {
      fprintf (stderr, "virtual-chip: the bus is gone: %s\n", error->message);
      program->status = EXIT_FAILURE;
    }
  g_main_loop_quit (program->loop);
}

static gboolean
on_signal (gpointer user_data)
{
  Program *program = user_data;

  g_main_loop_quit (program->loop);
  return G_SOURCE_CONTINUE;
}

static gboolean
start (Program *program, const Options *options, GError **error)
{
  program->connection = g_bus_get_sync (G_BUS_TYPE_SYSTEM, NULL, error);
  if (program->connection == NULL)
    return FALSE;
  g_dbus_connection_set_exit_on_close (program->connection, FALSE);
  g_signal_connect (program->connection, "closed", G_CALLBACK (on_connection_closed), program);
  program->clock = chip_clock_new (options->speed);
  program->objects = g_dbus_object_manager_server_new (CHIP_CONTROL_PATH);
  if (!add_chips (program, options, error))
    return FALSE;
  g_dbus_object_manager_server_set_connection (program->objects, program->connection);
  program->name_id
      = g_bus_own_name_on_connection (program->connection, CHIP_CONTROL_NAME,
                                      G_BUS_NAME_OWNER_FLAGS_NONE, NULL, on_name_lost, NULL, NULL);
  return TRUE;
}

static void
stop (Program *program)
{
  if (program->name_id != 0)
    g_bus_unown_name (program->name_id);
  g_ptr_array_unref (program->controls);
  g_ptr_array_unref (program->chips);
  g_clear_object (&program->objects);
  g_clear_pointer (&program->clock, chip_clock_free);
  if (program->connection != NULL)
    {
      g_signal_handlers_disconnect_by_data (program->connection, program);
      g_dbus_connection_flush_sync (program->connection, NULL, NULL);
    }
  g_clear_object (&program->connection);
  g_main_loop_unref (program->loop);
}

int
main (int argc, char **argv)
{
  g_auto (Options) options = {
    .speed = 1,
    .cadence = CHIP_STROLL,
    .battery = 80,
    .seed = -1,
    .step_flags = -1,
    .auto_shake_ms = CHIP_NO_AUTO_SHAKE,
  };
  g_autoptr (GError) error = NULL;
  Program program = { .status = EXIT_SUCCESS };

  setlocale (LC_ALL, "");
  setvbuf (stdout, NULL, _IOLBF, 0);
  if (!parse_options (&options, &argc, &argv, &error))
    {
      fprintf (stderr, "virtual-chip: %s\n", error->message);
      return EXIT_FAILURE;
    }
  if (options.help_quirks)
    {
      g_autofree char *text = chip_quirks_describe ();

      fputs (text, stdout);
      return EXIT_SUCCESS;
    }
  program.loop = g_main_loop_new (NULL, FALSE);
  program.chips = g_ptr_array_new_with_free_func ((GDestroyNotify) chip_free);
  program.controls = g_ptr_array_new_with_free_func ((GDestroyNotify) chip_control_free);
  g_unix_signal_add (SIGTERM, on_signal, &program);
  g_unix_signal_add (SIGINT, on_signal, &program);
  if (start (&program, &options, &error))
    g_main_loop_run (program.loop);
  else
    {
      fprintf (stderr, "virtual-chip: %s\n", error->message);
      program.status = EXIT_FAILURE;
    }
  stop (&program);
  return program.status;
}
