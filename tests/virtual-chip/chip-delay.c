/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "chip-private.h"

struct _ChipDelay
{
  Chip *chip;
  guint timer; /* 0: only cancelling ends it */
  ChipDelayRun run;
  GattRead *read;
  GBytes *value;
};

static void
delay_free (gpointer data)
{
  ChipDelay *delay = data;

  if (delay->timer != 0)
    g_source_remove (delay->timer);
  if (delay->read != NULL)
    gatt_read_fail (delay->read, GATT_ERROR_FAILED, "the link was lost");
  g_clear_pointer (&delay->value, g_bytes_unref);
  g_free (delay);
}

static gboolean
on_delay (gpointer user_data)
{
  ChipDelay *delay = user_data;

  delay->timer = 0;
  delay->run (delay->chip, g_steal_pointer (&delay->read), delay->value);
  g_ptr_array_remove_fast (delay->chip->delays, delay);
  return G_SOURCE_REMOVE;
}

/* Calls @run in @milliseconds of real time, unless the link is lost before; then @read is failed.
 * @milliseconds: negative: never
 * @run: must not cancel the delays
 * @read: (transfer full) (nullable): @run ends it
 * @value: (transfer full) (nullable) */
void
chip_delay (Chip *self, int milliseconds, ChipDelayRun run, GattRead *read, GBytes *value)
{
  ChipDelay *delay = g_new0 (ChipDelay, 1);

  delay->chip = self;
  delay->run = run;
  delay->read = read;
  delay->value = value;
  if (milliseconds >= 0)
    delay->timer = g_timeout_add ((guint) milliseconds, on_delay, delay);
  g_ptr_array_add (self->delays, delay);
}

void
chip_delay_cancel_all (Chip *self)
{
  g_ptr_array_unref (self->delays);
  self->delays = g_ptr_array_new_with_free_func (delay_free);
}
