/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* irm.conf, its drop-ins, and the lists of .name and .layer files, below a root of the test's own. */

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "basic/string.h"
#include "services/common/name-file.h"
#include "services/irm/config.h"

static const struct {
        const char *name;
        const char *text;
        int r;
        QuotaLimits limits;     /* 0: the default */
} texts[] = {
        { "empty", "", 0, {} },
        { "comments", "# [Quota]\n; Flows=1\n", 0, {} },
        { "flows of a user", "[Quota]\nFlowsPerUser=7\n", 0, { .flows_per_user = 7 } },
        { "lanes of a user", "[Quota]\nLaneBytesPerUser=64M\n", 0, { .lane_bytes_per_user = 64 << 20 } },
        { "pending", "[Quota]\nPendingPerUser=1\n", 0, { .pending_per_user = 1 } },
        { "rate and burst", "[Quota]\nRatePerUser=10\nBurstPerUser=20\n", 0,
          { .rate_per_user = 10, .burst_per_user = 20 } },
        { "names", "[Quota]\nNamesPerUser=2\n", 0, { .names_per_user = 2 } },
        { "connections", "[Quota]\nConnectionsPerUser=3\n", 0, { .connections_per_user = 3 } },
        { "host", "[Quota]\nFlows=100\nLaneBytes=8G\n", 0, { .flows = 100, .lane_bytes = 8ULL << 30 } },
        { "the last one counts", "[Quota]\nFlows=100\nFlows=200\n", 0, { .flows = 200 } },
        { "two sections of a name", "[Quota]\nFlows=100\n[Log]\n[Quota]\nNamesPerUser=2\n", 0,
          { .flows = 100, .names_per_user = 2 } },
        { "a word", "[Quota]\nFlows=many\n", -EBADMSG, {} },
        { "negative", "[Quota]\nFlows=-1\n", -EBADMSG, {} },
        { "more than 32 bits", "[Quota]\nFlows=4294967296\n", -EBADMSG, {} },
        { "a suffix that overflows", "[Quota]\nLaneBytes=99999999999999999G\n", -EBADMSG, {} },
        { "bad beside good", "[Quota]\nFlows=x\nNamesPerUser=2\n", -EBADMSG, { .names_per_user = 2 } },
        { "unknown section", "[Quotas]\nFlows=1\n", -EBADMSG, {} },
        { "unknown key", "[Quota]\nFlow=1\n", 0, {} },
        { "somebody else's section", "[X-Site]\nAnything=1\n", 0, {} },
        { "no section", "Flows=1\n", -EBADMSG, {} },
        { "not text", "\x01\x02[", -EBADMSG, {} },
};

#define EXPECT(field)                                                                                             \
        assert_int_equal(config->limits.field, expected->field ? expected->field : defaults.field)

static void check_limits(const Config *config, const QuotaLimits *expected) {
        const QuotaLimits defaults = QUOTA_LIMITS_DEFAULT;

        EXPECT(flows_per_user);
        EXPECT(lane_bytes_per_user);
        EXPECT(pending_per_user);
        EXPECT(rate_per_user);
        EXPECT(burst_per_user);
        EXPECT(names_per_user);
        EXPECT(connections_per_user);
        EXPECT(flows);
        EXPECT(lane_bytes);
}

static void test_texts(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_(config_done) Config config;

                print_message("%s\n", texts[i].name);
                assert_int_equal(config_init(&config, NULL), 0);
                assert_int_equal(config_parse(&config, "irm.conf", texts[i].text, strlen(texts[i].text)), texts[i].r);
                check_limits(&config, &texts[i].limits);
        }
}

/* A second text starts from the defaults: what a file no longer says is no longer so. */
static void test_reload_forgets(void **state) {
        static const char first[] = "[Quota]\nFlows=1\n[Log]\nLevel=debug\n";
        _cleanup_(config_done) Config config;

        assert_int_equal(config_init(&config, NULL), 0);
        assert_int_equal(config_parse(&config, "irm.conf", first, strlen(first)), 0);
        assert_string_equal(config.log_level, "debug");
        assert_int_equal(config.limits.flows, 1);

        assert_int_equal(config_parse(&config, "irm.conf", "", 0), 0);
        assert_null(config.log_level);
        check_limits(&config, &(QuotaLimits) {});
}

/* -- with files -- */

typedef struct Tree {
        char path[32];
        Config config;
} Tree;

static int tree_set_up(void **state) {
        Tree *tree = calloc(1, sizeof(*tree));

        assert_non_null(tree);
        assert_true(copy_string(tree->path, sizeof(tree->path), "/tmp/test-config-XXXXXX"));
        assert_non_null(mkdtemp(tree->path));
        assert_int_equal(config_init(&tree->config, tree->path), 0);
        *state = tree;
        return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static int tree_tear_down(void **state) {
        Tree *tree = *state;

        (void) nftw(tree->path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
        config_done(&tree->config);
        free(tree);
        return 0;
}

static void tree_write(const Tree *tree, const char *path, const char *text) {
        _cleanup_free_ char *whole = NULL;
        FILE *stream;

        assert_int_equal(format_string(&whole, "%s%s", tree->path, path), 0);
        for (char *slash = strchr(whole + strlen(tree->path) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                assert_true(mkdir(whole, 0755) == 0 || errno == EEXIST);
                *slash = '/';
        }

        stream = fopen(whole, "we");
        assert_non_null(stream);
        assert_true(fputs(text, stream) >= 0);
        assert_int_equal(fclose(stream), 0);
}

static void test_no_file(void **state) {
        Tree *tree = *state;

        assert_int_equal(config_load(&tree->config), 0);
        check_limits(&tree->config, &(QuotaLimits) {});
}

static void test_etc_wins(void **state) {
        Tree *tree = *state;

        tree_write(tree, "/usr/lib/o7s/irm.conf", "[Quota]\nFlows=1\nNamesPerUser=1\n");
        tree_write(tree, "/etc/o7s/irm.conf", "[Quota]\nFlows=2\n");
        assert_int_equal(config_load(&tree->config), 0);
        check_limits(&tree->config, &(QuotaLimits) { .flows = 2 });
}

static void test_drop_ins(void **state) {
        Tree *tree = *state;

        tree_write(tree, "/etc/o7s/irm.conf", "[Quota]\nFlows=2\nNamesPerUser=1\n");
        tree_write(tree, "/usr/lib/o7s/irm.conf.d/10-a.conf", "[Quota]\nFlows=3\nPendingPerUser=9\n");
        tree_write(tree, "/etc/o7s/irm.conf.d/20-b.conf", "[Quota]\nFlows=4\n");
        tree_write(tree, "/etc/o7s/irm.conf.d/README", "[Quota]\nFlows=5\n");
        assert_int_equal(config_load(&tree->config), 0);
        check_limits(&tree->config, &(QuotaLimits) { .flows = 4, .pending_per_user = 9, .names_per_user = 1 });
}

/* Nobody has to write an irm.conf to change one value. */
static void test_drop_in_alone(void **state) {
        Tree *tree = *state;

        tree_write(tree, "/etc/o7s/irm.conf.d/50-load.conf", "[Quota]\nFlowsPerUser=50000\n");
        assert_int_equal(config_load(&tree->config), 0);
        check_limits(&tree->config, &(QuotaLimits) { .flows_per_user = 50000 });
}

/* A mistake costs the line it is in, not the daemon. */
static void test_mistakes_keep_defaults(void **state) {
        Tree *tree = *state;

        tree_write(tree, "/etc/o7s/irm.conf", "[Quota]\nFlows=lots\nNamesPerUser=3\n[Quotas]\n");
        assert_int_equal(config_load(&tree->config), 0);
        check_limits(&tree->config, &(QuotaLimits) { .names_per_user = 3 });
}

static bool is_listed(const ConfStrings *names, const char *name) {
        unsigned n = 0;

        for (size_t i = 0; i < names->n; i++)
                n += streq(names->items[i], name);

        assert_true(n <= 1);
        return n == 1;
}

static void test_list(void **state) {
        _cleanup_(conf_strings_done) ConfStrings names = {};
        Tree *tree = *state;

        tree_write(tree, "/etc/o7s/names/web.name", "");
        tree_write(tree, "/usr/lib/o7s/names/web.name", "");
        tree_write(tree, "/usr/lib/o7s/names/mail.example.name", "");
        tree_write(tree, "/run/o7s/names/temporary.name", "");
        tree_write(tree, "/etc/o7s/names/.hidden.name", "");
        tree_write(tree, "/etc/o7s/names/.name", "");
        tree_write(tree, "/etc/o7s/names/web.name~", "");
        tree_write(tree, "/etc/o7s/names/notes.txt", "");
        tree_write(tree, "/etc/o7s/names/web.name.d/10-a.conf", "");

        assert_int_equal(config_list(&tree->config, NAME_FILE_DIRECTORY, NAME_FILE_SUFFIX, &names), 0);
        assert_int_equal(names.n, 3);
        assert_true(is_listed(&names, "web"));
        assert_true(is_listed(&names, "mail.example"));
        assert_true(is_listed(&names, "temporary"));
}

static void test_list_without_directory(void **state) {
        _cleanup_(conf_strings_done) ConfStrings names = {};
        Tree *tree = *state;

        assert_int_equal(config_list(&tree->config, NAME_FILE_DIRECTORY, NAME_FILE_SUFFIX, &names), 0);
        assert_int_equal(names.n, 0);
}

#define FILE_TEST(function) cmocka_unit_test_setup_teardown(function, tree_set_up, tree_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_texts),
                cmocka_unit_test(test_reload_forgets),
                FILE_TEST(test_no_file),
                FILE_TEST(test_etc_wins),
                FILE_TEST(test_drop_ins),
                FILE_TEST(test_drop_in_alone),
                FILE_TEST(test_mistakes_keep_defaults),
                FILE_TEST(test_list),
                FILE_TEST(test_list_without_directory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
