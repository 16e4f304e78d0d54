/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The daemon's frame against a service manager that is a datagram socket of ours. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "services/common/daemon.h"

typedef struct Manager {
        int fd;
        char text[512];
        int passed;             /* a descriptor that came along, or -1 */
} Manager;

static int setup(void **state) {
        Manager *m = calloc(1, sizeof(*m));
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        char path[sizeof(address.sun_path) + 1];
        int n;

        assert_non_null(m);
        n = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "o7s-test-daemon-%d", (int) getpid());
        (void) snprintf(path, sizeof(path), "@%s", address.sun_path + 1);
        m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(m->fd >= 0);
        assert_int_equal(bind(m->fd, (struct sockaddr *) &address,
                              (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + (size_t) n)),
                         0);
        assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
        m->passed = -1;
        *state = m;
        return 0;
}

static int teardown(void **state) {
        Manager *m = *state;

        close(m->fd);
        free(m);
        return unsetenv("NOTIFY_SOCKET");
}

/* Whether a message came; it is in m->text. */
static bool hear(Manager *m) {
        union {
                struct cmsghdr header;
                uint8_t bytes[256];
        } control = {};
        struct iovec part = { .iov_base = m->text, .iov_len = sizeof(m->text) - 1 };
        struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                                 .msg_controllen = sizeof(control) };
        ssize_t n;

        n = recvmsg(m->fd, &header, 0);
        if (n < 0)
                return false;

        m->text[n] = '\0';
        m->passed = safe_close(m->passed);
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c))
                if (c->cmsg_type == SCM_RIGHTS)
                        memcpy(&m->passed, CMSG_DATA(c), sizeof(int));

        return true;
}

static void test_status(void **state) {
        _cleanup_(daemon_done) Daemon daemon = {};
        Manager *m = *state;

        assert_int_equal(daemon_init(&daemon, "test"), 0);

        daemon_status(&daemon, "Layer %s is online", "lan");
        assert_true(hear(m));
        assert_string_equal(m->text, "STATUS=Layer lan is online");
        daemon_status(&daemon, "Layer %s is online", "lan");
        assert_false(hear(m));                  /* the same again is not news */

        daemon_status(&daemon, "a\nMAINPID=1");
        assert_true(hear(m));
        assert_string_equal(m->text, "STATUS=a MAINPID=1");

        daemon_ready(&daemon);
        daemon_ready(&daemon);
        assert_true(hear(m));
        assert_string_equal(m->text, "READY=1");
        assert_false(hear(m));
}

static void test_store(void **state) {
        _cleanup_(daemon_done) Daemon daemon = {};
        Manager *m = *state;
        char byte = 0;
        int pipes[2];

        assert_int_equal(daemon_init(&daemon, "test"), 0);
        assert_int_equal(pipe(pipes), 0);

        assert_int_equal(daemon_store_fd(&daemon, "state", pipes[1]), 0);
        assert_true(hear(m));
        assert_string_equal(m->text, "FDSTORE=1\nFDNAME=state");
        assert_true(m->passed >= 0);
        assert_int_equal(write(m->passed, "x", 1), 1);          /* it is a duplicate of ours */
        assert_int_equal(read(pipes[0], &byte, 1), 1);
        assert_int_equal(byte, 'x');

        assert_int_equal(daemon_forget_fd(&daemon, "state"), 0);
        assert_true(hear(m));
        assert_string_equal(m->text, "FDSTOREREMOVE=1\nFDNAME=state");
        close(pipes[0]);
        close(pipes[1]);
        m->passed = safe_close(m->passed);
}

static void test_without_manager(void **state) {
        _cleanup_(daemon_done) Daemon daemon = {};

        assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
        assert_int_equal(daemon_init(&daemon, "test"), 0);
        assert_int_equal(daemon_store_fd(&daemon, "state", 0), 0);
        assert_int_equal(daemon_take_fd(&daemon, "irm"), -ENOENT);
        daemon_status(&daemon, "said to nobody");
        daemon_ready(&daemon);
}

/* In a process of its own: descriptors start at 3, whatever the test runner keeps there. */
static void test_passed_descriptors(void **state) {
        pid_t child;
        int status;

        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                _cleanup_(daemon_done) Daemon daemon = {};
                char pid[16];
                int a, b;

                (void) snprintf(pid, sizeof(pid), "%d", (int) getpid());
                for (int fd = 3; fd < 6; fd++)
                        if (dup2(0, fd) < 0)
                                _exit(1);
                if (setenv("LISTEN_PID", pid, 1) < 0 || setenv("LISTEN_FDS", "3", 1) < 0 ||
                    setenv("LISTEN_FDNAMES", "irm:state:irm", 1) < 0)
                        _exit(2);
                if (daemon_init(&daemon, "test") < 0 || getenv("LISTEN_FDS"))
                        _exit(3);

                a = daemon_take_fd(&daemon, "irm");
                b = daemon_take_fd(&daemon, "irm");
                if (a != 3 || b != 5 || daemon_take_fd(&daemon, "irm") != -ENOENT)
                        _exit(4);
                if (daemon_take_fd(&daemon, "layer") != -ENOENT)
                        _exit(5);
                daemon_done(&daemon);
                _exit(close(4) == 0 ? 6 : 0);   /* what nobody took is closed */
        }

        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_loop(void **state) {
        _cleanup_(daemon_done) Daemon daemon = {};
        Manager *m = *state;

        assert_int_equal(daemon_init(&daemon, "test"), 0);
        assert_int_equal(kill(getpid(), SIGTERM), 0);           /* blocked, read by the loop */
        assert_int_equal(daemon_loop(&daemon), EXIT_SUCCESS);
        assert_true(hear(m));
        assert_string_equal(m->text, "STOPPING=1");

        daemon_done(&daemon);
        assert_int_equal(daemon_init(&daemon, "test"), 0);
        assert_true(sd_event_exit(daemon.event, EXIT_CONFIGURATION) >= 0);
        assert_int_equal(daemon_loop(&daemon), EXIT_CONFIGURATION);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_status, setup, teardown),
                cmocka_unit_test_setup_teardown(test_store, setup, teardown),
                cmocka_unit_test_setup_teardown(test_without_manager, setup, teardown),
                cmocka_unit_test_setup_teardown(test_passed_descriptors, setup, teardown),
                cmocka_unit_test_setup_teardown(test_loop, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
