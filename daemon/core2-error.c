/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-error.h"

#include <errno.h>

#define PREFIX "org.example.Core2.Error."

static const char *const names[] = {
  [CORE2_ERROR_FAILED] = PREFIX "Failed",
  [CORE2_ERROR_INVALID_ARGUMENTS] = PREFIX "InvalidArguments",
  [CORE2_ERROR_NOT_FOUND] = PREFIX "NotFound",
  [CORE2_ERROR_AMBIGUOUS] = PREFIX "Ambiguous",
  [CORE2_ERROR_ADAPTER_UNAVAILABLE] = PREFIX "AdapterUnavailable",
  [CORE2_ERROR_BLUEZ_UNAVAILABLE] = PREFIX "BluezUnavailable",
  [CORE2_ERROR_ASLEEP] = PREFIX "Asleep",
  [CORE2_ERROR_NOT_CONNECTED] = PREFIX "NotConnected",
  [CORE2_ERROR_IN_PROGRESS] = PREFIX "InProgress",
  [CORE2_ERROR_TIMEOUT] = PREFIX "Timeout",
  [CORE2_ERROR_CONNECTION_LIMIT] = PREFIX "ConnectionLimit",
  [CORE2_ERROR_NOT_SUPPORTED] = PREFIX "NotSupported",
  [CORE2_ERROR_NO_DATA] = PREFIX "NoData",
  [CORE2_ERROR_NOT_PAIRED] = PREFIX "NotPaired",
  [CORE2_ERROR_NOT_SHAKEN] = PREFIX "NotShaken",
  [CORE2_ERROR_KEY_REJECTED] = PREFIX "KeyRejected",
  [CORE2_ERROR_CANCELLED] = PREFIX "Cancelled",
  [CORE2_ERROR_RATE_LIMITED] = PREFIX "RateLimited",
  [CORE2_ERROR_STORAGE] = PREFIX "Storage",
  [CORE2_ERROR_ACCESS_DENIED] = SD_BUS_ERROR_ACCESS_DENIED,
  [CORE2_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED]
  = SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
};

G_DEFINE_QUARK (core2-error-quark, core2_error)

const char *
core2_error_get_name (Core2Error code)
{
  if ((guint) code >= G_N_ELEMENTS (names))
    return names[CORE2_ERROR_FAILED];
  return names[code];
}

gboolean
core2_error_from_name (const char *name, Core2Error *code)
{
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_strcmp0 (name, names[i]) == 0)
      {
        *code = (Core2Error) i;
        return TRUE;
      }
  return FALSE;
}

int
core2_error_set (sd_bus_error *out, Core2Error code, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_autofree char *message = g_strdup_vprintf (format, arguments);
  va_end (arguments);

  /* sd-bus copies the message as it is, and the bus drops a sender of invalid UTF-8. */
  g_autofree char *valid = g_utf8_make_valid (message, -1);
  int r = sd_bus_error_set (out, core2_error_get_name (code), valid);

  return r < 0 ? r : -EIO;
}

int
core2_error_from_gerror (sd_bus_error *out, const GError *error)
{
  if (error == NULL)
    return core2_error_set (out, CORE2_ERROR_FAILED, "unknown error");
  return core2_error_set (out, core2_error_get_code (error), "%s", error->message);
}

Core2Error
core2_error_get_code (const GError *error)
{
  if (error->domain != CORE2_ERROR || (guint) error->code >= G_N_ELEMENTS (names))
    return CORE2_ERROR_FAILED;
  return (Core2Error) error->code;
}

const char *
core2_error_get_name_of (const GError *error)
{
  return core2_error_get_name (core2_error_get_code (error));
}
