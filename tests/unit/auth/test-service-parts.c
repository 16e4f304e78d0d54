/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The service's parts that need neither files nor handshakes: sessions, warnings, the rate of events. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "services/auth/service-event.h"
#include "services/auth/service-session.h"
#include "services/auth/service-warning.h"

#define DAY_USEC (86400 * USEC_PER_SEC)
#define NOW_USEC (UINT64_C(20000) * DAY_USEC)

/* -- sessions -- */

static void test_session_numbers(void **state) {
        static SessionTable table;
        uint64_t last[SESSIONS_MAX] = {};
        int owner, other;

        session_table_init(&table);
        for (unsigned round = 0; round < 3; round++) {
                for (unsigned i = 0; i < SESSIONS_MAX; i++) {
                        Session *s;

                        assert_int_equal(session_new(&table, &owner, 0, false, round, &s), 0);
                        assert_ptr_equal(session_find(&table, s->id, &owner, false), s);
                        assert_null(session_find(&table, s->id, &owner, true));
                        assert_null(session_find(&table, s->id, &other, false));
                        assert_null(session_find(&table, s->id ^ 1ULL << 40, &owner, false));
                        if (last[i] != 0) {
                                assert_null(session_find(&table, last[i], &owner, false));
                                assert_int_not_equal(s->id, last[i]);
                        }
                        last[i] = s->id;
                }

                assert_int_equal(session_table_count(&table), SESSIONS_MAX);
                {
                        Session *s;

                        assert_int_equal(session_new(&table, &owner, 0, false, round, &s), -EBUSY);
                }
                session_table_disown(&table, &other);
                assert_int_equal(session_table_count(&table), SESSIONS_MAX);
                session_table_disown(&table, &owner);
                assert_int_equal(session_table_count(&table), 0);
        }
        session_table_done(&table);
}

/* One source has a quarter, and not more, whoever else there is; what ends makes room. */
static void test_session_sources(void **state) {
        static SessionTable table;
        Session *s, *first = NULL;

        session_table_init(&table);
        for (unsigned i = 0; i < SESSIONS_SOURCE_MAX; i++) {
                assert_int_equal(session_new(&table, &table, 77, true, i, &s), 0);
                first = first ? first : s;
        }
        assert_int_equal(session_new(&table, &table, 77, true, 0, &s), -EDQUOT);
        assert_int_equal(session_new(&table, &table, 77, false, 0, &s), -EDQUOT);

        /* As many peers as there are numbers, or some that nobody knows. */
        assert_int_equal(session_new(&table, &table, 78, true, 0, &s), 0);
        assert_int_equal(session_new(&table, &table, 0, true, 0, &s), 0);
        assert_int_equal(session_new(&table, &table, UINT64_MAX, false, 0, &s), 0);
        assert_int_equal(session_new(&table, &table, 77 + SESSION_SOURCES, true, 0, &s), -EDQUOT);

        assert_null(session_free(&table, first));
        assert_int_equal(session_new(&table, &table, 77, true, 0, &s), 0);
        assert_int_equal(session_new(&table, &table, 77, true, 0, &s), -EDQUOT);

        session_table_clear(&table);
        for (unsigned i = 0; i < SESSION_SOURCES; i++)
                assert_int_equal(table.n_of_source[i], 0);
}

static void test_session_expiry(void **state) {
        static SessionTable table;
        Session *s;

        session_table_init(&table);
        assert_true(session_table_next(&table) == USEC_INFINITY);
        for (usec_t now = 0; now < 10; now++)
                assert_int_equal(session_new(&table, &table, 0, now % 2, now * USEC_PER_SEC, &s), 0);

        assert_true(session_table_next(&table) == SESSION_LIFE_USEC);
        session_table_expire(&table, SESSION_LIFE_USEC - 1);
        assert_int_equal(session_table_count(&table), 10);
        session_table_expire(&table, SESSION_LIFE_USEC + 4 * USEC_PER_SEC);
        assert_int_equal(session_table_count(&table), 5);
        assert_int_equal(table.n_asked, 3);
        session_table_done(&table);
        assert_int_equal(table.n_asked, 0);
}

/* -- warnings -- */

static const struct {
        const char *name;
        int64_t left_hours;             /* of the certificate */
        uint64_t later_hours;           /* since the row before, of the same certificate */
        bool due;
} warnings[] = {
        { "far away", 31 * 24, 0, false },
        { "a month", 30 * 24, 24, true },
        { "again", 30 * 24, 0, false },
        { "the day after", 29 * 24, 24, false },
        { "a week", 7 * 24, 22 * 24, true },
        { "less than a week", 6 * 24, 24, false },
        { "a day", 24, 5 * 24, true },
        { "the same day", 23, 1, false },
        { "ended", 0, 23, true },
        { "the same hour", 0, 0, false },
        { "a day later", -25, 25, true },
        { "and on that day", -25, 0, false },
        { "another day later", -49, 24, true },
};

static void test_warnings(void **state) {
        static WarningTable table = { .key = "key" };
        uint64_t now = NOW_USEC;

        for (size_t i = 0; i < ELEMENTSOF(warnings); i++) {
                AuthFinding finding = { .subject = "/a/crt.pem" };

                print_message("%s\n", warnings[i].name);
                now += warnings[i].later_hours * 3600 * USEC_PER_SEC;
                finding.expiry_usec = NOW_USEC + 31 * DAY_USEC;
                assert_int_equal((int64_t) (finding.expiry_usec - now) / (int64_t) (3600 * USEC_PER_SEC),
                                 warnings[i].left_hours);
                assert_int_equal(warning_is_due(&table, &finding, now * NSEC_PER_USEC), warnings[i].due);
                if (warnings[i].due)
                        assert_non_null(strstr(finding.text, "UTC"));
        }

        /* Another certificate, another one in its place, one that never ends. */
        {
                AuthFinding other = { .subject = "/b/crt.pem", .expiry_usec = now + DAY_USEC };
                AuthFinding renewed = { .subject = "/a/crt.pem", .expiry_usec = now + 5 * DAY_USEC };
                AuthFinding endless = { .subject = "/c/crt.pem" };

                assert_true(warning_is_due(&table, &other, now * NSEC_PER_USEC));
                assert_true(warning_is_due(&table, &renewed, now * NSEC_PER_USEC));
                assert_false(warning_is_due(&table, &endless, now * NSEC_PER_USEC));
        }
}

/* More certificates than the table remembers: nothing is lost, the nearest ones are not said twice. */
static void test_many_warnings(void **state) {
        static WarningTable table = { .key = "key" };
        AuthFinding finding;

        for (unsigned i = 0; i < WARNINGS_MAX + 10; i++) {
                finding = (AuthFinding) { .expiry_usec = NOW_USEC + DAY_USEC + i };
                (void) snprintf(finding.subject, sizeof(finding.subject), "/%u", i);
                assert_true(warning_is_due(&table, &finding, NOW_USEC * NSEC_PER_USEC));
        }
        assert_int_equal(table.n, WARNINGS_MAX);

        finding = (AuthFinding) { .subject = "/0", .expiry_usec = NOW_USEC + DAY_USEC };
        assert_false(warning_is_due(&table, &finding, NOW_USEC * NSEC_PER_USEC));
}

/* -- events -- */

static void test_event_rate(void **state) {
        EventRate rate = {};
        uint64_t n_suppressed = 99;
        unsigned n = 0;

        for (unsigned i = 0; i < 1000; i++)
                n += event_take(&rate, 5 * USEC_PER_SEC + i, &n_suppressed);
        assert_int_equal(n, EVENTS_PER_SECOND);
        assert_int_equal(n_suppressed, 0);

        assert_true(event_take(&rate, 6 * USEC_PER_SEC, &n_suppressed));
        assert_int_equal(n_suppressed, 1000 - EVENTS_PER_SECOND);
        assert_true(event_take(&rate, 6 * USEC_PER_SEC, &n_suppressed));
        assert_int_equal(n_suppressed, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_session_numbers), cmocka_unit_test(test_session_sources),
                cmocka_unit_test(test_session_expiry),
                cmocka_unit_test(test_warnings),        cmocka_unit_test(test_many_warnings),
                cmocka_unit_test(test_event_rate),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
