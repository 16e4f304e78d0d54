/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asks the server of a name one question, and prints the answer. */

#include <stdio.h>
#include <string.h>

#include <o7s.h>

static int complain(const char *what) {
        o7s_error last = { .size = sizeof(last) };

        (void) o7s_last_error(&last);
        fprintf(stderr, "%s: %s\n", what, last.text);
        return 1;
}

int main(int argc, char *argv[]) {
        o7s_qos qos = O7S_QOS_DATA;             /* nothing is lost, everything arrives in order */
        o7s_flow *flow;
        char answer[1024];
        ssize_t n;

        if (argc != 3) {
                fprintf(stderr, "usage: %s NAME QUESTION\n", argv[0]);
                return 2;
        }

        if (o7s_flow_alloc(argv[1], &qos, 0, 5000000, &flow) < 0)
                return complain("Cannot reach the server");

        (void) o7s_flow_set_timeout(flow, O7S_TIMEOUT_READ, 2000000);

        n = o7s_flow_write(flow, argv[2], strlen(argv[2]));
        if (n >= 0)
                n = o7s_flow_read(flow, answer, sizeof(answer));
        if (n < 0)
                (void) complain("No answer");
        else
                printf("%.*s\n", (int) n, answer);

        o7s_flow_unref(flow);
        return n < 0;
}
