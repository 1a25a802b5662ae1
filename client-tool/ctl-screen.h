/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * The whole terminal for a live view: alternate screen, no cursor, no echo, keys at once. The
 * terminal is as before after ctl_screen_free(), also with its scroll-back.
 */
typedef struct _CtlScreen CtlScreen;

/*
 * Takes the terminal on standard input and output. @on_resize is called when its size changed,
 * @on_quit at the key q. Returns NULL when there is no terminal.
 */
CtlScreen *ctl_screen_new (void (*on_resize) (gpointer), void (*on_quit) (gpointer),
                           gpointer user_data);
void ctl_screen_free (CtlScreen *self);

/* The size in characters, 80 x 24 where the terminal does not tell. */
void ctl_screen_get_size (CtlScreen *self, guint *width, guint *height);

/*
 * Shows @text (lines joined by '\n') in place of what was there. FALSE when the terminal has
 * gone.
 */
gboolean ctl_screen_draw (CtlScreen *self, const char *text);
