/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The example program of MicroPython's GATTSCharacteristic class, on gatt-server.h.
 *
 *   gatt-example [ADAPTER]
 *
 * It reports connects, disconnects, reads and writes on standard output. */

#include "gatt-server.h"

#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct
{
  GattCharacteristic *characteristic;
  guint counter;
} Example;

static void
on_connection (gpointer argument)
{
  guint events = gatt_server_events (argument);

  if ((events & GATT_CLIENT_CONNECTED) != 0)
    puts ("Client connected");
  else if ((events & GATT_CLIENT_DISCONNECTED) != 0)
    puts ("Client disconnected");
}

static GBytes *
on_characteristic_1 (gpointer argument)
{
  Example *example = argument;
  guint events = gatt_characteristic_events (example->characteristic);

  example->counter++;
  if ((events & GATT_CHAR_WRITE_EVENT) != 0)
    {
      g_autofree char *value
          = gatt_value_to_hex (gatt_characteristic_get_value (example->characteristic));

      printf ("Write request with value = %s\n", value);
      return NULL;
    }
  if (example->counter < 3)
    {
      puts ("Read request on char 1");
      return NULL;
    }
  return gatt_value_from_string ("ABC DEF");
}

static GBytes *
on_characteristic_2 (gpointer argument)
{
  Example *example = argument;

  example->counter++;
  return example->counter > 0xf1 ? gatt_value_from_integer (example->counter) : NULL;
}

static gboolean
on_signal (gpointer user_data)
{
  g_main_loop_quit (user_data);
  return G_SOURCE_CONTINUE;
}

static gboolean
run (const char *adapter, GError **error)
{
  const guint read_write_notify = GATT_PROPERTY_READ | GATT_PROPERTY_WRITE | GATT_PROPERTY_NOTIFY;
  g_autoptr (GDBusConnection) bus = g_bus_get_sync (G_BUS_TYPE_SYSTEM, NULL, error);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autofree char *service_uuid = gatt_uuid_from_bytes ((const guint8 *) "1234567890123456");
  g_autofree char *uuid_1 = gatt_uuid_from_bytes ((const guint8 *) "ab34567890123456");
  g_autofree char *service_uuid_2 = gatt_uuid_from_integer (1234);
  g_autofree char *uuid_2 = gatt_uuid_from_integer (4567);
  g_autoptr (GBytes) value_1 = gatt_value_from_integer (5);
  g_autoptr (GBytes) value_2 = gatt_value_from_integer (0x1234);
  Example example_1 = { NULL, 0 };
  Example example_2 = { NULL, 0xf0 };
  GattServer *server;
  GattService *service_1, *service_2;

  if (bus == NULL || (server = gatt_server_new (bus, adapter, "/org/example/gatt", error)) == NULL)
    return FALSE;
  gatt_server_set_name (server, "LoPy");
  gatt_server_set_service_uuid (server, service_uuid, NULL);
  gatt_server_set_callback (server, GATT_CLIENT_CONNECTED | GATT_CLIENT_DISCONNECTED,
                            on_connection, NULL);
  gatt_server_advertise (server, TRUE);

  service_1 = gatt_server_add_service (server, service_uuid, TRUE, NULL);
  example_1.characteristic
      = gatt_service_add_characteristic (service_1, uuid_1, read_write_notify, value_1, NULL);
  gatt_characteristic_set_callback (example_1.characteristic,
                                    GATT_CHAR_WRITE_EVENT | GATT_CHAR_READ_EVENT,
                                    on_characteristic_1, &example_1);

  service_2 = gatt_server_add_service (server, service_uuid_2, TRUE, NULL);
  example_2.characteristic
      = gatt_service_add_characteristic (service_2, uuid_2, read_write_notify, value_2, NULL);
  gatt_characteristic_set_callback (example_2.characteristic, GATT_CHAR_READ_EVENT,
                                    on_characteristic_2, &example_2);

  g_unix_signal_add (SIGTERM, on_signal, loop);
  g_unix_signal_add (SIGINT, on_signal, loop);
  g_main_loop_run (loop);
  gatt_server_free (server);
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  setvbuf (stdout, NULL, _IOLBF, 0);
  if (!run (argc > 1 ? argv[1] : "hci0", &error))
    {
      fprintf (stderr, "gatt-example: %s\n", error->message);
      return EXIT_FAILURE;
    }
  return EXIT_SUCCESS;
}
