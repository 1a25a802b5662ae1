/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdio.h>

/*
 * Output that appears whole or not at all: it is collected in a temporary file, and comes to its
 * place at the end. A reader of the place sees the old content or the new one.
 */
typedef struct _CtlFile CtlFile;

/*
 * @path: the file to replace; NULL or "-" for standard output. What is no regular file, such as
 * a pipe, is written to. Fails with G_FILE_ERROR.
 */
CtlFile *ctl_file_new (const char *path, GError **error);

/* Drops what was written, unless it was committed. */
void ctl_file_free (CtlFile *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CtlFile, ctl_file_free)

/* Where to write; owned by @self. */
FILE *ctl_file_get_stream (CtlFile *self);

/* Whether what is written goes to a terminal in the end. */
gboolean ctl_file_is_terminal (CtlFile *self);

/*
 * Puts what was written in its place, once; on a disk it is there to stay when this returns.
 * Returns FALSE with G_FILE_ERROR when that fails, or something before did.
 */
gboolean ctl_file_commit (CtlFile *self, GError **error);
