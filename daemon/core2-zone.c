/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-zone.h"

#include <errno.h>
#include <glib-unix.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "core2-log.h"

struct Core2Zone
{
  int fd;
  guint source;
  Core2ZoneFunc func;
  gpointer user_data;
};

/* Whether one of the events in @buffer is about the file. An overflow may have been. */
static gboolean
is_about_zone (const char *buffer, gsize size)
{
  for (gsize at = 0; at + sizeof (struct inotify_event) <= size;)
    {
      struct inotify_event event;
      const char *name = buffer + at + sizeof event;

      memcpy (&event, buffer + at, sizeof event);
      if ((event.mask & IN_Q_OVERFLOW) != 0
          || (event.len > 0 && strncmp (name, CORE2_ZONE_FILE, event.len) == 0))
        return TRUE;
      at += sizeof event + event.len;
    }
  return FALSE;
}

static gboolean
on_events (int fd, GIOCondition condition, gpointer user_data)
{
  Core2Zone *self = user_data;
  char buffer[16 * (sizeof (struct inotify_event) + NAME_MAX + 1)];
  ssize_t size = read (fd, buffer, sizeof buffer);

  if (size > 0 && is_about_zone (buffer, (gsize) size))
    self->func (self->user_data);
  return G_SOURCE_CONTINUE;
}

Core2Zone *
core2_zone_new (const char *directory, Core2ZoneFunc func, gpointer user_data)
{
  Core2Zone *self = g_new0 (Core2Zone, 1);

  self->func = func;
  self->user_data = user_data;
  self->fd = inotify_init1 (IN_NONBLOCK | IN_CLOEXEC);
  /* The folder: the file is replaced by another one, and a link is not what it points to. */
  if (self->fd < 0
      || inotify_add_watch (self->fd, directory,
                            IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR)
             < 0)
    core2_log_info (NULL, "main", "%s is not watched (%s): another time zone is noticed at the next day",
                    directory, g_strerror (errno));
  else
    self->source = g_unix_fd_add (self->fd, G_IO_IN, on_events, self);
  return self;
}

void
core2_zone_free (Core2Zone *self)
{
  if (self == NULL)
    return;
  g_clear_handle_id (&self->source, g_source_remove);
  if (self->fd >= 0)
    close (self->fd);
  g_free (self);
}
