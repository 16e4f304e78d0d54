/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Flow requests of other hosts. A request for a name that is not registered here meets silence. One that is goes to the
 * IRM under a number of ours, and is remembered, answered or not, for as long as the network may repeat it: a copy must
 * not look like a second request, which the IRM would have to take for a replay.
 */

#include "basic/siphash.h"
#include "services/ipcp-eth/flow.h"

/* The id in front of an OAP message tells a repeated request from a new one. */
#define REQUEST_ID_BYTES 16U

typedef struct IncomingPeer {
        uint8_t address[FRAME_ADDRESS_BYTES];
        uint8_t endpoint[2];
} IncomingPeer;

struct Incoming {
        uint64_t reference;
        IncomingPeer peer;              /* a key: bytes only */
        ListNode by_age;                /* Ethernet.incoming, then Ethernet.answered */
        usec_t since;                   /* when it came, then when it was answered */
        FrameAddress address;
        FrameAddress local;
        uint16_t endpoint;              /* the peer's */
        bool answered;
        unsigned bucket;                /* of the station that asks */
        o7s_qos qos;
        uint8_t id[REQUEST_ID_BYTES];
        uint8_t hash[HASH_BYTES_MAX];   /* of the name */
        EthernetFlow *prepared; /* what will be ours of the flow; owned, and in the table of flows; NULL: not
                                   yet */
};

void incoming_flow_gone(Incoming *incoming) {
        incoming->prepared = NULL;
}

static void incoming_free(Ethernet *e, Incoming *incoming) {
        ethernet_flow_free(incoming->prepared);
        if (!incoming->answered)
                e->n_incoming[incoming->bucket]--;
        (void) map_remove(e->incoming_by_reference, &incoming->reference, sizeof(incoming->reference));
        (void) map_remove(e->incoming_by_peer, &incoming->peer, sizeof(incoming->peer));
        list_unlink(&incoming->by_age);
        free(incoming);
}

/* Withdraws it from the IRM where that still thinks about it. */
static void incoming_withdraw(Ethernet *e, Incoming *incoming) {
        if (!incoming->answered)
                e->events->incoming_gone(e->userdata, incoming->reference);

        incoming_free(e, incoming);
}

static void incoming_set_answered(Ethernet *e, Incoming *incoming, usec_t now) {
        e->n_incoming[incoming->bucket]--;
        incoming->answered = true;
        incoming->since = now;
        list_unlink(&incoming->by_age);
        list_append(&e->answered, &incoming->by_age);
}

/* Copies of a request come soon or never, so the oldest answered one is the least needed. */
static int make_room(Ethernet *e, unsigned bucket) {
        Incoming *oldest;

        if (e->n_incoming[bucket] >= ETHERNET_INCOMING_BUCKET_MAX)
                return -EBUSY;
        if (map_size(e->incoming_by_reference) < ETHERNET_INCOMING_MAX)
                return 0;

        oldest = list_first(&e->answered, Incoming, by_age);
        if (!oldest)
                return -EBUSY;

        incoming_free(e, oldest);
        return 0;
}

static IncomingPeer incoming_peer(const Frame *frame, uint16_t endpoint) {
        IncomingPeer peer = { .endpoint = { (uint8_t) (endpoint >> 8), (uint8_t) endpoint } };

        memcpy(peer.address, frame->source.bytes, FRAME_ADDRESS_BYTES);
        return peer;
}

static int incoming_new(Ethernet *e, const Frame *frame, const ManagementMessage *message, usec_t now,
                        Incoming **ret) {
        unsigned bucket = (unsigned) (siphash24(e->limit.key, frame->source.bytes, FRAME_ADDRESS_BYTES) %
                                      ETHERNET_INCOMING_BUCKETS);
        _cleanup_free_ Incoming *incoming = NULL;
        int r;

        r = make_room(e, bucket);
        if (r < 0)
                return r;

        incoming = calloc(1, sizeof(*incoming));
        if (!incoming)
                return -ENOMEM;

        incoming->reference = ++e->last_reference;
        incoming->peer = incoming_peer(frame, message->sender);
        incoming->bucket = bucket;
        incoming->address = frame->source;
        incoming->local = e->link.address;
        incoming->endpoint = message->sender;
        incoming->qos = message->qos;
        incoming->since = now;
        memcpy(incoming->id, message->oap, REQUEST_ID_BYTES);
        memcpy(incoming->hash, message->hash, e->hash_size);

        r = map_put(e->incoming_by_reference, &incoming->reference, sizeof(incoming->reference), incoming);
        if (r < 0)
                return r;

        r = map_put(e->incoming_by_peer, &incoming->peer, sizeof(incoming->peer), incoming);
        if (r < 0) {
                (void) map_remove(e->incoming_by_reference, &incoming->reference, sizeof(incoming->reference));
                return r;
        }

        list_append(&e->incoming, &incoming->by_age);
        e->n_incoming[bucket]++;
        *ret = TAKE_PTR(incoming);
        return 0;
}

void incoming_request_received(Ethernet *e, const Frame *frame, const ManagementMessage *message, usec_t now) {
        const IncomingPeer peer = incoming_peer(frame, message->sender);
        FlowBinding binding;
        Incoming *incoming;

        if (!ethernet_is_registered(e, message->hash))
                return counters_drop(&e->counters, DROP_UNKNOWN_ENDPOINT);
        if (message->oap_size < REQUEST_ID_BYTES)
                return counters_drop(&e->counters, DROP_MALFORMED);
        if (!limit_take(&e->limit, frame->source.bytes, FRAME_ADDRESS_BYTES, now))
                return counters_drop(&e->counters, DROP_LIMIT);

        incoming = map_get(e->incoming_by_peer, &peer, sizeof(peer));
        if (incoming) {
                if (memcmp(incoming->id, message->oap, REQUEST_ID_BYTES) == 0)
                        return;         /* the network repeated it */

                incoming_withdraw(e, incoming);         /* the peer uses that endpoint id for something new */
        }

        if (incoming_new(e, frame, message, now, &incoming) < 0)
                return counters_drop(&e->counters, DROP_LIMIT);

        ethernet_binding(e, &frame->source, &frame->destination, message, message->hash, &message->qos,
                         message->fixed, &binding);
        e->events->incoming(e->userdata, incoming->reference, message->hash, message, &binding, &frame->source);
}

static Incoming *incoming_get(Ethernet *e, uint64_t reference) {
        Incoming *incoming = map_get(e->incoming_by_reference, &reference, sizeof(reference));

        return incoming && !incoming->answered ? incoming : NULL;
}

static ManagementMessage reply_message(const Incoming *incoming, uint16_t endpoint, int32_t response) {
        return (ManagementMessage) {
                .code = MANAGEMENT_FLOW_REPLY,
                .sender = endpoint,
                .receiver = incoming->endpoint,
                .response = response,
        };
}

/* Our side of the flow, with its endpoint id. */
static int make_flow(Ethernet *e, const Incoming *incoming, uint64_t flow_id, EthernetFlow **ret) {
        EthernetFlow *flow;
        int r;

        if (!e->link.up)
                return -ENETDOWN;

        r = ethernet_flow_new(e, flow_id, 0, &flow);
        if (r < 0)
                return r;

        flow->layer.qos = flow->layer.granted = incoming->qos;
        flow->local = incoming->local;
        flow->peer = incoming->address;
        flow->peer_endpoint = incoming->endpoint;
        *ret = flow;
        return 0;
}

static int prepare(Ethernet *e, Incoming *incoming, uint64_t flow_id, FlowBinding *ret_binding,
                   uint8_t ret_lock[FLOW_RESET_BYTES]) {
        _cleanup_(ethernet_flow_freep) EthernetFlow *flow = NULL;
        uint8_t fixed[MANAGEMENT_FIXED_BYTES_MAX];
        ManagementMessage message;
        int r;

        ethernet_flow_free(incoming->prepared);         /* ordered again */

        r = make_flow(e, incoming, flow_id, &flow);
        if (r < 0)
                return r;

        r = flow_own_lock(flow, &flow->peer, ret_lock);
        if (r < 0)
                return r;

        message = reply_message(incoming, flow->endpoint, 0);
        (void) management_pack_fixed(e->framing, &message, fixed);
        ethernet_binding(e, &incoming->address, &incoming->local, &message, incoming->hash, &incoming->qos,
                         fixed, ret_binding);

        flow->incoming = incoming;
        incoming->prepared = TAKE_PTR(flow);
        return 0;
}

void incoming_prepare(Ethernet *e, const LayerMessage *order, usec_t now) {
        Incoming *incoming = incoming_get(e, order->reference);
        uint8_t lock[FLOW_RESET_BYTES];
        FlowBinding binding;
        int r;

        r = incoming ? prepare(e, incoming, order->flow_id, &binding, lock) : -ESTALE;
        e->events->prepared(e->userdata, order->flow_id, order->attempt, order->reference, r, r < 0 ? NULL : &binding,
                            r < 0 ? NULL : lock);
}

/* The one that was prepared, or a new one where nobody asked for that. */
static int take_flow(Ethernet *e, Incoming *incoming, uint64_t flow_id, EthernetFlow **ret) {
        EthernetFlow *flow = incoming->prepared;

        if (!flow || flow->layer.key.flow_id != flow_id)
                return make_flow(e, incoming, flow_id, ret);

        incoming->prepared = NULL;
        flow->incoming = NULL;
        *ret = flow;
        return 0;
}

/* Lost or not sent: the peer asks again. */
static void send_reply(EthernetFlow *flow, const Incoming *incoming, const LayerMessage *order, usec_t now) {
        ManagementMessage message = reply_message(incoming, flow->endpoint, 0);

        message.oap = order->oap;
        message.oap_size = order->oap_size;
        (void) eth_send_allocation(flow->ethernet, &incoming->address, &incoming->local, &message, now, &flow->message);
        ethernet_flow_watch_again(flow);
}

int ethernet_accept(Ethernet *e, const LayerMessage *order, usec_t now) {
        _cleanup_(ethernet_flow_freep) EthernetFlow *flow = NULL;
        Incoming *incoming = incoming_get(e, order->reference);
        int r;

        if (!incoming)
                return -ESTALE;

        r = take_flow(e, incoming, order->flow_id, &flow);
        if (r < 0)
                return r;
        if (!eth_can_send_oap(e, order->oap_size))
                return e->link.up ? -EMSGSIZE : -ENETDOWN;

        flow->layer.lane_class = order->lane_class;
        flow->layer.tokens = order->tokens;
        flow_control_init(&flow->layer.control, &order->control, false);
        liveness_init(&flow->liveness, flow->layer.qos.timeout_ms, now);

        r = ethernet_flow_watch(flow, usec_add(now, FLOW_ANSWERED_KEEP_USEC));
        if (r < 0)
                return r;

        /* The lane first: once the peer has the reply, there is no way back without a close. */
        incoming_set_answered(e, incoming, now);
        r = e->events->reply(e->userdata, &flow->layer, 0, NULL, 0, NULL);
        if (r < 0)
                return 0;               /* the IRM has heard of it already */

        layer_flow_set_state(&flow->layer, LAYER_FLOW_ANSWERED);
        send_reply(flow, incoming, order, now);
        (void) TAKE_PTR(flow);
        return 0;
}

void ethernet_refuse(Ethernet *e, const LayerMessage *order, usec_t now) {
        Incoming *incoming = incoming_get(e, order->reference);
        ManagementMessage message;

        if (!incoming)
                return;

        ethernet_flow_free(incoming->prepared);
        incoming_set_answered(e, incoming, now);
        if (order->result == 0)
                return;

        message = reply_message(incoming, 0, order->result);
        message.oap = order->oap;
        message.oap_size = order->oap_size;
        (void) eth_send_allocation(e, &incoming->address, &incoming->local, &message, now, NULL);
}

static usec_t first_expiry(const List *list) {
        const Incoming *incoming = list_first(list, Incoming, by_age);

        return incoming ? usec_add(incoming->since, ETHERNET_INCOMING_KEEP_USEC) : USEC_INFINITY;
}

static void expire_list(Ethernet *e, List *list, usec_t now) {
        while (first_expiry(list) <= now)
                incoming_withdraw(e, list_first(list, Incoming, by_age));
}

void incoming_expire(Ethernet *e, usec_t now) {
        expire_list(e, &e->incoming, now);
        expire_list(e, &e->answered, now);
}

usec_t incoming_next(const Ethernet *e) {
        return MIN(first_expiry(&e->incoming), first_expiry(&e->answered));
}

static void forget_list(Ethernet *e, List *list) {
        Incoming *incoming, *following;

        list_for_each_safe(incoming, following, list, by_age)
                incoming_free(e, incoming);
}

void incoming_forget(Ethernet *e) {
        forget_list(e, &e->incoming);
        forget_list(e, &e->answered);
}
