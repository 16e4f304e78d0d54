/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Flows that are offered to listeners of this host, and the answers to those among them that another host asks for
 * through a layer. A request that nobody accepts yet is kept for 20 s.
 *
 *   accepted ─▶ PREPARE to the layer ─▶ PREPARED: what its reply will say ─▶ BUILD_RESPONSE to the service
 *            ─▶ ACCEPT to the layer ─▶ REPLY: it is out ─▶ both ends are told
 *
 * Without the service: accepted, ACCEPT, REPLY. The flow is in the state ACCEPTING all the while.
 */

#include "basic/log.h"
#include "services/irm/audit.h"
#include "services/irm/flow.h"
#include "services/irm/layer-names.h"
#include "services/irm/policy.h"

#define CONFIRM_USEC (10 * USEC_PER_SEC)        /* a layer that was told to answer has done so by then, or is stuck */

/* -- offers -- */

void accept_send_offer(Flow *f) {
        IrmMessage offer = { .type = IRM_OFFER, .flow_id = f->id, .lane_class = f->lane_class };

        flow_fill_info(f, &offer.info);
        client_send(f->offered_to->client, &offer, NULL, 0);
}

void accept_withdraw(Flow *f, int result) {
        IrmMessage message = { .type = IRM_WITHDRAWN, .flow_id = f->id, .result = result };

        client_send(f->offered_to->client, &message, NULL, 0);
        flow_set_offer(f, NULL);
}

void accept_refuse_in_silence(Layer *l, uint64_t reference) {
        LayerMessage message = { .type = LAYER_REFUSE, .reference = reference };

        layer_send(l, &message, NULL, 0);
}

int accept_elapsed(sd_event_source *s, uint64_t usec, void *userdata) {
        Flow *f = userdata;

        f->error = -ETIMEDOUT;
        (void) flow_handle(f, FLOW_EVENT_GIVE_UP);
        return 0;
}

/* Whoever serves pays for what it is offered. Over its limit the flow waits; another listener may take it. */
void accept_offer(Flow *f) {
        uid_t uid = f->offered_to->client->process->key.uid;
        Quota *quota = &f->manager->quota;
        char text[QUOTA_TEXT_MAX];
        int r;

        f->lane_class = quota_lane_class(quota, uid, wanted_lane_class(f->offered_to->client->flow_flags, &f->qos));

        r = quota_take_accepted_flow(quota, uid, f->lane_class, &f->charge, text);
        if (r < 0) {
                log_debug("Cannot offer flow %" PRIu64 " to '%s': %s", f->id, f->name,
                          r == -EDQUOT ? text : strerror(-r));
                flow_set_offer(f, NULL);
                (void) flow_handle(f, FLOW_EVENT_RETRACT);
                return;
        }

        accept_send_offer(f);
}

/* Back into the queue of its name; if somebody else has room, the next turn of name_dispatch() finds out. */
void accept_search(Flow *f) {
        f->peer_lane = safe_close(f->peer_lane);
        flow_set_offer(f, NULL);
        quota_return_flow(&f->manager->quota, &f->charge);
        flow_wait(f);
}

/* -- a listener accepts -- */

/* Tells the layer to answer. It takes the flow's control keys along; nobody here needs them any more. */
static void send_answer(Flow *f, LayerMessage *message) {
        const Incoming *in = f->incoming_request;

        message->type = LAYER_ACCEPT;
        message->reference = in->key.reference;
        message->flow_id = f->id;
        message->lane_class = f->lane_class;
        message->tokens = (CloseTokens) { .have_own = true, .have_peer = in->peer_closes };
        memcpy(message->tokens.own, in->own_token, CLOSE_TOKEN_BYTES);
        if (in->peer_closes)
                memcpy(message->tokens.peer, in->peer_token, CLOSE_TOKEN_BYTES);

        f->answered = true;
        layer_send(f->layer, message, NULL, 0);
}

static void cannot_answer(Flow *f, int error, const char *text) {
        log_debug_errno(error, "Cannot answer flow %" PRIu64 ": %s: %m", f->id, text);
        audit_refused(f->manager->audit, &(AuditEvent) {
                .kind = audit_kind_of(error),
                .error = error,
                .text = text,
                .name = f->name,
                .layer = f->layer->name,
                .peer = f->peer,
                .flow_id = f->id,
                .uid = f->served ? f->served->owner : 0,
        }, time_now());
        flow_end(f, CLOSE_REFUSED, handshake_error(error), text);
}

static int answer_plain(Flow *f, char text[IRM_TEXT_BYTES_MAX]) {
        const Incoming *in = f->incoming_request;
        LayerMessage message = {};
        ssize_t size;
        int r;

        r = policy_check_service(f->served, in->policy, text);
        if (r < 0)
                return r;

        size = oap_response_build(in->oap, in->oap_size, in->own_token, in->grants, time_realtime_nsec(), message.oap,
                                  sizeof(message.oap));
        if (size < 0)
                return (int) size;

        message.oap_size = (size_t) size;
        send_answer(f, &message);
        return 0;
}

static int ask_layer_to_prepare(Flow *f) {
        LayerMessage message = {
                .type = LAYER_PREPARE,
                .reference = f->incoming_request->key.reference,
                .flow_id = f->id,
                .qos = f->granted,
        };
        ssize_t size;

        size = hash_compute(f->layer->hash, f->name, strlen(f->name), message.hash);
        if (size < 0)
                return (int) size;

        message.hash_size = (size_t) size;
        layer_send(f->layer, &message, NULL, 0);
        return 0;
}

void accept_answer(Flow *f) {
        char text[IRM_TEXT_BYTES_MAX] = "";
        int r;

        flow_set_acceptor(f, f->offered_to->client->process);

        r = f->handshake ? ask_layer_to_prepare(f) : answer_plain(f, text);
        if (r < 0)
                cannot_answer(f, r, text);
        else
                (void) flow_set_timer(f, usec_add(time_now(), CONFIRM_USEC), accept_elapsed);
}

static void response_built(void *userdata, AuthSession session, AuthMessage *answer) {
        char text[IRM_TEXT_BYTES_MAX] = "";
        Flow *f = userdata;
        LayerMessage message = {};
        int r;

        f->handshake->question = 0;
        auth_link_forget(f->manager->auth, &f->handshake->session);
        if (answer->result < 0) {
                cannot_answer(f, answer->result, answer->text);
                return;
        }

        /* The service goes by what it was told at first; this is the last moment to know better. */
        r = policy_check_service(f->served, f->incoming_request->policy, text);
        if (r < 0) {
                cannot_answer(f, r, text);
                return;
        }
        if (answer->oap_size == 0 || answer->oap_size > sizeof(message.oap)) {
                cannot_answer(f, -EMSGSIZE, "The answer does not fit any message of a layer");
                return;
        }

        handshake_keep(f->handshake, answer);
        handshake_take_peer(f, &answer->peer);          /* what was agreed on is known only now */
        memcpy(message.oap, answer->oap, answer->oap_size);
        message.oap_size = answer->oap_size;
        message.control = f->handshake->control;
        send_answer(f, &message);
        explicit_bzero(&message.control, sizeof(message.control));
}

static int ask_for_response(Flow *f, const LayerMessage *prepared) {
        const Incoming *in = f->incoming_request;
        AuthMessage question;
        int r;

        r = handshake_question(AUTH_BUILD_RESPONSE, f->name, NULL, prepared, &question);
        if (r < 0)
                return r;

        question.capabilities = OAP_CAPABILITIES_OF_HOST | in->grants;
        question.have_token = true;
        memcpy(question.token, in->own_token, sizeof(question.token));
        question.have_reset = prepared->have_reset;
        memcpy(question.reset, prepared->reset, sizeof(question.reset));
        question.size = f->layer->oap_max;

        return auth_link_ask(f->manager->auth, &question, &f->handshake->session, response_built, f,
                             &f->handshake->question);
}

/* Once per flow: a layer that says it again, or of another one, is not listened to. */
void accept_prepared(Flow *f, const LayerMessage *message) {
        int r;

        if (f->state != FLOW_ACCEPTING || !f->handshake || f->handshake->question != 0 || f->answered ||
            message->reference != f->incoming_request->key.reference)
                return;

        r = message->result < 0 ? message->result : ask_for_response(f, message);
        if (r < 0)
                cannot_answer(f, r, "");
}

void accept_reply(Flow *f, const LayerMessage *message, int lane_fd) {
        _cleanup_close_ int lane = lane_fd;

        if (message->result < 0) {
                f->error = message->result;
                f->ended_by_layer = true;
                (void) flow_handle(f, FLOW_EVENT_GIVE_UP);
                return;
        }

        if (f->state == FLOW_ACCEPTING) {
                f->caller_lane = TAKE_FD(lane);
                f->granted = terms_granted_qos(&f->qos, &message->qos);
        }
        if (flow_handle(f, FLOW_EVENT_LAYER_LANE) == FLOW_DO_PUNISH)
                log_debug("Layer %s confirms a flow that was not accepted", f->layer->name);
}

void accept_establish(Flow *f) {
        LayerMessage to_layer = {
                .type = LAYER_ESTABLISHED,
                .flow_id = f->id,
                .qos = f->qos,
                .lane_class = f->lane_class,
                .uid = f->acceptor->key.uid,
                .of_layer = layer_of_process(f->acceptor) != NULL,
        };
        IrmMessage to_client = { .type = IRM_ESTABLISHED, .flow_id = f->id, .lane_class = f->lane_class };
        int ends[2], r;

        r = doorbell_pair(ends);
        if (r < 0) {
                log_warning_errno(r, "Cannot make a doorbell for flow %" PRIu64 ": %m", f->id);
                accept_withdraw(f, r);
                flow_end(f, CLOSE_REFUSED, r, NULL);
                return;
        }

        flow_remember(f);
        flow_fill_info(f, &to_client.info);
        if (f->handshake)
                to_client.keys = f->handshake->keys;
        client_send(f->offered_to->client, &to_client, (int[]) { f->caller_lane, ends[0] }, 2);
        explicit_bzero(&to_client.keys, sizeof(to_client.keys));
        layer_send(f->layer, &to_layer, (int[]) { f->peer_lane, ends[1] }, 2);
        (void) safe_close(ends[0]);
        (void) safe_close(ends[1]);

        flow_established(f);
}

/* Before we said yes, silence; afterwards the layer has to take it back. */
void accept_refuse(Flow *f) {
        LayerMessage close_message = { .type = LAYER_CLOSE, .flow_id = f->id, .close_reason = CLOSE_REFUSED };

        if (f->served)
                f->served->refused_total++;
        if (f->offered_to)
                accept_withdraw(f, f->error < 0 ? f->error : -ECANCELED);

        if (f->ended_by_layer || !f->layer)
                return;
        if (f->answered)
                layer_send(f->layer, &close_message, NULL, 0);
        else if (f->incoming_request)
                accept_refuse_in_silence(f->layer, f->incoming_request->key.reference);
}
