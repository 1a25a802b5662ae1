/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-bus-name.h"

#define CALL_TIMEOUT_MS 5000

/* Answers to RequestName. */
#define PRIMARY_OWNER 1
#define EXISTS 3
#define DO_NOT_QUEUE 4u

struct Core2BusName
{
  Core2Bus *bus;
  const char *name;
  Core2BusNameDone done;
  gpointer user_data;
  Core2Call *call;
  gboolean owner_is_silent;
};

static void request (Core2BusName *self);

static void
ping_done (sd_bus_message *reply, const sd_bus_error *error, gpointer user_data)
{
  Core2BusName *self = user_data;

  if (sd_bus_error_has_name (error, SD_BUS_ERROR_NO_REPLY)
      || sd_bus_error_has_name (error, SD_BUS_ERROR_SERVICE_UNKNOWN))
    {
      self->owner_is_silent = TRUE;
      request (self);
    }
  else
    self->done ("another program has it", self->user_data);
}

static void
ping_owner (Core2BusName *self)
{
  sd_bus_message *message = NULL;

  if (sd_bus_message_new_method_call (core2_bus_get (self->bus), &message, self->name, "/",
                                      "org.freedesktop.DBus.Peer", "Ping")
          >= 0
      && sd_bus_message_set_auto_start (message, FALSE) >= 0)
    core2_call_start (self->bus, &self->call, message, CALL_TIMEOUT_MS, ping_done, self);
  sd_bus_message_unref (message);
}

static void
request_done (sd_bus_message *reply, const sd_bus_error *error, gpointer user_data)
{
  Core2BusName *self = user_data;
  guint32 result = 0;

  if (error != NULL)
    self->done (error->message, self->user_data);
  else if (sd_bus_message_read (reply, "u", &result) >= 0 && result == PRIMARY_OWNER)
    self->done (NULL, self->user_data);
  else if (result == EXISTS && !self->owner_is_silent)
    ping_owner (self);
  else
    self->done ("another program has it and does not answer", self->user_data);
}

static void
request (Core2BusName *self)
{
  sd_bus_message *message = NULL;

  if (sd_bus_message_new_method_call (core2_bus_get (self->bus), &message, "org.freedesktop.DBus",
                                      "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                      "RequestName")
          >= 0
      && sd_bus_message_append (message, "su", self->name, DO_NOT_QUEUE) >= 0)
    core2_call_start (self->bus, &self->call, message, CALL_TIMEOUT_MS, request_done, self);
  sd_bus_message_unref (message);
}

Core2BusName *
core2_bus_name_take (Core2Bus *bus, const char *name, Core2BusNameDone done, gpointer user_data)
{
  Core2BusName *self = g_new0 (Core2BusName, 1);

  self->bus = bus;
  self->name = name;
  self->done = done;
  self->user_data = user_data;
  request (self);
  return self;
}

void
core2_bus_name_free (Core2BusName *self)
{
  if (self == NULL)
    return;
  core2_call_cancel (&self->call);
  g_free (self);
}
