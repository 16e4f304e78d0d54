/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * o7s-irm on a private bus, where this test plays the layer and a child of it plays systemd: what Resolve, NeedReload
 * and operations say. There is no polkit, so root alone may change something; others run the first half.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>

#include "basic/time.h"
#include "libo7s/bus-names.h"
#include "tests/unit/irm/irm-fixture.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define TEXT_MAX 4096U

typedef struct BusFixture {
        IrmFixture irm;
        char address[128];
        pid_t daemon;
        pid_t systemd;
        sd_bus *bus;
} BusFixture;

static const char *arg_program;

/* -- systemd -- */

static int take_call(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return sd_bus_reply_method_return(m, NULL);
}

static int take_job(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *unit, *mode;
        int r;

        r = sd_bus_message_read(m, "ss", &unit, &mode);
        if (r >= 0)
                r = sd_bus_reply_method_return(m, "o", SYSTEMD_PATH "/job/7");
        if (r >= 0)
                r = sd_bus_emit_signal(sd_bus_message_get_bus(m), SYSTEMD_PATH, SYSTEMD ".Manager", "JobRemoved", "uoss", 7U,
                                       SYSTEMD_PATH "/job/7", unit, strstr(unit, "broken") ? "failed" : "done");
        return r;
}

static int refuse_unit(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return sd_bus_reply_method_errorf(m, SYSTEMD ".NoUnitForPID", "There is none");
}

static const sd_bus_vtable systemd_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Subscribe", NULL, NULL, take_call, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Reload", NULL, NULL, take_call, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("StartUnit", "ss", "o", take_job, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("StopUnit", "ss", "o", take_job, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetUnitByPID", "u", "o", refuse_unit, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static _Noreturn void play_systemd(int ready_fd) {
        sd_bus *bus = NULL;
        int r;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, SYSTEMD_PATH, SYSTEMD ".Manager", systemd_vtable, NULL);
        if (r >= 0)
                r = sd_bus_request_name(bus, SYSTEMD, 0);
        if (r >= 0 && write(ready_fd, "y", 1) != 1)
                r = -errno;
        while (r >= 0) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
        }

        _exit(1);
}

/* -- the bus -- */

static void wait_ready(int fds[2]) {
        char byte;

        (void) close(fds[1]);
        assert_true(read(fds[0], &byte, 1) == 1);
        (void) close(fds[0]);
}

static void start_bus(BusFixture *f) {
        char config[128];
        int ready[2];
        FILE *file;

        (void) snprintf(f->address, sizeof(f->address), "unix:path=%s/bus", f->irm.directory);
        (void) snprintf(config, sizeof(config), "%s/bus.conf", f->irm.directory);
        file = fopen(config, "we");
        assert_non_null(file);
        (void) fprintf(file, "<busconfig><listen>%s</listen><auth>EXTERNAL</auth><policy context=\"default\">"
                             "<allow send_destination=\"*\"/><allow receive_sender=\"*\"/><allow own=\"*\"/>"
                             "</policy></busconfig>", f->address);
        assert_int_equal(fclose(file), 0);

        assert_int_equal(pipe(ready), 0);
        f->daemon = fork();
        if (f->daemon == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) dup2(ready[1], STDOUT_FILENO);
                (void) execlp("dbus-daemon", "dbus-daemon", "--nofork", "--nopidfile", "--nosyslog", "--config-file", config,
                              "--print-address=1", (char *) NULL);
                _exit(127);
        }
        wait_ready(ready);

        assert_int_equal(setenv("DBUS_SYSTEM_BUS_ADDRESS", f->address, 1), 0);
        assert_int_equal(pipe(ready), 0);
        f->systemd = fork();
        if (f->systemd == 0)
                play_systemd(ready[1]);
        wait_ready(ready);
        f->irm.bus = f->address;
}

/* It is ready before the bus has given it its name. */
static void wait_for_name(BusFixture *f) {
        usec_t deadline = usec_add(time_now(), 5 * USEC_PER_SEC);

        while (sd_bus_get_name_creds(f->bus, BUS_NAME_IRM, 0, NULL) < 0) {
                assert_true(time_now() < deadline);
                (void) poll(NULL, 0, 1);
        }
}

static int set_up(void **state) {
        static BusFixture f;            /* cmocka hands on a pointer */

        f = (BusFixture) {};
        fixture_start(&f.irm, arg_program);
        fixture_write(&f.irm, "names/here.name", "[Name]\n");
        fixture_write(&f.irm, "names/elsewhere.name", "[Name]\nLocal=no\n");
        fixture_write(&f.irm, "layers/lan.layer", "[Layer]\nType=eth\n[Ethernet]\nInterface=eth0\n");
        start_bus(&f);
        fixture_run(&f.irm);
        assert_true(sd_bus_open_system(&f.bus) >= 0);
        wait_for_name(&f);
        *state = &f;
        return 0;
}

static int tear_down(void **state) {
        BusFixture *f = *state;

        sd_bus_flush_close_unref(f->bus);
        fixture_stop(&f->irm);
        (void) kill(f->systemd, SIGKILL);
        (void) kill(f->daemon, SIGKILL);
        (void) waitpid(f->systemd, NULL, 0);
        (void) waitpid(f->daemon, NULL, 0);
        return 0;
}

/* -- asking -- */

static int keep_reply(sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        sd_bus_message **ret = userdata;

        *ret = sd_bus_message_ref(reply);
        return 0;
}

static void ask(BusFixture *f, const char *name, sd_bus_message **ret) {
        *ret = NULL;
        assert_true(sd_bus_call_method_async(f->bus, NULL, BUS_NAME_IRM, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "Resolve",
                                             keep_reply, ret, "sa{sv}", name, 0) >= 0);
        assert_true(sd_bus_flush(f->bus) >= 0);
}

static void wait_for(BusFixture *f, sd_bus_message **reply) {
        usec_t deadline = usec_add(time_now(), 5 * USEC_PER_SEC);

        while (!*reply) {
                assert_true(time_now() < deadline);
                if (sd_bus_process(f->bus, NULL) == 0)
                        (void) sd_bus_wait(f->bus, 50 * USEC_PER_MSEC);
        }
}

/* "local not-found; lan found; ". A layer that answered has a time. */
static const char *rows(BusFixture *f, sd_bus_message **reply, char text[TEXT_MAX]) {
        const char *layer, *state;
        size_t n = 0;
        int64_t rtt;

        wait_for(f, reply);
        text[0] = '\0';
        assert_false(sd_bus_message_is_method_error(*reply, NULL));
        assert_true(sd_bus_message_enter_container(*reply, 'a', "(ssxa{sv})") > 0);
        while (sd_bus_message_enter_container(*reply, 'r', "ssxa{sv}") > 0) {
                assert_true(sd_bus_message_read(*reply, "ssx", &layer, &state, &rtt) > 0);
                assert_true(sd_bus_message_skip(*reply, "a{sv}") > 0);
                assert_true(sd_bus_message_exit_container(*reply) > 0);
                if (streq(state, "found"))
                        assert_true(rtt >= 0);
                if (streq(state, "skipped") || streq(state, "no-answer"))
                        assert_true(rtt < 0);
                n += (size_t) snprintf(text + n, TEXT_MAX - n, "%s %s; ", layer, state);
        }

        *reply = sd_bus_message_unref(*reply);
        return text;
}

static void answer(int layer, int result) {
        LayerMessage query, done = { .type = LAYER_QUERY_DONE, .result = result };

        layer_hear(layer, LAYER_QUERY, &query, NULL);
        done.query_id = query.query_id;
        layer_say(layer, &done, NULL, 0);
}

/* The bus and the layer are two connections: what is said on one may be heard after what is said later on the other. */
static int online_layer(BusFixture *f) {
        usec_t deadline = usec_add(time_now(), 5 * USEC_PER_SEC);
        int layer = fixture_connect_layer(&f->irm);
        bool online = false;

        layer_come_online(layer, "lan");
        while (!online) {
                char *state = NULL;

                assert_true(time_now() < deadline);
                assert_true(sd_bus_get_property_string(f->bus, BUS_NAME_IRM, BUS_PATH_LAYER "/lan", BUS_INTERFACE_LAYER, "State",
                                                       NULL, &state) >= 0);
                online = streq(state, "online");
                free(state);
        }

        return layer;
}

static void test_resolve(void **state) {
        BusFixture *f = *state;
        sd_bus_message *reply = NULL;
        char text[TEXT_MAX];
        usec_t before;
        int layer;

        ask(f, "far.example", &reply);                  /* nobody to ask: at once */
        assert_string_equal(rows(f, &reply, text), "local not-found; lan skipped; ");

        layer = online_layer(f);
        ask(f, "far.example", &reply);
        answer(layer, 0);
        assert_string_equal(rows(f, &reply, text), "local not-found; lan found; ");

        ask(f, "here", &reply);
        answer(layer, -ENOENT);
        assert_string_equal(rows(f, &reply, text), "local waiting; lan not-found; ");

        ask(f, "elsewhere", &reply);
        answer(layer, -ENOENT);
        assert_string_equal(rows(f, &reply, text), "local skipped; lan not-found; ");

        before = time_now();
        ask(f, "far.example", &reply);                  /* silence */
        assert_string_equal(rows(f, &reply, text), "local not-found; lan no-answer; ");
        assert_true(time_now() - before >= 800 * USEC_PER_MSEC);
        assert_true(time_now() - before < 3 * USEC_PER_SEC);
        (void) close(layer);
}

/* A layer that goes away while it is asked holds nobody up. */
static void test_layer_goes(void **state) {
        BusFixture *f = *state;
        sd_bus_message *reply = NULL;
        char text[TEXT_MAX];
        LayerMessage query;
        int layer = online_layer(f);
        usec_t before;

        ask(f, "far.example", &reply);
        layer_hear(layer, LAYER_QUERY, &query, NULL);
        before = time_now();
        (void) close(layer);
        assert_string_equal(rows(f, &reply, text), "local not-found; lan skipped; ");
        assert_true(time_now() - before < 800 * USEC_PER_MSEC);
}

static void test_resolve_refusals(void **state) {
        sd_bus_message *replies[9] = {};
        BusFixture *f = *state;
        int layer = online_layer(f);

        for (size_t i = 0; i < ELEMENTSOF(replies); i++)
                ask(f, "far.example", &replies[i]);
        wait_for(f, &replies[8]);                       /* one too many, refused while the others wait */
        assert_true(sd_bus_message_is_method_error(replies[8], BUS_ERROR_PREFIX "QuotaExceeded"));
        assert_null(replies[0]);
        for (size_t i = 0; i < ELEMENTSOF(replies); i++) {
                wait_for(f, &replies[i]);
                sd_bus_message_unref(replies[i]);
        }

        ask(f, "a/b", &replies[0]);
        wait_for(f, &replies[0]);
        assert_true(sd_bus_message_is_method_error(replies[0], BUS_ERROR_PREFIX "InvalidArgument"));
        sd_bus_message_unref(replies[0]);
        (void) close(layer);
}

/* -- what only root may here -- */

static bool need_reload(BusFixture *f, const char *path, const char *interface) {
        int value = -1;

        assert_true(sd_bus_get_property_trivial(f->bus, BUS_NAME_IRM, path, interface, "NeedReload", NULL, 'b', &value) >= 0);
        return value > 0;
}

static void test_need_reload(void **state) {
        static const char drop_in[] = "layers/lan.layer.d/more.conf";
        BusFixture *f = *state;

        if (geteuid() != 0)
                skip();

        assert_false(need_reload(f, BUS_PATH_LAYER "/lan", BUS_INTERFACE_LAYER));
        fixture_write(&f->irm, drop_in, "[Layer]\nDescription=More\n");
        assert_true(need_reload(f, BUS_PATH_LAYER "/lan", BUS_INTERFACE_LAYER));
        assert_true(need_reload(f, BUS_PATH_IRM, BUS_INTERFACE_MANAGER));

        assert_true(sd_bus_call_method(f->bus, BUS_NAME_IRM, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "Reload", NULL, NULL, NULL) >= 0);
        assert_false(need_reload(f, BUS_PATH_LAYER "/lan", BUS_INTERFACE_LAYER));
        assert_false(need_reload(f, BUS_PATH_IRM, BUS_INTERFACE_MANAGER));
}

/* "reload-systemd done; ...", and the progress. */
static double look(BusFixture *f, const char *operation, char text[TEXT_MAX]) {
        const char *step, *state;
        sd_bus_message *reply;
        double progress;
        size_t n = 0;

        assert_true(sd_bus_get_property(f->bus, BUS_NAME_IRM, operation, BUS_INTERFACE_OPERATION, "Steps", NULL, &reply,
                                        "a(sssx)") >= 0);
        assert_true(sd_bus_message_enter_container(reply, 'a', "(sssx)") > 0);
        text[0] = '\0';
        while (sd_bus_message_enter_container(reply, 'r', "sssx") > 0) {
                assert_true(sd_bus_message_read(reply, "ss", &step, &state) > 0);
                assert_true(sd_bus_message_skip(reply, "sx") > 0);
                assert_true(sd_bus_message_exit_container(reply) > 0);
                n += (size_t) snprintf(text + n, TEXT_MAX - n, "%s %s; ", step, state);
        }
        sd_bus_message_unref(reply);
        assert_true(sd_bus_get_property_trivial(f->bus, BUS_NAME_IRM, operation, BUS_INTERFACE_OPERATION, "Progress", NULL, 'd',
                                                &progress) >= 0);
        return progress;
}

static void look_until(BusFixture *f, const char *operation, const char *expected, double progress) {
        usec_t deadline = usec_add(time_now(), 5 * USEC_PER_SEC);
        char text[TEXT_MAX] = "";
        double seen = 0;

        while (!streq(text, expected) && time_now() < deadline)
                seen = look(f, operation, text);
        assert_string_equal(text, expected);
        assert_true(seen > progress - 0.01 && seen < progress + 0.01);
}

static char *begin(BusFixture *f, const char *member, const char *layer) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply;
        const char *path;
        char *copy;

        if (sd_bus_call_method(f->bus, BUS_NAME_IRM, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, member, &error, &reply, "st", layer,
                               UINT64_C(0)) < 0)
                fail_msg("%s %s: %s: %s", member, layer, error.name, error.message);
        assert_true(sd_bus_message_read(reply, "o", &path) > 0);
        copy = strdup(path);
        sd_bus_message_unref(reply);
        return copy;
}

static void test_operation(void **state) {
        _cleanup_free_ char *start = NULL, *stop = NULL, *broken = NULL;
        BusFixture *f = *state;
        int layer;

        if (geteuid() != 0)
                skip();

        start = begin(f, "StartLayer", "lan");
        look_until(f, start, "reload-systemd done; queue-job done; unit done; layer-online running; ", 0.75);
        layer = fixture_connect_layer(&f->irm);
        layer_come_online(layer, "lan");
        look_until(f, start, "reload-systemd done; queue-job done; unit done; layer-online done; ", 1.0);

        stop = begin(f, "StopLayer", "lan");
        look_until(f, stop, "queue-job done; unit done; ", 1.0);

        fixture_write(&f->irm, "layers/broken.layer", "[Layer]\nType=eth\n[Ethernet]\nInterface=eth1\n");
        broken = begin(f, "StartLayer", "broken");
        look_until(f, broken, "reload-systemd done; queue-job done; unit failed; layer-online pending; ", 0.5);
        (void) close(layer);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_resolve, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_layer_goes, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_resolve_refusals, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_need_reload, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_operation, set_up, tear_down),
        };

        if (argc < 2)
                return 2;

        arg_program = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
