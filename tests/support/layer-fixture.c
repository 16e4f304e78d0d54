/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A layer for tests, see layer-fixture.h. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/support/layer-fixture.h"

static unsigned op_transmit(void *userdata, LayerFlow *flow, Packet *const *packets, unsigned n, usec_t now) {
        LayerFixture *f = userdata;
        unsigned done = 0;

        f->n_demoted += flow->demoted ? MIN(n, flow == &f->other ? n : f->n_room) : 0;
        if (flow == &f->other) {
                f->n_transmitted_other += n;
                f->n_before_other = f->n_transmitted;
                return n;
        }

        if (f->refill)
                app_write(f->refill, 0, n);
        assert_true(n <= f->budget);
        if (f->budget != UINT32_MAX)
                f->budget -= n;
        for (; done < n && f->n_room > 0; done++, f->n_room--)
                f->transmitted[f->n_transmitted++ % sizeof(f->transmitted)] = packets[done]->head[0];
        return done;
}

static unsigned op_budget(void *userdata, LayerFlow *flow, unsigned max, usec_t now) {
        LayerFixture *f = userdata;

        if (flow == &f->other)
                return MIN(max, f->burst_max);

        f->n_asked++;
        return MIN(MIN(max, f->burst_max), f->budget);
}

static void op_describe(void *userdata, LayerMessage *hello) {
        hello->layer_type = LAYER_ETH_DIX;
        hello->hash_algorithm = 1;
        hello->mtu = 1496;
        hello->oap_max = 1425;
}

static void op_welcome(void *userdata) {
        ((LayerFixture *) userdata)->n_welcomed++;
}

static int op_register(void *userdata, const uint8_t *hash, size_t hash_size) {
        ((LayerFixture *) userdata)->n_registered++;
        return 0;
}

static void op_unregister(void *userdata, const uint8_t *hash, size_t hash_size) {
        ((LayerFixture *) userdata)->n_registered--;
}

static void op_order(void *userdata, const LayerMessage *order, usec_t now) {
        ((LayerFixture *) userdata)->last = *order;
}

static void op_prepare(void *userdata, const LayerMessage *order, usec_t now) {
        static const uint8_t lock[FLOW_RESET_BYTES] = "lock";
        const FlowBinding binding = { .size = 7, .bytes = "binding" };
        LayerFixture *f = userdata;
        const LayerPrepared prepared = {
                .flow_id = order->flow_id,
                .attempt = order->attempt,
                .reference = order->reference,
                .binding = &binding,
                .lock = order->reference != 0 ? lock : NULL,
        };

        f->last = *order;
        if (!f->late)
                layer_prepared(f->layer, &prepared);
}

static int op_accept(void *userdata, const LayerMessage *order, usec_t now) {
        return -ESTALE;
}

static void op_abort(void *userdata, LayerFlow *flow, const CloseTokens *tokens, usec_t now) {
        layer_flow_set_state(flow, LAYER_FLOW_ABANDONED);
}

static void op_established(void *userdata, LayerFlow *flow, const CloseTokens *tokens, usec_t now) {
        LayerFixture *f = userdata;

        layer_flow_set_state(flow, LAYER_FLOW_ESTABLISHED);
        f->at_established = *flow;
        f->n_established++;
}

static void op_close(void *userdata, LayerFlow *flow, usec_t now) {
        layer_flow_set_state(flow, LAYER_FLOW_CLOSED);
        ((LayerFixture *) userdata)->n_closed++;
}

static void op_irm_lost(void *userdata, usec_t now) {
        ((LayerFixture *) userdata)->n_lost++;
}

static void op_lower_changed(void *userdata, const char *lower, LayerType type, LayerState state, const char *reason,
                             usec_t now) {
        LayerFixture *f = userdata;

        f->n_lower += type == LAYER_ETH_DIX;
        f->lower_state = state;
        (void) snprintf(f->lower, sizeof(f->lower), "%s: %s", lower, reason);
}

static void op_watch(void *userdata, Capture *capture) {
        ((LayerFixture *) userdata)->capture = capture;
}

static const PcapngInterface interfaces[] = { { PCAPNG_LINK_ETHERNET, "", "Frames" } };

static const LayerOps ops = {
        .watch = op_watch,
        .interfaces = interfaces,
        .n_interfaces = ELEMENTSOF(interfaces),
        .transmit = op_transmit,
        .budget = op_budget,
        .describe = op_describe,
        .welcome = op_welcome,
        .register_name = op_register,
        .unregister_name = op_unregister,
        .query = op_order,
        .prepare = op_prepare,
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
void layer_fixture_pump(LayerFixture *f) {
        for (unsigned idle = 0; idle < 3;) {
                int r = sd_event_run(f->daemon.event, 2 * USEC_PER_MSEC);

                assert_true(r >= 0);
                idle = r == 0 ? idle + 1 : 0;
        }
}

int layer_fixture_set_up(void **state) {
        LayerFixture *f = calloc(1, sizeof(*f));
        char path[64];

        if (!f)
                return -1;

        (void) snprintf(path, sizeof(path), "/tmp/o7s-test-layer-%d.sock", (int) getpid());
        (void) setenv("O7S_LAYER_SOCKET", path, 1);

        f->n_room = UINT32_MAX;
        f->budget = UINT32_MAX;
        f->burst_max = UINT32_MAX;
        assert_int_equal(fake_irm_init(&f->irm, path), 0);
        assert_true(sd_event_new(&f->daemon.event) >= 0);
        assert_int_equal(layer_flows_init(&f->flows), 0);
        assert_int_equal(layer_new(&f->daemon, "lan", &ops, f, &f->flows, &f->layer), 0);
        layer_set_state(f->layer, LAYER_ONLINE, "serving on nothing");
        assert_int_equal(layer_set_packet_max(f->layer, 1496), 0);
        assert_true(layer_start(f->layer) >= 0);
        layer_fixture_pump(f);
        assert_int_equal(fake_irm_accept(&f->irm), 0);

        *state = f;
        return 0;
}

int layer_fixture_tear_down(void **state) {
        LayerFixture *f = *state;

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
void layer_fixture_establish_flow(LayerFixture *f, LayerFlow *flow, uint64_t flow_id, Channel **ret) {
        const CloseTokens tokens = {};
        unsigned n_before = f->n_established;
        LayerMessage reply;
        int fd;

        flow->lane_class = LANE_NORMAL;
        assert_int_equal(layer_flows_add(&f->flows, flow, flow_id, 1), 0);
        layer_flow_set_state(flow, LAYER_FLOW_REQUESTED);
        layer_flow_set_state(flow, LAYER_FLOW_ANSWERED);
        assert_int_equal(layer_reply(f->layer, flow, 0, (const uint8_t *) "oap", 3, NULL), 0);

        assert_int_equal(fake_irm_expect(&f->irm, LAYER_REPLY, &reply, &fd), 0);
        assert_int_equal(reply.flow_id, flow_id);
        assert_int_equal(reply.attempt, 1);
        assert_int_equal(reply.oap_size, 3);
        assert_int_equal(fake_irm_establish(&f->irm, &reply, fd, LANE_NORMAL, &tokens, ret), 0);
        (void) close(fd);

        layer_fixture_pump(f);
        assert_int_equal(f->n_established, n_before + 1);
}

void layer_fixture_establish(LayerFixture *f, Channel **ret) {
        layer_fixture_establish_flow(f, &f->flow, 7, ret);
}

static void app_write_bytes(Channel *channel, uint8_t first, unsigned n, size_t size) {
        uint8_t bytes[1400] = {};

        assert_true(size <= sizeof(bytes));
        for (unsigned i = 0; i < n; i++) {
                struct iovec part = { .iov_base = bytes, .iov_len = size };

                bytes[0] = (uint8_t) (first + i);
                assert_int_equal(channel_push(channel, &part, 1), 0);
        }

        assert_true(channel_publish(channel) >= 0);
}

void app_write(Channel *channel, uint8_t first, unsigned n) {
        app_write_bytes(channel, first, n, 1);
}

void app_write_large(Channel *channel, uint8_t first, unsigned n) {
        app_write_bytes(channel, first, n, 1400);
}
