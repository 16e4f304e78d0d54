/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Programs of apps/ under test: started with their standard input, output and error in our hands. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PROGRAM_TEXT_BYTES 262144U

typedef struct ProgramStream {
        int fd;                         /* ours; -1: ended */
        size_t size;
        char text[PROGRAM_TEXT_BYTES];  /* ends with a zero byte; what is longer is cut */
} ProgramStream;

typedef struct Program {
        pid_t pid;
        struct Program *beside;         /* not owned; its output is taken, too, while this one is waited for */
        int in;
        ProgramStream out;
        ProgramStream err;
} Program;

/* Starts a command line, words separated by spaces: "o7s-ping -c 1 echo". Fails the test where it cannot. */
Program *program_start(const char *line);

/* Waits, at most 20 seconds, until standard output or error has the text. Fails the test where it does not come. */
void program_expect(Program *p, const char *text);
void program_expect_error(Program *p, const char *text);

/* To its standard input, all of it while its output is read; and the end of that. */
void program_write(Program *p, const void *data, size_t size);
void program_close_input(Program *p);

/* Waits until it has ended; at most 20 seconds, then it is killed, which fails the test. Returns: the exit status; -1:
 * a signal. */
int program_wait(Program *p);

/* A signal, and the wait. */
int program_stop(Program *p, int signo);

/* Kills it where it still runs. NULL is fine. */
Program *program_free(Program *p);

static inline void program_freep(Program **p) {
        *p = program_free(*p);
}

#define _cleanup_program_ __attribute__((cleanup(program_freep)))

/* Runs a whole command line with nothing to read. The result is the caller's. */
Program *program_run(const char *line, int *ret_status);

/* Lines that fail: with which status, and with what in the standard error. */
typedef struct ProgramFailure {
        const char *line;
        int status;
        const char *err;
} ProgramFailure;

void program_expect_failures(const ProgramFailure *rows, size_t n);
