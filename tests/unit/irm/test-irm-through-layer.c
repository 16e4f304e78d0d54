/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Flows through a layer that the test plays, of programs that use libo7s: those asked for here, and by another host. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "basic/time.h"
#include "services/common/oap.h"
#include "tests/unit/irm/layer-end.h"

#define LONG (5 * USEC_PER_SEC)

static const char *arg_program;

static int set_up(void **state) {
        static IrmFixture fixture;      /* cmocka hands on a pointer */

        fixture_start(&fixture, arg_program);
        fixture_plain(&fixture);
        fixture_write_name(&fixture, "here");
        fixture_write_name(&fixture, "idle");
        fixture_run(&fixture);
        *state = &fixture;
        return 0;
}

static int tear_down(void **state) {
        fixture_stop(*state);
        return 0;
}

static void test_flow_through_layer(void **state) {
        static const uint8_t token[CLOSE_TOKEN_BYTES] = "closeme";
        LayerMessage request, message;
        struct o7s_flow_info info = { .size = sizeof(info) };
        o7s_flow *flow = NULL;
        LayerEnd end = {};
        int layer = fixture_online_layer(*state, 2);

        assert_int_equal(o7s_flow_alloc_start("far.example", &O7S_QOS_RAW, 0, LONG, &flow), 0);
        layer_answer_query(layer, "far.example", 0);
        layer_hear(layer, LAYER_REQUEST, &request, NULL);
        assert_int_equal(request.attempt, 0);
        layer_end_answer(layer, &request, token, &end);

        layer_hear(layer, LAYER_ESTABLISHED, &message, end.fds);
        assert_int_equal(message.flow_id, request.flow_id);
        assert_true(message.tokens.have_peer && message.tokens.have_own);
        assert_memory_equal(message.tokens.peer, token, sizeof(token));

        assert_int_equal(fixture_finish(flow), 0);
        assert_int_equal(o7s_flow_info(flow, &info), 0);
        assert_string_equal(info.layer, "lan");
        assert_int_equal(info.qos_asked.delay_ms, UINT32_MAX);
        assert_int_equal(info.qos_granted.delay_ms, LAYER_END_DELAY_MS);

        /* The application closes: the layer is told. */
        o7s_flow_unref(flow);
        layer_hear(layer, LAYER_CLOSE, &message, NULL);
        assert_int_equal(message.flow_id, request.flow_id);

        layer_end_close(&end);
        (void) close(layer);
}

static void test_layer_says_no(void **state) {
        o7s_flow *flow = NULL;
        int layer = fixture_online_layer(*state, 2);
        usec_t before = time_now();

        assert_int_equal(o7s_flow_alloc_start("far.example", &O7S_QOS_RAW, 0, LONG, &flow), 0);
        layer_answer_query(layer, "far.example", -ENOENT);
        assert_int_equal(fixture_finish(flow), -ENOENT);
        assert_true(time_now() - before < 500 * USEC_PER_MSEC);

        o7s_flow_unref(flow);
        (void) close(layer);
}

/* Whoever gives up is forgotten by the layer too. */
static void test_cancel_reaches_layer(void **state) {
        LayerMessage request, message;
        o7s_flow *flow = NULL;
        int layer = fixture_online_layer(*state, 2);

        assert_int_equal(o7s_flow_alloc_start("far.example", &O7S_QOS_RAW, 0, LONG, &flow), 0);
        layer_answer_query(layer, "far.example", 0);
        layer_hear(layer, LAYER_REQUEST, &request, NULL);
        o7s_flow_unref(flow);
        layer_hear(layer, LAYER_ABORT, &message, NULL);
        assert_int_equal(message.flow_id, request.flow_id);
        (void) close(layer);
}

/* An answer that is not to our request is none, whatever it says: it is asked for again, three times in all. */
static void test_forged_answer(void **state) {
        static const uint8_t token[CLOSE_TOKEN_BYTES] = "closeme";
        LayerMessage request, message;
        o7s_flow *flow = NULL;
        int layer = fixture_online_layer(*state, 2);

        assert_int_equal(o7s_flow_alloc_start("far.example", &O7S_QOS_RAW, 0, LONG, &flow), 0);
        layer_answer_query(layer, "far.example", 0);
        for (uint32_t attempt = 0; attempt < 3; attempt++) {
                LayerEnd end = {};

                layer_hear(layer, LAYER_REQUEST, &request, NULL);
                assert_int_equal(request.attempt, attempt);
                request.oap[20] ^= 1;   /* an answer to another request with the same id */
                layer_end_answer(layer, &request, token, &end);
                layer_hear(layer, LAYER_ABORT, &message, NULL);
                lane_free(end.lane);
        }
        assert_int_equal(fixture_finish(flow), -EKEYREJECTED);

        o7s_flow_unref(flow);
        (void) close(layer);
}

static const OapRequest *build_incoming(LayerMessage *incoming, const char *name, const OapRequest *replaced) {
        static OapRequest request;
        static uint8_t random = 1;
        uint8_t bytes[OAP_ID_BYTES + OAP_TOKEN_BYTES];
        OapRequest before = replaced ? *replaced : (OapRequest) {};
        ssize_t size;

        memset(bytes, random++, sizeof(bytes));
        size = oap_request_build(bytes, time_realtime_nsec(), 0, replaced ? &before : NULL, incoming->oap,
                                 sizeof(incoming->oap), &request);
        assert_true(size > 0);
        incoming->oap_size = (size_t) size;
        incoming->qos = O7S_QOS_RAW;
        (void) snprintf(incoming->peer, sizeof(incoming->peer), "02:00:00:00:00:01");
        size = hash_compute(HASH_SHA3_256, name, strlen(name), incoming->hash);
        assert_true(size > 0);
        incoming->hash_size = (size_t) size;
        return &request;
}

/* Kept until somebody listens; a successor takes its place; the answer is to the last one. */
static void test_incoming(void **state) {
        LayerMessage incoming = { .type = LAYER_INCOMING, .reference = 7 },
        successor = { .type = LAYER_INCOMING, .reference = 8 };
        LayerMessage message, down = { .type = LAYER_DOWN, .close_reason = CLOSE_NORMAL };
        o7s_listener *listener = NULL;
        o7s_flow *flow = NULL;
        const OapRequest *request;
        OapExtension extension;
        OapHeader header;
        LayerEnd end = {};
        int layer = fixture_online_layer(*state, 2);

        request = build_incoming(&incoming, "here", NULL);
        layer_say(layer, &incoming, NULL, 0);
        layer_hears_nothing(layer);

        request = build_incoming(&successor, "here", request);
        layer_say(layer, &successor, NULL, 0);
        layer_hear(layer, LAYER_REFUSE, &message, NULL);
        assert_int_equal(message.reference, 7);
        assert_int_equal(message.result, 0);

        /* The listener answers offers inside accept, which waits for the layer: so it is another process. */
        if (fork() == 0) {
                if (o7s_listen("here", 0, &listener) < 0 || o7s_flow_accept(listener, LONG, &flow) < 0)
                        _exit(1);
                o7s_flow_unref(flow);
                o7s_listener_unref(listener);
                _exit(0);
        }

        layer_hear(layer, LAYER_ACCEPT, &message, NULL);
        assert_int_equal(message.reference, 8);
        assert_true(message.tokens.have_peer);
        assert_memory_equal(message.tokens.peer, request->token, CLOSE_TOKEN_BYTES);
        assert_int_equal(oap_response_parse(request, message.oap, message.oap_size, &header, &extension), 0);
        assert_memory_equal(extension.token, message.tokens.own, CLOSE_TOKEN_BYTES);
        down.flow_id = message.flow_id;
        layer_end_confirm(layer, &message, &end);
        layer_hear(layer, LAYER_CLOSE, &message, NULL);         /* the listener closed it */

        layer_say(layer, &down, NULL, 0);                       /* crosses it, harmlessly */
        (void) wait(NULL);
        layer_end_close(&end);
        (void) close(layer);
}

static void wrong_quality(LayerMessage *incoming) {
        incoming->qos.availability_nines = 9;
}

static void cut_off(LayerMessage *incoming) {
        incoming->oap_size = 20;
}

static void of_long_ago(LayerMessage *incoming) {
        memset(incoming->oap + 16, 0, 8);       /* its time-stamp */
}

static void with_digest_1056(LayerMessage *incoming) {
        incoming->oap[28] = 0x04;               /* that we do not have, and the reference does */
        incoming->oap[29] = 0x20;
}

/* What other hosts ask that we do not do: whatever is wrong with it, and whether or not there is such a name, the
 * same silence. */
static void test_incoming_refused(void **state) {
        static const struct {
                const char *what;
                const char *name;
                void (*spoil)(LayerMessage *incoming);
        } cases[] = {
                { "no such name",             "nosuch.example", NULL              },
                { "no such name, cut off",    "nosuch.example", cut_off           },
                { "quality that cannot be",   "here",           wrong_quality     },
                { "cut off",                  "here",           cut_off           },
                { "of long ago",              "here",           of_long_ago       },
                { "with another digest",      "here",           with_digest_1056  },
        };
        LayerMessage message, incoming = { .type = LAYER_INCOMING };
        int layer = fixture_online_layer(*state, 2);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                print_message("%s\n", cases[i].what);
                incoming = (LayerMessage) { .type = LAYER_INCOMING, .reference = i + 1 };
                (void) build_incoming(&incoming, cases[i].name, NULL);
                if (cases[i].spoil)
                        cases[i].spoil(&incoming);
                layer_say(layer, &incoming, NULL, 0);
                layer_hear(layer, LAYER_REFUSE, &message, NULL);
                assert_int_equal(message.reference, i + 1);
                assert_int_equal(message.result, 0);
                assert_int_equal(message.oap_size, 0);
        }

        /* The same bytes again are a replay. */
        incoming = (LayerMessage) { .type = LAYER_INCOMING, .reference = 100 };
        (void) build_incoming(&incoming, "here", NULL);
        layer_say(layer, &incoming, NULL, 0);
        layer_hears_nothing(layer);
        incoming.reference = 101;
        layer_say(layer, &incoming, NULL, 0);
        layer_hear(layer, LAYER_REFUSE, &message, NULL);
        assert_int_equal(message.reference, 101);
        assert_int_equal(message.result, 0);
        (void) close(layer);
}

static void test_killed_program(void **state) {
        static const uint8_t token[CLOSE_TOKEN_BYTES] = "closeme";
        LayerMessage request, message;
        o7s_flow *flow = NULL;
        LayerEnd end = {};
        int layer = fixture_online_layer(*state, 2), ready[2];
        usec_t before;
        char byte;
        pid_t pid;

        assert_int_equal(pipe(ready), 0);
        pid = fork();
        if (pid == 0) {
                if (o7s_flow_alloc("far.example", &O7S_QOS_RAW, 0, LONG, &flow) == 0)
                        (void) !write(ready[1], "x", 1);
                for (;;)
                        (void) pause();
        }

        layer_answer_query(layer, "far.example", 0);
        layer_hear(layer, LAYER_REQUEST, &request, NULL);
        layer_end_answer(layer, &request, token, &end);
        layer_hear(layer, LAYER_ESTABLISHED, &message, end.fds);
        assert_int_equal(read(ready[0], &byte, 1), 1);

        before = time_now();
        assert_int_equal(kill(pid, SIGKILL), 0);
        layer_hear(layer, LAYER_CLOSE, &message, NULL);
        assert_int_equal(message.flow_id, request.flow_id);
        assert_int_equal(message.close_reason, CLOSE_PEER_DIED);
        assert_true(time_now() - before < USEC_PER_SEC);

        (void) waitpid(pid, NULL, 0);
        layer_end_close(&end);
        (void) close(ready[0]);
        (void) close(ready[1]);
        (void) close(layer);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_flow_through_layer, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_layer_says_no, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_cancel_reaches_layer, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_forged_answer, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_incoming, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_incoming_refused, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_killed_program, set_up, tear_down),
        };

        if (argc < 2)
                return 2;
        if (argc > 2)
                cmocka_set_test_filter(argv[2]);

        arg_program = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
