/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A flow follows a member to another address, once the member has shown that it is there. Each message of that is lost
 * once, then any of them; members name addresses that are others', others hold moves back.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/allocator-net.h"

#define A_FLOW 1U
#define B_FLOW 1001U
#define VICTIM 2U

static int setup(void **state) {
        int r = net_new(CONGESTION_MB_ECN, (Net **) state);

        if (r >= 0)
                net_connect_with_keys(*state, A_FLOW, 36);
        return r;
}

static int teardown(void **state) {
        net_free(*state);
        return 0;
}

static UnicastFlow *at_a(const Net *net) {
        return net_flow(&net->members[0], A_FLOW, 0);
}

static UnicastFlow *at_b(const Net *net) {
        return net_flow(&net->members[1], B_FLOW, 0);
}

/* Data goes both ways. */
static void assert_unharmed(Net *net) {
        NetMember *a = &net->members[0], *b = &net->members[1];
        unsigned n[] = { a->n_delivered, b->n_delivered };

        assert_int_equal(a->n_downs + b->n_downs, 0);
        net_write(a, A_FLOW, "to b");
        net_write(b, B_FLOW, "to a");
        net_run(net, 4 * NET_DELAY_USEC);
        assert_int_equal(a->n_delivered, n[0] + 1);
        assert_int_equal(b->n_delivered, n[1] + 1);
}

static void move(NetMember *member, uint64_t address) {
        member->unicast.address = address;
        flows_follow_address(&member->unicast, member->net->now);
}

/* -- loss -- */

/* Said, asked, shown, understood. */
static void test_loss_of_each(void **state) {
        static const struct {
                const char *name;
                unsigned lost;          /* which of them; 4: none */
                unsigned n_messages;    /* in all */
        } rows[] = {
                { "said", 0, 5 }, { "asked", 1, 6 }, { "shown", 2, 5 }, { "understood", 3, 6 }, { "none", 4, 4 },
        };
        Net *net = *state;
        NetMember *b = &net->members[1];

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                unsigned before = net->n_codes[FLOW_MESSAGE_MOVE];
                const uint64_t address = 0x2000 + i;

                print_message("%s\n", rows[i].name);
                net->n_lost = rows[i].lost == 0;
                move(b, address);
                if (rows[i].lost > 0) {
                        net_run(net, rows[i].lost * NET_DELAY_USEC - 1);
                        net->n_lost = rows[i].lost < 4;
                }
                net_run(net, 3 * USEC_PER_SEC);
                assert_int_equal(net->n_lost, 0);
                assert_int_equal(net->n_codes[FLOW_MESSAGE_MOVE] - before, rows[i].n_messages);
                assert_true(at_a(net)->peer_address == address && at_b(net)->own_address == address);
                assert_false(at_a(net)->upkeep.path.active);
                assert_int_equal(net->members[0].unicast.upkeep_counters.followed, i + 1);
                assert_unharmed(net);
        }
}

static void test_loss_of_any(void **state) {
        Net *net = *state;

        for (unsigned i = 0; i < 300; i++) {
                const UnicastFlow *other = i % 2 ? at_b(net) : at_a(net);
                const uint64_t address = 0x2000 + i;

                net->loss_percent = i % 60;
                move(&net->members[i % 2 ? 0 : 1], address);
                for (unsigned n = 0; n < 60 && other->peer_address != address; n++)
                        net_run(net, USEC_PER_SEC);
                net->loss_percent = 0;
                net_run(net, 5 * USEC_PER_SEC);
                assert_true(other->peer_address == address);
                assert_unharmed(net);
        }
}

/* -- where it is not -- */

/* What the peer itself would say. */
static void say_as_a(Net *net, uint64_t address, uint64_t shown) {
        uint8_t content[FLOW_CONTROL_CONTENT_BYTES_MAX];
        UnicastFlow *flow = at_a(net);
        FlowMessage message = {
                .code = FLOW_MESSAGE_MOVE,
                .sender = address,
                .sender_eid = flow->eid,
                .receiver_eid = flow->peer_eid,
                .notice = { .value = address, .challenge = shown },
        };
        FlowControlText text;

        assert_int_equal(flow_own_lock(flow, flow->peer_address, message.notice.lock), 0);
        flow_message_text(&message, content, &text);
        assert_int_equal(flow_control_prove(&flow->layer.control, &text, &message.proof), 0);
        message.has_proof = true;
        net_inject_message(&net->members[1], 0, &message);
}

/* A member that has the keys, and names another one, which never heard of it: that one gets questions, no more of them
 * than it was named, and no data. */
static void test_names_a_victim(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0], *b = &net->members[1];
        unsigned n_to_victim = 0;

        for (unsigned i = 0; i < 200; i++) {
                unsigned n_kept = net->n_kept;

                say_as_a(net, net_address(VICTIM), i % 3 == 0 ? 0 : 1000 + i);
                assert_true(at_b(net)->upkeep.path.active);
                for (unsigned n = 0; n < 10; n++)
                        net_write(b, B_FLOW, "a flood, were it for the other one");
                net_run(net, 2 * NET_DELAY_USEC);
                for (; n_kept < net->n_kept; n_kept++)
                        n_to_victim += net->kept[n_kept % NET_KEPT_MAX].to == VICTIM;
                assert_int_equal(n_to_victim, i + 1);
                assert_true(at_b(net)->peer_address == net_address(0));
        }
        assert_int_equal(a->n_delivered, 2000);
        assert_int_equal(net->members[VICTIM].n_delivered, 0);
        assert_int_equal(net->members[VICTIM].unicast.counters.drops[DROP_UNKNOWN_ENDPOINT], 200);

        net_run(net, FLOW_PATH_KEEP_USEC);
        assert_false(at_b(net)->upkeep.path.active);
        assert_int_equal(b->unicast.upkeep_counters.followed, 0);
        assert_int_equal(b->unicast.upkeep_counters.not_followed, 1);
        assert_unharmed(net);
}

static void test_shown_wrongly(void **state) {
        const uint64_t victim = net_address(VICTIM);
        Net *net = *state;
        uint64_t challenge;

        say_as_a(net, victim, 0);
        challenge = at_b(net)->upkeep.path.challenge;
        say_as_a(net, victim, challenge ^ 1);
        say_as_a(net, victim + 1, challenge);
        assert_int_not_equal(at_b(net)->upkeep.path.challenge, challenge);
        say_as_a(net, victim, challenge);               /* of before */
        assert_true(at_b(net)->peer_address == net_address(0));
        say_as_a(net, net_address(0), 0);
        assert_false(at_b(net)->upkeep.path.active);
        assert_unharmed(net);

        /* Without randomness nobody is asked, and nobody believed. */
        net->members[1].random_error = -EIO;
        say_as_a(net, victim, 0);
        net->members[1].random_error = 0;
        assert_false(at_b(net)->upkeep.path.active);
        assert_unharmed(net);
}

/* Somebody on the way keeps what a member said, all of it, and lets it through when its address is another one's. */
static void test_held_back(void **state) {
        Net *net = *state;
        NetMember *a = &net->members[0], *b = &net->members[1];
        NetKept held;

        net->swallow = true;
        net->n_kept = 0;
        move(b, net_address(VICTIM) + 1);
        held = net->kept[0];
        assert_int_equal(net->n_kept, 1);
        move(b, net_address(1));                        /* it is where it was, and not heard */
        net_run(net, 10 * NET_DELAY_USEC);
        net->swallow = false;
        net_inject(a, 1, held.bytes, held.size);
        net_run(net, 10 * NET_DELAY_USEC);
        assert_true(at_a(net)->upkeep.path.active);
        assert_true(at_a(net)->peer_address == net_address(1));
        assert_unharmed(net);
        net_run(net, 5 * USEC_PER_SEC);
        assert_false(at_a(net)->upkeep.path.active);
        assert_int_equal(a->unicast.upkeep_counters.followed, 0);
        assert_unharmed(net);
}

/* The other one goes when it has heard of the first, and has not been shown. */
static void test_both(void **state) {
        Net *net = *state;

        move(&net->members[0], 0x2001);
        net_run(net, NET_DELAY_USEC);
        assert_true(at_b(net)->upkeep.path.active);
        move(&net->members[1], 0x2002);
        net_run(net, 10 * USEC_PER_SEC);
        assert_true(at_a(net)->peer_address == 0x2002 && at_b(net)->peer_address == 0x2001);
        assert_unharmed(net);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_loss_of_each, setup, teardown),
                cmocka_unit_test_setup_teardown(test_loss_of_any, setup, teardown),
                cmocka_unit_test_setup_teardown(test_names_a_victim, setup, teardown),
                cmocka_unit_test_setup_teardown(test_shown_wrongly, setup, teardown),
                cmocka_unit_test_setup_teardown(test_held_back, setup, teardown),
                cmocka_unit_test_setup_teardown(test_both, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
