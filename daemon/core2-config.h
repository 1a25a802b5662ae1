/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdio.h>

G_BEGIN_DECLS

/*
 * The configuration. Every option has a default that suits, so an empty or missing file is the
 * ordinary case. `core2d --print-config` prints all options with what they mean.
 *
 * Plain data without pointers: copy it by assignment.
 */
typedef struct
{
  /* [Days] */
  guint day_start; /* minutes after local midnight at which a day begins, 0 to 1439 */

  /* [Link] all in seconds */
  guint connect_timeout; /* until a call of BlueZ's Connect is given up */
  guint request_timeout; /* until a read, write or subscription is given up */
  guint ready_timeout;   /* from connected to ready */
  guint backoff_max;     /* longest pause between two attempts to connect */

  /* [Scan] */
  guint scan_timeout; /* seconds, when the caller names none */
  guint scan_forget;  /* seconds after which a chip that was only seen in a scan goes */

  /* [Orientation] */
  guint orientation_min_interval; /* milliseconds between two requests to one chip */

  /* [Steps] */
  guint steps_max_signals; /* StepsChanged a second and chip; more are merged */

  /* [Battery] */
  guint battery_interval; /* minutes between two reads while connected */

  /* [History] */
  guint history_retention; /* days for which samples are kept */
  guint history_fetch;     /* 1: ask the chip for its memory of the minutes after an absence */

  /* [Pairing] */
  guint pairing_preamble; /* 1: send the preamble of the 2020 library first; 0: do not */
} Core2Config;

/* Sets every option to its default. */
void core2_config_init (Core2Config *self);

/*
 * Reads the configuration.
 *
 * With @path NULL: the first of core2d.conf in /etc/core2d, /run/core2d, /usr/lib/core2d that exists
 * (none is fine), then core2d.conf.d/NAME.conf of all three in the order of their names, where of
 * two with the same name the one in the earlier folder counts.
 * With @path: that file, which must exist, and then @path.d/NAME.conf.
 *
 * A later file overrides an earlier one option by option. Unknown groups and options are warned about with file and
 * line, and ignored. A file that cannot be read or parsed or a bad value is an error (@error: CORE2_ERROR_INVALID_ARGUMENTS,
 * message with file, line and reason), and @self is left as it was.
 */
gboolean core2_config_load (Core2Config *self, const char *path, GError **error);

/*
 * As core2_config_load() with NULL, with other folders: @directories is a NULL-terminated list, the
 * most important one first.
 */
gboolean core2_config_load_directories (Core2Config *self, const char *const *directories,
                                        GError **error);

/*
 * Applies the contents of one file to @self, which may be changed in part when it fails. @text has @size
 * bytes, which may be any, and a NUL behind them. @path is for messages.
 */
gboolean core2_config_apply_text (Core2Config *self, const char *path, const char *text,
                                  gsize size, GError **error);

/*
 * Prints @self in the format of the file, each option with its documentation as a comment. What it prints
 * can be read back.
 */
void core2_config_print (const Core2Config *self, FILE *stream);

G_END_DECLS
