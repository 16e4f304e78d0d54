/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command line of o7s-ping. */

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "apps/argument.h"
#include "apps/complain.h"
#include "apps/ping-message.h"
#include "apps/ping-options.h"
#include "apps/units.h"

#define INTERVAL_USEC_MIN 1000U         /* more often is --flood, or a job for o7s-perf */
#define FLOOD_INTERVAL_USEC 10000U

#define PROGRAM "o7s-ping"

enum { ARG_VERSION = 0x100, ARG_QOS, ARG_TIMEOUT, ARG_JSON, ARG_UNTIL_UP, ARG_HISTOGRAM };

static int help(void) {
        (void) printf("o7s-ping [OPTIONS...] NAME\n"
                      "o7s-ping --listen [NAME]\n\n"
                      "Open a flow to NAME, send messages to be echoed, and show how long they take.\n\n"
                      "  -h --help            Show this help\n"
                      "     --version         Show the version\n"
                      "  -l --listen          Serve NAME, or what is bound to us: be who answers\n"
                      "  -c --count=N         Stop after N messages (default: when interrupted)\n"
                      "  -d --duration=TIME   Stop after this time\n"
                      "  -i --interval=TIME   From one message to the next (default: 1s)\n"
                      "  -f --flood           Send the next one as soon as an answer comes\n"
                      "  -s --size=BYTES      Size of a message (default: 64; 24 to 64K, or 'mtu')\n"
                      "     --qos=PRESET      raw, raw-safe, best-effort, video, voice or data (default: raw)\n"
                      "     --timeout=TIME    For the flow and for each answer (default: 5s)\n"
                      "     --until-up        Try until the name can be reached\n"
                      "  -D --timestamps      Begin each line with the time of day\n"
                      "     --histogram       Show how the times are distributed, too\n"
                      "     --json            Print one JSON object per line\n"
                      "  -q --quiet           Print the first line and the summary only\n\n"
                      "Exit status: 0 all answers came, 1 failed, 2 usage, 3 cannot be reached, 4 not allowed,\n"
                      "5 no answer in time, 6 some answers were lost, 69 o7s-irm does not run.\n\n"
                      "See the o7s-ping(1) man page for details.\n");
        return 0;
}

static int parse_size(const char *text, PingOptions *o) {
        o->size_is_mtu = strcmp(text, "mtu") == 0;
        if (o->size_is_mtu)
                return 0;
        if (size_parse(text, PING_MESSAGE_BYTES_MAX, &o->size) < 0 || o->size < PING_BYTES_MIN)
                return -complain_usage(PROGRAM, "'%s' is not a size of %u to %u bytes, nor 'mtu'.", text,
                                       PING_BYTES_MIN, PING_MESSAGE_BYTES_MAX);
        return 0;
}

/* One option with a value. Returns: 0; the negated exit status. */
static int parse_value(int c, const char *text, PingOptions *o) {
        switch (c) {
        case 'c':
                if (size_parse(text, UINT32_MAX, &o->count) < 0 || o->count == 0)
                        return -complain_usage(PROGRAM, "'%s' is not a number of messages.", text);
                return 0;
        case 'd':
                return argument_time(PROGRAM, text, &o->duration_usec);
        case 'i':
                return argument_interval(PROGRAM, text, INTERVAL_USEC_MIN, &o->interval_usec);
        case 's':
                return parse_size(text, o);
        case ARG_QOS:
                return argument_qos(PROGRAM, text, &o->qos);
        case ARG_TIMEOUT:
                return argument_time(PROGRAM, text, &o->timeout_usec);
        default:
                return argument_unknown(PROGRAM);
        }
}

int ping_options_parse(int argc, char *argv[], PingOptions *ret) {
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "listen", no_argument, NULL, 'l' },
                { "count", required_argument, NULL, 'c' },
                { "duration", required_argument, NULL, 'd' },
                { "interval", required_argument, NULL, 'i' },
                { "flood", no_argument, NULL, 'f' },
                { "size", required_argument, NULL, 's' },
                { "qos", required_argument, NULL, ARG_QOS },
                { "timeout", required_argument, NULL, ARG_TIMEOUT },
                { "until-up", no_argument, NULL, ARG_UNTIL_UP },
                { "timestamps", no_argument, NULL, 'D' },
                { "histogram", no_argument, NULL, ARG_HISTOGRAM },
                { "json", no_argument, NULL, ARG_JSON },
                { "quiet", no_argument, NULL, 'q' },
                {},
        };
        PingOptions o = { .size = 64, .timeout_usec = 5 * USEC_PER_SEC, .qos = O7S_QOS_RAW };
        int c, r;

        while ((c = getopt_long(argc, argv, "hlc:d:i:fs:Dq", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        return help();
                case ARG_VERSION:
                        return argument_version(PROGRAM);
                case 'l':
                        o.listen = true;
                        break;
                case 'f':
                        o.flood = true;
                        break;
                case 'D':
                        o.timestamps = true;
                        break;
                case 'q':
                        o.quiet = true;
                        break;
                case ARG_UNTIL_UP:
                        o.until_up = true;
                        break;
                case ARG_HISTOGRAM:
                        o.histogram = true;
                        break;
                case ARG_JSON:
                        o.json = true;
                        break;
                default:
                        r = parse_value(c, optarg, &o);
                        if (r < 0)
                                return r;
                }

        r = argument_name(PROGRAM, argc, argv, o.listen, &o.name);
        if (r < 0)
                return r;

        if (o.interval_usec == 0)
                o.interval_usec = o.flood ? FLOOD_INTERVAL_USEC : USEC_PER_SEC;
        *ret = o;
        return 1;
}
