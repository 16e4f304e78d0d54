/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Telling one who tries endpoint ids from one who is late; scan.h says how. */

#include "services/ipcp-unicast/scan.h"

static void weigh(Scan *s, bool busy, uint64_t n_calm) {
        if (busy)
                s->weight = MIN(s->weight + 1, SCAN_SECONDS);
        s->weight -= (unsigned) MIN(n_calm, (uint64_t) s->weight);

        if (s->weight == SCAN_SECONDS)
                s->is_on = true;
        if (s->weight == 0)
                s->is_on = s->is_told = false;
}

/* Closes the seconds that are over: of these only the first can have been busy. */
static void roll(Scan *s, usec_t now) {
        usec_t passed = usec_sub(now, s->second) / USEC_PER_SEC;
        bool busy = s->n_unknown > SCAN_RATE;

        if (s->second == 0)
                s->second = now;
        else if (passed > 0) {
                weigh(s, busy, busy ? passed - 1 : passed);
                s->second += passed * USEC_PER_SEC;
                s->n_unknown = 0;
                s->n_tries = 0;
        }
}

bool scan_unknown_eid(Scan *s, usec_t now) {
        roll(s, now);
        if (s->n_unknown <= SCAN_RATE)
                s->n_unknown++;
        if (!s->is_on || s->is_told)
                return false;

        s->is_told = true;
        return true;
}

bool scan_try(Scan *s, usec_t now) {
        roll(s, now);
        if (!s->is_on)
                return true;
        if (s->n_tries >= SCAN_TRIES_MAX)
                return false;

        s->n_tries++;
        return true;
}

bool scan_is_on(Scan *s, usec_t now) {
        roll(s, now);
        return s->is_on;
}
