/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notify-watch.h"

#include "ctl-client.h"
#include "notify-goal.h"
#include "notify-sender.h"

typedef enum
{
  TOPIC_BATTERY,
  TOPIC_KEY,
  TOPIC_GOAL,
} Topic;

static const char *const topic_names[] = { "battery", "key", "goal" };

/* A goal that was reached and is not told yet. */
typedef struct
{
  char day[NOTIFY_DAY_SIZE];
  guint steps;
} Goal;

struct NotifyWatch
{
  GDBusObjectManager *objects;
  GDBusConnection *system;
  guint goal_subscription;
  GCancellable *cancellable;
  NotifySender *sender;
  NotifyMemory *memory;
  NotifyConfig config;
  GHashTable *goals;     /* object path -> Goal */
  GHashTable *in_flight; /* set of "ADDRESS topic" that the desktop has not taken yet */
};

/* A message that is under way: what is told once it has arrived. */
typedef struct
{
  char *address;
  char *id; /* "ADDRESS topic" */
  Topic topic;
  NotifyTold told;
} Telling;

static void
telling_free (gpointer data)
{
  Telling *self = data;

  g_free (self->address);
  g_free (self->id);
  g_free (self);
}

static char *
dup_id (Core2DbusChip *chip, Topic topic)
{
  return g_strdup_printf ("%s %s", core2_dbus_chip_get_address (chip), topic_names[topic]);
}

/* Shows a message about @chip; @told is what has been told of its topic once it is shown. */
static void
tell (NotifyWatch *self, Core2DbusChip *chip, Topic topic, const NotifyTold *told,
      const char *icon, gboolean critical, const char *summary, const char *body)
{
  Telling *telling = g_new0 (Telling, 1);
  NotifyMessage message = { .icon = icon, .summary = summary, .body = body, .critical = critical };

  telling->address = g_strdup (core2_dbus_chip_get_address (chip));
  telling->id = dup_id (chip, topic);
  telling->topic = topic;
  telling->told = *told;
  message.topic = telling->id;
  g_hash_table_add (self->in_flight, g_strdup (telling->id));
  notify_sender_send (self->sender, &message, telling, telling_free);
}

static gboolean
is_in_flight (NotifyWatch *self, Core2DbusChip *chip, Topic topic)
{
  g_autofree char *id = dup_id (chip, topic);

  return g_hash_table_contains (self->in_flight, id);
}

static void
judge_battery (NotifyWatch *self, Core2DbusChip *chip)
{
  const char *address = core2_dbus_chip_get_address (chip);
  guint percentage = core2_dbus_chip_get_battery (chip);
  NotifyTold told = notify_memory_get (self->memory, address);
  g_autofree char *title = ctl_chip_dup_title (chip);
  g_autofree char *summary = NULL;
  g_autofree char *body = NULL;
  guint level, after;

  if (!self->config.battery || is_in_flight (self, chip, TOPIC_BATTERY))
    return;
  level = notify_rules_judge_battery (&told, percentage, core2_dbus_chip_get_battery_status (chip),
                                      &after);
  notify_memory_set (self->memory, address, &told);
  if (level == 0)
    return;
  told.battery = after;
  summary = g_strdup_printf ("Battery of %s: %u %%", title, percentage);
  body = g_strdup (level == NOTIFY_BATTERY_EMPTY
                       ? "It is nearly empty. Without it steps are not counted."
                       : "It is low.");
  tell (self, chip, TOPIC_BATTERY, &told,
        level == NOTIFY_BATTERY_EMPTY ? "battery-caution" : "battery-low",
        level == NOTIFY_BATTERY_EMPTY, summary, body);
}

static void
judge_key (NotifyWatch *self, Core2DbusChip *chip)
{
  const char *address = core2_dbus_chip_get_address (chip);
  gboolean authenticated
      = core2_dbus_chip_get_connected (chip) && core2_dbus_chip_get_paired (chip);
  NotifyTold told = notify_memory_get (self->memory, address);
  g_autofree char *title = ctl_chip_dup_title (chip);
  g_autofree char *summary = NULL;
  gboolean rejected;

  if (!self->config.key || is_in_flight (self, chip, TOPIC_KEY))
    return;
  rejected
      = notify_rules_judge_key (&told, core2_dbus_chip_get_last_error (chip), authenticated);
  notify_memory_set (self->memory, address, &told);
  if (!rejected)
    return;
  told.key_rejected = TRUE;
  summary = g_strdup_printf ("%s does not accept its key", title);
  tell (self, chip, TOPIC_KEY, &told, "dialog-password", FALSE, summary,
        "It may have been paired with something else. Its steps still count. Pairing it again, "
        "for instance with core2ctl pair, makes a new key.");
}

/* The other shoe of @chip, or NULL: owned by the caller. */
static Core2DbusChip *
find_partner (NotifyWatch *self, Core2DbusChip *chip)
{
  GList *objects = g_dbus_object_manager_get_objects (self->objects);
  Core2DbusChip *found = NULL;

  for (GList *l = objects; l != NULL && found == NULL; l = l->next)
    {
      Core2DbusChip *other = core2_dbus_object_get_chip (CORE2_DBUS_OBJECT (l->data));

      if (other != NULL
          && notify_rules_is_pair (core2_dbus_chip_get_side (chip),
                                   core2_dbus_chip_get_side (other)))
        found = other;
      else
        g_clear_object (&other);
    }
  g_list_free_full (objects, g_object_unref);
  return found;
}

static void
judge_goal (NotifyWatch *self, Core2DbusChip *chip)
{
  const char *path = g_dbus_proxy_get_object_path (G_DBUS_PROXY (chip));
  const char *address = core2_dbus_chip_get_address (chip);
  const Goal *goal = g_hash_table_lookup (self->goals, path);
  NotifyTold told = notify_memory_get (self->memory, address);
  NotifyTold other_told = { 0 };
  g_autoptr (Core2DbusChip) other = NULL;
  g_autofree char *body = NULL;

  if (goal == NULL || is_in_flight (self, chip, TOPIC_GOAL))
    return;
  other = find_partner (self, chip);
  if (other != NULL)
    {
      if (is_in_flight (self, other, TOPIC_GOAL))
        return;
      other_told = notify_memory_get (self->memory, core2_dbus_chip_get_address (other));
    }
  if (!self->config.goal || !notify_rules_judge_goal (&told, &other_told, goal->day))
    {
      g_hash_table_remove (self->goals, path);
      return;
    }
  g_strlcpy (told.goal_day, goal->day, sizeof told.goal_day);
  body = g_strdup_printf ("%u steps today. The goal is %u.", goal->steps,
                          core2_dbus_chip_get_daily_goal (chip));
  tell (self, chip, TOPIC_GOAL, &told, "emblem-default", FALSE, "Daily goal reached", body);
}

static void
judge (NotifyWatch *self, Core2DbusChip *chip)
{
  if (core2_dbus_chip_get_address (chip) == NULL || !core2_dbus_chip_get_remembered (chip))
    return;
  judge_battery (self, chip);
  judge_key (self, chip);
  judge_goal (self, chip);
}

static void
judge_object (NotifyWatch *self, GDBusObject *object)
{
  g_autoptr (Core2DbusChip) chip = core2_dbus_object_get_chip (CORE2_DBUS_OBJECT (object));

  if (chip != NULL)
    judge (self, chip);
}

static void
judge_all (NotifyWatch *self)
{
  GList *objects = g_dbus_object_manager_get_objects (self->objects);

  for (GList *l = objects; l != NULL; l = l->next)
    judge_object (self, l->data);
  g_list_free_full (objects, g_object_unref);
}

/* The goal of the chip at @path has been reached. */
static void
take_goal (const char *path, const char *day, guint steps, gpointer user_data)
{
  NotifyWatch *self = user_data;
  g_autoptr (GDBusObject) object = g_dbus_object_manager_get_object (self->objects, path);
  Goal *goal = g_new0 (Goal, 1);

  g_strlcpy (goal->day, day, sizeof goal->day);
  goal->steps = steps;
  g_hash_table_insert (self->goals, g_strdup (path), goal);
  if (object != NULL)
    judge_object (self, object);
}

/* What happened while nobody listened. */
static void
ask_goal (NotifyWatch *self, GDBusObject *object)
{
  g_autoptr (Core2DbusChip) chip = core2_dbus_object_get_chip (CORE2_DBUS_OBJECT (object));

  if (chip != NULL)
    notify_goal_ask (chip, self->cancellable, take_goal, self);
}

static void
ask_all_goals (NotifyWatch *self)
{
  GList *objects = g_dbus_object_manager_get_objects (self->objects);

  for (GList *l = objects; l != NULL; l = l->next)
    ask_goal (self, l->data);
  g_list_free_full (objects, g_object_unref);
}

static void
on_object_added (GDBusObjectManager *objects, GDBusObject *object, gpointer user_data)
{
  judge_object (user_data, object);
  ask_goal (user_data, object);
}

static void
on_properties_changed (GDBusObjectManagerClient *objects, GDBusObjectProxy *object,
                       GDBusProxy *proxy, GVariant *changed, GStrv invalidated, gpointer user_data)
{
  judge_object (user_data, G_DBUS_OBJECT (object));
}

static void
on_goal_reached (GDBusConnection *system, const char *sender, const char *path,
                 const char *interface, const char *signal, GVariant *parameters,
                 gpointer user_data)
{
  const char *day;
  guint steps;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(su)")))
    return;
  g_variant_get (parameters, "(&su)", &day, &steps);
  take_goal (path, day, steps, user_data);
}

static void
on_ready (gpointer user_data)
{
  judge_all (user_data);
}

static void
note_told (NotifyWatch *self, const Telling *telling)
{
  NotifyTold told = notify_memory_get (self->memory, telling->address);

  /* Of the other topics more may have been told meanwhile. */
  switch (telling->topic)
    {
    case TOPIC_BATTERY:
      told.battery = telling->told.battery;
      break;
    case TOPIC_KEY:
      told.key_rejected = telling->told.key_rejected;
      break;
    case TOPIC_GOAL:
      g_strlcpy (told.goal_day, telling->told.goal_day, sizeof told.goal_day);
      break;
    default:
      g_assert_not_reached ();
    }
  notify_memory_set (self->memory, telling->address, &told);
}

static void
on_sent (gboolean sent, gpointer user_data, gpointer data)
{
  NotifyWatch *self = user_data;
  const Telling *telling = data;

  g_hash_table_remove (self->in_flight, telling->id);
  /* What failed is tried again when the desktop's notifications come back, or at the next change. */
  if (!sent)
    return;
  note_told (self, telling);
  judge_all (self);
}

NotifyWatch *
notify_watch_new (GDBusObjectManagerClient *objects, GDBusConnection *session,
                  NotifyMemory *memory, const NotifyConfig *config)
{
  NotifyWatch *self = g_new0 (NotifyWatch, 1);

  self->objects = g_object_ref (G_DBUS_OBJECT_MANAGER (objects));
  self->system = g_object_ref (g_dbus_object_manager_client_get_connection (objects));
  self->memory = memory;
  self->config = *config;
  self->goals = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->in_flight = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->cancellable = g_cancellable_new ();
  self->sender = notify_sender_new (session, on_ready, on_sent, self);

  g_signal_connect (objects, "object-added", G_CALLBACK (on_object_added), self);
  g_signal_connect (objects, "interface-proxy-properties-changed",
                    G_CALLBACK (on_properties_changed), self);
  self->goal_subscription = g_dbus_connection_signal_subscribe (
      self->system, CTL_BUS_NAME, CTL_BUS_NAME ".History", "GoalReached", NULL, NULL,
      G_DBUS_SIGNAL_FLAGS_NONE, on_goal_reached, self, NULL);
  ask_all_goals (self);
  return self;
}

void
notify_watch_free (NotifyWatch *self)
{
  g_cancellable_cancel (self->cancellable);
  g_object_unref (self->cancellable);
  g_dbus_connection_signal_unsubscribe (self->system, self->goal_subscription);
  g_signal_handlers_disconnect_by_data (self->objects, self);
  notify_sender_free (self->sender);
  g_hash_table_unref (self->goals);
  g_hash_table_unref (self->in_flight);
  g_object_unref (self->system);
  g_object_unref (self->objects);
  g_free (self);
}

void
notify_watch_set_config (NotifyWatch *self, const NotifyConfig *config)
{
  self->config = *config;
  judge_all (self);
}
