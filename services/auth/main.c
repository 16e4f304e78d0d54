/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* o7s-auth: verifies who is at the other end of a flow, and agrees its keys. Where to read on: service.h. */

#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "basic/log.h"
#include "services/auth/key-exchange.h"
#include "services/auth/server.h"
#include "services/common/daemon.h"

#define CLIENT_USER "o7s"

static const char *arg_root = "";
static const char *arg_user = CLIENT_USER;

static int help(void) {
        printf("o7s-auth [OPTIONS...]\n\n"
               "The authentication service of Ouroboros. Started by systemd, see o7s-auth.socket.\n\n"
               "  -h --help                 Show this help\n"
               "     --version              Show the version\n"
               "     --root=DIRECTORY       Read certificates below DIRECTORY\n"
               "     --user=NAME            Answer NAME and root only (default: " CLIENT_USER ")\n");
        return 0;
}

static int parse_arguments(int argc, char *argv[]) {
        enum { ARG_VERSION = 0x100, ARG_ROOT, ARG_USER };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "root", required_argument, NULL, ARG_ROOT },
                { "user", required_argument, NULL, ARG_USER },
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        return help();
                case ARG_VERSION:
                        puts("o7s-auth " O7S_VERSION);
                        return 0;
                case ARG_ROOT:
                        arg_root = optarg;
                        break;
                case ARG_USER:
                        arg_user = optarg;
                        break;
                default:
                        return -EINVAL;
                }

        return 1;
}

/* The memory of this process has the keys of flows in it for moments: no core, no other process of this user, no swap
 * sees them. */
static void harden(void) {
        const struct rlimit none = {};

        if (setrlimit(RLIMIT_CORE, &none) < 0)
                log_warning_errno(errno, "Failed to switch off core dumps: %m");
        if (prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) < 0)
                log_warning_errno(errno, "Failed to close the memory to other processes: %m");
        if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
                log_warning_errno(errno, "Failed to lock the memory, which may be swapped out: %m");
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

/* Without it the service still works, and knows less after its next start. */
static void keep_mark(Service *service) {
        const char *directory = getenv("STATE_DIRECTORY");
        int r;

        if (!directory) {
                log_info("There is no state directory (StateDirectory=): what was seen ends with this process.");
                return;
        }

        r = service_keep_mark(service, directory, time_realtime_nsec());
        if (r < 0)
                log_warning_errno(r, "Failed to keep %s/" MARK_FILE ", requests from before now are refused: %m",
                                  directory);
}

static int run(Daemon *daemon) {
        _cleanup_(service_freep) Service *service = NULL;
        _cleanup_(server_done) Server server = SERVER_INIT(server);     /* goes before the service that it is for */
        int listen_fd, r;
        uid_t uid = (uid_t) -1;

        r = daemon_init(daemon, "o7s-auth");
        if (r < 0)
                return EXIT_FAILURE;

        harden();
        if (find_user(&uid) < 0)
                return EXIT_FAILURE;

        listen_fd = daemon_take_fd(daemon, "auth");
        if (listen_fd < 0) {
                log_error_errno(listen_fd, "There is no socket to listen on; o7s-auth.socket passes it: %m");
                return EXIT_FAILURE;
        }

        r = service_new(arg_root, &service);
        if (r < 0) {
                (void) safe_close(listen_fd);
                log_error_errno(r, "Failed to set up: %m");
                return EXIT_FAILURE;
        }

        keep_mark(service);
        r = server_init(&server, daemon->event, service, listen_fd, uid);
        if (r < 0) {
                log_error_errno(r, "Failed to set up: %m");
                return EXIT_FAILURE;
        }

        daemon_status(daemon, "Ready");
        daemon_ready(daemon);
        return daemon_loop(daemon);
}

int main(int argc, char *argv[]) {
        Daemon daemon = {};
        int r;

        r = parse_arguments(argc, argv);
        if (r <= 0)
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;

        key_exchange_wipe_memory();
        r = run(&daemon);
        daemon_done(&daemon);
        return r;
}
