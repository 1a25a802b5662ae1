/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The client's view of a peer's GATT database: GattService1, GattCharacteristic1 and
 * GattDescriptor1 below a Device1. The objects outlive the link; what they stand for on the peer is
 * looked up again at each connection.
 */

#include "vb-database.h"
#include "vb-link.h"

#define VB_MTU 517 /* bytes, what two bluetoothd agree on */

typedef struct _VbRemoteService VbRemoteService;
typedef struct _VbRemoteCharacteristic VbRemoteCharacteristic;
typedef struct _VbRemoteDescriptor VbRemoteDescriptor;

struct _VbRemoteService
{
  VbDevice *device;
  VbObject *object;
  guint16 handle;
  char *uuid;
  VbLocalService *local;      /* NULL while not connected */
  GPtrArray *characteristics; /* VbRemoteCharacteristic, owned */
};

struct _VbRemoteCharacteristic
{
  VbRemoteService *service;
  VbObject *object;
  BluezGattCharacteristic1 *skeleton;
  guint16 handle;
  GStrv flags;
  VbLocalCharacteristic *local; /* NULL while not connected */
  GPtrArray *descriptors;       /* VbRemoteDescriptor, owned */
  GPtrArray *subscribers;       /* char *: clients with a StartNotify session */
  gboolean subscribed;          /* the CCC descriptor is set on the peer */
  int notify_fd;                /* our end of AcquireNotify's socket, -1 = none */
  guint notify_watch;
  int write_fd; /* our end of AcquireWrite's socket, -1 = none */
  guint write_watch;
  gpointer reading; /* operation of vb-gatt-operations.c under way */
  gpointer writing;
};

struct _VbRemoteDescriptor
{
  VbRemoteCharacteristic *characteristic;
  VbObject *object;
  BluezGattDescriptor1 *skeleton;
  guint16 handle;
  VbLocalDescriptor *local; /* NULL while not connected */
  gpointer reading;
  gpointer writing;
};

void vb_gatt_client_class_setup (void);
void vb_gatt_client_init (VbDevice *device);
void vb_gatt_client_dispose (VbDevice *device);
void vb_gatt_client_sync (VbDevice *device);
void vb_gatt_client_connected (VbDevice *device);
void vb_gatt_client_disconnected (VbDevice *device);
void vb_gatt_client_client_gone (VbDevice *device, const char *client);
VbRemoteCharacteristic *vb_gatt_client_find (VbDevice *device, const char *path);

VbDevice *vb_remote_characteristic_get_device (VbRemoteCharacteristic *self);
VbBus *vb_remote_characteristic_get_bus (VbRemoteCharacteristic *self);

/* vb-gatt-operations.c: reading and writing */
gboolean vb_operation_read (VbRemoteCharacteristic *self,
                            GDBusMethodInvocation *invocation,
                            GVariant *options);
gboolean vb_operation_write (VbRemoteCharacteristic *self,
                             GDBusMethodInvocation *invocation,
                             GVariant *value,
                             GVariant *options);
gboolean vb_operation_read_descriptor (VbRemoteDescriptor *self,
                                       GDBusMethodInvocation *invocation,
                                       GVariant *options);
gboolean vb_operation_write_descriptor (VbRemoteDescriptor *self,
                                        GDBusMethodInvocation *invocation,
                                        GVariant *value,
                                        GVariant *options);
void vb_operation_send_command (VbRemoteCharacteristic *self, GVariant *value);
void vb_operation_cancel (gpointer operation);
void vb_operation_cancel_all (VbLink *link);

/* vb-gatt-notify.c: subscriptions */
gboolean vb_notify_method_start (BluezGattCharacteristic1 *object,
                                 GDBusMethodInvocation *invocation);
gboolean vb_notify_method_stop (BluezGattCharacteristic1 *object,
                                GDBusMethodInvocation *invocation);
gboolean vb_notify_method_acquire (BluezGattCharacteristic1 *object,
                                   GDBusMethodInvocation *invocation,
                                   GUnixFDList *fds,
                                   GVariant *options);
gboolean vb_notify_method_acquire_write (BluezGattCharacteristic1 *object,
                                         GDBusMethodInvocation *invocation,
                                         GUnixFDList *fds,
                                         GVariant *options);
void vb_notify_arm (VbRemoteCharacteristic *self);
void vb_notify_disarm (VbRemoteCharacteristic *self);
void vb_notify_close_sockets (VbRemoteCharacteristic *self);
void vb_notify_client_gone (VbRemoteCharacteristic *self, const char *client);
void vb_notify_deliver (VbRemoteCharacteristic *self, GVariant *value);
void vb_notify_send (VbLocalCharacteristic *source, GVariant *value);
