/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A store as a core2d that starts finds it. */
#pragma once

#include "core2-store.h"

/* Closes @store, if there is one, and opens that in the folder @root. */
static inline void
reopen_store (Core2Store **store, const char *root)
{
  g_autoptr (GError) error = NULL;

  g_clear_pointer (store, core2_store_free);
  *store = core2_store_open (root, &error);
  g_assert_no_error (error);
}
