/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What comes back of a flow that was asked for:
 *
 *   REPLY of the layer ─▶ CHECK_RESPONSE to the service ─▶ the flow is ANSWERED, all other attempts are aborted
 *
 * With a plain policy we check by ourselves.
 */

#include "services/irm/connect-attempt.h"
#include "services/irm/policy.h"

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
        f->won = attempt_number(a);
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

/* The other host may close what it has of this attempt. What still comes for it is not looked at. */
static void drop(Flow *f, Attempt *a) {
        LayerMessage message = attempt_message(f, LAYER_ABORT, a);

        message.tokens = a->tokens;
        layer_send(f->layer, &message, NULL, 0);
        a->lane = safe_close(a->lane);
        a->sent = false;
}

/* The next attempt begins. */
static bool try_again(Flow *f, Attempt *a) {
        if (allocation_again(f->allocation, time_now()) != ALLOCATION_REQUEST)
                return false;

        drop(f, a);
        (void) flow_handle(f, FLOW_EVENT_ROUTE);
        return true;
}

/* With less than the policy wants nobody is content: the next attempt asks for the same. What comes late for an earlier
 * one, from whomever, says nothing about the one that is under way. */
static void answer_failed(Flow *f, Attempt *a, int error, const char *text) {
        bool ended = error == -ECONNRESET;      /* the service did, and with it what it knew */

        if (!ended)
                attempt_report(f, a->peer, handshake_error(error), text);
        if (attempt_number(a) != f->allocation->attempt) {
                drop(f, a);
                return;
        }
        if ((ended || is_altered(error)) && try_again(f, a))
                return;

        if (ended)
                attempt_refuse(f, a->peer, handshake_error(error), text);
        else
                attempt_give_up_layer(f, handshake_error(error), text);
}

static void check_plain_answer(Flow *f, Attempt *a, const LayerMessage *message, int lane_fd) {
        _cleanup_close_ int lane = lane_fd;
        char text[IRM_TEXT_BYTES_MAX] = "";
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
                attempt_refuse(f, a->peer, -EKEYREJECTED, "The other host does not speak the o7s protocol, "
                               "and Peer=o7s of this one wants it");
                return;
        }

        r = policy_check_call(f->manager, f->name, f->caller, &a->handshake->policy, text);
        if (r < 0) {
                attempt_refuse(f, a->peer, r, text);
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
        char text[IRM_TEXT_BYTES_MAX] = "";
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

        /* The service goes by what it was told at first; this is the last moment to know better. */
        r = policy_check_call(f->manager, f->name, f->caller, &a->handshake->policy, text);
        if (r < 0) {
                attempt_refuse(f, a->peer, r, text);
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

        r = ask_about_answer(f, a, message);
        if (r < 0)
                answer_failed(f, a, r, r == -EBUSY ? "The authentication service has too much to do; try again"
                                                   : "The authentication service ended over it; try again");
}

void connect_reply(Flow *f, Layer *l, const LayerMessage *message, int lane_fd) {
        _cleanup_close_ int lane = lane_fd;
        Attempt *a = attempt_find(f, l, message->attempt);

        if (!a) {
                connect_abort_stray(l, message);
                return;
        }
        if (message->result < 0) {
                connect_abort_stray(l, message);        /* before another attempt may have its number */

                /* An earlier attempt that failed says nothing about the one that is under way. */
                if (message->attempt == f->allocation->attempt)
                        attempt_give_up_layer(f, error_from_wire(message->result), words_from_wire(message->result));
                return;
        }

        if (!a->sent || a->question != 0 || a->lane >= 0) {     /* one answer per attempt; the rest is not looked at */
                connect_abort_stray(l, message);
                return;
        }

        a->tokens = (CloseTokens) { .have_own = true };
        memcpy(a->tokens.own, a->request.token, CLOSE_TOKEN_BYTES);
        take_unchecked_token(message, &a->tokens);
        (void) copy_string(a->peer, sizeof(a->peer), message->peer);
        if (a->handshake->plain)
                check_plain_answer(f, a, message, TAKE_FD(lane));
        else
                check_answer(f, a, message, TAKE_FD(lane));
}
