/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include "ctl-chart.h"

/* A picture for reports: bars side by side on a white ground, in SVG 1.1 without scripts. */

#define WIDTH 900
#define HEIGHT 440
#define LEFT 70
#define RIGHT 24
#define TOP 76
#define BOTTOM 76

#define PLOT_WIDTH (WIDTH - LEFT - RIGHT)
#define PLOT_HEIGHT (HEIGHT - TOP - BOTTOM)

/* Distinguishable also by the colour-blind, and by lightness when printed in grey. */
#define COLOUR_PLAIN "#7aa6d8"
#define COLOUR_REACHED "#1f6f4a"
#define COLOUR_GOAL "#c2571a"
#define COLOUR_TEXT "#24292f"
#define COLOUR_FAINT "#6b7580"
#define COLOUR_GRID "#e3e7eb"

typedef struct
{
  GArray *bars;
  guint days_a_bar;
  double full; /* steps at the top of the plot */
  double tick; /* steps between two lines of the grid */
} Plot;

/* Numbers with a decimal point, whatever the locale is. */
static void
append_number (GString *svg, const char *name, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append_printf (svg, " %s=\"%s\"", name,
                          g_ascii_formatd (text, sizeof text, "%.2f", value));
}

static void
append_text (GString *svg, double x, double y, const char *style, const char *text)
{
  g_autofree char *escaped = g_markup_escape_text (text, -1);

  g_string_append (svg, "<text");
  append_number (svg, "x", x);
  append_number (svg, "y", y);
  g_string_append_printf (svg, " %s>%s</text>\n", style, escaped);
}

static double
get_y (const Plot *plot, double steps)
{
  return TOP + PLOT_HEIGHT * (1 - steps / plot->full);
}

/* A grid of about four lines at round numbers: 1, 2 or 5 times a power of ten. */
static void
choose_scale (Plot *plot)
{
  guint64 most = 1;
  double power;

  for (guint i = 0; i < plot->bars->len; i++)
    {
      const CtlBar *bar = &g_array_index (plot->bars, CtlBar, i);
      most = MAX (most, MAX (bar->steps, bar->goal));
    }
  power = pow (10, floor (log10 (most / 4.0)));
  plot->tick = MAX (power, 1);
  for (guint i = 0; i < 3 && most / plot->tick > 5; i++)
    plot->tick = power * (const double[]){ 2, 5, 10 }[i];
  plot->full = ceil (most / plot->tick) * plot->tick;
}

static void
append_grid (GString *svg, const Plot *plot)
{
  for (guint i = 0; i <= lround (plot->full / plot->tick); i++)
    {
      double steps = i * plot->tick;
      g_autofree char *label = ctl_chart_format_number ((guint64) steps);
      double y = get_y (plot, steps);

      g_string_append (svg, "<line");
      append_number (svg, "x1", LEFT);
      append_number (svg, "x2", WIDTH - RIGHT);
      append_number (svg, "y1", y);
      append_number (svg, "y2", y);
      g_string_append_printf (svg, " stroke=\"%s\"/>\n", steps > 0 ? COLOUR_GRID : COLOUR_FAINT);
      append_text (svg, LEFT - 10, y + 4,
                   "text-anchor=\"end\" font-size=\"12\" fill=\"" COLOUR_FAINT "\"", label);
    }
}

/* The bar's value for who hovers over it, and for screen readers. */
static void
append_title (GString *svg, const Plot *plot, const CtlBar *bar)
{
  g_autofree char *date
      = ctl_chart_format_date (&bar->first, plot->days_a_bar == 1 ? "%a %-d %b %Y" : "%G-W%V");
  g_autofree char *number = ctl_chart_format_number (bar->steps);
  g_autofree char *title
      = g_strdup_printf ("%s: %s steps%s", date, number, bar->estimated ? ", estimated" : "");
  g_autofree char *escaped = g_markup_escape_text (title, -1);

  g_string_append_printf (svg, "<title>%s</title>", escaped);
}

/* A label below every so many bars that they do not touch. */
static void
append_label (GString *svg, const Plot *plot, guint index, double x)
{
  const CtlBar *bar = &g_array_index (plot->bars, CtlBar, index);
  const char *style = "text-anchor=\"middle\" font-size=\"12\" fill=\"" COLOUR_TEXT "\"";
  const char *faint = "text-anchor=\"middle\" font-size=\"11\" fill=\"" COLOUR_FAINT "\"";
  double slot = (double) PLOT_WIDTH / plot->bars->len;
  guint every = MAX ((guint) ceil (46 / slot), 1);
  g_autofree char *day = NULL;
  g_autofree char *week = NULL;

  /* Counted from the end: the newest bar has one. */
  if ((plot->bars->len - 1 - index) % every != 0)
    return;
  day = ctl_chart_format_date (&bar->first, "%-d %b");
  week = ctl_chart_format_date (&bar->first, plot->days_a_bar == 7 ? "W%V"
                                             : plot->bars->len <= 31 ? "%a" : "%Y");
  append_text (svg, x, HEIGHT - BOTTOM + 18, style, day);
  append_text (svg, x, HEIGHT - BOTTOM + 33, faint, week);
}

static void
append_bars (GString *svg, const Plot *plot)
{
  double slot = (double) PLOT_WIDTH / plot->bars->len;
  double width = MIN (slot * 0.72, 56);

  for (guint i = 0; i < plot->bars->len; i++)
    {
      const CtlBar *bar = &g_array_index (plot->bars, CtlBar, i);
      gboolean reached = bar->goal > 0 && bar->steps >= bar->goal;
      double x = LEFT + slot * (i + 0.5);
      double y = get_y (plot, (double) bar->steps);

      if (bar->steps > 0)
        {
          g_string_append (svg, "<rect");
          append_number (svg, "x", x - width / 2);
          append_number (svg, "y", y);
          append_number (svg, "width", width);
          append_number (svg, "height", TOP + PLOT_HEIGHT - y);
          append_number (svg, "rx", MIN (width / 6, 4));
          g_string_append_printf (svg, " fill=\"%s\"%s>", reached ? COLOUR_REACHED : COLOUR_PLAIN,
                                  bar->estimated ? " fill-opacity=\"0.6\"" : "");
          append_title (svg, plot, bar);
          g_string_append (svg, "</rect>\n");
        }
      append_label (svg, plot, i, x);
    }
}

/* The goal as a line that follows its changes; it is broken where there was none. */
static void
append_goal (GString *svg, const Plot *plot)
{
  double slot = (double) PLOT_WIDTH / plot->bars->len;

  for (guint i = 0; i < plot->bars->len; i++)
    {
      const CtlBar *bar = &g_array_index (plot->bars, CtlBar, i);

      if (bar->goal == 0)
        continue;
      g_string_append (svg, "<line");
      append_number (svg, "x1", LEFT + slot * i);
      append_number (svg, "x2", LEFT + slot * (i + 1));
      append_number (svg, "y1", get_y (plot, (double) bar->goal));
      append_number (svg, "y2", get_y (plot, (double) bar->goal));
      g_string_append (svg, " stroke=\"" COLOUR_GOAL "\" stroke-width=\"1.5\" "
                            "stroke-dasharray=\"6 4\"/>\n");
    }
}

/* A coloured square and what it stands for; returns where the next one begins. */
static double
append_key (GString *svg, double x, const char *shape, const char *text)
{
  double y = HEIGHT - 16;

  g_string_append (svg, "<rect");
  append_number (svg, "x", x);
  append_number (svg, "y", y - 10);
  g_string_append_printf (svg, " width=\"12\" height=\"%s/>\n", shape);
  append_text (svg, x + 18, y, "font-size=\"12\" fill=\"" COLOUR_FAINT "\"", text);
  return x + 18 + 7.0 * (double) g_utf8_strlen (text, -1) + 22;
}

static void
append_keys (GString *svg, CtlDays *days)
{
  CtlSummary summary = ctl_days_get_summary (days);
  double x = LEFT;

  if (summary.n_goal > 0)
    {
      x = append_key (svg, x, "12\" rx=\"2\" fill=\"" COLOUR_REACHED "\"", "goal reached");
      x = append_key (svg, x, "12\" rx=\"2\" fill=\"" COLOUR_PLAIN "\"", "not reached");
      x = append_key (svg, x, "2\" transform=\"translate(0 5)\" fill=\"" COLOUR_GOAL "\"", "goal");
    }
  if (summary.estimated)
    append_key (svg, x, "12\" rx=\"2\" fill=\"" COLOUR_PLAIN "\" fill-opacity=\"0.6\"",
                "paler: some steps estimated");
}

char *
ctl_chart_draw_svg (CtlDays *days, guint days_a_bar, const char *title)
{
  Plot plot = { .days_a_bar = days_a_bar };
  g_autoptr (GArray) bars = ctl_days_get_bars (days, days_a_bar);
  g_autofree char *summary = ctl_chart_summarize (days, "  ·  ");
  g_autofree char *from = ctl_chart_format_date (&days->first, "%-d %B %Y");
  g_autofree char *to = NULL;
  g_autofree char *heading = NULL;
  GDate last = days->first;
  GString *svg = g_string_new (NULL);

  g_date_add_days (&last, days->n - 1);
  to = ctl_chart_format_date (&last, "%-d %B %Y");
  heading = g_strdup_printf ("%s%sSteps, %s – %s", title != NULL ? title : "",
                             title != NULL ? ": " : "", from, to);
  plot.bars = bars;
  choose_scale (&plot);

  g_string_append_printf (
      svg,
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
      "viewBox=\"0 0 %d %d\" role=\"img\" font-family=\"Cantarell, 'DejaVu Sans', sans-serif\">\n"
      "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n",
      WIDTH, HEIGHT, WIDTH, HEIGHT);
  append_text (svg, LEFT, 34, "font-size=\"19\" font-weight=\"bold\" fill=\"" COLOUR_TEXT "\"",
               heading);
  append_text (svg, LEFT, 56, "font-size=\"13\" fill=\"" COLOUR_FAINT "\"", summary);
  append_grid (svg, &plot);
  append_bars (svg, &plot);
  append_goal (svg, &plot);
  append_keys (svg, days);
  g_string_append (svg, "</svg>\n");
  return g_string_free (svg, FALSE);
}
