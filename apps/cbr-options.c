/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command line of o7s-cbr. */

#include <getopt.h>
#include <stdio.h>

#include "apps/argument.h"
#include "apps/cbr.h"
#include "apps/units.h"

#define INTERVAL_USEC_MIN 100000U

#define PROGRAM "o7s-cbr"

enum { ARG_VERSION = 0x100, ARG_SERVE, ARG_SPIN, ARG_QOS, ARG_JSON };

static int help(void) {
        (void) printf("o7s-cbr [OPTIONS...] NAME\n"
                      "o7s-cbr --serve [OPTIONS...] [NAME]\n\n"
                      "Send messages to NAME at a constant rate, and see what arrives there, and how evenly.\n\n"
                      "  -h --help           Show this help\n"
                      "     --version        Show the version\n"
                      "     --serve          Serve NAME, or what is bound to us: be who counts\n"
                      "  -d --duration=TIME  How long to send (default: 60s)\n"
                      "  -r --rate=BITS      Bits per second, such as 64K or 10M (default: 1M)\n"
                      "  -s --size=BYTES     Size of a message (default: 1000; 32 to 1M)\n"
                      "     --qos=PRESET     raw, raw-safe, best-effort, video, voice or data (default: raw)\n"
                      "     --spin           Wait for the next message by looking at the clock, not by sleeping\n"
                      "  -i --interval=TIME  With --serve: from one line for each flow to the next (default: 1s)\n"
                      "     --json           Print one JSON object per line\n"
                      "  -q --quiet          Print the summary only\n\n"
                      "Exit status: 0 everything arrived, 1 failed, 2 usage, 3 cannot be reached, 4 not allowed,\n"
                      "5 no answer or no report in time, 6 something was lost, 69 o7s-irm does not run.\n\n"
                      "See the o7s-cbr(1) man page for details.\n");
        return 0;
}

/* One option with a value. Returns: 0; the negated exit status. */
static int parse_value(int c, const char *text, CbrOptions *o) {
        switch (c) {
        case 'd':
                return argument_time(PROGRAM, text, &o->duration_usec);
        case 'i':
                return argument_interval(PROGRAM, text, INTERVAL_USEC_MIN, &o->interval_usec);
        case 'r':
                return argument_rate(PROGRAM, text, &o->rate_bps);
        case 's':
                return argument_size(PROGRAM, text, CBR_HEADER_BYTES, CBR_MESSAGE_BYTES_MAX, &o->size);
        case ARG_QOS:
                return argument_qos(PROGRAM, text, &o->qos);
        default:
                return argument_unknown(PROGRAM);
        }
}

int cbr_options_parse(int argc, char *argv[], CbrOptions *ret) {
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "serve", no_argument, NULL, ARG_SERVE },
                { "duration", required_argument, NULL, 'd' },
                { "rate", required_argument, NULL, 'r' },
                { "size", required_argument, NULL, 's' },
                { "qos", required_argument, NULL, ARG_QOS },
                { "spin", no_argument, NULL, ARG_SPIN },
                { "interval", required_argument, NULL, 'i' },
                { "json", no_argument, NULL, ARG_JSON },
                { "quiet", no_argument, NULL, 'q' },
                {},
        };
        CbrOptions o = {
                .duration_usec = 60 * USEC_PER_SEC,
                .interval_usec = USEC_PER_SEC,
                .rate_bps = 1000000,
                .size = 1000,
                .qos = O7S_QOS_RAW,
        };
        int c, r;

        while ((c = getopt_long(argc, argv, "hd:r:s:i:q", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        return help();
                case ARG_VERSION:
                        return argument_version(PROGRAM);
                case ARG_SERVE:
                        o.serve = true;
                        break;
                case ARG_SPIN:
                        o.spin = true;
                        break;
                case ARG_JSON:
                        o.json = true;
                        break;
                case 'q':
                        o.quiet = true;
                        break;
                default:
                        r = parse_value(c, optarg, &o);
                        if (r < 0)
                                return r;
                }

        r = argument_name(PROGRAM, argc, argv, o.serve, &o.name);
        if (r < 0)
                return r;

        *ret = o;
        return 1;
}
