/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What counts as a sign of life of a peer that has control keys, and what ends a flow that is over already: somebody
 * who sees every frame, and sends what he likes in the name of either host, has no keys.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/eth-wire.h"

#define TIMEOUT_MS 10000U
#define OAP_BYTES 36U
#define A_FLOW 1U
#define B_FLOW 1001U
#define GIVEN_UP_USEC (TIMEOUT_MS * USEC_PER_MSEC + LIVENESS_UNPROVEN_USEC)

typedef struct Test {
        Wire wire;
        Station *a, *b, *c;             /* a asked b for the flow; c is nobody of theirs */
        bool deaf;                      /* control messages and pieces get no further */
        unsigned loss_percent;          /* of control messages */
        uint32_t seed;
} Test;

static unsigned fate(Wire *wire, WireFrame *frame, usec_t *ret_extra) {
        Test *t = container_of(wire, Test, wire);
        const FrameOps *ops = frame_ops(wire->framing);
        ManagementMessage message;
        Frame parsed;

        assert_true(ops->parse(0xA000, frame->bytes, frame->size, &parsed) >= 0);
        if (!parsed.management ||
            management_parse(ops, 32, frame->bytes + parsed.payload_offset, parsed.payload_size, &message) < 0 ||
            message.code < MANAGEMENT_CLOSE)
                return 1;

        t->seed = t->seed * 1664525U + 1013904223U;
        return !t->deaf && t->seed >> 16 >= 65536U * t->loss_percent / 100;
}

static int setup(void **state) {
        Test *t = calloc(1, sizeof(*t));

        if (!t)
                return -1;

        wire_init(&t->wire, *(const Framing *) *state, 3);
        t->a = &t->wire.stations[0];
        t->b = &t->wire.stations[1];
        t->c = &t->wire.stations[2];
        t->wire.fate = fate;
        wire_connect_with_keys(&t->wire, t->a, t->b, A_FLOW, TIMEOUT_MS, OAP_BYTES);
        wire_run(&t->wire, 10 * USEC_PER_MSEC);
        *state = t;
        return 0;
}

static int teardown(void **state) {
        Test *t = *state;

        wire_done(&t->wire);
        free(t);
        return 0;
}

/* Data, or (size 0) a keepalive, that comes from where b's does. */
static void forge_data(Test *t, const EthernetFlow *at_a, size_t size) {
        const FrameOps *ops = frame_ops(t->wire.framing);
        const Frame frame = {
                .destination = station_address(0),
                .source = station_address(1),
                .receiver = at_a->endpoint,
                .sender = at_a->peer_endpoint,
        };
        _cleanup_(packet_freep) Packet *packet = NULL;

        assert_int_equal(packet_new(64, &packet), 0);
        if (size > 0)
                memset(packet_append(packet, size), 'f', size);
        assert_int_equal(ops->push(0xA000, &frame, packet), 0);
        wire_inject(&t->wire, t->c, packet->head, packet_size(packet));
}

/* b is gone, and somebody goes on in its name. */
static void test_forged_life(void **state) {
        static const size_t sizes[] = { 0, 8 };

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                Test *t = *state;
                EthernetFlow *at_a;
                usec_t begin;

                if (i > 0)
                        wire_connect_with_keys(&t->wire, t->a, t->b, A_FLOW + 1, TIMEOUT_MS, OAP_BYTES);
                at_a = station_flow(t->a, A_FLOW + i, 0);
                t->deaf = true;
                ethernet_flow_free(station_flow(t->b, B_FLOW + i, 0));
                begin = t->wire.now;
                for (unsigned n = 0; n < 200 && t->a->n_downs == i; n++) {
                        forge_data(t, at_a, sizes[i]);
                        wire_run(&t->wire, 500 * USEC_PER_MSEC);
                }
                assert_int_equal(t->a->n_downs, i + 1);
                assert_int_equal(t->a->downs[i].reason, CLOSE_PEER_TIMEOUT);
                assert_true(t->wire.now - begin >= GIVEN_UP_USEC - USEC_PER_SEC);
                assert_true(t->wire.now - begin <= GIVEN_UP_USEC + USEC_PER_SEC);
                t->deaf = false;
        }
}

/* Without keys there is nothing to go by. */
static void test_forged_life_without_keys(void **state) {
        Test *t = *state;
        EthernetFlow *at_a;

        wire_connect(&t->wire, t->a, t->b, A_FLOW + 1, TIMEOUT_MS, true);
        at_a = station_flow(t->a, A_FLOW + 1, 0);
        ethernet_flow_free(station_flow(t->b, B_FLOW + 1, 0));
        for (unsigned n = 0; n < 200; n++) {
                forge_data(t, at_a, 0);
                wire_run(&t->wire, 500 * USEC_PER_MSEC);
        }
        assert_int_equal(t->a->n_downs, 0);
        wire_run(&t->wire, (TIMEOUT_MS + 1000) * USEC_PER_MSEC);
        assert_int_equal(t->a->n_downs, 1);
}

/* Idle, or with data both ways, and with half of the control messages lost: it lives on, and asks seldom. */
static void test_long_life(void **state) {
        static const struct {
                const char *name;
                bool busy;
                unsigned loss_percent;
                unsigned moves_max;     /* in an hour: questions and answers */
        } rows[] = {
                { "idle", false, 0, 900 },
                { "busy", true, 0, 900 },
                { "idle, lossy", false, 50, 6000 },
                { "busy, lossy", true, 50, 6000 },
        };
        Test *t = *state;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                unsigned before = t->wire.n_codes[MANAGEMENT_MOVE];

                t->loss_percent = rows[i].loss_percent;
                for (unsigned second = 0; second < 3600; second++) {
                        if (rows[i].busy) {
                                assert_int_equal(station_write(t->a, A_FLOW, "to b", 4), 1);
                                assert_int_equal(station_write(t->b, B_FLOW, "to a", 4), 1);
                        }
                        wire_run(&t->wire, USEC_PER_SEC);
                }
                assert_int_equal(t->a->n_downs + t->b->n_downs, 0);
                print_message("%s: %u messages in an hour\n", rows[i].name, t->wire.n_codes[MANAGEMENT_MOVE] - before);
                assert_true(t->wire.n_codes[MANAGEMENT_MOVE] - before > 0);
                assert_true(t->wire.n_codes[MANAGEMENT_MOVE] - before <= rows[i].moves_max);
        }
}

/* a closes, its closes are lost at first; somebody who has seen b's token says that b has closed, too. */
static void test_close_after_close(void **state) {
        const FrameAddress addresses[] = { station_address(0), station_address(1) };
        static const uint8_t token_of_a[CLOSE_TOKEN_BYTES] = { 0xA1 };
        Test *t = *state;
        EthernetFlow *at_a = station_flow(t->a, A_FLOW, 0);
        ManagementMessage message = {
                .code = MANAGEMENT_CLOSE,
                .sender = at_a->peer_endpoint,
                .receiver = at_a->endpoint,
                .token = token_of_a,
        };
        uint64_t dropped = t->a->ethernet.counters.drops[DROP_FLOW_CLOSED];

        t->deaf = true;
        ethernet_close(&t->a->ethernet, &at_a->layer, t->wire.now);
        wire_run(&t->wire, USEC_PER_MSEC);
        t->deaf = false;
        for (unsigned i = 0; i < 2; i++) {
                message.has_proof = i > 0;
                (void) eth_send_message(&t->c->ethernet, &addresses[0], &addresses[1], &message);
                wire_run(&t->wire, USEC_PER_MSEC);
                assert_false(at_a->peer_closed);
        }
        assert_int_equal(t->a->ethernet.counters.drops[DROP_FLOW_CLOSED], dropped + 2);
        wire_run(&t->wire, USEC_PER_SEC);
        assert_int_equal(t->b->n_downs, 1);
        assert_int_equal(t->b->downs[0].reason, CLOSE_NORMAL);
}

/* Our answer is in pieces that get lost; data that anybody can make up does not end their repetitions. */
static void test_pieces_and_forged_data(void **state) {
        Test *t = *state;
        LayerMessage order = { .type = LAYER_ACCEPT, .flow_id = B_FLOW + 7, .control = wire_keys(false) };
        EthernetFlow *at_b;

        assert_true(ethernet_register(&t->b->ethernet, wire_hash('n'), 32) >= 0);
        station_request(t->a, A_FLOW + 7, 0, 'n', (const char[OAP_BYTES]) { 7 }, OAP_BYTES, TIMEOUT_MS);
        wire_run(&t->wire, 10 * USEC_PER_MSEC);
        order.reference = t->b->incoming[t->b->n_incoming - 1];
        order.tokens = (CloseTokens) { .have_own = true, .have_peer = true };
        order.oap_size = 4000;
        t->deaf = true;
        assert_int_equal(ethernet_accept(&t->b->ethernet, &order, t->wire.now), 0);
        at_b = station_flow(t->b, B_FLOW + 7, 0);
        assert_non_null(at_b->message.bytes);

        flow_heard(at_b, t->wire.now);                  /* what receive.c does of data from the right station */
        assert_non_null(at_b->message.bytes);
        t->deaf = false;
        wire_run(&t->wire, USEC_PER_SEC);
        assert_int_equal(t->a->replies[t->a->n_replies - 1].flow_id, A_FLOW + 7);
        assert_int_equal(t->a->replies[t->a->n_replies - 1].oap_size, 4000);
}

int main(void) {
        static const Framing dix = FRAMING_DIX, llc = FRAMING_LLC;
#define BOTH(test)                                                                                                \
        { #test " (DIX)", test, setup, teardown, (void *) &dix },                                                 \
        { #test " (LLC)", test, setup, teardown, (void *) &llc }
        const struct CMUnitTest tests[] = {
                BOTH(test_forged_life),
                BOTH(test_forged_life_without_keys),
                BOTH(test_long_life),
                BOTH(test_close_after_close),
                BOTH(test_pieces_and_forged_data),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
