/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The extension of o7s hosts in the data field: all or nothing. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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
        { "capabilities",      TEXT("O7sX\1\0\0\x08\0\3\0\4\1\2\3\4"),         false, 0, true, false, false, 0x01020304 },
        { "of a response",     TEXT("O7sX\1\0\0\x08\0\x82\0\4\1\2\3\4"),       true,  0, true, false, false, 0x01020304 },
        { "of the other side", TEXT("O7sX\1\0\0\x08\0\x82\0\4\1\2\3\4"),       false, 0, true },
        { "ours, in a response", TEXT("O7sX\1\0\0\x08\0\3\0\4\1\2\3\4"),       true,  0, true },
        { "too short",         TEXT("O7sX\1\0\0\7\0\3\0\3\1\2\3"),             false, -EBADMSG },
        { "too long",          TEXT("O7sX\1\0\0\x09\0\3\0\5\1\2\3\4\5"),       false, -EBADMSG },
        { "token",             TEXT("O7sX\1\0\0\x0c\0\x08\0\x08tokentok"),     false, 0, true, true },
        { "token of a response", TEXT("O7sX\1\0\0\x0c\0\x88\0\x08tokentok"),   true,  0, true, true },
        { "short token",       TEXT("O7sX\1\0\0\x0b\0\x08\0\x07tokento"),      false, -EBADMSG },
        { "replaced",          TEXT("O7sX\1\0\0\x14\0\x09\0\x10" "0123456789abcdef"), false, 0, true, false, true },
        { "replaced in a response", TEXT("O7sX\1\0\0\x14\0\x09\0\x10" "0123456789abcdef"), true, 0, true },
        { "unknown types",     TEXT("O7sX\1\0\0\x11\0\0\0\0\0\3\0\4\0\0\0\1\x7f\xff\0\1x"), false, 0, true, false, false, 1 },
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

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_extensions),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
