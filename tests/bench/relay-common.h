/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the bare relays and their source have in common. A relay subscribes to one characteristic of each chip and
 * publishes each notification as core2d's signal; it knows the paths and reads nothing else. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define RELAY_NAME "org.example.Core2"
#define RELAY_CHIP_INTERFACE "org.example.Core2"
#define RELAY_CHARACTERISTIC_INTERFACE "org.bluez.GattCharacteristic1"
#define RELAY_PATH_SIZE 80

typedef enum
{
  RELAY_STEPS,       /* counter u32 -> StepsChanged (counter u, delta u, time t) */
  RELAY_ORIENTATION, /* x and y, u16 -> OrientationChanged (x q, y q, time t) */
} RelayInput;

typedef struct
{
  guint chips;
  RelayInput input;
  gboolean acquire; /* notifications by AcquireNotify's descriptor instead of StartNotify */
  gboolean both;    /* publish PropertiesChanged before each signal, as core2d does */
} RelayOptions;

/* What is to be published of one notification. */
typedef struct
{
  guint32 value; /* counter, or x */
  guint32 other; /* delta, or y */
  guint64 time;  /* microseconds since 1970 */
} RelaySample;

/* The options of the command line; ends the program when they are wrong. */
RelayOptions relay_parse_options (int argc, char **argv, const char *summary);

/* "steps" or "orientation" to @input; FALSE for another word. */
gboolean relay_input_from_text (const char *text, RelayInput *input);
const char *relay_signal_name (RelayInput input);

/* Bluetooth address of a chip with @separator between the bytes: that of virtual BlueZ's chip. */
void relay_address (guint chip, char separator, char address[18]);

/* BlueZ's and core2d's objects for the chip. */
void relay_characteristic_path (guint chip, RelayInput input, char path[RELAY_PATH_SIZE]);
void relay_chip_path (guint chip, char path[RELAY_PATH_SIZE]);

/* The chip of either path; G_MAXUINT for another path. */
guint relay_chip_of_path (const char *path);

/* The payload of a notification as the signal's arguments. @last is the chip's former counter, which is set.
 * FALSE when it is too short. */
gboolean relay_decode (RelayInput input, const guint8 *data, gsize size, guint32 *last,
                       RelaySample *sample);

/* Runs the default main loop until SIGTERM. */
void relay_run (void);

G_END_DECLS
