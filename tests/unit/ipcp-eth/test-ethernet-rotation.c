/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What changes under a flow between hosts with control keys: endpoint ids, addresses, the process of the layer, which
 * may have lost it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/ipcp-eth/control-pair.h"

/* -- rotation -- */

/* Every 100 ms, under traffic both ways, with one packet in twenty lost: no more is lost than on the way. */
static void test_rotation(void **state) {
        ControlPair *t = *state;
        Wire *w = &t->wire;
        uint16_t endpoint, last[2] = {};
        unsigned n[2], lost[2], n_rotations = 0;
        const unsigned n_packets = 20000;

        t->a->ethernet.upkeep = t->b->ethernet.upkeep = (FlowUpkeepLimits) { .packets = UINT64_MAX,
                                                                             .usec = 100 * USEC_PER_MSEC };
        control_pair_connect(t);
        n[0] = t->b->n_data;
        n[1] = t->a->n_data;
        t->loss_percent = 5;

        for (unsigned i = 0; i < n_packets; i++) {
                assert_int_equal(station_write(t->a, CONTROL_PAIR_A_FLOW, "a", 1), 1);
                assert_int_equal(station_write(t->b, CONTROL_PAIR_B_FLOW, "b", 1), 1);
                wire_run(w, USEC_PER_MSEC);
                endpoint = station_flow(t->b, CONTROL_PAIR_B_FLOW, 0)->endpoint;
                n_rotations += endpoint != last[1];
                last[1] = endpoint;
        }
        t->loss_percent = 0;
        wire_run(w, USEC_PER_SEC);
        memcpy(lost, t->n_lost, sizeof(lost));
        assert_true(lost[0] > n_packets / 40 && lost[1] > n_packets / 40);
        assert_int_equal(t->b->n_data - n[0] + lost[0], n_packets);
        assert_int_equal(t->a->n_data - n[1] + lost[1], n_packets);
        assert_true(n_rotations > 90);
        assert_true(t->b->ethernet.upkeep_counters.rotated >= n_rotations - 1);
        assert_int_equal(control_pair_drops(t->a, DROP_WRONG_SOURCE) + control_pair_drops(t->b, DROP_WRONG_SOURCE), 0);
        assert_int_equal(
                control_pair_drops(t->a, DROP_UNKNOWN_ENDPOINT) + control_pair_drops(t->b, DROP_UNKNOWN_ENDPOINT), 0);

        /* No id is kept longer than it is good. */
        assert_true(t->a->ethernet.framing->endpoint_max - t->a->ethernet.framing->endpoint_min + 1U -
                    shim_endpoints_n_free(t->a->ethernet.endpoints) <= 2);
        control_pair_is_unharmed(t);
}

/* An id of before that: nobody's. */
static void test_old_id_is_gone(void **state) {
        ControlPair *t = *state;
        uint16_t before;
        uint64_t unknown;

        t->b->ethernet.upkeep = (FlowUpkeepLimits) { .packets = 10, .usec = 3600 * USEC_PER_SEC };
        control_pair_connect(t);
        before = station_flow(t->b, CONTROL_PAIR_B_FLOW, 0)->endpoint;
        for (unsigned i = 0; i < 10; i++)
                control_pair_is_unharmed(t);
        assert_int_not_equal(station_flow(t->b, CONTROL_PAIR_B_FLOW, 0)->endpoint, before);
        assert_int_equal(station_flow(t->b, CONTROL_PAIR_B_FLOW, 0)->old_endpoint, before);
        wire_run(&t->wire, FLOW_OLD_MAX_USEC + USEC_PER_MSEC);
        assert_int_equal(station_flow(t->b, CONTROL_PAIR_B_FLOW, 0)->old_endpoint, 0);

        unknown = control_pair_drops(t->b, DROP_UNKNOWN_ENDPOINT);
        assert_null(shim_endpoints_get(t->b->ethernet.endpoints, before));
        assert_int_equal(unknown, 0);
        control_pair_is_unharmed(t);
}

/* -- move -- */

static void test_move(void **state) {
        ControlPair *t = *state;
        const FrameAddress other = { .bytes = { 0x02, 0, 0, 0, 0, 0x77 } },
        another = { .bytes = { 0x02, 0, 0, 0, 0, 0x78 } };

        control_pair_connect(t);
        station_set_link(t->a, true, &other, 1500);
        wire_run(&t->wire, USEC_PER_MSEC);
        assert_true(frame_address_equal(&station_flow(t->b, CONTROL_PAIR_B_FLOW, 0)->peer, &other));
        assert_true(frame_address_equal(&station_flow(t->a, CONTROL_PAIR_A_FLOW, 0)->local, &other));
        control_pair_is_unharmed(t);

        /* The other end, at once after that, and with the notice lost at first. */
        t->swallow = true;
        station_set_link(t->b, true, &another, 1500);
        wire_run(&t->wire, 250 * USEC_PER_MSEC);
        assert_int_equal(station_write(t->b, CONTROL_PAIR_B_FLOW, "still", 5), 1);           /* from where a knows us */
        t->swallow = false;
        wire_run(&t->wire, USEC_PER_SEC);
        assert_true(frame_address_equal(&station_flow(t->a, CONTROL_PAIR_A_FLOW, 0)->peer, &another));
        assert_int_equal(t->a->ethernet.upkeep_counters.followed, 1);

        /* Who serves the name is asked for anew, and found there. */
        wire_connect_with_keys(&t->wire, t->a, t->b, CONTROL_PAIR_A_FLOW + 1, CONTROL_PAIR_TIMEOUT_MS,
                               CONTROL_PAIR_OAP_BYTES);
        assert_true(frame_address_equal(&station_flow(t->a, CONTROL_PAIR_A_FLOW + 1, 0)->peer, &another));
        assert_int_equal(t->b->ethernet.upkeep_counters.followed, 1);
        control_pair_is_unharmed(t);

        ethernet_close(&t->a->ethernet, &station_flow(t->a, CONTROL_PAIR_A_FLOW, 0)->layer, t->wire.now);
        wire_run(&t->wire, USEC_PER_MSEC);
        assert_int_equal(t->b->n_downs, 1);
}

/* A peer without keys cannot be told: as before. */
static void test_move_without_keys(void **state) {
        ControlPair *t = *state;
        const FrameAddress other = { .bytes = { 0x02, 0, 0, 0, 0, 0x77 } };

        wire_connect(&t->wire, t->a, t->b, CONTROL_PAIR_A_FLOW, CONTROL_PAIR_TIMEOUT_MS, true);
        station_set_link(t->a, true, &other, 1500);
        wire_run(&t->wire, USEC_PER_MSEC);
        assert_int_equal(t->a->n_downs, 1);
        assert_int_equal(t->b->n_downs, 1);
        assert_int_equal(t->wire.n_codes[MANAGEMENT_MOVE], 0);
}

/* -- reset -- */

/* The other host's process is another one that knows of nothing but its key: the first packet after a silence ends
 * the flow. */
static void lose_flow(ControlPair *t, Station *s, uint64_t flow_id) {
        ethernet_flow_free(station_flow(s, flow_id, 0));
}

static void test_reset(void **state) {
        ControlPair *t = *state;

        for (unsigned side = 0; side < 2; side++) {
                Station *loser = side ? t->a : t->b, *other = side ? t->b : t->a;
                uint64_t lost = side ? CONTROL_PAIR_A_FLOW + 1 : CONTROL_PAIR_B_FLOW,
                         left = side ? CONTROL_PAIR_B_FLOW + 1 : CONTROL_PAIR_A_FLOW;
                usec_t before;

                wire_connect_with_keys(&t->wire, t->a, t->b, CONTROL_PAIR_A_FLOW + side, CONTROL_PAIR_TIMEOUT_MS,
                                       CONTROL_PAIR_OAP_BYTES);
                lose_flow(t, loser, lost);
                wire_run(&t->wire, FLOW_PROBE_FIRST_USEC);
                assert_int_equal(other->n_downs, 0);

                before = t->wire.now;
                assert_int_equal(station_write(other, left, "hello?", 6), 1);
                wire_run(&t->wire, 2 * WIRE_DELAY_USEC);                        /* one round trip */
                if (other->ethernet.framing->endpoint_max <= UINT8_MAX) {
                        assert_int_equal(other->n_downs, 0);                    /* LLC: by its time-out */
                        assert_int_equal(loser->ethernet.upkeep_counters.resets_sent, 0);
                        continue;
                }
                assert_int_equal(other->n_downs, 1);
                assert_int_equal(other->downs[0].reason, CLOSE_PEER_DIED);
                assert_int_equal(other->ethernet.upkeep_counters.resets_taken, 1);
                assert_int_equal(loser->ethernet.upkeep_counters.resets_sent, 1);
                assert_true(t->wire.now - before <= 2 * WIRE_DELAY_USEC);
        }
}

/* After the lost end had rotated, too: the lock goes with the id. */
static void test_reset_after_rotation(void **state) {
        ControlPair *t = *state;
        uint16_t before;

        t->b->ethernet.upkeep = (FlowUpkeepLimits) { .packets = UINT64_MAX, .usec = USEC_PER_SEC };
        control_pair_connect(t);
        before = station_flow(t->b, CONTROL_PAIR_B_FLOW, 0)->endpoint;
        wire_run(&t->wire, 1500 * USEC_PER_MSEC);
        assert_int_not_equal(station_flow(t->b, CONTROL_PAIR_B_FLOW, 0)->endpoint, before);
        lose_flow(t, t->b, CONTROL_PAIR_B_FLOW);
        wire_run(&t->wire, FLOW_PROBE_FIRST_USEC);
        (void) station_write(t->a, CONTROL_PAIR_A_FLOW, "hello?", 6);
        wire_run(&t->wire, 2 * WIRE_DELAY_USEC);
        assert_int_equal(t->a->n_downs, 1);
}

/* One key opens nothing of another host, and answers are not for everybody. */
static void test_reset_by_another(void **state) {
        ControlPair *t = *state;
        uint64_t forged;

        control_pair_connect(t);
        lose_flow(t, t->b, CONTROL_PAIR_B_FLOW);
        memset(t->b->ethernet.reset_key, 0x55, sizeof(t->b->ethernet.reset_key));
        wire_run(&t->wire, FLOW_PROBE_FIRST_USEC);
        forged = control_pair_drops(t->a, DROP_FORGED);
        (void) station_write(t->a, CONTROL_PAIR_A_FLOW, "hello?", 6);
        wire_run(&t->wire, USEC_PER_SEC);
        assert_true(control_pair_drops(t->a, DROP_FORGED) > forged);
        assert_int_equal(t->a->n_downs, 0);
        /* it is found out as ever */
        wire_run(&t->wire, (CONTROL_PAIR_TIMEOUT_MS + 1000) * USEC_PER_MSEC);
        assert_int_equal(t->a->downs[0].reason, CLOSE_PEER_TIMEOUT);
}

static void test_resets_are_limited(void **state) {
        ControlPair *t = *state;
        unsigned before = t->wire.n_codes[MANAGEMENT_RESET];

        for (unsigned i = 0; i < 5000; i++)
                control_pair_send_as(t, t->a, t->b,
                                     &(ManagementMessage) { .code = MANAGEMENT_MOVE,
                                                            .sender = 60,
                                                            .receiver = t->b->ethernet.framing->endpoint_max,
                                                            .has_proof = true });
        assert_true(t->wire.n_codes[MANAGEMENT_RESET] - before <= ETHERNET_RESET_BURST + 6 * ETHERNET_RESET_RATE);
        assert_true(control_pair_drops(t->b, DROP_LIMIT) > 3000);
}

/* -- another process -- */

static void test_keys_outlive_us(void **state) {
        ControlPair *t = *state;
        _cleanup_(state_store_freep) StateStore *store = NULL;
        const Station *a = t->a;
        EthernetFlow *flow;
        LayerFlowRecord record;
        uint8_t bytes[LAYER_FLOW_BYTES_MAX], key[FLOW_RESET_KEY_BYTES], again[FLOW_RESET_KEY_BYTES];
        uint32_t position = 0, slot;
        uint64_t received;
        unsigned n;

        assert_int_equal(layer_store_new(&store), 0);
        assert_int_equal(layer_store_key(store, key), 0);
        assert_int_equal(layer_store_key(store, again), 0);
        assert_memory_equal(key, again, sizeof(key));

        t->b->ethernet.upkeep = (FlowUpkeepLimits) { .packets = UINT64_MAX, .usec = 30 * USEC_PER_SEC };
        control_pair_connect(t);
        t->swallow = true;
        /* it has begun to rotate, and nobody heard */
        wire_run(&t->wire, 29 * USEC_PER_SEC + 950 * USEC_PER_MSEC);
        flow = station_flow(t->b, CONTROL_PAIR_B_FLOW, 0);
        assert_int_not_equal(flow->next_endpoint, 0);
        received = flow->layer.control.received;
        assert_int_equal(layer_store_flow(store, &flow->layer, bytes, ethernet_flow_save(flow, bytes)), 0);
        ethernet_flow_free(flow);
        t->swallow = false;

        assert_int_equal(layer_store_next_flow(store, &position, &record, &slot), 1);
        assert_int_equal(ethernet_flow_restore(&t->b->ethernet, &record, t->wire.now, &flow), 0);
        layer_flow_restore(&flow->layer, &record, store, slot);
        assert_true(flow->layer.control.present && flow->layer.control.confirmed);
        assert_int_equal(flow->layer.control.received, received);
        assert_true(flow->layer.have_lock);

        wire_run(&t->wire, USEC_PER_SEC);
        assert_int_equal(flow->next_endpoint, 0);                               /* the rotation went on */
        assert_int_equal(station_flow(a, CONTROL_PAIR_A_FLOW, 0)->peer_endpoint, flow->endpoint);
        control_pair_is_unharmed(t);

        /* What was said before the crash is not said again with effect. */
        n = MIN(t->n_kept, (unsigned) ELEMENTSOF(t->kept));
        for (unsigned i = 0; i < n; i++)
                wire_inject(&t->wire, t->c, t->kept[i].bytes, t->kept[i].size);
        wire_run(&t->wire, USEC_PER_MSEC);
        control_pair_is_unharmed(t);

        ethernet_close(&t->a->ethernet, &station_flow(t->a, CONTROL_PAIR_A_FLOW, 0)->layer, t->wire.now);
        wire_run(&t->wire, USEC_PER_MSEC);
        assert_int_equal(t->b->n_downs, 1);
        position = 0;
        assert_int_equal(layer_store_next_flow(store, &position, &record, &slot), 0);
}

int main(void) {
        static const Framing dix = FRAMING_DIX, llc = FRAMING_LLC;
        const struct CMUnitTest tests[] = {
                CONTROL_PAIR_BOTH(test_rotation),
                CONTROL_PAIR_BOTH(test_old_id_is_gone),
                CONTROL_PAIR_BOTH(test_move),
                CONTROL_PAIR_BOTH(test_move_without_keys),
                CONTROL_PAIR_BOTH(test_reset),
                CONTROL_PAIR_DIX(test_reset_after_rotation),
                CONTROL_PAIR_DIX(test_reset_by_another),
                CONTROL_PAIR_DIX(test_resets_are_limited),
                CONTROL_PAIR_BOTH(test_keys_outlive_us),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
