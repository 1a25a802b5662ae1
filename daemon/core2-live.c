/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-live.h"

#include "core2-error.h"
#include "core2-log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define NAME "live"
/* A slot never crosses a page or a disk's sector. */
#define SLOT_SIZE 512
/* The file grows by so many slots, which the disk then has for good. */
#define SLOTS_AT_ONCE 8
#define SLOTS_MAX 65536
#define FORMAT 2

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
  guint32 checksum;
} Slot;

G_STATIC_ASSERT (sizeof (Slot) <= SLOT_SIZE);

struct Core2Live
{
  int fd;
  GHashTable *slots;  /* address -> number of the slot */
  GArray *free_slots; /* numbers */
  guint n_slots;
};

/* Against torn and stale slots, not against people: a cryptographic hash would cost more than all else that core2d does
 * for a step. */
static guint32
compute_checksum (const Content *content)
{
  return (guint32) crc32 (0, (const Bytef *) content, sizeof *content);
}

static gboolean
read_slot (Core2Live *self, guint number, Slot *slot)
{
  ssize_t n;

  do
    n = pread (self->fd, slot, sizeof *slot, (off_t) number * SLOT_SIZE);
  while (n < 0 && errno == EINTR);
  if (n != (ssize_t) sizeof *slot || slot->content.format != FORMAT
      || slot->content.size != sizeof slot->content)
    return FALSE;
  return compute_checksum (&slot->content) == slot->checksum;
}

static gboolean
write_slot (Core2Live *self, guint number, const Slot *slot)
{
  ssize_t n;

  do
    n = pwrite (self->fd, slot, sizeof *slot, (off_t) number * SLOT_SIZE);
  while (n < 0 && errno == EINTR);
  if (n >= 0 && n != (ssize_t) sizeof *slot)
    errno = EIO;
  return n == (ssize_t) sizeof *slot;
}

static void
find_slots (Core2Live *self)
{
  Slot slot;

  for (guint number = 0; number < self->n_slots; number++)
    if (read_slot (self, number, &slot)
        && memchr (slot.content.address, '\0', sizeof slot.content.address) != NULL
        && !g_hash_table_contains (self->slots, slot.content.address))
      g_hash_table_insert (self->slots, g_strdup (slot.content.address),
                           GUINT_TO_POINTER (number));
    else
      g_array_append_val (self->free_slots, number);
}

Core2Live *
core2_live_open (Core2StateDir *dir, GError **error)
{
  struct stat info;
  int fd = core2_state_dir_open_file (dir, NAME, error);

  if (fd < 0)
    return NULL;
  if (fstat (fd, &info) < 0)
    info.st_size = 0;

  Core2Live *self = g_new0 (Core2Live, 1);

  self->fd = fd;
  self->slots = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->free_slots = g_array_new (FALSE, FALSE, sizeof (guint));
  self->n_slots = (guint) MIN (info.st_size / SLOT_SIZE, SLOTS_MAX);
  find_slots (self);
  return self;
}

void
core2_live_free (Core2Live *self)
{
  if (self == NULL)
    return;
  close (self->fd);
  g_hash_table_unref (self->slots);
  g_array_unref (self->free_slots);
  g_free (self);
}

/* The slot of @address, a new one if need be. The disk must have its blocks: a write that nothing was
 * reserved for fails just when the disk is full. */
static gboolean
get_slot (Core2Live *self, const char *address, guint *number, GError **error)
{
  gpointer value;

  if (g_hash_table_lookup_extended (self->slots, address, NULL, &value))
    {
      *number = GPOINTER_TO_UINT (value);
      return TRUE;
    }
  if (self->free_slots->len == 0)
    {
      int code = self->n_slots + SLOTS_AT_ONCE > SLOTS_MAX
                     ? EFBIG
                     : posix_fallocate (self->fd, (off_t) self->n_slots * SLOT_SIZE,
                                        SLOTS_AT_ONCE * SLOT_SIZE);

      if (code != 0)
        {
          g_set_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE,
                       "cannot reserve room for the values of %s: %s", address, g_strerror (code));
          return FALSE;
        }
      for (guint i = 0; i < SLOTS_AT_ONCE; i++, self->n_slots++)
        g_array_append_val (self->free_slots, self->n_slots);
    }
  *number = g_array_index (self->free_slots, guint, self->free_slots->len - 1);
  g_array_set_size (self->free_slots, self->free_slots->len - 1);
  g_hash_table_insert (self->slots, g_strdup (address), GUINT_TO_POINTER (*number));
  return TRUE;
}

void
core2_live_restore (Core2Live *self, Core2ChipRecord *record)
{
  Slot slot;
  gpointer value;

  if (!g_hash_table_lookup_extended (self->slots, record->address, NULL, &value)
      || !read_slot (self, GPOINTER_TO_UINT (value), &slot)
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
  guint number;

  if (!get_slot (self, record->address, &number, error))
    return FALSE;
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
  slot.checksum = compute_checksum (&slot.content);
  if (write_slot (self, number, &slot))
    return TRUE;
  g_set_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE, "cannot write the values of %s: %s",
               record->address, g_strerror (errno));
  return FALSE;
}

void
core2_live_remove (Core2Live *self, const char *address)
{
  Slot slot;
  gpointer value;
  guint number;

  if (!g_hash_table_lookup_extended (self->slots, address, NULL, &value))
    return;
  number = GPOINTER_TO_UINT (value);
  memset (&slot, 0, sizeof slot);
  if (!write_slot (self, number, &slot))
    core2_log_warning (address, "store", "cannot clear the slot of a removed chip: %s",
                       g_strerror (errno));
  g_hash_table_remove (self->slots, address);
  g_array_append_val (self->free_slots, number);
}
