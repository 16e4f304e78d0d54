/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a layer is asked for a flow of a program of this host, and what comes back. Each attempt takes these steps;
 * the flow is in the state REQUESTED all the while:
 *
 *   PREPARE to the layer ─▶ PREPARED: what its request will say ─▶ BUILD_REQUEST to the authentication service ─▶ REQUEST to the layer
 *   REPLY of the layer ─▶ CHECK_RESPONSE to the service ─▶ the flow is ANSWERED, all other attempts are aborted
 *
 * With a plain policy we build and check by ourselves: REQUEST, REPLY. Whatever goes wrong on the way ends this
 * layer's turn, with a sentence that the program is told if no other layer can do it; nothing falls back to less
 * than the policy wants. A flow that ends or goes another way takes its Handshake along, and with it all answers
 * that are still to come.
 */

#include <stdio.h>

#include "basic/log.h"
#include "basic/random.h"
#include "services/irm/audit.h"
#include "services/irm/flow.h"
#include "services/irm/policy.h"

/* -- giving up -- */

/* By our token the layer knows which late reply is to be closed; by the peer's, once it has shown it, the other host
 * is told. */
static CloseTokens attempt_tokens(const Flow *f, const Attempt *a, uint32_t number) {
        CloseTokens tokens = { .have_own = true };

        if (f->peer_lane >= 0 && number == f->won)
                return f->tokens;
        if (a->lane >= 0)
                return a->tokens;

        memcpy(tokens.own, a->request.token, CLOSE_TOKEN_BYTES);
        return tokens;
}

/* The layer forgets the attempts, all but the one that won. */
static void abort_requests(Flow *f, uint32_t keep) {
        for (uint32_t i = 0; f->layer && f->handshake && i < f->handshake->n_attempts; i++) {
                LayerMessage message = { .type = LAYER_ABORT, .flow_id = f->id, .attempt = i };

                if (i == keep)
                        continue;

                message.tokens = attempt_tokens(f, &f->handshake->attempts[i], i);
                layer_send(f->layer, &message, NULL, 0);
        }
}

void connect_forget_requests(Flow *f) {
        if (f->handshake)
                handshake_forget_attempts(f->handshake);
}

void connect_leave_layer(Flow *f) {
        abort_requests(f, UINT32_MAX);
        connect_forget_requests(f);
        flow_set_layer(f, NULL);
}

/* The turn of the current layer is over. */
static void give_up_layer(Flow *f, int error, const char *text) {
        uint64_t key = f->allocation->layers[f->allocation->current].key;

        connect_leave_layer(f);
        connect_retract(f, allocation_refused_because(f->allocation, key, error, text, time_now()));
}

static void report(const Flow *f, int error, const char *text) {
        log_debug_errno(error, "Layer %s: flow %" PRIu64 " to '%s' is not good: %s: %m", f->layer->name, f->id,
                        f->name, text);
        audit_refused(f->manager->audit, &(AuditEvent) {
                .kind = audit_kind_of(error),
                .outgoing = true,
                .error = error,
                .text = text,
                .name = f->name,
                .layer = f->layer->name,
                .peer = f->peer,
                .flow_id = f->id,
                .uid = f->caller->key.uid,
        }, time_now());
}

static void refuse(Flow *f, int error, const char *text) {
        report(f, error, text);
        give_up_layer(f, error, text);
}

/* An attempt that failed before it went out says nothing about another one that is under way. */
static void attempt_failed(Attempt *a, int error, const char *text) {
        Flow *f = a->handshake->flow;
        uint32_t number = (uint32_t) (a - a->handshake->attempts);

        if (f->state == FLOW_REQUESTED && number == f->allocation->attempt)
                refuse(f, handshake_error(error), text);
}

/* -- asking -- */

static int layer_hash(const Flow *f, LayerMessage *message) {
        ssize_t size;

        size = hash_compute(f->layer->hash, f->name, strlen(f->name), message->hash);
        if (size < 0)
                return (int) size;

        message->hash_size = (size_t) size;
        return 0;
}

static LayerMessage message_about(const Flow *f, LayerMessageType type, const Attempt *a) {
        return (LayerMessage) {
                .type = type,
                .flow_id = f->id,
                .attempt = (uint32_t) (a - a->handshake->attempts),
                .qos = terms_wire_qos(&f->qos),
                .lane_class = f->lane_class,
        };
}

/* The one before it that the other host may know. */
static const OapRequest *predecessor(const Attempt *a) {
        const Attempt *before = a;

        while (before > a->handshake->attempts)
                if ((--before)->sent)
                        return &before->request;

        return NULL;
}

static int send_plain_request(Flow *f, Attempt *a) {
        LayerMessage message = message_about(f, LAYER_REQUEST, a);
        uint8_t random[OAP_ID_BYTES + OAP_TOKEN_BYTES];
        ssize_t size;
        int r;

        r = random_bytes(random, sizeof(random));
        if (r < 0)
                return r;

        size = oap_request_build(random, time_realtime_nsec(), terms_wishes(&f->qos, f->stream), predecessor(a),
                                 message.oap, sizeof(message.oap), &a->request);
        if (size < 0)
                return (int) size;
        message.oap_size = (size_t) size;

        r = layer_hash(f, &message);
        if (r < 0)
                return r;

        a->prepared = a->sent = true;
        layer_send(f->layer, &message, NULL, 0);
        return 0;
}

static int send_prepare(Flow *f, Attempt *a) {
        LayerMessage message = message_about(f, LAYER_PREPARE, a);
        int r;

        r = layer_hash(f, &message);
        if (r < 0)
                return r;

        layer_send(f->layer, &message, NULL, 0);
        return 0;
}

/* Once per flow. */
static int find_policy(Flow *f, char text[IRM_TEXT_BYTES_MAX]) {
        int r;

        if (f->handshake)
                return 0;

        r = handshake_new(f, &f->handshake);
        if (r < 0)
                return r;

        r = policy_of_call(f->manager, f->name, f->caller, &f->handshake->policy, text);
        if (r < 0) {
                f->handshake = handshake_free(f->handshake);
                return r;
        }

        f->handshake->plain = security_policy_is_plain(&f->handshake->policy);
        return 0;
}

void connect_request(Flow *f) {
        uint32_t number = f->allocation->attempt;
        char text[IRM_TEXT_BYTES_MAX] = "";
        Attempt *a;
        int r;

        /* Nobody is at this end of the layer any more, or the machine has no randomness: the next one, then. */
        r = f->layer ? find_policy(f, text) : -ENETDOWN;
        if (r >= 0) {
                a = &f->handshake->attempts[number];
                f->handshake->n_attempts = number + 1;
                r = f->handshake->plain ? send_plain_request(f, a) : send_prepare(f, a);
        }

        if (r < 0 && text[0] != '\0')
                refuse(f, r, text);
        else if (r < 0)
                give_up_layer(f, r, "");
        else
                connect_set_timer(f);
}

/* -- the request, with the authentication service -- */

static int send_built_request(Flow *f, Attempt *a, const AuthMessage *answer) {
        LayerMessage message = message_about(f, LAYER_REQUEST, a);
        OapHeader header;
        int r;

        if (answer->oap_size > sizeof(message.oap))
                return -EMSGSIZE;

        r = oap_header_parse(answer->oap, answer->oap_size, 0, &header);
        if (r >= 0)
                r = layer_hash(f, &message);
        if (r < 0)
                return r;

        memcpy(a->request.id, header.id, sizeof(a->request.id));
        memcpy(message.oap, answer->oap, answer->oap_size);
        message.oap_size = answer->oap_size;
        a->sent = true;
        layer_send(f->layer, &message, NULL, 0);
        return 0;
}

static void request_built(void *userdata, AuthSession session, AuthMessage *answer) {
        Attempt *a = userdata;
        Flow *f = a->handshake->flow;
        int r;

        a->question = 0;
        a->session = session;
        if (f->state != FLOW_REQUESTED) {
                auth_link_forget(f->manager->auth, &a->session);        /* another one was answered */
                return;
        }

        r = answer->result < 0 ? answer->result : send_built_request(f, a, answer);
        if (r < 0)
                attempt_failed(a, r, answer->text);
}

static int ask_for_request(Flow *f, Attempt *a, const LayerMessage *prepared) {
        const OapRequest *replaced = predecessor(a);
        AuthMessage question;
        int r;

        r = random_bytes(a->request.token, sizeof(a->request.token));
        if (r >= 0)
                r = handshake_question(AUTH_BUILD_REQUEST, f->name, &a->handshake->policy, prepared, &question);
        if (r < 0)
                return r;

        (void) snprintf(question.source, sizeof(question.source), "user %u", f->caller->key.uid);
        question.capabilities = OAP_CAPABILITIES_OF_HOST | terms_wishes(&f->qos, f->stream);
        question.have_token = true;
        memcpy(question.token, a->request.token, sizeof(question.token));
        question.have_replaced = replaced;
        if (replaced)
                memcpy(question.replaced, replaced->id, sizeof(question.replaced));
        question.size = f->layer->oap_max;

        return auth_link_ask(f->manager->auth, &question, NULL, request_built, a, &a->question);
}

/* Of a flow of this layer that waits for it; else it is an answer to what was aborted meanwhile. */
static Attempt *find_attempt(Flow *f, const Layer *l, uint32_t number) {
        if (f->layer != l || f->state != FLOW_REQUESTED || !f->handshake || number >= f->handshake->n_attempts)
                return NULL;

        return &f->handshake->attempts[number];
}

void connect_prepared(Flow *f, Layer *l, const LayerMessage *message) {
        Attempt *a = find_attempt(f, l, message->attempt);
        int r;

        if (!a || a->prepared)
                return;

        a->prepared = true;
        r = message->result < 0 ? message->result : ask_for_request(f, a, message);
        if (r == -EBUSY)
                attempt_failed(a, r, "The authentication service has too much to do; try again");
        else if (r < 0)
                attempt_failed(a, r, "");
}

/* -- what the other host says -- */

/* What another host's refusal means here. */
static int error_from_wire(int result) {
        switch (result) {
        case OAP_WIRE_ERROR_NAME:
                return -ENOENT;
        case OAP_WIRE_ERROR_CRYPTO:
                return -EPROTO;
        case OAP_WIRE_ERROR_AUTHENTICATION:
                return -EKEYREJECTED;
        default:
                return result <= OAP_WIRE_ERROR_NOT_ALLOCATED ? -ECONNREFUSED : result;
        }
}

static const char *words_from_wire(int result) {
        switch (result) {
        case OAP_WIRE_ERROR_CRYPTO:
                return "The other host has none of the algorithms that this one asked for; "
                       "compare [Client] here with [Server] there";
        case OAP_WIRE_ERROR_AUTHENTICATION:
                return "The other host does not accept the identity of this one; "
                       "see AllowPeer=, DenyPeer= and TrustAnchor= there";
        default:
                return "";
        }
}

/* A peer that has not said that it understands a close never gets one, token or not. */
static void take_peer_token(CloseTokens *tokens, const OapExtension *extension) {
        if (!extension->present || !extension->have_token || !(extension->capabilities & OAP_CAPABILITY_CLOSE))
                return;

        tokens->have_peer = true;
        memcpy(tokens->peer, extension->token, CLOSE_TOKEN_BYTES);
}

/* Of an answer that is not checked, or will not be: the token in it only closes what it belongs to. How long its
 * digest of the request is depends on what was agreed; of the lengths that there are one fits, or there is no token. */
static void take_unchecked_token(const LayerMessage *reply, CloseTokens *tokens) {
        static const HashAlgorithm digests[] = { HASH_SHA384, HASH_SHA256, HASH_SHA512 };

        for (size_t i = 0; i < ELEMENTSOF(digests) && !tokens->have_peer; i++) {
                OapExtension extension;
                OapHeader header;

                if (oap_header_parse(reply->oap, reply->oap_size, hash_size(digests[i]), &header) >= 0 &&
                    oap_extension_parse(header.data, header.data_size, true, &extension) >= 0)
                        take_peer_token(tokens, &extension);
        }
}

void connect_abort_stray(Layer *l, const LayerMessage *reply) {
        LayerMessage message = { .type = LAYER_ABORT, .flow_id = reply->flow_id, .attempt = reply->attempt };

        /* Only a host that said yes has an end to close. With an error: the layer could not make ours. */
        if (reply->result < 0 && reply->oap_size == 0)
                return;

        take_unchecked_token(reply, &message.tokens);
        layer_send(l, &message, NULL, 0);
}

/* The answer is good, whoever has checked it. Takes the lane. */
static void take_answer(Flow *f, Attempt *a, const OapExtension *extension, const Terms *terms, const char *peer,
                        int lane) {
        f->won = (uint32_t) (a - a->handshake->attempts);
        f->tokens = (CloseTokens) { .have_own = true };
        memcpy(f->tokens.own, a->request.token, CLOSE_TOKEN_BYTES);
        take_peer_token(&f->tokens, extension);

        flow_set_terms(f, terms);
        f->peer_lane = lane;
        if (!f->verified)
                (void) copy_string(f->peer, sizeof(f->peer), peer);
        (void) flow_handle(f, FLOW_EVENT_LAYER_LANE);
}

/* What came is no answer, or not the one that was sent: a bit fell over, or somebody had a hand in it. The other host
 * may mean well all the same. */
static bool is_altered(int error) {
        return error == -EBADE || error == -EBADMSG;
}

/* The other host may close what it has of this attempt, and the next one begins. */
static bool try_again(Flow *f, Attempt *a) {
        LayerMessage message = message_about(f, LAYER_ABORT, a);

        if (allocation_again(f->allocation, time_now()) != ALLOCATION_REQUEST)
                return false;

        message.tokens = a->tokens;
        layer_send(f->layer, &message, NULL, 0);
        a->lane = safe_close(a->lane);
        a->sent = false;                        /* what still comes for it is not looked at */
        (void) flow_handle(f, FLOW_EVENT_ROUTE);
        return true;
}

/* With less than the policy wants nobody is content: the next attempt asks for the same. */
static void answer_failed(Flow *f, Attempt *a, int error, const char *text) {
        bool again = error == -ECONNRESET || is_altered(error); /* the service ended, and with it what it knew */

        if (is_altered(error))
                report(f, handshake_error(error), text);
        if (again && try_again(f, a))
                return;
        if (is_altered(error))
                give_up_layer(f, handshake_error(error), text);
        else
                refuse(f, handshake_error(error), text);
}

static void check_plain_answer(Flow *f, Attempt *a, const LayerMessage *message, int lane_fd) {
        _cleanup_close_ int lane = lane_fd;
        OapExtension extension;
        OapHeader header;
        Terms terms;
        int r;

        r = oap_response_parse(&a->request, message->oap, message->oap_size, &header, &extension);
        if (r == 0)
                r = terms_of_answer(&f->qos, terms_wishes(&f->qos, f->stream), &message->qos, &extension, &terms);
        if (r < 0) {
                answer_failed(f, a, r, "");
                return;
        }
        if (a->handshake->policy.peer == PEER_O7S && !extension.present) {
                refuse(f, -EKEYREJECTED, "The other host does not speak the o7s protocol, "
                       "and Peer=o7s of this one wants it");
                return;
        }

        (void) copy_string(f->protection, sizeof(f->protection), "none");
        take_answer(f, a, &extension, &terms, message->peer, TAKE_FD(lane));
}

/* -- the answer, with the authentication service -- */

static void response_checked(void *userdata, AuthSession session, AuthMessage *answer) {
        Attempt *a = userdata;
        Flow *f = a->handshake->flow;
        OapExtension extension = handshake_extension_of(answer);
        Terms terms;
        int r;

        a->question = 0;
        auth_link_forget(f->manager->auth, &a->session);
        if (f->state != FLOW_REQUESTED)
                return;                         /* another attempt was faster; this one goes with the rest */

        r = answer->result;
        if (r == 0)
                r = terms_of_answer(&f->qos, terms_wishes(&f->qos, f->stream), &a->qos, &extension, &terms);
        if (r < 0) {
                answer_failed(f, a, r, answer->text);
                return;
        }

        handshake_keep(a->handshake, answer);
        handshake_take_peer(f, &answer->peer);
        take_answer(f, a, &extension, &terms, a->peer, TAKE_FD(a->lane));
}

static int ask_about_answer(Flow *f, Attempt *a, const LayerMessage *message) {
        AuthMessage question;
        int r;

        r = handshake_question(AUTH_CHECK_RESPONSE, f->name, NULL, message, &question);
        if (r >= 0)
                r = handshake_add_oap(&question, message->oap, message->oap_size);
        if (r < 0)
                return r;

        return auth_link_ask(f->manager->auth, &question, &a->session, response_checked, a, &a->question);
}

static void check_answer(Flow *f, Attempt *a, const LayerMessage *message, int lane_fd) {
        int r;

        a->lane = lane_fd;
        a->qos = message->qos;
        (void) copy_string(a->peer, sizeof(a->peer), message->peer);

        r = ask_about_answer(f, a, message);
        if (r < 0)
                answer_failed(f, a, r, r == -EBUSY ? "The authentication service has too much to do; try again"
                                                   : "The authentication service ended over it; try again");
}

void connect_reply(Flow *f, Layer *l, const LayerMessage *message, int lane_fd) {
        _cleanup_close_ int lane = lane_fd;
        Attempt *a = find_attempt(f, l, message->attempt);

        if (!a) {
                connect_abort_stray(l, message);
                return;
        }
        if (message->result < 0) {
                connect_abort_stray(l, message);        /* before another attempt may have its number */

                /* An earlier attempt that failed says nothing about the one that is under way. */
                if (message->attempt == f->allocation->attempt)
                        give_up_layer(f, error_from_wire(message->result), words_from_wire(message->result));
                return;
        }

        if (!a->sent || a->question != 0 || a->lane >= 0) {     /* one answer per attempt; the rest is not looked at */
                connect_abort_stray(l, message);
                return;
        }

        a->tokens = (CloseTokens) { .have_own = true };
        memcpy(a->tokens.own, a->request.token, CLOSE_TOKEN_BYTES);
        take_unchecked_token(message, &a->tokens);
        if (a->handshake->plain)
                check_plain_answer(f, a, message, TAKE_FD(lane));
        else
                check_answer(f, a, message, TAKE_FD(lane));
}

/* -- both sides are there -- */

void connect_establish_request(Flow *f) {
        LayerMessage message = {
                .type = LAYER_ESTABLISHED,
                .flow_id = f->id,
                .attempt = f->won,
                .tokens = f->tokens,
                .qos = terms_wire_qos(&f->qos),
                .lane_class = f->lane_class,
                .uid = f->caller->key.uid,
                .control = f->handshake->control,
                .have_reset = f->handshake->have_reset,
        };
        int fds[] = { f->caller_lane, f->doorbell };

        memcpy(message.reset, f->handshake->reset, sizeof(message.reset));
        abort_requests(f, f->won);
        layer_send(f->layer, &message, fds, ELEMENTSOF(fds));
        explicit_bzero(&message.control, sizeof(message.control));
}
