/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A bus, somebody who plays systemd on it, and o7s-irm, see bus-fixture.h. */

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

#include "basic/time.h"
#include "libo7s/bus-names.h"
#include "tests/unit/irm/bus-fixture.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"

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
                r = sd_bus_emit_signal(sd_bus_message_get_bus(m), SYSTEMD_PATH, SYSTEMD ".Manager", "JobRemoved",
                                       "uoss", 7U, SYSTEMD_PATH "/job/7", unit,
                                       strstr(unit, "broken") ? "failed" : "done");
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
                             "<allow send_destination=\"*\"/><allow receive_sender=\"*\"/><allow "
                             "own=\"*\"/><allow user=\"*\"/>"
                             "</policy></busconfig>", f->address);
        assert_int_equal(fclose(file), 0);

        assert_int_equal(pipe(ready), 0);
        f->daemon = fork();
        if (f->daemon == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) dup2(ready[1], STDOUT_FILENO);
                (void) execlp("dbus-daemon", "dbus-daemon", "--nofork", "--nopidfile", "--nosyslog", "--config-file",
                              config, "--print-address=1", (char *) NULL);
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
        usec_t deadline = usec_add(time_now(), 60 * USEC_PER_SEC);

        while (sd_bus_get_name_creds(f->bus, BUS_NAME_IRM, 0, NULL) < 0) {
                assert_true(time_now() < deadline);
                (void) poll(NULL, 0, 1);
        }
}

int bus_fixture_set_up(void **state) {
        static BusFixture f;            /* cmocka hands on a pointer */

        f = (BusFixture) {};
        fixture_start(&f.irm, *state);
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

int bus_fixture_tear_down(void **state) {
        BusFixture *f = *state;

        sd_bus_flush_close_unref(f->bus);
        fixture_stop(&f->irm);
        (void) kill(f->systemd, SIGKILL);
        (void) kill(f->daemon, SIGKILL);
        (void) waitpid(f->systemd, NULL, 0);
        (void) waitpid(f->daemon, NULL, 0);
        return 0;
}

/* The bus and the layer are two connections: what is said on one may be heard after what is said later on the other. */
int bus_fixture_online_layer(BusFixture *f) {
        usec_t deadline = usec_add(time_now(), 60 * USEC_PER_SEC);
        int layer = fixture_connect_layer(&f->irm);
        bool online = false;

        layer_come_online(layer, "lan");
        while (!online) {
                char *state = NULL;

                assert_true(time_now() < deadline);
                assert_true(sd_bus_get_property_string(f->bus, BUS_NAME_IRM, BUS_PATH_LAYER "/lan",
                                                       BUS_INTERFACE_LAYER, "State", NULL, &state) >= 0);
                online = streq(state, "online");
                free(state);
        }

        return layer;
}
