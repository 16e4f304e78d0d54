/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A flow that a program of this host asks for: from ALLOCATE to the moment when both ends have been handed out.
 * The search itself is allocation.c; here its steps become messages.
 */

#include <sys/socket.h>

#include "basic/log.h"
#include "basic/random.h"
#include "services/irm/flow.h"
#include "services/irm/layer-names.h"

/* -- telling the caller -- */

/* Record 03 on our end of the doorbell arrives at the client's end, with the peer's lane. The socket is new and
 * empty, so this never has to wait. */
static void send_outcome(Flow *f, int result, const char *text, int lane_fd) {
        union {
                struct cmsghdr header;
                uint8_t bytes[CMSG_SPACE(sizeof(int))];
        } control = {};
        IrmMessage outcome = { .type = IRM_OUTCOME, .flow_id = f->id, .result = result, .lane_class = f->lane_class };
        uint8_t record[1 + IRM_MESSAGE_BYTES_MAX] = { DOORBELL_OUTCOME };
        struct iovec part = { .iov_base = record };
        struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
        ssize_t n;

        flow_fill_info(f, &outcome.info);
        (void) copy_string(outcome.text, sizeof(outcome.text), strempty(text));

        n = irm_message_pack(&outcome, record + 1, sizeof(record) - 1);
        if (n < 0) {
                log_debug_errno((int) n, "Cannot write the outcome of flow %" PRIu64 ": %m", f->id);
                return;
        }
        part.iov_len = 1 + (size_t) n;

        if (lane_fd >= 0) {
                header.msg_control = &control;
                header.msg_controllen = sizeof(control);
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(&control.header), &lane_fd, sizeof(int));
        }

        if (f->doorbell >= 0 && sendmsg(f->doorbell, &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                log_debug_errno(errno, "Cannot tell the outcome of flow %" PRIu64 ": %m", f->id);
}

/* -- the search -- */

static Layer *carrier_at(const Flow *f, int index) {
        const AllocationLayer *a = &f->allocation->layers[index];
        Layer *l = layer_find(f->manager, a->name);

        return l && l->key == a->key ? l : NULL;
}

static int allocation_timer_elapsed(sd_event_source *s, uint64_t usec, void *userdata);

static void retract(Flow *f, AllocationStep step) {
        f->step = step;
        f->have_step = true;
        (void) flow_handle(f, FLOW_EVENT_RETRACT);
}

/* Does what the search says next. The flow may be gone afterwards. */
static void take_step(Flow *f, AllocationStep step) {
        switch (step) {
        case ALLOCATION_REQUEST:
                if (f->state == FLOW_OFFERED) {
                        accept_withdraw(f, -ETIMEDOUT);
                        flow_wait(f);           /* should it come to its senses before the layer answers */
                        retract(f, step);
                        return;
                }
                flow_set_layer(f, carrier_at(f, f->allocation->current));
                (void) flow_handle(f, FLOW_EVENT_ROUTE);
                return;
        case ALLOCATION_FAIL:
                f->error = f->allocation->error;
                allocation_explain(f->allocation, f->name, time_now(), f->text);
                (void) flow_handle(f, FLOW_EVENT_GIVE_UP);
                return;
        case ALLOCATION_WAIT:
                break;
        }

        (void) flow_set_timer(f, allocation_next(f->allocation), allocation_timer_elapsed);
}

static void ask_layer(Flow *f, Layer *l) {
        if (layer_is_usable(l) && layer_may_be_asked(l, f->caller, f->wanted) &&
            allocation_add_layer(f->allocation, l->key, l->name, time_now()) == 0)
                layer_send_query(l, f->id, f->name);
}

static void ask_layers(Flow *f) {
        size_t position;
        Layer *l;

        map_for_each(l, f->manager->layers, position)
                ask_layer(f, l);
}

static int allocation_timer_elapsed(sd_event_source *s, uint64_t usec, void *userdata) {
        Flow *f = userdata;
        bool impatient = f->allocation->impatient;
        AllocationStep step;

        step = allocation_elapsed(f->allocation, time_now());
        if (!impatient && f->allocation->impatient && step == ALLOCATION_WAIT)
                ask_layers(f);

        take_step(f, step);
        return 0;
}

/* A listener that has room is asked first, and wins if it accepts at once (or while layers are asked); else layers and listeners to come race each other. */
static void search(Flow *f) {
        Acceptor *a = f->served ? name_choose_acceptor(f->served) : NULL;

        if (a) {
                flow_set_offer(f, a);
                (void) flow_handle(f, FLOW_EVENT_ACCEPTOR);
                return;
        }

        ask_layers(f);
        flow_wait(f);
        take_step(f, allocation_proceed(f->allocation, time_now()));
}

/* Whoever had it cannot: the search has said what is next, or (where a listener went away) starts again. */
void connect_search(Flow *f) {
        f->peer_lane = safe_close(f->peer_lane);

        if (f->have_step) {
                f->have_step = false;
                take_step(f, f->step);
        } else
                search(f);
}

void connect_permitted(Flow *f, bool granted) {
        if (granted) {
                if (f->state == FLOW_SEARCHING && f->allocation->n_layers == 0 && !list_is_linked(&f->by_name))
                        search(f);
                return;
        }

        flow_end(f, CLOSE_REFUSED, -EACCES,
                 "polkit does not let this process open flows (action org.o7s.irm1.open-flow)");
}

void connect_query_done(Flow *f, Layer *l, int result) {
        if (f->allocation)
                take_step(f, allocation_answered(f->allocation, l->key, result, time_now()));
}

/* Nothing was done for it yet, since polkit has not answered. */
static bool awaits_permission(const Flow *f) {
        return f->caller && f->caller->open_flow == PERMISSION_ASKED && f->allocation->n_layers == 0 &&
               !list_is_linked(&f->by_name);
}

void connect_layer_up(Flow *f, Layer *l) {
        if (!f->allocation || (f->state != FLOW_SEARCHING && f->state != FLOW_REQUESTED))
                return;
        if (awaits_permission(f))
                return;                 /* search() will find this layer */

        ask_layer(f, l);
}

void connect_layer_gone(Flow *f, Layer *l) {
        AllocationStep step;

        if (f->state == FLOW_ANSWERED && f->layer == l) {
                f->error = -ENETDOWN;
                (void) snprintf(f->text, sizeof(f->text), "Layer %s went down", l->name);
                (void) flow_handle(f, FLOW_EVENT_RETRACT);
                return;
        }
        if (!f->allocation)
                return;

        step = allocation_layer_gone(f->allocation, l->key, time_now());
        if (f->layer != l) {
                take_step(f, step);
                return;
        }

        flow_set_layer(f, NULL);
        f->n_requests = 0;
        retract(f, step);
}

/* -- the request of a layer -- */

/* The layer forgets the attempts, all but the one that won. */
static void abort_requests(Flow *f, uint32_t keep) {
        for (uint32_t i = 0; f->layer && i < f->n_requests; i++) {
                LayerMessage abort_message = { .type = LAYER_ABORT, .flow_id = f->id, .attempt = i };

                if (i == keep)
                        continue;

                if (f->peer_lane >= 0 && i == f->won)
                        abort_message.tokens = f->tokens;       /* answered already: the other host gets a close */
                else {
                        abort_message.tokens.have_own = true;
                        memcpy(abort_message.tokens.own, f->requests[i].token, CLOSE_TOKEN_BYTES);
                }
                layer_send(f->layer, &abort_message, NULL, 0);
        }
}

static void leave_layer(Flow *f) {
        abort_requests(f, UINT32_MAX);
        f->n_requests = 0;
        flow_set_layer(f, NULL);
}

/* The handshake of one attempt. */
static int build_request(Flow *f, uint32_t attempt, LayerMessage *message) {
        const OapRequest *replaced = attempt > 0 ? &f->requests[attempt - 1] : NULL;
        uint8_t random[OAP_ID_BYTES + OAP_TOKEN_BYTES];
        ssize_t size;
        int r;

        r = random_bytes(random, sizeof(random));
        if (r < 0)
                return r;

        size = oap_request_build(random, time_realtime_nsec(), terms_wishes(&f->qos, f->stream), replaced, message->oap,
                                 sizeof(message->oap), &f->requests[attempt]);
        if (size < 0)
                return (int) size;
        message->oap_size = (size_t) size;

        size = hash_compute(f->layer->hash, f->name, strlen(f->name), message->hash);
        if (size < 0)
                return (int) size;
        message->hash_size = (size_t) size;
        return 0;
}

void connect_request(Flow *f) {
        LayerMessage message = {
                .type = LAYER_REQUEST,
                .flow_id = f->id,
                .attempt = f->allocation->attempt,
                .qos = terms_wire_qos(&f->qos),
                .lane_class = f->lane_class,
        };
        Layer *l = f->layer;
        int r;

        /* Nobody is at this end of the layer any more, or the machine has no randomness: the next one, then. */
        r = l ? build_request(f, message.attempt, &message) : -ENETDOWN;
        if (r < 0) {
                uint64_t key = f->allocation->layers[f->allocation->current].key;

                flow_set_layer(f, NULL);
                retract(f, allocation_refused(f->allocation, key, r, time_now()));
                return;
        }

        f->n_requests = message.attempt + 1;
        layer_send(l, &message, NULL, 0);
        (void) flow_set_timer(f, allocation_next(f->allocation), allocation_timer_elapsed);
}

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

static void refused_by_layer(Flow *f, Layer *l, int error) {
        if (f->state != FLOW_REQUESTED || f->layer != l)
                return;

        leave_layer(f);
        retract(f, allocation_refused(f->allocation, l->key, error, time_now()));
}

/* A peer that has not said that it understands a close never gets one, token or not. */
static void take_peer_token(CloseTokens *tokens, const OapExtension *extension) {
        if (!extension->present || !extension->have_token || !(extension->capabilities & OAP_CAPABILITY_CLOSE))
                return;

        tokens->have_peer = true;
        memcpy(tokens->peer, extension->token, CLOSE_TOKEN_BYTES);
}

/* Takes what the other host shows into the tokens. Returns: 0; -EKEYREJECTED: it must be o7s and is not. The file of the
 * name binds us also where the name is not served here (Local=no). */
static int take_tokens(Flow *f, const OapExtension *extension, const OapRequest *request) {
        const Name *name = name_find(f->manager, f->name);

        if (name && name->client_needs_o7s && !extension->present)
                return -EKEYREJECTED;

        f->tokens = (CloseTokens) { .have_own = true };
        memcpy(f->tokens.own, request->token, CLOSE_TOKEN_BYTES);
        take_peer_token(&f->tokens, extension);
        return 0;
}

void connect_abort_stray(Layer *l, const LayerMessage *reply) {
        LayerMessage message = { .type = LAYER_ABORT, .flow_id = reply->flow_id, .attempt = reply->attempt };
        OapExtension extension;
        OapHeader header;
        int r;

        /* Only a host that said yes has an end to close. With an error: the layer could not make ours. */
        if (reply->result < 0 && reply->oap_size == 0)
                return;

        /* Whose reply it is can no longer be checked; the token in it only closes what it belongs to. */
        r = oap_header_parse(reply->oap, reply->oap_size, hash_size(HASH_SHA384), &header);
        if (r == 0)
                r = oap_extension_parse(header.data, header.data_size, true, &extension);
        if (r == 0)
                take_peer_token(&message.tokens, &extension);

        layer_send(l, &message, NULL, 0);
}

void connect_reply(Flow *f, Layer *l, const LayerMessage *message, int lane_fd) {
        _cleanup_close_ int lane = lane_fd;
        const OapRequest *request;
        OapExtension extension;
        OapHeader header;
        Terms terms;
        int r;

        if (f->layer != l || f->state != FLOW_REQUESTED || message->attempt >= f->n_requests) {
                connect_abort_stray(l, message);
                return;
        }
        if (message->result < 0) {
                connect_abort_stray(l, message);        /* before another attempt may have its number */

                /* An earlier attempt that failed says nothing about the one that is under way. */
                if (message->attempt == f->allocation->attempt)
                        refused_by_layer(f, l, error_from_wire(message->result));
                return;
        }

        request = &f->requests[message->attempt];
        r = oap_response_parse(request, message->oap, message->oap_size, &header, &extension);
        if (r == 0)
                r = terms_of_answer(&f->qos, terms_wishes(&f->qos, f->stream), &message->qos, &extension, &terms);
        if (r == 0)
                r = take_tokens(f, &extension, request);
        if (r < 0) {
                log_debug_errno(r, "Layer %s: the answer to flow %" PRIu64 " is not good: %m", l->name, f->id);
                refused_by_layer(f, l, r == -EBADMSG ? -EPROTO : r);
                return;
        }

        f->won = message->attempt;
        flow_set_terms(f, &terms);
        f->peer_lane = TAKE_FD(lane);
        (void) copy_string(f->peer, sizeof(f->peer), message->peer);
        (void) flow_handle(f, FLOW_EVENT_LAYER_LANE);
}

/* -- a listener of this host -- */

void connect_offer(Flow *f) {
        const Terms terms = terms_of_local(&f->qos, f->stream);

        flow_wait_no_more(f);
        leave_layer(f);
        flow_set_terms(f, &terms);
        allocation_hold(f->allocation, usec_add(time_now(), ALLOCATION_PATIENCE_USEC));
        accept_send_offer(f);
        (void) flow_set_timer(f, allocation_next(f->allocation), allocation_timer_elapsed);
}

/* -- both sides are there -- */

void connect_complete(Flow *f) {
        flow_wait_no_more(f);
        if (f->offered_to)
                allocation_hold(f->allocation, USEC_INFINITY);

        if (f->caller_lane >= 0)
                (void) flow_handle(f, FLOW_EVENT_CALLER_LANE);
}

static void establish_through_layer(Flow *f) {
        LayerMessage message = {
                .type = LAYER_ESTABLISHED,
                .flow_id = f->id,
                .attempt = f->won,
                .tokens = f->tokens,
                .qos = terms_wire_qos(&f->qos),
                .lane_class = f->lane_class,
                .uid = f->caller->key.uid,
        };
        int fds[] = { f->caller_lane, f->doorbell };

        abort_requests(f, f->won);
        layer_send(f->layer, &message, fds, ELEMENTSOF(fds));
}

static void establish_here(Flow *f) {
        IrmMessage message = { .type = IRM_ESTABLISHED, .flow_id = f->id, .lane_class = f->lane_class };
        int fds[] = { f->caller_lane, f->doorbell };

        flow_fill_info(f, &message.info);
        (void) snprintf(message.info.peer, sizeof(message.info.peer), "user %u, process %d", f->caller->key.uid,
                        (int) f->caller->key.pid);
        client_send(f->offered_to->client, &message, fds, ELEMENTSOF(fds));
}

void connect_establish(Flow *f) {
        if (!f->layer) {
                flow_set_acceptor(f, f->offered_to->client->process);
                (void) snprintf(f->peer, sizeof(f->peer), "user %u, process %d", f->offered_to->client->process->key.uid,
                                (int) f->offered_to->client->process->key.pid);
        }

        flow_remember(f);
        send_outcome(f, 0, NULL, f->peer_lane);
        if (f->layer)
                establish_through_layer(f);
        else
                establish_here(f);

        flow_established(f);
}

void connect_fail(Flow *f) {
        f->manager->flows_failed_total++;

        if (f->layer)
                leave_layer(f);
        if (f->offered_to)
                accept_withdraw(f, f->error);

        log_debug("Flow %" PRIu64 " to '%s' failed: %s", f->id, f->name, f->text);
        send_outcome(f, f->error < 0 ? f->error : -ECANCELED, f->text, -1);
}
