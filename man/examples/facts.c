/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Says what is known of a flow, and makes it drop what does not fit into a buffer. */

#include <inttypes.h>
#include <stdio.h>

#include <o7s.h>

int main(int argc, char *argv[]) {
        struct o7s_flow_stats stats = { .size = sizeof(stats) };
        struct o7s_flow_info info = { .size = sizeof(info) };
        uint64_t flags = 0;
        o7s_flow *flow;
        char word[4];
        int r;

        r = o7s_flow_alloc(argc > 1 ? argv[1] : "echo", NULL, 0, 5000000, &flow);
        if (r < 0) {
                fprintf(stderr, "%s\n", o7s_strerror(r));
                return 1;
        }

        (void) o7s_flow_info(flow, &info);
        printf("%s through %s, messages of up to %" PRIu32 " bytes\n", info.name,
               info.is_local ? "this host" : info.layer, info.mtu);

        (void) o7s_flow_get_flags(flow, &flags);
        (void) o7s_flow_set_flags(flow, flags | O7S_TRUNCATE);
        (void) o7s_flow_set_timeout(flow, O7S_TIMEOUT_READ, 1000000);
        (void) o7s_flow_write(flow, "truncated", 9);
        if (o7s_flow_read(flow, word, sizeof(word)) > 0)
                printf("%.4s\n", word);

        (void) o7s_flow_stats(flow, &stats);
        printf("%" PRIu64 " sent, %" PRIu64 " received, %" PRIu64 " cut\n", stats.tx_messages, stats.rx_messages,
               stats.drops[O7S_DROP_TOO_LARGE]);
        o7s_flow_unref(flow);
        return 0;
}
