/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

G_BEGIN_DECLS

/*
 * Logging through GLib's structured log, domain "core2d", with fields one can filter the journal
 * by: CORE2_CHIP (address), CORE2_TOPIC (link, steps, store, ...), CORE2_STATE, CORE2_ERROR,
 * MESSAGE_ID:
 *
 *   journalctl -u core2d CORE2_CHIP=F1:4F:BB:6A:B5:79
 *
 * What the world does (a chip that vanishes, bluetoothd that restarts, a bad payload) never
 * reaches GLib's levels WARNING and CRITICAL, which mean a fault of the program and end it under
 * G_DEBUG=fatal-warnings: CORE2_LOG_WARNING is G_LOG_LEVEL_MESSAGE with PRIORITY=4.
 *
 * Never log keys, nor frames of the authentication.
 */

/* Syslog's priorities, as far as they are used. */
typedef enum
{
  CORE2_LOG_ERROR = 3,   /* the daemon cannot go on */
  CORE2_LOG_WARNING = 4, /* somebody should look at it */
  CORE2_LOG_NOTICE = 5,  /* rare and notable */
  CORE2_LOG_INFO = 6,    /* the ordinary story; the default threshold */
  CORE2_LOG_DEBUG = 7,   /* for whoever looks for a fault */
} Core2LogPriority;

/*
 * The notable events, for `journalctl MESSAGE_ID=` and the message catalog
 * (systemd/core2d.catalog). 128-bit random numbers.
 */
#define CORE2_LOG_ID_CHIP_READY "f497ab44b1da4b658d42bb33884c5150"
#define CORE2_LOG_ID_CHIP_LOST "2f444bf7819a48c7bdec48cc0e04dc5a"
#define CORE2_LOG_ID_PAIRED "c2c065fa8cab43a88761fae64abfee97"
#define CORE2_LOG_ID_KEY_REJECTED "80addac0e4694131ae14bd5febe6718a"
#define CORE2_LOG_ID_COUNTER_RESET "5a5e88c2340f4ac0b23939bcd02b626d"
#define CORE2_LOG_ID_STATE_DAMAGED "d314abf986044d95924d1a6cb1f56f30"
#define CORE2_LOG_ID_STORAGE_FAILED "13309657a15640d5b7dbb2ad5fde88bb"
#define CORE2_LOG_ID_BUS_STUCK "2c4930f3a6fa48bd990d5ce7508307e4"

/* What a line is about. Every member may be NULL (code_line 0); nothing is kept after the call. */
typedef struct
{
  const char *chip;       /* CORE2_CHIP: Bluetooth address */
  const char *topic;      /* CORE2_TOPIC: the part of the daemon */
  const char *state;      /* CORE2_STATE: the chip's state, as in property State */
  const char *error;      /* CORE2_ERROR: D-Bus error name */
  const char *message_id; /* MESSAGE_ID: one of CORE2_LOG_ID_... */
  const char *code_file;
  const char *code_func;
  int code_line;
} Core2LogFields;

/*
 * Writes one line. Control characters in it, which may come from a chip or a client, are replaced,
 * so that nobody can forge lines. A debug line below the threshold is not even formatted.
 */
void core2_log_write (Core2LogPriority priority, const Core2LogFields *fields, const char *format,
                      ...) G_GNUC_PRINTF (3, 4);

/* @chip: address or NULL; @topic: string; then a printf format (no newline) and its arguments. */
#define core2_log_error(chip, topic, ...) CORE2_LOG_AT_ (CORE2_LOG_ERROR, chip, topic, __VA_ARGS__)
#define core2_log_warning(chip, topic, ...) \
  CORE2_LOG_AT_ (CORE2_LOG_WARNING, chip, topic, __VA_ARGS__)
#define core2_log_notice(chip, topic, ...) \
  CORE2_LOG_AT_ (CORE2_LOG_NOTICE, chip, topic, __VA_ARGS__)
#define core2_log_info(chip, topic, ...) CORE2_LOG_AT_ (CORE2_LOG_INFO, chip, topic, __VA_ARGS__)
#define core2_log_debug(chip, topic, ...) CORE2_LOG_AT_ (CORE2_LOG_DEBUG, chip, topic, __VA_ARGS__)

/*
 * Any of the members of Core2LogFields by name:
 *
 *   core2_log_event (CORE2_LOG_INFO, CORE2_LOG_FIELDS (.chip = address, .topic = "link",
 *                    .state = "ready", .message_id = CORE2_LOG_ID_CHIP_READY), "connected");
 */
#define CORE2_LOG_FIELDS(...) \
  (&(const Core2LogFields){ .code_file = __FILE__, .code_func = G_STRFUNC, .code_line = __LINE__, \
                            __VA_ARGS__ })
#define core2_log_event(priority, fields, ...) core2_log_write (priority, fields, __VA_ARGS__)

/* What went wrong, with @error_: its D-Bus name or NULL; then as above. */
#define core2_log_failure(priority, chip_, topic_, error_, ...) \
  core2_log_write (priority, \
                   CORE2_LOG_FIELDS (.chip = (chip_), .topic = (topic_), .error = (error_)), \
                   __VA_ARGS__)

#define CORE2_LOG_AT_(priority, chip_, topic_, ...) \
  core2_log_write (priority, CORE2_LOG_FIELDS (.chip = (chip_), .topic = (topic_)), __VA_ARGS__)

/*
 * Limiting of lines that the world can cause at any rate: of each key one line a minute passes,
 * and the next one that passes says how many were left out. Time is an argument (microseconds,
 * monotonic). Holds at most 256 keys; the oldest goes first.
 */
typedef struct Core2LogLimit Core2LogLimit;

Core2LogLimit *core2_log_limit_new (void);
void core2_log_limit_free (Core2LogLimit *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Core2LogLimit, core2_log_limit_free)

/*
 * Whether a line of @key may be written at @now. @suppressed (not NULL) is set to the number of
 * lines of that key that were left out since the last one, 0 when FALSE is returned.
 */
gboolean core2_log_limit_pass (Core2LogLimit *self, const char *key, gint64 now, guint *suppressed);

/* As core2_log_write(), with the limit of @key (any text, say topic and address). */
void core2_log_write_limited (Core2LogLimit *limit, const char *key, Core2LogPriority priority,
                              const Core2LogFields *fields, const char *format, ...)
    G_GNUC_PRINTF (5, 6);

/*
 * The log of this process: GLib's writer function and its threshold. To the journal in its
 * native protocol when stderr is connected to it, else one line of text on stderr for each message.
 */
typedef struct Core2Log Core2Log;

/*
 * Makes it and gives it to GLib. Call once, at the start of main(); @identifier, a static string,
 * is SYSLOG_IDENTIFIER. It lives as long as the process, as GLib never lets a writer function go.
 */
Core2Log *core2_log_install (const char *identifier);

/* Messages of a priority above @level (a larger number) are dropped. */
void core2_log_set_level (Core2Log *self, Core2LogPriority level);
Core2LogPriority core2_log_get_level (const Core2Log *self);

/*
 * Serves org.freedesktop.LogControl1 at /org/freedesktop/LogControl1, so that
 * `systemctl service-log-level core2d debug` works. Only root and the daemon's own user may set the
 * level (the bus policy says so, and sd-bus checks). Returns the slot, the caller's to unref, or
 * NULL with @error.
 */
sd_bus_slot *core2_log_serve (Core2Log *self, sd_bus *bus, GError **error);

G_END_DECLS
