/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The cubes of a layer's flows: who goes first, who waits, and what becomes of a flow that sends more than it asked
 * for. The test plays the IRM and the applications. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/layer-fixture.h"

/* It asked for so little that no time in which the machine stands still gives it more. */
#define SLOW_VOICE_BPS 8U
/* What app_write_large() writes, of which a bucket lets so many go ahead, and the one that empties it. */
#define AHEAD_MAX (POLICER_DEPTH_MIN_BYTES / (1400 - POLICER_HEADER_BYTES) + 1)

static void establish_bulk_and_voice(LayerFixture *f, Channel **ret_bulk, Channel **ret_voice) {
        f->other.qos = O7S_QOS_VOICE;
        layer_fixture_establish(f, ret_bulk);
        layer_fixture_establish_flow(f, &f->other, 8, ret_voice);
}

/* The network takes no more bulk: voice goes on, and bulk when there is room again. */
static void test_back_pressure_of_a_cube(void **state) {
        LayerFixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL, *other = NULL;

        establish_bulk_and_voice(f, &app, &other);
        f->n_room = 3;
        app_write(app, 0, 60);
        layer_fixture_pump(f);
        assert_int_equal(f->n_transmitted, 3);

        app_write(other, 0, 60);
        layer_fixture_pump(f);
        assert_int_equal(f->n_transmitted_other, 60);
        assert_int_equal(f->n_transmitted, 3);

        f->n_room = UINT32_MAX;
        upper_resume(layer_upper(f->layer));
        layer_fixture_pump(f);
        for (unsigned i = 0; i < 60; i++)
                assert_int_equal(f->transmitted[i], i);
        assert_int_equal(f->n_transmitted, 60);
}

/* Both have more than they may send at a time: voice is done first, and bulk had its share by then. */
static void test_cubes_take_turns(void **state) {
        LayerFixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL, *other = NULL;

        establish_bulk_and_voice(f, &app, &other);
        layer_fixture_pump(f);
        f->burst_max = 1;
        app_write(app, 0, 64);
        app_write(other, 0, 64);
        layer_fixture_pump(f);
        assert_int_equal(f->n_transmitted_other, 64);
        assert_int_equal(f->n_transmitted, 64);
        assert_in_range(f->n_before_other, 64 / UPPER_LOWEST_EVERY, 3 * 64 / UPPER_LOWEST_EVERY);
}

static void set_slow_voice(LayerFlow *flow) {
        flow->qos = O7S_QOS_VOICE;
        flow->qos.bandwidth_bps = SLOW_VOICE_BPS;
}

/* Both write all the time, voice far more than it asked for: but for what its bucket holds they take turns. */
static void test_greedy_voice(void **state) {
        LayerFixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL, *other = NULL;

        set_slow_voice(&f->other);
        layer_fixture_establish(f, &app);
        layer_fixture_establish_flow(f, &f->other, 8, &other);
        layer_fixture_pump(f);
        f->burst_max = 1;
        app_write_large(app, 0, 60);
        app_write_large(other, 0, 60);
        layer_fixture_pump(f);
        assert_int_equal(f->n_transmitted_other, 60);
        assert_int_equal(f->n_transmitted, 60);
        assert_in_range(f->n_before_other, 60 - 2 * AHEAD_MAX, 60);
        assert_int_equal(f->n_demoted, 60 - AHEAD_MAX);
        assert_int_equal(layer_upper(f->layer)->n_demoted, f->n_demoted);

        /* Once its bucket is empty nothing of it goes ahead any more. */
        app_write_large(other, 0, 60);
        app_write_large(app, 60, 60);
        layer_fixture_pump(f);
        assert_in_range(f->n_before_other, 60 + 60 - AHEAD_MAX, 60 + 60);
        assert_int_equal(f->n_demoted, 60 + 60 - AHEAD_MAX);
        assert_int_equal(layer_flow_cube(&f->other), CUBE_BEST_EFFORT);

        upper_reset_counters(layer_upper(f->layer));
        assert_int_equal(layer_upper(f->layer)->n_demoted, 0);
}

/* One that keeps to what it asked for is always ahead, however much others write. */
static void test_polite_voice(void **state) {
        LayerFixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL, *other = NULL;

        establish_bulk_and_voice(f, &app, &other);
        layer_fixture_pump(f);
        f->burst_max = 1;
        for (unsigned round = 0; round < 8; round++) {
                app_write_large(app, 0, 60);
                app_write(other, 0, 60);
                layer_fixture_pump(f);
                assert_int_equal(f->n_transmitted, 60 * (round + 1));
                assert_in_range(f->n_before_other, 60 * round, 60 * round + 3 * 60 / UPPER_LOWEST_EVERY);
        }
        assert_int_equal(f->n_transmitted_other, 8 * 60);
        assert_int_equal(f->n_demoted, 0);
}

/* A layer has held the flows of its own applications to what they asked for: their sum is nothing to be held against
 * it. */
static void test_flow_of_layer(void **state) {
        LayerFixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL;

        set_slow_voice(&f->flow);
        f->irm.of_layer = true;
        layer_fixture_establish(f, &app);
        for (unsigned round = 0; round < 4; round++) {
                app_write_large(app, 0, 60);
                layer_fixture_pump(f);
        }
        assert_int_equal(f->n_transmitted, 4 * 60);
        assert_int_equal(f->n_demoted, 0);
}

/* How much the network takes, and then again, until all is sent: what a flow wrote leaves in its order, whichever queue
 * it had to wait in, and whether it lost its place before or while it waited. */
static const struct {
        const char *name;
        unsigned burst_max;
        unsigned room;
        unsigned ahead;                 /* packets that went before it was over, or were held with those */
} orders[] = {
        { "in single packets", 1, UINT32_MAX, AHEAD_MAX },
        { "in bursts", 8, UINT32_MAX, 16 },
        { "held in the queue of voice", 32, 5, 32 },
        { "held in both", 8, 5, 16 },
        { "held all the time", 1, 1, AHEAD_MAX },
        { "held where it changes the queue", 1, AHEAD_MAX, AHEAD_MAX },
        { "held just behind that", 1, AHEAD_MAX + 1, AHEAD_MAX },
};

static void test_order(void **state) {
        LayerFixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(orders); i++) {
                _cleanup_(channel_freep) Channel *app = NULL;

                print_message("%s\n", orders[i].name);
                f->n_transmitted = f->n_demoted = 0;
                set_slow_voice(&f->flow);
                layer_fixture_establish(f, &app);
                layer_fixture_pump(f);
                f->burst_max = orders[i].burst_max;
                f->n_room = orders[i].room;
                app_write_large(app, 0, 60);
                layer_fixture_pump(f);
                while (f->n_transmitted < 60) {
                        unsigned before = f->n_transmitted;

                        app_write(app, 60, 1);                  /* its doorbell rings while it waits */
                        f->n_room = orders[i].room;
                        upper_resume(layer_upper(f->layer));
                        layer_fixture_pump(f);
                        assert_int_not_equal(f->n_transmitted, before);
                }
                for (unsigned k = 0; k < 60; k++)
                        assert_int_equal(f->transmitted[k], k);
                assert_int_equal(f->n_transmitted - f->n_demoted, orders[i].ahead);

                upper_flow_close(&f->flow, CLOSE_NORMAL);
                layer_flow_set_state(&f->flow, LAYER_FLOW_CLOSED);
                layer_flows_remove(&f->flows, &f->flow);
                f->flow = (LayerFlow) {};
        }
}

/* It sends less again: after a while, and a pause, it has its place back. */
static void test_recovers(void **state) {
        LayerFixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL;

        f->flow.qos = O7S_QOS_VOICE;
        layer_fixture_establish(f, &app);
        f->burst_max = 1;
        app_write_large(app, 0, 60);
        layer_fixture_pump(f);
        assert_int_not_equal(f->n_demoted, 0);

        for (unsigned i = 0; i < 10000 && f->flow.demoted; i++) {
                layer_fixture_pump(f);
                layer_fixture_pump(f);  /* a pause */
                app_write(app, 0, 1);
                layer_fixture_pump(f);
        }
        assert_int_equal(layer_flow_cube(&f->flow), CUBE_VOICE);
}

/* Bulk was served last and is looked at first, and voice goes first all the same. */
static void test_looks_for_voice_first(void **state) {
        LayerFixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL, *other = NULL;
        Upper *upper = layer_upper(f->layer);

        upper_set_looks(upper);
        establish_bulk_and_voice(f, &app, &other);
        layer_fixture_pump(f);
        assert_int_equal(upper->n_warm, 2);

        app_write(app, 0, 5);
        app_write(other, 0, 5);
        assert_true(upper_look(upper));
        layer_fixture_pump(f);
        assert_int_equal(f->n_transmitted, 5);
        assert_int_equal(f->n_transmitted_other, 5);
        assert_int_equal(f->n_before_other, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_LAYER(test_looks_for_voice_first),
                WITH_LAYER(test_back_pressure_of_a_cube),
                WITH_LAYER(test_cubes_take_turns),
                WITH_LAYER(test_greedy_voice),
                WITH_LAYER(test_polite_voice),
                WITH_LAYER(test_flow_of_layer),
                WITH_LAYER(test_order),
                WITH_LAYER(test_recovers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
