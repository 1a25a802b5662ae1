/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>
#include <stdio.h>

#include "ctl-client.h"

typedef enum
{
  CTL_STYLE_NONE,
  CTL_STYLE_BOLD,
  CTL_STYLE_DIM,
  CTL_STYLE_GOOD,
  CTL_STYLE_WARN,
  CTL_STYLE_BAD,
} CtlStyle;

/*
 * The escape sequence of @style, or "" when @stream is no terminal, NO_COLOR is set and not
 * empty, or TERM is dumb. CTL_STYLE_NONE ends a style. Static.
 */
const char *ctl_style (FILE *stream, CtlStyle style);

/* Whether @stream is a terminal that understands escape sequences. */
gboolean ctl_is_terminal (FILE *stream);

/*
 * The columns of the terminal that standard output is, or what COLUMNS says, or 80.
 */
guint ctl_terminal_width (void);

/* Whether the locale's character set is UTF-8. */
gboolean ctl_is_utf8 (void);

/* The colour that goes with a chip's state. */
CtlStyle ctl_chip_get_style (Core2DbusChip *chip);

/* Prints one line "  label   text" with the text aligned. */
void ctl_print_row (const char *label, const char *format, ...) G_GNUC_PRINTF (2, 3);

/*
 * Shows @text as the one line of progress on standard error, replacing the one before; nothing
 * when that is no terminal. Every progress must be ended by ctl_progress_end() before other
 * output.
 */
void ctl_progress_show (const char *text);
void ctl_progress_end (void);

/*
 * Prints an error for people on standard error, with what to do next; with @json also as an
 * object on standard output.
 */
void ctl_print_error (const GError *error, gboolean json);

/* The current time, microseconds since 1970 UTC. */
guint64 ctl_now (void);

/*
 * JSON. Members whose value is unknown are null, times are ISO 8601 in UTC. `builder` must be
 * inside an object.
 */
void ctl_json_add_string (JsonBuilder *builder, const char *name, const char *value);
void ctl_json_add_uint (JsonBuilder *builder, const char *name, gboolean known, guint64 value);
void ctl_json_add_bool (JsonBuilder *builder, const char *name, gboolean value);
void ctl_json_add_time (JsonBuilder *builder, const char *name, guint64 time);

/* Adds address, alias and side: what every object about one chip begins with. */
void ctl_json_add_identity (JsonBuilder *builder, Core2DbusChip *chip);
void ctl_json_add_steps (JsonBuilder *builder, Core2DbusChip *chip);
void ctl_json_add_battery (JsonBuilder *builder, Core2DbusChip *chip);
void ctl_json_add_orientation (JsonBuilder *builder, Core2DbusChip *chip);
/* Adds name, connection and pairing of @chip. */
void ctl_json_add_connection (JsonBuilder *builder, Core2DbusChip *chip);

/*
 * Prints what @builder holds: over several lines, or with @compact on one. Returns FALSE when the
 * reader of standard output has gone.
 */
gboolean ctl_json_print (JsonBuilder *builder, gboolean compact);
