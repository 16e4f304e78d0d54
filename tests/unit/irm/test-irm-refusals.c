/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the bus says of flows that were refused: how many to everybody, whose they were to root alone. Only root can be
 * somebody else as well.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "libo7s/bus-names.h"
#include "tests/unit/irm/bus-fixture.h"
#include "tests/unit/irm/serving-host.h"

#define NOBODY 65534
#define TEXT_MAX 1024U

/* Of all kinds. Returns: 0; -errno of the bus. */
static int read_refusals(sd_bus *bus, uint64_t *ret_n, char text[TEXT_MAX]) {
        sd_bus_message *reply = NULL;
        const char *kind, *last;
        uint64_t n, usec;
        int r;

        *ret_n = 0;
        text[0] = '\0';
        r = sd_bus_get_property(bus, BUS_NAME_IRM, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "Refusals", NULL, &reply,
                                "a(stts)");
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(stts)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(stts)", &kind, &n, &usec, &last)) > 0) {
                *ret_n += n;
                (void) strncat(text, last, TEXT_MAX - strlen(text) - 1);
        }

        sd_bus_message_unref(reply);
        return r;
}

/* Returns: 0; what went wrong. */
static int read_as_nobody(void) {
        char text[TEXT_MAX];
        sd_bus *bus = NULL;
        uint64_t n;

        if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
                return 1;
        if (sd_bus_open_system(&bus) < 0)
                return 2;
        if (read_refusals(bus, &n, text) < 0)
                return 3;

        return n != 1 ? 4 : text[0] != '\0' ? 5 : 0;
}

static void test_whose(void **state) {
        BusFixture *f = *state;
        ServingHost host = {};
        LayerMessage message;
        char text[TEXT_MAX];
        uint64_t n;
        pid_t child;
        int status;

        if (geteuid() != 0)
                skip();

        fixture_write(&f->irm, "names/plain.name",
                      "[Name]\nLayer=lan\n[Server]\nAuthentication=none\nEncryption=no\n");
        assert_true(sd_bus_call_method(f->bus, BUS_NAME_IRM, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "Reload", NULL, NULL,
                                       NULL) >= 0);
        host.layer = bus_fixture_online_layer(f);
        layer_hear(host.layer, LAYER_REGISTER, &message, NULL);
        serving_say_incoming(&host, "plain", 1, (const uint8_t *) "no request", 10);
        serving_hear_refusal(&host, 1, 0);

        assert_int_equal(read_refusals(f->bus, &n, text), 0);
        assert_int_equal(n, 1);
        assert_non_null(strstr(text, "'plain' from 02:00:00:00:00:07"));

        assert_int_equal(chmod(f->irm.directory, 0711), 0);
        assert_int_equal(chmod(f->address + strlen("unix:path="), 0777), 0);
        child = fork();
        if (child == 0)
                _exit(read_as_nobody());
        assert_true(waitpid(child, &status, 0) == child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        (void) close(host.layer);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_prestate_setup_teardown(test_whose, bus_fixture_set_up, bus_fixture_tear_down,
                                                         argc > 1 ? argv[1] : NULL),
        };

        return argc > 1 ? cmocka_run_group_tests(tests, NULL, NULL) : EXIT_FAILURE;
}
