/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl.h"

#define CHIP_VERB (CTL_VERB_CLIENT | CTL_VERB_CHIP)
#define ONE_CHIP_VERB (CHIP_VERB | CTL_VERB_CHIP_ARG)

const CtlVerb ctl_verbs[] = {
  { "status", "[CHIP]", "Show all chips, or one",
    "Shows what core2d knows of each chip, at once and without asking the chip.\n"
    "This is also what core2ctl does without a command.",
    NULL, 0, 1, ONE_CHIP_VERB, { "@chip" }, ctl_verb_status },
  { "scan", "", "Look for chips nearby",
    "Looks for chips that advertise now. A chip sleeps until it is moved and is\n"
    "invisible then, so shake it first. Nothing is added by itself: see\n"
    "\"core2ctl add\".",
    ctl_scan_entries, 0, 0, CTL_VERB_CLIENT | CTL_VERB_PRIVILEGED, { NULL }, ctl_verb_scan },
  { "add", "ADDRESS", "Remember a chip and connect to it",
    "Remembers the chip with this Bluetooth address, from now on and over\n"
    "restarts. It need not be near. core2d connects to it whenever it is awake.\n"
    "Adding a chip again changes what the options name and nothing else.",
    ctl_add_entries, 1, 1, CTL_VERB_CLIENT | CTL_VERB_PRIVILEGED, { "@address" }, ctl_verb_add },
  { "remove", "CHIP", "Forget a chip and its key",
    "Forgets a chip and its key and closes its connection. The key is gone then:\n"
    "keep it with \"core2ctl key export\" if the chip is to be used again without\n"
    "pairing.",
    ctl_remove_entries, 0, 1, ONE_CHIP_VERB | CTL_VERB_PRIVILEGED, { "@chip" }, ctl_verb_remove },
  { "connect", "[CHIP]", "Connect, and stay connected",
    "Connects to a chip, and from now on again by itself whenever the connection\n"
    "drops.",
    ctl_connect_entries, 0, 1, ONE_CHIP_VERB | CTL_VERB_PRIVILEGED, { "@chip" },
    ctl_verb_connect },
  { "disconnect", "[CHIP]", "Disconnect, and stay away",
    "Disconnects from a chip until \"core2ctl connect\" or the next start of\n"
    "core2d.",
    NULL, 0, 1, ONE_CHIP_VERB | CTL_VERB_PRIVILEGED, { "@chip" }, ctl_verb_disconnect },
  { "today", "", "Show the steps of today, over all chips",
    "Shows how many steps were made today and how much of the goal that is. Left\n"
    "and right shoe count the same walk, which is counted once: as the larger of\n"
    "the two. Chips without a side are added. See core2ctl(1).",
    NULL, 0, 0, CTL_VERB_CLIENT, { NULL }, ctl_verb_today },
  { "goal", "[STEPS]", "Show or set the daily goal",
    "Shows the goal in steps a day, or sets it; 0 is none. Without --chip this\n"
    "is for all chips, because a person has one goal.",
    NULL, 0, 1, CHIP_VERB, { NULL }, ctl_verb_goal },
  { "history", "", "Show the last days as bars",
    "Shows the steps of the last days or weeks over all chips, a pair of shoes\n"
    "counted once, or with --chip those of one; as bars on the terminal, or as a\n"
    "picture.",
    ctl_history_entries, 0, 0, CHIP_VERB | CTL_VERB_PRIVILEGED, { NULL }, ctl_verb_history },
  { "export", "", "Write out what was counted",
    "Writes the samples of all chips, or of one, with their times: as CSV, or as\n"
    "one JSON object a line. With --since-last only what has been added since the\n"
    "last time; with nothing new the exit status is 7.",
    ctl_export_entries, 0, 0, CHIP_VERB | CTL_VERB_PRIVILEGED, { NULL }, ctl_verb_export },
  { "steps", "[CHIP]", "Show the steps",
    "Shows the steps of today and in total, the cadence and the chip's own\n"
    "counter, which starts again at day changes, pairing and battery changes.\n"
    "Without a chip's name all are shown.",
    ctl_value_entries, 0, 1, ONE_CHIP_VERB, { "@chip" }, ctl_verb_steps },
  { "battery", "[CHIP]", "Show the battery",
    "Shows the battery in percent. The chip sometimes has no answer; an older\n"
    "value is then shown with its age, and never a made-up one. Without a chip's\n"
    "name all are shown.",
    ctl_value_entries, 0, 1, ONE_CHIP_VERB, { "@chip" }, ctl_verb_battery },
  { "orientation", "[CHIP]", "Show the orientation",
    "Shows the last pair of raw numbers. What they mean is not known. With\n"
    "--fresh the chip is asked, which takes seconds. Without a chip's name all\n"
    "are shown.",
    ctl_value_entries, 0, 1, ONE_CHIP_VERB, { "@chip" },
    ctl_verb_orientation },
  { "watch", "[CHIP]", "Follow steps, battery and orientation live",
    "Follows all chips, or one, until Ctrl-C. On a terminal it is a live view,\n"
    "else one line for each event, with --json one JSON object a line. It goes on\n"
    "when core2d is restarted.",
    ctl_watch_entries, 0, 1, ONE_CHIP_VERB | CTL_VERB_ALL, { "@chip" }, ctl_verb_watch },
  { "info", "[CHIP]", "Show serial number, versions and link parameters",
    "Shows what the chip tells about itself. What it does not tell is left out,\n"
    "with --json null.",
    ctl_value_entries, 0, 1, ONE_CHIP_VERB, { "@chip" }, ctl_verb_info },
  { "time", "[CHIP]", "Show or set the chip's clock",
    "Asks the chip for its time and compares it with this computer's.", ctl_time_entries, 0, 1,
    ONE_CHIP_VERB | CTL_VERB_PRIVILEGED, { "@chip" }, ctl_verb_time },
  { "pair", "[CHIP]", "Give a chip a key, by shaking it",
    "Gives the chip a key, by which it is recognised from then on. The chip's red\n"
    "light blinks, and it must be shaken then. Its own step counter starts again\n"
    "from zero; the steps are saved before, and today's and the total count go\n"
    "on. Ctrl-C cancels.",
    ctl_pair_entries, 0, 1, ONE_CHIP_VERB | CTL_VERB_PRIVILEGED, { "@chip" }, ctl_verb_pair },
  { "key", "show|import|export [FILE]", "Show, import or export a chip's key",
    "show prints the key, export writes it to a new file that only you can read,\n"
    "import stores a key that was made elsewhere: 32 hexadecimal digits or 16\n"
    "bytes, - for standard input. The key is secret, so this needs an\n"
    "administrator.",
    ctl_key_entries, 1, 2, CHIP_VERB | CTL_VERB_PRIVILEGED, { "show|import|export", "@file" },
    ctl_verb_key },
  { "set", "alias|side|auto-connect|goal VALUE", "Change a chip's settings",
    "alias NAME         what people call it, at most 64 bytes; \"\" for none\n"
    "side SIDE          the shoe it is in: left, right or unknown\n"
    "auto-connect on|off\n"
    "                   whether a connection is kept by itself\n"
    "goal STEPS         steps a day, 0 for none",
    NULL, 2, 2, CHIP_VERB | CTL_VERB_PRIVILEGED,
    { "alias|side|auto-connect|goal", "left|right|unknown|on|off" }, ctl_verb_set },
  { "metrics", "", "Print metrics for Prometheus",
    "Prints what is known of all chips as OpenMetrics text, for the textfile\n"
    "collector of Prometheus' node_exporter. With --output a file is replaced\n"
    "in one go, as the collector needs it. A value that is not known is left out.",
    ctl_metrics_entries, 0, 0, CTL_VERB_CLIENT | CTL_VERB_PASSIVE, { NULL }, ctl_verb_metrics },
  { "diagnose", "[CHIP]", "Gather what helps to find out what is wrong",
    "Prints versions, adapters, states, recent errors, and the services that\n"
    "BlueZ knows of each chip, or of one. No key and no steps are in it. With\n"
    "--shorten-addresses it can be shown to others.",
    ctl_diagnose_entries, 0, 1, ONE_CHIP_VERB, { "@chip" }, ctl_verb_diagnose },
  { "complete", "[WORD...]", "Print completions of a command line",
    "For the shells: the words that can stand in place of the last one, each with\n"
    "what it means.",
    NULL, 0, G_MAXUINT, CTL_VERB_HIDDEN, { NULL }, ctl_verb_complete },
  { NULL },
};

const CtlVerb *
ctl_verb_find (const char *name)
{
  for (const CtlVerb *verb = ctl_verbs; verb->name != NULL; verb++)
    if (g_str_equal (verb->name, name))
      return verb;
  return NULL;
}
