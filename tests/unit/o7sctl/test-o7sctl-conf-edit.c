/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Configuration files, changed in place. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "basic/conf.h"
#include "o7sctl/conf-edit.h"

static const struct {
        const char *name;
        const char *before;
        Setting settings[4];
        const char *after;
} cases[] = {
        { "new file", "# c\n", { { "Encryption", "required" } }, "# c\n\n[Server]\nEncryption=required\n" },
        { "empty file", "", { { "Encryption", "required" } }, "[Server]\nEncryption=required\n" },
        { "no line end", "[Name]\nLayer=lan", { { "Encryption", "no" } },
          "[Name]\nLayer=lan\n\n[Server]\nEncryption=no\n" },
        { "in its place", "[Server]\nPeer=any\n# why\nEncryption=no\nDigest=sha256\n", { { "Encryption", "required" } },
          "[Server]\nPeer=any\n# why\nEncryption=required\nDigest=sha256\n" },
        { "blanks around it", "  [Server]  \n  Encryption = no\n", { { "Encryption", "required" } },
          "  [Server]  \nEncryption=required\n" },
        { "end of a section", "[Server]\nPeer=o7s\n\n[Name]\nLayer=lan\n", { { "Encryption", "required" } },
          "[Server]\nPeer=o7s\nEncryption=required\n\n[Name]\nLayer=lan\n" },
        { "other section stays", "[Client]\nEncryption=no\n[Server]\n", { { "Encryption", "required" } },
          "[Client]\nEncryption=no\n[Server]\nEncryption=required\n" },
        { "list", "[Server]\nAllowPeer=a\nAllowPeer=b\n", { { "AllowPeer", "c" }, { "AllowPeer", "d" } },
          "[Server]\nAllowPeer=c\nAllowPeer=d\n" },
        { "key in two instances", "[Server]\nPin=a\n[Name]\n[Server]\nPin=b\n", { { "Pin", "c" } },
          "[Server]\nPin=c\n[Name]\n[Server]\n" },
        { "removed", "[Server]\nPeer=o7s\nEncryption=no\n", { { "Encryption", "" } }, "[Server]\nPeer=o7s\n" },
        { "removed from nothing", "[Name]\n", { { "Encryption", "" } }, "[Name]\n" },
        { "commented out is no key", "[Server]\n#Encryption=no\n;Encryption=no\n", { { "Encryption", "required" } },
          "[Server]\n#Encryption=no\n;Encryption=no\nEncryption=required\n" },
        { "longer key is another", "[Server]\nPeerless=1\nPeer=any\n", { { "Peer", "o7s" } },
          "[Server]\nPeerless=1\nPeer=o7s\n" },
        { "continued", "[Server]\nAllowPeer=a \\\n  b \\\n# between\n  c\nPeer=any\n", { { "AllowPeer", "z" } },
          "[Server]\nAllowPeer=z\nPeer=any\n" },
        { "continued line is no header", "[Name]\nX-Note=a \\\n[Server]\nLayer=lan\n", { { "Peer", "o7s" } },
          "[Name]\nX-Note=a \\\n[Server]\nLayer=lan\n\n[Server]\nPeer=o7s\n" },
        { "comment is not continued", "[Server]\n# a \\\nPeer=any\n", { { "Peer", "o7s" } },
          "[Server]\n# a \\\nPeer=o7s\n" },
        { "continued to the end", "[Server]\nPeer=any \\", { { "Peer", "o7s" } }, "[Server]\nPeer=o7s\n" },
        { "two keys", "[Server]\nPeer=any\n", { { "Cipher", "aes-256-gcm" }, { "Peer", "o7s" } },
          "[Server]\nPeer=o7s\nCipher=aes-256-gcm\n" },
};

static size_t count(const Setting settings[4]) {
        size_t n = 0;

        while (n < 4 && settings[n].key)
                n++;

        return n;
}

static void test_edit(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *after = NULL, *again = NULL;
                size_t n = count(cases[i].settings);

                print_message("%s\n", cases[i].name);
                assert_int_equal(conf_edit(cases[i].before, "Server", cases[i].settings, n, &after), 0);
                assert_string_equal(after, cases[i].after);

                /* What is as it should be stays so. */
                assert_int_equal(conf_edit(after, "Server", cases[i].settings, n, &again), 0);
                assert_string_equal(again, after);
        }
}

/* The last value of a key in a section, as the daemons read it; NULL: it has none. */
static const char *value_of(const ConfFile *file, const char *section, const char *key) {
        const ConfAssignment *all;
        const char *value = NULL;
        size_t n;

        all = conf_assignments(file, &n);
        for (size_t i = 0; i < n; i++)
                if (strcmp(all[i].section, section) == 0 && strcmp(all[i].key, key) == 0)
                        value = all[i].value;

        return value;
}

/* The daemons' reader agrees about what was changed, and that nothing else was. */
static void test_reader(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(conf_freep) ConfFile *before = NULL, *after = NULL;
                const ConfAssignment *all;
                size_t n, n_settings = count(cases[i].settings);

                assert_int_equal(conf_new(&before), 0);
                assert_int_equal(conf_new(&after), 0);
                assert_int_equal(conf_add_text(before, "before", cases[i].before, strlen(cases[i].before)), 0);
                assert_int_equal(conf_add_text(after, "after", cases[i].after, strlen(cases[i].after)), 0);

                for (size_t k = 0; k < n_settings; k++) {
                        const char *value = value_of(after, "Server", cases[i].settings[k].key);

                        if (cases[i].settings[k].value[0] == '\0')
                                assert_null(value);
                        else
                                assert_non_null(value);
                }

                all = conf_assignments(before, &n);
                for (size_t k = 0; k < n; k++) {
                        bool changed = false;

                        for (size_t s = 0; s < n_settings; s++)
                                changed |= streq(all[k].section, "Server") &&
                                           streq(all[k].key, cases[i].settings[s].key);
                        if (!changed)
                                assert_string_equal(value_of(after, all[k].section, all[k].key),
                                                    value_of(before, all[k].section, all[k].key));
                }
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_edit),
                cmocka_unit_test(test_reader),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
