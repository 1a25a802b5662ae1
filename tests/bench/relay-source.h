/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bluetoothd of relay-source: an adapter, and chips that are connected already. */
#pragma once

#include "relay-common.h"

#include <systemd/sd-bus.h>

G_BEGIN_DECLS

typedef struct FakeBluez FakeBluez;

/* Connects to the system bus and takes the name org.bluez. Its messages are handled when the caller processes
 * its bus. A negative errno when it cannot. Lives until the program ends. */
int fake_bluez_new (guint chips, FakeBluez **self);
sd_bus *fake_bluez_get_bus (FakeBluez *self);

/* Whether somebody has subscribed to @input of every chip. */
gboolean fake_bluez_is_subscribed (const FakeBluez *self, RelayInput input);

/* The chip makes a step, or tilts. Returns the counter or x, which differs from the last one. */
guint32 fake_bluez_advance (FakeBluez *self, guint chip, RelayInput input);

/* Sends the chip's value: as a signal, or through AcquireNotify's descriptor. A negative errno on failure. */
int fake_bluez_notify (FakeBluez *self, guint chip, RelayInput input);

G_END_DECLS
