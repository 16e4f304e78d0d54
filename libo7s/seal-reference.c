/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/cursor.h"
#include "basic/siphash.h"
#include "libo7s/seal-reference.h"

#define PHASE 0x80U
#define EPOCH_PACKETS_MIN 4U
#define PREVIOUS_NSEC ((nsec_t) 3 * NSEC_PER_SEC)
#define AHEAD_MAX 64                    /* keys, from the previous one */
#define AHEAD_STEP_NSEC ((nsec_t) 500 * NSEC_PER_USEC)  /* a step derives a key, and tries it */

enum {
        KEY_PREVIOUS,
        KEY_NEWEST,
        KEY_NEXT,
        KEY_SECOND,
};

/* -- nonces: a Feistel network over 88 bits, whose left half begins as zero and whose right half is a counter -- */

#define HALF_BITS 44U
#define HALF ((UINT64_C(1) << HALF_BITS) - 1)
#define ROUNDS 4U

static uint64_t mix(const SealReference *s, uint8_t round, uint64_t half) {
        uint8_t input[9];
        Writer w = writer_to(input, sizeof(input));

        writer_u8(&w, round);
        writer_be64(&w, half);
        return siphash24(s->nonce_key, input, sizeof(input));
}

static void make_nonce(SealReference *s, bool phase, uint8_t ret[SEAL_NONCE_BYTES]) {
        uint64_t left = 0, right = s->nonce_counter++ & HALF;
        Writer w = writer_to(ret, SEAL_NONCE_BYTES);

        for (uint8_t round = 0; round < ROUNDS; round++) {
                uint64_t mixed = left ^ (mix(s, round, right) & HALF);

                left = right;
                right = mixed;
        }

        writer_u8(&w, (uint8_t) ((mix(s, ROUNDS, right) & 0x7f) | (phase ? PHASE : 0)));
        writer_be(&w, left >> 4, 5);
        writer_be(&w, (left & 0xf) << HALF_BITS | right, 6);
}

static bool is_our_nonce(const SealReference *s, const uint8_t nonce[SEAL_NONCE_BYTES]) {
        Cursor c = cursor_from(nonce + 1, SEAL_NONCE_BYTES - 1);
        uint64_t high = cursor_be(&c, 5), low = cursor_be(&c, 6);
        uint64_t left = high << 4 | low >> HALF_BITS, right = low & HALF;

        for (uint8_t round = ROUNDS; round > 0; round--) {
                uint64_t before = right ^ (mix(s, round - 1, left) & HALF);

                right = left;
                left = before;
        }

        return left == 0 && right < s->nonce_counter;
}

/* -- keys -- */

static void wipe_secret(uint8_t (*secret)[SEAL_SECRET_BYTES]) {
        explicit_bzero(*secret, sizeof(*secret));
}

/* The last key from .next; without memory it is missing, and what needs it is not opened. */
static void add_key(SealReference *s) {
        (void) seal_aead_init(&s->keys[SEAL_REFERENCE_KEYS - 1], s->cipher, s->next);
        seal_schedule_reference_next(s->salt, s->next);
}

/* The peer has used the next key. */
static void advance(SealReference *s, nsec_t now) {
        seal_aead_done(&s->keys[KEY_PREVIOUS]);
        memmove(s->keys, s->keys + 1, sizeof(s->keys[0]) * (SEAL_REFERENCE_KEYS - 1));
        s->keys[SEAL_REFERENCE_KEYS - 1] = (SealAead) {};
        add_key(s);
        s->epoch++;
        s->n_proven = 0;
        s->has_turned = false;
        s->previous_until = nsec_add(now, PREVIOUS_NSEC);
        if (s->ahead)
                s->ahead = false;               /* it follows us */
        else {
                s->age = 0;
                s->n_sent = 0;
                s->counters->n_epochs++;
        }
}

int seal_reference_init(SealReference *s, const SealKeys *keys, const SealLimits *limits,
                        const uint8_t seed[SEAL_SEED_BYTES], SealCounters *counters) {
        int r;

        if (limits->epoch_packets < EPOCH_PACKETS_MIN || (limits->epoch_packets & (limits->epoch_packets - 1)) != 0 ||
            memcmp(keys->send, keys->receive, sizeof(keys->send)) != 0)
                return -EINVAL;

        *s = (SealReference) { .cipher = keys->cipher, .limits = *limits, .counters = counters };
        r = seal_nonces_init(&s->nonces);
        if (r < 0)
                return r;

        seal_schedule_expand(seed, "o7s nonce", s->nonce_key, sizeof(s->nonce_key));
        seal_schedule_reference_salt(keys->send, s->salt);
        memcpy(s->next, keys->send, sizeof(s->next));
        for (size_t i = KEY_NEWEST; i < SEAL_REFERENCE_KEYS; i++) {
                r = seal_aead_init(&s->keys[i], s->cipher, s->next);
                if (r < 0)
                        return r;
                seal_schedule_reference_next(s->salt, s->next);
        }

        return 0;
}

void seal_reference_done(SealReference *s) {
        for (size_t i = 0; i < SEAL_REFERENCE_KEYS; i++)
                seal_aead_done(&s->keys[i]);
        seal_nonces_done(&s->nonces);
        explicit_bzero(s, sizeof(*s));
}

/* -- out -- */

/*
 * Whether the peer is bound to follow, and at a good moment. It rotates on a packet of the next phase once three
 * quarters of an interval were sent by it or arrived at it; of what it sent we know. It also rotates by itself when
 * its count passes a whole interval with a packet that it sends. Two rotations in a row leave what is under way
 * behind: so we ask for one just after its count has passed with a packet that it received, which shows in its phase
 * bit, or where it cannot be one that rotates by itself.
 */
static bool may_go_ahead(const SealReference *s) {
        uint64_t n = s->limits.epoch_packets;

        if (s->ahead || !s->keys[KEY_NEXT].handle)
                return false;
        if (s->n_sent >= s->limits.generation_packets)  /* enough of them have arrived, by any reason */
                return true;
        if (s->age < n)
                return false;
        if (s->has_turned)
                return s->n_proven >= n - n / 4 && s->age - s->turned_at < n / 8;

        return s->n_proven >= n + n / 4;
}

ssize_t seal_reference_protect(SealReference *s, const void *content, size_t content_size, void *packet, size_t size) {
        uint8_t *bytes = packet;
        int r;

        if (content_size == 0)
                return 0;
        if (size < SEAL_REFERENCE_OVERHEAD || size - SEAL_REFERENCE_OVERHEAD < content_size)
                return -ENOBUFS;

        if (may_go_ahead(s)) {
                s->ahead = true;
                s->age = 0;
                s->n_sent = 0;
                s->counters->n_epochs++;
        }

        make_nonce(s, (s->epoch + s->ahead) & 1, bytes);
        r = seal_aead_encrypt(&s->keys[s->ahead ? KEY_NEXT : KEY_NEWEST], bytes, NULL, 0, content, content_size,
                              bytes + SEAL_NONCE_BYTES);
        if (r < 0)
                return r;

        s->age++;
        s->n_sent++;
        return (ssize_t) (content_size + SEAL_REFERENCE_OVERHEAD);
}

/* -- in -- */

static int open_with(const SealAead *key, const uint8_t *packet, size_t size, void *content) {
        if (!key->handle)
                return -EBADMSG;

        return seal_aead_decrypt(key, packet, NULL, 0, packet + SEAL_NONCE_BYTES, size - SEAL_NONCE_BYTES, content);
}

/* With all keys that are at hand. Returns: which one it was; -EBADMSG. */
static int open_near(const SealReference *s, const uint8_t *packet, size_t size, void *content) {
        static const uint8_t order[] = { KEY_NEWEST, KEY_NEXT, KEY_PREVIOUS, KEY_SECOND };

        for (size_t i = 0; i < ELEMENTSOF(order); i++)
                if (open_with(&s->keys[order[i]], packet, size, content) >= 0)
                        return order[i];

        return -EBADMSG;
}

/* Whether a peer that we heard nothing of for long ran so far ahead. Returns: which key it would be, were there as
 * many; -EBADMSG. */
static int open_far(SealReference *s, nsec_t now, const uint8_t *packet, size_t size, void *content) {
        _cleanup_(wipe_secret) uint8_t secret[SEAL_SECRET_BYTES];

        if (now < s->look_ahead_from)
                return -EBADMSG;

        s->look_ahead_from = nsec_add(now, AHEAD_MAX * AHEAD_STEP_NSEC);
        memcpy(secret, s->next, sizeof(secret));
        for (int key_number = SEAL_REFERENCE_KEYS; key_number < AHEAD_MAX; key_number++) {
                _cleanup_(seal_aead_done) SealAead key = {};

                if (seal_aead_init(&key, s->cipher, secret) < 0)
                        return -EBADMSG;
                if (open_with(&key, packet, size, content) >= 0)
                        return key_number;
                seal_schedule_reference_next(s->salt, secret);
        }

        return -EBADMSG;
}

/* Of each packet with the newest key: whether its phase bit is another than that of the packet before. */
static void look_at_phase(SealReference *s, bool phase) {
        if (s->n_proven > 0 && phase != s->phase) {
                s->has_turned = true;
                s->turned_at = s->age;
        }
        s->phase = phase;
}

ssize_t seal_reference_open(SealReference *s, nsec_t now, const void *packet, size_t packet_size, void *content,
                            size_t size) {
        int key;

        if (packet_size == 0)
                return 0;
        if (packet_size < SEAL_REFERENCE_OVERHEAD) {
                s->counters->n_forged++;
                return -EBADMSG;
        }
        if (packet_size - SEAL_REFERENCE_OVERHEAD > size)
                return -ENOBUFS;
        if (seal_nonces_seen(&s->nonces, packet) || is_our_nonce(s, packet)) {
                s->counters->n_replayed++;
                return -EALREADY;
        }

        if (now >= s->previous_until)
                seal_aead_done(&s->keys[KEY_PREVIOUS]);
        key = open_near(s, packet, packet_size, content);
        if (key < 0)
                key = open_far(s, now, packet, packet_size, content);
        if (key < 0) {
                s->counters->n_forged++;
                return key;
        }

        for (int i = KEY_NEWEST; i < key; i++)
                advance(s, now);
        seal_nonces_add(&s->nonces, packet);
        s->age++;
        if (key != KEY_PREVIOUS) {
                look_at_phase(s, *(const uint8_t *) packet & PHASE);
                s->n_proven++;
        }
        s->counters->n_opened++;
        return (ssize_t) (packet_size - SEAL_REFERENCE_OVERHEAD);
}
