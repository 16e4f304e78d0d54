/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * On flow requests in a unicast layer, before anybody has proven anything: altered under way, invented by the
 * thousand, malformed, lost, late and repeated. The flow allocators are the real ones, in virtual time.
 */

#include <malloc.h>
#include <stdio.h>

#include "tests/attack/attack.h"
#include "tests/support/allocator-net.h"

#define OAP "0123456789abcdef____________________"
#define FLOOD_MEMORY_MAX ((size_t) 4 << 20)
#define FLOOD_TABLE_MAX ((size_t) 2 << 20)      /* empty tables keep their size; a request is 200 bytes */

static Net *start(Attack *attack) {
        Net *net = NULL;

        if (net_new(CONGESTION_MB_ECN, &net) < 0 ||
            unicast_register(&net->members[1].unicast, net_hash('n'), 32, net->now) < 0) {
                (void) attack_broken(attack, "no layer");
                return net_free(net);
        }

        return net;
}

static bool bindings_differ(const FlowBinding *one, const FlowBinding *other) {
        return one->size != other->size || memcmp(one->bytes, other->bytes, one->size) != 0;
}

/* -- R-20, FA-4: what both ends see of a message is the same, or shows -- */

/* Changes one bit of the message that is under way. */
static void flip(Net *net, size_t bit) {
        list_first(&net->messages, NetMessage, by_net)->bytes[bit / 8] ^= (uint8_t) (1U << bit % 8);
}

static bool flip_request(Attack *attack, Net *net, size_t bit) {
        NetMember *a = &net->members[0], *b = &net->members[1];
        unsigned n_incoming = b->n_incoming;

        net_prepare(a, bit + 1, 0, 0, 'n');
        net_request(a, bit + 1, 0, 'n', OAP);
        flip(net, bit);
        net_run(net, 2 * NET_DELAY_USEC);
        if (b->n_incoming > n_incoming && !bindings_differ(&a->prepared.binding, &b->incoming_binding))
                return attack_broken(attack, "bit %zu of a request may be altered", bit);

        net_run(net, 90 * USEC_PER_SEC);
        return true;
}

static bool flip_reply(Attack *attack, Net *net, size_t bit) {
        NetMember *a = &net->members[0], *b = &net->members[1];
        unsigned n_replies = a->n_replies;

        net_prepare(a, bit + 1, 0, 0, 'n');
        net_request(a, bit + 1, 0, 'n', OAP);
        net_run(net, 2 * NET_DELAY_USEC);
        net_prepare(b, bit + 100001, 0, b->incoming[(b->n_incoming - 1) % NET_LOG_MAX], 'n');
        if (net_accept(b, b->prepared.reference, bit + 100001, 0xB2, 0xA1) < 0)
                return attack_broken(attack, "no reply");
        flip(net, bit);
        net_run(net, 2 * NET_DELAY_USEC);
        if (a->n_replies > n_replies && a->replies[n_replies % NET_LOG_MAX].result == 0 &&
            !bindings_differ(&b->prepared.binding, &a->reply_binding))
                return attack_broken(attack, "bit %zu of a reply may be altered", bit);

        net_run(net, 90 * USEC_PER_SEC);
        return true;
}

static bool attack_flips(Attack *attack) {
        _cleanup_(net_freep) Net *net = start(attack);
        size_t request_bits = 8 * (FLOW_MESSAGE_HEADER_BYTES + 32), reply_bits = 8 * FLOW_MESSAGE_HEADER_BYTES;

        if (!net)
                return false;

        for (size_t bit = 0; bit < request_bits; bit++)
                if (!flip_request(attack, net, bit))
                        return false;
        for (size_t bit = 0; bit < reply_bits; bit++)
                if (!flip_reply(attack, net, bit))
                        return false;

        attack_figure(attack,
                      "unicast: %zu bits of what members say around a handshake altered under way: each shows at the "
                      "other end, or nothing arrives",
                      request_bits + reply_bits);
        return true;
}

/* -- FA-6, FA-8: requests without end -- */

static FlowMessage request_of(uint64_t sender) {
        return (FlowMessage) {
                .code = FLOW_MESSAGE_REQUEST,
                .sender = sender,
                .sender_eid = UINT64_C(0x123400000064),
                .hash = net_hash('n'),
                .hash_size = 32,
                .oap = (const uint8_t *) OAP,
                .oap_size = STRLEN(OAP),
        };
}

static bool attack_flood(Attack *attack) {
        _cleanup_(net_freep) Net *net = start(attack);
        unsigned n = attack_rounds(attack, 100000, 10000000), n_others = 0, n_asked = 0;
        size_t before, most = 0, after;
        NetMember *a, *b;

        if (!net)
                return false;

        a = &net->members[0];
        b = &net->members[1];
        net_connect_with_keys(net, 1, 36);
        net_run(net, 60 * USEC_PER_SEC);
        before = mallinfo2().uordblks;

        for (unsigned i = 0; i < n; i++) {
                FlowMessage m = request_of(0x20000 + i);

                net_inject_message(b, 0, &m);
                if (i % 5000 != 4999)
                        continue;

                /* Meanwhile: another neighbour asks, a flow that is there goes on, and time passes. */
                unsigned delivered = b->n_delivered, incoming = b->n_incoming;
                FlowMessage other = request_of(0x9000000 + i);

                most = MAX(most, mallinfo2().uordblks);
                n_asked++;
                net_inject_message(b, 2, &other);
                n_others += b->n_incoming == incoming + 1;
                net_write(a, 1, "still here");
                net_run(net, USEC_PER_SEC);
                if (b->n_delivered != delivered + 1)
                        return attack_broken(attack, "after %u requests a flow stands still", i);
        }
        if (map_size(b->unicast.incoming_by_reference) > UNICAST_INCOMING_MAX)
                return attack_broken(attack, "the table grows");
        net_run(net, 60 * USEC_PER_SEC);
        after = mallinfo2().uordblks;

        attack_figure(attack,
                      "unicast: %u requests of invented members through one neighbour: %zu KiB at most, none kept; %u "
                      "of %u others heard, flows go on",
                      n, (most - before) >> 10, n_others, n_asked);
        return n_others == n_asked && most <= before + FLOOD_MEMORY_MAX && after <= before + FLOOD_TABLE_MAX &&
               map_size(b->unicast.incoming_by_reference) == 0;
}

/* -- FA-5, FA-9: what comes to nothing leaves nothing -- */

static bool attack_leftovers(Attack *attack) {
        _cleanup_(net_freep) Net *net = start(attack);
        unsigned n = attack_rounds(attack, 20000, 2000000);
        LayerMessage refuse = { .type = LAYER_REFUSE };
        size_t before = 0, after;
        NetMember *b;

        if (!net)
                return false;

        b = &net->members[1];
        for (unsigned i = 0; i < n; i++) {
                FlowMessage m = request_of(0x20000 + i);
                uint8_t bytes[FLOW_MESSAGE_BYTES_MAX];
                unsigned incoming = b->n_incoming;
                ssize_t size = flow_message_pack(&m, bytes, sizeof(bytes));

                if (i == n / 2) {                       /* tables have their size by now */
                        net_run(net, 120 * USEC_PER_SEC);
                        before = mallinfo2().uordblks;
                }

                /* Half are cut or altered at random; of those that are not, the IRM refuses every other one. */
                if (size < 0)
                        return attack_broken(attack, "no request");
                if (i % 2) {
                        bytes[attack_random(attack) % (size_t) size] ^= (uint8_t) (1U + attack_random(attack) % 255);
                        size = i % 4 == 1 ? size : (ssize_t) (attack_random(attack) % (size_t) size);
                }
                net_inject(b, i % 3 == 0 ? 0 : 2, bytes, (size_t) size);
                refuse.reference = b->incoming[incoming % NET_LOG_MAX];
                if (b->n_incoming > incoming && i % 4 == 0)
                        unicast_refuse(&b->unicast, &refuse, net->now);
                net_run(net, NET_DELAY_USEC);
        }
        net_run(net, 120 * USEC_PER_SEC);
        after = mallinfo2().uordblks;

        attack_figure(attack, "unicast: %u requests, malformed, refused or never answered: %zu bytes more memory", n,
                      after > before ? after - before : 0);
        return after <= before && eids_n(b->unicast.eids) == 0;
}

/* -- FA-10: what is lost, late, or comes twice -- */

#define ATTEMPTS 3U                     /* of the IRM */
#define SERVED(flow_id, attempt) (UINT64_C(1000000000) * ((attempt) + 1U) + (flow_id))

/* One flow as an IRM asks for it: each attempt is a request of its own. Returns: the attempt that had an answer;
 * ATTEMPTS: none; -EIO: the other end saw two requests in one. */
static int ask(Net *net, uint64_t flow_id) {
        NetMember *a = &net->members[0], *b = &net->members[1];

        for (unsigned attempt = 0; attempt < ATTEMPTS; attempt++) {
                unsigned n_incoming = b->n_incoming, n_replies = a->n_replies;
                char oap[64];

                net->loss_percent = 30;
                (void) snprintf(oap, sizeof(oap), "%08u%08u____________________", (unsigned) flow_id, attempt);
                net_request(a, flow_id, attempt, 'n', oap);
                net_run(net, 2 * NET_DELAY_USEC);
                if (b->n_incoming > n_incoming + 1)
                        return -EIO;
                if (b->n_incoming > n_incoming &&
                    net_accept(b, b->incoming[n_incoming % NET_LOG_MAX], SERVED(flow_id, attempt), 0xB2, 0xA1) >= 0)
                        net_establish(b, SERVED(flow_id, attempt), 0, 0, 0);
                net_run(net, 4 * NET_DELAY_USEC);
                net->loss_percent = 0;                  /* what is measured is allocation, not keepalives */
                net_run(net, 3 * USEC_PER_SEC);
                if (a->n_replies > n_replies + 1)
                        return -EIO;
                if (a->n_replies == n_replies + 1) {
                        net_establish(a, flow_id, attempt, 0xA1, 0xB2);
                        return (int) attempt;
                }
                net_abort(a, flow_id, attempt, 0, 0);
        }

        return ATTEMPTS;
}

static bool attack_losses(Attack *attack) {
        _cleanup_(net_freep) Net *net = start(attack);
        unsigned n = attack_rounds(attack, 300, 3000), n_flows = 0, n_repeated = 0;

        if (!net)
                return false;

        for (unsigned i = 1; i <= n; i++) {
                int attempt;

                net->n_copies = 1 + i % 2;
                attempt = ask(net, i);
                if (attempt < 0)
                        return attack_broken(attack, "a copy is taken for another message");
                n_flows += attempt < (int) ATTEMPTS;
                n_repeated += attempt > 0 && attempt < (int) ATTEMPTS;
        }

        /* What is there at one end is there at the other; keepalives tell. */
        net_run(net, 300 * USEC_PER_SEC);
        attack_figure(attack,
                      "unicast: %u flows asked for where 30 %% of all messages are lost and others come twice: %u "
                      "there, %u of them by a second or third request, 0 doubled, %zu ends left alone",
                      n, n_flows, n_repeated,
                      eids_n(net->members[0].unicast.eids) + eids_n(net->members[1].unicast.eids) - 2 * n_flows);
        return n_repeated > 0 && n_flows >= n * 3 / 4 && eids_n(net->members[0].unicast.eids) == n_flows &&
               eids_n(net->members[1].unicast.eids) == n_flows;
}

/* -- FA-11: data around the beginning and the end of a flow -- */

/* Data before the other end is there, and data for one that is not there any more. */
static bool race(Attack *attack, Net *net, uint64_t flow_id) {
        NetMember *a = &net->members[0], *b = &net->members[1];
        unsigned delivered = b->n_delivered, n_early = (unsigned) (attack_random(attack) % 16);
        uint64_t peer_eid;
        char oap[64];

        (void) snprintf(oap, sizeof(oap), "%016u____________________", (unsigned) flow_id);
        net_request(a, flow_id, 0, 'n', oap);
        net_run(net, 2 * NET_DELAY_USEC);
        if (net_accept(b, b->incoming[(b->n_incoming - 1) % NET_LOG_MAX], SERVED(flow_id, 0), 0xB2, 0xA1) < 0)
                return attack_broken(attack, "no flow");
        net_run(net, 2 * NET_DELAY_USEC);
        net_establish(a, flow_id, 0, 0xA1, 0xB2);
        for (unsigned i = 0; i < n_early; i++)
                net_write(a, flow_id, (char[]) { (char) ('a' + i), (char) flow_id, 0 });
        net_run(net, 2 * NET_DELAY_USEC);
        if (b->n_delivered != delivered)
                return attack_broken(attack, "data is delivered before there is anybody");

        net_establish(b, SERVED(flow_id, 0), 0, 0, 0);
        for (unsigned i = 0; i < n_early; i++)
                if (b->delivered[(delivered + i) % sizeof(b->delivered)] != 'a' + i)
                        return attack_broken(attack, "early data is lost, or comes in another order");
        if (b->n_delivered != delivered + n_early)
                return attack_broken(attack, "%u of %u early packets delivered", b->n_delivered - delivered, n_early);

        peer_eid = net_flow(a, flow_id, 0)->peer_eid;
        unicast_close(&b->unicast, &net_flow(b, SERVED(flow_id, 0), 0)->layer, net->now);
        net_inject_data(b, peer_eid, "too late");
        net_run(net, 200 * USEC_PER_SEC);
        net_inject_data(b, peer_eid, "far too late");
        return b->n_delivered == delivered + n_early && eids_n(b->unicast.eids) == 0
                       ? true
                       : attack_broken(attack, "data of a flow that ended is delivered");
}

static bool attack_races(Attack *attack) {
        _cleanup_(net_freep) Net *net = start(attack);
        unsigned n = attack_rounds(attack, 2000, 100000);

        if (!net)
                return false;

        for (unsigned i = 1; i <= n; i++)
                if (!race(attack, net, i))
                        return false;

        attack_figure(attack,
                      "unicast: %u flows with data before the other end is there, and after it is gone: the former "
                      "in order, the latter never",
                      n);
        return true;
}

static Attack attacks[] = {
        { .id = "R-20", .run = attack_flips },      { .id = "FA-4", .run = attack_flips },
        { .id = "FA-5", .run = attack_leftovers },  { .id = "FA-6", .run = attack_flood },
        { .id = "FA-8", .run = attack_flood },      { .id = "FA-9", .run = attack_leftovers },
        { .id = "FA-10", .run = attack_losses },    { .id = "FA-11", .run = attack_races },
};

int main(int argc, char *argv[]) {
        return attack_main(argc, argv, attacks, ELEMENTSOF(attacks));
}
