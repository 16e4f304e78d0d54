/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Events. A queue takes a private copy of what is the case at the members of a set. Sets are level-triggered: a flow
 * with a hundred messages is one FLOW_PKT, as one read is certain not to wait, and it is there again in the next
 * fevent() until the last message was read. So a program that reads once per event and one that reads until nothing
 * is left both get everything.
 *
 * The end of a flow is told once, when everything was read: by FLOW_DEALLOC or FLOW_PEER, which say how, and by
 * FLOW_DOWN. That alone, and later FLOW_UP, is a link below that went down and came back: what is the case, not what
 * was, so that of a cable pulled and plugged in again between two looks nothing is told. One whose layer is restarted
 * was never down.
 *
 * <o7s.h> tells once that something has changed, perhaps to who writes. Then the set notes it, and looks at all of its
 * members.
 */

#include <search.h>

#include "libo7s-compat/compat.h"

#define EVENTS_MAX 1024U
#define EVENTS_PER_FLOW 2U
#define FLOWS_PER_LOOK 256U
#define LINKS_PER_LOOK 512U

_Static_assert(LINKS_PER_LOOK + FLOWS_PER_LOOK * EVENTS_PER_FLOW <= EVENTS_MAX, "what is found has room");

typedef struct Event {
        uint64_t serial;                /* of the descriptor, as the number may be another flow's by now */
        int number;
        enum fqtype type;
} Event;

struct fqueue {
        unsigned n;
        unsigned next;                  /* to be told */
        Event told;                     /* by fqueue_next(); number 0: none */
        Event events[EVENTS_MAX];
};

_public_ fqueue_t *fqueue_create(void) {
        return calloc(1, sizeof(struct fqueue));
}

_public_ void fqueue_destroy(struct fqueue *fq) {
        free(fq);
}

static void push(fqueue_t *fq, const Descriptor *d, enum fqtype type) {
        fq->events[fq->n++] = (Event) { .serial = d->serial, .number = d->number, .type = type };
}

/* The link of one flow, where that is news. The set's mutex is held. */
static void push_link(fqueue_t *fq, Descriptor *d) {
        bool down = descriptor_link_is_down(d);

        if (down != d->told_down)
                push(fq, d, down ? FLOW_DOWN : FLOW_UP);
        d->told_down = down;
}

/* What there is no room for is told another time. */
static void push_link_of(const void *node, VISIT visit, void *userdata) {
        fqueue_t *fq = userdata;

        if ((visit == postorder || visit == leaf) && fq->n < LINKS_PER_LOOK)
                push_link(fq, *(Descriptor *const *) node);
}

static void push_links(fqueue_t *fq, fset_t *set) {
        if (!set->changed)
                return;

        twalk_r(set->members, push_link_of, fq);
        set->changed = fq->n >= LINKS_PER_LOOK;
}

/* Of one flow. The set's mutex is held. */
static void push_events(fqueue_t *fq, fset_t *set, Descriptor *d, uint32_t events) {
        if ((events & O7S_CHANGED) && !(events & O7S_DOWN))
                push_link(fq, d);
        if (events & O7S_READABLE)
                push(fq, d, FLOW_PKT);
        else if (events & O7S_DOWN) {
                push(fq, d, events & O7S_PEER_GONE ? FLOW_PEER : FLOW_DEALLOC);
                push(fq, d, FLOW_DOWN);
                (void) o7s_set_remove(set->set, d->flow);       /* once is enough */
        }
}

/* Returns: whether there is anything now. That a flow has changed in another way, in its MTU for one, is no event. */
static bool fill(fqueue_t *fq, fset_t *set) {
        o7s_event events[FLOWS_PER_LOOK];
        int n;

        fq->n = fq->next = 0;
        fq->told.number = 0;

        (void) pthread_mutex_lock(&set->mutex);
        push_links(fq, set);
        n = o7s_set_wait(set->set, events, FLOWS_PER_LOOK, 0);
        for (int i = 0; i < n; i++) {
                Descriptor *d = fset_find(set, events[i].handle);

                if (d)
                        push_events(fq, set, d, events[i].events);
        }
        (void) pthread_mutex_unlock(&set->mutex);

        return fq->n > 0;
}

/* Past the events of flows that are gone. Returns: whether one is left. */
static bool skip_gone(fqueue_t *fq) {
        while (fq->next < fq->n && !descriptor_is_current(fq->events[fq->next].number, fq->events[fq->next].serial))
                fq->next++;

        return fq->next < fq->n;
}

_public_ ssize_t fevent(fset_t *set, fqueue_t *fq, const struct timespec *timeo) {
        _cleanup_cancel_ int cancel_state = cancel_hold();
        nsec_t timeout, deadline;
        int r;

        if (!set || !fq || !fset_is_ours(set))
                return -EINVAL;

        r = nsec_from_timespec(timeo, &timeout);
        if (r < 0)
                return r;
        if (skip_gone(fq))
                return 1;

        deadline = nsec_deadline(timeout);
        while (!fill(fq, set)) {
                r = wait_readable(set->fd, deadline, cancel_state);
                if (r < 0)
                        return r;
        }

        return 1;
}

_public_ int fqueue_next(fqueue_t *fq) {
        _cleanup_cancel_ int cancel_state = cancel_hold();

        if (!fq)
                return -EINVAL;
        if (!skip_gone(fq))
                return -EPERM;

        fq->told = fq->events[fq->next++];
        return fq->told.number;
}

_public_ enum fqtype fqueue_type(fqueue_t *fq) {
        if (!fq)
                return (enum fqtype) -EINVAL;

        return fq->told.number == 0 ? (enum fqtype) -EPERM : fq->told.type;
}
