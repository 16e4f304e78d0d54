/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * On flows of a unicast layer: somebody who sees every message, and may say what he likes in the name of either member,
 * but has no key. The flow allocators are the real ones, in virtual time.
 */

#include "tests/attack/attack.h"
#include "tests/support/allocator-net.h"

#define A_FLOW 1U
#define B_FLOW 1001U

typedef struct Ends {
        uint64_t eid[2], peer_eid[2], peer_address[2];
        LayerFlowState state[2];
} Ends;

static UnicastFlow *end_of(const Net *net, unsigned member) {
        return net_flow(&net->members[member], member == 0 ? A_FLOW : B_FLOW, 0);
}

/* Returns: whether both ends are there. */
static bool take_ends(const Net *net, Ends *ret) {
        for (unsigned i = 0; i < 2; i++) {
                const UnicastFlow *flow = end_of(net, i);

                if (!flow)
                        return false;
                ret->eid[i] = flow->eid;
                ret->peer_eid[i] = flow->peer_eid;
                ret->peer_address[i] = flow->peer_address;
                ret->state[i] = flow->layer.state;
        }

        return true;
}

static bool same_ends(const Net *net, const Ends *before) {
        Ends now = {};

        if (!take_ends(net, &now))
                return false;

        for (unsigned i = 0; i < 2; i++)
                if (now.eid[i] != before->eid[i] || now.peer_eid[i] != before->peer_eid[i] ||
                    now.peer_address[i] != before->peer_address[i] || now.state[i] != before->state[i])
                        return false;

        return net->members[0].n_downs + net->members[1].n_downs == 0;
}

/* Data goes both ways, once. */
static bool delivers(Net *net) {
        unsigned n[] = { net->members[0].n_delivered, net->members[1].n_delivered };

        net_write(&net->members[0], A_FLOW, "to b");
        net_write(&net->members[1], B_FLOW, "to a");
        net_run(net, 4 * NET_DELAY_USEC);
        return net->members[0].n_delivered == n[0] + 1 && net->members[1].n_delivered == n[1] + 1;
}

static Net *start(Attack *attack) {
        Net *net = NULL;

        if (net_new(CONGESTION_MB_ECN, &net) < 0) {
                (void) attack_broken(attack, "no layer");
                return NULL;
        }

        net_connect_with_keys(net, A_FLOW, 36);
        return net;
}

/* -- FA-1: endpoint ids that are nobody's -- */

static bool attack_endpoint_ids(Attack *attack) {
        _cleanup_(net_freep) Net *net = start(attack);
        unsigned n = attack_rounds(attack, 200000, 20000000);
        Ends ends;

        if (!net || !take_ends(net, &ends))
                return false;

        for (unsigned i = 0; i < n; i++) {
                unsigned delivered = net->members[0].n_delivered + net->members[1].n_delivered;
                uint64_t eid = attack_random(attack);

                /* 0, all small ones, those near a live one, any. */
                if (i < 64)
                        eid = i;
                else if (i % 4 == 1)
                        eid = ends.eid[1] ^ UINT64_C(1) << attack_random(attack) % 64;
                else if (i % 4 == 2)
                        eid = (ends.eid[1] & 0xfffff) | eid << 20;
                if (eid == ends.eid[1])
                        continue;

                net_inject_data(&net->members[1], eid, "guessed");
                if (net->members[0].n_delivered + net->members[1].n_delivered != delivered)
                        return attack_broken(attack, "a packet to endpoint id %" PRIx64 " is delivered", eid);
        }
        net_run(net, 60 * USEC_PER_SEC);

        attack_figure(attack, "%u packets to endpoint ids that are nobody's: 0 delivered", n);
        return same_ends(net, &ends) && delivers(net) ? true : attack_broken(attack, "the flow was harmed");
}

/* -- R-5, FA-2: replies to flows that are there already -- */

static bool attack_replies(Attack *attack) {
        _cleanup_(net_freep) Net *net = start(attack);
        unsigned n = attack_rounds(attack, 20000, 2000000), n_replies;
        Ends ends;

        if (!net || !take_ends(net, &ends))
                return false;

        n_replies = net->members[0].n_replies + net->members[1].n_replies;
        for (unsigned i = 0; i < n; i++) {
                unsigned to = i % 2;
                uint8_t oap[64];
                FlowMessage message = {
                        .code = FLOW_MESSAGE_REPLY,
                        .receiver_eid = ends.eid[to],
                        .sender_eid = i % 3 == 0 ? ends.peer_eid[to] : attack_random(attack) | 64,
                        .response = i % 5 == 0 ? -1000 - (int32_t) (attack_random(attack) % 10) : 0,
                };

                attack_random_bytes(attack, oap, sizeof(oap));
                if (message.response == 0) {
                        message.oap = oap;
                        message.oap_size = attack_random(attack) % sizeof(oap);
                }
                net_inject_message(&net->members[to], !to, &message);
                if (!same_ends(net, &ends) || net->members[0].n_replies + net->members[1].n_replies != n_replies)
                        return attack_broken(attack, "reply %u changes an established flow", i);
        }

        attack_figure(attack, "%u second, negative and misdirected replies on an established flow: 0 had an effect", n);
        return delivers(net) ? true : attack_broken(attack, "the flow was harmed");
}

/* -- FA-3: everything else that may be said of a flow -- */

static const FlowMessageCode codes[] = {
        FLOW_MESSAGE_UPDATE, FLOW_MESSAGE_CLOSE, FLOW_MESSAGE_ROTATE, FLOW_MESSAGE_MOVE, FLOW_MESSAGE_RESET,
};

static bool attack_notices(Attack *attack) {
        _cleanup_(net_freep) Net *net = start(attack);
        unsigned n = attack_rounds(attack, 50000, 5000000);
        Ends ends;

        if (!net || !take_ends(net, &ends))
                return false;

        for (unsigned i = 0; i < n; i++) {
                unsigned to = (unsigned) (attack_random(attack) % 2);
                FlowMessage message = {
                        .code = codes[i % ELEMENTSOF(codes)],
                        .receiver_eid = ends.eid[to],
                        .sender_eid = ends.peer_eid[to],
                        .sender = attack_random(attack) % 2 ? ends.peer_address[to] : 0x1002,
                        .level = 0xffff,
                        .notice = { .acknowledges = attack_random(attack) % 2, .value = attack_random(attack) },
                };

                /* A tag is always wrong: who guesses one of 2^128 does not need this attack. */
                message.has_proof = message.code == FLOW_MESSAGE_ROTATE || message.code == FLOW_MESSAGE_MOVE ||
                                    attack_random(attack) % 2;
                message.proof.counter = attack_random(attack) >> attack_random(attack) % 64;
                attack_random_bytes(attack, message.proof.tag, sizeof(message.proof.tag));
                attack_random_bytes(attack, message.reset, sizeof(message.reset));
                if (message.code == FLOW_MESSAGE_RESET)
                        message.has_proof = false;
                message.token[0] = 0xA1;                /* a close token was seen on the way */
                if (attack_random(attack) % 2)
                        message.token[0] = 0xB2;

                net_inject_message(&net->members[to], !to, &message);
                if (!same_ends(net, &ends) || end_of(net, to)->congestion.avoiding)
                        return attack_broken(attack, "message %u of code %x counts", i, (unsigned) message.code);
        }

        attack_figure(attack, "%u forged updates, closes, rotations, moves and resets: 0 had an effect", n);
        return delivers(net) ? true : attack_broken(attack, "the flow was harmed");
}

/* -- a peer, which has the keys, says that it is where others are -- */

#define VICTIM 2U

static size_t name_victim(Net *net, uint64_t shown) {
        UnicastFlow *flow = end_of(net, 0);
        FlowMessage message = {
                .code = FLOW_MESSAGE_MOVE,
                .sender = net_address(VICTIM),
                .sender_eid = flow->eid,
                .receiver_eid = flow->peer_eid,
                .notice = { .value = net_address(VICTIM), .challenge = shown },
                .has_proof = true,
        };
        uint8_t content[FLOW_CONTROL_CONTENT_BYTES_MAX];
        FlowControlText text;

        flow_message_text(&message, content, &text);
        if (flow_control_prove(&flow->layer.control, &text, &message.proof) < 0)
                return 0;

        net_inject_message(&net->members[1], 0, &message);
        return FLOW_MESSAGE_HEADER_BYTES + FLOW_NOTICE_AND_PROOF_BYTES;
}

static bool attack_addresses(Attack *attack) {
        const FlowUpkeepLimits limits = { .packets = UINT64_MAX, .usec = USEC_INFINITY };       /* ids stay */
        _cleanup_(net_freep) Net *net = NULL;
        unsigned n = attack_rounds(attack, 20000, 1000000);
        size_t named = 0, sent = 0;
        Ends ends;

        if (net_new(CONGESTION_MB_ECN, &net) < 0)
                return attack_broken(attack, "no layer");

        net->members[0].unicast.upkeep = net->members[1].unicast.upkeep = limits;
        net_connect_with_keys(net, A_FLOW, 36);
        if (!take_ends(net, &ends))
                return false;

        for (unsigned i = 0; i < n; i++) {
                unsigned n_kept = net->n_kept;

                named += name_victim(net, i % 2 ? attack_random(attack) : 0);
                net_write(&net->members[1], B_FLOW, "data");
                net_run(net, 20 * NET_DELAY_USEC + 137);        /* not in step with what is repeated */
                for (; n_kept < net->n_kept; n_kept++)
                        if (net->kept[n_kept % NET_KEPT_MAX].to == VICTIM)
                                sent += net->kept[n_kept % NET_KEPT_MAX].size;
                if (sent > 3 * named || !same_ends(net, &ends))
                        return attack_broken(attack, "move %u is followed, or has %zu bytes for %zu", i, sent, named);
        }

        attack_figure(attack,
                      "%u moves to an address that is another's, with guesses of what was asked there: 0 followed, 0 "
                      "packets of data to it, %.1f bytes of questions for each byte that named it",
                      n, (double) sent / (double) named);
        net_run(net, 10 * USEC_PER_SEC);
        return net->members[0].n_delivered >= n && delivers(net) ? true : attack_broken(attack, "the flow was harmed");
}

/* Genuine ones, of a flow whose endpoint ids change: again, to whom they were said and to who said them. */
static bool attack_repeats(Attack *attack) {
        const FlowUpkeepLimits limits = { .packets = UINT64_MAX, .usec = USEC_PER_SEC };
        unsigned n = attack_rounds(attack, 20000, 2000000), n_kept;
        _cleanup_(net_freep) Net *net = NULL;
        Ends ends;

        if (net_new(CONGESTION_MB_ECN, &net) < 0)
                return attack_broken(attack, "no layer");

        net->members[0].unicast.upkeep = net->members[1].unicast.upkeep = limits;
        net_connect_with_keys(net, A_FLOW, 36);
        for (unsigned i = 0; i < 20; i++) {
                net_run(net, USEC_PER_SEC);
                if (!delivers(net))
                        return attack_broken(attack, "the flow ended by itself");
        }
        n_kept = MIN(net->n_kept, NET_KEPT_MAX);
        if (n_kept < 20 || !take_ends(net, &ends))
                return attack_broken(attack, "%u notices were kept", n_kept);

        for (unsigned i = 0; i < n; i++) {
                const NetKept message = net->kept[attack_random(attack) % n_kept];
                unsigned to = (unsigned) (attack_random(attack) % 2);
                unsigned from = attack_random(attack) % 2 ? message.from : 2;

                net_inject(&net->members[to], from, message.bytes, message.size);
                if (!same_ends(net, &ends))
                        return attack_broken(attack, "a notice that is repeated or comes back counts");
        }

        attack_figure(attack, "%u genuine notices of a rotating flow repeated and reflected: 0 had an effect", n);
        return delivers(net) ? true : attack_broken(attack, "the flow was harmed");
}

/* -- endpoint ids change under traffic and loss, and nothing is lost for it -- */

static bool attack_rotation(Attack *attack) {
        const FlowUpkeepLimits limits = { .packets = UINT64_MAX, .usec = 100 * USEC_PER_MSEC };
        _cleanup_(net_freep) Net *net = NULL;
        unsigned n = attack_rounds(attack, 20000, 600000), n_at_once = attack_rounds(attack, 1, 50);
        unsigned n_rotations = 0, n_most = 0, n_packets = n * n_at_once;
        NetMember *a, *b;
        uint64_t last = 0;

        if (net_new(CONGESTION_MB_ECN, &net) < 0)
                return attack_broken(attack, "no layer");

        a = &net->members[0];
        b = &net->members[1];
        a->unicast.upkeep = b->unicast.upkeep = limits;
        net_connect_with_keys(net, A_FLOW, 36);
        a->n_delivered = b->n_delivered = 0;
        net->loss_percent = 5;

        for (unsigned i = 0; i < n; i++) {
                for (unsigned k = 0; k < n_at_once; k++) {
                        net_write(a, A_FLOW, "a");
                        net_write(b, B_FLOW, "b");
                }
                net_run(net, USEC_PER_MSEC);
                if (!end_of(net, 1))
                        return attack_broken(attack, "the flow ended after %u packets", i);
                n_rotations += end_of(net, 1)->eid != last;
                last = end_of(net, 1)->eid;
                n_most = MAX(n_most, eids_n(b->unicast.eids));
        }
        net->loss_percent = 0;
        net_run(net, USEC_PER_SEC);

        attack_figure(attack,
                      "%u packets, %u per second, at 5 %% loss, an endpoint id every 100 ms, %u of them: %u lost "
                      "beyond the path, at most %u ids at once",
                      2 * n_packets, 2000 * n_at_once, n_rotations,
                      2 * n_packets - a->n_delivered - b->n_delivered - net->n_data_lost[0] - net->n_data_lost[1],
                      n_most);
        return a->n_delivered + net->n_data_lost[1] == n_packets && b->n_delivered + net->n_data_lost[0] == n_packets &&
               n_rotations > n / 250 && n_most <= 2;
}

static Attack attacks[] = {
        { .id = "R-5", .run = attack_replies },       { .id = "R-6", .run = attack_addresses },
        { .id = "R-24", .run = attack_rotation },
        { .id = "FA-1", .run = attack_endpoint_ids }, { .id = "FA-2", .run = attack_replies },
        { .id = "FA-3", .run = attack_notices },      { .id = "FA-3", .run = attack_repeats },
};

int main(int argc, char *argv[]) {
        return attack_main(argc, argv, attacks, ELEMENTSOF(attacks));
}
