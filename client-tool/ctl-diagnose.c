/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What somebody who is to help wants to know, in one piece. There is one report, as JSON; for people its tree
 * is printed with indentation. It holds no keys, and on wish nothing that tells one device from others. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "ctl-error.h"
#include "ctl-output.h"
#include "ctl.h"

#define BLUEZ_NAME "org.bluez"

static gboolean option_shorten;

const GOptionEntry ctl_diagnose_entries[] = {
  { "shorten-addresses", 's', 0, G_OPTION_ARG_NONE, &option_shorten,
    "Leave out most of each Bluetooth address, and names that people gave", NULL },
  { NULL },
};

/* --- BlueZ's objects ------------------------------------------------------------------------- */

/* What BlueZ has, a{oa{sa{sv}}}; NULL when bluetoothd does not run or does not answer. */
static GVariant *
get_bluez_objects (CtlClient *client)
{
  const GDBusProxyFlags flags = G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES
                                | G_DBUS_PROXY_FLAGS_DO_NOT_CONNECT_SIGNALS
                                | G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START;
  g_autoptr (GDBusProxy) proxy = g_dbus_proxy_new_sync (
      ctl_client_get_connection (client), flags, NULL, BLUEZ_NAME, "/",
      "org.freedesktop.DBus.ObjectManager", ctl_client_get_cancellable (client), NULL);
  g_autoptr (GVariant) reply = NULL;

  if (proxy != NULL)
    reply = ctl_client_call (client, proxy, "GetManagedObjects", NULL, CTL_QUICK_MS, NULL);
  return reply == NULL ? NULL : g_variant_get_child_value (reply, 0);
}

static const char *
lookup_string (GVariant *properties, const char *name)
{
  const char *text = NULL;

  g_variant_lookup (properties, name, "&s", &text);
  return text;
}

static gboolean
lookup_flag (GVariant *properties, const char *name)
{
  gboolean flag = FALSE;

  g_variant_lookup (properties, name, "b", &flag);
  return flag;
}

typedef void (*Visit) (JsonBuilder *builder, const char *path, GVariant *properties,
                       GVariant *objects);

static int
compare_paths (gconstpointer a, gconstpointer b)
{
  return g_strcmp0 (*(const char *const *) a, *(const char *const *) b);
}

/* Adds an array to @builder: what @visit makes of each object below @path with @interface, by path. */
static void
add_objects (JsonBuilder *builder, const char *member, GVariant *objects, const char *path,
             const char *interface, Visit visit)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new ();
  g_autofree char *prefix = g_strconcat (path, "/", NULL);
  GVariantIter iter;
  const char *object;

  g_variant_iter_init (&iter, objects);
  while (g_variant_iter_next (&iter, "{&o@a{sa{sv}}}", &object, NULL))
    if (g_str_has_prefix (object, prefix))
      g_ptr_array_add (found, (gpointer) object);
  g_ptr_array_sort (found, compare_paths);

  json_builder_set_member_name (builder, member);
  json_builder_begin_array (builder);
  for (guint i = 0; i < found->len; i++)
    {
      object = g_ptr_array_index (found, i);
      g_autoptr (GVariant) interfaces = g_variant_lookup_value (objects, object, NULL);
      g_autoptr (GVariant) properties = g_variant_lookup_value (interfaces, interface, NULL);
      if (properties == NULL)
        continue;
      json_builder_begin_object (builder);
      visit (builder, object, properties, objects);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

/* BlueZ tells its version to nobody but as that of its own entry in the list of products. */
static char *
dup_bluez_version (const char *modalias)
{
  guint version;

  if (modalias == NULL || sscanf (modalias, "usb:v1D6Bp0246d%4x", &version) != 1)
    return NULL;
  return g_strdup_printf ("%u.%u", version >> 8, version & 0xff);
}

static void
add_words (JsonBuilder *builder, const char *member, GVariant *properties, const char *name)
{
  g_autofree const char **words = NULL;
  g_autofree char *joined = NULL;

  if (g_variant_lookup (properties, name, "^a&s", &words))
    joined = g_strjoinv (" ", (char **) words);
  ctl_json_add_string (builder, member, joined);
}

static void
add_adapter (JsonBuilder *builder, const char *path, GVariant *properties, GVariant *objects)
{
  ctl_json_add_string (builder, "adapter", strrchr (path, '/') + 1);
  ctl_json_add_string (builder, "address", lookup_string (properties, "Address"));
  ctl_json_add_bool (builder, "powered", lookup_flag (properties, "Powered"));
  ctl_json_add_string (builder, "power_state", lookup_string (properties, "PowerState"));
  ctl_json_add_bool (builder, "discovering", lookup_flag (properties, "Discovering"));
  add_words (builder, "roles", properties, "Roles");
}

static void
add_characteristic (JsonBuilder *builder, const char *path, GVariant *properties,
                    GVariant *objects)
{
  ctl_json_add_string (builder, "uuid", lookup_string (properties, "UUID"));
  add_words (builder, "flags", properties, "Flags");
  ctl_json_add_bool (builder, "notifying", lookup_flag (properties, "Notifying"));
}

static void
add_service (JsonBuilder *builder, const char *path, GVariant *properties, GVariant *objects)
{
  ctl_json_add_string (builder, "uuid", lookup_string (properties, "UUID"));
  add_objects (builder, "characteristics", objects, path, "org.bluez.GattCharacteristic1",
               add_characteristic);
}

/* A device of BlueZ with its table of services. Values of characteristics may be secret: they are left out. */
static void
add_device (JsonBuilder *builder, const char *path, GVariant *properties, GVariant *objects)
{
  const char *adapter = NULL;

  g_variant_lookup (properties, "Adapter", "&o", &adapter);
  ctl_json_add_string (builder, "adapter", adapter != NULL ? strrchr (adapter, '/') + 1 : NULL);
  ctl_json_add_bool (builder, "connected", lookup_flag (properties, "Connected"));
  ctl_json_add_bool (builder, "services_resolved", lookup_flag (properties, "ServicesResolved"));
  ctl_json_add_bool (builder, "trusted", lookup_flag (properties, "Trusted"));
  ctl_json_add_bool (builder, "blocked", lookup_flag (properties, "Blocked"));
  add_objects (builder, "services", objects, path, "org.bluez.GattService1", add_service);
}

/* Devices with this address: one an adapter that knows it. */
static void
add_devices (JsonBuilder *builder, GVariant *objects, const char *address)
{
  GVariantIter iter;
  const char *path;

  json_builder_set_member_name (builder, "devices");
  json_builder_begin_array (builder);
  g_variant_iter_init (&iter, objects);
  while (g_variant_iter_next (&iter, "{&o@a{sa{sv}}}", &path, NULL))
    {
      g_autoptr (GVariant) interfaces = g_variant_lookup_value (objects, path, NULL);
      g_autoptr (GVariant) device
          = g_variant_lookup_value (interfaces, "org.bluez.Device1", NULL);
      if (device == NULL || g_strcmp0 (lookup_string (device, "Address"), address) != 0)
        continue;
      json_builder_begin_object (builder);
      add_device (builder, path, device, objects);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

/* --- chips ----------------------------------------------------------------------------------- */

static gboolean
add_errors (JsonBuilder *builder, CtlClient *client, Core2DbusChip *chip, GError **error)
{
  g_autoptr (GVariant) reply
      = ctl_client_call (client, chip, "GetErrors", NULL, CTL_QUICK_MS, error);
  g_autoptr (GVariantIter) iter = NULL;
  const char *name;
  const char *detail;
  guint64 time;
  guint32 count;

  if (reply == NULL)
    return FALSE;
  json_builder_set_member_name (builder, "errors");
  json_builder_begin_array (builder);
  g_variant_get (reply, "(a(tuss))", &iter);
  while (g_variant_iter_next (iter, "(tu&s&s)", &time, &count, &name, &detail))
    {
      json_builder_begin_object (builder);
      ctl_json_add_time (builder, "last", time);
      ctl_json_add_uint (builder, "count", TRUE, count);
      ctl_json_add_string (builder, "name", name);
      ctl_json_add_string (builder, "detail", detail);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  return TRUE;
}

static gboolean
add_chip (JsonBuilder *builder, CtlClient *client, Core2DbusChip *chip, GVariant *objects,
          GError **error)
{
  const char *address = core2_dbus_chip_get_address (chip);
  const char *side = core2_dbus_chip_get_side (chip);

  json_builder_begin_object (builder);
  ctl_json_add_string (builder, "address", address);
  ctl_json_add_string (builder, "alias", option_shorten ? NULL : core2_dbus_chip_get_alias (chip));
  ctl_json_add_string (builder, "side", g_strcmp0 (side, "unknown") == 0 ? NULL : side);
  ctl_json_add_bool (builder, "remembered", core2_dbus_chip_get_remembered (chip));
  ctl_json_add_bool (builder, "auto_connect", core2_dbus_chip_get_auto_connect (chip));
  ctl_json_add_string (builder, "state", core2_dbus_chip_get_state (chip));
  ctl_json_add_string (builder, "status_text", core2_dbus_chip_get_status_text (chip));
  ctl_json_add_string (builder, "last_error", core2_dbus_chip_get_last_error (chip));
  ctl_json_add_string (builder, "adapter", core2_dbus_chip_get_adapter (chip));
  ctl_json_add_time (builder, "last_connected", core2_dbus_chip_get_last_connected (chip));
  ctl_json_add_time (builder, "last_seen", core2_dbus_chip_get_last_seen (chip));
  ctl_json_add_bool (builder, "paired", core2_dbus_chip_get_paired (chip));
  ctl_json_add_string (builder, "pairing_state", core2_dbus_chip_get_pairing_state (chip));
  ctl_json_add_string (builder, "battery_status", core2_dbus_chip_get_battery_status (chip));
  ctl_json_add_time (builder, "steps_updated", core2_dbus_chip_get_steps_updated (chip));
  gboolean ok = add_errors (builder, client, chip, error);
  if (ok && objects != NULL)
    add_devices (builder, objects, address);
  json_builder_end_object (builder);
  return ok;
}

/* --- the report ------------------------------------------------------------------------------ */

static char *
find_bluez_version (GVariant *objects)
{
  GVariantIter iter;
  const char *path;
  char *version = NULL;

  g_variant_iter_init (&iter, objects);
  while (version == NULL && g_variant_iter_next (&iter, "{&o@a{sa{sv}}}", &path, NULL))
    {
      g_autoptr (GVariant) interfaces = g_variant_lookup_value (objects, path, NULL);
      g_autoptr (GVariant) adapter
          = g_variant_lookup_value (interfaces, "org.bluez.Adapter1", NULL);
      if (adapter != NULL)
        version = dup_bluez_version (lookup_string (adapter, "Modalias"));
    }
  return version;
}

static void
add_system (JsonBuilder *builder, Core2DbusManager *manager, GVariant *objects)
{
  g_autofree char *os = g_get_os_info (G_OS_INFO_KEY_PRETTY_NAME);
  g_autofree char *bluez = objects != NULL ? find_bluez_version (objects) : NULL;
  struct utsname kernel;
  gboolean known = uname (&kernel) == 0;

  ctl_json_add_time (builder, "time", ctl_now ());
  ctl_json_add_string (builder, "core2ctl_version", CORE2_VERSION);
  ctl_json_add_string (builder, "core2d_version", core2_dbus_manager_get_version (manager));
  ctl_json_add_string (builder, "bluez_version", bluez);
  ctl_json_add_string (builder, "kernel", known ? kernel.release : NULL);
  ctl_json_add_string (builder, "machine", known ? kernel.machine : NULL);
  ctl_json_add_string (builder, "system", os);
  ctl_json_add_string (builder, "adapter_state", core2_dbus_manager_get_adapter_state (manager));
  ctl_json_add_bool (builder, "scanning", core2_dbus_manager_get_scanning (manager));
  ctl_json_add_bool (builder, "bluez_answers", objects != NULL);
}

static JsonNode *
make_report (CtlContext *context, GPtrArray *chips, GError **error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (GVariant) objects = get_bluez_objects (context->client);

  json_builder_begin_object (builder);
  add_system (builder, ctl_client_get_manager (context->client), objects);
  if (objects != NULL)
    add_objects (builder, "adapters", objects, "/org/bluez", "org.bluez.Adapter1", add_adapter);
  json_builder_set_member_name (builder, "chips");
  json_builder_begin_array (builder);
  for (guint i = 0; i < chips->len; i++)
    if (!add_chip (builder, context->client, g_ptr_array_index (chips, i), objects, error))
      return NULL;
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  return json_builder_get_root (builder);
}

static void
append_node (GString *text, JsonNode *node, const char *name, guint indent)
{
  if (JSON_NODE_HOLDS_OBJECT (node))
    {
      JsonObjectIter iter;
      const char *member;
      JsonNode *child;

      json_object_iter_init_ordered (&iter, json_node_get_object (node));
      while (json_object_iter_next_ordered (&iter, &member, &child))
        append_node (text, child, member, indent);
    }
  else if (JSON_NODE_HOLDS_ARRAY (node))
    {
      JsonArray *array = json_node_get_array (node);

      g_string_append_printf (text, "%*s%s: %u\n", (int) indent, "", name,
                              json_array_get_length (array));
      for (guint i = 0; i < json_array_get_length (array); i++)
        {
          if (i > 0 && indent == 0)
            g_string_append_c (text, '\n');
          append_node (text, json_array_get_element (array, i), name, indent + 2);
        }
    }
  else if (!JSON_NODE_HOLDS_NULL (node))
    {
      g_autoptr (GString) value = g_string_new (NULL);

      if (json_node_get_value_type (node) == G_TYPE_BOOLEAN)
        g_string_assign (value, json_node_get_boolean (node) ? "yes" : "no");
      else if (json_node_get_value_type (node) == G_TYPE_STRING)
        g_string_assign (value, json_node_get_string (node));
      else
        g_string_printf (value, "%" G_GINT64_FORMAT, json_node_get_int (node));
      g_string_append_printf (text, "%*s%s: %s\n", (int) indent, "", name, value->str);
    }
}

/* Both ways to write an address: F1:4F:BB:6A:B5:79, and F1_4F_BB_6A_B5_79 in paths. The last byte stays, to tell
 * the left shoe from the right one. */
static char *
shorten_addresses (const char *text)
{
  g_autoptr (GRegex) regex
      = g_regex_new ("(?<![0-9A-Fa-f])[0-9A-Fa-f]{2}(?:[:_-][0-9A-Fa-f]{2}){4}"
                     "([:_-][0-9A-Fa-f]{2})(?![0-9A-Fa-f])",
                     G_REGEX_OPTIMIZE, 0, NULL);

  return g_regex_replace (regex, text, -1, 0, "..\\1", 0, NULL);
}

static GPtrArray *
choose_chips (CtlContext *context, GError **error)
{
  if (context->chip != NULL)
    return ctl_client_list_named (context->client, context->chip, error);
  return ctl_client_list_chips (context->client, FALSE);
}

gboolean
ctl_verb_diagnose (CtlContext *context, GError **error)
{
  g_autoptr (GPtrArray) chips = choose_chips (context, error);
  g_autoptr (JsonNode) report = NULL;
  g_autofree char *text = NULL;

  if (chips == NULL || (report = make_report (context, chips, error)) == NULL)
    return FALSE;
  if (context->json)
    text = json_to_string (report, TRUE);
  else
    {
      GString *lines = g_string_new (NULL);
      append_node (lines, report, "", 0);
      g_string_truncate (lines, lines->len - 1);
      text = g_string_free (lines, FALSE);
    }
  if (option_shorten)
    {
      g_autofree char *full = g_steal_pointer (&text);
      text = shorten_addresses (full);
    }
  puts (text);
  return TRUE;
}
