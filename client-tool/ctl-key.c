/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl-error.h"
#include "ctl-format.h"
#include "ctl-output.h"

/* A key never is an argument: those can be read by every user while the program runs. */

static gboolean option_force;

const GOptionEntry ctl_key_entries[] = {
  { "force", 0, 0, G_OPTION_ARG_NONE, &option_force, "export: replace the file where it exists",
    NULL },
  { 0 },
};

#define KEY_TEXT_MAX 256

/* At most KEY_TEXT_MAX bytes of @fd into @text; the number of bytes, or -1 with errno. */
static gssize
read_all (int fd, char text[KEY_TEXT_MAX])
{
  gsize length = 0;

  while (length < KEY_TEXT_MAX)
    {
      gssize n = read (fd, text + length, KEY_TEXT_MAX - length);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return -1;
      if (n == 0)
        break;
      length += (gsize) n;
    }
  return (gssize) length;
}

GVariant *
ctl_key_read (const char *file, GError **error)
{
  gboolean is_stdin = g_str_equal (file, "-");
  int fd = is_stdin ? STDIN_FILENO : open (file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  char text[KEY_TEXT_MAX];
  guint8 key[16];
  gssize length;
  GVariant *value = NULL;
  g_autoptr (GError) problem = NULL;

  length = fd < 0 ? -1 : read_all (fd, text);
  if (length < 0)
    g_set_error (error, CTL_ERROR, CTL_EXIT_USAGE, "cannot read %s: %s", file, g_strerror (errno));
  else if (!ctl_parse_key (text, (gsize) length, key, &problem))
    g_set_error (error, CTL_ERROR, CTL_EXIT_USAGE, "%s holds no key: %s",
                 is_stdin ? "standard input" : file, problem->message);
  else
    value = g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, key, sizeof key, 1);

  if (fd >= 0 && !is_stdin)
    close (fd);
  explicit_bzero (text, sizeof text);
  explicit_bzero (key, sizeof key);
  return value;
}

static gboolean
get_key (CtlContext *context, Core2DbusChip *chip, char hex[33], GError **error)
{
  g_autoptr (GVariant) reply
      = ctl_client_call (context->client, chip, "GetKey", NULL, CTL_RADIO_MS, error);
  g_autoptr (GVariant) value = NULL;
  const guint8 *key;
  gsize length;

  if (reply == NULL)
    return FALSE;
  value = g_variant_get_child_value (reply, 0);
  key = g_variant_get_fixed_array (value, &length, 1);
  if (length != 16)
    {
      g_set_error (error, CTL_ERROR, CTL_EXIT_FAILED, "core2d gave a key of %zu bytes", length);
      return FALSE;
    }
  for (gsize i = 0; i < 16; i++)
    g_snprintf (hex + 2 * i, 3, "%02x", key[i]);
  return TRUE;
}

/* Begins the object about @chip that the three verbs print with --json. */
static JsonBuilder *
begin_json (Core2DbusChip *chip)
{
  JsonBuilder *builder = json_builder_new ();

  json_builder_begin_object (builder);
  ctl_json_add_identity (builder, chip);
  return builder;
}

static gboolean
show_key (CtlContext *context, Core2DbusChip *chip, GError **error)
{
  char hex[33];

  if (!get_key (context, chip, hex, error))
    return FALSE;
  if (context->json)
    {
      g_autoptr (JsonBuilder) builder = begin_json (chip);

      ctl_json_add_string (builder, "key", hex);
      json_builder_end_object (builder);
      ctl_json_print (builder, FALSE);
    }
  else
    {
      if (ctl_is_terminal (stdout))
        fputs ("Secret: whoever has this key can pose as this computer.\n", stderr);
      puts (hex);
    }
  explicit_bzero (hex, sizeof hex);
  return TRUE;
}

static gboolean
write_key (const char *file, const char *hex, GError **error)
{
  int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (option_force ? O_TRUNC : O_EXCL);
  int fd = open (file, flags, 0600);
  gboolean written;

  if (fd < 0 && errno == EEXIST)
    {
      g_set_error (error, CTL_ERROR, CTL_EXIT_FAILED,
                   "%s exists; choose another name, or replace it with --force", file);
      return FALSE;
    }
  /* A file that was there keeps its mode, so it is set again before the secret goes in. */
  written = fd >= 0 && fchmod (fd, 0600) == 0 && dprintf (fd, "%s\n", hex) == 33 && fsync (fd) == 0;
  if (!written)
    g_set_error (error, CTL_ERROR, CTL_EXIT_FAILED, "cannot write %s: %s", file,
                 g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return written;
}

static gboolean
export_key (CtlContext *context, Core2DbusChip *chip, GError **error)
{
  const char *file = context->args[1];
  char hex[33];
  gboolean written;

  if (!get_key (context, chip, hex, error))
    return FALSE;
  written = write_key (file, hex, error);
  explicit_bzero (hex, sizeof hex);
  if (!written)
    return FALSE;

  if (context->json)
    {
      g_autoptr (JsonBuilder) builder = begin_json (chip);

      ctl_json_add_string (builder, "file", file);
      json_builder_end_object (builder);
      ctl_json_print (builder, FALSE);
    }
  else
    printf ("The key is in %s, readable by you alone. Keep it secret.\n", file);
  return TRUE;
}

static gboolean
import_key (CtlContext *context, Core2DbusChip *chip, GError **error)
{
  GVariant *key = ctl_key_read (context->args[1], error);
  g_autoptr (GVariant) reply = NULL;

  if (key == NULL)
    return FALSE;
  reply = ctl_client_call (context->client, chip, "SetKey", g_variant_new ("(@ay)", key),
                           CTL_RADIO_MS, error);
  if (reply == NULL)
    return FALSE;

  if (context->json)
    {
      g_autoptr (JsonBuilder) builder = begin_json (chip);

      if (!ctl_client_refresh (context->client, chip, error))
        return FALSE;
      ctl_json_add_bool (builder, "paired", core2_dbus_chip_get_paired (chip));
      json_builder_end_object (builder);
      ctl_json_print (builder, FALSE);
    }
  else
    puts ("The key is stored. It is tried when the chip is connected; \"core2ctl status\" tells\n"
          "if it is right.");
  return TRUE;
}

gboolean
ctl_verb_key (CtlContext *context, GError **error)
{
  static const struct
  {
    const char *name;
    guint n_args;
    gboolean (*run) (CtlContext *context, Core2DbusChip *chip, GError **error);
  } actions[] = {
    { "show", 1, show_key },
    { "import", 2, import_key },
    { "export", 2, export_key },
  };
  g_autoptr (Core2DbusChip) chip = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (actions); i++)
    {
      if (!g_str_equal (context->args[0], actions[i].name))
        continue;
      if (context->n_args != actions[i].n_args)
        {
          g_set_error (error, CTL_ERROR, CTL_EXIT_USAGE,
                       actions[i].n_args == 2
                           ? "key %s needs a file"
                           : "key %s takes no file; the chip is named with --chip",
                       actions[i].name);
          return FALSE;
        }
      chip = ctl_client_find_chip (context->client, context->chip, error);
      return chip != NULL && actions[i].run (context, chip, error);
    }
  g_set_error (error, CTL_ERROR, CTL_EXIT_USAGE,
               "\"%s\" cannot be done with a key; there are show, import and export",
               context->args[0]);
  return FALSE;
}
