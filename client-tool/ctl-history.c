/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "ctl-chart.h"
#include "ctl-error.h"
#include "ctl-file.h"

/* history: the days, as bars on the terminal, as a picture, or as JSON. */

#define DAYS_DEFAULT 14
#define DAYS_MAX 3660
#define WEEKS_MAX (DAYS_MAX / 7)

static int option_days = -1;
static int option_weeks = -1;
static char *option_svg;

const GOptionEntry ctl_history_entries[] = {
  { "days", 'd', 0, G_OPTION_ARG_INT, &option_days, "The last N days, 1 to 3660 (14)", "N" },
  { "weeks", 'w', 0, G_OPTION_ARG_INT, &option_weeks,
    "The last N weeks, which begin on Monday, 1 to 522, with a bar for each", "N" },
  { "svg", 0, 0, G_OPTION_ARG_FILENAME, &option_svg,
    "Make a picture of it in FILE; - for standard output", "FILE" },
  { 0 },
};

static gboolean
check_options (GError **error)
{
  const char *message = NULL;

  if (option_days != -1 && option_weeks != -1)
    message = "give either --days or --weeks";
  else if (option_days != -1 && (option_days < 1 || option_days > DAYS_MAX))
    message = "--days is 1 to 3660";
  else if (option_weeks != -1 && (option_weeks < 1 || option_weeks > WEEKS_MAX))
    message = "--weeks is 1 to 522";
  if (message != NULL)
    g_set_error_literal (error, CTL_ERROR, CTL_EXIT_USAGE, message);
  return message == NULL;
}

/* The days that the options ask for, @last being the last one. */
static CtlDays *
load_until (CtlContext *context, GPtrArray *chips, GDateTime *last, GError **error)
{
  g_autoptr (CtlDays) days = NULL;
  guint n = option_days > 0 ? (guint) option_days : DAYS_DEFAULT;
  GDate first;

  /* The running week has as many days as have begun. */
  if (option_weeks > 0)
    n = (guint) (option_weeks - 1) * 7 + (guint) g_date_time_get_day_of_week (last);
  g_date_clear (&first, 1);
  g_date_set_dmy (&first, (GDateDay) g_date_time_get_day_of_month (last),
                  (GDateMonth) g_date_time_get_month (last),
                  (GDateYear) g_date_time_get_year (last));
  g_date_subtract_days (&first, n - 1);
  days = ctl_days_new (&first, n, g_ptr_array_ref (chips));
  return ctl_days_load (days, context->client, error) ? g_steal_pointer (&days) : NULL;
}

/* Whether the last of @days has not begun: core2d's days begin later than the calendar's. The steps
 * of its today are those of the day before then. */
static gboolean
is_too_late (CtlDays *days)
{
  gboolean walked = FALSE;

  for (guint i = 0; i < days->chips->len; i++)
    walked |= core2_dbus_chip_get_steps_today (g_ptr_array_index (days->chips, i)) > 0;
  return walked && ctl_days_sum (days, days->n - 1, 1).n_known == 0;
}

/* The days that the options ask for, the last one being the one that is running. */
static CtlDays *
load_days (CtlContext *context, GError **error)
{
  g_autoptr (GDateTime) today = g_date_time_new_now_local ();
  g_autoptr (GDateTime) yesterday = g_date_time_add_days (today, -1);
  g_autoptr (GPtrArray) chips = ctl_client_list_named (context->client, context->chip, error);
  g_autoptr (CtlDays) days = NULL;

  if (chips == NULL)
    return NULL;
  days = load_until (context, chips, today, error);
  if (days == NULL || !is_too_late (days))
    return g_steal_pointer (&days);
  return load_until (context, chips, yesterday, error);
}

static gboolean
write_svg (CtlDays *days, GError **error)
{
  g_autofree char *title = NULL;
  g_autofree char *svg = NULL;
  g_autoptr (CtlFile) file = NULL;

  if (days->chips->len == 1)
    title = ctl_chip_dup_title (g_ptr_array_index (days->chips, 0));
  svg = ctl_chart_draw_svg (days, option_weeks > 0 ? 7 : 1, title);
  file = ctl_file_new (option_svg, error);
  if (file == NULL)
    return FALSE;
  fputs (svg, ctl_file_get_stream (file));
  return ctl_file_commit (file, error);
}

gboolean
ctl_verb_history (CtlContext *context, GError **error)
{
  g_autoptr (CtlDays) days = NULL;
  guint days_a_bar = option_weeks > 0 ? 7 : 1;
  gboolean to_stdout = option_svg != NULL && g_str_equal (option_svg, "-");

  if (!check_options (error))
    return FALSE;
  days = load_days (context, error);
  if (days == NULL)
    return FALSE;
  if (ctl_days_get_summary (days).n_known == 0)
    {
      g_set_error (error, CTL_ERROR, CTL_EXIT_NO_DATA,
                   "nothing was counted in these %u days.\n"
                   "Ask for more with --days, or walk.",
                   days->n);
      return FALSE;
    }
  if (option_svg != NULL && !write_svg (days, error))
    return FALSE;

  if (context->json && !to_stdout)
    ctl_chart_print_json (days, days_a_bar);
  else if (option_svg == NULL)
    {
      g_autofree char *text
          = ctl_chart_draw_text (days, days_a_bar, ctl_terminal_width (), ctl_is_utf8 ());
      fputs (text, stdout);
    }
  else if (!to_stdout)
    printf ("The picture is in %s.\n", option_svg);
  return TRUE;
}
