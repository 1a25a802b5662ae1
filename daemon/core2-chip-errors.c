/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A short memory of what went wrong: LastError is gone as soon as a chip is back, and with it why it was
 * away. */
#include "core2-chip-methods.h"

#include <string.h>

#define ERRORS_MAX 16
#define DETAIL_MAX 200

typedef struct
{
  guint64 time;                  /* of the last one */
  guint32 count;                 /* in a row */
  const char *name;              /* static */
  char *detail;                  /* valid UTF-8 */
} ChipError;

static void
error_free (gpointer data)
{
  ChipError *error = data;

  g_free (error->detail);
  g_free (error);
}

void
chip_errors_init (Core2Chip *self)
{
  g_queue_init (&self->errors);
}

void
chip_errors_clear (Core2Chip *self)
{
  g_queue_clear_full (&self->errors, error_free);
}

void
chip_errors_add (Core2Chip *self, const char *name, const char *detail)
{
  ChipError *newest = g_queue_peek_head (&self->errors);

  if (newest == NULL || strcmp (newest->name, name) != 0)
    {
      newest = g_new0 (ChipError, 1);
      newest->name = name;
      g_queue_push_head (&self->errors, newest);
      if (self->errors.length > ERRORS_MAX)
        error_free (g_queue_pop_tail (&self->errors));
    }
  newest->time = (guint64) g_get_real_time ();
  if (newest->count < G_MAXUINT32)
    newest->count++;
  g_free (newest->detail);
  detail = detail != NULL ? detail : "";
  newest->detail = g_utf8_make_valid (detail, (gssize) strnlen (detail, DETAIL_MAX));
}

static int
append_errors (Core2Chip *self, sd_bus_message *reply)
{
  int r = sd_bus_message_open_container (reply, SD_BUS_TYPE_ARRAY, "(tuss)");

  for (GList *l = self->errors.head; l != NULL && r >= 0; l = l->next)
    {
      const ChipError *entry = l->data;
      r = sd_bus_message_append (reply, "(tuss)", entry->time, entry->count, entry->name,
                                 entry->detail);
    }
  return r < 0 ? r : sd_bus_message_close_container (reply);
}

int
chip_method_get_errors (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  Core2Chip *self = user_data;
  sd_bus_message *reply = NULL;
  int r = sd_bus_message_new_method_return (message, &reply);

  if (r >= 0)
    r = append_errors (self, reply);
  if (r >= 0)
    r = sd_bus_send (NULL, reply, NULL);
  sd_bus_message_unref (reply);
  return r < 0 ? r : 1;
}
