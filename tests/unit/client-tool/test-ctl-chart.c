/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "ctl-chart.h"
#include "ctl-format.h"

/* @n days from Monday 2026-11-02 on, of a left and a right chip. */
static CtlDays *
make_days (guint n)
{
  GPtrArray *chips = g_ptr_array_new_with_free_func (g_object_unref);
  GDate first;

  for (guint i = 0; i < 2; i++)
    {
      Core2DbusChip *chip = core2_dbus_chip_skeleton_new ();

      core2_dbus_chip_set_address (chip, i == 0 ? "F1:4F:BB:6A:B5:79" : "F1:4F:BB:6A:B5:7A");
      core2_dbus_chip_set_side (chip, i == 0 ? "left" : "right");
      g_ptr_array_add (chips, chip);
    }
  g_date_clear (&first, 1);
  g_date_set_dmy (&first, 2, G_DATE_NOVEMBER, 2026);
  return ctl_days_new (&first, n, chips);
}

static void
set_day (CtlDays *days, guint chip, guint index, guint steps, guint goal)
{
  CtlDay *day = ctl_days_get (days, chip, index);

  day->known = TRUE;
  day->steps = steps;
  day->goal = goal;
}

/* Two weeks; nothing is known of the last day but one. */
static CtlDays *
make_weeks (void)
{
  CtlDays *days = make_days (14);

  for (guint i = 0; i < 14; i++)
    if (i != 12)
      {
        set_day (days, 0, i, 1000 * i, 8000);
        set_day (days, 1, i, 900 * i, 8000);
      }
  ctl_days_get (days, 1, 3)->estimated = TRUE;
  return days;
}

static void
test_sum (void)
{
  g_autoptr (CtlDays) days = make_weeks ();
  CtlBar day = ctl_days_sum (days, 3, 1);
  CtlBar unknown = ctl_days_sum (days, 12, 1);
  CtlBar week = ctl_days_sum (days, 7, 7);
  CtlBar rest = ctl_days_sum (days, 13, 7);

  g_assert_cmpuint (day.steps, ==, 3000); /* not 5700 */
  g_assert_true (day.estimated);
  g_assert_cmpuint (day.goal, ==, 8000);
  g_assert_cmpuint (unknown.n_known, ==, 0);
  g_assert_cmpuint (unknown.steps, ==, 0);
  g_assert_cmpuint (week.n, ==, 7);
  g_assert_cmpuint (week.n_known, ==, 6);
  g_assert_cmpuint (week.steps, ==, 1000 * (7 + 8 + 9 + 10 + 11 + 13));
  g_assert_cmpuint (week.goal, ==, 7 * 8000);
  g_assert_cmpuint (rest.n, ==, 1);
  g_assert_cmpuint (rest.steps, ==, 13000);
}

/* On one day the left chip missed some, on the other the right one. */
static void
test_larger_side_of_each_day (void)
{
  g_autoptr (CtlDays) days = make_days (2);

  set_day (days, 0, 0, 5000, 0);
  set_day (days, 1, 0, 200, 0);
  set_day (days, 0, 1, 300, 0);
  set_day (days, 1, 1, 6000, 0);
  g_assert_cmpuint (ctl_days_sum (days, 0, 2).steps, ==, 11000);
}

static void
test_summary (void)
{
  g_autoptr (CtlDays) days = make_weeks ();
  CtlSummary summary = ctl_days_get_summary (days);
  g_autofree char *text = ctl_chart_summarize (days, "; ");

  g_assert_cmpuint (summary.steps, ==, 79000);
  g_assert_cmpuint (summary.n_known, ==, 13);
  g_assert_cmpuint (summary.average, ==, 6077);
  g_assert_cmpuint (summary.n_goal, ==, 13);
  g_assert_cmpuint (summary.n_reached, ==, 5);
  g_assert_cmpstr (text, ==,
                   "79 000 steps; 6 077 a day on 13 days; most on Sun 15 Nov: 13 000; "
                   "goal reached on 5 of 13 days");
}

static void
test_numbers (void)
{
  static const struct
  {
    guint64 number;
    const char *text;
  } cases[] = {
    { 0, "0" }, { 999, "999" }, { 1000, "1 000" }, { 123456, "123 456" }, { 1234567, "1 234 567" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = ctl_chart_format_number (cases[i].number);
      g_assert_cmpstr (text, ==, cases[i].text);
    }
}

static void
test_text (void)
{
  g_autoptr (CtlDays) days = make_weeks ();
  g_autofree char *text = ctl_chart_draw_text (days, 1, 60, TRUE);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  g_assert_cmpstr (lines[0], ==, "Mon  2 Nov       0  ");
  g_assert_cmpstr (lines[1], ==, "Tue  3 Nov   1 000  ███▏");
  g_assert_nonnull (strstr (lines[3], "   3 000~ █████████"));
  g_assert_cmpstr (lines[12], ==, "Sat 14 Nov       -  ");
  g_assert_cmpuint (ctl_format_columns (lines[13]), ==, 60);
  g_assert_cmpstr (lines[14], ==, "");
  g_assert_cmpstr (lines[15], ==, "79 000 steps; 6 077 a day on 13 days;");
  g_assert_cmpstr (lines[16], ==, "most on Sun 15 Nov: 13 000; goal reached on 5 of 13 days");
  g_assert_cmpstr (lines[17], ==, "~ some steps were made while a chip was away, perhaps on the");
  g_assert_cmpstr (lines[18], ==, "day before or after");
  g_assert_cmpstr (lines[19], ==, "");
}

static void
test_weeks (void)
{
  g_autoptr (CtlDays) days = make_weeks ();
  g_autofree char *text = ctl_chart_draw_text (days, 7, 40, FALSE);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  g_assert_true (g_str_is_ascii (text));
  g_assert_true (g_str_has_prefix (lines[0], "2026-W45  21 000~ #######"));
  g_assert_true (g_str_has_prefix (lines[1], "2026-W46  58 000  ####################"));
  g_assert_cmpuint (strlen (lines[1]), ==, 40);
}

/* Whatever the terminal is like, bars stay within it, and no steps are invisible. */
static void
test_every_width (void)
{
  g_autoptr (CtlDays) days = make_weeks ();

  ctl_days_get (days, 0, 1)->steps = 1;
  ctl_days_get (days, 1, 1)->steps = 0;
  for (guint width = 1; width < 250; width++)
    {
      g_autofree char *text = ctl_chart_draw_text (days, 1, width, width % 2 == 0);
      g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

      for (guint i = 0; i < days->n; i++)
        g_assert_cmpuint (ctl_format_columns (lines[i]), <=, MAX (width, 25));
      for (guint i = days->n; lines[i] != NULL; i++)
        g_assert_cmpuint (ctl_format_columns (lines[i]), <=, MAX (width, 28));
      g_assert_true (g_str_has_suffix (lines[1], width % 2 == 0 ? "▏" : "#"));
    }
}

static void
on_element (GMarkupParseContext *context, const char *element, const char **names,
            const char **values, gpointer user_data, GError **error)
{
  guint *rectangles = user_data;

  for (guint i = 0; names[i] != NULL; i++)
    {
      g_assert_null (strstr (values[i], "nan"));
      g_assert_null (strstr (values[i], "inf"));
      /* Of all numbers only the shift of a mark in the key could be below nothing. */
      if (!g_str_equal (names[i], "transform"))
        g_assert_false (values[i][0] == '-');
    }
  *rectangles += g_str_equal (element, "rect");
}

static guint
count_rectangles (const char *svg)
{
  static const GMarkupParser parser = { .start_element = on_element };
  guint rectangles = 0;
  g_autoptr (GMarkupParseContext) context
      = g_markup_parse_context_new (&parser, G_MARKUP_DEFAULT_FLAGS, &rectangles, NULL);
  g_autoptr (GError) error = NULL;

  g_markup_parse_context_parse (context, svg, -1, &error);
  g_assert_no_error (error);
  g_markup_parse_context_end_parse (context, &error);
  g_assert_no_error (error);
  return rectangles;
}

static void
test_svg (void)
{
  g_autoptr (CtlDays) days = make_weeks ();
  g_autofree char *svg = ctl_chart_draw_svg (days, 1, "my <left> & \"only\" shoe");

  /* The ground, 12 days with steps, and four of the key. */
  g_assert_cmpuint (count_rectangles (svg), ==, 1 + 12 + 4);
  g_assert_nonnull (strstr (svg, "my &lt;left&gt; &amp; &quot;only&quot; shoe: Steps, 2 November"));
  g_assert_nonnull (strstr (svg, "<title>Sun 15 Nov 2026: 13 000 steps</title>"));
  g_assert_nonnull (strstr (svg, "<title>Thu 5 Nov 2026: 3 000 steps, estimated</title>"));
  g_assert_nonnull (strstr (svg, "stroke-dasharray"));
}

/* From one step on one day to ten years of a marathon runner. */
static void
test_svg_of_every_size (void)
{
  static const guint sizes[] = { 1, 2, 7, 31, 366, 3660 };
  static const guint steps[] = { 0, 1, 3, 9999, 60000, G_MAXUINT32 };

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    for (gsize j = 0; j < G_N_ELEMENTS (steps); j++)
      {
        g_autoptr (CtlDays) days = make_days (sizes[i]);
        g_autofree char *svg = NULL;

        set_day (days, 0, sizes[i] - 1, steps[j], 0);
        svg = ctl_chart_draw_svg (days, 1, NULL);
        g_assert_cmpuint (count_rectangles (svg), ==, 1 + (steps[j] > 0));
      }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ctl-chart/sum", test_sum);
  g_test_add_func ("/ctl-chart/larger-side-of-each-day", test_larger_side_of_each_day);
  g_test_add_func ("/ctl-chart/summary", test_summary);
  g_test_add_func ("/ctl-chart/numbers", test_numbers);
  g_test_add_func ("/ctl-chart/text", test_text);
  g_test_add_func ("/ctl-chart/weeks", test_weeks);
  g_test_add_func ("/ctl-chart/every-width", test_every_width);
  g_test_add_func ("/ctl-chart/svg", test_svg);
  g_test_add_func ("/ctl-chart/svg-of-every-size", test_svg_of_every_size);
  return g_test_run ();
}
