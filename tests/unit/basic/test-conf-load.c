/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which files make up a configuration, in a tree of the test's own. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

#include "basic/conf.h"
#include "basic/string.h"

typedef struct Tree {
        char path[32];
        char *etc, *run, *lib;
        const char *roots[4];
        ConfFile *file;
} Tree;

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static int tree_set_up(void **state) {
        Tree *tree = calloc(1, sizeof(*tree));

        assert_non_null(tree);
        assert_true(copy_string(tree->path, sizeof(tree->path), "/tmp/test-conf-XXXXXX"));
        assert_non_null(mkdtemp(tree->path));
        assert_int_equal(format_string(&tree->etc, "%s/etc", tree->path), 0);
        assert_int_equal(format_string(&tree->run, "%s/run", tree->path), 0);
        assert_int_equal(format_string(&tree->lib, "%s/lib", tree->path), 0);
        tree->roots[0] = tree->etc;
        tree->roots[1] = tree->run;
        tree->roots[2] = tree->lib;
        assert_int_equal(conf_new(&tree->file), 0);

        *state = tree;
        return 0;
}

static int tree_tear_down(void **state) {
        Tree *tree = *state;

        (void) nftw(tree->path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
        conf_free(tree->file);
        free(tree->etc);
        free(tree->run);
        free(tree->lib);
        free(tree);
        return 0;
}

/* The path below the tree, its directories made. */
static char *tree_path(Tree *tree, const char *name) {
        char *path = NULL;

        assert_int_equal(format_string(&path, "%s/%s", tree->path, name), 0);
        for (char *slash = path + strlen(tree->path) + 1; (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                (void) mkdir(path, 0755);
                *slash = '/';
        }
        return path;
}

static void tree_write(Tree *tree, const char *name, const char *text) {
        _cleanup_free_ char *path = tree_path(tree, name);
        FILE *stream = fopen(path, "we");

        assert_non_null(stream);
        assert_true(fputs(text, stream) >= 0);
        assert_int_equal(fclose(stream), 0);
}

static void tree_link(Tree *tree, const char *name, const char *target) {
        _cleanup_free_ char *path = tree_path(tree, name);

        assert_int_equal(symlink(target, path), 0);
}

/* The values in order, one letter each. */
static void check_values(Tree *tree, const char *expected) {
        const ConfAssignment *a;
        char values[32] = "";
        size_t n;

        a = conf_assignments(tree->file, &n);
        assert_true(n < sizeof(values));
        for (size_t i = 0; i < n; i++)
                values[i] = a[i].value[0];
        assert_string_equal(values, expected);
}

static void test_strongest_main(void **state) {
        Tree *tree = *state;

        tree_write(tree, "lib/layers/lan.layer", "[A]\nk=l\n");
        tree_write(tree, "run/layers/lan.layer", "[A]\nk=r\n");
        assert_int_equal(conf_load(tree->file, tree->roots, "layers", "lan.layer"), 0);
        check_values(tree, "r");
}

static void test_no_main(void **state) {
        Tree *tree = *state;

        assert_int_equal(conf_load(tree->file, tree->roots, "layers", "lan.layer"), -ENOENT);
        tree_write(tree, "etc/layers/lan.layer.d/10.conf", "[A]\nk=1\n");
        assert_int_equal(conf_load(tree->file, tree->roots, "layers", "lan.layer"), -ENOENT);
        check_values(tree, "");
}

static void test_drop_ins(void **state) {
        Tree *tree = *state;
        const char *const *paths;
        size_t n;

        tree_write(tree, "lib/irm.conf", "[A]\nk=0\n");
        tree_write(tree, "lib/irm.conf.d/30-c.conf", "[A]\nk=3\n");
        tree_write(tree, "etc/irm.conf.d/20-b.conf", "[A]\nk=2\n");
        tree_write(tree, "lib/irm.conf.d/20-b.conf", "[A]\nk=x\n");     /* hidden */
        tree_write(tree, "run/irm.conf.d/10-a.conf", "[A]\nk=1\n");
        tree_write(tree, "etc/irm.conf.d/15-a.conf~", "[A]\nk=x\n");    /* other names are not read */
        tree_write(tree, "etc/irm.conf.d/.16-a.conf", "[A]\nk=x\n");
        tree_write(tree, "etc/irm.conf.d/README", "x");
        assert_int_equal(conf_load(tree->file, tree->roots, "", "irm.conf"), 0);
        check_values(tree, "0123");

        paths = conf_paths(tree->file, &n);
        assert_int_equal(n, 4);
        assert_true(endswith(paths[0], "/lib/irm.conf"));
        assert_true(endswith(paths[2], "/etc/irm.conf.d/20-b.conf"));
        (void) conf_messages(tree->file, &n);
        assert_int_equal(n, 0);
}

static void test_masked(void **state) {
        Tree *tree = *state;

        tree_write(tree, "lib/irm.conf", "[A]\nk=0\n");
        tree_write(tree, "lib/irm.conf.d/10.conf", "[A]\nk=1\n");
        tree_write(tree, "lib/irm.conf.d/20.conf", "[A]\nk=2\n");
        tree_link(tree, "etc/irm.conf.d/10.conf", "/dev/null");
        tree_link(tree, "etc/irm.conf", "/dev/null");
        assert_int_equal(conf_load(tree->file, tree->roots, "", "irm.conf"), 0);
        check_values(tree, "2");
}

/* Left out, a drop-in might have said "no": that is an error, and the others are read all the same. */
static void test_unreadable_drop_in(void **state) {
        Tree *tree = *state;
        const ConfSchema schema = {};
        const ConfMessage *m;
        size_t n;

        tree_write(tree, "etc/irm.conf", "");
        tree_write(tree, "etc/irm.conf.d/20.conf/inner", "");           /* a directory */
        tree_link(tree, "etc/irm.conf.d/10.conf", "/nowhere/at/all");
        tree_link(tree, "etc/irm.conf.d/15.conf", "/dev/zero");
        tree_write(tree, "etc/irm.conf.d/30.conf", "[A]\nk=3\n");
        assert_int_equal(conf_load(tree->file, tree->roots, "", "irm.conf"), 0);
        check_values(tree, "3");

        m = conf_messages(tree->file, &n);
        assert_int_equal(n, 3);
        assert_true(endswith(m[0].place.path, "/10.conf"));
        assert_int_equal(m[0].place.line, 0);
        assert_string_equal(m[0].text, "Cannot be read: No such file or directory");
        assert_string_equal(m[1].text, "Cannot be read: Invalid argument");
        assert_string_equal(m[2].text, "Cannot be read: Is a directory");
        assert_int_equal(conf_apply(tree->file, &schema, NULL, NULL), -EBADMSG);
}

static void test_names(void **state) {
        Tree *tree = *state;

        tree_write(tree, "secret", "[A]\nk=s\n");
        assert_int_equal(conf_load(tree->file, tree->roots, "", "../secret"), -EINVAL);
        assert_int_equal(conf_load(tree->file, tree->roots, "", ".."), -EINVAL);
        assert_int_equal(conf_load(tree->file, tree->roots, "", ""), -EINVAL);
}

/* A FIFO must not be waited for, a device not be read. */
static void test_special_files(void **state) {
        Tree *tree = *state;
        _cleanup_free_ char *fifo = tree_path(tree, "fifo");
        _cleanup_free_ char *large = tree_path(tree, "large");

        assert_int_equal(mkfifo(fifo, 0600), 0);
        assert_int_equal(conf_add_file(tree->file, fifo), -EINVAL);
        assert_int_equal(conf_add_file(tree->file, "/dev/zero"), -EINVAL);
        assert_int_equal(conf_add_file(tree->file, tree->path), -EISDIR);
        assert_int_equal(conf_add_file(tree->file, "/nowhere"), -ENOENT);

        tree_write(tree, "large", "");
        assert_int_equal(truncate(large, CONF_FILE_BYTES_MAX + 1), 0);
        assert_int_equal(conf_add_file(tree->file, large), -E2BIG);
}

#define TREE_TEST(function) cmocka_unit_test_setup_teardown(function, tree_set_up, tree_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TREE_TEST(test_strongest_main),
                TREE_TEST(test_no_main),
                TREE_TEST(test_drop_ins),
                TREE_TEST(test_masked),
                TREE_TEST(test_unreadable_drop_in),
                TREE_TEST(test_names),
                TREE_TEST(test_special_files),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
