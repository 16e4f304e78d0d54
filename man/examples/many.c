/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Serves any number of clients with one thread: a set waits on the listener and on all flows. */

#include <errno.h>
#include <stdio.h>

#include <o7s.h>

static void accept_one(o7s_listener *listener, o7s_set *set) {
        o7s_flow *flow;

        if (o7s_flow_accept(listener, 0, &flow) < 0)
                return;

        (void) o7s_flow_set_timeout(flow, O7S_TIMEOUT_READ, 0);
        (void) o7s_flow_set_timeout(flow, O7S_TIMEOUT_WRITE, 0);
        (void) o7s_set_add(set, O7S_KIND_FLOW, flow);
        o7s_flow_unref(flow);                   /* the set has a reference of its own */
}

static void echo_one(o7s_flow *flow, o7s_set *set) {
        char message[2048];
        ssize_t n;

        n = o7s_flow_read(flow, message, sizeof(message));
        if (n > 0)
                n = o7s_flow_write(flow, message, (size_t) n);
        if (n < 0 && n != -EAGAIN)
                (void) o7s_set_remove(set, flow);       /* and with that, the last reference */
}

int main(int argc, char *argv[]) {
        o7s_listener *listener;
        o7s_event events[32];
        o7s_set *set;
        int n;

        if (o7s_listen(argc > 1 ? argv[1] : NULL, 0, &listener) < 0 || o7s_set_new(&set) < 0 ||
            o7s_set_add(set, O7S_KIND_LISTENER, listener) < 0) {
                fprintf(stderr, "Cannot serve\n");
                return 1;
        }

        /* Another event loop would wait for o7s_set_fd() to be readable, and then call this with a time-out of 0. */
        printf("descriptor %d\n", o7s_set_fd(set));

        while ((n = o7s_set_wait(set, events, 32, O7S_FOREVER)) >= 0)
                for (int i = 0; i < n; i++) {
                        if (events[i].kind == O7S_KIND_LISTENER)
                                accept_one(events[i].handle, set);
                        else
                                echo_one(events[i].handle, set);
                }

        o7s_set_unref(set);
        o7s_listener_unref(listener);
        return 1;
}
