/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

#include "desk-client.h"

G_BEGIN_DECLS

/* Looks for chips that are awake and near, and adds the one that is chosen. */
#define DESK_TYPE_ADD (desk_add_get_type ())
G_DECLARE_FINAL_TYPE (DeskAdd, desk_add, DESK, ADD, AdwWindow)

GtkWidget *desk_add_new (GtkWindow *parent, DeskClient *client);

G_END_DECLS
