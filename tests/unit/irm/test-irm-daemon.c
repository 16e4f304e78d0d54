/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * o7s-irm as a whole: libo7s as its clients, the store of the service manager played by the fixture. What needs a bus
 * is for the lab, what goes through a layer in test-irm-through-layer.c.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "basic/time.h"
#include "tests/unit/irm/layer-end.h"

#define LONG (5 * USEC_PER_SEC)

static const char *arg_program;

static int set_up(void **state) {
        static IrmFixture fixture;      /* cmocka hands on a pointer */

        fixture_start(&fixture, arg_program);
        fixture_plain(&fixture);
        fixture_write_name(&fixture, "here");
        fixture_write_name(&fixture, "idle");
        fixture_write(&fixture, "irm.conf", "[Quota]\nPendingPerUser=8\n");
        fixture_run(&fixture);
        *state = &fixture;
        return 0;
}

static int tear_down(void **state) {
        fixture_stop(*state);
        return 0;
}

static void say_hello(o7s_flow *from, o7s_flow *to, const char *text) {
        char buffer[64] = "";

        assert_int_equal(fixture_finish(from), 0);
        assert_int_equal(fixture_finish(to), 0);
        assert_int_equal(o7s_flow_set_timeout(to, O7S_TIMEOUT_READ, LONG), 0);
        assert_int_equal(o7s_flow_write(from, text, strlen(text)), strlen(text));
        assert_int_equal(o7s_flow_read(to, buffer, sizeof(buffer)), strlen(text));
        assert_string_equal(buffer, text);
}

/* -- on one host -- */

static void test_local_flow(void **state) {
        o7s_flow *there = NULL, *here = NULL;
        o7s_listener *listener = NULL;
        struct o7s_flow_info info = { .size = sizeof(info) };

        assert_int_equal(o7s_listen("here", 0, &listener), 0);
        assert_int_equal(o7s_flow_alloc_start("here", &O7S_QOS_RAW, 0, LONG, &here), 0);
        assert_int_equal(o7s_flow_accept(listener, LONG, &there), 0);

        say_hello(here, there, "to and");
        say_hello(there, here, "fro");
        assert_int_equal(o7s_flow_info(here, &info), 0);
        assert_string_equal(info.name, "here");
        assert_string_equal(info.layer, "");

        o7s_flow_unref(here);
        o7s_flow_unref(there);
        o7s_listener_unref(listener);
}

/* Whoever asked before anybody listened is served as soon as somebody does. */
static void test_listener_comes_late(void **state) {
        o7s_flow *there = NULL, *here = NULL;
        o7s_listener *listener = NULL;

        assert_int_equal(o7s_flow_alloc_start("here", &O7S_QOS_RAW, 0, LONG, &here), 0);
        assert_int_equal(o7s_flow_alloc_finish(here), -EINPROGRESS);
        assert_int_equal(o7s_listen("here", 0, &listener), 0);
        assert_int_equal(o7s_flow_accept(listener, LONG, &there), 0);
        say_hello(here, there, "at last");

        o7s_flow_unref(here);
        o7s_flow_unref(there);
        o7s_listener_unref(listener);
}

static void test_unknown_name(void **state) {
        o7s_error error = { .size = sizeof(error) };
        usec_t before = time_now();
        o7s_flow *flow = NULL;

        assert_int_equal(o7s_flow_alloc("nosuch.example", &O7S_QOS_RAW, 0, LONG, &flow), -ENOENT);
        assert_true(time_now() - before < USEC_PER_SEC);
        assert_int_equal(o7s_last_error(&error), 0);
        assert_non_null(strstr(error.text, "nosuch.example"));
}

/* A name that nobody serves waits as long as the caller says, and holds nobody up. */
static void test_wait_for_nobody(void **state) {
        o7s_flow *waiting = NULL, *there = NULL, *here = NULL;
        o7s_listener *listener = NULL;
        usec_t before = time_now();

        assert_int_equal(o7s_flow_alloc_start("idle", &O7S_QOS_RAW, 0, 300 * USEC_PER_MSEC, &waiting), 0);

        assert_int_equal(o7s_listen("here", 0, &listener), 0);
        assert_int_equal(o7s_flow_alloc_start("here", &O7S_QOS_RAW, 0, LONG, &here), 0);
        assert_int_equal(o7s_flow_accept(listener, LONG, &there), 0);
        assert_true(time_now() - before < 250 * USEC_PER_MSEC);

        assert_int_equal(fixture_finish(waiting), -ETIMEDOUT);
        assert_in_range(time_now() - before, 290 * USEC_PER_MSEC, 2 * USEC_PER_SEC);

        o7s_flow_unref(waiting);
        o7s_flow_unref(here);
        o7s_flow_unref(there);
        o7s_listener_unref(listener);
}

static void test_refusals(void **state) {
        o7s_listener *listener = NULL;

        assert_int_equal(o7s_listen("nosuch.example", 0, &listener), -ENOENT);
}

/* PendingPerUser=8 of irm.conf. */
static void test_pending_limit(void **state) {
        o7s_error error = { .size = sizeof(error) };
        o7s_flow *flows[8] = {}, *more = NULL;

        for (size_t i = 0; i < ELEMENTSOF(flows); i++)
                assert_int_equal(o7s_flow_alloc_start("idle", &O7S_QOS_RAW, 0, LONG, &flows[i]), 0);

        assert_int_equal(o7s_flow_alloc("idle", &O7S_QOS_RAW, 0, LONG, &more), -EDQUOT);
        assert_int_equal(o7s_last_error(&error), 0);
        assert_non_null(strstr(error.text, "PendingPerUser="));

        for (size_t i = 0; i < ELEMENTSOF(flows); i++)
                o7s_flow_unref(flows[i]);
}

/* -- bad clients -- */

static void loses_its_connection(int fd) {
        struct pollfd pfd = { .fd = fd };
        char byte;

        assert_int_equal(poll(&pfd, 1, 60000), 1);
        assert_true(recv(fd, &byte, 1, MSG_DONTWAIT) <= 0);
        (void) close(fd);
}

static void test_bad_clients(void **state) {
        const IrmMessage of_the_irm = { .type = IRM_WITHDRAWN, .flow_id = 1 };
        int fd;

        fd = fixture_connect_client();
        assert_int_equal(send(fd, "\xff\xff garbage", 10, MSG_NOSIGNAL), 10);
        loses_its_connection(fd);

        fd = fixture_connect_client();
        assert_int_equal(irm_message_send(fd, &of_the_irm, NULL, 0), 0);
        loses_its_connection(fd);

        test_local_flow(state);         /* and nobody else notices */
}

/* -- kill -9 -- */

static void test_crash(void **state) {
        static const uint8_t token[CLOSE_TOKEN_BYTES] = "closeme";
        LayerMessage request, message, resume = { .type = LAYER_RESUME };
        o7s_flow *there = NULL, *here = NULL, *far = NULL, *after = NULL;
        o7s_listener *listener = NULL;
        IrmFixture *f = *state;
        LayerEnd end = {};
        int layer = fixture_online_layer(f, 2);

        assert_int_equal(o7s_listen("here", 0, &listener), 0);
        assert_int_equal(o7s_flow_alloc_start("here", &O7S_QOS_RAW, 0, LONG, &here), 0);
        assert_int_equal(o7s_flow_accept(listener, LONG, &there), 0);
        say_hello(here, there, "before");

        assert_int_equal(o7s_flow_alloc_start("far.example", &O7S_QOS_RAW, 0, LONG, &far), 0);
        layer_answer_query(layer, "far.example", 0);
        layer_hear(layer, LAYER_REQUEST, &request, NULL);
        layer_end_answer(layer, &request, token, &end);
        layer_hear(layer, LAYER_ESTABLISHED, &message, end.fds);
        assert_int_equal(fixture_finish(far), 0);

        fixture_kill(f);
        say_hello(there, here, "meanwhile");
        fixture_run(f);
        say_hello(here, there, "after");

        /* The layer comes back by itself, and the flow of before is still its client's: closing it reaches the
         * layer. */
        (void) close(layer);
        layer = fixture_connect_layer(f);
        {
                LayerMessage hello = { .type = LAYER_HELLO, .version = LAYER_PROTOCOL_VERSION,
                                       .layer_type = LAYER_ETH_DIX,
                                       .hash_algorithm = 1, .mtu = 1482, .oap_max = 1388, .layer = "lan" };
                LayerMessage online = { .type = LAYER_STATE, .state = LAYER_ONLINE, .mtu = 1482, .text = "again" };

                resume.flow_id = request.flow_id;
                layer_say(layer, &hello, NULL, 0);
                layer_say(layer, &resume, NULL, 0);
                layer_say(layer, &online, NULL, 0);
                layer_hear(layer, LAYER_WELCOME, &message, NULL);
                layer_hear(layer, LAYER_REGISTER, &message, NULL);
                layer_hear(layer, LAYER_REGISTER, &message, NULL);
        }
        o7s_flow_unref(far);
        layer_hear(layer, LAYER_CLOSE, &message, NULL);
        assert_int_equal(message.flow_id, request.flow_id);

        /* The listener still listens, on the connection of before. */
        o7s_flow_unref(there);
        there = NULL;
        assert_int_equal(o7s_flow_alloc_start("here", &O7S_QOS_RAW, 0, LONG, &after), 0);
        assert_int_equal(o7s_flow_accept(listener, LONG, &there), 0);
        say_hello(after, there, "new");

        o7s_flow_unref(here);
        o7s_flow_unref(after);
        o7s_flow_unref(there);
        o7s_listener_unref(listener);
        layer_end_close(&end);
        (void) close(layer);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_local_flow, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_listener_comes_late, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_unknown_name, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_wait_for_nobody, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_pending_limit, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_bad_clients, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_crash, set_up, tear_down),
        };

        if (argc < 2)
                return 2;
        if (argc > 2)
                cmocka_set_test_filter(argv[2]);

        arg_program = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
