/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * polkit.c against a bus of our own making: one end of a socket pair is the daemon's connection, the other plays the
 * bus, with polkit on it and a caller whose name it writes into the messages. Both run on one loop.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "services/common/polkit.h"

#define CALLER ":1.7"

typedef struct Fixture {
        sd_event *event;
        sd_bus *daemon, *bus;
        Polkit *polkit;
        /* what polkit says */
        bool absent, silent;
        int authorized, challenge;
        uint32_t caller_uid;
        /* what was seen */
        unsigned n_questions, n_runs, n_done, n_changed;
        uint32_t flags;
        char action[64], key[64], value[64], subject[64];
        sd_bus_message *held;           /* a question that polkit has not answered */
        const char *const *actions;     /* that the method asks for, one after the other */
        /* what the caller got */
        unsigned n_replies;
        char error[128];
        /* what a process's query got */
        int answer;
} Fixture;

static int check_authorization(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Fixture *f = userdata;
        const char *kind, *action, *key = "", *value = "", *name = "";
        uint32_t pid = 0;

        f->n_questions++;
        if (f->absent)
                return sd_bus_error_set(error, SD_BUS_ERROR_SERVICE_UNKNOWN, "nobody there");

        assert_true(sd_bus_message_enter_container(m, 'r', "sa{sv}") > 0);
        assert_true(sd_bus_message_read(m, "s", &kind) > 0);
        if (streq(kind, "system-bus-name")) {
                assert_true(sd_bus_message_read(m, "a{sv}", 1, &key, "s", &name) > 0);
                (void) snprintf(f->subject, sizeof(f->subject), "%s", name);
        } else {
                uint64_t start;
                int32_t uid;
                const char *a, *b, *c;

                assert_true(sd_bus_message_read(m, "a{sv}", 3, &a, "u", &pid, &b, "t", &start, &c, "i", &uid) > 0);
                (void) snprintf(f->subject, sizeof(f->subject), "%s %u %d", kind, pid, uid);
        }
        assert_true(sd_bus_message_exit_container(m) > 0);

        assert_true(sd_bus_message_read(m, "s", &action) > 0);
        (void) snprintf(f->action, sizeof(f->action), "%s", action);
        key = "";
        assert_true(sd_bus_message_enter_container(m, 'a', "{ss}") >= 0);
        while (sd_bus_message_read(m, "{ss}", &key, &value) > 0) {
                (void) snprintf(f->key, sizeof(f->key), "%s", key);
                (void) snprintf(f->value, sizeof(f->value), "%s", value);
        }
        assert_true(sd_bus_message_exit_container(m) >= 0);
        assert_true(sd_bus_message_read(m, "u", &f->flags) > 0);

        if (f->silent) {
                sd_bus_message_unref(f->held);
                f->held = sd_bus_message_ref(m);
                return 1;
        }
        return sd_bus_reply_method_return(m, "(bba{ss})", f->authorized, f->challenge, 0);
}

static int connection_user(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Fixture *f = userdata;
        const char *name;

        assert_true(sd_bus_message_read(m, "s", &name) > 0);
        assert_string_equal(name, CALLER);
        return sd_bus_reply_method_return(m, "u", f->caller_uid);
}

static int changing_method(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        static const char *const details[] = { "name", "alice.web", NULL };
        Fixture *f = userdata;

        f->n_runs++;
        for (size_t i = 0; f->actions[i]; i++) {
                int r;

                r = polkit_authorize(f->polkit, m, f->actions[i], details, error);
                if (r < 0)
                        return r;
                if (r == 0)
                        return 1;
        }

        f->n_done++;
        return sd_bus_reply_method_return(m, NULL);
}

static const sd_bus_vtable polkit_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("CheckAuthorization", "(sa{sv})sa{ss}us", "(bba{ss})", check_authorization,
                      SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
static const sd_bus_vtable driver_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("GetConnectionUnixUser", "s", "u", connection_user, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
static const sd_bus_vtable our_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Change", "", "", changing_method, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static const char *const one_action[] = { "org.o7s.irm1.create-name", NULL };

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));
        sd_id128_t id = SD_ID128_MAKE(01, 02, 03, 04, 05, 06, 07, 08, 09, 0a, 0b, 0c, 0d, 0e, 0f, 10);
        int pair[2];

        assert_non_null(f);
        f->actions = one_action;
        f->caller_uid = 1000;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
        assert_true(sd_event_new(&f->event) >= 0);

        assert_true(sd_bus_new(&f->bus) >= 0);
        assert_true(sd_bus_set_fd(f->bus, pair[0], pair[0]) >= 0);
        assert_true(sd_bus_set_server(f->bus, true, id) >= 0);
        assert_true(sd_bus_set_anonymous(f->bus, true) >= 0);
        assert_true(sd_bus_start(f->bus) >= 0);
        assert_true(sd_bus_attach_event(f->bus, f->event, 0) >= 0);
        assert_true(sd_bus_add_object_vtable(f->bus, NULL, "/org/freedesktop/PolicyKit1/Authority",
                                             "org.freedesktop.PolicyKit1.Authority", polkit_vtable, f) >= 0);
        assert_true(sd_bus_add_object_vtable(f->bus, NULL, "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                             driver_vtable, f) >= 0);

        assert_true(sd_bus_new(&f->daemon) >= 0);
        assert_true(sd_bus_set_fd(f->daemon, pair[1], pair[1]) >= 0);
        assert_true(sd_bus_start(f->daemon) >= 0);
        assert_true(sd_bus_attach_event(f->daemon, f->event, 0) >= 0);
        assert_true(sd_bus_add_object_vtable(f->daemon, NULL, "/test", "org.o7s.Test", our_vtable, f) >= 0);
        assert_int_equal(polkit_new(f->daemon, &f->polkit), 0);

        /* The handshake of the two, each in its turn. */
        for (unsigned i = 0; i < 100 && (sd_bus_is_ready(f->bus) <= 0 || sd_bus_is_ready(f->daemon) <= 0); i++) {
                assert_true(sd_bus_process(f->bus, NULL) >= 0);
                assert_true(sd_bus_process(f->daemon, NULL) >= 0);
        }
        assert_true(sd_bus_is_ready(f->bus) > 0 && sd_bus_is_ready(f->daemon) > 0);

        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        (void) polkit_free(f->polkit);
        sd_bus_message_unref(f->held);
        sd_bus_flush_close_unref(f->daemon);
        sd_bus_flush_close_unref(f->bus);
        sd_event_unref(f->event);
        free(f);
        return 0;
}

static int replied(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Fixture *f = userdata;

        f->n_replies++;
        (void) snprintf(f->error, sizeof(f->error), "%s",
                        sd_bus_message_is_method_error(m, NULL) ? sd_bus_message_get_error(m)->name : "");
        return 0;
}

static void call(Fixture *f, const char *sender, bool interactive) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

        assert_true(sd_bus_message_new_method_call(f->bus, &m, NULL, "/test", "org.o7s.Test", "Change") >= 0);
        assert_true(sd_bus_message_set_sender(m, sender) >= 0);
        assert_true(sd_bus_message_set_allow_interactive_authorization(m, interactive) >= 0);
        assert_true(sd_bus_call_async(f->bus, NULL, m, replied, f, UINT64_MAX) >= 0);
}

/* Until nothing happens any more. An empty pass proves little: sd-bus arms a timer for what it has already read. */
static void settle(Fixture *f) {
        for (unsigned n_idle = 0; n_idle < 3;)
                n_idle = sd_event_run(f->event, 2000) > 0 ? 0 : n_idle + 1;
}

static void test_authorized(void **state) {
        Fixture *f = *state;

        f->authorized = 1;
        call(f, CALLER, false);
        settle(f);

        assert_int_equal(f->n_replies, 1);
        assert_string_equal(f->error, "");
        assert_int_equal(f->n_questions, 1);
        assert_int_equal(f->n_runs, 2);         /* asked, then replayed */
        assert_int_equal(f->n_done, 1);
        assert_string_equal(f->action, "org.o7s.irm1.create-name");
        assert_string_equal(f->key, "name");
        assert_string_equal(f->value, "alice.web");
        assert_string_equal(f->subject, CALLER);
        assert_int_equal(f->flags, 0);

        /* An answer counts once. */
        call(f, CALLER, true);
        settle(f);
        assert_int_equal(f->n_questions, 2);
        assert_int_equal(f->n_done, 2);
        assert_int_equal(f->flags, 1);
}

static void test_refused(void **state) {
        Fixture *f = *state;

        call(f, CALLER, false);
        settle(f);
        assert_string_equal(f->error, SD_BUS_ERROR_ACCESS_DENIED);

        f->challenge = 1;
        call(f, CALLER, false);
        settle(f);
        assert_string_equal(f->error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED);
        assert_int_equal(f->n_done, 0);
        assert_int_equal(f->n_replies, 2);
}

static void test_several_actions(void **state) {
        static const char *const actions[] = { "org.o7s.irm1.create-name", "org.o7s.irm1.bind", "org.o7s.irm1.register",
                                               NULL };
        Fixture *f = *state;

        f->actions = actions;
        f->authorized = 1;
        call(f, CALLER, false);
        settle(f);
        assert_int_equal(f->n_questions, 3);    /* each asked once */
        assert_int_equal(f->n_done, 1);
        assert_int_equal(f->n_replies, 1);
}

static void test_without_polkit(void **state) {
        Fixture *f = *state;

        f->absent = true;
        call(f, CALLER, false);
        settle(f);
        assert_string_equal(f->error, SD_BUS_ERROR_ACCESS_DENIED);
        assert_int_equal(f->n_done, 0);

        f->caller_uid = 0;
        call(f, CALLER, false);
        settle(f);
        assert_string_equal(f->error, "");
        assert_int_equal(f->n_done, 1);
}

static void test_limits(void **state) {
        Fixture *f = *state;

        f->silent = true;
        for (unsigned i = 0; i < POLKIT_PENDING_PER_SENDER_MAX; i++)
                call(f, CALLER, false);
        settle(f);
        assert_int_equal(f->n_replies, 0);
        assert_int_equal(f->n_questions, POLKIT_PENDING_PER_SENDER_MAX);

        call(f, CALLER, false);
        settle(f);
        assert_int_equal(f->n_replies, 1);
        assert_string_equal(f->error, SD_BUS_ERROR_LIMITS_EXCEEDED);

        call(f, ":1.8", false);                 /* others are not concerned */
        settle(f);
        assert_int_equal(f->n_questions, POLKIT_PENDING_PER_SENDER_MAX + 1);
        assert_int_equal(f->n_replies, 1);
}

static void process_answered(PolkitQuery *query, int answer, void *userdata) {
        Fixture *f = userdata;

        f->answer = answer;
        f->n_done++;
}

static void test_processes(void **state) {
        static const struct {
                const char *name;
                bool absent;
                int authorized, challenge;
                uid_t uid;
                int answer;
        } rows[] = {
                { "yes", false, 1, 0, 1000, 1 },
                { "no", false, 0, 0, 1000, -EACCES },
                { "ask a person", false, 0, 1, 1000, -EPERM },
                { "no polkit", true, 0, 0, 1000, -EHOSTDOWN },
                { "no polkit, root", true, 0, 0, 0, 1 },
        };
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                PolkitQuery *query;

                print_message("%s\n", rows[i].name);
                f->absent = rows[i].absent;
                f->authorized = rows[i].authorized;
                f->challenge = rows[i].challenge;
                f->answer = 0;
                assert_int_equal(polkit_check_process(f->polkit, 4711, rows[i].uid, "org.o7s.irm1.open-flow", NULL,
                                                      process_answered, f, &query),
                                 0);
                settle(f);
                assert_int_equal(f->answer, rows[i].answer);
        }
        assert_string_equal(f->subject, "unix-process 4711 1000");
}

static void test_cancel(void **state) {
        Fixture *f = *state;
        PolkitQuery *query = NULL;

        f->silent = true;
        assert_int_equal(polkit_check_process(f->polkit, 4711, 1000, "org.o7s.irm1.open-flow", NULL, process_answered,
                                              f, &query),
                         0);
        settle(f);
        assert_non_null(f->held);

        assert_null(polkit_query_free(query));
        assert_true(sd_bus_reply_method_return(f->held, "(bba{ss})", 1, 0, 0) >= 0);
        settle(f);
        assert_int_equal(f->n_done, 0);
}

static void rules_changed(void *userdata) {
        Fixture *f = userdata;

        f->n_changed++;
}

static void test_changed(void **state) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        Fixture *f = *state;

        polkit_set_changed(f->polkit, rules_changed, f);
        assert_true(sd_bus_message_new_signal(f->bus, &m, "/org/freedesktop/PolicyKit1/Authority",
                                              "org.freedesktop.PolicyKit1.Authority", "Changed") >= 0);
        assert_true(sd_bus_message_set_sender(m, "org.freedesktop.PolicyKit1") >= 0);
        assert_true(sd_bus_send(f->bus, m, NULL) >= 0);
        settle(f);
        assert_int_equal(f->n_changed, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_authorized, setup, teardown),
                cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(test_several_actions, setup, teardown),
                cmocka_unit_test_setup_teardown(test_without_polkit, setup, teardown),
                cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
                cmocka_unit_test_setup_teardown(test_processes, setup, teardown),
                cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
                cmocka_unit_test_setup_teardown(test_changed, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
