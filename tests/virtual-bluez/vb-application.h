/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* GattManager1: the services and profiles that applications register on an adapter. */

#include "vb-adapter.h"

gboolean vb_application_method_register (BluezGattManager1 *object,
                                         GDBusMethodInvocation *invocation,
                                         const char *path,
                                         GVariant *options);
gboolean vb_application_method_unregister (BluezGattManager1 *object,
                                           GDBusMethodInvocation *invocation,
                                           const char *path);
void vb_application_init (VbAdapter *adapter);
void vb_application_dispose (VbAdapter *adapter);
void vb_application_client_gone (VbAdapter *adapter, const char *client);
