/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The calls of <ouroboros/irm.h> about IPCPs, with o7s-irm on a bus of its own, where the test plays the layers and
 * a child of it systemd.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

#include <ouroboros/errno.h>
#include <ouroboros/irm.h>

#include "tests/unit/irm/member-double.h"

#define NO_PROCESS 4194304      /* no number of a process is higher */

/* The program passes on a structure that it knows, and the library does not. */
static const char configuration[64];
#define CONFIGURATION ((const struct ipcp_config *) configuration)

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

/* -- calls that wait for the layer, which the test plays meanwhile -- */

typedef struct Call {
        pthread_t thread;
        pid_t pid;
        const char *component;          /* NULL: enroll */
        const char *dst;
        bool disconnect;
        int result;
} Call;

static void *make_call(void *userdata) {
        Call *call = userdata;

        if (!call->component)
                call->result = irm_enroll_ipcp(call->pid, call->dst);
        else if (call->disconnect)
                call->result = irm_disconnect_ipcp(call->pid, call->component, call->dst);
        else
                call->result = irm_connect_ipcp(call->pid, call->component, call->dst, qos_raw);
        return NULL;
}

static void begin(Call *call) {
        assert_int_equal(pthread_create(&call->thread, NULL, make_call, call), 0);
}

static int end(Call *call) {
        assert_int_equal(pthread_join(call->thread, NULL), 0);
        return call->result;
}

/* Of what the member is told, the next order. */
static void hear_order(int layer, LayerMessage *ret) {
        struct pollfd p = { .fd = layer, .events = POLLIN };
        int fds[LAYER_FDS_MAX];

        do {
                assert_int_equal(poll(&p, 1, 10000), 1);
                assert_int_equal(layer_message_receive(layer, ret, fds), 0);
        } while (ret->type != LAYER_ORDER);
}

/* The member hears that order, and says how it went. */
static int order(int layer, Call call, LayerOrder expected, unsigned components, int32_t result) {
        LayerMessage heard;

        begin(&call);
        hear_order(layer, &heard);
        assert_int_equal(heard.order, expected);
        assert_int_equal(heard.components, components);
        assert_string_equal(heard.name, call.dst);
        member_say_done(layer, heard.query_id, result, "so it went");
        return end(&call);
}

/* -- an IPCP that was made here -- */

static void test_arguments(void **state) {
        struct ipcp_list_info *ipcps = (void *) state;

        assert_int_equal(irm_create_ipcp(NULL, IPCP_UNICAST), -EINVAL);
        assert_int_equal(irm_create_ipcp("", IPCP_UNICAST), -EINVAL);
        assert_int_equal(irm_create_ipcp("a", IPCP_INVALID), -EIPCPTYPE);
        assert_int_equal(irm_create_ipcp("a", IPCP_LOCAL), -ENOTSUP);
        assert_int_equal(irm_create_ipcp("a", IPCP_ETH_DIX), -ENOTSUP);
        assert_int_equal(irm_list_ipcps(NULL), -EINVAL);
        assert_int_equal(irm_list_ipcps(&ipcps), 0);
        assert_null(ipcps);
        assert_int_equal(irm_destroy_ipcp(0), -EINVAL);
        assert_int_equal(irm_destroy_ipcp(1), -EIPCP);
        assert_int_equal(irm_destroy_ipcp(NO_PROCESS + 1), -EIPCP);
        assert_int_equal(irm_bootstrap_ipcp(1, NULL), -EINVAL);
        assert_int_equal(irm_bootstrap_ipcp(1, CONFIGURATION), -EIPCP);
        assert_int_equal(irm_enroll_ipcp(1, "home"), -EIPCP);
        assert_int_equal(irm_enroll_ipcp(1, NULL), -EINVAL);
        assert_int_equal(irm_connect_ipcp(1, "Management", "b", qos_raw), -EIPCP);
        assert_int_equal(irm_connect_ipcp(1, "Coffee", "b", qos_raw), -EINVAL);
        assert_int_equal(irm_disconnect_ipcp(1, NULL, "b"), -EINVAL);
}

/* What was described of it: its name, and what it runs over. */
static void check_description(const BusFixture *f) {
        char path[256], text[512] = "";
        FILE *file;

        (void) snprintf(path, sizeof(path), "%s/run/o7s/layers/home.layer", f->irm.directory);
        file = fopen(path, "re");
        assert_non_null(file);
        assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
        assert_int_equal(fclose(file), 0);
        assert_non_null(strstr(text, "Type=unicast\n"));
        assert_non_null(strstr(text, "Member=uni.a\n"));
        assert_non_null(strstr(text, "Over=lan\n"));
}

static void test_life(void **state) {
        BusFixture *f = *state;
        Call enroll = { .dst = "home" };
        struct ipcp_list_info row;
        char path[256];
        int lan, home;

        lan = bus_fixture_online_layer(f);
        assert_int_equal(irm_create_ipcp("uni.a", IPCP_UNICAST), 0);
        row = row_of("lan", 2);
        assert_int_equal(row.pid, getpid());
        assert_int_equal(row.type, IPCP_ETH_DIX);
        assert_string_equal(row.layer, "lan");
        row = row_of("uni.a", 2);
        assert_true(row.pid > NO_PROCESS);
        assert_int_equal(row.type, IPCP_UNICAST);
        assert_string_equal(row.layer, "Not enrolled.");

        /* Nothing can be had of it yet. */
        assert_int_equal(irm_reg_name("here", row.pid), -EIPCP);
        assert_int_equal(irm_connect_ipcp(row.pid, "Management", "b", qos_raw), -EIPCP);
        assert_int_equal(irm_bootstrap_ipcp(row.pid, CONFIGURATION), -ENOTSUP);
        assert_int_equal(irm_enroll_ipcp(row.pid, "lan"), -EEXIST);
        assert_int_equal(irm_enroll_ipcp(row.pid, "a/b"), -EINVAL);

        enroll.pid = row.pid;
        begin(&enroll);
        member_wait_for(f, MEMBER_PATH, BUS_INTERFACE_LAYER, "State", "created");
        home = member_connect(f, LAYER_UNICAST, LAYER_ONLINE);
        assert_int_equal(end(&enroll), 0);
        check_description(f);
        assert_string_equal(row_of("uni.a", 2).layer, "home");
        assert_int_equal(row_of("uni.a", 2).pid, row.pid);
        assert_int_equal(irm_enroll_ipcp(row.pid, "other"), -EIPCPSTATE);
        assert_int_equal(irm_bootstrap_ipcp(row.pid, CONFIGURATION), -EIPCPSTATE);

        assert_int_equal(order(home, (Call) { .pid = row.pid, .component = "Data Transfer", .dst = "uni.b" },
                               LAYER_ORDER_CONNECT, LAYER_COMPONENT_DATA, 0), 0);
        assert_int_equal(order(home, (Call) { .pid = row.pid, .component = "Management", .dst = "uni.b",
                                              .disconnect = true },
                               LAYER_ORDER_DISCONNECT, LAYER_COMPONENT_MANAGEMENT, -ENOENT), -ENAME);
        assert_int_equal(irm_reg_name("here", row.pid), 0);
        assert_int_equal(irm_unreg_name("here", row.pid), 0);

        /* Its process ends, its description goes. As the process is ours it is still there, and no layer's soon. */
        (void) close(home);
        assert_int_equal(irm_destroy_ipcp(row.pid), 0);
        assert_int_equal(irm_destroy_ipcp(row.pid), -EIPCP);
        assert_int_equal(row_of("uni.a", 2).pid, 0);
        (void) snprintf(path, sizeof(path), "%s/run/o7s/layers/home.layer", f->irm.directory);
        assert_int_equal(access(path, F_OK), -1);
        (void) close(lan);
}

/* One that cannot be started is as it was before. */
static void test_failure(void **state) {
        BusFixture *f = *state;
        struct ipcp_list_info row;
        char path[256];
        int lan;

        assert_int_equal(irm_create_ipcp("uni.a", IPCP_UNICAST), 0);
        row = row_of("uni.a", 1);
        assert_int_equal(irm_enroll_ipcp(row.pid, "broken"), -EIPCP);   /* over nothing */
        lan = bus_fixture_online_layer(f);
        assert_int_equal(irm_enroll_ipcp(row.pid, "broken"), -EIPCP);   /* systemd says so */
        (void) snprintf(path, sizeof(path), "%s/run/o7s/layers/broken.layer", f->irm.directory);
        assert_int_equal(access(path, F_OK), -1);
        assert_string_equal(row_of("uni.a", 2).layer, "Not enrolled.");
        assert_int_equal(irm_destroy_ipcp(row.pid), 0);
        assert_int_equal(row_of("uni.a", 1).pid, 0);
        (void) close(lan);
}

/* -- those that others have made -- */

static void test_running(void **state) {
        BusFixture *f = *state;
        int home = member_connect(f, LAYER_UNICAST, LAYER_ENROLLING);
        const Call enroll = { .pid = getpid(), .dst = "uni.b" };
        const Call connect = { .pid = getpid(), .component = "Management", .dst = "uni.b" };

        assert_string_equal(row_of("home", 1).layer, "Not enrolled.");
        assert_int_equal(order(home, enroll, LAYER_ORDER_ENROLL, 0, -ETIMEDOUT), -ETIMEDOUT);
        assert_int_equal(order(home, enroll, LAYER_ORDER_ENROLL, 0, 0), 0);
        member_say_state(home, LAYER_ONLINE, "a member", 4711);
        member_wait_for(f, MEMBER_PATH, BUS_INTERFACE_LAYER, "State", "online");
        assert_string_equal(row_of("home", 1).layer, "home");
        assert_int_equal(irm_enroll_ipcp(getpid(), "uni.b"), -EIPCPSTATE);
        assert_int_equal(order(home, connect, LAYER_ORDER_CONNECT, LAYER_COMPONENT_MANAGEMENT, -EIO), -EIPCP);
        assert_int_equal(irm_destroy_ipcp(getpid()), 0);
        (void) close(home);
}

/* An Ethernet has no members to be told anything. */
static void test_ethernet(void **state) {
        int lan = bus_fixture_online_layer(*state);

        assert_int_equal(irm_enroll_ipcp(getpid(), "uni.b"), -ENOTSUP);
        assert_int_equal(irm_bootstrap_ipcp(getpid(), CONFIGURATION), -ENOTSUP);
        assert_int_equal(irm_connect_ipcp(getpid(), "Management", "uni.b", qos_raw), -EIPCP);
        (void) close(lan);
}

static void test_no_service(void **state) {
        BusFixture *f = *state;
        struct ipcp_list_info *ipcps;

        fixture_kill(&f->irm);
        assert_int_equal(irm_create_ipcp("a", IPCP_UNICAST), -EIRMD);
        assert_int_equal(irm_list_ipcps(&ipcps), -EIRMD);
        assert_int_equal(irm_enroll_ipcp(1, "home"), -EIRMD);
        assert_int_equal(irm_connect_ipcp(1, "Management", "b", qos_raw), -EIRMD);
        assert_int_equal(irm_destroy_ipcp(1), -EIRMD);
        fixture_run(&f->irm);
}

/* With the directory that the unit of o7s-irm has. */
static int set_up(void **state) {
        const BusFixture *f;
        char path[256];

        if (bus_fixture_set_up(state) < 0)
                return -1;

        f = *state;
        (void) snprintf(path, sizeof(path), "%s/run", f->irm.directory);
        if (mkdir(path, 0755) < 0)
                return -1;

        (void) snprintf(path, sizeof(path), "%s/run/o7s", f->irm.directory);
        return mkdir(path, 0755);
}

/* Each on a bus and with an IRM of its own. */
#define TEST(function) { #function, function, set_up, bus_fixture_tear_down, argv[1] }

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                TEST(test_arguments),
                TEST(test_life),
                TEST(test_failure),
                TEST(test_running),
                TEST(test_ethernet),
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
