/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A store in a folder of the test's own, and records to put in. */
#pragma once

#include "core2-error.h"
#include "test-folder.h"
#include "test-store-open.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define LEFT "F1:4F:BB:6A:B5:79"
#define RIGHT "F1:4F:BB:6A:B5:7A"
#define LEFT_FILE "chips/F1_4F_BB_6A_B5_79.conf"
#define RIGHT_FILE "chips/F1_4F_BB_6A_B5_7A.conf"
#define LEFT_KEY "keys/F1_4F_BB_6A_B5_79.key"
#define LEFT_PENDING "keys/F1_4F_BB_6A_B5_79.pending"
#define LEFT_NEW "keys/F1_4F_BB_6A_B5_79.new"

#define ADD(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)

static const guint8 key_a[CORE2_KEY_SIZE] = "0123456789abcde";
static const guint8 key_b[CORE2_KEY_SIZE] = "\0\xff line\n[x]\0\0\0\0\0";

typedef struct
{
  char *root;
  Core2Store *store;
  GPtrArray *warnings;
} Fixture;

static GPtrArray *collected; /* GLib's writer function belongs to the process */

static inline GLogWriterOutput
collect_warning (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  if (collected == NULL || (level & G_LOG_LEVEL_MASK) != G_LOG_LEVEL_MESSAGE)
    return g_log_writer_default (level, fields, n_fields, NULL);
  for (gsize i = 0; i < n_fields; i++)
    if (strcmp (fields[i].key, "MESSAGE") == 0)
      g_ptr_array_add (collected, g_strdup (fields[i].value));
  return G_LOG_WRITER_HANDLED;
}

static inline void
reopen (Fixture *self)
{
  reopen_store (&self->store, self->root);
}

static inline void
set_up (Fixture *self, gconstpointer data)
{
  self->root = g_dir_make_tmp ("core2-store-XXXXXX", NULL);
  self->warnings = collected = g_ptr_array_new_with_free_func (g_free);
  reopen (self);
}

static inline void
tear_down (Fixture *self, gconstpointer data)
{
  core2_store_free (self->store);
  remove_tree (self->root);
  g_free (self->root);
  collected = NULL;
  g_ptr_array_unref (self->warnings);
}

static inline char *
get_path (Fixture *self, const char *name)
{
  return g_build_filename (self->root, name, NULL);
}

static inline gboolean
exists (Fixture *self, const char *name)
{
  g_autofree char *path = get_path (self, name);

  return g_file_test (path, G_FILE_TEST_EXISTS) || g_file_test (path, G_FILE_TEST_IS_SYMLINK);
}

static inline guint
get_mode (Fixture *self, const char *name)
{
  g_autofree char *path = get_path (self, name);
  GStatBuf info;

  g_assert_cmpint (g_lstat (path, &info), ==, 0);
  return info.st_mode & 07777;
}

static inline void
get_text (Fixture *self, const char *name, char **text, gsize *size)
{
  g_autofree char *path = get_path (self, name);

  g_assert_true (g_file_get_contents (path, text, size, NULL));
}

static inline void
put_text (Fixture *self, const char *name, const char *text, gssize size)
{
  g_autofree char *path = get_path (self, name);

  g_assert_true (g_file_set_contents (path, text, size, NULL));
}

static inline void
drop (Fixture *self, const char *name)
{
  g_autofree char *path = get_path (self, name);

  g_assert_cmpint (g_remove (path), ==, 0);
}

/* No field has its default. */
static inline Core2ChipRecord *
make_record (const char *address)
{
  Core2ChipRecord *record = core2_chip_record_new (address);
  Core2StepsState *steps = &record->steps;

  g_free (record->name);
  record->name = g_strdup ("HM0D");
  g_free (record->alias);
  record->alias = g_strdup ("  Läufer; [Chip]\n=\\s#\t");
  record->side = CORE2_SIDE_RIGHT;
  record->auto_connect = FALSE;
  record->daily_goal = 4000000000u;
  record->added = 1;
  record->last_seen = G_MAXUINT64;
  record->last_connected = 1790000000000000u;
  record->battery = 0;
  record->battery_updated = 17;
  steps->total = 123456789012345u;
  steps->day = 20261121;
  steps->midnight = CORE2_STEPS_MIDNIGHT_GOES_ON;
  steps->pairing = 1;
  steps->has_trusted = TRUE;
  steps->trusted = (Core2StepsSample){ 4294967295u, 1790000000000000, 5, G_MAXUINT64 };
  steps->has_candidate = TRUE;
  steps->candidate = (Core2StepsSample){ 7, -1, G_MININT64, 9 };
  steps->candidate_is_reset = TRUE;
  for (gint32 i = 0; i < CORE2_STEPS_DAYS_KEPT; i++)
    steps->days[i] = (Core2StepsDay){ 20261121 - i, (guint32) i * 1000u };
  return record;
}

static inline void
assert_same_sample (const Core2StepsSample *a, const Core2StepsSample *b)
{
  g_assert_cmpuint (a->counter, ==, b->counter);
  g_assert_cmpint (a->wall_us, ==, b->wall_us);
  g_assert_cmpint (a->boot_us, ==, b->boot_us);
  g_assert_cmpuint (a->boot_id, ==, b->boot_id);
}

static inline void
assert_same (const Core2ChipRecord *a, const Core2ChipRecord *b)
{
  g_assert_cmpstr (a->address, ==, b->address);
  g_assert_cmpstr (a->name, ==, b->name);
  g_assert_cmpstr (a->alias, ==, b->alias);
  g_assert_cmpint (a->side, ==, b->side);
  g_assert_cmpint (a->auto_connect, ==, b->auto_connect);
  g_assert_cmpuint (a->daily_goal, ==, b->daily_goal);
  g_assert_cmpuint (a->added, ==, b->added);
  g_assert_cmpuint (a->last_seen, ==, b->last_seen);
  g_assert_cmpuint (a->last_connected, ==, b->last_connected);
  g_assert_cmpuint (a->battery, ==, b->battery);
  g_assert_cmpuint (a->battery_updated, ==, b->battery_updated);
  g_assert_cmpuint (a->steps.total, ==, b->steps.total);
  g_assert_cmpint (a->steps.day, ==, b->steps.day);
  g_assert_cmpint (a->steps.midnight, ==, b->steps.midnight);
  g_assert_cmpint (a->steps.pairing, ==, b->steps.pairing);
  g_assert_cmpint (a->steps.has_trusted, ==, b->steps.has_trusted);
  assert_same_sample (&a->steps.trusted, &b->steps.trusted);
  g_assert_cmpint (a->steps.has_candidate, ==, b->steps.has_candidate);
  assert_same_sample (&a->steps.candidate, &b->steps.candidate);
  g_assert_cmpint (a->steps.candidate_is_reset, ==, b->steps.candidate_is_reset);
  for (guint i = 0; i < CORE2_STEPS_DAYS_KEPT; i++)
    {
      g_assert_cmpint (a->steps.days[i].day, ==, b->steps.days[i].day);
      g_assert_cmpuint (a->steps.days[i].steps, ==, b->steps.days[i].steps);
    }
}

static inline char *
add_checksum (const char *body)
{
  g_autofree char *checksum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, body, -1);

  return g_strconcat (body, "[Check]\nSha256=", checksum, "\n", NULL);
}

/* The text of a record with @from replaced by @to, and a checksum that is right. */
static inline char *
edit (const char *from, const char *to)
{
  g_autoptr (Core2ChipRecord) record = make_record (LEFT);
  g_autofree char *text = core2_chip_record_to_text (record);
  g_autoptr (GString) body = g_string_new_len (text, strstr (text, "[Check]") - text);

  g_assert_cmpuint (g_string_replace (body, from, to, 1), ==, 1);
  return add_checksum (body->str);
}

static inline void
save (Fixture *self, const Core2ChipRecord *record)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (core2_store_save (self->store, record, &error));
  g_assert_no_error (error);
}

static inline void
save_two (Fixture *self)
{
  g_autoptr (Core2ChipRecord) left = make_record (LEFT);
  g_autoptr (Core2ChipRecord) right = make_record (RIGHT);

  save (self, left);
  save (self, right);
}

static inline GPtrArray *
load (Fixture *self)
{
  g_autoptr (GError) error = NULL;
  GPtrArray *records = core2_store_load_all (self->store, &error);

  g_assert_no_error (error);
  return records;
}

static inline void
put_key (Fixture *self, const char *address, const guint8 key[CORE2_KEY_SIZE])
{
  g_assert_true (core2_store_set_pending_key (self->store, address, key, NULL));
  g_assert_true (core2_store_commit_pending_key (self->store, address, NULL));
}

/* As a full disk: the kernel refuses to write more than @bytes to a file. */
static inline void
limit_file_size (rlim_t bytes)
{
  struct rlimit limit;

  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  limit.rlim_cur = bytes;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
}
