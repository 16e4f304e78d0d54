/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * polkit asks for passwords through an agent of the session. On a plain terminal there is none, so we start
 * pkttyagent for as long as we run; --fallback makes it step back where a desktop has its own.
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "o7sctl/bus.h"

#define AGENT_START_MSEC 3000

static void agent_run(int notify_fd) {
        char notify[16];

        (void) prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (fcntl(notify_fd, F_SETFD, 0) < 0)
                _exit(127);

        (void) snprintf(notify, sizeof(notify), "%d", notify_fd);
        (void) execlp("pkttyagent", "pkttyagent", "--notify-fd", notify, "--fallback", (char *) NULL);
        _exit(127);
}

void agent_open(Ctl *ctl) {
        _cleanup_close_ int ready = -1, notify = -1;
        struct pollfd polled;
        int ends[2];
        pid_t pid;

        if (ctl->agent > 0 || !ctl->options.ask_password || ctl->options.host || ctl->options.machine ||
            geteuid() == 0 || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
                return;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return;
        ready = ends[0];
        notify = ends[1];

        pid = fork();
        if (pid < 0)
                return;
        if (pid == 0)
                agent_run(notify);

        ctl->agent = pid;
        notify = safe_close(notify);

        /* It closes its end as soon as it is registered, and so does an exec that failed. */
        polled = (struct pollfd) { .fd = ready, .events = POLLIN };
        (void) poll(&polled, 1, AGENT_START_MSEC);
}

void agent_close(Ctl *ctl) {
        if (ctl->agent <= 0)
                return;

        (void) kill(ctl->agent, SIGTERM);
        (void) waitpid(ctl->agent, NULL, 0);
        ctl->agent = 0;
}
