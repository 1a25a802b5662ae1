/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-screen.h"

#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "ctl-output.h"

struct _CtlScreen
{
  struct termios saved;
  guint resize_source;
  guint key_source;
  void (*on_resize) (gpointer);
  void (*on_quit) (gpointer);
  gpointer user_data;
};

static gboolean
on_window_change (gpointer user_data)
{
  CtlScreen *self = user_data;

  self->on_resize (self->user_data);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_key (int fd, GIOCondition condition, gpointer user_data)
{
  CtlScreen *self = user_data;
  char keys[64];
  gssize n = read (fd, keys, sizeof keys);

  for (gssize i = 0; i < n; i++)
    if (keys[i] == 'q' || keys[i] == 'Q')
      self->on_quit (self->user_data);
  if (n > 0)
    return G_SOURCE_CONTINUE;

  /* The terminal has hung up. */
  self->key_source = 0;
  self->on_quit (self->user_data);
  return G_SOURCE_REMOVE;
}

CtlScreen *
ctl_screen_new (void (*on_resize) (gpointer), void (*on_quit) (gpointer), gpointer user_data)
{
  CtlScreen *self;
  struct termios mode;

  if (!isatty (STDIN_FILENO) || !ctl_is_terminal (stdout)
      || tcgetattr (STDIN_FILENO, &mode) != 0)
    return NULL;

  self = g_new0 (CtlScreen, 1);
  self->saved = mode;
  self->on_resize = on_resize;
  self->on_quit = on_quit;
  self->user_data = user_data;

  mode.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
  /* Suspended, the program would leave the terminal in this mode to the shell. */
  mode.c_cc[VSUSP] = _POSIX_VDISABLE;
  tcsetattr (STDIN_FILENO, TCSANOW, &mode);
  fputs ("\033[?1049h\033[?25l\033[2J", stdout);
  fflush (stdout);

  self->resize_source = g_unix_signal_add (SIGWINCH, on_window_change, self);
  self->key_source = g_unix_fd_add (STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR, on_key, self);
  return self;
}

void
ctl_screen_free (CtlScreen *self)
{
  g_source_remove (self->resize_source);
  if (self->key_source != 0)
    g_source_remove (self->key_source);
  fputs ("\033[0m\033[?25h\033[?1049l", stdout);
  fflush (stdout);
  tcsetattr (STDIN_FILENO, TCSANOW, &self->saved);
  g_free (self);
}

void
ctl_screen_get_size (CtlScreen *self, guint *width, guint *height)
{
  struct winsize size;

  *width = 80;
  *height = 24;
  if (ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0)
    {
      *width = size.ws_col;
      *height = size.ws_row;
    }
}

gboolean
ctl_screen_draw (CtlScreen *self, const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  fputs ("\033[H", stdout);
  for (guint i = 0; lines[i] != NULL; i++)
    printf ("%s\033[0m\033[K%s", lines[i], lines[i + 1] != NULL ? "\n" : "");
  fputs ("\033[J", stdout);
  return fflush (stdout) == 0;
}
