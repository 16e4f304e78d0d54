/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One thread: epoll, a heap of times, and an eventfd to wake it when a time becomes earlier than it sleeps for.
 *
 * A flow may be removed and freed by another thread while epoll has just reported it, so events are looked up in the
 * map of flows before anything behind their pointer is touched. That a new flow may have got the same address by then
 * costs it one run for nothing.
 */

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "libo7s/engine.h"

#define EPOLL_BURST 64
#define STACK_BYTES ((size_t) 256 << 10)

/* -- the heap; mutex held -- */

static void heap_place(Engine *e, size_t position, EngineFlow *flow) {
        e->heap[position] = flow;
        flow->position = position;
}

static void heap_up(Engine *e, size_t position) {
        EngineFlow *flow = e->heap[position];

        for (; position > 1 && e->heap[position / 2]->due > flow->due; position /= 2)
                heap_place(e, position, e->heap[position / 2]);
        heap_place(e, position, flow);
}

static void heap_down(Engine *e, size_t position) {
        EngineFlow *flow = e->heap[position];

        for (;;) {
                size_t child = 2 * position;

                if (child > e->n_heap)
                        break;
                if (child < e->n_heap && e->heap[child + 1]->due < e->heap[child]->due)
                        child++;
                if (e->heap[child]->due >= flow->due)
                        break;
                heap_place(e, position, e->heap[child]);
                position = child;
        }
        heap_place(e, position, flow);
}

static void heap_remove(Engine *e, EngineFlow *flow) {
        size_t position = flow->position;
        EngineFlow *last;

        if (position == 0)
                return;

        last = e->heap[e->n_heap--];
        flow->position = 0;
        if (last == flow)
                return;

        heap_place(e, position, last);
        heap_up(e, position);
        heap_down(e, last->position);
}

static void heap_insert(Engine *e, EngineFlow *flow) {
        heap_place(e, ++e->n_heap, flow);
        heap_up(e, e->n_heap);
}

/* Room for one more flow, so that becoming due never fails. */
static int heap_need(Engine *e) {
        size_t size = MAX((size_t) 16, 2 * e->heap_size);
        EngineFlow **heap;

        if (map_size(e->flows) + 2 <= e->heap_size)
                return 0;

        heap = reallocarray(e->heap, size, sizeof(*heap));
        if (!heap)
                return -ENOMEM;

        e->heap = heap;
        e->heap_size = size;
        return 0;
}

static nsec_t heap_due(const Engine *e) {
        return e->n_heap > 0 ? e->heap[1]->due : NSEC_INFINITY;
}

/* -- the thread -- */

static void wake(Engine *e) {
        uint64_t one = 1;

        (void) !write(e->event_fd, &one, sizeof(one));  /* full means that it is awake already */
}

/* Until something rings or it is time. Returns how many rang. */
static int sleep_until(int epoll_fd, struct epoll_event *found, nsec_t due) {
        nsec_t left = nsec_sub(due, time_now_nsec());
        struct timespec timeout = { .tv_sec = (time_t) (left / NSEC_PER_SEC), .tv_nsec = (long) (left % NSEC_PER_SEC) };
        int n;

        n = epoll_pwait2(epoll_fd, found, EPOLL_BURST, due == NSEC_INFINITY ? NULL : &timeout, NULL);
        if (n >= 0 || errno != ENOSYS)
                return n;

        /* Kernels before 5.11: milliseconds, and rather late than around and around. */
        left = MIN((left + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC, (nsec_t) INT32_MAX);
        return epoll_wait(epoll_fd, found, EPOLL_BURST, due == NSEC_INFINITY ? -1 : (int) left);
}

/* Mutex held, but not while it runs. The flow may be gone afterwards. */
static void run(Engine *e, EngineFlow *flow) {
        e->current = flow;
        (void) pthread_mutex_unlock(&e->mutex);

        flow->run(flow);

        (void) pthread_mutex_lock(&e->mutex);
        e->current = NULL;
        (void) pthread_cond_broadcast(&e->changed);
}

static void run_rung(Engine *e, const struct epoll_event *found, int n) {
        for (int i = 0; i < n; i++) {
                EngineFlow *flow = map_get(e->flows, &found[i].data.ptr, sizeof(found[i].data.ptr));
                uint64_t count;

                if (flow)
                        run(e, flow);
                else if (!found[i].data.ptr)
                        (void) !read(e->event_fd, &count, sizeof(count));
        }
}

/* Those due by now; what they are due for next is left to the next round, so that doorbells get their turn. */
static void run_due(Engine *e) {
        nsec_t now = time_now_nsec();

        for (size_t left = e->n_heap; left > 0 && heap_due(e) <= now; left--) {
                EngineFlow *flow = e->heap[1];

                heap_remove(e, flow);
                flow->due = NSEC_INFINITY;
                run(e, flow);
        }
}

/* The thread is no more, or as good as. Mutex held. */
static void engine_done(Engine *e) {
        e->epoll_fd = safe_close(e->epoll_fd);
        e->event_fd = safe_close(e->event_fd);
        e->flows = map_free(e->flows);
        e->heap = mfree(e->heap);
        e->heap_size = 0;
        e->running = e->ending = e->ended_by_itself = false;
        (void) pthread_cond_broadcast(&e->changed);
}

static void *engine_main(void *userdata) {
        struct epoll_event found[EPOLL_BURST];
        Engine *e = userdata;

        (void) pthread_mutex_lock(&e->mutex);

        while (!e->ending) {
                int n;

                e->asleep_until = heap_due(e);
                (void) pthread_mutex_unlock(&e->mutex);
                n = sleep_until(e->epoll_fd, found, e->asleep_until);
                (void) pthread_mutex_lock(&e->mutex);
                e->asleep_until = 0;

                run_rung(e, found, n);
                run_due(e);
        }

        if (e->ended_by_itself) {
                (void) pthread_detach(e->thread);
                engine_done(e);
        }

        (void) pthread_mutex_unlock(&e->mutex);
        return NULL;
}

/* -- its beginning and end; mutex held -- */

/* The application's signals are the application's threads'. */
static int thread_start(Engine *e) {
        pthread_attr_t attributes;
        sigset_t all, before;
        int r;

        r = pthread_attr_init(&attributes);
        if (r != 0)
                return -r;

        (void) pthread_attr_setstacksize(&attributes, MAX(STACK_BYTES, (size_t) PTHREAD_STACK_MIN));
        (void) sigfillset(&all);
        (void) pthread_sigmask(SIG_SETMASK, &all, &before);
        r = pthread_create(&e->thread, &attributes, engine_main, e);
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
        (void) pthread_attr_destroy(&attributes);
        if (r != 0)
                return -r;

        (void) pthread_setname_np(e->thread, "o7s-engine");
        return 0;
}

static int engine_start(Engine *e) {
        struct epoll_event event = { .events = EPOLLIN };
        int r;

        r = map_new(&e->flows);
        if (r < 0)
                return r;

        e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (e->epoll_fd < 0)
                return -errno;
        e->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (e->event_fd < 0)
                return -errno;
        if (epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, e->event_fd, &event) < 0)
                return -errno;

        r = thread_start(e);
        if (r < 0)
                return r;

        e->running = true;
        return 0;
}

/* -- flows -- */

static int add(Engine *e, EngineFlow *flow) {
        int r;

        while (e->ending)
                (void) pthread_cond_wait(&e->changed, &e->mutex);

        if (!e->running) {
                r = engine_start(e);
                if (r < 0) {
                        engine_done(e);
                        return r;
                }
        }

        r = heap_need(e);
        if (r >= 0)
                r = map_put(e->flows, &flow->self, sizeof(flow->self), flow);
        if (r < 0 && map_size(e->flows) == 0) {
                e->ending = e->ended_by_itself = true;
                wake(e);
        }

        return r;
}

int engine_add(Engine *e, EngineFlow *flow) {
        int r;

        assert(flow->run);

        flow->self = flow;
        flow->due = NSEC_INFINITY;
        flow->position = 0;

        (void) pthread_mutex_lock(&e->mutex);
        r = add(e, flow);
        (void) pthread_mutex_unlock(&e->mutex);

        return r;
}

/* Mutex held, but not while waiting for the thread, which cannot wait for itself. */
static void engine_end(Engine *e, bool self) {
        e->ending = true;
        e->ended_by_itself = self;
        if (self)
                return;

        wake(e);
        (void) pthread_mutex_unlock(&e->mutex);
        (void) pthread_join(e->thread, NULL);
        (void) pthread_mutex_lock(&e->mutex);

        engine_done(e);
}

void engine_remove(Engine *e, EngineFlow *flow) {
        EngineFlow *key = flow;
        bool self;

        (void) pthread_mutex_lock(&e->mutex);

        if (e->running && map_remove(e->flows, &key, sizeof(key))) {
                self = pthread_equal(e->thread, pthread_self());
                flow->self = NULL;              /* if it is running, it may yet say when it is due next */
                heap_remove(e, flow);
                while (e->current == flow && !self)
                        (void) pthread_cond_wait(&e->changed, &e->mutex);

                /* Meanwhile another may have removed the last one and ended the thread. */
                if (e->running && !e->ending && map_size(e->flows) == 0)
                        engine_end(e, self);
        }

        (void) pthread_mutex_unlock(&e->mutex);
}

void engine_set_due(Engine *e, EngineFlow *flow, nsec_t due) {
        (void) pthread_mutex_lock(&e->mutex);

        if (flow->self && flow->due != due) {
                heap_remove(e, flow);
                flow->due = due;
                if (due != NSEC_INFINITY)
                        heap_insert(e, flow);
                if (due < e->asleep_until)
                        wake(e);
        }

        (void) pthread_mutex_unlock(&e->mutex);
}

nsec_t engine_due(Engine *e, const EngineFlow *flow) {
        nsec_t due;

        (void) pthread_mutex_lock(&e->mutex);
        due = flow->due;
        (void) pthread_mutex_unlock(&e->mutex);

        return due;
}

int engine_watch(Engine *e, EngineFlow *flow, int fd) {
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = flow };

        return epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void engine_unwatch(Engine *e, int fd) {
        (void) epoll_ctl(e->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* -- fork -- */

void engine_hold(Engine *e) {
        (void) pthread_mutex_lock(&e->mutex);
}

void engine_release(Engine *e) {
        (void) pthread_mutex_unlock(&e->mutex);
}

void engine_release_in_child(Engine *e) {
        /* Those who waited for a change are not in this process. */
        e->changed = (pthread_cond_t) PTHREAD_COND_INITIALIZER;
        e->current = NULL;
        e->n_heap = 0;
        engine_done(e);
        (void) pthread_mutex_unlock(&e->mutex);
}
