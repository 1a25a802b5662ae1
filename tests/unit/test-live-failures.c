/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file in which is noted what was measured is that of an older core2d, cannot be there, or cannot grow. */
#include "test-live-fixture.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

/* The file of a core2d that had one slot for each chip, 512 bytes long, all others free: the caller's. */
static guint8 *
make_old_file (Fixture *self, gsize *size)
{
  g_autofree guint8 *file = get_file (self, size);
  gsize n_pairs = *size / PAIR_SIZE;
  guint8 *old = g_malloc0 (4096);

  g_assert_cmpuint (n_pairs, ==, 2);
  for (gsize i = 0; i < n_pairs; i++)
    {
      const guint8 *pair = file + i * PAIR_SIZE;
      const guint8 *slot = count_used (pair) > 0 ? pair : pair + SLOT_SIZE;
      guint8 *to = old + (7 - 2 * i) * 512;
      guint32 format = 2, content_size, checksum;

      memcpy (&content_size, slot + sizeof format, sizeof content_size);
      g_assert_cmpuint (content_size, <, 512);
      memcpy (to, slot, content_size);
      memcpy (to, &format, sizeof format);
      checksum = (guint32) crc32 (0, to, content_size);
      memcpy (to + content_size, &checksum, sizeof checksum);
    }
  *size = 4096;
  return old;
}

static guint64
find_one_total (Fixture *self, const char *address)
{
  g_autoptr (GPtrArray) records = core2_store_load_all (self->store, NULL);

  for (guint i = 0; i < records->len; i++)
    {
      const Core2ChipRecord *record = records->pdata[i];

      if (g_str_equal (record->address, address))
        return record->steps.total;
    }
  g_assert_not_reached ();
}

/* What the core2d before noted is taken over, also when there is no room for that at first. */
static void
test_old_format (Fixture *self, gconstpointer data)
{
  g_autoptr (Core2ChipRecord) left = make_record (LEFT, 100);
  g_autoptr (Core2ChipRecord) right = make_record (RIGHT, 200);
  g_autofree guint8 *old = NULL;
  g_autofree guint8 *kept = NULL;
  struct rlimit limit;
  gsize size, kept_size;

  save (self, left);
  save (self, right);
  note_total (self, left, 107);
  note_total (self, right, 207);
  old = make_old_file (self, &size);
  set_file (self, old, size);

  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  limit.rlim_cur = 4096;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  reopen (self);
  g_assert_cmpuint (find_one_total (self, LEFT), ==, 100);
  limit.rlim_cur = RLIM_INFINITY;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  kept = get_file (self, &kept_size);
  g_assert_cmpmem (kept, kept_size, old, size);

  for (guint round = 0; round < 2; round++)
    {
      reopen (self);
      g_assert_cmpuint (find_one_total (self, LEFT), ==, 107);
      g_assert_cmpuint (find_one_total (self, RIGHT), ==, 207);
    }
  note_total (self, left, 110);
  reopen (self);
  g_assert_cmpuint (find_one_total (self, LEFT), ==, 110);
  g_assert_cmpuint (find_one_total (self, RIGHT), ==, 207);

  /* A slot that is damaged is not taken over. */
  old[7 * 512 + 40] ^= 1;
  set_file (self, old, size);
  reopen (self);
  g_assert_cmpuint (find_one_total (self, LEFT), ==, 100);
  g_assert_cmpuint (find_one_total (self, RIGHT), ==, 207);
}

/* Without the file values can't be noted, and records are saved as ever. */
static void
test_no_file (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Core2ChipRecord) record = make_record (LEFT, 100);
  g_autofree char *in_the_way = g_build_filename (self->live, "x", NULL);
  g_autofree char *bad = g_strconcat (self->live, ".bad", NULL);
  g_autofree char *bad_too = g_build_filename (bad, "x", NULL);

  g_assert_cmpint (g_remove (self->live), ==, 0);
  g_assert_cmpint (g_mkdir_with_parents (in_the_way, 0700), ==, 0);
  g_assert_cmpint (g_mkdir_with_parents (bad_too, 0700), ==, 0);
  reopen (self);
  g_assert_false (core2_store_note (self->store, record, &error));
  g_assert_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE);
  save (self, record);
  sync_values (self);
  g_assert_cmpuint (find_total (self), ==, 100);
}

static void
test_not_a_file (Fixture *self, gconstpointer data)
{
  g_autoptr (Core2ChipRecord) record = make_record (LEFT, 100);
  g_autofree char *target = g_build_filename (self->root, "target", NULL);
  g_autofree char *bad = g_strconcat (self->live, ".bad", NULL);
  g_autofree char *text = NULL;

  for (int i = 0; i < 2; i++)
    {
      save (self, record);
      g_assert_cmpint (g_remove (self->live), ==, 0);
      if (i == 0)
        g_assert_cmpint (g_mkdir (self->live, 0700), ==, 0);
      else
        {
          g_assert_true (g_file_set_contents (target, "untouched", -1, NULL));
          g_assert_cmpint (symlink (target, self->live), ==, 0);
        }
      g_assert_cmpuint (find_total (self), ==, 100);
      record->steps.total = 107;
      note (self, record);
      g_assert_cmpuint (find_total (self), ==, 107);
      record->steps.total = 100;
      g_assert_true (core2_store_remove (self->store, LEFT, NULL));
      g_assert_cmpint (g_remove (bad), ==, 0);
    }
  g_assert_true (g_file_get_contents (target, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "untouched");
}

/* A file that can't grow: notes fail with an error, what has its room goes on. */
static void
test_full_disk (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Core2ChipRecord) record = make_record (LEFT, 100);
  struct rlimit limit;
  guint n_failed = 0;

  save (self, record);
  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  limit.rlim_cur = 8 * PAIR_SIZE;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  for (guint i = 0; i < 8; i++)
    {
      g_autofree char *address = g_strdup_printf ("F1:4F:BB:6A:B5:%02X", i);
      g_autoptr (Core2ChipRecord) other = make_record (address, 0);

      if (!core2_store_note (self->store, other, &error))
        {
          g_assert_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE);
          g_clear_error (&error);
          n_failed++;
        }
    }
  record->steps.total = 107;
  note (self, record);
  limit.rlim_cur = RLIM_INFINITY;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  g_assert_cmpuint (n_failed, ==, 1);
  g_assert_cmpuint (find_total (self), ==, 107);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/live-failures/old-format", test_old_format);
  ADD ("/live-failures/no-file", test_no_file);
  ADD ("/live-failures/not-a-file", test_not_a_file);
  ADD ("/live-failures/full-disk", test_full_disk);
  return g_test_run ();
}
