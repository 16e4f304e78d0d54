/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * o7s-sim: a layer of thousands of members in one process, in virtual time. The members are the cores of
 * o7s-ipcp-unicast; what is simulated is only what is around them.
 *
 *   main.c              options                        suite.c             the runs that tests are made of
 *   scenario.c          one run, from the first member to the last check
 *   directory-run.c     the same for directories alone
 *   invariants.c        what must hold                 traffic.c           applications, and their IRM
 *   world.c             all members and links          member.c            a core in a simulated shell
 *   network.c           links that delay, lose, double and reorder         topology.c          who is linked with whom
 *   frct-exchange.c     one flow, short; frct-scenario.c: paths with a name: frct-run.c, frct-end.c, frct-program.c,
 *                       frct-path.c
 *   seal-suite.c        protected flows: seal-run.c
 *   handshake-sequence.c     handshakes, and who is on the path: handshake-world.c, handshake-check.c
 *   timeline.c          virtual time                   dice.h, seeded.c    chance, from the seed
 *   trace.h             what happened, as a number     verdict.c           what was found wrong
 *   report.c, chart.c   tables and curves
 */

#include <getopt.h>
#include <stdio.h>

#include "basic/string.h"
#include "tests/sim/frct-scenario.h"
#include "tests/sim/suite.h"

#define MEMBERS_MAX 20000U
#define SEEDS_MAX 100000000U
#define PACKETS_MAX 10000000000U

static ScenarioOptions arg_scenario;
static Suite arg_suite = _SUITE_INVALID;
static TopologyShape arg_shape = _TOPOLOGY_SHAPE_INVALID;
static bool arg_directory;
static bool arg_twice;
static unsigned arg_n_seeds = 1;
static uint64_t arg_n_packets = 100000;
static const char *arg_svg;
static const char *arg_path;

static int help(void) {
        printf("o7s-sim [OPTIONS]\n\n"
               "Simulates a unicast layer in virtual time. The same seed gives the same trace.\n\n"
               "     --members=N         how many members (50)\n"
               "     --topology=SHAPE    line, ring, grid, random, scale-free (random)\n"
               "     --seed=N            chance begins with it (1)\n"
               "     --seeds=N           as many runs, with the next seeds (1)\n"
               "     --storm=SECONDS     links flap, members die and come (0: none)\n"
               "     --flaps=RATE        links that go down or up, per link and minute (2)\n"
               "     --churn=RATE        members that die or come, per member and minute (1)\n"
               "     --loss=PERCENT      in the storm: lost (5)\n"
               "     --duplicate=PERCENT doubled (2)\n"
               "     --reorder=PERCENT   overtaken by later ones (5)\n"
               "     --jitter=MSEC       added delay (5)\n"
               "     --exchanges=N       flows, before and after the storm (100)\n"
               "     --directory         directories alone, without a layer\n"
               "     --suite=NAME        fifty, thousand, directory, growth, frct, paths, handshake, "
               "seal: runs that are given\n"
               "     --packets=N         of suite seal: packets each way (100000)\n"
               "     --path=NAME         ordered flows on the path of that name; \"list\" shows all\n"
               "     --twice             run it twice, and once with another seed, and compare the traces\n"
               "     --sabotage          bend the routes of two members, or let Mallory have another's name, and "
               "fail unless that is found out\n"
               "     --svg=DIRECTORY     draw charts there\n"
               "  -v --verbose           print what members say\n"
               "  -h --help              show this help\n");
        return 0;
}

static int parse_number(const char *option, const char *text, uint64_t max, uint64_t *ret) {
        if (parse_u64(text, max, ret) >= 0)
                return 0;

        fprintf(stderr, "o7s-sim: --%s=%s is not a number up to %" PRIu64 "\n", option, text, max);
        return -EINVAL;
}

static int parse_rate(const char *option, const char *text, double max, double *ret) {
        char *end;
        double value;

        value = strtod(text, &end);
        if (end != text && *end == '\0' && value >= 0 && value <= max) {
                *ret = value;
                return 0;
        }

        fprintf(stderr, "o7s-sim: --%s=%s is not a number from 0 to %g\n", option, text, max);
        return -EINVAL;
}

static int parse_percent(const char *option, const char *text, double *ret) {
        double percent;
        int r;

        r = parse_rate(option, text, 100, &percent);
        if (r >= 0)
                *ret = percent / 100;

        return r;
}

enum {
        ARG_MEMBERS = 0x100,
        ARG_TOPOLOGY,
        ARG_SEED,
        ARG_SEEDS,
        ARG_STORM,
        ARG_FLAPS,
        ARG_CHURN,
        ARG_LOSS,
        ARG_DUPLICATE,
        ARG_REORDER,
        ARG_JITTER,
        ARG_EXCHANGES,
        ARG_PACKETS,
        ARG_DIRECTORY,
        ARG_SUITE,
        ARG_PATH,
        ARG_TWICE,
        ARG_SABOTAGE,
        ARG_SVG,
};

static const struct option options[] = {
        { "members",   required_argument, NULL, ARG_MEMBERS   },
        { "topology",  required_argument, NULL, ARG_TOPOLOGY  },
        { "seed",      required_argument, NULL, ARG_SEED      },
        { "seeds",     required_argument, NULL, ARG_SEEDS     },
        { "storm",     required_argument, NULL, ARG_STORM     },
        { "flaps",     required_argument, NULL, ARG_FLAPS     },
        { "churn",     required_argument, NULL, ARG_CHURN     },
        { "loss",      required_argument, NULL, ARG_LOSS      },
        { "duplicate", required_argument, NULL, ARG_DUPLICATE },
        { "reorder",   required_argument, NULL, ARG_REORDER   },
        { "jitter",    required_argument, NULL, ARG_JITTER    },
        { "exchanges", required_argument, NULL, ARG_EXCHANGES },
        { "packets",   required_argument, NULL, ARG_PACKETS   },
        { "directory", no_argument,       NULL, ARG_DIRECTORY },
        { "suite",     required_argument, NULL, ARG_SUITE     },
        { "path",      required_argument, NULL, ARG_PATH      },
        { "twice",     no_argument,       NULL, ARG_TWICE     },
        { "sabotage",  no_argument,       NULL, ARG_SABOTAGE  },
        { "svg",       required_argument, NULL, ARG_SVG       },
        { "verbose",   no_argument,       NULL, 'v'           },
        { "help",      no_argument,       NULL, 'h'           },
        {}
};

/* Options that are numbers. Returns: 0; -EINVAL. */
static int parse_count(int option, const char *name, const char *text) {
        static const uint64_t largest[] = {
                [ARG_MEMBERS - ARG_MEMBERS] = MEMBERS_MAX,
                [ARG_SEED - ARG_MEMBERS] = UINT64_MAX,
                [ARG_SEEDS - ARG_MEMBERS] = SEEDS_MAX,
                [ARG_STORM - ARG_MEMBERS] = 86400,
                [ARG_JITTER - ARG_MEMBERS] = 10000,
                [ARG_EXCHANGES - ARG_MEMBERS] = 100000,
                [ARG_PACKETS - ARG_MEMBERS] = PACKETS_MAX,
        };
        uint64_t value;
        int r;

        r = parse_number(name, text, largest[option - ARG_MEMBERS], &value);
        if (r < 0)
                return r;

        if (option == ARG_MEMBERS)
                arg_scenario.world.n_members = (uint32_t) MAX(value, 1U);
        else if (option == ARG_SEED)
                arg_scenario.world.seed = value;
        else if (option == ARG_SEEDS)
                arg_n_seeds = (unsigned) value;
        else if (option == ARG_STORM)
                arg_scenario.storm_usec = value * USEC_PER_SEC;
        else if (option == ARG_JITTER)
                arg_scenario.bad.jitter_usec = value * USEC_PER_MSEC;
        else if (option == ARG_PACKETS)
                arg_n_packets = value;
        else
                arg_scenario.n_exchanges = (unsigned) value;

        return 0;
}

static int parse_name(int option, const char *text) {
        if (option == ARG_TOPOLOGY) {
                arg_scenario.world.shape = arg_shape = topology_shape_from_string(text);
                if ((int) arg_shape >= 0)
                        return 0;
        } else {
                arg_suite = suite_from_string(text);
                if ((int) arg_suite >= 0)
                        return 0;
        }

        fprintf(stderr, "o7s-sim: there is no %s %s; see --help\n", option == ARG_TOPOLOGY ? "topology" : "suite",
                text);
        return -EINVAL;
}

/* Returns: 1: go on; 0: done; < 0. */
static int parse_arguments(int argc, char *argv[]) {
        int c, index = 0, r = 0;

        while (r >= 0 && (c = getopt_long(argc, argv, "vh", options, &index)) >= 0)
                switch (c) {

                case ARG_MEMBERS:
                case ARG_SEED:
                case ARG_SEEDS:
                case ARG_STORM:
                case ARG_JITTER:
                case ARG_EXCHANGES:
                case ARG_PACKETS:
                        r = parse_count(c, options[index].name, optarg);
                        break;

                case ARG_TOPOLOGY:
                case ARG_SUITE:
                        r = parse_name(c, optarg);
                        break;

                case ARG_FLAPS:
                        r = parse_rate("flaps", optarg, 1000, &arg_scenario.flaps);
                        break;

                case ARG_CHURN:
                        r = parse_rate("churn", optarg, 1000, &arg_scenario.deaths);
                        break;

                case ARG_LOSS:
                        r = parse_percent("loss", optarg, &arg_scenario.bad.loss);
                        break;

                case ARG_DUPLICATE:
                        r = parse_percent("duplicate", optarg, &arg_scenario.bad.duplicate);
                        break;

                case ARG_REORDER:
                        r = parse_percent("reorder", optarg, &arg_scenario.bad.reorder);
                        break;

                case ARG_DIRECTORY:
                        arg_directory = true;
                        break;

                case ARG_PATH:
                        arg_path = optarg;
                        break;

                case ARG_TWICE:
                        arg_twice = true;
                        break;

                case ARG_SABOTAGE:
                        arg_scenario.sabotage = true;
                        break;

                case ARG_SVG:
                        arg_svg = optarg;
                        break;

                case 'v':
                        arg_scenario.world.verbose = true;
                        break;

                case 'h':
                        return help();

                default:
                        return -EINVAL;
                }

        if (r >= 0 && optind != argc) {
                fprintf(stderr, "o7s-sim: what is \"%s\"? See --help.\n", argv[optind]);
                return -EINVAL;
        }

        return r < 0 ? r : 1;
}

/* Of what the command line describes, with each of the seeds. */
static int run_described(Report *report) {
        ScenarioOptions scenario = arg_scenario, fresh;
        int r = 0;

        /* What the layer is like depends on the number of members. */
        scenario_options_init(&fresh, arg_scenario.world.n_members, arg_scenario.world.shape, arg_scenario.world.seed);
        scenario.world.member = fresh.world.member;
        scenario.patience_usec = fresh.patience_usec;

        for (unsigned i = 0; i < arg_n_seeds && r >= 0; i++) {
                if (arg_directory)
                        r = suite_directory(scenario.world.n_members, scenario.world.seed, scenario.bad.loss,
                                            scenario.bad.duplicate, MIN(scenario.deaths, 1.0), report);
                else
                        r = suite_scenario(&scenario, report);
                scenario.world.seed++;
        }

        return r;
}

static int run_once(Report *report) {
        if (arg_path)
                return suite_path(arg_path, arg_scenario.world.seed, report);

        if (arg_suite == SUITE_SEAL)
                return suite_seals(arg_scenario.world.seed, arg_n_packets, arg_scenario.sabotage, report);
        if (arg_suite == SUITE_HANDSHAKE)
                return suite_handshakes(arg_scenario.world.seed, arg_n_seeds, arg_scenario.sabotage, report);

        return (int) arg_suite >= 0 ? suite_run(arg_suite, arg_shape, arg_scenario.world.seed, arg_n_seeds, report)
                                   : run_described(report);
}

/* The same seed, and then another one. Traces must agree, and must not. */
static int run_twice(Report *report) {
        uint64_t digests[3];
        int r;

        for (size_t i = 0; i < ELEMENTSOF(digests); i++) {
                if (i == 2)
                        arg_scenario.world.seed++;
                report->digest = 0;
                r = run_once(report);
                if (r < 0)
                        return r;
                digests[i] = report->digest;
        }

        report->n_checked += 2;
        if (digests[0] != digests[1]) {
                fprintf(stderr, "o7s-sim: two runs of one seed have different traces\n");
                report->n_failed++;
        }
        if (digests[0] == digests[2]) {
                fprintf(stderr, "o7s-sim: two seeds have the same trace\n");
                report->n_failed++;
        }

        return 0;
}

int main(int argc, char *argv[]) {
        Report report;
        int r;

        scenario_options_init(&arg_scenario, 50, TOPOLOGY_RANDOM, 1);
        suite_storm(&arg_scenario);
        arg_scenario.storm_usec = 0;

        r = parse_arguments(argc, argv);
        if (r <= 0)
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;

        if (arg_path && strcmp(arg_path, "list") == 0) {
                frct_scenario_list(stdout);
                return EXIT_SUCCESS;
        }

        report_init(&report, arg_svg);
        r = arg_twice ? run_twice(&report) : run_once(&report);
        if (r < 0)
                fprintf(stderr, "o7s-sim: %s\n", strerror(-r));
        else
                r = report_end(&report);
        if (arg_scenario.sabotage && r >= 0)
                r = r == 0;             /* whoever finds nothing wrong now never does */

        return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
