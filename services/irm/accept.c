/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Flows that are offered to listeners of this host, and those among them that another host asks for through a
 * layer. A request that nobody accepts yet is kept for 20 s.
 *
 * To the other host no such name, not allowed, nobody there and a request that is no good are the same silence: until it has
 * proven who it is, it does not learn which names there are by asking in the wrong way. What was wrong is in our log and counters.
 */

#include "basic/log.h"
#include "basic/random.h"
#include "libo7s/qos.h"
#include "services/irm/flow.h"
#include "services/irm/layer-names.h"

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

/* -- requests of other hosts -- */

static void refuse_in_silence(Layer *l, uint64_t reference) {
        LayerMessage message = { .type = LAYER_REFUSE, .reference = reference };

        layer_send(l, &message, NULL, 0);
}

static int incoming_elapsed(sd_event_source *s, uint64_t usec, void *userdata) {
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
                log_debug("Cannot offer flow %" PRIu64 " to '%s': %s", f->id, f->name, r == -EDQUOT ? text : strerror(-r));
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

static Name *registered_name(Layer *l, const LayerMessage *message) {
        Name *n = name_find_by_hash(l->manager, l->hash, message->hash, message->hash_size);

        return n && (registration_find(n, l->name) || layer_lists_name(l, n->name)) ? n : NULL;
}

/* A request, and what it comes to. */
typedef struct Asked {
        OapHeader header;
        OapExtension extension;
        Terms terms;
        uint32_t grants;
} Asked;

/* By a member of a layer, that is: what comes for it is not bounded by any user's quota. */
static bool is_served_by_layer(const Name *n) {
        const Acceptor *a;

        list_for_each(a, &n->acceptors, by_name)
                if (layer_of_process(a->client->process))
                        return true;

        return false;
}

/* Returns: 0: good; < 0: it is refused. */
static int check_request(Layer *l, const Name *n, const LayerMessage *message, Asked *ret) {
        uint64_t now = time_realtime_nsec();
        int r;

        r = oap_request_parse(message->oap, message->oap_size, now, &ret->header, &ret->extension);
        if (r < 0)
                return r;

        /* One that was seen before is a copy made by the network, or by somebody else: the first has the answer. */
        r = oap_replay_check(l->manager->replay, &ret->header, now);
        if (r < 0)
                return r;
        if (n->server_needs_o7s && !ret->extension.present)
                return -EACCES;

        ret->terms = terms_of_request(&message->qos, &ret->extension, &ret->grants);
        if ((ret->terms.qos.in_order || ret->terms.qos.ber == 0) && is_served_by_layer(n))
                return -EOPNOTSUPP;     /* layers stack on raw flows; a stranger has no say in what an IPCP buffers */

        return qos_check(&ret->terms.qos);
}

/* The same flow, asked for again: whoever has the offer keeps it, only the layer's side is new.
 * Returns: whether the predecessor has given way. */
static bool succeed(Flow *f, Layer *l, Incoming *successor, const Terms *terms) {
        Manager *m = f->manager;

        if (f->state != FLOW_QUEUED && f->state != FLOW_PROPOSED)
                return false;           /* the answer to the first is under way, and good */
        if (terms->transfer != f->transfer || !qos_is_equal(&terms->qos, &f->qos))
                return false;           /* it is not: the listener was offered another one */

        refuse_in_silence(l, f->incoming_request->key.reference);
        incoming_free(&m->incoming, f->incoming_request);
        f->incoming_request = successor;
        successor->flow = f;
        (void) flow_set_timer(f, successor->expires, incoming_elapsed);
        return true;
}

static int queue_flow(Layer *l, Name *n, const LayerMessage *message, const Terms *terms, Incoming *in) {
        Manager *m = l->manager;
        Flow *f;
        int r;

        r = flow_new(m, manager_next_flow_id(m), true, n->name, &terms->qos, &f);
        if (r < 0)
                return r;

        flow_set_terms(f, terms);
        r = flow_set_timer(f, in->expires, incoming_elapsed);
        if (r < 0) {
                flow_free(f);
                return r;
        }

        f->incoming_request = in;
        in->flow = f;
        f->served = n;
        (void) copy_string(f->peer, sizeof(f->peer), message->peer);
        flow_set_layer(f, l);
        flow_wait(f);
        name_dispatch(n);
        return 0;
}

/* A request that is good. Returns: 0; < 0: it is not kept, and the answer is silence. */
static int keep_request(Layer *l, Name *n, const LayerMessage *message, const Asked *asked) {
        Manager *m = l->manager;
        uint8_t token[OAP_TOKEN_BYTES];
        Incoming *in, *before;
        int r;

        r = random_bytes(token, sizeof(token));
        if (r < 0)
                return r;
        if (n->n_waiting >= INCOMING_PER_NAME_MAX)
                return -EDQUOT;

        r = incoming_new(&m->incoming, l->key, &l->n_incoming, message, &asked->header, &asked->extension, token,
                         time_now(), &in);
        if (r < 0)
                return r;
        in->grants = asked->grants;

        before = incoming_predecessor(&m->incoming, l->key, &asked->extension);
        if (before && before != in) {
                r = succeed(before->flow, l, in, &asked->terms) ? 1 : -EALREADY;
        } else
                r = queue_flow(l, n, message, &asked->terms, in);

        if (r < 0)
                incoming_free(&m->incoming, in);
        return MIN(r, 0);
}

void accept_incoming(Layer *l, const LayerMessage *message) {
        Asked asked;
        Name *n;
        int r;

        n = registered_name(l, message);
        if (!n)
                return refuse_in_silence(l, message->reference);

        r = check_request(l, n, message, &asked);
        if (r >= 0)
                r = keep_request(l, n, message, &asked);
        if (r >= 0)
                return;

        log_debug_errno(r, "Layer %s: a request for '%s' from %s is refused: %m", l->name, n->name, message->peer);
        n->refused_total++;
        refuse_in_silence(l, message->reference);
}

void accept_incoming_gone(Layer *l, uint64_t reference) {
        Incoming *in = incoming_by_reference(&l->manager->incoming, l->key, reference);
        Flow *f;

        if (!in)
                return;

        f = in->flow;
        f->ended_by_layer = true;
        f->error = -ECANCELED;
        (void) flow_handle(f, FLOW_EVENT_GIVE_UP);
}

/* -- a listener accepts -- */

void accept_answer(Flow *f) {
        Incoming *in = f->incoming_request;
        LayerMessage message = {
                .type = LAYER_ACCEPT,
                .reference = in->key.reference,
                .flow_id = f->id,
                .lane_class = f->lane_class,
                .tokens = { .have_own = true, .have_peer = in->peer_closes },
        };
        ssize_t size;

        memcpy(message.tokens.own, in->own_token, CLOSE_TOKEN_BYTES);
        if (in->peer_closes)
                memcpy(message.tokens.peer, in->peer_token, CLOSE_TOKEN_BYTES);

        flow_set_acceptor(f, f->offered_to->client->process);

        size = oap_response_build(in->oap, in->oap_size, in->own_token, in->grants, time_realtime_nsec(), message.oap,
                                  sizeof(message.oap));
        if (size < 0) {
                log_debug_errno((int) size, "Cannot answer flow %" PRIu64 ": %m", f->id);
                flow_end(f, CLOSE_REFUSED, (int) size, NULL);
                return;
        }

        message.oap_size = (size_t) size;
        layer_send(f->layer, &message, NULL, 0);
        (void) flow_set_timer(f, usec_add(time_now(), CONFIRM_USEC), incoming_elapsed);
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
        client_send(f->offered_to->client, &to_client, (int[]) { f->caller_lane, ends[0] }, 2);
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
        if (f->acceptor)
                layer_send(f->layer, &close_message, NULL, 0);
        else if (f->incoming_request)
                refuse_in_silence(f->layer, f->incoming_request->key.reference);
}
