/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A folder of small private files that are replaced whole: safe against crashes, full disks and
 * whatever else was put there. Names are names in the folder, without slashes. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct Core2StateDir Core2StateDir;

/* Opens PARENT/NAME, mode 0700, which is made when missing; a wrong mode is corrected. A symbolic
 * link in its place is refused. NULL with @error (CORE2_ERROR_STORAGE) when it cannot be used. */
Core2StateDir *core2_state_dir_open (const char *parent, const char *name, GError **error);
void core2_state_dir_free (Core2StateDir *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Core2StateDir, core2_state_dir_free)

typedef enum
{
  CORE2_READ_OK,
  CORE2_READ_MISSING,
  CORE2_READ_DAMAGED, /* no regular file, or too large */
  CORE2_READ_FAILED,  /* an error that may pass */
} Core2ReadResult;

/* Reads a whole file into @buffer of @capacity bytes; more bytes than that are DAMAGED. A wrong
 * mode is corrected to 0600. Sets *@size, or *@reason (the caller's, text for the log) when not
 * OK. Nothing but @buffer holds the content. */
Core2ReadResult core2_state_dir_read (Core2StateDir *self, const char *name, void *buffer,
                                      gsize capacity, gsize *size, char **reason);

/* Replaces or makes a file, mode 0600, atomic and durable; blocks for the disk. On an error the
 * old file is intact. @content is not copied. */
gboolean core2_state_dir_write (Core2StateDir *self, const char *name, const void *content,
                                gsize size, GError **error);

/* Renames over whatever @to was, durable (a disk that fails at that is only logged). Sets *@missing instead of an error when there is no
 * @from. */
gboolean core2_state_dir_rename (Core2StateDir *self, const char *from, const char *to,
                                 gboolean *missing, GError **error);

/* Removes a file, durable as above; one that is not there is no error. */
gboolean core2_state_dir_remove (Core2StateDir *self, const char *name, GError **error);

/* Opens a file for reading and writing in place, mode 0600, which is made when missing. What is no
 * regular file is set aside. The descriptor is the caller's; -1 with @error. */
int core2_state_dir_open_file (Core2StateDir *self, const char *name, GError **error);

/* Makes the names in the folder durable. A disk that fails at that is only logged. */
void core2_state_dir_sync (Core2StateDir *self);

/* Whether something with that name exists. */
gboolean core2_state_dir_has (Core2StateDir *self, const char *name);

/* Renames NAME to NAME.bad and logs one warning with @reason. */
void core2_state_dir_set_aside (Core2StateDir *self, const char *name, const char *reason);

/* The names of all files that end in @suffix, sorted: a GPtrArray of char*, the caller's. */
GPtrArray *core2_state_dir_list (Core2StateDir *self, const char *suffix, GError **error);

/* Removes what a crash left of core2_state_dir_write(). */
void core2_state_dir_sweep (Core2StateDir *self);

G_END_DECLS
