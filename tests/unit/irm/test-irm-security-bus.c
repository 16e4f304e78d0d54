/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The security of names on the bus: what is set at run time, what survives, and what the authentication service (a
 * double) is asked. Users other than root may change nothing: there is no polkit. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>

#include "basic/time.h"
#include "libo7s/bus-names.h"
#include "tests/unit/irm/auth-fixture.h"
#include "tests/unit/irm/bus-fixture.h"

#define HERE BUS_PATH_NAME "/here"

static AuthFixture *service(void) {
        static AuthFixture fixture;     /* cmocka's state is the bus's */

        return &fixture;
}

/* It is ready before the bus has given it its name. */
static void start(BusFixture *f) {
        usec_t deadline = usec_add(time_now(), 60 * USEC_PER_SEC);

        fixture_run(&f->irm);
        auth_greet(service());
        while (sd_bus_get_name_creds(f->bus, BUS_NAME_IRM, 0, NULL) < 0) {
                assert_true(time_now() < deadline);
                (void) poll(NULL, 0, 1);
        }
}

static void restart(BusFixture *f) {
        fixture_kill(&f->irm);
        start(f);
}

static int set_up(void **state) {
        BusFixture *f;

        if (bus_fixture_set_up(state) != 0)
                return -1;

        f = *state;
        auth_start(service(), &f->irm);
        fixture_kill(&f->irm);
        fixture_write(&f->irm, "names/here.name", "[Name]\n[Server]\nEncryption=required\nAllowPeer=o7s:name:alice\n");
        fixture_write(&f->irm, "layers/lan.layer",
                      "[Layer]\nType=eth\n[Ethernet]\nInterface=eth0\n[Security]\nPeer=o7s\n");
        start(f);
        return 0;
}

static int tear_down(void **state) {
        auth_stop(service());
        return bus_fixture_tear_down(state);
}

static bool is_root(void) {
        return geteuid() == 0;
}

/* -- steps -- */

/* "Encryption=required AllowPeer=o7s:name:alice ". */
static const char *shown(BusFixture *f, const char *path, const char *interface, const char *property,
                         char text[1024]) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *key, *value;
        size_t n = 0;

        text[0] = '\0';
        assert_true(sd_bus_get_property(f->bus, BUS_NAME_IRM, path, interface, property, NULL, &reply, "a{ss}") >= 0);
        assert_true(sd_bus_message_enter_container(reply, 'a', "{ss}") > 0);
        while (sd_bus_message_read(reply, "{ss}", &key, &value) > 0)
                n += (size_t) snprintf(text + n, 1024 - n, "%s=%s ", key, value);

        return text;
}

/* Returns: 0, or the error's errno. */
static int set(BusFixture *f, const char *name, const char *side, const char *key, const char *value) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = sd_bus_call_method(f->bus, BUS_NAME_IRM, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "SetNameSecurity", &error,
                               NULL, "ssa{ss}t", name, side, 1, key, value, UINT64_C(0));
        return MIN(r, 0);
}

/* -- what is set -- */

static void test_files(void **state) {
        BusFixture *f = *state;
        char text[1024];

        assert_string_equal(shown(f, HERE, BUS_INTERFACE_NAME, "ServerSecurity", text),
                            "Encryption=required AllowPeer=o7s:name:alice ");
        assert_string_equal(shown(f, HERE, BUS_INTERFACE_NAME, "ClientSecurity", text), "");
        assert_string_equal(shown(f, BUS_PATH_LAYER "/lan", BUS_INTERFACE_LAYER, "LayerSecurity", text), "Peer=o7s ");
}

static void test_set(void **state) {
        static const struct {
                const char *name;
                const char *side;
                const char *key;
                const char *value;
                bool taken;
        } cases[] = {
                { "one more key",         "server", "Authentication", "mutual",         true  },
                { "another value",        "server", "AllowPeer",      "o7s:name:bob",   true  },
                { "the default",          "server", "Encryption",     "",               true  },
                { "the other side",       "client", "Pin",
                  "sha256:0000000000000000000000000000000000000000000000000000000000000000", true },
                { "no such side",         "both",   "Peer",           "o7s",            false },
                { "no such key",          "server", "Secrecy",        "yes",            false },
                { "no such value",        "server", "Peer",           "friends",        false },
                { "a file that is none",  "client", "TrustAnchor",    "ca.pem",         false },
        };
        BusFixture *f = *state;
        char text[1024];

        if (!is_root()) {
                assert_true(set(f, "here", "server", "Authentication", "none") < 0);
                assert_string_equal(shown(f, HERE, BUS_INTERFACE_NAME, "ServerSecurity", text),
                                    "Encryption=required AllowPeer=o7s:name:alice ");
                return;
        }

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                print_message("%s\n", cases[i].name);
                assert_int_equal(set(f, "here", cases[i].side, cases[i].key, cases[i].value) == 0, cases[i].taken);
        }
        assert_true(set(f, "nosuch", "server", "Peer", "o7s") < 0);

        for (unsigned i = 0; i < 3; i++) {
                assert_string_equal(shown(f, HERE, BUS_INTERFACE_NAME, "ServerSecurity", text),
                                    "Authentication=mutual AllowPeer=o7s:name:bob ");
                assert_string_equal(shown(f, HERE, BUS_INTERFACE_NAME, "ClientSecurity", text),
                                    "Pin=sha256:0000000000000000000000000000000000000000000000000000000000000000 ");
                if (i == 0)
                        assert_true(sd_bus_call_method(f->bus, BUS_NAME_IRM, BUS_PATH_IRM, BUS_INTERFACE_MANAGER,
                                                       "Reload", NULL, NULL, NULL) >= 0);
                else
                        restart(f);
        }
}

/* -- what the service is asked -- */

static int keep_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        sd_bus_message **ret = userdata;

        *ret = sd_bus_message_ref(reply);
        return 0;
}

static void wait_for(BusFixture *f, sd_bus_message **reply) {
        usec_t deadline = usec_add(time_now(), 60 * USEC_PER_SEC);

        while (!*reply) {
                assert_true(time_now() < deadline);
                if (sd_bus_process(f->bus, NULL) == 0)
                        (void) sd_bus_wait(f->bus, 50 * USEC_PER_MSEC);
        }
}

static void ask(BusFixture *f, const char *name, const char *side, sd_bus_message **ret) {
        *ret = NULL;
        assert_true(sd_bus_call_method_async(f->bus, NULL, BUS_NAME_IRM, BUS_PATH_IRM, BUS_INTERFACE_MANAGER,
                                             "TestSecurity", keep_reply, ret, "ss", name, side) >= 0);
        assert_true(sd_bus_flush(f->bus) >= 0);
}

/* What the policy that the service is asked about says of it. */
static int authentication_asked(BusFixture *f, const char *name, const char *side) {
        sd_bus_message *reply;
        AuthMessage question;
        int authentication;

        ask(f, name, side, &reply);
        auth_hear(service(), AUTH_INSPECT, &question);
        authentication = question.policy.authentication;

        auth_say(service(), &(AuthMessage) { .type = AUTH_INSPECTED, .id = question.id });
        auth_message_done(&question);
        wait_for(f, &reply);
        sd_bus_message_unref(reply);
        return authentication;
}

static void test_inspect(void **state) {
        AuthMessage question, answer = { .type = AUTH_INSPECTED, .n_findings = 2 };
        const char *subject, *text;
        sd_bus_message *reply;
        BusFixture *f = *state;
        uint64_t expiry;
        int32_t result;

        ask(f, "here", "server", &reply);
        auth_hear(service(), AUTH_INSPECT, &question);
        assert_string_equal(question.name, "here");
        assert_true(question.server);
        assert_int_equal(question.policy.encryption, ENCRYPTION_REQUIRED);

        answer.id = question.id;
        answer.findings = calloc(2, sizeof(*answer.findings));
        assert_non_null(answer.findings);
        answer.findings[0] = (AuthFinding) { .subject = "/etc/o7s/security/server/here/crt.pem", .text = "Good",
                                             .expiry_usec = 5 };
        answer.findings[1] = (AuthFinding) { .result = -ENOKEY, .subject = "key.pem", .text = "Mode 0644 is too wide" };
        auth_say(service(), &answer);
        auth_message_done(&answer);
        auth_message_done(&question);

        wait_for(f, &reply);
        assert_false(sd_bus_message_is_method_error(reply, NULL));
        assert_true(sd_bus_message_enter_container(reply, 'a', "(isst)") > 0);
        assert_true(sd_bus_message_read(reply, "(isst)", &result, &subject, &text, &expiry) > 0);
        assert_int_equal(result, 0);
        assert_string_equal(subject, "/etc/o7s/security/server/here/crt.pem");
        assert_int_equal(expiry, 5);
        assert_true(sd_bus_message_read(reply, "(isst)", &result, &subject, &text, &expiry) > 0);
        assert_int_equal(result, -ENOKEY);
        assert_string_equal(text, "Mode 0644 is too wide");
        sd_bus_message_unref(reply);
}

/* Members of a layer: what its file leaves open is not what the host's trust anchors make of it. */
static void test_members(void **state) {
        static const struct {
                const char *layer;
                const char *security;
                Authentication server, client;
        } cases[] = {
                { "silent",  "",                                                AUTHENTICATION_DEFAULT,
                  AUTHENTICATION_NONE },
                { "secret",  "Encryption=required\nPeer=o7s\n",                 AUTHENTICATION_DEFAULT,
                  AUTHENTICATION_NONE },
                { "anchor",  "TrustAnchor=/etc/o7s/home.pem\n",                 AUTHENTICATION_MUTUAL,
                  AUTHENTICATION_MUTUAL },
                { "pin",     "Pin=sha256:00000000000000000000000000000000"
                             "00000000000000000000000000000000\n",              AUTHENTICATION_MUTUAL,
                             AUTHENTICATION_MUTUAL },
                { "allow",   "AllowPeer=o7s:name:home.*\n",                     AUTHENTICATION_DEFAULT,
                  AUTHENTICATION_DEFAULT },
                { "deny",    "DenyPeer=o7s:name:home.*\n",                      AUTHENTICATION_DEFAULT,
                  AUTHENTICATION_DEFAULT },
                { "said",    "Authentication=server\n",                         AUTHENTICATION_SERVER,
                  AUTHENTICATION_SERVER },
                { "weaker",  "TrustAnchor=/home.pem\nAuthentication=server\n",  AUTHENTICATION_SERVER,
                  AUTHENTICATION_SERVER },
                { "stricter", "Authentication=mutual\n",                        AUTHENTICATION_MUTUAL,
                  AUTHENTICATION_MUTUAL },
                { "none",    "Authentication=none\n",                           AUTHENTICATION_NONE,
                  AUTHENTICATION_NONE },
        };
        char file[64], text[256];
        BusFixture *f = *state;

        fixture_kill(&f->irm);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                (void) snprintf(file, sizeof(file), "layers/%s.layer", cases[i].layer);
                (void) snprintf(text, sizeof(text), "[Layer]\nType=unicast\nOver=lan\n[Security]\n%s",
                                cases[i].security);
                fixture_write(&f->irm, file, text);
        }
        start(f);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                print_message("%s\n", cases[i].layer);
                assert_int_equal(authentication_asked(f, cases[i].layer, "server"), cases[i].server);
                assert_int_equal(authentication_asked(f, cases[i].layer, "client"), cases[i].client);
        }
        assert_int_equal(authentication_asked(f, "here", "client"), AUTHENTICATION_DEFAULT);
}

static void reload(BusFixture *f) {
        assert_true(sd_bus_call_method(f->bus, BUS_NAME_IRM, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "Reload", NULL, NULL,
                                       NULL) >= 0);
}

/* A file that was good, has a mistake and is good again: in between nobody knows what it asks for, also not that it
 * is what it asked for before. The name itself stays. */
static void test_broken_file(void **state) {
        sd_bus_message *reply;
        BusFixture *f = *state;
        char text[1024];

        if (!is_root())
                skip();

        fixture_write(&f->irm, "names/here.name", "[Name]\n[Server]\nAuthentication=mutaul\n");
        reload(f);
        for (unsigned i = 0; i < 2; i++) {
                ask(f, "here", i == 0 ? "server" : "client", &reply);
                wait_for(f, &reply);
                assert_true(sd_bus_message_is_method_error(reply, NULL));
                assert_non_null(strstr(sd_bus_message_get_error(reply)->message, "o7sctl verify here.name"));
                sd_bus_message_unref(reply);
        }
        assert_string_equal(shown(f, HERE, BUS_INTERFACE_NAME, "ServerSecurity", text),
                            "Encryption=required AllowPeer=o7s:name:alice ");

        fixture_write(&f->irm, "names/here.name", "[Name]\n[Server]\nAuthentication=mutual\n");
        reload(f);
        assert_int_equal(authentication_asked(f, "here", "server"), AUTHENTICATION_MUTUAL);
}

/* No more than four of one user at a time; the service's end answers the others, too. */
static void test_inspect_limits(void **state) {
        sd_bus_message *replies[5];
        AuthMessage question;
        BusFixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(replies); i++)
                ask(f, "far.example", "client", &replies[i]);
        wait_for(f, &replies[4]);
        assert_true(sd_bus_message_is_method_error(replies[4], BUS_ERROR_PREFIX "QuotaExceeded"));
        sd_bus_message_unref(replies[4]);

        for (unsigned round = 0; round < 2; round++) {
                for (size_t i = 0; i < 4; i++) {
                        auth_hear(service(), AUTH_INSPECT, &question);
                        assert_string_equal(question.name, "far.example");
                        assert_false(question.server);
                        auth_message_done(&question);
                }
                auth_greet(service());
        }
        for (size_t i = 0; i < 4; i++) {
                wait_for(f, &replies[i]);
                assert_true(sd_bus_message_is_method_error(replies[i], NULL));
                sd_bus_message_unref(replies[i]);
        }
}

static void test_reload(void **state) {
        sd_bus_message *reply = NULL;
        AuthMessage question;
        BusFixture *f = *state;

        assert_true(sd_bus_call_method_async(f->bus, NULL, BUS_NAME_IRM, BUS_PATH_IRM, BUS_INTERFACE_MANAGER,
                                             "ReloadSecurity", keep_reply, &reply, NULL) >= 0);
        assert_true(sd_bus_flush(f->bus) >= 0);
        if (is_root()) {
                auth_hear(service(), AUTH_RELOAD, &question);
                auth_say(service(), &(AuthMessage) { .type = AUTH_RELOADED, .id = question.id });
                auth_message_done(&question);
        }
        wait_for(f, &reply);
        assert_int_equal(sd_bus_message_is_method_error(reply, NULL) > 0, !is_root());
        sd_bus_message_unref(reply);
}

static int take_warning(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        sd_bus_message **ret = userdata;

        *ret = sd_bus_message_ref(message);
        return 0;
}

static void test_expiring(void **state) {
        AuthMessage warning = { .type = AUTH_EXPIRING, .name = "here", .text = "In 13 days", .expiry_usec = 77 };
        sd_bus_message *signal = NULL;
        const char *name, *text;
        BusFixture *f = *state;
        uint64_t expiry;

        assert_true(sd_bus_match_signal(f->bus, NULL, BUS_NAME_IRM, BUS_PATH_IRM, BUS_INTERFACE_MANAGER,
                                        "CertificateExpiring", take_warning, &signal) >= 0);
        auth_say(service(), &warning);
        wait_for(f, &signal);
        assert_true(sd_bus_message_read(signal, "sst", &name, &text, &expiry) > 0);
        assert_string_equal(name, "here");
        assert_string_equal(text, "In 13 days");
        assert_int_equal(expiry, 77);
        sd_bus_message_unref(signal);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_prestate_setup_teardown(test_files, set_up, tear_down, argv[1]),
                cmocka_unit_test_prestate_setup_teardown(test_set, set_up, tear_down, argv[1]),
                cmocka_unit_test_prestate_setup_teardown(test_inspect, set_up, tear_down, argv[1]),
                cmocka_unit_test_prestate_setup_teardown(test_members, set_up, tear_down, argv[1]),
                cmocka_unit_test_prestate_setup_teardown(test_broken_file, set_up, tear_down, argv[1]),
                cmocka_unit_test_prestate_setup_teardown(test_inspect_limits, set_up, tear_down, argv[1]),
                cmocka_unit_test_prestate_setup_teardown(test_reload, set_up, tear_down, argv[1]),
                cmocka_unit_test_prestate_setup_teardown(test_expiring, set_up, tear_down, argv[1]),
        };

        if (argc < 2)
                return 2;
        if (argc > 2)
                cmocka_set_test_filter(argv[2]);

        return cmocka_run_group_tests(tests, NULL, NULL);
}
