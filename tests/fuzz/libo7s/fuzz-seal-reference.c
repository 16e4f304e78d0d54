/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One of our ends of the reference suite, and another, with an interval so short that keys change all the time; the
 * input says what happens to packets. What opens is a packet that was sent by the other end, and none opens twice.
 * Afterwards, on a path that is whole, all is well.
 */

#include "basic/cursor.h"
#include "libo7s/seal.h"

#define OPERATIONS_MAX 4096U
#define HELD_MAX 64U
#define PACKET_MAX 320U
#define MARK 0xa7

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef enum Operation {
        SEND,                   /* u8 end, u8 size: held */
        PASS,                   /* u8 end, u8 count: as many packets, delivered */
        DELIVER,                /* u8 which */
        DELIVER_BACK,           /* u8 which: to who sent it */
        CHANGE,                 /* u8 which, u8 offset, u8 bits: a copy of it, to the receiver */
        FORGE,                  /* u8 end, u8 size, bytes */
        PASS_TIME,              /* u8: in tenths of seconds */
        _OPERATION_MAX,
} Operation;

typedef struct Held {
        uint8_t from, first;
        bool delivered;
        size_t size, content_size;
        uint8_t bytes[PACKET_MAX];
} Held;

typedef struct Game {
        Seal *ends[2];
        nsec_t now;
        Held held[HELD_MAX];
        unsigned n_held;                /* ever */
        uint8_t next_byte;
} Game;

static void game_init(Game *g, Cursor *c) {
        static const SealCipher ciphers[] = { SEAL_AES_128_GCM, SEAL_AES_192_GCM, SEAL_AES_256_GCM,
                                              SEAL_CHACHA20_POLY1305 };
        uint8_t options = cursor_u8(c);
        SealKeys keys = { .suite = SEAL_REFERENCE, .cipher = ciphers[options & 3] };
        const SealLimits limits = { .epoch_packets = UINT64_C(4) << (options >> 2 & 3), .generation_packets = 64 };

        for (unsigned i = 0; i < 2; i++) {
                const uint8_t seed[SEAL_SEED_BYTES] = { (uint8_t) i };

                if (seal_new(&keys, &limits, seed, g->now, &g->ends[i]) < 0)
                        abort();
        }
}

static Held *which(Game *g, Cursor *c) {
        unsigned n = MIN(g->n_held, HELD_MAX), index = cursor_u8(c);

        return n > 0 ? g->held + (g->n_held - 1 - index % n) % HELD_MAX : NULL;
}

static Held *send_packet(Game *g, unsigned from, size_t n) {
        Held *h = g->held + g->n_held++ % HELD_MAX;
        uint8_t content[256];
        ssize_t r;

        *h = (Held) { .from = (uint8_t) from, .first = g->next_byte++, .content_size = n };
        memset(content, h->first, sizeof(content));
        r = seal_protect(g->ends[from], g->now, content, n, h->bytes, sizeof(h->bytes));
        if (r != (n > 0 ? (ssize_t) (n + seal_overhead(g->ends[from])) : 0))
                abort();
        h->size = (size_t) r;
        return h;
}

static ssize_t open_packet(Game *g, unsigned at, const uint8_t *packet, size_t size, Held *genuine) {
        uint8_t content[PACKET_MAX];
        ssize_t n;

        memset(content, MARK, sizeof(content));
        n = seal_open(g->ends[at], g->now, packet, size, content, sizeof(content));
        if (size == 0 && n == 0)                /* says nothing, and may come as often as it likes */
                return 0;
        if (n < 0) {
                for (size_t i = 0; i < sizeof(content); i++)
                        if (content[i] != MARK && content[i] != 0)
                                abort();
                return n;
        }

        if (!genuine || genuine->delivered || (size_t) n != genuine->content_size)
                abort();
        for (ssize_t i = 0; i < n; i++)
                if (content[i] != genuine->first)
                        abort();
        genuine->delivered = true;
        return n;
}

static void change(Game *g, Cursor *c) {
        const Held *h = which(g, c);
        uint8_t offset = cursor_u8(c), bits = cursor_u8(c), packet[PACKET_MAX];

        if (!h || bits == 0 || h->size == 0)
                return;

        memcpy(packet, h->bytes, h->size);
        packet[offset % h->size] ^= bits;
        (void) open_packet(g, !h->from, packet, h->size, NULL);
}

static void play(Game *g, Operation operation, Cursor *c) {
        const uint8_t *bytes;
        unsigned end;
        Held *h;
        size_t n;

        switch (operation) {
        case SEND:
                end = cursor_u8(c) & 1;
                n = cursor_u8(c);
                (void) send_packet(g, end, n);
                break;
        case PASS:
                end = cursor_u8(c) & 1;
                for (n = cursor_u8(c); n > 0; n--) {
                        h = send_packet(g, end, 1);
                        (void) open_packet(g, !end, h->bytes, h->size, h);
                }
                break;
        case DELIVER:
                h = which(g, c);
                if (h)
                        (void) open_packet(g, !h->from, h->bytes, h->size, h);
                break;
        case DELIVER_BACK:
                h = which(g, c);
                if (h)
                        (void) open_packet(g, h->from, h->bytes, h->size, NULL);
                break;
        case CHANGE:
                change(g, c);
                break;
        case FORGE:
                end = cursor_u8(c) & 1;
                n = cursor_u8(c);
                bytes = cursor_bytes(c, n);
                if (bytes)
                        (void) open_packet(g, end, bytes, n, NULL);
                break;
        case PASS_TIME:
                g->now += (nsec_t) cursor_u8(c) * NSEC_PER_SEC / 10;
                break;
        case _OPERATION_MAX:
                break;
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

        for (unsigned round = 0; round < 100; round++, g->now += NSEC_PER_SEC)
                for (unsigned from = 0; from < 2; from++) {
                        Held *h = send_packet(g, from, 1);

                        if (open_packet(g, !from, h->bytes, h->size, h) != 1 && round > 0)
                                abort();
                }

        seal_free(g->ends[0]);
        seal_free(g->ends[1]);
        free(g);
        return 0;
}
