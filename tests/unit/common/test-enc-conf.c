/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* enc.conf of the reference: what it says, line by line, and what fails it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/common/enc-conf.h"

#define TEXT(literal) (literal), sizeof(literal) - 1
#define X16(c) c c c c c c c c c c c c c c c c

static const struct {
        const char *name;
        const char *text;
        size_t size;
        int r;
        unsigned line;
        bool none;
        const char *kex, *cipher, *kdf, *digest;        /* NULL: the defaults */
        bool client;
} cases[] = {
        { "empty",              TEXT(""), 0 },
        { "one blank line",     TEXT("\n"), 0 },
        { "comments",           TEXT("# none\n   # kex=nonsense\n\n"), 0 },
        { "all",                TEXT("kex=X448\ncipher=chacha20-poly1305\nkdf=sha3-512\ndigest=sha384\n"
                                     "kem_mode=client\n"), 0, 0, false,
          "X448", "chacha20-poly1305", "sha3-512", "sha384", true },
        { "white space",        TEXT("  kex \t=  X25519 \r\n\tcipher= aes-128-gcm"), 0, 0, false, "X25519",
          "aes-128-gcm" },
        { "later ones win",     TEXT("kex=X25519\nkex=secp521r1\n"), 0, 0, false, "secp521r1" },
        { "unknown key",        TEXT("colour=blue\nkdf=sha512\n"), 0, 0, false, NULL, NULL, "sha512" },
        { "unknown and empty",  TEXT("=\n"), 0 },
        { "two equal signs",    TEXT("colour=blue=green\n"), 0 },
        { "none",               TEXT("none\n"), 0, 0, true },
        { "none clears",        TEXT("kex=X448\ncipher=aes-128-gcm\n none \n"), 0, 0, true },
        { "none, and again",    TEXT("none\nkex=X448\n"), 0, 0, false, "X448" },
        { "none, and a cipher", TEXT("none\ncipher=aes-128-gcm\n"), 0, 0, true },
        { "what we have not",   TEXT("kex=X25519MLKEM768\ncipher=aes-256-ctr\nkdf=blake2b512\ndigest=blake2s256\n"), 0,
          0, false,
          "X25519MLKEM768", "aes-256-ctr", "blake2b512", "blake2s256" },
        { "kem_mode=server",    TEXT("kem_mode=client\nkem_mode=server\n"), 0 },
        { "255 bytes",          TEXT("#" X16("123456789012345") "12345678901234\n"), 0 },
        { "256 bytes",          TEXT("#" X16("123456789012345") "123456789012345\n"), -EBADMSG, 1 },
        { "no such exchange",   TEXT("\nkex=x25519\n"), -EBADMSG, 2 },
        { "empty exchange",     TEXT("kex=\n"), -EBADMSG, 1 },
        { "no such cipher",     TEXT("kex=X25519\ncipher=rot13\n"), -EBADMSG, 2 },
        { "no such kdf",        TEXT("kdf=md5\n"), -EBADMSG, 1 },
        { "no such digest",     TEXT("digest=sha1\n"), -EBADMSG, 1 },
        { "no such mode",       TEXT("kem_mode=both\n"), -EBADMSG, 1 },
        { "no assignment",      TEXT("kex X25519\n"), -EBADMSG, 1 },
        { "NUL",                TEXT("kex=X25519\0\n"), -EBADMSG, 1 },
        { "NUL in a comment",   TEXT("#\0\n"), -EBADMSG, 1 },
        { "wrong after right",  TEXT("kex=X448\nkex=nonsense"), -EBADMSG, 2 },
};

static void test_cases(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *problem = NULL, *kex = cases[i].kex ? cases[i].kex : "prime256v1";
                EncConf conf = { .key_exchange = _OAP_KEY_EXCHANGE_INVALID };
                unsigned line = 0;

                print_message("%s\n", cases[i].name);
                assert_int_equal(enc_conf_parse(cases[i].text, cases[i].size, &conf, &line, &problem), cases[i].r);
                assert_int_equal(line, cases[i].line);
                if (cases[i].r < 0) {
                        assert_non_null(problem);
                        assert_int_equal((int) conf.key_exchange, _OAP_KEY_EXCHANGE_INVALID);   /* untouched */
                        continue;
                }

                assert_int_equal(conf.none, cases[i].none);
                if (conf.none)
                        continue;
                assert_string_equal(oap_key_exchange_to_string(conf.key_exchange), kex);
                assert_string_equal(conf.cipher->name, cases[i].cipher ? cases[i].cipher : "aes-256-gcm");
                assert_string_equal(conf.derivation->name, cases[i].kdf ? cases[i].kdf : "sha256");
                assert_string_equal(conf.digest->name, cases[i].digest ? cases[i].digest : "sha256");
                assert_int_equal(conf.client_encapsulates, cases[i].client);
        }
}

static void test_size(void **state) {
        static char text[ENC_CONF_BYTES_MAX + 1];
        const char *problem = NULL;
        unsigned line = 7;
        EncConf conf;

        memset(text, '\n', sizeof(text));
        assert_int_equal(enc_conf_parse(text, ENC_CONF_BYTES_MAX, &conf, &line, &problem), 0);
        assert_int_equal(enc_conf_parse(text, sizeof(text), &conf, &line, &problem), -EBADMSG);
        assert_int_equal(line, 0);
        assert_non_null(problem);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_cases),
                cmocka_unit_test(test_size),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
