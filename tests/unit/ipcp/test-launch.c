/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Generator and launcher together, in a directory of their own: what one writes the other must find. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "services/ipcp/generate.h"
#include "services/ipcp/launch.h"

#define ETH "[Layer]\nType=eth\n[Ethernet]\nInterface=a\n"
#define LAYERS "/etc/o7s/layers"

typedef struct Fixture {
        char root[32];
        char drop_ins[64];
        char programs[64];
} Fixture;

static void write_text(const Fixture *f, const char *path, const char *text, mode_t mode) {
        char full[256];
        FILE *file;

        (void) snprintf(full, sizeof(full), "%s%s", f->root, path);
        for (char *slash = strchr(full + strlen(f->root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                (void) mkdir(full, 0755);
                *slash = '/';
        }
        file = fopen(full, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(chmod(full, mode), 0);
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        strcpy(f->root, "/tmp/o7s-test-XXXXXX");
        assert_non_null(mkdtemp(f->root));
        (void) snprintf(f->drop_ins, sizeof(f->drop_ins), "%s/generator", f->root);
        (void) snprintf(f->programs, sizeof(f->programs), "%s/programs", f->root);
        assert_int_equal(mkdir(f->drop_ins, 0755), 0);
        write_text(f, "/programs/o7s-ipcp-eth", "#!/bin/sh\n", 0755);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;
        char command[64];
        int r;

        (void) snprintf(command, sizeof(command), "rm -r %s", f->root);
        r = system(command);
        free(f);
        return r;
}

/* says: part of the problem, NULL where the layer may start. */
static void expect(const Fixture *f, const char *name, const char *says) {
        _cleanup_(launch_done) Launch launch = {};
        int r;

        r = launch_prepare(&launch, f->root, f->drop_ins, f->programs, name);
        if (launch.problem)
                print_message("%s\n", launch.problem);
        assert_int_equal(r, says ? -EBADMSG : 0);
        if (says)
                assert_non_null(strstr(launch.problem, says));
        else
                assert_non_null(strstr(launch.program, "/programs/o7s-ipcp-eth"));
}

static void test_start(void **state) {
        Fixture *f = *state;

        write_text(f, LAYERS "/lan.layer", ETH, 0644);
        expect(f, "lan", "run systemctl daemon-reload");        /* no drop-in yet */

        assert_int_equal(generate(f->root, f->drop_ins), 1);
        expect(f, "lan", NULL);

        write_text(f, LAYERS "/lan.layer", ETH "Framing=llc\n", 0644);
        expect(f, "lan", LAYERS "/lan.layer has changed since the unit was made from it: run systemctl daemon-reload");
        assert_int_equal(generate(f->root, f->drop_ins), 1);
        expect(f, "lan", NULL);

        write_text(f, LAYERS "/lan.layer.d/10-x.conf", "[Layer]\nRegister=web\n", 0644);
        expect(f, "lan", "10-x.conf is new since the unit was made");
        assert_int_equal(generate(f->root, f->drop_ins), 1);
        expect(f, "lan", NULL);
}

static void test_problems(void **state) {
        Fixture *f = *state;

        expect(f, "lan", "There is no file lan.layer in /etc/o7s/layers, /run/o7s/layers or /usr/lib/o7s/layers");
        expect(f, "../lan", "not the name of a layer");
        expect(f, "", "not the name of a layer");

        write_text(f, LAYERS "/bad.layer", "[Layer]\nType=ether\n", 0644);
        assert_int_equal(generate(f->root, f->drop_ins), 1);    /* the unit does not vanish */
        expect(f, "bad", "/bad.layer:2:6: 'ether' is not a type of layer");

        write_text(f, LAYERS "/home.layer", "[Layer]\nType=unicast\nOver=lan\n", 0644);
        assert_int_equal(generate(f->root, f->drop_ins), 2);
        expect(f, "home", "/home.layer:2:6: This build has no IPCP of type unicast");

        write_text(f, LAYERS "/open.layer", ETH, 0666);
        assert_int_equal(generate(f->root, f->drop_ins), 3);
        expect(f, "open", LAYERS "/open.layer could be changed by users other than root");
}

static bool drop_in_has(const Fixture *f, const char *name, const char *what) {
        char path[256], text[4096];
        size_t n;
        FILE *file;

        (void) snprintf(path, sizeof(path), "%s/o7s-ipcp@%s.service.d/50-o7s.conf", f->drop_ins, name);
        file = fopen(path, "re");
        assert_non_null(file);
        n = fread(text, 1, sizeof(text) - 1, file);
        assert_int_equal(fclose(file), 0);
        text[n] = '\0';

        return strstr(text, what);
}

static void test_generate(void **state) {
        Fixture *f = *state;
        char path[256];

        write_text(f, LAYERS "/lan.layer", ETH, 0644);
        write_text(f, "/usr/lib/o7s/layers/lan.layer", "[Layer]\nType=udp\n", 0644);    /* hidden */
        write_text(f, "/usr/lib/o7s/layers/wan.layer", "[Layer]\nType=udp\n", 0644);
        write_text(f, "/run/o7s/layers/tmp.layer", ETH, 0644);
        write_text(f, LAYERS "/open.layer", ETH, 0666);
        write_text(f, LAYERS "/a b.layer", ETH, 0644);                                  /* no name of a layer */
        write_text(f, LAYERS "/README", "", 0644);

        assert_int_equal(generate(f->root, f->drop_ins), 4);
        assert_true(drop_in_has(f, "lan", "User=o7s-eth\n"));
        assert_true(drop_in_has(f, "wan", "User=o7s-udp\n"));
        assert_true(drop_in_has(f, "tmp", "User=o7s-eth\n"));
        assert_false(drop_in_has(f, "open", "CAP_NET_RAW"));
        assert_false(drop_in_has(f, "open", "User="));
        (void) snprintf(path, sizeof(path), "%s/o7s-ipcp@a b.service.d", f->drop_ins);
        assert_int_equal(access(path, F_OK), -1);
}

static void test_generate_nothing(void **state) {
        Fixture *f = *state;

        assert_int_equal(generate(f->root, f->drop_ins), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_start, setup, teardown),
                cmocka_unit_test_setup_teardown(test_problems, setup, teardown),
                cmocka_unit_test_setup_teardown(test_generate, setup, teardown),
                cmocka_unit_test_setup_teardown(test_generate_nothing, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
