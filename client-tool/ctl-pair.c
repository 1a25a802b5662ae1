/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "ctl-error.h"
#include "ctl-text.h"

static int option_timeout = 30;
static gboolean option_keep_key;

const GOptionEntry ctl_pair_entries[] = {
  { "timeout", 't', 0, G_OPTION_ARG_INT, &option_timeout,
    "How long to wait for the shake, 1 to 120 (30)", "SECONDS" },
  { "keep-key", 0, 0, G_OPTION_ARG_NONE, &option_keep_key,
    "Give the chip the key that is stored, instead of a new one", NULL },
  { 0 },
};

/* A pairing under way. */
typedef struct
{
  CtlClient *client;
  Core2DbusChip *chip;
  gboolean talk;  /* whether to tell the person what happens, on standard output */
  gboolean cancelling;
  char *said;     /* the state that was told last */
  GAsyncResult *result;
} Pairing;

/* What each state means for the person; the last column ends with the time that is left. */
static const struct
{
  const char *state;
  const char *text;
} states[] = {
  { "preparing", "Connecting, and saving the steps made so far ..." },
  { "sending-key", "Giving the chip its key ..." },
  { "shake-now", "SHAKE THE CHIP NOW, while its red light blinks" },
  { "verifying", "Shaken. Checking the key ..." },
};

static const char *
find_text (const char *state)
{
  for (gsize i = 0; i < G_N_ELEMENTS (states); i++)
    if (g_strcmp0 (state, states[i].state) == 0)
      return states[i].text;
  return NULL;
}

/*
 * Where there is no terminal each state is told once; on one the line changes, with the seconds
 * left.
 */
static gboolean
show_state (gpointer user_data)
{
  Pairing *self = user_data;
  const char *state = core2_dbus_chip_get_pairing_state (self->chip);
  guint64 deadline = core2_dbus_chip_get_pairing_deadline (self->chip);
  const char *text = self->cancelling ? "Cancelling ..." : find_text (state);
  guint64 now = ctl_now ();
  GString *line;

  if (text == NULL || !self->talk)
    return G_SOURCE_CONTINUE;
  if (!ctl_is_terminal (stderr))
    {
      if (g_strcmp0 (self->said, text) != 0)
        {
          puts (text);
          fflush (stdout);
        }
      g_free (self->said);
      self->said = g_strdup (text);
      return G_SOURCE_CONTINUE;
    }

  line = g_string_new (text);
  if (g_strcmp0 (state, "shake-now") == 0 && !self->cancelling)
    {
      g_string_prepend (line, ctl_style (stderr, CTL_STYLE_BOLD));
      g_string_append (line, ctl_style (stderr, CTL_STYLE_NONE));
      if (deadline > now)
        g_string_append_printf (line, ": %" G_GUINT64_FORMAT " s left",
                                (deadline - now) / G_USEC_PER_SEC + 1);
    }
  ctl_progress_show (line->str);
  g_string_free (line, TRUE);
  return G_SOURCE_CONTINUE;
}

static void
on_notify (Core2DbusChip *chip, GParamSpec *pspec, gpointer user_data)
{
  show_state (user_data);
}

static void
pair_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Pairing *self = user_data;
  self->result = g_object_ref (result);
}

static void
cancel_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GVariant) reply = g_dbus_proxy_call_finish (G_DBUS_PROXY (source), result, NULL);
  GCancellable *cancellable = user_data;

  /* When it cannot be asked to end, leaving the bus ends it too. */
  if (reply == NULL)
    g_cancellable_cancel (cancellable);
  g_object_unref (cancellable);
}

/*
 * Ctrl-C: the first asks core2d to end the pairing and waits for its word, the second just
 * leaves.
 */
static void
on_interrupt (gpointer user_data)
{
  Pairing *self = user_data;
  GCancellable *cancellable = ctl_client_get_cancellable (self->client);

  if (self->cancelling)
    {
      g_cancellable_cancel (cancellable);
      return;
    }
  self->cancelling = TRUE;
  show_state (self);
  ctl_client_call_async (self->client, self->chip, "CancelPairing", NULL, CTL_QUICK_MS,
                         cancel_done, g_object_ref (cancellable));
}

static GVariant *
run_pairing (Pairing *self, GError **error)
{
  g_autoptr (GVariantBuilder) options = g_variant_builder_new (G_VARIANT_TYPE_VARDICT);
  gulong handlers[2];
  guint timer;
  GVariant *reply;

  g_variant_builder_add (options, "{sv}", "timeout", g_variant_new_uint32 (option_timeout));
  if (option_keep_key)
    g_variant_builder_add (options, "{sv}", "new-key", g_variant_new_boolean (FALSE));
  handlers[0]
      = g_signal_connect (self->chip, "notify::pairing-state", G_CALLBACK (on_notify), self);
  handlers[1]
      = g_signal_connect (self->chip, "notify::pairing-deadline", G_CALLBACK (on_notify), self);
  timer = g_timeout_add (250, show_state, self);
  ctl_client_set_interrupt (self->client, on_interrupt, self);

  ctl_client_call_async (self->client, self->chip, "Pair",
                         g_variant_new ("(@a{sv})", g_variant_builder_end (options)),
                         option_timeout * 1000 + CTL_RADIO_MS, pair_done, self);
  while (self->result == NULL)
    g_main_context_iteration (NULL, TRUE);

  ctl_client_set_interrupt (self->client, NULL, NULL);
  g_source_remove (timer);
  g_signal_handler_disconnect (self->chip, handlers[0]);
  g_signal_handler_disconnect (self->chip, handlers[1]);
  ctl_progress_end ();
  g_free (self->said);

  reply = g_dbus_proxy_call_finish (G_DBUS_PROXY (self->chip), self->result, error);
  g_object_unref (self->result);
  return reply;
}

static void
print_introduction (Core2DbusChip *chip)
{
  g_autofree char *title = ctl_chip_dup_full_title (chip);

  printf ("Pairing %s.\n\n"
          "  The chip's own step counter starts again from zero. Nothing is lost: the\n"
          "  steps made so far are saved first, and today's and the total count go on.\n"
          "  Hold the chip in your hand. When its red light blinks, shake it.\n"
          "  Ctrl-C cancels%s.\n\n",
          title,
          core2_dbus_chip_get_paired (chip) ? ", and the key it has now stays" : "");
  fflush (stdout);
}

static gboolean
print_result (CtlContext *context, Core2DbusChip *chip, GError **error)
{
  g_autofree char *title = ctl_chip_dup_full_title (chip);
  g_autofree char *sentence = g_strdup_printf (
      "%s is paired. From now on it is recognised by itself, without shaking.", title);

  return ctl_print_done (context, chip, sentence, error);
}

gboolean
ctl_verb_pair (CtlContext *context, GError **error)
{
  g_autoptr (Core2DbusChip) chip = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GError) problem = NULL;
  Pairing pairing = { 0 };

  if (option_timeout < 1 || option_timeout > 120)
    {
      g_set_error_literal (error, CTL_ERROR, CTL_EXIT_USAGE, "--timeout is 1 to 120 seconds");
      return FALSE;
    }
  chip = ctl_client_find_chip (context->client, context->chip, error);
  if (chip == NULL)
    return FALSE;

  if (!context->json)
    print_introduction (chip);
  pairing.client = context->client;
  pairing.chip = chip;
  pairing.talk = !context->json || ctl_is_terminal (stderr);
  reply = run_pairing (&pairing, &problem);
  if (reply != NULL)
    return print_result (context, chip, error);
  if (pairing.cancelling)
    g_set_error_literal (error, CTL_ERROR, CTL_EXIT_INTERRUPTED,
                         "pairing cancelled; a key that was stored before stays");
  else
    g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}
