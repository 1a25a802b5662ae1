/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-callers.h"

#include "core2-error.h"

struct Core2Callers
{
  GHashTable *waiting;           /* unique name -> number of requests, never 0 */
  guint total;
  sd_bus_slot *filter;
};

static guint
count_of (Core2Callers *self, const char *name)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (self->waiting, name));
}

static void
refuse (sd_bus_message *message, const char *text)
{
  sd_bus_reply_method_errorf (message, core2_error_get_name (CORE2_ERROR_RATE_LIMITED), "%s", text);
}

/* Returns 1 for a call that was refused, 0 for all that may go on to the objects. */
static int
on_message (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  Core2Callers *self = user_data;
  const char *sender;

  if (self->total == 0 || sd_bus_message_is_method_call (message, NULL, NULL) <= 0)
    return 0;
  sender = sd_bus_message_get_sender (message);
  if (sender != NULL && count_of (self, sender) >= CORE2_CALLERS_MAX_PER_CLIENT)
    refuse (message, "too many requests of this caller wait for their end");
  else if (self->total >= CORE2_CALLERS_MAX)
    refuse (message, "too many requests of all callers wait for their end");
  else
    return 0;
  return 1;
}

Core2Callers *
core2_callers_new (sd_bus *bus)
{
  Core2Callers *self = g_new0 (Core2Callers, 1);

  self->waiting = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  if (sd_bus_add_filter (bus, &self->filter, on_message, self) < 0)
    g_clear_pointer (&self, core2_callers_free);
  return self;
}

void
core2_callers_free (Core2Callers *self)
{
  if (self == NULL)
    return;
  sd_bus_slot_unref (self->filter);
  g_hash_table_unref (self->waiting);
  g_free (self);
}

void
core2_callers_begin (Core2Callers *self, const char *name)
{
  self->total++;
  g_hash_table_insert (self->waiting, g_strdup (name), GUINT_TO_POINTER (count_of (self, name) + 1));
}

void
core2_callers_end (Core2Callers *self, const char *name)
{
  guint n = count_of (self, name);

  self->total--;
  if (n <= 1)
    g_hash_table_remove (self->waiting, name);
  else
    g_hash_table_insert (self->waiting, g_strdup (name), GUINT_TO_POINTER (n - 1));
}
