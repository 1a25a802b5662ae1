/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core2-chip-private.h"

G_BEGIN_DECLS

/* Handlers of the methods of org.example.Core2; what each does is in the interface's XML. @user_data is
 * the Core2Chip. They return what sd-bus takes from a handler, and answer later where it takes time. */
int chip_method_export (sd_bus_message *message, void *user_data,
                        sd_bus_error *error);
int chip_method_connect (sd_bus_message *message, void *user_data,
                         sd_bus_error *error);
int chip_method_disconnect (sd_bus_message *message, void *user_data,
                            sd_bus_error *error);
int chip_method_pair (sd_bus_message *message, void *user_data,
                      sd_bus_error *error);
int chip_method_cancel_pairing (sd_bus_message *message, void *user_data,
                                sd_bus_error *error);
int chip_method_get_key (sd_bus_message *message, void *user_data,
                         sd_bus_error *error);
int chip_method_get_errors (sd_bus_message *message, void *user_data,
                            sd_bus_error *error);
int chip_method_set_key (sd_bus_message *message, void *user_data,
                         sd_bus_error *error);
int chip_method_read_battery (sd_bus_message *message, void *user_data,
                              sd_bus_error *error);
int chip_method_read_steps (sd_bus_message *message, void *user_data,
                            sd_bus_error *error);
int chip_method_read_time (sd_bus_message *message, void *user_data,
                           sd_bus_error *error);
int chip_method_read_info (sd_bus_message *message, void *user_data,
                           sd_bus_error *error);
int chip_method_read_orientation (sd_bus_message *message, void *user_data,
                                  sd_bus_error *error);
int chip_method_fire_orientation_read (sd_bus_message *message, void *user_data,
                                       sd_bus_error *error);
int chip_method_set_time (sd_bus_message *message, void *user_data,
                          sd_bus_error *error);
int chip_method_claim_orientation (sd_bus_message *message, void *user_data,
                                   sd_bus_error *error);
int chip_method_release_orientation (sd_bus_message *message, void *user_data,
                                     sd_bus_error *error);
int chip_method_set_alias (sd_bus_message *message, void *user_data,
                           sd_bus_error *error);
int chip_method_set_side (sd_bus_message *message, void *user_data,
                          sd_bus_error *error);
int chip_method_set_auto_connect (sd_bus_message *message, void *user_data,
                                  sd_bus_error *error);
int chip_method_set_daily_goal (sd_bus_message *message, void *user_data,
                                sd_bus_error *error);

G_END_DECLS
