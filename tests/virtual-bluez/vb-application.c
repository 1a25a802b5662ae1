/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "vb-application.h"
#include "vb-database.h"
#include "vb-device.h"
#include "vb-gatt-client.h"
#include "vb-link.h"
#include "vb-owners.h"

#define SERVICE_INTERFACE "org.bluez.GattService1"
#define CHARACTERISTIC_INTERFACE "org.bluez.GattCharacteristic1"
#define DESCRIPTOR_INTERFACE "org.bluez.GattDescriptor1"
#define PROFILE_INTERFACE "org.bluez.GattProfile1"
#define MAX_NOTIFICATION (VB_MTU - 3) /* bytes */

/* What a client registered with RegisterApplication. */
typedef struct
{
  VbAdapter *adapter;
  char *owner;
  char *path;
  GDBusMethodInvocation *call; /* RegisterApplication, until its objects are known */
  GCancellable *cancellable;
  GPtrArray *characteristic_paths; /* those that we listen to */
  GStrv profile_uuids;
} Application;

/* --- building the services --- */

typedef struct
{
  Application *application;
  GVariant *objects;           /* a{oa{sa{sv}}} */
  GHashTable *services;        /* path -> VbLocalService, owned until they are inserted */
  GPtrArray *service_order;    /* VbLocalService */
  GHashTable *characteristics; /* path -> VbLocalCharacteristic */
  GStrvBuilder *profile_uuids;
  const char *problem; /* NULL = none */
} Builder;

typedef void (*ObjectFunc) (Builder *self, const char *path, GVariant *properties);

static void
for_each_object (Builder *self, const char *interface, ObjectFunc func)
{
  GVariantIter iter;
  const char *path;
  GVariant *interfaces;

  g_variant_iter_init (&iter, self->objects);
  while (g_variant_iter_next (&iter, "{&o@a{sa{sv}}}", &path, &interfaces))
    {
      g_autoptr (GVariant) properties
          = g_variant_lookup_value (interfaces, interface, G_VARIANT_TYPE_VARDICT);

      if (properties != NULL)
        func (self, path, properties);
      g_variant_unref (interfaces);
    }
}

static char *
lookup_uuid (Builder *self, GVariant *properties)
{
  const char *uuid = NULL;
  char *expanded = NULL;

  if (g_variant_lookup (properties, "UUID", "&s", &uuid))
    expanded = vb_uuid_expand (uuid);
  if (expanded == NULL)
    self->problem = "invalid UUID";
  return expanded;
}

static GStrv
lookup_flags (GVariant *properties)
{
  GStrv flags = NULL;

  if (!g_variant_lookup (properties, "Flags", "^as", &flags))
    flags = g_new0 (char *, 1);
  return flags;
}

static void
add_profile (Builder *self, const char *path, GVariant *properties)
{
  g_autofree const char **uuids = NULL;

  if (!g_variant_lookup (properties, "UUIDs", "^a&s", &uuids))
    {
      self->problem = "profile without UUIDs";
      return;
    }
  for (guint i = 0; uuids[i] != NULL; i++)
    {
      g_autofree char *uuid = vb_uuid_expand (uuids[i]);
      if (uuid != NULL)
        g_strv_builder_add (self->profile_uuids, uuid);
    }
}

static void
add_service (Builder *self, const char *path, GVariant *properties)
{
  g_autofree char *uuid = lookup_uuid (self, properties);
  gboolean primary = TRUE;

  if (uuid == NULL)
    return;
  g_variant_lookup (properties, "Primary", "b", &primary);

  VbLocalService *service = vb_local_service_new (uuid, primary, self->application);
  g_hash_table_insert (self->services, g_strdup (path), service);
  g_ptr_array_add (self->service_order, service);
}

static void
add_characteristic (Builder *self, const char *path, GVariant *properties)
{
  g_autofree char *uuid = lookup_uuid (self, properties);
  g_auto (GStrv) flags = lookup_flags (properties);
  const char *service_path = "";

  g_variant_lookup (properties, "Service", "&o", &service_path);
  VbLocalService *service = g_hash_table_lookup (self->services, service_path);
  if (uuid == NULL || service == NULL || flags[0] == NULL)
    {
      self->problem = "invalid characteristic";
      return;
    }
  g_hash_table_insert (self->characteristics, g_strdup (path),
                       vb_local_service_add (service, uuid, (const char *const *)flags,
                                             self->application->owner, path, NULL));
}

static void
add_descriptor (Builder *self, const char *path, GVariant *properties)
{
  g_autofree char *uuid = lookup_uuid (self, properties);
  g_auto (GStrv) flags = lookup_flags (properties);
  const char *parent_path = "";

  g_variant_lookup (properties, "Characteristic", "&o", &parent_path);
  VbLocalCharacteristic *parent = g_hash_table_lookup (self->characteristics, parent_path);
  if (uuid == NULL || parent == NULL)
    {
      self->problem = "invalid descriptor";
      return;
    }
  vb_local_characteristic_add (parent, uuid, (const char *const *)flags, path, NULL);
}

static void
builder_clear (Builder *self)
{
  g_hash_table_unref (self->services);
  g_hash_table_unref (self->characteristics);
  g_ptr_array_unref (self->service_order);
  g_strv_builder_unref (self->profile_uuids);
}

/* --- notifications --- */

static void
on_characteristic_changed (GVariant *changed, gpointer user_data)
{
  VbLocalCharacteristic *characteristic = user_data;
  g_autoptr (GVariant) value = g_variant_lookup_value (changed, "Value", G_VARIANT_TYPE_BYTESTRING);

  if (value == NULL)
    return;
  if (g_variant_n_children (value) <= MAX_NOTIFICATION)
    {
      vb_notify_send (characteristic, value);
      return;
    }

  gsize size;
  const guint8 *bytes = g_variant_get_fixed_array (value, &size, 1);
  g_autoptr (GVariant) cut = g_variant_ref_sink (
      g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bytes, MAX_NOTIFICATION, 1));
  vb_notify_send (characteristic, cut);
}

/* --- profiles --- */

static void
refresh_profiles (VbAdapter *adapter)
{
  g_hash_table_remove_all (adapter->profile_uuids);
  for (guint i = 0; i < adapter->applications->len; i++)
    {
      Application *application = adapter->applications->pdata[i];

      for (guint j = 0; application->profile_uuids != NULL && application->profile_uuids[j] != NULL;
           j++)
        g_hash_table_add (adapter->profile_uuids, g_strdup (application->profile_uuids[j]));
    }
}

/* Devices that are known already are connected by the new profile too. */
static void
arm_known_devices (VbAdapter *adapter)
{
  g_autoptr (GList) devices = g_hash_table_get_values (adapter->devices);

  for (GList *l = devices; l != NULL; l = l->next)
    vb_link_update_auto_connect (l->data);
}

/* --- life --- */

static void
application_free (gpointer data)
{
  Application *self = data;

  for (guint i = 0; i < self->characteristic_paths->len; i++)
    vb_owners_unlisten (self->adapter->world->owners, self->owner,
                        self->characteristic_paths->pdata[i]);
  g_ptr_array_unref (self->characteristic_paths);
  g_cancellable_cancel (self->cancellable);
  g_object_unref (self->cancellable);
  vb_database_remove (self->adapter, self);
  g_strfreev (self->profile_uuids);
  g_free (self->owner);
  g_free (self->path);
  g_free (self);
}

static void
application_publish (Application *self, Builder *builder)
{
  GHashTableIter iter;
  const char *path;
  VbLocalCharacteristic *characteristic;

  for (guint i = 0; i < builder->service_order->len; i++)
    vb_database_insert (self->adapter, builder->service_order->pdata[i]);
  g_hash_table_iter_init (&iter, builder->characteristics);
  while (g_hash_table_iter_next (&iter, (gpointer *)&path, (gpointer *)&characteristic))
    {
      g_ptr_array_add (self->characteristic_paths, g_strdup (path));
      vb_owners_listen (self->adapter->world->owners, self->owner, path, on_characteristic_changed,
                        characteristic);
    }
  self->profile_uuids = g_strv_builder_end (builder->profile_uuids);
  refresh_profiles (self->adapter);
  if (self->profile_uuids[0] != NULL)
    arm_known_devices (self->adapter);
}

/* Returns what is wrong with the objects, NULL when they were taken. */
static const char *
application_build (Application *self, GVariant *objects)
{
  Builder builder = { .application = self, .objects = objects };
  const char *problem = NULL;

  if (g_variant_n_children (objects) == 0)
    return "No object received";
  builder.services = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  builder.characteristics = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  builder.service_order = g_ptr_array_new ();
  builder.profile_uuids = g_strv_builder_new ();
  for_each_object (&builder, PROFILE_INTERFACE, add_profile);
  for_each_object (&builder, SERVICE_INTERFACE, add_service);
  for_each_object (&builder, CHARACTERISTIC_INTERFACE, add_characteristic);
  for_each_object (&builder, DESCRIPTOR_INTERFACE, add_descriptor);

  g_auto (GStrv) profiles = g_strv_builder_end (builder.profile_uuids);
  if (builder.problem != NULL || (builder.service_order->len == 0 && profiles[0] == NULL))
    {
      problem = "No valid service object found";
      for (guint i = 0; i < builder.service_order->len; i++)
        vb_local_service_free (builder.service_order->pdata[i]);
    }
  else
    {
      g_strv_builder_addv (builder.profile_uuids, (const char **)profiles);
      application_publish (self, &builder);
    }
  builder_clear (&builder);
  return problem;
}

static void
objects_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Application *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  const char *problem = "No object received";

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;

  VbAdapter *adapter = self->adapter;
  GDBusMethodInvocation *call = g_steal_pointer (&self->call);
  if (reply != NULL)
    {
      g_autoptr (GVariant) objects = g_variant_get_child_value (reply, 0);
      problem = application_build (self, objects);
    }
  if (problem == NULL)
    vb_bus_return (adapter->world->bus, call, NULL);
  else
    {
      vb_bus_return_error (adapter->world->bus, call, "Failed", "%s", problem);
      g_ptr_array_remove (adapter->applications, self);
    }
}

static Application *
find_application (VbAdapter *adapter, const char *owner, const char *path)
{
  for (guint i = 0; i < adapter->applications->len; i++)
    {
      Application *application = adapter->applications->pdata[i];
      if (g_str_equal (application->owner, owner) && g_str_equal (application->path, path))
        return application;
    }
  return NULL;
}

gboolean
vb_application_method_register (BluezGattManager1 *object,
                                GDBusMethodInvocation *invocation,
                                const char *path,
                                GVariant *options)
{
  VbAdapter *adapter = vb_interface_get_owner (object);
  const char *sender = g_dbus_method_invocation_get_sender (invocation);

  if (find_application (adapter, sender, path) != NULL)
    {
      vb_bus_return_error (adapter->world->bus, invocation, "AlreadyExists", "Already Exists");
      return TRUE;
    }

  Application *self = g_new0 (Application, 1);
  self->adapter = adapter;
  self->owner = g_strdup (sender);
  self->path = g_strdup (path);
  self->call = invocation;
  self->cancellable = g_cancellable_new ();
  self->characteristic_paths = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (adapter->applications, self);
  vb_owners_note (adapter->world->owners, sender);
  g_dbus_connection_call (vb_bus_get_connection (adapter->world->bus), sender, path,
                          "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL,
                          G_VARIANT_TYPE ("(a{oa{sa{sv}}})"), G_DBUS_CALL_FLAGS_NO_AUTO_START, -1,
                          self->cancellable, objects_done, self);
  return TRUE;
}

static void
unregister (VbAdapter *adapter, Application *application)
{
  if (application->call != NULL)
    vb_bus_return_error (adapter->world->bus, g_steal_pointer (&application->call), "Failed",
                         "No object received");
  g_ptr_array_remove (adapter->applications, application);
  refresh_profiles (adapter);
}

gboolean
vb_application_method_unregister (BluezGattManager1 *object,
                                  GDBusMethodInvocation *invocation,
                                  const char *path)
{
  VbAdapter *adapter = vb_interface_get_owner (object);
  Application *application
      = find_application (adapter, g_dbus_method_invocation_get_sender (invocation), path);

  if (application == NULL)
    {
      vb_bus_return_error (adapter->world->bus, invocation, "DoesNotExist", "Does Not Exist");
      return TRUE;
    }
  unregister (adapter, application);
  vb_bus_return (adapter->world->bus, invocation, NULL);
  return TRUE;
}

void
vb_application_init (VbAdapter *adapter)
{
  adapter->applications = g_ptr_array_new_with_free_func (application_free);
  adapter->profile_uuids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

void
vb_application_dispose (VbAdapter *adapter)
{
  while (adapter->applications->len > 0)
    unregister (adapter, adapter->applications->pdata[0]);
  g_ptr_array_unref (adapter->applications);
  g_hash_table_unref (adapter->profile_uuids);
}

/* A process is gone, and with it what it served: as with bluetoothd 5.66, its links stay, without its services. */
void
vb_application_client_gone (VbAdapter *adapter, const char *client)
{
  for (guint i = adapter->applications->len; i-- > 0;)
    {
      Application *application = adapter->applications->pdata[i];

      if (g_str_equal (application->owner, client))
        unregister (adapter, application);
    }
}
