/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "vb-gatt-client.h"
#include "vb-owners.h"
#include <errno.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* Whether anybody wants notifications of this characteristic. */
static gboolean
is_wanted (VbRemoteCharacteristic *self)
{
  return self->subscribers->len > 0 || self->notify_fd >= 0;
}

/* Sets the CCC descriptor on the peer if somebody wants notifications and the link is up. */
void
vb_notify_arm (VbRemoteCharacteristic *self)
{
  if (self->subscribed || self->local == NULL || !is_wanted (self))
    return;
  self->subscribed = TRUE;
  vb_local_characteristic_subscribe (self->local);
}

/* Clears the CCC descriptor on the peer. */
void
vb_notify_disarm (VbRemoteCharacteristic *self)
{
  if (!self->subscribed)
    return;
  self->subscribed = FALSE;
  vb_local_characteristic_unsubscribe (self->local);
}

static void
close_notify_socket (VbRemoteCharacteristic *self)
{
  if (self->notify_fd < 0)
    return;
  g_clear_handle_id (&self->notify_watch, g_source_remove);
  g_close (self->notify_fd, NULL);
  self->notify_fd = -1;
  bluez_gatt_characteristic1_set_notify_acquired (self->skeleton, FALSE);
}

static void
close_write_socket (VbRemoteCharacteristic *self)
{
  if (self->write_fd < 0)
    return;
  g_clear_handle_id (&self->write_watch, g_source_remove);
  g_close (self->write_fd, NULL);
  self->write_fd = -1;
  bluez_gatt_characteristic1_set_write_acquired (self->skeleton, FALSE);
}

/* The holders of AcquireNotify and AcquireWrite see the end of the file. */
void
vb_notify_close_sockets (VbRemoteCharacteristic *self)
{
  close_notify_socket (self);
  close_write_socket (self);
}

static void
release (VbRemoteCharacteristic *self)
{
  if (!is_wanted (self))
    vb_notify_disarm (self);
}

static gboolean
on_notify_socket_closed (gint fd, GIOCondition condition, gpointer user_data)
{
  VbRemoteCharacteristic *self = user_data;

  self->notify_watch = 0;
  close_notify_socket (self);
  release (self);
  return G_SOURCE_REMOVE;
}

static gboolean
on_write_socket (gint fd, GIOCondition condition, gpointer user_data)
{
  VbRemoteCharacteristic *self = user_data;
  guint8 buffer[VB_MTU];
  ssize_t size = recv (fd, buffer, sizeof buffer, MSG_DONTWAIT);

  if (size < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  if (size <= 0)
    {
      self->write_watch = 0;
      close_write_socket (self);
      return G_SOURCE_REMOVE;
    }
  g_autoptr (GVariant) value
      = g_variant_ref_sink (g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, buffer, size, 1));
  vb_operation_send_command (self, value);
  return G_SOURCE_CONTINUE;
}

static gboolean
is_subscriber (VbRemoteCharacteristic *self, const char *client, guint *index)
{
  return g_ptr_array_find_with_equal_func (self->subscribers, client, g_str_equal, index);
}

gboolean
vb_notify_method_start (BluezGattCharacteristic1 *object, GDBusMethodInvocation *invocation)
{
  VbRemoteCharacteristic *self = vb_interface_get_owner (object);
  VbDevice *device = vb_remote_characteristic_get_device (self);
  VbBus *bus = vb_remote_characteristic_get_bus (self);
  const char *sender = g_dbus_method_invocation_get_sender (invocation);
  const char *const *flags = (const char *const *)self->flags;

  if (device->disconnect_timer != 0)
    vb_bus_return_error (bus, invocation, "NotConnected", "Not Connected");
  else if (self->notify_fd >= 0)
    vb_bus_return_error (bus, invocation, "NotPermitted", "Notify acquired");
  else if (!g_strv_contains (flags, "notify") && !g_strv_contains (flags, "indicate"))
    vb_bus_return_error (bus, invocation, "NotSupported", "Operation is not supported");
  else
    {
      if (!is_subscriber (self, sender, NULL))
        {
          g_ptr_array_add (self->subscribers, g_strdup (sender));
          vb_owners_note (device->adapter->world->owners, sender);
          vb_notify_arm (self);
          if (self->subscribed)
            bluez_gatt_characteristic1_set_notifying (object, TRUE);
        }
      vb_bus_return (bus, invocation, NULL);
    }
  return TRUE;
}

static void
remove_subscriber (VbRemoteCharacteristic *self, guint index)
{
  g_ptr_array_remove_index (self->subscribers, index);
  release (self);
  if (self->subscribers->len == 0)
    bluez_gatt_characteristic1_set_notifying (self->skeleton, FALSE);
}

gboolean
vb_notify_method_stop (BluezGattCharacteristic1 *object, GDBusMethodInvocation *invocation)
{
  VbRemoteCharacteristic *self = vb_interface_get_owner (object);
  VbBus *bus = vb_remote_characteristic_get_bus (self);
  guint index;

  if (self->notify_fd >= 0)
    {
      close_notify_socket (self);
      release (self);
      vb_bus_return (bus, invocation, NULL);
    }
  else if (!is_subscriber (self, g_dbus_method_invocation_get_sender (invocation), &index))
    vb_bus_return_error (bus, invocation, "Failed", "No notify session started");
  else
    {
      remove_subscriber (self, index);
      vb_bus_return (bus, invocation, NULL);
    }
  return TRUE;
}

/* Answers with one end of a new socket and returns the other, -1 after an error that was answered.
 */
static int
return_socket (VbRemoteCharacteristic *self, GDBusMethodInvocation *invocation)
{
  VbBus *bus = vb_remote_characteristic_get_bus (self);
  int ends[2];

  if (socketpair (AF_LOCAL, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
    {
      vb_bus_return_error (bus, invocation, "Failed", "%s", g_strerror (errno));
      return -1;
    }

  g_autoptr (GUnixFDList) list = g_unix_fd_list_new_from_array (&ends[1], 1);
  vb_bus_flush (bus);
  g_dbus_method_invocation_return_value_with_unix_fd_list (invocation,
                                                           g_variant_new ("(hq)", 0, VB_MTU), list);
  return ends[0];
}

gboolean
vb_notify_method_acquire (BluezGattCharacteristic1 *object,
                          GDBusMethodInvocation *invocation,
                          GUnixFDList *fds,
                          GVariant *options)
{
  VbRemoteCharacteristic *self = vb_interface_get_owner (object);
  VbBus *bus = vb_remote_characteristic_get_bus (self);

  if (self->local == NULL)
    vb_bus_return_error (bus, invocation, "Failed", "Not connected");
  else if (self->notify_fd >= 0)
    vb_bus_return_error (bus, invocation, "NotPermitted", "Notify acquired");
  else if (self->subscribers->len > 0)
    vb_bus_return_error (bus, invocation, "InProgress", "In Progress");
  else if (!g_strv_contains ((const char *const *)self->flags, "notify"))
    vb_bus_return_error (bus, invocation, "NotSupported", "Operation is not supported");
  else
    {
      bluez_gatt_characteristic1_set_notify_acquired (object, TRUE);
      self->notify_fd = return_socket (self, invocation);
      if (self->notify_fd >= 0)
        {
          self->notify_watch
              = g_unix_fd_add (self->notify_fd, G_IO_HUP | G_IO_ERR, on_notify_socket_closed, self);
          vb_notify_arm (self);
        }
      else
        bluez_gatt_characteristic1_set_notify_acquired (object, FALSE);
    }
  return TRUE;
}

gboolean
vb_notify_method_acquire_write (BluezGattCharacteristic1 *object,
                                GDBusMethodInvocation *invocation,
                                GUnixFDList *fds,
                                GVariant *options)
{
  VbRemoteCharacteristic *self = vb_interface_get_owner (object);
  VbBus *bus = vb_remote_characteristic_get_bus (self);

  if (self->local == NULL)
    vb_bus_return_error (bus, invocation, "Failed", "Not connected");
  else if (self->write_fd >= 0)
    vb_bus_return_error (bus, invocation, "NotPermitted", "Write acquired");
  else if (!g_strv_contains ((const char *const *)self->flags, "write-without-response"))
    vb_bus_return_error (bus, invocation, "NotSupported", "Operation is not supported");
  else
    {
      bluez_gatt_characteristic1_set_write_acquired (object, TRUE);
      self->write_fd = return_socket (self, invocation);
      if (self->write_fd >= 0)
        self->write_watch
            = g_unix_fd_add (self->write_fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_write_socket, self);
      else
        bluez_gatt_characteristic1_set_write_acquired (object, FALSE);
    }
  return TRUE;
}

/* The client left the bus: its session ends. */
void
vb_notify_client_gone (VbRemoteCharacteristic *self, const char *client)
{
  guint index;

  if (is_subscriber (self, client, &index))
    remove_subscriber (self, index);
}

/* A notification arrives: into the socket of AcquireNotify, else as a change of Value, which is
 * sent for an equal value too. `value` is ay. */
void
vb_notify_deliver (VbRemoteCharacteristic *self, GVariant *value)
{
  if (self->notify_fd >= 0)
    {
      gsize size;
      const guint8 *bytes = g_variant_get_fixed_array (value, &size, 1);

      /* A reader that does not read loses notifications, as with bluetoothd. */
      if (send (self->notify_fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        g_debug ("notification lost: %s", g_strerror (errno));
      return;
    }
  vb_interface_set_muted (self->skeleton, TRUE);
  bluez_gatt_characteristic1_set_value (self->skeleton, value);
  vb_interface_set_muted (self->skeleton, FALSE);
  vb_interface_changed (self->skeleton, "Value");
  vb_bus_flush (vb_remote_characteristic_get_bus (self));
}

static void
deliver_to_device (VbDevice *device, VbLocalCharacteristic *source, GVariant *value)
{
  for (guint i = 0; i < device->remote_services->len; i++)
    {
      VbRemoteService *service = device->remote_services->pdata[i];

      if (service->local != source->service)
        continue;
      for (guint j = 0; j < service->characteristics->len; j++)
        {
          VbRemoteCharacteristic *characteristic = service->characteristics->pdata[j];
          if (characteristic->local != source || !characteristic->subscribed)
            continue;
          vb_notify_deliver (characteristic, value);
          if (!g_strv_contains ((const char *const *)characteristic->flags, "notify"))
            vb_local_characteristic_confirm (source);
        }
    }
}

/* An application changed Value of one of its characteristics: all who subscribed get it. */
void
vb_notify_send (VbLocalCharacteristic *source, GVariant *value)
{
  GHashTableIter iter;
  VbDevice *device;

  if (source->subscriptions == 0)
    return;
  g_hash_table_iter_init (&iter, source->adapter->devices);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&device))
    if (device->link != NULL && device->link->peripheral == device)
      deliver_to_device (device->link->central, source, value);
}
