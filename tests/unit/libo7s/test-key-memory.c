/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where keys are in a process that uses protected flows: /proc/self/mem is searched, all of it that can be read.
 * While flows are open a secret is in the memory for keys or nowhere, and when they are closed it is gone. There is
 * one exception: the handshake's secret of the reference suite is itself the key of its first cipher, and ChaCha20 in
 * GnuTLS keeps its key, as it is, in a context of its own, once for each end of a flow. The IRM, which makes the keys
 * up, is another
 * process, and what is searched for is computed byte by byte, so that the search does not find itself.
 */

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/support/flow-pair.h"

#define N_FLOWS 4U
#define N_NUMBERS (2 * N_FLOWS + 1)     /* ids of both ends, from 1 on */
#define BLOCK 65536U
#define MAPPING_MAX (UINT64_C(1) << 30) /* larger ones are a sanitizer's shadow */

/* -- the IRM -- */

/* Serves until it is killed, or we end. */
static _Noreturn void irm_main(int address_fd) {
        IrmThread *irm;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (irm_thread_start(&irm) < 0)
                _exit(1);

        (void) !write(address_fd, getenv("O7S_SOCKET"), strlen(getenv("O7S_SOCKET")));
        for (;;)
                (void) pause();
}

static pid_t irm_fork(void) {
        char address[128] = "";
        int fds[2];
        pid_t pid;

        assert_int_equal(pipe(fds), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                irm_main(fds[1]);

        assert_true(read(fds[0], address, sizeof(address) - 1) > 0);
        (void) close(fds[0]);
        (void) close(fds[1]);
        assert_int_equal(setenv("O7S_SOCKET", address, 1), 0);
        return pid;
}

/* -- the search -- */

/* Whether one of a flow's secrets begins here. Its bytes are in no memory but one at a time. */
static bool is_secret(const uint8_t *at, unsigned which, uint8_t number) {
        for (unsigned i = 0; i < SEAL_SECRET_BYTES; i++)
                if (at[i] != irm_thread_key_byte(which, number, i))
                        return false;

        return true;
}

typedef struct Search {
        bool begins[1 << 16];           /* whether a secret has these first two bytes */
        unsigned n_inside, n_outside;   /* hits in memory for keys, and elsewhere */
} Search;

static void search_block(Search *s, const uint8_t *block, size_t size, bool inside) {
        for (size_t at = 0; at + SEAL_SECRET_BYTES <= size; at++) {
                if (!s->begins[block[at] << 8 | block[at + 1]])
                        continue;

                for (unsigned which = 0; which < 3; which++)
                        for (unsigned number = 0; number < N_NUMBERS; number++)
                                if (is_secret(block + at, which, (uint8_t) number)) {
                                        s->n_inside += inside;
                                        s->n_outside += !inside;
                                }
        }
}

static void search_mapping(Search *s, int mem_fd, uint64_t begin, uint64_t end, bool inside) {
        static uint8_t block[BLOCK + SEAL_SECRET_BYTES];        /* what it holds was found where it lies */

        if (begin <= (uintptr_t) block && (uintptr_t) block < end) {
                search_mapping(s, mem_fd, begin, (uintptr_t) block, inside);
                begin = (uintptr_t) block + sizeof(block);
        }

        for (uint64_t at = begin; at < end; at += BLOCK) {
                size_t wanted = MIN(sizeof(block), (size_t) (end - at));
                ssize_t n = pread(mem_fd, block, wanted, (off_t) at);

                if (n > 0)
                        search_block(s, block, (size_t) n, inside);
        }
        explicit_bzero(block, sizeof(block));
}

/* Memory for keys is what a forked child finds empty. */
static Search search(void) {
        uint64_t begin = 0, end = 0;
        bool readable = false;
        char line[512];
        Search s = {};
        int mem_fd;
        FILE *f;

        for (unsigned which = 0; which < 3; which++)
                for (unsigned number = 0; number < N_NUMBERS; number++)
                        s.begins[irm_thread_key_byte(which, (uint8_t) number, 0) << 8 |
                                 irm_thread_key_byte(which, (uint8_t) number, 1)] = true;

        mem_fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
        assert_true(mem_fd >= 0);
        f = fopen("/proc/self/smaps", "re");
        assert_non_null(f);
        while (fgets(line, sizeof(line), f)) {
                unsigned long from, to;
                char access;

                if (sscanf(line, "%lx-%lx %c", &from, &to, &access) == 3) {
                        begin = from;
                        end = to;
                        readable = access == 'r';
                } else if (strncmp(line, "VmFlags:", 8) == 0 && readable && end - begin <= MAPPING_MAX) {
                        search_mapping(&s, mem_fd, begin, end, strstr(line, " wf") != NULL);
                }
        }
        (void) fclose(f);
        (void) close(mem_fd);
        return s;
}

/* -- */

static void test_search_finds(void **state) {
        uint8_t *secret = malloc(SEAL_SECRET_BYTES);
        Search s;

        assert_non_null(secret);
        for (unsigned i = 0; i < SEAL_SECRET_BYTES; i++)
                secret[i] = irm_thread_key_byte(1, 3, i);
        s = search();
        assert_int_equal(s.n_outside, 1);

        explicit_bzero(secret, SEAL_SECRET_BYTES);
        s = search();
        assert_int_equal(s.n_outside, 0);
        free(secret);
}

static void exchange(o7s_flow *from, o7s_flow *to) {
        char got[100];

        for (unsigned i = 0; i < 100; i++) {
                assert_int_equal(o7s_flow_write(from, "a message", 9), 9);
                assert_int_equal(o7s_flow_read(to, got, sizeof(got)), 9);
        }
}

static void test_live_process(void **state) {
        static const o7s_qos qos[] = { O7S_QOS_RAW, O7S_QOS_DATA, O7S_QOS_BEST_EFFORT, O7S_QOS_RAW_SAFE };
        static const char *const suites[] = { "o7s", "o7s-mac", "reference" };

        for (size_t k = 0; k < ELEMENTSOF(suites); k++) {
                o7s_flow *asking[N_FLOWS], *serving[N_FLOWS];
                o7s_listener *listener;
                Search s;
                pid_t irm;

                print_message("%s\n", suites[k]);
                assert_int_equal(setenv("O7S_TEST_SEAL", suites[k], 1), 0);
                irm = irm_fork();

                assert_int_equal(o7s_listen("extended", 0, &listener), 0);
                for (unsigned i = 0; i < N_FLOWS; i++) {
                        assert_int_equal(o7s_flow_alloc_start("extended", &qos[i], 0, TEST_TIMEOUT_USEC, &asking[i]),
                                         0);
                        assert_int_equal(o7s_flow_accept(listener, TEST_TIMEOUT_USEC, &serving[i]), 0);
                        while (o7s_flow_alloc_finish(asking[i]) == -EINPROGRESS)
                                ;
                        exchange(asking[i], serving[i]);
                        exchange(serving[i], asking[i]);
                }
                s = search();
                print_message("open: %u in memory for keys, %u elsewhere\n", s.n_inside, s.n_outside);
                if (streq(suites[k], "reference")) {
                        assert_int_equal(s.n_outside, N_FLOWS);         /* every other flow, at both ends */
                } else {
                        assert_int_equal(s.n_outside, 0);
                        assert_true(s.n_inside > 0);    /* else the search would be the wrong one */
                }

                /* Closed is enough: nobody has to give up the handle. */
                for (unsigned i = 0; i < N_FLOWS; i++) {
                        (void) o7s_flow_close(asking[i], TEST_TIMEOUT_USEC);
                        (void) o7s_flow_close(serving[i], TEST_TIMEOUT_USEC);
                }
                s = search();
                assert_int_equal(s.n_inside, 0);
                assert_int_equal(s.n_outside, 0);

                for (unsigned i = 0; i < N_FLOWS; i++) {
                        o7s_flow_unref(asking[i]);
                        o7s_flow_unref(serving[i]);
                }
                o7s_listener_unref(listener);
                (void) kill(irm, SIGKILL);
                (void) waitpid(irm, NULL, 0);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_search_finds),
                cmocka_unit_test(test_live_process),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
