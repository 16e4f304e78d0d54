/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A layer over layers, as the IRM sees it: its names, whom its IPCP may ask, and what it hears of those below. The test
 * plays the Ethernet layers lan and wan, the IPCP of the unicast layer home over lan, and programs.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "basic/time.h"
#include "libo7s/flow.h"
#include "services/common/hash.h"
#include "tests/unit/irm/irm-fixture.h"

#define LONG (5 * USEC_PER_SEC)

static const char *arg_program;

static int set_up(void **state) {
        static IrmFixture fixture;      /* cmocka hands on a pointer */

        fixture_start(&fixture, arg_program);
        fixture_write(&fixture, "layers/lan.layer", "[Layer]\nType=eth\n[Ethernet]\nInterface=x\n");
        fixture_write(&fixture, "layers/wan.layer", "[Layer]\nType=eth\n[Ethernet]\nInterface=y\n");
        fixture_write(&fixture, "layers/home.layer", "[Layer]\nType=unicast\nOver=lan\n");
        fixture_write(&fixture, "layers/west.layer", "[Layer]\nType=unicast\nOver=wan lan\nMember=west.me\n");
        fixture_write(&fixture, "names/web.name", "[Name]\nLayer=lan\n");
        fixture_run(&fixture);
        *state = &fixture;
        return 0;
}

static int tear_down(void **state) {
        fixture_stop(*state);
        return 0;
}

/* Connects as the IPCP of an Ethernet layer, and counts the names that it is told. */
static int lower_online(IrmFixture *f, const char *name, char ret_names[][FLOW_NAME_WIRE_BYTES_MAX + 1], size_t n) {
        int fd = fixture_connect_layer(f);
        LayerMessage message;

        layer_come_online(fd, name);
        for (size_t i = 0; i < n; i++) {
                layer_hear(fd, LAYER_REGISTER, &message, NULL);
                (void) snprintf(ret_names[i], FLOW_NAME_WIRE_BYTES_MAX + 1, "%s", message.name);
        }
        layer_hears_nothing(fd);
        return fd;
}

static int home_online(IrmFixture *f) {
        LayerMessage hello = {
                .type = LAYER_HELLO,
                .version = LAYER_PROTOCOL_VERSION,
                .layer_type = LAYER_UNICAST,
                .hash_algorithm = HASH_SHA3_256,
                .layer = "home",
        }, welcome;
        int fd = fixture_connect_layer(f);

        layer_say(fd, &hello, NULL, 0);
        layer_hear(fd, LAYER_WELCOME, &welcome, NULL);
        return fd;
}

static void home_state(int fd, LayerState state, uint64_t address) {
        const LayerMessage message = { .type = LAYER_STATE, .state = state, .text = "as it is", .mtu = 1400,
                                       .address = address };

        layer_say(fd, &message, NULL, 0);
}

static bool has(char names[][FLOW_NAME_WIRE_BYTES_MAX + 1], size_t n, const char *name) {
        for (size_t i = 0; i < n; i++)
                if (streq(names[i], name))
                        return true;

        return false;
}

/* The own name of each layer's member, in exactly the layers that it runs over; there is no member of any yet. */
static void test_names(void **state) {
        char lan_names[3][FLOW_NAME_WIRE_BYTES_MAX + 1], wan_names[1][FLOW_NAME_WIRE_BYTES_MAX + 1];
        char host[HOST_NAME_MAX + 1] = "", own[HOST_NAME_MAX + 16];
        int lan, wan;

        assert_int_equal(gethostname(host, sizeof(host) - 1), 0);
        (void) snprintf(own, sizeof(own), "home.%s", host);

        lan = lower_online(*state, "lan", lan_names, 3);
        wan = lower_online(*state, "wan", wan_names, 1);
        assert_true(has(lan_names, 3, own));
        assert_true(has(lan_names, 3, "west.me"));
        assert_true(has(lan_names, 3, "web"));
        assert_true(has(wan_names, 1, "west.me"));

        (void) close(lan);
        (void) close(wan);
}

/* The layer's name leads to members: it is registered below when its IPCP is one, and for as long as it is. */
static void test_member(void **state) {
        char names[4][FLOW_NAME_WIRE_BYTES_MAX + 1];
        LayerMessage message;
        int lan, home;

        lan = lower_online(*state, "lan", names, 3);
        home = home_online(*state);
        home_state(home, LAYER_ENROLLING, 0);
        layer_hears_nothing(lan);

        home_state(home, LAYER_ONLINE, 4711);
        layer_hear(lan, LAYER_REGISTER, &message, NULL);
        assert_string_equal(message.name, "home");
        home_state(home, LAYER_DEGRADED, 4711);         /* a member all the same */
        layer_hears_nothing(lan);

        /* A layer below that comes (back) later is told with all other names. */
        (void) close(lan);
        lan = lower_online(*state, "lan", names, 4);
        assert_true(has(names, 4, "home"));

        home_state(home, LAYER_ENROLLING, 0);           /* its address was another's: it joins anew */
        layer_hear(lan, LAYER_UNREGISTER, &message, NULL);
        assert_string_equal(message.name, "home");
        home_state(home, LAYER_ONLINE, 4712);
        layer_hear(lan, LAYER_REGISTER, &message, NULL);
        assert_string_equal(message.name, "home");
        home_state(home, LAYER_ONLINE, 4713);           /* nothing is new about that */
        layer_hears_nothing(lan);

        (void) close(lan);
        (void) close(home);
}

/* What a layer below does is told to those above it, also to one that comes later. */
static void test_lower(void **state) {
        char names[3][FLOW_NAME_WIRE_BYTES_MAX + 1];
        LayerMessage message, degraded = { .type = LAYER_STATE, .state = LAYER_DEGRADED, .text = "no carrier",
                                           .mtu = 1482 };
        int lan, home;

        lan = lower_online(*state, "lan", names, 3);
        home = home_online(*state);
        layer_hear(home, LAYER_LOWER, &message, NULL);
        assert_string_equal(message.layer, "lan");
        assert_int_equal(message.state, LAYER_ONLINE);
        layer_hears_nothing(home);      /* wan is not below it */

        layer_say(lan, &degraded, NULL, 0);
        layer_hear(home, LAYER_LOWER, &message, NULL);
        assert_int_equal(message.state, LAYER_DEGRADED);
        assert_string_equal(message.text, "no carrier");

        (void) close(lan);
        layer_hear(home, LAYER_LOWER, &message, NULL);
        assert_int_equal(message.state, LAYER_STARTING);
        (void) close(home);
}

/* The name is served on this very host, by the process that asks: the layer is asked all the same, and no other is. */
static void test_asks_below(void **state) {
        char names[3][FLOW_NAME_WIRE_BYTES_MAX + 1], wan_names[1][FLOW_NAME_WIRE_BYTES_MAX + 1];
        o7s_listener *listener = NULL;
        o7s_flow *flow = NULL, *again = NULL, *refused = NULL;
        o7s_error error = { .size = sizeof(error) };
        LayerMessage message;
        int lan, wan, home;

        lan = lower_online(*state, "lan", names, 3);
        wan = lower_online(*state, "wan", wan_names, 1);
        home = home_online(*state);
        layer_hear(home, LAYER_LOWER, &message, NULL);
        assert_int_equal(o7s_listen("home", 0, &listener), 0);

        assert_int_equal(flow_alloc_start_over("lan", "home", &O7S_QOS_RAW, 0, LONG, &flow), 0);
        layer_hear(lan, LAYER_QUERY, &message, NULL);
        assert_string_equal(message.name, "home");
        assert_int_equal(flow_alloc_start_over(NULL, "web", &O7S_QOS_RAW, 0, LONG, &again), 0);
        layer_hear(lan, LAYER_QUERY, &message, NULL);
        assert_string_equal(message.name, "web");
        layer_hears_nothing(wan);
        layer_hears_nothing(home);

        assert_int_equal(flow_alloc_start_over("wan", "home", &O7S_QOS_RAW, 0, LONG, &refused), -EACCES);
        assert_int_equal(o7s_last_error(&error), 0);
        assert_non_null(strstr(error.text, "Over="));
        assert_int_equal(flow_alloc_start_over("nosuch", "home", &O7S_QOS_RAW, 0, LONG, &refused), -ENETDOWN);

        o7s_flow_unref(flow);
        o7s_flow_unref(again);
        o7s_listener_unref(listener);
        (void) close(lan);
        (void) close(wan);
        (void) close(home);
}

/* The quota of pending allocations is for programs: a layer wants all its neighbours back at once. */
static void test_many_pending(void **state) {
        char names[3][FLOW_NAME_WIRE_BYTES_MAX + 1];
        o7s_flow *flows[80] = {};
        LayerMessage message;
        int lan, home;

        lan = lower_online(*state, "lan", names, 3);
        home = home_online(*state);
        layer_hear(home, LAYER_LOWER, &message, NULL);

        for (size_t i = 0; i < ELEMENTSOF(flows); i++)
                assert_int_equal(flow_alloc_start_over("lan", "home", &O7S_QOS_RAW, O7S_THIN, LONG, &flows[i]), 0);

        for (size_t i = 0; i < ELEMENTSOF(flows); i++)
                o7s_flow_unref(flows[i]);
        (void) close(lan);
        (void) close(home);
}

/* Nobody but its IPCP serves the name of a layer, not even root, and not by listening on everything. */
static void test_serves(void **state) {
        o7s_listener *listener = NULL;

        assert_true(o7s_listen("home", 0, &listener) < 0);
        assert_null(listener);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_member, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_lower, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_asks_below, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_many_pending, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_serves, set_up, tear_down),
        };

        if (argc < 2)
                return 77;

        arg_program = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
