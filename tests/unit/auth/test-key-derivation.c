/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* HKDF and the key schedules: known answers of RFC 5869 and of the reference's library, and that o7s keys depend on
 * everything that they have to. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "services/auth/key-derivation.h"
#include "services/common/oap-algorithm.h"

static const char spki_a[] = "302a300506032b656e03210007a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c";
static const char spki_b[] = "302a300506032b656e03210079a631eede1bf9c98f12032cdeadd0e7a079398fc786b88cc846ec89af85a51a";
static const char secret_z[] = "ae4440cc8d7faddb2894172b78e3d745cafa0098bcc10d7ee0fda08fa85a9a2e";

static size_t unhex(const char *text, uint8_t *ret, size_t size) {
        size_t n = strlen(text) / 2;

        assert_true(n <= size);
        for (size_t i = 0; i < n; i++) {
                unsigned byte;

                assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
                ret[i] = (uint8_t) byte;
        }
        return n;
}

/* RFC 5869, A.1 to A.3: SHA-256. */
static void test_hkdf(void **state) {
        static const struct {
                const char *ikm, *salt, *info, *prk, *okm;
        } cases[] = {
                { "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
                  "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
                  "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865" },
                { "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
                  "303132333435363738393a3b3c3d3e3f"
                  "404142434445464748494a4b4c4d4e4f",
                  "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f"
                  "909192939495969798999a9b9c9d9e9f"
                  "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
                  "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
                  "e0e1e2e3e4e5e6e7e8e9eaebecedeeef"
                  "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
                  "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
                  "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
                  "da3275600c2f09b8367793a9aca3db71"
                  "cc30c58179ec3e87c14c01d5c1f3434f1d87" },
                { "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
                  "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
                  "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint8_t ikm[128], salt[128], info[128], expected[128], prk[HASH_BYTES_MAX], okm[128];
                size_t ikm_size = unhex(cases[i].ikm, ikm, sizeof(ikm)),
                       salt_size = unhex(cases[i].salt, salt, sizeof(salt)),
                       info_size = unhex(cases[i].info, info, sizeof(info)), n;

                assert_int_equal(hkdf_extract(HASH_SHA256, salt, salt_size, ikm, ikm_size, prk), 0);
                assert_int_equal(unhex(cases[i].prk, expected, sizeof(expected)), 32);
                assert_memory_equal(prk, expected, 32);
                n = unhex(cases[i].okm, expected, sizeof(expected));
                assert_int_equal(hkdf_expand(HASH_SHA256, prk, 32, info, info_size, okm, n), 0);
                assert_memory_equal(okm, expected, n);
        }
}

/* RFC 4231, cases 2 and 6; the FIPS 202 examples for SHA-3. */
static void test_hmac(void **state) {
        static const struct {
                HashAlgorithm hash;
                uint8_t key_byte;
                size_t key_size;
                const char *key, *data, *mac;
        } cases[] = {
                { HASH_SHA256, 0, 4, "Jefe", "what do ya want for nothing?",
                  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
                { HASH_SHA512, 0, 4, "Jefe", "what do ya want for nothing?",
                  "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd"
                  "caeab1a34d4a6b4b636e070a38bce737" },
                { HASH_SHA256, 0xaa, 131, NULL, "Test Using Larger Than Block-Size Key - Hash Key First",
                  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
                { HASH_SHA3_256, 0, 4, "Jefe", "what do ya want for nothing?",
                  "c7d4072e788877ae3596bbb0da73b887c9171f93095b294ae857fbe2645e1ba5" },
                { HASH_SHA3_384, 0, 4, "Jefe", "what do ya want for nothing?",
                  "f1101f8cbf9766fd6764d2ed61903f21ca9b18f57cf3e1a23ca13508a93243ce48c045dc007f26a21b3f5e0e9df4c20a" },
                { HASH_SHA3_512, 0, 4, "Jefe", "what do ya want for nothing?",
                  "5a4bfeab6166427c7a3647b747292b8384537cdb89afb3bf5665e4c5e709350b287baec921fd7ca0ee7a0c31d022a95e"
                  "1fc92ba9d77df883960275beb4e62024" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint8_t key[256], expected[64], mac[HASH_BYTES_MAX];
                size_t n = unhex(cases[i].mac, expected, sizeof(expected));

                memset(key, cases[i].key_byte, sizeof(key));
                if (cases[i].key)
                        memcpy(key, cases[i].key, cases[i].key_size);
                assert_int_equal(
                        hmac_compute(cases[i].hash, key, cases[i].key_size, cases[i].data, strlen(cases[i].data), mac),
                        n);
                assert_memory_equal(mac, expected, n);
        }

        assert_int_equal(hmac_compute(HASH_MD5, "k", 1, "d", 1, (uint8_t[HASH_BYTES_MAX]) {}), -EOPNOTSUPP);
        assert_int_equal(hkdf_expand(HASH_SHA256, "prk", 3, NULL, 0, (uint8_t[9000]) {}, 255 * 32 + 1), -EINVAL);
}

/* Made by the reference's library. */
static void test_reference_key(void **state) {
        static const struct {
                const char *kdf, *key;
        } cases[] = {
                { "sha256",   "a608008232134de9dd4288bb3a5a7129f74ea6a908fbfafe0966472a4ced9a14" },
                { "sha384",   "f23ae4cc2ae242e36143756b4360dce4045ffd2e9eead3530118def2b6373be3" },
                { "sha512",   "2b4e32d18a246328a62e3a818427cab3c05fdfb4c1b6920deab5dfd4113ce068" },
                { "sha3-256", "72fa0afc95068e9658b7a38b68c090112156457ec46cb2e223fe38ed663e29a2" },
                { "sha3-384", "8091a0e319c4cb97529ebbe7933465f1577c5caf48d13ee5c5a740c191df5e0d" },
                { "sha3-512", "4c604756497c8b5de53e80ee3d9a6cf8b2e38f438210f5c639e43aa248054ad9" },
        };
        uint8_t a[64], b[64], z[64];
        size_t size_a = unhex(spki_a, a, sizeof(a)), size_b = unhex(spki_b, b, sizeof(b)),
               size_z = unhex(secret_z, z, sizeof(z));

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const OapAlgorithm *kdf = oap_digest_by_name(cases[i].kdf);
                uint8_t key[SEAL_SECRET_BYTES], expected[SEAL_SECRET_BYTES];

                print_message("%s\n", cases[i].kdf);
                assert_non_null(kdf);
                (void) unhex(cases[i].key, expected, sizeof(expected));
                assert_int_equal(derive_reference_key((HashAlgorithm) kdf->hash, z, size_z, a, size_a, b, size_b, key),
                                 0);
                assert_memory_equal(key, expected, sizeof(key));
                assert_int_equal(derive_reference_key((HashAlgorithm) kdf->hash, z, size_z, b, size_b, a, size_a, key),
                                 0);
                assert_memory_equal(key, expected, sizeof(key));
        }

        assert_int_equal(derive_reference_key((HashAlgorithm) oap_digest_by_name("blake2b512")->hash, z, size_z, a,
                                              size_a, b, size_b, (uint8_t[SEAL_SECRET_BYTES]){}),
                         -EOPNOTSUPP);
}

/* Equal over the common length: the shorter one first. */
static void test_order(void **state) {
        uint8_t one[SEAL_SECRET_BYTES], other[SEAL_SECRET_BYTES];

        assert_int_equal(derive_reference_key(HASH_SHA256, "Z", 1, "ab", 2, "abc", 3, one), 0);
        assert_int_equal(derive_reference_key(HASH_SHA256, "Z", 1, "abc", 3, "ab", 2, other), 0);
        assert_memory_equal(one, other, sizeof(one));
        assert_int_equal(derive_reference_key(HASH_SHA256, "Z", 1, "abca", 4, "b", 1, other), 0);
        assert_memory_not_equal(one, other, sizeof(one));
}

/* Each purpose has a key of its own, both ends have the same, and all of them change with what they are made of. */
static void test_flow_secrets(void **state) {
        static const struct {
                HashAlgorithm hash;
                const char *secret, *transcript;
        } inputs[] = {
                { HASH_SHA256, "secret", "transcript" },
                { HASH_SHA256, "secreu", "transcript" },
                { HASH_SHA256, "secret", "transcripu" },
                { HASH_SHA384, "secret", "transcript" },
                { HASH_SHA3_512, "secret", "transcript" },
        };
        FlowSecrets all[ELEMENTSOF(inputs)];

        for (size_t i = 0; i < ELEMENTSOF(inputs); i++) {
                FlowSecrets *c = all + i, s;
                const uint8_t *keys[] = { c->seal.send, c->seal.receive, c->seal.agreement, c->control.send,
                                          c->control.receive,
                                          c->confirmation, c->exporter };
                uint8_t mac_c[OAP_DIGEST_BYTES], mac_s[OAP_DIGEST_BYTES];

                assert_int_equal(
                        derive_flow_secrets(inputs[i].hash, inputs[i].secret, 6, inputs[i].transcript, 10, true, c),
                        0);
                assert_int_equal(
                        derive_flow_secrets(inputs[i].hash, inputs[i].secret, 6, inputs[i].transcript, 10, false, &s),
                        0);
                assert_int_equal(c->seal.suite, SEAL_O7S);
                assert_true(c->seal.client && !s.seal.client && c->control.present && s.control.present);
                assert_memory_equal(c->seal.send, s.seal.receive, SEAL_SECRET_BYTES);
                assert_memory_equal(c->seal.receive, s.seal.send, SEAL_SECRET_BYTES);
                assert_memory_equal(c->control.send, s.control.receive, SEAL_SECRET_BYTES);
                assert_memory_equal(c->control.receive, s.control.send, SEAL_SECRET_BYTES);
                assert_memory_equal(c->seal.agreement, s.seal.agreement, SEAL_SECRET_BYTES);
                assert_memory_equal(c->seal.label, s.seal.label, SEAL_LABEL_BYTES);
                assert_memory_equal(c->exporter, s.exporter, SEAL_SECRET_BYTES);
                for (size_t k = 0; k < ELEMENTSOF(keys); k++)
                        for (size_t m = 0; m < k; m++)
                                assert_memory_not_equal(keys[k], keys[m], SEAL_SECRET_BYTES);
                for (size_t k = 0; k < i; k++)
                        assert_memory_not_equal(c->seal.send, all[k].seal.send, SEAL_SECRET_BYTES);

                assert_int_equal(derive_confirmation(c, "T", 1, mac_c), 0);
                assert_int_equal(derive_confirmation(&s, "T", 1, mac_s), 0);
                assert_memory_equal(mac_c, mac_s, sizeof(mac_c));
        }
}

/* By hand: prk = HMAC(transcript, secret), key = HMAC(prk, "o7s v1 c2s data" 01). */
static void test_labels(void **state) {
        uint8_t prk[HASH_BYTES_MAX], key[HASH_BYTES_MAX];
        FlowSecrets secrets;

        assert_int_equal(hmac_compute(HASH_SHA256, "transcript", 10, "secret", 6, prk), 32);
        assert_int_equal(derive_flow_secrets(HASH_SHA256, "secret", 6, "transcript", 10, true, &secrets), 0);
        assert_int_equal(hmac_compute(HASH_SHA256, prk, 32, "o7s v1 c2s data\1", 16, key), 32);
        assert_memory_equal(key, secrets.seal.send, 32);
        assert_int_equal(hmac_compute(HASH_SHA256, prk, 32, "o7s v1 s2c data\1", 16, key), 32);
        assert_memory_equal(key, secrets.seal.receive, 32);
        assert_int_equal(hmac_compute(HASH_SHA256, prk, 32, "o7s v1 label\1", 13, key), 32);
        assert_memory_equal(key, secrets.seal.label, SEAL_LABEL_BYTES);
        assert_int_equal(hmac_compute(HASH_SHA256, prk, 32, "o7s v1 confirmation\1", 20, key), 32);
        assert_memory_equal(key, secrets.confirmation, 32);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_hkdf),
                cmocka_unit_test(test_hmac),
                cmocka_unit_test(test_reference_key),
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_flow_secrets),
                cmocka_unit_test(test_labels),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
