/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/support/routing-net.h"

#define STEP_USEC (5 * USEC_PER_MSEC)

uint64_t net_address(unsigned member) {
        return 0x1000 + 7 * (member * 5 % NET_MEMBERS_MAX);
}

static uint64_t draw(Net *net, uint64_t below) {
        net->random = net->random * 6364136223846793005U + 1442695040888963407U;
        return (net->random >> 33) % below;
}

static void net_send(Net *net, unsigned from, unsigned to, const uint8_t *data, size_t size) {
        NetMessage *m = net->messages + (net->first + net->n_messages) % NET_MESSAGES_MAX;

        if (net->loss_percent > 0 && draw(net, 100) < net->loss_percent)
                return;
        if (net->n_messages == NET_MESSAGES_MAX)
                abort();                /* no test comes near it */

        net->n_messages++;
        *m = (NetMessage) {
                .when = net->now + NET_DELAY_USEC,
                .from = from,
                .to = to,
                .connection = net->connections[from][to],
                .size = size,
        };
        memcpy(m->data, data, size);
}

/* A peer's number is that of the connection. */
static bool event_send(void *userdata, uint64_t peer, const uint8_t *message, size_t size) {
        NetMember *m = userdata;

        for (unsigned i = 0; i < m->net->n_members; i++)
                if (m->net->connections[m->number][i] == peer) {
                        if (m->net->members[i].is_full)
                                return false;
                        m->n_sent++;
                        net_send(m->net, m->number, i, message, size);
                        return true;
                }

        return false;
}

static void event_routes(void *userdata, const Route *routes, size_t n_routes, unsigned n_added, unsigned n_removed,
                         unsigned n_changed) {
        NetMember *m = userdata;

        m->n_routes_events++;
}

static void event_conflict(void *userdata) {
        NetMember *m = userdata;

        m->n_conflicts++;
}

static const RoutingEvents net_events = {
        .send = event_send,
        .routes = event_routes,
        .conflict = event_conflict,
};

/* -- the prototype -- */

static void prototype_flood(NetMember *m, const Lsa *lsa, unsigned except) {
        uint8_t data[LSA_BYTES_MAX];
        size_t size = lsa_write(lsa, data);

        for (unsigned i = 0; i < m->net->n_members; i++)
                if (i != except && m->net->connections[m->number][i] > 0)
                        net_send(m->net, m->number, i, data, size);
}

static NetPrototypeLink *prototype_find(NetMember *m, uint64_t from, uint64_t to) {
        for (unsigned i = 0; i < m->n_links; i++)
                if (m->links[i].lsa.from == from && m->links[i].lsa.to == to)
                        return m->links + i;

        return NULL;
}

static void prototype_add(NetMember *m, const Lsa *lsa) {
        if (m->n_links == NET_PROTOTYPE_LINKS_MAX)
                abort();
        m->links[m->n_links++] = (NetPrototypeLink) { .lsa = *lsa, .stamp = m->net->now };
}

static void prototype_receive(NetMember *m, unsigned from, const uint8_t *data, size_t size) {
        NetPrototypeLink *link;
        Lsa lsa;

        m->n_received++;
        if (size != LSA_BYTES) {
                m->n_unknown++;
                return;
        }
        if (lsa_parse(data, size, &lsa) < 0)
                return;

        link = prototype_find(m, lsa.from, lsa.to);
        if (!link)
                prototype_add(m, &lsa);
        else if (lsa.sequence > link->lsa.sequence)
                *link = (NetPrototypeLink) { .lsa = lsa, .stamp = m->net->now };
        else
                return;

        prototype_flood(m, &lsa, from);
}

static void prototype_connected(NetMember *m, unsigned peer) {
        const Lsa own = { .from = m->address, .to = m->net->members[peer].address, .cost = 1 };

        for (unsigned i = 0; i < m->n_links; i++) {
                uint8_t data[LSA_BYTES_MAX];

                net_send(m->net, m->number, peer, data, lsa_write(&m->links[i].lsa, data));
        }

        prototype_add(m, &own);
        prototype_flood(m, &own, UINT32_MAX);
}

static void prototype_disconnected(NetMember *m, unsigned peer) {
        NetPrototypeLink *link = prototype_find(m, m->address, m->net->members[peer].address);

        if (link)
                *link = m->links[--m->n_links];
}

static void prototype_refresh(NetMember *m) {
        m->refresh = m->net->now + NET_UPDATE_USEC;
        for (unsigned i = 0; i < m->n_links;) {
                NetPrototypeLink *link = m->links + i;

                if (link->lsa.from == m->address) {
                        link->lsa.sequence++;
                        link->stamp = m->net->now;
                        prototype_flood(m, &link->lsa, UINT32_MAX);
                } else if (m->net->now - link->stamp > NET_TIMEOUT_USEC) {
                        *link = m->links[--m->n_links];
                        continue;
                }
                i++;
        }
}

/* -- life -- */

void net_kill(Net *net, unsigned i) {
        NetMember *m = net->members + i;

        m->routing = routing_free(m->routing);
        for (unsigned k = 0; k < net->n_members; k++)
                if (net->connections[i][k] > 0)
                        net_disconnect(net, i, k);
        *m = (NetMember) { .net = net, .number = i, .refresh = USEC_INFINITY };
}

void net_start(Net *net, unsigned i, uint64_t address, uint64_t sequence) {
        const RoutingConfig config = {
                .address = address,
                .recalculate_usec = NET_RECALCULATE_USEC,
                .update_usec = NET_UPDATE_USEC,
                .timeout_usec = NET_TIMEOUT_USEC,
                .sequence = sequence,
        };

        net_kill(net, i);
        net->members[i].address = address;
        if (routing_new(&config, &net_events, net->members + i, net->now, &net->members[i].routing) < 0)
                abort();
}

void net_start_prototype(Net *net, unsigned i) {
        net_kill(net, i);
        net->members[i].prototype = true;
        net->members[i].address = net_address(i);
        net->members[i].refresh = net->now + NET_UPDATE_USEC;
}

Net *net_new(unsigned n_members) {
        Net *net = calloc(1, sizeof(*net));

        if (!net)
                abort();

        net->n_members = n_members;
        net->random = 4711;
        net->now = USEC_PER_SEC;
        for (unsigned i = 0; i < n_members; i++)
                net_start(net, i, net_address(i), 0);
        return net;
}

Net *net_free(Net *net) {
        if (!net)
                return NULL;

        for (unsigned i = 0; i < net->n_members; i++)
                routing_free(net->members[i].routing);
        return mfree(net);
}

static void end_connect(Net *net, unsigned i, unsigned peer, uint32_t cost) {
        NetMember *m = net->members + i;

        if (m->routing) {
                if (routing_peer_up(m->routing, net->connections[i][peer], !net->members[peer].prototype, net->now) <
                            0 ||
                    routing_link_up(m->routing, net->members[peer].address, cost, net->now) < 0)
                        abort();
        } else if (m->prototype)
                prototype_connected(m, peer);
}

void net_connect(Net *net, unsigned a, unsigned b, uint32_t cost) {
        net->connections[a][b] = net->connections[b][a] = ++net->last_connection;
        end_connect(net, a, b, cost);
        end_connect(net, b, a, cost);
}

static void end_disconnect(Net *net, unsigned i, unsigned peer) {
        NetMember *m = net->members + i;

        if (m->routing) {
                routing_peer_down(m->routing, net->connections[i][peer], net->now);
                routing_link_down(m->routing, net->members[peer].address, net->now);
        } else if (m->prototype)
                prototype_disconnected(m, peer);
}

void net_disconnect(Net *net, unsigned a, unsigned b) {
        uint64_t connection = net->connections[a][b];

        if (connection == 0)
                return;

        net->connections[a][b] = 0;
        end_disconnect(net, b, a);
        net->connections[b][a] = 0;
        net->connections[a][b] = connection;
        end_disconnect(net, a, b);
        net->connections[a][b] = 0;
}

/* -- time -- */

static void deliver(Net *net, unsigned from, unsigned to, uint64_t connection, const uint8_t *data, size_t size) {
        NetMember *m = net->members + to;

        if (net->connections[to][from] != connection)
                return;                 /* it is gone */

        if (m->prototype)
                prototype_receive(m, from, data, size);
        else if (m->routing) {
                m->n_received++;
                routing_receive(m->routing, connection, data, size, net->now);
        }
}

void net_inject(Net *net, unsigned from, unsigned i, const Lsa *lsa) {
        uint8_t data[LSA_BYTES_MAX];

        deliver(net, from, i, net->connections[i][from], data, lsa_write(lsa, data));
}

static usec_t net_next(const Net *net) {
        usec_t next = net->n_messages > 0 ? net->messages[net->first].when : USEC_INFINITY;

        for (unsigned i = 0; i < net->n_members; i++)
                next = MIN(next,
                           net->members[i].routing ? routing_next(net->members[i].routing) : net->members[i].refresh);

        return next;
}

void net_run(Net *net, usec_t usec) {
        usec_t end = net->now + usec;

        while (net_next(net) <= end) {
                net->now = MAX(net->now, net_next(net));

                while (net->n_messages > 0 && net->messages[net->first].when <= net->now) {
                        NetMessage m = net->messages[net->first];

                        net->first = (net->first + 1) % NET_MESSAGES_MAX;
                        net->n_messages--;
                        deliver(net, m.from, m.to, m.connection, m.data, m.size);
                }
                for (unsigned i = 0; i < net->n_members; i++)
                        if (net->members[i].routing && routing_next(net->members[i].routing) <= net->now)
                                routing_expire(net->members[i].routing, net->now);
                        else if (net->members[i].refresh <= net->now)
                                prototype_refresh(net->members + i);
        }

        net->now = end;
}

/* -- what is right -- */

/* Links between two by a plain search; UINT32_MAX: there is no way. */
static uint32_t net_distance(const Net *net, unsigned from, unsigned to) {
        unsigned queue[NET_MEMBERS_MAX] = { from }, n = 1;
        uint32_t distance[NET_MEMBERS_MAX];

        memset(distance, 0xff, sizeof(distance));
        distance[from] = 0;
        for (unsigned i = 0; i < n; i++)
                for (unsigned k = 0; k < net->n_members; k++)
                        if (net->connections[queue[i]][k] > 0 && distance[k] == UINT32_MAX) {
                                distance[k] = distance[queue[i]] + 1;
                                queue[n++] = k;
                        }

        return distance[to];
}

const Route *net_route(const Net *net, unsigned from, unsigned to) {
        const Route *routes;
        size_t n;

        routes = routing_routes(net->members[from].routing, &n);
        for (size_t i = 0; i < n; i++)
                if (routes[i].destination == net->members[to].address)
                        return routes + i;

        return NULL;
}

static bool route_is_right(const Net *net, unsigned from, unsigned to) {
        uint32_t distance = net_distance(net, from, to);
        const Route *route = net_route(net, from, to);
        unsigned n_hops = 0;

        if (distance == UINT32_MAX)
                return !route;
        if (!route || route->n_links != distance)
                return false;

        for (unsigned k = 0; k < net->n_members; k++)
                if (net->connections[from][k] > 0 && net_distance(net, k, to) + 1 == distance)
                        for (unsigned i = 0; i < route->n_hops; i++)
                                n_hops += route->hops[i] == net->members[k].address;

        return n_hops == route->n_hops && n_hops > 0;
}

bool net_is_right(const Net *net) {
        for (unsigned a = 0; a < net->n_members; a++)
                for (unsigned b = 0; b < net->n_members; b++)
                        if (a != b && net->members[a].routing && net->members[b].address != 0 &&
                            !route_is_right(net, a, b))
                                return false;

        return true;
}

usec_t net_run_until_right(Net *net, usec_t at_most) {
        usec_t begin = net->now;

        while (net->now <= begin + at_most) {
                if (net_is_right(net))
                        return net->now - begin;
                net_run(net, STEP_USEC);
        }

        return USEC_INFINITY;
}

bool net_find_link(const Net *net, unsigned i, uint64_t from, uint64_t to, RoutingLink *ret) {
        for (size_t k = 0; routing_link(net->members[i].routing, k, net->now, ret); k++)
                if (ret->from == from && ret->to == to)
                        return true;

        return false;
}
