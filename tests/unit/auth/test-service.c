/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The authentication services of two hosts shake hands through their messages alone, as their resource managers would
 * make them; o7s-keyd is a stand-in that can die, refuse and lie.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/support/auth-host.h"

#define NAME "web.example"
#define DIRECTORY "/etc/o7s/security/"
#define SETTINGS(...) ((const char *const[]) { __VA_ARGS__, NULL })

typedef struct World {
        TestIdentity authority, server, client, stranger, other;
} World;

static int world_setup(void **state) {
        static World w;

        if (test_identity_init(&w.authority, TEST_KEY_P256, "test authority", NULL, false) < 0 ||
            test_identity_init(&w.server, TEST_KEY_P256, "o7s:name:" NAME, &w.authority, false) < 0 ||
            test_identity_init(&w.client, TEST_KEY_ED25519, "o7s:name:client.example", &w.authority, false) < 0 ||
            test_identity_init(&w.other, TEST_KEY_ED25519, "o7s:name:other.example", &w.authority, false) < 0 ||
            test_identity_init(&w.stranger, TEST_KEY_P256, "o7s:name:" NAME, NULL, false) < 0)
                return -1;

        *state = &w;
        return 0;
}

static int world_teardown(void **state) {
        World *w = *state;

        test_identity_done(&w->stranger);
        test_identity_done(&w->other);
        test_identity_done(&w->client);
        test_identity_done(&w->server);
        test_identity_done(&w->authority);
        return 0;
}

/* -- whole handshakes -- */

typedef enum Identity {
        NOBODY,
        ITSELF,         /* who it should be */
        OTHER,          /* certified for another name */
        STRANGER,       /* certified by nobody */
} Identity;

typedef enum Step {
        STEP_DONE,
        STEP_BUILD_REQUEST,
        STEP_CHECK_REQUEST,
        STEP_BUILD_RESPONSE,
        STEP_CHECK_RESPONSE,
} Step;

static const struct {
        const char *name;
        bool anchors;                   /* both hosts have the authority's certificate */
        Identity server, client;        /* what they show */
        const char *const *server_settings, *const *client_settings;
        Step refused_at;
        int result;
        bool server_verified, client_verified;
        const char *protection;
        const char *key_exchange;
} handshakes[] = {
        { "encrypted, nobody proven", false, NOBODY, NOBODY, NULL, NULL, STEP_DONE, 0, false, false, "aes-128-gcm",
          "X25519" },
        { "server authenticated by default", true, ITSELF, NOBODY, NULL, NULL, STEP_DONE, 0, true, false, "aes-128-gcm",
          "X25519" },
        { "mutual", true, ITSELF, ITSELF, SETTINGS("Authentication=mutual"), NULL, STEP_DONE, 0, true, true,
          "aes-128-gcm", "X25519" },
        { "authenticated, not encrypted", true, ITSELF, ITSELF, SETTINGS("Authentication=mutual", "Encryption=no"),
          SETTINGS("Authentication=mutual", "Encryption=no"), STEP_DONE, 0, true, true, "mac", "X25519" },
        { "the cipher that both take", false, NOBODY, NOBODY, SETTINGS("Cipher=aes-256-gcm"), NULL, STEP_DONE, 0, false,
          false,
          "aes-256-gcm", "X25519" },
        { "another group", false, NOBODY, NOBODY, NULL, SETTINGS("KeyExchange=secp384r1", "KeyDerivation=sha384"),
          STEP_DONE, 0, false, false,
          "aes-128-gcm", "secp384r1" },
        { "only o7s, both are", true, ITSELF, NOBODY, SETTINGS("Peer=o7s"), SETTINGS("Peer=o7s", "Encryption=required"),
          STEP_DONE, 0, true,
          false, "aes-128-gcm", "X25519" },
        { "allowed client", true, ITSELF, ITSELF, SETTINGS("Authentication=mutual", "AllowPeer=o7s:name:client.*"),
          NULL, STEP_DONE, 0, true, true,
          "aes-128-gcm", "X25519" },
        { "client that is not allowed", true, ITSELF, ITSELF,
          SETTINGS("Authentication=mutual", "AllowPeer=o7s:name:someone"), NULL,
          STEP_CHECK_REQUEST, -EKEYREJECTED, false, false, NULL, NULL },
        { "client that is denied", true, ITSELF, ITSELF, SETTINGS("Authentication=mutual",
                                                                  "DenyPeer=o7s:name:client.example"), NULL,
          STEP_CHECK_REQUEST, -EKEYREJECTED, false, false, NULL, NULL },
        { "client without a certificate", true, ITSELF, NOBODY, SETTINGS("Authentication=mutual"), NULL,
          STEP_CHECK_REQUEST, -EKEYREJECTED, false,
          false, NULL, NULL },
        { "client of nobody's authority", true, ITSELF, STRANGER, SETTINGS("Authentication=mutual"), NULL,
          STEP_CHECK_REQUEST, -EKEYREJECTED,
          false, false, NULL, NULL },
        { "server without a certificate", true, NOBODY, NOBODY, SETTINGS("Authentication=none"), NULL,
          STEP_CHECK_RESPONSE, -EKEYREJECTED, false,
          false, NULL, NULL },
        { "server certified for another name", true, OTHER, NOBODY, NULL, NULL, STEP_CHECK_RESPONSE, -EKEYREJECTED,
          false, false, NULL, NULL },
        { "server of nobody's authority", true, STRANGER, NOBODY, NULL, NULL, STEP_CHECK_RESPONSE, -EKEYREJECTED, false,
          false, NULL, NULL },
        { "no common cipher that is strong enough", false, NOBODY, NOBODY, SETTINGS("Cipher=aes-128-gcm"),
          SETTINGS("Cipher=aes-256-gcm"),
          STEP_CHECK_REQUEST, -EOPNOTSUPP, false, false, NULL, NULL },
};

static const TestIdentity *identity_of(World *w, Identity identity, bool server) {
        switch (identity) {
        case NOBODY:
                return NULL;
        case ITSELF:
                return server ? &w->server : &w->client;
        case OTHER:
                return &w->other;
        case STRANGER:
                return &w->stranger;
        }

        return NULL;
}

typedef struct Outcome {
        Step step;                      /* where it was refused */
        int result;
        AuthMessage request, checked, response, end;
} Outcome;

static void outcome_done(Outcome *o) {
        auth_message_done(&o->request);
        auth_message_done(&o->checked);
        auth_message_done(&o->response);
        auth_message_done(&o->end);
}

static void shake_hands(TestHost *client, TestHost *server, const char *const *client_settings,
                        const char *const *server_settings, Outcome *o) {
        o->step = STEP_BUILD_REQUEST;
        o->result = test_host_build_request(client, NAME, client_settings, &o->request);
        if (o->result < 0)
                return;

        o->step = STEP_CHECK_REQUEST;
        o->result = test_host_check_request(server, NAME, server_settings, o->request.oap, o->request.oap_size,
                                            &o->checked);
        if (o->result < 0)
                return;

        o->step = STEP_BUILD_RESPONSE;
        o->result = test_host_build_response(server, o->checked.session, &o->response);
        if (o->result < 0)
                return;

        o->step = STEP_CHECK_RESPONSE;
        o->result = test_host_check_response(client, o->request.session, o->response.oap, o->response.oap_size,
                                             &o->end);
        if (o->result >= 0)
                o->step = STEP_DONE;
}

/* What one end sends with, the other receives with. */
static void assert_keys_fit(const AuthMessage *client, const AuthMessage *server) {
        static const uint8_t nothing[SEAL_SECRET_BYTES];

        assert_int_equal(client->keys.suite, SEAL_O7S);
        assert_int_equal(server->keys.suite, SEAL_O7S);
        assert_int_equal(client->keys.cipher, server->keys.cipher);
        assert_int_equal(client->keys.mac_only, server->keys.mac_only);
        assert_true(client->keys.client);
        assert_false(server->keys.client);
        assert_memory_equal(client->keys.label, server->keys.label, SEAL_LABEL_BYTES);
        assert_memory_equal(client->keys.send, server->keys.receive, SEAL_SECRET_BYTES);
        assert_memory_equal(client->keys.receive, server->keys.send, SEAL_SECRET_BYTES);
        assert_memory_equal(client->keys.agreement, server->keys.agreement, SEAL_SECRET_BYTES);
        assert_true(client->control.present && server->control.present);
        assert_memory_equal(client->control.send, server->control.receive, SEAL_SECRET_BYTES);
        assert_memory_equal(client->control.receive, server->control.send, SEAL_SECRET_BYTES);
        assert_memory_not_equal(client->keys.send, client->keys.receive, SEAL_SECRET_BYTES);
        assert_memory_not_equal(client->keys.send, client->control.send, SEAL_SECRET_BYTES);
        assert_memory_not_equal(client->keys.send, nothing, SEAL_SECRET_BYTES);
}

static void test_handshakes(void **state) {
        World *w = *state;

        for (size_t i = 0; i < ELEMENTSOF(handshakes); i++) {
                const TestIdentity *authority = handshakes[i].anchors ? &w->authority : NULL;
                Outcome o = {};
                TestHost client, server;

                print_message("%s\n", handshakes[i].name);
                assert_int_equal(
                        test_host_init(&client, NAME, authority, NULL, identity_of(w, handshakes[i].client, false)),
                        0);
                assert_int_equal(
                        test_host_init(&server, NAME, authority, identity_of(w, handshakes[i].server, true), NULL), 0);
                shake_hands(&client, &server, handshakes[i].client_settings, handshakes[i].server_settings, &o);

                if (o.result != handshakes[i].result)
                        print_message("  %d %d: %s|%s|%s|%s\n", o.step, o.result, o.request.text, o.checked.text,
                                      o.response.text, o.end.text);
                assert_int_equal(o.result, handshakes[i].result);
                assert_int_equal(o.step, handshakes[i].refused_at);
                if (o.step == STEP_DONE) {
                        assert_keys_fit(&o.end, &o.response);
                        assert_int_equal(o.end.peer.verified, handshakes[i].server_verified);
                        assert_int_equal(o.checked.peer.verified, handshakes[i].client_verified);
                        assert_string_equal(o.end.peer.identity, handshakes[i].server_verified ? "o7s:name:" NAME : "");
                        assert_string_equal(o.checked.peer.identity,
                                            handshakes[i].client_verified ? "o7s:name:client.example" : "");
                        assert_string_equal(o.end.peer.protection, handshakes[i].protection);
                        assert_string_equal(o.response.peer.protection, handshakes[i].protection);
                        assert_string_equal(o.end.peer.key_exchange, handshakes[i].key_exchange);
                        assert_memory_equal(o.end.token, "server", 6);
                        assert_memory_equal(o.checked.token, "client", 6);
                        assert_memory_equal(o.end.reset, "reset", 5);
                        assert_memory_equal(o.end.epoch, server.service->epoch, AUTH_EPOCH_BYTES);
                } else {
                        const AuthMessage *last = o.step == STEP_CHECK_REQUEST ? &o.checked : &o.end;

                        assert_true(!isempty(last->text));
                        assert_int_equal(last->keys.suite, SEAL_NONE);
                        assert_int_equal(last->session, 0);
                }

                /* Whatever happened, the side that is done has forgotten it. */
                if (o.step != STEP_CHECK_REQUEST)
                        assert_int_equal(session_table_count(&client.service->sessions), 0);
                assert_int_equal(session_table_count(&server.service->sessions), 0);

                outcome_done(&o);
                test_host_done(&client);
                test_host_done(&server);
        }
}

/* -- one handshake, disturbed -- */

typedef struct Pair {
        TestHost client, server;
} Pair;

static void pair_init(Pair *p, World *w) {
        assert_int_equal(test_host_init(&p->client, NAME, &w->authority, NULL, NULL), 0);
        assert_int_equal(test_host_init(&p->server, NAME, &w->authority, &w->server, NULL), 0);
}

static void pair_done(Pair *p) {
        test_host_done(&p->client);
        test_host_done(&p->server);
}

static void test_forged_response(void **state) {
        Outcome o = {};
        Pair p;

        pair_init(&p, *state);
        shake_hands(&p.client, &p.server, NULL, NULL, &o);
        assert_int_equal(o.step, STEP_DONE);

        /* The response of one handshake for another, and one that was changed. */
        for (unsigned i = 0; i < 2; i++) {
                Outcome second = {};

                assert_int_equal(test_host_build_request(&p.client, NAME, NULL, &second.request), 0);
                assert_int_equal(test_host_check_request(&p.server, NAME, NULL, second.request.oap,
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
                outcome_done(&second);
        }

        outcome_done(&o);
        pair_done(&p);
}

static void test_sessions_are_for_once(void **state) {
        ServicePeer connection;
        Outcome o = {};
        Pair p;

        pair_init(&p, *state);
        shake_hands(&p.client, &p.server, NULL, NULL, &o);
        assert_int_equal(o.step, STEP_DONE);

        /* Numbers of old. */
        assert_int_equal(
                test_host_check_response(&p.client, o.request.session, o.response.oap, o.response.oap_size, &o.end),
                -ESTALE);
        assert_int_equal(test_host_build_response(&p.server, o.checked.session, &o.response), -ESTALE);

        /* A number of the other side, and one of another connection. */
        assert_int_equal(test_host_build_request(&p.client, NAME, NULL, &o.request), 0);
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
        assert_int_equal(test_host_build_request(&p.client, NAME, NULL, &o.request), 0);
        assert_true(service_next(p.client.service) == p.client.now.monotonic + SESSION_LIFE_USEC);
        p.client.now.monotonic += SESSION_LIFE_USEC;
        assert_int_equal(
                test_host_check_response(&p.client, o.request.session, o.request.oap, o.request.oap_size, &o.end),
                -ESTALE);
        assert_int_equal(session_table_count(&p.client.service->sessions), 0);

        /* The end of a connection is that of its sessions. */
        assert_int_equal(test_host_build_request(&p.client, NAME, NULL, &o.request), 0);
        service_peer_done(p.client.service, &p.client.peer);
        assert_int_equal(session_table_count(&p.client.service->sessions), 0);

        outcome_done(&o);
        pair_done(&p);
}

static void test_full_table(void **state) {
        Outcome o = {};
        Pair p;
        int r = 0;
        unsigned n;

        pair_init(&p, *state);
        assert_int_equal(test_host_build_request(&p.client, NAME, NULL, &o.request), 0);

        for (n = 0; n < SESSIONS_MAX; n++) {
                if (n % SERVICE_NAME_RATE == 0)
                        p.server.now.monotonic += USEC_PER_SEC;
                r = test_host_check_request(&p.server, NAME, NULL, o.request.oap, o.request.oap_size, &o.checked);
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
        assert_int_equal(test_host_check_request(&p.server, NAME, NULL, o.request.oap, o.request.oap_size, &o.checked),
                         0);
        assert_int_equal(session_table_count(&p.server.service->sessions), 1);

        outcome_done(&o);
        pair_done(&p);
}

/* One peer fills neither the table nor the time for all. */
static void test_source(void **state) {
        Outcome o = {};
        unsigned n = 0;
        Pair p;

        pair_init(&p, *state);
        assert_int_equal(test_host_build_request(&p.client, NAME, NULL, &o.request), 0);
        p.server.source = "lan: 02:00:00:00:00:66";
        while (test_host_check_request(&p.server, NAME, NULL, o.request.oap, o.request.oap_size, &o.checked) == 0)
                n++;
        assert_int_equal(n, SESSIONS_SOURCE_MAX);
        assert_non_null(strstr(o.checked.text, "of this peer"));

        p.server.now.monotonic += USEC_PER_SEC;
        p.server.source = "lan: 02:00:00:00:00:01";
        assert_int_equal(test_host_check_request(&p.server, NAME, NULL, o.request.oap, o.request.oap_size, &o.checked),
                         0);
        outcome_done(&o);
        pair_done(&p);
}

static void test_source_rate(void **state) {
        static const uint8_t garbage[64] = { 1 };
        _cleanup_(auth_message_done) AuthMessage answer = {};
        char name[32];
        unsigned n = 0;
        Pair p;

        /* Garbage for ever other names. */
        pair_init(&p, *state);
        p.server.source = "lan: 02:00:00:00:00:66";
        do
                (void) snprintf(name, sizeof(name), "%u.example", n++);
        while (test_host_check_request(&p.server, name, NULL, garbage, sizeof(garbage), &answer) != -EBUSY);
        assert_int_equal(n - 1, SERVICE_SOURCE_BURST);

        p.server.source = "lan: 02:00:00:00:00:01";
        assert_int_equal(test_host_check_request(&p.server, NAME, NULL, garbage, sizeof(garbage), &answer), -EBADMSG);
        pair_done(&p);
}

/* Garbage costs its sender his share, and no name gets all. */
static void test_budget(void **state) {
        static const uint8_t garbage[64] = { 1 };
        _cleanup_(auth_message_done) AuthMessage answer = {};
        unsigned n = 0, n_other = 0;
        Pair p;

        pair_init(&p, *state);
        while (test_host_check_request(&p.server, NAME, NULL, garbage, sizeof(garbage), &answer) != -EBUSY)
                n++;
        while (test_host_check_request(&p.server, "else.example", NULL, garbage, sizeof(garbage), &answer) != -EBUSY)
                n_other++;
        assert_int_equal(n, SERVICE_NAME_BURST);
        assert_int_equal(n + n_other, SERVICE_ASKED_BURST);

        p.server.now.monotonic += USEC_PER_SEC;
        for (n = 0; test_host_check_request(&p.server, NAME, NULL, garbage, sizeof(garbage), &answer) != -EBUSY; n++)
                ;
        assert_int_equal(n, SERVICE_NAME_RATE);
        assert_int_equal(session_table_count(&p.server.service->sessions), 0);

        pair_done(&p);
}

/* -- o7s-keyd -- */

static const struct {
        const char *name;
        TestKeydMood mood;
        int result;
        bool connected;                 /* afterwards */
} moods[] = {
        { "signs", TEST_KEYD_SIGNS, 0, true },
        { "dies with the question", TEST_KEYD_DIES, -ENOTCONN, false },
        { "refuses", TEST_KEYD_REFUSES, -ENOKEY, true },
        { "says nothing for two seconds", TEST_KEYD_SILENT, -ENOKEY, true },
};

static void test_keyd(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(moods); i++) {
                Outcome o = {};
                Pair p;

                print_message("%s\n", moods[i].name);
                pair_init(&p, *state);
                assert_int_equal(test_host_connect_keyd(&p.server, moods[i].mood), 0);
                shake_hands(&p.client, &p.server, NULL, NULL, &o);
                assert_int_equal(o.result, moods[i].result);
                assert_int_equal(o.step, moods[i].result < 0 ? STEP_BUILD_RESPONSE : STEP_DONE);
                assert_int_equal(p.server.peer.signer.fd >= 0, moods[i].connected);
                assert_int_equal(session_table_count(&p.server.service->sessions), 0);
                outcome_done(&o);

                /* With a good one all is well again, once the key is asked for again. */
                p.server.now.monotonic += SIGNER_TIMEOUT_USEC + SIGNER_HOLD_USEC;
                assert_int_equal(test_host_connect_keyd(&p.server, TEST_KEYD_SIGNS), 0);
                o = (Outcome) {};
                shake_hands(&p.client, &p.server, NULL, NULL, &o);
                assert_int_equal(o.step, STEP_DONE);
                outcome_done(&o);
                pair_done(&p);
        }
}

/* A key that does not belong to the certificate is found by the other side, whatever o7s-keyd thought. */
static void test_wrong_key(void **state) {
        Outcome o = {};
        Pair p;

        pair_init(&p, *state);
        assert_int_equal(test_host_connect_keyd(&p.server, TEST_KEYD_LIES), 0);
        shake_hands(&p.client, &p.server, NULL, NULL, &o);
        assert_int_equal(o.step, STEP_CHECK_RESPONSE);
        assert_int_equal(o.result, -EBADE);
        outcome_done(&o);
        pair_done(&p);
}

/* -- files -- */

static void test_bad_files(void **state) {
        static const struct {
                const char *name;
                const char *path;
                bool server;            /* whose file */
                Step step;
        } cases[] = {
                { "anchor", "/etc/o7s/security/cacert/bad.pem", false, STEP_BUILD_REQUEST },
                { "revocation list", "/etc/o7s/security/crl/bad.pem", false, STEP_BUILD_REQUEST },
                { "certificate", "/etc/o7s/security/server/" NAME "/crt.pem", true, STEP_CHECK_REQUEST },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                AuthMessage reload = { .type = AUTH_RELOAD };
                _cleanup_(auth_message_done) AuthMessage answer = {};
                TestHost *host;
                Outcome o = {};
                Pair p;

                print_message("%s\n", cases[i].name);
                pair_init(&p, *state);
                host = cases[i].server ? &p.server : &p.client;
                assert_int_equal(test_host_write(host, cases[i].path, "not PEM", 7), 0);
                assert_int_equal(test_host_ask(host, &reload, &answer), 1);
                assert_int_equal(answer.type, AUTH_RELOADED);

                shake_hands(&p.client, &p.server, NULL, NULL, &o);
                assert_int_equal(o.step, cases[i].step);
                assert_int_equal(o.result, -ENOKEY);
                assert_non_null(strstr(cases[i].server ? o.checked.text : o.request.text, "pem"));
                outcome_done(&o);
                pair_done(&p);
        }
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

        (void) snprintf(path, sizeof(path), "%s" DIRECTORY "cacert/authority.pem", host->root);
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
                assert_int_equal(test_host_write(host, DIRECTORY "crl/bad.pem", "not PEM", 7), 0);
                break;
        case CONFIGURATION:
                assert_int_equal(test_host_write(host, DIRECTORY "server/" NAME "/enc.conf", "kex=X25519\n", 11), 0);
                assert_int_equal(test_host_write(host, DIRECTORY "client/" NAME "/enc.conf", "kex=X25519\n", 11), 0);
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
                Outcome o = {};
                TestHost client, server;

                print_message("%s, %s\n", cases[i / 2].name, at_server ? "server" : "client");
                assert_int_equal(test_host_init(&client, NAME, &w->authority, NULL, &w->client), 0);
                assert_int_equal(test_host_init(&server, NAME, &w->authority, &w->server, NULL), 0);
                assert_int_equal(test_host_build_request(&client, NAME, mutual, &o.request), 0);
                assert_int_equal(test_host_check_request(&server, NAME, mutual, o.request.oap, o.request.oap_size,
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
                outcome_done(&o);
                test_host_done(&client);
                test_host_done(&server);
        }
}

static void test_inspect(void **state) {
        AuthMessage question = { .type = AUTH_INSPECT, .id = 77, .name = NAME, .server = true };
        _cleanup_(auth_message_done) AuthMessage answer = {};
        bool key_found = false;
        Pair p;

        pair_init(&p, *state);
        assert_int_equal(test_host_ask(&p.server, &question, &answer), 1);
        assert_int_equal(answer.type, AUTH_INSPECTED);
        assert_int_equal(answer.id, 77);
        assert_int_equal(answer.result, 0);
        assert_true(answer.n_findings >= 2);
        for (unsigned i = 0; i < answer.n_findings; i++) {
                print_message("%d %s: %s\n", answer.findings[i].result, answer.findings[i].subject,
                              answer.findings[i].text);
                assert_int_equal(answer.findings[i].result, 0);
                key_found = key_found || strstr(answer.findings[i].text, "belongs to the certificate");
        }
        assert_true(key_found);
        pair_done(&p);
}

/* -- manners -- */

static void test_manners(void **state) {
        static const struct {
                const char *name;
                bool greeted;
                AuthMessageType type;
                uint32_t version;
                int r;
        } cases[] = {
                { "no greeting", false, AUTH_BUILD_REQUEST, 1, -EPROTO },
                { "another version", false, AUTH_HELLO, 2, -EPROTO },
                { "greeting", false, AUTH_HELLO, 1, 1 },
                { "an answer of ours", true, AUTH_REQUEST_BUILT, 1, -EPROTO },
                { "keys without a descriptor", true, AUTH_KEYS, 1, -EPROTO },
                { "forget nothing", true, AUTH_FORGET, 1, 0 },
                { "request without a token", true, AUTH_BUILD_REQUEST, 1, 1 },
        };
        Service *service;

        assert_int_equal(service_new("/nonexistent", &service), 0);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const ServiceTime now = { .monotonic = 1, .realtime_nsec = TEST_NOW_NSEC };
                AuthMessage message = { .type = cases[i].type, .version = cases[i].version };
                _cleanup_(auth_message_done) AuthMessage answer = {};
                ServicePeer peer;

                print_message("%s\n", cases[i].name);
                service_peer_init(&peer);
                peer.greeted = cases[i].greeted;
                assert_int_equal(service_handle(service, &peer, &message, -1, now, &answer), cases[i].r);
                if (cases[i].type == AUTH_BUILD_REQUEST && cases[i].r == 1)
                        assert_int_equal(answer.result, -EPROTO);
                service_peer_done(service, &peer);
        }
        (void) service_free(service);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_handshakes), cmocka_unit_test(test_forged_response),
                cmocka_unit_test(test_sessions_are_for_once), cmocka_unit_test(test_full_table),
                cmocka_unit_test(test_budget),
                cmocka_unit_test(test_source), cmocka_unit_test(test_source_rate), cmocka_unit_test(test_changes),
                cmocka_unit_test(test_keyd), cmocka_unit_test(test_wrong_key),
                cmocka_unit_test(test_bad_files), cmocka_unit_test(test_inspect), cmocka_unit_test(test_manners),
        };

        return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
