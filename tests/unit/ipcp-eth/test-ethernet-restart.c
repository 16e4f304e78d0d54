/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The core of the layer after its process was killed: flows come back from the store, and the peers notice nothing. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/eth-wire.h"

#define TIMEOUT_MS 120000U

typedef struct Test {
        Wire wire;
        StateStore *store;
} Test;

static int setup(void **state) {
        Test *t = malloc(sizeof(*t));

        if (!t || layer_store_new(&t->store) < 0)
                return -1;
        wire_init(&t->wire, *(const Framing *) *state, 2);
        *state = t;
        return 0;
}

static int teardown(void **state) {
        Test *t = *state;

        wire_done(&t->wire);
        state_store_free(t->store);
        free(t);
        return 0;
}

static void save(Test *t, const Station *s, uint64_t flow_id) {
        EthernetFlow *flow = station_flow(s, flow_id, 0);
        uint8_t bytes[LAYER_FLOW_BYTES_MAX];

        assert_int_equal(layer_store_flow(t->store, &flow->layer, bytes, ethernet_flow_save(flow, bytes)), 0);
}

/* Another process at the same place: nothing is known but what is in the store. Returns how many flows came back. */
static unsigned restart(Test *t, Station *s, const FrameAddress *address) {
        const EthernetConfig config = {
                .framing = t->wire.framing,
                .ether_type = s->ethernet.ether_type,
                .hash = HASH_SHA3_256,
        };
        const EthernetEvents *events = s->ethernet.events;
        uint32_t position = 0, slot;
        LayerFlowRecord record;
        unsigned n = 0;

        ethernet_done(&s->ethernet);
        assert_int_equal(ethernet_init(&s->ethernet, &config, events, s, t->wire.now), 0);

        while (layer_store_next_flow(t->store, &position, &record, &slot) > 0) {
                EthernetFlow *flow;

                if (ethernet_flow_restore(&s->ethernet, &record, t->wire.now, &flow) < 0)
                        continue;
                layer_flow_restore(&flow->layer, &record, t->store, slot);
                n++;
        }

        station_set_link(s, true, address, 1500);
        return n;
}

static void test_flow_goes_on(void **state) {
        Test *t = *state;
        Wire *w = &t->wire;
        Station *a = &w->stations[0], *b = &w->stations[1];
        const FrameAddress address = station_address(1);
        uint16_t endpoint;

        wire_connect(w, a, b, 1, TIMEOUT_MS, true);
        endpoint = station_flow(b, 1001, 0)->endpoint;
        save(t, b, 1001);
        assert_int_equal(restart(t, b, &address), 1);
        assert_int_equal(station_flow(b, 1001, 0)->endpoint, endpoint);

        assert_int_equal(station_write(a, 1, "there", 5), 1);
        assert_int_equal(station_write(b, 1001, "back", 4), 1);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(b->n_data, 1);
        assert_memory_equal(b->data[0].bytes, "there", 5);
        assert_int_equal(a->n_data, 1);
        assert_memory_equal(a->data[0].bytes, "back", 4);

        /* It is alive, and closed with the token that it had. */
        wire_run(w, 200 * USEC_PER_SEC);
        assert_int_equal(a->n_downs + b->n_downs, 0);
        ethernet_close(&a->ethernet, &station_flow(a, 1, 0)->layer, w->now);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(b->n_downs, 1);
        assert_int_equal(restart(t, b, &address), 0);           /* what is closed does not come back */
}

/* Peers check our address: with another one the flow cannot go on, and they are told by the old one. */
static void test_address_changed(void **state) {
        Test *t = *state;
        Wire *w = &t->wire;
        Station *a = &w->stations[0], *b = &w->stations[1];
        const FrameAddress other = station_address(9);

        wire_connect(w, a, b, 1, TIMEOUT_MS, true);
        save(t, b, 1001);
        assert_int_equal(restart(t, b, &other), 1);
        assert_int_equal(b->n_downs, 1);
        assert_int_equal(b->downs[0].reason, CLOSE_LAYER_DOWN);
        wire_run(w, USEC_PER_MSEC);
        assert_int_equal(a->n_downs, 1);
}

/* A peer that died meanwhile is found out as ever. */
static void test_peer_died_meanwhile(void **state) {
        Test *t = *state;
        Wire *w = &t->wire;
        Station *a = &w->stations[0], *b = &w->stations[1];
        const FrameAddress address = station_address(1);

        wire_connect(w, a, b, 1, TIMEOUT_MS, true);
        save(t, b, 1001);
        ethernet_link_changed(&a->ethernet, &(EthernetLink) {}, w->now);
        assert_int_equal(restart(t, b, &address), 1);
        wire_run(w, (TIMEOUT_MS + 1000) * USEC_PER_MSEC);
        assert_int_equal(b->n_downs, 1);
        assert_int_equal(b->downs[0].reason, CLOSE_PEER_TIMEOUT);
}

static void cut(LayerFlowRecord *r) { r->size--; }
static void lengthen(LayerFlowRecord *r) { r->size++; }
static void empty(LayerFlowRecord *r) { r->size = 0; }
static void group_peer(LayerFlowRecord *r) { r->bytes[6] |= 1; }
static void no_peer(LayerFlowRecord *r) { memset(r->bytes + 6, 0, 6); }
static void group_local(LayerFlowRecord *r) { r->bytes[0] |= 1; }
static void endpoint_0(LayerFlowRecord *r) { memset(r->bytes + 12, 0, 2); }
static void endpoint_max(LayerFlowRecord *r) { memset(r->bytes + 12, 0xff, 2); }
static void peer_endpoint_0(LayerFlowRecord *r) { memset(r->bytes + 14, 0, 2); }
static void nothing(LayerFlowRecord *r) { (void) r; }

static void test_strange_records(void **state) {
        static const struct {
                const char *name;
                void (*change)(LayerFlowRecord *record);
                int r;
        } rows[] = {
                { "cut", cut, -EBADMSG },
                { "too long", lengthen, -EBADMSG },
                { "empty", empty, -EBADMSG },
                { "peer is a group", group_peer, -EBADMSG },
                { "peer is nobody", no_peer, -EBADMSG },
                { "we are a group", group_local, -EBADMSG },
                { "endpoint id 0", endpoint_0, -EBADMSG },
                { "endpoint id out of range", endpoint_max, -EBADMSG },
                { "no endpoint id of the peer", peer_endpoint_0, -EBADMSG },
                { "as it was", nothing, 0 },
                { "twice", nothing, -EEXIST },
        };
        Test *t = *state;
        Station *a = &t->wire.stations[0], *b = &t->wire.stations[1];
        uint32_t position = 0, slot, n_free;
        LayerFlowRecord good;

        wire_connect(&t->wire, a, b, 1, TIMEOUT_MS, true);
        save(t, b, 1001);
        assert_int_equal(layer_store_next_flow(t->store, &position, &good, &slot), 1);
        ethernet_flow_free(station_flow(b, 1001, 0));
        n_free = shim_endpoints_n_free(b->ethernet.endpoints);

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                LayerFlowRecord record = good;
                EthernetFlow *flow = NULL;

                print_message("%s\n", rows[i].name);
                rows[i].change(&record);
                assert_int_equal(ethernet_flow_restore(&b->ethernet, &record, t->wire.now, &flow), rows[i].r);
                assert_int_equal(flow != NULL, rows[i].r == 0);
                if (rows[i].r < 0)
                        assert_int_equal(shim_endpoints_n_free(b->ethernet.endpoints), n_free);
                n_free = shim_endpoints_n_free(b->ethernet.endpoints);
        }
}

int main(void) {
        static const Framing dix = FRAMING_DIX, llc = FRAMING_LLC;
#define BOTH(test)                                                                                                \
        { #test " (DIX)", test, setup, teardown, (void *) &dix },                                                 \
        { #test " (LLC)", test, setup, teardown, (void *) &llc }
        const struct CMUnitTest tests[] = {
                BOTH(test_flow_goes_on),
                BOTH(test_address_changed),
                BOTH(test_peer_died_meanwhile),
                BOTH(test_strange_records),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
