/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-store-fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void
assert_key (Fixture *self, const guint8 expected[CORE2_KEY_SIZE])
{
  g_autoptr (GError) error = NULL;
  guint8 key[CORE2_KEY_SIZE];

  g_assert_true (core2_store_has_key (self->store, LEFT));
  g_assert_true (core2_store_get_key (self->store, LEFT, key, &error));
  g_assert_no_error (error);
  g_assert_cmpmem (key, sizeof key, expected, CORE2_KEY_SIZE);
}

static void
assert_no_key (Fixture *self)
{
  static const guint8 wiped[CORE2_KEY_SIZE] = { 0 };
  g_autoptr (GError) error = NULL;
  guint8 key[CORE2_KEY_SIZE];

  memset (key, 0x5a, sizeof key);
  g_assert_false (core2_store_has_key (self->store, LEFT));
  g_assert_false (core2_store_get_key (self->store, LEFT, key, &error));
  g_assert_error (error, CORE2_ERROR, CORE2_ERROR_NOT_PAIRED);
  g_assert_cmpmem (key, sizeof key, wiped, sizeof wiped);
}

static void
assert_pending (Fixture *self, const guint8 *expected)
{
  g_autoptr (GError) error = NULL;
  guint8 key[CORE2_KEY_SIZE];
  gboolean found = core2_store_get_pending_key (self->store, LEFT, key, &error);

  g_assert_cmpint (core2_store_has_pending_key (self->store, LEFT), ==, expected != NULL);
  g_assert_cmpint (found, ==, expected != NULL);
  if (found)
    g_assert_cmpmem (key, sizeof key, expected, CORE2_KEY_SIZE);
  else
    g_assert_error (error, CORE2_ERROR, CORE2_ERROR_NOT_PAIRED);
}

static void
test_key (Fixture *self, gconstpointer data)
{
  g_autofree char *text = NULL;
  gsize size;

  assert_no_key (self);
  g_assert_true (core2_store_remove (self->store, LEFT, NULL));
  put_key (self, LEFT, key_a);
  assert_key (self, key_a);
  get_text (self, LEFT_KEY, &text, &size);
  g_assert_cmpmem (text, size, key_a, sizeof key_a);
  put_key (self, LEFT, key_b);
  reopen (self);
  assert_key (self, key_b);
  g_assert_true (core2_store_remove (self->store, LEFT, NULL));
  assert_no_key (self);
}

static void
test_pending (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  put_key (self, LEFT, key_a);
  assert_pending (self, NULL);
  g_assert_false (core2_store_commit_pending_key (self->store, LEFT, &error));
  g_assert_error (error, CORE2_ERROR, CORE2_ERROR_NOT_PAIRED);
  assert_key (self, key_a);

  g_assert_true (core2_store_set_pending_key (self->store, LEFT, key_b, NULL));
  reopen (self);
  assert_key (self, key_a);
  assert_pending (self, key_b);
  g_assert_true (core2_store_discard_pending_key (self->store, LEFT, NULL));
  assert_key (self, key_a);
  assert_pending (self, NULL);
  g_assert_true (core2_store_discard_pending_key (self->store, LEFT, NULL));

  g_assert_true (core2_store_set_pending_key (self->store, LEFT, key_b, NULL));
  g_assert_true (core2_store_commit_pending_key (self->store, LEFT, NULL));
  reopen (self);
  assert_key (self, key_b);
  assert_pending (self, NULL);
}

static void
test_damaged_key (Fixture *self, gconstpointer data)
{
  g_autofree char *path = get_path (self, LEFT_KEY);
  char text[CORE2_KEY_SIZE * 2] = "0123456789abcdef0123456789abcde";

  for (gssize size = 0; size < (gssize) sizeof text; size++)
    {
      g_autoptr (GError) error = NULL;
      guint8 key[CORE2_KEY_SIZE];

      if (size == CORE2_KEY_SIZE)
        continue;
      put_text (self, LEFT_KEY, text, size);
      g_assert_false (core2_store_get_key (self->store, LEFT, key, &error));
      g_assert_error (error, CORE2_ERROR, CORE2_ERROR_NOT_PAIRED);
      g_assert_cmpuint (self->warnings->len, ==, 1);
      g_ptr_array_set_size (self->warnings, 0);
      g_assert_true (exists (self, LEFT_KEY ".bad"));
      assert_no_key (self);
    }
  drop (self, LEFT_KEY ".bad");
  g_assert_cmpint (symlink ("/etc/machine-id", path), ==, 0);
  guint8 key[CORE2_KEY_SIZE];

  g_assert_false (core2_store_get_key (self->store, LEFT, key, NULL));
  assert_no_key (self);
}

static void
test_remove (Fixture *self, gconstpointer data)
{
  save_two (self);
  put_key (self, LEFT, key_a);
  g_assert_true (core2_store_set_pending_key (self->store, LEFT, key_b, NULL));
  put_key (self, RIGHT, key_b);
  for (int i = 0; i < 2; i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_true (core2_store_remove (self->store, LEFT, &error));
      g_assert_no_error (error);
      g_assert_false (exists (self, LEFT_FILE));
      g_assert_false (exists (self, LEFT_KEY));
      g_assert_false (exists (self, LEFT_PENDING));
    }
  g_assert_true (exists (self, RIGHT_FILE));
  g_assert_true (core2_store_has_key (self->store, RIGHT));
}

/* --- a record and its key -------------------------------------------------------------------- */

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* Every file and folder of the state with its content, but for the notes of what was measured. */
static void
append_tree (GString *text, const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    g_ptr_array_add (names, g_build_filename (path, name, NULL));
  g_ptr_array_sort (names, compare_names);
  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *content = NULL;
      gsize size = 0;

      if (g_str_has_suffix (names->pdata[i], "/live"))
        continue;
      g_file_get_contents (names->pdata[i], &content, &size, NULL);
      g_autofree char *sum = g_compute_checksum_for_data (G_CHECKSUM_SHA256,
                                                          (const guchar *) content, size);

      g_string_append_printf (text, "%s %s\n", (char *) names->pdata[i], sum);
      append_tree (text, names->pdata[i]);
    }
}

static char *
describe (Fixture *self)
{
  GString *text = g_string_new (NULL);

  append_tree (text, self->root);
  return g_string_free (text, FALSE);
}

/* Neither the record nor the key is changed. */
static void
assert_not_saved (Fixture *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Core2ChipRecord) changed = core2_chip_record_new (LEFT);
  g_autofree char *before = describe (self);

  g_assert_false (core2_store_save_with_key (self->store, changed, key_b, &error));
  g_assert_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE);
  g_autofree char *after = describe (self);

  g_assert_cmpstr (after, ==, before);
}

static void
test_with_key (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Core2ChipRecord) left = make_record (LEFT);
  static const guint8 *const keys[] = { key_a, key_b };

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      left->daily_goal = i;
      g_assert_true (core2_store_save_with_key (self->store, left, keys[i], &error));
      g_assert_no_error (error);
      reopen (self);
      assert_key (self, keys[i]);
      g_assert_cmpuint (get_mode (self, LEFT_KEY), ==, 0600);
      g_assert_false (exists (self, LEFT_NEW));
      g_autoptr (GPtrArray) records = load (self);

      g_assert_cmpuint (records->len, ==, 1);
      assert_same (records->pdata[0], left);
    }
}

/* A folder with something in it can't be replaced by a file. */
static void
obstruct (Fixture *self, const char *name)
{
  g_autofree char *folder = get_path (self, name);
  g_autofree char *file = g_build_filename (folder, "x", NULL);

  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  g_assert_true (g_file_set_contents (file, "x", 1, NULL));
}

static void
clear (Fixture *self, const char *name)
{
  g_autofree char *path = get_path (self, name);

  remove_tree (path);
}

/* It fails at each of its steps: for a new chip and for one that is known. */
static void
test_with_key_fails (Fixture *self, gconstpointer data)
{
  static const char *const steps[] = { LEFT_NEW, LEFT_FILE, LEFT_KEY };

  for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      obstruct (self, steps[i]);
      assert_not_saved (self);
      clear (self, steps[i]);
    }

  save_two (self);
  for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      if (strcmp (steps[i], LEFT_FILE) == 0)
        continue;
      obstruct (self, steps[i]);
      assert_not_saved (self);
      clear (self, steps[i]);
    }
  put_key (self, LEFT, key_a);
  obstruct (self, LEFT_NEW);
  assert_not_saved (self);
}

/* Room for the key, and none for the record; or for neither. */
static void
test_with_key_full_disk (Fixture *self, gconstpointer data)
{
  static const rlim_t sizes[] = { 0, CORE2_KEY_SIZE, 100 };

  signal (SIGXFSZ, SIG_IGN);
  for (int known = 0; known < 2; known++)
    {
      for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
        {
          limit_file_size (sizes[i]);
          assert_not_saved (self);
          limit_file_size (RLIM_INFINITY);
        }
      save_two (self);
      put_key (self, LEFT, key_a);
    }
}

/* --- killed while it writes ------------------------------------------------------------------ */

/* Pairs and saves without end; says on @fd when it has begun. */
static void
write_for_ever (Fixture *self, int fd)
{
  g_autoptr (Core2ChipRecord) record = make_record (LEFT);

  for (guint64 i = 0;; i++)
    {
      const guint8 *key = i % 2 == 0 ? key_a : key_b;

      record->steps.total = i;
      if (!core2_store_save (self->store, record, NULL)
          || !core2_store_set_pending_key (self->store, LEFT, key, NULL)
          || !core2_store_commit_pending_key (self->store, LEFT, NULL))
        _exit (1);
      if (write (fd, "x", 1) != 1)
        _exit (1);
    }
}

static void
test_killed (Fixture *self, gconstpointer data)
{
  save_two (self);
  put_key (self, LEFT, key_a);
  for (int round = 0; round < 30; round++)
    {
      int pipe_fds[2];
      char byte;

      g_assert_cmpint (pipe (pipe_fds), ==, 0);
      pid_t pid = fork ();

      g_assert_cmpint (pid, >=, 0);
      if (pid == 0)
        {
          close (pipe_fds[0]);
          write_for_ever (self, pipe_fds[1]);
        }
      close (pipe_fds[1]);
      /* Somewhere in the writing that follows. */
      for (int i = 0; i <= round % 3; i++)
        g_assert_cmpint (read (pipe_fds[0], &byte, 1), ==, 1);
      kill (pid, SIGKILL);
      g_assert_cmpint (waitpid (pid, NULL, 0), ==, pid);
      close (pipe_fds[0]);

      reopen (self);
      g_autoptr (GPtrArray) records = load (self);
      guint8 key[CORE2_KEY_SIZE];

      g_assert_cmpuint (records->len, ==, 2);
      g_assert_cmpuint (self->warnings->len, ==, 0);
      g_assert_true (core2_store_get_key (self->store, LEFT, key, NULL));
      g_assert_true (memcmp (key, key_a, sizeof key) == 0 || memcmp (key, key_b, sizeof key) == 0);
      if (core2_store_has_pending_key (self->store, LEFT))
        g_assert_true (core2_store_get_pending_key (self->store, LEFT, key, NULL));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (collect_warning, NULL, NULL);
  ADD ("/store-keys/key", test_key);
  ADD ("/store-keys/pending", test_pending);
  ADD ("/store-keys/damaged-key", test_damaged_key);
  ADD ("/store-keys/remove", test_remove);
  ADD ("/store-keys/with-key", test_with_key);
  ADD ("/store-keys/with-key-fails", test_with_key_fails);
  ADD ("/store-keys/with-key-full-disk", test_with_key_full_disk);
  ADD ("/store-keys/killed", test_killed);
  return g_test_run ();
}
