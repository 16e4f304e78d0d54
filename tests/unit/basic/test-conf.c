/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Text to assignments: the dialect, line by line, and what is said about text that is not in it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "basic/conf.h"
#include "basic/string.h"

#define TEXT(literal) literal, sizeof(literal) - 1

static const struct {
        const char *name;
        const char *text;
        size_t size;
        const char *assignments;        /* [section#instance]key=value|... */
        const char *messages;           /* line:column words|... */
} cases[] = {
        { "nothing", TEXT(""), "", "" },
        { "comments and blank lines", TEXT("\n# a=b\n  ; c=d\n\t\n"), "", "" },
        { "one", TEXT("[A]\nk=v\n"), "[A#0]k=v|", "" },
        { "no line break at the end", TEXT("[A]\nk=v"), "[A#0]k=v|", "" },
        { "before any header", TEXT("k=v\n"), "[#0]k=v|", "" },
        { "blanks around", TEXT("  [A]  \n  k \t=\t v w  \n"), "[A#0]k=v w|", "" },
        { "empty value", TEXT("[A]\nk=\nl= \n"), "[A#0]k=|[A#0]l=|", "" },
        { "equals in value", TEXT("[A]\nk=a=b\n"), "[A#0]k=a=b|", "" },
        { "comment signs in value", TEXT("[A]\nk=a # b ; c\n"), "[A#0]k=a # b ; c|", "" },
        { "a key again", TEXT("[A]\nk=1\nk=2\n"), "[A#0]k=1|[A#0]k=2|", "" },
        { "a section again", TEXT("[A]\nk=1\n[B]\n[A]\nk=2\n"), "[A#0]k=1|[A#1]k=2|", "" },
        { "carriage returns", TEXT("[A]\r\nk=v\r\n"), "[A#0]k=v|", "" },
        { "byte order mark", TEXT("\xef\xbb\xbf[A]\nk=v\n"), "[A#0]k=v|", "" },
        { "UTF-8", TEXT("[A]\nk=gr\xc3\xbc\xc3\x9f\n"), "[A#0]k=gr\xc3\xbc\xc3\x9f|", "" },

        { "continued", TEXT("[A]\nk=a\\\nb\n"), "[A#0]k=a b|", "" },
        { "continued twice", TEXT("[A]\nk=a \\\n  b \\\n  c\nl=d\n"), "[A#0]k=a    b    c|[A#0]l=d|", "" },
        { "continued over a comment", TEXT("[A]\nk=a\\\n# x\n  ; y\\\nb\nl=c\n"), "[A#0]k=a b|[A#0]l=c|", "" },
        { "continued to an empty line", TEXT("[A]\nk=a\\\n\nl=b\n"), "[A#0]k=a|[A#0]l=b|", "" },
        { "continued to the end", TEXT("[A]\nk=a\\"), "[A#0]k=a|", "" },
        { "continued with carriage returns", TEXT("[A]\r\nk=a\\\r\nb\r\n"), "[A#0]k=a b|", "" },
        { "a comment does not continue", TEXT("[A]\n# x\\\nk=a\n"), "[A#0]k=a|", "" },
        { "backslash in the middle", TEXT("[A]\nk=a\\b\n"), "[A#0]k=a\\b|", "" },
        { "lines count through continuations", TEXT("[A]\nk=a\\\nb\\\nc\nbad\n"), "[A#0]k=a b c|",
          "5:1 \"bad\" is no assignment|" },

        { "no assignment", TEXT("[A]\n  word\nk=v\n"), "[A#0]k=v|", "2:3 \"word\" is no assignment|" },
        { "no key", TEXT("[A]\n=v\n"), "", "2:1 \"\" is no key|" },
        { "key with a blank", TEXT("[A]\na b=v\n"), "", "2:1 \"a b\" is no key|" },
        { "broken header", TEXT("[A]\nk=1\n[B\nk=2\nrubbish\n[C]\nk=3\n"), "[A#0]k=1|[C#0]k=3|",
          "3:1 \"[B\" is no section header|" },
        { "empty header", TEXT("[]\nk=1\n"), "", "1:1 \"[]\" is no section header|" },
        { "words behind a header", TEXT("[A] x\n"), "", "1:1 \"[A] x\" is no section header|" },
        { "brackets in a header", TEXT("[A[B]]\n"), "", "1:1 \"[A[B]]\" is no section header|" },
        { "control character", TEXT("[A]\nk=a\x1b[2J\nl=b\n"), "[A#0]l=b|", "2:4 Control character 0x1b|" },
        { "NUL", TEXT("[A]\nk=a\0b\n"), "", "2:4 Control character 0x00|" },
        { "NUL in a comment", TEXT("# \0\n[A]\nk=v\n"), "[A#0]k=v|", "" },
        { "not UTF-8", TEXT("[A]\nk=\xff\n"), "", "2:1 Line is not valid UTF-8|" },
        { "all mistakes in one run", TEXT("a\n[A]\nb\nc\n"), "",
          "1:1 \"a\" is no assignment|3:1 \"b\" is no assignment|4:1 \"c\" is no assignment|" },
};

static void print_assignments(const ConfFile *file, char *to, size_t size) {
        const ConfAssignment *a;
        size_t n, used = 0;

        a = conf_assignments(file, &n);
        to[0] = '\0';
        for (size_t i = 0; i < n; i++)
                used += (size_t) snprintf(to + used, size - used, "[%s#%u]%s=%s|", a[i].section,
                                          a[i].instance, a[i].key, a[i].value);
}

/* The beginnings of the messages, up to a ";" or "," or ":", which is where the advice starts. */
static void check_messages(const ConfFile *file, const char *expected) {
        const ConfMessage *m;
        size_t n;

        m = conf_messages(file, &n);
        for (size_t i = 0; i < n; i++) {
                char place[32];

                (void) snprintf(place, sizeof(place), "%u:%u ", m[i].place.line, m[i].place.column);
                assert_true(startswith(expected, place));
                expected += strlen(place);
                assert_memory_equal(m[i].text, expected, strcspn(expected, "|"));
                expected += strcspn(expected, "|") + 1;
                assert_string_equal(m[i].place.path, "test.conf");
                assert_int_equal(m[i].severity, CONF_ERROR);
        }
        assert_string_equal(expected, "");
}

static void test_dialect(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(conf_freep) ConfFile *file = NULL;
                _cleanup_free_ char *exact = NULL;
                char assignments[512];

                print_message("%s\n", cases[i].name);

                /* Of exactly this size, so that a sanitizer sees a read behind it. */
                exact = malloc(MAX(cases[i].size, (size_t) 1));
                assert_non_null(exact);
                memcpy(exact, cases[i].text, cases[i].size);

                assert_int_equal(conf_new(&file), 0);
                assert_int_equal(conf_add_text(file, "test.conf", exact, cases[i].size), 0);
                memset(exact, 'x', cases[i].size);      /* the caller's text is not needed any more */

                print_assignments(file, assignments, sizeof(assignments));
                assert_string_equal(assignments, cases[i].assignments);
                check_messages(file, cases[i].messages);
        }
}

static void test_places(void **state) {
        static const char text[] = "# x\n[A]\n  key = value\nlong=\\\n  more\n";
        _cleanup_(conf_freep) ConfFile *file = NULL;
        const ConfAssignment *a;
        size_t n;

        assert_int_equal(conf_new(&file), 0);
        assert_int_equal(conf_add_text(file, "a.conf", text, strlen(text)), 0);
        a = conf_assignments(file, &n);
        assert_int_equal(n, 2);

        assert_int_equal(a[0].key_place.line, 3);
        assert_int_equal(a[0].key_place.column, 3);
        assert_int_equal(a[0].value_place.line, 3);
        assert_int_equal(a[0].value_place.column, 9);
        assert_string_equal(a[0].value_place.path, "a.conf");

        /* A value that begins in a continuation is said to be at the end of the first line. */
        assert_string_equal(a[1].value, "more");
        assert_int_equal(a[1].value_place.line, 4);
        assert_int_equal(a[1].value_place.column, 7);
}

/* Instances are counted over all files, places name theirs. */
static void test_files(void **state) {
        _cleanup_(conf_freep) ConfFile *file = NULL;
        char assignments[128];
        const char *const *paths;
        size_t n;

        assert_int_equal(conf_new(&file), 0);
        assert_int_equal(conf_add_text(file, "1", TEXT("[A]\nk=1\n")), 0);
        assert_int_equal(conf_add_text(file, "2", TEXT("k=2\n[A]\nk=3\n")), 0);
        assert_int_equal(conf_add_text(file, "3", NULL, 0), 0);

        print_assignments(file, assignments, sizeof(assignments));
        assert_string_equal(assignments, "[A#0]k=1|[#0]k=2|[A#1]k=3|");
        assert_string_equal(conf_assignments(file, &n)[2].key_place.path, "2");

        paths = conf_paths(file, &n);
        assert_int_equal(n, 3);
        assert_string_equal(paths[0], "1");
        assert_string_equal(paths[2], "3");
}

static char *repeat(const char *unit, size_t n) {
        size_t size = strlen(unit);
        char *text = malloc(n * size + 1);

        assert_non_null(text);
        for (size_t i = 0; i < n; i++)
                memcpy(text + i * size, unit, size);
        text[n * size] = '\0';
        return text;
}

/* One more than each limit. */
static void test_limits(void **state) {
        static const struct {
                const char *name;
                const char *unit;
                size_t n;
                int r;
        } limits[] = {
                { "largest file",          "#",         CONF_FILE_BYTES_MAX,      0      },
                { "file",                  "#",         CONF_FILE_BYTES_MAX + 1,  -E2BIG },
                { "most assignments",      "k=\n",      CONF_ASSIGNMENTS_MAX,     0      },
                { "assignments",           "k=\n",      CONF_ASSIGNMENTS_MAX + 1, -E2BIG },
                { "most headers",          "[A]\n",     CONF_SECTIONS_MAX,        0      },
                { "headers",               "[A]\n",     CONF_SECTIONS_MAX + 1,    -E2BIG },
        };

        for (size_t i = 0; i < ELEMENTSOF(limits); i++) {
                _cleanup_free_ char *text = repeat(limits[i].unit, limits[i].n);
                _cleanup_(conf_freep) ConfFile *file = NULL;

                print_message("%s\n", limits[i].name);
                assert_int_equal(conf_new(&file), 0);
                assert_int_equal(conf_add_text(file, "x", text, strlen(text)), limits[i].r);
        }
}

static void test_long_line(void **state) {
        _cleanup_free_ char *text = repeat("y", CONF_LINE_BYTES_MAX + 1),
                            *continued = repeat("yyyyyyy\\\n", 9000);
        _cleanup_(conf_freep) ConfFile *file = NULL;
        size_t n;

        assert_int_equal(conf_new(&file), 0);
        text[1] = '=';
        assert_int_equal(conf_add_text(file, "x", text, CONF_LINE_BYTES_MAX), 0);
        (void) conf_assignments(file, &n);
        assert_int_equal(n, 1);
        (void) conf_messages(file, &n);
        assert_int_equal(n, 0);

        assert_int_equal(conf_add_text(file, "x", text, CONF_LINE_BYTES_MAX + 1), 0);
        (void) conf_messages(file, &n);
        assert_int_equal(n, 1);

        /* Joined lines count as one. */
        continued[1] = '=';
        assert_int_equal(conf_add_text(file, "x", continued, strlen(continued)), 0);
        (void) conf_messages(file, &n);
        assert_int_equal(n, 2);
        (void) conf_assignments(file, &n);
        assert_int_equal(n, 1);
}

static void test_many_files(void **state) {
        _cleanup_(conf_freep) ConfFile *file = NULL;

        assert_int_equal(conf_new(&file), 0);
        for (unsigned i = 0; i < CONF_FILES_MAX; i++)
                assert_int_equal(conf_add_text(file, "x", NULL, 0), 0);
        assert_int_equal(conf_add_text(file, "x", NULL, 0), -E2BIG);
}

/* A flood of mistakes is cut, but never forgotten. */
static void test_many_messages(void **state) {
        _cleanup_free_ char *text = repeat("bad\n", 10000), *printed = NULL;
        _cleanup_(conf_freep) ConfFile *file = NULL;
        const ConfSchema schema = {};
        FILE *stream;
        size_t n;

        assert_int_equal(conf_new(&file), 0);
        assert_int_equal(conf_add_text(file, "x", text, strlen(text)), 0);
        (void) conf_messages(file, &n);
        assert_int_equal(n, CONF_MESSAGES_MAX);
        assert_int_equal(conf_apply(file, &schema, NULL, NULL), -EBADMSG);

        stream = open_memstream(&printed, &n);
        assert_non_null(stream);
        conf_print_messages(file, stream);
        fclose(stream);
        assert_true(startswith(printed, "x:1:1: error: \"bad\" is no assignment"));
        assert_true(endswith(printed, "More than 256 messages; the others are left out\n"));
}

static void test_complain(void **state) {
        const ConfPlace place = { .path = "f", .line = 3, .column = 4 };
        _cleanup_free_ char *printed = NULL, *lengthy = repeat("\xc3\xbc", CONF_MESSAGE_BYTES_MAX);
        _cleanup_(conf_freep) ConfFile *file = NULL;
        const ConfMessage *m;
        FILE *stream;
        size_t n;

        assert_int_equal(conf_new(&file), 0);
        assert_int_equal(conf_complain(file, CONF_WARNING, place, "warn %d", 1), 0);
        assert_int_equal(conf_complain(file, CONF_ERROR, (ConfPlace) { .path = "f" },
                                       "a\x1b[m\nb\xc2\x9b"
                                       "c"),
                         -EBADMSG);
        assert_int_equal(conf_complain(file, CONF_ERROR, (ConfPlace) {}, "%s", lengthy), -EBADMSG);

        m = conf_messages(file, &n);
        assert_int_equal(n, 3);
        assert_true(strlen(m[2].text) <= CONF_MESSAGE_BYTES_MAX);
        assert_true(utf8_is_valid(m[2].text, strlen(m[2].text)));

        stream = open_memstream(&printed, &n);
        assert_non_null(stream);
        conf_print_messages(file, stream);
        fclose(stream);
        assert_true(startswith(printed, "f:3:4: warning: warn 1\nf: error: a?[m?b??c\nerror: \xc3\xbc"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_dialect),
                cmocka_unit_test(test_places),
                cmocka_unit_test(test_files),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_long_line),
                cmocka_unit_test(test_many_files),
                cmocka_unit_test(test_many_messages),
                cmocka_unit_test(test_complain),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
