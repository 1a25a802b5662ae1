/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-bluez.h"

#include <string.h>

typedef struct
{
  const char *text;
  Core2Error code;
} Translation;

/* Error names, of BlueZ and of the bus. */
static const Translation names[] = {
  { "org.bluez.Error.NotReady", CORE2_ERROR_ADAPTER_UNAVAILABLE },
  { "org.bluez.Error.NotAvailable", CORE2_ERROR_ADAPTER_UNAVAILABLE },
  { "org.bluez.Error.InProgress", CORE2_ERROR_IN_PROGRESS },
  { "org.bluez.Error.NotConnected", CORE2_ERROR_NOT_CONNECTED },
  { "org.bluez.Error.DoesNotExist", CORE2_ERROR_NOT_CONNECTED },
  { "org.bluez.Error.NotSupported", CORE2_ERROR_NOT_SUPPORTED },
  { "org.bluez.Error.NotPermitted", CORE2_ERROR_NOT_SUPPORTED },
  { "org.bluez.Error.NotAuthorized", CORE2_ERROR_NOT_SUPPORTED },
  { "org.bluez.Error.InvalidOffset", CORE2_ERROR_NO_DATA },
  { "org.bluez.Error.InvalidValueLength", CORE2_ERROR_NOT_SUPPORTED },
  { "org.bluez.Error.AuthenticationCanceled", CORE2_ERROR_CANCELLED },
  { SD_BUS_ERROR_SERVICE_UNKNOWN, CORE2_ERROR_BLUEZ_UNAVAILABLE },
  { SD_BUS_ERROR_NAME_HAS_NO_OWNER, CORE2_ERROR_BLUEZ_UNAVAILABLE },
  { SD_BUS_ERROR_DISCONNECTED, CORE2_ERROR_BLUEZ_UNAVAILABLE },
  { SD_BUS_ERROR_NO_SERVER, CORE2_ERROR_BLUEZ_UNAVAILABLE },
  { SD_BUS_ERROR_NO_REPLY, CORE2_ERROR_TIMEOUT },
  { SD_BUS_ERROR_TIMEOUT, CORE2_ERROR_TIMEOUT },
  { "org.freedesktop.DBus.Error.TimedOut", CORE2_ERROR_TIMEOUT },
  { SD_BUS_ERROR_UNKNOWN_OBJECT, CORE2_ERROR_NOT_CONNECTED },
  { SD_BUS_ERROR_UNKNOWN_METHOD, CORE2_ERROR_NOT_CONNECTED },
  { SD_BUS_ERROR_UNKNOWN_INTERFACE, CORE2_ERROR_NOT_CONNECTED },
  { SD_BUS_ERROR_ACCESS_DENIED, CORE2_ERROR_FAILED },
};

/* Parts of the message of org.bluez.Error.Failed. */
static const Translation failures[] = {
  { "already in progress", CORE2_ERROR_IN_PROGRESS },
  { "concurrent-connection-limit", CORE2_ERROR_CONNECTION_LIMIT },
  { "adapter-not-powered", CORE2_ERROR_ADAPTER_UNAVAILABLE },
  { "Not connected", CORE2_ERROR_NOT_CONNECTED },
  { "connection-canceled", CORE2_ERROR_CANCELLED },
  { "abort-by-local", CORE2_ERROR_ASLEEP },
  { "abort-by-remote", CORE2_ERROR_ASLEEP },
  { "connection-timeout", CORE2_ERROR_ASLEEP },
  { "page-timeout", CORE2_ERROR_ASLEEP },
  { "Software caused connection abort", CORE2_ERROR_ASLEEP },
  { "Host is down", CORE2_ERROR_ASLEEP },
  /* BlueZ passes an ATT error of the chip on as its number. */
  { "ATT error", CORE2_ERROR_NOT_SUPPORTED },
};

gboolean
core2_bluez_is_unknown_error (const sd_bus_error *error)
{
  return sd_bus_error_has_name (error, SD_BUS_ERROR_UNKNOWN_OBJECT)
         || sd_bus_error_has_name (error, SD_BUS_ERROR_UNKNOWN_INTERFACE)
         || sd_bus_error_has_name (error, SD_BUS_ERROR_UNKNOWN_METHOD);
}

Core2Error
core2_bluez_translate_error (const sd_bus_error *error)
{
  const char *message = error->message != NULL ? error->message : "";

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    if (sd_bus_error_has_name (error, names[i].text))
      return names[i].code;
  for (gsize i = 0; i < G_N_ELEMENTS (failures); i++)
    if (strstr (message, failures[i].text) != NULL)
      return failures[i].code;
  return CORE2_ERROR_FAILED;
}
