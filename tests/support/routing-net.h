/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Several routing objects joined in memory, in virtual time; one may be like the prototype instead: 24-byte messages,
 * no withdrawal, its sequence back at 0 with each new link. Messages take a millisecond, in order, unless they get
 * lost.
 */

#include "services/ipcp-unicast/lsa.h"
#include "services/ipcp-unicast/routing.h"

#define NET_MEMBERS_MAX 12U
#define NET_DELAY_USEC (1 * USEC_PER_MSEC)
#define NET_RECALCULATE_USEC (4 * USEC_PER_SEC)
#define NET_UPDATE_USEC (15 * USEC_PER_SEC)
#define NET_TIMEOUT_USEC (60 * USEC_PER_SEC)
#define NET_PROTOTYPE_LINKS_MAX 64U
#define NET_MESSAGES_MAX 65536U

typedef struct Net Net;

typedef struct NetPrototypeLink {
        Lsa lsa;
        usec_t stamp;
} NetPrototypeLink;

typedef struct NetMember {
        Net *net;
        unsigned number;
        uint64_t address;
        Routing *routing;               /* NULL: the prototype, or nobody */
        bool prototype;
        NetPrototypeLink links[NET_PROTOTYPE_LINKS_MAX];
        unsigned n_links;
        usec_t refresh;

        unsigned n_routes_events;
        unsigned n_conflicts;
        bool is_full;                   /* takes no messages */
        uint64_t n_sent;
        uint64_t n_received;
        uint64_t n_unknown;             /* received by the prototype, of another length */
} NetMember;

typedef struct NetMessage {
        usec_t when;
        unsigned from, to;
        uint64_t connection;
        size_t size;
        uint8_t data[LSA_BYTES_MAX];
} NetMessage;

struct Net {
        usec_t now;
        NetMember members[NET_MEMBERS_MAX];
        unsigned n_members;
        uint64_t connections[NET_MEMBERS_MAX][NET_MEMBERS_MAX]; /* number of the connection; 0: none */
        uint64_t last_connection;
        NetMessage messages[NET_MESSAGES_MAX];  /* a ring */
        size_t first, n_messages;
        unsigned loss_percent;
        uint64_t random;
};

uint64_t net_address(unsigned member);
Net *net_new(unsigned n_members);
Net *net_free(Net *net);
DEFINE_CLEANUP(Net, net_free);

/* Replaces what member i is. */
void net_start(Net *net, unsigned i, uint64_t address, uint64_t sequence);
void net_start_prototype(Net *net, unsigned i);
void net_kill(Net *net, unsigned i);

/* A link for packets and one for messages between two members; cost in both directions. */
void net_connect(Net *net, unsigned a, unsigned b, uint32_t cost);
void net_disconnect(Net *net, unsigned a, unsigned b);

/* A message to member i from one that it is connected with. */
void net_inject(Net *net, unsigned from, unsigned i, const Lsa *lsa);

void net_run(Net *net, usec_t usec);

/* Whether every member has a route of the right length to exactly those that it can reach, with next hops that are
 * nearer. */
bool net_is_right(const Net *net);

/* Runs until then. Returns how long it took; USEC_INFINITY: longer than that. */
usec_t net_run_until_right(Net *net, usec_t at_most);

const Route *net_route(const Net *net, unsigned from, unsigned to);
bool net_find_link(const Net *net, unsigned i, uint64_t from, uint64_t to, RoutingLink *ret);
