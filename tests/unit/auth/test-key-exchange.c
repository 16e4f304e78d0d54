/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Key exchanges. tests/data/key-exchange has, for each, the public key that the random bytes 1, 2, 3, ... 80 make
 * here, a public key that OpenSSL 3.0 made, and the secret that OpenSSL derived from its private key and ours.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "services/auth/key-exchange-internal.h"

#define FILE_BYTES_MAX 2048U

static const uint8_t seed[KEY_EXCHANGE_RANDOM_BYTES] = {
        1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
        28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54,
        55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80,
};

static size_t load(OapKeyExchange kex, const char *what, uint8_t ret[FILE_BYTES_MAX]) {
        char path[4096];
        size_t n;
        FILE *f;

        (void) snprintf(path, sizeof(path), "%s/key-exchange/%s-%s", TEST_DATA, oap_key_exchange_to_string(kex), what);
        f = fopen(path, "re");
        assert_non_null(f);
        n = fread(ret, 1, FILE_BYTES_MAX, f);
        (void) fclose(f);
        assert_true(n > 0);
        return n;
}

static void test_known_answers(void **state) {
        for (OapKeyExchange kex = 0; kex < _OAP_KEY_EXCHANGE_OURS_MAX; kex++) {
                _cleanup_(key_exchange_freep) KeyExchange *x = NULL;
                uint8_t expected[FILE_BYTES_MAX], peer[FILE_BYTES_MAX], secret[KEY_EXCHANGE_SECRET_MAX];
                const uint8_t *spki;
                size_t size, peer_size;

                print_message("%s\n", oap_key_exchange_to_string(kex));
                assert_int_equal(key_exchange_new(kex, seed, &x), 0);
                spki = key_exchange_spki(x, &size);
                assert_int_equal(load(kex, "ours.der", expected), size);
                assert_memory_equal(spki, expected, size);

                peer_size = load(kex, "peer.der", peer);
                assert_int_equal(key_exchange_of_spki(peer, peer_size), kex);
                size = load(kex, "secret", expected);
                assert_int_equal(key_exchange_derive(x, peer, peer_size, secret), size);
                assert_memory_equal(secret, expected, size);
        }
}

/* The reference's own: private keys 01 02 ... 20 and 40 41 ... 5f. */
static void test_x25519_of_reference(void **state) {
        static const uint8_t spki_a[] =
                "\x30\x2a\x30\x05\x06\x03\x2b\x65\x6e\x03\x21\x00\x07\xa3\x7c\xbc\x14\x20\x93\xc8\xb7\x55\xdc\x1b"
                "\x10\xe8\x6c\xb4\x26\x37\x4a\xd1\x6a\xa8\x53\xed\x0b\xdf\xc0\xb2\xb8\x6d\x1c\x7c";
        static const uint8_t spki_b[] =
                "\x30\x2a\x30\x05\x06\x03\x2b\x65\x6e\x03\x21\x00\x79\xa6\x31\xee\xde\x1b\xf9\xc9\x8f\x12\x03\x2c"
                "\xde\xad\xd0\xe7\xa0\x79\x39\x8f\xc7\x86\xb8\x8c\xc8\x46\xec\x89\xaf\x85\xa5\x1a";
        static const uint8_t z[] =
                "\xae\x44\x40\xcc\x8d\x7f\xad\xdb\x28\x94\x17\x2b\x78\xe3\xd7\x45\xca\xfa\x00\x98\xbc\xc1\x0d\x7e"
                "\xe0\xfd\xa0\x8f\xa8\x5a\x9a\x2e";
        _cleanup_(key_exchange_freep) KeyExchange *a = NULL;
        _cleanup_(key_exchange_freep) KeyExchange *b = NULL;
        uint8_t random[KEY_EXCHANGE_RANDOM_BYTES], secret[KEY_EXCHANGE_SECRET_MAX];
        size_t size;

        assert_int_equal(key_exchange_new(OAP_X25519, seed, &a), 0);
        assert_memory_equal(key_exchange_spki(a, &size), spki_a, 44);
        assert_int_equal(size, 44);

        for (size_t i = 0; i < sizeof(random); i++)
                random[i] = (uint8_t) (0x40 + i);
        assert_int_equal(key_exchange_new(OAP_X25519, random, &b), 0);
        assert_memory_equal(key_exchange_spki(b, &size), spki_b, 44);
        assert_int_equal(key_exchange_derive(a, spki_b, 44, secret), 32);
        assert_memory_equal(secret, z, 32);
        assert_int_equal(key_exchange_derive(b, spki_a, 44, secret), 32);
        assert_memory_equal(secret, z, 32);
}

static void test_both_ways(void **state) {
        for (OapKeyExchange kex = 0; kex < _OAP_KEY_EXCHANGE_OURS_MAX; kex++)
                for (uint8_t i = 1; i < 5; i++) {
                        _cleanup_(key_exchange_freep) KeyExchange *a = NULL;
                        _cleanup_(key_exchange_freep) KeyExchange *b = NULL;
                        uint8_t random[KEY_EXCHANGE_RANDOM_BYTES], za[KEY_EXCHANGE_SECRET_MAX],
                                zb[KEY_EXCHANGE_SECRET_MAX];
                        size_t size_a, size_b;
                        const uint8_t *spki_a, *spki_b;
                        ssize_t n;

                        memset(random, i, sizeof(random));
                        assert_int_equal(key_exchange_new(kex, random, &a), 0);
                        memset(random, 0x80 + i, sizeof(random));
                        assert_int_equal(key_exchange_new(kex, random, &b), 0);
                        spki_a = key_exchange_spki(a, &size_a);
                        spki_b = key_exchange_spki(b, &size_b);
                        n = key_exchange_derive(a, spki_b, size_b, za);
                        assert_true(n > 0);
                        assert_int_equal(key_exchange_derive(b, spki_a, size_a, zb), n);
                        assert_memory_equal(za, zb, n);
                }
}

/* A secret that begins with a zero: one in 256 does. Curves keep it, finite fields lose it. */
static void test_leading_zeros(void **state) {
        static const struct {
                OapKeyExchange kex;
                size_t full;
                bool stripped;
        } cases[] = { { OAP_FFDHE2048, 256, true }, { OAP_P256, 32, false }, { OAP_X25519, 32, false } };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint8_t peer[FILE_BYTES_MAX];
                size_t peer_size = load(cases[i].kex, "peer.der", peer);
                bool found = false;

                print_message("%s\n", oap_key_exchange_to_string(cases[i].kex));
                for (unsigned k = 0; k < 4000 && !found; k++) {
                        _cleanup_(key_exchange_freep) KeyExchange *x = NULL;
                        uint8_t random[KEY_EXCHANGE_RANDOM_BYTES] = { 1, (uint8_t) k, (uint8_t) (k >> 8) };
                        uint8_t secret[KEY_EXCHANGE_SECRET_MAX];
                        ssize_t n;

                        assert_int_equal(key_exchange_new(cases[i].kex, random, &x), 0);
                        n = key_exchange_derive(x, peer, peer_size, secret);
                        assert_true(n > 0);
                        if (cases[i].stripped) {
                                assert_true(secret[0] != 0);
                                found = (size_t) n < cases[i].full;
                        } else {
                                assert_int_equal(n, cases[i].full);
                                found = secret[0] == 0;
                        }
                }
                assert_true(found);
        }
}

/* -- what a peer must not send -- */

static void check_refused(const char *name, OapKeyExchange kex, const uint8_t *key, size_t key_size) {
        _cleanup_(key_exchange_freep) KeyExchange *x = NULL;
        uint8_t spki[SPKI_BYTES_MAX], secret[KEY_EXCHANGE_SECRET_MAX];
        ssize_t n;

        print_message("%s\n", name);
        assert_int_equal(key_exchange_new(kex, seed, &x), 0);
        n = spki_pack(&(Spki) { kex, key, key_size }, spki, sizeof(spki));
        assert_true(n > 0);
        assert_int_equal(key_exchange_of_spki(spki, (size_t) n), kex);
        assert_int_equal(key_exchange_derive(x, spki, (size_t) n, secret), -EBADMSG);
}

static void test_small_order(void **state) {
        /* RFC 7748 and its errata: points whose multiples by a clamped scalar are zero. */
        static const uint8_t x25519[][32] = {
                { 0 },
                { 1 },
                { 0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
                  0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00 },
                { 0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
                  0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57 },
                { 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
                { 0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
                { 0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
        };
        uint8_t x448[56] = {};

        for (size_t i = 0; i < ELEMENTSOF(x25519); i++)
                check_refused("X25519", OAP_X25519, x25519[i], sizeof(x25519[i]));

        check_refused("X448, 0", OAP_X448, x448, sizeof(x448));
        x448[0] = 1;
        check_refused("X448, 1", OAP_X448, x448, sizeof(x448));
        memset(x448, 0xff, sizeof(x448));
        x448[0] = 0xfe;
        x448[28] = 0xfe;
        check_refused("X448, p - 1", OAP_X448, x448, sizeof(x448));
}

static void test_off_the_curve(void **state) {
        static const OapKeyExchange curves[] = { OAP_P256, OAP_P384, OAP_P521 };

        for (size_t i = 0; i < ELEMENTSOF(curves); i++) {
                size_t size = 2 * spki_field_bytes(curves[i]);
                uint8_t peer[FILE_BYTES_MAX], point[PUBLIC_BYTES_MAX] = {};
                Spki spki;

                check_refused("0, 0", curves[i], point, size);
                memset(point, 0xff, size);
                check_refused("beyond the prime", curves[i], point, size);

                assert_int_equal(spki_parse(peer, load(curves[i], "peer.der", peer), &spki), 0);
                for (unsigned k = 0; k < 4; k++) {
                        memcpy(point, spki.key, size);
                        point[(size - 1) * (k & 1) + (k >> 1)  * (k & 1 ? 0 : size / 2)] ^= 1;
                        check_refused("beside the curve", curves[i], point, size);
                }
        }
}

static void test_out_of_the_group(void **state) {
        static const OapKeyExchange groups[] = { OAP_FFDHE2048, OAP_FFDHE3072, OAP_FFDHE4096 };

        for (size_t i = 0; i < ELEMENTSOF(groups); i++) {
                uint8_t y[PUBLIC_BYTES_MAX];
                const uint8_t *prime;
                size_t size = 0;

                prime = spki_prime(groups[i], &size);
                assert_non_null(prime);
                check_refused("1", groups[i], (const uint8_t *) "\1", 1);
                memcpy(y, prime, size);
                check_refused("p", groups[i], y, size);
                y[size - 1]--;
                check_refused("p - 1", groups[i], y, size);
                y[size - 1]--;
                check_refused("p - 2, no square", groups[i], y, size);
                memset(y, 0xff, size);
                check_refused("2^n - 1", groups[i], y, size);
        }
}

/* A key of another exchange, and one that we do not have. */
static void test_others(void **state) {
        for (OapKeyExchange a = 0; a < _OAP_KEY_EXCHANGE_OURS_MAX; a++)
                for (OapKeyExchange b = 0; b < _OAP_KEY_EXCHANGE_OURS_MAX; b++) {
                        _cleanup_(key_exchange_freep) KeyExchange *x = NULL;
                        uint8_t peer[FILE_BYTES_MAX], secret[KEY_EXCHANGE_SECRET_MAX];
                        size_t size = load(b, "peer.der", peer);
                        ssize_t n;

                        if (a == b)
                                continue;
                        assert_int_equal(key_exchange_new(a, seed, &x), 0);
                        n = key_exchange_derive(x, peer, size, secret);
                        assert_int_equal(n, -EBADMSG);
                }

        for (int kex = _OAP_KEY_EXCHANGE_OURS_MAX; kex <= _OAP_KEY_EXCHANGE_MAX; kex++) {
                KeyExchange *x;

                assert_int_equal(key_exchange_new((OapKeyExchange) kex, seed, &x), -EOPNOTSUPP);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_known_answers),
                cmocka_unit_test(test_x25519_of_reference),
                cmocka_unit_test(test_both_ways),
                cmocka_unit_test(test_leading_zeros),
                cmocka_unit_test(test_small_order),
                cmocka_unit_test(test_off_the_curve),
                cmocka_unit_test(test_out_of_the_group),
                cmocka_unit_test(test_others),
        };

        key_exchange_wipe_memory();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
