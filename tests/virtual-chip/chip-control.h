/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "chip.h"

/* The D-Bus interface org.example.VirtualChip1 on one chip. */

#define CHIP_CONTROL_NAME "org.example.VirtualChip"
#define CHIP_CONTROL_PATH "/org/example/VirtualChip"

typedef struct _ChipControl ChipControl;

ChipControl *chip_control_new (Chip *chip, GDBusObjectManagerServer *objects);
void chip_control_free (ChipControl *self);
