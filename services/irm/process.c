/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Processes, by pidfd: see process.h. The end of one takes everything with it that it had. */

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "basic/log.h"
#include "libo7s/bus-names.h"
#include "services/irm/flow.h"
#include "services/irm/systemd.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static int pidfd_open(pid_t pid) {
        int fd = (int) syscall(SYS_pidfd_open, pid, 0);
        return fd < 0 ? -errno : fd;
}

bool process_is_alive(const Process *p) {
        struct pollfd pfd = { .fd = p->pidfd, .events = POLLIN };

        return poll(&pfd, 1, 0) == 0;
}

Process *process_free(Process *p) {
        if (!p)
                return NULL;

        assert(list_is_empty(&p->clients) && list_is_empty(&p->links));
        assert(list_is_empty(&p->called_flows) && list_is_empty(&p->accepted_flows));

        if (map_get(p->manager->processes, &p->key, sizeof(p->key)) == p)
                map_remove(p->manager->processes, &p->key, sizeof(p->key));

        polkit_query_free(p->open_flow_query);
        sd_bus_slot_unref(p->unit_slot);
        sd_event_source_disable_unref(p->exit_source);
        p->pidfd = safe_close(p->pidfd);
        free(p->unit);
        return mfree(p);
}
DEFINE_CLEANUP(Process, process_free);

void process_settle(Process *p) {
        if (!list_is_empty(&p->clients) || !list_is_empty(&p->links) || p->n_layers > 0)
                return;
        if (!list_is_empty(&p->called_flows) || !list_is_empty(&p->accepted_flows))
                return;

        process_free(p);
}

static Layer *next_layer_of(const Process *p) {
        size_t position;
        Layer *l;

        map_for_each(l, p->manager->layers, position)
                if (l->process == p)
                        return l;

        return NULL;
}

/* The lists shrink with every step, and the last one to go frees the process: so it holds itself meanwhile. */
static void process_died(Process *p) {
        Manager *m = p->manager;
        Layer *l;

        log_debug("Process %d of user %u has ended", (int) p->key.pid, p->key.uid);
        p->n_layers++;

        while (!list_is_empty(&p->clients))
                client_free(list_first(&p->clients, Client, by_process));
        while (!list_is_empty(&p->called_flows))
                flow_end(list_first(&p->called_flows, Flow, by_caller), CLOSE_PEER_DIED, -ECANCELED, NULL);
        while (!list_is_empty(&p->accepted_flows))
                flow_end(list_first(&p->accepted_flows, Flow, by_acceptor), CLOSE_PEER_DIED, -ECONNREFUSED, NULL);
        while (!list_is_empty(&p->links))
                layer_link_free(list_first(&p->links, LayerLink, by_process));

        while ((l = next_layer_of(p)))       /* looked for anew each time: a layer's end changes the map */
                layer_process_died(l);

        p->n_layers--;
        process_settle(p);
        manager_changed(m);
}

static int process_exited(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        process_died(userdata);
        return 0;
}

static int process_new(Manager *m, pid_t pid, uid_t uid, int pidfd, Process **ret) {
        _cleanup_close_ int owned = pidfd;
        _cleanup_(process_freep) Process *p = NULL;
        int r;

        p = malloc(sizeof(*p));
        if (!p)
                return -ENOMEM;

        *p = (Process) { .manager = m, .key = { .pid = pid, .uid = uid }, .pidfd = TAKE_FD(owned) };
        list_init(&p->clients);
        list_init(&p->links);
        list_init(&p->called_flows);
        list_init(&p->accepted_flows);

        if (p->pidfd < 0) {
                p->pidfd = pidfd_open(pid);
                if (p->pidfd < 0)
                        return p->pidfd;
        }
        if (!process_is_alive(p))
                return -ESRCH;

        r = sd_event_add_io(m->event, &p->exit_source, p->pidfd, EPOLLIN, process_exited, p);
        if (r < 0)
                return r;

        r = map_put(m->processes, &p->key, sizeof(p->key), p);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(p);
        return 0;
}

int process_get(Manager *m, pid_t pid, uid_t uid, int pidfd, Process **ret) {
        ProcessKey key = { .pid = pid, .uid = uid };
        Process *p;

        p = map_get(m->processes, &key, sizeof(key));
        if (p && !process_is_alive(p)) {
                process_died(p);                /* its number is somebody else's already */
                p = NULL;
        }
        if (!p)
                return process_new(m, pid, uid, pidfd, ret);

        (void) safe_close(pidfd);
        *ret = p;
        return 0;
}

int process_of_socket(Manager *m, int fd, Process **ret) {
        _cleanup_close_ int pidfd = -1;
        socklen_t size = sizeof(struct ucred);
        struct ucred cred;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
                return -errno;

        size = sizeof(pidfd);
        if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) < 0)
                pidfd = -1;             /* Linux before 6.5: by number, see process_get() */

        return process_get(m, cred.pid, cred.uid, TAKE_FD(pidfd), ret);
}

static void process_unit_known(Process *p) {
        Client *c, *following_client;
        LayerLink *l, *following_link;

        p->unit_known = true;

        list_for_each_safe(c, following_client, &p->clients, by_process)
                client_unit_known(c);
        list_for_each_safe(l, following_link, &p->links, by_process)
                layer_link_unit_known(l);
}

/* The pid was asked about while its process lived, and it lives still: so the answer is about this process. */
static int process_unit_answered(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Process *p = userdata;
        _cleanup_free_ char *unit = NULL;
        int r;

        p->unit_slot = sd_bus_slot_unref(p->unit_slot);

        r = systemd_unit_from_reply(reply, &unit);
        if (r < 0)
                log_debug_errno(r, "Process %d is in no unit: %m", (int) p->key.pid);
        else if (process_is_alive(p))
                p->unit = TAKE_PTR(unit);

        process_unit_known(p);
        return 0;
}

int process_ask_unit(Process *p) {
        int r;

        if (p->unit_known)
                return 1;
        if (p->unit_slot)
                return 0;

        r = systemd_get_unit(p->manager->bus, p->key.pid, process_unit_answered, p, &p->unit_slot);
        if (r < 0) {
                log_debug_errno(r, "Cannot ask for the unit of process %d: %m", (int) p->key.pid);
                p->unit_known = true;
                return 1;
        }

        return 0;
}

Permission permission_from_answer(int answer) {
        switch (answer) {
        case -EACCES:
        case -EPERM:
                return PERMISSION_REFUSED;
        case -EHOSTDOWN:                /* nobody on the bus answers for polkit */
        case -ENOTCONN:                 /* there is no bus any more */
        case -ECONNRESET:
                return PERMISSION_GRANTED;
        default:
                return answer > 0 ? PERMISSION_GRANTED : PERMISSION_BUSY;
        }
}

void permission_tell_flow(Permission permission, Flow *f) {
        if (permission == PERMISSION_ASKED)
                return;
        if (permission == PERMISSION_GRANTED || permission == PERMISSION_REFUSED) {
                connect_permitted(f, permission == PERMISSION_GRANTED);
                return;
        }

        flow_end(f, CLOSE_REFUSED, -EBUSY,
                 "polkit has too many questions to answer before this one; try again in a moment");
}

static void process_permission_known(Process *p) {
        Flow *f, *following;

        list_for_each_safe(f, following, &p->called_flows, by_caller)
                if (flow_state_is_pending(f->state))
                        permission_tell_flow(p->open_flow, f);
}

static void process_open_flow_answered(PolkitQuery *query, int answer, void *userdata) {
        Process *p = userdata;

        p->open_flow_query = NULL;      /* it ends with its answer */
        p->open_flow = permission_from_answer(answer);
        process_permission_known(p);
}

Permission process_may_open_flows(Process *p) {
        Manager *m = p->manager;
        int r;

        if (!m->polkit || p->key.uid == 0)
                return PERMISSION_GRANTED;
        if (p->open_flow == PERMISSION_ASKED)
                return PERMISSION_ASKED;
        if (p->open_flow != PERMISSION_UNKNOWN && p->open_flow != PERMISSION_BUSY &&
            p->open_flow_generation == m->polkit_generation)
                return p->open_flow;

        p->open_flow_generation = m->polkit_generation;
        p->open_flow = PERMISSION_ASKED;

        r = polkit_check_process(m->polkit, p->key.pid, p->key.uid, POLKIT_OPEN_FLOW, NULL, process_open_flow_answered,
                                 p, &p->open_flow_query);
        if (r < 0) {
                log_debug_errno(r, "Cannot ask polkit about process %d: %m", (int) p->key.pid);
                p->open_flow = permission_from_answer(r);
        }

        return p->open_flow;
}
