/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "vb-faults.h"
#include "vb-device.h"
#include "vb-link.h"
#include <string.h>

#define LOG_SIZE 10000

typedef struct
{
  char *method;
  char *path;
  char *error;
  char *message;
  char *sender;
  guint delay_ms;
  guint skip;
  guint count; /* 0 = for ever */
  gboolean never_answer;
  gboolean drop_link_before;
  gboolean drop_link_after;
  gboolean remove_before;
  gboolean flash_connected;
} Rule;

/* A call that waits, by a rule. */
typedef struct
{
  VbFaults *faults;
  GDBusMethodInvocation *invocation;
  Rule *rule; /* a copy: the rule may be cleared meanwhile */
  guint timer;
} Delayed;

typedef struct
{
  gint64 time;
  char *sender;
  char *path;
  char *method;
} Call;

struct _VbFaults
{
  VbWorld *world;
  GPtrArray *rules;      /* Rule */
  GPtrArray *unanswered; /* GDBusMethodInvocation */
  GHashTable *delayed;   /* set of Delayed */
  GHashTable *counts;    /* method -> number */
  GQueue log;            /* Call, oldest first */
};

static void
rule_free (gpointer data)
{
  Rule *rule = data;

  g_free (rule->method);
  g_free (rule->path);
  g_free (rule->error);
  g_free (rule->message);
  g_free (rule->sender);
  g_free (rule);
}

static Rule *
rule_copy (const Rule *rule)
{
  Rule *copy = g_memdup2 (rule, sizeof *rule);

  copy->method = g_strdup (rule->method);
  copy->path = g_strdup (rule->path);
  copy->error = g_strdup (rule->error);
  copy->message = g_strdup (rule->message);
  copy->sender = g_strdup (rule->sender);
  return copy;
}

static void
call_free (gpointer data)
{
  Call *call = data;

  g_free (call->sender);
  g_free (call->path);
  g_free (call->method);
  g_free (call);
}

/* "Device1.Connect" for a call of org.bluez.Device1's Connect. */
static char *
method_of (GDBusMethodInvocation *invocation)
{
  const char *interface = g_dbus_method_invocation_get_interface_name (invocation);
  const char *dot = strrchr (interface, '.');

  return g_strdup_printf ("%s.%s", dot != NULL ? dot + 1 : interface,
                          g_dbus_method_invocation_get_method_name (invocation));
}

static void
log_call (VbFaults *self, GDBusMethodInvocation *invocation, const char *method)
{
  Call *call = g_new0 (Call, 1);
  guint count = GPOINTER_TO_UINT (g_hash_table_lookup (self->counts, method));

  call->time = g_get_monotonic_time ();
  call->sender = g_strdup (g_dbus_method_invocation_get_sender (invocation));
  call->path = g_strdup (g_dbus_method_invocation_get_object_path (invocation));
  call->method = g_strdup (method);
  g_queue_push_tail (&self->log, call);
  if (self->log.length > LOG_SIZE)
    call_free (g_queue_pop_head (&self->log));
  g_hash_table_insert (self->counts, g_strdup (method), GUINT_TO_POINTER (count + 1));
}

static gboolean
path_is_below (const char *path, const char *ancestor)
{
  gsize length = strlen (ancestor);

  if (g_str_equal (ancestor, "/"))
    return TRUE;
  return strncmp (path, ancestor, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

/* The rule for a call, NULL = none. Counts it as used. */
static Rule *
take_rule (VbFaults *self, GDBusMethodInvocation *invocation, const char *method)
{
  const char *path = g_dbus_method_invocation_get_object_path (invocation);
  const char *sender = g_dbus_method_invocation_get_sender (invocation);

  for (guint i = 0; i < self->rules->len; i++)
    {
      Rule *rule = self->rules->pdata[i];

      if ((!g_str_equal (rule->method, "*") && !g_str_equal (rule->method, method))
          || !path_is_below (path, rule->path)
          || (rule->sender != NULL && !g_str_equal (rule->sender, sender)))
        continue;
      if (rule->skip > 0)
        {
          rule->skip--;
          return NULL;
        }

      Rule *copy = rule_copy (rule);
      if (rule->count > 0 && --rule->count == 0)
        g_ptr_array_remove_index (self->rules, i);
      return copy;
    }
  return NULL;
}

/* --- what rules do --- */

static void
drop_link (VbFaults *self, const char *path)
{
  VbDevice *device = vb_world_find_device (self->world, path);

  if (device != NULL && device->link != NULL)
    vb_link_drop (device->link);
}

static void
remove_silently (VbFaults *self, const char *path)
{
  vb_bus_take_off (self->world->bus, path, TRUE);
}

static void
show_connected (VbFaults *self, const char *path, gboolean connected)
{
  VbDevice *device = vb_world_find_device (self->world, path);

  if (device == NULL)
    return;
  bluez_device1_set_connected (device->skeleton, connected);
  vb_bus_flush (self->world->bus);
}

/* Carries a rule out, after its delay. */
static void
execute (VbFaults *self, const Rule *rule, GDBusMethodInvocation *invocation)
{
  g_autofree char *path = g_strdup (g_dbus_method_invocation_get_object_path (invocation));

  if (rule->drop_link_before)
    drop_link (self, path);
  if (rule->remove_before)
    remove_silently (self, path);
  if (rule->flash_connected)
    {
      show_connected (self, path, TRUE);
      show_connected (self, path, FALSE);
    }
  if (rule->error != NULL)
    vb_bus_return_error (self->world->bus, invocation, rule->error, "%s",
                         rule->message != NULL ? rule->message : "");
  else if (rule->never_answer)
    g_ptr_array_add (self->unanswered, invocation);
  else
    vb_bus_dispatch (self->world->bus, invocation);
  if (rule->drop_link_after)
    drop_link (self, path);
}

static void
delayed_free (gpointer data)
{
  Delayed *delayed = data;

  g_clear_handle_id (&delayed->timer, g_source_remove);
  g_clear_object (&delayed->invocation);
  rule_free (delayed->rule);
  g_free (delayed);
}

static gboolean
on_delay (gpointer user_data)
{
  Delayed *delayed = user_data;
  VbFaults *self = delayed->faults;

  delayed->timer = 0;
  execute (self, delayed->rule, g_steal_pointer (&delayed->invocation));
  g_hash_table_remove (self->delayed, delayed);
  return G_SOURCE_REMOVE;
}

static void
delay (VbFaults *self, Rule *rule, GDBusMethodInvocation *invocation)
{
  Delayed *delayed = g_new0 (Delayed, 1);

  if (rule->flash_connected)
    show_connected (self, g_dbus_method_invocation_get_object_path (invocation), TRUE);
  delayed->faults = self;
  delayed->invocation = invocation;
  delayed->rule = rule;
  delayed->timer = g_timeout_add (rule->delay_ms, on_delay, delayed);
  g_hash_table_add (self->delayed, delayed);
}

static gboolean
on_call (GDBusMethodInvocation *invocation, gpointer user_data)
{
  VbFaults *self = user_data;
  g_autofree char *method = method_of (invocation);

  log_call (self, invocation, method);

  Rule *rule = take_rule (self, invocation, method);
  if (rule == NULL)
    return FALSE;
  if (rule->delay_ms > 0)
    {
      delay (self, rule, invocation);
      return TRUE;
    }
  execute (self, rule, invocation);
  rule_free (rule);
  return TRUE;
}

/* --- rules --- */

static gboolean
parse_option (Rule *rule, const char *key, GVariant *value)
{
  const struct
  {
    const char *key;
    const char *type;
    gpointer target;
  } keys[] = {
    { "error", "s", &rule->error },
    { "message", "s", &rule->message },
    { "sender", "s", &rule->sender },
    { "delay-ms", "u", &rule->delay_ms },
    { "skip", "u", &rule->skip },
    { "count", "u", &rule->count },
    { "never-answer", "b", &rule->never_answer },
    { "drop-link-before", "b", &rule->drop_link_before },
    { "drop-link-after", "b", &rule->drop_link_after },
    { "remove-before", "b", &rule->remove_before },
    { "flash-connected", "b", &rule->flash_connected },
  };

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    if (g_str_equal (key, keys[i].key))
      {
        if (!g_variant_is_of_type (value, G_VARIANT_TYPE (keys[i].type)))
          return FALSE;
        g_variant_get (value, keys[i].type, keys[i].target);
        return TRUE;
      }
  return FALSE;
}

/* Adds a rule; the options are those of InjectFault. */
gboolean
vb_faults_inject (
    VbFaults *self, const char *method, const char *path, GVariant *options, GError **error)
{
  Rule *rule = g_new0 (Rule, 1);
  GVariantIter iter;
  const char *key;
  GVariant *value;

  rule->method = g_strdup (method);
  rule->path = g_strdup (path);
  g_variant_iter_init (&iter, options);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      gboolean valid = parse_option (rule, key, value);

      g_variant_unref (value);
      if (valid)
        continue;
      g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "invalid option %s", key);
      rule_free (rule);
      return FALSE;
    }
  g_ptr_array_add (self->rules, rule);
  return TRUE;
}

/* Removes all rules; what waits is carried out now, what was never answered fails. */
void
vb_faults_clear (VbFaults *self)
{
  g_autoptr (GList) delayed = g_hash_table_get_keys (self->delayed);

  g_ptr_array_set_size (self->rules, 0);
  for (GList *l = delayed; l != NULL; l = l->next)
    {
      Delayed *waiting = l->data;
      g_clear_handle_id (&waiting->timer, g_source_remove);
      on_delay (waiting);
    }
  for (guint i = 0; i < self->unanswered->len; i++)
    vb_bus_return_error (self->world->bus, self->unanswered->pdata[i],
                         "org.freedesktop.DBus.Error.NoReply", "never answered");
  g_ptr_array_set_size (self->unanswered, 0);
}

/* --- the record --- */

/* Calls of a method since the start or the last vb_faults_clear_log(); "*" counts all. */
guint
vb_faults_count_calls (VbFaults *self, const char *method)
{
  GHashTableIter iter;
  gpointer count;
  guint all = 0;

  if (!g_str_equal (method, "*"))
    return GPOINTER_TO_UINT (g_hash_table_lookup (self->counts, method));
  g_hash_table_iter_init (&iter, self->counts);
  while (g_hash_table_iter_next (&iter, NULL, &count))
    all += GPOINTER_TO_UINT (count);
  return all;
}

/* Returns a floating a(tsos). */
GVariant *
vb_faults_get_log (VbFaults *self)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(tsos)"));
  for (GList *l = self->log.head; l != NULL; l = l->next)
    {
      Call *call = l->data;
      g_variant_builder_add (&builder, "(tsos)", (guint64)call->time, call->sender, call->path,
                             call->method);
    }
  return g_variant_builder_end (&builder);
}

void
vb_faults_clear_log (VbFaults *self)
{
  g_hash_table_remove_all (self->counts);
  g_queue_clear_full (&self->log, call_free);
}

VbFaults *
vb_faults_new (VbWorld *world)
{
  VbFaults *self = g_new0 (VbFaults, 1);

  self->world = world;
  self->rules = g_ptr_array_new_with_free_func (rule_free);
  self->unanswered = g_ptr_array_new ();
  self->delayed = g_hash_table_new_full (NULL, NULL, delayed_free, NULL);
  self->counts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_queue_init (&self->log);
  vb_bus_set_interceptor (world->bus, on_call, self);
  return self;
}

void
vb_faults_free (VbFaults *self)
{
  vb_bus_set_interceptor (self->world->bus, NULL, NULL);
  for (guint i = 0; i < self->unanswered->len; i++)
    g_object_unref (self->unanswered->pdata[i]);
  g_ptr_array_unref (self->unanswered);
  g_ptr_array_unref (self->rules);
  g_hash_table_unref (self->delayed);
  g_hash_table_unref (self->counts);
  g_queue_clear_full (&self->log, call_free);
  g_free (self);
}
