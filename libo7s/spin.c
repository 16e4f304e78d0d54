/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Looking before sleeping. */

#include <sched.h>

#include "basic/time.h"
#include "libo7s/spin.h"

#define BUDGET_NSEC_MIN 3000U
#define PENALTY_MAX 256U
#define LOOKS 32U

/* An offer that nobody takes costs half of that; who takes it keeps the CPU for longer. */
#define TAKEN_NSEC_MIN 1000U

uint64_t spin_now(void) {
        return time_now_nsec();
}

/* A thread that is bound to one of several does not share it with the other side, most likely. */
static bool has_one_cpu(void) {
        cpu_set_t cpus;

        /* A host with more CPUs than fit the set has more than one. */
        if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0 || CPU_COUNT(&cpus) > 1)
                return false;

        return sysconf(_SC_NPROCESSORS_ONLN) == 1;
}

uint32_t spin_begin(Spin *spin) {
        if (!spin->begun) {
                spin->begun = true;
                spin->alone = has_one_cpu();
        }

        if (spin->alone || spin->average_nsec >= SPIN_NSEC_MAX)
                return 0;

        if (spin->skip > 0) {
                spin->skip--;
                return 0;
        }

        return CLAMP(2 * spin->average_nsec, BUDGET_NSEC_MIN, SPIN_NSEC_MAX);
}

void spin_end(Spin *spin, uint32_t budget_nsec, uint64_t waited_nsec, bool found) {
        /* One long wait counts as long, not as endless: a burst after a pause is found again soon. */
        uint32_t waited = (uint32_t) MIN(waited_nsec, (uint64_t) (2 * SPIN_NSEC_MAX));

        spin->average_nsec += (uint32_t) ((int32_t) (waited - spin->average_nsec) / 8);

        /* What is found long after the time was over is luck: the CPU was with somebody else. */
        if (found && waited_nsec <= 2 * SPIN_NSEC_MAX) {
                spin->penalty = 0;
        } else if (budget_nsec > 0) {
                spin->penalty = spin->penalty == 0 ? 1 : MIN(2 * spin->penalty, PENALTY_MAX);
                spin->skip = spin->penalty;
        }
}

unsigned spin_looks(const Spin *spin) {
        return spin->shared ? 1 : LOOKS;
}

void spin_offered(Spin *spin, uint64_t nsec) {
        spin->shared = nsec >= TAKEN_NSEC_MIN;
}

void spin_offer(Spin *spin) {
        uint64_t begin = spin_now();

        (void) sched_yield();
        spin_offered(spin, spin_now() - begin);
}
