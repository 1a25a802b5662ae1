/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many applications in one process: each has a connection of its own, listens to all signals of core2d, and throws
 * them away. Says "ready" when the bus has all match rules. Ends with SIGTERM. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#define RULE "type='signal',sender='org.example.Core2'"

static int
on_signal (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  return 0;
}

static int
subscribe (sd_event *event, sd_bus **bus)
{
  int r = sd_bus_open_system_with_description (bus, "subscriber");

  if (r >= 0)
    r = sd_bus_add_match (*bus, NULL, RULE, on_signal, NULL);
  if (r >= 0)
    r = sd_bus_attach_event (*bus, event, SD_EVENT_PRIORITY_NORMAL);
  return r;
}

static int
run (sd_event *event, sd_bus **buses, long count)
{
  sigset_t signals;
  int r = 0;

  sigemptyset (&signals);
  sigaddset (&signals, SIGTERM);
  sigprocmask (SIG_BLOCK, &signals, NULL);
  for (long i = 0; i < count && r >= 0; i++)
    r = subscribe (event, &buses[i]);
  if (r >= 0)
    r = sd_event_add_signal (event, NULL, SIGTERM, NULL, NULL);
  if (r < 0)
    return r;
  puts ("ready");
  fflush (stdout);
  return sd_event_loop (event);
}

int
main (int argc, char **argv)
{
  long count = argc == 2 ? atol (argv[1]) : -1;
  sd_event *event = NULL;
  sd_bus **buses = count < 0 ? NULL : calloc ((size_t) count + 1, sizeof *buses);
  int r;

  if (buses == NULL)
    {
      fprintf (stderr, "usage: subscribers COUNT\n");
      return EXIT_FAILURE;
    }
  r = sd_event_new (&event);
  if (r >= 0)
    r = run (event, buses, count);
  if (r < 0)
    fprintf (stderr, "subscribers: %s\n", strerror (-r));
  for (long i = 0; i < count; i++)
    sd_bus_unref (buses[i]);
  sd_event_unref (event);
  free (buses);
  return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
