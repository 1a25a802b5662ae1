/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sqlite3.h>

#include "core2-history.h"
#include "core2-log.h"

G_BEGIN_DECLS

#define HISTORY_TOPIC "history"
#define HISTORY_FILE "history.db"
/* Rows that one slice of a long job touches: a few milliseconds. */
#define HISTORY_SLICE 2000
/* The longest sample, in seconds: a day has 25 hours when clocks go back, and some more is free. */
#define HISTORY_LONGEST_S (27 * 60 * 60)

typedef enum
{
  STATEMENT_BEGIN,
  STATEMENT_COMMIT,
  STATEMENT_ROLLBACK,
  STATEMENT_FIND_CHIP,
  STATEMENT_PUT_CHIP,
  STATEMENT_FIND_ID,
  STATEMENT_REMOVE_CHIP,
  STATEMENT_DELETE_CHIP,
  STATEMENT_ADD_DAY,
  STATEMENT_ADD_SAMPLE,
  STATEMENT_GET_DAYS,
  STATEMENT_FIND_SLICE,
  STATEMENT_CLEAR_SAMPLES,
  STATEMENT_CLEAR_DAYS,
  STATEMENT_FIND_DELETED,
  STATEMENT_DROP_CHIP,
  STATEMENT_LIST_CHIPS,
  STATEMENT_FIND_ESTIMATES,
  STATEMENT_REMOVE_SAMPLE,
  STATEMENT_CHANGE_DAY,
  N_STATEMENTS,
} HistoryStatement;

/* --- core2-history-database.c: the file ---- */

typedef enum
{
  HISTORY_OPEN_OK,
  HISTORY_OPEN_DAMAGED, /* set it aside */
  HISTORY_OPEN_FAILED,  /* may work later */
  HISTORY_OPEN_NEWER,   /* of a version that knows more: left alone */
} HistoryOpenResult;

typedef struct
{
  sqlite3 *db; /* NULL: not open */
  sqlite3_stmt *statements[N_STATEMENTS];
} HistoryDatabase;

/* Opens @path, makes or migrates its tables and checks it. When not OK, *@reason (the caller's) says why,
 * and it is closed. */
HistoryOpenResult history_database_open (HistoryDatabase *self, const char *path, char **reason);
void history_database_close (HistoryDatabase *self);

/* Renames the file at @path, and what belongs to it, to PATH.bad, over whatever that was. Logs. */
void history_database_set_aside (const char *path, const char *reason);

/* A prepared statement with nothing bound; reset it after use. NULL when it cannot be prepared. */
sqlite3_stmt *history_database_get (HistoryDatabase *self, HistoryStatement which);

/* Runs a statement without parameters or result, and resets it. An SQLite result code. */
int history_database_run (HistoryDatabase *self, HistoryStatement which);

/* Whether a result code says that the file is damaged. */
gboolean history_is_damage (int code);

/* --- core2-history.c ---- */

/* Samples not written yet. */
typedef struct
{
  Core2HistoryChip *chip;
  Core2HistoryRow sample;
} PendingSample;

struct Core2History
{
  char *path;
  Core2Calendar *calendar;
  guint retention_days;
  Core2HistoryErrorChanged error_changed;
  gpointer user_data;

  HistoryDatabase database;
  gboolean read_only; /* of a newer version */
  char *error;        /* "" = none */
  Core2LogLimit *log_limit;

  GPtrArray *chips; /* Core2HistoryChip, not owned */
  GArray *queue;    /* PendingSample */
  guint n_added;    /* samples since the last attempt to write */
  guint64 dropped;  /* steps of samples that did not fit into the queue */
  gint64 flushed;   /* monotonic, the last attempt */
  guint flush_timer;
  guint checkpoint_source;
  guint purge_source;
  gint64 purge_chip; /* the last one whose old samples were removed */
};

struct Core2HistoryChip
{
  Core2History *history;
  char *address;
  Core2StepsState state;
  gboolean dirty;  /* state or days are to be written */
  GArray *days;    /* Core2HistoryDay: what is to be added to those of the file */
};

/* Reports that SQLite said @code: damage makes a new file, all else sets core2_history_get_error(). Sets @error. */
void history_failed (Core2History *self, int code, const char *what, GError **error);

/* The open file, which may have to be opened again first; NULL with @error. */
HistoryDatabase *history_get_database (Core2History *self, GError **error);

/* Queues steps made somewhen between two times (microseconds) of one day. */
void history_chip_queue_estimate (Core2HistoryChip *self, gint64 from_us, gint64 until_us,
                                  guint32 steps);

/* What @chip adds to @day, made when it is new. */
Core2HistoryDay *history_chip_get_day (Core2HistoryChip *self, Core2Day day);

/* Writes the state of a chip, and tells its number in the file. An SQLite result code, as for the next one. */
int history_put_chip (HistoryDatabase *database, const char *address,
                      const Core2StepsState *state, gint64 *id);

/* Adds a sample to what the file has of that time. */
int history_put_sample (HistoryDatabase *database, gint64 id, const Core2HistoryRow *sample);

/* --- core2-history-purge.c ---- */

/* Removes what is too old and what belongs to deleted chips: soon, little by little, and again each day. */
void history_purge_later (Core2History *self);

G_END_DECLS
