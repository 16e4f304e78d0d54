/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Long work that somebody asked for on the bus: starting and stopping a layer, and orders to its member. Kept for a
 * while after its end, so that a slow caller can still read how it went.
 */

#include "basic/enum.h"
#include "basic/time.h"
#include "services/irm/manager.h"
#include "services/irm/operation-step.h"

#define OPERATIONS_MAX 256U
#define OPERATION_KEPT_USEC (30 * USEC_PER_SEC)
#define OPERATION_TIMEOUT_USEC (120 * USEC_PER_SEC)

typedef struct Operation Operation;

typedef enum OperationKind {
        OPERATION_START_LAYER,
        OPERATION_STOP_LAYER,
        OPERATION_BOOTSTRAP,            /* orders to the member, see layer-message.h */
        OPERATION_ENROLL,
        OPERATION_CONNECT,
        OPERATION_DISCONNECT,
        OPERATION_RESET_STATISTICS,
        OPERATION_SET_PROPERTIES,
        OPERATION_CAPTURE,
        _OPERATION_KIND_MAX,
        _OPERATION_KIND_INVALID = -EINVAL,
} OperationKind;

DECLARE_ENUM_NAMES(operation_kind, OperationKind);

typedef enum OperationState {
        OPERATION_RUNNING,
        OPERATION_DONE,
        OPERATION_FAILED,
        OPERATION_CANCELLED,
        _OPERATION_STATE_MAX,
        _OPERATION_STATE_INVALID = -EINVAL,
} OperationState;

DECLARE_ENUM_NAMES(operation_state, OperationState);

struct Operation {
        Manager *manager;               /* not owned */
        uint64_t id;
        OperationKind kind;
        OperationState state;
        char *subject;                  /* the layer */
        char *job;                      /* systemd's, once it is queued */
        char *message;                  /* what it does or how it ended, in words; never NULL */
        bool no_wait;                   /* done as soon as the job is queued */
        OperationSteps steps;
        int error;
        usec_t started;                 /* CLOCK_REALTIME */
        sd_bus_slot *slot;              /* of the call to systemd */
        sd_event_source *timer;
        sd_bus_message *caller;         /* a call that its end answers; NULL: nobody waits */
        int answer_fd;                  /* what a good end hands to it; -1: nothing */
};

/* Reloads systemd first where reload is set, then queues the job. Returns: 0; -ENOTCONN: no bus; -EBUSY: too many. */
int operation_new(Manager *m, OperationKind kind, const char *layer, bool reload, bool no_wait, Operation **ret);
Operation *operation_free(Operation *o);

/* An order to the member of a connected layer: order has everything but its type, kind and id. fd goes with it, and
 * stays the caller's; -1: none. Returns as above. */
int operation_new_order(Layer *l, OperationKind kind, LayerMessage *order, int fd, bool no_wait, Operation **ret);

/* The call is answered by the end of the operation, which must be under way: with fd, which is taken (-1: with
 * nothing), or with its error. */
void operation_answer_to(Operation *o, sd_bus_message *caller, int fd);

void operation_cancel(Operation *o);

/* What happened. */
void operation_layer_changed(Manager *m, const char *layer);
void operation_layer_gone(Layer *l);            /* its connection: nobody will say what became of orders */
void operation_order_done(Layer *l, const LayerMessage *message);
int operation_job_removed(sd_bus_message *message, void *userdata, sd_bus_error *error);
