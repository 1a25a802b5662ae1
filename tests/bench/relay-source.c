/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Both ends of a relay in one process: a bluetoothd that does no more than a relay needs to begin, and an application
 * that takes the relay's signals. It sends notifications by a clock, or as fast as they are answered, and tells how
 * long each took. One process, because then the answers bound what is under way, and one clock sees both ends.
 *
 * stdin: commands, one a line; stdout: an answer to each, one a line.
 *   wait INPUT                         answers `ready` when every chip's notifications are subscribed to
 *   run INPUT COUNT WINDOW RATE GAP    sends COUNT notifications, WINDOW at most unanswered, RATE a second (0: as fast
 *                                      as they are answered), to one chip at most every GAP microseconds after its
 *                                      answer; answers `done` and numbers */
#include "relay-source.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Without any answer for so long, the relay has lost something. */
#define PATIENCE_NS (G_GINT64_CONSTANT (20) * 1000000000)
#define WINDOW_MAX 64

typedef struct
{
  guint32 value;
  gint64 sent_ns;
} Notification;

typedef struct
{
  Notification sent[WINDOW_MAX]; /* unanswered, a ring */
  guint head;
  guint n;
  gint64 answered_ns;
} Flow;

typedef struct
{
  RelayInput input;
  guint count;
  guint window;
  guint rate;
  gint64 gap_ns;

  gboolean active;
  guint next;     /* chip */
  guint sent;
  guint under_way;
  guint answered;
  guint merged;   /* not answered by themselves: a later one of the same chip was */
  guint others;   /* signals of the relay that are no answers */
  gint64 begin_ns;
  gint64 last_ns; /* of an answer */
  gint64 *latencies;
} Run;

typedef struct
{
  FakeBluez *bluez;
  sd_bus *sink;
  Flow *flows;
  guint chips;
  Run run;
  gboolean waits;
  RelayInput waits_for;
} Source;

static gint64
now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (gint64) now.tv_sec * 1000000000 + now.tv_nsec;
}

static void G_GNUC_NORETURN
fail (const char *what, int error)
{
  g_printerr ("relay-source: %s: %s\n", what, g_strerror (abs (error)));
  exit (EXIT_FAILURE);
}

/* --- sending --------------------------------------------------------------------------------- */

/* When the next notification is due; G_MAXINT64: when an answer has come. */
static gint64
next_due_ns (const Source *self)
{
  const Run *run = &self->run;
  const Flow *flow = &self->flows[run->next];
  gint64 due_ns = 0;
  /* The order of a chip's counters tells which answer is which; a counter that waits is merged with the next. */
  guint window = run->input == RELAY_STEPS ? 1 : run->window;

  if (run->sent == run->count || run->under_way >= run->window || flow->n >= window)
    return G_MAXINT64;
  if (run->rate > 0)
    due_ns = run->begin_ns + (gint64) run->sent * 1000000000 / run->rate;
  return MAX (due_ns, flow->answered_ns > 0 ? flow->answered_ns + run->gap_ns : 0);
}

static void
send_next (Source *self)
{
  Run *run = &self->run;
  Flow *flow = &self->flows[run->next];
  Notification *notification = &flow->sent[(flow->head + flow->n) % WINDOW_MAX];
  int r;

  notification->value = fake_bluez_advance (self->bluez, run->next, run->input);
  notification->sent_ns = now_ns ();
  r = fake_bluez_notify (self->bluez, run->next, run->input);
  if (r < 0)
    fail ("cannot notify", r);
  flow->n++;
  run->sent++;
  run->under_way++;
  run->next = (run->next + 1) % self->chips;
}

/* --- answers --------------------------------------------------------------------------------- */

static int
compare (const void *a, const void *b)
{
  gint64 x = *(const gint64 *) a;
  gint64 y = *(const gint64 *) b;

  return (x > y) - (x < y);
}

static void
finish (Source *self)
{
  Run *run = &self->run;

  qsort (run->latencies, run->answered, sizeof *run->latencies, compare);
  printf ("done seconds=%.6f sent=%u answered=%u merged=%u others=%u p50_us=%.1f p99_us=%.1f\n",
          (double) (run->last_ns - run->begin_ns) / 1e9, run->sent, run->answered, run->merged,
          run->others, (double) run->latencies[run->answered / 2] / 1e3,
          (double) run->latencies[(guint) (run->answered * 0.99)] / 1e3);
  run->active = FALSE;
  g_clear_pointer (&run->latencies, g_free);
}

static void
take_answer (Source *self, guint chip, guint32 value)
{
  Run *run = &self->run;
  Flow *flow = &self->flows[chip];

  run->last_ns = now_ns ();
  while (flow->n > 0)
    {
      const Notification *notification = &flow->sent[flow->head];
      gboolean is_it = notification->value == value;

      if (is_it)
        run->latencies[run->answered++] = run->last_ns - notification->sent_ns;
      else
        run->merged++;
      flow->head = (flow->head + 1) % WINDOW_MAX;
      flow->n--;
      run->under_way--;
      if (is_it)
        break;
    }
  flow->answered_ns = run->last_ns;
  if (run->answered + run->merged == run->count)
    finish (self);
}

static int
on_relay_signal (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  Source *self = user_data;
  guint chip = relay_chip_of_path (sd_bus_message_get_path (message));
  guint32 counter;
  guint16 x;
  int r;

  if (!self->run.active)
    return 0;
  if (chip >= self->chips
      || !sd_bus_message_is_signal (message, RELAY_CHIP_INTERFACE,
                                    relay_signal_name (self->run.input)))
    {
      self->run.others++;
      return 0;
    }
  r = self->run.input == RELAY_STEPS ? sd_bus_message_read (message, "u", &counter)
                                     : sd_bus_message_read (message, "q", &x);
  if (r < 0)
    fail ("a signal that is none", r);
  take_answer (self, chip, self->run.input == RELAY_STEPS ? counter : x);
  return 0;
}

/* --- commands -------------------------------------------------------------------------------- */

static gboolean
start_run (Source *self, const char *const *words)
{
  Run run = { 0 };

  if (g_strv_length ((char **) words) != 6 || !relay_input_from_text (words[1], &run.input))
    return FALSE;
  run.count = (guint) g_ascii_strtoull (words[2], NULL, 10);
  run.window = (guint) g_ascii_strtoull (words[3], NULL, 10);
  run.rate = (guint) g_ascii_strtoull (words[4], NULL, 10);
  run.gap_ns = (gint64) g_ascii_strtoull (words[5], NULL, 10) * 1000;
  if (run.count == 0 || run.window == 0 || run.window > WINDOW_MAX)
    return FALSE;
  run.active = TRUE;
  run.latencies = g_new (gint64, run.count);
  run.begin_ns = run.last_ns = now_ns ();
  self->run = run;
  return TRUE;
}

static void
take_command (Source *self)
{
  char line[128];
  g_auto (GStrv) words = NULL;

  if (fgets (line, sizeof line, stdin) == NULL)
    exit (EXIT_SUCCESS);
  words = g_strsplit (g_strstrip (line), " ", -1);
  if (g_strcmp0 (words[0], "wait") == 0 && words[1] != NULL
      && relay_input_from_text (words[1], &self->waits_for))
    self->waits = TRUE;
  else if (g_strcmp0 (words[0], "run") != 0
           || !start_run (self, (const char *const *) words))
    fail (line, EINVAL);
}

/* --- loop ------------------------------------------------------------------------------------ */

static void
process (sd_bus *bus)
{
  int r;

  do
    r = sd_bus_process (bus, NULL);
  while (r > 0);
  if (r < 0)
    fail ("the bus", r);
}

/* What is done before the loop waits: the time until which it may. */
static gint64
advance (Source *self)
{
  gint64 due_ns;

  if (self->waits && fake_bluez_is_subscribed (self->bluez, self->waits_for))
    {
      puts ("ready");
      self->waits = FALSE;
    }
  if (!self->run.active)
    return G_MAXINT64;
  while ((due_ns = next_due_ns (self)) <= now_ns ())
    send_next (self);
  if (now_ns () - self->run.last_ns > PATIENCE_NS)
    {
      g_printerr ("relay-source: %u sent, %u answered, %u merged, %u others, chip %u is next\n",
                  self->run.sent, self->run.answered, self->run.merged, self->run.others,
                  self->run.next);
      fail ("no answer from the relay", ETIMEDOUT);
    }
  return MIN (due_ns, self->run.last_ns + PATIENCE_NS + 1);
}

static void
wait_until (Source *self, gint64 until_ns)
{
  sd_bus *buses[] = { fake_bluez_get_bus (self->bluez), self->sink };
  struct pollfd fds[] = {
    { sd_bus_get_fd (buses[0]), (short) sd_bus_get_events (buses[0]), 0 },
    { sd_bus_get_fd (buses[1]), (short) sd_bus_get_events (buses[1]), 0 },
    { .fd = fileno (stdin), .events = POLLIN },
  };
  gint64 wait_ns = until_ns - now_ns ();
  struct timespec timeout = { 0 };

  if (wait_ns > 0)
    timeout = (struct timespec){ wait_ns / 1000000000, wait_ns % 1000000000 };
  if (ppoll (fds, G_N_ELEMENTS (fds), until_ns == G_MAXINT64 ? NULL : &timeout, NULL) < 0
      && errno != EINTR)
    fail ("poll", errno);
  for (guint i = 0; i < G_N_ELEMENTS (buses); i++)
    process (buses[i]);
  if (fds[2].revents != 0)
    take_command (self);
}

int
main (int argc, char **argv)
{
  RelayOptions options = relay_parse_options (argc, argv, "The ends of a relay.");
  Source self = { .chips = options.chips };
  int r;

  setvbuf (stdout, NULL, _IOLBF, 0);
  setvbuf (stdin, NULL, _IONBF, 0);
  self.flows = g_new0 (Flow, options.chips);
  r = sd_bus_open_system (&self.sink);
  if (r >= 0)
    r = sd_bus_add_match (self.sink, NULL, "type='signal',sender='" RELAY_NAME "'",
                          on_relay_signal, &self);
  if (r >= 0)
    r = fake_bluez_new (options.chips, &self.bluez);
  if (r < 0)
    fail ("cannot begin", r);
  for (;;)
    wait_until (&self, advance (&self));
}
