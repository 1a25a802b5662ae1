/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The chip's own "pairing" as a state machine over frames. Nothing here is Bluetooth pairing:
 * the link is neither bonded nor encrypted. [CHIP a, b; FAMILY c, d, e, f]
 *
 *   pair:         (01 00)   01 00 key   [shake]   02 00   03 00 AES(key, random)
 *   authenticate:                                 02 00   03 00 AES(key, random)
 *
 * Pairing sets a key and resets the chip's step counter; authenticating needs the key that is
 * set.
 *
 * Pure: frames and times in, one action out. The caller owns link, timer and storage:
 *
 *   action = core2_auth_start_pair (&auth, ...);
 *   WRITE          write auth.frame (write without response), then call core2_auth_frame_written()
 *   STORE_PENDING  the chip has taken the key: store core2_auth_get_key() durably as pending,
 *                  beside the old key, then call core2_auth_continue()
 *   SUCCEEDED      authenticated; after pairing the pending key replaces the old one now
 *   FAILED         see auth.error; a pending key may be what the chip has, keep it
 *   NONE           nothing to do
 *
 * After every call: set a timer to core2_auth_get_deadline() and call core2_auth_expire() then;
 * every call returns the next action. Subscribe to V 0009 before starting. When a write fails or
 * the link goes, call core2_auth_cancel() and report the link's own error. Times are
 * microseconds of one clock that never jumps (CLOCK_BOOTTIME or CLOCK_MONOTONIC). */
#pragma once

#include <glib.h>

#include "core2-protocol.h"

G_BEGIN_DECLS

/* [ASSUME] all of them. */
#define CORE2_AUTH_PREAMBLE_US (2 * G_TIME_SPAN_SECOND) /* this long silent means "go on" */
#define CORE2_AUTH_REPLY_US (10 * G_TIME_SPAN_SECOND)
#define CORE2_AUTH_SHAKE_US (30 * G_TIME_SPAN_SECOND)

typedef enum
{
  CORE2_AUTH_IDLE,
  CORE2_AUTH_PREPARING,   /* the preamble is on its way */
  CORE2_AUTH_SENDING_KEY, /* the key is on its way */
  CORE2_AUTH_SHAKE_NOW,   /* the LED blinks: the user must shake the chip until the deadline */
  CORE2_AUTH_VERIFYING,   /* the key is being stored, or challenge and answer are on their way */
  CORE2_AUTH_SUCCEEDED,
  CORE2_AUTH_FAILED,
} Core2AuthState;

typedef enum
{
  CORE2_AUTH_ERROR_NONE,
  CORE2_AUTH_ERROR_NOT_SHAKEN,   /* refused, or the time for the shake is over */
  CORE2_AUTH_ERROR_KEY_REJECTED, /* the chip has another key, or none */
  CORE2_AUTH_ERROR_TIMEOUT,      /* no answer */
  CORE2_AUTH_ERROR_PROTOCOL,     /* an answer that makes no sense */
  CORE2_AUTH_ERROR_CANCELLED,
  CORE2_AUTH_ERROR_CRYPTO, /* the crypto library failed */
} Core2AuthError;

typedef enum
{
  CORE2_AUTH_ACTION_NONE,
  CORE2_AUTH_ACTION_WRITE,
  CORE2_AUTH_ACTION_STORE_PENDING,
  CORE2_AUTH_ACTION_SUCCEEDED,
  CORE2_AUTH_ACTION_FAILED,
} Core2AuthAction;

/* No deadline. */
#define CORE2_AUTH_NEVER G_MAXINT64

/* To be embedded in its owner, and cleared with core2_auth_clear(). Read state, error, pairing,
 * frame and frame_size; all else is private. */
typedef struct
{
  Core2AuthState state;
  Core2AuthError error;
  gboolean pairing; /* this handshake sets a key */

  guint8 frame[CORE2_AUTH_FRAME_MAX]; /* to be written; wiped at frame_written() */
  gsize frame_size;

  guint8 expected; /* Core2AuthCommand whose answer is awaited, 0 for none */
  gboolean must_store;
  gboolean preamble_unanswered;
  gint64 key_sent_us;
  gint64 shake_us;
  gint64 deadline_us;
  guint8 key[CORE2_KEY_SIZE];
} Core2Auth;

/* Initialises. No failure. */
void core2_auth_init (Core2Auth *self);

/* Wipes key and frame from memory; the result is as after core2_auth_init(). */
void core2_auth_clear (Core2Auth *self);

/* Starts pairing from any state (a handshake under way is forgotten). @key: the key to set, 16
 * bytes, or NULL for a new random one. @preamble: begin with `01 00`, as the Python library does
 * (a); without it, as the Swift SDK does (b). @shake_us: how long the user has for the shake; 0
 * = CORE2_AUTH_SHAKE_US. Returns WRITE, or FAILED with CRYPTO when no random bytes can be had. */
Core2AuthAction core2_auth_start_pair (Core2Auth *self, const guint8 *key, gboolean preamble,
                                       gint64 shake_us, gint64 now_us);

/* Starts authentication with the key that the chip has. Returns WRITE. */
Core2AuthAction core2_auth_start_authenticate (Core2Auth *self, const guint8 key[CORE2_KEY_SIZE],
                                               gint64 now_us);

/* Tells that the frame of the last WRITE has been sent. After the key's frame the state is
 * shake-now and the shake's time begins. Returns NONE. */
Core2AuthAction core2_auth_frame_written (Core2Auth *self, gint64 now_us);

/* Takes a notification of V 0009. What is not an answer of the handshake (not beginning with
 * 10), and a repeated answer of an earlier step, is ignored; an answer to what was not asked yet
 * or of a wrong size fails with PROTOCOL. May be called in any state. */
Core2AuthAction core2_auth_feed (Core2Auth *self, const guint8 *data, gsize size, gint64 now_us);

/* Goes on after STORE_PENDING, when the key is durably stored. Returns WRITE; NONE in any other
 * situation. Where storing fails, call core2_auth_cancel() and report the storage's error. */
Core2AuthAction core2_auth_continue (Core2Auth *self, gint64 now_us);

/* Ends a handshake under way: state failed, error CANCELLED. Returns FAILED, or NONE when there
 * was none under way. */
Core2AuthAction core2_auth_cancel (Core2Auth *self);

/* To be called when the deadline is over; earlier calls do nothing. */
Core2AuthAction core2_auth_expire (Core2Auth *self, gint64 now_us);

/* When core2_auth_expire() must be called, CORE2_AUTH_NEVER for not at all. In the state shake-now
 * this is the end of the user's time. */
gint64 core2_auth_get_deadline (const Core2Auth *self);

/* A handshake is under way. */
gboolean core2_auth_is_active (const Core2Auth *self);

/* The Core2AuthCommand whose answer is on its way at once, 0 for none: the answer to the key is not, it comes
 * with the shake. Who ends a handshake before should let that answer pass before the next one begins, which
 * would take it for its own. */
guint8 core2_auth_get_awaited (const Core2Auth *self);

/* The key of this handshake, 16 bytes, owned by @self; wiped by core2_auth_clear() and by the next
 * start. Never log it. */
const guint8 *core2_auth_get_key (const Core2Auth *self);

/* The state as the D-Bus property PairingState spells it: "idle", "preparing", "sending-key",
 * "shake-now", "verifying", "succeeded", "failed". */
const char *core2_auth_state_to_string (Core2AuthState state);

/* A sentence for the journal, without any key: "the chip was not shaken in time", ... */
const char *core2_auth_error_to_string (Core2AuthError error);

/* Makes a random key. Returns FALSE, and zeroes, when the system gives no random bytes. */
gboolean core2_auth_generate_key (guint8 key[CORE2_KEY_SIZE]);

/* AES-128-ECB of one block, without padding. [FAMILY c, d, f] Returns FALSE, and zeroes @output,
 * when the crypto library fails. */
gboolean core2_auth_encrypt (const guint8 key[CORE2_KEY_SIZE], const guint8 input[CORE2_KEY_SIZE],
                             guint8 output[CORE2_KEY_SIZE]);

/* Overwrites secret bytes in a way that the compiler does not remove. */
void core2_auth_wipe (void *data, gsize size);

G_END_DECLS
