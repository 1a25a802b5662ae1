/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "vb-bus-private.h"
#include <string.h>

static const char object_manager_xml[]
    = "<node><interface name='org.freedesktop.DBus.ObjectManager'>"
      "<method name='GetManagedObjects'>"
      "<arg name='objects' type='a{oa{sa{sv}}}' direction='out'/></method>"
      "<signal name='InterfacesAdded'><arg name='object' type='o'/>"
      "<arg name='interfaces' type='a{sa{sv}}'/></signal>"
      "<signal name='InterfacesRemoved'><arg name='object' type='o'/>"
      "<arg name='interfaces' type='as'/></signal>"
      "</interface></node>";

/* Sends all property changes that wait. */
void
vb_bus_flush (VbBus *self)
{
  VbInterface *interface;

  g_clear_handle_id (&self->flush_id, g_source_remove);
  while ((interface = g_queue_pop_head (&self->changed)) != NULL)
    vb_interface_send_changes (interface);
}

/* --- method calls --- */

/* Answers a call, after the property changes that came before. */
void
vb_bus_return (VbBus *self, GDBusMethodInvocation *invocation, GVariant *value)
{
  vb_bus_flush (self);
  g_dbus_method_invocation_return_value (invocation, value);
}

/* Answers a call with a D-Bus error; `name` is a full name, or the last word of one of
 * org.bluez.Error. */
void
vb_bus_return_error (
    VbBus *self, GDBusMethodInvocation *invocation, const char *name, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *message = g_strdup_vprintf (format, args);
  va_end (args);
  g_autofree char *full
      = strchr (name, '.') != NULL ? g_strdup (name) : g_strconcat ("org.bluez.Error.", name, NULL);
  vb_bus_flush (self);
  g_dbus_method_invocation_return_dbus_error (invocation, full, message);
}

static void
handle_set (VbInterface *self, const char *name, GVariant *value, GDBusMethodInvocation *invocation)
{
  VbInterfaceClass *klass = vb_interface_class_of (self->skeleton);

  if (klass->set_property != NULL)
    klass->set_property (self->owner, name, value, invocation);
  else
    vb_bus_return_error (self->object->bus, invocation,
                         "org.freedesktop.DBus.Error.PropertyReadOnly",
                         "Property '%s' is not writable", name);
}

static void
handle_properties_call (VbInterface *self, GDBusMethodInvocation *invocation)
{
  const char *method = g_dbus_method_invocation_get_method_name (invocation);
  GVariant *parameters = g_dbus_method_invocation_get_parameters (invocation);
  VbBus *bus = self->object->bus;
  const char *name;

  if (g_str_equal (method, "GetAll"))
    {
      vb_bus_return (bus, invocation,
                     g_variant_new ("(@a{sv})", vb_interface_get_properties (self)));
      return;
    }
  g_variant_get_child (parameters, 1, "&s", &name);
  if (g_str_equal (method, "Get"))
    {
      g_autoptr (GVariant) value = vb_interface_get_property (self, name);
      if (value != NULL)
        vb_bus_return (bus, invocation, g_variant_new ("(v)", value));
      else
        vb_bus_return_error (bus, invocation, "org.freedesktop.DBus.Error.InvalidArgs",
                             "No such property '%s'", name);
      return;
    }
  g_autoptr (GVariant) value = NULL;
  g_variant_get_child (parameters, 2, "v", &value);
  handle_set (self, name, value, invocation);
}

static void
handle_get_managed_objects (VbBus *self, GDBusMethodInvocation *invocation)
{
  GVariantBuilder builder;
  g_autoptr (GList) paths
      = g_list_sort (g_hash_table_get_keys (self->objects), (GCompareFunc)strcmp);

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{oa{sa{sv}}}"));
  for (GList *l = paths; l != NULL; l = l->next)
    g_variant_builder_add (&builder, "{o@a{sa{sv}}}", l->data,
                           vb_object_get_interfaces (g_hash_table_lookup (self->objects, l->data)));
  vb_bus_return (self, invocation, g_variant_new ("(a{oa{sa{sv}}})", &builder));
}

static VbInterface *
find_interface (VbBus *self, GDBusMethodInvocation *invocation)
{
  VbObject *object
      = g_hash_table_lookup (self->objects, g_dbus_method_invocation_get_object_path (invocation));
  const char *name = g_dbus_method_invocation_get_interface_name (invocation);

  if (object == NULL)
    return NULL;
  if (g_str_equal (name, PROPERTIES_INTERFACE))
    g_variant_get_child (g_dbus_method_invocation_get_parameters (invocation), 0, "&s", &name);
  for (guint i = 0; i < object->interfaces->len; i++)
    if (g_str_equal (vb_interface_get_name (object->interfaces->pdata[i]), name))
      return object->interfaces->pdata[i];
  return NULL;
}

/* Lets the object of an invocation handle it, past the interceptor. The object may have gone since.
 */
void
vb_bus_dispatch (VbBus *self, GDBusMethodInvocation *invocation)
{
  const char *interface = g_dbus_method_invocation_get_interface_name (invocation);
  const char *method = g_dbus_method_invocation_get_method_name (invocation);

  if (g_str_equal (interface, "org.freedesktop.DBus.ObjectManager"))
    {
      handle_get_managed_objects (self, invocation);
      return;
    }

  VbInterface *found = find_interface (self, invocation);
  const char *path = g_dbus_method_invocation_get_object_path (invocation);
  if (found == NULL)
    vb_bus_return_error (
        self, invocation,
        vb_bus_has_object (self, path) ? "org.freedesktop.DBus.Error.UnknownMethod"
                                       : "org.freedesktop.DBus.Error.UnknownObject",
        "Method \"%s\" with signature \"%s\" on interface \"%s\" doesn't exist\n", method,
        g_variant_get_type_string (g_dbus_method_invocation_get_parameters (invocation)),
        interface);
  else if (g_str_equal (interface, PROPERTIES_INTERFACE))
    handle_properties_call (found, invocation);
  else
    vb_interface_class_of (found->skeleton)
        ->generated.method_call (self->connection, g_dbus_method_invocation_get_sender (invocation),
                                 found->object->path, interface, method,
                                 g_dbus_method_invocation_get_parameters (invocation), invocation,
                                 found->skeleton);
}

/* A method call has come in. */
void
vb_bus_handle_call (VbBus *self, GDBusMethodInvocation *invocation)
{
  if (self->interceptor == NULL || !self->interceptor (invocation, self->interceptor_data))
    vb_bus_dispatch (self, invocation);
}

static void
on_manager_call (GDBusConnection *connection,
                 const char *sender,
                 const char *path,
                 const char *interface,
                 const char *method,
                 GVariant *parameters,
                 GDBusMethodInvocation *invocation,
                 gpointer user_data)
{
  vb_bus_handle_call (user_data, invocation);
}

static const GDBusInterfaceVTable manager_vtable = { .method_call = on_manager_call };

/*
 * GDBus says UnknownMethod of objects that do not exist, bluetoothd's D-Bus library UnknownObject.
 * Runs in GDBus's thread, on outgoing messages.
 */
static GDBusMessage *
on_message (GDBusConnection *connection,
            GDBusMessage *message,
            gboolean incoming,
            gpointer user_data)
{
  const char *name = g_dbus_message_get_error_name (message);

  if (incoming || g_strcmp0 (name, "org.freedesktop.DBus.Error.UnknownMethod") != 0
      || !g_str_has_prefix (g_dbus_message_get_arg0 (message), "Object does not exist"))
    return message;

  GDBusMessage *copy = g_dbus_message_copy (message, NULL);
  g_dbus_message_set_error_name (copy, "org.freedesktop.DBus.Error.UnknownObject");
  g_object_unref (message);
  return copy;
}

VbObject *
vb_bus_find_object (VbBus *self, const char *path)
{
  return g_hash_table_lookup (self->objects, path);
}

/* Takes an object and those below it off the bus; who made them keeps them. */
void
vb_bus_take_off (VbBus *self, const char *path, gboolean silent)
{
  g_autofree char *prefix = g_strconcat (path, "/", NULL);
  g_autoptr (GList) objects = g_hash_table_get_values (self->objects);

  for (GList *l = objects; l != NULL; l = l->next)
    {
      VbObject *object = l->data;

      if (!g_str_equal (object->path, path) && !g_str_has_prefix (object->path, prefix))
        continue;
      if (!silent)
        vb_object_send_removed (object);
      vb_object_vanish (object);
    }
}

gboolean
vb_bus_has_object (VbBus *self, const char *path)
{
  return g_hash_table_contains (self->objects, path);
}

GDBusConnection *
vb_bus_get_connection (VbBus *self)
{
  return self->connection;
}

void
vb_bus_set_interceptor (VbBus *self, VbInterceptor interceptor, gpointer user_data)
{
  self->interceptor = interceptor;
  self->interceptor_data = user_data;
}

/* Serves org.freedesktop.DBus.ObjectManager on "/" of the connection. */
VbBus *
vb_bus_new (GDBusConnection *connection)
{
  VbBus *self = g_new0 (VbBus, 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (object_manager_xml, NULL);

  self->connection = g_object_ref (connection);
  self->objects = g_hash_table_new (g_str_hash, g_str_equal);
  g_queue_init (&self->changed);
  self->manager_id = g_dbus_connection_register_object (connection, "/", node->interfaces[0],
                                                        &manager_vtable, self, NULL, &error);
  if (self->manager_id == 0)
    g_error ("cannot export the object manager: %s", error->message);
  self->filter_id = g_dbus_connection_add_filter (connection, on_message, NULL, NULL);
  return self;
}

/* All objects must have been freed. */
void
vb_bus_free (VbBus *self)
{
  g_clear_handle_id (&self->flush_id, g_source_remove);
  g_dbus_connection_remove_filter (self->connection, self->filter_id);
  g_dbus_connection_unregister_object (self->connection, self->manager_id);
  g_hash_table_unref (self->objects);
  g_object_unref (self->connection);
  g_free (self);
}
