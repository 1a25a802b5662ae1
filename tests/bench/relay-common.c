/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "relay-common.h"

#include <glib-unix.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ADDRESS G_GUINT64_CONSTANT (0xF14FBB6AB579)
#define ADDRESS_LENGTH 17

RelayOptions
relay_parse_options (int argc, char **argv, const char *summary)
{
  RelayOptions options = { .chips = 1 };
  int chips = 1;
  g_autofree char *input = NULL;
  const GOptionEntry entries[] = {
    { "chips", 0, 0, G_OPTION_ARG_INT, &chips, "how many chips [1]", "N" },
    { "input", 0, 0, G_OPTION_ARG_STRING, &input, "which notifications [steps]",
      "steps|orientation" },
    { "acquire", 0, 0, G_OPTION_ARG_NONE, &options.acquire, "use AcquireNotify", NULL },
    { "both", 0, 0, G_OPTION_ARG_NONE, &options.both, "publish PropertiesChanged, too", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;

  g_option_context_set_summary (context, summary);
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc > 1 || chips < 1
      || (input != NULL && !relay_input_from_text (input, &options.input)))
    {
      g_printerr ("%s\n", error != NULL ? error->message : "wrong arguments, see --help");
      exit (EXIT_FAILURE);
    }
  options.chips = (guint) chips;
  return options;
}

gboolean
relay_input_from_text (const char *text, RelayInput *input)
{
  *input = strcmp (text, "orientation") == 0 ? RELAY_ORIENTATION : RELAY_STEPS;
  return *input == RELAY_ORIENTATION || strcmp (text, "steps") == 0;
}

const char *
relay_signal_name (RelayInput input)
{
  return input == RELAY_STEPS ? "StepsChanged" : "OrientationChanged";
}

void
relay_address (guint chip, char separator, char address[18])
{
  guint64 number = FIRST_ADDRESS + chip;

  for (guint i = 0; i < 6; i++)
    {
      g_snprintf (address + 3 * i, 3, "%02X", (guint) (number >> (40 - 8 * i)) & 0xff);
      address[3 * i + 2] = i < 5 ? separator : '\0';
    }
}

void
relay_characteristic_path (guint chip, RelayInput input, char path[RELAY_PATH_SIZE])
{
  char address[18];

  relay_address (chip, '_', address);
  g_snprintf (path, RELAY_PATH_SIZE, "/org/bluez/hci0/dev_%s/service0010/char00%s", address,
              input == RELAY_STEPS ? "11" : "21");
}

void
relay_chip_path (guint chip, char path[RELAY_PATH_SIZE])
{
  char address[18];

  relay_address (chip, '_', address);
  g_snprintf (path, RELAY_PATH_SIZE, "/org/example/Core2/chip/%s", address);
}

guint
relay_chip_of_path (const char *path)
{
  static const char *const prefixes[] = { "/org/bluez/hci0/dev_", "/org/example/Core2/chip/" };
  guint64 number = 0;

  for (guint i = 0; i < G_N_ELEMENTS (prefixes); i++)
    {
      const char *text = path + strlen (prefixes[i]);

      if (!g_str_has_prefix (path, prefixes[i]) || strlen (text) < ADDRESS_LENGTH)
        continue;
      for (guint digit = 0; digit < ADDRESS_LENGTH; digit++)
        if (text[digit] != '_')
          number = number << 4 | (guint) g_ascii_xdigit_value (text[digit]);
      return (guint) (number - FIRST_ADDRESS);
    }
  return G_MAXUINT;
}

gboolean
relay_decode (RelayInput input, const guint8 *data, gsize size, guint32 *last, RelaySample *sample)
{
  if (size < 7)
    return FALSE;
  if (input == RELAY_STEPS)
    {
      sample->value = (guint32) data[1] | (guint32) data[2] << 8 | (guint32) data[3] << 16
                      | (guint32) data[4] << 24;
      sample->other = sample->value - *last;
      *last = sample->value;
    }
  else
    {
      sample->value = (guint32) (data[3] | data[4] << 8);
      sample->other = (guint32) (data[5] | data[6] << 8);
    }
  sample->time = (guint64) g_get_real_time ();
  return TRUE;
}

static gboolean
on_term (gpointer user_data)
{
  g_main_loop_quit (user_data);
  return G_SOURCE_CONTINUE;
}

void
relay_run (void)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);

  g_unix_signal_add (SIGTERM, on_term, loop);
  g_main_loop_run (loop);
}
