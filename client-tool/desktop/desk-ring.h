/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* A ring that closes as the steps of a day come near the goal, with the number inside. */
#define DESK_TYPE_RING (desk_ring_get_type ())
G_DECLARE_FINAL_TYPE (DeskRing, desk_ring, DESK, RING, GtkWidget)

GtkWidget *desk_ring_new (void);

/* @steps of today; @goal of a day, 0: none, then the ring stays empty. */
void desk_ring_set_steps (DeskRing *self, guint steps, guint goal);

G_END_DECLS
