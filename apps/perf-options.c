/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command line of o7s-perf. */

#include <getopt.h>
#include <stdio.h>

#include "apps/complain.h"
#include "apps/perf-options.h"
#include "apps/units.h"

#define MESSAGE_BYTES_DEFAULT 1400U
#define PROBE_BYTES_DEFAULT 64U

static int help(void) {
        (void) printf("o7s-perf [OPTIONS...] NAME\n"
                      "o7s-perf --serve NAME\n\n"
                      "Measure what flows to NAME carry. There, o7s-perf --serve has to run.\n\n"
                      "  -h --help           Show this help\n"
                      "     --version        Show the version\n"
                      "     --serve          Be the other side\n"
                      "  -t --time=TIME      How long to measure (default: 10s)\n"
                      "  -s --size=BYTES     Size of a message (default: 1400, with -l 64; at least 32)\n"
                      "  -b --rate=BITS      Send no more than this per second, such as 10M\n"
                      "  -P --parallel=N     Use N flows at once (default: 1)\n"
                      "  -R --reverse        Let the other side send\n"
                      "     --bidir          Let both sides send\n"
                      "  -l --latency        Measure round trips, one message at a time\n"
                      "     --json           Print one JSON object per line\n"
                      "  -q --quiet          Print the summary only\n\n"
                      "Exit status: 0 measured, 1 failed, 2 usage, 3 cannot be reached, 4 not allowed,\n"
                      "5 no answer or no report in time, 69 o7s-irm does not run.\n\n"
                      "See the o7s-perf(1) man page for details.\n");
        return 0;
}

/* Options that exclude each other, and defaults that depend on others. Returns: > 0; the negated exit status. */
static int check_options(PerfOptions *o, int argc, char *argv[]) {
        if (argc - optind != 1)
                return -complain_usage("o7s-perf", argc == optind ? "Which name?" : "One name at a time.");
        if ((o->request.mode & PERF_LATENCY) && o->request.mode != PERF_LATENCY)
                return -complain_usage(
                        "o7s-perf", "--latency measures both ways already: no --reverse or --bidir with it.");

        if (o->request.size == 0)
                o->request.size = o->request.mode == PERF_LATENCY ? PROBE_BYTES_DEFAULT : MESSAGE_BYTES_DEFAULT;

        o->name = argv[optind];
        return 1;
}

int perf_options_parse(PerfOptions *o, int argc, char *argv[]) {
        enum { ARG_VERSION = 0x100, ARG_SERVE, ARG_BIDIR, ARG_JSON };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "serve", no_argument, NULL, ARG_SERVE },
                { "time", required_argument, NULL, 't' },
                { "size", required_argument, NULL, 's' },
                { "rate", required_argument, NULL, 'b' },
                { "parallel", required_argument, NULL, 'P' },
                { "reverse", no_argument, NULL, 'R' },
                { "bidir", no_argument, NULL, ARG_BIDIR },
                { "latency", no_argument, NULL, 'l' },
                { "json", no_argument, NULL, ARG_JSON },
                { "quiet", no_argument, NULL, 'q' },
                {},
        };
        bool latency = false;
        uint64_t value;
        int c;

        while ((c = getopt_long(argc, argv, "ht:s:b:P:Rlq", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        return help();
                case ARG_VERSION:
                        (void) printf("o7s-perf %s\n", o7s_version());
                        return 0;
                case ARG_SERVE:
                        o->serve = true;
                        break;
                case 't':
                        if (duration_parse(optarg, &value) < 0 || value == 0 || value > PERF_DURATION_USEC_MAX)
                                return -complain_usage("o7s-perf",
                                                       "'%s' is not a time of up to 1h, such as 10s.", optarg);
                        o->request.duration_usec = value;
                        break;
                case 's':
                        if (size_parse(optarg, PERF_MESSAGE_BYTES_MAX, &value) < 0 || value < PERF_HEADER_BYTES)
                                return -complain_usage("o7s-perf", "'%s' is not a size of %u to %u bytes.",
                                                       optarg, PERF_HEADER_BYTES, PERF_MESSAGE_BYTES_MAX);
                        o->request.size = (uint32_t) value;
                        break;
                case 'b':
                        if (rate_parse(optarg, &value) < 0 || value == 0)
                                return -complain_usage("o7s-perf", "'%s' is not a rate such as 800K or 10M.",
                                                       optarg);
                        o->request.rate_bps = value;
                        break;
                case 'P':
                        if (size_parse(optarg, PERF_PARALLEL_MAX, &value) < 0 || value == 0)
                                return -complain_usage("o7s-perf", "'%s' is not a number from 1 to %u.", optarg,
                                                       PERF_PARALLEL_MAX);
                        o->parallel = (unsigned) value;
                        break;
                case 'R':
                        o->request.mode = PERF_REVERSE;
                        break;
                case ARG_BIDIR:
                        o->request.mode = PERF_FORWARD | PERF_REVERSE;
                        break;
                case 'l':
                        latency = true;
                        break;
                case ARG_JSON:
                        o->json = true;
                        break;
                case 'q':
                        o->quiet = true;
                        break;
                default:
                        (void) fprintf(stderr, "See 'o7s-perf --help'.\n");
                        return -EXIT_USAGE;
                }

        if (latency)
                o->request.mode = o->request.mode == PERF_FORWARD ? PERF_LATENCY : o->request.mode | PERF_LATENCY;

        return check_options(o, argc, argv);
}
