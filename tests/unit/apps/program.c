/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Programs under test. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "basic/time.h"
#include "tests/unit/apps/program.h"

#define WORDS_MAX 24
#define PATIENCE_USEC (20 * USEC_PER_SEC)

static _Noreturn void child(char *argv[], const int in[2], const int out[2], const int err[2]) {
        char path[4096];

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) dup2(in[0], STDIN_FILENO);
        (void) dup2(out[1], STDOUT_FILENO);
        (void) dup2(err[1], STDERR_FILENO);
        (void) snprintf(path, sizeof(path), "%s/%s", APPS_DIRECTORY, argv[0]);
        (void) execv(path, argv);
        _exit(127);
}

Program *program_start(const char *line) {
        char *text = strdup(line), *argv[WORDS_MAX + 1] = {}, *save = NULL;
        Program *p = calloc(1, sizeof(*p));
        int in[2], out[2], err[2], n = 0;

        assert_non_null(text);
        assert_non_null(p);
        for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
                assert_true(n < WORDS_MAX);
                argv[n++] = word;
        }

        assert_int_equal(pipe2(in, O_CLOEXEC), 0);
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        assert_int_equal(pipe2(err, O_CLOEXEC), 0);

        p->pid = fork();
        assert_true(p->pid >= 0);
        if (p->pid == 0)
                child(argv, in, out, err);

        (void) close(in[0]);
        (void) close(out[1]);
        (void) close(err[1]);
        p->in = in[1];
        p->out.fd = out[0];
        p->err.fd = err[0];
        (void) fcntl(p->in, F_SETFL, O_NONBLOCK);
        free(text);
        return p;
}

static void take(ProgramStream *stream) {
        char rest[4096];
        bool full = stream->size + 1 >= sizeof(stream->text);
        ssize_t n;

        n = full ? read(stream->fd, rest, sizeof(rest))
                 : read(stream->fd, stream->text + stream->size, sizeof(stream->text) - 1 - stream->size);
        if (n <= 0) {
                (void) close(stream->fd);
                stream->fd = -1;
        } else if (!full) {
                stream->size += (size_t) n;
        }
}

/* Waits for output, or for room in the input. Returns whether there is room. */
static bool step(Program *p, bool writing, usec_t deadline) {
        Program *beside = p->beside;
        struct pollfd polled[] = {
                { .fd = p->out.fd, .events = POLLIN },
                { .fd = p->err.fd, .events = POLLIN },
                { .fd = beside ? beside->out.fd : -1, .events = POLLIN },
                { .fd = beside ? beside->err.fd : -1, .events = POLLIN },
                { .fd = writing ? p->in : -1, .events = POLLOUT },
        };
        ProgramStream *streams[] = { &p->out, &p->err, beside ? &beside->out : NULL, beside ? &beside->err : NULL };
        usec_t now = time_now();

        if (now >= deadline) {
                (void) kill(p->pid, SIGKILL);
                fail_msg("too slow; it printed: %s\n%s", p->out.text, p->err.text);
        }

        (void) poll(polled, 5, (int) ((deadline - now) / USEC_PER_MSEC) + 1);
        for (unsigned i = 0; i < 4; i++)
                if (polled[i].revents)
                        take(streams[i]);
        return polled[4].revents != 0;
}

static void expect(Program *p, const ProgramStream *stream, const char *text) {
        usec_t deadline = usec_add(time_now(), PATIENCE_USEC);

        while (!strstr(stream->text, text)) {
                if (stream->fd < 0)
                        fail_msg("it ended without '%s': %s\n%s", text, p->out.text, p->err.text);
                (void) step(p, false, deadline);
        }
}

void program_expect(Program *p, const char *text) {
        expect(p, &p->out, text);
}

void program_expect_error(Program *p, const char *text) {
        expect(p, &p->err, text);
}

void program_write(Program *p, const void *data, size_t size) {
        usec_t deadline = time_now() + PATIENCE_USEC;
        const uint8_t *from = data;

        while (size > 0) {
                ssize_t n;

                if (!step(p, true, deadline))
                        continue;
                n = write(p->in, from, size);
                if (n < 0 && errno == EAGAIN)
                        continue;
                if (n < 0)
                        fail_msg("it does not read: %s", strerror(errno));
                from += n;
                size -= (size_t) n;
        }
}

void program_close_input(Program *p) {
        if (p->in >= 0)
                (void) close(p->in);
        p->in = -1;
}

int program_wait(Program *p) {
        usec_t deadline = time_now() + PATIENCE_USEC;
        int status;

        while (p->out.fd >= 0 || p->err.fd >= 0)
                (void) step(p, false, deadline);

        assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
        p->pid = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int program_stop(Program *p, int signo) {
        assert_int_equal(kill(p->pid, signo), 0);
        return program_wait(p);
}

Program *program_free(Program *p) {
        if (!p)
                return NULL;

        program_close_input(p);
        if (p->pid > 0) {
                (void) kill(p->pid, SIGKILL);
                (void) waitpid(p->pid, NULL, 0);
        }
        if (p->out.fd >= 0)
                (void) close(p->out.fd);
        if (p->err.fd >= 0)
                (void) close(p->err.fd);
        free(p);
        return NULL;
}

Program *program_run(const char *line, int *ret_status) {
        Program *p = program_start(line);

        program_close_input(p);
        *ret_status = program_wait(p);
        return p;
}

void program_expect_failures(const ProgramFailure *rows, size_t n) {
        for (size_t i = 0; i < n; i++) {
                int status;
                _cleanup_program_ Program *p = program_run(rows[i].line, &status);

                if (status != rows[i].status || !strstr(p->err.text, rows[i].err))
                        fail_msg("%s: %d, %s", rows[i].line, status, p->err.text);
        }
}
