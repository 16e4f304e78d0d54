/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/cursor.h"
#include "libo7s/seal-replay.h"

#define SETS (SEAL_NONCES / SEAL_NONCE_WAYS)

/* -- counters -- */

/* One word more than the window has: the word of the newest is never that of the oldest. */
static size_t word_of(uint64_t counter) {
        return (size_t) (counter / 64 % SEAL_WINDOW_WORDS);
}

void seal_replay_done(SealReplay *replay) {
        assert(replay);

        free(replay->seen);
        *replay = (SealReplay) {};
}

bool seal_replay_seen(const SealReplay *replay, uint64_t counter) {
        if (counter >= replay->end)
                return false;
        if (replay->end - counter > SEAL_WINDOW)
                return true;

        return replay->seen[word_of(counter)] >> counter % 64 & 1;
}

int seal_replay_add(SealReplay *replay, uint64_t counter) {
        if (!replay->seen)
                replay->seen = calloc(SEAL_WINDOW_WORDS, sizeof(*replay->seen));
        if (!replay->seen)
                return -ENOMEM;

        if (counter >= replay->end) {
                uint64_t newest = replay->end > 0 ? (replay->end - 1) / 64 : 0, word = counter / 64;

                for (uint64_t n = MIN(word - newest, (uint64_t) SEAL_WINDOW_WORDS); n > 0; n--)
                        replay->seen[(word - n + 1) % SEAL_WINDOW_WORDS] = 0;
                replay->end = counter + 1;
        }

        replay->seen[word_of(counter)] |= UINT64_C(1) << counter % 64;
        return 0;
}

/* -- nonces: random, so that their own bytes are as good as a hash of them. The first bit is the key phase. -- */

static size_t set_of(const uint8_t nonce[SEAL_NONCE_BYTES]) {
        Cursor c = cursor_from(nonce + 1, 3);

        return (size_t) (cursor_be(&c, 3) % SETS);
}

static uint64_t print_of(const uint8_t nonce[SEAL_NONCE_BYTES]) {
        Cursor c = cursor_from(nonce + 4, 8);

        return MAX(cursor_be64(&c), UINT64_C(1));
}

int seal_nonces_init(SealNonces *nonces) {
        nonces->sets = calloc(SETS, sizeof(*nonces->sets));
        return nonces->sets ? 0 : -ENOMEM;
}

void seal_nonces_done(SealNonces *nonces) {
        nonces->sets = mfree(nonces->sets);
}

bool seal_nonces_seen(const SealNonces *nonces, const uint8_t nonce[SEAL_NONCE_BYTES]) {
        const uint64_t *set = nonces->sets[set_of(nonce)];
        uint64_t print = print_of(nonce);

        for (size_t i = 0; i < SEAL_NONCE_WAYS; i++)
                if (set[i] == print)
                        return true;

        return false;
}

void seal_nonces_add(SealNonces *nonces, const uint8_t nonce[SEAL_NONCE_BYTES]) {
        uint64_t *set = nonces->sets[set_of(nonce)];

        memmove(set + 1, set, sizeof(*set) * (SEAL_NONCE_WAYS - 1));
        set[0] = print_of(nonce);
}
