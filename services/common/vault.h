/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What o7s-auth and o7s-keyd are alike in: a process with secrets in its memory, on one socket, which answers one user.
 * Its memory is locked, is in no core and is not for other processes of its user.
 */

#include <sys/types.h>

#include "services/common/daemon.h"

typedef struct VaultOptions {
        const char *root;               /* in front of /etc; "" */
        const char *user;
        uid_t uid;                      /* that user's: who is answered besides root */
} VaultOptions;

typedef struct VaultProgram {
        const char *name;               /* "o7s-auth" */
        const char *purpose;            /* a sentence for --help */
        bool reads_below_root;          /* there is --root= */
        /* Sets up, says that it is ready, and goes round until it ends. Returns: what main() returns. */
        int (*run)(Daemon *daemon, const VaultOptions *options);
} VaultProgram;

/* All of main(). */
int vault_main(const VaultProgram *program, int argc, char *argv[]);

/* Returns: 0; -errno of what could not be had: it goes on, with less protection. */
int vault_protect_memory(void);
