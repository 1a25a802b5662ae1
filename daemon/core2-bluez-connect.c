/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Device1.Connect in turn. For a device that sleeps the call stays pending in bluetoothd and the kernel
 * listens passively: it is done within a moment of the first advertisement, costs nothing meanwhile, and touches
 * our own chips only. bluetoothd gives up after 41 s; the owner then asks again. */
#include "core2-bluez-private.h"

#include <string.h>

/* Longer than bluetoothd's own 41 s, so that its answer, not ours, ends the call. */
#define CONNECT_TIMEOUT_MS 60000
/* How long a pending connect keeps its place when others wait for one. */
#define PENDING_SLICE_US (10 * G_USEC_PER_SEC)

struct Core2BluezConnect
{
  Core2Bluez *bluez;
  Core2BluezDevice *device;
  Core2Call *call;               /* NULL while it waits in the queue */
  gint64 started;                /* monotonic, of the pending call */
  Core2BluezConnectDone done;
  gpointer user_data;
};

static void
connect_free (Core2BluezConnect *connect)
{
  Core2Bluez *bluez = connect->bluez;

  if (connect->call != NULL)
    {
      bluez->n_pending--;
      core2_call_cancel (&connect->call);
    }
  g_queue_remove (&bluez->connects, connect);
  connect->device->connect = NULL;
  g_free (connect);
}

/* Disconnect() cancels a pending Connect(). Nobody waits for the reply. */
static void
tell_bluez_to_cancel (Core2Bluez *self, const char *path)
{
  sd_bus_message *message = core2_bluez_message_new (self, path, DEVICE_INTERFACE, "Disconnect");

  if (message != NULL && sd_bus_message_set_expect_reply (message, FALSE) >= 0)
    sd_bus_send (core2_bus_get (self->bus), message, NULL);
  sd_bus_message_unref (message);
}

static void
connect_done (sd_bus_message *reply, const sd_bus_error *error, gpointer user_data)
{
  Core2BluezConnect *connect = user_data;
  Core2Bluez *bluez = connect->bluez;
  Core2BluezConnectDone done = connect->done;
  gpointer done_data = connect->user_data;

  bluez->n_pending--;
  /* bluetoothd signals no Connected=true after Connect(): its reply says so. */
  if (error == NULL)
    connect->device->connected = TRUE;
  connect_free (connect);
  done (error, done_data);
  core2_bluez_connects_advance (bluez);
}

static void
connect_send (Core2BluezConnect *connect)
{
  Core2Bluez *bluez = connect->bluez;
  sd_bus_message *message
      = core2_bluez_message_new (bluez, connect->device->path, DEVICE_INTERFACE, "Connect");

  g_return_if_fail (message != NULL);
  connect->started = g_get_monotonic_time ();
  bluez->n_pending++;
  core2_call_start_uncounted (bluez->bus, &connect->call, message, CONNECT_TIMEOUT_MS,
                              connect_done, connect);
  sd_bus_message_unref (message);
}

static gboolean
may_start (Core2Bluez *self, const Core2BluezConnect *connect)
{
  return connect->call == NULL && connect->device->adapter->powered
         && !core2_bluez_scans_busy (self, connect->device->adapter);
}

/* Puts the connect that has been pending longest behind the others, when it had its slice. */
static void
make_room (Core2Bluez *self)
{
  Core2BluezConnect *oldest = NULL;

  for (GList *l = self->connects.head; l != NULL; l = l->next)
    {
      Core2BluezConnect *connect = l->data;
      if (connect->call != NULL && (oldest == NULL || connect->started < oldest->started))
        oldest = connect;
    }
  if (oldest == NULL || g_get_monotonic_time () - oldest->started < PENDING_SLICE_US)
    return;
  tell_bluez_to_cancel (self, oldest->device->path);
  core2_call_cancel (&oldest->call);
  self->n_pending--;
  g_queue_remove (&self->connects, oldest);
  g_queue_push_tail (&self->connects, oldest);
}

static gboolean
on_slice (gpointer user_data)
{
  Core2Bluez *self = user_data;

  self->slice_timer = 0;
  core2_bluez_connects_advance (self);
  return G_SOURCE_REMOVE;
}

void
core2_bluez_connects_advance (Core2Bluez *self)
{
  gboolean starved = FALSE;

  /* make_room() moves others in the queue, never the one that waits. */
  for (GList *l = self->connects.head; l != NULL; l = l->next)
    {
      Core2BluezConnect *connect = l->data;
      if (!may_start (self, connect))
        continue;
      if (self->n_pending >= CORE2_BLUEZ_MAX_PENDING)
        make_room (self);
      if (self->n_pending >= CORE2_BLUEZ_MAX_PENDING)
        {
          starved = TRUE;
          break;
        }
      connect_send (connect);
    }
  if (starved && self->slice_timer == 0)
    self->slice_timer = g_timeout_add (1000, on_slice, self);
}

void
core2_bluez_connect_start (Core2Bluez *self, Core2BluezDevice *device,
                           Core2BluezConnectDone done, gpointer user_data)
{
  Core2BluezConnect *connect = g_new0 (Core2BluezConnect, 1);

  g_return_if_fail (device->connect == NULL);
  connect->bluez = self;
  connect->device = device;
  connect->done = done;
  connect->user_data = user_data;
  device->connect = connect;
  g_queue_push_tail (&self->connects, connect);
  core2_bluez_connects_advance (self);
}

void
core2_bluez_connect_cancel (Core2Bluez *self, Core2BluezDevice *device)
{
  if (device->connect == NULL)
    return;
  if (device->connect->call != NULL)
    tell_bluez_to_cancel (self, device->path);
  connect_free (device->connect);
  core2_bluez_connects_advance (self);
}

gboolean
core2_bluez_connect_is_pending (Core2BluezDevice *device)
{
  return device->connect != NULL && device->connect->call != NULL;
}

void
core2_bluez_connects_device_removed (Core2Bluez *self, Core2BluezDevice *device)
{
  static const sd_bus_error gone
      = SD_BUS_ERROR_MAKE_CONST (SD_BUS_ERROR_UNKNOWN_OBJECT, "BlueZ dropped the device");
  Core2BluezConnect *connect = device->connect;

  if (connect == NULL)
    return;
  Core2BluezConnectDone done = connect->done;
  gpointer user_data = connect->user_data;
  connect_free (connect);
  done (&gone, user_data);
}

void
core2_bluez_connects_clear (Core2Bluez *self)
{
  g_clear_handle_id (&self->slice_timer, g_source_remove);
  while (!g_queue_is_empty (&self->connects))
    connect_free (g_queue_peek_head (&self->connects));
}
