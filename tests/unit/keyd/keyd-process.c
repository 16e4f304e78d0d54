/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* See keyd-process.h. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <fcntl.h>
#include <gnutls/x509.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "tests/unit/keyd/keyd-process.h"

#define WAIT_MSEC 10000
#define MAPPING_BYTES_MAX (256U * 1024U * 1024U)

static int bound_socket(const KeydProcess *p, const char *name, int type) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd;

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", p->directory, name);
        fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(chmod(address.sun_path, 0666), 0);
        return fd;
}

/* In the child: the socket as descriptor 3. */
static void exec_daemon(const KeydProcess *p, const char *program, int listen_fd) {
        char text[128];

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);      /* a test that fails leaves nobody behind */
        if (listen_fd == 3)
                (void) fcntl(3, F_SETFD, 0);
        else
                (void) dup2(listen_fd, 3);

        (void) setenv("LISTEN_FDS", "1", 1);
        (void) setenv("LISTEN_FDNAMES", "keyd", 1);
        (void) snprintf(text, sizeof(text), "%d", (int) getpid());
        (void) setenv("LISTEN_PID", text, 1);
        (void) snprintf(text, sizeof(text), "%s/notify", p->directory);
        (void) setenv("NOTIFY_SOCKET", text, 1);
        (void) setenv("CREDENTIALS_DIRECTORY", p->directory, 1);

        execl(program, program, "--user=root", NULL);
        _exit(127);
}

void keyd_start(KeydProcess *p, const char *program) {
        char text[1024] = "";
        int listen_fd, notify_fd;

        *p = (KeydProcess) {};
        (void) snprintf(p->directory, sizeof(p->directory), "/tmp/test-keyd.XXXXXX");
        assert_non_null(mkdtemp(p->directory));
        assert_int_equal(chmod(p->directory, 0755), 0);
        (void) snprintf(p->socket_path, sizeof(p->socket_path), "%s/keyd.sock", p->directory);
        listen_fd = bound_socket(p, "keyd.sock", SOCK_SEQPACKET);
        assert_int_equal(listen(listen_fd, 128), 0);
        notify_fd = bound_socket(p, "notify", SOCK_DGRAM);

        p->pid = fork();
        assert_true(p->pid >= 0);
        if (p->pid == 0)
                exec_daemon(p, program, listen_fd);
        (void) close(listen_fd);

        while (!strstr(text, "READY=1")) {
                struct pollfd pfd = { .fd = notify_fd, .events = POLLIN };
                ssize_t n;

                assert_int_equal(poll(&pfd, 1, WAIT_MSEC), 1);
                n = recv(notify_fd, text, sizeof(text) - 1, 0);
                assert_true(n >= 0);
                text[n] = '\0';
        }

        /* Nobody reads what else it says: it must not wait for that. */
        (void) close(notify_fd);
}

void keyd_clean(KeydProcess *p) {
        char command[128];

        (void) snprintf(command, sizeof(command), "rm -rf %s", p->directory);
        assert_int_equal(system(command), 0);
}

void keyd_stop(KeydProcess *p) {
        int status;

        assert_int_equal(kill(p->pid, SIGTERM), 0);
        assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        keyd_clean(p);
}

void keyd_write(const KeydProcess *p, const char *name, const void *data, size_t size) {
        char path[160];
        int fd;

        (void) snprintf(path, sizeof(path), "%s/%s", p->directory, name);
        (void) unlink(path);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, data, size), size);
        (void) close(fd);
}

void keyd_write_key(const KeydProcess *p, const char *name, MakerKey kind, unsigned number) {
        gnutls_x509_privkey_t key;
        gnutls_datum_t pem;

        assert_true(gnutls_privkey_export_x509(maker_key(kind, number), &key) >= 0);
        assert_true(gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &pem) >= 0);
        gnutls_x509_privkey_deinit(key);

        keyd_write(p, name, pem.data, pem.size);
        gnutls_free(pem.data);
}

int keyd_connect(const KeydProcess *p) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd;

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", p->socket_path);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        return fd;
}

int keyd_ask(int fd, const KeyMessage *question, KeyMessage *ret) {
        struct pollfd pfd = { .fd = fd, .events = POLLIN };
        int r;

        r = key_message_send(fd, question);
        if (r < 0)
                return r;

        assert_int_equal(poll(&pfd, 1, WAIT_MSEC), 1);
        return key_message_receive(fd, ret);
}

/* -- memory -- */

static unsigned count(const uint8_t *memory, size_t size, const uint8_t *needle, size_t needle_size) {
        unsigned n = 0;

        for (const uint8_t *p = memory; (p = memmem(p, size - (size_t) (p - memory), needle, needle_size)); p++)
                n++;

        return n;
}

static unsigned count_both_ways(const uint8_t *memory, size_t size, const Blob *needle) {
        uint8_t backwards[256];

        assert_true(needle->size <= sizeof(backwards));
        for (size_t i = 0; i < needle->size; i++)
                backwards[i] = needle->data[needle->size - 1 - i];

        return count(memory, size, needle->data, needle->size) + count(memory, size, backwards, needle->size);
}

static unsigned search_mapping(int memory_fd, uint64_t from, uint64_t to, const Blob *needles, unsigned n_needles) {
        size_t size = MIN((size_t) (to - from), (size_t) MAPPING_BYTES_MAX), done = 0;
        _cleanup_free_ uint8_t *memory = malloc(size);
        unsigned n = 0;
        ssize_t got;

        assert_non_null(memory);
        while (done < size && (got = pread(memory_fd, memory + done, size - done, (off_t) (from + done))) > 0)
                done += (size_t) got;

        for (unsigned i = 0; i < n_needles; i++)
                n += count_both_ways(memory, done, needles + i);
        return n;
}

MemoryHits keyd_search(const KeydProcess *p, const Blob *needles, unsigned n_needles) {
        char path[64], line[512];
        uint64_t from = 0, to = 0;
        bool readable = false;
        MemoryHits hits = {};
        int memory_fd;
        FILE *maps;

        (void) snprintf(path, sizeof(path), "/proc/%d/mem", (int) p->pid);
        memory_fd = open(path, O_RDONLY | O_CLOEXEC);
        (void) snprintf(path, sizeof(path), "/proc/%d/smaps", (int) p->pid);
        maps = fopen(path, "re");
        assert_true(memory_fd >= 0);
        assert_non_null(maps);

        while (fgets(line, sizeof(line), maps)) {
                uint64_t first, last;
                char flags[8];
                unsigned n;

                if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s", &first, &last, flags) == 3) {
                        from = first;
                        to = last;
                        /* the kernel's pages have nothing of ours */
                        readable = flags[0] == 'r' && !strstr(line, "[v");
                        continue;
                }
                if (!readable || strncmp(line, "VmFlags:", 8) != 0)
                        continue;

                n = search_mapping(memory_fd, from, to, needles, n_needles);
                hits.n += n;
                if (!strstr(line, " lo"))
                        hits.n_unlocked += n;
        }

        (void) fclose(maps);
        (void) close(memory_fd);
        return hits;
}
