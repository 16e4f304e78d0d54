/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A flow that is there: data, congestion, signs of life, and its end; what others may not do to it; many at once. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/allocator-net.h"

#define OAP "0123456789abcdef____________________"        /* 16 bytes of id, then some */

static int setup(void **state) {
        return net_new(CONGESTION_MB_ECN, (Net **) state);
}

static int teardown(void **state) {
        net_free(*state);
        return 0;
}

static uint64_t drops(const NetMember *m, DropReason reason) {
        return m->unicast.counters.drops[reason];
}

static LayerFlowState state_of(const NetMember *m, uint64_t flow_id, uint32_t attempt) {
        UnicastFlow *flow = net_flow(m, flow_id, attempt);

        return flow ? flow->layer.state : _LAYER_FLOW_STATE_INVALID;
}

/* -- a flow -- */

static void test_flow(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0], *b = &net->members[1];
        const UnicastFlow *fa, *fb;

        net_connect(net, 1);
        fa = net_flow(a, 1, 0);
        fb = net_flow(b, 1001, 0);
        assert_string_equal(b->incoming_peer, "00001000");
        assert_int_equal(a->replies[0].result, 0);
        assert_int_equal(a->replies[0].oap_size, 84);
        assert_int_equal(fa->eid, fb->peer_eid);
        assert_int_equal(fb->eid, fa->peer_eid);
        assert_int_equal(fa->peer_address, net_address(1));
        assert_int_equal(fb->peer_address, net_address(0));
        assert_int_equal(fb->layer.qos.timeout_ms, 120000);

        net_write(a, 1, "x");
        net_write(b, 1001, "y");
        net_run(net, 2 * NET_DELAY_USEC);
        assert_int_equal(a->n_delivered, 1);
        assert_int_equal(b->n_delivered, 1);
        assert_int_equal(b->delivered[0], 'x');

        unicast_close(&a->unicast, &net_flow(a, 1, 0)->layer, net->now);
        net_run(net, 2 * NET_DELAY_USEC);
        assert_int_equal(b->n_downs, 1);
        assert_int_equal(b->last_down, CLOSE_NORMAL);
        assert_int_equal(state_of(b, 1001, 0), LAYER_FLOW_CLOSED);

        /* Said three times, then silence, and in the end nothing is left. */
        net_run(net, 10 * USEC_PER_SEC);
        assert_int_equal(net->n_codes[FLOW_MESSAGE_CLOSE], 3);
        net_run(net, 300 * USEC_PER_SEC);
        assert_int_equal(eids_n(a->unicast.eids), 0);
        assert_int_equal(eids_n(b->unicast.eids), 0);
        assert_int_equal(a->unicast.n_closing, 0);
}

/* A close that is lost every time: data of the peer asks for it again. */
static void test_close_lost(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0], *b = &net->members[1];

        net_connect(net, 1);
        net->n_lost = 3;
        unicast_close(&a->unicast, &net_flow(a, 1, 0)->layer, net->now);
        net_run(net, 10 * USEC_PER_SEC);
        assert_int_equal(b->n_downs, 0);

        net_write(b, 1001, "y");
        net_write(b, 1001, "y");
        net_run(net, 10 * NET_DELAY_USEC);
        assert_int_equal(net->n_codes[FLOW_MESSAGE_CLOSE], 4);
        assert_int_equal(b->n_downs, 1);
        assert_int_equal(drops(a, DROP_FLOW_CLOSED), 2);
}

/* Without the capability of the peer nothing is said. */
static void test_no_close_to_others(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0], *b = &net->members[1];

        assert_int_equal(unicast_register(&b->unicast, net_hash('n'), 32, net->now), 0);
        net_request(a, 1, 0, 'n', OAP);
        net_run(net, 2 * NET_DELAY_USEC);
        assert_int_equal(net_accept(b, b->incoming[0], 2, 0, 0), 0);
        net_establish(b, 2, 0, 0, 0);
        net_run(net, 2 * NET_DELAY_USEC);
        net_establish(a, 1, 0, 0xA1, 0);
        unicast_close(&a->unicast, &net_flow(a, 1, 0)->layer, net->now);
        net_write(b, 2, "y");
        net_run(net, USEC_PER_SEC);
        assert_int_equal(net->n_codes[FLOW_MESSAGE_CLOSE], 0);
}

static void test_early_data(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0], *b = &net->members[1];

        assert_int_equal(unicast_register(&b->unicast, net_hash('n'), 32, net->now), 0);
        net_request(a, 1, 0, 'n', OAP);
        net_run(net, 2 * NET_DELAY_USEC);
        assert_int_equal(net_accept(b, b->incoming[0], 2, 0xB2, 0xA1), 0);
        net_run(net, 2 * NET_DELAY_USEC);
        net_establish(a, 1, 0, 0xA1, 0xB2);
        for (unsigned i = 0; i < 20; i++)
                net_write(a, 1, (char[]) { (char) ('a' + i), 0 });
        unicast_close(&a->unicast, &net_flow(a, 1, 0)->layer, net->now);
        net_run(net, 2 * NET_DELAY_USEC);
        assert_int_equal(b->n_delivered, 0);
        assert_int_equal(b->unicast.n_early, 16);
        assert_int_equal(drops(b, DROP_LIMIT), 4);
        assert_int_equal(b->n_downs, 0);

        /* What came before the close is read before the flow ends. */
        net_establish(b, 2, 0, 0, 0);
        assert_int_equal(b->n_delivered, 16);
        assert_memory_equal(b->delivered, "abcdefghijklmnop", 16);
        assert_int_equal(b->unicast.n_early, 0);
        assert_int_equal(b->n_downs, 1);
}

static void test_keepalive_and_death(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0], *b = &net->members[1];

        net_connect(net, 1);
        net_run(net, 299 * USEC_PER_SEC);
        assert_in_range(net->n_keepalives, 2 * 8, 2 * 10);
        assert_int_equal(a->n_downs + b->n_downs, 0);
        assert_int_equal(a->n_delivered + b->n_delivered, 0);

        b->unreachable = true;          /* it hears nothing any more, but is heard */
        net_run(net, 85 * USEC_PER_SEC);        /* its last news may be 30 s old by now */
        assert_int_equal(b->n_downs, 0);
        net_run(net, 40 * USEC_PER_SEC);
        assert_int_equal(b->n_downs, 1);
        assert_int_equal(b->last_down, CLOSE_PEER_TIMEOUT);
        assert_int_equal(a->n_downs, 1);        /* by the close of b */
        assert_int_equal(a->last_down, CLOSE_NORMAL);
}

static FlowMessage reply_to(const UnicastFlow *flow, int32_t response) {
        return (FlowMessage) {
                .code = FLOW_MESSAGE_REPLY,
                .receiver_eid = flow->eid,
                .sender_eid = 0x777000000100,
                .response = response,
        };
}

/* -- what must not happen to a flow -- */

static void test_update_changes_the_level_only(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0];
        FlowMessage m = { .code = FLOW_MESSAGE_UPDATE, .level = 777 };
        UnicastFlow *flow, before;

        net_connect(net, 1);
        flow = net_flow(a, 1, 0);
        before = *flow;

        m.receiver_eid = flow->eid;
        m.sender = 0xDEAD;
        m.sender_eid = 0xDEAD00000100;
        m.response = -1;
        net_inject_message(a, 2, &m);
        assert_int_equal(flow->congestion.level, 777);
        assert_true(flow->congestion.avoiding);
        flow->congestion = before.congestion;
        assert_memory_equal(flow, &before, sizeof(before));

        m.receiver_eid = flow->eid ^ UINT64_C(1) << 40;
        net_inject_message(a, 2, &m);
        m.receiver_eid = 0;
        net_inject_message(a, 2, &m);
        assert_int_equal(drops(a, DROP_UNKNOWN_ENDPOINT), 2);

        /* For a flow that is over, or not there yet. */
        net_request(a, 2, 0, 'n', OAP);
        m.receiver_eid = net_flow(a, 2, 0)->eid;
        net_inject_message(a, 2, &m);
        unicast_close(&a->unicast, &flow->layer, net->now);
        m.receiver_eid = flow->eid;
        net_inject_message(a, 2, &m);
        assert_int_equal(drops(a, DROP_UNKNOWN_ENDPOINT), 4);
        assert_int_equal(flow->congestion.level, 0);
}

static void test_close_needs_token(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0];
        FlowMessage m = { .code = FLOW_MESSAGE_CLOSE };
        UnicastFlow *flow;

        net_connect(net, 1);
        flow = net_flow(a, 1, 0);
        m.receiver_eid = flow->eid;
        m.sender_eid = flow->peer_eid;
        for (unsigned i = 0; i < 256; i++) {
                m.token[0] = (uint8_t) i;
                if (i != 0xA1)
                        net_inject_message(a, 1, &m);
        }
        m.token[0] = 0xA1;
        m.token[7] = 1;
        net_inject_message(a, 1, &m);
        m.token[7] = 0;
        m.sender_eid ^= UINT64_C(1) << 50;
        net_inject_message(a, 1, &m);
        assert_int_equal(drops(a, DROP_WRONG_SOURCE), 257);
        assert_int_equal(a->n_downs, 0);

        m.sender_eid = flow->peer_eid;
        m.receiver_eid ^= 1;
        net_inject_message(a, 1, &m);
        assert_int_equal(drops(a, DROP_UNKNOWN_ENDPOINT), 1);
        assert_int_equal(flow->layer.state, LAYER_FLOW_ESTABLISHED);

        m.receiver_eid = flow->eid;
        net_inject_message(a, 1, &m);
        assert_int_equal(a->n_downs, 1);
        net_inject_message(a, 1, &m);
        assert_int_equal(a->n_downs, 1);
        assert_int_equal(net->n_codes[FLOW_MESSAGE_CLOSE], 0);  /* the peer knows */
}

/* Data for a flow that waits for its reply comes from somebody who cannot know its id rightly. */
static void test_data_too_early(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0];

        net_request(a, 1, 0, 'n', OAP);
        net_inject_data(a, net_flow(a, 1, 0)->eid, "x");
        assert_int_equal(drops(a, DROP_UNKNOWN_ENDPOINT), 1);
        assert_int_equal(a->n_delivered, 0);
        assert_int_equal(a->unicast.n_early, 0);
}

/* -- congestion -- */

static void test_congestion_feedback(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0];
        UnicastFlow *flow;

        net_connect(net, 1);
        flow = net_flow(a, 1, 0);
        net_write(a, 1, "x");
        net_run(net, 5 * NET_DELAY_USEC);
        assert_int_equal(net->n_codes[FLOW_MESSAGE_UPDATE], 0);

        net->ecn = 5;
        net_write(a, 1, "x");
        net_run(net, 5 * NET_DELAY_USEC);
        assert_int_equal(net->n_codes[FLOW_MESSAGE_UPDATE], 1);
        assert_int_equal(flow->congestion.level, 5);
        assert_int_equal(net->members[1].n_delivered, 2);
        assert_int_equal(net->members[1].n_marked, 1);

        net->ecn = 0;
        for (unsigned i = 0; i < 4; i++)
                net_write(a, 1, "x");
        net_run(net, 5 * NET_DELAY_USEC);
        assert_int_equal(net->n_codes[FLOW_MESSAGE_UPDATE], 2);
        assert_int_equal(flow->congestion.level, 0);
        assert_int_equal(net->members[1].n_delivered, 6);
        assert_int_equal(net->members[1].n_marked, 1);
        assert_true(flow->congestion.avoiding);
}

/* Who waits for the pace is resumed when its time has come, and its keepalives go on. */
static void test_resume(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0];
        UnicastFlow *flow;

        net_connect(net, 1);
        flow = net_flow(a, 1, 0);
        flow->waiting = true;
        flow->budget_again = net->now + 20 * USEC_PER_MSEC;
        assert_int_equal(unicast_flow_watch(flow, flow->budget_again), 0);

        net_run(net, 19 * USEC_PER_MSEC);
        assert_int_equal(a->n_resumed, 0);
        net_run(net, 2 * USEC_PER_MSEC);
        assert_int_equal(a->n_resumed, 1);
        assert_false(flow->waiting);
        net_run(net, 100 * USEC_PER_SEC);
        assert_int_equal(a->n_resumed, 1);
        assert_int_equal(a->n_downs, 0);
        assert_in_range(net->n_keepalives, 6, 8);
}

/* -- many -- */

/* Two thousand requests at once, of which every third is never answered: the others do not wait for it. */
static void test_many(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0], *b = &net->members[1];
        unsigned n_accepted = 0;

        assert_int_equal(unicast_register(&b->unicast, net_hash('n'), 32, net->now), 0);
        for (unsigned i = 0; i < 2000; i++)
                net_request(a, i + 1, 0, 'n', OAP);
        net_run(net, 2 * NET_DELAY_USEC);
        assert_int_equal(b->n_incoming, 2000);

        for (unsigned i = 0; i < 2000; i++)
                if (i % 3 != 0) {
                        assert_int_equal(net_accept(b, b->incoming[i], 10000 + i, 0xB2, 0xA1), 0);
                        n_accepted++;
                }
        net_run(net, 2 * NET_DELAY_USEC);
        assert_int_equal(a->n_replies, n_accepted);

        net_run(net, 600 * USEC_PER_SEC);
        assert_int_equal(eids_n(a->unicast.eids), 0);
        assert_int_equal(eids_n(b->unicast.eids), 0);
        assert_true(list_is_empty(&b->unicast.incoming) && list_is_empty(&b->unicast.answered));
}

/* All ids are taken: those of flows that are over are given away, oldest first; those in use never. */
static void test_ids_run_out(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0];

        for (uint64_t i = 1; i <= EIDS_MAX; i++)
                net_request(a, i, 0, 'n', OAP);
        assert_int_equal(a->n_failures, 0);
        net_request(a, EIDS_MAX + 1, 0, 'n', OAP);
        assert_int_equal(a->failures[0].result, -ENOSPC);

        for (unsigned i = 0; i < 2; i++) {
                UnicastFlow *flow = net_flow(a, 10 + i, 0);
                FlowMessage m = reply_to(flow, -1000);

                net_inject_message(a, 1, &m);
                assert_int_equal(flow->layer.state, LAYER_FLOW_CLOSED);
        }
        net_request(a, EIDS_MAX + 2, 0, 'n', OAP);
        net_request(a, EIDS_MAX + 3, 0, 'n', OAP);
        assert_int_equal(a->n_failures, 1);
        assert_null(net_flow(a, 10, 0));
        assert_null(net_flow(a, 11, 0));
        net_request(a, EIDS_MAX + 4, 0, 'n', OAP);
        assert_int_equal(a->n_failures, 2);
}

/* The IRM restarted: what was half made is forgotten, what is established goes on. */
static void test_irm_lost(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0], *b = &net->members[1];

        net_connect(net, 1);
        net_request(a, 2, 0, 'n', OAP);
        net_run(net, 2 * NET_DELAY_USEC);
        a->directory.slow = true;
        net_request(a, 3, 0, 'm', OAP);
        unicast_query(&a->unicast, 1, net_hash('m'), 32, net->now);

        unicast_irm_lost(&a->unicast, net->now);
        unicast_irm_lost(&b->unicast, net->now);
        assert_int_equal(state_of(a, 1, 0), LAYER_FLOW_ESTABLISHED);
        assert_int_equal(state_of(a, 2, 0), LAYER_FLOW_CLOSED);
        assert_int_equal(state_of(a, 3, 0), LAYER_FLOW_CLOSED);
        assert_true(list_is_empty(&a->unicast.lookups));
        net_found(a);
        assert_int_equal(a->n_queries, 0);
        assert_int_equal(net_accept(b, b->incoming[1], 9, 0, 0), -ESTALE);

        net_write(a, 1, "x");
        net_run(net, 2 * NET_DELAY_USEC);
        assert_int_equal(b->n_delivered, 1);
}

#define WITH_NET(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_NET(test_flow),
                WITH_NET(test_close_lost),
                WITH_NET(test_no_close_to_others),
                WITH_NET(test_early_data),
                WITH_NET(test_keepalive_and_death),
                WITH_NET(test_update_changes_the_level_only),
                WITH_NET(test_close_needs_token),
                WITH_NET(test_data_too_early),
                WITH_NET(test_congestion_feedback),
                WITH_NET(test_resume),
                WITH_NET(test_many),
                WITH_NET(test_ids_run_out),
                WITH_NET(test_irm_lost),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
