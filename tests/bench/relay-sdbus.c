/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bare relay on sd-bus in a GLib main loop: what core2d is compared to. */
#include "relay-common.h"

#include <errno.h>
#include <glib-unix.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

typedef struct
{
  GSource source;
  sd_bus *bus;
  gpointer tag;
  GIOCondition events;
} BusSource;

typedef struct
{
  RelayOptions options;
  sd_bus *bus;
  guint32 *last; /* of each chip */
  char (*paths)[RELAY_PATH_SIZE];
  int epoll;     /* of AcquireNotify's descriptors: a GSource for each would cost a poll over all of them */
} Relay;

/* --- sd-bus in the loop ---------------------------------------------------------------------- */

static gboolean
bus_prepare (GSource *source, int *timeout_ms)
{
  BusSource *self = (BusSource *) source;
  GIOCondition events = (GIOCondition) sd_bus_get_events (self->bus);
  uint64_t until;

  *timeout_ms = -1;
  if (events != self->events)
    {
      self->events = events;
      g_source_modify_unix_fd (source, self->tag, events);
    }
  return sd_bus_get_timeout (self->bus, &until) >= 0 && until != UINT64_MAX
         && until <= (uint64_t) g_get_monotonic_time ();
}

static gboolean
bus_check (GSource *source)
{
  BusSource *self = (BusSource *) source;

  return g_source_query_unix_fd (source, self->tag) != 0;
}

static gboolean
bus_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  int r;

  do
    r = sd_bus_process (((BusSource *) source)->bus, NULL);
  while (r > 0);
  if (r < 0)
    exit (EXIT_FAILURE);
  return G_SOURCE_CONTINUE;
}

static void
attach (sd_bus *bus)
{
  static GSourceFuncs funcs
      = { .prepare = bus_prepare, .check = bus_check, .dispatch = bus_dispatch };
  GSource *source = g_source_new (&funcs, sizeof (BusSource));
  BusSource *self = (BusSource *) source;

  self->bus = bus;
  self->events = G_IO_IN;
  self->tag = g_source_add_unix_fd (source, sd_bus_get_fd (bus), self->events);
  g_source_set_can_recurse (source, TRUE);
  g_source_attach (source, NULL);
  g_source_unref (source);
}

/* --- publishing ------------------------------------------------------------------------------ */

static int
send_properties (sd_bus *bus, RelayInput input, const char *path, const RelaySample *sample)
{
  sd_bus_message *message = NULL;
  int r = sd_bus_message_new_signal (bus, &message, path, "org.freedesktop.DBus.Properties",
                                     "PropertiesChanged");

  if (r >= 0 && input == RELAY_STEPS)
    r = sd_bus_message_append (message, "sa{sv}as", RELAY_CHIP_INTERFACE, 6, "Steps", "u",
                               sample->value, "StepsUpdated", "t", sample->time, "StepsToday", "u",
                               sample->value, "StepsTotal", "t", (uint64_t) sample->value,
                               "Cadence", "u", sample->value, "WalkSteps", "u", sample->value, 0);
  else if (r >= 0)
    r = sd_bus_message_append (message, "sa{sv}as", RELAY_CHIP_INTERFACE, 2, "Orientation", "(qq)",
                               sample->value, sample->other, "OrientationUpdated", "t",
                               sample->time, 0);
  if (r >= 0)
    r = sd_bus_send (bus, message, NULL);
  sd_bus_message_unref (message);
  return r;
}

static void
publish (Relay *self, guint chip, const guint8 *data, gsize size)
{
  RelaySample sample;
  int r = 0;

  if (chip >= self->options.chips
      || !relay_decode (self->options.input, data, size, &self->last[chip], &sample))
    return;
  if (self->options.both)
    r = send_properties (self->bus, self->options.input, self->paths[chip], &sample);
  if (r >= 0)
    r = sd_bus_emit_signal (self->bus, self->paths[chip], RELAY_CHIP_INTERFACE,
                            relay_signal_name (self->options.input),
                            self->options.input == RELAY_STEPS ? "uut" : "qqt", sample.value,
                            sample.other, sample.time);
  if (r < 0)
    exit (EXIT_FAILURE);
}

/* --- notifications --------------------------------------------------------------------------- */

static int
on_properties_changed (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  const char *interface, *name;
  const void *data;
  size_t size;

  if (sd_bus_message_read (message, "s", &interface) < 0
      || sd_bus_message_enter_container (message, 'a', "{sv}") < 0
      || sd_bus_message_enter_container (message, 'e', "sv") <= 0
      || sd_bus_message_read (message, "s", &name) < 0 || !g_str_equal (name, "Value")
      || sd_bus_message_enter_container (message, 'v', "ay") < 0
      || sd_bus_message_read_array (message, 'y', &data, &size) < 0)
    return 0;
  publish (user_data, relay_chip_of_path (sd_bus_message_get_path (message)), data, size);
  return 0;
}

static gboolean
on_descriptors (int epoll, GIOCondition condition, gpointer user_data)
{
  Relay *self = user_data;
  struct epoll_event events[16];
  int n = epoll_wait (epoll, events, G_N_ELEMENTS (events), 0);

  for (int i = 0; i < n; i++)
    {
      guint8 data[64];
      int fd = (int) (events[i].data.u64 >> 32);
      ssize_t size = read (fd, data, sizeof data);

      if (size > 0)
        publish (self, (guint) events[i].data.u64, data, (gsize) size);
      else
        close (fd);
    }
  return G_SOURCE_CONTINUE;
}

static void
attach_descriptors (Relay *self)
{
  GSource *source = g_unix_fd_source_new (self->epoll, G_IO_IN);

  g_source_set_callback (source, (GSourceFunc) (void (*) (void)) on_descriptors, self, NULL);
  g_source_set_can_recurse (source, TRUE);
  g_source_attach (source, NULL);
  g_source_unref (source);
}

static int
subscribe (Relay *self, guint chip)
{
  char path[RELAY_PATH_SIZE];
  sd_bus_message *reply = NULL;
  int fd;
  int r;

  relay_chip_path (chip, self->paths[chip]);
  relay_characteristic_path (chip, self->options.input, path);
  if (!self->options.acquire)
    return sd_bus_call_method (self->bus, "org.bluez", path, RELAY_CHARACTERISTIC_INTERFACE,
                               "StartNotify", NULL, NULL, NULL);
  r = sd_bus_call_method (self->bus, "org.bluez", path, RELAY_CHARACTERISTIC_INTERFACE,
                          "AcquireNotify", NULL, &reply, "a{sv}", 0);
  if (r >= 0 && (r = sd_bus_message_read (reply, "h", &fd)) >= 0)
    {
      struct epoll_event event = { .events = EPOLLIN };

      fd = dup (fd);
      event.data.u64 = (guint64) fd << 32 | chip;
      r = epoll_ctl (self->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
    }
  sd_bus_message_unref (reply);
  return r;
}

int
main (int argc, char **argv)
{
  Relay self = { .options = relay_parse_options (argc, argv, "A bare relay on sd-bus.") };
  int r = sd_bus_open_system (&self.bus);

  self.last = g_new0 (guint32, self.options.chips);
  self.paths = g_malloc (self.options.chips * sizeof *self.paths);
  self.epoll = epoll_create1 (EPOLL_CLOEXEC);
  if (r >= 0 && !self.options.acquire)
    r = sd_bus_add_match (self.bus, NULL,
                          "type='signal',sender='org.bluez',"
                          "interface='org.freedesktop.DBus.Properties',"
                          "arg0='" RELAY_CHARACTERISTIC_INTERFACE "'",
                          on_properties_changed, &self);
  if (r >= 0)
    r = sd_bus_request_name (self.bus, RELAY_NAME, 0);
  for (guint chip = 0; r >= 0 && chip < self.options.chips; chip++)
    r = subscribe (&self, chip);
  if (r < 0)
    {
      g_printerr ("relay-sdbus: %s\n", g_strerror (-r));
      return EXIT_FAILURE;
    }
  attach (self.bus);
  if (self.options.acquire)
    attach_descriptors (&self);
  relay_run ();
  sd_bus_flush_close_unref (self.bus);
  close (self.epoll);
  g_free (self.last);
  g_free (self.paths);
  return EXIT_SUCCESS;
}
