/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-agent.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl-output.h"

/* Only an agent that hangs takes so long. */
#define REGISTER_MS 15000

struct _CtlAgent
{
  GPid pid;
};

/* The agent closes the descriptor once it is registered, or when it ends. */
static void
wait_registered (int fd)
{
  struct pollfd descriptor = { fd, 0, 0 };

  while (poll (&descriptor, 1, REGISTER_MS) < 0 && errno == EINTR)
    ;
}

CtlAgent *
ctl_agent_start (CtlClient *client)
{
  g_autofree char *program = NULL;
  g_autofree char *process = g_strdup_printf ("%d", (int) getpid ());
  g_autoptr (GError) error = NULL;
  CtlAgent *self;
  int fds[2];
  GPid pid;
  gboolean spawned;

  if (geteuid () == 0 || !isatty (STDIN_FILENO) || !ctl_is_terminal (stderr))
    return NULL;
  program = g_find_program_in_path ("pkttyagent");
  if (program == NULL
      || !ctl_client_start_service (client, "org.freedesktop.PolicyKit1", TRUE, NULL)
      || !g_unix_open_pipe (fds, FD_CLOEXEC, NULL))
    return NULL;

  {
    const char *argv[]
        = { program, "--fallback", "--process", process, "--notify-fd", "3", NULL };

    /* --fallback: a desktop's own agent goes first. */
    spawned = g_spawn_async_with_pipes_and_fds (
        NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_CHILD_INHERITS_STDIN, NULL, NULL,
        STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, &fds[1], (const int[]){ 3 }, 1, &pid, NULL,
        NULL, NULL, &error);
  }
  close (fds[1]);
  if (spawned)
    wait_registered (fds[0]);
  close (fds[0]);
  if (!spawned)
    {
      g_debug ("cannot start pkttyagent: %s", error->message);
      return NULL;
    }

  self = g_new0 (CtlAgent, 1);
  self->pid = pid;
  return self;
}

void
ctl_agent_stop (CtlAgent *self)
{
  if (self == NULL)
    return;
  kill (self->pid, SIGTERM);
  while (waitpid (self->pid, NULL, 0) < 0 && errno == EINTR)
    ;
  g_spawn_close_pid (self->pid);
  g_free (self);
}
