/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Records with descriptors: how many come, who closes them, and what a record that is too long gets. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "basic/macro.h"
#include "basic/record.h"

typedef struct Pair {
        int a;
        int b;
} Pair;

static int setup(void **state) {
        static Pair pair;
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
        pair = (Pair) { fds[0], fds[1] };
        *state = &pair;
        return 0;
}

static int teardown(void **state) {
        Pair *pair = *state;

        pair->a = safe_close(pair->a);
        pair->b = safe_close(pair->b);
        return 0;
}

static unsigned n_open(void) {
        unsigned n = 0;

        for (int fd = 0; fd < 64; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        return n;
}

/* Any number of descriptors, as another process would send them. */
static void send_with(int socket_fd, const void *record, size_t size, unsigned n_fds) {
        union {
                struct cmsghdr header;
                uint8_t bytes[CMSG_SPACE(32 * sizeof(int))];
        } control = {};
        struct iovec part = { .iov_base = (void *) (uintptr_t) record, .iov_len = size };
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

        if (n_fds > 0) {
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                for (unsigned i = 0; i < n_fds; i++)
                        memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &(int) { STDERR_FILENO }, sizeof(int));
                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        }

        assert_int_equal(sendmsg(socket_fd, &message, 0), size);
}

static void test_receive(void **state) {
        static const struct {
                const char *name;
                size_t size;
                unsigned n_sent, n_reported;
                ssize_t expected;
        } rows[] = {
                { "without descriptors", 5, 0, 0, 5 },
                { "one", 5, 1, 1, 5 },
                { "as many as there may be", 8, 2, 2, 8 },
                { "more are told of, and closed", 8, 3, 3, 8 },
                { "more than there is room for", 8, 32, UINT32_MAX, -EBADMSG },
                { "too long", 9, 0, 0, -EBADMSG },
                { "too long, with a descriptor", 9, 1, 1, -EBADMSG },
        };
        Pair *pair = *state;
        unsigned before = n_open();

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                RecordFds fds = RECORD_FDS_INIT;
                uint8_t buffer[8];

                print_message("%s\n", rows[i].name);
                send_with(pair->a, "ninebytes", rows[i].size, rows[i].n_sent);
                assert_int_equal(record_receive(pair->b, buffer, sizeof(buffer), &fds), rows[i].expected);
                if (rows[i].n_reported != UINT32_MAX)
                        assert_int_equal(fds.n, rows[i].n_reported);
                for (unsigned k = 0; k < RECORD_FDS_MAX; k++)
                        assert_int_equal(fds.fds[k] >= 0, k < fds.n);
                assert_int_equal(n_open(), before + MIN(fds.n, RECORD_FDS_MAX));
                record_fds_close(&fds);
                assert_int_equal(n_open(), before);
        }
}

static void test_send(void **state) {
        Pair *pair = *state;
        RecordFds fds = RECORD_FDS_INIT;
        int taken[RECORD_FDS_MAX];
        unsigned before = n_open();
        uint8_t buffer[8];

        assert_int_equal(record_send(pair->a, "abc", 3, (const int[]) { STDERR_FILENO, STDERR_FILENO }, 2), 0);
        assert_int_equal(record_receive(pair->b, buffer, sizeof(buffer), &fds), 3);
        assert_memory_equal(buffer, "abc", 3);
        record_fds_take(&fds, taken);
        record_fds_close(&fds);
        assert_int_equal(n_open(), before + 2);
        (void) safe_close(taken[0]);
        (void) safe_close(taken[1]);

        /* Neither waits, though the sockets would. */
        assert_int_equal(record_receive(pair->b, buffer, sizeof(buffer), &fds), -EAGAIN);
        while (record_send(pair->a, "abc", 3, NULL, 0) >= 0)
                ;
        assert_int_equal(record_send(pair->a, "abc", 3, NULL, 0), -EAGAIN);
}

/* What was sent before the end comes first, also where records of ours were left unread. */
static void test_end(void **state) {
        Pair *pair = *state;
        RecordFds fds = RECORD_FDS_INIT;
        uint8_t buffer[8];

        assert_int_equal(record_send(pair->b, "unread", 6, NULL, 0), 0);
        assert_int_equal(record_send(pair->a, "last", 4, NULL, 0), 0);
        pair->a = safe_close(pair->a);
        assert_int_equal(record_receive(pair->b, buffer, sizeof(buffer), &fds), 4);
        assert_int_equal(record_receive(pair->b, buffer, sizeof(buffer), &fds), -EPIPE);
        assert_int_equal(record_send(pair->b, "x", 1, NULL, 0), -EPIPE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_receive, setup, teardown),
                cmocka_unit_test_setup_teardown(test_send, setup, teardown),
                cmocka_unit_test_setup_teardown(test_end, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
