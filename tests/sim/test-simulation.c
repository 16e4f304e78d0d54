/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What o7s-sim stands on: virtual time, chance and graphs. A simulator that is wrong proves nothing. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/sim/timeline.h"
#include "tests/sim/topology.h"
#include "tests/sim/trace.h"

/* -- time: against a model that sorts nothing -- */

#define EVENTS 200U

typedef struct Appointment {
        TimelineEvent event;
        usec_t when;                    /* USEC_INFINITY: not planned */
        uint64_t turn;                  /* among those of the same time */
        unsigned n_happened;
} Appointment;

static Appointment appointments[EVENTS];

static bool is_before(const Appointment *a, const Appointment *b) {
        return a->when < b->when || (a->when == b->when && a->turn < b->turn);
}

static void appointment_happen(TimelineEvent *event, usec_t now) {
        Appointment *a = container_of(event, Appointment, event);

        assert_int_equal(a->when, now);
        for (unsigned i = 0; i < EVENTS; i++)
                if (&appointments[i] != a && appointments[i].when != USEC_INFINITY)
                        assert_false(is_before(&appointments[i], a));

        a->when = USEC_INFINITY;
        a->n_happened++;
}

static const TimelineKind appointment_kind = { .happen = appointment_happen };

static void test_timeline(void **state) {
        uint64_t turn = 0;
        unsigned n_happened = 0, n_left = 0;
        Timeline t;
        Dice dice;

        timeline_init(&t);
        dice_init(&dice, 1, 1);
        for (unsigned i = 0; i < EVENTS; i++)
                appointments[i] = (Appointment) { .event.kind = &appointment_kind, .when = USEC_INFINITY };

        for (unsigned round = 0; round < 20000; round++) {
                Appointment *a = &appointments[dice_below(&dice, EVENTS)];
                usec_t when = t.now + dice_below(&dice, 50);

                switch (dice_below(&dice, 4)) {

                case 0:
                        a->when = USEC_INFINITY;
                        timeline_cancel(&t, &a->event);
                        break;

                case 1:
                        timeline_run(&t, when);
                        assert_int_equal(t.now, when);
                        break;

                default:
                        if (a->when != when)
                                a->turn = ++turn;
                        a->when = when;
                        timeline_set(&t, &a->event, when);
                }
        }

        for (unsigned i = 0; i < EVENTS; i++) {
                n_happened += appointments[i].n_happened;
                n_left += appointments[i].when != USEC_INFINITY;
                assert_int_equal(appointments[i].event.index != 0, appointments[i].when != USEC_INFINITY);
        }
        assert_int_equal(t.n_happened, n_happened);
        assert_int_equal(t.n, n_left);
        assert_true(n_happened > 1000);
        timeline_done(&t);
}

static void test_past(void **state) {
        Appointment *a = &appointments[0];
        Timeline t;

        timeline_init(&t);
        for (unsigned i = 0; i < EVENTS; i++)
                appointments[i] = (Appointment) { .event.kind = &appointment_kind, .when = USEC_INFINITY };

        timeline_run(&t, 100);
        a->when = 100;                  /* what should have been at 7 is now */
        timeline_set(&t, &a->event, 7);
        timeline_run(&t, 100);
        assert_int_equal(a->n_happened, 1);
        timeline_done(&t);
}

/* -- graphs -- */

static bool is_connected(const Topology *t) {
        bool inside[2000] = { true };
        bool changed = true;

        while (changed) {
                changed = false;
                for (size_t i = 0; i < t->n_edges; i++)
                        if (inside[t->edges[i].a] != inside[t->edges[i].b]) {
                                inside[t->edges[i].a] = inside[t->edges[i].b] = true;
                                changed = true;
                        }
        }

        for (uint32_t i = 0; i < t->n_members; i++)
                if (!inside[i])
                        return false;

        return true;
}

static void test_topologies(void **state) {
        static const uint32_t sizes[] = { 1, 2, 3, 4, 7, 50, 333 };

        for (TopologyShape shape = 0; shape < _TOPOLOGY_SHAPE_MAX; shape++)
                for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                        Topology t;
                        Dice dice;

                        print_message("%s of %u\n", topology_shape_to_string(shape), (unsigned) sizes[i]);
                        dice_init(&dice, 5, 5);
                        assert_int_equal(topology_make(&t, shape, sizes[i], &dice), 0);
                        assert_true(is_connected(&t));
                        for (size_t j = 0; j < t.n_edges; j++) {
                                assert_true(t.edges[j].a < t.edges[j].b && t.edges[j].b < sizes[i]);
                                for (size_t k = 0; k < j; k++)
                                        assert_false(t.edges[j].a == t.edges[k].a && t.edges[j].b == t.edges[k].b);
                        }
                        topology_done(&t);
                }
}

static void test_diameter(void **state) {
        static const struct {
                const char *name;
                TopologyShape shape;
                uint32_t n_members;
                uint32_t diameter;
        } cases[] = {
                { "one member", TOPOLOGY_LINE, 1, 0  },
                { "line",       TOPOLOGY_LINE, 50, 49 },
                { "even ring",  TOPOLOGY_RING, 50, 25 },
                { "odd ring",   TOPOLOGY_RING, 51, 25 },
                { "grid",       TOPOLOGY_GRID, 49, 12 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Topology t;
                Dice dice;

                print_message("%s\n", cases[i].name);
                dice_init(&dice, 1, 1);
                assert_int_equal(topology_make(&t, cases[i].shape, cases[i].n_members, &dice), 0);
                assert_int_equal(topology_diameter(&t), cases[i].diameter);
                topology_done(&t);
        }
}

/* -- chance and trace -- */

static void test_dice(void **state) {
        unsigned n = 0;
        Dice a, b;

        dice_init(&a, 7, 1);
        dice_init(&b, 7, 1);
        for (unsigned i = 0; i < 100; i++)
                assert_int_equal(dice_next(&a), dice_next(&b));

        dice_init(&b, 7, 2);
        assert_int_not_equal(dice_next(&a), dice_next(&b));

        for (unsigned i = 0; i < 100000; i++)
                n += dice_chance(&a, 0.05);
        assert_in_range(n, 4700, 5300);

        for (unsigned i = 0; i < 1000; i++)
                assert_in_range(dice_between(&a, 3, 5), 3, 5);
}

static void test_trace(void **state) {
        const uint8_t data[] = "twelve bytes";
        uint8_t other[sizeof(data)];
        Trace first = {}, same = {}, late = {}, bent = {};

        memcpy(other, data, sizeof(data));
        other[11] ^= 1;
        trace_add(&first, 10, 1, 2, data, sizeof(data));
        trace_add(&same, 10, 1, 2, data, sizeof(data));
        trace_add(&late, 11, 1, 2, data, sizeof(data));
        trace_add(&bent, 10, 1, 2, other, sizeof(other));
        assert_int_equal(first.digest, same.digest);
        assert_int_not_equal(first.digest, late.digest);
        assert_int_not_equal(first.digest, bent.digest);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_timeline), cmocka_unit_test(test_past), cmocka_unit_test(test_topologies),
                cmocka_unit_test(test_diameter), cmocka_unit_test(test_dice), cmocka_unit_test(test_trace),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
