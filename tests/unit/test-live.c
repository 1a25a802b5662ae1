/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was measured survives a kill of the writer, what was synced a power cut at any moment, and damage of the
 * file costs nothing but what came after the record. */
#include "test-live-fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

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
  ADD ("/live/killed", test_killed);
  return g_test_run ();
}
