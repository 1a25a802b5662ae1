/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core2-dbus.h"

/*
 * What is known of @chips (of Core2DbusChip *) as OpenMetrics text, with core2d's @version and
 * AdapterState. What is not known is left out. Owned by the caller.
 */
char *ctl_metrics_format (GPtrArray *chips, const char *version, const char *adapter_state);
