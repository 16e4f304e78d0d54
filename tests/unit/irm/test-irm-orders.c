/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Orders to the member of a layer that take a while: operations. There is no polkit, so root may give orders and nobody
 * else.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <grp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/irm/member-double.h"

#define NOBODY 65534

static void test_connect(void **state) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *good = NULL, *bad = NULL, *gone = NULL, *quick = NULL;
        BusFixture *f = *state;
        LayerMessage heard;
        int layer;

        if (geteuid() != 0)
                skip();

        layer = member_connect(f, LAYER_UNICAST, LAYER_ONLINE);

        good = member_order(f, &error, "Connect", "sasa{sv}t", "home.beta", 1, "mgmt", 1, "Over", "s", "lan",
                            UINT64_C(0));
        assert_non_null(good);
        layer_hear(layer, LAYER_ORDER, &heard, NULL);
        assert_int_equal(heard.order, LAYER_ORDER_CONNECT);
        assert_int_equal(heard.components, LAYER_COMPONENT_MANAGEMENT);
        assert_string_equal(heard.name, "home.beta");
        assert_string_equal(heard.lower, "lan");
        member_wait_for(f, good, BUS_INTERFACE_OPERATION, "State", "running");
        member_wait_for(f, good, BUS_INTERFACE_OPERATION, "Kind", "connect");
        member_say_done(layer, heard.query_id + 1, 0, "of nobody");            /* not an operation */
        member_say_done(layer, heard.query_id, 0, "home.beta is a neighbour");
        member_wait_for(f, good, BUS_INTERFACE_OPERATION, "State", "done");
        member_wait_for(f, good, BUS_INTERFACE_OPERATION, "Message", "home.beta is a neighbour");
        member_say_done(layer, heard.query_id, -EIO, "or is it");              /* an end is an end */
        member_wait_for(f, good, BUS_INTERFACE_OPERATION, "State", "done");

        bad = member_order(f, &error, "Disconnect", "sast", "home.delta", 0, UINT64_C(0));
        assert_non_null(bad);
        layer_hear(layer, LAYER_ORDER, &heard, NULL);
        assert_int_equal(heard.order, LAYER_ORDER_DISCONNECT);
        assert_int_equal(heard.components, LAYER_COMPONENTS_ALL);
        member_say_done(layer, heard.query_id, -ENOENT, "No neighbour 'home.delta' was asked for");
        member_wait_for(f, bad, BUS_INTERFACE_OPERATION, "State", "failed");
        member_wait_for(f, bad, BUS_INTERFACE_OPERATION, "Message", "No neighbour 'home.delta' was asked for");

        quick = member_order(f, &error, "Connect", "sasa{sv}t", "home.beta", 0, 0, UINT64_C(2));
        assert_non_null(quick);
        member_wait_for(f, quick, BUS_INTERFACE_OPERATION, "State", "done");

        gone = member_order(f, &error, "Connect", "sasa{sv}t", "home.gamma", 0, 0, UINT64_C(0));
        assert_non_null(gone);
        (void) close(layer);
        member_wait_for(f, gone, BUS_INTERFACE_OPERATION, "State", "failed");
}

static void test_join(void **state) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *enroll = NULL, *bootstrap = NULL;
        BusFixture *f = *state;
        LayerMessage heard;
        int layer;

        if (geteuid() != 0)
                skip();

        layer = member_connect(f, LAYER_UNICAST, LAYER_ENROLLING);

        enroll = member_order(f, &error, "Enroll", "sa{sv}t", "home.alpha", 0, UINT64_C(0));
        assert_non_null(enroll);
        layer_hear(layer, LAYER_ORDER, &heard, NULL);
        assert_int_equal(heard.order, LAYER_ORDER_ENROLL);
        assert_string_equal(heard.name, "home.alpha");

        bootstrap = member_order(f, &error, "Bootstrap", "a{sv}t", 0, UINT64_C(0));
        assert_non_null(bootstrap);
        layer_hear(layer, LAYER_ORDER, &heard, NULL);
        assert_int_equal(heard.order, LAYER_ORDER_BOOTSTRAP);

        /* A wrong state is said with its reason, and the layer hears nothing. */
        assert_null(member_order(f, &error, "Connect", "sasa{sv}t", "home.beta", 0, 0, UINT64_C(0)));
        assert_true(sd_bus_error_has_name(&error, BUS_ERROR_PREFIX "WrongState"));
        assert_non_null(strstr(error.message, "enrolling: playing a layer"));
        sd_bus_error_free(&error);

        member_say_state(layer, LAYER_ONLINE, "a member now", 12);
        member_wait_for(f, MEMBER_PATH, BUS_INTERFACE_LAYER, "State", "online");
        assert_null(member_order(f, &error, "Bootstrap", "a{sv}t", 0, UINT64_C(0)));
        assert_true(sd_bus_error_has_name(&error, BUS_ERROR_PREFIX "WrongState"));
        assert_non_null(strstr(error.message, "a member now"));
        layer_hears_nothing(layer);
        (void) close(layer);
}

static void test_refused(void **state) {
        BusFixture *f = *state;
        int layer;

        if (geteuid() != 0)
                skip();

        layer = member_connect(f, LAYER_UNICAST, LAYER_ONLINE);
        for (unsigned i = 0; i < 5; i++) {
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
                char *path = NULL;

                switch (i) {
                case 0:
                        path = member_order(f, &error, "Connect", "sasa{sv}t", "", 0, 0, UINT64_C(0));
                        break;
                case 1:
                        path = member_order(f, &error, "Connect", "sasa{sv}t", "home.beta", 1, "everything", 0,
                                            UINT64_C(0));
                        break;
                case 2:
                        path = member_order(f, &error, "Connect", "sasa{sv}t", "home.beta", 0, 1, "Cost", "u", 3U,
                                            UINT64_C(0));
                        break;
                case 3:
                        path = member_order(f, &error, "Connect", "sasa{sv}t", "home.beta", 0, 1, "Over", "s", "../lan",
                                            UINT64_C(0));
                        break;
                default:
                        path = member_order(f, &error, "Disconnect", "sast", "home.beta", 0, UINT64_C(1));
                        break;
                }

                print_message("%u: %s\n", i, error.message);
                assert_null(path);
                assert_true(sd_bus_error_has_name(&error, BUS_ERROR_PREFIX "InvalidArgument"));
        }
        layer_hears_nothing(layer);
        (void) close(layer);
}

/* An Ethernet has no members. */
static void test_other_type(void **state) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        BusFixture *f = *state;
        int layer;

        if (geteuid() != 0)
                skip();

        layer = member_connect(f, LAYER_ETH_DIX, LAYER_ONLINE);
        assert_null(member_order(f, &error, "Connect", "sasa{sv}t", "home.beta", 0, 0, UINT64_C(0)));
        assert_non_null(strstr(error.message, "eth-dix"));
        layer_hears_nothing(layer);
        (void) close(layer);
}

/* -- somebody who may not -- */

static int try_as_nobody(BusFixture *f) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus *bus = NULL;
        int r;

        if (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
                return 2;
        if (sd_bus_open_system(&bus) < 0)
                return 3;

        r = sd_bus_call_method(bus, BUS_NAME_IRM, MEMBER_PATH, BUS_INTERFACE_LAYER, "Connect", &error, NULL,
                               "sasa{sv}t", "home.beta", 0, 0, UINT64_C(0));
        if (r >= 0)
                return 4;

        r = sd_bus_call_method(bus, BUS_NAME_IRM, MEMBER_PATH, BUS_INTERFACE_LAYER, "Bootstrap", &error, NULL, "a{sv}t",
                               0, UINT64_C(0));
        if (r >= 0)
                return 5;

        r = sd_bus_call_method(bus, BUS_NAME_IRM, MEMBER_PATH, BUS_INTERFACE_LAYER, "ResetStatistics", &error, NULL,
                               NULL);
        if (r >= 0)
                return 7;

        r = sd_bus_call_method(bus, BUS_NAME_IRM, MEMBER_PATH, BUS_INTERFACE_LAYER, "SetProperties", &error, NULL,
                               "a{sv}t", 1, "LogLevel", "s", "debug", UINT64_C(0));
        if (r >= 0)
                return 8;

        /* Looking is free. */
        r = sd_bus_call_method(bus, BUS_NAME_IRM, MEMBER_PATH, BUS_INTERFACE_LAYER, "ListNeighbours", NULL, NULL, NULL);
        return r < 0 ? 6 : 0;
}

static void test_not_authorised(void **state) {
        BusFixture *f = *state;
        int layer, status;
        pid_t child;

        if (geteuid() != 0)
                skip();

        layer = member_connect(f, LAYER_UNICAST, LAYER_ONLINE);
        assert_int_equal(chmod(f->irm.directory, 0711), 0);
        assert_true(chmod(f->address + strlen("unix:path="), 0777) >= 0);

        child = fork();
        if (child == 0)
                _exit(try_as_nobody(f));
        assert_true(waitpid(child, &status, 0) == child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        layer_hears_nothing(layer);
        (void) close(layer);
}

#define TEST(name) cmocka_unit_test_prestate_setup_teardown(name, bus_fixture_set_up, bus_fixture_tear_down, argv[1])

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                TEST(test_connect),
                TEST(test_join),
                TEST(test_refused),
                TEST(test_other_type),
                TEST(test_not_authorised),
        };

        if (argc < 2)
                return 2;

        return cmocka_run_group_tests(tests, NULL, NULL);
}
