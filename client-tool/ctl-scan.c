/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "ctl-error.h"
#include "ctl-text.h"

static gboolean option_first;
static int option_timeout = 5;
static char *option_adapter;

const GOptionEntry ctl_scan_entries[] = {
  { "first", '1', 0, G_OPTION_ARG_NONE, &option_first, "End at the first chip that is found",
    NULL },
  { "timeout", 't', 0, G_OPTION_ARG_INT, &option_timeout, "How long to look, 1 to 60 (5)",
    "SECONDS" },
  { "adapter", 0, 0, G_OPTION_ARG_STRING, &option_adapter, "Look with this adapter only",
    "ADDRESS" },
  { 0 },
};

/* A scan under way, shown while it lasts. */
typedef struct
{
  CtlClient *client;
  gint64 end; /* monotonic, microseconds */
  GAsyncResult *result;
} Scan;

static void
scan_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Scan *scan = user_data;
  scan->result = g_object_ref (result);
}

static gboolean
on_second (gpointer user_data)
{
  Scan *scan = user_data;
  gint64 left = (scan->end - g_get_monotonic_time ()) / G_USEC_PER_SEC;
  g_autofree char *text = NULL;

  /* Before the scan has begun polkit may be asking for a password on the same terminal. */
  if (!core2_dbus_manager_get_scanning (ctl_client_get_manager (scan->client)))
    return G_SOURCE_CONTINUE;
  text = g_strdup_printf ("looking for chips, %" G_GINT64_FORMAT " s left: shake them now ...",
                          MAX (left, 0) + 1);
  ctl_progress_show (text);
  return G_SOURCE_CONTINUE;
}

static GVariant *
run_scan (CtlContext *context, GError **error)
{
  Scan scan = { context->client,
                g_get_monotonic_time () + option_timeout * (gint64) G_USEC_PER_SEC, NULL };
  Core2DbusManager *manager = ctl_client_get_manager (context->client);
  GVariantBuilder options;
  GVariant *reply;
  guint timer;

  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&options, "{sv}", "timeout", g_variant_new_uint32 (option_timeout));
  g_variant_builder_add (&options, "{sv}", "max", g_variant_new_uint32 (option_first ? 1 : 0));
  if (option_adapter != NULL)
    g_variant_builder_add (&options, "{sv}", "adapter", g_variant_new_string (option_adapter));

  /* A password may be asked for first, which takes its own time. */
  ctl_client_call_async (context->client, manager, "Scan", g_variant_new ("(a{sv})", &options),
                         option_timeout * 1000 + CTL_RADIO_MS, scan_done, &scan);
  timer = g_timeout_add (250, on_second, &scan);
  while (scan.result == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (timer);
  ctl_progress_end ();

  reply = g_dbus_proxy_call_finish (G_DBUS_PROXY (manager), scan.result, error);
  g_object_unref (scan.result);
  return reply;
}

static void
print_text (GPtrArray *chips, guint others)
{
  for (guint i = 0; i < chips->len; i++)
    {
      Core2DbusChip *chip = g_ptr_array_index (chips, i);
      const char *address = core2_dbus_chip_get_address (chip);
      int rssi = core2_dbus_chip_get_rssi (chip);

      ctl_text_print_heading (chip);
      if (rssi != 127)
        ctl_print_row ("signal", "%d dBm", rssi);
      if (core2_dbus_chip_get_remembered (chip))
        ctl_print_row ("added", "yes");
      else
        ctl_print_row ("add it with", "core2ctl add %s", address);
    }
  if (chips->len > 0)
    return;

  puts ("No chip was found.");
  if (others > 0)
    printf ("%u other Bluetooth device%s seen, so Bluetooth works.\n"
            "A chip sleeps until it is moved: shake it firmly, near this computer, and "
            "scan again.\n",
            others, others == 1 ? " was" : "s were");
  else
    puts ("No other Bluetooth device was seen either: perhaps the adapter hears nothing.\n"
          "A chip sleeps until it is moved: shake it firmly, near this computer, and "
          "scan again.");
}

static void
print_json (GPtrArray *chips, guint others)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "chips");
  json_builder_begin_array (builder);
  for (guint i = 0; i < chips->len; i++)
    {
      json_builder_begin_object (builder);
      ctl_json_add_chip (builder, g_ptr_array_index (chips, i));
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  ctl_json_add_uint (builder, "other_devices_seen", TRUE, others);
  json_builder_end_object (builder);
  ctl_json_print (builder, FALSE);
}

gboolean
ctl_verb_scan (CtlContext *context, GError **error)
{
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariantIter) paths = NULL;
  g_autoptr (GPtrArray) chips = g_ptr_array_new_with_free_func (g_object_unref);
  Core2DbusManager *manager = ctl_client_get_manager (context->client);
  const char *path;
  guint others;

  if (option_timeout < 1 || option_timeout > 60)
    {
      g_set_error_literal (error, CTL_ERROR, CTL_EXIT_USAGE, "--timeout is 1 to 60 seconds");
      return FALSE;
    }
  reply = run_scan (context, error);
  if (reply == NULL || !ctl_client_refresh (context->client, manager, error))
    return FALSE;

  g_variant_get (reply, "(ao)", &paths);
  while (g_variant_iter_next (paths, "&o", &path))
    {
      Core2DbusChip *chip = ctl_client_get_chip (context->client, path, error);

      if (chip == NULL)
        return FALSE;
      g_ptr_array_add (chips, chip);
    }

  others = core2_dbus_manager_get_other_devices_seen (manager);
  if (context->json)
    print_json (chips, others);
  else
    print_text (chips, others);
  return TRUE;
}
