/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core2-zone.h"

typedef struct
{
  char *directory;
  char *file;
  char *other;
  Core2Zone *zone;
  guint changes;
} Fixture;

static void
on_zone (gpointer user_data)
{
  Fixture *fixture = user_data;

  fixture->changes++;
}

static void
setup (Fixture *fixture, gconstpointer data)
{
  fixture->directory = g_dir_make_tmp ("core2-zone-XXXXXX", NULL);
  fixture->file = g_build_filename (fixture->directory, CORE2_ZONE_FILE, NULL);
  fixture->other = g_build_filename (fixture->directory, CORE2_ZONE_FILE ".new", NULL);
  g_assert_no_errno (symlink ("/usr/share/zoneinfo/Europe/Berlin", fixture->file));
  fixture->zone = core2_zone_new (fixture->directory, on_zone, fixture);
}

static void
teardown (Fixture *fixture, gconstpointer data)
{
  core2_zone_free (fixture->zone);
  g_remove (fixture->file);
  g_remove (fixture->other);
  g_rmdir (fixture->directory);
  g_free (fixture->other);
  g_free (fixture->file);
  g_free (fixture->directory);
}

/* What is known already is handled. */
static void
iterate (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

/* As timedatectl and dpkg do it. */
static void
test_link_replaced (Fixture *fixture, gconstpointer data)
{
  for (guint i = 1; i <= 3; i++)
    {
      g_assert_no_errno (symlink ("/usr/share/zoneinfo/Asia/Tokyo", fixture->other));
      iterate ();
      g_assert_cmpuint (fixture->changes, ==, i - 1);
      g_assert_no_errno (g_rename (fixture->other, fixture->file));
      iterate ();
      g_assert_cmpuint (fixture->changes, ==, i);
    }
}

/* As "ln -sf" and "cp" do it. */
static void
test_made_anew (Fixture *fixture, gconstpointer data)
{
  g_assert_no_errno (g_remove (fixture->file));
  iterate ();
  g_assert_cmpuint (fixture->changes, ==, 0);
  g_assert_no_errno (symlink ("/usr/share/zoneinfo/Asia/Tokyo", fixture->file));
  iterate ();
  g_assert_cmpuint (fixture->changes, ==, 1);
  g_assert_no_errno (g_remove (fixture->file));
  g_assert_true (g_file_set_contents (fixture->other, "TZif", -1, NULL));
  g_assert_no_errno (g_rename (fixture->other, fixture->file));
  iterate ();
  g_assert_cmpuint (fixture->changes, ==, 2);
}

static void
touch_often (const char *path)
{
  for (guint i = 0; i < 300; i++)
    {
      int fd = g_creat (path, 0600);

      g_assert_cmpint (fd, >=, 0);
      g_close (fd, NULL);
    }
}

/* More at once than one read takes: the file may have been any of them. */
static void
test_many_events (Fixture *fixture, gconstpointer data)
{
  touch_often (fixture->other);
  iterate ();
  g_assert_cmpuint (fixture->changes, ==, 0);
  touch_often (fixture->other);
  g_assert_no_errno (g_rename (fixture->other, fixture->file));
  iterate ();
  g_assert_cmpuint (fixture->changes, ==, 1);
}

static void
test_no_directory (void)
{
  Core2Zone *zone = core2_zone_new ("/nonexistent/core2", on_zone, NULL);

  g_assert_nonnull (zone);
  iterate ();
  core2_zone_free (zone);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/zone/link-replaced", Fixture, NULL, setup, test_link_replaced, teardown);
  g_test_add ("/zone/made-anew", Fixture, NULL, setup, test_made_anew, teardown);
  g_test_add ("/zone/many-events", Fixture, NULL, setup, test_many_events, teardown);
  g_test_add_func ("/zone/no-directory", test_no_directory);
  return g_test_run ();
}
