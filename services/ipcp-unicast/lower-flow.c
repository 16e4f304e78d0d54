/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A flow of a layer below, from its allocation to its end. What arrives goes where the flow's state and purpose say;
 * nothing but CEP is listened to before that is known (lower-exchange.c). A peer that talks nonsense on an open flow
 * is counted, and keeps its flow: whatever it is, it is not worth losing a neighbour.
 *
 * How a flow ends is said once, in flow_end(): its neighbour and whoever wanted it (join.c) hear of it there.
 */

#include <stdio.h>
#include <syslog.h>

#include "libo7s/error.h"
#include "services/ipcp-unicast/unicast.h"

static const char *const lower_purpose_table[_LOWER_PURPOSE_MAX] = {
        [LOWER_UNKNOWN]    = "unknown",
        [LOWER_ENROLLMENT] = "enrollment",
        [LOWER_MANAGEMENT] = "management",
        [LOWER_DATA]       = "data transfer",
};

DEFINE_ENUM_NAMES(lower_purpose, LowerPurpose);

static const char *const lower_state_table[_LOWER_STATE_MAX] = {
        [LOWER_ALLOCATING] = "allocating",
        [LOWER_GREETING]   = "greeting",
        [LOWER_OPEN]       = "open",
        [LOWER_CLOSED]     = "closed",
};

DEFINE_ENUM_NAMES(lower_state, LowerState);

static const uint8_t lower_next[_LOWER_STATE_MAX] = {
        [LOWER_ALLOCATING] = 1U << LOWER_GREETING | 1U << LOWER_CLOSED,
        [LOWER_GREETING]   = 1U << LOWER_OPEN | 1U << LOWER_CLOSED,
        [LOWER_OPEN]       = 1U << LOWER_CLOSED,
        [LOWER_CLOSED]     = 0,
};

/* -- life -- */

const char *lower_flow_layer(const LowerFlow *flow) {
        return flow->unicast->config.lower[flow->lower];
}

void lower_flow_set_state(LowerFlow *flow, LowerState state) {
        assert(lower_next[flow->state] & 1U << state);

        if (flow->state == LOWER_GREETING && !flow->outgoing) {
                flow->unicast->n_greeting--;
                lower_peers_greeted(&flow->unicast->lower_peers, flow->peer_bucket);
        }

        flow->state = state;
        if (state == LOWER_GREETING && !flow->outgoing)
                flow->unicast->n_greeting++;
}

/* In what state they begin is the caller's business, and nobody else's. */
static int flow_new(Unicast *u, unsigned lower, bool outgoing, const char *name, usec_t now, LowerFlow **ret) {
        LowerFlow *flow;

        if (u->n_lower_flows >= LOWER_FLOWS_MAX)
                return -EBUSY;

        flow = calloc(1, sizeof(*flow));
        if (!flow)
                return -ENOMEM;

        *flow = (LowerFlow) {
                .unicast = u,
                .id = ++u->last_lower_id,
                .lower = lower,
                .outgoing = outgoing,
                .begun = now,
                .heard = now,
        };
        (void) copy_string(flow->name, sizeof(flow->name), strempty(name));
        list_init(&flow->by_neighbour);
        list_append(&u->lower_flows, &flow->by_unicast);
        u->n_lower_flows++;

        *ret = flow;
        return 0;
}

static void flow_unlink(LowerFlow *flow) {
        Unicast *u = flow->unicast;

        lower_flow_set_state(flow, LOWER_CLOSED);
        if (!flow->outgoing)
                lower_peers_remove(&u->lower_peers, flow->peer_bucket);
        expiry_remove(&u->lower_expiries, &flow->expiry);
        list_unlink(&flow->by_unicast);
        u->n_lower_flows--;
}

/* What carried it is gone already. problem: NULL where there is none. */
static void flow_end(LowerFlow *flow, const char *problem, usec_t now) {
        Unicast *u = flow->unicast;

        flow_unlink(flow);
        if (flow->neighbour)
                neighbour_detach(flow, problem ? problem : "closed", now);
        if (flow->companion)
                neighbour_companion_ended(u, flow, now);
        join_flow_ended(&u->join, flow, problem, now);

        if (!flow->busy)
                free(flow);
}

void lower_flow_give_up(LowerFlow *flow, const char *problem, usec_t now) {
        if (problem)
                unicast_log_remote(flow->unicast, LOG_DEBUG, "Flow %016" PRIx64 " (%s) %s %s over %s: %s.", flow->id,
                            lower_purpose_to_string(flow->purpose), flow->outgoing ? "to" : "from", flow->name,
                            lower_flow_layer(flow), problem);

        flow->unicast->events->lower_release(flow->unicast->userdata, flow);
        flow_end(flow, problem, now);
}

void lower_flow_close(LowerFlow *flow, usec_t now) {
        if (flow->state != LOWER_CLOSED)
                lower_flow_give_up(flow, NULL, now);
}

int lower_flow_open(Unicast *u, LowerPurpose purpose, Cube cube, unsigned lower, const char *name, usec_t now,
                    LowerFlow **ret) {
        LowerFlow *flow;
        int r;

        assert(purpose != LOWER_UNKNOWN && lower < u->config.n_lower);

        r = flow_new(u, lower, true, name, now, &flow);
        if (r < 0)
                return r;

        flow->purpose = purpose;
        flow->cube = cube;
        r = expiry_set(&u->lower_expiries, &flow->expiry, usec_add(now, JOIN_ALLOCATE_TIMEOUT_USEC));
        if (r >= 0)
                r = u->events->lower_allocate(u->userdata, flow);
        if (r < 0) {
                flow_unlink(flow);
                free(flow);
                return r;
        }

        *ret = flow;
        return 0;
}

/* -- sending -- */

bool lower_flow_send(LowerFlow *flow, const void *data, size_t size) {
        Unicast *u = flow->unicast;
        uint8_t *p;

        if ((flow->state != LOWER_GREETING && flow->state != LOWER_OPEN) || flow->blocked || size > flow->packet_max)
                return false;

        packet_reset(u->message);
        p = packet_append(u->message, size);
        if (!p)
                return false;

        memcpy(p, data, size);
        if (u->events->lower_send(u->userdata, flow, &u->message, 1) < 1) {
                flow->blocked = true;
                return false;
        }

        flow->counters.tx_packets++;
        flow->counters.tx_bytes += size;
        u->counters.tx_packets++;
        u->counters.tx_bytes += size;
        return true;
}

void lower_flow_send_and_wait(LowerFlow *flow, const uint8_t *message, size_t size, usec_t deadline, usec_t now) {
        if (size > 0 && !lower_flow_send(flow, message, size))
                return lower_flow_give_up(flow, "the layer below does not take our message", now);
        if (expiry_set(&flow->unicast->lower_expiries, &flow->expiry, deadline) < 0)
                lower_flow_give_up(flow, "out of memory", now);
}

/* -- time -- */

void lower_flow_expire(LowerFlow *flow, usec_t now) {
        switch (flow->state) {

        case LOWER_ALLOCATING:
                return lower_flow_give_up(flow, "no answer in 5 s", now);

        case LOWER_GREETING:
                return lower_flow_give_up(flow, "it did not say in 1 s who it is", now);

        case LOWER_OPEN:
                if (flow->purpose != LOWER_ENROLLMENT)
                        return neighbour_open_companions(flow, now);
                return lower_enrollment_expired(flow, now);

        case LOWER_CLOSED:
        case _LOWER_STATE_MAX:
        case _LOWER_STATE_INVALID:
                return;
        }
}

/* -- reports of the shell -- */

void unicast_lower_changed(Unicast *u, unsigned lower, bool up, usec_t now) {
        char problem[LAYER_NAME_BYTES_MAX + sizeof(" is down")];
        LowerFlow *flow, *following;

        if (lower >= u->config.n_lower || u->lower_is_up[lower] == up)
                return;

        u->now = now;
        u->lower_is_up[lower] = up;

        /* Open flows may survive: the layer comes back, or says that they are over. */
        (void) snprintf(problem, sizeof(problem), "%.*s is down", (int) LAYER_NAME_BYTES_MAX, u->config.lower[lower]);
        list_for_each_safe(flow, following, &u->lower_flows, by_unicast)
                if (!up && flow->lower == lower && flow->state < LOWER_OPEN)
                        lower_flow_give_up(flow, problem, now);

        neighbours_lower_changed(u, lower, now);
        if (up) {
                hello_soon(u, now);
                join_lower_up(&u->join, lower, now);
        }
        unicast_update_state(u, now);
}

void unicast_lower_allocated(LowerFlow *flow, uint32_t packet_max, usec_t now) {
        flow->unicast->now = now;
        flow->packet_max = packet_max;
        flow->heard = now;
        lower_flow_set_state(flow, LOWER_GREETING);
        lower_greeting_begin(flow, now);
}

void unicast_lower_resized(LowerFlow *flow, uint32_t packet_max, usec_t now) {
        Unicast *u = flow->unicast;

        /* One without room for anything behind our header is of no use, and neither is a size like that: what does not
         * fit is lost below, until that changes again. */
        if (packet_max == flow->packet_max || packet_max <= unicast_pci_bytes(u))
                return;

        u->now = now;
        flow->packet_max = packet_max;
        if (flow->neighbour && flow->purpose == LOWER_DATA)
                neighbours_update_packet_max(u);
}

void unicast_lower_failed(LowerFlow *flow, int error, const char *text, usec_t now) {
        flow->unicast->now = now;
        flow_end(flow, isempty(text) ? error_row(error)->sentence : text, now);
}

static void warn_of_many(Unicast *u, unsigned lower, const char *peer, usec_t now) {
        char name[FLOW_NAME_WIRE_BYTES_MAX + 1];

        if (!lower_peers_should_warn(&u->lower_peers, now))
                return;

        (void) copy_string(name, sizeof(name), peer);
        utf8_mend(name);
        unicast_log(
                u, LOG_WARNING,
                "Flows from %s over %s are refused: it has as many as one host may have (%u, %u of which have yet to "
                "say what they are for).",
                name, u->config.lower[lower], LOWER_FLOWS_PER_PEER_MAX, LOWER_GREETING_PER_PEER_MAX);
}

/* Strangers who say nothing give way to new ones: the first that came. */
static void make_room(Unicast *u, usec_t now) {
        LowerFlow *flow, *following;

        list_for_each_safe(flow, following, &u->lower_flows, by_unicast)
                if (!flow->outgoing && flow->state == LOWER_GREETING)
                        return lower_flow_give_up(flow, "it said nothing, and others wait", now);
}

int unicast_lower_accepted(Unicast *u, unsigned lower, const o7s_qos *qos, uint32_t packet_max, const char *peer,
                           usec_t now, LowerFlow **ret) {
        unsigned bucket;
        LowerFlow *flow;
        int r;

        if (lower >= u->config.n_lower)
                return -EINVAL;

        u->now = now;
        if (isempty(peer))
                peer = "a stranger";
        bucket = lower_peers_bucket(u->config.key, lower, peer);
        r = lower_peers_add(&u->lower_peers, bucket);
        if (r < 0) {
                warn_of_many(u, lower, peer, now);
                return r;
        }

        if (u->n_greeting >= LOWER_FLOWS_GREETING_MAX)
                make_room(u, now);

        r = flow_new(u, lower, false, peer, now, &flow);
        if (r < 0) {
                lower_peers_greeted(&u->lower_peers, bucket);
                lower_peers_remove(&u->lower_peers, bucket);
                return r;
        }

        utf8_mend(flow->name);
        flow->peer_bucket = bucket;
        flow->cube = cube_from_qos(qos);
        flow->packet_max = packet_max;
        lower_flow_set_state(flow, LOWER_GREETING);
        cep_expect(&flow->cep, 0, now);

        r = expiry_set(&u->lower_expiries, &flow->expiry, flow->cep.deadline);
        if (r < 0) {
                flow_unlink(flow);
                free(flow);
                return r;
        }

        *ret = flow;
        return 0;
}

static void message_received(LowerFlow *flow, const Packet *packet, usec_t now) {
        Unicast *u = flow->unicast;

        if (packet_size(packet) == 0)
                return;                 /* keeps the flow alive, and says nothing */

        flow->counters.rx_packets++;
        flow->counters.rx_bytes += packet_size(packet);
        u->counters.rx_packets++;
        u->counters.rx_bytes += packet_size(packet);

        if (flow->state == LOWER_GREETING)
                return lower_greeting_received(flow, packet, now);
        if (flow->state == LOWER_OPEN && flow->purpose == LOWER_ENROLLMENT)
                return lower_enrollment_received(flow, packet, now);

        if (flow->state == LOWER_OPEN && flow->purpose == LOWER_MANAGEMENT && u->is_member && flow->neighbour) {
                neighbour_heard(flow, now);

                /* Whichever flow it comes by: routing knows the neighbour by the one in use. */
                if (flow->neighbour->management_in_use)
                        return routing_receive(u->routing, flow->neighbour->management_in_use->id, packet->head,
                                               packet_size(packet), now);
        }

        counters_drop(&u->counters, DROP_FLOW_CLOSED);
}

void unicast_lower_received(LowerFlow *flow, Packet *const *packets, unsigned n, usec_t now) {
        Unicast *u = flow->unicast;

        u->now = now;
        flow->heard = now;
        flow->busy = true;

        for (unsigned i = 0; i < n && flow->state != LOWER_CLOSED; i++) {
                if (flow->state == LOWER_OPEN && flow->purpose == LOWER_DATA) {
                        unicast_receive(u, flow, packets + i, n - i, now);
                        break;
                }
                message_received(flow, packets[i], now);
        }

        /* Afterwards, as among this may be that the peer does not hear us. */
        if (flow->hello.is_silent && flow->state != LOWER_CLOSED)
                hello_heard(flow, now);

        flow->busy = false;
        if (flow->state == LOWER_CLOSED)
                free(flow);
}

void unicast_lower_down(LowerFlow *flow, const char *reason, usec_t now) {
        flow->unicast->now = now;
        flow_end(flow, isempty(reason) ? "it ended" : reason, now);
}

void unicast_lower_writable(LowerFlow *flow, usec_t now) {
        Unicast *u = flow->unicast;

        u->now = now;
        flow->blocked = false;
        if (flow->neighbour && flow->purpose == LOWER_DATA)
                unicast_drain_queues(u, flow->neighbour, now);
}
