/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The chip's own minute history, V 0004 and V 0005. [FAMILY c] */
#include "core2-protocol.h"

#include <string.h>

#include "core2-bytes.h"

#define ANSWER 0x10
#define COMMAND_REQUEST 0x01
#define COMMAND_GO 0x02
#define KIND_ACTIVITY 0x01
#define STATUS_OK 0x01
#define ANSWER_SIZE 3
#define COUNT_OFFSET 3
#define START_OFFSET 7
#define DATE_TIME_SIZE 7
#define START_ANSWER_SIZE (START_OFFSET + DATE_TIME_SIZE + 1)

const guint8 core2_history_go[CORE2_HISTORY_GO_SIZE] = { COMMAND_GO };

gboolean
core2_protocol_encode_history_request (GDateTime *since, guint8 data[CORE2_HISTORY_REQUEST_SIZE])
{
  guint8 time[CORE2_TIME_SIZE];

  if (!core2_protocol_encode_time (since, time))
    return FALSE;
  data[0] = COMMAND_REQUEST;
  data[1] = KIND_ACTIVITY;
  /* Year to minute are as in the current time; whole minutes only. */
  memcpy (data + 2, time, 6);
  data[8] = 0;
  data[9] = time[CORE2_TIME_SIZE - 1];
  return TRUE;
}

static Core2Decode
decode_start (const guint8 *data, gsize size, Core2HistoryControl *control)
{
  Core2HistoryControl result = { .end = FALSE };
  Core2Decode decode;

  if (size < START_OFFSET)
    return CORE2_DECODE_SHORT;
  result.count = core2_bytes_get_u32 (data + COUNT_OFFSET);
  if (result.count > 0)
    {
      if (size < START_ANSWER_SIZE)
        return CORE2_DECODE_SHORT;
      decode = core2_protocol_decode_time (data + START_OFFSET, DATE_TIME_SIZE, &result.start);
      if (decode != CORE2_DECODE_OK)
        return decode;
      core2_chip_time_set_zone (&result.start, data[START_OFFSET + DATE_TIME_SIZE]);
    }
  *control = result;
  return CORE2_DECODE_OK;
}

Core2Decode
core2_protocol_decode_history_control (const guint8 *data, gsize size,
                                       Core2HistoryControl *control)
{
  if (size == 0)
    return CORE2_DECODE_EMPTY;
  if (data[0] != ANSWER
      || (size > 1 && data[1] != COMMAND_REQUEST && data[1] != COMMAND_GO))
    return CORE2_DECODE_OTHER;
  if (size < ANSWER_SIZE)
    return CORE2_DECODE_SHORT;
  if (data[2] != STATUS_OK)
    return CORE2_DECODE_REFUSED;
  if (data[1] == COMMAND_REQUEST)
    return decode_start (data, size, control);

  *control = (Core2HistoryControl){ .end = TRUE };
  return CORE2_DECODE_OK;
}

Core2Decode
core2_protocol_decode_history_packet (const guint8 *data, gsize size, Core2HistoryPacket *packet)
{
  if (size == 0)
    return CORE2_DECODE_EMPTY;
  if (size > 1 + CORE2_HISTORY_PACKET_SAMPLES * CORE2_HISTORY_SAMPLE_SIZE)
    return CORE2_DECODE_LONG;
  if ((size - 1) % CORE2_HISTORY_SAMPLE_SIZE != 0)
    return CORE2_DECODE_SHORT;

  *packet = (Core2HistoryPacket){
    .counter = data[0],
    .n_samples = (guint) ((size - 1) / CORE2_HISTORY_SAMPLE_SIZE),
  };
  for (guint i = 0; i < packet->n_samples; i++)
    {
      const guint8 *sample = data + 1 + i * CORE2_HISTORY_SAMPLE_SIZE;

      packet->samples[i] = (Core2HistorySample){
        .kind = sample[0],
        .intensity = sample[1],
        .steps = sample[2],
        .heart_rate = sample[3],
      };
    }
  return CORE2_DECODE_OK;
}
