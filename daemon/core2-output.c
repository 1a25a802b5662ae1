/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-output.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core2-error.h"

#ifndef CIFS_SUPER_MAGIC
#define CIFS_SUPER_MAGIC 0xff534d42
#endif
#ifndef SMB2_SUPER_MAGIC
#define SMB2_SUPER_MAGIC 0xfe534d42
#endif
#ifndef CEPH_SUPER_MAGIC
#define CEPH_SUPER_MAGIC 0x00c36400
#endif
#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif

typedef enum
{
  OUTPUT_PIPE,
  OUTPUT_SOCKET,
  OUTPUT_FILE,
} OutputKind;

struct Core2Output
{
  int fd;
  OutputKind kind;
  /* For a pipe. O_NONBLOCK belongs to the open pipe, not to our copy of the descriptor: its owner can
   * clear it between two of our calls. splice() can be told not to wait whatever that flag says, and takes
   * from a pipe: this one. */
  int stage[2];
  gsize staged;
  guint64 taken;
};

static gboolean
is_remote (int fd)
{
  struct statfs info;

  if (fstatfs (fd, &info) < 0)
    return TRUE;
  switch ((guint32) info.f_type)
    {
    case FUSE_SUPER_MAGIC:
    case NFS_SUPER_MAGIC:
    case SMB_SUPER_MAGIC:
    case CIFS_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC:
    case V9FS_MAGIC:
    case AFS_SUPER_MAGIC:
    case CODA_SUPER_MAGIC:
    case CEPH_SUPER_MAGIC:
      return TRUE;
    default:
      return FALSE;
    }
}

static gboolean
is_stream (int fd)
{
  int type = 0;
  socklen_t size = sizeof type;

  return getsockopt (fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

/* Why a descriptor is refused, or NULL and its kind. */
static const char *
classify (int fd, OutputKind *kind)
{
  struct stat info;
  int flags = fcntl (fd, F_GETFL);

  if (flags < 0 || fstat (fd, &info) < 0)
    return "it is not open";
  if ((flags & O_ACCMODE) == O_RDONLY || (flags & O_PATH) != 0)
    return "it is not open for writing";
  if (S_ISFIFO (info.st_mode))
    *kind = OUTPUT_PIPE;
  else if (S_ISSOCK (info.st_mode) && is_stream (fd))
    *kind = OUTPUT_SOCKET;
  else if (S_ISREG (info.st_mode) && !is_remote (fd))
    *kind = OUTPUT_FILE;
  else
    return "it is no pipe, stream socket or local file: give a pipe and copy from it";
  return NULL;
}

Core2Output *
core2_output_new (int fd, GError **error)
{
  OutputKind kind;
  const char *refusal = classify (fd, &kind);
  Core2Output *self;

  if (refusal != NULL)
    {
      g_set_error (error, CORE2_ERROR, CORE2_ERROR_INVALID_ARGUMENTS,
                   "this descriptor cannot be written to: %s", refusal);
      return NULL;
    }
  self = g_new0 (Core2Output, 1);
  self->kind = kind;
  self->stage[0] = self->stage[1] = -1;
  self->fd = fcntl (fd, F_DUPFD_CLOEXEC, 3);
  if (self->fd < 0 || (kind == OUTPUT_PIPE && pipe2 (self->stage, O_CLOEXEC | O_NONBLOCK) < 0))
    {
      g_set_error (error, CORE2_ERROR, CORE2_ERROR_FAILED, "no descriptor is free: %s",
                   g_strerror (errno));
      core2_output_free (self);
      return NULL;
    }
  return self;
}

void
core2_output_free (Core2Output *self)
{
  if (self == NULL)
    return;
  if (self->fd >= 0)
    close (self->fd);
  for (guint i = 0; i < 2; i++)
    if (self->stage[i] >= 0)
      close (self->stage[i]);
  g_free (self);
}

int
core2_output_get_poll_fd (const Core2Output *self)
{
  return self->kind == OUTPUT_FILE ? -1 : self->fd;
}

gboolean
core2_output_is_busy (const Core2Output *self)
{
  return self->staged > 0;
}

guint64
core2_output_get_taken (const Core2Output *self)
{
  return self->taken;
}

/* One try. As write(). */
static gssize
write_once (Core2Output *self, const void *data, gsize size)
{
  switch (self->kind)
    {
    case OUTPUT_PIPE:
      return write (self->stage[1], data, size);
    case OUTPUT_SOCKET:
      return send (self->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    case OUTPUT_FILE:
      return write (self->fd, data, size);
    default:
      g_assert_not_reached ();
    }
}

/* Moves on what is in the stage. As write(). */
static gssize
push_stage (Core2Output *self)
{
  gssize n = splice (self->stage[0], NULL, self->fd, NULL, self->staged, SPLICE_F_NONBLOCK);

  if (n > 0)
    {
      self->staged -= (gsize) n;
      self->taken += (guint64) n;
    }
  return n;
}

gboolean
core2_output_write (Core2Output *self, const void *data, gsize size, gsize *written,
                    GError **error)
{
  *written = 0;
  for (;;)
    {
      gssize n = 0;

      if (self->staged > 0)
        n = push_stage (self);
      else if (*written < size)
        {
          n = write_once (self, (const guint8 *) data + *written, size - *written);
          if (n > 0)
            {
              *written += (gsize) n;
              if (self->kind == OUTPUT_PIPE)
                self->staged = (gsize) n;
              else
                self->taken += (guint64) n;
            }
        }
      else
        return TRUE;
      if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return TRUE;
      if (n < 0 && errno != EINTR)
        {
          g_set_error (error, CORE2_ERROR, CORE2_ERROR_FAILED, "cannot write: %s",
                       errno == EPIPE ? "the reader has gone" : g_strerror (errno));
          return FALSE;
        }
    }
}
