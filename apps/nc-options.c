/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command line of o7s-nc. Letters mean what they mean to other programs of this kind. */

#include <getopt.h>
#include <stdio.h>

#include "apps/argument.h"
#include "apps/complain.h"
#include "apps/nc-options.h"
#include "apps/preset.h"
#include "apps/units.h"

#define PROGRAM "o7s-nc"

static int help(void) {
        (void) printf("o7s-nc [OPTIONS...] NAME\n"
                      "o7s-nc --listen [OPTIONS...] [NAME]\n\n"
                      "Join standard input and output with a flow to NAME, or with one that somebody else opens.\n\n"
                      "  -h --help          Show this help\n"
                      "     --version       Show the version\n"
                      "  -l --listen        Serve NAME, or what is bound to us, and take one flow\n"
                      "  -k --keep-open     With --listen: take the next flow when one has ended\n"
                      "  -N --shutdown      Close the flow at the end of input, when all of it has arrived\n"
                      "  -q --quit=TIME     Close the flow this long after the end of input\n"
                      "  -m --messages      One message for each line, instead of a stream of bytes\n"
                      "     --qos=PRESET    With --messages: raw, raw-safe, best-effort, video, voice or data\n"
                      "                     (default: data)\n"
                      "  -w --timeout=TIME  For the flow to open (default: 10s)\n"
                      "  -z --zero          Only see whether the flow opens\n"
                      "  -v --verbose       Say on standard error what happens\n\n"
                      "As a proxy of ssh:  ssh -o ProxyCommand='o7s-nc %%h' NAME\n\n"
                      "Exit status: 0 ended in order, 1 failed or interrupted, 2 usage, 3 cannot be reached, or the\n"
                      "other side was gone before it had everything, 4 not allowed, 5 no answer in time,\n"
                      "69 o7s-irm does not run.\n\n"
                      "See the o7s-nc(1) man page for details.\n");
        return 0;
}

static int check_options(NcOptions *o, bool qos_given, int argc, char *argv[]) {
        int r;

        r = argument_name(PROGRAM, argc, argv, o->listen, &o->name);
        if (r < 0)
                return r;
        if (o->keep_open && !o->listen)
                return -complain_usage(PROGRAM, "--keep-open is for --listen.");
        if (o->only_look && o->listen)
                return -complain_usage(PROGRAM, "--zero is not for --listen.");
        if (qos_given && o->listen)
                return -complain_usage(PROGRAM, "Who opens the flow chooses --qos.");
        if (qos_given && !o->messages && !preset_is_reliable(&o->qos))
                return -complain_usage(PROGRAM, "A stream of bytes may lose nothing: use --messages with this --qos.");

        return 1;
}

int nc_options_parse(int argc, char *argv[], NcOptions *ret) {
        enum { ARG_VERSION = 0x100, ARG_QOS };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "listen", no_argument, NULL, 'l' },
                { "keep-open", no_argument, NULL, 'k' },
                { "shutdown", no_argument, NULL, 'N' },
                { "quit", required_argument, NULL, 'q' },
                { "messages", no_argument, NULL, 'm' },
                { "qos", required_argument, NULL, ARG_QOS },
                { "timeout", required_argument, NULL, 'w' },
                { "zero", no_argument, NULL, 'z' },
                { "verbose", no_argument, NULL, 'v' },
                {},
        };
        NcOptions o = { .timeout_usec = 10 * USEC_PER_SEC, .quit_usec = UINT64_MAX, .qos = O7S_QOS_DATA };
        bool qos_given = false;
        int c, r;

        while ((c = getopt_long(argc, argv, "hlkNq:mw:zv", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        return help();
                case ARG_VERSION:
                        return argument_version(PROGRAM);
                case 'l':
                        o.listen = true;
                        break;
                case 'k':
                        o.keep_open = true;
                        break;
                case 'N':
                        o.quit_usec = 0;
                        break;
                case 'q':
                        if (duration_parse(optarg, &o.quit_usec) < 0)
                                return -complain_usage(PROGRAM, "'%s' is not a time such as 500ms or 5s.", optarg);
                        break;
                case 'm':
                        o.messages = true;
                        break;
                case ARG_QOS:
                        r = argument_qos(PROGRAM, optarg, &o.qos);
                        if (r < 0)
                                return r;
                        qos_given = true;
                        break;
                case 'w':
                        r = argument_time(PROGRAM, optarg, &o.timeout_usec);
                        if (r < 0)
                                return r;
                        break;
                case 'z':
                        o.only_look = true;
                        break;
                case 'v':
                        o.verbose = true;
                        break;
                default:
                        return argument_unknown(PROGRAM);
                }

        r = check_options(&o, qos_given, argc, argv);
        if (r > 0)
                *ret = o;
        return r;
}
