/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waits for flows in a loop of one's own, and says who came. */

#include <poll.h>
#include <stdio.h>

#include <o7s.h>

int main(int argc, char *argv[]) {
        struct pollfd polled = { .events = POLLIN };
        o7s_listener *listener;

        if (o7s_listen(argc > 1 ? argv[1] : NULL, 0, &listener) < 0) {
                fprintf(stderr, "Cannot listen\n");
                return 1;
        }

        polled.fd = o7s_listener_fd(listener);
        while (poll(&polled, 1, 60000) > 0) {           /* for a minute without anybody */
                struct o7s_flow_info info = { .size = sizeof(info) };
                o7s_flow *flow;

                if (o7s_flow_accept(listener, 0, &flow) < 0)
                        continue;
                if (o7s_flow_info(flow, &info) >= 0)
                        printf("%s asked for %s\n", info.peer[0] ? info.peer : "somebody", info.name);
                o7s_flow_unref(flow);
        }

        o7s_listener_unref(listener);
        return 0;
}
