/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Flow allocators of several members, in virtual time, with nothing else of a member around them: what routing,
 * neighbours and the directory would do is a small double here, in place of transmit.c and directory.c. A test plays
 * the IRMs.
 */

#include "services/ipcp-unicast/flow-message.h"
#include "services/ipcp-unicast/flow.h"
#include "tests/support/prepared.h"

#define NET_MEMBERS_MAX 3U
#define NET_LOG_MAX 4096U
#define NET_DELAY_USEC USEC_PER_MSEC

typedef struct Net Net;

typedef struct NetReply {
        uint64_t flow_id;
        uint32_t attempt;
        int32_t result;
        size_t oap_size;
} NetReply;

/* Stands for the directory of one member. */
struct Directory {
        Net *net;
        unsigned n_registered;
        unsigned n_lookups;             /* ever */
        uint64_t pending[NET_LOG_MAX];  /* lookups without an answer; 0: cancelled */
        unsigned n_pending;
        bool slow;                      /* answers only in net_found() */
        uint64_t addresses[DIRECTORY_ADDRESSES_MAX];    /* of every name */
        size_t n_addresses;
        int error;
        uint64_t doubted[16];
        unsigned n_doubted;
};

typedef struct NetMember {
        Net *net;
        unsigned number;
        Unicast unicast;
        Directory directory;
        Neighbour neighbours[NET_MEMBERS_MAX];  /* the others, as this one sees them */
        LowerFlow lower[NET_MEMBERS_MAX];
        bool unreachable;               /* nobody has a way to it */
        int random_error;
        uint64_t random;
        int reply_error;                /* what making a lane says */

        uint64_t incoming[NET_LOG_MAX]; /* references */
        unsigned n_incoming, n_gone;
        char incoming_peer[32];
        NetReply replies[NET_LOG_MAX];
        unsigned n_replies;
        Prepared prepared;           /* the last */
        unsigned n_prepared, n_changed;
        FlowBinding incoming_binding, reply_binding;    /* of the last of each */
        NetReply failures[NET_LOG_MAX];
        unsigned n_failures;
        NetReply queries[NET_LOG_MAX];  /* flow_id is the query's */
        unsigned n_queries;
        unsigned n_downs;
        CloseReason last_down;
        unsigned n_delivered, n_marked, n_resumed;
        uint8_t delivered[256];         /* the first byte of each packet */
} NetMember;

typedef struct NetMessage {
        ListNode by_net;
        usec_t due;
        unsigned from, to;
        uint64_t eid;
        uint8_t ecn;
        size_t size;
        uint8_t bytes[];
} NetMessage;

#define NET_KEPT_MAX 64U

/* A message about a flow, as it went by. */
typedef struct NetKept {
        unsigned from, to;
        size_t size;
        uint8_t bytes[FLOW_MESSAGE_BYTES_MAX];
} NetKept;

struct Net {
        usec_t now;
        NetMember members[NET_MEMBERS_MAX];
        List messages;
        unsigned n_codes[256];          /* of the allocator's messages that were sent */
        unsigned n_keepalives;
        unsigned n_lost;                /* of what is sent next: how many get lost */
        unsigned loss_percent;          /* of everything */
        uint32_t seed;
        unsigned n_data_lost[NET_MEMBERS_MAX];  /* by sender */
        NetKept kept[NET_KEPT_MAX];
        unsigned n_kept;
        bool swallow;                   /* these messages get no further */
        unsigned n_copies;              /* of each message of the allocator; 1 */
        uint8_t ecn;                    /* how data is marked on its way */
};

int net_new(CongestionPolicy congestion, Net **ret);
Net *net_free(Net *net);
DEFINE_CLEANUP(Net, net_free);

/* Lets time pass: messages arrive, timers elapse. */
void net_run(Net *net, usec_t duration);

/* Address of a member. */
uint64_t net_address(unsigned number);

/* A message or packet that arrives at a member from a neighbour, at once. */
void net_inject(NetMember *to, unsigned from, const void *bytes, size_t size);
void net_inject_message(NetMember *to, unsigned from, const FlowMessage *message);
void net_inject_data(NetMember *to, uint64_t eid, const char *text);

/* Answers everything that was looked up and is pending. */
void net_found(NetMember *member);

/* Hashes of names that tests use: 32 equal bytes. */
const uint8_t *net_hash(uint8_t name);

void net_request(NetMember *member, uint64_t flow_id, uint32_t attempt, uint8_t name, const char *oap);

/* With these tokens (their first byte; 0: none). */
int net_accept(NetMember *member, uint64_t reference, uint64_t flow_id, uint8_t own, uint8_t peer);
void net_establish(NetMember *member, uint64_t flow_id, uint32_t attempt, uint8_t own, uint8_t peer);
void net_abort(NetMember *member, uint64_t flow_id, uint32_t attempt, uint8_t own, uint8_t peer);
UnicastFlow *net_flow(const NetMember *member, uint64_t flow_id, uint32_t attempt);

/* Sends one packet of data. */
void net_write(NetMember *member, uint64_t flow_id, const char *text);

/* A flow from member 0 to member 1, established at both ends: flow_id there, flow_id + 1000 here; tokens 0xA1 (shown
 * by 1 to close the end of 0) and 0xB2. */
void net_connect(Net *net, uint64_t flow_id);

/* -- flows whose ends have control keys -- */

/* An attempt (reference 0), or an answer to a request; the outcome is in NetMember.prepared. */
void net_prepare(NetMember *member, uint64_t flow_id, uint32_t attempt, uint64_t reference, uint8_t name);

/* Keys of one end: the one that asked for the flow, or the other. */
LayerControl net_keys(bool asked);

/* As net_connect(), prepared at both ends, and with keys. oap_size: of the request and of the reply, at least 16. */
void net_connect_with_keys(Net *net, uint64_t flow_id, size_t oap_size);
