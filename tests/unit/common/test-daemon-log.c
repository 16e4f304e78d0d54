/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* LogControl1, asked over a socket pair as systemctl asks over the bus. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "basic/log.h"
#include "services/common/daemon-log.h"

typedef struct Fixture {
        sd_bus *daemon, *caller;
        int result;             /* 1 once answered, or the negative errno of the answer */
        char text[64];
} Fixture;

static int setup(void **state) {
        sd_id128_t id = SD_ID128_MAKE(01, 02, 03, 04, 05, 06, 07, 08, 09, 0a, 0b, 0c, 0d, 0e, 0f, 10);
        Fixture *f = calloc(1, sizeof(*f));
        int pair[2];

        assert_non_null(f);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
        assert_true(sd_bus_new(&f->daemon) >= 0);
        assert_true(sd_bus_set_fd(f->daemon, pair[0], pair[0]) >= 0);
        assert_true(sd_bus_set_server(f->daemon, true, id) >= 0);
        assert_true(sd_bus_start(f->daemon) >= 0);
        assert_true(sd_bus_new(&f->caller) >= 0);
        assert_true(sd_bus_set_fd(f->caller, pair[1], pair[1]) >= 0);
        assert_true(sd_bus_start(f->caller) >= 0);
        assert_true(daemon_log_export(f->daemon, "o7s-test") >= 0);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        sd_bus_flush_close_unref(f->caller);
        sd_bus_flush_close_unref(f->daemon);
        free(f);
        return 0;
}

static int answered(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Fixture *f = userdata;
        const char *text = "";

        f->result = sd_bus_message_is_method_error(m, NULL) ? -sd_bus_message_get_errno(m) : 1;
        if (f->result > 0 && streq(sd_bus_message_get_signature(m, true), "v"))
                assert_true(sd_bus_message_read(m, "v", "s", &text) > 0);
        (void) strncpy(f->text, text, sizeof(f->text) - 1);
        return 0;
}

static void converse(Fixture *f) {
        for (unsigned i = 0; i < 1000 && f->result == 0; i++) {
                assert_true(sd_bus_process(f->caller, NULL) >= 0);
                assert_true(sd_bus_process(f->daemon, NULL) >= 0);
        }
        assert_int_not_equal(f->result, 0);
}

static const char *get(Fixture *f, const char *property) {
        f->result = 0;
        assert_true(sd_bus_call_method_async(f->caller, NULL, NULL, "/org/freedesktop/LogControl1",
                                             "org.freedesktop.DBus.Properties", "Get", answered, f, "ss",
                                             "org.freedesktop.LogControl1", property) >= 0);
        converse(f);
        return f->text;
}

static int set(Fixture *f, const char *property, const char *value) {
        f->result = 0;
        assert_true(sd_bus_call_method_async(f->caller, NULL, NULL, "/org/freedesktop/LogControl1",
                                             "org.freedesktop.DBus.Properties", "Set", answered, f, "ssv",
                                             "org.freedesktop.LogControl1", property, "s", value) >= 0);
        converse(f);
        return f->result;
}

static void test_level(void **state) {
        Fixture *f = *state;

        log_set_max_level(LOG_INFO);
        assert_string_equal(get(f, "LogLevel"), "info");
        assert_int_equal(set(f, "LogLevel", "warning"), 1);
        assert_int_equal(log_get_max_level(), LOG_WARNING);
        assert_string_equal(get(f, "LogLevel"), "warning");
        assert_true(set(f, "LogLevel", "loud") < 0);
        assert_int_equal(log_get_max_level(), LOG_WARNING);
}

static void test_target(void **state) {
        Fixture *f = *state;

        assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
        assert_string_equal(get(f, "LogTarget"), "console");
        assert_int_equal(set(f, "LogTarget", "console"), 1);
        assert_int_equal(set(f, "LogTarget", "auto"), 1);
        assert_true(set(f, "LogTarget", "kmsg") < 0);
}

static void test_identifier(void **state) {
        Fixture *f = *state;

        assert_string_equal(get(f, "SyslogIdentifier"), "o7s-test");
        assert_true(set(f, "SyslogIdentifier", "x") < 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_level, setup, teardown),
                cmocka_unit_test_setup_teardown(test_target, setup, teardown),
                cmocka_unit_test_setup_teardown(test_identifier, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
