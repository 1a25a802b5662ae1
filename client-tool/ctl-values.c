/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "ctl-agent.h"
#include "ctl-error.h"
#include "ctl-format.h"
#include "ctl-text.h"

/*
 * steps, battery and orientation: what is known at once, or with --fresh what the chip says now.
 * After a fresh reading the properties hold it already, because core2d signals them before it
 * replies.
 */

static gboolean option_fresh;

const GOptionEntry ctl_value_entries[] = {
  { "fresh", 'f', 0, G_OPTION_ARG_NONE, &option_fresh,
    "Ask the chip now, connecting first where needed", NULL },
  { 0 },
};

gboolean
ctl_values_fresh (void)
{
  return option_fresh;
}

typedef struct
{
  const char *method; /* the Read method behind --fresh */
  gboolean (*is_known) (Core2DbusChip *chip);
  void (*print) (Core2DbusChip *chip);
  void (*add_json) (JsonBuilder *builder, Core2DbusChip *chip);
  const char *missing; /* why there may be none, and what to do */
} Value;

static gboolean
steps_known (Core2DbusChip *chip)
{
  return core2_dbus_chip_get_steps_updated (chip) != 0
         || core2_dbus_chip_get_steps_total (chip) != 0;
}

static void
steps_print (Core2DbusChip *chip)
{
  g_autofree char *today = ctl_text_steps (chip);
  g_autofree char *age = ctl_format_age (core2_dbus_chip_get_steps_updated (chip), ctl_now ());

  ctl_text_print_heading (chip);
  ctl_print_row ("steps", "%s", today);
  ctl_print_row ("total", "%" G_GUINT64_FORMAT " since the chip was added",
                 core2_dbus_chip_get_steps_total (chip));
  ctl_print_row ("chip's counter", "%u", core2_dbus_chip_get_steps (chip));
  ctl_print_row ("measured", "%s", age);
}

static gboolean
battery_known (Core2DbusChip *chip)
{
  return core2_dbus_chip_get_battery (chip) <= 100;
}

static void
battery_print (Core2DbusChip *chip)
{
  g_autofree char *text = ctl_text_battery (chip, ctl_now ());
  g_autofree char *age = ctl_format_age (core2_dbus_chip_get_battery_updated (chip), ctl_now ());

  ctl_text_print_heading (chip);
  ctl_print_row ("battery", "%s", text);
  ctl_print_row ("measured", "%s", age);
}

static gboolean
orientation_known (Core2DbusChip *chip)
{
  return core2_dbus_chip_get_orientation_updated (chip) != 0;
}

static void
orientation_print (Core2DbusChip *chip)
{
  g_autofree char *text = ctl_text_orientation (chip, ctl_now ());

  ctl_text_print_heading (chip);
  ctl_print_row ("orientation", "%s", text);
}

static gboolean
read_fresh (CtlContext *context, Core2DbusChip *chip, const char *method, GError **error)
{
  g_autofree char *title = ctl_chip_dup_title (chip);
  g_autofree char *progress = g_strdup_printf ("asking %s ...", title);
  /* Connecting to a chip that is not connected may need a password. */
  CtlAgent *agent = ctl_agent_start (context->client);
  g_autoptr (GVariant) reply = NULL;

  if (agent == NULL)
    ctl_progress_show (progress);
  reply = ctl_client_call (context->client, chip, method, NULL, CTL_RADIO_MS, error);
  ctl_progress_end ();
  ctl_agent_stop (agent);
  return reply != NULL;
}

static gboolean
check_known (const Value *value, Core2DbusChip *chip, GError **error)
{
  g_autofree char *title = NULL;

  if (value->is_known (chip))
    return TRUE;
  title = ctl_chip_dup_full_title (chip);
  g_set_error (error, CTL_ERROR, CTL_EXIT_NO_DATA, "%s: %s", title, value->missing);
  return FALSE;
}

/* One object for one chip; several chips are a list in it. */
static void
print_values (CtlContext *context, const Value *value, GPtrArray *chips)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  gboolean list = chips->len != 1;

  if (!context->json)
    {
      for (guint i = 0; i < chips->len; i++)
        value->print (g_ptr_array_index (chips, i));
      return;
    }

  json_builder_begin_object (builder);
  if (list)
    {
      json_builder_set_member_name (builder, "chips");
      json_builder_begin_array (builder);
    }
  for (guint i = 0; i < chips->len; i++)
    {
      if (list)
        json_builder_begin_object (builder);
      ctl_json_add_identity (builder, g_ptr_array_index (chips, i));
      value->add_json (builder, g_ptr_array_index (chips, i));
      if (list)
        json_builder_end_object (builder);
    }
  if (list)
    json_builder_end_array (builder);
  json_builder_end_object (builder);
  ctl_json_print (builder, FALSE);
}

/* The chips that are meant: the one that is named, else all that were added. */
static GPtrArray *
choose_chips (CtlContext *context, GError **error)
{
  g_autoptr (GPtrArray) chips = NULL;
  Core2DbusChip *chip;

  if (context->chip != NULL)
    return ctl_client_list_named (context->client, context->chip, error);
  chips = ctl_client_list_chips (context->client, TRUE);
  if (chips->len > 1)
    return g_steal_pointer (&chips);
  chip = ctl_client_find_chip (context->client, NULL, error);
  if (chip == NULL)
    return NULL;
  g_ptr_array_set_size (chips, 0);
  g_ptr_array_add (chips, chip);
  return g_steal_pointer (&chips);
}

/*
 * Chips that have no value are told on standard error, and the last of them decides the exit
 * code.
 */
static gboolean
show_value (CtlContext *context, const Value *value, GError **error)
{
  g_autoptr (GPtrArray) chips = choose_chips (context, error);
  g_autoptr (GPtrArray) known = g_ptr_array_new ();
  g_autoptr (GError) problem = NULL;

  if (chips == NULL)
    return FALSE;
  for (guint i = 0; i < chips->len; i++)
    {
      Core2DbusChip *chip = g_ptr_array_index (chips, i);
      g_autoptr (GError) local_error = NULL;

      if ((!option_fresh || read_fresh (context, chip, value->method, &local_error))
          && check_known (value, chip, &local_error))
        g_ptr_array_add (known, chip);
      else if (chips->len == 1 || ctl_client_is_interrupted (context->client))
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return FALSE;
        }
      else
        {
          if (problem != NULL)
            ctl_print_error (problem, FALSE);
          g_clear_error (&problem);
          problem = g_steal_pointer (&local_error);
        }
    }

  if (known->len > 0)
    print_values (context, value, context->json ? chips : known);
  if (problem != NULL && known->len > 0)
    ctl_print_error (problem, FALSE);
  else if (problem != NULL)
    g_propagate_error (error, g_steal_pointer (&problem));
  return known->len > 0;
}

gboolean
ctl_verb_steps (CtlContext *context, GError **error)
{
  static const Value value
      = { "ReadSteps", steps_known, steps_print, ctl_json_add_steps,
          "no steps have been read yet.\n"
          "Shake the chip so that core2d can connect, or ask it now with --fresh." };

  return show_value (context, &value, error);
}

gboolean
ctl_verb_battery (CtlContext *context, GError **error)
{
  static const Value value
      = { "ReadBattery", battery_known, battery_print, ctl_json_add_battery,
          "its battery is not known.\n"
          "The chip sometimes has no answer, a fault of its firmware. Ask it now with --fresh." };

  return show_value (context, &value, error);
}

gboolean
ctl_verb_orientation (CtlContext *context, GError **error)
{
  static const Value value
      = { "ReadOrientation", orientation_known, orientation_print, ctl_json_add_orientation,
          "no orientation has been read yet.\n"
          "Ask the chip now with --fresh, or keep it coming with \"core2ctl watch\"." };

  return show_value (context, &value, error);
}
