/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the chip's bytes mean: every decoder and encoder, and nothing else.
 *
 * Pure: bytes and numbers in, structs out. No clock, no bus, no I/O, and no allocation except where
 * text is returned. A decoder may be given any bytes of any size, also NULL with size 0; it reads
 * no byte beyond @size and writes its out-parameters only as far as its comment says.
 *
 * Where a fact comes from is tagged: [CHIP] documented for this chip by software written for it,
 * [FAMILY] documented for bands of the same maker and very likely true here, [SIG] Bluetooth SIG,
 * [ASSUME] a choice made here. Sources: (a) API reference and package of the Python library
 * "amazfit", (b) the Swift SDK HMBluetoothKit, (c) Gadgetbridge, (d) creotiv/MiBand2,
 * (e) harbour-amazfish, (f) a capture of a Mi Band 2, (g) theengs/decoder, (h) SIG definitions. */
#pragma once

#include <glib.h>

#include "core2-address.h"

G_BEGIN_DECLS

/* UUIDs as BlueZ spells them. [SIG] */
#define CORE2_UUID_GAP_SERVICE "00001800-0000-1000-8000-00805f9b34fb"
#define CORE2_UUID_GATT_SERVICE "00001801-0000-1000-8000-00805f9b34fb"
#define CORE2_UUID_INFORMATION_SERVICE "0000180a-0000-1000-8000-00805f9b34fb"
#define CORE2_UUID_NAME "00002a00-0000-1000-8000-00805f9b34fb"
#define CORE2_UUID_APPEARANCE "00002a01-0000-1000-8000-00805f9b34fb"
#define CORE2_UUID_PRIVACY_FLAG "00002a02-0000-1000-8000-00805f9b34fb"
#define CORE2_UUID_CONNECTION_PARAMETERS "00002a04-0000-1000-8000-00805f9b34fb"
#define CORE2_UUID_SERVICE_CHANGED "00002a05-0000-1000-8000-00805f9b34fb"
#define CORE2_UUID_BATTERY "00002a19-0000-1000-8000-00805f9b34fb"
#define CORE2_UUID_SYSTEM_ID "00002a23-0000-1000-8000-00805f9b34fb"
#define CORE2_UUID_SERIAL_NUMBER "00002a25-0000-1000-8000-00805f9b34fb"
#define CORE2_UUID_FIRMWARE_REVISION "00002a26-0000-1000-8000-00805f9b34fb"
#define CORE2_UUID_HARDWARE_REVISION "00002a27-0000-1000-8000-00805f9b34fb"
#define CORE2_UUID_SOFTWARE_REVISION "00002a28-0000-1000-8000-00805f9b34fb"
#define CORE2_UUID_CURRENT_TIME "00002a2b-0000-1000-8000-00805f9b34fb"
#define CORE2_UUID_PNP_ID "00002a50-0000-1000-8000-00805f9b34fb"
/* The maker's own. [CHIP a, b] The authentication service is FEE0 on the chip, FEE1 on bands. */
#define CORE2_UUID_BAND_SERVICE "0000fee0-0000-1000-8000-00805f9b34fb"
#define CORE2_UUID_AUTHENTICATION_SERVICE "0000fee1-0000-1000-8000-00805f9b34fb"
#define CORE2_UUID_ORIENTATION "00000003-0000-3512-2118-0009af100700"
#define CORE2_UUID_HISTORY_CONTROL "00000004-0000-3512-2118-0009af100700"
#define CORE2_UUID_HISTORY_DATA "00000005-0000-3512-2118-0009af100700"
#define CORE2_UUID_STEPS "00000007-0000-3512-2118-0009af100700"
#define CORE2_UUID_AUTHENTICATION "00000009-0000-3512-2118-0009af100700"

/* What a decoder says of its input. */
typedef enum
{
  CORE2_DECODE_OK,
  CORE2_DECODE_EMPTY,   /* no byte at all, which is a legal value */
  CORE2_DECODE_SHORT,   /* fewer bytes than the value needs */
  CORE2_DECODE_LONG,    /* more bytes than the value may have */
  CORE2_DECODE_RANGE,   /* a field has an impossible value */
  CORE2_DECODE_REFUSED, /* well-formed, and says that the chip refuses */
  CORE2_DECODE_OTHER,   /* a frame of another kind */
} Core2Decode;

/* A word for the journal: "ok", "empty", "too short", "too long", "out of range", "refused",
 * "of another kind". */
const char *core2_decode_to_string (Core2Decode decode);

/* Steps, V 0007, read and notification alike. UUID [CHIP a], layout [FAMILY c, d, f]. */

typedef enum
{
  CORE2_STEPS_HAS_RUN = 0x01,
  CORE2_STEPS_HAS_WALK = 0x02,
  CORE2_STEPS_HAS_DISTANCE = 0x04,
  CORE2_STEPS_HAS_ENERGY = 0x08,
} Core2StepsFields;

typedef struct
{
  guint32 steps;    /* since the chip's counter was last reset */
  guint8 fields;    /* Core2StepsFields whose value is here; the others are 0 */
  gboolean clipped; /* a field was announced and did not fit into the frame */
  guint32 run;      /* running steps */
  guint32 walk;     /* walking steps */
  guint32 distance; /* metres */
  guint32 energy;   /* kcal */
} Core2StepsFrame;

/* Decodes `flags | steps u32 LE | one u32 LE a flag`. Goes by the flags, never by the length: with
 * all four fields the 21 bytes do not fit into one notification at the smallest MTU, so a cut-off
 * field is left out, and the steps are kept. Bytes after the last field are ignored.
 * Returns OK; EMPTY; SHORT below 5 bytes. @frame is written for OK alone. */
Core2Decode core2_protocol_decode_steps (const guint8 *data, gsize size, Core2StepsFrame *frame);

/* Decodes the service data of FEE0 in advertisements, the step counter as u32 LE. [FAMILY g]
 * Returns OK; EMPTY; SHORT below 4 bytes. Longer data keeps the counter in front. */
Core2Decode core2_protocol_decode_service_data (const guint8 *data, gsize size, guint32 *steps);

/* Battery, 2A19: u8 percent. [CHIP a] A fault of the chip's firmware makes the payload empty at
 * times. Returns OK; EMPTY; LONG for more than one byte; RANGE above 100.
 * @percentage is written for OK alone. */
Core2Decode core2_protocol_decode_battery (const guint8 *data, gsize size, guint8 *percentage);

/* Orientation, V 0003. The request and the two values [CHIP a]; header and failure [ASSUME]. */

#define CORE2_ORIENTATION_REQUEST_SIZE 2
/* The bytes `07 01`, to be sent as a write without response. */
extern const guint8 core2_orientation_request[CORE2_ORIENTATION_REQUEST_SIZE];

typedef struct
{
  guint16 x; /* raw; the meaning, the unit and the sign of both are unknown */
  guint16 y;
  gboolean usual_header; /* the answer began with `10 07 01` */
} Core2OrientationFrame;

/* Decodes the answer: at least 7 bytes, u16 LE at [3] and [5]. As its header is an assumption, a
 * frame with another one is taken too, and marked.
 * Returns OK; EMPTY; SHORT below 7 bytes; REFUSED for `10 07` with a status other than 01, of
 * any size from 3 on. @frame is written for OK alone. */
Core2Decode core2_protocol_decode_orientation (const guint8 *data, gsize size,
                                               Core2OrientationFrame *frame);

/* Current time, 2A2B: local time of the chip. [SIG h], the time zone at [10] [FAMILY c, d]. */

#define CORE2_TIME_SIZE 11
/* Enough for "2018-04-15T16:20:43+03:00". */
#define CORE2_TIME_TEXT_SIZE 32

typedef struct
{
  guint16 year;
  guint8 month;
  guint8 day;
  guint8 hour;
  guint8 minute;
  guint8 second;
  guint8 weekday;      /* 1 = Monday, 0 = not told; not trusted, and never checked */
  guint8 fraction;     /* 1/256 s, 0 when not told */
  gboolean zone_known; /* the frame had a possible time zone */
  gint8 zone_quarters; /* quarters of an hour east of UTC, summer time included */
} Core2ChipTime;

/* Decodes 7 bytes (date and time), up to 9 (with weekday and fraction), 10 (with adjust reason) or
 * 11 and more (with time zone). A zone beyond -12 h to +14 h is taken as not known.
 * Returns OK; EMPTY; SHORT below 7 bytes; RANGE for a date or time that does not exist (the SIG's
 * "unknown" year, month or day 0 among them). @time is written for OK alone. */
Core2Decode core2_protocol_decode_time (const guint8 *data, gsize size, Core2ChipTime *time);

/* Encodes the local time of @local with its offset, rounded down to quarters of an hour, into the
 * 11 bytes that set the chip's clock. [FAMILY c] Returns FALSE when year or zone cannot be told. */
gboolean core2_protocol_encode_time (GDateTime *local, guint8 data[CORE2_TIME_SIZE]);

/* Sets the zone from its byte in a frame, quarters of an hour as a signed number; one beyond -12
 * h to +14 h becomes "not known". */
void core2_chip_time_set_zone (Core2ChipTime *self, guint8 raw);

/* Writes ISO 8601 text: "2018-04-15T16:20:43+03:00", without the offset when it is not known. */
void core2_chip_time_format (const Core2ChipTime *self, char text[CORE2_TIME_TEXT_SIZE]);

/* Seconds since 1970-01-01 UTC; by the zone in the frame or, where that is not known, by @zone.
 * -1 when this cannot be told, and for times before 1970. */
gint64 core2_chip_time_to_unix (const Core2ChipTime *self, GTimeZone *zone);

/* Static information. */

/* The longest text taken from a chip, in bytes without the final NUL. */
#define CORE2_TEXT_MAX 128

/* Text (2A00, 2A25 to 2A28): UTF-8, cut at the first NUL. [CHIP a] What is not valid UTF-8, and
 * control characters, become U+FFFD: the bus drops who sends bad UTF-8, and a terminal obeys
 * control characters. Cut to CORE2_TEXT_MAX bytes at a character's end, without spaces at its
 * end. Returns newly allocated text, "" for no data; free it with g_free(). */
char *core2_protocol_decode_text (const guint8 *data, gsize size);

/* Appearance, 2A01: u16 LE. [CHIP a, SIG h] OK, EMPTY, SHORT, LONG. */
Core2Decode core2_protocol_decode_appearance (const guint8 *data, gsize size, guint16 *appearance);

/* Privacy flag, 2A02: u8. [CHIP a, SIG h] OK, EMPTY, LONG, RANGE above 1. */
Core2Decode core2_protocol_decode_privacy_flag (const guint8 *data, gsize size, guint8 *flag);

/* A connection parameter that the chip does not tell. [SIG h] */
#define CORE2_CONNECTION_NO_VALUE 0xffff

typedef struct
{
  guint16 min_interval;       /* x 1.25 ms */
  guint16 max_interval;       /* x 1.25 ms */
  guint16 latency;            /* connection events */
  guint16 timeout_multiplier; /* x 10 ms */
} Core2ConnectionParameters;

/* Connection parameters, 2A04: 4 x u16 LE. [CHIP a, SIG h] OK, EMPTY, SHORT, LONG.
 * Each of the four may be CORE2_CONNECTION_NO_VALUE; nothing is checked beyond the size. */
Core2Decode core2_protocol_decode_connection_parameters (const guint8 *data, gsize size,
                                                         Core2ConnectionParameters *parameters);

/* Service changed, 2A05: first and last handle, u16 LE each. [CHIP a reads it, SIG h]
 * OK, EMPTY, SHORT, LONG. */
Core2Decode core2_protocol_decode_service_changed (const guint8 *data, gsize size,
                                                   guint16 *first, guint16 *last);

#define CORE2_SYSTEM_ID_SIZE 8

typedef struct
{
  guint64 manufacturer; /* 40 bits */
  guint32 oui;          /* 24 bits */
} Core2SystemId;

/* System id, 2A23: 40 bits then 24 bits, each from its least significant byte on. [CHIP a, SIG h]
 * OK, EMPTY, SHORT, LONG. */
Core2Decode core2_protocol_decode_system_id (const guint8 *data, gsize size, Core2SystemId *id);

typedef struct
{
  guint8 source; /* 1 = Bluetooth SIG, 2 = USB Implementers Forum */
  guint16 vendor;
  guint16 product;
  guint16 version;
} Core2PnpId;

/* PnP id, 2A50: u8, 3 x u16 LE. [CHIP a, SIG h] OK, EMPTY, SHORT, LONG. */
Core2Decode core2_protocol_decode_pnp_id (const guint8 *data, gsize size, Core2PnpId *id);

/* Advertisements. */

#define CORE2_CHIP_NAME "HM0D"          /* [CHIP b], compared in any case */
#define CORE2_COMPANY_ID 0x0157         /* [CHIP b] */

typedef enum
{
  CORE2_MATCH_NO,
  CORE2_MATCH_MAYBE, /* of the maker: any band of the room too; needs an explicit address */
  CORE2_MATCH_YES,
} Core2Match;

/* Judges what was heard of a device. @name may be NULL. @has_band_service: FEE0 is among the UUIDs
 * of its services or of its service data. @has_company: there is manufacturer data of
 * CORE2_COMPANY_ID. [CHIP b] */
Core2Match core2_protocol_match_advertisement (const char *name, gboolean has_band_service,
                                               gboolean has_company);

/* Takes the address out of manufacturer data of CORE2_COMPANY_ID (the bytes after the company id):
 * its last 6 bytes, in reading order. [generic scan of b; FAMILY `02 | 16 x ff | 02 | address`]
 * Returns FALSE for less than 6 bytes and for an address of only 00 or only ff. */
gboolean core2_protocol_address_from_manufacturer_data (const guint8 *data, gsize size,
                                                        guint64 *address);

/* Authentication, V 0009. [CHIP a, b; FAMILY c, d, e, f] */

#define CORE2_KEY_SIZE 16
#define CORE2_AUTH_FRAME_MAX (2 + CORE2_KEY_SIZE)
/* The flag byte of every frame we write: 00 on the chip, 08 for clients of bands. */
#define CORE2_AUTH_FLAG 0x00

typedef enum
{
  CORE2_AUTH_COMMAND_KEY = 0x01,       /* sets a key: shake needed */
  CORE2_AUTH_COMMAND_CHALLENGE = 0x02, /* asks for 16 random bytes */
  CORE2_AUTH_COMMAND_ANSWER = 0x03,    /* sends them encrypted */
} Core2AuthCommand;

typedef enum
{
  CORE2_AUTH_STATUS_OK = 0x01,
  CORE2_AUTH_STATUS_REFUSED = 0x04,
  CORE2_AUTH_STATUS_ACCEPTED = 0x06, /* as OK, for a key [FAMILY e] */
  CORE2_AUTH_STATUS_WRONG_KEY = 0x08,
} Core2AuthStatus;

typedef struct
{
  guint8 command; /* as echoed, the high half masked off: newer devices set its top bit */
  guint8 status;
  const guint8 *payload; /* points into the frame; NULL when there is none */
  gsize payload_size;
} Core2AuthFrame;

/* Writes `command | flag | payload`. @payload is a key or an encrypted answer of CORE2_KEY_SIZE
 * bytes, or NULL: preamble and challenge have none. Returns the frame's size. */
gsize core2_protocol_encode_auth (Core2AuthCommand command, guint8 flag, const guint8 *payload,
                                  guint8 data[CORE2_AUTH_FRAME_MAX]);

/* Decodes `10 | command | status | payload`.
 * Returns OK; EMPTY; OTHER when it does not begin with 10; SHORT below 3 bytes. */
Core2Decode core2_protocol_decode_auth (const guint8 *data, gsize size, Core2AuthFrame *frame);

/* Activity history, V 0004 (control) and V 0005 (data). UUID [CHIP a], protocol [FAMILY c]. */

#define CORE2_HISTORY_REQUEST_SIZE 10
#define CORE2_HISTORY_PACKET_SAMPLES 4
#define CORE2_HISTORY_SAMPLE_SIZE 4
/* Tells the chip to send what it announced: the byte `02`, a write without response. The byte `03`
 * would delete the history on the chip; nothing here makes it. */
#define CORE2_HISTORY_GO_SIZE 1
extern const guint8 core2_history_go[CORE2_HISTORY_GO_SIZE];

typedef struct
{
  gboolean end; /* FALSE: the answer to a request, with count and start; TRUE: all was sent */
  guint32 count;       /* samples that will come, one a minute; 0 = nothing to fetch */
  Core2ChipTime start; /* of the first sample; meaningless when count is 0 */
} Core2HistoryControl;

typedef struct
{
  guint8 kind;      /* of activity; values unknown */
  guint8 intensity;
  guint8 steps;     /* in this minute */
  guint8 heart_rate;
} Core2HistorySample;

typedef struct
{
  guint8 counter; /* 0 to 255, wraps; a gap means that packets were lost */
  guint n_samples;
  Core2HistorySample samples[CORE2_HISTORY_PACKET_SAMPLES];
} Core2HistoryPacket;

/* Encodes `01 01 | year u16 LE, month, day, hour, minute, 00, zone`: what happened since @since,
 * a local time. Returns FALSE when year or zone cannot be told. */
gboolean core2_protocol_encode_history_request (GDateTime *since,
                                                guint8 data[CORE2_HISTORY_REQUEST_SIZE]);

/* Decodes a notification of the control characteristic: `10 01 01 | count u32 LE | start`, where
 * start may be missing when the count is 0, and `10 02 01`.
 * Returns OK; EMPTY; SHORT; OTHER for anything but an answer to 01 and 02; REFUSED for another
 * status (`10 02 04`: failed); RANGE for a start that does not exist. Written for OK alone. */
Core2Decode core2_protocol_decode_history_control (const guint8 *data, gsize size,
                                                   Core2HistoryControl *control);

/* Decodes a packet: `counter | up to 4 samples of 4 bytes`. Returns OK; EMPTY; SHORT when its last
 * sample is not whole; LONG for more than 4 samples. @packet is written for OK alone. */
Core2Decode core2_protocol_decode_history_packet (const guint8 *data, gsize size,
                                                  Core2HistoryPacket *packet);

G_END_DECLS
