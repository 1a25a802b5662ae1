/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Replays a corpus: feeds each file of the directories named on the command line to the target. */
#include <stdlib.h>

#include "fuzz-target.h"

static void
replay_file (const char *path)
{
  g_autofree char *contents = NULL;
  g_autofree guint8 *exact = NULL;
  g_autoptr (GError) error = NULL;
  gsize size = 0;

  if (!g_file_get_contents (path, &contents, &size, &error))
    g_error ("%s", error->message);
  /* GLib adds a NUL; a copy without it lets a sanitizer see a byte read too many. */
  exact = g_memdup2 (contents, size);
  LLVMFuzzerTestOneInput (exact, size);
}

static guint
replay_directory (const char *directory)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = g_dir_open (directory, 0, &error);
  const char *name;
  guint n_files = 0;

  if (dir == NULL)
    g_error ("%s", error->message);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (directory, name, NULL);

      replay_file (path);
      n_files++;
    }
  return n_files;
}

int
main (int argc, char **argv)
{
  guint n_files = 0;

  LLVMFuzzerTestOneInput (NULL, 0);
  for (int i = 1; i < argc; i++)
    n_files += replay_directory (argv[i]);
  g_print ("%u inputs\n", n_files);
  return n_files > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
