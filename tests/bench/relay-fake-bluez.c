/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "relay-source.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define ADAPTER "/org/bluez/hci0"
#define PROPERTIES "org.freedesktop.DBus.Properties"
#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"
#define DEVICE_INTERFACE "org.bluez.Device1"
#define SERVICE_INTERFACE "org.bluez.GattService1"
#define BAND_SERVICE "0000fee0-0000-1000-8000-00805f9b34fb"
#define INPUTS 2
#define PAYLOAD_MAX 16
#define MTU 64

typedef struct
{
  guint32 values[INPUTS]; /* counter; x */
  gboolean subscribed[INPUTS];
  int fds[INPUTS];        /* of AcquireNotify, -1 */
} FakeChip;

struct FakeBluez
{
  sd_bus *bus;
  guint n;
  FakeChip *chips;
};

/* --- paths and payloads ---------------------------------------------------------------------- */

static void
get_device_path (guint chip, char path[RELAY_PATH_SIZE])
{
  relay_characteristic_path (chip, RELAY_STEPS, path);
  *strstr (path, "/service") = '\0';
}

static void
get_service_path (guint chip, char path[RELAY_PATH_SIZE])
{
  relay_characteristic_path (chip, RELAY_STEPS, path);
  *strstr (path, "/char") = '\0';
}

static void
put_u32 (guint8 *data, guint32 value)
{
  for (guint i = 0; i < 4; i++)
    data[i] = (guint8) (value >> (8 * i));
}

/* As chips send it. */
static gsize
make_payload (const FakeChip *chip, RelayInput input, guint8 data[PAYLOAD_MAX])
{
  guint32 value = chip->values[input];

  memset (data, 0, PAYLOAD_MAX);
  if (input == RELAY_STEPS)
    {
      data[0] = 3; /* run and walk follow */
      put_u32 (data + 1, value);
      put_u32 (data + 9, value);
      return 13;
    }
  data[0] = 0x10;
  data[1] = 0x07;
  data[2] = 0x01;
  put_u32 (data + 3, value | value << 16);
  return 7;
}

/* --- properties ------------------------------------------------------------------------------ */

static int
append_device (sd_bus_message *message, guint number)
{
  char address[18];

  relay_address (number, ':', address);
  return sd_bus_message_append (
      message, "a{sv}", 10, "Address", "s", address, "AddressType", "s", "random", "Name", "s",
      "HM0D", "Alias", "s", "HM0D", "Trusted", "b", TRUE, "Paired", "b", FALSE, "Connected", "b",
      TRUE, "ServicesResolved", "b", TRUE, "Adapter", "o", ADAPTER, "UUIDs", "as", 1, BAND_SERVICE);
}

static int
append_characteristic (const FakeBluez *self, sd_bus_message *message, guint number,
                       RelayInput input)
{
  char service[RELAY_PATH_SIZE];

  get_service_path (number, service);
  return sd_bus_message_append (message, "a{sv}", 4, "UUID", "s",
                                input == RELAY_STEPS ? "00000007-0000-3512-2118-0009af100700"
                                                     : "00000003-0000-3512-2118-0009af100700",
                                "Service", "o", service, "Notifying", "b",
                                self->chips[number].subscribed[input], "Flags", "as", 2, "read",
                                "notify");
}

/* Opens the entry of one object with one interface; its properties follow. */
static int
open_object (sd_bus_message *message, const char *path, const char *interface)
{
  int r = sd_bus_message_open_container (message, 'e', "oa{sa{sv}}");

  if (r < 0 || (r = sd_bus_message_append (message, "o", path)) < 0
      || (r = sd_bus_message_open_container (message, 'a', "{sa{sv}}")) < 0
      || (r = sd_bus_message_open_container (message, 'e', "sa{sv}")) < 0)
    return r;
  return sd_bus_message_append (message, "s", interface);
}

static int
close_object (sd_bus_message *message)
{
  int r = 0;

  for (guint depth = 0; r >= 0 && depth < 3; depth++)
    r = sd_bus_message_close_container (message);
  return r;
}

static int
append_chip (const FakeBluez *self, sd_bus_message *message, guint number)
{
  char device[RELAY_PATH_SIZE];
  char path[RELAY_PATH_SIZE];
  int r;

  get_device_path (number, device);
  if ((r = open_object (message, device, DEVICE_INTERFACE)) < 0
      || (r = append_device (message, number)) < 0 || (r = close_object (message)) < 0)
    return r;
  get_service_path (number, path);
  if ((r = open_object (message, path, SERVICE_INTERFACE)) < 0
      || (r = sd_bus_message_append (message, "a{sv}", 3, "UUID", "s", BAND_SERVICE, "Device", "o",
                                     device, "Primary", "b", TRUE))
             < 0
      || (r = close_object (message)) < 0)
    return r;
  for (guint input = 0; input < INPUTS; input++)
    {
      relay_characteristic_path (number, (RelayInput) input, path);
      if ((r = open_object (message, path, RELAY_CHARACTERISTIC_INTERFACE)) < 0
          || (r = append_characteristic (self, message, number, (RelayInput) input)) < 0
          || (r = close_object (message)) < 0)
        return r;
    }
  return 0;
}

static int
append_objects (const FakeBluez *self, sd_bus_message *message)
{
  int r = sd_bus_message_open_container (message, 'a', "{oa{sa{sv}}}");

  if (r < 0 || (r = open_object (message, ADAPTER, "org.bluez.Adapter1")) < 0
      || (r = sd_bus_message_append (message, "a{sv}", 4, "Address", "s", "00:AA:01:00:00:00",
                                     "Powered", "b", TRUE, "Discovering", "b", FALSE, "Roles",
                                     "as", 1, "central"))
             < 0
      || (r = close_object (message)) < 0)
    return r;
  for (guint number = 0; number < self->n; number++)
    if ((r = append_chip (self, message, number)) < 0)
      return r;
  return sd_bus_message_close_container (message);
}

/* --- calls ----------------------------------------------------------------------------------- */

static int
acquire (FakeChip *chip, RelayInput input, sd_bus_message *call)
{
  int ends[2];
  int r;

  if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
    return -errno;
  r = sd_bus_reply_method_return (call, "hq", ends[1], MTU);
  close (ends[1]);
  chip->fds[input] = ends[0];
  chip->subscribed[input] = r >= 0;
  return r;
}

static int
call_characteristic (FakeBluez *self, guint number, sd_bus_message *call)
{
  FakeChip *chip = &self->chips[number];
  const char *method = sd_bus_message_get_member (call);
  RelayInput input
      = g_str_has_suffix (sd_bus_message_get_path (call), "21") ? RELAY_ORIENTATION : RELAY_STEPS;
  guint8 payload[PAYLOAD_MAX];
  sd_bus_message *reply = NULL;
  int r;

  if (strcmp (method, "AcquireNotify") == 0)
    return acquire (chip, input, call);
  if (strcmp (method, "StartNotify") == 0 || strcmp (method, "StopNotify") == 0)
    chip->subscribed[input] = strcmp (method, "StartNotify") == 0;
  if (strcmp (method, "ReadValue") != 0)
    return sd_bus_reply_method_return (call, NULL);

  r = sd_bus_message_new_method_return (call, &reply);
  if (r >= 0)
    r = sd_bus_message_append_array (reply, 'y', payload, make_payload (chip, input, payload));
  if (r >= 0)
    r = sd_bus_send (self->bus, reply, NULL);
  sd_bus_message_unref (reply);
  return r;
}

static int
list_objects (FakeBluez *self, sd_bus_message *call)
{
  sd_bus_message *reply = NULL;
  int r = sd_bus_message_new_method_return (call, &reply);

  if (r >= 0)
    r = append_objects (self, reply);
  if (r >= 0)
    r = sd_bus_send (self->bus, reply, NULL);
  sd_bus_message_unref (reply);
  return r;
}

static int
tell_properties (FakeBluez *self, guint number, sd_bus_message *call)
{
  sd_bus_message *reply = NULL;
  int r = sd_bus_message_new_method_return (call, &reply);

  if (r >= 0)
    r = append_device (reply, number);
  if (r >= 0)
    r = sd_bus_send (self->bus, reply, NULL);
  sd_bus_message_unref (reply);
  return r;
}

/* Says that the link is down, for who waits for it. */
static int
disconnect (FakeBluez *self, sd_bus_message *call)
{
  sd_bus_message *message = NULL;
  int r = sd_bus_reply_method_return (call, NULL);

  if (r >= 0)
    r = sd_bus_message_new_signal (self->bus, &message, sd_bus_message_get_path (call), PROPERTIES,
                                   "PropertiesChanged");
  if (r >= 0)
    r = sd_bus_message_append (message, "sa{sv}as", DEVICE_INTERFACE, 1, "Connected", "b", FALSE,
                               0);
  if (r >= 0)
    r = sd_bus_send (self->bus, message, NULL);
  sd_bus_message_unref (message);
  return r;
}

static int
on_message (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  FakeBluez *self = user_data;
  const char *path = sd_bus_message_get_path (message);
  guint chip;
  int r;

  if (path == NULL || !sd_bus_message_is_method_call (message, NULL, NULL))
    return 0;
  chip = relay_chip_of_path (path);
  if (sd_bus_message_is_method_call (message, OBJECT_MANAGER, "GetManagedObjects"))
    r = list_objects (self, message);
  else if (chip < self->n && sd_bus_message_is_method_call (message, PROPERTIES, "GetAll"))
    r = tell_properties (self, chip, message);
  else if (chip < self->n
           && sd_bus_message_is_method_call (message, RELAY_CHARACTERISTIC_INTERFACE, NULL))
    r = call_characteristic (self, chip, message);
  else if (chip < self->n && sd_bus_message_is_method_call (message, DEVICE_INTERFACE, "Disconnect"))
    r = disconnect (self, message);
  else
    r = sd_bus_reply_method_return (message, NULL);
  return r < 0 ? r : 1;
}

/* --- public ---------------------------------------------------------------------------------- */

int
fake_bluez_new (guint chips, FakeBluez **result)
{
  FakeBluez *self = g_new0 (FakeBluez, 1);
  int r;

  self->n = chips;
  self->chips = g_new0 (FakeChip, chips);
  for (guint i = 0; i < chips; i++)
    for (guint input = 0; input < INPUTS; input++)
      self->chips[i].fds[input] = -1;
  *result = self;
  r = sd_bus_open_system (&self->bus);
  if (r >= 0)
    r = sd_bus_add_filter (self->bus, NULL, on_message, self);
  return r < 0 ? r : sd_bus_request_name (self->bus, "org.bluez", 0);
}

sd_bus *
fake_bluez_get_bus (FakeBluez *self)
{
  return self->bus;
}

gboolean
fake_bluez_is_subscribed (const FakeBluez *self, RelayInput input)
{
  for (guint i = 0; i < self->n; i++)
    if (!self->chips[i].subscribed[input])
      return FALSE;
  return TRUE;
}

guint32
fake_bluez_advance (FakeBluez *self, guint chip, RelayInput input)
{
  guint32 *value = &self->chips[chip].values[input];

  (*value)++;
  if (input == RELAY_ORIENTATION)
    *value &= G_MAXUINT16;
  return *value;
}

int
fake_bluez_notify (FakeBluez *self, guint number, RelayInput input)
{
  const FakeChip *chip = &self->chips[number];
  guint8 payload[PAYLOAD_MAX];
  gsize size = make_payload (chip, input, payload);
  char path[RELAY_PATH_SIZE];
  sd_bus_message *message = NULL;
  int r;

  if (chip->fds[input] >= 0)
    return send (chip->fds[input], payload, size, MSG_NOSIGNAL) < 0 ? -errno : 0;

  relay_characteristic_path (number, input, path);
  r = sd_bus_message_new_signal (self->bus, &message, path, PROPERTIES, "PropertiesChanged");
  if (r >= 0)
    r = sd_bus_message_append (message, "s", RELAY_CHARACTERISTIC_INTERFACE);
  if (r >= 0)
    r = sd_bus_message_open_container (message, 'a', "{sv}");
  if (r >= 0)
    r = sd_bus_message_open_container (message, 'e', "sv");
  if (r >= 0)
    r = sd_bus_message_append (message, "s", "Value");
  if (r >= 0)
    r = sd_bus_message_open_container (message, 'v', "ay");
  if (r >= 0)
    r = sd_bus_message_append_array (message, 'y', payload, size);
  for (guint depth = 0; r >= 0 && depth < 3; depth++)
    r = sd_bus_message_close_container (message);
  if (r >= 0)
    r = sd_bus_message_append (message, "as", 0);
  if (r >= 0)
    r = sd_bus_send (self->bus, message, NULL);
  sd_bus_message_unref (message);
  return r;
}
