/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "basic/log.h"
#include "services/auth/server.h"

struct Client {
        Server *server;                 /* not owned */
        int fd;
        sd_event_source *source;
        ServicePeer peer;
        bool waiting;                   /* .answer is to be sent, once there is room */
        AuthMessage answer;
        ListNode by_server;
};

static Client *client_free(Client *c) {
        if (!c)
                return NULL;

        list_unlink(&c->by_server);
        c->server->n_clients--;
        sd_event_source_disable_unref(c->source);
        service_peer_done(c->server->service, &c->peer);
        auth_message_done(&c->answer);
        c->fd = safe_close(c->fd);
        return mfree(c);
}

static ServiceTime service_time(void) {
        return (ServiceTime) { .monotonic = time_now(), .realtime_nsec = time_realtime_nsec() };
}

/* -- timers -- */

static int sessions_elapsed(sd_event_source *source, uint64_t usec, void *userdata) {
        Server *s = userdata;
        usec_t next;

        service_expire(s->service, time_now());

        next = service_next(s->service);
        if (next == USEC_INFINITY)
                return sd_event_source_set_enabled(source, SD_EVENT_OFF);

        (void) sd_event_source_set_time(source, next);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* After each burst of messages: the oldest session is the first to end, and a newer one never comes before it. */
static void arm_expiry(Server *s) {
        usec_t next = service_next(s->service);
        int enabled = SD_EVENT_OFF;

        (void) sd_event_source_get_enabled(s->expiry_timer, &enabled);
        if (next == USEC_INFINITY || enabled != SD_EVENT_OFF)
                return;

        (void) sd_event_source_set_time(s->expiry_timer, next);
        (void) sd_event_source_set_enabled(s->expiry_timer, SD_EVENT_ONESHOT);
}

/* Best effort: who reads slowly has the journal. */
static void announce_expiring(Server *s, const AuthFinding *finding) {
        AuthMessage message = {
                .type = AUTH_EXPIRING,
                .version = AUTH_PROTOCOL_VERSION,
                .expiry_usec = finding->expiry_usec,
        };
        Client *c;

        (void) copy_string(message.name, sizeof(message.name), finding->subject);
        (void) copy_string(message.text, sizeof(message.text), finding->text);

        list_for_each(c, &s->clients, by_server)
                if (c->peer.greeted && !c->waiting)
                        (void) auth_message_send(c->fd, &message, -1);
}

static void look_for_expiring(Server *s) {
        static const SecurityPolicy defaults = {};
        _cleanup_free_ AuthFinding *findings = NULL;
        uint64_t now = time_realtime_nsec();

        findings = calloc(AUTH_FINDINGS_MAX, sizeof(*findings));
        if (!findings)
                return;

        for (unsigned side = 0; side < 2; side++) {
                int n;

                n = credentials_inspect(s->service->store, NULL, &defaults, side == 0, now, findings,
                                        AUTH_FINDINGS_MAX);
                for (int i = 0; i < MIN(n, (int) AUTH_FINDINGS_MAX); i++)
                        if (warning_is_due(&s->service->warnings, findings + i, now)) {
                                event_expiring(findings + i);
                                announce_expiring(s, findings + i);
                        }
        }
}

static int warning_elapsed(sd_event_source *source, uint64_t usec, void *userdata) {
        Server *s = userdata;

        look_for_expiring(s);
        (void) sd_event_source_set_time(source, usec_add(time_now(), WARNING_INTERVAL_USEC));
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int reload_wanted(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        Server *s = userdata;
        char text[AUTH_TEXT_BYTES_MAX] = "";
        Client *c;

        (void) service_reload(s->service, text);
        list_for_each(c, &s->clients, by_server)
                (void) signer_reload(&c->peer.signer, time_now(), text);
        look_for_expiring(s);
        return 0;
}

/* -- connections -- */

/* Sends c->answer, or waits for room. Returns: 0; 1: it waits; < 0: the connection is lost. */
static int send_answer(Client *c) {
        int r;

        r = auth_message_send(c->fd, &c->answer, -1);
        c->waiting = r == -EAGAIN;
        if (c->waiting)
                return 1;

        if (r == -ENOBUFS || r == -EINVAL) {            /* it does not fit: the asking end hears at least that */
                AuthMessage refusal = {
                        .type = c->answer.type,
                        .version = AUTH_PROTOCOL_VERSION,
                        .id = c->answer.id,
                        .result = -EMSGSIZE,
                };

                log_warning_errno(r, "An answer does not fit into a message: %m");
                r = auth_message_send(c->fd, &refusal, -1);
        }

        auth_message_done(&c->answer);
        return r;
}

/* One message. Returns: 1: there may be more; 0: not now; < 0: the connection is lost. */
static int serve(Client *c) {
        _cleanup_(auth_message_done) AuthMessage message = {};
        int fd = -1, r;

        r = auth_message_receive(c->fd, &message, &fd);
        if (r == -EAGAIN)
                return 0;
        if (r < 0)
                return r;

        r = service_handle(c->server->service, &c->peer, &message, fd, service_time(), &c->answer);
        if (r <= 0)
                return r < 0 ? r : 1;

        r = send_answer(c);
        return r < 0 ? r : r == 0;
}

static int client_ready(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Client *c = userdata;
        Server *s = c->server;
        int r = 1;

        if (c->waiting)
                r = send_answer(c) == 0;
        for (unsigned i = 0; r > 0 && i < SERVER_BURST_MAX; i++)
                r = serve(c);

        if (r < 0) {
                if (r == -EPIPE)
                        log_debug("A connection of the resource manager ended");
                else
                        log_warning_errno(r, "A connection of the resource manager is closed: %m");
                (void) client_free(c);
        } else
                (void) sd_event_source_set_io_events(c->source, c->waiting ? EPOLLOUT : EPOLLIN);

        arm_expiry(s);
        return 0;
}

int server_add_client(Server *s, int fd) {
        _cleanup_close_ int owned_fd = fd;
        struct ucred creds;
        socklen_t size = sizeof(creds);
        Client *c;
        int r;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &creds, &size) < 0)
                return -errno;
        if (creds.uid != 0 && creds.uid != s->client_uid)
                return -EPERM;
        if (s->n_clients >= SERVER_CLIENTS_MAX)
                return -EMFILE;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;

        c->server = s;
        c->fd = TAKE_FD(owned_fd);
        service_peer_init(&c->peer);
        list_init(&c->by_server);
        list_append(&s->clients, &c->by_server);
        s->n_clients++;

        r = sd_event_add_io(s->event, &c->source, c->fd, EPOLLIN, client_ready, c);
        if (r < 0) {
                (void) client_free(c);
                return r;
        }

        return 0;
}

static int connection_wanted(sd_event_source *source, int listen_fd, uint32_t events, void *userdata) {
        Server *s = userdata;
        int fd, r;

        fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
                return 0;

        r = server_add_client(s, fd);
        if (r < 0)
                log_warning_errno(r, "A connection was refused: %m");
        return 0;
}

/* -- lifecycle -- */

int server_init(Server *s, sd_event *event, Service *service, int listen_fd, uid_t client_uid) {
        int r;

        assert(s);
        assert(event);
        assert(service);

        *s = (Server) { .event = event, .service = service, .client_uid = client_uid, .listen_fd = listen_fd };
        list_init(&s->clients);

        if (listen_fd >= 0) {
                r = sd_event_add_io(event, &s->listen_source, listen_fd, EPOLLIN, connection_wanted, s);
                if (r < 0)
                        return r;
        }

        r = sd_event_add_time(event, &s->expiry_timer, CLOCK_MONOTONIC, 0, 0, sessions_elapsed, s);
        if (r < 0)
                return r;
        (void) sd_event_source_set_enabled(s->expiry_timer, SD_EVENT_OFF);

        r = sd_event_add_time(event, &s->warning_timer, CLOCK_MONOTONIC, usec_add(time_now(), USEC_PER_SEC), 0,
                              warning_elapsed, s);
        if (r < 0)
                return r;

        return sd_event_add_signal(event, &s->reload_signal, SIGHUP | SD_EVENT_SIGNAL_PROCMASK, reload_wanted, s);
}

void server_done(Server *s) {
        Client *c;

        while ((c = list_first(&s->clients, Client, by_server)))
                (void) client_free(c);

        s->reload_signal = sd_event_source_disable_unref(s->reload_signal);
        s->warning_timer = sd_event_source_disable_unref(s->warning_timer);
        s->expiry_timer = sd_event_source_disable_unref(s->expiry_timer);
        s->listen_source = sd_event_source_disable_unref(s->listen_source);
        s->listen_fd = safe_close(s->listen_fd);
}
