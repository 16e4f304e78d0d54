/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lower flows and neighbours: one member, and the test in the place of whoever is at the other end of its flows. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/unicast-net.h"

/* A member in no network: what it sends stays in the list of events, where nobody fetches it. */
typedef struct Fixture {
        Net net;
        NetMember *m;
        unsigned n_accepted;
        uint8_t sent[CEP_MESSAGE_BYTES_MAX];    /* the last greeting */
        size_t n_sent;
} Fixture;

static bool keep(Net *net, const NetMember *from, const LowerFlow *flow, uint8_t *data, size_t *size) {
        Fixture *f = container_of(net, Fixture, net);

        f->n_sent = MIN(*size, sizeof(f->sent));
        memcpy(f->sent, data, f->n_sent);
        return false;
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;
        net_init(&f->net, 1);
        f->net.filter = keep;
        f->m = net_add(&f->net, true);
        f->m->config.n_lower = 2;
        f->m->config.keep_neighbours = false;
        net_start(f->m);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        net_done(&f->net);
        free(f);
        return 0;
}

static LowerFlow *accept_flow(Fixture *f, unsigned lower, Cube cube, uint32_t packet_max) {
        const o7s_qos qos = cube_lower_qos(cube);
        LowerFlow *flow = NULL;
        char peer[32];

        (void) snprintf(peer, sizeof(peer), "host %u", f->n_accepted++);        /* each from another */
        f->net.now += USEC_PER_MSEC;
        assert_int_equal(unicast_lower_accepted(&f->m->unicast, lower, &qos, packet_max, peer, f->net.now, &flow), 0);
        assert_int_equal(flow->state, LOWER_GREETING);
        return flow;
}

static bool is_there(const Fixture *f, uint64_t id) {
        const LowerFlow *flow;

        list_for_each(flow, &f->m->unicast.lower_flows, by_unicast)
                if (flow->id == id)
                        return true;

        return false;
}

static void receive(Fixture *f, LowerFlow *flow, const void *data, size_t size) {
        _cleanup_(packet_freep) Packet *packet = NULL;

        assert_int_equal(packet_new(size, &packet), 0);
        if (size > 0)
                memcpy(packet_append(packet, size), data, size);
        unicast_lower_received(flow, &packet, 1, f->net.now);
}

static void greet(Fixture *f, LowerFlow *flow, CepComponent component, uint64_t address, const char *member) {
        uint8_t wire[CEP_MESSAGE_BYTES_MAX];
        CepRecord record;
        ssize_t n;

        cep_record_init(&record, component, address, member);
        n = cep_message_pack(&record, wire, sizeof(wire));
        assert_true(n > 0);
        f->n_sent = 0;
        receive(f, flow, wire, (size_t) n);
}

/* One that was accepted from this member, open. */
static LowerFlow *open_flow(Fixture *f, unsigned lower, Cube cube, CepComponent component, uint64_t address) {
        LowerFlow *flow = accept_flow(f, lower, cube, NET_PACKET_MAX);

        greet(f, flow, component, address, "home.9");
        assert_int_equal(flow->state, LOWER_OPEN);
        return flow;
}

/* -- greetings -- */

#define OWN UINT64_MAX                  /* stands for the member's own address */

static const struct {
        const char *name;
        CepComponent component;
        uint64_t address;
        const char *member;
        bool answered;
        bool kept;
} greetings[] = {
        { "a member",                  CEP_MANAGEMENT,    7,       "home.9", true,  true  },
        { "a foreign member",          CEP_DATA_TRANSFER, 7,       "",       true,  true  },
        { "somebody who wants to be",  CEP_ENROLLMENT,    0,       "",       true,  true  },
        { "management without address", CEP_MANAGEMENT,   0,       "home.9", false, false },
        { "data without address",      CEP_DATA_TRANSFER, 0,       "",       false, false },
        { "an address beyond 4 bytes", CEP_DATA_TRANSFER, 1ULL << 32, "",    false, false },
        { "ourselves",                 CEP_MANAGEMENT,    OWN,     "home.0", true,  false },
};

static void test_greetings(void **state) {
        Fixture *f = *state;
        uint64_t own = f->m->unicast.address;

        for (size_t i = 0; i < ELEMENTSOF(greetings); i++) {
                LowerFlow *flow = accept_flow(f, 0, CUBE_BEST_EFFORT, NET_PACKET_MAX);
                uint64_t id = flow->id;

                print_message("%s\n", greetings[i].name);
                greet(f, flow, greetings[i].component, greetings[i].address == OWN ? own : greetings[i].address,
                      greetings[i].member);
                assert_int_equal(f->n_sent > 0, greetings[i].answered);
                assert_int_equal(is_there(f, id), greetings[i].kept);
                assert_int_equal(f->m->unicast.n_greeting, 0);
                assert_true(f->m->unicast.address == own);
                if (greetings[i].kept)
                        lower_flow_close(flow, f->net.now);
        }

        assert_int_equal(f->m->unicast.n_neighbours, 0);
        assert_int_equal(f->m->unicast.n_lower_flows, 0);
}

/* A foreign member has our address: it will not give way, so we do, but not again at once. */
static void test_foreign_conflict(void **state) {
        Fixture *f = *state;
        uint64_t own = f->m->unicast.address, second;

        greet(f, accept_flow(f, 0, CUBE_BEST_EFFORT, NET_PACKET_MAX), CEP_MANAGEMENT, own, "");
        second = f->m->unicast.address;
        assert_true(second != own && second != 0);
        assert_int_equal(f->m->state, LAYER_ONLINE);

        greet(f, accept_flow(f, 0, CUBE_BEST_EFFORT, NET_PACKET_MAX), CEP_MANAGEMENT, second, "");
        assert_true(f->m->unicast.address == second);
        assert_int_equal(f->m->unicast.n_lower_flows, 0);

        f->net.now += JOIN_CONFLICT_USEC;
        greet(f, accept_flow(f, 0, CUBE_BEST_EFFORT, NET_PACKET_MAX), CEP_MANAGEMENT, second, "");
        assert_true(f->m->unicast.address != second);
}

static const struct {
        const char *name;
        uint64_t address;
        const char *member;
        bool kept;                      /* ours */
} crossings[] = {
        { "the higher address is theirs",  UINT32_MAX, "home.9", false },
        { "the higher address is ours",    1,          "home.9", true  },
        { "a foreign member, theirs",      UINT32_MAX, "",       true  },
        { "a foreign member, ours",        1,          "",       true  },
};

/* Both open a data flow at the same time. Between o7s members one of the two is closed; a foreign one would hear
 * nothing of that, and in two minutes take its link to us away, although the other flow is there. */
static void test_crossing(void **state) {
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(crossings); i++) {
                LowerFlow *theirs, *ours;
                uint64_t id;

                print_message("%s\n", crossings[i].name);
                theirs = accept_flow(f, 0, CUBE_BEST_EFFORT, NET_PACKET_MAX);
                assert_int_equal(
                        lower_flow_open(&f->m->unicast, LOWER_DATA, CUBE_BEST_EFFORT, 0, "home", f->net.now, &ours),
                        0);
                id = ours->id;
                unicast_lower_allocated(ours, NET_PACKET_MAX, f->net.now);
                greet(f, theirs, CEP_DATA_TRANSFER, crossings[i].address, crossings[i].member);
                greet(f, ours, CEP_DATA_TRANSFER, crossings[i].address, crossings[i].member);
                assert_int_equal(theirs->state, LOWER_OPEN);
                assert_int_equal(is_there(f, id), crossings[i].kept);

                if (crossings[i].kept)
                        lower_flow_close(ours, f->net.now);
                lower_flow_close(theirs, f->net.now);
        }
}

/* Nothing but a greeting counts before the greeting, and garbage does not end the wait for it. */
static void test_before_greeting(void **state) {
        Fixture *f = *state;
        LowerFlow *flow = accept_flow(f, 0, CUBE_BEST_EFFORT, NET_PACKET_MAX);
        uint64_t id = flow->id, n_malformed = f->m->unicast.counters.drops[DROP_MALFORMED];

        receive(f, flow, "", 0);
        receive(f, flow, "\1\2\3\4\0\x3c\0\0\0\0\0\0\0\0\0", 15);
        receive(f, flow, (uint8_t[200]) {}, 200);
        assert_int_equal(flow->state, LOWER_GREETING);
        assert_int_equal(f->m->unicast.counters.drops[DROP_MALFORMED] - n_malformed, 2);

        greet(f, flow, CEP_DATA_TRANSFER, 7, "home.9");
        assert_int_equal(flow->state, LOWER_OPEN);

        flow = accept_flow(f, 0, CUBE_BEST_EFFORT, NET_PACKET_MAX);
        id = flow->id;
        receive(f, flow, "garbage", 7);
        net_run(&f->net, CEP_TIMEOUT_USEC - 10);
        assert_true(is_there(f, id));
        net_run(&f->net, 20);
        assert_false(is_there(f, id));
        assert_int_equal(f->m->unicast.n_greeting, 0);
}

/* Noise on an open flow is counted, and costs nobody a neighbour. */
static void test_noise(void **state) {
        Fixture *f = *state;
        LowerFlow *management = open_flow(f, 0, CUBE_BEST_EFFORT, CEP_MANAGEMENT, 7);
        LowerFlow *data = open_flow(f, 0, CUBE_BEST_EFFORT, CEP_DATA_TRANSFER, 7);
        uint8_t noise[40];

        memset(noise, 0xee, sizeof(noise));
        for (size_t size = 0; size < sizeof(noise); size++) {
                receive(f, management, noise, size);
                receive(f, data, noise, size);
        }
        assert_int_equal(management->state, LOWER_OPEN);
        assert_int_equal(data->state, LOWER_OPEN);
        assert_int_equal(f->m->unicast.n_neighbours, 1);
        assert_true(f->m->unicast.counters.drops[DROP_MALFORMED] > 0);
}

/* Strangers who say nothing: bounded, and the oldest gives way. */
static void test_silent_strangers(void **state) {
        Fixture *f = *state;
        uint64_t first = 0, talker;
        LowerFlow *flow;

        talker = open_flow(f, 0, CUBE_BEST_EFFORT, CEP_MANAGEMENT, 7)->id;
        for (unsigned i = 0; i < LOWER_FLOWS_GREETING_MAX; i++) {
                flow = accept_flow(f, 0, CUBE_BEST_EFFORT, NET_PACKET_MAX);
                if (i == 0)
                        first = flow->id;
        }
        assert_true(is_there(f, first));
        assert_int_equal(f->m->unicast.n_greeting, LOWER_FLOWS_GREETING_MAX);

        (void) accept_flow(f, 0, CUBE_BEST_EFFORT, NET_PACKET_MAX);
        assert_int_equal(f->m->unicast.n_greeting, LOWER_FLOWS_GREETING_MAX);
        assert_false(is_there(f, first));
        assert_true(is_there(f, talker));
}

static void test_flows_are_bounded(void **state) {
        Fixture *f = *state;
        const o7s_qos qos = cube_lower_qos(CUBE_BEST_EFFORT);
        LowerFlow *flow;

        for (unsigned i = 0; i < LOWER_FLOWS_MAX; i++)
                (void) open_flow(f, 0, CUBE_BEST_EFFORT, CEP_MANAGEMENT, 7 + i % 10);

        assert_int_equal(unicast_lower_accepted(&f->m->unicast, 0, &qos, NET_PACKET_MAX, "", f->net.now, &flow),
                         -EBUSY);
        assert_int_equal(unicast_lower_accepted(&f->m->unicast, 9, &qos, NET_PACKET_MAX, "", f->net.now, &flow),
                         -EINVAL);
        assert_int_equal(f->m->unicast.n_neighbours, 10);
}

static int accept_from(Fixture *f, const char *peer) {
        const o7s_qos qos = cube_lower_qos(CUBE_BEST_EFFORT);
        LowerFlow *flow = NULL;

        return unicast_lower_accepted(&f->m->unicast, 0, &qos, NET_PACKET_MAX, peer, f->net.now, &flow);
}

/* One host gets its share of the places and no more, whatever it says in its flows, and pushes nobody out. */
static void test_one_host(void **state) {
        Fixture *f = *state;
        uint64_t stranger = accept_flow(f, 0, CUBE_BEST_EFFORT, NET_PACKET_MAX)->id;
        unsigned n = 0;

        while (n <= LOWER_FLOWS_GREETING_MAX && accept_from(f, "flood") == 0)
                n++;
        assert_int_equal(n, LOWER_GREETING_PER_PEER_MAX);
        assert_true(is_there(f, stranger));             /* who said nothing either, and came first */
        assert_int_equal(f->m->unicast.lower_peers.n_refused, 1);
        assert_int_equal(f->m->n_warnings, 1);
        assert_non_null(strstr(f->m->warning, "Flows from flood over lan are refused"));

        for (unsigned i = 0; i < 1000; i++)
                assert_int_equal(accept_from(f, "flood"), -EDQUOT);
        assert_int_equal(f->m->n_warnings, 1);
        assert_int_equal(f->m->unicast.lower_peers.n_refused, 1001);
        assert_int_equal(accept_from(f, "another host"), 0);

        /* Its places are there again once these have ended; and so is the warning, a minute later. */
        net_run(&f->net, LOWER_PEERS_WARN_USEC);
        n = 0;
        while (n <= LOWER_FLOWS_GREETING_MAX && accept_from(f, "flood") == 0)
                n++;
        assert_int_equal(n, LOWER_GREETING_PER_PEER_MAX);
        assert_int_equal(f->m->n_warnings, 2);
}

/* The same for flows that have said what they are for, as one member or as many. */
static void test_one_host_talks(void **state) {
        Fixture *f = *state;
        unsigned n = 0;

        for (; n < LOWER_FLOWS_MAX; n++) {
                const o7s_qos qos = cube_lower_qos(CUBE_BEST_EFFORT);
                LowerFlow *flow = NULL;

                if (unicast_lower_accepted(&f->m->unicast, 0, &qos, NET_PACKET_MAX, "flood", f->net.now, &flow) < 0)
                        break;
                greet(f, flow, CEP_MANAGEMENT, 7 + n, "home.9");
                assert_int_equal(flow->state, LOWER_OPEN);
        }
        assert_int_equal(n, LOWER_FLOWS_PER_PEER_MAX);
        assert_int_equal(f->m->unicast.n_lower_flows, n);
        assert_int_equal(accept_from(f, "another host"), 0);
}

/* Whoever comes and goes all the time does not fill our log. */
static void test_log_is_bounded(void **state) {
        Fixture *f = *state;
        unsigned n_before = f->m->n_logs;

        for (unsigned i = 0; i < 500; i++) {
                LowerFlow *flow = open_flow(f, 0, CUBE_BEST_EFFORT, CEP_DATA_TRANSFER, 7);

                unicast_lower_down(flow, "it ended", f->net.now);
        }
        assert_true(f->m->n_logs - n_before <= UNICAST_LOG_LINES_MAX + 10);

        net_run(&f->net, UNICAST_LOG_USEC);
        n_before = f->m->n_logs;
        (void) open_flow(f, 0, CUBE_BEST_EFFORT, CEP_DATA_TRANSFER, 7);
        assert_true(f->m->n_logs > n_before);
        assert_true(f->m->unicast.log_limit.n_left_out == 0);
        assert_true(f->m->n_left_out_told >= 400);
}

/* -- neighbours -- */

static void test_life(void **state) {
        Fixture *f = *state;
        LowerFlow *management, *data;
        Neighbour *n;

        management = open_flow(f, 0, CUBE_BEST_EFFORT, CEP_MANAGEMENT, 7);
        n = neighbour_find(&f->m->unicast, 7);
        assert_non_null(n);
        assert_true(n->extended);
        assert_int_equal(n->state, NEIGHBOUR_TRYING);
        assert_ptr_equal(n->management_in_use, management);
        assert_null(neighbour_data_flow(n, CUBE_BEST_EFFORT));
        assert_int_equal(f->m->n_up, 0);
        assert_int_equal(f->m->packet_max, 0);

        data = open_flow(f, 0, CUBE_BEST_EFFORT, CEP_DATA_TRANSFER, 7);
        assert_int_equal(f->m->unicast.n_neighbours, 1);
        assert_int_equal(n->state, NEIGHBOUR_UP);
        assert_int_equal(f->m->n_up, 1);
        assert_int_equal(f->m->packet_max, NET_PACKET_MAX - 15);
        assert_ptr_equal(neighbour_by_hop(&f->m->unicast, n->hop), n);

        unicast_lower_down(management, "gone", f->net.now);
        assert_int_equal(n->state, NEIGHBOUR_UP);
        assert_null(n->management_in_use);

        unicast_lower_down(data, "gone", f->net.now);
        assert_int_equal(f->m->unicast.n_neighbours, 0);
        assert_null(neighbour_find(&f->m->unicast, 7));
        assert_int_equal(f->m->n_down, 1);
        assert_int_equal(f->m->packet_max, 0);
}

/* Cubes, and what stands in for what is not there. */
static void test_cubes(void **state) {
        Fixture *f = *state;
        LowerFlow *voice = open_flow(f, 0, CUBE_VOICE, CEP_DATA_TRANSFER, 7), *best, *video;
        Neighbour *n = neighbour_find(&f->m->unicast, 7);

        for (Cube cube = 0; cube < _CUBE_MAX; cube++)
                assert_ptr_equal(neighbour_data_flow(n, cube), voice);

        best = open_flow(f, 0, CUBE_BEST_EFFORT, CEP_DATA_TRANSFER, 7);
        assert_ptr_equal(neighbour_data_flow(n, CUBE_BEST_EFFORT), best);
        assert_ptr_equal(neighbour_data_flow(n, CUBE_VIDEO), best);
        assert_ptr_equal(neighbour_data_flow(n, CUBE_VOICE), voice);

        video = open_flow(f, 0, CUBE_VIDEO, CEP_DATA_TRANSFER, 7);
        assert_ptr_equal(neighbour_data_flow(n, CUBE_VIDEO), video);
        unicast_lower_down(best, "gone", f->net.now);
        assert_ptr_equal(neighbour_data_flow(n, CUBE_BEST_EFFORT), video);
        assert_int_equal(n->state, NEIGHBOUR_UP);
}

/* Who opens a second flow may have lost the first: the second is used, and the first again when that one goes. */
static void test_several(void **state) {
        Fixture *f = *state;
        LowerFlow *first = open_flow(f, 0, CUBE_BEST_EFFORT, CEP_DATA_TRANSFER, 7), *second;
        LowerFlow *management = open_flow(f, 0, CUBE_BEST_EFFORT, CEP_MANAGEMENT, 7), *other;
        Neighbour *n = neighbour_find(&f->m->unicast, 7);

        second = open_flow(f, 1, CUBE_BEST_EFFORT, CEP_DATA_TRANSFER, 7);
        other = open_flow(f, 1, CUBE_BEST_EFFORT, CEP_MANAGEMENT, 7);
        assert_int_equal(f->m->unicast.n_neighbours, 1);
        assert_ptr_equal(neighbour_data_flow(n, CUBE_BEST_EFFORT), second);
        assert_true(neighbour_has(n, LOWER_DATA, 1));

        /* Management changes when the peer says something on the newer one, and not back. */
        assert_ptr_equal(n->management_in_use, management);
        receive(f, other, "anything", 8);
        assert_ptr_equal(n->management_in_use, other);
        receive(f, management, "anything", 8);
        assert_ptr_equal(n->management_in_use, other);

        /* Its layer goes: the flow stays, and waits. */
        unicast_lower_changed(&f->m->unicast, 1, false, f->net.now);
        assert_ptr_equal(neighbour_data_flow(n, CUBE_BEST_EFFORT), first);
        assert_ptr_equal(n->management_in_use, management);
        assert_int_equal(n->state, NEIGHBOUR_UP);
        unicast_lower_changed(&f->m->unicast, 0, false, f->net.now);
        assert_int_equal(n->state, NEIGHBOUR_TRYING);
        unicast_lower_changed(&f->m->unicast, 1, true, f->net.now);
        assert_ptr_equal(neighbour_data_flow(n, CUBE_BEST_EFFORT), second);
        assert_int_equal(n->state, NEIGHBOUR_UP);

        unicast_lower_down(second, "gone", f->net.now);
        assert_false(neighbour_has(n, LOWER_DATA, 1));
        assert_int_equal(n->state, NEIGHBOUR_TRYING);
        assert_int_equal(f->m->n_down, 0);
}

static void test_packet_max(void **state) {
        Fixture *f = *state;
        LowerFlow *small, *tiny;
        uint64_t id;

        (void) open_flow(f, 0, CUBE_BEST_EFFORT, CEP_DATA_TRANSFER, 7);
        assert_int_equal(f->m->packet_max, NET_PACKET_MAX - 15);

        small = accept_flow(f, 1, CUBE_BEST_EFFORT, 600);
        greet(f, small, CEP_DATA_TRANSFER, 8, "home.8");
        assert_int_equal(f->m->packet_max, 585);

        /* One that has no room for our header is no way to anybody. */
        tiny = accept_flow(f, 1, CUBE_BEST_EFFORT, 15);
        id = tiny->id;
        greet(f, tiny, CEP_DATA_TRANSFER, 9, "");
        assert_false(is_there(f, id));
        assert_null(neighbour_find(&f->m->unicast, 9));

        unicast_lower_down(small, "gone", f->net.now);
        assert_int_equal(f->m->packet_max, NET_PACKET_MAX - 15);
}

/* Numbers are given out again, bounded, and never to two at once. */
static void test_hops(void **state) {
        Fixture *f = *state;
        bool seen[NEIGHBOURS_MAX] = {};
        LowerFlow *flow, *last = NULL;
        uint64_t id;

        for (uint64_t address = 1; address <= NEIGHBOURS_MAX; address++) {
                const Neighbour *n;

                last = open_flow(f, 0, CUBE_BEST_EFFORT, CEP_MANAGEMENT, 1000 + address);
                n = neighbour_find(&f->m->unicast, 1000 + address);
                assert_in_range(n->hop, 0, NEIGHBOURS_MAX - 1);
                assert_false(seen[n->hop]);
                seen[n->hop] = true;
        }

        flow = accept_flow(f, 0, CUBE_BEST_EFFORT, NET_PACKET_MAX);
        id = flow->id;
        greet(f, flow, CEP_MANAGEMENT, 1, "");
        assert_false(is_there(f, id));

        unicast_lower_down(last, "gone", f->net.now);
        (void) open_flow(f, 0, CUBE_BEST_EFFORT, CEP_MANAGEMENT, 1);
        assert_int_equal(f->m->unicast.n_neighbours, NEIGHBOURS_MAX);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_greetings, setup, teardown),
                cmocka_unit_test_setup_teardown(test_foreign_conflict, setup, teardown),
                cmocka_unit_test_setup_teardown(test_crossing, setup, teardown),
                cmocka_unit_test_setup_teardown(test_before_greeting, setup, teardown),
                cmocka_unit_test_setup_teardown(test_noise, setup, teardown),
                cmocka_unit_test_setup_teardown(test_silent_strangers, setup, teardown),
                cmocka_unit_test_setup_teardown(test_flows_are_bounded, setup, teardown),
                cmocka_unit_test_setup_teardown(test_one_host, setup, teardown),
                cmocka_unit_test_setup_teardown(test_one_host_talks, setup, teardown),
                cmocka_unit_test_setup_teardown(test_log_is_bounded, setup, teardown),
                cmocka_unit_test_setup_teardown(test_life, setup, teardown),
                cmocka_unit_test_setup_teardown(test_cubes, setup, teardown),
                cmocka_unit_test_setup_teardown(test_several, setup, teardown),
                cmocka_unit_test_setup_teardown(test_packet_max, setup, teardown),
                cmocka_unit_test_setup_teardown(test_hops, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
