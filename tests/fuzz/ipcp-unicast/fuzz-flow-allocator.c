/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * An allocator under fire: it serves a name, has a flow to a peer, another one with control keys, a request under way
 * and one that its IRM gave up, and hears whatever the input says, as a sequence of { kind, wait, length, bytes }
 * records. Bit 7 of the kind lets an IRM act between them, bits 4 to 6 choose whose endpoint id the message is for,
 * so that most of them reach the code behind the first checks; the low bits choose the neighbour, or data in place of
 * a message.
 */

#include "tests/support/allocator-net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define N_FLOWS 5U
#define RECEIVER_EID_OFFSET 8U

static uint64_t eid_of(const NetMember *m, unsigned which) {
        const UnicastFlow *flow = which < N_FLOWS ? net_flow(m, which + 1, 0) : NULL;
        const uint64_t others[] = { 0, 63, UINT64_MAX, 0x123456789abcdef0 };

        return flow ? flow->eid : others[which % ELEMENTSOF(others)];
}

static void hear(NetMember *m, uint8_t kind, const uint8_t *bytes, size_t size) {
        uint64_t eid = eid_of(m, kind >> 4 & 7);
        uint8_t message[FLOW_MESSAGE_BYTES_MAX];
        Writer w;

        if ((kind & 3) == 3) {
                char text[300] = {};

                memcpy(text, bytes, size);
                return net_inject_data(m, eid, text);
        }

        memcpy(message, bytes, size);
        if (size >= RECEIVER_EID_OFFSET + sizeof(eid) && kind & 4) {
                w = writer_to(message + RECEIVER_EID_OFFSET, sizeof(eid));
                writer_be64(&w, eid);
        }
        net_inject(m, kind & 3, message, size);
}

/* The IRM says yes to one request and no to the next, gives up what runs, and takes what was answered. */
static void act(NetMember *m, unsigned step) {
        const uint64_t reference = m->n_incoming > 0 ? m->incoming[(m->n_incoming - 1) % NET_LOG_MAX] : 0;
        const LayerMessage refuse = { .type = LAYER_REFUSE, .reference = reference, .result = -1000 };
        LayerFlow *flow, *following;

        if (step % 2 == 0)
                (void) net_accept(m, reference, 100 + step, 0xA1, 0xB2);
        else
                unicast_refuse(&m->unicast, &refuse, m->net->now);

        list_for_each_safe(flow, following, &m->unicast.flows.all, by_table) {
                const CloseTokens tokens = { .have_own = true, .own = { 0xA1 }, .have_peer = true, .peer = { 0xB2 } };

                if (flow->state == LAYER_FLOW_ANSWERED)
                        unicast_established(&m->unicast, flow, &tokens, m->net->now);
                else if (step % 4 == 3)
                        unicast_abort(&m->unicast, flow, &tokens, m->net->now);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(net_freep) Net *net = NULL;
        Cursor c = cursor_from(data, size);
        NetMember *m;

        if (net_new(CONGESTION_MB_ECN, &net) < 0)
                return 0;

        m = &net->members[0];
        net_connect(net, 1);
        (void) unicast_register(&m->unicast, net_hash('s'), 32, net->now);
        net_request(m, 2, 0, 'n', "0123456789abcdef2");
        net_request(m, 3, 0, 'n', "0123456789abcdef3");
        net_abort(m, 3, 0, 0xA1, 0);
        net_connect_with_keys(net, 5, 36);
        m->directory.slow = true;
        net_request(m, 4, 0, 'm', "0123456789abcdef4");

        for (unsigned step = 0; c.left > 0; step++) {
                uint8_t kind = cursor_u8(&c), wait = cursor_u8(&c), length = cursor_u8(&c);
                const uint8_t *bytes = cursor_bytes(&c, MIN((size_t) length, c.left));

                if (!bytes)
                        break;
                hear(m, kind, bytes, (size_t) (c.p - bytes));
                if (kind & 0x80)
                        act(m, step);
                net_run(net, (usec_t) wait * 10 * USEC_PER_MSEC);
        }

        /* Whatever it heard: in the end it holds nothing that it should not. */
        net_found(m);
        unicast_irm_lost(&m->unicast, net->now);
        net_run(net, 600 * USEC_PER_SEC);
        if (m->unicast.n_early != 0 || m->unicast.n_closing != 0 || !list_is_empty(&m->unicast.incoming) ||
            !list_is_empty(&m->unicast.lookups) || m->unicast.reassembly.n_messages != 0)
                abort();

        return 0;
}
