/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/support/allocator-net.h"

uint64_t net_address(unsigned number) {
        return 0x1000 + number;
}

static NetMember *member_at(Net *net, uint64_t address) {
        for (unsigned i = 0; i < NET_MEMBERS_MAX; i++)
                if (net->members[i].unicast.address == address)
                        return &net->members[i];

        return NULL;
}

const uint8_t *net_hash(uint8_t name) {
        static uint8_t hashes[256][HASH_BYTES_MAX];

        memset(hashes[name], name, sizeof(hashes[name]));
        return hashes[name];
}

/* -- in place of transmit.c -- */

static void enqueue(Net *net, NetMember *from, NetMember *to, uint64_t eid, uint8_t ecn, const void *data,
                    size_t size) {
        NetMessage *message;

        if (net->n_lost > 0) {
                net->n_lost--;
                return;
        }

        net->seed = net->seed * 1664525U + 1013904223U;
        if (net->seed >> 16 < 65536U * net->loss_percent / 100) {
                net->n_data_lost[from->number] += eid != EID_FLOW_ALLOCATOR && size > 0;
                return;
        }

        message = calloc(1, sizeof(*message) + size);
        if (!message)
                abort();

        message->due = net->now + NET_DELAY_USEC;
        message->from = from->number;
        message->to = to->number;
        message->eid = eid;
        message->ecn = ecn;
        message->size = size;
        if (size > 0)
                memcpy(message->bytes, data, size);
        list_append(&net->messages, &message->by_net);
}

bool unicast_send_message(Unicast *u, uint64_t destination, uint64_t eid, const uint8_t *data, size_t size,
                          usec_t now) {
        NetMember *member = u->userdata, *to = member_at(member->net, destination);

        if (eid != EID_FLOW_ALLOCATOR || destination == u->address || size > FLOW_MESSAGE_BYTES_MAX)
                abort();
        if (!to || to->unreachable)
                return false;

        member->net->n_codes[data[58]]++;
        if (data[58] >= FLOW_MESSAGE_CLOSE || (data[58] == FLOW_MESSAGE_UPDATE && size > FLOW_MESSAGE_HEADER_BYTES)) {
                NetKept *kept = &member->net->kept[member->net->n_kept++ % NET_KEPT_MAX];

                *kept = (NetKept) { .from = member->number, .to = to->number, .size = size };
                memcpy(kept->bytes, data, size);
                if (member->net->swallow)
                        return true;
        }
        for (unsigned i = 0; i < member->net->n_copies; i++)
                enqueue(member->net, member, to, eid, 0, data, size);
        return true;
}

bool unicast_has_way(const Unicast *u, uint64_t destination) {
        NetMember *member = u->userdata, *to = member_at(member->net, destination);

        return to && !to->unreachable;
}

bool unicast_send_data(Unicast *u, UnicastFlow *flow, Packet *packet, usec_t now) {
        NetMember *member = u->userdata, *to = member_at(member->net, flow->peer_address);

        if (packet_size(packet) == 0)
                member->net->n_keepalives++;
        liveness_sent(&flow->liveness, now);
        if (!to || to->unreachable)
                return false;

        enqueue(member->net, member, to, flow->peer_eid, member->net->ecn, packet->head, packet_size(packet));
        flow_probe(flow, now);
        return true;
}

/* -- in place of directory.c -- */

int directory_register(Directory *d, const uint8_t *hash, size_t hash_size, usec_t now) {
        d->n_registered++;
        return 0;
}

void directory_unregister(Directory *d, const uint8_t *hash, size_t hash_size, usec_t now) {
        d->n_registered--;
}

static NetMember *member_of(Directory *d) {
        return container_of(d, NetMember, directory);
}

void directory_lookup(Directory *d, uint64_t lookup, const uint8_t *hash, size_t hash_size, usec_t now) {
        d->n_lookups++;
        if (d->slow)
                d->pending[d->n_pending++ % NET_LOG_MAX] = lookup;
        else
                flow_found(&member_of(d)->unicast, lookup, d->error, d->addresses, d->n_addresses, now);
}

void directory_cancel(Directory *d, uint64_t lookup) {
        for (unsigned i = 0; i < d->n_pending; i++)
                if (d->pending[i] == lookup)
                        d->pending[i] = 0;
}

void directory_doubt(Directory *d, const uint8_t *hash, size_t hash_size, uint64_t address, usec_t now) {
        d->doubted[d->n_doubted++ % ELEMENTSOF(d->doubted)] = address;
}

void net_found(NetMember *member) {
        Directory *d = &member->directory;
        unsigned n = d->n_pending;

        d->n_pending = 0;
        for (unsigned i = 0; i < n; i++)
                if (d->pending[i] != 0)
                        flow_found(&member->unicast, d->pending[i], d->error, d->addresses, d->n_addresses,
                                   member->net->now);
}

/* -- in place of the IRM -- */

static void event_deliver(void *userdata, UnicastFlow *flow, Packet *const *packets, unsigned n, bool marked) {
        NetMember *m = userdata;

        for (unsigned i = 0; i < n; i++) {
                if (packet_size(packets[i]) == 0)
                        abort();
                m->delivered[m->n_delivered++ % sizeof(m->delivered)] = packets[i]->head[0];
                m->n_marked += marked;
        }
}

static void event_prepared(void *userdata, uint64_t flow_id, uint32_t attempt, uint64_t reference, int32_t result,
                           const FlowBinding *binding, const uint8_t *lock) {
        NetMember *m = userdata;

        prepared_keep(&m->prepared, flow_id, attempt, reference, result, binding, lock);
        m->n_prepared++;
}

static void event_changed(void *userdata, LayerFlow *flow) {
        NetMember *m = userdata;

        if (flow->state != LAYER_FLOW_ESTABLISHED)
                abort();
        m->n_changed++;
}

static int event_reply(void *userdata, LayerFlow *flow, int32_t result, const uint8_t *oap, size_t oap_size,
                       const FlowBinding *binding) {
        NetMember *m = userdata;

        if (binding)
                m->reply_binding = *binding;
        m->replies[m->n_replies++ % NET_LOG_MAX] = (NetReply) {
                .flow_id = flow->key.flow_id,
                .attempt = (uint32_t) flow->key.attempt,
                .result = result,
                .oap_size = oap_size,
        };
        return result == 0 ? m->reply_error : 0;
}

static void event_failed(void *userdata, uint64_t flow_id, uint32_t attempt, int32_t result) {
        NetMember *m = userdata;

        m->failures[m->n_failures++ % NET_LOG_MAX] = (NetReply) {
                .flow_id = flow_id,
                .attempt = attempt,
                .result = result,
        };
}

static void event_incoming(void *userdata, uint64_t reference, const uint8_t *hash, size_t hash_size,
                           const o7s_qos *qos, const uint8_t *oap, size_t oap_size, const FlowBinding *binding,
                           const char *peer) {
        NetMember *m = userdata;

        m->incoming_binding = *binding;
        m->incoming[m->n_incoming++ % NET_LOG_MAX] = reference;
        (void) copy_string(m->incoming_peer, sizeof(m->incoming_peer), peer);
}

static void event_incoming_gone(void *userdata, uint64_t reference) {
        ((NetMember *) userdata)->n_gone++;
}

static void event_query_done(void *userdata, uint64_t query_id, int32_t result) {
        NetMember *m = userdata;

        m->queries[m->n_queries++ % NET_LOG_MAX] = (NetReply) { .flow_id = query_id, .result = result };
}

static void event_down(void *userdata, LayerFlow *flow, CloseReason reason) {
        NetMember *m = userdata;

        m->n_downs++;
        m->last_down = reason;
}

static void event_resume(void *userdata, UnicastFlow *flow) {
        ((NetMember *) userdata)->n_resumed++;
}

static int event_random(void *userdata, void *ret, size_t size) {
        NetMember *m = userdata;

        if (m->random_error < 0)
                return m->random_error;
        if (size != sizeof(m->random))
                abort();

        m->random = m->random * UINT64_C(6364136223846793005) + 1442695040888963407U;
        memcpy(ret, &m->random, size);
        return 0;
}

static const UnicastEvents events = {
        .deliver = event_deliver,
        .prepared = event_prepared,
        .changed = event_changed,
        .reply = event_reply,
        .failed = event_failed,
        .incoming = event_incoming,
        .incoming_gone = event_incoming_gone,
        .query_done = event_query_done,
        .down = event_down,
        .resume = event_resume,
        .random = event_random,
};

void net_request(NetMember *member, uint64_t flow_id, uint32_t attempt, uint8_t name, const char *oap) {
        static LayerMessage order;

        order = (LayerMessage) {
                .type = LAYER_REQUEST,
                .flow_id = flow_id,
                .attempt = attempt,
                .qos = O7S_QOS_RAW,
                .hash_size = 32,
                .oap_size = strlen(oap),
        };
        memcpy(order.hash, net_hash(name), order.hash_size);
        memcpy(order.oap, oap, order.oap_size);
        unicast_request(&member->unicast, &order, member->net->now);
}

static CloseTokens make_tokens(uint8_t own, uint8_t peer) {
        return (CloseTokens) {
                .have_own = own != 0,
                .have_peer = peer != 0,
                .own = { own },
                .peer = { peer },
        };
}

int net_accept(NetMember *member, uint64_t reference, uint64_t flow_id, uint8_t own, uint8_t peer) {
        static LayerMessage order;

        order = (LayerMessage) {
                .type = LAYER_ACCEPT,
                .reference = reference,
                .flow_id = flow_id,
                .tokens = make_tokens(own, peer),
                .oap_size = 84,
        };
        return unicast_accept(&member->unicast, &order, member->net->now);
}

UnicastFlow *net_flow(const NetMember *member, uint64_t flow_id, uint32_t attempt) {
        LayerFlow *flow = layer_flows_get(&member->unicast.flows, flow_id, attempt);

        return flow ? unicast_flow(flow) : NULL;
}

void net_establish(NetMember *member, uint64_t flow_id, uint32_t attempt, uint8_t own, uint8_t peer) {
        const CloseTokens tokens = make_tokens(own, peer);

        unicast_established(&member->unicast, &net_flow(member, flow_id, attempt)->layer, &tokens, member->net->now);
}

void net_abort(NetMember *member, uint64_t flow_id, uint32_t attempt, uint8_t own, uint8_t peer) {
        const CloseTokens tokens = make_tokens(own, peer);

        unicast_abort(&member->unicast, &net_flow(member, flow_id, attempt)->layer, &tokens, member->net->now);
}

/* -- the network -- */

void net_inject(NetMember *to, unsigned from, const void *bytes, size_t size) {
        flow_allocator_receive(&to->unicast, bytes, size, &to->lower[from], to->net->now);
}

void net_inject_message(NetMember *to, unsigned from, const FlowMessage *message) {
        uint8_t bytes[FLOW_MESSAGE_BYTES_MAX];
        ssize_t n = flow_message_pack(message, bytes, sizeof(bytes));

        if (n < 0)
                abort();
        net_inject(to, from, bytes, (size_t) n);
}

static void data_arrives(NetMember *to, uint64_t eid, uint8_t ecn, const void *bytes, size_t size) {
        _cleanup_(packet_freep) Packet *packet = NULL;
        UnicastFlow *flow = eids_get(to->unicast.eids, eid);

        if (!flow)
                return counters_drop(&to->unicast.counters, DROP_UNKNOWN_ENDPOINT);
        if (packet_new(size, &packet) < 0)
                abort();
        if (size > 0)
                memcpy(packet_append(packet, size), bytes, size);

        flow_data_received(&to->unicast, flow, &packet, 1, ecn, to->net->now);
}

void net_inject_data(NetMember *to, uint64_t eid, const char *text) {
        data_arrives(to, eid, 0, text, strlen(text));
}

void net_write(NetMember *member, uint64_t flow_id, const char *text) {
        _cleanup_(packet_freep) Packet *packet = NULL;
        size_t size = strlen(text);

        if (packet_new(size, &packet) < 0)
                abort();
        memcpy(packet_append(packet, size), text, size);
        (void) unicast_send_data(&member->unicast, net_flow(member, flow_id, 0), packet, member->net->now);
}

static void arrive(Net *net, NetMessage *message) {
        NetMember *to = &net->members[message->to];

        list_unlink(&message->by_net);
        if (message->eid == EID_FLOW_ALLOCATOR)
                net_inject(to, message->from, message->bytes, message->size);
        else
                data_arrives(to, message->eid, message->ecn, message->bytes, message->size);
        free(message);
}

static void expire(NetMember *member, usec_t now) {
        Expiry *expiry;

        while ((expiry = expiry_pop(&member->unicast.expiries, now)))
                flow_expire(container_of(expiry, UnicastFlow, expiry), now);
        incoming_expire(&member->unicast, now);
        reassembly_expire(&member->unicast.reassembly, now);
}

static usec_t next_event(const Net *net) {
        const NetMessage *first = list_first(&net->messages, NetMessage, by_net);
        usec_t next = first ? first->due : USEC_INFINITY;

        for (unsigned i = 0; i < NET_MEMBERS_MAX; i++) {
                next = MIN(next, expiry_next(&net->members[i].unicast.expiries));
                next = MIN(next, incoming_next(&net->members[i].unicast));
                next = MIN(next, reassembly_next(&net->members[i].unicast.reassembly));
        }

        return next;
}

void net_run(Net *net, usec_t duration) {
        usec_t end = net->now + duration, next;

        while ((next = next_event(net)) <= end) {
                NetMessage *first = list_first(&net->messages, NetMessage, by_net);

                net->now = MAX(net->now, next);
                if (first && first->due <= net->now)
                        arrive(net, first);
                for (unsigned i = 0; i < NET_MEMBERS_MAX; i++)
                        expire(&net->members[i], net->now);
        }

        net->now = end;
}

void net_connect(Net *net, uint64_t flow_id) {
        NetMember *a = &net->members[0], *b = &net->members[1];

        if (unicast_register(&b->unicast, net_hash('n'), 32, net->now) < 0)
                abort();

        net_request(a, flow_id, 0, 'n', "0123456789abcdef____");
        net_run(net, 2 * NET_DELAY_USEC);
        if (net_accept(b, b->incoming[b->n_incoming - 1], flow_id + 1000, 0xB2, 0xA1) < 0)
                abort();
        net_establish(b, flow_id + 1000, 0, 0, 0);
        net_run(net, 2 * NET_DELAY_USEC);
        net_establish(a, flow_id, 0, 0xA1, 0xB2);
}

/* -- flows whose ends have control keys -- */

void net_prepare(NetMember *member, uint64_t flow_id, uint32_t attempt, uint64_t reference, uint8_t name) {
        static LayerMessage order;

        order = (LayerMessage) {
                .type = LAYER_PREPARE,
                .flow_id = flow_id,
                .attempt = attempt,
                .reference = reference,
                .qos = O7S_QOS_RAW,
                .hash_size = 32,
        };
        memcpy(order.hash, net_hash(name), order.hash_size);
        unicast_prepare(&member->unicast, &order, member->net->now);
}

LayerControl net_keys(bool asked) {
        LayerControl keys = { .present = true };

        memset(keys.send, asked ? 0xC2 : 0x2C, sizeof(keys.send));
        memset(keys.receive, asked ? 0x2C : 0xC2, sizeof(keys.receive));
        return keys;
}

void net_connect_with_keys(Net *net, uint64_t flow_id, size_t oap_size) {
        static LayerMessage order;
        NetMember *a = &net->members[0], *b = &net->members[1];
        const LayerControl keys = net_keys(true);
        LayerFlow *flow;

        if (unicast_register(&b->unicast, net_hash('n'), 32, net->now) < 0)
                abort();

        net_prepare(a, flow_id, 0, 0, 'n');
        net_run(net, 2 * NET_DELAY_USEC);
        order = (LayerMessage) { .type = LAYER_REQUEST, .flow_id = flow_id, .qos = O7S_QOS_RAW, .hash_size = 32,
                                 .oap_size = oap_size };
        memcpy(order.hash, net_hash('n'), order.hash_size);
        memcpy(order.oap, &flow_id, sizeof(flow_id));
        unicast_request(&a->unicast, &order, net->now);
        net_run(net, 2 * USEC_PER_SEC);

        net_prepare(b, flow_id + 1000, 0, b->incoming[(b->n_incoming - 1) % NET_LOG_MAX], 'n');
        if (a->prepared.result < 0 || b->prepared.result < 0 || !b->prepared.have_lock)
                abort();
        order = (LayerMessage) {
                .type = LAYER_ACCEPT,
                .reference = b->prepared.reference,
                .flow_id = flow_id + 1000,
                .tokens = make_tokens(0xB2, 0xA1),
                .control = net_keys(false),
                .oap_size = oap_size,
        };
        if (unicast_accept(&b->unicast, &order, net->now) < 0)
                abort();
        net_establish(b, flow_id + 1000, 0, 0, 0);
        net_run(net, 2 * USEC_PER_SEC);

        /* As layer.c does before it tells the layer. */
        flow = &net_flow(a, flow_id, 0)->layer;
        flow_control_init(&flow->control, &keys, true);
        flow->have_lock = true;
        memcpy(flow->lock, b->prepared.lock, sizeof(flow->lock));
        net_establish(a, flow_id, 0, 0xA1, 0xB2);
        net_run(net, 4 * NET_DELAY_USEC);
}

static int member_init(Net *net, unsigned number, CongestionPolicy congestion) {
        static const uint8_t key[SIPHASH_KEY_BYTES] = "flow allocators";
        NetMember *m = &net->members[number];
        Unicast *u = &m->unicast;

        m->net = net;
        m->number = number;
        m->random = number + 1;
        m->directory.net = net;
        m->directory.addresses[0] = net_address(1);
        m->directory.n_addresses = 1;
        for (unsigned i = 0; i < NET_MEMBERS_MAX; i++) {
                m->neighbours[i].address = net_address(i);
                m->lower[i].neighbour = &m->neighbours[i];
        }

        *u = (Unicast) {
                .events = &events,
                .userdata = m,
                .is_member = true,
                .address = net_address(number),
                .hash_size = 32,
                .packet_max = 1400,
                .directory = &m->directory,
                .layer.congestion = congestion,
                .upkeep = FLOW_UPKEEP_LIMITS,
                .format = { .address_bytes = 4, .eid_bytes = 8, .ttl_max = 60 },
        };
        list_init(&u->tombstones);
        list_init(&u->lookups);
        list_init(&u->incoming);
        list_init(&u->answered);
        memset(u->reset_key, (int) number + 1, sizeof(u->reset_key));
        reassembly_init(&u->reassembly, key);
        limit_init(&u->reset_limit, key, UNICAST_RESET_RATE, UNICAST_RESET_BURST, UNICAST_RESET_TOTAL_RATE,
                   UNICAST_RESET_TOTAL_BURST);
        limit_init(&u->limit, key, UNICAST_SENDER_RATE, UNICAST_SENDER_BURST, UNICAST_TOTAL_RATE, UNICAST_TOTAL_BURST);

        if (layer_flows_init(&u->flows) < 0 || eids_new(&u->eids) < 0 || map_new(&u->registered) < 0 ||
            map_new(&u->incoming_by_reference) < 0 || map_new(&u->incoming_by_peer) < 0 ||
            packet_new(2048, &u->message) < 0)
                return -ENOMEM;

        return 0;
}

static void member_done(NetMember *m) {
        Unicast *u = &m->unicast;

        flow_allocator_done(u);
        layer_flows_done(&u->flows);
        expiry_done(&u->expiries);
        u->eids = eids_free(u->eids);
        u->registered = map_free(u->registered);
        u->incoming_by_reference = map_free(u->incoming_by_reference);
        u->incoming_by_peer = map_free(u->incoming_by_peer);
        u->message = packet_free(u->message);
}

int net_new(CongestionPolicy congestion, Net **ret) {
        Net *net = calloc(1, sizeof(*net));

        if (!net)
                return -ENOMEM;

        net->now = 100 * USEC_PER_SEC;
        net->n_copies = 1;
        list_init(&net->messages);
        for (unsigned i = 0; i < NET_MEMBERS_MAX; i++)
                if (member_init(net, i, congestion) < 0)
                        abort();

        *ret = net;
        return 0;
}

Net *net_free(Net *net) {
        if (!net)
                return NULL;

        for (unsigned i = 0; i < NET_MEMBERS_MAX; i++)
                member_done(&net->members[i]);

        while (!list_is_empty(&net->messages)) {
                NetMessage *message = list_first(&net->messages, NetMessage, by_net);

                list_unlink(&message->by_net);
                free(message);
        }

        return mfree(net);
}
