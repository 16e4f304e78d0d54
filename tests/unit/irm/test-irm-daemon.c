/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * o7s-irm as a whole: libo7s as its clients, a layer played by the test, the store of the service manager played by
 * the fixture. What needs a bus is for the lab.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "basic/time.h"
#include "libo7s/doorbell.h"
#include "libo7s/lane.h"
#include "services/common/oap.h"
#include "tests/unit/irm/irm-fixture.h"

#define LONG (5 * USEC_PER_SEC)

static const char *arg_program;

static int set_up(void **state) {
        static IrmFixture fixture;      /* cmocka hands on a pointer */
        char text[256];

        fixture_start(&fixture, arg_program);
        fixture_plain(&fixture);
        (void) snprintf(text, sizeof(text), "[Name]\nLayer=lan\n[Bind]\nUser=%u\n", geteuid());
        fixture_write(&fixture, "names/here.name", text);
        fixture_write(&fixture, "names/idle.name", text);
        fixture_write(&fixture, "irm.conf", "[Quota]\nPendingPerUser=8\n");
        fixture_run(&fixture);
        *state = &fixture;
        return 0;
}

static int tear_down(void **state) {
        fixture_stop(*state);
        return 0;
}

/* Waits until a pending allocation is decided, and says how. */
static int finish(o7s_flow *flow) {
        int r;

        while ((r = o7s_flow_alloc_finish(flow)) == -EINPROGRESS) {
                struct pollfd pfd = { .fd = o7s_flow_fd(flow), .events = POLLIN };

                assert_int_equal(poll(&pfd, 1, 5000), 1);
        }

        return r;
}

static void say_hello(o7s_flow *from, o7s_flow *to, const char *text) {
        char buffer[64] = "";

        assert_int_equal(finish(from), 0);
        assert_int_equal(finish(to), 0);
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

        assert_int_equal(finish(waiting), -ETIMEDOUT);
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

/* -- through a layer -- */

/* The layer's side of an established flow: its own lane, and what came with ESTABLISHED. */
typedef struct LayerEnd {
        Lane *lane;
        int fds[LAYER_FDS_MAX];
} LayerEnd;

static void layer_end_close(LayerEnd *end) {
        lane_free(end->lane);
        (void) close(end->fds[0]);
        (void) close(end->fds[1]);
}

static void answer_query(int layer, const char *name, int result) {
        LayerMessage query, done = { .type = LAYER_QUERY_DONE, .result = result };

        layer_hear(layer, LAYER_QUERY, &query, NULL);
        assert_string_equal(query.name, name);
        done.query_id = query.query_id;
        layer_say(layer, &done, NULL, 0);
}

#define GRANTED_DELAY_MS 100U

/* Says yes to a request, as the other host's IRM would, and what the layer does for the flow. */
static void answer_request(int layer, const LayerMessage *request, const uint8_t token[CLOSE_TOKEN_BYTES],
                           LayerEnd *end) {
        LayerMessage reply = { .type = LAYER_REPLY, .flow_id = request->flow_id, .attempt = request->attempt };
        ssize_t size;
        int lane_fd;

        assert_int_equal(lane_new(request->lane_class, &end->lane, &lane_fd), 0);
        size = oap_response_build(request->oap, request->oap_size, token, 0, time_realtime_nsec(), reply.oap,
                                  sizeof(reply.oap));
        assert_true(size > 0);
        reply.oap_size = (size_t) size;
        reply.qos = request->qos;
        reply.qos.delay_ms = GRANTED_DELAY_MS;
        layer_say(layer, &reply, &lane_fd, 1);
        (void) close(lane_fd);
}

static void hear_registrations(int layer) {
        LayerMessage message;

        layer_hear(layer, LAYER_REGISTER, &message, NULL);
        layer_hear(layer, LAYER_REGISTER, &message, NULL);
}

static int online_layer(IrmFixture *f) {
        int layer = fixture_connect_layer(f);

        layer_come_online(layer, "lan");
        hear_registrations(layer);
        return layer;
}

static void test_flow_through_layer(void **state) {
        static const uint8_t token[CLOSE_TOKEN_BYTES] = "closeme";
        LayerMessage request, message;
        struct o7s_flow_info info = { .size = sizeof(info) };
        o7s_flow *flow = NULL;
        LayerEnd end = {};
        int layer = online_layer(*state);

        assert_int_equal(o7s_flow_alloc_start("far.example", &O7S_QOS_RAW, 0, LONG, &flow), 0);
        answer_query(layer, "far.example", 0);
        layer_hear(layer, LAYER_REQUEST, &request, NULL);
        assert_int_equal(request.attempt, 0);
        answer_request(layer, &request, token, &end);

        layer_hear(layer, LAYER_ESTABLISHED, &message, end.fds);
        assert_int_equal(message.flow_id, request.flow_id);
        assert_true(message.tokens.have_peer && message.tokens.have_own);
        assert_memory_equal(message.tokens.peer, token, sizeof(token));

        assert_int_equal(finish(flow), 0);
        assert_int_equal(o7s_flow_info(flow, &info), 0);
        assert_string_equal(info.layer, "lan");
        assert_int_equal(info.qos_asked.delay_ms, UINT32_MAX);
        assert_int_equal(info.qos_granted.delay_ms, GRANTED_DELAY_MS);

        /* The application closes: the layer is told. */
        o7s_flow_unref(flow);
        layer_hear(layer, LAYER_CLOSE, &message, NULL);
        assert_int_equal(message.flow_id, request.flow_id);

        layer_end_close(&end);
        (void) close(layer);
}

static void test_layer_says_no(void **state) {
        o7s_flow *flow = NULL;
        int layer = online_layer(*state);
        usec_t before = time_now();

        assert_int_equal(o7s_flow_alloc_start("far.example", &O7S_QOS_RAW, 0, LONG, &flow), 0);
        answer_query(layer, "far.example", -ENOENT);
        assert_int_equal(finish(flow), -ENOENT);
        assert_true(time_now() - before < 500 * USEC_PER_MSEC);

        o7s_flow_unref(flow);
        (void) close(layer);
}

/* Whoever gives up is forgotten by the layer too. */
static void test_cancel_reaches_layer(void **state) {
        LayerMessage request, message;
        o7s_flow *flow = NULL;
        int layer = online_layer(*state);

        assert_int_equal(o7s_flow_alloc_start("far.example", &O7S_QOS_RAW, 0, LONG, &flow), 0);
        answer_query(layer, "far.example", 0);
        layer_hear(layer, LAYER_REQUEST, &request, NULL);
        o7s_flow_unref(flow);
        layer_hear(layer, LAYER_ABORT, &message, NULL);
        assert_int_equal(message.flow_id, request.flow_id);
        (void) close(layer);
}

/* An answer that is not to our request is a refusal, whatever it says. */
static void test_forged_answer(void **state) {
        LayerMessage request, message, forged;
        static const uint8_t token[CLOSE_TOKEN_BYTES] = "closeme";
        o7s_flow *flow = NULL;
        LayerEnd end = {};
        int layer = online_layer(*state);

        assert_int_equal(o7s_flow_alloc_start("far.example", &O7S_QOS_RAW, 0, LONG, &flow), 0);
        answer_query(layer, "far.example", 0);
        layer_hear(layer, LAYER_REQUEST, &request, NULL);

        forged = request;
        forged.oap[20] ^= 1;            /* an answer to another request with the same id */
        answer_request(layer, &forged, token, &end);
        layer_hear(layer, LAYER_ABORT, &message, NULL);
        assert_int_equal(finish(flow), -EKEYREJECTED);

        lane_free(end.lane);
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

/* The listener has accepted: what the layer then does, to the end. */
static void layer_confirms(int layer, const LayerMessage *accept, LayerEnd *end) {
        LayerMessage reply = { .type = LAYER_REPLY, .flow_id = accept->flow_id }, message;
        int lane_fd;

        assert_int_equal(lane_new(accept->lane_class, &end->lane, &lane_fd), 0);
        layer_say(layer, &reply, &lane_fd, 1);
        (void) close(lane_fd);
        layer_hear(layer, LAYER_ESTABLISHED, &message, end->fds);
        assert_int_equal(message.flow_id, accept->flow_id);
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
        int layer = online_layer(*state);

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
        layer_confirms(layer, &message, &end);
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
        int layer = online_layer(*state);

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

/* -- ends -- */

static void test_killed_program(void **state) {
        static const uint8_t token[CLOSE_TOKEN_BYTES] = "closeme";
        LayerMessage request, message;
        o7s_flow *flow = NULL;
        LayerEnd end = {};
        int layer = online_layer(*state), ready[2];
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

        answer_query(layer, "far.example", 0);
        layer_hear(layer, LAYER_REQUEST, &request, NULL);
        answer_request(layer, &request, token, &end);
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

static int raw_connection(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", getenv("O7S_SOCKET"));
        assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        return fd;
}

static void loses_its_connection(int fd) {
        struct pollfd pfd = { .fd = fd };
        char byte;

        assert_int_equal(poll(&pfd, 1, 5000), 1);
        assert_true(recv(fd, &byte, 1, MSG_DONTWAIT) <= 0);
        (void) close(fd);
}

static void test_bad_clients(void **state) {
        const IrmMessage of_the_irm = { .type = IRM_WITHDRAWN, .flow_id = 1 };
        int fd;

        fd = raw_connection();
        assert_int_equal(send(fd, "\xff\xff garbage", 10, MSG_NOSIGNAL), 10);
        loses_its_connection(fd);

        fd = raw_connection();
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
        int layer = online_layer(f);

        assert_int_equal(o7s_listen("here", 0, &listener), 0);
        assert_int_equal(o7s_flow_alloc_start("here", &O7S_QOS_RAW, 0, LONG, &here), 0);
        assert_int_equal(o7s_flow_accept(listener, LONG, &there), 0);
        say_hello(here, there, "before");

        assert_int_equal(o7s_flow_alloc_start("far.example", &O7S_QOS_RAW, 0, LONG, &far), 0);
        answer_query(layer, "far.example", 0);
        layer_hear(layer, LAYER_REQUEST, &request, NULL);
        answer_request(layer, &request, token, &end);
        layer_hear(layer, LAYER_ESTABLISHED, &message, end.fds);
        assert_int_equal(finish(far), 0);

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
                hear_registrations(layer);
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
                cmocka_unit_test_setup_teardown(test_flow_through_layer, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_layer_says_no, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_cancel_reaches_layer, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_forged_answer, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_incoming, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_incoming_refused, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_killed_program, set_up, tear_down),
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
