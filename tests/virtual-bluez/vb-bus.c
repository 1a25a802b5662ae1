/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "vb-bus.h"
#include <string.h>

#define PROPERTIES_INTERFACE "org.freedesktop.DBus.Properties"

struct _VbBus
{
  GDBusConnection *connection;
  guint manager_id;
  GHashTable *objects; /* path -> VbObject, not owned: each belongs to whoever made it */
  GQueue changed;      /* VbInterface with changes to send, oldest first */
  guint flush_id;
  VbInterceptor interceptor;
  gpointer interceptor_data;
};

struct _VbObject
{
  VbBus *bus;
  char *path;
  GPtrArray *interfaces; /* VbInterface */
  gboolean published;
};

/* One skeleton on one object. */
typedef struct
{
  VbObject *object;
  GDBusInterfaceSkeleton *skeleton;
  gpointer owner;
  GPtrArray *changed; /* const char *: names of D-Bus properties, from the interface's description */
  gboolean queued;
  gboolean muted;
} VbInterface;

/* What is known of a class of skeletons. */
typedef struct
{
  GDBusInterfaceVTable generated;
  VbHasProperty has_property;
  VbSetProperty set_property;
} VbInterfaceClass;

static const char object_manager_xml[] =
  "<node><interface name='org.freedesktop.DBus.ObjectManager'>"
  "<method name='GetManagedObjects'>"
  "<arg name='objects' type='a{oa{sa{sv}}}' direction='out'/></method>"
  "<signal name='InterfacesAdded'><arg name='object' type='o'/>"
  "<arg name='interfaces' type='a{sa{sv}}'/></signal>"
  "<signal name='InterfacesRemoved'><arg name='object' type='o'/>"
  "<arg name='interfaces' type='as'/></signal>"
  "</interface></node>";

static G_DEFINE_QUARK (vb-interface, vb_interface)
static G_DEFINE_QUARK (vb-interface-class, vb_interface_class)

static VbInterface *
interface_of (gpointer skeleton)
{
  return g_object_get_qdata (G_OBJECT (skeleton), vb_interface_quark ());
}

static VbInterfaceClass *
class_of (gpointer skeleton)
{
  return g_type_get_qdata (G_OBJECT_TYPE (skeleton), vb_interface_class_quark ());
}

static const char *
interface_name (VbInterface *self)
{
  return g_dbus_interface_skeleton_get_info (self->skeleton)->name;
}

/* Value of a property, NULL while it has none. */
static GVariant *
get_property (VbInterface *self, const char *name)
{
  VbInterfaceClass *klass = class_of (self->skeleton);

  if (klass->has_property != NULL && !klass->has_property (self->owner, name))
    return NULL;

  GVariant *value = klass->generated.get_property (self->object->bus->connection, NULL,
                                                   self->object->path, interface_name (self), name,
                                                   NULL, self->skeleton);
  return value != NULL ? g_variant_take_ref (value) : NULL;
}

static GVariant *
get_properties (VbInterface *self)
{
  GDBusInterfaceInfo *info = g_dbus_interface_skeleton_get_info (self->skeleton);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  for (guint i = 0; info->properties != NULL && info->properties[i] != NULL; i++)
    {
      g_autoptr (GVariant) value = get_property (self, info->properties[i]->name);
      if (value != NULL)
        g_variant_builder_add (&builder, "{sv}", info->properties[i]->name, value);
    }
  return g_variant_builder_end (&builder);
}

static GVariant *
get_interfaces (VbObject *self)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{sa{sv}}"));
  for (guint i = 0; i < self->interfaces->len; i++)
    {
      VbInterface *interface = self->interfaces->pdata[i];
      g_variant_builder_add (&builder, "{s@a{sv}}", interface_name (interface),
                             get_properties (interface));
    }
  return g_variant_builder_end (&builder);
}

/* --- property changes --- */

static void
send_changes (VbInterface *self)
{
  GVariantBuilder changed, invalidated;

  g_variant_builder_init (&changed, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_init (&invalidated, G_VARIANT_TYPE_STRING_ARRAY);
  for (guint i = 0; i < self->changed->len; i++)
    {
      const char *name = self->changed->pdata[i];
      g_autoptr (GVariant) value = get_property (self, name);

      if (value != NULL)
        g_variant_builder_add (&changed, "{sv}", name, value);
      else
        g_variant_builder_add (&invalidated, "s", name);
    }
  g_ptr_array_set_size (self->changed, 0);
  self->queued = FALSE;
  g_dbus_connection_emit_signal (self->object->bus->connection, NULL, self->object->path,
                                 PROPERTIES_INTERFACE, "PropertiesChanged",
                                 g_variant_new ("(sa{sv}as)", interface_name (self), &changed,
                                                &invalidated),
                                 NULL);
}

/* Sends all property changes that wait. */
void
vb_bus_flush (VbBus *self)
{
  VbInterface *interface;

  g_clear_handle_id (&self->flush_id, g_source_remove);
  while ((interface = g_queue_pop_head (&self->changed)) != NULL)
    send_changes (interface);
}

static gboolean
on_flush (gpointer user_data)
{
  VbBus *self = user_data;

  self->flush_id = 0;
  vb_bus_flush (self);
  return G_SOURCE_REMOVE;
}

static void
queue_change (VbInterface *self, const char *name)
{
  VbBus *bus = self->object->bus;

  if (g_ptr_array_find (self->changed, name, NULL))
    return;
  g_ptr_array_add (self->changed, (gpointer) name);
  if (!self->queued)
    {
      self->queued = TRUE;
      g_queue_push_tail (&bus->changed, self);
    }
  if (bus->flush_id == 0)
    bus->flush_id = g_idle_add_full (G_PRIORITY_DEFAULT, on_flush, bus, NULL);
}

/* Name of the D-Bus property ("ServiceUUIDs") of a GObject property ("service-uuids"). */
static const char *
find_property_name (GDBusInterfaceInfo *info, const char *hyphenated)
{
  for (guint i = 0; info->properties != NULL && info->properties[i] != NULL; i++)
    {
      const char *dbus = info->properties[i]->name, *other = hyphenated;

      while (*dbus != '\0' && (*other == '-' || g_ascii_tolower (*dbus) == *other))
        {
          dbus += *other != '-';
          other++;
        }
      if (*dbus == '\0' && *other == '\0')
        return info->properties[i]->name;
    }
  return NULL;
}

/* In place of the generated handler, which would send the change by its own rules. */
static void
on_notify (GObject *object, GParamSpec *pspec)
{
  VbInterface *self = interface_of (object);

  if (self == NULL || self->muted || !self->object->published)
    return;

  const char *name =
    find_property_name (g_dbus_interface_skeleton_get_info (self->skeleton), pspec->name);
  if (name != NULL)
    queue_change (self, name);
}

/* Announces a property whether or not its value differs, as bluetoothd does in places. */
void
vb_interface_changed (gpointer skeleton, const char *property)
{
  VbInterface *self = interface_of (skeleton);
  GDBusPropertyInfo *info = g_dbus_interface_info_lookup_property (
    g_dbus_interface_skeleton_get_info (self->skeleton), property);

  if (self->object->published)
    queue_change (self, info->name);
}

/* While muted, changes of the interface's properties are not announced. */
void
vb_interface_set_muted (gpointer skeleton, gboolean muted)
{
  interface_of (skeleton)->muted = muted;
}

gpointer
vb_interface_get_owner (gpointer skeleton)
{
  return interface_of (skeleton)->owner;
}

/* --- method calls --- */

/* Answers a call, after the property changes that came before. */
void
vb_bus_return (VbBus *self, GDBusMethodInvocation *invocation, GVariant *value)
{
  vb_bus_flush (self);
  g_dbus_method_invocation_return_value (invocation, value);
}

/* Answers a call with a D-Bus error; `name` is a full name, or the last word of one of org.bluez.Error. */
void
vb_bus_return_error (VbBus *self, GDBusMethodInvocation *invocation, const char *name,
                     const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *message = g_strdup_vprintf (format, args);
  va_end (args);
  g_autofree char *full = strchr (name, '.') != NULL ? g_strdup (name)
                                                     : g_strconcat ("org.bluez.Error.", name, NULL);
  vb_bus_flush (self);
  g_dbus_method_invocation_return_dbus_error (invocation, full, message);
}

static void
handle_set (VbInterface *self, const char *name, GVariant *value, GDBusMethodInvocation *invocation)
{
  VbInterfaceClass *klass = class_of (self->skeleton);

  if (klass->set_property != NULL)
    klass->set_property (self->owner, name, value, invocation);
  else
    vb_bus_return_error (self->object->bus, invocation, "org.freedesktop.DBus.Error.PropertyReadOnly",
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
      vb_bus_return (bus, invocation, g_variant_new ("(@a{sv})", get_properties (self)));
      return;
    }
  g_variant_get_child (parameters, 1, "&s", &name);
  if (g_str_equal (method, "Get"))
    {
      g_autoptr (GVariant) value = get_property (self, name);
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
  g_autoptr (GList) paths = g_list_sort (g_hash_table_get_keys (self->objects),
                                         (GCompareFunc) strcmp);

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{oa{sa{sv}}}"));
  for (GList *l = paths; l != NULL; l = l->next)
    g_variant_builder_add (&builder, "{o@a{sa{sv}}}", l->data,
                           get_interfaces (g_hash_table_lookup (self->objects, l->data)));
  vb_bus_return (self, invocation, g_variant_new ("(a{oa{sa{sv}}})", &builder));
}

static VbInterface *
find_interface (VbBus *self, GDBusMethodInvocation *invocation)
{
  VbObject *object =
    g_hash_table_lookup (self->objects, g_dbus_method_invocation_get_object_path (invocation));
  const char *name = g_dbus_method_invocation_get_interface_name (invocation);

  if (object == NULL)
    return NULL;
  if (g_str_equal (name, PROPERTIES_INTERFACE))
    g_variant_get_child (g_dbus_method_invocation_get_parameters (invocation), 0, "&s", &name);
  for (guint i = 0; i < object->interfaces->len; i++)
    if (g_str_equal (interface_name (object->interfaces->pdata[i]), name))
      return object->interfaces->pdata[i];
  return NULL;
}

/* Lets the object of an invocation handle it, past the interceptor. The object may have gone since. */
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
  if (found == NULL)
    vb_bus_return_error (self, invocation, "org.freedesktop.DBus.Error.UnknownObject",
                         "Method \"%s\" with signature \"%s\" on interface \"%s\" doesn't exist\n",
                         method,
                         g_variant_get_type_string (
                           g_dbus_method_invocation_get_parameters (invocation)),
                         interface);
  else if (g_str_equal (interface, PROPERTIES_INTERFACE))
    handle_properties_call (found, invocation);
  else
    class_of (found->skeleton)
      ->generated.method_call (self->connection,
                               g_dbus_method_invocation_get_sender (invocation), found->object->path,
                               interface, method,
                               g_dbus_method_invocation_get_parameters (invocation), invocation,
                               found->skeleton);
}

static void
handle_call (VbBus *self, GDBusMethodInvocation *invocation)
{
  if (self->interceptor == NULL || !self->interceptor (invocation, self->interceptor_data))
    vb_bus_dispatch (self, invocation);
}

static void
on_skeleton_call (GDBusConnection *connection, const char *sender, const char *path,
                  const char *interface, const char *method, GVariant *parameters,
                  GDBusMethodInvocation *invocation, gpointer user_data)
{
  handle_call (interface_of (user_data)->object->bus, invocation);
}

static void
on_manager_call (GDBusConnection *connection, const char *sender, const char *path,
                 const char *interface, const char *method, GVariant *parameters,
                 GDBusMethodInvocation *invocation, gpointer user_data)
{
  handle_call (user_data, invocation);
}

/* Without get_property and set_property GDBus hands the calls of Properties to method_call. */
static const GDBusInterfaceVTable skeleton_vtable = { .method_call = on_skeleton_call };
static const GDBusInterfaceVTable manager_vtable = { .method_call = on_manager_call };

static GDBusInterfaceVTable *
get_skeleton_vtable (GDBusInterfaceSkeleton *skeleton)
{
  return (GDBusInterfaceVTable *) &skeleton_vtable;
}

/*
 * Makes a generated skeleton class follow the rules of this file. Call it once for each class, before
 * the first instance. Returns the class's interface structure, whose handle_… functions the caller
 * fills in: they serve all instances, which is much smaller than signal handlers on each of
 * some ten thousand characteristics.
 */
gpointer
vb_interface_class_setup (GType skeleton_type, GType interface_type, VbHasProperty has_property,
                          VbSetProperty set_property)
{
  GDBusInterfaceSkeletonClass *klass = g_type_class_ref (skeleton_type);
  g_autoptr (GDBusInterfaceSkeleton) sample = g_object_new (skeleton_type, NULL);
  VbInterfaceClass *known = g_new0 (VbInterfaceClass, 1);

  known->generated = *klass->get_vtable (sample);
  known->has_property = has_property;
  known->set_property = set_property;
  g_type_set_qdata (skeleton_type, vb_interface_class_quark (), known);
  klass->get_vtable = get_skeleton_vtable;
  G_OBJECT_CLASS (klass)->notify = on_notify;
  return g_type_interface_peek (klass, interface_type);
}

/* --- objects --- */

VbObject *
vb_object_new (VbBus *bus, const char *path)
{
  VbObject *self = g_new0 (VbObject, 1);

  self->bus = bus;
  self->path = g_strdup (path);
  self->interfaces = g_ptr_array_new ();
  return self;
}

/* Adds an interface, before the object is published. Takes the skeleton's reference. `owner` is what
 * the class's functions get. */
void
vb_object_add (VbObject *self, gpointer skeleton, gpointer owner)
{
  VbInterface *interface = g_new0 (VbInterface, 1);

  interface->object = self;
  interface->skeleton = skeleton;
  interface->owner = owner;
  interface->changed = g_ptr_array_new ();
  g_object_set_qdata (G_OBJECT (skeleton), vb_interface_quark (), interface);
  g_ptr_array_add (self->interfaces, interface);
}

/* Puts the object on the bus and announces it. */
void
vb_object_publish (VbObject *self)
{
  for (guint i = 0; i < self->interfaces->len; i++)
    {
      VbInterface *interface = self->interfaces->pdata[i];
      g_autoptr (GError) error = NULL;

      if (!g_dbus_interface_skeleton_export (interface->skeleton, self->bus->connection, self->path,
                                             &error))
        g_error ("cannot export %s: %s", self->path, error->message);
    }
  self->published = TRUE;
  g_hash_table_insert (self->bus->objects, self->path, self);
  vb_bus_flush (self->bus);
  g_dbus_connection_emit_signal (self->bus->connection, NULL, "/",
                                 "org.freedesktop.DBus.ObjectManager", "InterfacesAdded",
                                 g_variant_new ("(o@a{sa{sv}})", self->path, get_interfaces (self)),
                                 NULL);
}

static void
send_removed (VbObject *self)
{
  GVariantBuilder names;

  g_variant_builder_init (&names, G_VARIANT_TYPE_STRING_ARRAY);
  for (guint i = 0; i < self->interfaces->len; i++)
    g_variant_builder_add (&names, "s", interface_name (self->interfaces->pdata[i]));
  vb_bus_flush (self->bus);
  g_dbus_connection_emit_signal (self->bus->connection, NULL, "/",
                                 "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved",
                                 g_variant_new ("(oas)", self->path, &names), NULL);
}

/* Takes the object off the bus without a word; vb_object_free() then says nothing either. */
void
vb_object_vanish (VbObject *self)
{
  if (!self->published)
    return;
  self->published = FALSE;
  g_hash_table_remove (self->bus->objects, self->path);
  for (guint i = 0; i < self->interfaces->len; i++)
    {
      VbInterface *interface = self->interfaces->pdata[i];

      if (interface->queued)
        g_queue_remove (&self->bus->changed, interface);
      interface->queued = FALSE;
      g_ptr_array_set_size (interface->changed, 0);
      g_dbus_interface_skeleton_unexport (interface->skeleton);
    }
}

/* Announces that the object goes, and frees it with its skeletons. */
void
vb_object_free (VbObject *self)
{
  if (self == NULL)
    return;
  if (self->published)
    send_removed (self);
  vb_object_vanish (self);
  for (guint i = 0; i < self->interfaces->len; i++)
    {
      VbInterface *interface = self->interfaces->pdata[i];

      g_object_set_qdata (G_OBJECT (interface->skeleton), vb_interface_quark (), NULL);
      g_object_unref (interface->skeleton);
      g_ptr_array_unref (interface->changed);
      g_free (interface);
    }
  g_ptr_array_unref (self->interfaces);
  g_free (self->path);
  g_free (self);
}

const char *
vb_object_get_path (VbObject *self)
{
  return self->path;
}

VbBus *
vb_object_get_bus (VbObject *self)
{
  return self->bus;
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
  return self;
}

/* All objects must have been freed. */
void
vb_bus_free (VbBus *self)
{
  g_clear_handle_id (&self->flush_id, g_source_remove);
  g_dbus_connection_unregister_object (self->connection, self->manager_id);
  g_hash_table_unref (self->objects);
  g_object_unref (self->connection);
  g_free (self);
}
