/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The chip's clock, 2A2B. */
#include "core2-protocol.h"

#include "core2-bytes.h"

#define DATE_TIME_SIZE 7
#define WEEKDAY_OFFSET 7
#define FRACTION_OFFSET 8
#define ADJUST_REASON_OFFSET 9
#define ZONE_OFFSET 10

#define QUARTER_SECONDS (15 * 60)
#define ZONE_QUARTERS_MIN (-12 * 4)
#define ZONE_QUARTERS_MAX (14 * 4)
/* The first year that the SIG's Date Time can tell. */
#define YEAR_MIN 1582
#define YEAR_MAX 9999

static gboolean
time_exists (const Core2ChipTime *self)
{
  return self->year >= YEAR_MIN && self->year <= YEAR_MAX && self->month >= 1 && self->month <= 12
         && g_date_valid_dmy (self->day, (GDateMonth) self->month, self->year) && self->hour < 24
         && self->minute < 60 && self->second < 60;
}

Core2Decode
core2_protocol_decode_time (const guint8 *data, gsize size, Core2ChipTime *time)
{
  Core2ChipTime result;

  if (size == 0)
    return CORE2_DECODE_EMPTY;
  if (size < DATE_TIME_SIZE)
    return CORE2_DECODE_SHORT;

  result = (Core2ChipTime){
    .year = core2_bytes_get_u16 (data),
    .month = data[2],
    .day = data[3],
    .hour = data[4],
    .minute = data[5],
    .second = data[6],
    .weekday = size > WEEKDAY_OFFSET ? data[WEEKDAY_OFFSET] : 0,
    .fraction = size > FRACTION_OFFSET ? data[FRACTION_OFFSET] : 0,
  };
  if (size > ZONE_OFFSET)
    core2_chip_time_set_zone (&result, data[ZONE_OFFSET]);
  if (!time_exists (&result))
    return CORE2_DECODE_RANGE;
  *time = result;
  return CORE2_DECODE_OK;
}

void
core2_chip_time_set_zone (Core2ChipTime *self, guint8 raw)
{
  gint8 quarters = (gint8) raw;

  self->zone_known = quarters >= ZONE_QUARTERS_MIN && quarters <= ZONE_QUARTERS_MAX;
  self->zone_quarters = self->zone_known ? quarters : 0;
}

gboolean
core2_protocol_encode_time (GDateTime *local, guint8 data[CORE2_TIME_SIZE])
{
  gint64 seconds = g_date_time_get_utc_offset (local) / G_USEC_PER_SEC;
  /* Rounded down, also west of UTC: zones of old times are no whole quarters. */
  gint64 quarters = (seconds >= 0 ? seconds : seconds - QUARTER_SECONDS + 1) / QUARTER_SECONDS;

  if (g_date_time_get_year (local) < YEAR_MIN || quarters < ZONE_QUARTERS_MIN
      || quarters > ZONE_QUARTERS_MAX)
    return FALSE;
  core2_bytes_put_u16 (data, (guint16) g_date_time_get_year (local));
  data[2] = (guint8) g_date_time_get_month (local);
  data[3] = (guint8) g_date_time_get_day_of_month (local);
  data[4] = (guint8) g_date_time_get_hour (local);
  data[5] = (guint8) g_date_time_get_minute (local);
  data[6] = (guint8) g_date_time_get_second (local);
  data[WEEKDAY_OFFSET] = (guint8) g_date_time_get_day_of_week (local);
  data[FRACTION_OFFSET] = (guint8) (g_date_time_get_microsecond (local) * 256 / G_USEC_PER_SEC);
  data[ADJUST_REASON_OFFSET] = 0;
  data[ZONE_OFFSET] = (guint8) (gint8) quarters;
  return TRUE;
}

void
core2_chip_time_format (const Core2ChipTime *self, char text[CORE2_TIME_TEXT_SIZE])
{
  int length = g_snprintf (text, CORE2_TIME_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u", self->year,
                           self->month, self->day, self->hour, self->minute, self->second);
  int minutes = self->zone_quarters * (QUARTER_SECONDS / 60);

  if (!self->zone_known)
    return;
  g_snprintf (text + length, (gulong) (CORE2_TIME_TEXT_SIZE - length), "%c%02d:%02d",
              minutes < 0 ? '-' : '+', ABS (minutes) / 60, ABS (minutes) % 60);
}

gint64
core2_chip_time_to_unix (const Core2ChipTime *self, GTimeZone *zone)
{
  g_autoptr (GTimeZone) own_zone = NULL;
  g_autoptr (GDateTime) date_time = NULL;

  if (self->zone_known)
    own_zone = g_time_zone_new_offset (self->zone_quarters * QUARTER_SECONDS);
  else
    own_zone = g_time_zone_ref (zone);
  date_time = g_date_time_new (own_zone, self->year, self->month, self->day, self->hour,
                               self->minute, self->second);
  return date_time != NULL ? MAX (g_date_time_to_unix (date_time), -1) : -1;
}
