/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command line of o7s-perf. */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "apps/argument.h"
#include "apps/complain.h"
#include "apps/perf-options.h"
#include "apps/preset.h"
#include "apps/units.h"

#define MESSAGE_BYTES_DEFAULT 1400U
#define PROBE_BYTES_DEFAULT 64U
#define TIME_USEC_DEFAULT (10ULL * USEC_PER_SEC)
#define INTERVAL_USEC_MIN 100000U
#define BYTES_MAX (1ULL << 50)

#define PROGRAM "o7s-perf"

static int help(void) {
        (void) printf("o7s-perf [OPTIONS...] NAME\n"
                      "o7s-perf --serve NAME\n\n"
                      "Measure what flows to NAME carry. There, o7s-perf --serve has to run.\n\n"
                      "  -h --help              Show this help\n"
                      "     --version           Show the version\n"
                      "     --serve             Be the other side\n"
                      "     --qos=PRESET        raw, raw-safe, best-effort, video, voice or data (default: raw)\n"
                      "  -S --stream            A stream of bytes: with --qos=data, which this chooses\n"
                      "  -t --time=TIME         How long to measure (default: 10s)\n"
                      "  -n --bytes=BYTES       Stop after this much for each flow and direction\n"
                      "  -s --size=BYTES        Size of a message (default: 1400, with -l 64; 32 to 1M)\n"
                      "  -r --rate=BITS         Send no more than this per second and flow, such as 10M\n"
                      "  -P --parallel=N        Use N flows at once (default: 1)\n"
                      "  -R --reverse           Let the other side send\n"
                      "     --bidir             Let both sides send\n"
                      "  -l --latency           Measure round trips, one message at a time\n"
                      "  -i --interval=TIME     From one line to the next (default: 1s)\n"
                      "     --max-loss=PERCENT  More lost messages than this are a failure (default: 0 on\n"
                      "                         reliable flows, 100 on others)\n"
                      "     --json              Print one JSON object per line\n"
                      "  -q --quiet             Print the summary only\n\n"
                      "Exit status: 0 measured, 1 failed, 2 usage, 3 cannot be reached, 4 not allowed,\n"
                      "5 no answer or no report in time, 6 too much was lost, 69 o7s-irm does not run.\n\n"
                      "See the o7s-perf(1) man page for details.\n");
        return 0;
}

/* Options that exclude each other, and defaults that depend on others. Returns: > 0; the negated exit status. */
static int check_options(PerfOptions *o, bool stream, bool qos_given, int argc, char *argv[]) {
        PerfRequest *request = &o->request;
        int r;

        r = argument_name(PROGRAM, argc, argv, false, &o->name);
        if (r < 0)
                return r;
        if ((request->mode & PERF_LATENCY) && request->mode != PERF_LATENCY)
                return -complain_usage(
                        "o7s-perf", "--latency measures both ways already: no --reverse or --bidir with it.");
        if (stream && qos_given && !preset_is_reliable(&o->qos))
                return -complain_usage(PROGRAM, "A stream of bytes may lose nothing: --stream is for --qos=data.");

        if (stream) {
                request->mode |= PERF_STREAM;
                if (!qos_given)
                        o->qos = O7S_QOS_DATA;
        }
        if (request->size == 0)
                request->size = request->mode & PERF_LATENCY ? PROBE_BYTES_DEFAULT : MESSAGE_BYTES_DEFAULT;
        if (request->duration_usec == 0)
                request->duration_usec = request->n_bytes > 0 ? PERF_DURATION_USEC_MAX : TIME_USEC_DEFAULT;

        return 1;
}

static int parse_percent(const char *text, double *ret) {
        char *end = NULL;
        double value = strtod(text, &end);

        if (end == text || *end != '\0' || !(value >= 0 && value <= 100))
                return -EINVAL;

        *ret = value;
        return 0;
}

/* One option with a value. Returns: 0; the negated exit status. */
static int parse_value(int c, const char *text, PerfOptions *o) {
        uint64_t value = 0;
        int r;

        switch (c) {
        case 't':
                if (duration_parse(text, &value) < 0 || value == 0 || value > PERF_DURATION_USEC_MAX)
                        return -complain_usage(PROGRAM, "'%s' is not a time of up to 1h, such as 10s.", text);
                o->request.duration_usec = value;
                return 0;
        case 'n':
                if (size_parse(text, BYTES_MAX, &value) < 0 || value == 0)
                        return -complain_usage(PROGRAM, "'%s' is not a number of bytes such as 100M.", text);
                o->request.n_bytes = value;
                return 0;
        case 's':
                r = argument_size(PROGRAM, text, PERF_HEADER_BYTES, PERF_MESSAGE_BYTES_MAX, &value);
                if (r == 0)
                        o->request.size = (uint32_t) value;
                return r;
        case 'r':
        case 'b':
                return argument_rate(PROGRAM, text, &o->request.rate_bps);
        case 'P':
                if (size_parse(text, PERF_PARALLEL_MAX, &value) < 0 || value == 0)
                        return -complain_usage(PROGRAM, "'%s' is not a number from 1 to %u.", text,
                                               PERF_PARALLEL_MAX);
                o->parallel = (unsigned) value;
                return 0;
        case 'i':
                return argument_interval(PROGRAM, text, INTERVAL_USEC_MIN, &o->interval_usec);
        default:
                return argument_unknown(PROGRAM);
        }
}

int perf_options_parse(PerfOptions *o, int argc, char *argv[]) {
        enum { ARG_VERSION = 0x100, ARG_SERVE, ARG_BIDIR, ARG_JSON, ARG_QOS, ARG_MAX_LOSS };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "serve", no_argument, NULL, ARG_SERVE },
                { "qos", required_argument, NULL, ARG_QOS },
                { "stream", no_argument, NULL, 'S' },
                { "time", required_argument, NULL, 't' },
                { "bytes", required_argument, NULL, 'n' },
                { "size", required_argument, NULL, 's' },
                { "rate", required_argument, NULL, 'r' },
                { "parallel", required_argument, NULL, 'P' },
                { "reverse", no_argument, NULL, 'R' },
                { "bidir", no_argument, NULL, ARG_BIDIR },
                { "latency", no_argument, NULL, 'l' },
                { "interval", required_argument, NULL, 'i' },
                { "max-loss", required_argument, NULL, ARG_MAX_LOSS },
                { "json", no_argument, NULL, ARG_JSON },
                { "quiet", no_argument, NULL, 'q' },
                {},
        };
        bool latency = false, stream = false, qos_given = false;
        int c, r;

        while ((c = getopt_long(argc, argv, "hSt:n:s:r:b:P:Rli:q", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        return help();
                case ARG_VERSION:
                        return argument_version(PROGRAM);
                case ARG_SERVE:
                        o->serve = true;
                        break;
                case ARG_QOS:
                        r = argument_qos(PROGRAM, optarg, &o->qos);
                        if (r < 0)
                                return r;
                        qos_given = true;
                        break;
                case ARG_MAX_LOSS:
                        if (parse_percent(optarg, &o->max_loss_percent) < 0)
                                return -complain_usage(PROGRAM, "'%s' is not a number from 0 to 100.", optarg);
                        break;
                case 'S':
                        stream = true;
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
                        r = parse_value(c, optarg, o);
                        if (r < 0)
                                return r;
                }

        if (latency)
                o->request.mode = o->request.mode == PERF_FORWARD ? PERF_LATENCY : o->request.mode | PERF_LATENCY;

        return check_options(o, stream, qos_given, argc, argv);
}
