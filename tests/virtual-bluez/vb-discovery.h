/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Discovery sessions of Adapter1, one for each client, with their filters. */

#include "vb-adapter.h"

gboolean vb_discovery_method_start (BluezAdapter1 *object, GDBusMethodInvocation *invocation);
gboolean vb_discovery_method_stop (BluezAdapter1 *object, GDBusMethodInvocation *invocation);
gboolean vb_discovery_method_set_filter (BluezAdapter1 *object,
                                         GDBusMethodInvocation *invocation,
                                         GVariant *properties);
gboolean vb_discovery_method_get_filters (BluezAdapter1 *object, GDBusMethodInvocation *invocation);

void vb_discovery_init (VbAdapter *adapter);
void vb_discovery_stop_all (VbAdapter *adapter);
void vb_discovery_dispose (VbAdapter *adapter);
void vb_discovery_client_gone (VbAdapter *adapter, const char *client);
void vb_discovery_device_gone (VbAdapter *adapter, VbDevice *device);
void vb_discovery_report (VbAdapter *adapter, VbPeer *peer);
