/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-sleep.h"

#include <fcntl.h>
#include <unistd.h>

#include "core2-log.h"

#define LOGIN_NAME "org.freedesktop.login1"
#define LOGIN_PATH "/org/freedesktop/login1"
#define LOGIN_INTERFACE "org.freedesktop.login1.Manager"
#define INHIBIT_TIMEOUT_MS 10000

struct Core2Sleep
{
  Core2Bus *bus;
  Core2SleepFunc func;
  gpointer user_data;
  sd_bus_slot *match;
  Core2Call *call;
  int inhibitor;                 /* closing it lets the machine sleep; -1 = none */
};

static void
release (Core2Sleep *self)
{
  core2_call_cancel (&self->call);
  if (self->inhibitor >= 0)
    close (self->inhibitor);
  self->inhibitor = -1;
}

static void
inhibit_done (sd_bus_message *reply, const sd_bus_error *error, gpointer user_data)
{
  Core2Sleep *self = user_data;
  int fd;

  if (reply == NULL)
    core2_log_debug (NULL, "sleep", "logind gives no inhibitor: %s", error->message);
  else if (sd_bus_message_read_basic (reply, SD_BUS_TYPE_UNIX_FD, &fd) >= 0)
    self->inhibitor = fcntl (fd, F_DUPFD_CLOEXEC, 3);
}

static void
inhibit (Core2Sleep *self)
{
  sd_bus_message *message = NULL;

  release (self);
  if (sd_bus_message_new_method_call (core2_bus_get (self->bus), &message, LOGIN_NAME, LOGIN_PATH,
                                      LOGIN_INTERFACE, "Inhibit") >= 0
      && sd_bus_message_set_auto_start (message, FALSE) >= 0
      && sd_bus_message_append (message, "ssss", "sleep", "core2d", "Steps are being saved",
                                "delay") >= 0)
    core2_call_start (self->bus, &self->call, message, INHIBIT_TIMEOUT_MS, inhibit_done, self);
  sd_bus_message_unref (message);
}

static int
on_prepare_for_sleep (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  Core2Sleep *self = user_data;
  int sleeping;

  if (sd_bus_message_read (message, "b", &sleeping) < 0)
    return 0;
  core2_log_info (NULL, "sleep", sleeping ? "the machine goes to sleep" : "the machine woke up");
  self->func (sleeping, self->user_data);
  if (sleeping)
    release (self);
  else
    inhibit (self);
  return 0;
}

Core2Sleep *
core2_sleep_new (Core2Bus *bus, Core2SleepFunc func, gpointer user_data)
{
  Core2Sleep *self = g_new0 (Core2Sleep, 1);

  self->bus = bus;
  self->func = func;
  self->user_data = user_data;
  self->inhibitor = -1;
  if (sd_bus_add_match_async (core2_bus_get (bus), &self->match,
                              "type='signal',sender='" LOGIN_NAME "',"
                              "interface='" LOGIN_INTERFACE "',member='PrepareForSleep'",
                              on_prepare_for_sleep, NULL, self) < 0)
    {
      core2_sleep_free (self);
      return NULL;
    }
  inhibit (self);
  return self;
}

void
core2_sleep_free (Core2Sleep *self)
{
  if (self == NULL)
    return;

  release (self);
  sd_bus_slot_unref (self->match);
  g_free (self);
}
