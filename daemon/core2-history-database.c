/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file of the history: opening, tables, migration, damage. */
#include "core2-history-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "Core" in ASCII: file(1) and others can tell what it is. */
#define APPLICATION_ID 0x436f7265

/* A higher version is no version. */
#define VERSION_MAX 1000

/* Up to this size the whole file is checked when it is opened, which takes some 100 ms; of a larger one
 * the tables that carry the counting. Damage elsewhere shows when it is read. */
#define CHECK_ALL_MAX (32 * 1024 * 1024)

/* What each version of the tables adds to the one before; the file's user_version says how many were
 * applied. Never change one that was released: add. core2-history(5) documents the result. */
static const char *const migrations[] = {
  "CREATE TABLE chips ("
  "  id INTEGER PRIMARY KEY,"
  "  address TEXT UNIQUE,"              /* NULL: deleted, its rows are still being removed */
  "  removed INTEGER NOT NULL DEFAULT 0,"
  "  total INTEGER NOT NULL,"
  "  state TEXT NOT NULL"
  ") STRICT;"
  "CREATE TABLE days ("
  "  chip INTEGER NOT NULL,"
  "  day INTEGER NOT NULL,"             /* 20261121 */
  "  steps INTEGER NOT NULL,"
  "  estimated INTEGER NOT NULL,"
  "  resets INTEGER NOT NULL,"
  "  suspect INTEGER NOT NULL,"
  "  goal INTEGER NOT NULL,"
  "  reached INTEGER NOT NULL,"
  "  PRIMARY KEY (chip, day)"
  ") STRICT, WITHOUT ROWID;"
  "CREATE TABLE samples ("
  "  chip INTEGER NOT NULL,"
  "  time INTEGER NOT NULL,"            /* of the beginning, seconds since 1970 UTC */
  "  kind INTEGER NOT NULL,"
  "  seconds INTEGER NOT NULL,"
  "  steps INTEGER NOT NULL,"
  "  PRIMARY KEY (chip, time, kind)"
  ") STRICT, WITHOUT ROWID;",
};

#define CHIP_ID "(SELECT id FROM chips WHERE address = ?1)"

static const char *const texts[N_STATEMENTS] = {
  [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
  [STATEMENT_COMMIT] = "COMMIT",
  [STATEMENT_ROLLBACK] = "ROLLBACK",
  [STATEMENT_FIND_CHIP] = "SELECT removed, state, id FROM chips WHERE address = ?1",
  /* RETURNING would have SQLite keep a journal of the statement, 64 KiB that it fetches and gives back each time. */
  [STATEMENT_PUT_CHIP] = "INSERT INTO chips (address, total, state) VALUES (?1, ?2, ?3) "
                         "ON CONFLICT (address) DO UPDATE SET removed = 0, "
                         "total = excluded.total, state = excluded.state",
  [STATEMENT_FIND_ID] = "SELECT id FROM chips WHERE address = ?1",
  [STATEMENT_REMOVE_CHIP] = "UPDATE chips SET removed = 1 WHERE address = ?1",
  [STATEMENT_DELETE_CHIP] = "UPDATE chips SET address = NULL WHERE address = ?1",
  [STATEMENT_ADD_DAY] = "INSERT INTO days VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) "
                        "ON CONFLICT (chip, day) DO UPDATE SET "
                        "steps = steps + excluded.steps, "
                        "estimated = estimated + excluded.estimated, "
                        "resets = resets + excluded.resets, "
                        "suspect = suspect + excluded.suspect, "
                        "goal = excluded.goal, reached = max (reached, excluded.reached)",
  [STATEMENT_ADD_SAMPLE] = "INSERT INTO samples (chip, time, kind, seconds, steps) "
                           "VALUES (?1, ?2, ?3, ?4, ?5) "
                           "ON CONFLICT (chip, time, kind) DO UPDATE SET "
                           "steps = steps + excluded.steps, "
                           "seconds = max (seconds, excluded.seconds)",
  [STATEMENT_GET_DAYS] = "SELECT day, steps, estimated, resets, suspect, goal, reached FROM days "
                         "WHERE chip = " CHIP_ID " AND day BETWEEN ?2 AND ?3 ORDER BY day",
  /* The beginning of the sample that is ?3 rows on: a slice ends there. */
  [STATEMENT_FIND_SLICE] = "SELECT time FROM samples WHERE chip = ?1 AND time >= ?2 AND time < ?3 "
                           "ORDER BY time LIMIT 1 OFFSET ?4",
  [STATEMENT_CLEAR_SAMPLES] = "DELETE FROM samples WHERE chip = ?1 AND time >= ?2 AND time < ?3 "
                              "AND time + seconds <= ?4",
  [STATEMENT_CLEAR_DAYS] = "DELETE FROM days WHERE chip = ?1 AND day < ?2",
  [STATEMENT_FIND_DELETED] = "SELECT id FROM chips WHERE address IS NULL LIMIT 1",
  [STATEMENT_DROP_CHIP] = "DELETE FROM chips WHERE id = ?1 AND address IS NULL",
  [STATEMENT_FIND_ESTIMATES] = "SELECT time, seconds, steps FROM samples WHERE chip = ?1 "
                               "AND time >= ?2 AND time < ?3 AND kind = ?4 ORDER BY time",
  [STATEMENT_REMOVE_SAMPLE] = "DELETE FROM samples WHERE chip = ?1 AND time = ?2 AND kind = ?3",
  [STATEMENT_CHANGE_DAY] = "INSERT INTO days VALUES (?1, ?2, ?3, ?4, 0, 0, 0, 0) "
                           "ON CONFLICT (chip, day) DO UPDATE SET "
                           "steps = max (0, steps + excluded.steps), "
                           "estimated = max (0, estimated + excluded.estimated)",
  [STATEMENT_LIST_CHIPS] = "SELECT id FROM chips WHERE id > ?1 ORDER BY id LIMIT 1",
};

gboolean
history_is_damage (int code)
{
  switch (code & 0xff)
    {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    /* Tables and rows that are not as they were made. */
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
      return TRUE;
    default:
      return FALSE;
    }
}

/* --- statements --------------------------------------------------------------------------------- */

sqlite3_stmt *
history_database_get (HistoryDatabase *self, HistoryStatement which)
{
  if (self->statements[which] == NULL)
    sqlite3_prepare_v3 (self->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT,
                        &self->statements[which], NULL);
  return self->statements[which];
}

int
history_database_run (HistoryDatabase *self, HistoryStatement which)
{
  sqlite3_stmt *statement = history_database_get (self, which);

  if (statement == NULL)
    return sqlite3_errcode (self->db);
  sqlite3_step (statement);
  return sqlite3_reset (statement);
}

void
history_database_close (HistoryDatabase *self)
{
  for (guint i = 0; i < N_STATEMENTS; i++)
    {
      sqlite3_finalize (self->statements[i]);
      self->statements[i] = NULL;
    }
  sqlite3_close (self->db);
  self->db = NULL;
}

/* --- opening ------------------------------------------------------------------------------------ */

/* Makes the file when there is none, private, and gives an old one its mode back: SQLite's own files follow
 * it. What is no regular file is damage, and nothing is opened through it. */
static HistoryOpenResult
prepare_file (const char *path, goffset *size, char **reason)
{
  struct stat info;
  int fd = open (path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
  HistoryOpenResult result = HISTORY_OPEN_OK;

  if (fd < 0)
    {
      int code = errno;

      *reason = g_strdup (code == ELOOP ? "it is a symbolic link" : g_strerror (code));
      return code == ELOOP || code == EISDIR || code == ENXIO ? HISTORY_OPEN_DAMAGED
                                                              : HISTORY_OPEN_FAILED;
    }
  if (fstat (fd, &info) < 0
      || (S_ISREG (info.st_mode) && (info.st_mode & 07777) != 0600 && fchmod (fd, 0600) < 0))
    {
      *reason = g_strdup (g_strerror (errno));
      result = HISTORY_OPEN_FAILED;
    }
  else if (!S_ISREG (info.st_mode))
    {
      *reason = g_strdup ("it is no regular file");
      result = HISTORY_OPEN_DAMAGED;
    }
  *size = info.st_size;
  close (fd);
  return result;
}

static int
on_number (void *user_data, int n, char **values, char **names)
{
  *(gint64 *) user_data = values[0] != NULL ? g_ascii_strtoll (values[0], NULL, 10) : 0;
  return 0;
}

static int
get_number (sqlite3 *db, const char *sql, gint64 *value)
{
  return sqlite3_exec (db, sql, on_number, value, NULL);
}

static int
on_verdict (void *user_data, int n, char **values, char **names)
{
  char **verdict = user_data;

  if (*verdict == NULL)
    *verdict = g_utf8_make_valid (values[0] != NULL ? values[0] : "no verdict", -1);
  return 0;
}

/* Damage in the file's structure. *@verdict is "ok", or what is wrong. */
static int
check (sqlite3 *db, goffset size, char **verdict)
{
  static const char *const parts[] = { "PRAGMA quick_check(chips)", "PRAGMA quick_check(days)" };
  int code = SQLITE_OK;

  if (size <= CHECK_ALL_MAX)
    return sqlite3_exec (db, "PRAGMA quick_check(1)", on_verdict, verdict, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (parts) && code == SQLITE_OK; i++)
    {
      g_clear_pointer (verdict, g_free);
      code = sqlite3_exec (db, parts[i], on_verdict, verdict, NULL);
      if (code == SQLITE_OK && g_strcmp0 (*verdict, "ok") != 0)
        break;
    }
  return code;
}

static int
migrate (sqlite3 *db, gint64 version)
{
  int code = SQLITE_OK;

  for (gsize i = (gsize) version; i < G_N_ELEMENTS (migrations) && code == SQLITE_OK; i++)
    {
      g_autofree char *sql
          = g_strdup_printf ("BEGIN IMMEDIATE; %s PRAGMA application_id = %d; "
                             "PRAGMA user_version = %zu; COMMIT",
                             migrations[i], APPLICATION_ID, i + 1);

      code = sqlite3_exec (db, sql, NULL, NULL, NULL);
      if (code != SQLITE_OK && !sqlite3_get_autocommit (db))
        {
          /* The reason, not that of the rollback. */
          sqlite3_exec (db, "ROLLBACK", NULL, NULL, NULL);
        }
    }
  return code;
}

/* Everything after sqlite3_open_v2(). Returns an SQLite code; a wrong file sets *@result and *@reason. */
static int
set_up (sqlite3 *db, goffset size, HistoryOpenResult *result, char **reason)
{
  gint64 version = 0;
  gint64 application = 0;
  g_autofree char *verdict = NULL;
  int code = get_number (db, "PRAGMA application_id", &application);

  if (code == SQLITE_OK)
    code = get_number (db, "PRAGMA user_version", &version);
  if (code != SQLITE_OK)
    return code;
  if (version < 0 || version > VERSION_MAX || (version > 0 && application != APPLICATION_ID))
    {
      *result = HISTORY_OPEN_DAMAGED;
      *reason = g_strdup ("it is another program's");
      return SQLITE_OK;
    }
  if (version > (gint64) G_N_ELEMENTS (migrations))
    {
      *result = HISTORY_OPEN_NEWER;
      *reason = g_strdup_printf ("it has version %" G_GINT64_FORMAT ", of a newer core2d", version);
      return SQLITE_OK;
    }

  if (version > 0)
    code = check (db, size, &verdict);
  if (code == SQLITE_OK && verdict != NULL && strcmp (verdict, "ok") != 0)
    {
      *result = HISTORY_OPEN_DAMAGED;
      *reason = g_steal_pointer (&verdict);
      return SQLITE_OK;
    }
  /* What is deleted is overwritten, too: it tells where somebody was. */
  if (code == SQLITE_OK)
    code = sqlite3_exec (db,
                         "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; "
                         "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 4194304; "
                         "PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF",
                         NULL, NULL, NULL);
  if (code == SQLITE_OK)
    code = migrate (db, version);
  if (code == SQLITE_OK && sqlite3_db_readonly (db, "main") != 0)
    {
      /* We may write the file, but its header says that it is for reading alone. */
      *result = HISTORY_OPEN_DAMAGED;
      *reason = g_strdup ("its header is wrong");
    }
  return code;
}

HistoryOpenResult
history_database_open (HistoryDatabase *self, const char *path, char **reason)
{
  goffset size = 0;
  HistoryOpenResult result = prepare_file (path, &size, reason);
  int code;

  if (result != HISTORY_OPEN_OK)
    return result;
  code = sqlite3_open_v2 (path, &self->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
  if (code == SQLITE_OK)
    {
      /* A file that somebody made evil on purpose must not do more than fail. */
      sqlite3_db_config (self->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
      sqlite3_extended_result_codes (self->db, 1);
      code = set_up (self->db, size, &result, reason);
    }
  for (guint i = 0; i < N_STATEMENTS && code == SQLITE_OK && result == HISTORY_OPEN_OK; i++)
    if (history_database_get (self, i) == NULL)
      {
        /* Tables that are not those of the version: somebody changed them. */
        result = sqlite3_errcode (self->db) == SQLITE_ERROR ? HISTORY_OPEN_DAMAGED
                                                            : HISTORY_OPEN_FAILED;
        *reason = g_strdup (sqlite3_errmsg (self->db));
      }
  if (code != SQLITE_OK)
    {
      result = history_is_damage (code) ? HISTORY_OPEN_DAMAGED : HISTORY_OPEN_FAILED;
      *reason = g_strdup (self->db != NULL ? sqlite3_errmsg (self->db) : sqlite3_errstr (code));
    }
  if (result != HISTORY_OPEN_OK)
    history_database_close (self);
  return result;
}

void
history_database_set_aside (const char *path, const char *reason)
{
  g_autofree char *bad = g_strconcat (path, ".bad", NULL);
  g_autofree char *wal = g_strconcat (path, "-wal", NULL);
  g_autofree char *bad_wal = g_strconcat (bad, "-wal", NULL);
  g_autofree char *shm = g_strconcat (path, "-shm", NULL);
  int r;

  /* In this order: a log without its file would be taken for that of the next one. */
  g_unlink (bad_wal);
  r = g_rename (wal, bad_wal);
  if (r < 0 && errno == ENOENT)
    r = 0;
  g_unlink (shm);
  if (r == 0)
    r = g_rename (path, bad);
  if (r == 0)
    core2_log_event (CORE2_LOG_WARNING,
                     CORE2_LOG_FIELDS (.topic = HISTORY_TOPIC,
                                       .message_id = CORE2_LOG_ID_STATE_DAMAGED),
                     "%s cannot be used (%s) and was renamed to %s: a new history begins", path,
                     reason, bad);
  else
    core2_log_event (CORE2_LOG_WARNING,
                     CORE2_LOG_FIELDS (.topic = HISTORY_TOPIC,
                                       .message_id = CORE2_LOG_ID_STATE_DAMAGED),
                     "%s cannot be used (%s), nor be renamed to %s (%s)", path, reason, bad,
                     g_strerror (errno));
}
