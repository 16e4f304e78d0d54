/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A certificate that ends soon, and one that has ended: the daemon says so by itself, to its journal and to whoever is
 * connected, which is how it gets to the bus. One that is good for long is not spoken of.
 */

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "basic/time.h"
#include "services/common/auth-message.h"
#include "tests/unit/auth/certificate-maker.h"

#define HEARD_MSEC 20000
#define DAY_SEC INT64_C(86400)

static const char *program = "o7s-auth";

static const struct {
        const char *name;
        int64_t left_sec;               /* from now on */
        const char *says;               /* NULL: nothing */
} certificates[] = {
        { "soon.example",  5 * DAY_SEC + 1800, "ends on" },
        { "ended.example", -3600,              "ended on" },
        { "long.example",  300 * DAY_SEC,      NULL },
};

typedef struct Daemon {
        pid_t pid;
        int fd;
        int log;                        /* what it writes to standard error, from its beginning */
        char directory[64];
} Daemon;

static void write_file(const Daemon *d, const char *name, const char *file, const Blob *content) {
        char path[256];
        int fd;

        (void) snprintf(path, sizeof(path), "%s/etc/o7s/security/server/%s/%s", d->directory, name, file);
        for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
                *p = '\0';
                assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
                *p = '/';
        }

        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, content->data, content->size), (ssize_t) content->size);
        (void) close(fd);
}

static void write_certificates(const Daemon *d) {
        int64_t now = (int64_t) time(NULL) - MAKER_NOW;

        for (size_t i = 0; i < ELEMENTSOF(certificates); i++) {
                const Recipe recipe = {
                        .from = now - 400 * DAY_SEC,
                        .until = now + certificates[i].left_sec,
                        .names = "U:o7s:name:some.example",
                };
                Blob key = { .data = (uint8_t *) "o7s-keyd has it\n", .size = 16 };
                _cleanup_(blob_done) Blob der = {}, pem = {};

                maker_certificate(&recipe, NULL, &der);
                maker_pem("CERTIFICATE", &der, &pem);
                write_file(d, certificates[i].name, "crt.pem", &pem);
                write_file(d, certificates[i].name, "key.pem", &key);
        }
}

static void run(const Daemon *d, int listen_fd) {
        char text[128];

        (void) prctl(PR_SET_PDEATHSIG, (unsigned long) SIGKILL, 0L, 0L, 0L);
        (void) snprintf(text, sizeof(text), "%d", (int) getpid());
        (void) setenv("LISTEN_PID", text, 1);
        (void) setenv("LISTEN_FDS", "1", 1);
        (void) setenv("LISTEN_FDNAMES", "auth", 1);
        (void) snprintf(text, sizeof(text), "--root=%s", d->directory);
        (void) dup2(d->log, STDERR_FILENO);
        if (listen_fd == 3)
                (void) fcntl(3, F_SETFD, 0);
        else
                (void) dup2(listen_fd, 3);
        (void) execl(program, program, "--user=root", text, NULL);
        _exit(127);
}

static int set_up(void **state) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        const AuthMessage hello = { .type = AUTH_HELLO, .version = AUTH_PROTOCOL_VERSION };
        static Daemon d;                /* cmocka hands on a pointer */
        int listen_fd;

        d = (Daemon) { .directory = "/tmp/o7s-test-XXXXXX" };
        assert_non_null(mkdtemp(d.directory));
        write_certificates(&d);
        d.log = memfd_create("log", MFD_CLOEXEC);
        assert_true(d.log >= 0);

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/auth.sock", d.directory);
        listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(listen_fd, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(listen(listen_fd, 4), 0);
        d.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(d.fd, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(auth_message_send(d.fd, &hello, -1), 0);

        d.pid = fork();
        assert_true(d.pid >= 0);
        if (d.pid == 0)
                run(&d, listen_fd);
        (void) close(listen_fd);
        *state = &d;
        return 0;
}

static int tear_down(void **state) {
        Daemon *d = *state;
        char command[128];
        int status;

        (void) close(d->fd);
        (void) close(d->log);
        (void) kill(d->pid, SIGTERM);
        assert_int_equal(waitpid(d->pid, &status, 0), d->pid);
        (void) snprintf(command, sizeof(command), "rm -rf '%s'", d->directory);
        return system(command);
}

static void hear(const Daemon *d, AuthMessageType type, AuthMessage *ret) {
        struct pollfd p = { .fd = d->fd, .events = POLLIN };
        int fd;

        assert_int_equal(poll(&p, 1, HEARD_MSEC), 1);
        assert_int_equal(auth_message_receive(d->fd, ret, &fd), 0);
        assert_int_equal(ret->type, type);
}

/* Which of the certificates it is about. */
static size_t row_of(const char *subject) {
        for (size_t i = 0; i < ELEMENTSOF(certificates); i++)
                if (strstr(subject, certificates[i].name))
                        return i;

        fail_msg("nobody asked about %s", subject);
        return 0;
}

static bool log_has(const Daemon *d, const char *subject, const char *text) {
        char content[16384], *line, *state = NULL;
        ssize_t n = pread(d->log, content, sizeof(content) - 1, 0);

        assert_true(n >= 0);
        content[n] = '\0';
        for (line = strtok_r(content, "\n", &state); line; line = strtok_r(NULL, "\n", &state))
                if (strstr(line, subject) && strstr(line, text))
                        return true;

        return false;
}

static void test_warned_of(void **state) {
        bool heard[ELEMENTSOF(certificates)] = {};
        AuthMessage message;
        Daemon *d = *state;

        hear(d, AUTH_HELLO, &message);
        auth_message_done(&message);

        for (unsigned i = 0; i < 2; i++) {
                int64_t left;
                size_t row;

                hear(d, AUTH_EXPIRING, &message);
                row = row_of(message.name);
                print_message("%s: %s\n", certificates[row].name, message.text);
                assert_non_null(certificates[row].says);
                assert_false(heard[row]);
                heard[row] = true;
                assert_non_null(strstr(message.text, certificates[row].says));
                left = (int64_t) (message.expiry_usec / USEC_PER_SEC) - (int64_t) time(NULL);
                assert_in_range(certificates[row].left_sec - left + 60, 0, 120);
                assert_true(log_has(d, certificates[row].name, certificates[row].says));
                auth_message_done(&message);
        }
        assert_false(log_has(d, "long.example", "certificate end"));
}

/* Whoever says that files have changed is not told once more of what has not. */
static void test_said_once(void **state) {
        const AuthMessage reload = { .type = AUTH_RELOAD };
        AuthMessage message;
        Daemon *d = *state;

        hear(d, AUTH_HELLO, &message);
        auth_message_done(&message);
        for (unsigned i = 0; i < 2; i++) {
                hear(d, AUTH_EXPIRING, &message);
                auth_message_done(&message);
        }

        assert_int_equal(kill(d->pid, SIGHUP), 0);
        assert_int_equal(auth_message_send(d->fd, &reload, -1), 0);
        hear(d, AUTH_RELOADED, &message);
        auth_message_done(&message);
        assert_int_equal(kill(d->pid, SIGHUP), 0);
        assert_int_equal(auth_message_send(d->fd, &reload, -1), 0);
        hear(d, AUTH_RELOADED, &message);
        auth_message_done(&message);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_warned_of, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_said_once, set_up, tear_down),
        };
        int r;

        if (geteuid() != 0)
                return 77;              /* the daemon serves one user, and it is root's test */
        if (argc > 1)
                program = argv[1];
        r = cmocka_run_group_tests(tests, NULL, NULL);
        maker_done();
        return r;
}
