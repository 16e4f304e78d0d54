/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The reference suite: packets that the reference made, and the reference's own way of rotating keys at the other end
 * (tests/support/reference-seal.h), under any loss.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "libo7s/seal-reference.h"
#include "tests/sim/seal-run.h"
#include "tests/support/reference-seal.h"
#include "tests/support/seal-pair.h"

#define KEY "a608008232134de9dd4288bb3a5a7129f74ea6a908fbfafe0966472a4ced9a14"
#define SALT "37fa99e246489571da65e8fd128b32c4781ad885f48dc239ca1955a2dcaf2fc0"
#define KEY_1 "09509187efde2aefb92ebd90ef44ed4389e21daa55cfa3e255eb25a8de543ec2"
#define KEY_2 "fb175dd863f54a1ba25209d9c73b052ca8a75bc2dc8fe5cfa14fde9dea6663b9"

static size_t from_hex(const char *hex, uint8_t *ret, size_t size) {
        static const char digits[] = "0123456789abcdef";
        size_t n = strlen(hex) / 2;

        assert_true(n <= size);
        for (size_t i = 0; i < n; i++)
                ret[i] = (uint8_t) ((strchr(digits, hex[2 * i]) - digits) << 4 | (strchr(digits,
                                                                                         hex[2 * i + 1]) - digits));

        return n;
}

static void make_keys(SealCipher cipher, SealKeys *ret) {
        *ret = (SealKeys) { .suite = SEAL_REFERENCE, .cipher = cipher };
        (void) from_hex(KEY, ret->send, sizeof(ret->send));
        memcpy(ret->receive, ret->send, sizeof(ret->receive));
}

static void new_seal(const SealKeys *keys, Seal **ret) {
        const uint8_t seed[SEAL_SEED_BYTES] = { 1 };

        assert_int_equal(seal_new(keys, NULL, seed, 0, ret), 0);
}

/* -- known answers: "hello" -- */

static const struct {
        const char *name;
        SealCipher cipher;
        gnutls_cipher_algorithm_t algorithm;
        const char *key, *packet;
} answers[] = {
        { "aes-128-gcm", SEAL_AES_128_GCM, GNUTLS_CIPHER_AES_128_GCM, KEY,
          "06338f5f0e96ff6f183c6c36747765c9e85ece359f9970c2eab1d9a4ac119621bd" },
        { "aes-192-gcm", SEAL_AES_192_GCM, GNUTLS_CIPHER_AES_192_GCM, KEY,
          "7ba49b94b02f266a6bcbfaf59892f4c53270191ae87962e106bd27619b8e864017" },
        { "aes-256-gcm", SEAL_AES_256_GCM, GNUTLS_CIPHER_AES_256_GCM, KEY,
          "4068b7c7e4b39161192b2e9bca73bbab341150c259fe8b288b63cd77e252b12b0f" },
        { "chacha20-poly1305", SEAL_CHACHA20_POLY1305, GNUTLS_CIPHER_CHACHA20_POLY1305, KEY,
          "1b916b23cbdaaad7eba83a3d3c69ca6f828bbc6cc224d520912d701f3d0e336f90" },
        { "aes-256-gcm, first rotation", SEAL_AES_256_GCM, GNUTLS_CIPHER_AES_256_GCM, KEY_1,
          "e278e667e17888c58dcd7ec62d646cdc43bd29cc11360957ea6fc0c59449484276" },
        { "aes-256-gcm, second rotation", SEAL_AES_256_GCM, GNUTLS_CIPHER_AES_256_GCM, KEY_2,
          "4f0a97e353a340f771618d0a6dac2c589c0a015b55fa1cc26c84c80c352f286163" },
};

static void test_known_packets(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                _cleanup_(seal_freep) Seal *seal = NULL;
                uint8_t packet[64], content[64] = {};
                SealKeys keys;
                size_t n;

                print_message("%s\n", answers[i].name);
                make_keys(answers[i].cipher, &keys);
                new_seal(&keys, &seal);
                n = from_hex(answers[i].packet, packet, sizeof(packet));
                assert_int_equal(seal_open(seal, 0, packet, n, content, sizeof(content)), 5);
                assert_memory_equal(content, "hello", 5);
                assert_int_equal(seal_open(seal, 0, packet, n, content, sizeof(content)), -EALREADY);
        }
}

/* The same nonces under the same keys give the same packets: what we make is what they would. */
static void test_known_encryption(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                _cleanup_(seal_aead_done) SealAead aead = {};
                uint8_t key[32], packet[64], made[64];
                size_t n = from_hex(answers[i].packet, packet, sizeof(packet));

                (void) from_hex(answers[i].key, key, sizeof(key));
                assert_int_equal(seal_aead_init(&aead, answers[i].cipher, key), 0);
                memcpy(made, packet, SEAL_NONCE_BYTES);
                assert_int_equal(seal_aead_encrypt(&aead, packet, NULL, 0, "hello", 5, made + SEAL_NONCE_BYTES), 0);
                assert_memory_equal(made, packet, n);
        }
}

static void test_known_rotation(void **state) {
        uint8_t key[32], salt[32], expected[32];

        (void) from_hex(KEY, key, sizeof(key));
        seal_schedule_reference_salt(key, salt);
        (void) from_hex(SALT, expected, sizeof(expected));
        assert_memory_equal(salt, expected, sizeof(salt));
        seal_schedule_reference_next(salt, key);
        (void) from_hex(KEY_1, expected, sizeof(expected));
        assert_memory_equal(key, expected, sizeof(key));
        seal_schedule_reference_next(salt, key);
        (void) from_hex(KEY_2, expected, sizeof(expected));
        assert_memory_equal(key, expected, sizeof(key));
}

/* What we protect, opened by somebody else, with each cipher. Nonces differ in more than a counter would. */
static void test_ours_for_them(void **state) {
        for (size_t i = 0; i < 4; i++) {
                _cleanup_(seal_freep) Seal *seal = NULL;
                uint8_t packets[2][64], content[64];
                ReferenceSeal reference;
                SealKeys keys;

                make_keys(answers[i].cipher, &keys);
                new_seal(&keys, &seal);
                reference_seal_init(&reference, answers[i].algorithm, keys.send, 1U << 20, 1);
                for (unsigned n = 0; n < 100; n++) {
                        uint8_t *packet = packets[n % 2];

                        assert_int_equal(seal_protect(seal, 0, "hello", 5, packet, 64), 33);
                        assert_int_equal(packet[0] & 0x80, 0);
                        assert_int_equal(reference_seal_open(&reference, packet, 33, content), 5);
                        assert_memory_equal(content, "hello", 5);
                        if (n > 0)
                                assert_true(memcmp(packets[0] + 1, packets[1] + 1, 5) != 0 &&
                                            memcmp(packets[0] + 6, packets[1] + 6, 6) != 0);
                }
                reference_seal_done(&reference);
        }
}

static int compare_words(const void *a, const void *b) {
        return memcmp(a, b, sizeof(uint64_t));
}

/* Our nonces never repeat, and come back as ours however much later, after many rotations. */
static void test_nonces(void **state) {
        const SealLimits limits = { .epoch_packets = 1U << 10 };
        const unsigned n = 1U << 16;
        _cleanup_free_ uint64_t *seen = calloc(n, sizeof(*seen));
        uint8_t first[64], packet[64], content[64];
        SealKeys keys[2];
        SealPair p;
        unsigned n_phases = 0;

        assert_non_null(seen);
        seal_pair_keys(SEAL_REFERENCE, SEAL_AES_128_GCM, false, keys);
        seal_pair_init(&p, keys, &limits);
        assert_int_equal(seal_protect(p.ends[0], p.now, "hello", 5, first, sizeof(first)), 33);
        for (unsigned i = 0; i < n; i++) {
                assert_int_equal(seal_protect(p.ends[0], p.now, "hello", 5, packet, sizeof(packet)), 33);
                memcpy(&seen[i], packet + 4, sizeof(seen[i]));
                n_phases += packet[0] >> 7;
                assert_int_equal(seal_open(p.ends[1], p.now, packet, 33, content, sizeof(content)), 5);
                assert_int_equal(seal_pair_pass(&p, 1, 5), 5);
        }
        qsort(seen, n, sizeof(*seen), compare_words);
        for (unsigned i = 1; i < n; i++)
                assert_int_not_equal(seen[i - 1], seen[i]);
        assert_in_range(n_phases, n / 3, 2 * n / 3);
        assert_int_equal(seal_open(p.ends[0], p.now, first, 33, content, sizeof(content)), -EALREADY);
        assert_int_equal(seal_open(p.ends[0], p.now, packet, 33, content, sizeof(content)), -EALREADY);
        assert_true(seal_counters(p.ends[0])->n_epochs > 20);
        seal_pair_done(&p);
}

/* -- the reference's own end of the flow -- */

static SealRunOptions base(void) {
        return (SealRunOptions) {
                .suite = SEAL_REFERENCE, .references = { false, true }, .seed = 1, .n_packets = 40000, .share = 0.5,
                .duplicate = 0.02, .reorder = 0.05, .gap = 10 * NSEC_PER_USEC, .delay = 100 * NSEC_PER_USEC,
                .jitter = NSEC_PER_MSEC, .limits = { .epoch_packets = 4096 },
        };
}

static void run(const SealRunOptions *options, SealRunResult *ret) {
        assert_int_equal(seal_run(options, ret), 0);
        assert_int_equal(ret->n_altered, 0);
        assert_int_equal(ret->n_twice, 0);
        assert_int_equal(ret->n_refused, 0);
}

/* Any division of the traffic, any loss, and both ways to read when the previous key is forgotten: whatever arrives
 * opens. */
static void test_reference_peer(void **state) {
        static const double shares[] = { 0.01, 0.1, 0.5, 0.9, 0.99 };
        static const double losses[][2] = { { 0, 0 }, { 0.1, 0 }, { 0.1, 0.1 }, { 0.5, 0.5 } };

        for (size_t i = 0; i < ELEMENTSOF(shares); i++)
                for (size_t k = 0; k < ELEMENTSOF(losses); k++)
                        for (unsigned early = 0; early < 2; early++) {
                                SealRunOptions options = base();
                                SealRunResult result;

                                options.share = shares[i];
                                options.forgets_early = early;
                                memcpy(options.loss, losses[k], sizeof(options.loss));
                                options.seed = 1 + i * 100 + k * 2 + early;
                                run(&options, &result);
                                for (unsigned from = 0; from < 2; from++) {
                                        assert_int_equal(result.n_undecryptable[from], 0);
                                        assert_int_equal(result.n_opened[from], result.n_arrived[from]);
                                }
                                if (shares[i] <= 0.5)
                                        assert_true(result.n_rotations >= 2);
                        }
}

/* One way only, both ways of it. The peer rotates when it sends; to a peer that is silent one key serves. */
static void test_one_way(void **state) {
        for (unsigned from = 0; from < 2; from++)
                for (unsigned early = 0; early < 2; early++) {
                        SealRunOptions options = base();
                        SealRunResult result;

                        options.share = from == 0;
                        options.loss[0] = options.loss[1] = 0.3;
                        options.forgets_early = early;
                        run(&options, &result);
                        assert_int_equal(result.n_undecryptable[from], 0);
                        assert_true(result.n_opened[from] > 25000);
                        assert_int_equal(result.n_rotations, from == 0 ? 0 : 9);
                }
}

/* The same runs with the reference at both ends lose nearly everything: that is what the rest is about. */
static void test_reference_with_itself(void **state) {
        SealRunOptions options = base();
        SealRunResult result;

        options.references[0] = true;
        options.share = 0.75;
        options.duplicate = options.reorder = 0;
        run(&options, &result);
        assert_int_equal(result.n_undecryptable[0] + result.n_undecryptable[1], 0);     /* without loss */

        options.loss[0] = options.loss[1] = 0.1;
        options.n_packets = 200000;
        run(&options, &result);
        assert_true(result.n_undecryptable[0] > result.n_arrived[0] / 2);
}

/* Rotation every 16 packets, half of the traffic each, a tenth lost one way: the reference with itself, and with us. */
static void test_short_interval(void **state) {
        for (unsigned ours = 0; ours < 2; ours++) {
                SealRunOptions options = base();
                SealRunResult result;
                uint64_t n;

                options.references[0] = !ours;
                options.limits.epoch_packets = 16;
                options.delay = options.jitter = 0;
                options.duplicate = options.reorder = 0;
                options.loss[0] = 0.1;
                options.n_packets = 20000;
                run(&options, &result);
                n = result.n_undecryptable[0] + result.n_undecryptable[1];
                print_message("%s: %u of 20000\n", ours ? "ours" : "theirs", (unsigned) n);
                if (ours)
                        assert_true(n < 400);           /* half of a rotation may be one end's in a row */
                else
                        assert_true(n > 10000);
        }
}

/* One direction goes dark for many rotations. What the peer cannot open then nobody could make for it; afterwards all
 * is well. */
static void test_black_outs(void **state) {
        for (uint64_t seed = 1; seed <= 5; seed++) {
                SealRunOptions options = base();
                SealRunResult result;

                options.seed = seed;
                options.share = 0.6;
                options.n_packets = 200000;
                options.black_every = 40000;
                options.black_packets = 10000 + seed * 1000;
                run(&options, &result);
                assert_true(result.n_arrived[0] > 80000);
                for (unsigned from = 0; from < 2; from++)
                        assert_int_equal(result.n_undecryptable[from], result.n_dark[from]);
                assert_true(result.n_dark[0] + result.n_dark[1] < result.n_arrived[0] / 3);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_known_packets),
                cmocka_unit_test(test_known_encryption),
                cmocka_unit_test(test_known_rotation),
                cmocka_unit_test(test_ours_for_them),
                cmocka_unit_test(test_nonces),
                cmocka_unit_test(test_reference_peer),
                cmocka_unit_test(test_one_way),
                cmocka_unit_test(test_reference_with_itself),
                cmocka_unit_test(test_short_interval),
                cmocka_unit_test(test_black_outs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
