/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* o7s-keyd: holds the private keys of this host and signs handshakes with them. Where to read on: key.h. */

#include <getopt.h>
#include <pwd.h>
#include <stdio.h>

#include "basic/log.h"
#include "services/keyd/service.h"

#define CLIENT_USER "o7s"

static const char *arg_user = CLIENT_USER;

static int help(void) {
        printf("o7s-keyd [OPTIONS...]\n\n"
               "The private keys of Ouroboros. Started by systemd, see o7s-keyd.socket.\n\n"
               "  -h --help                 Show this help\n"
               "     --version              Show the version\n"
               "     --user=NAME            Answer NAME and root only (default: " CLIENT_USER ")\n");
        return 0;
}

static int parse_arguments(int argc, char *argv[]) {
        enum { ARG_VERSION = 0x100, ARG_USER };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "user", required_argument, NULL, ARG_USER },
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        return help();
                case ARG_VERSION:
                        puts("o7s-keyd " O7S_VERSION);
                        return 0;
                case ARG_USER:
                        arg_user = optarg;
                        break;
                default:
                        return -EINVAL;
                }

        return 1;
}

static int find_user(uid_t *ret) {
        const struct passwd *user;

        errno = 0;
        user = getpwnam(arg_user);
        if (!user)
                return log_error_errno(errno > 0 ? errno : ESRCH, "There is no user \"%s\" to be answered: %m",
                                       arg_user);

        *ret = user->pw_uid;
        return 0;
}

static int run(Daemon *daemon) {
        _cleanup_(key_store_freep) KeyStore *keys = NULL;
        _cleanup_(service_freep) Service *service = NULL;
        uid_t user = (uid_t) -1;
        int r;

        r = daemon_init(daemon, "o7s-keyd");
        if (r < 0)
                return EXIT_FAILURE;

        r = key_memory_protect();
        if (r < 0)
                log_warning_errno(r, "Failed to lock the memory, which may be swapped out: %m");

        r = find_user(&user);
        if (r < 0)
                return EXIT_FAILURE;

        r = key_store_new(getenv("CREDENTIALS_DIRECTORY"), &keys);
        if (r < 0) {
                log_error_errno(r, "Failed to set up: %m");
                return EXIT_FAILURE;
        }

        r = service_new(daemon, keys, user, &service);
        if (r < 0) {
                log_error_errno(r, "Failed to listen on the socket that systemd passes (o7s-keyd.socket): %m");
                return EXIT_FAILURE;
        }

        daemon_ready(daemon);
        return daemon_loop(daemon);
}

int main(int argc, char *argv[]) {
        Daemon daemon = {};
        int r;

        r = parse_arguments(argc, argv);
        if (r <= 0)
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;

        r = run(&daemon);
        daemon_done(&daemon);
        return r;
}
