/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Rules that make calls to org.bluez fail, and the record of those calls. */

#include "vb-world.h"

VbFaults *vb_faults_new (VbWorld *world);
void vb_faults_free (VbFaults *self);
gboolean vb_faults_inject (
    VbFaults *self, const char *method, const char *path, GVariant *options, GError **error);
void vb_faults_clear (VbFaults *self);
guint vb_faults_count_calls (VbFaults *self, const char *method);
GVariant *vb_faults_get_log (VbFaults *self);
void vb_faults_clear_log (VbFaults *self);
