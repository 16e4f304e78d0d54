/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What waits for a slow reader. A message that the socket does not take is kept, with duplicates of its
 * descriptors, up to a limit; nobody ever waits for anybody. The owner watches the socket for writing while
 * outbox_is_waiting() and then calls outbox_flush().
 */

#include "basic/list.h"

#define OUTBOX_FDS_MAX 2U

/* irm_message_send() or layer_message_send(), behind one type. */
typedef int (*outbox_send_t)(int fd, const void *message, const int *fds, unsigned n_fds);

typedef struct Outbox {
        List waiting;
        unsigned n;
        unsigned limit;
        size_t message_size;
        outbox_send_t send;
} Outbox;

void outbox_init(Outbox *outbox, outbox_send_t send, size_t message_size, unsigned limit);
void outbox_done(Outbox *outbox);

/* Returns: 0: sent; 1: kept for later; -ENOBUFS: the reader is too slow; -EPIPE and other errors of sending. */
int outbox_send(Outbox *outbox, int fd, const void *message, const int *fds, unsigned n_fds);

/* Returns: 0: empty; 1: still waiting; < 0: the connection is lost. */
int outbox_flush(Outbox *outbox, int fd);

static inline bool outbox_is_waiting(const Outbox *outbox) {
        return outbox->n > 0;
}
