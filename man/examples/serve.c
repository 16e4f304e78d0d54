/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Serves a name, one client after the other: sends back what comes, in capitals. */

#include <ctype.h>
#include <stdio.h>

#include <o7s.h>

static void answer(o7s_flow *flow) {
        char text[1024];
        ssize_t n;

        while ((n = o7s_flow_read(flow, text, sizeof(text))) >= 0) {
                if (n == 0)                     /* a message that filled the buffer ended with it */
                        continue;
                for (ssize_t i = 0; i < n; i++)
                        text[i] = (char) toupper((unsigned char) text[i]);
                if (o7s_flow_write(flow, text, (size_t) n) < 0)
                        return;
        }
}

int main(int argc, char *argv[]) {
        o7s_listener *listener;
        o7s_flow *flow;
        int r;

        r = o7s_listen(argc > 1 ? argv[1] : NULL, 0, &listener);
        if (r < 0) {
                fprintf(stderr, "Cannot listen: %s\n", o7s_strerror(r));
                return 1;
        }

        while ((r = o7s_flow_accept(listener, O7S_FOREVER, &flow)) >= 0) {
                answer(flow);
                o7s_flow_unref(flow);
        }

        fprintf(stderr, "Cannot accept: %s\n", o7s_strerror(r));
        o7s_listener_unref(listener);
        return 1;
}
