/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The calls of <ouroboros/irm.h>, with o7s-irm on a bus of its own (bus-fixture.h). There is no polkit, so root may
 * change something and nobody else.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <grp.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <ouroboros/dev.h>
#include <ouroboros/errno.h>
#include <ouroboros/irm.h>

#include "libo7s-compat/irm-bus.h"
#include "libo7s/bus-names.h"
#include "tests/unit/irm/bus-fixture.h"

#define NOBODY 65534

static const struct timespec long_time = { 10, 0 };
static const struct timespec short_time = { 0, 100000000 };

static int create(const char *name, enum pol_balance balance) {
        struct name_info info = { .pol_lb = balance };

        (void) snprintf(info.name, sizeof(info.name), "%s", name);
        return irm_create_name(&info);
}

/* How the name balances; -1: there is none. */
static int balance_of(const char *name) {
        struct name_info *names = NULL;
        int balance = -1;
        ssize_t n;

        n = irm_list_names(&names);
        assert_true(n >= 0);
        for (ssize_t i = 0; i < n; i++)
                if (strcmp(names[i].name, name) == 0)
                        balance = (int) names[i].pol_lb;

        free(names);
        return balance;
}

/* "program /bin/cat; " */
static const char *bindings_of(const char *name, char text[4096]) {
        Row *rows = NULL;
        IrmBus *bus;
        size_t n = 0;

        assert_int_equal(irm_bus_open(&bus), 0);
        assert_true(irm_bus_list_bindings(bus, name, &rows) >= 0);
        text[0] = '\0';
        for (size_t i = 0; rows[i].first; i++)
                n += (size_t) snprintf(text + n, 4096 - n, "%s %s; ", rows[i].first, rows[i].second);

        rows_free(rows);
        irm_bus_close(bus);
        return text;
}

static void test_names(void **state) {
        struct name_info info = { .pol_lb = LB_RR };

        assert_int_equal(irm_list_names(NULL), -EINVAL);
        assert_int_equal(balance_of("here"), LB_RR);
        assert_int_equal(balance_of("new"), -1);

        assert_int_equal(create("new", LB_SPILL), 0);
        assert_int_equal(balance_of("new"), LB_SPILL);
        assert_int_equal(create("new", LB_RR), 0);              /* it stays as it is */
        assert_int_equal(balance_of("new"), LB_SPILL);

        assert_int_equal(create("", LB_RR), -EINVAL);
        assert_int_equal(create("a/b", LB_RR), -EINVAL);
        assert_int_equal(create("other", LB_INVALID), -EINVAL);
        assert_int_equal(irm_create_name(NULL), -EINVAL);
        memset(info.name, 'x', sizeof(info.name));              /* no end */
        assert_int_equal(irm_create_name(&info), -EINVAL);
        assert_int_equal(irm_destroy_name("new"), 0);
        assert_int_equal(irm_destroy_name("new"), -ENAME);
        assert_int_equal(irm_destroy_name(NULL), -EINVAL);
        assert_int_equal(irm_destroy_name("here"), -EPERM);     /* a file's */
}

static void make_file(const char *path, mode_t mode) {
        FILE *file = fopen(path, "we");

        assert_non_null(file);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(chmod(path, mode), 0);
}

/* Somewhere in PATH, by its path, by a path with a link in it; and what is none. */
static void test_programs(void **state) {
        const BusFixture *f = *state;
        char program[128], data[128], link[128], text[4096], expected[512], search[8192];

        (void) snprintf(program, sizeof(program), "%s/oserver", f->irm.directory);
        (void) snprintf(data, sizeof(data), "%s/data", f->irm.directory);
        (void) snprintf(link, sizeof(link), "%s/link", f->irm.directory);
        make_file(program, 0755);
        make_file(data, 0644);
        assert_int_equal(symlink(f->irm.directory, link), 0);
        (void) snprintf(search, sizeof(search), "/nowhere:%s:%s", f->irm.directory, getenv("PATH"));
        assert_int_equal(setenv("PATH", search, 1), 0);

        assert_int_equal(irm_bind_program(NULL, "p", 0, 0, NULL), -EINVAL);
        assert_int_equal(irm_bind_program("oserver", NULL, 0, 0, NULL), -EINVAL);
        assert_int_equal(irm_bind_program("oserver", "p", 2, 0, NULL), -EINVAL);
        assert_int_equal(irm_bind_program("oserver", "p", BIND_AUTO, 0, NULL), -ENOTSUP);
        assert_int_equal(irm_bind_program("nothing", "p", 0, 0, NULL), -ENOENT);
        assert_int_equal(irm_bind_program("/nowhere/oserver", "p", 0, 0, NULL), -ENOENT);
        assert_int_equal(irm_bind_program("data", "p", 0, 0, NULL), -EPERM);
        assert_int_equal(irm_bind_program(data, "p", 0, 0, NULL), -EPERM);
        assert_int_equal(balance_of("p"), -1);

        assert_int_equal(irm_bind_program("oserver", "p", 0, 0, NULL), 0);
        assert_int_equal(balance_of("p"), LB_SPILL);            /* made for it */
        (void) snprintf(expected, sizeof(expected), "program %s; ", program);
        assert_string_equal(bindings_of("p", text), expected);
        (void) strcat(link, "/oserver");
        assert_int_equal(irm_bind_program(link, "p", 0, 1, (char *[]) { program, NULL }), 0);
        assert_string_equal(bindings_of("p", text), expected);

        assert_int_equal(irm_unbind_program("server", "p"), -ENOENT);
        assert_int_equal(irm_unbind_program("oserver", "here"), -ENOENT);
        assert_int_equal(irm_unbind_program("oserver", "unknown"), -ENAME);
        assert_int_equal(irm_unbind_program(NULL, "p"), -EINVAL);
        assert_int_equal(irm_unbind_program(link, "p"), 0);
        assert_string_equal(bindings_of("p", text), "");
        assert_int_equal(irm_unbind_program(link, "p"), -ENOENT);

        /* From all names, though the program is gone. */
        assert_int_equal(irm_bind_program(program, "p", 0, 0, NULL), 0);
        assert_int_equal(irm_bind_program(program, "q", 0, 0, NULL), 0);
        assert_int_equal(unlink(program), 0);
        assert_int_equal(irm_unbind_program(program, NULL), 0);
        assert_string_equal(bindings_of("p", text), "");
        assert_string_equal(bindings_of("q", text), "");
        assert_int_equal(irm_unbind_program("oserver", NULL), -ENOENT);
}

static void test_processes(void **state) {
        char text[4096], expected[64];
        pid_t gone = fork();

        if (gone == 0)
                _exit(0);
        assert_int_equal(waitpid(gone, NULL, 0), gone);

        assert_int_equal(irm_bind_process(gone, "here"), -ESRCH);
        assert_int_equal(irm_bind_process(0, "here"), -EINVAL);
        assert_int_equal(irm_bind_process(getpid(), NULL), -EINVAL);
        assert_int_equal(irm_bind_process(getpid(), "unknown"), -ENAME);

        assert_int_equal(irm_bind_process(getpid(), "here"), 0);
        assert_int_equal(irm_bind_process(getpid(), "elsewhere"), 0);
        (void) snprintf(expected, sizeof(expected), "process %d; ", (int) getpid());
        assert_string_equal(bindings_of("here", text), expected);

        assert_int_equal(irm_unbind_process(getpid(), "here"), 0);
        assert_int_equal(irm_unbind_process(getpid(), "here"), -ENOENT);
        assert_string_equal(bindings_of("elsewhere", text), expected);
        assert_int_equal(irm_unbind_process(getpid(), NULL), 0);
        assert_string_equal(bindings_of("elsewhere", text), "");
        assert_int_equal(irm_unbind_process(-1, NULL), -EINVAL);
}

/* The test plays the layer, so that its process is ours. */
static void test_registrations(void **state) {
        BusFixture *f = *state;
        int layer;

        assert_int_equal(irm_reg_name("here", getpid()), -EIPCP);
        layer = bus_fixture_online_layer(f);
        assert_int_equal(irm_reg_name(NULL, getpid()), -EINVAL);
        assert_int_equal(irm_reg_name("here", 0), -EINVAL);
        assert_int_equal(irm_unreg_name("here", getpid()), -ENOENT);

        assert_int_equal(irm_reg_name("here", getpid()), 0);
        assert_int_equal(irm_reg_name("here", getpid()), 0);
        assert_int_equal(irm_unreg_name("here", getpid()), 0);
        assert_int_equal(irm_unreg_name("here", getpid()), -ENOENT);
        assert_int_equal(irm_unreg_name("unknown", getpid()), -ENAME);

        assert_int_equal(irm_reg_name("fresh", getpid()), 0);
        assert_int_equal(balance_of("fresh"), LB_SPILL);
        assert_int_equal(irm_unreg_name("fresh", getpid()), 0);
        (void) close(layer);
}

/* "Certificate=/a/b" of that side. */
static bool shows(const BusFixture *f, const char *name, const char *property, const char *key, const char *value) {
        sd_bus_message *reply = NULL;
        const char *k, *v;
        bool found = false;
        char *path = NULL;

        assert_true(sd_bus_path_encode(BUS_PATH_NAME, name, &path) >= 0);
        assert_true(sd_bus_get_property(f->bus, BUS_NAME_IRM, path, BUS_INTERFACE_NAME, property, NULL, &reply,
                                        "a{ss}") >= 0);
        assert_true(sd_bus_message_enter_container(reply, 'a', "{ss}") >= 0);
        while (sd_bus_message_read(reply, "{ss}", &k, &v) > 0)
                found = found || (strcmp(k, key) == 0 && strcmp(v, value) == 0);

        sd_bus_message_unref(reply);
        free(path);
        return found;
}

/* What a name is to show is set with it, or there is no name. */
static void test_keys(void **state) {
        BusFixture *f = *state;
        struct name_info info = { .name = "keys", .pol_lb = LB_RR };
        char certificate[128], key[128];

        (void) snprintf(certificate, sizeof(certificate), "%s/crt.pem", f->irm.directory);
        (void) snprintf(key, sizeof(key), "%s/key.pem", f->irm.directory);

        (void) snprintf(info.s.key, sizeof(info.s.key), "%s", key);
        assert_int_equal(irm_create_name(&info), -EINVAL);      /* half of a pair */
        (void) snprintf(info.s.crt, sizeof(info.s.crt), "%s/../%s/crt.pem", f->irm.directory,
                        strrchr(f->irm.directory, '/') + 1);
        assert_int_equal(irm_create_name(&info), -ENOENT);
        make_file(certificate, 0644);
        make_file(key, 0600);
        (void) snprintf(info.c.enc, sizeof(info.c.enc), "%s", key);
        assert_int_equal(irm_create_name(&info), -ENOTSUP);     /* rather than without */
        assert_int_equal(balance_of("keys"), -1);

        info.c.enc[0] = '\0';
        assert_int_equal(irm_create_name(&info), 0);
        assert_true(shows(f, "keys", "ServerSecurity", "Certificate", certificate));
        assert_true(shows(f, "keys", "ServerSecurity", "PrivateKey", key));
        assert_false(shows(f, "keys", "ClientSecurity", "Certificate", certificate));

        /* One that exists is not changed. */
        info.c = info.s;
        assert_int_equal(irm_create_name(&info), 0);
        assert_false(shows(f, "keys", "ClientSecurity", "Certificate", certificate));
        assert_int_equal(irm_destroy_name("keys"), 0);
        assert_int_equal(irm_create_name(&info), 0);
        assert_true(shows(f, "keys", "ClientSecurity", "Certificate", certificate));

        memset(info.s.crt, 'x', sizeof(info.s.crt));            /* no end */
        assert_int_equal(irm_create_name(&info), -EINVAL);
}

static int as_nobody(void) {
        struct name_info *names = NULL;
        bool ok;

        if (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
                return 2;

        ok = create("theirs", LB_RR) == -EPERM && irm_destroy_name("here") == -EPERM &&
             irm_bind_process(getpid(), "here") == -EPERM &&
             irm_bind_program("/bin/sh", "here", 0, 0, NULL) == -EPERM &&
             irm_list_names(&names) >= 2;
        free(names);
        return ok ? 0 : 1;
}

static void test_not_permitted(void **state) {
        BusFixture *f = *state;
        int status;
        pid_t pid;

        assert_int_equal(chmod(f->irm.directory, 0711), 0);
        assert_int_equal(chmod(f->address + strlen("unix:path="), 0777), 0);

        pid = fork();
        if (pid == 0)
                _exit(as_nobody());
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

/* -- flows to what was bound -- */

static void *accept_one(void *userdata) {
        int *ret = userdata;

        *ret = flow_accept(NULL, &long_time);
        return NULL;
}

/* A program accepts for the names that are bound to it, from the moment on that they are, and for no others. */
static void test_serving(void **state) {
        char self[PATH_MAX] = "";
        pthread_t thread;
        int asking, serving;

        assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
        assert_int_equal(irm_bind_program("/bin/sh", "theirs", 0, 0, NULL), 0);
        assert_int_equal(pthread_create(&thread, NULL, accept_one, &serving), 0);
        assert_true(flow_alloc("theirs", NULL, &short_time) < 0);

        assert_int_equal(irm_bind_program(self, "ours", 0, 0, NULL), 0);
        asking = flow_alloc("ours", NULL, &long_time);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(asking >= 64);
        assert_true(serving >= 64);

        assert_int_equal(flow_write(asking, "hi", 2), 2);
        assert_int_equal(flow_read(serving, self, 16), 2);
        assert_int_equal(flow_dealloc(asking), 0);
        assert_int_equal(flow_dealloc(serving), 0);
        assert_int_equal(flow_alloc("nobody.knows", NULL, &long_time), -ENAME);
}

/* Last: nobody is on the bus any more, and then there is no bus. */
static void test_no_service(void **state) {
        BusFixture *f = *state;
        struct name_info *names;

        fixture_kill(&f->irm);
        assert_int_equal(irm_list_names(&names), -EIRMD);
        assert_int_equal(create("x", LB_RR), -EIRMD);
        assert_int_equal(irm_destroy_name("x"), -EIRMD);
        assert_int_equal(irm_bind_program("/bin/sh", "x", 0, 0, NULL), -EIRMD);
        assert_int_equal(irm_unbind_program("/bin/sh", "x"), -EIRMD);
        assert_int_equal(irm_unbind_process(getpid(), NULL), -EIRMD);
        assert_int_equal(irm_reg_name("x", getpid()), -EIRMD);

        assert_int_equal(setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent", 1), 0);
        assert_int_equal(irm_list_names(&names), -EIRMD);
        assert_int_equal(setenv("DBUS_SYSTEM_BUS_ADDRESS", f->address, 1), 0);
        fixture_run(&f->irm);
}

/* Each on a bus and with an IRM of its own. */
#define TEST(function) { #function, function, bus_fixture_set_up, bus_fixture_tear_down, argv[1] }

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                TEST(test_names),
                TEST(test_programs),
                TEST(test_processes),
                TEST(test_registrations),
                TEST(test_keys),
                TEST(test_not_permitted),
                TEST(test_serving),
                TEST(test_no_service),
        };

        if (argc != 2)
                return EXIT_FAILURE;
        if (geteuid() != 0) {
                print_message("Only root may manage names where there is no polkit\n");
                return 77;              /* skipped */
        }

        return cmocka_run_group_tests(tests, NULL, NULL);
}
