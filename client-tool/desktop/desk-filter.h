/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

#include "desk-client.h"

G_BEGIN_DECLS

/*
 * The chips of @client that were added, or with @remembered FALSE those that were only seen; by
 * side, then by title as they were when they came in. Owned by the caller.
 */
GListModel *desk_filter_new (DeskClient *client, gboolean remembered);

G_END_DECLS
