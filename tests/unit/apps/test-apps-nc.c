/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* o7s-nc as a whole program: bytes and lines over flows of this host, and the ways in which it ends. */

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

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

#define PIPE_LINES 600                  /* which a pipe that is full has at least */
#define LINE_BYTES 101                  /* a message of short-mtu, and the end of the line */

static void numbered_line(char line[LINE_BYTES + 1], unsigned number) {
        (void) snprintf(line, LINE_BYTES + 1, "%0*u\n", LINE_BYTES - 1, number);
}

/* Writes lines from number *n on until there has been no place for another for a moment, and reads nothing. */
static void fill(Program *p, unsigned *n) {
        int flags = fcntl(p->in, F_GETFL);
        struct pollfd pfd = { .fd = p->in, .events = POLLOUT };
        char line[LINE_BYTES + 1];

        assert_int_equal(fcntl(p->in, F_SETFL, flags | O_NONBLOCK), 0);
        while (poll(&pfd, 1, 100) > 0) {
                numbered_line(line, *n);
                if (write(p->in, line, LINE_BYTES) == LINE_BYTES)       /* all of it, or nothing */
                        (*n)++;
        }
        assert_int_equal(fcntl(p->in, F_SETFL, flags), 0);
}

/* Whether its output is full, as nobody reads it. */
static bool is_held_up(const Program *p) {
        int n = 0;

        assert_int_equal(ioctl(p->out.fd, FIONREAD, &n), 0);
        return n >= PIPE_LINES * LINE_BYTES;
}

/* Fills both until neither gets rid of what comes from the other, however slow the machine is. */
static void fill_both(Program *a, unsigned *n_a, Program *b, unsigned *n_b) {
        for (unsigned i = 0; i < 100 && !(is_held_up(a) && is_held_up(b)); i++) {
                fill(a, n_a);
                fill(b, n_b);
        }
        assert_true(is_held_up(a) && is_held_up(b));
        fill(a, n_a);
        fill(b, n_b);
}

/* How often its main thread has slept so far. */
static unsigned n_sleeps(const Program *p) {
        char path[64], line[128];
        unsigned n = 0;
        FILE *file;

        (void) snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int) p->pid, (int) p->pid);
        file = fopen(path, "re");
        assert_non_null(file);
        while (fgets(line, sizeof(line), file))
                (void) sscanf(line, "voluntary_ctxt_switches: %u", &n);
        fclose(file);
        return n;
}

/* Once it has nothing to do it wakes up no more. How soon that is depends on the machine. */
static void expect_asleep(const Program *p) {
        for (unsigned i = 0; i < 200; i++) {
                unsigned before = n_sleeps(p);

                (void) poll(NULL, 0, 100);
                if (n_sleeps(p) - before <= 2)
                        return;
        }

        fail_msg("it woke up all the time");
}

/* Nobody reads what comes out at either end, and both have more to say than there is place for: they sleep, and go on
 * once somebody reads, first at one end, then at the other. */
static void test_both_held_up(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *server = NULL, *client = NULL;
        unsigned n_server = 0, n_client = 0;
        char line[LINE_BYTES + 1];

        assert_int_equal(irm_thread_start(&irm), 0);
        server = listener_start("o7s-nc -v -l -m short-mtu");
        client = program_start("o7s-nc -N -m --qos=raw short-mtu");
        fill_both(server, &n_server, client, &n_client);
        assert_in_range(n_server, PIPE_LINES, PROGRAM_TEXT_BYTES / LINE_BYTES);
        assert_in_range(n_client, PIPE_LINES, PROGRAM_TEXT_BYTES / LINE_BYTES);
        expect_asleep(server);
        expect_asleep(client);

        numbered_line(line, n_server - 1);
        program_expect(client, line);
        numbered_line(line, n_client - 1);
        program_expect(server, line);
        assert_int_equal(client->out.size, n_server * LINE_BYTES);
        assert_int_equal(server->out.size, n_client * LINE_BYTES);

        program_close_input(client);
        assert_int_equal(program_wait(client), 0);
        assert_int_equal(program_wait(server), 0);
}

/* The other end is killed while nobody reads what came from it: the rest of that is not lost, and nobody turns in
 * circles until somebody does. */
static void test_killed_while_held_up(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *server = NULL, *client = NULL;
        char line[LINE_BYTES + 1];
        unsigned n_server = 0, n_client = 0;

        assert_int_equal(irm_thread_start(&irm), 0);
        server = listener_start("o7s-nc -v -l -m short-mtu");
        client = program_start("o7s-nc -m --qos=raw short-mtu");
        fill_both(server, &n_server, client, &n_client);
        expect_asleep(server);
        expect_asleep(client);
        assert_int_equal(program_stop(server, SIGKILL), -1);
        expect_asleep(client);

        numbered_line(line, PIPE_LINES - 1);
        program_expect(client, line);
        assert_int_equal(program_wait(client), 3);
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
                cmocka_unit_test(test_both_held_up),
                cmocka_unit_test(test_killed_while_held_up),
                cmocka_unit_test(test_failures),
                cmocka_unit_test(test_long_line),
                cmocka_unit_test(test_killed),
                cmocka_unit_test(test_stream),
                cmocka_unit_test(test_conversation),
                cmocka_unit_test(test_stream_is_no_messages),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
