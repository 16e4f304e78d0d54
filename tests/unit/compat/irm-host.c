/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* irm-host PROGRAM ARGUMENT: an IRM, and with it PROGRAM server and PROGRAM client ARGUMENT. Ends with 0 if both do. */

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/support/irm-thread.h"

static pid_t spawn(const char *program, const char *role, const char *argument, int output) {
        pid_t pid = fork();

        if (pid != 0)
                return pid;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);      /* a test that fails leaves nobody behind */
        if (output >= 0)
                (void) dup2(output, STDOUT_FILENO);
        (void) execl(program, program, role, argument, (char *) NULL);
        _exit(127);
}

/* Returns: whether it ended well. */
static bool ended_well(pid_t pid, const char *role) {
        int status = -1;

        if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0)
                return true;

        (void) fprintf(stderr, "The %s ended with status 0x%x\n", role, status);
        return false;
}

int main(int argc, char *argv[]) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        pid_t server, client;
        bool served, asked;
        int ready[2];
        char byte;

        if (argc != 3 || irm_thread_start(&irm) < 0 || pipe(ready) < 0)
                return EXIT_FAILURE;

        server = spawn(argv[1], "server", NULL, ready[1]);
        (void) close(ready[1]);
        if (read(ready[0], &byte, 1) != 1)
                return EXIT_FAILURE;

        /* It says so before its thread accepts: until that has told the IRM, there is nobody. */
        while (irm_thread_counts(irm).n_messages[IRM_LISTEN] == 0)
                (void) poll(NULL, 0, 1);

        client = spawn(argv[1], "client", argv[2], -1);
        asked = ended_well(client, "client");
        if (!asked && server > 0)
                (void) kill(server, SIGKILL);           /* nobody will end it */
        served = ended_well(server, "server");
        (void) close(ready[0]);
        return asked && served ? EXIT_SUCCESS : EXIT_FAILURE;
}
