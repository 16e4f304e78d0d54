/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A handshake between two authentication services, forged, repeated, one of too many, or overtaken by a change of
 * files. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/auth/service-world.h"

#define SETTINGS(...) ((const char *const[]) { __VA_ARGS__, NULL })

/* -- one handshake, disturbed -- */

static void test_forged_response(void **state) {
        Shake o = {};
        WorldPair p;

        world_pair_init(&p, *state);
        shake_hands(&p.client, &p.server, NULL, NULL, &o);
        assert_int_equal(o.step, STEP_DONE);

        /* The response of one handshake for another, and one that was changed. */
        for (unsigned i = 0; i < 2; i++) {
                Shake second = {};

                assert_int_equal(test_host_build_request(&p.client, WORLD_NAME, NULL, &second.request), 0);
                assert_int_equal(test_host_check_request(&p.server, WORLD_NAME, NULL, second.request.oap,
                                                         second.request.oap_size, &second.checked),
                                 0);
                assert_int_equal(test_host_build_response(&p.server, second.checked.session, &second.response), 0);
                if (i == 1) {
                        second.response.oap[second.response.oap_size - 1] ^= 1;
                        assert_true(test_host_check_response(&p.client, second.request.session, second.response.oap,
                                                             second.response.oap_size, &second.end) < 0);
                        second.response.oap[second.response.oap_size - 1] ^= 1;
                } else
                        assert_true(test_host_check_response(&p.client, second.request.session, o.response.oap,
                                                             o.response.oap_size, &second.end) < 0);
                assert_int_equal(second.end.keys.suite, SEAL_NONE);

                /* That ended it: the true one comes too late. */
                assert_int_equal(test_host_check_response(&p.client, second.request.session, second.response.oap,
                                                          second.response.oap_size, &second.end),
                                 -ESTALE);
                shake_done(&second);
        }

        shake_done(&o);
        world_pair_done(&p);
}

static void test_sessions_are_for_once(void **state) {
        ServicePeer connection;
        Shake o = {};
        WorldPair p;

        world_pair_init(&p, *state);
        shake_hands(&p.client, &p.server, NULL, NULL, &o);
        assert_int_equal(o.step, STEP_DONE);

        /* Numbers of old. */
        assert_int_equal(
                test_host_check_response(&p.client, o.request.session, o.response.oap, o.response.oap_size, &o.end),
                -ESTALE);
        assert_int_equal(test_host_build_response(&p.server, o.checked.session, &o.response), -ESTALE);

        /* A number of the other side, and one of another connection. */
        assert_int_equal(test_host_build_request(&p.client, WORLD_NAME, NULL, &o.request), 0);
        assert_int_equal(test_host_build_response(&p.client, o.request.session, &o.response), -ESTALE);
        {
                AuthMessage question = { .type = AUTH_CHECK_RESPONSE, .session = o.request.session };
                _cleanup_(auth_message_done) AuthMessage answer = {};

                service_peer_init(&connection);
                connection.greeted = true;
                assert_int_equal(service_handle(p.client.service, &connection, &question, -1, p.client.now, &answer),
                                 1);
                assert_int_equal(answer.result, -ESTALE);
                service_peer_done(p.client.service, &connection);
        }
        assert_int_equal(session_table_count(&p.client.service->sessions), 1);

        /* Forgotten, and too old. */
        {
                AuthMessage forget = { .type = AUTH_FORGET, .session = o.request.session }, none = {};

                assert_int_equal(test_host_ask(&p.client, &forget, &none), 0);
        }
        assert_int_equal(session_table_count(&p.client.service->sessions), 0);
        assert_int_equal(test_host_build_request(&p.client, WORLD_NAME, NULL, &o.request), 0);
        assert_true(service_next(p.client.service) == p.client.now.monotonic + SESSION_LIFE_USEC);
        p.client.now.monotonic += SESSION_LIFE_USEC;
        assert_int_equal(
                test_host_check_response(&p.client, o.request.session, o.request.oap, o.request.oap_size, &o.end),
                -ESTALE);
        assert_int_equal(session_table_count(&p.client.service->sessions), 0);

        /* The end of a connection is that of its sessions. */
        assert_int_equal(test_host_build_request(&p.client, WORLD_NAME, NULL, &o.request), 0);
        service_peer_done(p.client.service, &p.client.peer);
        assert_int_equal(session_table_count(&p.client.service->sessions), 0);

        shake_done(&o);
        world_pair_done(&p);
}

static void test_full_table(void **state) {
        Shake o = {};
        WorldPair p;
        int r = 0;
        unsigned n;

        world_pair_init(&p, *state);
        assert_int_equal(test_host_build_request(&p.client, WORLD_NAME, NULL, &o.request), 0);

        for (n = 0; n < SESSIONS_MAX; n++) {
                if (n % SERVICE_NAME_RATE == 0)
                        p.server.now.monotonic += USEC_PER_SEC;
                r = test_host_check_request(&p.server, WORLD_NAME, NULL, o.request.oap, o.request.oap_size, &o.checked);
                if (r < 0)
                        break;
        }
        assert_int_equal(r, -EBUSY);
        assert_int_equal(n, SESSIONS_ASKED_MAX);

        /* What we ask ourselves has room left. */
        assert_int_equal(test_host_build_request(&p.server, "else.example", SETTINGS("Authentication=none"), &o.end),
                         0);

        /* A minute later there is room for all. */
        p.server.now.monotonic += SESSION_LIFE_USEC;
        assert_int_equal(
                test_host_check_request(&p.server, WORLD_NAME, NULL, o.request.oap, o.request.oap_size, &o.checked),
                0);
        assert_int_equal(session_table_count(&p.server.service->sessions), 1);

        shake_done(&o);
        world_pair_done(&p);
}

/* One peer fills neither the table nor the time for all. */
static void test_source(void **state) {
        Shake o = {};
        unsigned n = 0;
        WorldPair p;

        world_pair_init(&p, *state);
        assert_int_equal(test_host_build_request(&p.client, WORLD_NAME, NULL, &o.request), 0);
        p.server.source = "lan: 02:00:00:00:00:66";
        while (test_host_check_request(&p.server, WORLD_NAME, NULL, o.request.oap, o.request.oap_size, &o.checked) == 0)
                n++;
        assert_int_equal(n, SESSIONS_SOURCE_MAX);
        assert_non_null(strstr(o.checked.text, "of this peer"));

        p.server.now.monotonic += USEC_PER_SEC;
        p.server.source = "lan: 02:00:00:00:00:01";
        assert_int_equal(
                test_host_check_request(&p.server, WORLD_NAME, NULL, o.request.oap, o.request.oap_size, &o.checked),
                0);
        shake_done(&o);
        world_pair_done(&p);
}

static void test_source_rate(void **state) {
        static const uint8_t garbage[64] = { 1 };
        _cleanup_(auth_message_done) AuthMessage answer = {};
        char name[32];
        unsigned n = 0;
        WorldPair p;

        /* Garbage for ever other names. */
        world_pair_init(&p, *state);
        p.server.source = "lan: 02:00:00:00:00:66";
        do
                (void) snprintf(name, sizeof(name), "%u.example", n++);
        while (test_host_check_request(&p.server, name, NULL, garbage, sizeof(garbage), &answer) != -EBUSY);
        assert_int_equal(n - 1, SERVICE_SOURCE_BURST);

        p.server.source = "lan: 02:00:00:00:00:01";
        assert_int_equal(test_host_check_request(&p.server, WORLD_NAME, NULL, garbage, sizeof(garbage), &answer),
                         -EBADMSG);
        world_pair_done(&p);
}

/* Garbage costs its sender his share, and no name gets all. */
static void test_budget(void **state) {
        static const uint8_t garbage[64] = { 1 };
        _cleanup_(auth_message_done) AuthMessage answer = {};
        unsigned n = 0, n_other = 0;
        WorldPair p;

        world_pair_init(&p, *state);
        while (test_host_check_request(&p.server, WORLD_NAME, NULL, garbage, sizeof(garbage), &answer) != -EBUSY)
                n++;
        while (test_host_check_request(&p.server, "else.example", NULL, garbage, sizeof(garbage), &answer) != -EBUSY)
                n_other++;
        assert_int_equal(n, SERVICE_NAME_BURST);
        assert_int_equal(n + n_other, SERVICE_ASKED_BURST);

        p.server.now.monotonic += USEC_PER_SEC;
        for (n = 0; test_host_check_request(&p.server, WORLD_NAME, NULL, garbage, sizeof(garbage), &answer) != -EBUSY;
             n++)
                ;
        assert_int_equal(n, SERVICE_NAME_RATE);
        assert_int_equal(session_table_count(&p.server.service->sessions), 0);

        world_pair_done(&p);
}

/* -- what changes while a handshake is under way -- */

typedef enum Change {
        NOTHING_BUT_TIME,
        RELOAD,                 /* everything is read again, and is as it was */
        OTHER_NAME,             /* something is new, of another name */
        ANCHOR_ADDED,
        ANCHOR_GONE,
        REVOCATIONS_BAD,
        CONFIGURATION,          /* enc.conf of the name: encryption is wanted now */
        _CHANGE_MAX,
} Change;

static void change(TestHost *host, Change what, const TestIdentity *authority) {
        AuthMessage reload = { .type = AUTH_RELOAD };
        _cleanup_(auth_message_done) AuthMessage answer = {};
        char path[128];

        (void) snprintf(path, sizeof(path), "%s" WORLD_DIRECTORY "cacert/authority.pem", host->root);
        switch (what) {
        case RELOAD:
                assert_int_equal(test_host_ask(host, &reload, &answer), 1);
                break;
        case OTHER_NAME:
                assert_int_equal(test_host_write_authority(host, "server/else.example/crt.pem", authority), 0);
                break;
        case ANCHOR_ADDED:
                assert_int_equal(test_host_write_authority(host, "cacert/another.pem", authority), 0);
                break;
        case ANCHOR_GONE:
                assert_int_equal(unlink(path), 0);
                break;
        case REVOCATIONS_BAD:
                assert_int_equal(test_host_write(host, WORLD_DIRECTORY "crl/bad.pem", "not PEM", 7), 0);
                break;
        case CONFIGURATION:
                assert_int_equal(
                        test_host_write(host, WORLD_DIRECTORY "server/" WORLD_NAME "/enc.conf", "kex=X25519\n", 11),
                        0);
                assert_int_equal(
                        test_host_write(host, WORLD_DIRECTORY "client/" WORLD_NAME "/enc.conf", "kex=X25519\n", 11),
                        0);
                break;
        case NOTHING_BUT_TIME:
        case _CHANGE_MAX:
                break;
        }

        host->now.monotonic += USEC_PER_SEC;            /* files are looked at once a second */
}

/* Nobody is let in by what held before. */
static void test_changes(void **state) {
        static const struct {
                const char *name;
                Change change;
                int result;
        } cases[] = {
                { "nothing but time",        NOTHING_BUT_TIME, 0       },
                { "read again, and equal",   RELOAD,           0       },
                { "another name's",          OTHER_NAME,       0       },
                { "an anchor more",          ANCHOR_ADDED,     -ESTALE },
                { "no anchor any more",      ANCHOR_GONE,      -ENOKEY },
                { "bad revocation list",     REVOCATIONS_BAD,  -ENOKEY },
                { "the name's configuration", CONFIGURATION,   -ESTALE },
        };
        static const char *const mutual[] = { "Authentication=mutual", NULL };
        World *w = *state;

        for (size_t i = 0; i < 2 * ELEMENTSOF(cases); i++) {
                bool at_server = i % 2;
                int wanted = cases[i / 2].result;
                Shake o = {};
                TestHost client, server;

                print_message("%s, %s\n", cases[i / 2].name, at_server ? "server" : "client");
                assert_int_equal(test_host_init(&client, WORLD_NAME, &w->authority, NULL, &w->client), 0);
                assert_int_equal(test_host_init(&server, WORLD_NAME, &w->authority, &w->server, NULL), 0);
                assert_int_equal(test_host_build_request(&client, WORLD_NAME, mutual, &o.request), 0);
                assert_int_equal(test_host_check_request(&server, WORLD_NAME, mutual, o.request.oap, o.request.oap_size,
                                                         &o.checked), 0);

                if (at_server)
                        change(&server, cases[i / 2].change, &w->stranger);
                assert_int_equal(test_host_build_response(&server, o.checked.session, &o.response),
                                 at_server ? wanted : 0);
                if (!at_server) {
                        change(&client, cases[i / 2].change, &w->stranger);
                        assert_int_equal(test_host_check_response(&client, o.request.session, o.response.oap,
                                                                  o.response.oap_size, &o.end), wanted);
                }
                if (wanted < 0) {
                        const AuthMessage *last = at_server ? &o.response : &o.end;

                        assert_int_equal(last->keys.suite, SEAL_NONE);
                        assert_true(!isempty(last->text));
                        if (wanted == -ESTALE)
                                assert_non_null(strstr(last->text, "try again"));
                }

                assert_int_equal(session_table_count(&server.service->sessions), 0);
                shake_done(&o);
                test_host_done(&client);
                test_host_done(&server);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_forged_response),
                cmocka_unit_test(test_sessions_are_for_once),
                cmocka_unit_test(test_full_table),
                cmocka_unit_test(test_source),
                cmocka_unit_test(test_source_rate),
                cmocka_unit_test(test_budget),
                cmocka_unit_test(test_changes),
        };

        return cmocka_run_group_tests(tests, world_set_up, world_tear_down);
}
