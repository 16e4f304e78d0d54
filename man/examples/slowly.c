/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints one message a second, however many come: in between the flow does not say that there are more, and its end and
 * other news are still seen at once. */

#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include <o7s.h>

#define PAUSE_MSEC 1000

/* Returns 0, or why there will be no more. */
static int print_one(o7s_flow *flow) {
        char text[4096];
        ssize_t n;

        n = o7s_flow_read(flow, text, sizeof(text));
        if (n < 0)
                return (int) n;

        printf("%.*s\n", (int) n, text);
        (void) fflush(stdout);
        return o7s_flow_arm_read(flow, false);
}

int main(int argc, char *argv[]) {
        struct pollfd polled = { .events = POLLIN };
        o7s_flow *flow;
        int r;

        r = o7s_flow_alloc(argc > 1 ? argv[1] : "source", NULL, 0, 5000000, &flow);
        if (r < 0) {
                fprintf(stderr, "%s\n", o7s_strerror(r));
                return 1;
        }

        polled.fd = o7s_flow_fd(flow);
        while (r >= 0) {
                int events, n;

                n = poll(&polled, 1, PAUSE_MSEC);
                events = o7s_flow_events(flow);

                /* At its end the rest, and then why there will be no more. */
                if (events & (O7S_READABLE | O7S_DOWN))
                        r = print_one(flow);
                else if (n == 0)
                        r = o7s_flow_arm_read(flow, true);
        }

        if (r != -ENOTCONN)
                fprintf(stderr, "%s\n", o7s_strerror(r));
        o7s_flow_unref(flow);
        return r != -ENOTCONN;
}
