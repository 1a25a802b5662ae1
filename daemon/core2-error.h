/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

G_BEGIN_DECLS

/*
 * The errors of the D-Bus contract. Inside the daemon they travel as GError of the domain
 * CORE2_ERROR, on the bus as the names that core2_error_get_name() gives; the two sets are the
 * same.
 *
 * Messages: lower case, no full stop, with the chip's address where there is one, for people.
 */
typedef enum
{
  CORE2_ERROR_FAILED,              /* everything that has no name of its own */
  CORE2_ERROR_INVALID_ARGUMENTS,   /* the caller's input; nothing was changed */
  CORE2_ERROR_NOT_FOUND,           /* no such chip */
  CORE2_ERROR_AMBIGUOUS,           /* several chips answer to that name */
  CORE2_ERROR_ADAPTER_UNAVAILABLE, /* no adapter, or it is off or blocked */
  CORE2_ERROR_BLUEZ_UNAVAILABLE,   /* bluetoothd does not run */
  CORE2_ERROR_ASLEEP,              /* no sign of life of the chip in time: shake it */
  CORE2_ERROR_NOT_CONNECTED,       /* not connected, or the link dropped on the way */
  CORE2_ERROR_IN_PROGRESS,         /* another operation that excludes this one is under way */
  CORE2_ERROR_TIMEOUT,             /* the chip or bluetoothd did not answer in time */
  CORE2_ERROR_CONNECTION_LIMIT,    /* the adapter holds no more connections */
  CORE2_ERROR_NOT_SUPPORTED,       /* this chip cannot do it */
  CORE2_ERROR_NO_DATA,             /* the chip answered without a usable value */
  CORE2_ERROR_NOT_PAIRED,          /* no key is stored */
  CORE2_ERROR_NOT_SHAKEN,          /* pairing: the chip was not shaken in time */
  CORE2_ERROR_KEY_REJECTED,        /* the chip does not accept the key */
  CORE2_ERROR_CANCELLED,           /* ended by somebody else's wish */
  CORE2_ERROR_RATE_LIMITED,        /* this caller asks for too much at once */
  CORE2_ERROR_STORAGE,             /* the state directory cannot be read or written */

  /* The bus's own names for a denial, so that every client understands them. */
  CORE2_ERROR_ACCESS_DENIED,
  CORE2_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
} Core2Error;

#define CORE2_ERROR (core2_error_quark ())

/* The GError domain. */
GQuark core2_error_quark (void);

/*
 * The D-Bus name of an error, such as "org.example.Core2.Error.Asleep". Static. A value outside the
 * enum gives the name of CORE2_ERROR_FAILED.
 */
const char *core2_error_get_name (Core2Error code);

/* The same of a GError; one of another domain is a CORE2_ERROR_FAILED. Static. */
const char *core2_error_get_name_of (const GError *error);

/*
 * The inverse of core2_error_get_name(). Returns FALSE, and leaves @code alone, when @name is NULL
 * or none of ours.
 */
gboolean core2_error_from_name (const char *name, Core2Error *code);

/*
 * Fills @out with an error of the contract; what a method handler does instead of a reply:
 *
 *   return core2_error_set (error, CORE2_ERROR_NOT_FOUND, "no chip with address %s", address);
 *
 * @out may be NULL or a fresh (SD_BUS_ERROR_NULL) error. Always returns a negative errno, which
 * sd-bus takes from a handler as "reply with the error in @out".
 */
int core2_error_set (sd_bus_error *out, Core2Error code, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

/*
 * As core2_error_set() with the code and message of @error, which stays the caller's. An error of a
 * foreign domain, or NULL, becomes CORE2_ERROR_FAILED with its message.
 */
int core2_error_from_gerror (sd_bus_error *out, const GError *error);

/*
 * The code of @error: its own when it is of the domain CORE2_ERROR, else CORE2_ERROR_FAILED.
 * @error must not be NULL.
 */
Core2Error core2_error_get_code (const GError *error);

G_END_DECLS
