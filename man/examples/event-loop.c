/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One flow in a loop of one's own, beside standard input: lines go out as messages, messages come out as lines. */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <o7s.h>

/* Reads until nothing is left. Returns 0, or why there will be no more. */
static int print_messages(o7s_flow *flow) {
        char text[4096];
        ssize_t n;

        while ((n = o7s_flow_read(flow, text, sizeof(text))) >= 0)
                printf("%.*s\n", (int) n, text);
        (void) fflush(stdout);

        return n == -EAGAIN ? 0 : (int) n;
}

int main(int argc, char *argv[]) {
        struct pollfd polled[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .events = POLLIN } };
        o7s_flow *flow;
        int r;

        r = o7s_flow_alloc(argc > 1 ? argv[1] : "echo", NULL, 0, 5000000, &flow);
        if (r < 0) {
                fprintf(stderr, "%s\n", o7s_strerror(r));
                return 1;
        }

        (void) o7s_flow_set_timeout(flow, O7S_TIMEOUT_READ, 0);
        polled[1].fd = o7s_flow_fd(flow);

        while (r >= 0 && poll(polled, 2, -1) > 0) {
                char line[1024];
                ssize_t n;

                if (polled[0].revents) {
                        n = read(STDIN_FILENO, line, sizeof(line));
                        if (n <= 0)
                                break;
                        r = (int) o7s_flow_write(flow, line, (size_t) n);
                }

                /* Readable messages come before the news that there will be no more. */
                if (r >= 0 && (o7s_flow_events(flow) & (O7S_READABLE | O7S_DOWN)))
                        r = print_messages(flow);
        }

        if (r < 0 && r != -ENOTCONN)
                fprintf(stderr, "%s\n", o7s_strerror(r));
        o7s_flow_unref(flow);
        return r < 0 && r != -ENOTCONN;
}
