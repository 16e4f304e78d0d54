/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef OUROBOROS_DEV_H
#define OUROBOROS_DEV_H

/*
 * Flows by number. Descriptors are small integers from 64 on, and no descriptors of the kernel. Calls return 0 or
 * more, or a negative errno, those of <ouroboros/errno.h> among them. Every call may be made from any thread. See
 * o7s-compat(7).
 */

#include <ouroboros/qos.h>

#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A flow to a name. qs: what it should be like, overwritten with what it is; NULL: raw. timeo: from now; NULL: for
 * ever. Returns: a descriptor; -ENAME, -EIPCP, -EIRMD, -ETIMEDOUT, -EAUTH, -ECRYPT, -EPERM, -EBADF, -EINVAL,
 * -ENOTSUP, -ENOMEM. */
int flow_alloc(const char *dst_name, qosspec_t *qs, const struct timespec *timeo);

/* The next flow to any name that is bound to this program. qs: what the other side asked for; may be NULL.
 * Returns: a descriptor; -ETIMEDOUT, -EIRMD, -EPERM, -EBADF, -EINVAL, -ENOMEM. */
int flow_accept(qosspec_t *qs, const struct timespec *timeo);

/* The flow of a broadcast layer. Returns: a descriptor; -EIPCP: this host is in no such layer; as flow_alloc(). */
int flow_join(const char *bc, const struct timespec *timeo);

/* Ends a flow. A reliable one stays until all that was written is acknowledged, or it is down.
 * Returns: 0; -EINVAL: out of range; -ENOTALLOC. */
int flow_dealloc(int fd);

/* Sends one message; none (count 0) only looks whether it could. Returns: count; -EAGAIN, -ETIMEDOUT, -EMSGSIZE,
 * -EPERM, -EFLOWDOWN, -EFLOWPEER, -ECONNRESET, -EINVAL, -EBADF, -ENOTALLOC, -ENOMEM. */
ssize_t flow_write(int fd, const void *buf, size_t count);

/* Receives a message, or part of one: what does not fit is there for the next read. 0 is the end of a message that
 * filled the buffers of the reads before. Returns: bytes; -EAGAIN, -ETIMEDOUT, -EMSGSIZE, -EPERM, -EFLOWDOWN,
 * -EFLOWPEER, -EINVAL, -EBADF, -ENOTALLOC, -ENOMEM. */
ssize_t flow_read(int fd, void *buf, size_t count);

#ifdef __cplusplus
}
#endif

#endif
