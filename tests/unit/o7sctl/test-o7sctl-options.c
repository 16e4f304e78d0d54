/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Command lines without a daemon: options, help, exit statuses; and tables. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "basic/string.h"
#include "o7sctl/bus.h"
#include "o7sctl/table.h"
#include "o7sctl/verb.h"

#define WORDS_MAX 8

/* Runs f with standard output and error going into buffers. */
typedef struct Capture {
        FILE *files[2];
        int saved[2];
} Capture;

static void capture_begin(Capture *c) {
        static const int fds[] = { STDOUT_FILENO, STDERR_FILENO };

        (void) fflush(NULL);
        for (size_t i = 0; i < 2; i++) {
                c->files[i] = tmpfile();
                assert_non_null(c->files[i]);
                c->saved[i] = dup(fds[i]);
                assert_int_equal(dup2(fileno(c->files[i]), fds[i]), fds[i]);
        }
}

static void capture_end(Capture *c, char *out, char *err, size_t size) {
        static const int fds[] = { STDOUT_FILENO, STDERR_FILENO };
        char *buffers[] = { out, err };

        (void) fflush(NULL);
        for (size_t i = 0; i < 2; i++) {
                assert_int_equal(dup2(c->saved[i], fds[i]), fds[i]);
                (void) close(c->saved[i]);
                rewind(c->files[i]);
                buffers[i][fread(buffers[i], 1, size - 1, c->files[i])] = '\0';
                (void) fclose(c->files[i]);
        }
}

static char out[16384], err[16384];

static int dispatch(const char *line) {
        char *text = strdup(line), *argv[WORDS_MAX + 1] = {}, *save = NULL;
        Ctl ctl = { .options = OPTIONS_INIT };
        Capture capture;
        int n = 0, status;

        assert_non_null(text);
        for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
                assert_true(n < WORDS_MAX);
                argv[n++] = word;
        }

        capture_begin(&capture);
        status = verb_dispatch(&ctl, n, argv);
        ctl_done(&ctl);
        capture_end(&capture, out, err, sizeof(out));
        free(text);
        return status;
}

static void test_usage(void **state) {
        static const struct {
                const char *line;
                int status;
                const char *err;
        } rows[] = {
                { "o7sctl nmaes", EXIT_USAGE, "Did you mean 'names'?" },
                { "o7sctl xyzzyxyzzy", EXIT_USAGE, "There is no command 'xyzzyxyzzy'." },
                { "o7sctl --bogus", EXIT_USAGE, "--bogus" },
                { "o7sctl layers --bogus", EXIT_USAGE, "--bogus" },
                { "o7sctl layers extra", EXIT_USAGE, "Too many arguments" },
                { "o7sctl up", EXIT_USAGE, "Too few arguments: o7sctl up LAYER..." },
                { "o7sctl layers --mine", EXIT_USAGE, "'layers' takes no --mine" },
                { "o7sctl --mine layers", EXIT_USAGE, "'layers' takes no --mine" },
                { "o7sctl --json=xml layers", EXIT_USAGE, "pretty, short or off" },
                { "o7sctl --timeout=never layers", EXIT_USAGE, "--timeout" },
                { "o7sctl --timeout=0 layers", EXIT_USAGE, "--timeout" },
                { "o7sctl name a --pid=0", EXIT_USAGE, "--pid" },
                { "o7sctl name a --pid=1x", EXIT_USAGE, "--pid" },
                { "o7sctl name a --program=cat", EXIT_USAGE, "a full path" },
                { "o7sctl name a --layer=.hidden", EXIT_USAGE, "--layer" },
                { "o7sctl name a --layer", EXIT_USAGE, "layer" },
                { "o7sctl explain 5", EXIT_FINE, "" },
                { "o7sctl explain 42", EXIT_FAILED, "status 42" },
                { "o7sctl --version", EXIT_FINE, "" },
                { "o7sctl help nothing", EXIT_USAGE, "no command 'nothing'" },
                { "o7sctl verify /nonexistent/x.layer", EXIT_FAILED, "/nonexistent/x.layer: No such file" },
                { "o7sctl verify /etc/passwd", EXIT_FAILED, "neither a .layer nor a .name" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                int status = dispatch(rows[i].line);

                if (status != rows[i].status)
                        fail_msg("%s: status %d, not %d: %s", rows[i].line, status, rows[i].status, err);
                if (!strstr(err, rows[i].err))
                        fail_msg("%s: no '%s' in '%s'", rows[i].line, rows[i].err, err);
        }
}

static void test_parse(void **state) {
        char *argv[] = {
                (char[]) { "name" }, (char[]) { "-q" }, (char[]) { "web" }, (char[]) { "--layer=a" },
                (char[]) { "--layer" }, (char[]) { "b" }, (char[]) { "--timeout=2min" },
                (char[]) { "--pid=77" }, (char[]) { "rest" }, NULL,
        };
        Options o = OPTIONS_INIT;

        /* Permuted: what is no option comes last. */
        assert_int_equal(options_parse(&o, 9, argv, false), 7);
        assert_string_equal(argv[7], "web");
        assert_string_equal(argv[8], "rest");
        assert_int_equal(o.n_layers, 2);
        assert_string_equal(o.layers[1], "b");
        assert_int_equal(o.timeout, 120 * USEC_PER_SEC);
        assert_int_equal(o.pid, 77);
        assert_true(o.quiet);
        assert_int_equal(options_check(&o, OPTION_BIT(OPTION_LAYER) | OPTION_BIT(OPTION_PID), "name"), 0);
}

static void assert_fits(const char *what) {
        for (const char *line = out; *line;) {
                size_t n = strcspn(line, "\n");

                if (n > HELP_COLUMNS_MAX)
                        fail_msg("%s: a line of %zu columns: %.*s", what, n, (int) n, line);
                line += n + (line[n] == '\n');
        }
}

static void test_help(void **state) {
        char line[64];

        assert_int_equal(dispatch("o7sctl --help"), EXIT_FINE);
        assert_fits("--help");

        for (const Verb *verb = verb_table; verb->name; verb++) {
                (void) snprintf(line, sizeof(line), "\n  %s", verb->name);
                if (verb->help && !strstr(out, line))
                        fail_msg("--help does not list '%s'", verb->name);
                if (!verb->help && strstr(out, line))
                        fail_msg("--help lists the hidden '%s'", verb->name);
        }
        for (int i = 0; i < _OPTION_GLOBAL_MAX; i++)
                if (option_name((Option) i) && !strstr(out, option_name((Option) i)))
                        fail_msg("--help does not list --%s", option_name((Option) i));
}

/* Each verb's own help fits, and names the options that only it takes. */
static void test_help_of_verbs(void **state) {
        char line[64];

        for (const Verb *verb = verb_table; verb->name; verb++) {
                if (!verb->help || verb->raw)
                        continue;

                (void) snprintf(line, sizeof(line), "o7sctl %s --help", verb->name);
                assert_int_equal(dispatch(line), EXIT_FINE);
                assert_fits(verb->name);
                assert_non_null(strstr(out, verb->help));

                for (int i = _OPTION_GLOBAL_MAX; i < _OPTION_MAX; i++) {
                        (void) snprintf(line, sizeof(line), "--%s", option_name((Option) i));
                        if ((verb->options & OPTION_BIT(i)) && !strstr(out, line))
                                fail_msg("help of '%s' does not mention %s", verb->name, line);
                }
        }
}

/* The manual page knows every command and every option. */
static void test_manual(void **state) {
        static char text[65536];
        char word[64];
        size_t n = 0;
        FILE *page;

        page = fopen(TEST_DATA "/../../man/o7sctl.1", "re");
        assert_non_null(page);
        for (int c; n < sizeof(text) - 1 && (c = getc(page)) != EOF;)
                if (c != '\\')         /* of "\-"; "\fB" becomes "fB" */
                        text[n++] = (char) c;
        (void) fclose(page);

        for (const Verb *verb = verb_table; verb->name; verb++) {
                bool found = false;

                (void) snprintf(word, sizeof(word), ".B %s\n", verb->name);
                found = found || strstr(text, word);
                (void) snprintf(word, sizeof(word), "fB%sfR", verb->name);
                found = found || strstr(text, word);
                if (found != !!verb->help)
                        fail_msg("'%s' is %s the manual page", verb->name, found ? "in" : "not in");
        }

        for (int i = 0; i < _OPTION_MAX; i++) {
                if (!option_name((Option) i))
                        continue;
                (void) snprintf(word, sizeof(word), "--%s", option_name((Option) i));
                if (!strstr(text, word))
                        fail_msg("%s is not in the manual page", word);
        }
}

static void test_exit_status(void **state) {
        static const struct {
                const char *name;
                int status;
        } rows[] = {
                { NULL, EXIT_FAILED },
                { "", EXIT_FAILED },
                { "org.o7s.Error.NoSuchLayer", EXIT_FAILED },
                { "org.o7s.Error.NoSuchName", EXIT_NOT_ACTIVE },
                { "org.o7s.Error.PeerTimeout", EXIT_TIMEOUT },
                { "org.o7s.Error.NotPermitted", EXIT_DENIED },
                { "org.o7s.Error.ConfigInvalid", EXIT_CONFIG },
                { "org.o7s.Error.ManagerNotRunning", EXIT_NOT_RUNNING },
                { "org.freedesktop.DBus.Error.ServiceUnknown", EXIT_NOT_RUNNING },
                { "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", EXIT_DENIED },
                { "org.freedesktop.DBus.Error.NoReply", EXIT_TIMEOUT },
                { "org.example.Whatever", EXIT_FAILED },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                assert_int_equal(bus_exit_status(rows[i].name), rows[i].status);
}

static void test_completion(void **state) {
        static const struct {
                const char *line;
                const char *has;
                const char *has_not;
        } rows[] = {
                { "o7sctl __complete s", "status\n", "__complete" },
                { "o7sctl __complete -", "--json=\n", "--eth" },
                { "o7sctl __complete new -", "--eth=\n", "--mine" },
                { "o7sctl __complete flows -", "--mine\n", "--eth" },
                { "o7sctl __complete --json=", "--json=short\n", "status" },
                { "o7sctl __complete help v", "verify\n", "--" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                assert_int_equal(dispatch(rows[i].line), EXIT_FINE);
                if (!strstr(out, rows[i].has) || strstr(out, rows[i].has_not))
                        fail_msg("%s: %s", rows[i].line, out);
        }
}

/* -- tables -- */

static const Column columns[] = {
        { "NAME", "name", 0 },
        { "COUNT", "count", COLUMN_RIGHT },
        { "ID", "id", COLUMN_RIGHT },
        { "BYTES", "bytes", COLUMN_RIGHT },
        { "STATE", "state", 0 },
        { "WHY", "why", COLUMN_JSON_ONLY },
};

static Table *sample(void) {
        Table *t;

        assert_int_equal(table_new(columns, ELEMENTSOF(columns), &t), 0);
        table_row(t);
        table_set_string(t, 0, "lan");
        table_set_u64(t, 1, 7);
        table_set_id(t, 2, UINT64_MAX);
        table_set_bytes(t, 3, 1536);
        table_set_state(t, 4, "online");
        table_set_string(t, 5, "because");
        table_row(t);
        table_set_string(t, 0, "a-longer-name");
        table_set_u64(t, 1, 12345);
        return t;
}

static void print(const Options *options) {
        _cleanup_(table_freep) Table *t = sample();
        Capture capture;
        int r;

        capture_begin(&capture);
        r = table_print(t, options);
        capture_end(&capture, out, err, sizeof(out));
        assert_int_equal(r, 0);
        assert_int_equal(table_rows(t), 2);
}

static void test_table_text(void **state) {
        Options o = OPTIONS_INIT;

        print(&o);
        assert_string_equal(out, "NAME          COUNT                   ID   BYTES STATE\n"
                                 "lan               7 18446744073709551615 1.5 KiB online\n"
                                 "a-longer-name 12345                    -       - -\n");

        o.legend = false;
        print(&o);
        assert_null(strstr(out, "NAME"));
        assert_non_null(strstr(out, "a-longer-name"));
}

static void test_table_color(void **state) {
        Options o = OPTIONS_INIT;

        assert_int_equal(setenv("O7S_COLORS", "1", 1), 0);
        print(&o);
        assert_int_equal(setenv("O7S_COLORS", "0", 1), 0);
        assert_non_null(strstr(out, "\033[32monline\033[0m"));
}

static void test_table_json(void **state) {
        Options o = OPTIONS_INIT;

        o.json = JSON_SHORT;
        print(&o);
        assert_string_equal(out, "[{\"name\":\"lan\",\"count\":7,\"id\":\"18446744073709551615\",\"bytes\":1536,"
                                 "\"state\":\"online\",\"why\":\"because\"},"
                                 "{\"name\":\"a-longer-name\",\"count\":12345,\"id\":null,\"bytes\":null,"
                                 "\"state\":null,\"why\":null}]\n");
}

static void test_bytes(void **state) {
        static const struct {
                uint64_t bytes;
                const char *text;
        } rows[] = {
                { 0, "0 B" },
                { 1023, "1023 B" },
                { 1024, "1.0 KiB" },
                { 2202010, "2.1 MiB" },
                { 104857600, "100 MiB" },
                { 1073741823, "1.0 GiB" },
                { UINT64_MAX, "16.0 EiB" },
        };
        char buffer[32];

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                assert_string_equal(bytes_format(buffer, sizeof(buffer), rows[i].bytes), rows[i].text);
}

static int no_surprises(void **state) {
        /* The candidates must not depend on a daemon of the machine that tests. */
        (void) setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1);
        (void) setenv("O7S_COLORS", "0", 1);
        return 0;
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_usage),
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_help),
                cmocka_unit_test(test_help_of_verbs),
                cmocka_unit_test(test_manual),
                cmocka_unit_test(test_exit_status),
                cmocka_unit_test(test_completion),
                cmocka_unit_test(test_table_text),
                cmocka_unit_test(test_table_color),
                cmocka_unit_test(test_table_json),
                cmocka_unit_test(test_bytes),
        };

        return cmocka_run_group_tests(tests, no_surprises, NULL);
}
