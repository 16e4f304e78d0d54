/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* See service.h. Each question is answered before the next one is read; who does not read answers is disconnected. */

#include <signal.h>
#include <sys/socket.h>

#include "basic/log.h"
#include "basic/time.h"
#include "services/common/message-id.h"
#include "services/keyd/service.h"

#define BURST 32U                       /* questions of one connection before others get in */
#define LOG_INTERVAL_USEC (10 * USEC_PER_SEC)

typedef struct Connection {
        Service *service;               /* not owned */
        ListNode by_service;            /* Service::connections */
        sd_event_source *source;
        int fd;
} Connection;

struct Service {
        Daemon *daemon;                 /* not owned */
        KeyStore *keys;                 /* not owned */
        uid_t user;
        int listen_fd;
        sd_event_source *listen_source;
        sd_event_source *reload_source;
        List connections;
        unsigned n_connections;
        /* How often it may be asked, and when that was last said. */
        uint64_t millitokens;
        usec_t filled;
        usec_t logged;
        unsigned n_refused;
};

/* -- questions -- */

static bool service_may_answer(Service *s, usec_t now) {
        uint64_t gained = usec_sub(now, s->filled) * SERVICE_QUESTIONS_PER_SECOND / USEC_PER_MSEC;

        if (gained > 0) {
                s->millitokens = MIN(s->millitokens + gained, (uint64_t) SERVICE_QUESTIONS_BURST * 1000);
                s->filled = now;
        }
        if (s->millitokens >= 1000) {
                s->millitokens -= 1000;
                return true;
        }

        s->n_refused++;
        if (s->logged == 0 || usec_sub(now, s->logged) >= LOG_INTERVAL_USEC) {
                log_with(LOG_WARNING, LOG_FIELDS(MESSAGE_KEYD_BUSY),
                         "More than %u questions a second: %u refused so far.", SERVICE_QUESTIONS_PER_SECOND,
                         s->n_refused);
                s->logged = now;
        }
        return false;
}

static void service_status(const Service *s) {
        daemon_status(s->daemon, "%u private key%s open", s->keys->n_keys, s->keys->n_keys == 1 ? "" : "s");
}

static void service_reload(Service *s) {
        unsigned n = key_store_forget(s->keys);

        log_info("%u private key%s forgotten; each is read again when it is asked for.", n, n == 1 ? "" : "s");
        service_status(s);
}

static void answer_sign(Service *s, const KeyMessage *question, KeyMessage *answer) {
        const Key *key;

        answer->result = key_store_get(s->keys, question->key, &key, answer->text);
        if (answer->result < 0)
                return;

        answer->result = key_sign(key, &question->header, time_realtime_nsec(), answer->signature,
                                  &answer->signature_size, answer->text);
        if (key_is_on_token(key) && (answer->result == -EIO || answer->result == -EACCES || answer->result == -ENOENT))
                key_store_drop(s->keys, question->key);         /* the token may have gone, and come back */
}

static void answer_public(Service *s, const KeyMessage *question, KeyMessage *answer) {
        const Key *key;

        answer->result = key_store_get(s->keys, question->key, &key, answer->text);
        if (answer->result < 0)
                return;

        memcpy(answer->public_key, key->public_key, key->public_size);
        answer->public_size = key->public_size;
}

/* Returns: 0; -EPROTO: it is no question. */
static int service_answer(Service *s, const KeyMessage *question, KeyMessage *answer) {
        switch (question->type) {
        case KEY_SIGN:
                answer->type = KEY_SIGNED;
                break;
        case KEY_PUBLIC:
                answer->type = KEY_PUBLIC_IS;
                break;
        case KEY_RELOAD:
                answer->type = KEY_RELOADED;
                break;
        case KEY_SIGNED:
        case KEY_PUBLIC_IS:
        case KEY_RELOADED:
        case _KEY_MESSAGE_TYPE_MAX:
        case _KEY_MESSAGE_TYPE_INVALID:
                return -EPROTO;
        }

        if (!service_may_answer(s, time_now())) {
                answer->result = key_fail(answer->text, -EBUSY, "o7s-keyd is asked more than %u times a second",
                                          SERVICE_QUESTIONS_PER_SECOND);
                return 0;
        }

        if (question->type == KEY_SIGN)
                answer_sign(s, question, answer);
        else if (question->type == KEY_PUBLIC)
                answer_public(s, question, answer);
        else
                service_reload(s);

        if (answer->result < 0)
                log_debug("Refused: %s.", answer->text);
        service_status(s);
        return 0;
}

/* -- connections -- */

static Connection *connection_free(Connection *c) {
        if (!c)
                return NULL;

        if (list_is_linked(&c->by_service)) {
                list_unlink(&c->by_service);
                c->service->n_connections--;
        }
        sd_event_source_disable_unref(c->source);
        c->fd = safe_close(c->fd);
        return mfree(c);
}
DEFINE_CLEANUP(Connection, connection_free);

/* Returns: 0; -EAGAIN: nothing to read; another errno: the connection is of no use any more. */
static int connection_read(Connection *c) {
        _cleanup_(key_message_done) KeyMessage question = {};
        KeyMessage answer = {};
        int r;

        r = key_message_receive(c->fd, &question);
        if (r < 0)
                return r;

        r = service_answer(c->service, &question, &answer);
        if (r < 0)
                return r;

        r = key_message_send(c->fd, &answer);
        return r == -EAGAIN ? -ENOBUFS : r;
}

static int connection_readable(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Connection *c = userdata;

        for (unsigned i = 0; i < BURST; i++) {
                int r = connection_read(c);

                if (r == -EAGAIN)
                        return 0;
                if (r == 0)
                        continue;

                if (r != -EPIPE)
                        (void) log_warning_errno(r, "A connection is closed: %m");
                (void) connection_free(c);
                return 0;
        }

        return 0;
}

static bool may_connect(const Service *s, int fd) {
        struct ucred peer;
        socklen_t size = sizeof(peer);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
                (void) log_warning_errno(errno, "Failed to see who connects: %m");
                return false;
        }
        if (peer.uid == 0 || peer.uid == s->user)
                return true;

        log_with(LOG_WARNING, LOG_FIELDS(MESSAGE_KEYD_STRANGER), "User %u may not ask for signatures.",
                 (unsigned) peer.uid);
        return false;
}

static int connection_new(Service *s, int fd) {
        _cleanup_(connection_freep) Connection *c = NULL;
        int r;

        c = malloc(sizeof(*c));
        if (!c) {
                (void) safe_close(fd);
                return -ENOMEM;
        }
        *c = (Connection) { .service = s, .fd = fd };
        list_init(&c->by_service);

        r = sd_event_add_io(s->daemon->event, &c->source, fd, EPOLLIN, connection_readable, c);
        if (r < 0)
                return r;

        list_append(&s->connections, &c->by_service);
        s->n_connections++;
        c = NULL;                       /* the list's now */
        return 0;
}

static int service_connectable(sd_event_source *source, int listen_fd, uint32_t events, void *userdata) {
        Service *s = userdata;
        _cleanup_close_ int fd = -1;
        int r;

        fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
                if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
                        (void) log_warning_errno(errno, "Failed to accept a connection: %m");
                return 0;
        }

        if (!may_connect(s, fd))
                return 0;
        if (s->n_connections == SERVICE_CONNECTIONS_MAX) {
                log_warning("There are %u connections already: one more is refused.", SERVICE_CONNECTIONS_MAX);
                return 0;
        }

        r = connection_new(s, TAKE_FD(fd));
        if (r < 0)
                (void) log_warning_errno(r, "Failed to keep a connection: %m");
        return 0;
}

/* -- all of it -- */

/* By people, other than a message: only they may have a PIN tried again that was wrong. */
static int service_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        Service *s = userdata;

        token_forget_pins(s->keys);
        service_reload(s);
        return 0;
}

int service_new(Daemon *daemon, KeyStore *keys, uid_t user, Service **ret) {
        _cleanup_(service_freep) Service *s = NULL;
        int r;

        s = malloc(sizeof(*s));
        if (!s)
                return -ENOMEM;
        *s = (Service) {
                .daemon = daemon,
                .keys = keys,
                .user = user,
                .listen_fd = -1,
                .millitokens = SERVICE_QUESTIONS_BURST * UINT64_C(1000),
                .filled = time_now(),
        };
        list_init(&s->connections);

        s->listen_fd = daemon_take_fd(daemon, "keyd");
        if (s->listen_fd < 0)
                return s->listen_fd;

        r = sd_event_add_io(daemon->event, &s->listen_source, s->listen_fd, EPOLLIN, service_connectable, s);
        if (r < 0)
                return r;

        r = sd_event_add_signal(daemon->event, &s->reload_source, SIGHUP | SD_EVENT_SIGNAL_PROCMASK, service_hangup, s);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(s);
        return 0;
}

Service *service_free(Service *s) {
        Connection *c, *next;

        if (!s)
                return NULL;

        list_for_each_safe(c, next, &s->connections, by_service)
                (void) connection_free(c);
        sd_event_source_disable_unref(s->listen_source);
        sd_event_source_disable_unref(s->reload_source);
        s->listen_fd = safe_close(s->listen_fd);
        return mfree(s);
}
