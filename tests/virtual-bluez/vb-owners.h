/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The clients of the bus that left something with virtual BlueZ: sessions, applications,
 * advertisements. One match rule tells of the end of any of them, one more for each application
 * process brings the property changes of all its objects.
 */

#include "vb-world.h"

/* Told of changes of an application's object: `changed` is a{sv}. */
typedef void (*VbPropertiesFunc) (GVariant *changed, gpointer user_data);

VbOwners *vb_owners_new (VbWorld *world);
void vb_owners_free (VbOwners *self);
void vb_owners_note (VbOwners *self, const char *client);
void vb_owners_listen (VbOwners *self,
                       const char *client,
                       const char *path,
                       VbPropertiesFunc func,
                       gpointer user_data);
void vb_owners_unlisten (VbOwners *self, const char *client, const char *path);
