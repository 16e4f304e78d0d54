/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "tests/sim/seal-run.h"
#include "tests/sim/seal-suite.h"

#define LOSSY .loss = { 0.1, 0.1 }, .duplicate = 0.02, .reorder = 0.05
#define FAST .gap = 10 * NSEC_PER_USEC, .delay = 100 * NSEC_PER_USEC, .jitter = NSEC_PER_MSEC
#define SLOW .gap = NSEC_PER_MSEC, .delay = 5 * NSEC_PER_MSEC, .jitter = 20 * NSEC_PER_MSEC
#define DARK .black_every = 20000, .black_packets = 5000
#define PACKETS_MIN UINT64_C(100000)    /* what less than that shows is little */
#define EPOCH .epoch_packets = 1U << 12

#define OURS_AND_THEIRS .suite = SEAL_REFERENCE, .references = { false, true }

static const struct {
        SealRunOptions options;
        uint64_t part;                  /* of the packets of the longest run: one in so many */
        bool sabotage;
} runs[] = {
        { { .name = "o7s", .suite = SEAL_O7S, .share = 0.5, LOSSY, FAST,
            .limits = { EPOCH, .generation_packets = 1U << 18 } }, 1, false },
        { { .name = "o7s-mac", .suite = SEAL_O7S, .mac_only = true, .share = 0.5, LOSSY, FAST,
            .limits = { EPOCH, .generation_packets = 1U << 16 } }, 10, false },
        { { .name = "o7s-one-way", .suite = SEAL_O7S, .share = 0.999, LOSSY, FAST,
            .limits = { EPOCH, .generation_packets = 1U << 16 } }, 10, false },
        { { .name = "o7s-short-epochs", .suite = SEAL_O7S, .share = 0.5, LOSSY, SLOW,
            .limits = { .epoch_packets = 64, .generation_packets = 1U << 13 } }, 10, false },
        { { .name = "o7s-dark", .suite = SEAL_O7S, .share = 0.5, LOSSY, SLOW, DARK,
            .limits = { .epoch_packets = 256, .generation_packets = 1U << 13 } }, 10, false },
        { { .name = "reference", .suite = SEAL_REFERENCE, .share = 0.5, LOSSY, FAST, .limits = { EPOCH } }, 10, false },
        { { .name = "reference-peer", OURS_AND_THEIRS, .share = 0.5, LOSSY, FAST, .limits = { EPOCH } }, 10, false },
        { { .name = "reference-peer-listens", OURS_AND_THEIRS, .share = 0.9, LOSSY, FAST, .limits = { EPOCH } }, 10,
          false },
        { { .name = "reference-peer-speaks", OURS_AND_THEIRS, .share = 0.1, LOSSY, FAST, .limits = { EPOCH } }, 10,
          false },
        { { .name = "reference-peer-dark", OURS_AND_THEIRS, .share = 0.5, LOSSY, FAST, DARK, .limits = { EPOCH } }, 10,
          false },
        { { .name = "reference-with-itself", .suite = SEAL_REFERENCE, .references = { true, true }, .share = 0.75,
            LOSSY, FAST,
            .limits = { EPOCH } }, 10, true },
};

static void expect(Verdict *verdict, const SealRunOptions *o, const char *what, uint64_t is, uint64_t low,
                   uint64_t high) {
        verdict_checked(verdict);
        if (is < low || is > high)
                verdict_fail(verdict, 0, "%s: %s: %" PRIu64 ", and not from %" PRIu64 " to %" PRIu64, o->name, what, is,
                             low, high);
}

/* Whatever arrives opens, once, and is what was sent; keys were changed as often as they should. What the reference
 * cannot open during a black-out, until it hears of us again, is not ours to answer for. */
static void check(const SealRunOptions *o, const SealRunResult *r, Verdict *verdict) {
        uint64_t n_intervals = o->n_packets / o->limits.epoch_packets;

        expect(verdict, o, "altered", r->n_altered, 0, 0);
        expect(verdict, o, "opened twice", r->n_twice, 0, 0);
        expect(verdict, o, "refused to send", r->n_refused, 0, 0);
        for (unsigned from = 0; from < 2; from++) {
                uint64_t n_excused = o->suite == SEAL_REFERENCE ? r->n_dark[from] : 0;

                expect(verdict, o, "undecryptable", r->n_undecryptable[from] - n_excused, 0, 0);
                expect(verdict, o, "opened", r->n_opened[from], r->n_arrived[from] - r->n_undecryptable[from],
                       r->n_arrived[from] - r->n_undecryptable[from]);
                if (o->suite == SEAL_O7S)
                        expect(verdict, o, "epochs", r->counters[from].n_epochs,
                               r->n_sent[from] / o->limits.epoch_packets / 2,
                               r->n_sent[from] / o->limits.epoch_packets * 2 + 1);
        }
        if (o->suite == SEAL_O7S)
                expect(verdict, o, "generations", r->counters[0].n_generations,
                       o->n_packets / o->limits.generation_packets / 4,
                       o->n_packets / o->limits.generation_packets + 1);
        else if (o->share < 0.9)
                expect(verdict, o, "rotations", r->n_rotations + r->counters[0].n_epochs, n_intervals / 4,
                       2 * n_intervals + 2);
}

static void print_run(const SealRunOptions *o, const SealRunResult *r) {
        printf("%-24s %9" PRIu64 " sent %9" PRIu64 " arrived %9" PRIu64 " undecryptable (%" PRIu64 " in the dark)",
               o->name, r->n_sent[0] + r->n_sent[1], r->n_arrived[0] + r->n_arrived[1],
               r->n_undecryptable[0] + r->n_undecryptable[1], r->n_dark[0] + r->n_dark[1]);
        printf(", epochs %" PRIu64 ", generations %" PRIu64 ", rotations of the peer %" PRIu64 "\n",
               r->counters[0].n_epochs + r->counters[1].n_epochs, r->counters[0].n_generations, r->n_rotations);
}

int seal_suite_run(uint64_t seed, uint64_t n_packets, bool sabotage, Verdict *verdict, SealSuiteResult *ret) {
        *ret = (SealSuiteResult) {};
        for (size_t i = 0; i < ELEMENTSOF(runs); i++) {
                SealRunOptions options = runs[i].options;
                SealRunResult r;
                int error;

                if (runs[i].sabotage && !sabotage)
                        continue;

                options.seed = seed;
                options.n_packets = 2 * MAX(n_packets / runs[i].part, MIN(n_packets, PACKETS_MIN));
                verdict->seed = seed;
                error = seal_run(&options, &r);
                if (error < 0)
                        return error;

                check(&options, &r, verdict);
                print_run(&options, &r);
                ret->n_runs++;
                ret->n_sent += r.n_sent[0] + r.n_sent[1];
                ret->n_opened += r.n_opened[0] + r.n_opened[1];
                ret->digest = ret->digest * 31 + r.digest;
        }

        return 0;
}
