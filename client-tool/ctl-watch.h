/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl-format.h"
#include "ctl-output.h"

/* What `core2ctl watch` tells about. */
typedef enum
{
  CTL_EVENT_CHIP,  /* a chip is there: at the start, when added, after a restart of core2d */
  CTL_EVENT_GONE,  /* it was removed */
  CTL_EVENT_STATE, /* State or StatusText changed */
  CTL_EVENT_STEPS,
  CTL_EVENT_BATTERY,
  CTL_EVENT_ORIENTATION,
  CTL_EVENT_RESET,       /* the chip's own counter started again */
  CTL_EVENT_DAEMON_GONE, /* core2d has left the bus */
  CTL_EVENT_DAEMON_BACK,
} CtlEventKind;

typedef struct
{
  CtlEventKind kind;
  guint64 time;           /* microseconds since 1970 UTC */
  Core2DbusChip *chip;    /* NULL for events of core2d itself */
  guint32 steps;          /* STEPS: the chip's counter; RESET: the one before */
  guint32 change;         /* STEPS: made since the last event; RESET: the counter after */
  guint16 x, y;           /* ORIENTATION */
  const char *reason;     /* RESET */
} CtlEvent;

/* Print @event on one line. Return FALSE when the reader of standard output has gone. */
gboolean ctl_watch_print_text (const CtlEvent *event);
gboolean ctl_watch_print_json (const CtlEvent *event);

/* One chip in the live view. The proxy is owned by whoever made the array. */
typedef struct
{
  Core2DbusChip *chip;
  CtlSeries series;
  guint largest; /* the largest value of the orientation that was seen, for the dial's scale */
} CtlWatchChip;

/*
 * The live view of @chips (of CtlWatchChip *) at time @now (microseconds since 1970 UTC) as at
 * most @height lines of at most @width columns, joined by '\n'. @notice is one line on top or
 * NULL. Owned by the caller.
 */
char *ctl_watch_render (GPtrArray *chips, const char *notice, guint64 now, guint width,
                        guint height, gboolean utf8);
