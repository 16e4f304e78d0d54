/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Between .current, which passes, and .failed (or the layer's size), which does not, lies what is looked for. A probe
 * is tried a few times, because one that was lost says little; the interval is halved until a rest of it is not worth
 * a round trip.
 *
 * A black hole looks like a black-out: nothing large gets through. Both halve what is sent and end the search until
 * anything at all is acknowledged, which then begins with the layer's size again: after a mere black-out one probe
 * repairs all.
 */

#include "libo7s/frct-mtu.h"

#define TRIES_MAX 4U                    /* at 10 % loss both ways one search in a thousand ends too low */
#define BLACK_MAX 3U
#define INTERVAL_MIN 32U                /* bytes that are not worth looking for */
/* no answer before that says nothing, however short the round trips were */
#define ANSWER_MIN ((nsec_t) 20 * NSEC_PER_MSEC)
#define AGAIN ((nsec_t) 600 * NSEC_PER_SEC)

static void search(FrctMtu *m, nsec_t at) {
        m->failed = 0;
        m->probing = 0;
        m->n_tries = 0;
        m->next = at;
}

void frct_mtu_init(FrctMtu *m, size_t ceiling, nsec_t now) {
        *m = (FrctMtu) {
                .ceiling = ceiling,
                .current = MIN(ceiling, FRCT_MTU_BASE),
                .next = now,
        };
}

void frct_mtu_set_ceiling(FrctMtu *m, size_t ceiling, nsec_t now) {
        m->ceiling = ceiling;
        m->current = MIN(m->current, ceiling);
        m->n_black = 0;
        search(m, now);
}

size_t frct_mtu_probe(FrctMtu *m, nsec_t rto, nsec_t now) {
        if (now < frct_mtu_next(m))
                return 0;

        if (m->probing > 0 && m->n_tries >= TRIES_MAX) {
                m->failed = m->probing;
                m->probing = 0;
                m->n_tries = 0;
        }

        if (m->probing == 0) {
                size_t size = m->failed > 0 ? m->current + (m->failed - m->current) / 2 : m->ceiling;

                if (m->failed > 0 && m->failed - m->current < INTERVAL_MIN) {
                        search(m, nsec_add(now, AGAIN));
                        return 0;
                }
                m->probing = size;
        }

        m->n_tries++;
        m->next = nsec_add(now, MAX(rto, ANSWER_MIN));
        return m->probing;
}

bool frct_mtu_probed(FrctMtu *m, size_t size, nsec_t now) {
        bool late = size == m->failed;          /* given up a moment too early */

        if (size == 0 || (size != m->probing && !late) || size <= m->current || size > m->ceiling)
                return false;

        m->current = size;
        m->n_black = 0;
        m->probing = 0;
        m->n_tries = 0;
        m->next = now;
        if (late)
                m->failed = 0;

        return true;
}

/* Where a black hole sends us. */
static size_t fallback(const FrctMtu *m) {
        if (m->current > FRCT_MTU_BASE)
                return FRCT_MTU_BASE;

        return MIN(MAX(m->current / 2, FRCT_MTU_MIN), m->current);
}

bool frct_mtu_timed_out(FrctMtu *m, size_t size, nsec_t now) {
        size_t smaller = fallback(m);

        if (size <= smaller || ++m->n_black < BLACK_MAX)
                return false;

        m->n_black = 0;
        m->current = smaller;
        search(m, NSEC_INFINITY);               /* until something is acknowledged */
        return true;
}

void frct_mtu_acknowledged(FrctMtu *m, size_t size) {
        if (size > fallback(m))
                m->n_black = 0;
        if (m->next == NSEC_INFINITY)
                m->next = 0;
}

nsec_t frct_mtu_next(const FrctMtu *m) {
        return m->current < m->ceiling ? m->next : NSEC_INFINITY;
}
