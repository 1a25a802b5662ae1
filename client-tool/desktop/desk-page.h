/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

#include "desk-client.h"

G_BEGIN_DECLS

/*
 * All of one chip. While the page is on the screen it holds a claim on the chip's orientation.
 * What fails is told by the signal "failed" with a text for people.
 */
#define DESK_TYPE_PAGE (desk_page_get_type ())
G_DECLARE_FINAL_TYPE (DeskPage, desk_page, DESK, PAGE, AdwBin)

GtkWidget *desk_page_new (DeskClient *client, Core2DbusChip *chip);

/* The chip that is shown. Owned by the page. */
Core2DbusChip *desk_page_get_chip (DeskPage *self);

G_END_DECLS
