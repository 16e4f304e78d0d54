/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The core of an Ethernet layer: everything that it knows and decides, without a descriptor, a clock, a source of
 * randomness or a bus. Frames, orders of the IRM, news of the link and the time come in as calls; what is to be done
 * goes out through EthernetEvents. So two stations can talk to each other inside a test, over a wire that loses,
 * repeats and reorders, at any nanosecond.
 *
 *   frame*.c         the two framings                          management.c   the messages
 *   transmit.c       down: data of a flow, messages            receive.c      up: frames to messages or flows
 *   flow.c           a flow's life: tables, end, time          flow-request.c outgoing ones, from order to reply
 *   flow-peer.c      what ends them at the peer's word         flow-notice.c  other ids and addresses, and silence
 *   flow-restore.c   what outlives our process
 *   incoming.c       requests that the IRM thinks about        pieces.c       requests and replies that fit no frame
 *   name-query.c     who serves a name                         ethernet.c     the layer's object, link, expiry
 *
 * Around the core, and the only files with descriptors: socket*.c (frames), link.c (rtnetlink), service*.c (join
 * the core with these and with the IRM), ethernet-bus.c (D-Bus), main.c.
 */

#include "basic/map.h"
#include "libo7s/drop.h"
#include "services/common/cube.h"
#include "services/common/flow-binding.h"
#include "services/common/histogram.h"
#include "services/common/layer-flow.h"
#include "services/common/reassembly.h"
#include "services/common/shim.h"
#include "services/ipcp-eth/frame.h"
#include "services/ipcp-eth/management.h"

#define ETHERNET_BURST_MAX 32U

/* Requests that we know: as many as 4 096 flows of one user may be opened at once. Answered ones give way to new
 * ones. */
#define ETHERNET_INCOMING_MAX 8192U
#define ETHERNET_INCOMING_KEEP_USEC (25 * USEC_PER_SEC)
#define ETHERNET_INCOMING_BUCKETS 64U   /* stations share these; none of them takes the last tenth of the table */
#define ETHERNET_INCOMING_BUCKET_MAX (ETHERNET_INCOMING_MAX - ETHERNET_INCOMING_MAX / 10)

/* Names that the IRM may have in question at a time. */
#define ETHERNET_QUERIES_MAX 4096U

/* Requests and queries that we look at, per second. What one station may send within the window of time stamps fits
 * into the IRM's replay cache (ethernet.c asserts it), so that no station alone can keep the others' requests out.
 * Several that conspire, or one that invents addresses, are held to the total rate, and that can fill it: then
 * requests that are new meet silence, and are tried again, until stamps expire. Nothing that was seen is forgotten
 * for them: whoever floods gets refusals, never a replay. The rates are a layer's, the cache is the host's: layers
 * add up. */
#define ETHERNET_SENDER_RATE 4000U
#define ETHERNET_SENDER_BURST 8000U
#define ETHERNET_TOTAL_RATE 8000U
#define ETHERNET_TOTAL_BURST 16000U

/* Resets that we answer with, per second. */
#define ETHERNET_RESET_RATE 100U
#define ETHERNET_RESET_BURST 1000U
#define ETHERNET_RESET_TOTAL_RATE 1000U
#define ETHERNET_RESET_TOTAL_BURST 2000U

typedef struct Ethernet Ethernet;
typedef struct EthernetFlow EthernetFlow;
typedef struct Incoming Incoming;

/* What the core wants done. None of these may call back into the core, except where it says so. */
typedef struct EthernetEvents {
        /* Frames of a cube, complete. The packets stay the caller's. Returns how many of them, from the first, were
         * taken. */
        unsigned (*send)(void *userdata, Cube cube, Packet *const *frames, unsigned n);

        /* Data for an established flow. The packets stay the caller's. */
        void (*deliver)(void *userdata, EthernetFlow *flow, Packet *const *packets, unsigned n);

        /* An attempt has its endpoint id, or an answer to a request of another host; or it will not. binding and lock
         * may be NULL; see LayerPrepared. */
        void (*prepared)(void *userdata, uint64_t flow_id, uint32_t attempt, uint64_t reference, int32_t result,
                         const FlowBinding *binding, const uint8_t *lock);

        /* The outcome of a request, or (without oap and binding) that an accepted flow is about to be answered;
         * result 0 needs a lane. Returns: 0; a negative errno: there is no lane, the flow will not come to be, and
         * the IRM knows. */
        int (*reply)(void *userdata, LayerFlow *flow, int32_t result, const uint8_t *oap, size_t oap_size,
                     const FlowBinding *binding);

        /* The same for an attempt that never became a flow. */
        void (*failed)(void *userdata, uint64_t flow_id, uint32_t attempt, int32_t result);

        void (*incoming)(void *userdata, uint64_t reference, const uint8_t *hash, const ManagementMessage *message,
                         const FlowBinding *binding, const FrameAddress *peer);
        void (*incoming_gone)(void *userdata, uint64_t reference);
        void (*query_done)(void *userdata, uint64_t query_id, int32_t result);

        /* An established or answered flow ended, not by the IRM's order. Its upper side goes. */
        void (*down)(void *userdata, LayerFlow *flow, CloseReason reason);

        /* What is to outlive our process of an established flow changed: it is kept before this returns. */
        void (*changed)(void *userdata, LayerFlow *flow);

        /* 64 fresh random bits. */
        uint64_t (*random)(void *userdata);
} EthernetEvents;

typedef struct EthernetConfig {
        Framing framing;
        uint16_t ether_type;
        HashAlgorithm hash;
        uint32_t packet_max;            /* largest packet of a flow; 0: as the link allows */
        uint8_t key[SIPHASH_KEY_BYTES]; /* random */
        FlowUpkeepLimits upkeep;        /* both 0: FLOW_UPKEEP_LIMITS */
} EthernetConfig;

/* The interface, as last seen. */
typedef struct EthernetLink {
        bool present;
        bool up;                        /* and has a carrier */
        FrameAddress address;
        uint32_t mtu;
} EthernetLink;

struct Ethernet {
        const FrameOps *framing;
        uint16_t ether_type;
        size_t hash_size;
        uint32_t packet_max_wanted;
        uint32_t payload_max;           /* of a data frame, as things are now */
        EthernetLink link;

        const EthernetEvents *events;
        void *userdata;

        LayerFlows flows;
        ShimEndpoints *endpoints;       /* id → EthernetFlow */
        ExpiryHeap expiries;        /* EthernetFlow.expiry */
        List tombstones;                /* EthernetFlow.by_tombstone, oldest first */
        unsigned n_closing;             /* tombstones that have not said close for the last time */
        List searching;                 /* EthernetFlow.by_searching: their name is being asked for */
        unsigned n_early;               /* EthernetFlow.early, of all flows */

        ShimNames names;                /* hash → station */
        Map *registered;                /* hash → RegisteredName */
        List queries;                   /* NameQuery, of the IRM */
        unsigned n_queries;

        uint64_t last_reference;
        Map *incoming_by_reference;
        Map *incoming_by_peer;
        List incoming;                  /* Incoming.by_age: the IRM thinks about them; oldest first */
        unsigned n_incoming[ETHERNET_INCOMING_BUCKETS]; /* of these, by the station that asks */
        List answered;                  /* Incoming.by_age: remembered for copies; oldest answer first */

        Reassembly reassembly;
        FlowUpkeepLimits upkeep;
        uint8_t reset_key[FLOW_RESET_KEY_BYTES];        /* set by the shell before there are flows */
        Limit limit;
        Limit reset_limit;
        Counters counters;              /* frames */
        FlowUpkeepCounters upkeep_counters;
        Durations allocation_usec;      /* from our request to the reply */
        Durations query_usec;           /* from our first question for a name to the answer */
        Packet *message;                /* the management message being built */
};

/* Frees what was made so far on failure. Returns: 0; -ENOMEM; an error of map_new(). */
int ethernet_init(Ethernet *e, const EthernetConfig *config, const EthernetEvents *events, void *userdata, usec_t now);

/* Silent: no close is sent and nothing is reported. */
void ethernet_done(Ethernet *e);

/* Tells every peer that understands it that its flow is over: before an orderly end. */
void ethernet_close_all(Ethernet *e, usec_t now);

/* All counters back to 0. */
void ethernet_reset_statistics(Ethernet *e);

/* The largest packet of a flow from now on, where the link allows it; 0: what the link allows. */
void ethernet_want_packet_max(Ethernet *e, uint32_t packet_max);

/* News of the interface. Peers check our hardware address: with a new one, flows whose peers can be told go on, and
 * the others end. */
void ethernet_link_changed(Ethernet *e, const EthernetLink *link, usec_t now);

/* Does all that is due. */
void ethernet_expire(Ethernet *e, usec_t now);
usec_t ethernet_next(const Ethernet *e);

/* Largest message of a flow, and largest OAP message; 0 while the link is unknown. */
uint32_t ethernet_packet_max(const Ethernet *e);
uint32_t ethernet_oap_max(const Ethernet *e);

/* -- the packet's walk -- */

/* transmit.c: data of an established flow, packets without headers. They stay the caller's, and are garbage afterwards.
 * Returns: how many were dealt with (sent, or dropped and counted); fewer than n where the socket is full. */
unsigned eth_transmit(Ethernet *e, EthernetFlow *flow, Packet *const *packets, unsigned n, usec_t now);

/* receive.c: a burst of frames. They stay the caller's, and are garbage afterwards. */
void eth_receive(Ethernet *e, Packet *const *frames, unsigned n, usec_t now);

/* -- inside the core -- */

/* transmit.c. Returns whether the message went out. */
bool eth_send_message(Ethernet *e, const FrameAddress *to, const FrameAddress *from, const ManagementMessage *message);

/* pieces.c: the same for a request or reply of any size. One that fits no frame goes out in pieces, and stays in *ret
 * for their repetitions (ret NULL: there are none). */
bool eth_send_allocation(Ethernet *e, const FrameAddress *to, const FrameAddress *from,
                         const ManagementMessage *message, usec_t now, FragmentedMessage *ret);
void eth_send_pieces(Ethernet *e, const FrameAddress *to, const FrameAddress *from, const FragmentedMessage *message);

/* Whether a request with so much of OAP could be sent at all. */
bool eth_can_send_oap(const Ethernet *e, size_t oap_size);

/* A piece: the whole message, once it is complete, is handed to eth_management_received(). */
void eth_piece_received(Ethernet *e, const Frame *frame, const ManagementMessage *message, usec_t now);

/* receive.c */
void eth_management_received(Ethernet *e, const Frame *frame, const ManagementMessage *message, usec_t now);
bool eth_send_keepalive(Ethernet *e, EthernetFlow *flow, usec_t now);

/* name-query.c */
typedef struct RegisteredName RegisteredName;
typedef struct NameQuery NameQuery;

int ethernet_register(Ethernet *e, const uint8_t *hash, size_t hash_size);
void ethernet_unregister(Ethernet *e, const uint8_t *hash, size_t hash_size);
void ethernet_unregister_all(Ethernet *e);
bool ethernet_is_registered(const Ethernet *e, const uint8_t *hash);
size_t ethernet_n_registered(const Ethernet *e);

/* The outcome is query_done, possibly from within. */
void ethernet_query(Ethernet *e, uint64_t query_id, const uint8_t *hash, size_t hash_size, usec_t now);
void ethernet_forget_queries(Ethernet *e);
void name_query_received(Ethernet *e, const Frame *frame, const ManagementMessage *message, usec_t now);
void name_reply_received(Ethernet *e, const Frame *frame, const ManagementMessage *message, usec_t now);
void name_query_expire(Ethernet *e, usec_t now);

/* incoming.c */
void incoming_request_received(Ethernet *e, const Frame *frame, const ManagementMessage *message, usec_t now);
void incoming_expire(Ethernet *e, usec_t now);
usec_t incoming_next(const Ethernet *e);
void incoming_forget(Ethernet *e);

/* An answer to a request of another host: takes the endpoint id of our side. The outcome is the event prepared, from
 * within. */
void incoming_prepare(Ethernet *e, const LayerMessage *order, usec_t now);

/* The flow that was prepared is gone. */
void incoming_flow_gone(Incoming *incoming);

/* Returns: 0: the outcome was reported by the reply event; < 0: no flow came to be, and nobody has been told. */
int ethernet_accept(Ethernet *e, const LayerMessage *order, usec_t now);
void ethernet_refuse(Ethernet *e, const LayerMessage *order, usec_t now);
