/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Orders that a layer of any kind takes, and whose caller waits for the answer. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "basic/time.h"
#include "tests/unit/irm/member-double.h"

static int keep_answer(sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const sd_bus_error *error = sd_bus_message_get_error(reply);

        (void) snprintf(userdata, MEMBER_TEXT_MAX, "%s", error ? error->message : "done");
        return 0;
}

static int keep_stream(sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        assert_null(sd_bus_message_get_error(reply));
        *(sd_bus_message **) userdata = sd_bus_message_ref(reply);
        return 0;
}

/* The call is under way; its answer will be in text. */
static void call_later(BusFixture *f, char text[MEMBER_TEXT_MAX], const char *member, const char *types, ...) {
        sd_bus_message *call = NULL;
        va_list list;

        text[0] = '\0';
        assert_true(sd_bus_message_new_method_call(f->bus, &call, BUS_NAME_IRM, MEMBER_PATH, BUS_INTERFACE_LAYER,
                                                   member) >= 0);
        va_start(list, types);
        assert_true(sd_bus_message_appendv(call, types, list) >= 0);
        va_end(list);
        assert_true(sd_bus_call_async(f->bus, NULL, call, keep_answer, text, 0) >= 0);
        assert_true(sd_bus_flush(f->bus) >= 0);
        sd_bus_message_unref(call);
}

/* Hints follow the sentence of an error. */
static void wait_for_answer(BusFixture *f, const char *text, const char *expected) {
        usec_t deadline = usec_add(time_now(), 60 * USEC_PER_SEC);

        while (text[0] == '\0' && time_now() < deadline)
                if (sd_bus_process(f->bus, NULL) == 0)
                        (void) sd_bus_wait(f->bus, 50 * USEC_PER_MSEC);
        if (strncmp(text, expected, strlen(expected)) != 0)
                fail_msg("'%s' instead of '%s'", text, expected);
}

/* The pipe's ends, of the layer's order and of the caller's answer, are of one pipe; a refusal leaves none open. */
static void test_capture(void **state) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        char text[MEMBER_TEXT_MAX] = "", bytes[8] = "";
        int fds[LAYER_FDS_MAX] = { -1, -1 }, layer, read_end = -1;
        BusFixture *f = *state;
        LayerMessage heard;

        if (geteuid() != 0)
                skip();

        (void) signal(SIGPIPE, SIG_IGN);
        layer = member_connect(f, LAYER_ETH_DIX, LAYER_ONLINE);

        assert_true(sd_bus_message_new_method_call(f->bus, &call, BUS_NAME_IRM, MEMBER_PATH, BUS_INTERFACE_LAYER,
                                                   "Capture") >= 0);
        assert_true(sd_bus_message_append(call, "a{sv}t", 1, "SnapLength", "u", 96U, UINT64_C(0)) >= 0);
        assert_true(sd_bus_call_async(f->bus, NULL, call, keep_stream, &reply, 0) >= 0);
        assert_true(sd_bus_flush(f->bus) >= 0);

        layer_hear(layer, LAYER_ORDER, &heard, fds);
        assert_int_equal(heard.order, LAYER_ORDER_CAPTURE);
        assert_int_equal(heard.mtu, 96);
        assert_true(fds[0] >= 0);
        assert_null(reply);             /* not before the layer has it */
        assert_int_equal(write(fds[0], "packet", 6), 6);
        (void) close(fds[0]);
        member_say_done(layer, heard.query_id, 0, "Packets are being captured");

        while (!reply)
                if (sd_bus_process(f->bus, NULL) == 0)
                        assert_true(sd_bus_wait(f->bus, 5 * USEC_PER_SEC) > 0);
        assert_true(sd_bus_message_read(reply, "h", &read_end) > 0);
        assert_int_equal(read(read_end, bytes, sizeof(bytes)), 6);
        assert_string_equal(bytes, "packet");
        assert_int_equal(read(read_end, bytes, sizeof(bytes)), 0);      /* nobody else has the writing end */

        call_later(f, text, "Capture", "a{sv}t", 0, UINT64_C(0));
        layer_hear(layer, LAYER_ORDER, &heard, fds);
        member_say_done(layer, heard.query_id, -EBUSY, "As many look as may");
        wait_for_answer(f, text, "As many look as may");
        assert_int_equal(write(fds[0], "packet", 6), -1);
        assert_int_equal(errno, EPIPE);                                 /* nor the reading end */
        (void) close(fds[0]);

        call_later(f, text, "Capture", "a{sv}t", 1, "Filter", "s", "all", UINT64_C(0));
        wait_for_answer(f, text, "Capturing knows no option 'Filter'");
        call_later(f, text, "Capture", "a{sv}t", 0, UINT64_C(2));
        wait_for_answer(f, text, "Flags 0x2 make no sense");
        layer_hears_nothing(layer);
        (void) close(layer);
}

/* The caller is answered when the layer has done it, with its words where it could not. An Ethernet takes them, too. */
static void test_control(void **state) {
        static const LayerType types[] = { LAYER_UNICAST, LAYER_ETH_DIX };
        BusFixture *f = *state;
        LayerMessage heard;
        char text[MEMBER_TEXT_MAX];

        if (geteuid() != 0)
                skip();

        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                int layer = member_connect(f, types[i], LAYER_ONLINE);

                call_later(f, text, "ResetStatistics", "");
                layer_hear(layer, LAYER_ORDER, &heard, NULL);
                assert_int_equal(heard.order, LAYER_ORDER_RESET_STATISTICS);
                assert_string_equal(text, "");
                member_say_done(layer, heard.query_id, 0, "All counters are 0 again");
                wait_for_answer(f, text, "done");

                call_later(f, text, "SetProperties", "a{sv}t", 2, "LogLevel", "s", "debug", "MaxPacketSize", "u", 1000U,
                           UINT64_C(0));
                layer_hear(layer, LAYER_ORDER, &heard, NULL);
                assert_int_equal(heard.order, LAYER_ORDER_SET_PROPERTIES);
                assert_string_equal(heard.text, "debug");
                assert_int_equal(heard.mtu, 1000);
                member_say_done(layer, heard.query_id, -EOPNOTSUPP, "It is fixed.");
                wait_for_answer(f, text, "It is fixed.");

                call_later(f, text, "SetProperties", "a{sv}t", 1, "MaxPacketSize", "u", 0U, UINT64_C(0));
                layer_hear(layer, LAYER_ORDER, &heard, NULL);
                assert_int_equal(heard.mtu, LAYER_PACKET_MAX_AUTO);
                assert_string_equal(heard.text, "");
                (void) close(layer);            /* a layer that went away answers, too */
                wait_for_answer(f, text, "Layer home went away before it had done it.");
                member_wait_for(f, MEMBER_PATH, BUS_INTERFACE_LAYER, "State", "starting");
        }
}

/* What is refused never gets to the layer. */
static void test_control_refused(void **state) {
        BusFixture *f = *state;
        char text[MEMBER_TEXT_MAX];
        int layer;

        if (geteuid() != 0)
                skip();

        layer = member_connect(f, LAYER_UNICAST, LAYER_ONLINE);
        call_later(f, text, "SetProperties", "a{sv}t", 1, "Hash", "s", "sha3-256", UINT64_C(0));
        wait_for_answer(
                f, text,
                "'Hash' cannot be changed while the layer runs, only 'LogLevel' and 'MaxPacketSize': all else is in "
                "the layer's file and needs a restart of the layer.");
        call_later(f, text, "SetProperties", "a{sv}t", 1, "LogLevel", "s", "loud", UINT64_C(0));
        wait_for_answer(f, text, "'loud' is not a log level, such as info or debug.");
        call_later(f, text, "SetProperties", "a{sv}t", 1, "MaxPacketSize", "u", 70000U, UINT64_C(0));
        wait_for_answer(f, text,
                        "70000 is no packet size: it is 256 to 65535 bytes, or 0 for what the network below allows.");
        call_later(f, text, "SetProperties", "a{sv}t", 0, UINT64_C(0));
        wait_for_answer(f, text, "Nothing is to be changed.");
        call_later(f, text, "SetProperties", "a{sv}t", 1, "LogLevel", "s", "info", UINT64_C(8));       /* a dry run */
        wait_for_answer(f, text, "done");
        layer_hears_nothing(layer);
        (void) close(layer);
}

#define TEST(name) cmocka_unit_test_prestate_setup_teardown(name, bus_fixture_set_up, bus_fixture_tear_down, argv[1])

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                TEST(test_control),
                TEST(test_control_refused),
                TEST(test_capture),
        };

        if (argc < 2)
                return 2;

        return cmocka_run_group_tests(tests, NULL, NULL);
}
