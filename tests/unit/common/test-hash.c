/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Digests against known answers: names as hosts of the reference hash them, and the standards' own. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "basic/string.h"
#include "services/common/hash.h"

static const struct {
        HashAlgorithm algorithm;
        const char *text;
        const char *digest;
} answers[] = {
        { HASH_SHA3_224, "oping", "e098ae7fb0190561dffca699eccb4dcf605f900ee2fe18c71b5efee7" },
        { HASH_SHA3_256, "oping", "42dee3b0415b4f690fd91cbd99876f1e9bd8d9745ef7fa32b142773af0349d54" },
        { HASH_SHA3_384, "oping", "f4bc2e52efd45603cca0ec4354a721c800d6249f1605b709ed4c8a173345ffb0"
                                  "a0813ce0e5bb1c2671c6490481bfaee0" },
        { HASH_SHA3_512, "oping", "154543ae811fc58c39527179b48c4c2cf0ba817b3d785a49e878584514eeeffd"
                                  "19e861cbcd22d07488f1c713ae63e697eaa3b3ddfc43cb2078b0f9e1ed42511f" },
        { HASH_MD5,      "oping", "7862c6fec5ecaef4aa2e3934725e23b3" },
        { HASH_CRC32,    "123456789", "cbf43926" },
        { HASH_CRC32,    "",      "00000000" },
        { HASH_CRC32,    "a",     "e8b7be43" },
        { HASH_SHA256,   "abc",   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { HASH_SHA384,   "abc",   "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
                                  "8086072ba1e7cc2358baeca134c825a7" },
        { HASH_SHA512,   "abc",   "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                                  "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
        { HASH_SHA3_256, "",      "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a" },
        { HASH_SHA3_256, "u.a",   "8c513bea078439c6d6e5685bb125cba666c1b31cba5713e21a313819d8b345d1" },
        { HASH_SHA3_256, "t1s",   "874a7285276f93c3ac443109c7e6305fb19986b81ed7505b45957ebf3dd8d514" },
};

static void test_known_answers(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                uint8_t digest[HASH_BYTES_MAX];
                char hex[2 * HASH_BYTES_MAX + 1];
                ssize_t n;

                print_message("%s of \"%s\"\n", hash_algorithm_to_string(answers[i].algorithm),
                              answers[i].text);
                n = hash_compute(answers[i].algorithm, answers[i].text, strlen(answers[i].text), digest);
                assert_int_equal(n, hash_size(answers[i].algorithm));
                assert_string_equal(hex_encode(hex, digest, (size_t) n), answers[i].digest);
        }
}

/* The numbers are the wire's and must never move. */
static void test_numbers(void **state) {
        static const struct {
                int number;
                const char *name;
                size_t size;
        } numbers[] = {
                { 0, "sha3-224", 28 }, { 1, "sha3-256", 32 }, { 2, "sha3-384", 48 },
                { 3, "sha3-512", 64 }, { 4, "crc32", 4 },     { 5, "md5", 16 },
        };

        assert_int_equal(_HASH_DIRECTORY_MAX, ELEMENTSOF(numbers));
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
                assert_int_equal(hash_algorithm_from_string(numbers[i].name), numbers[i].number);
                assert_string_equal(hash_algorithm_to_string((HashAlgorithm) numbers[i].number),
                                    numbers[i].name);
                assert_int_equal(hash_size((HashAlgorithm) numbers[i].number), numbers[i].size);
        }
}

static void test_unknown(void **state) {
        uint8_t digest[HASH_BYTES_MAX];

        assert_int_equal(hash_size(_HASH_ALGORITHM_MAX), 0);
        assert_int_equal(hash_size(_HASH_ALGORITHM_INVALID), 0);
        assert_int_equal(hash_compute(_HASH_ALGORITHM_MAX, "", 0, digest), -EOPNOTSUPP);
        assert_int_equal(hash_compute(_HASH_ALGORITHM_INVALID, NULL, 0, digest), -EOPNOTSUPP);
        assert_null(hash_algorithm_to_string(_HASH_ALGORITHM_MAX));
        assert_int_equal(hash_algorithm_from_string("sha1"), _HASH_ALGORITHM_INVALID);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_known_answers),
                cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_unknown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
