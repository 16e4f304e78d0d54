/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* o7s-perf as a whole program, over flows of this host: every mode on raw and on reliable flows, and what it says of
 * them. */

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
        const char *line;               /* between "o7s-perf --json" and the name */
        bool forward;
        bool reverse;
        bool latency;
        unsigned n_streams;
        uint64_t n_bytes;               /* received at least, in each direction */
} Case;

static const Case cases[] = {
        { "raw", "-t 100ms", true, false, false, 1, 100000 },
        { "raw, small messages", "-t 50ms -s 32", true, false, false, 1, 3200 },
        { "raw and checked", "--qos=raw-safe -t 50ms", true, false, false, 1, 100000 },
        { "best effort", "--qos=best-effort -t 50ms", true, false, false, 1, 100000 },
        { "reliable", "--qos=data -t 100ms", true, false, false, 1, 100000 },
        { "reliable, so many bytes", "--qos=data -n 1M", true, false, false, 1, 1048576 },
        { "reliable, large messages", "--qos=data -s 256K -n 4M", true, false, false, 1, 4194304 },
        { "reliable, the largest messages", "--qos=data -s 1M -n 4M", true, false, false, 1, 4194304 },
        { "reverse", "--reverse -t 50ms", false, true, false, 1, 100000 },
        { "reverse, reliable", "--qos=data -R -n 2M", false, true, false, 1, 2097152 },
        { "both ways", "--bidir -t 50ms", true, true, false, 1, 100000 },
        { "both ways, reliable", "--qos=data --bidir -n 1M", true, true, false, 1, 1048576 },
        { "several flows", "-P 4 -t 50ms", true, false, false, 4, 100000 },
        { "several reliable flows", "-P 3 --qos=data -n 300K", true, false, false, 3, 921600 },
        { "at a rate", "-t 200ms -r 8M", true, false, false, 1, 150000 },
        { "round trips", "-l -t 50ms", true, false, true, 1, 64 },
        { "round trips, reliable", "-l --qos=data -t 50ms -s 2000", true, false, true, 1, 2000 },
        { "stream", "--stream -n 3M", true, false, false, 1, 3145728 },
        { "stream of large messages", "--stream -n 3M -s 1M", true, false, false, 1, 3145728 },
        { "stream, both ways, odd sizes", "--stream --bidir -n 1M -s 777", true, true, false, 1, 1048576 },
        { "stream, reverse", "--stream -R -n 1M", false, true, false, 1, 1048576 },
        { "round trips in a stream", "--stream -l -t 50ms", true, false, true, 1, 64 },
};

/* The last line of JSON. */
static json_object *last_line(const char *text) {
        const char *line = text, *next;
        json_object *object;

        while ((next = strchr(line, '\n')) && next[1])
                line = next + 1;

        object = json_tokener_parse(line);
        if (!object)
                fail_msg("no JSON: %s", text);
        return object;
}

static uint64_t number_of(json_object *object, const char *key) {
        json_object *value;

        if (!json_object_object_get_ex(object, key, &value))
                fail_msg("no '%s' in %s", key, json_object_to_json_string(object));
        return json_object_get_uint64(value);
}

/* On this host nothing is lost, whatever the quality of service. */
static void check_direction(const Case *c, json_object *summary, const char *key, bool wanted) {
        json_object *direction;

        if (json_object_object_get_ex(summary, key, &direction) != wanted)
                fail_msg("%s: %s", c->name, json_object_to_json_string(summary));
        if (!wanted)
                return;

        if (number_of(direction, "lost") != 0 || number_of(direction, "sent") != number_of(direction, "received") ||
            number_of(direction, "sent_bytes") != number_of(direction, "received_bytes") ||
            number_of(direction, "received_bytes") < c->n_bytes || number_of(direction, "out_of_order") != 0 ||
            number_of(direction, "reported") != 1)
                fail_msg("%s: %s", c->name, json_object_to_json_string(summary));
}

static void test_cases(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *server = NULL;

        assert_int_equal(irm_thread_start(&irm), 0);
        server = program_start("o7s-perf --serve perf");
        program_expect(server, "serving perf\n");

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const Case *c = &cases[i];
                _cleanup_program_ Program *p = NULL;
                json_object *summary;
                char line[128], streams[32];
                int status;

                (void) snprintf(line, sizeof(line), "o7s-perf --json %s perf", c->line);
                (void) snprintf(streams, sizeof(streams), "\"streams\":%u,", c->n_streams);
                p = program_run(line, &status);
                if (status != 0 || p->err.size > 0 || !strstr(p->out.text, streams))
                        fail_msg("%s: %d\n%s\n%s", c->name, status, p->out.text, p->err.text);
                if (c->latency != (strstr(p->out.text, "\"event\":\"latency\"") != NULL) ||
                    (c->latency && !strstr(p->out.text, "\"unanswered\":0")))
                        fail_msg("%s: %s", c->name, p->out.text);

                summary = last_line(p->out.text);
                check_direction(c, summary, "forward", c->forward);
                check_direction(c, summary, "reverse", c->reverse);
                (void) number_of(summary, "cpu_seconds");
                json_object_put(summary);
        }

        assert_int_equal(program_stop(server, SIGTERM), 0);
}

/* The rate is kept, from below. */
static void test_rate(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *server = NULL, *p = NULL;
        json_object *summary, *forward;
        int status;

        assert_int_equal(irm_thread_start(&irm), 0);
        server = program_start("o7s-perf --serve -q perf");
        p = program_run("o7s-perf --until-then perf", &status);
        assert_int_equal(status, 2);
        p = program_free(p);

        /* The server may not listen yet. */
        do {
                p = program_free(p);
                p = program_run("o7s-perf --json -r 4M -t 500ms -i 100ms perf", &status);
        } while (status == 3);
        assert_int_equal(status, 0);
        assert_non_null(strstr(p->out.text, "\"event\":\"interval\""));

        summary = last_line(p->out.text);
        assert_true(json_object_object_get_ex(summary, "forward", &forward));
        if (number_of(forward, "sent_bytes") > 255000 || number_of(forward, "sent_bytes") < 150000)
                fail_msg("%s", json_object_to_json_string(summary));
        json_object_put(summary);
}

static void test_text(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *server = NULL, *p = NULL;
        int status;

        assert_int_equal(irm_thread_start(&irm), 0);
        server = program_start("o7s-perf --serve perf");
        program_expect(server, "serving perf\n");

        p = program_run("o7s-perf -P 2 --qos=data -n 100K perf", &status);
        assert_int_equal(status, 0);
        assert_non_null(strstr(p->out.text, "2 flows, messages of 1400 B"));
        assert_non_null(strstr(p->out.text, "[2]\n"));
        assert_non_null(strstr(p->out.text, ", lost 0 of 148 (0 %), 0 out of order"));
        assert_non_null(strstr(p->out.text, "cpu here "));
        program_expect(server, "received 104 kB in 74 messages");
        assert_int_equal(program_stop(server, SIGINT), 0);
}

static void test_failures(void **state) {
        static const ProgramFailure rows[] = {
                { "o7s-perf nosuch", 3, "Cannot reach 'nosuch'" },
                { "o7s-perf refused", 3, IRM_THREAD_REFUSAL },
                { "o7s-perf denied", 4, "Cannot reach 'denied'" },
                { "o7s-perf --serve denied", 4, "Cannot serve 'denied'" },
                { "o7s-perf --stream --qos=raw perf", 2, "--stream is for --qos=data" },
                { "o7s-perf -l -R perf", 2, "both ways already" },
                { "o7s-perf --max-loss=101 perf", 2, "0 to 100" },
                { "o7s-perf -s 16 perf", 2, "not a size" },
                { "o7s-perf -s 101 short-mtu", 1, "a message of 101 bytes does not fit, its flow takes 100" },
        };
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *server = NULL, *last = NULL;
        int status;

        assert_int_equal(irm_thread_start(&irm), 0);
        server = program_start("o7s-perf --serve short-mtu");
        program_expect(server, "serving");

        program_expect_failures(rows, ELEMENTSOF(rows));

        irm_thread_pause(irm);
        last = program_run("o7s-perf perf", &status);
        assert_int_equal(status, 69);
}

/* A flow that was asked for, and its listener that only listens. */
static void accept_one(o7s_listener *listener, o7s_flow **ret) {
        assert_int_equal(o7s_flow_accept(listener, O7S_FOREVER, ret), 0);
}

/* Whoever is there does not speak this language; or goes. */
static void test_strangers(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *p = NULL;
        o7s_listener *listener;
        o7s_flow *flow;

        assert_int_equal(irm_thread_start(&irm), 0);
        assert_int_equal(o7s_listen("odd", 0, &listener), 0);

        p = program_start("o7s-perf odd");
        accept_one(listener, &flow);
        assert_int_equal(o7s_flow_write(flow, "hello?", 6), 6);
        assert_int_equal(program_wait(p), 5);
        assert_non_null(strstr(p->err.text, "does not answer as o7s-perf does"));
        o7s_flow_unref(flow);
        p = program_free(p);

        p = program_start("o7s-perf odd");
        accept_one(listener, &flow);
        o7s_flow_unref(flow);
        assert_int_equal(program_wait(p), 3);
        assert_non_null(strstr(p->err.text, "Lost the flow to 'odd'"));

        o7s_listener_unref(listener);
}

/* A signal ends the test, not the count. */
static void test_interrupted(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *server = NULL, *p = NULL;
        json_object *summary, *forward;

        assert_int_equal(irm_thread_start(&irm), 0);
        server = program_start("o7s-perf --serve perf");
        program_expect(server, "serving perf\n");

        p = program_start("o7s-perf --json --qos=data -t 1h -i 100ms perf");
        program_expect(p, "\"event\":\"interval\"");
        assert_int_equal(program_stop(p, SIGINT), 0);

        summary = last_line(p->out.text);
        assert_true(json_object_object_get_ex(summary, "forward", &forward));
        assert_int_equal(number_of(forward, "reported"), 1);
        assert_int_equal(number_of(forward, "lost"), 0);
        json_object_put(summary);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_cases),
                cmocka_unit_test(test_rate),
                cmocka_unit_test(test_text),
                cmocka_unit_test(test_failures),
                cmocka_unit_test(test_strangers),
                cmocka_unit_test(test_interrupted),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
