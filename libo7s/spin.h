/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How long to look before going to sleep. Being woken costs 15 to 30 microseconds, the waker several more;
 * where the other side answers sooner than that, looking is cheaper for both. So a thread remembers how
 * long it waited of late, and looks for about twice as long, never for more than SPIN_NSEC_MAX, and not at
 * all where waits are longer.
 *
 * Between looks the CPU is offered to others: where the other side is on the same one, that is what lets it
 * answer, and changing over to it that way costs less than a wake-up. Where it was taken it is offered after each
 * single look: whoever is to answer cannot while we go on looking. Looking in vain means that somebody else has the
 * CPU; each vain look doubles the number of waits that go straight to sleep.
 */

#include "basic/macro.h"

/* What a round trip takes where both sides sleep. It has to be that much: a wait that was slept through contains both
 * wake-ups, and with a limit below that a pair that has begun to sleep never learns that looking would have found the
 * answer in half the time. */
#define SPIN_NSEC_MAX 100000U

typedef struct Spin {
        uint32_t average_nsec;  /* of past waits, an eighth each; SPIN_NSEC_MAX and above: long */
        uint32_t skip;          /* waits yet to come that do not look */
        uint32_t penalty;       /* how many, after the next look in vain */
        bool begun;
        bool alone;             /* there is one CPU: who looks keeps the other side from running */
        bool shared;            /* when the CPU was last offered, somebody took it */
} Spin;

#define SPIN_INIT                                                                                                 \
        (Spin) {                                                                                                  \
                .average_nsec = SPIN_NSEC_MAX                                                                     \
        }

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t spin_now(void);

/* How long the wait that begins may look, in nanoseconds; 0: sleep at once. */
uint32_t spin_begin(Spin *spin);

/* The wait is over: how long it took in all, and whether looking found what it wanted (false also where
 * none was done). */
void spin_end(Spin *spin, uint32_t budget_nsec, uint64_t waited_nsec, bool found);

/* How often to look before the CPU is offered to others. */
unsigned spin_looks(const Spin *spin);

/* Offers it. */
void spin_offer(Spin *spin);

/* It was offered, and came back after this long. */
void spin_offered(Spin *spin, uint64_t nsec);

static inline void spin_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("isb" ::: "memory");
#else
        __asm__ volatile("" ::: "memory");
#endif
}
