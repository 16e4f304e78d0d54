/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A few members of a unicast layer in one process and in virtual time, over layers below that are a list of events:
 * flows between members take a while to come, messages take a while to arrive, and may be lost, changed or kept back
 * by a test. Every member has a name of its own, "home.N", and answers to the layer's name, "home".
 */

#include "services/ipcp-unicast/flow.h"
#include "tests/support/prepared.h"

#define NET_MEMBERS_MAX 8U
#define NET_LOWER 2U                    /* "lan" and "wan" */
#define NET_DELAY_USEC (2 * USEC_PER_MSEC)
#define NET_PACKET_MAX 1400U

typedef struct Net Net;

/* A flow between two members. */
typedef struct NetFlow {
        struct NetMember *members[2];   /* who asked, who was asked */
        LowerFlow *flows[2];            /* NULL: that end is gone */
        ListNode by_net;
} NetFlow;

typedef struct NetMember {
        Net *net;
        bool alive;
        bool is_cut_off;                /* nothing arrives or leaves, and nobody is told */
        char name[32];
        Unicast unicast;
        UnicastConfig config;
        uint64_t seed;                  /* of its random bytes */
        uint64_t fixed_random;          /* 0: none; else all its numbers are this one */
        bool no_random;                 /* its source of randomness fails */
        int64_t clock_nsec;             /* its CLOCK_REALTIME against that of the others */

        /* what it reported */
        LayerState state;
        char reason[LAYER_TEXT_BYTES_MAX];
        uint32_t packet_max;
        unsigned n_joined;
        unsigned n_up;                  /* neighbours that came up */
        unsigned n_down;
        unsigned n_logs;                /* lines */
        uint64_t n_left_out_told;       /* as these say */
        char last_log[512];
        int last_level;
        char warning[512];              /* the last of level warning */
        unsigned n_warnings;

        /* what its IRM and its applications heard */
        uint64_t incoming;              /* reference of the last request */
        unsigned n_way, n_no_way;       /* of its flows */
        unsigned n_incoming, n_gone, n_replies, n_failed, n_ended, n_delivered;
        int32_t result;                 /* of the last reply */
        Prepared prepared;           /* the last */
        unsigned n_prepared, n_changed;
        FlowBinding incoming_binding, reply_binding;    /* of the last of each */
} NetMember;

struct Net {
        usec_t now;
        List events;                    /* by time */
        List flows;
        NetMember members[NET_MEMBERS_MAX];
        unsigned n_members;
        uint64_t seed;
        unsigned loss_percent;
        unsigned turn;                  /* who answers to the layer's name next */
        uint64_t n_events;

        /* May change or refuse (return false) a message; size may shrink. */
        bool (*filter)(Net *net, const NetMember *from, const LowerFlow *flow, uint8_t *data, size_t *size);
        void *userdata;
};

void net_init(Net *net, uint64_t seed);
void net_done(Net *net);

/* A new member, not started yet: its config may still be changed. */
NetMember *net_add(Net *net, bool bootstrap);

/* Starts it, with all layers below up. */
void net_start(NetMember *m);

/* Ends it at once. loud: those who had flows with it hear of it. It may be started again. */
void net_kill(NetMember *m, bool loud);

void net_run(Net *net, usec_t duration);

/* Runs until the condition holds, at most so long. Returns how long it took; USEC_INFINITY: it does not. */
usec_t net_run_until(Net *net, bool (*condition)(Net *net), usec_t duration);

/* How many open flows this member has for a purpose (and cube, for data transfer). */
unsigned net_n_flows(const NetMember *m, LowerPurpose purpose, Cube cube);

Neighbour *net_neighbour(NetMember *m, const NetMember *of);

/* Hash of a name that tests use: equal bytes. */
void net_hash(uint8_t name, uint8_t ret[HASH_BYTES_MAX]);

/* Orders of the IRM: a request for a name, yes to an incoming one, and that the application is there. */
void net_request(NetMember *m, uint64_t flow_id, uint8_t name);
int net_accept(NetMember *m, uint64_t reference, uint64_t flow_id);
void net_establish(NetMember *m, uint64_t flow_id);

/* Its flow of this number; NULL: there is none. */
UnicastFlow *net_flow(const NetMember *m, uint64_t flow_id);

/* A flow between applications, of this number at one end and 1000 more at the other, which serves the name. Returns
 * whether both ends are established. */
bool net_connect(NetMember *from, NetMember *to, uint64_t flow_id, uint8_t name);

/* Sends one packet of data. */
void net_write(NetMember *m, uint64_t flow_id, const void *data, size_t size);
