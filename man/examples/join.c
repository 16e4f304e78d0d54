/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hears what is said in a broadcast layer. */

#include <stdio.h>

#include <o7s.h>

int main(int argc, char *argv[]) {
        o7s_flow *flow;
        char text[2048];
        ssize_t n;
        int r;

        r = o7s_flow_join(argc > 1 ? argv[1] : "news", 5000000, &flow);
        if (r < 0) {
                fprintf(stderr, "Cannot join: %s\n", o7s_strerror(r));
                return 1;
        }

        while ((n = o7s_flow_read(flow, text, sizeof(text))) >= 0)
                printf("%.*s\n", (int) n, text);

        o7s_flow_unref(flow);
        return 0;
}
