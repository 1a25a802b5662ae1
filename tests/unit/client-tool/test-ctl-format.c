/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gio/gio.h>
#include <string.h>

#include "ctl-format.h"

#define SECOND ((guint64) G_USEC_PER_SEC)
/* 2026-11-21 04:30:17 UTC. */
#define NOW (G_GUINT64_CONSTANT (1795235417) * SECOND)

/* Compares @text, which it takes, with what is wanted. */
static void
check (char *text, const char *wanted)
{
  g_assert_cmpstr (text, ==, wanted);
  g_free (text);
}

static void
test_iso8601 (void)
{
  check (ctl_format_iso8601 (NOW), "2026-11-21T04:30:17Z");
  check (ctl_format_iso8601 (NOW + 123456), "2026-11-21T04:30:17.123456Z");
  check (ctl_format_iso8601 (1), "1970-01-01T00:00:00.000001Z");
  /* Beyond the calendar: no time, and no crash. */
  check (ctl_format_iso8601 (G_MAXUINT64), NULL);
}

static void
test_age (void)
{
  check (ctl_format_age (0, NOW), "never");
  check (ctl_format_age (NOW, NOW), "just now");
  check (ctl_format_age (NOW + 100 * SECOND, NOW), "just now");
  check (ctl_format_age (NOW - 2 * SECOND, NOW), "2 s ago");
  check (ctl_format_age (NOW - 59 * SECOND, NOW), "59 s ago");
  check (ctl_format_age (NOW - 60 * SECOND, NOW), "1 min ago");
  check (ctl_format_age (NOW - 3599 * SECOND, NOW), "59 min ago");
  check (ctl_format_age (NOW - 3600 * SECOND, NOW), "1 h ago");
  check (ctl_format_age (NOW - 86399 * SECOND, NOW), "23 h ago");
  check (ctl_format_age (NOW - 86400 * SECOND, NOW), "2026-11-20 04:30");
}

static void
test_span (void)
{
  check (ctl_format_span (0), "0 s");
  check (ctl_format_span (59), "59 s");
  check (ctl_format_span (60), "1 min");
  check (ctl_format_span (185), "3 min 5 s");
  check (ctl_format_span (7800), "2 h 10 min");
  check (ctl_format_span (3 * 86400 + 5), "3 days");
}

static void
test_bar (void)
{
  check (ctl_format_bar (0, 10, 4, FALSE), "....");
  check (ctl_format_bar (5, 10, 4, FALSE), "##..");
  check (ctl_format_bar (9, 10, 4, FALSE), "###.");
  check (ctl_format_bar (10, 10, 4, FALSE), "####");
  check (ctl_format_bar (G_MAXUINT32, 10, 4, FALSE), "####");
  check (ctl_format_bar (5, 0, 4, FALSE), "....");
  check (ctl_format_bar (5, 10, 4, TRUE), "██░░");
  check (ctl_format_bar (5, 10, 0, TRUE), "");
}

static gint64
bucket_time (gint64 bucket)
{
  return bucket * CTL_SERIES_BUCKET_S * G_USEC_PER_SEC;
}

static void
test_series (void)
{
  CtlSeries series = { 0 };
  const gint64 first = 1000000;

  check (ctl_series_draw (&series, bucket_time (first), 4, FALSE), "    ");

  ctl_series_add (&series, bucket_time (first), 4);
  ctl_series_add (&series, bucket_time (first) + 1, 4);
  ctl_series_add (&series, bucket_time (first + 2), 1);
  check (ctl_series_draw (&series, bucket_time (first + 2), 4, FALSE), " @ .");
  check (ctl_series_draw (&series, bucket_time (first + 2), 4, TRUE), " █ ▁");
  /* Time goes on without steps. */
  check (ctl_series_draw (&series, bucket_time (first + 4), 4, FALSE), " @  ");

  /* A late sample still finds its place, one from before the series does not. */
  ctl_series_add (&series, bucket_time (first + 1), 8);
  check (ctl_series_draw (&series, bucket_time (first + 2), 4, FALSE), " @@.");
  ctl_series_add (&series, bucket_time (first + 2 - CTL_SERIES_LENGTH), 8);
  check (ctl_series_draw (&series, bucket_time (first + 2), 4, FALSE), " @@.");
  ctl_series_add (&series, -1, 8);

  /* Old places are used again, and hold nothing of before. */
  ctl_series_add (&series, bucket_time (first + CTL_SERIES_LENGTH), 8);
  check (ctl_series_draw (&series, bucket_time (first + CTL_SERIES_LENGTH), 3, FALSE), "  @");
  ctl_series_add (&series, bucket_time (first + 10 * CTL_SERIES_LENGTH), 8);
  check (ctl_series_draw (&series, bucket_time (first + 10 * CTL_SERIES_LENGTH), 3, FALSE), "  @");
}

static void
test_series_limits (void)
{
  CtlSeries series = { 0 };
  g_autofree char *wide = NULL;

  ctl_series_add (&series, bucket_time (5), G_MAXUINT32);
  ctl_series_add (&series, bucket_time (5), G_MAXUINT32);
  check (ctl_series_draw (&series, bucket_time (5), 1, FALSE), "@");

  wide = ctl_series_draw (&series, bucket_time (5), G_MAXUINT, FALSE);
  g_assert_cmpuint (strlen (wide), ==, CTL_SERIES_LENGTH);
  check (ctl_series_draw (&series, bucket_time (5), 0, FALSE), "");
}

/* Where the dial's mark is, by its rows; the outline is left out by comparing with the empty dial. */
static void
find_mark (guint x, guint y, guint full, double *row, double *column)
{
  g_autofree char *empty = ctl_format_dial (FALSE, 0, 0, 0, TRUE);
  g_autofree char *dial = ctl_format_dial (TRUE, x, y, full, TRUE);
  g_auto (GStrv) empty_rows = g_strsplit (empty, "\n", -1);
  g_auto (GStrv) rows = g_strsplit (dial, "\n", -1);
  guint found = 0;

  *row = *column = 0;
  g_assert_cmpuint (g_strv_length (rows), ==, CTL_DIAL_ROWS);
  for (guint i = 0; i < CTL_DIAL_ROWS; i++)
    {
      g_assert_cmpint (g_utf8_strlen (rows[i], -1), ==, CTL_DIAL_COLUMNS);
      for (guint j = 0; j < CTL_DIAL_COLUMNS; j++)
        if (g_utf8_get_char (g_utf8_offset_to_pointer (rows[i], j))
            != g_utf8_get_char (g_utf8_offset_to_pointer (empty_rows[i], j)))
          {
            *row += i;
            *column += j;
            found++;
          }
    }
  g_assert_cmpuint (found, >=, 1);
  *row /= found;
  *column /= found;
}

static void
test_dial (void)
{
  double row, column, left, right, top, bottom, unused;

  find_mark (180, 180, 360, &row, &column);
  g_assert_cmpfloat_with_epsilon (row, (CTL_DIAL_ROWS - 1) / 2.0, 0.6);
  g_assert_cmpfloat_with_epsilon (column, (CTL_DIAL_COLUMNS - 1) / 2.0, 0.6);

  find_mark (0, 180, 360, &unused, &left);
  find_mark (360, 180, 360, &unused, &right);
  find_mark (180, 0, 360, &bottom, &unused);
  find_mark (180, 360, 360, &top, &unused);
  g_assert_cmpfloat (left, <, column);
  g_assert_cmpfloat (right, >, column);
  g_assert_cmpfloat (top, <, row);
  g_assert_cmpfloat (bottom, >, row);

  /* Above the scale is at its edge; every pair of raw values has a place. */
  find_mark (65535, 180, 360, &unused, &column);
  g_assert_cmpfloat (column, ==, right);
  for (guint x = 0; x <= 65535; x += 4369)
    for (guint y = 0; y <= 65535; y += 4369)
      find_mark (x, y, 65536, &row, &column);
}

static void
test_dial_ascii (void)
{
  g_autofree char *dial = ctl_format_dial (TRUE, 180, 180, 360, FALSE);

  g_assert_true (g_str_is_ascii (dial));
  g_assert_nonnull (strchr (dial, 'O'));
  g_assert_cmpuint (ctl_format_dial_scale (0), ==, 360);
  g_assert_cmpuint (ctl_format_dial_scale (360), ==, 360);
  g_assert_cmpuint (ctl_format_dial_scale (361), ==, 512);
  g_assert_cmpuint (ctl_format_dial_scale (1024), ==, 1024);
  g_assert_cmpuint (ctl_format_dial_scale (65535), ==, 65536);
}

static void
test_clip (void)
{
  check (ctl_format_clip ("steps", 10), "steps");
  check (ctl_format_clip ("steps", 3), "ste");
  check (ctl_format_clip ("steps", 0), "");
  check (ctl_format_clip ("█░█", 2), "█░");
  /* A sequence has no width, and the one that ends the colour stays. */
  check (ctl_format_clip ("\033[1msteps\033[0m!", 3), "\033[1mste\033[0m");
  /* Wide characters do not fit in half. */
  check (ctl_format_clip ("a日本", 2), "a");
  check (ctl_format_clip ("a日本b", 3), "a日");
  check (ctl_format_clip ("a日本b", 4), "a日");
  check (ctl_format_clip ("cut\033[", 10), "cut\033[");
}

static void
test_fit (void)
{
  g_assert_cmpuint (ctl_format_columns (""), ==, 0);
  g_assert_cmpuint (ctl_format_columns ("\033[1ma日e\314\201\033[0m"), ==, 4);
  check (ctl_format_fit ("shoe", 6), "shoe  ");
  check (ctl_format_fit ("shoe", 4), "shoe");
  check (ctl_format_fit ("shoe", 2), "sh");
  check (ctl_format_fit ("a日本", 4), "a日 ");
  check (ctl_format_fit ("\033[1ma\033[0m", 2), "\033[1ma\033[0m ");
}

static void
test_key (void)
{
  static const guint8 wanted[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255 };
  static const char *const good[] = {
    "000102030405060708090a0b0c0d0eff",
    "000102030405060708090A0B0C0D0EFF\n",
    " 00:01:02:03:04:05:06:07 08:09:0a:0b:0c:0d:0e:ff\r\n",
  };
  static const char *const bad[] = {
    "", "00", "000102030405060708090a0b0c0d0e", "000102030405060708090a0b0c0d0eff0",
    "000102030405060708090a0b0c0d0efg", "000102030405060708090a0b0c0d0e-1", "seventeen bytes!!",
  };
  guint8 key[16];

  for (gsize i = 0; i < G_N_ELEMENTS (good); i++)
    {
      memset (key, 0xee, sizeof key);
      g_assert_true (ctl_parse_key (good[i], strlen (good[i]), key, NULL));
      g_assert_cmpmem (key, sizeof key, wanted, sizeof wanted);
    }
  g_assert_true (ctl_parse_key ((const char *) wanted, 16, key, NULL));
  g_assert_cmpmem (key, sizeof key, wanted, sizeof wanted);

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (ctl_parse_key (bad[i], strlen (bad[i]), key, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
      g_assert_cmpmem (key, sizeof key, wanted, sizeof wanted);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ctl-format/iso8601", test_iso8601);
  g_test_add_func ("/ctl-format/age", test_age);
  g_test_add_func ("/ctl-format/span", test_span);
  g_test_add_func ("/ctl-format/bar", test_bar);
  g_test_add_func ("/ctl-format/series", test_series);
  g_test_add_func ("/ctl-format/series-limits", test_series_limits);
  g_test_add_func ("/ctl-format/dial", test_dial);
  g_test_add_func ("/ctl-format/dial-ascii", test_dial_ascii);
  g_test_add_func ("/ctl-format/clip", test_clip);
  g_test_add_func ("/ctl-format/fit", test_fit);
  g_test_add_func ("/ctl-format/key", test_key);
  return g_test_run ();
}
