/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012): two rounds for each word of eight bytes, four to finish. The
 * length of the input is mixed in with the last, partial word, so that trailing zeroes count.
 */

#include "basic/cursor.h"
#include "basic/siphash.h"

#define ROUNDS_PER_WORD 2U
#define ROUNDS_TO_FINISH 4U

typedef struct SipState {
        uint64_t v0, v1, v2, v3;
} SipState;

static uint64_t rotate_left(uint64_t x, unsigned bits) {
        return x << bits | x >> (64 - bits);
}

static void sip_rounds(SipState *s, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                s->v0 += s->v1;
                s->v2 += s->v3;
                s->v1 = rotate_left(s->v1, 13) ^ s->v0;
                s->v3 = rotate_left(s->v3, 16) ^ s->v2;
                s->v0 = rotate_left(s->v0, 32) + s->v3;
                s->v2 += s->v1;
                s->v1 = rotate_left(s->v1, 17) ^ s->v2;
                s->v3 = rotate_left(s->v3, 21) ^ s->v0;
                s->v2 = rotate_left(s->v2, 32);
        }
}

static void sip_word(SipState *s, uint64_t word) {
        s->v3 ^= word;
        sip_rounds(s, ROUNDS_PER_WORD);
        s->v0 ^= word;
}

uint64_t siphash24(const uint8_t key[SIPHASH_KEY_BYTES], const void *data, size_t size) {
        Cursor key_cursor = cursor_from(key, SIPHASH_KEY_BYTES), c = cursor_from(data, size);
        uint64_t k0, k1, last;
        SipState s;

        k0 = cursor_le(&key_cursor, 8);
        k1 = cursor_le(&key_cursor, 8);

        /* The constants spell "somepseudorandomlygeneratedbytes". */
        s.v0 = k0 ^ UINT64_C(0x736f6d6570736575);
        s.v1 = k1 ^ UINT64_C(0x646f72616e646f6d);
        s.v2 = k0 ^ UINT64_C(0x6c7967656e657261);
        s.v3 = k1 ^ UINT64_C(0x7465646279746573);

        while (c.left >= 8)
                sip_word(&s, cursor_le(&c, 8));

        last = cursor_le(&c, c.left) | (uint64_t) size << 56;
        sip_word(&s, last);

        s.v2 ^= 0xff;
        sip_rounds(&s, ROUNDS_TO_FINISH);

        return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
