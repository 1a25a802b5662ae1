/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core2-bus.h"

G_BEGIN_DECLS

/* Whether messages still get through to the bus. dbus-daemon stops reading from a sender when too many of its
 * messages wait in the bus for clients that do not read, be it one hostile client (127 MiB on the system bus); then
 * nobody hears of the sender any more. The check is a call to the bus itself, which must be answered. */
typedef struct Core2BusHealth Core2BusHealth;

typedef struct
{
  void (*answered) (gpointer user_data);
  /* Two calls in a row were not answered, and nothing that was queued went out meanwhile. Called once. */
  void (*stuck) (gpointer user_data);
  /* core2_bus_is_worn_out(). Called once. */
  void (*worn_out) (gpointer user_data);
} Core2BusHealthEvents;

/* Checks @interval_ms after the last answer, and gives the bus as long for each answer, so that @stuck is
 * called three intervals after the bus stopped. With @always that goes on for ever; else, so that an idle
 * daemon sleeps, only when a message came since the last check. @events must be static. */
Core2BusHealth *core2_bus_health_new (Core2Bus *bus, guint interval_ms, gboolean always,
                                      const Core2BusHealthEvents *events, gpointer user_data);
void core2_bus_health_free (Core2BusHealth *self);

G_END_DECLS
