/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Both ends of a protected flow, with limits so small that epochs and generations pass all the time, and a path that
 * does with packets whatever the input says. What opens is a packet that was sent, and none opens twice; what does
 * not open is shown to nobody. Even a peer that has the keys can send what control packets never say.
 */

#include "basic/cursor.h"
#include "libo7s/seal-packet.h"
#include "libo7s/seal.h"

#define OPERATIONS_MAX 4096U
#define HELD_MAX 64U
#define PACKET_MAX 512U
#define MARK 0xa7

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef enum Operation {
        SEND,                   /* u8 end, u8 size of the content: held */
        TRANSMIT,               /* u8 end: its control packets, held */
        DELIVER,                /* u8 which */
        DELIVER_BACK,           /* u8 which: to who sent it */
        DROP,                   /* u8 which */
        CHANGE,                 /* u8 which, u8 offset, u8 bits: a copy of it, so changed, to the receiver */
        FORGE,                  /* u8 end, u8 size, bytes */
        CONTROL,                /* u8 end, u8 size, bytes: as a control packet of the peer, with its keys */
        PASS_TIME,              /* u8: in tenths of seconds, squared */
        _OPERATION_MAX,
} Operation;

typedef struct Held {
        uint8_t from;
        bool control, delivered;
        size_t size;
        uint8_t bytes[PACKET_MAX];
        size_t content_size;
        uint8_t first;                  /* of the content */
} Held;

typedef struct Game {
        Seal *ends[2];
        nsec_t now;
        Held held[HELD_MAX];
        unsigned n_held;                /* ever: the place of the next one is that modulo HELD_MAX */
        uint8_t next_byte;
} Game;

static void game_init(Game *g, Cursor *c) {
        uint8_t options = cursor_u8(c);
        const SealLimits limits = {
                .epoch_packets = UINT64_C(1) << (options & 3),
                .epoch_nsec = NSEC_PER_SEC,
                .generation_packets = UINT64_C(4) << (options >> 2 & 3),
                .generation_nsec = 2 * NSEC_PER_SEC,
        };

        for (unsigned i = 0; i < 2; i++) {
                const uint8_t seed[SEAL_SEED_BYTES] = {};
                SealKeys keys = { .suite = SEAL_O7S, .cipher = SEAL_AES_128_GCM, .mac_only = options & 0x10,
                                  .client = i == 0 };

                keys.send[0] = (uint8_t) i;
                keys.receive[0] = (uint8_t) !i;
                if (seal_new(&keys, &limits, seed, g->now, &g->ends[i]) < 0)
                        abort();
        }
}

static Held *which(Game *g, Cursor *c) {
        unsigned n = MIN(g->n_held, HELD_MAX), index = cursor_u8(c);

        return n > 0 ? g->held + (g->n_held - 1 - index % n) % HELD_MAX : NULL;
}

static void hold(Game *g, unsigned from, bool control, size_t content_size, uint8_t first, const uint8_t *packet,
                 size_t size) {
        Held *h = g->held + g->n_held++ % HELD_MAX;

        *h = (Held) {
                .from = (uint8_t) from,
                .control = control,
                .size = size,
                .content_size = content_size,
                .first = first,
        };
        memcpy(h->bytes, packet, size);
}

static void send_packet(Game *g, Cursor *c) {
        unsigned from = cursor_u8(c) & 1;
        size_t n = cursor_u8(c);
        uint8_t content[256], packet[PACKET_MAX], first = g->next_byte++;
        ssize_t r;

        memset(content, first, sizeof(content));
        r = seal_protect(g->ends[from], g->now, content, n, packet, sizeof(packet));
        if (r == -EKEYEXPIRED)
                return;
        if (r != (ssize_t) (n + seal_overhead(g->ends[from])))
                abort();
        hold(g, from, false, n, first, packet, (size_t) r);
}

static void transmit(Game *g, Cursor *c) {
        unsigned from = cursor_u8(c) & 1;
        uint8_t random[SEAL_SECRET_BYTES], packet[SEAL_CONTROL_MAX];
        ssize_t n;

        memset(random, g->next_byte++, sizeof(random));
        for (unsigned i = 0; (n = seal_transmit(g->ends[from], g->now, random, packet, sizeof(packet))) != 0; i++) {
                if (n < 0 || n > (ssize_t) SEAL_CONTROL_MAX || i > 4)
                        abort();
                hold(g, from, true, 0, 0, packet, (size_t) n);
        }
}

/* What it opened must be what was sent; what it did not, nobody sees. */
static void open_packet(Game *g, unsigned at, const uint8_t *packet, size_t size, Held *genuine) {
        uint8_t content[PACKET_MAX];
        ssize_t n;

        memset(content, MARK, sizeof(content));
        n = seal_open(g->ends[at], g->now, packet, size, content, sizeof(content));
        if (n < 0) {
                for (size_t i = 0; i < sizeof(content); i++)
                        if (content[i] != MARK && content[i] != 0)
                                abort();
                return;
        }

        if (!genuine || genuine->delivered || (size_t) n != genuine->content_size)
                abort();
        for (ssize_t i = 0; i < n; i++)
                if (content[i] != genuine->first)
                        abort();
        genuine->delivered = true;
}

static void change(Game *g, Cursor *c) {
        const Held *h = which(g, c);
        uint8_t offset = cursor_u8(c), bits = cursor_u8(c), packet[PACKET_MAX];

        if (!h || bits == 0 || h->size == 0)
                return;

        memcpy(packet, h->bytes, h->size);
        packet[offset % h->size] ^= bits;
        open_packet(g, !h->from, packet, h->size, NULL);
}

static void forge(Game *g, Cursor *c) {
        unsigned at = cursor_u8(c) & 1;
        size_t n = cursor_u8(c);
        const uint8_t *bytes = cursor_bytes(c, n);

        if (bytes)
                open_packet(g, at, bytes, n, NULL);
}

/* As if the peer's own program had gone mad. Secrets may differ afterwards: then nothing else may happen. */
static void say_anything(Game *g, Cursor *c) {
        SealAgreement agreement;
        SealGeneration fresh;
        const uint8_t secret[SEAL_SECRET_BYTES] = { 1 };
        bool client = cursor_u8(c) & 1, is_fresh;
        size_t n = cursor_u8(c);
        const uint8_t *bytes = cursor_bytes(c, n);
        uint8_t said[SEAL_AGREEMENT_BYTES];

        if (!bytes)
                return;

        seal_agreement_init(&agreement, client, secret);
        seal_agreement_begin(&agreement, g->now);
        (void) seal_agreement_speak(&agreement, g->now, secret, said, &fresh, &is_fresh);
        if (seal_agreement_hear(&agreement, bytes, n, &fresh) > 0) {
                if (!client)
                        abort();
                seal_agreement_adopt(&agreement, &fresh, g->now);
        }
        if (seal_agreement_speak(&agreement, g->now, secret, said, &fresh, &is_fresh) > sizeof(said))
                abort();
        seal_agreement_done(&agreement);
}

static void play(Game *g, Operation operation, Cursor *c) {
        Held *h;
        uint8_t tenths;

        switch (operation) {
        case SEND:
                send_packet(g, c);
                break;
        case TRANSMIT:
                transmit(g, c);
                break;
        case DELIVER:
                h = which(g, c);
                if (h)
                        open_packet(g, !h->from, h->bytes, h->size, h);
                break;
        case DELIVER_BACK:
                h = which(g, c);
                if (h)
                        open_packet(g, h->from, h->bytes, h->size, NULL);
                break;
        case DROP:
                h = which(g, c);
                if (h)
                        h->size = 0;
                break;
        case CHANGE:
                change(g, c);
                break;
        case FORGE:
                forge(g, c);
                break;
        case CONTROL:
                say_anything(g, c);
                break;
        case PASS_TIME:
                tenths = cursor_u8(c);
                g->now += (nsec_t) tenths * tenths * NSEC_PER_SEC / 10;
                break;
        case _OPERATION_MAX:
                break;
        }
}

/* However it went: a path that is whole again makes the flow whole. */
static void recover(Game *g) {
        for (unsigned round = 0; round < 14; round++) {
                for (unsigned from = 0; from < 2; from++) {
                        uint8_t packet[PACKET_MAX], content[PACKET_MAX], random[SEAL_SECRET_BYTES];
                        ssize_t n = seal_protect(g->ends[from], g->now, "x", 1, packet, sizeof(packet));
                        ssize_t r = n > 0 ? seal_open(g->ends[!from], g->now, packet, (size_t) n, content,
                                                      sizeof(content)) : n;

                        if (round >= 10 && (r != 1 || content[0] != 'x'))
                                abort();
                        memset(random, g->next_byte++, sizeof(random));
                        while ((n = seal_transmit(g->ends[from], g->now, random, packet, sizeof(packet))) > 0)
                                (void) seal_open(g->ends[!from], g->now, packet, (size_t) n, content, sizeof(content));
                }
                g->now += 4 * NSEC_PER_SEC;     /* whoever speaks does so at least every 30 s */
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Cursor c = cursor_from(data, size);
        Game *g = calloc(1, sizeof(*g));

        if (!g)
                abort();

        g->now = NSEC_PER_SEC;
        game_init(g, &c);
        for (unsigned i = 0; i < OPERATIONS_MAX && !c.bad && c.left > 0; i++)
                play(g, cursor_u8(&c) % _OPERATION_MAX, &c);
        recover(g);

        seal_free(g->ends[0]);
        seal_free(g->ends[1]);
        free(g);
        return 0;
}
