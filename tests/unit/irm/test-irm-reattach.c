/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * o7s-irm between a program and a layer that was killed, in every order, and where one of them lies. The layer's end
 * is a new connection; that its process is another one is what the lab tries.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "basic/time.h"
#include "libo7s/doorbell.h"
#include "libo7s/lane.h"
#include "services/common/oap.h"
#include "tests/unit/irm/irm-fixture.h"

static const char *arg_program;

/* A flow through "lan", established. */
typedef struct Scene {
        IrmFixture *fixture;
        int client;
        int layer;
        int doorbell;                   /* the program's end */
        uint64_t flow_id;
        LaneClass class;
} Scene;

/* -- a client -- */

static int client_ask(int fd, const IrmMessage *request, IrmMessage *ret) {
        struct pollfd pfd = { .fd = fd, .events = POLLIN };
        int fds[IRM_FDS_MAX];

        assert_int_equal(irm_message_send(fd, request, NULL, 0), 0);
        assert_int_equal(poll(&pfd, 1, 60000), 1);
        assert_int_equal(irm_message_receive(fd, ret, fds), 0);
        assert_int_equal(ret->type, IRM_REPLY);
        return fds[0];
}

/* Returns the result; *ret_doorbell is one where that is 0. */
static int ask_to_reattach(int fd, uint64_t flow_id, int *ret_doorbell) {
        const IrmMessage request = { .type = IRM_REATTACH, .version = IRM_PROTOCOL_VERSION, .flow_id = flow_id };
        IrmMessage reply;

        *ret_doorbell = client_ask(fd, &request, &reply);
        assert_int_equal(*ret_doorbell >= 0, reply.result == 0);
        return reply.result;
}

static void hand_in_lane(const Scene *s) {
        const IrmMessage message = { .type = IRM_LANE, .flow_id = s->flow_id };
        int fd = fixture_make_lane_of(s->class);

        assert_int_equal(irm_message_send(s->client, &message, &fd, 1), 0);
        (void) close(fd);
}

static int hear_outcome(int doorbell, int expected) {
        struct pollfd pfd = { .fd = doorbell, .events = POLLIN };
        IrmMessage outcome;
        int lane = -1;

        assert_int_equal(poll(&pfd, 1, 60000), 1);
        assert_int_equal(irm_message_receive_outcome(doorbell, &outcome, &lane), 0);
        assert_int_equal(outcome.result, expected);
        assert_int_equal(lane >= 0, expected == 0);

        /* What was agreed on lives as long as the flow. */
        if (expected == 0) {
                assert_int_equal(outcome.info.transfer, IRM_TRANSFER_EXTENDED);
                assert_int_equal(outcome.info.mpl_ms, 100);
                assert_int_equal(outcome.info.qos.loss, 0);
                assert_int_equal(outcome.info.qos.in_order, 1);
                assert_int_equal(outcome.info.qos.ber, 1);
        }
        return lane;
}

static bool hangs_up(int fd) {
        struct pollfd pfd = { .fd = fd };       /* only that it hangs up */

        return poll(&pfd, 1, 5000) == 1;
}

/* -- a layer -- */

static void say_hello(int layer) {
        static const LayerMessage hello = { .type = LAYER_HELLO, .version = LAYER_PROTOCOL_VERSION, .layer = "lan",
                                            .layer_type = LAYER_ETH_DIX, .hash_algorithm = 1, .mtu = 1482,
                                            .oap_max = 1388 };

        layer_say(layer, &hello, NULL, 0);
}

static void say_state(int layer) {
        static const LayerMessage online = { .type = LAYER_STATE, .state = LAYER_ONLINE, .text = "again", .mtu = 1482 };

        layer_say(layer, &online, NULL, 0);
}

static void say_reattach(int layer, uint64_t flow_id, LaneClass class) {
        const LayerMessage message = { .type = LAYER_REATTACH, .flow_id = flow_id, .uid = geteuid() };
        int fd = fixture_make_lane_of(class);

        layer_say(layer, &message, &fd, 1);
        (void) close(fd);
}

/* The layer's next process, with this flow (0: none). */
static void layer_returns(Scene *s, uint64_t flow_id) {
        LayerMessage message;

        (void) close(s->layer);
        s->layer = fixture_connect_layer(s->fixture);
        say_hello(s->layer);
        if (flow_id != 0)
                say_reattach(s->layer, flow_id, s->class);
        say_state(s->layer);
        layer_hear(s->layer, LAYER_WELCOME, &message, NULL);
}

/* Both ends are handed out: the lanes cross, and the doorbell is one. */
static void is_attached(Scene *s) {
        int fds[LAYER_FDS_MAX], lane = hear_outcome(s->doorbell, 0);
        struct pollfd pfd = { .fd = s->doorbell, .events = POLLIN };
        LayerMessage message;
        Lane *mapped;

        layer_hear(s->layer, LAYER_ESTABLISHED, &message, fds);
        assert_int_equal(message.flow_id, s->flow_id);
        assert_int_equal(message.uid, geteuid());

        assert_int_equal(lane_open(s->class, lane, &mapped), 0);
        lane_free(mapped);
        assert_int_equal(lane_open(s->class, fds[0], &mapped), 0);
        lane_free(mapped);

        assert_int_equal(doorbell_ring(fds[1]), 0);
        assert_int_equal(poll(&pfd, 1, 60000), 1);
        (void) close(lane);
        (void) close(fds[0]);
        (void) close(fds[1]);
}

/* -- the scene -- */

static void establish(Scene *s) {
        static const uint8_t token[CLOSE_TOKEN_BYTES] = "closeme";
        IrmMessage allocate = { .type = IRM_ALLOCATE, .version = IRM_PROTOCOL_VERSION, .timeout_usec = 5 * USEC_PER_SEC,
                                .info = { .name = "far.example", .qos = O7S_QOS_DATA } }, reply;
        LayerMessage request, done = { .type = LAYER_QUERY_DONE }, answer = { .type = LAYER_REPLY };
        ssize_t size;
        int fd;

        s->doorbell = client_ask(s->client, &allocate, &reply);
        assert_int_equal(reply.result, 0);
        s->flow_id = reply.flow_id;
        s->class = reply.lane_class;
        hand_in_lane(s);

        layer_hear(s->layer, LAYER_QUERY, &request, NULL);
        done.query_id = request.query_id;
        layer_say(s->layer, &done, NULL, 0);
        layer_hear(s->layer, LAYER_REQUEST, &request, NULL);

        answer.flow_id = request.flow_id;
        size = oap_response_build(request.oap, request.oap_size, token, 0, time_realtime_nsec(), answer.oap,
                                  sizeof(answer.oap));
        assert_true(size > 0);
        answer.oap_size = (size_t) size;
        fd = fixture_make_lane_of(s->class);
        layer_say(s->layer, &answer, &fd, 1);
        (void) close(fd);
        is_attached(s);
}

static int set_up(void **state) {
        static IrmFixture fixture;      /* cmocka hands on a pointer */
        static Scene scene;

        fixture_start(&fixture, arg_program);
        fixture_plain(&fixture);
        fixture_run(&fixture);
        scene = (Scene) { .fixture = &fixture, .client = fixture_connect_client(),
                          .layer = fixture_connect_layer(&fixture) };
        layer_come_online(scene.layer, "lan");
        establish(&scene);
        *state = &scene;
        return 0;
}

static int tear_down(void **state) {
        Scene *s = *state;

        (void) close(s->client);
        (void) close(s->layer);
        (void) close(s->doorbell);
        fixture_stop(s->fixture);
        return 0;
}

static void ask_again(Scene *s) {
        (void) close(s->doorbell);
        assert_int_equal(ask_to_reattach(s->client, s->flow_id, &s->doorbell), 0);
}

/* -- tests -- */

static void test_program_first(void **state) {
        Scene *s = *state;

        for (unsigned round = 0; round < 3; round++) {
                ask_again(s);
                hand_in_lane(s);
                layer_returns(s, s->flow_id);
                is_attached(s);
        }
}

static void test_layer_first(void **state) {
        Scene *s = *state;

        for (unsigned round = 0; round < 3; round++) {
                layer_returns(s, s->flow_id);
                layer_hears_nothing(s->layer);
                ask_again(s);
                layer_hears_nothing(s->layer);
                hand_in_lane(s);
                is_attached(s);
        }
}

/* The layer dies again before the program has seen the first time; it gets the lane of the last process. */
static void test_layer_twice(void **state) {
        Scene *s = *state;

        layer_returns(s, s->flow_id);
        ask_again(s);
        layer_returns(s, s->flow_id);
        hand_in_lane(s);
        is_attached(s);
}

static void test_program_asks_twice(void **state) {
        Scene *s = *state;
        int first;

        ask_again(s);
        hand_in_lane(s);
        first = s->doorbell;
        assert_int_equal(ask_to_reattach(s->client, s->flow_id, &s->doorbell), 0);
        assert_true(hangs_up(first));
        (void) close(first);

        layer_returns(s, s->flow_id);
        layer_hears_nothing(s->layer);          /* the lane of the first time does not count */
        hand_in_lane(s);
        is_attached(s);
}

static void test_layer_without_flow(void **state) {
        Scene *s = *state;
        int doorbell;

        ask_again(s);
        hand_in_lane(s);
        layer_returns(s, 0);
        (void) hear_outcome(s->doorbell, -ENETDOWN);
        assert_int_equal(ask_to_reattach(s->client, s->flow_id, &doorbell), -ESTALE);
}

/* A program that says so of a flow that is well: nobody comes back, and it alone has lost something. */
static void test_program_lies(void **state) {
        Scene *s = *state;
        LayerMessage message;

        ask_again(s);
        hand_in_lane(s);
        (void) hear_outcome(s->doorbell, -ENETDOWN);
        layer_hear(s->layer, LAYER_CLOSE, &message, NULL);
        assert_int_equal(message.flow_id, s->flow_id);
}

static void test_flows_of_others(void **state) {
        Scene *s = *state;
        int doorbell;

        assert_int_equal(ask_to_reattach(s->client, s->flow_id + 1, &doorbell), -ESTALE);
        assert_int_equal(ask_to_reattach(s->client, 0, &doorbell), -ESTALE);
        assert_int_equal(ask_to_reattach(s->client, UINT64_MAX, &doorbell), -ESTALE);
}

/* A lane that nobody asked for costs the connection, and a second one too. */
static void test_lane_unasked(void **state) {
        Scene *s = *state;

        hand_in_lane(s);
        assert_true(hangs_up(s->client));
}

static void test_lane_twice(void **state) {
        Scene *s = *state;

        ask_again(s);
        hand_in_lane(s);
        hand_in_lane(s);
        assert_true(hangs_up(s->client));
}

/* A flow that has ended meanwhile is ended there too. */
static void test_layer_with_unknown_flow(void **state) {
        Scene *s = *state;
        LayerMessage message;

        layer_returns(s, s->flow_id + 1);
        layer_hear(s->layer, LAYER_CLOSE, &message, NULL);
        assert_int_equal(message.flow_id, s->flow_id + 1);
}

static void test_closed_while_suspended(void **state) {
        Scene *s = *state;
        LayerMessage message;

        ask_again(s);
        assert_int_equal(irm_message_send(s->client, &(IrmMessage) { .type = IRM_DEALLOCATE, .flow_id = s->flow_id },
                                          NULL, 0), 0);
        layer_hear(s->layer, LAYER_CLOSE, &message, NULL);
        layer_returns(s, s->flow_id);
        layer_hear(s->layer, LAYER_CLOSE, &message, NULL);
        assert_int_equal(message.flow_id, s->flow_id);
}

static void test_layer_too_late(void **state) {
        Scene *s = *state;

        say_reattach(s->layer, s->flow_id, s->class);
        assert_true(hangs_up(s->layer));
}

/* The next IRM has not seen anybody die, and knows the flow from its store. */
static void test_irm_killed_too(void **state) {
        Scene *s = *state;

        fixture_collect(s->fixture);
        fixture_kill(s->fixture);
        fixture_run(s->fixture);
        layer_returns(s, s->flow_id);
        (void) close(s->client);
        s->client = fixture_connect_client();
        ask_again(s);
        hand_in_lane(s);
        is_attached(s);
}

int main(int argc, char *argv[]) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_program_first),
                TEST(test_layer_first),
                TEST(test_layer_twice),
                TEST(test_program_asks_twice),
                TEST(test_layer_without_flow),
                TEST(test_program_lies),
                TEST(test_flows_of_others),
                TEST(test_lane_unasked),
                TEST(test_lane_twice),
                TEST(test_layer_with_unknown_flow),
                TEST(test_closed_while_suspended),
                TEST(test_layer_too_late),
                TEST(test_irm_killed_too),
        };

        if (argc < 2)
                return 2;

        arg_program = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
