/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What vb-bus.c (calls) and vb-object.c (objects and their properties) share. */

#include "vb-bus.h"

#define PROPERTIES_INTERFACE "org.freedesktop.DBus.Properties"

struct _VbBus
{
  GDBusConnection *connection;
  guint manager_id;
  guint filter_id;
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
  GPtrArray
      *changed; /* const char *: names of D-Bus properties, from the interface's description */
  gboolean queued;
  gboolean muted;
} VbInterface;

/* What is known of a class of skeletons. */
typedef struct
{
  GDBusInterfaceVTable generated;
  void (*set_property_generated) (GObject *, guint, const GValue *, GParamSpec *);
  VbHasProperty has_property;
  VbSetProperty set_property;
} VbInterfaceClass;

VbInterface *vb_interface_of (gpointer skeleton);
VbInterfaceClass *vb_interface_class_of (gpointer skeleton);
const char *vb_interface_get_name (VbInterface *self);
GVariant *vb_interface_get_property (VbInterface *self, const char *name);
GVariant *vb_interface_get_properties (VbInterface *self);
void vb_interface_send_changes (VbInterface *self);
GVariant *vb_object_get_interfaces (VbObject *self);
void vb_object_send_removed (VbObject *self);
