/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What waits for a neighbour whose lower flow is full: who gets a place, and in what order it goes on. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/ipcp-unicast/flow.h"

#define DATA_EID 0x5042602800000044U

typedef struct Walk {
        Unicast unicast;
        Neighbour neighbour;
        LowerFlow flow;
        unsigned room;                  /* packets that the lower flow takes */
        uint64_t eids[600];             /* of what it took */
        unsigned n_eids;
} Walk;

static unsigned event_send(void *userdata, LowerFlow *flow, Packet *const *packets, unsigned n) {
        Walk *w = userdata;
        unsigned n_taken = MIN(n, w->room);

        for (unsigned i = 0; i < n_taken; i++) {
                Pci pci;

                assert_int_equal(pci_parse(&w->unicast.format, packets[i], &pci), 0);
                w->eids[w->n_eids++] = pci.eid;
        }

        w->room -= n_taken;
        return n_taken;
}

static unsigned event_queued(void *userdata, const LowerFlow *flow) {
        return 0;
}

static const UnicastEvents events = { .lower_send = event_send, .lower_queued = event_queued };

static void walk_init(Walk *w) {
        *w = (Walk) {
                .unicast = {
                        .events = &events,
                        .userdata = w,
                        .format = { .address_bytes = 4, .eid_bytes = 8, .ttl_max = 60 },
                        .layer = { .congestion = CONGESTION_NONE },
                },
                .neighbour = { .unicast = &w->unicast },
                .flow = { .unicast = &w->unicast, .packet_max = 1500 },
        };

        list_init(&w->neighbour.waiting);
        for (Cube cube = 0; cube < _CUBE_MAX; cube++)
                list_init(&w->neighbour.data[cube]);
        w->flow.state = LOWER_OPEN;
        w->flow.neighbour = &w->neighbour;
        w->unicast.lower_is_up[0] = true;
        list_append(&w->neighbour.data[CUBE_BEST_EFFORT], &w->flow.by_neighbour);
}

static void send_packets(Walk *w, uint64_t eid, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                _cleanup_(packet_freep) Packet *packet = NULL;
                const Pci pci = { .destination = 7, .ttl = 9, .eid = eid };

                assert_int_equal(packet_new(100, &packet), 0);
                assert_int_equal(pci_push(&w->unicast.format, packet, &pci), 0);
                unicast_send_burst(&w->unicast, &w->neighbour, CUBE_BEST_EFFORT, &packet, 1);
        }
}

static void test_flood_leaves_room_for_components(void **state) {
        Walk *w = calloc(1, sizeof(*w));
        Queue *queue = &w->neighbour.queues[CUBE_BEST_EFFORT];

        assert_non_null(w);
        walk_init(w);

        send_packets(w, DATA_EID, 300);
        assert_int_equal(queue->n, QUEUE_PACKETS_MAX - 32);
        assert_int_equal(w->unicast.counters.drops[DROP_QUEUE_FULL], 300 - queue->n);

        send_packets(w, EID_FLOW_ALLOCATOR, 40);
        assert_int_equal(queue->n, QUEUE_PACKETS_MAX);
        send_packets(w, DATA_EID, 1);
        assert_int_equal(queue->n, QUEUE_PACKETS_MAX);

        /* First in, first out, whoever it was for; and all of it. */
        w->room = 600;
        w->flow.blocked = false;
        unicast_drain_queues(&w->unicast, &w->neighbour, 1);
        assert_int_equal(queue->n, 0);
        assert_int_equal(w->n_eids, QUEUE_PACKETS_MAX);
        assert_true(w->eids[0] == DATA_EID && w->eids[QUEUE_PACKETS_MAX - 33] == DATA_EID);
        assert_true(w->eids[QUEUE_PACKETS_MAX - 32] == EID_FLOW_ALLOCATOR);

        queue_done(queue);
        free(w);
}

/* What comes while others wait goes behind them, also when the lower flow has room again. */
static void test_nobody_overtakes(void **state) {
        Walk *w = calloc(1, sizeof(*w));

        assert_non_null(w);
        walk_init(w);

        w->room = 2;
        send_packets(w, 101, 3);
        w->room = 10;
        w->flow.blocked = false;
        send_packets(w, 102, 1);
        assert_int_equal(w->n_eids, 2);

        unicast_drain_queues(&w->unicast, &w->neighbour, 1);
        assert_int_equal(w->n_eids, 4);
        assert_true(w->eids[2] == 101 && w->eids[3] == 102);

        queue_done(&w->neighbour.queues[CUBE_BEST_EFFORT]);
        free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_flood_leaves_room_for_components),
                cmocka_unit_test(test_nobody_overtakes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
