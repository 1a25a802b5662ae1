/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "vb-bus-private.h"

static G_DEFINE_QUARK (vb - interface, vb_interface) static G_DEFINE_QUARK (vb - interface - class,
                                                                            vb_interface_class)

    VbInterface *vb_interface_of (gpointer skeleton)
{
  return g_object_get_qdata (G_OBJECT (skeleton), vb_interface_quark ());
}

VbInterfaceClass *
vb_interface_class_of (gpointer skeleton)
{
  return g_type_get_qdata (G_OBJECT_TYPE (skeleton), vb_interface_class_quark ());
}

const char *
vb_interface_get_name (VbInterface *self)
{
  return g_dbus_interface_skeleton_get_info (self->skeleton)->name;
}

/* Value of a property, NULL while it has none. */
GVariant *
vb_interface_get_property (VbInterface *self, const char *name)
{
  VbInterfaceClass *klass = vb_interface_class_of (self->skeleton);

  if (klass->has_property != NULL && !klass->has_property (self->owner, name))
    return NULL;

  GVariant *value
      = klass->generated.get_property (self->object->bus->connection, NULL, self->object->path,
                                       vb_interface_get_name (self), name, NULL, self->skeleton);
  return value != NULL ? g_variant_take_ref (value) : NULL;
}

GVariant *
vb_interface_get_properties (VbInterface *self)
{
  GDBusInterfaceInfo *info = g_dbus_interface_skeleton_get_info (self->skeleton);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  for (guint i = 0; info->properties != NULL && info->properties[i] != NULL; i++)
    {
      g_autoptr (GVariant) value = vb_interface_get_property (self, info->properties[i]->name);
      if (value != NULL)
        g_variant_builder_add (&builder, "{sv}", info->properties[i]->name, value);
    }
  return g_variant_builder_end (&builder);
}

GVariant *
vb_object_get_interfaces (VbObject *self)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{sa{sv}}"));
  for (guint i = 0; i < self->interfaces->len; i++)
    {
      VbInterface *interface = self->interfaces->pdata[i];
      g_variant_builder_add (&builder, "{s@a{sv}}", vb_interface_get_name (interface),
                             vb_interface_get_properties (interface));
    }
  return g_variant_builder_end (&builder);
}

/* --- property changes --- */

/* Sends PropertiesChanged with what changed since the last time. */
void
vb_interface_send_changes (VbInterface *self)
{
  GVariantBuilder changed, invalidated;

  g_variant_builder_init (&changed, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_init (&invalidated, G_VARIANT_TYPE_STRING_ARRAY);
  for (guint i = 0; i < self->changed->len; i++)
    {
      const char *name = self->changed->pdata[i];
      g_autoptr (GVariant) value = vb_interface_get_property (self, name);

      if (value != NULL)
        g_variant_builder_add (&changed, "{sv}", name, value);
      else
        g_variant_builder_add (&invalidated, "s", name);
    }
  g_ptr_array_set_size (self->changed, 0);
  self->queued = FALSE;
  g_dbus_connection_emit_signal (
      self->object->bus->connection, NULL, self->object->path, PROPERTIES_INTERFACE,
      "PropertiesChanged",
      g_variant_new ("(sa{sv}as)", vb_interface_get_name (self), &changed, &invalidated), NULL);
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
  g_ptr_array_add (self->changed, (gpointer)name);
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

static gboolean
values_equal (GParamSpec *pspec, const GValue *first, const GValue *second)
{
  if (!G_VALUE_HOLDS (first, G_TYPE_STRV))
    return g_param_values_cmp (pspec, first, second) == 0;

  const char *const *a = g_value_get_boxed (first), *const *b = g_value_get_boxed (second);
  return a == b || (a != NULL && b != NULL && g_strv_equal (a, b));
}

/* Around the generated function: notes which properties really change. */
static void
on_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  VbInterfaceClass *klass = vb_interface_class_of (object);
  VbInterface *self = vb_interface_of (object);
  g_auto (GValue) old = G_VALUE_INIT;

  g_value_init (&old, G_PARAM_SPEC_VALUE_TYPE (pspec));
  g_object_get_property (object, pspec->name, &old);
  if (values_equal (pspec, &old, value))
    return;
  klass->set_property_generated (object, id, value, pspec);
  if (self == NULL || self->muted || !self->object->published)
    return;

  const char *name
      = find_property_name (g_dbus_interface_skeleton_get_info (self->skeleton), pspec->name);
  if (name != NULL)
    queue_change (self, name);
}

/* In place of the generated function, which would send the change by its own rules. */
static void
on_notify (GObject *object, GParamSpec *pspec)
{
}

/* Announces a property whether or not its value differs, as bluetoothd does in places. */
void
vb_interface_changed (gpointer skeleton, const char *property)
{
  VbInterface *self = vb_interface_of (skeleton);
  GDBusPropertyInfo *info = g_dbus_interface_info_lookup_property (
      g_dbus_interface_skeleton_get_info (self->skeleton), property);

  if (self->object->published)
    queue_change (self, info->name);
}

/* While muted, changes of the interface's properties are not announced. */
void
vb_interface_set_muted (gpointer skeleton, gboolean muted)
{
  vb_interface_of (skeleton)->muted = muted;
}

gpointer
vb_interface_get_owner (gpointer skeleton)
{
  return vb_interface_of (skeleton)->owner;
}

/* --- classes --- */

static void
on_skeleton_call (GDBusConnection *connection,
                  const char *sender,
                  const char *path,
                  const char *interface,
                  const char *method,
                  GVariant *parameters,
                  GDBusMethodInvocation *invocation,
                  gpointer user_data)
{
  vb_bus_handle_call (vb_interface_of (user_data)->object->bus, invocation);
}

/* Without get_property and set_property GDBus hands the calls of Properties to method_call. */
static const GDBusInterfaceVTable skeleton_vtable = { .method_call = on_skeleton_call };

static GDBusInterfaceVTable *
get_skeleton_vtable (GDBusInterfaceSkeleton *skeleton)
{
  return (GDBusInterfaceVTable *)&skeleton_vtable;
}

/*
 * Makes a generated skeleton class follow the rules of this file. Call it once for each class,
 * before the first instance. Returns the class's interface structure, whose handle_… functions the
 * caller fills in: they serve all instances, which is much smaller than signal handlers on each of
 * some ten thousand characteristics.
 */
gpointer
vb_interface_class_setup (GType skeleton_type,
                          GType interface_type,
                          VbHasProperty has_property,
                          VbSetProperty set_property)
{
  GDBusInterfaceSkeletonClass *klass = g_type_class_ref (skeleton_type);
  g_autoptr (GDBusInterfaceSkeleton) sample = g_object_new (skeleton_type, NULL);
  VbInterfaceClass *known = g_new0 (VbInterfaceClass, 1);

  known->generated = *klass->get_vtable (sample);
  known->set_property_generated = G_OBJECT_CLASS (klass)->set_property;
  known->has_property = has_property;
  known->set_property = set_property;
  g_type_set_qdata (skeleton_type, vb_interface_class_quark (), known);
  klass->get_vtable = get_skeleton_vtable;
  G_OBJECT_CLASS (klass)->set_property = on_set_property;
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

/* Adds an interface, before the object is published. Takes the skeleton's reference. `owner` is
 * what the class's functions get. */
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
  g_dbus_connection_emit_signal (
      self->bus->connection, NULL, "/", "org.freedesktop.DBus.ObjectManager", "InterfacesAdded",
      g_variant_new ("(o@a{sa{sv}})", self->path, vb_object_get_interfaces (self)), NULL);
}

/* Announces that the object goes. */
void
vb_object_send_removed (VbObject *self)
{
  GVariantBuilder names;

  g_variant_builder_init (&names, G_VARIANT_TYPE_STRING_ARRAY);
  for (guint i = 0; i < self->interfaces->len; i++)
    g_variant_builder_add (&names, "s", vb_interface_get_name (self->interfaces->pdata[i]));
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
    vb_object_send_removed (self);
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
