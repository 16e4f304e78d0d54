/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What becomes of the packets of a lossy flow. Nobody repeats them: what is missing was overtaken, or is lost. Towards
 * o7s a packet behind a gap waits, for as long as frct-hold.h says; then the gap is given up, and what turns up later
 * is dropped. Towards 0.23.0, and where .hold_max says so, nobody waits: each gap is given up at once.
 *
 *      expected    order
 *       ▼
 *       5  .  .   8  9  .  11        5, 6 and 7 are missing; when 8 has waited for long enough it is delivered, and 9
 *                                     behind it; 11 waits for 10, until its own time is over
 *
 * Nobody waits where there is no room for it: not in memory, nor beyond FRCT_HOLD_PACKETS numbers, which also means
 * that a flow of many packets waits for a shorter time. So what a peer can make us keep is bounded as it is without.
 */

#include "libo7s/frct-receiver-internal.h"

/* Messages of a lossy flow that nobody reads are soon worth nothing. */
#define LOSSY_MESSAGES_MAX 256U

/* -- delivery -- */

/* The next number, without its content. */
static void pass_over(FrctReceiver *r, bool finish, nsec_t now) {
        r->expected++;
        r->moved_at = now;
        r->fresh = false;
        r->gap = true;
        r->finished = finish;
}

/* Consumes the chunk. NULL: there was no memory. */
static void deliver(FrctReceiver *r, FrctChunk *chunk, bool finish, nsec_t now) {
        if (chunk && r->assembly.n_messages < LOSSY_MESSAGES_MAX) {
                frct_receiver_deliver(r, chunk, now);
                return;
        }

        frct_chunk_free(chunk);
        r->out_of_window++;
        pass_over(r, finish, now);
}

/* Those that waited for nothing else. */
static void deliver_run(FrctReceiver *r, nsec_t now) {
        FrctChunk *chunk;

        while (!r->finished && (chunk = frct_order_take(&r->order, r->expected))) {
                list_unlink(&chunk->by_assembly);
                deliver(r, chunk, chunk->flags & FRCT_FINISH, now);
        }

        /* What is numbered behind the end belongs to nothing. */
        if (r->finished)
                frct_order_clear(&r->order);
}

/* -- gaps -- */

/* What is missing before this number is gone for good. */
static void give_up(FrctReceiver *r, uint32_t sequence) {
        if (sequence == r->expected)
                return;

        r->lost += sequence - r->expected;
        r->gap = true;
        r->expected = sequence;
}

/* The first gap, and what waits right behind it is delivered. */
static void give_up_first(FrctReceiver *r, nsec_t now) {
        uint32_t begin = r->order.ranges[0].begin;

        frct_hold_give_up(&r->hold, r->expected, begin);
        give_up(r, begin);
        deliver_run(r, now);
}

/* All gaps below this number of which something behind them waits. */
static void give_up_before(FrctReceiver *r, uint32_t sequence, nsec_t now) {
        while (r->order.n_ranges > 0 && frct_before(r->order.ranges[0].begin, sequence))
                give_up_first(r, now);
}

void frct_receiver_expire_lossy(FrctReceiver *r, nsec_t now) {
        while (r->order.n_ranges > 0 && frct_hold_due(&r->hold, now) <= now)
                give_up_first(r, now);
}

void frct_receiver_release(FrctReceiver *r, nsec_t now) {
        assert(r);

        while (!r->reliable && r->order.n_ranges > 0)
                give_up_first(r, now);
}

/* -- arrival -- */

/* Whether it waits; it does not where there is no need, no room, or no memory. */
static bool wait(FrctReceiver *r, const FrctHeader *header, const uint8_t *content, size_t size, nsec_t now) {
        FrctChunk *chunk;

        if (r->hold.limit == 0 || header->sequence == r->expected ||
            header->sequence - r->expected >= FRCT_HOLD_PACKETS || !frct_receiver_has_memory(r, header, size))
                return false;
        if (frct_order_grow(&r->order, r->expected, FRCT_HOLD_PACKETS) < 0)
                return false;

        chunk = frct_chunk_new(content, size, frct_receiver_chunk_flags(r, header));
        if (!chunk || frct_order_put(&r->order, header->sequence, chunk) < 0)
                return false;

        frct_hold_wait(&r->hold, chunk, header->sequence, now);
        r->moved_at = now;
        return true;
}

static bool holds(const FrctReceiver *r, uint32_t sequence) {
        return sequence - r->expected < r->order.n_slots && frct_order_holds(&r->order, sequence);
}

/* Others with higher numbers have come before it, and wait. */
static bool was_overtaken(const FrctReceiver *r, uint32_t sequence) {
        return r->order.n_ranges > 0 && frct_before(sequence, r->order.ranges[r->order.n_ranges - 1].begin);
}

static void take(FrctReceiver *r, const FrctHeader *header, const uint8_t *content, size_t size, nsec_t now) {
        bool fits;

        if (was_overtaken(r, header->sequence)) {
                frct_hold_filled(&r->hold, header->sequence, now);
                r->reordered++;
        }

        /* Too far for those that wait for the longest: their time is over. */
        while (r->order.n_ranges > 0 && header->sequence - r->expected >= FRCT_HOLD_PACKETS)
                give_up_first(r, now);
        if (!r->finished && wait(r, header, content, size, now))
                return;

        give_up_before(r, header->sequence, now);
        if (r->finished) {
                r->malformed++;
                return;
        }

        give_up(r, header->sequence);
        fits = frct_receiver_has_memory(r, header, size);
        deliver(r, fits ? frct_chunk_new(content, size, frct_receiver_chunk_flags(r, header)) : NULL,
                r->extended && header->flags & FRCT_FINISH, now);
        deliver_run(r, now);
}

void frct_receiver_take_lossy(FrctReceiver *r, const FrctHeader *header, const uint8_t *content, size_t size,
                              bool urgent, nsec_t now) {
        if (frct_before(header->sequence, r->expected)) {
                frct_hold_missed(&r->hold, header->sequence, now);
                r->duplicates++;
                return;
        }
        if (holds(r, header->sequence)) {
                r->duplicates++;
                return;
        }
        if (header->sequence - r->expected > FRCT_RUN_REACH) {
                r->out_of_window++;
                return;
        }
        if (r->finished || header->extension & FRCT_X_PIECE) {          /* pieces are repetitions, and there are none */
                r->malformed++;
                return;
        }

        take(r, header, content, size, now);
        frct_receiver_speak_taken(r, urgent, now);
}
