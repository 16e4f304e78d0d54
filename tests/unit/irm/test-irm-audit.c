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

#include "basic/log.h"
#include "basic/string.h"
#include "services/irm/audit.h"

#define FIELDS_MAX 16U

/* The last entry: its fields as the journal gets them. */
static char fields_written[FIELDS_MAX][400];
static unsigned n_fields_written;

int __real_log_struct(int level, int error, const char *const *fields, const char *file, int line, const char *function,
                      const char *format, ...);
int __wrap_log_struct(int level, int error, const char *const *fields, const char *file, int line, const char *function,
                      const char *format, ...);

/* In front of the logger (the linker's --wrap): remembers the fields, and hands everything on. */
int __wrap_log_struct(int level, int error, const char *const *fields, const char *file, int line, const char *function,
                      const char *format, ...) {
        char text[2048];
        va_list arguments;

        for (n_fields_written = 0; fields[n_fields_written] && n_fields_written < FIELDS_MAX; n_fields_written++)
                (void) snprintf(fields_written[n_fields_written], sizeof(fields_written[0]), "%s",
                                fields[n_fields_written]);

        va_start(arguments, format);
        (void) vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        return __real_log_struct(level, error, fields, file, line, function, "%s", text);
}

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

/* Refused before anybody has answered. */
static void test_nobody(void **state) {
        AuditCounter counters[_AUDIT_KIND_MAX] = {};
        AuditEvent e = event;
        char text[1024];

        e.peer = "";
        assert_int_equal(lines_of(counters, &e, 1, USEC_PER_SEC, text), 1);
        assert_null(strstr(text, " at "));
        assert_null(strstr(text, " from "));
        assert_non_null(strstr(text, "', layer "));
}

static bool has_field(const char *field) {
        for (unsigned i = 0; i < n_fields_written; i++)
                if (streq(fields_written[i], field))
                        return true;

        return false;
}

/* What an administrator searches by: each kind has an id of its own, all have the same fields, and what a stranger says
 * adds none. */
static void test_fields(void **state) {
        char ids[_AUDIT_KIND_MAX][64] = {}, text[1024];

        for (AuditKind kind = 0; kind < _AUDIT_KIND_MAX; kind++) {
                AuditCounter counters[_AUDIT_KIND_MAX] = {};
                AuditEvent e = event;

                e.kind = kind;
                e.uid = 1000;
                e.flow_id = kind % 2 ? 4711 : 0;
                assert_int_equal(lines_of(counters, &e, 1, USEC_PER_SEC, text), 1);
                assert_int_equal(n_fields_written, 7);
                assert_true(has_field("OUROBOROS_NAME=web.example"));
                assert_true(has_field("OUROBOROS_LAYER=lan"));
                assert_true(has_field("OUROBOROS_PEER=02:00:00:00:00:01?<0>all is ?[2Jlost"));
                assert_true(has_field(kind % 2 ? "OUROBOROS_FLOW=4711" : "OUROBOROS_FLOW="));
                assert_true(has_field("OUROBOROS_UID=1000"));

                assert_non_null(startswith(fields_written[0], "MESSAGE_ID="));
                (void) snprintf(ids[kind], sizeof(ids[kind]), "%.63s", fields_written[0] + STRLEN("MESSAGE_ID="));
                assert_int_equal(strlen(ids[kind]), 32);
                assert_int_equal(strspn(ids[kind], "0123456789abcdef"), 32);
                for (AuditKind other = 0; other < kind; other++)
                        assert_string_not_equal(ids[kind], ids[other]);
        }
}

/* A name is a peer's to choose where it is called: it is one field, too. */
static void test_no_field_of_others(void **state) {
        static const char *const names[] = {
                "x\nMESSAGE_ID=00000000000000000000000000000000", "x\n\n_UID=0", "\xff\xfe\nOUROBOROS_UID=0",
                "\r\n.\r\n",
        };
        char text[1024];

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                AuditCounter counters[_AUDIT_KIND_MAX] = {};
                AuditEvent e = event;

                e.name = e.peer = names[i];
                assert_int_equal(lines_of(counters, &e, 1, USEC_PER_SEC, text), 1);
                assert_int_equal(n_fields_written, 7);
                for (unsigned k = 0; k < n_fields_written; k++)
                        assert_null(strpbrk(fields_written[k], "\r\n"));
        }
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
        AuditEvent late = { .kind = AUDIT_CLOCK, .error = -ETIME, .text = "", .name = "a", .layer = "lan",
                            .peer = "b\033" };
        char text[1024];

        assert_int_equal(lines_of(counters, &event, 25, USEC_PER_SEC, text), 10);
        assert_int_equal(lines_of(counters, &event, 1, 3 * USEC_PER_SEC, text), 1);
        assert_int_equal(lines_of(counters, &late, 2, 2 * USEC_PER_SEC, text), 2);
        assert_non_null(strstr(text, "the clocks of both hosts differ"));

        assert_int_equal(counters[AUDIT_AUTHENTICATION].n_total, 26);
        assert_int_equal(counters[AUDIT_AUTHENTICATION].last, 3 * USEC_PER_SEC);
        assert_int_equal(counters[AUDIT_CLOCK].n_total, 2);
        assert_int_equal(counters[AUDIT_POLICY].n_total, 0);
        assert_string_equal(counters[AUDIT_CLOCK].text,
                            "'a' from b?, layer lan: its time stamp is of another time: a replay, "
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
                cmocka_unit_test(test_nobody),
                cmocka_unit_test(test_fields),
                cmocka_unit_test(test_no_field_of_others),
                cmocka_unit_test(test_rate),
                cmocka_unit_test(test_counts),
                cmocka_unit_test(test_kinds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
