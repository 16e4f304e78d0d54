/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* o7s-cbr as a whole program, over flows of this host. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "apps/cbr-message.h"
#include "basic/macro.h"
#include "libo7s/o7s.h"
#include "tests/support/irm-thread.h"
#include "tests/unit/apps/program.h"

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

static void test_rates(void **state) {
        static const struct {
                const char *name;
                const char *options;
                uint64_t n_messages;
        } rows[] = {
                { "ten messages in a tenth of a second", "-d 100ms -r 800K -s 1000", 10 },
                { "small ones", "-d 100ms -r 256K -s 32", 100 },
                { "spinning", "--spin -d 50ms -r 8M -s 1000", 50 },
                { "in order", "--qos=voice -d 100ms -r 800K", 10 },
                { "reliable", "--qos=data -d 100ms -r 800K", 10 },
        };
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *server = NULL;

        assert_int_equal(irm_thread_start(&irm), 0);
        server = program_start("o7s-cbr --serve cbr");
        program_expect(server, "serving cbr\n");

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_program_ Program *p = NULL;
                char line[128];
                json_object *summary;
                int status;

                (void) snprintf(line, sizeof(line), "o7s-cbr --json %s cbr", rows[i].options);
                p = program_run(line, &status);
                if (status != 0)
                        fail_msg("%s: %d %s %s", rows[i].name, status, p->out.text, p->err.text);

                summary = last_line(p->out.text);
                if (number_of(summary, "sent") + number_of(summary, "left_out") != rows[i].n_messages ||
                    number_of(summary, "sent") != number_of(summary, "received") || number_of(summary, "lost") != 0 ||
                    number_of(summary, "reported") != 1)
                        fail_msg("%s: %s", rows[i].name, json_object_to_json_string(summary));
                json_object_put(summary);
        }

        program_expect(server, "flow 5 total: ");
        assert_int_equal(program_stop(server, SIGTERM), 0);
}

/* Two clients at once: each has its lines. */
static void test_flows(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *server = NULL, *one = NULL, *two = NULL;

        assert_int_equal(irm_thread_start(&irm), 0);
        server = program_start("o7s-cbr --serve --json -i 100ms cbr");
        program_expect(server, "\"serving\"");
        one = program_start("o7s-cbr -d 1min -r 80K -s 100 cbr");
        two = program_start("o7s-cbr -d 1min -r 80K -s 100 cbr");
        program_expect(server, "{\"event\":\"interval\",\"flow\":1,");
        program_expect(server, "{\"event\":\"interval\",\"flow\":2,");

        /* A signal ends the sending; what arrived is asked for all the same. */
        assert_int_equal(program_stop(one, SIGINT), 0);
        assert_non_null(strstr(one->out.text, ", 0 lost, 0 out of order, jitter "));
        program_expect(server, "{\"event\":\"total\",\"flow\":");
        assert_int_equal(program_stop(server, SIGTERM), 0);
        assert_int_equal(program_wait(two), 3);
        assert_non_null(strstr(two->err.text, "Lost the flow to 'cbr'"));
}

/* The test counts, and says that something is missing. */
static void test_loss(void **state) {
        CbrMessage message, report = { .type = CBR_REPORT, .report = { .n_messages = 1, .n_lost = 2 } };
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *p = NULL;
        o7s_listener *listener;
        o7s_flow *flow;
        uint8_t buffer[2000];

        assert_int_equal(irm_thread_start(&irm), 0);
        assert_int_equal(o7s_listen("lossy", 0, &listener), 0);
        p = program_start("o7s-cbr -d 10ms lossy");
        assert_int_equal(o7s_flow_accept(listener, O7S_FOREVER, &flow), 0);

        do {
                ssize_t n = o7s_flow_read(flow, buffer, sizeof(buffer));

                assert_true(n > 0);
                assert_int_equal(cbr_message_parse(buffer, (size_t) n, &message), 0);
        } while (message.type != CBR_END);

        report.run = message.run + 1;           /* somebody else's: not to be believed */
        assert_true(o7s_flow_write(flow, buffer, cbr_message_write(&report, buffer)) > 0);
        report.run = message.run;
        assert_true(o7s_flow_write(flow, buffer, cbr_message_write(&report, buffer)) > 0);
        assert_int_equal(program_wait(p), 6);
        assert_non_null(strstr(p->out.text, "received 1 messages, 2 lost"));
        o7s_flow_unref(flow);
        p = program_free(p);

        /* Nobody says anything. */
        p = program_start("o7s-cbr -d 10ms lossy");
        assert_int_equal(o7s_flow_accept(listener, O7S_FOREVER, &flow), 0);
        assert_int_equal(program_wait(p), 5);
        assert_non_null(strstr(p->out.text, "no report from the other side"));
        o7s_flow_unref(flow);
        o7s_listener_unref(listener);
}

static void test_failures(void **state) {
        static const ProgramFailure rows[] = {
                { "o7s-cbr nosuch", 3, "Cannot reach 'nosuch'" },
                { "o7s-cbr refused", 3, IRM_THREAD_REFUSAL },
                { "o7s-cbr denied", 4, "Cannot reach 'denied'" },
                { "o7s-cbr --serve denied", 4, "Cannot serve 'denied'" },
                { "o7s-cbr", 2, "Which name?" },
                { "o7s-cbr -r 0 cbr", 2, "not a rate" },
                { "o7s-cbr -s 31 cbr", 2, "not a size" },
                { "o7s-cbr -i 1ms cbr", 2, "100ms or more" },
                { "o7s-cbr --qos=fast cbr", 2, "none of raw" },
                { "o7s-cbr short-mtu", 1, "a message of 1000 bytes does not fit, its flow takes 100" },
        };
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        _cleanup_program_ Program *server = NULL, *last = NULL;
        int status;

        assert_int_equal(irm_thread_start(&irm), 0);
        server = program_start("o7s-cbr --serve short-mtu");
        program_expect(server, "serving");
        program_expect_failures(rows, ELEMENTSOF(rows));

        irm_thread_pause(irm);
        last = program_run("o7s-cbr cbr", &status);
        assert_int_equal(status, 69);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rates),
                cmocka_unit_test(test_flows),
                cmocka_unit_test(test_loss),
                cmocka_unit_test(test_failures),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
