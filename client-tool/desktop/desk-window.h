/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

#include "desk-client.h"

G_BEGIN_DECLS

/* The main window: the list of chips, the page of the selected one, and what is wrong when there
 * is nothing to show. */
#define DESK_TYPE_WINDOW (desk_window_get_type ())
G_DECLARE_FINAL_TYPE (DeskWindow, desk_window, DESK, WINDOW, AdwApplicationWindow)

GtkWindow *desk_window_new (AdwApplication *application, DeskClient *client);

G_END_DECLS
