/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lanes: what the seals keep a peer from doing, and which descriptors are refused. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "libo7s/lane-internal.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define SEALS_ALL (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)

static void test_classes(void **state) {
        static const struct {
                const char *name;
                LaneClass class;
                uint32_t n_slots;
                size_t bytes, message_max;
        } cases[] = {
                { "thin",   LANE_THIN,   16,  4096 + 16 * 2048,  16 * 1024 },
                { "normal", LANE_NORMAL, 64,  4096 + 64 * 2048,  64 * 1024 },
                { "bulk",   LANE_BULK,   256, 4096 + 256 * 2048, 64 * 1024 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                print_message("%s\n", cases[i].name);
                assert_int_equal(lane_class_slots(cases[i].class), cases[i].n_slots);
                assert_int_equal(lane_class_bytes(cases[i].class), cases[i].bytes);
                assert_int_equal(lane_class_message_max(cases[i].class), cases[i].message_max);
        }
}

/* Both with what the kernel has and with newer calls forced to be missing. */
static void test_write_and_read(void **state) {
        for (int old = 0; old < 2; old++)
                for (LaneClass class = 0; class < _LANE_CLASS_MAX; class++) {
                        _cleanup_(lane_freep) Lane *own = NULL, *peer = NULL;
                        _cleanup_close_ int fd = -1;

                        lane_force_old_kernel(old);
                        assert_int_equal(lane_new(class, &own, &fd), 0);
                        assert_int_equal(lane_open(class, fd, &peer), 0);
                        lane_force_old_kernel(false);

                        assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
                        assert_int_equal((uintptr_t) own->memory->slots % 4096, 0);

                        own->memory->head = 7;
                        memset(own->memory->slots[lane_class_slots(class) - 1], 0xa5, LANE_SLOT_BYTES);
                        assert_int_equal(peer->memory->magic, LANE_MAGIC);
                        assert_int_equal(peer->memory->head, 7);
                        assert_memory_equal(peer->memory->slots[lane_class_slots(class) - 1],
                                            own->memory->slots[lane_class_slots(class) - 1], LANE_SLOT_BYTES);
                }
}

static void test_only_the_maker_writes(void **state) {
        _cleanup_(lane_freep) Lane *own = NULL, *peer = NULL;
        _cleanup_close_ int fd = -1, again = -1;
        char path[64];

        assert_int_equal(lane_new(LANE_THIN, &own, &fd), 0);
        assert_int_equal(lane_open(LANE_THIN, fd, &peer), 0);

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        again = open(path, O_RDWR | O_CLOEXEC);
        assert_true(again >= 0);

        for (int i = 0; i < 2; i++) {
                int via = i == 0 ? fd : again;

                assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, via, 0), MAP_FAILED);
                assert_int_equal(errno, EPERM);
                assert_int_equal(pwrite(via, "x", 1, 0), -1);
                assert_int_equal(errno, EPERM);
                assert_int_equal(ftruncate(via, 0), -1);
                assert_int_equal(errno, EPERM);
                assert_int_equal(ftruncate(via, 1 << 20), -1);
                assert_int_equal(errno, EPERM);
                assert_int_equal(fallocate(via, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
                assert_int_equal(errno, EPERM);
                assert_int_equal(fcntl(via, F_ADD_SEALS, F_SEAL_WRITE), -1);
                assert_int_equal(errno, EPERM);
        }

        assert_int_equal(mprotect(peer->memory, peer->size, PROT_READ | PROT_WRITE), -1);
        assert_int_equal(errno, EACCES);
}

static void test_fork_leaves_it_behind(void **state) {
        _cleanup_(lane_freep) Lane *own = NULL;
        _cleanup_close_ int fd = -1;
        unsigned char vector[1];
        int status;
        pid_t pid;

        assert_int_equal(lane_new(LANE_THIN, &own, &fd), 0);
        assert_int_equal(mincore(own->memory, 4096, vector), 0);

        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                _exit(mincore(own->memory, 4096, vector) < 0 && errno == ENOMEM ? 0 : 1);

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

/* A memfd as the rows below want it: size, how much of it is allocated, seals. */
static int make_memfd(unsigned flags, off_t size, off_t allocated, int seals) {
        int fd;

        fd = memfd_create("test", MFD_CLOEXEC | flags);
        if (fd < 0)
                return -errno;

        assert_int_equal(ftruncate(fd, size), 0);
        if (allocated > 0)
                assert_int_equal(fallocate(fd, 0, 0, allocated), 0);
        if (seals)
                assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
        return fd;
}

static int make_file(const char *directory) {
        int fd;

        fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;

        assert_int_equal(posix_fallocate(fd, 0, (off_t) lane_class_bytes(LANE_THIN)), 0);
        return fd;
}

static int make_socket(void) {
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
        (void) close(fds[1]);
        return fds[0];
}

static void test_refused(void **state) {
        const off_t size = (off_t) lane_class_bytes(LANE_THIN);
        const struct {
                const char *name;
                int fd;
                bool may_be_missing;    /* not on every kernel and file system */
                int r;
        } cases[] = {
                { "good",                   make_memfd(MFD_ALLOW_SEALING, size, size, SEALS_ALL),
                  false, 0 },
                { "good, all seals",        make_memfd(MFD_ALLOW_SEALING, size, size, SEALS_ALL | F_SEAL_WRITE),
                  false, 0 },
                { "not a descriptor",       -1,
                  true,  -EBADMSG },
                { "unsealed",               make_memfd(MFD_ALLOW_SEALING, size, size, 0),
                  false, -EBADMSG },
                { "cannot be sealed",       make_memfd(0, size, size, 0),
                  false, -EBADMSG },
                { "may shrink",             make_memfd(MFD_ALLOW_SEALING, size, size, SEALS_ALL & ~F_SEAL_SHRINK),
                  false, -EBADMSG },
                { "may grow",               make_memfd(MFD_ALLOW_SEALING, size, size, SEALS_ALL & ~F_SEAL_GROW),
                  false, -EBADMSG },
                { "may be written",         make_memfd(MFD_ALLOW_SEALING, size, size, SEALS_ALL & ~F_SEAL_FUTURE_WRITE),
                  false, -EBADMSG },
                { "seals may be added",     make_memfd(MFD_ALLOW_SEALING, size, size, SEALS_ALL & ~F_SEAL_SEAL),
                  false, -EBADMSG },
                { "a page short",           make_memfd(MFD_ALLOW_SEALING, size - 4096, size - 4096, SEALS_ALL),
                  false, -EBADMSG },
                { "a byte long",            make_memfd(MFD_ALLOW_SEALING, size + 1, size + 1, SEALS_ALL),
                  false, -EBADMSG },
                { "empty",                  make_memfd(MFD_ALLOW_SEALING, 0, 0, SEALS_ALL),
                  false, -EBADMSG },
                { "all holes",              make_memfd(MFD_ALLOW_SEALING, size, 0, SEALS_ALL),
                  false, -EBADMSG },
                { "one hole at the end",    make_memfd(MFD_ALLOW_SEALING, size, size - 4096, SEALS_ALL),
                  false, -EBADMSG },
                { "huge pages",             make_memfd(MFD_ALLOW_SEALING | MFD_HUGETLB, 2 << 20, 0, SEALS_ALL),
                  true,  -EBADMSG },
                { "a file on tmpfs",        make_file("/dev/shm"),
                  true,  -EBADMSG },
                { "a file",                 make_file("."),
                  true,  -EBADMSG },
                { "a directory",            open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                  false, -EBADMSG },
                { "a device",               open("/dev/zero", O_RDWR | O_CLOEXEC),
                  false, -EBADMSG },
                { "a socket",               make_socket(),
                  false, -EBADMSG },
                { "a path only",            open("/", O_PATH | O_CLOEXEC),
                  false, -EBADMSG },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                print_message("%s%s\n", cases[i].name, cases[i].fd < 0 ? " (not here)" : "");
                assert_true(cases[i].fd >= 0 || cases[i].may_be_missing);

                for (int old = 0; old < 2; old++) {
                        _cleanup_(lane_freep) Lane *lane = NULL;

                        lane_force_old_kernel(old);
                        assert_int_equal(lane_open(LANE_THIN, cases[i].fd, &lane), cases[i].r);
                        lane_force_old_kernel(false);
                        assert_int_equal(!lane, cases[i].r < 0);
                }

                if (cases[i].fd >= 0)
                        assert_int_equal(close(cases[i].fd), 0);        /* it stayed ours */
        }
}

static void test_wrong_class(void **state) {
        _cleanup_(lane_freep) Lane *own = NULL, *peer = NULL;
        _cleanup_close_ int fd = -1;

        assert_int_equal(lane_new(LANE_NORMAL, &own, &fd), 0);
        assert_int_equal(lane_open(LANE_THIN, fd, &peer), -EBADMSG);
        assert_int_equal(lane_open(LANE_BULK, fd, &peer), -EBADMSG);
        assert_int_equal(lane_open(_LANE_CLASS_MAX, fd, &peer), -EINVAL);
        assert_int_equal(lane_open(_LANE_CLASS_INVALID, fd, &peer), -EINVAL);
        assert_null(peer);
}

static void test_no_descriptors_left(void **state) {
        _cleanup_(lane_freep) Lane *own = NULL;
        struct rlimit old, none;
        int fd = -1, r;

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
        none = old;
        none.rlim_cur = 3;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        r = lane_new(LANE_THIN, &own, &fd);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);

        assert_int_equal(r, -EMFILE);
        assert_null(own);
        assert_int_equal(fd, -1);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_classes),
                cmocka_unit_test(test_write_and_read),
                cmocka_unit_test(test_only_the_maker_writes),
                cmocka_unit_test(test_fork_leaves_it_behind),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_wrong_class),
                cmocka_unit_test(test_no_descriptors_left),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
