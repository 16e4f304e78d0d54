/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A member whose neighbours say whatever the input says. The input is a sequence of { what, length, bytes }: the low
 * bits of "what" choose one of four flows, the next say whether a new one is accepted in its place, whether it ends,
 * or whether time goes by; else the bytes arrive as a message. A second member enrolls and connects all the while,
 * and must not be hindered.
 */

#include "basic/cursor.h"
#include "tests/support/unicast-net.h"

#define SLOTS 4U

enum {
        WHAT_SLOT = 0x03,
        WHAT_ACCEPT = 0x04,
        WHAT_END = 0x08,
        WHAT_WAIT = 0x10,
        WHAT_OWN_ADDRESS = 0x20,        /* the last bytes become the member's own address, as in a greeting */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static LowerFlow *find(Unicast *u, uint64_t id) {
        LowerFlow *flow;

        list_for_each(flow, &u->lower_flows, by_unicast)
                if (flow->id == id)
                        return flow;

        return NULL;
}

static void receive(Net *net, LowerFlow *flow, const uint8_t *bytes, size_t size, uint64_t own_address) {
        _cleanup_(packet_freep) Packet *packet = NULL;
        uint8_t *p;

        if (packet_new(size + 10, &packet) < 0)
                abort();
        p = packet_append(packet, size);
        if (size > 0)
                memcpy(p, bytes, size);
        for (; own_address > 0; own_address >>= 7)
                *packet_append(packet, 1) = (uint8_t) (own_address & 0x7f) | (own_address >= 0x80 ? 0x80 : 0);

        unicast_lower_received(flow, &packet, 1, net->now);
}

static void one(Net *net, uint64_t ids[SLOTS], uint8_t what, const uint8_t *bytes, size_t size) {
        Unicast *u = &net->members[0].unicast;
        uint64_t *id = &ids[what & WHAT_SLOT];
        LowerFlow *flow = find(u, *id);
        const o7s_qos qos = cube_lower_qos((Cube) (size % _CUBE_MAX));

        if (what & WHAT_WAIT)
                net_run(net, size * 10 * USEC_PER_MSEC);
        else if (what & WHAT_ACCEPT) {
                if (unicast_lower_accepted(u, 0, &qos, 200 + 8 * (uint32_t) size, "fuzz", net->now, &flow) >= 0)
                        *id = flow->id;
        } else if (flow && what & WHAT_END)
                unicast_lower_down(flow, "fuzz", net->now);
        else if (flow)
                receive(net, flow, bytes, size, what & WHAT_OWN_ADDRESS ? u->address : 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Cursor c = cursor_from(data, size);
        uint64_t ids[SLOTS] = {};
        Net *net = malloc(sizeof(*net));

        if (!net)
                return 0;

        net_init(net, 1);
        net_start(net_add(net, true));
        net_start(net_add(net, false));

        while (c.left > 0) {
                uint8_t what = cursor_u8(&c);
                size_t length = MIN((size_t) cursor_u8(&c), c.left);

                one(net, ids, what, cursor_bytes(&c, length), length);
                if (net->members[0].unicast.n_lower_flows > LOWER_FLOWS_MAX ||
                    net->members[0].unicast.n_greeting > LOWER_FLOWS_GREETING_MAX)
                        abort();
        }

        /* The honest one gets in, whatever else is going on. */
        net_run(net, 30 * USEC_PER_SEC);
        if (!net->members[0].unicast.is_member || !net->members[1].unicast.is_member ||
            !net_neighbour(&net->members[0], &net->members[1]))
                abort();

        net_done(net);
        free(net);
        return 0;
}
