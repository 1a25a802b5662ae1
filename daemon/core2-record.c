/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-record.h"

#include <string.h>

#define FORMAT 1
#define TITLE " Written by core2d. A changed file is refused: use core2ctl."
#define CHECK "[Check]\nSha256="
#define CHECKSUM_SIZE 64

#define CHIP "Chip"
#define STEPS "Steps"
#define TRUSTED "Steps.Trusted"
#define CANDIDATE "Steps.Candidate"
#define DAYS "Steps.Days"

static const char *const side_names[] = {
  [CORE2_SIDE_UNKNOWN] = "unknown",
  [CORE2_SIDE_LEFT] = "left",
  [CORE2_SIDE_RIGHT] = "right",
};

const char *
core2_side_get_name (Core2Side side)
{
  return side_names[side];
}

gboolean
core2_side_from_name (const char *name, Core2Side *side)
{
  for (guint i = 0; i < G_N_ELEMENTS (side_names); i++)
    if (g_strcmp0 (name, side_names[i]) == 0)
      {
        *side = (Core2Side) i;
        return TRUE;
      }
  return FALSE;
}

Core2ChipRecord *
core2_chip_record_new (const char *address)
{
  Core2ChipRecord *self = g_new0 (Core2ChipRecord, 1);

  g_strlcpy (self->address, address, sizeof self->address);
  self->name = g_strdup ("");
  self->alias = g_strdup ("");
  self->auto_connect = TRUE;
  self->battery = 255;
  core2_steps_init (&self->steps);
  return self;
}

void
core2_chip_record_free (Core2ChipRecord *self)
{
  if (self == NULL)
    return;
  g_free (self->name);
  g_free (self->alias);
  g_free (self);
}

/* --- writing -------------------------------------------------------------------------------- */

static void
write_sample (GKeyFile *file, const char *group, const Core2StepsSample *sample)
{
  g_key_file_set_uint64 (file, group, "Counter", sample->counter);
  g_key_file_set_int64 (file, group, "WallTime", sample->wall_us);
  g_key_file_set_int64 (file, group, "BootTime", sample->boot_us);
  g_key_file_set_uint64 (file, group, "Boot", sample->boot_id);
}

static void
write_steps (GKeyFile *file, const Core2StepsState *steps)
{
  char day[CORE2_DAY_TEXT_SIZE];

  g_key_file_set_uint64 (file, STEPS, "Total", steps->total);
  if (steps->day != 0)
    {
      core2_day_format (steps->day, day);
      g_key_file_set_string (file, STEPS, "Day", day);
    }
  g_key_file_set_integer (file, STEPS, "Midnight", steps->midnight);
  g_key_file_set_integer (file, STEPS, "Pairing", steps->pairing);

  if (steps->has_trusted)
    write_sample (file, TRUSTED, &steps->trusted);
  if (steps->has_candidate)
    {
      write_sample (file, CANDIDATE, &steps->candidate);
      g_key_file_set_boolean (file, CANDIDATE, "IsReset", steps->candidate_is_reset);
    }
  for (guint i = 0; i < CORE2_STEPS_DAYS_KEPT; i++)
    if (steps->days[i].day != 0)
      {
        core2_day_format (steps->days[i].day, day);
        g_key_file_set_uint64 (file, DAYS, day, steps->days[i].steps);
      }
}

/* The text of @file with a checksum at its end. */
static char *
seal (GKeyFile *file)
{
  gsize size;
  g_autofree char *body = g_key_file_to_data (file, &size, NULL);
  g_autofree char *checksum
      = g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *) body, size);

  return g_strconcat (body, CHECK, checksum, "\n", NULL);
}

char *
core2_steps_state_to_text (const Core2StepsState *self)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();

  write_steps (file, self);
  return seal (file);
}

char *
core2_chip_record_to_text (const Core2ChipRecord *self)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();

  g_key_file_set_integer (file, CHIP, "Format", FORMAT);
  g_key_file_set_string (file, CHIP, "Address", self->address);
  g_key_file_set_string (file, CHIP, "Name", self->name);
  g_key_file_set_string (file, CHIP, "Alias", self->alias);
  g_key_file_set_string (file, CHIP, "Side", core2_side_get_name (self->side));
  g_key_file_set_boolean (file, CHIP, "AutoConnect", self->auto_connect);
  g_key_file_set_uint64 (file, CHIP, "DailyGoal", self->daily_goal);
  g_key_file_set_uint64 (file, CHIP, "Added", self->added);
  g_key_file_set_uint64 (file, CHIP, "LastSeen", self->last_seen);
  g_key_file_set_uint64 (file, CHIP, "LastConnected", self->last_connected);
  g_key_file_set_integer (file, CHIP, "Battery", self->battery);
  g_key_file_set_uint64 (file, CHIP, "BatteryUpdated", self->battery_updated);
  write_steps (file, &self->steps);
  g_key_file_set_comment (file, NULL, NULL, TITLE, NULL);
  return seal (file);
}

/* --- reading -------------------------------------------------------------------------------- */

/* A key file being read; the first thing that is wrong stays in @error. */
typedef struct
{
  GKeyFile *file;
  GError *error;
} Reader;

static void
refuse (Reader *self, const char *group, const char *key)
{
  if (self->error == NULL)
    self->error = g_error_new (G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
                               "[%s] %s has no valid value", group, key);
}

static guint64
read_number (Reader *self, const char *group, const char *key, guint64 max)
{
  g_autofree char *text = g_key_file_get_value (self->file, group, key, NULL);
  guint64 number = 0;

  if (text == NULL || !g_ascii_string_to_unsigned (text, 10, 0, max, &number, NULL))
    refuse (self, group, key);
  return number;
}

static gint64
read_signed (Reader *self, const char *group, const char *key)
{
  g_autofree char *text = g_key_file_get_value (self->file, group, key, NULL);
  gint64 number = 0;

  if (text == NULL
      || !g_ascii_string_to_signed (text, 10, G_MININT64, G_MAXINT64, &number, NULL))
    refuse (self, group, key);
  return number;
}

static gboolean
read_boolean (Reader *self, const char *group, const char *key)
{
  g_autoptr (GError) error = NULL;
  gboolean value = g_key_file_get_boolean (self->file, group, key, &error);

  if (error != NULL)
    refuse (self, group, key);
  return value;
}

/* Never NULL. */
static char *
read_string (Reader *self, const char *group, const char *key)
{
  char *text = g_key_file_get_string (self->file, group, key, NULL);

  if (text != NULL)
    return text;
  refuse (self, group, key);
  return g_strdup ("");
}

static void
read_sample (Reader *self, const char *group, Core2StepsSample *sample)
{
  sample->counter = (guint32) read_number (self, group, "Counter", G_MAXUINT32);
  sample->wall_us = read_signed (self, group, "WallTime");
  sample->boot_us = read_signed (self, group, "BootTime");
  sample->boot_id = read_number (self, group, "Boot", G_MAXUINT64);
}

static void
read_days (Reader *self, Core2StepsState *steps)
{
  gsize n = 0;
  g_auto (GStrv) days = g_key_file_get_keys (self->file, DAYS, &n, NULL);

  if (n > CORE2_STEPS_DAYS_KEPT)
    {
      refuse (self, DAYS, days[CORE2_STEPS_DAYS_KEPT]);
      return;
    }
  for (gsize i = 0; i < n; i++)
    {
      if (!core2_day_parse (days[i], &steps->days[i].day))
        refuse (self, DAYS, days[i]);
      steps->days[i].steps = (guint32) read_number (self, DAYS, days[i], G_MAXUINT32);
    }
}

static void
read_steps (Reader *self, Core2StepsState *steps)
{
  steps->total = read_number (self, STEPS, "Total", G_MAXUINT64);
  steps->midnight = (guint8) read_number (self, STEPS, "Midnight",
                                          CORE2_STEPS_MIDNIGHT_GOES_ON);
  steps->pairing = (guint8) read_number (self, STEPS, "Pairing", G_MAXUINT8);
  if (g_key_file_has_key (self->file, STEPS, "Day", NULL))
    {
      g_autofree char *day = read_string (self, STEPS, "Day");

      if (!core2_day_parse (day, &steps->day))
        refuse (self, STEPS, "Day");
    }

  steps->has_trusted = g_key_file_has_group (self->file, TRUSTED);
  if (steps->has_trusted)
    read_sample (self, TRUSTED, &steps->trusted);
  steps->has_candidate = g_key_file_has_group (self->file, CANDIDATE);
  if (steps->has_candidate)
    {
      read_sample (self, CANDIDATE, &steps->candidate);
      steps->candidate_is_reset = read_boolean (self, CANDIDATE, "IsReset");
    }
  if (g_key_file_has_group (self->file, DAYS))
    read_days (self, steps);
}

static Core2ChipRecord *
read_chip (Reader *self)
{
  g_autofree char *address = read_string (self, CHIP, "Address");
  g_autofree char *side = read_string (self, CHIP, "Side");
  char normal[CORE2_ADDRESS_TEXT_SIZE] = "";

  if (!core2_address_normalise (address, normal) || !g_str_equal (address, normal))
    refuse (self, CHIP, "Address");

  Core2ChipRecord *record = core2_chip_record_new (normal);

  g_free (record->name);
  record->name = read_string (self, CHIP, "Name");
  g_free (record->alias);
  record->alias = read_string (self, CHIP, "Alias");
  if (!core2_side_from_name (side, &record->side))
    refuse (self, CHIP, "Side");
  record->auto_connect = read_boolean (self, CHIP, "AutoConnect");
  record->daily_goal = (guint32) read_number (self, CHIP, "DailyGoal", G_MAXUINT32);
  record->added = read_number (self, CHIP, "Added", G_MAXUINT64);
  record->last_seen = read_number (self, CHIP, "LastSeen", G_MAXUINT64);
  record->last_connected = read_number (self, CHIP, "LastConnected", G_MAXUINT64);
  record->battery = (guint8) read_number (self, CHIP, "Battery", G_MAXUINT8);
  if (record->battery > 100 && record->battery != 255)
    refuse (self, CHIP, "Battery");
  record->battery_updated = read_number (self, CHIP, "BatteryUpdated", G_MAXUINT64);
  read_steps (self, &record->steps);
  return record;
}

/* Whether the text ends in the checksum of what is before; *@body_size is the size of that. */
static gboolean
verify_checksum (const char *text, gsize size, gsize *body_size)
{
  const gsize tail = strlen (CHECK) + CHECKSUM_SIZE + 1;

  if (size < tail)
    return FALSE;
  *body_size = size - tail;

  g_autofree char *checksum
      = g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *) text, *body_size);
  g_autofree char *expected = g_strconcat (CHECK, checksum, "\n", NULL);

  return memcmp (text + *body_size, expected, tail) == 0;
}

Core2RecordResult
core2_chip_record_from_text (const char *text, gsize size, Core2ChipRecord **record, char **reason)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (Core2ChipRecord) read = NULL;
  Reader reader = { file, NULL };
  gsize body_size;

  if (!verify_checksum (text, size, &body_size))
    {
      *reason = g_strdup ("its checksum is wrong");
      return CORE2_RECORD_DAMAGED;
    }

  if (g_key_file_load_from_data (file, text, body_size, G_KEY_FILE_NONE, &reader.error))
    {
      guint64 format = read_number (&reader, CHIP, "Format", G_MAXUINT32);

      if (reader.error == NULL && format > FORMAT)
        {
          *reason = g_strdup_printf ("it has format %" G_GUINT64_FORMAT ", of a newer core2d",
                                     format);
          return CORE2_RECORD_NEWER;
        }
      read = read_chip (&reader);
    }

  if (reader.error != NULL)
    {
      *reason = g_utf8_make_valid (reader.error->message, -1);
      g_error_free (reader.error);
      return CORE2_RECORD_DAMAGED;
    }
  *record = g_steal_pointer (&read);
  return CORE2_RECORD_OK;
}

gboolean
core2_steps_state_from_text (const char *text, Core2StepsState *state, char **reason)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  Reader reader = { file, NULL };
  Core2StepsState read;
  gsize body_size;

  if (text == NULL || !verify_checksum (text, strlen (text), &body_size))
    {
      *reason = g_strdup ("its checksum is wrong");
      return FALSE;
    }
  core2_steps_init (&read);
  if (g_key_file_load_from_data (file, text, body_size, G_KEY_FILE_NONE, &reader.error))
    read_steps (&reader, &read);
  if (reader.error != NULL)
    {
      *reason = g_utf8_make_valid (reader.error->message, -1);
      g_error_free (reader.error);
      return FALSE;
    }
  *state = read;
  return TRUE;
}
