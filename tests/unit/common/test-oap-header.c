/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The header of OAP messages: what is well formed, what is legal, and which numbers name an algorithm. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/common/oap.h"

/* id and stamp are 24 zero bytes in all of these; then cipher, kdf, digest, certificate, key, data. */
static const struct {
        const char *name;
        const char *rest;
        size_t size;
        size_t hash_size;
        int r;
        size_t certificate, key, data, signature;
} headers[] = {
#define ROW(text, hash) text, sizeof(text) - 1, hash
        { "plain",               ROW("\0\0\0\0\0\0\0\0\0\0\0\0", 0),                      0, 0, 0, 0, 0 },
        { "a byte short",        ROW("\0\0\0\0\0\0\0\0\0\0\0", 0),                        -EBADMSG },
        { "empty rest",          ROW("", 0),                                              -EBADMSG },
        { "trailing byte",       ROW("\0\0\0\0\0\0\0\0\0\0\0\0x", 0),                     -EBADMSG },
        { "data",                ROW("\0\0\0\0\0\0\0\0\0\0\0\3abc", 0),                   0, 0, 0, 3, 0 },
        { "data overruns",       ROW("\0\0\0\0\0\0\0\0\0\0\0\4abc", 0),                   -EBADMSG },
        { "key",                 ROW("\0\0\0\0\0\0\0\0\0\2\0\0kk", 0),                    0, 0, 2, 0, 0 },
        { "key with F and R",    ROW("\0\0\0\0\0\0\0\0\xc0\2\0\0kk", 0),                  0, 0, 2, 0, 0 },
        { "key overruns",        ROW("\0\0\0\0\0\0\0\0\x3f\xff\0\0kk", 0),                -EBADMSG },
        { "certificate",         ROW("\0\0\0\0\0\0\0\2\0\1\0\1cckd", 0),                  0, 2, 1, 1, 0 },
        { "signed",              ROW("\0\0\0\0\0\0\0\2\0\1\0\1cckdsss", 0),               0, 2, 1, 1, 3 },
        { "certificate overruns", ROW("\0\0\0\0\0\0\xff\xff\0\0\0\0cc", 0),               -EBADMSG },
        { "hash",                ROW("\0\0\0\0\0\0\0\0\0\0\0\1dhhhh", 4),                 0, 0, 0, 1, 0 },
        { "hash cut off",        ROW("\0\0\0\0\0\0\0\0\0\0\0\1dhhh", 4),                  -EBADMSG },
        { "hash, trailing byte", ROW("\0\0\0\0\0\0\0\0\0\0\0\1dhhhhh", 4),                -EBADMSG },
        { "all ids",             ROW("\3\x85\2\xa2\4\x49\0\0\0\0\0\0", 0),                0, 0, 0, 0, 0 },
        { "unknown cipher",      ROW("\3\x84\0\0\0\0\0\0\0\0\0\0", 0),                    -EPROTO },
        { "unknown kdf",         ROW("\0\0\2\x9f\0\0\0\0\0\0\0\0", 0),                    -EPROTO },
        { "digest 1096",         ROW("\0\0\0\0\4\x48\0\0\0\0\0\0", 0),                    -EPROTO },
        { "a digest as cipher",  ROW("\2\xa0\0\0\0\0\0\0\0\0\0\0", 0),                    -EPROTO },
        { "malformed and illegal", ROW("\3\x84\0\0\0\0\0\0\0\0\0\1", 0),                  -EBADMSG },
#undef ROW
};

static void test_headers(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(headers); i++) {
                size_t size = 24 + headers[i].size;
                _cleanup_free_ uint8_t *wire = calloc(1, size);
                OapHeader header = { .timestamp = 4711 };
                uint8_t again[128];

                print_message("%s\n", headers[i].name);
                assert_non_null(wire);
                memcpy(wire + 24, headers[i].rest, headers[i].size);

                assert_int_equal(oap_header_parse(wire, size, headers[i].hash_size, &header), headers[i].r);
                if (headers[i].r < 0) {
                        assert_int_equal(header.timestamp, 4711);
                        continue;
                }

                assert_int_equal(header.certificate_size, headers[i].certificate);
                assert_int_equal(header.key_exchange_size, headers[i].key);
                assert_int_equal(header.data_size, headers[i].data);
                assert_int_equal(header.signature_size, headers[i].signature);
                assert_int_equal(header.request_hash_size, headers[i].hash_size);

                assert_int_equal(oap_header_pack(&header, again, sizeof(again)), size);
                assert_memory_equal(again, wire, size);
                assert_int_equal(oap_header_pack(&header, again, size - 1), -ENOBUFS);
        }
}

static void test_pack_limits(void **state) {
        uint8_t part[1] = {}, buffer[64];
        OapHeader header = { .key_exchange = part, .key_exchange_size = 0x4000 };

        assert_int_equal(oap_header_pack(&header, buffer, sizeof(buffer)), -EINVAL);
        header = (OapHeader) { .data = part, .data_size = 0x10000 };
        assert_int_equal(oap_header_pack(&header, buffer, sizeof(buffer)), -EINVAL);
        header = (OapHeader) { .certificate = part, .certificate_size = 0x10000 };
        assert_int_equal(oap_header_pack(&header, buffer, sizeof(buffer)), -EINVAL);
        header = (OapHeader) { .signature = part, .signature_size = 1 };
        assert_int_equal(oap_header_pack(&header, buffer, sizeof(buffer)), -EINVAL);
}

/* Every id of the tables is accepted where it belongs, its neighbours are not, and each digest is the right
 * one. */
static void test_ids(void **state) {
        static const uint16_t ciphers[] = { 0, 895, 898, 901, 904, 905, 906, 1018 };
        static const struct {
                uint16_t id;
                int algorithm;
        } digests[] = {
                { 0, HASH_SHA384 },       { 672, HASH_SHA256 },    { 673, HASH_SHA384 },
                { 674, HASH_SHA512 },     { 1056, -EOPNOTSUPP },   { 1057, -EOPNOTSUPP },
                { 1097, HASH_SHA3_256 },  { 1098, HASH_SHA3_384 }, { 1099, HASH_SHA3_512 },
        };
        size_t cipher = 0, digest = 0;

        for (unsigned id = 0; id <= UINT16_MAX; id++) {
                bool is_cipher = cipher < ELEMENTSOF(ciphers) && ciphers[cipher] == id;
                bool is_digest = digest < ELEMENTSOF(digests) && digests[digest].id == id;
                uint8_t wire[OAP_HEADER_BYTES] = {};
                OapHeader header;

                wire[24] = (uint8_t) (id >> 8);
                wire[25] = (uint8_t) id;
                assert_int_equal(oap_header_parse(wire, sizeof(wire), 0, &header), is_cipher ? 0 : -EPROTO);

                for (size_t field = 26; field <= 28; field += 2) {
                        memset(wire + 24, 0, 6);
                        wire[field] = (uint8_t) (id >> 8);
                        wire[field + 1] = (uint8_t) id;
                        assert_int_equal(oap_header_parse(wire, sizeof(wire), 0, &header),
                                         is_digest ? 0 : -EPROTO);
                }

                assert_int_equal(oap_digest_to_hash((uint16_t) id),
                                 is_digest ? digests[digest].algorithm : -EPROTO);
                cipher += is_cipher;
                digest += is_digest;
        }
        assert_int_equal(cipher, ELEMENTSOF(ciphers));
        assert_int_equal(digest, ELEMENTSOF(digests));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_headers),
                cmocka_unit_test(test_pack_limits),
                cmocka_unit_test(test_ids),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
