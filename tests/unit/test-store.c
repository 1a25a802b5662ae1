/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-store-fixture.h"

#include <signal.h>
#include <unistd.h>

/* Exactly the right chip is there, the left one's file was set aside, and one line says so. */
static void
assert_left_set_aside (Fixture *self)
{
  g_autoptr (GPtrArray) records = load (self);
  g_autoptr (Core2ChipRecord) right = make_record (RIGHT);

  g_assert_cmpuint (records->len, ==, 1);
  assert_same (records->pdata[0], right);
  g_assert_false (exists (self, LEFT_FILE));
  g_assert_true (exists (self, LEFT_FILE ".bad"));
  g_assert_cmpuint (self->warnings->len, ==, 1);
  g_assert_nonnull (strstr (self->warnings->pdata[0], LEFT_FILE));
  g_ptr_array_set_size (self->warnings, 0);
}

static void
test_round_trip (Fixture *self, gconstpointer data)
{
  g_autoptr (Core2ChipRecord) fresh = core2_chip_record_new (LEFT);
  g_autoptr (Core2ChipRecord) full = make_record (RIGHT);
  g_autoptr (GPtrArray) none = load (self);

  g_assert_cmpuint (none->len, ==, 0);
  save (self, full);
  save (self, fresh);
  for (int i = 0; i < 2; i++)
    {
      g_autoptr (GPtrArray) records = load (self);

      g_assert_cmpuint (records->len, ==, 2);
      assert_same (records->pdata[0], fresh);
      assert_same (records->pdata[1], full);
      reopen (self);
    }
  g_assert_cmpuint (self->warnings->len, ==, 0);
  g_assert_cmpuint (get_mode (self, "chips"), ==, 0700);
  g_assert_cmpuint (get_mode (self, "keys"), ==, 0700);
  g_assert_cmpuint (get_mode (self, LEFT_FILE), ==, 0600);
}

static void
test_newer (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Core2ChipRecord) left = make_record (LEFT);
  g_autofree char *text = edit ("Format=1", "Format=2\nWhatever=3");
  g_autofree char *after = NULL;

  save_two (self);
  put_text (self, LEFT_FILE, text, -1);
  g_autoptr (GPtrArray) records = load (self);

  g_assert_cmpuint (records->len, ==, 1);
  g_assert_cmpuint (self->warnings->len, ==, 1);

  g_assert_false (core2_store_save (self->store, left, &error));
  g_assert_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE);
  get_text (self, LEFT_FILE, &after, NULL);
  g_assert_cmpstr (after, ==, text);

  g_assert_true (core2_store_remove (self->store, LEFT, NULL));
  save (self, left);
}

static void
test_cut_off (Fixture *self, gconstpointer data)
{
  g_autofree char *text = NULL;
  gsize size;

  save_two (self);
  get_text (self, LEFT_FILE, &text, &size);
  for (gsize length = 0; length < size; length += 97)
    {
      put_text (self, LEFT_FILE, text, (gssize) length);
      assert_left_set_aside (self);
      drop (self, LEFT_FILE ".bad");
    }
}

static void
test_symlink (Fixture *self, gconstpointer data)
{
  g_autofree char *path = get_path (self, LEFT_FILE);
  g_autofree char *target = get_path (self, "target");
  g_autofree char *text = NULL;
  g_autofree char *after = NULL;
  gsize size;

  save_two (self);
  get_text (self, LEFT_FILE, &text, &size);
  put_text (self, "target", text, (gssize) size);
  drop (self, LEFT_FILE);
  g_assert_cmpint (symlink (target, path), ==, 0);
  g_assert_cmpint (g_chmod (target, 0644), ==, 0);
  assert_left_set_aside (self);
  g_assert_cmpuint (get_mode (self, "target"), ==, 0644);
  drop (self, LEFT_FILE ".bad");

  /* Writing replaces the link, not what it points to. */
  g_autoptr (Core2ChipRecord) left = core2_chip_record_new (LEFT);

  g_assert_cmpint (symlink (target, path), ==, 0);
  save (self, left);
  g_assert_false (g_file_test (path, G_FILE_TEST_IS_SYMLINK));
  get_text (self, "target", &after, NULL);
  g_assert_cmpstr (after, ==, text);
}

static void
test_not_files (Fixture *self, gconstpointer data)
{
  g_autofree char *path = get_path (self, LEFT_FILE);

  save_two (self);
  drop (self, LEFT_FILE);
  g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
  assert_left_set_aside (self);
  drop (self, LEFT_FILE ".bad");

  g_assert_cmpint (mkfifo (path, 0600), ==, 0);
  assert_left_set_aside (self);
}

static void
test_large (Fixture *self, gconstpointer data)
{
  g_autofree char *path = get_path (self, LEFT_FILE);

  save_two (self);
  g_assert_cmpint (truncate (path, 64 * 1024 + 1), ==, 0);
  assert_left_set_aside (self);
  put_text (self, LEFT_FILE, "x", -1);
  g_assert_cmpint (truncate (path, 1024 * 1024 * 1024), ==, 0);
  assert_left_set_aside (self);
}

static void
test_other_names (Fixture *self, gconstpointer data)
{
  g_autofree char *text = NULL;
  gsize size;

  save_two (self);
  get_text (self, RIGHT_FILE, &text, &size);

  /* Another chip's record, and names that are no address: each set aside. */
  put_text (self, LEFT_FILE, text, (gssize) size);
  assert_left_set_aside (self);
  put_text (self, "chips/x.conf", text, (gssize) size);
  put_text (self, "chips/f1_4f_bb_6a_b5_7a.conf", text, (gssize) size);
  put_text (self, "chips/notes.txt", "mine", -1);
  g_autoptr (GPtrArray) records = load (self);

  g_assert_cmpuint (records->len, ==, 1);
  g_assert_cmpuint (self->warnings->len, ==, 2);
  g_assert_true (exists (self, "chips/x.conf.bad"));
  g_assert_true (exists (self, "chips/notes.txt"));
}

static void
test_modes (Fixture *self, gconstpointer data)
{
  g_autofree char *chips = get_path (self, "chips");
  g_autofree char *keys = get_path (self, "keys");
  g_autofree char *file = get_path (self, LEFT_FILE);
  g_autofree char *key_file = get_path (self, LEFT_KEY);
  guint8 key[CORE2_KEY_SIZE];

  save_two (self);
  put_key (self, LEFT, key_a);
  g_assert_cmpuint (get_mode (self, LEFT_KEY), ==, 0600);
  g_assert_cmpint (g_chmod (chips, 0755), ==, 0);
  g_assert_cmpint (g_chmod (keys, 0777), ==, 0);
  g_assert_cmpint (g_chmod (file, 0666), ==, 0);
  g_assert_cmpint (g_chmod (key_file, 0644), ==, 0);
  reopen (self);
  g_autoptr (GPtrArray) records = load (self);

  g_assert_cmpuint (records->len, ==, 2);
  g_assert_true (core2_store_get_key (self->store, LEFT, key, NULL));
  g_assert_cmpuint (get_mode (self, "chips"), ==, 0700);
  g_assert_cmpuint (get_mode (self, "keys"), ==, 0700);
  g_assert_cmpuint (get_mode (self, LEFT_FILE), ==, 0600);
  g_assert_cmpuint (get_mode (self, LEFT_KEY), ==, 0600);
}

static void
test_sweep (Fixture *self, gconstpointer data)
{
  static const char *const left_behind[]
      = { LEFT_FILE ".A1b2C3", LEFT_KEY ".zzzzzz", LEFT_PENDING ".000000", LEFT_NEW };
  static const char *const kept[] = { LEFT_FILE ".bad", "keys/README.first" };

  for (guint i = 0; i < G_N_ELEMENTS (left_behind); i++)
    put_text (self, left_behind[i], "x", -1);
  for (guint i = 0; i < G_N_ELEMENTS (kept); i++)
    put_text (self, kept[i], "x", -1);
  reopen (self);
  for (guint i = 0; i < G_N_ELEMENTS (left_behind); i++)
    g_assert_false (exists (self, left_behind[i]));
  for (guint i = 0; i < G_N_ELEMENTS (kept); i++)
    g_assert_true (exists (self, kept[i]));
}

static void
test_open (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *deep = get_path (self, "a/b");
  g_autofree char *linked = get_path (self, "linked");
  g_autofree char *target = get_path (self, "chips");
  g_autofree char *chips = g_build_filename (linked, "chips", NULL);
  g_autofree char *file = get_path (self, "file");

  g_assert_null (core2_store_open (deep, &error));
  g_assert_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE);
  g_clear_error (&error);

  put_text (self, "file", "x", -1);
  g_assert_null (core2_store_open (file, &error));
  g_assert_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE);
  g_clear_error (&error);

  g_assert_cmpint (g_mkdir (linked, 0700), ==, 0);
  g_assert_cmpint (symlink (target, chips), ==, 0);
  g_assert_null (core2_store_open (linked, &error));
  g_assert_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE);
}

static void
test_no_address (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  guint8 key[CORE2_KEY_SIZE];

  g_assert_false (core2_store_remove (self->store, "../chips", &error));
  g_assert_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE);
  g_clear_error (&error);
  g_assert_false (core2_store_get_key (self->store, "", key, &error));
  g_assert_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE);
}

static void
test_full_disk (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Core2ChipRecord) changed = core2_chip_record_new (LEFT);
  g_autoptr (Core2ChipRecord) expected = make_record (LEFT);
  guint8 key[CORE2_KEY_SIZE];

  save_two (self);
  put_key (self, LEFT, key_a);
  signal (SIGXFSZ, SIG_IGN);
  for (rlim_t bytes = 0; bytes < 16; bytes += 5)
    {
      limit_file_size (bytes);
      g_assert_false (core2_store_save (self->store, changed, &error));
      g_assert_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE);
      g_clear_error (&error);
      g_assert_false (core2_store_set_pending_key (self->store, LEFT, key_b, &error));
      g_assert_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE);
      g_clear_error (&error);
      limit_file_size (RLIM_INFINITY);

      g_autoptr (GPtrArray) records = load (self);

      g_assert_cmpuint (records->len, ==, 2);
      assert_same (records->pdata[0], expected);
      g_assert_true (core2_store_get_key (self->store, LEFT, key, NULL));
      g_assert_cmpmem (key, sizeof key, key_a, sizeof key_a);
    }
  g_autofree char *chips = get_path (self, "chips");
  g_autoptr (GDir) dir = g_dir_open (chips, 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  g_assert_cmpuint (n, ==, 3); /* two records and live */
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (collect_warning, NULL, NULL);
  ADD ("/store/round-trip", test_round_trip);
  ADD ("/store/newer", test_newer);
  ADD ("/store/cut-off", test_cut_off);
  ADD ("/store/symlink", test_symlink);
  ADD ("/store/not-files", test_not_files);
  ADD ("/store/large", test_large);
  ADD ("/store/other-names", test_other_names);
  ADD ("/store/modes", test_modes);
  ADD ("/store/sweep", test_sweep);
  ADD ("/store/open", test_open);
  ADD ("/store/no-address", test_no_address);
  ADD ("/store/full-disk", test_full_disk);
  return g_test_run ();
}
