/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Flow requests of other members. A request for a name that is not registered here meets silence. One that is goes to
 * the IRM under a number of ours, and is remembered, answered or not, for as long as the network may repeat it: a
 * copy must not look like a second request, which the IRM would have to take for a replay.
 *
 * The sender's address is what it says it is. What a request costs is therefore charged to the neighbour that passed
 * it on: it may be innocent, but whoever floods reaches us through somebody, and the others' requests get in.
 */

#include <stdio.h>

#include "basic/siphash.h"
#include "services/ipcp-unicast/flow-message.h"
#include "services/ipcp-unicast/flow.h"

/* The id in front of an OAP message tells a repeated request from a new one. */
#define REQUEST_ID_BYTES 16U

/* A key; without padding. */
typedef struct IncomingPeer {
        uint64_t address;
        uint64_t eid;
} IncomingPeer;

struct Incoming {
        uint64_t reference;
        IncomingPeer peer;
        ListNode by_age;                /* Unicast.incoming, then Unicast.answered */
        usec_t since;                   /* when it came, then when it was answered */
        bool answered;
        unsigned bucket;                /* of the neighbour that passed it on */
        o7s_qos qos;
        uint8_t id[REQUEST_ID_BYTES];
        uint8_t hash[HASH_BYTES_MAX];   /* of the name */
        UnicastFlow *prepared; /* what will be ours of the flow; owned, and in the table of flows; NULL: not
                                  yet */
};

void incoming_flow_gone(Incoming *incoming) {
        incoming->prepared = NULL;
}

static void incoming_free(Unicast *u, Incoming *incoming) {
        unicast_flow_free(incoming->prepared);
        if (!incoming->answered)
                u->n_incoming[incoming->bucket]--;
        (void) map_remove(u->incoming_by_reference, &incoming->reference, sizeof(incoming->reference));
        (void) map_remove(u->incoming_by_peer, &incoming->peer, sizeof(incoming->peer));
        list_unlink(&incoming->by_age);
        free(incoming);
}

/* Withdraws it from the IRM where that still thinks about it. */
static void incoming_withdraw(Unicast *u, Incoming *incoming) {
        if (!incoming->answered)
                u->events->incoming_gone(u->userdata, incoming->reference);

        incoming_free(u, incoming);
}

static void incoming_set_answered(Unicast *u, Incoming *incoming, usec_t now) {
        u->n_incoming[incoming->bucket]--;
        incoming->answered = true;
        incoming->since = now;
        list_unlink(&incoming->by_age);
        list_append(&u->answered, &incoming->by_age);
}

/* Copies of a request come soon or never, so the oldest answered one is the least needed. */
static int make_room(Unicast *u, unsigned bucket) {
        Incoming *oldest;

        if (u->n_incoming[bucket] >= UNICAST_INCOMING_BUCKET_MAX)
                return -EBUSY;
        if (map_size(u->incoming_by_reference) < UNICAST_INCOMING_MAX)
                return 0;

        oldest = list_first(&u->answered, Incoming, by_age);
        if (!oldest)
                return -EBUSY;

        incoming_free(u, oldest);
        return 0;
}

static int incoming_new(Unicast *u, const FlowMessage *message, unsigned bucket, usec_t now, Incoming **ret) {
        _cleanup_free_ Incoming *incoming = NULL;
        int r;

        r = make_room(u, bucket);
        if (r < 0)
                return r;

        incoming = calloc(1, sizeof(*incoming));
        if (!incoming)
                return -ENOMEM;

        incoming->reference = ++u->last_reference;
        incoming->peer = (IncomingPeer) { .address = message->sender, .eid = message->sender_eid };
        incoming->bucket = bucket;
        incoming->qos = message->qos;
        incoming->since = now;
        memcpy(incoming->id, message->oap, REQUEST_ID_BYTES);
        memcpy(incoming->hash, message->hash, u->hash_size);

        r = map_put(u->incoming_by_reference, &incoming->reference, sizeof(incoming->reference), incoming);
        if (r < 0)
                return r;

        r = map_put(u->incoming_by_peer, &incoming->peer, sizeof(incoming->peer), incoming);
        if (r < 0) {
                (void) map_remove(u->incoming_by_reference, &incoming->reference, sizeof(incoming->reference));
                return r;
        }

        list_append(&u->incoming, &incoming->by_age);
        u->n_incoming[bucket]++;
        *ret = TAKE_PTR(incoming);
        return 0;
}

void incoming_request_received(Unicast *u, const FlowMessage *message, const LowerFlow *from, usec_t now) {
        const IncomingPeer peer = { .address = message->sender, .eid = message->sender_eid };
        uint64_t neighbour = from && from->neighbour ? from->neighbour->address : ADDRESS_NONE;
        const FlowEnds ends = { .asking = message->sender, .answering = u->address };
        char name[sizeof("0123456789abcdef")];
        FlowBinding binding;
        Incoming *incoming;
        unsigned bucket;

        if (!unicast_is_registered(u, message->hash))
                return counters_drop(&u->counters, DROP_UNKNOWN_ENDPOINT);
        if (message->oap_size < REQUEST_ID_BYTES)
                return counters_drop(&u->counters, DROP_MALFORMED);
        if (message->sender == u->address)
                return counters_drop(&u->counters, DROP_WRONG_SOURCE);
        if (!limit_take(&u->limit, &neighbour, sizeof(neighbour), now))
                return counters_drop(&u->counters, DROP_LIMIT);

        incoming = map_get(u->incoming_by_peer, &peer, sizeof(peer));
        if (incoming) {
                if (memcmp(incoming->id, message->oap, REQUEST_ID_BYTES) == 0)
                        return;         /* the network repeated it */

                incoming_withdraw(u, incoming);         /* the peer uses that endpoint id for something new */
        }

        bucket = (unsigned) (siphash24(u->limit.key, &neighbour, sizeof(neighbour)) % UNICAST_INCOMING_BUCKETS);
        if (incoming_new(u, message, bucket, now, &incoming) < 0)
                return counters_drop(&u->counters, DROP_LIMIT);

        (void) snprintf(name, sizeof(name), "%08" PRIx64, message->sender);
        unicast_binding(u, &ends, message, message->hash, &message->qos, message->fixed, &binding);
        u->events->incoming(u->userdata, incoming->reference, message->hash, message->hash_size,
                            &message->qos, message->oap, message->oap_size, &binding, name);
}

/* -- the IRM's decision -- */

static Incoming *incoming_get(Unicast *u, uint64_t reference) {
        Incoming *incoming = map_get(u->incoming_by_reference, &reference, sizeof(reference));

        return incoming && !incoming->answered ? incoming : NULL;
}

static FlowMessage reply_message(const Incoming *incoming, uint64_t eid, int32_t response) {
        return (FlowMessage) {
                .code = FLOW_MESSAGE_REPLY,
                .sender_eid = eid,
                .receiver_eid = incoming->peer.eid,
                .response = response,
        };
}

/* Our side of the flow, with its endpoint id. */
static int make_flow(Unicast *u, const Incoming *incoming, uint64_t flow_id, usec_t now, UnicastFlow **ret) {
        UnicastFlow *flow;
        int r;

        if (!u->is_member)
                return -ENETDOWN;

        r = unicast_flow_new(u, flow_id, 0, &incoming->qos, now, &flow);
        if (r < 0)
                return r;

        flow->peer_address = incoming->peer.address;
        flow->peer_eid = incoming->peer.eid;
        *ret = flow;
        return 0;
}

static int prepare(Unicast *u, Incoming *incoming, uint64_t flow_id, usec_t now, FlowBinding *ret_binding,
                   uint8_t ret_lock[FLOW_RESET_BYTES]) {
        const FlowEnds ends = { .asking = incoming->peer.address, .answering = u->address };
        _cleanup_(unicast_flow_freep) UnicastFlow *flow = NULL;
        uint8_t header[FLOW_MESSAGE_HEADER_BYTES];
        FlowMessage message;
        int r;

        unicast_flow_free(incoming->prepared);          /* ordered again */

        r = make_flow(u, incoming, flow_id, now, &flow);
        if (r < 0)
                return r;

        r = flow_own_lock(flow, flow->peer_address, ret_lock);
        if (r < 0)
                return r;

        message = reply_message(incoming, flow->eid, 0);
        flow_message_pack_header(&message, header);
        unicast_binding(u, &ends, &message, incoming->hash, &incoming->qos, header, ret_binding);

        flow->incoming = incoming;
        incoming->prepared = TAKE_PTR(flow);
        return 0;
}

void incoming_prepare(Unicast *u, const LayerMessage *order, usec_t now) {
        Incoming *incoming = incoming_get(u, order->reference);
        uint8_t lock[FLOW_RESET_BYTES];
        FlowBinding binding;
        int r;

        r = incoming ? prepare(u, incoming, order->flow_id, now, &binding, lock) : -ESTALE;
        u->events->prepared(u->userdata, order->flow_id, order->attempt, order->reference, r, r < 0 ? NULL : &binding,
                            r < 0 ? NULL : lock);
}

/* The one that was prepared, or a new one where nobody asked for that. */
static int take_flow(Unicast *u, Incoming *incoming, uint64_t flow_id, usec_t now, UnicastFlow **ret) {
        UnicastFlow *flow = incoming->prepared;

        if (!flow || flow->layer.key.flow_id != flow_id)
                return make_flow(u, incoming, flow_id, now, ret);

        incoming->prepared = NULL;
        flow->incoming = NULL;
        *ret = flow;
        return 0;
}

/* Lost or not sent: the peer asks again. */
static void send_reply(UnicastFlow *flow, const Incoming *incoming, const LayerMessage *order, usec_t now) {
        FlowMessage message = reply_message(incoming, flow->eid, 0);

        message.oap = order->oap;
        message.oap_size = order->oap_size;
        (void) flow_send_allocation(flow->unicast, incoming->peer.address, &message, now, &flow->message);
        unicast_flow_watch_again(flow);
}

int unicast_accept(Unicast *u, const LayerMessage *order, usec_t now) {
        _cleanup_(unicast_flow_freep) UnicastFlow *flow = NULL;
        Incoming *incoming = incoming_get(u, order->reference);
        int r;

        if (!incoming)
                return -ESTALE;

        r = take_flow(u, incoming, order->flow_id, now, &flow);
        if (r < 0)
                return r;
        if (!u->is_member || flow->own_address != u->address)
                return -ENETDOWN;
        if (!flow_can_send_oap(u, order->oap_size))
                return -EMSGSIZE;

        flow->layer.lane_class = order->lane_class;
        flow->layer.tokens = order->tokens;
        flow_control_init(&flow->layer.control, &order->control, false);

        r = unicast_flow_watch(flow, usec_add(now, FLOW_ANSWERED_KEEP_USEC));
        if (r < 0)
                return r;

        /* The lane first: once the peer has the reply, there is no way back without a close. */
        incoming_set_answered(u, incoming, now);
        r = u->events->reply(u->userdata, &flow->layer, 0, NULL, 0, NULL);
        if (r < 0)
                return 0;               /* the IRM has heard of it already */

        layer_flow_set_state(&flow->layer, LAYER_FLOW_ANSWERED);
        send_reply(flow, incoming, order, now);
        (void) TAKE_PTR(flow);
        return 0;
}

void unicast_refuse(Unicast *u, const LayerMessage *order, usec_t now) {
        Incoming *incoming = incoming_get(u, order->reference);
        FlowMessage message;

        if (!incoming)
                return;

        unicast_flow_free(incoming->prepared);
        incoming_set_answered(u, incoming, now);
        if (order->result == 0)
                return;

        message = reply_message(incoming, 0, order->result);
        message.oap = order->oap;
        message.oap_size = order->oap_size;
        (void) flow_send_allocation(u, incoming->peer.address, &message, now, NULL);
}

/* -- time -- */

static usec_t first_expiry(const List *list) {
        const Incoming *incoming = list_first(list, Incoming, by_age);

        return incoming ? usec_add(incoming->since, UNICAST_INCOMING_KEEP_USEC) : USEC_INFINITY;
}

static void expire_list(Unicast *u, List *list, usec_t now) {
        while (first_expiry(list) <= now)
                incoming_withdraw(u, list_first(list, Incoming, by_age));
}

void incoming_expire(Unicast *u, usec_t now) {
        expire_list(u, &u->incoming, now);
        expire_list(u, &u->answered, now);
}

usec_t incoming_next(const Unicast *u) {
        return MIN(first_expiry(&u->incoming), first_expiry(&u->answered));
}

static void forget_list(Unicast *u, List *list) {
        Incoming *incoming, *following;

        list_for_each_safe(incoming, following, list, by_age)
                incoming_free(u, incoming);
}

void incoming_forget(Unicast *u) {
        forget_list(u, &u->incoming);
        forget_list(u, &u->answered);
}
