/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Entries about refused flows: who may cause many of them must not fill the journal, nor write more than one line of
 * it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>

#include "services/irm/audit.h"

static const AuditEvent event = {
        .kind = AUDIT_AUTHENTICATION,
        .error = -EKEYREJECTED,
        .text = "The certificate is that of evil.example",
        .name = "web.example",
        .layer = "lan",
        .peer = "02:00:00:00:00:01\n<0>all is \033[2Jlost",
};

/* What is written to standard error meanwhile: how many lines. Text is for the last of them. */
static unsigned lines_of(AuditCounter counters[_AUDIT_KIND_MAX], const AuditEvent *e, unsigned times, usec_t now,
                         char text[1024]) {
        FILE *file = tmpfile();
        int before = dup(STDERR_FILENO);
        unsigned n = 0;

        assert_non_null(file);
        assert_true(before >= 0);
        assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
        for (unsigned i = 0; i < times; i++)
                audit_refused(counters, e, now);
        assert_true(dup2(before, STDERR_FILENO) >= 0);
        (void) close(before);

        rewind(file);
        text[0] = '\0';
        while (fgets(text, 1024, file))
                n++;
        (void) fclose(file);
        return n;
}

static void test_one_line(void **state) {
        AuditCounter counters[_AUDIT_KIND_MAX] = {};
        char text[1024];

        assert_int_equal(lines_of(counters, &event, 1, USEC_PER_SEC, text), 1);
        assert_non_null(strstr(text, "web.example"));
        assert_non_null(strstr(text, "02:00:00:00:00:01?<0>all is ?[2Jlost"));
        assert_non_null(strstr(text, "that of evil.example"));
}

/* Ten a second of each kind; the next one tells how many there were. */
static void test_rate(void **state) {
        AuditCounter counters[_AUDIT_KIND_MAX] = {};
        AuditEvent other = event;
        char text[1024];

        other.kind = AUDIT_POLICY;
        assert_int_equal(lines_of(counters, &event, 25, USEC_PER_SEC, text), 10);
        assert_null(strstr(text, "more before"));
        assert_int_equal(lines_of(counters, &other, 3, USEC_PER_SEC, text), 3);
        assert_int_equal(lines_of(counters, &event, 1, 2 * USEC_PER_SEC - 1, text), 0);
        assert_int_equal(lines_of(counters, &event, 1, 2 * USEC_PER_SEC, text), 1);
        assert_non_null(strstr(text, "(and 16 more before this one)"));
        assert_int_equal(lines_of(counters, &event, 1, 2 * USEC_PER_SEC, text), 1);
        assert_null(strstr(text, "more before"));
}

/* What is not written is counted all the same, and the last one is remembered. */
static void test_counts(void **state) {
        AuditCounter counters[_AUDIT_KIND_MAX] = {};
        AuditEvent late = { .kind = AUDIT_CLOCK, .error = -ETIME, .text = "", .name = "a", .layer = "lan", .peer = "b\033" };
        char text[1024];

        assert_int_equal(lines_of(counters, &event, 25, USEC_PER_SEC, text), 10);
        assert_int_equal(lines_of(counters, &event, 1, 3 * USEC_PER_SEC, text), 1);
        assert_int_equal(lines_of(counters, &late, 2, 2 * USEC_PER_SEC, text), 2);
        assert_non_null(strstr(text, "the clocks of both hosts differ"));

        assert_int_equal(counters[AUDIT_AUTHENTICATION].n_total, 26);
        assert_int_equal(counters[AUDIT_AUTHENTICATION].last, 3 * USEC_PER_SEC);
        assert_int_equal(counters[AUDIT_CLOCK].n_total, 2);
        assert_int_equal(counters[AUDIT_POLICY].n_total, 0);
        assert_string_equal(counters[AUDIT_CLOCK].text, "'a' from b?, layer lan: its time stamp is of another time: a replay, "
                            "or the clocks of both hosts differ");
        assert_string_equal(audit_kind_to_string(AUDIT_CLOCK), "clock");
}

static const struct {
        const char *name;
        int error;
        AuditKind kind;
} kinds[] = {
        { "not proven",        -EKEYREJECTED, AUDIT_AUTHENTICATION },
        { "wrong",             -EPROTO,       AUDIT_AUTHENTICATION },
        { "old",               -ETIME,        AUDIT_CLOCK          },
        { "not allowed",       -EACCES,       AUDIT_POLICY         },
        { "no algorithm",      -EOPNOTSUPP,   AUDIT_POLICY         },
        { "seen before",       -EEXIST,       AUDIT_REPLAY         },
        { "our key",           -ENOKEY,       AUDIT_CREDENTIALS    },
        { "no service",        -ENOTCONN,     AUDIT_CREDENTIALS    },
};

static void test_kinds(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                print_message("%s\n", kinds[i].name);
                assert_int_equal(audit_kind_of(kinds[i].error), kinds[i].kind);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_line),
                cmocka_unit_test(test_rate),
                cmocka_unit_test(test_counts),
                cmocka_unit_test(test_kinds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
