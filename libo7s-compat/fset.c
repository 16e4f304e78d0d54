/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sets of flows. Each is an o7s_set, and a tree that finds the descriptor of a flow which that reports. A flow whose
 * end was told is no longer in the o7s_set, which would report it for ever, and still a member here.
 */

#include <search.h>

#include "libo7s-compat/compat.h"

static int compare_flows(const void *a, const void *b) {
        uintptr_t x = (uintptr_t) ((const Descriptor *) a)->flow, y = (uintptr_t) ((const Descriptor *) b)->flow;

        return (x > y) - (x < y);
}

_public_ fset_t *fset_create(void) {
        fset_t *set;

        set = malloc(sizeof(*set));
        if (!set)
                return NULL;

        *set = (fset_t) { .generation = compat_generation() };
        if (o7s_set_new(&set->set) < 0) {
                free(set);
                return NULL;
        }

        set->fd = o7s_set_fd(set->set);
        (void) pthread_mutex_init(&set->mutex, NULL);
        return set;
}

bool fset_is_ours(const fset_t *set) {
        return set->generation == compat_generation();
}

Descriptor *fset_find(const fset_t *set, const o7s_flow *flow) {
        const Descriptor key = { .flow = (o7s_flow *) flow };
        Descriptor **found = tfind(&key, &set->members, compare_flows);

        return found ? *found : NULL;
}

/* Locked for reading. Returns: 0, with a reference kept; -EPERM, -EINVAL, -ENOMEM. */
static int join(fset_t *set, Descriptor *d) {
        int r = -ENOMEM;

        if (__atomic_load_n(&d->deallocated, __ATOMIC_ACQUIRE))
                return -EINVAL;
        if (d->set)
                return -EPERM;

        (void) pthread_mutex_lock(&set->mutex);
        if (tsearch(d, &set->members, compare_flows)) {
                r = o7s_set_add(set->set, O7S_KIND_FLOW, d->flow);
                if (r < 0)
                        (void) tdelete(d, &set->members, compare_flows);
                else
                        set->changed = set->changed || descriptor_link_is_down(d) != d->told_down;
        }
        (void) pthread_mutex_unlock(&set->mutex);
        if (r < 0)
                return -ENOMEM;

        d->set = set;
        (void) descriptor_ref(d);
        return 0;
}

/* From this set, or (NULL) from whichever it is in. */
static void leave(Descriptor *d, const fset_t *only) {
        fset_t *set;

        (void) pthread_mutex_lock(&d->reading);
        set = !only || d->set == only ? d->set : NULL;
        if (set) {
                (void) pthread_mutex_lock(&set->mutex);
                (void) tdelete(d, &set->members, compare_flows);
                (void) o7s_set_remove(set->set, d->flow);
                (void) pthread_mutex_unlock(&set->mutex);
                d->set = NULL;
        }
        (void) pthread_mutex_unlock(&d->reading);

        if (set)
                (void) descriptor_unref(d);
}

void fset_leave(Descriptor *d) {
        leave(d, NULL);
}

_public_ int fset_add(fset_t *set, int fd) {
        _cleanup_cancel_ int cancel_state = cancel_hold();
        _cleanup_(descriptor_unrefp) Descriptor *d = NULL;
        int r;

        if (!set || !fset_is_ours(set) || descriptor_get(fd, &d) < 0)
                return -EINVAL;

        (void) pthread_mutex_lock(&d->reading);
        r = join(set, d);
        (void) pthread_mutex_unlock(&d->reading);

        return r;
}

_public_ bool fset_has(const fset_t *set, int fd) {
        _cleanup_cancel_ int cancel_state = cancel_hold();
        _cleanup_(descriptor_unrefp) Descriptor *d = NULL;
        bool has;

        if (!set || descriptor_get(fd, &d) < 0)
                return false;

        (void) pthread_mutex_lock(&d->reading);
        has = d->set == set;
        (void) pthread_mutex_unlock(&d->reading);

        return has;
}

_public_ void fset_del(fset_t *set, int fd) {
        _cleanup_cancel_ int cancel_state = cancel_hold();
        _cleanup_(descriptor_unrefp) Descriptor *d = NULL;

        if (set && descriptor_get(fd, &d) >= 0)
                leave(d, set);
}

_public_ void fset_zero(fset_t *set) {
        for (int fd = DESCRIPTOR_FIRST; set && fd < DESCRIPTORS_MAX; fd++)
                fset_del(set, fd);
}

/* In a forked child the members are of the parent, and a thread that is not there may hold the mutex. */
static void forget_member(void *member) {
        (void) descriptor_unref(member);
}

_public_ void fset_destroy(fset_t *set) {
        _cleanup_cancel_ int cancel_state = cancel_hold();

        if (!set)
                return;

        if (fset_is_ours(set)) {
                fset_zero(set);
                (void) pthread_mutex_destroy(&set->mutex);
        } else
                tdestroy(set->members, forget_member);

        (void) o7s_set_unref(set->set);
        free(set);
}
