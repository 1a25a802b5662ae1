/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/*
 * Reads a key from @file, or from standard input when it is "-", as ctl_parse_key() takes it.
 * Returns a floating `ay` of 16 bytes, or NULL with CTL_EXIT_USAGE.
 */
GVariant *ctl_key_read (const char *file, GError **error);
