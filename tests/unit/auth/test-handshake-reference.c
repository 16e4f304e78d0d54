/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Against a peer of the reference, which is put together here from the protocol's parts: header, key exchange, its
 * key derivation, its order of checks; nothing of the handshake object. Both roles, each key exchange, each cipher
 * and digest, and what has to be refused.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/auth/key-derivation.h"
#include "tests/support/handshake-side.h"

#define MESSAGE_BYTES 8192U
#define NAME "web.example"

typedef struct Message {
        size_t size;
        uint8_t bytes[MESSAGE_BYTES];
} Message;

/* What the reference's enc.conf would say; -1 and 0: nothing. */
typedef struct Peer {
        int kex;
        uint16_t cipher, kdf, digest;
        const TestIdentity *identity;
        KeyExchange *exchange;
        uint8_t id[OAP_ID_BYTES];
        uint8_t key[SEAL_SECRET_BYTES];
} Peer;

static void peer_done(Peer *peer) {
        peer->exchange = key_exchange_free(peer->exchange);
}

typedef struct World {
        TestIdentity authority, ed25519, p256, rsa, promising;
        Trust *trust;
} World;

static int set_up(void **state) {
        World *w = calloc(1, sizeof(*w));
        const TestIdentity *anchors[] = { &w->authority };

        assert_non_null(w);
        assert_int_equal(test_identity_init(&w->authority, TEST_KEY_P256, "Authority", NULL, false), 0);
        assert_int_equal(test_identity_init(&w->ed25519, TEST_KEY_ED25519, "o7s:name:" NAME, &w->authority, false), 0);
        assert_int_equal(test_identity_init(&w->p256, TEST_KEY_P256, "o7s:name:" NAME, &w->authority, false), 0);
        assert_int_equal(test_identity_init(&w->rsa, TEST_KEY_RSA, "o7s:name:" NAME, &w->authority, false), 0);
        assert_int_equal(test_identity_init(&w->promising, TEST_KEY_P256, "o7s:name:" NAME, &w->authority, true), 0);
        assert_int_equal(test_trust_new(anchors, 1, &w->trust), 0);
        *state = w;
        return 0;
}

static int tear_down(void **state) {
        World *w = *state;

        trust_free(w->trust);
        test_identity_done(&w->authority);
        test_identity_done(&w->ed25519);
        test_identity_done(&w->p256);
        test_identity_done(&w->rsa);
        test_identity_done(&w->promising);
        free(w);
        return 0;
}

/* -- the reference -- */

static void make_key(Peer *peer, int kex) {
        uint8_t random[KEY_EXCHANGE_RANDOM_BYTES];

        memset(random, 0x5c, sizeof(random));
        assert_int_equal(key_exchange_new((OapKeyExchange) kex, random, &peer->exchange), 0);
}

static void pack(const Peer *peer, OapHeader *header, Message *ret) {
        uint8_t signature[1024];
        ssize_t n;

        if (peer->exchange)
                header->key_exchange = key_exchange_spki(peer->exchange, &header->key_exchange_size);
        if (peer->identity) {
                header->certificate = peer->identity->der.data;
                header->certificate_size = peer->identity->der.size;
                n = test_identity_sign(peer->identity, header, signature, sizeof(signature));
                assert_true(n > 0);
                header->signature = signature;
                header->signature_size = (size_t) n;
        }

        n = oap_header_pack(header, ret->bytes, sizeof(ret->bytes));
        assert_true(n > 0);
        ret->size = (size_t) n;
}

static void derive(Peer *peer, const OapHeader *other, uint16_t kdf) {
        uint8_t secret[KEY_EXCHANGE_SECRET_MAX];
        const OapAlgorithm *algorithm = oap_digest_by_id(kdf);
        const uint8_t *ours;
        size_t ours_size;
        ssize_t n;

        n = key_exchange_derive(peer->exchange, other->key_exchange, other->key_exchange_size, secret);
        assert_true(n > 0);
        ours = key_exchange_spki(peer->exchange, &ours_size);
        assert_int_equal(derive_reference_key(algorithm ? (HashAlgorithm) algorithm->hash : HASH_SHA256, secret,
                                              (size_t) n, ours, ours_size, other->key_exchange,
                                              other->key_exchange_size, peer->key),
                         0);
}

static void peer_request(Peer *peer, Message *ret) {
        OapHeader header = {
                .timestamp = TEST_NOW_NSEC,
                .cipher = peer->cipher,
                .kdf = peer->kdf,
                .digest = peer->digest,
        };

        memset(peer->id, 0x1d, sizeof(peer->id));
        memcpy(header.id, peer->id, sizeof(header.id));
        if (peer->kex >= 0)
                make_key(peer, peer->kex);
        pack(peer, &header, ret);
}

static size_t digest_size(uint16_t digest) {
        return hash_size((HashAlgorithm) oap_digest_to_hash(digest));
}

/* Its client's checks, in its order. */
static void peer_check_response(Peer *peer, const Message *request, const Message *response) {
        uint8_t hash[HASH_BYTES_MAX];
        OapHeader header;

        assert_int_equal(oap_header_parse(response->bytes, response->size, digest_size(peer->digest), &header), 0);
        assert_memory_equal(header.id, peer->id, sizeof(peer->id));
        assert_true(hash_compute((HashAlgorithm) oap_digest_to_hash(peer->digest), request->bytes, request->size,
                                 hash) > 0);
        assert_memory_equal(header.request_hash, hash, header.request_hash_size);
        assert_false(header.key_exchange_raw || header.client_encapsulates);
        if (peer->kex < 0) {
                assert_int_equal(header.key_exchange_size, 0);
                assert_int_equal(header.cipher, 0);
                return;
        }

        assert_true(oap_cipher_by_id(header.cipher)->rank >= oap_cipher_by_id(peer->cipher)->rank);
        if (header.kdf != 0)
                assert_true(oap_digest_by_id(header.kdf)->rank >= oap_digest_by_id(peer->kdf)->rank);
        derive(peer, &header, header.kdf);
}

/* Its server: the higher of both. */
static void peer_response(Peer *peer, const Message *request, Message *ret) {
        OapHeader asked, header = { .timestamp = TEST_NOW_NSEC + 1, .digest = peer->digest };
        uint8_t hash[HASH_BYTES_MAX];
        int kex;

        assert_int_equal(oap_header_parse(request->bytes, request->size, 0, &asked), 0);
        assert_true(asked.timestamp < TEST_NOW_NSEC);
        memcpy(header.id, asked.id, sizeof(header.id));
        header.request_hash = hash;
        header.request_hash_size = digest_size(asked.digest);
        assert_true(hash_compute((HashAlgorithm) oap_digest_to_hash(asked.digest), request->bytes, request->size,
                                 hash) > 0);

        if (asked.key_exchange_size > 0) {
                kex = key_exchange_of_spki(asked.key_exchange, asked.key_exchange_size);
                assert_true(kex >= 0 && kex >= peer->kex);
                make_key(peer, kex);
                header.cipher = asked.cipher;
                header.kdf = asked.kdf;
                if (peer->cipher != 0 && oap_cipher_by_id(peer->cipher)->rank > oap_cipher_by_id(asked.cipher)->rank)
                        header.cipher = peer->cipher;
                if (peer->kdf != 0 && oap_digest_by_id(peer->kdf)->rank > oap_digest_by_id(asked.kdf)->rank)
                        header.kdf = peer->kdf;
                derive(peer, &asked, header.kdf);
        }

        pack(peer, &header, ret);
}

/* -- ours -- */

static void init_side(TestSide *side, bool server, const TestIdentity *identity, const Trust *trust,
                      const char *const *settings) {
        uint8_t random[HANDSHAKE_RANDOM_BYTES];

        for (size_t i = 0; i < sizeof(random); i++)
                random[i] = (uint8_t) (i * 3 + server);
        assert_int_equal(test_side_init(side, server, NAME, identity, trust, settings), 0);
        side->binding_size = 10;        /* which the reference does not care about */
        side->seen_size = 12;
        assert_int_equal(test_side_start(side, random, NULL), 0);
}

static void check_keys(const TestSide *side, const Peer *peer, uint16_t cipher) {
        ControlKeys control;
        SealKeys keys;
        AuthPeer said;

        assert_int_equal(handshake_keys(side->h, &keys, &control), 0);
        assert_false(control.present);
        handshake_peer(side->h, &said);
        assert_false(said.o7s);
        if (!peer->exchange) {
                assert_int_equal(keys.suite, SEAL_NONE);
                assert_string_equal(said.protection, "none");
                return;
        }

        assert_int_equal(keys.suite, SEAL_REFERENCE);
        assert_int_equal(keys.cipher, cipher);
        assert_memory_equal(keys.send, peer->key, sizeof(peer->key));
        assert_memory_equal(keys.receive, peer->key, sizeof(peer->key));
        assert_string_equal(said.protection, oap_cipher_by_id(cipher)->name);
}

enum { DEFAULT = -1 };

static const struct {
        const char *name;
        int kex;
        uint16_t cipher, kdf, digest;           /* the peer's */
        const char *settings[6];                /* ours, as the server */
        int r;
        uint16_t agreed;
} requests[] = {
        { "plain",              DEFAULT, 0, 0, 0, {}, 0, 0 },
        { "plain, with SHA3",   DEFAULT, 0, 0, 1097, {}, 0, 0 },
        { "plain, encryption is required", DEFAULT, 0, 0, 0, { "Encryption=required" }, -EOPNOTSUPP },
        { "plain, o7s is required", DEFAULT, 0, 0, 0, { "Peer=o7s" }, -EKEYREJECTED },
        { "ffdhe2048",          OAP_FFDHE2048, 901, 672, 672, {}, 0, 901 },
        { "prime256v1",         OAP_P256,   901, 672, 672, {}, 0, 901 },
        { "X25519",             OAP_X25519, 901, 674, 1097, {}, 0, 901 },
        { "ffdhe3072",          OAP_FFDHE3072, 895, 672, 672, {}, 0, 895 },
        { "secp384r1",          OAP_P384,   895, 673, 673, {}, 0, 895 },
        { "ffdhe4096",          OAP_FFDHE4096, 898, 1098, 674, {}, 0, 898 },
        { "X448",               OAP_X448,   1018, 1099, 1098, {}, 0, 1018 },
        { "secp521r1",          OAP_P521,   898, 1097, 1099, {}, 0, 898 },
        { "no digest",          OAP_X25519, 901, 672, 0, {}, 0, 901 },
        { "ours ranks higher",  OAP_X25519, 895, 672, 672, { "Cipher=aes-256-gcm", "KeyDerivation=sha512" }, 0, 901 },
        { "theirs ranks higher", OAP_X25519, 1018, 674, 672, {}, 0, 1018 },
        { "theirs is not in our list", OAP_X25519, 1018, 672, 672, { "Cipher=aes-256-gcm" }, -EOPNOTSUPP },
        { "AES-CTR becomes what protects", OAP_X25519, 906, 672, 672, {}, 0, 895 },
        { "BLAKE2 becomes what we have", OAP_X25519, 901, 1056, 672, {}, 0, 901 },
        { "BLAKE2 as digest",   OAP_X25519, 901, 672, 1057, {}, -EOPNOTSUPP },
        { "below our key exchange", OAP_P256, 901, 672, 672, { "KeyExchange=X448 secp521r1" }, -EOPNOTSUPP },
        { "Encryption=no takes what is asked", OAP_X25519, 901, 672, 672, { "Encryption=no" }, 0, 901 },
};

static void test_asked_by_reference(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(requests); i++) {
                _cleanup_(test_side_done) TestSide server = {};
                _cleanup_(peer_done) Peer peer = { requests[i].kex, requests[i].cipher, requests[i].kdf,
                                                   requests[i].digest };
                Message request, response;
                ssize_t n;

                print_message("%s\n", requests[i].name);
                peer_request(&peer, &request);
                init_side(&server, true, NULL, NULL, requests[i].settings);
                assert_int_equal(test_side_check_request(&server, request.bytes, request.size), requests[i].r);
                if (requests[i].r < 0) {
                        assert_true(strlen(server.text) > 0);
                        continue;
                }

                n = test_side_response(&server, response.bytes, sizeof(response.bytes));
                assert_true(n > 0);
                response.size = (size_t) n;
                peer_check_response(&peer, &request, &response);
                check_keys(&server, &peer, requests[i].agreed);
        }
}

static const struct {
        const char *name;
        int kex;                                /* the peer's enc.conf */
        uint16_t cipher, kdf, digest;
        const char *settings[6];                /* ours, as the client */
        int r;
        uint16_t agreed;
} responses[] = {
        { "by default",         DEFAULT, 0, 0, 0, {}, 0, 895 },
        { "peer wants more",    DEFAULT, 1018, 674, 672, {}, 0, 1018 },
        { "ffdhe2048",          DEFAULT, 901, 672, 672, { "KeyExchange=ffdhe2048" }, 0, 901 },
        { "prime256v1",         OAP_P256, 901, 672, 672, { "KeyExchange=prime256v1" }, 0, 901 },
        { "ffdhe3072",          DEFAULT, 0, 0, 0, { "KeyExchange=ffdhe3072", "Cipher=aes-192-gcm" }, 0, 898 },
        { "secp384r1",          DEFAULT, 0, 0, 0, { "KeyExchange=secp384r1", "KeyDerivation=sha3-384" }, 0, 895 },
        { "ffdhe4096",          DEFAULT, 0, 0, 0, { "KeyExchange=ffdhe4096", "Cipher=chacha20-poly1305" }, 0, 1018 },
        { "X448",               OAP_X448, 0, 0, 0, { "KeyExchange=X448", "Digest=sha3-512" }, 0, 895 },
        { "secp521r1",          DEFAULT, 0, 0, 0, { "KeyExchange=secp521r1", "KeyDerivation=sha512" }, 0, 895 },
        { "not in our list",    DEFAULT, 1018, 672, 672, { "Cipher=aes-256-gcm aes-128-gcm" }, -EOPNOTSUPP },
        { "BLAKE2 for the keys", DEFAULT, 901, 1056, 672, {}, -EOPNOTSUPP },
        { "no encryption asked for", DEFAULT, 0, 0, 0, { "Encryption=no" }, 0, 0 },
        { "o7s is required",    DEFAULT, 0, 0, 0, { "Peer=o7s" }, -EKEYREJECTED },
};

static void test_asking_reference(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(responses); i++) {
                _cleanup_(test_side_done) TestSide client = {};
                _cleanup_(peer_done) Peer peer = { responses[i].kex, responses[i].cipher, responses[i].kdf,
                                                   responses[i].digest };
                Message request, response;
                ssize_t n;

                print_message("%s\n", responses[i].name);
                init_side(&client, false, NULL, NULL, responses[i].settings);
                n = test_side_request(&client, request.bytes, sizeof(request.bytes));
                assert_true(n > 0);
                request.size = (size_t) n;
                assert_true(request.size <= 1388);      /* one frame of Ethernet */

                if (oap_digest_by_id(peer.kdf) && oap_digest_by_id(peer.kdf)->refusal) {
                        peer.kdf = 0;                   /* whatever it derives: the number is enough */
                        peer_response(&peer, &request, &response);
                        response.bytes[26] = responses[i].kdf >> 8;
                        response.bytes[27] = responses[i].kdf & 0xff;
                } else
                        peer_response(&peer, &request, &response);

                assert_int_equal(test_side_check_response(&client, response.bytes, response.size), responses[i].r);
                if (responses[i].r == 0)
                        check_keys(&client, &peer, responses[i].agreed);
        }
}

/* With certificates, both ways. */
static void test_signed(void **state) {
        const World *w = *state;
        const struct {
                const char *name;
                const TestIdentity *identity;
                uint16_t digest;
                int r;
        } cases[] = {
                { "Ed25519",               &w->ed25519,   0,    0 },
                { "Ed25519 with a digest", &w->ed25519,   672,  -EOPNOTSUPP },
                { "P-256",                 &w->p256,      672,  0 },
                { "P-256, no digest",      &w->p256,      0,    0 },
                { "P-256 and SHA3",        &w->p256,      1099, 0 },
                { "RSA",                   &w->rsa,       674,  0 },
                { "RSA, no digest",        &w->rsa,       0,    0 },
                { "promises o7s",          &w->promising, 672,  -EKEYREJECTED },
                { "none",                  NULL,          672,  -EKEYREJECTED },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(test_side_done) TestSide client = {};
                _cleanup_(peer_done) Peer peer = { DEFAULT, 901, 672, cases[i].digest, cases[i].identity };
                Message request, response;
                AuthPeer said;
                ssize_t n;

                print_message("%s\n", cases[i].name);
                init_side(&client, false, &w->p256, w->trust, NULL);
                n = test_side_request(&client, request.bytes, sizeof(request.bytes));
                assert_true(n > 0);
                request.size = (size_t) n;
                peer_response(&peer, &request, &response);
                assert_int_equal(test_side_check_response(&client, response.bytes, response.size), cases[i].r);
                if (cases[i].r < 0)
                        continue;

                check_keys(&client, &peer, 901);
                handshake_peer(client.h, &said);
                assert_true(said.verified);
                assert_string_equal(said.identity, "o7s:name:" NAME);
        }
}

static void test_signed_request(void **state) {
        static const char *const mutual[] = { "Authentication=mutual", NULL };
        const World *w = *state;
        const TestIdentity *shown[] = { &w->p256, &w->ed25519, &w->rsa };

        for (size_t i = 0; i < ELEMENTSOF(shown); i++) {
                _cleanup_(test_side_done) TestSide server = {};
                _cleanup_(peer_done) Peer peer = { OAP_X25519, 901, 672, shown[i] == &w->ed25519 ? 0 : 672, shown[i] };
                Message request, response;
                OapHeader header;
                ssize_t n;

                peer_request(&peer, &request);
                init_side(&server, true, &w->ed25519, w->trust, mutual);
                assert_int_equal(test_side_check_request(&server, request.bytes, request.size), 0);
                n = test_side_response(&server, response.bytes, sizeof(response.bytes));
                assert_true(n > 0);
                response.size = (size_t) n;
                peer_check_response(&peer, &request, &response);
                check_keys(&server, &peer, 901);

                assert_int_equal(oap_header_parse(response.bytes, response.size, digest_size(peer.digest), &header), 0);
                assert_int_equal(header.digest, 0);     /* EdDSA */
                assert_int_equal(header.signature_size, 64);
        }
}

/*
 * A response of the reference, altered by one who does not sign. Not protected by the protocol: the time stamp, the
 * digest's number, and what is as strong (a cipher or derivation that ranks not lower); everything else is refused or
 * makes other keys, which then open nothing.
 */
static void test_flips(void **state) {
        const World *w = *state;

        for (int with_signature = 0; with_signature < 2; with_signature++) {
                _cleanup_(test_side_done) TestSide first = {};
                _cleanup_(peer_done) Peer peer = { DEFAULT, 901, 672, 672, with_signature ? &w->p256 : NULL };
                const Trust *trust = with_signature ? w->trust : NULL;
                Message request, response;
                ssize_t n;

                init_side(&first, false, NULL, trust, NULL);
                n = test_side_request(&first, request.bytes, sizeof(request.bytes));
                assert_true(n > 0);
                request.size = (size_t) n;
                peer_response(&peer, &request, &response);

                for (size_t i = 0; i < response.size * 8; i++) {
                        _cleanup_(test_side_done) TestSide client = {};
                        size_t at = i / 8;
                        ControlKeys control;
                        SealKeys keys;
                        int r;

                        init_side(&client, false, NULL, trust, NULL);
                        assert_int_equal(test_side_request(&client, request.bytes, sizeof(request.bytes)), n);
                        response.bytes[at] ^= (uint8_t) (1U << i % 8);
                        r = test_side_check_response(&client, response.bytes, response.size);
                        response.bytes[at] ^= (uint8_t) (1U << i % 8);
                        if (r < 0)
                                continue;

                        assert_false(with_signature);
                        if ((at >= 16 && at < 24) || (at >= 28 && at < 30))
                                continue;
                        assert_int_equal(handshake_keys(client.h, &keys, &control), 0);
                        assert_true(keys.cipher != SEAL_AES_256_GCM ||
                                    memcmp(keys.send, peer.key, sizeof(keys.send)) != 0);
                }
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_asked_by_reference),
                cmocka_unit_test(test_asking_reference),
                cmocka_unit_test(test_signed),
                cmocka_unit_test(test_signed_request),
                cmocka_unit_test(test_flips),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
