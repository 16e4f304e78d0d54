/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Questions to the authentication service, see auth-link.h. They are on two lists, oldest first: waiting to be
 * written, and written. There is no other queue: a socket that is full leaves them where they are. Everything
 * happens in the turn of the loop that follows (turn()), so that nobody is called back from within his own call.
 */

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "basic/list.h"
#include "basic/log.h"
#include "basic/map.h"
#include "basic/time.h"
#include "services/common/message-id.h"
#include "services/irm/auth-link.h"

#define BURST_MAX 16U                           /* answers per turn of the loop */
#define AGAIN_USEC (100 * USEC_PER_MSEC)        /* a service that has no room for one more connection is asked again */
#define RETURN_USEC USEC_PER_SEC                /* one that ended is looked for again, to be warned by it */

typedef struct Question {
        AuthLink *link;                         /* not owned */
        AuthMessage message;
        auth_answered_t answered;               /* NULL: there is no answer to it */
        void *userdata;
        usec_t deadline;
        bool has_session;
        bool repeated;                          /* to another process of the service */
        bool repeated_keys;                     /* after -ENOTCONN */
        uint64_t keys;                          /* of AuthLink, when it was written */
        ListNode by_link;                       /* AuthLink.waiting, then .asked */
} Question;

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
        uint64_t connection;                    /* counts them, from 1 */
        bool ready;                             /* it said HELLO */
        bool wants_keys;                        /* a connection to o7s-keyd */
        uint64_t keys;                          /* counts those handed over */
        uint64_t last_id;
        Map *by_id;                             /* id -> Question */
        List waiting;                           /* Question.by_link, owned */
        List asked;                             /* likewise */
        unsigned n_questions;
};

/* -- questions -- */

static Question *question_free(Question *q) {
        if (!q)
                return NULL;

        list_unlink(&q->by_link);
        if (map_get(q->link->by_id, &q->message.id, sizeof(q->message.id)) == q)
                map_remove(q->link->by_id, &q->message.id, sizeof(q->message.id));
        q->link->n_questions--;
        auth_message_done(&q->message);
        return mfree(q);
}
DEFINE_CLEANUP(Question, question_free);

static const AuthMessageType answer_to[_AUTH_MESSAGE_TYPE_MAX] = {
        [AUTH_BUILD_REQUEST] = AUTH_REQUEST_BUILT,
        [AUTH_CHECK_RESPONSE] = AUTH_RESPONSE_CHECKED,
        [AUTH_CHECK_REQUEST] = AUTH_REQUEST_CHECKED,
        [AUTH_BUILD_RESPONSE] = AUTH_RESPONSE_BUILT,
        [AUTH_INSPECT] = AUTH_INSPECTED,
        [AUTH_RELOAD] = AUTH_RELOADED,
};

/* The question is gone when its owner hears the answer: he may ask the next one from there. */
static void question_answer(Question *q, AuthMessage *answer) {
        const AuthSession session = { .connection = answer->session ? q->link->connection : 0, .id = answer->session };
        auth_answered_t answered = q->answered;
        void *userdata = q->userdata;

        question_free(q);
        if (answered)
                answered(userdata, session, answer);
}

static void question_fail(Question *q, int error, const char *text) {
        AuthMessage answer = { .type = answer_to[q->message.type], .id = q->message.id, .result = error };

        (void) copy_string(answer.text, sizeof(answer.text), text);
        question_answer(q, &answer);
}

static void arm_timer(AuthLink *link) {
        const Question *waiting = list_first(&link->waiting, Question, by_link);
        const Question *asked = list_first(&link->asked, Question, by_link);
        usec_t next = MIN(waiting ? waiting->deadline : USEC_INFINITY, asked ? asked->deadline : USEC_INFINITY);

        if (next != USEC_INFINITY)
                (void) sd_event_source_set_time(link->timer, next);
        (void) sd_event_source_set_enabled(link->timer, next == USEC_INFINITY ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

static void fail_late(List *questions, usec_t now) {
        Question *q;

        while ((q = list_first(questions, Question, by_link)) && q->deadline <= now)
                question_fail(q, -ETIMEDOUT, "The authentication service did not answer within 5 s; "
                              "see: systemctl status o7s-auth");
}

static int questions_late(sd_event_source *s, uint64_t usec, void *userdata) {
        AuthLink *link = userdata;
        usec_t now = MAX((usec_t) usec, time_now());

        fail_late(&link->asked, now);
        fail_late(&link->waiting, now);
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

/* Those that can be asked of the next process of the service as well as of this one. */
static bool question_survives(const Question *q, bool asked) {
        if (!asked)
                return q->answered && !q->has_session;

        return !q->repeated && (q->message.type == AUTH_BUILD_REQUEST || q->message.type == AUTH_INSPECT ||
                                q->message.type == AUTH_RELOAD);
}

/* An owner who is told so may ask, or cancel, others: so each round begins at an end of the list. What was asked
 * goes before what waits. */
static void fail_lost(AuthLink *link) {
        static const char text[] = "The authentication service ended over it; try again";
        unsigned n = link->n_questions;
        Question *q;

        while (n-- > 0 && (q = list_first(&link->waiting, Question, by_link))) {
                list_unlink(&q->by_link);
                list_append(&link->waiting, &q->by_link);
                if (!question_survives(q, false))
                        question_fail(q, -ECONNRESET, text);
        }

        while (!list_is_empty(&link->asked)) {
                q = container_of(link->asked.previous, Question, by_link);
                list_unlink(&q->by_link);
                list_prepend(&link->waiting, &q->by_link);
                if (!question_survives(q, true))
                        question_fail(q, -ECONNRESET, text);
                else
                        q->repeated = true;
        }
}

/* Nobody is there to answer. Whoever is told so may ask anew, and waits for the next turn. */
static void fail_waiting(AuthLink *link, const char *text) {
        unsigned n = link->n_questions;
        Question *q;

        while (n-- > 0 && (q = list_first(&link->waiting, Question, by_link)))
                question_fail(q, -ENOTCONN, text);
}

static void link_lost(AuthLink *link, int error) {
        bool greeted = link->ready;

        if (list_is_empty(&link->asked))
                log_debug_errno(error, "The connection to the authentication service is lost: %m");
        else
                (void) log_with_errno(LOG_WARNING, error, LOG_FIELDS(MESSAGE_AUTH_LOST),
                                      "The authentication service ended over questions of ours: %m");
        link_close(link);
        fail_lost(link);

        /* One that does not even get to HELLO would not do so the next moment either. */
        if (!greeted)
                fail_waiting(link, "The authentication service ends before it answers; see: systemctl status o7s-auth");
        if (greeted && link->n_questions > 0)
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
        Question *q;
        int r = 0;

        if (link->wants_keys)
                r = send_keys(link);

        while (r == 0 && (q = list_first(&link->waiting, Question, by_link))) {
                r = auth_message_send(link->fd, &q->message, -1);
                if (r == -EINVAL || r == -ENOBUFS || r == -EMSGSIZE || r == -ENOMEM) {
                        question_fail(q, r, "What the files say of this name is too much for the authentication service");
                        r = 0;
                        continue;
                }
                if (r < 0)
                        break;

                q->keys = link->keys;
                list_unlink(&q->by_link);
                list_append(&link->asked, &q->by_link);
                if (!q->answered)
                        question_free(q);
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
        Question *q = map_get(link->by_id, &answer->id, sizeof(answer->id));
        AuthSession unwanted = { .connection = link->connection, .id = answer->session };

        if (!q) {
                auth_link_forget(link, &unwanted);      /* it came too late, or its owner is gone */
                return 0;
        }
        if (answer->type != answer_to[q->message.type])
                return -EPROTO;

        if (answer->result == -ENOTCONN && !q->repeated_keys) {
                link->wants_keys = link->wants_keys || q->keys == link->keys;
                q->repeated_keys = true;
                list_unlink(&q->by_link);
                list_prepend(&link->waiting, &q->by_link);
                return 0;
        }

        question_answer(q, answer);
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

        link->connection++;
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
                fail_waiting(link, "The authentication service does not run, and nothing is done without it; "
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
        Question *q;

        if (!link)
                return NULL;

        while ((q = list_first(&link->waiting, Question, by_link)) || (q = list_first(&link->asked, Question, by_link)))
                question_free(q);

        link_close(link);
        sd_event_source_disable_unref(link->timer);
        sd_event_source_disable_unref(link->turn);
        sd_event_source_disable_unref(link->again);
        map_free(link->by_id);
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

int auth_link_new(sd_event *event, const char *auth_path, const char *key_path, auth_expiring_t expiring, void *userdata,
                  AuthLink **ret) {
        _cleanup_(auth_link_freep) AuthLink *link = NULL;
        int r;

        link = calloc(1, sizeof(*link));
        if (!link)
                return -ENOMEM;

        link->event = event;
        link->expiring = expiring;
        link->userdata = userdata;
        link->fd = -1;
        list_init(&link->waiting);
        list_init(&link->asked);

        if (!copy_string(link->auth_path, sizeof(link->auth_path), auth_path) ||
            !copy_string(link->key_path, sizeof(link->key_path), key_path))
                return -ENAMETOOLONG;

        r = map_new(&link->by_id);
        if (r >= 0)
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

/* Takes what message owns. */
static int question_new(AuthLink *link, AuthMessage *message, Question **ret) {
        Question *q;

        q = link->n_questions < AUTH_QUESTIONS_MAX ? calloc(1, sizeof(*q)) : NULL;
        if (!q) {
                auth_message_done(message);
                return link->n_questions < AUTH_QUESTIONS_MAX ? -ENOMEM : -EBUSY;
        }

        *q = (Question) { .link = link, .message = *message, .deadline = usec_add(time_now(), AUTH_ANSWER_USEC) };
        *message = (AuthMessage) {};
        list_init(&q->by_link);
        link->n_questions++;
        *ret = q;
        return 0;
}

int auth_link_ask(AuthLink *link, AuthMessage *question, const AuthSession *session, auth_answered_t answered,
                  void *userdata, uint64_t *ret_id) {
        _cleanup_(question_freep) Question *q = NULL;
        int r;

        assert(answered);
        assert(question->type >= 0 && question->type < _AUTH_MESSAGE_TYPE_MAX && answer_to[question->type] != 0);

        r = question_new(link, question, &q);
        if (r < 0)
                return r;

        q->answered = answered;
        q->userdata = userdata;
        q->has_session = session;
        q->message.id = ++link->last_id;
        q->message.session = session ? session->id : 0;
        if (session && (session->connection != link->connection || link->fd < 0))
                return -ECONNRESET;

        r = map_put(link->by_id, &q->message.id, sizeof(q->message.id), q);
        if (r < 0)
                return r;

        *ret_id = q->message.id;
        list_append(&link->waiting, &q->by_link);
        take_turn(link);
        arm_timer(link);
        TAKE_PTR(q);
        return 0;
}

void auth_link_cancel(AuthLink *link, uint64_t *id) {
        question_free(map_get(link->by_id, id, sizeof(*id)));
        *id = 0;
}

void auth_link_forget(AuthLink *link, AuthSession *session) {
        AuthMessage message = { .type = AUTH_FORGET, .session = session->id };
        bool known = session->id != 0 && session->connection == link->connection && link->fd >= 0;
        Question *q;

        *session = (AuthSession) {};
        if (!known || question_new(link, &message, &q) < 0)
                return;                 /* then it forgets by itself, after a while */

        q->has_session = true;
        list_append(&link->waiting, &q->by_link);
        take_turn(link);
}
