/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* See vault.h. */

#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "basic/log.h"
#include "services/common/vault.h"

#define CLIENT_USER "o7s"

static int help(const VaultProgram *program) {
        printf("%s [OPTIONS...]\n\n"
               "%s Started by systemd, see %s.socket.\n\n"
               "  -h --help                 Show this help\n"
               "     --version              Show the version\n"
               "%s"
               "     --user=NAME            Answer NAME and root only (default: " CLIENT_USER ")\n",
               program->name, program->purpose, program->name,
               program->reads_below_root ? "     --root=DIRECTORY       Read certificates below DIRECTORY\n" : "");
        return 0;
}

/* Returns: 1; 0: all that was wanted is done; -EINVAL. */
static int parse_arguments(const VaultProgram *program, int argc, char *argv[], VaultOptions *options) {
        enum { ARG_VERSION = 0x100, ARG_USER, ARG_ROOT };
        static const struct option known[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "user", required_argument, NULL, ARG_USER },
                { "root", required_argument, NULL, ARG_ROOT },
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "h", known, NULL)) >= 0)
                switch (c) {
                case 'h':
                        return help(program);
                case ARG_VERSION:
                        printf("%s " O7S_VERSION "\n", program->name);
                        return 0;
                case ARG_USER:
                        options->user = optarg;
                        break;
                case ARG_ROOT:
                        if (!program->reads_below_root) {
                                fprintf(stderr, "%s: there is no option --root\n", program->name);
                                return -EINVAL;
                        }
                        options->root = optarg;
                        break;
                default:
                        return -EINVAL;
                }

        return 1;
}

static int find_user(VaultOptions *options) {
        const struct passwd *user;

        errno = 0;
        user = getpwnam(options->user);
        if (!user)
                return log_error_errno(errno > 0 ? errno : ESRCH, "There is no user \"%s\" to be answered: %m",
                                       options->user);

        options->uid = user->pw_uid;
        return 0;
}

int vault_protect_memory(void) {
        const struct rlimit none = {};
        int r = 0;

        if (setrlimit(RLIMIT_CORE, &none) < 0)
                r = -errno;
        if (prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) < 0)
                r = -errno;

        /* A page is locked once it is there: one that was never touched has no secret in it. */
        if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
                r = -errno;

        return r;
}

static int run(const VaultProgram *program, VaultOptions *options, Daemon *daemon) {
        int r;

        r = daemon_init(daemon, program->name);
        if (r < 0)
                return EXIT_FAILURE;

        r = vault_protect_memory();
        if (r < 0)
                log_warning_errno(r, "Failed to protect the memory, which may be seen or swapped out: %m");

        r = find_user(options);
        if (r < 0)
                return EXIT_FAILURE;

        return program->run(daemon, options);
}

int vault_main(const VaultProgram *program, int argc, char *argv[]) {
        VaultOptions options = { .root = "", .user = CLIENT_USER, .uid = (uid_t) -1 };
        Daemon daemon = {};
        int r;

        r = parse_arguments(program, argc, argv, &options);
        if (r <= 0)
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;

        r = run(program, &options, &daemon);
        daemon_done(&daemon);
        return r;
}
