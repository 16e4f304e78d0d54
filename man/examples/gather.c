/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A message of two parts, header and body, without putting them together first; and its answer, apart again. */

#include <stdint.h>
#include <stdio.h>
#include <sys/uio.h>

#include <o7s.h>

struct header {
        uint32_t number;
        uint32_t kind;
};

int main(int argc, char *argv[]) {
        struct header header = { .number = 7, .kind = 1 };
        char body[] = "body";
        struct iovec parts[] = { { &header, sizeof(header) }, { body, sizeof(body) } };
        o7s_flow *flow;
        ssize_t n;
        int r;

        r = o7s_flow_alloc(argc > 1 ? argv[1] : "echo", NULL, 0, 5000000, &flow);
        if (r < 0) {
                fprintf(stderr, "%s\n", o7s_strerror(r));
                return 1;
        }

        n = o7s_flow_writev(flow, parts, 2);
        header = (struct header) {};
        if (n >= 0)
                n = o7s_flow_readv(flow, parts, 2);

        if (n == (ssize_t) (sizeof(header) + sizeof(body)))
                printf("number %u: %s\n", header.number, body);
        o7s_flow_unref(flow);
        return n < 0;
}
