/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-error.h"

#include <string.h>

#define CORE2_PREFIX "org.example.Core2.Error."
#define DBUS_PREFIX "org.freedesktop.DBus.Error."

G_DEFINE_QUARK (ctl-error-quark, ctl_error)

/*
 * What each error means for the caller: exit code, and what helps. Names are D-Bus names in full.
 */
static const struct
{
  const char *name;
  CtlExit exit;
  const char *advice;
} errors[] = {
  { CORE2_PREFIX "InvalidArguments", CTL_EXIT_USAGE, NULL },
  { CORE2_PREFIX "NotFound", CTL_EXIT_NO_CHIP,
    "\"core2ctl status\" lists the chips that are known; \"core2ctl scan\" looks for new ones." },
  { CORE2_PREFIX "Ambiguous", CTL_EXIT_NO_CHIP,
    "Name the chip by its address; \"core2ctl status\" shows it." },
  { CORE2_PREFIX "AdapterUnavailable", CTL_EXIT_UNAVAILABLE,
    "Switch Bluetooth on: \"bluetoothctl power on\"; if it is blocked: \"rfkill unblock "
    "bluetooth\"." },
  { CORE2_PREFIX "BluezUnavailable", CTL_EXIT_UNAVAILABLE,
    "Start the Bluetooth service: \"sudo systemctl start bluetooth\"." },
  { CORE2_PREFIX "Asleep", CTL_EXIT_ASLEEP,
    "Shake the chip to wake it, near this computer, and try again." },
  { CORE2_PREFIX "NotConnected", CTL_EXIT_ASLEEP,
    "Shake the chip and connect first: \"core2ctl connect\"." },
  { CORE2_PREFIX "Timeout", CTL_EXIT_ASLEEP,
    "Bring the chip nearer, shake it, and try again." },
  { CORE2_PREFIX "ConnectionLimit", CTL_EXIT_ASLEEP,
    "The adapter holds no more connections: disconnect another device, or add an adapter." },
  { CORE2_PREFIX "InProgress", CTL_EXIT_FAILED, "Wait until that has ended, and try again." },
  { CORE2_PREFIX "NotSupported", CTL_EXIT_FAILED, "This chip does not offer it." },
  { CORE2_PREFIX "NoData", CTL_EXIT_NO_DATA,
    "The chip sometimes has no answer, a fault of its firmware. Try again in a while." },
  { CORE2_PREFIX "NotPaired", CTL_EXIT_NO_DATA, "\"core2ctl pair\" gives the chip a key." },
  { CORE2_PREFIX "NotShaken", CTL_EXIT_FAILED,
    "Try again, and shake the chip firmly while its red light blinks." },
  { CORE2_PREFIX "KeyRejected", CTL_EXIT_FAILED,
    "The chip has another key: import that one (\"core2ctl key import\"), or pair again "
    "(\"core2ctl pair\")." },
  { CORE2_PREFIX "Cancelled", CTL_EXIT_FAILED, NULL },
  { CORE2_PREFIX "RateLimited", CTL_EXIT_FAILED, "Wait a little, and ask less often." },
  { CORE2_PREFIX "Storage", CTL_EXIT_FAILED,
    "See \"journalctl -u core2d\", and whether the disk is full." },
  { CORE2_PREFIX "Failed", CTL_EXIT_FAILED, "\"journalctl -u core2d\" may tell more." },
  { DBUS_PREFIX "AccessDenied", CTL_EXIT_DENIED,
    "Run it with sudo, or ask an administrator for the right." },
  { DBUS_PREFIX "InteractiveAuthorizationRequired", CTL_EXIT_DENIED,
    "Run it in a terminal or a desktop session, where a password can be asked for, or with sudo." },
  { DBUS_PREFIX "ServiceUnknown", CTL_EXIT_UNAVAILABLE,
    "Start it: \"sudo systemctl start core2d\"." },
  { DBUS_PREFIX "NameHasNoOwner", CTL_EXIT_UNAVAILABLE,
    "Start it: \"sudo systemctl start core2d\"." },
  { DBUS_PREFIX "NoReply", CTL_EXIT_UNAVAILABLE,
    "core2d went away or does not answer: see \"systemctl status core2d\"." },
  { DBUS_PREFIX "Timeout", CTL_EXIT_UNAVAILABLE,
    "core2d does not answer: see \"systemctl status core2d\"." },
  { DBUS_PREFIX "TimedOut", CTL_EXIT_UNAVAILABLE,
    "core2d does not answer: see \"systemctl status core2d\"." },
  { DBUS_PREFIX "Disconnected", CTL_EXIT_UNAVAILABLE, "The system bus has gone." },
  { DBUS_PREFIX "UnknownMethod", CTL_EXIT_FAILED,
    "core2d and core2ctl are of different versions: restart core2d." },
  { DBUS_PREFIX "UnknownObject", CTL_EXIT_NO_CHIP,
    "The chip has just been removed; \"core2ctl status\" lists those that are known." },
};

static char *
dup_dbus_name (const GError *error)
{
  if (error->domain == CTL_ERROR)
    return NULL;
  /* GDBus gives these two no D-Bus name: a call's deadline, and a lost connection. */
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    return g_strdup (DBUS_PREFIX "NoReply");
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CLOSED))
    return g_strdup (DBUS_PREFIX "Disconnected");
  if (g_dbus_error_is_remote_error (error))
    return g_dbus_error_get_remote_error (error);
  return error->domain == G_DBUS_ERROR ? g_dbus_error_encode_gerror (error) : NULL;
}

static gssize
find_error (const GError *error)
{
  g_autofree char *name = dup_dbus_name (error);

  for (gsize i = 0; name != NULL && i < G_N_ELEMENTS (errors); i++)
    if (g_str_equal (name, errors[i].name))
      return (gssize) i;
  return -1;
}

CtlExit
ctl_error_get_exit (const GError *error)
{
  gssize row = find_error (error);
  g_autofree char *name = dup_dbus_name (error);

  if (error->domain == CTL_ERROR)
    return (CtlExit) error->code;
  if (error->domain == G_OPTION_ERROR)
    return CTL_EXIT_USAGE;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return CTL_EXIT_INTERRUPTED;
  if (row >= 0)
    return errors[row].exit;
  if (name != NULL && g_str_has_prefix (name, DBUS_PREFIX "Spawn."))
    return CTL_EXIT_UNAVAILABLE;
  return CTL_EXIT_FAILED;
}

char *
ctl_error_dup_name (const GError *error)
{
  static const struct
  {
    CtlExit exit;
    const char *name;
  } own[] = {
    { CTL_EXIT_USAGE, "InvalidArguments" },
    { CTL_EXIT_NO_CHIP, "NotFound" },
    { CTL_EXIT_ASLEEP, "Asleep" },
    { CTL_EXIT_DENIED, "AccessDenied" },
    { CTL_EXIT_UNAVAILABLE, "Unavailable" },
    { CTL_EXIT_NO_DATA, "NoData" },
    { CTL_EXIT_INTERRUPTED, "Cancelled" },
  };
  g_autofree char *name = dup_dbus_name (error);
  CtlExit code = ctl_error_get_exit (error);

  if (name != NULL && strrchr (name, '.') != NULL)
    return g_strdup (strrchr (name, '.') + 1);
  for (gsize i = 0; i < G_N_ELEMENTS (own); i++)
    if (own[i].exit == code)
      return g_strdup (own[i].name);
  return g_strdup ("Failed");
}

char *
ctl_error_dup_message (const GError *error)
{
  g_autoptr (GError) copy = g_error_copy (error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return g_strdup ("interrupted");
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    return g_strdup ("core2d did not answer in time");
  g_dbus_error_strip_remote_error (copy);
  /* core2ctl's own errors carry their advice after the first line. */
  if (error->domain == CTL_ERROR && strchr (copy->message, '\n') != NULL)
    *strchr (copy->message, '\n') = '\0';
  return g_steal_pointer (&copy->message);
}

const char *
ctl_error_get_advice (const GError *error)
{
  gssize row = find_error (error);
  const char *second_line = strchr (error->message, '\n');

  if (error->domain == CTL_ERROR)
    return second_line != NULL ? second_line + 1 : NULL;
  return row >= 0 ? errors[row].advice : NULL;
}

gboolean
ctl_error_is (const GError *error, const char *name)
{
  g_autofree char *full = g_strconcat (CORE2_PREFIX, name, NULL);
  g_autofree char *actual = error == NULL ? NULL : dup_dbus_name (error);

  return g_strcmp0 (actual, full) == 0;
}
