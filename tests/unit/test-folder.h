/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of the folders that tests make. */
#pragma once

#include <glib/gstdio.h>

/* Removes @path and, where it is a folder, all that is in it. Symbolic links are not followed. */
static inline void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir
      = g_file_test (path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      remove_tree (child);
    }
  g_remove (path);
}
