/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The chip's clock. */
#include "core2-chip-private.h"

static void
time_read (const GError *error, const guint8 *data, gsize size, gpointer user_data)
{
  Core2Request *request = user_data;
  Core2Chip *self = request->owner;
  Core2ChipTime time;
  char text[CORE2_TIME_TEXT_SIZE];
  Core2Decode decode;

  if (error != NULL)
    {
      core2_request_fail_gerror (request, error);
      return;
    }
  decode = core2_protocol_decode_time (data, size, &time);
  if (decode == CORE2_DECODE_RANGE)
    {
      /* A chip that was never set: it answers, but not with a date that exists. */
      core2_request_reply (request, "sx", "", (gint64) -1);
      return;
    }
  if (decode != CORE2_DECODE_OK)
    {
      core2_request_fail (request, CORE2_ERROR_NO_DATA, "%s sent no usable time: %s",
                          self->record->address, core2_decode_to_string (decode));
      return;
    }
  g_autoptr (GTimeZone) zone = g_time_zone_new_local ();
  core2_chip_time_format (&time, text);
  core2_request_reply (request, "sx", text, core2_chip_time_to_unix (&time, zone));
}

void
chip_time_read (Core2Request *request)
{
  Core2Chip *self = request->owner;

  core2_link_read (self->link, CORE2_UUID_CURRENT_TIME, time_read, request);
}

static void
time_written (const GError *error, const guint8 *data, gsize size, gpointer user_data)
{
  Core2Request *request = user_data;

  if (error != NULL)
    core2_request_fail_gerror (request, error);
  else
    core2_request_reply (request, NULL);
}

void
chip_time_set (Core2Request *request)
{
  Core2Chip *self = request->owner;
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  guint8 data[CORE2_TIME_SIZE];

  if (now == NULL || !core2_protocol_encode_time (now, data))
    core2_request_fail (request, CORE2_ERROR_FAILED, "this computer's time cannot be told");
  else
    core2_link_write (self->link, CORE2_UUID_CURRENT_TIME, data, sizeof data, TRUE, time_written,
                      request);
}
