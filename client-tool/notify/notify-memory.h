/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "notify-rules.h"

/*
 * What the user has been told of each chip, in a key file, so that a restart tells nothing twice:
 * $XDG_STATE_HOME/core2-notify/told, a group for each address.
 */
typedef struct NotifyMemory NotifyMemory;

/* Reads the file at @path. One that is missing or damaged is as an empty one; damage is logged. */
NotifyMemory *notify_memory_new (const char *path);
void notify_memory_free (NotifyMemory *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NotifyMemory, notify_memory_free)

/* What was told of the chip with @address; all zero when nothing. */
NotifyTold notify_memory_get (NotifyMemory *self, const char *address);

/* Remembers @told and writes the file, when it differs. What can't be written is logged, and
 * remembered until the program ends. */
void notify_memory_set (NotifyMemory *self, const char *address, const NotifyTold *told);
