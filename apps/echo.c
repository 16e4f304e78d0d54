/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* o7s-echo: serves a name and sends every message back on the flow that it came from. See echo-server.c. */

#include <getopt.h>
#include <stdio.h>

#include "apps/common.h"
#include "apps/complain.h"
#include "apps/echo-server.h"
#include "apps/show.h"

static const char *arg_name = NULL;     /* NULL: every name that is bound to us */
static bool arg_quiet = false;
static bool arg_verbose = false;
static bool arg_json = false;
static uint64_t arg_flags = 0;

static int help(void) {
        (void) printf("o7s-echo [OPTIONS...] [NAME]\n\n"
                      "Serve NAME and send every message back to where it came from. Without NAME,\n"
                      "serve every name that is bound to this program, its unit or its user.\n\n"
                      "  -h --help      Show this help\n"
                      "     --version   Show the version\n"
                      "  -q --quiet     Say nothing unless something fails\n"
                      "  -v --verbose   Say of each flow who is there and how it is protected\n"
                      "     --json      Print JSON objects, one per line\n"
                      "     --thin      Short queues: little memory for each of very many clients\n\n"
                      "Ends at SIGINT or SIGTERM. To make a name that you may serve:\n"
                      "  o7sctl name NAME --user=$USER\n\n"
                      "Exit status: 0 ended by a signal, 1 failed, 2 usage, 3 no such name, 4 not allowed,\n"
                      "69 o7s-irm does not run.\n\n"
                      "See the o7s-echo(1) man page for details.\n");
        return 0;
}

/* Returns: > 0: go on; 0: done; negative: the exit status to end with, negated. */
static int parse_arguments(int argc, char *argv[]) {
        enum { ARG_VERSION = 0x100, ARG_THIN, ARG_JSON };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "quiet", no_argument, NULL, 'q' },
                { "verbose", no_argument, NULL, 'v' },
                { "json", no_argument, NULL, ARG_JSON },
                { "thin", no_argument, NULL, ARG_THIN },
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "hqv", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        return help();
                case ARG_VERSION:
                        (void) printf("o7s-echo %s\n", o7s_version());
                        return 0;
                case ARG_THIN:
                        arg_flags = O7S_THIN;
                        break;
                case ARG_JSON:
                        arg_json = true;
                        break;
                case 'q':
                        arg_quiet = true;
                        break;
                case 'v':
                        arg_verbose = true;
                        break;
                default:
                        (void) fprintf(stderr, "See 'o7s-echo --help'.\n");
                        return -EXIT_USAGE;
                }

        if (argc - optind > 1)
                return -complain_usage("o7s-echo", "One name at most: '%s' is too many.", argv[optind + 1]);

        arg_name = argv[optind];
        return 1;
}

int main(int argc, char *argv[]) {
        _cleanup_(echo_server_freep) EchoServer *server = NULL;
        _cleanup_(fd_closep) int signal_fd = -1;
        int r;

        r = parse_arguments(argc, argv);
        if (r <= 0)
                return -r;

        signal_fd = signals_to_fd();
        if (signal_fd < 0)
                return complain_error(signal_fd, "Cannot watch for signals");

        r = echo_server_new(arg_name, arg_flags, &server);
        if (r < 0)
                return complain_error(r, "Cannot serve %s%s%s", arg_name ? "'" : "",
                                      arg_name ?: "what is bound to us", arg_name ? "'" : "");

        server->tell = arg_verbose;
        server->json = arg_json;
        if (!arg_quiet)
                show_serving(arg_name, arg_json);

        r = echo_server_run(server, signal_fd);
        if (r < 0)
                return complain_error(r, "Stopped serving");

        if (!arg_quiet)
                echo_server_show(server, arg_json);
        return EXIT_FINE;
}
