/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Becoming a member: whole members, joined in memory by net_*(). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/common/cep.h"
#include "tests/unit/ipcp-unicast/joined-net.h"

/* -- joining -- */

static void test_alone(void **state) {
        Net *net = *state;
        NetMember *m = net_add(net, true);

        net_start(m);
        assert_int_equal(m->state, LAYER_ONLINE);
        assert_int_equal(m->n_joined, 1);
        assert_true(m->unicast.address != 0);
        net_run(net, 60 * USEC_PER_SEC);
        assert_int_equal(m->state, LAYER_ONLINE);
        assert_int_equal(m->packet_max, 0);
        assert_int_equal(m->unicast.n_lower_flows, 0);
}

/* A layer without an id of its own is not begun; later it is. Two that are begun have two ids. */
static void test_layer_id(void **state) {
        static const uint8_t none[LAYER_ID_BYTES] = {};
        Net *net = *state;
        NetMember *a = net_add(net, true), *b = net_add(net, true);

        a->config.n_lower = b->config.n_lower = 0;
        a->no_random = true;
        net_start(a);
        net_start(b);
        assert_int_equal(a->n_joined, 0);
        assert_false(a->unicast.is_member);
        assert_non_null(strstr(a->unicast.join.problem, "random"));
        assert_true(b->unicast.layer.have_id);

        a->no_random = false;
        net_run(net, 60 * USEC_PER_SEC);
        assert_int_equal(a->n_joined, 1);
        assert_true(a->unicast.layer.have_id);
        assert_memory_not_equal(a->unicast.layer.id, none, LAYER_ID_BYTES);
        assert_memory_not_equal(a->unicast.layer.id, b->unicast.layer.id, LAYER_ID_BYTES);
}

/* As after a restart with what an o7s without ids had kept: the member has none, nor has who is enrolled by it. */
static void test_no_layer_id(void **state) {
        Net *net = *state;

        joined_net_make(net, 1);
        net->members[0].unicast.layer.have_id = false;
        net_start(net_add(net, false));
        assert_true(net_run_until(net, joined_net_is_online, 10 * USEC_PER_SEC) != USEC_INFINITY);
        assert_int_equal(net->members[1].n_joined, 1);
        assert_false(net->members[1].unicast.layer.have_id);
}

static void test_two(void **state) {
        Net *net = *state;
        NetMember *a, *b;
        Neighbour *n;

        joined_net_make(net, 2);
        a = &net->members[0];
        b = &net->members[1];

        assert_string_equal(b->unicast.layer.layer, "home");
        assert_int_equal(b->unicast.layer.ttl_max, 60);
        assert_true(a->unicast.layer.have_id && b->unicast.layer.have_id);
        assert_memory_equal(a->unicast.layer.id, b->unicast.layer.id, LAYER_ID_BYTES);
        assert_int_equal(b->n_joined, 1);
        assert_true(a->unicast.address != b->unicast.address);
        assert_int_equal(a->packet_max, NET_PACKET_MAX - 15);
        assert_int_equal(b->packet_max, NET_PACKET_MAX - 15);

        n = net_neighbour(a, b);
        assert_non_null(n);
        assert_true(n->extended);
        assert_string_equal(n->member, "home.1");
        assert_int_equal(n->state, NEIGHBOUR_UP);
        assert_true(n->rtt_usec == 0 || n->rtt_usec == 2 * NET_DELAY_USEC);
        assert_true(neighbour_by_hop(&a->unicast, n->hop) == n);

        /* One of each, and nothing left of the enrollment. */
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(net_n_flows(&net->members[i], LOWER_MANAGEMENT, 0), 1);
                for (Cube cube = 0; cube < _CUBE_MAX; cube++)
                        assert_int_equal(net_n_flows(&net->members[i], LOWER_DATA, cube), 1);
                assert_int_equal(net->members[i].unicast.n_lower_flows, 4);
        }

        /* And so it stays. */
        net_run(net, 600 * USEC_PER_SEC);
        assert_int_equal(a->n_up, 1);
        assert_int_equal(b->n_up, 1);
        assert_int_equal(b->unicast.n_lower_flows, 4);
}

static void test_three(void **state) {
        Net *net = *state;

        joined_net_make(net, 3);
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(net->members[i].n_joined, 1);
                assert_in_range(net->members[i].unicast.n_neighbours, 1, 2);
                assert_int_equal(routing_statistics(net->members[i].unicast.routing)->n_members, 2);
        }
}

static void test_lossy(void **state) {
        for (uint64_t seed = 1; seed <= 20; seed++) {
                Net *net = calloc(1, sizeof(*net));

                assert_non_null(net);
                net_init(net, seed);
                net->loss_percent = 30;
                for (unsigned i = 0; i < 3; i++)
                        net_start(net_add(net, i == 0));
                assert_true(net_run_until(net, joined_net_is_online, 300 * USEC_PER_SEC) != USEC_INFINITY);
                net_done(net);
                free(net);
        }
}

/* The layer below comes up late: the reason says what is waited for, and the rest is quick. */
static void test_lower_late(void **state) {
        Net *net = *state;
        NetMember *b;

        net_start(net_add(net, true));
        b = net_add(net, false);
        net_start(b);
        unicast_lower_changed(&b->unicast, 0, false, net->now);
        net_run(net, 300 * USEC_PER_SEC);
        assert_int_equal(b->state, LAYER_ENROLLING);
        assert_string_equal(b->reason, "waiting for a layer below to come up: lan");

        unicast_lower_changed(&b->unicast, 0, true, net->now);
        assert_true(net_run_until(net, joined_net_is_online, USEC_PER_SEC) < 200 * USEC_PER_MSEC);
}

/* Nobody there for a long time: tried again and again, ever less often, and with a reason. */
static void test_nobody(void **state) {
        Net *net = *state;
        NetMember *b = net_add(net, false);
        unsigned n_first;

        b->config.retry_max_usec = 10 * USEC_PER_SEC;
        net_start(b);
        net_run(net, USEC_PER_SEC);
        n_first = b->unicast.join.n_attempts;
        assert_in_range(n_first, 4, 8);
        assert_non_null(strstr(b->reason, "nobody has this name"));
        net_run(net, 100 * USEC_PER_SEC);
        assert_in_range(b->unicast.join.n_attempts - n_first, 10, 20);
        assert_int_equal(b->state, LAYER_ENROLLING);

        net_start(net_add(net, true));
        assert_true(net_run_until(net, joined_net_is_online, 30 * USEC_PER_SEC) < 11 * USEC_PER_SEC);
}

static void test_gives_up(void **state) {
        Net *net = *state;
        NetMember *b = net_add(net, false);

        b->config.give_up_usec = 20 * USEC_PER_SEC;
        net_start(b);
        net_run(net, 19 * USEC_PER_SEC);
        assert_int_equal(b->state, LAYER_ENROLLING);
        net_run(net, 2 * USEC_PER_SEC);
        assert_int_equal(b->state, LAYER_FAILED);
        assert_non_null(strstr(b->reason, "gave up enrolling"));
        assert_non_null(strstr(b->reason, "nobody has this name"));
        net_start(net_add(net, true));
        net_run(net, 100 * USEC_PER_SEC);
        assert_int_equal(b->state, LAYER_FAILED);
}

/* The names of Via= are tried in turn. */
static void test_via(void **state) {
        static const char *const via[] = { "home.7", "home.0" };
        Net *net = *state;
        NetMember *b;

        net_start(net_add(net, true));
        b = net_add(net, false);
        b->config.via = via;
        b->config.n_via = 2;
        net_start(b);
        assert_true(net_run_until(net, joined_net_is_online, USEC_PER_SEC) < 300 * USEC_PER_MSEC);
        assert_int_equal(b->unicast.join.n_attempts, 2);
}

typedef enum Wrong {
        WRONG_NONE,
        WRONG_GREETING,
        WRONG_ID,
        WRONG_REFUSAL,
        WRONG_NO_CONFIG,
        WRONG_TYPE,
        WRONG_EIDS,
        WRONG_BYTES,
        WRONG_SILENCE,
        WRONG_HALF_WAY,
} Wrong;

static const struct {
        const char *name;
        Wrong wrong;
        const char *reason;             /* what the member that tries says */
} wrongs[] = {
        { "another greeting",        WRONG_GREETING,  "it does not serve that"                     },
        { "another request's answer", WRONG_ID,       "its answer was for another request"         },
        { "refused",                 WRONG_REFUSAL,   "it refused"                                 },
        { "no configuration",        WRONG_NO_CONFIG, "it did not answer our request in 1 s"       },
        { "a broadcast layer",       WRONG_TYPE,      "its layer is of another type"               },
        { "short endpoint ids",      WRONG_EIDS,      "its endpoint ids are not 8 bytes long"      },
        { "noise",                   WRONG_BYTES,     "it did not answer our request in 1 s"       },
        { "nothing at all",          WRONG_SILENCE,   "it did not say in 1 s who it is"            },
        { "nothing after CEP",       WRONG_HALF_WAY,  "it did not answer our request in 1 s"       },
};

static void spoil_response(Wrong wrong, uint8_t *data, size_t *size) {
        EnrollmentResponse response;
        ssize_t n;

        if (enrollment_response_parse(data, *size, &response) < 0)
                return;

        switch (wrong) {
        case WRONG_ID:
                response.id[7] ^= 1;
                break;
        case WRONG_REFUSAL:
                response.result = -13;
                response.has_config = false;
                break;
        case WRONG_NO_CONFIG:
                *size = 8 + 2 + 6 + 6 + 2;      /* cut off, in front of it or in it */
                return;
        case WRONG_TYPE:
                response.config.type = LAYER_BROADCAST;
                break;
        case WRONG_EIDS:
                response.config.eid_bytes = 4;
                break;
        case WRONG_BYTES:
                memset(data, 0x55, *size);
                return;
        case WRONG_NONE:
        case WRONG_GREETING:
        case WRONG_SILENCE:
        case WRONG_HALF_WAY:
                return;
        }

        n = enrollment_response_pack(&response, data, *size);
        assert_true(n > 0);
        *size = (size_t) n;
}

static bool spoil(Net *net, const NetMember *from, const LowerFlow *flow, uint8_t *data, size_t *size) {
        Wrong wrong = *(const Wrong *) net->userdata;

        if (from != &net->members[0])
                return true;
        if (wrong == WRONG_SILENCE)
                return false;
        if (wrong == WRONG_GREETING && flow->state == LOWER_GREETING) {
                CepRecord empty = {};

                *size = (size_t) cep_message_pack(&empty, data, *size);
                return true;
        }
        if (wrong == WRONG_HALF_WAY)
                return flow->state == LOWER_GREETING;

        spoil_response(wrong, data, size);
        return true;
}

/* -- wrong answers -- */

static void test_wrong_answers(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(wrongs); i++) {
                Wrong wrong = wrongs[i].wrong;
                Net *net = calloc(1, sizeof(*net));
                NetMember *b;

                print_message("%s\n", wrongs[i].name);
                assert_non_null(net);
                net_init(net, i + 1);
                net->filter = spoil;
                net->userdata = &wrong;
                net_start(net_add(net, true));
                b = net_add(net, false);
                net_start(b);
                net_run(net, 5 * USEC_PER_SEC);
                assert_int_equal(b->state, LAYER_ENROLLING);
                if (!strstr(b->reason, wrongs[i].reason))
                        fail_msg("%s", b->reason);
                assert_in_range(net->members[0].unicast.n_lower_flows, 0, 3);

                wrong = WRONG_NONE;
                assert_true(net_run_until(net, joined_net_is_online, 20 * USEC_PER_SEC) != USEC_INFINITY);
                net_done(net);
                free(net);
        }
}

/* The enroller dies after it has answered the greeting, and another one takes its place. */
static void test_enroller_dies(void **state) {
        Net *net = *state;
        NetMember *a, *b, *c;

        a = net_add(net, true);
        net_start(a);
        b = net_add(net, true);
        c = net_add(net, false);
        net_start(c);
        while (a->unicast.n_lower_flows == 0)
                net_run(net, NET_DELAY_USEC);
        net_run(net, NET_DELAY_USEC);
        net_kill(a, false);
        assert_int_equal(c->n_joined, 0);

        net_run(net, 100 * USEC_PER_MSEC);
        net_start(b);
        assert_true(net_run_until(net, joined_net_is_online, 10 * USEC_PER_SEC) < 3 * USEC_PER_SEC);
        assert_int_equal(c->n_joined, 1);
}

/* Five at once, through the same member, which keeps them apart. */
static void test_many_at_once(void **state) {
        Net *net = *state;

        net_start(net_add(net, true));
        net_run(net, USEC_PER_SEC);
        for (unsigned i = 0; i < 5; i++)
                net_start(net_add(net, false));
        assert_true(net_run_until(net, joined_net_is_online, 5 * USEC_PER_SEC) < 300 * USEC_PER_MSEC);
}

static void test_clock(void **state) {
        Net *net = *state;
        NetMember *b;

        net_start(net_add(net, true));
        b = net_add(net, false);
        b->clock_nsec = -1500000000;
        net_start(b);
        net_run(net, USEC_PER_SEC);
        assert_int_equal(b->state, LAYER_ONLINE);
        assert_non_null(strstr(b->warning, "the clock of home is 1500.000 ms ahead of ours"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_alone, joined_net_set_up, joined_net_tear_down),
                cmocka_unit_test_setup_teardown(test_layer_id, joined_net_set_up, joined_net_tear_down),
                cmocka_unit_test_setup_teardown(test_no_layer_id, joined_net_set_up, joined_net_tear_down),
                cmocka_unit_test_setup_teardown(test_two, joined_net_set_up, joined_net_tear_down),
                cmocka_unit_test_setup_teardown(test_three, joined_net_set_up, joined_net_tear_down),
                cmocka_unit_test(test_lossy),
                cmocka_unit_test_setup_teardown(test_lower_late, joined_net_set_up, joined_net_tear_down),
                cmocka_unit_test_setup_teardown(test_nobody, joined_net_set_up, joined_net_tear_down),
                cmocka_unit_test_setup_teardown(test_gives_up, joined_net_set_up, joined_net_tear_down),
                cmocka_unit_test_setup_teardown(test_via, joined_net_set_up, joined_net_tear_down),
                cmocka_unit_test(test_wrong_answers),
                cmocka_unit_test_setup_teardown(test_enroller_dies, joined_net_set_up, joined_net_tear_down),
                cmocka_unit_test_setup_teardown(test_many_at_once, joined_net_set_up, joined_net_tear_down),
                cmocka_unit_test_setup_teardown(test_clock, joined_net_set_up, joined_net_tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
