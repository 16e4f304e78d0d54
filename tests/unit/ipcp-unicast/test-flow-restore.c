/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Flows of a member that was killed: the peers go on talking to the same endpoint ids. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/allocator-net.h"

/* What a process leaves of flow 1001, which member 1 has with member 0. */
static void save(Net *net, StateStore *store, LayerFlowRecord *ret, uint32_t *ret_slot) {
        UnicastFlow *flow = net_flow(&net->members[1], 1001, 0);
        uint8_t bytes[LAYER_FLOW_BYTES_MAX];
        uint32_t position = 0;

        assert_int_equal(layer_store_flow(store, &flow->layer, bytes, unicast_flow_save(flow, bytes)), 0);
        assert_int_equal(layer_store_next_flow(store, &position, ret, ret_slot), 1);
}

static void test_flow_goes_on(void **state) {
        _cleanup_(state_store_freep) StateStore *store = NULL;
        _cleanup_(net_freep) Net *net = NULL;
        NetMember *a, *b;
        LayerFlowRecord record;
        UnicastFlow *flow;
        uint32_t slot;
        uint64_t eid;

        assert_int_equal(layer_store_new(&store), 0);
        assert_int_equal(net_new(CONGESTION_MB_ECN, &net), 0);
        a = &net->members[0];
        b = &net->members[1];
        net_connect(net, 1);
        eid = net_flow(b, 1001, 0)->eid;
        save(net, store, &record, &slot);
        unicast_flow_free(net_flow(b, 1001, 0));        /* as in another process */

        assert_int_equal(unicast_flow_restore(&b->unicast, &record, net->now, &flow), 0);
        layer_flow_restore(&flow->layer, &record, store, slot);
        assert_int_equal(flow->eid, eid);
        assert_ptr_equal(net_flow(b, 1001, 0), flow);

        net_write(a, 1, "x");
        net_write(b, 1001, "y");
        net_run(net, 10 * NET_DELAY_USEC);
        assert_int_equal(b->n_delivered, 1);
        assert_int_equal(a->n_delivered, 1);

        /* Alive for as long as the peer is, and closed by the token that it had. */
        net_run(net, 300 * USEC_PER_SEC);
        assert_int_equal(a->n_downs + b->n_downs, 0);
        unicast_close(&a->unicast, &net_flow(a, 1, 0)->layer, net->now);
        net_run(net, 10 * NET_DELAY_USEC);
        assert_int_equal(b->n_downs, 1);
}

static void cut(LayerFlowRecord *r) { r->size--; }
static void lengthen(LayerFlowRecord *r) { r->size++; }
static void eid_of_a_component(LayerFlowRecord *r) { memset(r->bytes, 0, 7); r->bytes[7] = 33; }
static void eid_0(LayerFlowRecord *r) { memset(r->bytes, 0, 8); }
static void eid_max(LayerFlowRecord *r) { memset(r->bytes, 0xff, 8); }
static void peer_eid_of_a_component(LayerFlowRecord *r) { memset(r->bytes + 8, 0, 7); r->bytes[15] = 33; }
static void no_peer(LayerFlowRecord *r) { memset(r->bytes + 16, 0, 8); }
static void wide_peer(LayerFlowRecord *r) { r->bytes[16] = 1; }
static void nothing(LayerFlowRecord *r) { (void) r; }

static void test_strange_records(void **state) {
        static const struct {
                const char *name;
                void (*change)(LayerFlowRecord *record);
                int r;
        } rows[] = {
                { "cut", cut, -EBADMSG },
                { "too long", lengthen, -EBADMSG },
                { "endpoint id of a component", eid_of_a_component, -EBADMSG },
                { "endpoint id 0", eid_0, -EBADMSG },
                { "endpoint id of all ones", eid_max, -EBADMSG },
                { "peer's endpoint id of a component", peer_eid_of_a_component, -EBADMSG },
                { "no peer", no_peer, -EBADMSG },
                { "an address that is too long", wide_peer, -EBADMSG },
                { "as it was", nothing, 0 },
                { "twice", nothing, -EEXIST },
        };
        _cleanup_(state_store_freep) StateStore *store = NULL;
        _cleanup_(net_freep) Net *net = NULL;
        LayerFlowRecord good;
        uint32_t slot;
        size_t n;
        NetMember *b;

        assert_int_equal(layer_store_new(&store), 0);
        assert_int_equal(net_new(CONGESTION_NONE, &net), 0);
        b = &net->members[1];
        net_connect(net, 1);
        save(net, store, &good, &slot);
        unicast_flow_free(net_flow(b, 1001, 0));
        n = eids_n(b->unicast.eids);

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                LayerFlowRecord record = good;
                UnicastFlow *flow = NULL;

                print_message("%s\n", rows[i].name);
                rows[i].change(&record);
                assert_int_equal(unicast_flow_restore(&b->unicast, &record, net->now, &flow), rows[i].r);
                assert_int_equal(flow != NULL, rows[i].r == 0);
                n += rows[i].r == 0;
                assert_int_equal(eids_n(b->unicast.eids), n);
        }

        /* Who is no member has no flows. */
        unicast_flow_free(net_flow(b, 1001, 0));
        b->unicast.is_member = false;
        assert_int_equal(unicast_flow_restore(&b->unicast, &good, net->now, &(UnicastFlow *) { NULL }), -EBADMSG);
        b->unicast.is_member = true;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_flow_goes_on),
                cmocka_unit_test(test_strange_records),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
