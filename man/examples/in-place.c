/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes a message where the other side will find it, and looks at the answer where it lies: nothing is copied. */

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <o7s.h>

int main(int argc, char *argv[]) {
        static const char hello[] = "hello";
        o7s_flow *flow;
        const void *answer;
        size_t size;
        void *room;
        int r;

        r = o7s_flow_alloc(argc > 1 ? argv[1] : "echo", &O7S_QOS_RAW, 0, 5000000, &flow);
        if (r < 0) {
                fprintf(stderr, "%s\n", o7s_strerror(r));
                return 1;
        }

        r = o7s_flow_reserve(flow, 1024, &room);
        if (r >= 0) {
                memcpy(room, hello, sizeof(hello));
                r = (int) o7s_flow_commit(flow, sizeof(hello));         /* less than was reserved */
        }
        if (r >= 0)
                r = o7s_flow_peek(flow, &answer, &size);
        if (r >= 0) {
                uint8_t first = *(const uint8_t *) answer;              /* once: its writer could still change it */

                printf("%zu bytes, the first is 0x%02x\n", size, first);
                r = o7s_flow_release(flow);
        }

        if (r < 0)
                fprintf(stderr, "%s\n", o7s_strerror(r));
        o7s_flow_unref(flow);
        return r < 0;
}
