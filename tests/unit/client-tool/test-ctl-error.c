/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-error.h"

/* What a GDBus client gets for the error @name with the text @message. */
static GError *
make_remote (const char *name, const char *message)
{
  return g_dbus_error_new_for_dbus_error (name, message);
}

static void
test_exit_codes (void)
{
  static const struct
  {
    const char *name;
    CtlExit exit;
  } cases[] = {
    { "org.example.Core2.Error.Failed", CTL_EXIT_FAILED },
    { "org.example.Core2.Error.InvalidArguments", CTL_EXIT_USAGE },
    { "org.example.Core2.Error.NotFound", CTL_EXIT_NO_CHIP },
    { "org.example.Core2.Error.Ambiguous", CTL_EXIT_NO_CHIP },
    { "org.example.Core2.Error.AdapterUnavailable", CTL_EXIT_UNAVAILABLE },
    { "org.example.Core2.Error.BluezUnavailable", CTL_EXIT_UNAVAILABLE },
    { "org.example.Core2.Error.Asleep", CTL_EXIT_ASLEEP },
    { "org.example.Core2.Error.NotConnected", CTL_EXIT_ASLEEP },
    { "org.example.Core2.Error.Timeout", CTL_EXIT_ASLEEP },
    { "org.example.Core2.Error.NoData", CTL_EXIT_NO_DATA },
    { "org.example.Core2.Error.NotPaired", CTL_EXIT_NO_DATA },
    { "org.example.Core2.Error.KeyRejected", CTL_EXIT_FAILED },
    { "org.example.Core2.Error.SomethingNew", CTL_EXIT_FAILED },
    { "org.freedesktop.DBus.Error.AccessDenied", CTL_EXIT_DENIED },
    { "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", CTL_EXIT_DENIED },
    { "org.freedesktop.DBus.Error.ServiceUnknown", CTL_EXIT_UNAVAILABLE },
    { "org.freedesktop.DBus.Error.NoReply", CTL_EXIT_UNAVAILABLE },
    { "org.freedesktop.DBus.Error.Spawn.ChildExited", CTL_EXIT_UNAVAILABLE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = make_remote (cases[i].name, "the chip sleeps");
      g_autofree char *message = ctl_error_dup_message (error);
      g_autofree char *name = ctl_error_dup_name (error);

      g_test_message ("%s", cases[i].name);
      g_assert_cmpint (ctl_error_get_exit (error), ==, cases[i].exit);
      g_assert_cmpstr (message, ==, "the chip sleeps");
      g_assert_true (g_str_has_suffix (cases[i].name, name));
    }
}

static void
test_own (void)
{
  g_autoptr (GError) error
      = g_error_new_literal (CTL_ERROR, CTL_EXIT_NO_CHIP, "no chip.\nAdd one.");
  g_autofree char *message = ctl_error_dup_message (error);
  g_autofree char *name = ctl_error_dup_name (error);

  g_assert_cmpint (ctl_error_get_exit (error), ==, CTL_EXIT_NO_CHIP);
  g_assert_cmpstr (message, ==, "no chip.");
  g_assert_cmpstr (ctl_error_get_advice (error), ==, "Add one.");
  g_assert_cmpstr (name, ==, "NotFound");
}

static void
test_local (void)
{
  g_autoptr (GError) late = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "x");
  g_autoptr (GError) lost = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CLOSED, "x");
  g_autoptr (GError) ended = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "x");
  g_autoptr (GError) option
      = g_error_new_literal (G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION, "x");

  g_assert_cmpint (ctl_error_get_exit (late), ==, CTL_EXIT_UNAVAILABLE);
  g_assert_cmpint (ctl_error_get_exit (lost), ==, CTL_EXIT_UNAVAILABLE);
  g_assert_cmpint (ctl_error_get_exit (ended), ==, CTL_EXIT_INTERRUPTED);
  g_assert_cmpint (ctl_error_get_exit (option), ==, CTL_EXIT_USAGE);
  g_assert_nonnull (ctl_error_get_advice (late));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ctl-error/exit-codes", test_exit_codes);
  g_test_add_func ("/ctl-error/own", test_own);
  g_test_add_func ("/ctl-error/local", test_local);
  return g_test_run ();
}
