/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core2-record.h"

G_BEGIN_DECLS

/*
 * What core2d remembers of each chip over restarts.
 *
 *   STATE/chips/F1_4F_BB_6A_B5_79.conf      a key file: everything but the secret; what was measured, as it
 *                                           was when anything else changed
 *   STATE/chips/live                        what was measured of all chips since (core2-live.h)
 *   STATE/keys/F1_4F_BB_6A_B5_79.key        the pairing key, 16 raw bytes
 *   STATE/keys/F1_4F_BB_6A_B5_79.pending    the key of a pairing that is not confirmed yet
 *   STATE/keys/F1_4F_BB_6A_B5_79.new        a key whose record is being saved; gone after a start
 *
 * Folders are 0700, files 0600. Every change is atomic and durable: a new file is written, synced
 * and renamed over the old one, and the folder is synced, so after a crash or power cut at any
 * point a file has its old or its new content, and what was acknowledged is there. That takes some
 * milliseconds on a disk, in the calling thread: save at changes of state, not at every step, and not
 * for every chip that walks. Only chips/live is written in place.
 *
 * A file that cannot be understood is renamed to NAME.bad, with one log line, and that chip alone
 * is not remembered. Symbolic links are not followed; folders, devices and files above 64 KiB are
 * refused.
 *
 * All @error are of CORE2_ERROR with code CORE2_ERROR_STORAGE unless said.
 */
typedef struct Core2Store Core2Store;

#define CORE2_KEY_SIZE 16

/*
 * Opens the state in @directory, which is made when it is missing (its parent must exist). The
 * folders chips and keys in it are made or get their mode back; @directory itself is taken as it
 * is. Removes temporary files that a crash left behind. Returns NULL with @error when it cannot be
 * used.
 */
Core2Store *core2_store_open (const char *directory, GError **error);
void core2_store_free (Core2Store *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Core2Store, core2_store_free)

/* The folder given to core2_store_open(), for what others keep there (history). */
const char *core2_store_get_directory (const Core2Store *self);

/*
 * All remembered chips in the order of their addresses: a GPtrArray of Core2ChipRecord that frees
 * them, the caller's. Damaged files are set aside. A file that cannot be read now (an I/O error)
 * or is of a newer version of core2d is left as it is: its chip is not in the list, and
 * core2_store_save() for it fails, until core2_store_remove(). NULL with @error when the folder
 * cannot be read.
 */
GPtrArray *core2_store_load_all (Core2Store *self, GError **error);

/* Writes one record. On failure the old file is intact. */
gboolean core2_store_save (Core2Store *self, const Core2ChipRecord *record, GError **error);

/*
 * Keeps the measured values of @record over a SIGKILL of core2d: quick, for every step, and durable with the
 * next core2_store_sync(). They are newer than the record on disk and come back with
 * core2_store_load_all(). On failure only core2_store_save() keeps them.
 */
gboolean core2_store_note (Core2Store *self, const Core2ChipRecord *record, GError **error);

/*
 * Makes durable what was noted of all chips; waits once for the disk. On failure all that was noted, since
 * the last record of its chip, is to be saved with core2_store_save(): the disk may have none of it.
 */
gboolean core2_store_sync (Core2Store *self, GError **error);

/*
 * Writes a record and the key of its chip: both, or neither. On failure, and over a crash, both old files, or
 * their absence, are as before.
 */
gboolean core2_store_save_with_key (Core2Store *self, const Core2ChipRecord *record,
                                    const guint8 key[CORE2_KEY_SIZE], GError **error);

/*
 * Forgets a chip: its record, key and pending key. What does not exist is no error. All
 * or nothing, also over a crash: what is left of the files goes at the next start.
 */
gboolean core2_store_remove (Core2Store *self, const char *address, GError **error);

/*
 * Copies the key of a chip to @key, which the caller wipes with explicit_bzero() after use. FALSE
 * with @error CORE2_ERROR_NOT_PAIRED when there is none, CORE2_ERROR_STORAGE when it cannot be
 * read; a file of another size than 16 bytes is set aside as *.bad and counts as none.
 */
gboolean core2_store_get_key (Core2Store *self, const char *address, guint8 key[CORE2_KEY_SIZE],
                              GError **error);

/* Whether a key is stored, without reading it. */
gboolean core2_store_has_key (Core2Store *self, const char *address);

/*
 * Pairing. The new key is written as pending BEFORE the chip gets it, and becomes the key only
 * when the chip has confirmed it. Between the two nobody knows which of the keys the chip has, and
 * both are on disk: after a crash try the pending one first, and commit it or discard it by the
 * chip's answer.
 */
gboolean core2_store_set_pending_key (Core2Store *self, const char *address,
                                      const guint8 key[CORE2_KEY_SIZE], GError **error);

/* As core2_store_get_key(), for the pending key. */
gboolean core2_store_get_pending_key (Core2Store *self, const char *address,
                                      guint8 key[CORE2_KEY_SIZE], GError **error);

/* Whether a pending key is stored. */
gboolean core2_store_has_pending_key (Core2Store *self, const char *address);

/* The pending key becomes the key, in one rename. CORE2_ERROR_NOT_PAIRED when none is pending. */
gboolean core2_store_commit_pending_key (Core2Store *self, const char *address, GError **error);

/* Drops the pending key; none is no error. */
gboolean core2_store_discard_pending_key (Core2Store *self, const char *address, GError **error);

G_END_DECLS
