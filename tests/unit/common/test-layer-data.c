/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Data of a layer's flows: bursts, back pressure, budgets, and who ends it how. The test plays the IRM and the
 * applications. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/layer-fixture.h"

static void test_data(void **state) {
        LayerFixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL;
        _cleanup_(packet_freep) Packet *packet = NULL;
        Counters counters;
        uint8_t bytes[16];
        bool more;

        layer_fixture_establish(f, &app);
        app_write(app, 'a', 5);
        layer_fixture_pump(f);
        assert_int_equal(f->n_transmitted, 5);
        assert_memory_equal(f->transmitted, "abcde", 5);

        assert_int_equal(packet_new(64, &packet), 0);
        memcpy(packet_append(packet, 5), "hello", 5);
        upper_deliver(layer_upper(f->layer), &f->flow, &packet, 1, false);
        assert_int_equal(channel_read(app, bytes, sizeof(bytes), &more), 5);
        assert_memory_equal(bytes, "hello", 5);

        upper_sum_counters(layer_upper(f->layer), &counters);
        assert_int_equal(counters.tx_packets, 5);
        assert_int_equal(counters.rx_packets, 1);
        assert_int_equal(counters.rx_bytes, 5);
}

/* The network takes three packets, then nothing, then the rest: nothing is lost, nothing overtakes. */
static void test_back_pressure(void **state) {
        LayerFixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL;

        layer_fixture_establish(f, &app);
        f->n_room = 3;
        app_write(app, 0, 60);
        layer_fixture_pump(f);
        assert_int_equal(f->n_transmitted, 3);

        f->n_room = 30;
        upper_resume(layer_upper(f->layer));
        layer_fixture_pump(f);
        assert_int_equal(f->n_transmitted, 33);

        f->n_room = UINT32_MAX;
        upper_resume(layer_upper(f->layer));
        layer_fixture_pump(f);
        assert_int_equal(f->n_transmitted, 60);
        for (unsigned i = 0; i < 60; i++)
                assert_int_equal(f->transmitted[i], i);
}

/* One flow always has something to write: the doorbell of another one is heard all the same. */
static void test_busy_flow(void **state) {
        LayerFixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL, *other = NULL;

        layer_fixture_establish(f, &app);
        layer_fixture_establish_flow(f, &f->other, 8, &other);
        layer_fixture_pump(f);
        app_write(app, 0, 32);
        f->refill = app;
        for (unsigned i = 0; i < 4; i++)
                assert_true(sd_event_run(f->daemon.event, 0) >= 0);
        assert_int_not_equal(f->n_transmitted, 0);
        assert_int_equal(f->n_transmitted_other, 0);

        app_write(other, 0, 5);
        for (unsigned i = 0; i < 8; i++)
                assert_true(sd_event_run(f->daemon.event, 0) >= 0);
        assert_int_equal(f->n_transmitted_other, 5);
        f->refill = NULL;
}

/* While the loop looks by itself nobody rings; when it goes to sleep everybody does. */
static void test_looks(void **state) {
        LayerFixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL, *other = NULL;
        Upper *upper = layer_upper(f->layer);

        upper_set_looks(upper);
        layer_fixture_establish(f, &app);
        layer_fixture_establish_flow(f, &f->other, 8, &other);
        layer_fixture_pump(f);
        assert_false(upper_look(upper));

        app_write(app, 0, 5);
        layer_fixture_pump(f);
        assert_int_equal(f->n_transmitted, 0);
        assert_true(upper_look(upper));
        assert_int_equal(f->n_transmitted, 5);
        assert_false(upper_look(upper));

        /* What comes before it sleeps keeps it awake. */
        app_write(other, 0, 7);
        assert_false(upper_sleep(upper));
        layer_fixture_pump(f);
        assert_int_equal(f->n_transmitted_other, 7);

        assert_true(upper_sleep(upper));
        assert_false(upper_look(upper));
        app_write(app, 0, 3);
        app_write(other, 0, 2);
        layer_fixture_pump(f);
        assert_int_equal(f->n_transmitted, 8);
        assert_int_equal(f->n_transmitted_other, 9);
}

/* A flow can end while nobody listens for its bell. */
static void test_looks_at_end(void **state) {
        LayerFixture *f = *state;
        _cleanup_(channel_freep) Channel *other = NULL;
        Upper *upper = layer_upper(f->layer);
        Channel *app;

        upper_set_looks(upper);
        layer_fixture_establish(f, &app);
        layer_fixture_establish_flow(f, &f->other, 8, &other);
        layer_fixture_pump(f);
        assert_int_equal(upper->n_warm, 2);

        app_write(app, 0, 5);
        channel_close(app, CLOSE_NORMAL);
        channel_free(app);
        layer_fixture_pump(f);
        assert_int_equal(f->n_transmitted, 5);
        assert_null(f->flow.upper);
        assert_int_equal(upper->n_warm, 1);
        assert_true(upper_sleep(upper));
        assert_int_equal(upper->n_warm, 0);
}

/* One flow has used up its budget: it waits, without being asked again and again, and the other goes on. */
static void test_budget(void **state) {
        LayerFixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL, *other = NULL;
        unsigned n_asked;

        layer_fixture_establish(f, &app);
        layer_fixture_establish_flow(f, &f->other, 8, &other);
        f->budget = 10;
        app_write(app, 0, 60);
        layer_fixture_pump(f);
        assert_int_equal(f->n_transmitted, 10);

        n_asked = f->n_asked;
        app_write(other, 0, 60);
        layer_fixture_pump(f);
        assert_int_equal(f->n_transmitted_other, 60);
        assert_int_equal(f->n_transmitted, 10);
        assert_int_equal(f->n_asked, n_asked);

        f->budget = 40;
        upper_flow_resume(&f->flow);
        layer_fixture_pump(f);
        assert_int_equal(f->n_transmitted, 50);

        /* Resumed twice, and while it does not wait: nothing happens twice. */
        f->budget = UINT32_MAX;
        upper_flow_resume(&f->flow);
        upper_flow_resume(&f->flow);
        upper_flow_resume(&f->other);
        layer_fixture_pump(f);
        assert_int_equal(f->n_transmitted, 60);
        for (unsigned i = 0; i < 60; i++)
                assert_int_equal(f->transmitted[i], i);

        /* And it sleeps and wakes up as before. */
        app_write(app, 60, 1);
        layer_fixture_pump(f);
        assert_int_equal(f->n_transmitted, 61);
}

/* The application ends while its budget is used up: what it had written goes out as the budget allows, then it ends. */
static void test_budget_at_end(void **state) {
        LayerFixture *f = *state;
        Channel *app;
        LayerMessage m;

        layer_fixture_establish(f, &app);
        f->budget = 10;
        app_write(app, 'a', 40);
        layer_fixture_pump(f);
        channel_close(app, CLOSE_NORMAL);
        channel_free(app);
        layer_fixture_pump(f);
        assert_int_equal(f->n_transmitted, 10);
        assert_int_equal(f->n_closed, 0);

        f->budget = 10;
        upper_flow_resume(&f->flow);
        layer_fixture_pump(f);
        assert_int_equal(f->n_transmitted, 20);
        assert_int_equal(f->n_closed, 0);

        f->budget = UINT32_MAX;
        upper_flow_resume(&f->flow);
        layer_fixture_pump(f);
        assert_int_equal(f->n_transmitted, 40);
        assert_int_equal(f->n_closed, 1);
        assert_null(f->flow.upper);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_DOWN, &m, NULL), 0);
        assert_int_equal(m.close_reason, CLOSE_NORMAL);
        upper_flow_resume(&f->flow);    /* too late, and harmless */
}

/* A budget that never comes does not keep a flow alive. */
static void test_budget_never(void **state) {
        LayerFixture *f = *state;
        Channel *app;
        LayerMessage m;

        layer_upper(f->layer)->ending_max_usec = USEC_PER_MSEC;
        layer_fixture_establish(f, &app);
        f->budget = 10;
        app_write(app, 'a', 40);
        channel_close(app, CLOSE_NORMAL);
        channel_free(app);
        layer_fixture_pump(f);
        assert_int_equal(f->n_transmitted, 10);
        assert_int_equal(f->n_closed, 1);
        assert_null(f->flow.upper);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_DOWN, &m, NULL), 0);
        assert_int_equal(m.close_reason, CLOSE_NORMAL);
}

static void test_application_closes(void **state) {
        LayerFixture *f = *state;
        Channel *app;
        LayerMessage m;

        layer_fixture_establish(f, &app);
        app_write(app, 'a', 40);
        channel_close(app, CLOSE_NORMAL);
        channel_free(app);
        layer_fixture_pump(f);

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
        LayerFixture *f = *state;
        _cleanup_(packet_freep) Packet *packet = NULL;
        Channel *app;
        LayerMessage m;

        layer_fixture_establish(f, &app);
        layer_fixture_pump(f);
        assert_int_equal(channel_arm_read(app), 1);
        channel_close(app, CLOSE_NORMAL);
        channel_free(app);

        assert_int_equal(packet_new(64, &packet), 0);
        memcpy(packet_append(packet, 5), "hello", 5);
        upper_deliver(layer_upper(f->layer), &f->flow, &packet, 1, false);
        layer_fixture_pump(f);
        assert_int_equal(f->n_closed, 1);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_DOWN, &m, NULL), 0);
        assert_int_equal(m.close_reason, CLOSE_NORMAL);
}

static void test_application_dies(void **state) {
        LayerFixture *f = *state;
        Channel *app;
        LayerMessage m;

        layer_fixture_establish(f, &app);
        channel_free(app);              /* without a word, as a killed process */
        layer_fixture_pump(f);
        assert_int_equal(f->n_closed, 1);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_DOWN, &m, NULL), 0);
        assert_int_equal(m.close_reason, CLOSE_PEER_DIED);
}

static void test_closed_from_below(void **state) {
        LayerFixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL;
        CloseReason reason = _CLOSE_REASON_INVALID;
        LayerMessage m;

        layer_fixture_establish(f, &app);
        layer_down(f->layer, &f->flow, CLOSE_PEER_TIMEOUT);
        assert_int_equal(channel_drain(app, &reason), 1);
        assert_int_equal(reason, CLOSE_PEER_TIMEOUT);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_DOWN, &m, NULL), 0);
        assert_int_equal(m.close_reason, CLOSE_PEER_TIMEOUT);
}

static void test_closed_by_irm(void **state) {
        LayerFixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL;
        const LayerMessage order = { .type = LAYER_CLOSE, .flow_id = 7, .close_reason = CLOSE_BY_OPERATOR };
        CloseReason reason = _CLOSE_REASON_INVALID;

        layer_fixture_establish(f, &app);
        assert_int_equal(fake_irm_send(&f->irm, &order), 0);
        layer_fixture_pump(f);
        assert_int_equal(f->n_closed, 1);
        assert_int_equal(channel_drain(app, &reason), 1);
        assert_int_equal(reason, CLOSE_BY_OPERATOR);
}

/* Word of the IRM that the application closed the flow comes before its doorbell: what it had written goes out
 * first. */
static void test_close_overtakes(void **state) {
        const LayerMessage order = { .type = LAYER_CLOSE, .flow_id = 7, .close_reason = CLOSE_NORMAL };
        LayerFixture *f = *state;
        Channel *app;
        LayerMessage m;

        layer_fixture_establish(f, &app);
        layer_fixture_pump(f);
        app_write(app, 'a', 40);
        assert_int_equal(fake_irm_send(&f->irm, &order), 0);
        channel_close(app, CLOSE_NORMAL);
        channel_free(app);
        layer_fixture_pump(f);
        assert_int_equal(f->n_transmitted, 40);
        assert_int_equal(f->n_closed, 1);
        assert_null(f->flow.upper);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_DOWN, &m, NULL), 0);
        assert_int_equal(m.close_reason, CLOSE_NORMAL);
}

/* Between a restart of ours and the application's return: what arrives is dropped, and counted as what it is. */
static void test_not_attached(void **state) {
        _cleanup_(packet_freep) Packet *packet = NULL;
        LayerFixture *f = *state;
        Counters counters;

        assert_int_equal(packet_new(64, &packet), 0);
        memcpy(packet_append(packet, 5), "hello", 5);
        for (unsigned i = 0; i < 3; i++)
                upper_deliver(layer_upper(f->layer), &f->flow, &packet, 1, false);

        upper_sum_counters(layer_upper(f->layer), &counters);
        assert_int_equal(counters.drops[DROP_NOT_ATTACHED], 3);
        assert_int_equal(counters.drops[DROP_FLOW_CLOSED], 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_LAYER(test_data),
                WITH_LAYER(test_back_pressure),
                WITH_LAYER(test_busy_flow),
                WITH_LAYER(test_looks),
                WITH_LAYER(test_looks_at_end),
                WITH_LAYER(test_budget),
                WITH_LAYER(test_budget_at_end),
                WITH_LAYER(test_budget_never),
                WITH_LAYER(test_application_closes),
                WITH_LAYER(test_application_closes_under_data),
                WITH_LAYER(test_application_dies),
                WITH_LAYER(test_closed_from_below),
                WITH_LAYER(test_closed_by_irm),
                WITH_LAYER(test_close_overtakes),
                WITH_LAYER(test_not_attached),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
