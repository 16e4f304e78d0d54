/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What was seen before. Of packets with a counter: a window over the newest ones (RFC 4303, 3.4.3). Of packets with a
 * random nonce: a table of the nonces seen last, of a fixed size, whose memory is touched only as it fills.
 */

#include "libo7s/seal-cipher.h"

#define SEAL_WINDOW 8192U               /* packets that may overtake each other */
#define SEAL_WINDOW_WORDS (SEAL_WINDOW / 64U + 1U)

#define SEAL_NONCES 65536U              /* remembered at most; of the newest quarter nearly surely all */
#define SEAL_NONCE_WAYS 16U             /* places that one nonce may have; the oldest of them goes */

/* Zero at first. It is no secret, and not where the keys are: there is little room. */
typedef struct SealReplay {
        uint64_t end;                   /* above the largest counter seen */
        uint64_t *seen;                 /* SEAL_WINDOW_WORDS, from the first packet on */
} SealReplay;

void seal_replay_done(SealReplay *replay);

/* Whether a packet of this counter was seen, or is too old to tell. */
bool seal_replay_seen(const SealReplay *replay, uint64_t counter);
/* It was authentic. Returns: 0; -ENOMEM: it must not be used, for it could come again. */
int seal_replay_add(SealReplay *replay, uint64_t counter);

typedef struct SealNonces {
        uint64_t (*sets)[SEAL_NONCE_WAYS];      /* newest first; 0: none */
} SealNonces;

/* Returns: 0; -ENOMEM. */
int seal_nonces_init(SealNonces *nonces);
void seal_nonces_done(SealNonces *nonces);
bool seal_nonces_seen(const SealNonces *nonces, const uint8_t nonce[SEAL_NONCE_BYTES]);
void seal_nonces_add(SealNonces *nonces, const uint8_t nonce[SEAL_NONCE_BYTES]);
