/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Waiting on many. One epoll instance holds the doorbells themselves, so a flow costs no further
 * descriptor. What epoll finds, and what is known without it (messages left over from before), goes to the
 * ready list; set_wait() takes members off its front, asks each what is the case, and puts those that have
 * something back at the end. So members take turns, and one that has nothing left drops off: asking it has
 * armed it.
 *
 * Order of locks: a flow's mutex, then the set's. Nothing is asked of a member while the set's mutex is
 * held.
 */

#include <poll.h>
#include <sys/epoll.h>

#include "basic/map.h"
#include "libo7s/flow-set.h"
#include "libo7s/irm-client.h"
#include "libo7s/listener.h"

#define EPOLL_BURST 64

struct SetMember {
        o7s_set *set;                   /* not owned */
        void *object;                   /* the flow or listener, with a reference; the key of the map */
        uint32_t kind;
        ListNode by_ready;
};

struct o7s_set {
        Handle handle;
        Pollable pollable;              /* the eventfd: the ready list is not empty, and somebody has to know */
        pthread_mutex_t mutex;          /* guards all that follows */
        Map *members;
        List ready;
        size_t n_ready;
        bool asleep;                    /* set_wait() is in the kernel */
        bool exported;                  /* an event loop holds the descriptor */
};

static const char waiting[] = "Waiting on the set";

static void *object_ref(uint32_t kind, void *object) {
        return kind == O7S_KIND_FLOW ? (void *) o7s_flow_ref(object) : (void *) o7s_listener_ref(object);
}

static void object_unref(uint32_t kind, void *object) {
        if (kind == O7S_KIND_FLOW)
                (void) o7s_flow_unref(object);
        else
                (void) o7s_listener_unref(object);
}

/* -- the ready list -- */

/* All of these: mutex held. */
static void set_unready(o7s_set *set, SetMember *member) {
        if (!list_is_linked(&member->by_ready))
                return;

        list_unlink(&member->by_ready);
        set->n_ready--;
}

static void set_make_ready(o7s_set *set, SetMember *member) {
        if (!list_is_linked(&member->by_ready)) {
                list_append(&set->ready, &member->by_ready);
                set->n_ready++;
        }
        if (set->asleep || set->exported)
                pollable_signal(&set->pollable, true);
}

void set_member_make_ready(SetMember *member) {
        o7s_set *set = member->set;

        (void) pthread_mutex_lock(&set->mutex);
        set_make_ready(set, member);
        (void) pthread_mutex_unlock(&set->mutex);
}

int set_member_watch(SetMember *member, int fd) {
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = member->object };

        return epoll_ctl(member->set->pollable.epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void set_member_unwatch(SetMember *member, int fd) {
        (void) epoll_ctl(member->set->pollable.epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* -- lifecycle -- */

static void set_forget(Handle *handle) {
        o7s_set *set = container_of(handle, o7s_set, handle);

        pollable_done(&set->pollable);
}

static o7s_set *set_free(o7s_set *set) {
        process_remove(&set->handle);
        pollable_done(&set->pollable);
        map_free(set->members);
        if (!handle_is_foreign(&set->handle))
                (void) pthread_mutex_destroy(&set->mutex);
        return mfree(set);
}

int o7s_set_new(o7s_set **ret) {
        static const char what[] = "Making a set";
        o7s_set *set;
        int r;

        if (!ret)
                return process_fail(-EINVAL, what, NULL, NULL, NULL, NULL);

        set = malloc(sizeof(*set));
        if (!set)
                return process_fail(-ENOMEM, what, NULL, NULL, NULL, NULL);

        *set = (o7s_set) { .pollable = POLLABLE_INIT, .handle.forget = set_forget };
        list_init(&set->ready);
        list_init(&set->handle.by_process);
        set->handle.generation = process_generation();
        (void) pthread_mutex_init(&set->mutex, NULL);

        r = map_new(&set->members);
        if (r >= 0)
                r = pollable_make(&set->pollable);
        if (r >= 0)
                r = process_add(&set->handle);
        if (r < 0) {
                set_free(set);
                return process_fail(r, what, NULL, NULL, NULL, NULL);
        }

        *ret = set;
        return 0;
}

o7s_set *o7s_set_unref(o7s_set *set) {
        SetMember *member;
        size_t position;

        if (!set)
                return NULL;

        if (!handle_is_foreign(&set->handle)) {
                for (position = 0; (member = map_next(set->members, &position)); position = 0)
                        (void) o7s_set_remove(set, member->object);
                return set_free(set);
        }

        map_for_each(member, set->members, position) {
                object_unref(member->kind, member->object);
                free(member);
        }
        return set_free(set);
}

/* -- members -- */

static int set_insert(o7s_set *set, SetMember *member, int fd) {
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = member->object };
        int r;

        (void) pthread_mutex_lock(&set->mutex);
        r = map_put(set->members, &member->object, sizeof(member->object), member);
        if (r >= 0 && fd >= 0 && epoll_ctl(set->pollable.epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
                r = -errno;
                (void) map_remove(set->members, &member->object, sizeof(member->object));
        }
        if (r >= 0)
                set_make_ready(set, member);
        (void) pthread_mutex_unlock(&set->mutex);

        return r;
}

/* Enters the member where the object says that it is in no set. */
static int set_insert_flow(o7s_set *set, SetMember *member) {
        o7s_flow *flow = member->object;
        int r = -EEXIST;

        if (handle_is_foreign(&flow->handle))
                return -ECHILD;

        (void) pthread_mutex_lock(&flow->mutex);
        if (!flow->member) {
                r = set_insert(set, member, flow_doorbell(flow));
                if (r >= 0) {
                        flow->member = member;
                        flow_watch(flow);
                }
        }
        (void) pthread_mutex_unlock(&flow->mutex);

        return r;
}

int o7s_set_add(o7s_set *set, uint32_t kind, void *handle) {
        static const char what[] = "Adding to the set";
        _cleanup_free_ SetMember *member = NULL;
        int r;

        if (!set || !handle || (kind != O7S_KIND_FLOW && kind != O7S_KIND_LISTENER))
                return process_fail(-EINVAL, what, NULL, NULL, NULL, NULL);
        if (handle_is_foreign(&set->handle))
                return process_fail(-ECHILD, what, NULL, NULL, NULL, NULL);

        member = malloc(sizeof(*member));
        if (!member)
                return process_fail(-ENOMEM, what, NULL, NULL, NULL, NULL);

        *member = (SetMember) { .set = set, .kind = kind, .object = handle };
        list_init(&member->by_ready);

        if (kind == O7S_KIND_FLOW)
                r = set_insert_flow(set, member);
        else
                r = listener_is_foreign(handle) ? -ECHILD : set_insert(set, member, listener_fd(handle));
        if (r < 0)
                return process_fail(r, what, NULL, NULL, NULL, NULL);

        (void) object_ref(kind, handle);
        (void) TAKE_PTR(member);
        return 0;
}

/* Takes the member out of map and list. Returns it, or NULL where there is none any more. */
static SetMember *set_take(o7s_set *set, void *object, int fd) {
        SetMember *member;

        (void) pthread_mutex_lock(&set->mutex);
        member = map_remove(set->members, &object, sizeof(object));
        if (member) {
                set_unready(set, member);
                if (fd >= 0)
                        (void) epoll_ctl(set->pollable.epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        }
        (void) pthread_mutex_unlock(&set->mutex);

        return member;
}

static SetMember *set_take_flow(o7s_set *set, o7s_flow *flow) {
        SetMember *member = NULL;

        (void) pthread_mutex_lock(&flow->mutex);
        if (flow->member && flow->member->set == set) {
                member = set_take(set, flow, flow_doorbell(flow));
                flow->member = NULL;
        }
        (void) pthread_mutex_unlock(&flow->mutex);

        return member;
}

int o7s_set_remove(o7s_set *set, void *handle) {
        static const char what[] = "Removing from the set";
        SetMember *member;
        uint32_t kind;

        if (!set || !handle)
                return process_fail(-EINVAL, what, NULL, NULL, NULL, NULL);
        if (handle_is_foreign(&set->handle))
                return process_fail(-ECHILD, what, NULL, NULL, NULL, NULL);

        (void) pthread_mutex_lock(&set->mutex);
        member = map_get(set->members, &handle, sizeof(handle));
        kind = member ? member->kind : 0;
        (void) pthread_mutex_unlock(&set->mutex);

        if (kind == O7S_KIND_FLOW)
                member = set_take_flow(set, handle);
        else if (kind == O7S_KIND_LISTENER)
                member = set_take(set, handle, listener_fd(handle));
        if (!member)
                return process_fail(-ENOENT, what, NULL, NULL, NULL, "It is not in this set");

        object_unref(member->kind, member->object);
        free(member);
        return 0;
}

/* -- waiting -- */

/* Whether nobody has to sleep. Announces the sleep where somebody has. */
static bool set_begin_sleep(o7s_set *set) {
        bool ready;

        (void) pthread_mutex_lock(&set->mutex);
        ready = !list_is_empty(&set->ready);
        set->asleep = !ready;
        (void) pthread_mutex_unlock(&set->mutex);

        return ready;
}

/* Those whose doorbells rang become ready. */
static void set_end_sleep(o7s_set *set, const struct epoll_event *found, int n) {
        (void) pthread_mutex_lock(&set->mutex);
        set->asleep = false;
        for (int i = 0; i < n; i++) {
                SetMember *member = map_get(set->members, &found[i].data.ptr, sizeof(found[i].data.ptr));

                if (member)     /* none: our own eventfd, or one that was just removed */
                        set_make_ready(set, member);
        }
        (void) pthread_mutex_unlock(&set->mutex);
}

/* Takes from epoll what there is, sleeping where nothing is ready. Returns: 0; -ETIMEDOUT; -EINTR. */
static int set_poll(o7s_set *set, usec_t deadline) {
        struct epoll_event found[EPOLL_BURST];
        bool ready = set_begin_sleep(set);
        int n, r = 0;

        if (!ready) {
                r = wait_for_fd(set->pollable.epoll_fd, POLLIN, deadline);
                if (r == 0)
                        r = -EINTR;
        }

        n = r < 0 ? 0 : epoll_wait(set->pollable.epoll_fd, found, EPOLL_BURST, 0);
        set_end_sleep(set, found, MAX(n, 0));
        return MIN(r, 0);
}

/* Takes one member off the front, with a reference to its object. */
static bool set_pop(o7s_set *set, o7s_event *ret) {
        SetMember *member;

        (void) pthread_mutex_lock(&set->mutex);
        member = list_first(&set->ready, SetMember, by_ready);
        if (member) {
                set_unready(set, member);
                *ret = (o7s_event) { .handle = object_ref(member->kind, member->object), .kind = member->kind };
        }
        (void) pthread_mutex_unlock(&set->mutex);

        return member;
}

/* Something is the case: back to the end, unless it was removed meanwhile. */
static bool set_push_back(o7s_set *set, void *object) {
        SetMember *member;

        (void) pthread_mutex_lock(&set->mutex);
        member = map_get(set->members, &object, sizeof(object));
        if (member)
                set_make_ready(set, member);
        (void) pthread_mutex_unlock(&set->mutex);

        return member;
}

/* Asks each ready member once, until n have something. */
static unsigned set_collect(o7s_set *set, o7s_event *events, unsigned n) {
        unsigned found = 0;
        size_t left;

        (void) pthread_mutex_lock(&set->mutex);
        left = set->n_ready;
        (void) pthread_mutex_unlock(&set->mutex);

        for (; left > 0 && found < n; left--) {
                o7s_event event;

                if (!set_pop(set, &event))
                        break;

                event.events = event.kind == O7S_KIND_FLOW ? flow_report_events(event.handle)
                                                           : listener_events(event.handle);
                if (event.events != 0 && set_push_back(set, event.handle))
                        events[found++] = event;
                object_unref(event.kind, event.handle);
        }

        (void) pthread_mutex_lock(&set->mutex);
        pollable_signal(&set->pollable, set->exported && !list_is_empty(&set->ready));
        (void) pthread_mutex_unlock(&set->mutex);

        return found;
}

int o7s_set_wait(o7s_set *set, o7s_event *events, unsigned n, uint64_t timeout_usec) {
        usec_t deadline = timeout_usec == 0 ? 0 : usec_add(time_now(), timeout_usec);

        if (!set || !events || n == 0 || n > INT32_MAX)
                return process_fail(-EINVAL, waiting, NULL, NULL, NULL, NULL);
        if (handle_is_foreign(&set->handle))
                return process_fail(-ECHILD, waiting, NULL, NULL, NULL, NULL);

        for (;;) {
                unsigned found;
                int r;

                r = set_poll(set, deadline);
                found = r == -EINTR ? 0 : set_collect(set, events, n);
                if (found > 0)
                        return (int) found;
                if (r == -ETIMEDOUT && timeout_usec == 0)
                        r = -EAGAIN;
                if (r < 0)
                        return process_fail(r, waiting, NULL, NULL, NULL, NULL);
        }
}

int o7s_set_fd(o7s_set *set) {
        if (!set || handle_is_foreign(&set->handle))
                return process_fail(set ? -ECHILD : -EINVAL, waiting, NULL, NULL, NULL, NULL);

        (void) pthread_mutex_lock(&set->mutex);
        set->exported = true;
        pollable_signal(&set->pollable, !list_is_empty(&set->ready));
        (void) pthread_mutex_unlock(&set->mutex);

        return set->pollable.epoll_fd;
}
