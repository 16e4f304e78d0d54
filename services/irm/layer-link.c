/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The connection of an IPCP on layer.sock. Which layer it is for is decided in layer-request.c. */

#include <sys/epoll.h>
#include <sys/socket.h>

#include "basic/log.h"
#include "services/common/message-id.h"
#include "services/irm/admission.h"
#include "services/irm/flow.h"

#define ACCEPT_BURST_MAX 16U
#define LINKS_PER_PROCESS_MAX 4U        /* one, and the next while the last is being closed */

static int link_outbox_send(int fd, const void *message, const int *fds, unsigned n_fds) {
        return layer_message_send(fd, message, fds, n_fds);
}

/* Flows that the layer was working on look for another way; established ones go on while its process lives. */
static void layer_disconnected(Layer *l) {
        Manager *m = l->manager;
        _cleanup_free_ uint64_t *ids = NULL;
        size_t n = 0, position;
        Flow *f;

        /* By id: one flow's end may be the end of others. */
        ids = calloc(MAX(map_size(m->flows), (size_t) 1), sizeof(*ids));
        map_for_each(f, m->flows, position)
                if (ids && flow_state_is_pending(f->state))
                        ids[n++] = f->id;

        for (size_t i = 0; i < n; i++) {
                f = flow_find(m, ids[i]);
                if (!f)
                        continue;

                if (!f->incoming)
                        connect_layer_gone(f, l);
                else if (f->layer == l) {
                        f->ended_by_layer = true;
                        flow_end(f, CLOSE_LAYER_DOWN, -ENETDOWN, NULL);
                }
        }
}

LayerLink *layer_link_free(LayerLink *link) {
        Manager *m;
        Process *p;
        Layer *l;

        if (!link)
                return NULL;

        m = link->manager;
        p = link->process;
        l = link->layer;
        list_unlink(&link->by_process);
        sd_event_source_disable_unref(link->io);
        outbox_done(&link->outbox);
        link->fd = safe_close(link->fd);
        manager_admit(m);
        free(link->hello);
        free(link);

        if (l) {
                admissions_drop_layer(l);
                l->link = NULL;                 /* first: flows that end now must not be told to it */
                layer_disconnected(l);          /* the key still tells which queries were its */
                l->key = 0;
                operation_layer_gone(l);
                if (l->state != LAYER_STOPPING && l->process && process_is_alive(l->process))
                        layer_set_state(l, LAYER_STARTING,
                                        "The connection to its process was lost; waiting for it to come back");
        }
        if (p)
                process_settle(p);

        return NULL;
}

void layer_link_punish(LayerLink *link, const char *why) {
        if (link->doomed)
                return;

        log_with(LOG_ERR, LOG_FIELDS(MESSAGE_LAYER_CLOSED), "Closing the connection of process %d, which serves %s: %s",
                 (int) link->process->key.pid, link->layer ? link->layer->name : "no layer yet", why);
        link->doomed = true;
        (void) shutdown(link->fd, SHUT_RDWR);
}

void layer_send(Layer *l, const LayerMessage *message, const int *fds, unsigned n_fds) {
        LayerLink *link = l->link;
        int r;

        if (!link || link->doomed || l->manager->stopping)
                return;

        r = outbox_send(&link->outbox, link->fd, message, fds, n_fds);
        if (r == -ENOBUFS)
                layer_link_punish(link, "it does not read what we tell it");
        else if (r == -EPIPE)
                link->doomed = true;            /* the hang-up is on its way to us */
        else if (r < 0)
                layer_link_punish(link, strerror(-r));
        else if (r > 0)
                (void) sd_event_source_set_io_events(link->io, EPOLLIN | EPOLLOUT);
}

static void close_fds(int (*fds)[LAYER_FDS_MAX]) {
        for (unsigned i = 0; i < LAYER_FDS_MAX; i++)
                (*fds)[i] = safe_close((*fds)[i]);
}

/* Returns: 1: handled one; 0: nothing there; < 0: the connection is over. */
static int link_receive(LayerLink *link) {
        _cleanup_(close_fds) int fds[LAYER_FDS_MAX] = { -1, -1 };
        LayerMessage message;
        int r;

        r = layer_message_receive(link->fd, &message, fds);
        if (r == -EAGAIN)
                return 0;
        if (r == -EBADMSG || r == -EPROTO)
                layer_link_punish(link, "it sent a message that makes no sense");
        if (r < 0)
                return r;

        layer_request(link, &message, fds);
        return 1;
}

static int link_io(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        LayerLink *link = userdata;
        int r = 1;

        if (revents & EPOLLOUT) {
                r = outbox_flush(&link->outbox, link->fd);
                if (r == 0)
                        (void) sd_event_source_set_io_events(link->io, EPOLLIN);
        }

        /* Behind a HELLO that is still being looked into, everything waits in the socket. */
        for (unsigned i = 0; i < LAYER_BURST_MAX && r >= 0 && !link->doomed && !link->hello && (revents & EPOLLIN);
             i++) {
                r = link_receive(link);
                if (r == 0)
                        break;
        }

        if (r < 0 || link->doomed || (revents & (EPOLLHUP | EPOLLERR) && !(revents & EPOLLIN)))
                layer_link_free(link);

        return 0;
}

static unsigned count_links(const Process *p) {
        const LayerLink *link;
        unsigned n = 0;

        list_for_each(link, &p->links, by_process)
                n++;

        return n;
}

static int link_new(Manager *m, int fd) {
        _cleanup_close_ int owned = fd;
        LayerLink *link;
        Process *p;
        int r;

        r = process_of_socket(m, owned, &p);
        if (r < 0)
                return r;

        if (count_links(p) >= LINKS_PER_PROCESS_MAX)
                return -EDQUOT;

        link = calloc(1, sizeof(*link));
        if (!link) {
                process_settle(p);
                return -ENOMEM;
        }

        *link = (LayerLink) { .manager = m, .process = p, .fd = TAKE_FD(owned) };
        outbox_init(&link->outbox, link_outbox_send, sizeof(LayerMessage), LAYER_OUTBOX_MAX);
        list_init(&link->by_process);
        list_append(&p->links, &link->by_process);

        r = sd_event_add_io(m->event, &link->io, link->fd, EPOLLIN, link_io, link);
        if (r < 0)
                layer_link_free(link);

        return r;
}

int layer_accept_all(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        for (unsigned i = 0; i < ACCEPT_BURST_MAX; i++) {
                int accepted, r;

                accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (accepted < 0) {
                        if (errno == EMFILE || errno == ENFILE) {
                                /* As in client_accept_all(): until somebody leaves, of either kind. */
                                (void) log_with_errno(LOG_ERR, errno, LOG_FIELDS(MESSAGE_DESCRIPTORS_OUT),
                                                      "Out of descriptors, no layer can connect until one is free: %m");
                                (void) sd_event_source_set_enabled(s, SD_EVENT_OFF);
                        }
                        break;
                }

                r = link_new(userdata, accepted);
                if (r < 0)
                        log_warning_errno(r, "Refused the connection of a layer: %m");
        }

        return 0;
}
