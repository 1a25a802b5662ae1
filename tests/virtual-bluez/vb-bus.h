/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How virtual BlueZ is seen on the bus: objects with typed skeletons,
 * org.freedesktop.DBus.ObjectManager on "/", and property changes sent as bluetoothd's D-Bus
 * library sends them: queued, merged for each interface until the loop turns or until a reply goes
 * out, a property without a value left out.
 *
 * GDBusObjectManagerServer and the change signals of the generated skeletons cannot do that (they
 * know no missing value, and no object that goes without a signal), so both are replaced here.
 */

#include "bluez-dbus.h"
#include <gio/gio.h>

typedef struct _VbBus VbBus;
typedef struct _VbObject VbObject;

/* Sees every method call before the object does. Returns TRUE when it took the invocation; it then
 * answers it, or has it done later with vb_bus_dispatch(). */
typedef gboolean (*VbInterceptor) (GDBusMethodInvocation *invocation, gpointer user_data);

/* Whether an optional property has a value at the moment. */
typedef gboolean (*VbHasProperty) (gpointer owner, const char *name);

/* Sets a writable property and answers the invocation, at once or later. */
typedef void (*VbSetProperty) (gpointer owner,
                               const char *name,
                               GVariant *value,
                               GDBusMethodInvocation *invocation);

VbBus *vb_bus_new (GDBusConnection *connection);
void vb_bus_free (VbBus *self);
GDBusConnection *vb_bus_get_connection (VbBus *self);
void vb_bus_set_interceptor (VbBus *self, VbInterceptor interceptor, gpointer user_data);
void vb_bus_handle_call (VbBus *self, GDBusMethodInvocation *invocation);
void vb_bus_dispatch (VbBus *self, GDBusMethodInvocation *invocation);
void vb_bus_flush (VbBus *self);
VbObject *vb_bus_find_object (VbBus *self, const char *path);
void vb_bus_take_off (VbBus *self, const char *path, gboolean silent);
gboolean vb_bus_has_object (VbBus *self, const char *path);

void vb_bus_return (VbBus *self, GDBusMethodInvocation *invocation, GVariant *value);
void vb_bus_return_error (VbBus *self,
                          GDBusMethodInvocation *invocation,
                          const char *name,
                          const char *format,
                          ...) G_GNUC_PRINTF (4, 5);

gpointer vb_interface_class_setup (GType skeleton_type,
                                   GType interface_type,
                                   VbHasProperty has_property,
                                   VbSetProperty set_property);

VbObject *vb_object_new (VbBus *bus, const char *path);
void vb_object_free (VbObject *self);
void vb_object_vanish (VbObject *self);
void vb_object_add (VbObject *self, gpointer skeleton, gpointer owner);
void vb_object_publish (VbObject *self);
const char *vb_object_get_path (VbObject *self);
VbBus *vb_object_get_bus (VbObject *self);
gpointer vb_interface_get_owner (gpointer skeleton);
void vb_interface_changed (gpointer skeleton, const char *property);
void vb_interface_set_muted (gpointer skeleton, gboolean muted);
