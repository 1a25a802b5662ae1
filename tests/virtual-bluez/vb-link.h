/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Connections: Device1.Connect and Disconnect, waiting for an advertisement, what ends a link. */

#include "vb-device.h"

struct _VbLink
{
  VbDevice *central;    /* the peripheral, as the central's adapter sees it */
  VbDevice *peripheral; /* the central, as the peripheral's adapter sees it */
  gboolean resolved;
  GQueue operations; /* VbOperation of vb-gatt-client.c under way on this link */
};

gboolean vb_link_method_connect (BluezDevice1 *object, GDBusMethodInvocation *invocation);
gboolean vb_link_method_disconnect (BluezDevice1 *object, GDBusMethodInvocation *invocation);

void vb_link_request_disconnect (VbDevice *device, GDBusMethodInvocation *invocation);
void vb_link_peer_heard (VbAdapter *adapter, VbPeer *peer);
void vb_link_update_auto_connect (VbDevice *device);
void vb_link_drop (VbLink *self);
void vb_link_abort_connect (VbDevice *device, const char *message);
void vb_link_resolve (VbLink *self);
void vb_link_dispose_device (VbDevice *device);
gboolean vb_link_is_central (VbDevice *device);
