/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notify-config.h"

#define FILE_NAME "core2-notify.conf"
#define GROUP "Notify"

/* The user's folder first, then those of the system; NULL-terminated. Only the array is the
 * caller's. */
static const char **
list_directories (void)
{
  const char *const *system = g_get_system_config_dirs ();
  GPtrArray *directories = g_ptr_array_new ();

  g_ptr_array_add (directories, (gpointer) g_get_user_config_dir ());
  for (guint i = 0; system[i] != NULL; i++)
    g_ptr_array_add (directories, (gpointer) system[i]);
  g_ptr_array_add (directories, NULL);
  return (const char **) g_ptr_array_free (directories, FALSE);
}

static gboolean
load (GKeyFile *file, const char *path, GError **error)
{
  g_autoptr (GError) failure = NULL;
  g_autofree const char **directories = NULL;

  if (path != NULL)
    return g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, error);
  directories = list_directories ();
  if (g_key_file_load_from_dirs (file, FILE_NAME, directories, NULL, G_KEY_FILE_NONE, &failure)
      || g_error_matches (failure, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_NOT_FOUND))
    return TRUE;
  g_propagate_prefixed_error (error, g_steal_pointer (&failure), "%s: ", FILE_NAME);
  return FALSE;
}

static gboolean
read_switch (GKeyFile *file, const char *key, gboolean *value, GError **error)
{
  g_autoptr (GError) failure = NULL;
  gboolean read = g_key_file_get_boolean (file, GROUP, key, &failure);

  if (failure == NULL)
    *value = read;
  else if (g_error_matches (failure, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE))
    {
      g_propagate_error (error, g_steal_pointer (&failure));
      return FALSE;
    }
  return TRUE;
}

static void
warn_unknown (GKeyFile *file)
{
  const char *const known[] = { "Battery", "Goal", "Key", NULL };
  g_auto (GStrv) groups = g_key_file_get_groups (file, NULL);
  g_auto (GStrv) keys = g_key_file_get_keys (file, GROUP, NULL, NULL);

  for (guint i = 0; groups[i] != NULL; i++)
    if (!g_str_equal (groups[i], GROUP))
      g_message ("unknown group [%s] in the configuration", groups[i]);
  for (guint i = 0; keys != NULL && keys[i] != NULL; i++)
    if (!g_strv_contains (known, keys[i]))
      g_message ("unknown key %s in the configuration", keys[i]);
}

gboolean
notify_config_read (NotifyConfig *self, const char *path, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();

  *self = (NotifyConfig){ .battery = TRUE, .goal = TRUE, .key = TRUE };
  if (!load (file, path, error))
    return FALSE;
  warn_unknown (file);
  return read_switch (file, "Battery", &self->battery, error)
         && read_switch (file, "Goal", &self->goal, error)
         && read_switch (file, "Key", &self->key, error);
}
