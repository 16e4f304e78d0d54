/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Both ends of an ordered flow, and between them a network played by the input: it delivers, loses, repeats and
 * reorders packets, lets time pass, and forges packets of its own. Nobody delivers what is older than the layer's
 * longest life of a packet.
 *
 * What must hold without forgeries: nothing is read twice, out of order or changed, and of a reliable flow nothing is
 * missing in the end, once the network has become a good one. What must hold always: memory is bounded, counters only
 * count up, bytes written are acknowledged or not, errors stay, and an end that has said all asks for a time to come.
 */

#include <malloc.h>

#include "libo7s/frct-header.h"
#include "libo7s/frct.h"

#define OPERATIONS_MAX 1024U
#define NET_MAX 64U                     /* packets on the way, both directions */
#define PACKET_MAX 1400U
#define MPL (100 * NSEC_PER_MSEC)
#define MEMORY_MAX ((size_t) 24 << 20)  /* both ends; their buffers are the smallest */
#define GOOD_STEPS_MAX 100000U
#define SETTLE_MAX 64U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef enum Operation {
        WRITE,                  /* u8 end, u16 size */
        WRITE_LARGE,            /* u8 end, u8 size in 4 KiB */
        READ,                   /* u8 end, u16 room */
        SKIP,                   /* u8 end */
        FINISH,                 /* u8 end */
        TRANSMIT,               /* u8 end, u8 packets; bit 7: the last one could not be sent */
        DELIVER,                /* u8 which; bit 6: it stays (a duplicate), bit 7: marked */
        LOSE,                   /* u8 which */
        TICK,                   /* u8: in 100 us */
        WAIT,                   /* u8: in s */
        EXCHANGE,               /* u8 rounds: everything is delivered, and read */
        FORGE,                  /* u8 end, u8 flags, u8 extension, i16 sequence, i16 acknowledgement, u16 position, u8
                                 * n ranges, u8 size */
        FORGE_RAW,              /* u8 end, u8 size, bytes */
        CHANGE,                 /* u8 which, u8 where, u8 how */
        _OPERATION_MAX,
} Operation;

typedef struct End {
        Frct *frct;
        bool forged;            /* was told lies */
        uint64_t n_written, n_read;             /* messages; of a stream bytes */
        uint64_t n_bytes_written;
        uint64_t reading;                       /* number of the message that was read in part */
        size_t n_of_message;
        bool in_message;
        int ended;
        FrctStats stats;
        FrctHeader sent;                        /* newest header of its own, for forgeries */
} End;

typedef struct Flying {
        uint8_t *bytes;
        size_t size;
        unsigned to;
        nsec_t sent_at;
} Flying;

typedef struct Game {
        FrctConfig config;
        End ends[2];
        Flying net[NET_MAX];
        unsigned n_net;
        nsec_t now;
        uint32_t random;
        size_t memory_before;
        uint8_t buffer[FRCT_MESSAGE_MAX];
} Game;

static uint32_t next_number(void *userdata) {
        Game *g = userdata;

        g->random = g->random * 1664525U + 1013904223U;
        return g->random;
}

static size_t memory_used(void) {
        struct mallinfo2 info = mallinfo2();

        return info.uordblks + info.hblkhd;     /* a sanitizer's allocator shows nothing here; its own limit applies */
}

/* Byte k of message (or of a stream: everything) i. */
static uint8_t content_at(const Game *g, uint64_t i, size_t k) {
        if (g->config.stream)
                return (uint8_t) ((i + k) * 131 + ((i + k) >> 8));

        return k < 4 ? (uint8_t) (i >> (8 * k)) : (uint8_t) (i + k);
}

/* -- the application -- */

static void write_some(Game *g, End *e, size_t size) {
        struct iovec part = { .iov_base = g->buffer };
        ssize_t n;

        part.iov_len = CLAMP(size, (size_t) 4, frct_message_max(e->frct));
        for (size_t k = 0; k < part.iov_len; k++)
                g->buffer[k] = content_at(g, e->n_written, k);

        n = frct_write(e->frct, &part, 1, g->now);
        if (n > (ssize_t) part.iov_len || n == 0 || (n > 0 && !g->config.stream && n != (ssize_t) part.iov_len))
                abort();
        if (n < 0)
                return;

        e->n_written += g->config.stream ? (uint64_t) n : 1;
        e->n_bytes_written += (uint64_t) n;
}

static void check_message(Game *g, End *e, const End *peer, size_t n, bool more) {
        uint64_t i = e->n_read;

        if (!e->in_message) {
                if (n < 4 && more)      /* cannot tell which one yet: skip it whole, below */
                        abort();
                i = (uint64_t) g->buffer[0] | (uint64_t) g->buffer[1] << 8 | (uint64_t) g->buffer[2] << 16;
                if (i < e->n_read || i >= peer->n_written || (g->config.reliable && i != e->n_read))
                        abort();
                e->reading = i;
                e->n_of_message = 0;
        }
        for (size_t k = 0; k < n; k++)
                if (g->buffer[k] != content_at(g, e->reading, e->n_of_message + k))
                        abort();

        e->n_of_message += n;
        e->in_message = more;
        if (!more)
                e->n_read = e->reading + 1;
}

static ssize_t read_some(Game *g, End *e, size_t room) {
        const End *peer = g->ends + (e == g->ends);
        bool more = false;
        ssize_t n;

        room = CLAMP(room, (size_t) 4, sizeof(g->buffer));
        n = frct_read(e->frct, g->buffer, room, &more, g->now);
        if (n == 0 || n > (ssize_t) room)
                abort();
        if (n < 0 || e->forged)
                return n;

        if (!g->config.stream) {
                check_message(g, e, peer, (size_t) n, more);
                return n;
        }

        for (size_t k = 0; k < (size_t) n; k++)
                if (g->buffer[k] != content_at(g, e->n_read, k))
                        abort();
        e->n_read += (uint64_t) n;
        if (e->n_read > peer->n_written)
                abort();
        return n;
}

static void skip_some(Game *g, End *e) {
        if (g->config.stream || !frct_readable(e->frct))        /* of a stream nobody knows how much that was */
                return;

        frct_skip(e->frct, g->now);
        if (e->in_message)
                e->n_read = e->reading + 1;
        else
                e->n_read++;
        e->in_message = false;
}

/* -- the network -- */

static void net_remove(Game *g, unsigned i) {
        free(g->net[i].bytes);
        memmove(g->net + i, g->net + i + 1, (--g->n_net - i) * sizeof(Flying));
}

static void net_expire(Game *g) {
        for (unsigned i = g->n_net; i > 0; i--)
                if (g->now - g->net[i - 1].sent_at > MPL)
                        net_remove(g, i - 1);
}

static void net_add(Game *g, unsigned to, const uint8_t *bytes, size_t size) {
        Flying *f = g->net + g->n_net;

        if (g->n_net == NET_MAX)
                return;

        *f = (Flying) { .bytes = malloc(size > 0 ? size : 1), .size = size, .to = to, .sent_at = g->now };
        if (!f->bytes)
                abort();
        memcpy(f->bytes, bytes, size);
        g->n_net++;
}

static void deliver(Game *g, unsigned i, bool keep, bool marked) {
        const Flying *f = g->net + i;

        frct_receive(g->ends[f->to].frct, f->bytes, f->size, marked, g->now);
        if (!keep)
                net_remove(g, i);
}

static size_t transmit(Game *g, unsigned from) {
        uint8_t packet[PACKET_MAX];
        Cursor c;
        size_t n;

        n = frct_transmit(g->ends[from].frct, packet, sizeof(packet), g->now);
        if (n > sizeof(packet))
                abort();
        if (n == 0)
                return 0;

        c = cursor_from(packet, n);
        if (frct_header_read(&c, g->config.extended, &g->ends[from].sent) < 0)
                abort();
        net_add(g, !from, packet, n);
        return n;
}

/* Says all there is to say now; then there must be nothing left to say now. */
static void settle(Game *g, unsigned from) {
        const Frct *frct = g->ends[from].frct;

        for (unsigned i = 0; i < SETTLE_MAX; i++) {
                frct_expire(g->ends[from].frct, g->now);
                for (unsigned k = 0; k < 16 * NET_MAX; k++)
                        if (transmit(g, from) == 0)
                                break;
                if (frct_next(frct, g->now) > g->now)
                        return;
                if (g->n_net == NET_MAX)        /* more than this network takes at once */
                        return;
        }
        abort();
}

static void exchange(Game *g) {
        for (unsigned from = 0; from < 2; from++)
                settle(g, from);
        while (g->n_net > 0)
                deliver(g, 0, false, false);
        for (unsigned i = 0; i < 2; i++)
                while (read_some(g, g->ends + i, sizeof(g->buffer)) > 0)
                        ;
}

static nsec_t next_time(const Game *g) {
        return MIN(frct_next(g->ends[0].frct, g->now), frct_next(g->ends[1].frct, g->now));
}

static void forge(Game *g, Cursor *c) {
        unsigned to = cursor_u8(c) & 1;
        const FrctHeader *honest = &g->ends[!to].sent, *own = &g->ends[to].sent;
        FrctHeader header = {};
        uint8_t packet[PACKET_MAX] = {};
        Writer w = writer_to(packet, sizeof(packet));
        uint32_t at;

        header.flags = cursor_u8(c);
        header.extension = cursor_u8(c);
        header.sequence = honest->sequence + (uint32_t) (int16_t) cursor_be16(c);
        header.acknowledgement = own->sequence + (uint32_t) (int16_t) cursor_be16(c);
        header.window = (header.acknowledgement + (header.flags ^ header.extension)) & FRCT_WINDOW_MASK;
        header.position = cursor_be16(c);
        header.n_ranges = cursor_u8(c) % (FRCT_RANGES_MAX + 1);
        header.stamp = honest->stamp;
        header.echo = own->stamp;

        at = header.acknowledgement;
        for (unsigned i = 0; i < header.n_ranges; i++) {
                at += 1 + header.position % 7;
                header.ranges[i] = (FrctRange) { .begin = at, .end = at + 1 + header.position % 3 };
                at = header.ranges[i].end;
        }

        frct_header_write(&w, g->config.extended, &header);
        writer_zero(&w, MIN((size_t) cursor_u8(c) * 4, w.left));
        g->ends[to].forged = true;
        frct_receive(g->ends[to].frct, packet, w.written, false, g->now);
}

static void forge_raw(Game *g, Cursor *c) {
        unsigned to = cursor_u8(c) & 1;
        size_t asked = cursor_u8(c), size = MIN(asked, c->left);
        const uint8_t *bytes = cursor_bytes(c, size);

        if (!bytes)
                return;
        g->ends[to].forged = true;
        frct_receive(g->ends[to].frct, bytes, size, false, g->now);
}

static void change(Game *g, Cursor *c) {
        unsigned i = cursor_u8(c), where = cursor_u8(c), how = cursor_u8(c);

        if (g->n_net == 0)
                return;

        i %= g->n_net;
        g->net[i].bytes[where % g->net[i].size] ^= (uint8_t) how;
        g->ends[g->net[i].to].forged = true;
}

/* -- the game -- */

static void play(Game *g, Operation operation, Cursor *c) {
        uint8_t n = operation == FORGE || operation == FORGE_RAW || operation == CHANGE ? 0 : cursor_u8(c);
        End *e = g->ends + (n & 1);

        switch (operation) {
        case WRITE:
                write_some(g, e, cursor_be16(c));
                break;
        case WRITE_LARGE:
                write_some(g, e, cursor_u8(c) * (size_t) 4096);
                break;
        case READ:
                (void) read_some(g, e, cursor_be16(c));
                break;
        case SKIP:
                if (g->config.reliable)
                        skip_some(g, e);
                break;
        case FINISH:
                frct_finish(e->frct, g->now);
                break;
        case TRANSMIT:
                for (unsigned i = cursor_u8(c), k = 0; k < (i & 127); k++)
                        if (transmit(g, n & 1) == 0)
                                break;
                        else if (i & 128 && k + 1 == (i & 127)) {
                                frct_untransmit(e->frct, g->now);
                                if (g->n_net < NET_MAX)
                                        net_remove(g, g->n_net - 1);
                        }
                break;
        case DELIVER:
                if (g->n_net > 0)
                        deliver(g, (n & 63) % g->n_net, n & 64, n & 128);
                break;
        case LOSE:
                if (g->n_net > 0)
                        net_remove(g, n % g->n_net);
                break;
        case TICK:
                g->now += n * 100 * NSEC_PER_USEC;
                break;
        case WAIT:
                g->now += n * NSEC_PER_SEC;
                break;
        case EXCHANGE:
                for (unsigned i = 0; i < n % 16U; i++) {
                        exchange(g);
                        g->now = next_time(g) == NSEC_INFINITY ? g->now : MAX(g->now, next_time(g));
                }
                break;
        case FORGE:
                forge(g, c);
                break;
        case FORGE_RAW:
                forge_raw(g, c);
                break;
        case CHANGE:
                change(g, c);
                break;
        case _OPERATION_MAX:
                break;
        }
}

static void check(Game *g) {
        if (memory_used() > g->memory_before + MEMORY_MAX)
                abort();

        for (unsigned i = 0; i < 2; i++) {
                End *e = g->ends + i;
                FrctStats now, before = e->stats;
                int ended = frct_ended(e->frct);

                frct_stats(e->frct, &now);
                if (now.segments_sent < before.segments_sent || now.retransmitted < before.retransmitted ||
                    now.lost < before.lost || now.duplicates < before.duplicates ||
                    now.out_of_window < before.out_of_window || now.malformed < before.malformed ||
                    now.marked < before.marked || now.bytes_acknowledged < before.bytes_acknowledged)
                        abort();
                if (g->config.reliable && now.bytes_acknowledged + now.bytes_unacknowledged != e->n_bytes_written)
                        abort();
                if ((now.bytes_readable > 0) != frct_readable(e->frct))
                        abort();
                if (e->ended < 0 && ended == 0)
                        abort();
                if (!e->forged && ended == -EPROTO)
                        abort();

                e->stats = now;
                e->ended = ended;
        }
}

/* The network becomes a good one: now everything must come, unless an end had given up. */
static void finale(Game *g) {
        if (!g->config.reliable || g->ends[0].forged || g->ends[1].forged)
                return;

        for (unsigned i = 0; i < GOOD_STEPS_MAX; i++) {
                exchange(g);
                if (next_time(g) == NSEC_INFINITY)
                        break;
                g->now = MAX(g->now, next_time(g));
        }

        check(g);
        for (unsigned i = 0; i < 2; i++)
                if (g->ends[i].ended != 0 && g->ends[i].ended != -ENOTCONN)
                        return;
        for (unsigned i = 0; i < 2; i++)
                if (g->ends[!i].n_read != g->ends[i].n_written || !frct_is_flushed(g->ends[i].frct))
                        abort();
}

static void game_start(Game *g, Cursor *c) {
        uint8_t kind = cursor_u8(c);

        g->memory_before = memory_used();
        g->random = cursor_be32(c);
        g->now = 1000 * NSEC_PER_SEC;
        g->config = (FrctConfig) {
                .reliable = kind & 1,
                .extended = kind & 2,
                .stream = (kind & 7) == 7,
                .packet_max = kind & 8 ? PACKET_MAX : 300,
                .mpl = MPL,
                .hold_max = 40 * NSEC_PER_MSEC,
                .spread = 5 * NSEC_PER_MSEC,
                .send_max = 1,
                .receive_max = 1,
                .random = next_number,
                .userdata = g,
        };

        for (unsigned i = 0; i < 2; i++)
                if (frct_new(&g->config, g->now, &g->ends[i].frct) < 0)
                        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Cursor c = cursor_from(data, size);
        Game *g = calloc(1, sizeof(*g));

        if (!g)
                return 0;

        game_start(g, &c);
        for (unsigned i = 0; i < OPERATIONS_MAX && c.left > 0; i++) {
                play(g, cursor_u8(&c) % _OPERATION_MAX, &c);
                net_expire(g);
                check(g);
        }
        finale(g);

        while (g->n_net > 0)
                net_remove(g, 0);
        for (unsigned i = 0; i < 2; i++)
                frct_free(g->ends[i].frct);
        free(g);
        return 0;
}
