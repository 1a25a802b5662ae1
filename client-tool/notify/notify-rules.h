/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * When the user is to be told of something, and when not again: arithmetic only, no bus and no
 * files.
 */

/* Levels of the battery that are told, in percent, and how far it must rise for the next time. */
#define NOTIFY_BATTERY_LOW 20
#define NOTIFY_BATTERY_EMPTY 10
#define NOTIFY_BATTERY_REARM 5

/* A date of core2d, "2026-11-21", with its end. */
#define NOTIFY_DAY_SIZE 11

/* What has been told of one chip. All zero: nothing. */
typedef struct
{
  guint battery; /* the lowest level that was told, in percent; 0: none */
  gboolean key_rejected;
  char goal_day[NOTIFY_DAY_SIZE]; /* the last day whose goal was told; empty: none */
} NotifyTold;

/*
 * Judges a battery of @percentage with the BatteryStatus @status: returns the level to tell, or 0
 * for nothing. Only a current value counts: an unknown battery is never told. Levels that the
 * battery has risen above are armed again in @told; *@after is what is told of the battery once
 * the level that was returned has been.
 */
guint notify_rules_judge_battery (NotifyTold *told, guint percentage, const char *status,
                                  guint *after);

/*
 * Judges the key: whether to tell that the chip has rejected it. @last_error is the chip's
 * LastError; @authenticated, that it is connected and its key was accepted, arms this again.
 */
gboolean notify_rules_judge_key (NotifyTold *told, const char *last_error, gboolean authenticated);

/*
 * Judges a goal that was reached on @day: whether to tell it. @other is what was told of the other
 * shoe of the pair, or NULL: whoever walks wears both, so only the first of them is told.
 */
gboolean notify_rules_judge_goal (const NotifyTold *told, const NotifyTold *other, const char *day);

/* Whether chips of the Sides @a and @b are a pair of shoes. */
gboolean notify_rules_is_pair (const char *a, const char *b);
