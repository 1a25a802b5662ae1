/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is measured of all chips, as of this moment, in one file: STATE/chips/live.
 *
 * A record is written durably, which is too slow for every step, so it may be half a minute old. This
 * file is written before a value is published and is not synced: one write into the page cache, which
 * a SIGKILL of core2d cannot take back. After a power cut it may be old or torn; then the record counts.
 *
 * Slots of a fixed size hold one chip each, with a checksum, and are reused. The format is that of
 * this build on this machine; another one is not understood, and the file begins anew. */
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

/* Frees the slot of a chip; none is no error. */
void core2_live_remove (Core2Live *self, const char *address);

G_END_DECLS
