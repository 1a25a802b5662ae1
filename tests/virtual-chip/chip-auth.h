/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "chip-quirks.h"

/* The chip's side of the handshake that its maker calls pairing. It shares no code with core2d's
 * side. */

#define CHIP_KEY_SIZE 16

typedef struct _ChipAuth ChipAuth;

typedef struct
{
  void (*answer) (GBytes *frame, gpointer user_data); /* notify it */
  void (*drop) (gpointer user_data);                  /* drop the link */
  /* For the shake: the red LED blinks, or no longer. */
  void (*waiting) (gboolean waiting, gpointer user_data);
  void (*paired) (gpointer user_data);                /* there is a new key */
} ChipAuthEvents;

ChipAuth *chip_auth_new (const ChipQuirks *quirks, const ChipAuthEvents *events,
                         gpointer user_data);
void chip_auth_free (ChipAuth *self);
void chip_auth_write (ChipAuth *self, GBytes *frame);
void chip_auth_shake (ChipAuth *self);
void chip_auth_time_out (ChipAuth *self);
void chip_auth_link_lost (ChipAuth *self);
void chip_auth_forget_key (ChipAuth *self);
gboolean chip_auth_set_key (ChipAuth *self, GBytes *key);
GBytes *chip_auth_get_key (ChipAuth *self);
gboolean chip_auth_is_waiting (ChipAuth *self);
gboolean chip_auth_is_authenticated (ChipAuth *self);
