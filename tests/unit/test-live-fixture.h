/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A store and the file in which it notes what was measured. */
#pragma once

#include "core2-error.h"
#include "test-folder.h"
#include "test-store-open.h"

#include <string.h>

#define LEFT "F1:4F:BB:6A:B5:79"
#define RIGHT "F1:4F:BB:6A:B5:7A"
#define SLOT_SIZE 4096
#define PAIR_SIZE (2 * SLOT_SIZE)

#define ADD(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)

typedef struct
{
  char *root;
  char *live;
  Core2Store *store;
} Fixture;

static inline void
reopen (Fixture *self)
{
  reopen_store (&self->store, self->root);
}

static inline void
set_up (Fixture *self, gconstpointer data)
{
  self->root = g_dir_make_tmp ("core2-live-XXXXXX", NULL);
  self->live = g_build_filename (self->root, "chips", "live", NULL);
  reopen (self);
}

static inline void
tear_down (Fixture *self, gconstpointer data)
{
  core2_store_free (self->store);
  remove_tree (self->root);
  g_free (self->live);
  g_free (self->root);
}

static inline Core2ChipRecord *
make_record (const char *address, guint64 total)
{
  Core2ChipRecord *record = core2_chip_record_new (address);

  record->added = 5;
  record->steps.total = total;
  return record;
}

static inline void
save (Fixture *self, const Core2ChipRecord *record)
{
  g_autoptr (GError) error = NULL;

  core2_store_save (self->store, record, &error);
  g_assert_no_error (error);
}

static inline void
note (Fixture *self, const Core2ChipRecord *record)
{
  g_autoptr (GError) error = NULL;

  core2_store_note (self->store, record, &error);
  g_assert_no_error (error);
}

static inline void
note_total (Fixture *self, Core2ChipRecord *record, guint64 total)
{
  record->steps.total = total;
  note (self, record);
}

static inline void
sync_values (Fixture *self)
{
  g_autoptr (GError) error = NULL;

  core2_store_sync (self->store, &error);
  g_assert_no_error (error);
}

/* The file: the caller's. */
static inline guint8 *
get_file (Fixture *self, gsize *size)
{
  char *content;

  g_assert_true (g_file_get_contents (self->live, &content, size, NULL));
  return (guint8 *) content;
}

static inline void
set_file (Fixture *self, const guint8 *content, gsize size)
{
  g_assert_true (g_file_set_contents (self->live, (const char *) content, (gssize) size, NULL));
}

/* How many bytes of a slot are in use. */
static inline gsize
count_used (const guint8 *slot)
{
  gsize used = SLOT_SIZE;

  while (used > 0 && slot[used - 1] == 0)
    used--;
  return used;
}

/* What a core2d that starts now finds of the only chip. */
static inline Core2ChipRecord *
find (Fixture *self)
{
  g_autoptr (GError) error = NULL;

  reopen (self);
  g_autoptr (GPtrArray) records = core2_store_load_all (self->store, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (records->len, ==, 1);
  return g_ptr_array_steal_index (records, 0);
}

static inline guint64
find_total (Fixture *self)
{
  g_autoptr (Core2ChipRecord) found = find (self);

  return found->steps.total;
}
