/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The layers below the members: links between two of them, and the flows that cross these. A link delays, loses,
 * reorders and doubles what it carries; it can go down noticed, as when a carrier is lost, or unnoticed, as when
 * something in between fails: then a flow over it ends only after it has been silent for a while.
 *
 * Each end of a link is a port of a member. Ports are spread over the member's layers below; where a member has more
 * ports than it may have layers, several links share one, as stations share a segment. The name of the layer reaches
 * anybody at the other end of a link of that lower layer, the name of a member reaches that one.
 */

#include "services/ipcp-unicast/unicast.h"
#include "tests/sim/dice.h"
#include "tests/sim/timeline.h"
#include "tests/sim/trace.h"

#define NETWORK_PACKET_MAX 1400U

typedef struct Member Member;
typedef struct Network Network;
typedef struct Link Link;

/* How bad it is. May be changed at any time; it counts for what is sent from then on. */
typedef struct NetworkConditions {
        double loss;
        double duplicate;
        double reorder;                 /* how many are held back, so that later ones overtake them */
        usec_t jitter_usec;             /* added to each packet's delay; packets of a flow stay in order all the same */
} NetworkConditions;

typedef struct Port {
        Link *link;                     /* not owned */
        unsigned end;                   /* which of it: 0 or 1 */
} Port;

struct Link {
        Network *network;               /* not owned */
        Member *members[2];             /* not owned */
        unsigned lower[2];              /* the layer below that it is to the member at either end */
        usec_t delay_usec;
        bool up;
        uint64_t epoch;                 /* grows whenever it goes down: what was on its way then is lost */
        List channels;                  /* Channel.by_link */
};

struct Network {
        Timeline *timeline;             /* not owned */
        Trace *trace;                   /* not owned */
        Dice dice;
        NetworkConditions conditions;
        usec_t detect_usec;             /* after so much silence a flow is over */
        Packet *packet;                 /* what a member is being handed */
        uint64_t n_carried;
        uint64_t n_lost;
        uint64_t bytes_carried;
};

int network_init(Network *n, Timeline *timeline, Trace *trace, uint64_t seed);
void network_done(Network *n);

void link_init(Link *link, Network *network, Member *a, unsigned lower_a, Member *b, unsigned lower_b,
               usec_t delay_usec);

/* All channels must be gone. */
void link_set_up(Link *link, bool up, bool noticed);

/* The member at this end died without a word: its side of all flows is gone, the others will notice. */
void link_member_died(Link *link, unsigned end);

/* Of UnicastEvents, on behalf of a member. */
int network_allocate(Network *n, Member *member, LowerFlow *flow);
void network_release(LowerFlow *flow);
unsigned network_send(LowerFlow *flow, Packet *const *packets, unsigned n);
