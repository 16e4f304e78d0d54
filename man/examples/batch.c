/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sends a thousand small messages to an echo server, and takes the answers: many of them with each call. */

#include <stdio.h>
#include <string.h>

#include <o7s.h>

#define N 16
#define SIZE 64

int main(int argc, char *argv[]) {
        static char out[N][SIZE], in[N][SIZE];
        o7s_flow *flow;
        unsigned answered = 0;
        int r;

        r = o7s_flow_alloc(argc > 1 ? argv[1] : "echo", NULL, 0, 5000000, &flow);
        if (r < 0) {
                fprintf(stderr, "%s\n", o7s_strerror(r));
                return 1;
        }
        (void) o7s_flow_set_timeout(flow, O7S_TIMEOUT_READ, 1000000);

        while (r >= 0 && answered < 1000) {
                o7s_msg msgs[N];

                memset(out, '.', sizeof(out));
                for (unsigned i = 0; i < N; i++)
                        msgs[i] = (o7s_msg) { .data = out[i], .size = SIZE };

                r = o7s_flow_write_batch(flow, msgs, N);        /* how many were sent */

                for (int left = r; left > 0 && r >= 0; left -= r) {
                        for (unsigned i = 0; i < N; i++)
                                msgs[i] = (o7s_msg) { .data = in[i], .capacity = SIZE };

                        r = o7s_flow_read_batch(flow, msgs, N);
                        if (r > 0)
                                answered += (unsigned) r;
                }
        }

        printf("%u answers%s%s\n", answered, r < 0 ? ", then: " : "", r < 0 ? o7s_strerror(r) : "");
        o7s_flow_unref(flow);
        return r < 0;
}
