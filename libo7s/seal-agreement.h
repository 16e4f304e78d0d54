/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * New secrets inside the flow: X25519, in control packets that are protected as data is. The client asks, and is the
 * only one who repeats itself; the server answers whatever it hears. So both arrive at the same generation, whatever
 * is lost, doubled or late:
 *
 *      client                                     server
 *      ASKING      ── request(g+1, share) ──►               again until there is a reply, always the same share
 *                  ◄── reply(g+1, share) ──       makes g+1 ready, sends in g; to the same share always the same reply
 *      CONFIRMING  ── anything in g+1 ──►         sends in g+1 from now on
 *                  ── confirm(g+1) ──►                            again until something in g+1 comes
 *      IDLE        ◄── anything in g+1, done(g+1) ──
 *
 * It repeats itself with back-off, and after the first few times only where the flow is in use: nobody wakes up for
 * an idle flow.
 */

#include "basic/time.h"
#include "libo7s/seal-schedule.h"

#define SEAL_AGREEMENT_BYTES 37U        /* of the longest message: type, generation, share */

typedef enum SealAgreementState {
        SEAL_AGREEMENT_IDLE,
        SEAL_AGREEMENT_ASKING,
        SEAL_AGREEMENT_CONFIRMING,
} SealAgreementState;

typedef struct SealAgreement {
        bool client;
        SealAgreementState state;               /* of a client; a server has none but what it owes */
        uint32_t generation;                    /* that we send in */
        uint8_t secret[SEAL_SECRET_BYTES];      /* of that generation */
        uint8_t private[SEAL_SECRET_BYTES];     /* client, while asking */
        uint8_t share[SEAL_SECRET_BYTES];       /* ours for the next generation */
        uint8_t peer_share[SEAL_SECRET_BYTES];
        uint8_t upcoming[SEAL_SECRET_BYTES];    /* server: secret of the next generation */
        bool has_share;
        bool is_ready;                          /* server: the next generation is, for .peer_share */
        bool reply_due, done_due;
        bool demand;                            /* the flow was used since we spoke last */
        unsigned n_tries;
        nsec_t due, delay;
} SealAgreement;

void seal_agreement_init(SealAgreement *a, bool client, const uint8_t secret[SEAL_SECRET_BYTES]);
void seal_agreement_done(SealAgreement *a);

/* The generation has served its time. A server waits for its client. */
void seal_agreement_begin(SealAgreement *a, nsec_t now);

nsec_t seal_agreement_next(const SealAgreement *a);

/* What to say now, in ret: at most SEAL_AGREEMENT_BYTES. fresh: a new generation that has to be ready before this is
 * sent, where *ret_fresh. Returns: bytes; 0: nothing. */
size_t seal_agreement_speak(SealAgreement *a, nsec_t now, const uint8_t random[SEAL_SECRET_BYTES], uint8_t *ret,
                            SealGeneration *fresh, bool *ret_fresh);

/* The content of an authentic control packet. Returns: 0; 1: there is a new generation in *fresh, to be used from now
 * on: whoever can calls seal_agreement_adopt(). */
int seal_agreement_hear(SealAgreement *a, const uint8_t *content, size_t size, SealGeneration *fresh);

/* Client: sends in the new generation. */
void seal_agreement_adopt(SealAgreement *a, const SealGeneration *fresh, nsec_t now);

/* A packet of the next generation was authentic: a server follows, a client is content. */
void seal_agreement_follow(SealAgreement *a);
