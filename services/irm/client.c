/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Connections of applications, see client.h. */

#include <sys/epoll.h>
#include <sys/socket.h>

#include "basic/log.h"
#include "services/common/message-id.h"
#include "services/irm/name.h"

#define ACCEPT_BURST_MAX 32U

static int client_outbox_send(int fd, const void *message, const int *fds, unsigned n_fds) {
        return irm_message_send(fd, message, fds, n_fds);
}

static void client_store_name(char *ret, size_t size, uint32_t slot) {
        (void) snprintf(ret, size, "client-%" PRIu32, slot);
}

Client *client_free(Client *c) {
        Process *p;

        if (!c)
                return NULL;

        p = c->process;
        list_unlink(&c->by_manager);
        list_unlink(&c->by_process);
        list_unlink(&c->by_wildcard);

        while (!list_is_empty(&c->acceptors))
                acceptor_free(list_first(&c->acceptors, Acceptor, by_client));

        if (c->state_slot != STATE_NO_SLOT && !c->manager->stopping) {
                char name[32];

                client_store_name(name, sizeof(name), c->state_slot);
                (void) daemon_forget_fd(c->manager->daemon, name);
                state_remove(c->manager->state, STATE_CLIENT, c->state_slot);
        }

        polkit_query_free(c->listen_query);
        sd_event_source_disable_unref(c->io);
        outbox_done(&c->outbox);

        /* Also the duplicate that systemd holds hangs up then. */
        if (c->fd >= 0 && !c->manager->stopping)
                (void) shutdown(c->fd, SHUT_RDWR);
        c->fd = safe_close(c->fd);

        if (p) {
                quota_return_connection(&c->manager->quota, p->key.uid);
                process_settle(p);
        }

        manager_admit(c->manager);
        return mfree(c);
}

void client_hang_up(Client *c) {
        c->doomed = true;
        (void) shutdown(c->fd, SHUT_RDWR);
}

void client_punish(Client *c, const char *why) {
        if (c->doomed)
                return;

        log_with(LOG_NOTICE, LOG_FIELDS(MESSAGE_PROGRAM_CLOSED), "Closing the connection of process %d of user %u: %s",
                 (int) c->process->key.pid, c->process->key.uid, why);
        client_hang_up(c);
}

void client_send(Client *c, const IrmMessage *message, const int *fds, unsigned n_fds) {
        int r;

        if (c->doomed || c->manager->stopping)
                return;

        r = outbox_send(&c->outbox, c->fd, message, fds, n_fds);
        if (r == -ENOBUFS)
                client_punish(c, "it does not read what we tell it");
        else if (r == -EPIPE)
                c->doomed = true;               /* the hang-up is on its way to us */
        else if (r < 0)
                client_punish(c, strerror(-r));
        else if (r > 0)
                (void) sd_event_source_set_io_events(c->io, EPOLLIN | EPOLLOUT);
}

static bool client_floods(Client *c, usec_t now) {
        if (usec_sub(now, c->second_started) >= USEC_PER_SEC) {
                c->second_started = now;
                c->n_messages = 0;
        }

        return ++c->n_messages > CLIENT_RATE_MAX;
}

static void close_fds(int (*fds)[IRM_FDS_MAX]) {
        for (unsigned i = 0; i < IRM_FDS_MAX; i++)
                (*fds)[i] = safe_close((*fds)[i]);
}

/* Returns: 1: handled one; 0: nothing there; < 0: the connection is over. */
static int client_receive(Client *c, usec_t now) {
        _cleanup_(close_fds) int fds[IRM_FDS_MAX] = { -1, -1 };
        IrmMessage message;
        int r;

        r = irm_message_receive(c->fd, &message, fds);
        if (r == -EAGAIN)
                return 0;
        if (r == -EBADMSG || r == -EPROTO) {
                client_punish(c, "it sent a message that makes no sense");
                return r;
        }
        if (r < 0)
                return r;
        if (client_floods(c, now)) {
                client_punish(c, "it sends too many messages");
                return -EDQUOT;
        }

        client_request(c, &message, fds);
        return 1;
}

static int client_io(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Client *c = userdata;
        usec_t now = time_now();
        int r = 1;

        if (revents & EPOLLOUT) {
                r = outbox_flush(&c->outbox, c->fd);
                if (r == 0)
                        (void) sd_event_source_set_io_events(c->io, EPOLLIN);
        }

        for (unsigned i = 0; i < CLIENT_BURST_MAX && r >= 0 && !c->doomed && (revents & EPOLLIN); i++) {
                r = client_receive(c, now);
                if (r == 0)
                        break;
        }

        if (r < 0 || c->doomed || (revents & (EPOLLHUP | EPOLLERR) && !(revents & EPOLLIN)))
                client_free(c);

        return 0;
}

int client_new(Manager *m, int fd, Client **ret) {
        _cleanup_close_ int owned = fd;
        _cleanup_(client_freep) Client *c = NULL;
        char text[QUOTA_TEXT_MAX];
        Process *p;
        int r;

        r = process_of_socket(m, owned, &p);
        if (r < 0)
                return r;

        r = quota_take_connection(&m->quota, p->key.uid, text);
        if (r < 0) {
                log_debug("Refusing a connection of process %d: %s", (int) p->key.pid, text);
                process_settle(p);
                return r;
        }

        c = malloc(sizeof(*c));
        if (!c) {
                quota_return_connection(&m->quota, p->key.uid);
                process_settle(p);
                return -ENOMEM;
        }

        *c = (Client) { .manager = m, .process = p, .fd = TAKE_FD(owned), .state_slot = STATE_NO_SLOT };
        outbox_init(&c->outbox, client_outbox_send, sizeof(IrmMessage), CLIENT_OUTBOX_MAX);
        list_init(&c->acceptors);
        list_init(&c->by_wildcard);
        list_init(&c->by_manager);
        list_append(&m->clients, &c->by_manager);
        list_init(&c->by_process);
        list_append(&p->clients, &c->by_process);

        r = sd_event_add_io(m->event, &c->io, c->fd, EPOLLIN, client_io, c);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(c);
        return 0;
}

int client_restore(Manager *m, int fd, uint32_t slot, Client **ret) {
        Client *c;
        int r;

        r = client_new(m, fd, &c);
        if (r < 0)
                return r;

        c->state_slot = slot;
        *ret = c;
        return 0;
}

void client_remember(Client *c) {
        StateClient record = { .flow_flags = c->flow_flags, .listening = c->listening };
        char name[32];

        (void) copy_string(record.name, sizeof(record.name), c->listen_name);
        (void) copy_string(record.program, sizeof(record.program), c->program);

        if (c->state_slot != STATE_NO_SLOT) {
                state_update(c->manager->state, STATE_CLIENT, c->state_slot, &record);
                return;
        }

        c->state_slot = state_put(c->manager->state, STATE_CLIENT, &record);
        if (c->state_slot == STATE_NO_SLOT)
                return;
        if (c->state_slot >= CLIENT_STORED_MAX) {       /* the rest of systemd's store is not for clients */
                state_remove(c->manager->state, STATE_CLIENT, c->state_slot);
                c->state_slot = STATE_NO_SLOT;
                return;
        }

        client_store_name(name, sizeof(name), c->state_slot);
        (void) daemon_store_fd(c->manager->daemon, name, c->fd);
}

int client_accept_all(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Manager *m = userdata;

        for (unsigned i = 0; i < ACCEPT_BURST_MAX; i++) {
                Client *c;
                int accepted, r;

                accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (accepted < 0) {
                        if (errno == EMFILE || errno == ENFILE) {
                                /* Nobody can come in until somebody leaves. */
                                (void) log_with_errno(LOG_ERR, errno, LOG_FIELDS(MESSAGE_DESCRIPTORS_OUT),
                                                      "Out of descriptors, nobody can connect until one is free: %m");
                                (void) sd_event_source_set_enabled(s, SD_EVENT_OFF);
                        }
                        break;
                }

                r = client_new(m, accepted, &c);
                if (r < 0) {
                        log_debug_errno(r, "Refused a connection: %m");
                        continue;
                }

                client_remember(c);
        }

        return 0;
}
