/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "vb-control.h"
#include "vb-device.h"
#include "vb-discovery.h"
#include "vb-link.h"
#include <stdio.h>
#include <string.h>

static gboolean
is_address (const char *address)
{
  guint bytes[6];
  char rest;

  return strlen (address) == 17
         && sscanf (address, "%2X:%2X:%2X:%2X:%2X:%2X%c", &bytes[0], &bytes[1], &bytes[2],
                    &bytes[3], &bytes[4], &bytes[5], &rest)
                == 6
         && strpbrk (address, "abcdef") == NULL;
}

static char *
device_path (VbAdapter *adapter, const char *address)
{
  g_autofree char *underscored = g_strdelimit (g_strdup (address), ":", '_');

  return g_strdup_printf ("%s/dev_%s", vb_adapter_get_path (adapter), underscored);
}

static VbPeer *
find_plain_peer (VbControl *self, const char *path)
{
  for (guint i = 0; i < self->world->plain_peers->len; i++)
    {
      VbPeer *peer = self->world->plain_peers->pdata[i];
      g_autofree char *own = device_path (peer->only, peer->address);

      if (g_str_equal (own, path))
        return peer;
    }
  return NULL;
}

static gboolean
take_uuids (VbReport *report, GVariant *options)
{
  g_autofree const char **names = NULL;
  g_autoptr (GStrvBuilder) uuids = g_strv_builder_new ();

  if (!g_variant_lookup (options, "UUIDs", "^a&s", &names))
    return TRUE;
  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *uuid = vb_uuid_expand (names[i]);
      if (uuid == NULL)
        return FALSE;
      g_strv_builder_add (uuids, uuid);
    }
  report->uuids = g_strv_builder_end (uuids);
  return TRUE;
}

static gboolean
take_report (VbReport *report, GVariant *options)
{
  report->connectable = TRUE;
  g_variant_lookup (options, "connectable", "b", &report->connectable);
  g_variant_lookup (options, "Name", "s", &report->name);
  g_variant_lookup (options, "ManufacturerData", "@a{qv}", &report->manufacturer_data);
  g_variant_lookup (options, "ServiceData", "@a{sv}", &report->service_data);
  g_variant_lookup (options, "Appearance", "q", &report->appearance);
  g_variant_lookup (options, "RSSI", "n", &report->rssi);
  g_variant_lookup (options, "TxPower", "n", &report->tx_power);
  return take_uuids (report, options);
}

static gboolean
on_add_device (VirtualBluezControl *object,
               GDBusMethodInvocation *invocation,
               const char *adapter_path,
               const char *address,
               GVariant *options,
               VbControl *self)
{
  VbAdapter *adapter = vb_control_find_adapter (self, invocation, adapter_path);
  const char *address_type = "random";

  if (adapter == NULL)
    return TRUE;
  g_variant_lookup (options, "AddressType", "&s", &address_type);
  g_autofree char *path = device_path (adapter, address);
  VbPeer *peer = vb_peer_new (self->world, NULL, address, address_type);
  peer->only = adapter;
  peer->advertising = TRUE;
  g_variant_lookup (options, "advertising", "b", &peer->advertising);
  if (!is_address (address) || vb_world_find_adapter (self->world, address) != NULL
      || !take_report (&peer->report, options))
    {
      vb_peer_free (peer);
      vb_control_invalid (invocation, "invalid address or option");
      return TRUE;
    }
  g_ptr_array_remove (self->world->plain_peers, find_plain_peer (self, path));
  g_ptr_array_add (self->world->plain_peers, peer);
  vb_peer_announce (peer);
  virtual_bluez_control_complete_add_device (object, invocation, path);
  return TRUE;
}

static gboolean
on_advertise (VirtualBluezControl *object,
              GDBusMethodInvocation *invocation,
              const char *path,
              VbControl *self)
{
  VbPeer *peer = find_plain_peer (self, path);

  if (peer == NULL)
    {
      VbAdapter *adapter = vb_control_find_adapter (self, invocation, path);

      if (adapter == NULL)
        return TRUE;
      peer = adapter->peer;
    }
  gboolean advertising = peer->advertising;
  peer->advertising = TRUE;
  vb_peer_announce (peer);
  peer->advertising = advertising;
  virtual_bluez_control_complete_advertise (object, invocation);
  return TRUE;
}

static gboolean
on_remember_device (VirtualBluezControl *object,
                    GDBusMethodInvocation *invocation,
                    const char *adapter_path,
                    const char *address,
                    GVariant *options,
                    VbControl *self)
{
  VbAdapter *adapter = vb_control_find_adapter (self, invocation, adapter_path);
  const char *address_type = "random", *name = NULL;
  gboolean trusted = FALSE;
  guint stale_ms = 0;
  VbReport report;

  if (adapter == NULL)
    return TRUE;
  vb_report_init (&report);
  if (!is_address (address) || vb_adapter_find_device (adapter, address) != NULL
      || !take_uuids (&report, options))
    {
      vb_report_clear (&report);
      vb_control_invalid (invocation, "invalid address or option, or known already");
      return TRUE;
    }
  g_variant_lookup (options, "AddressType", "&s", &address_type);
  g_variant_lookup (options, "Name", "&s", &name);
  g_variant_lookup (options, "Trusted", "b", &trusted);
  g_variant_lookup (options, "stale-connection", "u", &stale_ms);
  VbDevice *device = vb_device_new (adapter, address, address_type);
  vb_device_set_temporary (device, FALSE);
  vb_device_add_uuids (device, (const char *const *)report.uuids);
  vb_report_clear (&report);
  vb_device_set_names (device, name, NULL);
  bluez_device1_set_trusted (device->skeleton, trusted);
  if (stale_ms > 0)
    vb_device_show_stale_connection (device, stale_ms);
  vb_object_publish (device->object);
  virtual_bluez_control_complete_remember_device (object, invocation, vb_device_get_path (device));
  return TRUE;
}

static gboolean
on_remove_object (VirtualBluezControl *object,
                  GDBusMethodInvocation *invocation,
                  const char *path,
                  gboolean silent,
                  VbControl *self)
{
  VbDevice *device = vb_world_find_device (self->world, path);

  if (device == NULL || !vb_bus_has_object (self->world->bus, path))
    {
      g_dbus_method_invocation_return_error (invocation, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_OBJECT,
                                             "no object %s", path);
      return TRUE;
    }
  vb_bus_take_off (self->world->bus, path, silent);
  virtual_bluez_control_complete_remove_object (object, invocation);
  return TRUE;
}

void
vb_control_connect_devices (VbControl *self)
{
  g_signal_connect (self->skeleton, "handle-add-device", G_CALLBACK (on_add_device), self);
  g_signal_connect (self->skeleton, "handle-advertise", G_CALLBACK (on_advertise), self);
  g_signal_connect (self->skeleton, "handle-remember-device", G_CALLBACK (on_remember_device),
                    self);
  g_signal_connect (self->skeleton, "handle-remove-object", G_CALLBACK (on_remove_object), self);
}
