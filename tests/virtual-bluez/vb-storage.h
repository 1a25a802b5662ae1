/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What bluetoothd remembers over a restart: a key file for each permanent device,
 * DIRECTORY/ADAPTER/DEVICE/info, as in /var/lib/bluetooth. Without a directory nothing is
 * remembered.
 */

#include "vb-device.h"

void vb_storage_load (VbAdapter *adapter);
void vb_storage_save (VbDevice *device);
void vb_storage_forget (VbDevice *device);
