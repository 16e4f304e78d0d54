/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/sim/frct-exchange.h"
#include "tests/sim/frct-scenario.h"
#include "tests/sim/handshake-sequence.h"
#include "tests/sim/seal-suite.h"
#include "tests/sim/seeded.h"
#include "tests/sim/suite.h"

static const char *const suite_table[_SUITE_MAX] = {
        [SUITE_FIFTY] = "fifty",
        [SUITE_THOUSAND] = "thousand",
        [SUITE_DIRECTORY] = "directory",
        [SUITE_GROWTH] = "growth",
        [SUITE_FRCT] = "frct",
        [SUITE_PATHS] = "paths",
        [SUITE_HANDSHAKE] = "handshake",
        [SUITE_SEAL] = "seal",
};

DEFINE_ENUM_NAMES(suite, Suite);

int suite_scenario(const ScenarioOptions *options, Report *report) {
        ScenarioResult result;
        int r;

        seeded_random(options->world.seed);
        r = scenario_run(options, &result);
        if (r < 0)
                return r;

        report_scenario(report, options, &result);
        return 0;
}

int suite_directory(uint32_t n_members, uint64_t seed, double loss, double duplicate, double churn, Report *report) {
        DirectoryRun run = {
                .seed = seed,
                .n_members = n_members,
                .loss = loss,
                .duplicate = duplicate,
                .churn = churn,
        };
        int r;

        seeded_random(seed);
        r = directory_run(&run);
        if (r < 0)
                return r;

        report_directory(report, &run);
        return 0;
}

void suite_storm(ScenarioOptions *options) {
        options->bad = (NetworkConditions) {
                .loss = 0.05,
                .duplicate = 0.02,
                .reorder = 0.05,
                .jitter_usec = 5 * USEC_PER_MSEC,
        };
        options->storm_usec = 60 * USEC_PER_SEC;
}

/* Of packets that cross a whole line of fifty each link takes its part, and there is no other way round: what is bad
 * for a graph with short ways leaves nothing of it. */
static const struct {
        double loss;
        ForwardingPolicy forwarding;
} fifty[_TOPOLOGY_SHAPE_MAX] = {
        [TOPOLOGY_LINE] = { 0.01, FORWARDING_SIMPLE },
        [TOPOLOGY_RING] = { 0.02, FORWARDING_ALTERNATES },
        [TOPOLOGY_GRID] = { 0.05, FORWARDING_MULTIPATH },
        [TOPOLOGY_RANDOM] = { 0.05, FORWARDING_ALTERNATES },
        [TOPOLOGY_SCALE_FREE] = { 0.05, FORWARDING_MULTIPATH },
};

static int run_fifty(TopologyShape only, uint64_t seed, Report *report) {
        for (TopologyShape shape = 0; shape < _TOPOLOGY_SHAPE_MAX; shape++) {
                ScenarioOptions options;
                int r;

                if ((int) only >= 0 && shape != only)
                        continue;

                scenario_options_init(&options, 50, shape, seed);
                suite_storm(&options);
                options.bad.loss = fifty[shape].loss;
                options.world.member.layer.forwarding = fifty[shape].forwarding;
                r = suite_scenario(&options, report);
                if (r < 0)
                        return r;
        }

        return 0;
}

/* A storm that leaves most of a thousand members in peace: what matters is that the others hear of it. */
static int run_thousand(uint64_t seed, Report *report) {
        ScenarioOptions options;

        scenario_options_init(&options, 1000, TOPOLOGY_RANDOM, seed);
        suite_storm(&options);
        options.storm_usec = 20 * USEC_PER_SEC;
        options.flaps = 0.2;
        options.deaths = 0.1;
        options.n_failures = 3;
        options.partition = 0.05;
        options.deadline_usec = 150 * USEC_PER_SEC;
        return suite_scenario(&options, report);
}

static int run_growth(uint64_t seed, Report *report) {
        static const uint32_t members[] = { 5, 10, 20, 50, 100, 200, 500, 1000 };
        static const uint32_t directories[] = { 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000 };
        int r;

        for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
                r = suite_directory(directories[i], seed, 0, 0, 0, report);
                if (r < 0)
                        return r;
        }

        for (size_t i = 0; i < ELEMENTSOF(members); i++) {
                ScenarioOptions options;

                scenario_options_init(&options, members[i], TOPOLOGY_RANDOM, seed);
                options.world.member.layer.update_sec = 120;    /* the same for all, or curves would have a step */
                options.world.member.layer.timeout_sec = 400;
                r = suite_scenario(&options, report);
                if (r < 0)
                        return r;
        }

        return 0;
}

static int run_exchanges(uint64_t seed, unsigned n_seeds, Report *report) {
        Verdict verdict = {};
        FrctExchanges exchanges;
        int r;

        r = frct_exchanges_run(seed, n_seeds, &verdict, &exchanges);
        if (r < 0)
                return r;

        report_exchanges(report, seed, &exchanges, &verdict);
        return 0;
}

int suite_seals(uint64_t seed, uint64_t n_packets, bool sabotage, Report *report) {
        Verdict verdict = {};
        SealSuiteResult result;
        int r;

        r = seal_suite_run(seed, n_packets, sabotage, &verdict, &result);
        if (r < 0)
                return r;

        report_seals(report, &result, &verdict);
        return 0;
}

int suite_handshakes(uint64_t seed, unsigned n_seeds, bool sabotage, Report *report) {
        Verdict verdict = {};
        HandshakeSequences sequences;
        int r;

        r = handshake_sequences_run(seed, n_seeds, sabotage, &verdict, &sequences);
        if (r < 0)
                return r;

        report_handshakes(report, seed, &sequences, &verdict);
        return 0;
}

int suite_path(const char *name, uint64_t seed, Report *report) {
        Verdict verdict = {};
        uint64_t digest;
        int r;

        r = frct_scenario_run(name, seed, &verdict, &digest);
        if (r < 0)
                return r;

        report_verdict(report, digest, &verdict);
        return 0;
}

int suite_run(Suite suite, TopologyShape shape, uint64_t seed, unsigned n_seeds, Report *report) {
        if (suite == SUITE_FRCT)
                return run_exchanges(seed, n_seeds, report);
        if (suite == SUITE_HANDSHAKE)
                return suite_handshakes(seed, n_seeds, false, report);

        for (unsigned i = 0; i < n_seeds; i++) {
                int r = -EINVAL;

                switch (suite) {

                case SUITE_FIFTY:
                        r = run_fifty(shape, seed + i, report);
                        break;

                case SUITE_THOUSAND:
                        r = run_thousand(seed + i, report);
                        break;

                case SUITE_DIRECTORY:
                        r = suite_directory(10000, seed + i, 0.02, 0.01, 0.2, report);
                        break;

                case SUITE_GROWTH:
                        r = run_growth(seed + i, report);
                        break;

                case SUITE_PATHS:
                        r = suite_path(NULL, seed + i, report);
                        break;

                case SUITE_FRCT:
                case SUITE_HANDSHAKE:
                case SUITE_SEAL:
                case _SUITE_MAX:
                case _SUITE_INVALID:
                        break;
                }
                if (r < 0)
                        return r;
        }

        return 0;
}
