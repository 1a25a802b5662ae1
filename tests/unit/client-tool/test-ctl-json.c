/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-text.h"

/* A chip of which nothing is known, as core2d publishes it. */
static Core2DbusChip *
make_unknown (void)
{
  Core2DbusChip *chip = core2_dbus_chip_skeleton_new ();

  core2_dbus_chip_set_address (chip, "F1:4F:BB:6A:B5:79");
  core2_dbus_chip_set_name (chip, "");
  core2_dbus_chip_set_alias (chip, "");
  core2_dbus_chip_set_side (chip, "unknown");
  core2_dbus_chip_set_state (chip, "waiting");
  core2_dbus_chip_set_rssi (chip, 127);
  core2_dbus_chip_set_battery (chip, 255);
  core2_dbus_chip_set_battery_status (chip, "unknown");
  core2_dbus_chip_set_orientation (chip, g_variant_new ("(qq)", 0, 0));
  return chip;
}

static JsonObject *
to_json (Core2DbusChip *chip, JsonNode **root)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  ctl_json_add_chip (builder, chip);
  json_builder_end_object (builder);
  *root = json_builder_get_root (builder);
  return json_node_get_object (*root);
}

static void
test_unknown (void)
{
  static const char *const null_members[] = {
    "alias", "side", "name", "adapter", "last_error", "last_connected", "last_seen", "rssi",
    "pairing_deadline", "battery", "battery_updated", "steps", "steps_updated", "steps_today",
    "steps_total", "cadence", "daily_goal", "run_steps", "walk_steps", "distance_m", "energy_kcal",
    "orientation", "orientation_updated", "orientation_interval_ms",
  };
  g_autoptr (Core2DbusChip) chip = make_unknown ();
  g_autoptr (JsonNode) root = NULL;
  JsonObject *object = to_json (chip, &root);

  for (gsize i = 0; i < G_N_ELEMENTS (null_members); i++)
    {
      g_test_message ("%s", null_members[i]);
      g_assert_true (json_object_has_member (object, null_members[i]));
      g_assert_true (json_object_get_null_member (object, null_members[i]));
    }
  g_assert_cmpstr (json_object_get_string_member (object, "address"), ==, "F1:4F:BB:6A:B5:79");
  g_assert_cmpstr (json_object_get_string_member (object, "state"), ==, "waiting");
  g_assert_false (json_object_get_boolean_member (object, "connected"));
}

static void
test_known (void)
{
  g_autoptr (Core2DbusChip) chip = make_unknown ();
  g_autoptr (JsonNode) root = NULL;
  JsonObject *object, *orientation;

  core2_dbus_chip_set_rssi (chip, -60);
  core2_dbus_chip_set_battery (chip, 0);
  core2_dbus_chip_set_steps (chip, G_MAXUINT32);
  core2_dbus_chip_set_steps_updated (chip, G_GUINT64_CONSTANT (1795235417000000));
  core2_dbus_chip_set_steps_today (chip, 0);
  core2_dbus_chip_set_steps_total (chip, G_GUINT64_CONSTANT (5000000000));
  core2_dbus_chip_set_orientation (chip, g_variant_new ("(qq)", 0, 65535));
  core2_dbus_chip_set_orientation_updated (chip, 1);
  object = to_json (chip, &root);

  g_assert_cmpint (json_object_get_int_member (object, "rssi"), ==, -60);
  g_assert_cmpint (json_object_get_int_member (object, "battery"), ==, 0);
  g_assert_false (json_object_get_null_member (object, "battery"));
  g_assert_cmpint (json_object_get_int_member (object, "steps"), ==, G_MAXUINT32);
  g_assert_cmpint (json_object_get_int_member (object, "steps_total"), ==,
                   G_GINT64_CONSTANT (5000000000));
  g_assert_false (json_object_get_null_member (object, "steps_today"));
  g_assert_cmpstr (json_object_get_string_member (object, "steps_updated"), ==,
                   "2026-11-21T04:30:17Z");
  orientation = json_object_get_object_member (object, "orientation");
  g_assert_cmpint (json_object_get_int_member (orientation, "x"), ==, 0);
  g_assert_cmpint (json_object_get_int_member (orientation, "y"), ==, 65535);
}

static void
test_titles (void)
{
  g_autoptr (Core2DbusChip) chip = make_unknown ();
  g_autofree char *address = ctl_chip_dup_full_title (chip);
  g_autofree char *name = NULL;
  g_autofree char *side = NULL;
  g_autofree char *alias = NULL;

  g_assert_cmpstr (address, ==, "F1:4F:BB:6A:B5:79");
  core2_dbus_chip_set_name (chip, "HM0D");
  name = ctl_chip_dup_full_title (chip);
  g_assert_cmpstr (name, ==, "HM0D (F1:4F:BB:6A:B5:79)");
  core2_dbus_chip_set_side (chip, "left");
  side = ctl_chip_dup_title (chip);
  g_assert_cmpstr (side, ==, "left chip");
  core2_dbus_chip_set_alias (chip, "running shoe");
  alias = ctl_chip_dup_title (chip);
  g_assert_cmpstr (alias, ==, "running shoe");
}

static void
check_battery (Core2DbusChip *chip, guint8 battery, const char *status, const char *wanted)
{
  g_autofree char *text = NULL;

  core2_dbus_chip_set_battery (chip, battery);
  core2_dbus_chip_set_battery_status (chip, status);
  core2_dbus_chip_set_battery_updated (chip, battery == 255 ? 0 : 1000000);
  text = ctl_text_battery (chip, 61 * G_GUINT64_CONSTANT (1000000));
  g_assert_cmpstr (text, ==, wanted);
}

/* A battery that is not known must never read as a number. */
static void
test_battery (void)
{
  g_autoptr (Core2DbusChip) chip = make_unknown ();

  check_battery (chip, 255, "unknown", "unknown");
  check_battery (chip, 62, "current", "62 %");
  check_battery (chip, 0, "current", "0 %");
  check_battery (chip, 62, "stale", "62 %, 1 min ago");
  check_battery (chip, 255, "unsupported", "this chip does not tell it");
}

static void
test_steps (void)
{
  g_autoptr (Core2DbusChip) chip = make_unknown ();
  g_autofree char *none = ctl_text_steps (chip);
  g_autofree char *some = NULL;

  g_assert_cmpstr (none, ==, "none counted yet");
  core2_dbus_chip_set_steps_updated (chip, 1);
  core2_dbus_chip_set_steps_today (chip, 4213);
  core2_dbus_chip_set_daily_goal (chip, 10000);
  core2_dbus_chip_set_cadence (chip, 96);
  some = ctl_text_steps (chip);
  g_assert_cmpstr (some, ==, "4213 today, 42 % of 10000, 96 a minute now");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ctl-json/unknown", test_unknown);
  g_test_add_func ("/ctl-json/known", test_known);
  g_test_add_func ("/ctl-text/titles", test_titles);
  g_test_add_func ("/ctl-text/battery", test_battery);
  g_test_add_func ("/ctl-text/steps", test_steps);
  return g_test_run ();
}
