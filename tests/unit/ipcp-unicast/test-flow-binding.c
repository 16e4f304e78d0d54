/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Flows whose endpoint ids are taken before anything is sent: what both members see of request and reply is the same,
 * and no byte of it can be changed on the way without showing. And requests and replies that no member takes as a
 * whole.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/allocator-net.h"

#define OAP "0123456789abcdef____________________"

static int setup(void **state) {
        return net_new(CONGESTION_MB_ECN, (Net **) state);
}

static int teardown(void **state) {
        net_free(*state);
        return 0;
}

static void assert_equal_bindings(const FlowBinding *one, const FlowBinding *other) {
        assert_true(one->size > 0);
        assert_int_equal(one->size, other->size);
        assert_memory_equal(one->bytes, other->bytes, one->size);
}

static bool bindings_differ(const FlowBinding *one, const FlowBinding *other) {
        return one->size != other->size || memcmp(one->bytes, other->bytes, one->size) != 0;
}

/* -- bindings -- */

static void test_both_ends_see_the_same(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0], *b = &net->members[1];

        net_connect_with_keys(net, 1, 36);
        assert_equal_bindings(&a->prepared.binding, &b->incoming_binding);
        assert_equal_bindings(&b->prepared.binding, &a->reply_binding);
        assert_true(bindings_differ(&a->prepared.binding, &b->prepared.binding));
        assert_int_equal(eids_n(a->unicast.eids), 1);
        assert_int_equal(eids_n(b->unicast.eids), 1);
        assert_true(net_flow(b, 1001, 0)->layer.control.confirmed);
}

/* The message that is under way; there is one. */
static NetMessage *under_way(Net *net) {
        NetMessage *message = list_first(&net->messages, NetMessage, by_net);

        assert_non_null(message);
        assert_int_equal(message->eid, EID_FLOW_ALLOCATOR);
        return message;
}

static void test_flipped_request(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0], *b = &net->members[1];

        assert_int_equal(unicast_register(&b->unicast, net_hash('n'), 32, net->now), 0);
        for (size_t offset = 0; offset < FLOW_MESSAGE_HEADER_BYTES + 32; offset++) {
                unsigned n_incoming = b->n_incoming;

                net_prepare(a, offset + 1, 0, 0, 'n');
                assert_int_equal(a->prepared.result, 0);
                net_request(a, offset + 1, 0, 'n', OAP);
                under_way(net)->bytes[offset] ^= 0x01;
                net_run(net, 2 * NET_DELAY_USEC);
                if (b->n_incoming > n_incoming && !bindings_differ(&a->prepared.binding, &b->incoming_binding))
                        fail_msg("byte %zu is not protected", offset);
                net_run(net, 90 * USEC_PER_SEC);
        }
}

static void test_flipped_reply(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0], *b = &net->members[1];
        unsigned n_seen = 0;

        assert_int_equal(unicast_register(&b->unicast, net_hash('n'), 32, net->now), 0);
        for (size_t offset = 0; offset < FLOW_MESSAGE_HEADER_BYTES; offset++) {
                unsigned n_replies = a->n_replies;

                net_prepare(a, offset + 1, 0, 0, 'n');
                net_request(a, offset + 1, 0, 'n', OAP);
                net_run(net, 2 * NET_DELAY_USEC);
                net_prepare(b, offset + 1001, 0, b->incoming[(b->n_incoming - 1) % NET_LOG_MAX], 'n');
                assert_int_equal(net_accept(b, b->prepared.reference, offset + 1001, 0xB2, 0xA1), 0);
                under_way(net)->bytes[offset] ^= 0x01;
                net_run(net, 2 * NET_DELAY_USEC);
                if (a->n_replies > n_replies && a->replies[n_replies].result == 0) {
                        n_seen++;
                        if (!bindings_differ(&b->prepared.binding, &a->reply_binding))
                                fail_msg("byte %zu is not protected", offset);
                }
                net_run(net, 90 * USEC_PER_SEC);
        }
        assert_true(n_seen > FLOW_MESSAGE_HEADER_BYTES / 2);
}

static void test_other_addresses(void **state) {
        Net *net = *state;
        const Unicast *u = &net->members[0].unicast;
        const o7s_qos qos = O7S_QOS_RAW;
        const FlowMessage message = { .code = FLOW_MESSAGE_REPLY, .sender_eid = 70, .receiver_eid = 80 };
        static const FlowEnds rows[] = { { 1, 2 }, { 2, 1 }, { 1, 3 }, { 3, 2 } };
        uint8_t header[FLOW_MESSAGE_HEADER_BYTES];
        FlowBinding first, other;

        flow_message_pack_header(&message, header);
        unicast_binding(u, &rows[0], &message, net_hash('n'), &qos, header, &first);
        for (size_t i = 1; i < ELEMENTSOF(rows); i++) {
                unicast_binding(u, &rows[i], &message, net_hash('n'), &qos, header, &other);
                assert_true(bindings_differ(&first, &other));
        }
}

/* -- what is prepared and never used -- */

static void test_prepared_for_nothing(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0], *b = &net->members[1];
        LayerMessage refuse = { .type = LAYER_REFUSE };

        /* Nobody has that name; nobody has a way; the directory takes its time. */
        a->directory.n_addresses = 0;
        net_prepare(a, 1, 0, 0, 'n');
        assert_int_equal(a->prepared.result, -ENOENT);
        a->directory.n_addresses = 1;
        b->unreachable = true;
        net_prepare(a, 2, 0, 0, 'n');
        net_run(net, USEC_PER_SEC);
        assert_int_equal(a->prepared.flow_id, 2);
        assert_int_equal(a->prepared.result, -ENETUNREACH);
        b->unreachable = false;
        a->directory.slow = true;
        net_prepare(a, 3, 0, 0, 'n');
        assert_int_equal(a->n_prepared, 2);
        net_found(a);
        assert_int_equal(a->n_prepared, 3);
        assert_int_equal(a->prepared.result, 0);
        a->directory.slow = false;
        assert_int_equal(eids_n(a->unicast.eids), 1);
        assert_int_equal(a->n_replies, 0);

        /* The IRM gives up, at once or not at all. */
        net_abort(a, 3, 0, 0, 0);
        assert_int_equal(eids_n(a->unicast.eids), 0);
        net_prepare(a, 4, 0, 0, 'n');
        net_run(net, FLOW_PREPARED_KEEP_USEC + USEC_PER_SEC);
        assert_int_equal(eids_n(a->unicast.eids), 0);
        assert_int_equal(a->failures[0].flow_id, 4);
        assert_int_equal(a->failures[0].result, -ETIMEDOUT);

        /* At the other end: refused, or not answered in time. */
        assert_int_equal(unicast_register(&b->unicast, net_hash('n'), 32, net->now), 0);
        for (unsigned i = 0; i < 2; i++) {
                net_request(a, 5 + i, 0, 'n', i ? OAP : OAP "!");
                net_run(net, 2 * NET_DELAY_USEC);
                refuse.reference = b->incoming[b->n_incoming - 1];
                net_prepare(b, 1005, 0, refuse.reference, 'n');
                net_prepare(b, 1005, 0, refuse.reference, 'n');        /* again */
                assert_int_equal(b->prepared.result, 0);
                assert_int_equal(eids_n(b->unicast.eids), 1);
                if (i == 0)
                        unicast_refuse(&b->unicast, &refuse, net->now);
                else
                        net_run(net, UNICAST_INCOMING_KEEP_USEC + USEC_PER_SEC);
                assert_int_equal(eids_n(b->unicast.eids), 0);
        }
        net_prepare(b, 1006, 0, 99999, 'n');
        assert_int_equal(b->prepared.result, -ESTALE);
}

/* What was prepared is no good any more: another name, another address of ours, no way. */
static void test_prepared_and_changed(void **state) {
        static const struct {
                const char *name;
                uint8_t asked_for;
                uint64_t address;
                bool unreachable;
                int result;
        } rows[] = {
                { "another name", 'x', 0x1000, false, -EINVAL },
                { "another address of ours", 'n', 0x1099, false, -ENETDOWN },
                { "no way", 'n', 0x1000, true, -ENETUNREACH },
        };
        Net *net = *state;
        NetMember *a = &net->members[0];

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                print_message("%s\n", rows[i].name);
                net_prepare(a, i + 1, 0, 0, 'n');
                assert_int_equal(a->prepared.result, 0);
                a->unicast.address = rows[i].address;
                net->members[1].unreachable = rows[i].unreachable;
                net_request(a, i + 1, 0, rows[i].asked_for, OAP);
                assert_int_equal(a->n_replies, i + 1);
                assert_int_equal(a->replies[i].result, rows[i].result);
                a->unicast.address = 0x1000;
        }
        assert_int_equal(net->n_codes[FLOW_MESSAGE_REQUEST], 0);
}

/* -- messages of any size -- */

static void test_large(void **state) {
        static const size_t sizes[] = { 1200, 1307, 1308, 4000, LAYER_OAP_BYTES_MAX };
        Net *net = *state;
        NetMember *a = &net->members[0], *b = &net->members[1];

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                unsigned n_pieces = net->n_codes[FLOW_MESSAGE_PIECE];

                print_message("%zu bytes\n", sizes[i]);
                net_connect_with_keys(net, i + 1, sizes[i]);
                assert_int_equal(a->replies[i].oap_size, sizes[i]);
                assert_equal_bindings(&a->prepared.binding, &b->incoming_binding);
                assert_equal_bindings(&b->prepared.binding, &a->reply_binding);
                assert_int_equal(net->n_codes[FLOW_MESSAGE_PIECE] == n_pieces,
                                 sizes[i] <= unicast_oap_max(&a->unicast));
        }
        assert_int_equal(b->n_incoming, ELEMENTSOF(sizes));
        net_run(net, 10 * USEC_PER_SEC);
        assert_int_equal(b->unicast.reassembly.n_messages, 0);
}

static void test_large_and_lost(void **state) {
        Net *net = *state;

        net->loss_percent = 5;
        for (uint64_t flow_id = 1; flow_id <= 50; flow_id++)
                net_connect_with_keys(net, flow_id, LAYER_OAP_BYTES_MAX); /* aborts where one does not come to be */
        assert_int_equal(net->members[1].n_incoming, 50);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_both_ends_see_the_same, setup, teardown),
                cmocka_unit_test_setup_teardown(test_flipped_request, setup, teardown),
                cmocka_unit_test_setup_teardown(test_flipped_reply, setup, teardown),
                cmocka_unit_test_setup_teardown(test_other_addresses, setup, teardown),
                cmocka_unit_test_setup_teardown(test_prepared_for_nothing, setup, teardown),
                cmocka_unit_test_setup_teardown(test_prepared_and_changed, setup, teardown),
                cmocka_unit_test_setup_teardown(test_large, setup, teardown),
                cmocka_unit_test_setup_teardown(test_large_and_lost, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
