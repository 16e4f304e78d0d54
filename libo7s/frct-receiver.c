/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The peer's run, and what becomes of its packets.
 *
 * Runs. A run is open from a packet with RUN_START until nothing is heard for the receiver's inactivity time; data
 * outside a run is dropped. RUN_START inside an open run says nothing as long as its number is near ours: senders set
 * it whenever nothing of theirs is unacknowledged. A number that is far from ours is that of a sender which has
 * forgotten the run (it slept while its control packets went on, or began anew), or it is an old duplicate, or a
 * forgery. So it opens a new run only where the open one cannot lose anything by it: nothing new has come for two
 * lifetimes of a packet and at least a second, and ten seconds inside a message. A sender that is right will repeat
 * its RUN_START. A reliable one begins a new run when everything is acknowledged, so the message that is being put
 * together goes on in it; and while packets are missing it has no reason to. If it does so all the same after the run
 * is over, data is lost, and the flow ends.
 *
 * Window. Of a reliable flow, the right edge is the expected number plus the window minus the packets that wait in
 * whole messages. Fragments of an unfinished message do not count, or a message larger than the window could never
 * become whole; memory for it is set aside. The extended window begins at 1024 packets and doubles where the
 * application takes half of one within half a second: a receiver that only receives cannot measure the round trip,
 * and this is enough for paths of up to that long.
 *
 * Memory. What was acknowledged in ranges must stay, since its sender has forgotten it. So a packet is taken only
 * where there is room for all that is still missing below it, too. A packet in order that does not fit waits (its
 * sender repeats it) until the application has read; where there is nothing to read it is taken beyond the limit, as
 * far as one message goes, and then the flow ends: no reading would ever make room. Windows are the limit divided by
 * the layer's largest packet, so only peers whose packets are larger than that, or crumbs, see any of this, and those
 * whose receiver was given a very small limit.
 */

#include "libo7s/frct-receiver-internal.h"

#define WINDOW_FIRST UINT32_C(1024)
#define WINDOW_MAX (UINT32_C(1) << 17)
#define OPEN_MAX (2 * FRCT_MESSAGE_MAX) /* memory of a message in fragments of some 64 bytes */
#define ROUND_MAX (500 * NSEC_PER_MSEC)

#define QUIET_MIN NSEC_PER_SEC
#define QUIET_OPEN FRCT_ACKNOWLEDGE_MAX

#define FLAGS_OF_CHUNK (FRCT_FIRST | FRCT_MORE | FRCT_FINISH)

/* Two packets are the least that moves. */
static void limits_set(FrctReceiver *r, const FrctConfig *config) {
        size_t limit = config->receive_max > 0 ? config->receive_max : FRCT_BUFFER_MAX;
        size_t most = config->extended ? WINDOW_MAX : FRCT_WINDOW_PLAIN;

        r->packet_cost = config->packet_max + FRCT_CHUNK_OVERHEAD;
        r->receive_max = MAX(limit, 2 * r->packet_cost);

        /* A large one leaves room for an unfinished message, which windows do not count. */
        limit = r->receive_max > 2 * OPEN_MAX ? r->receive_max - OPEN_MAX : r->receive_max;
        r->window_max = (uint32_t) MIN(limit / r->packet_cost, most);
}

static uint32_t window_first(const FrctReceiver *r) {
        if (r->reliable)
                return MIN(r->window_max, r->extended ? WINDOW_FIRST : FRCT_WINDOW_PLAIN);

        return r->extended ? FRCT_WINDOW_LOSSY : FRCT_WINDOW_PLAIN;
}

int frct_receiver_new(const FrctConfig *config, nsec_t now, FrctReceiver **ret) {
        _cleanup_(frct_receiver_freep) FrctReceiver *r = NULL;
        int k;

        assert(config);
        assert(ret);

        r = malloc(sizeof(*r));
        if (!r)
                return -ENOMEM;

        *r = (FrctReceiver) {
                .reliable = config->reliable,
                .extended = config->extended,
                .mpl = config->mpl,
                .inactivity = (2 * config->mpl + FRCT_ACKNOWLEDGE_MAX + FRCT_RETRANSMIT_MAX) / NSEC_PER_SEC + 1,
                .heard_at = now,
                .round_at = now,
                .spoke_at = now,
                .speak_at = NSEC_INFINITY,
                .repeat_at = NSEC_INFINITY,
        };
        frct_assembly_init(&r->assembly, config->stream);
        frct_hold_init(&r->hold, config->extended ? config->hold_max : 0, now);
        limits_set(r, config);
        r->window = window_first(r);

        k = frct_order_init(&r->order, config->reliable ? MAX(r->window, FRCT_WINDOW_START) : 1);
        if (k < 0)
                return k;

        *ret = TAKE_PTR(r);
        return 0;
}

FrctReceiver *frct_receiver_free(FrctReceiver *r) {
        if (!r)
                return NULL;

        frct_order_done(&r->order);
        frct_assembly_done(&r->assembly);
        return mfree(r);
}

/* -- runs -- */

static void run_open(FrctReceiver *r, uint32_t sequence, nsec_t now) {
        r->run = true;
        r->expected = sequence;
        r->moved_at = now;
        r->fresh = true;
        r->gap = true;                  /* of a lossy flow */
        frct_receiver_speak_run(r);
}

static bool run_is_near(const FrctReceiver *r, uint32_t sequence) {
        return sequence - r->expected + FRCT_RUN_REACH <= 2 * FRCT_RUN_REACH;
}

static void run_start(FrctReceiver *r, uint32_t sequence, nsec_t now) {
        nsec_t quiet = nsec_sub(now, r->moved_at);
        bool over = !r->run || quiet / NSEC_PER_SEC > r->inactivity;

        if (r->finished || (r->run && sequence == r->expected))
                return;
        if (!over && (run_is_near(r, sequence) || quiet < (r->assembly.open ? QUIET_OPEN : MAX(2 * r->mpl, QUIET_MIN))))
                return;

        frct_receiver_release(r, now);
        if (frct_order_is_empty(&r->order))
                run_open(r, sequence, now);
        else if (over)
                r->error = -EPROTO;
}

/* -- data -- */

uint32_t frct_receiver_right_edge(const FrctReceiver *r) {
        uint32_t unread = r->assembly.n_chunks - r->assembly.n_open_chunks;
        uint32_t edge = r->expected;

        if (!r->reliable)
                return r->expected + r->window;
        if (unread < r->window)
                edge += r->window - unread;

        return frct_before(edge, r->told) ? r->told : edge;
}

static size_t memory_needed(const FrctReceiver *r, const FrctHeader *header, size_t size) {
        const FrctPieces *pieces;
        size_t before;

        if (!(header->extension & FRCT_X_PIECE))
                return size + FRCT_CHUNK_OVERHEAD;

        pieces = frct_order_pieces(&r->order, header->sequence);
        before = pieces ? frct_pieces_cost(pieces) : 0;
        return frct_pieces_cost_with(pieces, header, size) - before;
}

bool frct_receiver_has_memory(const FrctReceiver *r, const FrctHeader *header, size_t size) {
        size_t missing = frct_order_missing(&r->order, r->expected, header->sequence) * r->packet_cost;
        size_t needed = r->assembly.cost + r->order.cost + memory_needed(r, header, size) + missing;

        if (header->sequence == r->expected && !frct_assembly_readable(&r->assembly))
                return needed <= r->receive_max + OPEN_MAX;

        return needed <= r->receive_max;
}

uint8_t frct_receiver_chunk_flags(const FrctReceiver *r, const FrctHeader *header) {
        return r->extended ? header->flags & FLAGS_OF_CHUNK : FRCT_FIRST;
}

static void finish(FrctReceiver *r) {
        bool contradiction = r->assembly.open || !frct_order_is_empty(&r->order);

        if (contradiction)
                r->malformed++;
        if (contradiction && r->reliable)
                r->error = -EPROTO;
        if (contradiction)
                frct_assembly_abandon(&r->assembly);

        r->finished = true;
}

void frct_receiver_deliver(FrctReceiver *r, FrctChunk *chunk, nsec_t now) {
        _cleanup_(frct_chunk_freep) FrctChunk *owned = chunk;
        bool last = chunk->flags & FRCT_FINISH;
        int k;

        r->expected++;
        r->moved_at = now;
        r->fresh = false;
        r->n_unacknowledged++;
        chunk->flags &= (uint8_t) ~FRCT_FINISH;

        if (chunk->size > 0) {
                k = frct_assembly_push(&r->assembly, TAKE_PTR(owned), !r->reliable && r->gap);
                r->gap = false;
                if (k < 0) {
                        r->malformed++;
                        if (r->reliable)
                                r->error = k;
                }
        }

        if (last)
                finish(r);
}

static void deliver_all(FrctReceiver *r, FrctChunk *chunk, nsec_t now) {
        for (; chunk && r->error == 0; chunk = frct_order_take(&r->order, r->expected))
                frct_receiver_deliver(r, chunk, now);

        frct_chunk_free(chunk);
}

/* The segment, or NULL: there is none yet, or no memory. */
static FrctChunk *segment_of(FrctReceiver *r, const FrctHeader *header, const uint8_t *content, size_t size) {
        FrctChunk *chunk = NULL;

        if (!(header->extension & FRCT_X_PIECE)) {
                frct_order_drop_pieces(&r->order, header->sequence);
                return frct_chunk_new(content, size, frct_receiver_chunk_flags(r, header));
        }

        if (frct_order_put_piece(&r->order, header, content, size, &chunk) == -EPROTO)
                r->malformed++;
        return chunk;
}

/* Behind the window: the peer is told at once where it is. No memory: it is not, or it would repeat that at the
 * pace of the path instead of more and more slowly. */
static void refuse(FrctReceiver *r, const FrctHeader *header, bool outside, nsec_t now) {
        r->out_of_window++;
        if (outside) {
                r->forced = true;
                frct_receiver_speak_by(r, now);
                return;
        }

        r->echo_due = false;
        if (header->sequence == r->expected && !frct_assembly_readable(&r->assembly))
                r->error = -EPROTO;
}

static void take_reliable(FrctReceiver *r, const FrctHeader *header, const uint8_t *content, size_t size, bool urgent,
                          nsec_t now) {
        bool in_order = header->sequence == r->expected, holes = r->order.n_ranges > 0, outside;
        bool nothing_new = holes && r->order.ranges[r->order.n_ranges - 1].end == header->sequence;
        FrctChunk *chunk;

        if (frct_before(header->sequence, r->expected) ||
            (header->sequence - r->expected < r->order.n_slots && frct_order_holds(&r->order, header->sequence))) {
                r->duplicates++;
                r->forced = true;
                frct_receiver_speak_by(r, now);
                return;
        }
        if (r->finished) {
                r->malformed++;
                r->error = -EPROTO;
                return;
        }

        outside = header->sequence - r->expected >= frct_receiver_right_edge(r) - r->expected;
        if (outside || !frct_receiver_has_memory(r, header, size)) {
                refuse(r, header, outside, now);
                return;
        }

        chunk = segment_of(r, header, content, size);
        if (!chunk)
                return;

        r->n_repeats = 0;
        r->repeat_at = NSEC_INFINITY;
        if (in_order)
                deliver_all(r, chunk, now);
        else if (frct_order_put(&r->order, header->sequence, chunk) == 0) {
                r->moved_at = now;
                r->n_unacknowledged += r->extended;
        }

        /* What follows the newest one says nothing of what is missing. Were each of them told at once, a path with one
         * percent of loss would always have a hole somewhere, and as many acknowledgements as packets. */
        frct_receiver_speak_taken(r, urgent || (r->extended && !nothing_new && (!in_order || holes)), now);
}

static void probe_heard(FrctReceiver *r, const FrctHeader *header, size_t size, nsec_t now) {
        /* What it claims must have come. */
        if (frct_header_size(true, header) + size < header->position) {
                r->malformed++;
                return;
        }

        r->probed = MAX(r->probed, (size_t) header->position);
        frct_receiver_speak_by(r, now);
}

static void numbered_heard(FrctReceiver *r, const FrctHeader *header, const uint8_t *content, size_t size, bool marked,
                           nsec_t now) {
        bool urgent = r->extended && (marked || r->fresh || header->flags & FRCT_FINISH);

        if (!r->run) {
                r->out_of_window++;
                return;
        }
        if (!(header->flags & FRCT_DATA))
                size = 0;
        else if (r->extended && size == 0 && !(header->flags & FRCT_FINISH)) {
                r->malformed++;
                return;
        }

        r->echo_due = r->extended;
        r->echo = header->stamp;
        r->echo_at = now;

        if (r->reliable)
                take_reliable(r, header, content, size, urgent, now);
        else
                frct_receiver_take_lossy(r, header, content, size, urgent, now);
}

void frct_receiver_heard(FrctReceiver *r, const FrctHeader *header, const uint8_t *content, size_t size, bool marked,
                         nsec_t now) {
        assert(r);
        assert(header);
        assert(content || size == 0);

        if (r->error < 0)
                return;

        r->marked += marked;
        if (now / NSEC_PER_SEC - r->heard_at / NSEC_PER_SEC > r->inactivity)
                r->run = false;
        r->heard_at = now;

        if (header->flags & FRCT_RUN_START)
                run_start(r, header->sequence, now);
        if (r->error < 0)
                return;

        if (header->flags & FRCT_RENDEZVOUS && r->run) {
                r->answer = true;
                frct_receiver_speak_by(r, now);
        }
        if (header->flags & FRCT_RENDEZVOUS && !r->extended)
                return;

        if (header->extension & FRCT_X_PROBE)
                probe_heard(r, header, size, now);
        else if (header->flags & (FRCT_DATA | FRCT_FINISH))
                numbered_heard(r, header, content, size, marked, now);
}

void frct_receiver_expire(FrctReceiver *r, nsec_t now) {
        assert(r);

        if (!r->reliable)
                frct_receiver_expire_lossy(r, now);
}

void frct_receiver_set_packet_max(FrctReceiver *r, const FrctConfig *config) {
        limits_set(r, config);

        /* What the peer was told already stays true, see frct_receiver_right_edge(). */
        if (r->reliable)
                r->window = MIN(r->window, r->window_max);
}

/* -- the application's side -- */

static void window_grow(FrctReceiver *r, uint32_t n_taken, nsec_t now) {
        uint32_t larger = MIN(2 * r->window, r->window_max);

        r->n_taken += n_taken;
        if (r->n_taken < r->window / 2)
                return;

        if (r->reliable && nsec_sub(now, r->round_at) <= ROUND_MAX && larger > r->window &&
            frct_order_grow(&r->order, r->expected, larger) == 0)
                r->window = larger;

        r->n_taken = 0;
        r->round_at = now;
}

/* The application has taken something. */
static void taken(FrctReceiver *r, unsigned n_chunks_before, nsec_t now) {
        unsigned n = n_chunks_before - r->assembly.n_chunks;
        bool was_closed = r->told == r->expected;

        if (n == 0)
                return;

        window_grow(r, n, now);
        if (r->run && r->reliable && r->error == 0)
                frct_receiver_speak_opened(r, was_closed, now);
}

ssize_t frct_receiver_read(FrctReceiver *r, void *data, size_t size, bool *ret_more, nsec_t now) {
        unsigned n_chunks = r->assembly.n_chunks;
        ssize_t n;

        n = frct_assembly_read(&r->assembly, data, size, ret_more);
        taken(r, n_chunks, now);
        return n;
}

void frct_receiver_skip(FrctReceiver *r, nsec_t now) {
        unsigned n_chunks = r->assembly.n_chunks;

        frct_assembly_skip(&r->assembly);
        taken(r, n_chunks, now);
}

int frct_receiver_peek(FrctReceiver *r, const uint8_t **ret, size_t *ret_size, bool *ret_whole) {
        return frct_assembly_peek(&r->assembly, ret, ret_size, ret_whole);
}

bool frct_receiver_readable(const FrctReceiver *r) {
        return frct_assembly_readable(&r->assembly);
}

bool frct_receiver_finished(const FrctReceiver *r) {
        return r->finished;
}

int frct_receiver_error(const FrctReceiver *r) {
        return r->error;
}

void frct_receiver_stats(const FrctReceiver *r, FrctStats *ret) {
        assert(r);
        assert(ret);

        ret->lost += r->lost;
        ret->duplicates = r->duplicates;
        ret->reordered = r->reordered;
        ret->out_of_window = r->out_of_window;
        ret->malformed += r->malformed;
        ret->marked = r->marked;
        ret->bytes_readable = r->assembly.n_bytes - r->assembly.n_open_bytes;
}
