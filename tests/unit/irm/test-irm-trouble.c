/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * o7s-irm among programs and layers that go away, lie or dawdle at the worst moment. Messages are made by hand: libo7s
 * would never send these. That the daemon is well is what the fixture sees at the end of each test.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "basic/time.h"
#include "libo7s/lane.h"
#include "services/common/oap.h"
#include "tests/unit/irm/irm-fixture.h"

#define LONG (5 * USEC_PER_SEC)

static const char *arg_program;

static int set_up(void **state) {
        static IrmFixture fixture;      /* cmocka hands on a pointer */

        fixture_start(&fixture, arg_program);
        fixture_plain(&fixture);
        fixture_write_name(&fixture, "here");
        fixture_run(&fixture);
        *state = &fixture;
        return 0;
}

static int tear_down(void **state) {
        fixture_stop(*state);
        return 0;
}

/* -- a client -- */

static void client_say(int fd, const IrmMessage *message, const int *fds, unsigned n_fds) {
        assert_int_equal(irm_message_send(fd, message, fds, n_fds), 0);
}

/* Asks for a flow. Returns its doorbell. */
static int client_allocate(int fd, const char *name, IrmMessage *ret) {
        IrmMessage message = { .type = IRM_ALLOCATE, .version = IRM_PROTOCOL_VERSION, .timeout_usec = LONG };
        int fds[IRM_FDS_MAX];

        message.info.qos = O7S_QOS_RAW;
        (void) snprintf(message.info.name, sizeof(message.info.name), "%s", name);
        client_say(fd, &message, NULL, 0);
        fixture_client_hear(fd, IRM_REPLY, ret, fds);
        assert_int_equal(ret->result, 0);
        return fds[0];
}

static void hear_outcome(int doorbell, IrmMessage *ret, int *ret_lane) {
        struct pollfd pfd = { .fd = doorbell, .events = POLLIN };

        assert_int_equal(poll(&pfd, 1, 60000), 1);
        assert_int_equal(irm_message_receive_outcome(doorbell, ret, ret_lane), 0);
}

/* -- a layer -- */

static void answer_request(int layer, const LayerMessage *request) {
        static const uint8_t token[CLOSE_TOKEN_BYTES] = "closeme";
        LayerMessage reply = { .type = LAYER_REPLY, .flow_id = request->flow_id, .attempt = request->attempt };
        Lane *lane;
        ssize_t size;
        int fd;

        assert_int_equal(lane_new(request->lane_class, &lane, &fd), 0);
        size = oap_response_build(request->oap, request->oap_size, token, 0, time_realtime_nsec(), reply.oap,
                                  sizeof(reply.oap));
        assert_true(size > 0);
        reply.oap_size = (size_t) size;
        layer_say(layer, &reply, &fd, 1);
        lane_free(lane);
        (void) close(fd);
}

static bool loses_connection(int fd) {
        struct pollfd pfd = { .fd = fd };       /* only that it hangs up */

        return poll(&pfd, 1, 5000) == 1;
}

/* -- tests -- */

/* The other host has answered, the asking program has not brought its lane, and the layer hangs up. */
static void test_layer_leaves_answered_flow(void **state) {
        IrmMessage allocated, outcome;
        LayerMessage request;
        int layer = fixture_online_layer(*state, 1), client = fixture_connect_client(), doorbell, lane;

        doorbell = client_allocate(client, "far.example", &allocated);
        layer_answer_query(layer, NULL, 0);
        layer_hear(layer, LAYER_REQUEST, &request, NULL);
        answer_request(layer, &request);
        (void) close(layer);

        hear_outcome(doorbell, &outcome, &lane);
        assert_int_equal(outcome.result, -ENETDOWN);
        assert_int_equal(lane, -1);
        (void) close(doorbell);
        (void) close(client);
}

/* A program that calls itself: each lane goes where it belongs, also when the listener is the faster of the two. */
static void test_program_calls_itself(void **state) {
        IrmMessage allocated, message, lane_message = { .type = IRM_LANE };
        int client = fixture_connect_client(), listener = fixture_client_listen("here"), doorbell, lane_fd, seen,
            fds[IRM_FDS_MAX];
        struct stat mine, theirs, got;
        Lane *lane;

        doorbell = client_allocate(client, "here", &allocated);
        fixture_client_hear(listener, IRM_OFFER, &message, NULL);
        assert_int_equal(message.flow_id, allocated.flow_id);
        lane_message.flow_id = message.flow_id;

        assert_int_equal(lane_new(message.lane_class, &lane, &lane_fd), 0);
        assert_int_equal(fstat(lane_fd, &theirs), 0);
        client_say(listener, &lane_message, &lane_fd, 1);
        (void) close(lane_fd);
        lane_free(lane);
        (void) usleep(20 * USEC_PER_MSEC);      /* the two connections have no order */

        assert_int_equal(lane_new(allocated.lane_class, &lane, &lane_fd), 0);
        assert_int_equal(fstat(lane_fd, &mine), 0);
        client_say(client, &lane_message, &lane_fd, 1);
        (void) close(lane_fd);
        lane_free(lane);

        hear_outcome(doorbell, &message, &seen);
        assert_int_equal(message.result, 0);
        assert_int_equal(fstat(seen, &got), 0);
        assert_int_equal(got.st_ino, theirs.st_ino);
        (void) close(seen);

        fixture_client_hear(listener, IRM_ESTABLISHED, &message, fds);
        assert_int_equal(fstat(fds[0], &got), 0);
        assert_int_equal(got.st_ino, mine.st_ino);
        (void) close(fds[0]);
        (void) close(fds[1]);
        (void) close(doorbell);
        (void) close(listener);
        (void) close(client);
}

/* Another host asks for a flow to "here". */
static void layer_asks(int layer, uint8_t reference) {
        LayerMessage incoming = { .type = LAYER_INCOMING, .reference = reference, .qos = O7S_QOS_RAW,
                                  .peer = "02:00:00:00:00:01" };
        uint8_t random[OAP_ID_BYTES + OAP_TOKEN_BYTES] = { reference };
        OapRequest request;
        ssize_t size;

        size = oap_request_build(random, time_realtime_nsec(), 0, NULL, incoming.oap, sizeof(incoming.oap), &request);
        assert_true(size > 0);
        incoming.oap_size = (size_t) size;
        size = hash_compute(HASH_SHA3_256, "here", 4, incoming.hash);
        assert_true(size > 0);
        incoming.hash_size = (size_t) size;
        layer_say(layer, &incoming, NULL, 0);
}

/* A listener goes away with an offer of another host: the next one gets it, at once. */
static void test_offer_moves_on(void **state) {
        struct pollfd pfds[2] = { { .events = POLLIN }, { .events = POLLIN } };
        int layer = fixture_online_layer(*state, 1), first;
        IrmMessage message;

        for (size_t i = 0; i < ELEMENTSOF(pfds); i++)
                pfds[i].fd = fixture_client_listen("here");

        layer_asks(layer, 1);
        assert_int_equal(poll(pfds, ELEMENTSOF(pfds), 60000), 1);
        first = pfds[0].revents ? 0 : 1;
        fixture_client_hear(pfds[first].fd, IRM_OFFER, &message, NULL);
        (void) close(pfds[first].fd);
        fixture_client_hear(pfds[!first].fd, IRM_OFFER, &message, NULL);

        (void) close(pfds[!first].fd);
        (void) close(layer);
}

/* A listener whose user may have one flow: the others wait, oldest first, for the one before to go. */
static void test_queue_at_limit(void **state) {
        LayerMessage gone = { .type = LAYER_INCOMING_GONE };
        uint64_t before = 0;
        IrmMessage message;
        int layer, listener;

        fixture_kill(*state);
        fixture_write(*state, "irm.conf", "[Quota]\nFlowsPerUser=1\n");
        fixture_run(*state);

        layer = fixture_online_layer(*state, 1);
        listener = fixture_client_listen("here");
        for (uint8_t reference = 1; reference <= 20; reference++)
                layer_asks(layer, reference);

        /* Ids grow, and so tell the order in which they came. */
        for (uint8_t reference = 1; reference <= 20; reference++) {
                struct pollfd pfd = { .fd = listener, .events = POLLIN };

                fixture_client_hear(listener, IRM_OFFER, &message, NULL);
                assert_true(before == 0 || message.flow_id == before + 1);
                before = message.flow_id;
                assert_int_equal(poll(&pfd, 1, 20), 0);

                gone.reference = reference;
                layer_say(layer, &gone, NULL, 0);
                fixture_client_hear(listener, IRM_WITHDRAWN, &message, NULL);
                assert_int_equal(message.flow_id, before);
        }

        (void) close(listener);
        (void) close(layer);
}

/* A listener that does not answer its offer does not keep a flow from the layers. */
static void test_listener_dawdles(void **state) {
        int client = fixture_connect_client(), listener = fixture_client_listen("here"),
            layer = fixture_online_layer(*state, 1), doorbell;
        usec_t before = time_now();
        IrmMessage message;
        LayerMessage request;

        doorbell = client_allocate(client, "here", &message);
        fixture_client_hear(listener, IRM_OFFER, &message, NULL);
        layer_answer_query(layer, NULL, 0);
        layer_hear(layer, LAYER_REQUEST, &request, NULL);
        assert_true(time_now() - before < USEC_PER_SEC);
        fixture_client_hear(listener, IRM_WITHDRAWN, &message, NULL);
        assert_int_equal(message.flow_id, request.flow_id);

        (void) close(doorbell);
        (void) close(listener);
        (void) close(client);
        (void) close(layer);
}

/* Seven letters of two bytes each. */
#define UMLAUTS "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc"

/* Names of elsewhere are any bytes; sentences about them are text all the same, and arrive. */
static void test_sentences_are_text(void **state) {
        static const char *const names[] = {
                "\xff\xfe.example",
                "a" UMLAUTS UMLAUTS UMLAUTS UMLAUTS UMLAUTS UMLAUTS UMLAUTS UMLAUTS,
        };
        int client = fixture_connect_client(), layer = fixture_online_layer(*state, 1);

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                IrmMessage allocated, outcome, listen = { .type = IRM_LISTEN, .version = IRM_PROTOCOL_VERSION };
                int doorbell, lane, listener = fixture_connect_client();

                doorbell = client_allocate(client, names[i], &allocated);
                layer_answer_query(layer, NULL, -ENOENT);
                hear_outcome(doorbell, &outcome, &lane);
                assert_int_equal(outcome.result, -ENOENT);
                assert_non_null(strstr(outcome.text, "No layer on this host knows"));
                (void) close(doorbell);

                (void) snprintf(listen.info.name, sizeof(listen.info.name), "%s%s", names[i], names[0]);
                client_say(listener, &listen, NULL, 0);
                fixture_client_hear(listener, IRM_REPLY, &listen, NULL);
                assert_int_equal(listen.result, -ENOENT);
                (void) close(listener);
        }

        (void) close(client);
        (void) close(layer);
}

/* A layer that claims flows without end, or opens connections without end, gets so many and no more. */
static void test_layer_without_measure(void **state) {
        LayerMessage resume = { .type = LAYER_RESUME, .flow_id = 7000 };
        int layer = fixture_online_layer(*state, 1), more[16], refused = 0;

        /* It is through with resuming once it has said what its state is. */
        layer_say(layer, &resume, NULL, 0);
        assert_true(loses_connection(layer));
        (void) close(layer);

        for (size_t i = 0; i < ELEMENTSOF(more); i++)
                more[i] = fixture_connect_layer(*state);
        for (size_t i = 0; i < ELEMENTSOF(more); i++) {
                struct pollfd pfd = { .fd = more[i] };

                refused += poll(&pfd, 1, i == 0 ? 200 : 0) == 1;
                (void) close(more[i]);
        }
        assert_in_range(refused, 8, 15);

        layer = fixture_online_layer(*state, 1);
        layer_hears_nothing(layer);
        (void) close(layer);
}

static int resume(int client, uint64_t flow_id) {
        IrmMessage message = { .type = IRM_RESUME, .flow_id = flow_id, .version = IRM_PROTOCOL_VERSION };

        client_say(client, &message, NULL, 0);
        fixture_client_hear(client, IRM_REPLY, &message, NULL);
        return message.result;
}

/* The IRM has lost its state, and layers tell it of flows: nobody gets that of another user for guessing its id. */
static void test_flows_without_state(void **state) {
        static const LayerMessage hello = { .type = LAYER_HELLO, .version = LAYER_PROTOCOL_VERSION, .layer = "lan",
                                            .layer_type = LAYER_ETH_DIX, .hash_algorithm = 1, .mtu = 1482,
                                            .oap_max = 1388 };
        static const LayerMessage online = { .type = LAYER_STATE, .state = LAYER_ONLINE, .text = "again" };
        const struct {
                const char *name;
                LayerMessage message;
                int result;
        } flows[] = {
                { "of another user", { .type = LAYER_RESUME, .flow_id = 7001, .uid = geteuid() + 1 }, -ESTALE },
                { "of this user",    { .type = LAYER_RESUME, .flow_id = 7002, .uid = geteuid() },     0 },
        };
        int layer = fixture_connect_layer(*state), client = fixture_connect_client(), doorbell;
        LayerMessage message;
        IrmMessage allocated;

        layer_say(layer, &hello, NULL, 0);
        for (size_t i = 0; i < ELEMENTSOF(flows); i++)
                layer_say(layer, &flows[i].message, NULL, 0);
        layer_say(layer, &online, NULL, 0);
        layer_hear(layer, LAYER_WELCOME, &message, NULL);
        layer_hear(layer, LAYER_REGISTER, &message, NULL);

        /* Where it asks, it has read all of that. */
        doorbell = client_allocate(client, "far.example", &allocated);
        layer_hear(layer, LAYER_QUERY, &message, NULL);

        for (size_t i = 0; i < ELEMENTSOF(flows); i++) {
                print_message("%s\n", flows[i].name);
                assert_int_equal(resume(client, flows[i].message.flow_id), flows[i].result);
        }

        /* What was claimed ends with its process's word, what was not goes on. */
        client_say(client, &(IrmMessage) { .type = IRM_DEALLOCATE, .flow_id = 7001 }, NULL, 0);
        client_say(client, &(IrmMessage) { .type = IRM_DEALLOCATE, .flow_id = 7002 }, NULL, 0);
        layer_hear(layer, LAYER_CLOSE, &message, NULL);
        assert_int_equal(message.flow_id, 7002);

        (void) close(doorbell);
        (void) close(client);
        (void) close(layer);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_layer_leaves_answered_flow, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_program_calls_itself, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_offer_moves_on, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_queue_at_limit, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_listener_dawdles, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_sentences_are_text, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_layer_without_measure, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_flows_without_state, set_up, tear_down),
        };

        if (argc < 2)
                return 2;
        if (argc > 2)
                cmocka_set_test_filter(argv[2]);

        arg_program = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
