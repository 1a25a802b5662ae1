/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "vb-peer.h"
#include "vb-adapter.h"
#include "vb-discovery.h"
#include "vb-link.h"
#include <string.h>

void
vb_report_init (VbReport *self)
{
  *self = (VbReport){ .tx_power = VB_NO_TX_POWER, .rssi = -60 };
}

void
vb_report_clear (VbReport *self)
{
  g_clear_pointer (&self->name, g_free);
  g_clear_pointer (&self->uuids, g_strfreev);
  g_clear_pointer (&self->manufacturer_data, g_variant_unref);
  g_clear_pointer (&self->service_data, g_variant_unref);
  vb_report_init (self);
}

/* A UUID as bluetoothd writes it: 128 bits, lower case. Takes "180a", "0x180a", 8 digits or the
 * long form; NULL when it is none of them. */
char *
vb_uuid_expand (const char *uuid)
{
  const char *digits = g_str_has_prefix (uuid, "0x") ? uuid + 2 : uuid;
  gsize length = strlen (digits);

  for (gsize i = 0; i < length; i++)
    {
      gboolean dash = length == 36 && (i == 8 || i == 13 || i == 18 || i == 23);
      if (dash ? digits[i] != '-' : !g_ascii_isxdigit (digits[i]))
        return NULL;
    }
  if (length == 36)
    return g_ascii_strdown (digits, -1);
  if (length != 4 && length != 8)
    return NULL;
  g_autofree char *lower = g_ascii_strdown (digits, -1);
  return g_strdup_printf ("%s%s-0000-1000-8000-00805f9b34fb", length == 4 ? "0000" : "", lower);
}

VbPeer *
vb_peer_new (VbWorld *world, VbAdapter *adapter, const char *address, const char *address_type)
{
  VbPeer *self = g_new0 (VbPeer, 1);

  self->world = world;
  self->adapter = adapter;
  self->address = g_strdup (address);
  self->address_type = g_strdup (address_type);
  vb_report_init (&self->report);
  return self;
}

void
vb_peer_free (VbPeer *self)
{
  vb_report_clear (&self->report);
  g_free (self->address);
  g_free (self->address_type);
  g_free (self);
}

/* Whether this adapter receives the peer's advertisements now. */
gboolean
vb_peer_is_heard_by (VbPeer *self, VbAdapter *adapter)
{
  if (!self->advertising || self->out_of_range || self->adapter == adapter || !adapter->central
      || !adapter->powered)
    return FALSE;
  if (self->adapter != NULL && !self->adapter->powered)
    return FALSE;
  return self->only == NULL || self->only == adapter;
}

/* Sends one advertisement: scanners see it, and whoever waits for the peer connects. */
void
vb_peer_announce (VbPeer *self)
{
  for (guint i = 0; i < self->world->adapters->len; i++)
    {
      VbAdapter *adapter = self->world->adapters->pdata[i];

      if (!vb_peer_is_heard_by (self, adapter))
        continue;
      vb_discovery_report (adapter, self);
      vb_link_peer_heard (adapter, self);
    }
}
