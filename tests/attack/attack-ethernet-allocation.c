/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * On flow requests in an Ethernet layer, before anybody has proven anything, in both framings: altered under way,
 * invented by the thousand, malformed, refused. The cores are the real ones, on a wire in memory, in virtual time.
 */

#include <malloc.h>

#include "tests/attack/attack.h"
#include "tests/support/eth-wire.h"

#define TIMEOUT_MS 120000U
#define OAP_BYTES 36U
#define FLOOD_MEMORY_MAX ((size_t) 4 << 20)
#define FLOOD_TABLE_MAX ((size_t) 2 << 20)      /* empty tables keep their size; a request is 200 bytes */

static const Framing framings[] = { FRAMING_DIX, FRAMING_LLC };

typedef struct Segment {
        Wire wire;
        Attack *attack;
        uint8_t code;                   /* of the message that is altered under way */
        size_t bit;                     /* of its fixed part, and of the hash behind it */
        bool altered;
} Segment;

static Segment *segment_free(Segment *s) {
        if (s)
                wire_done(&s->wire);
        return mfree(s);
}
DEFINE_CLEANUP(Segment, segment_free);

static Segment *segment_new(Attack *attack, Framing framing) {
        Segment *s = calloc(1, sizeof(*s));

        if (!s)
                return NULL;

        wire_init(&s->wire, framing, WIRE_STATIONS_MAX);
        s->attack = attack;
        if (ethernet_register(&s->wire.stations[1].ethernet, wire_hash('n'), 32) < 0)
                return segment_free(s);
        return s;
}

static bool bindings_differ(const FlowBinding *one, const FlowBinding *other) {
        return one->size != other->size || memcmp(one->bytes, other->bytes, one->size) != 0;
}

/* -- R-20, FA-4 -- */

static unsigned alter(Wire *wire, WireFrame *frame, usec_t *ret_extra) {
        Segment *s = container_of(wire, Segment, wire);
        const FrameOps *ops = frame_ops(wire->framing);
        ManagementMessage message;
        Frame parsed;

        if (ops->parse(0xA000, frame->bytes, frame->size, &parsed) < 0 || !parsed.management ||
            management_parse(ops, 32, frame->bytes + parsed.payload_offset, parsed.payload_size, &message) < 0 ||
            message.code != s->code)
                return 1;

        frame->bytes[parsed.payload_offset + s->bit / 8] ^= (uint8_t) (1U << s->bit % 8);
        s->altered = true;
        return 1;
}

static void start_altering(Segment *s, uint8_t code, size_t bit) {
        s->code = code;
        s->bit = bit;
        s->altered = false;
        s->wire.fate = alter;
}

static void ask(Segment *s, uint64_t flow_id) {
        uint8_t oap[OAP_BYTES] = {};

        memcpy(oap, &flow_id, sizeof(flow_id));
        station_prepare(&s->wire.stations[0], flow_id, 0, 'n', TIMEOUT_MS);
        wire_run(&s->wire, 10 * USEC_PER_MSEC);
        station_request(&s->wire.stations[0], flow_id, 0, 'n', oap, sizeof(oap), TIMEOUT_MS);
}

static bool flip_request(Segment *s, size_t bit) {
        Station *a = &s->wire.stations[0], *b = &s->wire.stations[1];
        unsigned n_incoming = b->n_incoming;

        start_altering(s, MANAGEMENT_FLOW_REQUEST, bit);
        ask(s, bit + 1);
        wire_run(&s->wire, 10 * USEC_PER_MSEC);
        s->wire.fate = NULL;
        if (!s->altered)
                return attack_broken(s->attack, "bit %zu of a request was not altered", bit);
        if (b->n_incoming > n_incoming && !bindings_differ(&a->prepared.binding, &b->incoming_binding))
                return attack_broken(s->attack, "bit %zu of a request may be altered", bit);

        station_abort(a, bit + 1, 0, 0xA1, 0);
        wire_run(&s->wire, 30 * USEC_PER_SEC);
        return true;
}

static bool flip_reply(Segment *s, size_t bit) {
        Station *a = &s->wire.stations[0], *b = &s->wire.stations[1];
        unsigned n_replies = a->n_replies;
        uint64_t reference;

        ask(s, bit + 1);
        wire_run(&s->wire, 10 * USEC_PER_MSEC);
        reference = b->incoming[(b->n_incoming - 1) % WIRE_LOG_MAX];
        start_altering(s, MANAGEMENT_FLOW_REPLY, bit);
        station_prepare(b, bit + 100001, reference, 'n', TIMEOUT_MS);
        if (station_accept(b, reference, bit + 100001, 0xB2, 0) < 0)
                return attack_broken(s->attack, "no reply");
        wire_run(&s->wire, 10 * USEC_PER_MSEC);
        s->wire.fate = NULL;
        if (!s->altered)
                return attack_broken(s->attack, "bit %zu of a reply was not altered", bit);
        if (a->n_replies > n_replies && a->replies[n_replies % WIRE_LOG_MAX].result == 0 &&
            !bindings_differ(&b->prepared.binding, &a->reply_binding))
                return attack_broken(s->attack, "bit %zu of a reply may be altered", bit);

        ethernet_close(&b->ethernet, &station_flow(b, bit + 100001, 0)->layer, s->wire.now);
        station_abort(a, bit + 1, 0, 0xA1, 0);
        wire_run(&s->wire, 150 * USEC_PER_SEC);
        return true;
}

static bool attack_flips(Attack *attack) {
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(framings); i++) {
                _cleanup_(segment_freep) Segment *s = segment_new(attack, framings[i]);
                size_t bits = 8 * frame_ops(framings[i])->management_bytes;

                if (!s)
                        return attack_broken(attack, "no layer");
                for (size_t bit = 0; bit < bits + 8 * 32; bit++, n++)
                        if (!flip_request(s, bit))
                                return false;
                for (size_t bit = 0; bit < bits; bit++, n++)
                        if (!flip_reply(s, bit))
                                return false;
        }

        attack_figure(attack,
                      "Ethernet: %zu bits of what stations say around a handshake altered under way, in both "
                      "framings: each shows at the other end, or nothing arrives",
                      n);
        return true;
}

/* -- FA-6, FA-8: requests without end -- */

static bool request_arrives(Segment *s, const FrameAddress *from, uint32_t number) {
        const FrameOps *ops = frame_ops(s->wire.framing);
        uint8_t oap[OAP_BYTES] = {};
        const ManagementMessage message = {
                .code = MANAGEMENT_FLOW_REQUEST,
                .sender = (uint16_t) (ops->endpoint_min + number % (ops->endpoint_max - ops->endpoint_min + 1U)),
                .hash = wire_hash('n'),
                .oap = oap,
                .oap_size = sizeof(oap),
        };
        const Frame frame = { .destination = station_address(1), .source = *from, .management = true };
        _cleanup_(packet_freep) Packet *packet = NULL;

        memcpy(oap, &number, sizeof(number));
        if (packet_new(512, &packet) < 0 || management_push(ops, 32, &message, packet) < 0 ||
            ops->push(0xA000, &frame, packet) < 0)
                return false;

        /* Some are cut, some altered. */
        if (number % 8 == 1)
                packet->tail -= attack_random(s->attack) % packet_size(packet);
        else if (number % 8 == 2)
                packet->head[attack_random(s->attack) % packet_size(packet)] ^= (uint8_t) attack_random(s->attack);
        eth_receive(&s->wire.stations[1].ethernet, &packet, 1, s->wire.now);
        return true;
}

static bool flood(Attack *attack, Framing framing, unsigned n, size_t *ret_most, unsigned *ret_others) {
        _cleanup_(segment_freep) Segment *s = segment_new(attack, framing);
        LayerMessage refuse = { .type = LAYER_REFUSE };
        const FrameAddress other = station_address(2);
        size_t before, after, most = 0;
        Station *a, *b;

        if (!s)
                return attack_broken(attack, "no layer");

        a = &s->wire.stations[0];
        b = &s->wire.stations[1];
        wire_connect_with_keys(&s->wire, a, b, 1, TIMEOUT_MS, OAP_BYTES);
        wire_run(&s->wire, 60 * USEC_PER_SEC);
        before = mallinfo2().uordblks;

        for (uint32_t i = 0; i < n; i++) {
                /* One station that floods; the IRM refuses every other one of its requests. */
                const FrameAddress from = { .bytes = { 2, 9, 9, 9, 9, 9 } };
                unsigned incoming = b->n_incoming, n_data = b->n_data;

                if (!request_arrives(s, &from, i))
                        return attack_broken(attack, "no request");
                refuse.reference = b->incoming[incoming % WIRE_LOG_MAX];
                if (b->n_incoming > incoming && i % 2)
                        ethernet_refuse(&b->ethernet, &refuse, s->wire.now);
                if (i % 5000 != 4999)
                        continue;

                /* Meanwhile: another station asks, a flow that is there goes on, and time passes. */
                most = MAX(most, mallinfo2().uordblks);
                incoming = b->n_incoming;
                if (!request_arrives(s, &other, 8 * i) || b->n_incoming != incoming + 1)
                        return attack_broken(attack, "after %u requests another station is not heard", i);
                ++*ret_others;
                (void) station_write(a, 1, "still here", 10);
                wire_run(&s->wire, USEC_PER_SEC);
                if (b->n_data != n_data + 1)
                        return attack_broken(attack, "after %u requests a flow stands still", i);
        }
        if (map_size(b->ethernet.incoming_by_reference) > ETHERNET_INCOMING_MAX)
                return attack_broken(attack, "the table grows");
        wire_run(&s->wire, 60 * USEC_PER_SEC);
        after = mallinfo2().uordblks;
        *ret_most = MAX(*ret_most, most > before ? most - before : 0);
        if (map_size(b->ethernet.incoming_by_reference) > 0 || after > before + FLOOD_TABLE_MAX)
                return attack_broken(attack, "%zu bytes are left", after - before);
        return true;
}

static bool attack_flood(Attack *attack) {
        unsigned n = attack_rounds(attack, 100000, 10000000), n_others = 0;
        size_t most = 0;

        for (size_t i = 0; i < ELEMENTSOF(framings); i++)
                if (!flood(attack, framings[i], n, &most, &n_others))
                        return false;

        attack_figure(attack,
                      "Ethernet: %u requests of one station, whole, malformed and refused, in "
                      "both framings: %zu KiB at most, none kept; %u of %u others heard, flows go on",
                      2 * n, most >> 10, n_others, 2 * n / 5000);
        return most <= FLOOD_MEMORY_MAX && n_others == 2 * n / 5000;
}

static Attack attacks[] = {
        { .id = "R-20", .run = attack_flips }, { .id = "FA-4", .run = attack_flips },
        { .id = "FA-5", .run = attack_flood }, { .id = "FA-6", .run = attack_flood },
        { .id = "FA-8", .run = attack_flood }, { .id = "FA-9", .run = attack_flood },
};

int main(int argc, char *argv[]) {
        return attack_main(argc, argv, attacks, ELEMENTSOF(attacks));
}
