/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Serving a name. A listener has a connection to the IRM of its own, on which offers of flows arrive, see
 * listener-internal.h. Everything happens inside accept, or when an event loop asks what is the case: the library has
 * no thread for it.
 */

#include <poll.h>

#include "libo7s/irm-client.h"
#include "libo7s/listener-internal.h"

static const char serving[] = "Serving the name";

/* -- lifecycle -- */

static void listener_forget(Handle *handle) {
        o7s_listener *l = container_of(handle, o7s_listener, handle);

        pollable_done(&l->pollable);
        l->fd = safe_close(l->fd);
        l->timer_fd = safe_close(l->timer_fd);
}

static o7s_listener *listener_free(o7s_listener *l) {
        if (!l)
                return NULL;

        process_remove(&l->handle);
        listener_forget_offers(l);
        o7s_flow_unref(l->ready);
        listener_forget(&l->handle);
        if (!handle_is_foreign(&l->handle))
                (void) pthread_mutex_destroy(&l->mutex);
        return mfree(l);
}
DEFINE_CLEANUP(o7s_listener, listener_free);

static int listener_new(const char *name, uint64_t flags, o7s_listener **ret) {
        _cleanup_(listener_freep) o7s_listener *l = NULL;
        int r;

        l = malloc(sizeof(*l));
        if (!l)
                return -ENOMEM;

        *l = (o7s_listener) {
                .n_refs = 1,
                .flags = flags,
                .pollable = POLLABLE_INIT,
                .fd = -1,
                .timer_fd = -1,
                .handle.forget = listener_forget,
        };
        list_init(&l->handle.by_process);
        list_init(&l->offers);
        l->handle.generation = process_generation();
        (void) pthread_mutex_init(&l->mutex, NULL);
        (void) copy_string(l->name, sizeof(l->name), strempty(name));

        r = pollable_make(&l->pollable);
        if (r < 0)
                return r;

        r = process_add(&l->handle);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(l);
        return 0;
}

/* The first time the answer is waited for: most mistakes are found here. */
static int listener_start(o7s_listener *l, char ret_text[IRM_TEXT_BYTES_MAX]) {
        IrmMessage request = listener_message(l), reply;
        _cleanup_close_ int fd = -1, no_fd = -1;
        int r;

        r = irm_connect(&fd);
        if (r < 0)
                return r;

        r = irm_request(fd, &request, &reply, &no_fd);
        if (r < 0)
                return r == -EPIPE ? -EHOSTDOWN : r;
        if (reply.result < 0) {
                memcpy(ret_text, reply.text, sizeof(reply.text));
                return reply.result;
        }

        r = pollable_add(&l->pollable, fd);
        if (r < 0)
                return r;

        l->fd = TAKE_FD(fd);
        l->heard = true;
        return 0;
}

int o7s_listen(const char *name, uint64_t flags, o7s_listener **ret) {
        _cleanup_(listener_freep) o7s_listener *l = NULL;
        char text[IRM_TEXT_BYTES_MAX] = "";
        int r;

        if (!ret || (flags & ~(FLOW_FLAGS_SETTABLE | O7S_BULK | O7S_THIN)) || (flags & O7S_BULK && flags & O7S_THIN) ||
            (name && !flow_name_is_valid(name)))
                return process_fail(-EINVAL, serving, name, NULL, NULL, NULL);

        r = listener_new(name, flags, &l);
        if (r >= 0)
                r = listener_start(l, text);
        if (r < 0)
                return process_fail(r, serving, name, NULL, NULL, text);

        *ret = TAKE_PTR(l);
        return 0;
}

o7s_listener *o7s_listener_ref(o7s_listener *listener) {
        if (listener)
                (void) __atomic_add_fetch(&listener->n_refs, 1, __ATOMIC_RELAXED);

        return listener;
}

o7s_listener *o7s_listener_unref(o7s_listener *listener) {
        if (!listener || __atomic_sub_fetch(&listener->n_refs, 1, __ATOMIC_ACQ_REL) > 0)
                return NULL;

        return listener_free(listener);
}

/* -- accepting -- */

bool listener_is_foreign(const o7s_listener *listener) {
        return handle_is_foreign(&listener->handle);
}

int listener_fd(const o7s_listener *listener) {
        return listener->pollable.epoll_fd;
}

uint32_t listener_events(o7s_listener *listener) {
        uint32_t events;

        if (listener_is_foreign(listener))
                return 0;

        (void) pthread_mutex_lock(&listener->mutex);
        listener_pump(listener);
        events = listener->ready || listener->error != 0 ? O7S_READABLE : 0;
        (void) pthread_mutex_unlock(&listener->mutex);

        return events;
}

int o7s_listener_fd(o7s_listener *listener) {
        if (!listener || listener_is_foreign(listener))
                return process_fail(listener ? -ECHILD : -EINVAL, serving, NULL, NULL, NULL, NULL);

        return listener_fd(listener);
}

/* Returns: 0; -EAGAIN; why the name is no longer ours. *ret_short: nothing would wake us, look again soon. */
static int accept_one(o7s_listener *l, o7s_flow **ret, bool *ret_short) {
        int r;

        (void) pthread_mutex_lock(&l->mutex);

        listener_pump(l);
        r = l->ready ? 0 : l->error != 0 ? l->error : -EAGAIN;
        if (l->ready)
                *ret = TAKE_PTR(l->ready);
        *ret_short = l->fd < 0 && l->timer_fd < 0;
        pollable_signal(&l->pollable, l->error != 0);

        (void) pthread_mutex_unlock(&l->mutex);
        return r;
}

int o7s_flow_accept(o7s_listener *listener, uint64_t timeout_usec, o7s_flow **ret) {
        static const char what[] = "Accepting a flow for";
        usec_t deadline = usec_add(time_now(), timeout_usec);

        if (!listener || !ret)
                return process_fail(-EINVAL, what, NULL, NULL, NULL, NULL);
        if (listener_is_foreign(listener))
                return process_fail(-ECHILD, what, NULL, NULL, NULL, NULL);

        for (;;) {
                o7s_flow *flow = NULL;
                bool soon;
                int r;

                r = accept_one(listener, &flow, &soon);
                if (r >= 0) {
                        *ret = flow;
                        return 0;
                }
                if (r != -EAGAIN)
                        return process_fail(r, what, listener->name, NULL, NULL, listener->text);
                if (timeout_usec == 0)
                        return process_fail(r, what, NULL, NULL, NULL, NULL);

                r = wait_for_fd(listener_fd(listener), POLLIN,
                                soon ? MIN(deadline, usec_add(time_now(), LISTENER_RECONNECT_USEC)) : deadline);
                if (r < 0 && (r != -ETIMEDOUT || time_now() >= deadline))
                        return process_fail(r, what, listener->name, NULL, NULL, NULL);
        }
}
