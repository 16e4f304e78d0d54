/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The calls of <ouroboros/irm.h> about IPCPs, with o7s-irm on a bus of its own, where the test plays the layers. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ouroboros/errno.h>
#include <ouroboros/irm.h>

#include "tests/unit/irm/member-double.h"

/* The row with this name; all zero: there is none. */
static struct ipcp_list_info row_of(const char *name, ssize_t expected_rows) {
        struct ipcp_list_info *ipcps = NULL, row = {};
        ssize_t n;

        n = irm_list_ipcps(&ipcps);
        for (ssize_t i = 0; i < n; i++)
                if (strcmp(ipcps[i].name, name) == 0)
                        row = ipcps[i];

        assert_int_equal(n, expected_rows);
        free(ipcps);
        return row;
}

static void test_none(void **state) {
        struct ipcp_list_info *ipcps = (void *) state;

        assert_int_equal(irm_list_ipcps(NULL), -EINVAL);
        assert_int_equal(irm_list_ipcps(&ipcps), 0);
        assert_null(ipcps);
}

/* Whatever they are given: it is not looked at. */
static void test_not_supported(void **state) {
        assert_int_equal(irm_create_ipcp("uni.a", IPCP_UNICAST), -ENOTSUP);
        assert_int_equal(irm_create_ipcp(NULL, IPCP_INVALID), -ENOTSUP);
        assert_int_equal(irm_bootstrap_ipcp(1, NULL), -ENOTSUP);
        assert_int_equal(irm_enroll_ipcp(1, "home"), -ENOTSUP);
        assert_int_equal(irm_connect_ipcp(1, "Management", "uni.b", qos_raw), -ENOTSUP);
        assert_int_equal(irm_disconnect_ipcp(1, "Data Transfer", "uni.b"), -ENOTSUP);
        assert_int_equal(irm_destroy_ipcp(1), -ENOTSUP);
}

/* The pid in the list is what a name is registered with. */
static void test_running(void **state) {
        BusFixture *f = *state;
        struct ipcp_list_info row;
        int lan;

        lan = bus_fixture_online_layer(f);
        row = row_of("lan", 1);
        assert_int_equal(row.pid, getpid());
        assert_int_equal(row.type, IPCP_ETH_DIX);
        assert_string_equal(row.layer, "lan");
        assert_int_equal(irm_reg_name("here", row.pid), 0);
        assert_int_equal(irm_unreg_name("here", row.pid), 0);
        assert_int_equal(irm_reg_name("here", row.pid + 4194304), -EIPCP);
        (void) close(lan);
}

static void test_member(void **state) {
        BusFixture *f = *state;
        int home = member_connect(f, LAYER_UNICAST, LAYER_ENROLLING);

        assert_int_equal(row_of("home", 1).type, IPCP_UNICAST);
        assert_string_equal(row_of("home", 1).layer, "Not enrolled.");
        member_say_state(home, LAYER_ONLINE, "a member", 4711);
        member_wait_for(f, MEMBER_PATH, BUS_INTERFACE_LAYER, "State", "online");
        assert_string_equal(row_of("home", 1).layer, "home");
        (void) close(home);
}

static void test_no_service(void **state) {
        BusFixture *f = *state;
        struct ipcp_list_info *ipcps;

        fixture_kill(&f->irm);
        assert_int_equal(irm_list_ipcps(&ipcps), -EIRMD);
        fixture_run(&f->irm);
}

/* Each on a bus and with an IRM of its own. */
#define TEST(function) { #function, function, bus_fixture_set_up, bus_fixture_tear_down, argv[1] }

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                TEST(test_none),
                TEST(test_not_supported),
                TEST(test_running),
                TEST(test_member),
                TEST(test_no_service),
        };

        if (argc != 2)
                return EXIT_FAILURE;
        if (geteuid() != 0) {
                print_message("Only root may manage layers where there is no polkit\n");
                return 77;              /* skipped */
        }

        return cmocka_run_group_tests(tests, NULL, NULL);
}
