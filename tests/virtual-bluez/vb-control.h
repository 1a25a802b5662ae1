/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.example.VirtualBluez1, documented in its XML: faults and facts for tests. */

#include "vb-world.h"
#include "virtual-bluez-dbus.h"

#define VB_CONTROL_NAME "org.example.VirtualBluez"
#define VB_CONTROL_PATH "/org/example/VirtualBluez"

typedef struct _VbControl VbControl;

struct _VbControl
{
  VbWorld *world;
  VirtualBluezControl *skeleton;
  GPtrArray *floods; /* of vb-control-signals.c */
};

VbControl *vb_control_new (VbWorld *world);
void vb_control_free (VbControl *self);

VbAdapter *
vb_control_find_adapter (VbControl *self, GDBusMethodInvocation *invocation, const char *path);
void vb_control_invalid (GDBusMethodInvocation *invocation, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

void vb_control_connect_devices (VbControl *self);
void vb_control_connect_signals (VbControl *self);
void vb_control_dispose_signals (VbControl *self);
