/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The numbers and ranks of the wire, one by one. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/common/oap-algorithm.h"

static const struct {
        const char *name;
        uint16_t id;
        uint8_t rank;
        bool ours;
        int hash;
} ciphers[] = {
        { "aes-128-ctr", 0x0388, 1, false },
        { "aes-192-ctr", 0x0389, 2, false },
        { "aes-256-ctr", 0x038a, 3, false },
        { "aes-128-gcm", 0x037f, 4, true },
        { "aes-192-gcm", 0x0382, 5, true },
        { "aes-256-gcm", 0x0385, 6, true },
        { "chacha20-poly1305", 0x03fa, 7, true },
}, digests[] = {
        { "blake2s256", 0x0421, 1, false, -EOPNOTSUPP },
        { "sha256", 0x02a0, 2, true, HASH_SHA256 },
        { "sha3-256", 0x0449, 3, true, HASH_SHA3_256 },
        { "sha384", 0x02a1, 4, true, HASH_SHA384 },
        { "sha3-384", 0x044a, 5, true, HASH_SHA3_384 },
        { "blake2b512", 0x0420, 6, false, -EOPNOTSUPP },
        { "sha512", 0x02a2, 7, true, HASH_SHA512 },
        { "sha3-512", 0x044b, 8, true, HASH_SHA3_512 },
};

static void test_tables(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(ciphers); i++) {
                const OapAlgorithm *a = oap_cipher_by_name(ciphers[i].name);

                print_message("%s\n", ciphers[i].name);
                assert_non_null(a);
                assert_ptr_equal(oap_cipher_by_id(ciphers[i].id), a);
                assert_int_equal(a->id, ciphers[i].id);
                assert_int_equal(a->rank, ciphers[i].rank);
                assert_int_equal(!a->refusal, ciphers[i].ours);
        }
        for (size_t i = 0; i < ELEMENTSOF(digests); i++) {
                const OapAlgorithm *a = oap_digest_by_name(digests[i].name);

                print_message("%s\n", digests[i].name);
                assert_non_null(a);
                assert_ptr_equal(oap_digest_by_id(digests[i].id), a);
                assert_int_equal(a->id, digests[i].id);
                assert_int_equal(a->rank, digests[i].rank);
                assert_int_equal(a->hash, digests[i].hash);
                assert_int_equal(!a->refusal, digests[i].ours);
        }
}

static void test_unknown(void **state) {
        unsigned n_ciphers = 0, n_digests = 0;

        for (unsigned id = 0; id <= UINT16_MAX; id++) {
                n_ciphers += oap_cipher_by_id((uint16_t) id) != NULL;
                n_digests += oap_digest_by_id((uint16_t) id) != NULL;
        }
        assert_int_equal(n_ciphers, ELEMENTSOF(ciphers));
        assert_int_equal(n_digests, ELEMENTSOF(digests));
        assert_null(oap_digest_by_id(1096));            /* what a header of the reference has for SHA3-256 */
        assert_null(oap_cipher_by_name(NULL));
        assert_null(oap_digest_by_name(""));
        assert_null(oap_cipher_by_name("AES-128-GCM"));
}

static void test_not_below(void **state) {
        assert_string_equal(oap_cipher_not_below(0)->name, "aes-128-gcm");
        assert_string_equal(oap_cipher_not_below(3)->name, "aes-128-gcm");
        assert_string_equal(oap_cipher_not_below(7)->name, "chacha20-poly1305");
        assert_null(oap_cipher_not_below(8));
        assert_string_equal(oap_digest_not_below(1)->name, "sha256");
        assert_string_equal(oap_digest_not_below(6)->name, "sha512");
        assert_null(oap_digest_not_below(9));
}

static void test_key_exchanges(void **state) {
        static const char *const names[] = {
                "ffdhe2048",  "prime256v1", "X25519",     "ffdhe3072",  "secp384r1",   "ffdhe4096",      "X448",
                "secp521r1",  "ML-KEM-512", "ML-KEM-768", "ML-KEM-1024", "X25519MLKEM768", "X448MLKEM1024",
        };

        assert_int_equal(ELEMENTSOF(names), _OAP_KEY_EXCHANGE_MAX);
        for (int i = 0; i < _OAP_KEY_EXCHANGE_MAX; i++) {
                assert_string_equal(oap_key_exchange_to_string((OapKeyExchange) i), names[i]);
                assert_int_equal(oap_key_exchange_from_string(names[i]), i);
                assert_int_equal(!oap_key_exchange_refusal((OapKeyExchange) i), i < 8);
        }
        assert_non_null(oap_key_exchange_refusal(_OAP_KEY_EXCHANGE_MAX));
        assert_non_null(oap_key_exchange_refusal(_OAP_KEY_EXCHANGE_INVALID));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_tables),
                cmocka_unit_test(test_unknown),
                cmocka_unit_test(test_not_below),
                cmocka_unit_test(test_key_exchanges),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
