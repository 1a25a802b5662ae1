/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "chip-auth.h"

#include <psa/crypto.h>
#include <string.h>

/* [CHIP] (a), [FAMILY] (c): commands, in the low half of their byte, and statuses. */
#define COMMAND_KEY 0x01
#define COMMAND_RANDOM 0x02
#define COMMAND_VERIFY 0x03
#define STATUS_OK 0x01
#define STATUS_REFUSED 0x04
#define STATUS_OK_TOO 0x06
#define STATUS_REFUSED_TOO 0x08

#define RANDOM_SIZE 16

struct _ChipAuth
{
  const ChipQuirks *quirks; /* not owned */
  const ChipAuthEvents *events;
  gpointer user_data;
  guint8 key[CHIP_KEY_SIZE];
  gboolean has_key;
  guint8 new_key[CHIP_KEY_SIZE]; /* while waiting for the shake */
  gboolean waiting;
  guint8 random[RANDOM_SIZE];
  gboolean has_random;
  gboolean authenticated; /* since the link is up */
};

/* --- Answers ---------------------------------------------------------------------------------- */

static void
set_waiting (ChipAuth *self, gboolean waiting)
{
  if (self->waiting == waiting)
    return;
  self->waiting = waiting;
  self->events->waiting (waiting, self->user_data);
}

static void
answer (ChipAuth *self, guint8 command, guint8 status, const guint8 *data, gsize size)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GBytes) frame = NULL;
  guint8 head[] = { 0x10, command, status };

  if (chip_quirks_get_boolean (self->quirks, CHIP_QUIRK_AUTH_HIGH_BIT))
    head[1] |= 0x80;
  g_byte_array_append (bytes, head, sizeof head);
  if (size > 0)
    g_byte_array_append (bytes, data, (guint) size);
  frame = g_bytes_new (bytes->data, bytes->len);
  self->events->answer (frame, self->user_data);
}

/* TRUE: the link is dropped instead of an answer. */
static gboolean
drop_before (ChipAuth *self, const char *step)
{
  if (!chip_quirks_text_is (self->quirks, CHIP_QUIRK_AUTH_DROP_BEFORE, step))
    return FALSE;
  self->events->drop (self->user_data);
  return TRUE;
}

static void
drop_after (ChipAuth *self, const char *step)
{
  if (chip_quirks_text_is (self->quirks, CHIP_QUIRK_AUTH_DROP_AFTER, step))
    self->events->drop (self->user_data);
}

/* --- A new key -------------------------------------------------------------------------------- */

static void
accept_key (ChipAuth *self, guint8 status)
{
  memcpy (self->key, self->new_key, sizeof self->key);
  self->has_key = TRUE;
  set_waiting (self, FALSE);
  /* The counter is at zero before the client hears that it worked. */
  self->events->paired (self->user_data);
  answer (self, COMMAND_KEY, status, NULL, 0);
  drop_after (self, "key");
}

static void
refuse_key (ChipAuth *self)
{
  set_waiting (self, FALSE);
  answer (self, COMMAND_KEY, STATUS_REFUSED, NULL, 0);
  drop_after (self, "key");
}

static void
take_preamble (ChipAuth *self)
{
  if (drop_before (self, "preamble"))
    return;
  if (chip_quirks_text_is (self->quirks, CHIP_QUIRK_AUTH_PREAMBLE, "accept"))
    answer (self, COMMAND_KEY, STATUS_OK, NULL, 0);
  else if (chip_quirks_text_is (self->quirks, CHIP_QUIRK_AUTH_PREAMBLE, "not-shaken"))
    answer (self, COMMAND_KEY, STATUS_REFUSED, NULL, 0);
  drop_after (self, "preamble");
}

static void
take_key (ChipAuth *self, const guint8 *key)
{
  const char *mode = chip_quirks_get_text (self->quirks, CHIP_QUIRK_AUTH_KEY);

  if (drop_before (self, "key"))
    return;
  memcpy (self->new_key, key, sizeof self->new_key);
  if (g_str_equal (mode, "shake"))
    set_waiting (self, TRUE);
  else if (g_str_equal (mode, "accept"))
    accept_key (self, STATUS_OK);
  else if (g_str_equal (mode, "accept-06"))
    accept_key (self, STATUS_OK_TOO);
  else if (g_str_equal (mode, "not-shaken"))
    refuse_key (self);
  else if (g_str_equal (mode, "wrong-echo"))
    answer (self, COMMAND_KEY + 4, STATUS_OK, NULL, 0);
}

/* --- Challenge and response ------------------------------------------------------------------- */

static gboolean
encrypt (const guint8 *key, const guint8 *plain, guint8 *cipher)
{
  psa_key_attributes_t attributes = PSA_KEY_ATTRIBUTES_INIT;
  psa_key_id_t id;
  gsize length = 0;
  psa_status_t status;

  psa_set_key_type (&attributes, PSA_KEY_TYPE_AES);
  psa_set_key_usage_flags (&attributes, PSA_KEY_USAGE_ENCRYPT);
  psa_set_key_algorithm (&attributes, PSA_ALG_ECB_NO_PADDING);
  if (psa_import_key (&attributes, key, CHIP_KEY_SIZE, &id) != PSA_SUCCESS)
    return FALSE;
  status = psa_cipher_encrypt (id, PSA_ALG_ECB_NO_PADDING, plain, RANDOM_SIZE, cipher, RANDOM_SIZE,
                               &length);
  psa_destroy_key (id);
  return status == PSA_SUCCESS && length == RANDOM_SIZE;
}

static void
take_random_request (ChipAuth *self)
{
  const char *mode = chip_quirks_get_text (self->quirks, CHIP_QUIRK_AUTH_RANDOM);

  if (drop_before (self, "random"))
    return;
  self->authenticated = FALSE;
  self->has_random
      = self->has_key && psa_generate_random (self->random, sizeof self->random) == PSA_SUCCESS;
  if (!self->has_random || g_str_equal (mode, "refuse"))
    answer (self, COMMAND_RANDOM, STATUS_REFUSED, NULL, 0);
  else if (g_str_equal (mode, "short"))
    answer (self, COMMAND_RANDOM, STATUS_OK, self->random, RANDOM_SIZE - 1);
  else if (g_str_equal (mode, "wrong-echo"))
    answer (self, COMMAND_RANDOM + 4, STATUS_OK, self->random, RANDOM_SIZE);
  else if (!g_str_equal (mode, "silent"))
    answer (self, COMMAND_RANDOM, STATUS_OK, self->random, RANDOM_SIZE);
  drop_after (self, "random");
}

static void
take_response (ChipAuth *self, const guint8 *response)
{
  const char *mode = chip_quirks_get_text (self->quirks, CHIP_QUIRK_AUTH_VERIFY);
  guint8 expected[RANDOM_SIZE];
  gboolean right;

  if (drop_before (self, "verify"))
    return;
  right = self->has_random && self->has_key && encrypt (self->key, self->random, expected) &&
          memcmp (expected, response, sizeof expected) == 0;
  self->has_random = FALSE; /* a challenge is good for one response */
  if (g_str_equal (mode, "silent"))
    return;
  if (g_str_equal (mode, "wrong-echo"))
    answer (self, COMMAND_VERIFY + 4, STATUS_OK, NULL, 0);
  else if (g_str_equal (mode, "reject-08"))
    answer (self, COMMAND_VERIFY, STATUS_REFUSED_TOO, NULL, 0);
  else if (!right || g_str_equal (mode, "reject"))
    answer (self, COMMAND_VERIFY, STATUS_REFUSED, NULL, 0);
  else
    {
      self->authenticated = TRUE;
      answer (self, COMMAND_VERIFY, STATUS_OK, NULL, 0);
    }
  drop_after (self, "verify");
}

/* --- API -------------------------------------------------------------------------------------- */

/* @quirks: must live longer
 * @events: called from inside the functions below
 * Returns: (transfer full) */
ChipAuth *
chip_auth_new (const ChipQuirks *quirks, const ChipAuthEvents *events, gpointer user_data)
{
  ChipAuth *self = g_new0 (ChipAuth, 1);

  self->quirks = quirks;
  self->events = events;
  self->user_data = user_data;
  if (psa_crypto_init () != PSA_SUCCESS)
    g_error ("cryptography does not start");
  return self;
}

void
chip_auth_free (ChipAuth *self)
{
  g_free (self);
}

/* A message of the client: command, flags (not looked at: 00 or 08), and 0 or 16 bytes. Others are
 * ignored, as far as is known. */
void
chip_auth_write (ChipAuth *self, GBytes *frame)
{
  gsize size;
  const guint8 *bytes = g_bytes_get_data (frame, &size);

  if (size == 2 && bytes[0] == COMMAND_KEY)
    take_preamble (self);
  else if (size == 2 + CHIP_KEY_SIZE && bytes[0] == COMMAND_KEY)
    take_key (self, bytes + 2);
  else if (size == 2 && bytes[0] == COMMAND_RANDOM)
    take_random_request (self);
  else if (size == 2 + RANDOM_SIZE && bytes[0] == COMMAND_VERIFY)
    take_response (self, bytes + 2);
}

/* The chip was shaken: that accepts the key that waits, if one does. */
void
chip_auth_shake (ChipAuth *self)
{
  if (self->waiting)
    accept_key (self, STATUS_OK);
}

/* Nobody shook it in time. */
void
chip_auth_time_out (ChipAuth *self)
{
  if (self->waiting)
    refuse_key (self);
}

/* What was under way is over; the key stays. */
void
chip_auth_link_lost (ChipAuth *self)
{
  set_waiting (self, FALSE);
  self->has_random = FALSE;
  self->authenticated = FALSE;
}

/* As after a reset by its maker's application: the key of the client is no longer good. */
void
chip_auth_forget_key (ChipAuth *self)
{
  self->has_key = FALSE;
  self->authenticated = FALSE;
}

/* Gives the chip a key without a handshake. FALSE when it has not CHIP_KEY_SIZE bytes. */
gboolean
chip_auth_set_key (ChipAuth *self, GBytes *key)
{
  if (g_bytes_get_size (key) != CHIP_KEY_SIZE)
    return FALSE;
  memcpy (self->key, g_bytes_get_data (key, NULL), CHIP_KEY_SIZE);
  self->has_key = TRUE;
  return TRUE;
}

/* The key, empty when there is none. Returns: (transfer full) */
GBytes *
chip_auth_get_key (ChipAuth *self)
{
  return g_bytes_new (self->key, self->has_key ? CHIP_KEY_SIZE : 0);
}

/* Whether the red LED blinks. */
gboolean
chip_auth_is_waiting (ChipAuth *self)
{
  return self->waiting;
}

/* Whether this link's client has proved that it knows the key. */
gboolean
chip_auth_is_authenticated (ChipAuth *self)
{
  return self->authenticated;
}
