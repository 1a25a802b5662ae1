/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-error.h"
#include "core2-store.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LEFT "F1:4F:BB:6A:B5:79"
#define RIGHT "F1:4F:BB:6A:B5:7A"
#define LEFT_FILE "chips/F1_4F_BB_6A_B5_79.conf"
#define RIGHT_FILE "chips/F1_4F_BB_6A_B5_7A.conf"
#define LEFT_KEY "keys/F1_4F_BB_6A_B5_79.key"
#define LEFT_PENDING "keys/F1_4F_BB_6A_B5_79.pending"

static const guint8 key_a[CORE2_KEY_SIZE] = "0123456789abcde";
static const guint8 key_b[CORE2_KEY_SIZE] = "\0\xff line\n[x]\0\0\0\0\0";

typedef struct
{
  char *root;
  Core2Store *store;
  GPtrArray *warnings;
} Fixture;

static GPtrArray *collected; /* GLib's writer function belongs to the process */

static GLogWriterOutput
collect_warning (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  if (collected == NULL || (level & G_LOG_LEVEL_MASK) != G_LOG_LEVEL_MESSAGE)
    return g_log_writer_default (level, fields, n_fields, NULL);
  for (gsize i = 0; i < n_fields; i++)
    if (strcmp (fields[i].key, "MESSAGE") == 0)
      g_ptr_array_add (collected, g_strdup (fields[i].value));
  return G_LOG_WRITER_HANDLED;
}

static void
reopen (Fixture *self)
{
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&self->store, core2_store_free);
  self->store = core2_store_open (self->root, &error);
  g_assert_no_error (error);
}

static void
set_up (Fixture *self, gconstpointer data)
{
  self->root = g_dir_make_tmp ("core2-store-XXXXXX", NULL);
  self->warnings = collected = g_ptr_array_new_with_free_func (g_free);
  reopen (self);
}

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && !g_file_test (path, G_FILE_TEST_IS_SYMLINK)
         && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      remove_tree (child);
    }
  g_remove (path);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  core2_store_free (self->store);
  remove_tree (self->root);
  g_free (self->root);
  collected = NULL;
  g_ptr_array_unref (self->warnings);
}

static char *
get_path (Fixture *self, const char *name)
{
  return g_build_filename (self->root, name, NULL);
}

static gboolean
exists (Fixture *self, const char *name)
{
  g_autofree char *path = get_path (self, name);

  return g_file_test (path, G_FILE_TEST_EXISTS) || g_file_test (path, G_FILE_TEST_IS_SYMLINK);
}

static guint
get_mode (Fixture *self, const char *name)
{
  g_autofree char *path = get_path (self, name);
  GStatBuf info;

  g_assert_cmpint (g_lstat (path, &info), ==, 0);
  return info.st_mode & 07777;
}

static void
get_text (Fixture *self, const char *name, char **text, gsize *size)
{
  g_autofree char *path = get_path (self, name);

  g_assert_true (g_file_get_contents (path, text, size, NULL));
}

static void
put_text (Fixture *self, const char *name, const char *text, gssize size)
{
  g_autofree char *path = get_path (self, name);

  g_assert_true (g_file_set_contents (path, text, size, NULL));
}

static void
drop (Fixture *self, const char *name)
{
  g_autofree char *path = get_path (self, name);

  g_assert_cmpint (g_remove (path), ==, 0);
}

/* No field has its default. */
static Core2ChipRecord *
make_record (const char *address)
{
  Core2ChipRecord *record = core2_chip_record_new (address);
  Core2StepsState *steps = &record->steps;

  g_free (record->name);
  record->name = g_strdup ("HM0D");
  g_free (record->alias);
  record->alias = g_strdup ("  Läufer; [Chip]\n=\\s#\t");
  record->side = CORE2_SIDE_RIGHT;
  record->auto_connect = FALSE;
  record->daily_goal = 4000000000u;
  record->added = 1;
  record->last_seen = G_MAXUINT64;
  record->last_connected = 1790000000000000u;
  record->battery = 0;
  record->battery_updated = 17;
  steps->total = 123456789012345u;
  steps->day = 20261121;
  steps->midnight = CORE2_STEPS_MIDNIGHT_GOES_ON;
  steps->pairing = 1;
  steps->has_trusted = TRUE;
  steps->trusted = (Core2StepsSample){ 4294967295u, 1790000000000000, 5, G_MAXUINT64 };
  steps->has_candidate = TRUE;
  steps->candidate = (Core2StepsSample){ 7, -1, G_MININT64, 9 };
  steps->candidate_is_reset = TRUE;
  for (gint32 i = 0; i < CORE2_STEPS_DAYS_KEPT; i++)
    steps->days[i] = (Core2StepsDay){ 20261121 - i, (guint32) i * 1000u };
  return record;
}

static void
assert_same_sample (const Core2StepsSample *a, const Core2StepsSample *b)
{
  g_assert_cmpuint (a->counter, ==, b->counter);
  g_assert_cmpint (a->wall_us, ==, b->wall_us);
  g_assert_cmpint (a->boot_us, ==, b->boot_us);
  g_assert_cmpuint (a->boot_id, ==, b->boot_id);
}

static void
assert_same (const Core2ChipRecord *a, const Core2ChipRecord *b)
{
  g_assert_cmpstr (a->address, ==, b->address);
  g_assert_cmpstr (a->name, ==, b->name);
  g_assert_cmpstr (a->alias, ==, b->alias);
  g_assert_cmpint (a->side, ==, b->side);
  g_assert_cmpint (a->auto_connect, ==, b->auto_connect);
  g_assert_cmpuint (a->daily_goal, ==, b->daily_goal);
  g_assert_cmpuint (a->added, ==, b->added);
  g_assert_cmpuint (a->last_seen, ==, b->last_seen);
  g_assert_cmpuint (a->last_connected, ==, b->last_connected);
  g_assert_cmpuint (a->battery, ==, b->battery);
  g_assert_cmpuint (a->battery_updated, ==, b->battery_updated);
  g_assert_cmpuint (a->steps.total, ==, b->steps.total);
  g_assert_cmpint (a->steps.day, ==, b->steps.day);
  g_assert_cmpint (a->steps.midnight, ==, b->steps.midnight);
  g_assert_cmpint (a->steps.pairing, ==, b->steps.pairing);
  g_assert_cmpint (a->steps.has_trusted, ==, b->steps.has_trusted);
  assert_same_sample (&a->steps.trusted, &b->steps.trusted);
  g_assert_cmpint (a->steps.has_candidate, ==, b->steps.has_candidate);
  assert_same_sample (&a->steps.candidate, &b->steps.candidate);
  g_assert_cmpint (a->steps.candidate_is_reset, ==, b->steps.candidate_is_reset);
  for (guint i = 0; i < CORE2_STEPS_DAYS_KEPT; i++)
    {
      g_assert_cmpint (a->steps.days[i].day, ==, b->steps.days[i].day);
      g_assert_cmpuint (a->steps.days[i].steps, ==, b->steps.days[i].steps);
    }
}

static void
save (Fixture *self, const Core2ChipRecord *record)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (core2_store_save (self->store, record, &error));
  g_assert_no_error (error);
}

static void
save_two (Fixture *self)
{
  g_autoptr (Core2ChipRecord) left = make_record (LEFT);
  g_autoptr (Core2ChipRecord) right = make_record (RIGHT);

  save (self, left);
  save (self, right);
}

static GPtrArray *
load (Fixture *self)
{
  g_autoptr (GError) error = NULL;
  GPtrArray *records = core2_store_load_all (self->store, &error);

  g_assert_no_error (error);
  return records;
}

/* Exactly the right chip is there, the left one's file was set aside, and one line says so. */
static void
assert_left_set_aside (Fixture *self)
{
  g_autoptr (GPtrArray) records = load (self);
  g_autoptr (Core2ChipRecord) right = make_record (RIGHT);

  g_assert_cmpuint (records->len, ==, 1);
  assert_same (records->pdata[0], right);
  g_assert_false (exists (self, LEFT_FILE));
  g_assert_true (exists (self, LEFT_FILE ".bad"));
  g_assert_cmpuint (self->warnings->len, ==, 1);
  g_assert_nonnull (strstr (self->warnings->pdata[0], LEFT_FILE));
  g_ptr_array_set_size (self->warnings, 0);
}

/* --- records --------------------------------------------------------------------------------- */

static void
test_sides (void)
{
  Core2Side side = CORE2_SIDE_LEFT;

  g_assert_cmpstr (core2_side_get_name (CORE2_SIDE_UNKNOWN), ==, "unknown");
  g_assert_true (core2_side_from_name ("right", &side));
  g_assert_cmpint (side, ==, CORE2_SIDE_RIGHT);
  g_assert_false (core2_side_from_name ("Left", &side));
  g_assert_false (core2_side_from_name (NULL, &side));
  g_assert_cmpint (side, ==, CORE2_SIDE_RIGHT);
}

static void
test_round_trip (Fixture *self, gconstpointer data)
{
  g_autoptr (Core2ChipRecord) fresh = core2_chip_record_new (LEFT);
  g_autoptr (Core2ChipRecord) full = make_record (RIGHT);
  g_autoptr (GPtrArray) none = load (self);

  g_assert_cmpuint (none->len, ==, 0);
  save (self, full);
  save (self, fresh);
  for (int i = 0; i < 2; i++)
    {
      g_autoptr (GPtrArray) records = load (self);

      g_assert_cmpuint (records->len, ==, 2);
      assert_same (records->pdata[0], fresh);
      assert_same (records->pdata[1], full);
      reopen (self);
    }
  g_assert_cmpuint (self->warnings->len, ==, 0);
  g_assert_cmpuint (get_mode (self, "chips"), ==, 0700);
  g_assert_cmpuint (get_mode (self, "keys"), ==, 0700);
  g_assert_cmpuint (get_mode (self, LEFT_FILE), ==, 0600);
}

static void
assert_damaged (const char *text, gsize size)
{
  Core2ChipRecord *record = NULL;
  g_autofree char *reason = NULL;

  g_assert_cmpint (core2_chip_record_from_text (text, size, &record, &reason), ==,
                   CORE2_RECORD_DAMAGED);
  g_assert_null (record);
  g_assert_true (g_utf8_validate (reason, -1, NULL));
}

/* A text cut off, or with any bit changed, is never taken for another number of steps. */
static void
test_damaged_text (void)
{
  g_autoptr (Core2ChipRecord) record = make_record (LEFT);
  g_autofree char *text = core2_chip_record_to_text (record);
  gsize size = strlen (text);

  for (gsize length = 0; length < size; length++)
    assert_damaged (text, length);
  for (gsize i = 0; i < size; i++)
    for (guint mask = 1; mask <= 0x80; mask <<= 1)
      {
        text[i] ^= (char) mask;
        assert_damaged (text, size);
        text[i] ^= (char) mask;
      }
}

static char *
add_checksum (const char *body)
{
  g_autofree char *checksum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, body, -1);

  return g_strconcat (body, "[Check]\nSha256=", checksum, "\n", NULL);
}

/* The text of a record with @from replaced by @to, and a checksum that is right. */
static char *
edit (const char *from, const char *to)
{
  g_autoptr (Core2ChipRecord) record = make_record (LEFT);
  g_autofree char *text = core2_chip_record_to_text (record);
  g_autoptr (GString) body = g_string_new_len (text, strstr (text, "[Check]") - text);

  g_assert_cmpuint (g_string_replace (body, from, to, 1), ==, 1);
  return add_checksum (body->str);
}

/* What only a program with faults or an attacker writes. */
static void
test_wrong_values (void)
{
  static const char *const edits[][2] = {
    { "Format=1", "Format=x" },
    { "Format=1\n", "" },
    { "Address=F1", "Address=f1" },
    { "Address=F1:4F:BB:6A:B5:79", "Address=../../../etc/x" },
    { "Side=right", "Side=Right" },
    { "AutoConnect=false", "AutoConnect=maybe" },
    { "DailyGoal=4000000000", "DailyGoal=4294967296" },
    { "Battery=0", "Battery=101" },
    { "Battery=0", "Battery=-1" },
    { "Total=123456789012345", "Total=1e9" },
    { "Total=123456789012345", "Total=-1" },
    { "Total=123456789012345", "Total=99999999999999999999" },
    { "Day=2026-11-21", "Day=2026-11-31" },
    { "2026-11-20=1000", "2026-13-20=1000" },
    { "2026-11-20=1000", "2026-11-20=" },
    { "2026-11-20=1000", "2026-11-20=1\n2026-11-01=5" },
    { "Midnight=3", "Midnight=9" },
    { "Pairing=1", "Pairing=256" },
    { "IsReset=true\n", "" },
    { "Boot=9", "Boot=" },
    { "Name=HM0D", "Name=\xff" },
    { "Name=HM0D", "Name" },
    { "[Chip]", "[Chip" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (edits); i++)
    {
      g_autofree char *text = edit (edits[i][0], edits[i][1]);

      assert_damaged (text, strlen (text));
    }
  g_autofree char *empty = add_checksum ("");

  assert_damaged (empty, strlen (empty));
}

/* A later version of the same format may add keys. */
static void
test_unknown_keys (void)
{
  g_autoptr (Core2ChipRecord) expected = make_record (LEFT);
  g_autoptr (Core2ChipRecord) record = NULL;
  g_autofree char *text = edit ("Name=HM0D", "Colour=red\nName=HM0D");
  g_autofree char *reason = NULL;

  g_assert_cmpint (core2_chip_record_from_text (text, strlen (text), &record, &reason), ==,
                   CORE2_RECORD_OK);
  assert_same (record, expected);
}

static void
test_newer (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Core2ChipRecord) left = make_record (LEFT);
  g_autofree char *text = edit ("Format=1", "Format=2\nWhatever=3");
  g_autofree char *after = NULL;

  save_two (self);
  put_text (self, LEFT_FILE, text, -1);
  g_autoptr (GPtrArray) records = load (self);

  g_assert_cmpuint (records->len, ==, 1);
  g_assert_cmpuint (self->warnings->len, ==, 1);

  g_assert_false (core2_store_save (self->store, left, &error));
  g_assert_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE);
  get_text (self, LEFT_FILE, &after, NULL);
  g_assert_cmpstr (after, ==, text);

  g_assert_true (core2_store_remove (self->store, LEFT, NULL));
  save (self, left);
}

/* --- what else may lie there ----------------------------------------------------------------- */

static void
test_cut_off (Fixture *self, gconstpointer data)
{
  g_autofree char *text = NULL;
  gsize size;

  save_two (self);
  get_text (self, LEFT_FILE, &text, &size);
  for (gsize length = 0; length < size; length += 97)
    {
      put_text (self, LEFT_FILE, text, (gssize) length);
      assert_left_set_aside (self);
      drop (self, LEFT_FILE ".bad");
    }
}

static void
test_symlink (Fixture *self, gconstpointer data)
{
  g_autofree char *path = get_path (self, LEFT_FILE);
  g_autofree char *target = get_path (self, "target");
  g_autofree char *text = NULL;
  g_autofree char *after = NULL;
  gsize size;

  save_two (self);
  get_text (self, LEFT_FILE, &text, &size);
  put_text (self, "target", text, (gssize) size);
  drop (self, LEFT_FILE);
  g_assert_cmpint (symlink (target, path), ==, 0);
  g_assert_cmpint (g_chmod (target, 0644), ==, 0);
  assert_left_set_aside (self);
  g_assert_cmpuint (get_mode (self, "target"), ==, 0644);
  drop (self, LEFT_FILE ".bad");

  /* Writing replaces the link, not what it points to. */
  g_autoptr (Core2ChipRecord) left = core2_chip_record_new (LEFT);

  g_assert_cmpint (symlink (target, path), ==, 0);
  save (self, left);
  g_assert_false (g_file_test (path, G_FILE_TEST_IS_SYMLINK));
  get_text (self, "target", &after, NULL);
  g_assert_cmpstr (after, ==, text);
}

static void
test_not_files (Fixture *self, gconstpointer data)
{
  g_autofree char *path = get_path (self, LEFT_FILE);

  save_two (self);
  drop (self, LEFT_FILE);
  g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
  assert_left_set_aside (self);
  drop (self, LEFT_FILE ".bad");

  g_assert_cmpint (mkfifo (path, 0600), ==, 0);
  assert_left_set_aside (self);
}

static void
test_large (Fixture *self, gconstpointer data)
{
  g_autofree char *path = get_path (self, LEFT_FILE);

  save_two (self);
  g_assert_cmpint (truncate (path, 64 * 1024 + 1), ==, 0);
  assert_left_set_aside (self);
  put_text (self, LEFT_FILE, "x", -1);
  g_assert_cmpint (truncate (path, 1024 * 1024 * 1024), ==, 0);
  assert_left_set_aside (self);
}

static void
test_other_names (Fixture *self, gconstpointer data)
{
  g_autofree char *text = NULL;
  gsize size;

  save_two (self);
  get_text (self, RIGHT_FILE, &text, &size);

  /* Another chip's record, and names that are no address: each set aside. */
  put_text (self, LEFT_FILE, text, (gssize) size);
  assert_left_set_aside (self);
  put_text (self, "chips/x.conf", text, (gssize) size);
  put_text (self, "chips/f1_4f_bb_6a_b5_7a.conf", text, (gssize) size);
  put_text (self, "chips/notes.txt", "mine", -1);
  g_autoptr (GPtrArray) records = load (self);

  g_assert_cmpuint (records->len, ==, 1);
  g_assert_cmpuint (self->warnings->len, ==, 2);
  g_assert_true (exists (self, "chips/x.conf.bad"));
  g_assert_true (exists (self, "chips/notes.txt"));
}

static void
test_modes (Fixture *self, gconstpointer data)
{
  g_autofree char *chips = get_path (self, "chips");
  g_autofree char *keys = get_path (self, "keys");
  g_autofree char *file = get_path (self, LEFT_FILE);
  g_autofree char *key_file = get_path (self, LEFT_KEY);
  guint8 key[CORE2_KEY_SIZE];

  save_two (self);
  g_assert_true (core2_store_set_key (self->store, LEFT, key_a, NULL));
  g_assert_cmpuint (get_mode (self, LEFT_KEY), ==, 0600);
  g_assert_cmpint (g_chmod (chips, 0755), ==, 0);
  g_assert_cmpint (g_chmod (keys, 0777), ==, 0);
  g_assert_cmpint (g_chmod (file, 0666), ==, 0);
  g_assert_cmpint (g_chmod (key_file, 0644), ==, 0);
  reopen (self);
  g_autoptr (GPtrArray) records = load (self);

  g_assert_cmpuint (records->len, ==, 2);
  g_assert_true (core2_store_get_key (self->store, LEFT, key, NULL));
  g_assert_cmpuint (get_mode (self, "chips"), ==, 0700);
  g_assert_cmpuint (get_mode (self, "keys"), ==, 0700);
  g_assert_cmpuint (get_mode (self, LEFT_FILE), ==, 0600);
  g_assert_cmpuint (get_mode (self, LEFT_KEY), ==, 0600);
}

static void
test_sweep (Fixture *self, gconstpointer data)
{
  static const char *const left_behind[]
      = { LEFT_FILE ".A1b2C3", LEFT_KEY ".zzzzzz", LEFT_PENDING ".000000" };
  static const char *const kept[] = { LEFT_FILE ".bad", "keys/README.first" };

  for (guint i = 0; i < G_N_ELEMENTS (left_behind); i++)
    put_text (self, left_behind[i], "x", -1);
  for (guint i = 0; i < G_N_ELEMENTS (kept); i++)
    put_text (self, kept[i], "x", -1);
  reopen (self);
  for (guint i = 0; i < G_N_ELEMENTS (left_behind); i++)
    g_assert_false (exists (self, left_behind[i]));
  for (guint i = 0; i < G_N_ELEMENTS (kept); i++)
    g_assert_true (exists (self, kept[i]));
}

static void
test_open (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *deep = get_path (self, "a/b");
  g_autofree char *linked = get_path (self, "linked");
  g_autofree char *target = get_path (self, "chips");
  g_autofree char *chips = g_build_filename (linked, "chips", NULL);
  g_autofree char *file = get_path (self, "file");

  g_assert_null (core2_store_open (deep, &error));
  g_assert_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE);
  g_clear_error (&error);

  put_text (self, "file", "x", -1);
  g_assert_null (core2_store_open (file, &error));
  g_assert_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE);
  g_clear_error (&error);

  g_assert_cmpint (g_mkdir (linked, 0700), ==, 0);
  g_assert_cmpint (symlink (target, chips), ==, 0);
  g_assert_null (core2_store_open (linked, &error));
  g_assert_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE);
}

static void
test_no_address (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  guint8 key[CORE2_KEY_SIZE];

  g_assert_false (core2_store_remove (self->store, "../chips", &error));
  g_assert_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE);
  g_clear_error (&error);
  g_assert_false (core2_store_get_key (self->store, "", key, &error));
  g_assert_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE);
}

/* --- a disk that does not take it ------------------------------------------------------------ */

/* As a full disk: the kernel refuses to write more than @bytes to a file. */
static void
limit_file_size (rlim_t bytes)
{
  struct rlimit limit;

  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  limit.rlim_cur = bytes;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
}

static void
test_full_disk (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Core2ChipRecord) changed = core2_chip_record_new (LEFT);
  g_autoptr (Core2ChipRecord) expected = make_record (LEFT);
  guint8 key[CORE2_KEY_SIZE];

  save_two (self);
  g_assert_true (core2_store_set_key (self->store, LEFT, key_a, NULL));
  signal (SIGXFSZ, SIG_IGN);
  for (rlim_t bytes = 0; bytes < 16; bytes += 5)
    {
      limit_file_size (bytes);
      g_assert_false (core2_store_save (self->store, changed, &error));
      g_assert_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE);
      g_clear_error (&error);
      g_assert_false (core2_store_set_key (self->store, LEFT, key_b, &error));
      g_assert_error (error, CORE2_ERROR, CORE2_ERROR_STORAGE);
      g_clear_error (&error);
      limit_file_size (RLIM_INFINITY);

      g_autoptr (GPtrArray) records = load (self);

      g_assert_cmpuint (records->len, ==, 2);
      assert_same (records->pdata[0], expected);
      g_assert_true (core2_store_get_key (self->store, LEFT, key, NULL));
      g_assert_cmpmem (key, sizeof key, key_a, sizeof key_a);
    }
  g_autofree char *chips = get_path (self, "chips");
  g_autoptr (GDir) dir = g_dir_open (chips, 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  g_assert_cmpuint (n, ==, 3); /* two records and live */
}

/* --- keys ------------------------------------------------------------------------------------ */

static void
assert_key (Fixture *self, const guint8 expected[CORE2_KEY_SIZE])
{
  g_autoptr (GError) error = NULL;
  guint8 key[CORE2_KEY_SIZE];

  g_assert_true (core2_store_has_key (self->store, LEFT));
  g_assert_true (core2_store_get_key (self->store, LEFT, key, &error));
  g_assert_no_error (error);
  g_assert_cmpmem (key, sizeof key, expected, CORE2_KEY_SIZE);
}

static void
assert_no_key (Fixture *self)
{
  static const guint8 wiped[CORE2_KEY_SIZE] = { 0 };
  g_autoptr (GError) error = NULL;
  guint8 key[CORE2_KEY_SIZE];

  memset (key, 0x5a, sizeof key);
  g_assert_false (core2_store_has_key (self->store, LEFT));
  g_assert_false (core2_store_get_key (self->store, LEFT, key, &error));
  g_assert_error (error, CORE2_ERROR, CORE2_ERROR_NOT_PAIRED);
  g_assert_cmpmem (key, sizeof key, wiped, sizeof wiped);
}

static void
assert_pending (Fixture *self, const guint8 *expected)
{
  g_autoptr (GError) error = NULL;
  guint8 key[CORE2_KEY_SIZE];
  gboolean found = core2_store_get_pending_key (self->store, LEFT, key, &error);

  g_assert_cmpint (core2_store_has_pending_key (self->store, LEFT), ==, expected != NULL);
  g_assert_cmpint (found, ==, expected != NULL);
  if (found)
    g_assert_cmpmem (key, sizeof key, expected, CORE2_KEY_SIZE);
  else
    g_assert_error (error, CORE2_ERROR, CORE2_ERROR_NOT_PAIRED);
}

static void
test_key (Fixture *self, gconstpointer data)
{
  g_autofree char *text = NULL;
  gsize size;

  assert_no_key (self);
  g_assert_true (core2_store_remove_key (self->store, LEFT, NULL));
  g_assert_true (core2_store_set_key (self->store, LEFT, key_a, NULL));
  assert_key (self, key_a);
  get_text (self, LEFT_KEY, &text, &size);
  g_assert_cmpmem (text, size, key_a, sizeof key_a);
  g_assert_true (core2_store_set_key (self->store, LEFT, key_b, NULL));
  reopen (self);
  assert_key (self, key_b);
  g_assert_true (core2_store_remove_key (self->store, LEFT, NULL));
  assert_no_key (self);
}

static void
test_pending (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (core2_store_set_key (self->store, LEFT, key_a, NULL));
  assert_pending (self, NULL);
  g_assert_false (core2_store_commit_pending_key (self->store, LEFT, &error));
  g_assert_error (error, CORE2_ERROR, CORE2_ERROR_NOT_PAIRED);
  assert_key (self, key_a);

  g_assert_true (core2_store_set_pending_key (self->store, LEFT, key_b, NULL));
  reopen (self);
  assert_key (self, key_a);
  assert_pending (self, key_b);
  g_assert_true (core2_store_discard_pending_key (self->store, LEFT, NULL));
  assert_key (self, key_a);
  assert_pending (self, NULL);
  g_assert_true (core2_store_discard_pending_key (self->store, LEFT, NULL));

  g_assert_true (core2_store_set_pending_key (self->store, LEFT, key_b, NULL));
  g_assert_true (core2_store_commit_pending_key (self->store, LEFT, NULL));
  reopen (self);
  assert_key (self, key_b);
  assert_pending (self, NULL);
}

static void
test_damaged_key (Fixture *self, gconstpointer data)
{
  g_autofree char *path = get_path (self, LEFT_KEY);
  char text[CORE2_KEY_SIZE * 2] = "0123456789abcdef0123456789abcde";

  for (gssize size = 0; size < (gssize) sizeof text; size++)
    {
      g_autoptr (GError) error = NULL;
      guint8 key[CORE2_KEY_SIZE];

      if (size == CORE2_KEY_SIZE)
        continue;
      put_text (self, LEFT_KEY, text, size);
      g_assert_false (core2_store_get_key (self->store, LEFT, key, &error));
      g_assert_error (error, CORE2_ERROR, CORE2_ERROR_NOT_PAIRED);
      g_assert_cmpuint (self->warnings->len, ==, 1);
      g_ptr_array_set_size (self->warnings, 0);
      g_assert_true (exists (self, LEFT_KEY ".bad"));
      assert_no_key (self);
    }
  drop (self, LEFT_KEY ".bad");
  g_assert_cmpint (symlink ("/etc/machine-id", path), ==, 0);
  guint8 key[CORE2_KEY_SIZE];

  g_assert_false (core2_store_get_key (self->store, LEFT, key, NULL));
  assert_no_key (self);
}

static void
test_remove (Fixture *self, gconstpointer data)
{
  save_two (self);
  g_assert_true (core2_store_set_key (self->store, LEFT, key_a, NULL));
  g_assert_true (core2_store_set_pending_key (self->store, LEFT, key_b, NULL));
  g_assert_true (core2_store_set_key (self->store, RIGHT, key_b, NULL));
  for (int i = 0; i < 2; i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_true (core2_store_remove (self->store, LEFT, &error));
      g_assert_no_error (error);
      g_assert_false (exists (self, LEFT_FILE));
      g_assert_false (exists (self, LEFT_KEY));
      g_assert_false (exists (self, LEFT_PENDING));
    }
  g_assert_true (exists (self, RIGHT_FILE));
  g_assert_true (core2_store_has_key (self->store, RIGHT));
}

/* --- killed while it writes ------------------------------------------------------------------ */

/* Pairs and saves without end; says on @fd when it has begun. */
static void
write_for_ever (Fixture *self, int fd)
{
  g_autoptr (Core2ChipRecord) record = make_record (LEFT);

  for (guint64 i = 0;; i++)
    {
      const guint8 *key = i % 2 == 0 ? key_a : key_b;

      record->steps.total = i;
      if (!core2_store_save (self->store, record, NULL)
          || !core2_store_set_pending_key (self->store, LEFT, key, NULL)
          || !core2_store_commit_pending_key (self->store, LEFT, NULL))
        _exit (1);
      if (write (fd, "x", 1) != 1)
        _exit (1);
    }
}

static void
test_killed (Fixture *self, gconstpointer data)
{
  save_two (self);
  g_assert_true (core2_store_set_key (self->store, LEFT, key_a, NULL));
  for (int round = 0; round < 30; round++)
    {
      int pipe_fds[2];
      char byte;

      g_assert_cmpint (pipe (pipe_fds), ==, 0);
      pid_t pid = fork ();

      g_assert_cmpint (pid, >=, 0);
      if (pid == 0)
        {
          close (pipe_fds[0]);
          write_for_ever (self, pipe_fds[1]);
        }
      close (pipe_fds[1]);
      /* Somewhere in the writing that follows. */
      for (int i = 0; i <= round % 3; i++)
        g_assert_cmpint (read (pipe_fds[0], &byte, 1), ==, 1);
      kill (pid, SIGKILL);
      g_assert_cmpint (waitpid (pid, NULL, 0), ==, pid);
      close (pipe_fds[0]);

      reopen (self);
      g_autoptr (GPtrArray) records = load (self);
      guint8 key[CORE2_KEY_SIZE];

      g_assert_cmpuint (records->len, ==, 2);
      g_assert_cmpuint (self->warnings->len, ==, 0);
      g_assert_true (core2_store_get_key (self->store, LEFT, key, NULL));
      g_assert_true (memcmp (key, key_a, sizeof key) == 0 || memcmp (key, key_b, sizeof key) == 0);
      if (core2_store_has_pending_key (self->store, LEFT))
        g_assert_true (core2_store_get_pending_key (self->store, LEFT, key, NULL));
    }
}

#define ADD(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (collect_warning, NULL, NULL);
  g_test_add_func ("/store/sides", test_sides);
  g_test_add_func ("/store/damaged-text", test_damaged_text);
  g_test_add_func ("/store/wrong-values", test_wrong_values);
  g_test_add_func ("/store/unknown-keys", test_unknown_keys);
  ADD ("/store/round-trip", test_round_trip);
  ADD ("/store/newer", test_newer);
  ADD ("/store/cut-off", test_cut_off);
  ADD ("/store/symlink", test_symlink);
  ADD ("/store/not-files", test_not_files);
  ADD ("/store/large", test_large);
  ADD ("/store/other-names", test_other_names);
  ADD ("/store/modes", test_modes);
  ADD ("/store/sweep", test_sweep);
  ADD ("/store/open", test_open);
  ADD ("/store/no-address", test_no_address);
  ADD ("/store/full-disk", test_full_disk);
  ADD ("/store/key", test_key);
  ADD ("/store/pending", test_pending);
  ADD ("/store/damaged-key", test_damaged_key);
  ADD ("/store/remove", test_remove);
  ADD ("/store/killed", test_killed);
  return g_test_run ();
}
