/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "ctl-text.h"
#include "ctl-watch.h"

#define BUCKETS_A_MINUTE (60 / CTL_SERIES_BUCKET_S)

/* Lines that a chip's block takes: a heading, the dial's lines, an empty one. */
#define BLOCK_LINES (CTL_DIAL_ROWS + 2)

/* What stands left of a block's text: the dial, and two blanks on each side. */
#define DIAL_WIDTH (CTL_DIAL_COLUMNS + 4)

/* Blocks stand beside each other where each has at least so many columns. */
#define BLOCK_WIDTH 64

/* With fewer columns of text a block says less, so that nothing important is cut off. */
#define WIDE_TEXT 50

typedef struct
{
  guint64 now;
  guint width; /* of one block */
  gboolean utf8;
} Frame;

static guint
text_width (const Frame *frame)
{
  return frame->width - MIN (frame->width, DIAL_WIDTH);
}

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

static gboolean
is_counted (Core2DbusChip *chip)
{
  return core2_dbus_chip_get_steps_updated (chip) != 0
         || core2_dbus_chip_get_steps_total (chip) != 0;
}

static char *
steps_line (Core2DbusChip *chip, const Frame *frame)
{
  guint today = core2_dbus_chip_get_steps_today (chip);
  guint goal = core2_dbus_chip_get_daily_goal (chip);
  guint room = text_width (frame);
  g_autofree char *count = NULL;
  g_autofree char *percent = NULL;
  g_autofree char *bar = NULL;
  guint used;

  if (!is_counted (chip))
    return g_strdup ("no steps counted yet");
  if (goal == 0)
    return g_strdup_printf ("%s%u%s steps today", ctl_style (stdout, CTL_STYLE_BOLD), today,
                            ctl_style (stdout, CTL_STYLE_NONE));
  count = g_strdup_printf (" of %u %stoday", goal, room < WIDE_TEXT ? "" : "steps ");
  percent = g_strdup_printf ("%3" G_GUINT64_FORMAT " %%", (guint64) today * 100 / goal);
  used = (guint) (snprintf (NULL, 0, "%u", today) + (int) strlen (count) + (int) strlen (percent));
  /* A bar of fewer than four columns tells nothing. */
  if (room >= used + 4 + 4)
    bar = ctl_format_bar (today, goal, MIN (room - used - 4, 40), frame->utf8);
  return g_strdup_printf ("%s%u%s%s  %s%s%s%s%s", ctl_style (stdout, CTL_STYLE_BOLD), today,
                          ctl_style (stdout, CTL_STYLE_NONE), count,
                          ctl_style (stdout, CTL_STYLE_GOOD), bar != NULL ? bar : "",
                          ctl_style (stdout, CTL_STYLE_NONE), bar != NULL ? "  " : "", percent);
}

static char *
cadence_line (const CtlWatchChip *self, const Frame *frame)
{
  guint room = text_width (frame);
  gboolean wide = room >= WIDE_TEXT;
  /* Beside the words; where there is room, whole minutes. */
  guint buckets = room - MIN (room, wide ? 28 : 9);
  g_autofree char *line = NULL;
  g_autofree char *span = NULL;

  buckets = MIN (buckets, CTL_SERIES_LENGTH);
  if (wide)
    {
      span = g_strdup_printf ("  last %u min", buckets / BUCKETS_A_MINUTE);
      buckets -= buckets % BUCKETS_A_MINUTE;
    }
  line = ctl_series_draw (&self->series, (gint64) frame->now, buckets, frame->utf8);
  return g_strdup_printf ("%3u%s  %s%s%s%s", core2_dbus_chip_get_cadence (self->chip),
                          wide ? " a minute" : "/min", ctl_style (stdout, CTL_STYLE_GOOD), line,
                          ctl_style (stdout, CTL_STYLE_NONE), span != NULL ? span : "");
}

static CtlStyle
battery_style (Core2DbusChip *chip)
{
  guint percent = core2_dbus_chip_get_battery (chip);

  return percent <= 10 ? CTL_STYLE_BAD : percent <= 20 ? CTL_STYLE_WARN : CTL_STYLE_NONE;
}

static char *
values_line (Core2DbusChip *chip, const Frame *frame)
{
  g_autofree char *battery = ctl_text_battery (chip, frame->now);
  g_autofree char *orientation = NULL;
  gboolean wide = text_width (frame) >= WIDE_TEXT;
  gboolean known;
  guint16 x, y;

  get_orientation (chip, &known, &x, &y);
  if (known && wide)
    orientation = ctl_text_orientation (chip, frame->now);
  else if (known)
    orientation = g_strdup_printf ("x %u  y %u", x, y);
  return g_strdup_printf ("%s%s%s%s  %s", wide ? "battery " : "",
                          ctl_style (stdout, battery_style (chip)), battery,
                          ctl_style (stdout, CTL_STYLE_NONE),
                          orientation != NULL ? orientation : "");
}

/* The dial on the left, four lines of text beside it; as many lines as BLOCK_LINES. */
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

/* Blocks in @columns columns, filled row by row; the last empty line is left out. */
static void
append_blocks (GPtrArray *lines, GPtrArray *chips, guint columns, Frame frame)
{
  frame.width /= columns;
  for (guint first = 0; first < chips->len; first += columns)
    {
      GString *row[BLOCK_LINES];

      for (guint i = 0; i < BLOCK_LINES; i++)
        row[i] = g_string_new (NULL);
      for (guint column = 0; column < columns && first + column < chips->len; column++)
        {
          g_autoptr (GPtrArray) block = g_ptr_array_new_with_free_func (g_free);

          append_block (block, g_ptr_array_index (chips, first + column), &frame);
          for (guint i = 0; i < BLOCK_LINES; i++)
            {
              /* Two columns keep neighbours apart. */
              g_autofree char *cell
                  = ctl_format_fit (g_ptr_array_index (block, i),
                                    columns == 1 ? frame.width : frame.width - 2);

              g_string_append_printf (row[i], "%s%s", cell, columns == 1 ? "" : "  ");
            }
        }
      for (guint i = 0; i < BLOCK_LINES; i++)
        g_ptr_array_add (lines, g_string_free (row[i], FALSE));
    }
  if (chips->len > 0)
    g_ptr_array_set_size (lines, (int) lines->len - 1);
}

/* The fewest columns of blocks in which all of @n chips fit @height lines; 0 when they do not. */
static guint
choose_columns (guint n, guint width, guint height)
{
  for (guint columns = 1; columns == 1 || columns * BLOCK_WIDTH <= width; columns++)
    if ((n + columns - 1) / columns * BLOCK_LINES <= height + 1)
      return columns;
  return 0;
}

/* One chip in one line of a table, whose first column is @title_width wide. */
static char *
single_line (const CtlWatchChip *self, guint title_width, const Frame *frame)
{
  g_autofree char *name = ctl_chip_dup_title (self->chip);
  g_autofree char *title = ctl_format_fit (name, title_width);
  g_autofree char *steps = NULL;
  g_autofree char *percent = NULL;
  g_autofree char *battery = NULL;
  g_autofree char *state = state_line (self->chip);
  guint today = core2_dbus_chip_get_steps_today (self->chip);
  guint goal = core2_dbus_chip_get_daily_goal (self->chip);
  guint level = core2_dbus_chip_get_battery (self->chip);

  steps = is_counted (self->chip) ? g_strdup_printf ("%u", today) : g_strdup ("-");
  percent = goal == 0 ? g_strdup ("")
                      : g_strdup_printf ("%" G_GUINT64_FORMAT " %%", (guint64) today * 100 / goal);
  battery = level > 100 ? g_strdup ("-") : g_strdup_printf ("%u %%", level);
  return g_strdup_printf ("%s%s%s %s %6s %6s %4u/min  %s%5s%s  %s",
                          ctl_style (stdout, ctl_chip_get_style (self->chip)),
                          frame->utf8 ? "●" : "*", ctl_style (stdout, CTL_STYLE_NONE), title, steps,
                          percent, core2_dbus_chip_get_cadence (self->chip),
                          ctl_style (stdout, battery_style (self->chip)), battery,
                          ctl_style (stdout, CTL_STYLE_NONE), state);
}

/* The table for where blocks have no room: as many chips as fit @height lines in all. */
static void
append_table (GPtrArray *lines, GPtrArray *chips, guint height, const Frame *frame)
{
  guint title_width = 4;
  g_autofree char *head = NULL;

  for (guint i = 0; i < chips->len; i++)
    {
      const CtlWatchChip *chip = g_ptr_array_index (chips, i);
      g_autofree char *title = ctl_chip_dup_title (chip->chip);

      title_width = MAX (title_width, ctl_format_columns (title));
    }
  /* The numbers come first where there is little room. */
  title_width = MIN (title_width, MAX (frame->width / 4, 4));

  if (lines->len + 1 + chips->len <= height)
    {
      head = ctl_format_fit ("", title_width);
      g_ptr_array_add (lines, g_strdup_printf ("%s  %s %6s %6s %8s  %5s  %s%s",
                                               ctl_style (stdout, CTL_STYLE_DIM), head, "today",
                                               "goal", "cadence", "batt.", "state",
                                               ctl_style (stdout, CTL_STYLE_NONE)));
    }
  for (guint i = 0; i < chips->len; i++)
    {
      if (lines->len + 1 == height && i + 1 < chips->len)
        {
          g_ptr_array_add (lines, g_strdup_printf ("  and %u more", chips->len - i));
          return;
        }
      g_ptr_array_add (lines, single_line (g_ptr_array_index (chips, i), title_width, frame));
    }
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
  guint room, columns;

  g_ptr_array_add (lines, top_line (&frame));
  if (notice != NULL)
    g_ptr_array_add (lines, g_strdup_printf ("%s%s%s", ctl_style (stdout, CTL_STYLE_WARN), notice,
                                             ctl_style (stdout, CTL_STYLE_NONE)));
  /* An empty line sets the blocks apart from the head. */
  room = height - MIN (height, lines->len + 1);
  columns = choose_columns (chips->len, width, room);
  if (columns > 0)
    {
      g_ptr_array_add (lines, g_strdup (""));
      append_blocks (lines, chips, columns, frame);
    }
  else
    append_table (lines, chips, height, &frame);

  for (guint i = 0; i < MIN (lines->len, height); i++)
    {
      g_autofree char *clipped = ctl_format_clip (g_ptr_array_index (lines, i), width);
      g_string_append_printf (text, "%s%s", i > 0 ? "\n" : "", clipped);
    }
  return g_string_free (text, FALSE);
}
