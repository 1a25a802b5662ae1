/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* LEAdvertisingManager1: the advertisements that applications register on an adapter. */

#include "vb-adapter.h"

gboolean vb_advertising_method_register (BluezLEAdvertisingManager1 *object,
                                         GDBusMethodInvocation *invocation,
                                         const char *path,
                                         GVariant *options);
gboolean vb_advertising_method_unregister (BluezLEAdvertisingManager1 *object,
                                           GDBusMethodInvocation *invocation,
                                           const char *path);
void vb_advertising_init (VbAdapter *adapter);
void vb_advertising_dispose (VbAdapter *adapter);
void vb_advertising_client_gone (VbAdapter *adapter, const char *client);
