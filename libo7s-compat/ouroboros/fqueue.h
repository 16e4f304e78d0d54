/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef OUROBOROS_FQUEUE_H
#define OUROBOROS_FQUEUE_H

/* Waiting on many flows: a set of them, and a queue that takes what happened at its members. */

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

enum fqtype {
        FLOW_PKT = 1 << 0,              /* there is something to read */
        FLOW_DOWN = 1 << 1,             /* the flow has ended, or the link below it is down */
        FLOW_UP = 1 << 2,               /* that link is back */
        FLOW_ALLOC = 1 << 3,            /* never */
        FLOW_DEALLOC = 1 << 4,          /* the other side released it */
        FLOW_PEER = 1 << 5              /* the other side is gone */
};

typedef struct flow_set fset_t;
typedef struct fqueue fqueue_t;

/* Return NULL where there is no memory, or no descriptor left. */
fset_t *fset_create(void);
fqueue_t *fqueue_create(void);

/* NULL is fine. No thread may still use it. */
void fset_destroy(fset_t *set);
void fqueue_destroy(struct fqueue *fq);

/* Takes all members out. */
void fset_zero(fset_t *set);

/* A flow is in one set at most. Returns: 0; -EINVAL; -EPERM: it is in a set; -ENOMEM. */
int fset_add(fset_t *set, int fd);
bool fset_has(const fset_t *set, int fd);
void fset_del(fset_t *set, int fd);

/* Waits until something happened at a member, at once where the queue still has something. timeo: from now; NULL: for
 * ever. Returns: 1; -ETIMEDOUT, -EINVAL. */
ssize_t fevent(fset_t *set, fqueue_t *fq, const struct timespec *timeo);

/* The descriptor that the next event is about. Returns: it; -EPERM: no more events; -EINVAL. */
int fqueue_next(fqueue_t *fq);

/* What happened there. Returns: the type; -EPERM: fqueue_next() has not said anything yet; -EINVAL. */
enum fqtype fqueue_type(fqueue_t *fq);

#ifdef __cplusplus
}
#endif

#endif
