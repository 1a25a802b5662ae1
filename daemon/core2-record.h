/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is remembered of one chip, and its text in a file. Pure. */
#pragma once

#include "core2-address.h"
#include "core2-steps.h"

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  CORE2_SIDE_UNKNOWN,
  CORE2_SIDE_LEFT,
  CORE2_SIDE_RIGHT,
} Core2Side;

/* "unknown", "left" or "right"; static. */
const char *core2_side_get_name (Core2Side side);

/* The inverse, case-sensitive. FALSE and @side untouched when @name is NULL or no side. */
gboolean core2_side_from_name (const char *name, Core2Side *side);

/* Times are microseconds since 1970 UTC, 0 = never. */
typedef struct
{
  char address[CORE2_ADDRESS_TEXT_SIZE]; /* upper case, with colons */
  char *name;                            /* the chip's own; never NULL, may be empty; valid UTF-8 */
  char *alias;                           /* what people call it, likewise */
  Core2Side side;
  gboolean auto_connect;
  guint32 daily_goal; /* steps; 0 = none */
  guint64 added;
  guint64 last_seen;
  guint64 last_connected;
  guint8 battery; /* percent at the last good read, 255 = never */
  guint64 battery_updated;
  Core2StepsState steps;
} Core2ChipRecord;

/* A chip that was just added: no names, side unknown, auto-connect on, nothing measured. @address
 * as in Core2ChipRecord. Free with core2_chip_record_free(). */
Core2ChipRecord *core2_chip_record_new (const char *address);
void core2_chip_record_free (Core2ChipRecord *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Core2ChipRecord, core2_chip_record_free)

/* Why a text was refused. */
typedef enum
{
  CORE2_RECORD_OK,
  CORE2_RECORD_DAMAGED, /* cut off, changed, or not ours */
  CORE2_RECORD_NEWER,   /* intact, but of a version of core2d that knows more */
} Core2RecordResult;

/* The text of a record: a key file, and in its last line a checksum of all before, so that a text
 * which lost its end or had a byte changed is never taken for a smaller number of steps. Owned by
 * the caller. */
char *core2_chip_record_to_text (const Core2ChipRecord *self);

/* Reads @size bytes of text. *@record (the caller's) and, for anything but CORE2_RECORD_OK,
 * *@reason (the caller's, for the log) are set; the other is untouched. */
Core2RecordResult core2_chip_record_from_text (const char *text, gsize size,
                                               Core2ChipRecord **record, char **reason);

/* The part of a record that counts, as a text of its own with a checksum. Owned by the caller. */
char *core2_steps_state_to_text (const Core2StepsState *self);

/* The inverse. FALSE, with *@reason (the caller's, for the log) and @state untouched, for a text that is
 * damaged, or NULL. */
gboolean core2_steps_state_from_text (const char *text, Core2StepsState *state, char **reason);

G_END_DECLS
