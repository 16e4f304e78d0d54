/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Members with control keys, and somebody who sees everything that they say to each other about their flow, may stop
 * it and say what he likes in their names, but has no key: nothing that he does touches the flow. What is counted is
 * written beside.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/allocator-net.h"

#define A_FLOW 1U
#define B_FLOW 1001U

typedef struct Ends {
        uint64_t eid, peer_eid, peer_address;
} Ends;

static int setup(void **state) {
        int r = net_new(CONGESTION_MB_ECN, (Net **) state);

        if (r >= 0)
                net_connect_with_keys(*state, A_FLOW, 36);
        return r;
}

static int teardown(void **state) {
        net_free(*state);
        return 0;
}

static uint64_t drops(const Net *net, unsigned member, DropReason reason) {
        return net->members[member].unicast.counters.drops[reason];
}

static UnicastFlow *at_a(const Net *net) {
        return net_flow(&net->members[0], A_FLOW, 0);
}

static UnicastFlow *at_b(const Net *net) {
        return net_flow(&net->members[1], B_FLOW, 0);
}

/* Data goes both ways. */
static void assert_unharmed(Net *net) {
        NetMember *a = &net->members[0], *b = &net->members[1];
        unsigned n[] = { a->n_delivered, b->n_delivered };

        assert_int_equal(a->n_downs + b->n_downs, 0);
        net_write(a, A_FLOW, "to b");
        net_write(b, B_FLOW, "to a");
        net_run(net, 4 * NET_DELAY_USEC);
        assert_int_equal(a->n_delivered, n[0] + 1);
        assert_int_equal(b->n_delivered, n[1] + 1);
}

static void test_forged(void **state) {
        Net *net = *state;
        const uint64_t eid = at_b(net)->eid, peer = at_b(net)->peer_eid, address = at_b(net)->peer_address;
        NetMember *b = &net->members[1];
        const struct {
                const char *name;
                FlowMessage message;
        } rows[] = {
                { "close by its token", { .code = FLOW_MESSAGE_CLOSE, .token = { 0xB2 } } },
                { "close with a proof of nothing", { .code = FLOW_MESSAGE_CLOSE, .token = { 0xB2 }, .has_proof = true,
                                                     .proof.counter = 9 } },
                { "update without a proof", { .code = FLOW_MESSAGE_UPDATE, .level = 0xffff } },
                { "update with a proof of nothing", { .code = FLOW_MESSAGE_UPDATE, .level = 0xffff, .has_proof = true,
                                                      .proof.counter = 9 } },
                { "rotation", { .code = FLOW_MESSAGE_ROTATE, .sender = address, .has_proof = true, .proof.counter = 9,
                                .notice.value = 777 } },
                { "rotation to a component", { .code = FLOW_MESSAGE_ROTATE, .sender = address, .has_proof = true,
                                               .notice.value = 1 } },
                { "acknowledged rotation",
                  { .code = FLOW_MESSAGE_ROTATE, .sender = address, .has_proof = true,
                    .notice = { .acknowledges = true, .value = 777 } } },
                { "move to somebody else", { .code = FLOW_MESSAGE_MOVE, .sender = 0x1002, .has_proof = true,
                                             .proof.counter = 9,
                                             .notice.value = 0x1002 } },
                { "acknowledged move",
                  { .code = FLOW_MESSAGE_MOVE, .sender = address, .has_proof = true,
                    .notice = { .acknowledges = true, .value = 0x1001 } } },
                { "reset", { .code = FLOW_MESSAGE_RESET, .reset = { 1 } } },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                FlowMessage message = rows[i].message;
                uint64_t forged = drops(net, 1, DROP_FORGED);

                print_message("%s\n", rows[i].name);
                message.receiver_eid = eid;
                message.sender_eid = peer;
                net_inject_message(b, 0, &message);
                assert_int_equal(drops(net, 1, DROP_FORGED), forged + 1);
                assert_true(at_b(net)->peer_eid == peer && at_b(net)->peer_address == address);
                assert_false(at_b(net)->congestion.avoiding);
                assert_unharmed(net);
        }
}

/* A second reply, a refusal after the answer, and a reply to a flow that others asked for. */
static void test_second_reply(void **state) {
        Net *net = *state;
        unsigned n_replies = net->members[0].n_replies;
        uint64_t unknown = drops(net, 0, DROP_UNKNOWN_ENDPOINT);
        const uint64_t peer = at_a(net)->peer_eid;

        net_inject_message(&net->members[0], 1,
                           &(FlowMessage) { .code = FLOW_MESSAGE_REPLY,
                                            .receiver_eid = at_a(net)->eid,
                                            .sender_eid = 999,
                                            .oap = (const uint8_t *) "x",
                                            .oap_size = 1 });
        net_inject_message(&net->members[0], 1, &(FlowMessage) {
                .code = FLOW_MESSAGE_REPLY, .receiver_eid = at_a(net)->eid, .response = -1000 });
        net_inject_message(&net->members[1], 0, &(FlowMessage) {
                .code = FLOW_MESSAGE_REPLY, .receiver_eid = at_b(net)->eid, .sender_eid = 999 });
        assert_int_equal(net->members[0].n_replies, n_replies);
        assert_int_equal(drops(net, 0, DROP_UNKNOWN_ENDPOINT), unknown + 2);
        assert_int_equal(drops(net, 1, DROP_UNKNOWN_ENDPOINT), 1);
        assert_true(at_a(net)->peer_eid == peer);
        assert_unharmed(net);
}

/* Marks on the way: updates go out with a proof, slow the sender down, and do so once. */
static void test_updates(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0], *b = &net->members[1];
        const NetKept *update = NULL;
        uint64_t replayed;

        net->ecn = 9;
        net_write(a, A_FLOW, "marked");
        net_run(net, 4 * NET_DELAY_USEC);
        assert_true(at_a(net)->congestion.avoiding);
        assert_int_equal(at_a(net)->congestion.level, 9);
        net->ecn = 0;
        for (unsigned i = 0; i < net->n_kept; i++)
                if (net->kept[i].bytes[58] == FLOW_MESSAGE_UPDATE)
                        update = &net->kept[i];
        assert_non_null(update);
        assert_int_equal(update->size, FLOW_MESSAGE_HEADER_BYTES + FLOW_CONTROL_PROOF_BYTES);

        at_a(net)->congestion.level = 0;
        replayed = drops(net, 0, DROP_REPLAYED);
        for (unsigned i = 0; i < 100; i++)
                net_inject(a, 1, update->bytes, update->size);
        assert_int_equal(drops(net, 0, DROP_REPLAYED), replayed + 100);
        assert_int_equal(at_a(net)->congestion.level, 0);
        assert_int_equal(b->n_downs, 0);
}

/* Every bit of every message that they ever said: none of them counts with one bit changed. */
static void test_flipped(void **state) {
        Net *net = *state;
        unsigned n;

        net->members[0].unicast.upkeep = net->members[1].unicast.upkeep = (FlowUpkeepLimits) { .packets = UINT64_MAX,
                                                                                               .usec = USEC_PER_SEC };
        net_connect_with_keys(net, A_FLOW + 1, 36);
        net->swallow = true;            /* so that none of them was heard */
        net->n_kept = 0;
        net_run(net, 1200 * USEC_PER_MSEC);
        n = net->n_kept;
        assert_true(n >= 2 && n < NET_KEPT_MAX);

        for (unsigned i = 0; i < n; i++)
                for (size_t bit = 0; bit < 8 * net->kept[i].size; bit++) {
                        NetKept changed = net->kept[i];
                        UnicastFlow *flow = changed.to == 0 ? net_flow(&net->members[0], A_FLOW + 1, 0)
                                                            : net_flow(&net->members[1], B_FLOW + 1, 0);
                        const Ends before = { flow->eid, flow->peer_eid, flow->peer_address };
                        uint64_t received = flow->layer.control.received;

                        /* Fields between the ids and the code say nothing in these messages, nor does the address but
                         * in a move. */
                        if ((bit >= 8 * 24 && bit < 8 * 58) || (bit >= 8 * 59 && bit < 8 * 61) || bit < 64)
                                continue;

                        changed.bytes[bit / 8] ^= (uint8_t) (1U << bit % 8);
                        net_inject(&net->members[changed.to], changed.from, changed.bytes, changed.size);
                        assert_int_equal(flow->layer.state, LAYER_FLOW_ESTABLISHED);
                        assert_true(flow->eid == before.eid && flow->peer_eid == before.peer_eid &&
                                    flow->peer_address == before.peer_address);
                        if (flow->layer.control.received != received)
                                fail_msg("message %u counts with bit %zu changed", i, bit);
                }
        assert_int_equal(net->members[0].n_downs + net->members[1].n_downs, 0);

        net->swallow = false;
        net_run(net, 2 * USEC_PER_SEC);
        assert_unharmed(net);
}

static void test_replayed(void **state) {
        Net *net = *state;
        unsigned n;
        uint64_t replayed;

        net->members[0].unicast.upkeep = net->members[1].unicast.upkeep = (FlowUpkeepLimits) { .packets = UINT64_MAX,
                                                                                               .usec = USEC_PER_SEC };
        net_connect_with_keys(net, A_FLOW + 1, 36);
        net->n_kept = 0;
        net_run(net, 5 * USEC_PER_SEC);
        n = MIN(net->n_kept, NET_KEPT_MAX);
        assert_true(n > 10);

        replayed = drops(net, 0, DROP_REPLAYED) + drops(net, 1, DROP_REPLAYED);
        for (unsigned round = 0; round < 10; round++)
                for (unsigned i = 0; i < n; i++) {
                        const NetKept kept = net->kept[i];

                        net_inject(&net->members[kept.to], kept.from, kept.bytes, kept.size);
                        /* and back to who said it */
                        net_inject(&net->members[kept.from], kept.to, kept.bytes, kept.size);
                }
        assert_true(drops(net, 0, DROP_REPLAYED) + drops(net, 1, DROP_REPLAYED) > replayed);
        net_run(net, USEC_PER_SEC);
        assert_unharmed(net);
}

/* -- rotation, R-24 -- */

static void test_rotation(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0], *b = &net->members[1];
        const FlowUpkeepLimits limits = { .packets = UINT64_MAX, .usec = 100 * USEC_PER_MSEC };
        const unsigned n_packets = 20000;
        unsigned n_rotations = 0;
        uint64_t last = 0;

        a->unicast.upkeep = b->unicast.upkeep = limits;
        unicast_close(&a->unicast, &at_a(net)->layer, net->now);
        net_run(net, USEC_PER_SEC);
        net_connect_with_keys(net, A_FLOW + 1, 36);
        a->n_delivered = b->n_delivered = 0;
        net->loss_percent = 5;

        for (unsigned i = 0; i < n_packets; i++) {
                net_write(a, A_FLOW + 1, "a");
                net_write(b, B_FLOW + 1, "b");
                net_run(net, USEC_PER_MSEC);
                n_rotations += net_flow(b, B_FLOW + 1, 0)->eid != last;
                last = net_flow(b, B_FLOW + 1, 0)->eid;
                assert_true(eids_n(b->unicast.eids) <= 3);      /* the closed one, the current one, and one beside */
        }
        net->loss_percent = 0;
        net_run(net, USEC_PER_SEC);
        assert_true(net->n_data_lost[0] > n_packets / 40 && net->n_data_lost[1] > n_packets / 40);
        assert_int_equal(b->n_delivered + net->n_data_lost[0], n_packets);
        assert_int_equal(a->n_delivered + net->n_data_lost[1], n_packets);
        assert_true(n_rotations > 80);
        assert_int_equal(drops(net, 0, DROP_UNKNOWN_ENDPOINT) + drops(net, 1, DROP_UNKNOWN_ENDPOINT), 0);
}

/* -- close, move, reset -- */

static void test_close(void **state) {
        Net *net = *state;
        unsigned n_closes = net->n_codes[FLOW_MESSAGE_CLOSE];

        unicast_close(&net->members[0].unicast, &at_a(net)->layer, net->now);
        assert_false(at_a(net)->layer.control.present);
        net_run(net, USEC_PER_SEC);
        assert_int_equal(net->members[1].n_downs, 1);
        assert_int_equal(net->members[1].last_down, CLOSE_NORMAL);
        assert_int_equal(net->n_codes[FLOW_MESSAGE_CLOSE], n_closes + 1 + FLOW_CLOSE_REPEATS);
}

static void test_move(void **state) {
        Net *net = *state;
        NetMember *b = &net->members[1];

        b->unicast.address = 0x1099;
        net->swallow = true;            /* the first time nobody hears */
        flows_follow_address(&b->unicast, net->now);
        net_run(net, 50 * USEC_PER_MSEC);
        net->swallow = false;
        net_run(net, USEC_PER_SEC);
        assert_true(at_a(net)->peer_address == 0x1099);
        assert_true(at_b(net)->own_address == 0x1099);
        assert_int_equal(net->members[0].unicast.upkeep_counters.followed, 1);
        assert_unharmed(net);
}

static void test_reset(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0], *b = &net->members[1];

        unicast_flow_free(at_b(net));
        net_run(net, FLOW_PROBE_FIRST_USEC);
        assert_int_equal(a->n_downs, 0);
        net_write(a, A_FLOW, "hello?");
        net_run(net, 2 * NET_DELAY_USEC);       /* one round trip */
        assert_int_equal(a->n_downs, 1);
        assert_int_equal(a->last_down, CLOSE_PEER_DIED);

        /* And the other way round: the one that asked tells its lock in its first notice. */
        net_connect_with_keys(net, A_FLOW + 1, 36);
        unicast_flow_free(net_flow(a, A_FLOW + 1, 0));
        net_run(net, FLOW_PROBE_FIRST_USEC);
        net_write(b, B_FLOW + 1, "hello?");
        net_run(net, 2 * NET_DELAY_USEC);
        assert_int_equal(b->n_downs, 1);
}

/* The token of another flow, of another host, of the same id for another peer: none of them. */
static void test_reset_of_others(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0], *b = &net->members[1];
        uint64_t forged;

        unicast_flow_free(at_b(net));
        memset(b->unicast.reset_key, 0x77, sizeof(b->unicast.reset_key));
        net_run(net, FLOW_PROBE_FIRST_USEC);
        forged = drops(net, 0, DROP_FORGED);
        net_write(a, A_FLOW, "hello?");
        net_run(net, 2 * NET_DELAY_USEC);
        assert_int_equal(drops(net, 0, DROP_FORGED), forged + 1);
        assert_int_equal(a->n_downs, 0);
}

/* Who tries ids with these messages hears no more than so much a second, and of live ones nothing. */
static void test_trying_ids(void **state) {
        Net *net = *state;
        NetMember *b = &net->members[1];
        unsigned before = net->n_codes[FLOW_MESSAGE_RESET];

        for (unsigned i = 0; i < 20000; i++)
                net_inject_message(b, 0,
                                   &(FlowMessage) { .code = FLOW_MESSAGE_MOVE,
                                                    .sender = net_address(0),
                                                    .sender_eid = 4711,
                                                    .receiver_eid = 100000 + i,
                                                    .has_proof = true });
        assert_true(net->n_codes[FLOW_MESSAGE_RESET] - before <= UNICAST_RESET_BURST);

        before = net->n_codes[FLOW_MESSAGE_RESET];
        net_run(net, 60 * USEC_PER_SEC);
        net_inject_message(b, 0,
                           &(FlowMessage) { .code = FLOW_MESSAGE_MOVE,
                                            .sender = net_address(0),
                                            .sender_eid = 4711,
                                            .receiver_eid = at_b(net)->eid,
                                            .has_proof = true });
        assert_int_equal(net->n_codes[FLOW_MESSAGE_RESET], before);
        assert_unharmed(net);
}

/* We close, our closes are lost at first; somebody who has seen the peer's token says that it has closed, too. */
static void test_close_after_close(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0];
        UnicastFlow *flow = at_a(net);
        FlowMessage message = {
                .code = FLOW_MESSAGE_CLOSE, .sender_eid = flow->peer_eid, .receiver_eid = flow->eid, .token = { 0xA1 },
        };
        uint64_t dropped = drops(net, 0, DROP_FLOW_CLOSED);

        net->swallow = true;
        unicast_close(&a->unicast, &flow->layer, net->now);
        net->swallow = false;
        for (unsigned i = 0; i < 2; i++) {
                message.has_proof = i > 0;
                net_inject_message(a, 1, &message);
                assert_false(flow->peer_closed);
        }
        assert_int_equal(drops(net, 0, DROP_FLOW_CLOSED), dropped + 2);
        net_run(net, USEC_PER_SEC);
        assert_int_equal(net->members[1].n_downs, 1);
}

/* The peer is gone, and somebody goes on in its name, with data or without. */
static void test_forged_life(void **state) {
        static const char *const texts[] = { "", "more" };
        Net *net = *state;
        NetMember *a = &net->members[0];

        for (unsigned i = 0; i < ELEMENTSOF(texts); i++) {
                UnicastFlow *flow;
                usec_t begin, given_up;

                if (i > 0)
                        net_connect_with_keys(net, A_FLOW + 1, 36);
                flow = net_flow(a, A_FLOW + i, 0);
                given_up = flow->liveness.timeout_usec + LIVENESS_UNPROVEN_USEC;
                begin = net->now;
                unicast_flow_free(net_flow(&net->members[1], B_FLOW + i, 0));
                net->swallow = true;
                while (a->n_downs == i && net->now - begin < 2 * given_up) {
                        net_inject_data(a, flow->eid, texts[i]);
                        net_run(net, USEC_PER_SEC);
                }
                net->swallow = false;
                assert_int_equal(a->n_downs, i + 1);
                assert_int_equal(a->last_down, CLOSE_PEER_TIMEOUT);
                assert_true(net->now - begin + USEC_PER_SEC >= given_up && net->now - begin <= given_up + USEC_PER_SEC);
        }
}

/* Control messages get lost, every other of them, and data goes on: nobody is given up. */
static void test_long_life(void **state) {
        Net *net = *state;

        net->loss_percent = 50;
        for (unsigned i = 0; i < 3600; i++) {
                net_write(&net->members[0], A_FLOW, "to b");
                net_write(&net->members[1], B_FLOW, "to a");
                net_run(net, USEC_PER_SEC);
        }
        net->loss_percent = 0;
        net_run(net, 10 * USEC_PER_SEC);
        assert_unharmed(net);
}

/* -- another process -- */

static void test_keys_outlive_us(void **state) {
        _cleanup_(state_store_freep) StateStore *store = NULL;
        Net *net = *state;
        NetMember *b = &net->members[1];
        UnicastFlow *flow = at_b(net);
        uint8_t bytes[LAYER_FLOW_BYTES_MAX];
        uint32_t position = 0, slot;
        LayerFlowRecord record;
        uint64_t sent, received, eid, forged;
        unsigned n;

        assert_int_equal(layer_store_new(&store), 0);
        sent = flow->layer.control.sent;
        received = flow->layer.control.received;
        eid = flow->eid;
        assert_true(sent > 0 && received > 0);
        assert_true(b->n_changed > 0);          /* the layer was told that there is something to keep */
        assert_int_equal(layer_store_flow(store, &flow->layer, bytes, unicast_flow_save(flow, bytes)), 0);
        unicast_flow_free(flow);

        assert_int_equal(layer_store_next_flow(store, &position, &record, &slot), 1);
        assert_int_equal(unicast_flow_restore(&b->unicast, &record, net->now, &flow), 0);
        layer_flow_restore(&flow->layer, &record, store, slot);
        assert_true(flow->eid == eid && flow->layer.control.sent == sent && flow->layer.control.received == received);
        assert_unharmed(net);

        n = MIN(net->n_kept, NET_KEPT_MAX);
        forged = drops(net, 1, DROP_FORGED);
        for (unsigned i = 0; i < n; i++)
                net_inject(&net->members[net->kept[i].to], net->kept[i].from, net->kept[i].bytes, net->kept[i].size);
        assert_int_equal(drops(net, 1, DROP_FORGED), forged);
        assert_true(drops(net, 1, DROP_REPLAYED) > 0);
        assert_unharmed(net);

        unicast_close(&b->unicast, &flow->layer, net->now);
        net_run(net, 10 * NET_DELAY_USEC);
        assert_int_equal(net->members[0].n_downs, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_forged, setup, teardown),
                cmocka_unit_test_setup_teardown(test_second_reply, setup, teardown),
                cmocka_unit_test_setup_teardown(test_updates, setup, teardown),
                cmocka_unit_test_setup_teardown(test_flipped, setup, teardown),
                cmocka_unit_test_setup_teardown(test_replayed, setup, teardown),
                cmocka_unit_test_setup_teardown(test_rotation, setup, teardown),
                cmocka_unit_test_setup_teardown(test_close, setup, teardown),
                cmocka_unit_test_setup_teardown(test_move, setup, teardown),
                cmocka_unit_test_setup_teardown(test_reset, setup, teardown),
                cmocka_unit_test_setup_teardown(test_reset_of_others, setup, teardown),
                cmocka_unit_test_setup_teardown(test_trying_ids, setup, teardown),
                cmocka_unit_test_setup_teardown(test_close_after_close, setup, teardown),
                cmocka_unit_test_setup_teardown(test_forged_life, setup, teardown),
                cmocka_unit_test_setup_teardown(test_long_life, setup, teardown),
                cmocka_unit_test_setup_teardown(test_keys_outlive_us, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
