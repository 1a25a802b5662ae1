/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-store.h"
#include "core2-error.h"
#include "core2-live.h"
#include "core2-log.h"
#include "core2-state-dir.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define TOPIC "store"
#define RECORD_SUFFIX ".conf"
#define KEY_SUFFIX ".key"
#define PENDING_SUFFIX ".pending"
#define NEW_SUFFIX ".new"         /* a key, until its record is there */
#define STAGED_SUFFIX ".staged"   /* a record, until its key is there */
#define REMOVED_SUFFIX ".removed" /* a record, until its keys are gone */
#define RECORD_MAX (64 * 1024)

struct Core2Store
{
  char *directory;
  Core2StateDir *chips;
  Core2StateDir *keys;
  Core2Live *live;         /* NULL = there can be none */
  GHashTable *untouchable; /* set of addresses whose record must not be overwritten */
};

/* "F1:4F:BB:6A:B5:79" -> "F1_4F_BB_6A_B5_79.conf". NULL with @error for what is no address: it must
 * never become a path. */
static char *
make_name (const char *address, const char *suffix, GError **error)
{
  char element[CORE2_ADDRESS_TEXT_SIZE];
  guint64 number;

  if (!core2_address_parse (address, &number))
    {
      g_set_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE, "'%s' is no address", address);
      return NULL;
    }
  core2_address_format_path_element (number, element);
  return g_strconcat (element, suffix, NULL);
}

static void
warn (const GError *error)
{
  core2_log_failure (CORE2_LOG_WARNING, NULL, TOPIC, core2_error_get_name_of (error), "%s",
                     error->message);
}

/* Without it core2d works, too, but loses some steps when it is killed, and saves each record by itself. */
static void
open_live (Core2Store *self)
{
  g_autoptr (GError) error = NULL;

  self->live = core2_live_open (self->chips, &error);
  if (self->live == NULL)
    warn (error);
}

/* Calls @finish with the stem of each file of that suffix. */
static gboolean
foreach_left_over (Core2Store *self, Core2StateDir *dir, const char *suffix,
                   gboolean (*finish) (Core2Store *self, const char *stem, GError **error),
                   GError **error)
{
  g_autoptr (GPtrArray) names = core2_state_dir_list (dir, suffix, error);

  if (names == NULL)
    return FALSE;
  for (guint i = 0; i < names->len; i++)
    {
      const char *name = names->pdata[i];
      g_autofree char *stem = g_strndup (name, strlen (name) - strlen (suffix));
      g_autoptr (GError) problem = NULL;

      if (!finish (self, stem, &problem))
        warn (problem);
    }
  return TRUE;
}

/* Without its staged record the new key belongs to the record that is there. */
static gboolean
finish_new_key (Core2Store *self, const char *stem, GError **error)
{
  g_autofree char *from = g_strconcat (stem, NEW_SUFFIX, NULL);
  g_autofree char *to = g_strconcat (stem, KEY_SUFFIX, NULL);
  g_autofree char *staged = g_strconcat (stem, STAGED_SUFFIX, NULL);
  gboolean missing;

  if (core2_state_dir_has (self->chips, staged))
    return core2_state_dir_remove (self->keys, from, error);
  return core2_state_dir_rename (self->keys, from, to, &missing, error) || missing;
}

static gboolean
drop_staged (Core2Store *self, const char *stem, GError **error)
{
  g_autofree char *staged = g_strconcat (stem, STAGED_SUFFIX, NULL);

  return core2_state_dir_remove (self->chips, staged, error);
}

static gboolean
finish_removal (Core2Store *self, const char *stem, GError **error)
{
  static const char *const suffixes[] = { PENDING_SUFFIX, NEW_SUFFIX, KEY_SUFFIX };
  g_autofree char *removed = g_strconcat (stem, REMOVED_SUFFIX, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (suffixes); i++)
    {
      g_autofree char *name = g_strconcat (stem, suffixes[i], NULL);

      if (!core2_state_dir_remove (self->keys, name, error))
        return FALSE;
    }
  return core2_state_dir_remove (self->chips, removed, error);
}

/* What a crash left of core2_store_save_with_key() and core2_store_remove(). */
static gboolean
finish_left_overs (Core2Store *self, GError **error)
{
  return foreach_left_over (self, self->keys, NEW_SUFFIX, finish_new_key, error)
         && foreach_left_over (self, self->chips, STAGED_SUFFIX, drop_staged, error)
         && foreach_left_over (self, self->chips, REMOVED_SUFFIX, finish_removal, error);
}

Core2Store *
core2_store_open (const char *directory, GError **error)
{
  g_autoptr (Core2Store) self = g_new0 (Core2Store, 1);

  if (mkdir (directory, 0700) < 0 && errno != EEXIST)
    {
      g_set_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE, "cannot create %s: %s", directory,
                   g_strerror (errno));
      return NULL;
    }

  self->directory = g_strdup (directory);
  self->untouchable = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->chips = core2_state_dir_open (directory, "chips", error);
  if (self->chips == NULL)
    return NULL;
  self->keys = core2_state_dir_open (directory, "keys", error);
  if (self->keys == NULL)
    return NULL;
  core2_state_dir_sweep (self->chips);
  core2_state_dir_sweep (self->keys);
  open_live (self);
  if (!finish_left_overs (self, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
core2_store_free (Core2Store *self)
{
  g_autoptr (GError) error = NULL;

  if (self == NULL)
    return;
  if (!core2_store_sync (self, &error))
    warn (error);
  core2_live_free (self->live);
  core2_state_dir_free (self->chips);
  core2_state_dir_free (self->keys);
  g_clear_pointer (&self->untouchable, g_hash_table_unref);
  g_free (self->directory);
  g_free (self);
}

const char *
core2_store_get_directory (const Core2Store *self)
{
  return self->directory;
}

/* --- records -------------------------------------------------------------------------------- */

static void
leave_untouched (Core2Store *self, const char *address, const char *name, const char *reason)
{
  g_hash_table_add (self->untouchable, g_strdup (address));
  core2_log_warning (address, TOPIC, "the file chips/%s is left alone and its chip not loaded: %s",
                     name, reason);
}

/* NULL when the file gives no record; that is logged here. @buffer: of RECORD_MAX bytes. */
static Core2ChipRecord *
load_record (Core2Store *self, const char *name, char *buffer)
{
  g_autoptr (Core2ChipRecord) record = NULL;
  g_autofree char *element = g_strndup (name, strlen (name) - strlen (RECORD_SUFFIX));
  g_autofree char *reason = NULL;
  char address[CORE2_ADDRESS_TEXT_SIZE];
  guint64 number;
  gsize size;

  if (!core2_address_parse_path_element (element, &number))
    {
      core2_state_dir_set_aside (self->chips, name, "its name is no address");
      return NULL;
    }
  core2_address_format (number, address);

  switch (core2_state_dir_read (self->chips, name, buffer, RECORD_MAX, &size, &reason))
    {
    case CORE2_READ_OK:
      break;
    case CORE2_READ_DAMAGED:
      core2_state_dir_set_aside (self->chips, name, reason);
      return NULL;
    case CORE2_READ_MISSING:
    case CORE2_READ_FAILED:
    default:
      leave_untouched (self, address, name, reason);
      return NULL;
    }

  switch (core2_chip_record_from_text (buffer, size, &record, &reason))
    {
    case CORE2_RECORD_OK:
      break;
    case CORE2_RECORD_NEWER:
      leave_untouched (self, address, name, reason);
      return NULL;
    case CORE2_RECORD_DAMAGED:
    default:
      core2_state_dir_set_aside (self->chips, name, reason);
      return NULL;
    }

  /* A copied file would make two records of one chip. */
  g_autofree char *own_name = make_name (record->address, RECORD_SUFFIX, NULL);

  if (g_strcmp0 (own_name, name) != 0)
    {
      core2_state_dir_set_aside (self->chips, name, "it is of another chip");
      return NULL;
    }
  return g_steal_pointer (&record);
}

GPtrArray *
core2_store_load_all (Core2Store *self, GError **error)
{
  g_autoptr (GPtrArray) records
      = g_ptr_array_new_with_free_func ((GDestroyNotify) core2_chip_record_free);
  g_autoptr (GPtrArray) names = core2_state_dir_list (self->chips, RECORD_SUFFIX, error);
  g_autofree char *buffer = g_malloc (RECORD_MAX);

  if (names == NULL)
    return NULL;
  for (guint i = 0; i < names->len; i++)
    {
      Core2ChipRecord *record = load_record (self, names->pdata[i], buffer);

      if (record == NULL)
        continue;
      if (self->live != NULL)
        core2_live_restore (self->live, record);
      g_ptr_array_add (records, record);
    }
  return g_steal_pointer (&records);
}

static gboolean
may_write (Core2Store *self, const char *address, GError **error)
{
  if (!g_hash_table_contains (self->untouchable, address))
    return TRUE;
  g_set_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE,
               "the record of %s could not be loaded and is not overwritten", address);
  return FALSE;
}

gboolean
core2_store_save (Core2Store *self, const Core2ChipRecord *record, GError **error)
{
  g_autofree char *name = make_name (record->address, RECORD_SUFFIX, error);

  if (name == NULL || !may_write (self, record->address, error))
    return FALSE;

  g_autofree char *text = core2_chip_record_to_text (record);

  /* First, so that it is never older than the record. */
  core2_store_note (self, record, NULL);
  return core2_state_dir_write (self->chips, name, text, strlen (text), error);
}

gboolean
core2_store_note (Core2Store *self, const Core2ChipRecord *record, GError **error)
{
  if (self->live != NULL)
    return core2_live_write (self->live, record, error);
  g_set_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE,
               "no file for the values of %s: its record is saved instead", record->address);
  return FALSE;
}

gboolean
core2_store_sync (Core2Store *self, GError **error)
{
  return self->live == NULL || core2_live_sync (self->live, error);
}

/* --- keys ----------------------------------------------------------------------------------- */

static gboolean
read_key (Core2Store *self, const char *address, const char *suffix, guint8 key[CORE2_KEY_SIZE],
          GError **error)
{
  g_autofree char *name = make_name (address, suffix, error);
  g_autofree char *reason = NULL;
  gsize size = 0;

  g_return_val_if_fail (key != NULL, FALSE);
  if (name == NULL)
    return FALSE;

  Core2ReadResult result
      = core2_state_dir_read (self->keys, name, key, CORE2_KEY_SIZE, &size, &reason);

  if (result == CORE2_READ_OK && size == CORE2_KEY_SIZE)
    return TRUE;

  explicit_bzero (key, CORE2_KEY_SIZE);
  if (result == CORE2_READ_FAILED)
    {
      g_set_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE, "cannot read the key of %s: %s",
                   address, reason);
      return FALSE;
    }
  if (result != CORE2_READ_MISSING)
    core2_state_dir_set_aside (self->keys, name, reason == NULL ? "it is too short" : reason);
  g_set_error (error, CORE2_ERROR, CORE2_ERROR_NOT_PAIRED, "no key of %s is stored", address);
  return FALSE;
}

static gboolean
write_key (Core2Store *self, const char *address, const char *suffix,
           const guint8 key[CORE2_KEY_SIZE], GError **error)
{
  g_autofree char *name = make_name (address, suffix, error);

  return name != NULL && core2_state_dir_write (self->keys, name, key, CORE2_KEY_SIZE, error);
}

static gboolean
remove_key (Core2Store *self, const char *address, const char *suffix, GError **error)
{
  g_autofree char *name = make_name (address, suffix, error);

  return name != NULL && core2_state_dir_remove (self->keys, name, error);
}

static gboolean
has_key (Core2Store *self, const char *address, const char *suffix)
{
  g_autofree char *name = make_name (address, suffix, NULL);

  return name != NULL && core2_state_dir_has (self->keys, name);
}

gboolean
core2_store_get_key (Core2Store *self, const char *address, guint8 key[CORE2_KEY_SIZE],
                     GError **error)
{
  return read_key (self, address, KEY_SUFFIX, key, error);
}

gboolean
core2_store_has_key (Core2Store *self, const char *address)
{
  return has_key (self, address, KEY_SUFFIX);
}

gboolean
core2_store_set_pending_key (Core2Store *self, const char *address,
                             const guint8 key[CORE2_KEY_SIZE], GError **error)
{
  return write_key (self, address, PENDING_SUFFIX, key, error);
}

gboolean
core2_store_get_pending_key (Core2Store *self, const char *address, guint8 key[CORE2_KEY_SIZE],
                             GError **error)
{
  return read_key (self, address, PENDING_SUFFIX, key, error);
}

gboolean
core2_store_has_pending_key (Core2Store *self, const char *address)
{
  return has_key (self, address, PENDING_SUFFIX);
}

gboolean
core2_store_commit_pending_key (Core2Store *self, const char *address, GError **error)
{
  g_autofree char *from = make_name (address, PENDING_SUFFIX, error);
  g_autofree char *to = from == NULL ? NULL : make_name (address, KEY_SUFFIX, error);
  gboolean missing;

  if (to == NULL)
    return FALSE;
  if (core2_state_dir_rename (self->keys, from, to, &missing, error))
    return TRUE;
  if (missing)
    g_set_error (error, CORE2_ERROR, CORE2_ERROR_NOT_PAIRED, "no key of %s is pending", address);
  return FALSE;
}

gboolean
core2_store_discard_pending_key (Core2Store *self, const char *address, GError **error)
{
  return remove_key (self, address, PENDING_SUFFIX, error);
}

/* --- both ----------------------------------------------------------------------------------- */

gboolean
core2_store_remove (Core2Store *self, const char *address, GError **error)
{
  g_autofree char *name = make_name (address, RECORD_SUFFIX, error);
  g_autofree char *removed = name == NULL ? NULL : make_name (address, REMOVED_SUFFIX, error);
  g_autofree char *stem = removed == NULL ? NULL : make_name (address, "", error);
  g_autoptr (GError) problem = NULL;
  gboolean missing;

  if (stem == NULL
      || (!core2_state_dir_rename (self->chips, name, removed, &missing, error) && !missing))
    return FALSE;
  g_hash_table_remove (self->untouchable, address);
  if (self->live != NULL)
    core2_live_remove (self->live, address);
  /* The chip is forgotten; what is left goes now or at the next start. */
  if (!finish_removal (self, stem, &problem))
    warn (problem);
  return TRUE;
}

/* What there was before goes back, without loss where the disk has any room. */
static void
restore_record (Core2Store *self, const char *address, const char *name, const char *text,
                gsize size)
{
  g_autoptr (GError) error = NULL;

  if (text == NULL && self->live != NULL)
    core2_live_remove (self->live, address);
  if (text == NULL ? !core2_state_dir_remove (self->chips, name, &error)
                   : !core2_state_dir_write (self->chips, name, text, size, &error))
    warn (error);
}

/* Puts the staged record in its place, which decides, and then the key, which needs no room on the disk. */
static gboolean
commit_with_key (Core2Store *self, const Core2ChipRecord *record, const char *staged,
                 const char *from, const char *to, GError **error)
{
  g_autofree char *name = make_name (record->address, RECORD_SUFFIX, error);
  g_autofree char *old = g_malloc (RECORD_MAX);
  g_autofree char *reason = NULL;
  gsize size = 0;
  gboolean missing;
  Core2ReadResult result
      = core2_state_dir_read (self->chips, name, old, RECORD_MAX, &size, &reason);

  if (result != CORE2_READ_OK && result != CORE2_READ_MISSING)
    {
      g_set_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE, "cannot read chips/%s: %s", name,
                   reason);
      return FALSE;
    }
  core2_store_note (self, record, NULL);
  if (!core2_state_dir_rename (self->chips, staged, name, &missing, error))
    {
      if (missing)
        g_set_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE, "the file chips/%s has gone", staged);
      return FALSE;
    }
  if (core2_state_dir_rename (self->keys, from, to, &missing, error))
    return TRUE;
  if (missing)
    g_set_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE, "the file keys/%s has gone", from);
  core2_state_dir_remove (self->keys, from, NULL);
  restore_record (self, record->address, name, result == CORE2_READ_OK ? old : NULL, size);
  return FALSE;
}

gboolean
core2_store_save_with_key (Core2Store *self, const Core2ChipRecord *record,
                           const guint8 key[CORE2_KEY_SIZE], GError **error)
{
  g_autofree char *from = make_name (record->address, NEW_SUFFIX, error);
  g_autofree char *to = from == NULL ? NULL : make_name (record->address, KEY_SUFFIX, error);
  g_autofree char *staged = to == NULL ? NULL : make_name (record->address, STAGED_SUFFIX, error);

  if (staged == NULL || !may_write (self, record->address, error))
    return FALSE;

  g_autofree char *text = core2_chip_record_to_text (record);

  if (core2_state_dir_write (self->chips, staged, text, strlen (text), error)
      && write_key (self, record->address, NEW_SUFFIX, key, error)
      && commit_with_key (self, record, staged, from, to, error))
    return TRUE;
  core2_state_dir_remove (self->keys, from, NULL);
  core2_state_dir_remove (self->chips, staged, NULL);
  return FALSE;
}
