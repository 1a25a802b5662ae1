/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl-output.h"

/*
 * What a chip's properties say, in words. Strings returned are owned by the caller; `now` is in
 * microseconds since 1970 UTC.
 */

/* The state in a few words, the daemon's StatusText where it gives one. */
char *ctl_text_state (Core2DbusChip *chip);

/* "4213 today, 42 % of 10000; 87 a minute", or that nothing was counted yet. */
char *ctl_text_steps (Core2DbusChip *chip);

/* "62 %", with the age where the value is not current, or why there is none. */
char *ctl_text_battery (Core2DbusChip *chip, guint64 now);

/* "x 512  y 1023 (raw), 3 s ago", or that there is none. */
char *ctl_text_orientation (Core2DbusChip *chip, guint64 now);

/* Prints the line that begins a block about @chip on standard output. */
void ctl_text_print_heading (Core2DbusChip *chip);

/* Adds everything that org.example.Core2 tells about @chip to the object that @builder is in. */
void ctl_json_add_chip (JsonBuilder *builder, Core2DbusChip *chip);

/* Whether --fresh was given to a verb that takes ctl_value_entries. */
gboolean ctl_values_fresh (void);
