/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* o7s-ping and o7s-echo as whole programs, over flows of this host: what they print, and how they end. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "basic/macro.h"
#include "libo7s/o7s.h"
#include "tests/support/irm-thread.h"
#include "tests/unit/apps/program.h"

typedef struct Case {
        const char *name;
        const char *line;
        int status;
        const char *out[3];     /* all of these are in the output ... */
        const char *err[2];     /* ... and these in the complaints; none: there must be no complaint */
} Case;

static const Case cases[] = {
        { "answers", "o7s-ping -c 3 -i 1ms echo", 0,
          { "echo on this host, somebody; flow ", "64 B seq=3 ", "3 sent, 3 received, 0 lost, 0 out of order" }, {} },
        { "as large as it gets", "o7s-ping -c 2 -i 1ms -s mtu echo", 0, { " B seq=2 " }, {} },
        { "flood", "o7s-ping -f -q -c 500 echo", 0, { "500 sent, 500 received, 0 lost" }, {} },
        { "for some time", "o7s-ping -q -d 50ms -i 10ms echo", 0, { " sent, ", ", 0 lost" }, {} },
        { "timestamps", "o7s-ping -D -c 1 echo", 0, { "[", "] 64 B seq=1 " }, {} },
        { "histogram", "o7s-ping -f -q --histogram -c 100 echo", 0, { "  < ", "***" }, {} },
        { "another preset", "o7s-ping -c 1 --qos=raw-safe echo", 0, { "1 received" }, {} },
        { "in order", "o7s-ping -c 5 -i 1ms --qos=voice echo", 0, { "5 received" }, {} },
        { "reliable", "o7s-ping -c 5 -i 1ms --qos=data echo", 0, { "5 received, 0 lost" }, {} },
        { "too large for the flow", "o7s-ping -c 1 -s 200 short-mtu", 1, {},
          { "of 200 bytes does not fit", "takes 100" } },
        { "nobody of that name", "o7s-ping -c 1 nosuch", 3, {}, { "Cannot reach 'nosuch': " } },
        { "refused", "o7s-ping -c 1 refused", 3, {}, { "Cannot reach 'refused': ", IRM_THREAD_REFUSAL } },
        { "not allowed", "o7s-ping -c 1 denied", 4, {}, { "Cannot reach 'denied'" } },
        { "no answer to the request", "o7s-ping -c 1 --timeout=50ms silent", 5, {}, { "Cannot reach 'silent'" } },
        { "serving what is not ours", "o7s-echo denied", 4, {}, { "Cannot serve 'denied'" } },
        { "... nor this way", "o7s-ping --listen denied", 4, {}, { "Cannot serve 'denied'" } },
};

static void check_case(const Case *c) {
        _cleanup_program_ Program *p = NULL;
        int status;

        p = program_run(c->line, &status);
        if (status != c->status)
                fail_msg("%s: exit status %d, not %d\n%s\n%s", c->name, status, c->status, p->out.text, p->err.text);
        for (size_t i = 0; i < ELEMENTSOF(c->out) && c->out[i]; i++)
                if (!strstr(p->out.text, c->out[i]))
                        fail_msg("%s: no '%s' in: %s", c->name, c->out[i], p->out.text);
        for (size_t i = 0; i < ELEMENTSOF(c->err) && c->err[i]; i++)
                if (!strstr(p->err.text, c->err[i]))
                        fail_msg("%s: no '%s' in: %s", c->name, c->err[i], p->err.text);
        if (!c->err[0] && p->err.size > 0)
                fail_msg("%s: it complains: %s", c->name, p->err.text);
}

static void test_lines(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *echo = NULL, *brief = NULL;

        assert_int_equal(irm_thread_start(&irm), 0);
        echo = program_start("o7s-echo echo");
        program_expect(echo, "serving echo\n");
        brief = program_start("o7s-ping --listen short-mtu");
        program_expect(brief, "serving short-mtu\n");

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check_case(&cases[i]);

        assert_int_equal(program_stop(echo, SIGTERM), 0);
        assert_non_null(strstr(echo->out.text, " flows, "));
        assert_non_null(strstr(echo->out.text, " 0 dropped"));
        assert_int_equal(program_stop(brief, SIGINT), 0);
        assert_non_null(strstr(brief->out.text, "1 flows, 0 messages echoed"));
}

/* Who came is told when he comes, not at the end; without being asked, nothing is. */
static void test_who_comes(void **state) {
        static const struct {
                const char *name;
                const char *line;
                const char *serving;
                const char *text;       /* NULL: nothing of the flow */
        } rows[] = {
                { "verbose", "o7s-echo -v echo", "serving echo\n", " to echo on this host, somebody\n" },
                { "JSON", "o7s-echo --json --verbose echo", "\"serving\"", "\"event\":\"flow\",\"name\":\"echo\"" },
                { "quiet as ever", "o7s-echo echo", "serving echo\n", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
                _cleanup_program_ Program *echo = NULL, *ping = NULL;

                print_message("%s\n", rows[i].name);
                assert_int_equal(irm_thread_start(&irm), 0);
                echo = program_start(rows[i].line);
                program_expect(echo, rows[i].serving);
                ping = program_start("o7s-ping -q -c 1 echo");
                if (rows[i].text)
                        program_expect(echo, rows[i].text);

                assert_int_equal(program_wait(ping), 0);
                assert_int_equal(program_stop(echo, SIGTERM), 0);
                if (!rows[i].text)
                        assert_null(strstr(echo->out.text, "flow "));
        }
}

static void test_no_irm(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        static const char *const lines[] = { "o7s-ping echo", "o7s-ping --listen echo", "o7s-echo echo" };

        assert_int_equal(irm_thread_start(&irm), 0);
        irm_thread_pause(irm);

        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                _cleanup_program_ Program *p = NULL;
                int status;

                p = program_run(lines[i], &status);
                if (status != 69 || !strstr(p->err.text, "IRM"))
                        fail_msg("%s: %d, %s", lines[i], status, p->err.text);
        }
}

/* The last line that has this event. */
static json_object *event_of(const char *text, const char *event) {
        json_object *found = NULL;

        while (*text) {
                json_object *line = json_tokener_parse(text), *value;
                const char *end = strchr(text, '\n');

                if (!line)
                        fail_msg("not JSON: %s", text);
                if (json_object_object_get_ex(line, "event", &value) &&
                    strcmp(json_object_get_string(value), event) == 0) {
                        json_object_put(found);
                        found = json_object_get(line);
                }
                json_object_put(line);
                text = end ? end + 1 : "";
        }

        if (!found)
                fail_msg("no event '%s'", event);
        return found;
}

static uint64_t number_of(json_object *line, const char *key) {
        json_object *value;

        if (!json_object_object_get_ex(line, key, &value))
                fail_msg("no '%s' in %s", key, json_object_to_json_string(line));
        return json_object_get_uint64(value);
}

static void test_json(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *echo = NULL, *p = NULL;
        json_object *line, *rtt;
        int status;

        assert_int_equal(irm_thread_start(&irm), 0);
        echo = program_start("o7s-ping --json -l echo");
        program_expect(echo, "\"serving\"");

        p = program_run("o7s-ping --json -D -c 4 -i 1ms echo", &status);
        assert_int_equal(status, 0);

        line = event_of(p->out.text, "reply");
        assert_int_equal(number_of(line, "seq"), 4);
        assert_int_equal(number_of(line, "bytes"), 64);
        assert_true(number_of(line, "time") > 1600000000);
        json_object_put(line);

        line = event_of(p->out.text, "connected");
        (void) number_of(line, "allocated_usec");
        json_object_put(line);

        line = event_of(p->out.text, "summary");
        assert_int_equal(number_of(line, "sent"), 4);
        assert_int_equal(number_of(line, "received"), 4);
        assert_int_equal(number_of(line, "lost"), 0);
        assert_true(json_object_object_get_ex(line, "rtt_usec", &rtt));
        assert_true(number_of(rtt, "min") <= number_of(rtt, "p50") && number_of(rtt, "p50") <= number_of(rtt, "p99.9"));
        json_object_put(line);

        assert_int_equal(program_stop(echo, SIGTERM), 0);
        line = event_of(echo->out.text, "summary");
        assert_int_equal(number_of(line, "echoed"), 4);
        json_object_put(line);
}

/* A server that accepts and never answers. */
static void test_silence(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *p = NULL;
        o7s_listener *listener;
        o7s_flow *flow;
        uint8_t byte;

        assert_int_equal(irm_thread_start(&irm), 0);
        assert_int_equal(o7s_listen("mute", 0, &listener), 0);

        p = program_start("o7s-ping -c 2 -i 1ms --timeout=50ms mute");
        assert_int_equal(o7s_flow_accept(listener, O7S_FOREVER, &flow), 0);
        assert_int_equal(program_wait(p), 5);
        assert_non_null(strstr(p->out.text, "2 sent, 0 received, 2 lost"));
        o7s_flow_unref(flow);
        p = program_free(p);

        /* One answer of two. */
        p = program_start("o7s-ping -c 2 -i 1ms -s 24 --timeout=1s mute");
        assert_int_equal(o7s_flow_accept(listener, O7S_FOREVER, &flow), 0);
        for (unsigned i = 0; i < 2; i++) {
                uint8_t message[24];

                assert_int_equal(o7s_flow_read(flow, message, sizeof(message)), sizeof(message));
                assert_int_equal(o7s_flow_read(flow, &byte, 1), 0);
                if (i == 0) {
                        assert_int_equal(o7s_flow_write(flow, message, sizeof(message)), sizeof(message));
                        assert_int_equal(o7s_flow_write(flow, message, sizeof(message)), sizeof(message));
                        assert_int_equal(o7s_flow_write(flow, "?", 1), 1);
                }
        }
        assert_int_equal(program_wait(p), 6);
        assert_non_null(strstr(p->out.text, "2 sent, 1 received, 1 lost, 0 out of order, 1 duplicates, 1 foreign"));
        o7s_flow_unref(flow);
        p = program_free(p);

        /* The other side goes. */
        p = program_start("o7s-ping -c 100 -i 10ms mute");
        assert_int_equal(o7s_flow_accept(listener, O7S_FOREVER, &flow), 0);
        o7s_flow_unref(flow);
        assert_int_equal(program_wait(p), 3);
        assert_non_null(strstr(p->err.text, "Lost the flow to 'mute'"));

        o7s_listener_unref(listener);
}

/* Who does not take its answers on a reliable flow loses none of them, and holds nobody else up. */
static void test_stalled(void **state) {
        enum { SIZE = 20000 };
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *echo = NULL, *p = NULL;
        static uint8_t message[SIZE + 1];
        unsigned n_sent = 0, n_full = 0;
        o7s_flow *flow;
        int status;

        assert_int_equal(irm_thread_start(&irm), 0);
        echo = program_start("o7s-echo echo");
        program_expect(echo, "serving echo\n");
        assert_int_equal(o7s_flow_alloc("echo", &O7S_QOS_DATA, 0, O7S_FOREVER, &flow), 0);

        /* Until neither side takes more: the second time-out finds the server where it was at the first. */
        assert_int_equal(o7s_flow_set_timeout(flow, O7S_TIMEOUT_WRITE, 100000), 0);
        while (n_full < 2) {
                ssize_t n;

                memset(message, (int) n_sent, SIZE);
                n = o7s_flow_write(flow, message, SIZE);
                if (n == SIZE)
                        n_sent++;
                else
                        n_full += n == -ETIMEDOUT;
                assert_true(n == SIZE || n == -ETIMEDOUT);
        }

        p = program_run("o7s-ping -q -c 5 -i 1ms --qos=data echo", &status);
        assert_int_equal(status, 0);

        for (unsigned i = 0; i < n_sent; i++) {
                assert_int_equal(o7s_flow_read(flow, message, sizeof(message)), SIZE);
                if (message[0] != (uint8_t) i || message[SIZE - 1] != (uint8_t) i)
                        fail_msg("message %u of %u is not the one that was sent", i, n_sent);
        }
        o7s_flow_unref(flow);

        assert_int_equal(program_stop(echo, SIGTERM), 0);
        assert_non_null(strstr(echo->out.text, " 0 dropped"));
}

/* Stopped between a message and its answer: nothing is lost by that. */
static void test_interrupted(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *p = NULL, *echo = NULL;

        assert_int_equal(irm_thread_start(&irm), 0);
        echo = program_start("o7s-echo echo");
        program_expect(echo, "serving");

        p = program_start("o7s-ping -i 1ms echo");
        program_expect(p, "seq=3 ");
        assert_int_equal(program_stop(p, SIGINT), 0);
        assert_non_null(strstr(p->out.text, " 0 lost"));
}

/* Nobody but the server has to be there first. */
static void test_until_up(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *p = NULL, *echo = NULL;

        assert_int_equal(irm_thread_start(&irm), 0);
        p = program_start("o7s-ping --until-up -c 1 later");
        echo = program_start("o7s-echo -q later");
        assert_int_equal(program_wait(p), 0);
        assert_non_null(strstr(p->out.text, "1 received"));
        assert_int_equal(program_stop(echo, SIGTERM), 0);
        assert_int_equal(echo->out.size, 0);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lines),
                cmocka_unit_test(test_who_comes),
                cmocka_unit_test(test_no_irm),
                cmocka_unit_test(test_json),
                cmocka_unit_test(test_silence),
                cmocka_unit_test(test_stalled),
                cmocka_unit_test(test_interrupted),
                cmocka_unit_test(test_until_up),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
