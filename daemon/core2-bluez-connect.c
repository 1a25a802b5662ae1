/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waiting for chips that sleep.
 *
 * For a device that sleeps, a Device1.Connect stays pending in bluetoothd while the kernel listens
 * passively, for all pending ones with one scan (what does not fit into the controller's accept list the
 * kernel compares itself); it is done 0.15 s after the first advertisement. bluetoothd gives up after 41 s, and
 * is asked again at once. That renewal is a message to bluetoothd: nothing is sent by radio, so it is no attempt in
 * the sense of the back-off, which is for links that fail.
 *
 * The other way would be a GattProfile1 for the service FEE0 and the flag Trusted, with which bluetoothd
 * reconnects by itself, no quicker (0.15 to 0.3 s). It is not used, because it is for a service and not
 * for a chip: bluetoothd would connect every known device with FEE0, the user's Mi Band for one, and goes on doing it
 * once after the profile was withdrawn, so that withdrawing it when a band turns up is too late. It also needs one
 * connection before it works, and outlives core2d. */
#include "core2-bluez-private.h"

#include <string.h>

/* How long a pending connect keeps its place when others wait for one: enough to hear a chip, which advertises
 * several times a second. */
#define PENDING_SLICE_US (3 * G_USEC_PER_SEC)
#define TURN_CHECK_MS 1000

/* A call to bluetoothd. The bus counts it until it is answered, also when nobody wants it any more; so do
 * we, or the bus would refuse one of ours. */
typedef struct
{
  Core2Bluez *bluez;
  Core2BluezConnect *connect;    /* NULL after it was cancelled */
  Core2Call *call;
} Attempt;

struct Core2BluezConnect
{
  Core2Bluez *bluez;
  Core2BluezDevice *device;
  Attempt *attempt;              /* NULL while it waits in the queue */
  gint64 started;                /* monotonic, of the pending call */
  gint64 queued;                 /* monotonic, since when it waits */
  gboolean urgent;               /* the device is said to be awake: until it had its turn */
  gboolean while_discovering;
  guint timeout_ms;
  Core2BluezConnectDone done;
  gpointer user_data;
};

static void
attempt_free (Attempt *attempt)
{
  core2_call_cancel (&attempt->call);
  g_ptr_array_remove_fast (attempt->bluez->attempts, attempt);
  g_free (attempt);
}

/* Its place becomes free with the answer. */
static void
abandon_attempt (Core2BluezConnect *connect)
{
  if (connect->attempt == NULL)
    return;
  connect->attempt->connect = NULL;
  connect->attempt = NULL;
}

static void
connect_free (Core2BluezConnect *connect)
{
  abandon_attempt (connect);
  g_queue_remove (&connect->bluez->connects, connect);
  connect->device->connect = NULL;
  g_free (connect);
}

/* Disconnect() cancels a pending Connect(). Nobody waits for the reply. */
static void
tell_bluez_to_cancel (Core2Bluez *self, const char *path)
{
  core2_bus_send_unanswered (self->bus,
                             core2_bluez_message_new (self, path, DEVICE_INTERFACE, "Disconnect"));
}

static void
connect_done (sd_bus_message *reply, const sd_bus_error *error, gpointer user_data)
{
  Attempt *attempt = user_data;
  Core2Bluez *bluez = attempt->bluez;
  Core2BluezConnect *connect = attempt->connect;

  attempt_free (attempt);
  if (connect != NULL)
    {
      Core2BluezConnectDone done = connect->done;
      gpointer done_data = connect->user_data;

      connect->attempt = NULL;
      if (sd_bus_error_has_name (error, "org.bluez.Error.AlreadyConnected"))
        error = NULL;
      /* bluetoothd signals no Connected=true after Connect(): its reply says so. */
      if (error == NULL)
        connect->device->connected = TRUE;
      connect_free (connect);
      done (error, done_data);
    }
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
  connect->attempt = g_new0 (Attempt, 1);
  connect->attempt->bluez = bluez;
  connect->attempt->connect = connect;
  g_ptr_array_add (bluez->attempts, connect->attempt);
  core2_call_start_uncounted (bluez->bus, &connect->attempt->call, message, connect->timeout_ms,
                              connect_done, connect->attempt);
  sd_bus_message_unref (message);
}

static guint
count_abandoned (Core2Bluez *self)
{
  guint n = 0;

  for (guint i = 0; i < self->attempts->len; i++)
    n += ((const Attempt *) g_ptr_array_index (self->attempts, i))->connect == NULL;
  return n;
}

/* A discovery of ours gives way first: some controllers cannot connect meanwhile. */
static gboolean
may_start (Core2Bluez *self, const Core2BluezConnect *connect)
{
  return connect->attempt == NULL && connect->device->adapter->powered
         && (connect->while_discovering
             || core2_bluez_scans_give_way (self, connect->device->adapter));
}

/* Who may be put behind the others: whoever had a turn, and a sleeper at once when @urgent. */
static gboolean
may_displace (const Core2BluezConnect *connect, gboolean urgent)
{
  return connect->attempt != NULL
         && ((urgent && !connect->urgent)
             || g_get_monotonic_time () - connect->started >= PENDING_SLICE_US);
}

/* A sleeper waits for as long as others have their turn, else whoever it displaces would take the place of the
 * next one at once, and so on through all of them. */
static gboolean
has_waited (const Core2BluezConnect *connect)
{
  return connect->urgent || g_get_monotonic_time () - connect->queued >= PENDING_SLICE_US;
}

/* Takes its place from the connect that has been pending longest, for @waiting. */
static gboolean
make_room (Core2Bluez *self, const Core2BluezConnect *waiting)
{
  Core2BluezConnect *oldest = NULL;

  if (!has_waited (waiting))
    return FALSE;
  for (GList *l = self->connects.head; l != NULL; l = l->next)
    {
      Core2BluezConnect *connect = l->data;
      if (may_displace (connect, waiting->urgent) && (oldest == NULL || connect->started < oldest->started))
        oldest = connect;
    }
  if (oldest == NULL)
    return FALSE;
  tell_bluez_to_cancel (self, oldest->device->path);
  abandon_attempt (oldest);
  oldest->urgent = FALSE;
  oldest->queued = g_get_monotonic_time ();
  g_queue_remove (&self->connects, oldest);
  g_queue_push_tail (&self->connects, oldest);
  return TRUE;
}

/* Until @waiting, the first one that waits for a place, can have one. */
static guint
get_turn_ms (Core2Bluez *self, const Core2BluezConnect *waiting)
{
  gint64 now = g_get_monotonic_time ();
  gint64 until = now + PENDING_SLICE_US;

  for (GList *l = self->connects.head; l != NULL; l = l->next)
    {
      const Core2BluezConnect *connect = l->data;
      if (connect->attempt != NULL)
        until = MIN (until, connect->started + PENDING_SLICE_US);
    }
  if (!waiting->urgent)
    until = MAX (until, waiting->queued + PENDING_SLICE_US);
  return (guint) (MAX (until - now, 0) / 1000 + 1);
}

static gboolean
on_turn (gpointer user_data)
{
  Core2Bluez *self = user_data;

  self->turn_timer = 0;
  core2_bluez_connects_advance (self);
  return G_SOURCE_REMOVE;
}

void
core2_bluez_connects_advance (Core2Bluez *self)
{
  gboolean held_up = FALSE;                  /* by a discovery, or an adapter that is off */
  const Core2BluezConnect *crowded = NULL;   /* the first one for whom there is no room */
  guint n_coming = count_abandoned (self);   /* places that will be free in a moment */

  /* make_room() moves others in the queue, never the one that waits. */
  for (GList *l = self->connects.head; l != NULL; l = l->next)
    {
      Core2BluezConnect *connect = l->data;
      if (connect->attempt != NULL)
        continue;
      if (!may_start (self, connect))
        held_up = TRUE;
      else if (self->attempts->len < CORE2_BLUEZ_MAX_PENDING)
        connect_send (connect);
      else if (n_coming > 0)
        n_coming--;
      else if (!make_room (self, connect))
        {
          crowded = connect;
          break;
        }
    }
  if (self->turn_timer == 0 && (held_up || crowded != NULL))
    self->turn_timer = g_timeout_add (held_up ? TURN_CHECK_MS : get_turn_ms (self, crowded), on_turn,
                                      self);
}

static void
enqueue (Core2Bluez *self, Core2BluezConnect *connect)
{
  if (connect->urgent)
    g_queue_push_head (&self->connects, connect);
  else
    g_queue_push_tail (&self->connects, connect);
}

void
core2_bluez_connect_start (Core2Bluez *self, Core2BluezDevice *device, Core2BluezConnectHow how,
                           guint timeout_ms, Core2BluezConnectDone done, gpointer user_data)
{
  Core2BluezConnect *connect = g_new0 (Core2BluezConnect, 1);

  g_return_if_fail (device->connect == NULL);
  connect->bluez = self;
  connect->device = device;
  connect->queued = g_get_monotonic_time ();
  connect->urgent = how != CORE2_BLUEZ_CONNECT_ASLEEP;
  connect->while_discovering = how == CORE2_BLUEZ_CONNECT_WHILE_DISCOVERING;
  connect->timeout_ms = timeout_ms;
  connect->done = done;
  connect->user_data = user_data;
  device->connect = connect;
  enqueue (self, connect);
  core2_bluez_connects_advance (self);
}

void
core2_bluez_connect_hurry (Core2Bluez *self, Core2BluezDevice *device)
{
  Core2BluezConnect *connect = device->connect;

  if (connect == NULL || connect->attempt != NULL || connect->urgent)
    return;
  connect->urgent = TRUE;
  g_queue_remove (&self->connects, connect);
  enqueue (self, connect);
  core2_bluez_connects_advance (self);
}

void
core2_bluez_connect_cancel (Core2Bluez *self, Core2BluezDevice *device)
{
  if (device->connect == NULL)
    return;
  if (device->connect->attempt != NULL)
    tell_bluez_to_cancel (self, device->path);
  connect_free (device->connect);
  core2_bluez_connects_advance (self);
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
  g_clear_handle_id (&self->turn_timer, g_source_remove);
  while (!g_queue_is_empty (&self->connects))
    connect_free (g_queue_peek_head (&self->connects));
  while (self->attempts->len > 0)
    attempt_free (g_ptr_array_index (self->attempts, 0));
}
