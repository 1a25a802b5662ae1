/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is measured of all chips, as of this moment, in one file: STATE/chips/live.
 *
 * A record is written durably by itself, which is too slow for every step, and for every chip that
 * walks. This file is written before a value is published: one write into the page cache, which a
 * SIGKILL of core2d cannot take back. core2_live_sync() makes it durable, for all chips at once.
 *
 * Two slots of a fixed size are a chip's, each with a checksum and the number of the syncs before it.
 * The one that holds the chip's values as of the last sync is not touched before the next one. So of
 * what a power cut leaves, the newer slot that is whole counts, and that is as new as the last sync.
 * Slots are reused.
 *
 * Slots are memory of this build on this machine. Those of the format before are taken over; another
 * one is not understood, and the file begins anew: then records count, which may be old, and the
 * history. So a change of what is in a slot needs a new format, and code to read this one. */
#pragma once

#include "core2-record.h"
#include "core2-state-dir.h"

G_BEGIN_DECLS

typedef struct Core2Live Core2Live;

/* Opens the file in @dir or makes it; one that cannot be used is set aside. NULL with @error
 * (CORE2_ERROR_STORAGE) when there can be none: a full disk or a read-only one. @dir must outlive it. */
Core2Live *core2_live_open (Core2StateDir *dir, GError **error);
void core2_live_free (Core2Live *self);

/* Takes over into @record what is newer than it: steps, battery, when it was seen and connected. */
void core2_live_restore (Core2Live *self, Core2ChipRecord *record);

/* Writes these values of @record. FALSE with @error (CORE2_ERROR_STORAGE) when the file cannot hold
 * them. */
gboolean core2_live_write (Core2Live *self, const Core2ChipRecord *record, GError **error);

/* Waits until the disk has all that was written. FALSE with @error (CORE2_ERROR_STORAGE) when it
 * fails: then nothing that was written since the last sync is certain, not even after a later one,
 * unless it is written again. */
gboolean core2_live_sync (Core2Live *self, GError **error);

/* Frees the slot of a chip; none is no error. */
void core2_live_remove (Core2Live *self, const char *address);

G_END_DECLS
