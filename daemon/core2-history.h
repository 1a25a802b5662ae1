/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The history of all chips in one SQLite file, STATE/history.db: samples by the minute, sums by the
 * day, and the state of each chip's counting, which is written in the same transaction as the steps
 * that were counted with it, so that no end of the daemon counts a step twice. core2-history(5)
 * documents the tables.
 *
 * Writing: what is recorded is kept in memory and written together, CORE2_HISTORY_FLUSH_S seconds
 * after the first of it, or when there are CORE2_HISTORY_BATCH samples, but not more than once
 * a second; core2_history_flush() writes at once. The file is in WAL mode with synchronous=NORMAL: a
 * commit writes without waiting for the disk, which only a checkpoint does, now and then.
 *
 * When the file cannot be written (the disk is full, or read-only) nothing fails: all is kept in
 * memory, up to CORE2_HISTORY_QUEUE_MAX minutes with steps, and written when that works again.
 * Beyond that the oldest samples are dropped; days and totals are kept whole. A damaged file is set
 * aside as history.db.bad, and a new one begins with what is in memory. A file of a newer version is
 * left alone, and nothing is written.
 *
 * Times are microseconds since 1970 UTC unless they say seconds. */
#pragma once

#include <glib.h>

#include "core2-steps.h"

G_BEGIN_DECLS

#define CORE2_HISTORY_FLUSH_S 10
#define CORE2_HISTORY_BATCH 20
#define CORE2_HISTORY_QUEUE_MAX 10000

typedef struct Core2History Core2History;

/* One chip in the history; belongs to who opened it. */
typedef struct Core2HistoryChip Core2HistoryChip;

/* How the steps of a sample are known. Numbers in the file: never change them. */
typedef enum
{
  CORE2_HISTORY_MEASURED = 0,  /* the chip told them in the minute when they were made */
  CORE2_HISTORY_ESTIMATED = 1, /* made somewhen in that time: the chip was away */
  CORE2_HISTORY_SUSPECT = 2,   /* claimed by the chip and not counted: nobody walks so fast */
  CORE2_HISTORY_FETCHED = 3,   /* from the chip's own memory of its minutes, instead of an estimate */
} Core2HistoryKind;

#define CORE2_HISTORY_KINDS 4

/* "measured", "estimated", "suspect", "fetched"; static. */
const char *core2_history_kind_to_string (Core2HistoryKind kind);

/* Steps made in the @seconds from @time (seconds since 1970 UTC) on. */
typedef struct
{
  gint64 time;
  guint32 seconds;
  Core2HistoryKind kind;
  guint32 steps;
} Core2HistoryRow;

typedef struct
{
  Core2Day day;
  guint32 steps;
  guint32 estimated; /* of these, steps whose time is estimated */
  guint32 resets;    /* of the chip's counter */
  guint32 suspect;   /* steps that were not counted */
  guint32 goal;      /* the daily goal when the day's last steps were made, 0 = none */
  gboolean reached;  /* that it was reached has been signalled */
} Core2HistoryDay;

/* core2_history_get_error() says something else now. */
typedef void (*Core2HistoryErrorChanged) (gpointer user_data);

/* Opens the history in the folder @directory, and makes it when there is none. Always succeeds: what is
 * wrong with the file is in the journal and in core2_history_get_error(). @calendar, borrowed, must live
 * as long. @retention_days: for how long samples are kept; days are kept for ever. */
Core2History *core2_history_new (const char *directory, Core2Calendar *calendar,
                                 guint retention_days, Core2HistoryErrorChanged error_changed,
                                 gpointer user_data);

/* Writes what can be written, and closes. All its chips must have been closed. */
void core2_history_free (Core2History *self);

void core2_history_set_retention (Core2History *self, guint days);

/* Why nothing can be written, for people, with the file's name; "" when all is well. */
const char *core2_history_get_error (const Core2History *self);

/* Writes what is in memory, now. Returns FALSE with @error (CORE2_ERROR_STORAGE) when that fails; it
 * was logged, will be tried again, and nothing is lost. @error may be NULL. */
gboolean core2_history_flush (Core2History *self, GError **error);

/* --- chips ---- */

/* Opens the history of a chip, and makes @state, which comes from the chip's record, agree with it: the
 * one that counted more is right. A chip that had been removed goes on with its old days and total. */
Core2HistoryChip *core2_history_open_chip (Core2History *self, const char *address,
                                           Core2StepsState *state);
void core2_history_close_chip (Core2HistoryChip *self);

/* Records what core2_steps_apply() made of a sample, and the state after it. @goal: the daily goal now,
 * 0 = none. */
void core2_history_add (Core2HistoryChip *self, const Core2StepsResult *result,
                        const Core2StepsState *state, guint32 goal);

/* Records a state that changed without a sample. */
void core2_history_set_state (Core2HistoryChip *self, const Core2StepsState *state);

/* Whether the goal of @day was reached before; if not, notes that it is now, and writes that. */
gboolean core2_history_reach_goal (Core2HistoryChip *self, Core2Day day, guint32 goal);

/* The chip is removed. @delete: its history, too; else it stays, and only what is known of its counter
 * is forgotten. FALSE with @error when that could not be written: nothing was changed. */
gboolean core2_history_remove_chip (Core2History *self, const char *address, gboolean delete,
                                    GError **error);

/* --- reading ---- */

/* The days from @first to @last that have anything to tell, oldest first: an array of Core2HistoryDay,
 * the caller's, with what is not written yet. NULL with @error (CORE2_ERROR_STORAGE). */
GArray *core2_history_get_days (Core2HistoryChip *self, Core2Day first, Core2Day last,
                                GError **error);

/* A view of the samples as they are at one moment, read little by little. It holds the write-ahead log,
 * so end it soon. */
typedef struct Core2HistoryReader Core2HistoryReader;

typedef enum
{
  CORE2_HISTORY_WHOLE,       /* samples that end after @since, and at or before @until */
  CORE2_HISTORY_OVERLAPPING, /* samples that have a part between them */
} Core2HistorySelection;

/* Samples between @since and @until (seconds), by the time of their beginning; those not written yet come
 * last. NULL with @error (CORE2_ERROR_STORAGE). Independent of @self, which may go. */
Core2HistoryReader *core2_history_read (Core2HistoryChip *self, gint64 since, gint64 until,
                                        Core2HistorySelection selection, GError **error);
void core2_history_reader_free (Core2HistoryReader *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Core2HistoryReader, core2_history_reader_free)

/* The next sample. FALSE at the end, and with @error when the file cannot be read. */
gboolean core2_history_reader_next (Core2HistoryReader *self, Core2HistoryRow *sample,
                                    GError **error);

/* --- better knowledge ---- */

/* Replaces estimates that begin between @from and @until (seconds) by @minutes, an array of Core2HistoryRow
 * in order, of which those are taken that lie within. The steps stay as many as the counter said:
 * minutes with more are cut, and what no minute has stays estimated. Days change with it, in the file and in
 * @state. *@refined: how many steps got their minute. FALSE with @error: nothing has changed. */
gboolean core2_history_refine (Core2HistoryChip *self, gint64 from, gint64 until,
                               const GArray *minutes, Core2StepsState *state, guint64 *refined,
                               GError **error);

/* --- clearing ---- */

/* Removes a slice of the samples that end at or before @before (seconds), and when none is left, the days
 * before @day. Adds what it removed to *@rows, and sets *@done when that was all: call it again and
 * again, from the loop. FALSE with @error. */
gboolean core2_history_clear_slice (Core2HistoryChip *self, gint64 before, Core2Day day,
                                    guint64 *rows, gboolean *done, GError **error);

G_END_DECLS
