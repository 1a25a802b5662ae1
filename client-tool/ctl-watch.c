/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-watch.h"

#include <stdio.h>

#include "ctl-error.h"
#include "ctl-screen.h"

#define RELOAD_MS 1000
#define REDRAW_MS 100

static int option_interval = 2000;
static gboolean option_plain;

const GOptionEntry ctl_watch_entries[] = {
  { "interval", 'i', 0, G_OPTION_ARG_INT, &option_interval,
    "Time between samples of the orientation in milliseconds, 0 for none (2000)", "MS" },
  { "plain", 0, 0, G_OPTION_ARG_NONE, &option_plain, "Print lines, also on a terminal", NULL },
  { 0 },
};

typedef struct
{
  CtlClient *client;
  char *path;       /* only this chip; NULL: all that were added */
  GPtrArray *chips; /* of CtlWatchChip */
  gboolean (*print) (const CtlEvent *event);
  CtlScreen *screen; /* NULL: lines are printed */
  char *notice;
  guint redraw_source;
  gboolean reload; /* a new core2d is to be loaded */
  gboolean lost;   /* core2d has gone and is not loaded yet */
  gboolean quit;
  GError *error;
} Watch;

static void
watch_chip_free (gpointer data)
{
  CtlWatchChip *self = data;

  g_object_unref (self->chip);
  g_free (self);
}

static void
draw (Watch *self)
{
  g_autofree char *text = NULL;
  guint width, height;

  ctl_screen_get_size (self->screen, &width, &height);
  text = ctl_watch_render (self->chips, self->notice, ctl_now (), width, height, ctl_is_utf8 ());
  if (!ctl_screen_draw (self->screen, text))
    self->quit = TRUE;
}

static gboolean
on_redraw (gpointer user_data)
{
  Watch *self = user_data;

  self->redraw_source = 0;
  draw (self);
  return G_SOURCE_REMOVE;
}

static gboolean
on_second (gpointer user_data)
{
  draw (user_data);
  return G_SOURCE_CONTINUE;
}

static void
on_resize (gpointer user_data)
{
  draw (user_data);
}

static void
on_quit (gpointer user_data)
{
  Watch *self = user_data;

  self->quit = TRUE;
  g_cancellable_cancel (ctl_client_get_cancellable (self->client));
}

static void
set_notice (Watch *self, const char *text)
{
  g_free (self->notice);
  self->notice = g_strdup (text);
}

static void
tell (Watch *self, const CtlEvent *event)
{
  if (self->screen == NULL)
    {
      if (!self->print (event))
        self->quit = TRUE;
    }
  else if (self->redraw_source == 0)
    self->redraw_source = g_timeout_add (REDRAW_MS, on_redraw, self);
}

static void
tell_simple (Watch *self, CtlEventKind kind, Core2DbusChip *chip)
{
  CtlEvent event = { .kind = kind, .time = ctl_now (), .chip = chip };

  tell (self, &event);
}

static CtlWatchChip *
find_chip (Watch *self, const char *path)
{
  for (guint i = 0; i < self->chips->len; i++)
    {
      CtlWatchChip *chip = g_ptr_array_index (self->chips, i);

      if (g_str_equal (g_dbus_proxy_get_object_path (G_DBUS_PROXY (chip->chip)), path))
        return chip;
    }
  return NULL;
}

static void
claim_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_proxy_call_finish (G_DBUS_PROXY (source), result, &error);
  g_autofree char *title = NULL;
  g_autofree char *message = NULL;

  if (reply != NULL || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)
      || ctl_error_get_exit (error) == CTL_EXIT_UNAVAILABLE)
    return;
  /* Everything but the orientation still comes, so this does not end the watch. */
  title = ctl_chip_dup_title (CORE2_DBUS_CHIP (source));
  message = ctl_error_dup_message (error);
  g_printerr ("%s: no orientation: %s\n", title, message);
}

static void
note_orientation (CtlWatchChip *self)
{
  GVariant *pair = core2_dbus_chip_get_orientation (self->chip);
  guint16 x, y;

  if (pair == NULL || core2_dbus_chip_get_orientation_updated (self->chip) == 0)
    return;
  g_variant_get (pair, "(qq)", &x, &y);
  self->largest = MAX (self->largest, MAX (x, y));
}

/* Begins to follow @proxy. Steps that were seen before a restart of core2d stay in its series. */
static void
follow (Watch *self, Core2DbusChip *proxy)
{
  const char *path = g_dbus_proxy_get_object_path (G_DBUS_PROXY (proxy));
  CtlWatchChip *chip = find_chip (self, path);

  if (!core2_dbus_chip_get_remembered (proxy)
      || (self->path != NULL && !g_str_equal (self->path, path)))
    return;
  if (chip == NULL)
    {
      chip = g_new0 (CtlWatchChip, 1);
      g_ptr_array_add (self->chips, chip);
    }
  else
    g_object_unref (chip->chip);
  chip->chip = g_object_ref (proxy);
  note_orientation (chip);

  if (option_interval > 0)
    ctl_client_call_async (self->client, proxy, "ClaimOrientation",
                           g_variant_new ("(u)", (guint32) option_interval), CTL_QUICK_MS,
                           claim_done, NULL);
  tell_simple (self, CTL_EVENT_CHIP, proxy);
}

static void
on_object_added (GDBusObjectManager *manager, GDBusObject *object, gpointer user_data)
{
  g_autoptr (GDBusInterface) chip = g_dbus_object_get_interface (object, CTL_BUS_NAME);

  if (chip != NULL)
    follow (user_data, CORE2_DBUS_CHIP (chip));
}

static void
unfollow (Watch *self, CtlWatchChip *chip)
{
  tell_simple (self, CTL_EVENT_GONE, chip->chip);
  g_ptr_array_remove (self->chips, chip);
}

static void
on_object_removed (GDBusObjectManager *manager, GDBusObject *object, gpointer user_data)
{
  Watch *self = user_data;
  CtlWatchChip *chip = find_chip (self, g_dbus_object_get_object_path (object));
  g_autofree char *owner
      = g_dbus_object_manager_client_get_name_owner (G_DBUS_OBJECT_MANAGER_CLIENT (manager));

  /* All objects of a core2d that has stopped are removed too; those chips stay on the screen. */
  if (chip != NULL && owner != NULL)
    unfollow (self, chip);
}

static void
on_properties (GDBusObjectManagerClient *manager, GDBusObjectProxy *object, GDBusProxy *proxy,
               GVariant *changed, const char *const *invalidated, gpointer user_data)
{
  Watch *self = user_data;
  CtlWatchChip *chip = find_chip (self, g_dbus_proxy_get_object_path (proxy));
  g_autoptr (GVariant) state = g_variant_lookup_value (changed, "State", NULL);
  g_autoptr (GVariant) text = g_variant_lookup_value (changed, "StatusText", NULL);

  if (!CORE2_DBUS_IS_CHIP (proxy))
    return;
  if (chip == NULL)
    follow (self, CORE2_DBUS_CHIP (proxy)); /* a chip that was only seen may have been added */
  else if (!core2_dbus_chip_get_remembered (chip->chip))
    unfollow (self, chip);
  else if (state != NULL || text != NULL)
    tell_simple (self, CTL_EVENT_STATE, chip->chip);
  else if (self->screen != NULL && self->redraw_source == 0)
    self->redraw_source = g_timeout_add (REDRAW_MS, on_redraw, self);
}

static void
on_bus_signal (GDBusObjectManagerClient *manager, GDBusObjectProxy *object, GDBusProxy *proxy,
               const char *sender, const char *name, GVariant *parameters, gpointer user_data)
{
  Watch *self = user_data;
  CtlWatchChip *chip = find_chip (self, g_dbus_proxy_get_object_path (proxy));
  CtlEvent event = { .time = ctl_now () };

  if (chip == NULL || !CORE2_DBUS_IS_CHIP (proxy))
    return;
  event.chip = chip->chip;
  if (g_str_equal (name, "StepsChanged")
      && g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(uut)")))
    {
      event.kind = CTL_EVENT_STEPS;
      g_variant_get (parameters, "(uut)", &event.steps, &event.change, &event.time);
      ctl_series_add (&chip->series, (gint64) event.time, event.change);
    }
  else if (g_str_equal (name, "OrientationChanged")
           && g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(qqt)")))
    {
      event.kind = CTL_EVENT_ORIENTATION;
      g_variant_get (parameters, "(qqt)", &event.x, &event.y, &event.time);
      chip->largest = MAX (chip->largest, MAX (event.x, event.y));
    }
  else if (g_str_equal (name, "CounterReset")
           && g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(uus)")))
    {
      event.kind = CTL_EVENT_RESET;
      g_variant_get (parameters, "(uu&s)", &event.steps, &event.change, &event.reason);
    }
  else if (g_str_equal (name, "BatteryChanged"))
    event.kind = CTL_EVENT_BATTERY;
  else
    return;
  tell (self, &event);
}

/* Follows all that core2d has now; those that a restart did not bring back are dropped. */
static void
follow_all (Watch *self)
{
  GDBusObjectManager *objects = ctl_client_get_objects (self->client);
  g_autoptr (GPtrArray) chips = ctl_client_list_chips (self->client, TRUE);

  g_signal_connect (objects, "object-added", G_CALLBACK (on_object_added), self);
  g_signal_connect (objects, "object-removed", G_CALLBACK (on_object_removed), self);
  g_signal_connect (objects, "interface-proxy-properties-changed",
                    G_CALLBACK (on_properties), self);
  g_signal_connect (objects, "interface-proxy-signal", G_CALLBACK (on_bus_signal), self);
  for (guint i = self->chips->len; i > 0; i--)
    {
      CtlWatchChip *chip = g_ptr_array_index (self->chips, i - 1);
      const char *path = g_dbus_proxy_get_object_path (G_DBUS_PROXY (chip->chip));
      g_autoptr (GDBusObject) object = g_dbus_object_manager_get_object (objects, path);

      if (object == NULL)
        unfollow (self, chip);
    }
  for (guint i = 0; i < chips->len; i++)
    follow (self, g_ptr_array_index (chips, i));
}

static gboolean
on_reload (gpointer user_data)
{
  Watch *self = user_data;

  self->reload = self->lost;
  return G_SOURCE_REMOVE;
}

/* The proxies of the old core2d stay to be shown until the new one is loaded. */
static void
reload (Watch *self)
{
  self->reload = FALSE;
  if (!ctl_client_reload (self->client, NULL))
    {
      if (!self->quit)
        g_timeout_add (RELOAD_MS, on_reload, self);
      return;
    }
  self->lost = FALSE;
  set_notice (self, NULL);
  tell_simple (self, CTL_EVENT_DAEMON_BACK, NULL);
  follow_all (self);
}

static void
on_name_appeared (GDBusConnection *connection, const char *name, const char *owner,
                  gpointer user_data)
{
  Watch *self = user_data;

  self->reload = self->lost;
}

static void
on_name_vanished (GDBusConnection *connection, const char *name, gpointer user_data)
{
  Watch *self = user_data;

  if (connection == NULL || g_dbus_connection_is_closed (connection))
    {
      g_clear_error (&self->error);
      g_set_error_literal (&self->error, CTL_ERROR, CTL_EXIT_UNAVAILABLE,
                           "the system bus has gone");
      self->quit = TRUE;
    }
  else if (!self->lost)
    {
      self->lost = TRUE;
      /* Its own way to a new owner of the name would block in a synchronous call. */
      g_signal_handlers_disconnect_by_data (ctl_client_get_objects (self->client), self);
      ctl_client_unload (self->client);
      set_notice (self, "core2d has stopped; waiting for it");
      tell_simple (self, CTL_EVENT_DAEMON_GONE, NULL);
    }
}

static void
run (Watch *self)
{
  guint name_watch = g_bus_watch_name_on_connection (
      ctl_client_get_connection (self->client), CTL_BUS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
      on_name_appeared, on_name_vanished, self, NULL);
  guint timer = self->screen == NULL ? 0 : g_timeout_add (1000, on_second, self);

  ctl_client_set_interrupt (self->client, on_quit, self);
  follow_all (self);
  if (self->screen != NULL)
    draw (self);
  while (!self->quit)
    {
      if (self->reload)
        reload (self);
      else
        g_main_context_iteration (NULL, TRUE);
    }

  ctl_client_set_interrupt (self->client, NULL, NULL);
  if (ctl_client_get_objects (self->client) != NULL)
    g_signal_handlers_disconnect_by_data (ctl_client_get_objects (self->client), self);
  g_bus_unwatch_name (name_watch);
  if (timer != 0)
    g_source_remove (timer);
  if (self->redraw_source != 0)
    g_source_remove (self->redraw_source);
}

gboolean
ctl_verb_watch (CtlContext *context, GError **error)
{
  Watch self = { .client = context->client };

  if (option_interval < 0 || option_interval > 3600000)
    {
      g_set_error_literal (error, CTL_ERROR, CTL_EXIT_USAGE,
                           "--interval is 0 to 3600000 milliseconds");
      return FALSE;
    }
  if (context->chip != NULL)
    {
      g_autoptr (Core2DbusChip) chip
          = ctl_client_find_chip (context->client, context->chip, error);

      if (chip == NULL)
        return FALSE;
      self.path = g_strdup (g_dbus_proxy_get_object_path (G_DBUS_PROXY (chip)));
    }

  self.chips = g_ptr_array_new_with_free_func (watch_chip_free);
  self.print = context->json ? ctl_watch_print_json : ctl_watch_print_text;
  if (!context->json && !option_plain)
    self.screen = ctl_screen_new (on_resize, on_quit, &self);
  run (&self);

  g_clear_pointer (&self.screen, ctl_screen_free);
  g_ptr_array_unref (self.chips);
  g_free (self.notice);
  g_free (self.path);
  if (self.error != NULL)
    g_propagate_error (error, self.error);
  return self.error == NULL;
}
