/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a layer is asked for a flow of a program of this host. Each attempt takes these steps; the flow is in the state
 * REQUESTED all the while:
 *
 *   PREPARE to the layer ─▶ PREPARED: what its request will say ─▶ BUILD_REQUEST to the authentication service
 *                        ─▶ REQUEST to the layer ─▶ connect-answer.c
 *
 * With a plain policy we build by ourselves: REQUEST. Whatever goes wrong on the way ends this layer's turn, with a
 * sentence that the program is told if no other layer can do it; nothing falls back to less than the policy wants. A
 * flow that ends or goes another way takes its Handshake along, and with it all answers that are still to come.
 */

#include <stdio.h>

#include "basic/random.h"
#include "services/irm/connect-attempt.h"
#include "services/irm/layer-names.h"
#include "services/irm/policy.h"

/* -- asking -- */

static int layer_hash(const Flow *f, LayerMessage *message) {
        ssize_t size;

        size = hash_compute(f->layer->hash, f->name, strlen(f->name), message->hash);
        if (size < 0)
                return (int) size;

        message->hash_size = (size_t) size;
        return 0;
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
        LayerMessage message = attempt_message(f, LAYER_REQUEST, a);
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
        LayerMessage message = attempt_message(f, LAYER_PREPARE, a);
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
                attempt_refuse(f, "", r, text);
        else if (r < 0)
                attempt_give_up_layer(f, r, "");
        else
                connect_set_timer(f);
}

/* -- the request, with the authentication service -- */

/* An attempt that failed before it went out says nothing about another one that is under way. */
static void attempt_failed(Attempt *a, int error, const char *text) {
        Flow *f = a->handshake->flow;
        uint32_t number = attempt_number(a);

        if (f->state == FLOW_REQUESTED && number == f->allocation->attempt)
                attempt_refuse(f, "", handshake_error(error), text);
}

static int send_built_request(Flow *f, Attempt *a, const AuthMessage *answer) {
        LayerMessage message = attempt_message(f, LAYER_REQUEST, a);
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

void connect_prepared(Flow *f, Layer *l, const LayerMessage *message) {
        Attempt *a = attempt_find(f, l, message->attempt);
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
                .of_layer = layer_of_process(f->caller) != NULL,
                .control = f->handshake->control,
                .have_reset = f->handshake->have_reset,
        };
        int fds[] = { f->caller_lane, f->doorbell };

        memcpy(message.reset, f->handshake->reset, sizeof(message.reset));
        attempts_abort(f, f->won);
        layer_send(f->layer, &message, fds, ELEMENTSOF(fds));
        explicit_bzero(&message.control, sizeof(message.control));
}
