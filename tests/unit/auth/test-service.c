/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The authentication services of two hosts shake hands through their messages alone, as their resource managers would
 * make them; o7s-keyd is a stand-in that can die, refuse and lie.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/auth/service-world.h"

#define SETTINGS(...) ((const char *const[]) { __VA_ARGS__, NULL })

/* -- whole handshakes -- */

typedef enum Identity {
        NOBODY,
        ITSELF,         /* who it should be */
        OTHER,          /* certified for another name */
        STRANGER,       /* certified by nobody */
} Identity;

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

static void test_handshakes(void **state) {
        World *w = *state;

        for (size_t i = 0; i < ELEMENTSOF(handshakes); i++) {
                const TestIdentity *authority = handshakes[i].anchors ? &w->authority : NULL;
                Shake o = {};
                TestHost client, server;

                print_message("%s\n", handshakes[i].name);
                assert_int_equal(test_host_init(&client, WORLD_NAME, authority, NULL,
                                                identity_of(w, handshakes[i].client, false)),
                                 0);
                assert_int_equal(test_host_init(&server, WORLD_NAME, authority,
                                                identity_of(w, handshakes[i].server, true), NULL),
                                 0);
                shake_hands(&client, &server, handshakes[i].client_settings, handshakes[i].server_settings, &o);

                if (o.result != handshakes[i].result)
                        print_message("  %d %d: %s|%s|%s|%s\n", o.step, o.result, o.request.text, o.checked.text,
                                      o.response.text, o.end.text);
                assert_int_equal(o.result, handshakes[i].result);
                assert_int_equal(o.step, handshakes[i].refused_at);
                if (o.step == STEP_DONE) {
                        shake_keys_fit(&o.end, &o.response);
                        assert_int_equal(o.end.peer.verified, handshakes[i].server_verified);
                        assert_int_equal(o.checked.peer.verified, handshakes[i].client_verified);
                        assert_string_equal(o.end.peer.identity,
                                            handshakes[i].server_verified ? "o7s:name:" WORLD_NAME : "");
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

                shake_done(&o);
                test_host_done(&client);
                test_host_done(&server);
        }
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
                Shake o = {};
                WorldPair p;

                print_message("%s\n", moods[i].name);
                world_pair_init(&p, *state);
                assert_int_equal(test_host_connect_keyd(&p.server, moods[i].mood), 0);
                shake_hands(&p.client, &p.server, NULL, NULL, &o);
                assert_int_equal(o.result, moods[i].result);
                assert_int_equal(o.step, moods[i].result < 0 ? STEP_BUILD_RESPONSE : STEP_DONE);
                assert_int_equal(p.server.peer.signer.fd >= 0, moods[i].connected);
                assert_int_equal(session_table_count(&p.server.service->sessions), 0);
                shake_done(&o);

                /* With a good one all is well again, once the key is asked for again. */
                p.server.now.monotonic += SIGNER_TIMEOUT_USEC + SIGNER_HOLD_USEC;
                assert_int_equal(test_host_connect_keyd(&p.server, TEST_KEYD_SIGNS), 0);
                o = (Shake) {};
                shake_hands(&p.client, &p.server, NULL, NULL, &o);
                assert_int_equal(o.step, STEP_DONE);
                shake_done(&o);
                world_pair_done(&p);
        }
}

/* A key that does not belong to the certificate is found by the other side, whatever o7s-keyd thought. */
static void test_wrong_key(void **state) {
        Shake o = {};
        WorldPair p;

        world_pair_init(&p, *state);
        assert_int_equal(test_host_connect_keyd(&p.server, TEST_KEYD_LIES), 0);
        shake_hands(&p.client, &p.server, NULL, NULL, &o);
        assert_int_equal(o.step, STEP_CHECK_RESPONSE);
        assert_int_equal(o.result, -EBADE);
        shake_done(&o);
        world_pair_done(&p);
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
                { "certificate", "/etc/o7s/security/server/" WORLD_NAME "/crt.pem", true, STEP_CHECK_REQUEST },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                AuthMessage reload = { .type = AUTH_RELOAD };
                _cleanup_(auth_message_done) AuthMessage answer = {};
                TestHost *host;
                Shake o = {};
                WorldPair p;

                print_message("%s\n", cases[i].name);
                world_pair_init(&p, *state);
                host = cases[i].server ? &p.server : &p.client;
                assert_int_equal(test_host_write(host, cases[i].path, "not PEM", 7), 0);
                assert_int_equal(test_host_ask(host, &reload, &answer), 1);
                assert_int_equal(answer.type, AUTH_RELOADED);

                shake_hands(&p.client, &p.server, NULL, NULL, &o);
                assert_int_equal(o.step, cases[i].step);
                assert_int_equal(o.result, -ENOKEY);
                assert_non_null(strstr(cases[i].server ? o.checked.text : o.request.text, "pem"));
                shake_done(&o);
                world_pair_done(&p);
        }
}

static void test_inspect(void **state) {
        AuthMessage question = { .type = AUTH_INSPECT, .id = 77, .name = WORLD_NAME, .server = true };
        _cleanup_(auth_message_done) AuthMessage answer = {};
        bool key_found = false;
        WorldPair p;

        world_pair_init(&p, *state);
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
        world_pair_done(&p);
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
                cmocka_unit_test(test_handshakes),
                cmocka_unit_test(test_keyd),
                cmocka_unit_test(test_wrong_key),
                cmocka_unit_test(test_bad_files),
                cmocka_unit_test(test_inspect),
                cmocka_unit_test(test_manners),
        };

        return cmocka_run_group_tests(tests, world_set_up, world_tear_down);
}
