/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BlueZ tells that an adapter is blocked since 5.70 (PowerState); before, it is only off. The kernel tells everybody,
 * through files that the service's sandbox lets it read, unlike /dev/rfkill. */
#include "core2-rfkill.h"

#include <string.h>

/* Whether the file @name of a switch holds @wanted and nothing else. */
static gboolean
attribute_is (const char *directory, const char *rfkill, const char *name, const char *wanted)
{
  g_autofree char *path = g_build_filename (directory, rfkill, name, NULL);
  g_autofree char *content = NULL;

  if (!g_file_get_contents (path, &content, NULL, NULL))
    return FALSE;
  return strcmp (g_strchomp (content), wanted) == 0;
}

gboolean
core2_rfkill_is_blocked (const char *directory, const char *adapter)
{
  g_autoptr (GDir) listing = g_dir_open (directory, 0, NULL);
  const char *rfkill;

  while (listing != NULL && (rfkill = g_dir_read_name (listing)) != NULL)
    if (attribute_is (directory, rfkill, "name", adapter)
        && attribute_is (directory, rfkill, "type", "bluetooth")
        && (attribute_is (directory, rfkill, "soft", "1")
            || attribute_is (directory, rfkill, "hard", "1")))
      return TRUE;
  return FALSE;
}
