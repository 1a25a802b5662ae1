/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "ctl-text.h"
#include "ctl-watch.h"

#define BUCKETS_A_MINUTE (60 / CTL_SERIES_BUCKET_S)

/* Lines that a chip's block takes: a heading, the dial's lines, an empty one. */
#define BLOCK_LINES (CTL_DIAL_ROWS + 2)

typedef struct
{
  guint64 now;
  guint width;
  gboolean utf8;
} Frame;

static void
get_orientation (Core2DbusChip *chip, gboolean *known, guint16 *x, guint16 *y)
{
  GVariant *pair = core2_dbus_chip_get_orientation (chip);

  *known = pair != NULL && core2_dbus_chip_get_orientation_updated (chip) != 0;
  *x = 0;
  *y = 0;
  if (*known)
    g_variant_get (pair, "(qq)", x, y);
}

static char *
heading_line (Core2DbusChip *chip, const Frame *frame)
{
  g_autofree char *title = ctl_chip_dup_title (chip);
  const char *side = core2_dbus_chip_get_side (chip);
  gboolean sided = g_strcmp0 (side, "left") == 0 || g_strcmp0 (side, "right") == 0;

  return g_strdup_printf ("%s%s%s %s%s%s  %s%s%s%s%s",
                          ctl_style (stdout, ctl_chip_get_style (chip)), frame->utf8 ? "●" : "*",
                          ctl_style (stdout, CTL_STYLE_NONE), ctl_style (stdout, CTL_STYLE_BOLD),
                          title, ctl_style (stdout, CTL_STYLE_NONE),
                          ctl_style (stdout, CTL_STYLE_DIM), sided ? side : "", sided ? "  " : "",
                          core2_dbus_chip_get_address (chip), ctl_style (stdout, CTL_STYLE_NONE));
}

static char *
state_line (Core2DbusChip *chip)
{
  g_autofree char *state = ctl_text_state (chip);

  return g_strdup_printf ("%s%s%s", ctl_style (stdout, ctl_chip_get_style (chip)), state,
                          ctl_style (stdout, CTL_STYLE_NONE));
}

static char *
steps_line (Core2DbusChip *chip, const Frame *frame)
{
  guint today = core2_dbus_chip_get_steps_today (chip);
  guint goal = core2_dbus_chip_get_daily_goal (chip);
  g_autofree char *bar = NULL;

  if (core2_dbus_chip_get_steps_updated (chip) == 0
      && core2_dbus_chip_get_steps_total (chip) == 0)
    return g_strdup ("no steps counted yet");
  if (goal == 0)
    return g_strdup_printf ("%s%u%s steps today", ctl_style (stdout, CTL_STYLE_BOLD), today,
                            ctl_style (stdout, CTL_STYLE_NONE));
  bar = ctl_format_bar (today, goal, CLAMP (frame->width, 60, 90) - 50, frame->utf8);
  return g_strdup_printf ("%s%u%s of %u steps today  %s%s%s  %" G_GUINT64_FORMAT " %%",
                          ctl_style (stdout, CTL_STYLE_BOLD), today,
                          ctl_style (stdout, CTL_STYLE_NONE), goal,
                          ctl_style (stdout, CTL_STYLE_GOOD), bar,
                          ctl_style (stdout, CTL_STYLE_NONE), (guint64) today * 100 / goal);
}

static char *
cadence_line (const CtlWatchChip *self, const Frame *frame)
{
  /* As many whole minutes as fit beside the words. */
  guint room = MIN (frame->width, CTL_SERIES_LENGTH + 40) - MIN (frame->width, 40);
  guint minutes = MAX (room / BUCKETS_A_MINUTE, 1);
  guint buckets = minutes * BUCKETS_A_MINUTE;
  g_autofree char *line = NULL;

  line = ctl_series_draw (&self->series, (gint64) frame->now, buckets, frame->utf8);
  return g_strdup_printf ("%3u a minute  %s%s%s  last %u min",
                          core2_dbus_chip_get_cadence (self->chip),
                          ctl_style (stdout, CTL_STYLE_GOOD), line,
                          ctl_style (stdout, CTL_STYLE_NONE), minutes);
}

static char *
values_line (Core2DbusChip *chip, const Frame *frame)
{
  g_autofree char *battery = ctl_text_battery (chip, frame->now);
  g_autofree char *orientation = ctl_text_orientation (chip, frame->now);
  guint percent = core2_dbus_chip_get_battery (chip);
  gboolean known = core2_dbus_chip_get_orientation_updated (chip) != 0;
  CtlStyle style = percent <= 10 ? CTL_STYLE_BAD : percent <= 20 ? CTL_STYLE_WARN : CTL_STYLE_NONE;

  return g_strdup_printf ("battery %s%s%s  %s", ctl_style (stdout, style), battery,
                          ctl_style (stdout, CTL_STYLE_NONE), known ? orientation : "");
}

/* The dial on the left, four lines of text beside it. */
static void
append_block (GPtrArray *lines, const CtlWatchChip *self, const Frame *frame)
{
  char *text[CTL_DIAL_ROWS];
  g_autofree char *dial = NULL;
  g_auto (GStrv) rows = NULL;
  gboolean known;
  guint16 x, y;

  get_orientation (self->chip, &known, &x, &y);
  dial = ctl_format_dial (known, x, y, ctl_format_dial_scale (self->largest), frame->utf8);
  rows = g_strsplit (dial, "\n", CTL_DIAL_ROWS);
  text[0] = state_line (self->chip);
  text[1] = steps_line (self->chip, frame);
  text[2] = cadence_line (self, frame);
  text[3] = values_line (self->chip, frame);

  g_ptr_array_add (lines, heading_line (self->chip, frame));
  for (guint i = 0; i < CTL_DIAL_ROWS; i++)
    {
      g_ptr_array_add (lines, g_strdup_printf ("  %s  %s", rows[i], text[i]));
      g_free (text[i]);
    }
  g_ptr_array_add (lines, g_strdup (""));
}

static char *
single_line (const CtlWatchChip *self, const Frame *frame)
{
  g_autofree char *title = ctl_chip_dup_title (self->chip);
  g_autofree char *steps = ctl_text_steps (self->chip);
  g_autofree char *battery = ctl_text_battery (self->chip, frame->now);
  g_autofree char *state = state_line (self->chip);

  return g_strdup_printf ("%s%s%s %s: %s; battery %s; %s",
                          ctl_style (stdout, ctl_chip_get_style (self->chip)),
                          frame->utf8 ? "●" : "*", ctl_style (stdout, CTL_STYLE_NONE), title, steps,
                          battery, state);
}

static char *
top_line (const Frame *frame)
{
  g_autoptr (GDateTime) time
      = g_date_time_new_from_unix_local ((gint64) (frame->now / G_USEC_PER_SEC));
  g_autofree char *clock = time == NULL ? g_strdup ("") : g_date_time_format (time, "%H:%M:%S");

  return g_strdup_printf ("%score2ctl watch  %s  q or Ctrl-C ends%s",
                          ctl_style (stdout, CTL_STYLE_DIM), clock,
                          ctl_style (stdout, CTL_STYLE_NONE));
}

char *
ctl_watch_render (GPtrArray *chips, const char *notice, guint64 now, guint width, guint height,
                  gboolean utf8)
{
  Frame frame = { now, width, utf8 };
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
  GString *text = g_string_new (NULL);
  guint head;

  g_ptr_array_add (lines, top_line (&frame));
  if (notice != NULL)
    g_ptr_array_add (lines, g_strdup_printf ("%s%s%s", ctl_style (stdout, CTL_STYLE_WARN), notice,
                                             ctl_style (stdout, CTL_STYLE_NONE)));
  head = lines->len;

  if (height >= head + 1 + chips->len * BLOCK_LINES - 1)
    {
      g_ptr_array_add (lines, g_strdup (""));
      for (guint i = 0; i < chips->len; i++)
        append_block (lines, g_ptr_array_index (chips, i), &frame);
      if (chips->len > 0)
        g_ptr_array_set_size (lines, lines->len - 1);
    }
  else
    for (guint i = 0; i < chips->len; i++)
      {
        if (lines->len + 1 == height && i + 1 < chips->len)
          {
            g_ptr_array_add (lines, g_strdup_printf ("  and %u more", chips->len - i));
            break;
          }
        g_ptr_array_add (lines, single_line (g_ptr_array_index (chips, i), &frame));
      }

  for (guint i = 0; i < MIN (lines->len, height); i++)
    {
      g_autofree char *clipped = ctl_format_clip (g_ptr_array_index (lines, i), width);
      g_string_append_printf (text, "%s%s", i > 0 ? "\n" : "", clipped);
    }
  return g_string_free (text, FALSE);
}
