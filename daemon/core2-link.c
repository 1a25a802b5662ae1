/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-link.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "core2-error.h"
#include "core2-log.h"

#define CHARACTERISTIC_INTERFACE "org.bluez.GattCharacteristic1"
/* BlueZ answers InProgress while another program uses the characteristic. */
#define BUSY_RETRY_MS 100
#define BUSY_RETRIES 20

typedef enum
{
  REQUEST_READ,
  REQUEST_WRITE,
  REQUEST_SUBSCRIBE,
} RequestKind;

typedef struct
{
  Core2LinkDone done;
  gpointer user_data;
} Waiter;

typedef struct
{
  RequestKind kind;
  char *uuid;
  GBytes *payload;               /* of a write */
  gboolean with_response;
  guint tries;
  GArray *waiters;               /* Waiter: one, or several for merged reads */
} Request;

struct Core2Link
{
  Core2Bluez *bluez;
  Core2BluezDevice *device;
  guint timeout_ms;
  Core2LinkBroken broken;
  gpointer user_data;
  gboolean *freed;               /* set when the link is freed; NULL = nobody looks */
  GQueue queue;                  /* Request; the head is on its way when @call or @timer is set */
  Core2Call *call;
  guint timer;                   /* idle start, or pause before a retry */
};

static void schedule (Core2Link *self, guint delay_ms);

/* A payload may be a key. */
static void
wipe_payload (gpointer data)
{
  explicit_bzero (data, malloc_usable_size (data));
  free (data);
}

static GBytes *
payload_new (const guint8 *data, gsize size)
{
  guint8 *copy = malloc (MAX (size, 1));

  if (copy == NULL)
    g_error ("out of memory");
  memcpy (copy, data, size);
  return g_bytes_new_with_free_func (copy, size, wipe_payload, copy);
}

static void
request_free (Request *request)
{
  g_free (request->uuid);
  g_clear_pointer (&request->payload, g_bytes_unref);
  g_array_unref (request->waiters);
  g_free (request);
}

static void
request_end (Request *request, const GError *error, const guint8 *data, gsize size)
{
  for (guint i = 0; i < request->waiters->len; i++)
    {
      const Waiter *waiter = &g_array_index (request->waiters, Waiter, i);
      waiter->done (error, data, size, waiter->user_data);
    }
  request_free (request);
}

/* Takes the head off the queue before its waiters hear of it: they may ask for more. */
static void
finish_head (Core2Link *self, const GError *error, const guint8 *data, gsize size)
{
  Request *request = g_queue_pop_head (&self->queue);

  if (!g_queue_is_empty (&self->queue))
    schedule (self, 0);
  /* The link may be freed by what follows. */
  request_end (request, error, data, size);
}

static const char *
kind_name (RequestKind kind)
{
  switch (kind)
    {
    case REQUEST_READ:
      return "read";
    case REQUEST_WRITE:
      return "write";
    case REQUEST_SUBSCRIBE:
      return "subscription";
    default:
      g_assert_not_reached ();
    }
}

/* The head was not answered. Its waiters hear that first: they know best what it means to them, and may end the
 * link themselves. */
static void
end_stuck (Core2Link *self, const GError *error)
{
  gboolean freed = FALSE;

  /* cppcheck-suppress autoVariables ; it is taken back before this function ends */
  self->freed = &freed;
  finish_head (self, error, NULL, 0);
  if (freed)
    return;
  self->freed = NULL;
  self->broken (CORE2_LINK_STUCK, self->user_data);
}

/* The owner hears of it first, else it would not learn why the link ends. */
static void
end_stale (Core2Link *self, const GError *error)
{
  Request *request = g_queue_pop_head (&self->queue);

  self->broken (CORE2_LINK_STALE, self->user_data);
  request_end (request, error, NULL, 0);
}

/* BlueZ did not say that the characteristic went. */
static gboolean
is_unknown (Core2Link *self, const Request *request, const sd_bus_error *error)
{
  return core2_bluez_is_unknown_error (error) && self->device->services_resolved
         && core2_link_has (self, request->uuid);
}

/* Our own earlier StartNotify: BlueZ keeps a client's subscription. It may also be under way still, or be of a
 * link that broke meanwhile. */
static gboolean
is_subscribed (Core2Link *self, const Request *request)
{
  const Core2BluezCharacteristic *characteristic
      = core2_bluez_device_find_characteristic (self->device, request->uuid);

  return request->kind == REQUEST_SUBSCRIBE && characteristic != NULL
         && characteristic->notifying;
}

static void
request_done (sd_bus_message *reply, const sd_bus_error *bus_error, gpointer user_data)
{
  Core2Link *self = user_data;
  Request *request = g_queue_peek_head (&self->queue);
  g_autoptr (GError) error = NULL;
  const void *data = NULL;
  size_t size = 0;

  if (bus_error != NULL)
    {
      Core2Error code = core2_bluez_translate_error (bus_error);
      if (code == CORE2_ERROR_IN_PROGRESS && is_subscribed (self, request))
        {
          finish_head (self, NULL, NULL, 0);
          return;
        }
      if (code == CORE2_ERROR_IN_PROGRESS && request->tries < BUSY_RETRIES)
        {
          schedule (self, BUSY_RETRY_MS);
          return;
        }
      error = g_error_new (CORE2_ERROR, code, "%s of %s of %s failed: %s",
                           kind_name (request->kind), request->uuid, self->device->address,
                           bus_error->message);
    }
  else if (request->kind == REQUEST_READ
           && sd_bus_message_read_array (reply, SD_BUS_TYPE_BYTE, &data, &size) < 0)
    error = g_error_new (CORE2_ERROR, CORE2_ERROR_FAILED, "BlueZ answered a read with no bytes");
  else if (request->kind == REQUEST_READ && size == 0 && !self->device->services_resolved)
    /* BlueZ ends a read that the loss of the link cut off as if the value were empty. */
    error = g_error_new (CORE2_ERROR, CORE2_ERROR_NOT_CONNECTED, "the connection to %s ended",
                         self->device->address);

  if (error != NULL && error->code == CORE2_ERROR_TIMEOUT)
    end_stuck (self, error);
  else if (bus_error != NULL && is_unknown (self, request, bus_error))
    end_stale (self, error);
  else
    /* An empty array has no address in sd-bus. */
    finish_head (self, error, data != NULL ? data : (const guint8 *) "", size);
}

static sd_bus_message *
message_for (Core2Link *self, const Request *request, const char *path)
{
  static const char *const methods[] = {
    [REQUEST_READ] = "ReadValue",
    [REQUEST_WRITE] = "WriteValue",
    [REQUEST_SUBSCRIBE] = "StartNotify",
  };
  sd_bus_message *message = core2_bluez_message_new (
      self->bluez, path, CHARACTERISTIC_INTERFACE, methods[request->kind]);
  int r = 0;

  if (message == NULL)
    return NULL;
  if (request->kind == REQUEST_READ)
    r = sd_bus_message_append (message, "a{sv}", 0);
  else if (request->kind == REQUEST_WRITE)
    {
      gsize size;
      const void *data = g_bytes_get_data (request->payload, &size);
      sd_bus_message_sensitive (message);
      r = sd_bus_message_append_array (message, SD_BUS_TYPE_BYTE, data, size);
      if (r >= 0)
        r = sd_bus_message_append (message, "a{sv}", 1, "type", "s",
                                   request->with_response ? "request" : "command");
    }
  return r < 0 ? sd_bus_message_unref (message) : message;
}

static gboolean
send_head (gpointer user_data)
{
  Core2Link *self = user_data;
  Request *request = g_queue_peek_head (&self->queue);
  Core2BluezCharacteristic *characteristic
      = core2_bluez_device_find_characteristic (self->device, request->uuid);

  self->timer = 0;
  if (characteristic == NULL)
    {
      g_autoptr (GError) error
          = g_error_new (CORE2_ERROR, CORE2_ERROR_NOT_SUPPORTED, "%s has no characteristic %s",
                         self->device->address, request->uuid);
      finish_head (self, error, NULL, 0);
      return G_SOURCE_REMOVE;
    }

  sd_bus_message *message = message_for (self, request, characteristic->path);
  if (message == NULL)
    {
      g_autoptr (GError) error
          = g_error_new (CORE2_ERROR, CORE2_ERROR_NOT_CONNECTED, "bluetoothd is gone");
      finish_head (self, error, NULL, 0);
      return G_SOURCE_REMOVE;
    }
  request->tries++;
  core2_call_start (core2_bluez_get_bus (self->bluez), &self->call, message, self->timeout_ms,
                    request_done, self);
  sd_bus_message_unref (message);
  return G_SOURCE_REMOVE;
}

static void
schedule (Core2Link *self, guint delay_ms)
{
  if (self->call != NULL || self->timer != 0)
    return;
  self->timer = delay_ms == 0 ? g_idle_add (send_head, self)
                              : g_timeout_add (delay_ms, send_head, self);
}

static Request *
find_waiting_read (Core2Link *self, const char *uuid)
{
  for (GList *l = self->queue.head; l != NULL; l = l->next)
    {
      Request *request = l->data;
      if (request->kind == REQUEST_READ && strcmp (request->uuid, uuid) == 0)
        return request;
    }
  return NULL;
}

static void
add_request (Core2Link *self, RequestKind kind, const char *uuid, GBytes *payload,
             gboolean with_response, Core2LinkDone done, gpointer user_data)
{
  const Waiter waiter = { done, user_data };
  Request *request = kind == REQUEST_READ ? find_waiting_read (self, uuid) : NULL;

  if (request == NULL)
    {
      request = g_new0 (Request, 1);
      request->kind = kind;
      request->uuid = g_strdup (uuid);
      request->payload = payload;
      request->with_response = with_response;
      request->waiters = g_array_new (FALSE, FALSE, sizeof (Waiter));
      g_queue_push_tail (&self->queue, request);
    }
  g_array_append_val (request->waiters, waiter);
  schedule (self, 0);
}

void
core2_link_read (Core2Link *self, const char *uuid, Core2LinkDone done, gpointer user_data)
{
  add_request (self, REQUEST_READ, uuid, NULL, FALSE, done, user_data);
}

void
core2_link_write (Core2Link *self, const char *uuid, const guint8 *data, gsize size,
                  gboolean with_response, Core2LinkDone done, gpointer user_data)
{
  add_request (self, REQUEST_WRITE, uuid, payload_new (data, size), with_response, done,
               user_data);
}

void
core2_link_subscribe (Core2Link *self, const char *uuid, Core2LinkDone done, gpointer user_data)
{
  add_request (self, REQUEST_SUBSCRIBE, uuid, NULL, FALSE, done, user_data);
}

static void
remove_waiter (Request *request, Core2LinkDone done, gpointer user_data)
{
  for (guint i = request->waiters->len; i-- > 0;)
    {
      const Waiter *waiter = &g_array_index (request->waiters, Waiter, i);
      if (waiter->done == done && waiter->user_data == user_data)
        g_array_remove_index (request->waiters, i);
    }
}

void
core2_link_forget (Core2Link *self, Core2LinkDone done, gpointer user_data)
{
  GList *next;

  for (GList *l = self->queue.head; l != NULL; l = next)
    {
      Request *request = l->data;
      gboolean on_its_way = l == self->queue.head && self->call != NULL;

      next = l->next;
      remove_waiter (request, done, user_data);
      if (request->waiters->len > 0 || on_its_way)
        continue;
      g_queue_delete_link (&self->queue, l);
      request_free (request);
    }
  if (g_queue_is_empty (&self->queue))
    g_clear_handle_id (&self->timer, g_source_remove);
}

gboolean
core2_link_is_busy (Core2Link *self)
{
  return !g_queue_is_empty (&self->queue);
}

gboolean
core2_link_has (Core2Link *self, const char *uuid)
{
  return core2_bluez_device_find_characteristic (self->device, uuid) != NULL;
}

Core2Link *
core2_link_new (Core2Bluez *bluez, Core2BluezDevice *device, guint timeout_ms,
                Core2LinkBroken broken, gpointer user_data)
{
  Core2Link *self = g_new0 (Core2Link, 1);

  self->bluez = bluez;
  self->device = device;
  self->timeout_ms = timeout_ms;
  self->broken = broken;
  self->user_data = user_data;
  g_queue_init (&self->queue);
  return self;
}

void
core2_link_free (Core2Link *self)
{
  if (self == NULL)
    return;

  g_autoptr (GError) error = g_error_new (CORE2_ERROR, CORE2_ERROR_NOT_CONNECTED,
                                          "the connection to %s ended", self->device->address);
  Request *request;

  if (self->freed != NULL)
    *self->freed = TRUE;
  core2_call_cancel (&self->call);
  g_clear_handle_id (&self->timer, g_source_remove);
  while ((request = g_queue_pop_head (&self->queue)) != NULL)
    request_end (request, error, NULL, 0);
  g_free (self);
}
