/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * The steps that a person made in one span of time, from what several chips counted in it.
 *
 * Both shoes of a pair count the same walk, so it is counted once: as the larger of what the left
 * and the right shoes counted. Not as the mean: a chip that was away, or whose battery was empty,
 * or that lost its counter has counted too little; none counts too much. A chip that only sleeps
 * is no such case, because it goes on counting and its steps are booked when it is back.
 *
 * Of several pairs one is worn at a time, so all left shoes are added up and all right shoes are,
 * before the two are compared. A chip whose side is unknown is a shoe for itself and is added.
 *
 * Use it for whole days: steps that were made while a chip was away are spread over the time that
 * it was, so of a shorter span the two sides need not show the same.
 */
typedef struct
{
  guint64 left;
  guint64 right;
  guint64 other;
} CtlSum;

/* Adds @steps of a chip on @side: "left", "right", and whatever else for unknown. */
void ctl_sum_add (CtlSum *self, const char *side, guint64 steps);

/* The steps of the person. */
guint64 ctl_sum_get (const CtlSum *self);

/* Whether there are steps of both sides, so that some are not counted twice. */
gboolean ctl_sum_is_pair (const CtlSum *self);
