/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core2-auth.h"
#include "core2-chip.h"
#include "core2-history.h"
#include "core2-link.h"
#include "core2-protocol.h"
#include "core2-request.h"
#include "core2-steps.h"

G_BEGIN_DECLS

#define CHIP_INTERFACE "org.example.Core2"
#define INFO_INTERFACE "org.example.Core2.Info"
#define HISTORY_INTERFACE "org.example.Core2.History"

typedef enum
{
  CHIP_DISCONNECTED,
  CHIP_WAITING,                  /* armed: it sleeps, is away, or there is no Bluetooth */
  CHIP_CONNECTING,
  CHIP_RESOLVING,                /* linked; services and subscriptions are being made */
  CHIP_READY,
  CHIP_DISCONNECTING,
} ChipState;

/* Properties of org.example.Core2 that are signalled. The order is that of chip_property_names. */
typedef enum
{
  PROP_NAME,
  PROP_ALIAS,
  PROP_SIDE,
  PROP_ADAPTER,
  PROP_REMEMBERED,
  PROP_AUTO_CONNECT,
  PROP_CONNECTED,
  PROP_PAIRED,
  PROP_STATE,
  PROP_STATUS_TEXT,
  PROP_LAST_ERROR,
  PROP_LAST_CONNECTED,
  PROP_PAIRING_STATE,
  PROP_PAIRING_DEADLINE,
  PROP_BATTERY,
  PROP_BATTERY_STATUS,
  PROP_BATTERY_UPDATED,
  PROP_STEPS,
  PROP_STEPS_UPDATED,
  PROP_STEPS_TODAY,
  PROP_STEPS_TOTAL,
  PROP_CADENCE,
  PROP_RUN_STEPS,
  PROP_WALK_STEPS,
  PROP_DISTANCE,
  PROP_ENERGY,
  PROP_ORIENTATION,
  PROP_ORIENTATION_UPDATED,
  PROP_ORIENTATION_INTERVAL,
  PROP_DAILY_GOAL,
  N_PROPS,
} ChipProperty;

typedef enum
{
  BATTERY_UNKNOWN,
  BATTERY_CURRENT,
  BATTERY_STALE,
  BATTERY_UNSUPPORTED,
} BatteryStatus;

/* core2-chip-info.c */
typedef struct
{
  guint32 available;             /* bits of the fields below that hold a value */
  guint64 updated;
  char *name;
  guint16 appearance;
  guint8 privacy_flag;
  Core2ConnectionParameters connection;
  guint16 service_changed_start;
  guint16 service_changed_end;
  guint8 system_id[CORE2_SYSTEM_ID_SIZE];
  gboolean system_id_known;
  char *serial_number;
  char *hardware_revision;
  char *software_revision;
  char *firmware_revision;
  Core2PnpId pnp;
} ChipInfo;

typedef struct ChipFetch ChipFetch;

struct Core2Chip
{
  Core2ChipServices *services;
  Core2ChipRecord *record;       /* what is stored */
  char *path;
  gboolean published;
  GPtrArray *requests;           /* method calls under way */

  guint64 dirty;                 /* ChipProperty bits to be signalled */
  guint flush_source;
  Core2Timer *save_timer;        /* the record is written then */
  gboolean noted;                /* the store has newer values than the record's file */

  /* Published values that are not in @record. */
  int remembered;
  int auto_connect;
  int connected;
  int paired;
  const char *adapter;           /* of the device, or "" */
  char *adapter_text;
  char *status_text;
  const char *last_error;        /* static D-Bus name, or "" */
  GQueue errors;                 /* ChipError, newest first */
  gint16 rssi;

  /* core2-chip-connection.c */
  ChipState state;
  gboolean armed;                /* keep a connection; false after Disconnect */
  gboolean disconnect_wanted;    /* Disconnect or RemoveChip: also clear Trusted */
  guint power_changes;           /* of the adapters, that were followed */
  Core2BluezDevice *device;
  Core2Link *link;
  Core2Call *device_call;        /* Trusted, Disconnect, RemoveDevice: one at a time */
  Core2BluezScan *scan;          /* looks for a device that BlueZ does not know */
  guint advance_source;
  Core2Timer *deadline;          /* of states resolving and disconnecting */
  Core2Timer *asleep_timer;      /* connecting becomes waiting */
  gint64 retry_at;               /* monotonic: no attempt before */
  Core2Timer *retry_timer;
  guint failures;                /* in a row */
  guint searches;                /* of those that wait, in a row */
  guint vain_searches;           /* while nobody waited, in a row */
  guint quick_failures;          /* aborted at once, in a row */
  guint brief_links;             /* lost soon after they were ready, in a row */
  gint64 ready_since;            /* monotonic, of the last link that was */
  gint64 attempt_started;        /* monotonic */
  guint missing_services;        /* connections in a row without the characteristics */
  gboolean removed_stale_device;
  gboolean session_started;
  gboolean polled;               /* steps are read now and then, not notified */
  guint session_services;        /* services_changes of the device when it started */
  gboolean dropping;             /* we close the link to make it anew */
  gboolean cancel_first;         /* another program's Connect did not end */
  gboolean device_gone;          /* BlueZ said that it does not know @device: it is asked again */
  gboolean vanishes;             /* BlueZ forgot the device before it was connected */
  gboolean sleeps;               /* the last attempt ended without an answer */
  Core2Timer *straggler_timer;
  Core2Timer *linger_timer;      /* a chip that keeps no connection stays a moment after a request */

  /* core2-chip-steps.c */
  Core2StepsState steps;
  Core2Cadence cadence_buckets;
  gboolean first_sample;         /* none yet since the link was made */
  guint32 counter;
  guint64 steps_updated;
  guint32 steps_today;
  guint32 cadence;
  guint32 run_steps;
  guint32 walk_steps;
  guint32 distance;
  guint32 energy;
  guint8 step_fields;            /* Core2StepsFields ever seen */
  guint64 steps_dirty;           /* ChipProperty bits that wait for the next StepsChanged */
  guint32 pending_delta;         /* counted, not yet signalled */
  gboolean has_pending;
  gint64 last_signal;            /* monotonic */
  Core2Timer *steps_timer;
  Core2Timer *cadence_timer;
  Core2Timer *poll_timer;        /* when another program holds the notification */

  /* core2-chip-history.c */
  Core2HistoryChip *history;     /* NULL: not remembered, nothing is recorded */
  Core2Day goal_day;             /* its goal needs no look any more */
  ChipFetch *fetch;              /* core2-chip-fetch.c */

  /* core2-chip-battery.c */
  BatteryStatus battery_status;
  guint8 battery;
  guint64 battery_updated;
  Core2Timer *battery_timer;

  /* core2-chip-orientation.c */
  guint16 orientation_x;
  guint16 orientation_y;
  guint64 orientation_updated;
  guint32 orientation_interval;
  GHashTable *claims;            /* unique name -> struct Claims */
  GPtrArray *orientation_waiters; /* Core2Request of ReadOrientation */
  gboolean orientation_in_flight;
  gboolean orientation_wanted;   /* one more, as soon as the interval allows */
  gint64 orientation_fired;      /* monotonic, 0 = never */
  Core2Timer *orientation_timer; /* the next request */
  Core2Timer *orientation_deadline; /* of the request in flight */

  /* core2-chip-handshake.c */
  Core2Auth auth;
  guint auth_timer;              /* its deadline */
  guint8 stale_answer;           /* Core2AuthCommand: the answer to a handshake that was ended; 0 = none */
  guint stale_timer;             /* it does not come */
  gboolean authentication_wanted;
  gboolean trying_pending_key;
  gboolean pending_key_refused;  /* in the authentication under way */
  gboolean key_may_come;         /* on this link the chip may still be shaken and take a key that it was given */

  /* core2-chip-pairing.c */
  Core2Request *pair_request;
  gboolean pair_prepared;        /* the steps are saved: the handshake may begin */
  Core2AuthState pairing_state;  /* as published: of the last pairing */
  guint64 pairing_deadline;

  ChipInfo info;
};

/* --- core2-chip-dbus.c: the published object ---- */

/* Marks a property as changed; it is signalled before anything else is, at the latest when the loop
 * comes round. */
void chip_notify (Core2Chip *self, ChipProperty property);
/* Signals what is marked now. */
void chip_flush (Core2Chip *self);
/* Signals Info as a whole. */
void chip_notify_info (Core2Chip *self);
void chip_publish (Core2Chip *self);
void chip_unpublish (Core2Chip *self);
void chip_emit_steps (Core2Chip *self, guint32 delta);
void chip_emit_battery (Core2Chip *self);
void chip_emit_orientation (Core2Chip *self);
void chip_emit_reset (Core2Chip *self, guint32 before, guint32 after, const char *reason);
const char *chip_state_name (ChipState state);
const char *chip_battery_status_name (BatteryStatus status);

/* What is measured changed, of what the record has: no kill shall take it any more, and soon no power cut
 * either. Call it before what changed is published. */
void chip_save_values_later (Core2Chip *self);
/* Anything else of the record did. */
void chip_save_record_later (Core2Chip *self);
/* Saves the record at once. Failures are logged, and it is tried again. */
void chip_save (Core2Chip *self);
/* The same; on failure the caller gets @error. */
gboolean chip_save_now (Core2Chip *self, GError **error);

/* --- core2-chip-methods.c ---- */
/* Runs @run when the chip is ready, at once when it is. A chip that keeps no connection is connected for
 * this request, when polkit lets its caller. After @timeout_ms the caller gets Asleep or whatever keeps
 * the chip away. */
void chip_request_when_ready (Core2Request *request, guint timeout_ms, Core2RequestRun run);
/* Runs every request that waits for ready; whether there is one. */
void chip_run_ready_requests (Core2Chip *self);
gboolean chip_has_ready_requests (Core2Chip *self);
/* Whether one is being carried out over the link. */
gboolean chip_has_running_requests (Core2Chip *self);
/* Answers those who wait for the end of the link. */
void chip_finish_disconnect_requests (Core2Chip *self);
/* Fails them: somebody wants the link again. */
void chip_cancel_disconnect_requests (Core2Chip *self);

/* --- core2-chip-connection.c ---- */

/* Looks at everything and does what is next; from the loop. */
void chip_advance_later (Core2Chip *self);
/* The error that a caller gets who waits for this chip and whose time is over. */
void chip_fail_unreachable (Core2Request *request);
void chip_connection_arm (Core2Chip *self);
/* Keeps no connection by itself any more: the link lasts for what is being asked over it. */
void chip_connection_release (Core2Chip *self);
void chip_connection_disarm (Core2Chip *self);
void chip_connection_clear (Core2Chip *self);
/* The link serves no more: drop it and come again. @text for StatusText. */
void chip_connection_broken (Core2Chip *self, Core2Error code, const char *text);
/* LastError, "" for none; @detail for GetErrors. */
void chip_set_last_error (Core2Chip *self, const char *name, const char *detail);
void chip_set_status (Core2Chip *self, const char *text);

/* The only place where the state changes; @text for StatusText. */
void chip_set_state (Core2Chip *self, ChipState state, const char *text);
/* Looks at everything and does what is next. */
void chip_advance (Core2Chip *self);
/* Keeps a connection that was made for a request alone for a moment, for its answer and the next one. */
void chip_linger (Core2Chip *self);
/* No attempt before @delay_ms milliseconds from now; then chip_advance(). */
void chip_pause (Core2Chip *self, guint delay_ms);
void chip_no_pause (Core2Chip *self);
/* The same, and no failure of before makes the next pause longer. */
void chip_begin_anew (Core2Chip *self);
/* A pause that doubles with every failure in a row. */
void chip_back_off (Core2Chip *self);

/* --- core2-chip-errors.c: what went wrong lately, for people who ask why ---- */
void chip_errors_init (Core2Chip *self);
void chip_errors_clear (Core2Chip *self);
void chip_errors_add (Core2Chip *self, const char *name, const char *detail);

/* --- core2-chip-attempt.c ---- */

/* BlueZ does not know the chip: looks for it now and then. */
void chip_search (Core2Chip *self);
/* BlueZ knows it: connects, unless that is under way or a pause is on. */
void chip_try_connect (Core2Chip *self);
/* The link that a pending Connect seemed to have made is none: it goes on. */
void chip_connect_goes_on (Core2Chip *self);
/* An attempt was aborted: the next one follows at once, but after a few in a row ever later. */
void chip_retry (Core2Chip *self);

/* --- core2-chip-disconnect.c ---- */

/* Nobody wants the connection: closes what is open, and says why in StatusText. */
void chip_go_away (Core2Chip *self);
/* Ends a Connect under way: its answer is not waited for. */
void chip_stop_connect (Core2Chip *self);
/* Ends searches and attempts under way. */
void chip_stop_attempt (Core2Chip *self);
/* Ends the session, if there is one, and its deadline. The link itself stays. */
void chip_end_link (Core2Chip *self);
void chip_clear_deadline (Core2Chip *self);
/* Calls Device1.Disconnect. Replaces a call under way. */
void chip_call_disconnect (Core2Chip *self);

/* As core2_timer_start(), for @self. */
static inline void
chip_start_timer (Core2Chip *self, Core2Timer **timer, guint delay_ms, Core2TimerFunc func)
{
  core2_timer_start (self->services->timers, timer, delay_ms, func, self);
}

/* --- core2-chip-session.c: from services resolved to ready ---- */
void chip_session_start (Core2Chip *self);
void chip_session_end (Core2Chip *self);
/* Sets BlueZ's flag without which it forgets the chip 30 s after the link ends. Replaces a call under way. */
void chip_set_trusted (Core2Chip *self, gboolean trusted, Core2CallDone done);
/* Lets BlueZ forget the device, and with it what it believes of its services. */
void chip_remove_device (Core2Chip *self);
void chip_set_ready (Core2Chip *self);
/* BlueZ's copy of the chip's services is not what the chip has: drops the link and lets BlueZ forget the
 * chip, once. */
void chip_services_stale (Core2Chip *self);

/* --- core2-chip-steps.c ---- */
void chip_steps_load (Core2Chip *self);
/* The chip is remembered from now on, and goes on where its history ends. */
void chip_steps_remember (Core2Chip *self);
/* Steps moved from one day to another. */
void chip_steps_days_changed (Core2Chip *self);
void chip_steps_value (Core2Chip *self, const guint8 *data, gsize size);
void chip_steps_poll (Core2Chip *self, gboolean enable);
void chip_steps_roll_day (Core2Chip *self);
void chip_steps_clear (Core2Chip *self);
void chip_steps_read (Core2Request *request);

/* --- core2-chip-history.c ---- */
/* Begins to record a remembered chip; what was recorded before may change @steps. */
void chip_history_open (Core2Chip *self);
void chip_history_close (Core2Chip *self);
/* Records a sample, and signals GoalReached when it made that true. */
void chip_history_add (Core2Chip *self, const Core2StepsResult *result);
/* Whether one more reading can be under way: it counts until @request ends. Else it was answered. */
gboolean chip_history_may_read (Core2Request *request);
extern const sd_bus_vtable chip_history_vtable[];

/* --- core2-chip-fetch.c: the chip's own memory of its minutes ---- */
void chip_fetch_init (Core2Chip *self);
void chip_fetch_clear (Core2Chip *self);
/* A sample was counted: an absence is to be filled. */
void chip_fetch_note (Core2Chip *self, const Core2StepsResult *result);
void chip_fetch_ready (Core2Chip *self);
void chip_fetch_lost (Core2Chip *self);
void chip_fetch_control_value (Core2Chip *self, const guint8 *data, gsize size);
void chip_fetch_data_value (Core2Chip *self, const guint8 *data, gsize size);

/* --- core2-chip-battery.c ---- */
void chip_battery_load (Core2Chip *self);
void chip_battery_ready (Core2Chip *self);
void chip_battery_interval_changed (Core2Chip *self);
void chip_battery_lost (Core2Chip *self);
void chip_battery_clear (Core2Chip *self);
void chip_battery_read (Core2Request *request);

/* --- core2-chip-orientation.c ---- */
void chip_orientation_init (Core2Chip *self);
void chip_orientation_value (Core2Chip *self, const guint8 *data, gsize size);
void chip_orientation_ready (Core2Chip *self);
void chip_orientation_update_interval (Core2Chip *self);
void chip_orientation_lost (Core2Chip *self);
void chip_orientation_clear (Core2Chip *self);
void chip_orientation_read (Core2Request *request);
void chip_orientation_fire (Core2Request *request);
int chip_orientation_claim (Core2Chip *self, sd_bus_message *message, guint32 interval,
                            sd_bus_error *error);
int chip_orientation_release (Core2Chip *self, sd_bus_message *message, sd_bus_error *error);

/* --- core2-chip-info.c ---- */
void chip_info_ready (Core2Chip *self);
void chip_info_clear (Core2Chip *self);
void chip_info_read (Core2Request *request);
/* Appends the names of what holds a value as an array of strings. */
int chip_info_append_available (Core2Chip *self, sd_bus_message *reply);

/* --- core2-chip-time.c ---- */
void chip_time_read (Core2Request *request);
void chip_time_set (Core2Request *request);

/* --- core2-chip-handshake.c ---- */

void chip_handshake_init (Core2Chip *self);
void chip_handshake_clear (Core2Chip *self);
/* A notification of V 0009. */
void chip_handshake_value (Core2Chip *self, const guint8 *data, gsize size);
/* Ready: authenticates, when there is a key. */
void chip_handshake_ready (Core2Chip *self);
/* The session ended. */
void chip_handshake_lost (Core2Chip *self);
/* The link is down: the chip waits for no shake any more. */
void chip_handshake_link_down (Core2Chip *self);
/* Another key is stored. */
void chip_handshake_key_changed (Core2Chip *self);
/* Begins what is next: the pairing that is prepared, or else an authentication that is wanted. */
void chip_handshake_next (Core2Chip *self);
/* Authenticates with what is stored, the pending key first, as soon as nothing else is under way. */
void chip_handshake_authenticate (Core2Chip *self);
/* Ends what is under way, without a word to anybody. */
void chip_handshake_abort (Core2Chip *self);
/* Carries out what core2-auth wants. */
void chip_handshake_act (Core2Chip *self, Core2AuthAction action);
/* The chip has this key: publishes that. */
void chip_handshake_confirmed (Core2Chip *self);

/* --- core2-chip-pairing.c ---- */
void chip_pairing_start (Core2Request *request);
gboolean chip_pairing_cancel (Core2Chip *self);
void chip_pairing_lost (Core2Chip *self);
/* Starts the handshake of the request that is prepared. */
void chip_pairing_begin (Core2Chip *self);
/* Makes the key durable before the chip gets it; FALSE when that failed and the pairing has ended. */
gboolean chip_pairing_store_key (Core2Chip *self);
void chip_pairing_succeeded (Core2Chip *self);
void chip_pairing_failed (Core2Chip *self, Core2AuthError error);
/* Ends the pairing for a reason of ours. */
void chip_pairing_abort (Core2Chip *self, const GError *error);
/* Publishes the state of the handshake, when it is a pairing. */
void chip_pairing_publish (Core2Chip *self);

/* Microseconds of CLOCK_BOOTTIME. */
gint64 chip_boot_time (void);

G_END_DECLS
