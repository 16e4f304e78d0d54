/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is logged: to standard error, and to a journal whose place this test takes. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "basic/log-journal.h"
#include "basic/log.h"
#include "basic/string.h"

/* Standard error is a pipe while body runs; what it wrote is returned. */
static char *capture(void (*body)(void), char *to, size_t size) {
        _cleanup_close_ int saved = -1, read_end = -1;
        int ends[2];
        ssize_t n;

        assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
        read_end = ends[0];
        saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        assert_true(saved >= 0);
        assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
        close(ends[1]);

        body();

        assert_true(dup2(saved, STDERR_FILENO) >= 0);
        n = read(read_end, to, size - 1);
        to[MAX(n, 0)] = '\0';
        return to;
}

static void say_things(void) {
        errno = EPERM;
        assert_int_equal(log_error_errno(-ENOENT, "Cannot open %s: %m", "x"), -ENOENT);
        assert_int_equal(log_warning_errno(EIO, "Positive: %m"), -EIO);
        assert_int_equal(errno, EPERM);         /* what the caller had stays */
        log_info("Plain: %m");
        log_debug("Not said");
        assert_int_equal(log_debug_errno(-EAGAIN, "Not said either"), -EAGAIN);
        log_with(LOG_NOTICE, LOG_FIELDS(LOG_FIELD_LAYER "=lan"), "Layer %s is online", "lan");
        assert_int_equal(log_with_errno(LOG_NOTICE, ENOENT, LOG_FIELDS(LOG_FIELD_LAYER "=lan"), "With a reason: %m"),
                         -ENOENT);
}

static void test_stderr(void **state) {
        char text[1024];

        unsetenv("JOURNAL_STREAM");
        log_set_max_level(LOG_INFO);
        assert_string_equal(capture(say_things, text, sizeof(text)),
                            "<3>Cannot open x: No such file or directory\n"
                            "<4>Positive: Input/output error\n"
                            "<6>Plain: Operation not permitted\n"
                            "<5>Layer lan is online\n"
                            "<5>With a reason: No such file or directory\n");

        /* Somebody else's stream is not ours. */
        setenv("JOURNAL_STREAM", "1:1", 1);
        log_set_max_level(LOG_ERR);
        assert_string_equal(capture(say_things, text, sizeof(text)),
                            "<3>Cannot open x: No such file or directory\n");
        unsetenv("JOURNAL_STREAM");
}

static void open_log(void) {
        log_open();
}

static void test_level(void **state) {
        static const struct {
                const char *text;
                int level;
        } levels[] = {
                { "debug", LOG_DEBUG }, { "info", LOG_INFO }, { "notice", LOG_NOTICE }, { "warning", LOG_WARNING },
                { "err", LOG_ERR }, { "crit", LOG_CRIT }, { "alert", LOG_ALERT }, { "emerg", LOG_EMERG },
                { "0", LOG_EMERG }, { "7", LOG_DEBUG }, { "8", -EINVAL }, { "", -EINVAL }, { "loud", -EINVAL },
                { "Debug", -EINVAL },
        };
        char text[256];

        for (size_t i = 0; i < ELEMENTSOF(levels); i++)
                assert_int_equal(log_level_from_string(levels[i].text), levels[i].level);
        assert_int_equal(log_level_from_string(NULL), -EINVAL);
        for (int level = LOG_EMERG; level <= LOG_DEBUG; level++)
                assert_int_equal(log_level_from_string(log_level_to_string(level)), level);
        assert_null(log_level_to_string(8));
        assert_null(log_level_to_string(-1));

        log_set_max_level(99);
        assert_int_equal(log_get_max_level(), LOG_DEBUG);

        setenv("O7S_LOG_LEVEL", "notice", 1);
        assert_string_equal(capture(open_log, text, sizeof(text)), "");
        assert_int_equal(log_get_max_level(), LOG_NOTICE);

        setenv("O7S_LOG_LEVEL", "loud", 1);
        assert_non_null(strstr(capture(open_log, text, sizeof(text)), "O7S_LOG_LEVEL=loud"));
        assert_int_equal(log_get_max_level(), LOG_NOTICE);
        unsetenv("O7S_LOG_LEVEL");
}

/* A socket in the journal's place, in a directory of its own. */
typedef struct Journal {
        char directory[32];
        char path[64];
        int fd;
} Journal;

static void journal_open(Journal *journal) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        assert_true(copy_string(journal->directory, sizeof(journal->directory), "/tmp/test-log-XXXXXX"));
        assert_non_null(mkdtemp(journal->directory));
        (void) snprintf(journal->path, sizeof(journal->path), "%s/socket", journal->directory);
        assert_true(copy_string(address.sun_path, sizeof(address.sun_path), journal->path));

        journal->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(journal->fd >= 0);
        assert_int_equal(bind(journal->fd, (struct sockaddr *) &address, sizeof(address)), 0);
}

static void journal_close(Journal *journal) {
        journal->fd = safe_close(journal->fd);
        (void) unlink(journal->path);
        (void) rmdir(journal->directory);
}

static const LogMessage example = {
        .level = LOG_ERR,
        .error = ENOENT,
        .file = "a/b.c",
        .line = 42,
        .function = "work",
        .text = "Two\nlines",
};

static void test_journal(void **state) {
        static const char *const fields[] = {
                "OUROBOROS_LAYER=lan", "lower=no", "_TRUSTED=no", "=no", "NOTHING", "EMPTY=", NULL,
        };
        static const char before[] = "MESSAGE\n\x09\0\0\0\0\0\0\0Two\nlines\nPRIORITY=3\nSYSLOG_IDENTIFIER=";
        static const char after[] =
                "\nCODE_FILE=a/b.c\nCODE_LINE=42\nCODE_FUNC=work\nERRNO=2\nOUROBOROS_ERROR=ENOENT\n"
                "OUROBOROS_LAYER=lan\nEMPTY=\n";
        size_t name_size = strlen(program_invocation_short_name);
        LogMessage message = example;
        Journal journal;
        char text[1024];
        ssize_t n;

        journal_open(&journal);
        message.fields = fields;
        assert_int_equal(journal_send(journal.path, &message), 0);

        n = recv(journal.fd, text, sizeof(text), 0);
        assert_int_equal(n, sizeof(before) - 1 + name_size + sizeof(after) - 1);
        assert_memory_equal(text, before, sizeof(before) - 1);
        assert_memory_equal(text + sizeof(before) - 1, program_invocation_short_name, name_size);
        assert_memory_equal(text + sizeof(before) - 1 + name_size, after, sizeof(after) - 1);

        journal_close(&journal);
        assert_true(journal_send(journal.path, &message) < 0);
}

/* More than any datagram carries comes as a sealed memfd. */
static void test_journal_large(void **state) {
        enum { LARGE = 4 * 1024 * 1024 };
        _cleanup_free_ char *field = NULL;
        const char *fields[2] = {};
        union {
                struct cmsghdr header;
                uint8_t space[CMSG_SPACE(sizeof(int))];
        } control;
        struct msghdr received = { .msg_control = &control, .msg_controllen = sizeof(control) };
        LogMessage message = example;
        _cleanup_close_ int fd = -1;
        Journal journal;
        struct stat st;
        const char *map;

        field = malloc(LARGE);
        assert_non_null(field);
        memset(field, 'x', LARGE);
        memcpy(field, "LARGE=", 6);
        field[LARGE - 1] = '\0';
        fields[0] = field;
        message.fields = fields;

        journal_open(&journal);
        assert_int_equal(journal_send(journal.path, &message), 0);
        assert_int_equal(recvmsg(journal.fd, &received, MSG_CMSG_CLOEXEC), 0);
        assert_int_equal(control.header.cmsg_type, SCM_RIGHTS);
        memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));

        assert_int_equal(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
        assert_int_equal(fstat(fd, &st), 0);
        assert_true(st.st_size > LARGE);

        map = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        assert_true(map != MAP_FAILED);
        assert_memory_equal(map, "MESSAGE\n\x09", 9);
        assert_memory_equal(map + st.st_size - LARGE, field, LARGE - 1);
        assert_int_equal(map[st.st_size - 1], '\n');
        (void) munmap((void *) map, (size_t) st.st_size);
        journal_close(&journal);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_stderr),
                cmocka_unit_test(test_level),
                cmocka_unit_test(test_journal),
                cmocka_unit_test(test_journal_large),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
