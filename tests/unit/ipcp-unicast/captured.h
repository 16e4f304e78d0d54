/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A member of ours in the place of one of the two hosts in a capture: it hears what the other one said, message by
 * message, and what it says is kept to be compared.
 */

#include "services/ipcp-unicast/dht-message.h"
#include "services/ipcp-unicast/flow.h"
#include "tests/support/pcap.h"
#include "tests/support/unicast-net.h"

#define SENT_MAX 256U
#define PCI_BYTES 15U
#define HASH_BYTES 32U

/* The messages between the members, in order, as both captures have them. */
enum {
        B_GREETS_ENROLLMENT,
        A_GREETS_ENROLLMENT,
        B_REQUEST,
        A_RESPONSE,
        B_ACK,
        B_GREETS_MANAGEMENT,
        A_GREETS_MANAGEMENT,
        B_GREETS_DATA,
        A_GREETS_DATA,
        A_LSA,
        B_LSA,
        B_FIND_NODE,
        B_FIND_NODE_AGAIN,
        A_NODES,
        A_NODES_AGAIN,
        AFTER_THAT,                     /* Ethernet: A_FIND_VALUE, B_VALUE; UDP: B_STORE; then the flow */
};

typedef struct Message {
        const uint8_t *data;
        size_t size;
} Message;

typedef struct Sent {
        LowerPurpose purpose;
        uint8_t data[NET_PACKET_MAX];
        size_t size;
} Sent;

typedef struct Capture {
        const char *file;
        bool udp;
        bool stores;                    /* B tells A of its name, instead of being asked */
        size_t flow;                    /* its first message, behind those of the directory */
} Capture;

typedef struct Captured {
        Net net;
        NetMember *m;
        UnicastEvents events;
        Pcap *pcap;
        Message messages[64];
        size_t n_messages;
        const Capture *capture;
        size_t flow;                    /* the first message of it */
        Sent sent[SENT_MAX];
        size_t n_sent;

        LowerFlow *management, *data;
        uint64_t reference;             /* of the request that came in */
        LayerFlow *upper;
        uint8_t delivered[NET_PACKET_MAX];
        size_t n_delivered;
} Captured;

/* The member, not started yet. */
void captured_make(Captured *f, const Capture *capture, bool bootstrap);
void captured_start(Captured *f);
void captured_done(Captured *f);

/* Of who said this greeting. */
uint64_t captured_address_of(const Captured *f, unsigned greeting);

/* The directory's message in a packet. */
void captured_dht_of(const uint8_t *packet, size_t size, DhtMessage *ret);

/* The other host says this; what the member answers is in .sent. */
void captured_hear_bytes(Captured *f, LowerFlow *flow, const uint8_t *data, size_t size);
void captured_hear(Captured *f, LowerFlow *flow, size_t message);
const Sent *captured_last_sent(const Captured *f, LowerPurpose purpose);

/* What the member said last is what the prototype said, byte by byte; a greeting, a message of the directory: as far as
 * that is not a matter of chance. */
void captured_expect_said(const Captured *f, LowerPurpose purpose, size_t message);
void captured_expect_greeted(const Captured *f, size_t message);
void captured_expect_told(const Captured *f, const Sent *sent, size_t message);

/* The other host opens a flow. */
LowerFlow *captured_accept_flow(Captured *f);

/* The next flow that the member asks for, allocated. */
LowerFlow *captured_next_flow(Captured *f, LowerPurpose purpose);

/* The member's clock shows this. */
void captured_set_time(Captured *f, uint64_t nsec);
bool captured_way_is_there(Net *net);

/* The next message of the directory with this code. */
const Sent *captured_next_told(Captured *f, DhtCode code);
