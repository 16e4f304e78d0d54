/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The core of the layer, until a flow is there: stations that talk over a wire in memory, with both framings. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/eth-wire.h"

#define TIMEOUT_MS 120000U
#define OAP "0123456789abcdef____________________"        /* 16 bytes of id, then some */
#define OAP_NEXT "fedcba9876543210____________________"   /* another id */

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

/* -- names -- */

static void test_query_known(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];

        assert_int_equal(ethernet_register(&b->ethernet, wire_hash('n'), 32), 0);
        ethernet_query(&a->ethernet, 7, wire_hash('n'), 32, w->now);
        assert_int_equal(a->n_queries, 0);
        wire_run(w, USEC_PER_MSEC);

        assert_int_equal(a->n_queries, 1);
        assert_int_equal(a->queries[0].query_id, 7);
        assert_int_equal(a->queries[0].result, 0);
        assert_int_equal(w->n_codes[MANAGEMENT_NAME_QUERY], 1);
        assert_int_equal(w->n_codes[MANAGEMENT_NAME_REPLY], 1);

        /* From the cache now; after a minute without news it is asked for again. */
        ethernet_query(&a->ethernet, 8, wire_hash('n'), 32, w->now);
        assert_int_equal(a->n_queries, 2);
        assert_int_equal(w->n_codes[MANAGEMENT_NAME_QUERY], 1);

        wire_run(w, 61 * USEC_PER_SEC);
        ethernet_query(&a->ethernet, 9, wire_hash('n'), 32, w->now);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(a->n_queries, 3);
        assert_int_equal(w->n_codes[MANAGEMENT_NAME_QUERY], 2);
}

static void test_query_unknown(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0];
        usec_t start = w->now;

        ethernet_query(&a->ethernet, 1, wire_hash('x'), 32, w->now);
        ethernet_query(&a->ethernet, 2, wire_hash('x'), 32, w->now);
        wire_run(w, USEC_PER_SEC);

        assert_int_equal(w->n_codes[MANAGEMENT_NAME_QUERY], 3);
        assert_int_equal(a->n_queries, 2);
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(a->queries[i].result, -ENOENT);
                assert_int_equal(a->queries[i].when - start, 600 * USEC_PER_MSEC);
        }
}

static unsigned lose_first(Wire *wire, WireFrame *frame, usec_t *ret_extra) {
        unsigned *n_left = wire->fate_data;

        return *n_left > 0 ? (*n_left)--, 0 : 1;
}

static void test_query_retried(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];
        unsigned n_lost = 2;

        w->fate = lose_first;
        w->fate_data = &n_lost;
        assert_int_equal(ethernet_register(&b->ethernet, wire_hash('n'), 32), 0);
        ethernet_query(&a->ethernet, 1, wire_hash('n'), 32, w->now);
        wire_run(w, USEC_PER_SEC);

        assert_int_equal(a->n_queries, 1);
        assert_int_equal(a->queries[0].result, 0);
        assert_int_equal(w->n_codes[MANAGEMENT_NAME_QUERY], 3);
}

static void send_management(Station *from, unsigned to, const ManagementMessage *message) {
        const FrameAddress address = station_address(to);

        (void) eth_send_message(&from->ethernet, &address, &from->ethernet.link.address, message);
}

static void test_name_reply_unsolicited(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *c = &w->stations[2];
        const ManagementMessage reply = { .code = MANAGEMENT_NAME_REPLY, .hash = wire_hash('n') };
        const ManagementMessage other = { .code = MANAGEMENT_NAME_REPLY, .hash = wire_hash('m') };

        send_management(c, 0, &reply);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(drops(a, DROP_UNKNOWN_MESSAGE), 1);

        /* Asked for n, answered for m. */
        ethernet_query(&a->ethernet, 1, wire_hash('n'), 32, w->now);
        send_management(c, 0, &other);
        wire_run(w, USEC_PER_SEC);
        assert_int_equal(a->n_queries, 1);
        assert_int_equal(a->queries[0].result, -ENOENT);
}

/* -- allocation -- */

static void test_flow(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1], *c = &w->stations[2];

        assert_int_equal(ethernet_register(&b->ethernet, wire_hash('n'), 32), 0);
        station_request(a, 1, 0, 'n', OAP, 36, TIMEOUT_MS);
        wire_run(w, USEC_PER_MSEC);

        assert_int_equal(b->n_incoming, 1);
        assert_int_equal(c->n_incoming, 0);
        assert_int_equal(b->last_incoming.oap_size, 36);
        assert_memory_equal(b->last_incoming.oap, OAP, 36);
        assert_memory_equal(b->last_incoming.hash, wire_hash('n'), 32);
        assert_int_equal(b->last_incoming.qos.timeout_ms, TIMEOUT_MS);
        assert_int_equal(a->n_replies, 0);

        assert_int_equal(station_accept(b, b->incoming[0], 1001, 0xB2, 0xA1), 0);
        assert_int_equal(b->n_replies, 1);
        assert_int_equal(b->replies[0].result, 0);
        wire_run(w, USEC_PER_MSEC);

        assert_int_equal(a->n_replies, 1);
        assert_int_equal(a->replies[0].flow_id, 1);
        assert_int_equal(a->replies[0].result, 0);
        assert_int_equal(a->replies[0].oap_size, 8);
        assert_memory_equal(a->replies[0].oap, "response", 8);

        station_establish(a, 1, 0, 0xA1, 0xB2);
        station_establish(b, 1001, 0, 0xB2, 0xA1);

        assert_int_equal(station_write(a, 1, "ping", 4), 1);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(b->n_data, 1);
        assert_int_equal(b->data[0].flow_id, 1001);
        assert_int_equal(b->data[0].size, 4);
        assert_memory_equal(b->data[0].bytes, "ping", 4);

        assert_int_equal(station_write(b, 1001, "pong", 1400), 1);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(a->n_data, 1);
        assert_int_equal(a->data[0].size, 1400);
        assert_int_equal(c->n_data, 0);

        /* One exchange of each kind, and a station that is not meant drops what is not for everybody. */
        assert_int_equal(w->n_codes[MANAGEMENT_FLOW_REQUEST], 1);
        assert_int_equal(w->n_codes[MANAGEMENT_FLOW_REPLY], 1);
        assert_true(drops(c, DROP_NOT_FOR_US) >= 4);
}

static void test_unregistered_is_silence(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];

        /* Known from before; by now nobody serves it there. */
        assert_int_equal(ethernet_register(&b->ethernet, wire_hash('n'), 32), 0);
        ethernet_query(&a->ethernet, 1, wire_hash('n'), 32, w->now);
        wire_run(w, USEC_PER_MSEC);
        ethernet_unregister(&b->ethernet, wire_hash('n'), 32);

        station_request(a, 1, 0, 'n', OAP, 36, TIMEOUT_MS);
        wire_run(w, 10 * USEC_PER_SEC);
        assert_int_equal(b->n_incoming, 0);
        assert_int_equal(w->n_codes[MANAGEMENT_FLOW_REPLY], 0);
        assert_int_equal(a->n_replies, 0);
}

static void test_refused(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];
        LayerMessage order = { .type = LAYER_REFUSE, .result = -1009 };

        assert_int_equal(ethernet_register(&b->ethernet, wire_hash('n'), 32), 0);
        station_request(a, 1, 0, 'n', OAP, 36, TIMEOUT_MS);
        wire_run(w, USEC_PER_MSEC);
        order.reference = b->incoming[0];
        ethernet_refuse(&b->ethernet, &order, w->now);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(a->n_replies, 1);
        assert_int_equal(a->replies[0].result, -1009);

        /* Silence is an answer too. */
        station_request(a, 2, 0, 'n', OAP_NEXT, 36, TIMEOUT_MS);
        wire_run(w, USEC_PER_MSEC);
        order.reference = b->incoming[1];
        order.result = 0;
        ethernet_refuse(&b->ethernet, &order, w->now);
        wire_run(w, USEC_PER_SEC);
        assert_int_equal(a->n_replies, 1);
        assert_int_equal(station_accept(b, b->incoming[1], 1001, 0, 0), -ESTALE);
}

static void test_unknown_name_fails(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0];

        station_request(a, 1, 0, 'x', OAP, 36, TIMEOUT_MS);
        wire_run(w, 599 * USEC_PER_MSEC);
        assert_int_equal(a->n_replies, 0);
        wire_run(w, 2 * USEC_PER_MSEC);
        assert_int_equal(a->n_replies, 1);
        assert_int_equal(a->replies[0].result, -ENOENT);
        assert_int_equal(w->n_codes[MANAGEMENT_FLOW_REQUEST], 0);
}

static unsigned twice(Wire *wire, WireFrame *frame, usec_t *ret_extra) {
        *ret_extra = 300;
        return 2;
}

/* A network that repeats everything: one request, one flow, no second reply. */
static void test_duplicates(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];

        w->fate = twice;
        wire_connect(w, a, b, 1, TIMEOUT_MS, true);
        wire_run(w, USEC_PER_SEC);
        assert_int_equal(b->n_incoming, 1);
        assert_int_equal(a->n_replies, 1);
        assert_int_equal(a->n_downs + b->n_downs, 0);
}

static void test_forged_reply(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1], *c = &w->stations[2];
        ManagementMessage forged = { .code = MANAGEMENT_FLOW_REPLY, .sender = 5, .oap = (const uint8_t *) "x",
                                     .oap_size = 1 };

        assert_int_equal(ethernet_register(&b->ethernet, wire_hash('n'), 32), 0);
        station_request(a, 1, 0, 'n', OAP, 36, TIMEOUT_MS);
        wire_run(w, USEC_PER_MSEC);

        forged.receiver = station_flow(a, 1, 0)->endpoint;
        send_management(c, 0, &forged);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(a->n_replies, 0);
        assert_int_equal(drops(a, DROP_WRONG_SOURCE), 1);

        assert_int_equal(station_accept(b, b->incoming[0], 1001, 0xB2, 0xA1), 0);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(a->n_replies, 1);

        /* Only while it is waited for, and only once: also from the right station. */
        send_management(b, 0, &forged);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(a->n_replies, 1);
}

/* What arrives between the reply and the application's lane is not lost. */
static void test_early_data(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];

        assert_int_equal(ethernet_register(&b->ethernet, wire_hash('n'), 32), 0);
        station_request(a, 1, 0, 'n', OAP, 36, TIMEOUT_MS);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(station_accept(b, b->incoming[0], 1001, 0xB2, 0xA1), 0);
        wire_run(w, USEC_PER_MSEC);
        station_establish(a, 1, 0, 0xA1, 0xB2);

        for (unsigned i = 0; i < EARLY_PACKETS_PER_FLOW_MAX + 1; i++)
                assert_int_equal(station_write(a, 1, i == 0 ? "first" : "later", 5), 1);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(b->n_data, 0);
        assert_int_equal(b->ethernet.n_early, EARLY_PACKETS_PER_FLOW_MAX);
        assert_int_equal(drops(b, DROP_LIMIT), 1);

        station_establish(b, 1001, 0, 0xB2, 0xA1);
        assert_int_equal(b->n_data, EARLY_PACKETS_PER_FLOW_MAX);
        assert_memory_equal(b->data[0].bytes, "first", 5);
        assert_int_equal(b->ethernet.n_early, 0);
}

/* -- attempts -- */

/* The reply to an attempt that the IRM gave up: it goes to the IRM, which says what closes the other end. */
static void test_late_reply(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];

        assert_int_equal(ethernet_register(&b->ethernet, wire_hash('n'), 32), 0);
        station_request(a, 1, 0, 'n', OAP, 36, TIMEOUT_MS);
        wire_run(w, USEC_PER_MSEC);
        station_abort(a, 1, 0, 0, 0);
        wire_run(w, 10 * USEC_PER_SEC);

        assert_int_equal(station_accept(b, b->incoming[0], 1001, 0xB2, 0xA1), 0);
        station_establish(b, 1001, 0, 0xB2, 0xA1);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(a->n_replies, 1);
        assert_true(a->replies[0].abandoned);
        assert_int_equal(b->n_downs, 0);

        station_abort(a, 1, 0, 0xA1, 0xB2);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(w->n_codes[MANAGEMENT_CLOSE], 1);
        assert_int_equal(b->n_downs, 1);
        assert_int_equal(b->downs[0].flow_id, 1001);
        assert_int_equal(b->downs[0].reason, CLOSE_NORMAL);
}

/* Two attempts, both answered: one becomes the flow, the other is closed at its far end. */
static void test_two_attempts(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];

        assert_int_equal(ethernet_register(&b->ethernet, wire_hash('n'), 32), 0);
        station_request(a, 1, 0, 'n', OAP, 36, TIMEOUT_MS);
        wire_run(w, 3 * USEC_PER_SEC);
        station_request(a, 1, 1, 'n', OAP_NEXT, 36, TIMEOUT_MS);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(b->n_incoming, 2);
        assert_int_not_equal(station_flow(a, 1, 0)->endpoint, station_flow(a, 1, 1)->endpoint);

        assert_int_equal(station_accept(b, b->incoming[0], 1001, 0xB2, 0xA1), 0);
        assert_int_equal(station_accept(b, b->incoming[1], 1002, 0xB3, 0xA3), 0);
        station_establish(b, 1001, 0, 0xB2, 0xA1);
        station_establish(b, 1002, 0, 0xB3, 0xA3);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(a->n_replies, 2);

        station_establish(a, 1, 1, 0xA3, 0xB3);
        station_abort(a, 1, 0, 0xA1, 0xB2);
        wire_run(w, USEC_PER_SEC);
        assert_int_equal(b->n_downs, 1);
        assert_int_equal(b->downs[0].flow_id, 1001);
        assert_int_equal(station_write(a, 1, "x", 1), 1);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(b->n_data, 1);
        assert_int_equal(b->data[0].flow_id, 1002);
}

/* The host behind a name goes, another one serves it: the next attempt finds it. */
static void test_moved_host(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1], *c = &w->stations[2];
        const FrameAddress address = station_address(1);

        assert_int_equal(ethernet_register(&b->ethernet, wire_hash('n'), 32), 0);
        ethernet_query(&a->ethernet, 1, wire_hash('n'), 32, w->now);
        wire_run(w, USEC_PER_MSEC);
        station_set_link(b, false, &address, 1500);
        assert_int_equal(ethernet_register(&c->ethernet, wire_hash('n'), 32), 0);

        station_request(a, 1, 0, 'n', OAP, 36, TIMEOUT_MS);
        wire_run(w, 3 * USEC_PER_SEC);
        assert_int_equal(c->n_incoming, 0);
        ethernet_unregister(&b->ethernet, wire_hash('n'), 32);

        station_request(a, 1, 1, 'n', OAP_NEXT, 36, TIMEOUT_MS);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(c->n_incoming, 1);
}

/* -- the IRM -- */

static void test_irm_lost(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];

        wire_connect(w, a, b, 1, TIMEOUT_MS, true);
        station_request(a, 2, 0, 'n', OAP, 36, TIMEOUT_MS);
        wire_run(w, USEC_PER_MSEC);
        ethernet_query(&a->ethernet, 5, wire_hash('x'), 32, w->now);
        ethernet_irm_lost(&a->ethernet, w->now);
        ethernet_irm_lost(&b->ethernet, w->now);

        assert_int_equal(station_flow(a, 2, 0)->layer.state, LAYER_FLOW_CLOSED);
        assert_int_equal(station_accept(b, b->incoming[1], 1002, 0, 0), -ESTALE);
        wire_run(w, USEC_PER_SEC);
        assert_int_equal(a->n_queries, 0);

        assert_int_equal(station_write(a, 1, "goes on", 7), 1);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(b->n_data, 1);
}

static void test_incoming_too_old(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];

        assert_int_equal(ethernet_register(&b->ethernet, wire_hash('n'), 32), 0);
        station_request(a, 1, 0, 'n', OAP, 36, TIMEOUT_MS);
        wire_run(w, 26 * USEC_PER_SEC);
        assert_int_equal(b->n_gone, 1);
        assert_int_equal(station_accept(b, b->incoming[0], 1001, 0, 0), -ESTALE);
}

static void test_no_lane(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];

        assert_int_equal(ethernet_register(&b->ethernet, wire_hash('n'), 32), 0);
        station_request(a, 1, 0, 'n', OAP, 36, TIMEOUT_MS);
        wire_run(w, USEC_PER_MSEC);
        b->reply_error = -ENOMEM;
        /* told, and not a second time */
        assert_int_equal(station_accept(b, b->incoming[0], 1001, 0xB2, 0xA1), 0);
        assert_int_equal(b->n_replies, 1);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(w->n_codes[MANAGEMENT_FLOW_REPLY], 0);
        assert_null(station_flow(b, 1001, 0));
}

/* The same at the end that asked: the peer is up already, and is closed with what the IRM finds in its answer. */
static void test_no_lane_for_answer(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];

        assert_int_equal(ethernet_register(&b->ethernet, wire_hash('n'), 32), 0);
        station_request(a, 1, 0, 'n', OAP, 36, TIMEOUT_MS);
        wire_run(w, USEC_PER_MSEC);
        a->reply_error = -ENOMEM;
        assert_int_equal(station_accept(b, b->incoming[0], 1001, 0xB2, 0xA1), 0);
        station_establish(b, 1001, 0, 0xB2, 0xA1);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(a->n_replies, 1);
        assert_true(a->replies[0].oap_size > 0);

        /* Then it gives up all attempts, and of this one it knows no token any more. */
        station_abort(a, 1, 0, 0, 0xB2);
        station_abort(a, 1, 0, 0xA1, 0);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(b->n_downs, 1);
        assert_int_equal(b->downs[0].flow_id, 1001);
        assert_true(station_flow(a, 1, 0)->layer.tokens.have_peer);     /* for what the peer sends meanwhile */
}

#define BOTH(function)                                                                                            \
        { "dix: " #function, function, setup, teardown, (void *) (uintptr_t) &dix },                              \
        { "llc: " #function, function, setup, teardown, (void *) (uintptr_t) &llc }

int main(void) {
        static const Framing dix = FRAMING_DIX, llc = FRAMING_LLC;
        const struct CMUnitTest tests[] = {
                BOTH(test_query_known),
                BOTH(test_query_unknown),
                BOTH(test_query_retried),
                BOTH(test_name_reply_unsolicited),
                BOTH(test_flow),
                BOTH(test_unregistered_is_silence),
                BOTH(test_refused),
                BOTH(test_unknown_name_fails),
                BOTH(test_duplicates),
                BOTH(test_forged_reply),
                BOTH(test_early_data),
                BOTH(test_late_reply),
                BOTH(test_two_attempts),
                BOTH(test_moved_host),
                BOTH(test_irm_lost),
                BOTH(test_incoming_too_old),
                BOTH(test_no_lane),
                BOTH(test_no_lane_for_answer),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
