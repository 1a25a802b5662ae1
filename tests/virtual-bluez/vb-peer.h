/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What scanners can see in the air: one peer for each adapter (it advertises what applications
 * registered) and one for each plain device that was added through the control interface.
 */

#include "vb-world.h"

#define VB_NO_TX_POWER 127

/* The contents of one advertising report. */
typedef struct
{
  char *name;                  /* NULL = none */
  GStrv uuids;                 /* 128-bit, NULL = none */
  GVariant *manufacturer_data; /* a{qv}, NULL = none */
  GVariant *service_data;      /* a{sv}, NULL = none */
  guint16 appearance;          /* 0 = none */
  gint16 tx_power;             /* dBm */
  gint16 rssi;                 /* dBm */
  gboolean connectable;
} VbReport;

typedef struct
{
  VbWorld *world;
  VbAdapter *adapter; /* whose advertisements these are, NULL for a plain device */
  VbAdapter *only;    /* the one adapter that hears it, NULL for all */
  char *address;
  char *address_type;
  VbReport report;
  gboolean advertising;
  gboolean out_of_range;
} VbPeer;

VbPeer *
vb_peer_new (VbWorld *world, VbAdapter *adapter, const char *address, const char *address_type);
void vb_peer_free (VbPeer *self);
gboolean vb_peer_is_heard_by (VbPeer *self, VbAdapter *adapter);
void vb_peer_announce (VbPeer *self);

void vb_report_init (VbReport *self);
void vb_report_clear (VbReport *self);
char *vb_uuid_expand (const char *uuid);
