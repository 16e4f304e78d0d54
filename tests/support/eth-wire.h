/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Ethernet stations on a wire in memory, in virtual time. Every frame reaches every other station, whomever it is
 * addressed to, so that each of them has to look. A test plays the IRMs: it gives orders to a station's core and reads
 * what that reported. What goes over the wire can be lost, repeated, delayed and changed.
 */

#include "services/ipcp-eth/flow.h"
#include "tests/support/prepared.h"

#define WIRE_STATIONS_MAX 3U
#define WIRE_DELAY_USEC 50U
#define WIRE_LOG_MAX 512U

typedef struct Wire Wire;

typedef struct StationReply {
        uint64_t flow_id;
        uint32_t attempt;
        int32_t result;
        bool abandoned;                 /* the flow's state was that when the reply came */
        size_t oap_size;
        uint8_t oap[64];
} StationReply;

typedef struct StationDown {
        uint64_t flow_id;
        CloseReason reason;
} StationDown;

typedef struct StationQuery {
        uint64_t query_id;
        int32_t result;
        usec_t when;
} StationQuery;

typedef struct StationData {
        uint64_t flow_id;
        size_t size;
        uint8_t bytes[64];              /* the first of them */
} StationData;

typedef struct Station {
        Wire *wire;
        Ethernet ethernet;
        unsigned number;
        uint64_t random;
        bool full;                      /* takes no frames */
        int reply_error;                /* what making a lane says */

        uint64_t incoming[WIRE_LOG_MAX];        /* references */
        LayerMessage last_incoming;
        unsigned n_incoming, n_gone;
        StationReply replies[WIRE_LOG_MAX];
        unsigned n_replies;
        FlowBinding incoming_binding, reply_binding;    /* of the last of each */
        Prepared prepared;
        unsigned n_prepared;
        unsigned n_changed;
        StationDown downs[WIRE_LOG_MAX];
        unsigned n_downs;
        StationQuery queries[WIRE_LOG_MAX];
        unsigned n_queries;
        StationData data[WIRE_LOG_MAX];
        unsigned n_data;
} Station;

typedef struct WireFrame WireFrame;

struct WireFrame {
        ListNode by_wire;
        usec_t due;
        const Station *from;
        size_t size;
        uint8_t bytes[2048];
};

/* What happens to a frame: how many copies arrive (0: lost), and how much later than usual. May change the bytes. */
typedef unsigned (*wire_fate_t)(Wire *wire, WireFrame *frame, usec_t *ret_extra);

struct Wire {
        usec_t now;
        Framing framing;
        Station stations[WIRE_STATIONS_MAX];
        unsigned n_stations;
        List frames;                    /* by due */
        wire_fate_t fate;               /* NULL: every frame arrives, once */
        void *fate_data;
        unsigned n_sent;                /* frames put on the wire */
        unsigned n_codes[256];          /* of management messages */
        unsigned n_keepalives;
};

void wire_init(Wire *wire, Framing framing, unsigned n_stations);
void wire_done(Wire *wire);

/* Lets time pass: frames arrive, timers elapse, in their order. */
void wire_run(Wire *wire, usec_t duration);

/* Puts bytes on the wire that no station sent; from is not given them. */
void wire_inject(Wire *wire, const Station *from, const void *bytes, size_t size);

FrameAddress station_address(unsigned number);
void station_set_link(Station *station, bool up, const FrameAddress *address, uint32_t mtu);

/* Hashes of names that tests use: 32 equal bytes. */
const uint8_t *wire_hash(uint8_t name);

void station_request(Station *station, uint64_t flow_id, uint32_t attempt, uint8_t name, const void *oap,
                     size_t oap_size, uint32_t timeout_ms);

/* Accepts, as flow flow_id, with these tokens (the first byte of each; 0: none). */
int station_accept(Station *station, uint64_t reference, uint64_t flow_id, uint8_t own, uint8_t peer);
void station_establish(Station *station, uint64_t flow_id, uint32_t attempt, uint8_t own, uint8_t peer);
void station_abort(Station *station, uint64_t flow_id, uint32_t attempt, uint8_t own, uint8_t peer);

EthernetFlow *station_flow(const Station *station, uint64_t flow_id, uint32_t attempt);

/* Sends one message of size bytes that starts with text. Returns what eth_transmit() says. */
unsigned station_write(Station *station, uint64_t flow_id, const char *text, size_t size);

/* A flow from a to b, established at both ends. Its number is flow_id at a and flow_id + 1000 at b; the tokens are 0xA1
 * (shown by b to close a's end) and 0xB2. o7s false: without tokens. */
void wire_connect(Wire *wire, Station *a, Station *b, uint64_t flow_id, uint32_t timeout_ms, bool o7s);

/* -- flows whose ends have control keys -- */

/* An attempt (reference 0), or an answer to a request, is prepared; the outcome is in Station.prepared. */
void station_prepare(Station *station, uint64_t flow_id, uint64_t reference, uint8_t name, uint32_t timeout_ms);

/* Keys of one end: the one that asked for the flow, or the other. */
LayerControl wire_keys(bool asked);

/* What layer.c does before it tells the layer: the end that asked knows keys and lock. */
void station_learn(Station *station, uint64_t flow_id, const uint8_t lock[FLOW_RESET_BYTES]);

/* As wire_connect(), with tokens, prepared at both ends, and with keys. oap_size: of the request and of the reply. */
void wire_connect_with_keys(Wire *wire, Station *a, Station *b, uint64_t flow_id, uint32_t timeout_ms, size_t oap_size);
