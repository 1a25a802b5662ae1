/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "ctl-client.h"

/* What core2ctl ends with; documented in core2ctl(1), so the numbers never change. */
typedef enum
{
  CTL_EXIT_OK = 0,
  CTL_EXIT_FAILED = 1,
  CTL_EXIT_USAGE = 2,
  CTL_EXIT_NO_CHIP = 3,
  CTL_EXIT_ASLEEP = 4,
  CTL_EXIT_DENIED = 5,
  CTL_EXIT_UNAVAILABLE = 6,
  CTL_EXIT_NO_DATA = 7,
  CTL_EXIT_INTERRUPTED = 130,
} CtlExit;

/* What a verb needs from main() before it runs, and how it is shown. */
typedef enum
{
  CTL_VERB_NONE = 0,
  CTL_VERB_CLIENT = 1 << 0,     /* a connection to core2d */
  CTL_VERB_CHIP = 1 << 1,       /* takes --chip */
  CTL_VERB_CHIP_ARG = 1 << 2,   /* and its only argument is the same as --chip */
  CTL_VERB_PRIVILEGED = 1 << 3, /* polkit may ask for a password */
  CTL_VERB_PASSIVE = 1 << 4,    /* does not start core2d where it was stopped */
  CTL_VERB_HIDDEN = 1 << 5,     /* for completion and tests, not in --help */
  CTL_VERB_ALL = 1 << 6,        /* has to do with all chips, even when one is named */
} CtlVerbFlags;

typedef struct _CtlVerb CtlVerb;

/* One run of a verb. The strings belong to main(). */
typedef struct
{
  const CtlVerb *verb;
  char **args; /* the arguments after the verb, without options */
  guint n_args;
  const char *chip; /* --chip, or NULL */
  gboolean json;
  CtlClient *client; /* NULL without CTL_VERB_CLIENT */
} CtlContext;

/*
 * One row of the table that main(), --help, the completion and their test share. `entries` ends
 * with an empty entry and may be NULL. `words` holds, for each argument, what completion offers:
 * words separated by '|', "@chip", "@address" or "@file"; NULL for free text.
 */
struct _CtlVerb
{
  const char *name;
  const char *args;
  const char *summary;
  const char *help;
  const GOptionEntry *entries;
  guint min_args;
  guint max_args;
  CtlVerbFlags flags;
  const char *words[2];
  gboolean (*run) (CtlContext *context, GError **error);
};

/*
 * Says on standard output what was done: @sentence, or with --json what @chip is like now. That is
 * read again, which can fail: a change may be signalled after the reply to the call that made it.
 */
gboolean ctl_print_done (CtlContext *context, Core2DbusChip *chip, const char *sentence,
                         GError **error);

/* The table, ending with a row without a name. */
extern const CtlVerb ctl_verbs[];

/* The options that every verb has, and the one of those that choose a chip. */
extern const GOptionEntry ctl_common_entries[];
extern const GOptionEntry ctl_chip_entries[];

/* The row of @name, hidden ones too; NULL when there is none. */
const CtlVerb *ctl_verb_find (const char *name);

extern const GOptionEntry ctl_scan_entries[];
extern const GOptionEntry ctl_add_entries[];
extern const GOptionEntry ctl_remove_entries[];
extern const GOptionEntry ctl_connect_entries[];
extern const GOptionEntry ctl_value_entries[];
extern const GOptionEntry ctl_watch_entries[];
extern const GOptionEntry ctl_time_entries[];
extern const GOptionEntry ctl_pair_entries[];
extern const GOptionEntry ctl_key_entries[];
extern const GOptionEntry ctl_history_entries[];
extern const GOptionEntry ctl_export_entries[];
extern const GOptionEntry ctl_metrics_entries[];
extern const GOptionEntry ctl_diagnose_entries[];

/*
 * The argument of SetDailyGoal for what was typed, floating; NULL with CTL_EXIT_USAGE when it is
 * no goal.
 */
GVariant *ctl_parse_goal (const char *text, GError **error);

/* The verbs. Each prints its answer and returns TRUE, or sets @error and returns FALSE. */
gboolean ctl_verb_status (CtlContext *context, GError **error);
gboolean ctl_verb_scan (CtlContext *context, GError **error);
gboolean ctl_verb_add (CtlContext *context, GError **error);
gboolean ctl_verb_remove (CtlContext *context, GError **error);
gboolean ctl_verb_connect (CtlContext *context, GError **error);
gboolean ctl_verb_disconnect (CtlContext *context, GError **error);
gboolean ctl_verb_today (CtlContext *context, GError **error);
gboolean ctl_verb_goal (CtlContext *context, GError **error);
gboolean ctl_verb_history (CtlContext *context, GError **error);
gboolean ctl_verb_export (CtlContext *context, GError **error);
gboolean ctl_verb_metrics (CtlContext *context, GError **error);
gboolean ctl_verb_steps (CtlContext *context, GError **error);
gboolean ctl_verb_battery (CtlContext *context, GError **error);
gboolean ctl_verb_orientation (CtlContext *context, GError **error);
gboolean ctl_verb_watch (CtlContext *context, GError **error);
gboolean ctl_verb_info (CtlContext *context, GError **error);
gboolean ctl_verb_time (CtlContext *context, GError **error);
gboolean ctl_verb_pair (CtlContext *context, GError **error);
gboolean ctl_verb_key (CtlContext *context, GError **error);
gboolean ctl_verb_set (CtlContext *context, GError **error);
gboolean ctl_verb_diagnose (CtlContext *context, GError **error);
gboolean ctl_verb_complete (CtlContext *context, GError **error);
