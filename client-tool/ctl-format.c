/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-format.h"

#include <gio/gio.h>
#include <math.h>
#include <string.h>

#define DAY_S (24 * 60 * 60)

char *
ctl_format_iso8601 (guint64 time)
{
  g_autoptr (GDateTime) seconds = g_date_time_new_from_unix_utc ((gint64) (time / G_USEC_PER_SEC));
  g_autoptr (GDateTime) exact = NULL;

  if (seconds != NULL)
    exact = g_date_time_add (seconds, (GTimeSpan) (time % G_USEC_PER_SEC));
  return exact == NULL ? NULL : g_date_time_format_iso8601 (exact);
}

char *
ctl_format_span (guint64 seconds)
{
  if (seconds < 60)
    return g_strdup_printf ("%" G_GUINT64_FORMAT " s", seconds);
  if (seconds < 60 * 60)
    return seconds % 60 == 0
               ? g_strdup_printf ("%" G_GUINT64_FORMAT " min", seconds / 60)
               : g_strdup_printf ("%" G_GUINT64_FORMAT " min %" G_GUINT64_FORMAT " s", seconds / 60,
                                  seconds % 60);
  if (seconds < 2 * DAY_S)
    return g_strdup_printf ("%" G_GUINT64_FORMAT " h %" G_GUINT64_FORMAT " min", seconds / 3600,
                            seconds % 3600 / 60);
  return g_strdup_printf ("%" G_GUINT64_FORMAT " days", seconds / DAY_S);
}

char *
ctl_format_age (guint64 time, guint64 now)
{
  guint64 age = now > time ? (now - time) / G_USEC_PER_SEC : 0;
  g_autoptr (GDateTime) local = NULL;

  if (time == 0)
    return g_strdup ("never");
  if (age < 2)
    return g_strdup ("just now");
  if (age < 60)
    return g_strdup_printf ("%" G_GUINT64_FORMAT " s ago", age);
  if (age < 60 * 60)
    return g_strdup_printf ("%" G_GUINT64_FORMAT " min ago", age / 60);
  if (age < DAY_S)
    return g_strdup_printf ("%" G_GUINT64_FORMAT " h ago", age / 3600);

  local = g_date_time_new_from_unix_local ((gint64) (time / G_USEC_PER_SEC));
  return local == NULL ? g_strdup ("long ago") : g_date_time_format (local, "%Y-%m-%d %H:%M");
}

char *
ctl_format_bar (guint64 value, guint64 full, guint width, gboolean utf8)
{
  GString *bar = g_string_new (NULL);
  guint filled = full == 0 ? 0 : (guint) (MIN (value, full) * width / full);

  for (guint i = 0; i < width; i++)
    {
      if (utf8)
        g_string_append (bar, i < filled ? "█" : "░");
      else
        g_string_append_c (bar, i < filled ? '#' : '.');
    }
  return g_string_free (bar, FALSE);
}

static gint64
bucket_number (gint64 time)
{
  return time / G_USEC_PER_SEC / CTL_SERIES_BUCKET_S;
}

void
ctl_series_add (CtlSeries *self, gint64 time, guint32 steps)
{
  gint64 bucket = bucket_number (time);
  guint32 *slot = &self->steps[bucket % CTL_SERIES_LENGTH];

  if (bucket < 0 || bucket <= self->newest - CTL_SERIES_LENGTH)
    return;
  if (bucket >= self->newest + CTL_SERIES_LENGTH)
    memset (self->steps, 0, sizeof self->steps);
  else
    for (gint64 i = self->newest + 1; i <= bucket; i++)
      self->steps[i % CTL_SERIES_LENGTH] = 0;

  self->newest = MAX (self->newest, bucket);
  *slot = G_MAXUINT32 - *slot < steps ? G_MAXUINT32 : *slot + steps;
}

static guint32
series_get (const CtlSeries *self, gint64 bucket)
{
  if (bucket < 0 || bucket > self->newest || bucket <= self->newest - CTL_SERIES_LENGTH)
    return 0;
  return self->steps[bucket % CTL_SERIES_LENGTH];
}

char *
ctl_series_draw (const CtlSeries *self, gint64 now, guint width, gboolean utf8)
{
  static const char *const blocks[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
  static const char ascii[] = " ._-=+*#@";
  gint64 last = bucket_number (now);
  GString *line = g_string_new (NULL);
  guint32 most = 0;

  width = MIN (width, CTL_SERIES_LENGTH);
  for (guint i = 0; i < width; i++)
    most = MAX (most, series_get (self, last - i));

  for (guint i = 0; i < width; i++)
    {
      guint64 steps = series_get (self, last - (gint64) (width - 1 - i));
      /* Rounded up: one step is already a visible mark. */
      guint level = most == 0 ? 0 : (guint) ((steps * 8 + most - 1) / most);

      if (utf8)
        g_string_append (line, blocks[level]);
      else
        g_string_append_c (line, ascii[level]);
    }
  return g_string_free (line, FALSE);
}

guint
ctl_format_dial_scale (guint value)
{
  guint scale = 512;

  if (value <= 360)
    return 360;
  while (scale < value && scale < 65536)
    scale *= 2;
  return scale;
}

#define DOTS_X (CTL_DIAL_COLUMNS * 2)
#define DOTS_Y (CTL_DIAL_ROWS * 4)

static void
dial_set (gboolean dots[DOTS_Y][DOTS_X], long column, long row)
{
  if (column >= 0 && column < DOTS_X && row >= 0 && row < DOTS_Y)
    dots[row][column] = TRUE;
}

/*
 * The outline, and a mark of 2 x 2 dots. A square of values becomes a disc: every pair has its
 * own place.
 */
static void
dial_plot (gboolean dots[DOTS_Y][DOTS_X], gboolean known, guint x, guint y, guint full)
{
  double radius_x = DOTS_X / 2.0 - 0.5;
  double radius_y = DOTS_Y / 2.0 - 0.5;

  for (int i = 0; i < 64; i++)
    {
      double angle = i * G_PI / 32;
      dial_set (dots, lround (radius_x + radius_x * cos (angle)),
                lround (radius_y + radius_y * sin (angle)));
    }

  if (known && full > 0)
    {
      double u = MIN (x, full) * 2.0 / full - 1.0;
      double v = MIN (y, full) * 2.0 / full - 1.0;
      long column = lround (radius_x + (radius_x - 2) * u * sqrt (1 - v * v / 2) - 0.5);
      long row = lround (radius_y - (radius_y - 2) * v * sqrt (1 - u * u / 2) - 0.5);

      for (int i = 0; i < 4; i++)
        dial_set (dots, column + i % 2, row + i / 2);
    }
}

char *
ctl_format_dial (gboolean known, guint x, guint y, guint full, gboolean utf8)
{
  /* Bits of the Unicode braille patterns, by row and column of the dot. */
  static const guint8 bits[4][2]
      = { { 0x01, 0x08 }, { 0x02, 0x10 }, { 0x04, 0x20 }, { 0x40, 0x80 } };
  gboolean outline[DOTS_Y][DOTS_X] = { { FALSE } };
  gboolean dots[DOTS_Y][DOTS_X] = { { FALSE } };
  GString *text = g_string_new (NULL);

  dial_plot (outline, FALSE, 0, 0, 0);
  dial_plot (dots, known, x, y, full);
  for (guint row = 0; row < CTL_DIAL_ROWS; row++)
    {
      if (row > 0)
        g_string_append_c (text, '\n');
      for (guint column = 0; column < CTL_DIAL_COLUMNS; column++)
        {
          gunichar pattern = 0;
          gboolean marked = FALSE;

          for (guint i = 0; i < 8; i++)
            {
              guint dot_row = row * 4 + i / 2;
              guint dot_column = column * 2 + i % 2;

              if (dots[dot_row][dot_column])
                pattern |= bits[i / 2][i % 2];
              marked |= dots[dot_row][dot_column] && !outline[dot_row][dot_column];
            }
          if (utf8)
            g_string_append_unichar (text, 0x2800 + pattern);
          else
            g_string_append_c (text, marked ? 'O' : pattern != 0 ? '.' : ' ');
        }
    }
  return g_string_free (text, FALSE);
}

/*
 * The end of the character or escape sequence at @p, and the columns that it takes. @p is not at
 * the end of its string.
 */
static const char *
next_cell (const char *p, guint *columns)
{
  const char *next;
  gunichar c;

  if (p[0] == '\033' && p[1] == '[')
    {
      next = p + 2;
      while (*next != '\0' && !g_ascii_isalpha (*next))
        next++;
      *columns = 0;
      return *next != '\0' ? next + 1 : next;
    }
  c = g_utf8_get_char (p);
  *columns = g_unichar_iszerowidth (c) ? 0 : g_unichar_iswide (c) ? 2 : 1;
  return g_utf8_next_char (p);
}

char *
ctl_format_clip (const char *line, guint width)
{
  GString *out = g_string_new (NULL);
  guint used = 0;

  for (const char *p = line; *p != '\0';)
    {
      guint columns;
      const char *next = next_cell (p, &columns);

      if (p[0] == '\033' || used + columns <= width)
        g_string_append_len (out, p, next - p);
      else
        width = used; /* nothing narrower may slip in after the cut */
      used += columns;
      p = next;
    }
  return g_string_free (out, FALSE);
}

guint
ctl_format_columns (const char *line)
{
  guint sum = 0;

  while (*line != '\0')
    {
      guint columns;

      line = next_cell (line, &columns);
      sum += columns;
    }
  return sum;
}

char *
ctl_format_fit (const char *line, guint width)
{
  char *clipped = ctl_format_clip (line, width);
  guint used = ctl_format_columns (clipped);
  g_autofree char *filled = NULL;

  if (used >= width)
    return clipped;
  filled = g_strdup_printf ("%s%*s", clipped, (int) (width - used), "");
  g_free (clipped);
  return g_steal_pointer (&filled);
}

gboolean
ctl_parse_key (const char *text, gsize length, guint8 key[16], GError **error)
{
  guint8 parsed[16];
  guint digits = 0;
  gboolean hex = TRUE;

  for (gsize i = 0; i < length && hex; i++)
    {
      int value = g_ascii_xdigit_value (text[i]);

      if (value < 0)
        hex = g_ascii_isspace (text[i]) || text[i] == ':';
      else if (digits == 32)
        hex = FALSE;
      else
        {
          parsed[digits / 2] = (guint8) (digits % 2 == 0 ? value << 4 : parsed[digits / 2] | value);
          digits++;
        }
    }

  if (hex && digits == 32)
    memcpy (key, parsed, sizeof parsed);
  else if (length == 16)
    memcpy (key, text, 16);
  explicit_bzero (parsed, sizeof parsed);
  if ((hex && digits == 32) || length == 16)
    return TRUE;

  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                       "a key is 32 hexadecimal digits or 16 bytes");
  return FALSE;
}
