/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The process's one control connection, its handles, its forks, its engine, and its threads' last failures. */

#include <pthread.h>
#include <stdio.h>

#include "libo7s/engine.h"
#include "libo7s/error.h"
#include "libo7s/irm-client.h"
#include "libo7s/process.h"

typedef struct Process {
        pthread_mutex_t fork_mutex;     /* taken first; see process_hold_forks() */
        pthread_mutex_t control_mutex;  /* taken before the next; held from a request to its reply */
        int control_fd;                 /* -1: none */
        bool was_connected;             /* a new connection is then one to a restarted IRM */

        pthread_mutex_t handles_mutex;
        List handles;
        uint32_t generation;            /* atomic; counts forks on the way from the first process to this one */

        pthread_once_t once;
        int once_error;

        Engine engine;

        pthread_mutex_t afterlife_mutex;        /* guards these two */
        pthread_cond_t afterlife_over;
        unsigned n_afterlives;          /* flows without a handle that still have something to deliver */
        pthread_once_t exit_once;
} Process;

static Process process = {
        .fork_mutex = PTHREAD_MUTEX_INITIALIZER,
        .control_mutex = PTHREAD_MUTEX_INITIALIZER,
        .control_fd = -1,
        .handles_mutex = PTHREAD_MUTEX_INITIALIZER,
        .handles = LIST_INIT(process.handles),
        .once = PTHREAD_ONCE_INIT,
        .engine = ENGINE_INIT,
        .afterlife_mutex = PTHREAD_MUTEX_INITIALIZER,
        .afterlife_over = PTHREAD_COND_INITIALIZER,
        .exit_once = PTHREAD_ONCE_INIT,
};

/* Kept as it was told, and made into a sentence only when somebody asks: a read that finds nothing fails too,
 * and has to be cheap. */
typedef struct Failure {
        int error;
        const char *what;
        char name[FLOW_NAME_WIRE_BYTES_MAX + 1];
        char layer[LAYER_NAME_BYTES_MAX + 1];
        char peer[FLOW_NAME_WIRE_BYTES_MAX + 1];
        char why[IRM_TEXT_BYTES_MAX];
} Failure;

static _Thread_local Failure failure;

/* -- fork -- */

static void fork_prepare(void) {
        (void) pthread_mutex_lock(&process.fork_mutex);
        (void) pthread_mutex_lock(&process.control_mutex);
        (void) pthread_mutex_lock(&process.handles_mutex);
        engine_hold(&process.engine);
}

static void fork_unlock(void) {
        (void) pthread_mutex_unlock(&process.handles_mutex);
        (void) pthread_mutex_unlock(&process.control_mutex);
        (void) pthread_mutex_unlock(&process.fork_mutex);
}

static void fork_parent(void) {
        engine_release(&process.engine);
        fork_unlock();
}

/* Each end that the child kept open would hide the parent's death from the peer. */
static void fork_child(void) {
        ListNode *node;

        engine_release_in_child(&process.engine);
        process.afterlife_mutex = (pthread_mutex_t) PTHREAD_MUTEX_INITIALIZER;
        process.afterlife_over = (pthread_cond_t) PTHREAD_COND_INITIALIZER;
        process.n_afterlives = 0;

        /* Before that, so that what the handles forget knows where it is. */
        __atomic_store_n(&process.generation, process.generation + 1, __ATOMIC_RELAXED);

        while ((node = process.handles.next) != &process.handles) {
                Handle *h = container_of(node, Handle, by_process);

                list_unlink(node);
                h->forget(h);
        }

        process.control_fd = safe_close(process.control_fd);
        process.was_connected = false;
        fork_unlock();
}

static void install_fork_handlers(void) {
        process.once_error = -pthread_atfork(fork_prepare, fork_parent, fork_child);
}

static int need_fork_handlers(void) {
        int r;

        r = pthread_once(&process.once, install_fork_handlers);
        return r != 0 ? -r : process.once_error;
}

void process_hold_forks(void) {
        (void) pthread_mutex_lock(&process.fork_mutex);
}

void process_release_forks(void) {
        (void) pthread_mutex_unlock(&process.fork_mutex);
}

/* -- handles -- */

uint32_t process_generation(void) {
        return __atomic_load_n(&process.generation, __ATOMIC_RELAXED);
}

int process_add(Handle *handle) {
        int r;

        assert(handle->forget);

        r = need_fork_handlers();
        if (r < 0)
                return r;

        (void) pthread_mutex_lock(&process.handles_mutex);
        handle->generation = process.generation;
        list_append(&process.handles, &handle->by_process);
        (void) pthread_mutex_unlock(&process.handles_mutex);
        return 0;
}

void process_remove(Handle *handle) {
        (void) pthread_mutex_lock(&process.handles_mutex);
        list_unlink(&handle->by_process);
        (void) pthread_mutex_unlock(&process.handles_mutex);
}

void process_set_flow_id(Handle *handle, uint64_t flow_id) {
        (void) pthread_mutex_lock(&process.handles_mutex);
        handle->flow_id = flow_id;
        (void) pthread_mutex_unlock(&process.handles_mutex);
}

/* The ids of all flows that have one, to be freed by the caller. */
static int flow_ids(uint64_t **ret, size_t *ret_n) {
        uint64_t *ids = NULL;
        size_t n = 0;
        Handle *h;

        (void) pthread_mutex_lock(&process.handles_mutex);

        list_for_each(h, &process.handles, by_process)
                n += h->is_flow;

        ids = calloc(n + 1, sizeof(*ids));
        n = 0;
        if (ids)
                list_for_each(h, &process.handles, by_process)
                        if (h->is_flow && h->flow_id != 0)
                                ids[n++] = h->flow_id;

        (void) pthread_mutex_unlock(&process.handles_mutex);

        if (!ids)
                return -ENOMEM;

        *ret = ids;
        *ret_n = n;
        return 0;
}

/* -- the engine, and what it does for flows whose handle is gone -- */

Engine *process_engine(void) {
        return &process.engine;
}

/* At exit: the engine is still at work, but not for long. */
static void await_afterlives(void) {
        struct timespec until;
        int r = 0;

        (void) clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += PROCESS_EXIT_USEC / USEC_PER_SEC;

        (void) pthread_mutex_lock(&process.afterlife_mutex);
        while (process.n_afterlives > 0 && r == 0)
                r = pthread_cond_clockwait(&process.afterlife_over, &process.afterlife_mutex, CLOCK_MONOTONIC, &until);
        (void) pthread_mutex_unlock(&process.afterlife_mutex);
}

static void install_exit_handler(void) {
        (void) atexit(await_afterlives);        /* where that fails, only an exit at the wrong moment is worse off */
}

void process_afterlife_begin(void) {
        (void) pthread_once(&process.exit_once, install_exit_handler);

        (void) pthread_mutex_lock(&process.afterlife_mutex);
        process.n_afterlives++;
        (void) pthread_mutex_unlock(&process.afterlife_mutex);
}

void process_afterlife_end(void) {
        (void) pthread_mutex_lock(&process.afterlife_mutex);
        process.n_afterlives--;
        (void) pthread_cond_broadcast(&process.afterlife_over);
        (void) pthread_mutex_unlock(&process.afterlife_mutex);
}

/* -- the control connection; control_mutex is held -- */

static int control_lost(int r) {
        process.control_fd = safe_close(process.control_fd);
        return r == -EPIPE ? -EHOSTDOWN : r;
}

/* Names our flows to an IRM that has forgotten them. The flows go on whatever it says. */
static int control_resume(void) {
        _cleanup_free_ uint64_t *ids = NULL;
        size_t n;
        int r;

        r = flow_ids(&ids, &n);
        if (r < 0)
                return r;

        for (size_t i = 0; i < n; i++) {
                IrmMessage request = { .type = IRM_RESUME, .flow_id = ids[i], .version = IRM_PROTOCOL_VERSION };
                _cleanup_close_ int fd = -1;
                IrmMessage reply;

                r = irm_request(process.control_fd, &request, &reply, &fd);
                if (r < 0)
                        return r;
        }

        return 0;
}

static int control_need(void) {
        int r;

        if (process.control_fd >= 0)
                return 0;

        r = need_fork_handlers();
        if (r < 0)
                return r;

        r = irm_connect(&process.control_fd);
        if (r < 0)
                return r;

        if (process.was_connected) {
                r = control_resume();
                if (r < 0)
                        return control_lost(r);
        }

        process.was_connected = true;
        return 0;
}

/* Once over what there is, and where that turns out to have ended, once over a new connection. */
static int control_do(const IrmMessage *request, const int *fds, unsigned n_fds, IrmMessage *ret, int *ret_fd) {
        for (unsigned attempt = 0;; attempt++) {
                bool is_new = process.control_fd < 0;
                int r;

                r = control_need();
                if (r < 0)
                        return r;

                r = ret ? irm_request(process.control_fd, request, ret, ret_fd)
                        : irm_send(process.control_fd, request, fds, n_fds, usec_add(time_now(), IRM_REPLY_USEC));
                if (r >= 0)
                        return 0;

                r = control_lost(r);
                if (r != -EHOSTDOWN || is_new || attempt > 0)
                        return r;
        }
}

int process_request(const IrmMessage *request, IrmMessage *ret, int *ret_fd) {
        int r;

        (void) pthread_mutex_lock(&process.control_mutex);
        r = control_do(request, NULL, 0, ret, ret_fd);
        (void) pthread_mutex_unlock(&process.control_mutex);
        return r;
}

int process_notify(const IrmMessage *message, const int *fds, unsigned n_fds) {
        int r;

        (void) pthread_mutex_lock(&process.control_mutex);
        r = control_do(message, fds, n_fds, NULL, NULL);
        (void) pthread_mutex_unlock(&process.control_mutex);
        return r;
}

void process_resume(void) {
        (void) pthread_mutex_lock(&process.control_mutex);
        process.control_fd = safe_close(process.control_fd);
        process.was_connected = true;           /* a listener was, and has flows */
        (void) control_need();
        (void) pthread_mutex_unlock(&process.control_mutex);
}

/* -- failures -- */

int process_fail(int error, const char *what, const char *name, const char *layer, const char *peer,
                 const char *why) {
        failure.error = error;
        failure.what = what;
        (void) copy_string(failure.name, sizeof(failure.name), strempty(name));
        (void) copy_string(failure.layer, sizeof(failure.layer), strempty(layer));
        (void) copy_string(failure.peer, sizeof(failure.peer), strempty(peer));
        (void) copy_string(failure.why, sizeof(failure.why), strempty(why));
        return error;
}

int o7s_last_error(o7s_error *ret) {
        const ErrorRow *row = error_row(failure.error);
        char about[sizeof(failure.name) + 3] = "";
        int r;

        if (!ret || ret->size != sizeof(*ret))
                return -EINVAL;

        ret->error = failure.error;
        (void) copy_string(ret->name, sizeof(ret->name), failure.name);
        (void) copy_string(ret->layer, sizeof(ret->layer), failure.layer);
        (void) copy_string(ret->peer, sizeof(ret->peer), failure.peer);
        ret->text[0] = '\0';
        if (failure.error == 0)
                return 0;

        if (!isempty(failure.name))
                (void) snprintf(about, sizeof(about), " '%s'", failure.name);

        if (isempty(failure.why))
                r = snprintf(ret->text, sizeof(ret->text), "%s%s: %s. %s", failure.what, about, row->sentence,
                             row->hint);
        else
                r = snprintf(ret->text, sizeof(ret->text), "%s%s: %s", failure.what, about, failure.why);

        /* Where it does not fit, its end is the least important part. */
        if (r < 0)
                ret->text[0] = '\0';
        return 0;
}
