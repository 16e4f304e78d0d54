/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What happened, as one number: every message on every link, with its time, its ends and its bytes, goes into a
 * digest. Two runs of one seed have the same; a difference of one bit anywhere, or of one microsecond, makes another.
 */

#include "basic/time.h"

typedef struct Trace {
        uint64_t digest;
        uint64_t n;
        bool verbose;                   /* also print what members log */
} Trace;

static inline void trace_mix(Trace *t, uint64_t word) {
        uint64_t z = (t->digest ^ word) * UINT64_C(0x9fb21c651e98df25);

        t->digest = z ^ z >> 32;
}

static inline void trace_add(Trace *t, usec_t now, uint64_t from, uint64_t to, const void *data, size_t size) {
        const uint8_t *p = data;

        t->n++;
        trace_mix(t, now);
        trace_mix(t, from << 32 ^ to);
        trace_mix(t, size);
        for (; size >= sizeof(uint64_t); p += sizeof(uint64_t), size -= sizeof(uint64_t)) {
                uint64_t word;

                memcpy(&word, p, sizeof(word));
                trace_mix(t, word);
        }
        for (; size > 0; p++, size--)
                trace_mix(t, *p);
}
