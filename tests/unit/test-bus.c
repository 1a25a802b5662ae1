/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connection that ends: its owner hears of it, and so does whoever calls afterwards. The bus here is a
 * socket that says nothing. */
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>

#include "core2-bus.h"

typedef struct
{
  char *directory;
  char *path;
  GSocket *listener;
  Core2Bus *bus;
  Core2Call *call;
  sd_bus_message *message;
  guint n_lost;
  guint n_done;
} Fixture;

static void
on_lost (gpointer user_data)
{
  ((Fixture *) user_data)->n_lost++;
}

static void
call_done (sd_bus_message *reply, const sd_bus_error *error, gpointer user_data)
{
  Fixture *fixture = user_data;

  g_assert_null (reply);
  g_assert_true (sd_bus_error_has_name (error, SD_BUS_ERROR_NO_SERVER));
  g_assert_null (fixture->call);
  fixture->n_done++;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GSocketAddress) address = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  fixture->directory = g_dir_make_tmp ("core2-bus-XXXXXX", &error);
  g_assert_no_error (error);
  fixture->path = g_build_filename (fixture->directory, "bus", NULL);
  fixture->listener = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM,
                                    G_SOCKET_PROTOCOL_DEFAULT, &error);
  g_assert_no_error (error);
  address = g_unix_socket_address_new (fixture->path);
  g_socket_bind (fixture->listener, address, FALSE, &error);
  g_assert_no_error (error);
  g_socket_listen (fixture->listener, &error);
  g_assert_no_error (error);

  text = g_strconcat ("unix:path=", fixture->path, NULL);
  g_setenv ("DBUS_SYSTEM_BUS_ADDRESS", text, TRUE);
  fixture->bus = core2_bus_open (on_lost, fixture, &error);
  g_assert_no_error (error);
  g_assert_cmpint (sd_bus_message_new_method_call (core2_bus_get (fixture->bus), &fixture->message,
                                                   "org.example.Any", "/", "org.example.Any", "Do"),
                   >=, 0);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  sd_bus_message_unref (fixture->message);
  core2_bus_close (fixture->bus);
  g_object_unref (fixture->listener);
  g_remove (fixture->path);
  g_remove (fixture->directory);
  g_free (fixture->path);
  g_free (fixture->directory);
}

static void
iterate_until (const guint *number)
{
  while (*number == 0)
    g_main_context_iteration (NULL, TRUE);
}

static void
test_no_bus (void)
{
  g_autoptr (GError) error = NULL;

  g_setenv ("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", TRUE);
  g_assert_null (core2_bus_open (on_lost, NULL, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
}

/* It hears of the failure from the loop, never from within its own call, and once. */
static void
test_call_after_the_end (Fixture *fixture, gconstpointer data)
{
  sd_bus_close (core2_bus_get (fixture->bus));
  if (data == NULL)
    core2_call_start (fixture->bus, &fixture->call, fixture->message, 1000, call_done, fixture);
  else
    core2_call_start_uncounted (fixture->bus, &fixture->call, fixture->message, 1000, call_done,
                                fixture);
  g_assert_nonnull (fixture->call);
  g_assert_cmpuint (fixture->n_done, ==, 0);
  iterate_until (&fixture->n_done);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (fixture->n_done, ==, 1);
}

static void
test_call_given_up (Fixture *fixture, gconstpointer data)
{
  sd_bus_close (core2_bus_get (fixture->bus));
  core2_call_start (fixture->bus, &fixture->call, fixture->message, 1000, call_done, fixture);
  core2_call_cancel (&fixture->call);
  g_assert_null (fixture->call);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (fixture->n_done, ==, 0);
}

/* The other side hangs up. */
static void
test_lost (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GSocket) other = g_socket_accept (fixture->listener, NULL, NULL);

  g_assert_nonnull (other);
  g_assert_true (g_socket_close (other, NULL));
  iterate_until (&fixture->n_lost);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (fixture->n_lost, ==, 1);
}

#define ADD(path, data, function) \
  g_test_add (path, Fixture, data, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bus/none", test_no_bus);
  ADD ("/bus/call-after-the-end/counted", NULL, test_call_after_the_end);
  ADD ("/bus/call-after-the-end/uncounted", "uncounted", test_call_after_the_end);
  ADD ("/bus/call-given-up", NULL, test_call_given_up);
  ADD ("/bus/lost", NULL, test_lost);
  return g_test_run ();
}
