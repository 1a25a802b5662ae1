/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <locale.h>
#include <stdio.h>

#include "ctl-agent.h"
#include "ctl-error.h"
#include "ctl-output.h"

static gboolean option_json;
static gboolean option_version;
static gboolean option_help;
static char *option_chip;

const GOptionEntry ctl_common_entries[] = {
  { "json", 'j', 0, G_OPTION_ARG_NONE, &option_json, "Print JSON", NULL },
  { 0 },
};

const GOptionEntry ctl_chip_entries[] = {
  { "chip", 'c', 0, G_OPTION_ARG_STRING, &option_chip,
    "The chip: address, alias, left or right; optional with one", "CHIP" },
  { 0 },
};

static const GOptionEntry first_entries[] = {
  { "version", 0, 0, G_OPTION_ARG_NONE, &option_version, "Print the version", NULL },
  { "help", 'h', 0, G_OPTION_ARG_NONE, &option_help, "Print this help", NULL },
  { 0 },
};

static void
print_help (void)
{
  printf ("Usage:\n"
          "  core2ctl [OPTION...] [COMMAND] [ARGUMENT...]\n\n"
          "Steps, battery and orientation of Amazfit Smart Chips 2, through core2d.\n\n"
          "Commands:\n");
  for (const CtlVerb *verb = ctl_verbs; verb->name != NULL; verb++)
    if ((verb->flags & CTL_VERB_HIDDEN) == 0)
      printf ("  %-13s %s%s\n", verb->name, verb->summary,
              g_str_equal (verb->name, "status") ? " (the default)" : "");
  printf ("\nOptions of every command:\n"
          "  -c, --chip=CHIP  The chip: address, alias, left or right; optional with one\n"
          "  -j, --json       Print JSON\n"
          "  -h, --help       Print help; \"core2ctl COMMAND --help\" tells of a command\n"
          "      --version    Print the version\n\n"
          "Exit status:\n"
          "  0 ok, 1 failed, 2 wrong usage, 3 no such chip, 4 asleep or unreachable,\n"
          "  5 not authorised, 6 no Bluetooth or no core2d, 7 no data, 130 interrupted\n");
}

/* What stands before the command. Leaves the command and the rest in @argv. */
static gboolean
parse_first (int *argc, char ***argv, GError **error)
{
  g_autoptr (GOptionContext) options = g_option_context_new (NULL);

  g_option_context_set_strict_posix (options, TRUE);
  g_option_context_set_help_enabled (options, FALSE);
  g_option_context_add_main_entries (options, first_entries, NULL);
  g_option_context_add_main_entries (options, ctl_common_entries, NULL);
  g_option_context_add_main_entries (options, ctl_chip_entries, NULL);
  return g_option_context_parse (options, argc, argv, error);
}

/* The options and arguments of @verb; argv[0] is the verb's name. */
static gboolean
parse_verb (const CtlVerb *verb, int *argc, char ***argv, GError **error)
{
  g_autoptr (GOptionContext) options = g_option_context_new (verb->args);
  g_autofree char *summary = g_strdup_printf ("%s.", verb->summary);
  g_autofree char *name = g_strdup_printf ("core2ctl %s", verb->name);

  g_set_prgname (name);
  g_option_context_set_summary (options, summary);
  g_option_context_set_description (options, verb->help);
  if (verb->entries != NULL)
    g_option_context_add_main_entries (options, verb->entries, NULL);
  g_option_context_add_main_entries (options, ctl_common_entries, NULL);
  if ((verb->flags & CTL_VERB_CHIP) != 0)
    g_option_context_add_main_entries (options, ctl_chip_entries, NULL);
  return g_option_context_parse (options, argc, argv, error);
}

static gboolean
check_args (CtlContext *context, GError **error)
{
  const CtlVerb *verb = context->verb;

  for (guint i = 0; i < context->n_args; i++)
    if (!g_utf8_validate (context->args[i], -1, NULL))
      {
        g_set_error_literal (error, CTL_ERROR, CTL_EXIT_USAGE, "an argument is not valid UTF-8");
        return FALSE;
      }
  if (context->n_args < verb->min_args || context->n_args > verb->max_args)
    {
      g_set_error (error, CTL_ERROR, CTL_EXIT_USAGE, "%s: core2ctl %s %s",
                   context->n_args < verb->min_args ? "something is missing; it is used so"
                                                    : "that is too much; it is used so",
                   verb->name, verb->args);
      return FALSE;
    }
  if ((verb->flags & CTL_VERB_CHIP_ARG) != 0 && context->n_args == 1)
    {
      if (context->chip != NULL && !g_str_equal (context->chip, context->args[0]))
        {
          g_set_error_literal (error, CTL_ERROR, CTL_EXIT_USAGE, "two chips are named; name one");
          return FALSE;
        }
      context->chip = context->args[0];
    }
  if (context->chip != NULL && (verb->flags & CTL_VERB_CHIP) == 0)
    {
      g_set_error (error, CTL_ERROR, CTL_EXIT_USAGE, "%s takes no --chip", verb->name);
      return FALSE;
    }
  return TRUE;
}

static gboolean
run_verb (CtlContext *context, GError **error)
{
  const CtlVerbFlags flags = context->verb->flags;
  gboolean all = context->chip == NULL || (flags & CTL_VERB_CHIP) == 0 || (flags & CTL_VERB_ALL) != 0;
  CtlAgent *agent = NULL;
  gboolean done;

  if ((flags & CTL_VERB_CLIENT) != 0)
    {
      context->client = ctl_client_new ((flags & CTL_VERB_PASSIVE) == 0, all, error);
      if (context->client == NULL)
        return FALSE;
    }
  if ((flags & CTL_VERB_PRIVILEGED) != 0)
    agent = ctl_agent_start (context->client);
  done = context->verb->run (context, error);
  ctl_agent_stop (agent);
  g_clear_pointer (&context->client, ctl_client_free);
  return done;
}

/* Finds the verb, parses what follows it, and runs it. */
static gboolean
run (int argc, char **argv, GError **error)
{
  CtlContext context = { 0 };

  if (!parse_first (&argc, &argv, error))
    return FALSE;
  if (option_version)
    {
      puts ("core2ctl " CORE2_VERSION);
      return TRUE;
    }
  if (option_help || (argc == 2 && g_str_equal (argv[1], "help")))
    {
      print_help ();
      return TRUE;
    }
  if (argc > 2 && g_str_equal (argv[1], "help"))
    {
      /* "help VERB" is "VERB --help". */
      argv[1] = argv[2];
      argv[2] = (char *) "--help";
      argc = 3;
    }

  context.verb = ctl_verb_find (argc > 1 ? argv[1] : "status");
  if (context.verb == NULL)
    {
      g_set_error (error, CTL_ERROR, CTL_EXIT_USAGE,
                   "there is no command \"%s\"; \"core2ctl --help\" lists them", argv[1]);
      return FALSE;
    }
  if (argc > 1)
    {
      argc--;
      argv++;
    }
  if (!parse_verb (context.verb, &argc, &argv, error))
    {
      g_prefix_error (error, "%s: ", context.verb->name);
      return FALSE;
    }

  context.args = argv + 1;
  context.n_args = (guint) argc - 1;
  context.chip = option_chip;
  context.json = option_json;
  return check_args (&context, error) && run_verb (&context, error);
}

int
main (int argc, char **argv)
{
  g_autofree char **arguments = g_new (char *, argc + 2);
  g_autoptr (GError) error = NULL;
  CtlExit code = CTL_EXIT_OK;

  setlocale (LC_ALL, "");
  g_set_prgname ("core2ctl");
  /* GOption takes words out of the array; "help VERB" may put one more in. */
  for (int i = 0; i <= argc; i++)
    arguments[i] = argv[i];

  if (!run (argc, arguments, &error))
    {
      code = ctl_error_get_exit (error);
      ctl_print_error (error, option_json);
    }
  g_free (option_chip);
  return code;
}
