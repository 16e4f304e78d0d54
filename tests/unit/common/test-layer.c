/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A layer's life with the IRM and with applications: connection, flows, bursts, ends. The test plays both of them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <cmocka.h>

#include "services/common/layer.h"
#include "tests/support/fake-irm.h"

typedef struct Fixture {
        Daemon daemon;
        FakeIrm irm;
        LayerFlows flows;
        Layer *layer;
        LayerFlow flow, other;

        unsigned budget, n_asked;               /* of flow; the other's is unlimited */
        unsigned n_transmitted_other;
        unsigned n_transmitted, n_room;         /* packets; how many more are taken */
        uint8_t transmitted[256];               /* the first byte of each */
        unsigned n_registered, n_closed, n_lost, n_welcomed, n_established, n_lower;
        char lower[1024];                       /* the layer below that was last heard of, and why */
        LayerState lower_state;
        LayerMessage last;
} Fixture;

static unsigned op_transmit(void *userdata, LayerFlow *flow, Packet *const *packets, unsigned n, usec_t now) {
        Fixture *f = userdata;
        unsigned done = 0;

        if (flow == &f->other) {
                f->n_transmitted_other += n;
                return n;
        }

        assert_true(n <= f->budget);
        if (f->budget != UINT32_MAX)
                f->budget -= n;
        for (; done < n && f->n_room > 0; done++, f->n_room--)
                f->transmitted[f->n_transmitted++ % sizeof(f->transmitted)] = packets[done]->head[0];
        return done;
}

static unsigned op_budget(void *userdata, LayerFlow *flow, unsigned max, usec_t now) {
        Fixture *f = userdata;

        if (flow == &f->other)
                return max;

        f->n_asked++;
        return MIN(max, f->budget);
}

static void op_describe(void *userdata, LayerMessage *hello) {
        hello->layer_type = LAYER_ETH_DIX;
        hello->hash_algorithm = 1;
        hello->mtu = 1496;
        hello->oap_max = 1425;
}

static void op_welcome(void *userdata) {
        ((Fixture *) userdata)->n_welcomed++;
}

static int op_register(void *userdata, const uint8_t *hash, size_t hash_size) {
        ((Fixture *) userdata)->n_registered++;
        return 0;
}

static void op_unregister(void *userdata, const uint8_t *hash, size_t hash_size) {
        ((Fixture *) userdata)->n_registered--;
}

static void op_order(void *userdata, const LayerMessage *order, usec_t now) {
        ((Fixture *) userdata)->last = *order;
}

static int op_accept(void *userdata, const LayerMessage *order, usec_t now) {
        return -ESTALE;
}

static void op_abort(void *userdata, LayerFlow *flow, const CloseTokens *tokens, usec_t now) {
        layer_flow_set_state(flow, LAYER_FLOW_ABANDONED);
}

static void op_established(void *userdata, LayerFlow *flow, const CloseTokens *tokens, usec_t now) {
        layer_flow_set_state(flow, LAYER_FLOW_ESTABLISHED);
        ((Fixture *) userdata)->n_established++;
}

static void op_close(void *userdata, LayerFlow *flow, usec_t now) {
        layer_flow_set_state(flow, LAYER_FLOW_CLOSED);
        ((Fixture *) userdata)->n_closed++;
}

static void op_irm_lost(void *userdata, usec_t now) {
        ((Fixture *) userdata)->n_lost++;
}

static void op_lower_changed(void *userdata, const char *lower, LayerType type, LayerState state, const char *reason,
                             usec_t now) {
        Fixture *f = userdata;

        f->n_lower += type == LAYER_ETH_DIX;
        f->lower_state = state;
        (void) snprintf(f->lower, sizeof(f->lower), "%s: %s", lower, reason);
}

static const LayerOps ops = {
        .transmit = op_transmit,
        .budget = op_budget,
        .describe = op_describe,
        .welcome = op_welcome,
        .register_name = op_register,
        .unregister_name = op_unregister,
        .query = op_order,
        .request = op_order,
        .accept = op_accept,
        .refuse = op_order,
        .abort = op_abort,
        .established = op_established,
        .close = op_close,
        .lower_changed = op_lower_changed,
        .irm_lost = op_irm_lost,
};

/* Runs the layer until nothing happens any more for a moment. */
static void pump(Fixture *f) {
        for (unsigned idle = 0; idle < 3;) {
                int r = sd_event_run(f->daemon.event, 2 * USEC_PER_MSEC);

                assert_true(r >= 0);
                idle = r == 0 ? idle + 1 : 0;
        }
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));
        char path[64];

        if (!f)
                return -1;

        (void) snprintf(path, sizeof(path), "/tmp/o7s-test-layer-%d.sock", (int) getpid());
        (void) setenv("O7S_LAYER_SOCKET", path, 1);

        f->n_room = UINT32_MAX;
        f->budget = UINT32_MAX;
        assert_int_equal(fake_irm_init(&f->irm, path), 0);
        assert_true(sd_event_new(&f->daemon.event) >= 0);
        assert_int_equal(layer_flows_init(&f->flows), 0);
        assert_int_equal(layer_new(&f->daemon, "lan", &ops, f, &f->flows, &f->layer), 0);
        layer_set_state(f->layer, LAYER_ONLINE, "serving on nothing");
        assert_int_equal(layer_set_packet_max(f->layer, 1496), 0);
        assert_true(layer_start(f->layer) >= 0);
        pump(f);
        assert_int_equal(fake_irm_accept(&f->irm), 0);

        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        upper_flow_free(&f->flow);
        upper_flow_free(&f->other);
        lane_free(f->flow.lane);
        lane_free(f->other.lane);
        layer_flows_remove(&f->flows, &f->flow);
        layer_flows_remove(&f->flows, &f->other);
        layer_free(f->layer);
        layer_flows_done(&f->flows);
        free(f->daemon.status);
        sd_event_unref(f->daemon.event);
        fake_irm_done(&f->irm);
        free(f);
        return 0;
}

/* A flow, established, with the application's end in *ret. */
static void establish_flow(Fixture *f, LayerFlow *flow, uint64_t flow_id, Channel **ret) {
        const CloseTokens tokens = {};
        unsigned n_before = f->n_established;
        LayerMessage reply;
        int fd;

        flow->lane_class = LANE_NORMAL;
        assert_int_equal(layer_flows_add(&f->flows, flow, flow_id, 1), 0);
        layer_flow_set_state(flow, LAYER_FLOW_REQUESTED);
        layer_flow_set_state(flow, LAYER_FLOW_ANSWERED);
        assert_int_equal(layer_reply(f->layer, flow, 0, (const uint8_t *) "oap", 3), 0);

        assert_int_equal(fake_irm_expect(&f->irm, LAYER_REPLY, &reply, &fd), 0);
        assert_int_equal(reply.flow_id, flow_id);
        assert_int_equal(reply.attempt, 1);
        assert_int_equal(reply.oap_size, 3);
        assert_int_equal(fake_irm_establish(&f->irm, &reply, fd, LANE_NORMAL, &tokens, ret), 0);
        (void) close(fd);

        pump(f);
        assert_int_equal(f->n_established, n_before + 1);
}

static void establish(Fixture *f, Channel **ret) {
        establish_flow(f, &f->flow, 7, ret);
}

static void app_write(Channel *channel, uint8_t first, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                uint8_t byte = (uint8_t) (first + i);
                struct iovec part = { .iov_base = &byte, .iov_len = 1 };

                assert_int_equal(channel_push(channel, &part, 1), 0);
        }

        assert_true(channel_publish(channel) >= 0);
}

/* -- the connection -- */

static void test_hello(void **state) {
        Fixture *f = *state;
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
        Fixture *f = *state;
        const LayerMessage welcome = { .type = LAYER_WELCOME };
        const LayerMessage name = { .type = LAYER_REGISTER, .hash_size = 32, .name = "n" };
        const LayerMessage query = { .type = LAYER_QUERY, .query_id = 9, .hash_size = 32, .name = "n" };
        const LayerMessage accept = { .type = LAYER_ACCEPT, .reference = 1, .flow_id = 70, .oap_size = 1 };
        LayerMessage m;

        assert_int_equal(fake_irm_send(&f->irm, &welcome), 0);
        assert_int_equal(fake_irm_send(&f->irm, &name), 0);
        assert_int_equal(fake_irm_send(&f->irm, &query), 0);
        assert_int_equal(fake_irm_send(&f->irm, &accept), 0);
        pump(f);
        assert_int_equal(f->n_welcomed, 1);
        assert_int_equal(f->n_registered, 1);
        assert_int_equal(f->last.query_id, 9);

        /* What could not be accepted is said. */
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_REPLY, &m, NULL), 0);
        assert_int_equal(m.flow_id, 70);
        assert_int_equal(m.result, -ESTALE);
}

static void test_reconnect(void **state) {
        Fixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL;
        LayerMessage m;

        establish(f, &app);
        fake_irm_crash(&f->irm);
        pump(f);
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
        pump(f);
        assert_int_equal(f->n_transmitted, 1);
}

/* An IRM that does not read for a while gets everything, in order. */
static void test_queue(void **state) {
        Fixture *f = *state;
        LayerMessage m;

        for (uint64_t i = 0; i < 4000; i++)
                layer_query_done(f->layer, i, -ENOENT);

        for (uint64_t i = 0; i < 4000; i++) {
                if (i % 50 == 0)
                        pump(f);
                assert_int_equal(fake_irm_expect(&f->irm, LAYER_QUERY_DONE, &m, NULL), 0);
                assert_int_equal(m.query_id, i);
        }
}

/* -- flows -- */

static void test_data(void **state) {
        Fixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL;
        _cleanup_(packet_freep) Packet *packet = NULL;
        Counters counters;
        uint8_t bytes[16];
        bool more;

        establish(f, &app);
        app_write(app, 'a', 5);
        pump(f);
        assert_int_equal(f->n_transmitted, 5);
        assert_memory_equal(f->transmitted, "abcde", 5);

        assert_int_equal(packet_new(64, &packet), 0);
        memcpy(packet_append(packet, 5), "hello", 5);
        upper_deliver(&f->flow, &packet, 1);
        assert_int_equal(channel_read(app, bytes, sizeof(bytes), &more), 5);
        assert_memory_equal(bytes, "hello", 5);

        upper_sum_counters(layer_upper(f->layer), &counters);
        assert_int_equal(counters.tx_packets, 5);
        assert_int_equal(counters.rx_packets, 1);
        assert_int_equal(counters.rx_bytes, 5);
}

/* The network takes three packets, then nothing, then the rest: nothing is lost, nothing overtakes. */
static void test_back_pressure(void **state) {
        Fixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL;

        establish(f, &app);
        f->n_room = 3;
        app_write(app, 0, 60);
        pump(f);
        assert_int_equal(f->n_transmitted, 3);

        f->n_room = 30;
        upper_resume(layer_upper(f->layer));
        pump(f);
        assert_int_equal(f->n_transmitted, 33);

        f->n_room = UINT32_MAX;
        upper_resume(layer_upper(f->layer));
        pump(f);
        assert_int_equal(f->n_transmitted, 60);
        for (unsigned i = 0; i < 60; i++)
                assert_int_equal(f->transmitted[i], i);
}

/* One flow has used up its budget: it waits, without being asked again and again, and the other goes on. */
static void test_budget(void **state) {
        Fixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL, *other = NULL;
        unsigned n_asked;

        establish(f, &app);
        establish_flow(f, &f->other, 8, &other);
        f->budget = 10;
        app_write(app, 0, 60);
        pump(f);
        assert_int_equal(f->n_transmitted, 10);

        n_asked = f->n_asked;
        app_write(other, 0, 60);
        pump(f);
        assert_int_equal(f->n_transmitted_other, 60);
        assert_int_equal(f->n_transmitted, 10);
        assert_int_equal(f->n_asked, n_asked);

        f->budget = 40;
        upper_flow_resume(&f->flow);
        pump(f);
        assert_int_equal(f->n_transmitted, 50);

        /* Resumed twice, and while it does not wait: nothing happens twice. */
        f->budget = UINT32_MAX;
        upper_flow_resume(&f->flow);
        upper_flow_resume(&f->flow);
        upper_flow_resume(&f->other);
        pump(f);
        assert_int_equal(f->n_transmitted, 60);
        for (unsigned i = 0; i < 60; i++)
                assert_int_equal(f->transmitted[i], i);

        /* And it sleeps and wakes up as before. */
        app_write(app, 60, 1);
        pump(f);
        assert_int_equal(f->n_transmitted, 61);
}

/* The application ends while its budget is used up: what it had written goes out as the budget allows, then it ends. */
static void test_budget_at_end(void **state) {
        Fixture *f = *state;
        Channel *app;
        LayerMessage m;

        establish(f, &app);
        f->budget = 10;
        app_write(app, 'a', 40);
        pump(f);
        channel_close(app, CLOSE_NORMAL);
        channel_free(app);
        pump(f);
        assert_int_equal(f->n_transmitted, 10);
        assert_int_equal(f->n_closed, 0);

        f->budget = 10;
        upper_flow_resume(&f->flow);
        pump(f);
        assert_int_equal(f->n_transmitted, 20);
        assert_int_equal(f->n_closed, 0);

        f->budget = UINT32_MAX;
        upper_flow_resume(&f->flow);
        pump(f);
        assert_int_equal(f->n_transmitted, 40);
        assert_int_equal(f->n_closed, 1);
        assert_null(f->flow.upper);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_DOWN, &m, NULL), 0);
        assert_int_equal(m.close_reason, CLOSE_NORMAL);
        upper_flow_resume(&f->flow);    /* too late, and harmless */
}

/* A budget that never comes does not keep a flow alive. */
static void test_budget_never(void **state) {
        Fixture *f = *state;
        Channel *app;
        LayerMessage m;

        layer_upper(f->layer)->ending_max_usec = USEC_PER_MSEC;
        establish(f, &app);
        f->budget = 10;
        app_write(app, 'a', 40);
        channel_close(app, CLOSE_NORMAL);
        channel_free(app);
        pump(f);
        assert_int_equal(f->n_transmitted, 10);
        assert_int_equal(f->n_closed, 1);
        assert_null(f->flow.upper);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_DOWN, &m, NULL), 0);
        assert_int_equal(m.close_reason, CLOSE_NORMAL);
}

static void test_application_closes(void **state) {
        Fixture *f = *state;
        Channel *app;
        LayerMessage m;

        establish(f, &app);
        app_write(app, 'a', 40);
        channel_close(app, CLOSE_NORMAL);
        channel_free(app);
        pump(f);

        /* What it had written went out first. */
        assert_int_equal(f->n_transmitted, 40);
        assert_int_equal(f->n_closed, 1);
        assert_null(f->flow.upper);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_DOWN, &m, NULL), 0);
        assert_int_equal(m.flow_id, 7);
        assert_int_equal(m.close_reason, CLOSE_NORMAL);
}

/* Data from below finds the end before the doorbell is looked at: the reason is still the application's. */
static void test_application_closes_under_data(void **state) {
        Fixture *f = *state;
        _cleanup_(packet_freep) Packet *packet = NULL;
        Channel *app;
        LayerMessage m;

        establish(f, &app);
        pump(f);
        assert_int_equal(channel_arm_read(app), 1);
        channel_close(app, CLOSE_NORMAL);
        channel_free(app);

        assert_int_equal(packet_new(64, &packet), 0);
        memcpy(packet_append(packet, 5), "hello", 5);
        upper_deliver(&f->flow, &packet, 1);
        pump(f);
        assert_int_equal(f->n_closed, 1);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_DOWN, &m, NULL), 0);
        assert_int_equal(m.close_reason, CLOSE_NORMAL);
}

static void test_application_dies(void **state) {
        Fixture *f = *state;
        Channel *app;
        LayerMessage m;

        establish(f, &app);
        channel_free(app);              /* without a word, as a killed process */
        pump(f);
        assert_int_equal(f->n_closed, 1);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_DOWN, &m, NULL), 0);
        assert_int_equal(m.close_reason, CLOSE_PEER_DIED);
}

static void test_closed_from_below(void **state) {
        Fixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL;
        CloseReason reason = _CLOSE_REASON_INVALID;
        LayerMessage m;

        establish(f, &app);
        layer_down(f->layer, &f->flow, CLOSE_PEER_TIMEOUT);
        assert_int_equal(channel_drain(app, &reason), 1);
        assert_int_equal(reason, CLOSE_PEER_TIMEOUT);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_DOWN, &m, NULL), 0);
        assert_int_equal(m.close_reason, CLOSE_PEER_TIMEOUT);
}

static void test_closed_by_irm(void **state) {
        Fixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL;
        const LayerMessage order = { .type = LAYER_CLOSE, .flow_id = 7, .close_reason = CLOSE_BY_OPERATOR };
        CloseReason reason = _CLOSE_REASON_INVALID;

        establish(f, &app);
        assert_int_equal(fake_irm_send(&f->irm, &order), 0);
        pump(f);
        assert_int_equal(f->n_closed, 1);
        assert_int_equal(channel_drain(app, &reason), 1);
        assert_int_equal(reason, CLOSE_BY_OPERATOR);
}

/* Word of the IRM that the application closed the flow comes before its doorbell: what it had written goes out first. */
static void test_close_overtakes(void **state) {
        const LayerMessage order = { .type = LAYER_CLOSE, .flow_id = 7, .close_reason = CLOSE_NORMAL };
        Fixture *f = *state;
        Channel *app;
        LayerMessage m;

        establish(f, &app);
        pump(f);
        app_write(app, 'a', 40);
        assert_int_equal(fake_irm_send(&f->irm, &order), 0);
        channel_close(app, CLOSE_NORMAL);
        channel_free(app);
        pump(f);
        assert_int_equal(f->n_transmitted, 40);
        assert_int_equal(f->n_closed, 1);
        assert_null(f->flow.upper);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_DOWN, &m, NULL), 0);
        assert_int_equal(m.close_reason, CLOSE_NORMAL);
}

static void test_lower(void **state) {
        Fixture *f = *state;
        const LayerMessage message = {
                .type = LAYER_LOWER,
                .layer = "lan",
                .layer_type = LAYER_ETH_DIX,
                .state = LAYER_DEGRADED,
                .text = "no carrier",
        };

        assert_int_equal(fake_irm_send(&f->irm, &message), 0);
        pump(f);
        assert_int_equal(f->n_lower, 1);
        assert_int_equal(f->lower_state, LAYER_DEGRADED);
        assert_string_equal(f->lower, "lan: no carrier");
}

/* A lane that is none: the flow does not come to be, it is counted, the application is told why, the layer lives. */
static void test_bad_lane(void **state) {
        Fixture *f = *state;
        LayerMessage reply, established = { .type = LAYER_ESTABLISHED, .flow_id = 7, .attempt = 1 };
        CloseReason reason = _CLOSE_REASON_INVALID;
        Counters counters;
        int fds[2], fd;

        f->flow.lane_class = LANE_NORMAL;
        assert_int_equal(layer_flows_add(&f->flows, &f->flow, 7, 1), 0);
        layer_flow_set_state(&f->flow, LAYER_FLOW_ANSWERED);
        assert_int_equal(layer_reply(f->layer, &f->flow, 0, NULL, 0), 0);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_REPLY, &reply, &fd), 0);
        (void) close(fd);

        assert_int_equal(doorbell_pair(fds), 0);
        assert_int_equal(layer_message_send(f->irm.fd, &established, fds, 2), 0);
        (void) close(fds[1]);
        pump(f);
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
        Fixture *f = *state;
        struct rlimit before, none;
        LayerMessage reply;

        f->flow.lane_class = LANE_NORMAL;
        assert_int_equal(layer_flows_add(&f->flows, &f->flow, 7, 1), 0);
        layer_flow_set_state(&f->flow, LAYER_FLOW_ANSWERED);

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = (struct rlimit) { .rlim_cur = 0, .rlim_max = before.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        assert_int_equal(layer_reply(f->layer, &f->flow, 0, (const uint8_t *) "oap", 3), -EMFILE);
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
        Fixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL;
        LayerMessage m;

        assert_int_equal(fake_irm_expect(&f->irm, LAYER_STATE, &m, NULL), 0);
        assert_int_equal(layer_set_packet_max(f->layer, UINT32_MAX), -ENOMEM);
        assert_int_equal(layer_set_packet_max(f->layer, UINT32_MAX), -ENOMEM);
        assert_int_equal(layer_set_packet_max(f->layer, 9000), 0);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_STATE, &m, NULL), 0);
        assert_int_equal(m.mtu, 9000);

        establish(f, &app);
        app_write(app, 'x', 1);
        pump(f);
        assert_int_equal(f->n_transmitted, 1);
}

/* A layer that has had no buffers yet takes no flow, instead of reading into nothing. */
static void test_never_buffers(void **state) {
        Upper upper = {};
        LayerFlow flow = {};

        assert_int_equal(upper_flow_new(&upper, &flow, NULL), -ENOBUFS);
        assert_null(flow.upper);
}

/* -- the table of moves -- */

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

#define WITH_LAYER(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_LAYER(test_hello),
                WITH_LAYER(test_orders),
                WITH_LAYER(test_reconnect),
                WITH_LAYER(test_queue),
                WITH_LAYER(test_data),
                WITH_LAYER(test_back_pressure),
                WITH_LAYER(test_budget),
                WITH_LAYER(test_budget_at_end),
                WITH_LAYER(test_budget_never),
                WITH_LAYER(test_application_closes),
                WITH_LAYER(test_application_closes_under_data),
                WITH_LAYER(test_application_dies),
                WITH_LAYER(test_closed_from_below),
                WITH_LAYER(test_closed_by_irm),
                WITH_LAYER(test_close_overtakes),
                WITH_LAYER(test_lower),
                WITH_LAYER(test_bad_lane),
                WITH_LAYER(test_no_lane),
                WITH_LAYER(test_no_buffers),
                cmocka_unit_test(test_never_buffers),
                cmocka_unit_test(test_flow_states),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
