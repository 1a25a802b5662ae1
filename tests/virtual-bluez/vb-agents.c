/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "vb-agents.h"
#include "vb-owners.h"

struct _VbAgents
{
  VbWorld *world;
  VbObject *object;
  GHashTable *agents; /* unique name -> object path: one agent for each client */
};

static gboolean
method_register (BluezAgentManager1 *object,
                 GDBusMethodInvocation *invocation,
                 const char *path,
                 const char *capability)
{
  static const char *const capabilities[]
      = { "",  "DisplayOnly", "DisplayYesNo", "KeyboardOnly", "NoInputNoOutput", "KeyboardDisplay",
          NULL };
  VbAgents *self = vb_interface_get_owner (object);
  const char *sender = g_dbus_method_invocation_get_sender (invocation);

  if (g_hash_table_contains (self->agents, sender))
    vb_bus_return_error (self->world->bus, invocation, "AlreadyExists", "Already Exists");
  else if (!g_strv_contains (capabilities, capability))
    vb_bus_return_error (self->world->bus, invocation, "InvalidArguments",
                         "Invalid arguments in method call");
  else
    {
      vb_owners_note (self->world->owners, sender);
      g_hash_table_insert (self->agents, g_strdup (sender), g_strdup (path));
      vb_bus_return (self->world->bus, invocation, NULL);
    }
  return TRUE;
}

static gboolean
is_registered (VbAgents *self, GDBusMethodInvocation *invocation, const char *path)
{
  const char *sender = g_dbus_method_invocation_get_sender (invocation);

  if (g_strcmp0 (g_hash_table_lookup (self->agents, sender), path) == 0)
    return TRUE;
  vb_bus_return_error (self->world->bus, invocation, "DoesNotExist", "Does Not Exist");
  return FALSE;
}

static gboolean
method_unregister (BluezAgentManager1 *object, GDBusMethodInvocation *invocation, const char *path)
{
  VbAgents *self = vb_interface_get_owner (object);

  if (is_registered (self, invocation, path))
    {
      g_hash_table_remove (self->agents, g_dbus_method_invocation_get_sender (invocation));
      vb_bus_return (self->world->bus, invocation, NULL);
    }
  return TRUE;
}

static gboolean
method_request_default (BluezAgentManager1 *object,
                        GDBusMethodInvocation *invocation,
                        const char *path)
{
  VbAgents *self = vb_interface_get_owner (object);

  if (is_registered (self, invocation, path))
    vb_bus_return (self->world->bus, invocation, NULL);
  return TRUE;
}

VbAgents *
vb_agents_new (VbWorld *world)
{
  VbAgents *self = g_new0 (VbAgents, 1);
  BluezAgentManager1Iface *iface = vb_interface_class_setup (BLUEZ_TYPE_AGENT_MANAGER1_SKELETON,
                                                             BLUEZ_TYPE_AGENT_MANAGER1, NULL, NULL);

  iface->handle_register_agent = method_register;
  iface->handle_unregister_agent = method_unregister;
  iface->handle_request_default_agent = method_request_default;
  self->world = world;
  self->agents = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->object = vb_object_new (world->bus, "/org/bluez");
  vb_object_add (self->object, bluez_agent_manager1_skeleton_new (), self);
  vb_object_publish (self->object);
  return self;
}

void
vb_agents_free (VbAgents *self)
{
  vb_object_free (self->object);
  g_hash_table_unref (self->agents);
  g_free (self);
}

void
vb_agents_client_gone (VbAgents *self, const char *client)
{
  g_hash_table_remove (self->agents, client);
}
