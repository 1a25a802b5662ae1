/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was measured survives a kill of the writer, what was synced a power cut at any moment, and damage of the
 * file costs nothing but what came after the record. */
#include "core2-error.h"
#include "core2-store.h"
#include "test-folder.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#define LEFT "F1:4F:BB:6A:B5:79"
#define RIGHT "F1:4F:BB:6A:B5:7A"
#define SLOT_SIZE 4096
#define PAIR_SIZE (2 * SLOT_SIZE)

typedef struct
{
  char *root;
  char *live;
  Core2Store *store;
} Fixture;

static void
reopen (Fixture *self)
{
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&self->store, core2_store_free);
  self->store = core2_store_open (self->root, &error);
  g_assert_no_error (error);
}

static void
set_up (Fixture *self, gconstpointer data)
{
  self->root = g_dir_make_tmp ("core2-live-XXXXXX", NULL);
  self->live = g_build_filename (self->root, "chips", "live", NULL);
  reopen (self);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  core2_store_free (self->store);
  remove_tree (self->root);
  g_free (self->live);
  g_free (self->root);
}

static Core2ChipRecord *
make_record (const char *address, guint64 total)
{
  Core2ChipRecord *record = core2_chip_record_new (address);

  record->added = 5;
  record->steps.total = total;
  return record;
}

static void
save (Fixture *self, const Core2ChipRecord *record)
{
  g_autoptr (GError) error = NULL;

  core2_store_save (self->store, record, &error);
  g_assert_no_error (error);
}

static void
note (Fixture *self, const Core2ChipRecord *record)
{
  g_autoptr (GError) error = NULL;

  core2_store_note (self->store, record, &error);
  g_assert_no_error (error);
}

static void
note_total (Fixture *self, Core2ChipRecord *record, guint64 total)
{
  record->steps.total = total;
  note (self, record);
}

static void
sync_values (Fixture *self)
{
  g_autoptr (GError) error = NULL;

  core2_store_sync (self->store, &error);
  g_assert_no_error (error);
}

/* The file: the caller's. */
static guint8 *
get_file (Fixture *self, gsize *size)
{
  char *content;

  g_assert_true (g_file_get_contents (self->live, &content, size, NULL));
  return (guint8 *) content;
}

static void
set_file (Fixture *self, const guint8 *content, gsize size)
{
  g_assert_true (g_file_set_contents (self->live, (const char *) content, (gssize) size, NULL));
}

/* The slot of the only pair, 0 or 1, that is not as it was. */
static guint
find_change (Fixture *self, const guint8 *before)
{
  gsize size;
  g_autofree guint8 *now = get_file (self, &size);
  gboolean first = memcmp (now, before, SLOT_SIZE) != 0;
  gboolean second = memcmp (now + SLOT_SIZE, before + SLOT_SIZE, SLOT_SIZE) != 0;

  g_assert_cmpuint (size, ==, PAIR_SIZE);
  g_assert_true (first != second);
  return second;
}

/* How many bytes of a slot are in use. */
static gsize
count_used (const guint8 *slot)
{
  gsize used = SLOT_SIZE;

  while (used > 0 && slot[used - 1] == 0)
    used--;
  return used;
}

/* What a core2d that starts now finds of the only chip. */
static Core2ChipRecord *
find (Fixture *self)
{
  g_autoptr (GError) error = NULL;

  reopen (self);
  g_autoptr (GPtrArray) records = core2_store_load_all (self->store, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (records->len, ==, 1);
  return g_ptr_array_steal_index (records, 0);
}

static guint64
find_total (Fixture *self)
{
  g_autoptr (Core2ChipRecord) found = find (self);

  return found->steps.total;
}

/* --- tests ------------------------------------------------------------------------------------- */

/* All values that are noted, none the same as another, over bytes of which all were @stray. */
static void
fill_steps (Core2StepsState *steps, guint8 stray)
{
  memset (steps, stray, sizeof *steps);
  steps->total = 107;
  steps->day = 20260507;
  steps->midnight = CORE2_STEPS_MIDNIGHT_RESETS;
  steps->pairing = 1;
  steps->has_trusted = TRUE;
  steps->trusted.counter = 4294967295u;
  steps->trusted.wall_us = 1790000000000000;
  steps->trusted.boot_us = 5;
  steps->trusted.boot_id = G_MAXUINT64;
  steps->has_candidate = TRUE;
  steps->candidate.counter = 7;
  steps->candidate.wall_us = 8;
  steps->candidate.boot_us = 9;
  steps->candidate.boot_id = 10;
  steps->candidate_is_reset = TRUE;
  for (guint i = 0; i < CORE2_STEPS_DAYS_KEPT; i++)
    {
      steps->days[i].day = 20260507 - (Core2Day) i;
      steps->days[i].steps = 7 + i;
    }
}

static void
assert_samples_equal (const Core2StepsSample *one, const Core2StepsSample *other)
{
  g_assert_cmpuint (one->counter, ==, other->counter);
  g_assert_cmpint (one->wall_us, ==, other->wall_us);
  g_assert_cmpint (one->boot_us, ==, other->boot_us);
  g_assert_cmpuint (one->boot_id, ==, other->boot_id);
}

static void
test_values (Fixture *self, gconstpointer data)
{
  g_autoptr (Core2ChipRecord) record = make_record (LEFT, 100);
  Core2StepsState *steps = &record->steps;

  save (self, record);
  fill_steps (steps, 0);
  record->last_seen = 11;
  record->last_connected = 12;
  record->battery = 62;
  record->battery_updated = 13;
  note (self, record);

  g_autoptr (Core2ChipRecord) found = find (self);
  const Core2StepsState *noted = &found->steps;

  g_assert_cmpuint (noted->total, ==, 107);
  g_assert_cmpint (noted->day, ==, 20260507);
  g_assert_cmpint (noted->midnight, ==, CORE2_STEPS_MIDNIGHT_RESETS);
  g_assert_cmpuint (noted->pairing, ==, 1);
  g_assert_true (noted->has_trusted);
  assert_samples_equal (&noted->trusted, &steps->trusted);
  g_assert_true (noted->has_candidate);
  assert_samples_equal (&noted->candidate, &steps->candidate);
  g_assert_true (noted->candidate_is_reset);
  g_assert_cmpmem (noted->days, sizeof noted->days, steps->days, sizeof steps->days);
  g_assert_cmpuint (found->last_seen, ==, 11);
  g_assert_cmpuint (found->last_connected, ==, 12);
  g_assert_cmpuint (found->battery, ==, 62);
  g_assert_cmpuint (found->battery_updated, ==, 13);
}

/* The same values make the same file: nothing of the memory around them is in it. */
static void
test_no_stray_bytes (Fixture *self, gconstpointer data)
{
  const guint8 strays[] = { 0x00, 0xaa, 0x55 };
  g_autoptr (Core2ChipRecord) record = make_record (LEFT, 100);
  g_autofree char *first = NULL;
  gsize first_size = 0;

  for (guint i = 0; i < G_N_ELEMENTS (strays); i++)
    {
      g_autofree char *content = NULL;
      gsize size;

      fill_steps (&record->steps, strays[i]);
      note (self, record);
      g_assert_true (g_file_get_contents (self->live, &content, &size, NULL));
      if (i == 0)
        {
          first = g_steal_pointer (&content);
          first_size = size;
        }
      else
        g_assert_cmpmem (content, size, first, first_size);
    }
}

/* A record that is ahead, from a backup or because the disk failed us, counts. */
static void
test_older_note (Fixture *self, gconstpointer data)
{
  g_autofree char *noted = NULL;
  gsize size;
  g_autoptr (Core2ChipRecord) record = make_record (LEFT, 100);

  save (self, record);
  g_assert_true (g_file_get_contents (self->live, &noted, &size, NULL));
  record->steps.total = 200;
  save (self, record);
  g_assert_true (g_file_set_contents (self->live, noted, (gssize) size, NULL));
  g_assert_cmpuint (find_total (self), ==, 200);
}

/* What was noted of a chip that was removed is not of the one that is added later. */
static void
test_removed (Fixture *self, gconstpointer data)
{
  g_autoptr (Core2ChipRecord) record = make_record (LEFT, 100);
  g_autofree char *noted = NULL;
  gsize size;

  save (self, record);
  g_assert_true (g_file_get_contents (self->live, &noted, &size, NULL));
  g_assert_true (core2_store_remove (self->store, LEFT, NULL));
  record->steps.total = 0;
  save (self, record);
  g_assert_cmpuint (find_total (self), ==, 0);

  record->added++;
  save (self, record);
  g_assert_true (g_file_set_contents (self->live, noted, (gssize) size, NULL));
  g_assert_cmpuint (find_total (self), ==, 0);
}

/* Many chips come and go, and each finds its own. */
static void
test_slots (Fixture *self, gconstpointer data)
{
  g_autofree char *text = NULL;
  gsize size, grown = 0;

  for (guint round = 0; round < 3; round++)
    {
      for (guint i = 0; i < 20; i++)
        {
          g_autofree char *address = g_strdup_printf ("F1:4F:BB:6A:B5:%02X", i);
          g_autoptr (Core2ChipRecord) record = make_record (address, 0);

          save (self, record);
          record->steps.total = 1000 * round + i;
          note (self, record);
        }
      reopen (self);
      g_autoptr (GPtrArray) records = core2_store_load_all (self->store, NULL);

      g_assert_cmpuint (records->len, ==, 20);
      for (guint i = 0; i < records->len; i++)
        {
          const Core2ChipRecord *record = records->pdata[i];

          g_assert_cmpuint (record->steps.total, ==, 1000 * round + i);
          g_assert_true (core2_store_remove (self->store, record->address, NULL));
        }
      g_clear_pointer (&text, g_free);
      g_assert_true (g_file_get_contents (self->live, &text, &size, NULL));
      if (round == 0)
        grown = size;
      g_assert_cmpuint (size, ==, grown);
    }
}

/* Any byte changed, and any end lost: then the record counts, and core2d goes on. */
static void
test_damage (Fixture *self, gconstpointer data)
{
  const guint8 nothing[PAIR_SIZE] = { 0 };
  g_autoptr (Core2ChipRecord) record = make_record (LEFT, 100);
  g_autofree guint8 *good = NULL;
  gsize size, begin, used;

  save (self, record);
  note_total (self, record, 107);
  good = get_file (self, &size);
  begin = find_change (self, nothing) * SLOT_SIZE;
  used = count_used (good + begin);
  g_assert_cmpuint (used, >, 100);
  for (gsize i = begin; i < begin + used; i++)
    {
      g_autofree guint8 *damaged = g_memdup2 (good, size);

      damaged[i] ^= 0x10;
      set_file (self, damaged, size);
      g_assert_cmpuint (find_total (self), ==, 100);
      set_file (self, good, i);
      g_assert_cmpuint (find_total (self), ==, 100);
    }
  note (self, record);
  g_assert_cmpuint (find_total (self), ==, 107);
}

/* A power cut may leave anything of a slot that is being written; the other one has what was synced last. */
static void
test_torn (Fixture *self, gconstpointer data)
{
  g_autoptr (Core2ChipRecord) record = make_record (LEFT, 50);
  g_autofree guint8 *synced = NULL;
  g_autofree guint8 *good = NULL;
  gsize size, begin, used;

  save (self, record);
  sync_values (self);
  note_total (self, record, 100);
  sync_values (self);
  synced = get_file (self, &size);
  note_total (self, record, 107);
  good = get_file (self, &size);
  begin = find_change (self, synced) * SLOT_SIZE;
  used = count_used (good + begin);
  for (gsize i = begin; i < begin + used; i++)
    {
      g_autofree guint8 *torn = g_memdup2 (good, size);
      gsize other = (i + SLOT_SIZE) % PAIR_SIZE;

      torn[i] ^= 0x10;
      set_file (self, torn, size);
      g_assert_cmpuint (find_total (self), ==, 100);
      torn[other] ^= 0x10;
      set_file (self, torn, size);
      g_assert_cmpuint (find_total (self), ==, 50);
      torn[i] ^= 0x10;
      set_file (self, torn, size);
      g_assert_cmpuint (find_total (self), ==, 107);
      /* Of the new content only the first bytes are there. */
      memcpy (torn, good, size);
      memcpy (torn + i, synced + i, begin + SLOT_SIZE - i);
      set_file (self, torn, size);
      g_assert_cmpuint (find_total (self), ==, memcmp (torn, good, size) == 0 ? 107 : 100);
    }
}

/* What was synced is not written over before the next sync, by this process or the one after it. */
static void
test_synced_stays (Fixture *self, gconstpointer data)
{
  const guint8 nothing[PAIR_SIZE] = { 0 };
  g_autoptr (Core2ChipRecord) record = make_record (LEFT, 1);
  gsize size;
  guint newest;

  save (self, record);
  newest = find_change (self, nothing);
  for (guint round = 0; round < 6; round++)
    {
      g_autofree guint8 *before = NULL;

      if (round % 2 == 0)
        sync_values (self);
      else
        reopen (self);
      before = get_file (self, &size);
      for (guint i = 0; i < 3; i++)
        {
          note_total (self, record, record->steps.total + 1);
          g_assert_cmpuint (find_change (self, before), ==, 1 - newest);
        }
      newest = 1 - newest;
    }
  g_assert_cmpuint (find_total (self), ==, 19);
}

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

/* Whatever a process has noted before it is killed is there. */
static void
test_killed (Fixture *self, gconstpointer data)
{
  g_autoptr (Core2ChipRecord) record = make_record (LEFT, 0);

  save (self, record);
  for (guint round = 0; round < 50; round++)
    {
      int fds[2];
      guint64 total, told;

      g_assert_cmpint (pipe (fds), ==, 0);
      pid_t pid = fork ();
      g_assert_cmpint (pid, >=, 0);
      if (pid == 0)
        for (;;)
          {
            total = ++record->steps.total;
            if (!core2_store_note (self->store, record, NULL)
                || write (fds[1], &total, sizeof total) != sizeof total)
              _exit (1);
          }
      close (fds[1]);
      for (guint i = 0; i <= round; i++)
        g_assert_cmpint (read (fds[0], &told, sizeof told), ==, sizeof told);
      kill (pid, SIGKILL);
      while (read (fds[0], &total, sizeof total) == sizeof total)
        told = total;
      g_assert_cmpint (waitpid (pid, NULL, 0), ==, pid);
      close (fds[0]);
      record->steps.total = find_total (self);
      g_assert_cmpuint (record->steps.total, >=, told);
      g_assert_cmpuint (record->steps.total, <=, told + 1);
    }
}

#define ADD(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/live/values", test_values);
  ADD ("/live/no-stray-bytes", test_no_stray_bytes);
  ADD ("/live/older-note", test_older_note);
  ADD ("/live/removed", test_removed);
  ADD ("/live/slots", test_slots);
  ADD ("/live/damage", test_damage);
  ADD ("/live/torn", test_torn);
  ADD ("/live/synced-stays", test_synced_stays);
  ADD ("/live/old-format", test_old_format);
  ADD ("/live/no-file", test_no_file);
  ADD ("/live/not-a-file", test_not_a_file);
  ADD ("/live/full-disk", test_full_disk);
  ADD ("/live/killed", test_killed);
  return g_test_run ();
}
