/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opens a flow while other things go on: here, dots are printed until it is there. */

#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include <o7s.h>

int main(int argc, char *argv[]) {
        struct pollfd polled = { .events = POLLIN };
        o7s_flow *flow;
        int r;

        r = o7s_flow_alloc_start(argc > 1 ? argv[1] : "echo", NULL, 0, 10000000, &flow);
        if (r < 0) {
                fprintf(stderr, "Cannot ask for a flow: %s\n", o7s_strerror(r));
                return 1;
        }

        polled.fd = o7s_flow_fd(flow);
        while ((r = o7s_flow_alloc_finish(flow)) == -EINPROGRESS) {
                if (poll(&polled, 1, 100) == 0)
                        fputc('.', stderr);
        }

        printf("%s\n", r < 0 ? o7s_strerror(r) : "There it is.");
        o7s_flow_unref(flow);
        return r < 0;
}
