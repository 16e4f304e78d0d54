/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/sim/frct-scenario.h"

#define MBIT(n) ((uint64_t) (n) * 125000)
#define US(n) ((nsec_t) (n) * NSEC_PER_USEC)
#define MS(n) ((nsec_t) (n) * NSEC_PER_MSEC)
#define S(n) ((nsec_t) (n) * NSEC_PER_SEC)
#define MIB ((size_t) 1 << 20)

#define EXTENDED                                                                                                  \
        .config = { .reliable = true, .extended = true, .packet_max = 1400, .mpl = MS(100) }, .timeout_ms = 120000
#define JUMBO .config = { .reliable = true, .extended = true, .packet_max = 9000, .mpl = MS(100) }, .timeout_ms = 120000
#define STREAM                                                                                                    \
        .config = { .reliable = true, .extended = true, .stream = true, .packet_max = 1400, .mpl = MS(100) },     \
        .timeout_ms = 120000
#define TWELVE .config = { .reliable = true, .packet_max = 1400, .mpl = MS(100) }, .timeout_ms = 120000
#define VOICE                                                                                                     \
        .config = { .extended = true, .packet_max = 1400, .mpl = MS(100), .hold_max = MS(25),                     \
                    .spread = US(6250), .rate = 12500 },                                                          \
        .timeout_ms = 120000
#define VOICE_HASTY .config = { .extended = true, .packet_max = 1400, .mpl = MS(100) }, .timeout_ms = 120000
#define VIDEO                                                                                                     \
        .config = { .extended = true, .packet_max = 1400, .mpl = MS(100), .hold_max = MS(50), .spread = MS(10) }, \
        .timeout_ms = 120000
#define VIDEO_HASTY VOICE_HASTY
#define VOICE_TWELVE .config = { .packet_max = 1400, .mpl = MS(100) }, .timeout_ms = 120000
#define NARROW                                                                                                    \
        .config = { .reliable = true, .extended = true, .packet_max = 1400, .mpl = MS(100),                       \
                    .send_max = MIB / 4, .receive_max = MIB / 4 },                                                \
        .timeout_ms = 120000

/* Always something to send. */
#define BULK .n_messages = UINT64_MAX, .message_min = 16000, .message_max = 64000
#define SILENT .message_min = 1, .message_max = 1
#define CALL(n) .n_messages = (n), .message_min = 160, .message_max = 160, .gap = MS(20)
#define PICTURES(n) .n_messages = (n), .message_min = 20000, .message_max = 60000, .gap = MS(40)
#define SOME(n, size) .n_messages = (n), .message_min = (size) / 2, .message_max = (size), .finish = true

/* A link in both directions, with a queue in the first. */
#define LINK(mbit, half, bytes, ...)                                                                              \
        .paths = { { .rate = MBIT(mbit), .delay = (half), .queue = (bytes), __VA_ARGS__ },                        \
                   { .delay = (half), __VA_ARGS__ } }
#define BOTH(...) .paths = { { __VA_ARGS__ }, { __VA_ARGS__ } }

#define ONE .n_pairs = 1
#define EIGHT .n_pairs = 8, .stagger = MS(130)
#define FOR(seconds) .span = S(seconds), .endless = true

static const FrctScenario frct_scenarios[] = {
        /* The pipe is full. */
        { "pipe", { ONE, FOR(20), .ends = { { EXTENDED, BULK }, { EXTENDED, SILENT } }, LINK(100, MS(50), 1250000) },
          FRCT_OUTCOME_SPEED, .least_used = 0.9 },
        { "pipe-tick", { ONE, FOR(20), .ends = { { EXTENDED, BULK, .tick = MS(1) },
                                                 { EXTENDED, SILENT, .tick = MS(1) } },
                         LINK(100, MS(50), 1250000) },
          FRCT_OUTCOME_SPEED, .least_used = 0.9 },
        { "pipe-jumbo", { ONE, FOR(10), .ends = { { JUMBO, BULK }, { JUMBO, SILENT } }, LINK(1000, MS(5), 2500000) },
          FRCT_OUTCOME_SPEED, .least_used = 0.9 },
        { "pipe-stream", { ONE, FOR(10), .ends = { { STREAM, BULK }, { STREAM, SILENT } }, LINK(100, MS(10), 250000) },
          FRCT_OUTCOME_SPEED, .least_used = 0.9 },
        { "pipe-short", { ONE, FOR(4), .ends = { { EXTENDED, BULK }, { EXTENDED, SILENT } },
                          LINK(1000, US(100), 250000) },
          FRCT_OUTCOME_SPEED, .least_used = 0.85 },
        { "pipe-jitter", { ONE, FOR(20), .ends = { { EXTENDED, BULK }, { EXTENDED, SILENT } },
                           LINK(100, MS(20), 500000, .jitter = MS(5), .reorder = 0.01) },
          FRCT_OUTCOME_SPEED, .least_used = 0.7 },

        /* Shares are equal. */
        { "fair", { EIGHT, FOR(60), .ends = { { EXTENDED, BULK }, { EXTENDED, SILENT } }, LINK(100, MS(20), 500000) },
          FRCT_OUTCOME_SPEED, .least_used = 0.85, .least_fair = 0.9 },
        { "fair-marks", { EIGHT, FOR(60), .ends = { { EXTENDED, BULK }, { EXTENDED, SILENT } },
                          LINK(100, MS(20), 500000, .mark = 60000) },
          FRCT_OUTCOME_SPEED, .least_used = 0.85, .least_fair = 0.9 },
        { "fair-loss", { EIGHT, FOR(60), .ends = { { EXTENDED, BULK }, { EXTENDED, SILENT } },
                         LINK(100, MS(20), 500000, .loss = 0.01) },
          FRCT_OUTCOME_SPEED, .least_used = 0.85, .least_fair = 0.9 },
        { "fair-late", { .n_pairs = 8, .stagger = S(2), FOR(60), .ends = { { EXTENDED, BULK }, { EXTENDED, SILENT } },
                         LINK(100, MS(20), 500000) },
          FRCT_OUTCOME_SPEED, .least_used = 0.85, .least_fair = 0.9 },
        { "fair-late-loss", { .n_pairs = 8, .stagger = S(2), FOR(60),
                              .ends = { { EXTENDED, BULK }, { EXTENDED, SILENT } },
                              LINK(100, MS(20), 500000, .loss = 0.01) },
          FRCT_OUTCOME_SPEED, .least_used = 0.85, .least_fair = 0.9 },

        /* Loss is no congestion. Of what the path delivers 1 or 5 % are lost, and some of it is headers: more than
         * 0.93 is not to be had at 5 %. */
        { "loss-01-10", { ONE, FOR(10), .ends = { { EXTENDED, BULK }, { EXTENDED, SILENT } },
                         LINK(100, MS(5), 125000, .loss = 0.001) },
          FRCT_OUTCOME_SPEED, .least_used = 0.9 },
        { "loss-01-50", { ONE, FOR(10), .ends = { { EXTENDED, BULK }, { EXTENDED, SILENT } },
                         LINK(100, MS(25), 625000, .loss = 0.001) },
          FRCT_OUTCOME_SPEED, .least_used = 0.9 },
        { "loss-1-10", { ONE, FOR(20), .ends = { { EXTENDED, BULK }, { EXTENDED, SILENT } },
                         LINK(100, MS(5), 125000, .loss = 0.01) },
          FRCT_OUTCOME_SPEED, .least_used = 0.9 },
        { "loss-1-50", { ONE, FOR(20), .ends = { { EXTENDED, BULK }, { EXTENDED, SILENT } },
                         LINK(100, MS(25), 625000, .loss = 0.01) },
          FRCT_OUTCOME_SPEED, .least_used = 0.9 },
        { "loss-5-10", { ONE, FOR(20), .ends = { { EXTENDED, BULK }, { EXTENDED, SILENT } },
                         LINK(100, MS(5), 125000, .loss = 0.05) },
          FRCT_OUTCOME_SPEED, .least_used = 0.85 },
        { "loss-5-50", { ONE, FOR(20), .ends = { { EXTENDED, BULK }, { EXTENDED, SILENT } },
                         LINK(100, MS(25), 625000, .loss = 0.05) },
          FRCT_OUTCOME_SPEED, .least_used = 0.85 },
        { "loss-1-50-fast", { ONE, FOR(20), .ends = { { EXTENDED, BULK }, { EXTENDED, SILENT } },
                         LINK(200, MS(25), 1250000, .loss = 0.01) },
          FRCT_OUTCOME_SPEED, .least_used = 0.9 },
        { "loss-5-10-fast", { ONE, FOR(10), .ends = { { EXTENDED, BULK }, { EXTENDED, SILENT } },
                         LINK(200, MS(5), 250000, .loss = 0.05) },
          FRCT_OUTCOME_SPEED, .least_used = 0.85 },

        /* Hosts that are busy with something else, whose programs run late: what that adds to a round trip is no
         * queue, and what was not sent in time is sent. */
        { "late-2", { ONE, FOR(10),
                    .ends = { { EXTENDED, BULK, .late = MS(2) }, { EXTENDED, SILENT, .late = MS(2) } },
                    LINK(200, MS(5), 250000) },
          FRCT_OUTCOME_SPEED, .least_used = 0.75 },
        { "late-5", { ONE, FOR(10),
                    .ends = { { EXTENDED, BULK, .late = MS(5) }, { EXTENDED, SILENT, .late = MS(5) } },
                    LINK(200, MS(5), 250000) },
          FRCT_OUTCOME_SPEED, .least_used = 0.8 },
        { "late-5-loss-1", { ONE, FOR(10),
                    .ends = { { EXTENDED, BULK, .late = MS(5) }, { EXTENDED, SILENT, .late = MS(5) } },
                    LINK(200, MS(5), 250000, .loss = 0.01) },
          FRCT_OUTCOME_SPEED, .least_used = 0.8 },
        { "late-5-loss-5", { ONE, FOR(10),
                    .ends = { { EXTENDED, BULK, .late = MS(5) }, { EXTENDED, SILENT, .late = MS(5) } },
                    LINK(200, MS(5), 250000, .loss = 0.05) },
          FRCT_OUTCOME_SPEED, .least_used = 0.3 },
        { "late-10-loss-1", { ONE, FOR(10),
                    .ends = { { EXTENDED, BULK, .late = MS(10) }, { EXTENDED, SILENT, .late = MS(10) } },
                    LINK(200, MS(5), 250000, .loss = 0.01) },
          FRCT_OUTCOME_SPEED, .least_used = 0.4 },
        { "late-10-loss-1-50", { ONE, FOR(10),
                    .ends = { { EXTENDED, BULK, .late = MS(10) }, { EXTENDED, SILENT, .late = MS(10) } },
                    LINK(200, MS(25), 1250000, .loss = 0.01) },
          FRCT_OUTCOME_SPEED, .least_used = 0.85 },
        { "late-20-loss-1-50", { ONE, FOR(10),
                    .ends = { { EXTENDED, BULK, .late = MS(20) }, { EXTENDED, SILENT, .late = MS(20) } },
                    LINK(200, MS(25), 1250000, .loss = 0.01) },
          FRCT_OUTCOME_SPEED, .least_used = 0.5 },

        { "large-messages", { ONE, .span = S(120), .ends = { { EXTENDED, SOME(12, MIB) }, { EXTENDED, SOME(12, MIB) } },
                              BOTH(.delay = MS(10), .loss = 0.02, .reorder = 0.02), .idle = true },
          FRCT_OUTCOME_WHOLE },

        /* Ordered, without repetition. */
        { "voice", { ONE, .span = S(200), .ends = { { VOICE, CALL(3000) }, { VOICE, CALL(3000) } },
                     BOTH(.delay = MS(30), .jitter = MS(10), .loss = 0.05, .reorder = 0.05, .duplicate = 0.05) },
          FRCT_OUTCOME_WHOLE, .least_got = 0.85 },
        { "voice-hasty", { ONE, .span = S(200), .ends = { { VOICE_HASTY, CALL(3000) }, { VOICE_HASTY, CALL(3000) } },
                           BOTH(.delay = MS(30), .jitter = MS(10), .loss = 0.05, .reorder = 0.05, .duplicate = 0.05) },
          FRCT_OUTCOME_WHOLE, .least_got = 0.85 },
        { "voice-reordered", { ONE, .span = S(200), .ends = { { VOICE, CALL(3000) }, { VOICE, CALL(3000) } },
                               BOTH(.delay = MS(40), .jitter = MS(10), .reorder = 0.10) },
          FRCT_OUTCOME_WHOLE, .least_got = 0.99 },
        { "voice-reordered-hasty", { ONE, .span = S(200),
                                     .ends = { { VOICE_HASTY, CALL(3000) }, { VOICE_HASTY, CALL(3000) } },
                                     BOTH(.delay = MS(40), .jitter = MS(10), .reorder = 0.10) },
          FRCT_OUTCOME_WHOLE, .least_got = 0.8 },
        { "video-reordered", { ONE, .span = S(200), .ends = { { VIDEO, PICTURES(1000) }, { VIDEO, SILENT } },
                               BOTH(.delay = MS(20), .jitter = MS(5), .reorder = 0.02) },
          FRCT_OUTCOME_WHOLE, .least_got = 0.98 },
        { "video-reordered-hasty", { ONE, .span = S(200),
                                     .ends = { { VIDEO_HASTY, PICTURES(1000) }, { VIDEO_HASTY, SILENT } },
                                     BOTH(.delay = MS(20), .jitter = MS(5), .reorder = 0.02) },
          FRCT_OUTCOME_WHOLE },
        { "video-short-queue", { ONE, .span = S(200), .ends = { { VIDEO, PICTURES(1000) }, { VIDEO, SILENT } },
                                 LINK(50, MS(10), 20000) },
          FRCT_OUTCOME_WHOLE, .least_got = 0.95 },
        { "video-short-queue-hasty", { ONE, .span = S(200),
                                       .ends = { { VIDEO_HASTY, PICTURES(1000) }, { VIDEO_HASTY, SILENT } },
                                       LINK(50, MS(10), 20000) },
          FRCT_OUTCOME_WHOLE },
        { "voice-twelve", { ONE, .span = S(200), .ends = { { VOICE_TWELVE, CALL(3000) }, { VOICE_TWELVE, CALL(3000) } },
                            BOTH(.delay = MS(30), .jitter = MS(10), .loss = 0.05, .reorder = 0.05, .duplicate = 0.05) },
          FRCT_OUTCOME_WHOLE, .least_got = 0.85 },
        { "voice-one-way", { ONE, .span = S(200), .ends = { { VOICE_TWELVE, CALL(3000) }, { VOICE_TWELVE, SILENT } },
                             BOTH(.delay = MS(30), .loss = 0.10) },
          FRCT_OUTCOME_WHOLE, .least_got = 0.85 },

        /* A peer of the 12-byte dialect. */
        { "twelve", { ONE, .span = S(600), .ends = { { TWELVE, SOME(3000, 1380) }, { TWELVE, SOME(3000, 1380) } },
                      BOTH(.delay = MS(10), .loss = 0.05, .reorder = 0.02, .duplicate = 0.02), .idle = true },
          FRCT_OUTCOME_WHOLE },
        { "twelve-30", { ONE, .span = S(1200), .ends = { { TWELVE, SOME(300, 1380) }, { TWELVE, SOME(300, 1380) } },
                         BOTH(.delay = MS(50), .loss = 0.30), .idle = true },
          FRCT_OUTCOME_WHOLE },
        { "twelve-answer", { ONE, .span = S(60), .ends = { { TWELVE, SOME(1, 100) },
                                                           { TWELVE, SOME(1, 100), .start = MS(700) } },
                             BOTH(.delay = MS(5)), .idle = true },
          FRCT_OUTCOME_WHOLE },

        /* The path is gone for a while. */
        { "black-out-110", { ONE, .span = S(400), .ends = { { EXTENDED, SOME(4000, 4000), .gap = MS(1) },
                                                            { EXTENDED, SOME(1, 10) } },
                             BOTH(.delay = MS(20), .black_from = S(3), .black_to = S(113)), .idle = true },
          FRCT_OUTCOME_WHOLE },
        { "black-out-130", { ONE, .span = S(400), .ends = { { EXTENDED, SOME(4000, 4000), .gap = MS(1) },
                                                            { EXTENDED, SOME(1, 10) } },
                             BOTH(.delay = MS(20), .black_from = S(3), .black_to = S(133)) },
          FRCT_OUTCOME_GIVEN_UP },
        { "black-out-twelve", { ONE, .span = S(600), .ends = { { TWELVE, SOME(4000, 1300), .gap = MS(1) },
                                                               { TWELVE, SOME(1, 10) } },
                                BOTH(.delay = MS(20), .black_from = S(3), .black_to = S(113)), .idle = true },
          FRCT_OUTCOME_WHOLE },
        { "pauses", { ONE, .span = S(2000), .ends = { { EXTENDED, SOME(6, 4000), .gap = S(200) },
                                                      { EXTENDED, SOME(9, 100), .gap = S(140) } },
                      BOTH(.delay = MS(20), .loss = 0.1), .idle = true },
          FRCT_OUTCOME_WHOLE },
        { "pauses-twelve", { ONE, .span = S(2000), .ends = { { TWELVE, SOME(6, 1000), .gap = S(200) },
                                                             { TWELVE, SOME(9, 100), .gap = S(140) } },
                             BOTH(.delay = MS(20), .loss = 0.1), .idle = true },
          FRCT_OUTCOME_WHOLE },

        /* The path takes less than it did. */
        { "shrink", { ONE, .span = S(300), .ends = { { JUMBO, SOME(200, 60000), .gap = MS(10) },
                                                     { JUMBO, SOME(200, 60000), .gap = MS(10) } },
                      BOTH(.delay = MS(10), .mtu = 9000, .shrink_at = MS(2500), .shrink_to = 1300), .idle = true },
          FRCT_OUTCOME_WHOLE },
        { "shrink-below", { ONE, .span = S(300), .ends = { { EXTENDED, SOME(200, 60000), .gap = MS(10) },
                                                           { EXTENDED, SOME(20, 6000) } },
                            BOTH(.delay = MS(10), .loss = 0.02, .mtu = 1400, .shrink_at = MS(2500), .shrink_to = 500),
                            .idle = true },
          FRCT_OUTCOME_WHOLE },

        /* Peers that one would rather not have. */
        { "slow-reader", { ONE, .span = S(900), .ends = { { NARROW, SOME(300, 8000) },
                                                          { NARROW, SOME(1, 10), .read_gap = MS(20),
                                                            .read_max = 4000 } },
                           BOTH(.delay = MS(10), .loss = 0.01), .idle = true },
          FRCT_OUTCOME_WHOLE },
        { "never-reads", { ONE, FOR(300), .ends = { { NARROW, BULK }, { NARROW, SILENT, .never_reads = true } },
                           BOTH(.delay = MS(10)) },
          FRCT_OUTCOME_EITHER, .memory_max = 4 * MIB },
        { "never-reads-crumbs", { ONE, FOR(300), .ends = { { NARROW, .n_messages = UINT64_MAX, .message_min = 1,
                                                             .message_max = 4 },
                                                           { NARROW, SILENT, .never_reads = true } },
                                  BOTH(.delay = MS(10)) },
          FRCT_OUTCOME_EITHER, .memory_max = 64 * MIB },
        { "never-reads-twelve", { ONE, FOR(300), .ends = { { TWELVE, SOME(UINT64_MAX, 1300) },
                                                           { TWELVE, SILENT, .never_reads = true } },
                                  BOTH(.delay = MS(10)) },
          FRCT_OUTCOME_EITHER, .memory_max = 48 * MIB },
        { "acknowledges-unsent", { ONE, .span = S(300), .ends = { { EXTENDED, SOME(300, 8000) },
                                                                  { EXTENDED, SOME(30, 100),
                                                                    .tamper = FRCT_TAMPER_ACKNOWLEDGEMENT } },
                                   BOTH(.delay = MS(10), .loss = 0.01) },
          FRCT_OUTCOME_WHOLE },
        { "acknowledges-only-unsent", { ONE, .span = S(400), .ends = { { EXTENDED, SOME(300, 8000) },
                                                                       { EXTENDED, SOME(30, 100),
                                                                         .tamper = FRCT_TAMPER_ACKNOWLEDGEMENTS } },
                                        BOTH(.delay = MS(10)) },
          FRCT_OUTCOME_GIVEN_UP },
        { "shrinks-window", { ONE, .span = S(400), .ends = { { EXTENDED, SOME(300, 8000) },
                                                             { EXTENDED, SOME(30, 100),
                                                               .tamper = FRCT_TAMPER_WINDOW } },
                              BOTH(.delay = MS(10), .loss = 0.01) },
          FRCT_OUTCOME_WHOLE },
        { "shrinks-window-twelve", { ONE, .span = S(400), .ends = { { TWELVE, SOME(600, 1300) },
                                                                    { TWELVE, SOME(30, 100),
                                                                      .tamper = FRCT_TAMPER_WINDOW } },
                                     BOTH(.delay = MS(10), .loss = 0.01) },
          FRCT_OUTCOME_WHOLE },
};

/* -- what came of it -- */

static double used(const FrctScenario *s, const FrctRunResult *result) {
        double all = 0, possible = (double) s->options.paths[0].rate * (double) s->options.span / (2.0 * NSEC_PER_SEC);

        for (unsigned i = 0; i < s->options.n_pairs; i++)
                all += (double) result->late_bytes[i];

        return possible > 0 ? all / possible : 0;
}

static double fairness(const FrctScenario *s, const FrctRunResult *result) {
        double all = 0, squares = 0;

        for (unsigned i = 0; i < s->options.n_pairs; i++) {
                all += (double) result->late_bytes[i];
                squares += (double) result->late_bytes[i] * (double) result->late_bytes[i];
        }

        return squares > 0 ? all * all / (squares * s->options.n_pairs) : 0;
}

static bool outcome_is_right(const FrctScenario *s, const FrctRunResult *result) {
        unsigned n = s->options.n_pairs;

        switch (s->outcome) {

        case FRCT_OUTCOME_WHOLE:
                return result->n_whole == n;

        case FRCT_OUTCOME_GIVEN_UP:
                return result->n_given_up == n;

        case FRCT_OUTCOME_EITHER:
                return true;

        case FRCT_OUTCOME_SPEED:
                return result->n_given_up == 0;
        }

        return false;
}

static void judge(const FrctScenario *s, const FrctRunResult *result, size_t memory, Verdict *verdict) {
        double got = result->n_sent > 0 ? (double) result->n_got / (double) result->n_sent : 0;
        usec_t now = result->took / NSEC_PER_USEC;

        printf("%-24s %2u whole %2u given up %7.1f s %9" PRIu64
               " packets %5.1f %% used, fair %.3f, got %.3f, round trip %.2f ms, "
               "%" PRIu64 " of %" PRIu64 " sent again, packets of %zu, %zu KiB\n",
               s->name, result->n_whole, result->n_given_up, (double) result->took / NSEC_PER_SEC, result->n_packets,
               100 * used(s, result), fairness(s, result), got, (double) result->stats[0].rtt / NSEC_PER_MSEC,
               result->stats[0].retransmitted, result->stats[0].segments_sent, result->stats[0].packet_max,
               memory / 1024);

        verdict_checked(verdict);
        if (!outcome_is_right(s, result))
                verdict_fail(verdict, now, "%s: the end is not as it must be: errors %d, %d", s->name,
                             result->errors[0], result->errors[1]);
        if (used(s, result) < s->least_used)
                verdict_fail(verdict, now, "%s: %.3f of the path is used", s->name, used(s, result));
        if (fairness(s, result) < s->least_fair)
                verdict_fail(verdict, now, "%s: Jain's index is %.3f", s->name, fairness(s, result));
        if (got < s->least_got)
                verdict_fail(verdict, now, "%s: %.3f of the messages arrived", s->name, got);
        if (s->memory_max > 0 && memory > s->memory_max)
                verdict_fail(verdict, now, "%s: %zu KiB of memory", s->name, memory / 1024);
}

int frct_scenario_run(const char *name, uint64_t seed, Verdict *verdict, uint64_t *ret_digest) {
        Trace all = {};
        int r = -ENOENT;

        for (size_t i = 0; i < ELEMENTSOF(frct_scenarios); i++) {
                const FrctScenario *s = &frct_scenarios[i];
                FrctRunOptions options = s->options;
                FrctRunResult result;
                size_t before = memory_used();

                if (name && strcmp(name, s->name) != 0)
                        continue;

                options.seed = seed;
                r = frct_run(&options, verdict, &result);
                if (r < 0)
                        return r;
                judge(s, &result, result.memory > before ? result.memory - before : 0, verdict);
                trace_mix(&all, result.digest);
        }
        if (r < 0)
                return r;

        *ret_digest = all.digest;
        return 0;
}

void frct_scenario_list(FILE *to) {
        for (size_t i = 0; i < ELEMENTSOF(frct_scenarios); i++)
                fprintf(to, "%s\n", frct_scenarios[i].name);
}
