/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The GATT database of an adapter: bluetoothd's own services and those of the applications. */

#include "vb-adapter.h"

typedef struct _VbLocalService VbLocalService;
typedef struct _VbLocalCharacteristic VbLocalCharacteristic;
typedef struct _VbLocalDescriptor VbLocalDescriptor;

struct _VbLocalService
{
  char *uuid;
  gboolean primary;
  guint16 handle;
  gpointer application;       /* VbApplication, NULL for bluetoothd's own */
  GPtrArray *characteristics; /* VbLocalCharacteristic, owned */
};

struct _VbLocalCharacteristic
{
  VbLocalService *service;
  VbAdapter *adapter;
  char *uuid;
  guint16 handle;
  GStrv flags;
  char *owner;            /* unique name of the application, NULL for bluetoothd's own */
  char *path;             /* object of the application */
  GBytes *value;          /* of bluetoothd's own */
  GPtrArray *descriptors; /* VbLocalDescriptor, owned */
  guint subscriptions;    /* links with the CCC descriptor set */
};

struct _VbLocalDescriptor
{
  VbLocalCharacteristic *characteristic;
  char *uuid;
  guint16 handle;
  GStrv flags;
  char *path; /* object of the application, NULL for bluetoothd's own */
  GBytes *value;
};

VbLocalService *vb_local_service_new (const char *uuid, gboolean primary, gpointer application);
VbLocalCharacteristic *vb_local_service_add (VbLocalService *self,
                                             const char *uuid,
                                             const char *const *flags,
                                             const char *owner,
                                             const char *path,
                                             GBytes *value);
VbLocalDescriptor *vb_local_characteristic_add (VbLocalCharacteristic *self,
                                                const char *uuid,
                                                const char *const *flags,
                                                const char *path,
                                                GBytes *value);
gboolean vb_flags_allow (const char *const *flags, const char *what);
void vb_local_service_free (VbLocalService *self);

void vb_database_init (VbAdapter *adapter);
void vb_database_insert (VbAdapter *adapter, VbLocalService *service);
void vb_database_remove (VbAdapter *adapter, gpointer application);
gboolean vb_database_is_visible (VbAdapter *adapter, VbLocalService *service);
void vb_local_characteristic_subscribe (VbLocalCharacteristic *self);
void vb_local_characteristic_unsubscribe (VbLocalCharacteristic *self);
void vb_local_characteristic_confirm (VbLocalCharacteristic *self);
