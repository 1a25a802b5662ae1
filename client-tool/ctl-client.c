/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-client.h"

#include <glib-unix.h>

#include "ctl-error.h"
#include "ctl-output.h"

/* A busy computer takes its time; what has not answered then hangs. */
#define CONNECT_MS 10000
#define START_MS 20000

struct _CtlClient
{
  GDBusConnection *connection;
  gboolean all;
  GDBusObjectManager *objects; /* NULL unless @all are to be loaded */
  Core2DbusManager *manager;
  GCancellable *cancellable;
  guint interrupt_sources[2];
  gboolean interrupted;
  void (*on_interrupt) (gpointer);
  gpointer on_interrupt_data;
};

/* The end of one asynchronous operation that the main loop is run for. */
typedef struct
{
  GAsyncResult *result;
} Wait;

static void
wait_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Wait *wait = user_data;
  wait->result = g_object_ref (result);
}

static GAsyncResult *
wait_run (Wait *wait)
{
  while (wait->result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return wait->result;
}

static gboolean
on_deadline (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
  return G_SOURCE_CONTINUE;
}

static void
on_cancelled (GCancellable *outer, gpointer inner)
{
  g_cancellable_cancel (inner);
}

/* A cancellable of its own for one operation: ends with the client's, and after @ms. */
typedef struct
{
  GCancellable *inner;
  GCancellable *outer;
  gulong handler;
  guint source;
} Deadline;

static void
deadline_start (Deadline *self, GCancellable *outer, guint ms)
{
  self->inner = g_cancellable_new ();
  self->outer = outer;
  self->handler = g_cancellable_connect (outer, G_CALLBACK (on_cancelled), self->inner, NULL);
  self->source = g_timeout_add (ms, on_deadline, self->inner);
}

static void
deadline_end (Deadline *self)
{
  g_source_remove (self->source);
  g_cancellable_disconnect (self->outer, self->handler);
  g_object_unref (self->inner);
}

static gboolean
on_signal (gpointer user_data)
{
  CtlClient *self = user_data;

  self->interrupted = TRUE;
  if (self->on_interrupt != NULL)
    self->on_interrupt (self->on_interrupt_data);
  else
    g_cancellable_cancel (self->cancellable);
  return G_SOURCE_CONTINUE;
}

/* Replaces *error by one of core2ctl's own when it is not an interruption by the user. */
static void
set_unavailable (CtlClient *self, GError **error, const char *message)
{
  if (error == NULL || self->interrupted)
    return;
  g_clear_error (error);
  g_set_error_literal (error, CTL_ERROR, CTL_EXIT_UNAVAILABLE, message);
}

static gboolean
connect_bus (CtlClient *self, GError **error)
{
  Deadline deadline;
  Wait wait = { NULL };

  deadline_start (&deadline, self->cancellable, CONNECT_MS);
  g_bus_get (G_BUS_TYPE_SYSTEM, deadline.inner, wait_done, &wait);
  self->connection = g_bus_get_finish (wait_run (&wait), error);
  g_object_unref (wait.result);
  deadline_end (&deadline);

  if (self->connection == NULL)
    {
      set_unavailable (self, error,
                       "the system bus is not there, so core2d cannot be reached.\n"
                       "Is this a container or a rescue system? Otherwise see \"systemctl status "
                       "dbus\".");
      return FALSE;
    }
  /* Otherwise GDBus would end this program without a word when the bus goes. */
  g_dbus_connection_set_exit_on_close (self->connection, FALSE);
  return TRUE;
}

static GVariant *
call_bus (CtlClient *self, const char *method, GVariant *parameters, GError **error)
{
  Wait wait = { NULL };
  GVariant *reply;

  g_dbus_connection_call (self->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                          "org.freedesktop.DBus", method, parameters, NULL, G_DBUS_CALL_FLAGS_NONE,
                          START_MS, self->cancellable, wait_done, &wait);
  reply = g_dbus_connection_call_finish (self->connection, wait_run (&wait), error);
  g_object_unref (wait.result);
  return reply;
}

gboolean
ctl_client_start_service (CtlClient *self, const char *name, gboolean start, GError **error)
{
  g_autoptr (GVariant) owned
      = call_bus (self, "NameHasOwner", g_variant_new ("(s)", name), error);
  g_autoptr (GVariant) started = NULL;
  gboolean is_owned;

  if (owned == NULL)
    return FALSE;
  g_variant_get (owned, "(b)", &is_owned);
  if (is_owned)
    return TRUE;

  /* Not asked first: for a name that is owned, but that cannot be started, this is an error. */
  if (start)
    {
      g_autofree char *progress = g_strdup_printf (
          "starting %s ...", g_str_equal (name, CTL_BUS_NAME) ? "core2d" : name);

      ctl_progress_show (progress);
      started
          = call_bus (self, "StartServiceByName", g_variant_new ("(su)", name, 0), error);
      ctl_progress_end ();
    }
  else
    g_set_error (error, CTL_ERROR, CTL_EXIT_UNAVAILABLE, "%s does not run", name);
  return started != NULL;
}

static gboolean
ensure_running (CtlClient *self, gboolean start, GError **error)
{
  if (ctl_client_start_service (self, CTL_BUS_NAME, start, error))
    return TRUE;
  set_unavailable (self, error,
                   "core2d does not run.\n"
                   "Start it: \"sudo systemctl start core2d\"; if that fails: \"journalctl -u "
                   "core2d\".");
  return FALSE;
}

/* Owning the name is not yet answering: core2d may be starting up, or hang. */
static gboolean
ensure_answering (CtlClient *self, GError **error)
{
  Wait wait = { NULL };
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GError) local_error = NULL;

  g_dbus_connection_call (self->connection, CTL_BUS_NAME, CTL_MANAGER_PATH,
                          "org.freedesktop.DBus.Peer", "Ping", NULL, NULL,
                          G_DBUS_CALL_FLAGS_NO_AUTO_START, CONNECT_MS, self->cancellable, wait_done,
                          &wait);
  reply = g_dbus_connection_call_finish (self->connection, wait_run (&wait), &local_error);
  g_object_unref (wait.result);
  if (reply != NULL || g_error_matches (local_error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_OBJECT))
    return TRUE;

  g_propagate_error (error, g_steal_pointer (&local_error));
  set_unavailable (self, error,
                   "core2d runs but does not answer; it may still be starting.\n"
                   "Try again in a moment; if it stays so: \"sudo systemctl restart core2d\".");
  return FALSE;
}

static GDBusObjectManager *
new_objects (CtlClient *self, GCancellable *cancellable, GError **error)
{
  Wait wait = { NULL };
  GDBusObjectManager *objects;

  core2_dbus_object_manager_client_new (
      self->connection, G_DBUS_OBJECT_MANAGER_CLIENT_FLAGS_DO_NOT_AUTO_START, CTL_BUS_NAME,
      CTL_ROOT_PATH, cancellable, wait_done, &wait);
  objects = core2_dbus_object_manager_client_new_finish (wait_run (&wait), error);
  g_object_unref (wait.result);
  return objects;
}

static Core2DbusManager *
new_manager (CtlClient *self, GCancellable *cancellable, GError **error)
{
  Wait wait = { NULL };
  Core2DbusManager *manager;

  core2_dbus_manager_proxy_new (self->connection, G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START,
                                CTL_BUS_NAME, CTL_MANAGER_PATH, cancellable, wait_done, &wait);
  manager = core2_dbus_manager_proxy_new_finish (wait_run (&wait), error);
  g_object_unref (wait.result);
  return manager;
}

static gboolean
load (CtlClient *self, GError **error)
{
  Deadline deadline;
  gboolean loaded;

  deadline_start (&deadline, self->cancellable, CTL_QUICK_MS);
  self->manager = new_manager (self, deadline.inner, error);
  loaded = self->manager != NULL;
  if (loaded && self->all)
    {
      self->objects = new_objects (self, deadline.inner, error);
      loaded = self->objects != NULL;
    }
  deadline_end (&deadline);
  if (loaded)
    return TRUE;
  set_unavailable (self, error,
                   "core2d does not tell its chips; it may still be starting.\n"
                   "Try again in a moment; if it stays so: \"sudo systemctl restart core2d\".");
  return FALSE;
}

void
ctl_client_unload (CtlClient *self)
{
  g_clear_object (&self->manager);
  g_clear_object (&self->objects);
}

gboolean
ctl_client_reload (CtlClient *self, GError **error)
{
  ctl_client_unload (self);
  if (ensure_answering (self, error) && load (self, error))
    return TRUE;
  ctl_client_unload (self);
  return FALSE;
}

CtlClient *
ctl_client_new (gboolean start, gboolean all, GError **error)
{
  g_autoptr (CtlClient) self = g_new0 (CtlClient, 1);

  self->all = all;
  self->cancellable = g_cancellable_new ();
  self->interrupt_sources[0] = g_unix_signal_add (SIGINT, on_signal, self);
  self->interrupt_sources[1] = g_unix_signal_add (SIGTERM, on_signal, self);
  if (!connect_bus (self, error) || !ensure_running (self, start, error)
      || !ensure_answering (self, error) || !load (self, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
ctl_client_free (CtlClient *self)
{
  g_source_remove (self->interrupt_sources[0]);
  g_source_remove (self->interrupt_sources[1]);
  ctl_client_unload (self);
  g_clear_object (&self->connection);
  g_object_unref (self->cancellable);
  g_free (self);
}

GDBusConnection *
ctl_client_get_connection (CtlClient *self)
{
  return self->connection;
}

GDBusObjectManager *
ctl_client_get_objects (CtlClient *self)
{
  return self->objects;
}

Core2DbusManager *
ctl_client_get_manager (CtlClient *self)
{
  return self->manager;
}

GCancellable *
ctl_client_get_cancellable (CtlClient *self)
{
  return self->cancellable;
}

gboolean
ctl_client_is_interrupted (CtlClient *self)
{
  return self->interrupted;
}

void
ctl_client_set_interrupt (CtlClient *self, void (*callback) (gpointer), gpointer user_data)
{
  self->on_interrupt = callback;
  self->on_interrupt_data = user_data;
}

static int
compare_chips (gconstpointer a, gconstpointer b)
{
  Core2DbusChip *chips[2] = { *(Core2DbusChip *const *) a, *(Core2DbusChip *const *) b };
  int order = 0;

  /* "left" < "right" < "unknown" is the alphabet's own order. */
  order = g_strcmp0 (core2_dbus_chip_get_side (chips[0]), core2_dbus_chip_get_side (chips[1]));
  if (order == 0)
    {
      g_autofree char *first = ctl_chip_dup_full_title (chips[0]);
      g_autofree char *second = ctl_chip_dup_full_title (chips[1]);

      order = g_utf8_collate (first, second);
    }
  return order;
}

GPtrArray *
ctl_client_list_chips (CtlClient *self, gboolean remembered)
{
  GPtrArray *chips = g_ptr_array_new_with_free_func (g_object_unref);
  GList *objects = g_dbus_object_manager_get_objects (self->objects);

  for (GList *item = objects; item != NULL; item = item->next)
    {
      GDBusInterface *chip = g_dbus_object_get_interface (item->data, CTL_BUS_NAME);

      if (chip == NULL)
        continue;
      if (!remembered || core2_dbus_chip_get_remembered (CORE2_DBUS_CHIP (chip)))
        g_ptr_array_add (chips, chip);
      else
        g_object_unref (chip);
    }
  g_list_free_full (objects, g_object_unref);
  g_ptr_array_sort (chips, compare_chips);
  return chips;
}

GPtrArray *
ctl_client_list_added (CtlClient *self, GError **error)
{
  GPtrArray *chips = ctl_client_list_chips (self, TRUE);

  if (chips->len > 0)
    return chips;
  g_set_error_literal (error, CTL_ERROR, CTL_EXIT_NO_CHIP,
                       "no chip has been added yet.\n"
                       "Shake a chip, find it with \"core2ctl scan\", and add it with "
                       "\"core2ctl add ADDRESS\".");
  g_ptr_array_unref (chips);
  return NULL;
}

/* Owned by the caller; NULL unless all were loaded and it is one of them. */
static GDBusInterface *
get_known (CtlClient *self, const char *path, const char *interface)
{
  if (self->objects == NULL)
    return NULL;
  return g_dbus_object_manager_get_interface (self->objects, path, interface);
}

static GDBusProxy *
new_history (CtlClient *self, const char *path, GError **error)
{
  const GDBusProxyFlags flags = G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START
                                | G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES
                                | G_DBUS_PROXY_FLAGS_DO_NOT_CONNECT_SIGNALS;
  Deadline deadline;
  Wait wait = { NULL };
  Core2DbusHistory *history;

  deadline_start (&deadline, self->cancellable, CTL_QUICK_MS);
  core2_dbus_history_proxy_new (self->connection, flags, CTL_BUS_NAME, path, deadline.inner,
                                wait_done, &wait);
  history = core2_dbus_history_proxy_new_finish (wait_run (&wait), error);
  g_object_unref (wait.result);
  deadline_end (&deadline);
  return history == NULL ? NULL : G_DBUS_PROXY (history);
}

GDBusProxy *
ctl_client_get_history (CtlClient *self, Core2DbusChip *chip, GError **error)
{
  const char *path = g_dbus_proxy_get_object_path (G_DBUS_PROXY (chip));
  GDBusInterface *known = get_known (self, path, CTL_BUS_NAME ".History");

  return known != NULL ? G_DBUS_PROXY (known) : new_history (self, path, error);
}

static Core2DbusChip *
find_only_chip (CtlClient *self, GError **error)
{
  g_autoptr (GPtrArray) chips = ctl_client_list_added (self, error);
  GString *names;

  if (chips == NULL)
    return NULL;
  if (chips->len == 1)
    return g_object_ref (g_ptr_array_index (chips, 0));

  names = g_string_new (NULL);
  for (guint i = 0; i < chips->len; i++)
    {
      g_autofree char *title = ctl_chip_dup_full_title (g_ptr_array_index (chips, i));
      g_string_append_printf (names, "\n  %s", title);
    }
  g_set_error (error, CTL_ERROR, CTL_EXIT_USAGE,
               "there are %u chips; name one with --chip, by its address, alias or side:%s",
               chips->len, names->str);
  g_string_free (names, TRUE);
  return NULL;
}

Core2DbusChip *
ctl_client_find_chip (CtlClient *self, const char *name, GError **error)
{
  g_autoptr (GVariant) reply = NULL;
  const char *path;

  if (name == NULL)
    return find_only_chip (self, error);

  reply = ctl_client_call (self, self->manager, "FindChip", g_variant_new ("(s)", name),
                           CTL_QUICK_MS, error);
  if (reply == NULL)
    return NULL;
  g_variant_get (reply, "(&o)", &path);
  return ctl_client_get_chip (self, path, error);
}

GPtrArray *
ctl_client_list_named (CtlClient *self, const char *name, GError **error)
{
  Core2DbusChip *chip;
  GPtrArray *chips;

  if (name == NULL)
    return ctl_client_list_added (self, error);
  chip = ctl_client_find_chip (self, name, error);
  if (chip == NULL)
    return NULL;
  chips = g_ptr_array_new_with_free_func (g_object_unref);
  g_ptr_array_add (chips, chip);
  return chips;
}

static Core2DbusChip *
new_chip (CtlClient *self, const char *path, GError **error)
{
  Deadline deadline;
  Wait wait = { NULL };
  Core2DbusChip *chip;

  deadline_start (&deadline, self->cancellable, CTL_QUICK_MS);
  core2_dbus_chip_proxy_new (self->connection, G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START, CTL_BUS_NAME,
                             path, deadline.inner, wait_done, &wait);
  chip = core2_dbus_chip_proxy_new_finish (wait_run (&wait), error);
  g_object_unref (wait.result);
  deadline_end (&deadline);
  return chip;
}

gboolean
ctl_client_refresh (CtlClient *self, gpointer proxy, GError **error)
{
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariantIter) properties = NULL;
  const char *name;
  GVariant *value;

  reply = ctl_client_call (self, proxy, "org.freedesktop.DBus.Properties.GetAll",
                           g_variant_new ("(s)", g_dbus_proxy_get_interface_name (proxy)),
                           CTL_QUICK_MS, error);
  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(a{sv})", &properties);
  while (g_variant_iter_next (properties, "{&sv}", &name, &value))
    {
      g_dbus_proxy_set_cached_property (proxy, name, value);
      g_variant_unref (value);
    }
  return TRUE;
}

Core2DbusChip *
ctl_client_get_chip (CtlClient *self, const char *path, GError **error)
{
  GDBusInterface *known = get_known (self, path, CTL_BUS_NAME);

  if (known == NULL)
    return new_chip (self, path, error);
  if (ctl_client_refresh (self, known, error))
    return CORE2_DBUS_CHIP (known);
  g_object_unref (known);
  return NULL;
}

void
ctl_client_call_async (CtlClient *self, gpointer proxy, const char *method, GVariant *parameters,
                       int timeout_ms, GAsyncReadyCallback done, gpointer user_data)
{
  g_dbus_proxy_call (G_DBUS_PROXY (proxy), method, parameters,
                     G_DBUS_CALL_FLAGS_NO_AUTO_START
                         | G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION,
                     timeout_ms, self->cancellable, done, user_data);
}

GVariant *
ctl_client_call (CtlClient *self, gpointer proxy, const char *method, GVariant *parameters,
                 int timeout_ms, GError **error)
{
  Wait wait = { NULL };
  GVariant *reply;

  ctl_client_call_async (self, proxy, method, parameters, timeout_ms, wait_done, &wait);
  reply = g_dbus_proxy_call_finish (proxy, wait_run (&wait), error);
  g_object_unref (wait.result);
  return reply;
}

char *
ctl_chip_dup_title (Core2DbusChip *chip)
{
  const char *alias = core2_dbus_chip_get_alias (chip);
  const char *side = core2_dbus_chip_get_side (chip);
  const char *name = core2_dbus_chip_get_name (chip);
  const char *address = core2_dbus_chip_get_address (chip);

  if (alias != NULL && alias[0] != '\0')
    return g_strdup (alias);
  if (g_strcmp0 (side, "left") == 0 || g_strcmp0 (side, "right") == 0)
    return g_strdup_printf ("%s chip", side);
  if (name != NULL && name[0] != '\0')
    return g_strdup (name);
  return g_strdup (address != NULL ? address : "chip");
}

char *
ctl_chip_dup_full_title (Core2DbusChip *chip)
{
  g_autofree char *title = ctl_chip_dup_title (chip);
  const char *address = core2_dbus_chip_get_address (chip);

  if (address == NULL || g_str_equal (address, title))
    return g_steal_pointer (&title);
  return g_strdup_printf ("%s (%s)", title, address);
}
