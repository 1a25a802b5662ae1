/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gatt-private.h"

#include "bluez-dbus.h"

struct _GattCharacteristic
{
  GattService *service;
  char *uuid;
  char *path;
  guint properties;
  guint registration;
  GBytes *value;
  GBytes *answered; /* to the last read: later parts of a long read come from it */
  gboolean subscribed;
  guint events;
  guint trigger;
  GattCharacteristicHandler handler;
  gpointer argument;
  /* Only while a handler runs: */
  GDBusMethodInvocation *reading; /* NULL: it was deferred, or the event is no read */
  gsize reading_offset;
  gboolean in_handler;
  GError *refusal;
};

struct _GattRead
{
  GattCharacteristic *characteristic;
  GDBusMethodInvocation *invocation;
  gsize offset;
};

static const struct
{
  GattProperty property;
  const char *flag;
} property_flags[] = {
  { GATT_PROPERTY_BROADCAST, "broadcast" },
  { GATT_PROPERTY_READ, "read" },
  { GATT_PROPERTY_WRITE_WITHOUT_RESPONSE, "write-without-response" },
  { GATT_PROPERTY_WRITE, "write" },
  { GATT_PROPERTY_NOTIFY, "notify" },
  { GATT_PROPERTY_INDICATE, "indicate" },
};

/* --- Events ----------------------------------------------------------------------------------- */

/* Returns: (transfer full) (nullable): what the handler returned */
static GBytes *
emit (GattCharacteristic *self, guint event)
{
  GBytes *answer = NULL;

  self->events |= event;
  if (self->handler != NULL && (self->trigger & event) != 0)
    {
      self->in_handler = TRUE;
      answer = self->handler (self->argument != NULL ? self->argument : self);
      self->in_handler = FALSE;
    }
  return answer;
}

static void
emit_without_answer (GattCharacteristic *self, guint event)
{
  GBytes *answer = emit (self, event);

  g_clear_pointer (&answer, g_bytes_unref);
}

static void
set_subscribed (GattCharacteristic *self, gboolean subscribed)
{
  if (self->subscribed == subscribed)
    return;
  self->subscribed = subscribed;
  emit_without_answer (self,
                       subscribed ? GATT_CHAR_SUBSCRIBE_EVENT : GATT_CHAR_UNSUBSCRIBE_EVENT);
}

/* --- Requests of bluetoothd ------------------------------------------------------------------- */

static gsize
get_offset (GVariant *options)
{
  guint16 offset = 0;

  g_variant_lookup (options, "offset", "q", &offset);
  return offset;
}

static void
note_client (GattCharacteristic *self, GVariant *options)
{
  const char *device;

  if (g_variant_lookup (options, "device", "&o", &device))
    gatt_bluez_note_connected (self->service->server->bluez, device);
}

static void
answer_read (GattCharacteristic *self, GDBusMethodInvocation *invocation, GBytes *value,
             gsize offset)
{
  gsize size = g_bytes_get_size (value);
  g_autoptr (GBytes) rest = NULL;

  if (self->answered != value)
    {
      g_clear_pointer (&self->answered, g_bytes_unref);
      self->answered = g_bytes_ref (value);
    }
  if (offset > size)
    {
      g_dbus_method_invocation_return_error (invocation, GATT_ERROR, GATT_ERROR_INVALID_OFFSET,
                                             "the value has only %" G_GSIZE_FORMAT " bytes", size);
      return;
    }
  rest = g_bytes_new_from_bytes (value, offset, size - offset);
  g_dbus_method_invocation_return_value (invocation,
                                         g_variant_new ("(@ay)", gatt_value_to_variant (rest)));
}

static void
method_read_value (GattCharacteristic *self, GVariant *parameters,
                   GDBusMethodInvocation *invocation)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (parameters, 0);
  gsize offset = get_offset (options);
  g_autoptr (GBytes) answer = NULL;

  note_client (self, options);
  if ((self->properties & GATT_PROPERTY_READ) == 0)
    {
      g_dbus_method_invocation_return_error_literal (invocation, GATT_ERROR,
                                                     GATT_ERROR_NOT_PERMITTED, "not readable");
      return;
    }
  /* The next part of a value that does not fit one packet is no read of its own. */
  if (offset > 0 && self->answered != NULL)
    {
      answer_read (self, invocation, self->answered, offset);
      return;
    }
  self->reading = invocation;
  self->reading_offset = offset;
  answer = emit (self, GATT_CHAR_READ_EVENT);
  invocation = g_steal_pointer (&self->reading);
  if (invocation == NULL)
    return;
  if (self->refusal != NULL)
    g_dbus_method_invocation_take_error (invocation, g_steal_pointer (&self->refusal));
  else
    answer_read (self, invocation, answer != NULL ? answer : self->value, offset);
}

static void
method_write_value (GattCharacteristic *self, GVariant *parameters,
                    GDBusMethodInvocation *invocation)
{
  g_autoptr (GVariant) array = g_variant_get_child_value (parameters, 0);
  g_autoptr (GVariant) options = g_variant_get_child_value (parameters, 1);
  g_autoptr (GBytes) part = gatt_value_from_variant (array);
  g_autoptr (GBytes) before = g_bytes_ref (self->value);
  g_autoptr (GBytes) written = gatt_value_splice (before, get_offset (options), part);

  note_client (self, options);
  if ((self->properties & (GATT_PROPERTY_WRITE | GATT_PROPERTY_WRITE_WITHOUT_RESPONSE)) == 0)
    {
      g_dbus_method_invocation_return_error_literal (invocation, GATT_ERROR,
                                                     GATT_ERROR_NOT_PERMITTED, "not writable");
      return;
    }
  if (written == NULL)
    {
      g_dbus_method_invocation_return_error_literal (invocation, GATT_ERROR,
                                                     GATT_ERROR_INVALID_OFFSET,
                                                     "offset or length is too large");
      return;
    }
  g_bytes_unref (self->value);
  self->value = g_steal_pointer (&written);
  emit_without_answer (self, GATT_CHAR_WRITE_EVENT);
  if (self->refusal != NULL)
    {
      g_bytes_unref (self->value);
      self->value = g_steal_pointer (&before);
      g_dbus_method_invocation_take_error (invocation, g_steal_pointer (&self->refusal));
      return;
    }
  g_dbus_method_invocation_return_value (invocation, NULL);
}

static void
method_start_notify (GattCharacteristic *self, GVariant *parameters,
                     GDBusMethodInvocation *invocation)
{
  if ((self->properties & (GATT_PROPERTY_NOTIFY | GATT_PROPERTY_INDICATE)) == 0)
    {
      g_dbus_method_invocation_return_error_literal (
          invocation, GATT_ERROR, GATT_ERROR_NOT_SUPPORTED, "neither notifies nor indicates");
      return;
    }
  /* First the reply: the client must know that it listens before the first notification. */
  g_dbus_method_invocation_return_value (invocation, NULL);
  set_subscribed (self, TRUE);
}

static void
method_stop_notify (GattCharacteristic *self, GVariant *parameters,
                    GDBusMethodInvocation *invocation)
{
  g_dbus_method_invocation_return_value (invocation, NULL);
  set_subscribed (self, FALSE);
}

static void
method_confirm (GattCharacteristic *self, GVariant *parameters, GDBusMethodInvocation *invocation)
{
  g_dbus_method_invocation_return_value (invocation, NULL);
}

static void
on_method_call (GDBusConnection *connection, const char *sender, const char *path,
                const char *interface, const char *method, GVariant *parameters,
                GDBusMethodInvocation *invocation, gpointer user_data)
{
  static const struct
  {
    const char *name;
    void (*call) (GattCharacteristic *self, GVariant *parameters,
                  GDBusMethodInvocation *invocation);
  } methods[] = {
    { "ReadValue", method_read_value },     { "WriteValue", method_write_value },
    { "StartNotify", method_start_notify }, { "StopNotify", method_stop_notify },
    { "Confirm", method_confirm },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (methods); i++)
    if (g_str_equal (method, methods[i].name))
      {
        methods[i].call (user_data, parameters, invocation);
        return;
      }
  g_dbus_method_invocation_return_error (invocation, GATT_ERROR, GATT_ERROR_NOT_SUPPORTED,
                                         "%s is not supported", method);
}

/* Returns: (transfer floating) (nullable): NULL for what a server does not have. BlueZ takes the
 * mere presence of some properties (NotifyAcquired, WriteAcquired) for a promise. */
static GVariant *
describe_property (GattCharacteristic *self, const char *property)
{
  GVariantBuilder flags;

  if (g_str_equal (property, "UUID"))
    return g_variant_new_string (self->uuid);
  if (g_str_equal (property, "Service"))
    return g_variant_new_object_path (self->service->path);
  if (g_str_equal (property, "Value"))
    return gatt_value_to_variant (self->value);
  if (g_str_equal (property, "Notifying"))
    return g_variant_new_boolean (self->subscribed);
  if (!g_str_equal (property, "Flags"))
    return NULL;
  g_variant_builder_init (&flags, G_VARIANT_TYPE_STRING_ARRAY);
  for (gsize i = 0; i < G_N_ELEMENTS (property_flags); i++)
    if ((self->properties & property_flags[i].property) != 0)
      g_variant_builder_add (&flags, "s", property_flags[i].flag);
  return g_variant_builder_end (&flags);
}

static GVariant *
on_get_property (GDBusConnection *connection, const char *sender, const char *path,
                 const char *interface, const char *property, GError **error, gpointer user_data)
{
  GVariant *value = describe_property (user_data, property);

  if (value == NULL)
    g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_PROPERTY,
                 "a server's characteristic has no property %s", property);
  return value;
}

static const GDBusInterfaceVTable vtable = { on_method_call, on_get_property, NULL, { 0 } };

/* Adds path and properties as bluetoothd's GetManagedObjects wants them. */
void
gatt_characteristic_describe (GattCharacteristic *self, GVariantBuilder *objects)
{
  static const char *const names[] = { "UUID", "Service", "Value", "Flags" };
  GVariantBuilder interfaces;
  GVariantBuilder properties;

  g_variant_builder_init (&properties, G_VARIANT_TYPE_VARDICT);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    g_variant_builder_add (&properties, "{sv}", names[i], describe_property (self, names[i]));
  g_variant_builder_init (&interfaces, G_VARIANT_TYPE ("a{sa{sv}}"));
  g_variant_builder_add (&interfaces, "{sa{sv}}", GATT_CHARACTERISTIC_INTERFACE, &properties);
  g_variant_builder_add (objects, "{oa{sa{sv}}}", self->path, &interfaces);
}

/* --- Lifetime --------------------------------------------------------------------------------- */

/* Use gatt_service_add_characteristic(). */
GattCharacteristic *
gatt_characteristic_new (GattService *service, guint index, const char *uuid, guint properties,
                         GBytes *value, GError **error)
{
  g_autofree char *full_uuid = gatt_uuid_normalize (uuid, error);
  GattCharacteristic *self;

  if (full_uuid == NULL)
    return NULL;
  if (value != NULL && g_bytes_get_size (value) > GATT_VALUE_MAX_SIZE)
    {
      g_set_error (error, GATT_ERROR, GATT_ERROR_INVALID_VALUE_LENGTH,
                   "a value has at most %d bytes", GATT_VALUE_MAX_SIZE);
      return NULL;
    }
  self = g_new0 (GattCharacteristic, 1);
  self->service = service;
  self->uuid = g_steal_pointer (&full_uuid);
  self->path = g_strdup_printf ("%s/char%u", service->path, index);
  self->properties = properties;
  self->value = value != NULL ? g_bytes_ref (value) : g_bytes_new (NULL, 0);
  self->registration = g_dbus_connection_register_object (
      service->server->connection, self->path, bluez_gatt_characteristic1_interface_info (),
      &vtable, self, NULL, error);
  if (self->registration == 0)
    {
      gatt_characteristic_free (self);
      return NULL;
    }
  return self;
}

void
gatt_characteristic_free (GattCharacteristic *self)
{
  if (self->registration != 0)
    g_dbus_connection_unregister_object (self->service->server->connection, self->registration);
  g_bytes_unref (self->value);
  g_clear_pointer (&self->answered, g_bytes_unref);
  g_clear_error (&self->refusal);
  g_free (self->uuid);
  g_free (self->path);
  g_free (self);
}

/* bluetoothd or the last client has gone, and nobody will say StopNotify. */
void
gatt_characteristic_forget_clients (GattCharacteristic *self)
{
  set_subscribed (self, FALSE);
}

/* --- API -------------------------------------------------------------------------------------- */

/* The stored value. Returns: (transfer none): until the next set or write */
GBytes *
gatt_characteristic_get_value (GattCharacteristic *self)
{
  return self->value;
}

/* Sends @value (at most GATT_VALUE_MAX_SIZE bytes) to all subscribers and leaves the stored value
 * alone. Every call is one notification, equal ones too, in the order of the calls. Without
 * subscribers nothing happens. */
void
gatt_characteristic_notify (GattCharacteristic *self, GBytes *value)
{
  GVariantBuilder changed;

  if (!self->subscribed)
    return;
  g_variant_builder_init (&changed, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&changed, "{sv}", "Value", gatt_value_to_variant (value));
  /* Our own emission: what GDBus's skeletons do would merge the changes of one turn of the loop
   * into the last one and send nothing for an equal value. It fails only when the connection is
   * closed. */
  g_dbus_connection_emit_signal (self->service->server->connection, NULL, self->path,
                                 "org.freedesktop.DBus.Properties", "PropertiesChanged",
                                 g_variant_new ("(sa{sv}as)", GATT_CHARACTERISTIC_INTERFACE,
                                                &changed, NULL),
                                 NULL);
}

/* Stores @value (at most GATT_VALUE_MAX_SIZE bytes) and notifies the subscribers. */
void
gatt_characteristic_set_value (GattCharacteristic *self, GBytes *value)
{
  g_return_if_fail (g_bytes_get_size (value) <= GATT_VALUE_MAX_SIZE);

  g_bytes_ref (value);
  g_bytes_unref (self->value);
  self->value = value;
  gatt_characteristic_notify (self, value);
}

/* As gatt_characteristic_set_value(), with the bytes of gatt_value_from_integer(). */
void
gatt_characteristic_set_integer (GattCharacteristic *self, guint32 value)
{
  g_autoptr (GBytes) bytes = gatt_value_from_integer (value);

  gatt_characteristic_set_value (self, bytes);
}

/* As gatt_characteristic_set_value(), with the bytes of @value without the ending NUL. */
void
gatt_characteristic_set_string (GattCharacteristic *self, const char *value)
{
  g_autoptr (GBytes) bytes = gatt_value_from_string (value);

  gatt_characteristic_set_value (self, bytes);
}

/* Has @handler called from now on for the events of the set @trigger. There is one handler; NULL or
 * an empty set means none.
 * @argument: (nullable): passed to @handler; NULL: the characteristic itself */
void
gatt_characteristic_set_callback (GattCharacteristic *self, guint trigger,
                                  GattCharacteristicHandler handler, gpointer argument)
{
  self->trigger = trigger;
  self->handler = handler;
  self->argument = argument;
}

/* The set of GattEvent of this characteristic since the last call. */
guint
gatt_characteristic_events (GattCharacteristic *self)
{
  guint events = self->events;

  self->events = 0;
  return events;
}

/* The full UUID in lower case. */
const char *
gatt_characteristic_get_uuid (GattCharacteristic *self)
{
  return self->uuid;
}

/* Whether a client wants notifications now. */
gboolean
gatt_characteristic_is_subscribed (GattCharacteristic *self)
{
  return self->subscribed;
}

/* Only inside a handler of a read or write: refuses it with an error. The stored value then stays
 * as it was before the write. */
void
gatt_characteristic_refuse (GattCharacteristic *self, GattError code, const char *message)
{
  g_return_if_fail (self->in_handler);

  g_clear_error (&self->refusal);
  self->refusal = g_error_new_literal (GATT_ERROR, (int) code, message);
}

/* Only inside the handler of a read: takes the read over, to be answered later; what the handler
 * returns is then dropped. Every GattRead must be ended, before its server is freed, by
 * gatt_read_answer() or gatt_read_fail(). */
GattRead *
gatt_characteristic_defer_read (GattCharacteristic *self)
{
  GattRead *read;

  g_return_val_if_fail (self->in_handler && self->reading != NULL, NULL);

  read = g_new0 (GattRead, 1);
  read->characteristic = self;
  read->invocation = g_steal_pointer (&self->reading);
  read->offset = self->reading_offset;
  return read;
}

/* Answers a deferred read and ends it.
 * @value: (nullable): NULL: the value stored now */
void
gatt_read_answer (GattRead *self, GBytes *value)
{
  answer_read (self->characteristic, self->invocation,
               value != NULL ? value : self->characteristic->value, self->offset);
  g_free (self);
}

/* Answers a deferred read with an error and ends it. */
void
gatt_read_fail (GattRead *self, GattError code, const char *message)
{
  g_dbus_method_invocation_return_error_literal (self->invocation, GATT_ERROR, (int) code, message);
  g_free (self);
}
