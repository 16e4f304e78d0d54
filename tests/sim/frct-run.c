/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/sim/frct-run.h"

#define REST ((nsec_t) 60 * NSEC_PER_SEC)       /* until idle ends have to be at rest */
#define PACKETS_FREE 2000U                      /* what nobody has to answer for */
#define PACKETS_PER_UNIT 50U
#define PACKETS_PER_SECOND 25U                  /* rendez-vous and what answers them */

typedef struct Run {
        const FrctRunOptions *options;
        Verdict *verdict;
        FrctEnd ends[FRCT_PAIRS_MAX * 2];       /* pairs side by side */
        unsigned n_ends;
        FrctPath paths[2];
        FrctAir air;
        nsec_t now;
        nsec_t over;                            /* when all of it was */
        nsec_t half;                            /* when the second half begins; NSEC_INFINITY: it has */
        uint64_t half_bytes[FRCT_PAIRS_MAX];
        uint64_t n_events;
        size_t memory;
} Run;

static void run_done(Run *r) {
        for (unsigned i = 0; i < r->n_ends; i++)
                frct_end_done(&r->ends[i]);
        frct_air_done(&r->air);
}

static int run_init(Run *r, const FrctRunOptions *options, Verdict *verdict) {
        *r = (Run) {
                .options = options,
                .verdict = verdict,
                .now = NSEC_PER_SEC,
                .half = NSEC_PER_SEC + options->span / 2,
        };
        for (unsigned i = 0; i < ELEMENTSOF(r->paths); i++)
                frct_path_init(&r->paths[i], &options->paths[i], options->seed, i);

        for (unsigned i = 0; i < options->n_pairs * 2; i++) {
                FrctEndOptions end = options->ends[i % 2];
                int result;

                end.start += i / 2 * options->stagger;
                result = frct_end_init(&r->ends[i], &end, i, options->seed, r->now);
                if (result < 0)
                        return result;
                r->n_ends++;
                r->ends[i].peer = &r->ends[i ^ 1U];
                r->ends[i].path = &r->paths[i % 2];
                r->ends[i].air = &r->air;
                r->ends[i].verdict = verdict;
        }

        return 0;
}

/* -- how it ends -- */

static bool end_is_whole(const FrctEnd *e) {
        const FrctEndOptions *o = &e->options;

        if (!frct_end_is_done_writing(e))
                return false;
        if (!o->config.reliable)
                return e->air->n == 0;
        if (e->bytes_read != e->peer->bytes_written)
                return false;

        return e->ended || !e->peer->options.finish || !o->config.extended;
}

static bool pair_is_whole(const FrctEnd *a) {
        return end_is_whole(a) && end_is_whole(a->peer);
}

static bool pair_is_over(const FrctEnd *a) {
        const FrctEnd *b = a->peer;

        if (a->error < 0 && b->error < 0)
                return true;
        if (a->error < 0)
                return end_is_whole(b);
        if (b->error < 0)
                return end_is_whole(a);

        return pair_is_whole(a);
}

static bool run_is_over(const Run *r) {
        for (unsigned i = 0; i < r->n_ends; i += 2)
                if (!pair_is_over(&r->ends[i]))
                        return false;

        return true;
}

static void check_over(Run *r, const FrctEnd *e) {
        verdict_checked(r->verdict);
        if (!pair_is_over(e))
                verdict_fail(r->verdict, r->now / NSEC_PER_USEC,
                             "pair %u: neither whole nor given up: ends %u wrote %" PRIu64 ", %" PRIu64
                             ", read %" PRIu64 ", %" PRIu64 " bytes, errors %d, %d, ended %d, %d",
                             e->index / 2, e->index, e->bytes_written, e->peer->bytes_written, e->bytes_read,
                             e->peer->bytes_read, e->error, e->peer->error, e->ended, e->peer->ended);
}

/* Packets cost something; each byte has only so many. */
static void check_packets(Run *r, const FrctEnd *e) {
        const FrctPathOptions *path = &e->path->options;
        size_t size = e->options.config.packet_max;
        uint64_t units, most;

        if (path->shrink_at > 0)
                size = MIN(size, path->shrink_to);
        if (path->mtu > 0)
                size = MIN(size, path->mtu);
        size = size > 128 ? size - 64 : 64;
        units = (e->bytes_written + e->peer->bytes_written) / size + e->n_written + e->peer->n_written;
        most = PACKETS_FREE + PACKETS_PER_UNIT * units + PACKETS_PER_SECOND * (r->now / NSEC_PER_SEC);

        verdict_checked(r->verdict);
        if (e->n_packets > most)
                verdict_fail(r->verdict, r->now / NSEC_PER_USEC,
                             "end %u sent %" PRIu64 " packets where %" PRIu64 " are many", e->index, e->n_packets,
                             most);
}

/* -- time -- */

static nsec_t run_next(const Run *r) {
        nsec_t next = frct_air_next(&r->air);

        for (unsigned i = 0; i < r->n_ends; i++)
                next = MIN(next, r->ends[i].wake);

        return next;
}

static void run_halve(Run *r) {
        if (r->now < r->half)
                return;

        r->half = NSEC_INFINITY;
        for (unsigned i = 0; i < r->n_ends / 2; i++)
                r->half_bytes[i] = r->ends[i * 2 + 1].bytes_read;
}

/* What arrived while the host let others run is there all at once. */
static int run_arrival(Run *r) {
        _cleanup_free_ FrctPacket *packet = frct_air_take(&r->air);
        FrctEnd *e = &r->ends[packet->to];
        nsec_t slot = frct_end_slot(e, r->now);
        int result;

        if (slot > r->now)
                return frct_air_put_back(&r->air, TAKE_PTR(packet), slot);

        result = frct_end_receive(e, packet, r->now);
        if (result < 0)
                return result;
        if (e->options.late > 0 && frct_air_next(&r->air) <= r->now && frct_air_next_to(&r->air) == (int) e->index)
                return 0;

        return frct_end_run(e, r->now);
}

/* Everything that happens next, at one moment. */
static int run_step(Run *r) {
        int result = 0;

        r->n_events++;
        if (frct_air_next(&r->air) <= r->now)
                return run_arrival(r);

        for (unsigned i = 0; i < r->n_ends && result >= 0; i++) {
                FrctEnd *e = &r->ends[i];

                if (e->wake > r->now)
                        continue;

                e->wake = frct_end_slot(e, r->now);
                if (e->wake <= r->now)
                        result = frct_end_run(e, r->now);
        }

        return result;
}

static int run_until(Run *r, nsec_t end, bool over) {
        while (!over || !run_is_over(r)) {
                nsec_t next = run_next(r);
                int result;

                if (next == NSEC_INFINITY || next > end)
                        break;

                r->now = MAX(r->now, next);
                run_halve(r);
                result = run_step(r);
                if (result < 0)
                        return result;
                if (r->n_events % 1024 == 0)
                        r->memory = MAX(r->memory, memory_used());
        }

        return 0;
}

/* With nothing to say nobody wakes up. */
static int run_rest(Run *r) {
        int result;

        for (unsigned i = 0; i < r->n_ends; i++)
                r->ends[i].liveness.timeout_usec = 0;
        result = run_until(r, r->now + REST, false);
        if (result < 0)
                return result;

        verdict_checked(r->verdict);
        for (unsigned i = 0; i < r->n_ends; i++)
                if (r->ends[i].error == 0 && frct_next(r->ends[i].frct, r->now) != NSEC_INFINITY)
                        verdict_fail(r->verdict, r->now / NSEC_PER_USEC, "end %u has nothing to do, and does not rest",
                                     i);

        return 0;
}

static void run_report(const Run *r, FrctRunResult *ret) {
        *ret = (FrctRunResult) {
                .n_events = r->n_events,
                .took = r->over - NSEC_PER_SEC,
                .memory = r->memory,
                .digest = r->air.trace.digest,
        };
        for (unsigned i = 0; i < r->n_ends; i++) {
                const FrctEnd *e = &r->ends[i];

                ret->n_packets += e->n_packets;
                ret->bytes += e->bytes_read;
                ret->n_got += e->n_got;
                ret->n_sent += e->n_written;
                if (i % 2 == 1)
                        ret->late_bytes[i / 2] = e->bytes_read - r->half_bytes[i / 2];
                else {
                        ret->n_whole += pair_is_whole(e);
                        ret->n_given_up += e->error < 0 && e->peer->error < 0;
                }
        }
        for (unsigned i = 0; i < 2; i++) {
                frct_stats(r->ends[i].frct, &ret->stats[i]);
                ret->errors[i] = r->ends[i].error;
        }
}

int frct_run(const FrctRunOptions *options, Verdict *verdict, FrctRunResult *ret) {
        _cleanup_(run_done) Run r = {};
        int result;

        verdict->seed = options->seed;
        result = run_init(&r, options, verdict);
        if (result < 0)
                return result;

        result = run_until(&r, NSEC_PER_SEC + options->span, !options->endless);
        if (result < 0)
                return result;

        r.over = r.now;
        for (unsigned i = 0; i < r.n_ends; i++) {
                if (!options->endless && i % 2 == 0)
                        check_over(&r, &r.ends[i]);
                check_packets(&r, &r.ends[i]);
        }
        if (options->idle && !options->endless && run_is_over(&r)) {
                result = run_rest(&r);
                if (result < 0)
                        return result;
        }

        run_report(&r, ret);
        return 0;
}
