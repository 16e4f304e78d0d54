/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The extension of o7s hosts in the data field: all or nothing. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "basic/cursor.h"
#include "services/common/oap.h"

#define TEXT(literal) (const uint8_t *) (literal), sizeof(literal) - 1

static const struct {
        const char *name;
        const uint8_t *data;
        size_t size;
        bool response;
        int r;
        bool present, token, replaced;
        uint32_t capabilities;
} extensions[] = {
        { "none",              TEXT(""),                                       false, 0, false },
        { "other data",        TEXT("hello"),                                  false, 0, false },
        { "half a magic",      TEXT("O7s"),                                    false, 0, false },
        { "other magic",       TEXT("O7sY\1\0\0\0"),                           false, 0, false },
        { "magic alone",       TEXT("O7sX"),                                   false, -EBADMSG },
        { "no length",         TEXT("O7sX\1\0\0"),                             false, -EBADMSG },
        { "no records",        TEXT("O7sX\1\0\0\0"),                           false, 0, true },
        { "version 2",         TEXT("O7sX\2\0\0\0"),                           false, -EBADMSG },
        { "a flag",            TEXT("O7sX\1\1\0\0"),                           false, -EBADMSG },
        { "length too large",  TEXT("O7sX\1\0\0\1"),                           false, -EBADMSG },
        { "bytes behind",      TEXT("O7sX\1\0\0\0x"),                          false, -EBADMSG },
        { "capabilities",      TEXT("O7sX\1\0\0\x08\0\3\0\4\1\2\3\4"),         false, 0, true, false, false,
          0x01020304 },
        { "of a response",     TEXT("O7sX\1\0\0\x08\0\x82\0\4\1\2\3\4"),       true,  0, true, false, false,
          0x01020304 },
        { "of the other side", TEXT("O7sX\1\0\0\x08\0\x82\0\4\1\2\3\4"),       false, 0, true },
        { "ours, in a response", TEXT("O7sX\1\0\0\x08\0\3\0\4\1\2\3\4"),       true,  0, true },
        { "too short",         TEXT("O7sX\1\0\0\7\0\3\0\3\1\2\3"),             false, -EBADMSG },
        { "too long",          TEXT("O7sX\1\0\0\x09\0\3\0\5\1\2\3\4\5"),       false, -EBADMSG },
        { "token",             TEXT("O7sX\1\0\0\x0c\0\x08\0\x08tokentok"),     false, 0, true, true },
        { "token of a response", TEXT("O7sX\1\0\0\x0c\0\x88\0\x08tokentok"),   true,  0, true, true },
        { "short token",       TEXT("O7sX\1\0\0\x0b\0\x08\0\x07tokento"),      false, -EBADMSG },
        { "replaced",          TEXT("O7sX\1\0\0\x14\0\x09\0\x10" "0123456789abcdef"), false, 0, true, false, true },
        { "replaced in a response", TEXT("O7sX\1\0\0\x14\0\x09\0\x10" "0123456789abcdef"), true, 0, true },
        { "unknown types",     TEXT("O7sX\1\0\0\x11\0\0\0\0\0\3\0\4\0\0\0\1\x7f\xff\0\1x"), false, 0, true, false,
          false, 1 },
        { "unknown, critical", TEXT("O7sX\1\0\0\x0d\0\3\0\4\0\0\0\1\xff\xff\0\1x"), false, -EOPNOTSUPP },
        { "critical, and cut off", TEXT("O7sX\1\0\0\x0d\0\3\0\4\0\0\0\1\xff\xff\0\2x"), false, -EBADMSG },
        { "critical, then descending", TEXT("O7sX\1\0\0\x08\x80\0\0\0\0\3\0\0"), true, -EBADMSG },
        { "twice",             TEXT("O7sX\1\0\0\x10\0\3\0\4\0\0\0\1\0\3\0\4\0\0\0\1"), false, -EBADMSG },
        { "descending",        TEXT("O7sX\1\0\0\x08\0\x22\0\0\0\x21\0\0"),     false, -EBADMSG },
        { "unknown twice",     TEXT("O7sX\1\0\0\x08\0\x21\0\0\0\x21\0\0"),     false, -EBADMSG },
        { "value overruns",    TEXT("O7sX\1\0\0\7\0\1\0\4abc"),                false, -EBADMSG },
        { "record cut off",    TEXT("O7sX\1\0\0\3\0\1\0"),                     false, -EBADMSG },
        { "type zero",         TEXT("O7sX\1\0\0\4\0\0\0\0"),                   false, 0, true },
};

static void test_extensions(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(extensions); i++) {
                OapExtension extension = { .capabilities = 4711 };
                int r = extensions[i].r;

                print_message("%s\n", extensions[i].name);
                assert_int_equal(oap_extension_parse(extensions[i].data, extensions[i].size,
                                                     extensions[i].response, &extension),
                                 r);
                assert_int_equal(extension.present, extensions[i].present);
                assert_int_equal(extension.have_token, extensions[i].token);
                assert_int_equal(extension.have_replaced, extensions[i].replaced);
                assert_int_equal(extension.capabilities, r < 0 ? 4711 : extensions[i].capabilities);
                if (extension.have_token)
                        assert_memory_equal(extension.token, "tokentok", OAP_TOKEN_BYTES);
                if (extension.have_replaced)
                        assert_memory_equal(extension.replaced, "0123456789abcdef", OAP_ID_BYTES);
        }
}

/* Every record: its own size is taken, one byte more or less is not, nor is it in the other kind of message. */
static void test_sizes(void **state) {
        static const struct {
                uint16_t type;
                bool response;
                size_t least, most, step;
        } records[] = {
                { 0x01, false, 32, 32, 1 },
                { 0x02, false, 32, 32, 1 },
                { 0x03, false, 4, 4, 1 },
                { 0x04, false, 2, 2 * OAP_SUITES_MAX, 2 },
                { 0x05, false, 32, 32, 1 },
                { 0x06, false, 1, OAP_SHARE_BYTES_MAX, 1 },
                { 0x08, false, 8, 8, 1 },
                { 0x09, false, 16, 16, 1 },
                { 0x81, true,  32, 32, 1 },
                { 0x82, true,  4, 4, 1 },
                { 0x83, true,  1, OAP_SHARE_BYTES_MAX, 1 },
                { 0x84, true,  16, 16, 1 },
                { 0x85, true,  32, 32, 1 },
                { 0x86, true,  16, 16, 1 },
                { 0x87, true,  2, 2, 2 },
                { 0x88, true,  8, 8, 1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(records); i++)
                for (size_t size = 0; size <= OAP_SHARE_BYTES_MAX + 2; size++) {
                        bool good = size >= records[i].least && size <= records[i].most && size % records[i].step == 0;
                        uint8_t data[OAP_EXTENSION_BYTES_MAX] = "O7sX\1";
                        OapExtension extension;
                        Writer w = writer_to(data + 6, sizeof(data) - 6);

                        writer_be16(&w, (uint16_t) (size + 4));
                        writer_be16(&w, records[i].type);
                        writer_be16(&w, (uint16_t) size);
                        assert_int_equal(oap_extension_parse(data, size + 12, records[i].response, &extension),
                                         good ? 0 : -EBADMSG);
                        assert_int_equal(oap_extension_parse(data, size + 12, !records[i].response, &extension), 0);
                        assert_true(extension.present && extension.n_suites == 0 && extension.share_size == 0);
                }
}

static OapExtension full_extension(bool response) {
        OapExtension e = {
                .present = true,
                .capabilities = 0x01020304,
                .have_token = true,
                .have_replaced = !response,
                .have_destination = !response,
                .have_binding = true,
                .n_suites = response ? 1 : 3,
                .suites = { 895 | OAP_SUITE_MAC_ONLY, response ? 0 : 901, response ? 0 : 1018 },
                .have_nonce = !response,
                .share = (const uint8_t *) "public key",
                .share_size = 10,
                .have_epoch = response,
                .have_confirmation = response,
                .have_reset = response,
        };

        memset(e.token, 1, sizeof(e.token));
        memset(e.binding, 4, sizeof(e.binding));
        memset(e.replaced, response ? 0 : 2, sizeof(e.replaced));
        memset(e.destination, response ? 0 : 3, sizeof(e.destination));
        memset(e.nonce, response ? 0 : 5, sizeof(e.nonce));
        memset(e.epoch, response ? 6 : 0, sizeof(e.epoch));
        memset(e.confirmation, response ? 7 : 0, sizeof(e.confirmation));
        memset(e.reset, response ? 8 : 0, sizeof(e.reset));
        return e;
}

/* All records at once: what is written is read again, and not one byte of it may be missing. */
static void test_whole(void **state) {
        for (int response = 0; response < 2; response++) {
                OapExtension extension = full_extension(response), again;
                uint8_t data[512], cut[512];
                ssize_t n;

                n = oap_extension_pack(&extension, response, data, sizeof(data));
                assert_true(n > 0);
                assert_int_equal(oap_extension_parse(data, (size_t) n, response, &again), 0);
                assert_memory_equal(again.share, extension.share, extension.share_size);
                if (response)
                        assert_memory_equal(again.confirmation_place, extension.confirmation, OAP_DIGEST_BYTES);
                again.share = extension.share;
                again.confirmation_place = NULL;
                assert_memory_equal(again.suites, extension.suites, sizeof(again.suites));
                assert_memory_equal(again.token, extension.token, sizeof(again.token));
                assert_memory_equal(again.replaced, extension.replaced, sizeof(again.replaced));
                assert_memory_equal(again.destination, extension.destination, sizeof(again.destination));
                assert_memory_equal(again.binding, extension.binding, sizeof(again.binding));
                assert_memory_equal(again.nonce, extension.nonce, sizeof(again.nonce));
                assert_memory_equal(again.epoch, extension.epoch, sizeof(again.epoch));
                assert_memory_equal(again.confirmation, extension.confirmation, sizeof(again.confirmation));
                assert_memory_equal(again.reset, extension.reset, sizeof(again.reset));
                assert_int_equal(again.capabilities, extension.capabilities);
                assert_int_equal(again.n_suites, extension.n_suites);
                assert_true(again.have_token && again.have_binding && again.have_replaced == !response);
                assert_true(again.have_destination == !response && again.have_nonce == !response);
                assert_true(again.have_epoch == response && again.have_confirmation == response &&
                            again.have_reset == response);

                for (ssize_t i = 4; i < n; i++) {
                        assert_int_equal(oap_extension_pack(&extension, response, cut, (size_t) i), -ENOBUFS);
                        assert_int_equal(oap_extension_parse(data, (size_t) i, response, &again), -EBADMSG);
                }
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_extensions),
                cmocka_unit_test(test_sizes),
                cmocka_unit_test(test_whole),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
