/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/cursor.h"
#include "libo7s/seal-epoch.h"

#define BEHIND 248U                     /* low bits of epochs: so much ahead or more is behind */

static int epoch_init(SealEpoch *e, const SealEpochKind *kind, uint32_t generation, uint32_t epoch,
                      const uint8_t secret[SEAL_SECRET_BYTES]) {
        Writer w = writer_to(e->associated, sizeof(e->associated));

        writer_bytes(&w, kind->label, sizeof(kind->label));
        writer_be32(&w, generation);
        writer_be32(&w, epoch);
        e->generation = generation;
        e->epoch = epoch;
        return seal_schedule_keys(secret, kind->cipher, &e->aead, e->iv);
}

static void epoch_done(SealEpoch *e) {
        assert(e);

        seal_aead_done(&e->aead);               /* wipes the key */
        *e = (SealEpoch) {};
}

/* -- sender -- */

int seal_sender_init(SealSender *s, const SealEpochKind *kind, uint32_t generation,
                     const uint8_t secret[SEAL_SECRET_BYTES]) {
        int r;

        *s = (SealSender) {};
        r = epoch_init(&s->epoch, kind, generation, 0, secret);
        if (r < 0)
                return r;

        memcpy(s->next, secret, sizeof(s->next));
        seal_schedule_epoch(s->next);
        return 0;
}

void seal_sender_done(SealSender *s) {
        epoch_done(&s->epoch);
        explicit_bzero(s, sizeof(*s));
}

int seal_sender_advance(SealSender *s, const SealEpochKind *kind) {
        SealEpoch next = {};
        int r;

        r = epoch_init(&next, kind, s->epoch.generation, s->epoch.epoch + 1, s->next);
        if (r < 0)
                return r;

        epoch_done(&s->epoch);
        s->epoch = next;
        s->counter = 0;
        seal_schedule_epoch(s->next);
        return 0;
}

/* -- receiver -- */

static void incoming_done(SealIncoming *i) {
        epoch_done(&i->epoch);
        seal_replay_done(&i->replay);
        *i = (SealIncoming) {};
}

int seal_chain_init(SealChain *c, const SealEpochKind *kind, uint32_t generation, uint32_t epoch,
                    const uint8_t secret[SEAL_SECRET_BYTES]) {
        int r;

        *c = (SealChain) {};
        r = epoch_init(&c->current.epoch, kind, generation, epoch, secret);
        if (r < 0)
                return r;

        memcpy(c->secret, secret, sizeof(c->secret));
        seal_schedule_epoch(c->secret);
        (void) epoch_init(&c->next.epoch, kind, generation, epoch + 1, c->secret);
        return 0;
}

void seal_chain_done(SealChain *c) {
        incoming_done(&c->current);
        incoming_done(&c->next);
        explicit_bzero(c->secret, sizeof(c->secret));
}

void seal_receiver_done(SealReceiver *r) {
        seal_chain_done(&r->chain);
        seal_chain_done(&r->pending);
        for (size_t i = 0; i < ELEMENTSOF(r->old); i++)
                incoming_done(&r->old[i]);
}

/* The epoch of packets until now is an old one. */
static void retire(SealReceiver *r, SealIncoming *current, nsec_t now) {
        incoming_done(&r->old[ELEMENTSOF(r->old) - 1]);
        memmove(r->old + 1, r->old, sizeof(r->old) - sizeof(r->old[0]));
        r->old[0] = *current;
        r->old[0].until = nsec_add(now, SEAL_OLD_NSEC);
        *current = (SealIncoming) {};
}

/* The chain of a generation, by its low bits; NULL. */
static SealChain *find_chain(SealReceiver *r, uint8_t generation) {
        if ((r->chain.current.epoch.generation & 7) == generation)
                return &r->chain;
        if (seal_epoch_is_set(&r->pending.current.epoch) && (r->pending.current.epoch.generation & 7) == generation)
                return &r->pending;

        return NULL;
}

int seal_receiver_find(SealReceiver *r, const SealEpochKind *kind, uint8_t generation, uint8_t epoch,
                       SealIncoming **ret) {
        SealChain *chain = find_chain(r, generation);
        uint8_t ahead = chain ? (uint8_t) (epoch - chain->current.epoch.epoch) : 0;
        SealEpoch *next;

        if (chain && ahead == 0) {
                *ret = &chain->current;
                return 0;
        }
        for (size_t i = 0; i < ELEMENTSOF(r->old); i++) {
                SealEpoch *old = &r->old[i].epoch;

                if (seal_epoch_is_set(old) && (old->generation & 7) == generation && (uint8_t) old->epoch == epoch) {
                        *ret = &r->old[i];
                        return 0;
                }
        }
        if (!chain)
                return ((r->chain.current.epoch.generation - 1) & 7) == generation ? -EALREADY : -EBADMSG;
        if (ahead >= BEHIND)
                return -EALREADY;
        if (ahead > 1)
                return -ENOENT;

        next = &chain->next.epoch;
        if (!seal_epoch_is_set(next) &&
            epoch_init(next, kind, chain->current.epoch.generation, chain->current.epoch.epoch + 1, chain->secret) < 0)
                return -EBADMSG;

        *ret = &chain->next;
        return 0;
}

/* The chain goes on to its next epoch. */
static void chain_advance(SealReceiver *r, SealChain *chain, const SealEpochKind *kind, nsec_t now) {
        retire(r, &chain->current, now);
        chain->current = chain->next;
        chain->next = (SealIncoming) {};
        seal_schedule_epoch(chain->secret);
        (void) epoch_init(&chain->next.epoch, kind, chain->current.epoch.generation, chain->current.epoch.epoch + 1,
                          chain->secret);
}

/* The last packets of the generation before may still come, and may be of its next epoch. */
static void switch_generation(SealReceiver *r, nsec_t now) {
        retire(r, &r->chain.current, now);
        if (seal_epoch_is_set(&r->chain.next.epoch))
                retire(r, &r->chain.next, now);
        seal_chain_done(&r->chain);
        r->chain = r->pending;
        r->pending = (SealChain) {};
}

int seal_receiver_commit(SealReceiver *r, const SealEpochKind *kind, SealIncoming *incoming, nsec_t now) {
        bool further = incoming == &r->chain.next || incoming == &r->pending.next;
        bool generation = incoming == &r->pending.current || incoming == &r->pending.next;

        if (generation)
                switch_generation(r, now);
        if (further)
                chain_advance(r, &r->chain, kind, now);

        return generation;
}

nsec_t seal_receiver_next(const SealReceiver *r) {
        nsec_t next = NSEC_INFINITY;

        for (size_t i = 0; i < ELEMENTSOF(r->old); i++)
                if (seal_epoch_is_set(&r->old[i].epoch))
                        next = MIN(next, r->old[i].until);

        return next;
}

nsec_t seal_receiver_expire(SealReceiver *r, nsec_t now) {
        for (size_t i = 0; i < ELEMENTSOF(r->old); i++)
                if (seal_epoch_is_set(&r->old[i].epoch) && now >= r->old[i].until)
                        incoming_done(&r->old[i]);

        return seal_receiver_next(r);
}

/* -- further ahead: after a black-out that took whole epochs with it -- */

int seal_ahead_begin(SealAhead *a, SealReceiver *r, uint8_t generation, uint8_t epoch, nsec_t now) {
        SealChain *chain = find_chain(r, generation);

        if (!chain || now < r->ahead_from)
                return -EBADMSG;

        *a = (SealAhead) {
                .chain = chain,
                .epoch = chain->current.epoch.epoch + 1,
                .candidate = chain->current.epoch.epoch + (uint8_t) (epoch - chain->current.epoch.epoch),
        };
        memcpy(a->secret, chain->secret, sizeof(a->secret));
        return 0;
}

int seal_ahead_next(SealAhead *a, const SealEpochKind *kind) {
        const SealEpoch *current = &a->chain->current.epoch;
        int r;

        incoming_done(&a->incoming);
        if (a->candidate - current->epoch > SEAL_AHEAD_MAX)
                return 0;

        for (; a->epoch != a->candidate; a->epoch++)
                seal_schedule_epoch(a->secret);
        a->candidate += 256;
        r = epoch_init(&a->incoming.epoch, kind, current->generation, a->epoch, a->secret);
        return r < 0 ? r : 1;
}

SealIncoming *seal_ahead_take(SealAhead *a, SealReceiver *r, const SealEpochKind *kind, nsec_t now) {
        SealChain chain;

        if (seal_chain_init(&chain, kind, a->chain->current.epoch.generation, a->epoch, a->secret) < 0)
                return NULL;

        retire(r, &a->chain->current, now);
        seal_chain_done(a->chain);
        *a->chain = chain;
        explicit_bzero(&chain, sizeof(chain));
        return &a->chain->current;
}

void seal_ahead_end(SealAhead *a, SealReceiver *r, nsec_t now) {
        uint32_t n_steps = a->epoch - a->chain->current.epoch.epoch;

        r->ahead_from = nsec_add(now, MAX(n_steps, 1U) * SEAL_AHEAD_STEP_NSEC);
        incoming_done(&a->incoming);
        explicit_bzero(a, sizeof(*a));
}
