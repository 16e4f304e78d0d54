/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Public keys as DER: what is taken, byte by byte, and what is not. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/auth/key-exchange.h"
#include "services/auth/spki.h"

#define KEY32 "0123456789abcdefghijklmnopqrstuv"
#define X25519_OID "\x06\x03\x2b\x65\x6e"
#define WIRE(literal) (const uint8_t *) (literal), sizeof(literal) - 1

static const struct {
        const char *name;
        const uint8_t *data;
        size_t size;
        int r;
} cases[] = {
        { "X25519",                  WIRE("\x30\x2a\x30\x05" X25519_OID "\x03\x21\0" KEY32), 0 },
        { "nothing",                 WIRE(""), -EBADMSG },
        { "a byte behind",           WIRE("\x30\x2a\x30\x05" X25519_OID "\x03\x21\0" KEY32 "x"), -EBADMSG },
        { "a byte inside",           WIRE("\x30\x2b\x30\x05" X25519_OID "\x03\x21\0" KEY32 "x"), -EBADMSG },
        { "a byte less",             WIRE("\x30\x29\x30\x05" X25519_OID "\x03\x20\0" "0123456789abcdefghijklmnopqrstu"),
          -EBADMSG },
        { "cut off",                 WIRE("\x30\x2a\x30\x05" X25519_OID "\x03\x21\0" "0123456789abcdefghijklmnopqrstu"),
          -EBADMSG },
        { "unused bits",             WIRE("\x30\x2a\x30\x05" X25519_OID "\x03\x21\1" KEY32), -EBADMSG },
        { "no bits",                 WIRE("\x30\x09\x30\x05" X25519_OID "\x03\x00"), -EBADMSG },
        { "parameters NULL",         WIRE("\x30\x2c\x30\x07" X25519_OID "\x05\0" "\x03\x21\0" KEY32), -EBADMSG },
        { "long length",             WIRE("\x30\x81\x2a\x30\x05" X25519_OID "\x03\x21\0" KEY32), -EBADMSG },
        { "longer length",           WIRE("\x30\x82\0\x2a\x30\x05" X25519_OID "\x03\x21\0" KEY32), -EBADMSG },
        { "length of four bytes",    WIRE("\x30\x84\0\0\0\x2a\x30\x05" X25519_OID "\x03\x21\0" KEY32), -EBADMSG },
        { "no length",               WIRE("\x30\x80\x30\x05" X25519_OID "\x03\x21\0" KEY32 "\0\0"), -EBADMSG },
        { "length of all",           WIRE("\x30\xff\x30\x05" X25519_OID "\x03\x21\0" KEY32), -EBADMSG },
        { "other tag",               WIRE("\x31\x2a\x30\x05" X25519_OID "\x03\x21\0" KEY32), -EBADMSG },
        { "OID empty",               WIRE("\x30\x27\x30\x02\x06\x00\x03\x21\0" KEY32), -EOPNOTSUPP },
        { "OID overruns",            WIRE("\x30\x2a\x30\x05\x06\x04\x2b\x65\x6e\x03\x21\0" KEY32), -EBADMSG },
        { "Ed25519 is no exchange",  WIRE("\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\0" KEY32), -EOPNOTSUPP },
        { "RSA is no exchange",      WIRE("\x30\x14\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\0\x03\x03"
                                          "\0\x30\0"), -EOPNOTSUPP },
        { "secp256k1",               WIRE("\x30\x16\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04"
                                          "\x00\x0a\x03\x02\x00\x04"), -EOPNOTSUPP },
        { "P-256, no point",         WIRE("\x30\x19\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48"
                                          "\xce\x3d\x03\x01\x07\x03\x02\x00\x04"), -EBADMSG },
        { "P-256 at infinity",       WIRE("\x30\x19\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48"
                                          "\xce\x3d\x03\x01\x07\x03\x02\x00\x00"), -EBADMSG },
        { "P-256, no curve",         WIRE("\x30\x0f\x30\x09\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x03\x02\x00\x04"),
          -EBADMSG },
        { "P-256, two curves",       WIRE("\x30\x1b\x30\x15\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48"
                                          "\xce\x3d\x03\x01\x07\x05\0\x03\x02\x00\x04"), -EBADMSG },
        { "DH of a small prime",     WIRE("\x30\x1d\x30\x15\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x03\x01\x30\x08\x02"
                                          "\x02\x00\xfb\x02\x01\x02\x03\x04\0\x02\x01\x05"), -EBADMSG },
        { "DH, and it is counted right", WIRE("\x30\x1d\x30\x15\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x03\x01\x30\x07"
                                              "\x02\x02\x00\xfb\x02\x01\x02\x03\x04\0\x02\x01\x05"), -EBADMSG },
        { "DH of a small prime, right", WIRE("\x30\x1a\x30\x14\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x03\x01\x30\x07"
                                             "\x02\x02\x00\xfb\x02\x01\x02\x03\x02\0\x02"), -EBADMSG },
        { "DH of another group",     WIRE("\x30\x1c\x30\x14\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x03\x01\x30\x07\x02"
                                          "\x02\x00\xfb\x02\x01\x02\x03\x04\0\x02\x01\x05"), -EOPNOTSUPP },
        { "DH, negative key",        WIRE("\x30\x1c\x30\x14\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x03\x01\x30\x07\x02"
                                          "\x02\x00\xfb\x02\x01\x02\x03\x04\0\x02\x01\x85"), -EBADMSG },
        { "DH, padded prime",        WIRE("\x30\x1c\x30\x14\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x03\x01\x30\x07\x02"
                                          "\x02\x00\x7b\x02\x01\x02\x03\x04\0\x02\x01\x05"), -EBADMSG },
        { "DH, empty number",        WIRE("\x30\x1b\x30\x13\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x03\x01\x30\x06\x02"
                                          "\x02\x00\xfb\x02\x00\x03\x04\0\x02\x01\x05"), -EBADMSG },
        { "X9.42",                   WIRE("\x30\x13\x30\x0b\x06\x07\x2a\x86\x48\xce\x3e\x02\x01\x30\0\x03\x04\0\x02"
                                          "\x01\x05"), -EOPNOTSUPP },
};

static void test_cases(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Spki spki = { .kex = OAP_P521, .key = NULL };

                print_message("%s\n", cases[i].name);
                assert_int_equal(spki_parse(cases[i].data, cases[i].size, &spki), cases[i].r);
                if (cases[i].r < 0) {
                        assert_null(spki.key);          /* untouched on failure */
                        continue;
                }
                assert_int_equal(spki.kex, OAP_X25519);
                assert_memory_equal(spki.key, KEY32, 32);
        }
}

/* What we write has the size and the beginning that the reference's has, is read again, and shorter is nothing. */
static void test_ours(void **state) {
        static const struct {
                size_t size;
                const char *prefix;
                size_t prefix_size;
        } expected[_OAP_KEY_EXCHANGE_OURS_MAX] = {
                [OAP_FFDHE2048] = { 552, "\x30\x82\x02\x24\x30\x82\x01\x17\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x03"
                                         "\x01\x30\x82\x01\x08\x02\x82\x01\x01\x00", 28 },
                [OAP_P256] = { 91, "\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d"
                                   "\x03\x01\x07\x03\x42\x00\x04", 27 },
                [OAP_X25519] = { 44, "\x30\x2a\x30\x05\x06\x03\x2b\x65\x6e\x03\x21\x00", 12 },
                [OAP_FFDHE3072] = { 808, "\x30\x82\x03\x24", 4 },
                [OAP_P384] = { 120, "\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22"
                                    "\x03\x62\x00\x04", 24 },
                [OAP_FFDHE4096] = { 1064, "\x30\x82\x04\x24", 4 },
                [OAP_X448] = { 68, "\x30\x42\x30\x05\x06\x03\x2b\x65\x6f\x03\x39\x00", 12 },
                [OAP_P521] = { 158, "\x30\x81\x9b\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00"
                                    "\x23\x03\x81\x86\x00\x04", 26 },
        };

        for (OapKeyExchange kex = 0; kex < _OAP_KEY_EXCHANGE_OURS_MAX; kex++) {
                uint8_t key[512], packed[SPKI_BYTES_MAX];
                Spki spki = { kex, key, 0 }, again;
                ssize_t n;

                print_message("%s\n", oap_key_exchange_to_string(kex));
                spki.key_size =
                        spki_field_bytes(kex) *
                        (expected[kex].size == 91 || expected[kex].size == 120 || expected[kex].size == 158 ? 2 : 1);
                memset(key, 0x7f, sizeof(key));
                n = spki_pack(&spki, packed, sizeof(packed));
                assert_int_equal(n, expected[kex].size);
                assert_memory_equal(packed, expected[kex].prefix, expected[kex].prefix_size);
                assert_int_equal(spki_parse(packed, (size_t) n, &again), 0);
                assert_int_equal(again.kex, kex);
                assert_int_equal(again.key_size, spki.key_size);
                assert_memory_equal(again.key, key, spki.key_size);

                for (size_t i = 0; i < (size_t) n; i++) {
                        assert_int_equal(spki_pack(&spki, packed, i), -ENOBUFS);
                        assert_true(spki_pack(&spki, packed, sizeof(packed)) == n);
                        assert_int_equal(spki_parse(packed, i, &again), -EBADMSG);
                }

                /* In a number a sign bit needs a byte in front. */
                memset(key, 0x80, sizeof(key));
                n = spki_pack(&spki, packed, sizeof(packed));
                assert_int_equal(n, expected[kex].size + (expected[kex].size > 500 ? 1 : 0));
                assert_int_equal(spki_parse(packed, (size_t) n, &again), 0);
                assert_memory_equal(again.key, key, spki.key_size);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_cases),
                cmocka_unit_test(test_ours),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
