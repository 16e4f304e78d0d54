/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Applications of the members, and the part of the IRM that they need: exchanges between two members, each of which
 * asks whether the layer knows the name, allocates a flow to it, sends numbered messages that come back, and closes
 * it. Requests are repeated as the IRM repeats them. What an exchange may never see: messages of others, invented
 * ones, ones in another order (where links keep it and routes stay as they are), a flow that lives on at the other
 * end.
 */

#include "services/ipcp-unicast/flow.h"
#include "tests/sim/world.h"

typedef struct TrafficResult {
        unsigned n;                     /* exchanges */
        unsigned n_found;               /* names known to the layer */
        unsigned n_allocated;
        unsigned n_closed;              /* of the allocated ones: the server's end heard of it */
        uint64_t n_sent;                /* messages, by clients */
        uint64_t n_arrived;             /* at servers */
        uint64_t n_returned;            /* to clients */
        uint64_t n_duplicates;
        uint64_t n_overtaken;           /* arrived after a later one */
        usec_t allocation_median_usec;
        usec_t allocation_max_usec;
} TrafficResult;

int traffic_new(World *w, Traffic **ret);
Traffic *traffic_free(Traffic *t);
DEFINE_CLEANUP(Traffic, traffic_free);

/* One exchange, beginning now. */
int traffic_start(Traffic *t, Member *client, Member *server, unsigned n_messages);

/* What came of all since the last call; exchanges that are not over yet count as they are, and are forgotten.
 * must: report those that did not find, get and lose their flow as they should. */
void traffic_finish(Traffic *t, bool must, TrafficResult *ret);

/* Of UnicastEvents. */
void traffic_deliver(Traffic *t, Member *m, UnicastFlow *flow, Packet *const *packets, unsigned n);
int traffic_reply(Traffic *t, Member *m, LayerFlow *flow, int32_t result);
void traffic_failed(Traffic *t, Member *m, uint64_t flow_id, uint32_t attempt, int32_t result);
void traffic_incoming(Traffic *t, Member *m, uint64_t reference, const uint8_t *hash, size_t hash_size,
                      const uint8_t *oap, size_t oap_size);
void traffic_query_done(Traffic *t, Member *m, uint64_t query_id, int32_t result);
void traffic_down(Traffic *t, Member *m, LayerFlow *flow);

/* A life ended, with all flows of it. */
void traffic_member_gone(Traffic *t, Member *m);
