/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-file.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct _CtlFile
{
  FILE *stream;
  char *path;      /* NULL: standard output */
  char *temporary; /* renamed to path in the end; NULL: copied to fd */
  int fd;          /* -1 where it is renamed */
};

static gboolean
fail (CtlFile *self, const char *what, GError **error)
{
  int saved = errno;
  const char *name = self->path != NULL ? self->path : "standard output";

  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (saved), "cannot %s %s: %s", what, name,
               g_strerror (saved));
  return FALSE;
}

static gboolean
is_special (const char *path)
{
  struct stat status;

  return stat (path, &status) == 0 && !S_ISREG (status.st_mode);
}

static gboolean
open_files (CtlFile *self, GError **error)
{
  int fd;

  if (self->path == NULL || is_special (self->path))
    {
      self->fd = self->path == NULL ? STDOUT_FILENO
                                    : open (self->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
      self->stream = tmpfile ();
      return (self->fd >= 0 && self->stream != NULL) || fail (self, "write", error);
    }
  self->temporary = g_strdup_printf ("%s.XXXXXX", self->path);
  fd = g_mkstemp_full (self->temporary, O_RDWR | O_CLOEXEC, 0666);
  if (fd < 0)
    {
      fail (self, "write", error);
      g_clear_pointer (&self->temporary, g_free);
      return FALSE;
    }
  self->stream = fdopen (fd, "w+");
  return TRUE;
}

CtlFile *
ctl_file_new (const char *path, GError **error)
{
  CtlFile *self = g_new0 (CtlFile, 1);

  self->fd = -1;
  if (path != NULL && !g_str_equal (path, "-"))
    self->path = g_strdup (path);
  if (open_files (self, error))
    return self;
  ctl_file_free (self);
  return NULL;
}

void
ctl_file_free (CtlFile *self)
{
  if (self->stream != NULL)
    fclose (self->stream);
  if (self->temporary != NULL)
    g_unlink (self->temporary);
  if (self->fd >= 0 && self->path != NULL)
    close (self->fd);
  g_free (self->temporary);
  g_free (self->path);
  g_free (self);
}

FILE *
ctl_file_get_stream (CtlFile *self)
{
  return self->stream;
}

gboolean
ctl_file_is_terminal (CtlFile *self)
{
  return self->fd >= 0 && isatty (self->fd);
}

static gboolean
write_all (int fd, const char *data, gsize size)
{
  while (size > 0)
    {
      gssize n = write (fd, data, size);

      if (n < 0 && errno != EINTR)
        return FALSE;
      if (n > 0)
        {
          data += n;
          size -= (gsize) n;
        }
    }
  return TRUE;
}

static gboolean
copy (CtlFile *self)
{
  char data[65536];
  gsize n;

  rewind (self->stream);
  while ((n = fread (data, 1, sizeof data, self->stream)) > 0)
    if (!write_all (self->fd, data, n))
      return FALSE;
  return !ferror (self->stream);
}

/* Makes sure that a new name in the folder of @path outlives a power cut, as far as that works. */
static void
sync_folder (const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path);
  int fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    return;
  if (fsync (fd) != 0)
    g_debug ("cannot sync %s: %s", folder, g_strerror (errno));
  close (fd);
}

gboolean
ctl_file_commit (CtlFile *self, GError **error)
{
  fflush (stdout);
  if (fflush (self->stream) != 0 || ferror (self->stream))
    return fail (self, "write", error);
  if (self->temporary == NULL)
    return copy (self) || fail (self, "write", error);
  if (fsync (fileno (self->stream)) != 0 || g_rename (self->temporary, self->path) != 0)
    return fail (self, "write", error);
  g_clear_pointer (&self->temporary, g_free);
  sync_folder (self->path);
  return TRUE;
}
