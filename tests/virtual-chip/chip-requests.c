/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "chip-private.h"

#include "chip-frames.h"

/* What clients write to the chip. */

/* --- Orientation ------------------------------------------------------------------------------ */

static void
answer_orientation (Chip *self, GattRead *read, GBytes *unused)
{
  static const guint8 refusal[] = { 0x10, 0x07, 0x04 };
  const char *mode = chip_quirks_get_text (self->quirks, CHIP_QUIRK_ORIENTATION);
  g_autoptr (GBytes) frame = NULL;
  guint16 x, y;

  if (g_str_equal (mode, "silent"))
    return;
  chip_model_get_orientation (self->model, &x, &y);
  frame = g_str_equal (mode, "refuse") ? g_bytes_new (refusal, sizeof refusal)
                                       : chip_frame_orientation (x, y);
  if (g_str_equal (mode, "short"))
    {
      g_autoptr (GBytes) cut = chip_frame_resize (frame, 5);

      chip_notify (self, CHIP_ORIENTATION, cut);
      return;
    }
  chip_notify (self, CHIP_ORIENTATION, frame);
  if (g_str_equal (mode, "duplicate"))
    chip_notify (self, CHIP_ORIENTATION, frame);
}

static void
take_orientation_request (Chip *self, GBytes *value)
{
  static const guint8 request[] = { 0x07, 0x01 };
  g_autoptr (GBytes) expected = g_bytes_new_static (request, sizeof request);
  gint64 now = g_get_monotonic_time ();
  guint delay_ms = chip_quirks_get_number (self->quirks, CHIP_QUIRK_ORIENTATION_DELAY);

  if (!g_bytes_equal (value, expected))
    return;
  if (self->status.orientation_requests > 0)
    self->status.orientation_interval_ms
        = (guint) ((now - self->last_orientation_request) / G_TIME_SPAN_MILLISECOND);
  self->last_orientation_request = now;
  self->status.orientation_requests++;
  chip_delay (self, (int) chip_clock_to_real_ms (self->clock, delay_ms), answer_orientation, NULL,
              NULL);
}

/* --- Time ------------------------------------------------------------------------------------- */

static void
take_time (Chip *self, GBytes *value)
{
  GattCharacteristic *characteristic = self->characteristics[CHIP_TIME];
  gint64 clock;

  if (chip_quirks_text_is (self->quirks, CHIP_QUIRK_TIME_WRITE, "refuse"))
    {
      gatt_characteristic_refuse (characteristic, GATT_ERROR_NOT_PERMITTED, "write not permitted");
      return;
    }
  if (!chip_frame_parse_time (value, &clock, &self->quarters))
    {
      gatt_characteristic_refuse (characteristic, GATT_ERROR_INVALID_VALUE_LENGTH, "no valid time");
      return;
    }
  g_free (self->status.written_time);
  self->status.written_time = gatt_value_to_hex (value);
  chip_model_set_clock (self->model, clock);
  chip_clock_changed (self->clock);
}

/* --- Activity history ------------------------------------------------------------------------- */

static void
answer_history (Chip *self, guint8 command, guint8 status)
{
  const guint8 bytes[] = { 0x10, command, status };
  g_autoptr (GBytes) frame = g_bytes_new (bytes, sizeof bytes);

  chip_notify (self, CHIP_HISTORY_CONTROL, frame);
}

static void
begin_fetch (Chip *self, gint64 since)
{
  gsize n;
  gint64 first;
  g_autoptr (GBytes) header = NULL;

  chip_model_get_minutes_since (self->model, since, &n, &first);
  self->fetch_clock = since;
  header = chip_frame_history_header ((guint32) n, first, self->quarters);
  chip_notify (self, CHIP_HISTORY_CONTROL, header);
}

static void
send_minutes (Chip *self, const char *mode)
{
  gsize n;
  gint64 first;
  const ChipMinute *minutes
      = chip_model_get_minutes_since (self->model, self->fetch_clock, &n, &first);
  guint8 number = 0;

  if (g_str_equal (mode, "fail"))
    n /= 2;
  for (gsize i = 0; i < n; i += CHIP_MINUTES_A_PACKET)
    {
      g_autoptr (GBytes) packet
          = chip_frame_history_packet (number, minutes + i, MIN (n - i, CHIP_MINUTES_A_PACKET));

      /* The second packet is lost on the way. */
      if (!g_str_equal (mode, "gap") || number != 1)
        chip_notify (self, CHIP_HISTORY_DATA, packet);
      number++;
    }
  answer_history (self, 0x02, g_str_equal (mode, "fail") ? 0x04 : 0x01);
}

static void
take_history_command (Chip *self, GBytes *value)
{
  const char *mode = chip_quirks_get_text (self->quirks, CHIP_QUIRK_HISTORY);
  gsize size;
  const guint8 *bytes = g_bytes_get_data (value, &size);
  gint64 since;

  if (size == 0 || g_str_equal (mode, "silent"))
    return;
  if (bytes[0] == 0x01)
    {
      if (g_str_equal (mode, "refuse") || !chip_frame_parse_history_start (value, &since))
        answer_history (self, 0x01, 0x04);
      else
        begin_fetch (self, since);
    }
  else if (bytes[0] == 0x02 && self->fetch_clock >= 0)
    {
      send_minutes (self, mode);
      self->fetch_clock = -1;
    }
  else if (bytes[0] == 0x02)
    answer_history (self, 0x02, 0x04);
  else if (bytes[0] == 0x03)
    {
      self->status.history_deletes++;
      chip_model_delete_minutes (self->model);
      answer_history (self, 0x03, 0x01);
    }
}

/* --- Garbage ---------------------------------------------------------------------------------- */

/* What the quirk answers: often of a length that means something, often begun like an answer. Returns:
 * (transfer full); NULL without the quirk */
GBytes *
chip_requests_make_garbage (Chip *self)
{
  static const guint sizes[] = { 0, 1, 2, 3, 4, 5, 7, 8, 9, 11, 13, 15, 17, 19, 20, 21 };
  guint32 seed = chip_quirks_get_number (self->quirks, CHIP_QUIRK_GARBAGE);
  guint8 bytes[512];
  guint size;

  if (seed == 0)
    {
      g_clear_pointer (&self->garbage, g_rand_free);
      return NULL;
    }
  if (self->garbage == NULL)
    self->garbage = g_rand_new_with_seed (seed);
  size = g_rand_boolean (self->garbage)
             ? sizes[g_rand_int_range (self->garbage, 0, G_N_ELEMENTS (sizes))]
             : (guint) g_rand_int_range (self->garbage, 0, sizeof bytes + 1);
  for (guint i = 0; i < size; i++)
    bytes[i] = (guint8) g_rand_int (self->garbage);
  if (size > 1 && g_rand_boolean (self->garbage))
    {
      bytes[0] = 0x10;
      bytes[1] = (guint8) g_rand_int_range (self->garbage, 1, 4);
    }
  return g_bytes_new (bytes, size);
}

static void
notify_garbage (Chip *self, ChipCharacteristic id)
{
  g_autoptr (GBytes) garbage = chip_requests_make_garbage (self);

  if (garbage != NULL)
    chip_notify (self, id, garbage);
}

/* A client has written @value. Only inside the handler of that write. */
void
chip_requests_written (Chip *self, ChipCharacteristic id, GBytes *value)
{
  if (id == CHIP_TIME)
    take_time (self, value);
  else if (id == CHIP_ORIENTATION)
    take_orientation_request (self, value);
  else if (id == CHIP_HISTORY_CONTROL)
    take_history_command (self, value);
  else if (id == CHIP_AUTH)
    chip_auth_write (self->auth, value);
  else if (id == CHIP_UPDATE_CONTROL || id == CHIP_UPDATE_DATA)
    self->status.firmware_writes++;
  notify_garbage (self, id);
  chip_changed (self, CHIP_CHANGED_STATE);
}
