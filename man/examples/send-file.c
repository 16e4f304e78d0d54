/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sends standard input as a stream of bytes without ever waiting inside a write, and ends when all of it has
 * arrived. */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <o7s.h>

/* Returns 0, or why the flow has ended. */
static int send_all(o7s_flow *flow, const char *data, size_t size) {
        struct pollfd polled = { .fd = o7s_flow_fd(flow), .events = POLLIN };

        while (size > 0) {
                ssize_t n = o7s_flow_write(flow, data, size);

                if (n == -EAGAIN) {             /* a program with more to do would do that now */
                        if (o7s_flow_arm_write(flow, true) < 0 || poll(&polled, 1, -1) < 0)
                                return -EPIPE;
                        if (o7s_flow_events(flow) & O7S_DOWN)
                                return -EPIPE;
                        (void) o7s_flow_arm_write(flow, false);
                        continue;
                }
                if (n < 0)
                        return (int) n;

                data += n;
                size -= (size_t) n;
        }

        return 0;
}

int main(int argc, char *argv[]) {
        o7s_flow *flow;
        char buffer[16384];
        ssize_t n;
        int r;

        r = o7s_flow_alloc(argc > 1 ? argv[1] : "sink", &O7S_QOS_DATA, O7S_STREAM, 5000000, &flow);
        if (r >= 0)
                r = o7s_flow_set_timeout(flow, O7S_TIMEOUT_WRITE, 0);

        while (r >= 0 && (n = read(STDIN_FILENO, buffer, sizeof(buffer))) > 0)
                r = send_all(flow, buffer, (size_t) n);

        /* First without ending anything, to be able to say what is the matter; then for good. */
        while (r >= 0 && (r = o7s_flow_flush(flow, 1000000)) == -ETIMEDOUT) {
                fprintf(stderr, "still waiting\n");
                r = 0;
                if (o7s_flow_events(flow) & O7S_DOWN)
                        break;
        }
        if (r >= 0)
                r = o7s_flow_close(flow, 5000000);
        if (r < 0)
                fprintf(stderr, "%s\n", o7s_strerror(r));

        o7s_flow_unref(flow);
        return r < 0;
}
