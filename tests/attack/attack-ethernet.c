/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * On flows of an Ethernet layer, in both framings: a third station that sees every frame, and may send any in the name
 * of the others, but has no key. The cores are the real ones, on a wire in memory, in virtual time.
 */

#include "tests/attack/attack.h"
#include "tests/support/eth-wire.h"

#define A_FLOW 1U
#define B_FLOW 1001U
#define TIMEOUT_MS 120000U
#define OAP_BYTES 36U
#define KEPT_MAX 256U

static const Framing framings[] = { FRAMING_DIX, FRAMING_LLC };

typedef struct Segment {
        Wire wire;
        Attack *attack;
        Station *ends[2];               /* who asked, who was asked */
        uint64_t ids[2];                /* of the flow, at each */
        unsigned loss_percent;
        unsigned n_lost[2];             /* data, by sender */
        WireFrame kept[KEPT_MAX];       /* what went by about flows that were there already */
        unsigned n_kept;
} Segment;

/* What must not change of a flow. */
typedef struct Ends {
        uint16_t endpoint[2], peer_endpoint[2];
        FrameAddress peer[2];
        LayerFlowState state[2];
} Ends;

static unsigned fate(Wire *wire, WireFrame *frame, usec_t *ret_extra) {
        Segment *s = container_of(wire, Segment, wire);
        const FrameOps *ops = frame_ops(wire->framing);
        ManagementMessage message;
        Frame parsed;

        if (ops->parse(0xA000, frame->bytes, frame->size, &parsed) < 0)
                return 1;
        if (parsed.management && s->n_kept < KEPT_MAX &&
            management_parse(ops, 32, frame->bytes + parsed.payload_offset, parsed.payload_size, &message) >= 0 &&
            message.code >= MANAGEMENT_CLOSE)
                s->kept[s->n_kept++] = *frame;

        if (attack_random(s->attack) % 100 >= s->loss_percent)
                return 1;
        if (!parsed.management && parsed.payload_size > 0)
                s->n_lost[frame->from != s->ends[0]]++;
        return 0;
}

/* One that a station may have. */
static uint16_t random_endpoint(Segment *s) {
        const FrameOps *ops = frame_ops(s->wire.framing);

        return (uint16_t) (ops->endpoint_min + attack_random(s->attack) % (ops->endpoint_max - ops->endpoint_min + 1U));
}

static Segment *segment_free(Segment *s) {
        if (s)
                wire_done(&s->wire);
        return mfree(s);
}
DEFINE_CLEANUP(Segment, segment_free);

static EthernetFlow *end_of(const Segment *s, unsigned i) {
        return station_flow(s->ends[i], s->ids[i], 0);
}

/* With a flow, whose endpoint ids change by these limits. */
static Segment *segment_new(Attack *attack, Framing framing, const FlowUpkeepLimits *limits) {
        Segment *s = calloc(1, sizeof(*s));

        if (!s)
                return NULL;

        wire_init(&s->wire, framing, WIRE_STATIONS_MAX);
        s->attack = attack;
        for (unsigned i = 0; i < 2; i++) {
                s->ends[i] = &s->wire.stations[i];
                s->ids[i] = i == 0 ? A_FLOW : B_FLOW;
                if (limits)
                        s->ends[i]->ethernet.upkeep = *limits;
        }
        s->wire.fate = fate;
        wire_connect_with_keys(&s->wire, s->ends[0], s->ends[1], A_FLOW, TIMEOUT_MS, OAP_BYTES);
        return s;
}

static bool take_ends(const Segment *s, Ends *ret) {
        *ret = (Ends) {};
        for (unsigned i = 0; i < 2; i++) {
                const EthernetFlow *flow = end_of(s, i);

                if (!flow)
                        return false;
                ret->endpoint[i] = flow->endpoint;
                ret->peer_endpoint[i] = flow->peer_endpoint;
                ret->peer[i] = flow->peer;
                ret->state[i] = flow->layer.state;
        }

        return s->ends[0]->n_downs + s->ends[1]->n_downs == 0;
}

static bool same_ends(const Segment *s, const Ends *before) {
        Ends now;

        return take_ends(s, &now) && memcmp(&now, before, sizeof(now)) == 0;
}

static bool delivers(Segment *s) {
        unsigned n[] = { s->ends[0]->n_data, s->ends[1]->n_data };

        if (station_write(s->ends[0], A_FLOW, "to b", 4) != 1 || station_write(s->ends[1], B_FLOW, "to a", 4) != 1)
                return false;
        wire_run(&s->wire, USEC_PER_MSEC);
        return s->ends[0]->n_data == n[0] + 1 && s->ends[1]->n_data == n[1] + 1;
}

/* -- what the third station sends, as if it were another -- */

static bool frame_arrives(Segment *s, Station *to, const Frame *frame, const ManagementMessage *message,
                          const char *text) {
        const FrameOps *ops = frame_ops(s->wire.framing);
        _cleanup_(packet_freep) Packet *packet = NULL;

        if (packet_new(512, &packet) < 0)
                return false;
        if (message && management_push(ops, 32, message, packet) < 0)
                return false;
        if (text)
                memcpy(packet_append(packet, strlen(text)), text, strlen(text));
        if (ops->push(0xA000, frame, packet) < 0)
                return false;

        eth_receive(&to->ethernet, &packet, 1, s->wire.now);
        return true;
}

static bool message_arrives(Segment *s, unsigned to, const ManagementMessage *message) {
        const Frame frame = {
                .destination = station_address(to),
                .source = station_address(attack_random(s->attack) % 4 ? !to : 2),
                .management = true,
        };

        return frame_arrives(s, s->ends[to], &frame, message, NULL);
}

/* -- FA-1 -- */

static bool guess_endpoints(Attack *attack, Framing framing, unsigned n, unsigned *ret_tried) {
        _cleanup_(segment_freep) Segment *s = segment_new(attack, framing, NULL);
        Ends ends;

        if (!s || !take_ends(s, &ends))
                return attack_broken(attack, "no flow");

        for (unsigned i = 0; i < n; i++) {
                bool stranger = i % 2;
                unsigned delivered = s->ends[1]->n_data;
                const Frame frame = {
                        .destination = station_address(1),
                        .source = station_address(stranger ? 2 : 0),
                        .receiver = (uint16_t) (1 + i / 2 % (framing == FRAMING_DIX ? UINT16_MAX : 63)),
                        .sender = ends.endpoint[0],
                };

                /* The right one counts only from the right station, where it is no guess any more. */
                if (frame.receiver == ends.endpoint[1] && !stranger)
                        continue;
                if (!frame_arrives(s, s->ends[1], &frame, NULL, "guessed"))
                        continue;
                ++*ret_tried;
                if (s->ends[1]->n_data != delivered)
                        return attack_broken(attack, "a packet to endpoint id %x is delivered", frame.receiver);
        }

        return same_ends(s, &ends) && delivers(s) ? true : attack_broken(attack, "the flow was harmed");
}

static bool attack_endpoints(Attack *attack) {
        unsigned n = attack_rounds(attack, 200000, 20000000), n_tried = 0;

        for (size_t i = 0; i < ELEMENTSOF(framings); i++)
                if (!guess_endpoints(attack, framings[i], n / 2, &n_tried))
                        return false;

        attack_figure(attack,
                      "Ethernet: %u frames to endpoint ids that are nobody's, or of another station than the peer, in "
                      "both framings: 0 delivered",
                      n_tried);
        return true;
}

/* -- R-5, FA-2 -- */

static bool send_replies(Attack *attack, Framing framing, unsigned n) {
        _cleanup_(segment_freep) Segment *s = segment_new(attack, framing, NULL);
        uint8_t oap[64];
        unsigned n_replies;
        Ends ends;

        if (!s || !take_ends(s, &ends))
                return attack_broken(attack, "no flow");

        n_replies = s->ends[0]->n_replies + s->ends[1]->n_replies;
        for (unsigned i = 0; i < n; i++) {
                unsigned to = i % 2;
                ManagementMessage message = {
                        .code = MANAGEMENT_FLOW_REPLY,
                        .sender = i % 3 == 0 ? ends.peer_endpoint[to] : random_endpoint(s),
                        .receiver = i % 7 ? ends.endpoint[to] : random_endpoint(s),
                        .response = i % 5 == 0 ? -1000 - (int32_t) (attack_random(attack) % 10) : 0,
                };

                attack_random_bytes(attack, oap, sizeof(oap));
                if (message.response == 0) {
                        message.oap = oap;
                        message.oap_size = attack_random(attack) % sizeof(oap);
                }
                (void) message_arrives(s, to, &message);
                if (!same_ends(s, &ends) || s->ends[0]->n_replies + s->ends[1]->n_replies != n_replies)
                        return attack_broken(attack, "reply %u changes an established flow", i);
        }

        return delivers(s) ? true : attack_broken(attack, "the flow was harmed");
}

static bool attack_replies(Attack *attack) {
        unsigned n = attack_rounds(attack, 20000, 2000000);

        for (size_t i = 0; i < ELEMENTSOF(framings); i++)
                if (!send_replies(attack, framings[i], n / 2))
                        return false;

        attack_figure(attack,
                      "Ethernet: %u second, negative and misdirected replies on an established "
                      "flow, in both framings: 0 had an effect",
                      n);
        return true;
}

/* -- FA-3 -- */

static ManagementMessage forge_notice(Segment *s, const Ends *ends, unsigned to, uint8_t token[FLOW_RESET_BYTES]) {
        static const uint8_t codes[] = { MANAGEMENT_CLOSE, MANAGEMENT_ROTATE, MANAGEMENT_MOVE, MANAGEMENT_RESET };
        ManagementMessage message = {
                .code = codes[attack_random(s->attack) % ELEMENTSOF(codes)],
                .sender = ends->peer_endpoint[to],
                .receiver = ends->endpoint[to],
                .token = token,
                .notice = { .acknowledges = attack_random(s->attack) % 2, .value = attack_random(s->attack) },
        };

        /* Tokens of closes were seen on the way; a tag is always wrong: who guesses one of 2^128 needs no attack. */
        attack_random_bytes(s->attack, token, FLOW_RESET_BYTES);
        if (message.code == MANAGEMENT_CLOSE) {
                memset(token, 0, FLOW_RESET_BYTES);
                token[0] = attack_random(s->attack) % 2 ? 0xA1 : 0xB2;
        }
        if (message.code == MANAGEMENT_MOVE)
                message.notice.value = attack_random(s->attack) % 2 ? UINT64_C(0x020000000003)
                                                                    : message.notice.value >> 16;
        message.has_proof = message.code == MANAGEMENT_ROTATE || message.code == MANAGEMENT_MOVE ||
                            (message.code == MANAGEMENT_CLOSE && attack_random(s->attack) % 2);
        message.proof.counter = attack_random(s->attack) >> attack_random(s->attack) % 64;
        attack_random_bytes(s->attack, message.proof.tag, sizeof(message.proof.tag));
        return message;
}

static bool forge_notices(Attack *attack, Framing framing, unsigned n) {
        _cleanup_(segment_freep) Segment *s = segment_new(attack, framing, NULL);
        Ends ends;

        if (!s || !take_ends(s, &ends))
                return attack_broken(attack, "no flow");

        for (unsigned i = 0; i < n; i++) {
                uint8_t token[FLOW_RESET_BYTES];
                unsigned to = (unsigned) (attack_random(attack) % 2);
                ManagementMessage message = forge_notice(s, &ends, to, token);

                (void) message_arrives(s, to, &message);
                if (!same_ends(s, &ends))
                        return attack_broken(attack, "message %u of code %x counts", i, (unsigned) message.code);
        }

        return delivers(s) ? true : attack_broken(attack, "the flow was harmed");
}

/* Genuine ones, of a flow that rotates: again, to both ends, also with their addresses exchanged. */
static bool repeat_notices(Attack *attack, Framing framing, unsigned n, unsigned *ret_repeated) {
        const FlowUpkeepLimits limits = { .packets = UINT64_MAX, .usec = USEC_PER_SEC };
        _cleanup_(segment_freep) Segment *s = segment_new(attack, framing, &limits);
        Ends ends;

        if (!s)
                return attack_broken(attack, "no flow");
        for (unsigned i = 0; i < 20; i++) {
                wire_run(&s->wire, USEC_PER_SEC);
                if (!delivers(s))
                        return attack_broken(attack, "the flow ended by itself");
        }
        if (s->n_kept < 20 || !take_ends(s, &ends))
                return attack_broken(attack, "%u notices were kept", s->n_kept);

        for (unsigned i = 0; i < n; i++) {
                WireFrame frame = s->kept[attack_random(attack) % s->n_kept];
                _cleanup_(packet_freep) Packet *packet = NULL;

                if (attack_random(attack) % 2) {
                        uint8_t address[FRAME_ADDRESS_BYTES];

                        memcpy(address, frame.bytes, sizeof(address));
                        memmove(frame.bytes, frame.bytes + sizeof(address), sizeof(address));
                        memcpy(frame.bytes + sizeof(address), address, sizeof(address));
                }
                if (packet_new(frame.size, &packet) < 0)
                        return attack_broken(attack, "no memory");
                memcpy(packet_append(packet, frame.size), frame.bytes, frame.size);
                eth_receive(&s->ends[attack_random(attack) % 2]->ethernet, &packet, 1, s->wire.now);
                ++*ret_repeated;
                if (!same_ends(s, &ends))
                        return attack_broken(attack, "a notice that is repeated or comes back counts");
        }

        return delivers(s) ? true : attack_broken(attack, "the flow was harmed");
}

static bool attack_notices(Attack *attack) {
        unsigned n = attack_rounds(attack, 50000, 5000000), n_repeated = 0;

        for (size_t i = 0; i < ELEMENTSOF(framings); i++)
                if (!forge_notices(attack, framings[i], n / 2) ||
                    !repeat_notices(attack, framings[i], n / 2, &n_repeated))
                        return false;

        attack_figure(attack,
                      "Ethernet: %u forged closes, rotations, moves and resets, %u repeated and reflected, in both "
                      "framings: 0 had an effect",
                      n, n_repeated);
        return true;
}

/* -- R-24 -- */

static bool rotate(Attack *attack, Framing framing, unsigned n, unsigned *ret_rotations, unsigned *ret_most) {
        const FlowUpkeepLimits limits = { .packets = UINT64_MAX, .usec = 100 * USEC_PER_MSEC };
        _cleanup_(segment_freep) Segment *s = segment_new(attack, framing, &limits);
        unsigned before[2];
        uint16_t last = 0;

        if (!s)
                return attack_broken(attack, "no flow");

        before[0] = s->ends[0]->n_data;
        before[1] = s->ends[1]->n_data;
        s->loss_percent = 5;
        for (unsigned i = 0; i < n; i++) {
                const ShimEndpoints *endpoints = s->ends[1]->ethernet.endpoints;
                const FrameOps *ops = frame_ops(framing);

                (void) station_write(s->ends[0], A_FLOW, "a", 1);
                (void) station_write(s->ends[1], B_FLOW, "b", 1);
                wire_run(&s->wire, USEC_PER_MSEC);
                if (!end_of(s, 1))
                        return attack_broken(attack, "the flow ended after %u packets", i);
                *ret_rotations += end_of(s, 1)->endpoint != last;
                last = end_of(s, 1)->endpoint;
                *ret_most = MAX(*ret_most,
                                ops->endpoint_max - ops->endpoint_min + 1U - shim_endpoints_n_free(endpoints));
        }
        s->loss_percent = 0;
        wire_run(&s->wire, USEC_PER_SEC);

        if (s->ends[0]->n_data - before[0] + s->n_lost[1] != n || s->ends[1]->n_data - before[1] + s->n_lost[0] != n)
                return attack_broken(attack, "packets were lost beyond the path");
        return delivers(s) ? true : attack_broken(attack, "the flow was harmed");
}

static bool attack_rotation(Attack *attack) {
        unsigned n = attack_rounds(attack, 10000, 600000), n_rotations = 0, n_most = 0;

        for (size_t i = 0; i < ELEMENTSOF(framings); i++)
                if (!rotate(attack, framings[i], n, &n_rotations, &n_most))
                        return false;

        attack_figure(attack,
                      "Ethernet: %u packets at 5 %% loss in both framings, an endpoint id every 100 ms, %u of them: 0 "
                      "lost beyond the path, at most %u ids at once",
                      4 * n, n_rotations, n_most);
        return n_rotations > n / 125 && n_most <= 3;
}

static Attack attacks[] = {
        { .id = "R-5", .run = attack_replies },     { .id = "R-24", .run = attack_rotation },
        { .id = "FA-1", .run = attack_endpoints },  { .id = "FA-2", .run = attack_replies },
        { .id = "FA-3", .run = attack_notices },
};

int main(int argc, char *argv[]) {
        return attack_main(argc, argv, attacks, ELEMENTSOF(attacks));
}
