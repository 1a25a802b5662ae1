/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The world of virtual BlueZ: the bus, the adapters, what the options say. All of its parts hold a
 * pointer to it; it outlives them.
 */

#include "vb-bus.h"

typedef struct _VbWorld VbWorld;
typedef struct _VbAdapter VbAdapter;
typedef struct _VbDevice VbDevice;
typedef struct _VbOwners VbOwners;
typedef struct _VbFaults VbFaults;
typedef struct _VbAgents VbAgents;

typedef struct
{
  int centrals;
  int peripherals;
  gboolean show_gap; /* export the GAP service of remote devices, as from 5.80 on */
  gboolean replace_name;
  char *storage;             /* directory of remembered devices, NULL = none; not owned */
  int temporary_timeout_ms;  /* life of an untrusted device without connection and discovery */
  int connect_timeout_ms;    /* of Device1.Connect while the peer does not advertise */
  int connect_delay_ms;      /* from an advertisement to the connection */
  int resolve_delay_ms;      /* from the connection to ServicesResolved, -1 = never */
  int objects_delay_ms;      /* from ServicesResolved to the GATT objects, -1 = never */
  int disconnect_delay_ms;   /* of Device1.Disconnect */
  int power_delay_ms;        /* of a change of Powered */
  int report_interval_ms;    /* between two advertising reports of one peer in a discovery */
  gboolean objects_first;    /* GATT objects before ServicesResolved */
  gboolean forget_on_stop;   /* devices that were only seen go when the discovery stops */
  gboolean signal_connected; /* send Connected=true after Device1.Connect too */
} VbOptions;

struct _VbWorld
{
  VbOptions options;
  VbBus *bus;
  GPtrArray *adapters;    /* VbAdapter, owned */
  GHashTable *by_address; /* address -> VbAdapter */
  GPtrArray *plain_peers; /* VbPeer, owned: the plain devices */
  VbOwners *owners;
  VbFaults *faults;
  VbAgents *agents;
};

void vb_options_init (VbOptions *self);
VbWorld *vb_world_new (GDBusConnection *connection, const VbOptions *options);
void vb_world_free (VbWorld *self);
VbAdapter *vb_world_add_adapter (VbWorld *self, int index, gboolean central, const char *address);
void vb_world_remove_adapter (VbWorld *self, VbAdapter *adapter);
VbAdapter *vb_world_find_adapter (VbWorld *self, const char *address);
VbDevice *vb_world_find_device (VbWorld *self, const char *path);
void vb_world_client_gone (VbWorld *self, const char *client);
