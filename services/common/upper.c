/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is common to the flows: counters, the path below, buffers. upper-flow.c has one flow, upper-turn.c whose turn it
 * is. */

#include "services/common/upper-internal.h"

void upper_add_counters(Counters *sum, const Counters *c) {
        sum->rx_packets += c->rx_packets;
        sum->rx_bytes += c->rx_bytes;
        sum->tx_packets += c->tx_packets;
        sum->tx_bytes += c->tx_bytes;
        for (unsigned i = 0; i < _DROP_REASON_MAX; i++)
                sum->drops[i] += c->drops[i];
}

/* What was counted when sum became b. */
static void counters_subtract(Counters *sum, const Counters *b) {
        sum->rx_packets -= b->rx_packets;
        sum->rx_bytes -= b->rx_bytes;
        sum->tx_packets -= b->tx_packets;
        sum->tx_bytes -= b->tx_bytes;
        for (unsigned i = 0; i < _DROP_REASON_MAX; i++)
                sum->drops[i] -= b->drops[i];
}

void upper_sum_counters(const Upper *upper, Counters *ret) {
        UpperFlow *u;

        *ret = upper->past;
        list_for_each(u, &upper->flows, by_upper)
                upper_add_counters(ret, endpoint_counters(u->endpoint));
        counters_subtract(ret, &upper->reset);
}

void upper_reset_counters(Upper *upper) {
        Counters now;

        upper_sum_counters(upper, &now);
        upper_add_counters(&upper->reset, &now);
        upper->n_demoted = 0;
}

/* -- the path -- */

void upper_set_path(Upper *upper, const PathState *path) {
        UpperFlow *u;

        upper->path = *path;
        list_for_each(u, &upper->flows, by_upper)
                upper_flow_tell_path(u);
}

/* -- the object -- */

static void free_packets(Packet **packets) {
        for (unsigned i = 0; i < UPPER_BURST_MAX; i++)
                packets[i] = packet_free(packets[i]);
}

int upper_set_packet_max(Upper *upper, size_t packet_max) {
        Packet *packets[_CUBE_MAX][UPPER_BURST_MAX] = {};
        int r = 0;

        for (unsigned i = 0; i < _CUBE_MAX * UPPER_BURST_MAX && r >= 0; i++)
                r = packet_new(packet_max, &packets[i / UPPER_BURST_MAX][i % UPPER_BURST_MAX]);

        for (unsigned i = 0; i < _CUBE_MAX; i++) {
                UpperQueue *queue = &upper->queues[i];

                if (r < 0) {
                        free_packets(packets[i]);
                        continue;
                }

                free_packets(queue->packets);
                memcpy(queue->packets, packets[i], sizeof(queue->packets));

                /* What was held was cut for the old size. */
                queue->n_held = 0;
                queue->held = NULL;
        }

        return r;
}

int upper_init(Upper *upper, sd_event *event, upper_transmit_t transmit, upper_ended_t ended, void *userdata) {
        *upper = (Upper) {
                .event = sd_event_ref(event),
                .transmit = transmit,
                .ended = ended,
                .userdata = userdata,
                .ending_max_usec = UPPER_ENDING_MAX_USEC,
        };
        for (unsigned i = 0; i < _CUBE_MAX; i++)
                list_init(&upper->queues[i].ready);
        list_init(&upper->flows);
        list_init(&upper->warm);

        return upper_turn_renew(upper);
}

void upper_set_looks(Upper *upper) {
        upper->n_warm_max = UPPER_WARM_MAX;
}

void upper_set_budget(Upper *upper, upper_budget_t budget) {
        assert(upper->n_flows == 0);
        upper->budget = budget;
}

void upper_done(Upper *upper) {
        for (unsigned i = 0; i < _CUBE_MAX; i++)
                free_packets(upper->queues[i].packets);

        upper->turn = sd_event_source_disable_unref(upper->turn);
        upper->event = sd_event_unref(upper->event);
}
