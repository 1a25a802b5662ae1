/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>

#include "core2-rfkill.h"
#include "test-folder.h"

typedef struct
{
  char *directory;
} Fixture;

static void
setup (Fixture *fixture, gconstpointer data)
{
  fixture->directory = g_dir_make_tmp ("core2-rfkill-XXXXXX", NULL);
}

static void
teardown (Fixture *fixture, gconstpointer data)
{
  remove_tree (fixture->directory);
  g_free (fixture->directory);
}

static void
write_attribute (const char *directory, const char *name, const char *content)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);

  g_assert_true (g_file_set_contents (path, content, -1, NULL));
}

static void
add_switch (Fixture *fixture, const char *rfkill, const char *name, const char *type,
            const char *soft, const char *hard)
{
  g_autofree char *path = g_build_filename (fixture->directory, rfkill, NULL);

  g_assert_no_errno (g_mkdir_with_parents (path, 0700));
  write_attribute (path, "name", name);
  write_attribute (path, "type", type);
  write_attribute (path, "soft", soft);
  write_attribute (path, "hard", hard);
}

static void
test_blocked (Fixture *fixture, gconstpointer data)
{
  add_switch (fixture, "rfkill0", "phy0\n", "wlan\n", "1\n", "1\n");
  add_switch (fixture, "rfkill1", "hci1\n", "bluetooth\n", "1\n", "0\n");
  add_switch (fixture, "rfkill2", "hci10\n", "bluetooth\n", "0\n", "0\n");
  add_switch (fixture, "rfkill3", "hci2\n", "bluetooth\n", "0\n", "1\n");
  g_assert_true (core2_rfkill_is_blocked (fixture->directory, "hci1"));
  g_assert_true (core2_rfkill_is_blocked (fixture->directory, "hci2"));
  g_assert_false (core2_rfkill_is_blocked (fixture->directory, "hci10"));
  g_assert_false (core2_rfkill_is_blocked (fixture->directory, "hci0"));
  g_assert_false (core2_rfkill_is_blocked (fixture->directory, "phy0"));
}

static void
test_unknown (Fixture *fixture, gconstpointer data)
{
  g_autofree char *missing = g_build_filename (fixture->directory, "missing", NULL);
  g_autofree char *empty = g_build_filename (fixture->directory, "rfkill0", NULL);

  g_assert_false (core2_rfkill_is_blocked (missing, "hci0"));
  g_assert_no_errno (g_mkdir (empty, 0700));
  g_assert_false (core2_rfkill_is_blocked (fixture->directory, "hci0"));
  /* No machine of ours: only that it ends. */
  g_assert_false (core2_rfkill_is_blocked (CORE2_RFKILL_DIRECTORY, "no such adapter"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/rfkill/blocked", Fixture, NULL, setup, test_blocked, teardown);
  g_test_add ("/rfkill/unknown", Fixture, NULL, setup, test_unknown, teardown);
  return g_test_run ();
}
