/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-live.h"

#include "core2-error.h"
#include "core2-log.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define NAME "live"
/* Each is a block of the disk: what a power cut destroys while it is written is nobody else's. */
#define SLOT_SIZE 4096
#define SIDES 2
#define PAIR_SIZE (SIDES * SLOT_SIZE)
#define PAIRS_MAX 32768
#define FORMAT 3
/* The one before had a single slot for each chip, and no sequence. */
#define OLD_FORMAT 2
#define OLD_SLOT_SIZE 512

typedef struct
{
  guint32 format;                        /* 0 = a free slot */
  guint32 size;                          /* that of another build differs */
  char address[CORE2_ADDRESS_TEXT_SIZE];
  guint64 added;                         /* as in the record: a chip may be added again */
  guint64 last_seen;
  guint64 last_connected;
  guint64 battery_updated;
  guint8 battery;
  Core2StepsState steps;
} Content;

typedef struct
{
  Content content;
  guint32 sequence; /* the time between two syncs in which it was written; the higher one is newer */
  guint32 checksum;
} Slot;

typedef struct
{
  Content content;
  guint32 checksum;
} OldSlot;

G_STATIC_ASSERT (sizeof (Slot) <= SLOT_SIZE);
G_STATIC_ASSERT (sizeof (OldSlot) <= OLD_SLOT_SIZE);

/* Where a chip's values are. */
typedef struct
{
  guint pair;
  guint side;       /* of its slots the newer one */
  guint32 sequence; /* of that; 0 = nothing was written yet */
} Place;

struct Core2Live
{
  Core2StateDir *dir;
  int fd;
  GHashTable *places;  /* address -> Place */
  GArray *free_pairs;  /* numbers */
  guint n_pairs;
  guint32 sequence;    /* of what is written now */
  gboolean is_new;     /* its name in the folder was not synced */
  gboolean is_synced;  /* nothing was written since the last sync, or since it was opened */
  gboolean is_foreign; /* an earlier process wrote it, and perhaps did not sync it */
};

/* Against torn and stale slots, not against people: a cryptographic hash would cost more than all else that core2d does
 * for a step. */
static guint32
compute_checksum (const void *data, gsize size)
{
  return (guint32) crc32 (0, data, (uInt) size);
}

/* Reads exactly so much. */
static gboolean
read_at (int fd, void *buffer, gsize size, off_t offset)
{
  ssize_t n;

  do
    n = pread (fd, buffer, size, offset);
  while (n < 0 && errno == EINTR);
  return n == (ssize_t) size;
}

static gboolean
is_content (const Content *content, guint32 format)
{
  return content->format == format && content->size == sizeof *content
         && memchr (content->address, '\0', sizeof content->address) != NULL;
}

static off_t
get_offset (guint pair, guint side)
{
  return (off_t) pair * PAIR_SIZE + (off_t) side * SLOT_SIZE;
}

static gboolean
read_slot (Core2Live *self, guint pair, guint side, Slot *slot)
{
  return read_at (self->fd, slot, sizeof *slot, get_offset (pair, side))
         && is_content (&slot->content, FORMAT)
         && compute_checksum (slot, offsetof (Slot, checksum)) == slot->checksum;
}

static gboolean
write_slot (Core2Live *self, guint pair, guint side, const Slot *slot)
{
  ssize_t n;

  self->is_synced = FALSE;
  do
    n = pwrite (self->fd, slot, sizeof *slot, get_offset (pair, side));
  while (n < 0 && errno == EINTR);
  if (n >= 0 && n != (ssize_t) sizeof *slot)
    errno = EIO;
  return n == (ssize_t) sizeof *slot;
}

static gboolean
sync_file (Core2Live *self, GError **error)
{
  while (fdatasync (self->fd) < 0)
    if (errno != EINTR)
      {
        g_set_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE,
                     "cannot sync the values of the chips: %s", g_strerror (errno));
        return FALSE;
      }
  if (self->is_new)
    core2_state_dir_sync (self->dir);
  self->is_new = FALSE;
  self->is_synced = TRUE;
  self->is_foreign = FALSE;
  self->sequence++;
  return TRUE;
}

/* --- opening ------------------------------------------------------------------------------------ */

static void
find_pair (Core2Live *self, guint pair)
{
  Place place = { .pair = pair };
  char address[CORE2_ADDRESS_TEXT_SIZE] = "";

  for (guint side = 0; side < SIDES; side++)
    {
      Slot slot;

      if (!read_slot (self, pair, side, &slot) || slot.sequence <= place.sequence)
        continue;
      memcpy (address, slot.content.address, sizeof address);
      place.side = side;
      place.sequence = slot.sequence;
    }
  if (place.sequence == 0 || g_hash_table_contains (self->places, address))
    {
      g_array_append_val (self->free_pairs, pair);
      return;
    }
  g_hash_table_insert (self->places, g_strdup (address), g_memdup2 (&place, sizeof place));
  self->sequence = MAX (self->sequence, place.sequence);
}

static Core2Live *
open_file (Core2StateDir *dir, off_t *size, GError **error)
{
  struct stat info;
  int fd = core2_state_dir_open_file (dir, NAME, error);

  if (fd < 0)
    return NULL;
  *size = fstat (fd, &info) < 0 ? 0 : info.st_size;

  Core2Live *self = g_new0 (Core2Live, 1);

  self->dir = dir;
  self->fd = fd;
  self->places = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->free_pairs = g_array_new (FALSE, FALSE, sizeof (guint));
  self->n_pairs = (guint) MIN (*size / PAIR_SIZE, PAIRS_MAX);
  for (guint pair = 0; pair < self->n_pairs; pair++)
    find_pair (self, pair);
  self->is_new = *size == 0;
  self->is_synced = TRUE;
  self->is_foreign = !self->is_new;
  self->sequence++;
  return self;
}

/* The slots of an old file, as those of a new one; empty when it has none. */
static GByteArray *
convert_slots (int fd, off_t size)
{
  GByteArray *converted = g_byte_array_new ();

  size = MIN (size, (off_t) PAIRS_MAX * OLD_SLOT_SIZE);
  for (off_t offset = 0; offset < size; offset += OLD_SLOT_SIZE)
    {
      OldSlot old;
      guint8 pair[PAIR_SIZE] = { 0 };
      Slot slot = { .sequence = 1 };

      if (!read_at (fd, &old, sizeof old, offset) || !is_content (&old.content, OLD_FORMAT)
          || compute_checksum (&old.content, sizeof old.content) != old.checksum)
        continue;
      memcpy (&slot.content, &old.content, sizeof slot.content);
      slot.content.format = FORMAT;
      slot.checksum = compute_checksum (&slot, offsetof (Slot, checksum));
      memcpy (pair, &slot, sizeof slot);
      g_byte_array_append (converted, pair, sizeof pair);
    }
  return converted;
}

Core2Live *
core2_live_open (Core2StateDir *dir, GError **error)
{
  off_t size;
  Core2Live *self = open_file (dir, &size, error);

  if (self == NULL || g_hash_table_size (self->places) > 0)
    return self;

  g_autoptr (GByteArray) converted = convert_slots (self->fd, size);

  if (converted->len == 0)
    return self;
  core2_live_free (self);
  /* All of them or, after a crash or without room for them, none: the next start finds the old file. */
  if (!core2_state_dir_write (dir, NAME, converted->data, converted->len, error))
    return NULL;
  return open_file (dir, &size, error);
}

void
core2_live_free (Core2Live *self)
{
  if (self == NULL)
    return;
  close (self->fd);
  g_hash_table_unref (self->places);
  g_array_unref (self->free_pairs);
  g_free (self);
}

/* --- chips -------------------------------------------------------------------------------------- */

/* The place of @address, a new one if need be; NULL with @error. The disk must have its blocks: a write
 * that nothing was reserved for fails just when the disk is full. */
static Place *
get_place (Core2Live *self, const char *address, GError **error)
{
  Place *place = g_hash_table_lookup (self->places, address);

  if (place != NULL)
    return place;
  if (self->free_pairs->len == 0)
    {
      int code = self->n_pairs >= PAIRS_MAX
                     ? EFBIG
                     : posix_fallocate (self->fd, get_offset (self->n_pairs, 0), PAIR_SIZE);

      if (code != 0)
        {
          g_set_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE,
                       "cannot reserve room for the values of %s: %s", address, g_strerror (code));
          return NULL;
        }
      g_array_append_val (self->free_pairs, self->n_pairs);
      self->n_pairs++;
    }
  place = g_new0 (Place, 1);
  place->pair = g_array_index (self->free_pairs, guint, self->free_pairs->len - 1);
  g_array_set_size (self->free_pairs, self->free_pairs->len - 1);
  g_hash_table_insert (self->places, g_strdup (address), place);
  return place;
}

void
core2_live_restore (Core2Live *self, Core2ChipRecord *record)
{
  Slot slot;
  const Place *place = g_hash_table_lookup (self->places, record->address);

  if (place == NULL || !read_slot (self, place->pair, place->side, &slot)
      || slot.content.added != record->added || slot.content.steps.total < record->steps.total)
    return;
  record->last_seen = slot.content.last_seen;
  record->last_connected = slot.content.last_connected;
  record->battery_updated = slot.content.battery_updated;
  record->battery = slot.content.battery;
  record->steps = slot.content.steps;
}

static void
pack_sample (Core2StepsSample *to, const Core2StepsSample *from)
{
  to->counter = from->counter;
  to->wall_us = from->wall_us;
  to->boot_us = from->boot_us;
  to->boot_id = from->boot_id;
}

/* Member by member: between them are bytes of whatever was on the stack before, perhaps of a key. */
static void
pack_steps (Core2StepsState *to, const Core2StepsState *from)
{
  to->has_trusted = from->has_trusted;
  pack_sample (&to->trusted, &from->trusted);
  to->has_candidate = from->has_candidate;
  pack_sample (&to->candidate, &from->candidate);
  to->candidate_is_reset = from->candidate_is_reset;
  to->pairing = from->pairing;
  to->midnight = from->midnight;
  to->total = from->total;
  to->day = from->day;
  for (guint i = 0; i < CORE2_STEPS_DAYS_KEPT; i++)
    {
      to->days[i].day = from->days[i].day;
      to->days[i].steps = from->days[i].steps;
    }
}

gboolean
core2_live_write (Core2Live *self, const Core2ChipRecord *record, GError **error)
{
  Slot slot;
  Place *place;
  guint side;

  /* Else the older slot, which is overwritten now, may be the only one that the disk has. */
  if (self->is_foreign && !sync_file (self, error))
    return FALSE;
  place = get_place (self, record->address, error);
  if (place == NULL)
    return FALSE;
  side = place->sequence == self->sequence ? place->side : 1 - place->side;
  /* What lies between the members is written, too. */
  memset (&slot, 0, sizeof slot);
  slot.content.format = FORMAT;
  slot.content.size = sizeof slot.content;
  g_strlcpy (slot.content.address, record->address, sizeof slot.content.address);
  slot.content.added = record->added;
  slot.content.last_seen = record->last_seen;
  slot.content.last_connected = record->last_connected;
  slot.content.battery_updated = record->battery_updated;
  slot.content.battery = record->battery;
  pack_steps (&slot.content.steps, &record->steps);
  slot.sequence = self->sequence;
  slot.checksum = compute_checksum (&slot, offsetof (Slot, checksum));
  if (!write_slot (self, place->pair, side, &slot))
    {
      g_set_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE, "cannot write the values of %s: %s",
                   record->address, g_strerror (errno));
      return FALSE;
    }
  place->side = side;
  place->sequence = self->sequence;
  return TRUE;
}

gboolean
core2_live_sync (Core2Live *self, GError **error)
{
  return self->is_synced || sync_file (self, error);
}

void
core2_live_remove (Core2Live *self, const char *address)
{
  const Slot none = { 0 };
  const Place *place = g_hash_table_lookup (self->places, address);

  if (place == NULL)
    return;
  for (guint side = 0; side < SIDES; side++)
    if (!write_slot (self, place->pair, side, &none))
      core2_log_warning (address, "store", "cannot clear a slot of a removed chip: %s",
                         g_strerror (errno));
  g_array_append_val (self->free_pairs, place->pair);
  g_hash_table_remove (self->places, address);
}
