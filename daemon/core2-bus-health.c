/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-bus-health.h"

#include "core2-log.h"

#define MISSES_UNTIL_STUCK 2

struct Core2BusHealth
{
  Core2Bus *bus;
  guint interval_ms;
  gboolean always;
  const Core2BusHealthEvents *events;
  gpointer user_data;
  guint timer;                   /* until the next ping, or until one is late */
  Core2Call *ping;
  guint64 queued;                /* messages that waited to be written at the last look */
  guint misses;
};

static gboolean on_interval (gpointer user_data);

static void
wait_interval (gpointer user_data)
{
  Core2BusHealth *self = user_data;

  self->timer = g_timeout_add (self->interval_ms, on_interval, self);
}

static void
ping_done (sd_bus_message *reply, const sd_bus_error *error, gpointer user_data)
{
  Core2BusHealth *self = user_data;

  /* This sd-bus makes itself: the connection is about to end. */
  if (sd_bus_error_has_name (error, SD_BUS_ERROR_NO_SERVER))
    return;
  g_clear_handle_id (&self->timer, g_source_remove);
  self->misses = 0;
  self->events->answered (self->user_data);
  if (self->always)
    wait_interval (self);
  else
    core2_bus_call_at_next_message (self->bus, wait_interval, self);
}

/* Not counted: it must not wait behind calls that bluetoothd does not answer. Its deadline is our timer, because
 * sd-bus looks at none while the bus takes no messages. */
static void
send_ping (Core2BusHealth *self)
{
  sd_bus_message *message = NULL;

  if (sd_bus_message_new_method_call (core2_bus_get (self->bus), &message, "org.freedesktop.DBus",
                                      "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId")
      >= 0)
    core2_call_start_uncounted (self->bus, &self->ping, message, G_MAXINT, ping_done, self);
  sd_bus_message_unref (message);
}

static gboolean
on_interval (gpointer user_data)
{
  Core2BusHealth *self = user_data;
  guint64 queued = core2_bus_get_queued (self->bus);

  if (core2_bus_is_worn_out (self->bus))
    {
      self->timer = 0;
      self->events->worn_out (self->user_data);
      return G_SOURCE_REMOVE;
    }
  if (self->ping == NULL)
    send_ping (self);
  else
    {
      self->misses = queued < self->queued ? 0 : self->misses + 1;
      core2_log_warning (NULL, "bus",
                         "the bus has not answered for %u ms, %" G_GUINT64_FORMAT " messages wait",
                         self->interval_ms, queued);
    }
  self->queued = queued;
  if (self->misses < MISSES_UNTIL_STUCK)
    return G_SOURCE_CONTINUE;
  self->timer = 0;
  self->events->stuck (self->user_data);
  return G_SOURCE_REMOVE;
}

Core2BusHealth *
core2_bus_health_new (Core2Bus *bus, guint interval_ms, gboolean always,
                      const Core2BusHealthEvents *events, gpointer user_data)
{
  Core2BusHealth *self = g_new0 (Core2BusHealth, 1);

  self->bus = bus;
  self->interval_ms = interval_ms;
  self->always = always;
  self->events = events;
  self->user_data = user_data;
  wait_interval (self);
  return self;
}

void
core2_bus_health_free (Core2BusHealth *self)
{
  if (self == NULL)
    return;
  core2_bus_call_at_next_message (self->bus, NULL, NULL);
  g_clear_handle_id (&self->timer, g_source_remove);
  core2_call_cancel (&self->ping);
  g_free (self);
}
