/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Records on SOCK_SEQPACKET sockets between processes of one host, and the descriptors that travel with them. Nothing
 * waits, and no descriptor that came is ever lost, whatever else is wrong with the record.
 */

#include <stddef.h>
#include <sys/types.h>

#define RECORD_FDS_MAX 2U

/* What came with a record. Closed with record_fds_close(), the way out of every path but success. */
typedef struct RecordFds {
        int fds[RECORD_FDS_MAX];        /* -1 from n on */
        unsigned n;                     /* how many came; those beyond RECORD_FDS_MAX are closed already */
} RecordFds;

#define RECORD_FDS_INIT ((RecordFds) { .fds = { -1, -1 } })

void record_fds_close(RecordFds *fds);

/* The descriptors are the caller's now: ret has n of them, and -1 after these. */
void record_fds_take(RecordFds *fds, int ret[RECORD_FDS_MAX]);

/* The descriptors stay the caller's. Returns: 0; -EAGAIN: no room; -EPIPE: the other end is gone; another errno of
 * sendmsg(). */
int record_send(int socket_fd, const void *record, size_t size, const int *fds, unsigned n_fds);

/* Descriptors that came are in *fds also when this fails. Returns: the record's size; -EAGAIN: nothing there; -EPIPE: the
 * other end is gone, and everything it sent was read; -EBADMSG: larger than size, or too many descriptors; another
 * errno of recvmsg(). */
ssize_t record_receive(int socket_fd, void *buffer, size_t size, RecordFds *fds);
