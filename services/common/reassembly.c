/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "services/common/reassembly.h"

typedef struct Assembled {
        ListNode by_age;
        usec_t since;
        unsigned bucket;
        uint8_t sender[REASSEMBLY_SENDER_BYTES];
        uint64_t id;
        uint16_t size;
        uint16_t piece;
        unsigned n_missing;             /* pieces; 0: complete */
        uint8_t have[FRAGMENT_PIECES_MAX / 8];
        uint8_t *bytes;                 /* owned; NULL: complete, and handed over */
} Assembled;

void reassembly_init(Reassembly *reassembly, const uint8_t key[SIPHASH_KEY_BYTES]) {
        *reassembly = (Reassembly) {};
        memcpy(reassembly->key, key, sizeof(reassembly->key));
        list_init(&reassembly->messages);
}

/* Its bytes are gone, or the caller's. */
static uint8_t *take_bytes(Reassembly *reassembly, Assembled *a) {
        if (!a->bytes)
                return NULL;

        reassembly->bytes -= a->size;
        reassembly->buckets[a->bucket].bytes -= a->size;
        return TAKE_PTR(a->bytes);
}

static void assembled_free(Reassembly *reassembly, Assembled *a) {
        free(take_bytes(reassembly, a));
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

/* There are few at a time, but where somebody floods, and then the table is as long as it gets. */
static Assembled *find(Reassembly *reassembly, const ReassemblySender *sender, uint64_t id) {
        Assembled *a;

        list_for_each(a, &reassembly->messages, by_age)
                if (a->id == id && memcmp(a->sender, sender->name, sizeof(a->sender)) == 0)
                        return a;

        return NULL;
}

/* What is complete is remembered for comfort: it goes before anybody is refused. */
static void forget_completed(Reassembly *reassembly, unsigned bucket) {
        Assembled *a, *following;

        list_for_each_safe(a, following, &reassembly->messages, by_age) {
                if (a->bytes || (bucket < REASSEMBLY_BUCKETS && a->bucket != bucket))
                        continue;

                return assembled_free(reassembly, a);
        }
}

static int make_room(Reassembly *reassembly, unsigned bucket, size_t size) {
        const ReassemblyBucket *b = &reassembly->buckets[bucket];

        if (b->n_messages >= REASSEMBLY_SENDER_MESSAGES_MAX)
                forget_completed(reassembly, bucket);
        if (reassembly->n_messages >= REASSEMBLY_MESSAGES_MAX)
                forget_completed(reassembly, REASSEMBLY_BUCKETS);

        if (b->n_messages >= REASSEMBLY_SENDER_MESSAGES_MAX || reassembly->n_messages >= REASSEMBLY_MESSAGES_MAX)
                return -EBUSY;
        if (b->bytes + size > REASSEMBLY_SENDER_BYTES_MAX || reassembly->bytes + size > REASSEMBLY_BYTES_MAX)
                return -EBUSY;

        return 0;
}

static int assembled_new(Reassembly *reassembly, const ReassemblySender *sender, const Fragment *fragment, usec_t now,
                         Assembled **ret) {
        unsigned bucket = (unsigned) (siphash24(reassembly->key, sender->charged, sender->charged_size) %
                                      REASSEMBLY_BUCKETS);
        _cleanup_free_ uint8_t *bytes = NULL;
        Assembled *a;
        int r;

        r = make_room(reassembly, bucket, fragment->size);
        if (r < 0)
                return r;

        bytes = malloc(fragment->size);
        if (!bytes)
                return -ENOMEM;
        a = malloc(sizeof(*a));
        if (!a)
                return -ENOMEM;

        *a = (Assembled) {
                .since = now,
                .bucket = bucket,
                .id = fragment->id,
                .size = fragment->size,
                .piece = fragment->piece,
                .n_missing = fragment_pieces(fragment),
                .bytes = TAKE_PTR(bytes),
        };
        memcpy(a->sender, sender->name, sizeof(a->sender));
        list_append(&reassembly->messages, &a->by_age);
        reassembly->n_messages++;
        reassembly->bytes += a->size;
        reassembly->buckets[bucket].n_messages++;
        reassembly->buckets[bucket].bytes += a->size;
        *ret = a;
        return 0;
}

int reassembly_add(Reassembly *reassembly, const ReassemblySender *sender, const Fragment *fragment,
                   usec_t now, uint8_t **ret, size_t *ret_size) {
        uint8_t bit = (uint8_t) (1U << fragment->number % 8);
        Assembled *a = find(reassembly, sender, fragment->id);
        int r;

        if (!a) {
                r = assembled_new(reassembly, sender, fragment, now, &a);
                if (r < 0)
                        return r;
        }

        if (a->size != fragment->size || a->piece != fragment->piece)
                return -EPROTO;
        if (a->n_missing == 0 || a->have[fragment->number / 8] & bit)
                return -EALREADY;

        memcpy(a->bytes + (size_t) fragment->number * a->piece, fragment->content, fragment->content_size);
        a->have[fragment->number / 8] |= bit;
        if (--a->n_missing > 0)
                return 0;

        reassembly->n_completed++;
        *ret_size = a->size;
        *ret = take_bytes(reassembly, a);
        return 1;
}

void reassembly_expire(Reassembly *reassembly, usec_t now) {
        while (reassembly_next(reassembly) <= now) {
                Assembled *oldest = list_first(&reassembly->messages, Assembled, by_age);

                reassembly->n_timed_out += oldest->bytes != NULL;
                assembled_free(reassembly, oldest);
        }
}

usec_t reassembly_next(const Reassembly *reassembly) {
        const Assembled *oldest = list_first(&reassembly->messages, const Assembled, by_age);

        return oldest ? usec_add(oldest->since, REASSEMBLY_KEEP_USEC) : USEC_INFINITY;
}
