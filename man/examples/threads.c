/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A thread for each client, and one more that accepts. Whoever keeps a handle has a reference of its own. */

#include <pthread.h>
#include <stdio.h>

#include <o7s.h>

static void *talk(void *userdata) {
        o7s_flow *flow = userdata;
        char message[2048];
        ssize_t n;

        while ((n = o7s_flow_read(flow, message, sizeof(message))) >= 0)
                if (n > 0 && o7s_flow_write(flow, message, (size_t) n) < 0)
                        break;

        o7s_flow_unref(flow);
        return NULL;
}

static void *accept_all(void *userdata) {
        o7s_listener *listener = userdata;
        o7s_flow *flow;

        while (o7s_flow_accept(listener, O7S_FOREVER, &flow) >= 0) {
                pthread_t thread;

                if (pthread_create(&thread, NULL, talk, o7s_flow_ref(flow)) == 0)
                        pthread_detach(thread);
                else
                        o7s_flow_unref(flow);           /* the one that the thread would have had */
                o7s_flow_unref(flow);
        }

        o7s_listener_unref(listener);
        return NULL;
}

int main(int argc, char *argv[]) {
        o7s_listener *listener;
        pthread_t thread;

        if (o7s_listen(argc > 1 ? argv[1] : NULL, 0, &listener) < 0 ||
            pthread_create(&thread, NULL, accept_all, o7s_listener_ref(listener)) != 0) {
                fprintf(stderr, "Cannot serve\n");
                return 1;
        }

        pthread_join(thread, NULL);
        o7s_listener_unref(listener);
        return 1;
}
