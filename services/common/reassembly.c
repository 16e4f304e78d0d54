/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "services/common/reassembly.h"

typedef struct Piece {
        ListNode by_message;
        uint8_t number;
        uint16_t size;
        uint8_t bytes[];
} Piece;

typedef struct Assembled {
        ListNode by_age;
        usec_t since;
        unsigned bucket;
        uint8_t sender[REASSEMBLY_SENDER_BYTES];
        uint64_t id;
        uint16_t size;
        uint16_t piece;
        unsigned n_missing;             /* pieces; 0: complete, and handed over */
        uint8_t have[FRAGMENT_PIECES_MAX / 8];
        List pieces;                    /* Piece; owned */
} Assembled;

void reassembly_init(Reassembly *reassembly, const uint8_t key[SIPHASH_KEY_BYTES]) {
        *reassembly = (Reassembly) {};
        memcpy(reassembly->key, key, sizeof(reassembly->key));
        list_init(&reassembly->messages);
}

static size_t charge_of(size_t content_size) {
        return sizeof(Piece) + content_size;
}

static void pieces_free(Reassembly *reassembly, Assembled *a) {
        Piece *piece, *following;

        list_for_each_safe(piece, following, &a->pieces, by_message) {
                reassembly->bytes -= charge_of(piece->size);
                reassembly->buckets[a->bucket].bytes -= charge_of(piece->size);
                list_unlink(&piece->by_message);
                free(piece);
        }
}

static void assembled_free(Reassembly *reassembly, Assembled *a) {
        pieces_free(reassembly, a);
        reassembly->n_messages--;
        reassembly->buckets[a->bucket].n_messages--;
        list_unlink(&a->by_age);
        free(a);
}

void reassembly_done(Reassembly *reassembly) {
        if (!reassembly->messages.next)
                return;

        while (!list_is_empty(&reassembly->messages))
                assembled_free(reassembly, list_first(&reassembly->messages, Assembled, by_age));
}

/* There are few at a time, but where somebody floods, and then the table is as long as it gets. Pieces that do not
 * agree are of different messages: nobody can keep one out by saying something else of its id before. */
static Assembled *find(Reassembly *reassembly, const ReassemblySender *sender, const Fragment *fragment) {
        Assembled *a;

        list_for_each(a, &reassembly->messages, by_age)
                if (a->id == fragment->id && a->size == fragment->size && a->piece == fragment->piece &&
                    memcmp(a->sender, sender->name, sizeof(a->sender)) == 0)
                        return a;

        return NULL;
}

/* -- room -- */

static unsigned bucket_of(const Reassembly *reassembly, const ReassemblySender *sender) {
        return (unsigned) (siphash24(reassembly->key, sender->charged, sender->charged_size) % REASSEMBLY_BUCKETS);
}

/* Where room is to come from that is wanting for all: of the bucket that has most, where that is much, or (many are
 * alike) of any. */
static unsigned fullest_bucket(const Reassembly *reassembly, bool by_bytes) {
        const ReassemblyBucket *buckets = reassembly->buckets;
        unsigned fullest = 0;
        bool much;

        for (unsigned i = 1; i < REASSEMBLY_BUCKETS; i++)
                if (by_bytes ? buckets[i].bytes > buckets[fullest].bytes
                             : buckets[i].n_messages > buckets[fullest].n_messages)
                        fullest = i;

        much = by_bytes ? buckets[fullest].bytes > REASSEMBLY_BYTES_MAX / REASSEMBLY_MUCH
                        : buckets[fullest].n_messages > REASSEMBLY_MESSAGES_MAX / REASSEMBLY_MUCH;
        return much ? fullest : REASSEMBLY_BUCKETS;
}

/* The one that goes: one that is complete, which is remembered for comfort, or else the oldest. Never the one that the
 * room is for. */
static Assembled *find_victim(Reassembly *reassembly, unsigned bucket, bool by_bytes, const Assembled *keep) {
        Assembled *a, *oldest = NULL;

        list_for_each(a, &reassembly->messages, by_age) {
                if (a == keep || (bucket < REASSEMBLY_BUCKETS && a->bucket != bucket))
                        continue;
                if (a->n_missing == 0 && !by_bytes)
                        return a;
                if (a->n_missing > 0 && !oldest)
                        oldest = a;
        }

        return oldest;
}

/* For a piece of a message, or (NULL) of a new one. */
static int make_room(Reassembly *reassembly, unsigned bucket, const Assembled *keep, size_t bytes) {
        const ReassemblyBucket *b = &reassembly->buckets[bucket];
        unsigned more = keep ? 0 : 1;

        for (;;) {
                bool own_bytes = b->bytes + bytes > REASSEMBLY_SENDER_BYTES_MAX;
                bool own_messages = b->n_messages + more > REASSEMBLY_SENDER_MESSAGES_MAX;
                bool all_bytes = reassembly->bytes + bytes > REASSEMBLY_BYTES_MAX;
                bool all_messages = reassembly->n_messages + more > REASSEMBLY_MESSAGES_MAX;
                bool by_bytes = own_bytes || (!own_messages && all_bytes);
                Assembled *victim;

                if (own_bytes || own_messages)
                        victim = find_victim(reassembly, bucket, by_bytes, keep);
                else if (all_bytes || all_messages)
                        victim = find_victim(reassembly, fullest_bucket(reassembly, by_bytes), by_bytes, keep);
                else
                        return 0;

                if (!victim)
                        return -EBUSY;

                reassembly->n_timed_out += victim->n_missing > 0;
                assembled_free(reassembly, victim);
        }
}

/* -- pieces -- */

static int assembled_new(Reassembly *reassembly, const ReassemblySender *sender, const Fragment *fragment,
                         unsigned bucket, usec_t now, Assembled **ret) {
        Assembled *a = malloc(sizeof(*a));

        if (!a)
                return -ENOMEM;

        *a = (Assembled) {
                .since = now,
                .bucket = bucket,
                .id = fragment->id,
                .size = fragment->size,
                .piece = fragment->piece,
                .n_missing = fragment_pieces(fragment),
        };
        memcpy(a->sender, sender->name, sizeof(a->sender));
        list_init(&a->pieces);
        list_append(&reassembly->messages, &a->by_age);
        reassembly->n_messages++;
        reassembly->buckets[bucket].n_messages++;
        *ret = a;
        return 0;
}

static int keep_piece(Reassembly *reassembly, Assembled *a, const Fragment *fragment) {
        Piece *piece = malloc(sizeof(*piece) + fragment->content_size);

        if (!piece)
                return -ENOMEM;

        piece->number = fragment->number;
        piece->size = (uint16_t) fragment->content_size;
        memcpy(piece->bytes, fragment->content, fragment->content_size);
        list_append(&a->pieces, &piece->by_message);
        a->have[fragment->number / 8] |= (uint8_t) (1U << fragment->number % 8);
        a->n_missing--;
        reassembly->bytes += charge_of(piece->size);
        reassembly->buckets[a->bucket].bytes += charge_of(piece->size);
        return 0;
}

/* All of them are there. */
static int join_pieces(const Assembled *a, uint8_t **ret) {
        _cleanup_free_ uint8_t *bytes = malloc(a->size);
        const Piece *piece;
        uint64_t id;
        int r;

        if (!bytes)
                return -ENOMEM;

        list_for_each(piece, &a->pieces, by_message)
                memcpy(bytes + (size_t) piece->number * a->piece, piece->bytes, piece->size);

        r = fragment_id(bytes, a->size, &id);
        if (r < 0)
                return r;
        if (id != a->id)
                return -EILSEQ;

        *ret = TAKE_PTR(bytes);
        return 0;
}

int reassembly_add(Reassembly *reassembly, const ReassemblySender *sender, const Fragment *fragment,
                   usec_t now, uint8_t **ret, size_t *ret_size) {
        Assembled *a = find(reassembly, sender, fragment);
        unsigned bucket = bucket_of(reassembly, sender);
        int r;

        if (a && (a->n_missing == 0 || a->have[fragment->number / 8] & 1U << fragment->number % 8))
                return -EALREADY;

        r = make_room(reassembly, a ? a->bucket : bucket, a, charge_of(fragment->content_size));
        if (r >= 0 && !a)
                r = assembled_new(reassembly, sender, fragment, bucket, now, &a);
        if (r < 0)
                return r;

        r = keep_piece(reassembly, a, fragment);
        if (r < 0 || a->n_missing > 0)
                return r;

        r = join_pieces(a, ret);
        if (r < 0) {
                assembled_free(reassembly, a);
                return r;
        }

        pieces_free(reassembly, a);
        reassembly->n_completed++;
        *ret_size = a->size;
        return 1;
}

DropReason reassembly_drop_reason(int r) {
        switch (r) {

        case -EALREADY:
                return DROP_REPLAYED;

        case -EILSEQ:
                return DROP_FORGED;

        case -EBUSY:
                return DROP_LIMIT;

        case -ENOMEM:
                return DROP_NO_MEMORY;

        default:
                return DROP_MALFORMED;
        }
}

/* -- time -- */

void reassembly_expire(Reassembly *reassembly, usec_t now) {
        while (reassembly_next(reassembly) <= now) {
                Assembled *oldest = list_first(&reassembly->messages, Assembled, by_age);

                reassembly->n_timed_out += oldest->n_missing > 0;
                assembled_free(reassembly, oldest);
        }
}

usec_t reassembly_next(const Reassembly *reassembly) {
        const Assembled *oldest = list_first(&reassembly->messages, const Assembled, by_age);

        return oldest ? usec_add(oldest->since, REASSEMBLY_KEEP_USEC) : USEC_INFINITY;
}
