/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Handshakes that succeed, and those that policy refuses: what comes out at both ends, by table. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/handshake-side.h"

#define MESSAGE_BYTES 8192U
#define NAME "web.example"

typedef struct World {
        TestIdentity authority, stranger;       /* stranger: an authority that nobody trusts */
        TestIdentity servers[_TEST_KEY_MAX], clients[_TEST_KEY_MAX];
        TestIdentity other, promising, foreign; /* another name; promises o7s; certified by the stranger */
        Trust *trust;
} World;

enum {
        NONE = -1,
        OTHER = 100,
        PROMISING,
        FOREIGN,
};

typedef struct Case {
        const char *name;
        int server, client;             /* a TestKey, or one of those above */
        bool server_trusts, client_trusts;
        const char *server_settings[6], *client_settings[6];
        int start_client, start_server, request, response;      /* expected results */
        SealSuite suite;
        const char *protection, *kex;
        bool server_verified, client_verified;          /* the peer of each */
} Case;

static const Case cases[] = {
        { "by default", NONE, NONE, .suite = SEAL_O7S, .protection = "aes-128-gcm", .kex = "X25519" },
        { "Ed25519 server", TEST_KEY_ED25519, NONE, .client_trusts = true, .suite = SEAL_O7S,
          .protection = "aes-128-gcm", .kex = "X25519",
          .client_verified = true },
        { "P-256 server", TEST_KEY_P256, NONE, .client_trusts = true, .suite = SEAL_O7S, .protection = "aes-128-gcm",
          .kex = "X25519",
          .client_verified = true },
        { "P-384 server", TEST_KEY_P384, NONE, .client_trusts = true, .suite = SEAL_O7S, .protection = "aes-128-gcm",
          .kex = "X25519",
          .client_verified = true },
        { "RSA server", TEST_KEY_RSA, NONE, .client_trusts = true, .suite = SEAL_O7S, .protection = "aes-128-gcm",
          .kex = "X25519",
          .client_verified = true },
        { "Ed448 server", TEST_KEY_ED448, NONE, .client_trusts = true, .suite = SEAL_O7S, .protection = "aes-128-gcm",
          .kex = "X25519",
          .client_verified = true },
        { "mutual Ed25519", TEST_KEY_ED25519, TEST_KEY_ED25519, true, true, { "Authentication=mutual" },
          { "Authentication=mutual" },
          .suite = SEAL_O7S, .protection = "aes-128-gcm", .kex = "X25519", .server_verified = true,
          .client_verified = true },
        { "mutual RSA and P-256", TEST_KEY_RSA, TEST_KEY_P256, true, true, { "Authentication=mutual" },
          { "Authentication=mutual" },
          .suite = SEAL_O7S, .protection = "aes-128-gcm", .kex = "X25519", .server_verified = true,
          .client_verified = true },
        { "mutual with SHA-3", TEST_KEY_P384, TEST_KEY_RSA, true, true,
          { "Authentication=mutual", "Digest=sha3-512 sha3-256" },
          { "Authentication=mutual", "Digest=sha3-256 sha3-512", "KeyDerivation=sha3-384" },
          .suite = SEAL_O7S, .protection = "aes-128-gcm", .kex = "X25519", .server_verified = true,
          .client_verified = true },
        { "MAC only", TEST_KEY_ED25519, NONE, .client_trusts = true, .client_settings = { "Encryption=no" },
          .suite = SEAL_O7S,
          .protection = "mac", .kex = "X25519", .client_verified = true },
        { "MAC only, and the server wants more", TEST_KEY_ED25519, NONE, .client_trusts = true,
          .client_settings = { "Encryption=no" },
          .server_settings = { "Encryption=required" }, .suite = SEAL_O7S, .protection = "aes-128-gcm", .kex = "X25519",
          .client_verified = true },
        { "X448", NONE, NONE, .client_settings = { "KeyExchange=X448" }, .suite = SEAL_O7S, .protection = "aes-128-gcm",
          .kex = "X448" },
        { "P-521", NONE, NONE, .client_settings = { "KeyExchange=secp521r1", "Cipher=chacha20-poly1305" },
          .suite = SEAL_O7S,
          .protection = "chacha20-poly1305", .kex = "secp521r1" },
        { "ffdhe2048", NONE, NONE, .client_settings = { "KeyExchange=ffdhe2048" }, .suite = SEAL_O7S,
          .protection = "aes-128-gcm",
          .kex = "ffdhe2048" },
        { "server wants another cipher", NONE, NONE, .server_settings = { "Cipher=aes-256-gcm" }, .suite = SEAL_O7S,
          .protection = "aes-256-gcm", .kex = "X25519" },
        { "no cipher in common", NONE, NONE, .server_settings = { "Cipher=aes-256-gcm" },
          .client_settings = { "Cipher=aes-128-gcm" },
          .request = -EOPNOTSUPP },
        { "key exchange below the floor", NONE, NONE, .server_settings = { "KeyExchange=X448" },
          .request = -EOPNOTSUPP },
        { "AES-192 is the reference's", NONE, NONE, .client_settings = { "Cipher=aes-192-gcm" },
          .suite = SEAL_REFERENCE,
          .protection = "aes-192-gcm", .kex = "X25519" },
        { "no certificate where one is wanted", NONE, NONE, .client_trusts = true, .response = -EKEYREJECTED },
        { "server of an unknown authority", FOREIGN, NONE, .client_trusts = true, .response = -EKEYREJECTED },
        { "server of another name", OTHER, NONE, .client_trusts = true, .response = -EKEYREJECTED },
        { "server that promises o7s", PROMISING, NONE, .client_trusts = true, .suite = SEAL_O7S,
          .protection = "aes-128-gcm",
          .kex = "X25519", .client_verified = true },
        { "nobody to vouch", TEST_KEY_ED25519, NONE, .suite = SEAL_O7S, .protection = "aes-128-gcm", .kex = "X25519" },
        { "stranger, and nobody wants to know", FOREIGN, NONE, .client_trusts = true,
          .client_settings = { "Authentication=none" },
          .suite = SEAL_O7S, .protection = "aes-128-gcm", .kex = "X25519" },
        { "verified, though nobody wants to know", TEST_KEY_P256, NONE, .client_trusts = true,
          .client_settings = { "Authentication=none" }, .suite = SEAL_O7S, .protection = "aes-128-gcm", .kex = "X25519",
          .client_verified = true },
        { "stranger, and his key is not pinned", FOREIGN, NONE, .client_trusts = true,
          .client_settings = { "Authentication=none",
                               "Pin=sha256:0000000000000000000000000000000000000000000000000000000000000000" },
          .response = -EKEYREJECTED },
        { "server without a certificate", NONE, NONE, .server_settings = { "Authentication=server" },
          .start_server = -ENOKEY },
        { "client without a certificate", TEST_KEY_ED25519, NONE, .client_trusts = true,
          .client_settings = { "Authentication=mutual" },
          .start_client = -ENOKEY },
        { "client is anonymous, server wants to know", TEST_KEY_ED25519, NONE, true, true, { "Authentication=mutual" },
          .request = -EKEYREJECTED },
        { "client of an unknown authority", TEST_KEY_ED25519, FOREIGN, true, true, { "Authentication=mutual" },
          .request = -EKEYREJECTED },
        { "client is allowed", TEST_KEY_ED25519, TEST_KEY_P256, true, true, { "AllowPeer=o7s:name:client" },
          .suite = SEAL_O7S,
          .protection = "aes-128-gcm", .kex = "X25519", .server_verified = true, .client_verified = true },
        { "client is not among the allowed", TEST_KEY_ED25519, TEST_KEY_P256, true, true,
          { "AllowPeer=o7s:name:friend" },
          .request = -EKEYREJECTED },
        { "client is denied", TEST_KEY_ED25519, TEST_KEY_P256, true, true, { "DenyPeer=o7s:name:cli*" },
          .request = -EKEYREJECTED },
        { "a list, and nobody says who he is", TEST_KEY_ED25519, NONE, true, true, { "AllowPeer=o7s:name:client" },
          .request = -EKEYREJECTED },
        { "encryption is required on both sides", NONE, NONE, .client_settings = { "Encryption=required" },
          .server_settings = { "Encryption=required" }, .suite = SEAL_O7S, .protection = "aes-128-gcm",
          .kex = "X25519" },
        { "encryption is required of who takes any", NONE, NONE, .client_settings = { "Encryption=required" },
          .server_settings = { "Encryption=no" }, .suite = SEAL_O7S, .protection = "aes-128-gcm", .kex = "X25519" },
};

static const TestIdentity *pick(const World *w, const TestIdentity *of_side, int which) {
        if (which == NONE)
                return NULL;
        if (which == OTHER)
                return &w->other;
        if (which == PROMISING)
                return &w->promising;
        if (which == FOREIGN)
                return &w->foreign;

        return of_side + which;
}

static int set_up(void **state) {
        World *w = calloc(1, sizeof(*w));
        const TestIdentity *anchors[] = { &w->authority };

        assert_non_null(w);
        assert_int_equal(test_identity_init(&w->authority, TEST_KEY_P256, "Authority", NULL, false), 0);
        assert_int_equal(test_identity_init(&w->stranger, TEST_KEY_P256, "Stranger", NULL, false), 0);
        for (int kind = 0; kind < _TEST_KEY_MAX; kind++) {
                assert_int_equal(
                        test_identity_init(w->servers + kind, (TestKey) kind, "o7s:name:" NAME, &w->authority, false),
                        0);
                assert_int_equal(
                        test_identity_init(w->clients + kind, (TestKey) kind, "o7s:name:client", &w->authority, false),
                        0);
        }
        assert_int_equal(
                test_identity_init(&w->other, TEST_KEY_ED25519, "o7s:name:mail.example", &w->authority, false), 0);
        assert_int_equal(test_identity_init(&w->promising, TEST_KEY_ED25519, "o7s:name:" NAME, &w->authority, true), 0);
        assert_int_equal(test_identity_init(&w->foreign, TEST_KEY_ED25519, "o7s:name:" NAME, &w->stranger, false), 0);
        assert_int_equal(test_trust_new(anchors, 1, &w->trust), 0);
        *state = w;
        return 0;
}

static int tear_down(void **state) {
        World *w = *state;

        trust_free(w->trust);
        for (int kind = 0; kind < _TEST_KEY_MAX; kind++) {
                test_identity_done(w->servers + kind);
                test_identity_done(w->clients + kind);
        }
        test_identity_done(&w->authority);
        test_identity_done(&w->stranger);
        test_identity_done(&w->other);
        test_identity_done(&w->promising);
        test_identity_done(&w->foreign);
        free(w);
        return 0;
}

static void fill(uint8_t *bytes, size_t size, uint8_t first) {
        for (size_t i = 0; i < size; i++)
                bytes[i] = (uint8_t) (first + i * 7);
}

/* Both ends of one flow. */
static void check_keys(const Case *c, const TestSide *client, const TestSide *server) {
        SealKeys a, b;
        ControlKeys ca, cb;

        assert_int_equal(handshake_keys(client->h, &a, &ca), 0);
        assert_int_equal(handshake_keys(server->h, &b, &cb), 0);
        assert_int_equal(a.suite, c->suite);
        assert_int_equal(b.suite, c->suite);
        assert_int_equal(a.cipher, b.cipher);
        assert_int_equal(a.mac_only, b.mac_only);
        assert_int_equal(a.mac_only, strcmp(c->protection, "mac") == 0);
        assert_true(a.client && !b.client);
        assert_memory_equal(a.label, b.label, sizeof(a.label));
        assert_memory_equal(a.send, b.receive, sizeof(a.send));
        assert_memory_equal(a.receive, b.send, sizeof(a.send));
        assert_memory_equal(a.agreement, b.agreement, sizeof(a.agreement));
        assert_int_equal(memcmp(a.send, a.receive, sizeof(a.send)) == 0, c->suite == SEAL_REFERENCE);

        assert_int_equal(ca.present, c->suite == SEAL_O7S);
        assert_int_equal(cb.present, c->suite == SEAL_O7S);
        assert_memory_equal(ca.send, cb.receive, sizeof(ca.send));
        assert_memory_equal(ca.receive, cb.send, sizeof(ca.send));
}

static void check_peers(const Case *c, const TestSide *client, const TestSide *server) {
        AuthPeer of_client, of_server;

        handshake_peer(client->h, &of_client);
        handshake_peer(server->h, &of_server);
        assert_int_equal(of_client.verified, c->client_verified);
        assert_int_equal(of_server.verified, c->server_verified);
        assert_true(of_client.o7s && of_server.o7s);
        assert_string_equal(of_client.protection, c->protection);
        assert_string_equal(of_server.protection, c->protection);
        assert_string_equal(of_client.key_exchange, c->kex);
        assert_string_equal(of_server.key_exchange, c->kex);
        if (c->client_verified)
                assert_string_equal(of_client.identity, "o7s:name:" NAME);
        if (c->server_verified)
                assert_string_equal(of_server.identity, "o7s:name:client");
}

static void run_case(const Case *c, TestSide *client, TestSide *server) {
        uint8_t request[MESSAGE_BYTES], response[MESSAGE_BYTES], random[HANDSHAKE_RANDOM_BYTES];
        ssize_t n;

        fill(random, sizeof(random), 1);
        assert_int_equal(test_side_start(client, random, NULL), c->start_client);
        fill(random, sizeof(random), 77);
        assert_int_equal(test_side_start(server, random, NULL), c->start_server);
        if (c->start_client < 0 || c->start_server < 0)
                return;

        client->binding_size = server->seen_size = 20;
        memset(client->binding, 'q', 20);
        memset(server->seen, 'q', 20);
        server->binding_size = client->seen_size = 30;
        memset(server->binding, 'r', 30);
        memset(client->seen, 'r', 30);

        n = test_side_request(client, request, sizeof(request));
        assert_true(n > 0);
        assert_int_equal(test_side_check_request(server, request, (size_t) n), c->request);
        if (c->request < 0) {
                assert_true(strlen(server->text) > 0);
                assert_int_equal(test_side_response(server, response, sizeof(response)), -EPROTO);
                return;
        }

        n = test_side_response(server, response, sizeof(response));
        assert_true(n > 0);
        assert_int_equal(test_side_check_response(client, response, (size_t) n), c->response);
        if (c->response < 0) {
                SealKeys keys;
                ControlKeys control;

                assert_true(strlen(client->text) > 0);
                assert_int_equal(handshake_keys(client->h, &keys, &control), -EPROTO);
                return;
        }

        check_keys(c, client, server);
        check_peers(c, client, server);
        assert_memory_equal(handshake_extension(client->h)->epoch, server->epoch, AUTH_EPOCH_BYTES);
        assert_memory_equal(handshake_extension(client->h)->reset, "resetresetreset", AUTH_RESET_BYTES);
        assert_memory_equal(handshake_extension(client->h)->token, "tokenBA", OAP_TOKEN_BYTES);
        assert_memory_equal(handshake_extension(server->h)->token, "tokenAB", OAP_TOKEN_BYTES);
}

static void test_cases(void **state) {
        const World *w = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const Case *c = cases + i;
                _cleanup_(test_side_done) TestSide client = {};
                _cleanup_(test_side_done) TestSide server = {};

                print_message("%s\n", c->name);
                assert_int_equal(test_side_init(&client, false, NAME, pick(w, w->clients, c->client),
                                                c->client_trusts ? w->trust : NULL, c->client_settings),
                                 0);
                assert_int_equal(test_side_init(&server, true, NAME, pick(w, w->servers, c->server),
                                                c->server_trusts ? w->trust : NULL, c->server_settings),
                                 0);
                run_case(c, &client, &server);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_cases),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
