/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Descriptors: the process's table of small integers, each of them a flow. Numbers are given out lowest first, and
 * free again as soon as flow_dealloc() has begun. Whoever is inside a call has a reference, so that a descriptor can
 * be deallocated at any time.
 *
 * After fork() the child has none: what it inherited is of no use there (<o7s.h>), so its table is emptied, and its
 * own first flow is number 64 again. That happens at its next call, not in the handler of fork(), which may run
 * before that of <o7s.h>.
 */

#include <sys/eventfd.h>
#include <unistd.h>

#include "libo7s-compat/compat.h"

typedef struct Process {
        pthread_mutex_t mutex;          /* guards all that follows */
        unsigned generation;            /* atomic; forks so far */
        unsigned table_generation;      /* of the process whose descriptors are in the table */
        uint64_t last_serial;
        Descriptor *table[DESCRIPTORS_MAX];     /* below DESCRIPTOR_FIRST there is never one */
        o7s_listener *listener;

        pthread_once_t once;
        int once_error;
} Process;

static Process process = {
        .mutex = PTHREAD_MUTEX_INITIALIZER,
        .once = PTHREAD_ONCE_INIT,
};

/* -- fork -- */

static void fork_prepare(void) {
        (void) pthread_mutex_lock(&process.mutex);
}

static void fork_parent(void) {
        (void) pthread_mutex_unlock(&process.mutex);
}

static void fork_child(void) {
        __atomic_store_n(&process.generation, process.generation + 1, __ATOMIC_RELAXED);
        fork_parent();
}

static void install_fork_handlers(void) {
        process.once_error = pthread_atfork(fork_prepare, fork_parent, fork_child);
}

/* Returns: 0; -ENOMEM. */
static int need_fork_handlers(void) {
        return pthread_once(&process.once, install_fork_handlers) != 0 || process.once_error != 0 ? -ENOMEM : 0;
}

unsigned compat_generation(void) {
        return __atomic_load_n(&process.generation, __ATOMIC_RELAXED);
}

/* -- the table -- */

static void table_lock(void) {
        (void) pthread_mutex_lock(&process.mutex);
        if (process.table_generation == process.generation)
                return;

        process.table_generation = process.generation;
        process.listener = o7s_listener_unref(process.listener);
        for (int i = DESCRIPTOR_FIRST; i < DESCRIPTORS_MAX; i++)
                process.table[i] = descriptor_unref(process.table[i]);
}

static void table_unlock(void) {
        (void) pthread_mutex_unlock(&process.mutex);
}

/* Mutex held. Returns: the number; -EBADF. */
static int table_insert(Descriptor *d) {
        for (int i = DESCRIPTOR_FIRST; i < DESCRIPTORS_MAX; i++) {
                if (process.table[i])
                        continue;

                d->number = i;
                d->serial = ++process.last_serial;
                process.table[i] = d;
                return i;
        }

        return -EBADF;
}

static int table_get(int number, bool take, Descriptor **ret) {
        int r = -ENOTALLOC;

        if (number < 0 || number >= DESCRIPTORS_MAX)
                return -EBADF;

        table_lock();
        if (process.table[number]) {
                *ret = take ? process.table[number] : descriptor_ref(process.table[number]);
                if (take)
                        process.table[number] = NULL;
                r = 0;
        }
        table_unlock();

        return r;
}

int descriptor_get(int number, Descriptor **ret) {
        return table_get(number, false, ret);
}

int descriptor_take(int number, Descriptor **ret) {
        return table_get(number, true, ret);
}

bool descriptor_is_current(int number, uint64_t serial) {
        bool current;

        table_lock();
        current = process.table[number] && process.table[number]->serial == serial;
        table_unlock();

        return current;
}

/* -- one of them -- */

Descriptor *descriptor_ref(Descriptor *d) {
        (void) __atomic_add_fetch(&d->n_refs, 1, __ATOMIC_RELAXED);
        return d;
}

Descriptor *descriptor_unref(Descriptor *d) {
        if (!d || __atomic_sub_fetch(&d->n_refs, 1, __ATOMIC_ACQ_REL) > 0)
                return NULL;

        (void) o7s_flow_unref(d->flow);
        if (d->down_fd >= 0)
                (void) close(d->down_fd);

        /* In a forked child a thread that is not there may hold them. */
        if (d->generation == compat_generation()) {
                (void) pthread_mutex_destroy(&d->reading);
                (void) pthread_mutex_destroy(&d->writing);
                (void) pthread_cond_destroy(&d->writer_left);
        }
        free(d);
        return NULL;
}

static uint16_t frct_flags_for(const o7s_qos *qos) {
        if (qos->in_order == 0)
                return 0;

        return qos->loss == 0 ? FRCTFRTX | FRCTFRESCNTL | FRCTFLINGER : FRCTFRESCNTL;
}

static int condition_init(pthread_cond_t *condition) {
        pthread_condattr_t attributes;
        int r;

        r = pthread_condattr_init(&attributes);
        if (r != 0)
                return -r;

        r = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        if (r == 0)
                r = pthread_cond_init(condition, &attributes);

        (void) pthread_condattr_destroy(&attributes);
        return -r;
}

/* Takes the flow, also on failure. */
static int descriptor_new(o7s_flow *flow, Descriptor **ret) {
        _cleanup_(flow_unrefp) o7s_flow *owned = flow;
        struct o7s_flow_info info = { .size = sizeof(info) };
        Descriptor *d;

        if (o7s_flow_info(flow, &info) < 0 || o7s_flow_set_timeout(flow, O7S_TIMEOUT_READ, 0) < 0)
                return -EIRMD;

        d = malloc(sizeof(*d));
        if (!d)
                return -ENOMEM;

        *d = (Descriptor) {
                .n_refs = 1,
                .generation = compat_generation(),
                .flow = flow,
                .qos = info.qos_granted,
                .is_local = info.is_local,
                .down_fd = -1,
                .flags = FLOWFDEFAULT,
                .frct_flags = frct_flags_for(&info.qos_granted),
                .read_timeout = NSEC_INFINITY,
                .write_timeout = NSEC_INFINITY,
        };
        if (condition_init(&d->writer_left) < 0) {
                free(d);
                return -ENOMEM;
        }
        (void) pthread_mutex_init(&d->reading, NULL);
        (void) pthread_mutex_init(&d->writing, NULL);

        owned = NULL;
        *ret = d;
        return 0;
}

int descriptor_open(o7s_flow *flow, qosspec_t *ret_qos) {
        _cleanup_(descriptor_unrefp) Descriptor *d = NULL;
        int r;

        r = descriptor_new(flow, &d);
        if (r < 0)
                return r;

        r = need_fork_handlers();
        if (r < 0)
                return r;

        table_lock();
        r = table_insert(d);
        table_unlock();
        if (r < 0)
                return r;

        if (ret_qos)
                *ret_qos = qosspec_from_qos(&d->qos);
        d = NULL;                       /* the table's */
        return r;
}

void descriptor_lock(Descriptor *d) {
        (void) pthread_mutex_lock(&d->reading);
        if (d->set)
                (void) pthread_mutex_lock(&d->set->mutex);
}

void descriptor_unlock(Descriptor *d) {
        if (d->set)
                (void) pthread_mutex_unlock(&d->set->mutex);
        (void) pthread_mutex_unlock(&d->reading);
}

int descriptor_down_fd(Descriptor *d) {
        bool down = __atomic_load_n(&d->flags, __ATOMIC_RELAXED) & FLOWFDOWN;

        if (d->down_fd < 0)
                d->down_fd = eventfd(down, EFD_NONBLOCK | EFD_CLOEXEC);

        return d->down_fd < 0 ? -errno : d->down_fd;
}

int descriptor_begin_write(Descriptor *d, nsec_t until) {
        struct timespec time = timespec_from_nsec(until);
        int r = until == 0 ? ETIMEDOUT : 0;

        (void) pthread_mutex_lock(&d->writing);
        while (d->has_writer && r == 0)
                r = pthread_cond_timedwait(&d->writer_left, &d->writing, &time);
        r = d->has_writer ? -EAGAIN : 0;
        d->has_writer = true;
        (void) pthread_mutex_unlock(&d->writing);

        return r;
}

void descriptor_end_write(Descriptor *d) {
        (void) pthread_mutex_lock(&d->writing);
        d->has_writer = false;
        (void) pthread_cond_broadcast(&d->writer_left);
        (void) pthread_mutex_unlock(&d->writing);
}

int descriptor_events(Descriptor *d) {
        int events = o7s_flow_events(d->flow);

        if (events > 0 && (events & O7S_CHANGED) && d->set)
                d->set->changed = true;

        return events;
}

bool descriptor_link_is_down(const Descriptor *d) {
        struct o7s_flow_info info = { .size = sizeof(info) };

        return o7s_flow_info(d->flow, &info) >= 0 && info.link_down;
}

int descriptor_end(Descriptor *d) {
        int events;

        if (__atomic_load_n(&d->deallocated, __ATOMIC_ACQUIRE))
                return -ENOTALLOC;

        events = descriptor_events(d);
        if (events == -ECHILD)
                return -ENOTALLOC;

        return events >= 0 && (events & O7S_PEER_GONE) ? -EFLOWPEER : -EFLOWDOWN;
}

/* -- the listener -- */

int listener_get(o7s_listener **ret) {
        o7s_listener *made = NULL;
        int r;

        r = need_fork_handlers();
        if (r < 0)
                return r;

        table_lock();
        *ret = o7s_listener_ref(process.listener);
        table_unlock();
        if (*ret)
                return 0;

        /* It waits for the IRM, so without the mutex. Where two threads are here, one listener too many goes again;
         * what it was offered is offered to the other. */
        r = o7s_listen(NULL, 0, &made);
        if (r < 0)
                return r;

        table_lock();
        if (!process.listener)
                process.listener = o7s_listener_ref(made);
        *ret = o7s_listener_ref(process.listener);
        table_unlock();

        (void) o7s_listener_unref(made);
        return 0;
}

void listener_drop(o7s_listener *listener) {
        bool ours;

        table_lock();
        ours = process.listener == listener;
        if (ours)
                process.listener = NULL;
        table_unlock();

        if (ours)
                (void) o7s_listener_unref(listener);
}
