/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The core of the layer where others do what they may but rarely do: end in the middle, answer nonsense, ask without
 * end. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/common/oap.h"
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

static void send_management(Station *from, unsigned to, const ManagementMessage *message) {
        const FrameAddress address = station_address(to);

        (void) eth_send_message(&from->ethernet, &address, &from->ethernet.link.address, message);
}

/* A request from a to b, which b's IRM has before it. */
static void ask(Wire *w, Station *a, Station *b) {
        assert_int_equal(ethernet_register(&b->ethernet, wire_hash('n'), 32), 0);
        station_request(a, 1, 0, 'n', OAP, 36, TIMEOUT_MS);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(b->n_incoming, 1);
}

/* What the peer calls a refusal must not become any errno of this host: -EINPROGRESS would be waited for. */
static void test_strange_refusals(void **state) {
        static const struct {
                int32_t on_wire, reported;
        } rows[] = {
                { -1, -1000 },
                { -EINPROGRESS, -1000 },
                { -999, -1000 },
                { -1000, -1000 },
                { -1007, -1007 },
                { -1009, -1009 },
                { INT32_MIN, INT32_MIN },
        };
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];

        assert_int_equal(ethernet_register(&b->ethernet, wire_hash('n'), 32), 0);
        for (unsigned i = 0; i < ELEMENTSOF(rows); i++) {
                LayerMessage order = { .type = LAYER_REFUSE, .result = rows[i].on_wire };
                char oap[36] = { (char) i };

                station_request(a, 1 + i, 0, 'n', oap, sizeof(oap), TIMEOUT_MS);
                wire_run(w, USEC_PER_MSEC);
                assert_int_equal(b->n_incoming, i + 1);

                order.reference = b->incoming[i];
                ethernet_refuse(&b->ethernet, &order, w->now);
                wire_run(w, USEC_PER_MSEC);
                assert_int_equal(a->n_replies, i + 1);
                assert_int_equal(a->replies[i].result, rows[i].reported);
        }
}

/* Written, closed, and only then does the other side's application have its end: it reads what was written. */
static void test_close_behind_early_data(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];

        ask(w, a, b);
        assert_int_equal(station_accept(b, b->incoming[0], 1001, 0xB2, 0xA1), 0);
        wire_run(w, USEC_PER_MSEC);
        station_establish(a, 1, 0, 0xA1, 0xB2);
        assert_int_equal(station_write(a, 1, "last", 4), 1);
        ethernet_close(&a->ethernet, &station_flow(a, 1, 0)->layer, w->now);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(b->n_downs, 0);

        station_establish(b, 1001, 0, 0xB2, 0xA1);
        assert_int_equal(b->n_data, 1);
        assert_memory_equal(b->data[0].bytes, "last", 4);
        assert_int_equal(b->n_downs, 1);
        assert_int_equal(b->downs[0].reason, CLOSE_NORMAL);

        /* The peer closed it, so it needs no close. */
        wire_run(w, USEC_PER_SEC);
        assert_int_equal(w->n_codes[MANAGEMENT_CLOSE], 3);
}

/* Without data there is nothing to wait for. */
static void test_close_before_established(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];

        ask(w, a, b);
        assert_int_equal(station_accept(b, b->incoming[0], 1001, 0xB2, 0xA1), 0);
        wire_run(w, USEC_PER_MSEC);
        station_establish(a, 1, 0, 0xA1, 0xB2);
        ethernet_close(&a->ethernet, &station_flow(a, 1, 0)->layer, w->now);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(b->n_downs, 1);
}

/* The interface went away and comes back as another one: what was made with the old address cannot go on. */
static void test_interface_replaced(void **state) {
        const EthernetLink gone = {};
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];
        const FrameAddress old = station_address(0), new = station_address(9);

        wire_connect(w, a, b, 1, TIMEOUT_MS, true);
        ethernet_link_changed(&a->ethernet, &gone, w->now);
        assert_int_equal(a->n_downs, 0);

        /* The same one again. */
        station_set_link(a, true, &old, 1500);
        assert_int_equal(a->n_downs, 0);
        assert_int_equal(station_write(a, 1, "on", 2), 1);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(b->n_data, 1);

        ethernet_link_changed(&a->ethernet, &gone, w->now);
        station_set_link(a, true, &new, 1500);
        assert_int_equal(a->n_downs, 1);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(b->n_downs, 1);
}

/* More requests in a short time than the table has room for, each answered at once: all are heard. */
static void test_many_short_requests(void **state) {
        Wire *w = *state;
        Station *b = &w->stations[1], *c = &w->stations[2];
        LayerMessage order = { .type = LAYER_REFUSE };
        uint8_t oap[36] = {};
        const ManagementMessage m = { .code = MANAGEMENT_FLOW_REQUEST, .sender = 2, .hash = wire_hash('n'), .oap = oap,
                                      .oap_size = sizeof(oap) };
        unsigned n = ETHERNET_INCOMING_MAX + 1000;

        assert_int_equal(ethernet_register(&b->ethernet, wire_hash('n'), 32), 0);
        for (unsigned i = 0; i < n; i++) {
                /* Each from another station, so that none replaces an earlier one. */
                FrameAddress from = { .bytes = { 2, 1, 0, 0, (uint8_t) (i >> 8), (uint8_t) i } };
                const FrameAddress to = station_address(1);

                memcpy(oap, &i, sizeof(i));
                (void) eth_send_message(&c->ethernet, &to, &from, &m);
                wire_run(w, USEC_PER_MSEC);
                assert_int_equal(b->n_incoming, i + 1);
                order.reference = b->incoming[i % WIRE_LOG_MAX];
                ethernet_refuse(&b->ethernet, &order, w->now);
        }

        assert_int_equal(map_size(b->ethernet.incoming_by_reference), ETHERNET_INCOMING_MAX);

        /* One that waits for its answer does not give way. */
        memset(oap, 0xff, sizeof(oap));
        send_management(c, 1, &m);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(b->n_incoming, n + 1);
        order.reference = b->incoming[n % WIRE_LOG_MAX];
        wire_run(w, 20 * USEC_PER_SEC);
        assert_int_equal(b->n_gone, 0);
        assert_int_equal(station_accept(b, order.reference, 1001, 0, 0), 0);

        wire_run(w, 60 * USEC_PER_SEC);
        assert_int_equal(map_size(b->ethernet.incoming_by_reference), 0);
}

#define BOTH(function)                                                                                            \
        { "dix: " #function, function, setup, teardown, (void *) (uintptr_t) &dix },                              \
        { "llc: " #function, function, setup, teardown, (void *) (uintptr_t) &llc }

/* One station that says all it may, with stamps as far ahead as they are taken, leaves room for the others. */
static void test_sender_cannot_fill_replay_cache(void **state) {
        const uint64_t start = UINT64_C(1700000000000000000), step = NSEC_PER_USEC * 100;
        static const uint8_t key[SIPHASH_KEY_BYTES] = { 1 };
        _cleanup_(oap_replay_freep) OapReplay *replay = NULL;
        uint32_t number = 0;
        Limit limit;

        assert_int_equal(oap_replay_new((const uint8_t[SIPHASH_KEY_BYTES]) { 7 }, &replay), 0);
        limit_init(&limit, key, ETHERNET_SENDER_RATE, ETHERNET_SENDER_BURST, ETHERNET_TOTAL_RATE,
                        ETHERNET_TOTAL_BURST);

        for (uint64_t now = start; now < start + 60 * USEC_PER_SEC * NSEC_PER_USEC; now += step)
                while (limit_take(&limit, "sender", 6, now / NSEC_PER_USEC)) {
                        OapHeader header = { .timestamp = now + OAP_WINDOW_FUTURE_NSEC };

                        memcpy(header.id, &number, sizeof(number));
                        number++;
                        assert_int_equal(oap_replay_check(replay, &header, false, now), 0);
                }

        assert_true(number > 59 * ETHERNET_SENDER_RATE);        /* it was at its limit all the time */
}

int main(void) {
        static const Framing dix = FRAMING_DIX, llc = FRAMING_LLC;
        const struct CMUnitTest tests[] = {
                BOTH(test_strange_refusals),
                BOTH(test_close_behind_early_data),
                BOTH(test_close_before_established),
                BOTH(test_interface_replaced),
                BOTH(test_many_short_requests),
                cmocka_unit_test(test_sender_cannot_fill_replay_cache),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
