/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib-unix.h>
#include <locale.h>
#include <stdlib.h>

#include "desk-window.h"

#define APPLICATION_ID "org.example.Core2.Desk"

typedef struct
{
  AdwApplication *application;
  DeskClient *client;
} Program;

static void
on_activate (GApplication *application, gpointer user_data)
{
  Program *self = user_data;
  GtkWindow *window = gtk_application_get_active_window (GTK_APPLICATION (application));

  if (window == NULL)
    window = desk_window_new (ADW_APPLICATION (application), self->client);
  gtk_window_present (window);
}

static int
on_options (GApplication *application, GVariantDict *options, gpointer user_data)
{
  if (!g_variant_dict_contains (options, "version"))
    return -1; /* go on */
  g_print ("core2-desk " CORE2_VERSION "\n");
  return EXIT_SUCCESS;
}

static void
activate_about (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  Program *self = user_data;
  GtkWindow *window = gtk_application_get_active_window (GTK_APPLICATION (self->application));

  adw_show_about_window (window, "application-name", "Steps", "application-icon", APPLICATION_ID,
                         "version", CORE2_VERSION, "comments",
                         "Step counter chips in your shoes, through core2d", "license-type",
                         GTK_LICENSE_LGPL_2_1, NULL);
}

static void
activate_quit (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  Program *self = user_data;

  g_application_quit (G_APPLICATION (self->application));
}

static gboolean
on_terminate (gpointer application)
{
  g_application_quit (application);
  return G_SOURCE_CONTINUE;
}

static void
on_startup (GApplication *application, gpointer user_data)
{
  static const GActionEntry actions[] = {
    { .name = "about", .activate = activate_about },
    { .name = "quit", .activate = activate_quit },
  };
  static const struct
  {
    const char *action;
    const char *keys[2];
  } shortcuts[] = {
    { "app.quit", { "<Control>q", NULL } },
    { "win.add", { "<Control>n", NULL } },
    { "win.pair", { "<Control>p", NULL } },
    { "win.back", { "<Alt>Left", NULL } },
    { "window.close", { "<Control>w", NULL } },
  };
  Program *self = user_data;

  g_action_map_add_action_entries (G_ACTION_MAP (application), actions, G_N_ELEMENTS (actions),
                                   self);
  for (guint i = 0; i < G_N_ELEMENTS (shortcuts); i++)
    gtk_application_set_accels_for_action (GTK_APPLICATION (application), shortcuts[i].action,
                                           shortcuts[i].keys);
  g_unix_signal_add (SIGTERM, on_terminate, application);
  g_unix_signal_add (SIGINT, on_terminate, application);
  self->client = desk_client_new ();
}

int
main (int argc, char **argv)
{
  Program program = { 0 };
  int status;

  setlocale (LC_ALL, "");
  program.application = adw_application_new (APPLICATION_ID, G_APPLICATION_DEFAULT_FLAGS);
  g_application_add_main_option (G_APPLICATION (program.application), "version", 0,
                                 G_OPTION_FLAG_NONE, G_OPTION_ARG_NONE, "Print the version", NULL);
  g_signal_connect (program.application, "handle-local-options", G_CALLBACK (on_options), NULL);
  g_signal_connect (program.application, "startup", G_CALLBACK (on_startup), &program);
  g_signal_connect (program.application, "activate", G_CALLBACK (on_activate), &program);
  status = g_application_run (G_APPLICATION (program.application), argc, argv);
  g_object_unref (program.application);
  g_clear_object (&program.client);
  return status;
}
