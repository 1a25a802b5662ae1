/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Steps, battery, orientation, authentication frames, and what all decoders must survive. */
#include "core2-protocol.h"

#include <string.h>

#include "test-bytes.h"

typedef struct
{
  const char *hex;
  Core2StepsFrame frame;
} StepsCase;

static const StepsCase steps_cases[] = {
  /* Seen on real devices: Mi Band 2 (twice), Mi Band 5. */
  { "0C 4C000000 1F000000 01000000",
    { .steps = 76, .fields = 0x0c, .distance = 31, .energy = 1 } },
  { "00 70010000", { .steps = 368 } },
  { "0C 0C000000 00000000 00000000", { .steps = 12, .fields = 0x0c } },
  /* What the chip probably sends, and the other combinations. */
  { "03 10270000 64000000 AC260000",
    { .steps = 10000, .fields = 0x03, .run = 100, .walk = 9900 } },
  { "01 FFFFFFFF 01000000", { .steps = G_MAXUINT32, .fields = 0x01, .run = 1 } },
  { "0F 01020304 11121314 21222324 31323334 41424344",
    { .steps = 0x04030201,
      .fields = 0x0f,
      .run = 0x14131211,
      .walk = 0x24232221,
      .distance = 0x34333231,
      .energy = 0x44434241 } },
  { "0A 01000000 02000000 03000000",
    { .steps = 1, .fields = 0x0a, .walk = 2, .energy = 3 } },
  /* Unknown flags are ignored, and so are bytes that no flag announces. */
  { "F0 01000000", { .steps = 1 } },
  { "00 01000000 AABBCCDD", { .steps = 1 } },
};

static void
assert_steps (const Core2StepsFrame *frame, const Core2StepsFrame *expected)
{
  g_assert_cmpuint (frame->steps, ==, expected->steps);
  g_assert_cmphex (frame->fields, ==, expected->fields);
  g_assert_cmpint (frame->clipped, ==, expected->clipped);
  g_assert_cmpuint (frame->run, ==, expected->run);
  g_assert_cmpuint (frame->walk, ==, expected->walk);
  g_assert_cmpuint (frame->distance, ==, expected->distance);
  g_assert_cmpuint (frame->energy, ==, expected->energy);
}

static void
test_steps (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (steps_cases); i++)
    {
      g_auto (TestBytes) bytes = test_bytes_from_hex (steps_cases[i].hex);
      Core2StepsFrame frame;

      memset (&frame, 0xaa, sizeof frame);
      g_assert_cmpint (core2_protocol_decode_steps (bytes.data, bytes.size, &frame), ==,
                       CORE2_DECODE_OK);
      assert_steps (&frame, &steps_cases[i].frame);
    }
}

/* What is left of a frame when only @n_fields of its fields fit. */
static Core2StepsFrame
clip (const Core2StepsFrame *full, guint n_fields)
{
  Core2StepsFrame clipped = { .steps = full->steps };
  const guint32 *from[] = { &full->run, &full->walk, &full->distance, &full->energy };
  guint32 *to[] = { &clipped.run, &clipped.walk, &clipped.distance, &clipped.energy };

  for (guint i = 0; i < 4; i++)
    if (full->fields & 1 << i)
      {
        if (n_fields == 0)
          {
            clipped.clipped = TRUE;
            break;
          }
        n_fields--;
        clipped.fields |= 1 << i;
        *to[i] = *from[i];
      }
  return clipped;
}

static void
test_steps_truncated (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (steps_cases); i++)
    {
      g_auto (TestBytes) full = test_bytes_from_hex (steps_cases[i].hex);

      for (gsize size = 0; size < full.size; size++)
        {
          g_auto (TestBytes) bytes = test_bytes_copy (full.data, size);
          Core2StepsFrame frame = { .steps = 4711 };
          Core2StepsFrame expected;
          Core2Decode decode = core2_protocol_decode_steps (bytes.data, bytes.size, &frame);

          if (size < 5)
            {
              g_assert_cmpint (decode, ==, size == 0 ? CORE2_DECODE_EMPTY : CORE2_DECODE_SHORT);
              g_assert_cmpuint (frame.steps, ==, 4711);
              continue;
            }
          g_assert_cmpint (decode, ==, CORE2_DECODE_OK);
          expected = clip (&steps_cases[i].frame, (guint) (size - 5) / 4);
          assert_steps (&frame, &expected);
        }
    }
}

static void
test_service_data (void)
{
  g_auto (TestBytes) bytes = test_bytes_from_hex ("70 01 00 80 99");
  guint32 steps = 0;

  g_assert_cmpint (core2_protocol_decode_service_data (NULL, 0, &steps), ==, CORE2_DECODE_EMPTY);
  for (gsize size = 1; size <= bytes.size; size++)
    {
      g_auto (TestBytes) prefix = test_bytes_copy (bytes.data, size);

      g_assert_cmpint (core2_protocol_decode_service_data (prefix.data, size, &steps), ==,
                       size < 4 ? CORE2_DECODE_SHORT : CORE2_DECODE_OK);
      g_assert_cmphex (steps, ==, size < 4 ? 0 : 0x80000170);
    }
}

static void
test_battery (void)
{
  guint8 percentage = 255;

  g_assert_cmpint (core2_protocol_decode_battery (NULL, 0, &percentage), ==, CORE2_DECODE_EMPTY);
  g_assert_cmpint (core2_protocol_decode_battery ((guint8[]){ 62, 0 }, 2, &percentage), ==,
                   CORE2_DECODE_LONG);
  g_assert_cmpuint (percentage, ==, 255);
  for (guint value = 0; value <= 255; value++)
    {
      guint8 byte = (guint8) value;
      Core2Decode decode;

      percentage = 255;
      decode = core2_protocol_decode_battery (&byte, 1, &percentage);
      g_assert_cmpint (decode, ==, value <= 100 ? CORE2_DECODE_OK : CORE2_DECODE_RANGE);
      g_assert_cmpuint (percentage, ==, value <= 100 ? value : 255);
    }
}

typedef struct
{
  const char *hex;
  Core2Decode decode;
  Core2OrientationFrame frame;
} OrientationCase;

static const OrientationCase orientation_cases[] = {
  { "10 07 01 34 12 78 56", CORE2_DECODE_OK, { 0x1234, 0x5678, TRUE } },
  { "10 87 01 00 00 FF FF", CORE2_DECODE_OK, { 0, 0xffff, TRUE } },
  { "10 07 01 01 00 02 00 09 09", CORE2_DECODE_OK, { 1, 2, TRUE } },
  { "00 00 00 01 00 02 00", CORE2_DECODE_OK, { 1, 2, FALSE } },
  { "10 08 04 01 00 02 00", CORE2_DECODE_OK, { 1, 2, FALSE } },
  { "10 07 04", CORE2_DECODE_REFUSED, { 0 } },
  { "10 07 04 00 00 00 00", CORE2_DECODE_REFUSED, { 0 } },
  { "10 87 02", CORE2_DECODE_REFUSED, { 0 } },
  { "10 07 01", CORE2_DECODE_SHORT, { 0 } },
  { "10 07", CORE2_DECODE_SHORT, { 0 } },
  { "10 08 04", CORE2_DECODE_SHORT, { 0 } },
  { "", CORE2_DECODE_EMPTY, { 0 } },
};

static void
test_orientation (void)
{
  g_assert_cmpmem (core2_orientation_request, CORE2_ORIENTATION_REQUEST_SIZE, "\x07\x01", 2);
  for (guint i = 0; i < G_N_ELEMENTS (orientation_cases); i++)
    {
      const OrientationCase *c = &orientation_cases[i];
      g_auto (TestBytes) bytes = test_bytes_from_hex (c->hex);
      Core2OrientationFrame frame = { 0 };

      g_assert_cmpint (core2_protocol_decode_orientation (bytes.data, bytes.size, &frame), ==,
                       c->decode);
      g_assert_cmphex (frame.x, ==, c->frame.x);
      g_assert_cmphex (frame.y, ==, c->frame.y);
      g_assert_cmpint (frame.usual_header, ==, c->frame.usual_header);
    }
}

static void
test_orientation_truncated (void)
{
  g_auto (TestBytes) full = test_bytes_from_hex ("10 07 01 34 12 78 56");

  for (gsize size = 0; size < full.size; size++)
    {
      g_auto (TestBytes) bytes = test_bytes_copy (full.data, size);
      Core2OrientationFrame frame = { .x = 7 };

      g_assert_cmpint (core2_protocol_decode_orientation (bytes.data, size, &frame), ==,
                       size == 0 ? CORE2_DECODE_EMPTY : CORE2_DECODE_SHORT);
      g_assert_cmpuint (frame.x, ==, 7);
    }
}

static void
test_auth_encode (void)
{
  g_auto (TestBytes) key = test_bytes_from_hex ("d88ca0fef504cc82735f15feb6bf9b1f");
  guint8 frame[CORE2_AUTH_FRAME_MAX];
  gsize size;

  size = core2_protocol_encode_auth (CORE2_AUTH_COMMAND_KEY, CORE2_AUTH_FLAG, NULL, frame);
  g_assert_cmpmem (frame, size, "\x01\x00", 2);
  size = core2_protocol_encode_auth (CORE2_AUTH_COMMAND_CHALLENGE, 0x08, NULL, frame);
  g_assert_cmpmem (frame, size, "\x02\x08", 2);
  size = core2_protocol_encode_auth (CORE2_AUTH_COMMAND_ANSWER, CORE2_AUTH_FLAG, key.data, frame);
  g_assert_cmpuint (size, ==, 18);
  g_assert_cmpmem (frame, 2, "\x03\x00", 2);
  g_assert_cmpmem (frame + 2, 16, key.data, key.size);
}

static void
test_auth_decode (void)
{
  g_auto (TestBytes) full = test_bytes_from_hex ("10 82 01 689c1dd58a666f0f8c90a1a96e1ab3a3");

  for (gsize size = 0; size <= full.size; size++)
    {
      g_auto (TestBytes) bytes = test_bytes_copy (full.data, size);
      Core2AuthFrame frame = { .status = 99 };
      Core2Decode decode = core2_protocol_decode_auth (bytes.data, size, &frame);

      if (size < 3)
        {
          g_assert_cmpint (decode, ==, size == 0 ? CORE2_DECODE_EMPTY : CORE2_DECODE_SHORT);
          g_assert_cmpuint (frame.status, ==, 99);
          continue;
        }
      g_assert_cmpint (decode, ==, CORE2_DECODE_OK);
      g_assert_cmpuint (frame.command, ==, CORE2_AUTH_COMMAND_CHALLENGE);
      g_assert_cmpuint (frame.status, ==, CORE2_AUTH_STATUS_OK);
      g_assert_cmpuint (frame.payload_size, ==, size - 3);
      g_assert_true (frame.payload == (size > 3 ? bytes.data + 3 : NULL));
    }
  g_assert_cmpint (core2_protocol_decode_auth ((guint8[]){ 0x11, 1, 1 }, 3, &(Core2AuthFrame){ 0 }),
                   ==, CORE2_DECODE_OTHER);
}

/* Feeds the same bytes to every decoder; a sanitizer judges, and results must keep their
 * promises. */
static void
decode_everything (const guint8 *data, gsize size)
{
  Core2StepsFrame steps;
  Core2OrientationFrame orientation;
  Core2ChipTime time;
  Core2ConnectionParameters parameters;
  Core2SystemId system_id;
  Core2PnpId pnp_id;
  Core2AuthFrame auth;
  Core2HistoryControl control;
  Core2HistoryPacket packet;
  guint64 address;
  guint32 service_steps;
  guint16 first;
  guint16 last;
  guint8 byte;
  g_autofree char *text = core2_protocol_decode_text (data, size);

  g_assert_true (g_utf8_validate (text, -1, NULL));
  g_assert_cmpuint (strlen (text), <=, CORE2_TEXT_MAX);
  if (core2_protocol_decode_steps (data, size, &steps) == CORE2_DECODE_OK)
    g_assert_cmphex (steps.fields & ~0x0f, ==, 0);
  if (core2_protocol_decode_battery (data, size, &byte) == CORE2_DECODE_OK)
    g_assert_cmpuint (byte, <=, 100);
  if (core2_protocol_decode_privacy_flag (data, size, &byte) == CORE2_DECODE_OK)
    g_assert_cmpuint (byte, <=, 1);
  if (core2_protocol_decode_time (data, size, &time) == CORE2_DECODE_OK)
    g_assert_true (g_date_valid_dmy (time.day, (GDateMonth) time.month, time.year));
  if (core2_protocol_decode_history_packet (data, size, &packet) == CORE2_DECODE_OK)
    g_assert_cmpuint (packet.n_samples * 4 + 1, ==, size);
  if (core2_protocol_decode_auth (data, size, &auth) == CORE2_DECODE_OK)
    g_assert_cmpuint (auth.payload_size, ==, size - 3);
  if (core2_protocol_address_from_manufacturer_data (data, size, &address))
    g_assert_cmphex (address >> 48, ==, 0);
  g_assert_cmpint (core2_protocol_decode_connection_parameters (data, size, &parameters)
                       == CORE2_DECODE_OK,
                   ==, size == 8);
  g_assert_cmpint (core2_protocol_decode_system_id (data, size, &system_id) == CORE2_DECODE_OK, ==,
                   size == 8);
  g_assert_cmpint (core2_protocol_decode_pnp_id (data, size, &pnp_id) == CORE2_DECODE_OK, ==,
                   size == 7);
  g_assert_cmpint (core2_protocol_decode_service_changed (data, size, &first, &last)
                       == CORE2_DECODE_OK,
                   ==, size == 4);
  g_assert_cmpint (core2_protocol_decode_appearance (data, size, &first) == CORE2_DECODE_OK, ==,
                   size == 2);
  g_assert_cmpint (core2_protocol_decode_service_data (data, size, &service_steps)
                       == CORE2_DECODE_OK,
                   ==, size >= 4);
  if (core2_protocol_decode_orientation (data, size, &orientation) == CORE2_DECODE_OK)
    g_assert_cmpuint (size, >=, 7);
  if (core2_protocol_decode_history_control (data, size, &control) == CORE2_DECODE_OK)
    g_assert_cmphex (data[0], ==, 0x10);
}

static void
test_random (void)
{
  for (guint i = 0; i < 20000; i++)
    {
      g_auto (TestBytes) bytes = test_bytes_random ((gsize) g_test_rand_int_range (0, 40));

      /* Most frames of the chip begin so; chance alone would hardly ever get past the first
       * checks. */
      if (bytes.size > 2 && i % 2 == 0)
        {
          bytes.data[0] = 0x10;
          bytes.data[1] &= 0x87;
          bytes.data[2] &= 0x05;
        }
      decode_everything (bytes.data, bytes.size);
    }
}

static void
test_oversize (void)
{
  g_auto (TestBytes) bytes = test_bytes_random (512);

  for (gsize size = 0; size <= bytes.size; size++)
    {
      g_auto (TestBytes) prefix = test_bytes_copy (bytes.data, size);

      decode_everything (prefix.data, prefix.size);
    }
}

static void
test_decode_to_string (void)
{
  g_autoptr (GHashTable) words = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint decode = CORE2_DECODE_OK; decode <= CORE2_DECODE_OTHER; decode++)
    g_assert_true (g_hash_table_add (words, (char *) core2_decode_to_string (decode)));
  g_assert_cmpstr (core2_decode_to_string (CORE2_DECODE_SHORT), ==, "too short");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/protocol/steps", test_steps);
  g_test_add_func ("/protocol/steps-truncated", test_steps_truncated);
  g_test_add_func ("/protocol/service-data", test_service_data);
  g_test_add_func ("/protocol/battery", test_battery);
  g_test_add_func ("/protocol/orientation", test_orientation);
  g_test_add_func ("/protocol/orientation-truncated", test_orientation_truncated);
  g_test_add_func ("/protocol/auth-encode", test_auth_encode);
  g_test_add_func ("/protocol/auth-decode", test_auth_decode);
  g_test_add_func ("/protocol/random", test_random);
  g_test_add_func ("/protocol/oversize", test_oversize);
  g_test_add_func ("/protocol/decode-to-string", test_decode_to_string);
  return g_test_run ();
}
