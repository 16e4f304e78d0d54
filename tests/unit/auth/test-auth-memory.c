/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Searches the memory of the living daemon. Keys of flows are gone once they were answered; the private half of a key
 * exchange is gone once its session was forgotten. Each search is shown to find something first: a secret that has to
 * be there, and a key that is still in use. Reading the memory of a process that cannot be dumped takes root.
 */

#include <fcntl.h>
#include <nettle/curve25519.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "basic/time.h"
#include "services/common/auth-message.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_SANITIZER 1
#elif defined(__has_feature)
#define HAVE_SANITIZER __has_feature(address_sanitizer)
#else
#define HAVE_SANITIZER 0
#endif

#define NAME "memory.example"
#define SECRET_BYTES 32U
#define MAPPING_BYTES_MAX (64U * 1024 * 1024)

static const char *program = "o7s-auth";

typedef struct Daemon {
        pid_t pid;
        int fd;
        char directory[64];
} Daemon;

static void start(Daemon *d) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int listen_fd;

        assert_true(copy_string(d->directory, sizeof(d->directory), "/tmp/o7s-test-XXXXXX"));
        assert_non_null(mkdtemp(d->directory));
        assert_true(snprintf(address.sun_path, sizeof(address.sun_path), "%s/auth.sock", d->directory) > 0);

        listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        assert_true(listen_fd >= 0);
        assert_int_equal(bind(listen_fd, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(listen(listen_fd, 4), 0);

        d->pid = fork();
        assert_true(d->pid >= 0);
        if (d->pid == 0) {
                sigset_t signals;
                char pid[32];

                /* One that is stopped before it has begun takes the signal then. */
                (void) sigemptyset(&signals);
                (void) sigaddset(&signals, SIGTERM);
                (void) sigprocmask(SIG_BLOCK, &signals, NULL);
                /* A test that fails takes it along. */
                (void) prctl(PR_SET_PDEATHSIG, (unsigned long) SIGKILL, 0L, 0L, 0L);
                (void) snprintf(pid, sizeof(pid), "%d", (int) getpid());
                (void) setenv("LISTEN_PID", pid, 1);
                (void) setenv("LISTEN_FDS", "1", 1);
                (void) setenv("LISTEN_FDNAMES", "auth", 1);
                if (listen_fd == 3)
                        (void) fcntl(3, F_SETFD, 0);
                else
                        (void) dup2(listen_fd, 3);
                (void) execl(program, program, "--user=root", "--root=/nonexistent", NULL);
                _exit(127);
        }

        (void) close(listen_fd);
        d->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(d->fd, (struct sockaddr *) &address, sizeof(address)), 0);
}

static void stop(Daemon *d) {
        char path[128];
        int status;

        (void) close(d->fd);
        (void) kill(d->pid, SIGTERM);
        assert_int_equal(waitpid(d->pid, &status, 0), d->pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        (void) snprintf(path, sizeof(path), "%s/auth.sock", d->directory);
        (void) unlink(path);
        (void) rmdir(d->directory);
}

static void ask(Daemon *d, AuthMessage *question, AuthMessage *ret) {
        struct pollfd p = { .fd = d->fd, .events = POLLIN };
        int fd;

        assert_int_equal(auth_message_send(d->fd, question, -1), 0);
        auth_message_done(question);
        assert_int_equal(poll(&p, 1, 20000), 1);
        assert_int_equal(auth_message_receive(d->fd, ret, &fd), 0);
        if (ret->result < 0)
                print_message("%s\n", ret->text);
        assert_int_equal(ret->result, 0);
}

static void greet(Daemon *d) {
        AuthMessage hello = { .type = AUTH_HELLO, .version = AUTH_PROTOCOL_VERSION };
        _cleanup_(auth_message_done) AuthMessage answer = {};

        ask(d, &hello, &answer);
}

/* Another question's answer: the daemon has come to the end of what it did before. */
static void settle(Daemon *d) {
        AuthMessage inspect = { .type = AUTH_INSPECT, .name = NAME };
        _cleanup_(auth_message_done) AuthMessage answer = {};

        ask(d, &inspect, &answer);
}

static void move_oap(AuthMessage *from, AuthMessage *to) {
        to->oap = TAKE_PTR(from->oap);
        to->oap_size = from->oap_size;
        from->oap_size = 0;
}

static void build_request(Daemon *d, AuthMessage *ret) {
        AuthMessage question = { .type = AUTH_BUILD_REQUEST, .name = NAME, .have_token = true };

        ask(d, &question, ret);
}

/* -- the search -- */

typedef unsigned (*search_t)(const uint8_t *memory, size_t size, const uint8_t secret[SECRET_BYTES]);

static unsigned count_copies(const uint8_t *memory, size_t size, const uint8_t secret[SECRET_BYTES]) {
        const uint8_t *p = memory;
        unsigned n = 0;

        /* Half of it is as bad as all of it. */
        while ((p = memmem(p, size - (size_t) (p - memory), secret, SECRET_BYTES / 2))) {
                n++;
                p++;
        }

        return n;
}

/* Every place that holds a number whose public half is this one. Numbers from a source of randomness have few zeroes in
 * them. */
static unsigned count_private_keys(const uint8_t *memory, size_t size, const uint8_t public_key[SECRET_BYTES]) {
        unsigned n = 0, zeroes = 0;

        for (size_t i = 0; i < size; i++) {
                uint8_t candidate[SECRET_BYTES];

                zeroes += memory[i] == 0;
                if (i >= SECRET_BYTES)
                        zeroes -= memory[i - SECRET_BYTES] == 0;
                if (i + 1 < SECRET_BYTES || zeroes > 2)
                        continue;

                curve25519_mul_g(candidate, memory + i + 1 - SECRET_BYTES);
                n += memcmp(candidate, public_key, SECRET_BYTES) == 0;
        }

        return n;
}

/* In all that the process can write to; heap_only: in what it allocates, which is quicker to go through. */
static unsigned search(pid_t pid, bool heap_only, search_t count, const uint8_t secret[SECRET_BYTES]) {
        char path[64], line[512];
        unsigned n = 0, n_mappings = 0;
        FILE *maps;
        int fd;

        (void) snprintf(path, sizeof(path), "/proc/%d/mem", (int) pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        (void) snprintf(path, sizeof(path), "/proc/%d/maps", (int) pid);
        maps = fopen(path, "re");
        assert_non_null(maps);

        while (fgets(line, sizeof(line), maps)) {
                _cleanup_free_ uint8_t *memory = NULL;
                unsigned long long from, to;
                char rights[8];
                ssize_t size;

                if (sscanf(line, "%llx-%llx %7s", &from, &to, rights) != 3 || rights[1] != 'w' ||
                    (heap_only && !strstr(line, "[heap]")) || to - from > MAPPING_BYTES_MAX)
                        continue;

                memory = malloc(to - from);
                assert_non_null(memory);
                size = pread(fd, memory, to - from, (off_t) from);
                if (size <= 0)
                        continue;

                n_mappings++;
                n += count(memory, (size_t) size, secret);
        }

        (void) fclose(maps);
        (void) close(fd);
        assert_true(n_mappings > 0);
        return n;
}

/* -- the tests -- */

static void test_keys_are_gone(void **state) {
        _cleanup_(auth_message_done) AuthMessage request = {}, checked = {}, response = {}, end = {};
        AuthMessage question;
        uint8_t epoch[SECRET_BYTES] = {};
        Daemon d;

        start(&d);
        greet(&d);
        build_request(&d, &request);

        question = (AuthMessage) { .type = AUTH_CHECK_REQUEST, .name = NAME };
        move_oap(&request, &question);
        ask(&d, &question, &checked);

        question = (AuthMessage) { .type = AUTH_BUILD_RESPONSE, .session = checked.session, .have_token = true };
        ask(&d, &question, &response);

        question = (AuthMessage) { .type = AUTH_CHECK_RESPONSE, .session = request.session };
        move_oap(&response, &question);
        ask(&d, &question, &end);

        assert_int_equal(end.keys.suite, SEAL_O7S);
        assert_memory_equal(end.keys.send, response.keys.receive, SEAL_SECRET_BYTES);

        settle(&d);

        /* The search finds what is there: the epoch lives as long as the process. */
        memcpy(epoch, end.epoch, AUTH_EPOCH_BYTES);
        assert_true(search(d.pid, false, count_copies, epoch) > 0);

        assert_int_equal(search(d.pid, false, count_copies, end.keys.send), 0);
        assert_int_equal(search(d.pid, false, count_copies, end.keys.receive), 0);
        assert_int_equal(search(d.pid, false, count_copies, end.keys.agreement), 0);
        assert_int_equal(search(d.pid, false, count_copies, end.control.send), 0);
        assert_int_equal(search(d.pid, false, count_copies, end.control.receive), 0);
        stop(&d);
}

static void test_forgotten(void **state) {
        _cleanup_(auth_message_done) AuthMessage request = {};
        AuthMessage forget = { .type = AUTH_FORGET };
        uint8_t public_key[SECRET_BYTES];
        OapHeader header;
        Daemon d;

        start(&d);
        greet(&d);
        build_request(&d, &request);
        assert_int_equal(oap_header_parse(request.oap, request.oap_size, 0, &header), 0);
        assert_int_equal(header.key_exchange_size, 44);         /* X25519 */
        memcpy(public_key, header.key_exchange + header.key_exchange_size - SECRET_BYTES, SECRET_BYTES);

        assert_true(search(d.pid, true, count_private_keys, public_key) > 0);

        forget.session = request.session;
        assert_int_equal(auth_message_send(d.fd, &forget, -1), 0);
        settle(&d);
        assert_int_equal(search(d.pid, true, count_private_keys, public_key), 0);
        stop(&d);
}

/* What the kernel says of the process. */
static void test_hardening(void **state) {
        char path[64], line[256];
        unsigned n_locked = 0;
        struct rlimit limit;
        FILE *status;
        Daemon d;

        start(&d);
        greet(&d);
        assert_int_equal(prlimit(d.pid, RLIMIT_CORE, NULL, &limit), 0);
        assert_int_equal(limit.rlim_max, 0);

        (void) snprintf(path, sizeof(path), "/proc/%d/status", (int) d.pid);
        status = fopen(path, "re");
        assert_non_null(status);
        while (fgets(line, sizeof(line), status))
                (void) sscanf(line, "VmLck: %u kB", &n_locked);
        (void) fclose(status);
        assert_true(n_locked > 0);
        stop(&d);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_keys_are_gone),
                cmocka_unit_test(test_forgotten),
                cmocka_unit_test(test_hardening),
        };

        if (argc != 2)
                return EXIT_FAILURE;
        if (HAVE_SANITIZER) {
                printf("a sanitizer has memory of its own, and locks none\n");
                return 77;
        }
        if (geteuid() != 0) {
                printf("only root reads the memory of this process\n");
                return 77;
        }

        program = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
