/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <nettle/curve25519.h>

#include "basic/cursor.h"
#include "libo7s/seal-agreement.h"

#define EAGER 6U                        /* times that we speak on an idle flow */
#define DELAY ((nsec_t) 250 * NSEC_PER_MSEC)    /* to an answer that takes longer comes another one, the same */
#define DELAY_MAX ((nsec_t) 30 * NSEC_PER_SEC)
#define CONFIRM_DELAY ((nsec_t) 100 * NSEC_PER_MSEC)    /* most flows say something by themselves until then */

/* Messages. Unknown ones are ignored. */
enum {
        AGREE_REQUEST = 1,              /* generation u32, share */
        AGREE_REPLY = 2,                /* the same */
        AGREE_CONFIRM = 3,              /* generation u32 */
        AGREE_DONE = 4,
};

static void wipe_secret(uint8_t (*secret)[SEAL_SECRET_BYTES]) {
        explicit_bzero(*secret, sizeof(*secret));
}

void seal_agreement_init(SealAgreement *a, bool client, const uint8_t secret[SEAL_SECRET_BYTES]) {
        *a = (SealAgreement) { .client = client, .due = NSEC_INFINITY };
        memcpy(a->secret, secret, sizeof(a->secret));
}

void seal_agreement_done(SealAgreement *a) {
        explicit_bzero(a, sizeof(*a));
}

/* Speaks at that time, and again later and later. */
static void schedule(SealAgreement *a, SealAgreementState state, nsec_t due) {
        a->state = state;
        a->due = due;
        a->delay = DELAY;
        a->n_tries = 0;
        a->demand = true;
}

void seal_agreement_begin(SealAgreement *a, nsec_t now) {
        if (a->client && a->state == SEAL_AGREEMENT_IDLE)
                schedule(a, SEAL_AGREEMENT_ASKING, now);
}

nsec_t seal_agreement_next(const SealAgreement *a) {
        if (a->reply_due || a->done_due)
                return 0;
        if (a->state == SEAL_AGREEMENT_IDLE || (a->n_tries >= EAGER && !a->demand))
                return NSEC_INFINITY;

        return a->due;
}

/* -- speaking -- */

static void make_share(SealAgreement *a, const uint8_t random[SEAL_SECRET_BYTES]) {
        memcpy(a->private, random, sizeof(a->private));
        curve25519_mul_g(a->share, a->private);
        a->has_share = true;
}

/* Returns: 0; -EBADMSG: the share of the peer leaves no secret. */
static int agree(const SealAgreement *a, const uint8_t private[SEAL_SECRET_BYTES],
                 const uint8_t peer_share[SEAL_SECRET_BYTES], SealGeneration *ret) {
        _cleanup_(wipe_secret) uint8_t shared[SEAL_SECRET_BYTES];
        uint8_t any = 0;

        curve25519_mul(shared, private, peer_share);
        for (size_t i = 0; i < sizeof(shared); i++)
                any |= shared[i];
        if (any == 0)
                return -EBADMSG;

        seal_schedule_generation(a->secret, shared, ret);
        return 0;
}

static size_t write_message(uint8_t *ret, uint8_t type, uint32_t generation, const uint8_t *share) {
        Writer w = writer_to(ret, SEAL_AGREEMENT_BYTES);

        writer_u8(&w, type);
        writer_be32(&w, generation);
        if (share)
                writer_bytes(&w, share, SEAL_SECRET_BYTES);

        return w.written;
}

/* To a share that was answered already goes the same answer. */
static size_t speak_reply(SealAgreement *a, const uint8_t random[SEAL_SECRET_BYTES], uint8_t *ret,
                          SealGeneration *fresh, bool *ret_fresh) {
        a->reply_due = false;
        if (!a->is_ready) {
                int r;

                make_share(a, random);
                r = agree(a, a->private, a->peer_share, fresh);
                explicit_bzero(a->private, sizeof(a->private));
                if (r < 0)
                        return 0;

                memcpy(a->upcoming, fresh->agreement, sizeof(a->upcoming));
                a->is_ready = true;
                *ret_fresh = true;
        }

        return write_message(ret, AGREE_REPLY, a->generation + 1, a->share);
}

size_t seal_agreement_speak(SealAgreement *a, nsec_t now, const uint8_t random[SEAL_SECRET_BYTES], uint8_t *ret,
                            SealGeneration *fresh, bool *ret_fresh) {
        *ret_fresh = false;
        if (a->reply_due)
                return speak_reply(a, random, ret, fresh, ret_fresh);
        if (a->done_due) {
                a->done_due = false;
                return write_message(ret, AGREE_DONE, a->generation, NULL);
        }
        if (now < seal_agreement_next(a))
                return 0;

        a->due = nsec_add(now, a->delay);
        a->delay = MIN(a->delay * 2, DELAY_MAX);
        a->n_tries = MIN(a->n_tries + 1, EAGER);
        a->demand = false;
        if (a->state == SEAL_AGREEMENT_CONFIRMING)
                return write_message(ret, AGREE_CONFIRM, a->generation, NULL);

        if (!a->has_share)
                make_share(a, random);
        return write_message(ret, AGREE_REQUEST, a->generation + 1, a->share);
}

/* -- hearing -- */

/* Another share than the last one: our client has started again. */
static void hear_request(SealAgreement *a, uint32_t generation, const uint8_t *share) {
        if (a->client || generation != a->generation + 1)
                return;

        if (memcmp(a->peer_share, share, sizeof(a->peer_share)) != 0) {
                memcpy(a->peer_share, share, sizeof(a->peer_share));
                a->is_ready = false;
        }
        a->reply_due = true;
}

static int hear_reply(const SealAgreement *a, uint32_t generation, const uint8_t *share, SealGeneration *fresh) {
        if (a->state != SEAL_AGREEMENT_ASKING || !a->has_share || generation != a->generation + 1)
                return 0;

        return agree(a, a->private, share, fresh) >= 0;
}

int seal_agreement_hear(SealAgreement *a, const uint8_t *content, size_t size, SealGeneration *fresh) {
        Cursor c = cursor_from(content, size);
        uint8_t type = cursor_u8(&c);
        uint32_t generation = cursor_be32(&c);
        const uint8_t *share = NULL;

        if (type == AGREE_REQUEST || type == AGREE_REPLY)
                share = cursor_bytes(&c, SEAL_SECRET_BYTES);
        if (c.bad)
                return 0;

        if (type == AGREE_REQUEST)
                hear_request(a, generation, share);
        else if (type == AGREE_REPLY)
                return hear_reply(a, generation, share, fresh);
        else if (type == AGREE_CONFIRM && !a->client && generation == a->generation)
                a->done_due = true;

        return 0;
}

/* -- the new generation -- */

static void enter(SealAgreement *a, const uint8_t secret[SEAL_SECRET_BYTES]) {
        memcpy(a->secret, secret, sizeof(a->secret));
        explicit_bzero(a->private, sizeof(a->private));
        explicit_bzero(a->upcoming, sizeof(a->upcoming));
        memset(a->peer_share, 0, sizeof(a->peer_share));
        a->has_share = false;
        a->is_ready = false;
        a->reply_due = false;
        a->generation++;
}

void seal_agreement_adopt(SealAgreement *a, const SealGeneration *fresh, nsec_t now) {
        enter(a, fresh->agreement);
        schedule(a, SEAL_AGREEMENT_CONFIRMING, nsec_add(now, CONFIRM_DELAY));
}

void seal_agreement_follow(SealAgreement *a) {
        if (!a->client)
                enter(a, a->upcoming);
        else if (a->state == SEAL_AGREEMENT_CONFIRMING) {
                a->state = SEAL_AGREEMENT_IDLE;
                a->due = NSEC_INFINITY;
        }
}
