/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The attempts of a flow at its current layer, and how they end; see connect-attempt.h. */

#include "basic/log.h"
#include "services/irm/audit.h"
#include "services/irm/connect-attempt.h"

LayerMessage attempt_message(const Flow *f, LayerMessageType type, const Attempt *a) {
        return (LayerMessage) {
                .type = type,
                .flow_id = f->id,
                .attempt = attempt_number(a),
                .qos = terms_wire_qos(&f->qos),
                .lane_class = f->lane_class,
        };
}

Attempt *attempt_find(Flow *f, const Layer *l, uint32_t number) {
        if (f->layer != l || f->state != FLOW_REQUESTED || !f->handshake || number >= f->handshake->n_attempts)
                return NULL;

        return &f->handshake->attempts[number];
}

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

void attempts_abort(Flow *f, uint32_t keep) {
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
        attempts_abort(f, UINT32_MAX);
        connect_forget_requests(f);
        flow_set_layer(f, NULL);
}

void attempt_give_up_layer(Flow *f, int error, const char *text) {
        uint64_t key = allocation_carrier(f->allocation);

        connect_leave_layer(f);
        connect_retract(f, allocation_refused_because(f->allocation, key, error, text, time_now()));
}

void attempt_report(const Flow *f, const char *peer, int error, const char *text) {
        log_debug_errno(error, "Layer %s: flow %" PRIu64 " to '%s' is not good: %s: %m", f->layer->name, f->id,
                        f->name, text);
        audit_refused(f->manager->audit, &(AuditEvent) {
                .kind = audit_kind_of(error),
                .outgoing = true,
                .error = error,
                .text = text,
                .name = f->name,
                .layer = f->layer->name,
                .peer = peer,
                .flow_id = f->id,
                .uid = f->caller->key.uid,
        }, time_now());
}

void attempt_refuse(Flow *f, const char *peer, int error, const char *text) {
        attempt_report(f, peer, error, text);
        attempt_give_up_layer(f, error, text);
}
