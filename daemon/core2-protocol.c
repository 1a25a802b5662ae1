/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-protocol.h"

#include <string.h>

#include "core2-bytes.h"

#define STEPS_SIZE_MIN 5
#define ORIENTATION_SIZE_MIN 7
#define ANSWER 0x10
#define ANSWER_SIZE_MIN 3
#define ORIENTATION_COMMAND 0x07
#define STATUS_OK 0x01
/* Newer devices set the top bit of the command that they echo. [FAMILY c] */
#define ECHO_MASK 0x0f
#define ADDRESS_SIZE 6

const guint8 core2_orientation_request[CORE2_ORIENTATION_REQUEST_SIZE] = { 0x07, 0x01 };

const char *
core2_decode_to_string (Core2Decode decode)
{
  switch (decode)
    {
    case CORE2_DECODE_OK:
      return "ok";
    case CORE2_DECODE_EMPTY:
      return "empty";
    case CORE2_DECODE_SHORT:
      return "too short";
    case CORE2_DECODE_LONG:
      return "too long";
    case CORE2_DECODE_RANGE:
      return "out of range";
    case CORE2_DECODE_REFUSED:
      return "refused";
    case CORE2_DECODE_OTHER:
      return "of another kind";
    default:
      return "unknown";
    }
}

/* The verdict on a value that has one size only. */
static Core2Decode
check_exact_size (gsize size, gsize wanted)
{
  if (size == 0)
    return CORE2_DECODE_EMPTY;
  if (size < wanted)
    return CORE2_DECODE_SHORT;
  if (size > wanted)
    return CORE2_DECODE_LONG;
  return CORE2_DECODE_OK;
}

Core2Decode
core2_protocol_decode_steps (const guint8 *data, gsize size, Core2StepsFrame *frame)
{
  gsize offset = STEPS_SIZE_MIN;
  guint32 *values[] = { &frame->run, &frame->walk, &frame->distance, &frame->energy };

  if (size == 0)
    return CORE2_DECODE_EMPTY;
  if (size < STEPS_SIZE_MIN)
    return CORE2_DECODE_SHORT;

  *frame = (Core2StepsFrame){ .steps = core2_bytes_get_u32 (data + 1) };
  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    {
      guint8 field = 1 << i;

      if (!(data[0] & field))
        continue;
      if (size - offset < sizeof (guint32))
        {
          frame->clipped = TRUE;
          break;
        }
      *values[i] = core2_bytes_get_u32 (data + offset);
      frame->fields |= field;
      offset += sizeof (guint32);
    }
  return CORE2_DECODE_OK;
}

Core2Decode
core2_protocol_decode_service_data (const guint8 *data, gsize size, guint32 *steps)
{
  if (size == 0)
    return CORE2_DECODE_EMPTY;
  if (size < sizeof (guint32))
    return CORE2_DECODE_SHORT;
  *steps = core2_bytes_get_u32 (data);
  return CORE2_DECODE_OK;
}

Core2Decode
core2_protocol_decode_battery (const guint8 *data, gsize size, guint8 *percentage)
{
  Core2Decode decode = check_exact_size (size, 1);

  if (decode != CORE2_DECODE_OK)
    return decode;
  if (data[0] > 100)
    return CORE2_DECODE_RANGE;
  *percentage = data[0];
  return CORE2_DECODE_OK;
}

Core2Decode
core2_protocol_decode_orientation (const guint8 *data, gsize size, Core2OrientationFrame *frame)
{
  gboolean usual_command;

  if (size == 0)
    return CORE2_DECODE_EMPTY;
  usual_command = size >= ANSWER_SIZE_MIN && data[0] == ANSWER
                  && (data[1] & ECHO_MASK) == ORIENTATION_COMMAND;
  if (usual_command && data[2] != STATUS_OK)
    return CORE2_DECODE_REFUSED;
  if (size < ORIENTATION_SIZE_MIN)
    return CORE2_DECODE_SHORT;

  *frame = (Core2OrientationFrame){
    .x = core2_bytes_get_u16 (data + 3),
    .y = core2_bytes_get_u16 (data + 5),
    .usual_header = usual_command,
  };
  return CORE2_DECODE_OK;
}

/* Replaces control characters, which a terminal or a log would obey: C0, DEL and C1. */
static char *
replace_control_characters (const char *text)
{
  GString *result = g_string_new (NULL);

  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      g_string_append_unichar (result, g_unichar_iscntrl (c) ? 0xfffd : c);
    }
  return g_string_free (result, FALSE);
}

char *
core2_protocol_decode_text (const guint8 *data, gsize size)
{
  /* Nothing beyond the bound can be part of the result, so nothing beyond it is looked at. */
  gsize length = size == 0 ? 0 : strnlen ((const char *) data, MIN (size, CORE2_TEXT_MAX));
  g_autofree char *valid = NULL;
  char *text;

  if (length == 0)
    return g_strdup ("");
  valid = g_utf8_make_valid ((const char *) data, (gssize) length);
  text = replace_control_characters (valid);
  if (strlen (text) > CORE2_TEXT_MAX)
    *g_utf8_find_prev_char (text, text + CORE2_TEXT_MAX + 1) = '\0';
  return g_strchomp (text);
}

Core2Decode
core2_protocol_decode_appearance (const guint8 *data, gsize size, guint16 *appearance)
{
  Core2Decode decode = check_exact_size (size, sizeof (guint16));

  if (decode == CORE2_DECODE_OK)
    *appearance = core2_bytes_get_u16 (data);
  return decode;
}

Core2Decode
core2_protocol_decode_privacy_flag (const guint8 *data, gsize size, guint8 *flag)
{
  Core2Decode decode = check_exact_size (size, 1);

  if (decode != CORE2_DECODE_OK)
    return decode;
  if (data[0] > 1)
    return CORE2_DECODE_RANGE;
  *flag = data[0];
  return CORE2_DECODE_OK;
}

Core2Decode
core2_protocol_decode_connection_parameters (const guint8 *data, gsize size,
                                             Core2ConnectionParameters *parameters)
{
  Core2Decode decode = check_exact_size (size, 4 * sizeof (guint16));

  if (decode == CORE2_DECODE_OK)
    *parameters = (Core2ConnectionParameters){
      .min_interval = core2_bytes_get_u16 (data),
      .max_interval = core2_bytes_get_u16 (data + 2),
      .latency = core2_bytes_get_u16 (data + 4),
      .timeout_multiplier = core2_bytes_get_u16 (data + 6),
    };
  return decode;
}

Core2Decode
core2_protocol_decode_service_changed (const guint8 *data, gsize size, guint16 *first,
                                       guint16 *last)
{
  Core2Decode decode = check_exact_size (size, 2 * sizeof (guint16));

  if (decode == CORE2_DECODE_OK)
    {
      *first = core2_bytes_get_u16 (data);
      *last = core2_bytes_get_u16 (data + 2);
    }
  return decode;
}

Core2Decode
core2_protocol_decode_system_id (const guint8 *data, gsize size, Core2SystemId *id)
{
  Core2Decode decode = check_exact_size (size, CORE2_SYSTEM_ID_SIZE);

  if (decode == CORE2_DECODE_OK)
    *id = (Core2SystemId){
      .manufacturer = core2_bytes_get_u32 (data) | (guint64) data[4] << 32,
      .oui = core2_bytes_get_u16 (data + 5) | (guint32) data[7] << 16,
    };
  return decode;
}

Core2Decode
core2_protocol_decode_pnp_id (const guint8 *data, gsize size, Core2PnpId *id)
{
  Core2Decode decode = check_exact_size (size, 1 + 3 * sizeof (guint16));

  if (decode == CORE2_DECODE_OK)
    *id = (Core2PnpId){
      .source = data[0],
      .vendor = core2_bytes_get_u16 (data + 1),
      .product = core2_bytes_get_u16 (data + 3),
      .version = core2_bytes_get_u16 (data + 5),
    };
  return decode;
}

Core2Match
core2_protocol_match_advertisement (const char *name, gboolean has_band_service,
                                    gboolean has_company)
{
  if (name != NULL && g_ascii_strcasecmp (name, CORE2_CHIP_NAME) == 0)
    return CORE2_MATCH_YES;
  return has_band_service && has_company ? CORE2_MATCH_MAYBE : CORE2_MATCH_NO;
}

gboolean
core2_protocol_address_from_manufacturer_data (const guint8 *data, gsize size, guint64 *address)
{
  guint64 value = 0;

  if (size < ADDRESS_SIZE)
    return FALSE;
  for (gsize i = size - ADDRESS_SIZE; i < size; i++)
    value = value << 8 | data[i];
  if (value == 0 || value == G_GUINT64_CONSTANT (0xffffffffffff))
    return FALSE;
  *address = value;
  return TRUE;
}

gsize
core2_protocol_encode_auth (Core2AuthCommand command, guint8 flag, const guint8 *payload,
                            guint8 data[CORE2_AUTH_FRAME_MAX])
{
  data[0] = command;
  data[1] = flag;
  if (payload == NULL)
    return 2;
  memcpy (data + 2, payload, CORE2_KEY_SIZE);
  return CORE2_AUTH_FRAME_MAX;
}

Core2Decode
core2_protocol_decode_auth (const guint8 *data, gsize size, Core2AuthFrame *frame)
{
  if (size == 0)
    return CORE2_DECODE_EMPTY;
  if (data[0] != ANSWER)
    return CORE2_DECODE_OTHER;
  if (size < ANSWER_SIZE_MIN)
    return CORE2_DECODE_SHORT;

  *frame = (Core2AuthFrame){
    .command = data[1] & ECHO_MASK,
    .status = data[2],
    .payload = size > ANSWER_SIZE_MIN ? data + ANSWER_SIZE_MIN : NULL,
    .payload_size = size - ANSWER_SIZE_MIN,
  };
  return CORE2_DECODE_OK;
}
