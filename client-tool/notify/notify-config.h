/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What the user wants to be told of; all on by default. */
typedef struct
{
  gboolean battery;
  gboolean goal;
  gboolean key;
} NotifyConfig;

/*
 * Reads the key file at @path, or with NULL the first core2-notify.conf of $XDG_CONFIG_HOME and
 * $XDG_CONFIG_DIRS; without one everything is on. Fails on a file that is no key file and on a
 * value that is neither true nor false; a group or key that nobody knows is logged.
 */
gboolean notify_config_read (NotifyConfig *self, const char *path, GError **error);
