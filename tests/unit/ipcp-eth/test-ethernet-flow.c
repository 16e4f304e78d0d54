/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Flows of the layer that are there: stations that talk over a wire in memory, with both framings, what ends these
 * flows, and what there may be too much of.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/eth-wire.h"

#define TIMEOUT_MS 120000U
#define OAP "0123456789abcdef____________________"        /* 16 bytes of id, then some */

static int setup(void **state) {
        Wire *wire = malloc(sizeof(*wire));

        if (!wire)
                return -1;
        wire_init(wire, *(const Framing *) *state, 3);
        *state = wire;
        return 0;
}

static int teardown(void **state) {
        wire_done(*state);
        free(*state);
        return 0;
}

static uint64_t drops(const Station *s, DropReason reason) {
        return s->ethernet.counters.drops[reason];
}

static unsigned lose_first(Wire *wire, WireFrame *frame, usec_t *ret_extra) {
        unsigned *n_left = wire->fate_data;

        return *n_left > 0 ? (*n_left)--, 0 : 1;
}

static void send_management(Station *from, unsigned to, const ManagementMessage *message) {
        const FrameAddress address = station_address(to);

        (void) eth_send_message(&from->ethernet, &address, &from->ethernet.link.address, message);
}

static void inject_data(Wire *w, const FrameAddress *from, const FrameAddress *to, uint16_t receiver, uint16_t sender,
                        const char *text) {
        _cleanup_(packet_freep) Packet *packet = NULL;
        const Frame frame = { .destination = *to, .source = *from, .receiver = receiver, .sender = sender };

        assert_int_equal(packet_new(64, &packet), 0);
        memcpy(packet_append(packet, strlen(text)), text, strlen(text));
        assert_int_equal(frame_ops(w->framing)->push(0xA000, &frame, packet), 0);
        wire_inject(w, NULL, packet->head, packet_size(packet));
        wire_run(w, USEC_PER_MSEC);
}

/* -- sources -- */

static void test_wrong_sources(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];
        const FrameAddress at_a = station_address(0), at_b = station_address(1), at_c = station_address(2);
        const FrameAddress group = { .bytes = { 0x03, 0, 0, 0, 0, 1 } };
        const FrameAddress everybody = FRAME_BROADCAST;
        uint16_t endpoint, peer;
        uint64_t wrong, not_for_us;

        wire_connect(w, a, b, 1, TIMEOUT_MS, true);
        endpoint = station_flow(b, 1001, 0)->endpoint;
        peer = station_flow(a, 1, 0)->endpoint;

        inject_data(w, &at_a, &at_b, endpoint, peer, "good");
        assert_int_equal(b->n_data, 1);

        wrong = drops(b, DROP_WRONG_SOURCE);
        inject_data(w, &at_c, &at_b, endpoint, peer, "from c");
        assert_int_equal(drops(b, DROP_WRONG_SOURCE), wrong + 1);

        not_for_us = drops(b, DROP_NOT_FOR_US);
        inject_data(w, &at_a, &at_c, endpoint, peer, "to c");
        inject_data(w, &at_a, &everybody, endpoint, peer, "to all");
        assert_int_equal(drops(b, DROP_NOT_FOR_US), not_for_us + 2);

        inject_data(w, &group, &at_b, endpoint, peer, "from a group");
        assert_int_equal(drops(b, DROP_MALFORMED), 1);

        inject_data(w, &at_a, &at_b, endpoint == 60 ? 61 : 60, peer, "nobody's");
        assert_int_equal(drops(b, DROP_UNKNOWN_ENDPOINT), 1);

        if (w->framing == FRAMING_LLC) {
                inject_data(w, &at_a, &at_b, endpoint, peer == 60 ? 61 : 60, "other SAP");
                assert_int_equal(drops(b, DROP_WRONG_SOURCE), wrong + 2);
        } else
                inject_data(w, &at_a, &at_b, FRAME_ENDPOINT_UNSET, peer, "unset");

        assert_int_equal(b->n_data, 1);
}

/* -- the end of a flow -- */

static void test_close(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];

        wire_connect(w, a, b, 1, TIMEOUT_MS, true);
        ethernet_close(&a->ethernet, &station_flow(a, 1, 0)->layer, w->now);
        wire_run(w, 2 * USEC_PER_SEC);

        assert_int_equal(b->n_downs, 1);
        assert_int_equal(b->downs[0].reason, CLOSE_NORMAL);
        assert_int_equal(a->n_downs, 0);
        assert_int_equal(station_flow(b, 1001, 0)->layer.state, LAYER_FLOW_CLOSED);

        /* Sent three times for a network that loses; the other side does not answer with closes of its own. */
        assert_int_equal(w->n_codes[MANAGEMENT_CLOSE], 1 + FLOW_CLOSE_REPEATS);

        /* Both ends are forgotten in the end, and their endpoint ids free. */
        wire_run(w, 300 * USEC_PER_SEC);
        assert_null(station_flow(a, 1, 0));
        assert_null(station_flow(b, 1001, 0));
        assert_int_equal(shim_endpoints_n_free(a->ethernet.endpoints),
                         a->ethernet.framing->endpoint_max - a->ethernet.framing->endpoint_min + 1U);
}

static void test_close_lost(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];
        unsigned n_lost = 2;

        wire_connect(w, a, b, 1, TIMEOUT_MS, true);
        w->fate = lose_first;
        w->fate_data = &n_lost;
        ethernet_close(&a->ethernet, &station_flow(a, 1, 0)->layer, w->now);
        wire_run(w, USEC_PER_SEC);
        assert_int_equal(b->n_downs, 1);
}

static void test_close_forged(void **state) {
        static const uint8_t bad[CLOSE_TOKEN_BYTES] = { 0xB3 }, good[CLOSE_TOKEN_BYTES] = { 0xB2 };
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1], *c = &w->stations[2];
        ManagementMessage close = { .code = MANAGEMENT_CLOSE };

        wire_connect(w, a, b, 1, TIMEOUT_MS, true);
        close.sender = station_flow(a, 1, 0)->endpoint;
        close.receiver = station_flow(b, 1001, 0)->endpoint;

        close.token = bad;              /* the peer, without the token */
        send_management(a, 1, &close);
        close.token = good;             /* the token, from elsewhere */
        send_management(c, 1, &close);
        close.sender = close.sender == 40 ? 41 : 40;
        send_management(a, 1, &close);  /* another flow of the peer */
        wire_run(w, USEC_PER_SEC);
        assert_int_equal(b->n_downs, 0);
        assert_int_equal(drops(b, DROP_WRONG_SOURCE), 3);

        close.sender = station_flow(a, 1, 0)->endpoint;
        send_management(a, 1, &close);
        wire_run(w, USEC_PER_SEC);
        assert_int_equal(b->n_downs, 1);

        /* Once more, for a flow that has ended. */
        send_management(a, 1, &close);
        wire_run(w, USEC_PER_SEC);
        assert_int_equal(b->n_downs, 1);
}

/* A peer without the extension never sees a close; its data is dropped. */
static void test_close_reference_peer(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];
        unsigned n_sent;

        wire_connect(w, a, b, 1, TIMEOUT_MS, false);
        n_sent = w->n_sent;
        ethernet_close(&a->ethernet, &station_flow(a, 1, 0)->layer, w->now);
        wire_run(w, USEC_PER_SEC);
        assert_int_equal(w->n_sent, n_sent);

        assert_int_equal(station_write(b, 1001, "still here", 10), 1);
        wire_run(w, USEC_PER_SEC);
        assert_int_equal(drops(a, DROP_FLOW_CLOSED), 1);
        assert_int_equal(w->n_codes[MANAGEMENT_CLOSE], 0);
}

/* All closes were lost: the peer goes on sending, and is told, but not for every packet. */
static void test_data_after_close(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];
        unsigned n_lost = 3;

        wire_connect(w, a, b, 1, TIMEOUT_MS, true);
        w->fate = lose_first;
        w->fate_data = &n_lost;
        ethernet_close(&a->ethernet, &station_flow(a, 1, 0)->layer, w->now);
        wire_run(w, 10 * USEC_PER_SEC);
        assert_int_equal(b->n_downs, 0);
        assert_int_equal(w->n_codes[MANAGEMENT_CLOSE], 3);

        for (unsigned i = 0; i < 10; i++)
                assert_int_equal(station_write(b, 1001, "still here", 10), 1);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(w->n_codes[MANAGEMENT_CLOSE], 4);
        assert_int_equal(b->n_downs, 1);
}

/* -- time -- */

static void test_keepalive(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];

        wire_connect(w, a, b, 1, 4000, true);
        w->n_keepalives = 0;
        wire_run(w, 20 * USEC_PER_SEC + 100 * USEC_PER_MSEC);

        /* Each side, once in a second, although no application says anything. */
        assert_int_equal(w->n_keepalives, 40);
        assert_int_equal(a->n_downs + b->n_downs, 0);
        assert_int_equal(a->n_data + b->n_data, 0);
}

static unsigned lose_all(Wire *wire, WireFrame *frame, usec_t *ret_extra) {
        return 0;
}

static void test_peer_death(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];

        wire_connect(w, a, b, 1, 4000, true);
        wire_run(w, 10 * USEC_PER_SEC);
        w->fate = lose_all;
        wire_run(w, 2900 * USEC_PER_MSEC);
        assert_int_equal(a->n_downs + b->n_downs, 0);
        wire_run(w, 1200 * USEC_PER_MSEC);
        assert_int_equal(a->n_downs, 1);
        assert_int_equal(b->n_downs, 1);
        assert_int_equal(a->downs[0].reason, CLOSE_PEER_TIMEOUT);
}

static void test_no_timeout(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];

        wire_connect(w, a, b, 1, 0, true);
        w->fate = lose_all;
        wire_run(w, 86400 * USEC_PER_SEC);
        assert_int_equal(a->n_downs + b->n_downs, 0);
        assert_int_equal(w->n_keepalives, 0);
}

/* -- the interface -- */

static void test_link_down(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];
        const FrameAddress address = station_address(0);

        wire_connect(w, a, b, 1, TIMEOUT_MS, true);
        station_set_link(a, false, &address, 1500);

        assert_int_equal(station_write(a, 1, "lost", 4), 1);
        assert_int_equal(drops(a, DROP_LINK_DOWN), 1);
        ethernet_query(&a->ethernet, 1, wire_hash('n'), 32, w->now);
        assert_int_equal(a->queries[0].result, -ENETDOWN);
        station_request(a, 2, 0, 'n', OAP, 36, TIMEOUT_MS);
        assert_int_equal(a->replies[a->n_replies - 1].result, -ENETDOWN);
        wire_run(w, 30 * USEC_PER_SEC);
        assert_int_equal(b->n_data, 0);

        /* Back again: the flow goes on, and names are asked for anew. */
        station_set_link(a, true, &address, 1500);
        assert_int_equal(station_write(a, 1, "again", 5), 1);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(b->n_data, 1);
        assert_int_equal(a->n_downs + b->n_downs, 0);
        ethernet_query(&a->ethernet, 2, wire_hash('n'), 32, w->now);
        assert_int_equal(a->n_queries, 1);
}

static void test_address_changes(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];
        const FrameAddress address = station_address(9);

        wire_connect(w, a, b, 1, TIMEOUT_MS, true);
        station_set_link(a, true, &address, 1500);
        assert_int_equal(a->n_downs, 1);
        assert_int_equal(a->downs[0].reason, CLOSE_LAYER_DOWN);

        /* The peer hears it from the address that it knows. */
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(b->n_downs, 1);
}

static void test_mtu(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];
        const FrameAddress address = station_address(0);
        uint32_t max = w->framing == FRAMING_LLC ? 1497 : 1496;

        wire_connect(w, a, b, 1, TIMEOUT_MS, true);
        assert_int_equal(ethernet_packet_max(&a->ethernet), max);
        assert_int_equal(ethernet_oap_max(&a->ethernet), w->framing == FRAMING_LLC ? 1428 : 1425);

        assert_int_equal(station_write(a, 1, "fits", max), 1);
        assert_int_equal(station_write(a, 1, "does not", max + 1), 1);
        assert_int_equal(drops(a, DROP_TOO_LARGE), 1);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(b->n_data, 1);
        assert_int_equal(b->data[0].size, max);

        station_set_link(a, true, &address, 1000);
        assert_int_equal(ethernet_packet_max(&a->ethernet), max - 500);
        assert_int_equal(station_write(a, 1, "does not", max - 499), 1);
        assert_int_equal(drops(a, DROP_TOO_LARGE), 2);
        assert_int_equal(a->n_downs, 0);
}

static void test_socket_full(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];

        wire_connect(w, a, b, 1, TIMEOUT_MS, true);
        a->full = true;
        assert_int_equal(station_write(a, 1, "waits", 5), 0);
        a->full = false;
        assert_int_equal(station_write(a, 1, "waits", 5), 1);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(b->n_data, 1);
        assert_int_equal(b->data[0].size, 5);
}

/* -- limits -- */

static void test_request_flood(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1], *c = &w->stations[2];
        uint8_t oap[36] = {};
        const ManagementMessage m = { .code = MANAGEMENT_FLOW_REQUEST, .sender = 2, .hash = wire_hash('n'), .oap = oap,
                                      .oap_size = sizeof(oap) };

        assert_int_equal(ethernet_register(&b->ethernet, wire_hash('n'), 32), 0);
        for (unsigned i = 0; i < 3 * ETHERNET_SENDER_BURST; i++) {
                memcpy(oap, &i, sizeof(i));
                send_management(c, 1, &m);
                if (i % 100 == 0)
                        wire_run(w, 100);
        }
        wire_run(w, USEC_PER_MSEC);
        assert_true(b->n_incoming < ETHERNET_SENDER_BURST + 2000);
        assert_true(drops(b, DROP_LIMIT) > ETHERNET_SENDER_BURST);

        /* Somebody else still gets through. */
        b->n_incoming = 0;
        station_request(a, 1, 0, 'n', OAP, 36, TIMEOUT_MS);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(b->n_incoming, 1);
}

static void test_endpoints_run_out(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];

        for (uint64_t i = 0; i < 62; i++)
                wire_connect(w, a, b, i, TIMEOUT_MS, true);
        assert_int_equal(shim_endpoints_n_free(a->ethernet.endpoints), 0);

        station_request(a, 100, 0, 'n', OAP, 36, TIMEOUT_MS);
        assert_int_equal(a->replies[a->n_replies - 1].flow_id, 100);
        assert_int_equal(a->replies[a->n_replies - 1].result, -ENOSPC);

        /* A flow that ended gives its place away before its time. */
        ethernet_close(&a->ethernet, &station_flow(a, 5, 0)->layer, w->now);
        wire_run(w, USEC_PER_SEC);
        wire_connect(w, a, b, 200, TIMEOUT_MS, true);
        assert_int_equal(station_write(a, 200, "works", 5), 1);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(b->n_data, 1);
        assert_int_equal(b->data[0].flow_id, 1200);
}

static unsigned at_random(Wire *wire, WireFrame *frame, usec_t *ret_extra) {
        uint64_t *seed = wire->fate_data;
        unsigned dice;

        *seed = *seed * 6364136223846793005U + 1442695040888963407U;
        dice = (unsigned) (*seed >> 33) % 100;
        *ret_extra = (*seed >> 40) % 5000;

        if (dice < 20)
                return 0;
        if (dice < 35)
                return 2;
        if (dice < 40)                  /* a bit flips: nothing of this may crash or cross flows */
                frame->bytes[(*seed >> 20) % frame->size] ^= (uint8_t) (1U << (*seed >> 60 & 7));
        return 1;
}

/* -- all at once -- */

/* Loss, duplicates, reordering and damage together: flows that come up carry their own data only, and end on both
 * sides. */
static void test_bad_network(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];
        uint64_t seed = 42;
        unsigned n_up = 0;

        assert_int_equal(ethernet_register(&b->ethernet, wire_hash('n'), 32), 0);
        w->fate = at_random;
        w->fate_data = &seed;

        for (uint64_t id = 0; id < 40; id++) {
                unsigned incoming_before = b->n_incoming;
                char oap[36] = {};

                memcpy(oap, &id, sizeof(id));
                station_request(a, id, 0, 'n', oap, sizeof(oap), 2000);
                wire_run(w, 700 * USEC_PER_MSEC);
                for (unsigned i = incoming_before; i < b->n_incoming; i++) {
                        uint64_t flow_id = 1000 + i;

                        if (station_accept(b, b->incoming[i], flow_id, 0xB2, 0xA1) >= 0)
                                station_establish(b, flow_id, 0, 0xB2, 0xA1);
                }
                wire_run(w, 50 * USEC_PER_MSEC);

                if (station_flow(a, id, 0) && station_flow(a, id, 0)->layer.state == LAYER_FLOW_ANSWERED) {
                        station_establish(a, id, 0, 0xA1, 0xB2);
                        n_up++;
                        for (unsigned i = 0; i < 5; i++)
                                (void) station_write(a, id, "data", 4);
                        wire_run(w, 20 * USEC_PER_MSEC);
                        ethernet_close(&a->ethernet, &station_flow(a, id, 0)->layer, w->now);
                } else if (station_flow(a, id, 0))
                        station_abort(a, id, 0, 0xA1, 0xB2);
        }

        assert_true(n_up >= 15);
        assert_true(b->n_data >= n_up);
        for (unsigned i = 0; i < b->n_data; i++)
                assert_int_equal(b->data[i].size, 4);

        /* Whatever was lost: in the end both sides have let go of everything. */
        wire_run(w, 600 * USEC_PER_SEC);
        assert_true(list_is_empty(&a->ethernet.flows.all));
        assert_true(list_is_empty(&b->ethernet.flows.all));
        assert_true(list_is_empty(&b->ethernet.incoming));
        assert_int_equal(a->ethernet.n_early + b->ethernet.n_early, 0);
}

#define BOTH(function)                                                                                            \
        { "dix: " #function, function, setup, teardown, (void *) (uintptr_t) &dix },                              \
        { "llc: " #function, function, setup, teardown, (void *) (uintptr_t) &llc }

int main(void) {
        static const Framing dix = FRAMING_DIX, llc = FRAMING_LLC;
        const struct CMUnitTest tests[] = {
                BOTH(test_wrong_sources),
                BOTH(test_close),
                BOTH(test_close_lost),
                BOTH(test_close_forged),
                BOTH(test_close_reference_peer),
                BOTH(test_data_after_close),
                BOTH(test_keepalive),
                BOTH(test_peer_death),
                BOTH(test_no_timeout),
                BOTH(test_link_down),
                BOTH(test_address_changes),
                BOTH(test_mtu),
                BOTH(test_socket_full),
                BOTH(test_request_flood),
                { "llc: test_endpoints_run_out", test_endpoints_run_out, setup, teardown, (void *) (uintptr_t) &llc },
                BOTH(test_bad_network),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
