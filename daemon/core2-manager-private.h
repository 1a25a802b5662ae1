/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core2-chip.h"
#include "core2-manager.h"
#include "core2-request.h"
#include "core2-sleep.h"
#include "core2-zone.h"

G_BEGIN_DECLS

#define MANAGER_PATH "/org/example/Core2/Manager"
#define MANAGER_INTERFACE "org.example.Core2.Manager"
#define ROOT_PATH "/org/example/Core2"

/* Chips that were only seen; more than a room can hold means that somebody forges advertisements. */
#define MAX_SEEN_CHIPS 256
#define MAX_OTHER_DEVICES 4096

struct Core2Manager
{
  Core2ChipServices services;
  GHashTable *chips;             /* address -> Core2Chip */
  GPtrArray *requests;

  sd_bus_slot *object_manager_slot;
  sd_bus_slot *manager_slot;
  Core2Sleep *sleep;

  const char *version;
  const char *adapter_state;     /* static text */
  const char *storage_error;     /* the history's, or "" */
  int scanning;
  guint32 other_devices_seen;
  guint32 min_orientation_interval;
  GHashTable *others;            /* addresses of other devices seen in this scan */

  guint forget_timer;
  Core2Timer *sync_timer;        /* values were noted that are not durable yet */
  int day_fd;                    /* timerfd: fires at the day's end and when the clock is set */
  guint day_source;
  Core2Zone *zone;
  guint status_source;
  Core2ManagerStatus status;
  gpointer user_data;
};

/* core2-manager-methods.c */
extern const sd_bus_vtable core2_manager_vtable[];

/* core2-manager-scan.c */
void core2_manager_scan (Core2Request *request);
/* BlueZ's state is another one: goes on with scans that waited for it. */
void core2_manager_run_waiting_scans (Core2Manager *self);
/* A device advertised: @chip is NULL when it is none of ours. */
void core2_manager_scan_seen (Core2Manager *self, Core2BluezDevice *device, Core2Chip *chip);
/* The chip at @path is not there any more. */
void core2_manager_scan_forget (Core2Manager *self, const char *path);
gboolean core2_manager_has_scans (Core2Manager *self);

/* core2-manager.c */
Core2Chip *core2_manager_find (Core2Manager *self, const char *address);
/* Makes a chip and lists it. @record is taken. */
Core2Chip *core2_manager_add (Core2Manager *self, Core2ChipRecord *record, gboolean remembered);
void core2_manager_drop (Core2Manager *self, Core2Chip *chip);
void core2_manager_notify (Core2Manager *self, const char *property);

G_END_DECLS
