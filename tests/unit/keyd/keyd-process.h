/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* o7s-keyd as a process of its own, with a socket and keys in a directory of the test's; and a look into its memory. */

#include <sys/types.h>

#include "services/common/key-message.h"
#include "tests/unit/auth/certificate-maker.h"

typedef struct KeydProcess {
        char directory[64];
        char socket_path[96];
        pid_t pid;
} KeydProcess;

void keyd_start(KeydProcess *p, const char *program);
void keyd_stop(KeydProcess *p);

/* Of one that has ended by itself. */
void keyd_clean(KeydProcess *p);

/* Writes directory/name, mode 0400: bytes; a private key. */
void keyd_write(const KeydProcess *p, const char *name, const void *data, size_t size);
void keyd_write_key(const KeydProcess *p, const char *name, MakerKey kind, unsigned number);

/* Returns: a connection. */
int keyd_connect(const KeydProcess *p);

/* Asks and waits for the answer. Returns: 0; -EPIPE: it hung up. */
int keyd_ask(int fd, const KeyMessage *question, KeyMessage *ret);

typedef struct MemoryHits {
        unsigned n;             /* places where one of the needles was found */
        unsigned n_unlocked;    /* of them in memory that may be swapped out */
} MemoryHits;

/* Each needle is looked for forwards and backwards, as numbers are kept. */
MemoryHits keyd_search(const KeydProcess *p, const Blob *needles, unsigned n_needles);
