/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "ctl-text.h"
#include "ctl-watch.h"

static char *
describe (const CtlEvent *event)
{
  Core2DbusChip *chip = event->chip;

  switch (event->kind)
    {
    case CTL_EVENT_CHIP:
      {
        g_autofree char *state = ctl_text_state (chip);
        g_autofree char *steps = ctl_text_steps (chip);
        g_autofree char *battery = ctl_text_battery (chip, event->time);

        return g_strdup_printf ("%s; steps %s; battery %s", state, steps, battery);
      }
    case CTL_EVENT_GONE:
      return g_strdup ("removed");
    case CTL_EVENT_STATE:
      return ctl_text_state (chip);
    case CTL_EVENT_STEPS:
      {
        g_autofree char *steps = ctl_text_steps (chip);
        return g_strdup_printf ("steps +%u: %s", event->change, steps);
      }
    case CTL_EVENT_BATTERY:
      {
        g_autofree char *battery = ctl_text_battery (chip, event->time);
        return g_strdup_printf ("battery %s", battery);
      }
    case CTL_EVENT_ORIENTATION:
      return g_strdup_printf ("orientation x %u  y %u (raw)", event->x, event->y);
    case CTL_EVENT_RESET:
      return g_strdup_printf ("the chip's counter went from %u to %u (%s)", event->steps,
                              event->change, event->reason);
    case CTL_EVENT_DAEMON_GONE:
      return g_strdup ("core2d has stopped; waiting for it");
    case CTL_EVENT_DAEMON_BACK:
      return g_strdup ("core2d is back");
    }
  return g_strdup ("");
}

gboolean
ctl_watch_print_text (const CtlEvent *event)
{
  g_autoptr (GDateTime) time
      = g_date_time_new_from_unix_local ((gint64) (event->time / G_USEC_PER_SEC));
  g_autofree char *clock = time == NULL ? NULL : g_date_time_format (time, "%H:%M:%S");
  g_autofree char *title = event->chip == NULL ? NULL : ctl_chip_dup_title (event->chip);
  g_autofree char *text = describe (event);

  printf ("%s  %s%s%s\n", clock != NULL ? clock : "", title != NULL ? title : "",
          title != NULL ? ": " : "", text);
  return fflush (stdout) == 0;
}

static const char *
event_name (CtlEventKind kind)
{
  switch (kind)
    {
    case CTL_EVENT_CHIP:
      return "chip";
    case CTL_EVENT_GONE:
      return "removed";
    case CTL_EVENT_STATE:
      return "state";
    case CTL_EVENT_STEPS:
      return "steps";
    case CTL_EVENT_BATTERY:
      return "battery";
    case CTL_EVENT_ORIENTATION:
      return "orientation";
    case CTL_EVENT_RESET:
      return "counter_reset";
    case CTL_EVENT_DAEMON_GONE:
      return "daemon_gone";
    case CTL_EVENT_DAEMON_BACK:
      return "daemon_back";
    }
  return "other";
}

static void
add_details (JsonBuilder *builder, const CtlEvent *event)
{
  switch (event->kind)
    {
    case CTL_EVENT_CHIP:
      ctl_json_add_connection (builder, event->chip);
      ctl_json_add_battery (builder, event->chip);
      ctl_json_add_steps (builder, event->chip);
      ctl_json_add_orientation (builder, event->chip);
      break;
    case CTL_EVENT_STATE:
      ctl_json_add_connection (builder, event->chip);
      break;
    case CTL_EVENT_STEPS:
      ctl_json_add_steps (builder, event->chip);
      ctl_json_add_uint (builder, "delta", TRUE, event->change);
      break;
    case CTL_EVENT_BATTERY:
      ctl_json_add_battery (builder, event->chip);
      break;
    case CTL_EVENT_ORIENTATION:
      json_builder_set_member_name (builder, "orientation");
      json_builder_begin_object (builder);
      ctl_json_add_uint (builder, "x", TRUE, event->x);
      ctl_json_add_uint (builder, "y", TRUE, event->y);
      json_builder_end_object (builder);
      break;
    case CTL_EVENT_RESET:
      ctl_json_add_uint (builder, "before", TRUE, event->steps);
      ctl_json_add_uint (builder, "after", TRUE, event->change);
      ctl_json_add_string (builder, "reason", event->reason);
      break;
    case CTL_EVENT_GONE:
    case CTL_EVENT_DAEMON_GONE:
    case CTL_EVENT_DAEMON_BACK:
      break;
    }
}

gboolean
ctl_watch_print_json (const CtlEvent *event)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  ctl_json_add_time (builder, "time", event->time);
  ctl_json_add_string (builder, "event", event_name (event->kind));
  if (event->chip != NULL)
    ctl_json_add_identity (builder, event->chip);
  add_details (builder, event);
  json_builder_end_object (builder);
  return ctl_json_print (builder, TRUE);
}
