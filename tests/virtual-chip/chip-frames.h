/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "chip-model.h"

/* What the chip puts on the air, byte by byte. Pure. Nothing here comes from core2d: the two meet
 * at the protocol. All functions that return GBytes give full ownership. */

#define CHIP_STEPS_RUNNING 0x01
#define CHIP_STEPS_WALKING 0x02
#define CHIP_STEPS_DISTANCE 0x04
#define CHIP_STEPS_ENERGY 0x08

#define CHIP_TIME_SIZE 11

/* [FAMILY] At most so many minutes fit one packet of the history. */
#define CHIP_MINUTES_A_PACKET 4

gboolean chip_clock_text_parse (const char *text, gint64 *clock);

GBytes *chip_frame_resize (GBytes *frame, gsize size);
GBytes *chip_frame_steps (const ChipCounters *counters, guint8 flags);
GBytes *chip_frame_orientation (guint16 x, guint16 y);
GBytes *chip_frame_time (gint64 clock, gint8 quarters);
gboolean chip_frame_parse_time (GBytes *frame, gint64 *clock, gint8 *quarters);
gboolean chip_frame_parse_history_start (GBytes *frame, gint64 *clock);
GBytes *chip_frame_history_header (guint32 n_minutes, gint64 first_clock, gint8 quarters);
GBytes *chip_frame_history_packet (guint8 number, const ChipMinute *minutes, gsize n);
GBytes *chip_frame_manufacturer_data (const char *address, gboolean brief);
GBytes *chip_frame_system_id (const char *address);
