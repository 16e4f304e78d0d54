/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Hellos: their bytes, and what silence does to neighbours. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/unicast-net.h"

/* -- bytes -- */

static const struct {
        const char *name;
        uint8_t bytes[HELLO_MESSAGE_BYTES + 1];
        size_t size;
        int result;
        HelloMessage message;
} messages[] = {
        { "hears", { 1, 1, 0, 0, 0, 0, 0, 250 }, 8, 0, { true, 250 } },
        { "does not hear", { 1, 0, 0, 0, 0, 0, 0xea, 0x60 }, 8, 0, { false, 60000 } },
        { "nothing", {}, 0, -EBADMSG, {} },
        { "cut short", { 1, 1, 0, 0, 0, 0, 0 }, 7, -EBADMSG, {} },
        { "a byte too long", { 1, 1, 0, 0, 0, 0, 0, 250, 0 }, 9, -EBADMSG, {} },
        { "another version", { 2, 1, 0, 0, 0, 0, 0, 250 }, 8, -EPROTO, {} },
        { "unknown flag", { 1, 3, 0, 0, 0, 0, 0, 250 }, 8, -EBADMSG, {} },
        { "something where zero was promised", { 1, 1, 0, 1, 0, 0, 0, 250 }, 8, -EBADMSG, {} },
        { "more often than we bear", { 1, 1, 0, 0, 0, 0, 0, 9 }, 8, -EBADMSG, {} },
        { "never", { 1, 1, 0, 0, 0, 0, 0, 0 }, 8, -EBADMSG, {} },
        { "once an hour", { 1, 1, 0, 0, 0, 0x36, 0xee, 0x80 }, 8, -EBADMSG, {} },
};

static void test_messages(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(messages); i++) {
                HelloMessage message = {};
                uint8_t built[HELLO_MESSAGE_BYTES];

                print_message("%s\n", messages[i].name);
                assert_int_equal(hello_message_parse(messages[i].bytes, messages[i].size, &message),
                                 messages[i].result);
                assert_int_equal(message.hears, messages[i].message.hears);
                assert_int_equal(message.interval_msec, messages[i].message.interval_msec);
                if (messages[i].result < 0)
                        continue;

                hello_message_pack(&message, built);
                assert_memory_equal(built, messages[i].bytes, sizeof(built));
        }
}

/* -- two members -- */

typedef struct Fixture {
        Net net;
        NetMember *a, *b;
        bool a_is_mute, b_is_mute;      /* nothing that it sends arrives */
        unsigned n_hellos;
} Fixture;

static bool filter(Net *net, const NetMember *from, const LowerFlow *flow, uint8_t *data, size_t *size) {
        Fixture *f = container_of(net, Fixture, net);

        f->n_hellos += flow->purpose == LOWER_DATA && *size == 15 + HELLO_MESSAGE_BYTES && data[7] == EID_HELLO;
        return from == f->a ? !f->a_is_mute : !f->b_is_mute;
}

static bool both_up(Net *net) {
        Fixture *f = container_of(net, Fixture, net);
        const Neighbour *b = net_neighbour(f->a, f->b), *a = net_neighbour(f->b, f->a);

        return a && b && a->state == NEIGHBOUR_UP && b->state == NEIGHBOUR_UP;
}

static bool both_trying(Net *net) {
        Fixture *f = container_of(net, Fixture, net);

        return net_neighbour(f->a, f->b)->state == NEIGHBOUR_TRYING &&
               net_neighbour(f->b, f->a)->state == NEIGHBOUR_TRYING;
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;
        net_init(&f->net, 1);
        f->net.filter = filter;
        f->a = net_add(&f->net, true);
        f->b = net_add(&f->net, false);
        f->a->config.hello_usec = f->b->config.hello_usec = HELLO_USEC;
        *state = f;
        return 0;
}

static void start(Fixture *f) {
        net_start(f->a);
        net_start(f->b);
        assert_true(net_run_until(&f->net, both_up, 10 * USEC_PER_SEC) != USEC_INFINITY);
        net_run(&f->net, 3 * USEC_PER_SEC);
}

static int teardown(void **state) {
        Fixture *f = *state;

        net_done(&f->net);
        free(f);
        return 0;
}

static void test_idle(void **state) {
        Fixture *f = *state;

        start(f);
        f->n_hellos = 0;
        net_run(&f->net, 100 * USEC_PER_SEC);
        assert_true(both_up(&f->net));
        assert_int_equal(f->a->n_down, 0);
        assert_in_range(f->n_hellos, 700, 850);
}

/* Both ways or one: neither side uses what only one of them hears. Flows stay, and are used again. */
static void silence(Fixture *f, bool a, bool b) {
        unsigned n_flows;
        usec_t took;

        start(f);
        n_flows = f->a->unicast.n_lower_flows;
        assert_non_null(net_neighbour(f->a, f->b)->management_in_use);

        f->a_is_mute = a;
        f->b_is_mute = b;
        took = net_run_until(&f->net, both_trying, 10 * USEC_PER_SEC);
        assert_in_range(took, 500 * USEC_PER_MSEC, 1100 * USEC_PER_MSEC);
        assert_null(net_neighbour(f->a, f->b)->management_in_use);
        for (Cube cube = 0; cube < _CUBE_MAX; cube++)
                assert_null(neighbour_data_flow(net_neighbour(f->a, f->b), cube));
        assert_int_equal(f->a->state, LAYER_DEGRADED);
        assert_non_null(strstr(f->a->reason, "out of reach"));
        assert_int_equal(forwarding_lookup(f->a->unicast.forwarding[CUBE_BEST_EFFORT], f->b->unicast.address, 0),
                         FORWARDING_NONE);

        net_run(&f->net, 20 * USEC_PER_SEC);
        assert_true(both_trying(&f->net));
        assert_int_equal(f->a->unicast.n_lower_flows, n_flows);

        f->a_is_mute = f->b_is_mute = false;
        took = net_run_until(&f->net, both_up, 10 * USEC_PER_SEC);
        assert_in_range(took, 0, 300 * USEC_PER_MSEC);
        assert_int_equal(f->a->unicast.n_lower_flows, n_flows);
        assert_non_null(net_neighbour(f->a, f->b)->management_in_use);
        net_run(&f->net, USEC_PER_SEC);
        assert_int_not_equal(forwarding_lookup(f->a->unicast.forwarding[CUBE_BEST_EFFORT], f->b->unicast.address, 0),
                             FORWARDING_NONE);
        assert_int_equal(f->a->state, LAYER_ONLINE);
}

static void test_silent(void **state) {
        silence(*state, true, true);
}

static void test_one_way(void **state) {
        silence(*state, false, true);
}

static void test_other_way(void **state) {
        silence(*state, true, false);
}

/* One that says no hello is believed, as one of another kind is. */
static void test_without(void **state) {
        Fixture *f = *state;

        f->b->config.hello_usec = 0;
        start(f);
        f->a_is_mute = f->b_is_mute = true;
        net_run(&f->net, 30 * USEC_PER_SEC);
        assert_true(both_up(&f->net));
}

/* Stopped for a while, by a debugger or for want of memory: that is no silence of others. */
static void test_stopped(void **state) {
        Fixture *f = *state;

        start(f);
        f->net.now += 20 * USEC_PER_SEC;
        unicast_expire(&f->a->unicast, f->net.now);
        assert_int_equal(net_neighbour(f->a, f->b)->state, NEIGHBOUR_UP);
        net_run(&f->net, 5 * USEC_PER_SEC);
        assert_int_equal(f->a->n_down, 0);
        assert_true(both_up(&f->net));
}

/* A host that lost its power, and is back under another address: nothing of its former life stays. */
static void test_past(void **state) {
        Fixture *f = *state;
        uint64_t address;

        start(f);
        address = f->b->unicast.address;
        net_kill(f->b, false);
        net_run(&f->net, 2 * USEC_PER_SEC);
        assert_true(neighbour_is_lost(neighbour_find(&f->a->unicast, address)));

        net_start(f->b);
        assert_true(net_run_until(&f->net, both_up, 10 * USEC_PER_SEC) != USEC_INFINITY);
        net_run(&f->net, 2 * USEC_PER_SEC);
        assert_true(f->b->unicast.address != address);
        assert_null(neighbour_find(&f->a->unicast, address));
        assert_int_equal(f->a->unicast.n_neighbours, 1);
        assert_string_equal(f->a->reason, "member of home with 1 neighbour");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_messages),
                cmocka_unit_test_setup_teardown(test_idle, setup, teardown),
                cmocka_unit_test_setup_teardown(test_silent, setup, teardown),
                cmocka_unit_test_setup_teardown(test_one_way, setup, teardown),
                cmocka_unit_test_setup_teardown(test_other_way, setup, teardown),
                cmocka_unit_test_setup_teardown(test_without, setup, teardown),
                cmocka_unit_test_setup_teardown(test_stopped, setup, teardown),
                cmocka_unit_test_setup_teardown(test_past, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
