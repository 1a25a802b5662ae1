/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A chip, the time, and what was counted: what all tests of step arithmetic stand on. */
#pragma once

#include "core2-steps.h"

#define SECOND G_TIME_SPAN_SECOND
#define MINUTE G_TIME_SPAN_MINUTE
#define HOUR G_TIME_SPAN_HOUR
/* 2026-11-20 12:00:00 UTC, a Friday, and the day it is. */
#define NOON (G_GINT64_CONSTANT (1795176000) * G_TIME_SPAN_SECOND)
#define FRIDAY 20261120
#define SATURDAY 20261121
#define BOOT_ID 0x1234

/* A chip with a clock that runs as it should; tests that want another one set it. */
typedef struct
{
  Core2Calendar calendar;
  Core2StepsState state;
  Core2StepsResult result;
  Core2StepsSample now;
} Fixture;

static inline void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();

  core2_calendar_init (&fixture->calendar, utc, 0);
  core2_steps_init (&fixture->state);
  fixture->now = (Core2StepsSample){ 0, NOON, 1000 * SECOND, BOOT_ID };
}

static inline void
tear_down (Fixture *fixture, gconstpointer data)
{
  core2_calendar_clear (&fixture->calendar);
}

static inline void
apply (Fixture *fixture, gint64 after_us, guint32 counter, gboolean first)
{
  fixture->now.counter = counter;
  fixture->now.wall_us += after_us;
  fixture->now.boot_us += after_us;
  core2_steps_apply (&fixture->state, &fixture->calendar, &fixture->now, first, &fixture->result);
}

/* A notification, and the first sample after an absence. */
static inline void
notify (Fixture *fixture, gint64 after_us, guint32 counter)
{
  apply (fixture, after_us, counter, FALSE);
}

static inline void
come_back (Fixture *fixture, gint64 after_us, guint32 counter)
{
  apply (fixture, after_us, counter, TRUE);
}

static inline void
assert_counted (const Fixture *fixture, guint32 delta)
{
  guint32 sum = 0;

  g_assert_cmpint (fixture->result.kind, ==, CORE2_STEPS_COUNTED);
  g_assert_cmpuint (fixture->result.delta, ==, delta);
  for (guint i = 0; i < fixture->result.n_splits; i++)
    sum += fixture->result.splits[i].steps;
  g_assert_cmpuint (sum, ==, delta);
  g_assert_cmpint (fixture->result.from_us, <=, fixture->result.until_us);
}

static inline void
assert_reset (const Fixture *fixture, Core2StepsReset reason, guint32 before, guint32 after)
{
  g_assert_cmpstr (core2_steps_reset_to_string (fixture->result.reset), ==,
                   core2_steps_reset_to_string (reason));
  g_assert_cmpuint (fixture->result.reset_before, ==, before);
  g_assert_cmpuint (fixture->result.reset_after, ==, after);
}

static inline void
assert_no_reset (const Fixture *fixture)
{
  assert_reset (fixture, CORE2_STEPS_RESET_NONE, 0, 0);
}

static inline void
assert_pending (const Fixture *fixture)
{
  g_assert_cmpint (fixture->result.kind, ==, CORE2_STEPS_PENDING);
  g_assert_cmpuint (fixture->result.delta, ==, 0);
  g_assert_cmpuint (fixture->result.suspect, ==, 0);
  assert_no_reset (fixture);
}

static inline void
assert_split (const Fixture *fixture, guint i, Core2Day day, guint32 steps)
{
  g_assert_cmpuint (i, <, fixture->result.n_splits);
  g_assert_cmpint (fixture->result.splits[i].day, ==, day);
  g_assert_cmpuint (fixture->result.splits[i].steps, ==, steps);
}
