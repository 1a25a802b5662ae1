/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-access.h"
#include "core2-error.h"
#include "core2-log.h"

#include <string.h>
#include <unistd.h>

#define TOPIC "access"
#define ACTION_PREFIX "org.example.core2."
#define TIMEOUT_MS (5 * 1000)
#define TIMEOUT_INTERACTIVE_MS (120 * 1000)

/* CheckAuthorizationFlags of polkit. */
#define ALLOW_USER_INTERACTION 1u

/* One question to polkit, and all who wait for its answer. */
typedef struct
{
  Core2Access *access;
  char *key; /* sender, action, chip, interaction: what makes two questions the same */
  char *sender;
  char *action;
  char *cancel_id; /* NULL while polkit does not work on it */
  Core2Call *call;
  Core2ClientWatch *watch;
  GPtrArray *checks;
  gboolean answered; /* the waiting ones are being told */
} Question;

struct Core2AccessCheck
{
  Core2Access *access;
  Core2AccessCheck **owner;
  Question *question; /* NULL when it was refused at once */
  char *sender;
  guint refusal; /* idle source */
  Core2AccessDone done;
  gpointer user_data;
};

struct Core2Access
{
  Core2Bus *bus;
  GHashTable *questions; /* key -> Question */
  GPtrArray *checks;     /* all, borrowed */
  Core2LogLimit *log_limit;
  guint64 last_id;
  gboolean polkit_missing; /* said so in the log */
};

static void ask_uid (Question *question);

/* --- questions and those who wait ------------------------------------------------------------- */

static void
check_free (Core2AccessCheck *check)
{
  *check->owner = NULL;
  g_ptr_array_remove_fast (check->access->checks, check);
  if (check->question != NULL)
    g_ptr_array_remove (check->question->checks, check);
  g_clear_handle_id (&check->refusal, g_source_remove);
  g_free (check->sender);
  g_free (check);
}

static void
check_finish (Core2AccessCheck *check, gboolean allowed, const sd_bus_error *error)
{
  Core2AccessDone done = check->done;
  gpointer user_data = check->user_data;

  check_free (check);
  done (allowed, error, user_data);
}

/* Tells polkit that nobody waits any more, so that it closes a dialog. */
static void
cancel_at_polkit (Question *question)
{
  Core2Bus *bus = question->access->bus;
  sd_bus_message *message = NULL;

  if (question->cancel_id == NULL)
    return;
  if (sd_bus_message_new_method_call (core2_bus_get (bus), &message, "org.freedesktop.PolicyKit1",
                                      "/org/freedesktop/PolicyKit1/Authority",
                                      "org.freedesktop.PolicyKit1.Authority",
                                      "CancelCheckAuthorization")
          >= 0
      && sd_bus_message_append (message, "s", question->cancel_id) < 0)
    message = sd_bus_message_unref (message);
  core2_bus_send_unanswered (bus, message);
}

static void
question_free (Question *question)
{
  core2_call_cancel (&question->call);
  core2_client_watch_stop (&question->watch);
  g_ptr_array_unref (question->checks);
  g_free (question->cancel_id);
  g_free (question->action);
  g_free (question->sender);
  g_free (question->key);
  g_free (question);
}

/* Each of them may take back others, or ask again: that is then a new question. */
static void
question_answer (Question *question, gboolean allowed, const sd_bus_error *error)
{
  question->answered = TRUE;
  core2_call_cancel (&question->call);
  g_hash_table_remove (question->access->questions, question->key);
  while (question->checks->len > 0)
    check_finish (question->checks->pdata[0], allowed, error);
  question_free (question);
}

G_GNUC_PRINTF (3, 4)
static void
question_deny (Question *question, Core2Error code, const char *format, ...)
{
  sd_bus_error error = SD_BUS_ERROR_NULL;
  va_list arguments;

  va_start (arguments, format);
  g_autofree char *text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  core2_error_set (&error, code, "%s", text);
  question_answer (question, FALSE, &error);
  sd_bus_error_free (&error);
}

static void
on_sender_gone (gpointer user_data)
{
  Question *question = user_data;

  cancel_at_polkit (question);
  question_deny (question, CORE2_ERROR_ACCESS_DENIED, "the caller has left the bus");
}

/* --- without polkit --------------------------------------------------------------------------- */

static void
uid_done (sd_bus_message *reply, const sd_bus_error *error, gpointer user_data)
{
  Question *question = user_data;
  guint32 uid;

  if (reply == NULL || sd_bus_message_read (reply, "u", &uid) < 0)
    question_deny (question, CORE2_ERROR_ACCESS_DENIED, "who asks could not be found out");
  else if (uid == 0 || uid == geteuid ())
    question_answer (question, TRUE, NULL);
  else
    question_deny (question, CORE2_ERROR_ACCESS_DENIED,
                   "%s%s is for administrators only, as no polkit runs here", ACTION_PREFIX,
                   question->action);
}

static void
ask_uid (Question *question)
{
  Core2Access *self = question->access;
  sd_bus_message *message = NULL;

  if (!self->polkit_missing)
    core2_log_notice (NULL, TOPIC, "no polkit runs: only root may do what needs authorisation");
  self->polkit_missing = TRUE;

  g_clear_pointer (&question->cancel_id, g_free);
  if (sd_bus_message_new_method_call (core2_bus_get (self->bus), &message, "org.freedesktop.DBus",
                                      "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                      "GetConnectionUnixUser")
          < 0
      || sd_bus_message_append (message, "s", question->sender) < 0)
    question_deny (question, CORE2_ERROR_ACCESS_DENIED, "who asks could not be found out");
  else
    core2_call_start_uncounted (self->bus, &question->call, message, TIMEOUT_MS, uid_done,
                                question);
  sd_bus_message_unref (message);
}

/* --- polkit ----------------------------------------------------------------------------------- */

/* Nobody owns its name, and the bus could not start it either. */
static gboolean
is_polkit_missing (const sd_bus_error *error)
{
  return sd_bus_error_has_name (error, SD_BUS_ERROR_SERVICE_UNKNOWN)
         || sd_bus_error_has_name (error, SD_BUS_ERROR_NAME_HAS_NO_OWNER)
         || g_str_has_prefix (error->name, "org.freedesktop.DBus.Error.Spawn.")
         || g_str_has_prefix (error->name, "org.freedesktop.systemd1.");
}

static void
handle_polkit_error (Question *question, const sd_bus_error *error)
{
  Core2Access *self = question->access;

  if (is_polkit_missing (error))
    {
      ask_uid (question);
      return;
    }

  core2_log_write_limited (self->log_limit, "polkit", CORE2_LOG_WARNING,
                           CORE2_LOG_FIELDS (.topic = TOPIC, .error = error->name),
                           "polkit did not answer about %s%s: %s", ACTION_PREFIX, question->action,
                           error->message);
  if (sd_bus_error_has_name (error, SD_BUS_ERROR_NO_REPLY)
      || sd_bus_error_has_name (error, SD_BUS_ERROR_TIMEOUT))
    {
      cancel_at_polkit (question);
      question_deny (question, CORE2_ERROR_ACCESS_DENIED,
                     "%s%s was not authorised in time", ACTION_PREFIX, question->action);
      return;
    }
  question_deny (question, CORE2_ERROR_ACCESS_DENIED, "polkit cannot authorise %s%s: %s",
                 ACTION_PREFIX, question->action, error->message);
}

static void
polkit_done (sd_bus_message *reply, const sd_bus_error *error, gpointer user_data)
{
  Question *question = user_data;
  int authorized, challenge;

  if (error != NULL)
    {
      handle_polkit_error (question, error);
      return;
    }
  question->access->polkit_missing = FALSE;

  /* (bba{ss}): the details that follow are of no use here. */
  if (sd_bus_message_enter_container (reply, SD_BUS_TYPE_STRUCT, "bba{ss}") < 0
      || sd_bus_message_read (reply, "bb", &authorized, &challenge) < 0)
    question_deny (question, CORE2_ERROR_ACCESS_DENIED, "polkit's answer cannot be read");
  else if (authorized)
    question_answer (question, TRUE, NULL);
  else if (challenge)
    question_deny (question, CORE2_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                   "%s%s needs interactive authorisation", ACTION_PREFIX, question->action);
  else
    question_deny (question, CORE2_ERROR_ACCESS_DENIED, "%s%s is not allowed", ACTION_PREFIX,
                   question->action);
}

static int
append_details (sd_bus_message *message, const char *address, const char *alias)
{
  int r = sd_bus_message_open_container (message, SD_BUS_TYPE_ARRAY, "{ss}");

  if (r >= 0 && address != NULL)
    r = sd_bus_message_append (message, "{ss}", "address", address);
  if (r >= 0 && alias != NULL && *alias != '\0')
    r = sd_bus_message_append (message, "{ss}", "alias", alias);
  return r < 0 ? r : sd_bus_message_close_container (message);
}

static int
make_polkit_call (Question *question, const char *address, const char *alias, gboolean interactive,
                  sd_bus_message **message)
{
  g_autofree char *action = g_strconcat (ACTION_PREFIX, question->action, NULL);
  int r = sd_bus_message_new_method_call (core2_bus_get (question->access->bus), message,
                                          "org.freedesktop.PolicyKit1",
                                          "/org/freedesktop/PolicyKit1/Authority",
                                          "org.freedesktop.PolicyKit1.Authority",
                                          "CheckAuthorization");

  if (r >= 0)
    r = sd_bus_message_append (*message, "(sa{sv})s", "system-bus-name", 1, "name", "s",
                               question->sender, action);
  if (r >= 0)
    r = append_details (*message, address, alias);
  if (r >= 0)
    r = sd_bus_message_append (*message, "us", interactive ? ALLOW_USER_INTERACTION : 0u,
                               question->cancel_id);
  return r;
}

static Question *
question_new (Core2Access *self, const char *key, const char *sender, const char *action)
{
  Question *question = g_new0 (Question, 1);

  question->access = self;
  question->key = g_strdup (key);
  question->sender = g_strdup (sender);
  question->action = g_strdup (action);
  question->cancel_id = g_strdup_printf ("core2d-%" G_GUINT64_FORMAT, ++self->last_id);
  question->checks = g_ptr_array_new ();
  g_hash_table_insert (self->questions, question->key, question);
  return question;
}

/* NULL when no message could be made, which only a lost connection does. */
static Question *
ask_polkit (Core2Access *self, const char *key, const char *sender, const char *action,
            const char *address, const char *alias, gboolean interactive)
{
  Question *question = question_new (self, key, sender, action);
  sd_bus_message *message = NULL;

  if (make_polkit_call (question, address, alias, interactive, &message) < 0)
    {
      sd_bus_message_unref (message);
      g_hash_table_remove (self->questions, key);
      question_free (question);
      return NULL;
    }

  /* Not counted: a person who thinks about a password must not keep the calls to BlueZ waiting. */
  core2_call_start_uncounted (self->bus, &question->call, message,
                              interactive ? TIMEOUT_INTERACTIVE_MS : TIMEOUT_MS, polkit_done,
                              question);
  core2_client_watch_start (self->bus, &question->watch, sender, on_sender_gone, question);
  sd_bus_message_unref (message);
  return question;
}

/* --- the interface ---------------------------------------------------------------------------- */

Core2Access *
core2_access_new (Core2Bus *bus)
{
  Core2Access *self = g_new0 (Core2Access, 1);

  self->bus = bus;
  self->questions = g_hash_table_new (g_str_hash, g_str_equal);
  self->checks = g_ptr_array_new ();
  self->log_limit = core2_log_limit_new ();
  return self;
}

void
core2_access_free (Core2Access *self)
{
  if (self == NULL)
    return;
  while (self->checks->len > 0)
    {
      Core2AccessCheck *check = self->checks->pdata[0];

      core2_access_check_cancel (check->owner);
    }
  g_ptr_array_unref (self->checks);
  g_hash_table_unref (self->questions);
  core2_log_limit_free (self->log_limit);
  g_free (self);
}

static gboolean
on_refusal (gpointer user_data)
{
  static const sd_bus_error refused = SD_BUS_ERROR_MAKE_CONST (
      "org.example.Core2.Error.RateLimited", "too many requests wait for authorisation");
  Core2AccessCheck *check = user_data;

  check->refusal = 0;
  check_finish (check, FALSE, &refused);
  return G_SOURCE_REMOVE;
}

static gboolean
has_room (Core2Access *self, const char *sender)
{
  guint of_sender = 0;

  for (guint i = 0; i < self->checks->len; i++)
    {
      const Core2AccessCheck *check = self->checks->pdata[i];

      if (g_str_equal (check->sender, sender))
        of_sender++;
    }
  return self->checks->len < CORE2_ACCESS_MAX && of_sender < CORE2_ACCESS_MAX_PER_CLIENT;
}

void
core2_access_check (Core2Access *self, Core2AccessCheck **check, sd_bus_message *message,
                    const char *action, const char *address, const char *alias,
                    Core2AccessDone done, gpointer user_data)
{
  const char *sender = sd_bus_message_get_sender (message);
  gboolean interactive = sd_bus_message_get_allow_interactive_authorization (message) > 0;
  gboolean room;
  Question *question = NULL;

  g_return_if_fail (*check == NULL);
  if (sender == NULL)
    sender = "";
  room = has_room (self, sender);

  Core2AccessCheck *new_check = g_new0 (Core2AccessCheck, 1);

  new_check->access = self;
  new_check->owner = check;
  new_check->sender = g_strdup (sender);
  new_check->done = done;
  new_check->user_data = user_data;
  *check = new_check;
  g_ptr_array_add (self->checks, new_check);

  if (room)
    {
      g_autofree char *key = g_strdup_printf ("%s %s %s %d", sender, action,
                                              address == NULL ? "" : address, interactive);

      question = g_hash_table_lookup (self->questions, key);
      if (question == NULL)
        question = ask_polkit (self, key, sender, action, address, alias, interactive);
    }
  if (question == NULL)
    {
      new_check->refusal = g_idle_add (on_refusal, new_check);
      return;
    }
  new_check->question = question;
  g_ptr_array_add (question->checks, new_check);
}

void
core2_access_check_cancel (Core2AccessCheck **check)
{
  if (*check == NULL)
    return;

  Question *question = (*check)->question;

  check_free (*check);
  if (question == NULL || question->answered || question->checks->len > 0)
    return;
  cancel_at_polkit (question);
  g_hash_table_remove (question->access->questions, question->key);
  question_free (question);
}
