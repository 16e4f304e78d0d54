/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One flow. It holds what both ends have brought so far (lanes, our end of the doorbell) until they are
 * brought together, and afterwards only who they are. flow_handle() is the one place where a flow's state
 * changes; connect.c and accept.c do what the table says.
 */

#include "libo7s/doorbell.h"
#include "services/irm/allocation.h"
#include "services/irm/flow-state.h"
#include "services/irm/handshake.h"
#include "services/irm/layer.h"
#include "services/irm/terms.h"

typedef struct Flow Flow;

struct Flow {
        Manager *manager;               /* not owned */
        uint64_t id;
        FlowState state;
        bool incoming;                  /* asked for at another host */
        LaneClass lane_class;
        o7s_qos qos;                    /* as asked for */
        o7s_qos granted;                /* by its layer and both ends, see terms.h */
        uint32_t transfer;              /* IRM_TRANSFER_: what both ends agreed on */
        bool stream;                    /* asked for with O7S_STREAM */
        char name[FLOW_NAME_WIRE_BYTES_MAX + 1];
        char peer[FLOW_NAME_WIRE_BYTES_MAX + 1];        /* as proven; else as its layer knows it */
        bool verified;                  /* .peer was proven */
        char protection[32];            /* as in IrmFlowInfo */
        char key_exchange[32];
        char wanted[LAYER_NAME_BYTES_MAX + 1];  /* the one layer that may carry it; "": any */
        usec_t since;                   /* CLOCK_REALTIME of being established */
        QuotaCharge charge;

        Process *caller;                /* not owned; NULL: at another host */
        Process *acceptor;              /* not owned; NULL: at another host, or none yet */
        Acceptor *offered_to;           /* not owned; while OFFERED, PROPOSED, ACCEPTING, ANSWERED */
        Acceptor *served_by;            /* not owned; whose n_flows counts this one */
        Name *served;                   /* not owned; the name of this host that it is to, where it is one */
        bool counted;                   /* in served->n_flows */
        Layer *layer;                   /* not owned; carries it, or is asked to */

        Allocation *allocation;         /* outgoing, while pending */
        AllocationStep step;            /* what the search said last, for connect_search() */
        bool have_step;
        Handshake *handshake;           /* owned; through a layer, while pending */
        uint32_t won;                   /* the attempt that was answered */
        CloseTokens tokens;
        Incoming *incoming_request;     /* not owned; in Manager.incoming, while pending */
        bool answered;                  /* its layer was told to answer the other host */

        /* Once suspended: caller_lane is the application's, peer_lane the layer's. */
        int caller_lane;                /* of the asking side: the client, or the layer of an incoming flow; -1: not
                                         * here yet */
        int peer_lane;                  /* of the answering side: the listener, or the layer of an outgoing flow */
        int doorbell;                   /* our end, until it is handed out */
        sd_event_source *doorbell_source;
        sd_event_source *timer;
        uint32_t state_slot;
        bool confirmed;                 /* its layer has named it since it connected */
        uid_t layer_uid;                /* once confirmed, of a flow that nobody has: who may claim it, by its layer */

        /* for the actions: why it ends */
        int error;
        char text[IRM_TEXT_BYTES_MAX];
        CloseReason close_reason;
        bool ended_by_layer;            /* the layer knows already */

        ListNode by_caller;             /* Process.called_flows */
        ListNode by_acceptor;           /* Process.accepted_flows */
        ListNode by_offer;              /* Acceptor.offers */
        ListNode by_name;               /* Name.waiting */
        ListNode by_layer;              /* Layer.flows */
};

int flow_new(Manager *m, uint64_t id, bool incoming, const char *name, const o7s_qos *qos, Flow **ret);
Flow *flow_free(Flow *f);
DEFINE_CLEANUP(Flow, flow_free);

/* An established flow of before a restart. state_slot: where it is remembered, or STATE_NO_SLOT. */
int flow_restore(Manager *m, const StateFlow *record, uint32_t state_slot, Flow **ret);

Flow *flow_find(Manager *m, uint64_t id);

/* The one place where the state changes. After an action that ends it (FAIL, REFUSE, FINISH) the flow is gone. */
FlowAction flow_handle(Flow *f, FlowEvent event);

static inline bool flow_action_ends(FlowAction action) {
        return action == FLOW_DO_FAIL || action == FLOW_DO_REFUSE || action == FLOW_DO_FINISH;
}

/* Ends it whatever its state. The flow is gone. */
void flow_end(Flow *f, CloseReason reason, int error, const char *text);

void flow_set_caller(Flow *f, Process *p);
void flow_set_acceptor(Flow *f, Process *p);
void flow_set_layer(Flow *f, Layer *l);
void flow_set_offer(Flow *f, Acceptor *a);
void flow_wait(Flow *f);                /* in the queue of its name */
void flow_wait_no_more(Flow *f);

/* Gives back what only a flow that is being made, or made again, holds: lanes, its doorbell, timers, an offer. */
void flow_drop_means(Flow *f);

/* Arms (or with USEC_INFINITY stops) its one timer; connect.c and accept.c know what it means. */
int flow_set_timer(Flow *f, usec_t when, sd_event_time_handler_t elapsed);

void flow_set_terms(Flow *f, const Terms *terms);
void flow_fill_info(const Flow *f, IrmFlowInfo *ret);

/* For people: "none", "mac", a cipher; "": not known (any more). */
const char *flow_protection(const Flow *f);

/* Its name as text: one of another host may be any bytes, which the bus does not take. */
const char *flow_shown_name(const Flow *f, char buffer[FLOW_NAME_WIRE_BYTES_MAX + 1]);

/* Writes an established flow down, before either side is told: a crash in between then leaves a record too many, which
 * its layer or the end of its process removes, and not a flow that we know nothing of. */
void flow_remember(Flow *f);

/* Counts and announces an established flow, once both sides are told. */
void flow_established(Flow *f);

/* -- allocate.c, connect.c: asked for here -- */

/* ALLOCATE of a client: answers it, and starts to search. */
void allocate(Client *c, const IrmMessage *message);

/* What a program asks for, by the flags of its allocation or of its listener. */
LaneClass wanted_lane_class(uint64_t flags, const o7s_qos *qos);

/* polkit has answered, or need not be asked. */
void connect_permitted(Flow *f, bool granted);

void connect_offer(Flow *f);
void connect_search(Flow *f);
void connect_complete(Flow *f);
void connect_establish(Flow *f);
void connect_fail(Flow *f);

/* What the layers say. */
void connect_query_done(Flow *f, Layer *l, int result);
void connect_layer_up(Flow *f, Layer *l);
void connect_layer_gone(Flow *f, Layer *l);

/* Whoever had it cannot: what the search says now. The flow may be gone afterwards. */
void connect_retract(Flow *f, AllocationStep step);
void connect_set_timer(Flow *f);

/* -- connect-request.c, connect-answer.c: what a layer is asked, and what it says -- */

void connect_request(Flow *f);
void connect_prepared(Flow *f, Layer *l, const LayerMessage *message);
void connect_reply(Flow *f, Layer *l, const LayerMessage *message, int lane_fd);
void connect_establish_request(Flow *f);

/* The layer forgets all attempts. It is not ours any more, and so are they: */
void connect_leave_layer(Flow *f);
void connect_forget_requests(Flow *f);

/* A reply that nobody waits for, or that the layer had no lane for: its host gets a close, if it can be closed. */
void connect_abort_stray(Layer *l, const LayerMessage *reply);

/* -- accept.c: offered to listeners, and asked for elsewhere (admission.h has what comes before) -- */

/* To the other host. */
void accept_refuse_in_silence(Layer *l, uint64_t reference);

/* When a request that nobody accepted is given up. */
int accept_elapsed(sd_event_source *s, uint64_t usec, void *userdata);
void accept_send_offer(Flow *f);
void accept_withdraw(Flow *f, int result);
void accept_offer(Flow *f);
void accept_search(Flow *f);
void accept_answer(Flow *f);
void accept_prepared(Flow *f, const LayerMessage *message);
void accept_establish(Flow *f);
void accept_refuse(Flow *f);
void accept_reply(Flow *f, const LayerMessage *message, int lane_fd);
