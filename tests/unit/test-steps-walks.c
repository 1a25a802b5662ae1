/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Step arithmetic against people who walk at random, with chips that reset, links that drop and
 * clocks that jump: what is counted must be what was walked, to the step, always.
 *
 * The seed is printed at the start; replay it with --seed. */
#include "core2-steps.h"

#include <string.h>

#define SECOND G_TIME_SPAN_SECOND
#define MINUTE G_TIME_SPAN_MINUTE
#define HOUR G_TIME_SPAN_HOUR
#define DAY (24 * HOUR)
#define ROUNDS 150
#define EVENTS 250
/* As in the rules: how far from midnight nothing is doubtful. */
#define MARGIN (11 * MINUTE)

typedef struct
{
  /* The world. */
  gint64 true_us; /* real time, which the chip's clock shows */
  gint64 boot_us;
  guint64 boot_id;
  gint64 clock_error_us; /* of the host */
  guint32 counter;
  gboolean midnight_chip; /* resets at midnight; then the host's clock is right */
  gint64 next_midnight_us;
  gboolean connected;

  /* What the host saw last, to know what it cannot know. */
  gboolean has_sample;
  guint32 seen;
  gint64 seen_us;

  /* The truth. */
  guint64 walked;
  guint64 suspect;

  /* What is tested. */
  Core2Calendar calendar;
  Core2StepsState state;
  Core2StepsResult result;
  guint64 counted;
  guint64 reported_suspect;
  GHashTable *days; /* Core2Day -> steps */
} World;

static const char *const zones[] = { "UTC",           "Europe/Madrid",       "America/Sao_Paulo",
                                     "America/Havana", "Australia/Lord_Howe", "Pacific/Apia",
                                     "Asia/Kathmandu" };

static guint32
random_up_to (guint32 limit)
{
  return (guint32) g_test_rand_int_range (0, (gint32) limit + 1);
}

static void
set_zone (World *world, guint day_start_minutes)
{
  g_autoptr (GTimeZone) zone
      = g_time_zone_new_identifier (zones[random_up_to (G_N_ELEMENTS (zones) - 1)]);

  g_assert_nonnull (zone);
  core2_calendar_clear (&world->calendar);
  core2_calendar_init (&world->calendar, zone, day_start_minutes);
}

static gint64
find_next_midnight (World *world)
{
  gint64 midnight_us = core2_calendar_get_last_midnight (&world->calendar, world->true_us);

  /* Some days have 25 hours; the one after the next midnight is never shorter than 22. */
  for (gint64 ahead_us = HOUR; ahead_us < 3 * DAY; ahead_us += HOUR)
    {
      gint64 later_us
          = core2_calendar_get_last_midnight (&world->calendar, world->true_us + ahead_us);

      if (later_us > midnight_us)
        return later_us;
    }
  g_assert_not_reached ();
}

static void
world_init (World *world)
{
  g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();

  *world = (World){
    .true_us = (1262304000 + (gint64) random_up_to (600000000)) * SECOND,
    .boot_us = random_up_to (1000) * SECOND,
    .boot_id = 1,
    .counter = g_test_rand_bit () ? 0 : random_up_to (9000),
    .midnight_chip = g_test_rand_bit (),
    .days = g_hash_table_new (NULL, NULL),
  };
  core2_calendar_init (&world->calendar, utc, 0);
  set_zone (world, g_test_rand_bit () ? 0 : random_up_to (1439));
  core2_steps_init (&world->state);
  world->next_midnight_us = find_next_midnight (world);
}

static void
world_clear (World *world)
{
  core2_calendar_clear (&world->calendar);
  g_hash_table_unref (world->days);
}

static void
check_result (World *world)
{
  const Core2StepsResult *result = &world->result;
  guint64 sum = 0;

  for (guint i = 0; i < result->n_splits; i++)
    {
      gpointer key = GINT_TO_POINTER (result->splits[i].day);
      guint before = GPOINTER_TO_UINT (g_hash_table_lookup (world->days, key));

      g_assert_cmpuint (result->splits[i].steps, >, 0);
      if (i > 0)
        g_assert_cmpint (result->splits[i].day, >, result->splits[i - 1].day);
      sum += result->splits[i].steps;
      g_hash_table_insert (world->days, key, GUINT_TO_POINTER (before + result->splits[i].steps));
    }
  g_assert_cmpuint (sum, ==, result->delta);
  world->counted += result->delta;
  world->reported_suspect += result->suspect;
  g_assert_cmpint (result->from_us, <=, result->until_us);
  g_assert_cmpuint (result->total, ==, world->counted);
  g_assert_cmpuint (result->total, ==, world->state.total);
  if (result->kind != CORE2_STEPS_COUNTED)
    g_assert_cmpuint (result->delta + result->suspect, ==, 0);
}

/* A value reaches the host; @counter is the chip's own, unless something is wrong. */
static void
deliver (World *world, guint32 counter, gboolean first)
{
  Core2StepsSample sample = { counter, world->true_us + world->clock_error_us, world->boot_us,
                              world->boot_id };

  core2_steps_apply (&world->state, &world->calendar, &sample, first, &world->result);
  check_result (world);
}

static void
sample (World *world, gboolean first)
{
  deliver (world, world->counter, first);
  world->seen = world->counter;
  world->seen_us = world->true_us;
  world->has_sample = TRUE;
}

/* Steps that a reset makes unknowable: counted by the chip since the host looked last. */
static void
reset_counter (World *world)
{
  if (world->has_sample)
    world->walked -= world->counter - world->seen;
  world->counter = 0;
}

static void
pass_time (World *world, gint64 us)
{
  world->true_us += us;
  world->boot_us += us;
}

static void
walk (World *world, guint32 steps)
{
  world->counter += steps;
  if (world->has_sample)
    world->walked += steps;
}

/* Connected: time passes, some steps are made, and the chip tells. A reset at midnight comes
 * between. */
static void
walk_connected (World *world, gint64 us, guint32 steps)
{
  if (world->midnight_chip && world->true_us + us >= world->next_midnight_us)
    {
      us -= world->next_midnight_us - world->true_us;
      pass_time (world, world->next_midnight_us - world->true_us);
      /* A fall by a few steps is told from a late notification only later. */
      walk (world, 20);
      sample (world, FALSE);
      reset_counter (world);
      world->seen = 0;
      world->next_midnight_us = find_next_midnight (world);
      if (g_test_rand_bit ())
        sample (world, FALSE);
      us = MIN (us, 10 * SECOND);
      steps = MIN (steps, 5);
    }
  pass_time (world, us);
  walk (world, steps);
  sample (world, FALSE);
}

static void
connect_chip (World *world)
{
  sample (world, TRUE);
  world->connected = TRUE;
}

/* Whether the host will understand, without any help, a counter that has passed its old value. */
static gboolean
host_knows_of_midnight (World *world, gint64 midnight_us, gint64 back_us)
{
  return world->state.midnight == CORE2_STEPS_MIDNIGHT_RESETS
         && world->seen_us < midnight_us - MARGIN && back_us > midnight_us + MARGIN;
}

/* Away for a while, walking; perhaps over a midnight, perhaps with a new battery. */
static void
be_away (World *world, gint64 us)
{
  gint64 back_us = world->true_us + us;
  guint32 steps = random_up_to ((guint32) MIN (us / SECOND * 2, 20000));
  /* Two falls over midnights in a row would look like a habit, which this chip has not. */
  gboolean new_battery = g_test_rand_int_range (0, 8) == 0
                         && world->state.midnight != CORE2_STEPS_MIDNIGHT_FELL;
  gboolean hidden = FALSE;
  gint64 since_reset_us = us;

  world->connected = FALSE;
  if (world->midnight_chip && back_us >= world->next_midnight_us)
    {
      gint64 before_us = world->next_midnight_us - world->true_us;
      gint64 midnight_us;

      walk (world, random_up_to ((guint32) MIN (before_us / SECOND, 5000)));
      do
        {
          midnight_us = world->next_midnight_us;
          pass_time (world, midnight_us - world->true_us);
          reset_counter (world);
          world->seen = 0;
          world->next_midnight_us = find_next_midnight (world);
        }
      while (back_us >= world->next_midnight_us);
      since_reset_us = back_us - world->true_us;
      hidden = !host_knows_of_midnight (world, midnight_us, back_us);
    }
  else if (new_battery)
    {
      reset_counter (world);
      world->seen = 0;
      hidden = TRUE;
    }
  steps = MIN (steps, (guint32) (since_reset_us / SECOND * 2));
  /* What nobody could know is left out: a counter that was reset unseen and is not below its old
   * value. */
  if (world->counter + steps == world->state.trusted.counter
      || (hidden && world->counter + steps > world->state.trusted.counter))
    steps = 0;
  pass_time (world, back_us - world->true_us);
  walk (world, steps);
  connect_chip (world);
}

/* The chip begins again from zero within a connection, for no reason; a second look settles it. */
static void
reset_for_no_reason (World *world)
{
  if (world->counter < 200)
    return;
  reset_counter (world);
  world->seen = 0;
  walk_connected (world, SECOND, random_up_to (2));
  walk_connected (world, 6 * SECOND, random_up_to (10));
}

/* The counter jumps by more than anybody walks. */
static void
jump (World *world)
{
  guint32 steps = 20000 + random_up_to (1000000);

  world->counter += steps;
  world->seen = world->counter;
  world->suspect += steps;
  sample (world, FALSE);
  walk_connected (world, 6 * SECOND, random_up_to (10));
}

static void
pair (World *world)
{
  sample (world, FALSE);
  core2_steps_expect_reset (&world->state);
  reset_counter (world);
  world->seen = 0;
  if (world->state.trusted.counter > 10 && g_test_rand_bit ())
    walk_connected (world, SECOND, random_up_to (3));
  else
    sample (world, FALSE);
}

/* A notification twice, one late, or one of garbage. */
static void
disturb (World *world)
{
  sample (world, FALSE);
  pass_time (world, SECOND / 2);
  switch (g_test_rand_int_range (0, 3))
    {
    case 0:
      deliver (world, world->counter, FALSE);
      g_assert_cmpuint (world->result.delta, ==, 0);
      break;
    case 1:
      deliver (world, world->counter - MIN (world->counter, random_up_to (10)), FALSE);
      break;
    default:
      deliver (world, 0x80000000U + random_up_to (G_MAXINT32 - 1), FALSE);
      g_assert_cmpint (world->result.kind, ==, CORE2_STEPS_PENDING);
      break;
    }
  g_assert_cmpint (world->result.reset, ==, CORE2_STEPS_RESET_NONE);
  pass_time (world, random_up_to (10) * SECOND);
  sample (world, FALSE);
}

/* The host's clock or zone changes, or the host is started again. */
static void
shake_the_clock (World *world)
{
  if (world->midnight_chip)
    return;
  switch (g_test_rand_int_range (0, 4))
    {
    case 0:
      world->clock_error_us = g_test_rand_int_range (-2 * 86400, 2 * 86400) * SECOND;
      break;
    case 1:
      world->clock_error_us = 0;
      break;
    case 2:
      set_zone (world, world->calendar.day_start_minutes);
      break;
    default:
      pass_time (world, 60 * SECOND);
      world->boot_id++;
      world->boot_us = random_up_to (100) * SECOND;
      connect_chip (world);
      break;
    }
  core2_steps_roll_day (&world->state, &world->calendar, world->true_us + world->clock_error_us);
}

/* Nothing is left pending, and all sums agree. */
static void
check_sums (World *world)
{
  guint64 sum = 0;
  GHashTableIter iter;
  gpointer day;
  gpointer steps;

  g_hash_table_iter_init (&iter, world->days);
  while (g_hash_table_iter_next (&iter, &day, &steps))
    sum += GPOINTER_TO_UINT (steps);
  g_assert_cmpuint (sum, ==, world->counted);
  g_assert_cmpuint (world->counted, ==, world->walked);
  g_assert_cmpuint (world->reported_suspect, ==, world->suspect);
  for (guint i = 0; i < CORE2_STEPS_DAYS_KEPT; i++)
    if (world->state.days[i].day == world->state.day)
      g_assert_cmpuint (
          core2_steps_get_today (&world->state), ==,
          GPOINTER_TO_UINT (g_hash_table_lookup (world->days, GINT_TO_POINTER (world->state.day))));
}

static gboolean
is_near_midnight (World *world)
{
  gint64 wall_us = world->true_us + world->clock_error_us;

  return core2_calendar_get_last_midnight (&world->calendar, wall_us + MARGIN) > wall_us - MARGIN;
}

static void
live (World *world)
{
  gint32 event = g_test_rand_int_range (0, 100);

  if (event < 60)
    {
      gint64 seconds = g_test_rand_int_range (0, 300);

      walk_connected (world, seconds * SECOND, random_up_to ((guint32) seconds * 3));
    }
  else if (event < 70)
    be_away (world, (gint64) random_up_to (40 * 3600) * SECOND);
  else if (event < 75)
    walk_connected (world, (gint64) random_up_to (9 * 3600) * SECOND, random_up_to (20));
  else if (event < 80)
    shake_the_clock (world);
  else if (is_near_midnight (world))
    walk_connected (world, MINUTE, 60);
  else if (event < 90)
    disturb (world);
  else if (event < 93)
    pair (world);
  else if (event < 97)
    reset_for_no_reason (world);
  else
    jump (world);
}

static void
test_random_lives (void)
{
  for (guint round = 0; round < ROUNDS; round++)
    {
      World world;

      world_init (&world);
      connect_chip (&world);
      for (guint i = 0; i < EVENTS; i++)
        {
          live (&world);
          check_sums (&world);
        }
      world_clear (&world);
    }
}

/* Connected all the time, over days on which clocks change: each day has exactly its own steps. */
static void
check_days (const char *zone_name, const char *noon)
{
  g_autoptr (GTimeZone) zone = g_time_zone_new_identifier (zone_name);
  g_autoptr (GDateTime) start = g_date_time_new_from_iso8601 (noon, NULL);
  g_autoptr (GHashTable) truth = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GHashTable) counted = g_hash_table_new (NULL, NULL);
  gint64 now = g_date_time_to_unix (start);
  Core2Calendar calendar;
  Core2StepsState state;
  Core2StepsResult result;

  core2_calendar_init (&calendar, zone, 0);
  core2_steps_init (&state);
  for (guint32 i = 0; i <= 3 * 24 * 60; i++, now += 60)
    {
      Core2StepsSample taken = { i, (now + 5) * SECOND, now * SECOND, 1 };
      g_autoptr (GDateTime) utc = g_date_time_new_from_unix_utc (now + 5);
      g_autoptr (GDateTime) local = g_date_time_to_timezone (utc, zone);
      char *date = g_date_time_format (local, "%Y%m%d");
      guint steps = GPOINTER_TO_UINT (g_hash_table_lookup (truth, date));

      core2_steps_apply (&state, &calendar, &taken, i == 0, &result);
      g_hash_table_insert (truth, date, GUINT_TO_POINTER (steps + (i > 0)));
      g_hash_table_insert (counted, GINT_TO_POINTER (state.day), GUINT_TO_POINTER (result.today));
      g_assert_cmpuint (result.today, ==, steps + (i > 0));
    }
  g_assert_cmpuint (g_hash_table_size (counted), ==, g_hash_table_size (truth));
  core2_calendar_clear (&calendar);
}

static void
test_days_of_changing_clocks (void)
{
  check_days ("Europe/Madrid", "2026-03-27T12:00:00Z");
  check_days ("Europe/Madrid", "2026-10-23T12:00:00Z");
  check_days ("America/Sao_Paulo", "2018-11-02T12:00:00Z");
  check_days ("America/Sao_Paulo", "2018-02-16T12:00:00Z");
  check_days ("Pacific/Apia", "2011-12-28T12:00:00Z");
  check_days ("Australia/Lord_Howe", "2026-04-03T12:00:00Z");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/steps-walks/random-lives", test_random_lives);
  g_test_add_func ("/steps-walks/days-of-changing-clocks", test_days_of_changing_clocks);
  return g_test_run ();
}
