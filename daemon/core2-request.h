/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

#include "core2-access.h"
#include "core2-bus.h"
#include "core2-error.h"

G_BEGIN_DECLS

/* A method call of a client under way: read, authorised, perhaps waiting for the chip, answered once. It
 * belongs to a set, and the set to whoever serves the object; the end of the set answers what is left. */
typedef struct Core2Request Core2Request;

/* Goes on with a request, which is answered within it or kept for later. */
typedef void (*Core2RequestRun) (Core2Request *request);

struct Core2Request
{
  GPtrArray *set;
  gpointer owner;                /* whose method it is */
  Core2Bus *bus;
  sd_bus_message *message;

  /* Arguments, as far as the method has them. */
  guint32 number;
  guint32 timeout_s;
  gboolean flag;
  char *text;
  GBytes *secret;                /* wiped when the request ends */
  gpointer extra;                /* freed by @free_extra */
  GDestroyNotify free_extra;

  /* What it waits for, as its owner numbers it; 0 = nothing. */
  guint waits_for;
  Core2RequestRun next;          /* what comes then */

  /* Private. */
  Core2RequestRun run;
  Core2RequestRun on_gone;
  Core2RequestRun on_end;        /* called before it is freed, however it ends */
  Core2AccessCheck *check;
  Core2ClientWatch *watch;
  guint timer;
};

/* A set of requests; free it with core2_requests_free(). */
GPtrArray *core2_requests_new (void);

/* Ends every request with @code and @text. */
void core2_requests_fail (GPtrArray *set, Core2Error code, const char *text);

/* The same, and frees the set. */
void core2_requests_free (GPtrArray *set, Core2Error code, const char *text);

/* Keeps @message (a reference is taken) as a request in @set. */
Core2Request *core2_request_new (GPtrArray *set, Core2Bus *bus, sd_bus_message *message,
                                 gpointer owner);

/* Asks polkit whether the caller may do @action (the part after org.example.core2.) and calls @run when
 * it may; else the caller gets the denial. */
void core2_request_authorize (Core2Request *self, Core2Access *access, const char *action,
                              const char *address, const char *alias, Core2RequestRun run);

/* Calls @gone when the caller leaves the bus before the answer. */
void core2_request_watch_caller (Core2Request *self, Core2RequestRun gone);

/* Does so no more. */
void core2_request_unwatch_caller (Core2Request *self);

/* Calls @expired unless the request ends within @timeout_ms. A second call replaces the first. */
void core2_request_set_timeout (Core2Request *self, guint timeout_ms, Core2RequestRun expired);

/* No time-out any more. */
void core2_request_clear_timeout (Core2Request *self);

/* Answers with the values that follow @types, as sd_bus_message_append() takes them, and frees. */
void core2_request_reply (Core2Request *self, const char *types, ...);

/* Answers with a message made by sd_bus_message_new_method_return() (taken), and frees. Where @r, what
 * sd_bus_message_… returned while it was made, is negative the answer is the error Failed; @reply may be NULL then. */
void core2_request_reply_message (Core2Request *self, sd_bus_message *reply, int r);

/* Answers with an error, and frees. */
void core2_request_fail (Core2Request *self, Core2Error code, const char *format, ...)
    G_GNUC_PRINTF (3, 4);
void core2_request_fail_gerror (Core2Request *self, const GError *error);

/* Frees without an answer: its caller has left. */
void core2_request_drop (Core2Request *self);

/* Most bytes of an ay that an option may have. */
#define CORE2_REQUEST_SECRET_MAX 64

/* A copy of at most CORE2_REQUEST_SECRET_MAX bytes that is wiped when its last reference goes. */
GBytes *core2_secret_new (const void *data, gsize size);

/* One option of an a{sv}. @type: 'u', 't', 'b', 's', or 'y' for ay; @value: guint32 *, guint64 *,
 * gboolean *, char ** (newly allocated), GBytes **. @minimum and @maximum bound a number, the bytes of a text or of an array. */
typedef struct
{
  const char *name;
  char type;
  gpointer value;
  guint32 minimum;
  guint32 maximum;
  gboolean given;
} Core2Option;

/* Reads an a{sv}. An unknown key, a wrong type, a value out of bounds or a key given twice is InvalidArguments in
 * @error with the reason. Returns 0, or a negative number to return from the method handler. */
int core2_options_read (sd_bus_message *message, Core2Option *options, gsize n_options,
                        sd_bus_error *error);

G_END_DECLS
