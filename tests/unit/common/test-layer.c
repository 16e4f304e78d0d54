/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A layer's life with the IRM: connection, orders, flows that cannot be. The test plays the IRM. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <cmocka.h>

#include "tests/support/layer-fixture.h"

static void test_hello(void **state) {
        LayerFixture *f = *state;
        LayerMessage m;

        assert_int_equal(fake_irm_expect(&f->irm, LAYER_HELLO, &m, NULL), 0);
        assert_string_equal(m.layer, "lan");
        assert_int_equal(m.version, LAYER_PROTOCOL_VERSION);
        assert_int_equal(m.layer_type, LAYER_ETH_DIX);
        assert_int_equal(m.mtu, 1496);
        assert_int_equal(m.oap_max, 1425);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_STATE, &m, NULL), 0);
        assert_int_equal(m.state, LAYER_ONLINE);
        assert_string_equal(m.text, "serving on nothing");

        layer_set_state(f->layer, LAYER_DEGRADED, "waiting for interface %s: no such interface", "eth7");
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_STATE, &m, NULL), 0);
        assert_int_equal(m.state, LAYER_DEGRADED);
        assert_string_equal(m.text, "waiting for interface eth7: no such interface");
        assert_string_equal(f->daemon.status, "degraded: waiting for interface eth7: no such interface");
}

static void test_orders(void **state) {
        LayerFixture *f = *state;
        const LayerMessage welcome = { .type = LAYER_WELCOME };
        const LayerMessage name = { .type = LAYER_REGISTER, .hash_size = 32, .name = "n" };
        const LayerMessage query = { .type = LAYER_QUERY, .query_id = 9, .hash_size = 32, .name = "n" };
        const LayerMessage accept = { .type = LAYER_ACCEPT, .reference = 1, .flow_id = 70, .oap_size = 1 };
        LayerMessage m;

        assert_int_equal(fake_irm_send(&f->irm, &welcome), 0);
        assert_int_equal(fake_irm_send(&f->irm, &name), 0);
        assert_int_equal(fake_irm_send(&f->irm, &query), 0);
        assert_int_equal(fake_irm_send(&f->irm, &accept), 0);
        layer_fixture_pump(f);
        assert_int_equal(f->n_welcomed, 1);
        assert_int_equal(f->n_registered, 1);
        assert_int_equal(f->last.query_id, 9);

        /* What could not be accepted is said. */
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_REPLY, &m, NULL), 0);
        assert_int_equal(m.flow_id, 70);
        assert_int_equal(m.result, -ESTALE);
}

static void test_reconnect(void **state) {
        LayerFixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL;
        LayerMessage m;

        layer_fixture_establish(f, &app);
        fake_irm_crash(&f->irm);
        layer_fixture_pump(f);
        assert_int_equal(f->n_lost, 1);
        assert_int_equal(fake_irm_accept(&f->irm), 0);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_HELLO, &m, NULL), 0);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_RESUME, &m, NULL), 0);
        assert_int_equal(m.flow_id, 7);
        assert_int_equal(m.uid, FAKE_IRM_UID);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_STATE, &m, NULL), 0);
        assert_int_equal(m.state, LAYER_ONLINE);

        /* Data never noticed. */
        app_write(app, 'x', 1);
        layer_fixture_pump(f);
        assert_int_equal(f->n_transmitted, 1);
}

/* An IRM that does not read for a while gets everything, in order. */
static void test_queue(void **state) {
        LayerFixture *f = *state;
        LayerMessage m;

        for (uint64_t i = 0; i < 4000; i++)
                layer_query_done(f->layer, i, -ENOENT);

        for (uint64_t i = 0; i < 4000; i++) {
                if (i % 50 == 0)
                        layer_fixture_pump(f);
                assert_int_equal(fake_irm_expect(&f->irm, LAYER_QUERY_DONE, &m, NULL), 0);
                assert_int_equal(m.query_id, i);
        }
}

/* At once or later; what it is bound to goes to the IRM as it is. */
static void test_prepare(void **state) {
        LayerFixture *f = *state;
        LayerMessage order = { .type = LAYER_PREPARE, .flow_id = 7, .attempt = 2, .hash_size = 32 }, m;
        const LayerPrepared failed = { .flow_id = 9, .result = -ENOENT };

        assert_int_equal(fake_irm_send(&f->irm, &order), 0);
        layer_fixture_pump(f);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_PREPARED, &m, NULL), 0);
        assert_int_equal(m.flow_id, 7);
        assert_int_equal(m.attempt, 2);
        assert_int_equal(m.result, 0);
        assert_int_equal(m.binding_size, 7);
        assert_memory_equal(m.binding, "binding", 7);
        assert_false(m.have_reset);

        order = (LayerMessage) { .type = LAYER_PREPARE, .flow_id = 8, .reference = 3, .hash_size = 32 };
        assert_int_equal(fake_irm_send(&f->irm, &order), 0);
        layer_fixture_pump(f);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_PREPARED, &m, NULL), 0);
        assert_int_equal(m.reference, 3);
        assert_true(m.have_reset);
        assert_memory_equal(m.reset, "lock", 4);

        f->late = true;
        order.flow_id = 9;
        order.reference = 0;
        assert_int_equal(fake_irm_send(&f->irm, &order), 0);
        layer_fixture_pump(f);
        assert_int_equal(f->last.flow_id, 9);
        layer_prepared(f->layer, &failed);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_PREPARED, &m, NULL), 0);
        assert_int_equal(m.result, -ENOENT);
        assert_int_equal(m.binding_size, 0);
}

/* Keys and lock are in the flow by the time the layer hears of it; those that it had are not replaced; closed, it has
 * none. */
static void test_keys(void **state) {
        static const FlowControl gone = { .wiped = true };
        const LayerMessage template = { .type = LAYER_ESTABLISHED, .flow_id = 7,
                                        .control = { .present = true, .send = "to", .receive = "from" },
                                        .have_reset = true, .reset = "lock" };

        for (unsigned had = 0; had < 2; had++) {
                LayerFixture *f = *state;
                LayerMessage reply, established = template;
                int fds[2], fd;
                Lane *lane;

                f->flow = (LayerFlow) { .lane_class = LANE_NORMAL };
                assert_int_equal(layer_flows_add(&f->flows, &f->flow, 7, 0), 0);
                layer_flow_set_state(&f->flow, LAYER_FLOW_ANSWERED);
                if (had)
                        flow_control_init(&f->flow.control, &(LayerControl) { .present = true, .send = "mine" }, false);
                assert_int_equal(layer_reply(f->layer, &f->flow, 0, NULL, 0, NULL), 0);
                assert_int_equal(fake_irm_expect(&f->irm, LAYER_REPLY, &reply, &fd), 0);
                (void) close(fd);

                assert_int_equal(doorbell_pair(fds), 0);
                assert_int_equal(lane_new(LANE_NORMAL, &lane, &fd), 0);
                assert_int_equal(layer_message_send(f->irm.fd, &established, (const int[]) { fd, fds[1] }, 2), 0);
                (void) close(fd);
                (void) close(fds[1]);
                layer_fixture_pump(f);
                assert_int_equal(f->n_established, had + 1);
                assert_true(f->at_established.control.present);
                assert_int_equal(f->at_established.control.confirmed, !had);
                assert_memory_equal(f->at_established.control.send, had ? "mine" : "to\0", 4 - !had);
                assert_true(f->at_established.have_lock);
                assert_memory_equal(f->at_established.lock, "lock", 4);

                upper_flow_close(&f->flow, CLOSE_NORMAL);
                layer_flow_set_state(&f->flow, LAYER_FLOW_CLOSED);
                assert_memory_equal(&f->flow.control, &gone, sizeof(gone));
                layer_flows_remove(&f->flows, &f->flow);
                lane_free(lane);
                (void) close(fds[0]);
        }
}

static void test_lower(void **state) {
        LayerFixture *f = *state;
        const LayerMessage message = {
                .type = LAYER_LOWER,
                .layer = "lan",
                .layer_type = LAYER_ETH_DIX,
                .state = LAYER_DEGRADED,
                .text = "no carrier",
        };

        assert_int_equal(fake_irm_send(&f->irm, &message), 0);
        layer_fixture_pump(f);
        assert_int_equal(f->n_lower, 1);
        assert_int_equal(f->lower_state, LAYER_DEGRADED);
        assert_string_equal(f->lower, "lan: no carrier");
}

/* Whoever may see packets gets them through a pipe that came with the order, until it closes its end. */
static void test_capture(void **state) {
        const LayerMessage order = { .type = LAYER_ORDER, .order = LAYER_ORDER_CAPTURE, .query_id = 5, .mtu = 64 };
        _cleanup_(packet_freep) Packet *packet = NULL;
        LayerFixture *f = *state;
        LayerMessage done;
        uint8_t bytes[512];
        int ends[2], fd;

        assert_null(f->capture);
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        assert_int_equal(layer_message_send(f->irm.fd, &order, &ends[1], 1), 0);
        (void) close(ends[1]);
        layer_fixture_pump(f);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_ORDER_DONE, &done, &fd), 0);
        assert_int_equal(done.result, 0);
        assert_int_equal(done.query_id, 5);
        assert_non_null(f->capture);

        assert_int_equal(packet_new(64, &packet), 0);
        memcpy(packet_append(packet, 8), "a packet", 8);
        assert_true(read(ends[0], bytes, sizeof(bytes)) > 0);           /* what such a stream begins with */
        capture_packets(f->capture, 0, true, &packet, 1);
        layer_fixture_pump(f);
        assert_true(read(ends[0], bytes, sizeof(bytes)) > 0);
        assert_memory_equal(bytes + 28, "a packet", 8);                 /* behind the head of its block */

        (void) close(ends[0]);
        layer_fixture_pump(f);
        assert_null(f->capture);
}

/* A lane that is none: the flow does not come to be, it is counted, the application is told why, the layer lives. */
static void test_bad_lane(void **state) {
        LayerFixture *f = *state;
        LayerMessage reply, established = { .type = LAYER_ESTABLISHED, .flow_id = 7, .attempt = 1 };
        CloseReason reason = _CLOSE_REASON_INVALID;
        Counters counters;
        int fds[2], fd;

        f->flow.lane_class = LANE_NORMAL;
        assert_int_equal(layer_flows_add(&f->flows, &f->flow, 7, 1), 0);
        layer_flow_set_state(&f->flow, LAYER_FLOW_ANSWERED);
        assert_int_equal(layer_reply(f->layer, &f->flow, 0, NULL, 0, NULL), 0);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_REPLY, &reply, &fd), 0);
        (void) close(fd);

        assert_int_equal(doorbell_pair(fds), 0);
        assert_int_equal(layer_message_send(f->irm.fd, &established, fds, 2), 0);
        (void) close(fds[1]);
        layer_fixture_pump(f);
        assert_int_equal(f->n_established, 0);
        assert_int_equal(f->n_closed, 1);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_DOWN, &reply, NULL), 0);
        assert_int_equal(reply.close_reason, CLOSE_VIOLATION);

        assert_int_equal(doorbell_drain(fds[0], &reason), 1);
        assert_int_equal(reason, CLOSE_VIOLATION);
        (void) close(fds[0]);
        upper_sum_counters(layer_upper(f->layer), &counters);
        assert_int_equal(counters.drops[DROP_HOSTILE], 1);
}

/* No lane can be made: the IRM hears of it once, and gets the answer of the peer, which has a flow now. */
static void test_no_lane(void **state) {
        LayerFixture *f = *state;
        struct rlimit before, none;
        LayerMessage reply;

        f->flow.lane_class = LANE_NORMAL;
        assert_int_equal(layer_flows_add(&f->flows, &f->flow, 7, 1), 0);
        layer_flow_set_state(&f->flow, LAYER_FLOW_ANSWERED);

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = (struct rlimit) { .rlim_cur = 0, .rlim_max = before.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        assert_int_equal(layer_reply(f->layer, &f->flow, 0, (const uint8_t *) "oap", 3, NULL), -EMFILE);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);

        assert_int_equal(fake_irm_expect(&f->irm, LAYER_REPLY, &reply, NULL), 0);
        assert_int_equal(reply.flow_id, 7);
        assert_int_equal(reply.attempt, 1);
        assert_int_equal(reply.result, -EMFILE);
        assert_int_equal(reply.oap_size, 3);
        assert_memory_equal(reply.oap, "oap", 3);
}

/* No memory for buffers of a new size: the old ones and the old size stay, and the next try is one. */
static void test_no_buffers(void **state) {
        LayerFixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL;
        LayerMessage m;

        assert_int_equal(fake_irm_expect(&f->irm, LAYER_STATE, &m, NULL), 0);
        assert_int_equal(layer_set_packet_max(f->layer, UINT32_MAX), -ENOMEM);
        assert_int_equal(layer_set_packet_max(f->layer, UINT32_MAX), -ENOMEM);
        assert_int_equal(layer_set_packet_max(f->layer, 9000), 0);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_STATE, &m, NULL), 0);
        assert_int_equal(m.mtu, 9000);

        layer_fixture_establish(f, &app);
        app_write(app, 'x', 1);
        layer_fixture_pump(f);
        assert_int_equal(f->n_transmitted, 1);
}

/* A layer that has had no buffers yet takes no flow, instead of reading into nothing. */
static void test_never_buffers(void **state) {
        Upper upper = {};
        LayerFlow flow = {};

        assert_int_equal(upper_flow_new(&upper, &flow, NULL), -ENOBUFS);
        assert_null(flow.upper);
}

static void test_flow_states(void **state) {
        static const char *const allowed[_LAYER_FLOW_STATE_MAX] = {
                [LAYER_FLOW_STARTING] = "requested answered closed",
                [LAYER_FLOW_REQUESTED] = "abandoned answered closed",
                [LAYER_FLOW_ABANDONED] = "closed",
                [LAYER_FLOW_ANSWERED] = "established closed",
                [LAYER_FLOW_ESTABLISHED] = "closed",
                [LAYER_FLOW_CLOSED] = "",
        };

        for (LayerFlowState from = 0; from < _LAYER_FLOW_STATE_MAX; from++)
                for (LayerFlowState to = 0; to < _LAYER_FLOW_STATE_MAX; to++)
                        assert_int_equal(layer_flow_state_may_follow(from, to),
                                         strstr(allowed[from], layer_flow_state_to_string(to)) != NULL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_LAYER(test_hello),
                WITH_LAYER(test_orders),
                WITH_LAYER(test_reconnect),
                WITH_LAYER(test_queue),
                WITH_LAYER(test_prepare),
                WITH_LAYER(test_keys),
                WITH_LAYER(test_lower),
                WITH_LAYER(test_capture),
                WITH_LAYER(test_bad_lane),
                WITH_LAYER(test_no_lane),
                WITH_LAYER(test_no_buffers),
                cmocka_unit_test(test_never_buffers),
                cmocka_unit_test(test_flow_states),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
