/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The connection to the authentication service, see auth-link.h; auth-question.c has what is asked over it. Everything
 * happens in the turn of the loop that follows (turn()), so that nobody is called back from within his own call.
 */

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "basic/log.h"
#include "basic/time.h"
#include "services/common/message-id.h"
#include "services/irm/auth-question.h"

#define BURST_MAX 16U                           /* answers per turn of the loop */
#define AGAIN_USEC (100 * USEC_PER_MSEC)        /* a service that has no room for one more connection is asked again */
#define RETURN_USEC USEC_PER_SEC                /* one that ended is looked for again, to be warned by it */

struct AuthLink {
        sd_event *event;                        /* not owned */
        char auth_path[108];
        char key_path[108];
        auth_expiring_t expiring;
        void *userdata;
        int fd;
        sd_event_source *io;
        sd_event_source *timer;                 /* of the oldest question */
        sd_event_source *turn;
        sd_event_source *again;                 /* turn(), after a while */
        bool ready;                             /* it said HELLO */
        bool wants_keys;                        /* a connection to o7s-keyd */
        uint64_t keys;                          /* counts those handed over */
        uint64_t last_id;
        AuthQuestions questions;
};

/* -- time -- */

static void arm_timer(AuthLink *link) {
        usec_t next = auth_questions_next(&link->questions);

        if (next != USEC_INFINITY)
                (void) sd_event_source_set_time(link->timer, next);
        (void) sd_event_source_set_enabled(link->timer, next == USEC_INFINITY ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

static int questions_late(sd_event_source *s, uint64_t usec, void *userdata) {
        AuthLink *link = userdata;

        auth_questions_fail_late(&link->questions, MAX((usec_t) usec, time_now()));
        arm_timer(link);
        return 0;
}

/* -- the connection -- */

static void link_close(AuthLink *link) {
        link->ready = false;
        link->io = sd_event_source_disable_unref(link->io);
        link->fd = safe_close(link->fd);
}

static void take_turn(AuthLink *link) {
        (void) sd_event_source_set_enabled(link->turn, SD_EVENT_ONESHOT);
}

static void take_turn_later(AuthLink *link, usec_t usec) {
        (void) sd_event_source_set_time_relative(link->again, usec);
        (void) sd_event_source_set_enabled(link->again, SD_EVENT_ONESHOT);
}

static void link_lost(AuthLink *link, int error) {
        bool greeted = link->ready;

        if (list_is_empty(&link->questions.asked))
                log_debug_errno(error, "The connection to the authentication service is lost: %m");
        else
                (void) log_with_errno(LOG_WARNING, error, LOG_FIELDS(MESSAGE_AUTH_LOST),
                                      "The authentication service ended over questions of ours: %m");
        link_close(link);
        auth_questions_fail_lost(&link->questions);

        /* One that does not even get to HELLO would not do so the next moment either. */
        if (!greeted)
                auth_questions_fail_waiting(
                        &link->questions,
                        "The authentication service ends before it answers; see: systemctl status o7s-auth");
        if (greeted && link->questions.n > 0)
                take_turn(link);
        else
                take_turn_later(link, RETURN_USEC);
        arm_timer(link);
}

static int socket_connect(const char *path, int *ret) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -1;

        if (!copy_string(address.sun_path, sizeof(address.sun_path), path))
                return -ENAMETOOLONG;

        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;

        *ret = TAKE_FD(fd);
        return 0;
}

/* Returns: 0: it has one, or there is none to be had; -EAGAIN; < 0: the link is lost. */
static int send_keys(AuthLink *link) {
        const AuthMessage message = { .type = AUTH_KEYS };
        _cleanup_close_ int fd = -1;
        int r;

        r = socket_connect(link->key_path, &fd);
        if (r < 0) {
                link->wants_keys = false;       /* a question that needs them is answered so, and asks again */
                log_debug_errno(r, "There is no o7s-keyd at %s: %m", link->key_path);
                return 0;
        }

        /* Its new owner waits for answers, with a limit of its own. */
        if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) < 0)
                return -errno;

        r = auth_message_send(link->fd, &message, fd);
        if (r < 0)
                return r;

        link->wants_keys = false;
        link->keys++;
        return 0;
}

/* Returns: 0; -EAGAIN: the rest waits; < 0: the link is lost. */
static int write_questions(AuthLink *link) {
        AuthQuestion *q;
        int r = 0;

        if (link->wants_keys)
                r = send_keys(link);

        while (r == 0 && (q = list_first(&link->questions.waiting, AuthQuestion, by_list))) {
                r = auth_message_send(link->fd, &q->message, -1);
                if (r == -EINVAL || r == -ENOBUFS || r == -EMSGSIZE || r == -ENOMEM) {
                        auth_question_fail(
                                q, r, "What the files say of this name is too much for the authentication service");
                        r = 0;
                        continue;
                }
                if (r < 0)
                        break;

                q->keys = link->keys;
                auth_question_asked(q);
                if (!q->answered)
                        auth_question_free(q);
        }

        return r;
}

static void link_flush(AuthLink *link) {
        int r;

        if (!link->ready)
                return;

        r = write_questions(link);
        if (r < 0 && r != -EAGAIN)
                link_lost(link, r);
        else
                (void) sd_event_source_set_io_events(link->io, EPOLLIN | (r == -EAGAIN ? EPOLLOUT : 0));
}

/* Returns: 0; < 0: the link is lost. */
static int take_hello(AuthLink *link, const AuthMessage *message) {
        if (link->ready)
                return -EPROTO;
        if (message->version != AUTH_PROTOCOL_VERSION) {
                log_error("The authentication service speaks version %u of its protocol, we %u: restart both",
                          message->version, AUTH_PROTOCOL_VERSION);
                return -EPROTONOSUPPORT;
        }

        link->ready = true;
        link->wants_keys = true;
        return 0;
}

static int take_answer(AuthLink *link, AuthMessage *answer) {
        AuthQuestion *q = auth_question_find(&link->questions, answer->id);
        AuthSession unwanted = { .connection = link->questions.connection, .id = answer->session };

        if (!q) {
                auth_link_forget(link, &unwanted);      /* it came too late, or its owner is gone */
                return 0;
        }
        if (answer->type != auth_question_answer_type(q->message.type))
                return -EPROTO;

        if (answer->result == -ENOTCONN && !q->repeated_keys) {
                link->wants_keys = link->wants_keys || q->keys == link->keys;
                q->repeated_keys = true;
                auth_question_again(q);
                return 0;
        }

        auth_question_answer(q, answer);
        return 0;
}

static int take_message(AuthLink *link, AuthMessage *message) {
        if (message->type == AUTH_HELLO)
                return take_hello(link, message);
        if (!link->ready)
                return -EPROTO;

        if (message->type == AUTH_EXPIRING) {
                if (link->expiring)
                        link->expiring(link->userdata, message);
                return 0;
        }

        return take_answer(link, message);
}

static int receive_one(AuthLink *link) {
        AuthMessage message = {};
        int fd = -1, r;

        r = auth_message_receive(link->fd, &message, &fd);
        if (r < 0)
                return r;

        (void) safe_close(fd);
        r = take_message(link, &message);
        auth_message_done(&message);
        return r;
}

static int link_io(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        AuthLink *link = userdata;
        int r = 0;

        for (unsigned i = 0; i < BURST_MAX && r == 0 && (revents & EPOLLIN); i++)
                r = receive_one(link);
        if (r == 0 && (revents & (EPOLLHUP | EPOLLERR)) && !(revents & EPOLLIN))
                r = -EPIPE;

        if (r < 0 && r != -EAGAIN)
                link_lost(link, r);
        else
                link_flush(link);
        arm_timer(link);
        return 0;
}

static int link_connect(AuthLink *link) {
        const AuthMessage hello = { .type = AUTH_HELLO, .version = AUTH_PROTOCOL_VERSION };
        int r;

        r = socket_connect(link->auth_path, &link->fd);
        if (r < 0)
                return r;

        link->questions.connection++;
        r = sd_event_add_io(link->event, &link->io, link->fd, EPOLLIN, link_io, link);
        if (r >= 0)
                r = auth_message_send(link->fd, &hello, -1);
        if (r < 0)
                link_close(link);

        return MIN(r, 0);
}

static int turn(sd_event_source *s, uint64_t usec, void *userdata) {
        AuthLink *link = userdata;
        int r = 0;

        if (link->fd < 0)
                r = link_connect(link);

        if (r == -EAGAIN)
                take_turn_later(link, AGAIN_USEC);
        else if (r < 0) {
                log_debug_errno(r, "Cannot connect to the authentication service at %s: %m", link->auth_path);
                auth_questions_fail_waiting(&link->questions,
                                            "The authentication service does not run, and nothing is done without it; "
                                            "see: systemctl status o7s-auth.socket o7s-auth");
        } else
                link_flush(link);

        arm_timer(link);
        return 0;
}

static int turn_now(sd_event_source *s, void *userdata) {
        return turn(s, 0, userdata);
}

/* -- life -- */

AuthLink *auth_link_free(AuthLink *link) {
        if (!link)
                return NULL;

        auth_questions_done(&link->questions);
        link_close(link);
        sd_event_source_disable_unref(link->timer);
        sd_event_source_disable_unref(link->turn);
        sd_event_source_disable_unref(link->again);
        return mfree(link);
}

/* All of them off until there is something to do. */
static int add_sources(AuthLink *link) {
        int r;

        r = sd_event_add_defer(link->event, &link->turn, turn_now, link);
        if (r >= 0)
                r = sd_event_source_set_enabled(link->turn, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time(link->event, &link->timer, CLOCK_MONOTONIC, 0, 1, questions_late, link);
        if (r >= 0)
                r = sd_event_source_set_enabled(link->timer, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time(link->event, &link->again, CLOCK_MONOTONIC, 0, 0, turn, link);

        return r < 0 ? r : sd_event_source_set_enabled(link->again, SD_EVENT_OFF);
}

int auth_link_new(sd_event *event, const char *auth_path, const char *key_path, auth_expiring_t expiring,
                  void *userdata, AuthLink **ret) {
        _cleanup_(auth_link_freep) AuthLink *link = NULL;
        int r;

        link = calloc(1, sizeof(*link));
        if (!link)
                return -ENOMEM;

        link->event = event;
        link->expiring = expiring;
        link->userdata = userdata;
        link->fd = -1;
        r = auth_questions_init(&link->questions);
        if (r < 0)
                return r;

        if (!copy_string(link->auth_path, sizeof(link->auth_path), auth_path) ||
            !copy_string(link->key_path, sizeof(link->key_path), key_path))
                return -ENAMETOOLONG;

        r = add_sources(link);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(link);
        return 0;
}

void auth_link_start(AuthLink *link) {
        take_turn(link);
}

/* -- what its users say -- */

int auth_link_ask(AuthLink *link, AuthMessage *question, const AuthSession *session, auth_answered_t answered,
                  void *userdata, uint64_t *ret_id) {
        _cleanup_(auth_question_freep) AuthQuestion *q = NULL;
        int r;

        assert(answered);
        assert(auth_question_answer_type(question->type) != 0);

        r = auth_question_new(&link->questions, question, &q);
        if (r < 0)
                return r;

        q->answered = answered;
        q->userdata = userdata;
        q->has_session = session;
        q->message.id = ++link->last_id;
        q->message.session = session ? session->id : 0;
        if (session && (session->connection != link->questions.connection || link->fd < 0))
                return -ECONNRESET;

        r = map_put(link->questions.by_id, &q->message.id, sizeof(q->message.id), q);
        if (r < 0)
                return r;

        *ret_id = q->message.id;
        list_append(&link->questions.waiting, &q->by_list);
        take_turn(link);
        arm_timer(link);
        TAKE_PTR(q);
        return 0;
}

void auth_link_cancel(AuthLink *link, uint64_t *id) {
        auth_question_free(auth_question_find(&link->questions, *id));
        *id = 0;
}

void auth_link_forget(AuthLink *link, AuthSession *session) {
        AuthMessage message = { .type = AUTH_FORGET, .session = session->id };
        bool known = session->id != 0 && session->connection == link->questions.connection && link->fd >= 0;
        AuthQuestion *q;

        *session = (AuthSession) {};
        if (!known || auth_question_new(&link->questions, &message, &q) < 0)
                return;                 /* then it forgets by itself, after a while */

        q->has_session = true;
        list_append(&link->questions.waiting, &q->by_list);
        take_turn(link);
}
