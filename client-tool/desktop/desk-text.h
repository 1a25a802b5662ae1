/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core2-dbus.h"

G_BEGIN_DECLS

/* What people read of a chip. All strings are the caller's. */

/* Its alias, "Left chip", or its name. */
char *desk_text_title (Core2DbusChip *chip);

/* Its state: StatusText with a capital letter. */
char *desk_text_status (Core2DbusChip *chip);

/* "62 %", "62 % (old value)", "Unknown". */
char *desk_text_battery (Core2DbusChip *chip);

/* Icon for the battery, of the icon theme. Not freed by the caller. */
const char *desk_text_battery_icon (Core2DbusChip *chip);

/* @number with the separators of the user's locale. */
char *desk_text_number (guint64 number);

/* The message of @error without the D-Bus name, with a capital letter. */
char *desk_text_error (const GError *error);

G_END_DECLS
