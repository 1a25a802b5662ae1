/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notify-memory.h"

#include <string.h>

#define KEY_BATTERY "Battery"
#define KEY_REJECTED "KeyRejected"
#define KEY_GOAL_DAY "GoalDay"

struct NotifyMemory
{
  char *path;
  GKeyFile *file;
};

NotifyMemory *
notify_memory_new (const char *path)
{
  g_autoptr (GError) error = NULL;
  NotifyMemory *self = g_new0 (NotifyMemory, 1);

  self->path = g_strdup (path);
  self->file = g_key_file_new ();
  if (!g_key_file_load_from_file (self->file, path, G_KEY_FILE_NONE, &error)
      && !g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    g_message ("%s cannot be read, so some things may be told again: %s", path, error->message);
  return self;
}

void
notify_memory_free (NotifyMemory *self)
{
  g_key_file_unref (self->file);
  g_free (self->path);
  g_free (self);
}

NotifyTold
notify_memory_get (NotifyMemory *self, const char *address)
{
  g_autofree char *day = g_key_file_get_string (self->file, address, KEY_GOAL_DAY, NULL);
  int battery = g_key_file_get_integer (self->file, address, KEY_BATTERY, NULL);
  NotifyTold told = { 0 };

  if (battery == NOTIFY_BATTERY_LOW || battery == NOTIFY_BATTERY_EMPTY)
    told.battery = (guint) battery;
  told.key_rejected = g_key_file_get_boolean (self->file, address, KEY_REJECTED, NULL);
  if (day != NULL)
    g_strlcpy (told.goal_day, day, sizeof told.goal_day);
  return told;
}

static void
save (NotifyMemory *self)
{
  g_autofree char *directory = g_path_get_dirname (self->path);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  gsize size;

  text = g_key_file_to_data (self->file, &size, NULL);
  /* A failure shows at the write, with the reason. */
  g_mkdir_with_parents (directory, 0700);
  if (!g_file_set_contents_full (self->path, text, (gssize) size, G_FILE_SET_CONTENTS_CONSISTENT,
                                 0600, &error))
    g_message ("what was told cannot be remembered over a restart: %s", error->message);
}

void
notify_memory_set (NotifyMemory *self, const char *address, const NotifyTold *told)
{
  NotifyTold before = notify_memory_get (self, address);

  if (before.battery == told->battery && before.key_rejected == told->key_rejected
      && strcmp (before.goal_day, told->goal_day) == 0)
    return;
  g_key_file_set_integer (self->file, address, KEY_BATTERY, (int) told->battery);
  g_key_file_set_boolean (self->file, address, KEY_REJECTED, told->key_rejected);
  g_key_file_set_string (self->file, address, KEY_GOAL_DAY, told->goal_day);
  save (self);
}
