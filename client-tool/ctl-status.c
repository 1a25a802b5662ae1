/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "ctl-error.h"
#include "ctl-format.h"
#include "ctl-text.h"

static void
print_adapter (const char *state)
{
  static const struct
  {
    const char *state;
    const char *text;
  } problems[] = {
    { "no-bluez", "The Bluetooth service does not run: \"sudo systemctl start bluetooth\"." },
    { "absent", "This computer has no Bluetooth adapter, or it is not plugged in." },
    { "off", "Bluetooth is off: \"bluetoothctl power on\"." },
    { "blocked", "Bluetooth is blocked: \"rfkill unblock bluetooth\"." },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (problems); i++)
    if (g_strcmp0 (state, problems[i].state) == 0)
      printf ("%s%s%s\n\n", ctl_style (stdout, CTL_STYLE_BAD), problems[i].text,
              ctl_style (stdout, CTL_STYLE_NONE));
}

static void
print_chip (Core2DbusChip *chip)
{
  g_autofree char *steps = ctl_text_steps (chip);
  g_autofree char *battery = ctl_text_battery (chip, ctl_now ());
  g_autofree char *orientation = ctl_text_orientation (chip, ctl_now ());
  g_autofree char *state = ctl_text_state (chip);

  ctl_text_print_heading (chip);
  ctl_print_row ("state", "%s%s%s", ctl_style (stdout, ctl_chip_get_style (chip)), state,
                 ctl_style (stdout, CTL_STYLE_NONE));
  if (!core2_dbus_chip_get_connected (chip))
    {
      guint64 seen = MAX (core2_dbus_chip_get_last_seen (chip),
                          core2_dbus_chip_get_last_connected (chip));
      g_autofree char *age = ctl_format_age (seen, ctl_now ());

      ctl_print_row ("last seen", "%s", age);
    }
  ctl_print_row ("steps", "%s", steps);
  ctl_print_row ("battery", "%s", battery);
  ctl_print_row ("orientation", "%s", orientation);
  if (g_strcmp0 (core2_dbus_chip_get_pairing_state (chip), "shake-now") == 0)
    ctl_print_row ("pairing", "shake the chip now");
  else
    ctl_print_row ("paired", core2_dbus_chip_get_paired (chip) ? "yes" : "no");
}

static void
print_text (GPtrArray *chips, Core2DbusManager *manager)
{
  guint strangers = 0;
  guint remembered = 0;

  print_adapter (core2_dbus_manager_get_adapter_state (manager));
  for (guint i = 0; i < chips->len; i++)
    {
      Core2DbusChip *chip = g_ptr_array_index (chips, i);

      if (!core2_dbus_chip_get_remembered (chip))
        continue;
      if (remembered++ > 0)
        putchar ('\n');
      print_chip (chip);
    }
  if (remembered == 0)
    puts ("No chip has been added yet. Shake a chip and find it with \"core2ctl scan\".");

  for (guint i = 0; i < chips->len; i++)
    {
      Core2DbusChip *chip = g_ptr_array_index (chips, i);

      if (core2_dbus_chip_get_remembered (chip))
        continue;
      if (strangers++ == 0)
        puts ("\nSeen nearby and not added:");
      printf ("  %s   core2ctl add %s\n", core2_dbus_chip_get_address (chip),
              core2_dbus_chip_get_address (chip));
    }
}

static void
print_json (GPtrArray *chips, Core2DbusManager *manager)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  ctl_json_add_string (builder, "version", core2_dbus_manager_get_version (manager));
  ctl_json_add_string (builder, "adapter_state", core2_dbus_manager_get_adapter_state (manager));
  ctl_json_add_bool (builder, "scanning", core2_dbus_manager_get_scanning (manager));
  json_builder_set_member_name (builder, "chips");
  json_builder_begin_array (builder);
  for (guint i = 0; i < chips->len; i++)
    {
      json_builder_begin_object (builder);
      ctl_json_add_chip (builder, g_ptr_array_index (chips, i));
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  ctl_json_print (builder, FALSE);
}

gboolean
ctl_verb_status (CtlContext *context, GError **error)
{
  g_autoptr (GPtrArray) chips = NULL;

  if (context->chip != NULL)
    {
      Core2DbusChip *chip = ctl_client_find_chip (context->client, context->chip, error);

      if (chip == NULL)
        return FALSE;
      chips = g_ptr_array_new_with_free_func (g_object_unref);
      g_ptr_array_add (chips, chip);
    }
  else
    chips = ctl_client_list_chips (context->client, FALSE);

  if (context->json)
    print_json (chips, ctl_client_get_manager (context->client));
  else
    print_text (chips, ctl_client_get_manager (context->client));
  return TRUE;
}
