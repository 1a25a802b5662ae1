/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-days.h"

#include "ctl-error.h"
#include "ctl-sum.h"

CtlDays *
ctl_days_new (const GDate *first, guint n, GPtrArray *chips)
{
  CtlDays *self = g_new0 (CtlDays, 1);

  self->first = *first;
  self->n = n;
  self->chips = chips;
  self->days = g_new0 (CtlDay, (gsize) n * chips->len);
  return self;
}

void
ctl_days_free (CtlDays *self)
{
  g_ptr_array_unref (self->chips);
  g_free (self->days);
  g_free (self);
}

CtlDay *
ctl_days_get (CtlDays *self, guint chip, guint index)
{
  return &self->days[(gsize) chip * self->n + index];
}

static gboolean
parse_date (const char *text, GDate *date)
{
  guint year, month, day;

  g_date_clear (date, 1);
  if (sscanf (text, "%4u-%2u-%2u", &year, &month, &day) != 3
      || !g_date_valid_dmy ((GDateDay) day, (GDateMonth) month, (GDateYear) year))
    return FALSE;
  g_date_set_dmy (date, (GDateDay) day, (GDateMonth) month, (GDateYear) year);
  return TRUE;
}

static void
store_day (CtlDays *self, guint chip, const char *text, guint32 steps, GVariant *details)
{
  GDate date;
  CtlDay *day;
  int index;

  if (!parse_date (text, &date))
    return;
  index = g_date_days_between (&self->first, &date);
  if (index < 0 || (guint) index >= self->n)
    return;
  day = ctl_days_get (self, chip, (guint) index);
  day->known = TRUE;
  day->steps = steps;
  g_variant_lookup (details, "estimated", "b", &day->estimated);
  g_variant_lookup (details, "resets", "u", &day->resets);
  g_variant_lookup (details, "suspect", "u", &day->suspect);
  g_variant_lookup (details, "goal", "u", &day->goal);
}

static char *
format_date (const GDate *date)
{
  char text[32];

  g_date_strftime (text, sizeof text, "%Y-%m-%d", date);
  return g_strdup (text);
}

static gboolean
load_chip (CtlDays *self, guint index, CtlClient *client, GError **error)
{
  Core2DbusChip *chip = g_ptr_array_index (self->chips, index);
  g_autoptr (GDBusProxy) history = ctl_client_get_history (client, chip, error);
  g_autofree char *first = format_date (&self->first);
  g_autofree char *last = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariantIter) days = NULL;
  const char *text;
  guint32 steps;
  GVariant *details;
  GDate end = self->first;

  if (history == NULL)
    return FALSE;
  g_date_add_days (&end, self->n - 1);
  last = format_date (&end);
  /* A password may be asked for first. */
  reply = ctl_client_call (client, history, "GetDays", g_variant_new ("(ss)", first, last),
                           CTL_RADIO_MS, error);
  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(a(sua{sv}))", &days);
  while (g_variant_iter_next (days, "(&su@a{sv})", &text, &steps, &details))
    {
      store_day (self, index, text, steps, details);
      g_variant_unref (details);
    }
  return TRUE;
}

gboolean
ctl_days_load (CtlDays *self, CtlClient *client, GError **error)
{
  for (guint i = 0; i < self->chips->len; i++)
    if (!load_chip (self, i, client, error))
      return FALSE;
  return TRUE;
}

/* One day of the person: the days of the chips put together. */
static CtlBar
sum_day (CtlDays *self, guint index)
{
  CtlBar bar = { .first = self->first, .n = 1 };
  CtlSum sum = { 0 };

  g_date_add_days (&bar.first, index);
  for (guint i = 0; i < self->chips->len; i++)
    {
      const CtlDay *day = ctl_days_get (self, i, index);

      if (!day->known)
        continue;
      bar.n_known = 1;
      bar.estimated |= day->estimated;
      bar.goal = MAX (bar.goal, day->goal);
      ctl_sum_add (&sum, core2_dbus_chip_get_side (g_ptr_array_index (self->chips, i)), day->steps);
    }
  bar.steps = ctl_sum_get (&sum);
  return bar;
}

CtlBar
ctl_days_sum (CtlDays *self, guint index, guint days)
{
  CtlBar bar = sum_day (self, index);
  guint64 daily_goal = bar.goal;

  for (guint i = 1; i < days && index + i < self->n; i++)
    {
      CtlBar day = sum_day (self, index + i);

      bar.n++;
      bar.n_known += day.n_known;
      bar.steps += day.steps;
      bar.estimated |= day.estimated;
      daily_goal = MAX (daily_goal, day.goal);
    }
  bar.goal = daily_goal * bar.n;
  return bar;
}

GArray *
ctl_days_get_bars (CtlDays *self, guint days_a_bar)
{
  GArray *bars = g_array_new (FALSE, FALSE, sizeof (CtlBar));

  for (guint i = 0; i < self->n; i += days_a_bar)
    {
      CtlBar bar = ctl_days_sum (self, i, days_a_bar);
      g_array_append_val (bars, bar);
    }
  return bars;
}

CtlSummary
ctl_days_get_summary (CtlDays *self)
{
  CtlSummary summary = { 0 };

  for (guint i = 0; i < self->n; i++)
    {
      CtlBar day = sum_day (self, i);

      summary.steps += day.steps;
      summary.n_known += day.n_known;
      summary.n_goal += day.goal > 0;
      summary.n_reached += day.goal > 0 && day.steps >= day.goal;
      summary.estimated |= day.estimated;
      if (day.n_known > 0 && (summary.best.n == 0 || day.steps > summary.best.steps))
        summary.best = day;
    }
  if (summary.n_known > 0)
    summary.average = (summary.steps + summary.n_known / 2) / summary.n_known;
  return summary;
}
