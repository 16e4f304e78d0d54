/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Handshakes that nobody completes: they are there for a minute, can be completed until its last moment, and leave
 * nothing behind, in the table or in memory.
 */

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/auth-host.h"

#define NAME "session.example"
#define SESSIONS 200U

typedef struct Fixture {
        TestIdentity authority, server;
        TestHost asking, asked;
} Fixture;

static int set_up(void **state) {
        static Fixture f;               /* cmocka hands on a pointer */

        f = (Fixture) {};
        assert_int_equal(test_identity_init(&f.authority, TEST_KEY_P256, "Authority", NULL, false), 0);
        assert_int_equal(test_identity_init(&f.server, TEST_KEY_P256, "o7s:name:" NAME, &f.authority, false), 0);
        assert_int_equal(test_host_init(&f.asking, NAME, &f.authority, NULL, NULL), 0);
        assert_int_equal(test_host_init(&f.asked, NAME, NULL, &f.server, NULL), 0);
        *state = &f;
        return 0;
}

static int tear_down(void **state) {
        Fixture *f = *state;

        test_host_done(&f->asked);
        test_host_done(&f->asking);
        test_identity_done(&f->server);
        test_identity_done(&f->authority);
        return 0;
}

static unsigned n_sessions(const Fixture *f) {
        return session_table_count(&f->asking.service->sessions) + session_table_count(&f->asked.service->sessions);
}

static void both_at(Fixture *f, usec_t now) {
        TestHost *hosts[] = { &f->asking, &f->asked };

        for (size_t i = 0; i < ELEMENTSOF(hosts); i++) {
                hosts[i]->now.monotonic = now;
                service_expire(hosts[i]->service, now);
        }
}

/* As many handshakes are begun, and left where they are. */
static void begin(Fixture *f, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                _cleanup_(auth_message_done) AuthMessage request = {}, checked = {};

                assert_int_equal(test_host_build_request(&f->asking, NAME, NULL, &request), 0);
                assert_int_equal(
                        test_host_check_request(&f->asked, NAME, NULL, request.oap, request.oap_size, &checked), 0);
                assert_true(request.session != 0 && checked.session != 0);
        }
}

static void test_left_alone(void **state) {
        Fixture *f = *state;
        usec_t start = f->asking.now.monotonic;
        size_t before, meanwhile;

        /* Once, so that libraries have what they keep. */
        begin(f, SESSIONS);
        both_at(f, start += SESSION_LIFE_USEC);
        assert_int_equal(n_sessions(f), 0);

        before = mallinfo2().uordblks;
        begin(f, SESSIONS);
        meanwhile = mallinfo2().uordblks;
        assert_int_equal(n_sessions(f), 2 * SESSIONS);
        assert_true(service_next(f->asked.service) <= start + SESSION_LIFE_USEC);

        both_at(f, start + SESSION_LIFE_USEC - 1);
        assert_int_equal(n_sessions(f), 2 * SESSIONS);
        both_at(f, start + SESSION_LIFE_USEC);
        assert_int_equal(n_sessions(f), 0);
        assert_true(meanwhile == before || mallinfo2().uordblks < before + (meanwhile - before) / 20);
}

/* Until its last moment it can be completed, and afterwards at neither end. */
static void test_too_late(void **state) {
        static const struct {
                const char *name;
                usec_t later;
                bool good;
        } cases[] = {
                { "at once",             0,                             true  },
                { "in its last moment",  SESSION_LIFE_USEC - 1,         true  },
                { "when it is over",     SESSION_LIFE_USEC,             false },
                { "long after",          100 * SESSION_LIFE_USEC,       false },
        };
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(auth_message_done) AuthMessage request = {}, checked = {}, response = {}, end = {};
                _cleanup_(auth_message_done) AuthMessage late = {};
                usec_t start = f->asking.now.monotonic;

                print_message("%s\n", cases[i].name);
                assert_int_equal(test_host_build_request(&f->asking, NAME, NULL, &request), 0);
                assert_int_equal(
                        test_host_check_request(&f->asked, NAME, NULL, request.oap, request.oap_size, &checked), 0);
                assert_int_equal(test_host_check_request(&f->asked, NAME, NULL, request.oap, request.oap_size, &late),
                                 0);
                assert_int_equal(test_host_build_response(&f->asked, checked.session, &response), 0);

                both_at(f, start + cases[i].later);
                assert_int_equal(test_host_build_response(&f->asked, late.session, &end) == 0, cases[i].good);
                auth_message_done(&end);
                assert_int_equal(test_host_check_response(&f->asking, request.session, response.oap, response.oap_size,
                                                          &end) == 0,
                                 cases[i].good);
                both_at(f, start + 200 * SESSION_LIFE_USEC);
                assert_int_equal(n_sessions(f), 0);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_left_alone, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_too_late, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
