/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bluetooth device addresses: 48-bit numbers, their text and their D-Bus path element. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Size of "F1:4F:BB:6A:B5:79" with its final NUL; a path element has the same size. */
#define CORE2_ADDRESS_TEXT_SIZE 18

/* Parses "aa:bb:cc:dd:ee:ff" in any case. The first two digits are the most significant byte of
 * @address. Returns FALSE, and leaves @address alone, for anything else: other separators, spaces,
 * a wrong length, NULL. */
gboolean core2_address_parse (const char *text, guint64 *address);

/* The same for the element of an object path, "F1_4F_BB_6A_B5_79", in any case. */
gboolean core2_address_parse_path_element (const char *element, guint64 *address);

/* Writes the address as "F1:4F:BB:6A:B5:79", always in upper case. Bits above 48 are ignored. */
void core2_address_format (guint64 address, char text[CORE2_ADDRESS_TEXT_SIZE]);

/* Writes the address as the element of an object path, "F1_4F_BB_6A_B5_79". */
void core2_address_format_path_element (guint64 address, char element[CORE2_ADDRESS_TEXT_SIZE]);

/* Brings an address in any case into its one form, upper case. Returns FALSE, and leaves
 * @normal alone, when @text is no address. @text and @normal may be the same buffer. */
gboolean core2_address_normalise (const char *text, char normal[CORE2_ADDRESS_TEXT_SIZE]);

G_END_DECLS
