/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "services/ipcp/drop-in.h"

#define HEAD                                                                                                      \
        "# Made by o7s-generator at boot and at each \"systemctl daemon-reload\". "                                \
        "Do not edit: change the layer's file.\n"
#define RECORDED(type) "\n[X-O7s]\nType=" type "\nIdentity=10 20 30 /etc/o7s/layers/l.layer\n"

static const struct {
        const char *name;
        const char *text;       /* of the layer's file */
        bool usable;
        const char *drop_in;
} cases[] = {
        {
                "eth",
                "[Layer]\nType=eth\n[Ethernet]\nInterface=a\n",
                true,
                HEAD "[Unit]\nSourcePath=/etc/o7s/layers/l.layer\n"
                "\n[Service]\nBusName=org.o7s.ipcp1.l\nUser=o7s-eth\nPrivateNetwork=no\n"
                "RestrictAddressFamilies=AF_PACKET AF_NETLINK\n"
                "CapabilityBoundingSet=CAP_NET_RAW\nAmbientCapabilities=CAP_NET_RAW\n"
                RECORDED("eth"),
        },
        {
                "unicast over two",
                "[Layer]\nType=unicast\nOver=lan-1 wan\n",
                true,
                HEAD "[Unit]\nSourcePath=/etc/o7s/layers/l.layer\n"
                "Wants=o7s-ipcp@lan-1.service\nAfter=o7s-ipcp@lan-1.service\nWants=o7s-ipcp@wan.service\n"
                "After=o7s-ipcp@wan.service\n"
                "\n[Service]\nBusName=org.o7s.ipcp1.l\nUser=o7s-unicast\n"
                RECORDED("unicast"),
        },
        {
                "description that tries to get out",
                "[Layer]\nType=unicast\nOver=b\nDescription=100% %n \"x\\\n",
                true,
                HEAD "[Unit]\nSourcePath=/etc/o7s/layers/l.layer\n"
                "Description=Ouroboros layer l (100%% %%n \"x)\nWants=o7s-ipcp@b.service\nAfter=o7s-ipcp@b.service\n"
                "\n[Service]\nBusName=org.o7s.ipcp1.l\nUser=o7s-unicast\n"
                RECORDED("unicast"),
        },
        {
                "no rights for a file that cannot be used",
                "[Layer]\nType=eth\n[Ethernet]\nInterface=a\n",
                false,
                HEAD "[Unit]\nSourcePath=/etc/o7s/layers/l.layer\n" RECORDED("eth"),
        },
        {
                "no type",
                "[Layr]\n",
                false,
                HEAD "[Unit]\nSourcePath=/etc/o7s/layers/l.layer\n" RECORDED("unknown"),
        },
};

static char path[] = "/etc/o7s/layers/l.layer";

static void test_format(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(layer_file_freep) LayerFile *file = NULL;
                _cleanup_free_ char *text = NULL;
                FileIdentity identity = { .path = path, .size = 10, .mtime_nsec = 20, .inode = 30 };
                Record record = { .files = &identity, .n_files = 1 };

                print_message("%s\n", cases[i].name);
                (void) layer_file_parse("l", path, cases[i].text, strlen(cases[i].text), &file);
                assert_non_null(file);
                record.kind = file->kind;
                assert_int_equal(drop_in_format("l", file, &record, cases[i].usable, &text), 0);
                assert_string_equal(text, cases[i].drop_in);
        }
}

/* A file that could not even be read. */
static void test_without_file(void **state) {
        Record record = { .kind = _LAYER_KIND_INVALID };
        _cleanup_free_ char *text = NULL;

        assert_int_equal(drop_in_format("l", NULL, &record, false, &text), 0);
        assert_string_equal(text, HEAD "[Unit]\n\n[X-O7s]\nType=unknown\n");
}

/* No path out of the generator's directory, and no line out of its line. */
static void test_escaped_paths(void **state) {
        static char odd[] = "/etc/o7s/layers/l.layer.d/a b\n[Service]\nUser=root\\.conf";
        FileIdentity identity = { .path = odd };
        Record record = { .kind = LAYER_KIND_ETH, .files = &identity, .n_files = 1 };
        _cleanup_free_ char *text = NULL;

        assert_int_equal(drop_in_format("l", NULL, &record, false, &text), 0);
        assert_null(strstr(text, "SourcePath="));
        assert_null(strstr(text, "\n[Service]"));
        assert_non_null(strstr(text, "/l.layer.d/a\\x20b\\x0a\\x5bService\\x5d\\x0aUser\\x3droot\\x5c.conf\n"));
}

static void test_users(void **state) {
        for (LayerKind kind = 0; kind < _LAYER_KIND_MAX; kind++) {
                assert_non_null(drop_in_user(kind));
                assert_ptr_equal(strstr(drop_in_user(kind), "o7s-"), drop_in_user(kind));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_format),
                cmocka_unit_test(test_without_file),
                cmocka_unit_test(test_escaped_paths),
                cmocka_unit_test(test_users),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
