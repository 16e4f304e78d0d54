/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What hosts with control keys say to each other about a flow of theirs, and what others say in their place: closes,
 * replies and signs of life, forged, replayed, reflected, lost and late.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/ipcp-eth/control-pair.h"

/* -- close -- */

static void test_close(void **state) {
        ControlPair *t = *state;

        control_pair_connect(t);
        ethernet_close(&t->a->ethernet, &station_flow(t->a, CONTROL_PAIR_A_FLOW, 0)->layer, t->wire.now);
        /* wiped, and yet it is said again */
        assert_false(station_flow(t->a, CONTROL_PAIR_A_FLOW, 0)->layer.control.present);
        wire_run(&t->wire, 2 * USEC_PER_SEC);
        assert_int_equal(t->b->n_downs, 1);
        assert_int_equal(t->b->downs[0].reason, CLOSE_NORMAL);
        assert_int_equal(t->wire.n_codes[MANAGEMENT_CLOSE], 1 + FLOW_CLOSE_REPEATS);
        assert_int_equal(control_pair_drops(t->b, DROP_FORGED), 0);
        wire_run(&t->wire, 300 * USEC_PER_SEC);
        assert_int_equal(shim_endpoints_n_free(t->b->ethernet.endpoints),
                         t->b->ethernet.framing->endpoint_max - t->b->ethernet.framing->endpoint_min + 1U);
}

static void test_close_lost_twice(void **state) {
        ControlPair *t = *state;

        control_pair_connect(t);
        t->swallow = true;
        ethernet_close(&t->b->ethernet, &station_flow(t->b, CONTROL_PAIR_B_FLOW, 0)->layer, t->wire.now);
        wire_run(&t->wire, 200 * USEC_PER_MSEC);
        t->swallow = false;
        wire_run(&t->wire, USEC_PER_SEC);
        assert_int_equal(t->a->n_downs, 1);
}

/* The peer gave up before it had the keys: its token does, and only then. */
static void test_close_before_keys(void **state) {
        ControlPair *t = *state;
        Station *a = t->a, *b = t->b;
        LayerMessage order = { .type = LAYER_ACCEPT, .flow_id = CONTROL_PAIR_B_FLOW, .control = wire_keys(false) };

        order.tokens = (CloseTokens) { .have_own = true, .have_peer = true, .own = { 0xB2 }, .peer = { 0xA1 } };
        assert_true(ethernet_register(&b->ethernet, wire_hash('n'), 32) >= 0);
        station_request(a, CONTROL_PAIR_A_FLOW, 0, 'n', (const char[CONTROL_PAIR_OAP_BYTES]) { 1 },
                        CONTROL_PAIR_OAP_BYTES, CONTROL_PAIR_TIMEOUT_MS);
        wire_run(&t->wire, 10 * USEC_PER_MSEC);
        order.reference = b->incoming[0];
        assert_int_equal(ethernet_accept(&b->ethernet, &order, t->wire.now), 0);
        station_establish(b, CONTROL_PAIR_B_FLOW, 0, 0, 0);
        wire_run(&t->wire, 10 * USEC_PER_MSEC);
        station_abort(a, CONTROL_PAIR_A_FLOW, 0, 0xA1, 0xB2);
        wire_run(&t->wire, 10 * USEC_PER_MSEC);
        assert_int_equal(b->n_downs, 1);
}

/* -- what others say -- */

/* By one who sees all that is said, knows ids, addresses and tokens, and has no key. */
static void test_forged(void **state) {
        ControlPair *t = *state;
        static const uint8_t token_of_b[CLOSE_TOKEN_BYTES] = { 0xB2 }, reset[FLOW_RESET_BYTES] = { 1 };
        const EthernetFlow *at_a, *at_b;
        uint16_t endpoint, peer;
        uint64_t forged;

        control_pair_connect(t);
        at_a = station_flow(t->a, CONTROL_PAIR_A_FLOW, 0);
        at_b = station_flow(t->b, CONTROL_PAIR_B_FLOW, 0);
        endpoint = at_b->endpoint;
        peer = at_a->endpoint;

        const struct {
                const char *name;
                ManagementMessage message;
        } rows[] = {
                { "close by its token", { .code = MANAGEMENT_CLOSE, .token = token_of_b } },
                { "close with a proof of nothing", { .code = MANAGEMENT_CLOSE, .token = token_of_b,
                                                     .has_proof = true } },
                { "close from far ahead", { .code = MANAGEMENT_CLOSE, .token = token_of_b, .has_proof = true,
                                            .proof.counter = UINT64_MAX } },
                { "rotation", { .code = MANAGEMENT_ROTATE, .has_proof = true, .proof.counter = 99,
                                .notice.value = 200 } },
                { "acknowledged rotation",
                  { .code = MANAGEMENT_ROTATE, .has_proof = true, .proof.counter = 99,
                    .notice = { .acknowledges = true, .value = 200 } } },
                { "move", { .code = MANAGEMENT_MOVE, .has_proof = true, .proof.counter = 99,
                            .notice.value = 0x020000000003 } },
                { "reset", { .code = MANAGEMENT_RESET, .token = reset } },
                { "reset with the lock for a token", { .code = MANAGEMENT_RESET, .token = at_b->layer.lock } },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                ManagementMessage message = rows[i].message;

                print_message("%s\n", rows[i].name);
                message.sender = peer;
                message.receiver = endpoint;
                forged = control_pair_drops(t->b, DROP_FORGED);
                control_pair_send_as(t, t->a, t->b, &message);
                assert_int_equal(control_pair_drops(t->b, DROP_FORGED), forged + 1);
                assert_int_equal(at_b->peer_endpoint, peer);
                assert_true(frame_address_equal(&at_b->peer, &(FrameAddress) { .bytes = { 2, 0, 0, 0, 0, 1 } }));
                control_pair_is_unharmed(t);
        }
}

/* A late reply, and another one: the flow is as it was. */
static void test_second_reply(void **state) {
        ControlPair *t = *state;
        EthernetFlow *at_a;
        unsigned n_replies;

        control_pair_connect(t);
        at_a = station_flow(t->a, CONTROL_PAIR_A_FLOW, 0);
        n_replies = t->a->n_replies;
        control_pair_send_as(t, t->b, t->a,
                             &(ManagementMessage) { .code = MANAGEMENT_FLOW_REPLY,
                                                    .sender = 33,
                                                    .receiver = at_a->endpoint,
                                                    .oap = (const uint8_t *) "x",
                                                    .oap_size = 1 });
        control_pair_send_as(t, t->b, t->a, &(ManagementMessage) {
                .code = MANAGEMENT_FLOW_REPLY, .sender = 33, .receiver = at_a->endpoint, .response = -1000 });
        assert_int_equal(t->a->n_replies, n_replies);
        assert_int_equal(control_pair_drops(t->a, DROP_UNKNOWN_ENDPOINT), 2);
        control_pair_is_unharmed(t);
}

/* Everything that was ever said, said again by somebody: to whom it was said, and to whom it was not. */
static void test_replayed_and_reflected(void **state) {
        ControlPair *t = *state;
        uint64_t replayed, forged;
        unsigned n;

        t->a->ethernet.upkeep = t->b->ethernet.upkeep = (FlowUpkeepLimits) { .packets = UINT64_MAX,
                                                                             .usec = USEC_PER_SEC };
        control_pair_connect(t);
        wire_run(&t->wire, 3 * USEC_PER_SEC);
        n = t->n_kept;
        assert_true(n > 6 && n < ELEMENTSOF(t->kept));

        replayed = control_pair_drops(t->a, DROP_REPLAYED) + control_pair_drops(t->b, DROP_REPLAYED);
        forged = control_pair_drops(t->a, DROP_FORGED) + control_pair_drops(t->b, DROP_FORGED);
        for (unsigned i = 0; i < n; i++) {
                WireFrame frame = t->kept[i];

                wire_inject(&t->wire, t->c, frame.bytes, frame.size);
                memcpy(frame.bytes, t->kept[i].bytes + FRAME_ADDRESS_BYTES, FRAME_ADDRESS_BYTES);
                memcpy(frame.bytes + FRAME_ADDRESS_BYTES, t->kept[i].bytes, FRAME_ADDRESS_BYTES);
                wire_inject(&t->wire, t->c, frame.bytes, frame.size);
                wire_run(&t->wire, USEC_PER_MSEC);
        }
        assert_true(control_pair_drops(t->a, DROP_REPLAYED) + control_pair_drops(t->b, DROP_REPLAYED) > replayed);
        assert_int_equal(t->a->n_downs + t->b->n_downs, 0);
        assert_true(control_pair_drops(t->a, DROP_FORGED) + control_pair_drops(t->b, DROP_FORGED) >= forged);
        control_pair_is_unharmed(t);

        /* Back at the end that said it, with that end's own id: another key. */
        EthernetFlow *at_a = station_flow(t->a, CONTROL_PAIR_A_FLOW, 0);
        ManagementMessage message = { .code = MANAGEMENT_MOVE, .sender = at_a->peer_endpoint,
                                      .receiver = at_a->endpoint,
                                      .notice.value = 0x020000000002 };
        uint8_t content[FLOW_CONTROL_CONTENT_BYTES_MAX];
        FlowControl own = at_a->layer.control;
        FlowControlText text;

        management_text(&message, content, &text);
        assert_int_equal(flow_control_prove(&own, &text, &message.proof), 0);
        message.has_proof = true;
        forged = control_pair_drops(t->a, DROP_FORGED);
        control_pair_send_as(t, t->b, t->a, &message);
        assert_int_equal(control_pair_drops(t->a, DROP_FORGED), forged + 1);
        control_pair_is_unharmed(t);
}

/* -- silence -- */

/* A peer that only listens is asked now and then, and answers; nobody is taken for dead. */
static void test_one_way(void **state) {
        ControlPair *t = *state;
        unsigned before;

        control_pair_connect(t);
        before = t->wire.n_codes[MANAGEMENT_MOVE];
        for (unsigned i = 0; i < 600; i++) {
                assert_int_equal(station_write(t->a, CONTROL_PAIR_A_FLOW, "x", 1), 1);
                wire_run(&t->wire, USEC_PER_SEC);
        }
        assert_int_equal(t->a->n_downs + t->b->n_downs, 0);
        assert_true(t->wire.n_codes[MANAGEMENT_MOVE] - before > 2);
        assert_true(t->wire.n_codes[MANAGEMENT_MOVE] - before < 200);
}

int main(void) {
        static const Framing dix = FRAMING_DIX, llc = FRAMING_LLC;
        const struct CMUnitTest tests[] = {
                CONTROL_PAIR_BOTH(test_close),
                CONTROL_PAIR_BOTH(test_close_lost_twice),
                CONTROL_PAIR_BOTH(test_close_before_keys),
                CONTROL_PAIR_BOTH(test_forged),
                CONTROL_PAIR_BOTH(test_second_reply),
                CONTROL_PAIR_BOTH(test_replayed_and_reflected),
                CONTROL_PAIR_BOTH(test_one_way),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
