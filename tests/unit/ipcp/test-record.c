/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "services/ipcp/record.h"

static char main_path[] = "/etc/o7s/layers/l.layer", drop_in_path[] = "/etc/o7s/layers/l.layer.d/x.conf",
            run_path[] = "/run/o7s/layers/l.layer";

static const struct {
        const char *name;
        const char *drop_in;    /* as it was written then */
        int r;
        const char *says;
} compared[] = {
        { "the same", "[X-O7s]\nType=eth\nIdentity=10 20 30 /etc/o7s/layers/l.layer\n"
                      "Identity=1 2 3 /etc/o7s/layers/l.layer.d/x.conf\n", 0, NULL },
        { "foreign sections do not count",
          "[Unit]\nType=udp\n[X-O7s]\nType=eth\nIdentity=10 20 30 /etc/o7s/layers/l.layer\n"
          "Identity=1 2 3 /etc/o7s/layers/l.layer.d/x.conf\n", 0, NULL },
        { "size", "[X-O7s]\nType=eth\nIdentity=11 20 30 /etc/o7s/layers/l.layer\n", -ESTALE, "l.layer has changed" },
        { "time", "[X-O7s]\nType=eth\nIdentity=10 21 30 /etc/o7s/layers/l.layer\n", -ESTALE, "l.layer has changed" },
        { "inode", "[X-O7s]\nType=eth\nIdentity=10 20 31 /etc/o7s/layers/l.layer\n", -ESTALE, "l.layer has changed" },
        { "another path", "[X-O7s]\nType=eth\nIdentity=10 20 30 /usr/lib/o7s/layers/l.layer\n", -ESTALE,
          "l.layer has changed" },
        { "a new drop-in", "[X-O7s]\nType=eth\nIdentity=10 20 30 /etc/o7s/layers/l.layer\n", -ESTALE, "x.conf is new" },
        { "a drop-in less", "[X-O7s]\nType=eth\nIdentity=10 20 30 /etc/o7s/layers/l.layer\n"
                            "Identity=1 2 3 /etc/o7s/layers/l.layer.d/x.conf\n"
          "Identity=1 2 4 /etc/o7s/layers/l.layer.d/y.conf\n", -ESTALE, "is gone" },
        { "type", "[X-O7s]\nType=udp\nIdentity=10 20 30 /etc/o7s/layers/l.layer\n", -ESTALE, "type udp" },
        { "no record", "[Service]\nUser=root\n", -ESTALE, "does not say" },
        { "empty", "", -ESTALE, "does not say" },
};

static void test_compare(void **state) {
        FileIdentity files[] = {
                { .path = main_path, .size = 10, .mtime_nsec = 20, .inode = 30 },
                { .path = drop_in_path, .size = 1, .mtime_nsec = 2, .inode = 3 },
        };
        const Record record = { .kind = LAYER_KIND_ETH, .files = files, .n_files = 2 };

        for (size_t i = 0; i < ELEMENTSOF(compared); i++) {
                _cleanup_(conf_freep) ConfFile *conf = NULL;
                _cleanup_free_ char *difference = NULL;

                print_message("%s\n", compared[i].name);
                assert_int_equal(conf_new(&conf), 0);
                assert_int_equal(conf_add_text(conf, "50-o7s.conf", compared[i].drop_in, strlen(compared[i].drop_in)),
                                 0);
                assert_int_equal(record_compare(&record, conf, &difference), compared[i].r);
                assert_int_equal(difference != NULL, compared[i].r < 0);
                if (difference)
                        assert_non_null(strstr(difference, compared[i].says));
        }
}

static void test_round_trip(void **state) {
        FileIdentity files[] = { { .path = main_path, .size = UINT64_MAX, .mtime_nsec = INT64_MIN,
                                   .inode = UINT64_MAX } };
        const Record record = { .kind = _LAYER_KIND_INVALID, .files = files, .n_files = 1 };
        _cleanup_(conf_freep) ConfFile *conf = NULL;
        _cleanup_free_ char *text = NULL, *difference = NULL;

        assert_int_equal(record_format(&record, &text), 0);
        assert_int_equal(conf_new(&conf), 0);
        assert_int_equal(conf_add_text(conf, "50-o7s.conf", text, strlen(text)), 0);
        assert_int_equal(record_compare(&record, conf, &difference), 0);
}

#define ADMINISTRATOR 0
#define MANAGER 990

static const struct {
        const char *name;
        char *path;
        uid_t uid;
        gid_t gid;
        mode_t mode;
        bool trusted;
} owned[] = {
        { "root's", main_path, 0, 0, 0644, true },
        { "root's, for its group", main_path, 0, 0, 0664, true },
        { "somebody's", main_path, 1000, 1000, 0644, false },
        { "for everybody", main_path, 0, 0, 0666, false },
        { "for another group", main_path, 0, 1000, 0664, false },
        { "the manager's, in its place", run_path, MANAGER, MANAGER, 0644, true },
        { "the manager's, elsewhere", main_path, MANAGER, MANAGER, 0644, false },
        { "somebody's in the manager's place", run_path, 1000, 1000, 0644, false },
};

static void test_trust(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(owned); i++) {
                FileIdentity file = { .path = owned[i].path, .uid = owned[i].uid, .gid = owned[i].gid,
                                      .mode = owned[i].mode };
                Record record = { .files = &file, .n_files = 1 };

                print_message("%s\n", owned[i].name);
                assert_int_equal(record_untrusted(&record, ADMINISTRATOR, MANAGER) == NULL, owned[i].trusted);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_compare),
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_trust),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
