/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A remote device as an adapter sees it: org.bluez.Device1 on
 * /org/bluez/hciN/dev_XX_XX_XX_XX_XX_XX. */

#include "vb-adapter.h"

typedef struct _VbLink VbLink;

struct _VbDevice
{
  VbAdapter *adapter;
  char *address;
  VbObject *object;
  BluezDevice1 *skeleton;

  char *alias;          /* set by a client, else NULL */
  gboolean connectable; /* by its last advertisement */
  gboolean temporary;   /* goes after a time without connection or advertisement */
  guint temporary_timer;
  guint stale_timer;         /* Connected is shown without a link until then */
  gboolean auto_connect;     /* reconnect when it advertises */
  gboolean auto_connect_off; /* switched off by Disconnect until the next Connect */
  gboolean resolved_before;

  VbLink *link; /* NULL = not connected */

  /* owned by vb-link.c */
  GDBusMethodInvocation *connect_call; /* a pending Connect */
  gboolean connecting;                 /* an attempt is under way, called for or automatic */
  guint connect_timer;                 /* until the attempt fails */
  guint establish_timer;               /* the peer was heard: until the connection stands */
  guint resolve_timer;
  GPtrArray *disconnect_calls; /* pending Disconnect and RemoveDevice */
  guint disconnect_timer;
  gboolean remove_when_down;

  /* owned by vb-gatt-client.c */
  GPtrArray *remote_services;
};

void vb_device_class_setup (void);
VbDevice *vb_device_new (VbAdapter *adapter, const char *address, const char *address_type);
void vb_device_free (VbDevice *self);
void vb_device_remove (VbDevice *self);
const char *vb_device_get_path (VbDevice *self);
void vb_device_apply_report (VbDevice *self,
                             const VbReport *report,
                             gboolean duplicates,
                             gint rssi_threshold);
void vb_device_set_names (VbDevice *self, const char *name, const char *alias);
void vb_device_show_stale_connection (VbDevice *self, guint duration_ms);
void vb_device_forget_rssi (VbDevice *self);
void vb_device_add_uuids (VbDevice *self, const char *const *uuids);
void vb_device_remove_uuid (VbDevice *self, const char *uuid);
void vb_device_set_temporary (VbDevice *self, gboolean temporary);
void vb_device_seen (VbDevice *self);
gboolean vb_device_has_profile_uuid (VbDevice *self);
