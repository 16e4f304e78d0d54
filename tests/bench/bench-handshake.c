/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whole handshakes, both roles in one thread, from the policy to the keys: without the services, the sockets and the
 * layers between them. Against the bare operations of nettle and GnuTLS that any such handshake is made of: two key
 * pairs, two shared secrets; per signature one made and one checked, per certificate one read and one chain verified.
 *
 *   handshake.per-s.keys              nobody signs
 *   handshake.per-s.server-ed25519    the server does
 *   handshake.per-s.server-p256
 *   handshake.per-s.mutual-ed25519    both do
 *   handshake.per-s.reference-p256    as towards a peer of the reference: AES-192, without the extension's key schedule
 */

#include <nettle/curve25519.h>

#include "services/auth/key-exchange.h"
#include "tests/bench/bench.h"
#include "tests/support/handshake-side.h"

#define NAME "web.example"
#define MESSAGE_BYTES 8192U
#define REPEAT_NSEC 60e6

typedef struct Bench {
        TestIdentity authority;
        TestIdentity server, client;
        bool signs, mutual;
        Certificate *shown[2];                  /* of client and server, as the store of credentials has them */
        Trust *trust;
        gnutls_x509_trust_list_t list;          /* of GnuTLS alone */
        const char *settings[3];
        TestSide sides[2];                      /* client, server */
        uint64_t n;
} Bench;

static void fill(Bench *b, uint8_t *to, size_t size) {
        for (size_t i = 0; i < size; i++) {
                b->n = b->n * 6364136223846793005U + 1442695040888963407U;
                to[i] = (uint8_t) (b->n >> 56);
        }
}

/* -- ours -- */

static int run_handshake(Bench *b) {
        uint8_t request[MESSAGE_BYTES], response[MESSAGE_BYTES], random[HANDSHAKE_RANDOM_BYTES];
        TestSide *client = b->sides, *server = b->sides + 1;
        ControlKeys control;
        SealKeys keys;
        ssize_t n;

        fill(b, random, sizeof(random));
        if (test_side_start(client, random, NULL) < 0)
                return -EIO;
        fill(b, random, sizeof(random));
        if (test_side_start(server, random, NULL) < 0)
                return -EIO;

        n = test_side_request(client, request, sizeof(request));
        if (n < 0 || test_side_check_request(server, request, (size_t) n) < 0)
                return -EIO;
        n = test_side_response(server, response, sizeof(response));
        if (n < 0 || test_side_check_response(client, response, (size_t) n) < 0)
                return -EIO;

        return handshake_keys(client->h, &keys, &control);
}

/* -- what it is made of -- */

static int exchange_keys(Bench *b) {
        uint8_t a[32], c[32], public_a[32], public_c[32], z[32], other[32];

        fill(b, a, sizeof(a));
        fill(b, c, sizeof(c));
        curve25519_mul_g(public_a, a);
        curve25519_mul_g(public_c, c);
        curve25519_mul(z, a, public_c);
        curve25519_mul(other, c, public_a);
        return memcmp(z, other, sizeof(z)) == 0 ? 0 : -EIO;
}

static int sign_and_verify(Bench *b, const TestIdentity *identity) {
        uint8_t message[700];
        gnutls_datum_t data = { message, sizeof(message) }, signature = {};
        gnutls_sign_algorithm_t algorithm =
                identity->kind == TEST_KEY_P256 ? GNUTLS_SIGN_ECDSA_SHA256 : GNUTLS_SIGN_EDDSA_ED25519;
        gnutls_x509_crt_t crt = NULL;
        gnutls_pubkey_t key = NULL;
        unsigned status = 1;
        int r;

        fill(b, message, sizeof(message));
        r = gnutls_privkey_sign_data2(identity->key, algorithm, 0, &data, &signature);
        r |= gnutls_x509_crt_init(&crt);
        r |= gnutls_pubkey_init(&key);
        if (r >= 0)
                r = gnutls_x509_crt_import(crt, &identity->der, GNUTLS_X509_FMT_DER);
        if (r >= 0)
                r = gnutls_x509_trust_list_verify_crt2(b->list, &crt, 1, NULL, 0, GNUTLS_VERIFY_DISABLE_TIME_CHECKS,
                                                       &status, NULL);
        if (r >= 0)
                r = gnutls_pubkey_import_x509(key, crt, 0);
        if (r >= 0)
                r = gnutls_pubkey_verify_data2(key, algorithm, 0, &data, &signature);

        gnutls_free(signature.data);
        gnutls_pubkey_deinit(key);
        gnutls_x509_crt_deinit(crt);
        return r < 0 || status != 0 ? -EIO : 0;
}

static int run_operations(Bench *b) {
        int r;

        r = exchange_keys(b);
        if (r >= 0 && b->signs)
                r = sign_and_verify(b, &b->server);
        if (r >= 0 && b->mutual)
                r = sign_and_verify(b, &b->client);

        return r;
}

/* -- figures -- */

static double repeat(Bench *b, int (*run)(Bench *b)) {
        double start = bench_nsec(), now;
        unsigned n = 0;

        do {
                if (run(b) < 0)
                        return -1;
                n++;
                now = bench_nsec();
        } while (now - start < REPEAT_NSEC);

        return n / (now - start) * 1e9;
}

static double ours(void *context) {
        return repeat(context, run_handshake);
}

static double bare(void *context) {
        return repeat(context, run_operations);
}

static void bench_done(Bench *b) {
        for (size_t i = 0; i < ELEMENTSOF(b->sides); i++)
                test_side_done(b->sides + i);
        if (b->list)
                gnutls_x509_trust_list_deinit(b->list, 1);
        trust_free(b->trust);
        certificate_free(b->shown[0]);
        certificate_free(b->shown[1]);
        test_identity_done(&b->server);
        test_identity_done(&b->client);
        test_identity_done(&b->authority);
}

typedef struct Kind {
        const char *name;
        TestKey key;
        bool signs, mutual;
        const char *settings[3];
} Kind;

static int bench_init(Bench *b, const Kind *kind) {
        const TestIdentity *anchors[] = { &b->authority };
        int r;

        b->signs = kind->signs;
        b->mutual = kind->mutual;
        r = test_identity_init(&b->authority, kind->key, "Authority", NULL, false);
        if (r >= 0)
                r = test_identity_init(&b->server, kind->key, "o7s:name:" NAME, &b->authority, false);
        if (r >= 0)
                r = test_identity_init(&b->client, kind->key, "o7s:name:client", &b->authority, false);
        if (r >= 0)
                r = certificate_parse(b->client.der.data, b->client.der.size, b->shown);
        if (r >= 0)
                r = certificate_parse(b->server.der.data, b->server.der.size, b->shown + 1);
        if (r >= 0)
                r = test_trust_new(anchors, 1, &b->trust);
        if (r >= 0)
                r = gnutls_x509_trust_list_init(&b->list, 0);
        if (r >= 0)
                r = gnutls_x509_trust_list_add_trust_mem(b->list, &b->authority.der, NULL, GNUTLS_X509_FMT_DER, 0, 0);
        if (r == 0)
                r = -EIO;
        if (r >= 0)
                r = test_side_init(b->sides, false, NAME, kind->mutual ? &b->client : NULL,
                                   kind->signs ? b->trust : NULL, kind->settings);
        if (r >= 0)
                r = test_side_init(b->sides + 1, true, NAME, kind->signs ? &b->server : NULL,
                                   kind->mutual ? b->trust : NULL, kind->settings);

        b->sides[0].credentials.shown = kind->mutual ? b->shown[0] : NULL;
        b->sides[1].credentials.shown = kind->signs ? b->shown[1] : NULL;
        return r;
}

int main(void) {
        static const Kind kinds[] = {
                { "handshake.per-s.keys", TEST_KEY_ED25519, false, false, {} },
                { "handshake.per-s.server-ed25519", TEST_KEY_ED25519, true, false, {} },
                { "handshake.per-s.server-p256", TEST_KEY_P256, true, false, {} },
                { "handshake.per-s.mutual-ed25519", TEST_KEY_ED25519, true, true, { "Authentication=mutual" } },
                { "handshake.per-s.reference-p256", TEST_KEY_P256, true, false, { "Cipher=aes-192-gcm" } },
        };

        key_exchange_wipe_memory();
        bench_pin(BENCH_CPU_LEFT);
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                _cleanup_(bench_done) Bench b = {};

                if (bench_init(&b, kinds + i) < 0)
                        return EXIT_FAILURE;

                bench_figure(&(BenchFigure) { kinds[i].name, "handshakes/s", "bare-operations", ours, bare, &b });
        }

        return EXIT_SUCCESS;
}
