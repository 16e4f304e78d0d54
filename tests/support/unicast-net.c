/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <syslog.h>

#include "tests/support/unicast-net.h"

typedef enum EventKind {
        EVENT_ALLOCATE,                 /* the request arrives */
        EVENT_MESSAGE,
        EVENT_ENDED,
} EventKind;

typedef struct Event {
        usec_t when;
        EventKind kind;
        NetMember *member;              /* allocate: who asked */
        uint64_t flow_id;
        NetFlow *flow;
        unsigned side;                  /* which end is concerned */
        Packet *packet;                 /* owned */
        ListNode by_net;
} Event;

static uint64_t draw(uint64_t *seed) {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        return *seed;
}

/* Behind all others of the same time. */
static Event *event_new(Net *net, EventKind kind) {
        Event *event = calloc(1, sizeof(*event));
        ListNode *where = net->events.previous;

        if (!event)
                abort();

        event->kind = kind;
        event->when = net->now + NET_DELAY_USEC;
        while (where != &net->events && container_of(where, Event, by_net)->when > event->when)
                where = where->previous;
        list_insert_after(where, &event->by_net);
        return event;
}

static void event_free(Event *event) {
        list_unlink(&event->by_net);
        packet_free(event->packet);
        free(event);
}

/* -- what members want -- */

static int lower_allocate(void *userdata, LowerFlow *flow) {
        NetMember *m = userdata;
        Event *event = event_new(m->net, EVENT_ALLOCATE);

        event->member = m;
        event->flow_id = flow->id;
        return 0;
}

static unsigned side_of(const NetFlow *f, const LowerFlow *flow) {
        return f->flows[1] == flow;
}

static void lower_release(void *userdata, LowerFlow *flow) {
        NetMember *m = userdata;
        NetFlow *f = flow->shell;
        unsigned side;

        if (!f)
                return;

        side = side_of(f, flow);
        f->flows[side] = NULL;
        if (!m->is_cut_off && f->flows[!side]) {
                Event *event = event_new(m->net, EVENT_ENDED);

                event->flow = f;
                event->side = !side;
        }
}

static void send_one(NetMember *m, LowerFlow *flow, const Packet *packet) {
        Net *net = m->net;
        NetFlow *f = flow->shell;
        size_t size = packet_size(packet);
        Event *event;

        if (m->is_cut_off || draw(&net->seed) % 100 < net->loss_percent)
                return;

        event = event_new(net, EVENT_MESSAGE);
        event->flow = f;
        event->side = f && !side_of(f, flow);
        if (packet_new(size, &event->packet) < 0)
                abort();
        memcpy(packet_append(event->packet, size), packet->head, size);

        /* A flow without another end is a test's own: its messages go to the filter, and no further. */
        if ((net->filter && !net->filter(net, m, flow, event->packet->head, &size)) || !f)
                event_free(event);
        else
                event->packet->tail = event->packet->head + size;
}

static unsigned lower_send(void *userdata, LowerFlow *flow, Packet *const *packets, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                send_one(userdata, flow, packets[i]);

        return n;
}

static unsigned lower_queued(void *userdata, const LowerFlow *flow) {
        return 0;
}

static void state(void *userdata, LayerState layer_state, const char *reason) {
        NetMember *m = userdata;

        m->state = layer_state;
        (void) copy_string(m->reason, sizeof(m->reason), reason);
}

static void packet_max(void *userdata, uint32_t value) {
        NetMember *m = userdata;

        m->packet_max = value;
}

static void neighbour(void *userdata, const char *name, const char *before, const char *after, const char *reason) {
        NetMember *m = userdata;

        m->n_up += streq(after, "up");
        m->n_down += streq(after, "down");
}

static void routes(void *userdata, uint64_t version, unsigned n_added, unsigned n_removed, unsigned n_changed) {
}

static void joined(void *userdata) {
        NetMember *m = userdata;

        m->n_joined++;
}

static int random_bytes_of(void *userdata, void *ret, size_t size) {
        NetMember *m = userdata;

        if (m->no_random)
                return -EIO;

        for (size_t i = 0; i < size; i++)
                ((uint8_t *) ret)[i] = m->fixed_random ? (uint8_t) (m->fixed_random >> (8 * (i % 8)))
                                                       : (uint8_t) (draw(&m->seed) >> 24);
        return 0;
}

static uint64_t realtime_nsec(void *userdata, usec_t now) {
        const NetMember *m = userdata;

        return (uint64_t) ((int64_t) (1800000000000000000ULL + now * NSEC_PER_USEC) + m->clock_nsec);
}

static void write_log(void *userdata, int level, const char *text) {
        NetMember *m = userdata;

        (void) copy_string(m->last_log, sizeof(m->last_log), text);
        m->last_level = level;
        m->n_logs++;
        if (strstr(text, "were left out"))
                m->n_left_out_told += strtoull(text, NULL, 10);
        if (level == LOG_WARNING) {
                (void) copy_string(m->warning, sizeof(m->warning), text);
                m->n_warnings++;
        }
        if (getenv("NET_DEBUG"))
                printf("%9.3f %s: %s\n", (double) m->net->now / 1e6, m->name, text);
}

/* -- what its IRM and its applications hear -- */

static void query_done(void *userdata, uint64_t query_id, int32_t result) {
}

static void deliver(void *userdata, UnicastFlow *flow, Packet *const *packets, unsigned n, bool marked) {
        NetMember *m = userdata;

        m->n_delivered += n;
}

static void prepared(void *userdata, uint64_t flow_id, uint32_t attempt, uint64_t reference, int32_t result,
                           const FlowBinding *binding, const uint8_t *lock) {
        NetMember *m = userdata;

        prepared_keep(&m->prepared, flow_id, attempt, reference, result, binding, lock);
        m->n_prepared++;
}

static void changed(void *userdata, LayerFlow *flow) {
        NetMember *m = userdata;

        if (flow->state != LAYER_FLOW_ESTABLISHED)
                abort();
        m->n_changed++;
}

static int reply(void *userdata, LayerFlow *flow, int32_t result, const uint8_t *oap, size_t oap_size,
                       const FlowBinding *binding) {
        NetMember *m = userdata;

        if (binding)
                m->reply_binding = *binding;
        m->n_replies++;
        m->result = result;
        return 0;
}

static void failed(void *userdata, uint64_t flow_id, uint32_t attempt, int32_t result) {
        NetMember *m = userdata;

        m->n_failed++;
}

static void incoming(void *userdata, uint64_t reference, const uint8_t *hash, size_t hash_size, const o7s_qos *qos,
                     const uint8_t *oap, size_t oap_size, const FlowBinding *binding, const char *peer) {
        NetMember *m = userdata;

        m->incoming_binding = *binding;
        m->n_incoming++;
        m->incoming = reference;
}

static void incoming_gone(void *userdata, uint64_t reference) {
        NetMember *m = userdata;

        m->n_gone++;
}

static void ended(void *userdata, LayerFlow *flow, CloseReason reason) {
        NetMember *m = userdata;

        m->n_ended++;
}

static void resume(void *userdata, UnicastFlow *flow) {
}

static void way(void *userdata, UnicastFlow *flow, bool there) {
        NetMember *m = userdata;

        if (there)
                m->n_way++;
        else
                m->n_no_way++;
}

static const UnicastEvents events = {
        .lower_allocate = lower_allocate,
        .lower_release = lower_release,
        .lower_send = lower_send,
        .lower_queued = lower_queued,
        .deliver = deliver,
        .prepared = prepared,
        .changed = changed,
        .reply = reply,
        .failed = failed,
        .incoming = incoming,
        .incoming_gone = incoming_gone,
        .query_done = query_done,
        .down = ended,
        .resume = resume,
        .way = way,
        .state = state,
        .packet_max = packet_max,
        .neighbour = neighbour,
        .routes = routes,
        .joined = joined,
        .random = random_bytes_of,
        .realtime_nsec = realtime_nsec,
        .log = write_log,
};

/* -- what happens below -- */

/* Never the one who asks; those who answer to the layer's name take turns. */
static NetMember *find_member(Net *net, const NetMember *asker, const char *name, unsigned lower) {
        for (unsigned i = 0; i < net->n_members; i++) {
                NetMember *m = &net->members[(net->turn + i) % net->n_members];
                bool named = streq(name, m->name) || streq(name, m->config.layer);

                if (m == asker || !m->alive || m->is_cut_off || !named || !m->unicast.lower_is_up[lower])
                        continue;
                net->turn++;
                return m;
        }

        return NULL;
}

static LowerFlow *find_flow(NetMember *m, uint64_t id) {
        LowerFlow *flow;

        if (m->alive)
                list_for_each(flow, &m->unicast.lower_flows, by_unicast)
                        if (flow->id == id)
                                return flow;

        return NULL;
}

static void allocate(Net *net, const Event *event) {
        LowerFlow *flow = find_flow(event->member, event->flow_id);
        const o7s_qos qos = flow ? cube_lower_qos(flow->cube) : (o7s_qos) {};
        NetMember *to;
        NetFlow *f;

        if (!flow || event->member->is_cut_off)
                return;                 /* given up, or nobody hears it: its time-out will tell */

        to = find_member(net, event->member, flow->name, flow->lower);
        if (!to)
                return unicast_lower_failed(flow, -ENOENT, "nobody has this name", net->now);

        f = calloc(1, sizeof(*f));
        if (!f)
                abort();
        f->members[0] = event->member;
        f->members[1] = to;
        list_append(&net->flows, &f->by_net);

        if (unicast_lower_accepted(&to->unicast, flow->lower, &qos, NET_PACKET_MAX, event->member->name, net->now,
                                   &f->flows[1]) < 0)
                return unicast_lower_failed(flow, -ECONNREFUSED, NULL, net->now);

        f->flows[0] = flow;
        f->flows[0]->shell = f->flows[1]->shell = f;
        unicast_lower_allocated(flow, NET_PACKET_MAX, net->now);
}

static void happen(Net *net, const Event *event) {
        LowerFlow *flow;

        if (event->kind == EVENT_ALLOCATE)
                return allocate(net, event);

        flow = event->flow->flows[event->side];
        if (!flow || event->flow->members[event->side]->is_cut_off)
                return;
        if (event->kind == EVENT_MESSAGE)
                return unicast_lower_received(flow, &event->packet, 1, net->now);

        event->flow->flows[event->side] = NULL;
        unicast_lower_down(flow, "the peer closed it", net->now);
}

static usec_t next_time(const Net *net) {
        const Event *event = list_first(&net->events, const Event, by_net);
        usec_t next = event ? event->when : USEC_INFINITY;

        for (unsigned i = 0; i < net->n_members; i++)
                if (net->members[i].alive)
                        next = MIN(next, unicast_next(&net->members[i].unicast));

        return next;
}

static void step(Net *net) {
        Event *event;

        while ((event = list_first(&net->events, Event, by_net)) && event->when <= net->now) {
                list_unlink(&event->by_net);
                happen(net, event);
                event_free(event);
                if (++net->n_events > 10000000)
                        abort();        /* a loop of messages */
        }

        for (unsigned i = 0; i < net->n_members; i++)
                if (net->members[i].alive && unicast_next(&net->members[i].unicast) <= net->now)
                        unicast_expire(&net->members[i].unicast, net->now);
}

usec_t net_run_until(Net *net, bool (*condition)(Net *net), usec_t duration) {
        usec_t begin = net->now, end = net->now + duration;
        unsigned n_same = 0;

        for (;;) {
                usec_t next = next_time(net);

                if (condition && condition(net))
                        return net->now - begin;
                if (next > end) {
                        net->now = end;
                        return USEC_INFINITY;
                }

                n_same = next > net->now ? 0 : n_same + 1;
                if (n_same > 10000)
                        abort();        /* somebody is due again and again */
                net->now = MAX(net->now, next);
                step(net);
        }
}

void net_run(Net *net, usec_t duration) {
        (void) net_run_until(net, NULL, duration);
}

/* -- life -- */

void net_init(Net *net, uint64_t seed) {
        *net = (Net) { .now = USEC_PER_SEC, .seed = seed * 2654435761U + 1 };
        list_init(&net->events);
        list_init(&net->flows);
}

NetMember *net_add(Net *net, bool bootstrap) {
        static const char *const lower[NET_LOWER] = { "lan", "wan" };
        NetMember *m = &net->members[net->n_members];

        if (net->n_members >= NET_MEMBERS_MAX)
                abort();

        *m = (NetMember) { .net = net, .seed = draw(&net->seed), .state = _LAYER_STATE_INVALID };
        (void) snprintf(m->name, sizeof(m->name), "home.%u", net->n_members);
        m->config = (UnicastConfig) {
                .layer = "home",
                .member = m->name,
                .lower = lower,
                .n_lower = 1,
                .bootstrap = bootstrap,
                .keep_neighbours = true,
                .give_up_usec = USEC_INFINITY,
        };
        layer_config_init(&m->config.initial, "home");
        net->n_members++;
        return m;
}

void net_start(NetMember *m) {
        if (unicast_init(&m->unicast, &m->config, &events, m, m->net->now) < 0)
                abort();

        m->alive = true;
        unicast_start(&m->unicast, m->net->now);
        for (unsigned i = 0; i < m->config.n_lower; i++)
                unicast_lower_changed(&m->unicast, i, true, m->net->now);
}

void net_kill(NetMember *m, bool loud) {
        Event *event, *following;

        list_for_each_safe(event, following, &m->net->events, by_net)
                if (event->kind == EVENT_ALLOCATE && event->member == m)
                        event_free(event);

        m->is_cut_off = !loud;
        unicast_done(&m->unicast);
        m->alive = m->is_cut_off = false;
}

void net_done(Net *net) {
        for (unsigned i = 0; i < net->n_members; i++)
                if (net->members[i].alive)
                        net_kill(&net->members[i], false);

        while (!list_is_empty(&net->events))
                event_free(list_first(&net->events, Event, by_net));
        while (!list_is_empty(&net->flows)) {
                NetFlow *f = list_first(&net->flows, NetFlow, by_net);

                list_unlink(&f->by_net);
                free(f);
        }
}

/* -- to be looked at -- */

unsigned net_n_flows(const NetMember *m, LowerPurpose purpose, Cube cube) {
        const LowerFlow *flow;
        unsigned n = 0;

        list_for_each(flow, &m->unicast.lower_flows, by_unicast)
                if (flow->state == LOWER_OPEN && flow->purpose == purpose &&
                    (purpose != LOWER_DATA || flow->cube == cube))
                        n++;

        return n;
}

Neighbour *net_neighbour(NetMember *m, const NetMember *of) {
        return neighbour_find(&m->unicast, of->unicast.address);
}

/* -- flows above -- */

void net_hash(uint8_t name, uint8_t ret[HASH_BYTES_MAX]) {
        memset(ret, name, HASH_BYTES_MAX);
}

void net_request(NetMember *m, uint64_t flow_id, uint8_t name) {
        LayerMessage order = {
                .type = LAYER_REQUEST,
                .flow_id = flow_id,
                .qos = O7S_QOS_RAW,
                .hash_size = m->unicast.hash_size,
                .oap_size = 84,
        };

        net_hash(name, order.hash);
        memcpy(order.oap, &flow_id, sizeof(flow_id));           /* the id of the request */
        unicast_request(&m->unicast, &order, m->net->now);
}

int net_accept(NetMember *m, uint64_t reference, uint64_t flow_id) {
        const LayerMessage order = {
                .type = LAYER_ACCEPT,
                .reference = reference,
                .flow_id = flow_id,
                .oap_size = 84,
        };

        return unicast_accept(&m->unicast, &order, m->net->now);
}

UnicastFlow *net_flow(const NetMember *m, uint64_t flow_id) {
        LayerFlow *flow = layer_flows_get(&m->unicast.flows, flow_id, 0);

        return flow ? unicast_flow(flow) : NULL;
}

void net_establish(NetMember *m, uint64_t flow_id) {
        const CloseTokens tokens = {
                .have_own = true,
                .have_peer = true,
                .own = { 0x8a, 0x13, 0x5c, 0xe9, 0x77, 0x21, 0xd4, 0x6b },
                .peer = { 0x8a, 0x13, 0x5c, 0xe9, 0x77, 0x21, 0xd4, 0x6b },
        };
        UnicastFlow *flow = net_flow(m, flow_id);

        if (flow && flow->layer.state == LAYER_FLOW_ANSWERED)
                unicast_established(&m->unicast, &flow->layer, &tokens, m->net->now);
}

static bool is_established(const NetMember *m, uint64_t flow_id) {
        const UnicastFlow *flow = net_flow(m, flow_id);

        return flow && flow->layer.state == LAYER_FLOW_ESTABLISHED;
}

bool net_connect(NetMember *from, NetMember *to, uint64_t flow_id, uint8_t name) {
        uint8_t hash[HASH_BYTES_MAX];
        unsigned n_incoming;
        Net *net = from->net;

        net_hash(name, hash);
        if (unicast_register(&to->unicast, hash, to->unicast.hash_size, net->now) < 0)
                return false;
        net_run(net, USEC_PER_SEC);

        n_incoming = to->n_incoming;
        net_request(from, flow_id, name);
        net_run(net, USEC_PER_SEC);
        if (to->n_incoming == n_incoming || net_accept(to, to->incoming, flow_id + 1000) < 0)
                return false;

        net_establish(to, flow_id + 1000);
        net_run(net, USEC_PER_SEC);
        net_establish(from, flow_id);
        return is_established(from, flow_id) && is_established(to, flow_id + 1000);
}

void net_write(NetMember *m, uint64_t flow_id, const void *data, size_t size) {
        _cleanup_(packet_freep) Packet *packet = NULL;
        UnicastFlow *flow = net_flow(m, flow_id);

        if (!flow)
                return;
        if (packet_new(size, &packet) < 0)
                abort();

        memcpy(packet_append(packet, size), data, size);
        (void) unicast_transmit(&m->unicast, flow, &packet, 1, m->net->now);
}
