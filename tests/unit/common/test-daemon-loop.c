/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How a daemon's loop waits: when it looks, and that looking keeps nobody waiting. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "basic/time.h"
#include "services/common/daemon.h"

#define EXIT_CODE 7
#define ROUNDS 1000U
#define LONG_ROUNDS 50U
#define LONG_USEC (20 * USEC_PER_MSEC)

typedef struct Fixture {
        Daemon daemon;
        unsigned n_looks, n_sleeps, n_events, n_rounds;
        bool always_found;
        unsigned n_refusals;            /* so many times something comes just before it sleeps */
        usec_t period;                  /* between events; 0: one follows the other */
        sd_event_source *source;
} Fixture;

static bool look(void *userdata) {
        Fixture *f = userdata;

        f->n_looks++;
        return f->always_found;
}

static bool go_to_sleep(void *userdata) {
        Fixture *f = userdata;

        f->n_sleeps++;
        if (f->n_refusals == 0)
                return true;

        f->n_refusals--;
        return false;
}

static const DaemonIdle idle = { .look = look, .sleep = go_to_sleep };

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        assert_return_code(sd_event_new(&f->daemon.event), 0);
        daemon_set_idle(&f->daemon, &idle, f);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        sd_event_source_unref(f->source);
        sd_event_unref(f->daemon.event);
        free(f);
        return 0;
}

static int event_came(sd_event_source *source, uint64_t usec, void *userdata) {
        Fixture *f = userdata;

        if (++f->n_events == f->n_rounds)
                return sd_event_exit(f->daemon.event, EXIT_CODE);

        (void) sd_event_source_set_time_relative(source, f->period);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void add_events(Fixture *f, unsigned n_rounds, usec_t period) {
        f->n_rounds = n_rounds;
        f->period = period;
        assert_return_code(sd_event_add_time_relative(f->daemon.event, &f->source, CLOCK_MONOTONIC, period, 1,
                                                      event_came, f),
                           0);
}

/* Where waits are long there is nothing to look for: it costs nothing. (A host that stands still for as long as that
 * makes a wait short, and a few looks follow.) */
static void test_long_waits(void **state) {
        Fixture *f = *state;

        add_events(f, LONG_ROUNDS, LONG_USEC);
        assert_int_equal(daemon_loop(&f->daemon), EXIT_CODE);
        assert_int_equal(f->n_events, LONG_ROUNDS);
        assert_in_range(f->n_looks, 0, 1000);
        assert_true(f->n_sleeps >= LONG_ROUNDS / 2);
}

static void test_short_waits(void **state) {
        Fixture *f = *state;

        add_events(f, ROUNDS, 0);
        assert_int_equal(daemon_loop(&f->daemon), EXIT_CODE);
        assert_int_equal(f->n_events, ROUNDS);
        if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
                assert_true(f->n_looks > 0);
}

/* There is always something for who looks: events are attended to all the same. */
static void test_always_found(void **state) {
        Fixture *f = *state;

        f->always_found = true;
        add_events(f, ROUNDS, 0);
        assert_int_equal(daemon_loop(&f->daemon), EXIT_CODE);
        assert_int_equal(f->n_events, ROUNDS);
}

/* What comes while it goes to sleep keeps it awake: it would sleep for ever, as there is no event. */
static int exit_now(sd_event_source *source, void *userdata) {
        Fixture *f = userdata;

        return sd_event_exit(f->daemon.event, EXIT_CODE);
}

static bool comes_late(void *userdata) {
        Fixture *f = userdata;

        if (f->n_refusals > 0)
                return go_to_sleep(f);

        if (!f->source)
                assert_return_code(sd_event_add_defer(f->daemon.event, &f->source, exit_now, f), 0);
        return false;
}

static void test_comes_late(void **state) {
        static const DaemonIdle late = { .look = look, .sleep = comes_late };
        Fixture *f = *state;

        f->n_refusals = 3;
        daemon_set_idle(&f->daemon, &late, f);
        assert_int_equal(daemon_loop(&f->daemon), EXIT_CODE);
        assert_int_equal(f->n_sleeps, 3);
}

/* Somebody waits for a turn that an event gives: it may not sleep until then, and there is one CPU, or all waits were
 * long, so that it does not look either. */
static bool until_served(void *userdata) {
        Fixture *f = userdata;

        f->n_sleeps++;
        return f->n_events > 0;
}

static int served(sd_event_source *source, void *userdata) {
        Fixture *f = userdata;

        f->n_events++;
        return sd_event_exit(f->daemon.event, EXIT_CODE);
}

static void test_refuses_until_served(void **state) {
        static const DaemonIdle waits = { .look = look, .sleep = until_served };
        Fixture *f = *state;

        daemon_set_idle(&f->daemon, &waits, f);
        assert_return_code(sd_event_add_defer(f->daemon.event, &f->source, served, f), 0);
        assert_int_equal(daemon_loop(&f->daemon), EXIT_CODE);
        assert_int_equal(f->n_looks, 0);
        assert_in_range(f->n_sleeps, 1, 2);     /* the loop ends in the next round */
}

/* A daemon that has nothing to look for. */
static void test_without(void **state) {
        Fixture *f = *state;

        daemon_set_idle(&f->daemon, NULL, NULL);
        add_events(f, ROUNDS, 0);
        assert_int_equal(daemon_loop(&f->daemon), EXIT_CODE);
        assert_int_equal(f->n_events, ROUNDS);
        assert_int_equal(f->n_looks + f->n_sleeps, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_long_waits, setup, teardown),
                cmocka_unit_test_setup_teardown(test_short_waits, setup, teardown),
                cmocka_unit_test_setup_teardown(test_always_found, setup, teardown),
                cmocka_unit_test_setup_teardown(test_comes_late, setup, teardown),
                cmocka_unit_test_setup_teardown(test_refuses_until_served, setup, teardown),
                cmocka_unit_test_setup_teardown(test_without, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
