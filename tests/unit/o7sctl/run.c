/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Command lines in children. */

#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "o7sctl/verb.h"
#include "tests/unit/o7sctl/run.h"

#define WORDS_MAX 24

static void read_back(FILE *stream, char *buffer, size_t size) {
        rewind(stream);
        buffer[fread(buffer, 1, size - 1, stream)] = '\0';
        (void) fclose(stream);
}

_Noreturn void run_child(char *argv[], FILE *out, FILE *err) {
        Ctl ctl = { .options = OPTIONS_INIT };
        int argc = 0, status;

        (void) dup2(fileno(out), STDOUT_FILENO);
        (void) dup2(fileno(err), STDERR_FILENO);

        while (argv[argc])
                argc++;
        status = verb_dispatch(&ctl, argc, argv);
        (void) fflush(NULL);
        ctl_done(&ctl);
        _exit(status);
}

void run(Run *ret, const char *line) {
        char *text = strdup(line), *argv[WORDS_MAX + 1] = {}, *save = NULL;
        FILE *out = tmpfile(), *err = tmpfile();
        int n = 0, status;
        pid_t pid;

        assert_non_null(text);
        assert_non_null(out);
        assert_non_null(err);

        for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
                assert_true(n < WORDS_MAX);
                argv[n++] = word;
        }

        (void) fflush(NULL);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                run_child(argv, out, err);

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        ret->status = WEXITSTATUS(status);
        read_back(out, ret->out, sizeof(ret->out));
        read_back(err, ret->err, sizeof(ret->err));
        free(text);
}
