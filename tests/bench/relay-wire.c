/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The floor: a relay that writes and reads D-Bus messages by hand, with one read and one write for what is there. It
 * takes on trust that the bus is well-behaved and of its own byte order. */
#include "relay-common.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BUFFER_SIZE 65536
#define FIXED_HEADER 16

enum
{
  TYPE_CALL = 1,
  TYPE_RETURN = 2,
  TYPE_ERROR = 3,
  TYPE_SIGNAL = 4,
};

enum
{
  FIELD_PATH = 1,
  FIELD_INTERFACE = 2,
  FIELD_MEMBER = 3,
  FIELD_DESTINATION = 6,
  FIELD_SIGNATURE = 8,
};

typedef struct
{
  const guint8 *body;
  const char *path;
  guint8 type;
} Message;

typedef struct
{
  RelayOptions options;
  int fd;
  guint32 serial;
  guint32 *last;       /* of each chip */
  GByteArray **prints; /* the signal of each chip, of which only serial and body change */
  guint8 in[BUFFER_SIZE];
  gsize in_size;
  guint8 out[BUFFER_SIZE];
  gsize out_size;
} Relay;

static void G_GNUC_NORETURN
fail (const char *what)
{
  g_printerr ("relay-wire: %s\n", what);
  exit (EXIT_FAILURE);
}

static gsize
align (gsize offset, gsize to)
{
  return (offset + to - 1) & ~(to - 1);
}

static guint32
get_u32 (const guint8 *data)
{
  guint32 value;

  memcpy (&value, data, sizeof value);
  return value;
}

/* --- writing --------------------------------------------------------------------------------- */

static void
pad (GByteArray *message, gsize to)
{
  static const guint8 zeros[8];

  g_byte_array_append (message, zeros, (guint) (align (message->len, to) - message->len));
}

static void
put_u32 (GByteArray *message, guint32 value)
{
  pad (message, 4);
  g_byte_array_append (message, (const guint8 *) &value, sizeof value);
}

static void
put_text (GByteArray *message, const char *text)
{
  put_u32 (message, (guint32) strlen (text));
  g_byte_array_append (message, (const guint8 *) text, (guint) strlen (text) + 1);
}

static void
put_field (GByteArray *message, guint8 field, char type, const char *text)
{
  const guint8 head[] = { field, 1, (guint8) type, 0 };

  if (text == NULL)
    return;
  pad (message, 8);
  g_byte_array_append (message, head, sizeof head);
  if (type == 'g')
    {
      const guint8 length = (guint8) strlen (text);

      g_byte_array_append (message, &length, 1);
      g_byte_array_append (message, (const guint8 *) text, length + 1u);
    }
  else
    put_text (message, text);
}

static GByteArray *
message_new (guint8 type, const char *destination, const char *path, const char *interface,
             const char *member, const char *signature)
{
  const guint8 head[] = { G_BYTE_ORDER == G_LITTLE_ENDIAN ? 'l' : 'B', type,
                          type == TYPE_SIGNAL ? 1 : 0, 1 };
  GByteArray *message = g_byte_array_new ();
  guint32 size;

  g_byte_array_append (message, head, sizeof head);
  put_u32 (message, 0); /* size of the body, serial, size of the fields: known later */
  put_u32 (message, 0);
  put_u32 (message, 0);
  put_field (message, FIELD_PATH, 'o', path);
  put_field (message, FIELD_INTERFACE, 's', interface);
  put_field (message, FIELD_MEMBER, 's', member);
  put_field (message, FIELD_DESTINATION, 's', destination);
  put_field (message, FIELD_SIGNATURE, 'g', signature);
  size = message->len - FIXED_HEADER;
  memcpy (message->data + 12, &size, sizeof size);
  pad (message, 8);
  return message;
}

/* Queues @message with a serial number; what follows @body_start is its body. */
static void
queue (Relay *self, GByteArray *message, gsize body_start)
{
  guint32 body_size = (guint32) (message->len - body_start);

  self->serial++;
  memcpy (message->data + 4, &body_size, sizeof body_size);
  memcpy (message->data + 8, &self->serial, sizeof self->serial);
  if (self->out_size + message->len > sizeof self->out)
    fail ("too much at once");
  memcpy (self->out + self->out_size, message->data, message->len);
  self->out_size += message->len;
}

static void
flush (Relay *self)
{
  gsize done = 0;

  while (done < self->out_size)
    {
      ssize_t n = write (self->fd, self->out + done, self->out_size - done);

      if (n <= 0)
        fail ("the bus has gone");
      done += (gsize) n;
    }
  self->out_size = 0;
}

/* --- reading --------------------------------------------------------------------------------- */

static void
parse_fields (const guint8 *data, gsize size, Message *message)
{
  gsize offset = FIXED_HEADER;

  message->path = NULL;
  while (offset < FIXED_HEADER + size)
    {
      guint8 field;
      char type;

      offset = align (offset, 8);
      field = data[offset];
      type = (char) data[offset + 2];
      offset += 4;
      if (field == FIELD_PATH)
        message->path = (const char *) data + offset + 4;
      if (type == 'g')
        offset += data[offset] + 2u;
      else if (type == 'u' || type == 'h')
        offset += 4;
      else
        offset += 4 + get_u32 (data + offset) + 1;
    }
}

/* The message at the beginning of @data, and its size; 0 when not all of it is there. */
static gsize
parse (const guint8 *data, gsize size, Message *message)
{
  gsize body;
  gsize end;

  if (size < FIXED_HEADER)
    return 0;
  body = align (FIXED_HEADER + get_u32 (data + 12), 8);
  end = body + get_u32 (data + 4);
  if (size < end)
    return 0;
  message->type = data[1];
  message->body = data + body;
  parse_fields (data, get_u32 (data + 12), message);
  return end;
}

static void
read_more (Relay *self)
{
  ssize_t n = read (self->fd, self->in + self->in_size, sizeof self->in - self->in_size);

  if (n <= 0)
    exit (EXIT_SUCCESS);
  self->in_size += (gsize) n;
}

/* --- relaying -------------------------------------------------------------------------------- */

static void
publish (Relay *self, guint chip, const RelaySample *sample)
{
  GByteArray *message = self->prints[chip];
  guint8 *body = message->data + message->len - 16;
  const guint16 pair[] = { (guint16) sample->value, (guint16) sample->other };

  /* Both signatures have their time at offset 8. */
  if (self->options.input == RELAY_STEPS)
    {
      memcpy (body, &sample->value, 4);
      memcpy (body + 4, &sample->other, 4);
    }
  else
    memcpy (body, pair, sizeof pair);
  memcpy (body + 8, &sample->time, 8);
  queue (self, message, message->len - 16);
}

/* PropertiesChanged of one changed property, which is the value: sa{sv}as. */
static void
take_signal (Relay *self, const Message *message)
{
  guint chip = message->path != NULL ? relay_chip_of_path (message->path) : G_MAXUINT;
  const char *interface = (const char *) message->body + 4;
  gsize offset = 4 + get_u32 (message->body) + 1;
  RelaySample sample;

  if (chip >= self->options.chips || strcmp (interface, RELAY_CHARACTERISTIC_INTERFACE) != 0)
    return;
  offset = align (align (offset, 4) + 4, 8);
  if (strcmp ((const char *) message->body + offset + 4, "Value") != 0)
    return;
  offset += 4 + sizeof "Value" + 4; /* the name, the signature "ay" */
  offset = align (offset, 4);
  if (relay_decode (self->options.input, message->body + offset + 4,
                    get_u32 (message->body + offset), &self->last[chip], &sample))
    publish (self, chip, &sample);
}

/* Handles all whole messages; returns how many were replies. */
static guint
take_messages (Relay *self)
{
  gsize done = 0;
  gsize size;
  guint replies = 0;
  Message message;

  while ((size = parse (self->in + done, self->in_size - done, &message)) > 0)
    {
      if (message.type == TYPE_ERROR)
        fail ("a call failed");
      if (message.type == TYPE_SIGNAL)
        take_signal (self, &message);
      replies += message.type == TYPE_RETURN;
      done += size;
    }
  memmove (self->in, self->in + done, self->in_size - done);
  self->in_size -= done;
  return replies;
}

/* --- beginning ------------------------------------------------------------------------------- */

static void
wait_reply (Relay *self)
{
  flush (self);
  do
    read_more (self);
  while (take_messages (self) == 0);
}

static void
call_bus (Relay *self, const char *method, const char *text, gboolean with_flags)
{
  GByteArray *message
      = message_new (TYPE_CALL, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                     "org.freedesktop.DBus", method, with_flags ? "su" : text != NULL ? "s" : NULL);
  gsize body = message->len;

  if (text != NULL)
    put_text (message, text);
  if (with_flags)
    put_u32 (message, 0);
  queue (self, message, body);
  g_byte_array_unref (message);
  wait_reply (self);
}

static void
connect_to_bus (Relay *self)
{
  const char *address = g_getenv ("DBUS_SYSTEM_BUS_ADDRESS");
  struct sockaddr_un socket_address = { .sun_family = AF_UNIX };
  g_autofree char *uid = g_strdup_printf ("%u", (guint) getuid ());
  g_autoptr (GString) hello = g_string_new ("AUTH EXTERNAL ");
  char answer[256];

  if (address == NULL || !g_str_has_prefix (address, "unix:path="))
    fail ("DBUS_SYSTEM_BUS_ADDRESS is not unix:path=…");
  g_strlcpy (socket_address.sun_path, address + strlen ("unix:path="),
             sizeof socket_address.sun_path);
  self->fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect (self->fd, (struct sockaddr *) &socket_address, sizeof socket_address) < 0)
    fail ("cannot connect");
  for (const char *p = uid; *p != '\0'; p++)
    g_string_append_printf (hello, "%02x", (guint) *p);
  g_string_append (hello, "\r\n");
  if (write (self->fd, "", 1) != 1
      || write (self->fd, hello->str, hello->len) != (ssize_t) hello->len
      || read (self->fd, answer, sizeof answer) < 3 || !g_str_has_prefix (answer, "OK ")
      || write (self->fd, "BEGIN\r\n", 7) != 7)
    fail ("cannot authenticate");
  call_bus (self, "Hello", NULL, FALSE);
}

static void
subscribe (Relay *self, guint chip)
{
  char path[RELAY_PATH_SIZE];
  static const guint8 empty[16];
  GByteArray *message;

  relay_chip_path (chip, path);
  self->prints[chip]
      = message_new (TYPE_SIGNAL, NULL, path, RELAY_CHIP_INTERFACE,
                     relay_signal_name (self->options.input),
                     self->options.input == RELAY_STEPS ? "uut" : "qqt");
  g_byte_array_append (self->prints[chip], empty, sizeof empty);

  relay_characteristic_path (chip, self->options.input, path);
  message = message_new (TYPE_CALL, "org.bluez", path, RELAY_CHARACTERISTIC_INTERFACE,
                         "StartNotify", NULL);
  queue (self, message, message->len);
  g_byte_array_unref (message);
  wait_reply (self);
}

int
main (int argc, char **argv)
{
  Relay *self = g_new0 (Relay, 1);

  self->options = relay_parse_options (argc, argv, "The barest relay: D-Bus by hand.");
  if (self->options.acquire || self->options.both)
    fail ("an option that it has not");
  self->last = g_new0 (guint32, self->options.chips);
  self->prints = g_new0 (GByteArray *, self->options.chips);
  connect_to_bus (self);
  call_bus (self, "AddMatch",
            "type='signal',sender='org.bluez',interface='org.freedesktop.DBus.Properties',"
            "arg0='" RELAY_CHARACTERISTIC_INTERFACE "'",
            FALSE);
  call_bus (self, "RequestName", RELAY_NAME, TRUE);
  for (guint chip = 0; chip < self->options.chips; chip++)
    subscribe (self, chip);
  for (;;)
    {
      flush (self);
      read_more (self);
      take_messages (self);
    }
}
