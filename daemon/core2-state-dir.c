/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-state-dir.h"
#include "core2-error.h"
#include "core2-log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOPIC "store"

struct Core2StateDir
{
  char *path;
  int fd;
};

static void
set_error (GError **error, const char *what, const char *path, int code)
{
  g_set_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE, "cannot %s %s: %s", what, path,
               g_strerror (code));
}

Core2StateDir *
core2_state_dir_open (const char *parent, const char *name, GError **error)
{
  g_autofree char *path = g_build_filename (parent, name, NULL);
  struct stat info;

  if (mkdir (path, 0700) < 0 && errno != EEXIST)
    {
      set_error (error, "create", path, errno);
      return NULL;
    }

  int fd = open (path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

  if (fd < 0)
    {
      set_error (error, "open the folder", path, errno);
      return NULL;
    }
  if (fstat (fd, &info) < 0 || ((info.st_mode & 07777) != 0700 && fchmod (fd, 0700) < 0))
    {
      set_error (error, "correct the mode of", path, errno);
      close (fd);
      return NULL;
    }

  Core2StateDir *self = g_new0 (Core2StateDir, 1);

  self->path = g_steal_pointer (&path);
  self->fd = fd;
  return self;
}

void
core2_state_dir_free (Core2StateDir *self)
{
  if (self == NULL)
    return;
  close (self->fd);
  g_free (self->path);
  g_free (self);
}

/* --- reading -------------------------------------------------------------------------------- */

static Core2ReadResult
read_all (int fd, guint8 *buffer, gsize capacity, gsize *size, char **reason)
{
  gsize filled = 0;

  for (;;)
    {
      guint8 beyond;
      gboolean full = filled == capacity;
      ssize_t n = read (fd, full ? &beyond : buffer + filled, full ? 1 : capacity - filled);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        {
          *reason = g_strdup (g_strerror (errno));
          return CORE2_READ_FAILED;
        }
      if (n == 0)
        break;
      if (full)
        {
          *reason = g_strdup ("it is too large");
          return CORE2_READ_DAMAGED;
        }
      filled += (gsize) n;
    }
  *size = filled;
  return CORE2_READ_OK;
}

Core2ReadResult
core2_state_dir_read (Core2StateDir *self, const char *name, void *buffer, gsize capacity,
                      gsize *size, char **reason)
{
  struct stat info;
  Core2ReadResult result;
  /* Without O_NONBLOCK a pipe would hang us. */
  int fd = openat (self->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

  if (fd < 0 && errno == ENOENT)
    {
      *reason = g_strdup ("it does not exist");
      return CORE2_READ_MISSING;
    }
  if (fd < 0)
    {
      gboolean is_odd = errno == ELOOP || errno == ENXIO;

      *reason = g_strdup (errno == ELOOP ? "it is a symbolic link" : g_strerror (errno));
      return is_odd ? CORE2_READ_DAMAGED : CORE2_READ_FAILED;
    }

  if (fstat (fd, &info) < 0)
    {
      *reason = g_strdup (g_strerror (errno));
      result = CORE2_READ_FAILED;
    }
  else if (!S_ISREG (info.st_mode))
    {
      *reason = g_strdup ("it is no regular file");
      result = CORE2_READ_DAMAGED;
    }
  else
    {
      if ((info.st_mode & 07777) != 0600 && fchmod (fd, 0600) < 0)
        core2_log_warning (NULL, TOPIC, "cannot correct the mode of %s/%s: %s", self->path, name,
                           g_strerror (errno));
      result = read_all (fd, buffer, capacity, size, reason);
    }
  close (fd);
  return result;
}

gboolean
core2_state_dir_has (Core2StateDir *self, const char *name)
{
  return faccessat (self->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* What was opened if it is a regular file, else -1 with errno 0 for a thing of another kind. */
static int
open_regular (Core2StateDir *self, const char *name)
{
  struct stat info;
  int fd = openat (self->fd, name,
                   O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);

  if (fd < 0)
    {
      errno = errno == ELOOP || errno == ENXIO || errno == EISDIR ? 0 : errno;
      return -1;
    }
  errno = 0;
  if (fstat (fd, &info) == 0 && S_ISREG (info.st_mode)
      && ((info.st_mode & 07777) == 0600 || fchmod (fd, 0600) == 0))
    return fd;

  int code = errno;

  close (fd);
  errno = code;
  return -1;
}

int
core2_state_dir_open_file (Core2StateDir *self, const char *name, GError **error)
{
  int fd = open_regular (self, name);

  if (fd < 0 && errno == 0)
    {
      core2_state_dir_set_aside (self, name, "it is no regular file");
      fd = open_regular (self, name);
    }
  if (fd < 0)
    {
      g_autofree char *path = g_build_filename (self->path, name, NULL);

      set_error (error, "open", path, errno == 0 ? EEXIST : errno);
    }
  return fd;
}

/* --- changing ------------------------------------------------------------------------------- */

gboolean
core2_state_dir_write (Core2StateDir *self, const char *name, const void *content, gsize size,
                       GError **error)
{
  g_autofree char *path = g_build_filename (self->path, name, NULL);
  g_autoptr (GError) problem = NULL;

  if (g_file_set_contents_full (path, content, (gssize) size,
                                G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600,
                                &problem))
    return TRUE;
  g_set_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE, "cannot write %s: %s", path,
               problem->message);
  return FALSE;
}

/* Only a power cut could still take back what was done; to say that it was not done would be wrong. */
void
core2_state_dir_sync (Core2StateDir *self)
{
  while (fsync (self->fd) < 0)
    if (errno != EINTR)
      {
        core2_log_warning (NULL, TOPIC, "cannot sync the folder %s: %s", self->path,
                           g_strerror (errno));
        return;
      }
}

gboolean
core2_state_dir_rename (Core2StateDir *self, const char *from, const char *to, gboolean *missing,
                        GError **error)
{
  *missing = FALSE;
  if (renameat (self->fd, from, self->fd, to) < 0)
    {
      g_autofree char *path = g_build_filename (self->path, from, NULL);

      *missing = errno == ENOENT;
      if (!*missing)
        set_error (error, "rename", path, errno);
      return FALSE;
    }
  core2_state_dir_sync (self);
  return TRUE;
}

gboolean
core2_state_dir_remove (Core2StateDir *self, const char *name, GError **error)
{
  if (unlinkat (self->fd, name, 0) < 0)
    {
      g_autofree char *path = g_build_filename (self->path, name, NULL);

      if (errno == ENOENT)
        return TRUE;
      set_error (error, "remove", path, errno);
      return FALSE;
    }
  core2_state_dir_sync (self);
  return TRUE;
}

void
core2_state_dir_set_aside (Core2StateDir *self, const char *name, const char *reason)
{
  g_autofree char *bad = g_strconcat (name, ".bad", NULL);
  int r = renameat (self->fd, name, self->fd, bad);
  int code = errno;

  if (r == 0)
    core2_log_event (CORE2_LOG_WARNING,
                     CORE2_LOG_FIELDS (.topic = TOPIC, .message_id = CORE2_LOG_ID_STATE_DAMAGED),
                     "%s/%s cannot be used (%s) and was renamed to %s", self->path, name, reason,
                     bad);
  else
    core2_log_event (CORE2_LOG_WARNING,
                     CORE2_LOG_FIELDS (.topic = TOPIC, .message_id = CORE2_LOG_ID_STATE_DAMAGED),
                     "%s/%s cannot be used (%s), nor be renamed to %s (%s)", self->path, name,
                     reason, bad, g_strerror (code));
}

/* --- listing -------------------------------------------------------------------------------- */

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

GPtrArray *
core2_state_dir_list (Core2StateDir *self, const char *suffix, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) problem = NULL;
  g_autoptr (GDir) dir = g_dir_open (self->path, 0, &problem);
  const char *name;

  if (dir == NULL)
    {
      g_set_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE, "cannot list %s: %s", self->path,
                   problem->message);
      return NULL;
    }
  while ((name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (name, suffix))
      g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, compare_names);
  return g_steal_pointer (&names);
}

/* GLib writes NAME to NAME.XXXXXX first, with six letters and digits at random. */
static gboolean
is_temporary (const char *name)
{
  const char *dot = strrchr (name, '.');

  if (dot == NULL || dot == name || strlen (dot + 1) != 6 || memchr (name, '.', dot - name) == NULL)
    return FALSE;
  for (const char *c = dot + 1; *c != '\0'; c++)
    if (!g_ascii_isalnum (*c))
      return FALSE;
  return TRUE;
}

void
core2_state_dir_sweep (Core2StateDir *self)
{
  g_autoptr (GDir) dir = g_dir_open (self->path, 0, NULL);
  const char *name;

  if (dir == NULL)
    return;
  while ((name = g_dir_read_name (dir)) != NULL)
    if (is_temporary (name) && unlinkat (self->fd, name, 0) == 0)
      core2_log_info (NULL, TOPIC, "removed %s/%s, left by an interrupted write", self->path,
                      name);
}
