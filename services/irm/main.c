/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* o7s-irm: the IPC resource manager of a host. Where to read on: manager.h. */

#include <getopt.h>
#include <stdio.h>

#include "basic/log.h"
#include "services/common/key-message.h"
#include "services/irm/introspect.h"
#include "services/irm/manager.h"

static ManagerPaths arg_paths = { .root = "", .auth_socket = AUTH_SOCKET_PATH, .key_socket = KEY_SOCKET_PATH };
static const char *arg_introspect = NULL;

static int help(void) {
        printf("o7s-irm [OPTIONS...]\n\n"
               "The IPC resource manager of Ouroboros. Started by systemd, see o7s-irm.socket.\n\n"
               "  -h --help                 Show this help\n"
               "     --version              Show the version\n"
               "     --root=DIRECTORY       Read the configuration below DIRECTORY\n"
               "     --auth-socket=PATH     Authentication service, instead of " AUTH_SOCKET_PATH "\n"
               "     --key-socket=PATH      Key service, instead of " KEY_SOCKET_PATH "\n"
               "     --bus-introspect=PATH  Print the D-Bus interfaces of the object at PATH\n");
        return 0;
}

static int parse_arguments(int argc, char *argv[]) {
        enum { ARG_VERSION = 0x100, ARG_ROOT, ARG_AUTH_SOCKET, ARG_KEY_SOCKET, ARG_INTROSPECT };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "root", required_argument, NULL, ARG_ROOT },
                { "auth-socket", required_argument, NULL, ARG_AUTH_SOCKET },
                { "key-socket", required_argument, NULL, ARG_KEY_SOCKET },
                { "bus-introspect", required_argument, NULL, ARG_INTROSPECT },
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        return help();
                case ARG_VERSION:
                        puts("o7s-irm " O7S_VERSION);
                        return 0;
                case ARG_ROOT:
                        arg_paths.root = optarg;
                        break;
                case ARG_AUTH_SOCKET:
                        arg_paths.auth_socket = optarg;
                        break;
                case ARG_KEY_SOCKET:
                        arg_paths.key_socket = optarg;
                        break;
                case ARG_INTROSPECT:
                        arg_introspect = optarg;
                        break;
                default:
                        return -EINVAL;
                }

        return 1;
}

static int run(Daemon *daemon) {
        _cleanup_(manager_freep) Manager *m = NULL;
        int r;

        r = daemon_init(daemon, "o7s-irm");
        if (r < 0)
                return EXIT_FAILURE;

        r = manager_new(daemon, &arg_paths, &m);
        if (r < 0) {
                log_error_errno(r, "Failed to set up: %m");
                return EXIT_FAILURE;
        }

        r = manager_start(m);
        if (r < 0)
                return EXIT_FAILURE;

        daemon_ready(daemon);
        return daemon_loop(daemon);
}

int main(int argc, char *argv[]) {
        Daemon daemon = {};
        int r;

        r = parse_arguments(argc, argv);
        if (r <= 0)
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        if (arg_introspect)
                return bus_introspect(arg_introspect, stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;

        r = run(&daemon);
        daemon_done(&daemon);
        return r;
}
