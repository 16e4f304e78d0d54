/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What applications are told of the network below their flows: what is news, to everybody, and what counts last. The
 * test plays the IRM and the applications. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/layer-fixture.h"

#define FIXTURE_MTU 1496U               /* that the IRM knows of */
#define NOTHING UINT32_MAX

/* What the application's doorbell has. packet_max NOTHING: nothing, not even a ring. */
static void expect_told(Channel *app, bool down, uint32_t packet_max) {
        PathState path = { .packet_max = NOTHING };
        unsigned rings;

        assert_int_equal(doorbell_drain_path(channel_fd(app), &rings, &path, NULL), 0);
        assert_int_equal(path.packet_max, packet_max);
        assert_int_equal(path.down, down);
        assert_int_equal(rings, packet_max == NOTHING ? 0 : 1);
}

static void expect_nothing(Channel *app) {
        expect_told(app, false, NOTHING);
}

static void test_changes(void **state) {
        static const struct {
                const char *name;
                uint32_t packet_max;
                bool down;
                bool told;
        } steps[] = {
                { "as it was",            FIXTURE_MTU, false, false },
                { "the cable is pulled",  FIXTURE_MTU, true,  true  },
                { "again",                FIXTURE_MTU, true,  false },
                { "smaller, still down",  1000,        true,  true  },
                { "and back",             1000,        false, true  },
                { "larger",               9000,        false, true  },
                { "again, nothing new",   9000,        false, false },
                { "no interface",         0,           false, true  },
                { "nor a link",           0,           true,  true  },
                { "another interface",    1500,        true,  true  },
                { "with a link",          1500,        false, true  },
        };
        LayerFixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL, *other = NULL;

        layer_fixture_establish(f, &app);
        layer_fixture_establish_flow(f, &f->other, 8, &other);
        expect_nothing(app);

        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                print_message("%s\n", steps[i].name);
                assert_int_equal(layer_set_packet_max(f->layer, steps[i].packet_max), 0);
                layer_set_down(f->layer, steps[i].down);
                layer_fixture_pump(f);
                expect_told(app, steps[i].told && steps[i].down, steps[i].told ? steps[i].packet_max : NOTHING);
                expect_told(other, steps[i].told && steps[i].down, steps[i].told ? steps[i].packet_max : NOTHING);
        }

        /* It is not in the way of data. */
        app_write(app, 'a', 5);
        layer_fixture_pump(f);
        assert_memory_equal(f->transmitted, "abcde", 5);
}

/* Of one flow alone there may be no way to the peer. */
static void test_one_flow(void **state) {
        LayerFixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL, *other = NULL;

        layer_fixture_establish(f, &app);
        layer_fixture_establish_flow(f, &f->other, 8, &other);

        upper_flow_set_down(&f->flow, true);
        expect_told(app, true, FIXTURE_MTU);
        upper_flow_set_down(&f->flow, true);
        expect_nothing(app);
        expect_nothing(other);

        layer_set_down(f->layer, true);
        expect_nothing(app);
        expect_told(other, true, FIXTURE_MTU);
        layer_set_down(f->layer, false);
        expect_nothing(app);
        expect_told(other, false, FIXTURE_MTU);
        upper_flow_set_down(&f->flow, false);
        expect_told(app, false, FIXTURE_MTU);
}

/* Flows that come up later begin with what the IRM says of the layer, and are told at once what is otherwise. */
static void test_begins(void **state) {
        LayerFixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL, *other = NULL;

        assert_int_equal(layer_set_packet_max(f->layer, 1000), 0);
        layer_fixture_establish(f, &app);
        expect_nothing(app);

        layer_set_down(f->layer, true);
        expect_told(app, true, 1000);
        layer_fixture_establish_flow(f, &f->other, 8, &other);
        expect_told(other, true, 1000);
}

/* The IRM had our lane, and perhaps told the application, before the size changed. */
static void test_changes_meanwhile(void **state) {
        LayerFixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL;
        const CloseTokens tokens = {};
        LayerMessage reply;
        int fd;

        f->flow.lane_class = LANE_NORMAL;
        assert_int_equal(layer_flows_add(&f->flows, &f->flow, 7, 1), 0);
        layer_flow_set_state(&f->flow, LAYER_FLOW_ANSWERED);
        assert_int_equal(layer_reply(f->layer, &f->flow, 0, (const uint8_t *) "oap", 3, NULL), 0);
        assert_int_equal(fake_irm_expect(&f->irm, LAYER_REPLY, &reply, &fd), 0);
        assert_int_equal(layer_set_packet_max(f->layer, 1000), 0);
        assert_int_equal(fake_irm_establish(&f->irm, &reply, fd, LANE_NORMAL, &tokens, &app), 0);
        (void) close(fd);

        layer_fixture_pump(f);
        expect_told(app, false, 1000);
}

/* An application that does not look for a while, and whose doorbell is full: it is told the last state in the end. */
static void test_full_doorbell(void **state) {
        LayerFixture *f = *state;
        _cleanup_(channel_freep) Channel *app = NULL;
        PathState path = {}, before;
        bool down = false;

        layer_fixture_establish(f, &app);
        for (unsigned i = 0; i < 4001; i++) {
                down = !down;
                layer_set_down(f->layer, down);
        }
        assert_int_equal(layer_set_packet_max(f->layer, 1234), 0);

        for (unsigned i = 0; i < 4001 && (!path.down || path.packet_max != 1234); i++) {
                layer_fixture_pump(f);
                assert_int_equal(channel_drain_path(app, &path, NULL), 0);
        }
        assert_true(path.down);
        assert_int_equal(path.packet_max, 1234);

        before = path;
        layer_fixture_pump(f);
        assert_int_equal(channel_drain_path(app, &path, NULL), 0);
        assert_int_equal(path.down, before.down);
        expect_nothing(app);
}

/* One that ended has nothing more to be told, and one without an application is told when that comes back. */
static void test_nobody_there(void **state) {
        LayerFixture *f = *state;
        Channel *app;

        upper_flow_set_down(&f->other, true);
        layer_fixture_establish(f, &app);
        channel_free(app);
        layer_set_down(f->layer, true);
        layer_fixture_pump(f);
        assert_null(f->flow.upper);
        layer_set_down(f->layer, false);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_LAYER(test_changes),
                WITH_LAYER(test_one_flow),
                WITH_LAYER(test_begins),
                WITH_LAYER(test_changes_meanwhile),
                WITH_LAYER(test_full_doorbell),
                WITH_LAYER(test_nobody_there),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
