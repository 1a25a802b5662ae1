/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core2-request.h"

#include <stdarg.h>
#include <string.h>

static void
free_secret (gpointer data)
{
  explicit_bzero (data, CORE2_REQUEST_SECRET_MAX);
  g_free (data);
}

GBytes *
core2_secret_new (const void *data, gsize size)
{
  guint8 *copy = g_malloc0 (CORE2_REQUEST_SECRET_MAX);

  memcpy (copy, data, MIN (size, CORE2_REQUEST_SECRET_MAX));
  return g_bytes_new_with_free_func (copy, MIN (size, CORE2_REQUEST_SECRET_MAX), free_secret,
                                     copy);
}

GPtrArray *
core2_requests_new (void)
{
  return g_ptr_array_new ();
}

void
core2_requests_fail (GPtrArray *set, Core2Error code, const char *text)
{
  while (set->len > 0)
    core2_request_fail (g_ptr_array_index (set, 0), code, "%s", text);
}

void
core2_requests_free (GPtrArray *set, Core2Error code, const char *text)
{
  core2_requests_fail (set, code, text);
  g_ptr_array_unref (set);
}

Core2Request *
core2_request_new (GPtrArray *set, Core2Bus *bus, sd_bus_message *message, gpointer owner)
{
  Core2Request *self = g_new0 (Core2Request, 1);

  self->set = set;
  self->owner = owner;
  self->bus = bus;
  self->message = sd_bus_message_ref (message);
  g_ptr_array_add (set, self);
  core2_callers_begin (core2_bus_get_callers (bus), sd_bus_message_get_sender (message));
  return self;
}

void
core2_request_drop (Core2Request *self)
{
  g_ptr_array_remove (self->set, self);
  if (self->on_end != NULL)
    self->on_end (self);
  core2_access_check_cancel (&self->check);
  core2_client_watch_stop (&self->watch);
  g_clear_handle_id (&self->timer, g_source_remove);
  g_clear_pointer (&self->secret, g_bytes_unref);
  if (self->extra != NULL && self->free_extra != NULL)
    self->free_extra (self->extra);
  g_free (self->text);
  core2_callers_end (core2_bus_get_callers (self->bus), sd_bus_message_get_sender (self->message));
  sd_bus_message_unref (self->message);
  g_free (self);
}

static void
access_done (gboolean allowed, const sd_bus_error *error, gpointer user_data)
{
  Core2Request *self = user_data;

  if (allowed)
    {
      self->run (self);
      return;
    }
  sd_bus_reply_method_error (self->message, error);
  core2_request_drop (self);
}

void
core2_request_authorize (Core2Request *self, Core2Access *access, const char *action,
                         const char *address, const char *alias, Core2RequestRun run)
{
  self->run = run;
  core2_access_check (access, &self->check, self->message, action, address, alias, access_done,
                      self);
}

static gboolean
on_timeout (gpointer user_data)
{
  Core2Request *self = user_data;
  Core2RequestRun expired = self->run;

  self->timer = 0;
  expired (self);
  return G_SOURCE_REMOVE;
}

void
core2_request_set_timeout (Core2Request *self, guint timeout_ms, Core2RequestRun expired)
{
  g_clear_handle_id (&self->timer, g_source_remove);
  self->run = expired;
  self->timer = g_timeout_add (timeout_ms, on_timeout, self);
}

static void
on_caller_gone (gpointer user_data)
{
  Core2Request *self = user_data;

  self->on_gone (self);
}

void
core2_request_clear_timeout (Core2Request *self)
{
  g_clear_handle_id (&self->timer, g_source_remove);
}

void
core2_request_watch_caller (Core2Request *self, Core2RequestRun gone)
{
  self->on_gone = gone;
  core2_client_watch_start (self->bus, &self->watch, sd_bus_message_get_sender (self->message),
                            on_caller_gone, self);
}

void
core2_request_unwatch_caller (Core2Request *self)
{
  core2_client_watch_stop (&self->watch);
}

void
core2_request_reply_message (Core2Request *self, sd_bus_message *reply, int r)
{
  if (r >= 0)
    {
      sd_bus_send (NULL, reply, NULL);
      core2_request_drop (self);
    }
  else
    core2_request_fail (self, CORE2_ERROR_FAILED, "no reply could be made: %s", g_strerror (-r));
  sd_bus_message_unref (reply);
}

void
core2_request_reply (Core2Request *self, const char *types, ...)
{
  sd_bus_message *reply = NULL;
  va_list values;
  int r = sd_bus_message_new_method_return (self->message, &reply);

  if (r >= 0 && types != NULL)
    {
      va_start (values, types);
      r = sd_bus_message_appendv (reply, types, values);
      va_end (values);
    }
  core2_request_reply_message (self, reply, r);
}

void
core2_request_fail (Core2Request *self, Core2Error code, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  sd_bus_reply_method_errorf (self->message, core2_error_get_name (code), "%s", text);
  core2_request_drop (self);
}

void
core2_request_fail_gerror (Core2Request *self, const GError *error)
{
  core2_request_fail (self, core2_error_get_code (error), "%s", error->message);
}

/* --- options -------------------------------------------------------------------------------------- */

static int
out_of_bounds (const Core2Option *option, const char *what, sd_bus_error *error)
{
  if (option->minimum == option->maximum)
    return core2_error_set (error, CORE2_ERROR_INVALID_ARGUMENTS, "option %s must be %u%s",
                            option->name, option->minimum, what);
  return core2_error_set (error, CORE2_ERROR_INVALID_ARGUMENTS, "option %s must be %u to %u%s",
                          option->name, option->minimum, option->maximum, what);
}

static int
read_value (sd_bus_message *message, const Core2Option *option, sd_bus_error *error)
{
  const void *data;
  const char *text;
  size_t size;
  int flag;
  int r;

  switch (option->type)
    {
    case SD_BUS_TYPE_UINT32:
      r = sd_bus_message_read_basic (message, SD_BUS_TYPE_UINT32, option->value);
      if (r >= 0
          && (*(guint32 *) option->value < option->minimum
              || *(guint32 *) option->value > option->maximum))
        return out_of_bounds (option, "", error);
      return r;
    case SD_BUS_TYPE_UINT64:
      return sd_bus_message_read_basic (message, SD_BUS_TYPE_UINT64, option->value);
    case SD_BUS_TYPE_BOOLEAN:
      r = sd_bus_message_read_basic (message, SD_BUS_TYPE_BOOLEAN, &flag);
      if (r >= 0)
        *(gboolean *) option->value = flag != 0;
      return r;
    case SD_BUS_TYPE_STRING:
      r = sd_bus_message_read_basic (message, SD_BUS_TYPE_STRING, &text);
      if (r < 0)
        return r;
      if (strlen (text) < option->minimum || strlen (text) > option->maximum)
        return out_of_bounds (option, " bytes long", error);
      *(char **) option->value = g_strdup (text);
      return 0;
    case SD_BUS_TYPE_BYTE:
      r = sd_bus_message_read_array (message, SD_BUS_TYPE_BYTE, &data, &size);
      if (r < 0)
        return r;
      if (size < option->minimum || size > option->maximum)
        return out_of_bounds (option, " bytes long", error);
      *(GBytes **) option->value = core2_secret_new (data, size);
      return 0;
    default:
      g_assert_not_reached ();
    }
}

static int
read_option (sd_bus_message *message, Core2Option *option, sd_bus_error *error)
{
  const char basic[2] = { option->type, '\0' };
  const char *signature = option->type == SD_BUS_TYPE_BYTE ? "ay" : basic;
  const char *contents;
  int r;

  if (option->given)
    return core2_error_set (error, CORE2_ERROR_INVALID_ARGUMENTS, "option %s is given twice",
                            option->name);
  option->given = TRUE;
  r = sd_bus_message_peek_type (message, NULL, &contents);
  if (r < 0)
    return r;
  if (g_strcmp0 (contents, signature) != 0)
    return core2_error_set (error, CORE2_ERROR_INVALID_ARGUMENTS,
                            "option %s must have type %s, not %s", option->name, signature,
                            contents);
  r = sd_bus_message_enter_container (message, SD_BUS_TYPE_VARIANT, signature);
  if (r < 0 || (r = read_value (message, option, error)) < 0)
    return r;
  return sd_bus_message_exit_container (message);
}

int
core2_options_read (sd_bus_message *message, Core2Option *options, gsize n_options,
                    sd_bus_error *error)
{
  int r = sd_bus_message_enter_container (message, SD_BUS_TYPE_ARRAY, "{sv}");

  if (r < 0)
    return r;
  while ((r = sd_bus_message_enter_container (message, SD_BUS_TYPE_DICT_ENTRY, "sv")) > 0)
    {
      const char *name;
      gsize i;

      if ((r = sd_bus_message_read_basic (message, SD_BUS_TYPE_STRING, &name)) < 0)
        return r;
      for (i = 0; i < n_options && strcmp (options[i].name, name) != 0; i++)
        ;
      if (i == n_options)
        return core2_error_set (error, CORE2_ERROR_INVALID_ARGUMENTS, "unknown option %.64s", name);
      if ((r = read_option (message, &options[i], error)) < 0
          || (r = sd_bus_message_exit_container (message)) < 0)
        return r;
    }
  return r < 0 ? r : sd_bus_message_exit_container (message);
}
