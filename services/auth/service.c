/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/random.h"
#include "services/auth/service.h"

int service_new(const char *root, Service **ret) {
        _cleanup_(service_freep) Service *s = NULL;
        uint8_t key[SIPHASH_KEY_BYTES];
        int r;

        assert(root);
        assert(ret);

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->mark = (Mark) MARK_INIT;
        session_table_init(&s->sessions);

        r = random_bytes(s->epoch, sizeof(s->epoch));
        if (r < 0)
                return r;

        r = random_bytes(s->warnings.key, sizeof(s->warnings.key));
        if (r < 0)
                return r;

        r = random_bytes(key, sizeof(key));
        if (r < 0)
                return r;
        limit_init(&s->limit, key, SERVICE_NAME_RATE, SERVICE_NAME_BURST, SERVICE_ASKED_RATE, SERVICE_ASKED_BURST);

        r = random_bytes(s->source_key, sizeof(s->source_key));
        if (r < 0)
                return r;
        limit_init(&s->source_limit, s->source_key, SERVICE_SOURCE_RATE, SERVICE_SOURCE_BURST, SERVICE_ASKED_RATE,
                   SERVICE_ASKED_BURST);

        r = credential_store_new(root, &s->store);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(s);
        return 0;
}

Service *service_free(Service *s) {
        if (!s)
                return NULL;

        session_table_done(&s->sessions);
        mark_done(&s->mark);
        s->store = credential_store_free(s->store);
        explicit_bzero(s, sizeof(*s));
        return mfree(s);
}

int service_keep_mark(Service *s, const char *directory, uint64_t now_realtime_nsec) {
        return mark_open(&s->mark, directory, now_realtime_nsec);
}

void service_peer_init(ServicePeer *peer) {
        *peer = (ServicePeer) { .signer = SIGNER_INIT };
}

void service_peer_done(Service *s, ServicePeer *peer) {
        session_table_disown(&s->sessions, peer);
        signer_done(&peer->signer);
}

int service_reload(Service *s, char text[AUTH_TEXT_BYTES_MAX]) {
        int r;

        r = credential_store_reload(s->store, text);
        event_reloaded(r, text);
        return r;
}

void service_expire(Service *s, usec_t now) {
        session_table_expire(&s->sessions, now);
}

usec_t service_next(const Service *s) {
        return session_table_next(&s->sessions);
}

/* -- questions -- */

static int answer_hello(Service *s, ServicePeer *peer, AuthMessage *message, ServiceTime now, AuthMessage *answer) {
        if (message->version != AUTH_PROTOCOL_VERSION)
                return -EPROTO;

        peer->greeted = true;
        peer->before = mark_before(&s->mark, now.realtime_nsec);
        return 0;
}

static int answer_reload(Service *s, ServicePeer *peer, AuthMessage *message, ServiceTime now, AuthMessage *answer) {
        int r;

        /* Both read what is theirs, whatever the other says. */
        r = service_reload(s, answer->text);
        if (r < 0) {
                char unused[AUTH_TEXT_BYTES_MAX];

                (void) signer_reload(&peer->signer, now.monotonic, unused);
                return r;
        }

        return signer_reload(&peer->signer, now.monotonic, answer->text);
}

static const struct {
        AuthMessageType answer;
        int (*ask)(Service *s, ServicePeer *peer, AuthMessage *message, ServiceTime now, AuthMessage *answer);
} questions[_AUTH_MESSAGE_TYPE_MAX] = {
        [AUTH_HELLO] = { AUTH_HELLO, answer_hello },
        [AUTH_BUILD_REQUEST] = { AUTH_REQUEST_BUILT, service_build_request },
        [AUTH_CHECK_RESPONSE] = { AUTH_RESPONSE_CHECKED, service_check_response },
        [AUTH_CHECK_REQUEST] = { AUTH_REQUEST_CHECKED, service_check_request },
        [AUTH_BUILD_RESPONSE] = { AUTH_RESPONSE_BUILT, service_build_response },
        [AUTH_INSPECT] = { AUTH_INSPECTED, service_inspect },
        [AUTH_RELOAD] = { AUTH_RELOADED, answer_reload },
};

/* What has no answer. Returns: 0; -EPROTO. */
static int take_notice(Service *s, ServicePeer *peer, const AuthMessage *message, int *fd) {
        Session *session;

        if (message->type == AUTH_KEYS && *fd >= 0) {
                signer_connect(&peer->signer, TAKE_FD(*fd));
                return 0;
        }

        if (message->type != AUTH_FORGET)
                return -EPROTO;

        session = session_find(&s->sessions, message->session, peer, false);
        if (!session)
                session = session_find(&s->sessions, message->session, peer, true);
        (void) session_free(&s->sessions, session);
        return 0;
}

/* What failed late has nothing to show for it. */
static void drop_results(AuthMessage *answer) {
        answer->session = 0;
        answer->oap = mfree(answer->oap);
        answer->oap_size = 0;
        explicit_bzero(&answer->keys, sizeof(answer->keys));
        explicit_bzero(&answer->control, sizeof(answer->control));
}

int service_handle(Service *s, ServicePeer *peer, AuthMessage *message, int fd, ServiceTime now, AuthMessage *ret) {
        _cleanup_(auth_message_done) AuthMessage answer = {};
        _cleanup_close_ int owned_fd = fd;

        assert(s);
        assert(peer);
        assert(message);
        assert(ret);

        if (message->type != AUTH_HELLO && !peer->greeted)
                return -EPROTO;

        service_expire(s, now.monotonic);

        if (!questions[message->type].ask)
                return take_notice(s, peer, message, &owned_fd);

        answer.type = questions[message->type].answer;
        answer.version = AUTH_PROTOCOL_VERSION;
        answer.id = message->id;
        answer.result = questions[message->type].ask(s, peer, message, now, &answer);
        if (message->type == AUTH_HELLO && answer.result < 0)
                return answer.result;
        if (answer.result < 0)
                drop_results(&answer);

        *ret = answer;
        explicit_bzero(&answer, sizeof(answer));        /* handed over */
        return 1;
}
