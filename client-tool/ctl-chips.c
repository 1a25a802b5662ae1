/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "ctl-error.h"
#include "ctl-key.h"
#include "ctl-text.h"

/* add, remove, connect, disconnect and set: what changes which chips there are, and how. */

static char *option_alias;
static char *option_side;
static char *option_key_file;
static gboolean option_no_connect;
static gboolean option_keep_bluez;
static int option_timeout = 60;

const GOptionEntry ctl_add_entries[] = {
  { "alias", 0, 0, G_OPTION_ARG_STRING, &option_alias, "A name for it, at most 64 bytes", "NAME" },
  { "side", 0, 0, G_OPTION_ARG_STRING, &option_side, "The shoe it is in: left, right, unknown",
    "SIDE" },
  { "key-file", 0, 0, G_OPTION_ARG_FILENAME, &option_key_file,
    "The key of an earlier pairing: 32 hexadecimal digits or 16 bytes; - for standard input",
    "FILE" },
  { "no-connect", 0, 0, G_OPTION_ARG_NONE, &option_no_connect,
    "Do not connect to it by itself", NULL },
  { 0 },
};

const GOptionEntry ctl_remove_entries[] = {
  { "keep-bluez", 0, 0, G_OPTION_ARG_NONE, &option_keep_bluez,
    "Leave the device known to BlueZ", NULL },
  { 0 },
};

const GOptionEntry ctl_connect_entries[] = {
  { "timeout", 't', 0, G_OPTION_ARG_INT, &option_timeout, "How long to try, 1 to 600 (60)",
    "SECONDS" },
  { 0 },
};

gboolean
ctl_print_done (CtlContext *context, Core2DbusChip *chip, const char *sentence, GError **error)
{
  if (context->json)
    {
      g_autoptr (JsonBuilder) builder = json_builder_new ();

      if (!ctl_client_refresh (context->client, chip, error))
        return FALSE;
      json_builder_begin_object (builder);
      ctl_json_add_chip (builder, chip);
      json_builder_end_object (builder);
      ctl_json_print (builder, FALSE);
    }
  else
    puts (sentence);
  return TRUE;
}

gboolean
ctl_verb_add (CtlContext *context, GError **error)
{
  g_autoptr (GVariantBuilder) options = g_variant_builder_new (G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (Core2DbusChip) chip = NULL;
  g_autofree char *title = NULL;
  g_autofree char *sentence = NULL;
  const char *path;

  if (option_alias != NULL)
    g_variant_builder_add (options, "{sv}", "alias", g_variant_new_string (option_alias));
  if (option_side != NULL)
    g_variant_builder_add (options, "{sv}", "side", g_variant_new_string (option_side));
  if (option_key_file != NULL)
    {
      GVariant *key = ctl_key_read (option_key_file, error);

      if (key == NULL)
        return FALSE;
      g_variant_builder_add (options, "{sv}", "key", key);
    }
  if (option_no_connect)
    g_variant_builder_add (options, "{sv}", "connect", g_variant_new_boolean (FALSE));

  reply = ctl_client_call (context->client, ctl_client_get_manager (context->client), "AddChip",
                           g_variant_new ("(s@a{sv})", context->args[0],
                                          g_variant_builder_end (options)),
                           CTL_RADIO_MS, error);
  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(&o)", &path);
  chip = ctl_client_get_chip (context->client, path, error);
  if (chip == NULL)
    return FALSE;

  title = ctl_chip_dup_full_title (chip);
  sentence = g_strdup_printf (
      core2_dbus_chip_get_auto_connect (chip)
          ? "%s is added. core2d connects to it whenever it is awake and near: shake it to wake it."
          : "%s is added. Connect to it with \"core2ctl connect\".",
      title);
  return ctl_print_done (context, chip, sentence, error);
}

gboolean
ctl_verb_remove (CtlContext *context, GError **error)
{
  g_autoptr (GVariantBuilder) options = g_variant_builder_new (G_VARIANT_TYPE_VARDICT);
  g_autoptr (Core2DbusChip) chip = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autofree char *title = NULL;

  if (context->chip == NULL)
    {
      g_set_error_literal (error, CTL_ERROR, CTL_EXIT_USAGE,
                           "name the chip to remove, by its address, alias or side");
      return FALSE;
    }
  chip = ctl_client_find_chip (context->client, context->chip, error);
  if (chip == NULL)
    return FALSE;
  title = ctl_chip_dup_full_title (chip);

  if (option_keep_bluez)
    g_variant_builder_add (options, "{sv}", "forget-bluez", g_variant_new_boolean (FALSE));
  reply = ctl_client_call (
      context->client, ctl_client_get_manager (context->client), "RemoveChip",
      g_variant_new ("(o@a{sv})", g_dbus_proxy_get_object_path (G_DBUS_PROXY (chip)),
                     g_variant_builder_end (options)),
      CTL_RADIO_MS, error);
  if (reply == NULL)
    return FALSE;

  if (context->json)
    {
      g_autoptr (JsonBuilder) builder = json_builder_new ();

      json_builder_begin_object (builder);
      ctl_json_add_identity (builder, chip);
      ctl_json_add_bool (builder, "removed", TRUE);
      json_builder_end_object (builder);
      ctl_json_print (builder, FALSE);
    }
  else
    printf ("%s is removed, and its key with it.\n", title);
  return TRUE;
}

/* While a connection is made its state is shown in the daemon's own words. */
static void
on_status (Core2DbusChip *chip, GParamSpec *pspec, gpointer user_data)
{
  g_autofree char *title = ctl_chip_dup_title (chip);
  g_autofree char *state = ctl_text_state (chip);
  g_autofree char *text = g_strdup_printf ("%s: %s", title, state);

  ctl_progress_show (text);
}

gboolean
ctl_verb_connect (CtlContext *context, GError **error)
{
  g_autoptr (GVariantBuilder) options = g_variant_builder_new (G_VARIANT_TYPE_VARDICT);
  g_autoptr (Core2DbusChip) chip = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autofree char *title = NULL;
  g_autofree char *sentence = NULL;
  gulong handler;

  if (option_timeout < 1 || option_timeout > 600)
    {
      g_set_error_literal (error, CTL_ERROR, CTL_EXIT_USAGE, "--timeout is 1 to 600 seconds");
      return FALSE;
    }
  chip = ctl_client_find_chip (context->client, context->chip, error);
  if (chip == NULL)
    return FALSE;

  g_variant_builder_add (options, "{sv}", "timeout", g_variant_new_uint32 (option_timeout));
  handler = g_signal_connect (chip, "notify::status-text", G_CALLBACK (on_status), NULL);
  reply = ctl_client_call (context->client, chip, "Connect",
                           g_variant_new ("(@a{sv})", g_variant_builder_end (options)),
                           option_timeout * 1000 + CTL_RADIO_MS, error);
  g_signal_handler_disconnect (chip, handler);
  ctl_progress_end ();
  if (reply == NULL)
    return FALSE;

  title = ctl_chip_dup_full_title (chip);
  sentence = g_strdup_printf ("%s is connected, and stays so: core2d reconnects when it is away.",
                              title);
  return ctl_print_done (context, chip, sentence, error);
}

gboolean
ctl_verb_disconnect (CtlContext *context, GError **error)
{
  g_autoptr (Core2DbusChip) chip
      = ctl_client_find_chip (context->client, context->chip, error);
  g_autoptr (GVariant) reply = NULL;
  g_autofree char *title = NULL;
  g_autofree char *sentence = NULL;

  if (chip == NULL)
    return FALSE;
  reply = ctl_client_call (context->client, chip, "Disconnect", NULL, CTL_RADIO_MS, error);
  if (reply == NULL)
    return FALSE;

  title = ctl_chip_dup_full_title (chip);
  sentence = g_strdup_printf (
      "%s is disconnected until \"core2ctl connect\" or the next start of core2d.", title);
  return ctl_print_done (context, chip, sentence, error);
}

static GVariant *
parse_switch (const char *text, GError **error)
{
  static const char *const on[] = { "on", "yes", "true", "1", NULL };
  static const char *const off[] = { "off", "no", "false", "0", NULL };

  if (g_strv_contains (on, text))
    return g_variant_new ("(b)", TRUE);
  if (g_strv_contains (off, text))
    return g_variant_new ("(b)", FALSE);
  g_set_error (error, CTL_ERROR, CTL_EXIT_USAGE, "\"%s\" is neither on nor off", text);
  return NULL;
}

GVariant *
ctl_parse_goal (const char *text, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  guint64 goal;

  if (g_ascii_string_to_unsigned (text, 10, 0, 1000000, &goal, &local_error))
    return g_variant_new ("(u)", (guint32) goal);
  g_set_error (error, CTL_ERROR, CTL_EXIT_USAGE,
               "\"%s\" is no goal: give steps a day, 0 to 1000000, where 0 is none", text);
  return NULL;
}

static GVariant *
parse_text (const char *text, GError **error)
{
  if (g_utf8_validate (text, -1, NULL))
    return g_variant_new ("(s)", text);
  g_set_error_literal (error, CTL_ERROR, CTL_EXIT_USAGE, "the text is not valid UTF-8");
  return NULL;
}

gboolean
ctl_verb_set (CtlContext *context, GError **error)
{
  static const struct
  {
    const char *name;
    const char *method;
    GVariant *(*parse) (const char *text, GError **error);
  } settings[] = {
    { "alias", "SetAlias", parse_text },
    { "side", "SetSide", parse_text },
    { "auto-connect", "SetAutoConnect", parse_switch },
    { "goal", "SetDailyGoal", ctl_parse_goal },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (settings); i++)
    {
      g_autoptr (Core2DbusChip) chip = NULL;
      g_autoptr (GVariant) value = NULL;
      g_autoptr (GVariant) reply = NULL;
      g_autofree char *title = NULL;
      g_autofree char *sentence = NULL;

      if (!g_str_equal (context->args[0], settings[i].name))
        continue;
      value = settings[i].parse (context->args[1], error);
      if (value == NULL)
        return FALSE;
      g_variant_ref_sink (value);
      chip = ctl_client_find_chip (context->client, context->chip, error);
      if (chip == NULL)
        return FALSE;
      reply = ctl_client_call (context->client, chip, settings[i].method, value, CTL_RADIO_MS,
                               error);
      if (reply == NULL)
        return FALSE;
      title = ctl_chip_dup_full_title (chip);
      sentence = g_strdup_printf ("%s: %s is now \"%s\".", title, settings[i].name,
                                  context->args[1]);
      return ctl_print_done (context, chip, sentence, error);
    }

  g_set_error (error, CTL_ERROR, CTL_EXIT_USAGE,
               "\"%s\" cannot be set; there are alias, side, auto-connect and goal",
               context->args[0]);
  return FALSE;
}
