/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "ctl-agent.h"
#include "ctl-error.h"
#include "ctl-format.h"
#include "ctl-sum.h"
#include "ctl-text.h"

/* today and goal: what the person did, and wants to do, whatever the number of chips. */

#define BAR_WIDTH 40

static gboolean
is_counted (Core2DbusChip *chip)
{
  return core2_dbus_chip_get_steps_updated (chip) != 0
         || core2_dbus_chip_get_steps_total (chip) != 0;
}

/* The goal of a person is the largest that any chip has; 0 is none. */
static guint
find_goal (GPtrArray *chips)
{
  guint goal = 0;

  for (guint i = 0; i < chips->len; i++)
    goal = MAX (goal, core2_dbus_chip_get_daily_goal (g_ptr_array_index (chips, i)));
  return goal;
}

static void
print_today_json (GPtrArray *chips, guint64 steps, guint goal, gboolean pair)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  ctl_json_add_uint (builder, "steps_today", TRUE, steps);
  ctl_json_add_uint (builder, "daily_goal", goal != 0, goal);
  ctl_json_add_uint (builder, "goal_percent", goal != 0, goal == 0 ? 0 : steps * 100 / goal);
  ctl_json_add_bool (builder, "pair_counted_once", pair);
  json_builder_set_member_name (builder, "chips");
  json_builder_begin_array (builder);
  for (guint i = 0; i < chips->len; i++)
    {
      json_builder_begin_object (builder);
      ctl_json_add_identity (builder, g_ptr_array_index (chips, i));
      ctl_json_add_steps (builder, g_ptr_array_index (chips, i));
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  ctl_json_print (builder, FALSE);
}

static void
print_today (GPtrArray *chips, guint64 steps, guint goal, gboolean pair)
{
  printf ("%s%" G_GUINT64_FORMAT "%s step%s today", ctl_style (stdout, CTL_STYLE_BOLD), steps,
          ctl_style (stdout, CTL_STYLE_NONE), steps == 1 ? "" : "s");
  if (goal != 0)
    {
      g_autofree char *bar = ctl_format_bar (steps, goal, BAR_WIDTH, ctl_is_utf8 ());

      printf (", %" G_GUINT64_FORMAT " %% of %u\n%s%s%s", steps * 100 / goal, goal,
              ctl_style (stdout, CTL_STYLE_GOOD), bar, ctl_style (stdout, CTL_STYLE_NONE));
    }
  putchar ('\n');
  for (guint i = 0; i < chips->len; i++)
    {
      Core2DbusChip *chip = g_ptr_array_index (chips, i);
      g_autofree char *title = ctl_chip_dup_title (chip);
      g_autofree char *age
          = ctl_format_age (core2_dbus_chip_get_steps_updated (chip), ctl_now ());

      if (is_counted (chip))
        ctl_print_row (title, "%u, measured %s", core2_dbus_chip_get_steps_today (chip), age);
      else
        ctl_print_row (title, "none counted yet");
    }
  if (pair)
    puts ("Left and right count the same walk: the larger of the two is shown.");
}

gboolean
ctl_verb_today (CtlContext *context, GError **error)
{
  g_autoptr (GPtrArray) chips = ctl_client_list_added (context->client, error);
  CtlSum sum = { 0 };
  gboolean counted = FALSE;

  if (chips == NULL)
    return FALSE;
  for (guint i = 0; i < chips->len; i++)
    {
      Core2DbusChip *chip = g_ptr_array_index (chips, i);

      counted |= is_counted (chip);
      ctl_sum_add (&sum, core2_dbus_chip_get_side (chip), core2_dbus_chip_get_steps_today (chip));
    }
  if (!counted)
    {
      g_set_error_literal (error, CTL_ERROR, CTL_EXIT_NO_DATA,
                           "no steps have been counted yet.\n"
                           "Shake a chip so that core2d can connect, and walk.");
      return FALSE;
    }

  if (context->json)
    print_today_json (chips, ctl_sum_get (&sum), find_goal (chips), ctl_sum_is_pair (&sum));
  else
    print_today (chips, ctl_sum_get (&sum), find_goal (chips), ctl_sum_is_pair (&sum));
  return TRUE;
}

static gboolean
set_goals (CtlContext *context, GPtrArray *chips, GError **error)
{
  g_autoptr (GVariant) value = ctl_parse_goal (context->args[0], error);

  if (value == NULL)
    return FALSE;
  g_variant_ref_sink (value);
  for (guint i = 0; i < chips->len; i++)
    {
      Core2DbusChip *chip = g_ptr_array_index (chips, i);
      g_autoptr (GVariant) reply = ctl_client_call (context->client, chip, "SetDailyGoal", value,
                                                    CTL_RADIO_MS, error);

      if (reply == NULL || !ctl_client_refresh (context->client, chip, error))
        return FALSE;
    }
  return TRUE;
}

static void
print_goals_json (GPtrArray *chips)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  guint goal = find_goal (chips);

  json_builder_begin_object (builder);
  ctl_json_add_uint (builder, "daily_goal", goal != 0, goal);
  json_builder_set_member_name (builder, "chips");
  json_builder_begin_array (builder);
  for (guint i = 0; i < chips->len; i++)
    {
      Core2DbusChip *chip = g_ptr_array_index (chips, i);

      goal = core2_dbus_chip_get_daily_goal (chip);
      json_builder_begin_object (builder);
      ctl_json_add_identity (builder, chip);
      ctl_json_add_uint (builder, "daily_goal", goal != 0, goal);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  ctl_json_print (builder, FALSE);
}

gboolean
ctl_verb_goal (CtlContext *context, GError **error)
{
  CtlAgent *agent = NULL;
  /* Without a name all: a person has one goal, however many chips count for it. */
  g_autoptr (GPtrArray) chips
      = ctl_client_list_named (context->client, context->chip, error);
  gboolean done = TRUE;

  if (chips == NULL)
    return FALSE;
  if (context->n_args == 1)
    {
      /* Only a change may need a password. */
      agent = ctl_agent_start (context->client);
      done = set_goals (context, chips, error);
      ctl_agent_stop (agent);
    }
  if (!done)
    return FALSE;

  if (context->json)
    print_goals_json (chips);
  else
    for (guint i = 0; i < chips->len; i++)
      {
        Core2DbusChip *chip = g_ptr_array_index (chips, i);
        g_autofree char *title = ctl_chip_dup_title (chip);
        guint goal = core2_dbus_chip_get_daily_goal (chip);

        if (goal != 0)
          ctl_print_row (title, "%u steps a day", goal);
        else
          ctl_print_row (title, "no goal");
      }
  return TRUE;
}
