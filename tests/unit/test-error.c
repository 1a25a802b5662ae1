/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-error.h"

#include <gio/gio.h>

static const struct
{
  Core2Error code;
  const char *name;
} contract[] = {
  { CORE2_ERROR_FAILED, "org.example.Core2.Error.Failed" },
  { CORE2_ERROR_INVALID_ARGUMENTS, "org.example.Core2.Error.InvalidArguments" },
  { CORE2_ERROR_NOT_FOUND, "org.example.Core2.Error.NotFound" },
  { CORE2_ERROR_AMBIGUOUS, "org.example.Core2.Error.Ambiguous" },
  { CORE2_ERROR_ADAPTER_UNAVAILABLE, "org.example.Core2.Error.AdapterUnavailable" },
  { CORE2_ERROR_BLUEZ_UNAVAILABLE, "org.example.Core2.Error.BluezUnavailable" },
  { CORE2_ERROR_ASLEEP, "org.example.Core2.Error.Asleep" },
  { CORE2_ERROR_NOT_CONNECTED, "org.example.Core2.Error.NotConnected" },
  { CORE2_ERROR_IN_PROGRESS, "org.example.Core2.Error.InProgress" },
  { CORE2_ERROR_TIMEOUT, "org.example.Core2.Error.Timeout" },
  { CORE2_ERROR_CONNECTION_LIMIT, "org.example.Core2.Error.ConnectionLimit" },
  { CORE2_ERROR_NOT_SUPPORTED, "org.example.Core2.Error.NotSupported" },
  { CORE2_ERROR_NO_DATA, "org.example.Core2.Error.NoData" },
  { CORE2_ERROR_NOT_PAIRED, "org.example.Core2.Error.NotPaired" },
  { CORE2_ERROR_NOT_SHAKEN, "org.example.Core2.Error.NotShaken" },
  { CORE2_ERROR_KEY_REJECTED, "org.example.Core2.Error.KeyRejected" },
  { CORE2_ERROR_CANCELLED, "org.example.Core2.Error.Cancelled" },
  { CORE2_ERROR_RATE_LIMITED, "org.example.Core2.Error.RateLimited" },
  { CORE2_ERROR_STORAGE, "org.example.Core2.Error.Storage" },
  { CORE2_ERROR_ACCESS_DENIED, "org.freedesktop.DBus.Error.AccessDenied" },
  { CORE2_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
    "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired" },
};

static void
test_names (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (contract); i++)
    {
      Core2Error code = CORE2_ERROR_FAILED;

      g_assert_cmpstr (core2_error_get_name (contract[i].code), ==, contract[i].name);
      g_assert_true (core2_error_from_name (contract[i].name, &code));
      g_assert_cmpint (code, ==, contract[i].code);
    }
}

static void
test_unknown (void)
{
  Core2Error code = CORE2_ERROR_STORAGE;

  g_assert_false (core2_error_from_name (NULL, &code));
  g_assert_false (core2_error_from_name ("", &code));
  g_assert_false (core2_error_from_name ("org.example.Core2.Error.Failedx", &code));
  g_assert_cmpint (code, ==, CORE2_ERROR_STORAGE);
  g_assert_cmpstr (core2_error_get_name ((Core2Error) 1000), ==, contract[0].name);
  g_assert_cmpstr (core2_error_get_name ((Core2Error) -1), ==, contract[0].name);
}

static void
test_set (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (contract); i++)
    {
      sd_bus_error error = SD_BUS_ERROR_NULL;

      g_assert_cmpint (core2_error_set (&error, contract[i].code, "chip %d", 7), <, 0);
      g_assert_cmpstr (error.name, ==, contract[i].name);
      g_assert_cmpstr (error.message, ==, "chip 7");
      sd_bus_error_free (&error);
    }
  g_assert_cmpint (core2_error_set (NULL, CORE2_ERROR_ASLEEP, "x"), <, 0);
}

/* The bus drops a sender of invalid UTF-8. */
static void
test_set_not_utf8 (void)
{
  sd_bus_error error = SD_BUS_ERROR_NULL;

  core2_error_set (&error, CORE2_ERROR_FAILED, "name %s", "\xff\xfe");
  g_assert_true (g_utf8_validate (error.message, -1, NULL));
  sd_bus_error_free (&error);
}

static void
test_from_gerror (void)
{
  g_autoptr (GError) own = g_error_new (CORE2_ERROR, CORE2_ERROR_ASLEEP, "asleep");
  g_autoptr (GError) foreign = g_error_new (G_IO_ERROR, G_IO_ERROR_NO_SPACE, "100%% full");
  g_autoptr (GError) odd = g_error_new (CORE2_ERROR, 1000, "odd");
  sd_bus_error error = SD_BUS_ERROR_NULL;

  g_assert_cmpint (core2_error_from_gerror (&error, own), <, 0);
  g_assert_cmpstr (error.name, ==, "org.example.Core2.Error.Asleep");
  g_assert_cmpstr (error.message, ==, "asleep");
  sd_bus_error_free (&error);

  g_assert_cmpint (core2_error_from_gerror (&error, foreign), <, 0);
  g_assert_cmpstr (error.name, ==, "org.example.Core2.Error.Failed");
  g_assert_cmpstr (error.message, ==, "100% full");
  sd_bus_error_free (&error);

  g_assert_cmpint (core2_error_from_gerror (&error, NULL), <, 0);
  g_assert_cmpstr (error.name, ==, "org.example.Core2.Error.Failed");
  sd_bus_error_free (&error);

  g_assert_cmpint (core2_error_get_code (own), ==, CORE2_ERROR_ASLEEP);
  g_assert_cmpint (core2_error_get_code (foreign), ==, CORE2_ERROR_FAILED);
  g_assert_cmpint (core2_error_get_code (odd), ==, CORE2_ERROR_FAILED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/error/names", test_names);
  g_test_add_func ("/error/unknown", test_unknown);
  g_test_add_func ("/error/set", test_set);
  g_test_add_func ("/error/set-not-utf8", test_set_not_utf8);
  g_test_add_func ("/error/from-gerror", test_from_gerror);
  return g_test_run ();
}
