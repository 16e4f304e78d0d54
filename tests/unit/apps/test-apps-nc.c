/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* o7s-nc as a whole program: bytes and lines over flows of this host, and the ways in which it ends. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "basic/macro.h"
#include "libo7s/o7s.h"
#include "tests/support/irm-thread.h"
#include "tests/unit/apps/program.h"

/* A listener, which can be reached once this returns: its -v says so. */
static Program *listener_start(const char *line) {
        Program *p = program_start(line);

        program_expect_error(p, "serving ");
        return p;
}

/* Every byte there is, more of them than any buffer on the way holds. */
static void test_stream(void **state) {
        enum { SIZE = 250000 };
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *to = NULL, *from = NULL;
        uint8_t *data = malloc(SIZE);

        assert_non_null(data);
        for (size_t i = 0; i < SIZE; i++)
                data[i] = (uint8_t) (i * 7 + i / 251);

        assert_int_equal(irm_thread_start(&irm), 0);
        to = listener_start("o7s-nc -v -l pipe");
        from = program_start("o7s-nc -v -N pipe");
        from->beside = to;
        program_write(from, data, SIZE);
        program_close_input(from);

        assert_int_equal(program_wait(from), 0);
        assert_int_equal(program_wait(to), 0);
        assert_int_equal(to->out.size, SIZE);
        assert_memory_equal(to->out.text, data, SIZE);
        assert_non_null(strstr(from->err.text, "sent 250000 bytes, received 0"));
        free(data);
}

/* A conversation, as of ssh through its ProxyCommand: each answer comes before the next question; nobody waits for
 * more. */
static void test_conversation(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *server = NULL, *client = NULL;

        assert_int_equal(irm_thread_start(&irm), 0);
        server = listener_start("o7s-nc -v -l -N talk");
        client = program_start("o7s-nc talk");

        for (unsigned i = 0; i < 20; i++) {
                char text[32];

                (void) snprintf(text, sizeof(text), "question %u?", i);
                program_write(client, text, strlen(text));
                program_expect(server, text);
                (void) snprintf(text, sizeof(text), "answer %u.", i);
                program_write(server, text, strlen(text));
                program_expect(client, text);
        }

        /* The client's input ends, which ends nothing; the server's does. */
        program_close_input(client);
        program_write(server, "last", 4);
        program_expect(client, "last");
        program_close_input(server);
        assert_int_equal(program_wait(server), 0);
        assert_int_equal(program_wait(client), 0);
        assert_int_equal(client->err.size, 0);
}

static void test_messages(void **state) {
        static const char lines[] = "one\n\nthree\n\xff\x01" "binary\nwithout end";
        static const char *const presets[] = { "raw", "raw-safe", "voice", "data" };
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;

        assert_int_equal(irm_thread_start(&irm), 0);
        for (size_t i = 0; i < ELEMENTSOF(presets); i++) {
                _cleanup_program_ Program *to = NULL, *from = NULL;
                char line[64];

                (void) snprintf(line, sizeof(line), "o7s-nc -m -N --qos=%s lines", presets[i]);
                to = listener_start("o7s-nc -v -l -m lines");
                from = program_start(line);
                program_write(from, lines, sizeof(lines) - 1);
                program_close_input(from);

                if (program_wait(from) != 0 || program_wait(to) != 0 ||
                    strcmp(to->out.text, "one\nthree\n\xff\x01" "binary\nwithout end\n") != 0)
                        fail_msg("%s: '%s' %s %s", presets[i], to->out.text, from->err.text, to->err.text);
        }
}

/* More short lines than are read at once. */
static void test_many_lines(void **state) {
        enum { N = 30000, SIZE = 7 };
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *to = NULL, *from = NULL;
        char *lines = malloc(N * SIZE + 1);

        assert_non_null(lines);
        for (unsigned i = 0; i < N; i++)
                (void) snprintf(lines + (size_t) i * SIZE, SIZE + 1, "%06u\n", i);

        assert_int_equal(irm_thread_start(&irm), 0);
        to = listener_start("o7s-nc -v -l -m lines");
        from = program_start("o7s-nc -m -N lines");
        from->beside = to;
        program_write(from, lines, N * SIZE);
        program_close_input(from);
        assert_int_equal(program_wait(from), 0);
        assert_int_equal(program_wait(to), 0);
        assert_int_equal(to->out.size, N * SIZE);
        assert_memory_equal(to->out.text, lines, N * SIZE);
        free(lines);
}

/* Messages of a program that is no o7s-nc come out as they are where nobody asked for lines. */
static void test_plain(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *to = NULL;
        o7s_flow *flow;

        assert_int_equal(irm_thread_start(&irm), 0);
        to = listener_start("o7s-nc -v -l plain");
        assert_int_equal(o7s_flow_alloc("plain", &O7S_QOS_RAW, 0, O7S_FOREVER, &flow), 0);
        assert_int_equal(o7s_flow_write(flow, "ab", 2), 2);
        assert_int_equal(o7s_flow_write(flow, "c", 1), 1);
        o7s_flow_unref(flow);
        assert_int_equal(program_wait(to), 0);
        assert_string_equal(to->out.text, "abc");
}

static void test_keep_open(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *server = NULL;

        assert_int_equal(irm_thread_start(&irm), 0);
        server = listener_start("o7s-nc -v -l -k -m many");

        for (unsigned i = 0; i < 3; i++) {
                _cleanup_program_ Program *p = program_start("o7s-nc -N -m --qos=raw many");
                char text[16];

                (void) snprintf(text, sizeof(text), "number %u\n", i);
                program_write(p, text, strlen(text));
                program_close_input(p);
                assert_int_equal(program_wait(p), 0);
                program_expect(server, text);
        }

        assert_int_equal(program_stop(server, SIGTERM), 0);
}

/* After the end of input, answers still come for some time. */
static void test_quit(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *server = NULL, *client = NULL;

        assert_int_equal(irm_thread_start(&irm), 0);
        server = listener_start("o7s-nc -v -l -m slow");
        client = program_start("o7s-nc -q 1s -m --qos=raw slow");
        program_write(client, "question\n", 9);
        program_close_input(client);
        program_expect(server, "question\n");
        program_write(server, "answer\n", 7);
        assert_int_equal(program_wait(client), 0);
        assert_string_equal(client->out.text, "answer\n");
        assert_int_equal(program_wait(server), 0);
}

static void test_failures(void **state) {
        static const ProgramFailure rows[] = {
                { "o7s-nc nosuch", 3, "Cannot reach 'nosuch'" },
                { "o7s-nc -m --qos=raw refused", 3, IRM_THREAD_REFUSAL },
                { "o7s-nc -z nosuch", 3, "Cannot reach 'nosuch'" },
                { "o7s-nc -m --qos=raw denied", 4, "Cannot reach 'denied'" },
                { "o7s-nc -l denied", 4, "Cannot serve 'denied'" },
                { "o7s-nc -m --qos=raw -w 50ms silent", 5, "Cannot reach 'silent'" },
                { "o7s-nc -k name", 2, "--keep-open is for --listen" },
                { "o7s-nc --qos=voice name", 2, "use --messages" },
                { "o7s-nc", 2, "Which name?" },
                { "o7s-nc -l --qos=raw name", 2, "chooses --qos" },
        };
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *last = NULL;
        int status;

        assert_int_equal(irm_thread_start(&irm), 0);
        program_expect_failures(rows, ELEMENTSOF(rows));

        irm_thread_pause(irm);
        last = program_run("o7s-nc name", &status);
        assert_int_equal(status, 69);
}

static void test_long_line(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *server = NULL, *client = NULL;
        char line[102];

        memset(line, 'x', sizeof(line));
        line[100] = '\n';

        assert_int_equal(irm_thread_start(&irm), 0);
        server = listener_start("o7s-nc -v -l -k -m short-mtu");
        client = program_start("o7s-nc -N -m --qos=raw short-mtu");
        program_write(client, line, sizeof(line));      /* one of 100 bytes, and one that begins */
        program_expect(server, "x\n");
        line[100] = 'x';
        program_write(client, line, sizeof(line));
        assert_int_equal(program_wait(client), 1);
        assert_non_null(strstr(client->err.text, "longer than a message, 100 bytes"));
}

/* Lines were asked for, and a stream has none. */
static void test_stream_is_no_messages(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *server = NULL, *client = NULL;

        assert_int_equal(irm_thread_start(&irm), 0);
        server = listener_start("o7s-nc -v -l -m stream");
        client = program_start("o7s-nc stream");
        assert_int_equal(program_wait(server), 1);
        assert_non_null(strstr(server->err.text, "opened a stream of bytes"));
        assert_int_equal(program_wait(client), 0);
}

static void test_killed(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *server = NULL, *client = NULL;

        assert_int_equal(irm_thread_start(&irm), 0);
        server = listener_start("o7s-nc -v -l -m doomed");
        client = program_start("o7s-nc -m --qos=raw doomed");
        program_write(client, "hello\n", 6);
        program_expect(server, "hello");
        assert_int_equal(program_stop(server, SIGKILL), -1);
        assert_int_equal(program_wait(client), 3);
        assert_non_null(strstr(client->err.text, "was gone before it closed the flow"));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_messages),
                cmocka_unit_test(test_many_lines),
                cmocka_unit_test(test_plain),
                cmocka_unit_test(test_keep_open),
                cmocka_unit_test(test_quit),
                cmocka_unit_test(test_failures),
                cmocka_unit_test(test_long_line),
                cmocka_unit_test(test_killed),
                cmocka_unit_test(test_stream),
                cmocka_unit_test(test_conversation),
                cmocka_unit_test(test_stream_is_no_messages),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
