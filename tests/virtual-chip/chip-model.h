/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A step counter in a shoe and the person who wears it. Pure: no bus, no clock, no I/O. Time is
 * what chip_model_run() is told; chance comes from the seed, so that the same calls give the same
 * walk.
 *
 * Model time is in microseconds from any start. The chip's own clock is model time plus an offset
 * and shows local time as microseconds since 1970-01-01 00:00 local. */

typedef struct _ChipModel ChipModel;

typedef enum
{
  CHIP_MODEL_STEPPED, /* one step; it is counted already */
  CHIP_MODEL_RESET,   /* the counters started again: see chip_model_get_reset_reason() */
  CHIP_MODEL_SLEPT,
  CHIP_MODEL_WOKE,
  CHIP_MODEL_BATTERY, /* the percentage changed */
} ChipModelEvent;

typedef void (*ChipModelHandler) (ChipModelEvent event, gpointer user_data);

/* What the chip has counted since the last reset. */
typedef struct
{
  guint32 steps;         /* wraps */
  guint32 running_steps;
  guint32 walking_steps;
  guint32 distance_mm;
  guint32 energy_cal;    /* 1/1000 kcal */
} ChipCounters;

/* What the chip remembers of one minute. */
typedef struct
{
  guint8 kind; /* 0 still, 1 walking, 2 running */
  guint8 intensity;
  guint8 steps;
  guint8 heart_rate; /* 255: the chip has no sensor for it */
} ChipMinute;

ChipModel *chip_model_new (guint32 seed, gint64 start, gint64 clock_start);
void chip_model_free (ChipModel *self);
void chip_model_set_handler (ChipModel *self, ChipModelHandler handler, gpointer user_data);

gint64 chip_model_get_time (ChipModel *self);
gint64 chip_model_get_next (ChipModel *self);
void chip_model_run (ChipModel *self, gint64 until);

void chip_model_stroll (ChipModel *self);
void chip_model_walk (ChipModel *self, guint cadence);
guint chip_model_get_cadence (ChipModel *self);
void chip_model_step (ChipModel *self, guint32 n);
void chip_model_shake (ChipModel *self);
void chip_model_sleep (ChipModel *self);
void chip_model_set_connected (ChipModel *self, gboolean connected);
void chip_model_set_idle_timeout (ChipModel *self, guint seconds);
void chip_model_set_midnight_reset (ChipModel *self, gboolean enabled);
gboolean chip_model_is_asleep (ChipModel *self);

const ChipCounters *chip_model_get_counters (ChipModel *self);
guint64 chip_model_get_steps_walked (ChipModel *self);
void chip_model_set_counter (ChipModel *self, guint32 steps);
void chip_model_reset_counter (ChipModel *self, const char *reason);
const char *chip_model_get_reset_reason (ChipModel *self);

void chip_model_tilt (ChipModel *self, guint16 x, guint16 y);
void chip_model_get_orientation (ChipModel *self, guint16 *x, guint16 *y);

guint8 chip_model_get_battery (ChipModel *self);
void chip_model_set_battery (ChipModel *self, guint8 percentage);

gint64 chip_model_get_clock (ChipModel *self);
void chip_model_set_clock (ChipModel *self, gint64 clock);

gsize chip_model_count_minutes (ChipModel *self);
const ChipMinute *chip_model_get_minutes_since (ChipModel *self, gint64 clock, gsize *n,
                                                gint64 *first_clock);
void chip_model_delete_minutes (ChipModel *self);
