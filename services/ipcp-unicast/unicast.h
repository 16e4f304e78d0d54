/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The core of a unicast layer: one member of it, with everything that it knows and decides, without a descriptor, a
 * clock, a source of randomness or a bus. What happens below and above, orders of the IRM and the time come in as
 * calls; what is to be done goes out through UnicastEvents. So three members forward packets to each other inside a
 * test, and thousands of them inside o7s-sim.
 *
 *   unicast.c         the object: what a member is made of        membership.c     what it has when it joined
 *   unicast-state.c   how it is, in words
 *
 *   transmit.c        down: data of a flow → PCI → next hop       receive.c        up: PCI → forward, component, flow
 *   pci.c             the header                                  queue.c          what a neighbour does not take yet
 *   forwarding*.c     destination → next hop                      congestion*.c    how fast a flow may send
 *   echo*.c           the component that o7s-trace asks
 *
 *   lower-flow.c      a flow of a layer below                     neighbour*.c     a member at the other end of some
 *   lower-peers.c     how many of these one host may have         hello.c          whether it is still there
 *   join*.c           bootstrap, enroll, connect, keep alive      address.c        who we are
 *   routing.c, lsa.c, lsdb*.c, flood.c, spf*.c                    shortest paths
 *   directory*.c, dht-*.c                                         who serves a name
 *   flow*.c, incoming.c, eid.c                                    the flow allocator
 *
 * Around the core, and the only files with descriptors: service*.c (join the core with the IRM and the clock),
 * lower.c, lower-listener.c, carrier.c (flows of layers below, through libo7s), unicast-bus.c (D-Bus), main.c.
 */

#include "basic/map.h"
#include "libo7s/drop.h"
#include "services/common/expiry.h"
#include "services/common/flow-binding.h"
#include "services/common/flow-upkeep.h"
#include "services/common/histogram.h"
#include "services/common/layer-config.h"
#include "services/common/layer-flow.h"
#include "services/common/limit.h"
#include "services/common/reassembly.h"
#include "services/ipcp-unicast/address.h"
#include "services/ipcp-unicast/congestion.h"
#include "services/common/cube.h"
#include "services/ipcp-unicast/directory.h"
#include "services/ipcp-unicast/eid.h"
#include "services/ipcp-unicast/forwarding.h"
#include "services/ipcp-unicast/join.h"
#include "services/ipcp-unicast/lower-flow.h"
#include "services/ipcp-unicast/lower-peers.h"
#include "services/ipcp-unicast/neighbour.h"
#include "services/ipcp-unicast/pci.h"
#include "services/ipcp-unicast/routing.h"

#define UNICAST_BURST_MAX 32U
#define UNICAST_LOWER_MAX 16U           /* layers below */

#define UNICAST_INCOMING_MAX 8192U      /* requests that we know, as in every layer */
#define UNICAST_INCOMING_KEEP_USEC (25 * USEC_PER_SEC)
#define UNICAST_INCOMING_BUCKETS 64U    /* neighbours share these; none of them takes the last tenth of the table */
#define UNICAST_INCOMING_BUCKET_MAX (UNICAST_INCOMING_MAX - UNICAST_INCOMING_MAX / 10)
#define UNICAST_QUERIES_MAX 4096U       /* names that the IRM may have in question at a time */

/* Requests looked at per second, per neighbour and in all; see ethernet.h for the reasoning. */
#define UNICAST_SENDER_RATE 4000U
#define UNICAST_SENDER_BURST 8000U
#define UNICAST_TOTAL_RATE 8000U
#define UNICAST_TOTAL_BURST 16000U

/* Without a way to its peer for so long, a flow's application is told. */
#define UNICAST_NO_WAY_USEC USEC_PER_SEC

/* Resets that we answer with, per second. */
#define UNICAST_RESET_RATE 100U
#define UNICAST_RESET_BURST 1000U
#define UNICAST_RESET_TOTAL_RATE 1000U
#define UNICAST_RESET_TOTAL_BURST 2000U

/* Lines in the log about what others do; neighbours that all come back at once fit. */
#define UNICAST_LOG_LINES_MAX 100U
#define UNICAST_LOG_USEC (10 * USEC_PER_SEC)

/* Lookups in the directory with this bit are an operator's, others the flow allocator's. */
#define UNICAST_LOOKUP_OPERATOR (UINT64_C(1) << 63)

typedef struct Echo Echo;
typedef struct UnicastFlow UnicastFlow;

/* What the core wants done. None of these may call back into the core, except where it says so. */
typedef struct UnicastEvents {
        /* -- layers below -- */

        /* Begin to allocate a flow over the layer flow->lower to flow->name, quality cube_lower_qos(flow->cube). Ends
         * in unicast_lower_allocated() or unicast_lower_failed(), never from within. Returns: 0; < 0: not even
         * begun. */
        int (*lower_allocate)(void *userdata, LowerFlow *flow);

        /* Let go of what carries the flow, in whatever state; nothing more is reported for it. */
        void (*lower_release)(void *userdata, LowerFlow *flow);

        /* Packets or messages. They stay the caller's. Returns how many, from the first, were taken; fewer than n:
         * there is no room, unicast_lower_writable() will follow. */
        unsigned (*lower_send)(void *userdata, LowerFlow *flow, Packet *const *packets, unsigned n);

        /* Packets that the flow took and that are not on their way yet. */
        unsigned (*lower_queued)(void *userdata, const LowerFlow *flow);

        /* -- flows above; as in every layer, see services/common/layer.h -- */

        /* marked: they met congestion on their way through this layer. */
        void (*deliver)(void *userdata, UnicastFlow *flow, Packet *const *packets, unsigned n, bool marked);
        void (*prepared)(void *userdata, uint64_t flow_id, uint32_t attempt, uint64_t reference, int32_t result,
                         const FlowBinding *binding, const uint8_t *lock);
        int (*reply)(void *userdata, LayerFlow *flow, int32_t result, const uint8_t *oap, size_t oap_size,
                     const FlowBinding *binding);
        void (*failed)(void *userdata, uint64_t flow_id, uint32_t attempt, int32_t result);
        void (*incoming)(void *userdata, uint64_t reference, const uint8_t *hash, size_t hash_size, const o7s_qos *qos,
                         const uint8_t *oap, size_t oap_size, const FlowBinding *binding, const char *peer);
        void (*incoming_gone)(void *userdata, uint64_t reference);
        void (*query_done)(void *userdata, uint64_t query_id, int32_t result);
        void (*down)(void *userdata, LayerFlow *flow, CloseReason reason);

        /* What is to outlive our process of an established flow changed: it is kept before this returns. */
        void (*changed)(void *userdata, LayerFlow *flow);

        /* There is a way to the flow's peer (again), or there has been none for UNICAST_NO_WAY_USEC. NULL: nobody
         * wants to know. */
        void (*way)(void *userdata, UnicastFlow *flow, bool there);

        /* unicast_budget() of this flow said 0, and would say more now. */
        void (*resume)(void *userdata, UnicastFlow *flow);

        /* -- the layer itself -- */

        /* State and its reason, a sentence. */
        void (*state)(void *userdata, LayerState state, const char *reason);

        /* The largest packet of a flow changed; 0: there is no neighbour. */
        void (*packet_max)(void *userdata, uint32_t packet_max);

        /* old and new are "down", "trying", "up". */
        void (*neighbour)(void *userdata, const char *name, const char *before, const char *after, const char *reason);
        void (*routes)(void *userdata, uint64_t version, unsigned n_added, unsigned n_removed, unsigned n_changed);

        /* The end of a lookup with UNICAST_LOOKUP_OPERATOR. May be NULL where nobody makes any. */
        void (*found)(void *userdata, uint64_t lookup, int error, const uint64_t *addresses, size_t n_addresses);

        /* We became a member, with this configuration and address: worth keeping across a restart. */
        void (*joined)(void *userdata);

        /* Fresh random bytes. Returns: 0; < 0: whatever needed them fails. */
        int (*random)(void *userdata, void *ret, size_t size);

        /* CLOCK_REALTIME at now, in nanoseconds: the wire has absolute times. */
        uint64_t (*realtime_nsec)(void *userdata, usec_t now);

        /* One line for the log, at a level of syslog. */
        void (*log)(void *userdata, int level, const char *text);
} UnicastEvents;

/* A neighbour that the layer's file names. */
typedef struct UnicastNeighbourConfig {
        char name[FLOW_NAME_WIRE_BYTES_MAX + 1];
        int lower;                      /* -1: any */
        bool management;
        bool data;
        uint32_t cost;                  /* 0: the default */
} UnicastNeighbourConfig;

typedef struct UnicastConfig {
        const char *layer;              /* our name of the layer */
        const char *member;             /* our name in it, such as that of the host */
        const char *const *lower;       /* layers below, in order of preference */
        unsigned n_lower;
        bool bootstrap;
        LayerConfig initial;            /* bootstrap: what the layer is to be */
        const char *const *via;         /* names to enroll through; none: the layer's name */
        unsigned n_via;
        usec_t retry_min_usec;          /* 0: the defaults */
        usec_t retry_max_usec;
        usec_t give_up_usec;            /* enrolling: after that the layer is failed; USEC_INFINITY: never */
        const UnicastNeighbourConfig *neighbours;
        unsigned n_neighbours;
        uint32_t packet_max;            /* of a flow; 0: as the layers below allow */
        usec_t hello_usec;              /* between hellos; 0: none, neighbours are believed until their flows end */
        bool keep_neighbours;           /* towards the layer's name over each lower layer; what "Neighbour=auto"
                                         * means */
        uint8_t key[SIPHASH_KEY_BYTES]; /* random */
        FlowUpkeepLimits upkeep;        /* both 0: FLOW_UPKEEP_LIMITS */
} UnicastConfig;

/* What went through the queues of one cube, towards all neighbours. */
typedef struct CubeCounters {
        uint64_t in;                    /* packets to be sent */
        uint64_t out;
        uint64_t dropped;               /* there was no place in a queue */
        uint64_t marked;                /* told of congestion */
} CubeCounters;

/* See log.c. */
typedef struct UnicastLogLimit {
        usec_t since;
        unsigned n;                     /* written since then */
        uint64_t n_left_out;
} UnicastLogLimit;

struct Unicast {
        UnicastConfig config;           /* strings belong to the shell and outlive us */
        const UnicastEvents *events;
        void *userdata;

        usec_t now;                     /* of the last call: for what the directory sends */
        LayerState state;               /* as last reported, with its reason */
        char state_text[LAYER_TEXT_BYTES_MAX];

        /* who we are; valid as a member */
        bool is_member;
        bool has_conflict;              /* another member has our address: seen, not dealt with yet */
        LayerConfig layer;              /* as decided or enrolled; its peer is ourselves when we enroll others */
        uint64_t address;
        int64_t clock_offset_usec;      /* of the member that enrolled us: its clock minus ours, */
        char clock_peer[FLOW_NAME_WIRE_BYTES_MAX + 1];  /* and its name; "": nobody did */
        uint64_t sequence;              /* of our links, from an earlier life */
        PciFormat format;
        size_t hash_size;
        uint32_t packet_max;            /* of a flow, as things are now */

        /* the ways down */
        Join join;
        List lower_flows;               /* LowerFlow.by_unicast */
        unsigned n_lower_flows;
        ExpiryHeap lower_expiries;      /* LowerFlow.expiry */
        unsigned n_greeting;            /* accepted ones that have not said what they are for */
        LowerPeers lower_peers;         /* whose the accepted ones are */
        uint64_t last_lower_id;
        bool lower_is_up[UNICAST_LOWER_MAX];
        List neighbours;                /* Neighbour.by_unicast */
        unsigned n_neighbours;
        Map *neighbours_by_address;
        Neighbour *hops[NEIGHBOURS_MAX];        /* by number */
        HelloTimes hello;

        /* as a member */
        Routing *routing;
        uint64_t routing_version;
        Forwarding *forwarding[_CUBE_MAX];
        Directory *directory;
        uint8_t directory_id[HASH_BYTES_MAX];   /* ours in it */
        Map *registered;                /* names of the IRM, before and after we joined: hash → RegisteredName */

        /* the flow allocator */
        LayerFlows flows;
        Eids *eids;                     /* → UnicastFlow */
        ExpiryHeap expiries;            /* UnicastFlow.expiry */
        List tombstones;
        unsigned n_early;               /* UnicastFlow.early, of all flows */
        unsigned n_closing;             /* tombstones that have not said close for the last time */
        List lookups;                   /* NameLookup: names that the directory is finding */
        unsigned n_queries;             /* questions of the IRM among those who wait for that */
        uint64_t last_lookup;
        uint64_t last_reference;
        Map *incoming_by_reference;
        Map *incoming_by_peer;
        List incoming;
        List answered;
        unsigned n_incoming[UNICAST_INCOMING_BUCKETS]; /* that the IRM thinks about, by the neighbour that
                                                          passed them on */
        Limit limit;
        Limit reset_limit;
        Reassembly reassembly;
        FlowUpkeepLimits upkeep;
        uint8_t reset_key[FLOW_RESET_KEY_BYTES];        /* the shell's, before anybody asks for a flow */

        Echo *echo;                     /* owned; NULL until somebody asks */

        Counters counters;              /* of packets to and from neighbours, whatever they were for */
        CubeCounters cubes[_CUBE_MAX];
        uint64_t n_forwarded;
        uint64_t n_scans;               /* of endpoint ids, by neighbours or through them */
        FlowUpkeepCounters upkeep_counters;
        Durations allocation_usec;      /* from our request to the reply */
        usec_t ways_at;                 /* when to look for the ways of all flows; USEC_INFINITY: nothing changed */
        UnicastLogLimit log_limit;
        Packet *message;                /* being built */
};

/* -- life -- */

/* Frees what was made so far on failure. Returns: 0; -ENOMEM; an error of the source of randomness. */
int unicast_init(Unicast *u, const UnicastConfig *config, const UnicastEvents *events, void *userdata, usec_t now);
void unicast_done(Unicast *u);

/* Begins to bootstrap or to enroll; reports its state from within. */
void unicast_start(Unicast *u, usec_t now);

/* Instead of enrolling anew: what an earlier life of this member knew. Before unicast_start(). */
int unicast_restore(Unicast *u, const LayerConfig *layer, uint64_t address, uint64_t sequence, usec_t now);

/* Before an orderly end: peers of flows hear of it, links are withdrawn. */
void unicast_leave(Unicast *u, usec_t now);

void unicast_expire(Unicast *u, usec_t now);
usec_t unicast_next(const Unicast *u);

/* All counters back to 0. */
void unicast_reset_statistics(Unicast *u);

/* neighbour.c: the largest packet of a flow from now on, where neighbours allow it; 0: what they allow. */
void unicast_want_packet_max(Unicast *u, uint32_t packet_max);

/* -- reports of the shell about layers below -- */

/* A layer below can be used (again), or cannot. */
void unicast_lower_changed(Unicast *u, unsigned lower, bool up, usec_t now);

/* The largest packet of a flow of a layer below is another one. */
void unicast_lower_resized(LowerFlow *flow, uint32_t packet_max, usec_t now);

void unicast_lower_allocated(LowerFlow *flow, uint32_t packet_max, usec_t now);
void unicast_lower_failed(LowerFlow *flow, int error, const char *text, usec_t now);

/* Another member opened a flow to us. qos: as granted. Returns: 0; -EBUSY: too many in all; -EDQUOT: this host has
 * too many. */
int unicast_lower_accepted(Unicast *u, unsigned lower, const o7s_qos *qos, uint32_t packet_max,
                           const char *peer, usec_t now, LowerFlow **ret);

/* Packets or messages that arrived. They stay the caller's, and are garbage afterwards. May release the flow. */
void unicast_lower_received(LowerFlow *flow, Packet *const *packets, unsigned n, usec_t now);

/* It ended, not by our wish. The core lets go of it; lower_release is not called. */
void unicast_lower_down(LowerFlow *flow, const char *reason, usec_t now);
void unicast_lower_writable(LowerFlow *flow, usec_t now);

/* -- the packet's walk -- */

/* flow-way.c: neighbours or routes did; what that is to flows is seen to in unicast_expire(). */
void unicast_ways_changed(Unicast *u);

/* transmit.c: how many packets of this flow would be taken now, at most max. 0: none; the event resume follows. */
unsigned unicast_budget(Unicast *u, UnicastFlow *flow, unsigned max, usec_t now);

/* transmit.c: data of an established flow, packets without headers. They stay the caller's, and are garbage afterwards.
 * Returns: n: all are dealt with, sent, queued, or dropped and counted. */
unsigned unicast_transmit(Unicast *u, UnicastFlow *flow, Packet *const *packets, unsigned n, usec_t now);

/* receive.c: a burst from an open data transfer flow. */
void unicast_receive(Unicast *u, LowerFlow *flow, Packet *const *packets, unsigned n, usec_t now);

/* transmit.c: a message of a component to the component eid of another member. Returns whether there was a way. */
bool unicast_send_message(Unicast *u, uint64_t destination, uint64_t eid, const uint8_t *data, size_t size, usec_t now);

/* transmit.c: whether there is a way to this member now. */
bool unicast_has_way(const Unicast *u, uint64_t destination);

/* transmit.c: one packet of a flow, without a header: empty for a keepalive. Returns whether there was a way. */
bool unicast_send_data(Unicast *u, UnicastFlow *flow, Packet *packet, usec_t now);

/* transmit.c: a packet with its PCI towards its destination. From ourselves, or (from != NULL) on its way through. */
void unicast_forward(Unicast *u, Packet *packet, const Pci *pci, const LowerFlow *from, usec_t now);

/* transmit.c: the neighbour that a packet goes to, and its cube; NULL: there is no way. */
Neighbour *unicast_next_hop(const Unicast *u, const Pci *pci, const LowerFlow *from, Cube *ret_cube);

/* transmit.c: packets with headers, all to this neighbour. */
void unicast_send_burst(Unicast *u, Neighbour *neighbour, Cube cube, Packet *const *packets, unsigned n);

/* transmit.c: the neighbour's lower flow takes packets again, or the neighbour got one. */
void unicast_drain_queues(Unicast *u, Neighbour *n, usec_t now);

/* transmit.c: flows that wait for room towards this neighbour may go on: also before it is freed. */
void unicast_resume_waiting(Unicast *u, Neighbour *n);

/* -- orders of the IRM; as in every layer -- */

int unicast_register(Unicast *u, const uint8_t *hash, size_t hash_size, usec_t now);
void unicast_unregister(Unicast *u, const uint8_t *hash, size_t hash_size, usec_t now);
void unicast_unregister_all(Unicast *u, usec_t now);
void unicast_query(Unicast *u, uint64_t query_id, const uint8_t *hash, size_t hash_size, usec_t now);
void unicast_prepare(Unicast *u, const LayerMessage *order, usec_t now);
void unicast_request(Unicast *u, const LayerMessage *order, usec_t now);
int unicast_accept(Unicast *u, const LayerMessage *order, usec_t now);
void unicast_refuse(Unicast *u, const LayerMessage *order, usec_t now);
void unicast_abort(Unicast *u, LayerFlow *flow, const CloseTokens *tokens, usec_t now);
void unicast_established(Unicast *u, LayerFlow *flow, const CloseTokens *tokens, usec_t now);
void unicast_close(Unicast *u, LayerFlow *flow, usec_t now);
void unicast_irm_lost(Unicast *u, usec_t now);

/* -- inside the core -- */

static inline size_t unicast_pci_bytes(const Unicast *u) {
        return pci_bytes(&u->format);
}

/* One line for the log. */
void unicast_log(Unicast *u, int level, const char *format, ...) _printf_(3, 4);

/* The same for what another host brought about: no more than UNICAST_LOG_LINES_MAX in UNICAST_LOG_USEC. */
void unicast_log_remote(Unicast *u, int level, const char *format, ...) _printf_(3, 4);

/* State of the layer, from what join and neighbours know; reports it where it changed. */
void unicast_update_state(Unicast *u, usec_t now);

/* Makes us a member: address, routing, directory, forwarding. config: decided (bootstrap) or learned. */
int unicast_become_member(Unicast *u, const LayerConfig *config, usec_t now);

/* What it made goes; nothing else is told. */
void unicast_end_membership(Unicast *u);

/* Another member has our address: draws a new one and joins again. Flows of applications end, but for those whose
 * peers can be told where we are then. */
void unicast_address_conflict(Unicast *u, const char *where, usec_t now);
