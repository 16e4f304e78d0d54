/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A policy that is changed, on the bus, while a request that was checked by it waits to be accepted: whoever it would
 * keep out now is not let in. Users other than root may change nothing: there is no polkit.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>

#include "basic/time.h"
#include "libo7s/bus-names.h"
#include "tests/unit/irm/bus-fixture.h"
#include "tests/unit/irm/serving-host.h"

typedef struct World {
        BusFixture *bus;
        ServingHost host;
} World;

static void write_names(IrmFixture *irm) {
        char text[256];

        (void) snprintf(text, sizeof(text), "[Name]\nLayer=lan\n[Bind]\nUser=%u\n[Server]\nAuthentication=mutual\n",
                        geteuid());
        fixture_write(irm, "names/here.name", text);
        (void) snprintf(text, sizeof(text),
                        "[Name]\nLayer=lan\n[Bind]\nUser=%u\n[Server]\nAuthentication=none\nEncryption=no\n",
                        geteuid());
        fixture_write(irm, "names/plain.name", text);
}

static int set_up(void **state) {
        static World w;
        usec_t deadline = usec_add(time_now(), 60 * USEC_PER_SEC);
        LayerMessage message;

        if (bus_fixture_set_up(state) != 0)
                return -1;

        w = (World) { .bus = *state };
        auth_start(&w.host.auth, &w.bus->irm);
        fixture_kill(&w.bus->irm);
        write_names(&w.bus->irm);
        fixture_run(&w.bus->irm);
        auth_greet(&w.host.auth);
        while (sd_bus_get_name_creds(w.bus->bus, BUS_NAME_IRM, 0, NULL) < 0) {
                assert_true(time_now() < deadline);
                (void) poll(NULL, 0, 1);
        }

        w.host.layer = fixture_connect_layer(&w.bus->irm);
        layer_come_online(w.host.layer, "lan");
        layer_hear(w.host.layer, LAYER_REGISTER, &message, NULL);
        layer_hear(w.host.layer, LAYER_REGISTER, &message, NULL);
        *state = &w;
        return 0;
}

static int tear_down(void **state) {
        World *w = *state;
        void *bus = w->bus;

        (void) close(w->host.layer);
        auth_stop(&w->host.auth);
        return bus_fixture_tear_down(&bus);
}

static void change(World *w, const char *name, const char *key, const char *value) {
        assert_true(sd_bus_call_method(w->bus->bus, BUS_NAME_IRM, BUS_PATH_IRM, BUS_INTERFACE_MANAGER,
                                       "SetNameSecurity", NULL, NULL, "ssa{ss}t", name, "server", 1, key, value,
                                       UINT64_C(0)) >= 0);
}

/* Whether the flow is accepted in the end; the policy is changed once the service has the last question. */
static bool is_let_in(World *w, uint64_t reference, const char *name, const char *key, const char *value) {
        ServingHost *host = &w->host;
        AuthMessage question, answer = { .type = AUTH_RESPONSE_BUILT };
        LayerMessage prepare, outcome;
        struct pollfd p = { .events = POLLIN };
        int fds[LAYER_FDS_MAX];
        IrmMessage offer;

        host->listener = fixture_client_listen("here");
        (void) serving_admit(host, reference, (uint8_t) reference);
        serving_accept(host, &offer);
        layer_hear(host->layer, LAYER_PREPARE, &prepare, NULL);
        serving_say_prepared(host, &prepare);
        auth_hear(&host->auth, AUTH_BUILD_RESPONSE, &question);
        change(w, name, key, value);

        answer.id = question.id;
        answer.peer = (AuthPeer) { .o7s = true, .verified = true, .identity = "o7s:name:alice" };
        answer.oap = auth_make_oap(0x12, &answer.oap_size);
        auth_say(&host->auth, &answer);
        auth_message_done(&answer);
        auth_message_done(&question);
        auth_hear_forget(&host->auth, SERVING_SESSION + reference);

        p.fd = host->layer;
        assert_int_equal(poll(&p, 1, 60000), 1);
        assert_int_equal(layer_message_receive(host->layer, &outcome, fds), 0);
        assert_int_equal(outcome.reference, reference);
        assert_true(outcome.type == LAYER_ACCEPT || outcome.type == LAYER_REFUSE);

        (void) close(host->listener);
        return outcome.type == LAYER_ACCEPT;
}

static void test_changes(void **state) {
        static const struct {
                const char *name;
                const char *whose, *key, *value;
                bool let_in;
        } cases[] = {
                { "another name's",   "plain", "DenyPeer",       "o7s:name:alice", true  },
                { "said again",       "here",  "Authentication", "mutual",         true  },
                { "who is denied",    "here",  "DenyPeer",       "o7s:name:alice", false },
                { "who is allowed",   "here",  "AllowPeer",      "o7s:name:bob",   false },
                { "what is asked",    "here",  "Encryption",     "required",       false },
        };
        if (geteuid() != 0)
                skip();

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                void *world = *state;           /* the program, first */

                print_message("%s\n", cases[i].name);
                assert_int_equal(set_up(&world), 0);
                assert_int_equal(is_let_in(world, 1, cases[i].whose, cases[i].key, cases[i].value), cases[i].let_in);
                assert_int_equal(tear_down(&world), 0);
        }
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_prestate(test_changes, argc > 1 ? argv[1] : NULL),
        };

        return argc > 1 ? cmocka_run_group_tests(tests, NULL, NULL) : EXIT_FAILURE;
}
