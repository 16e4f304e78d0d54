/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The four questions of a handshake. A session holds what the next question needs; whatever fails, and whatever is
 * complete, ends it, so that no session answers twice and no keys stay behind.
 */

#include <stdio.h>

#include "basic/random.h"
#include "services/auth/service.h"

#define REFRESH_INTERVAL_USEC USEC_PER_SEC

/* A sentence of our own, where nobody below had one. */
static int refuse(AuthMessage *answer, int result, const char *text) {
        if (isempty(answer->text))
                (void) copy_string(answer->text, sizeof(answer->text), text);

        return result;
}

static int failed(Service *s, ServiceTime now, const char *name, const AuthPeer *peer, int result,
                  AuthMessage *answer) {
        if (isempty(answer->text))
                (void) snprintf(answer->text, sizeof(answer->text), "The handshake failed: %s", strerror(-result));

        event_failure(&s->events, now.monotonic, name, peer->identity, result, answer->text);
        return result;
}

/* Looks after the files at most once a second. */
static void refresh(Service *s, ServiceTime now) {
        if (s->refreshed > 0 && usec_sub(now.monotonic, s->refreshed) < REFRESH_INTERVAL_USEC)
                return;

        s->refreshed = now.monotonic;
        if (credential_store_refresh(s->store) > 0)
                event_reloaded(0, "");
}

/* -- what a decision stands on -- */

static SessionBasis basis_of(const Service *s, const Credentials *credentials) {
        SessionBasis basis = {
                .generation = credential_store_generation(s->store),
                .authentication = credentials->authentication,
                .encryption = credentials->encryption,
                .peer = credentials->peer,
                .none = credentials->none,
        };

        trust_content(credentials->trust, basis.trust);
        return basis;
}

/* The last step is the one that counts: what was changed since the first one, trust anchors, revocation lists, what a
 * name shows, is looked at before anybody is let in. It is not decided anew, as what the peer has shown is gone; who
 * asks again is. Returns: 0; -ESTALE. */
static int check_basis(Service *s, Session *session, ServiceTime now, AuthMessage *answer) {
        Credentials credentials = {};
        SessionBasis basis;
        int r;

        refresh(s, now);
        if (session->basis.generation == credential_store_generation(s->store))
                return 0;

        r = credentials_find(s->store, session->name, &session->policy, session->server, now.realtime_nsec,
                             &credentials, answer->text);
        if (r < 0)
                return r;

        basis = basis_of(s, &credentials);
        if (memcmp(basis.trust, session->basis.trust, sizeof(basis.trust)) != 0 ||
            basis.authentication != session->basis.authentication || basis.encryption != session->basis.encryption ||
            basis.peer != session->basis.peer || basis.none != session->basis.none)
                return refuse(answer, -ESTALE,
                              "Whom this host trusts, or what it asks of a peer, has changed during the handshake: try "
                              "again");

        session->basis = basis;
        return 0;
}

static uint64_t source_of(const Service *s, const AuthMessage *message) {
        if (message->source[0] == '\0')
                return 0;

        return MAX(siphash24(s->source_key, message->source, strlen(message->source)), UINT64_C(1));
}

/* The name's share and the peer's, of what all may cause. */
static bool may_begin(Service *s, const AuthMessage *message, usec_t now) {
        if (message->source[0] != '\0' &&
            !limit_take(&s->source_limit, message->source, strlen(message->source), now))
                return false;

        return limit_take(&s->limit, message->name, strlen(message->name), now);
}

/* A session with its handshake; takes the policy out of the message. */
static int begin(Service *s, ServicePeer *peer, AuthMessage *message, bool server, ServiceTime now, AuthMessage *answer,
                 Session **ret) {
        uint8_t random[HANDSHAKE_RANDOM_BYTES];
        Credentials credentials = {};
        HandshakeParameters parameters;
        Session *session;
        int r;

        if (!flow_name_is_valid_on_wire(message->name))
                return refuse(answer, -EPROTO, "A handshake is for a name, and there is none");

        r = session_new(&s->sessions, peer, source_of(s, message), server, now.monotonic, &session);
        if (r == -EDQUOT)
                return refuse(answer, -EBUSY, server ? "Too many handshakes of this peer are under way"
                                                     : "Too many handshakes of this user are under way");
        if (r < 0)
                return refuse(answer, r,
                              r == -EBUSY ? "Too many handshakes are under way; later ones have to wait"
                                          : "There is no room for a session");

        (void) copy_string(session->name, sizeof(session->name), message->name);
        session->policy = message->policy;
        message->policy = (SecurityPolicy) {};

        refresh(s, now);
        r = credentials_find(s->store, session->name, &session->policy, server, now.realtime_nsec, &credentials,
                             answer->text);
        if (r >= 0 && !copy_string(session->private_key, sizeof(session->private_key), credentials.private_key))
                r = -ENOKEY;
        if (r >= 0)
                r = random_bytes(random, sizeof(random));
        if (r >= 0) {
                parameters = (HandshakeParameters) {
                        .server = server,
                        .name = session->name,
                        .policy = &session->policy,
                        .credentials = &credentials,
                        .capabilities = server ? OAP_CAPABILITIES_OF_HOST : message->capabilities,
                        .token = message->have_token ? message->token : NULL,
                        .replaced = message->have_replaced ? message->replaced : NULL,
                        .epoch = s->epoch,
                        .text = answer->text,
                };
                session->basis = basis_of(s, &credentials);
                r = handshake_new(&parameters, random, &session->handshake);
        }
        explicit_bzero(random, sizeof(random));
        if (r < 0) {
                (void) session_free(&s->sessions, session);
                return r;
        }

        *ret = session;
        return 0;
}

/* Has our message signed where that is due, and puts it into the answer. */
static int finish(Session *session, ServicePeer *peer, const OapHeader *header, bool signs, ServiceTime now,
                  AuthMessage *answer) {
        uint8_t signature[KEY_SIGNATURE_BYTES_MAX];
        _cleanup_free_ uint8_t *oap = NULL;
        ssize_t size = 0, n;

        if (signs) {
                size = signer_sign(&peer->signer, session->private_key, header, now.monotonic, signature,
                                   answer->text);
                if (size < 0)
                        return (int) size;
        }

        oap = malloc(AUTH_OAP_BYTES_MAX);
        if (!oap)
                return -ENOMEM;

        n = handshake_finish(session->handshake, signature, (size_t) size, oap, AUTH_OAP_BYTES_MAX);
        if (n < 0)
                return refuse(answer, (int) n,
                              "The handshake message cannot be made: it is too long, or its parts do not fit together");

        answer->oap = TAKE_PTR(oap);
        answer->oap_size = (size_t) n;
        return 0;
}

/* -- the asking side -- */

int service_build_request(Service *s, ServicePeer *peer, AuthMessage *message, ServiceTime now, AuthMessage *answer) {
        static const AuthPeer nobody = {};
        Session *session = NULL;
        OapHeader header = {};
        bool signs = false;
        int r;

        if (!message->have_token)
                return refuse(answer, -EPROTO, "A request has a token, and there is none");

        r = begin(s, peer, message, false, now, answer, &session);
        if (r < 0)
                return failed(s, now, message->name, &nobody, r, answer);

        r = handshake_build_request(session->handshake, now.realtime_nsec, message->binding, message->binding_size,
                                    &header, &signs);
        if (r >= 0)
                r = finish(session, peer, &header, signs, now, answer);
        if (r < 0) {
                (void) session_free(&s->sessions, session);
                return failed(s, now, message->name, &nobody, r, answer);
        }

        answer->session = session->id;
        memcpy(answer->oap_id, header.id, sizeof(answer->oap_id));
        return 0;
}

/* What the peer's message says besides, after it was checked. */
static void tell_peer(const Session *session, AuthMessage *answer) {
        const OapExtension *extension = handshake_extension(session->handshake);
        const OapHeader *header = handshake_header(session->handshake);

        handshake_peer(session->handshake, &answer->peer);
        memcpy(answer->oap_id, header->id, sizeof(answer->oap_id));
        answer->stamp = header->timestamp;
        if (!extension->present)
                return;

        answer->capabilities = extension->capabilities;
        answer->have_token = extension->have_token;
        memcpy(answer->token, extension->token, sizeof(answer->token));
        answer->have_replaced = extension->have_replaced;
        memcpy(answer->replaced, extension->replaced, sizeof(answer->replaced));
        answer->have_reset = extension->have_reset;
        memcpy(answer->reset, extension->reset, sizeof(answer->reset));
        if (extension->have_epoch)
                memcpy(answer->epoch, extension->epoch, sizeof(answer->epoch));
}

int service_check_response(Service *s, ServicePeer *peer, AuthMessage *message, ServiceTime now, AuthMessage *answer) {
        Session *session = session_find(&s->sessions, message->session, peer, false);
        AuthPeer who = {};
        int r;

        if (!session)
                return refuse(answer, -ESTALE,
                              "The handshake is not known any more: it took longer than 60 s, or has ended");

        r = check_basis(s, session, now, answer);
        if (r >= 0)
                r = handshake_check_response(session->handshake, now.realtime_nsec, message->oap, message->oap_size,
                                             message->binding, message->binding_size, answer->text);
        if (r >= 0)
                r = handshake_keys(session->handshake, &answer->keys, &answer->control);
        handshake_peer(session->handshake, &who);
        if (r >= 0)
                tell_peer(session, answer);
        else
                r = failed(s, now, session->name, &who, r, answer);

        (void) session_free(&s->sessions, session);
        return r;
}

/* -- the asked side -- */

/* Whether the IRM of today could have seen it: if not, it may be a copy. One who proves nothing needs none to say the
 * same. Returns: 0; -EALREADY; -EIO. */
static int check_mark(Service *s, const ServicePeer *peer, const AuthMessage *message, const AuthPeer *who,
                      AuthMessage *answer) {
        OapHeader header;
        const char *text;
        int r;

        if (!who->verified && isempty(who->identity))
                return 0;
        if (oap_header_parse(message->oap, message->oap_size, 0, &header) < 0)
                return -EBADMSG;

        if (header.timestamp <= peer->before) {
                r = -EALREADY;
                text = "The request is not newer than what was seen before the last start: it may be a copy";
        } else {
                r = mark_raise(&s->mark, header.timestamp);
                text = "The time of the request cannot be written to the state directory, and so a copy of it would be "
                       "taken after a restart";
        }
        if (r < 0)
                (void) copy_string(answer->text, sizeof(answer->text), text);

        return r;
}

int service_check_request(Service *s, ServicePeer *peer, AuthMessage *message, ServiceTime now, AuthMessage *answer) {
        Session *session = NULL;
        AuthPeer who = {};
        int r, marked;

        if (!may_begin(s, message, now.monotonic)) {
                (void) refuse(answer, -EBUSY, "Too many handshakes were begun within a second");
                return failed(s, now, message->name, &who, -EBUSY, answer);
        }

        r = begin(s, peer, message, true, now, answer, &session);
        if (r < 0)
                return failed(s, now, message->name, &who, r, answer);

        r = handshake_check_request(session->handshake, now.realtime_nsec, message->oap, message->oap_size,
                                    message->binding, message->binding_size, answer->text);
        handshake_peer(session->handshake, &who);
        marked = check_mark(s, peer, message, &who, answer);
        if (marked < 0) {
                r = marked;
                explicit_bzero(&who, sizeof(who));      /* to whoever sends copies nobody says a word */
        }
        if (r < 0) {
                (void) session_free(&s->sessions, session);
                answer->peer = who;             /* with an identity where that is proven: then the peer may know */
                return failed(s, now, message->name, &who, r, answer);
        }

        tell_peer(session, answer);
        answer->session = session->id;
        return 0;
}

int service_build_response(Service *s, ServicePeer *peer, AuthMessage *message, ServiceTime now, AuthMessage *answer) {
        Session *session = session_find(&s->sessions, message->session, peer, true);
        OapHeader header = {};
        bool signs = false;
        int r;

        if (!session)
                return refuse(answer, -ESTALE,
                              "The handshake is not known any more: it took longer than 60 s, or has ended");
        if (!message->have_token) {
                (void) session_free(&s->sessions, session);
                return refuse(answer, -EPROTO, "A response has a token, and there is none");
        }

        r = check_basis(s, session, now, answer);
        if (r >= 0)
                r = handshake_build_response(session->handshake, now.realtime_nsec, message->capabilities,
                                             message->token, message->have_reset ? message->reset : NULL,
                                             message->binding, message->binding_size, &header, &signs);
        if (r >= 0)
                r = finish(session, peer, &header, signs, now, answer);
        if (r >= 0)
                r = handshake_keys(session->handshake, &answer->keys, &answer->control);
        handshake_peer(session->handshake, &answer->peer);
        if (r < 0)
                r = failed(s, now, session->name, &answer->peer, r, answer);

        (void) session_free(&s->sessions, session);
        return r;
}
