/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define CORE2_RFKILL_DIRECTORY "/sys/class/rfkill"

/* Whether the switches in @directory (CORE2_RFKILL_DIRECTORY) block the Bluetooth adapter @adapter, such as "hci0",
 * by software or by a switch on the case. FALSE when that cannot be known. Reads a few bytes of sysfs, which
 * never wait. */
gboolean core2_rfkill_is_blocked (const char *directory, const char *adapter);

G_END_DECLS
