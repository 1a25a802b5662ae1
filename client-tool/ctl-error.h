/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "ctl.h"

/* Errors that core2ctl itself makes; the code is the CtlExit that the program ends with. */
#define CTL_ERROR (ctl_error_quark ())
GQuark ctl_error_quark (void);

/* The exit code that documents @error. */
CtlExit ctl_error_get_exit (const GError *error);

/*
 * The D-Bus name of @error without its prefix ("Asleep"), or a word for an error of core2ctl's
 * own. Owned by the caller.
 */
char *ctl_error_dup_name (const GError *error);

/* The message of @error for people: without the D-Bus name in front. Owned by the caller. */
char *ctl_error_dup_message (const GError *error);

/* What to do next, or NULL when nothing helps. Lives as long as @error. */
const char *ctl_error_get_advice (const GError *error);

/* Whether @error is the D-Bus error org.example.Core2.Error.@name. */
gboolean ctl_error_is (const GError *error, const char *name);
