/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing to a descriptor that a client gave us, and that is therefore not to be trusted: it never makes
 * us wait, whatever the client does with its own copy meanwhile. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct Core2Output Core2Output;

/* Takes a copy of @fd: the writing end of a pipe, a stream socket, or a regular file on a local file
 * system. Anything else is CORE2_ERROR_INVALID_ARGUMENTS: not open for writing, a folder, a terminal or another device (they
 * can be stopped while one writes), and files of FUSE and of networks (their server can let one wait). */
Core2Output *core2_output_new (int fd, GError **error);
void core2_output_free (Core2Output *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Core2Output, core2_output_free)

/* Writes what there is room for, and sets *@written to that, 0 when there is none. FALSE with @error when
 * nothing can be written any more: the reader has gone, or the disk is full. */
gboolean core2_output_write (Core2Output *self, const void *data, gsize size, gsize *written,
                             GError **error);

/* Whether something of what was written is still on its way: call core2_output_write() again, with or
 * without data. */
gboolean core2_output_is_busy (const Core2Output *self);

/* How many bytes have gone out so far: of a pipe, what its reader got room for. */
guint64 core2_output_get_taken (const Core2Output *self);

/* The descriptor to wait for with G_IO_OUT, or -1 for a file, which always has room. */
int core2_output_get_poll_fd (const Core2Output *self);

G_END_DECLS
