/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "vb-link.h"
#include "vb-gatt-client.h"
#include "vb-storage.h"

#define NEVER (-1)

static void
bus_error (VbDevice *device, GDBusMethodInvocation *invocation, const char *message)
{
  vb_bus_return_error (device->adapter->world->bus, invocation, "Failed", "%s", message);
}

/* Whether the link of this device was made by its own adapter. */
gboolean
vb_link_is_central (VbDevice *device)
{
  return device->link != NULL && device->link->central == device;
}

/* --- the end of an attempt --- */

static void
end_attempt (VbDevice *self)
{
  self->connecting = FALSE;
  g_clear_handle_id (&self->connect_timer, g_source_remove);
  g_clear_handle_id (&self->establish_timer, g_source_remove);
}

/* Ends an attempt to connect; a pending Connect fails with that message. */
void
vb_link_abort_connect (VbDevice *self, const char *message)
{
  end_attempt (self);
  if (self->connect_call != NULL)
    bus_error (self, g_steal_pointer (&self->connect_call), message);
}

static gboolean
on_connect_timeout (gpointer user_data)
{
  VbDevice *self = user_data;

  self->connect_timer = 0;
  vb_link_abort_connect (self, "le-connection-abort-by-local");
  return G_SOURCE_REMOVE;
}

/* --- services --- */

/* Publishes what the peer offers, and arms the subscriptions. */
static void
show_services (VbLink *self)
{
  VbDevice *device = self->central;

  self->resolved = TRUE;
  vb_gatt_client_sync (device);
  vb_gatt_client_connected (device);
  device->resolved_before = TRUE;
  vb_storage_save (device);
  if (vb_device_has_profile_uuid (device))
    device->auto_connect = TRUE;
}

static gboolean
on_show_services (gpointer user_data)
{
  VbDevice *device = user_data;

  device->resolve_timer = 0;
  show_services (device->link);
  return G_SOURCE_REMOVE;
}

static void
add_service_uuids (VbLink *self)
{
  GPtrArray *services = self->peripheral->adapter->services;
  g_autoptr (GPtrArray) uuids = g_ptr_array_new ();

  for (guint i = 0; i < services->len; i++)
    g_ptr_array_add (uuids, ((VbLocalService *)services->pdata[i])->uuid);
  g_ptr_array_add (uuids, NULL);
  vb_device_add_uuids (self->central, (const char *const *)uuids->pdata);
}

/* Ends the discovery of services: the flag first, the objects after it, as bluetoothd 5.66 does,
 * unless the options want it otherwise. */
void
vb_link_resolve (VbLink *self)
{
  VbDevice *device = self->central;
  const VbOptions *options = &device->adapter->world->options;

  g_clear_handle_id (&device->resolve_timer, g_source_remove);
  add_service_uuids (self);
  if (options->objects_first)
    show_services (self);
  bluez_device1_set_services_resolved (device->skeleton, TRUE);
  vb_bus_flush (device->adapter->world->bus);
  if (options->objects_first)
    return;
  if (options->objects_delay_ms == 0)
    show_services (self);
  else if (options->objects_delay_ms != NEVER)
    device->resolve_timer = g_timeout_add (options->objects_delay_ms, on_show_services, device);
}

static gboolean
on_resolved (gpointer user_data)
{
  VbDevice *device = user_data;

  device->resolve_timer = 0;
  vb_link_resolve (device->link);
  return G_SOURCE_REMOVE;
}

/* --- a link comes up --- */

static void
set_connected (VbDevice *self, VbLink *link, gboolean signalled)
{
  self->link = link;
  self->adapter->connections++;
  vb_device_seen (self);
  vb_interface_set_muted (self->skeleton, !signalled);
  bluez_device1_set_connected (self->skeleton, TRUE);
  vb_interface_set_muted (self->skeleton, FALSE);
  vb_storage_save (self);
}

static VbDevice *
ensure_central_device (VbAdapter *peripheral, VbAdapter *central)
{
  VbDevice *device = vb_adapter_find_device (peripheral, central->address);

  if (device == NULL)
    {
      device = vb_device_new (peripheral, central->address,
                              bluez_adapter1_get_address_type (central->skeleton));
      vb_object_publish (device->object);
    }
  return device;
}

static void
establish (VbDevice *self, VbAdapter *peer)
{
  const VbOptions *options = &self->adapter->world->options;
  VbLink *link = g_new0 (VbLink, 1);
  /* After Connect() bluetoothd 5.66 misses to signal Connected, after an own reconnection it does.
   */
  gboolean signalled = self->connect_call == NULL || options->signal_connected;

  end_attempt (self);
  link->central = self;
  link->peripheral = ensure_central_device (peer, self->adapter);
  g_queue_init (&link->operations);
  set_connected (self, link, signalled);
  set_connected (link->peripheral, link, TRUE);
  if (self->connect_call != NULL)
    vb_bus_return (self->adapter->world->bus, g_steal_pointer (&self->connect_call), NULL);
  if (options->resolve_delay_ms != NEVER)
    self->resolve_timer = g_timeout_add (options->resolve_delay_ms, on_resolved, self);
}

static gboolean
has_free_slot (VbAdapter *adapter)
{
  return adapter->connection_limit == 0 || adapter->connections < adapter->connection_limit;
}

static gboolean
on_establish (gpointer user_data)
{
  VbDevice *self = user_data;
  VbAdapter *peer = vb_world_find_adapter (self->adapter->world, self->address);

  self->establish_timer = 0;
  if (peer == NULL || !vb_peer_is_heard_by (peer->peer, self->adapter))
    return G_SOURCE_REMOVE; /* gone again: wait for the next advertisement */
  if (!has_free_slot (self->adapter) || !has_free_slot (peer))
    vb_link_abort_connect (self, "le-connection-concurrent-connection-limit");
  else
    establish (self, peer);
  return G_SOURCE_REMOVE;
}

/* The adapter hears a peer: connects when somebody waits for it. */
void
vb_link_peer_heard (VbAdapter *adapter, VbPeer *peer)
{
  VbDevice *device = vb_adapter_find_device (adapter, peer->address);

  if (device == NULL || device->link != NULL || device->establish_timer != 0
      || !peer->report.connectable || peer->adapter == NULL)
    return;
  if (bluez_device1_get_blocked (device->skeleton))
    return;
  if (device->connecting || (device->auto_connect && !device->auto_connect_off))
    device->establish_timer
        = g_timeout_add (adapter->world->options.connect_delay_ms, on_establish, device);
}

/* A profile was registered or the device became trusted: from now on it is connected when heard. */
void
vb_link_update_auto_connect (VbDevice *device)
{
  VbAdapter *peer = vb_world_find_adapter (device->adapter->world, device->address);

  if (!device->resolved_before || !bluez_device1_get_trusted (device->skeleton)
      || !vb_device_has_profile_uuid (device))
    return;
  device->auto_connect = TRUE;
  if (peer != NULL && vb_peer_is_heard_by (peer->peer, device->adapter))
    vb_link_peer_heard (device->adapter, peer->peer);
}

gboolean
vb_link_method_connect (BluezDevice1 *object, GDBusMethodInvocation *invocation)
{
  VbDevice *self = vb_interface_get_owner (object);
  VbWorld *world = self->adapter->world;

  if (self->link != NULL)
    {
      vb_bus_return (world->bus, invocation, NULL);
      return TRUE;
    }
  vb_device_set_temporary (self, FALSE);
  if (self->connecting)
    bus_error (self, invocation, "Operation already in progress");
  else if (!self->adapter->powered)
    bus_error (self, invocation, "Input/output error");
  else
    {
      VbAdapter *peer = vb_world_find_adapter (world, self->address);

      if (self->auto_connect_off)
        self->auto_connect = TRUE;
      self->auto_connect_off = FALSE;
      self->connecting = TRUE;
      self->connect_call = invocation;
      self->connect_timer
          = g_timeout_add (world->options.connect_timeout_ms, on_connect_timeout, self);
      if (peer != NULL && vb_peer_is_heard_by (peer->peer, self->adapter))
        vb_link_peer_heard (self->adapter, peer->peer);
    }
  return TRUE;
}

/* --- a link goes down --- */

static void
set_disconnected (VbDevice *self)
{
  VbBus *bus = self->adapter->world->bus;

  self->link = NULL;
  self->adapter->connections--;
  g_clear_handle_id (&self->resolve_timer, g_source_remove);
  g_clear_handle_id (&self->disconnect_timer, g_source_remove);
  bluez_device1_set_services_resolved (self->skeleton, FALSE);
  while (self->disconnect_calls->len > 0)
    vb_bus_return (bus, g_ptr_array_remove_index (self->disconnect_calls, 0), NULL);
  bluez_device1_set_connected (self->skeleton, FALSE);
}

static void
forget_or_keep (VbDevice *self)
{
  VbWorld *world = self->adapter->world;

  if (self->remove_when_down)
    {
      vb_device_remove (self);
      return;
    }
  self->auto_connect = self->auto_connect && vb_device_has_profile_uuid (self);
  vb_storage_save (self);
  if (!bluez_device1_get_trusted (self->skeleton))
    {
      vb_device_set_temporary (self, TRUE);
      return;
    }
  VbAdapter *peer = vb_world_find_adapter (world, self->address);
  if (peer != NULL && vb_peer_is_heard_by (peer->peer, self->adapter))
    vb_link_peer_heard (self->adapter, peer->peer);
}

/* Ends a link at once, for both sides. Frees it; a device that was to be removed goes with it. */
void
vb_link_drop (VbLink *self)
{
  VbDevice *central = self->central, *peripheral = self->peripheral;

  vb_gatt_client_disconnected (central);
  set_disconnected (central);
  set_disconnected (peripheral);
  g_free (self);
  vb_bus_flush (central->adapter->world->bus);
  forget_or_keep (peripheral);
  forget_or_keep (central);
}

static gboolean
on_disconnect (gpointer user_data)
{
  VbDevice *self = user_data;

  self->disconnect_timer = 0;
  vb_link_drop (self->link);
  return G_SOURCE_REMOVE;
}

/* Cancels a pending Connect, or closes the link after bluetoothd's delay; answers the call then. */
void
vb_link_request_disconnect (VbDevice *self, GDBusMethodInvocation *invocation)
{
  vb_link_abort_connect (self, "br-connection-canceled");
  if (self->link == NULL)
    {
      vb_bus_return (self->adapter->world->bus, invocation, NULL);
      return;
    }
  g_ptr_array_add (self->disconnect_calls, invocation);
  if (self->disconnect_timer == 0)
    self->disconnect_timer
        = g_timeout_add (self->adapter->world->options.disconnect_delay_ms, on_disconnect, self);
}

gboolean
vb_link_method_disconnect (BluezDevice1 *object, GDBusMethodInvocation *invocation)
{
  VbDevice *self = vb_interface_get_owner (object);

  if (self->auto_connect && !bluez_device1_get_trusted (self->skeleton))
    {
      self->auto_connect = FALSE;
      self->auto_connect_off = TRUE;
    }
  vb_link_request_disconnect (self, invocation);
  return TRUE;
}

/* For a device that is about to be freed. */
void
vb_link_dispose_device (VbDevice *self)
{
  VbLink *link = self->link;

  vb_link_abort_connect (self, "br-connection-canceled");
  if (link == NULL)
    return;

  VbDevice *other = link->central == self ? link->peripheral : link->central;
  vb_gatt_client_disconnected (link->central);
  set_disconnected (self);
  set_disconnected (other);
  g_free (link);
  forget_or_keep (other);
}
