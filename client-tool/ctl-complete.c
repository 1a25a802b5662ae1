/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "ctl.h"

/*
 * What the shells' completion asks. The words of the command line come as arguments, the last one
 * is the one to complete. Each answer is a line: the word, a tabulator, what it means. The line
 * ":files" asks for the shell's own completion of file names. Of "--option=value" it is the value
 * that is completed. All comes from the table of verbs, so that it cannot drift.
 */

static void
offer (const char *prefix, const char *word, const char *meaning)
{
  if (word != NULL && word[0] != '\0' && g_str_has_prefix (word, prefix))
    printf ("%s\t%s\n", word, meaning != NULL ? meaning : "");
}

/*
 * Chips by address, alias and side. Without core2d there are none, and it is not started for
 * this.
 */
static void
offer_chips (const char *prefix, gboolean remembered)
{
  g_autoptr (CtlClient) client = ctl_client_new (FALSE, TRUE, NULL);
  g_autoptr (GPtrArray) chips = NULL;

  if (client == NULL)
    return;
  chips = ctl_client_list_chips (client, remembered);
  for (guint i = 0; i < chips->len; i++)
    {
      Core2DbusChip *chip = g_ptr_array_index (chips, i);
      g_autofree char *title = ctl_chip_dup_title (chip);
      const char *side = core2_dbus_chip_get_side (chip);

      if (!remembered && core2_dbus_chip_get_remembered (chip))
        continue;
      offer (prefix, core2_dbus_chip_get_address (chip), title);
      if (!remembered)
        continue;
      offer (prefix, core2_dbus_chip_get_alias (chip), core2_dbus_chip_get_address (chip));
      if (g_strcmp0 (side, "unknown") != 0)
        offer (prefix, side, title);
    }
}

static void
offer_words (const char *prefix, const char *words)
{
  g_auto (GStrv) list = NULL;

  if (words == NULL)
    return;
  if (g_str_equal (words, "@chip") || g_str_equal (words, "@address"))
    offer_chips (prefix, g_str_equal (words, "@chip"));
  else if (g_str_equal (words, "@file"))
    puts (":files");
  else
    {
      list = g_strsplit (words, "|", -1);
      for (char **word = list; *word != NULL; word++)
        offer (prefix, *word, NULL);
    }
}

static void
offer_options (const char *prefix, const GOptionEntry *entries)
{
  for (; entries != NULL && entries->long_name != NULL; entries++)
    {
      g_autofree char *word = g_strconcat ("--", entries->long_name, NULL);
      offer (prefix, word, entries->description);
    }
}

/* The entry of the option @word, in whatever way it is written, or NULL. */
static const GOptionEntry *
find_option (const GOptionEntry *entries, const char *word)
{
  for (; entries != NULL && entries->long_name != NULL; entries++)
    {
      char short_name[] = { '-', entries->short_name, '\0' };

      if ((g_str_has_prefix (word, "--") && g_str_equal (word + 2, entries->long_name))
          || (entries->short_name != 0 && g_str_equal (word, short_name)))
        return entries;
    }
  return NULL;
}

/* The option that @word is and that takes a value, which is the next word then; else NULL. */
static const GOptionEntry *
find_value_option (const CtlVerb *verb, const char *word)
{
  const GOptionEntry *entry = find_option (ctl_chip_entries, word);

  if (entry == NULL && verb != NULL)
    entry = find_option (verb->entries, word);
  return entry == NULL || entry->arg == G_OPTION_ARG_NONE ? NULL : entry;
}

static void
offer_value (const char *prefix, const GOptionEntry *entry)
{
  if (g_str_equal (entry->long_name, "chip"))
    offer_chips (prefix, TRUE);
  else if (g_str_equal (entry->long_name, "side"))
    offer_words (prefix, "left|right|unknown");
  else if (g_str_equal (entry->long_name, "format"))
    offer_words (prefix, "csv|jsonl");
  else if (entry->arg == G_OPTION_ARG_FILENAME)
    puts (":files");
}

/* The option of @word, which has the form "--option=value" then, with @value in it; else NULL. */
static const GOptionEntry *
split_option (const CtlVerb *verb, const char *word, const char **value)
{
  const char *equals = g_str_has_prefix (word, "--") ? strchr (word, '=') : NULL;
  g_autofree char *option = NULL;

  if (equals == NULL)
    return NULL;
  option = g_strndup (word, (gsize) (equals - word));
  *value = equals + 1;
  return find_value_option (verb, option);
}

static void
offer_verbs (const char *prefix)
{
  for (const CtlVerb *verb = ctl_verbs; verb->name != NULL; verb++)
    if ((verb->flags & CTL_VERB_HIDDEN) == 0)
      offer (prefix, verb->name, verb->summary);
}

gboolean
ctl_verb_complete (CtlContext *context, GError **error)
{
  const CtlVerb *verb = NULL;
  const GOptionEntry *expected = NULL;
  const char *last = context->n_args > 0 ? context->args[context->n_args - 1] : "";
  guint position = 0;

  for (guint i = 0; i + 1 < context->n_args; i++)
    {
      const char *word = context->args[i];

      if (expected != NULL)
        expected = NULL;
      else if (word[0] == '-' && word[1] != '\0')
        expected = find_value_option (verb, word);
      else if (verb == NULL)
        {
          verb = ctl_verb_find (word);
          if (verb == NULL)
            return TRUE;
        }
      else
        position++;
    }

  if (expected == NULL)
    expected = split_option (verb, last, &last);
  if (expected != NULL)
    offer_value (last, expected);
  else if (last[0] == '-')
    {
      offer_options (last, verb != NULL ? verb->entries : NULL);
      offer_options (last, ctl_common_entries);
      if (verb == NULL || (verb->flags & CTL_VERB_CHIP) != 0)
        offer_options (last, ctl_chip_entries);
      offer (last, "--help", "Print help");
    }
  else if (verb == NULL)
    offer_verbs (last);
  else if (position < G_N_ELEMENTS (verb->words))
    offer_words (last, verb->words[position]);
  return TRUE;
}
