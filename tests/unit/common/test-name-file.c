/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "services/common/file-check.h"
#include "services/common/name-file.h"

static const struct {
        const char *name;
        const char *text;
        int r;
        const char *says;       /* in the first message, whatever it is */
} cases[] = {
        { "empty", "", 0, NULL },
        { "bound to a unit", "[Bind]\nUnit=nginx.service\n", 0, NULL },
        { "unit without suffix", "[Bind]\nUnit=nginx\n", -EBADMSG, "such as nginx.service" },
        { "unit with a slash", "[Bind]\nUnit=../x.service\n", -EBADMSG, "'../x.service'" },
        { "user", "[Bind]\nUser=alice 1000\n", 0, NULL },
        { "user with a colon", "[Bind]\nUser=a:b\n", -EBADMSG, "'a:b'" },
        { "program alone", "[Bind]\nProgram=/usr/bin/x\n", 0, "nobody may" },
        { "program and user", "[Bind]\nProgram=/usr/bin/x\nUser=alice\n", 0, NULL },
        { "program without path", "[Bind]\nProgram=x\nUser=alice\n", -EBADMSG, "full path" },
        { "program with dots", "[Bind]\nProgram=/usr/../bin/x\nUser=alice\n", -EBADMSG, "full path" },
        { "load balance", "[Name]\nLoadBalance=random\n", -EBADMSG, "random" },
        { "layer", "[Name]\nLayer=lan metro\n", 0, NULL },
        { "bad layer", "[Name]\nLayer=.lan\n", -EBADMSG, "'.lan'" },
        { "unknown key", "[Name]\nLayers=lan\n", 0, "\"Layer\"" },
        { "unknown section", "[Names]\nLayer=lan\n", -EBADMSG, "[Name]" },
        { "activation", "[Activate]\nUnit=web@.service\n", -EBADMSG, "this build does not have" },
        { "server encryption", "[Server]\nEncryption=yes\n", -EBADMSG, "opportunistic" },
        { "client authentication", "[Client]\nAuthentication=both\n", -EBADMSG, "mutual" },
        { "an unknown cipher", "[Client]\nCipher=rot13\n", -EBADMSG, "rot13" },
        { "a relative anchor", "[Client]\nTrustAnchor=ca.pem\n", -EBADMSG, "ca.pem" },
        { "pin", "[Client]\nPin=sha256:00\n", -EBADMSG, "sha256" },
};

static void test_parse(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(name_file_freep) NameFile *file = NULL;
                const ConfMessage *messages;
                size_t n;

                print_message("%s\n", cases[i].name);
                assert_int_equal(name_file_parse("web", "/x/web.name", cases[i].text, strlen(cases[i].text), &file),
                                 cases[i].r);
                assert_non_null(file);

                messages = conf_messages(file->conf, &n);
                assert_int_equal(n > 0, cases[i].says != NULL);
                if (cases[i].says)
                        assert_non_null(strstr(messages[0].text, cases[i].says));
        }
}

static void test_values(void **state) {
        static const char text[] =
                "[Name]\nLoadBalance=least-flows\nLayer=lan\nLayer=\nLayer=metro\nMaxFlows=12\nAllowUser=alice\n"
                "Local=no\n"
                "[Bind]\nUnit=a.service b.service\n[Server]\nPeer=o7s\n";
        _cleanup_(name_file_freep) NameFile *file = NULL;

        assert_int_equal(name_file_parse("web.example", "x", text, strlen(text), &file), 0);
        assert_string_equal(file->name, "web.example");
        assert_int_equal(file->balance, BALANCE_LEAST_FLOWS);
        assert_int_equal(file->layers.n, 1);            /* the empty one emptied */
        assert_string_equal(file->layers.items[0], "metro");
        assert_int_equal(file->max_flows, 12);
        assert_int_equal(file->allow_users.n, 1);
        assert_false(file->local);
        assert_int_equal(file->units.n, 2);
        assert_int_equal(file->server.peer, PEER_O7S);
        assert_int_equal(file->server.authentication, AUTHENTICATION_DEFAULT);
        assert_int_equal(file->client.peer, PEER_DEFAULT);
}

static void test_defaults(void **state) {
        _cleanup_(name_file_freep) NameFile *file = NULL;

        assert_int_equal(name_file_parse("web", "x", "", 0, &file), 0);
        assert_int_equal(file->balance, BALANCE_ROUND_ROBIN);
        assert_true(file->local);
        assert_int_equal(file->max_flows, 0);
        assert_int_equal(file->server.encryption, ENCRYPTION_DEFAULT);
        assert_int_equal(file->client.authentication, AUTHENTICATION_DEFAULT);
}

static void test_names(void **state) {
        _cleanup_(name_file_freep) NameFile *file = NULL;

        assert_int_equal(name_file_parse("a/b", "x", "", 0, &file), -EINVAL);
        assert_int_equal(name_file_parse("", "x", "", 0, &file), -EINVAL);
        assert_int_equal(name_file_load("", "../../etc/passwd", &file), -EINVAL);
        assert_null(file);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_defaults),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
