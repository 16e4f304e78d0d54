/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The flow allocator, until a flow is there: names, requests and replies, and whoever asks for too much or at the
 * wrong time.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/allocator-net.h"

#define OAP "0123456789abcdef____________________"        /* 16 bytes of id, then some */
#define OAP_NEXT "fedcba9876543210____________________"   /* another id */

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

static unsigned n_sent(const Net *net) {
        unsigned sum = 0;

        for (unsigned i = 0; i < ELEMENTSOF(net->n_codes); i++)
                sum += net->n_codes[i];
        return sum;
}

static LayerFlowState state_of(const NetMember *m, uint64_t flow_id, uint32_t attempt) {
        UnicastFlow *flow = net_flow(m, flow_id, attempt);

        return flow ? flow->layer.state : _LAYER_FLOW_STATE_INVALID;
}

/* -- names -- */

static void test_names(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0];

        assert_int_equal(unicast_register(&a->unicast, net_hash('a'), 28, net->now), -EINVAL);
        assert_int_equal(unicast_register(&a->unicast, net_hash('a'), 32, net->now), 0);
        assert_int_equal(unicast_register(&a->unicast, net_hash('a'), 32, net->now), 0);
        assert_int_equal(a->directory.n_registered, 1);
        assert_int_equal(unicast_register(&a->unicast, net_hash('b'), 32, net->now), 0);
        unicast_unregister(&a->unicast, net_hash('a'), 32, net->now);
        unicast_unregister(&a->unicast, net_hash('a'), 32, net->now);
        unicast_unregister(&a->unicast, net_hash('x'), 500, net->now);
        assert_int_equal(a->directory.n_registered, 1);
        unicast_unregister_all(&a->unicast, net->now);
        assert_int_equal(a->directory.n_registered, 0);
}

/* What is registered before we are a member is published when we are. */
static void test_names_before_member(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0];

        a->unicast.directory = NULL;
        a->unicast.is_member = false;
        for (uint8_t name = 0; name < 10; name++)
                assert_int_equal(unicast_register(&a->unicast, net_hash(name), 32, net->now), 0);
        unicast_query(&a->unicast, 1, net_hash(3), 32, net->now);
        unicast_query(&a->unicast, 2, net_hash('n'), 32, net->now);
        net_request(a, 1, 0, 'n', OAP);
        assert_int_equal(a->queries[0].result, 0);
        assert_int_equal(a->queries[1].result, -ENETDOWN);
        assert_int_equal(a->failures[0].result, -ENETDOWN);
        assert_int_equal(a->directory.n_registered, 0);

        a->unicast.directory = &a->directory;
        assert_int_equal(flow_names_publish(&a->unicast, net->now), 0);
        assert_int_equal(a->directory.n_registered, 10);
}

static void test_query(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0];

        unicast_query(&a->unicast, 1, net_hash('n'), 32, net->now);
        assert_int_equal(a->queries[0].result, 0);

        a->directory.n_addresses = 0;
        a->directory.error = -ENOENT;
        unicast_query(&a->unicast, 2, net_hash('n'), 32, net->now);
        assert_int_equal(a->queries[1].result, -ENOENT);

        a->directory.error = -ENETUNREACH;
        unicast_query(&a->unicast, 3, net_hash('n'), 32, net->now);
        assert_int_equal(a->queries[2].flow_id, 3);
        assert_int_equal(a->queries[2].result, -ENETUNREACH);

        unicast_query(&a->unicast, 4, net_hash('n'), 20, net->now);
        assert_int_equal(a->queries[3].result, -EINVAL);
}

/* Everybody who asks for a name waits for one lookup; bounded; and whoever leaves last cancels it. */
static void test_lookups_shared(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0];

        a->directory.slow = true;
        for (unsigned i = 0; i < 100; i++)
                unicast_query(&a->unicast, i, net_hash('n'), 32, net->now);
        for (unsigned i = 1; i <= 3; i++)
                net_request(a, i, 0, 'n', OAP);
        assert_int_equal(a->directory.n_lookups, 1);
        assert_int_equal(a->n_queries, 0);

        net_found(a);
        assert_int_equal(a->n_queries, 100);
        assert_int_equal(net->n_codes[FLOW_MESSAGE_REQUEST], 3);

        net_request(a, 4, 0, 'm', OAP);
        assert_int_equal(a->directory.n_lookups, 2);
        net_abort(a, 4, 0, 0, 0);
        assert_int_equal(a->directory.pending[0], 0);
        net_found(a);
        assert_int_equal(net->n_codes[FLOW_MESSAGE_REQUEST], 3);

        for (unsigned i = 0; i < UNICAST_QUERIES_MAX; i++)
                unicast_query(&a->unicast, 1000 + i, net_hash('q'), 32, net->now);
        assert_int_equal(a->n_queries, 100);
        unicast_query(&a->unicast, 9, net_hash('q'), 32, net->now);
        assert_int_equal(a->n_queries, 101);
        assert_int_equal(a->queries[100].flow_id, 9);
        assert_int_equal(a->queries[100].result, -EBUSY);

        net_request(a, 5, 0, 'q', OAP);
        flow_lookups_fail(&a->unicast, net->now);
        assert_int_equal(a->n_queries, 101 + UNICAST_QUERIES_MAX);
        assert_int_equal(a->replies[a->n_replies - 1].flow_id, 5);
        assert_int_equal(a->replies[a->n_replies - 1].result, -ENETDOWN);
}

/* -- the asking side -- */

static void test_next_address(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0];
        Directory *d = &a->directory;

        /* To the first there is no way, ourselves we do not ask. */
        d->addresses[0] = net_address(2);
        d->addresses[1] = net_address(0);
        d->addresses[2] = net_address(1);
        d->n_addresses = 3;
        net->members[2].unreachable = true;
        net_request(a, 1, 0, 'n', OAP);
        assert_int_equal(net_flow(a, 1, 0)->peer_address, net_address(1));
        assert_int_equal(d->n_doubted, 0);

        /* No answer: the next attempt doubts it and goes elsewhere. */
        net->members[2].unreachable = false;
        net_run(net, 3 * USEC_PER_SEC);
        net_request(a, 1, 1, 'n', OAP_NEXT);
        assert_int_equal(d->n_doubted, 1);
        assert_int_equal(d->doubted[0], net_address(1));
        assert_int_equal(net_flow(a, 1, 1)->peer_address, net_address(2));
        net_run(net, 3 * USEC_PER_SEC);

        /* All were asked: those that have a way once more. */
        net->members[2].unreachable = true;
        net_request(a, 1, 2, 'n', OAP);
        assert_int_equal(d->doubted[1], net_address(2));
        assert_int_equal(net_flow(a, 1, 2)->peer_address, net_address(1));

        net->members[1].unreachable = true;
        net_request(a, 2, 0, 'n', OAP);
        net_run(net, NET_DELAY_USEC);
        assert_int_equal(a->replies[0].flow_id, 2);
        assert_int_equal(a->replies[0].result, -ENETUNREACH);

        d->addresses[0] = net_address(0);
        d->n_addresses = 1;
        net_request(a, 3, 0, 'n', OAP);
        net_run(net, NET_DELAY_USEC);
        assert_int_equal(a->replies[1].result, -ENETUNREACH);

        d->n_addresses = 0;
        d->error = -EBUSY;
        net_request(a, 4, 0, 'n', OAP);
        assert_int_equal(a->replies[2].result, -EBUSY);
}

static void test_request_refused_here(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0];
        char large[1400 - FLOW_MESSAGE_HEADER_BYTES - 32 + 2] = {};

        net_request(a, 1, LAYER_ATTEMPTS_MAX, 'n', OAP);
        assert_int_equal(a->failures[0].result, -EINVAL);

        memset(large, 'x', sizeof(large) - 1);
        assert_int_equal(unicast_oap_max(&a->unicast), sizeof(large) - 2);

        /* A way on which no piece of it would fit either. */
        a->unicast.packet_max = FLOW_MESSAGE_HEADER_BYTES + FRAGMENT_HEADER_BYTES + FRAGMENT_PIECE_BYTES_MIN - 1;
        net_request(a, 1, 0, 'n', large);
        assert_int_equal(a->failures[1].result, -EMSGSIZE);
        a->unicast.packet_max = 1400;
        large[sizeof(large) - 2] = '\0';
        net_request(a, 1, 0, 'n', large);
        assert_int_equal(a->n_failures, 2);
        net_request(a, 1, 0, 'n', OAP);
        assert_int_equal(a->failures[2].result, -EEXIST);

        /* No randomness, no flow: an id that could be guessed is never given out. */
        a->random_error = -EIO;
        net_request(a, 2, 0, 'n', OAP);
        assert_int_equal(a->failures[3].result, -EIO);
        assert_int_equal(eids_n(a->unicast.eids), 1);
        assert_int_equal(net->n_codes[FLOW_MESSAGE_REQUEST], 1);
}

static FlowMessage reply_to(const UnicastFlow *flow, int32_t response) {
        return (FlowMessage) {
                .code = FLOW_MESSAGE_REPLY,
                .receiver_eid = flow->eid,
                .sender_eid = 0x777000000100,
                .response = response,
        };
}

/* A reply counts once, only while it is awaited, and only for the very id. */
static void test_reply_strict(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0];
        FlowMessage m, wrong;
        UnicastFlow *flow;

        a->directory.slow = true;
        net_request(a, 1, 0, 'n', OAP);
        flow = net_flow(a, 1, 0);
        m = reply_to(flow, 0);
        net_inject_message(a, 2, &m);
        assert_int_equal(flow->layer.state, LAYER_FLOW_STARTING);       /* nobody has been asked yet */
        assert_int_equal(drops(a, DROP_UNKNOWN_ENDPOINT), 1);

        net_found(a);
        assert_int_equal(flow->layer.state, LAYER_FLOW_REQUESTED);
        wrong = m;
        for (unsigned bit = 0; bit < 64; bit++) {
                wrong.receiver_eid = m.receiver_eid ^ UINT64_C(1) << bit;
                net_inject_message(a, 2, &wrong);
        }
        for (unsigned i = 0; i < 64; i++) {
                wrong.receiver_eid = i;
                net_inject_message(a, 2, &wrong);
        }
        wrong.receiver_eid = UINT64_MAX;
        net_inject_message(a, 2, &wrong);
        assert_int_equal(drops(a, DROP_UNKNOWN_ENDPOINT), 1 + 64 + 64 + 1);
        assert_int_equal(a->neighbours[2].n_unknown_eids, 1 + 64 + 64 + 1);
        assert_int_equal(a->n_replies, 0);

        wrong = reply_to(flow, 1);
        net_inject_message(a, 2, &wrong);
        wrong = reply_to(flow, 0);
        wrong.sender_eid = 63;
        net_inject_message(a, 2, &wrong);
        assert_int_equal(drops(a, DROP_UNKNOWN_MESSAGE), 2);
        assert_int_equal(a->n_replies, 0);

        net_inject_message(a, 1, &m);
        assert_int_equal(a->n_replies, 1);
        assert_int_equal(flow->layer.state, LAYER_FLOW_ANSWERED);
        assert_int_equal(flow->peer_eid, m.sender_eid);

        /* Again, with another id, negative; and the same when it is established: nothing changes. */
        for (unsigned i = 0; i < 2; i++) {
                wrong = reply_to(flow, 0);
                wrong.sender_eid = 0x999000000200;
                net_inject_message(a, 2, &wrong);
                wrong = reply_to(flow, -1000);
                net_inject_message(a, 2, &wrong);
                assert_int_equal(a->n_replies, 1);
                assert_int_equal(flow->peer_eid, m.sender_eid);
                if (i == 0)
                        net_establish(a, 1, 0, 0, 0);
                assert_int_equal(flow->layer.state, LAYER_FLOW_ESTABLISHED);
        }
        assert_int_equal(drops(a, DROP_UNKNOWN_ENDPOINT), 130 + 4);
}

static void test_refusal(void **state) {
        static const struct {
                int32_t response, result;
        } cases[] = { { -1009, -1009 }, { -1, -1000 }, { -ENOMEM, -1000 }, { INT32_MIN, INT32_MIN } };

        for (unsigned i = 0; i < ELEMENTSOF(cases); i++) {
                Net *net = *state;
                NetMember *a = &net->members[0];
                FlowMessage m;

                net_request(a, 10 + i, 0, 'n', OAP);
                m = reply_to(net_flow(a, 10 + i, 0), cases[i].response);
                net_inject_message(a, 1, &m);
                assert_int_equal(a->replies[i].result, cases[i].result);
                assert_int_equal(state_of(a, 10 + i, 0), LAYER_FLOW_CLOSED);

                net_inject_message(a, 1, &m);
                assert_int_equal(a->n_replies, i + 1);
        }
}

/* The IRM gave up; the reply comes late, and the peer's end is closed with the token in it. */
static void test_late_reply(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0], *b = &net->members[1];

        assert_int_equal(unicast_register(&b->unicast, net_hash('n'), 32, net->now), 0);
        net_request(a, 1, 0, 'n', OAP);
        net_run(net, 3 * USEC_PER_SEC);
        net_abort(a, 1, 0, 0xA1, 0);
        assert_int_equal(state_of(a, 1, 0), LAYER_FLOW_ABANDONED);

        assert_int_equal(net_accept(b, b->incoming[0], 2, 0xB2, 0xA1), 0);
        net_establish(b, 2, 0, 0, 0);
        net_run(net, 2 * NET_DELAY_USEC);
        assert_int_equal(a->n_replies, 1);
        assert_int_equal(state_of(a, 1, 0), LAYER_FLOW_CLOSED);

        net_abort(a, 1, 0, 0xA1, 0xB2);
        net_run(net, 2 * NET_DELAY_USEC);
        assert_int_equal(b->n_downs, 1);
}

/* -- the answering side -- */

static void test_request_copies(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0], *b = &net->members[1];
        FlowMessage m = {
                .code = FLOW_MESSAGE_REQUEST,
                .sender = net_address(0),
                .sender_eid = 0x123400000064,
                .qos = O7S_QOS_RAW,
                .hash = net_hash('n'),
                .hash_size = 32,
                .oap = (const uint8_t *) OAP,
                .oap_size = 36,
        };

        assert_int_equal(unicast_register(&b->unicast, net_hash('n'), 32, net->now), 0);
        net->n_copies = 3;
        net_request(a, 1, 0, 'n', OAP);
        net_run(net, 5 * NET_DELAY_USEC);
        assert_int_equal(b->n_incoming, 1);
        assert_int_equal(net_accept(b, b->incoming[0], 2, 0xB2, 0xA1), 0);
        assert_int_equal(net_accept(b, b->incoming[0], 3, 0xB2, 0xA1), -ESTALE);
        net_run(net, 5 * NET_DELAY_USEC);
        assert_int_equal(a->n_replies, 1);

        /* The same endpoint id with another request: the peer means that one. */
        net_inject_message(b, 0, &m);
        m.oap = (const uint8_t *) OAP_NEXT;
        net_inject_message(b, 0, &m);
        assert_int_equal(b->n_incoming, 3);
        assert_int_equal(b->n_gone, 1);
        assert_int_equal(net_accept(b, b->incoming[1], 4, 0, 0), -ESTALE);

        net_run(net, 60 * USEC_PER_SEC);
        assert_int_equal(b->n_gone, 2);
        assert_int_equal(map_size(b->unicast.incoming_by_reference), 0);
        assert_int_equal(map_size(b->unicast.incoming_by_peer), 0);
}

/* Who is not served learns nothing: no such name, refused in silence, too short, from ourselves, beyond the rate. */
static void test_silence(void **state) {
        Net *net = *state;
        NetMember *b = &net->members[1];
        FlowMessage m = {
                .code = FLOW_MESSAGE_REQUEST,
                .sender = net_address(0),
                .sender_eid = 0x123400000064,
                .hash = net_hash('x'),
                .hash_size = 32,
                .oap = (const uint8_t *) OAP,
                .oap_size = 36,
        };
        const LayerMessage refuse = { .type = LAYER_REFUSE, .reference = 1 };

        assert_int_equal(unicast_register(&b->unicast, net_hash('n'), 32, net->now), 0);
        net_inject_message(b, 0, &m);
        assert_int_equal(drops(b, DROP_UNKNOWN_ENDPOINT), 1);

        m.hash = net_hash('n');
        m.oap_size = 15;
        net_inject_message(b, 0, &m);
        assert_int_equal(drops(b, DROP_MALFORMED), 1);

        m.oap_size = 36;
        m.sender = net_address(1);
        net_inject_message(b, 0, &m);
        assert_int_equal(drops(b, DROP_WRONG_SOURCE), 1);

        m.sender = net_address(0);
        net_inject_message(b, 0, &m);
        assert_int_equal(b->n_incoming, 1);
        unicast_refuse(&b->unicast, &refuse, net->now);
        assert_int_equal(n_sent(net), 0);

        m.sender_eid++;
        net_inject_message(b, 0, &m);
        unicast_refuse(&b->unicast, &(LayerMessage) { .type = LAYER_REFUSE, .reference = 2, .result = -1009 },
                       net->now);
        assert_int_equal(net->n_codes[FLOW_MESSAGE_REPLY], 1);
}

/* One neighbour floods with invented senders: it meets its limits, and the requests of others get in. */
static void test_flood(void **state) {
        Net *net = *state;
        NetMember *b = &net->members[1];
        FlowMessage m = {
                .code = FLOW_MESSAGE_REQUEST,
                .sender_eid = 0x123400000064,
                .hash = net_hash('n'),
                .hash_size = 32,
                .oap = (const uint8_t *) OAP,
                .oap_size = 36,
        };

        assert_int_equal(unicast_register(&b->unicast, net_hash('n'), 32, net->now), 0);
        for (unsigned i = 0; i < 3 * UNICAST_SENDER_BURST; i++) {
                m.sender = 0x20000 + i;
                net_inject_message(b, 0, &m);
        }
        assert_int_equal(b->n_incoming, UNICAST_INCOMING_BUCKET_MAX);
        assert_int_equal(drops(b, DROP_LIMIT), 3 * UNICAST_SENDER_BURST - b->n_incoming);

        for (unsigned i = 0; i < 500; i++) {
                m.sender = 0x90000 + i;
                net_inject_message(b, 2, &m);
        }
        assert_int_equal(b->n_incoming, UNICAST_INCOMING_BUCKET_MAX + 500);

        net_run(net, 60 * USEC_PER_SEC);
        assert_int_equal(map_size(b->unicast.incoming_by_reference), 0);
        for (unsigned i = 0; i < UNICAST_INCOMING_BUCKETS; i++)
                assert_int_equal(b->unicast.n_incoming[i], 0);
}

static void test_accept_fails(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0], *b = &net->members[1];

        assert_int_equal(unicast_register(&b->unicast, net_hash('n'), 32, net->now), 0);
        for (unsigned i = 1; i <= 3; i++)
                net_request(a, i, 0, 'n', OAP);
        net_run(net, 2 * NET_DELAY_USEC);

        b->random_error = -EIO;
        assert_int_equal(net_accept(b, b->incoming[0], 11, 0, 0), -EIO);
        b->random_error = 0;
        b->reply_error = -ENOMEM;       /* there is no lane, and the IRM knows */
        assert_int_equal(net_accept(b, b->incoming[1], 12, 0, 0), 0);
        assert_int_equal(eids_n(b->unicast.eids), 0);
        assert_int_equal(net->n_codes[FLOW_MESSAGE_REPLY], 0);
        assert_int_equal(net_accept(b, 12345, 13, 0, 0), -ESTALE);
}

#define WITH_NET(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_NET(test_names),
                WITH_NET(test_names_before_member),
                WITH_NET(test_query),
                WITH_NET(test_lookups_shared),
                WITH_NET(test_next_address),
                WITH_NET(test_request_refused_here),
                WITH_NET(test_reply_strict),
                WITH_NET(test_refusal),
                WITH_NET(test_late_reply),
                WITH_NET(test_request_copies),
                WITH_NET(test_silence),
                WITH_NET(test_flood),
                WITH_NET(test_accept_fails),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
