/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "vb-gatt-client.h"
#include <stdlib.h>
#include <string.h>

#define CCC_UUID "00002902-0000-1000-8000-00805f9b34fb"
#define MAX_VALUE 512             /* bytes, of any attribute */
#define TRANSACTION_TIMEOUT 30000 /* ms; ATT closes the link after it */

/* ATT error codes, Bluetooth Core Specification, volume 3, part F, 3.4.1.1. */
enum
{
  ATT_READ_NOT_PERMITTED = 0x02,
  ATT_WRITE_NOT_PERMITTED = 0x03,
  ATT_REQUEST_NOT_SUPPORTED = 0x06,
  ATT_INVALID_OFFSET = 0x07,
  ATT_AUTHORIZATION = 0x08,
  ATT_INVALID_LENGTH = 0x0d,
  ATT_UNLIKELY = 0x0e,
  ATT_APPLICATION = 0x80,
  ATT_APPLICATION_LAST = 0x9f,
  ATT_ALREADY_IN_PROGRESS = 0xfe,
};

/* A request to the peer, and those who wait for its answer. */
typedef struct
{
  VbLink *link;
  VbBus *bus;
  gpointer skeleton; /* of the attribute, for its Value */
  gpointer *slot;    /* where the attribute keeps this operation */
  gboolean write;
  guint16 offset;
  GPtrArray *calls; /* GDBusMethodInvocation */
  GCancellable *cancellable;
} Operation;

static void
return_att_error (VbBus *bus, GDBusMethodInvocation *call, guint8 code)
{
  switch (code)
    {
    case ATT_READ_NOT_PERMITTED:
      vb_bus_return_error (bus, call, "NotPermitted", "Read not permitted");
      break;
    case ATT_WRITE_NOT_PERMITTED:
      vb_bus_return_error (bus, call, "NotPermitted", "Write not permitted");
      break;
    case ATT_INVALID_OFFSET:
      vb_bus_return_error (bus, call, "InvalidArguments", "Invalid offset");
      break;
    case ATT_INVALID_LENGTH:
      vb_bus_return_error (bus, call, "InvalidArguments", "Invalid Length");
      break;
    case ATT_AUTHORIZATION:
      vb_bus_return_error (bus, call, "NotAuthorized", "Operation Not Authorized");
      break;
    case ATT_REQUEST_NOT_SUPPORTED:
      vb_bus_return_error (bus, call, "NotSupported", "Operation is not supported");
      break;
    default:
      vb_bus_return_error (bus, call, "Failed", "Operation failed with ATT error: 0x%02x", code);
    }
}

/* How the peer's bluetoothd turns an application's error into an ATT error. */
static guint8
att_code_of (GError *error, gboolean write)
{
  g_autofree char *name = g_dbus_error_get_remote_error (error);

  if (name == NULL || !g_str_has_prefix (name, "org.bluez.Error."))
    return ATT_UNLIKELY;
  g_dbus_error_strip_remote_error (error);

  const char *kind = name + strlen ("org.bluez.Error.");
  if (g_str_equal (kind, "Failed"))
    {
      char *end;
      long code = strtol (error->message, &end, 0);

      if (*end != '\0')
        return ATT_APPLICATION;
      return code < ATT_APPLICATION || code > ATT_APPLICATION_LAST ? ATT_UNLIKELY : (guint8)code;
    }
  if (g_str_equal (kind, "NotSupported"))
    return ATT_REQUEST_NOT_SUPPORTED;
  if (g_str_equal (kind, "NotAuthorized"))
    return ATT_AUTHORIZATION;
  if (g_str_equal (kind, "InvalidValueLength"))
    return ATT_INVALID_LENGTH;
  if (g_str_equal (kind, "InvalidOffset"))
    return ATT_INVALID_OFFSET;
  if (g_str_equal (kind, "InProgress"))
    return ATT_ALREADY_IN_PROGRESS;
  if (g_str_equal (kind, "NotPermitted"))
    return write ? ATT_WRITE_NOT_PERMITTED : ATT_READ_NOT_PERMITTED;
  return ATT_UNLIKELY;
}

/* --- life of an operation --- */

static Operation *
operation_new (VbLink *link,
               VbBus *bus,
               gpointer skeleton,
               gpointer *slot,
               gboolean write,
               guint16 offset,
               GDBusMethodInvocation *call)
{
  Operation *self = g_new0 (Operation, 1);

  self->link = link;
  self->bus = bus;
  self->skeleton = skeleton;
  self->slot = slot;
  self->write = write;
  self->offset = offset;
  self->calls = g_ptr_array_new ();
  self->cancellable = g_cancellable_new ();
  g_ptr_array_add (self->calls, call);
  *slot = self;
  g_queue_push_tail (&link->operations, self);
  return self;
}

/* Takes the operation off its attribute and its link; the callers still wait. */
static void
operation_detach (Operation *self)
{
  if (self->slot == NULL)
    return;
  *self->slot = NULL;
  self->slot = NULL;
  g_queue_remove (&self->link->operations, self);
  self->link = NULL;
}

static void
operation_free (Operation *self)
{
  operation_detach (self);
  g_ptr_array_unref (self->calls);
  g_object_unref (self->cancellable);
  g_free (self);
}

static void
set_value (Operation *self, GVariant *value)
{
  vb_interface_set_muted (self->skeleton, TRUE);
  g_object_set (self->skeleton, "value", value, NULL);
  vb_interface_set_muted (self->skeleton, FALSE);
  vb_interface_changed (self->skeleton, "Value");
}

/* Answers all callers: with an error, or with `value` for a read. */
static void
operation_answer (Operation *self, guint8 att_code, GVariant *value)
{
  g_autoptr (GVariant) kept = value != NULL ? g_variant_ref_sink (value) : NULL;

  if (att_code == 0 && !self->write)
    set_value (self, kept);
  operation_detach (self);
  for (guint i = 0; i < self->calls->len; i++)
    {
      GDBusMethodInvocation *call = self->calls->pdata[i];

      if (att_code != 0)
        return_att_error (self->bus, call, att_code);
      else if (self->write)
        vb_bus_return (self->bus, call, NULL);
      else
        vb_bus_return (self->bus, call, g_variant_new ("(@ay)", kept));
    }
  g_ptr_array_set_size (self->calls, 0);
}

/*
 * The link or the attribute goes while an operation is under way. bluetoothd 5.66 then reports ATT
 * error 0, which its D-Bus side takes for success: a read returns no bytes, a write looks done.
 */
void
vb_operation_cancel (gpointer operation)
{
  Operation *self = operation;

  if (self == NULL)
    return;
  for (guint i = 0; i < self->calls->len; i++)
    vb_bus_return (
        self->bus, self->calls->pdata[i],
        self->write ? NULL
                    : g_variant_new ("(@ay)", g_variant_new_array (G_VARIANT_TYPE_BYTE, NULL, 0)));
  g_ptr_array_set_size (self->calls, 0);
  operation_detach (self);
  g_cancellable_cancel (self->cancellable); /* its end frees the operation */
}

void
vb_operation_cancel_all (VbLink *link)
{
  Operation *operation;

  while ((operation = g_queue_peek_head (&link->operations)) != NULL)
    vb_operation_cancel (operation);
}

/* --- calls to the application --- */

static GVariant *
cut (GVariant *value, gsize limit)
{
  gsize size;
  const guint8 *bytes = g_variant_get_fixed_array (value, &size, 1);

  return g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bytes, MIN (size, limit), 1);
}

static void
application_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Operation *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  if (g_cancellable_is_cancelled (self->cancellable))
    {
      operation_free (self);
      return;
    }
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    {
      vb_link_drop (self->link);
      operation_free (self);
      return;
    }
  if (reply == NULL)
    operation_answer (self, att_code_of (error, self->write), NULL);
  else if (self->write)
    operation_answer (self, g_variant_n_children (reply) == 0 ? 0 : ATT_REQUEST_NOT_SUPPORTED,
                      NULL);
  else if (!g_variant_is_of_type (reply, G_VARIANT_TYPE ("(ay)")))
    operation_answer (self, ATT_REQUEST_NOT_SUPPORTED, NULL);
  else
    {
      g_autoptr (GVariant) value = g_variant_get_child_value (reply, 0);
      operation_answer (self, 0, cut (value, MAX_VALUE));
    }
  operation_free (self);
}

static GVariant *
application_options (VbLink *link, guint16 offset)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "device", "o", vb_device_get_path (link->peripheral));
  if (offset != 0)
    g_variant_dict_insert (&dict, "offset", "q", offset);
  g_variant_dict_insert (&dict, "link", "s", "LE");
  g_variant_dict_insert (&dict, "mtu", "q", VB_MTU);
  return g_variant_dict_end (&dict);
}

/* `interface` is of the attribute, `value` NULL for a read. */
static void
call_application (
    Operation *self, const char *owner, const char *path, const char *interface, GVariant *value)
{
  GVariant *options = application_options (self->link, self->offset);

  g_dbus_connection_call (vb_bus_get_connection (self->bus), owner, path, interface,
                          value != NULL ? "WriteValue" : "ReadValue",
                          value != NULL ? g_variant_new ("(@ay@a{sv})", value, options)
                                        : g_variant_new ("(@a{sv})", options),
                          NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, TRANSACTION_TIMEOUT,
                          self->cancellable, application_done, self);
}

static void
read_own (Operation *self, GBytes *bytes)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  if (self->offset > size)
    operation_answer (self, ATT_INVALID_OFFSET, NULL);
  else
    operation_answer (self, 0,
                      g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, data + self->offset,
                                                 size - self->offset, 1));
  operation_free (self);
}

static void
fail (Operation *self, guint8 att_code)
{
  operation_answer (self, att_code, NULL);
  operation_free (self);
}

/* --- methods --- */

static gboolean
parse_options (GVariant *options, guint16 *offset, const char **type)
{
  g_autoptr (GVariant) given_offset = g_variant_lookup_value (options, "offset", NULL);
  g_autoptr (GVariant) given_type = g_variant_lookup_value (options, "type", NULL);

  *offset = 0;
  *type = NULL;
  if (given_offset != NULL)
    {
      if (!g_variant_is_of_type (given_offset, G_VARIANT_TYPE_UINT16))
        return FALSE;
      *offset = g_variant_get_uint16 (given_offset);
    }
  if (given_type != NULL)
    {
      if (!g_variant_is_of_type (given_type, G_VARIANT_TYPE_STRING))
        return FALSE;
      g_variant_lookup (options, "type", "&s", type);
    }
  return TRUE;
}

/* Whether the call may join the read that is under way; answers it when it may not. */
static gboolean
join_read (Operation *reading, VbBus *bus, GDBusMethodInvocation *call, guint16 offset)
{
  if (reading == NULL)
    return FALSE;
  if (reading->offset == offset)
    g_ptr_array_add (reading->calls, call);
  else
    vb_bus_return_error (bus, call, "InProgress", "In Progress");
  return TRUE;
}

static void
invalid_arguments (VbBus *bus, GDBusMethodInvocation *call)
{
  vb_bus_return_error (bus, call, "InvalidArguments", "Invalid arguments in method call");
}

gboolean
vb_operation_read (VbRemoteCharacteristic *self, GDBusMethodInvocation *call, GVariant *options)
{
  VbBus *bus = vb_remote_characteristic_get_bus (self);
  VbLocalCharacteristic *local = self->local;
  const char *type;
  guint16 offset;

  if (local == NULL)
    vb_bus_return_error (bus, call, "Failed", "Not connected");
  else if (!parse_options (options, &offset, &type))
    invalid_arguments (bus, call);
  else if (!join_read (self->reading, bus, call, offset))
    {
      Operation *operation = operation_new (self->service->device->link, bus, self->skeleton,
                                            &self->reading, FALSE, offset, call);

      if (!vb_flags_allow ((const char *const *)local->flags, "read"))
        fail (operation, ATT_READ_NOT_PERMITTED);
      else if (local->owner == NULL)
        read_own (operation, local->value);
      else
        call_application (operation, local->owner, local->path, "org.bluez.GattCharacteristic1",
                          NULL);
    }
  return TRUE;
}

/* Sends a write command: no answer, no error. */
void
vb_operation_send_command (VbRemoteCharacteristic *self, GVariant *value)
{
  VbLocalCharacteristic *local = self->local;

  if (local == NULL || local->owner == NULL
      || !(vb_flags_allow ((const char *const *)local->flags, "write")
           || vb_flags_allow ((const char *const *)local->flags, "write-without-response")))
    return;
  g_dbus_connection_call (vb_bus_get_connection (vb_remote_characteristic_get_bus (self)),
                          local->owner, local->path, "org.bluez.GattCharacteristic1", "WriteValue",
                          g_variant_new ("(@ay@a{sv})", cut (value, VB_MTU - 3),
                                         application_options (self->service->device->link, 0)),
                          NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, NULL, NULL);
}

static void
write_request (VbRemoteCharacteristic *self,
               GDBusMethodInvocation *call,
               GVariant *value,
               guint16 offset)
{
  VbLocalCharacteristic *local = self->local;
  Operation *operation
      = operation_new (self->service->device->link, vb_remote_characteristic_get_bus (self),
                       self->skeleton, &self->writing, TRUE, offset, call);

  if (!vb_flags_allow ((const char *const *)local->flags, "write")
      && !vb_flags_allow ((const char *const *)local->flags, "write-without-response"))
    fail (operation, ATT_WRITE_NOT_PERMITTED);
  else if (g_variant_n_children (value) + offset > MAX_VALUE)
    fail (operation, ATT_INVALID_LENGTH);
  else if (local->owner == NULL)
    fail (operation, 0);
  else
    call_application (operation, local->owner, local->path, "org.bluez.GattCharacteristic1", value);
}

gboolean
vb_operation_write (VbRemoteCharacteristic *self,
                    GDBusMethodInvocation *call,
                    GVariant *value,
                    GVariant *options)
{
  const char *const *flags = (const char *const *)self->flags;
  VbBus *bus = vb_remote_characteristic_get_bus (self);
  const char *type;
  guint16 offset;

  if (self->local == NULL)
    vb_bus_return_error (bus, call, "Failed", "Not connected");
  else if (self->write_fd >= 0)
    vb_bus_return_error (bus, call, "NotPermitted", "Write acquired");
  else if (self->writing != NULL)
    vb_bus_return_error (bus, call, "InProgress", "In Progress");
  else if (!parse_options (options, &offset, &type))
    invalid_arguments (bus, call);
  else if (type == NULL ? g_strv_contains (flags, "write")
                        : g_ascii_strcasecmp (type, "request") == 0
                              || g_ascii_strcasecmp (type, "reliable") == 0)
    write_request (self, call, value, offset);
  else if ((type != NULL && g_ascii_strcasecmp (type, "command") != 0) || offset != 0
           || (type == NULL && !g_strv_contains (flags, "write-without-response")))
    vb_bus_return_error (bus, call, "NotSupported", "Operation is not supported");
  else
    {
      vb_operation_send_command (self, value);
      vb_bus_return (bus, call, NULL);
    }
  return TRUE;
}

gboolean
vb_operation_read_descriptor (VbRemoteDescriptor *self,
                              GDBusMethodInvocation *call,
                              GVariant *options)
{
  VbBus *bus = vb_remote_characteristic_get_bus (self->characteristic);
  VbLocalDescriptor *local = self->local;
  const char *type;
  guint16 offset;

  if (local == NULL)
    vb_bus_return_error (bus, call, "Failed", "Not connected");
  else if (!parse_options (options, &offset, &type))
    invalid_arguments (bus, call);
  else if (!join_read (self->reading, bus, call, offset))
    {
      Operation *operation = operation_new (self->characteristic->service->device->link, bus,
                                            self->skeleton, &self->reading, FALSE, offset, call);
      guint8 ccc[2] = { self->characteristic->subscribed, 0 };

      if (g_str_equal (local->uuid, CCC_UUID))
        {
          g_autoptr (GBytes) bytes = g_bytes_new (ccc, sizeof ccc);
          read_own (operation, bytes);
        }
      else if (local->path == NULL)
        read_own (operation, local->value);
      else if (!vb_flags_allow ((const char *const *)local->flags, "read"))
        fail (operation, ATT_READ_NOT_PERMITTED);
      else
        call_application (operation, local->characteristic->owner, local->path,
                          "org.bluez.GattDescriptor1", NULL);
    }
  return TRUE;
}

gboolean
vb_operation_write_descriptor (VbRemoteDescriptor *self,
                               GDBusMethodInvocation *call,
                               GVariant *value,
                               GVariant *options)
{
  VbBus *bus = vb_remote_characteristic_get_bus (self->characteristic);
  VbLocalDescriptor *local = self->local;
  const char *type;
  guint16 offset;

  if (local == NULL)
    vb_bus_return_error (bus, call, "Failed", "Not connected");
  else if (self->writing != NULL)
    vb_bus_return_error (bus, call, "InProgress", "In Progress");
  else if (!parse_options (options, &offset, &type))
    invalid_arguments (bus, call);
  else if (g_str_equal (local->uuid, CCC_UUID)) /* subscriptions are bluetoothd's business */
    vb_bus_return_error (bus, call, "NotPermitted", "Write not permitted");
  else
    {
      Operation *operation = operation_new (self->characteristic->service->device->link, bus,
                                            self->skeleton, &self->writing, TRUE, offset, call);

      if (local->path == NULL || !vb_flags_allow ((const char *const *)local->flags, "write"))
        fail (operation, ATT_WRITE_NOT_PERMITTED);
      else
        call_application (operation, local->characteristic->owner, local->path,
                          "org.bluez.GattDescriptor1", value);
    }
  return TRUE;
}
