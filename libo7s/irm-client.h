/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Talking to the IRM over one connection: connecting, asking and being answered, with a limit on every wait.
 * Knows nothing of flows, keeps nothing: who owns the connection guards it.
 */

#include "basic/time.h"
#include "libo7s/irm-message.h"

/* The IRM answers every request at once; one that has not done so after this long is stuck. */
#define IRM_REPLY_USEC (10 * USEC_PER_SEC)

/* Where the IRM is: $O7S_SOCKET (a path, or "@" and an abstract name) or the usual place. Returns: 0;
 * -EHOSTDOWN: it does not run; -EACCES; -EINVAL: the path is too long; -ETIMEDOUT; -EMFILE. */
int irm_connect(int *ret_fd);

/* Sends one message, waiting for room until the deadline. Returns: 0; -ETIMEDOUT; -EPIPE; others of
 * irm_message_send(). */
int irm_send(int fd, const IrmMessage *message, const int *fds, unsigned n_fds, usec_t deadline);

/* Sends and waits for the IRM_REPLY. *ret_fd is the descriptor that came with it, or -1. What the IRM
 * decided is ret->result. Returns: 0; -ETIMEDOUT; -EPIPE; -EPROTO: something else came; -EBADMSG. After a
 * failure the connection is out of step and must be closed. */
int irm_request(int fd, const IrmMessage *request, IrmMessage *ret, int *ret_fd);

/* ppoll() on one descriptor. Returns: the events; 0: a signal, look again; -ETIMEDOUT. */
int wait_for_fd(int fd, short events, usec_t deadline);
