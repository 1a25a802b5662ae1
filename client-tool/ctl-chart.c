/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-chart.h"

#include <stdio.h>
#include <string.h>

#include "ctl-format.h"

char *
ctl_chart_format_number (guint64 number)
{
  GString *text = g_string_new (NULL);

  g_string_printf (text, "%" G_GUINT64_FORMAT, number);
  for (gssize i = (gssize) text->len - 3; i > 0; i -= 3)
    g_string_insert_c (text, i, ' ');
  return g_string_free (text, FALSE);
}

char *
ctl_chart_format_date (const GDate *date, const char *format)
{
  char text[128];

  return g_strndup (text, g_date_strftime (text, sizeof text, format, date));
}

char *
ctl_chart_summarize (CtlDays *days, const char *separator)
{
  CtlSummary summary = ctl_days_get_summary (days);
  GString *text = g_string_new (NULL);
  g_autofree char *steps = ctl_chart_format_number (summary.steps);
  g_autofree char *average = ctl_chart_format_number (summary.average);

  g_string_printf (text, "%s steps", steps);
  if (summary.n_known > 1)
    {
      g_autofree char *best = ctl_chart_format_number (summary.best.steps);
      g_autofree char *date = ctl_chart_format_date (&summary.best.first, "%a %-d %b");

      g_string_append_printf (text, "%s%s a day on %u days%smost on %s: %s", separator, average,
                              summary.n_known, separator, date, best);
    }
  if (summary.n_goal > 0)
    g_string_append_printf (text, "%sgoal reached on %u of %u day%s", separator, summary.n_reached,
                            summary.n_goal, summary.n_goal == 1 ? "" : "s");
  return g_string_free (text, FALSE);
}

static char *
format_label (const CtlBar *bar, guint days_a_bar)
{
  return ctl_chart_format_date (&bar->first, days_a_bar == 1 ? "%a %e %b" : "%G-W%V");
}

/* A bar of @width columns for all of @most, in steps of an eighth of a column. */
static void
append_bar (GString *text, guint64 steps, guint64 most, guint width, gboolean utf8)
{
  static const char *const eighths[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
  guint64 parts = most == 0 ? 0 : (steps * width * 8 + most / 2) / most;

  /* What is not nothing is seen. */
  if (steps > 0)
    parts = MAX (parts, 1);
  for (guint64 i = 0; i < parts / 8; i++)
    g_string_append (text, utf8 ? "█" : "#");
  if (utf8)
    g_string_append (text, eighths[parts % 8]);
  else if (parts > 0 && parts < 8)
    g_string_append_c (text, '#');
}

static CtlStyle
bar_style (const CtlBar *bar)
{
  return bar->goal > 0 && bar->steps >= bar->goal ? CTL_STYLE_GOOD : CTL_STYLE_NONE;
}

/* Appends lines of at most @width columns, broken at blanks that follow @mark, "" for all of them. A
 * part that is longer has a line of its own. */
static void
append_wrapped (GString *text, const char *sentence, const char *mark, guint width)
{
  g_autofree char *separator = g_strconcat (mark, " ", NULL);
  g_auto (GStrv) parts = g_strsplit (sentence, separator, -1);
  guint used = 0;

  for (guint i = 0; parts[i] != NULL; i++)
    {
      gboolean last = parts[i + 1] == NULL;
      guint columns = ctl_format_columns (parts[i]) + (last ? 0 : (guint) strlen (mark));

      if (used > 0 && used + 1 + columns > width)
        {
          g_string_append_c (text, '\n');
          used = 0;
        }
      g_string_append_printf (text, "%s%s%s", used > 0 ? " " : "", parts[i], last ? "" : mark);
      used += columns + (used > 0);
    }
  g_string_append_c (text, '\n');
}

char *
ctl_chart_draw_text (CtlDays *days, guint days_a_bar, guint width, gboolean utf8)
{
  g_autoptr (GArray) bars = ctl_days_get_bars (days, days_a_bar);
  g_autoptr (GPtrArray) labels = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *summary = ctl_chart_summarize (days, "; ");
  GString *text = g_string_new (NULL);
  guint64 most = 0;
  const guint full_width = width;
  guint label_width = 0;
  guint number_width = 1;
  gboolean estimated = FALSE;

  for (guint i = 0; i < bars->len; i++)
    {
      const CtlBar *bar = &g_array_index (bars, CtlBar, i);
      g_autofree char *number = ctl_chart_format_number (bar->steps);

      g_ptr_array_add (labels, format_label (bar, days_a_bar));
      label_width = MAX (label_width, ctl_format_columns (g_ptr_array_index (labels, i)));
      number_width = MAX (number_width, (guint) strlen (number));
      most = MAX (most, bar->steps);
      estimated |= bar->estimated;
    }
  /* Blanks around the number, and a mark behind it. */
  width -= MIN (width, label_width + number_width + 4);
  width = MAX (width, 4);

  for (guint i = 0; i < bars->len; i++)
    {
      const CtlBar *bar = &g_array_index (bars, CtlBar, i);
      g_autofree char *label = ctl_format_fit (g_ptr_array_index (labels, i), label_width);
      g_autofree char *number
          = bar->n_known > 0 ? ctl_chart_format_number (bar->steps) : g_strdup ("-");

      g_string_append_printf (text, "%s  %*s%s %s", label, (int) number_width, number,
                              bar->estimated ? "~" : " ", ctl_style (stdout, bar_style (bar)));
      append_bar (text, bar->steps, most, width, utf8);
      g_string_append_printf (text, "%s\n",
                              bar_style (bar) == CTL_STYLE_NONE
                                  ? ""
                                  : ctl_style (stdout, CTL_STYLE_NONE));
    }
  g_string_append_c (text, '\n');
  append_wrapped (text, summary, ";", full_width);
  if (estimated)
    append_wrapped (text,
                    "~ some steps were made while a chip was away, perhaps on the day before or "
                    "after",
                    "", full_width);
  return g_string_free (text, FALSE);
}

static void
add_date (JsonBuilder *builder, const char *name, const GDate *date)
{
  g_autofree char *text = ctl_chart_format_date (date, "%Y-%m-%d");

  ctl_json_add_string (builder, name, text);
}

static void
add_bar (JsonBuilder *builder, const CtlBar *bar, guint days_a_bar)
{
  if (days_a_bar == 1)
    add_date (builder, "date", &bar->first);
  else
    {
      g_autofree char *week = ctl_chart_format_date (&bar->first, "%G-W%V");

      ctl_json_add_string (builder, "week", week);
      add_date (builder, "first_day", &bar->first);
      ctl_json_add_uint (builder, "days_counted", TRUE, bar->n_known);
    }
  ctl_json_add_uint (builder, "steps", bar->n_known > 0, bar->steps);
  ctl_json_add_uint (builder, "goal", bar->goal > 0, bar->goal);
  ctl_json_add_bool (builder, "estimated", bar->estimated);
}

/* What each chip counted on one day; a chip that recorded nothing has null. */
static void
add_chips (JsonBuilder *builder, CtlDays *days, guint index)
{
  json_builder_set_member_name (builder, "chips");
  json_builder_begin_array (builder);
  for (guint i = 0; i < days->chips->len; i++)
    {
      const CtlDay *day = ctl_days_get (days, i, index);

      json_builder_begin_object (builder);
      ctl_json_add_identity (builder, g_ptr_array_index (days->chips, i));
      ctl_json_add_uint (builder, "steps", day->known, day->steps);
      ctl_json_add_bool (builder, "estimated", day->estimated);
      ctl_json_add_uint (builder, "counter_resets", day->known, day->resets);
      ctl_json_add_uint (builder, "suspect_steps", day->known, day->suspect);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

static void
add_summary (JsonBuilder *builder, CtlDays *days)
{
  CtlSummary summary = ctl_days_get_summary (days);

  ctl_json_add_uint (builder, "steps", summary.n_known > 0, summary.steps);
  ctl_json_add_uint (builder, "average", summary.n_known > 0, summary.average);
  ctl_json_add_uint (builder, "days_counted", TRUE, summary.n_known);
  ctl_json_add_uint (builder, "days_with_goal", TRUE, summary.n_goal);
  ctl_json_add_uint (builder, "days_goal_reached", TRUE, summary.n_reached);
}

void
ctl_chart_print_json (CtlDays *days, guint days_a_bar)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (GArray) bars = ctl_days_get_bars (days, days_a_bar);
  GDate last = days->first;

  g_date_add_days (&last, days->n - 1);
  json_builder_begin_object (builder);
  add_date (builder, "first", &days->first);
  add_date (builder, "last", &last);
  add_summary (builder, days);
  json_builder_set_member_name (builder, days_a_bar == 1 ? "days" : "weeks");
  json_builder_begin_array (builder);
  for (guint i = 0; i < bars->len; i++)
    {
      json_builder_begin_object (builder);
      add_bar (builder, &g_array_index (bars, CtlBar, i), days_a_bar);
      if (days_a_bar == 1)
        add_chips (builder, days, i);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  ctl_json_print (builder, FALSE);
}
