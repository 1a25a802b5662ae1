/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The barest program that publishes core2d's objects with all of their properties, by sd-bus: what bench-clients and
 * bench-startup compare core2d to. Nothing ever happens to its chips. */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>

#define ROOT_PATH "/org/example/Core2"
#define FIRST_CHIP UINT64_C (0xf14fbb6ab579)

typedef struct
{
  char address[18];
  char path[48];
  const char *empty;
  const char *side;
  const char *state;
  const char *status;
  const char *idle;
  const char *unknown;
  int yes;
  int no;
  uint8_t byte;
  uint16_t word;
  int16_t rssi;
  uint32_t count;
  uint64_t time;
} Chip;

static int
get_address (sd_bus *bus, const char *path, const char *interface, const char *property,
             sd_bus_message *reply, void *user_data, sd_bus_error *error)
{
  const Chip *chip = user_data;

  return sd_bus_message_append (reply, "s", chip->address);
}

static int
get_pair (sd_bus *bus, const char *path, const char *interface, const char *property,
          sd_bus_message *reply, void *user_data, sd_bus_error *error)
{
  return sd_bus_message_append (reply, "(qq)", 0, 0);
}

static int
get_strings (sd_bus *bus, const char *path, const char *interface, const char *property,
             sd_bus_message *reply, void *user_data, sd_bus_error *error)
{
  return sd_bus_message_append (reply, "as", 0);
}

static int
get_bytes (sd_bus *bus, const char *path, const char *interface, const char *property,
           sd_bus_message *reply, void *user_data, sd_bus_error *error)
{
  return sd_bus_message_append (reply, "ay", 0);
}

#define FIELD(name, type, field) \
  SD_BUS_PROPERTY (name, type, NULL, offsetof (Chip, field), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)
#define GETTER(name, type, getter) \
  SD_BUS_PROPERTY (name, type, getter, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)

static const sd_bus_vtable chip_vtable[] = {
  SD_BUS_VTABLE_START (0),
  GETTER ("Address", "s", get_address),
  FIELD ("Name", "s", empty),
  FIELD ("Alias", "s", empty),
  FIELD ("Side", "s", side),
  FIELD ("Adapter", "s", empty),
  FIELD ("Remembered", "b", yes),
  FIELD ("AutoConnect", "b", yes),
  FIELD ("Connected", "b", no),
  FIELD ("Paired", "b", no),
  FIELD ("State", "s", state),
  FIELD ("StatusText", "s", status),
  FIELD ("LastError", "s", empty),
  FIELD ("LastConnected", "t", time),
  FIELD ("LastSeen", "t", time),
  FIELD ("Rssi", "n", rssi),
  FIELD ("PairingState", "s", idle),
  FIELD ("PairingDeadline", "t", time),
  FIELD ("Battery", "y", byte),
  FIELD ("BatteryStatus", "s", unknown),
  FIELD ("BatteryUpdated", "t", time),
  FIELD ("Steps", "u", count),
  FIELD ("StepsUpdated", "t", time),
  FIELD ("StepsToday", "u", count),
  FIELD ("StepsTotal", "t", time),
  FIELD ("Cadence", "u", count),
  FIELD ("RunSteps", "u", count),
  FIELD ("WalkSteps", "u", count),
  FIELD ("Distance", "u", count),
  FIELD ("Energy", "u", count),
  GETTER ("Orientation", "(qq)", get_pair),
  FIELD ("OrientationUpdated", "t", time),
  FIELD ("OrientationInterval", "u", count),
  FIELD ("DailyGoal", "u", count),
  SD_BUS_VTABLE_END,
};

static const sd_bus_vtable info_vtable[] = {
  SD_BUS_VTABLE_START (0),
  GETTER ("Available", "as", get_strings),
  FIELD ("Updated", "t", time),
  FIELD ("Name", "s", empty),
  FIELD ("Appearance", "q", word),
  FIELD ("PrivacyFlag", "y", byte),
  FIELD ("MinConnectionInterval", "q", word),
  FIELD ("MaxConnectionInterval", "q", word),
  FIELD ("SlaveLatency", "q", word),
  FIELD ("TimeoutMultiplier", "q", word),
  FIELD ("ServiceChangedStart", "q", word),
  FIELD ("ServiceChangedEnd", "q", word),
  GETTER ("SystemId", "ay", get_bytes),
  FIELD ("SerialNumber", "s", empty),
  FIELD ("HardwareRevision", "s", empty),
  FIELD ("SoftwareRevision", "s", empty),
  FIELD ("FirmwareRevision", "s", empty),
  FIELD ("VendorSource", "y", byte),
  FIELD ("VendorId", "q", word),
  FIELD ("ProductId", "q", word),
  FIELD ("ProductVersion", "q", word),
  SD_BUS_VTABLE_END,
};

/* Methods and signals only: an interface that is listed without a value. */
static const sd_bus_vtable history_vtable[] = {
  SD_BUS_VTABLE_START (0),
  SD_BUS_SIGNAL_WITH_ARGS ("GoalReached", SD_BUS_ARGS ("s", day, "u", steps), 0),
  SD_BUS_VTABLE_END,
};

static int
publish (sd_bus *bus, Chip *chip, uint64_t address)
{
  int r;

  *chip = (Chip){
    .empty = "",
    .side = "unknown",
    .state = "waiting",
    .status = "asleep: shake the chip",
    .idle = "idle",
    .unknown = "unknown",
    .yes = 1,
    .byte = 255,
    .rssi = 127,
  };
  for (unsigned int i = 0; i < 6; i++)
    snprintf (chip->address + 3 * i, sizeof chip->address - 3 * i, "%02X%s",
              (unsigned int) (address >> (40 - 8 * i)) & 0xff, i < 5 ? ":" : "");
  snprintf (chip->path, sizeof chip->path, ROOT_PATH "/chip/%s", chip->address);
  for (char *p = chip->path; *p != '\0'; p++)
    if (*p == ':')
      *p = '_';
  r = sd_bus_add_object_vtable (bus, NULL, chip->path, "org.example.Core2", chip_vtable, chip);
  if (r >= 0)
    r = sd_bus_add_object_vtable (bus, NULL, chip->path, "org.example.Core2.Info", info_vtable, chip);
  if (r >= 0)
    r = sd_bus_add_object_vtable (bus, NULL, chip->path, "org.example.Core2.History", history_vtable,
                                  chip);
  return r;
}

static int
serve (sd_bus *bus)
{
  for (;;)
    {
      int r = sd_bus_process (bus, NULL);

      if (r == 0)
        r = sd_bus_wait (bus, UINT64_MAX);
      /* Ends with its bus. */
      if (r < 0)
        return r == -ENOTCONN || r == -ECONNRESET ? 0 : r;
    }
}

int
main (int argc, char **argv)
{
  sd_bus *bus = NULL;
  Chip *chips = NULL;
  long count = argc == 3 ? atol (argv[2]) : -1;
  int r;

  if (count < 0)
    {
      fprintf (stderr, "usage: objects-sdbus BUS-NAME CHIPS\n");
      return EXIT_FAILURE;
    }
  r = sd_bus_open_system (&bus);
  if (r >= 0)
    r = sd_bus_add_object_manager (bus, NULL, ROOT_PATH);
  if (r >= 0 && (chips = calloc ((size_t) count + 1, sizeof *chips)) == NULL)
    r = -ENOMEM;
  for (long i = 0; i < count && r >= 0; i++)
    r = publish (bus, &chips[i], FIRST_CHIP + (uint64_t) i);
  if (r >= 0)
    r = sd_bus_request_name (bus, argv[1], 0);
  if (r >= 0)
    r = sd_notify (0, "READY=1");
  if (r >= 0)
    r = serve (bus);
  if (r < 0)
    fprintf (stderr, "objects-sdbus: %s\n", strerror (-r));
  sd_bus_unref (bus);
  free (chips);
  return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
