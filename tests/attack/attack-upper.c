/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * On a layer from above: an application that does not read what arrives for it, beside others that do. The ends of
 * their flows and the lanes are the real ones.
 */

#include "libo7s/endpoint.h"
#include "tests/attack/attack.h"
#include "tests/support/channel-pair.h"

#define FLOWS 16U
#define SLOW 5U                         /* that never reads */
#define BURST 8U
#define CONTENT_BYTES 1000U

typedef struct Upper {
        Endpoint *endpoints[FLOWS];
        Channel *applications[FLOWS];
        Packet *packets[BURST];
} Upper;

static void upper_done(Upper *u) {
        for (unsigned i = 0; i < FLOWS; i++) {
                endpoint_free(u->endpoints[i]);
                channel_free(u->applications[i]);
        }
        for (unsigned i = 0; i < BURST; i++)
                packet_free(u->packets[i]);
}

static bool upper_init(Upper *u) {
        *u = (Upper) {};

        for (unsigned i = 0; i < BURST; i++)
                if (packet_new(CONTENT_BYTES, u->packets + i) < 0)
                        return false;
        for (unsigned i = 0; i < FLOWS; i++) {
                Lane *own, *peer;
                int doorbell;
                RawPeer raw;

                if (raw_peer_new(LANE_THIN, &raw, &own, &peer, &doorbell) < 0 ||
                    endpoint_new(LANE_THIN, own, peer, doorbell, u->endpoints + i) < 0 ||
                    channel_new(LANE_THIN, raw.own, raw.other, raw.doorbell, u->applications + i) < 0)
                        return false;
        }

        return true;
}

/* A burst for one flow; all of it is read, in order, but by who never reads. Returns: whether it was. */
static bool pass(Upper *u, unsigned flow, unsigned round) {
        uint8_t content[CONTENT_BYTES];

        for (unsigned i = 0; i < BURST; i++) {
                packet_reset(u->packets[i]);
                memset(packet_append(u->packets[i], sizeof(content)), (int) (round + i + flow), sizeof(content));
        }
        if (flow == SLOW)
                return endpoint_deliver(u->endpoints[flow], u->packets, BURST, false) >= 0;
        if (endpoint_deliver(u->endpoints[flow], u->packets, BURST, false) != 0)
                return false;

        for (unsigned i = 0; i < BURST; i++)
                if (channel_read(u->applications[flow], content, sizeof(content), NULL) != CONTENT_BYTES ||
                    content[0] != (uint8_t) (round + i + flow) || content[CONTENT_BYTES - 1] != content[0])
                        return false;

        return channel_release(u->applications[flow]) >= 0;
}

static bool attack_slow_reader(Attack *attack) {
        unsigned n = attack_rounds(attack, 5000, 500000);
        uint64_t n_read = 0;
        Upper u;

        if (!upper_init(&u)) {
                upper_done(&u);
                return attack_broken(attack, "no flows");
        }

        for (unsigned round = 0; round < n; round++)
                for (unsigned flow = 0; flow < FLOWS; flow++) {
                        if (!pass(&u, flow, round)) {
                                upper_done(&u);
                                return attack_broken(attack, "flow %u: round %u is not delivered", flow, round);
                        }
                        n_read += flow == SLOW ? 0 : BURST;
                }

        attack_figure(attack,
                      "%" PRIu64 " packets for %u programs beside one that never reads: "
                                 "all delivered in order; %" PRIu64
                      " of its own dropped, nobody waited",
                      n_read, FLOWS - 1, endpoint_counters(u.endpoints[SLOW])->drops[DROP_QUEUE_FULL]);
        n_read = endpoint_counters(u.endpoints[SLOW])->drops[DROP_QUEUE_FULL];
        upper_done(&u);
        return n_read > (uint64_t) n * BURST / 2;
}

static Attack attacks[] = {
        { .id = "FA-12", .run = attack_slow_reader },
};

int main(int argc, char *argv[]) {
        return attack_main(argc, argv, attacks, ELEMENTSOF(attacks));
}
